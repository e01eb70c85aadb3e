"""What a file does: bytes in and out, sizes, holes, times, the ends of its life."""
import ctypes
import errno
import mmap
import os
import subprocess
import threading
import time

import pytest

MIB = 1 << 20


def write_file(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o644):
    fd = os.open(path, flags, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
    finally:
        os.close(fd)


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def pattern(size, seed=1):
    block = bytes((i * 7 + seed) & 0xFF for i in range(4093))
    return (block * (size // len(block) + 1))[:size]


def expect(code):
    return pytest.raises(OSError, match=os.strerror(code))


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 32 * 1024, 32 * 1024 + 1, 300_000, 5 * MIB + 17])
def test_what_is_written_is_read_back(folder, name, get, size):
    data = pattern(size)
    write_file("f", data)
    assert os.stat("f").st_size == size
    assert read_file("f") == data
    assert get(f"{name}/f") == data


def test_reads_see_bytes_that_are_not_stored_yet(folder):
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"a" * 10_000, 0)
    os.pwrite(fd, b"b" * 100, 5_000)
    os.pwrite(fd, b"c" * 100, 200_000)
    assert os.fstat(fd).st_size == 200_100
    data = os.pread(fd, 300_000, 0)
    assert data == b"a" * 5000 + b"b" * 100 + b"a" * 4900 + bytes(190_000) + b"c" * 100
    os.fsync(fd)
    os.pwrite(fd, b"d" * 10, 4_095)
    assert os.pread(fd, 30, 4_090) == b"aaaaa" + b"d" * 10 + b"a" * 15
    os.close(fd)


def test_writes_without_close_are_stored_within_a_second(folder, name, get):
    fd = os.open("f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"soon")
    start = time.monotonic()
    while get(f"{name}/f") != b"soon":
        assert time.monotonic() - start < 3  # half a second to wait, and what a busy machine adds
        time.sleep(0.02)
    os.close(fd)


def test_fsync_stores(folder, name, get):
    fd = os.open("f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"now")
    os.fsync(fd)
    assert get(f"{name}/f") == b"now"
    os.write(fd, b" and more")
    os.fdatasync(fd)
    assert get(f"{name}/f") == b"now and more"
    os.close(fd)


@pytest.mark.parametrize("flag", [os.O_SYNC, os.O_DSYNC])
def test_a_synchronous_file_is_stored_by_each_write(folder, name, get, flag):
    fd = os.open("f", os.O_WRONLY | os.O_CREAT | flag)
    os.write(fd, b"one")
    assert get(f"{name}/f") == b"one"
    os.write(fd, b"two")
    assert get(f"{name}/f") == b"onetwo"
    os.close(fd)


def test_direct_io_goes_past_every_cache(folder, name, get):
    buffer = mmap.mmap(-1, 2 * MIB)
    buffer.write(pattern(2 * MIB, 3))
    fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    assert os.writev(fd, [buffer]) == 2 * MIB
    assert get(f"{name}/f") == buffer[:]
    back = mmap.mmap(-1, 2 * MIB)
    os.lseek(fd, 0, os.SEEK_SET)
    assert os.readv(fd, [back]) == 2 * MIB
    assert back[:] == buffer[:]
    os.close(fd)


def test_open_truncates(folder):
    write_file("f", pattern(100_000))
    write_file("f", b"short")
    assert read_file("f") == b"short"
    fd = os.open("f", os.O_RDWR | os.O_TRUNC)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_truncate_cuts_and_grows(folder, name, get):
    write_file("f", pattern(100_000))
    os.truncate("f", 70_000)
    assert read_file("f") == pattern(100_000)[:70_000]
    os.truncate("f", 200_000)
    assert read_file("f") == pattern(100_000)[:70_000] + bytes(130_000)
    fd = os.open("f", os.O_RDWR)
    os.pwrite(fd, b"x" * 50, 10)
    os.ftruncate(fd, 30)
    os.pwrite(fd, b"y", 40)
    assert os.pread(fd, 100, 0) == pattern(10) + b"x" * 20 + bytes(10) + b"y"
    os.close(fd)
    assert get(f"{name}/f") == pattern(10) + b"x" * 20 + bytes(10) + b"y"
    with expect(errno.EINVAL):
        os.truncate("f", -1)


def test_holes_are_found_and_take_no_space(folder):
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"x" * 65536, 10 * MIB)
    assert os.lseek(fd, 0, os.SEEK_DATA) == 10 * MIB
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
    assert os.lseek(fd, 10 * MIB, os.SEEK_HOLE) == 10 * MIB + 65536
    with expect(errno.ENXIO):
        os.lseek(fd, 11 * MIB, os.SEEK_DATA)
    assert os.fstat(fd).st_blocks * 512 < MIB
    os.close(fd)


def fallocate(fd, mode, off, length):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, mode, ctypes.c_long(off), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO_RANGE = 1, 2, 8, 16


def test_fallocate(folder):
    write_file("f", b"x" * 100_000)
    fd = os.open("f", os.O_RDWR)
    fallocate(fd, 0, 50_000, 100_000)
    assert os.fstat(fd).st_size == 150_000
    fallocate(fd, 0, 0, 10)
    assert os.fstat(fd).st_size == 150_000
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 10, 1000)
    fallocate(fd, ZERO_RANGE | KEEP_SIZE, 149_000, 10_000)
    assert os.fstat(fd).st_size == 150_000
    fallocate(fd, ZERO_RANGE, 149_500, 1_000)
    assert os.fstat(fd).st_size == 150_500
    assert os.pread(fd, 200_000, 0) == b"x" * 10 + bytes(1000) + b"x" * 98_990 + bytes(50_500)
    for mode in (KEEP_SIZE, COLLAPSE):
        with expect(errno.EOPNOTSUPP):
            fallocate(fd, mode, 0, 4096)
    os.close(fd)


def test_copy_file_range(folder, name, get):
    data = pattern(3 * MIB)
    write_file("a", data)
    a, b = os.open("a", os.O_RDWR), os.open("b", os.O_RDWR | os.O_CREAT)
    os.pwrite(a, b"new", 100)
    data = data[:100] + b"new" + data[103:]
    assert os.copy_file_range(a, b, 2 * MIB, 50, 1000) == 2 * MIB
    assert os.pread(b, 4 * MIB, 0) == bytes(1000) + data[50:50 + 2 * MIB]
    assert os.copy_file_range(a, b, 10 * MIB, 3 * MIB - 5, 0) == 5
    assert os.copy_file_range(a, b, 10, 4 * MIB, 0) == 0
    os.close(a), os.close(b)
    assert get(f"{name}/b")[:10] == data[-5:] + bytes(5)


def test_appending_from_two_mounts_loses_nothing(folder, mount, other, name):
    lines = 60

    def run(where, letter):
        fd = os.open(os.path.join(where / name, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for i in range(lines):
            os.write(fd, f"{letter}{i:04}\n".encode())
        os.close(fd)

    threads = [threading.Thread(target=run, args=a) for a in ((mount, "a"), (other, "b"), (mount, "c"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    got = read_file("log").decode().splitlines()
    assert sorted(got) == sorted(f"{c}{i:04}" for c in "abc" for i in range(lines))
    for c in "abc":
        assert [line for line in got if line[0] == c] == [f"{c}{i:04}" for i in range(lines)]


def test_appending_reads_its_own(folder):
    write_file("f", b"start")
    fd = os.open("f", os.O_RDWR | os.O_APPEND)
    os.write(fd, b"-one")
    os.pwrite(fd, b"-two", 0)  # Linux appends all the same
    assert os.pread(fd, 100, 0) == b"start-one-two"
    assert os.fstat(fd).st_size == 13
    os.close(fd)


def test_an_unlinked_file_lives_until_it_is_closed(folder, name, daemon, bucket):
    write_file("f", b"kept")
    fd = os.open("f", os.O_RDWR)
    os.unlink("f")
    with expect(errno.ENOENT):
        os.stat("f")
    assert "Contents" not in daemon.s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/f")
    assert os.fstat(fd).st_nlink == 0
    os.pwrite(fd, b" on", 4)
    os.fsync(fd)
    os.ftruncate(fd, 6)
    assert os.pread(fd, 100, 0) == b"kept o"
    os.close(fd)


def test_a_file_unlinked_by_another_mount_lives_on_here(folder, other, name):
    write_file("f", b"kept")
    fd = os.open("f", os.O_RDWR)
    os.unlink(other / f"{name}/f")
    os.pwrite(fd, b"!", 4)
    os.fsync(fd)
    assert os.pread(fd, 100, 0) == b"kept!"
    os.close(fd)


def test_replacing_by_rename_keeps_the_open_file(folder):
    write_file("f", b"old")
    fd = os.open("f", os.O_RDONLY)
    write_file("g", b"new")
    os.rename("g", "f")
    assert read_file("f") == b"new"
    assert os.read(fd, 100) == b"old"
    os.close(fd)


def test_times(folder):
    write_file("f", b"x")
    os.utime("f", ns=(1_000_000_001, 2_123_456_789))
    st = os.stat("f")
    assert (st.st_atime_ns, st.st_mtime_ns) == (1_000_000_001, 2_123_456_789)
    os.utime("f", ns=(-5_000_000_001, -1))
    st = os.stat("f")
    assert (st.st_atime_ns, st.st_mtime_ns) == (-5_000_000_001, -1)
    before = time.time()
    os.utime("f")
    assert before - 1 < os.stat("f").st_mtime < time.time() + 1


@pytest.mark.parametrize("seconds,shown", [(2**40, 2**63 - 1), (-2**40, -2**63), (9_223_372_036, 9_223_372_036 * 10**9)])
def test_times_past_what_can_be_stored_become_the_nearest_that_can(folder, seconds, shown):
    write_file("f", b"x")
    subprocess.run(["touch", "-d", f"@{seconds}", "f"], check=True)
    assert os.stat("f").st_mtime_ns == shown


def test_a_time_that_was_seen_does_not_change_when_bytes_are_stored(folder):
    fd = os.open("f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x" * 1000)
    seen = os.fstat(fd)
    os.fsync(fd)
    assert os.fstat(fd).st_mtime_ns == seen.st_mtime_ns
    os.write(fd, b"y" * 3 * MIB)
    seen = os.fstat(fd)
    os.close(fd)
    st = os.stat("f")
    assert (st.st_mtime_ns, st.st_size) == (seen.st_mtime_ns, seen.st_size)


def test_a_time_that_was_set_stays_when_written_bytes_are_stored(folder):
    fd = os.open("f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x" * 1000)
    os.utime(fd, ns=(1_000_000_000, 2_000_000_000))  # as tar does it
    os.close(fd)
    assert os.stat("f").st_mtime_ns == 2_000_000_000
    assert read_file("f") == b"x" * 1000


def test_shared_memory_maps(folder, name, get):
    write_file("f", bytes(100_000))
    with open("f", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[10:15] = b"hello"
        m[99_995:] = b"world"
        m.flush()
    data = get(f"{name}/f")
    assert (data[10:15], data[-5:], len(data)) == (b"hello", b"world", 100_000)


def test_many_small_files(folder, daemon, bucket, name):
    for i in range(300):
        write_file(f"f{i}", f"content {i}".encode())
    pages = daemon.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{name}/f")
    sizes = {item["Key"]: item["Size"] for page in pages for item in page["Contents"]}
    assert sizes == {f"{name}/f{i}": len(f"content {i}") for i in range(300)}
    for i in range(0, 300, 17):
        assert read_file(f"f{i}") == f"content {i}".encode()


def test_more_dirty_bytes_than_there_is_memory_for(folder, name, daemon, bucket):
    block = pattern(MIB, 9)
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    for i in range(100):
        os.write(fd, block)
    assert os.pread(fd, MIB, 57 * MIB) == block
    os.close(fd)
    assert daemon.s3.head_object(Bucket=bucket, Key=f"{name}/f")["ContentLength"] == 100 * MIB
    with open("f", "rb") as f:
        assert all(f.read(MIB) == block for _ in range(100))


def test_programs_that_copy(folder):
    write_file("a", pattern(2 * MIB))
    subprocess.run(["cp", "-a", "a", "b"], check=True)
    subprocess.run(["cmp", "a", "b"], check=True)
    subprocess.run(["dd", "if=a", "of=c", "bs=64k", "conv=fsync", "status=none"], check=True)
    subprocess.run(["cmp", "a", "c"], check=True)
    subprocess.run("mkdir t && cp a t/x && ln t/x t/y && ln -s x t/z && tar cf t.tar t && rm -r t && tar xf t.tar "
                   "&& cmp t/x a && test t/x -ef t/y && test $(readlink t/z) = x", shell=True, check=True)


def test_attributes_of_a_new_file_that_is_still_open(folder, other, name):
    """As an archive's extraction sets them, before the close: seen here at once, and by others after the close."""
    fd = os.open("f", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, b"x" * 5000)
    os.fchmod(fd, 0o640)
    if os.geteuid() == 0:
        os.fchown(fd, 123, 456)
    os.utime(fd, ns=(10**18, 2 * 10**18))
    here = os.fstat(fd)
    assert (here.st_mode & 0o777, here.st_mtime_ns, here.st_size) == (0o640, 2 * 10**18, 5000)
    os.close(fd)
    for path in ("f", other / f"{name}/f"):
        st = os.stat(path)
        assert (st.st_mode, st.st_mtime_ns, st.st_atime_ns, st.st_size) == (here.st_mode, 2 * 10**18, 10**18, 5000)
        assert (st.st_uid, st.st_gid) == (here.st_uid, here.st_gid)
    fd = os.open("g", os.O_WRONLY | os.O_CREAT)
    os.utime(fd, ns=(10**18, 2 * 10**18))
    os.write(fd, b"later")
    assert os.fstat(fd).st_mtime > 10**9 + 1
    os.fchmod(fd, 0o400)
    os.close(fd)
    assert os.stat("g").st_mode & 0o777 == 0o400 and os.stat("g").st_mtime_ns != 2 * 10**18
    os.close(os.open("empty", os.O_CREAT))
    fd = os.open("h", os.O_WRONLY | os.O_CREAT)
    os.fchmod(fd, 0o444)
    os.fsync(fd)
    assert os.stat(other / f"{name}/h").st_mode & 0o777 == 0o444
    os.close(fd)
