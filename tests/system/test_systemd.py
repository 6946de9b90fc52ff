#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What systemd and the server say to each other; the test plays systemd."""

import os
import re
import select
import shutil
import signal
import socket
import threading
import time

from activation import activated
from harness import (EX_CONFIG, EX_OSERR, MUSTERD, Notify, connect, for_both_modes, main, proc_stat, read_all, read_exactly,
                     refuses, test, title, wait_for)


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
def who_listens_no_more_is_left_alone(case):
    text, port = case.service("echo")
    server = case.server(text)
    server.notify.socket.close()
    for _ in range(3):
        mark = server.log_size()
        server.send_signal(signal.SIGHUP)
        server.wait_log("reloaded: generation", mark)
    server.send_signal(signal.SIGTERM)
    server.wait_exit(0)
    assert server.log().count("it is told nothing from now on") == 1, server.log()


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


# ------------------------------------------------------------------------------ the descriptor store

class Store(Notify):
    """systemd with a descriptor store: keeps what it is given to keep, and starts the server with it."""

    def __init__(self, case, most=64, told=True):
        """most: FileDescriptorStoreMax=. told: the server is told that (systemd 254)."""
        super().__init__()
        self.case, self.most, self.told = case, most, told
        self.kept = []   # (name, descriptor), the oldest first
        self.refused = 0
        self.extra = []  # (name, socket) of a socket unit
        case.defer(self.forget)

    def poll(self):
        while select.select([self.socket], [], [], 0)[0]:
            text, fds, _, _ = socket.recv_fds(self.socket, 8192, 16)
            fields = dict(line.split("=", 1) for line in text.decode().splitlines() if "=" in line)
            self.seen.append((time.monotonic(), fields))
            if fields.get("FDSTORE") == "1":
                assert len(fds) == 1, fds
                self.keep(fields.get("FDNAME", "stored"), fds[0], fields.get("FDPOLL") != "0")
            elif fields.get("FDSTOREREMOVE") == "1":
                self.remove(fields["FDNAME"])

    def keep(self, name, fd, polled):
        assert ":" not in name and name.isprintable() and len(name) < 256, name
        known = [kept for _, kept in self.kept if os.path.sameopenfile(kept, fd) and not polled]
        if known or len(self.kept) >= self.most:
            self.refused += not known
            os.close(fd)
        else:
            self.kept.append((name, fd))

    def remove(self, name):
        for entry in [entry for entry in self.kept if entry[0] == name]:
            self.drop(entry)

    def drop(self, entry):
        os.close(entry[1])
        self.kept.remove(entry)

    def forget(self):
        for name, _ in list(self.kept):
            self.remove(name)

    def names(self):
        """Of the listeners. What has hung up is forgotten first, and what asks whether there is a store is none."""
        self.poll()
        for entry in list(self.kept):
            poll = select.poll()
            poll.register(entry[1], 0)
            if poll.poll(0):
                self.drop(entry)
        return sorted(name for name, _ in self.kept if name != "musterd-probe")

    def start(self, conf, **options):
        self.names()
        env = dict(options.pop("env", {}), FDSTORE=str(self.most) if self.told else None)
        passed = self.extra + self.kept
        before = self.count()
        if passed:
            server = activated(self.case, conf, [fd for _, fd in passed], ":".join(name for name, _ in passed),
                               notify=self, env=env, wait=False, **options)
        else:
            server = self.case.server(conf, notify=self, env=env, wait=False, **options)
        server.wait_ready(before)
        return server


def kill(server):
    server.send_signal(signal.SIGKILL)
    server.wait_exit(-signal.SIGKILL)


@test
def listeners_rest_in_the_store(case):
    text, port = case.service("echo", name="one")
    more, _ = case.service("echo", name="two", listen=f"unix:{case.folder}/two.sock")
    store = Store(case)
    store.start(text + more)
    names = store.names()
    assert len(names) == 2 and all(name.startswith("musterd-") for name in names), names
    kept = [socket.socket(fileno=os.dup(fd)) for _, fd in store.kept]
    addresses = [sock.getsockname() for sock in kept]
    assert ("127.0.0.1", port) in addresses and f"{case.folder}/two.sock" in addresses, addresses
    for sock in kept:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        sock.close()
    for _, fields in store.seen:
        assert "FDSTORE" not in fields or fields["FDPOLL"] == "0", fields


def restart_with_a_client_between(case, store, end):
    """The connection made while nobody runs is answered by the next server."""
    text, port = case.service("echo")
    server = store.start(text)
    assert echoes(port)
    end(server)
    with connect(port) as sock:
        sock.sendall(b"patience")
        server = store.start(text)
        assert read_exactly(sock, 8) == b"patience"
    assert echoes(port)
    return server, port


@test
def who_comes_during_a_restart_is_served(case):
    for told in (True, False):
        store = Store(case, told=told)
        server, port = restart_with_a_client_between(case, store, lambda server: server.stop())
        # Once more: what was handed back is in the store still.
        server.stop()
        with connect(port) as sock:
            sock.sendall(b"again")
            store.start(server.conf)
            assert read_exactly(sock, 5) == b"again"
        assert len(store.names()) == 1, store.names()


@test
def who_comes_after_a_crash_is_served(case):
    store = Store(case)
    server, port = restart_with_a_client_between(case, store, kill)
    assert len(store.names()) == 1, store.names()
    kill(server)
    store.start(server.conf)
    assert echoes(port)


class Clients:
    """One connection after the other, each answered, from a thread of its own."""

    def __init__(self, port):
        self.port, self.done, self.refused, self.failed = port, 0, 0, []
        self.going = True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while self.going:
            try:
                assert echoes(self.port)
                self.done += 1
            except ConnectionRefusedError:
                self.refused += 1
            except (OSError, AssertionError) as error:
                self.failed.append(error)

    def stop(self):
        self.going = False
        self.thread.join()


@for_both_modes
def restarts_and_crashes_under_load_refuse_nobody(case):
    text, port = case.service("echo")
    store = Store(case)
    server = store.start(text)
    clients = [Clients(port) for _ in range(4)]
    try:
        for _ in range(5):
            done = sum(client.done for client in clients)
            server.stop()
            server = store.start(server.conf)
            wait_for(lambda: sum(client.done for client in clients) > done + 4, "clients to be served")
        failed = [error for client in clients for error in client.failed]
        assert not failed, failed
        for _ in range(3):
            done = sum(client.done for client in clients)
            kill(server)
            server = store.start(server.conf)
            wait_for(lambda: sum(client.done for client in clients) > done + 4, "clients to be served")
    finally:
        for client in clients:
            client.stop()
    assert not any(client.refused for client in clients), [client.refused for client in clients]


@test
def a_reload_stores_what_it_opens_and_removes_what_it_closes(case):
    text, port = case.service("echo", name="one")
    more, other = case.service("echo", name="two")
    store = Store(case)
    server = store.start(text)
    first = store.names()
    case.conf(text + more)
    server.reload()
    assert len(store.names()) == 2 and set(first) < set(store.names()), store.names()
    case.conf(more)
    server.reload()
    wait_for(lambda: len(store.names()) == 1, "the dropped listener to be removed")
    assert store.names() != first
    wait_for(lambda: refuses(port), "the dropped listener to refuse")
    assert echoes(other)
    case.conf("nonsense\n")
    server.reload()
    assert len(store.names()) == 1


@test
def what_the_configuration_does_not_name_any_more_is_closed(case):
    text, port = case.service("echo", name="one")
    more, other = case.service("echo", name="two")
    store = Store(case)
    store.start(text + more).stop()
    store.start(more)
    assert len(store.names()) == 1, store.names()
    wait_for(lambda: refuses(port), "the port to be closed")
    assert echoes(other)


@test
def a_narrower_address_takes_the_place_of_a_wide_one(case):
    port = case.port()
    store = Store(case)
    wide, _ = case.service("echo", listen=f"*:{port}")
    narrow, _ = case.service("echo", listen=f"127.0.0.1:{port}")
    store.start(wide).stop()
    store.poll()
    server = store.start(narrow)
    assert echoes(port)
    assert len(store.names()) == 1, store.names()
    server.stop()
    store.start(wide)
    assert echoes(port)


@test
def both_families_in_one_socket_come_back_as_that(case):
    if not socket.has_dualstack_ipv6():
        case.skip("no IPv6 here")
    port, other = case.port(), case.port()
    text, _ = case.service("echo", listen=f"*:{port}, [::1]:{other}, 127.0.0.1:{other}")
    store = Store(case)
    server = store.start(text)
    names = store.names()
    assert len(names) == 3, names
    server.stop()
    waiting = [connect(port), connect(port, "::1"), connect(other, "::1"), connect(other)]
    server = store.start(text)
    for sock in waiting:
        with sock:
            sock.sendall(b"hello")
            assert read_exactly(sock, 5) == b"hello"
    assert store.names() == names
    assert "was kept" in server.log() and "closed" not in server.log()


@test
def a_unix_socket_stays_where_it_is(case):
    path = case.folder / "echo.sock"
    text, _ = case.service("echo", listen=f"unix:{path}", extra="socket { mode 0600 }")
    store = Store(case)
    server = store.start(text)
    inode = path.stat().st_ino
    for end in (lambda server: server.stop(), kill):
        end(server)
        with connect(0, path) as sock:
            sock.sendall(b"hello")
            server = store.start(text)
            assert read_exactly(sock, 5) == b"hello"
        assert path.stat().st_ino == inode
    # Its mode is that of the new configuration.
    server.stop()
    server = store.start(text.replace("0600", "0666"))
    assert path.stat().st_mode & 0o777 == 0o666
    # And dropped for good, the file goes.
    other, _ = case.service("echo", name="other")
    case.conf(other)
    server.reload()
    wait_for(lambda: not path.exists(), "the file to be removed")


@test
def a_unix_socket_whose_file_is_gone_is_made_anew(case):
    path = case.folder / "echo.sock"
    text, _ = case.service("echo", listen=f"unix:{path}")
    store = Store(case)
    store.start(text).stop()
    path.unlink()
    server = store.start(text)
    with connect(0, path) as sock:
        sock.sendall(b"hello")
        assert read_exactly(sock, 5) == b"hello"
    assert len(store.names()) == 1 and "its file is gone" in server.log()
    # A stop for good leaves the file; the next start, without the store, takes it over.
    server.stop()
    store.forget()
    assert path.exists()
    store.start(text)
    with connect(0, path) as sock:
        sock.sendall(b"hello")
        assert read_exactly(sock, 5) == b"hello"


@test
def without_a_store_all_is_closed(case):
    """It says so; or takes what it is given and closes it."""
    for told in (True, False):
        path = case.folder / "echo.sock"
        text, _ = case.service("echo", listen=f"unix:{path}")
        store = Store(case, most=0, told=told)
        server = store.start(text)
        wait_for(lambda: told or store.refused == 2, "both to be refused")
        assert not told or not any("FDSTORE" in fields for _, fields in store.seen)
        server.stop()
        assert not path.exists(), "nobody is there to take it over"


@test
def a_store_that_is_too_small_is_said(case):
    text, port = case.service("echo", name="one")
    more, other = case.service("echo", name="two")
    store = Store(case, most=1)
    server = store.start(text + more)
    assert len(store.names()) == 1 and not store.refused
    assert "1 listener will not outlive a restart: FileDescriptorStoreMax= of the unit is 1, and 2 are needed" \
        in server.log()
    server.stop()
    with connect(port) as sock:
        sock.sendall(b"hello")
        store.start(text + more)
        assert read_exactly(sock, 5) == b"hello"
    assert echoes(other)


@test
def who_waits_at_a_listener_that_is_not_stored_is_served_before_a_stop(case):
    """Though another one of the same service is."""
    kept, port = case.port(), case.port()
    text, _ = case.service("echo", listen=f"127.0.0.1:{kept}, 127.0.0.1:{port}", workers=1, connections=1)
    store = Store(case, most=1)
    server = store.start(text)
    assert len(store.names()) == 1 and store.names()[0].endswith(str(kept)), store.names()
    with connect(port) as one, connect(port) as two:
        one.sendall(b"first")
        assert read_exactly(one, 5) == b"first"
        two.sendall(b"hello")
        worker, = server.workers()
        server.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in title(worker), "the worker to drain")
        one.close()
        assert read_exactly(two, 5) == b"hello"
    server.wait_exit(0)


@test
def one_that_is_full_and_does_not_say_so_does_no_harm(case):
    ports = [case.service("echo", name=f"s{i}") for i in range(4)]
    text = "".join(text for text, _ in ports)
    store = Store(case, most=3, told=False)
    server = store.start(text)
    wait_for(lambda: store.names() and store.refused, "the store to be full")
    server.stop()
    store.start(text)
    assert all(echoes(port) for _, port in ports)


@test
def an_upgrade_keeps_the_store(case):
    text, port = case.service("echo", name="one")
    more, other = case.service("echo", name="two")
    store = Store(case, told=False)
    store.start(text + more).stop()
    server = store.start(text + more)
    names = store.names()
    server.upgrade()
    server.wait_log("upgraded:")
    # What the new program stores is there already; and it knows by now that it is kept.
    wait_for(lambda: store.names() == names and len(store.kept) == 2, f"the same in the store as before: {names}")
    case.conf(text)
    server.reload()
    wait_for(lambda: len(store.names()) == 1, "the dropped listener to be removed")
    server.stop()
    with connect(port) as sock:
        sock.sendall(b"hello")
        store.start(text)
        assert read_exactly(sock, 5) == b"hello"
    assert refuses(other)


# Takes away what the program that takes over finds last, when it has all listeners already.
SPOILS = f"""#!/usr/bin/env python3
import os, sys
for fd in os.listdir("/proc/self/fd") if sys.argv[1].startswith("--adopt-state=") else ():
    if os.path.exists(f"/proc/self/fd/{{fd}}") and "scoreboard" in os.readlink(f"/proc/self/fd/{{fd}}"):
        os.dup2(os.open(os.devnull, os.O_RDWR), int(fd))
os.execv({MUSTERD!r}, [{MUSTERD!r}, *sys.argv[1:]])
"""


@test
def an_upgrade_that_fails_in_the_end_leaves_the_store_alone(case):
    path, program = case.folder / "echo.sock", shutil.copy(MUSTERD, case.folder / "program")
    text, _ = case.service("echo", listen=f"unix:{path}")
    store = Store(case)
    server = store.start(text, command=[str(program), "-c", str(case.conf(text))])
    names, inode = store.names(), path.stat().st_ino
    os.rename(case.write("spoils", SPOILS, 0o755), program)
    server.send_signal(signal.SIGUSR2)
    server.wait_exit(EX_OSERR)
    assert "the upgrade failed" in server.log()
    assert store.names() == names and path.stat().st_ino == inode
    with connect(0, path) as sock:
        sock.sendall(b"hello")
        store.start(text)
        assert read_exactly(sock, 5) == b"hello"


PROGRAM = r"""
import socket
listener = socket.socket(fileno=3)
while True:
    sock = listener.accept()[0]
    sock.sendall(b"ready\n" if sock.getblocking() else b"does not wait\n")
    sock.sendall(sock.recv(5))
    sock.close()
"""


@test
def a_program_accepts_where_a_handler_did(case):
    """accept(2) waits for it, and so does what it receives."""
    port = case.port()
    script = case.write("program.py", PROGRAM)
    mine, _ = case.service("echo", listen=f"127.0.0.1:{port}", connections=1)
    theirs, _ = case.service(f"program {{ command /usr/bin/env python3 {script}; pass-env PATH; ready on-start }}",
                             listen=f"127.0.0.1:{port}", workers=1)
    store = Store(case)
    for _ in range(2):
        server = store.start(mine)
        assert echoes(port)
        server.stop()
        server = store.start(theirs)
        with connect(port) as sock:
            assert read_exactly(sock, 6) == b"ready\n"
            time.sleep(0.3)  # longer than a direct worker's receive would wait
            sock.sendall(b"hello")
            assert read_exactly(sock, 5) == b"hello"
        server.stop()


@test
def a_socket_unit_is_told_from_the_store(case):
    """By what it is, whatever it is called; and its socket stays with it."""
    store = Store(case)
    with socket.create_server(("127.0.0.1", 0)) as unit:
        store.extra = [("musterd-www.socket", unit)]
        text, _ = case.service("echo", listen="systemd:musterd-www.socket")
        more, port = case.service("echo", name="more")
        server = store.start(text + more)
        assert echoes(unit.getsockname()[1])
        assert len(store.names()) == 1, store.names()
        server.stop()
        with connect(unit.getsockname()[1]) as one, connect(port) as two:
            one.sendall(b"hello")
            two.sendall(b"hello")
            store.start(text + more)
            assert read_exactly(one, 5) == b"hello" == read_exactly(two, 5)
        case.servers[-1].stop()
        # By its address as well.
        plain, _ = case.service("echo", listen=f"127.0.0.1:{unit.getsockname()[1]}")
        server = store.start(plain)
        assert echoes(unit.getsockname()[1])
        assert not store.names(), store.names()
        server.stop()
        connect(unit.getsockname()[1]).close()


@test
def a_start_that_fails_leaves_the_store_alone(case):
    text, port = case.service("echo")
    path = case.folder / "echo.sock"
    more, _ = case.service("echo", name="more", listen=f"unix:{path}")
    store = Store(case)
    server = store.start(text + more)
    names = store.names()
    server.stop()
    broken = (text + more).replace("handler echo", "handler http { root /nonexistent }", 1)
    for conf, status in ((broken, None), ("nonsense\n", EX_CONFIG)):
        entries = store.kept
        server = activated(case, conf, [fd for _, fd in entries], ":".join(name for name, _ in entries),
                           notify=store, env={"FDSTORE": "64"}, wait=False)
        assert server.wait_exit(status) != 0
        assert store.names() == names and path.exists()
    with connect(port) as sock:
        sock.sendall(b"hello")
        store.start(text + more)
        assert read_exactly(sock, 5) == b"hello"


@test
def many_listeners_and_a_slow_systemd(case):
    """Its queue holds fewer messages than we have; none is lost, READY=1 least of all."""
    text = "".join(case.service("daytime", name=f"s{i}", workers=1)[0] for i in range(30))
    store = Store(case)
    server = store.start(text)
    wait_for(lambda: len(store.names()) == 30, "30 listeners to be stored")
    case.conf(case.service("echo")[0])
    server.reload()
    wait_for(lambda: len(store.names()) == 1, "all the others to be removed")


# ------------------------------------------------------------------------- time, and what is going on

def extensions(notify, after=0):
    notify.poll()
    return [int(fields["EXTEND_TIMEOUT_USEC"]) for _, fields in notify.seen[after:] if "EXTEND_TIMEOUT_USEC" in fields]


@test
def a_drain_asks_for_time_and_says_how_it_goes(case):
    text, port = case.service("echo", extra="timeout { drain 25s }", workers=2, connections=8)
    server = case.server(text)
    with connect(port) as one, connect(port) as two:
        for sock in (one, two):
            sock.sendall(b"hello")
            read_exactly(sock, 5)
        before = server.notify.count()
        server.send_signal(signal.SIGTERM)
        _, fields = server.notify.wait("STOPPING", "1", before)
        assert re.match(r"Draining: 2 connections, \d workers? left, at most 2\ds", fields["STATUS"]), fields
        wait_for(lambda: len(extensions(server.notify, before)) >= 3, "more time to be asked for")
        assert all(0 < usec <= 25000000 for usec in extensions(server.notify, before))
        one.close()
        server.notify.wait("STATUS", None, server.notify.count())

        def one_left():
            server.notify.poll()
            return any(fields.get("STATUS", "").startswith("Draining: 1 connection, 1 worker left")
                       for _, fields in server.notify.seen[before:])
        wait_for(one_left, "the status to go on")
    server.wait_exit(0)


@test
def a_short_drain_asks_for_no_more_than_it_needs(case):
    text, port = case.service("echo", extra="timeout { drain 2s }")
    server = case.server(text)
    with connect(port) as sock:
        sock.sendall(b"hello")
        read_exactly(sock, 5)
        before = server.notify.count()
        server.send_signal(signal.SIGTERM)
        server.wait_exit(0)
    asked = extensions(server.notify, before)
    assert asked and max(asked) <= 6000000, asked


@test
def the_shutdown_delay_asks_for_time_too(case):
    text, _ = case.service("echo", extra="timeout { drain 2s }")
    server = case.server("shutdown-delay 3s\n" + text)
    before = server.notify.count()
    server.send_signal(signal.SIGTERM)
    _, fields = server.notify.wait("STOPPING", "1", before)
    assert "draining begins in" in fields["STATUS"], fields
    wait_for(lambda: len(extensions(server.notify, before)) >= 2, "more time to be asked for")
    server.wait_exit(0)


@test
def a_slow_start_asks_for_time_until_its_limit(case):
    go = case.folder / "go"
    script = case.write("program.py", f"""
import os, socket, time
while not os.path.exists({str(go)!r}):
    time.sleep(0.01)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", chr(0), 1))
time.sleep(1000)
""")
    text, _ = case.service(f"program {{ command /usr/bin/env python3 {script}; pass-env PATH }}", workers=1,
                           extra="timeout { boot 40s }")
    server = case.server(text, wait=False)
    wait_for(lambda: len(extensions(server.notify)) >= 2, "more time to be asked for")
    assert all(0 < usec <= 42000000 for usec in extensions(server.notify))
    case.write("go", "")
    server.wait_ready()
    # It serves: there is nothing to ask for any more.
    server.reload()
    before = server.notify.count()
    server.wait_workers(1)
    assert not extensions(server.notify, before)


@test
def the_status_tells_workers_and_the_refused_reload(case):
    text, _ = case.service("echo", workers=3)
    server = case.server(text)
    _, fields = server.notify.wait("READY", "1")
    assert fields["STATUS"].startswith("Serving: 1 service, 3 workers, generation 1"), fields
    case.conf(text + "nonsense yes\n")
    fields = server.reload()
    assert re.match(r"Reload refused: the configuration .* cannot be used; serving: 1 service, 3 workers, "
                    "generation 1$", fields["STATUS"]), fields
    case.conf(text.replace("workers 3", "workers 4"))
    fields = server.reload()
    assert fields["READY"] == "1" and re.match(r"Serving: 1 service, \d workers, generation 2$", fields["STATUS"])

    def settled():
        server.notify.poll()
        statuses = [fields["STATUS"] for _, fields in server.notify.seen if "STATUS" in fields]
        return statuses[-1] == "Serving: 1 service, 4 workers, generation 2"
    wait_for(settled, "the old workers to be gone from the status", 30)


@test
def the_watchdog_goes_on_after_an_upgrade(case):
    text, _ = case.service("echo")
    server = case.server(text, env={"WATCHDOG_USEC": "400000"})
    server.notify.wait("WATCHDOG", "1")
    server.upgrade()
    number = server.notify.count()
    for _ in range(3):
        number, _ = server.notify.wait("WATCHDOG", "1", number)


@test
def workers_and_programs_write_to_the_journal_with_levels(case):
    script = case.write("talker.sh", "echo from the program >&2; read x; echo done\n")
    text, port = case.service(f"exec {{ command /bin/sh {script} }}")
    reader, writer = os.pipe()
    stat = os.fstat(writer)
    server = case.server("log stderr debug\n" + text, stderr=writer, stdout=writer,
                         env={"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
    os.close(writer)
    with connect(port) as sock:
        sock.sendall(b"x\n")
        assert b"done" in read_all(sock)
    server.upgrade()
    case.conf("nonsense\n")
    server.reload()
    server.stop()
    with open(reader, encoding="utf-8") as log:
        lines = log.read().splitlines()
    assert all(re.match(r"<[0-7]>", line) for line in lines), lines
    assert any(re.match(r"<5>svc \d+.*from the program", line) for line in lines), lines
    assert any(line.startswith("<3>") and "nonsense" in line for line in lines), lines
    # Another stream than the one that systemd names is no journal.
    text, _ = case.service("echo")
    other = case.server(text, env={"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
    assert not re.search(r"^<\d>", other.log(), re.MULTILINE), other.log()


@test
def credentials_can_be_named_in_the_configuration(case):
    case.write("credentials/motd", "#!/bin/sh\ncat \"$CREDENTIALS_DIRECTORY/word\"\n", 0o755)
    case.write("credentials/word", "secret")
    text, port = case.service("exec { command ${CREDENTIALS_DIRECTORY}/motd; pass-env CREDENTIALS_DIRECTORY }")
    server = case.server(text, env={"CREDENTIALS_DIRECTORY": f"{case.folder}/credentials"})

    def word():
        with connect(port) as sock:
            return read_all(sock)
    assert word() == b"secret"
    server.reload()
    server.upgrade()
    assert word() == b"secret"


if __name__ == "__main__":
    main()
