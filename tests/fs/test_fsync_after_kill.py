"""fsync tells the truth across a kill -9 of the daemon: what it acknowledges is there, what was lost is an error."""
import os

from cairn import Daemon
from mount import Mount


def write_until_killed(server, path, fd):
    """Writes and closes copies of fd (so that the bytes are sent, not durable) and kills the daemon right after."""
    os.write(fd, b"answered, perhaps not committed")
    os.close(os.dup(fd))  # flush
    server.kill()


def test_fsync_after_a_kill_has_the_bytes_or_says_eio():
    server = Daemon(drives=4)
    told, kept = 0, 0
    try:
        server.start().s3.create_bucket(Bucket="bucket")
        for number in range(12):
            with Mount(server, "bucket") as mount:
                path = mount / f"f{number}"
                fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
                os.fsync(fd)
                write_until_killed(server, path, fd)
                server.start()
                try:
                    os.fsync(fd)
                    failed = False
                except OSError:
                    failed = True
                os.close(fd)
            there = server.s3.get_object(Bucket="bucket", Key=f"f{number}")["Body"].read()
            assert failed or there == b"answered, perhaps not committed"
            told, kept = told + failed, kept + (there != b"")
        assert told > 0, "a write that may have been lost was vouched for each time"
        server.stop()
    finally:
        server.remove()


def test_fsync_long_after_a_restart_is_no_error():
    with Daemon(drives=4) as server:
        server.s3.create_bucket(Bucket="bucket")
        with Mount(server, "bucket") as mount:
            fd = os.open(mount / "f", os.O_CREAT | os.O_WRONLY, 0o644)
            os.write(fd, b"one")
            os.fsync(fd)
            server.kill()
            server.start()
            os.write(fd, b" two")
            os.fsync(fd)
            os.close(fd)
        assert server.s3.get_object(Bucket="bucket", Key="f")["Body"].read() == b"one two"
