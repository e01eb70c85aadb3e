"""Redundancy comes back by itself: after a drive was away or replaced, after rot, under kills; shown by taking other drives away after."""
import itertools
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time

import pytest

from cairn import Daemon, program
from test_drives import check_bodies, filled, flip_bits, hide, segments, show, start_refused  # noqa: F401

HEAL_SECONDS = 120


def state_of(daemon):
    return json.loads(daemon.raw("GET", "/cairn/admin/v1/status").body)


def cairn(daemon, *argv):
    return subprocess.run([program("cairn"), "--endpoint", daemon.endpoint, *argv], env=daemon.environment(), capture_output=True, text=True, timeout=60)


def wait_for(daemon, condition, what):
    deadline = time.monotonic() + HEAL_SECONDS
    while not condition(state := state_of(daemon)):
        assert time.monotonic() < deadline, f"not {what}: {state}\n{daemon.log()}"
        time.sleep(0.05)
    return state


def is_whole(state):
    data, repair = state["data"], state["repair"]
    return not repair["healing"] and data["heal_pending"] == 0 and repair["segments_to_refill"] == 0


def wait_whole(daemon):
    return wait_for(daemon, is_whole, "whole")


def check_without_any_two(daemon, pairs=None):
    """Everything is there with any two drives gone. Ends with the daemon stopped."""
    daemon.stop()
    for lost in pairs or itertools.combinations(range(len(daemon.drives)), 2):
        for i in lost:
            hide(daemon.drives[i])
        daemon.start("live")
        check_bodies(daemon)
        daemon.stop()
        for i in lost:
            show(daemon.drives[i])


def put(daemon, name, size):
    daemon.bodies[name] = random.Random(name).randbytes(size)
    daemon.s3.put_object(Bucket="bkt", Key=name, Body=daemon.bodies[name])


def test_what_was_written_while_a_drive_was_away_comes_to_it(filled):
    hide(filled.drives[1])
    filled.start()
    for name, size in {"away-small": 100_000, "away-big": 70 << 20, "away-odd": 5_000_001}.items():
        put(filled, name, size)
    state = state_of(filled)
    assert state["data"]["heal_pending"] >= 3
    filled.stop()
    show(filled.drives[1])
    filled.start()
    wait_whole(filled)
    check_bodies(filled)
    assert state_of(filled)["data"]["degraded_reads"] == 0
    check_without_any_two(filled)


def test_rot_that_a_read_found_is_written_anew(filled):
    for drive in filled.drives[1:3]:
        for path in segments(drive):
            flip_bits(path, 40, seed=path[-8:])
    filled.start()
    check_bodies(filled)
    wait_for(filled, lambda s: s["data"]["healed_blobs"] > 0 and is_whole(s), "healed")
    check_bodies(filled)
    filled.stop()
    for i in 0, 3:
        hide(filled.drives[i])
    filled.start("live")
    check_bodies(filled)
    filled.stop()


def scrub(daemon):
    """A verification of everything, to its end."""
    before = state_of(daemon)["scrub"]["ended_ms"]
    assert cairn(daemon, "scrub").returncode == 0
    return wait_for(daemon, lambda s: not s["scrub"]["runs"] and s["scrub"]["ended_ms"] > before, "verified")["scrub"]


def test_rot_that_nobody_reads_is_found_by_a_scrub_and_written_anew(filled):
    for drive in filled.drives[1:3]:
        for path in segments(drive):
            flip_bits(path, 40, seed=path[-8:])
    filled.start()
    found = scrub(filled)
    assert found["wrong"] >= 4 and found["bytes"] > 20_000_000
    assert "verification: the last one ended: 20" in cairn(filled, "status").stdout
    wait_whole(filled)
    assert scrub(filled)["wrong"] == 0
    check_without_any_two(filled)


def test_a_scrub_goes_on_after_a_kill_and_runs_by_itself_when_it_is_due(filled):
    filled.args += ["--scrub-days", "0"]
    filled.start()
    assert not state_of(filled)["scrub"]["runs"]
    for i in range(6):
        put(filled, f"more-{i}", 50_000_000)
    assert filled.raw("GET", "/cairn/admin/v1/scrub").status == 405
    assert filled.raw("POST", "/cairn/admin/v1/scrub", sign=False).status == 403
    assert filled.raw("POST", "/cairn/admin/v1/scrub").status == 202
    wait_for(filled, lambda s: s["scrub"]["blobs"] > 0, "under way")
    filled.stop()
    filled.start()
    state = wait_for(filled, lambda s: not s["scrub"]["runs"], "verified")["scrub"]
    assert state["ended_ms"] >= state["began_ms"] > 0 and state["bytes"] > 600_000_000 and state["wrong"] == 0
    check_bodies(filled)
    filled.stop()


def test_damage_beyond_parity_is_told_once_and_harms_no_other(filled):
    for drive in filled.drives[:3]:
        for path in segments(drive):
            flip_bits(path, 1, seed=1)
    filled.start()
    lost = []
    for name, body in filled.bodies.items():
        reply = None
        try:
            reply = filled.raw("GET", f"/bkt/{name}")
        except OSError:
            pass
        except Exception:  # a body that was cut
            pass
        if reply is None or reply.status != 200 or reply.body != body:
            lost.append(name)
    state = wait_for(filled, lambda s: s["data"]["heal_damaged"] == len(lost) and not s["repair"]["healing"], "looked at")
    assert state["data"]["heal_pending"] == len(lost)
    assert filled.log().count(" damaged blob=") == len(lost)
    filled.restart()
    wait_for(filled, lambda s: not s["repair"]["healing"], "looked at")
    assert state_of(filled)["data"]["heal_damaged"] == len(lost)
    filled.stop()


def test_kills_while_it_heals(filled):
    """Segments' files are given back and blobs move while the daemon is killed again and again."""
    filled.start()
    for i in range(12):
        put(filled, f"more-{i}", 9_000_000 + i)
    filled.stop()
    for path in segments(filled.drives[2]):
        os.unlink(path)
    for path in segments(filled.drives[0]):
        flip_bits(path, 30, seed=path[-8:])
    chance = random.Random(7)
    for _ in range(12):
        filled.start()
        reader = threading.Thread(target=lambda: read_until_cut(filled))
        reader.start()
        time.sleep(chance.random() * 0.6)  # the instant of the kill, not a wait for anything
        filled.kill()
        reader.join()
    filled.start()
    check_bodies(filled)
    wait_whole(filled)
    check_bodies(filled)
    scrub(filled)
    wait_whole(filled)
    check_without_any_two(filled)


def read_until_cut(daemon):
    for name in daemon.bodies:
        try:
            daemon.raw("GET", f"/bkt/{name}")
        except Exception:  # the daemon was killed
            return


def test_healing_goes_on_under_writes_and_deletes(filled):
    filled.start()
    for i in range(8):
        put(filled, f"churn-{i}", 3_000_000 + i)
    filled.stop()
    for path in segments(filled.drives[3]):
        os.unlink(path)
    filled.start()
    for round_ in range(3):
        for i in range(8):
            if (i + round_) % 3 == 0:
                del filled.bodies[f"churn-{i}"]
                filled.s3.delete_object(Bucket="bkt", Key=f"churn-{i}")
            put(filled, f"churn-{i}", 1_000_000 + 700_000 * round_ + i)
    wait_whole(filled)
    check_bodies(filled)
    check_without_any_two(filled, [(0, 1), (1, 2), (0, 2)])


# ---- replaced drives ----

def replace_drive(daemon, i):
    """The drive's folder is empty; what it held lies beside it."""
    os.rename(daemon.drives[i], daemon.drives[i] + ".old")
    os.mkdir(daemon.drives[i])


@pytest.mark.parametrize("lost", [0, 2])
def test_an_empty_drive_in_place_of_a_lost_one_is_filled(filled, lost):
    replace_drive(filled, lost)
    filled.start()
    check_bodies(filled)
    put(filled, "later", 4_000_000)
    state = wait_whole(filled)
    assert (state["drives_online"], state["index_healthy"]) == (4, 4)
    assert state["repair"]["bytes_refilled"] > 6_000_000 and state["repair"]["bytes_to_refill"] == 0
    assert f"drive {filled.drives[lost]} was empty" in filled.log()
    check_bodies(filled)
    check_without_any_two(filled)
    shutil.rmtree(filled.drives[lost])  # the old one comes back
    os.rename(filled.drives[lost] + ".old", filled.drives[lost])
    said = start_refused(filled)
    assert filled.drives[lost] in said and "was replaced" in said


def test_two_drives_replaced_at_once(filled):
    for i in 1, 3:
        replace_drive(filled, i)
    filled.start()
    check_bodies(filled)
    put(filled, "later", 4_000_000)
    wait_whole(filled)
    check_without_any_two(filled)


def test_kills_while_a_drive_is_filled(filled):
    filled.start()
    for i in range(10):
        put(filled, f"more-{i}", 30_000_000 + i)
    filled.stop()
    replace_drive(filled, 1)
    chance = random.Random(11)
    for _ in range(10):
        filled.start()
        time.sleep(chance.random() * 0.4)  # the instant of the kill
        filled.kill()
    filled.start()
    wait_whole(filled)
    check_without_any_two(filled, [(0, 2), (2, 3)])


def test_nothing_is_filled_while_a_drive_is_away(filled):
    replace_drive(filled, 1)
    hide(filled.drives[3])
    filled.start("live")
    check_bodies(filled)
    assert os.listdir(filled.drives[1]) == []
    filled.stop()
    show(filled.drives[3])
    filled.start()
    wait_whole(filled)
    check_without_any_two(filled, [(0, 3), (2, 3)])


# ---- on file systems of their own; needs root, to mount them ----

@pytest.fixture
def mounted():
    """A daemon whose drives are small file systems; not started."""
    assert os.geteuid() == 0, "this test mounts file systems: run it as root"
    daemon = Daemon(drives=4)
    try:
        for drive in daemon.drives:
            mount(drive, 400)
        daemon.start().s3.create_bucket(Bucket="bkt")
        daemon.bodies = {}
        for i in range(12):
            put(daemon, f"body-{i}", 10_000_000 + i)
        daemon.stop()
        yield daemon
    finally:
        daemon.kill()
        for drive in daemon.drives:
            unmount(drive)
        daemon.remove()


def mount(folder, mib):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", folder], check=True)


def unmount(folder):
    while os.path.ismount(folder):
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_not_mounted_is_no_empty_drive(mounted):
    unmount(mounted.drives[2])
    mounted.start()
    check_bodies(mounted)
    assert "is its disk mounted?" in mounted.log()
    assert os.listdir(mounted.drives[2]) == []
    mounted.stop()
    mount(mounted.drives[2], 400)
    mounted.start()
    wait_whole(mounted)
    check_without_two_mounted(mounted, (0, 1))


def test_an_empty_folder_on_the_root_is_no_drive_beside_others(tmp_path):
    """The drives are folders of the file systems, as /mnt/disk1/data."""
    root = next(d for d in (tmp_path, "/var/tmp", "/root", "/") if os.stat(d).st_dev == os.stat("/").st_dev)
    daemon = Daemon(drives=4, folder=tempfile.mkdtemp(prefix="cairn-test-", dir=root))
    disks = daemon.drives
    daemon.drives = [os.path.join(disk, "data") for disk in disks]
    try:
        os.mkdir(daemon.drives[1])  # on the root; the disk comes over it
        for disk in disks:
            mount(disk, 100)
        daemon.start().s3.create_bucket(Bucket="bkt")
        daemon.stop()
        unmount(disks[1])
        daemon.start()
        assert "is its disk mounted?" in daemon.log() and os.listdir(daemon.drives[1]) == []
        daemon.stop()
    finally:
        daemon.kill()
        for disk in disks:
            unmount(disk)
        daemon.remove()


def check_without_two_mounted(daemon, lost):
    daemon.stop()
    for i in lost:
        unmount(daemon.drives[i])
    daemon.start("live")
    check_bodies(daemon)
    daemon.stop()


def test_a_drive_too_small_is_filled_as_far_as_it_goes_and_harms_nothing(mounted):
    unmount(mounted.drives[2])
    mount(mounted.drives[2], 40)
    mounted.start()
    check_bodies(mounted)
    state = wait_for(mounted, lambda s: s["repair"]["waiting"] and not s["repair"]["healing"], "waiting")
    assert state["repair"]["error"] and state["repair"]["segments_to_refill"] > 0 and state["drives_online"] == 4
    check_bodies(mounted)
    put(mounted, "later", 1_000_000)
    mounted.stop()
    unmount(mounted.drives[2])
    mount(mounted.drives[2], 400)
    mounted.start()
    wait_whole(mounted)
    check_without_two_mounted(mounted, (0, 1))
