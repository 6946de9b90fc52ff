# SPDX-License-Identifier: MIT
"""The sections of bench/run about what happens to clients when workers die, configurations change and programs
are replaced, and about who gets which connections; musterd beside nginx, Apache prefork and lighttpd.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import time

import measure
import servers

KILL_WORKERS, SPREAD_WORKERS, SPREAD_CONNECTIONS = (4, 16, 64), 4, 400
# Where the kernel says that a process sleeps which waits for clients.
WAITING = {"do_epoll_wait", "ep_poll", "inet_csk_accept"}
LIMIT_S = 30
# Workers that die sooner are seen as a crash loop: musterd backs off.
SETTLED_S = 5.5


def children(pid):
    """Cheaper than a walk through /proc: it is asked over and over while a pool comes back."""
    return {int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def waits_for_clients(pid):
    try:
        where = pathlib.Path(f"/proc/{pid}/wchan").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    fields = measure.stat_fields(pid)
    return bool(fields) and fields[0] == "S" and (where in WAITING or where == "0")


def wait_until(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {LIMIT_S} s in vain for {what}")


class Whole:
    """Have all workers come back? Those that have are not looked at again."""

    def __init__(self, server, workers, without=()):
        self.server, self.workers, self.without, self.ready = server, workers, set(without), set()

    def __call__(self):
        for pid in children(self.server.pid) - self.without - self.ready:
            if waits_for_clients(pid):
                self.ready.add(pid)
        return len(self.ready) >= self.workers


def wait_whole(server, workers, without=()):
    whole = Whole(server, workers, without)
    wait_until(whole, f"{workers} workers of {server.name}")
    return whole.ready


def ask(bench, sock, close=False):
    """One request; RuntimeError unless the whole answer comes."""
    lines = [f"GET {bench.file} HTTP/1.1", "Host: bench", *(["Connection: close"] if close else []), "", ""]
    sock.sendall("\r\n".join(lines).encode())
    return answer(sock)


def answer(sock):
    data = b""
    while b"\r\n\r\n" not in data or len(data) < data.index(b"\r\n\r\n") + 4 + 1024:
        piece = sock.recv(65536)
        if not piece:
            raise RuntimeError(f"no whole response: {data[:80]!r}")
        data += piece
    if not data.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not a 200: {data[:80]!r}")
    return data


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), LIMIT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def start(bench, name, cpus, workers, root=None, **more):
    root = root or bench.root
    if name == "musterd":
        return servers.start_musterd(bench.musterd, servers.musterd_http, bench.folder, cpus, root,
                                     workers=workers)
    if name == "apache prefork":
        more = {"workers": workers, **more}
    elif name == "nginx":
        more = {"workers": workers}
    return servers.start_peer(name, bench.folder, root, cpus, **more)


@contextlib.contextmanager
def on_cpu(cpu):
    """The load is this process."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# ---------------------------------------------------------------------------------------- kill

def kill_all(bench, server, workers):
    """(ms to the first answer, ms until the pool is whole, connections that failed)"""
    victims = wait_whole(server, workers)
    socks, failed = [], 0
    begin = time.monotonic()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)  # children of the server, whose master has not reaped them yet
    try:
        with connect(server.port) as sock:
            ask(bench, sock, close=True)
    except (OSError, RuntimeError):
        failed += 1
    first = time.monotonic() - begin
    whole = Whole(server, workers, victims)
    while not whole():
        if time.monotonic() - begin > LIMIT_S:
            raise RuntimeError(f"{server.name} does not come back")
        if len(socks) < 200:  # more clients come meanwhile
            try:
                socks.append(connect(server.port))
            except OSError:
                failed += 1
    took = time.monotonic() - begin
    for sock in socks:
        try:
            ask(bench, sock, close=True)
        except (OSError, RuntimeError):
            failed += 1
        sock.close()
    return first * 1000, took * 1000, failed


def kill_rounds(bench, name, workers):
    """[first, whole, worst whole, first when killed again at once, failed, rounds]"""
    rounds = 3 if bench.options.quick or name == "apache prefork" else 7
    more = {"spare": workers} if name == "apache prefork" else {}
    server = start(bench, name, os.sched_getaffinity(0), workers, **more)
    if not server:
        return None
    once, again = [], []
    try:
        for _ in range(rounds):
            wait_whole(server, workers)
            time.sleep(SETTLED_S)  # the age of the workers is part of what is measured
            once.append(kill_all(bench, server, workers))
            again.append(kill_all(bench, server, workers))
    finally:
        server.stop()
    return [statistics.median(one[0] for one in once), statistics.median(one[1] for one in once),
            max(one[1] for one in once), statistics.median(one[0] for one in again),
            sum(one[2] for one in once + again), rounds]


def section_kill(bench):
    print("\nSIGKILL of all workers at once: from the first kill to the first answer, and until as many new workers")
    print("  wait for clients; all CPUs, as a machine has them; medians; clients connect all the time")
    print(f"  `again`: to the first answer when the new workers, too, are killed at once; workers were {SETTLED_S:.0f} s "
          "old else")
    print(f"  {'':14} {'workers':>8} {'first ms':>9} {'whole ms':>9} {'worst ms':>9} {'again ms':>9} {'failed':>7} "
          f"{'rounds':>7}")
    for workers in KILL_WORKERS:
        for name in ("musterd", "nginx", "apache prefork"):
            try:
                got = kill_rounds(bench, name, workers)
            except RuntimeError as error:
                print(f"  {name:14} {workers:8} {error}")
                got = None
            if got:
                print(f"  {name:14} {workers:8} {got[0]:9.1f} {got[1]:9.1f} {got[2]:9.1f} {got[3]:9.1f} {got[4]:7} "
                      f"{got[5]:7}")
            if name == "musterd":
                got = got or [float("inf")] * 6
                bench.target(f"{workers} workers killed: first answer, none refused", "<= 5 ms",
                             f"{got[0]:.1f} ms, {got[4]} failed", got[0] <= 5 and got[4] == 0)
                bench.target(f"{workers} workers killed: pool whole", "<= 50 ms", f"{got[1]:.1f} ms", got[1] <= 50)


# -------------------------------------------------------------------------------------- spread

def sockets_of(pid):
    n = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            n += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    return n


class Crowd:
    """Long-lived connections, opened one after another, each of which has had an answer."""

    def __init__(self, bench, server):
        self.bench, self.server, self.socks, self.times = bench, server, [], []

    def grow(self, n):
        for _ in range(n):
            begin = time.monotonic()
            sock = connect(self.server.port)
            ask(self.bench, sock)
            self.times.append((time.monotonic() - begin) * 1e6)
            self.socks.append(sock)

    def drop_dead(self):
        """Those whose worker has died; how many."""
        alive = []
        for sock in self.socks:
            sock.setblocking(False)
            try:
                sock.recv(1)
                sock.close()
            except BlockingIOError:
                sock.settimeout(LIMIT_S)
                alive.append(sock)
            except OSError:
                sock.close()
        lost, self.socks = len(self.socks) - len(alive), alive
        return lost

    def close(self):
        for sock in self.socks:
            sock.close()
        self.socks = []


def fullest(idle, pids):
    """What the fullest holds by the mean; idle: {pid: sockets of a worker without clients}."""
    held = [sockets_of(pid) - idle for pid in pids]
    return max(held) / (sum(held) / len(held))


def spread_round(bench, server):
    """{what: figure} of one round, beginning and ending with no connection."""
    got, crowd = {}, Crowd(bench, server)
    pids = wait_whole(server, SPREAD_WORKERS)
    idle = min(map(sockets_of, pids))
    before = measure.cpu_ns(server.pid)
    crowd.grow(SPREAD_CONNECTIONS)
    got["cpu"] = (measure.cpu_ns(server.pid) - before) / 1000 / SPREAD_CONNECTIONS
    got["even"], got["us"] = fullest(idle, pids), statistics.median(crowd.times)
    victim = min(pids)
    os.kill(victim, signal.SIGKILL)
    pids = wait_whole(server, SPREAD_WORKERS, {victim})
    crowd.grow(crowd.drop_dead())
    got["replaced"] = fullest(idle, pids)
    crowd.close()
    wait_until(lambda: all(sockets_of(pid) <= idle for pid in pids), "the connections to be closed")
    stopped = min(pids)
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: measure.stat_fields(stopped)[0] == "T", "a worker to stop")
    try:
        crowd = Crowd(bench, server)
        crowd.grow(SPREAD_CONNECTIONS)
        got["stopped"], got["stopped us"] = fullest(idle, pids - {stopped}), statistics.median(crowd.times)
    finally:
        os.kill(stopped, signal.SIGCONT)
        crowd.close()
    wait_until(lambda: all(sockets_of(pid) <= idle for pid in pids), "the connections to be closed")
    return got


def one_worker_cpu(bench, server):
    """CPU us of a connection where there is nobody to spread to."""
    crowd = Crowd(bench, server)
    before = measure.cpu_ns(server.pid)
    crowd.grow(SPREAD_CONNECTIONS)
    used = measure.cpu_ns(server.pid) - before
    pid, = children(server.pid)
    crowd.close()
    wait_until(lambda: sockets_of(pid) < SPREAD_CONNECTIONS // 2, "the connections to be closed")
    return used / 1000 / SPREAD_CONNECTIONS


def spread_table(bench, everyone, alone):
    rounds = {server.name: [] for server in everyone}
    single = {server.name: [] for server in alone}
    for number in range(bench.options.rounds + 1):
        for server in everyone:
            got = spread_round(bench, server)
            if number:  # the first warms up
                rounds[server.name].append(got)
        for server in alone:
            got = one_worker_cpu(bench, server)
            if number:
                single[server.name].append(got)
    print(f"  {'':14} {'at first':>9} {'replaced':>9} {'stopped':>9} {'us each':>9} {'stopped us':>11} "
          f"{'CPU us':>8} {'of 1 worker':>12}")
    medians = {}
    for name, got in rounds.items():
        median = {key: statistics.median(one[key] for one in got) for key in got[0]}
        median["single"] = statistics.median(single[name])
        medians[name] = median
        print(f"  {name:14} {median['even']:9.2f} {median['replaced']:9.2f} {median['stopped']:9.2f} "
              f"{median['us']:9.0f} {median['stopped us']:11.0f} {median['cpu']:8.1f} {median['single']:12.1f}")
    return medians


def section_spread(bench):
    print(f"\n{SPREAD_CONNECTIONS} long-lived connections, opened one after another, on {SPREAD_WORKERS} workers: what the "
          "fullest holds by the mean;")
    print("  after one was killed and its clients came again; while one is stopped (of the others); time and server's "
          "CPU of a connection")
    cpus = {bench.server_cpu}
    with contextlib.ExitStack() as stack, on_cpu(bench.load_cpu):
        everyone, alone = [], []
        for workers, group in ((SPREAD_WORKERS, everyone), (1, alone)):
            for name in ("musterd", "nginx"):
                folder = bench.folder / f"spread{workers}"
                folder.mkdir(exist_ok=True)
                server = start(bench.in_folder(folder), name, cpus, workers)
                if server:
                    stack.callback(server.stop)
                    group.append(server)
        medians = spread_table(bench, everyone, alone)["musterd"]
    for key, what in (("even", "at first"), ("replaced", "after one was replaced"), ("stopped", "one stopped")):
        bench.target(f"spread, fullest / mean: {what}", "<= 1.15", f"{medians[key]:.2f}", medians[key] <= 1.15)
    cost = medians["cpu"] / medians["single"]
    bench.target("spread: CPU of a connection / the same with one worker", "<= 1.10", f"{cost:.2f}", cost <= 1.10)


# ------------------------------------------------------------------------------------- reload

RELOADS = {"musterd": signal.SIGHUP, "nginx": signal.SIGHUP, "lighttpd": signal.SIGUSR1,
           "apache prefork": signal.SIGUSR1}


def two_roots(bench):
    roots = []
    for i in range(2):
        root = bench.folder / f"root{i}"
        root.mkdir(exist_ok=True)
        (root / bench.file[1:]).write_bytes(bytes([65 + i]) * 1024)
        roots.append(root)
    return roots


@contextlib.contextmanager
def verifying_load(bench, server, roots, keep_alive=32, per_request=8):
    """tests/tools/load, which takes only whole and true answers; yields a dict that has its counts afterwards."""
    counts = {}
    bodies = [word for root in roots for word in ("-b", root / bench.file[1:])]
    load = measure.spawn([bench.build / "tests/tools/load", "-k", keep_alive, "-c", per_request, "-w", 1, "-p",
                          bench.file, *bodies, "127.0.0.1", server.port], {bench.load_cpu},
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        if load.stdout.readline() != "running\n":
            raise RuntimeError(f"{server.name} does not serve all clients")
        yield counts
        load.terminate()
        counts.update(json.loads(load.communicate(timeout=60)[0].splitlines()[-1]))
    finally:
        measure.stop(load)
        load.stdout.close()


def reload_once(bench, server, name, conf, root):
    """Changes the folder that is served, and waits until a new connection sees it."""
    text = conf.read_text()
    conf.write_text(re.sub(r"/root[01]\b", f"/{root.name}", text))
    server.process.send_signal(RELOADS[name])
    wanted = (root / bench.file[1:]).read_bytes()

    def is_new():
        with contextlib.suppress(OSError, RuntimeError):
            with connect(server.port) as sock:
                return ask(bench, sock, close=True).endswith(wanted)
        return False
    wait_until(is_new, f"{server.name} to take its new configuration")


def reload_table_row(bench, name, roots, reloads):
    workers = 2 if name in ("musterd", "nginx") else 64
    server = start(bench, name, {bench.server_cpu}, workers, roots[0])
    if not server:
        return None
    conf = bench.folder / "musterd.conf" if name == "musterd" else servers.peer_conf(name, bench.folder)
    try:
        with verifying_load(bench, server, roots) as counts:
            begin = time.monotonic()
            for number in range(1, reloads + 1):
                reload_once(bench, server, name, conf, roots[number % 2])
            took = time.monotonic() - begin
    finally:
        server.stop()
    reasons = ", ".join(f"{reason} {n}" for reason, n in counts["reasons"].items())
    print(f"  {name:14} {counts['requests']:9} {counts['failures']:7} {counts['announced_closes']:10} "
          f"{counts['slowest_ms']:8} {took / reloads * 1000:10.0f}  {reasons}")
    return counts


def section_reload(bench):
    reloads = 10
    roots = two_roots(bench)
    print(f"\n{reloads} reloads, each of which changes the folder, under 32 keep-alive clients and 8 with a connection "
          "per request")
    print(f"  {'':14} {'requests':>9} {'failed':>7} {'told close':>10} {'slowest':>8} {'ms/reload':>10}")
    for name in RELOADS:
        try:
            counts = reload_table_row(bench, name, roots, reloads)
        except RuntimeError as error:
            print(f"  {name:14} {error}")
            counts = None
        if name == "musterd":
            failed = counts["failures"] if counts else "no run"
            bench.target(f"{reloads} reloads under load: failed requests", "0", str(failed), failed == 0)


# ------------------------------------------------------------------------------------- upgrade

def can_upgrade(pid):
    """It does not ignore the signal."""
    ignored = re.search(r"^SigIgn:\s*(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return not int(ignored.group(1), 16) & 1 << (signal.SIGUSR2 - 1)


def upgrade_once(server):
    """Waits until the process runs another image of the program, and all of its workers are new."""
    auxv, old = pathlib.Path(f"/proc/{server.pid}/auxv"), children(server.pid)
    before = auxv.read_bytes()
    begin = time.monotonic()
    server.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: auxv.read_bytes() != before, f"{server.name} to execute itself")
    wait_until(lambda: not children(server.pid) & old, "the old workers to leave")
    return (time.monotonic() - begin) * 1000


def section_upgrade(bench):
    upgrades = 10
    roots = two_roots(bench)[:1]
    print(f"\n{upgrades} upgrades in place (USR2) under 32 keep-alive clients and 8 with a connection per request")
    server = start(bench, "musterd", {bench.server_cpu}, 2, roots[0])
    try:
        if not can_upgrade(server.pid):
            print("  this build cannot")
            return
        with verifying_load(bench, server, roots) as calm:
            time.sleep(bench.options.seconds)  # for comparison: as long without an upgrade
        with verifying_load(bench, server, roots) as counts:
            took = [upgrade_once(server) for _ in range(upgrades)]
    finally:
        server.stop()
    print(f"  {counts['requests']} requests, {counts['failures']} failed; the slowest {counts['slowest_ms']} ms "
          f"(without upgrades {calm['slowest_ms']} ms); all workers new after {statistics.median(took):.0f} ms")
    bench.target(f"{upgrades} upgrades under load: failed requests", "0", str(counts["failures"]),
                 counts["failures"] == 0)


SECTIONS = {"kill": section_kill, "spread": section_spread, "reload": section_reload, "upgrade": section_upgrade}
