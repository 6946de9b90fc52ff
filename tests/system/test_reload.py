#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reloads under load: fifty times another configuration, and not one request that fails."""

import signal

from harness import (connect, for_both_modes, has_sanitizers, is_alive, main, read_exactly, test)

RELOADS = 50


def bodies(case, n):
    """n folders with a page of 1 KiB each, all different; the pages."""
    return [case.write(f"root{i}/index.html", f"{i}".encode() * 1024) for i in range(n)]


def workers_of(case):
    return 6 if case.connections == 1 else 2


def clients(case):
    """A direct worker has one client: more keep-alive clients than workers could not all stay."""
    return {"keep_alive": 4, "per_request": 4} if case.connections == 1 else \
        {"keep_alive": 16, "per_request": 8}


@for_both_modes
def fifty_reloads_fail_no_request(case):
    """Each changes the root folder, and every other one the number of workers too."""
    pages = bodies(case, 3)

    def conf(i):
        workers = workers_of(case) + i % 2
        return f"""
service www {{
    listen 127.0.0.1:{port}
    handler http {{ root root{i % 3} }}
    workers {workers}
    connections {case.connections}
    timeout {{ drain 60s }}
}}
"""
    port = case.port()
    server = case.server(conf(0))
    load = case.load(port, pages, **clients(case))
    for i in range(1, RELOADS + 1):
        case.conf(conf(i))
        server.reload()
    counts = load.stop_clean()
    assert all(counts["bodies"]), f"not all three configurations were seen: {counts}"
    assert counts["requests"] > RELOADS and counts["announced_closes"] > 0, counts
    # The old generations are gone; the last one has its number of workers.
    server.wait_workers(workers_of(case) + RELOADS % 2, "www", seconds=70)
    server.stop()


@for_both_modes
def reloads_that_follow_on_each_other_fail_no_request(case):
    """HUP upon HUP, without waiting: the next comes while the one before is under way."""
    pages = bodies(case, 2)
    few = workers_of(case)
    text, port = case.service("http { root root0 }", name="www", workers=few)
    server = case.server(text)
    load = case.load(port, pages, **clients(case))
    for i in range(40):
        workers = f"workers {few + i % 3}"
        case.conf(text.replace("root0", f"root{i % 2}").replace(f"workers {few}", workers))
        server.send_signal(signal.SIGHUP)
        server.notify.poll()
    case.conf(text.replace("root0", "root1"))
    server.reload()
    load.stop_clean()
    server.stop()


@for_both_modes
def reloading_the_same_file_fails_no_request(case):
    pages = bodies(case, 1)
    text, port = case.service("http { root root0 }", name="www", workers=3)
    server = case.server(text)
    load = case.load(port, pages, keep_alive=1, per_request=2)
    for _ in range(10):
        server.reload()
    load.stop_clean()
    server.wait_workers(3, "www", seconds=40)
    server.stop()


@for_both_modes
def bad_files_under_load_change_nothing(case):
    pages = bodies(case, 2)
    few = workers_of(case)
    text, port = case.service("http { root root0 }", name="www", workers=few)
    server = case.server(text)
    workers = server.wait_workers(few)
    load = case.load(port, pages, **clients(case))
    good = text.replace("root0", "root1")
    for bad in (good + "nonsense\n", good.rstrip()[:-1], good.replace("handler", "hadler"),
                good.replace("root1", "root7"), good.replace(f"workers {few}", "workers many"), "",
                good.replace("127.0.0.1:", "no.such.host.invalid:")):
        case.conf(bad)
        mark = server.log_size()
        server.reload(60)
        server.wait_log(r"error|refused|rejected", mark)
    (case.folder / "musterd.conf").unlink()
    server.reload()
    counts = load.stop_clean()
    assert server.workers() == workers and counts["bodies"][1] == 0, counts
    assert counts["announced_closes"] == 0, counts


@test
def listeners_come_and_go_under_load(case):
    """The load's listener stays in every configuration; another one comes and goes beside it."""
    pages = bodies(case, 1)
    port, other = case.port(), case.port()

    def conf(i):
        more = f"listen 127.0.0.1:{other}" if i % 2 else ""
        return f"""
service www {{
    listen 127.0.0.1:{port}
    {more}
    handler http {{ root root0 }}
    workers 2
    connections 64
}}
"""
    server = case.server(conf(0))
    load = case.load(port, pages)
    for i in range(1, 21):
        case.conf(conf(i))
        server.reload()
    load.stop_clean()
    server.stop()


@test
def an_address_that_busy_workers_still_hold_is_said_to_be_theirs(case):
    kept, _ = case.service("echo", name="kept", workers=1)
    text, port = case.service("echo", name="gone", workers=1, connections=1)
    server = case.server(kept + text)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        waiting = connect(port)
        waiting.sendall(b"y")
        case.conf(kept)
        server.reload()
        case.conf(kept + text)
        status = server.reload()["STATUS"]
        assert "generation 1 of service gone had it and still drains" in status, status
    with waiting:
        assert read_exactly(waiting, 1) == b"y"
    server.wait_log("service gone: generation 1 has left")
    assert "2 services" in server.reload()["STATUS"]
    server.stop()


@test
def workers_killed_during_reloads_harm_only_their_own_clients(case):
    """The reload itself must come through, whoever dies meanwhile."""
    import contextlib
    import os
    bodies(case, 2)
    text, port = case.service("http { root root0 }", name="www", workers=3, connections=64)
    server = case.server(text)
    for i in range(10 if has_sanitizers() else 20):
        case.conf(text.replace("root0", f"root{(i + 1) % 2}"))
        before = server.notify.count()
        server.send_signal(signal.SIGHUP)
        for worker in server.workers()[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        number, _ = server.notify.wait("RELOADING", "1", before)
        server.notify.wait("READY", "1", number - 1)
    assert is_alive(server.pid)
    from harness import Http
    case.conf(text.replace("root0", "root1"))
    server.reload()
    with Http(port) as http:
        assert http.get("/").status == 200
    server.wait_workers(3, seconds=60)
    server.stop()


if __name__ == "__main__":
    main()
