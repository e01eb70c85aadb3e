"""Each malformed request has the error that S3 gives, leaves nothing behind, and the daemon serves on."""
import socket
import time

import pytest

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


def send(daemon, data, shut=True):
    """Raw bytes to the daemon; its answer until it closes."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as s:
        s.sendall(data)
        if shut:
            s.shutdown(socket.SHUT_WR)
        out = b""
        while chunk := s.recv(65536):
            out += chunk
        return out


def head_of(daemon, method, path, headers, payload="UNSIGNED-PAYLOAD"):
    headers = {"host": f"127.0.0.1:{daemon.port}", **headers}
    daemon.sign(method, path, "", headers, payload)
    return f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(f"{k}: {v}\r\n".encode() for k, v in headers.items()) + b"\r\n"


def test_a_put_without_a_length(daemon, bucket):
    answer = send(daemon, head_of(daemon, "PUT", f"/{bucket}/k", {}))
    assert b"411" in answer.split(b"\r\n")[0] and b"MissingContentLength" in answer
    answer = send(daemon, head_of(daemon, "PUT", f"/{bucket}/k", {"transfer-encoding": "chunked"}) + b"1\r\nx\r\n0\r\n\r\n")
    assert b"411" in answer.split(b"\r\n")[0] and b"MissingContentLength" in answer


def test_more_than_5_gib_at_once(daemon, bucket):
    answer = send(daemon, head_of(daemon, "PUT", f"/{bucket}/k", {"content-length": str((5 << 30) + 1), "connection": "close"}))
    assert b" 400 " in answer.split(b"\r\n")[0] and b"EntityTooLarge" in answer


@pytest.mark.parametrize("size", [100, 100000, 3 << 20])
def test_a_client_that_vanishes_leaves_nothing(daemon, bucket, size):
    data = head_of(daemon, "PUT", f"/{bucket}/k", {"content-length": str(size)}) + body_of(size)[:-1]
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as s:
        s.sendall(data)
    answer = send(daemon, data)
    assert b"200 OK" not in answer
    assert daemon.raw("GET", f"/{bucket}/k").status == 404


def test_a_body_of_another_hash(daemon, bucket):
    reply = daemon.raw("PUT", f"/{bucket}/k", body=b"x", payload="0" * 64)
    assert (reply.status, reply.code) == (400, "XAmzContentSHA256Mismatch")
    reply = daemon.raw("PUT", f"/{bucket}/k", body=body_of(100000), payload="0" * 64)
    assert (reply.status, reply.code) == (400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize("framing", [b"x\r\n", b"5\r\nab", b"5;chunk-signature=0\r\nhello\r\n0\r\n\r\n"[:-6], b"ffffffffffffffffff\r\n", b"-1\r\n",
                                     b"3\r\nabcd\r\n0\r\n\r\n", b"2\r\nab\r\n0\r\n\r\n"])
def test_broken_chunks(daemon, bucket, framing):
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": "5", "content-length": str(len(framing)), "connection": "close"}
    answer = send(daemon, head_of(daemon, "PUT", f"/{bucket}/k", headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER") + framing)
    assert answer.split(b" ")[1] in (b"400", b"403"), answer


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


def test_a_client_waiting_to_continue_is_refused_at_once(daemon):
    start = time.monotonic()
    head = head_of(daemon, "PUT", "/no-such-bucket/k", {"content-length": "1000000", "expect": "100-continue", "connection": "close"})
    answer = send(daemon, head, shut=False)
    assert b"NoSuchBucket" in answer and b"100 Continue" not in answer
    assert time.monotonic() - start < 10
