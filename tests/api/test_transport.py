"""How requests reach the daemon: TLS, addresses, kept connections, and the end of all of them."""
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from cairn import Daemon, make_certificate, program
from raw import Connection, head
from test_objects import body_of

BIG = 24 << 20


def wait_for(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


# ---- TLS ----

class TlsDaemon(Daemon):
    """A daemon with a certificate in certs/, and another for sni.test."""

    def __init__(self, **options):
        super().__init__(tls=True, unix=True, **options)
        self.other_ca = make_certificate(os.path.join(self.certs, "other"), "other", "DNS:sni.test")

    def peer(self, name="127.0.0.1", **options):
        """The common name of the certificate that a new connection is shown."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
            der = tls.getpeercert(binary_form=True)
        shown = subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject"], input=der, capture_output=True, check=True, timeout=60)
        return re.search(r"CN = (\S+)", shown.stdout.decode())[1]


@pytest.fixture(scope="module")
def tls():
    with TlsDaemon(drives=1) as daemon:
        yield daemon


@pytest.fixture
def trusting(tls, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", tls.ca)
    return tls


def test_boto3_over_tls(trusting):
    s3 = trusting.s3
    s3.create_bucket(Bucket="secure")
    s3.put_object(Bucket="secure", Key="k", Body=body_of(3 << 20))
    assert s3.get_object(Bucket="secure", Key="k")["Body"].read() == body_of(3 << 20)
    s3.delete_object(Bucket="secure", Key="k")
    s3.delete_bucket(Bucket="secure")


def test_curl_and_the_operators_command_over_tls(trusting):
    url = f"{trusting.endpoint}/"
    sign = ["curl", "-sS", "--fail", "--aws-sigv4", f"aws:amz:{trusting.region}:s3", "--user", f"{trusting.user}:{trusting.password}", url]
    env = {k: v for k, v in os.environ.items() if k not in ("CURL_CA_BUNDLE", "SSL_CERT_FILE")}
    assert b"ListAllMyBucketsResult" in subprocess.run([*sign, "--cacert", trusting.ca], check=True, capture_output=True, timeout=60, env=env).stdout
    assert subprocess.run([*sign, "--cacert", trusting.other_ca], capture_output=True, timeout=60, env=env).returncode == 60, "not trusted"
    ask = [program("cairn"), "--endpoint", trusting.endpoint]
    assert subprocess.run([*ask, "--ca-file", trusting.ca, "ready"], capture_output=True, timeout=60).returncode == 0
    assert subprocess.run([*ask, "--ca-file", trusting.other_ca, "ready"], capture_output=True, timeout=60).returncode == 2


def test_a_name_chooses_its_certificate(tls):
    assert (tls.peer(), tls.peer("localhost"), tls.peer("sni.test"), tls.peer("SNI.test"), tls.peer("unknown.test")) == ("first", "first", "other", "other", "first")


def test_old_versions_of_tls_are_refused(tls):
    for version in ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with pytest.raises(OSError):
            tls.connect(context=context).connect()
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        connection = tls.connect(context=context)
        connection.request("GET", "/cairn/health/live")
        assert connection.sock.selected_alpn_protocol() == "http/1.1" and connection.getresponse().status == 200
        connection.close()


def test_what_is_no_tls_on_its_port(tls):
    for data in b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 100, b"\x80\x2e\x01\x00\x02" + b"\x00" * 50:
        with Connection(tls) as connection:
            try:
                assert b"HTTP/1.1" not in connection.send(data).end().file.read()
            except OSError:
                pass
    assert tls.peer() == "first"


def test_a_unix_socket_is_plain_all_the_same(tls):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(tls.unix)
    with Connection(tls, sock) as connection:
        assert connection.send(head(tls, "GET", "/")).reply().text("Name") is None


def test_certificates_are_read_again_at_sighup():
    with TlsDaemon(drives=1) as daemon:
        kept = daemon.connect()
        kept.request("GET", "/cairn/health/live")
        assert kept.getresponse().read() == b""
        daemon.ca = make_certificate(daemon.certs, "second", "IP:127.0.0.1")
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_for(lambda: daemon.peer() == "second", "the new certificate is shown")
        kept.request("GET", "/cairn/health/live")
        assert kept.getresponse().status == 200, "connections go on"
        kept.close()
        with open(os.path.join(daemon.certs, "public.crt"), "w") as broken:
            broken.write("-----BEGIN CERTIFICATE-----\nnonsense\n")
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_for(lambda: "certificates=kept" in daemon.log(), "the log says that it is broken")
        assert daemon.peer() == "second", "what was good is kept"


def test_sighup_without_tls_changes_nothing():
    with Daemon(drives=1) as daemon:
        os.kill(daemon.process.pid, signal.SIGHUP)
        assert daemon.raw("GET", "/").status == 200


# ---- what does not start ----

@pytest.mark.parametrize("args,message", [
    (["--certs-dir", "/nonexistent"], "public.crt"), (["--address", "nonsense"], "HOST:PORT"), (["--address", "127.0.0.1:99999"], "HOST:PORT"),
    (["--address", "::1:9000"], "HOST:PORT"), (["--address", "unix:"], "unix:PATH"), (["--address", "unix:/nonexistent/socket"], "No such file"),
    (["--address", "192.0.2.1:0"], "192.0.2.1"), (["--trusted-proxy", "10.0.0.1/8"], "10.0.0.0/8"), (["--trusted-proxy", "all"], "10.0.0.0/8"),
    (["--log-level", "loud"], "debug"), (["--parity", "9"], "parity"), (["--nonsense"], "--help"), (["--stop-timeout", "soon"], "30s"),
    (["http://host{1...4}/data"], "folders"), (["/data{4...1}"], "{1...4}"), (["/data{1...5000}"], "4096"), (["--root-password", "short"], "8"),
])
def test_a_daemon_that_can_not_start_says_why(tmp_path, args, message):
    env = dict(os.environ, CAIRN_ROOT_USER="user", CAIRN_ROOT_PASSWORD="password")
    (tmp_path / "drive").mkdir()
    address = [] if "--address" in args else ["--address", f"unix:{tmp_path}/socket"]
    done = subprocess.run([program("cairnd"), *address, *args, str(tmp_path / "drive")], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and message in done.stderr, done
    assert "password" not in done.stderr.replace("root-password", "").replace("a password", ""), "no secrets"


def test_an_address_that_is_taken(daemon, tmp_path):
    (tmp_path / "drive").mkdir()
    done = subprocess.run([program("cairnd"), "--address", f"127.0.0.1:{daemon.port}", str(tmp_path / "drive")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "Address already in use" in done.stderr, done


def test_help_and_version():
    shown = subprocess.run([program("cairnd"), "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "--trusted-proxy" in shown and "CAIRN_ROOT_PASSWORD" in shown
    assert subprocess.run([program("cairnd"), "--version"], capture_output=True, text=True, timeout=60, check=True).stdout.startswith("cairnd ")


# ---- addresses ----

def test_several_addresses_of_every_family():
    with Daemon(drives=1) as daemon:
        path = os.path.join(daemon.folder, "socket")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)  # left by a process that died
        stale.close()
        daemon.stop()
        daemon.args = ["--address", f"[::1]:{daemon.port}", "--address", f"unix:{path}", "--address", "localhost:0"]
        daemon.start()
        families = [socket.create_connection(("::1", daemon.port), timeout=30), socket.create_connection(("127.0.0.1", daemon.port), timeout=30)]
        families.append(socket.socket(socket.AF_UNIX))
        families[2].connect(path)
        also = re.findall(r"listening address=(\S+):(\d+) ", daemon.log())
        families.append(socket.create_connection((also[-1][0].strip("[]"), int(also[-1][1])), timeout=30))
        for sock in families:
            with Connection(daemon, sock) as connection:
                assert connection.send(head(daemon, "GET", "/")).reply().status == 200
        env = dict(os.environ, CAIRN_ROOT_USER=daemon.user, CAIRN_ROOT_PASSWORD=daemon.password)
        for endpoint in f"unix:{path}", f"http://[::1]:{daemon.port}", daemon.endpoint:
            assert subprocess.run([program("cairn"), "--endpoint", endpoint, "status"], env=env, capture_output=True, timeout=60).returncode == 0, endpoint
        daemon.stop()
        assert not os.path.exists(path), "a stop takes its socket away"


def test_a_unix_path_that_is_in_use_is_left_alone(tmp_path):
    (tmp_path / "drive").mkdir()
    path = str(tmp_path / "file")
    with open(path, "w") as f:
        f.write("precious")
    done = subprocess.run([program("cairnd"), "--address", f"unix:{path}", str(tmp_path / "drive")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and path in done.stderr
    with open(path) as f:
        assert f.read() == "precious"


# ---- kept connections ----

def test_many_requests_on_one_connection(daemon, bucket):
    connection = daemon.connect()
    for i in range(50):
        assert daemon.raw("PUT", f"/{bucket}/k{i}", body=body_of(i * 700), connection=connection).status == 200
        assert daemon.raw("GET", f"/{bucket}/k{i}", connection=connection).body == body_of(i * 700)
        assert daemon.raw("HEAD", f"/{bucket}/k{i}", connection=connection).body == b""
        assert daemon.raw("GET", f"/{bucket}/no", connection=connection).status == 404
        assert daemon.raw("DELETE", f"/{bucket}/k{i}", connection=connection).status == 204
    connection.close()


def test_pipelined_requests_are_answered_in_order(daemon, bucket):
    with Connection(daemon) as connection:
        for i in range(30):
            connection.send(head(daemon, "PUT", f"/{bucket}/k{i}", {"content-length": "5000"}) + body_of(5000 + i)[i:])
            connection.send(head(daemon, "GET", f"/{bucket}/k{i}") + head(daemon, "HEAD", f"/{bucket}/k{i}") + head(daemon, "GET", f"/{bucket}/no{i}"))
        for i in range(30):
            assert connection.reply("PUT").status == 200
            assert connection.reply().body == body_of(5000 + i)[i:]
            assert connection.reply("HEAD").headers["content-length"] == "5000"
            assert connection.reply().text("Key") == f"no{i}"


def test_closing_is_as_the_client_wants(daemon, bucket):
    with Connection(daemon) as connection:
        reply = connection.send(head(daemon, "GET", f"/{bucket}", {"connection": "close"})).reply()
        assert reply.headers["connection"] == "close" and connection.ended()
    for keep in False, True:
        data = head(daemon, "GET", f"/{bucket}", {"connection": "keep-alive"} if keep else {}).replace(b"HTTP/1.1", b"HTTP/1.0")
        with Connection(daemon) as connection:
            reply = connection.send(data).reply()
            assert reply.status == 200
            assert (reply.headers.get("connection") == "keep-alive") == keep
            if keep:
                assert connection.send(data).reply().status == 200
            else:
                assert connection.ended()
    with Connection(daemon) as connection:
        assert connection.send(head(daemon, "GET", f"/{bucket}")).end().reply().status == 200, "half closed"
        assert connection.ended()


def test_100_continue(daemon, bucket):
    data = head(daemon, "PUT", f"/{bucket}/k", {"content-length": "100000", "expect": "100-continue"})
    with Connection(daemon) as connection:
        connection.send(data)
        assert connection.file.readline() == b"HTTP/1.1 100 Continue\r\n" and connection.file.readline() == b"\r\n"
        assert connection.send(body_of(100_000)).reply("PUT").status == 200
        assert connection.send(head(daemon, "GET", f"/{bucket}/k")).reply().body == body_of(100_000), "the connection is kept"
    with Connection(daemon) as connection:
        connection.send(data + body_of(100_000))
        assert connection.reply("PUT").status == 200, "a client that does not wait"
    with Connection(daemon) as connection:
        connection.send(data.replace(b"HTTP/1.1", b"HTTP/1.0") + body_of(100_000))
        assert b"100 Continue" not in connection.file.read(), "HTTP/1.0 knows of none"


def test_head_and_options(daemon, bucket):
    daemon.raw("PUT", f"/{bucket}/k", body=body_of(1000), headers={"content-type": "text/x"})
    get, head_reply = daemon.raw("GET", f"/{bucket}/k"), daemon.raw("HEAD", f"/{bucket}/k")
    for name in "content-length", "content-type", "etag", "last-modified", "accept-ranges":
        assert get.headers[name] == head_reply.headers[name]
    assert (head_reply.status, head_reply.body) == (200, b"")
    for path in "/no-such-bucket", f"/{bucket}/no", f"/{bucket}/{'x' * 1025}":
        reply = daemon.raw("HEAD", path)
        assert reply.status >= 400 and reply.body == b""
    reply = daemon.raw("OPTIONS", f"/{bucket}/k", headers={"origin": "https://x.test", "access-control-request-method": "GET"}, sign=False)
    assert reply.status == 403
    for method in "PATCH", "TRACE", "LINK", "get":
        assert daemon.raw(method, f"/{bucket}/k").code == "MethodNotAllowed"


# ---- the end ----

def test_connections_leave_descriptors_to_the_drives():
    daemon = Daemon(drives=4)
    daemon.under = ("prlimit", "--nofile=120:120")
    with daemon:
        silent = [Connection(daemon) for _ in range(150)]
        daemon.s3.create_bucket(Bucket="bkt")  # among the others, when some of them have been closed for their silence
        for i in range(3):
            assert daemon.raw("PUT", f"/bkt/{i}", body=body_of(BIG)).status == 200
        for connection in silent:
            connection.close()


def test_a_stop_lets_a_download_end():
    with Daemon(drives=1) as daemon:
        daemon.s3.create_bucket(Bucket="bkt")
        daemon.s3.put_object(Bucket="bkt", Key="k", Body=body_of(BIG))
        idle, busy = Connection(daemon), Connection(daemon)
        idle.send(head(daemon, "GET", "/")).reply()
        busy.send(head(daemon, "GET", "/bkt/k"))
        first = busy.file.read(100_000)
        process, daemon.process = daemon.process, None
        process.send_signal(signal.SIGTERM)
        assert idle.ended(), "an idle connection is closed at once"
        with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
            Connection(daemon, timeout=20).send(head(daemon, "GET", "/")).reply()
        assert process.poll() is None
        rest = busy.file.read()
        assert (first + rest).endswith(body_of(BIG)), "the download is whole"
        assert process.wait(60) == 0
        daemon.start()
        assert daemon.s3.get_object(Bucket="bkt", Key="k")["Body"].read() == body_of(BIG)


def test_a_stop_waits_no_longer_than_it_may():
    with Daemon(drives=1, args=["--stop-timeout", "300ms"]) as daemon:
        daemon.s3.create_bucket(Bucket="bkt")
        daemon.s3.put_object(Bucket="bkt", Key="k", Body=body_of(BIG))
        stuck = Connection(daemon)
        stuck.send(head(daemon, "GET", "/bkt/k"))
        stuck.file.read(1000)
        upload = Connection(daemon)
        upload.send(head(daemon, "PUT", "/bkt/new", {"content-length": "1000000"}) + b"x" * 1000)
        daemon.stop()
        with pytest.raises((ConnectionResetError, AssertionError)):
            assert stuck.file.read().endswith(body_of(BIG)), "a cut download can not pass for a whole one"
        daemon.start()
        assert [o["Key"] for o in daemon.s3.list_objects_v2(Bucket="bkt")["Contents"]] == ["k"]


def test_requests_under_way_at_a_stop_succeed_or_leave_nothing():
    """Writers go on until they are cut off; what was acknowledged is there after a restart."""
    with Daemon(drives=4) as daemon:
        daemon.s3.create_bucket(Bucket="bkt")
        done = []

        def write(worker):
            for i in range(10_000):
                try:
                    if daemon.raw("PUT", f"/bkt/{worker}/{i}", body=body_of(20_000)).status == 200:
                        done.append(f"{worker}/{i}")
                except (OSError, http.client.HTTPException):
                    return

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(done) > 50, "writers write")
        daemon.stop()
        for thread in threads:
            thread.join()
        daemon.start()
        keys = {o["Key"] for page in daemon.s3.get_paginator("list_objects_v2").paginate(Bucket="bkt") for o in page["Contents"]}
        assert keys >= set(done) and len(keys) <= len(done) + 4
