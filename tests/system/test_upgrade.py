#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Upgrades in place by SIGUSR2: what goes on through them, and what is refused before anything has happened.

Each test installs the program in a folder of its own and replaces it there by a rename, as a package manager does."""

import os
import re
import shutil
import signal
import socket

from harness import (MUSTERD, Http, connect, for_both_modes, is_alive, main, open_files, proc_stat,
                     read_exactly, test, wait_for)

TOOLS = os.path.join(os.path.dirname(MUSTERD), "tests/tools")
# One state version ahead; and one that in addition leaves ours behind.
NEXT = os.environ.get("MUSTERD_NEXT", os.path.join(TOOLS, "musterd_next"))
APART = os.environ.get("MUSTERD_APART", os.path.join(TOOLS, "musterd_apart"))
UPGRADES = 10
VERSIONS = r"upgraded: musterd \S+ \(state {}\) took over from \S+ \(state {}\)"


class Installed:
    """The program in a folder of its own."""

    def __init__(self, case, source=MUSTERD):
        self.case = case
        self.path = case.folder / "bin" / "musterd"
        self.path.parent.mkdir()
        self.replace(source)

    def replace(self, source):
        fresh = self.path.with_suffix(".new")
        shutil.copy(source, fresh)
        os.rename(fresh, self.path)

    def script(self, text, mode=0o755):
        """In place of the program; ends with it where the text says `exec @`."""
        text = text.replace("@", MUSTERD + ' "$@"')
        fresh = self.case.write("bin/musterd.new", "#!/bin/sh\n" + text + "\n", mode)
        os.rename(fresh, self.path)

    def server(self, text, *args, **options):
        conf = self.case.conf(text)
        return self.case.server(conf, command=[str(self.path), "-c", str(conf), *args], **options)


def upgrade(server, state=(r"\d+", r"\d+")):
    """One upgrade, from its signal to its success."""
    mark = server.log_size()
    server.send_signal(signal.SIGUSR2)
    server.wait_log(VERSIONS.format(*state), mark, 60)


def refused(server, reason, seconds=15.0):
    """An upgrade that must be refused for this reason, and change nothing."""
    before, fds = server.workers(), sorted(open_files(server.pid))
    mark = server.log_size()
    server.send_signal(signal.SIGUSR2)
    server.wait_log(rf"upgrade refused.*: {reason}", mark, seconds)
    assert server.workers() == before, "workers were replaced"
    # It is told before the last of it is closed.
    wait_for(lambda: sorted(open_files(server.pid)) == fds, "the end of all that the attempt had opened")


def wait_left(server, workers):
    """The old generation has left, and what the master held for it is closed."""
    server.wait_workers(workers)
    wait_for(lambda: sum("scoreboard" in name for name in open_files(server.pid)) == 1, "one scoreboard")


def program_of(pid):
    there = os.stat(f"/proc/{pid}/exe")
    return there.st_dev, there.st_ino


def echo(sock, text=b"still here"):
    sock.sendall(text)
    return read_exactly(sock, len(text)) == text


def echoes(port, host="127.0.0.1"):
    with connect(port, host) as sock:
        return echo(sock)


# ------------------------------------------------------------------------------------ what goes on

@for_both_modes
def ten_upgrades_fail_no_request(case):
    direct = case.connections == 1
    page = case.write("root/index.html", b"x" * 1024)
    text, port = case.service("http { root root }", name="www", workers=6 if direct else 2,
                              extra="timeout { drain 60s; park 60s }")
    installed = Installed(case)
    server = installed.server(text)
    load = case.load(port, [page], keep_alive=4 if direct else 16, per_request=4 if direct else 8)
    pid, programs = server.pid, {program_of(server.pid)}
    for _ in range(UPGRADES):
        installed.replace(MUSTERD)
        upgrade(server)
        assert program_of(pid) == (os.stat(installed.path).st_dev, os.stat(installed.path).st_ino)
        programs.add(program_of(pid))
    counts = load.stop_clean()
    assert len(programs) > 1, "always the same file"
    assert counts["requests"] > UPGRADES, counts
    server.wait_workers(6 if direct else 2, "www", seconds=70)
    server.stop()


@for_both_modes
def upgrades_and_reloads_on_top_of_each_other_fail_no_request(case):
    page = case.write("root/index.html", b"x" * 1024)
    text, port = case.service("http { root root }", name="www", workers=4,
                              extra="timeout { drain 60s; park 60s }")
    server = Installed(case).server(text)
    load = case.load(port, [page], keep_alive=2, per_request=2)
    for _ in range(20):
        server.send_signal(signal.SIGUSR2)
        server.send_signal(signal.SIGHUP)
        assert Http(port).get().status == 200
    upgrade(server)
    load.stop_clean()
    log = server.log()
    assert "refused" not in log and "but for the workers" not in log


@for_both_modes
def connections_stay_with_their_workers(case):
    text, port = case.service("echo", workers=2, extra="timeout { idle 10min; drain 10min }")
    server = Installed(case).server(text)
    old = server.wait_workers(2)
    with connect(port) as sock:
        assert echo(sock)
        for _ in range(3):
            upgrade(server)
            assert echo(sock) and echoes(port)
        survivors = wait_for(lambda: (s := set(old) & set(server.workers())) and len(s) == 1 and s,
                             "the worker without a client to leave")
        assert echo(sock)
    wait_for(lambda: not is_alive(*survivors), "the worker with the client to leave after it")
    server.wait_log(r"generation 1 has left.* 0 connections cut, 0 workers killed")
    server.wait_workers(2, without=old)


@test
def a_unix_socket_stays_the_same(case):
    path = case.folder / "sock"
    text, _ = case.service("echo", listen=f"unix:{path}")
    server = Installed(case).server(text)
    inode = os.stat(path).st_ino
    for _ in range(3):
        upgrade(server)
        assert os.stat(path).st_ino == inode, "the socket's file was made anew"
        assert echoes(None, path)
    server.stop()
    assert not path.exists(), "who made the file did not remove it"


@test
def passed_sockets_go_on_under_their_name(case):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    text, _ = case.service("echo", listen="systemd:web")
    installed = Installed(case)
    conf = case.conf(text)
    starter = ("import os, sys; os.dup2(int(sys.argv[1]), 3, inheritable=True); "
               "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='web'); "
               "os.execv(sys.argv[2], sys.argv[2:])")
    server = case.server(conf, command=["python3", "-c", starter, str(listener.fileno()),
                                        str(installed.path), "-c", str(conf)],
                         pass_fds=[listener.fileno()])
    listener.close()
    for _ in range(2):
        upgrade(server)
        assert echoes(port)
        assert b"LISTEN_" not in open(f"/proc/{server.pid}/environ", "rb").read()


@test
def the_environment_and_the_arguments_go_on(case):
    text, port = case.service("echo")
    text += "shutdown-delay ${DELAY}\n"
    server = Installed(case).server(text, env={"DELAY": "0s", "WATCHDOG_USEC": "60000000"})
    arguments = []
    for _ in range(3):
        before = server.notify.count()
        upgrade(server)
        number, _ = server.notify.wait("RELOADING", "1", before)
        server.notify.wait("READY", "1", number - 1)
        server.notify.wait("WATCHDOG", "1", before)
        with open(f"/proc/{server.pid}/cmdline", "rb") as file:
            arguments.append(file.read().rstrip(b"\0"))
    assert echoes(port)
    assert len(set(arguments)) == 1 and arguments[0].startswith(b"musterd: master ["), arguments


@test
def nothing_leaks(case):
    text, _ = case.service("echo", workers=2)
    server = Installed(case).server(text)
    upgrade(server)
    server.wait_log("generation 1 has left")
    worker = server.wait_workers(2)[0]
    before, workers_before = len(open_files(server.pid)), len(open_files(worker))
    for generation in range(2, 5):
        upgrade(server)
        server.wait_log(f"generation {generation} has left")
    worker = server.wait_workers(2)[0]
    wait_for(lambda: len(open_files(server.pid)) == before, "the master to hold what it held before")
    wait_for(lambda: len(open_files(worker)) == workers_before, "a worker to hold what one held before")


@test
def a_daemon_stays_one(case):
    """Started by a relative path, with a relative configuration, from a folder that it then leaves."""
    text, port = case.service("echo")
    conf = case.conf(f"log {case.folder}/daemon.txt\n" + text)
    log, pidfile = case.folder / "daemon.txt", case.folder / "pid"
    installed = Installed(case)
    case.run(command=["bin/musterd", "-d", "-c", conf.name, "-p", "pid"], status=0)
    pid, inode = int(pidfile.read_text()), pidfile.stat().st_ino

    def stop():
        if is_alive(pid):
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not is_alive(pid), "the end of the daemon")
    case.defer(stop)
    for n in range(1, 4):
        installed.replace(MUSTERD)
        os.kill(pid, signal.SIGUSR2)
        wait_for(lambda n=n: log.read_text().count("upgraded: ") == n, "the upgrade in the log", 30)
        assert program_of(pid)[1] == os.stat(installed.path).st_ino
        assert int(pidfile.read_text()) == pid and pidfile.stat().st_ino == inode
        assert os.readlink(f"/proc/{pid}/cwd") == "/" and echoes(port)
    other, _ = case.service("echo")
    done = case.run("-c", case.conf(other, "other.conf"), "-p", pidfile)
    assert done.returncode not in (0, -1) and str(pid) in done.stderr, "the lock was lost: " + done.stderr
    # A rotation: what was renamed is written until USR1, or until the reload of the upgrade opens the new one.
    os.rename(log, case.folder / "rotated.txt")
    os.kill(pid, signal.SIGUSR2)
    wait_for(lambda: log.exists() and "upgraded: " in log.read_text(), "the new log")
    stop()
    assert not pidfile.exists(), "the pid file was left behind"


@test
def totals_do_not_fall(case):
    case.write("root/index.html", "x")
    text, port = case.service("http { root root }", name="www")
    server = Installed(case).server(text)
    for _ in range(3):
        for _ in range(5):
            with Http(port) as http:
                http.get("/", headers=["Connection: close"])
        upgrade(server)
    server.stop()
    # What a worker of an old generation has counted is added when it has gone.
    server.wait_log(r"service www in all: connections 15, requests 15,")


def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: (proc_stat(pid) or "?")[0] == "T", "the worker to be stopped")


@test
def the_deadline_of_a_draining_generation_holds(case):
    text, port = case.service("echo", workers=1, extra="timeout { idle 10min; drain 1s }")
    server = Installed(case).server(text)
    worker = server.wait_workers(1)[0]
    with connect(port) as sock:
        assert echo(sock)
        stopped(worker)
        case.conf(text.replace("workers 1", "workers 2"))
        server.reload()
        upgrade(server)
        # It cannot obey; the program that took over knows how long it may.
        server.wait_log(rf"pid {worker}\): the drain limit passed.*: sending SIGTERM")
        server.wait_log(rf"pid {worker}\) was killed by SIGKILL, sent by us.*the drain limit passed")
        server.wait_log("generation 1 has left.* 1 connection cut, 1 worker killed")
    assert echoes(port)


@test
def who_dies_meanwhile_is_missed(case):
    """The program is a script: what it does comes between the two programs, with all signals blocked."""
    text, port = case.service("echo", workers=2)
    installed = Installed(case)
    server = installed.server(text)
    victim = server.wait_workers(2)[0]
    installed.script(f"case $1 in --adopt-state=*) kill -KILL {victim} ;; esac; exec @")
    upgrade(server)
    server.wait_log(rf"worker svc \d+ \(pid {victim}\) was killed by SIGKILL, not sent by us")
    assert echoes(port)
    server.wait_workers(2, without=[victim])


@test
def signals_that_come_meanwhile_are_obeyed(case):
    text, _ = case.service("echo", workers=2)
    installed = Installed(case)
    server = installed.server(text)
    installed.script("case $1 in --adopt-state=*) kill -TERM $$ ;; esac; exec @")
    server.send_signal(signal.SIGUSR2)
    server.wait_exit(0)
    server.wait_log("SIGTERM from")


@test
def a_reload_comes_first(case):
    """Both are there when the master wakes up."""
    text, port = case.service("echo")
    server = Installed(case).server(text)
    mark = server.log_size()
    stopped(server.pid)
    server.send_signal(signal.SIGHUP)
    server.send_signal(signal.SIGUSR2)
    server.send_signal(signal.SIGCONT)
    server.wait_log(r"a reload is under way: the upgrade follows it", mark)
    server.wait_log(r"reloaded: generation 2(.|\n)*takes over(.|\n)*generation 3(.|\n)*upgraded", mark)
    assert echoes(port)


@test
def an_upgrade_while_stopping_is_refused(case):
    text, port = case.service("echo", extra="timeout { idle 10min; drain 10min }")
    server = Installed(case).server(text)
    with connect(port) as sock:
        assert echo(sock)
        server.send_signal(signal.SIGQUIT)
        server.notify.wait("STOPPING", "1")
        server.send_signal(signal.SIGUSR2)
        server.wait_log("no upgrade: the master is about to stop")
        assert echo(sock)
    server.wait_exit(0)


@test
def a_stop_ends_the_check(case):
    text, _ = case.service("echo")
    installed = Installed(case)
    server = installed.server(text)
    installed.script(f"echo $$ >{case.folder}/checker; exec sleep 1000")
    server.send_signal(signal.SIGUSR2)
    wait_for(lambda: (case.folder / "checker").exists() and (case.folder / "checker").read_text(),
             "the check to begin")
    server.stop()
    server.wait_log("upgrade refused.*it is about to stop")
    checker = int((case.folder / "checker").read_text())
    wait_for(lambda: not is_alive(checker), "the checker to end")


@test
def who_asks_over_the_control_socket_hears_the_outcome_from_the_new_program(case):
    text, port = case.service("echo", workers=2)
    conf = f"control {{ path control }}\n{text}"
    installed = Installed(case)
    server = installed.server(conf)
    for _ in range(3):
        mark, inode = server.log_size(), os.stat(case.folder / "control").st_ino
        done = case.run("-c", server.conf, "--upgrade", status=0)
        assert re.search(r"generation \d+ serves", done.stdout), done.stdout
        server.wait_log(VERSIONS.format(1, 1), mark)
        assert os.stat(case.folder / "control").st_ino == inode, "the control socket was made anew"
    installed.script("echo the library is missing; echo install it; exit 1")
    done = case.run("-c", server.conf, "--upgrade", status=1)
    assert re.search("exited with status 1: the library is missing\n.*install it", done.stdout + done.stderr), done
    # The workers cannot be replaced: the reasons come from the new program too.
    installed.replace(MUSTERD)
    other, taken = case.service("echo", name="other")
    with socket.create_server(("127.0.0.1", taken)):
        case.conf(conf + other)
        done = case.run("-c", server.conf, "--upgrade", status=1)
    assert re.search(rf"the new program has taken over, but .*127\.0\.0\.1:{taken}.*in use", done.stderr), done
    assert echoes(port)


@test
def who_is_in_the_middle_of_a_request_goes_on(case):
    text, _ = case.service("echo")
    server = Installed(case).server(f"control {{ path control }}\n{text}")
    with connect(None, case.folder / "control") as sock:
        sock.sendall(b"sta")
        # Accepted, and these bytes read: who comes later is answered.
        case.run("-c", server.conf, "--status", status=0)
        upgrade(server)
        sock.sendall(b"tus\n")
        assert read_exactly(sock, 11) == b"ok\nmusterd "


@test
def the_status_goes_on(case):
    case.write("root/index.html", "x")
    text, port = case.service("http { root root }", name="www")
    server = Installed(case).server(f"control {{ path control }}\n{text}")

    def requests():
        status = case.run("-c", server.conf, "--status", status=0).stdout
        return int(re.search(r"^service www .*requests (\d+)", status, re.MULTILINE).group(1))
    for n in range(1, 4):
        with Http(port) as http:
            http.get("/", headers=["Connection: close"])
        wait_for(lambda n=n: requests() == n, f"{n} requests in the status")
        upgrade(server)
        assert requests() == n, "the totals fell"


@test
def a_pause_goes_on(case):
    text, port = case.service("echo", workers=2)
    server = Installed(case).server(f"control {{ path control }}\n{text}")
    case.run("-c", server.conf, "--pause", "svc", status=0)
    upgrade(server)
    with connect(port) as sock:
        sock.sendall(b"x")
        assert "paused" in case.run("-c", server.conf, "--status", status=0).stdout
        case.run("-c", server.conf, "--resume", "svc", status=0)
        assert read_exactly(sock, 1) == b"x"


# --------------------------------------------------------------------------------- other versions

@for_both_modes
def there_and_back_between_state_versions(case):
    page = case.write("root/index.html", b"x" * 1024)
    text, port = case.service("http { root root }", name="www", workers=4,
                              extra="timeout { drain 60s; park 60s }")
    installed = Installed(case)
    server = installed.server(text)
    load = case.load(port, [page], keep_alive=2, per_request=2)
    for source, versions in ((NEXT, (2, 1)), (NEXT, (2, 2)), (MUSTERD, (1, 2)), (MUSTERD, (1, 1))):
        installed.replace(source)
        upgrade(server, versions)
    load.stop_clean()
    server.wait_workers(4, "www", seconds=70)


@test
def a_state_that_leaves_us_behind_is_refused(case):
    text, port = case.service("echo")
    installed = Installed(case)
    server = installed.server(text)
    installed.replace(APART)
    upgrade(server, (2, 1))
    installed.replace(MUSTERD)
    wait_left(server, 2)
    refused(server, r".*the state has version 2, readable from 2 on; this musterd reads 1")
    assert echoes(port)
    installed.replace(NEXT)
    upgrade(server, (2, 2))


# ---------------------------------------------------------------------------------------- refusals

def refusal(case, break_it, reason, seconds=15.0):
    """After the refusal all is as before, and the next upgrade to a good program succeeds."""
    text, port = case.service("echo", workers=2, extra="timeout { idle 10min }")
    installed = Installed(case)
    server = installed.server(text)
    with connect(port) as sock:
        assert echo(sock)
        break_it(installed)
        refused(server, reason, seconds)

        def is_told():
            server.notify.poll()
            return any("Upgrade refused" in fields.get("STATUS", "") for _, fields in server.notify.seen)
        wait_for(is_told, "the status to say so")
        assert echo(sock) and echoes(port)
        installed.replace(MUSTERD)
        upgrade(server)
        assert echo(sock) and echoes(port)


@test
def a_missing_program_is_refused(case):
    refusal(case, lambda installed: installed.path.unlink(), r".*bin/musterd: no such file")


@test
def a_program_that_cannot_be_run_is_refused(case):
    refusal(case, lambda installed: installed.script("exec @", 0o644),
            r".*bin/musterd cannot be run: permission denied")


@test
def a_folder_in_its_place_is_refused(case):
    text, port = case.service("echo")
    installed = Installed(case)
    server = installed.server(text)
    installed.path.unlink()
    installed.path.mkdir()
    refused(server, r".*bin/musterd: permission denied")
    assert echoes(port)


@test
def a_file_that_is_no_program_is_refused(case):
    def break_it(installed):
        fresh = case.write("bin/musterd.new", b"\x7fELF" + bytes(range(200)), 0o755)
        os.rename(fresh, installed.path)
    refusal(case, break_it, r".*bin/musterd cannot be run: exec format error")


@test
def a_program_that_fails_is_refused(case):
    refusal(case, lambda installed: installed.script("echo the library is missing >&2; exit 1"),
            r".*exited with status 1: the library is missing")


@test
def a_program_that_crashes_is_refused(case):
    refusal(case, lambda installed: installed.script("ulimit -c 0; kill -SEGV $$"), r".*killed by SIGSEGV")


@test
def another_program_is_refused(case):
    def break_it(installed):
        installed.replace(shutil.which("true"))
    refusal(case, break_it, r".*does not say that it can take over")


@test
def a_program_that_talks_for_ever_is_refused(case):
    """It is not given the memory for that."""
    refusal(case, lambda installed: installed.script("exec yes"), r".*exited with status 1: y")


@test
def a_program_that_hangs_is_refused(case):
    # The shell waits for its child, and both must go.
    refusal(case, lambda installed: installed.script("sleep 1000; exit"), r".*gave no answer in 30 s", 60)


@test
def noise_of_the_loader_does_not_matter(case):
    text, port = case.service("echo")
    installed = Installed(case)
    server = installed.server(text)
    installed.script("echo some library has a warning >&2; exec @")
    upgrade(server)
    assert echoes(port)


@test
def a_program_that_changes_while_it_is_checked_is_refused(case):
    """Not the one that was checked would take over."""
    def break_it(installed):
        installed.script(f"cp {MUSTERD} $0.new && mv $0.new $0; exec @")
    refusal(case, break_it, r".*was changed while it was checked")


@test
def a_program_that_cannot_be_run_in_the_end_is_refused(case):
    """It passes the check, and takes its interpreter away by that."""
    def break_it(installed):
        shutil.copy("/bin/sh", case.folder / "sh")
        fresh = case.write("bin/musterd.new",
                           f'#!{case.folder}/sh\nrm {case.folder}/sh; exec {MUSTERD} "$@"\n', 0o755)
        os.rename(fresh, installed.path)
    refusal(case, break_it, r"cannot run .*bin/musterd: no such file")


@test
def a_configuration_that_is_wrong_is_refused(case):
    text, port = case.service("echo", workers=2)
    server = Installed(case).server(text)
    case.conf(text.replace("workers", "wrokers"))
    mark = server.log_size()
    refused(server, r".*cannot use the configuration: .*musterd\.conf:4:\d+: .*wrokers")
    server.wait_log(r"musterd\.conf:4:\d+: .*wrokers", mark)
    assert echoes(port)
    case.conf(text)
    upgrade(server)


@test
def a_reload_replaces_the_workers_that_an_upgrade_could_not(case):
    """Even if the configuration is what it was before: they are of the old program."""
    text, port = case.service("echo", workers=2)
    text = f"control {{ path control }}\n{text}"
    other, taken = case.service("echo", name="other")
    server = Installed(case).server(text)
    workers = server.wait_workers(2)
    with socket.create_server(("127.0.0.1", taken)):
        case.conf(text + other)
        case.run("-c", server.conf, "--upgrade", status=1)
    case.conf(text)
    for request in ("--plan", "--reload"):
        done = case.run("-c", server.conf, request, status=0)
        assert "every service gets new workers" in done.stdout, done
    server.wait_workers(2, without=workers)
    assert echoes(port)
    done = case.run("-c", server.conf, "--reload", status=0)
    assert "nothing changes" in done.stdout, "once is enough"


@test
def an_upgrade_says_what_the_configuration_changes(case):
    text, port = case.service("echo", workers=2)
    text = f"control {{ path control }}\n{text}"
    other, moved = case.service("echo", name="other")
    server = Installed(case).server(text)
    mark = server.log_size()
    case.conf(text + other)
    done = case.run("-c", server.conf, "--upgrade", status=0)
    for line in ("every service gets new workers", "service other: added", f"listener 127.0.0.1:{moved}: opened"):
        assert line in done.stdout, done
        server.wait_log(f"plan: {line}", mark)
    assert "stay" not in done.stdout, done
    assert echoes(port) and echoes(moved)


@test
def workers_that_cannot_be_replaced_go_on(case):
    """The program has taken over when it finds that the new configuration asks for a port that is taken."""
    text, port = case.service("echo", workers=2)
    other, taken = case.service("echo", name="other")
    server = Installed(case).server(text)
    workers = server.wait_workers(2)
    with socket.create_server(("127.0.0.1", taken)):
        case.conf(text + other)
        mark = server.log_size()
        server.send_signal(signal.SIGUSR2)
        server.wait_log(r"upgraded, but for the workers: musterd \S+ \(state \d\) took over", mark)
        server.wait_log(rf"reload refused.*127\.0\.0\.1:{taken}.*in use", mark)
    assert server.workers() == workers and echoes(port)
    os.kill(workers[0], signal.SIGKILL)  # what replaces it is forked by the new program
    server.wait_workers(2, without=workers[:1])
    upgrade(server)
    assert echoes(taken)


# ---------------------------------------------------------------------------------- hidden options

@test
def the_hidden_options_are_not_for_people(case):
    state = case.write("state", "nonsense")
    for option in ("--adopt-state", "--check-state"):
        for value in ("nonsense", "0", "2", "-1", "99999999999"):
            done = case.run(f"{option}={value}", status=64)
            assert value in done.stderr and "usage" in done.stderr, done.stderr
    done = case.run("--adopt-state=200", status=64)
    assert re.search("descriptor 200: bad file descriptor", done.stderr, re.IGNORECASE), done.stderr
    with open(state, "rb") as file:
        fd = file.fileno()
        done = case.run(f"--adopt-state={fd}", pass_fds=[fd], status=64)
        assert "it is no state" in done.stderr, done.stderr
        done = case.run(f"--check-state={fd}", pass_fds=[fd], status=65)
        assert "it is no state" in done.stdout, done.stdout
    assert "adopt-state" not in case.run("--help", status=0).stdout


if __name__ == "__main__":
    main()
