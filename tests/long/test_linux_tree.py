"""The whole tree of Debian's linux-source package, about 79,000 files, in through one view and compared through the other."""
import glob
import os
import subprocess

import pytest

from cairn import Daemon
from mount import Mount


@pytest.fixture(scope="module")
def tarball():
    found = sorted(glob.glob("/usr/src/linux-source-*.tar.xz"))
    assert found, "Debian's linux-source package is not installed"
    return found[-1]


@pytest.fixture(scope="module")
def plain(tarball, tmp_path_factory):
    """The tree as tar lays it on a plain file system: what everything is compared with."""
    folder = str(tmp_path_factory.mktemp("plain"))
    subprocess.run(["tar", "-xf", tarball, "-C", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def daemon():
    with Daemon(drives=4) as daemon:
        yield daemon


def entries(top):
    """Relative path → what it is: "d", ("l", target), or ("f", size)."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, top)
            if os.path.islink(path):
                found[relative] = ("l", os.readlink(path))
            elif os.path.isdir(path):
                found[relative] = "d"
            else:
                found[relative] = ("f", os.path.getsize(path))
    return found


def assert_same_bytes(a, b, files):
    for relative in files:
        with open(os.path.join(a, relative), "rb") as x, open(os.path.join(b, relative), "rb") as y:
            assert x.read() == y.read(), relative


def run(daemon, *argv):
    environment = daemon.environment()
    environment.pop("AWS_CA_BUNDLE", None)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def test_tar_into_a_mount_comes_out_of_s3(daemon, tarball, plain, tmp_path):
    daemon.s3.create_bucket(Bucket="untarred")
    with Mount(daemon, "untarred") as mount:
        subprocess.run(["tar", "-xf", tarball, "-C", mount.path], check=True)
        expected = entries(plain)
        assert entries(mount.path) == expected
    run(daemon, "rclone", "--config", "/dev/null", "copy", ":s3:untarred", str(tmp_path), "--s3-provider", "Other",
        "--s3-endpoint", daemon.endpoint, "--s3-env-auth", "--transfers", "16")
    files = [path for path, kind in expected.items() if kind[0] == "f"]
    assert len(files) > 50_000
    assert_same_bytes(plain, str(tmp_path), files)
    for path, kind in expected.items():
        if kind[0] == "l":  # S3 gives a symlink's target as its bytes
            with open(os.path.join(tmp_path, path)) as f:
                assert f.read() == kind[1]


def test_aws_sync_comes_out_of_a_mount(daemon, plain):
    daemon.s3.create_bucket(Bucket="synced")
    run(daemon, "/usr/bin/aws", "--endpoint-url", daemon.endpoint, "s3", "sync", plain, "s3://synced", "--only-show-errors", "--no-follow-symlinks")
    files = sorted(path for path, kind in entries(plain).items() if kind[0] == "f")
    with Mount(daemon, "synced") as mount:
        there = sorted(path for path, kind in entries(mount.path).items() if kind[0] == "f")
        assert there == files
        assert_same_bytes(plain, mount.path, files)


def test_the_tarball_itself(daemon, tarball, tmp_path):
    daemon.s3.create_bucket(Bucket="tarballs")
    with Mount(daemon, "tarballs") as mount:
        daemon.s3.upload_file(tarball, "tarballs", "in-by-s3")
        subprocess.run(["cp", tarball, os.path.join(mount.path, "in-by-mount")], check=True)
        subprocess.run(["cmp", tarball, os.path.join(mount.path, "in-by-s3")], check=True)
    daemon.s3.download_file("tarballs", "in-by-mount", str(tmp_path / "out"))
    subprocess.run(["cmp", tarball, str(tmp_path / "out")], check=True)
