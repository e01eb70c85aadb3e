import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))

from cairn import Daemon  # noqa: E402


@pytest.fixture(scope="session")
def daemon():
    """One daemon for all tests that leave it as it is; each works in a bucket of its own."""
    with Daemon(drives=4) as daemon:
        yield daemon


@pytest.fixture
def s3(daemon):
    return daemon.s3


counter = itertools.count(1)


@pytest.fixture
def bucket(s3):
    """A new bucket, which goes with all that is in it."""
    name = f"test-{os.getpid()}-{next(counter)}"
    s3.create_bucket(Bucket=name)
    yield name
    empty(s3, name)
    s3.delete_bucket(Bucket=name)


def empty(s3, bucket):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        keys = [item["Key"] for item in page.get("Contents", [])]
        plain = [{"Key": key} for key in keys if key.isprintable()]
        if plain:
            assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": plain})
        for key in keys:
            if not key.isprintable():  # XML 1.0 can't say it
                s3.delete_object(Bucket=bucket, Key=key)


@pytest.fixture
def raises():
    """raises(404, "NoSuchKey", call, **arguments): the call fails with exactly this; its response is answered."""
    from botocore.exceptions import ClientError

    def check(status, code, call, **arguments):
        with pytest.raises(ClientError) as info:
            call(**arguments)
        response = info.value.response
        assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code), response
        return response

    return check
