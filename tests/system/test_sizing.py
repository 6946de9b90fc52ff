#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many workers a pool has: on demand, by the queue, at its limits; and their replacement when they expire."""

import contextlib
import os
import pathlib
import re
import select
import signal
import threading
import time

from harness import (Http, connect, deadline, for_both_modes, is_alive, main, proc_stat, read_exactly,
                     test, title, wait_for)

# An idle worker on demand is kept for 10 s.
RETIRED = 60


def use(port, host="127.0.0.1"):
    """A connection that is being served."""
    sock = connect(port, host)
    sock.sendall(b"x")
    assert read_exactly(sock, 1) == b"x"
    return sock


def say(sock):
    sock.sendall(b"hello")
    return read_exactly(sock, 5) == b"hello"


def waits(sock):
    """Nothing comes back yet."""
    return not select.select([sock], [], [], 0.3)[0]


@contextlib.contextmanager
def all_used(port, n):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(use(port)) for _ in range(n)]


# ------------------------------------------------------------------------------------- on demand

@test
def on_demand_down_to_none(case):
    ports, path = [case.port() for _ in range(3)], case.folder / "x.sock"
    tcp, _ = case.service("echo", name="tcp", workers="0..4", connections=1,
                          listen=", ".join(f"127.0.0.1:{port}" for port in ports))
    unix, _ = case.service("echo", name="unix", workers="0..4", connections=64,
                           listen=f"unix:{path}")
    server = case.server(tcp + unix)
    # The ones that proved that the services start go as any idle ones.
    server.wait_workers(0, seconds=RETIRED)
    for service, places in ("tcp", [(ports[2], "127.0.0.1"), (ports[0], "127.0.0.1")]), \
            ("unix", [(None, path)] * 2):
        with use(*places[0]) as sock:
            first = server.wait_workers(1, service)
            assert say(sock)
        wait_for(lambda: " idle" in title(first[0]), "its worker to see that the client has gone")
        with use(*places[1]):
            assert server.workers(service) == first, "an idle worker was not used again"
    case.conf((tcp + unix).replace("0..4", "0..5"))
    server.reload()
    server.wait_workers(0, seconds=RETIRED)
    with use(ports[1], "127.0.0.1"), use(None, path):
        # Where a start takes more than 100 ms others are started beside it; they go again.
        server.wait_workers(2, seconds=RETIRED)
    server.stop()


@test
def on_demand_a_worker_that_dies_leaves_the_next_client_a_new_one(case):
    text, port = case.service("echo", workers="0..4")
    server = case.server(text)
    with use(port):
        victim, = server.wait_workers(1)
        os.kill(victim, signal.SIGKILL)
        server.wait_workers(0)
    with use(port):
        server.wait_workers(1, without=[victim])


# --------------------------------------------------------------------------------- growth by queue

def grows(case, workers, extra, host, listen, port):
    text, _ = case.service("echo", listen=listen, workers=workers, connections=1, extra=extra)
    server = case.server(text)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(port, host)) for _ in range(16)]
        for sock in socks:
            sock.sendall(b"hello")
        for sock in socks:
            assert read_exactly(sock, 5) == b"hello"
        assert len(server.workers()) == 16
        before = set(server.workers())
        for _ in range(3):
            assert all(say(sock) for sock in socks)
        assert set(server.workers()) == before
    assert " full" not in server.log(), "it had room to grow"


@test
def a_burst_is_taken_by_new_workers_tcp(case):
    port = case.port()
    grows(case, "2..16", "spare 1..4", "127.0.0.1", f"127.0.0.1:{port}", port)


@test
def a_burst_is_taken_by_new_workers_unix(case):
    path = case.folder / "x.sock"
    grows(case, "2..16", "spare 1..4", path, f"unix:{path}", None)


@test
def a_burst_is_taken_on_demand(case):
    port = case.port()
    grows(case, "0..16", "", "127.0.0.1", f"127.0.0.1:{port}", port)


@test
def multiplexed_workers_are_added_when_none_has_room(case):
    text, port = case.service("echo", workers="0..4", connections=4)
    server = case.server(text)
    with contextlib.ExitStack() as stack:
        for n in range(1, 17):
            stack.enter_context(use(port))
            assert len(server.workers()) >= (n + 3) // 4
        assert len(server.workers()) == 4


@test
def no_busy_worker_is_retired(case):
    text, port = case.service("echo", workers="1..8", connections=1, extra="spare 1..1")
    server = case.server("log stderr debug\n" + text)
    with all_used(port, 4) as stay:
        held = {int(match) for match in busy_workers(server)}
        assert len(held) == 4
        with all_used(port, 3):
            server.wait_workers(8)
            mark = server.log_size()
        # Four are idle now, and one after another goes; the others are left alone.
        server.wait_workers(5, seconds=RETIRED)
        assert held <= set(server.workers())
        assert all(say(sock) for sock in stay)
        times = re.findall(r"^\S+ (\S+) .*not needed any more", server.log_path.read_text()[mark:],
                           re.MULTILINE)
        # A second apart, in lines that show whole seconds and may come late: not all in one.
        assert len(times) == 3 and len(set(times)) > 1, times
    server.wait_workers(1, seconds=RETIRED)


def busy_workers(server):
    def look():
        return [pid for pid in server.workers() if " busy " in title(pid)]
    return wait_for(lambda: len(look()) >= 4 and look(), "the titles of busy workers")


@test
def ttou_drains_the_one_with_the_fewest_clients(case):
    text, port = case.service("echo", workers=2, connections=8)
    server = case.server(text)
    with all_used(port, 6) as socks:
        server.wait_workers(2)
        server.send_signal(signal.SIGTTOU)
        server.wait_log("1 worker from now on")
        assert all(say(sock) for sock in socks), "a client was cut"
    server.wait_workers(1)


@test
def ttou_says_the_range_that_it_stays_at(case):
    text, _ = case.service("echo", workers="0..1")
    server = case.server(text)
    server.send_signal(signal.SIGTTOU)
    server.wait_log("svc stays at 0 to 1 workers: that is the limit")


# -------------------------------------------------------------------------------------------- full

@for_both_modes
def full_is_said_once_and_its_end(case):
    places = 2 * (case.connections or 1)
    text, port = case.service("echo", workers=2)
    server = case.server(text)
    with contextlib.ExitStack() as stack:
        for _ in range(places):
            stack.enter_context(use(port))
        assert " full" not in server.log(), "nobody waits"
        late = [stack.enter_context(connect(port)) for _ in range(3)]
        for sock in late:
            sock.sendall(b"hello")
        server.wait_log(r"service svc is full: all 2 workers are busy, clients wait in the queue")
        assert all(waits(sock) for sock in late)
    server.wait_log(r"service svc is no longer full, after \d")
    with use(port):
        pass
    assert len(re.findall("is full", server.log())) == 1, "said more than once"
    server.stop()


@test
def full_again_is_said_again(case):
    text, port = case.service("echo", workers=1, connections=1)
    server = case.server(text)
    for _ in range(2):
        mark = server.log_size()
        with use(port), connect(port):
            server.wait_log("is full: ", mark)
        server.wait_log("no longer full", mark)


@test
def stopped_workers_are_no_room(case):
    text, port = case.service("echo", workers=2, connections=1, extra="timeout { stall 0 }")
    server = case.server(text)
    workers = server.wait_workers(2)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    for pid in workers:
        wait_for(lambda: (proc_stat(pid) or "?")[0] == "T", "the worker to be stopped")
    with connect(port) as sock:
        sock.sendall(b"hello")
        server.wait_log("is full: ")
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        assert read_exactly(sock, 5) == b"hello"
    server.wait_log("no longer full")


@test
def a_dynamic_pool_is_full_at_its_maximum_only(case):
    text, port = case.service("echo", workers="1..4", connections=1)
    server = case.server(text)
    with all_used(port, 4):
        assert " full" not in server.log()
        with connect(port):
            server.wait_log("is full: all 4 workers")


# ------------------------------------------------------------------------------------------ refusing

def gone(sock):
    """Closed without an answer."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


@for_both_modes
def overflow_refuse_closes_at_once(case):
    places = 2 * (case.connections or 1)
    text, port = case.service("echo", workers=2, extra="overflow refuse")
    server = case.server(text)
    with all_used(port, places) as socks:
        for _ in range(3):
            with connect(port) as late:
                assert gone(late), "it was not refused"
        server.wait_log("is full: .*clients are refused")
        assert all(say(sock) for sock in socks), "who is served is not disturbed"
        socks.pop().close()
        # Who comes now finds the free place.
        wait_for(lambda: not refused(port), "a place to be used")
    found = server.wait_log(r"no longer full, after \S+; (\d+) connections? w")
    assert int(found.group(1)) >= 3, found.group(0)
    # The one that refuses goes as well.
    server.wait_workers(2, seconds=RETIRED)
    assert all(not refused(port) for _ in range(5))
    server.stop()


def refused(port):
    with connect(port) as sock:
        sock.sendall(b"x")
        try:
            return sock.recv(1) != b"x"
        except ConnectionResetError:
            return True


@test
def overflow_refuse_is_told_in_http(case):
    case.write("html/index.html", "page")
    text, port = case.service("http { root html }", workers=1, connections=2,
                              extra="overflow refuse")
    server = case.server(text)
    with Http(port) as one, Http(port) as two:
        assert one.get().status == 200 and two.get().status == 200
        with Http(port) as late:
            response = late.get()
            assert response.status == 503 and "retry-after" in response.headers, response
        assert one.get().status == 200 and two.get().status == 200
    wait_for(lambda: status_of(port) == 200, "room")
    server.stop()


def status_of(port):
    with Http(port) as http:
        return http.get(headers=["Connection: close"]).status


@test
def the_one_that_refuses_is_replaced_and_harms_no_pool(case):
    text, port = case.service("echo", workers=1, connections=1, extra="overflow refuse")
    server = case.server(text)
    worker, = server.wait_workers(1)
    with all_used(port, 1) as socks:
        with connect(port) as late:
            assert gone(late)
        refuser, = set(server.wait_workers(2)) - {worker}
        mark = server.log_size()
        os.kill(refuser, signal.SIGKILL)
        server.wait_log("SIGKILL", mark)
        with connect(port) as late:
            assert gone(late)
        assert all(say(sock) for sock in socks)
    assert "degraded" not in server.log()


# ------------------------------------------------------------------------------ paused, and told a number

def with_control(case, **options):
    text, port = case.service("echo", **options)
    return f"control {{ path {case.folder}/control }}\n{text}", port


def ask(case, *args, status=0):
    return case.run("-c", case.folder / "musterd.conf", *args, status=status)


@for_both_modes
def paused_clients_wait_and_nothing_is_said_of_full(case):
    text, port = with_control(case, workers="2..4")
    server = case.server(text)
    workers = server.wait_workers(2)
    with connect(port) as old:
        wait_for(lambda: any(" busy " in title(pid) for pid in server.workers()), "a worker to take the client")
        ask(case, "--pause", "svc")
        # A pause is answered when the workers have been told. The one that waits for this client's first byte wakes for
        # both, and has read it before it accepts again; the other one shows it.
        assert say(old)
        wait_for(lambda: sum(" paused " not in title(pid) for pid in server.workers()) == 1, "the other one to pause")
        with connect(port) as late:
            late.sendall(b"hello")
            assert waits(late), "a paused worker accepted"
            os.kill(workers[0], signal.SIGKILL)
            server.wait_workers(2, without=[workers[0]])
            assert waits(late), "a new worker accepted"
            case.conf(text.replace("2..4", "2..5"))
            server.reload()
            assert waits(late), "a new generation accepted"
            ask(case, "--resume", "svc")
            assert read_exactly(late, 5) == b"hello"
        with contextlib.suppress(AssertionError, ConnectionResetError):
            say(old)  # its worker may have been the one that was killed
    assert " full" not in server.log()
    assert len(re.findall("svc is paused", server.log())) == 1
    server.stop()


@test
def told_a_number_of_workers_within_limits_until_the_next_reload(case):
    text, _ = with_control(case, workers="2..4")
    server = case.server(text)
    ask(case, "--workers", "svc=8")
    server.wait_workers(6)  # the range moves: 6 to 8
    ask(case, "--workers", "svc=-7")
    server.wait_workers(1)
    for wrong in ("svc=21", "svc=+20", "svc=-1", "svc=0"):
        said = ask(case, "--workers", wrong, status=None)
        assert said.returncode in (1, 2) and re.search(r"places for 20|1 worker at least|wrong|number",
                                                       said.stdout + said.stderr), said
    assert len(server.workers()) == 1, "what was refused changed something"
    mark = server.log_size()
    server.reload()
    server.wait_log("svc: 2 to 4 workers again, as configured", mark)
    server.wait_workers(2)
    mark = server.log_size()
    server.reload()
    assert "as configured" not in server.log_path.read_text()[mark:]


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@test
def no_place_for_a_worker_is_waited_for_and_not_asked_for_again_and_again(case):
    """A pool of 8 has 48 places. The busy workers that it is told to give up hold theirs."""
    text, port = with_control(case, workers=8, connections=1, extra="timeout { idle 5min; drain 5min }")
    server = case.server(text)
    with contextlib.ExitStack() as stack:
        for held in 24, 23:
            ask(case, "--workers", "svc=24")
            for _ in range(held):
                stack.enter_context(use(port))
            ask(case, "--workers", "svc=1")
        assert len(server.workers()) == 47
        ask(case, "--workers", "svc=24")
        server.wait_workers(48)
        before = cpu_ticks(server.pid)
        time.sleep(1)
        used = (cpu_ticks(server.pid) - before) / os.sysconf("SC_CLK_TCK")
        assert used < 0.2, f"the master used {used:.2f} s of CPU in a second of waiting"
    # The places are free, and there is one worker for each that was wanted.
    server.wait_workers(24, seconds=RETIRED)
    server.stop()


# ----------------------------------------------------------------------------------------- recycling

class Census(threading.Thread):
    """Were there as many workers at every look? The master stands still for each, so that nothing changes but what
    workers have been told: the old one may have gone before the new one has heard that it is to serve."""

    def __init__(self, server, wanted):
        super().__init__(daemon=True)
        self.server, self.wanted, self.short, self.looks = server, wanted, None, 0
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.005):
            self.server.send_signal(signal.SIGSTOP)
            wait_for(lambda: proc_stat(self.server.pid)[0] == "T", "the stopped master")
            try:
                wait_for(lambda: self.serving() >= self.wanted, f"{self.wanted} workers")
            except AssertionError as error:
                self.short = error
            self.server.send_signal(signal.SIGCONT)
            self.looks += 1

    def serving(self):
        return sum(not title(pid).endswith("starting") for pid in self.server.workers())

    def stop(self):
        self.over.set()
        self.join()


def recycles(case, reason, extra, rounds):
    case.write("html/index.html", b"page")
    text, port = case.service("http { root html }", workers=4, extra=extra)
    server = case.server(text)
    server.wait_workers(4)
    load = case.load(port, [case.folder / "html/index.html"], keep_alive=2, per_request=2)
    census = Census(server, 4)
    case.defer(census.stop)
    replaced = rf"\(pid (\d+)\): {reason} reached: it is replaced"
    wait_for(lambda: len(re.findall(replaced, server.log())) >= rounds, "workers to be replaced", 60)
    census.stop()
    load.stop_clean()
    assert census.looks and not census.short, census.short
    gone_pids = re.findall(replaced, server.log())
    assert len(set(gone_pids)) == len(gone_pids), "a worker was replaced twice"
    assert "degraded" not in server.log()
    server.stop()


@for_both_modes
def lifetime_replaces_workers_and_no_request_fails(case):
    recycles(case, "max-lifetime", "max-lifetime 2s", 8)


@for_both_modes
def requests_replace_workers_and_no_request_fails(case):
    recycles(case, "max-requests", "max-requests 300", 8)


@test
def a_pool_that_cannot_start_workers_keeps_the_expired_ones(case):
    case.write("html/index.html", b"page")
    text, port = case.service("http { root html }", name="www", workers=2,
                              extra=f"max-lifetime {deadline(2):.0f}s", connections=8)
    server = case.server(text)
    workers = server.wait_workers(2)
    (case.folder / "html").rename(case.folder / "away")
    server.wait_log("www is degraded")
    assert set(workers) <= set(server.workers()) and "it is replaced" not in server.log()
    (case.folder / "away").rename(case.folder / "html")
    wait_for(lambda: not set(server.workers()) & set(workers), "the expired ones to be replaced", 60)
    assert status_of(port) == 200


@test
def workers_that_started_together_do_not_expire_together(case):
    text, _ = case.service("echo", workers=8, extra="max-lifetime 5s")
    server = case.server(text)
    first = server.wait_workers(8)

    def all_replaced():
        now = server.workers()
        assert len(set(now) - set(first)) + len(set(now) & set(first)) <= 8 + 2, "more than a quarter"
        return not set(now) & set(first)
    wait_for(all_replaced, "all of the first to be replaced", 60)


if __name__ == "__main__":
    main()
