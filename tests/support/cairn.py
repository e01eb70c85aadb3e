"""Starts a cairnd of its own for a test, and talks to it: through boto3, or by raw signed requests that no client would send.

    with Daemon(drives=4) as daemon:
        daemon.s3.create_bucket(Bucket="photos")
        daemon.raw("PUT", "/photos/a", body=b"x", headers={"content-md5": "?"})

The programs are those of the folder CAIRN_BUILD (build/ when it is not set). CAIRN_TRANSPORT=tls gives every daemon a certificate of its
own; with =unix mounts go over its unix socket.
"""
import hashlib
import hmac
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from datetime import datetime, timezone

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REGION = "us-east-1"
USER, PASSWORD = "cairn-tester", "not-a-secret-at-all"
UNSIGNED = "UNSIGNED-PAYLOAD"
START_SECONDS, STOP_SECONDS = 60, 60


def program(name):
    """The path of a program under test."""
    build = os.environ.get("CAIRN_BUILD", "build")
    path = os.path.join(ROOT, build, name)
    assert os.access(path, os.X_OK), f"{path} is not there: build it first"
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def transport():
    """How mounts reach their daemon: "tcp", "unix" or "tls"."""
    return os.environ.get("CAIRN_TRANSPORT", "tcp")


def make_certificate(folder, name, *names):
    """A self-signed certificate for these names; its path."""
    os.makedirs(folder, exist_ok=True)
    cert = os.path.join(folder, "public.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=" + ",".join(names), "-keyout", os.path.join(folder, "private.key"), "-out", cert],
                   check=True, capture_output=True, timeout=60)
    return cert


class Daemon:
    """A cairnd over temporary drives. start, stop and kill may be called again and again; drives and port stay."""

    def __init__(self, drives=4, args=(), env=None, user=USER, password=PASSWORD, region=REGION, folder=None,
                 tls=transport() == "tls", unix=transport() == "unix"):
        self.folder = folder or tempfile.mkdtemp(prefix="cairn-test-")
        self.drives = [os.path.join(self.folder, f"drive{i + 1}") for i in range(drives)]
        for drive in self.drives:
            os.makedirs(drive, exist_ok=True)
        self.args, self.env = list(args), dict(env or {})
        self.user, self.password, self.region = user, password, region
        self.port = free_port()
        self.unix = os.path.join(self.folder, "socket") if unix else None
        self.certs = os.path.join(self.folder, "certs")
        self.ca = make_certificate(self.certs, "first", "IP:127.0.0.1", "DNS:localhost") if tls else None
        self.args += ["--address", f"unix:{self.unix}"] if unix else []
        self.args += ["--certs-dir", self.certs] if tls else []
        self.log_path = os.path.join(self.folder, "log")
        self.process = None

    # ---- life ----

    under = ()  # a command that starts it, as ("prlimit", "--nofile=100")

    def spawn(self):
        """Starts it and does not wait."""
        env = dict(os.environ, **self.env)
        if self.user:  # else the daemon makes up its own
            env.update(CAIRN_ROOT_USER=self.user, CAIRN_ROOT_PASSWORD=self.password)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        command = [*self.under, program("cairnd"), "--address", f"127.0.0.1:{self.port}", *self.args, *self.drives]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)

    def start(self, health="ready"):
        """Until it is ready; "live": until it serves, though it may take no writes."""
        self.spawn()
        deadline = time.monotonic() + START_SECONDS
        while not self.is_(health):
            assert self.process.poll() is None, f"cairnd ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"cairnd is not {health}:\n{self.log()}"
            time.sleep(0.02)
        return self

    def is_(self, health):
        try:
            connection = self.connect(timeout=5)
            connection.request("GET", f"/cairn/health/{health}")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        """Ends it cleanly. What its sanitizers found fails the test."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"cairnd did not stop:\n{self.log()}")
        assert code == 0, f"cairnd ended with {code}:\n{self.log()}"

    def kill(self):
        """kill -9, as a power cut for the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
        finally:
            self.remove()

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-8000:]

    # ---- clients ----

    @property
    def endpoint(self):
        return f"{'https' if self.ca else 'http'}://127.0.0.1:{self.port}"

    @property
    def mount_endpoint(self):
        return f"unix:{self.unix}:" if self.unix and not self.ca else self.endpoint

    @property
    def mount_options(self):
        """What a mount needs beside its source."""
        return [f"ca_file={self.ca}"] if self.ca else []

    @property
    def s3(self):
        return self.client()

    def client(self, **config):
        """A boto3 client; config goes into its Config."""
        import boto3
        from botocore.config import Config

        config.setdefault("retries", {"max_attempts": 0})
        config.setdefault("s3", {"addressing_style": "path"})
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=self.region, aws_access_key_id=self.user,
                            aws_secret_access_key=self.password, verify=self.ca, config=Config(**config))

    def environment(self):
        """What the AWS CLI and its like want."""
        trust = {"AWS_CA_BUNDLE": self.ca, "RCLONE_CA_CERT": self.ca} if self.ca else {}
        return dict(os.environ, AWS_ACCESS_KEY_ID=self.user, AWS_SECRET_ACCESS_KEY=self.password,
                    AWS_DEFAULT_REGION=self.region, AWS_EC2_METADATA_DISABLED="true", **trust)

    def connect(self, timeout=60, context=None):
        if not self.ca:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        context = context or ssl.create_default_context(cafile=self.ca)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    def raw(self, method, path, query="", body=b"", headers=None, payload=None, sign=True, host=None, length=True,
            connection=None):
        """Sends exactly this: path and query go out as they are given (percent-encoded by the caller), headers too.

        payload is x-amz-content-sha256: the body's hash when None. length: send Content-Length. Answers a Reply."""
        headers = {k.lower(): v for k, v in (headers or {}).items()}
        headers.setdefault("host", host or f"127.0.0.1:{self.port}")
        if sign:
            self.sign(method, path, query, headers, hashlib.sha256(body).hexdigest() if payload is None else payload)
        if length and "content-length" not in headers and (body or method in ("PUT", "POST")):
            headers["content-length"] = str(len(body))
        own = connection is None
        connection = connection or self.connect()
        connection.putrequest(method, path + ("?" + query if query else ""), skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        if body:
            connection.send(body)
        reply = Reply(connection.getresponse())
        if own:
            connection.close()
        return reply

    def sign(self, method, path, query, headers, payload):
        """Adds x-amz-date, x-amz-content-sha256 and authorization to headers."""
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers.setdefault("x-amz-date", now)
        headers.setdefault("x-amz-content-sha256", payload)
        stamp, scope = headers["x-amz-date"], f"{headers['x-amz-date'][:8]}/{self.region}/s3/aws4_request"
        names = sorted(n for n in headers if n == "host" or n == "content-md5" or n.startswith("x-amz-"))
        pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True, encoding="latin-1"))
        canonical = "\n".join([
            method,
            quote(urllib.parse.unquote_to_bytes(path), "/"),
            "&".join(f"{quote(k.encode('latin-1'))}={quote(v.encode('latin-1'))}" for k, v in pairs),
            *(f"{n}:{' '.join(headers[n].split())}" for n in names), "", ";".join(names),
            headers["x-amz-content-sha256"]])
        key = ("AWS4" + self.password).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode("latin-1")).hexdigest()])
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.user}/{scope},"
                                    f"SignedHeaders={';'.join(names)},Signature={signature}")


def quote(raw, safe=""):
    return urllib.parse.quote(raw, safe=safe + "-._~")


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    def text(self, element):
        """The text of the first <element> of an XML body, or None."""
        import xml.etree.ElementTree as tree

        if not self.body:
            return None
        for node in tree.fromstring(self.body).iter():
            if node.tag.rpartition("}")[2] == element:
                return node.text or ""
        return None

    @property
    def code(self):
        """The S3 error code."""
        return self.text("Code") if self.status >= 300 else None

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:500]!r}>"
