"""Requests that no client library would make: bytes on a socket, presigned URLs and signed chunks with any part of them wrong."""
import hashlib
import hmac
import http.client
import socket
import urllib.parse
from datetime import datetime, timedelta, timezone

from cairn import Reply, quote

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def stamp(seconds=0):
    """x-amz-date of that many seconds from now."""
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%SZ")


# ---- bytes on a socket ----

class Connection:
    """Sends bytes, reads replies one after the other."""

    def __init__(self, daemon, sock=None, timeout=30):
        self.sock = sock or socket.create_connection(("127.0.0.1", daemon.port), timeout=timeout)
        self.sock.settimeout(timeout)
        self.file = self.sock.makefile("rb")

    def makefile(self, *_):
        """For http.client, which closes what it gets after each reply."""
        return Kept(self.file)

    def send(self, data):
        self.sock.sendall(data)
        return self

    def end(self):
        """No more bytes from us."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reply(self, method="GET"):
        response = http.client.HTTPResponse(self, method=method)
        response.begin()
        return Reply(response)

    def ended(self):
        """Whether the peer closes, with nothing before that."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Kept:
    def __init__(self, file):
        self.file = file

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.file, name)


def head(daemon, method, path, headers=None, payload="UNSIGNED-PAYLOAD", query="", sign=True):
    """The bytes of a signed request's head; Content-Length is what headers say."""
    headers = {"host": f"127.0.0.1:{daemon.port}", **(headers or {})}
    if sign:
        daemon.sign(method, path, query, headers, payload)
    target = path + ("?" + query if query else "")
    return f"{method} {target} HTTP/1.1\r\n".encode() + b"".join(f"{k}: {v}\r\n".encode("latin-1") for k, v in headers.items()) + b"\r\n"


def talk(daemon, data):
    """Sends data and nothing more; the first reply."""
    with Connection(daemon) as connection:
        return connection.send(data).end().reply()


# ---- keys ----

def signing_key(password, scope):
    key = ("AWS4" + password).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def hmac_hex(key, *lines):
    return hmac.new(key, "\n".join(lines).encode("latin-1"), hashlib.sha256).hexdigest()


# ---- presigned URLs ----

def presign(daemon, method, path, expires=60, age=0, headers=None, parameters=None, change=None, password=None, region=None):
    """path?query of a presigned URL that was made age seconds ago.

    headers are signed besides host, parameters stand in the query too; change replaces X-Amz-… before the signature is made
    (None leaves one out)."""
    date = stamp(-age)
    scope = f"{date[:8]}/{region or daemon.region}/s3/aws4_request"
    signed = {"host": f"127.0.0.1:{daemon.port}", **(headers or {})}
    names = ";".join(sorted(signed))
    pairs = {**(parameters or {}), "X-Amz-Algorithm": ALGORITHM, "X-Amz-Credential": f"{daemon.user}/{scope}", "X-Amz-Date": date,
             "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": names, **(change or {})}
    query = "&".join(f"{quote(k.encode())}={quote(v.encode())}" for k, v in sorted(pairs.items()) if v is not None)
    canonical = "\n".join([method, quote(urllib.parse.unquote_to_bytes(path), "/"), query,
                           *(f"{n}:{signed[n]}" for n in sorted(signed)), "", names, pairs.get("X-Amz-Content-Sha256") or "UNSIGNED-PAYLOAD"])
    signature = hmac_hex(signing_key(password or daemon.password, scope), ALGORITHM, date, scope, hashlib.sha256(canonical.encode()).hexdigest())
    return f"{path}?{query}&X-Amz-Signature={signature}"


# ---- aws-chunked ----

class Chunked:
    """Signs and frames a body chunk by chunk, as SDKs do; a test may take the pieces apart.

    headers are those of the request, signed already."""

    def __init__(self, daemon, headers):
        self.date, self.payload = headers["x-amz-date"], headers["x-amz-content-sha256"]
        self.scope = f"{self.date[:8]}/{daemon.region}/s3/aws4_request"
        self.key = signing_key(daemon.password, self.scope)
        self.previous = headers["authorization"].rpartition("Signature=")[2]

    def chunk(self, data):
        if self.payload == STREAMING_UNSIGNED_TRAILER:
            return b"%x\r\n" % len(data) + (data + b"\r\n" if data else b"")
        self.previous = hmac_hex(self.key, ALGORITHM + "-PAYLOAD", self.date, self.scope, self.previous, EMPTY_SHA256, hashlib.sha256(data).hexdigest())
        return b"%x;chunk-signature=%s\r\n" % (len(data), self.previous.encode()) + (data + b"\r\n" if data else b"")

    def trailer(self, name, value):
        text = f"{name}:{value}\r\n".encode()
        if self.payload == STREAMING_TRAILER:
            digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
            text += f"x-amz-trailer-signature:{hmac_hex(self.key, ALGORITHM + '-TRAILER', self.date, self.scope, self.previous, digest)}\r\n".encode()
        return text

    def body(self, data, size=65536, trailer=None):
        """All of it: list of chunks, the last of them the empty one with trailer and end."""
        chunks = [self.chunk(data[i:i + size]) for i in range(0, len(data), size)]
        return [*chunks, self.chunk(b"") + (self.trailer(*trailer) if trailer else b"") + b"\r\n"]


def chunked_headers(daemon, method, path, payload, length, headers=None, query=""):
    """Signed headers of a request with a streamed body; Content-Length is still to be added."""
    headers = {"host": f"127.0.0.1:{daemon.port}", "content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(length), **(headers or {})}
    daemon.sign(method, path, query, headers, payload)
    return headers


def put_chunked(daemon, path, data, payload, trailer=None, size=65536, headers=None, spoil=None, length=None, query=""):
    """PUTs data in chunks; spoil(list of encoded chunks) may change them before they are sent. Answers a Reply."""
    headers = dict(headers or {})
    if trailer:
        headers.setdefault("x-amz-trailer", trailer[0])
    headers = chunked_headers(daemon, "PUT", path, payload, len(data) if length is None else length, headers, query)
    chunks = Chunked(daemon, headers).body(data, size, trailer)
    if spoil:
        chunks = spoil(chunks)
    return daemon.raw("PUT", path, query=query, body=b"".join(chunks), headers=headers, sign=False)
