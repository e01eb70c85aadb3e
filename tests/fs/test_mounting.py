"""What is mounted, how it is asked for, and how it ends."""
import errno
import os
import stat
import subprocess

import pytest

from cairn import Daemon, program
from mount import Mount, eventually
from test_files import expect, read_file, write_file


def cairnfs(daemon, *args, env=None, name="cairnfs", cwd=None):
    """Runs it with the daemon's credentials: the finished process. It must not hang."""
    return subprocess.run([*([name] if os.path.isabs(name) else [program(name)]), *args], capture_output=True, text=True,
                          timeout=60, env=env or daemon.environment(), cwd=cwd)


def trusting(daemon):
    """The options that a mount of it needs."""
    return [word for option in daemon.mount_options for word in ("-o", option)]


@pytest.fixture
def point(tmp_path):
    path = tmp_path / "mnt"
    path.mkdir()
    yield str(path)
    subprocess.run(["fusermount3", "-u", "-z", str(path)], stderr=subprocess.DEVNULL)


def gone(point):
    return not os.path.ismount(point)


def unmount(point):
    subprocess.run(["fusermount3", "-u", point], check=True)
    assert gone(point)


def test_returns_when_the_mount_is_ready(daemon, bucket, point):
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon))
    assert run.returncode == 0, run.stderr
    assert os.path.ismount(point)
    write_file(f"{point}/returned", b"x")
    assert read_file(f"{point}/returned") == b"x"
    os.unlink(f"{point}/returned")
    unmount(point)


def test_works_from_a_relative_mountpoint(daemon, bucket, point):
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", "mnt", *trusting(daemon), cwd=os.path.dirname(point))
    assert run.returncode == 0 and os.path.ismount(point)
    unmount(point)


@pytest.mark.parametrize("source,text", [
    ("{endpoint}/no-such-bucket", "no such bucket"), ("{endpoint}/{bucket}/no/such/folder", "no such"),
    ("http://127.0.0.1:1/b", "refused"), ("http://127.0.0.1:99999/b", "expected"), ("unix:/nowhere/at/all:/b", "refused"), ("nonsense", "expected")])
def test_says_what_is_wrong(daemon, bucket, point, source, text):
    run = cairnfs(daemon, source.format(endpoint=daemon.endpoint, bucket=bucket), point, *trusting(daemon))
    assert run.returncode != 0 and text in run.stderr, run.stderr
    assert gone(point)


@pytest.mark.parametrize("options,text", [
    ("remount,ro", "unmount it"), ("nonsense", "unknown option"), ("soft,hard", "exclude each other"),
    ("allow_root,private", "exclude each other"), ("timeout=5", "such as"), ("dirty=much", "a number"), ("uid=joe", "a number")])
def test_says_what_is_wrong_with_an_option(daemon, bucket, point, options, text):
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, "-o", options)
    assert run.returncode != 0 and text in run.stderr, run.stderr
    assert gone(point)


def test_a_mountpoint_is_a_directory(daemon, bucket, tmp_path):
    write_file(tmp_path / "file", b"")
    for path, code in (("file", errno.ENOTDIR), ("missing", errno.ENOENT)):
        run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", str(tmp_path / path))
        assert run.returncode != 0 and os.strerror(code) in run.stderr, run.stderr


def test_remounting_by_mount_is_refused_in_words(daemon, bucket, point):
    """mount(8) finds the program by the type that the mount table shows."""
    assert cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon)).returncode == 0
    with open("/proc/self/mounts") as mounts:
        kind = next(line.split()[2] for line in mounts if line.split()[1] == point)
    assert kind == "fuse.cairnfs"
    unmount(point)


def test_what_a_killed_mount_left_is_taken_away(daemon, bucket, point):
    process = subprocess.Popen([program("cairnfs"), f"{daemon.endpoint}/{bucket}", point, "-f", *trusting(daemon)], env=daemon.environment())
    eventually(lambda: os.path.ismount(point))
    process.kill()
    process.wait()
    with expect(errno.ENOTCONN):
        os.statvfs(point)
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon))
    assert run.returncode == 0, run.stderr
    os.listdir(point)
    unmount(point)
    assert os.listdir(point) == []


def test_a_mount_may_be_killed_at_once(daemon, bucket, point):
    """Also while it waits for its own first answer: neither it nor who uses the mount hangs."""
    for _ in range(20):
        process = subprocess.Popen([program("cairnfs"), f"{daemon.endpoint}/{bucket}", point, "-f", *trusting(daemon)], env=daemon.environment())
        eventually(lambda: os.path.ismount(point))
        process.kill()
        process.wait(20)
        with expect(errno.ENOTCONN):
            os.statvfs(point)
        subprocess.run(["fusermount3", "-u", "-z", point], check=True)


def test_wrong_credentials(daemon, bucket, point):
    env = dict(daemon.environment(), AWS_SECRET_ACCESS_KEY="wrong-one")
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon), env=env)
    assert run.returncode != 0 and "credentials are refused" in run.stderr, run.stderr


def test_credentials_from_a_file(daemon, bucket, point, tmp_path):
    env = {k: v for k, v in daemon.environment().items() if not k.startswith("AWS_")}
    path = tmp_path / "credentials"
    for text in (f"{daemon.user}:{daemon.password}\n",
                 f"[default]\naws_access_key_id={daemon.user}\naws_secret_access_key={daemon.password}\n"):
        path.write_text(text)
        path.chmod(0o644)
        run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon), "-o", f"credentials={path}", env=env)
        assert run.returncode != 0 and "chmod 600" in run.stderr
        path.chmod(0o600)
        run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon), "-o", f"credentials={path}", env=env)
        assert run.returncode == 0, run.stderr
        unmount(point)
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon), env=env)
    assert run.returncode != 0 and "no credentials" in run.stderr


def test_every_bucket_is_a_directory(daemon, bucket):
    with Mount(daemon) as mount:
        assert bucket in os.listdir(mount)
        os.mkdir(mount / "made-by-mkdir")
        write_file(mount / "made-by-mkdir/f", b"x")
        assert daemon.s3.get_object(Bucket="made-by-mkdir", Key="f")["Body"].read() == b"x"
        daemon.s3.create_bucket(Bucket="made-by-s3")
        eventually(lambda: os.path.isdir(mount / "made-by-s3"))
        daemon.s3.delete_bucket(Bucket="made-by-s3")
        eventually(lambda: not os.path.exists(mount / "made-by-s3"))
        with pytest.raises(OSError):
            os.mkdir(mount / "Not_A_Bucket_Name")
        with pytest.raises(OSError):
            write_file(mount / "file", b"")
        with expect(errno.ENOTEMPTY):
            os.rmdir(mount / "made-by-mkdir")
        os.unlink(mount / "made-by-mkdir/f")
        os.rmdir(mount / "made-by-mkdir")
        assert "made-by-mkdir" not in [b["Name"] for b in daemon.s3.list_buckets()["Buckets"]]


def test_a_folder_of_a_bucket(daemon, bucket, put, get, name):
    put(f"{name}/a/b/f", b"x")
    with Mount(daemon, bucket, f"{name}/a") as mount:
        assert os.listdir(mount) == ["b"]
        assert read_file(mount / "b/f") == b"x"
        write_file(mount / "g", b"y")
        assert get(f"{name}/a/g") == b"y"
        put(f"{name}/a/h", b"z")
        eventually(lambda: os.path.exists(mount / "h"))


def use(mount):
    """Bytes and names go both ways."""
    write_file(mount / "f", b"x" * 300_000)
    assert read_file(mount / "f") == b"x" * 300_000
    os.rename(mount / "f", mount / "g")
    assert os.listdir(mount) == ["g"] and os.stat(mount / "g").st_size == 300_000


def test_over_a_unix_socket():
    with Daemon(drives=1, tls=False, unix=True) as daemon:
        daemon.s3.create_bucket(Bucket="unix-bucket")
        with Mount(daemon, "unix-bucket") as mount:
            use(mount)


def test_over_tls(point):
    """Only to whom it trusts; and through restarts, which cut every connection."""
    with Daemon(drives=1, tls=True) as daemon:
        daemon.s3.create_bucket(Bucket="tls-bucket")
        run = cairnfs(daemon, f"{daemon.endpoint}/tls-bucket", point)
        assert run.returncode != 0 and "certificate is not trusted" in run.stderr, run.stderr
        run = cairnfs(daemon, f"https://localhost:{daemon.port}/tls-bucket", point, "-o", f"ca_file={daemon.ca}")
        assert run.returncode == 0, run.stderr
        unmount(point)
        with Mount(daemon, "tls-bucket") as mount:
            use(mount)
            for _ in range(3):
                daemon.restart()
                assert os.path.exists(mount / "g")
            os.unlink(mount / "g")
            use(mount)


def test_a_proxy_in_the_environment_is_not_followed(daemon, bucket, point):
    env = dict(daemon.environment(), http_proxy="http://127.0.0.1:1", HTTPS_PROXY="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
    run = cairnfs(daemon, f"{daemon.mount_endpoint}/{bucket}", point, *trusting(daemon), env=env)
    assert run.returncode == 0, run.stderr
    assert os.path.isdir(point)
    unmount(point)


def test_as_mount_calls_it(daemon, bucket, point, tmp_path):
    helper = tmp_path / "mount.cairn"
    helper.symlink_to(program("cairnfs"))
    options = "ro,_netdev,x-systemd.automount,nofail,noatime"
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon), "-f", "-o", options, name=str(helper))
    assert run.returncode == 0 and gone(point), "-f is mount's fake here"
    run = cairnfs(daemon, f"{daemon.endpoint}/{bucket}", point, *trusting(daemon), "-s", "-n", "-v", "-t", "cairn", "-o", options,
                  name=str(helper))
    assert run.returncode == 0, run.stderr
    with expect(errno.EROFS):
        write_file(f"{point}/f", b"")
    unmount(point)


def test_shown_owner(daemon, bucket, folder, name):
    write_file("f", b"")
    with Mount(daemon, bucket, options=["uid=1234", "gid=4321"]) as mount:
        st = os.stat(mount / f"{name}/f")
        assert (st.st_uid, st.st_gid) == (1234, 4321)


def test_small_memory(daemon, bucket, name):
    """The least memory for dirty bytes that is accepted carries any load."""
    with Mount(daemon, bucket, options=["dirty=16M", "read_ahead=1M"]) as mount:
        files = [os.open(mount / f"{name}-{i}", os.O_RDWR | os.O_CREAT) for i in range(40)]
        for step in range(20):
            for fd in files:
                os.pwrite(fd, bytes([step]) * 70_000, step * 100_000)
        for i, fd in enumerate(files):
            assert os.pread(fd, 70_000, 1_900_000) == bytes([19]) * 70_000
            os.close(fd)
            os.unlink(mount / f"{name}-{i}")


def test_help_lists_every_option():
    run = subprocess.run([program("cairnfs"), "--help"], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0 and "credentials=FILE" in run.stdout and "read_ahead=BYTES" in run.stdout
    assert subprocess.run([program("cairnfs"), "--version"], capture_output=True, timeout=30).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_read_ahead_is_raised(mount):
    device = os.stat(mount.path).st_dev
    with open(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb") as f:
        eventually(lambda: f.seek(0) == 0 and int(f.read()) > 1000)


def test_the_root_is_an_ordinary_directory(mount):
    st = os.stat(mount.path)
    assert stat.S_ISDIR(st.st_mode) and os.stat(mount / "..").st_dev != st.st_dev
    os.utime(mount.path, (5, 5))
    assert os.stat(mount.path).st_mtime == 5
