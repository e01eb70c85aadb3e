"""A mount of a store whose drives are full: who writes is told, what is there stays, and removing makes room."""
import errno
import os
import subprocess

import pytest

from cairn import Daemon
from mount import Mount, eventually
from test_files import MIB, expect, pattern, read_file, write_file

DRIVE_MIB = 160


@pytest.fixture(scope="module")
def small():
    assert os.geteuid() == 0, "this test mounts file systems: run it as root"
    daemon = Daemon(drives=1)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DRIVE_MIB}m", "none", daemon.drives[0]], check=True)
    try:
        daemon.start().s3.create_bucket(Bucket="full")
        yield daemon
        daemon.stop()
    finally:
        daemon.kill()
        subprocess.run(["umount", "-l", daemon.drives[0]], check=True)
        daemon.remove()


def room(mount):
    st = os.statvfs(mount.path)
    return st.f_bavail * st.f_frsize


def write_until_it_is_told(fd):
    """Bytes that were taken before a write was refused for want of room."""
    data, total = os.urandom(MIB), 0
    with expect(errno.ENOSPC):
        while total < 4 * DRIVE_MIB * MIB:
            total += os.write(fd, data)
    return total


def take_all_room(mount):
    fd = os.open(mount / "filling", os.O_WRONLY | os.O_CREAT)
    write_until_it_is_told(fd)
    with expect(errno.ENOSPC):
        os.fsync(fd)  # tells it once more: a write in the middle of a longer one may have told nobody
    for _ in range(DRIVE_MIB * 4):
        try:
            os.write(fd, os.urandom(MIB // 4))
            os.fsync(fd)
        except OSError as e:
            assert e.errno == errno.ENOSPC
            break
    os.close(fd)


@pytest.fixture
def mount(small):
    with Mount(small, "full", options=["dirty=16M"]) as mount:
        yield mount
        for name in os.listdir(mount):
            os.unlink(mount / name)
        eventually(lambda: room(mount) > (DRIVE_MIB - 60) * MIB, 30, "room")


def test_writers_are_told_and_nothing_else_is_harmed(mount):
    kept = {f"kept{i}": os.urandom(MIB) for i in range(8)}
    for name, data in kept.items():
        write_file(mount / name, data)
    fd = os.open(mount / "filling", os.O_WRONLY | os.O_CREAT)
    assert write_until_it_is_told(fd) < 2 * DRIVE_MIB * MIB, "long before its end"
    with expect(errno.ENOSPC):
        os.close(fd)
    for name, data in kept.items():
        assert read_file(mount / name) == data
    os.unlink(mount / "filling")
    eventually(lambda: room(mount) > 40 * MIB, 30, "room")
    write_file(mount / "again", pattern(20 * MIB))
    assert read_file(mount / "again") == pattern(20 * MIB)


@pytest.mark.parametrize("how", ["fsync", "close"])
@pytest.mark.parametrize("size", [MIB, 8 * MIB])
def test_who_has_ended_writing_is_told_by(mount, how, size):
    take_all_room(mount)
    fd = os.open(mount / "other", os.O_WRONLY | os.O_CREAT)
    os.write(fd, os.urandom(size))  # maybe with a short count
    with expect(errno.ENOSPC):
        getattr(os, how)(fd)
    if how == "fsync":
        os.close(fd)


def test_more_than_there_is_room_for_is_not_set_aside(mount):
    with open(mount / "f", "wb") as f:
        with expect(errno.ENOSPC):
            os.posix_fallocate(f.fileno(), 0, 2 * DRIVE_MIB * MIB)
        os.posix_fallocate(f.fileno(), 0, 10 * MIB)
        assert os.fstat(f.fileno()).st_size == 10 * MIB
