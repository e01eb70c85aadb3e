"""Mounts of users without privileges: what they may mount, and who may use it. Each test has a mount namespace of its own, in which
every user may open /dev/fuse, as on most machines."""
import os
import shutil
import subprocess
import tempfile

import pytest

from cairn import program

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become others")

PROLOGUE = """
set -u
test -e $TOP/fuse || mknod -m 666 $TOP/fuse c 10 229
mount --bind $TOP/fuse /dev/fuse
cp /etc/fuse.conf $TOP/fuse.conf && echo "$CONF" >> $TOP/fuse.conf && mount --bind $TOP/fuse.conf /etc/fuse.conf
as() { who=$1; shift; setpriv --reuid=$who --regid=$who --clear-groups "$@"; }
cairnfs() { as $ME $TOP/cairnfs "$@" $TRUST; }
"""
ME, OTHER = "65534", "1"  # nobody and daemon: fusermount3 wants users with a name


@pytest.fixture
def run(daemon, bucket):
    """run(script, conf): the words that it wrote, one line each."""
    top = tempfile.mkdtemp(prefix="cairn-users-")
    os.chmod(top, 0o755)
    shutil.copy(program("cairnfs"), top)
    os.mkdir(f"{top}/mnt")
    os.chown(f"{top}/mnt", int(ME), int(ME))
    trust = f"-o ca_file={shutil.copy(daemon.ca, top)}" if daemon.ca else ""
    env = dict(daemon.environment(), TRUST=trust, TOP=top, ME=ME, OTHER=OTHER, SOURCE=f"{daemon.endpoint}/{bucket}", M=f"{top}/mnt")

    def run(script, conf=""):
        script = PROLOGUE + script + "\nas $ME fusermount3 -u $M"
        done = subprocess.run(["unshare", "-m", "--propagation", "slave", "sh", "-c", script], env=dict(env, CONF=conf), timeout=60,
                              capture_output=True, text=True)
        print(done.stderr)
        return done.stdout.splitlines()

    yield run
    shutil.rmtree(top, ignore_errors=True)


def test_a_user_mounts_for_itself_alone(run, name, get):
    assert run(f"""
        cairnfs $SOURCE $M -o uid=$ME,gid=$ME && echo mounted
        as $ME sh -c 'mkdir $M/{name} && echo mine > $M/{name}/f && stat -c %u:%g $M/{name}/f'
        as $OTHER ls $M 2> /dev/null || echo not others
        ls $M 2> /dev/null || echo not even root
        grep -c "$M fuse.cairnfs rw,nosuid,nodev" /proc/mounts""") == ["mounted", f"{ME}:{ME}", "not others", "not even root", "1"]
    assert get(f"{name}/f") == b"mine\n"


def test_set_user_ids_and_devices_are_not_for_users(run):
    assert run("""
        cairnfs $SOURCE $M -o suid,dev && echo mounted
        grep -c "$M fuse.cairnfs rw,nosuid,nodev" /proc/mounts""") == ["mounted", "1"]


def test_only_the_administrator_lets_others_in(run):
    assert run("cairnfs $SOURCE $M -o allow_other || echo refused") == ["refused"]
    assert run("""
        cairnfs $SOURCE $M -o allow_other && as $OTHER ls $M > /dev/null && echo others
        as $OTHER mkdir $M/not-theirs 2> /dev/null || echo by their permissions""", "user_allow_other") == [
            "others", "by their permissions"]


def test_root_is_let_in_alone(run):
    assert run("""
        cairnfs $SOURCE $M -o allow_root && ls $M > /dev/null && echo root
        as $OTHER ls $M 2> /dev/null || echo not others""", "user_allow_other") == ["root", "not others"]


def test_a_mountpoint_of_others_is_refused(run):
    assert run("mkdir $TOP/theirs; cairnfs $SOURCE $TOP/theirs || echo refused") == ["refused"]


def test_what_a_killed_mount_of_a_user_left_is_taken_away(run):
    assert run("""
        setpriv --reuid=$ME --regid=$ME --clear-groups $TOP/cairnfs $SOURCE $M -f $TRUST & pid=$!
        until grep -q $M /proc/mounts || ! kill -0 $pid; do :; done
        kill -9 $pid
        wait $pid
        cairnfs $SOURCE $M && as $ME ls $M > /dev/null && grep -c $M /proc/mounts""") == ["1"]
