"""Bodies that come in signed chunks, or with their checksum behind them: every mode, whole and spoilt in every place."""
import base64
import hashlib
import zlib

import pytest

from raw import STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER, Chunked, Connection, chunked_headers, head, put_chunked
from test_auth import SIZES, absent, expect
from test_objects import body_of

MODES = [STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER]


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def trailer_of(mode, body):
    return None if mode == STREAMING else ("x-amz-checksum-crc32", crc32(body))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_a_streamed_body(daemon, bucket, mode, size):
    body = body_of(size)
    assert put_chunked(daemon, f"/{bucket}/k", body, mode, trailer_of(mode, body)).status == 200
    got = daemon.raw("GET", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert (got.body, got.headers["etag"]) == (body, f'"{hashlib.md5(body).hexdigest()}"')
    assert "content-encoding" not in got.headers, "aws-chunked is of the way, not of the object"
    if mode != STREAMING:
        assert got.headers["x-amz-checksum-crc32"] == crc32(body)


@pytest.mark.parametrize("mode", MODES)
def test_a_streamed_part(daemon, bucket, mode):
    upload = daemon.raw("POST", f"/{bucket}/k", query="uploads").text("UploadId")
    put = put_chunked(daemon, f"/{bucket}/k", body_of(100_000), mode, trailer_of(mode, body_of(100_000)), query=f"partNumber=1&uploadId={upload}")
    assert put.status == 200, put
    document = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{put.headers['etag']}</ETag></Part></CompleteMultipartUpload>"
    assert daemon.raw("POST", f"/{bucket}/k", query=f"uploadId={upload}", body=document.encode()).status == 200
    assert daemon.raw("GET", f"/{bucket}/k").body == body_of(100_000)


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("mode", MODES)
def test_a_stream_in_pieces_of_any_size(daemon, bucket, mode, step):
    body = body_of(3000)
    trailer = trailer_of(mode, body)
    headers = chunked_headers(daemon, "PUT", f"/{bucket}/k", mode, len(body), {"x-amz-trailer": trailer[0]} if trailer else None)
    data = b"".join(Chunked(daemon, headers).body(body, 1024, trailer))
    with Connection(daemon) as connection:
        connection.send(head(daemon, "PUT", f"/{bucket}/k", {**headers, "content-length": str(len(data))}, sign=False))
        for i in range(0, len(data), step):
            connection.send(data[i:i + step])
        assert connection.reply("PUT").status == 200
    assert daemon.raw("GET", f"/{bucket}/k").body == body


def flip(chunk, at):
    """Another byte at that place; another hex digit where there is one."""
    return chunk[:at] + (b"1" if chunk[at:at + 1] == b"0" else b"0") + chunk[at + 1:]


SPOILT = {
    "bytes of the first chunk": lambda c: [flip(c[0], 100), *c[1:]],
    "bytes of a later chunk": lambda c: [*c[:2], flip(c[2], 5000), *c[3:]],
    "signature of the first chunk": lambda c: [flip(c[0], 30), *c[1:]],
    "signature of a later chunk": lambda c: [*c[:2], flip(c[2], 30), *c[3:]],
    "signature of the last chunk": lambda c: [*c[:-1], flip(c[-1], 25)],
    "chunks in another order": lambda c: [c[1], c[0], *c[2:]],
    "a chunk twice": lambda c: [c[0], c[0], *c[2:]],
}


@pytest.mark.parametrize("what", SPOILT)
@pytest.mark.parametrize("mode", [STREAMING, STREAMING_TRAILER])
def test_a_signed_stream_that_was_changed(daemon, bucket, mode, what):
    body = body_of(50_000)
    old = daemon.raw("PUT", f"/{bucket}/old", body=b"old").headers["etag"]
    for name in "k", "old":
        expect(put_chunked(daemon, f"/{bucket}/{name}", body, mode, trailer_of(mode, body), 10_000, spoil=SPOILT[what]), 403, "SignatureDoesNotMatch")
    absent(daemon, f"/{bucket}/k")
    assert daemon.raw("GET", f"/{bucket}/old").headers["etag"] == old


CHUNK = b";chunk-signature=" + b"0" * 64
FRAMING = {
    "no size": (lambda c: [c[0].replace(b"2710", b"", 1), *c[1:]], 400, "IncompleteBody"),
    "a size that is no number": (lambda c: [b"zz" + c[0][4:], *c[1:]], 400, "IncompleteBody"),
    "a size with a sign": (lambda c: [b"+2710" + c[0][4:], *c[1:]], 400, "IncompleteBody"),
    "a size with a blank": (lambda c: [b" 2710" + c[0][4:], *c[1:]], 400, "IncompleteBody"),
    "a size of 2^64": (lambda c: [b"1" + b"0" * 16 + c[0][4:], *c[1:]], 400, "IncompleteBody"),
    "a larger size": (lambda c: [b"2711" + c[0][4:], *c[1:]], 403, "SignatureDoesNotMatch"),
    "a smaller size": (lambda c: [b"270f" + c[0][4:], *c[1:]], 403, "SignatureDoesNotMatch"),
    "a size over the whole": (lambda c: [b"fffff" + c[0][4:], *c[1:]], 400, "IncompleteBody"),
    "no signature": (lambda c: [b"2710\r\n" + c[0].partition(b"\r\n")[2], *c[1:]], 400, "IncompleteBody"),
    "half a signature": (lambda c: [c[0].replace(b"\r\n", b"", 1)[:50] + b"\r\n" + c[0].partition(b"\r\n")[2], *c[1:]], 400, "IncompleteBody"),
    "a signature twice": (lambda c: [b"2710" + CHUNK + c[0][4:], *c[1:]], 400, "IncompleteBody"),
    "a bare LF": (lambda c: [c[0].replace(b"\r\n", b"\n", 1), *c[1:]], 400, "IncompleteBody"),
    "no CRLF behind the bytes": (lambda c: [c[0][:-2], *c[1:]], 400, "IncompleteBody"),
    "a line without end": (lambda c: [b"1;" + b"x" * 500, *c], 400, "MaxMessageLengthExceeded"),
    "no last chunk": (lambda c: c[:-1], 400, "IncompleteBody"),
    "half of the last chunk": (lambda c: [*c[:-1], c[-1][:20]], 400, "IncompleteBody"),
    "the last chunk too early": (lambda c: [c[0], b"0" + c[1][4:].partition(b"\r\n")[0] + b"\r\n\r\n"], 400, "IncompleteBody"),
    "nothing at all": (lambda c: [], 400, "IncompleteBody"),
    "bytes behind the end": (lambda c: [*c, b"more"], 400, "IncompleteBody"),
    "a second body behind the end": (lambda c: [*c, *c], 400, "IncompleteBody"),
}


@pytest.mark.parametrize("what", FRAMING)
def test_a_stream_with_broken_framing(daemon, bucket, what):
    spoil, status, code = FRAMING[what]
    reply = put_chunked(daemon, f"/{bucket}/k", body_of(50_000), STREAMING, size=10_000, spoil=spoil)
    expect(reply, status, code)
    absent(daemon, f"/{bucket}/k")


@pytest.mark.parametrize("length,status,code", [
    ("99999", 400, "IncompleteBody"), ("100001", 400, "IncompleteBody"), ("0", 400, "IncompleteBody"), ("-1", 411, "MissingContentLength"),
    ("x", 411, "MissingContentLength"), ("", 411, "MissingContentLength"), (str((5 << 30) + 1), 400, "EntityTooLarge"), (str(1 << 64), 411, "MissingContentLength"),
])
@pytest.mark.parametrize("mode", MODES)
def test_a_stream_of_another_length_than_announced(daemon, bucket, mode, length, status, code):
    body = body_of(100_000)
    expect(put_chunked(daemon, f"/{bucket}/k", body, mode, trailer_of(mode, body), length=length), status, code)
    absent(daemon, f"/{bucket}/k")


def test_a_stream_without_its_length(daemon, bucket):
    reply = daemon.raw("PUT", f"/{bucket}/k", body=b"0\r\n\r\n", headers={"content-encoding": "aws-chunked"}, payload=STREAMING)
    expect(reply, 411, "MissingContentLength")


TRAILERS = {
    "a wrong value": (lambda c, good: [*c[:-1], c[-1].replace(good, b"AAAAAA==")], 400, "BadDigest"),
    "no digest": (lambda c, good: [*c[:-1], c[-1].replace(good, b"nonsense")], 400, "InvalidRequest"),
    "none": (lambda c, good: [*c[:-1], b"0\r\n\r\n"], 400, "MalformedTrailerError"),
    "another": (lambda c, good: [*c[:-1], c[-1].replace(b"crc32", b"crc64nvme")], 400, "MalformedTrailerError"),
    "one more": (lambda c, good: [*c[:-1], c[-1][:-2] + b"x-amz-meta-late:1\r\n\r\n"], 400, "MalformedTrailerError"),
    "twice": (lambda c, good: [*c[:-1], c[-1][:3] + 2 * c[-1][3:-2] + b"\r\n"], 400, "MalformedTrailerError"),
    "without a colon": (lambda c, good: [*c[:-1], c[-1].replace(b":", b"=")], 400, "IncompleteBody"),
    "without end": (lambda c, good: [*c[:-1], c[-1][:-2] + b"x" * 3000], 400, "MaxMessageLengthExceeded"),
}


@pytest.mark.parametrize("what", TRAILERS)
def test_trailers_of_an_unsigned_stream(daemon, bucket, what):
    body = body_of(10_000)
    spoil, status, code = TRAILERS[what]
    reply = put_chunked(daemon, f"/{bucket}/k", body, STREAMING_UNSIGNED_TRAILER, ("x-amz-checksum-crc32", crc32(body)),
                        spoil=lambda c: spoil(c, crc32(body).encode()))
    expect(reply, status, code)
    absent(daemon, f"/{bucket}/k")


@pytest.mark.parametrize("spoil", [
    lambda c, good: [*c[:-1], c[-1].replace(good, b"AAAAAA==")],
    lambda c, good: [*c[:-1], c[-1].partition(b"x-amz-trailer-signature")[0] + b"\r\n"],
    lambda c, good: [*c[:-1], c[-1].replace(b"trailer-signature:", b"trailer-signature:0")[:-3] + b"\r\n\r\n"],
    lambda c, good: [*c[:-1], flip(c[-1], len(c[-1]) - 10)],
])
def test_trailers_of_a_signed_stream_are_signed(daemon, bucket, spoil):
    body = body_of(10_000)
    reply = put_chunked(daemon, f"/{bucket}/k", body, STREAMING_TRAILER, ("x-amz-checksum-crc32", crc32(body)),
                        spoil=lambda c: spoil(c, crc32(body).encode()))
    assert (reply.status, reply.code) in ((403, "SignatureDoesNotMatch"), (400, "IncompleteBody")), reply
    absent(daemon, f"/{bucket}/k")


def test_nobody_streams_without_a_signature(daemon, bucket):
    for mode in MODES:
        headers = {"x-amz-content-sha256": mode, "x-amz-decoded-content-length": "1", "content-encoding": "aws-chunked"}
        expect(daemon.raw("PUT", f"/{bucket}/k", body=b"1\r\nx\r\n0\r\n\r\n", headers=headers, sign=False), 403, "AccessDenied")
    absent(daemon, f"/{bucket}/k")
