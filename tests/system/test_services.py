#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The small services of the RFCs over every kind of listener, run direct and multiplexed."""

import os
import re
import socket
import stat
import threading
import time

from harness import connect, for_both_modes, main, read_all, read_exactly, test

PRINTABLE = bytes(range(32, 127))


def echoes(sock, data=b"hello, world"):
    sock.sendall(data)
    return read_exactly(sock, len(data)) == data


@for_both_modes
def echo_gives_back_every_byte(case):
    text, port = case.service("echo")
    case.server(text)
    data = os.urandom(3_000_000)
    with connect(port) as sock:
        def send():
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        got = read_all(sock)
        sender.join()
    assert got == data, f"{len(got)} of {len(data)} bytes, or others"


@for_both_modes
def echo_serves_many_in_turn_and_at_once(case):
    text, port = case.service("echo", workers=4)
    case.server(text)
    for _ in range(100):
        with connect(port) as sock:
            assert echoes(sock)
    socks = [connect(port) for _ in range(4)]
    for number, sock in enumerate(socks):
        assert echoes(sock, b"%d" % number)
    for sock in socks:
        sock.close()


@for_both_modes
def a_waiting_client_is_served_when_a_worker_is_free(case):
    text, port = case.service("echo", workers=1)
    case.server(text)
    socks = [connect(port) for _ in range(20)]
    for sock in socks:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
    for sock in socks:
        assert read_all(sock) == b"hello"
        sock.close()


@for_both_modes
def discard_takes_all_and_says_nothing(case):
    text, port = case.service("discard")
    case.server(text)
    with connect(port) as sock:
        sock.sendall(b"x" * 2_000_000)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


@for_both_modes
def chargen_turns_its_lines(case):
    text, port = case.service("chargen")
    case.server(text)
    with connect(port) as sock:
        data = read_exactly(sock, 74 * 200)
    lines = data.split(b"\r\n")[:200]
    first = PRINTABLE.index(lines[0][:1])
    for number, line in enumerate(lines):
        start = (first + number) % len(PRINTABLE)
        assert line == (PRINTABLE * 2)[start:start + 72], (number, line)
    with connect(port) as sock:  # the client that went in the middle did no harm
        assert read_exactly(sock, 74)


@for_both_modes
def daytime_speaks_and_closes(case):
    text, port = case.service("daytime")
    case.server(text)
    with connect(port) as sock:
        line = read_all(sock).decode()
    assert line.endswith("\r\n") and line.count("\n") == 1, repr(line)
    assert re.search(r"\b\d\d:\d\d(:\d\d)?\b", line) and str(time.localtime().tm_year) in line, line


@for_both_modes
def time_counts_from_1900(case):
    text, port = case.service("time")
    case.server(text)
    with connect(port) as sock:
        data = read_all(sock)
    assert len(data) == 4, data
    assert abs(int.from_bytes(data, "big") - 2208988800 - time.time()) < 60


@for_both_modes
def ipv6_is_served(case):
    port = case.port()
    text, _ = case.service("echo", listen=f"[::1]:{port}")
    case.server(text)
    with connect(port, "::1") as sock:
        assert echoes(sock)


@for_both_modes
def a_star_is_both_families(case):
    port = case.port()
    text, _ = case.service("echo", listen=f"*:{port}")
    case.server(text)
    for host in ("127.0.0.1", "::1"):
        with connect(port, host) as sock:
            assert echoes(sock)


@test
def brackets_are_ipv6_alone(case):
    port = case.port()
    text, _ = case.service("echo", listen=f"[::]:{port}")
    case.server(text)
    with connect(port, "::1") as sock:
        assert echoes(sock)
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("IPv4 was served on [::]")


@test
def a_host_name_is_resolved(case):
    try:
        socket.getaddrinfo("localhost", None)
    except OSError:
        case.skip("this machine does not know localhost (/etc/hosts)")
    port = case.port()
    text, _ = case.service("echo", listen=f"localhost:{port}")
    case.server(text)
    with connect(port) as sock:
        assert echoes(sock)


@test
def several_listeners_share_a_pool(case):
    ports = [case.port() for _ in range(3)]
    text, _ = case.service("echo", listen="\n listen ".join(f"127.0.0.1:{port}" for port in ports))
    case.server(text)
    for port in ports:
        with connect(port) as sock:
            assert echoes(sock)


@for_both_modes
def a_unix_socket_has_its_mode_and_goes_with_the_server(case):
    path = case.folder / "echo.sock"
    text, _ = case.service("echo", listen=f"unix:{path}", extra="socket { mode 0620 }")
    server = case.server(text)
    assert stat.S_IMODE(path.stat().st_mode) == 0o620, oct(path.stat().st_mode)
    with connect(0, path) as sock:
        assert echoes(sock)
    server.stop()
    assert not path.exists(), "the socket file was left behind"


@test
def a_stale_unix_socket_is_replaced(case):
    path = case.folder / "echo.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    text, _ = case.service("echo", listen=f"unix:{path}")
    case.server(text)
    with connect(0, path) as sock:
        assert echoes(sock)


@test
def a_living_unix_socket_is_not_taken(case):
    path = case.folder / "echo.sock"
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        inode = path.stat().st_ino
        text, _ = case.service("echo", listen=f"unix:{path}")
        done = case.run("-c", case.conf(text))
        assert done.returncode not in (0, -1) and str(path) in done.stderr, done.stderr
        assert path.stat().st_ino == inode


@test
def a_file_that_is_no_socket_is_not_removed(case):
    path = case.write("precious", "data")
    text, _ = case.service("echo", listen=f"unix:{path}")
    done = case.run("-c", case.conf(text))
    assert done.returncode not in (0, -1) and "precious" in done.stderr, done.stderr
    assert path.read_text() == "data"


@test
def an_abstract_unix_socket_is_served(case):
    name = case.folder.name
    text, _ = case.service("echo", listen=f"unix:@{name}")
    case.server(text)
    with connect(0, b"\0" + name.encode()) as sock:
        assert echoes(sock)


if __name__ == "__main__":
    main()
