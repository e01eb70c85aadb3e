import base64
import hashlib
import zlib

import pytest

from test_objects import body_of

MIN = 5 << 20


def upload(s3, bucket, key, bodies, numbers=None, **create):
    """The whole of a multipart upload; answers the completion."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key=key, **create)["UploadId"]
    parts = []
    for number, body in zip(numbers or range(1, len(bodies) + 1), bodies):
        part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body)
        assert part["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})


def etag_of(bodies):
    return f'"{hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()}-{len(bodies)}"'


def test_parts_become_one_object(s3, bucket):
    bodies = [body_of(MIN), body_of(MIN + 7)[::-1], b"the end"]
    done = upload(s3, bucket, "dir/big", bodies, ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1")
    assert done["ETag"] == etag_of(bodies)
    assert done["Location"].endswith(f"/{bucket}/dir/big")
    got = s3.get_object(Bucket=bucket, Key="dir/big")
    assert got["Body"].read() == b"".join(bodies)
    assert (got["ETag"], got["ContentType"], got["Metadata"], got["TagCount"]) == (done["ETag"], "text/x", {"a": "b"}, 1)
    at = MIN - 3
    assert s3.get_object(Bucket=bucket, Key="dir/big", Range=f"bytes={at}-{at + 9}")["Body"].read() == b"".join(bodies)[at:at + 10]
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_part_can_be_read_alone(s3, bucket, raises):
    bodies = [body_of(MIN), b"tail"]
    upload(s3, bucket, "k", bodies)
    for number, body in enumerate(bodies, 1):
        got = s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert (got["PartsCount"], got["Body"].read() == body) == (2, True)
        assert s3.head_object(Bucket=bucket, Key="k", PartNumber=number)["ContentLength"] == len(body)
    raises(416, "InvalidPartNumber", s3.get_object, Bucket=bucket, Key="k", PartNumber=3)
    raises(400, "InvalidRequest", s3.get_object, Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1")
    s3.put_object(Bucket=bucket, Key="single", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="single", PartNumber=1)["Body"].read() == b"x"
    raises(416, "InvalidPartNumber", s3.get_object, Bucket=bucket, Key="single", PartNumber=2)


def test_part_numbers_may_have_gaps_and_parts_may_be_replaced(s3, bucket):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    name = dict(Bucket=bucket, Key="k", UploadId=upload_id)
    s3.upload_part(PartNumber=7, Body=b"old", **name)
    first = s3.upload_part(PartNumber=2, Body=body_of(MIN), **name)["ETag"]
    s3.upload_part(PartNumber=4, Body=b"not wanted", **name)
    last = s3.upload_part(PartNumber=7, Body=b"new", **name)["ETag"]
    listed = s3.list_parts(**name)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [(2, MIN), (4, 10), (7, 3)]
    s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": first}, {"PartNumber": 7, "ETag": last}]}, **name)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body_of(MIN) + b"new"


def test_an_upload_is_invisible_until_it_is_complete(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"after")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"after"
    again = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload=parts)
    assert again["ETag"] == s3.head_object(Bucket=bucket, Key="k")["ETag"], "who did not hear the answer may ask again"
    s3.put_object(Bucket=bucket, Key="k", Body=b"something else")
    raises(404, "NoSuchUpload", s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload=parts)


def test_an_aborted_upload_is_gone(s3, bucket, raises):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    name = dict(Bucket=bucket, Key="k", UploadId=upload_id)
    s3.upload_part(PartNumber=1, Body=b"x", **name)
    s3.abort_multipart_upload(**name)
    for call, more in (s3.upload_part, {"PartNumber": 1, "Body": b"x"}), (s3.list_parts, {}), (s3.abort_multipart_upload, {}):
        raises(404, "NoSuchUpload", call, **name, **more)
    raises(404, "NoSuchUpload", s3.list_parts, Bucket=bucket, Key="other", UploadId=upload_id)
    raises(404, "NoSuchUpload", s3.list_parts, Bucket=bucket, Key="k", UploadId="never-was")
    raises(404, "NoSuchBucket", s3.create_multipart_upload, Bucket="no-such-bucket", Key="k")


def test_an_upload_is_aborted_only_if_it_began_then(daemon, s3, bucket):
    s3.create_multipart_upload(Bucket=bucket, Key="k")
    upload = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]
    began = upload["Initiated"].strftime("%a, %d %b %Y %H:%M:%S GMT")

    def abort(when):
        return daemon.raw("DELETE", f"/{bucket}/k", query=f"uploadId={upload['UploadId']}", headers={"x-amz-if-match-initiated-time": when})

    assert abort("Mon, 01 Jan 2001 00:00:00 GMT").code == "PreconditionFailed"
    assert abort("yesterday").code == "InvalidArgument"
    assert [abort(began).status, abort(began).status] == [204, 204]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_a_bucket_goes_with_its_uploads(s3):
    s3.create_bucket(Bucket="with-uploads")
    upload_id = s3.create_multipart_upload(Bucket="with-uploads", Key="k")["UploadId"]
    s3.upload_part(Bucket="with-uploads", Key="k", UploadId=upload_id, PartNumber=1, Body=b"x")
    s3.delete_bucket(Bucket="with-uploads")


def test_completion_is_checked(daemon, s3, bucket, raises):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    name = dict(Bucket=bucket, Key="k", UploadId=upload_id)
    one = s3.upload_part(PartNumber=1, Body=b"small", **name)["ETag"]
    two = s3.upload_part(PartNumber=2, Body=b"last", **name)["ETag"]

    def refused(status, code, *parts):
        return raises(status, code, s3.complete_multipart_upload, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": e} for n, e in parts]}, **name)

    assert refused(400, "EntityTooSmall", (1, one), (2, two))["Error"]["PartNumber"] == "1"
    refused(400, "InvalidPartOrder", (2, two), (1, one))
    refused(400, "InvalidPartOrder", (1, one), (1, one))
    refused(400, "InvalidPart", (1, two))
    refused(400, "InvalidPart", (1, '"nonsense"'))
    refused(400, "InvalidPart", (3, one))
    refused(400, "InvalidArgument", (0, one))
    refused(400, "InvalidArgument", (-1, one))
    for bad in b"", b"<CompleteMultipartUpload/>", b"<Complete", b"<Other/>", b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>":
        reply = daemon.raw("POST", f"/{bucket}/k", query=f"uploadId={upload_id}", body=bad)
        assert (reply.status, reply.code) == (400, "MalformedXML"), bad
    good = f"<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>{two}</ETag></Part></CompleteMultipartUpload>".encode()
    reply = daemon.raw("POST", f"/{bucket}/k", query=f"uploadId={upload_id}", body=good, headers={"x-amz-mp-object-size": "5"})
    assert (reply.status, reply.code) == (400, "InvalidRequest")
    s3.put_object(Bucket=bucket, Key="k")
    reply = daemon.raw("POST", f"/{bucket}/k", query=f"uploadId={upload_id}", body=good, headers={"if-none-match": "*"})
    assert (reply.status, reply.code) == (412, "PreconditionFailed")
    assert daemon.raw("POST", f"/{bucket}/k", query=f"uploadId={upload_id}", body=good, headers={"x-amz-mp-object-size": "4"}).status == 200


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", ""])
def test_bad_part_numbers(daemon, s3, bucket, number):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    reply = daemon.raw("PUT", f"/{bucket}/k", query=f"partNumber={number}&uploadId={upload_id}", body=b"x")
    assert (reply.status, reply.code) == (400, "InvalidArgument")


def test_listing_parts_in_pages(s3, bucket):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    name = dict(Bucket=bucket, Key="k", UploadId=upload_id)
    for number in 1, 2, 5, 10000:
        s3.upload_part(PartNumber=number, Body=b"x", **name)
    got, marker = [], 0
    while True:
        page = s3.list_parts(MaxParts=3, PartNumberMarker=marker, **name)
        got += [p["PartNumber"] for p in page["Parts"]]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert got == [1, 2, 5, 10000]


def test_listing_uploads(s3, bucket):
    keys = ["a", "a/b", "a/c", "b/1", "b/2", "c"]
    ids = {(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in keys * 2}

    def listed(**query):
        got, prefixes, marker = [], [], {}
        while True:
            page = s3.list_multipart_uploads(Bucket=bucket, **query, **marker)
            got += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            if not page["IsTruncated"]:
                return got, prefixes
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    for size in 1, 2, 3, 5, 1000:
        got, _ = listed(MaxUploads=size)
        assert [key for key, _ in got] == sorted(keys * 2) and set(got) == ids
        got, prefixes = listed(MaxUploads=size, Delimiter="/")
        assert ([key for key, _ in got], prefixes) == (["a", "a", "c", "c"], ["a/", "b/"])
        got, prefixes = listed(MaxUploads=size, Prefix="a/")
        assert ([key for key, _ in got], prefixes) == (["a/b", "a/b", "a/c", "a/c"], [])
        assert listed(MaxUploads=size, Prefix="a", Delimiter="/")[1] == ["a/"]
    page = s3.list_multipart_uploads(Bucket=bucket, KeyMarker="a/b")
    assert [u["Key"] for u in page["Uploads"]] == sorted(keys * 2)[4:]
    for key, upload_id in ids:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)


# ---- UploadPartCopy ----

def test_parts_can_be_copied(s3, bucket, raises):
    source = body_of(MIN + 1000)
    s3.put_object(Bucket=bucket, Key="from", Body=source)
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    name = dict(Bucket=bucket, Key="to", UploadId=upload_id)
    copy = dict(CopySource=f"{bucket}/from", **name)
    whole = s3.upload_part_copy(PartNumber=1, **copy)["CopyPartResult"]["ETag"]
    assert whole == f'"{hashlib.md5(source).hexdigest()}"'
    tail = s3.upload_part_copy(PartNumber=2, CopySourceRange="bytes=10-99", **copy)["CopyPartResult"]["ETag"]
    assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in s3.list_parts(**name)["Parts"]] == [(1, MIN + 1000, whole), (2, 90, tail)]
    raises(400, "InvalidArgument", s3.upload_part_copy, PartNumber=3, CopySourceRange="bytes=1", **copy)
    beyond = raises(400, "InvalidArgument", s3.upload_part_copy, PartNumber=3, CopySourceRange=f"bytes=0-{MIN + 1000}", **copy)
    assert str(MIN + 1000) in beyond["Error"]["Message"]
    raises(412, "PreconditionFailed", s3.upload_part_copy, PartNumber=3, CopySourceIfMatch='"no"', **copy)
    raises(404, "NoSuchKey", s3.upload_part_copy, PartNumber=3, CopySource=f"{bucket}/no", **name)
    raises(404, "NoSuchUpload", s3.upload_part_copy, PartNumber=1, Bucket=bucket, Key="to", UploadId="no", CopySource=f"{bucket}/from")
    s3.delete_object(Bucket=bucket, Key="from")
    s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": whole}, {"PartNumber": 2, "ETag": tail}]}, **name)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == source + source[10:100]


def test_a_multipart_object_can_be_copied(s3, bucket):
    bodies = [body_of(MIN), b"end"]
    upload(s3, bucket, "from", bodies)
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"{bucket}/from")
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"".join(bodies)


# ---- checksums of uploads ----

def crc(body):
    return zlib.crc32(body).to_bytes(4, "big")


def b64(digest):
    return base64.b64encode(digest).decode()


def checked_upload(daemon, bucket, key, bodies, algorithm, kind, digest, final=None):
    header = f"x-amz-checksum-{algorithm.lower()}"
    headers = {"x-amz-checksum-algorithm": algorithm}
    if kind:
        headers["x-amz-checksum-type"] = kind
    created = daemon.raw("POST", f"/{bucket}/{key}", query="uploads", headers=headers)
    assert created.status == 200, created
    upload_id = created.text("UploadId")
    parts = ""
    for number, body in enumerate(bodies, 1):
        reply = daemon.raw("PUT", f"/{bucket}/{key}", query=f"partNumber={number}&uploadId={upload_id}", body=body,
                           headers={header: b64(digest(body))})
        assert reply.status == 200, reply
        parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{reply.headers['etag']}</ETag><Checksum{algorithm}>{b64(digest(body))}</Checksum{algorithm}></Part>"
    document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    reply = daemon.raw("POST", f"/{bucket}/{key}", query=f"uploadId={upload_id}", body=document, headers={header: final} if final else {})
    return created, reply


def sha256(body):
    return hashlib.sha256(body).digest()


def test_composite_checksums(daemon, bucket):
    bodies = [body_of(MIN), b"end"]
    for algorithm, digest in ("CRC32", crc), ("SHA256", sha256), ("SHA512", lambda body: hashlib.sha512(body).digest()), ("MD5", lambda body: hashlib.md5(body).digest()):
        want = b64(digest(b"".join(digest(b) for b in bodies))) + "-2"
        created, reply = checked_upload(daemon, bucket, "k", bodies, algorithm, None, digest)
        assert created.headers["x-amz-checksum-type"] == "COMPOSITE"
        assert (reply.status, reply.text(f"Checksum{algorithm}"), reply.text("ChecksumType")) == (200, want, "COMPOSITE")
        head = daemon.raw("HEAD", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"}).headers
        assert (head[f"x-amz-checksum-{algorithm.lower()}"], head["x-amz-checksum-type"]) == (want, "COMPOSITE")
        attributes = daemon.raw("GET", f"/{bucket}/k", query="attributes", headers={"x-amz-object-attributes": "Checksum"})
        assert attributes.text(f"Checksum{algorithm}") + "-2" == want, "here it stands without the number of parts"
        part = daemon.raw("GET", f"/{bucket}/k", query="partNumber=2", headers={"x-amz-checksum-mode": "ENABLED"}).headers
        assert part[f"x-amz-checksum-{algorithm.lower()}"] == b64(digest(b"end"))


@pytest.mark.parametrize("algorithm,digest", [("CRC32", crc), ("SHA256", sha256)])
def test_a_copy_of_a_composite_checksum_has_that_of_the_whole(daemon, bucket, algorithm, digest):
    bodies = [body_of(MIN), body_of(MIN + 7), b"end"]
    assert checked_upload(daemon, bucket, "k", bodies, algorithm, "COMPOSITE", digest)[1].status == 200
    whole = b64(digest(b"".join(bodies)))
    copy = daemon.raw("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": f"{bucket}/k"})
    assert (copy.status, copy.text(f"Checksum{algorithm}"), copy.text("ChecksumType")) == (200, whole, "FULL_OBJECT")
    head = daemon.raw("HEAD", f"/{bucket}/copy", headers={"x-amz-checksum-mode": "ENABLED"}).headers
    assert (head[f"x-amz-checksum-{algorithm.lower()}"], head["x-amz-checksum-type"]) == (whole, "FULL_OBJECT")
    assert daemon.raw("GET", f"/{bucket}/copy").body == b"".join(bodies)
    other = daemon.raw("PUT", f"/{bucket}/other", headers={"x-amz-copy-source": f"{bucket}/k", "x-amz-checksum-algorithm": "SHA1"})
    assert other.text("ChecksumSHA1") == b64(hashlib.sha1(b"".join(bodies)).digest())


def test_full_object_checksums(daemon, bucket):
    bodies = [body_of(MIN), body_of(MIN + 1), b"end"]
    want = b64(crc(b"".join(bodies)))
    _, reply = checked_upload(daemon, bucket, "k", bodies, "CRC32", "FULL_OBJECT", crc, final=want)
    assert (reply.status, reply.text("ChecksumCRC32"), reply.text("ChecksumType")) == (200, want, "FULL_OBJECT")
    _, reply = checked_upload(daemon, bucket, "k", bodies, "CRC32", "FULL_OBJECT", crc, final=b64(crc(b"other")))
    assert (reply.status, reply.code) == (400, "BadDigest")


def create_checked(daemon, bucket, **headers):
    return daemon.raw("POST", f"/{bucket}/k", query="uploads", headers={f"x-amz-checksum-{k}": v for k, v in headers.items()})


def test_checksum_choices_are_checked(daemon, bucket):
    for bad in {"algorithm": "MD4"}, {"type": "COMPOSITE"}, {"algorithm": "SHA1", "type": "FULL_OBJECT"}, {"algorithm": "CRC64NVME", "type": "COMPOSITE"}, \
            {"algorithm": "XXHASH3", "type": "FULL_OBJECT"}, {"algorithm": "CRC32", "type": "HALF"}:
        reply = create_checked(daemon, bucket, **bad)
        assert (reply.status, reply.code) == (400, "InvalidRequest"), bad


def test_parts_of_a_composite_checksum_bring_theirs(daemon, bucket):
    query = f"partNumber=1&uploadId={create_checked(daemon, bucket, algorithm='SHA256').text('UploadId')}"
    assert daemon.raw("PUT", f"/{bucket}/k", query=query, body=b"x", headers={"x-amz-checksum-crc32": b64(crc(b"x"))}).code == "InvalidRequest"
    assert daemon.raw("PUT", f"/{bucket}/k", query=query, body=b"x").code == "InvalidRequest"
    query = f"partNumber=1&uploadId={create_checked(daemon, bucket, algorithm='CRC32', type='FULL_OBJECT').text('UploadId')}"
    part = daemon.raw("PUT", f"/{bucket}/k", query=query, body=b"x")
    assert part.headers["x-amz-checksum-crc32"] == b64(crc(b"x")), "where the whole is meant, the store computes"


@pytest.mark.parametrize("kind,part,headers,code", [
    ("COMPOSITE", "", {}, "InvalidRequest"),
    ("COMPOSITE", f"<ChecksumCRC32>{b64(crc(b'y'))}</ChecksumCRC32>", {}, "InvalidPart"),
    ("COMPOSITE", "<ChecksumCRC32>rubbish</ChecksumCRC32>", {}, "InvalidArgument"),
    ("COMPOSITE", f"<ChecksumCRC32>{b64(crc(b'x'))}</ChecksumCRC32><ChecksumSHA1>{b64(bytes(20))}</ChecksumSHA1>", {}, "InvalidArgument"),
    ("FULL_OBJECT", f"<ChecksumSHA1>{b64(bytes(20))}</ChecksumSHA1>", {}, "BadDigest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-type": "COMPOSITE"}, "InvalidRequest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-type": "HALF"}, "InvalidRequest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-crc32": "rubbish"}, "InvalidRequest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-crc32": b64(crc(b"x")) + "-1"}, "BadDigest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-crc32": b64(crc(b"y"))}, "BadDigest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-sha1": b64(bytes(20))}, "InvalidRequest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-rot13": "AAAA"}, "InvalidRequest"),
    ("FULL_OBJECT", "", {"x-amz-checksum-crc32": b64(crc(b"x")), "x-amz-checksum-sha1": b64(bytes(20))}, "InvalidRequest"),
    ("COMPOSITE", f"<ChecksumCRC32>{b64(crc(b'x'))}</ChecksumCRC32>", {"x-amz-checksum-crc32": b64(crc(crc(b"x"))) + "-2"}, "BadDigest"),
    ("COMPOSITE", f"<ChecksumCRC32>{b64(crc(b'x'))}</ChecksumCRC32>", {"x-amz-checksum-crc32": b64(crc(crc(b"x"))) + "-x"}, "InvalidRequest"),
    ("COMPOSITE", f"<ChecksumCRC32>{b64(crc(b'x'))}</ChecksumCRC32>", {"x-amz-checksum-crc32": b64(crc(crc(b"x"))) + "-1", "x-amz-checksum-type": "composite"}, None),
    ("FULL_OBJECT", "", {"x-amz-checksum-crc32": b64(crc(b"x")), "x-amz-checksum-type": "FULL_OBJECT"}, None),
])
def test_the_checksums_of_a_completion_are_checked(daemon, bucket, kind, part, headers, code):
    upload_id = create_checked(daemon, bucket, algorithm="CRC32", type=kind).text("UploadId")
    etag = daemon.raw("PUT", f"/{bucket}/k", query=f"partNumber=1&uploadId={upload_id}", body=b"x", headers={"x-amz-checksum-crc32": b64(crc(b"x"))}).headers["etag"]
    document = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag>{part}</Part></CompleteMultipartUpload>".encode()
    reply = daemon.raw("POST", f"/{bucket}/k", query=f"uploadId={upload_id}", body=document, headers=headers)
    assert (reply.status, reply.code) == ((400, code) if code else (200, None)), reply
    assert daemon.raw("GET", f"/{bucket}/k").status == (404 if code else 200)


def test_an_upload_without_a_choice_has_the_crc64nvme_of_the_whole(daemon, s3, bucket):
    bodies = [body_of(MIN), b"end"]
    upload(s3, bucket, "k", bodies)
    s3.put_object(Bucket=bucket, Key="whole", Body=b"".join(bodies), ContentMD5=b64(hashlib.md5(b"".join(bodies)).digest()))
    both = [daemon.raw("HEAD", f"/{bucket}/{key}", headers={"x-amz-checksum-mode": "ENABLED"}).headers for key in ("k", "whole")]
    assert both[0]["x-amz-checksum-crc64nvme"] == both[1]["x-amz-checksum-crc64nvme"]
    assert both[0]["x-amz-checksum-type"] == "FULL_OBJECT"


def test_attributes(s3, bucket, raises, daemon):
    bodies = [body_of(MIN), b"end"]
    upload(s3, bucket, "k", bodies)
    everything = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    got = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=everything)
    assert (got["ETag"], got["ObjectSize"], got["StorageClass"]) == (etag_of(bodies).strip('"'), MIN + 3, "STANDARD")
    assert got["ObjectParts"]["TotalPartsCount"] == 2
    assert [(p["PartNumber"], p["Size"]) for p in got["ObjectParts"]["Parts"]] == [(1, MIN), (2, 3)]
    page = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=1)
    assert (page["ObjectParts"]["IsTruncated"], page["ObjectParts"]["NextPartNumberMarker"], "ETag" in page) == (True, 1, False)
    raises(404, "NoSuchKey", s3.get_object_attributes, Bucket=bucket, Key="no", ObjectAttributes=["ETag"])
    assert daemon.raw("GET", f"/{bucket}/k", query="attributes", headers={"x-amz-object-attributes": "ETag,Nonsense"}).code == "InvalidArgument"
