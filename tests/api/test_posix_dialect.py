"""The POSIX dialect over HTTP: server/wire/POSIX.md."""
import errno

import pytest

from cairn import Daemon
from posix_dialect import Failed, Session, frame, parse

FRAME_ENTRY, FRAME_DATA = 2, 3


@pytest.fixture
def session(daemon, bucket):
    session = Session(daemon, bucket)
    yield session
    session.call(("SESSION_CLOSE", {}))


def make(session, name, body=b""):
    return session.call(("CREATE", dict(ino=session.root, name=name, mode=0o644)),
                        ("WRITE", dict(data=body)))[1]["attr"]["ino"]


def fails(status, call, *arguments):
    with pytest.raises(Failed) as info:
        call(*arguments)
    assert info.value.status == status


def test_a_file_of_the_dialect_is_an_object(session, s3, bucket):
    make(session, b"hello", b"from the mount")
    assert s3.get_object(Bucket=bucket, Key="hello")["Body"].read() == b"from the mount"


def test_an_object_is_a_file_of_the_dialect(session, s3, bucket):
    s3.put_object(Bucket=bucket, Key="folder/object", Body=b"from S3")
    found = session.call(("LOOKUP", dict(ino=session.root, name=b"folder")), ("LOOKUP", dict(name=b"object")),
                         ("READ", dict(len=100)))
    assert found[2]["data"] == b"from S3"


def test_bulk_bytes_are_written_and_read_by_range(session):
    body = bytes(range(256)) * 16384
    ino = make(session, b"bulk")
    for times in (1, 2):
        status, _, _, results = parse(session.put(ino, body).body)
        assert status == 0 and results[0][1]["value"] == (times - 1) * len(body)
        assert results[0][1]["attr"]["size"] == times * len(body)
    session.put(ino, b"in the middle", off=1000, sync=1)
    reply = session.get(ino, 990, 40)
    assert reply.status == 200 and reply.body == (body[990:1000] + b"in the middle" + body[1013:1030])
    assert int(reply.headers["x-cairn-size"]) == 2 * len(body) and int(reply.headers["x-cairn-version"]) > 0
    assert session.get(ino, len(body) - 5, 1 << 30).body == body[-5:] + body[:1000] + body[1000:]
    assert session.get(ino, 1 << 40, 10).body == b""


def test_a_repeated_put_writes_once(session):
    ino = make(session, b"log")
    first = session.put(ino, b"line\n")
    session.sequence -= 1
    again = session.put(ino, b"line\n")
    assert parse(again.body)[2] == 1 and parse(again.body)[3] == parse(first.body)[3]
    assert session.get(ino, 0, 100).body == b"line\n"


def test_a_body_that_does_not_match_its_hash_changes_nothing(session):
    ino = make(session, b"f", b"before")
    session.sequence += 1
    query = session.query("data", ino=ino, off=0, slot=0, sequence=session.sequence)
    reply = session.daemon.raw("PUT", f"/{session.bucket}", query, b"after!", payload="0" * 64)
    assert reply.status == 400
    assert session.get(ino, 0, 100).body == b"before"


def test_push_tells_what_s3_does(session, s3, bucket):
    stream = session.push()
    assert stream.status == 200 and frame(stream)[0] == 1
    s3.put_object(Bucket=bucket, Key="new", Body=b"1")
    told = frame(stream)
    while told[0] != FRAME_ENTRY:
        told = frame(stream)
    assert told[3] == session.root and told[4] == b"new"
    stream.held.close()


def test_push_leaves_out_what_the_session_did_itself(session, s3, bucket):
    stream = session.push()
    make(session, b"mine")
    s3.put_object(Bucket=bucket, Key="theirs", Body=b"1")
    names = []
    while b"theirs" not in names:
        names.append(frame(stream)[4])
    assert b"mine" not in names
    stream.held.close()


def test_what_is_no_request_of_the_dialect_is_a_bad_request(daemon, session, bucket):
    def status(method, query, body=b""):
        return daemon.raw(method, f"/{bucket}", query, body).status

    assert status("POST", "cairn=other") == 400
    assert status("DELETE", "cairn=posix") == 400
    assert status("GET", "cairn=data") == 400
    assert status("GET", session.query("data", ino=session.root, off=0)) == 400
    assert status("GET", session.query("data", ino=session.root, off="end", len=1)) == 400
    assert status("GET", session.query("data", ino=session.root, off=0, len=1, more=1)) == 400
    assert status("GET", session.query("push")) == 400
    assert daemon.raw("POST", f"/{bucket}/key", "cairn=posix", b"x").status == 400
    assert daemon.raw("POST", f"/{bucket}", "cairn=posix", b"x", sign=False).status == 403
    assert parse(daemon.raw("POST", f"/{bucket}", "cairn=posix", b"x").body)[0] == errno.EPROTO
    assert daemon.raw("POST", f"/{bucket}", "cairn=posix", bytes((1 << 20) + (64 << 10) + 1)).status == 400


def test_a_file_that_is_not_there_is_not_found(session):
    assert session.get(1 << 40, 0, 10).status == 404
    assert session.get(session.root, 0, 10).status == 404


def test_an_unknown_session_is_told_so_in_the_dialect(session):
    ino = make(session, b"f")
    session.generation += 1
    for reply in (session.get(ino, 0, 1), session.put(ino, b"x")):
        assert reply.headers["content-type"] == "application/x-cairn-posix" and parse(reply.body)[0] == errno.ESTALE
    fails(errno.ESTALE, session.call, ("GETATTR", dict(ino=ino)))
    session.generation -= 1


def test_a_session_belongs_to_its_bucket(session, s3):
    s3.create_bucket(Bucket="elsewhere")
    try:
        session.bucket, mine = "elsewhere", session.bucket
        fails(errno.EACCES, session.call, ("GETATTR", dict(ino=session.root)))
        session.bucket = mine
    finally:
        s3.delete_bucket(Bucket="elsewhere")


def test_changes_happen_once_and_open_files_live_on_across_kill_9():
    with Daemon(drives=4) as daemon:
        daemon.s3.create_bucket(Bucket="box")
        session = Session(daemon, "box")
        ino = make(session, b"open", b"kept")
        session.call(("OPEN", dict(ino=ino, handle=5)), ("FSYNC", {}))
        session.call(("UNLINK", dict(ino=session.root, name=b"open")), ("FSYNC", {}))
        request = session.encode(("CREATE", dict(ino=session.root, name=b"once", mode=0o600, flags=1)), ("FSYNC", {}))
        first = session.results(session.send(request))
        instance = session.instance

        daemon.kill()
        daemon.start()
        fails(errno.EREMCHG, session.results, session.send(request))
        handle = (5).to_bytes(8, "little") + ino.to_bytes(8, "little")
        assert session.call(("SESSION_RECLAIM", dict(flags=1, data=handle)))[0]["data"] == b""
        assert session.results(session.send(request)) == first
        assert session.replayed and session.instance != instance
        assert session.call(("READ", dict(ino=ino, len=10)))[0]["data"] == b"kept"
        stream = session.push()
        assert frame(stream)[0] == 5  # everything: who knows what was missed
        stream.held.close()
