#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A reload is a transaction: what did not change is left alone, and what fails, at whatever stage, leaves no
trace: sockets, descriptors, log, pid file and workers are those of before.

A worker is held on its way to READY by a FIFO in place of the media types, which it opens while it sets itself
up: so nothing here depends on how fast a machine is.
"""

import contextlib
import fcntl
import os
import re
import signal
import socket

from harness import (Http, children, connect, for_both_modes, is_alive, main, read_exactly, refuses, test,
                     title, wait_for)


def page(port):
    with Http(port) as http:
        return http.get("/", headers=["Connection: close"]).body


def echo(sock, data=b"still here"):
    sock.sendall(data)
    return read_exactly(sock, len(data)) == data


class Gate:
    """A FIFO that those who open it wait at, until it has a writer."""

    def __init__(self, case, name="types"):
        self.path = case.folder / name
        os.mkfifo(self.path)

    def wait_for_one(self, server, service):
        """A worker that is not READY, and will not be: it is at the gate or on its way there. Its pid."""
        def look():
            return [pid for pid in server.workers(service) if "starting" in title(pid)]
        pid, = wait_for(look, "a worker at the gate")
        return pid

    def open(self):
        """Whoever waits goes on, and who comes later does not wait: it is a file now."""
        writer = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        plain = self.path.with_suffix(".file")
        plain.write_text("text/plain txt\n")
        plain.rename(self.path)
        os.close(writer)


class Site:
    """Two services with a connection each, a log and a pid file of their own; and what would follow."""

    def __init__(self, case):
        self.case = case
        case.write("one/index.html", "one")
        case.write("two/index.html", "two")
        self.www, self.echo, self.new, self.fresh = (case.port() for _ in range(4))
        self.log, self.pidfile = case.folder / "old.log", case.folder / "old.pid"
        self.new_pidfile, self.new_path = case.folder / "new.pid", case.folder / "new.sock"
        self.gate = Gate(case)
        case.conf(self.text())
        self.server = case.server(case.folder / "musterd.conf", env={"ASAN_OPTIONS": "handle_segv=0"})
        self.server.wait_workers(2, "www")
        self.server.wait_workers(2, "echo")

    def text(self, more=""):
        return f"""
log {self.log} info
pidfile {self.pidfile}
service www {{
    listen 127.0.0.1:{self.www}
    handler http {{ root one }}
    workers 2
    connections 64
    {more}
}}
service echo {{
    listen 127.0.0.1:{self.echo}
    handler echo
    workers 2
}}
"""

    def wanted(self, www="", fresh="", mime_types=None):
        """Everything is another: a listener more, a service more, one less, another log and pid file."""
        types = f"; mime-types {mime_types}" if mime_types else ""
        return f"""
log {self.case.folder}/new.log info
pidfile {self.new_pidfile}
service www {{
    listen 127.0.0.1:{self.www}, 127.0.0.1:{self.new}, unix:{self.new_path}
    handler http {{ root two{types} }}
    workers 3
    connections 64
    {www}
}}
service fresh {{
    listen 127.0.0.1:{self.fresh}
    handler daytime
    workers 2
    {fresh}
}}
"""

    def said(self, pattern):
        return wait_for(lambda: re.search(pattern, self.log.read_text(errors="replace"), re.MULTILINE),
                        f"a line like {pattern!r} in {self.log.name}")

    def state(self):
        """All that must be as before."""
        folder, held = f"/proc/{self.server.pid}/fd", {}
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # listdir's own, of us; or just closed
                held[int(name)] = os.readlink(f"{folder}/{name}")
        return {"descriptors": held, "children": children(self.server.pid),
                "pid file": (self.pidfile.read_text(), self.pidfile.stat().st_ino),
                "log": self.log.stat().st_ino, "there": sorted(os.listdir(self.case.folder))}

    @contextlib.contextmanager
    def refused(self, reason):
        """What the block asks for is refused for that reason, and nobody notices."""
        with connect(self.echo) as talk, Http(self.www) as http:
            assert echo(talk) and http.get("/").body == b"one"
            before = self.state()
            yield
            self.said(rf"reload refused.*({reason})")

            def is_as_before():
                after = self.state()
                after["there"] = sorted(set(after["there"]) - {"new.log"})  # opening a log makes the file
                return after == before
            try:
                wait_for(is_as_before, "everything to be as before")
            except AssertionError:
                raise AssertionError(f"{before} became {self.state()}") from None
            self.server.notify.poll()
            # Behind it time may be asked for, for the workers that go.
            status = [fields["STATUS"] for _, fields in self.server.notify.seen if "STATUS" in fields][-1]
            assert status.startswith("Reload refused"), status
            got = http.get("/")
            assert got.body == b"one" and "connection" not in got.headers, f"a client has noticed: {got}"
            assert echo(talk) and page(self.www) == b"one"
            assert refuses(self.new) and refuses(self.fresh)

    def is_not_stuck(self):
        """After a refusal, the same without its fault is taken."""
        self.case.conf(self.wanted())
        status = self.server.reload()["STATUS"]
        assert "refused" not in status, status
        assert page(self.new) == b"two" and not refuses(self.fresh)
        with Http(0, host=self.new_path) as http:
            assert http.get("/").body == b"two"
        assert int(self.new_pidfile.read_text()) == self.server.pid and not self.pidfile.exists()
        self.server.stop()


# ------------------------------------------------------------------------- what did not change

@for_both_modes
def services_that_did_not_change_keep_their_workers(case):
    case.write("one/index.html", "one")
    case.write("two/index.html", "two")
    kept, talk_port = case.service("echo", name="kept", workers=2)
    site, port = case.service("http { root one }", name="site", workers=2)
    server = case.server(kept + site)
    stay, go = server.wait_workers(2, "kept"), server.wait_workers(2, "site")
    with connect(talk_port) as talk:
        assert echo(talk)
        for changed in (kept + site.replace("root one", "root two"), site + kept,
                        "# a comment\n" + kept.replace("workers 2", "  workers   2") + site,
                        "log stderr debug\n" + kept + site, "shutdown-delay 1ms\n" + kept + site):
            case.conf(changed)
            status = server.reload()["STATUS"]
            assert "refused" not in status, status
            assert server.workers("kept") == stay, f"{changed}: other workers"
            assert echo(talk)
    server.wait_workers(2, "site", without=go)
    server.stop()


@for_both_modes
def a_reload_of_the_same_file_changes_nothing(case):
    text, port = case.service("echo", workers=2)
    server = case.server(text)
    workers = server.wait_workers(2)
    with connect(port) as talk:
        assert echo(talk)
        for _ in range(3):
            server.reload()
        assert server.workers() == workers and echo(talk)


@test
def a_service_that_changed_alone_is_replaced(case):
    """Each directive makes it another; the one beside it stays."""
    case.write("one/index.html", "one")
    kept, _ = case.service("echo", name="kept", workers=1)
    site, _ = case.service("http { root one }", name="site", workers=1)
    server = case.server(kept + site)
    stay = server.wait_workers(1, "kept")
    for change in ("connections 8", "timeout { idle 5s }", "umask 0077", "limit { core 0 }", "backlog 7",
                   "max-requests 1000000", "overflow refuse", "slow 5s"):
        was = server.wait_workers(1, "site")
        case.conf(kept + site.replace("workers 1", f"workers 1\n{change}"))
        status = server.reload()["STATUS"]
        assert "refused" not in status, f"{change}: {status}"
        server.wait_workers(1, "site", without=was)
        assert server.workers("kept") == stay, change


# -------------------------------------------------------------------- what fails leaves no trace

@test
def a_port_that_is_taken(case):
    site = Site(case)
    other = socket.create_server(("127.0.0.1", site.fresh))
    with site.refused(rf"127\.0\.0\.1:{site.fresh}.*in use"):
        case.conf(site.wanted())
        site.server.reload()
        other.close()
    site.is_not_stuck()


@test
def a_unix_socket_that_another_listens_on(case):
    site = Site(case)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(site.new_path))
        other.listen()
        with site.refused(rf"{site.new_path}"):
            case.conf(site.wanted())
            site.server.reload()
        assert site.new_path.exists(), "the socket of somebody else was removed"
    site.is_not_stuck()


@test
def a_unix_socket_whose_file_somebody_removed(case):
    path = case.folder / "sock"
    text, _ = case.service("echo", listen=f"unix:{path}")
    server = case.server(text)
    server.reload()
    assert "file is gone" not in server.log()
    workers = server.workers()
    path.unlink()
    server.reload()
    server.wait_log(rf"warning .*listener unix:{path}: its file is gone")
    assert server.workers() == workers, "the service did not change"
    assert server.stop() == 0


@test
def a_root_that_is_missing(case):
    site = Site(case)
    with site.refused("cannot be used"):
        case.conf(site.wanted().replace("root two", "root three"))
        site.server.reload()


@test
def a_file_that_is_wrong(case):
    site = Site(case)
    with site.refused("cannot be used"):
        case.conf(site.wanted() + "nonsense\n")
        site.server.reload()


@test
def a_log_in_a_folder_that_is_missing(case):
    site = Site(case)
    with site.refused("cannot be used"):
        case.conf(site.wanted().replace("/new.log", "/no/such/new.log"))
        site.server.reload()
    site.is_not_stuck()


@test
def a_log_that_nobody_reads(case):
    site = Site(case)
    fifo = case.folder / "new.fifo"
    os.mkfifo(fifo)
    with site.refused(r"new\.fifo: nobody reads from it"):
        case.conf(site.wanted().replace("new.log", fifo.name))
        site.server.reload()
    fifo.unlink()
    site.is_not_stuck()


@test
def a_pid_file_that_another_has_locked(case):
    site = Site(case)
    with open(site.new_pidfile, "w", encoding="ascii") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write("1\n")
        other.flush()
        with site.refused(r"new\.pid.*(pid 1\b|locked)"):
            case.conf(site.wanted())
            site.server.reload()
        assert site.new_pidfile.read_text() == "1\n", "the file of somebody else was changed"
    site.is_not_stuck()


@test
def a_pid_file_in_a_folder_that_is_missing(case):
    site = Site(case)
    with site.refused("cannot be used"):
        case.conf(site.wanted().replace("/new.pid", "/no/such/new.pid"))
        site.server.reload()
    site.is_not_stuck()


@test
def a_worker_that_cannot_set_itself_up(case):
    site = Site(case)
    with site.refused("exited with status"):
        more = "limit { nofile 16 }\nlisten " + ", ".join(f"unix:{case.folder}/{i}.sock" for i in range(4))
        case.conf(site.wanted(www=more))  # as many listeners as descriptors, nearly
        site.server.reload()
    site.is_not_stuck()


@test
def a_canary_that_is_not_ready_in_time(case):
    site = Site(case)
    with site.refused("boot limit"):
        case.conf(site.wanted(www="timeout { boot 300ms }", mime_types=site.gate.path))
        site.server.reload()
    site.is_not_stuck()


def in_mid_reload(site):
    """Asks for the reload; its canary waits at the gate, and so nothing is committed. The canary."""
    site.case.conf(site.wanted(mime_types=site.gate.path))
    site.server.send_signal(signal.SIGHUP)
    return site.gate.wait_for_one(site.server, "www")


@test
def a_log_that_is_rotated_in_mid_reload(case):
    """Also the log that was opened for the generation to come is opened anew."""
    site = Site(case)
    new = case.folder / "new.log"
    in_mid_reload(site)
    wait_for(new.exists, "the new log")
    rotated = new.rename(case.folder / "rotated.log")
    site.server.send_signal(signal.SIGUSR1)
    site.said("opened anew")
    mark = site.server.notify.count()
    site.gate.open()
    site.server.notify.wait("READY", "1", mark)
    wait_for(lambda: new.exists() and "reloaded" in new.read_text(), "the outcome in the new log")
    assert "reloaded" not in rotated.read_text()
    site.server.stop()
    assert "stopped" in new.read_text()


@test
def a_canary_that_crashes(case):
    site = Site(case)
    with site.refused("SIGSEGV"):
        os.kill(in_mid_reload(site), signal.SIGSEGV)
        site.said("reload refused")
    site.is_not_stuck()


@test
def a_module_that_does_not_start_behind_its_canary(case):
    """The first worker of the service is READY, the others find their folder gone."""
    site = Site(case)
    with site.refused("exited with status"):
        in_mid_reload(site)
        (case.folder / "two").rename(case.folder / "away")
        site.gate.open()
        site.said("reload refused")
        (case.folder / "away").rename(case.folder / "two")
    site.is_not_stuck()


@test
def nothing_is_seen_before_the_commit(case):
    """While the canary sets itself up the old configuration serves, and what is new refuses."""
    site = Site(case)
    old = site.server.wait_workers(2, "echo")
    in_mid_reload(site)
    for _ in range(5):
        assert page(site.www) == b"one" and refuses(site.new) and refuses(site.fresh)
        with connect(site.echo) as talk:
            assert echo(talk)
    assert int(site.pidfile.read_text()) == site.server.pid
    assert site.server.workers("echo") == old
    before = site.server.notify.count()
    site.gate.open()
    site.server.wait_ready(before - 1)
    wait_for(lambda: page(site.www) == b"two", "the new page")
    assert page(site.new) == b"two" and not refuses(site.fresh)
    wait_for(lambda: refuses(site.echo), "the removed service to refuse")
    assert int(site.new_pidfile.read_text()) == site.server.pid and not site.pidfile.exists()
    site.server.stop()


@test
def a_reload_during_a_reload_waits_one_deep(case):
    site = Site(case)
    in_mid_reload(site)
    case.conf(site.wanted().replace("root two", "root one"))
    for said in ("the next one follows", "one is waiting already", "one is waiting already"):
        mark = site.log.stat().st_size
        site.server.send_signal(signal.SIGHUP)
        wait_for(lambda said=said, mark=mark: said in site.log.read_text()[mark:], f"the log to say: {said}")
    before = site.server.notify.count()
    site.gate.open()
    _, first = site.server.notify.wait("READY", "1", before)
    wait_for(lambda: page(site.new) == b"one", "the last file to be taken")
    assert "refused" not in first["STATUS"], first
    site.server.reload()  # behind all that was queued
    outcomes = [fields for _, fields in site.server.notify.seen[before:] if fields.get("READY") == "1"]
    assert len(outcomes) == 3, f"one reload, one that waited and this one are three: {outcomes}"
    assert page(site.www) == b"one"
    site.server.stop()


@test
def a_stop_during_a_reload(case):
    """It is given up, and leaves nothing."""
    site = Site(case)
    canary = in_mid_reload(site)
    site.server.stop()
    assert not is_alive(canary) and not site.pidfile.exists() and not site.new_pidfile.exists()
    assert refuses(site.www) and refuses(site.new)


@test
def a_worker_that_dies_during_a_reload_is_replaced(case):
    """The running generation is supervised meanwhile."""
    site = Site(case)
    in_mid_reload(site)
    victim, other = site.server.wait_workers(2, "echo")
    os.kill(victim, signal.SIGKILL)
    assert other in site.server.wait_workers(2, "echo", without=[victim])
    site.gate.open()
    wait_for(lambda: not refuses(site.fresh), "the reload to go on")
    site.server.stop()


# ------------------------------------------------------------------------------------- draining

@for_both_modes
def each_service_has_its_own_drain_limit(case):
    """Two that change: the one cuts its client soon and says so, the other lets it finish."""
    hasty, hasty_port = case.service("echo", name="hasty", workers=1, extra="timeout { drain 200ms }")
    patient, patient_port = case.service("echo", name="patient", workers=1, extra="timeout { drain 10min }")
    server = case.server(hasty + patient)
    mark = server.log_size()
    with connect(hasty_port) as cut, connect(patient_port) as kept:
        assert echo(cut) and echo(kept)
        case.conf((hasty + patient).replace("workers 1", "workers 2"))
        server.reload()
        with contextlib.suppress(ConnectionResetError):
            assert cut.recv(1) == b"", "more than was sent"
        server.wait_log(r"hasty.*\b1 connections? .*cut|hasty.*cut.*\b1\b", mark)
        assert echo(kept)
    server.wait_log(r"service patient: generation 1 has left", mark)
    server.stop()
    assert re.search(r"service hasty in all:.*cut 1\b", server.log())
    assert re.search(r"service patient in all:.*cut 0\b", server.log())


if __name__ == "__main__":
    main()
