"""Which bucket a host names, which host was signed when a proxy changed it, and whose word counts for it."""
import re
import socket
import time

import pytest

from cairn import Daemon
from raw import Connection
from test_objects import body_of

TRUSTED = "127.0.0.2"  # every address of 127.0.0.0/8 is this machine


@pytest.fixture(scope="module")
def edge():
    """A daemon behind proxies and meshes, as its options say."""
    args = ["--domain", "s3.test", "--domain", "files.s3.test", "--host-alias", "minio-east", "--host-alias", "*.mesh.test", "--trusted-proxy", f"{TRUSTED}/32",
            "--log-level", "debug"]
    with Daemon(drives=1, args=args) as daemon:
        daemon.s3.create_bucket(Bucket="photos")
        yield daemon


def ask(daemon, sent, signed=None, method="GET", path="/photos", query="", body=b"", source="127.0.0.1", before=b"", **unsigned):
    """Signs for one host and sends another, from that address; before goes out ahead of the request."""
    headers = {"host": signed or sent, "content-length": str(len(body))}
    daemon.sign(method, path, query, headers, "UNSIGNED-PAYLOAD")
    headers.update({"host": sent, **{name.replace("_", "-"): value for name, value in unsigned.items()}})
    data = f"{method} {path}{'?' + query if query else ''} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
    sock = socket.create_connection(("127.0.0.1", daemon.port), timeout=30, source_address=(source, 0))
    with Connection(daemon, sock) as connection:
        return connection.send(before + data.encode() + body).reply(method)


# ---- a bucket in the host ----

def test_virtual_host_style(edge):
    host = f"photos.s3.test:{edge.port}"
    assert ask(edge, host, method="PUT", path="/a/b%20c", body=b"x").status == 200
    assert ask(edge, host, path="/a/b%20c").body == b"x"
    assert edge.raw("GET", "/photos/a/b%20c").body == b"x", "the same in path style"
    assert ask(edge, host, path="/", query="list-type=2").text("Key") == "a/b c"
    assert ask(edge, "PHOTOS.S3.TEST", path="/", query="location").status in (200, 404)
    assert ask(edge, "photos.files.s3.test", path="/a/b%20c").body == b"x", "the longer domain counts"
    assert ask(edge, "nothing.s3.test", path="/a").code == "NoSuchBucket"
    assert ask(edge, "s3.test", path="/photos/a/b%20c").body == b"x", "the domain itself is no bucket"
    assert ask(edge, "files.s3.test", path="/photos/a/b%20c").body == b"x"
    assert ask(edge, host, method="DELETE", path="/a/b%20c").status == 204


def test_a_bucket_is_made_and_removed_in_virtual_host_style(edge):
    assert ask(edge, "my.bucket.s3.test", method="PUT", path="/").status == 200
    assert ask(edge, "my.bucket.s3.test", method="HEAD", path="/").status == 200
    assert ask(edge, "my.bucket.s3.test", method="DELETE", path="/").status == 204
    for name in "cairn", "minio", "Bad", "a_b":
        reply = ask(edge, f"{name}.s3.test", method="PUT", path="/")
        assert (reply.status, reply.code) == (400, "InvalidBucketName")


def test_the_daemons_own_paths_are_keys_in_virtual_host_style(edge):
    for path in "/cairn/health/live", "/minio/health/live", "/cairn/admin/v1/status", "/cairn/metrics":
        assert ask(edge, "photos.s3.test", method="PUT", path=path, body=b"an object").status == 200
        assert ask(edge, "photos.s3.test", path=path).body == b"an object"
        assert ask(edge, "photos.s3.test", method="DELETE", path=path).status == 204
    assert ask(edge, "s3.test", path="/cairn/health/live").status == 200
    assert ask(edge, "anything", path="/cairn/health/live").status == 200


def test_boto3_in_virtual_host_style(edge, monkeypatch):
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: look_up("127.0.0.1" if host.endswith("s3.test") else host, *rest, **more))
    import boto3
    from botocore.config import Config

    s3 = boto3.client("s3", endpoint_url=f"http://s3.test:{edge.port}", region_name=edge.region, aws_access_key_id=edge.user,
                      aws_secret_access_key=edge.password, config=Config(s3={"addressing_style": "virtual"}, retries={"max_attempts": 0}))
    s3.create_bucket(Bucket="virtual")
    s3.put_object(Bucket="virtual", Key="a b/ü", Body=body_of(100_000))
    assert s3.get_object(Bucket="virtual", Key="a b/ü")["Body"].read() == body_of(100_000)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="virtual")["Contents"]] == ["a b/ü"]
    assert {b["Name"] for b in s3.list_buckets()["Buckets"]} >= {"virtual", "photos"}
    s3.delete_object(Bucket="virtual", Key="a b/ü")
    s3.delete_bucket(Bucket="virtual")


# ---- a host that is not the one signed ----

@pytest.mark.parametrize("sent,signed", [
    ("minio", "minio-east"), ("minio:{port}", "minio-east"), ("minio:{port}", "minio-east:{port}"),
    ("photos.internal:{port}", "photos.mesh.test"), ("photos", "photos.mesh.test"), ("photos:{port}", "photos.mesh.test:{port}"),
    ("any", "any:{port}"), ("any:{port}", "any"), ("any:443", "any"), ("any:80", "any"), ("any", "any:443"), ("[::1]:{port}", "[::1]"), ("[::1]", "[::1]:{port}"),
])
def test_a_changed_host_is_found_again(edge, sent, signed):
    assert ask(edge, sent.format(port=edge.port), signed.format(port=edge.port)).status == 200


@pytest.mark.parametrize("sent,signed", [("minio", "minio-west"), ("minio", "mesh.test"), ("photos.internal", "other.mesh.test"), ("any:1234", "any"), ("any", "any:1234"),
                                         ("minio", "east"), ("a.mesh.test", "b.mesh.test")])
def test_no_other_host_will_do(edge, sent, signed):
    reply = ask(edge, sent, signed)
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    assert reply.text("HostUsed") == sent and sent in reply.text("HostsTried").split(", ") and signed not in reply.text("HostsTried").split(", ")
    assert "minio-east" in reply.text("HostsTried")


def test_the_host_that_was_signed_names_the_bucket(edge):
    """A mesh that sends photos.internal for photos.s3.test."""
    edge.raw("PUT", "/photos/k", body=b"x")
    assert ask(edge, "minio", "photos.s3.test", path="/k", source=TRUSTED, x_forwarded_host="photos.s3.test").body == b"x"
    edge.raw("DELETE", "/photos/k")


# ---- what proxies say ----

def logged_client(daemon, reply):
    """client and tls of that request in the log."""
    mark = f" request id={reply.headers['x-amz-request-id']} "
    deadline = time.monotonic() + 10
    while mark not in daemon.log():  # written after the reply is sent
        assert time.monotonic() < deadline, "the request is not in the log"
    return re.search(mark + r"client=(\S+) tls=(\d)", daemon.log()).groups()


def test_forwarded_headers_count_from_trusted_proxies_alone(edge):
    for name, value in ("x_forwarded_host", "public.test"), ("forwarded", 'for=192.0.2.1;host="public.test";proto=https'):
        assert ask(edge, "minio", "public.test", source=TRUSTED, **{name: value}).status == 200
        reply = ask(edge, "minio", "public.test", **{name: value})
        assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
        assert "public.test" not in reply.text("HostsTried")
    assert ask(edge, "minio", "public.test:443", source=TRUSTED, x_forwarded_host="public.test").status == 200, "nginx's $host has no port"
    assert ask(edge, "minio", "public.test", source=TRUSTED, x_forwarded_host="other.test").status == 403


@pytest.mark.parametrize("source,forwarded,client", [
    (TRUSTED, {"x_forwarded_for": "192.0.2.7", "x_forwarded_proto": "https"}, ("192.0.2.7", "1")),
    (TRUSTED, {"x_forwarded_for": "198.51.100.1, 192.0.2.7"}, ("192.0.2.7", "0")),
    (TRUSTED, {"x_forwarded_for": f"198.51.100.1, 192.0.2.7, {TRUSTED}"}, ("192.0.2.7", "0")),
    (TRUSTED, {"forwarded": 'for="[2001:db8::1]:4711";proto=https'}, ("2001:db8::1", "1")),
    (TRUSTED, {"x_forwarded_for": "nonsense"}, (TRUSTED, "0")),
    (TRUSTED, {}, (TRUSTED, "0")),
    ("127.0.0.1", {"x_forwarded_for": "192.0.2.7", "x_forwarded_proto": "https"}, ("127.0.0.1", "0")),
    ("127.0.0.1", {"forwarded": "for=192.0.2.7;proto=https"}, ("127.0.0.1", "0")),
])
def test_the_client_is_whom_a_trusted_proxy_names(edge, source, forwarded, client):
    assert logged_client(edge, ask(edge, "any", source=source, **forwarded)) == client


V2 = b"\r\n\r\n\x00\r\nQUIT\n"
V2_TCP4 = V2 + b"\x21\x11\x00\x0c" + socket.inet_aton("192.0.2.7") + socket.inet_aton("127.0.0.1") + b"\x12\x34\x23\x28"
V2_TCP6 = V2 + b"\x21\x21\x00\x24" + socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "::1") + b"\x12\x34\x23\x28"
V2_TLS = V2 + b"\x21\x11\x00\x14" + socket.inet_aton("192.0.2.7") + socket.inet_aton("127.0.0.1") + b"\x12\x34\x23\x28" + b"\x20\x00\x05\x01\x00\x00\x00\x00"


@pytest.mark.parametrize("header,client", [
    (b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 9000\r\n", ("192.0.2.7", "0")), (b"PROXY TCP6 2001:db8::7 ::1 4660 9000\r\n", ("2001:db8::7", "0")),
    (b"PROXY UNKNOWN\r\n", (TRUSTED, "0")), (V2_TCP4, ("192.0.2.7", "0")), (V2_TCP6, ("2001:db8::7", "0")), (V2_TLS, ("192.0.2.7", "1")),
    (V2 + b"\x20\x00\x00\x00", (TRUSTED, "0")), (b"", (TRUSTED, "0")),
])
def test_the_proxy_protocol_of_a_trusted_proxy(edge, header, client):
    reply = ask(edge, "any", source=TRUSTED, before=header)
    assert reply.status == 200 and logged_client(edge, reply) == client


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 9000\r\n", V2_TCP4])
def test_the_proxy_protocol_of_anybody_else_is_no_request(edge, header):
    reply = ask(edge, "any", before=header)
    assert (reply.status, reply.code) == (400, "BadRequest")


@pytest.mark.parametrize("header", [b"PROXY TCP4 nonsense\r\n", b"PROXY TCP4 192.0.2.7 127.0.0.1 99999 9000\r\n", b"PROXY " + b"x" * 200 + b"\r\n",
                                    V2 + b"\x31\x11\x00\x00", V2 + b"\x21\x11\xff\xff", V2 + b"\x21\x11\x00\x04abcd"])
def test_a_broken_proxy_header_closes_the_connection(edge, header):
    sock = socket.create_connection(("127.0.0.1", edge.port), timeout=30, source_address=(TRUSTED, 0))
    with Connection(edge, sock) as connection:
        connection.send(header)
        assert connection.ended()
