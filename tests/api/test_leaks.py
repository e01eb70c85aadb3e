"""Clients that vanish, and uploads that fail in the end: nothing is stored, and nothing leaks, neither space nor descriptors nor memory."""
import json
import os
import socket
import struct
import subprocess
import time

import pytest

from cairn import Daemon, program
from raw import STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER, Chunked, Connection, chunked_headers, head, put_chunked
from test_objects import body_of
from test_streams import crc32, flip, trailer_of

SIZE = 3 << 20
ROUNDS = 16
SLACK = 24 << 20  # bytes on all drives that a segment's growth may take; ROUNDS * SIZE and its parity are many times that


@pytest.fixture(scope="module")
def own():
    """A daemon that nobody else uses, so that its descriptors and bytes can be counted."""
    with Daemon(drives=4) as daemon:
        daemon.s3.create_bucket(Bucket="leaks")
        daemon.s3.put_object(Bucket="leaks", Key="old", Body=b"old value")
        for _ in range(2):  # what the first uploads open stays open
            daemon.s3.put_object(Bucket="leaks", Key="warm", Body=body_of(SIZE))
            daemon.s3.delete_object(Bucket="leaks", Key="warm")
        yield daemon


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def allocated(daemon):
    """Bytes that the drives' files take on disk."""
    return sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for drive in daemon.drives for folder, _, names in os.walk(drive) for name in names)


def status(daemon):
    done = subprocess.run([program("cairn"), "--endpoint", daemon.endpoint, "--json", "status"], capture_output=True, timeout=60,
                          env=dict(os.environ, CAIRN_ROOT_USER=daemon.user, CAIRN_ROOT_PASSWORD=daemon.password))
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def wait_for(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def unharmed(own):
    fds, bytes_before = descriptors(own), allocated(own)
    yield own
    wait_for(lambda: descriptors(own) <= fds, "descriptors leak")
    wait_for(lambda: status(own)["data"]["blobs_freed_pending"] == 0, "blobs wait for ever")
    wait_for(lambda: allocated(own) <= bytes_before + SLACK, f"space leaks: {bytes_before} became {allocated(own)}")
    assert own.raw("GET", "/leaks/old").body == b"old value"
    keys = own.s3.list_objects_v2(Bucket="leaks")
    assert [item["Key"] for item in keys["Contents"]] == ["old"]
    assert "Uploads" not in own.s3.list_multipart_uploads(Bucket="leaks")
    assert own.process.poll() is None


def vanish(daemon, data, reset):
    """Sends data and is gone, politely or by a reset."""
    connection = Connection(daemon)
    connection.send(data)
    if reset:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def chunked_request(daemon, path, mode, query=""):
    """Head and body of an upload in chunks."""
    body = body_of(SIZE)
    trailer = trailer_of(mode, body)
    headers = chunked_headers(daemon, "PUT", path, mode, SIZE, {"x-amz-trailer": trailer[0]} if trailer else None, query)
    data = b"".join(Chunked(daemon, headers).body(body, 65536, trailer))
    return head(daemon, "PUT", path, {**headers, "content-length": str(len(data))}, query=query, sign=False), data


def parts(size):
    """Where a client may vanish."""
    return [0, 1, 1000, 8160, 8161, 262_144, 1 << 20, (1 << 20) + 1, size // 2, size - 1]


@pytest.mark.parametrize("reset", [False, True])
def test_plain_uploads_that_break_off(unharmed, reset):
    for key in "new", "old":
        data = head(unharmed, "PUT", f"/leaks/{key}", {"content-length": str(SIZE)})
        for part in parts(SIZE):
            vanish(unharmed, data + body_of(SIZE)[:part], reset)


@pytest.mark.parametrize("mode", [STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER])
def test_uploads_in_chunks_that_break_off(unharmed, mode):
    for key in "new", "old":
        data, body = chunked_request(unharmed, f"/leaks/{key}", mode)
        for part in parts(len(body)):
            vanish(unharmed, data + body[:part], reset=part % 2)


def test_parts_that_break_off(unharmed):
    upload = unharmed.raw("POST", "/leaks/new", query="uploads").text("UploadId")
    query = f"partNumber=1&uploadId={upload}"
    data = head(unharmed, "PUT", "/leaks/new", {"content-length": str(SIZE)}, query=query)
    chunked, body = chunked_request(unharmed, "/leaks/new", STREAMING, query)
    for part in parts(SIZE):
        vanish(unharmed, data + body_of(SIZE)[:part], reset=part % 2)
        vanish(unharmed, chunked + body[:part], reset=part % 2)
    assert "Parts" not in unharmed.s3.list_parts(Bucket="leaks", Key="new", UploadId=upload)
    unharmed.s3.abort_multipart_upload(Bucket="leaks", Key="new", UploadId=upload)


def test_documents_that_break_off(unharmed):
    for size in 10, 100_000:
        data = head(unharmed, "POST", "/leaks", {"content-length": str(size), "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, query="delete")
        for _ in range(ROUNDS):
            vanish(unharmed, data + b"<Delete>", reset=False)


def test_heads_that_break_off(unharmed):
    data = head(unharmed, "GET", "/leaks/old")
    for part in range(0, len(data), 7):
        vanish(unharmed, data[:part], reset=part % 2)


def test_downloads_that_break_off(unharmed):
    unharmed.s3.put_object(Bucket="leaks", Key="big", Body=body_of(SIZE))
    for i in range(ROUNDS):
        with Connection(unharmed) as connection:
            connection.send(head(unharmed, "GET", "/leaks/big"))
            connection.file.read(1000)
            if i % 2:
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    unharmed.s3.delete_object(Bucket="leaks", Key="big")


FAILING = {
    "a wrong digest": lambda d, p, b: d.raw("PUT", p, body=b, headers={"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}),
    "a wrong hash": lambda d, p, b: d.raw("PUT", p, body=b, payload="0" * 64),
    "a wrong checksum": lambda d, p, b: d.raw("PUT", p, body=b, headers={"x-amz-checksum-crc32": "AAAAAA=="}),
    "a wrong trailer": lambda d, p, b: put_chunked(d, p, b, STREAMING_UNSIGNED_TRAILER, ("x-amz-checksum-crc32", "AAAAAA==")),
    "a wrong last signature": lambda d, p, b: put_chunked(d, p, b, STREAMING, spoil=lambda c: [*c[:-1], flip(c[-1], 25)]),
    "no end": lambda d, p, b: put_chunked(d, p, b, STREAMING, spoil=lambda c: c[:-1]),
    "a condition": lambda d, p, b: d.raw("PUT", p, body=b, headers={"if-match": '"0"'}),
}


@pytest.mark.parametrize("what", FAILING)
def test_uploads_that_fail_in_the_end(unharmed, what):
    for i in range(ROUNDS):
        reply = FAILING[what](unharmed, f"/leaks/{('new', 'old')[i % 2]}", body_of(SIZE))
        assert 400 <= reply.status < 500 and reply.code, reply


def test_uploads_that_are_replaced_deleted_and_aborted(unharmed):
    """Not failures at all, but the same space."""
    s3 = unharmed.s3
    for _ in range(ROUNDS):
        s3.put_object(Bucket="leaks", Key="new", Body=body_of(SIZE))
    s3.delete_object(Bucket="leaks", Key="new")
    for _ in range(ROUNDS):
        upload = s3.create_multipart_upload(Bucket="leaks", Key="new")["UploadId"]
        s3.upload_part(Bucket="leaks", Key="new", UploadId=upload, PartNumber=1, Body=body_of(SIZE))
        s3.upload_part(Bucket="leaks", Key="new", UploadId=upload, PartNumber=1, Body=body_of(SIZE)[1:])
        s3.abort_multipart_upload(Bucket="leaks", Key="new", UploadId=upload)


def test_many_connections_that_say_nothing(unharmed):
    connections = [Connection(unharmed) for _ in range(300)]
    wait_for(lambda: descriptors(unharmed) > 300, "connections are accepted")
    assert unharmed.raw("GET", "/leaks/old").status == 200
    for connection in connections:
        connection.close()


def test_clients_that_dawdle_keep_nobody_waiting(unharmed):
    """More of them in the middle of an upload than there were workers once."""
    body = head(unharmed, "PUT", "/leaks/new", {"content-length": "20000"}) + b"and then nothing"
    dawdlers = [Connection(unharmed).send(body) for _ in range(600)]
    wait_for(lambda: descriptors(unharmed) > 600, "connections are accepted")
    for _ in range(3):
        assert unharmed.raw("GET", "/leaks/old").body == b"old value"
        assert unharmed.raw("GET", "/cairn/health/live", sign=False).status == 200
    for connection in dawdlers:
        connection.close()


def test_the_same_in_one_go_on_one_connection(unharmed):
    """A refused upload behind another, and a good request behind all of them."""
    body = body_of(100_000)
    connection = unharmed.connect()
    for _ in range(ROUNDS):
        assert unharmed.raw("PUT", "/leaks/new", body=body, payload="0" * 64, connection=connection).status == 400
        assert unharmed.raw("PUT", "/leaks/new", body=body, headers={"x-amz-checksum-crc32": crc32(b"")}, connection=connection).status == 400
    assert unharmed.raw("GET", "/leaks/old", connection=connection).body == b"old value"
    connection.close()
