# SPDX-License-Identifier: MIT
"""What bench/run measures with: processes pinned to CPUs, the CPU time of a server and of all its
children, wrk, tables. It knows no server; bench/servers.py does.
"""

import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import statistics
import subprocess
import time

CRLF = "\r\n"
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# What wrk counts and sums up, as one line of JSON.
WRK_REPORT = """
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format('{"requests": %d, "bytes": %.0f, "us": %d, "errors": %d}', summary.requests, summary.bytes,
    summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def cpus():
    """(for the server, for the load); the same one on a machine that has no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def spawn(command, pinned, **options):
    """Starts a command on the given CPUs (a set), with as many descriptors as allowed, in a session of
    its own: Apache ends its whole process group."""
    def prepare():
        os.sched_setaffinity(0, pinned)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return subprocess.Popen([str(word) for word in command], preexec_fn=prepare,
                            stdin=options.pop("stdin", subprocess.DEVNULL), start_new_session=True,
                            **options)


def stop(process, limit=15):
    """Ends a process that we started, with those below it that do not follow."""
    if process.poll() is not None:
        return
    below = family(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    end = time.monotonic() + limit
    while any(alive(pid) for pid in below - {process.pid}) and time.monotonic() < end:
        time.sleep(0.01)
    for pid in below - {process.pid}:
        if alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def stat_fields(pid):
    """/proc/PID/stat behind the name: [0] state, [1] parent, [13], [14] children's CPU time; or None."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2:].split()


def alive(pid):
    fields = stat_fields(pid)
    return fields is not None and fields[0] != "Z"


def family(pid):
    """The process and all below it."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(int(name))
            if fields:
                parents[int(name)] = int(fields[1])
    found, fresh = {pid}, {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


def own_cpu_ns(pid):
    """CPU time of the process's threads: schedstat counts nanoseconds, stat only clock ticks."""
    try:
        total = 0
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total
    except (FileNotFoundError, ProcessLookupError):
        fields = stat_fields(pid)
        return (int(fields[11]) + int(fields[12])) * TICK_NS if fields else 0


def cpu_ns(pid):
    """CPU time of a server: its processes, and what ended children of theirs have used."""
    total = 0
    for member in family(pid):
        fields = stat_fields(member)
        if fields:
            total += own_cpu_ns(member) + (int(fields[13]) + int(fields[14])) * TICK_NS
    return total


def pss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no Pss of {pid}")


def reserve_port():
    """(port, socket): bound, not listening; a server with SO_REUSEADDR can bind it, nobody is given it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock.getsockname()[1], sock


def wait_listening(port, process, limit=20):
    end = time.monotonic() + limit
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 2).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")


def wrk(folder, port, path, seconds, connections, cpu, headers=()):
    """One run of wrk; {"requests", "bytes", "us", "errors"}. headers: what is sent besides Host, in this order."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers, "", ""]
    script = folder / "load.lua"
    # Made once: wrk sends what wrk.format gives as long as there is no function `request`.
    script.write_text(f"wrk.format = function() return {json.dumps(CRLF.join(lines))} end" + WRK_REPORT)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}{path}"]
    process = spawn(command, {cpu}, stdout=subprocess.PIPE, text=True)
    text = process.communicate()[0]
    if process.returncode != 0:
        raise RuntimeError(f"wrk failed: {text}")
    return json.loads(text.splitlines()[-1])


class Samples:
    """Requests/s and CPU us/request of several servers over alternating rounds."""

    def __init__(self):
        self.rounds = {}  # name: [(rate, us, errors)]

    def add(self, name, requests, seconds, cpu_nanoseconds, errors):
        self.rounds.setdefault(name, []).append(
            (requests / seconds, cpu_nanoseconds / 1000 / max(requests, 1), errors))

    def rate(self, name):
        return statistics.median(sample[0] for sample in self.rounds[name])

    def us(self, name):
        return statistics.median(sample[1] for sample in self.rounds[name])

    def ratio(self, name, base, column):
        """Median over the rounds of this server's figure by that of the base in the same round."""
        pairs = zip(self.rounds[name], self.rounds[base])
        return statistics.median(own[column] / other[column] for own, other in pairs)

    def table(self, base, unit="request"):
        print(f"  {'':14} {unit + 's/s':>14} {'CPU us/' + unit:>18} {'rate ratio':>11} "
              f"{'CPU ratio':>10}  errors")
        for name in sorted(self.rounds, key=self.us):
            errors = sum(sample[2] for sample in self.rounds[name])
            print(f"  {name:14} {self.rate(name):14,.0f} {self.us(name):18.2f} "
                  f"{self.ratio(name, base, 0):11.2f} {self.ratio(name, base, 1):10.2f}  {errors or ''}")
