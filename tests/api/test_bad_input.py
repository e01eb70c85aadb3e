"""Each malformed request has the error that S3 gives, leaves nothing behind, and the daemon serves on."""
import base64
import hashlib
import time
import urllib.parse

import pytest

from raw import Connection, head, talk
from test_objects import body_of


@pytest.fixture(autouse=True)
def unharmed(daemon, s3, bucket):
    yield
    assert daemon.raw("GET", "/cairn/health/live", sign=False).status == 200
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("path,code", [
    ("x" * 1025, "KeyTooLongError"), ("%C3%A4" * 513, "KeyTooLongError"), ("%ff", "InvalidURI"), ("a%c3", "InvalidURI"),
    ("%ed%a0%80", "InvalidURI"), ("a%00b", "InvalidArgument"), ("a%zz", "InvalidURI"), ("a%1", "InvalidURI"),
])
def test_bad_keys(daemon, bucket, path, code):
    reply = daemon.raw("PUT", f"/{bucket}/{path}", body=b"x", sign=False)
    assert reply.status in (400, 403)
    if "%z" in path or path.endswith("%1"):
        return  # what can't be decoded can't be signed
    reply = daemon.raw("PUT", f"/{bucket}/{path}", body=b"x")
    assert (reply.status, reply.code) == (400, code)
    assert daemon.raw("POST", f"/{bucket}/{path}", query="uploads").code == code


def test_reading_a_key_that_can_not_be(daemon, bucket):
    assert daemon.raw("GET", f"/{bucket}/{'x' * 1025}").code == "KeyTooLongError"
    assert daemon.raw("HEAD", f"/{bucket}/{'x' * 1025}").status == 400


# ---- lengths ----

def test_a_put_without_a_length(daemon, bucket):
    reply = talk(daemon, head(daemon, "PUT", f"/{bucket}/k"))
    assert (reply.status, reply.code) == (411, "MissingContentLength")
    reply = talk(daemon, head(daemon, "PUT", f"/{bucket}/k", {"transfer-encoding": "chunked"}) + b"1\r\nx\r\n0\r\n\r\n")
    assert (reply.status, reply.code, reply.text("Header")) == (501, "NotImplemented", "Transfer-Encoding")


def test_more_than_5_gib_at_once(daemon, bucket):
    reply = talk(daemon, head(daemon, "PUT", f"/{bucket}/k", {"content-length": str((5 << 30) + 1)}))
    assert (reply.status, reply.code) == (400, "EntityTooLarge")


@pytest.mark.parametrize("missing", [1, 50, 99])
@pytest.mark.parametrize("size", [100, 100_000, 3 << 20])
def test_a_body_shorter_than_announced(daemon, bucket, size, missing):
    reply = talk(daemon, head(daemon, "PUT", f"/{bucket}/k", {"content-length": str(size)}) + body_of(size)[:-missing])
    assert (reply.status, reply.code) == (400, "IncompleteBody")
    assert daemon.raw("GET", f"/{bucket}/k").status == 404


def test_a_body_shorter_than_announced_in_every_operation_that_has_one(daemon, bucket):
    upload = daemon.raw("POST", f"/{bucket}/k", query="uploads").text("UploadId")
    for method, path, query in ("PUT", f"/{bucket}/k", f"partNumber=1&uploadId={upload}"), ("POST", f"/{bucket}/k", f"uploadId={upload}"), \
            ("POST", f"/{bucket}", "delete"), ("PUT", f"/{bucket}/k", "tagging"), ("PUT", f"/{bucket}-new", ""), ("PUT", f"/{bucket}", "acl"):
        md5 = base64.b64encode(hashlib.md5(b"<x/>").digest()).decode()
        reply = talk(daemon, head(daemon, method, path, {"content-length": "5", "content-md5": md5}, query=query) + b"<x/>")
        assert (reply.status, reply.code) == (400, "IncompleteBody"), (method, path, query, reply)
    assert daemon.raw("GET", f"/{bucket}-new").status == 404
    daemon.raw("DELETE", f"/{bucket}/k", query=f"uploadId={upload}")


def test_strangers_are_refused(daemon, bucket):
    for method, path in ("GET", "/"), ("GET", f"/{bucket}"), ("PUT", f"/{bucket}/k"), ("DELETE", f"/{bucket}"), ("PUT", "/strangers"):
        reply = daemon.raw(method, path, sign=False)
        assert (reply.status, reply.code) == (403, "AccessDenied"), (method, path)


def test_error_documents_say_what_and_where(daemon, bucket):
    reply = daemon.raw("GET", f"/{bucket}/a%20%26b")
    assert (reply.status, reply.headers["content-type"]) == (404, "application/xml")
    assert (reply.text("Code"), reply.text("Key"), reply.text("BucketName")) == ("NoSuchKey", "a &b", bucket)
    assert reply.text("Resource") == f"/{bucket}/a%20%26b"
    assert reply.text("RequestId") == reply.headers["x-amz-request-id"] and len(reply.text("HostId")) == 16
    reply = daemon.raw("HEAD", f"/{bucket}/no")
    assert (reply.status, reply.body) == (404, b"")


def test_a_refused_body_does_not_spoil_the_connection(daemon, bucket):
    connection = daemon.connect()
    reply = daemon.raw("PUT", "/no-such-bucket/k", body=body_of(200000), connection=connection)
    assert reply.code == "NoSuchBucket"
    assert daemon.raw("GET", f"/{bucket}", connection=connection).status == 200
    connection.close()


def test_a_client_that_reads_when_all_is_sent_hears_why_it_is_refused(daemon, bucket):
    for path, headers, code in ("/no-such-bucket/k", {}, "NoSuchBucket"), (f"/{bucket}/k", {"if-match": '"0"'}, "NoSuchKey"), \
            (f"/{bucket}/k", {"authorization": "AWS4-HMAC-SHA256 nonsense"}, "AuthorizationHeaderMalformed"):
        reply = daemon.raw("PUT", path, body=body_of(16 << 20), headers=headers, payload="UNSIGNED-PAYLOAD", sign="authorization" not in headers)
        assert reply.code == code and reply.headers["connection"] == "close", reply


def test_a_client_waiting_to_continue_is_refused_at_once(daemon):
    start = time.monotonic()
    with Connection(daemon) as connection:
        connection.send(head(daemon, "PUT", "/no-such-bucket/k", {"content-length": "1000000", "expect": "100-continue"}))
        assert connection.reply().code == "NoSuchBucket"
        assert connection.ended(), "the body may come or not: nobody can tell"
    assert time.monotonic() - start < 10


# ---- keys ----

@pytest.mark.parametrize("path", ["..", "../..", "../../etc/passwd", "a/../b", ".", "./a", "a/.", "//", "a//b", "//a", "a//", "/", "%2e%2e/x", "a/%2F/b", "%20", "a%20", "+",
                                  "%7F", "%01", "%0D%0A", "%E2%80%AE", "a%25b", "%F0%9F%98%80", "x" * 255, "x" * 256, "x" * 1024, "%3Fx=1", "%23"])
def test_odd_keys_are_keys(daemon, s3, bucket, path):
    key = urllib.parse.unquote(path)
    assert daemon.raw("PUT", f"/{bucket}/{path}", body=path.encode()).status == 200
    assert daemon.raw("GET", f"/{bucket}/{path}").body == path.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert daemon.raw("DELETE", f"/{bucket}/{path}").status == 204
    assert daemon.raw("GET", f"/{bucket}/{path}").status == 404


def test_a_bucket_without_a_key(daemon, bucket):
    assert daemon.raw("PUT", f"/{bucket}/", body=b"").code == "BucketAlreadyOwnedByYou"
    assert daemon.raw("GET", f"/{bucket}/").text("Name") == bucket


@pytest.mark.parametrize("name", ["cairn", "minio", "ab", "Abc", "a_b", "192.168.1.1", "xn--a", "-abc", "a..b", "x" * 64, "%ff%ff%ff", "a%00b", "..."])
def test_names_that_no_bucket_can_have(daemon, name):
    reply = daemon.raw("PUT", f"/{name}")
    assert (reply.status, reply.code) == (400, "InvalidBucketName")
    assert daemon.raw("PUT", f"/{name}/k", body=b"x").code in ("NoSuchBucket", "InvalidBucketName")


# ---- digests ----

@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize("md5,code", [(base64.b64encode(b"0" * 16).decode(), "BadDigest"), ("x", "InvalidDigest"), ("", "InvalidDigest"),
                                      (base64.b64encode(b"0" * 15).decode(), "InvalidDigest"), (base64.b64encode(b"0" * 17).decode(), "InvalidDigest"),
                                      ("d41d8cd98f00b204e9800998ecf8427e", "InvalidDigest")])
def test_a_wrong_content_md5(daemon, bucket, size, md5, code):
    reply = daemon.raw("PUT", f"/{bucket}/k", body=body_of(size), headers={"content-md5": md5})
    assert (reply.status, reply.code) == (400, code)
    assert daemon.raw("GET", f"/{bucket}/k").status == 404


# ---- ranges ----

@pytest.mark.parametrize("value,status", [
    ("bytes=0-4", 206), ("bytes=-1", 206), ("bytes=0-99999999999999999999", 206), ("BYTES=1-1", 206), ("bytes=9-", 206),
    ("bytes=10-", 416), ("bytes=10-20", 416), ("bytes=-0", 416), ("bytes=18446744073709551615-", 416), ("bytes=99999999999999999999-", 416),
    ("bytes=4-2", 200), ("bytes=", 200), ("bytes=-", 200), ("bytes=a-b", 200), ("bytes=0-1,3-4", 200), ("bytes=1", 200), ("lines=1-2", 200), ("0-4", 200),
    ("bytes=0x0-1", 200), ("bytes=+0-1", 200), ("bytes=--1", 200), ("", 200),
])
def test_ranges_that_may_be_odd(daemon, bucket, value, status):
    daemon.raw("PUT", f"/{bucket}/k", body=b"0123456789")
    reply = daemon.raw("GET", f"/{bucket}/k", headers={"range": value})
    assert reply.status == status
    if status == 416:
        assert reply.code == "InvalidRange" and reply.headers["content-range"] == "bytes */10"
    if status == 200:
        assert reply.body == b"0123456789" and "content-range" not in reply.headers
    daemon.raw("DELETE", f"/{bucket}/k")


# ---- documents ----

ENTITY = b'<!DOCTYPE x [<!ENTITY e "v">]>'
BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)) + b"]>"
OUTSIDE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
BAD_XML = {
    "not closed": lambda root: b"<%s><a>" % root,
    "no XML": lambda root: b"{}",
    "only blanks": lambda root: b"  \n",
    "two roots": lambda root: b"<%s/><%s/>" % (root, root),
    "another root": lambda root: b"<Other/>",
    "a DOCTYPE": lambda root: b"<!DOCTYPE x><%s/>" % root,
    "an entity": lambda root: ENTITY + b"<%s>&e;</%s>" % (root, root),
    "an entity of others": lambda root: OUTSIDE + b"<%s>&e;</%s>" % (root, root),
    "a billion entities": lambda root: BOMB + b"<%s>&j;</%s>" % (root, root),
    "an unknown entity": lambda root: b"<%s>&nbsp;</%s>" % (root, root),
    "invalid UTF-8": lambda root: b"<%s>\xff</%s>" % (root, root),
    "a NUL": lambda root: b"<%s>\x00</%s>" % (root, root),
    "a control character": lambda root: b"<%s>&#1;</%s>" % (root, root),
    "an unknown encoding": lambda root: b'<?xml version="1.0" encoding="EBCDIC-X"?><%s/>' % root,
    "an attribute twice": lambda root: b'<%s a="1" a="2"/>' % root,
    "too deep": lambda root: b"<%s>" % root + b"<a>" * 5000 + b"</a>" * 5000 + b"</%s>" % root,
    "too many elements": lambda root: b"<%s>" % root + b"<a/>" * 200_000 + b"</%s>" % root,
}


@pytest.fixture
def documents(daemon, bucket):
    """method, path, query and root element of every operation that takes a document."""
    daemon.raw("PUT", f"/{bucket}/k", body=b"x")
    upload = daemon.raw("POST", f"/{bucket}/k", query="uploads").text("UploadId")
    yield [("PUT", f"/{bucket}-new", "", b"CreateBucketConfiguration"), ("POST", f"/{bucket}", "delete", b"Delete"), ("PUT", f"/{bucket}/k", "tagging", b"Tagging"),
           ("POST", f"/{bucket}/k", f"uploadId={upload}", b"CompleteMultipartUpload"), ("PUT", f"/{bucket}", "acl", b"AccessControlPolicy")]
    assert daemon.raw("GET", f"/{bucket}/k").body == b"x"
    assert daemon.raw("GET", f"/{bucket}-new").status == 404
    daemon.raw("DELETE", f"/{bucket}/k", query=f"uploadId={upload}")
    daemon.raw("DELETE", f"/{bucket}/k")


@pytest.mark.parametrize("what", BAD_XML)
def test_documents_that_are_none(daemon, documents, what):
    connection = daemon.connect()
    for method, path, query, root in documents:
        document = BAD_XML[what](root)
        reply = daemon.raw(method, path, query=query, body=document, headers={"content-md5": base64.b64encode(hashlib.md5(document).digest()).decode()})
        codes = ("MalformedXML", "MaxMessageLengthExceeded") if what.startswith("too") else ("MalformedXML",)
        assert reply.status == 400 and reply.code in codes, (method, path, query, reply)
        assert b"root:" not in reply.body
    connection.close()


def test_documents_that_are_too_large_are_refused_before_they_are_sent(daemon, documents):
    for method, path, query, _ in documents:
        headers = {"content-length": str(9 << 20), "content-md5": base64.b64encode(b"0" * 16).decode()}
        with Connection(daemon) as connection:
            reply = connection.send(head(daemon, method, path, headers, query=query)).reply()
            assert (reply.status, reply.code) == (400, "MaxMessageLengthExceeded"), (method, path, query)


@pytest.mark.parametrize("document,status,code", [
    (b"<Delete></Delete>", 400, "MalformedXML"), (b"<Delete><Object/></Delete>", 400, "MalformedXML"), (b"<Delete><Object><Key/></Object></Delete>", 400, "MalformedXML"),
    (b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>", 400, "MalformedXML"), (b"", 400, "MissingRequestBodyError"),
])
def test_deletions_that_are_none(daemon, documents, document, status, code):
    method, path, query, _ = documents[1]
    digest = base64.b64encode(hashlib.md5(document).digest()).decode()
    reply = daemon.raw(method, path, query=query, body=document, headers={"content-md5": digest})
    assert (reply.status, reply.code) == (status, code)
    reply = daemon.raw(method, path, query=query, body=b"<Delete><Object><Key>k</Key></Object></Delete>")
    assert (reply.status, reply.code) == (400, "InvalidRequest"), "without a digest"
    reply = daemon.raw(method, path, query=query, body=b"<Delete><Object><Key>k</Key></Object></Delete>", headers={"content-md5": base64.b64encode(b"0" * 16).decode()})
    assert (reply.status, reply.code) == (400, "BadDigest")


@pytest.mark.parametrize("part", [b"", b"<Part/>", b"<Part><PartNumber>x</PartNumber><ETag>e</ETag></Part>", b"<Part><PartNumber>1</PartNumber></Part>",
                                  b"<Part><PartNumber>-x</PartNumber><ETag>e</ETag></Part>", b"<Part><PartNumber>99999999999999999999</PartNumber><ETag>e</ETag></Part>"])
def test_completions_that_are_none(daemon, documents, part):
    method, path, query, _ = documents[3]
    reply = daemon.raw(method, path, query=query, body=b"<CompleteMultipartUpload>" + part + b"</CompleteMultipartUpload>")
    assert (reply.status, reply.code) == (400, "MalformedXML")
    reply = daemon.raw(method, path, query=query, body=b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>")
    assert (reply.status, reply.code) == (400, "InvalidPart")
