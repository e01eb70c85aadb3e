"""Programs that work in a mount until the server is gone, each in a folder of its own, and then know what must be there.

What fsync has acknowledged is there; of names, the changes that are there are the first so many of those that were made.
"""
import contextlib
import os
import random
import re

BLOCK, BLOCKS = 4096, 48


def sync(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def listing(path):
    """name → "d", or a symlink's target; None when the folder is not there."""
    try:
        return {entry.name: os.readlink(entry.path) if entry.is_symlink() else "d" for entry in os.scandir(path)}
    except FileNotFoundError:
        return None


class Program:
    gone = OSError

    def __init__(self, top, name, seed):
        self.name, self.folder, self.random = name, os.path.join(top, name), random.Random(seed)
        self.begun, self.fd = False, None

    def path(self, name):
        return os.path.join(self.folder, name)

    def step(self, n):
        if not self.begun:
            os.mkdir(self.folder)
            self.begun = True
            self.begin()
        self.work(n)

    def begin(self):
        pass

    def check(self, top):
        """After a crash, in another mount. What is found then is what must be found from now on."""
        self.folder = os.path.join(top, self.name)
        if self.begun:
            self.inspect()

    def close(self):
        fd, self.fd = self.fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)

    def __repr__(self):
        return f"{type(self).__name__} {self.name}"


class Names(Program):
    """Changes of names, one after the other; now and then an fsync of the folder."""

    # -3 in a name: the number of the step three steps before
    CYCLE = ((os.mkdir, "dir-0"), (os.symlink, "-0", "link-0"), (os.rename, "dir-2", "moved-0"), (os.symlink, "-0", "new-0"),
             (os.rename, "new-1", "link-3"), (os.mkdir, "other-0"), (os.unlink, "link-5"), (os.rmdir, "other-2"))

    def begin(self):
        self.changes = []  # (call, names)
        self.durable = 0  # so many are
        self.final = None

    def work(self, n):
        call, *names = self.CYCLE[n % len(self.CYCLE)]
        names = [re.sub(r"-(\d)", lambda back: str(n - int(back[1])), name) for name in names]
        self.changes.append((call, names))
        paths = [self.path(name) for name in names]
        if call is os.symlink:
            paths[0] = names[0]
        call(*paths)
        if self.random.random() < 0.1:
            issued = len(self.changes)
            sync(self.folder)
            self.durable = issued

    @staticmethod
    def apply(state, change):
        call, names = change
        if call is os.mkdir:
            state[names[0]] = "d"
        elif call is os.symlink:
            state[names[1]] = names[0]
        elif call is os.rename:
            state[names[1]] = state.pop(names[0])
        else:
            del state[names[0]]

    def inspect(self):
        found = listing(self.folder)
        if self.final is not None:
            assert found == self.final[0], f"{self}: what was found after an earlier crash has changed"
            return
        state = {}
        possible = [None] if self.durable == 0 else []
        for number in range(len(self.changes) + 1):
            if number >= self.durable:
                possible.append(dict(state))
            if number < len(self.changes):
                self.apply(state, self.changes[number])
        assert found in possible, f"{self}: {found} is no state between {possible[0]} and {possible[-1]}"
        self.final = [found]


class Appender(Program):
    """Appends to a file; what lies before an fsync stays, what lies behind it is there or reads as zeros."""

    SIZE = 3 << 20

    def begin(self):
        self.bytes = random.Random(self.name).randbytes(self.SIZE)
        self.written = self.durable = 0
        self.fd = os.open(self.path("file"), os.O_CREAT | os.O_WRONLY, 0o644)

    def work(self, n):
        size = self.random.choice((1, 100, 4096, 60_000, 200_000))
        if self.written + size > self.SIZE:
            return sync(self.folder)  # done
        start, self.written = self.written, self.written + size
        os.write(self.fd, self.bytes[start:self.written])
        if self.random.random() < 0.4:
            os.fsync(self.fd)
            self.durable = self.written

    def inspect(self):
        try:
            with open(self.path("file"), "rb") as file:
                found = file.read()
        except FileNotFoundError:
            found = b""
        assert self.durable <= len(found) <= self.written, f"{self}: {len(found)} bytes, {self.durable} were acknowledged, {self.written} written"
        assert found[:self.durable] == self.bytes[:self.durable], f"{self}: acknowledged bytes have changed"
        for at in range(self.durable, len(found), BLOCK):
            there, wanted = found[at:at + BLOCK], self.bytes[at:at + BLOCK]
            assert all(a in (0, b) for a, b in zip(there, wanted)), f"{self}: bytes at {at} that nobody wrote"
        self.durable = self.written = len(found)
        self.bytes = found


class Blocks(Program):
    """Writes blocks of a file again and again; each is as at the last fsync, or as a later write had it. With O_SYNC every write is one."""

    def __init__(self, top, name, seed, flags=0):
        super().__init__(top, name, seed)
        self.flags = flags

    def begin(self):
        self.durable = None  # block → version
        self.later = {i: [0] for i in range(BLOCKS)}  # block → versions since then
        self.fd = os.open(self.path("file"), os.O_CREAT | os.O_RDWR | self.flags, 0o644)
        os.pwrite(self.fd, self.stamp(0) * BLOCKS, 0)
        self.sync()

    @staticmethod
    def stamp(version):
        return (b"%015d\n" % version) * (BLOCK // 16)

    def sync(self):
        os.fsync(self.fd)
        self.durable = {i: versions[-1] if versions else self.durable[i] for i, versions in self.later.items()}
        self.later = {i: [] for i in range(BLOCKS)}

    def work(self, n):
        block = self.random.randrange(BLOCKS)
        self.later[block].append(n + 1)
        os.pwrite(self.fd, self.stamp(n + 1), block * BLOCK)
        if self.flags & os.O_SYNC:
            self.durable[block], self.later[block] = n + 1, []
        elif self.random.random() < 0.2:
            self.sync()

    def inspect(self):
        try:
            with open(self.path("file"), "rb") as file:
                found = file.read()
        except FileNotFoundError:
            found = b""
        if self.durable is None:
            assert len(found) in (0, BLOCK * BLOCKS), self
            return
        assert len(found) == BLOCK * BLOCKS, f"{self}: {len(found)} bytes"
        for i in range(BLOCKS):
            block = found[i * BLOCK:(i + 1) * BLOCK]
            version = int(block[:15])
            assert block == self.stamp(version), f"{self}: block {i} is torn"
            assert version in [self.durable[i], *self.later[i]], f"{self}: block {i} is of version {version}, not {self.durable[i]} or {self.later[i]}"
            self.durable[i], self.later[i] = version, []


class Replacer(Program):
    """Replaces a file by renames, as editors do: the file is there, whole, and no older than an fsync of the folder has it."""

    def begin(self):
        self.issued, self.durable = -1, -1

    def version(self, n):
        return b"%d\n" % n + random.Random(f"{self.name}/{n}").randbytes((0, 300, 20_000, 400_000)[n % 4])

    def work(self, n):
        fd = os.open(self.path("next"), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        try:
            os.write(fd, self.version(n))
            os.fsync(fd)
        finally:
            os.close(fd)
        self.issued = n
        os.rename(self.path("next"), self.path("current"))
        if self.random.random() < 0.3:
            sync(self.folder)
            self.durable = n

    def inspect(self):
        try:
            with open(self.path("current"), "rb") as file:
                found = file.read()
        except FileNotFoundError:
            assert self.durable < 0, f"{self}: a file that was acknowledged is gone"
            return
        number = int(found.partition(b"\n")[0] or -1)
        assert self.durable <= number <= self.issued, f"{self}: version {number}, {self.durable} was acknowledged, {self.issued} the last"
        assert found == self.version(number), f"{self}: not the bytes of version {number}"
        self.durable = self.issued = number


class Closer(Program):
    """Writes files and closes them. In a mount with -o sync each is there then."""

    def begin(self):
        self.closed = self.issued = -1

    def body(self, n):
        return random.Random(f"{self.name}/{n}").randbytes((10, 30_000, 300_000)[n % 3])

    def work(self, n):
        self.issued = n
        with open(self.path(str(n)), "wb", buffering=0) as file:
            file.write(self.body(n))
        self.closed = n

    def inspect(self):
        for n in range(self.closed + 1):
            with open(self.path(str(n)), "rb") as file:
                assert file.read() == self.body(n), f"{self}: file {n} was closed"
        found = os.listdir(self.folder) if self.closed >= 0 or os.path.exists(self.folder) else []
        strange = set(found) - {str(n) for n in range(self.issued + 1)}
        assert not strange, f"{self}: {strange}"
