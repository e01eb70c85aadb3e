"""Full drives: 507 StorageFull, nothing harmed, and deleting makes room. Needs root, to mount small file systems."""
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from cairn import Daemon

DRIVE_MIB = 400


@pytest.fixture
def small():
    """A daemon whose four drives are small file systems of their own."""
    assert os.geteuid() == 0, "this test mounts file systems: run it as root"
    daemon = Daemon(drives=4)
    mounted = []
    try:
        for drive in daemon.drives:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DRIVE_MIB}m", "none", drive], check=True)
            mounted.append(drive)
        yield daemon.start()
        daemon.stop()
    finally:
        daemon.kill()
        for drive in mounted:
            subprocess.run(["umount", "-l", drive], check=True)
        daemon.remove()


def fill(s3, size):
    """Puts objects of size bytes until the store is full: their keys."""
    keys = []
    for n in range(100_000):
        key = f"{size}/{n:06d}"
        try:
            s3.put_object(Bucket="bkt", Key=key, Body=key.encode().ljust(size, b"."))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "StorageFull"
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 507
            return keys
        keys.append(key)
    raise AssertionError("the store never filled")


def check(s3, keys, size):
    for key in keys[:: max(1, len(keys) // 40)] + keys[-1:]:
        assert s3.get_object(Bucket="bkt", Key=key)["Body"].read() == key.encode().ljust(size, b".")


def test_a_full_store_refuses_reads_on_and_recovers_by_deletes(small):
    s3 = small.s3
    s3.create_bucket(Bucket="bkt")
    size = 4 << 20
    keys = fill(s3, size)
    assert len(keys) > 10
    check(s3, keys, size)
    small.kill()
    s3 = small.start().s3
    check(s3, keys, size)
    for key in keys:
        s3.delete_object(Bucket="bkt", Key=key)
    again = fill(s3, size)
    assert len(again) > len(keys) * 0.8, "deleting did not give the space back"
    check(s3, again, size)
