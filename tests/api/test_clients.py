"""Independent clients, as Debian ships them, with a real tree: what goes in through one comes out of another, byte for byte."""
import filecmp
import os
import shutil
import subprocess

import pytest

TREE = "/usr/include/openssl"  # there wherever Cairn is built; files of 1 KiB to 200 KiB
CLIENTS = {"aws": "/usr/bin/aws", "s3cmd": "/usr/bin/s3cmd", "rclone": "/usr/bin/rclone", "curl": "/usr/bin/curl"}


def run(daemon, *argv, timeout=300):
    client = CLIENTS[argv[0]]
    assert os.access(client, os.X_OK), f"{client} is not installed"
    environment = daemon.environment()
    environment.pop("AWS_CA_BUNDLE", None)  # of the machine's own; rclone 1.60 refuses to start with it
    done = subprocess.run([client, *argv[1:]], env=environment, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
    return done.stdout


def aws(daemon, *argv):
    return run(daemon, "aws", "--endpoint-url", daemon.endpoint, *argv)


def s3cmd(daemon, *argv):
    host = f"127.0.0.1:{daemon.port}"
    return run(daemon, "s3cmd", "--config=/dev/null", f"--access_key={daemon.user}", f"--secret_key={daemon.password}", f"--host={host}",
               f"--host-bucket={host}", "--no-ssl", f"--region={daemon.region}", "--no-progress", *argv)


def rclone(daemon, *argv):
    return run(daemon, "rclone", "--config", "/dev/null", "--s3-provider", "Other", "--s3-endpoint", daemon.endpoint, "--s3-env-auth",
               "--s3-region", daemon.region, *argv)


def curl(daemon, *argv):
    return run(daemon, "curl", "-sS", "--fail-with-body", "--aws-sigv4", f"aws:amz:{daemon.region}:s3", "--user", f"{daemon.user}:{daemon.password}", *argv)


def same_tree(a, b):
    files = sorted(os.path.relpath(os.path.join(d, f), a) for d, _, names in os.walk(a) for f in names)
    other = sorted(os.path.relpath(os.path.join(d, f), b) for d, _, names in os.walk(b) for f in names)
    assert files == other
    match, mismatch, errors = filecmp.cmpfiles(a, b, files, shallow=False)
    assert not mismatch and not errors
    return len(match)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The tree's regular files, and some with names that need encoding."""
    folder = str(tmp_path_factory.mktemp("tree") / "t")
    shutil.copytree(TREE, folder)
    for name in ("a b+c%20d", "ümläut ✓.txt", "sub/deep/er/file", "=&?#;@,$'()*~!", "empty"):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write("" if name == "empty" else name)
    with open(os.path.join(folder, "multipart"), "wb") as f:
        f.write(os.urandom(20 << 20))
    return folder


def test_aws_sync_in_s3cmd_sync_out(daemon, tree, bucket, tmp_path):
    aws(daemon, "s3", "sync", tree, f"s3://{bucket}/t", "--only-show-errors")
    s3cmd(daemon, "sync", f"s3://{bucket}/t/", f"{tmp_path}/out/")
    assert same_tree(tree, f"{tmp_path}/out") > 100
    assert aws(daemon, "s3", "sync", tree, f"s3://{bucket}/t", "--only-show-errors", "--dryrun") == ""


def test_s3cmd_put_in_rclone_out(daemon, tree, bucket, tmp_path):
    s3cmd(daemon, "put", "--recursive", f"{tree}/", f"s3://{bucket}/")
    rclone(daemon, "copy", f":s3:{bucket}", f"{tmp_path}/out")
    same_tree(tree, f"{tmp_path}/out")
    rclone(daemon, "check", tree, f":s3:{bucket}")


def test_rclone_in_aws_sync_out(daemon, tree, bucket, tmp_path):
    rclone(daemon, "copy", tree, f":s3:{bucket}/r")
    aws(daemon, "s3", "sync", f"s3://{bucket}/r", f"{tmp_path}/out", "--only-show-errors")
    same_tree(tree, f"{tmp_path}/out")
    rclone(daemon, "moveto", f":s3:{bucket}/r/multipart", f":s3:{bucket}/r/moved")
    assert "moved" in rclone(daemon, "lsf", f":s3:{bucket}/r")
    rclone(daemon, "purge", f":s3:{bucket}/r")
    assert rclone(daemon, "lsf", "-R", f":s3:{bucket}") == ""


def test_aws_high_level_commands(daemon, tmp_path):
    bucket = "high-level"
    aws(daemon, "s3", "mb", f"s3://{bucket}")
    source = tmp_path / "f"
    source.write_bytes(os.urandom(9 << 20))
    aws(daemon, "s3", "cp", str(source), f"s3://{bucket}/dir/f", "--only-show-errors", "--metadata", "colour=green")
    aws(daemon, "s3", "mv", f"s3://{bucket}/dir/f", f"s3://{bucket}/dir/g", "--only-show-errors")
    assert "dir/g" in aws(daemon, "s3", "ls", f"s3://{bucket}", "--recursive")
    assert "green" in aws(daemon, "s3api", "head-object", "--bucket", bucket, "--key", "dir/g")
    url = aws(daemon, "s3", "presign", f"s3://{bucket}/dir/g").strip()
    fetched = tmp_path / "g"
    run(daemon, "curl", "-sS", "--fail", "-o", str(fetched), url)
    assert fetched.read_bytes() == source.read_bytes()
    aws(daemon, "s3", "rm", f"s3://{bucket}", "--recursive", "--only-show-errors")
    aws(daemon, "s3", "rb", f"s3://{bucket}")


def test_s3cmd_commands(daemon, bucket, tmp_path):
    source = tmp_path / "f"
    source.write_bytes(os.urandom(16 << 20))
    s3cmd(daemon, "put", "--multipart-chunk-size-mb=5", str(source), f"s3://{bucket}/f")
    s3cmd(daemon, "cp", f"s3://{bucket}/f", f"s3://{bucket}/copy")
    s3cmd(daemon, "get", f"s3://{bucket}/copy", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert "16777216" in s3cmd(daemon, "info", f"s3://{bucket}/f")
    assert f"s3://{bucket}" in s3cmd(daemon, "ls")
    s3cmd(daemon, "del", "--recursive", "--force", f"s3://{bucket}")
    assert s3cmd(daemon, "ls", f"s3://{bucket}") == ""


def test_curl_signs_for_itself(daemon, bucket, tmp_path):
    source = tmp_path / "f"
    source.write_bytes(os.urandom(100_000))
    url = f"{daemon.endpoint}/{bucket}/from-curl"
    curl(daemon, "-T", str(source), "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", url)
    curl(daemon, "-o", str(tmp_path / "back"), url)
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    curl(daemon, "-r", "10-19", "-o", str(tmp_path / "range"), url)
    assert (tmp_path / "range").read_bytes() == source.read_bytes()[10:20]
    curl(daemon, "-X", "DELETE", url)
