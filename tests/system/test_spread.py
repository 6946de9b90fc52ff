#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who gets which connections: multiplexed workers share long-lived ones evenly, whatever happens to one of them.

bench/run measures how evenly (the aim is 1.15 of the mean); here a busy machine is given room, and a pool without
a balance would still fail: 4.0.
"""

import os
import re
import signal

import holders
from harness import connect, main, proc_stat, read_exactly, test, title, wait_for

WORKERS, CONNECTIONS, MOST = 4, 400, 1.3


class Crowd:
    """Connections that are opened one after another, used once, and kept."""

    def __init__(self, case, port):
        self.port, self.socks = port, []
        case.defer(self.close)

    def grow(self, n):
        for _ in range(n):
            sock = connect(self.port)
            sock.sendall(b"x")
            assert read_exactly(sock, 1) == b"x"
            self.socks.append(sock)

    def keep(self, held):
        """Closes all but these."""
        for sock in self.socks[:]:
            if holders.name_of(sock, self.port) not in held:
                self.socks.remove(sock)
                sock.close()

    def close(self):
        for sock in self.socks:
            sock.close()
        self.socks = []


def held_by(pids, port):
    """{pid: names of the clients' connections}"""
    return {pid: {name for name in holders.connections_of(pid) if name[0] == "tcp" and name[2] == port}
            for pid in pids}


def is_even(pids, port, n, what):
    held = [len(names) for names in held_by(pids, port).values()]
    assert sum(held) == n, f"{what}: {held} are not {n} connections"
    ratio = max(held) / (n / len(held))
    print(f"# {what}: {held}, the fullest holds {ratio:.2f} of the mean")
    assert ratio <= MOST, f"{what}: the fullest of {held} holds {ratio:.2f} of the mean"


def start(case):
    try:
        holders.connections_of(os.getpid())
    except OSError as error:
        case.skip(f"the kernel does not say whose a connection is: {error}")
    text, port = case.service("echo", workers=WORKERS, connections=1024, extra="timeout { idle 10min; stall 0 }")
    server = case.server(text)
    return text, port, server


@test
def connections_are_spread_evenly(case):
    _, port, server = start(case)
    crowd = Crowd(case, port)
    crowd.grow(CONNECTIONS)
    is_even(server.wait_workers(WORKERS), port, CONNECTIONS, "at first")


@test
def a_new_worker_gets_its_share(case):
    _, port, server = start(case)
    crowd = Crowd(case, port)
    crowd.grow(CONNECTIONS)
    pids = server.wait_workers(WORKERS)
    os.kill(pids[0], signal.SIGKILL)
    pids = server.wait_workers(WORKERS, without=pids[:1])
    wait_for(lambda: all(re.search(" idle| busy ", title(pid)) for pid in pids), "the new one to serve")
    crowd.keep(set().union(*held_by(pids, port).values()))
    crowd.grow(CONNECTIONS - len(crowd.socks))
    is_even(pids, port, CONNECTIONS, "after one was replaced")


@test
def those_that_run_share_what_a_stopped_one_does_not_take(case):
    _, port, server = start(case)
    stopped, *others = server.wait_workers(WORKERS)
    os.kill(stopped, signal.SIGSTOP)
    wait_for(lambda: proc_stat(stopped)[0] == "T", "a worker to stop")
    try:
        crowd = Crowd(case, port)
        crowd.grow(CONNECTIONS)
        is_even(others, port, CONNECTIONS, "while one is stopped")
    finally:
        os.kill(stopped, signal.SIGCONT)


@test
def a_new_generation_shares_what_comes(case):
    """The old one's connections are none of its own."""
    text, port, server = start(case)
    crowd = Crowd(case, port)
    crowd.grow(CONNECTIONS)
    old = server.wait_workers(WORKERS)
    case.conf(text.replace("idle 10min", "idle 11min"))
    server.reload()
    fresh = sorted(set(server.wait_workers(2 * WORKERS)) - set(old))
    # Who has not read yet that it is to drain takes one more.
    wait_for(lambda: all("draining" in title(pid) for pid in old), "the old ones to drain")
    more = Crowd(case, port)
    more.grow(CONNECTIONS)
    is_even(fresh, port, CONNECTIONS, "in a new generation")
    is_even(old, port, CONNECTIONS, "in the old one")


if __name__ == "__main__":
    main()
