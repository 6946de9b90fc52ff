#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Chaos: two services under clients that verify every byte, while for a minute their workers are killed,
stopped and made to crash, configurations good and bad are reloaded, the program is upgraded in place, pools are
resized and paused, the log is renamed, strangers talk to the control socket, and forks and descriptors fail.

Only the clients of a worker that was killed may see an error. Whose they are is known, not guessed: a worker is
stopped first, the kernel is asked which connections it holds, and then it dies. At the end: status 0, no zombie,
no orphan, nothing leaked in the master, totals that cover all that clients got.

CHAOS_SECONDS (60) says how long, CHAOS_SEED which sequence of actions: the seed is printed, and a failure
is repeated with it as far as time allows.
"""

import collections
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

from crowd import Crowd
from harness import (connect, has_sanitizers, is_alive, main, proc_stat, read_all, status_field, test, title,
                     wait_for)
import holders

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
PAGES = 3
LARGE = 300_000
# A crash that we cause is none that a sanitizer shall report.
PLAIN_CRASH = {"ASAN_OPTIONS": "handle_segv=0:handle_abort=0"}


# ---------------------------------------------------------------------------------- the server

def strace_is_refused():
    """Why strace cannot be used here, or None."""
    if not shutil.which("strace"):
        return "strace is not installed"
    with subprocess.Popen(["sleep", "60"]) as victim:
        try:
            with subprocess.Popen(["strace", "-p", str(victim.pid)], stderr=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, text=True) as tracer:
                said = tracer.stderr.readline()
                tracer.terminate()
            return None if "attached" in said else said.strip()
        finally:
            victim.kill()


Killed = collections.namedtuple("Killed", "at pid names")


class Site:
    """The server, and what may be asked of its configuration."""

    def __init__(self, case):
        self.case = case
        self.www, self.echo, self.extra, self.taken = (case.port() for _ in range(4))
        self.path = case.folder / "www.sock"
        self.log = case.folder / "musterd.log"
        self.control = case.folder / "control.sock"
        self.rotations = 0
        for i in range(PAGES):
            case.write(f"root{i}/index.html", bytes([65 + i]) * (700 + 400 * i))
            case.write(f"root{i}/large", os.urandom(LARGE) if i == 0 else
                       (case.folder / "root0/large").read_bytes())
        # Somebody else's: a configuration that wants it is refused.
        case.reserved[-1].listen()
        self.conf(self.text())
        self.server = case.server(case.folder / "musterd.conf", env=PLAIN_CRASH)

    def conf(self, text):
        """As a whole: a reload that was asked for before may just be reading it."""
        self.case.write("next.conf", text).rename(self.case.folder / "musterd.conf")

    def text(self, page=0, workers=3, spare="1..3", recycle="", extra=""):
        return f"""
log {self.log} info
control {{ path {self.control} }}
service www {{
    listen 127.0.0.1:{self.www}, unix:{self.path}
    handler http {{ root root{page} }}
    workers {workers}
    connections 64
    {recycle}
    limit {{ core 0 }}
    timeout {{ drain 60s; header 60s; idle 60s; stall 0 }}
}}
service echo {{
    listen 127.0.0.1:{self.echo}
    handler echo
    workers 2..10
    spare {spare}
    connections 1
    limit {{ core 0 }}
    timeout {{ drain 60s; idle 60s }}
}}
{extra}"""

    def extra_service(self, port=None, root=None):
        handler = f"http {{ root {root} }}" if root else "daytime"
        return f"service extra {{ listen 127.0.0.1:{port or self.extra}\n handler {handler}\n workers 1 }}\n"

    def bad_texts(self):
        good = self.text(page=1)
        return [good + "nonsense\n", good.rstrip()[:-1], good.replace("root1", "root7"),
                good + self.extra_service(port=self.taken), good + self.extra_service(root="nowhere"),
                good.replace("musterd.log", "no/such/folder/musterd.log")]

    def whole_log(self):
        old = [self.case.folder / f"musterd-{i}.log" for i in range(self.rotations)]
        return "".join(path.read_text(errors="replace") for path in [*old, self.log])

    def footprint(self):
        """What the master holds, the one socket of each worker left out: ({kind: descriptors}, mappings)."""
        kinds = collections.Counter()
        for name in os.listdir(f"/proc/{self.server.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                kinds[re.sub(r"\d+", "N", os.readlink(f"/proc/{self.server.pid}/fd/{name}"))] += 1
        kinds["socket:[N]"] -= len(self.server.workers())
        maps = pathlib.Path(f"/proc/{self.server.pid}/maps").read_text().count("\n")
        return kinds, maps

    def settle(self):
        """One generation serves, nothing drains and nothing starts; then the footprint."""
        def is_quiet():
            pids = self.server.workers()
            return len(self.server.workers("www")) == 3 and len(self.server.workers("echo")) >= 2 and \
                all(re.search(r" idle | busy ", title(pid)) for pid in pids) and \
                not self.server.workers("extra")
        wait_for(is_quiet, "one quiet generation", 120)
        return self.footprint()


class Chaos:
    """What is done to the server."""

    def __init__(self, case, seed):
        self.case = case
        self.random = random.Random(seed)
        self.site = Site(case)
        self.server = self.site.server
        self.killed = []
        self.stopped = []  # (when to continue, pidfd)
        self.counts = collections.Counter()
        self.unsure = False  # reloads were asked for whose end nobody waited for
        self.totals = {}     # of each service, as the last status said
        self.bag = []

    # ---- workers ----

    def stop(self, pid):
        """Stops a worker of the server: a descriptor for it, or None when it has gone."""
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        with contextlib.suppress(ProcessLookupError):
            if (proc_stat(pid) or "??")[1] == self.server.pid:
                signal.pidfd_send_signal(fd, signal.SIGSTOP)
                wait_for(lambda: (proc_stat(pid) or "X")[0] in "TZX", f"worker {pid} to stop")
                if (proc_stat(pid) or "X")[0] == "T":
                    return fd
        os.close(fd)
        return None

    def kill(self, pids, number):
        """Kills workers, with the knowledge of whose clients that harms."""
        victims = [(pid, fd) for pid, fd in ((pid, self.stop(pid)) for pid in pids) if fd is not None]
        for pid, _ in victims:
            self.killed.append(Killed(time.monotonic(), pid, holders.connections_of(pid)))
        for pid, fd in victims:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, number)
                signal.pidfd_send_signal(fd, signal.SIGCONT)
            os.close(fd)
        for pid, _ in victims:
            wait_for(lambda pid=pid: not is_alive(pid), f"the end of {pid}")
        self.counts["kills"] += len(victims)

    def pick(self):
        """One worker; which one is a matter of the seed as far as it can be."""
        pids = self.server.workers(self.random.choice(["www", "echo"]))
        number = self.random.random()
        return [pids[int(number * len(pids))]] if pids else []

    def kill_one(self):
        self.kill(self.pick(), signal.SIGKILL)

    def crash_one(self):
        self.kill(self.pick(), self.random.choice([signal.SIGSEGV, signal.SIGABRT, signal.SIGTRAP]))

    def kill_all_of_a_service(self):
        self.kill(self.server.workers(self.random.choice(["www", "echo"])), signal.SIGKILL)

    def stop_one_for_a_while(self):
        for pid in self.pick():
            fd = self.stop(pid)
            if fd is not None:
                self.stopped.append((time.monotonic() + self.random.uniform(0, 1), fd))
                self.counts["stops"] += 1

    def go_on(self, everybody=False):
        for entry in self.stopped[:]:
            if everybody or entry[0] <= time.monotonic():
                self.stopped.remove(entry)
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(entry[1], signal.SIGCONT)
                os.close(entry[1])

    # ---- the master ----

    def some_text(self, extra=""):
        return self.site.text(page=self.random.randrange(PAGES), workers=self.random.randint(2, 4),
                              spare=self.random.choice(["1..2", "1..3", "2..4"]), extra=extra,
                              recycle=self.random.choice(["", "", "max-requests 200", "max-lifetime 1s",
                                                          "max-memory 2M"]))

    def reload(self):
        """Asks and waits; the STATUS."""
        self.counts["reloads"] += 1
        return self.server.reload(60)["STATUS"]

    def reload_good(self):
        extra = self.site.extra_service() if self.random.random() < 0.5 else ""
        self.site.conf(self.some_text(extra))
        status = self.reload()
        assert self.unsure or "refused" not in status, f"a good configuration: {status}"
        if extra and not self.unsure:
            with connect(self.site.extra) as sock:
                assert read_all(sock), "the new service says nothing"
        self.unsure = False

    def reload_bad(self):
        self.site.conf(self.random.choice(self.site.bad_texts()))
        status = self.reload()
        assert self.unsure or "refused" in status, f"a bad configuration: {status}"
        self.unsure = False

    def reload_and_go_on(self):
        """One upon the other, and nobody waits for what becomes of them."""
        for _ in range(self.random.randint(1, 3)):
            self.site.conf(self.some_text())
            self.server.send_signal(signal.SIGHUP)
            self.counts["reloads"] += 1
        self.unsure = True

    def more_or_fewer(self):
        for _ in range(self.random.randint(1, 3)):
            self.server.send_signal(self.random.choice([signal.SIGTTIN, signal.SIGTTOU]))

    def rotate(self):
        self.site.log.rename(self.case.folder / f"musterd-{self.site.rotations}.log")
        self.site.rotations += 1
        self.server.send_signal(signal.SIGUSR1)
        wait_for(self.site.log.exists, "the new log file")
        self.counts["rotations"] += 1

    def upgrade(self):
        """The new program reads the configuration, so that must be good."""
        self.site.conf(self.some_text())
        self.server.upgrade(120)
        self.counts["upgrades"] += 1

    def kill_during_a_change(self):
        """A reload or an upgrade, in the midst of which workers of the old and new generation die."""
        self.site.conf(self.some_text())
        upgrade = self.server.can_upgrade() and self.random.random() < 0.5
        before = self.server.notify.count()
        self.server.send_signal(signal.SIGUSR2 if upgrade else signal.SIGHUP)
        self.counts["upgrades" if upgrade else "reloads"] += 1
        for _ in range(self.random.randint(1, 3)):
            time.sleep(self.random.uniform(0, 0.02))  # wherever that is in it
            self.kill_one()
        # Without its canary a configuration is refused; either way it is over.
        self.server.wait_ready(before, 120)

    def stop_the_master_for_a_moment(self):
        """Its workers go on; what dies and what is asked for meanwhile is found later."""
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            wait_for(lambda: proc_stat(self.server.pid)[0] == "T", "the master to stop")
            self.kill_one()
            if self.random.random() < 0.5:
                self.reload_and_go_on()
            time.sleep(self.random.uniform(0, 0.3))
        finally:
            os.kill(self.server.pid, signal.SIGCONT)
        self.counts["master stops"] += 1

    # ---- the control socket ----

    def command(self, *words):
        """What an administrator types; (exit status, what it says)."""
        done = self.case.run("-s", self.site.control, *words)
        self.counts["commands"] += 1
        return done.returncode, done.stdout + done.stderr

    def look_at_the_status(self):
        status, said = self.command("--status")
        assert status == 0, said
        for line in re.findall(r"^service .*$", said, re.MULTILINE):
            words = line.split()
            now = {key: int(words[words.index(key) + 1]) for key in ("accepted", "requests", "lost")}
            before = self.totals.get(words[1], now)
            assert all(now[key] >= before[key] for key in now), f"totals fell from {before} to: {line}"
            self.totals[words[1]] = now

    def reload_by_command(self):
        good = self.random.random() < 0.6
        self.site.conf(self.some_text() if good else self.random.choice(self.site.bad_texts()))
        status, said = self.command("--reload")
        self.counts["reloads"] += 1
        assert status == (0 if good else 1), f"a {'good' if good else 'bad'} file, exit status {status}: {said}"

    def resize_by_command(self):
        service = self.random.choice(["www", "echo"])
        status, said = self.command("--workers", f"{service}={self.random.choice(['+1', '-1', '3', '5'])}")
        assert status in (0, 1), said

    def pause_for_a_moment(self):
        service = self.random.choice(["www", "echo"])
        assert self.command("--pause", service)[0] == 0
        time.sleep(self.random.uniform(0, 0.2))
        status, said = self.command("--resume", service)
        assert status == 0, said

    def strangers_at_the_control_socket(self):
        """Who says nothing, nothing that makes sense, or too much, and who does not wait for an answer."""
        for line in (b"", b"status", b"\0\n", b"reload reload\n", b"workers www\n", b"status\n" * 500,
                     self.random.randbytes(3000), b"status\n"):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError), \
                    connect(0, self.site.control) as sock:
                sock.sendall(line)

    # ---- failures of the system ----

    @contextlib.contextmanager
    def strace(self, pid, calls, how):
        """These calls of the process fail so while the block runs."""
        output = self.case.folder / "strace.txt"
        command = ["strace", "-o", output, "-e", f"trace={calls}", "-e", f"inject={calls}:{how}", "-p", str(pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            try:
                attached = "attached" in tracer.stderr.readline()
                yield output if attached else None
            finally:
                tracer.terminate()
                tracer.wait()
        self.counts["faults"] += output.read_text().count("INJECTED")

    def forks_fail(self):
        with self.strace(self.server.pid, "clone,clone3,fork,vfork", "error=EAGAIN"):
            self.kill_one()
            self.site.conf(self.some_text())
            status = self.reload()
        assert self.unsure or "refused" in status, f"without a fork: {status}"
        self.unsure = False

    def descriptors_of_the_master_fail(self):
        """At one place or another of a reload."""
        self.site.conf(self.some_text())
        when = self.random.randint(1, 4)
        with self.strace(self.server.pid, "memfd_create,socketpair,openat,socket", f"error=EMFILE:when={when}"):
            self.reload()

    def descriptors_of_a_worker_fail(self):
        for pid in self.pick():
            if (proc_stat(pid) or "X")[0] not in "RS":
                continue
            with self.strace(pid, "accept4", "error=EMFILE:when=1..3") as output:
                end = time.monotonic() + 1
                while output and time.monotonic() < end and "INJECTED" not in output.read_text():
                    time.sleep(0.01)

    # ---- all of it ----

    def actions(self):
        """How often each comes in a round."""
        weights = {self.kill_one: 3, self.crash_one: 2, self.kill_all_of_a_service: 1,
                   self.stop_one_for_a_while: 3, self.reload_good: 4, self.reload_bad: 2,
                   self.reload_and_go_on: 1, self.more_or_fewer: 2, self.rotate: 1, self.look_at_the_status: 2,
                   self.reload_by_command: 2, self.resize_by_command: 1, self.pause_for_a_moment: 1,
                   self.strangers_at_the_control_socket: 1, self.kill_during_a_change: 3,
                   self.stop_the_master_for_a_moment: 1}
        if self.server.can_upgrade():
            weights[self.upgrade] = 2
        refused = strace_is_refused()
        if refused:
            print(f"# no call is made to fail: {refused}")
        else:
            weights |= {self.forks_fail: 1, self.descriptors_of_the_master_fail: 2,
                        self.descriptors_of_a_worker_fail: 1}
        return [action for action, weight in weights.items() for _ in range(weight)]

    def run(self, seconds):
        actions, end = self.actions(), time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.bag:
                self.bag = self.random.sample(actions, len(actions))
            self.bag.pop()()
            assert is_alive(self.server.pid), "the master has ended"
            time.sleep(self.random.uniform(0, 0.15))  # the pace of the chaos
            self.go_on()
        self.go_on(everybody=True)

    def back_to_the_beginning(self):
        self.site.conf(self.site.text())
        self.server.reload(120)
        # Whatever was still queued is over now: this one decides.
        wait_for(lambda: "refused" not in self.server.reload(120)["STATUS"], "a reload that is taken", 120)


def excused(failure, killed):
    return any(failure.opened <= death.at <= failure.failed and failure.name in death.names
               for death in killed)


def check_log(log, killed):
    """Nobody died but by our hand."""
    ours = {death.pid for death in killed}
    for match in re.finditer(r"^.*worker \S+ \d+ \(pid (\d+)\) (was killed by|exited with status [1-9]).*$", log,
                             re.MULTILINE):
        line = match.group(0)
        assert int(match.group(1)) in ours or "sent by us" in line, f"a death of its own: {line}"


def check_totals(log, counts, killed):
    """What clients got, workers counted; one that is killed may not have come to count what it had in hand."""
    in_hand = sum(len(death.names) for death in killed)
    for service, requests in (("www", counts["requests"] + counts["slow"]), ("echo", counts["echo"])):
        said = re.findall(rf"service {service} in all: connections (\d+), requests (\d+)", log)
        assert said, f"no totals of {service} in the log"
        connections = int(said[-1][0])
        total = connections if service == "echo" else int(said[-1][1])
        assert total + in_hand >= requests, f"{service}: {said[-1]}, but clients had {requests} answers"


@test
def only_the_clients_of_a_killed_worker_see_an_error(case):
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"# chaos: CHAOS_SEED={seed}")
    try:
        holders.connections_of(os.getpid())
    except OSError as error:
        case.skip(f"the kernel does not say whose a connection is: {error}")
    chaos = Chaos(case, seed)
    site, server = chaos.site, chaos.server
    chaos.back_to_the_beginning()  # what a first reload brings with it is no leak
    before = site.settle()
    anonymous = int(status_field(server.pid, "RssAnon").split()[0])
    crowd = Crowd(case, PAGES, site.www, site.path, site.echo, seed)
    try:
        chaos.run(SECONDS)
    finally:
        chaos.go_on(everybody=True)
    chaos.back_to_the_beginning()
    counts = crowd.stop()
    bad = [failure for failure in crowd.failures if not excused(failure, chaos.killed)]
    counts["excused"] = len(crowd.failures) - len(bad)
    print(f"# chaos: seed {seed}, {SECONDS:.0f} s: {dict(counts)}, {dict(chaos.counts)}, failures {len(bad)}")
    assert not bad, f"CHAOS_SEED={seed}: clients of no killed worker failed: {bad[:20]}"
    after = site.settle()
    wait_for(lambda: site.footprint()[0] == before[0],
             f"the master to hold what it held, CHAOS_SEED={seed}: {before[0]} became {after[0]}")
    if not has_sanitizers():  # they keep what was freed
        assert after[1] <= before[1] + 8, f"CHAOS_SEED={seed}: {before[1]} mappings became {after[1]}"
        grown = int(status_field(server.pid, "RssAnon").split()[0]) - anonymous
        assert grown < 1024, f"CHAOS_SEED={seed}: the master has grown by {grown} kB"
    server.stop()
    check_log(site.whole_log(), chaos.killed)
    check_totals(site.whole_log(), counts, chaos.killed)


if __name__ == "__main__":
    main()
