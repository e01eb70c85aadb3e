"""The file system that the power-cut tests rest on forgets what a disk may forget, and nothing else."""
import mmap
import os

import pytest

from power import Power


@pytest.fixture
def power(tmp_path):
    with Power(str(tmp_path), drives=2) as power:
        yield power


def write(path, data, sync=True, off=0, flags=0):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | flags)
    try:
        os.pwrite(fd, data, off)
        if sync:
            os.fdatasync(fd)
    finally:
        os.close(fd)


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def cut(power, seed=0):
    power.cut(seed)
    power.off()
    power.on()


def test_without_a_cut_everything_stays(power):
    path = os.path.join(power.drives[0], "f")
    write(path, b"old" * 5000, sync=False)
    os.rename(path, path + "2")
    power.off()
    power.on()
    assert read(path + "2") == b"old" * 5000


def test_bytes_are_kept_by_a_sync_of_the_file_and_names_by_one_of_the_folder(power):
    drive = power.drives[0]
    for name in "both", "bytes", "name":
        write(os.path.join(drive, name), name.encode(), sync=name != "name")
        if name != "bytes":
            sync_folder(drive)
    os.rename(os.path.join(drive, "both"), os.path.join(drive, "moved"))
    write(os.path.join(drive, "late"), b"late")
    cut(power)
    assert sorted(os.listdir(drive)) == ["both", "bytes", "name"]
    assert [read(os.path.join(drive, name)) for name in ("both", "bytes", "name")] == [b"both", b"bytes", b""]


def test_what_was_overwritten_cut_off_punched_and_removed_comes_back(power):
    drive = power.drives[1]
    paths = [os.path.join(drive, str(i)) for i in range(5)]
    old = os.urandom(300_000)
    for path in paths:
        write(path, old)
    sync_folder(drive)
    write(paths[0], b"new" * 100_000, sync=False, off=1000)
    os.truncate(paths[1], 7)
    fd = os.open(paths[2], os.O_RDWR)
    os.posix_fallocate(fd, 0, 1 << 20)
    assert os.fstat(fd).st_size == 1 << 20
    os.close(fd)
    os.unlink(paths[3])
    os.rename(paths[0], paths[4])
    write(paths[0], b"another")
    cut(power)
    assert [read(path) == old for path in paths] == [True] * 5


def test_every_drive_loses_its_power_at_once_and_fails_from_then_on(power):
    for drive in power.drives:
        write(os.path.join(drive, "f"), b"kept")
        sync_folder(drive)
    power.arm(2)
    write(os.path.join(power.drives[0], "f"), b"lost", sync=False)
    assert not power.was_cut()
    with pytest.raises(OSError):
        write(os.path.join(power.drives[0], "f"), b"lost", sync=False)
    assert power.was_cut(10)
    for drive in power.drives:
        with pytest.raises(OSError):
            write(os.path.join(drive, "f"), b"lost", sync=False)
        with pytest.raises(OSError):
            os.mkdir(os.path.join(drive, "g"))
    still_open = os.open(power.drives[1], os.O_RDONLY)
    power.off()
    power.on()
    os.close(still_open)
    assert [read(os.path.join(drive, "f")) for drive in power.drives] == [b"kept"] * 2


def test_the_lottery_keeps_any_sectors_and_the_first_names_of_a_folder(power):
    drive, tails, counts = power.drives[0], set(), set()
    for seed in range(1, 25):
        folder = os.path.join(drive, f"s{seed}")
        os.mkdir(folder)
        sync_folder(drive)
        write(os.path.join(folder, "file"), b"a" * 8192)
        sync_folder(folder)
        write(os.path.join(folder, "file"), b"b" * 8192, sync=False)
        for i in range(8):
            os.mkdir(os.path.join(folder, str(i)))
        cut(power, seed)
        sectors = [read(os.path.join(folder, "file"))[at:at + 512] for at in range(0, 8192, 512)]
        assert all(sector in (b"a" * 512, b"b" * 512) for sector in sectors)
        names = sorted(os.listdir(folder))
        assert names == [str(i) for i in range(len(names) - 1)] + ["file"]
        tails.add(b"".join(sector[:1] for sector in sectors))
        counts.add(len(names))
    assert len(tails) > 4 and len(counts) > 4
    assert b"a" * 16 in tails and b"b" * 16 in tails


def test_a_write_to_a_dsync_descriptor_keeps_its_pages_alone(power):
    drive = power.drives[0]
    path = os.path.join(drive, "f")
    write(path, b"old " * 4096)
    sync_folder(drive)
    write(path, b"NEW " * 4096, sync=False)
    write(path, b"meta", sync=False, off=8192, flags=os.O_DSYNC)
    cut(power)
    assert read(path) == b"old " * 2048 + b"meta" + b"NEW " * 1023 + b"old " * 1024


def test_mapped_pages_show_what_was_written(power):
    path = os.path.join(power.drives[0], "f")
    write(path, b"\0" * 65536)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 65536, mmap.MAP_SHARED, mmap.PROT_READ) as pages:
        for at in range(0, 65536, 3000):
            assert pages[at] == 0
            os.pwrite(file.fileno(), b"x", at)
            assert pages[at] == ord("x")
