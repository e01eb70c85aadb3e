import base64
import hashlib
import zlib

import pytest

from test_objects import body_of


def b64(digest):
    return base64.b64encode(digest).decode()


def crc32(body):
    return b64(zlib.crc32(body).to_bytes(4, "big"))


def crc64nvme(body):
    """Bit by bit, from the polynomial: slow, and nobody else's code."""
    crc = (1 << 64) - 1
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x9A6C9329AC4BC9B5 if crc & 1 else 0)
    return b64((crc ^ (1 << 64) - 1).to_bytes(8, "big"))


def crc32c(body):
    crc = (1 << 32) - 1
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return b64((crc ^ (1 << 32) - 1).to_bytes(4, "big"))


ALGORITHMS = {
    "crc32": crc32, "crc32c": crc32c, "crc64nvme": crc64nvme,
    "sha1": lambda body: b64(hashlib.sha1(body).digest()),
    "sha256": lambda body: b64(hashlib.sha256(body).digest()),
    "sha512": lambda body: b64(hashlib.sha512(body).digest()),
    "md5": lambda body: b64(hashlib.md5(body).digest()),
}


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 100, 20000])
def test_a_checksum_is_verified_stored_and_returned(daemon, bucket, name, size):
    body, header = body_of(size), f"x-amz-checksum-{name}"
    good, bad = ALGORITHMS[name](body), ALGORITHMS[name](body + b"!")
    refused = daemon.raw("PUT", f"/{bucket}/k", body=body, headers={header: bad})
    assert (refused.status, refused.code) == (400, "BadDigest")
    assert daemon.raw("GET", f"/{bucket}/k").status == 404, "nothing is stored"
    put = daemon.raw("PUT", f"/{bucket}/k", body=body, headers={header: good})
    assert (put.status, put.headers[header], put.headers["x-amz-checksum-type"]) == (200, good, "FULL_OBJECT")
    for method in "GET", "HEAD":
        got = daemon.raw(method, f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"}).headers
        assert (got[header], got["x-amz-checksum-type"]) == (good, "FULL_OBJECT")
        assert header not in daemon.raw(method, f"/{bucket}/k").headers
    if size:
        part = daemon.raw("GET", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED", "range": "bytes=0-1"})
        assert header not in part.headers, "a range has no checksum of its own"


@pytest.mark.parametrize("name,of_nothing,of_abc", [
    ("xxhash64", "ef46db3751d8e999", "44bc2cf5ad770999"),
    ("xxhash3", "2d06800538d394c2", "78af5f94892f3950"),
    ("xxhash128", "99aa06d3014798d86001c324468d497f", "06b05ab6733a618578af5f94892f3950"),
])
def test_the_published_values_of_xxhash(daemon, bucket, name, of_nothing, of_abc):
    header = f"x-amz-checksum-{name}"
    for body, value in (b"", of_nothing), (b"abc", of_abc):
        good = b64(bytes.fromhex(value))
        assert daemon.raw("PUT", f"/{bucket}/k", body=body + b"!", headers={header: good}).code == "BadDigest"
        assert daemon.raw("PUT", f"/{bucket}/k", body=body, headers={header: good}).headers[header] == good
        assert daemon.raw("HEAD", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"}).headers[header] == good


def test_without_one_the_store_makes_its_own(daemon, bucket):
    body = body_of(1000)
    assert daemon.raw("PUT", f"/{bucket}/k", body=body).headers["x-amz-checksum-crc64nvme"] == crc64nvme(body)


@pytest.mark.parametrize("headers,code", [
    ({"x-amz-checksum-crc32": "AAAA"}, "InvalidRequest"),
    ({"x-amz-checksum-crc32": "not base64!"}, "InvalidRequest"),
    ({"x-amz-checksum-crc32": crc32(b"x"), "x-amz-checksum-sha1": ALGORITHMS["sha1"](b"x")}, "InvalidRequest"),
    ({"x-amz-sdk-checksum-algorithm": "SHA256", "x-amz-checksum-crc32": crc32(b"x")}, "InvalidRequest"),
    ({"x-amz-sdk-checksum-algorithm": "SHA256"}, "InvalidRequest"),
    ({"x-amz-sdk-checksum-algorithm": "ROT13", "x-amz-checksum-crc32": crc32(b"x")}, "InvalidRequest"),
    ({"x-amz-checksum-rot13": "AAAA"}, "InvalidRequest"),
    ({"x-amz-checksum-crc32": ""}, "InvalidRequest"),
    ({"content-md5": "AAAA"}, "InvalidDigest"),
    ({"content-md5": "rubbish"}, "InvalidDigest"),
    ({"content-md5": b64(hashlib.md5(b"y").digest())}, "BadDigest"),
])
def test_bad_checksums_are_refused_and_nothing_is_stored(daemon, bucket, headers, code):
    reply = daemon.raw("PUT", f"/{bucket}/k", body=b"x", headers=headers)
    assert (reply.status, reply.code) == (400, code)
    assert daemon.raw("GET", f"/{bucket}/k").status == 404


def test_a_good_content_md5_is_taken(daemon, bucket):
    reply = daemon.raw("PUT", f"/{bucket}/k", body=b"x", headers={"content-md5": b64(hashlib.md5(b"x").digest())})
    assert reply.status == 200


# ---- trailers ----

def chunked(body, size, trailer=""):
    out = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size))
    return out + b"0\r\n" + (trailer + "\r\n" if trailer else "").encode() + b"\r\n"


def put_trailer(daemon, path, body, trailer_value, name="crc32", announced=None, size=8192):
    raw = chunked(body, size, f"x-amz-checksum-{name}:{trailer_value}" if trailer_value is not None else "")
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body)),
               "x-amz-trailer": announced or f"x-amz-checksum-{name}"}
    return daemon.raw("PUT", path, body=raw, headers=headers, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")


@pytest.mark.parametrize("size", [0, 1, 30000])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_checksum_may_come_behind_the_body(daemon, bucket, name, size):
    body = body_of(size)
    good = ALGORITHMS[name](body)
    assert put_trailer(daemon, f"/{bucket}/k", body, ALGORITHMS[name](b"other"), name).code == "BadDigest"
    assert daemon.raw("GET", f"/{bucket}/k").status == 404
    put = put_trailer(daemon, f"/{bucket}/k", body, good, name)
    assert (put.status, put.headers[f"x-amz-checksum-{name}"]) == (200, good)
    got = daemon.raw("GET", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert (got.body, got.headers[f"x-amz-checksum-{name}"]) == (body, good)
    assert "content-encoding" not in got.headers


def test_bad_trailers(daemon, bucket):
    path = f"/{bucket}/k"
    assert put_trailer(daemon, path, b"x", "AAAA").code == "InvalidRequest"
    assert put_trailer(daemon, path, b"x", None).status == 400
    assert put_trailer(daemon, path, b"x", crc32(b"x"), announced="x-amz-checksum-sha256").status == 400
    assert put_trailer(daemon, path, b"x", crc32(b"x"), announced="x-amz-nonsense").status == 400
    assert daemon.raw("GET", path).status == 404
