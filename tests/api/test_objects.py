import hashlib

import pytest


def body_of(size):
    """Bytes that differ everywhere, so that a displaced part shows."""
    return b"".join(hashlib.sha256(i.to_bytes(8, "big")).digest() for i in range((size + 31) // 32))[:size]


SIZES = [0, 1, 4096, 8160, 8161, 65536, 262143, 262144, 262145, 1 << 20, (1 << 20) + 1, 5 * (1 << 20) + 17]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_is_got(s3, bucket, size):
    body = body_of(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert (got["ContentLength"], got["ETag"], got["AcceptRanges"]) == (size, put["ETag"], "bytes")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentLength"], head["ETag"], head["LastModified"]) == (size, put["ETag"], got["LastModified"])


def test_an_object_that_is_not_there(s3, bucket, raises):
    raises(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="no")
    raises(404, "404", s3.head_object, Bucket=bucket, Key="no")
    raises(404, "NoSuchBucket", s3.get_object, Bucket="no-such-bucket", Key="no")
    raises(404, "NoSuchBucket", s3.put_object, Bucket="no-such-bucket", Key="no", Body=b"x")
    assert s3.delete_object(Bucket=bucket, Key="no")["ResponseMetadata"]["HTTPStatusCode"] == 204
    raises(404, "NoSuchBucket", s3.delete_object, Bucket="no-such-bucket", Key="no")


def test_put_replaces_as_a_whole(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"long long ago", ContentType="text/plain", Metadata={"a": "1"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"new", "binary/octet-stream", {})


def test_delete_takes_it_away(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="a/b/c", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="a/b/c")
    raises(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="a/b/c")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


KEYS = ["a", "a/", "a/b", "a//b", "//", "/lead", "./x", "../x", "x/../y", " ", "a b+c%20", "ä/ö", "日本", "\U0001f600", "x" * 1024,
        "/".join("d" * 255 for _ in range(4)), "tab\tnewline\n", "\x01", "&<>\"'", "q?x=1#frag", "trailing.", "a" * 512 + "/" + "b" * 511]


def test_any_key_will_do(s3, bucket):
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in KEYS:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode(), key
    listed = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, EncodingType="url")["Contents"]]
    assert len(listed) == len(KEYS)


def test_a_directory_key_keeps_its_body_and_its_children(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="d/", Body=b"of the directory", ContentType="text/x")
    s3.put_object(Bucket=bucket, Key="d/f", Body=b"of the file")
    assert s3.get_object(Bucket=bucket, Key="d/")["Body"].read() == b"of the directory"
    s3.delete_object(Bucket=bucket, Key="d/")
    raises(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="d/")
    assert s3.get_object(Bucket=bucket, Key="d/f")["Body"].read() == b"of the file"
    assert [i["Key"] for i in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["d/f"]


# ---- headers ----

def test_system_headers_and_metadata_come_back(s3, bucket):
    given = {"ContentType": "text/html; charset=utf-8", "CacheControl": "max-age=1", "ContentDisposition": "attachment",
             "ContentEncoding": "gzip", "ContentLanguage": "de", "WebsiteRedirectLocation": "/elsewhere",
             "StorageClass": "REDUCED_REDUNDANCY", "Metadata": {"one": "1", "two-words": "a  b"}}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires="Thu, 01 Jan 2032 00:00:00 GMT", **given)
    for got in s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k"):
        assert {name: got[name] for name in given} == given
        assert got["ResponseMetadata"]["HTTPHeaders"]["expires"] == "Thu, 01 Jan 2032 00:00:00 GMT"


def test_defaults_of_headers(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    headers = s3.head_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "binary/octet-stream"
    for absent in ("x-amz-storage-class", "x-amz-version-id", "x-amz-tagging-count", "x-amz-mp-parts-count", "content-encoding"):
        assert absent not in headers


def test_metadata_is_limited_to_2_kib(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="k", Metadata={"a": "b" * 2047})
    raises(400, "MetadataTooLarge", s3.put_object, Bucket=bucket, Key="k", Metadata={"a": "b" * 2048})
    raises(400, "MetadataTooLarge", s3.create_multipart_upload, Bucket=bucket, Key="k", Metadata={"a": "b" * 2048})


def test_metadata_names_lose_their_case_and_repeated_ones_are_joined(daemon, bucket):
    headers = {"X-Amz-Meta-Mixed-Case": "Kept As It Is", "x-amz-meta-utf8": "grüße".encode().decode("latin-1")}
    assert daemon.raw("PUT", f"/{bucket}/k", headers=headers).status == 200
    got = daemon.raw("HEAD", f"/{bucket}/k").headers
    assert got["x-amz-meta-mixed-case"] == "Kept As It Is"
    assert got["x-amz-meta-utf8"].encode("latin-1").decode() == "grüße"


def test_aws_chunked_is_no_encoding_of_the_object(daemon, bucket):
    for given, kept in ("aws-chunked", None), ("gzip,aws-chunked", "gzip"), ("aws-chunked, br", "br"):
        daemon.raw("PUT", f"/{bucket}/k", headers={"content-encoding": given})
        assert daemon.raw("HEAD", f"/{bucket}/k").headers.get("content-encoding") == kept


def test_storage_classes(s3, bucket, raises, daemon):
    assert daemon.raw("PUT", f"/{bucket}/k", headers={"x-amz-storage-class": "WARM"}).code == "InvalidStorageClass"
    s3.put_object(Bucket=bucket, Key="k", StorageClass="STANDARD_IA")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD_IA"
    s3.put_object(Bucket=bucket, Key="k", StorageClass="STANDARD")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD"


def test_what_is_not_offered_is_not_read_over(s3, bucket, raises, daemon):
    raises(501, "NotImplemented", s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption="AES256")
    raises(501, "NotImplemented", s3.put_object, Bucket=bucket, Key="k", SSECustomerAlgorithm="AES256",
           SSECustomerKey="0" * 32)
    raises(400, "AccessControlListNotSupported", s3.put_object, Bucket=bucket, Key="k", ACL="public-read")
    raises(400, "AccessControlListNotSupported", s3.put_object, Bucket=bucket, Key="k", GrantRead="id=1")
    reply = daemon.raw("PUT", f"/{bucket}/k", headers={"x-amz-server-side-encryption": "ROT13"})
    assert (reply.status, reply.code) == (400, "InvalidArgument")
    for header, value, code in ("x-amz-object-lock-legal-hold", "ON", "InvalidRequest"), ("x-amz-acl", "everybody", "InvalidArgument"), \
            ("x-amz-website-redirect-location", "elsewhere", "InvalidRedirectLocation"):
        reply = daemon.raw("PUT", f"/{bucket}/k", headers={header: value})
        assert (reply.status, reply.code) == (400, code)
    s3.put_object(Bucket=bucket, Key="k", ACL="private")
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"][0]["Permission"] == "FULL_CONTROL"
    raises(404, "NoSuchKey", s3.get_object_acl, Bucket=bucket, Key="other")
    for call, arguments in (s3.get_object_retention, {}), (s3.get_object_legal_hold, {}), (s3.put_object_legal_hold, {"LegalHold": {"Status": "ON"}}), \
            (s3.put_object_retention, {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2040-01-01T00:00:00Z"}}):
        raises(400, "InvalidRequest", call, Bucket=bucket, Key="k", **arguments)
        raises(404, "NoSuchKey", call, Bucket=bucket, Key="other", **arguments)


def test_an_acl_document_must_say_what_stands(daemon, s3, bucket, raises):
    acl = {name: s3.get_bucket_acl(Bucket=bucket)[name] for name in ("Owner", "Grants")}
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=acl)
    for grants in [], [{**acl["Grants"][0], "Permission": "READ"}], acl["Grants"] + [{"Grantee": {"Type": "CanonicalUser", "ID": "0" * 64}, "Permission": "READ"}]:
        raises(400, "AccessControlListNotSupported", s3.put_bucket_acl, Bucket=bucket, AccessControlPolicy={**acl, "Grants": grants})


def test_responses_can_be_overridden(s3, bucket, daemon):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/html", ResponseCacheControl="no-cache",
                        ResponseContentDisposition="attachment; filename=x", ResponseContentEncoding="br",
                        ResponseContentLanguage="fr", ResponseExpires="Thu, 01 Jan 2032 00:00:00 GMT")
    headers = got["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "text/html"
    assert headers["cache-control"] == "no-cache"
    assert headers["content-disposition"] == "attachment; filename=x"
    assert headers["content-encoding"] == "br"
    assert headers["content-language"] == "fr"
    assert headers["expires"] == "Thu, 01 Jan 2032 00:00:00 GMT"
    for value in ("a%0d%0ax-evil%3a1", "a%00b", "a%1fb", "a%7fb"):
        reply = daemon.raw("GET", f"/{bucket}/k", query=f"response-content-type={value}")
        assert reply.status == 400 and "x-evil" not in reply.headers


def test_the_null_version_is_the_object(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"x"
    raises(400, "InvalidArgument", s3.get_object, Bucket=bucket, Key="k", VersionId="abc")
    raises(400, "InvalidArgument", s3.delete_object, Bucket=bucket, Key="k", VersionId="abc")
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    raises(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="k")


# ---- ranges ----

@pytest.mark.parametrize("size", [100, 20000, 3 << 20])
def test_ranges(s3, bucket, raises, size):
    body = body_of(size)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    for first, last in (0, 0), (0, 9), (1, size - 1), (size - 1, size - 1), (size // 3, size // 2), (size - 10, size + 10):
        got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")
        end = min(last, size - 1)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"] == f"bytes {first}-{end}/{size}"
        assert got["Body"].read() == body[first:end + 1]
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=-10")["Body"].read() == body[-10:]
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes=-{size + 5}")["Body"].read() == body
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=10-")["Body"].read() == body[10:]
    head = s3.head_object(Bucket=bucket, Key="k", Range="bytes=2-5")
    assert (head["ContentLength"], head["ResponseMetadata"]["HTTPHeaders"]["content-range"]) == (4, f"bytes 2-5/{size}")
    for whole in ("bytes=9-5", "lines=1-2", "bytes=0-1,3-4"):
        got = s3.get_object(Bucket=bucket, Key="k", Range=whole)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200 and got["Body"].read() == body
    for none in (f"bytes={size}-", "bytes=-0", f"bytes={size}-{size + 5}"):
        response = raises(416, "InvalidRange", s3.get_object, Bucket=bucket, Key="k", Range=none)
        assert response["Error"]["ActualObjectSize"] == str(size)


def test_an_empty_object_has_no_range(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="k")
    for bad in "bytes=0-", "bytes=0-0", "bytes=-0":
        raises(416, "InvalidRange", s3.get_object, Bucket=bucket, Key="k", Range=bad)
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=-5")
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentLength"]) == (200, 0), "its last bytes are all that there are"


# ---- conditions ----

def test_conditional_reads(s3, bucket, raises):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    for call in s3.get_object, s3.head_object:
        get = call == s3.get_object
        call(Bucket=bucket, Key="k", IfMatch=etag)
        raises(412, "PreconditionFailed" if get else "412", call, Bucket=bucket, Key="k", IfMatch='"no"')
        call(Bucket=bucket, Key="k", IfNoneMatch='"no"')
        response = raises(304, "304", call, Bucket=bucket, Key="k", IfNoneMatch=etag)
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        assert headers["etag"] == etag and "content-length" not in headers
        call(Bucket=bucket, Key="k", IfModifiedSince="Mon, 01 Jan 2001 00:00:00 GMT")
        raises(304, "304", call, Bucket=bucket, Key="k", IfModifiedSince=when)
        call(Bucket=bucket, Key="k", IfUnmodifiedSince=when)
        raises(412, "PreconditionFailed" if get else "412", call, Bucket=bucket, Key="k",
               IfUnmodifiedSince="Mon, 01 Jan 2001 00:00:00 GMT")
        call(Bucket=bucket, Key="k", IfMatch=etag, IfUnmodifiedSince="Mon, 01 Jan 2001 00:00:00 GMT")
        raises(304, "304", call, Bucket=bucket, Key="k", IfNoneMatch=etag, IfModifiedSince="Mon, 01 Jan 2001 00:00:00 GMT")


def test_if_range(daemon, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")["ETag"]
    assert daemon.raw("GET", f"/{bucket}/k", headers={"range": "bytes=1-2", "if-range": etag}).body == b"12"
    assert daemon.raw("GET", f"/{bucket}/k", headers={"range": "bytes=1-2", "if-range": '"other"'}).status == 200


def test_conditional_writes(s3, bucket, daemon):
    def put(body, **conditions):
        reply = daemon.raw("PUT", f"/{bucket}/k", body=body, headers={k.replace("_", "-"): v for k, v in conditions.items()})
        return reply.code or reply.headers["etag"]

    for body in b"small", body_of(20000):
        s3.delete_object(Bucket=bucket, Key="k")
        other = b"2" * len(body)
        assert put(body, if_match='"any"') == "NoSuchKey"
        etag = put(body, if_none_match="*")
        assert put(other, if_none_match="*") == "PreconditionFailed"
        assert put(other, if_match='"no"') == "PreconditionFailed"
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
        assert put(other, if_match=etag) != etag
        assert put(body, if_match=etag) == "PreconditionFailed"
        etag = put(body, if_none_match='"another"')
        assert put(other, if_none_match=f'"another", {etag}') == "PreconditionFailed"
        assert put(other, if_match=etag, if_none_match=etag) == "PreconditionFailed"
        assert put(other, if_match=etag, if_none_match='"another"') != etag
    assert daemon.raw("PUT", f"/{bucket}/k", headers={"if-unmodified-since": "Mon, 01 Jan 2035 00:00:00 GMT"}).code == "NotImplemented"


def test_conditional_deletes(daemon, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert daemon.raw("DELETE", f"/{bucket}/k", headers={"if-match": '"no"'}).code == "PreconditionFailed"
    for header, good, bad in ("x-amz-if-match-size", "1", "2"), ("x-amz-if-match-last-modified-time", None, "Mon, 01 Jan 2001 00:00:00 GMT"):
        good = good or daemon.raw("HEAD", f"/{bucket}/k").headers["last-modified"]
        assert daemon.raw("DELETE", f"/{bucket}/k", headers={header: bad}).code == "PreconditionFailed"
        assert daemon.raw("DELETE", f"/{bucket}/k", headers={header: good}).status == 204
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert daemon.raw("DELETE", f"/{bucket}/k", headers={"if-match": etag}).status == 204
    assert daemon.raw("GET", f"/{bucket}/k").status == 404
    for header, value, code in ("if-match", etag, "PreconditionFailed"), ("if-match", "*", "PreconditionFailed"), ("x-amz-if-match-size", "1", None), ("if-none-match", "*", "NotImplemented"):
        assert daemon.raw("DELETE", f"/{bucket}/k", headers={header: value}).code == code, header


# ---- many at once ----

def test_delete_objects(s3, bucket):
    keys = [f"k{i:04}" for i in range(250)] + ["ä&<", "d/", "d/e"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys + ["not-there"]]})
    assert [d["Key"] for d in answer["Deleted"]] == keys + ["not-there"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_delete_objects_quietly(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}, {"Key": "v", "VersionId": "x"}], "Quiet": True})
    assert "Deleted" not in answer
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("v", "NoSuchVersion")]


def test_delete_objects_wants_a_sound_document(daemon, bucket):
    def post(body, **headers):
        return daemon.raw("POST", f"/{bucket}", query="delete", body=body, headers=headers)

    import base64
    good = b"<Delete><Object><Key>k</Key></Object></Delete>"
    md5 = base64.b64encode(hashlib.md5(good).digest()).decode()
    assert post(good).code == "InvalidRequest", "without a digest"
    assert post(good, **{"content-md5": md5}).status == 200
    assert post(good, **{"content-md5": "x"}).code == "InvalidDigest"
    assert post(good + b" ", **{"content-md5": md5}).code == "BadDigest"
    for bad in (b"<Delete/>", b"<Delete><Object/></Delete>", b"<Delete><Object><Key></Key></Object></Delete>", b"<Del", b"no",
                b"<!DOCTYPE x><Delete><Object><Key>k</Key></Object></Delete>",
                b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>"):
        digest = base64.b64encode(hashlib.md5(bad).digest()).decode()
        assert post(bad, **{"content-md5": digest}).code == "MalformedXML", bad[:50]


# ---- tags ----

def test_tags(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=%C3%A4+b")
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ä b"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": ""}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ETag"]) == (b"x", etag)
    raises(404, "NoSuchKey", s3.get_object_tagging, Bucket=bucket, Key="no")


def test_tags_are_checked(s3, bucket, raises):
    s3.put_object(Bucket=bucket, Key="k")

    def refused(code, *tags):
        raises(400, code, s3.put_object_tagging, Bucket=bucket, Key="k",
               Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in tags]})

    refused("BadRequest", *((str(i), "") for i in range(11)))
    refused("InvalidTag", ("a" * 129, ""))
    refused("InvalidTag", ("a", "b" * 257))
    refused("InvalidTag", ("a", "1"), ("a", "2"))
    refused("InvalidTag", ("aws:mine", "1"))
    for sign in "!", "#", "%", "*", "?", "(", ";", ",", "\n", "`":
        refused("InvalidTag", (f"a{sign}", "1"))
        refused("InvalidTag", ("a", f"1{sign}"))
    for bad in "a=1&a=2", "a=%zz", "=1", "a&a=":
        raises(400, "InvalidArgument", s3.put_object, Bucket=bucket, Key="k", Tagging=bad)
    raises(400, "InvalidTag", s3.put_object, Bucket=bucket, Key="k", Tagging="a=%3F")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "aZ09 +-=._:/@", "Value": "aZ09 +-=._:/@"}]})
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "ä" * 128, "Value": "ö" * 256}]})


# ---- rename, append ----

def test_rename(daemon, s3, bucket, raises):
    etag = s3.put_object(Bucket=bucket, Key="old name", Body=b"x", Metadata={"a": "b"})["ETag"]
    s3.put_object(Bucket=bucket, Key="taken", Body=b"y")
    path = f"/{bucket}/new/name"
    assert daemon.raw("PUT", path, query="renameObject", headers={"x-amz-rename-source": "no"}).code == "NoSuchKey"
    assert daemon.raw("PUT", path, query="renameObject").code == "InvalidArgument"
    assert daemon.raw("PUT", f"/{bucket}/taken", query="renameObject",
                      headers={"x-amz-rename-source": "old%20name", "if-none-match": "*"}).code == "PreconditionFailed"
    assert daemon.raw("PUT", path, query="renameObject", headers={"x-amz-rename-source": "old%20name"}).status == 200
    got = s3.get_object(Bucket=bucket, Key="new/name")
    assert (got["Body"].read(), got["ETag"], got["Metadata"]) == (b"x", etag, {"a": "b"})
    raises(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="old name")


def test_append(daemon, s3, bucket):
    def append(offset, body):
        return daemon.raw("PUT", f"/{bucket}/log", body=body, headers={"x-amz-write-offset-bytes": str(offset)})

    assert append(5, b"x").code == "NoSuchKey"
    assert append(0, b"hello").headers["x-amz-object-size"] == "5"
    assert append(3, b"x").code == "InvalidWriteOffset"
    big = body_of(100000)
    grown = append(5, big)
    assert (grown.status, grown.headers["x-amz-object-size"]) == (200, "100005")
    got = s3.get_object(Bucket=bucket, Key="log", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello" + big
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-amz-checksum-crc64nvme"] == grown.headers["x-amz-checksum-crc64nvme"]
    assert daemon.raw("PUT", f"/{bucket}/whole", body=b"hello" + big).status == 200
    whole = daemon.raw("HEAD", f"/{bucket}/whole", headers={"x-amz-checksum-mode": "ENABLED"})
    assert whole.headers["x-amz-checksum-crc64nvme"] == grown.headers["x-amz-checksum-crc64nvme"]
