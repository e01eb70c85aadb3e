"""Who may do what: the kernel checks, by what is stored."""
import errno
import mmap
import os
import stat
import struct

import pytest

from test_files import KEEP_SIZE, PUNCH_HOLE, fallocate, write_file

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become others")
SOMEBODY, OTHER = 12345, 23456


def as_user(uid, gid, call, groups=()):
    """Runs call in a child that is this user: 0, or the errno that it ended with."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            os.setgroups(list(groups))
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            call()
            code = 0
        except OSError as e:
            code = e.errno
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_modes_are_enforced(folder):
    write_file("secret", b"x")
    os.chmod("secret", 0o600)
    path = os.path.join(folder, "secret")
    assert as_user(SOMEBODY, SOMEBODY, lambda: open(path)) == errno.EACCES
    os.chmod("secret", 0o644)
    assert as_user(SOMEBODY, SOMEBODY, lambda: open(path)) == 0
    assert as_user(SOMEBODY, SOMEBODY, lambda: open(path, "w")) == errno.EACCES
    assert as_user(SOMEBODY, SOMEBODY, lambda: os.chmod(path, 0o777)) == errno.EPERM
    assert as_user(SOMEBODY, SOMEBODY, lambda: os.unlink(path)) == errno.EACCES
    assert as_user(SOMEBODY, SOMEBODY, lambda: write_file(os.path.join(folder, "new"), b"")) == errno.EACCES


def test_what_one_makes_belongs_to_one(folder):
    os.chmod(".", 0o777)

    def work():
        write_file(os.path.join(folder, "f"), b"mine")
        os.mkdir(os.path.join(folder, "d"))
        os.symlink("f", os.path.join(folder, "l"))
        os.mkfifo(os.path.join(folder, "p"))

    assert as_user(SOMEBODY, OTHER, work) == 0
    for n in "fdlp":
        st = os.lstat(n)
        assert (st.st_uid, st.st_gid) == (SOMEBODY, OTHER)


def test_set_group_id_directories_give_their_group(folder):
    os.chown(".", 0, OTHER)
    os.chmod(".", 0o2777)

    def work():
        write_file(os.path.join(folder, "f"), b"", mode=0o644)
        os.mkdir(os.path.join(folder, "d"))
        write_file(os.path.join(folder, "x"), b"", mode=0o2775)

    assert as_user(SOMEBODY, SOMEBODY, work) == 0
    assert os.stat("f").st_gid == OTHER and os.stat("d").st_gid == OTHER
    assert os.stat("d").st_mode & stat.S_ISGID
    assert not os.stat("f").st_mode & stat.S_ISGID
    assert not os.stat("x").st_mode & stat.S_ISGID, "its maker is not in the group"


def test_sticky_directories(folder):
    os.chmod(".", 0o1777)
    path = os.path.join(folder, "f")
    assert as_user(SOMEBODY, SOMEBODY, lambda: write_file(path, b"")) == 0
    assert as_user(OTHER, OTHER, lambda: os.unlink(path)) == errno.EPERM
    assert as_user(OTHER, OTHER, lambda: os.rename(path, path + "2")) == errno.EPERM
    assert as_user(SOMEBODY, SOMEBODY, lambda: os.unlink(path)) == 0


@pytest.mark.parametrize("how", ["write", "append", "direct", "copy", "punch", "truncate", "open", "chown"])
def test_set_user_id_goes_when_others_change_the_file(folder, how):
    write_file("f", b"program")
    os.chmod("f", 0o6777)
    path = os.path.join(folder, "f")

    def change():
        if how == "write":
            fd = os.open(path, os.O_WRONLY)
            os.write(fd, b"x")
            os.close(fd)
        elif how == "append":
            write_file(path, b"x", os.O_WRONLY | os.O_APPEND)
        elif how == "direct":
            fd = os.open(path, os.O_WRONLY | os.O_DIRECT)
            os.write(fd, mmap.mmap(-1, 4096))
            os.close(fd)
        elif how == "copy":
            fd = os.open(path, os.O_RDWR)
            os.copy_file_range(fd, fd, 3, 0, 4)
            os.close(fd)
        elif how == "punch":
            fd = os.open(path, os.O_RDWR)
            fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 3)
            os.close(fd)
        elif how == "truncate":
            os.truncate(path, 3)
        elif how == "open":
            os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))

    if how == "chown":
        os.chown("f", SOMEBODY, SOMEBODY)
    else:
        assert as_user(SOMEBODY, SOMEBODY, change) == 0
    assert stat.S_IMODE(os.stat("f").st_mode) == 0o777


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_WRONLY | os.O_APPEND])
def test_capabilities_go_with_the_bytes_they_were_given_to(folder, flags):
    write_file("f", b"program")
    version_2, effective, chown = 0x02000000, 1, 1
    os.setxattr("f", "security.capability", struct.pack("<5I", version_2 | effective, chown, 0, 0, 0))
    os.setxattr("f", "trusted.other", b"stays")
    write_file("f", b"x", flags)
    assert os.listxattr("f") == ["trusted.other"]


def test_owners_change_what_is_theirs(folder):
    os.chmod(".", 0o777)
    path = os.path.join(folder, "f")
    assert as_user(SOMEBODY, SOMEBODY, lambda: write_file(path, b"")) == 0
    assert as_user(SOMEBODY, SOMEBODY, lambda: os.chmod(path, 0o600)) == 0
    assert as_user(SOMEBODY, SOMEBODY, lambda: os.chown(path, SOMEBODY, OTHER), [OTHER]) == 0
    assert as_user(SOMEBODY, SOMEBODY, lambda: os.chown(path, SOMEBODY, 1)) == errno.EPERM
    assert as_user(SOMEBODY, SOMEBODY, lambda: os.chown(path, 0, -1)) == errno.EPERM
    assert os.stat("f").st_gid == OTHER
