import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))

from cairn import Daemon  # noqa: E402
from mount import Mount  # noqa: E402

counter = itertools.count(1)


@pytest.fixture(scope="session")
def daemon():
    """One daemon for all tests that leave it running."""
    with Daemon(drives=4) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def bucket(daemon):
    daemon.s3.create_bucket(Bucket="mounted")
    return "mounted"


@pytest.fixture(scope="session")
def mount(daemon, bucket):
    with Mount(daemon, bucket) as mount:
        yield mount


@pytest.fixture(scope="session")
def other(daemon, bucket):
    """A second mount of the same bucket."""
    with Mount(daemon, bucket) as mount:
        yield mount


@pytest.fixture
def name(request):
    """A name that no other test uses."""
    return f"{request.node.originalname}-{next(counter)}"


@pytest.fixture
def folder(mount, name):
    """A new directory in the mount; working in it, so that a test's paths are short."""
    path = mount / name
    os.mkdir(path)
    back = os.getcwd()
    os.chdir(path)
    yield path
    os.chdir(back)


@pytest.fixture
def get(daemon, bucket):
    """get(key): the object's bytes by S3."""
    return lambda key: daemon.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.fixture
def put(daemon, bucket):
    return lambda key, body: daemon.s3.put_object(Bucket=bucket, Key=key, Body=body)
