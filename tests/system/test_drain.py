#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Going down: what is in flight finishes, what is idle is told, the deadline cuts and says so."""

import contextlib
import os
import signal
import socket
import threading

from harness import (Http, connect, deadline, for_both_modes, main, proc_stat, read_exactly, test, title, wait_for,
                     wait_refused)


def www(case, extra="", **options):
    case.write("html/index.html", "page")
    text, port = case.service("http { root html }", name="www", extra=extra, **options)
    return case.server(text), port


def begin_stop(server):
    server.send_signal(signal.SIGTERM)
    server.notify.wait("STOPPING", "1")


@for_both_modes
def a_request_on_its_way_is_finished(case):
    server, port = www(case, "timeout { drain 30s }")
    with Http(port) as http:
        http.send("GET / HTTP/1.1\r\nHo")
        with Http(port) as other:  # once this is served the half request has long arrived
            assert other.get("/", headers=["Connection: close"]).status == 200
        begin_stop(server)
        wait_for(lambda: ["draining" in title(pid) for pid in server.workers()] == [True],
                 "one worker to be left, which drains")
        http.send("st: a\r\n\r\n")
        got = http.read()
        assert got.body == b"page" and got.headers["connection"].lower() == "close", got
        assert http.at_end()
    server.wait_exit(0)


@for_both_modes
def a_download_is_finished(case):
    data = os.urandom(8_000_000)
    case.write("html/large", data)
    server, port = www(case, "timeout { drain 60s }")
    sock = connect(port)
    with Http(port, sock=sock) as http:
        http.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        http.buffer += sock.recv(1000)
        begin_stop(server)
        assert http.read().body == data
    server.wait_exit(0)


@for_both_modes
def an_idle_keep_alive_connection_is_told_with_its_next_answer(case):
    server, port = www(case, "timeout { drain 30s; idle 60s; park 30s }", workers=2)
    with Http(port) as http:
        assert "close" not in http.get("/").headers.get("connection", "")
        begin_stop(server)
        # Who tries the port before the busy one has read DRAIN is a client whom it takes in the end.
        wait_for(lambda: all("draining" in title(pid) for pid in server.workers()), "the workers to drain")
        wait_refused(port)
        got = http.get("/")
        assert got.body == b"page" and got.headers["connection"].lower() == "close", got
        assert http.at_end()
    server.wait_exit(0)


@test
def the_shutdown_delay_serves_on(case):
    case.write("html/index.html", "page")
    text, port = case.service("http { root html }", name="www")
    delay = f"{deadline(5):.0f}s"
    server = case.server(f"shutdown-delay {delay}\n{text}")
    workers = server.workers("www")
    begin_stop(server)
    server.wait_log(f"serving on for the shutdown delay of {delay}")
    with Http(port) as http:
        assert "close" not in http.get("/").headers.get("connection", "")
    # Whoever dies is replaced, and a reload is not begun any more.
    os.kill(workers[0], signal.SIGKILL)
    server.wait_workers(2, "www", without=workers[:1])
    server.send_signal(signal.SIGHUP)
    server.wait_log("no reload: the master is about to stop")
    server.wait_log("the shutdown delay is over")
    server.wait_exit(0)


@test
def a_worker_that_starts_in_the_shutdown_delay_is_not_ready_from_its_first_answer(case):
    case.write("html/index.html", "page")
    text, port = case.service("http { root html; health /healthz }", workers=1, name="www")
    server = case.server("shutdown-delay 10min\n" + text)
    workers = server.workers("www")
    begin_stop(server)
    server.wait_log("serving on for the shutdown delay of 10min")
    for _ in range(10):
        os.kill(workers[0], signal.SIGKILL)
        with Http(port) as http:  # waits for the next one
            assert http.get("/healthz").status == 503
        workers = server.wait_workers(1, "www", without=workers)


@test
def a_second_signal_ends_the_shutdown_delay(case):
    text, port = case.service("echo", workers=2)
    server = case.server("shutdown-delay 10min\n" + text)
    sock = connect(port)
    begin_stop(server)
    sock.sendall(b"x")
    assert read_exactly(sock, 1) == b"x"
    server.send_signal(signal.SIGTERM)
    server.wait_exit(0)


@for_both_modes
def the_deadline_cuts_and_says_how_many(case):
    text, port = case.service("echo", workers=3, extra="timeout { drain 300ms; idle 10min }")
    server = case.server(text)
    socks = [connect(port) for _ in range(3)]
    for sock in socks:
        sock.sendall(b"x")
        read_exactly(sock, 1)
    mark = server.log_size()
    begin_stop(server)
    server.wait_exit(0)
    for sock in socks:
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass
        sock.close()
    said = server.log()[mark:].lower()
    assert "drain" in said or "cut" in said, said


@for_both_modes
def the_deadline_cuts_a_client_as_fast_as_we_are(case):
    """It never makes us wait, so the limit finds its download between two turns."""
    path = case.write("big", b"")
    os.truncate(path, 1 << 40)
    text, port = case.service(f"http {{ root {case.folder} }}", workers=1,
                              extra="timeout { drain 300ms }")
    server = case.server(text)

    def read(sock):
        buffer = bytearray(1 << 20)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv_into(buffer):
                pass

    with connect(port) as sock:
        sock.sendall(b"GET /big HTTP/1.0\r\n\r\n")
        read_exactly(sock, 1)
        reader = threading.Thread(target=read, args=(sock,))
        reader.start()
        begin_stop(server)
        server.wait_exit(0)
        reader.join()
    server.wait_log("drain limit ran out, cut off in a request")
    server.wait_log("has left .* 1 connection cut")


@for_both_modes
def nothing_connected_means_no_waiting(case):
    import time
    server, port = www(case, "timeout { drain 10min }")
    with Http(port) as http:
        http.get("/", headers=["Connection: close"])
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 60


@for_both_modes
def who_was_in_the_backlog_is_served(case):
    """With one direct worker that is busy, others wait in the backlog: they are not refused afterwards."""
    text, port = case.service("echo", workers=1, connections=1, extra="timeout { drain 30s }")
    server = case.server(text)
    first = connect(port)
    first.sendall(b"x")
    read_exactly(first, 1)
    waiting = connect(port)
    waiting.sendall(b"waiting")
    waiting.shutdown(socket.SHUT_WR)
    begin_stop(server)
    first.close()
    assert read_exactly(waiting, 7) == b"waiting"
    waiting.close()
    server.wait_exit(0)


@test
def a_busy_worker_does_not_hold_the_address_for_those_who_come_later(case):
    """One was idle, took all that waited and left. Who comes before the other reads that it is to go is late."""
    text, port = case.service("echo", workers=2, connections=1, extra="timeout { drain 10min; idle 10min }")
    server = case.server(text)
    workers = server.wait_workers(2)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        busy, = wait_for(lambda: [pid for pid in workers if "busy" in title(pid)], "one to be busy")
        os.kill(busy, signal.SIGSTOP)
        wait_for(lambda: proc_stat(busy)[0] == "T", "it to stop")
        begin_stop(server)
        server.wait_workers(1)
        late = connect(port)
        os.kill(busy, signal.SIGCONT)
        wait_refused(port)  # the workers have read DRAIN: they, too, have left the listener
        late.close()
        sock.sendall(b"still")
        assert read_exactly(sock, 5) == b"still"
    server.wait_exit(0)


@test
def a_hup_drains_the_old_generation_only(case):
    text, port = case.service("echo", workers=1, connections=64, extra="timeout { drain 60s }")
    server = case.server(text)
    old, = server.wait_workers(1)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        case.conf(text.replace("workers 1", "workers 2"))
        server.reload()
        sock.sendall(b"still")  # the old connection lives on
        assert read_exactly(sock, 5) == b"still"
        with connect(port) as fresh:
            fresh.sendall(b"new")
            assert read_exactly(fresh, 3) == b"new"
    server.wait_workers(2, without=[old])


if __name__ == "__main__":
    main()
