"""A server that is killed, restarted, or stays away: what a mount does meanwhile, and after."""
import errno
import os
import signal
import subprocess
import threading
import time

import pytest

from cairn import Daemon
from mount import Mount, eventually
from test_files import MIB, expect, pattern, read_file, write_file


@pytest.fixture(scope="module")
def server():
    """A daemon that these tests may kill."""
    with Daemon(drives=4) as daemon:
        daemon.s3.create_bucket(Bucket="mounted")
        yield daemon


@pytest.fixture
def mount(server):
    if server.process is None:
        server.start()
    with Mount(server, "mounted") as mount:
        yield mount


def test_a_restart_does_not_break_a_mount(server, mount):
    write_file(mount / "f", b"before")
    fd = os.open(mount / "f", os.O_RDWR)
    gone = os.open(mount / "gone", os.O_RDWR | os.O_CREAT)
    os.write(gone, b"nameless")
    os.fsync(gone)
    os.unlink(mount / "gone")
    listing = os.scandir(mount)
    server.kill()
    server.start()
    assert os.pread(fd, 10, 0) == b"before"
    os.pwrite(fd, b"after!", 0)
    os.fsync(fd)
    assert os.pread(gone, 10, 0) == b"nameless"
    assert [e.name for e in listing] == ["f"]
    os.close(fd)
    os.close(gone)
    assert read_file(mount / "f") == b"after!"
    os.unlink(mount / "f")


def test_writers_go_on_across_kills(server, mount):
    """Every operation is done exactly once: nothing exists already, nothing is missing."""
    done, errors = [], []
    stop = threading.Event()

    def work(letter):
        i = 0
        try:
            while not stop.is_set():
                path = mount / f"{letter}{i}"
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                os.write(fd, path.encode())
                os.close(fd)
                os.rename(path, path + "-x")
                os.mkdir(path)
                os.rmdir(path)
                done.append(path + "-x")
                i += 1
        except OSError as e:
            errors.append((letter, i, e))

    threads = [threading.Thread(target=work, args=(c,)) for c in "abc"]
    for t in threads:
        t.start()
    for _ in range(4):
        before = len(done)
        eventually(lambda: len(done) > before + 5 or errors, 30, "progress")
        server.kill()
        server.start()
    before = len(done)
    eventually(lambda: len(done) > before + 5 or errors, 30, "progress")
    stop.set()
    for t in threads:
        t.join()
    assert errors == []
    for path in done:
        assert read_file(path) == path[:-2].encode()
    assert sorted(os.listdir(mount)) == sorted(os.path.basename(path) for path in done)
    for path in done:
        os.unlink(path)


def test_dirty_bytes_outlive_a_kill(server, mount):
    data = pattern(20 * MIB)
    fd = os.open(mount / "f", os.O_RDWR | os.O_CREAT)
    os.write(fd, data[:10 * MIB])
    server.kill()
    os.write(fd, data[10 * MIB:])
    assert os.pread(fd, 100, 19 * MIB) == data[19 * MIB:19 * MIB + 100]
    server.start()
    os.close(fd)
    assert read_file(mount / "f") == data
    os.unlink(mount / "f")


def test_a_hard_mount_waits_and_can_be_interrupted(server, mount):
    write_file(mount / "f", b"x" * 100)
    os.stat(mount / "f")
    server.kill()
    reader = subprocess.Popen(["cat", mount / "f"], stdout=subprocess.PIPE)
    time.sleep(0.3)
    assert reader.poll() is None
    reader.send_signal(signal.SIGINT)
    assert reader.wait(10) == -signal.SIGINT
    waiting = subprocess.Popen(["cat", mount / "f"], stdout=subprocess.PIPE)
    time.sleep(0.3)
    assert waiting.poll() is None
    server.start()
    assert waiting.communicate(timeout=30)[0] == b"x" * 100
    os.unlink(mount / "f")


def test_a_soft_mount_gives_up(server):
    if server.process is None:
        server.start()
    with Mount(server, "mounted", options=["soft", "timeout=1s"]) as mount:
        write_file(mount / "f", b"x")
        fd = os.open(mount / "f", os.O_WRONLY)
        server.kill()
        start = time.monotonic()
        with expect(errno.EIO):
            os.stat(mount / "never-seen")
        assert time.monotonic() - start < 10
        os.write(fd, b"lost")
        with expect(errno.EIO):
            os.fsync(fd)
        os.fsync(os.open(mount, os.O_RDONLY)) if False else None
        server.start()
        os.close(fd)  # told once, by fsync
        eventually(lambda: os.path.exists(mount / "f"), 20)
        assert read_file(mount / "f") == b"x"
        os.unlink(mount / "f")


def test_an_error_of_the_background_is_told_at_close(server):
    if server.process is None:
        server.start()
    with Mount(server, "mounted", options=["soft", "timeout=1s"]) as mount:
        fd = os.open(mount / "f", os.O_WRONLY | os.O_CREAT)
        server.kill()
        os.write(fd, b"lost")
        time.sleep(3)  # the background has given it up by then
        server.start()
        with expect(errno.EIO):
            os.close(fd)
        os.unlink(mount / "f")


def test_unmounting_does_not_hang_on_a_dead_server(server):
    if server.process is None:
        server.start()
    mount = Mount(server, "mounted").start()
    try:
        os.listdir(mount)
        server.kill()
        start = time.monotonic()
        mount.unmount()
        assert time.monotonic() - start < 60
    finally:
        mount.remove()
        server.start()


def test_sigterm_stores_what_is_dirty(server):
    if server.process is None:
        server.start()
    mount = Mount(server, "mounted").start()
    try:
        fd = os.open(mount / "f", os.O_WRONLY | os.O_CREAT)
        os.write(fd, b"y" * 5 * MIB)
        assert mount.terminate() == 0
        assert not mount.mounted()
        assert server.s3.get_object(Bucket="mounted", Key="f")["Body"].read() == b"y" * 5 * MIB
        try:
            os.close(fd)
        except OSError:
            pass
    finally:
        mount.remove()
