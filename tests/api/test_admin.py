"""What probes, scrapers and operators ask, over HTTP and by the cairn command; the credential that the first start makes."""
import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from cairn import Daemon, program
from mount import eventually
from raw import head, talk
from test_objects import body_of

HEALTH = [f"/{root}/health/{what}" for root in ("cairn", "minio") for what in ("live", "ready", "cluster", "cluster/read")]
METRICS = ["/cairn/metrics", "/minio/v2/metrics/cluster"]


def cairn(daemon, *argv, user=None, password=None, endpoint=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CAIRN_", "MINIO_", "AWS_"))}
    if user != "":
        env.update(CAIRN_ROOT_USER=user or daemon.user, CAIRN_ROOT_PASSWORD=password or daemon.password)
    return subprocess.run([program("cairn"), "--endpoint", endpoint or daemon.endpoint, *argv], env=env, capture_output=True, text=True, timeout=60)


# ---- health ----

@pytest.mark.parametrize("path", HEALTH)
def test_health_is_told_to_anybody(daemon, path):
    for method in "GET", "HEAD":
        reply = daemon.raw(method, path, sign=False)
        assert (reply.status, reply.body) == (200, b"")
    assert daemon.raw("GET", path).status == 200, "signed as well"
    for method in "PUT", "POST", "DELETE":
        reply = daemon.raw(method, path, sign=False)
        assert (reply.status, reply.code) == (405, "MethodNotAllowed")
    assert talk(daemon, f"GET {path} HTTP/1.0\r\n\r\n".encode()).status == 200, "a probe without Host"


@pytest.mark.parametrize("path", ["/cairn", "/cairn/", "/cairn/health", "/cairn/health/", "/cairn/health/live/", "/cairn/health/other", "/cairn/admin/v1/status/x",
                                  "/minio/admin", "/minio/other", "//cairn/health/live", "/cairn/../cairn/health/live"])
def test_other_paths_are_buckets_that_can_not_be(daemon, path):
    assert daemon.raw("GET", path, sign=False).status == 403
    assert daemon.raw("GET", path).status in (400, 404)
    assert daemon.raw("PUT", path, body=b"x").status in (400, 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_the_administration_of_minio_is_told_not_to_be_here(daemon, method):
    path = "/minio/admin/v3/info"
    assert daemon.raw(method, path, sign=False).code == "AccessDenied"
    region, daemon.region = daemon.region, ""
    try:
        reply = daemon.raw(method, path, query="x=1")
    finally:
        daemon.region = region
    assert (reply.status, reply.code) == (501, "NotImplemented")


def test_a_write_quorum_that_is_lost_is_not_ready_and_shows(tmp_path):
    daemon = Daemon(drives=4)
    try:
        daemon.start().s3.create_bucket(Bucket="photos")
        daemon.s3.put_object(Bucket="photos", Key="k", Body=body_of(300_000))
        daemon.stop()
        shutil.rmtree(daemon.drives[0])
        shutil.rmtree(daemon.drives[3])
        daemon.start("live")
        for path in HEALTH:
            assert daemon.raw("GET", path, sign=False).status == (200 if path.endswith(("live", "read")) else 503), path
        done = cairn(daemon, "ready")
        assert (done.returncode, done.stdout) == (1, "not ready: too few drives answer for a write\n")
        shown = cairn(daemon, "status")
        assert shown.returncode == 0 and "reads only" in shown.stdout and "2 online" in shown.stdout
        state = json.loads(cairn(daemon, "status", "--json").stdout)
        assert (state["readable"], state["writable"], state["drives_online"], state["drive_count"]) == (True, False, 2, 4)
        assert [drive["state"] == "online" for drive in state["drives"]].count(True) == 2
        assert daemon.raw("GET", "/photos/k").body == body_of(300_000)
        assert daemon.raw("PUT", "/photos/k", body=b"x").status == 503
        daemon.stop()
    finally:
        daemon.remove()


# ---- metrics ----

def samples(text):
    """{name{labels}: value}; every line is one that Prometheus takes."""
    found, described = {}, set()
    for line in text.splitlines():
        if line.startswith("# "):
            kind, name = re.fullmatch(r"# (HELP|TYPE) (cairn_[a-z_]+) .+", line).groups()
            assert (kind, name) not in described, "told twice"
            described.add((kind, name))
            continue
        name, labels, value = re.fullmatch(r'(cairn_[a-z_]+)(\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? ([0-9.e+-]+)', line).groups()
        assert ("TYPE", re.sub("_(bucket|sum|count)$", "", name)) in described or ("TYPE", name) in described
        assert name + (labels or "") not in found, line
        found[name + (labels or "")] = float(value)
    return found


def scrape(daemon, path=METRICS[0], sign=True):
    reply = daemon.raw("GET", path, sign=sign)
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return samples(reply.body.decode())


def test_metrics_count_what_happens(daemon, bucket):
    before = scrape(daemon)
    for i in range(7):
        daemon.raw("PUT", f"/{bucket}/k", body=body_of(1000))
        daemon.raw("GET", f"/{bucket}/k")
        daemon.raw("GET", f"/{bucket}/no")

    def grown(name):
        return after.get(name, 0) - before.get(name, 0)

    def the_last_request_is_counted():  # after its reply has gone out
        nonlocal after
        after = scrape(daemon)
        return grown('cairn_requests_total{operation="GetObject",outcome="client_error"}') >= 7

    after = {}
    eventually(the_last_request_is_counted)

    assert grown('cairn_requests_total{operation="PutObject",outcome="ok"}') == 7
    assert grown('cairn_requests_total{operation="GetObject",outcome="ok"}') == 7
    assert grown('cairn_requests_total{operation="GetObject",outcome="client_error"}') == 7
    assert grown('cairn_received_bytes_total{operation="PutObject"}') == 7000
    assert grown('cairn_sent_bytes_total{operation="GetObject"}') >= 7000
    assert grown('cairn_request_seconds_count{operation="PutObject"}') == 7
    assert after['cairn_request_seconds_bucket{operation="PutObject",le="+Inf"}'] == after['cairn_request_seconds_count{operation="PutObject"}']
    assert (after["cairn_readable"], after["cairn_writable"], after["cairn_drives"], after["cairn_drives_online"]) == (1, 1, 4, 4)
    assert 0 < after["cairn_free_bytes"] <= after["cairn_capacity_bytes"]


def test_refused_requests_are_counted_and_make_no_rows(daemon):
    before = scrape(daemon)
    for i in range(5):
        daemon.raw("GET", f"/{i}/stranger", sign=False)
        daemon.raw(f"METHOD{i}", "/x", sign=False)
        talk(daemon, b"nonsense\r\n\r\n")

    def all_are_counted():
        nonlocal after
        after = scrape(daemon)
        return sum(v - before.get(k, 0) for k, v in after.items() if k.startswith("cairn_requests_total") and "client_error" in k) >= 15

    after = {}
    eventually(all_are_counted)
    assert len(after) < len(before) + 100


@pytest.mark.parametrize("path", METRICS)
def test_metrics_are_for_those_who_sign(daemon, path):
    assert scrape(daemon, path)["cairn_writable"] == 1
    reply = daemon.raw("GET", path, sign=False)
    assert (reply.status, reply.code) == (403, "AccessDenied")


def test_metrics_may_be_made_public():
    with Daemon(drives=1, args=["--metrics-public"]) as daemon:
        for path in METRICS:
            assert scrape(daemon, path, sign=False)["cairn_drives"] == 1
        assert daemon.raw("GET", "/cairn/admin/v1/status", sign=False).status == 403, "the status stays for those who sign"


# ---- status ----

def test_the_status_document(daemon, bucket):
    reply = daemon.raw("GET", "/cairn/admin/v1/status")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    state = json.loads(reply.body)
    assert state["readable"] and state["writable"] and (state["drives_online"], state["drive_count"]) == (4, 4)
    assert [drive["path"] for drive in state["drives"]] == daemon.drives
    assert all(drive["state"] == "online" and drive["error"] == "" and 0 < drive["free"] <= drive["capacity"] for drive in state["drives"])
    assert len({drive["id"] for drive in state["drives"]}) == 4
    assert sum(drive["index_replica"] for drive in state["drives"]) == state["index_replicas"] == state["index_healthy"]
    (one,) = state["sets"]
    assert (one["drives"], one["parity"], one["online"], one["readable"], one["writable"]) == (4, 2, 4, True, True)
    assert state["data"].keys() == {"heal_pending", "heal_damaged", "healed_blobs", "blobs_freed_pending", "degraded_reads", "bitrot_found"}
    assert daemon.raw("GET", "/cairn/admin/v1/status", sign=False).status == 403
    assert daemon.raw("HEAD", "/cairn/admin/v1/status").body == b""


def test_a_drive_whose_path_is_no_utf_8_is_shown(tmp_path):
    folder = os.fsencode(tmp_path) + b"/drive\xff"
    os.mkdir(folder)
    daemon = Daemon(drives=0, args=[folder])
    try:
        daemon.start()
        (drive,) = json.loads(cairn(daemon, "status", "--json").stdout)["drives"]
        assert drive["path"] == f"{tmp_path}/drive?"
        daemon.stop()
    finally:
        daemon.remove()


def test_the_command_shows_the_status(daemon):
    shown = cairn(daemon, "status")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert all(drive in shown.stdout for drive in daemon.drives) and "reads and writes" in shown.stdout
    told = cairn(daemon, "status", "--json")
    assert told.returncode == 0 and len(json.loads(told.stdout)["drives"]) == 4
    ready = cairn(daemon, "ready", user="")
    assert (ready.returncode, ready.stdout) == (0, "ready\n")


@pytest.mark.parametrize("argv,options,message", [
    (["status"], {"password": "not the password"}, "SignatureDoesNotMatch"), (["status"], {"user": "stranger", "password": "long enough"}, "InvalidAccessKeyId"),
    (["status"], {"user": ""}, "CAIRN_ROOT_USER"), (["status"], {"endpoint": "http://127.0.0.1:1"}, "does not answer"), (["ready"], {"endpoint": "http://127.0.0.1:1"}, "does not answer"),
    (["ready"], {"endpoint": "unix:/nonexistent"}, "does not answer"), (["status"], {"endpoint": "nonsense"}, "endpoint"), (["frobnicate"], {}, "frobnicate"), ([], {}, "usage"),
    (["--nonsense"], {}, "nonsense"),
])
def test_the_command_fails_with_2_and_says_why(daemon, argv, options, message):
    done = cairn(daemon, *argv, **options)
    assert done.returncode == 2 and message in done.stderr, done
    assert daemon.password not in done.stderr


def test_the_command_takes_the_credentials_of_others(daemon):
    for user, password in ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("CAIRN_", "MINIO_", "AWS_"))}
        env.update({user: daemon.user, password: daemon.password, "CAIRN_ENDPOINT": daemon.endpoint})
        assert subprocess.run([program("cairn"), "status"], env=env, capture_output=True, timeout=60).returncode == 0, user


# ---- the root's credential ----

def test_the_first_start_makes_a_credential(tmp_path):
    daemon = Daemon(drives=4, user=None, password=None)
    try:
        daemon.start()
        path = os.path.join(daemon.drives[0], "root-credential")
        assert f"file={path} made=1" in daemon.log(), "its path is told"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with open(path) as f:
            daemon.user, daemon.password = re.fullmatch("CAIRN_ROOT_USER=([0-9a-f]{20})\nCAIRN_ROOT_PASSWORD=([0-9a-f]{40})\n", f.read()).groups()
        assert daemon.password not in daemon.log()
        daemon.s3.create_bucket(Bucket="mine")
        user, daemon.user = daemon.user, None
        daemon.restart()
        daemon.user = user
        assert [b["Name"] for b in daemon.s3.list_buckets()["Buckets"]] == ["mine"]
        daemon.stop()
        daemon.user = None
        os.chmod(path, 0o644)
        refused = start(daemon)
        assert refused.returncode == 1 and "chmod 600" in refused.stderr and daemon.password not in refused.stderr
        os.chmod(path, 0o600)
        with open(path, "w") as f:
            f.write("CAIRN_ROOT_USER=me\n")
        refused = start(daemon)
        assert refused.returncode == 1 and path in refused.stderr and "CAIRN_ROOT_PASSWORD" in refused.stderr
    finally:
        daemon.remove()


def start(daemon, *args, **env):
    """Of a daemon that must not start."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CAIRN_", "MINIO_", "AWS_"))}
    return subprocess.run([program("cairnd"), "--address", f"127.0.0.1:{daemon.port}", *args, *daemon.drives], env={**clean, **env}, capture_output=True,
                          text=True, timeout=60)


def test_a_credential_file_of_ones_own(tmp_path):
    path = tmp_path / "credential"
    path.write_text("CAIRN_ROOT_USER=operator\nCAIRN_ROOT_PASSWORD=a password with blanks\n")
    path.chmod(0o600)
    daemon = Daemon(drives=1, user=None, args=["--credentials-file", str(path)])
    try:
        daemon.start()
        daemon.user, daemon.password = "operator", "a password with blanks"
        assert daemon.raw("GET", "/").status == 200
        daemon.stop()
        assert not os.path.exists(os.path.join(daemon.drives[0], "root-credential"))
    finally:
        daemon.remove()


def test_credentials_under_other_names_and_in_arguments():
    for args, env in ([], {"MINIO_ROOT_USER": "operator", "MINIO_ROOT_PASSWORD": "long enough"}), (["--root-user", "operator", "--root-password", "long enough"], {}):
        daemon = Daemon(drives=1, user=None, args=args, env=env)
        try:
            daemon.start()
            daemon.user, daemon.password = "operator", "long enough"
            assert daemon.raw("GET", "/").status == 200
            daemon.stop()
        finally:
            daemon.remove()


@pytest.mark.parametrize("env", [{"CAIRN_ROOT_USER": "operator"}, {"CAIRN_ROOT_PASSWORD": "long enough"}, {"CAIRN_ROOT_USER": "operator", "CAIRN_ROOT_PASSWORD": "short"},
                                 {"CAIRN_ROOT_USER": "", "CAIRN_ROOT_PASSWORD": "long enough"}, {"CAIRN_ROOT_USER": "ab", "CAIRN_ROOT_PASSWORD": "long enough"}])
def test_half_a_credential_is_refused(env):
    daemon = Daemon(drives=1)
    try:
        refused = start(daemon, **env)
        assert refused.returncode == 1 and "root credential" in refused.stderr
        assert "long enough" not in refused.stderr
    finally:
        daemon.remove()


def test_the_order_of_a_requests_refusal(daemon):
    """Who asks is looked at before what is asked for."""
    assert talk(daemon, head(daemon, "GET", "/cairn/admin/v1/status", {"authorization": "AWS4-HMAC-SHA256 nonsense"}, sign=False)).code == "AuthorizationHeaderMalformed"
    assert talk(daemon, head(daemon, "GET", "/cairn/health/live", {"authorization": "AWS4-HMAC-SHA256 nonsense"}, sign=False)).status == 400
