"""Heads that are no heads, or that two parsers would read in two ways: refused, the connection closed, and nothing behind them is looked at."""
import pytest

from raw import Connection, head, presign, talk
from test_objects import body_of

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
PUT = b"PUT /b/k HTTP/1.1\r\nHost: x\r\n"

REFUSED = {
    # the request line
    "no version": (b"GET /\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "no target": (b"GET HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "a tab": (b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "a blank in the target": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "a blank at the end": (b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "a fragment": (b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "no slash": (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "a NUL in the target": (b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "a method that is no token": (b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "a method without end": (b"A" * 100 + b" / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400, "BadRequest"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTPVersionNotSupported"),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505, "HTTPVersionNotSupported"),
    "http/1.1": (b"GET / http/1.1\r\nHost: x\r\n\r\n", 400, "BadRequest"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32, 400, "BadRequest"),
    "CONNECT": (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 400, "BadRequest"),
    # fields
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "BadRequest"),
    "two hosts": (GET + b"Host: y\r\n\r\n", 400, "BadRequest"),
    "a host that is none": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "BadRequest"),
    "no colon": (GET + b"nonsense\r\n\r\n", 400, "BadRequest"),
    "no name": (GET + b": x\r\n\r\n", 400, "BadRequest"),
    "a blank before the colon": (GET + b"A : b\r\n\r\n", 400, "BadRequest"),
    "a folded line": (GET + b"A: b\r\n c\r\n\r\n", 400, "BadRequest"),
    "a folded first line": (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400, "BadRequest"),
    "a bare LF": (GET + b"A: b\nC: d\r\n\r\n", 400, "BadRequest"),
    "only LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400, "BadRequest"),
    "a bare CR": (GET + b"A: b\rC: d\r\n\r\n", 400, "BadRequest"),
    "a NUL in a value": (GET + b"A: b\x00c\r\n\r\n", 400, "BadRequest"),
    "a NUL in a name": (GET + b"A\x00: b\r\n\r\n", 400, "BadRequest"),
    "a control character": (GET + b"A: b\x08c\r\n\r\n", 400, "BadRequest"),
    "more fields than any client sends": (GET + b"A: b\r\n" * 200 + b"\r\n", 400, "RequestHeaderSectionTooLarge"),
    "a value over the limit": (GET + b"A: " + b"b" * 70000 + b"\r\n\r\n", 400, "RequestHeaderSectionTooLarge"),
    "a target over the limit": (b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400, "RequestHeaderSectionTooLarge"),
    "more parameters than any client sends": (b"GET /?" + b"a&" * 300 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400, None),
    # how long the body is
    "length and chunks": (PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
    "chunks and length": (PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
    "two lengths": (PUT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400, "BadRequest"),
    "a length twice": (PUT + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, "BadRequest"),
    "a list of lengths": (PUT + b"Content-Length: 5, 5\r\n\r\nhello", 400, "BadRequest"),
    "a negative length": (PUT + b"Content-Length: -1\r\n\r\n", 400, "BadRequest"),
    "a length with a sign": (PUT + b"Content-Length: +5\r\n\r\nhello", 400, "BadRequest"),
    "a hexadecimal length": (PUT + b"Content-Length: 0x5\r\n\r\nhello", 400, "BadRequest"),
    "an empty length": (PUT + b"Content-Length:\r\n\r\nhello", 400, "BadRequest"),
    "a length of 2^64": (PUT + b"Content-Length: 18446744073709551616\r\n\r\n", 400, "BadRequest"),
    "a length of 2^63": (PUT + b"Content-Length: 9223372036854775808\r\n\r\n", 400, "BadRequest"),
    "gzip and chunks": (PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
    "chunks and gzip": (PUT + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
    "chunks twice": (PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
    "chunks with a parameter": (PUT + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 501, "NotImplemented"),
    "another coding": (PUT + b"Transfer-Encoding: gzip\r\n\r\n", 501, "NotImplemented"),
    "no coding": (PUT + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
    "a vertical tab": (PUT + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
    "a blank before the colon of a length": (PUT + b"Content-Length : 5\r\n\r\nhello", 400, "BadRequest"),
    "chunks in HTTP/1.0": (b"PUT /b/k HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "BadRequest"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_head_that_is_none(daemon, bucket, what):
    data, status, code = REFUSED[what]
    smuggled = head(daemon, "PUT", f"/{bucket}/smuggled", {"content-length": "1"}) + b"x"
    with Connection(daemon) as connection:
        reply = connection.send(data + smuggled).reply()
        assert reply.status == status and code in (None, reply.code), reply
        assert reply.headers["connection"] == "close" and connection.ended()
    assert daemon.raw("GET", f"/{bucket}/smuggled").status == 404


SMUGGLING = {  # after a signed head that stands; the bytes of its body
    "bytes in a chunk's size": (b"0x1\r\nx\r\n0\r\n\r\n"),
    "a negative size": (b"-1\r\nx\r\n0\r\n\r\n"),
    "a size with a blank": (b"1 \r\nx\r\n0\r\n\r\n"),
    "a size of 2^64": (b"10000000000000001\r\nx\r\n0\r\n\r\n"),
    "a bare LF behind the size": (b"1\nx\r\n0\r\n\r\n"),
    "no CRLF behind the bytes": (b"1\r\nxx\r\n0\r\n\r\n"),
    "a bare LF behind the bytes": (b"1\r\nx\n0\r\n\r\n"),
    "a bare LF in an extension": (b"1;a=b\n\r\nx\r\n0\r\n\r\n"),
    "an extension without end": (b"1;" + b"a" * 10000 + b"\r\nx\r\n0\r\n\r\n"),
    "trailers without end": (b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 10000 + b"\r\n"),
    "a trailer without a colon": (b"1\r\nx\r\n0\r\nnonsense\r\n\r\n"),
}


@pytest.mark.parametrize("what", SMUGGLING)
def test_a_transfer_coding_that_is_broken(daemon, bucket, what):
    first = head(daemon, "PUT", f"/{bucket}/first", {"transfer-encoding": "chunked", "content-encoding": "aws-chunked",
                                                     "x-amz-decoded-content-length": "1"}, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    smuggled = head(daemon, "PUT", f"/{bucket}/smuggled", {"content-length": "1"}) + b"x"
    with Connection(daemon) as connection:
        reply = connection.send(first + SMUGGLING[what] + smuggled).reply()
        assert 400 <= reply.status < 500, reply
        assert connection.ended()
    assert daemon.raw("GET", f"/{bucket}/smuggled").status == 404 and daemon.raw("GET", f"/{bucket}/first").status == 404


def test_a_body_is_never_read_as_a_request(daemon, bucket):
    """Refused, unread, chunked or plain: what was sent as a body stays one."""
    inner = head(daemon, "PUT", f"/{bucket}/smuggled", {"content-length": "1"}) + b"x"
    outer = {"content-length": str(len(inner)), "host": f"127.0.0.1:{daemon.port}"}
    for method, path in ("PUT", "/no-such-bucket/k"), ("GET", f"/{bucket}"), ("DELETE", f"/{bucket}/k"), ("POST", f"/{bucket}"), ("PUT", f"/{bucket}/%ff"):
        for sign in True, False:
            with Connection(daemon) as connection:
                connection.send(head(daemon, method, path, outer, sign=sign) + inner + head(daemon, "GET", f"/{bucket}", {"connection": "close"}))
                first, second = connection.reply(method), connection.reply()
                assert second.status == 200 and second.text("Name") == bucket, (method, path, first, second)
    assert daemon.raw("GET", f"/{bucket}/smuggled").status == 404


def test_a_large_body_that_nobody_wants_closes_the_connection(daemon, bucket):
    inner = head(daemon, "PUT", f"/{bucket}/smuggled", {"content-length": "1"}) + b"x"
    with Connection(daemon) as connection:
        connection.send(head(daemon, "PUT", "/no-such-bucket/k", {"content-length": str(2 << 20)}))
        reply = connection.reply()
        assert (reply.code, reply.headers["connection"]) == ("NoSuchBucket", "close")
        try:
            connection.send(inner * 100)
        except OSError:
            pass
        assert connection.ended()
    assert daemon.raw("GET", f"/{bucket}/smuggled").status == 404


def test_what_is_odd_but_has_one_meaning_is_taken(daemon, bucket):
    host = f"Host: 127.0.0.1:{daemon.port}\r\n".encode()
    for data in (b"\r\nGET /cairn/health/live HTTP/1.1\r\n" + host + b"\r\n", b"GET /cairn/health/live HTTP/1.0\r\n\r\n",
                 b"GET http://x/cairn/health/live HTTP/1.1\r\n" + host + b"\r\n", b"GET /cairn/health/live HTTP/1.1\r\nhOsT:x\r\n\r\n",
                 b"GET /cairn/health/live HTTP/1.1\r\nHost: \t x \t\r\n\r\n", b"GET /cairn/health/live HTTP/1.1\r\nHost:\r\n\r\n",
                 b"GET /cairn/health/live HTTP/1.1\r\n" + host + b"X-Obs-Text: \xff\xfe\r\n\r\n"):
        assert talk(daemon, data).status == 200, data
    assert talk(daemon, b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\n").status == 200


def test_the_longest_head_that_is_taken(daemon, bucket):
    """A presigned URL with much in it, and the metadata that S3 allows."""
    path = "/" + bucket + "/" + "%C3%A4" * 512
    url = presign(daemon, "PUT", path, parameters={f"X-Amz-Meta-P{i}": "v" * 100 for i in range(50)})
    assert daemon.raw("PUT", url, body=b"x", sign=False).status == 200
    assert daemon.raw("GET", path).body == b"x"
    assert daemon.raw("PUT", f"/{bucket}/k", headers={"x-amz-meta-m": "v" * 2000, **{f"x-filler-{i}": "f" * 500 for i in range(80)}}, body=b"x").status == 200


@pytest.mark.parametrize("size", [0, 5, 100_000])
def test_bytes_behind_a_body_are_the_next_request(daemon, bucket, size):
    body = body_of(size)
    put = head(daemon, "PUT", f"/{bucket}/k", {"content-length": str(size)}) + body
    with Connection(daemon) as connection:
        connection.send(put + b"nonsense\r\n\r\n")
        assert connection.reply("PUT").status == 200
        assert connection.reply().code == "BadRequest" and connection.ended()
    assert daemon.raw("GET", f"/{bucket}/k").body == body
