"""fsync tells the truth across a kill -9 of the daemon: what it acknowledges is there, what was lost is an error."""
import contextlib
import os

import pytest

from cairn import Daemon
from mount import Actor, Mount

# What is done to "d", a folder with the file "f" in it; what is synced; how it shows.
CHANGES = {
    "mkdir": (lambda do, d: do.mkdir(d + "/new"), "", lambda d: os.path.isdir(d + "/new")),
    "rename": (lambda do, d: do.rename(d + "/f", d + "/g"), "", lambda d: os.path.exists(d + "/g")),
    "unlink": (lambda do, d: do.unlink(d + "/f"), "", lambda d: not os.path.exists(d + "/f")),
    "create": (lambda do, d: do.close(do.open(d + "/new", os.O_CREAT | os.O_WRONLY, 0o644)), "", lambda d: os.path.exists(d + "/new")),
    "chmod": (lambda do, d: do.chmod(d + "/f", 0o600), "/f", lambda d: os.stat(d + "/f").st_mode & 0o777 == 0o600),
    "truncate": (lambda do, d: do.truncate(d + "/f", 1), "/f", lambda d: os.path.getsize(d + "/f") == 1),
    "open with O_TRUNC": (lambda do, d: do.close(do.open(d + "/f", os.O_TRUNC | os.O_RDWR)), "/f", lambda d: os.path.getsize(d + "/f") == 0),
    "setxattr": (lambda do, d: do.setxattr(d + "/f", "user.x", b"y"), "/f", lambda d: "user.x" in os.listxattr(d + "/f")),
}


def write_until_killed(server, path, fd):
    """Writes and closes copies of fd (so that the bytes are sent, not durable) and kills the daemon right after."""
    os.write(fd, b"answered, perhaps not committed")
    os.close(os.dup(fd))  # flush
    server.kill()


def test_fsync_after_a_kill_has_the_bytes_or_says_eio():
    server = Daemon(drives=4)
    told, kept = 0, 0
    try:
        server.start().s3.create_bucket(Bucket="bucket")
        for number in range(12):
            with Mount(server, "bucket") as mount:
                path = mount / f"f{number}"
                fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
                os.fsync(fd)
                write_until_killed(server, path, fd)
                server.start()
                try:
                    os.fsync(fd)
                    failed = False
                except OSError:
                    failed = True
                os.close(fd)
            there = server.s3.get_object(Bucket="bucket", Key=f"f{number}")["Body"].read()
            assert failed or there == b"answered, perhaps not committed"
            told, kept = told + failed, kept + (there != b"")
        assert told > 0, "a write that may have been lost was vouched for each time"
        server.stop()
    finally:
        server.remove()


def test_fsync_long_after_a_restart_is_no_error():
    with Daemon(drives=4) as server:
        server.s3.create_bucket(Bucket="bucket")
        with Mount(server, "bucket") as mount:
            fd = os.open(mount / "f", os.O_CREAT | os.O_WRONLY, 0o644)
            os.write(fd, b"one")
            os.fsync(fd)
            server.kill()
            server.start()
            os.write(fd, b" two")
            os.fsync(fd)
            os.close(fd)
        assert server.s3.get_object(Bucket="bucket", Key="f")["Body"].read() == b"one two"


def begin(mount, number):
    path = mount / f"d{number}"
    os.mkdir(path)
    with open(path + "/f", "wb") as file:
        file.write(b"some bytes")
        os.fsync(file.fileno())
    return path


def synced(do, fd):
    with contextlib.suppress(OSError):
        do.fsync(fd)
        return True
    return False


@pytest.mark.parametrize("name", CHANGES)
def test_fsync_of_any_change_after_a_kill_has_it_or_says_eio(name):
    change, what, shows = CHANGES[name]
    with Daemon(drives=4) as server:
        server.s3.create_bucket(Bucket="bucket")
        with Mount(server, "bucket") as mount:
            for number in range(8):
                path = begin(mount, number)
                with Actor() as do:  # a process that this one starts would have the open file flushed, by a server that is down
                    fd = do.open(path + what, os.O_RDONLY)
                    change(do, path)
                    server.kill()
                    server.start()
                    vouched = synced(do, fd)
                    assert shows(path) or not vouched, f"{name} was vouched for, and is lost"
                    assert synced(do, fd), "told once"
