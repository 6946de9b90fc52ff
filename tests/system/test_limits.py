#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients that are slow, silent or rude, and a worker with hardly any descriptors."""

import os
import pathlib
import socket
import struct
import time

from harness import Http, connect, deadline, for_both_modes, main, read_all, read_exactly, test


def echoes(sock, data=b"hello"):
    sock.sendall(data)
    return read_exactly(sock, len(data)) == data


def www(case, extra="", **options):
    case.write("html/index.html", "page")
    text, port = case.service("http { root html }", name="www", extra=extra, **options)
    return case.server(text), port


def cpu_ticks(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[11]) + int(fields[12])


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@test
def few_descriptors_mean_few_connections_at_a_time_and_no_spin(case):
    text, port = case.service("echo", workers=1, connections=1000,
                              extra="limit { nofile 32 }\n timeout { idle 5min }")
    server = case.server(text)
    worker, = server.wait_workers(1)
    socks = [connect(port) for _ in range(60)]
    served = []
    for sock in socks:
        sock.sendall(b"x")
    for sock in socks:
        sock.settimeout(0.3 if len(served) >= 8 else deadline())  # so many must be served
        try:
            if sock.recv(1) == b"x":
                served.append(sock)
        except socket.timeout:
            break
    assert 8 <= len(served) < 32, f"{len(served)} of 60 clients are served at once"
    before, begin = cpu_ticks(worker), time.monotonic()
    while time.monotonic() < begin + 1:
        assert echoes(served[0])
        time.sleep(0.1)
    used = (cpu_ticks(worker) - before) / os.sysconf("SC_CLK_TCK")
    assert used < 0.5, f"the worker used {used:.2f} s of CPU in a second of doing nothing"
    for sock in served:
        sock.close()
    for sock in socks:  # the others are served as places become free
        if sock not in served:
            sock.settimeout(20)
            assert sock.recv(1) == b"x", "a waiting client was not served"
            sock.close()
    assert server.workers() == [worker], "the worker was replaced"


@test
def the_log_says_that_the_descriptor_limit_is_in_the_way(case):
    text, _ = case.service("echo", workers=1, connections=1000, extra="limit { nofile 32 }")
    server = case.server(text)
    server.wait_log(r"nofile|open files|descriptor")


@for_both_modes
def a_client_that_sends_nothing_is_closed_by_the_idle_limit(case):
    text, port = case.service("echo", extra="timeout { idle 300ms }")
    server = case.server(text)
    with connect(port) as sock:
        assert read_all(sock) == b""
        client = rf"127\.0\.0\.1:{sock.getsockname()[1]}"
        server.wait_log(rf"{client}.*idle|idle.*{client}")


@for_both_modes
def bytes_keep_the_idle_limit_away(case):
    text, port = case.service("echo", extra="timeout { idle 1s }")
    case.server(text)
    with connect(port) as sock:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert echoes(sock)
            time.sleep(0.1)
        assert sock.recv(1) == b""  # and now it is silent


@for_both_modes
def a_header_in_drops_is_closed_by_the_header_limit(case):
    server, port = www(case, "timeout { header 600ms; idle 5min }")
    with connect(port) as sock:
        begin = time.monotonic()
        data = b""
        try:
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"a" * 10_000:
                sock.sendall(bytes([byte]))
                sock.settimeout(0.05)
                try:
                    data = sock.recv(1000)
                    break
                except socket.timeout:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - begin > 0.5, "cut too early"
    assert data.startswith(b"HTTP/1.1 408 "), data
    server.wait_log("header")


@for_both_modes
def empty_lines_without_end_are_closed_by_the_header_limit(case):
    server, port = www(case, "timeout { header 600ms; idle 5min; park 5min }", workers=1)
    with connect(port) as sock:
        end = time.monotonic() + deadline()
        sock.settimeout(0.05)
        data = None
        while data is None and time.monotonic() < end:
            try:
                sock.sendall(b"\r\n")
                data = sock.recv(1000)
            except socket.timeout:
                continue
            except (BrokenPipeError, ConnectionResetError):
                data = b""
        assert data is not None, "served for ever, though it asks for nothing"
    with Http(port) as http:
        assert http.get("/").status == 200


@for_both_modes
def a_silent_http_client_is_closed_by_the_header_limit(case):
    server, port = www(case, "timeout { header 400ms; idle 5min }")
    with connect(port) as sock:
        data = read_all(sock)
        assert data == b"" or data.startswith(b"HTTP/1.1 408 "), data
    with Http(port) as http:
        assert http.get("/").status == 200
    assert server.workers()


@for_both_modes
def an_idle_keep_alive_connection_is_closed_by_the_idle_limit(case):
    _, port = www(case, "timeout { idle 400ms }")
    with Http(port) as http:
        assert http.get("/").status == 200
        assert http.at_end()


@for_both_modes
def a_reader_that_reads_nothing_is_closed(case):
    case.write("html/large", b"x" * 20_000_000)
    server, port = www(case, "timeout { idle 500ms }")
    with connect(port) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_log(r"idle")
    with Http(port) as http:
        assert http.get("/").status == 200


def read_slowly(http, seconds):
    """Reads a response so that it takes at least so long, never still for long; its body."""
    begin, body = time.monotonic(), b""
    while piece := http.sock.recv(65536):
        body += piece
        if time.monotonic() < begin + seconds:
            time.sleep(0.05)  # this is the client's pace, nothing waits for it
    return body.partition(b"\r\n\r\n")[2]


@for_both_modes
def the_header_limit_is_over_once_the_header_is_there(case):
    data = os.urandom(12_000_000)
    case.write("html/large", data)
    server, port = www(case, "timeout { header 1500ms; idle 60s }")
    for pieces in (["GET /large HTTP/1.1\r\nConnection: close\r\nHost: a\r\n\r\n"],
                   ["GET /large HT", "TP/1.1\r\nConnection: close\r\nHost: a\r\n\r\n"]):
        with Http(port) as http:
            for piece in pieces:
                http.send(piece)
            assert read_slowly(http, 3) == data
    server.stop()


@for_both_modes
def the_request_limit_ends_a_response_that_takes_too_long(case):
    case.write("html/large", os.urandom(40_000_000))
    server, port = www(case, "timeout { request 500ms; idle 60s }")
    with Http(port) as http:
        http.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert len(read_slowly(http, 10)) < 40_000_000
    server.wait_log("request limit of 500ms ran out")
    server.stop()


@for_both_modes
def a_half_closed_client_gets_its_answer(case):
    _, port = www(case)
    with Http(port) as http:
        http.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        http.sock.shutdown(socket.SHUT_WR)
        assert http.read().body == b"page"
        assert http.at_end()
    with connect(port) as sock:  # half a request, then the end
        sock.sendall(b"GET / HT")
        sock.shutdown(socket.SHUT_WR)
        data = read_all(sock)
        assert data == b"" or data.startswith(b"HTTP/1.1 400 "), data


@for_both_modes
def resets_at_every_point_do_no_harm(case):
    case.write("html/large", b"x" * 5_000_000)
    server, port = www(case)
    workers = server.wait_workers(2)
    request = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(10):
        reset(connect(port))
        for length in (1, 5, len(request) - 1, len(request)):
            sock = connect(port)
            sock.sendall(request[:length])
            reset(sock)
        sock = connect(port)
        sock.sendall(request)
        sock.recv(100)
        reset(sock)
    with Http(port) as http:
        assert http.get("/").body == b"page"
    assert server.workers() == workers, "a reset killed a worker"


@for_both_modes
def more_connections_than_fit_wait_for_their_turn(case):
    text, port = case.service("echo", workers=1, connections=case.connections and min(case.connections, 4))
    case.server(text)
    socks = [connect(port) for _ in range(12)]
    for number, sock in enumerate(socks):
        assert echoes(sock, b"%02d" % number)
        sock.close()


@test
def the_log_names_the_park_limit_of_a_direct_worker(case):
    case.write("html/index.html", "page")
    text, port = case.service("http { root html }", extra="timeout { park 200ms; idle 10min }",
                              connections=1)
    server = case.server("log stderr debug\n" + text)
    with Http(port) as http:
        assert http.get("/").status == 200
        assert http.at_end()
    server.wait_log("park limit of 200ms ran out")


@test
def idle_http_clients_do_not_hold_a_direct_pool(case):
    _, port = www(case, "timeout { idle 10min }", workers=2, connections=1)
    idle = []
    for _ in range(6):  # each stays connected after its answer
        http = Http(port)
        assert http.get("/").body == b"page"
        idle.append(http)
    for http in idle:
        http.close()


if __name__ == "__main__":
    main()
