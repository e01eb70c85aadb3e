"""Random operations on one file against a byte array, in the manner of fsx: through two handles, maps, direct I/O, with
closes and reopenings between, and at the end through another mount and by S3."""
import mmap
import os
import random

import pytest

from test_files import MIB, ZERO_RANGE, KEEP_SIZE, PUNCH_HOLE, fallocate


class Model:
    def __init__(self, path, seed, largest, span):
        self.random = random.Random(seed)
        self.path, self.largest, self.span = path, largest, span
        self.data = bytearray()
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self.log = []

    def place(self):
        off = self.random.randrange(self.span)
        return off, min(1 + self.random.randrange(self.largest), self.span - off)

    def grow(self, size):
        if size > len(self.data):
            self.data.extend(bytes(size - len(self.data)))

    def write(self):
        off, length = self.place()
        data = self.random.randbytes(length)
        assert os.pwrite(self.fd, data, off) == length
        self.grow(off + length)
        self.data[off:off + length] = data
        return off, length

    def read(self):
        off, length = self.place()
        got = os.pread(self.fd, length, off)
        assert got == bytes(self.data[off:off + length])
        return off, length

    def truncate(self):
        size = self.random.randrange(self.span)
        os.ftruncate(self.fd, size)
        del self.data[size:]
        self.grow(size)
        return size

    def append(self):
        data = self.random.randbytes(1 + self.random.randrange(2000))
        if len(self.data) + len(data) > self.span:
            return None
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, data)
        os.close(fd)
        self.data += data
        return len(data)

    def punch(self):
        off, length = self.place()
        fallocate(self.fd, self.random.choice([PUNCH_HOLE, ZERO_RANGE]) | KEEP_SIZE, off, length)
        end = min(off + length, len(self.data))
        if end > off:
            self.data[off:end] = bytes(end - off)
        return off, length

    def map(self):
        if not self.data:
            return None
        off, length = self.place()
        off = min(off, len(self.data) - 1)
        length = min(length, len(self.data) - off)
        data = self.random.randbytes(length)
        with mmap.mmap(self.fd, len(self.data)) as m:
            m[off:off + length] = data
        self.data[off:off + length] = data
        return off, length

    def copy(self):
        off, length = self.place()
        to = self.random.randrange(self.span - length)
        if to + length > off and off + length > to:
            return None
        n = os.copy_file_range(self.fd, self.fd, length, off, to)
        chunk = bytes(self.data[off:off + length])
        assert n == len(chunk)
        if n:
            self.grow(to + n)
            self.data[to:to + n] = chunk
        return off, to, length

    def sync(self):
        os.fsync(self.fd)

    def size(self):
        assert os.fstat(self.fd).st_size == len(self.data)

    def reopen(self):
        os.close(self.fd)
        self.fd = os.open(self.path, os.O_RDWR)

    def run(self, steps):
        choices = [self.write] * 10 + [self.read] * 10 + [self.size] * 4 + [
            self.truncate, self.append, self.punch, self.map, self.copy, self.sync, self.reopen]
        for _ in range(steps):
            call = self.random.choice(choices)
            try:
                self.log.append((call.__name__, call()))
            except AssertionError:
                raise AssertionError(f"after {self.log[-30:]}, {call.__name__}")
        os.close(self.fd)


@pytest.mark.parametrize("seed,steps,largest,span", [
    (1, 1500, 100, 5_000), (2, 1000, 5_000, 100_000), (3, 600, 70_000, 1 * MIB), (4, 200, 3 * MIB, 16 * MIB)])
def test_random_operations_agree_with_a_byte_array(folder, other, name, get, seed, steps, largest, span):
    model = Model("f", seed, largest, span)
    model.run(steps)
    want = bytes(model.data)
    with open("f", "rb") as f:
        assert f.read() == want
    assert get(f"{name}/f") == want
    with open(other / f"{name}/f", "rb") as f:
        assert f.read() == want
