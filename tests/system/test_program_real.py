#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pools of programs that accept by themselves, in languages that people use, as services of the handler program:
small ones of our own (pools/) in Python, JavaScript and Perl, and gunicorn and uWSGI as they are given a socket by
systemd. They are reloaded under load, and not one request may fail. What is not installed is skipped.
"""

import functools
import os
import pathlib
import random
import re
import signal

from harness import Http, connect, deadline, descendants, is_alive, main, test, title, wait_for
from tools import run, tool

POOLS = pathlib.Path(__file__).resolve().parent / "pools"


@functools.lru_cache(maxsize=1)
def body():
    return random.Random(6).randbytes(20_000)


def serve(case, command, directives="", environ="", workers=2, **options):
    """A server of a pool of the command (a list of words), which finds what it is to send in $BODY; it and its port."""
    path = case.write("body", body())
    words = " ".join(f'"{word}"' for word in command)
    text, port = case.service(f"program {{\ncommand {words}\nenv BODY={path} {environ}\n{directives}\n}}",
                              workers=workers, **options)
    return case.server(text), port


def reload_changed(server, number):
    """A reload that starts every program anew: the configuration differs from the one before."""
    text = server.conf.read_text()
    server.conf.write_text(text.replace(f" GENERATION={number - 1} ", f" GENERATION={number} "))
    assert server.conf.read_text() != text
    server.reload()


def reload_under_load(case, server, port, times, **options):
    """So many reloads while clients ask; every request must be answered, and all programs be new ones at the end."""
    options = {"keep_alive": 4, "per_request": 8, "pause_ms": 5, **options}
    load = case.load(port, [case.folder / "body"], **options)
    old = set()
    for number in range(1, times + 1):
        old |= set(server.workers("svc"))
        reload_changed(server, number)
    counts = load.stop_clean()
    assert counts["requests"] > times, counts
    wait_for(lambda: not any(is_alive(pid) for pid in old), "the end of all workers before", 60)


def titles(server):
    return [title(pid) for pid in server.workers("svc")]


def who(port, host="127.0.0.1"):
    """The process id of who answers, and the connection, still open."""
    http = Http(port, host)
    return int(http.get("/who", headers=["Connection: close"]).body), http


def all_of(port, n):
    """Process ids of n programs that serve one client at a time: each is held while the next is asked."""
    held = []
    try:
        for _ in range(n):
            held.append(who(port))
        return {pid for pid, _ in held}
    finally:
        for _, http in held:
            http.close()


# ------------------------------------------------------------------------------------- Python

def python_pool(case, **options):
    tool("python3")
    return serve(case, [POOLS / "pool.py"], environ="GENERATION=0 X=", **options)


@test
def python_pool_of_four_shares_the_work(case):
    server, port = python_pool(case, workers=4)
    pids = all_of(port, 4)
    assert len(pids) == 4, pids
    # What a program says of itself is where people look.
    wait_for(lambda: all("serving" in text for text in titles(server)), "STATUS= in the titles")


@test
def python_pool_reloaded_20_times_under_load(case):
    server, port = python_pool(case, workers=4)
    before = all_of(port, 4)
    reload_under_load(case, server, port, 20)
    after = all_of(port, 4)
    assert len(after) == 4 and not before & after, (before, after)


@test
def python_request_is_finished_at_reload_and_stop(case):
    server, port = python_pool(case, workers=1)
    for end in lambda: reload_changed(server, 1), lambda: server.send_signal(signal.SIGTERM):
        http = Http(port)
        http.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_for(lambda: any("slow" in text for text in titles(server)), "the slow request to be under way")
        end()
        assert http.read().body == body()
        http.close()
    server.wait_exit()


@test
def python_program_that_dies_is_replaced(case):
    server, port = python_pool(case, workers=2)
    pids = all_of(port, 2)
    victim = min(pids)
    os.kill(victim, signal.SIGKILL)
    server.wait_log(r"(signal 9|SIGKILL|Killed)")
    now = wait_for(lambda: victim not in all_of(port, 2) and all_of(port, 2), "another program in its place")
    assert len(now) == 2 and now & pids, (pids, now)


@test
def asyncio_is_not_held_up_by_programs_that_start(case):
    """Its socket does not block, as it has said itself, also when another program of the pool has just been started."""
    tool("python3")
    server, port = serve(case, [POOLS / "pool_asyncio.py"], workers=1)
    gate = case.folder / "gate"
    text = server.conf.read_text()
    server.conf.write_text(text.replace(
        f'"{POOLS}/pool_asyncio.py"', f'/bin/sh -c "until [ -e {gate} ]; do sleep 0.05; done; exec {POOLS}/pool_asyncio.py"'))
    with connect(port) as first:
        def answers(sock):
            sock.sendall(b"a line\n")
            return sock.recv(100) == b"A LINE\n"
        assert answers(first)
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: any("until" in title(pid) for pid in descendants(server.pid)), "the program of the reload")
        with connect(port) as second:
            assert answers(second) and answers(first)
        before = server.notify.count()
        gate.touch()
        server.notify.wait("READY", "1", before)
        assert answers(first)
    with connect(port) as third:
        assert answers(third)


# --------------------------------------------------------------------------------- JavaScript

@test
def node_pool_reloaded_under_load(case):
    # It says nothing of being ready; it has its output, line by line, in our log.
    server, port = serve(case, [tool("node", "nodejs"), POOLS / "pool.js"], "ready after 300ms",
                         environ="GENERATION=0 X=")
    server.wait_log(r"node serves")
    # Node closes idle connections without a word when it ends, so here each request has its own.
    reload_under_load(case, server, port, 5, keep_alive=0, per_request=8)
    server.wait_log(r"node ends")


@test
def node_keeps_connections(case):
    _, port = serve(case, [tool("node", "nodejs"), POOLS / "pool.js"], "ready on-start")
    with Http(port) as http:
        pids = {http.get("/who").body for _ in range(20)}
        assert len(pids) == 1 and http.get("/").body == body()


# --------------------------------------------------------------------------------------- Perl

def ask(port, line):
    with connect(port) as sock:
        sock.sendall(line)
        return sock.makefile().readline().strip()


@test
def perl_pool_with_a_socket_that_does_not_block(case):
    # Both are woken by a client, and the slower one must not wait for the next in accept().
    server, port = serve(case, [tool("perl"), POOLS / "pool.pl"], "nonblocking yes")
    for _ in range(50):
        assert ask(port, b"some words\n") == "SOME WORDS"
    server.stop()


@test
def perl_program_that_hangs_is_found_by_its_watchdog(case):
    server, port = serve(case, [tool("perl"), POOLS / "pool.pl"],
                         f"watchdog {deadline(2):.0f}s; kill-after 1s", workers=1)
    first = ask(port, b"who\n")
    with connect(port) as sock:
        sock.sendall(b"hang\n")
        server.wait_log(r"watchdog", seconds=30)
        assert not sock.recv(1)
    assert ask(port, b"who\n") != first
    assert ask(port, b"some words\n") == "SOME WORDS"


# ------------------------------------------------------------------------- application servers

def gunicorn(case, *arguments, **options):
    return serve(case, [tool("gunicorn"), "--workers=2", *arguments, "app:application"],
                 f"folder {POOLS}", environ="GENERATION=0 PYTHONDONTWRITEBYTECODE=1", workers=1, **options)


@test
def gunicorn_reloaded_under_load(case):
    server, port = gunicorn(case)
    reload_under_load(case, server, port, 5)
    wait_for(lambda: "Gunicorn arbiter booted" in titles(server)[0], "gunicorn's STATUS= in the title")
    server.stop()
    server.wait_log(r"Shutting down: Master")


@test
def gunicorn_on_tcp_and_unix_sockets(case):
    port, path = case.port(), case.folder / "gunicorn.sock"
    _, _ = gunicorn(case, listen=f"127.0.0.1:{port}, unix:{path}")
    assert Http(port).get("/", headers=["Connection: close"]).body == body()
    assert Http(None, path).get("/", headers=["Connection: close"]).body == body()


@test
def uwsgi_reloaded(case):
    """Without load: told to end, uWSGI throws a connection away that it has accepted and not begun to read."""
    program = tool("uwsgi", "uwsgi-core uwsgi-plugin-python3")
    if run(case, program, "--plugin", "python3", "--version", status=None).returncode:
        case.skip("uwsgi has no Python (Debian: apt-get install uwsgi-plugin-python3)")
    # Told by TERM it would cut what is under way; the hook makes it finish.
    command = [program, "--plugin", "python3", "--master", "--processes", 2, "--protocol", "http", "--need-app",
               "--disable-logging", "--wsgi-file", POOLS / "app.py",
               "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"]
    # Now and then it tells only one of its two workers to finish, and waits for the other: the drain limit is for such programs.
    server, port = serve(case, command, environ="GENERATION=0 PYTHONDONTWRITEBYTECODE=1", workers=1,
                         extra="timeout { drain 3s }")

    def hooked(number):
        """It says that it is ready before its hook is in place."""
        wait_for(lambda: len(re.findall(r"^.*running \"unix_signal", server.log(), re.M)) == number + 1, "uwsgi's hook")

    for number in range(4):
        if number:
            old = server.workers("svc")
            reload_changed(server, number)
            server.wait_workers(1, without=old)
        hooked(number)
        http = Http(port)
        assert http.get("/").body == body()
        http.close()
    server.stop()
    server.wait_log(r"goodbye to uWSGI")


main()
