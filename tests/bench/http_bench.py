#!/usr/bin/python3
"""The HTTP server with different numbers of seats against nginx: 4 KiB replies, one wrk thread.
usage: tests/bench/http_bench.py [BUILD FOLDER]    rounds alternate, so that what else the machine does hits all alike"""
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROUNDS, SECONDS, CONNECTIONS = 5, 2, 32
SEATS = [0, 1, 16, 64]  # 0: as many as cores


def cpu_seconds(pid):
    """Of a process and the children it has waited for or not: nginx's work is done by its workers."""
    pids = [pid] + [int(c) for c in open(f"/proc/{pid}/task/{pid}/children").read().split()]
    fields = [open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split() for p in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def rate(address, pid):
    """Requests per second, and what each of them cost the server in microseconds of CPU."""
    before = cpu_seconds(pid)
    out = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", f"http://{address}/x"], capture_output=True, text=True, check=True,
                         timeout=60).stdout
    cpu = cpu_seconds(pid) - before
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), cpu * 1e6 / int(re.search(r"(\d+) requests in", out)[1])


def start_nginx(folder):
    with open(f"{folder}/x", "wb") as f:
        f.write(bytes(4096))
    os.chmod(folder, 0o755)
    with open(f"{folder}/conf", "w") as f:
        f.write(f"""worker_processes auto; daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ }}
http {{ access_log off; keepalive_requests 1000000000; open_file_cache max=10; server {{ listen 127.0.0.1:9899; root {folder}; }} }}""")
    return subprocess.Popen(["nginx", "-p", folder, "-c", f"{folder}/conf"], stderr=subprocess.DEVNULL)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    with tempfile.TemporaryDirectory() as folder:
        nginx = start_nginx(folder)
        servers = {}
        for seats in SEATS:
            p = subprocess.Popen([f"{build}/tests/bench/http_bench", "127.0.0.1:0", str(seats)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            servers[seats] = (p, p.stdout.readline().strip())
        rates = {name: [] for name in ["nginx", *SEATS]}
        for _ in range(ROUNDS):
            rates["nginx"].append(rate("127.0.0.1:9899", nginx.pid))
            for seats in SEATS:
                rates[seats].append(rate(servers[seats][1], servers[seats][0].pid))
        for p, _ in servers.values():
            p.stdin.close()
            p.wait(30)
        nginx.terminate()
        nginx.wait(30)
    base = statistics.median(r for r, _ in rates["nginx"])
    print("| server | requests/s | of nginx | CPU per request, us |\n|---|---|---|---|")
    for name, values in rates.items():
        title = name if name == "nginx" else f"{name or os.cpu_count()} seats" + ("" if name else ", the default here")
        median = statistics.median(r for r, _ in values)
        print(f"| {title} | {median:,.0f} | {median / base:.2f} | {statistics.median(c for _, c in values):.1f} |")


if __name__ == "__main__":
    main()
