#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts for SysV init and OpenRC, run as init and an administrator run them, with start-stop-daemon and
openrc-run, in a root folder of the test's own (private_root.py).

OpenRC need not be installed: `openrc-run` is found by PATH, and where it lies in an unpacked package (.ci/run has one)
the whole package is laid over the private root.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from harness import (MUSTERD, TOP, Skip, connect, is_alive, main, program_image, read_exactly, refuses, test,
                     title, wait_for)
from private_root import PrivateRoot
from tools import tool

SBIN = "/opt/sbin"
DAEMON = f"{SBIN}/musterd"
CONF = "/etc/musterd/musterd.conf"
PIDFILE = "/run/musterd.pid"
LOG = "/var/log/musterd.log"
CONTROL = "/run/musterd/control"


class Script:
    """One of the two scripts, installed as /etc/init.d/musterd in a root of its own."""

    def __init__(self, case, **root):
        tool("start-stop-daemon", "dpkg")
        self.case = case
        self.root = PrivateRoot(case, **root)
        (self.root / SBIN).mkdir(parents=True)
        shutil.copy2(MUSTERD, self.root / DAEMON)
        self.install("musterd", self.text(self.source))
        (self.root / LOG).touch()
        (case.folder / "musterd.log").symlink_to(self.root / LOG)
        self.root.stop_at_end(PIDFILE)
        self.port = case.port()
        self.configure()

    @staticmethod
    def text(source):
        text = (TOP / source).read_text().replace("@sbindir@", SBIN).replace("@sysconfdir@", "/etc")
        assert not re.search(r"@\w+@", text), "a place that the Makefile substitutes and this test does not"
        return text

    def install(self, name, text):
        path = self.root / "etc/init.d" / name
        path.write_text(text)
        path.chmod(0o755)

    def configure(self, port=None, control=True, extra="", name=CONF):
        """An echo service, one client to each of two workers."""
        lines = [f"log {LOG} info", f"control {{ path {CONTROL} }}" if control else "", "service echo {",
                 f"    listen 127.0.0.1:{port or self.port}", "    handler echo", "    workers 2", f"    {extra}", "}\n"]
        (self.root / name).write_text("\n".join(lines))

    def break_configuration(self):
        (self.root / CONF).write_text("service echo {\n    listen nonsense:::1\n    handler none\n}\n")

    def begin(self, action):
        return self.root.begin("/etc/init.d/musterd", action)

    def run(self, action, status=0):
        """What it said."""
        return self.begin(action).end(status)

    def start(self):
        """Its pid."""
        self.run("start")
        pid = self.pid()
        assert title(pid).startswith("musterd: master"), title(pid)
        return pid

    def pid(self):
        return int((self.root / PIDFILE).read_text())

    def log(self):
        return (self.root / LOG).read_text(errors="replace")

    def wait_log(self, pattern):
        wait_for(lambda: re.search(pattern, self.log()), f"a log line like {pattern!r}")


class Sysv(Script):
    NAME = "sysv"
    source = "init/musterd.sysv.in"
    settings = "/etc/default/musterd"
    STOP_SECONDS = "STOP_SECONDS"
    DEAD, REFUSED, NOT_RUNNING, STALE = 1, 6, 7, 1
    STARTED = "already running"


class OpenRc(Script):
    NAME = "openrc"
    source = "init/musterd.openrc.in"
    settings = "/etc/conf.d/musterd"
    STOP_SECONDS = "stop_seconds"
    DEAD, REFUSED, NOT_RUNNING, STALE = 32, 1, 1, 3
    STARTED = "already been started"

    def __init__(self, case):
        program = shutil.which("openrc-run", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
        if not program:
            raise Skip("there is no openrc-run (Debian: apt-get download openrc librc1 libeinfo1, dpkg -x each into "
                       "one folder, and that folder's sbin in PATH)")
        over = pathlib.Path(program).resolve().parents[1]
        super().__init__(case, over=over if over not in (pathlib.Path("/"), pathlib.Path("/usr")) else None)
        # As on a system that OpenRC has booted into its default runlevel, with a network.
        for folder in ("etc/conf.d", "etc/insserv.conf.d", "etc/runlevels/default", *(f"run/openrc/{state}" for state in (
                "daemons", "exclusive", "failed", "hotplugged", "inactive", "options", "scheduled", "started", "starting",
                "stopping", "tmp", "wasinactive"))):
            (self.root / folder).mkdir(parents=True)
        (self.root / "etc/insserv.conf").touch()
        (self.root / "run/openrc/softlevel").write_text("default\n")
        (self.root / "etc/rc.conf").write_text("")
        self.install("platform", "#!/sbin/openrc-run\ndepend() { provide net localmount; }\nstart() { :; }\n")


def for_both(function):
    """Marks a test that runs with each script."""
    for script in (Sysv, OpenRc):
        def run(case, script=script):
            function(script(case))
        run.__name__ = f"{function.__name__}_{script.NAME}"
        test(run)
    return function


def echoes(sock, text=b"hello"):
    sock.sendall(text)
    return read_exactly(sock, len(text)) == text


def serves(port):
    with connect(port) as sock:
        return echoes(sock)


@contextlib.contextmanager
def stranger(script):
    """A live process that is no musterd, whose number is in our pid file."""
    process = subprocess.Popen(["sleep", "600"])
    try:
        (script.root / PIDFILE).write_text(f"{process.pid}\n")
        yield process
        assert process.poll() is None, "a process that has nothing to do with musterd was ended"
    finally:
        process.kill()
        process.wait()


@for_both
def starts_and_serves_and_stops(script):
    script.run("status", 3)
    assert not (script.root / "run/musterd").exists()
    pid = script.start()
    assert serves(script.port), "started, and does not serve"
    script.run("status", 0)
    script.run("stop")
    assert not is_alive(pid) and refuses(script.port)
    assert not (script.root / PIDFILE).exists()
    script.run("status", 3)


@for_both
def starting_what_runs_is_no_failure(script):
    pid = script.start()
    assert script.STARTED in script.run("start", 0)
    assert script.pid() == pid and is_alive(pid) and serves(script.port)


@for_both
def stopping_what_does_not_run_is_no_failure(script):
    script.run("stop", 0)
    script.start()
    script.run("stop", 0)
    script.run("stop", 0)


@for_both
def a_restart_drains_a_client_first(script):
    pid = script.start()
    with connect(script.port) as sock:
        assert echoes(sock)
        restart = script.begin("restart")
        script.wait_log("graceful stop")
        assert echoes(sock, b"still here"), "a client was cut"
    restart.end(0)
    assert script.pid() != pid and not is_alive(pid)
    assert serves(script.port)
    assert "generation 1 has left" in script.log() and "0 connections cut, 0 workers killed" in script.log()
    script.run("status", 0)


@for_both
def a_restart_of_what_does_not_run_starts_it(script):
    script.run("restart", 0)
    assert serves(script.port)


@for_both
def a_restart_with_a_bad_configuration_is_refused(script):
    pid = script.start()
    script.break_configuration()
    said = script.run("restart", script.REFUSED)
    assert "musterd.conf:2:" in said, said
    assert script.pid() == pid and is_alive(pid) and serves(script.port)
    script.run("status", 0)
    # It can still be stopped, for as long as the defaults say.
    script.run("stop")
    assert not is_alive(pid)


@for_both
def a_start_with_a_bad_configuration_names_the_mistake(script):
    script.break_configuration()
    said = script.run("start", script.REFUSED)
    assert "musterd.conf:2:" in said and "musterd.conf:3:" in said, said
    script.run("status", 3)


@for_both
def a_start_that_finds_its_port_taken_fails_with_the_reason(script):
    with socket.create_server(("127.0.0.1", script.port)):
        said = script.run("start", 1)
    assert re.search("in use", said, re.IGNORECASE) and str(script.port) in said, said
    assert not (script.root / PIDFILE).exists()
    script.run("status", 3)
    script.start()


@for_both
def a_reload_takes_a_good_configuration_over(script):
    pid = script.start()
    old, new = script.port, script.case.port()
    script.configure(port=new)
    script.run("reload", 0)
    # The outcome is known when the script comes back; the old workers close what they had as they hear of it.
    assert serves(new)
    wait_for(lambda: refuses(old), "the end of the old listener")
    assert script.pid() == pid


@for_both
def a_reload_says_why_it_was_refused(script):
    script.start()
    script.break_configuration()
    said = script.run("reload", script.REFUSED)
    assert "musterd.conf:2:" in said, said
    assert serves(script.port)
    # What only the running master can find out.
    taken = script.case.port()
    with socket.create_server(("127.0.0.1", taken)):
        script.configure(port=taken)
        said = script.run("reload", 1)
    assert re.search("in use", said, re.IGNORECASE), said
    assert serves(script.port)


@for_both
def a_reload_without_a_control_socket_is_a_signal(script):
    script.configure(control=False)
    script.start()
    new = script.case.port()
    script.configure(port=new, control=False)
    assert "HUP" in script.run("reload", 0)
    wait_for(lambda: not refuses(new), "the reload")
    script.break_configuration()
    said = script.run("reload", script.REFUSED)
    assert "musterd.conf:2:" in said, said
    # A control socket that the master does not know of yet.
    script.configure(port=new)
    assert "HUP" in script.run("reload", 0)
    wait_for((script.root / CONTROL).exists, "the control socket")
    assert "HUP" not in script.run("reload", 0)


@for_both
def reload_and_upgrade_of_what_does_not_run_fail(script):
    script.run("reload", script.NOT_RUNNING)
    script.run("upgrade", script.NOT_RUNNING)
    assert refuses(script.port)


@for_both
def an_upgrade_keeps_the_process_and_its_client(script):
    pid = script.start()
    image = program_image(pid)
    shutil.copy2(MUSTERD, script.root / "opt/sbin/new")
    os.replace(script.root / "opt/sbin/new", script.root / DAEMON)
    with connect(script.port) as sock:
        assert echoes(sock)
        # The program of the running process has no name any more: it is still recognised.
        script.run("status", 0)
        script.run("upgrade", 0)
        assert program_image(pid) != image, "it is still the old program"
        assert script.pid() == pid and echoes(sock)
    script.run("status", 0)
    script.run("stop")
    assert not is_alive(pid)


@for_both
def an_upgrade_without_a_control_socket_is_a_signal(script):
    script.configure(control=False)
    pid = script.start()
    image = program_image(pid)
    assert "USR2" in script.run("upgrade", 0)
    script.wait_log("upgraded: ")
    assert program_image(pid) != image
    script.run("status", 0)


@for_both
def a_dead_master_is_seen_and_started_again(script):
    pid = script.start()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(pid) and refuses(script.port), "the end of the master and its workers")
    script.run("status", script.DEAD)
    script.run("restart", 0)
    assert script.pid() != pid and serves(script.port)
    os.kill(script.pid(), signal.SIGKILL)
    wait_for(lambda: refuses(script.port), "the end of the master and its workers")
    script.run("stop", 0)
    script.run("status", 3)
    assert not (script.root / PIDFILE).exists(), "a pid file that nobody holds is left"


@for_both
def a_stranger_with_the_number_of_a_stale_pid_file_is_left_alone(script):
    with stranger(script):
        script.run("status", script.STALE)
        script.run("stop", 0)
        script.run("status", 3)
    with stranger(script) as process:
        script.run("reload", script.NOT_RUNNING)
        pid = script.start()
        assert pid != process.pid and serves(script.port)
        script.run("stop")
        assert not is_alive(pid)


@for_both
def a_number_taken_while_we_were_dead_is_not_stopped(script):
    os.kill(script.start(), signal.SIGKILL)
    wait_for(lambda: refuses(script.port), "the end of the master and its workers")
    with stranger(script):
        script.run("status", script.DEAD)
        script.run("restart", 0)
        assert serves(script.port)
    os.kill(script.pid(), signal.SIGKILL)
    wait_for(lambda: refuses(script.port), "the end of the master and its workers")
    with stranger(script):
        script.run("stop", 0)


@for_both
def a_musterd_with_another_pid_file_is_left_alone(script):
    port, other = script.case.port(), "/run/other.pid"
    script.configure(port=port, name="/etc/musterd/other.conf", control=False)
    script.root.stop_at_end(other)
    script.root.run(DAEMON, "-d", "-p", other, "-c", "/etc/musterd/other.conf")
    pid = int((script.root / other).read_text())
    script.run("status", 3)
    script.run("stop")
    script.start()
    script.run("restart")
    script.run("stop")
    assert is_alive(pid) and int((script.root / other).read_text()) == pid and serves(port)
    # Nor is it ended when ours died and the numbers mixed up: it bears the right name, and does not hold our file.
    os.kill(script.start(), signal.SIGKILL)
    wait_for(lambda: refuses(script.port), "the end of the master and its workers")
    (script.root / PIDFILE).write_text(f"{pid}\n")
    script.run("status", script.DEAD)
    script.run("reload", script.NOT_RUNNING)
    script.run("restart")
    assert serves(script.port)
    script.run("stop")
    (script.root / PIDFILE).write_text(f"{pid}\n")
    script.start()
    assert serves(script.port)
    script.run("stop")
    assert is_alive(pid) and serves(port)


@for_both
def a_program_that_was_renamed_is_recognised(script):
    """As by who keeps the old version when he installs another."""
    pid = script.start()
    os.rename(script.root / DAEMON, script.root / (DAEMON + ".old"))
    shutil.copy2(MUSTERD, script.root / DAEMON)
    script.run("status", 0)
    assert script.STARTED in script.run("start", 0)
    assert script.pid() == pid
    script.run("reload", 0)
    script.run("stop")
    assert not is_alive(pid)


@for_both
def a_stop_waits_for_the_drain_limit(script):
    script.configure(extra="timeout { drain 2s }")
    pid = script.start()
    with connect(script.port) as sock:
        assert echoes(sock)
        begin = time.monotonic()
        script.run("stop", 0)
        took = time.monotonic() - begin
    assert took >= 2, f"a client was cut after {took:.1f} s of a drain limit of 2 s"
    assert not is_alive(pid)
    # By the master's own limit, not by the script's patience.
    assert "stopped" in script.log().splitlines()[-1], script.log()


@for_both
def the_patience_of_a_stop_follows_the_drain_limit(script):
    """start-stop-daemon is told to wait longer than the longest drain limit after the shutdown delay."""
    script.configure(extra="timeout { drain 3min }")
    with open(script.root / CONF, "a") as conf:
        conf.write("shutdown-delay 20s\n")
    script.start()
    with connect(script.port) as sock:
        assert echoes(sock)
        stop = script.begin("stop")
        script.wait_log("graceful stop")

        def retry():
            for name in os.listdir("/proc"):
                with contextlib.suppress(OSError):
                    words = pathlib.Path(f"/proc/{name}/cmdline").read_bytes().decode().split("\0")
                    if name.isdigit() and words[0] == "start-stop-daemon" and PIDFILE in words:
                        found = re.search(r"QUIT/(\d+)/", " ".join(words))
                        if found and os.path.samefile(f"/proc/{name}/root", script.root.path):
                            return int(found.group(1))
            return None
        assert wait_for(retry, "start-stop-daemon") == 20 + 180 + 15
        os.kill(script.pid(), signal.SIGTERM)
    stop.end(0)


@for_both
def a_master_that_hangs_is_killed(script):
    (script.root / script.settings).write_text(f"{script.STOP_SECONDS}=1\n")
    pid = script.start()
    os.kill(pid, signal.SIGSTOP)
    script.run("stop", 0)
    assert not is_alive(pid)
    wait_for(lambda: refuses(script.port), "the end of the workers")
    script.run("status", 3)
    script.start()


@for_both
def settings_name_another_configuration(script):
    port = script.case.port()
    script.configure(port=port, name="/etc/musterd/other.conf")
    name = "CONF" if script.NAME == "sysv" else "cfgfile"
    (script.root / script.settings).write_text(f"{name}=/etc/musterd/other.conf\n")
    script.start()
    assert serves(port)
    script.run("reload", 0)


@for_both
def folders_are_made(script):
    """What systemd makes for its unit, with the same modes."""
    script.configure(extra="socket { mode 0666 }\n    listen unix:/run/musterd/echo.sock")
    script.start()
    for name, mode in (("run/musterd", 0o755), ("var/log/musterd", 0o750), ("var/lib/musterd", 0o750)):
        assert (script.root / name).stat().st_mode & 0o7777 == mode, name
    with connect(0, script.root / "run/musterd/echo.sock") as sock:
        assert echoes(sock)


@for_both
def folders_that_are_there_stay_as_they_are(script):
    """Access logs name clients: who closes the folder finds it closed."""
    logs = script.root / "var/log/musterd"
    logs.mkdir()
    logs.chmod(0o700)
    script.start()
    assert logs.stat().st_mode & 0o7777 == 0o700, oct(logs.stat().st_mode)


@for_both
def the_configuration_is_tested(script):
    action = "configtest" if script.NAME == "sysv" else "checkconfig"
    script.run(action, 0)
    script.break_configuration()
    assert "musterd.conf:3:" in script.run(action, script.REFUSED)


@for_both
def logs_are_opened_anew(script):
    script.start()
    action = "reopen-logs" if script.NAME == "sysv" else "reopen"
    for control in (True, False):
        if not control:
            script.configure(control=False)
            script.run("reload")
        os.rename(script.root / LOG, script.root / (LOG + ".1"))
        script.run(action)
        wait_for((script.root / LOG).exists, "the new log")
    script.run("stop")
    script.run(action, script.NOT_RUNNING)


@test
def an_unknown_word_is_answered_with_the_usage(case):
    script = Sysv(case)
    assert "Usage" in script.run("nonsense", 3)
    assert "Usage" in script.root.run("/etc/init.d/musterd", status=3)


@test
def try_restart_leaves_alone_what_does_not_run(case):
    script = Sysv(case)
    script.run("try-restart", 0)
    script.run("status", 3)
    pid = script.start()
    script.run("try-restart", 0)
    assert script.pid() != pid and serves(script.port)


@test
def without_the_program_nothing_fails(case):
    """The package was removed, its configuration was not."""
    script = Sysv(case)
    (script.root / DAEMON).unlink()
    script.run("start", 0)
    script.run("stop", 0)
    script.run("status", 3)


@test
def without_the_functions_of_the_lsb(case):
    script = Sysv(case, without=["lib/lsb"])
    assert not os.path.lexists(script.root / "lib/lsb")
    script.start()
    script.break_configuration()
    assert "failed" in script.run("restart", 6)
    script.run("stop")


@test
def an_ordinary_user_may_ask_but_not_act(case):
    case.need_root()
    script = Sysv(case)

    def as_nobody(action, status):
        return script.root.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/etc/init.d/musterd",
                               action, status=status)
    as_nobody("start", 4)
    as_nobody("status", 3)
    pid = script.start()
    as_nobody("status", 0)
    for action in ("stop", "restart", "reload", "upgrade"):
        as_nobody(action, 4)
    assert is_alive(pid) and serves(script.port)


@test
def service_and_invoke_rc_d_work(case):
    """As packages and administrators of Debian call the script."""
    for name in ("service", "invoke-rc.d"):
        tool(name, "init-system-helpers")
    tree = case.folder / "sysvinit"
    (tree / "sbin").mkdir(parents=True)
    (tree / "sbin/runlevel").write_text("#!/bin/sh\necho N 2\n")
    (tree / "sbin/runlevel").chmod(0o755)
    script = Sysv(case, over=tree)
    # Images for containers forbid to start services: not in this root.
    if os.path.exists("/usr/sbin/policy-rc.d"):
        script.root.run("mount", "--bind", "/bin/true", "/usr/sbin/policy-rc.d")
    (script.root / "etc/rc2.d").mkdir()
    (script.root / "etc/rc2.d/S01musterd").symlink_to("../init.d/musterd")
    script.root.run("invoke-rc.d", "musterd", "start")
    pid = script.pid()
    assert serves(script.port)
    script.root.run("invoke-rc.d", "musterd", "status")
    assert "[ + ]  musterd" in script.root.run("service", "--status-all")
    script.root.run("service", "musterd", "reload")
    script.root.run("service", "musterd", "restart")
    assert script.pid() != pid and serves(script.port)
    script.root.run("service", "musterd", "status")
    script.root.run("invoke-rc.d", "musterd", "force-reload")
    script.root.run("service", "musterd", "--full-restart")
    assert serves(script.port)
    script.root.run("invoke-rc.d", "musterd", "stop")
    assert refuses(script.port)
    script.root.run("service", "musterd", "status", status=3)
    assert "[ - ]  musterd" in script.root.run("service", "--status-all")


@test
def openrc_describes_the_commands(case):
    said = OpenRc(case).run("describe")
    for command in ("checkconfig", "reload", "upgrade", "reopen"):
        assert f"{command}:" in said, said
    assert "no description" not in said, said


@test
def openrc_runs_the_script_of_sysv(case):
    """On Debian OpenRC boots with the scripts of the packages."""
    script = OpenRc(case)
    if not script.root.has("/lib/rc/bin/lsb2rcconf"):
        case.skip("this OpenRC does not read the headers of the LSB")
    script.install("musterd", script.text(Sysv.source))
    script.root.run("/sbin/openrc-run", "/etc/init.d/musterd", "start")
    pid = script.pid()
    assert serves(script.port)
    script.root.run("/sbin/openrc-run", "/etc/init.d/musterd", "restart")
    assert script.pid() != pid and serves(script.port)
    script.root.run("/sbin/openrc-run", "/etc/init.d/musterd", "stop")
    assert refuses(script.port)


@test
def openrc_supervises(case):
    """supervisor=supervise-daemon: a master that dies is started again; reload and stop work as ever."""
    script = OpenRc(case)
    (script.root / script.settings).write_text("supervisor=supervise-daemon\nrespawn_delay=1\n")
    script.run("start")
    wait_for(lambda: (script.root / PIDFILE).exists() and not refuses(script.port), "the server")
    pid = script.pid()
    assert serves(script.port)
    script.run("status", 0)
    script.run("reload", 0)
    os.kill(pid, signal.SIGKILL)

    def another():
        with contextlib.suppress(FileNotFoundError, ValueError):
            return script.pid() != pid and not refuses(script.port)
    wait_for(another, "another master", 30)
    assert serves(script.port)
    pid = script.pid()
    script.run("stop")
    wait_for(lambda: not is_alive(pid), "the end of the master")
    assert refuses(script.port)


if __name__ == "__main__":
    main()
