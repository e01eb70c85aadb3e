"""Loss of power as in tests/crash/test_power.py, for longer, on more kinds of drives, and at every single operation where those are few."""
import os

import pytest

from power_rig import BUCKET, Rig, survives_cuts

ROUNDS = int(os.environ.get("CAIRN_ROUNDS", 25))


@pytest.mark.parametrize("drives, shared", [(4, False), (4, True), (1, False), (2, False), (3, False), (6, False), (8, False)])
def test_what_was_acknowledged_survives_many_power_cuts(drives, shared):
    with Rig(drives, shared=shared) as rig:
        survives_cuts(rig, ROUNDS)


@pytest.mark.parametrize("drives", [1, 2, 4])
def test_formatting_can_be_cut_at_every_operation(drives):
    for ops in range(1, 10_000):
        with Rig(drives) as rig:
            reached = rig.cut_at_start(ops)
            rig.start()
            assert rig.daemon.raw("PUT", f"/{BUCKET}").status == 200
            rig.die(seed=0)
            rig.start()
            assert rig.daemon.raw("PUT", f"/{BUCKET}").status == 409
            rig.daemon.stop()
        if not reached:
            return


@pytest.mark.parametrize("drives", [1, 4])
def test_recovery_can_be_cut_at_every_operation(drives):
    with Rig(drives) as rig:
        rig.start()
        for ops in range(1, 10_000):
            rig.work(rig.random.randrange(20, 400))
            if not rig.cut_at_start(ops):
                break
            rig.start()
            rig.check()
            rig.retire(1)
        rig.daemon.stop()
        rig.check_store()
