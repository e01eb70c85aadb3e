"""Drives whose power can be cut: folders below a daemon's, each a volatile_fs (tests/crash/volatile_fs.c) over a folder that keeps
what was synced.

    with Power(folder, drives=4) as power:
        ...; power.cut(seed); ...      # everything fails from now on
        power.off(); power.on()        # the machine is started again
"""
import os
import select
import subprocess

from cairn import program

SECONDS = 60


class Power:
    """on, cut and off may be called again and again. shared: all drives are folders of one file system."""

    def __init__(self, folder, drives=4, shared=False, size_mib=512):
        self.size_mib = size_mib
        self.disks = []  # (what is durable, where it is seen)
        for name in ["disk"] if shared else [f"drive{i + 1}" for i in range(drives)]:
            disk = os.path.join(folder, "durable", name), os.path.join(folder, name)
            for path in disk:
                os.makedirs(path)
            self.disks.append(disk)
        self.drives = [os.path.join(folder, "disk", f"drive{i + 1}") for i in range(drives)] if shared else [seen for _, seen in self.disks]
        self.shared = shared
        self.process = None
        self.is_cut = False

    def on(self, without=()):
        """Starts the file systems, but those of the drives without."""
        assert not (without and self.shared), "drives of one disk are not lost one by one"
        pairs = [path for i, disk in enumerate(self.disks) if i not in without for path in disk]
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # of files that are open when it ends libfuse has something left
        self.process = subprocess.Popen([program("tests/crash/volatile_fs"), str(self.size_mib), *pairs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=env)
        self.is_cut = False
        assert self.line() == "ready", "the volatile file systems do not start"
        return self

    def line(self, seconds=SECONDS):
        """The next line that it prints; None when there is none within that time."""
        text = b""
        while not text.endswith(b"\n"):
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                return None
            byte = self.process.stdout.read(1)
            assert byte, f"volatile_fs ended with {self.process.wait(SECONDS)}"
            text += byte
        return text.decode().strip()

    def tell(self, command):
        self.process.stdin.write(command.encode() + b"\n")

    def ops(self):
        """Changes and syncs so far."""
        self.tell("ops")
        return int(self.line().removeprefix("ops "))

    def cut(self, seed=0):
        """All that is not synced is lost, or as the seed has it."""
        if not self.is_cut:
            self.tell(f"cut {seed}")
            assert self.line() == "cut"
            self.is_cut = True

    def arm(self, count, seed=0):
        """The same before the count-th change or sync from now."""
        self.tell(f"arm {count} {seed}")
        assert self.line() == "armed"

    def was_cut(self, seconds=0):
        """Whether what was armed has happened, or does so within that time."""
        if not self.is_cut:
            self.is_cut = self.line(seconds) == "cut"
        return self.is_cut

    def trouble(self, what, place):
        """From now on everything on that drive fails ("fail"), does not answer ("hang"), or is well again ("mend")."""
        self.tell(f"{what} {place}")
        assert self.line() == "done"

    def off(self):
        """Unmounts. Without a cut before, everything stays."""
        process, self.process = self.process, None
        if process is None:
            return
        process.stdin.write(b"end\n")  # its end may be open in a forked process
        process.stdin.close()
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("volatile_fs did not end")
        finally:
            process.stdout.close()
            self.unmount()
        assert code == 0, f"volatile_fs ended with {code}"

    def unmount(self):
        """What a helper that died has left."""
        with open("/proc/self/mounts") as mounts:
            mounted = {line.split()[1] for line in mounts}
        for _, seen in self.disks:
            if seen in mounted:
                subprocess.run(["fusermount3", "-u", "-z", seen], timeout=SECONDS)

    def __enter__(self):
        return self.on()

    def __exit__(self, *_):
        self.off()
