"""Mounts a bucket of a test's daemon with cairnfs, and always takes the mount away again.

    with Daemon() as daemon, Mount(daemon, "photos") as mount:
        open(mount / "a", "w").write("x")

The program is that of the folder CAIRN_BUILD (build/ when it is not set).
"""
import ctypes
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import time

from cairn import program

MOUNT_SECONDS, STOP_SECONDS = 60, 90
MNT_FORCE, MNT_DETACH = 1, 2


def force_unmount(path):
    """umount -f -l, in this process: one that is started would close what it inherits first, and wait for the mount. Only root may."""
    ctypes.CDLL(None).umount2(os.fsencode(path), MNT_FORCE | MNT_DETACH)


class Mount:
    """One cairnfs in the foreground. bucket None: the whole endpoint."""

    def __init__(self, daemon, bucket=None, prefix=None, options=(), endpoint=None, env=None):
        self.daemon = daemon
        self.source = "/".join(part for part in (endpoint or daemon.mount_endpoint, bucket, prefix) if part).rstrip(":")
        self.options = list(options) + daemon.mount_options
        self.env = dict(daemon.environment(), **(env or {}))
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        self.folder = tempfile.mkdtemp(prefix="cairn-mount-")
        self.path = os.path.join(self.folder, "mnt")
        self.log_path = os.path.join(self.folder, "log")
        os.mkdir(self.path)
        os.chmod(self.folder, 0o755)
        self.process = None

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def __fspath__(self):
        return self.path

    def command(self):
        command = [program("cairnfs"), self.source, self.path]
        return command + (["-o", ",".join(self.options)] if self.options else [])

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command() + ["-f"], stdout=log, stderr=log, env=self.env)
        deadline = time.monotonic() + MOUNT_SECONDS
        while not (self.mounted() and " ready " in self.log()):
            assert self.process.poll() is None, f"cairnfs ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"the mount is not ready:\n{self.log()}"
            time.sleep(0.01)
        os.stat(self.path)
        return self

    def mounted(self):
        with open("/proc/self/mounts") as mounts:
            return any(line.split()[1] == self.path for line in mounts)

    def wait(self):
        """The end of the process: its exit code."""
        process, self.process = self.process, None
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"cairnfs did not end:\n{self.log()}")

    def unmount(self):
        """A clean end. What its sanitizers found fails the test."""
        if self.process is None:
            return
        eventually(self.let_go, STOP_SECONDS, "an end of what is busy in the mount")
        code = self.wait()
        assert code == 0, f"cairnfs ended with {code}:\n{self.log()}"

    def let_go(self):
        """cairnfs itself looks at its root once, to see that it answers: after a restart of the daemon that may take its time."""
        run = subprocess.run(["fusermount3", "-u", self.path], capture_output=True, text=True, timeout=STOP_SECONDS)
        assert run.returncode == 0 or "busy" in run.stderr, run.stderr
        return run.returncode == 0

    def terminate(self):
        """As systemd stops it."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """kill -9, as a power cut for the process.

        Forced: the thread that tells the kernel of changes may be waiting there for a folder that somebody else has locked, who waits for
        an answer of this process. Neither goes before the connection is cut, and while the one is there the kernel does not cut it."""
        if self.process is not None:
            self.process.kill()
            force_unmount(self.path)
            self.process.wait(STOP_SECONDS)
            self.process = None
        if self.mounted():
            subprocess.run(["fusermount3", "-u", "-z", self.path], timeout=STOP_SECONDS)

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.unmount()
            else:
                print(self.log())
        finally:
            self.remove()

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-8000:]


class Actor:
    """A process that works on a mount by functions of os, while the test does what an open file would get in the way of:
    a file that is inherited by a program's start is flushed there, and waits for a server that is down.

        actor = Actor()
        fd = actor.open(path, os.O_RDWR)
        actor.begin("read", fd, 10); ...; actor.end()
    """

    def __init__(self):
        self.pipe, child = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self.serve, args=(child,), daemon=True)
        self.process.start()
        child.close()

    def serve(self, pipe):
        self.pipe.close()
        while True:
            try:
                name, args = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(getattr(os, name)(*args))
            except OSError as error:
                pipe.send(error)

    def begin(self, name, *args):
        self.pipe.send((name, args))

    def ended(self):
        return self.pipe.poll(0)

    def end(self, seconds=60):
        assert self.pipe.poll(seconds), "it hangs"
        result = self.pipe.recv()
        if isinstance(result, OSError):
            raise result
        return result

    def __getattr__(self, name):
        def call(*args):
            self.begin(name, *args)
            return self.end()

        return call

    def leave(self):
        """Closes all that it has open."""
        self.pipe.close()
        self.process.join(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()


def eventually(condition, seconds=10.0, what="the condition"):
    """Waits for the condition to hold: the seconds that took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"{what} did not come within {seconds} s"
        time.sleep(0.002)
    return time.monotonic() - start
