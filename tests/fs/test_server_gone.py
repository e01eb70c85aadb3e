"""A server that is killed, restarted, or stays away: what a mount does meanwhile, and after."""
import errno
import multiprocessing
import os
import signal
import subprocess
import time

import pytest

from cairn import Daemon
from mount import Actor, Mount, eventually
from test_files import MIB, expect, pattern, read_file, write_file


@pytest.fixture(scope="module")
def server():
    """A daemon that these tests may kill."""
    with Daemon(drives=4) as daemon:
        daemon.s3.create_bucket(Bucket="mounted")
        yield daemon


@pytest.fixture
def running(server):
    if server.process is None:
        server.start()
    yield server
    if server.process is None:
        server.start()


@pytest.fixture
def mount(running):
    with Mount(running, "mounted") as mount:
        yield mount


@pytest.fixture
def soft(running):
    with Mount(running, "mounted", options=["soft", "timeout=1s"]) as mount:
        yield mount


@pytest.fixture
def actor(request):
    with Actor() as actor:
        yield actor


def write_durably(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def test_a_restart_does_not_break_a_mount(server, mount, actor):
    write_durably(mount / "f", b"before")
    fd = actor.open(mount / "f", os.O_RDWR)
    gone = actor.open(mount / "gone", os.O_RDWR | os.O_CREAT)
    actor.write(gone, b"nameless")
    actor.fsync(gone)
    actor.unlink(mount / "gone")
    sync_folder(mount)
    server.kill()
    server.start()
    assert actor.pread(fd, 10, 0) == b"before"
    actor.pwrite(fd, b"after!", 0)
    actor.fsync(fd)
    assert actor.pread(gone, 10, 0) == b"nameless"
    assert os.listdir(mount) == ["f"]
    actor.leave()
    assert read_file(mount / "f") == b"after!"
    os.unlink(mount / "f")


class Changer(multiprocessing.get_context("fork").Process):
    """Makes changes below names of its own until it is told to stop. A process: who starts a daemon closes in the child what
    it has open itself, and would wait there for that daemon."""

    LOST = (errno.EIO, errno.ENOENT, errno.ESTALE)  # of a server that was killed before it had committed

    def __init__(self, mount, letter, kills):
        super().__init__()
        self.mount, self.letter, self.kills = mount, letter, kills
        self.synced = multiprocessing.Value("i", 0)
        self.stop = multiprocessing.Event()
        self.pipe, self.result = multiprocessing.Pipe()

    def one(self, path):
        with open(path, "xb", buffering=0) as file:
            file.write(path.encode())
        os.mkdir(path + "-d")
        os.rename(path, path + "-x")
        os.rmdir(path + "-d")
        sync_folder(self.mount)

    def run(self):
        synced, error, i = [], None, 0
        while not self.stop.is_set() and not error:
            path, began = self.mount / f"{self.letter}{i}", time.monotonic()
            i += 1
            try:
                self.one(path)
                if not self.killed_since(began):
                    synced.append(path + "-x")
                    self.synced.value += 1
            except OSError as e:
                if e.errno not in self.LOST or not self.killed_since(began):
                    error = (path, began, repr(e))
        self.result.send((synced, error))

    def killed_since(self, began):
        return any(began - 1 < kill for kill in self.kills)

    def end(self):
        """The names it has synced, and an error that no kill explains."""
        self.stop.set()
        assert self.pipe.poll(60), "it hangs"
        result = self.pipe.recv()
        self.join()
        return result


def test_what_was_done_is_done_once_across_kills(server, mount):
    """A change whose reply is lost is asked for again, and is not done twice: names that nobody else uses never exist
    already. What was answered and not synced may be lost with the server, and only that."""
    kills = multiprocessing.Array("d", 8)
    changers = [Changer(mount, letter, kills) for letter in "abc"]

    def progress():
        before = [c.synced.value + 3 for c in changers]
        eventually(lambda: all(c.synced.value > b or not c.is_alive() for c, b in zip(changers, before)), 30, "progress")

    for changer in changers:
        changer.start()
    for i in range(0, 8, 2):
        progress()
        kills[i] = time.monotonic()
        server.kill()
        server.start()
        kills[i + 1] = time.monotonic()
    progress()
    for synced, error in [changer.end() for changer in changers]:
        assert error is None
        for path in synced:
            assert read_file(path) == path[:-2].encode()
    subprocess.run(f"rm -rf {mount.path}/*", shell=True, check=True)


def test_dirty_bytes_outlive_a_kill(server, mount, actor):
    data = pattern(20 * MIB)
    fd = actor.open(mount / "f", os.O_RDWR | os.O_CREAT)
    actor.fsync(fd)
    actor.write(fd, data[:MIB])
    server.kill()
    actor.pwrite(fd, data[:10 * MIB], 0)
    actor.pwrite(fd, data[10 * MIB:], 10 * MIB)
    assert actor.pread(fd, 100, 19 * MIB) == data[19 * MIB:19 * MIB + 100]
    server.start()
    actor.leave()
    assert read_file(mount / "f") == data
    os.unlink(mount / "f")


def test_in_a_mount_with_sync_a_close_outlives_a_kill_at_once(server, running):
    with Mount(running, "mounted", options=["sync"]) as mount:
        for n in range(6):
            data = pattern((10, 30_000, 300_000)[n % 3])
            write_file(mount / f"f{n}", data)
            server.kill()
            server.start()
            assert server.s3.get_object(Bucket="mounted", Key=f"f{n}")["Body"].read() == data
        subprocess.run(f"rm -rf {mount.path}/*", shell=True, check=True)


def test_a_hard_mount_waits_and_can_be_interrupted(server, mount):
    write_durably(mount / "f", b"x" * 100)
    server.kill()
    reader = subprocess.Popen(["cat", mount / "f"], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        reader.wait(0.5)
    reader.send_signal(signal.SIGINT)
    assert reader.wait(10) == -signal.SIGINT
    waiting = subprocess.Popen(["cat", mount / "f"], stdout=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.5)
    server.start()
    assert waiting.communicate(timeout=30)[0] == b"x" * 100
    os.unlink(mount / "f")


def test_a_signal_does_not_break_a_call_that_the_server_answers(mount):
    """Programs with timers must not see EINTR from calls that POSIX does not interrupt."""
    caught = []
    old = signal.signal(signal.SIGALRM, lambda *_: caught.append(1))
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for i in range(200):
            write_file(mount / f"s{i % 7}", b"x" * 10_000)
            os.stat(mount / "s0")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert caught
    subprocess.run(f"rm -rf {mount.path}/*", shell=True, check=True)


def test_a_soft_mount_gives_up(server, soft, actor):
    write_durably(soft / "f", b"x")
    fd = actor.open(soft / "f", os.O_WRONLY)
    server.kill()
    start = time.monotonic()
    with expect(errno.EIO):
        os.stat(soft / "never-seen")
    assert time.monotonic() - start < 10
    actor.write(fd, b"lost")
    with expect(errno.EIO):
        actor.fsync(fd)
    server.start()
    actor.close(fd)  # it was told once, by fsync
    eventually(lambda: os.path.exists(soft / "f"), 20)
    assert read_file(soft / "f") == b"x"
    os.unlink(soft / "f")


def test_an_error_of_the_background_is_told_at_close(server, soft, actor):
    fd = actor.open(soft / "f", os.O_WRONLY | os.O_CREAT)
    actor.fsync(fd)
    server.kill()
    actor.write(fd, b"lost")
    time.sleep(4)  # the background has given it up by then
    server.start()
    with expect(errno.EIO):
        actor.close(fd)
    os.unlink(soft / "f")


def test_unmounting_does_not_hang_on_a_dead_server(running):
    mount = Mount(running, "mounted").start()
    try:
        os.listdir(mount)
        running.kill()
        start = time.monotonic()
        mount.unmount()
        assert time.monotonic() - start < 60
    finally:
        mount.remove()


def test_sigterm_stores_what_is_dirty(running, actor):
    mount = Mount(running, "mounted").start()
    try:
        fd = actor.open(mount / "f", os.O_WRONLY | os.O_CREAT)
        actor.write(fd, b"y" * 5 * MIB)
        assert mount.terminate() == 0, mount.log()
        assert not mount.mounted()
        assert running.s3.get_object(Bucket="mounted", Key="f")["Body"].read() == b"y" * 5 * MIB
    finally:
        mount.remove()
