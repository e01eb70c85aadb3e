"""Loss of power at any instant, of the whole machine: what was acknowledged is there, also without as many drives as there is parity; what was
not is whole or absent; nobody's bytes turn up; no space is lost. The drives are those of power.py, where what was not synced is lost, or as
much of it as a lottery says."""
import contextlib
import os

import pytest

from mount import Actor, Mount
from power_rig import BUCKET, Rig, survives_cuts


@pytest.mark.parametrize("drives, shared, rounds", [(4, False, 3), (4, True, 2), (1, False, 2), (2, False, 2)])
def test_what_was_acknowledged_survives_a_power_cut(drives, shared, rounds):
    with Rig(drives, shared=shared) as rig:
        survives_cuts(rig, rounds)


@pytest.mark.parametrize("drives, steps", [(4, 140), (1, 45)])
def test_formatting_that_was_cut_is_taken_up_again(drives, steps):
    for _ in range(3):
        with Rig(drives) as rig:
            while rig.cut_at_start(rig.random.randrange(1, steps)) and rig.random.random() < 0.5:
                pass
            rig.start()
            assert rig.daemon.raw("PUT", f"/{BUCKET}").status == 200
            assert rig.daemon.raw("PUT", f"/{BUCKET}/key", body=b"x" * 20_000).status == 200
            rig.die(seed=0)
            rig.start()
            assert rig.daemon.raw("GET", f"/{BUCKET}/key").body == b"x" * 20_000
            rig.daemon.stop()
            rig.check_store()


def test_recovery_that_was_cut_is_taken_up_again():
    with Rig(4) as rig:
        rig.start()
        rig.work(rig.random.randrange(500, 2000))
        for _ in range(4):
            rig.cut_at_start(rig.random.randrange(1, 100))
        rig.start()
        rig.check()
        rig.daemon.stop()
        rig.check_store()


def test_what_a_killed_daemon_had_not_synced_is_nothing_that_its_successor_rests_on():
    with Rig(4) as rig:
        rig.start()
        for _ in range(2):
            rig.work(rig.random.randrange(200, 1500), kill_first=True)
            rig.start()
            rig.check()
        rig.daemon.stop()
        rig.check_store()


def test_after_a_clean_stop_there_is_nothing_to_lose():
    with Rig(4) as rig:
        rig.start()
        assert rig.daemon.raw("PUT", f"/{BUCKET}").status == 200
        with Mount(rig.daemon, BUCKET) as mount:
            os.mkdir(mount / "folder")
            with open(mount / "folder/file", "wb") as file:
                file.write(b"never synced " * 10_000)
            os.rename(mount / "folder", mount / "renamed")
        rig.daemon.stop()
        rig.die(seed=0)
        rig.start()
        assert rig.daemon.raw("GET", f"/{BUCKET}/renamed/file").body == b"never synced " * 10_000
        rig.daemon.stop()


def test_in_a_mount_with_sync_a_close_is_as_good_as_an_fsync():
    with Rig(4) as rig:
        rig.start()
        rig.work(rig.random.randrange(500, 2000), options=["sync"])
        rig.start()
        rig.check()
        rig.daemon.stop()
        rig.check_store()


def test_fsync_in_a_mount_that_outlives_the_machine_has_the_bytes_or_says_eio():
    with Rig(4) as rig:
        rig.start()
        assert rig.daemon.raw("PUT", f"/{BUCKET}").status == 200
        for number in range(4):
            with Mount(rig.daemon, BUCKET) as mount, Actor() as actor:
                fd = actor.open(mount / f"f{number}", os.O_CREAT | os.O_WRONLY, 0o644)
                actor.fsync(fd)
                actor.write(fd, b"answered, perhaps not committed")
                actor.close(actor.dup(fd))
                rig.die(seed=0)
                rig.start()
                with contextlib.suppress(OSError):
                    actor.fsync(fd)
                    assert rig.daemon.raw("GET", f"/{BUCKET}/f{number}").body == b"answered, perhaps not committed"
                actor.leave()
        rig.daemon.stop()
