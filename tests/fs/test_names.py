"""Names: directories, links, renames, listings, attributes."""
import ctypes
import errno
import os
import socket
import stat
import subprocess

import pytest

from mount import eventually
from test_files import expect, read_file, write_file


def test_directories(folder, daemon, bucket, name):
    os.mkdir("d")
    st = os.stat("d")
    assert stat.S_ISDIR(st.st_mode) and st.st_nlink == 2
    os.mkdir("d/e")
    assert os.stat("d").st_nlink == 3
    with expect(errno.EEXIST):
        os.mkdir("d")
    with expect(errno.ENOTEMPTY):
        os.rmdir("d")
    os.rmdir("d/e")
    assert os.stat("d").st_nlink == 2
    keys = [c["Key"] for c in daemon.s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/")["Contents"]]
    assert keys == [f"{name}/", f"{name}/d/"]
    os.rmdir("d")
    with expect(errno.ENOENT):
        os.rmdir("d")
    write_file("f", b"")
    with expect(errno.ENOTDIR):
        os.rmdir("f")
    with expect(errno.ENOTDIR):
        os.stat("f/x")
    os.mkdir("g")
    with expect(errno.EISDIR):
        os.open("g", os.O_WRONLY)
    with expect(errno.EISDIR):
        os.unlink("g")


@pytest.mark.parametrize("how", ["rmdir", "rename", "rmdir elsewhere"])
def test_a_directory_that_is_removed_stays_to_who_has_it_open(folder, other, name, how):
    os.mkdir("d")
    write_file("d/f", b"")
    inode = os.stat("d").st_ino
    fd = os.open("d", os.O_RDONLY)
    os.unlink("d/f")
    if how == "rmdir":
        os.rmdir("d")
    elif how == "rename":
        os.mkdir("e")
        os.rename("e", "d")
    else:
        eventually(lambda: not os.path.exists(other / f"{name}/d/f"))
        os.rmdir(other / f"{name}/d")
    eventually(lambda: os.fstat(fd).st_nlink == 0)
    assert os.fstat(fd).st_ino == inode and os.listdir(fd) == []
    with pytest.raises(OSError):
        os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.close(fd)


def test_names_up_to_their_limit(folder):
    write_file("n" * 255, b"x")
    assert read_file("n" * 255) == b"x"
    for call in (os.stat, os.mkdir, os.unlink, os.rmdir, os.readlink):
        with expect(errno.ENAMETOOLONG):
            call("n" * 256)
    odd = "ä\n\t '\"\\*?&=+%25 \u20ac"
    write_file(odd, b"odd")
    assert odd in os.listdir(".") and read_file(odd) == b"odd"
    raw = b"\xff\xfe-no-utf8"
    write_file(raw, b"raw")
    assert raw in os.listdir(b".") and read_file(raw) == b"raw"


def test_deep_paths(folder):
    depth = 60
    for _ in range(depth):
        os.mkdir("directory-with-a-long-name")
        os.chdir("directory-with-a-long-name")
    write_file("f", b"deep")
    os.chdir("/")
    path = os.path.join(folder, *["directory-with-a-long-name"] * depth, "f")
    assert read_file(path) == b"deep"
    subprocess.run(["rm", "-r", os.path.join(folder, "directory-with-a-long-name")], check=True)


def test_hard_links(folder):
    write_file("a", b"one")
    os.link("a", "b")
    assert os.stat("a").st_ino == os.stat("b").st_ino and os.stat("a").st_nlink == 2
    write_file("b", b"two", os.O_WRONLY)
    assert read_file("a") == b"two"
    with expect(errno.EEXIST):
        os.link("a", "b")
    os.mkdir("d")
    with expect(errno.EPERM):
        os.link("d", "e")
    os.unlink("a")
    assert os.stat("b").st_nlink == 1 and read_file("b") == b"two"


def test_symlinks(folder):
    write_file("f", b"target")
    os.symlink("f", "l")
    os.symlink("nowhere", "dangling")
    os.symlink("x" * 4095, "long")
    assert os.readlink("l") == "f" and read_file("l") == b"target"
    assert stat.S_ISLNK(os.lstat("l").st_mode) and os.lstat("l").st_size == 1
    with expect(errno.ENOENT):
        os.stat("dangling")
    assert os.readlink("long") == "x" * 4095
    with expect(errno.EINVAL):
        os.readlink("f")
    os.symlink("loop", "loop")
    with expect(errno.ELOOP):
        os.stat("loop")
    write_file("dangling", b"made through it")
    assert read_file("nowhere") == b"made through it"


def test_special_files(folder):
    os.mkfifo("fifo", 0o640)
    st = os.stat("fifo")
    assert stat.S_ISFIFO(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o640
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("sock")
    assert stat.S_ISSOCK(os.stat("sock").st_mode)
    os.mknod("file", 0o600 | stat.S_IFREG)
    assert stat.S_ISREG(os.stat("file").st_mode)
    if os.geteuid() == 0:
        os.mknod("dev", 0o600 | stat.S_IFCHR, os.makedev(1, 300))
        st = os.stat("dev")
        assert stat.S_ISCHR(st.st_mode) and (os.major(st.st_rdev), os.minor(st.st_rdev)) == (1, 300)


# ---- rename ----

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
libc = ctypes.CDLL(None, use_errno=True)


def renameat2(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def make(path, kind):
    if kind == "file":
        write_file(path, path.encode())
    elif kind == "dir":
        os.mkdir(path)
    elif kind == "full":
        os.mkdir(path)
        write_file(f"{path}/x", path.encode())
    elif kind == "link":
        os.symlink(path, path)


@pytest.mark.parametrize("source,target,outcome", [
    ("file", None, 0), ("file", "file", 0), ("file", "link", 0), ("link", "file", 0),
    ("file", "dir", errno.EISDIR), ("dir", None, 0), ("dir", "dir", 0), ("full", "dir", 0),
    ("dir", "full", errno.ENOTEMPTY), ("dir", "file", errno.ENOTDIR), ("dir", "link", errno.ENOTDIR)])
def test_rename(folder, source, target, outcome):
    make("a", source)
    make("b", target)
    ino = os.lstat("a").st_ino
    if outcome:
        with expect(outcome):
            os.rename("a", "b")
        assert os.lstat("a").st_ino == ino and os.path.lexists("b")
        return
    os.rename("a", "b")
    assert not os.path.lexists("a") and os.lstat("b").st_ino == ino
    if source == "full":
        assert read_file("b/x") == b"a"


def test_rename_into_other_directories(folder, daemon, bucket, name):
    make("a", "full")
    os.mkdir("d")
    os.rename("a", "d/b")
    assert read_file("d/b/x") == b"a"
    with expect(errno.EINVAL):
        os.rename("d", "d/b/c")
    with expect(errno.ENOENT):
        os.rename("none", "b")
    keys = [c["Key"] for c in daemon.s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/d/")["Contents"]]
    assert keys == [f"{name}/d/", f"{name}/d/b/", f"{name}/d/b/x"]
    assert os.stat("d").st_nlink == 3
    os.rename("d/b", "b")
    assert os.stat("d").st_nlink == 2
    assert os.stat("b/..").st_ino == os.stat(".").st_ino


def test_rename_of_two_names_of_one_file_does_nothing(folder):
    write_file("a", b"x")
    os.link("a", "b")
    os.rename("a", "b")
    assert sorted(os.listdir(".")) == ["a", "b"]


def test_rename_without_replacing(folder):
    make("a", "file")
    make("b", "file")
    with expect(errno.EEXIST):
        renameat2("a", "b", NOREPLACE)
    assert read_file("a") == b"a" and read_file("b") == b"b"
    renameat2("a", "c", NOREPLACE)
    assert sorted(os.listdir(".")) == ["b", "c"]
    with expect(errno.EINVAL):
        renameat2("b", "c", WHITEOUT)


def test_rename_that_exchanges(folder):
    make("a", "file")
    make("b", "full")
    os.mkdir("d")
    renameat2("a", "b", EXCHANGE)
    assert read_file("b") == b"a" and read_file("a/x") == b"b"
    renameat2("b", "d", EXCHANGE)
    assert read_file("d") == b"a" and os.path.isdir("b")
    with expect(errno.ENOENT):
        renameat2("a", "none", EXCHANGE)


# ---- listing ----

def test_a_listing_has_every_name_once(folder):
    names = sorted(f"entry-{i}" for i in range(3000))
    for n in names[::2]:
        write_file(n, b"")
    for n in names[1::2]:
        os.mkdir(n)
    assert sorted(os.listdir(".")) == names
    for entry in os.scandir("."):
        assert entry.is_dir() == (entry.name in names[1::2])
        assert entry.inode() == entry.stat(follow_symlinks=False).st_ino
    out = subprocess.run(["ls", "-lai"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(out) == 3003


class Dir:
    """opendir(3) and its company."""

    class Dirent(ctypes.Structure):
        _fields_ = [("ino", ctypes.c_ulong), ("off", ctypes.c_long), ("reclen", ctypes.c_ushort),
                    ("type", ctypes.c_ubyte), ("name", ctypes.c_char * 256)]

    libc.opendir.restype = ctypes.c_void_p
    libc.readdir.restype = ctypes.POINTER(Dirent)
    libc.telldir.restype = ctypes.c_long

    def __init__(self, path):
        self.dir = ctypes.c_void_p(libc.opendir(path.encode()))

    def read(self):
        entry = libc.readdir(self.dir)
        return entry.contents.name.decode() if entry else None

    def tell(self):
        return libc.telldir(self.dir)

    def seek(self, where):
        libc.seekdir(self.dir, ctypes.c_long(where))

    def rewind(self):
        libc.rewinddir(self.dir)

    def close(self):
        libc.closedir(self.dir)

    def rest(self):
        return list(iter(self.read, None))


def test_seekdir_and_rewinddir(folder):
    for i in range(500):
        write_file(f"f{i:03}", b"")
    d = Dir(".")
    first = [d.read() for _ in range(200)]
    where = d.tell()
    rest = d.rest()
    assert sorted(first + rest) == sorted([".", ".."] + [f"f{i:03}" for i in range(500)])
    for gone in rest[:100]:
        os.unlink(gone)
    d.seek(where)
    again = d.rest()
    assert set(rest[100:]) <= set(again) and again == rest[:len(again)] or again == rest[100:]
    write_file("new", b"")
    d.rewind()
    assert "new" in d.rest()
    d.close()


def test_removing_while_listing(folder):
    for i in range(2500):
        write_file(f"f{i}", b"")
    seen = 0
    for entry in os.scandir("."):
        os.unlink(entry.name)
        seen += 1
    assert seen == 2500 and os.listdir(".") == []


# ---- attributes ----

def test_modes(folder):
    old = os.umask(0o027)
    try:
        write_file("f", b"", mode=0o666)
        os.mkdir("d", 0o777)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat("f").st_mode) == 0o640
    assert stat.S_IMODE(os.stat("d").st_mode) == 0o750
    for mode in (0, 0o7777, 0o1755, 0o644):
        os.chmod("f", mode)
        assert stat.S_IMODE(os.stat("f").st_mode) == mode


def test_extended_attributes(folder):
    write_file("f", b"")
    os.setxattr("f", "user.one", b"1")
    os.setxattr("f", "user.empty", b"")
    os.setxattr("f", "user.long", b"x" * 60_000)
    assert os.getxattr("f", "user.one") == b"1"
    assert os.getxattr("f", "user.empty") == b""
    assert os.getxattr("f", "user.long") == b"x" * 60_000
    assert sorted(os.listxattr("f")) == ["user.empty", "user.long", "user.one"]
    with expect(errno.EEXIST):
        os.setxattr("f", "user.one", b"2", os.XATTR_CREATE)
    with expect(errno.ENODATA):
        os.setxattr("f", "user.two", b"2", os.XATTR_REPLACE)
    os.setxattr("f", "user.one", b"two", os.XATTR_REPLACE)
    assert os.getxattr("f", "user.one") == b"two"
    libc.getxattr.restype = ctypes.c_ssize_t
    assert libc.getxattr(b"f", b"user.one", None, 0) == 3
    assert libc.getxattr(b"f", b"user.one", ctypes.create_string_buffer(2), 2) == -1
    assert ctypes.get_errno() == errno.ERANGE
    os.removexattr("f", "user.one")
    with expect(errno.ENODATA):
        os.getxattr("f", "user.one")
    with expect(errno.ENODATA):
        os.removexattr("f", "user.one")
    for unsupported in ("system.posix_acl_access", "security.selinux"):
        with expect(errno.EOPNOTSUPP):
            os.setxattr("f", unsupported, b"\2\0\0\0")
    os.mkdir("d")
    os.setxattr("d", "user.dir", b"yes")
    assert os.listxattr("d") == ["user.dir"]


def test_statfs(mount):
    st = os.statvfs(mount.path)
    assert 0 < st.f_bavail <= st.f_blocks and st.f_namemax == 255 and st.f_files > 0
