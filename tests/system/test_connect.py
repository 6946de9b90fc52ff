#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Connections of a module's own (mu_connect). The program is tests/tools/relay.c: ours with a handler that connects
each client to an address. What the name servers have to do with it is tests/unit/test_connect.c."""

import os
import pathlib
import resource
import socket
import threading

from harness import connect, for_both_modes, has_sanitizers, main, open_files, read_all, read_exactly, test, wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
RELAY = os.path.abspath(os.environ.get("MUSTERD_RELAY", TOP / "tests/tools/relay"))


def start(case, text, **options):
    conf = case.conf(text)
    return case.server(conf, command=[RELAY, "-c", str(conf)], **options)


def relay_to(case, to, **options):
    """A service of one worker that relays to that address, and its port."""
    return case.service(f"relay {{ to {to} }}", name="relay", workers=1, **options)


def target(case):
    """A listener of the test's own; (socket, port)."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.settimeout(20)
    case.defer(listener.close)
    return listener, listener.getsockname()[1]


def echoed(port, data):
    """What comes back of the data, which is sent while it is read."""
    with connect(port) as sock:
        def send():
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        back = read_all(sock)
        sender.join()
    return back


@for_both_modes
def bytes_go_both_ways(case):
    echo, echo_port = case.service("echo", name="target", workers=2, connections=64)
    relay, port = relay_to(case, f"127.0.0.1:{echo_port}")
    start(case, echo + relay)
    data = os.urandom(3 * 1024 * 1024)
    for _ in range(3):
        assert echoed(port, data) == data


@for_both_modes
def localhost_and_unix_sockets_are_addresses(case):
    by_unix, _ = case.service("echo", name="by_unix", listen=f"unix:{case.folder}/sock", connections=64)
    by_name, echo_port = case.service("echo", name="by_name", connections=64)
    one, one_port = case.service(f"relay {{ to unix:{case.folder}/sock }}", name="one", workers=1)
    two, two_port = case.service(f"relay {{ to localhost:{echo_port} }}", name="two", workers=1)
    start(case, by_unix + by_name + one + two)
    assert echoed(one_port, b"over a Unix socket") == b"over a Unix socket"
    assert echoed(two_port, b"by name") == b"by name"


@for_both_modes
def a_chroot_hides_no_names(case):
    case.need_root()
    echo, echo_port = case.service("echo", name="target", connections=64)
    root = case.folder / "root"
    root.mkdir()
    relay, port = relay_to(case, f"localhost:{echo_port}", extra=f"chroot {root}\nuser nobody")
    start(case, echo + relay)
    assert echoed(port, b"from inside") == b"from inside"


@for_both_modes
def a_refusal_ends_the_client_and_is_logged(case):
    listener, to = target(case)
    listener.close()
    relay, port = relay_to(case, f"127.0.0.1:{to}")
    server = start(case, relay)
    with connect(port) as sock:
        assert read_all(sock) == b""
    server.wait_log(rf"no connection to 127\.0\.0\.1:{to}: ECONNREFUSED")


@for_both_modes
def an_end_of_the_other_side_is_passed_on(case):
    listener, to = target(case)
    relay, port = relay_to(case, f"127.0.0.1:{to}")
    server = start(case, relay)
    worker = server.wait_workers(1)[0]
    before = len(open_files(worker))
    for _ in range(5):
        with connect(port) as sock:
            other, _ = listener.accept()
            other.sendall(b"good-bye")
            other.close()
            assert read_exactly(sock, 8) == b"good-bye"
            assert read_all(sock) == b""
        wait_for(lambda: len(open_files(worker)) == before, "the worker to close what it opened")


@for_both_modes
def a_reload_lets_a_relay_finish(case):
    listener, to = target(case)
    relay, port = relay_to(case, f"127.0.0.1:{to}")
    server = start(case, relay)
    old = server.wait_workers(1)[0]
    with connect(port) as sock:
        other, _ = listener.accept()
        with other:
            sock.sendall(b"before")
            assert read_exactly(other, 6) == b"before"
            case.conf(relay.replace(f"to 127.0.0.1:{to}", f"to 127.0.0.1:{to}; time 9s"))
            server.reload()
            sock.sendall(b"after")
            assert read_exactly(other, 5) == b"after"
            other.sendall(b"back")
            assert read_exactly(sock, 4) == b"back"
    wait_for(lambda: old not in server.workers(), "the old worker to leave")


@for_both_modes
def what_the_drain_limit_cuts_is_closed(case):
    listener, to = target(case)
    relay, port = relay_to(case, f"127.0.0.1:{to}", extra="timeout { drain 200ms }")
    server = start(case, relay)
    with connect(port) as sock:
        other, _ = listener.accept()
        with other:
            sock.sendall(b"x")
            assert read_exactly(other, 1) == b"x"
            server.stop()
            assert read_all(sock) == b""
            assert read_all(other) == b""


@test
def each_client_can_have_a_connection_beside_its_own(case):
    listener, to = target(case)
    number = 100 if has_sanitizers() else 200
    relay, port = relay_to(case, f"localhost:{to}", connections=number)

    def few_files():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (number + 20, hard))

    start(case, relay, preexec_fn=few_files)
    pairs = []
    for _ in range(number):
        sock = connect(port)
        case.defer(sock.close)
        other, _ = listener.accept()
        case.defer(other.close)
        pairs.append((sock, other))
    for index, (sock, _) in enumerate(pairs):
        sock.sendall(f"{index:05}".encode())
    seen = {bytes(read_exactly(other, 5)) for _, other in pairs}
    assert seen == {f"{index:05}".encode() for index in range(number)}


if __name__ == "__main__":
    main()
