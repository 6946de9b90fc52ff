#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Workers that die, stop or cannot start; a master that dies. No pool harms another."""

import contextlib
import os
import re
import shutil
import signal
import time

from harness import (connect, for_both_modes, is_alive, main, proc_stat, read_exactly, test, wait_for)

# What the log must say, loosely.
DEGRADED = r"degraded|back(ing)? ?off"
# A segmentation fault that a test causes is none that AddressSanitizer shall report.
PLAIN_CRASH = {"ASAN_OPTIONS": "handle_segv=0"}


def echoes(port):
    with connect(port) as sock:
        sock.sendall(b"hello")
        return read_exactly(sock, 5) == b"hello"


def killed_worker_is_replaced(case, number, said):
    text, port = case.service("echo", workers=2)
    server = case.server(text, env=PLAIN_CRASH)
    victim, other = server.wait_workers(2)
    mark = server.log_size()
    os.kill(victim, number)
    server.wait_log(said, mark)
    after = server.wait_workers(2, without=[victim])
    assert other in after, "the other worker did not stay"
    for _ in range(10):
        assert echoes(port)


@for_both_modes
def a_worker_killed_is_replaced(case):
    killed_worker_is_replaced(case, signal.SIGKILL, r"SIGKILL|signal 9|killed")


@for_both_modes
def a_worker_that_crashes_is_replaced(case):
    killed_worker_is_replaced(case, signal.SIGSEGV, r"SIGSEGV|signal 11|segmentation")


@for_both_modes
def when_all_are_killed_at_once_clients_wait_and_nobody_is_refused(case):
    text, port = case.service("echo", workers=8)
    server = case.server(text)
    for _ in range(2):
        victims = server.wait_workers(8)
        for worker in victims:
            os.kill(worker, signal.SIGKILL)
        socks = [connect(port) for _ in range(8)]
        for sock in socks:
            sock.sendall(b"hello")
        for sock in socks:
            assert read_exactly(sock, 5) == b"hello"
            sock.close()
        server.wait_workers(8, without=victims)
    server.stop()


@test
def the_log_names_the_client_of_a_dead_worker(case):
    text, port = case.service("echo", workers=1, connections=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        mark = server.log_size()
        os.kill(worker, signal.SIGKILL)
        server.wait_log(rf"{worker}.*127\.0\.0\.1:{sock.getsockname()[1]}", mark)


@for_both_modes
def a_stopped_worker_does_not_stop_the_service(case):
    text, port = case.service("echo", workers=2)
    server = case.server(text)
    victim, _ = server.wait_workers(2)
    os.kill(victim, signal.SIGSTOP)
    wait_for(lambda: (proc_stat(victim) or "?")[0] == "T", "the worker to be stopped")
    for _ in range(20):
        assert echoes(port)
    os.kill(victim, signal.SIGCONT)
    wait_for(lambda: (proc_stat(victim) or "T")[0] != "T", "the worker to go on")
    for _ in range(20):
        assert echoes(port)
    os.kill(victim, signal.SIGSTOP)
    os.kill(victim, signal.SIGKILL)
    server.wait_workers(2, without=[victim])
    assert echoes(port)


@for_both_modes
def a_stopped_worker_does_not_hinder_the_end(case):
    text, _ = case.service("echo", workers=2, extra="timeout { drain 300ms }")
    server = case.server(text)
    victim, _ = server.wait_workers(2)
    os.kill(victim, signal.SIGSTOP)
    server.send_signal(signal.SIGTERM)
    server.wait_exit(None)
    assert not is_alive(victim)


@test
def a_crash_loop_backs_off_and_harms_no_other_pool(case):
    case.write("html/index.html", "page")
    bad, _ = case.service("http { root html }", name="bad", workers=2)
    good, port = case.service("echo", name="good", workers=1)
    server = case.server(bad + good)
    well = server.wait_workers(1, "good")
    shutil.move(case.folder / "html", case.folder / "gone")
    mark = server.log_size()
    for worker in server.wait_workers(2, "bad"):
        os.kill(worker, signal.SIGKILL)
    server.wait_log(rf"bad.*({DEGRADED})", mark)
    # How often it tries: with a back-off there are few starts in any window, however fast the machine.
    first = len(re.findall("bad", server.log()))
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert echoes(port)
    tries = len(re.findall("bad", server.log())) - first
    assert tries < 60, f"{tries} lines about the bad pool in two seconds"
    assert server.workers("good") == well
    shutil.move(case.folder / "gone", case.folder / "html")
    server.wait_workers(2, "bad", seconds=60)  # never given up for good


@test
def repeated_crashes_are_survived(case):
    text, port = case.service("echo", workers=4)
    server = case.server(text, env=PLAIN_CRASH)
    for _ in range(5):
        for worker in server.workers():
            with contextlib.suppress(ProcessLookupError):  # dying since the round before
                os.kill(worker, signal.SIGSEGV)
    server.wait_workers(4, seconds=60)
    assert echoes(port)
    server.stop()


@for_both_modes
def workers_go_when_the_master_is_killed(case):
    text, port = case.service("echo", workers=3)
    server = case.server(text)
    workers = server.wait_workers(3)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        wait_for(lambda: not any(is_alive(worker) for worker in workers), "the end of the orphans")
    try:
        connect(port).close()
    except ConnectionRefusedError:
        again = case.server(text)
        assert echoes(port)
        again.stop()
        return
    raise AssertionError("somebody still listens")


@test
def dynamic_pools_grow_under_load_and_shrink(case):
    text, port = case.service("echo", workers="1..6", connections=1, extra="spare 1..2")
    server = case.server(text)
    wait_for(server.workers, "the first worker")
    socks = []
    for _ in range(6):
        sock = connect(port)
        sock.sendall(b"x")
        read_exactly(sock, 1)
        socks.append(sock)
    assert len(server.workers()) == 6, server.workers()
    for sock in socks:
        sock.close()
    wait_for(lambda: len(server.workers()) <= 2, "the pool to shrink", 60)
    assert echoes(port)


if __name__ == "__main__":
    main()
