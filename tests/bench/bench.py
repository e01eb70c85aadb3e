#!/usr/bin/python3
"""make bench: Cairn against its yardsticks, in one run on one disk; ratios, a table and a plot.

Every figure is the median of several rounds in which Cairn and its yardstick take turns, so a machine whose speed drifts
drifts for both. Rows say what stood against what. Nothing here asserts: figures are for reading.
"""
import argparse
import datetime
import hashlib
import hmac
import html
import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from urllib.parse import quote

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("CAIRN_BUILD", os.path.join(TOP, "build"))
ACCESS, SECRET, REGION = "bench-access", "bench-secret-key", "us-east-1"
MIB = 1 << 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, ready, seconds=30):
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not become ready")
        time.sleep(0.05)


def run(argv, timeout=600, **keywords):
    return subprocess.run(argv, check=True, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **keywords).stdout


def drop_caches():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    except OSError:
        pass  # without root, "cold" is as cold as it gets; the table says so


# ---------------------------------------------------------------- signing


def signing_key(date):
    key = b"AWS4" + SECRET.encode()
    for part in (date[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def scope(date):
    return f"{date[:8]}/{REGION}/s3/aws4_request"


def signed_request(port, method, path, query="", body=b""):
    """One signed request; the reply's status and body."""
    host, date = f"127.0.0.1:{port}", datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    canonical = f"{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{date}\n\nhost;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD"
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope(date)}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(signing_key(date), to_sign.encode(), hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path + ("?" + query if query else ""), body, {
        "Host": host, "x-amz-date": date, "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope(date)},SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"})
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    if reply.status >= 300:
        raise SystemExit(f"{method} {path}: {reply.status} {content[:300]}")
    return content


def wrk(port, method, mode, seconds, connections, bucket="bench", count=1, size=0, prefix="load", threads=1):
    """Signed requests for some seconds: (requests/s, bytes/s)."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    environment = dict(os.environ, ACCESS=ACCESS, SIGNING_KEY=signing_key(date).hex(), SCOPE=scope(date), DATE=date,
                       HOST=f"127.0.0.1:{port}", PREFIX=prefix)
    out = run(["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s", "-s", os.path.join(HERE, "sign.lua"),
               f"http://127.0.0.1:{port}", "--", method, bucket, mode, str(count), str(size)], env=environment)
    requests, microseconds, size, errors = map(int, re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", out).groups())
    if errors:
        raise SystemExit(f"{errors} errors under load:\n{out}")
    return requests / microseconds * 1e6, size / microseconds * 1e6


# ---------------------------------------------------------------- what runs


class Process:
    def __init__(self, argv, log, **keywords):
        self.log = open(log, "w")
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=self.log, **keywords)
        self.pid = self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """(resident, of which anonymous), bytes."""
        with open(f"/proc/{self.pid}/status") as f:
            text = f.read()
        return tuple(int(re.search(rf"{name}:\s+(\d+)", text).group(1)) * 1024 for name in ("VmRSS", "RssAnon"))


class Daemon(Process):
    def __init__(self, folder, drives=4):
        self.port = free_port()
        paths = [os.path.join(folder, f"drive{i}") for i in range(1, drives + 1)]
        environment = dict(os.environ, CAIRN_ROOT_USER=ACCESS, CAIRN_ROOT_PASSWORD=SECRET)
        super().__init__([os.path.join(BUILD, "cairnd"), "--address", f"127.0.0.1:{self.port}"] + paths, os.path.join(folder, "cairnd.log"), env=environment)
        wait_for("cairnd", lambda: subprocess.run([os.path.join(BUILD, "cairn"), "--endpoint", self.endpoint(), "ready"],
                                                  env=environment, capture_output=True).returncode == 0)

    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"


class Nginx(Process):
    def __init__(self, folder, root):
        self.port = free_port()
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err; worker_processes 2; user root;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  server {{ listen 127.0.0.1:{self.port}; root {root}; default_type application/octet-stream; }} }}
""")
        super().__init__(["nginx", "-c", conf, "-e", f"{folder}/nginx.err"], os.path.join(folder, "nginx.log"))
        wait_for("nginx", self.answers)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


class Mount:
    """A FUSE file system under measurement; kind is its name in the table."""

    def __init__(self, kind, folder, daemon, bucket="mount"):
        self.kind, self.path, self.process = kind, os.path.join(folder, f"mnt-{kind}"), None
        os.makedirs(self.path, exist_ok=True)
        environment = dict(os.environ, AWS_ACCESS_KEY_ID=ACCESS, AWS_SECRET_ACCESS_KEY=SECRET)
        environment.pop("AWS_CA_BUNDLE", None)  # of the machine's own; rclone 1.60 refuses to start with it
        log = os.path.join(folder, f"{kind}.log")
        if kind == "cairnfs":
            argv = [os.path.join(BUILD, "cairnfs"), f"{daemon.endpoint()}/{bucket}", self.path, "-f"]
        elif kind == "s3fs":
            secret = os.path.join(folder, "s3fs.secret")
            with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
                f.write(f"{ACCESS}:{SECRET}")
            argv = ["s3fs", bucket, self.path, "-f", "-o", f"url={daemon.endpoint()},use_path_request_style,passwd_file={secret}"]
        elif kind == "rclone":
            argv = ["rclone", "mount", f":s3:{bucket}", self.path, "--s3-provider", "Other", "--s3-endpoint", daemon.endpoint(), "--s3-env-auth",
                    "--s3-region", REGION, "--vfs-cache-mode", "writes", "--config", os.path.join(folder, "rclone.conf"), "--cache-dir", os.path.join(folder, "rclone-cache")]
        else:
            source = os.path.join(folder, "passthrough")
            os.makedirs(source, exist_ok=True)
            argv = [passthrough(folder), "-f", "-o", f"source={source},cache=auto", self.path]
        self.process = Process(argv, log, env=environment)
        wait_for(f"the mount of {kind}", lambda: os.path.ismount(self.path))
        self.equal_read_ahead()

    def equal_read_ahead(self):
        device = os.stat(self.path).st_dev
        try:
            with open(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb", "w") as f:
                f.write("4096")
        except OSError:
            pass

    def stop(self):
        subprocess.run(["fusermount3", "-u", self.path], capture_output=True)
        try:
            self.process.process.wait(60)
        except subprocess.TimeoutExpired:
            subprocess.run(["fusermount3", "-uz", self.path], capture_output=True)
            self.process.stop()


def passthrough(folder):
    """libfuse's own example, built from the copy that Debian's libfuse3-dev installs."""
    program = os.path.join(folder, "passthrough_ll")
    if not os.path.exists(program):
        run(["gcc", "-O2", "-w", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-I/usr/include/fuse3", "-I/usr/share/doc/libfuse3-dev/examples",
             "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c", "-o", program, "-lfuse3", "-pthread"])
    return program


# ---------------------------------------------------------------- measurements

ROWS = []


def row(name, ours, theirs, unit, yardstick, target=None, better="more"):
    ratio = (ours / theirs if better == "more" else theirs / ours) if theirs and ours else None
    ROWS.append(dict(name=name, ours=ours, theirs=theirs, unit=unit, yardstick=yardstick, ratio=ratio, target=target))
    print(f"{name:46} {ours:12.1f} {unit:10} {yardstick:34} {theirs if theirs else 0:12.1f}  ratio {ratio if ratio else 0:6.2f}  target {target or ''}", flush=True)


def in_turn(rounds, *measures):
    """Runs the measures in turn and gives each one's median."""
    results = [[measure() for measure in measures] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*results)]


def bench_get(folder, daemon, options):
    root = os.path.join(folder, "static")
    for bucket, size in (("small", 4096), ("large", 64 * MIB)):
        os.makedirs(os.path.join(root, bucket))
        body = os.urandom(size)
        with open(os.path.join(root, bucket, "object"), "wb") as f:
            f.write(body)
        signed_request(daemon.port, "PUT", f"/{bucket}")
        signed_request(daemon.port, "PUT", f"/{bucket}/object", body=body)
    nginx = Nginx(folder, root)

    def rate(port, bucket, connections, figure):
        return lambda: wrk(port, "GET", "fixed", options.seconds, connections, bucket)[figure]

    try:
        ours, theirs = in_turn(options.rounds, rate(daemon.port, "small", 32, 0), rate(nginx.port, "small", 32, 0))
        row("GET 4 KiB, signed, 32 connections", ours, theirs, "/s", "nginx, static file", "≥ 0.6")
        ours, theirs = in_turn(options.rounds, rate(daemon.port, "large", 4, 1), rate(nginx.port, "large", 4, 1))
        row("GET 64 MiB, signed, 4 connections", ours / 1e6, theirs / 1e6, "MB/s", "nginx, static file", "≥ 0.9")
    finally:
        nginx.stop()


def bench_put(folder, daemon, options):
    signed_request(daemon.port, "PUT", "/put")
    for connections in (1, 16, 64):
        before = daemon.cpu_seconds()
        started = time.monotonic()
        rate, _ = wrk(daemon.port, "PUT", "new", options.seconds, connections, "put", size=4096, prefix=f"c{connections}")
        cpu = daemon.cpu_seconds() - before
        per_core = rate * (time.monotonic() - started) / cpu
        disk = float(fio(folder, "--rw=randwrite --bs=4k --size=64m --fdatasync=1", options.seconds)["jobs"][0]["write"]["iops"])
        row(f"PUT 4 KiB durable, concurrency {connections}", rate, disk, "/s", "fio write+fdatasync, one job", None)
        if connections == 64:
            row("PUT 4 KiB durable, per core of cairnd", per_core, 5000, "/s", "the target", "≥ 1")


def bench_list(daemon, options):
    """Pages of 1000 keys, one after the other; the rate is per second of cairnd's processor time."""
    keys = options.keys
    signed_request(daemon.port, "PUT", "/list")
    made = 0
    while made < keys:  # each thread of wrk numbers its own keys
        rate, _ = wrk(daemon.port, "PUT", "new", 5, 64, "list", size=16, prefix=f"d{made:08d}", threads=2)
        made = sum(1 for _ in list_keys(daemon.port, "list"))

    def once():
        cpu, started = daemon.cpu_seconds(), time.monotonic()
        n = sum(1 for _ in list_keys(daemon.port, "list"))
        return n / max(daemon.cpu_seconds() - cpu, 0.01), n / (time.monotonic() - started)

    per_core, wall = [statistics.median(x) for x in zip(*(once() for _ in range(options.rounds)))]
    row(f"LIST of {made} keys, per core of cairnd", per_core, 300000, "keys/s", "the target", "≥ 1")
    row(f"LIST of {made} keys, one client, wall clock", wall, None, "keys/s", "-")


def list_keys(port, bucket):
    token = ""
    while True:
        page = signed_request(port, "GET", f"/{bucket}", (f"continuation-token={token}&" if token else "") + "list-type=2")
        yield from re.findall(rb"<Key>([^<]*)</Key>", page)
        found = re.search(rb"<NextContinuationToken>([^<]*)</NextContinuationToken>", page)
        if not found:
            return
        token = quote(found.group(1).decode(), safe="-_.~")


def fio(folder, job, seconds, extra=()):
    out = subprocess.run(["fio", "--name=bench", f"--directory={folder}", "--output-format=json", "--ioengine=psync", f"--runtime={seconds}", "--invalidate=1"]
                         + job.split() + list(extra), check=True, stdout=subprocess.PIPE, timeout=600).stdout
    return json.loads(out[out.index(b"{"):])


def per_second(work, items):
    """Does the work for one item after the other."""
    started = time.monotonic()
    for item in items:
        work(item)
    return len(items) / (time.monotonic() - started)


def create_file(path, body=os.urandom(4096)):
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    os.write(fd, body)
    os.close(fd)


def read_file(path):
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 8192)
    os.close(fd)


def sequential(path, direction, size):
    """dd-like, 1 MiB at a time, cold; bytes per second, the close (and so the upload) included."""
    name = os.path.join(path, "sequential")
    drop_caches()
    started = time.monotonic()
    if direction == "write":
        block = os.urandom(MIB)
        with open(name, "wb", buffering=0) as f:
            for _ in range(size // MIB):
                f.write(block)
            os.fsync(f.fileno())
    else:
        with open(name, "rb", buffering=0) as f:
            while f.read(MIB):
                pass
    return size / (time.monotonic() - started)


def random_read(path, seconds):
    drop_caches()
    return fio(path, "--rw=randread --bs=4k --filename=sequential --time_based", seconds)["jobs"][0]["read"]["iops"]


def list_directory(path):
    """Names and attributes of a directory, cold: seconds."""
    drop_caches()
    started = time.monotonic()
    with os.scandir(path) as entries:
        n = sum(1 for e in entries if e.stat(follow_symlinks=False))
    return n, time.monotonic() - started


def measure_mount(kind, folder, daemon, options):
    """One round of a kind of mount: its figures by name."""
    mount = Mount(kind, folder, daemon)
    try:
        figures = {"write": sequential(mount.path, "write", options.file_mib * MIB) / 1e6}
        mount.stop()
        mount = Mount(kind, folder, daemon)  # a fresh mount: nothing of the file is in its caches
        figures["read"] = sequential(mount.path, "read", options.file_mib * MIB) / 1e6
        figures["random"] = random_read(mount.path, options.seconds)
        ours = kind in ("cairnfs", "passthrough")
        small = tempfile.mkdtemp(dir=mount.path)
        files = [os.path.join(small, f"file{i:06d}") for i in range(options.files if ours else options.files // 10)]
        figures["create"] = per_second(create_file, files)
        if ours:  # the others may be uploading still
            mount.stop()
            mount = Mount(kind, folder, daemon)
            figures["stat"] = per_second(os.stat, files)
            figures["open"] = per_second(read_file, files)
        return figures
    finally:
        mount.stop()


MOUNT_ROWS = (("write", "mount: sequential write, fsync", "MB/s", "≥ 0.8"), ("read", "mount: sequential read, cold", "MB/s", "≥ 0.8"),
              ("random", "mount: random 4 KiB reads, cold", "/s", None), ("create", "mount: create+write+close 4 KiB", "/s", "≥ 0.33"),
              ("stat", "mount: stat of files not seen before", "/s", None), ("open", "mount: open+read+close 4 KiB, cold", "/s", None))


def bench_mounts(folder, daemon, options):
    """Four drives of the store lie on one disk here, so a write is two to it (parity) and a change four (index replicas), where passthrough's is one;
    the rows "one drive" are the same work without redundancy."""
    one = Daemon(tempfile.mkdtemp(dir=folder), drives=1)
    kinds = {"passthrough": ("passthrough", daemon), "cairnfs": ("cairnfs", daemon), "one": ("cairnfs", one), "s3fs": ("s3fs", daemon), "rclone": ("rclone", daemon)}
    rounds = {name: [] for name in kinds}
    try:
        for d in (daemon, one):
            signed_request(d.port, "PUT", "/mount")
        for number in range(options.rounds):
            for name, (kind, d) in kinds.items():
                if number == 0 or name in ("passthrough", "cairnfs", "one"):
                    rounds[name].append(measure_mount(kind, tempfile.mkdtemp(dir=folder), d, options))
    finally:
        one.stop()
    figures = {name: {k: statistics.median(r[k] for r in taken) for k in taken[0]} for name, taken in rounds.items()}
    for what, name, unit, target in MOUNT_ROWS:
        row(name, figures["cairnfs"][what], figures["passthrough"][what], unit, "passthrough_ll", target)
        row(f"{name}, one drive", figures["one"][what], figures["passthrough"][what], unit, "passthrough_ll", target)
        for other in ("s3fs", "rclone"):
            if what in figures[other]:
                row(name, figures["cairnfs"][what], figures[other][what], unit, other)


def bench_readdir(folder, daemon, options):
    """The directory is the one that LIST was measured with, through a fresh mount."""
    mount = Mount("cairnfs", tempfile.mkdtemp(dir=folder), daemon, "list")
    try:
        biggest = max(os.scandir(mount.path), key=lambda e: sum(1 for _ in os.scandir(e.path))).name
    finally:
        mount.stop()
    seconds, count = [], 0
    for _ in range(options.rounds):
        mount = Mount("cairnfs", tempfile.mkdtemp(dir=folder), daemon, "list")
        try:
            count, s = list_directory(os.path.join(mount.path, biggest))
            seconds.append(s)
        finally:
            mount.stop()
    per_100k = statistics.median(seconds) * 100000 / count
    row(f"mount: readdir+stat, cold, of {count}, per 100,000", per_100k, 2.0, "s", "the target", "≥ 1", better="less")


def bench_memory(folder, options):
    """A daemon of its own that is given small objects, then left alone."""
    home = tempfile.mkdtemp(dir=folder)
    daemon = Daemon(home)
    try:
        signed_request(daemon.port, "PUT", "/many")
        made = 0
        while made < options.objects:
            rate, _ = wrk(daemon.port, "PUT", "new", 20, 64, "many", size=64, prefix=f"p{made:09d}", threads=2)
            made += int(rate * 20)
        time.sleep(options.idle)
        resident, anonymous = daemon.memory()
        row(f"memory at idle, {made} objects", resident / MIB, 256, "MiB", "the target", "≥ 1", better="less")
        row("… of which not page cache", anonymous / MIB, None, "MiB", "-", None, better="less")
    finally:
        daemon.stop()
        shutil.rmtree(home)


# ---------------------------------------------------------------- the report


def write_table(path):
    with open(path, "w") as f:
        f.write("| work | Cairn | yardstick | | ratio | target |\n|---|---:|---|---:|---:|---|\n")
        for r in ROWS:
            theirs = f"{r['theirs']:,.1f}" if r["theirs"] else ""
            ratio = f"{r['ratio']:.2f}" if r["ratio"] else ""
            f.write(f"| {r['name']} | {r['ours']:,.1f} {r['unit']} | {r['yardstick']} | {theirs} | {ratio} | {r['target'] or ''} |\n")


def write_plot(path):
    """A bar for each ratio on a logarithmic scale, the line at 1, a mark at the target; green where it is met, orange where not."""
    rows = [r for r in ROWS if r["ratio"]]
    low, high, left, width, step = 0.1, 100.0, 450, 420, 26

    def x(ratio):
        clipped = min(max(ratio, low), high)
        return left + width * (math.log10(clipped) - math.log10(low)) / (math.log10(high) - math.log10(low))

    height = step * len(rows) + 50
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="white"/>']
    for tick in (0.1, 1, 10, 100):
        out.append(f'<line x1="{x(tick):.0f}" x2="{x(tick):.0f}" y1="20" y2="{height - 24}" stroke="{"#444" if tick == 1 else "#ddd"}"/>'
                   f'<text x="{x(tick):.0f}" y="{height - 8}" text-anchor="middle">{tick:g}</text>')
    for i, r in enumerate(rows):
        y = 26 + i * step
        out.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{html.escape(r["name"])} / {html.escape(r["yardstick"])}</text>')
        start, end = sorted((x(1), x(r["ratio"])))
        colour = "#8090a8" if not r["target"] else "#3a7d5c" if r["ratio"] >= float(r["target"].split()[-1]) else "#c2703d"
        out.append(f'<rect x="{start:.0f}" y="{y}" width="{max(end - start, 1):.0f}" height="18" fill="{colour}"/>'
                   f'<text x="{end + 4:.0f}" y="{y + 13}">{r["ratio"]:.2f}</text>')
        if r["target"]:
            t = x(float(r["target"].split()[-1]))
            out.append(f'<line x1="{t:.0f}" x2="{t:.0f}" y1="{y - 2}" y2="{y + 20}" stroke="black" stroke-dasharray="3 2"/>')
    out.append("</svg>")
    with open(path, "w") as f:
        f.write("\n".join(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="get,put,list,readdir,mounts,memory", help="which parts, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--keys", type=int, default=100000, help="of the LIST")
    parser.add_argument("--files", type=int, default=2000, help="of create+write+close")
    parser.add_argument("--file-mib", type=int, default=512, help="of sequential read and write")
    parser.add_argument("--objects", type=int, default=1000000, help="of the memory figure")
    parser.add_argument("--idle", type=int, default=90, help="seconds left alone before memory is read")
    parser.add_argument("--folder", default=os.path.join(TOP, "var"), help="on the disk to measure")
    parser.add_argument("--report", help="write REPORT.md and REPORT.svg")
    options = parser.parse_args()
    parts = options.only.split(",")
    os.makedirs(options.folder, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="bench-", dir=options.folder)
    daemon = Daemon(folder)
    try:
        for name, part in (("get", lambda: bench_get(folder, daemon, options)), ("put", lambda: bench_put(folder, daemon, options)),
                           ("list", lambda: bench_list(daemon, options)), ("readdir", lambda: bench_readdir(folder, daemon, options)),
                           ("mounts", lambda: bench_mounts(folder, daemon, options)), ("memory", lambda: bench_memory(folder, options))):
            if name in parts:
                part()
    finally:
        daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if options.report:
        write_table(options.report + ".md")
        write_plot(options.report + ".svg")


if __name__ == "__main__":
    main()
