"""Lost, swapped, damaged and foreign drives: a degraded read or a clear message, never wrong bytes."""
import errno
import glob
import itertools
import os
import random
import shutil
import subprocess

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from cairn import Daemon, program
from mount import Mount
from test_kill import read

SIZES = {"inline": 5000, "small": 70_000, "stripe": 1 << 20, "odd": 3_333_333, "big": 9 << 20}


@pytest.fixture
def filled():
    """A daemon with one object of each size, stopped."""
    daemon = Daemon(drives=4)
    try:
        s3 = daemon.start().s3
        s3.create_bucket(Bucket="bkt")
        daemon.bodies = {name: random.Random(name).randbytes(size) for name, size in SIZES.items()}
        for name, body in daemon.bodies.items():
            s3.put_object(Bucket="bkt", Key=name, Body=body)
        daemon.stop()
        yield daemon
    finally:
        daemon.remove()


def check_bodies(daemon):
    for name, body in daemon.bodies.items():
        assert daemon.s3.get_object(Bucket="bkt", Key=name)["Body"].read() == body, name


def hide(drive):
    os.rename(drive, drive + ".hidden")


def show(drive):
    shutil.rmtree(drive, ignore_errors=True)
    os.rename(drive + ".hidden", drive)


def start_refused(daemon):
    """Starts a daemon that must not start: what it says."""
    env = dict(os.environ, CAIRN_ROOT_USER=daemon.user, CAIRN_ROOT_PASSWORD=daemon.password)
    run = subprocess.run([program("cairnd"), "--address", f"127.0.0.1:{daemon.port}", *daemon.drives], env=env, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1, run
    return run.stderr


def segments(drive):
    return [p for p in glob.glob(os.path.join(drive, "data", "*")) if os.path.getsize(p) > 0]


def flip_bits(path, count, seed):
    chance = random.Random(seed)
    with open(path, "r+b") as f:
        data = f.read()
        written = len(data.rstrip(b"\0")) or 1
        for _ in range(count):
            at = chance.randrange(written)
            f.seek(at)
            f.write(bytes([data[at] ^ 1 << chance.randrange(8)]))


@pytest.mark.parametrize("lost", list(itertools.combinations(range(4), 2)))
def test_reads_go_on_with_any_two_of_four_drives(filled, lost):
    for i in lost:
        hide(filled.drives[i])
    filled.start("live")
    check_bodies(filled)
    with pytest.raises(ClientError) as error:
        filled.s3.put_object(Bucket="bkt", Key="new", Body=b"x" * 100_000)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    filled.stop()
    for i in lost:
        show(filled.drives[i])
    filled.start()
    check_bodies(filled)
    filled.s3.put_object(Bucket="bkt", Key="new", Body=b"x" * 100_000)
    filled.stop()


def test_writes_go_on_without_one_drive(filled):
    hide(filled.drives[2])
    filled.start()
    check_bodies(filled)
    filled.bodies["later"] = b"y" * 2_000_000
    filled.s3.put_object(Bucket="bkt", Key="later", Body=filled.bodies["later"])
    filled.stop()
    show(filled.drives[2])
    filled.start()
    check_bodies(filled)
    filled.stop()


def test_drives_in_another_order_are_recognised(filled):
    filled.drives.reverse()
    filled.start()
    check_bodies(filled)
    filled.stop()
    for i, drive in enumerate(filled.drives):  # and mounted elsewhere
        os.rename(drive, drive + "-moved")
        filled.drives[i] = drive + "-moved"
    filled.start()
    check_bodies(filled)
    filled.stop()


def test_a_drive_of_another_deployment_is_refused_by_name(filled):
    with Daemon(drives=4) as other:
        other.s3.create_bucket(Bucket="bkt")
        other.stop()
        hide(filled.drives[0])
        shutil.copytree(other.drives[0], filled.drives[0])
        assert filled.drives[0] in start_refused(filled)
        show(filled.drives[0])
        filled.start()
        check_bodies(filled)
        filled.stop()


def test_a_folder_with_other_files_is_refused(tmp_path):
    daemon = Daemon(drives=2)
    try:
        with open(os.path.join(daemon.drives[1], "thesis.txt"), "w") as f:
            f.write("do not format me")
        assert daemon.drives[1] in start_refused(daemon)
        assert os.listdir(daemon.drives[1]) == ["thesis.txt"]
        assert os.listdir(daemon.drives[0]) == []
    finally:
        daemon.remove()


def test_a_second_daemon_on_the_same_drives_is_refused(filled):
    filled.start()
    port, filled.port = filled.port, 0
    assert "drive1" in start_refused(filled)
    filled.port = port
    check_bodies(filled)
    filled.stop()


@pytest.mark.parametrize("count", [1, 40])
def test_flipped_bits_are_read_around(filled, count):
    for drive in filled.drives[1:3]:
        for path in segments(drive):
            flip_bits(path, count, seed=path[-8:])
    filled.start()
    check_bodies(filled)
    filled.stop()


@pytest.mark.parametrize("keep", [0, 1, 40_000, 1_000_000])
def test_a_truncated_segment_is_read_around(filled, keep):
    for drive in filled.drives[:2]:
        for path in segments(drive):
            os.truncate(path, min(keep, os.path.getsize(path)))
    filled.start()
    check_bodies(filled)
    filled.stop()


def test_damage_beyond_parity_is_an_error_and_never_wrong_bytes(filled):
    for drive in filled.drives[:3]:
        for path in segments(drive):
            flip_bits(path, 4000, seed=path[-8:])
    filled.start()
    failed = 0
    for name, body in filled.bodies.items():
        try:
            assert filled.s3.get_object(Bucket="bkt", Key=name)["Body"].read() == body, name
        except (ClientError, BotoCoreError):
            failed += 1
    assert failed > 0
    assert filled.s3.get_object(Bucket="bkt", Key="inline")["Body"].read() == filled.bodies["inline"]
    filled.stop()


@pytest.mark.parametrize("at", [1000, 2_500_000])
def test_damage_is_an_error_in_a_mount_and_what_lies_beside_it_is_read(at):
    with Daemon(drives=1) as daemon:
        body = random.Random(at).randbytes(4 << 20)
        daemon.s3.create_bucket(Bucket="bkt")
        daemon.s3.put_object(Bucket="bkt", Key="key", Body=body)
        daemon.stop()
        (path,) = segments(daemon.drives[0])
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(b"damaged")
        daemon.start()
        with Mount(daemon, "bkt") as mount:
            with open(mount / "key", "rb") as file:
                with pytest.raises(OSError) as error:
                    file.read()
                assert error.value.errno == errno.EIO
            fd = os.open(mount / "key", os.O_RDONLY)
            there = (at + (1 << 20)) % len(body)
            assert os.pread(fd, 10_000, there) == body[there:there + 10_000]
            os.close(fd)


@pytest.mark.parametrize("drives", [1, 4])
def test_a_damaged_superblock_is_told(filled, drives):
    for drive in filled.drives[:drives]:
        (superblock,) = [p for p in glob.glob(os.path.join(drive, "*")) if os.path.isfile(p) and b"CAIRN" in open(p, "rb").read(64).upper()]
        flip_bits(superblock, 3, seed=1)
    said = start_refused(filled) if drives == 4 else None
    if said is None:
        filled.start()
        check_bodies(filled)
        filled.stop()
        said = filled.log()
    assert filled.drives[0] in said and "superblock" in said


def test_a_start_that_only_reads_takes_nothing_from_the_drives():
    """Of two drives one is away, and with it the commits that the other does not know of: what that one has of their bytes must stay."""
    daemon = Daemon(drives=2)
    index = os.path.join(daemon.drives[1], "index", "data.mdb")
    try:
        s3 = daemon.start().s3
        s3.create_bucket(Bucket="bkt")
        s3.put_object(Bucket="bkt", Key="known", Body=b"a" * 100_000)
        shutil.copy(index, index + ".before")
        s3.put_object(Bucket="bkt", Key="key", Body=b"b" * 100_000)
        daemon.kill()
        os.rename(index + ".before", index)
        hide(daemon.drives[0])
        s3 = daemon.start("live").s3
        assert read(s3, "known") == b"a" * 100_000 and read(s3, "key") is None
        daemon.stop()
        show(daemon.drives[0])
        assert read(daemon.start().s3, "key") == b"b" * 100_000
        daemon.stop()
        hide(daemon.drives[0])
        assert read(daemon.start("live").s3, "key") == b"b" * 100_000
        daemon.stop()
    finally:
        daemon.remove()


def test_a_damaged_index_replica_is_replaced(filled):
    path = os.path.join(filled.drives[0], "index", "data.mdb")
    with open(path, "r+b") as f:
        f.write(os.urandom(8192))
    filled.start()
    check_bodies(filled)
    filled.stop()
    for drive in filled.drives[1:3]:  # the copy that was made holds everything
        shutil.rmtree(os.path.join(drive, "index"))
    filled.start()
    check_bodies(filled)
    filled.stop()
