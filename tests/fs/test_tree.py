"""A real tree in through tar in a mount, out of S3 and out of another mount, byte for byte."""
import filecmp
import os
import subprocess

TREE = "/usr/include/linux"  # of linux-libc-dev, which libc6-dev needs: there wherever Cairn is built


def files_of(top):
    return sorted(os.path.relpath(os.path.join(d, f), top) for d, _, names in os.walk(top) for f in names)


def assert_same(a, b):
    assert files_of(a) == files_of(b)
    _, mismatch, errors = filecmp.cmpfiles(a, b, files_of(a), shallow=False)
    assert not mismatch and not errors


def test_untarred_in_a_mount_it_comes_out_of_s3(daemon, bucket, mount, other, folder, name, tmp_path):
    plain, out = tmp_path / "plain", tmp_path / "out"
    plain.mkdir()
    archive = tmp_path / "tree.tar"
    subprocess.run(["tar", "-cf", archive, "-C", TREE, "."], check=True)
    for target in (plain, mount / name):
        subprocess.run(["tar", "-xf", archive, "-C", target], check=True)
    assert len(files_of(plain)) > 300
    assert_same(plain, mount / name)
    assert_same(plain, other / name)
    for path in files_of(plain):
        there, here = os.lstat(os.path.join(mount / name, path)), os.lstat(plain / path)
        assert (there.st_mode, there.st_size, int(there.st_mtime)) == (here.st_mode, here.st_size, int(here.st_mtime)), path
    environment = daemon.environment()
    environment.pop("AWS_CA_BUNDLE", None)  # of the machine's own; rclone 1.60 refuses to start with it
    subprocess.run(["rclone", "--config", "/dev/null", "copy", f":s3:{bucket}/{name}", out, "--s3-provider", "Other", "--s3-endpoint",
                    daemon.endpoint, "--s3-env-auth", "--transfers", "8"], env=environment, check=True)
    assert_same(plain, out)
