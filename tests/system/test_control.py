#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The control socket and its client: what is asked, who may, what comes of it, and who must not be waited for."""

import contextlib
import fcntl
import grp
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess

from harness import (EX_USAGE, MUSTERD, Http, connect, deadline, for_both_modes, has_sanitizers, is_alive,
                     main, nobody, proc_stat, read_all, read_exactly, test, wait_for)

OK, REFUSED, USAGE, NOT_RUNNING = 0, 1, 2, 3
CLIENTS = 32  # at once


def with_control(text, path="control", extra=""):
    return f"control {{ path {path}; {extra} }}\n{text}"


def started(case, handler="echo", extra="", path="control", **options):
    """A server with a control socket and one service; (server, port, text of the configuration)."""
    text, port = case.service(handler, **options)
    text = with_control(text, path, extra)
    return case.server(text), port, text


def ask(case, *args, status=OK, **options):
    """The client's run on the case's configuration."""
    return case.run("-c", case.folder / "musterd.conf", *args, status=status, **options)


def raw(case, request, path="control", end=True):
    """What the socket says to these bytes."""
    with connect(None, case.folder / path) as sock:
        sock.sendall(request)
        if end:
            sock.shutdown(socket.SHUT_WR)
        return read_all(sock).decode()


def read_reply(sock):
    """Until the end of the stream, however that comes: who was refused has sent in vain."""
    said = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            said += piece
    return said.decode()


def lines_of(text, kind):
    """The lines of a status that are of this kind, each as (name, {key: value})."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[0] == kind:
            rest = words[1:] if kind == "musterd" else words[2:]
            if kind == "worker":
                rest = rest[1:]
            if len(rest) % 2:
                rest = rest[1:]
            found.append((words[1], dict(zip(rest[::2], rest[1::2]))))
    return found


def status(case):
    return ask(case, "--status").stdout


def service_of(case, name="svc"):
    return dict(lines_of(status(case), "service"))[name]


# -------------------------------------------------------------------------------------- requests

@for_both_modes
def the_status_says_what_runs(case):
    server, port, _ = started(case, workers=2)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        text = status(case)
        (_, head), = lines_of(text, "musterd")
        assert head["pid"] == str(server.pid) and head["state"] == "serving", text
        assert head["generation"] == "1" and head["reload"] == "none", text
        assert head["configuration"] == str(case.folder / "musterd.conf"), text
        (name, service), = lines_of(text, "service")
        assert name == "svc" and service["state"] == "serving" and service["workers"] == "2", text
        assert service["busy"] == "1" and service["idle"] == "1" and service["connections"] == "1", text
        assert service["accepted"] == "1" and service["range"] == "2..2", text
        assert f"listener svc 127.0.0.1:{port}" in text, text
        workers = [worker for _, worker in lines_of(text, "worker")]
        assert sorted(int(worker["pid"]) for worker in workers) == server.workers(), text
        busy, = [worker for worker in workers if worker["connections"] == "1"]
        mine = sock.getsockname()
        assert busy["peer"] == f"{mine[0]}:{mine[1]}" and busy["state"] == "busy", text


@test
def totals_outlive_workers_and_reloads(case):
    server, port, text = started(case, "daytime", workers=1)
    for _ in range(5):
        with connect(port) as sock:
            read_all(sock)
    wait_for(lambda: service_of(case)["accepted"] == "5", "5 connections in the status")
    worker, = server.workers()
    os.kill(worker, signal.SIGKILL)
    server.wait_workers(1, without=[worker])
    found = service_of(case)
    assert found["accepted"] == "5" and found["lost"] == "1", found
    case.conf(text.replace("workers 1", "workers 2"))
    ask(case, "--reload")
    with connect(port) as sock:
        read_all(sock)
    wait_for(lambda: service_of(case)["accepted"] == "6", "6 connections in the status")


@test
def a_reload_is_answered_with_its_outcome(case):
    server, port, text = started(case, workers=1)
    new, new_port = case.service("daytime", name="new", workers=1)
    case.conf(text + new)
    done = ask(case, "--reload")
    assert "generation 2 serves" in done.stdout and "new" in done.stdout, done.stdout
    with connect(new_port) as sock:  # serves by the time the client ends
        assert read_all(sock)
    server.wait_log(r"control: reload, from pid \d+ \(uid %d\)" % os.getuid())
    (_, head), = lines_of(status(case), "musterd")
    assert head["reload"] == "ok" and head["generation"] == "2", head


@test
def a_refused_reload_says_why_and_where(case):
    server, port, text = started(case, workers=1)
    case.conf(text + "nonsense 1\nmore nonsense\n")
    done = ask(case, "--reload", status=REFUSED)
    first = len(text.splitlines()) + 1
    assert f"musterd.conf:{first}:1: " in done.stderr and "nonsense" in done.stderr, done.stderr
    assert f"musterd.conf:{first + 1}:1: " in done.stderr and not done.stdout, done
    found = status(case)
    (_, head), = lines_of(found, "musterd")
    assert head["reload"] == "refused" and head["generation"] == "1", found
    assert "reload-reason " in found and "musterd.conf" in found, found
    with connect(port) as sock:
        sock.sendall(b"x")
        assert read_exactly(sock, 1) == b"x"
    case.conf(text)
    ask(case, "--reload")
    assert "reload-reason" not in status(case)


@test
def a_reload_that_cannot_bind_is_refused(case):
    _, _, text = started(case, workers=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        new, _ = case.service("echo", name="new", listen=f"127.0.0.1:{taken.getsockname()[1]}")
        case.conf(text + new)
        done = ask(case, "--reload", status=REFUSED)
        assert "in use" in done.stderr, done.stderr


@test
def all_who_wait_for_one_reload_are_answered(case):
    _, _, text = started(case, workers=1)
    case.conf(text.replace("workers 1", "workers 2"))
    command = [MUSTERD, "-c", str(case.folder / "musterd.conf"), "--reload"]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for _ in range(8)]
    for client in clients:
        said = client.communicate(timeout=deadline(30))[0]
        assert client.returncode == 0, said


@test
def a_plan_changes_nothing(case):
    server, _, text = started(case, workers=1)
    before = server.workers()
    new, _ = case.service("echo", name="coming", workers=1)
    case.conf(text + new)
    done = ask(case, "--plan")
    assert "coming" in done.stdout, done.stdout
    assert server.workers() == before
    (_, head), = lines_of(status(case), "musterd")
    assert head["generation"] == "1" and head["reload"] == "none", head
    case.conf(text + "nonsense 1\n")
    done = ask(case, "--plan", status=REFUSED)
    assert "nonsense" in done.stderr, done.stderr


@for_both_modes
def stop_is_answered_when_all_is_over(case):
    server, port, _ = started(case, workers=1, extra="mode 0600")
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        client = subprocess.Popen([MUSTERD, "-c", str(case.folder / "musterd.conf"), "--stop"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        case.defer(client.stdout.close)
        server.wait_log("control: stop, from pid")
        assert client.poll() is None, "answered while a client is served"
        found = status(case)
        assert " state stopping " in found.splitlines()[0], found
        done = ask(case, "--reload", status=REFUSED)
        assert "stop" in done.stderr, done.stderr
    said = client.communicate(timeout=deadline(30))[0]
    assert client.returncode == 0 and "0 connections cut" in said, said
    server.wait_exit()
    assert not (case.folder / "control").exists()
    ask(case, "--status", status=NOT_RUNNING)


@test
def stop_says_what_was_cut(case):
    text, port = case.service("echo", workers=1, extra="timeout { drain 100ms }")
    server = case.server(with_control(text))
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        done = ask(case, "--stop")
        assert "1 connection cut" in done.stdout, done.stdout
    server.wait_exit()


@test
def reopen_says_what_it_opened(case):
    text, _ = case.service("echo", workers=1)
    log = case.folder / "musterd.log"
    server = case.server(with_control(f"log {log} debug\n" + text))
    log.rename(case.folder / "rotated")
    done = ask(case, "--reopen")
    assert str(log) in done.stdout, done.stdout
    assert "opened anew" in log.read_text()
    # Not to be opened: the old one is used on, and the client is told.
    log.unlink()
    log.mkdir()
    done = ask(case, "--reopen", status=REFUSED)
    assert str(log) in done.stderr and "directory" in done.stderr, done.stderr
    log.rmdir()
    server.stop()


@test
def without_a_log_file_there_is_nothing_to_reopen(case):
    started(case, workers=1)
    assert "nothing to open" in ask(case, "--reopen").stdout


@test
def workers_are_more_or_fewer(case):
    server, _, _ = started(case, workers=2)
    assert "3 workers" in ask(case, "--workers", "svc=+1").stdout
    server.wait_workers(3)
    assert "1 worker" in ask(case, "--workers", "svc=1").stdout
    server.wait_workers(1)
    assert "4 workers" in ask(case, "--workers=svc=4").stdout
    server.wait_workers(4)
    assert "2 workers" in ask(case, "--workers", "svc=-2").stdout
    server.wait_workers(2)
    assert service_of(case)["range"] == "2..2"
    done = ask(case, "--workers", "svc=60000", status=REFUSED)
    assert "60000" in done.stderr, done.stderr
    server.wait_workers(2)


@test
def a_service_that_is_not_there_is_refused_with_those_that_are(case):
    one, _ = case.service("echo", name="one", workers=1)
    two, _ = case.service("echo", name="two", workers=1)
    case.server(with_control(one + two))
    for args in (("--workers", "three=+1"), ("--pause", "three"), ("--resume", "three")):
        done = ask(case, *args, status=REFUSED)
        assert "three" in done.stderr and "one, two" in done.stderr, done.stderr


@for_both_modes
def a_paused_service_lets_clients_wait(case):
    _, port, _ = started(case, workers=2)
    assert "paused" in ask(case, "--pause", "svc").stdout
    assert service_of(case)["state"] == "paused"
    assert "already" in ask(case, "--pause", "svc").stdout
    # Whoever was in accept4 when the pause came may be served yet; the status tells when nobody can be.
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(connect(port))
        waiting.sendall(b"x")
        assert service_of(case)["connections"] in ("0", "1")
        ask(case, "--resume", "svc")
        assert read_exactly(waiting, 1) == b"x"
    assert service_of(case)["state"] == "serving"
    assert "already" in ask(case, "--resume", "svc").stdout


@test
def workers_of_a_paused_service_that_never_served_do_not_count_as_killed(case):
    server, _, text = started(case, workers=2)
    ask(case, "--pause", "svc")
    for backlog in (10, 11):
        case.conf(text.replace("handler", f"backlog {backlog}\n handler", 1))
        ask(case, "--reload")
    server.wait_log("generation 2 has left after .*, 0 connections cut, 0 workers killed")


@test
def help_lists_the_requests(case):
    started(case, workers=1)
    text = raw(case, b"help\n")
    assert text.startswith("ok\n"), text
    for name in ("status", "plan", "reload", "upgrade", "stop", "reopen", "workers SERVICE", "pause SERVICE",
                 "resume SERVICE"):
        assert f"\n{name}" in text, name


# ------------------------------------------------------------------------ the client's exit codes

@test
def wrong_usage_of_the_client_is_2(case):
    _, _, _ = started(case, workers=1)
    for args in (["--reload", "extra"], ["--reload", "--stop"], ["--workers", "svc"], ["--workers", "=3"],
                 ["--workers"], ["--workers", "svc=x"], ["--workers", "svc="], ["--pause"], ["--pause", "a b"],
                 ["--status", "-d"], ["--status", "-p", "x"], ["--bogus", "--status"], ["--status", "-t"]):
        done = ask(case, *args, status=USAGE)
        assert done.stderr and not done.stdout, args
    # Where no running master is asked, usage errors are as ever.
    ask(case, "--bogus", status=EX_USAGE)
    ask(case, "-s", "control", "-t", status=EX_USAGE)


@test
def without_a_master_it_is_3_and_says_where_it_looked(case):
    text, _ = case.service("echo", workers=1)
    case.conf(with_control(text))
    done = ask(case, "--reload", status=NOT_RUNNING)
    assert str(case.folder / "control") in done.stderr and "not running" in done.stderr, done.stderr
    # A file that a dead master has left.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(case.folder / "control"))
    done = ask(case, "--status", status=NOT_RUNNING)
    assert str(case.folder / "control") in done.stderr and "not running" in done.stderr, done.stderr


@test
def a_stopped_master_is_not_waited_for(case):
    server, _, _ = started(case)
    server.send_signal(signal.SIGSTOP)
    try:
        done = ask(case, "--status", status=NOT_RUNNING)
    finally:
        server.send_signal(signal.SIGCONT)
    assert "did not answer for 10 s: is it stopped?" in done.stderr, done.stderr
    assert status(case).startswith("musterd ")


@test
def without_a_socket_in_the_configuration_it_says_so(case):
    text, _ = case.service("echo", workers=1)
    case.conf(text)
    done = ask(case, "--status", status=USAGE)
    assert "control" in done.stderr and "-s" in done.stderr, done.stderr
    done = case.run("-c", case.folder / "missing.conf", "--status", status=USAGE)
    assert "missing.conf" in done.stderr, done.stderr


@test
def the_socket_may_be_named(case):
    started(case, workers=1)
    done = case.run("-s", case.folder / "control", "-c", "/nowhere.conf", "--status", status=OK)
    assert done.stdout.startswith("musterd "), done.stdout
    case.run("-s", "control", "--status", status=OK)  # from the current folder
    done = case.run("-s", "x" * 200, "--status", status=USAGE)
    assert "longer" in done.stderr, done.stderr


@test
def it_finds_the_socket_by_a_file_that_is_broken_now(case):
    _, _, text = started(case, workers=1)
    case.conf(text + "service {\n")
    ask(case, "--status")
    ask(case, "--reload", status=REFUSED)
    case.conf("nonsense here\n" + text)
    ask(case, "--status")


@test
def a_master_that_dies_while_it_is_waited_for_is_3(case):
    text, port = case.service("echo", workers=1, extra="timeout { orphan 100ms }")
    server = case.server(with_control(text))
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        client = subprocess.Popen([MUSTERD, "-c", str(case.folder / "musterd.conf"), "--stop"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        case.defer(client.stdout.close)
        server.wait_log("control: stop, from pid")
        server.send_signal(signal.SIGKILL)
        said = client.communicate(timeout=deadline(30))[0]
        assert client.returncode == NOT_RUNNING and "died" in said, said
    server.wait_exit(None)


@test
def control_c_ends_the_client_alone(case):
    server, port, _ = started(case, workers=1)
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        client = subprocess.Popen([MUSTERD, "-c", str(case.folder / "musterd.conf"), "--stop"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        case.defer(client.stdout.close)
        server.wait_log("control: stop, from pid")
        client.send_signal(signal.SIGINT)
        assert client.wait(deadline(15)) == -signal.SIGINT
        assert is_alive(server.pid)
        assert raw(case, b"status\n").startswith("ok\n")
    server.wait_exit()


@test
def what_cannot_be_printed_is_no_success(case):
    started(case, workers=1)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([MUSTERD, "-c", str(case.folder / "musterd.conf"), "--status"], stdout=full,
                              stderr=subprocess.PIPE, timeout=deadline(30))
    assert done.returncode == 74 and done.stderr, done


@test
def the_folder_of_the_socket_is_made_when_it_is_missing(case):
    """As /run/musterd after a boot."""
    text, _ = case.service("echo")
    case.conf(with_control(text, "run/control"))
    ask(case, "-t")
    assert not (case.folder / "run").exists()
    case.server(with_control(text, "run/control"))
    assert stat.S_ISDIR((case.folder / "run").stat().st_mode)
    assert ask(case, "--status").stdout.startswith("musterd ")
    case.conf(with_control(text, "no/run/control"))
    done = ask(case, "-t", status=78)
    assert "its folder" in done.stderr and "No such file" in done.stderr, done.stderr


# ---------------------------------------------------------------------------------- who may what

def as_user(user, *groups):
    """The command prefix that makes a command another user's; Skip when it cannot be."""
    groups = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), *groups]


def need_setpriv(case):
    case.need_root()
    if not shutil.which("setpriv"):
        case.skip("needs setpriv")
    return nobody()


def ask_as(case, user, *args, status=OK, groups=()):
    return case.run(command=[*as_user(user, *groups), MUSTERD, "-s", str(case.folder / "control"), *args],
                    status=status)


@test
def by_default_nobody_else_can_connect(case):
    user = need_setpriv(case)
    started(case, workers=1)
    assert stat.S_IMODE((case.folder / "control").stat().st_mode) == 0o600
    done = ask_as(case, user, "--status", status=REFUSED)
    assert "may not use" in done.stderr and "control" in done.stderr, done.stderr


@test
def who_can_connect_may_ask_and_no_more(case):
    user = need_setpriv(case)
    server, _, _ = started(case, extra="mode 0666", workers=1)
    assert ask_as(case, user, "--status").stdout.startswith("musterd ")
    for args in (["--plan"], ["--reload"], ["--stop"], ["--upgrade"], ["--reopen"], ["--workers", "svc=+1"],
                 ["--pause", "svc"], ["--resume", "svc"]):
        done = ask_as(case, user, *args, status=REFUSED)
        assert "only root" in done.stderr, done.stderr
    server.wait_log(rf"control: stop, from pid \d+ \(uid {user.pw_uid}\): refused")
    assert is_alive(server.pid) and len(server.workers()) == 1


@test
def the_owner_may_do_all(case):
    user = need_setpriv(case)
    server, _, _ = started(case, extra=f"owner {user.pw_name}", workers=1)
    assert (case.folder / "control").stat().st_uid == user.pw_uid
    ask_as(case, user, "--reload")
    server.wait_log(rf"control: reload, from pid \d+ \(uid {user.pw_uid}\)")


@test
def members_of_the_group_may_do_all(case):
    user = need_setpriv(case)
    group = next((entry for entry in grp.getgrall() if entry.gr_gid not in (0, user.pw_gid)), None)
    if not group:
        case.skip("there is no other group to try")
    started(case, extra=f"mode 0666; group {group.gr_name}", workers=1)
    ask_as(case, user, "--reload", status=REFUSED)
    ask_as(case, user, "--reload", groups=[group.gr_gid])


@test
def a_master_without_privilege_obeys_its_own_user(case):
    user = need_setpriv(case)
    text, _ = case.service("echo", workers=1)
    run = case.folder / "run"
    run.mkdir()
    os.chown(run, user.pw_uid, user.pw_gid)
    conf = case.conf(with_control(text, run / "control"))
    server = case.server(conf, command=[*as_user(user), MUSTERD, "-c", str(conf)])
    case.run(command=[*as_user(user), MUSTERD, "-c", str(conf), "--reload"], status=OK)
    server.stop()


# ------------------------------------------------------------------------- clients that misbehave

@test
def what_is_no_request_is_an_error(case):
    server, _, _ = started(case, workers=1)
    for request in (b"nonsense\n", b"\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"stop now\n", b"\0\1\2\n",
                    b"status\xff\n", b"x" * 100000, b"workers svc +99999999999999999999\n"):
        with connect(None, case.folder / "control") as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(request)
            text = read_reply(sock)
        assert text.startswith("error\n"), (request, text)
    assert raw(case, b"") == "", "a client that says nothing and goes"
    assert raw(case, b"status").startswith("ok\n"), "the end of the stream ends a line too"
    assert raw(case, b"help\r\n").startswith("ok\n")
    assert is_alive(server.pid)


@test
def clients_that_stall_hold_up_nobody(case):
    server, _, _ = started(case, workers=1)
    with contextlib.ExitStack() as stack:
        for i in range(CLIENTS - 1):
            sock = stack.enter_context(connect(None, case.folder / "control"))
            sock.sendall(b"stat" if i % 2 else b"")
        assert raw(case, b"status\n").startswith("ok\n")
        ask(case, "--reload")
    assert is_alive(server.pid)


@test
def a_hundred_clients_at_once_are_answered_or_told(case):
    server, _, _ = started(case, workers=1)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(None, case.folder / "control")) for _ in range(60)]
        for sock in socks:
            with contextlib.suppress(BrokenPipeError):
                sock.sendall(b"status\n")
        said = [read_reply(sock) for sock in socks]
    assert all(text.startswith("ok\n") or "busy" in text for text in said), said
    assert sum(text.startswith("ok\n") for text in said) >= CLIENTS, said
    clients = [subprocess.Popen([MUSTERD, "-c", str(case.folder / "musterd.conf"), "--status"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for _ in range(20 if has_sanitizers() else 100)]
    for client in clients:
        text = client.communicate(timeout=deadline(60))[0]
        assert client.returncode in (OK, REFUSED), text
        assert client.returncode == OK or "busy" in text, text
    ask(case, "--status")


@test
def who_goes_away_while_it_waits_is_forgotten(case):
    server, port, text = started(case, workers=1)
    fds = len(os.listdir(f"/proc/{server.pid}/fd"))
    with connect(port) as sock:
        sock.sendall(b"x")
        read_exactly(sock, 1)
        for _ in range(3 * CLIENTS):
            with connect(None, case.folder / "control") as client:
                with contextlib.suppress(BrokenPipeError):  # told that there are too many
                    client.sendall(b"reload\n")
        wait_for(lambda: ask(case, "--reload", status=None).returncode == OK, "a place for a client")
    wait_for(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= fds, "no descriptor that is left")


@test
def a_half_closed_client_gets_its_outcome(case):
    _, _, text = started(case, workers=1)
    case.conf(text.replace("workers 1", "workers 2"))
    assert raw(case, b"reload\n", end=True).startswith("ok\n")


@for_both_modes
def status_is_never_behind_workers(case):
    server, port, _ = started(case, workers=2)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            sock = stack.enter_context(connect(port))
            sock.sendall(b"x")
            read_exactly(sock, 1)
        workers = server.workers()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            def all_stopped():
                found = [worker["state"] for _, worker in lines_of(status(case), "worker")]
                return found == ["stopped", "stopped"]
            wait_for(all_stopped, "a status with both workers stopped")
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
    server.stop()


@test
def who_does_not_read_the_log_holds_up_nobody(case):
    text, port = case.service("echo")
    path = case.folder / "log"
    os.mkfifo(path)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        room = fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        server = case.server(with_control(f"log {path} debug\n{text}"))
        for _ in range(room // 16):  # each is a line of more than 16 bytes
            assert raw(case, b"status\n").startswith("ok\n"), "no status while the log is full"
        worker, *_ = server.workers()
        os.kill(worker, signal.SIGKILL)
        server.wait_workers(2, without=[worker])
        with connect(port) as sock:
            sock.sendall(b"x")
            read_exactly(sock, 1)
        reader.read(room)
        raw(case, b"status\n")
        assert b" lines are missing here: nobody took them" in reader.read(room), "no word of what was lost"
    server.stop()


@test
def a_worker_that_scribbles_cannot_make_totals_fall(case):
    server, port, _ = started(case, "daytime", workers=1)
    for _ in range(3):
        with connect(port) as sock:
            read_all(sock)
    wait_for(lambda: service_of(case)["accepted"] == "3", "3 connections in the status")
    worker, = server.workers()
    # Its board as the worker itself could overwrite it.
    boards = [line.split()[0] for line in pathlib.Path(f"/proc/{worker}/maps").read_text().splitlines()
              if "scoreboard" in line]
    begin, end = (int(part, 16) for part in boards[0].split("-"))
    for byte in (b"\0", b"\xff", b"\x7f"):
        with open(f"/proc/{worker}/mem", "r+b", buffering=0) as memory:
            memory.seek(begin)
            memory.write(byte * (end - begin))
        found = service_of(case)
        assert 3 <= int(found["accepted"]) < 1 << 48, found
        assert int(found["connections"]) <= 1, found
        assert len(lines_of(status(case), "worker")) == 1
    assert is_alive(server.pid)
    os.kill(worker, signal.SIGKILL)
    server.wait_workers(1, without=[worker])
    assert int(service_of(case)["accepted"]) >= 3


# ------------------------------------------------------------------------------------ the socket

@test
def a_reload_moves_the_socket(case):
    server, _, text = started(case, workers=1)
    old, new = case.folder / "control", case.folder / "elsewhere"
    with connect(None, old) as early:
        case.conf(text.replace("path control", "path elsewhere"))
        done = ask(case, "--reload", status=NOT_RUNNING)  # the file names what is not there yet
        assert str(new) in done.stderr and "-s" in done.stderr, done.stderr
        done = case.run("-s", old, "--reload", status=OK)
        assert "serves" in done.stdout, done.stdout
        assert new.exists() and not old.exists()
        early.sendall(b"status\n")  # who has connected before is answered still
        assert read_all(early).startswith(b"ok\n")
    ask(case, "--status")
    case.conf(text.replace("control { path control;  }", ""))
    case.run("-s", new, "--reload", status=OK)
    assert not new.exists(), "no control socket is configured any more"
    case.conf(text)
    server.reload()
    ask(case, "--status")
    server.stop()
    assert not old.exists()


@test
def a_reload_changes_the_mode_of_the_same_socket(case):
    _, _, text = started(case, workers=1, extra="mode 0600")
    inode = (case.folder / "control").stat().st_ino
    case.conf(text.replace("mode 0600", "mode 0640"))
    ask(case, "--reload")
    found = (case.folder / "control").stat()
    assert found.st_ino == inode and stat.S_IMODE(found.st_mode) == 0o640, found


@test
def a_refused_reload_leaves_the_socket(case):
    _, _, text = started(case, workers=1, extra="mode 0600")
    (case.folder / "file").write_text("no socket")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(case.folder / "taken"))
        other.listen()
        for path in ("taken", "file", "no/folder/control"):
            case.conf(text.replace("path control", f"path {path}"))
            done = case.run("-s", "control", "--reload", status=REFUSED)
            assert path in done.stderr, done.stderr
        # The socket could be moved, but the transaction fails later.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            new, _ = case.service("echo", name="new", listen=f"127.0.0.1:{taken.getsockname()[1]}")
            case.conf(text.replace("path control", "path fresh").replace("0600", "0666") + new)
            case.run("-s", "control", "--reload", status=REFUSED)
    assert not (case.folder / "fresh").exists()
    assert stat.S_IMODE((case.folder / "control").stat().st_mode) == 0o600
    assert (case.folder / "file").read_text() == "no socket" and (case.folder / "taken").exists()
    case.run("-s", "control", "--status", status=OK)


@test
def a_socket_file_that_was_removed_comes_back_with_a_reload(case):
    server, _, _ = started(case, workers=1)
    (case.folder / "control").unlink()
    ask(case, "--status", status=NOT_RUNNING)
    server.reload()
    ask(case, "--status")


@test
def a_stale_socket_is_replaced_at_the_start(case):
    server, _, text = started(case, workers=1)
    server.send_signal(signal.SIGKILL)
    server.wait_exit(None)
    assert (case.folder / "control").exists()
    again = case.server(text)
    assert str(again.pid) in status(case)


@test
def a_live_socket_is_left_to_its_master(case):
    server, _, text = started(case, workers=1)
    other, _ = case.service("echo", name="other", workers=1)
    conf = case.conf(with_control(other, case.folder / "control"), "other.conf")
    done = case.run("-c", conf)
    assert done.returncode not in (0, 78), done
    assert "control socket" in done.stderr and "another server" in done.stderr, done.stderr
    assert f"pid {server.pid} " in status(case)


@test
def a_foreign_socket_file_survives_our_end(case):
    server, _, _ = started(case, workers=1)
    path = case.folder / "control"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        server.stop()
        assert path.exists()


@for_both_modes
def workers_do_not_hold_control_clients(case):
    """Otherwise a client would see no end of its answer."""
    case.write("root/index.html", "page")
    server, port, text = started(case, "http { root root }", workers=1)
    with connect(None, case.folder / "control") as early:
        case.conf(text.replace("workers 1", "workers 3"))
        ask(case, "--reload")  # forks while `early` is open
        server.wait_workers(3)
        early.sendall(b"status\n")
        assert read_all(early).startswith(b"ok\n")
    with Http(port) as http:
        assert http.get("/").body == b"page"


@test
def a_daemon_is_stopped_by_its_socket(case):
    text, _ = case.service("echo", workers=1)
    conf = case.conf(with_control(f"pidfile {case.folder}/pid\nlog {case.folder}/daemon.log\n" + text))
    case.run("-d", "-c", conf, status=OK)
    pid = int((case.folder / "pid").read_text())
    case.defer(lambda: is_alive(pid) and os.kill(pid, signal.SIGTERM))
    found = status(case)
    assert f" pid {pid} " in found, found
    assert "stopped" in ask(case, "--stop").stdout
    assert not (case.folder / "pid").exists()
    wait_for(lambda: not is_alive(pid), "the end of the daemon")
    log = (case.folder / "daemon.log").read_text()
    assert re.search(r"control: stop, from pid \d+", log), log


if __name__ == "__main__":
    main()
