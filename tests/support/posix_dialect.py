"""A client of the POSIX dialect, written from server/wire/POSIX.md alone: so the tests that use it check that page too."""
import os
import struct

ARGUMENTS = ("ino ino2 handle off off2 len size rdev atime mtime ctime valid flags count type mode uid gid "
             "name name2 data").split()
RESULTS = "value events total free inodes flags count attr data".split()
ATTR = "ino version size blocks rdev parent atime mtime ctime btime mode uid gid nlink type".split()
U32 = set("valid flags count type mode uid gid".split())

OPERATIONS = {
    "SESSION_OPEN": (1, "name count", "value count flags events"),
    "SESSION_HEARTBEAT": (2, "", "count"),
    "SESSION_CLOSE": (3, "", ""),
    "SESSION_RECLAIM": (4, "flags data", "value data"),
    "GETROOT": (16, "name name2", "attr"),
    "LOOKUP": (17, "ino name", "attr"),
    "GETATTR": (18, "ino", "attr"),
    "READDIR": (20, "ino name len count flags size", "attr flags data"),
    "READ": (24, "ino off len", "attr data"),
    "FSYNC": (26, "", ""),
    "OPEN": (32, "ino handle", "attr"),
    "RELEASE": (33, "handle", ""),
    "CREATE": (49, "ino name mode uid gid flags handle", "attr flags"),
    "UNLINK": (54, "ino name", "attr"),
    "WRITE": (57, "ino off flags data", "value attr"),
}
NAMES = {row[0]: name for name, row in OPERATIONS.items()}


def encode(name, fields):
    code, arguments, _ = OPERATIONS[name]
    out = b""
    for field in (f for f in ARGUMENTS if f in arguments.split()):
        value = fields.get(field, b"" if field in ("name", "name2", "data") else 0)
        if field == "data":
            out += struct.pack("<I", len(value)) + value
        elif field in ("name", "name2"):
            out += struct.pack("<H", len(value)) + value
        else:
            out += struct.pack("<I" if field in U32 else "<q" if field.endswith("time") else "<Q", value)
    return struct.pack("<HHI", code, 0, len(out)) + out


def decode(code, payload):
    result, at = {}, 0
    for field in (f for f in RESULTS if f in OPERATIONS[NAMES[code]][2].split()):
        if field == "data":
            size, = struct.unpack_from("<I", payload, at)
            result[field] = payload[at + 4:at + 4 + size]
            at += 4 + size
        elif field == "attr":
            result[field] = dict(zip(ATTR, struct.unpack_from("<6Q4q5I", payload, at)))
            at += 100
        else:
            result[field], = struct.unpack_from("<I" if field in U32 else "<Q", payload, at)
            at += 4 if field in U32 else 8
    assert at == len(payload)
    return result


class Failed(Exception):
    """A whole compound, or an operation, answered this errno."""

    def __init__(self, status):
        super().__init__(os.strerror(status))
        self.status = status


def parse(body):
    """(status, instance, flags, results): each result is (status, fields)."""
    magic, version, status, instance, _, _, flags, count, zero = struct.unpack_from("<IHHQQQHHI", body)
    assert (magic, version, zero) == (0x524e5243, 1, 0)
    results, at = [], 40
    while at < len(body):
        code, failure, size = struct.unpack_from("<HHI", body, at)
        results.append((failure, {} if failure else decode(code, body[at + 8:at + 8 + size])))
        at += 8 + size
    assert len(results) == count
    return status, instance, flags, results


class Session:
    def __init__(self, daemon, bucket, lease=60000):
        self.daemon, self.bucket = daemon, bucket
        self.id, self.generation, self.sequence = os.urandom(16), 0, 0
        self.replayed = False
        opened = self.call(("SESSION_OPEN", dict(name=b"test", count=lease)))[0]
        self.generation, self.events = opened["value"], opened["events"]
        self.root = self.call(("GETROOT", dict(name=bucket.encode())))[0]["attr"]["ino"]

    def encode(self, *operations):
        self.sequence += 1
        head = struct.pack("<IHH16sQQHHI", 0x504e5243, 1, 0, self.id, self.generation, self.sequence, 0, len(operations), 0)
        return head + b"".join(encode(*operation) for operation in operations)

    def send(self, body):
        reply = self.daemon.raw("POST", f"/{self.bucket}", "cairn=posix", body)
        assert reply.status == 200, reply.body
        return reply.body

    def results(self, body):
        """The operations' fields; Failed for the first that failed."""
        status, self.instance, flags, results = parse(body)
        self.replayed = bool(flags & 1)
        for failure in [status] + [r[0] for r in results]:
            if failure:
                raise Failed(failure)
        return [fields for _, fields in results]

    def call(self, *operations):
        return self.results(self.send(self.encode(*operations)))

    def query(self, kind, **more):
        fields = dict(more, cairn=kind, session=self.id.hex(), generation=self.generation)
        return "&".join(f"{k}={v}" for k, v in sorted(fields.items()))

    def put(self, ino, body, off="end", **more):
        self.sequence += 1
        query = self.query("data", ino=ino, off=off, slot=0, sequence=self.sequence, **more)
        return self.daemon.raw("PUT", f"/{self.bucket}", query, body)

    def get(self, ino, off, size):
        return self.daemon.raw("GET", f"/{self.bucket}", self.query("data", ino=ino, off=off, len=size))

    def push(self):
        """The push stream: an open HTTPResponse."""
        query, headers = self.query("push", after=self.events), {"host": f"127.0.0.1:{self.daemon.port}"}
        self.daemon.sign("GET", f"/{self.bucket}", query, headers, "UNSIGNED-PAYLOAD")
        connection = self.daemon.connect(timeout=20)
        connection.request("GET", f"/{self.bucket}?{query}", headers=headers)
        response = connection.getresponse()
        response.held = connection
        return response


def frame(stream):
    """The next frame of a push stream: (kind, sequence, ino, dir, name)."""
    size, = struct.unpack("<I", stream.read(4))
    body = stream.read(size)
    kind, _, sequence, ino, folder, _, length = struct.unpack_from("<HHQQQQH", body)
    return kind, sequence, ino, folder, body[38:38 + length]
