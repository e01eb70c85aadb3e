"""A daemon over drives whose power can be cut, clients that work on it by S3 and in a mount, and what each of them was promised."""
import os
import random
import shutil
import subprocess
import time

from cairn import Daemon, program
from mount import Mount, eventually
from mount_load import Appender, Blocks, Closer, Names, Replacer
from power import Power
from s3_load import Client, Race, Writer
from worker import ProcessWorker, ThreadWorker

BUCKET = "power"
WORK_SECONDS, START_SECONDS = 60, 60
ROUNDS_KEPT = 4
FOLDER = "mounted"  # of the bucket: the mount's


class Rig:
    """with Rig(drives=4) as rig: rig.start(); rig.work(500); rig.start(); rig.check()

    A seed, which is printed, decides what is done and what a cut leaves; CAIRN_SEED in the environment sets it."""

    def __init__(self, drives, shared=False, seed=None):
        seed = seed or int(os.environ.get("CAIRN_SEED", 0)) or random.randrange(1, 1 << 32)
        print(f"CAIRN_SEED={seed}")
        self.random = random.Random(seed)
        self.daemon = Daemon(drives=0)
        self.power = Power(self.daemon.folder, drives, shared)
        self.parity = {1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3}.get(drives, 4)
        self.round = 0
        self.writers, self.races, self.programs = [], [], []

    # ---- the machine ----

    def switch_on(self, without=()):
        """Power, but for the drives without, which are away."""
        self.power.on(without)
        self.daemon.drives = [drive + (".away" if i in without else "") for i, drive in enumerate(self.power.drives)]
        if self.power.shared:
            for drive in self.daemon.drives:
                os.makedirs(drive, exist_ok=True)

    def start(self, without=()):
        self.switch_on(without)
        self.daemon.start("ready" if self.writable(without) else "live")
        return self

    def writable(self, without):
        """Whether the drives that are left are a write quorum: k, or k + 1 where k = m."""
        data = len(self.power.drives) - self.parity
        return len(self.power.drives) - len(without) >= data + (data == self.parity)

    def die(self, seed):
        """The machine loses its power."""
        self.power.cut(seed)
        self.daemon.kill()
        self.power.off()

    def stop(self):
        self.daemon.stop()
        self.power.off()

    def seed(self):
        """What the next cut leaves: nothing that was not synced, or what a lottery says."""
        return 0 if self.random.random() < 0.3 else self.random.randrange(1, 1 << 32)

    # ---- work ----

    def workers(self, mount, kill_first):
        """New clients. Processes come first: threads are not to be forked."""
        number, top, chance = self.round, mount / FOLDER, self.random.random
        programs = [Appender(top, f"r{number}-append", chance()), Replacer(top, f"r{number}-replace", chance()),
                    Blocks(top, f"r{number}-blocks", chance()), Blocks(top, f"r{number}-sync", chance(), flags=os.O_SYNC)]
        if not kill_first:  # who works on after a loss that he was not told of leaves no order
            programs.append(Names(top, f"r{number}-names", chance()))
        if "sync" in mount.options:
            programs.append(Closer(top, f"r{number}-close", chance()))
        writers = [Writer(self.daemon, BUCKET, f"r{number}/w{i}", chance()) for i in range(3)]
        race = Race(self.daemon, BUCKET, f"r{number}/race", chance())
        self.programs += programs
        self.writers += writers
        self.races.append(race)
        return [ProcessWorker(program) for program in programs] + [ThreadWorker(client) for client in writers + race.racers]

    def cut_at_start(self, ops):
        """Starts the machine, which loses its power at an operation of its drives: whether it came so far."""
        seed = self.seed()
        print(f"a cut at operation {ops} of the start, seed {seed}")
        self.switch_on()
        self.power.arm(ops, seed)
        self.daemon.spawn()
        deadline = time.monotonic() + START_SECONDS
        while not self.power.was_cut(0.01) and not self.daemon.is_("ready"):
            assert self.daemon.process.poll() is None or self.power.was_cut(10), self.daemon.log()
            assert time.monotonic() < deadline, self.daemon.log()
        reached = self.power.is_cut
        self.die(seed)
        return reached

    def work(self, ops, options=(), kill_first=False):
        """New clients, until the drives have done so many changes and syncs; then the power is gone, and they with it. options: of the mount.
        kill_first: the daemon is killed half way, and the next one serves."""
        seed = self.seed()
        print(f"round {self.round}: a cut after {ops} operations of the drives, seed {seed}")
        assert self.daemon.raw("PUT", f"/{BUCKET}").status in (200, 409)
        with Mount(self.daemon, BUCKET, options=options) as mount:
            os.makedirs(mount / FOLDER, exist_ok=True)
            workers = self.workers(mount, kill_first)
            half = self.power.ops() + ops // 2
            if not kill_first:
                self.power.arm(ops, seed)
            for worker in workers:
                worker.start()
            if kill_first:
                eventually(lambda: self.power.ops() >= half, WORK_SECONDS, "half of the work")
                self.power.arm(ops // 2, seed)
                self.daemon.kill()
                self.daemon.spawn()
            was_cut = self.power.was_cut(WORK_SECONDS)
            self.daemon.kill()
            mount.kill()
            for worker in workers:
                worker.finish()
        assert was_cut, "the clients do not get on"
        self.power.off()
        self.round += 1

    # ---- what must be there ----

    def check(self):
        """All that was acknowledged is there, and nothing that nobody wrote. What is found must be found from now on."""
        self.check_objects(settle=True)
        with Mount(self.daemon, BUCKET) as mount:
            for actor in self.programs:
                actor.check(mount / FOLDER)

    def check_objects(self, settle):
        """Of a daemon that only reads nothing is settled: it may have found less than all drives together know."""
        client = Client(self.daemon, BUCKET)
        listed = {key: row for key, row in client.list().items() if not key.startswith(FOLDER + "/")}
        client.close()
        for writer in self.writers:
            for key, value in writer.check(settle).items():
                assert listed.pop(key, None) == (value.size, value.etag), f"{key} is listed as something else"
        for race in self.races:
            race.check()
        strange = listed.keys() - {key for race in self.races for key in race.keys()}
        assert not strange, f"nobody has made {strange}"

    def check_store(self):
        """The stopped store's records and files agree, and no space is lost."""
        done = subprocess.run([program("tests/crash/store_check"), *self.daemon.drives], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def retire(self, rounds):
        """What clients of earlier rounds have made is deleted, but of the last so many rounds."""
        old = {f"r{number}" for number in range(self.round - rounds)}
        client = Client(self.daemon, BUCKET)
        for actor in self.writers + self.races:
            if actor.name.partition("/")[0] in old:
                for key in sorted(actor.keys()):
                    client.ask("DELETE", key)
        client.close()
        with Mount(self.daemon, BUCKET) as mount:
            for actor in self.programs:
                if actor.begun and actor.name.partition("-")[0] in old:
                    shutil.rmtree(os.path.join(mount / FOLDER, actor.name), ignore_errors=True)
        self.writers, self.races = ([actor for actor in actors if actor.name.partition("/")[0] not in old] for actors in (self.writers, self.races))
        self.programs = [actor for actor in self.programs if actor.name.partition("-")[0] not in old]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.daemon.kill()
            self.power.off()
        finally:
            if kind is not None:
                print(self.daemon.log())
            self.daemon.remove()


def survives_cuts(rig, rounds, ops=3000):
    """Work, a cut, some drives away as well, a check; all of it again. Then nothing is lost of the space either."""
    rig.start()
    for _ in range(rounds):
        rig.work(rig.random.randrange(20, ops))
        lose_drives(rig)
        rig.start()
        rig.check()
        if rig.round > ROUNDS_KEPT:
            rig.retire(ROUNDS_KEPT)
    rig.daemon.stop()
    rig.check_store()


def lose_drives(rig):
    """For a while, up to as many as there is parity."""
    if rig.parity == 0 or rig.power.shared:
        return
    without = rig.random.sample(range(len(rig.power.drives)), rig.random.randint(1, rig.parity))
    print(f"without drives {without}")
    rig.start(without)
    if rig.writable(without):
        rig.check()
    else:
        rig.check_objects(settle=False)
    rig.stop()
