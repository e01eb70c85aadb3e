"""The index's replicas, on drives that go wrong while the daemon serves. Needs root, for the file systems."""
import os
import subprocess

import pytest

from cairn import Daemon, program
from mount import Actor, Mount, eventually
from power import Power
from test_drives import check_bodies
from test_heal import put, wait_for

IN_INDEX = 4000  # bytes of a body that lies in the index


@pytest.fixture
def served():
    """A daemon at work on four drives that can be put in trouble, with a body in segments and one in the index."""
    daemon = Daemon(drives=0)
    power = Power(daemon.folder, drives=4)
    daemon.drives = power.drives
    daemon.bodies, daemon.power = {}, power
    try:
        power.on()
        daemon.start().s3.create_bucket(Bucket="bkt")
        put(daemon, "first", 300_000)
        put(daemon, "first-small", IN_INDEX)
        yield daemon
    finally:
        try:
            power.off()  # first: a process that waits for a drive can't be ended
        finally:
            daemon.remove()


def shown(daemon):
    """What `cairn status` says: its line on the index, and the last but one word of each drive's row."""
    run = subprocess.run([program("cairn"), "--endpoint", daemon.endpoint, "status"], env=daemon.environment(), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run
    lines = run.stdout.splitlines()
    index = next(line for line in lines if line.startswith("index: "))
    return index, [next(line.split()[-2] for line in lines if line.endswith(drive)) for drive in daemon.drives]


def wait_left_out(daemon, *places):
    wait_for(daemon, lambda s: all(s["drives"][i]["index_healthy"] == (i not in places) for i in range(4)), f"without {places}")


def start_with_only(daemon, *places):
    """Stops everything, and starts it with the other drives away; where in the log that begins is kept."""
    daemon.stop()
    daemon.power.off()
    daemon.power.on(without=[i for i in range(4) if i not in places])
    daemon.started_at = len(daemon.log())
    daemon.start("live")


def test_a_replica_that_fails_while_it_serves_comes_back_and_counts(served):
    served.power.trouble("fail", 1)
    put(served, "while-it-was-away", IN_INDEX)
    wait_left_out(served, 1)
    assert shown(served) == ("index: 3 of 4 replicas current, quorum 3", ["current", "behind", "current", "current"])
    put(served, "still-away", IN_INDEX)
    served.power.trouble("mend", 1)
    wait_left_out(served)
    assert shown(served) == ("index: 4 of 4 replicas current, quorum 3", ["current"] * 4)
    served.power.trouble("fail", 0)  # the one that has served the reads: nothing is durable now without the one that came back
    put(served, "back", IN_INDEX)
    wait_left_out(served, 0)
    assert shown(served) == ("index: 3 of 4 replicas current, quorum 3", ["behind", "current", "current", "current"])
    check_bodies(served)
    start_with_only(served, 1, 3)
    check_bodies(served)
    said = served.log()[served.started_at:]
    assert "index replica on a missing drive" in said
    assert f"index replica {served.drives[1]}" not in said, "it had to be copied: it had not been current"
    served.stop()


def test_writes_and_reads_go_on_when_the_drive_of_the_primary_hangs(served):
    served.power.trouble("hang", 0)
    put(served, "while-it-hangs", IN_INDEX)
    put(served, "in-segments", 300_000)
    wait_left_out(served, 0)
    check_bodies(served)
    for i in range(50):
        put(served, f"more-{i}", IN_INDEX)
    check_bodies(served)
    served.power.trouble("mend", 0)
    wait_left_out(served)
    put(served, "after", IN_INDEX)
    check_bodies(served)
    start_with_only(served, 0, 2)
    check_bodies(served)
    assert f"index replica {served.drives[0]}" not in served.log()[served.started_at:]
    served.stop()


def stored(daemon, key):
    return daemon.s3.get_object(Bucket="bkt", Key=key)["Body"].read()


def names(daemon):
    return {k["Key"].rstrip("/") for k in daemon.s3.list_objects_v2(Bucket="bkt")["Contents"]}


def show_the_same(daemon, actor, mounts, fds):
    """Each mount shows, in files that are open and in those that are opened anew, and by names, what S3 does."""
    truth, there = stored(daemon, "f"), names(daemon)
    for fd in fds:
        eventually(lambda f=fd: actor.pread(f, 100, 0) == truth, 30, f"{truth} in an open file")
    for mount in mounts:
        eventually(lambda m=mount: set(os.listdir(m)) == there, 30, f"names {there}")
        fd = actor.open(mount / "f", os.O_RDONLY)
        assert actor.pread(fd, 100, 0) == truth
        actor.close(fd)
        for name in ("made", "old"):
            eventually(lambda p=mount / name, n=name: os.path.exists(p) == (n in there), 30, f"{name}, or its end")
    return truth


def send(actor, fds):
    """A write that is answered when it is in the batch that is open."""
    actor.pwrite(fds[0], b"answered", 0)
    actor.close(actor.dup(fds[0]))


CHANGES = {
    "write": lambda actor, mount, fds: send(actor, fds),
    "mkdir": lambda actor, mount, fds: actor.mkdir(mount / "made"),
    "rename": lambda actor, mount, fds: actor.rename(mount / "old", mount / "made"),
    "unlink": lambda actor, mount, fds: actor.unlink(mount / "old"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_mounts_show_what_the_replicas_have_after_a_commit_that_failed(served, change):
    """The change was answered, is on two replicas of four, and is not vouched for; a start without those two has never heard of it, a
    later one with all of them has it."""
    with Mount(served, "bkt") as first, Mount(served, "bkt") as second, Actor() as actor:
        mounts = first, second
        for name in ("f", "old"):
            fd = actor.open(first / name, os.O_WRONLY | os.O_CREAT)
            actor.pwrite(fd, b"before, as all know", 0)
            actor.fsync(fd)
            actor.close(fd)
        fds = [actor.open(m / "f", os.O_RDWR) for m in mounts]
        folder = actor.open(first.path, os.O_RDONLY)
        actor.fsync(folder)
        assert show_the_same(served, actor, mounts, fds) == b"before, as all know"
        for place in (2, 3):
            served.power.trouble("fail", place)
        CHANGES[change](actor, first, fds)
        with pytest.raises(OSError):
            actor.fsync(fds[0] if change == "write" else folder)
        show_the_same(served, actor, mounts, fds)
        start_with_only(served, 2, 3)
        assert show_the_same(served, actor, mounts, fds) == b"before, as all know"
        assert names(served) >= {"f", "old"}
        start_with_only(served, 0, 1, 2, 3)
        show_the_same(served, actor, mounts, fds)
        actor.pwrite(fds[1], b"elsewhere", 0)
        actor.fsync(fds[1])
        assert show_the_same(served, actor, mounts, fds).startswith(b"elsewhere")
        for fd in (*fds, folder):
            actor.close(fd)
    served.stop()
