"""What a kill of the daemon takes back, though it was answered: nobody who saw it believes it any longer, and no fsync vouches for it."""
import errno
import os

import pytest

from cairn import Daemon
from mount import Actor, Mount, eventually
from test_files import read_file

ROUNDS = 8


@pytest.fixture(scope="module")
def server():
    with Daemon(drives=4) as daemon:
        daemon.s3.create_bucket(Bucket="bucket")
        yield daemon


@pytest.fixture(scope="module")
def pair(server):
    with Mount(server, "bucket") as first, Mount(server, "bucket") as second:
        yield first, second


@pytest.fixture
def actor():
    with Actor() as actor:
        yield actor


def write_durably(path, data, flags=os.O_WRONLY | os.O_CREAT):
    fd = os.open(path, flags, 0o644)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)


def told_eio(actor, fd):
    try:
        actor.fsync(fd)
        return False
    except OSError as e:
        assert e.errno in (errno.EIO, errno.ESTALE), e
        return True


def send(actor, fd, data):
    """Answered by the server, not durable."""
    actor.pwrite(fd, data, 0)
    actor.close(actor.dup(fd))


def kill_and_start(server):
    server.kill()
    server.start()


def stored(server, key):
    return server.s3.get_object(Bucket="bucket", Key=key)["Body"].read()


def test_an_fsync_does_not_take_the_writes_of_others_for_its_own(server, pair, actor):
    """Another mount writes to the file, often, before the one whose write was lost asks."""
    first, second = pair
    lost = 0
    for number in range(ROUNDS):
        name = f"vouched{number}"
        write_durably(first / name, bytes(64))
        fd = actor.open(first / name, os.O_RDWR)
        send(actor, fd, b"mine")
        kill_and_start(server)
        for _ in range(3):
            write_durably(second / name, b"others", os.O_WRONLY | os.O_APPEND)
        failed = told_eio(actor, fd)
        assert failed or stored(server, name).startswith(b"mine"), "a write that is lost was vouched for"
        lost += failed
        assert not told_eio(actor, fd), "it is told once"
        actor.close(fd)
    assert lost, "no write was lost: nothing was tested"


def test_an_fsync_does_not_take_later_writes_of_its_own_for_the_lost_one(server, pair, actor):
    first, lost = pair[0], 0
    for number in range(ROUNDS):
        name = f"own{number}"
        write_durably(first / name, bytes(64))
        fd = actor.open(first / name, os.O_RDWR)
        send(actor, fd, b"mine")
        kill_and_start(server)
        actor.pwrite(fd, b"later", 32)
        failed = told_eio(actor, fd)
        body = stored(server, name)
        assert failed or body.startswith(b"mine"), "a write that is lost was vouched for"
        lost += failed
        actor.pwrite(fd, b"later", 32)
        assert not told_eio(actor, fd), "it is told once"
        actor.close(fd)
    assert lost, "no write was lost: nothing was tested"


def test_pages_of_bytes_that_were_taken_back_are_not_shown(server, pair, actor):
    """Neither by who wrote them nor by who heard of them, in files that stay open and in those that are opened anew: also when
    somebody else has changed the file as often as was lost."""
    first, second = pair
    for number in range(ROUNDS):
        name = f"pages{number}"
        write_durably(first / name, b"before, as all know")
        fds = [actor.open(m / name, os.O_RDWR) for m in pair]
        for fd in fds:
            actor.pread(fd, 100, 0)
        send(actor, fds[0], b"answered")
        actor.fstat(fds[1])
        kill_and_start(server)
        write_durably(second / name, b"elsewhere", os.O_WRONLY)
        truth = stored(server, name)
        assert truth.startswith(b"elsewhere")
        for mount in pair:
            assert read_file(mount / name) == truth
        for fd in fds:
            eventually(lambda f=fd: actor.pread(f, 100, 0) == truth, 10, "the bytes that are stored")
        for fd in fds:
            actor.close(fd)


def test_names_that_were_taken_back_are_not_shown(server, pair, actor):
    """A name that came, one that went, one that moved: each mount shows what the server has."""
    for number in range(ROUNDS):
        folder = f"names{number}"
        paths = [m / folder for m in pair]
        os.mkdir(paths[0])
        for name in ("gone", "moved"):
            write_durably(f"{paths[0]}/{name}", name.encode())
        for path in paths:
            assert sorted(os.listdir(path)) == ["gone", "moved"]
            assert not os.path.exists(path + "/new")
        actor.mkdir(paths[0] + "/new")
        actor.unlink(paths[0] + "/gone")
        actor.rename(paths[0] + "/moved", paths[0] + "/elsewhere")
        kill_and_start(server)
        keys = server.s3.list_objects_v2(Bucket="bucket", Prefix=folder + "/", Delimiter="/")
        there = {k["Key"].split("/")[1] for k in keys.get("Contents", [])} | {p["Prefix"].split("/")[1] for p in keys.get("CommonPrefixes", [])}
        there -= {""}
        for path in paths:
            eventually(lambda p=path: all(os.path.exists(f"{p}/{n}") == (n in there) for n in ("new", "gone", "moved", "elsewhere")),
                       10, f"names {there}")
            assert set(os.listdir(path)) == there
            for name in there - {"new"}:
                assert read_file(f"{path}/{name}") == {"elsewhere": b"moved"}.get(name, name.encode())
