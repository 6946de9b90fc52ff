#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What systemd and the server say to each other; the test plays systemd."""

import os
import re
import signal
import socket
import time

from harness import MUSTERD, connect, main, proc_stat, read_exactly, test, wait_for


def echoes(port, host="127.0.0.1"):
    with connect(port, host) as sock:
        sock.sendall(b"hello")
        return read_exactly(sock, 5) == b"hello"


@test
def ready_means_that_it_serves(case):
    text, port = case.service("echo", workers=4)
    server = case.server(text)
    assert echoes(port)
    _, fields = server.notify.wait("READY", "1")
    assert "STATUS" in fields or any("STATUS" in seen for _, seen in server.notify.seen)
    server.wait_workers(4)


@test
def a_reload_is_announced_as_notify_reload_wants_it(case):
    text, _ = case.service("echo")
    server = case.server(text)
    case.conf(text.replace("workers 2", "workers 3"))
    before, now = server.notify.count(), time.clock_gettime(time.CLOCK_MONOTONIC)
    server.send_signal(signal.SIGHUP)
    number, fields = server.notify.wait("RELOADING", "1", before)
    told = int(fields["MONOTONIC_USEC"]) / 1e6
    assert now <= told <= time.clock_gettime(time.CLOCK_MONOTONIC), (now, told)
    server.notify.wait("READY", "1", number)


@test
def a_refused_reload_is_ready_again_and_says_so(case):
    text, _ = case.service("echo")
    server = case.server(text)
    case.conf("nonsense\n")
    fields = server.reload()
    seen = [entry.get("STATUS", "") for _, entry in server.notify.seen]
    assert any("refused" in status for status in seen), (fields, seen)


@test
def stopping_is_announced(case):
    text, _ = case.service("echo")
    server = case.server(text)
    server.stop()
    server.notify.wait("STOPPING", "1")


@test
def the_watchdog_is_fed_in_time(case):
    text, _ = case.service("echo")
    server = case.server(text, env={"WATCHDOG_USEC": "1000000"})
    number, _ = server.notify.wait("WATCHDOG", "1", 0)
    server.notify.wait("WATCHDOG", "1", number)
    times = [when for when, fields in server.notify.seen if fields.get("WATCHDOG") == "1"]
    assert times[-1] - times[0] < 30


@test
def a_stopped_master_does_not_feed_the_watchdog(case):
    text, _ = case.service("echo")
    server = case.server(text, env={"WATCHDOG_USEC": "200000"})
    server.notify.wait("WATCHDOG", "1")
    os.kill(server.pid, signal.SIGSTOP)
    wait_for(lambda: proc_stat(server.pid)[0] == "T", "the master to be stopped")
    server.notify.poll()
    before = server.notify.count()
    time.sleep(0.5)  # the time in which nothing may come
    assert server.notify.count() == before
    os.kill(server.pid, signal.SIGCONT)
    server.notify.wait("WATCHDOG", "1", before)


@test
def a_watchdog_for_another_process_is_not_fed(case):
    text, _ = case.service("echo")
    server = case.server(text, env={"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    server.reload()
    assert not any("WATCHDOG" in fields for _, fields in server.notify.seen)


def activated(case, conf, listeners, names=None):
    """Starts the server as systemd would, with passed sockets from descriptor 3 on."""
    script = 'LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"'
    env = {"LISTEN_FDS": str(len(listeners))}
    if names:
        env["LISTEN_FDNAMES"] = names
    path = case.conf(conf)
    high = [os.dup2(sock.fileno(), 200 + number) for number, sock in enumerate(listeners)]

    def place():
        for number, fd in enumerate(high):
            os.dup2(fd, 3 + number)
    try:
        # Descriptors 3 and on are the server's; what Python itself has there is not passed.
        return case.server(path, env=env, preexec_fn=place, close_fds=True,
                           pass_fds=range(3, 3 + len(listeners)),
                           command=["/bin/sh", "-c", script, MUSTERD, "-c", str(path)])
    finally:
        for fd in high:
            os.close(fd)


@test
def a_passed_socket_is_used_by_name(case):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        text, _ = case.service("echo", listen="systemd:web")
        server = activated(case, text, [listener], "web")
        assert echoes(port)
        server.stop()
        # The socket is systemd's: it still listens, and nobody is refused.
        connect(port).close()


@test
def passed_sockets_are_told_apart(case):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        first, _ = case.service("daytime", name="first", listen="systemd:one")
        second, _ = case.service("echo", name="second", listen="systemd:two")
        activated(case, first + second, [one, two], "one:two")
        assert echoes(two.getsockname()[1])
        with connect(one.getsockname()[1]) as sock:
            assert re.search(rb"\d\d:\d\d", sock.recv(100))


@test
def a_passed_socket_that_is_missing_is_named(case):
    text, _ = case.service("echo", listen="systemd:nowhere")
    done = case.run("-c", case.conf(text))
    assert done.returncode > 0 and "nowhere" in done.stderr, done.stderr


@test
def the_waiting_clients_of_a_passed_socket_survive_a_restart(case):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        text, _ = case.service("echo", listen="systemd:web")
        server = activated(case, text, [listener], "web")
        assert echoes(port)
        server.stop()
        with connect(port) as sock:
            sock.sendall(b"patience")
            activated(case, text, [listener], "web")
            assert read_exactly(sock, 8) == b"patience"


@test
def a_journal_gets_priorities_instead_of_times(case):
    reader, writer = os.pipe()
    stat = os.fstat(writer)
    text, _ = case.service("echo")
    server = case.server(text, stderr=writer, stdout=writer,
                         env={"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
    os.close(writer)
    server.stop()
    with open(reader, encoding="utf-8") as log:
        lines = log.read().splitlines()
    assert lines and all(re.match(r"<[0-7]>", line) for line in lines), lines


if __name__ == "__main__":
    main()
