"""kill -9 at random instants under load: what was acknowledged is there, what was not is whole or absent."""
import hashlib
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from cairn import Daemon

SIZES = (0, 1, 4096, 8161, 100_000, 1 << 20, 3_000_001)
WRITERS = 4


def body(name, size):
    """Bytes that only this name can have."""
    seed = hashlib.sha256(name.encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


class Writer(threading.Thread):
    """Puts new objects, overwrites and deletes until the server is gone; remembers what was acknowledged."""

    def __init__(self, daemon, number, round_number):
        super().__init__()
        self.s3, self.random = daemon.s3, random.Random(number * 1000 + round_number)
        self.prefix = f"r{round_number}/w{number}"
        self.expected = {}   # key -> body, or None for deleted
        self.uncertain = {}  # key -> bodies that an unanswered request may have left

    def step(self, n):
        key = f"{self.prefix}/{self.random.randrange(30):03d}"
        value = None if self.random.random() < 0.2 else body(f"{key}#{n}", self.random.choice(SIZES))
        self.uncertain[key] = (self.expected.get(key), value)
        if value is None:
            self.s3.delete_object(Bucket="bkt", Key=key)
        else:
            self.s3.put_object(Bucket="bkt", Key=key, Body=value)
        self.expected[key] = value
        del self.uncertain[key]

    def run(self):
        for n in range(100_000):
            try:
                self.step(n)
            except (ClientError, BotoCoreError, OSError):
                return

    def check(self, s3):
        for key in self.expected.keys() | self.uncertain.keys():
            allowed = self.uncertain.get(key, (self.expected.get(key),))
            assert read(s3, key) in allowed, key


def read(s3, key):
    try:
        return s3.get_object(Bucket="bkt", Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None


def test_what_was_acknowledged_survives_kill_at_any_instant():
    daemon = Daemon(drives=4)
    try:
        daemon.start().s3.create_bucket(Bucket="bkt")
        writers = []
        for round_number in range(5):
            now = [Writer(daemon, number, round_number) for number in range(WRITERS)]
            for writer in now:
                writer.start()
            time.sleep(random.uniform(0.2, 1.5))  # the instant of the cut, not a wait for anything
            daemon.kill()
            for writer in now:
                writer.join(60)
                assert not writer.is_alive()
            writers += now
            daemon.start()
            for writer in writers:
                writer.check(daemon.s3)
        assert sum(len(w.expected) for w in writers) > 50
        daemon.stop()
    finally:
        daemon.remove()


def test_an_upload_cut_by_kill_leaves_nothing_and_can_go_on():
    daemon = Daemon(drives=4)
    try:
        s3 = daemon.start().s3
        s3.create_bucket(Bucket="bkt")
        upload = s3.create_multipart_upload(Bucket="bkt", Key="big")["UploadId"]
        part = body("part", 5 << 20)
        first = s3.upload_part(Bucket="bkt", Key="big", UploadId=upload, PartNumber=1, Body=part)["ETag"]
        thread = threading.Thread(target=lambda: pytest.raises(Exception, s3.upload_part, Bucket="bkt", Key="big", UploadId=upload,
                                                               PartNumber=2, Body=body("other", 64 << 20)))
        thread.start()
        time.sleep(0.1)
        daemon.kill()
        thread.join(60)
        s3 = daemon.start().s3
        parts = s3.list_parts(Bucket="bkt", Key="big", UploadId=upload).get("Parts", [])
        assert [p["PartNumber"] for p in parts] in ([1], [1, 2])
        assert parts[0]["ETag"] == first
        second = s3.upload_part(Bucket="bkt", Key="big", UploadId=upload, PartNumber=2, Body=b"end")["ETag"]
        s3.complete_multipart_upload(Bucket="bkt", Key="big", UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]})
        assert read(s3, "big") == part + b"end"
        daemon.stop()
    finally:
        daemon.remove()
