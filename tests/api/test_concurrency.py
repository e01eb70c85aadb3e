import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from test_objects import body_of

WORKERS = 12


def at_once(count, work):
    """work(i) for each i, all started together; their answers."""
    barrier = threading.Barrier(count)

    def run(i):
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.parametrize("size", [10, 100000])
def test_one_of_many_creates_the_object(daemon, bucket, size):
    bodies = [bytes([i]) * size for i in range(WORKERS)]
    for key in "abc":
        replies = at_once(WORKERS, lambda i: daemon.raw("PUT", f"/{bucket}/{key}", body=bodies[i], headers={"if-none-match": "*"}))
        assert sorted(r.status for r in replies) == [200] + [412] * (WORKERS - 1)
        winner = [r.status for r in replies].index(200)
        assert daemon.raw("GET", f"/{bucket}/{key}").body == bodies[winner]


def test_one_of_many_swaps_the_object(daemon, bucket):
    etag = daemon.raw("PUT", f"/{bucket}/k", body=b"first").headers["etag"]
    replies = at_once(WORKERS, lambda i: daemon.raw("PUT", f"/{bucket}/k", body=b"%d" % i, headers={"if-match": etag}))
    assert sorted(r.status for r in replies) == [200] + [412] * (WORKERS - 1)


@pytest.mark.parametrize("size", [100, 20000, 2 << 20])
def test_a_reader_sees_one_version_whole(daemon, bucket, size):
    versions = {hashlib.md5(body).hexdigest(): body for body in (bytes([i]) * (size + i) for i in range(4))}
    bodies = list(versions.values())
    daemon.raw("PUT", f"/{bucket}/k", body=bodies[0])

    def work(i):
        for turn in range(12):
            if i < 4:
                assert daemon.raw("PUT", f"/{bucket}/k", body=bodies[(i + turn) % 4]).status == 200
            else:
                reply = daemon.raw("GET", f"/{bucket}/k")
                assert reply.status == 200 and versions[reply.headers["etag"].strip('"')] == reply.body

    at_once(WORKERS, work)


def test_deleting_while_listing_and_putting(daemon, s3, bucket):
    def work(i):
        for turn in range(20):
            key = f"/{bucket}/d{turn % 3}/e/f{i % 3}"
            if i % 3 == 0:
                assert daemon.raw("PUT", key, body=b"x").status == 200
            elif i % 3 == 1:
                assert daemon.raw("DELETE", key).status == 204
            else:
                reply = daemon.raw("GET", f"/{bucket}", query="list-type=2&delimiter=%2F")
                assert reply.status == 200

    at_once(WORKERS, work)
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=item["Key"])
    assert s3.list_objects_v2(Bucket=bucket, Delimiter="/")["KeyCount"] == 0, "no empty directory is left"


def test_parts_arrive_in_any_order(daemon, s3, bucket):
    bodies = [body_of(5 << 20)[i:] + bytes(i) for i in range(5)] + [b"end"]
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etags = at_once(len(bodies), lambda i: daemon.raw("PUT", f"/{bucket}/k", query=f"partNumber={i + 1}&uploadId={upload_id}",
                                                      body=bodies[i]).headers["etag"])
    parts = [{"PartNumber": i + 1, "ETag": etag} for i, etag in enumerate(etags)]
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(bodies)


def test_completing_twice_at_once_makes_one_object(daemon, s3, bucket):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x")["ETag"]
    document = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>".encode()
    replies = at_once(WORKERS, lambda i: daemon.raw("POST", f"/{bucket}/k", query=f"uploadId={upload_id}", body=document))
    assert {r.status for r in replies} == {200} and len({r.text("ETag") for r in replies}) == 1


def test_what_was_acknowledged_survives_a_kill():
    from cairn import Daemon

    with Daemon(drives=4) as own:
        own.s3.create_bucket(Bucket="durable")
        acknowledged = {}

        def work(i):
            for turn in range(1000):
                body = body_of(100 + 3000 * (turn % 5))
                try:
                    reply = own.raw("PUT", f"/durable/{i}/{turn}", body=body)
                except Exception:
                    return
                if reply.status == 200:
                    acknowledged[f"{i}/{turn}"] = body
                    if len(acknowledged) == 300:
                        own.process.kill()

        at_once(6, work)
        own.kill()
        own.start()
        for key, body in acknowledged.items():
            assert own.raw("GET", f"/durable/{key}").body == body, key
