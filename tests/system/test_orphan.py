#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A master that is killed: its workers leave the address at once, whatever they are at, and go."""

import os
import signal

from harness import (Http, connect, for_both_modes, is_alive, main, proc_stat, read_exactly, test, title,
                     wait_for, wait_refused)


def kill_master(server):
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()


def stop_worker(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: proc_stat(pid)[0] == "T", "the worker to be stopped")


def wait_gone(workers):
    wait_for(lambda: not any(is_alive(pid) for pid in workers), "the end of the orphans")


@for_both_modes
def a_new_master_takes_over_at_once(case):
    """One worker in a request, one stopped, one idle; the request is finished beside the new ones."""
    case.write("html/index.html", "page")
    text, port = case.service("http { root html }", workers=3, extra="timeout { orphan 50s; header 50s }")
    server = case.server(text)
    workers = server.wait_workers(3)
    with Http(port) as http:
        http.send("GET / HTTP/1.1\r\nHo")
        busy, = wait_for(lambda: [pid for pid in workers if "busy" in title(pid)], "one to be busy")
        stop_worker(next(pid for pid in workers if pid != busy))
        kill_master(server)
        wait_refused(port)
        again = case.server(text)
        with Http(port) as other:
            assert other.get("/").body == b"page"
        wait_for(lambda: [pid for pid in workers if is_alive(pid)] == [busy], "the others to go")
        http.send("st: a\r\n\r\n")
        got = http.read()
        assert got.body == b"page" and got.headers["connection"] == "close", got
        assert http.at_end()
    wait_gone(workers)
    again.stop()


@for_both_modes
def the_limit_ends_what_does_not_finish(case):
    text, port = case.service("echo", workers=2, extra="timeout { orphan 300ms }")
    server = case.server(text)
    workers = server.wait_workers(2)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        for pid in workers:
            stop_worker(pid)
        kill_master(server)
        wait_refused(port)
        wait_gone(workers)
        assert sock.recv(1) == b""


@test
def a_crash_leaves_the_exit_signal_as_it_is(case):
    text, _ = case.service("echo", workers=1)
    server = case.server(text, env={"ASAN_OPTIONS": "handle_abort=0:handle_sigfpe=0"})
    for number in (signal.SIGABRT, signal.SIGFPE):
        mark = server.log_size()
        worker, = server.wait_workers(1)
        os.kill(worker, number)
        server.wait_log(rf"pid {worker}\) was killed by {number.name}", mark)


if __name__ == "__main__":
    main()
