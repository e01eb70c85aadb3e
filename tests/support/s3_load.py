"""Clients of the S3 API that work until the server is gone, and then know what must be there.

A client has keys of its own and sends one request at a time: after a crash its keys are as the last acknowledged request left them, or
as the one without an answer wanted them, all of that one's keys or none.
"""
import base64
import hashlib
import http.client
import random
import threading
import xml.etree.ElementTree as tree

from cairn import quote

GONE = (OSError, http.client.HTTPException)
SIZES = (0, 1, 700, 8160, 8161, 16384, 100_000, (1 << 20) - 1, 1 << 20, 3_000_001)
PART = 5 << 20


class Value:
    """An object's bytes, by their hash, and its ETag where the client knows it."""

    def __init__(self, hasher, size, etag=None):
        self.hasher, self.size, self.etag = hasher, size, etag

    @classmethod
    def of(cls, body, etag=None):
        return cls(hashlib.md5(body), len(body), etag)

    def plus(self, body):
        hasher = self.hasher.copy()
        hasher.update(body)
        return Value(hasher, self.size + len(body))

    @property
    def md5(self):
        return self.hasher.hexdigest()

    def __eq__(self, other):
        if other is None or (self.size, self.md5) != (other.size, other.md5):
            return False
        return None in (self.etag, other.etag) or self.etag == other.etag

    def __repr__(self):
        return f"<{self.size} bytes {self.md5} {self.etag}>"


class Refused(Exception):
    """The server does not take writes: it has lost its quorum, which a cut looks like from outside."""


class Client:
    """One connection; errors that the server may not give fail the test, those of a dead one are GONE or Refused."""

    def __init__(self, daemon, bucket):
        self.daemon, self.bucket, self.connection = daemon, bucket, None

    def ask(self, method, key="", query="", body=b"", headers=None, good=(200, 204)):
        if self.connection is None:
            self.connection = self.daemon.connect(timeout=30)
        path = f"/{self.bucket}" + (f"/{quote(key.encode(), '/')}" if key else "")
        try:
            reply = self.daemon.raw(method, path, query, body, headers, connection=self.connection)
        except GONE:
            self.close()
            raise
        if reply.status >= 500:
            self.close()
            raise Refused(repr(reply))
        assert reply.status in good, f"{method} {key}?{query}: {reply}"
        return reply

    def get(self, key):
        """The value of a key, whose checksums are right; None when there is none."""
        reply = self.ask("GET", key, headers={"x-amz-checksum-mode": "ENABLED"}, good=(200, 404))
        if reply.status == 404:
            assert reply.code == "NoSuchKey", reply
            return None
        sha256 = reply.headers.get("x-amz-checksum-sha256")
        assert sha256 in (None, base64.b64encode(hashlib.sha256(reply.body).digest()).decode()), key
        value = Value.of(reply.body, reply.headers["etag"])
        assert "-" in value.etag or value.etag == f'"{value.md5}"', key
        return value

    def list(self):
        """key → (size, etag) of the whole bucket."""
        found, token = {}, ""
        while True:
            more = f"&continuation-token={quote(token.encode())}" if token else ""
            top = tree.fromstring(self.ask("GET", query="list-type=2" + more).body)
            space = top.tag.partition("}")[0] + "}"
            for row in top.iter(f"{space}Contents"):
                found[row.findtext(f"{space}Key")] = int(row.findtext(f"{space}Size")), row.findtext(f"{space}ETag")
            token = top.findtext(f"{space}NextContinuationToken")
            if not token:
                return found

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Writer:
    """Every kind of change to a few keys."""

    gone = GONE + (Refused,)
    COUNT = 12

    def __init__(self, daemon, bucket, name, seed):
        self.client, self.name, self.random = Client(daemon, bucket), name, random.Random(seed)
        self.known = {}  # key → Value, of those that are there
        self.doubt = []  # [{key: Value or None}]: what unanswered requests wanted, each whole or not at all
        self.acknowledged = 0

    STEPS = (("put", 8), ("put_if", 4), ("delete", 2), ("delete_many", 1), ("copy", 2), ("rename", 2), ("append", 3), ("multipart", 1))

    def step(self, _):
        kind = self.random.choices([name for name, _ in self.STEPS], [weight for _, weight in self.STEPS])[0]
        getattr(self, kind)()
        self.acknowledged += 1

    def keys(self):
        return [f"{self.name}/{i:02d}" for i in range(self.COUNT)]

    def key(self):
        return self.random.choice(self.keys())

    def live(self):
        """A key that is there, or else one that is put first."""
        if not self.known:
            self.put()
        return self.random.choice(sorted(self.known))

    def body(self):
        return self.random.randbytes(self.random.choice(SIZES))

    def change(self, wanted, send, single=True):
        """Sends what is to make wanted so; single: all of it or nothing. send may answer with a reply that has an ETag."""
        self.doubt = [wanted] if single else [{key: value} for key, value in wanted.items()]
        reply = send()
        self.doubt = []
        self.settle(wanted)
        if reply is not None and "etag" in reply.headers and len(wanted) == 1:
            self.known[next(iter(wanted))].etag = reply.headers["etag"]

    def settle(self, now):
        for key, value in now.items():
            self.known.pop(key, None)
            if value is not None:
                self.known[key] = value

    def put(self, headers=None, key=None):
        key, body = key or self.key(), self.body()
        headers = dict(headers or {})
        if self.random.random() < 0.5:
            headers["x-amz-checksum-sha256"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        value = Value.of(body, f'"{hashlib.md5(body).hexdigest()}"')
        self.change({key: value}, lambda: self.client.ask("PUT", key, body=body, headers=headers))

    def put_if(self):
        key = self.key()
        now = self.known.get(key)
        if now is None:
            self.put({"if-none-match": "*"}, key)
        elif now.etag:
            self.client.ask("PUT", key, body=b"never", headers={"if-none-match": "*"}, good=(412,))
            self.put({"if-match": now.etag}, key)

    def delete(self):
        key = self.key()
        self.change({key: None}, lambda: self.client.ask("DELETE", key))

    def delete_many(self):
        keys = {self.key() for _ in range(4)}
        body = ("<Delete>" + "".join(f"<Object><Key>{key}</Key></Object>" for key in keys) + "</Delete>").encode()
        headers = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
        self.change(dict.fromkeys(keys), lambda: self.client.ask("POST", query="delete=", body=body, headers=headers), single=False)

    def copy(self):
        source, key = self.live(), self.key()
        now = self.known[source]
        headers = {"x-amz-copy-source": f"/{self.client.bucket}/{source}"}
        if source != key:
            self.change({key: Value(now.hasher, now.size)}, lambda: self.client.ask("PUT", key, headers=headers))

    def rename(self):
        source, key = self.live(), self.key()
        headers = {"x-amz-rename-source": source}
        if source != key:
            self.change({key: self.known[source], source: None}, lambda: self.client.ask("PUT", key, "renameObject=", headers=headers))

    def append(self):
        key = self.live()
        now, more = self.known[key], self.body()
        if now.size < 8 << 20:
            headers = {"x-amz-write-offset-bytes": str(now.size)}
            self.change({key: now.plus(more)}, lambda: self.client.ask("PUT", key, body=more, headers=headers))

    def multipart(self):
        key, parts = self.key(), [self.random.randbytes(PART), self.body()]
        upload = self.client.ask("POST", key, "uploads=").text("UploadId")
        listed = ""
        for number, body in enumerate(parts, 1):
            etag = self.client.ask("PUT", key, f"partNumber={number}&uploadId={upload}", body).headers["etag"]
            listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        digests = b"".join(hashlib.md5(body).digest() for body in parts)
        value = Value.of(b"".join(parts), f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"')
        self.change({key: value}, lambda: self.client.ask("POST", key, f"uploadId={upload}", document))

    def check(self, settle=True):
        """After a crash: everything is as it may be; key → Value, of what is found. settle: that must be found from now on."""
        doubted = {key for wanted in self.doubt for key in wanted}
        found = {key: self.client.get(key) for key in self.keys()}
        for key in found.keys() - doubted:
            assert found[key] == self.known.get(key), f"{key} is {found[key]}, acknowledged was {self.known.get(key)}"
        for wanted in self.doubt:
            now = {key: found[key] for key in wanted}
            before = {key: self.known.get(key) for key in wanted}
            assert now in (wanted, before), f"{now} is neither {before} nor {wanted}"
        if settle:
            self.doubt = []
            self.settle(found)
        self.client.close()
        return {key: value for key, value in found.items() if value is not None}

    def __repr__(self):
        return f"S3 writer {self.name}"


class Race:
    """Several clients put the same new keys with If-None-Match: one of them wins each, for good."""

    def __init__(self, daemon, bucket, name, seed, clients=2):
        self.racers = [Racer(self, Client(daemon, bucket), random.Random(f"{seed}/{i}")) for i in range(clients)]
        self.name, self.lock = name, threading.Lock()
        self.won = {}  # key → the Value that was acknowledged
        self.lost = set()  # keys of which a client was told that another has won
        self.unanswered = {}  # key → [Value]

    def key(self, n):
        return f"{self.name}/{n:05d}"

    def check(self):
        client = self.racers[0].client
        for key in self.keys():
            found, won = client.get(key), self.won.get(key)
            if won is not None:
                assert found == won, f"{key} is {found}, acknowledged was {won}"
            elif found is None:
                assert key not in self.lost, f"{key} was there and is gone"
            else:
                assert found in self.unanswered[key], f"{key} is {found}"
        client.close()

    def keys(self):
        return self.won.keys() | self.lost | self.unanswered.keys()


class Racer:
    gone = GONE + (Refused,)

    def __init__(self, race, client, chance):
        self.race, self.client, self.random = race, client, chance

    def step(self, n):
        key, body = self.race.key(n), self.random.randbytes(self.random.choice((100, 20_000)))
        value = Value.of(body, f'"{hashlib.md5(body).hexdigest()}"')
        with self.race.lock:
            self.race.unanswered.setdefault(key, []).append(value)
        reply = self.client.ask("PUT", key, body=body, headers={"if-none-match": "*"}, good=(200, 409, 412))
        with self.race.lock:
            self.race.unanswered[key].remove(value)
            if reply.status == 200:
                assert key not in self.race.won, f"{key} was won twice"
                self.race.won[key] = value
            elif reply.status == 412:
                self.race.lost.add(key)
