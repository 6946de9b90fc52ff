#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starting and stopping: foreground, daemon, pid file, titles, and starts that must fail with a reason."""

import os
import re
import shutil
import signal
import socket

import harness
from harness import (EX_CONFIG, MUSTERD, Http, children, connect, is_alive, main, nobody, read_exactly,
                     test, title, wait_for)

# What the log must say, loosely.
IN_USE = r"in use"
DENIED = r"permission denied"


def echoes(port, host="127.0.0.1"):
    with connect(port, host) as sock:
        sock.sendall(b"hello")
        return read_exactly(sock, 5) == b"hello"


def read_pid(path):
    return int(path.read_text())


def start_daemon(case, conf, pidfile, **options):
    """musterd -d; its pid. It is stopped at the end of the test if it still runs."""
    case.run("-c", conf, "-d", "-p", pidfile, status=0, **options)
    pid = read_pid(pidfile)

    def stop():
        if is_alive(pid):
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not is_alive(pid), "the end of the daemon")
    case.defer(stop)
    return pid


@test
def serves_in_the_foreground_and_ends_on_term(case):
    text, port = case.service("echo", workers=3)
    server = case.server(text)
    assert echoes(port)
    server.wait_workers(3, "svc")
    server.stop()
    assert not children(server.pid)


@test
def every_process_bears_its_title(case):
    text, _ = case.service("echo", name="hello", workers=2)
    server = case.server(text)
    assert re.match(r"musterd: master \[.*musterd\.conf\]", title(server.pid)), title(server.pid)
    titles = sorted(title(pid) for pid in server.wait_workers(2, "hello"))
    for number, text in enumerate(titles, 1):
        assert re.match(rf"musterd: worker hello {number}\b", text), titles


@test
def the_title_counts_connections(case):
    text, port = case.service("echo", name="hello", workers=1, connections=64)
    server = case.server(text)
    worker, = server.wait_workers(1)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        wait_for(lambda: re.search(r"\b1/64\b", title(worker)), "a title with 1/64")


@test
def t_accepts_a_good_file(case):
    text, _ = case.service("echo")
    case.run("-t", "-c", case.conf(text), status=0)


@test
def what_T_prints_is_valid_and_says_the_same(case):
    text, _ = case.service("http { root . }", extra="timeout { idle 5s }")
    first = case.run("-T", "-c", case.conf(text), status=0).stdout
    assert re.search(r"musterd\.conf:\d+", first), "no origins in " + first
    again = case.conf(first, "printed.conf")
    case.run("-t", "-c", again, status=0)
    second = case.run("-T", "-c", again, status=0).stdout

    def bare(printed):
        return [re.sub(r"\s*#.*", "", line).rstrip() for line in printed.splitlines()
                if re.sub(r"\s*#.*", "", line).strip()]
    assert bare(first) == bare(second), f"{first}\n---\n{second}"


@test
def a_missing_file_is_a_configuration_error(case):
    done = case.run("-c", case.folder / "none.conf", status=EX_CONFIG)
    assert "none.conf" in done.stderr and "No such file" in done.stderr, done.stderr


@test
def an_unknown_option_is_a_usage_error(case):
    done = case.run("--no-such-option")
    assert done.returncode == harness.EX_USAGE, done.returncode
    assert "usage" in done.stderr.lower(), done.stderr


@test
def a_daemon_serves_when_its_parent_returns(case):
    text, port = case.service("echo")
    pidfile = case.folder / "pid"
    pid = start_daemon(case, case.conf(text), pidfile)
    assert echoes(port)
    assert os.getsid(pid) != os.getsid(0), "the daemon is still in our session"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    for fd in (0, 1):
        assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not is_alive(pid), "the end of the daemon")
    assert not pidfile.exists(), "the pid file was left behind"


@test
def a_daemon_that_cannot_start_says_so_and_fails(case):
    text, port = case.service("echo")
    pidfile = case.folder / "pid"
    with socket.create_server(("127.0.0.1", port)):
        done = case.run("-c", case.conf(text), "-d", "-p", pidfile)
    assert done.returncode not in (0, -1), done.returncode
    assert re.search(IN_USE, done.stderr), done.stderr
    assert not pidfile.exists()


@test
def a_daemon_whose_workers_cannot_start_fails(case):
    # All is well with the file and the sockets, but a worker has no descriptor left for itself.
    listeners = "\n listen ".join(f"127.0.0.1:{case.port()}" for _ in range(20))
    text, _ = case.service("echo", listen=listeners, extra="limit { nofile 16 }")
    conf = case.conf(text)
    case.run("-t", "-c", conf, status=0)
    done = case.run("-c", conf, "-d", "-p", case.folder / "pid")
    assert done.returncode != 0, "the parent said that all is well"
    assert not (case.folder / "pid").exists()


@test
def a_second_instance_is_refused(case):
    text, port = case.service("echo")
    other, _ = case.service("echo")
    pidfile = case.folder / "pid"
    pid = start_daemon(case, case.conf(text), pidfile)
    done = case.run("-c", case.conf(other, "other.conf"), "-p", pidfile)
    assert done.returncode not in (0, -1), done.returncode
    assert str(pid) in done.stderr, "the refusal does not name the running one: " + done.stderr
    assert read_pid(pidfile) == pid
    assert echoes(port)


@test
def a_stale_pid_file_is_no_hindrance(case):
    text, port = case.service("echo")
    pidfile = case.write("pid", "4194304\n")
    server = case.server(text, "-p", str(pidfile))
    assert read_pid(pidfile) == server.pid
    assert echoes(port)
    server.stop()
    assert not pidfile.exists()


@test
def a_port_in_use_is_named(case):
    text, port = case.service("echo")
    with socket.create_server(("127.0.0.1", port)):
        done = case.run("-c", case.conf(text))
    assert done.returncode not in (0, -1), done.returncode
    assert re.search(rf"127\.0\.0\.1:{port}.*{IN_USE}", done.stderr, re.IGNORECASE), done.stderr


@test
def a_privileged_port_without_privilege_is_named(case):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        if int(file.read()) <= 81:
            case.skip("all ports are free to all users here")
    text, _ = case.service("echo", listen="127.0.0.1:81")
    conf = case.conf(text)
    options = {}
    if os.geteuid() == 0:
        # The build folder may be closed to nobody.
        program = shutil.copy(MUSTERD, case.folder / "musterd")
        options = {"user": nobody().pw_uid, "group": nobody().pw_gid, "extra_groups": [],
                   "command": [program, "-c", str(conf)]}
    done = case.run("-c", conf, **options)
    assert done.returncode not in (0, -1), done.returncode
    assert re.search(rf"127\.0\.0\.1:81.*{DENIED}", done.stderr, re.IGNORECASE), done.stderr


@test
def an_unknown_user_is_named(case):
    text, _ = case.service("echo", extra="user no-such-user-here")
    done = case.run("-c", case.conf(text), status=EX_CONFIG)
    assert re.search(r"user.*no-such-user-here|no-such-user-here.*user", done.stderr), done.stderr


@test
def two_services_run_beside_each_other(case):
    one, port_one = case.service("echo", name="one")
    case.write("index.html", "page")
    two, port_two = case.service("http { root . }", name="two")
    case.server(one + two)
    assert echoes(port_one)
    with Http(port_two) as http:
        assert http.get("/").body == b"page"


@test
def an_include_is_relative_to_its_file(case):
    text, port = case.service("echo")
    case.write("conf.d/10-echo.conf", text)
    case.server("include conf.d/*.conf\n")
    assert echoes(port)


if __name__ == "__main__":
    main()
