#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every signal that the master understands, and those that workers leave to it."""

import fcntl
import os
import re
import signal
import termios
import time

from harness import (Http, connect, deadline, for_both_modes, is_alive, main, read_exactly, status_field,
                     test, wait_for)


def page(case, **options):
    """A site of one page below one/ and another below two/; (conf text, port)."""
    case.write("one/index.html", "one")
    case.write("two/index.html", "two")
    return case.service("http { root one }", name="www", **options)


def body(port):
    with Http(port) as http:
        return http.get("/", headers=["Connection: close"]).body


def becomes(port, content):
    """Old workers may take a last connection in the moment of a reload; soon there are none."""
    wait_for(lambda: body(port) == content, f"the page to be {content}")


def open_echo(port):
    sock = connect(port)
    sock.sendall(b"x")
    read_exactly(sock, 1)
    return sock


def stops_on(case, number):
    text, port = page(case)
    server = case.server(text)
    assert body(port) == b"one"
    server.stop(number)
    server.notify.wait("STOPPING", "1")
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody still listens")


@for_both_modes
def term_stops(case):
    stops_on(case, signal.SIGTERM)


@for_both_modes
def quit_stops(case):
    stops_on(case, signal.SIGQUIT)


@for_both_modes
def int_stops(case):
    stops_on(case, signal.SIGINT)


def second_signal_stops_at_once(case, first, second):
    text, port = case.service("echo", extra="timeout { idle 10min; drain 10min }")
    server = case.server(text)
    with open_echo(port) as sock:
        server.send_signal(first)
        server.notify.wait("STOPPING", "1")
        sock.sendall(b"still here")  # the drain goes on: the first signal cut nobody
        assert read_exactly(sock, 10) == b"still here"
        server.send_signal(second)
        server.wait_exit(None)


@for_both_modes
def a_second_int_stops_at_once(case):
    second_signal_stops_at_once(case, signal.SIGINT, signal.SIGINT)


@for_both_modes
def term_after_int_stops_at_once(case):
    second_signal_stops_at_once(case, signal.SIGINT, signal.SIGTERM)


@for_both_modes
def hup_takes_the_new_file(case):
    text, port = page(case)
    server = case.server(text)
    assert body(port) == b"one"
    case.conf(text.replace("root one", "root two"))
    server.reload()
    becomes(port, b"two")


@for_both_modes
def hup_with_a_bad_file_changes_nothing(case):
    text, port = page(case, workers=3)
    server = case.server(text)
    workers = server.wait_workers(3)
    mark = server.log_size()
    case.conf(text.replace("root one", "root two").replace("workers", "wrokers"))
    server.reload()
    server.wait_log(r"musterd\.conf:4:\d+: .*wrokers", mark)
    assert server.workers() == workers, "workers were replaced"
    assert body(port) == b"one"
    case.conf(text.replace("root one", "root two"))
    server.reload()
    becomes(port, b"two")


@test
def hup_with_a_taken_port_changes_nothing(case):
    import socket
    text, port = page(case, workers=2)
    server = case.server(text)
    workers = server.wait_workers(2)
    other, taken = case.service("echo", name="other")
    with socket.create_server(("127.0.0.1", taken)):
        mark = server.log_size()
        case.conf(text.replace("root one", "root two") + other)
        server.reload()
        server.wait_log(rf"127\.0\.0\.1:{taken}.*in use", mark)
    assert server.workers() == workers and body(port) == b"one"


@test
def hup_adds_and_removes_services(case):
    text, port = page(case, workers=1)
    other, added = case.service("echo", name="other", workers=1)
    server = case.server(text)
    case.conf(text + other)
    server.reload()
    open_echo(added).close()
    assert body(port) == b"one"
    case.conf(text)
    server.reload()
    server.wait_workers(0, "other")
    try:
        connect(added).close()
        raise AssertionError("the removed service still listens")
    except ConnectionRefusedError:
        pass
    assert body(port) == b"one"


@test
def hup_says_who_sent_it(case):
    text, _ = page(case)
    server = case.server(text)
    mark = server.log_size()
    server.send_signal(signal.SIGHUP)
    server.wait_log(rf"HUP.*{os.getpid()}", mark)


@for_both_modes
def usr1_reopens_the_log_of_master_and_workers(case):
    text, port = case.service("echo", extra="timeout { idle 200ms }", workers=1)
    log = case.folder / "musterd-file.log"
    server = case.server(f"log {log} info\n" + text)
    worker, = server.wait_workers(1)
    old = log.rename(case.folder / "musterd-old.log")
    server.send_signal(signal.SIGUSR1)
    wait_for(log.exists, "the new log file")

    def worker_writes():
        with open_echo(port) as sock:  # the idle limit makes the worker write a line
            assert sock.recv(1) == b""
        return re.search(rf"\[{worker}\].*idle", log.read_text(), re.IGNORECASE)
    wait_for(worker_writes, "a line of the worker in the new log")
    size = old.stat().st_size
    server.stop()
    assert old.stat().st_size == size, "somebody still writes to the old log"
    assert re.search(rf"\[{server.pid}\]", log.read_text()), "the master does not write to the new log"


@test
def ttin_and_ttou_change_the_number_of_workers(case):
    text, port = page(case, workers=2)
    server = case.server(text)
    first = set(server.wait_workers(2))
    server.send_signal(signal.SIGTTIN)
    more = set(server.wait_workers(3))
    assert first < more, "one more, and the others stay"
    server.send_signal(signal.SIGTTOU)
    server.wait_workers(2)
    server.send_signal(signal.SIGTTOU)
    server.wait_workers(1)
    assert body(port) == b"one"


@test
def winch_is_ignored(case):
    text, port = page(case, workers=2)
    server = case.server(text)
    workers = server.wait_workers(2)
    server.send_signal(signal.SIGWINCH)
    bit = 1 << (signal.SIGWINCH - 1)
    wait_for(lambda: not int(status_field(server.pid, "ShdPnd"), 16) & bit, "the signal to be taken")
    assert server.workers() == workers
    assert body(port) == b"one"
    server.stop()


@test
def a_closed_terminal_stops_the_foreground_master(case):
    text, port = page(case)
    try:
        master, slave = os.openpty()
    except OSError as error:
        case.skip(f"no pseudo terminals here: {error}")

    def take_terminal():
        # Under nohup it would be ignored, and the server respects that.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    server = case.server(text, stdin=slave, preexec_fn=take_terminal)
    os.close(slave)
    assert body(port) == b"one"
    os.close(master)  # now the kernel sends SIGHUP
    server.wait_exit(0)


@for_both_modes
def workers_leave_terminal_signals_to_the_master(case):
    text, port = page(case, workers=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        os.kill(worker, number)
        assert body(port) == b"one"
    assert server.workers() == [worker] and is_alive(worker)


@test
def a_shower_of_signals_leaves_a_working_server(case):
    text, port = page(case, workers=2)
    server = case.server(text)
    end = time.monotonic() + min(deadline(2), 4)
    while time.monotonic() < end:
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGWINCH, signal.SIGTTOU):
            server.send_signal(number)
        assert body(port) == b"one"
    case.conf(text.replace("root one", "root two"))
    before = server.notify.count()
    server.send_signal(signal.SIGHUP)
    server.notify.wait("READY", "1", before)
    becomes(port, b"two")
    server.stop()


if __name__ == "__main__":
    main()
