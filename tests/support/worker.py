"""Runs clients of a server until it is gone. A client has step(n), and gone: what it raises when the server is."""
import multiprocessing
import threading

END_SECONDS = 60


class Worker:
    def run(self):
        try:
            for n in range(1_000_000):
                self.actor.step(n)
        except self.actor.gone:
            return None
        except BaseException as error:
            return error


class ThreadWorker(Worker):
    """start, and once the server is gone finish: any other error is raised there."""

    def __init__(self, actor):
        self.actor, self.error = actor, None
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def start(self):
        self.thread.start()

    def serve(self):
        self.error = self.run()

    def finish(self):
        self.thread.join(END_SECONDS)
        assert not self.thread.is_alive(), f"{self.actor} hangs"
        if self.error:
            raise self.error


class ProcessWorker(Worker):
    """The same in a process of its own, for who has files of a mount open: a program that the test starts would have them closed, and
    wait there for the server. What the actor has learned comes back with finish."""

    def __init__(self, actor):
        self.actor = actor
        self.pipe, self.child = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self.serve, daemon=True)

    def start(self):
        self.process.start()
        self.child.close()

    def serve(self):
        error = self.run()
        self.actor.close()
        self.child.send((vars(self.actor), error))

    def finish(self):
        assert self.pipe.poll(END_SECONDS), f"{self.actor} hangs"
        learned, error = self.pipe.recv()
        vars(self.actor).update(learned)
        self.process.join(END_SECONDS)
        if error:
            raise error
