#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Workers that are stuck, stopped, killed for want of memory or hostile to their master.

No handler of ours can be made to spin, so a test breaks a worker itself: it writes an endless loop over the
first bytes of a function in the worker's memory, or garbage over its slot.
"""

import contextlib
import ctypes
import os
import pathlib
import platform
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

from harness import (MUSTERD, Http, connect, deadline, for_both_modes, has_sanitizers, is_alive, main, proc_stat,
                     read_exactly, status_field, test, title, wait_for)

# What a test does to its workers on purpose is none that AddressSanitizer shall report.
PLAIN_CRASH = {"ASAN_OPTIONS": "handle_segv=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0"}
ENDLESS_LOOP = {"x86_64": b"\xeb\xfe", "aarch64": b"\x00\x00\x00\x14"}  # jump to yourself
# src/base/scoreboard.h: the size of a slot and where its fields are.
SLOT_SIZE, SLOT_STATE, SLOT_RUNNING_SINCE, SLOT_ERROR = 384, 4, 24, 108
SLOT_IDLE = 3


def echoes(port):
    with connect(port) as sock:
        sock.sendall(b"hello")
        return read_exactly(sock, 5) == b"hello"


# ------------------------------------------------------------------------- a worker's memory

def mappings(pid):
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(None, 5)
        start, _ = (int(part, 16) for part in fields[0].split("-"))
        yield start, int(fields[2], 16), fields[5] if len(fields) > 5 else ""


def poke(case, pid, address, data):
    """Writes into the memory of a process, as a debugger does; also where it may only be read."""
    try:
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(address)
            assert memory.write(data) == len(data)
    except PermissionError:
        case.skip("may not write into the memory of another process")


def peek(pid, address, n):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(n)


def symbol(case, name):
    """The address of a function in the program's file, from its symbol table."""
    data = pathlib.Path(MUSTERD).read_bytes()
    offset, = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3a)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 24):
            index, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", data, at)
            if data.startswith(name.encode() + b"\0", strings + index):
                return value
    return case.skip(f"the program has no symbol {name}: stripped")


def make_it_spin(case, pid, function="mu_read"):
    """The worker never returns from this function once it gets there."""
    loop = ENDLESS_LOOP.get(platform.machine())
    if not loop:
        case.skip("no endless loop is known for this machine")
    program = os.path.realpath(MUSTERD)
    base = next(start for start, offset, path in mappings(pid) if path == program and offset == 0)
    poke(case, pid, base + symbol(case, function), loop)


def slot_of(pid):
    """The address of the worker's slot in its memory."""
    number = int(re.match(r"musterd: worker \S+ (\d+)", title(pid)).group(1))
    start = next(start for start, _, path in mappings(pid) if "memfd:musterd scoreboard" in path)
    return start + (number - 1) * SLOT_SIZE


# ------------------------------------------------------------------------------------- stuck

def spin(case, limit, said):
    """A worker spins for its client; what the log says of that, and what comes after it."""
    text, port = case.service("echo", workers=1, extra=f"timeout {{ {limit} }}")
    server = case.server(text)
    victim, = server.wait_workers(1)
    make_it_spin(case, victim)
    with connect(port) as sock:
        sock.sendall(b"hello")
        stuck = server.wait_log(rf"pid {victim}\) is stuck: {said}: .*").group()
        assert f"last peer 127.0.0.1:{sock.getsockname()[1]}" in stuck, stuck
        server.wait_log(rf"pid {victim}\) was here: #0 .*mu_read")
        server.wait_log(rf"pid {victim}\) was killed by SIGTERM, sent by us.*: {said};")
    server.wait_workers(1, without=[victim])
    for _ in range(10):
        assert echoes(port)


@test
def a_multiplexed_worker_that_spins_is_traced_and_replaced(case):
    case.connections = 64
    spin(case, "stall 300ms", r"the stall limit passed \(300ms\)")


@test
def a_direct_worker_that_spins_is_traced_and_replaced(case):
    case.connections = 1
    spin(case, "request 300ms", r"the request limit passed \(300ms\)")


@for_both_modes
def a_slow_worker_is_traced_and_goes_on(case):
    text, port = case.service("echo", workers=1, extra="slow 200ms")
    server = case.server(text)
    worker, = server.wait_workers(1)
    program = os.path.realpath(MUSTERD)
    base = next(start for start, offset, path in mappings(worker) if path == program and offset == 0)
    address = base + symbol(case, "mu_read")
    before = peek(worker, address, 8)
    make_it_spin(case, worker)
    with connect(port) as sock:
        sock.sendall(b"hello")
        server.wait_log(rf"{worker}\) is slow \(more than 200ms\)")
        server.wait_log(rf"{worker}\) was here: #0 .*mu_read")
        poke(case, worker, address, before)
        assert read_exactly(sock, 5) == b"hello"
    assert server.workers() == [worker]
    assert len(re.findall("is slow", server.log())) == 1, "one warning for a request"


@test
def a_worker_that_goes_on_in_time_is_kept(case):
    text, port = case.service("echo", workers=1, connections=64, extra="timeout { stall 300ms }")
    server = case.server(text)
    worker, = server.wait_workers(1)
    # It waits; only its slot says that it does not. Being asked wakes it, and its slot is true again.
    poke(case, worker, slot_of(worker) + SLOT_RUNNING_SINCE, struct.pack("<q", 1))
    server.wait_log(rf"{worker}\) is stuck")
    server.wait_log(rf"{worker}\) goes on after ")
    server.wait_workers(1)
    assert echoes(port)
    assert "SIGTERM" not in server.log()


# ----------------------------------------------------------------------------------- stopped

@test
def a_worker_that_stays_stopped_is_replaced(case):
    text, port = case.service("echo", connections=64, extra="timeout { stall 300ms }")
    server = case.server(text)
    victim, _ = server.wait_workers(2)
    os.kill(victim, signal.SIGSTOP)
    server.wait_log(rf"{victim}\) was stopped by SIGSTOP")
    server.wait_log(rf"{victim}\) is stuck: the stall limit passed \(300ms\): it has been stopped")
    server.wait_log(rf"{victim}\) was killed by SIGKILL, sent by us")
    server.wait_workers(2, without=[victim])
    assert echoes(port)


@for_both_modes
def what_was_sent_to_a_stopped_worker_counts_when_it_goes_on(case):
    case.write("www/index.html", "here")
    text, port = case.service("http { root www }", workers=1, extra="timeout { idle 1s; park 1s }")
    server = case.server(text)
    worker, = server.wait_workers(1)
    with Http(port) as http:
        assert http.get().body == b"here"
        os.kill(worker, signal.SIGSTOP)
        wait_for(lambda: proc_stat(worker)[0] == "T", "the worker to stop")
        http.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        over = time.monotonic() + 1.1
        wait_for(lambda: time.monotonic() > over, "the limits to pass")
        os.kill(worker, signal.SIGCONT)
        assert http.read().body == b"here"


@test
def a_worker_under_a_debugger_is_left_alone(case):
    text, port = case.service("echo", connections=64, extra="timeout { stall 200ms }")
    server = case.server(text)
    victim, _ = server.wait_workers(2)
    libc = ctypes.CDLL(None, use_errno=True)
    attach, detach = 16, 17
    if libc.ptrace(attach, victim, None, None) < 0:
        case.skip(f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.waitpid(victim, 0x40000000)  # __WALL
    try:
        # Were it not traced it would be stuck now. Its slot may say anything.
        poke(case, victim, slot_of(victim) + SLOT_RUNNING_SINCE, struct.pack("<q", 1))
        server.wait_log(rf"{victim}\) .*process {os.getpid()} traces it: it is left alone")
        assert is_alive(victim)
    finally:
        libc.ptrace(detach, victim, None, None)
    assert echoes(port)
    assert "SIGTERM" not in server.log() and "SIGKILL" not in server.log()


def open_sockets(pid):
    count = 0
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/{pid}/fd/{entry}").startswith("socket:")
    return count


def one_cpu_for(case, pids):
    """Who is woken by us cannot run before we have gone on, mostly."""
    mine = os.sched_getaffinity(0)
    case.defer(os.sched_setaffinity, 0, mine)
    cpu = {min(mine)}
    for pid in [0, *pids]:
        os.sched_setaffinity(pid, cpu)


@for_both_modes
def a_connection_for_which_a_stopped_worker_was_woken_is_served(case):
    text, port = case.service("echo", workers=3)
    server = case.server(text)
    workers = server.wait_workers(3)
    one_cpu_for(case, workers)
    base = [open_sockets(pid) for pid in workers]
    served = 0
    for number in range(60):
        stopped = [workers[number % 3], workers[(number + 1) % 3]]
        with connect(port) as sock:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            sock.sendall(b"hello")
            for pid in stopped:
                wait_for(lambda pid=pid: (proc_stat(pid) or "?")[0] == "T", "the worker to be stopped")
            is_taken = any(open_sockets(pid) > base[workers.index(pid)] for pid in stopped)
            if not is_taken:
                assert read_exactly(sock, 5) == b"hello"
                served += 1
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            if is_taken:
                assert read_exactly(sock, 5) == b"hello"
        wait_for(lambda: [open_sockets(pid) for pid in workers] == base, "the connection to be closed")
    assert served, "in every round the worker had accepted before it was stopped"
    assert server.workers() == workers


@for_both_modes
def a_connection_for_which_a_killed_worker_was_woken_is_served(case):
    text, port = case.service("echo", workers=3)
    server = case.server(text)
    kept = server.wait_workers(3)[2]
    for _ in range(12):
        victims = [pid for pid in server.workers() if pid != kept]
        with connect(port) as sock:
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):  # dying since the round before
                    os.kill(pid, signal.SIGKILL)
            # It is answered, or was taken by one that is dead now. It never just waits.
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"hello")
                assert sock.recv(5) in (b"hello", b"")
    assert echoes(port)


# ------------------------------------------------------------------------------------ deaths

@test
def deaths_are_named_for_what_they_are(case):
    text, _ = case.service("echo", workers=4)
    server = case.server(text, env=PLAIN_CRASH)
    first, second, third, _ = server.wait_workers(4)
    os.kill(first, signal.SIGSYS)
    server.wait_log(rf"{first}\) was killed by SIGSYS.*seccomp")
    os.kill(second, signal.SIGKILL)
    server.wait_log(rf"{second}\) was killed by SIGKILL, not sent by us")
    poke(case, third, slot_of(third) + SLOT_ERROR, b"the disk is full\n\x1b[2J")
    os.kill(third, signal.SIGKILL)
    server.wait_log(rf"{third}\) .*its last error: the disk is full\?\?\[2J")


@test
def deaths_that_are_alike_are_summed_up(case):
    text, port = case.service("echo", workers=10)
    server = case.server(text, env=PLAIN_CRASH)
    workers = server.wait_workers(10)
    for worker in workers:
        os.kill(worker, signal.SIGSEGV)
    server.wait_workers(10, without=workers, seconds=60)
    assert echoes(port)
    assert len(re.findall("was killed by SIGSEGV", server.log())) == 3
    server.stop()
    server.wait_log(r"service svc: 7 more workers were killed by SIGSEGV.* in the last ")


@contextlib.contextmanager
def memory_group(case):
    """A control group of our own for which memory can be limited: its folder, the file with the limit."""
    name = f"musterd-test-{os.getpid()}"
    for top, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = pathlib.Path(top) / name
        with contextlib.suppress(OSError):
            folder.mkdir()
            break
    else:
        case.skip("no control group can be made here")
    try:
        if not (folder / limit).exists():
            case.skip("this machine's control groups do not limit memory")
        yield folder, folder / limit
    finally:
        for server in case.servers:
            server.clean_up()
        folder.rmdir()


@test
def a_worker_that_the_kernel_killed_for_memory_is_said_to_be_that(case):
    case.need_root()
    if has_sanitizers():
        case.skip("AddressSanitizer needs too much memory itself")
    with memory_group(case) as (folder, limit):
        def enter():
            (folder / "cgroup.procs").write_text(str(os.getpid()))

        text, port = case.service("echo")
        server = case.server(text, preexec_fn=enter)
        victim, _ = server.wait_workers(2)
        limit.write_text(str(64 << 20))
        pathlib.Path(f"/proc/{victim}/oom_score_adj").write_text("1000")
        # Several, each far smaller than the limit: so that the kernel prefers the victim.
        command = "import signal; data = bytearray(b'x') * (24 << 20); signal.pause()"
        gluttons = [subprocess.Popen([sys.executable, "-c", command], preexec_fn=enter)
                    for _ in range(4)]
        try:
            server.wait_log(rf"{victim}\) was killed by SIGKILL, sent by the kernel because memory ran out")
        finally:
            for glutton in gluttons:
                glutton.kill()
                glutton.wait(deadline())


# ---------------------------------------------------------------------------------- hostility

@for_both_modes
def a_worker_that_writes_garbage_into_its_slot_harms_nobody(case):
    text, port = case.service("echo")
    server = case.server(text)
    seed = random.randrange(1 << 32)
    print(f"# seed {seed}")
    noise = random.Random(seed)
    connections = 0
    for _ in range(3):
        victim, other = server.wait_workers(2)
        slot = slot_of(victim)
        # It is idle when the last client has left it; anything else, for ever, means that slots look different now.
        wait_for(lambda victim=victim, slot=slot:
                 struct.unpack("<I", peek(victim, slot + SLOT_STATE, 4))[0] == SLOT_IDLE, "an idle slot")
        for _ in range(50):
            poke(case, victim, slot, noise.randbytes(SLOT_SIZE))
            if noise.random() < 0.2:
                assert echoes(port)
                connections += 1
        poke(case, victim, slot, noise.randbytes(SLOT_SIZE))
        os.kill(victim, signal.SIGKILL)
        workers = server.wait_workers(2, without=[victim])
        assert other in workers
        connections += 1
        assert echoes(port)
    server.stop()
    total = int(re.search(r"service svc in all: connections (\d+)", server.log()).group(1))
    assert total <= connections, f"{total} connections are counted; there were {connections}"


# ------------------------------------------------------------------------------------- others

@test
def an_idle_master_sleeps(case):
    text, _ = case.service("echo", connections=64)
    server = case.server(text)
    server.wait_workers(2)

    def wakes():
        return int(status_field(server.pid, "voluntary_ctxt_switches"))

    # The stall limit is 10 s where none is given: a look each 5 s.
    before, begin = wakes(), time.monotonic()
    while time.monotonic() - begin < 3:
        time.sleep(0.1)
    assert wakes() - before <= 5, f"{wakes() - before} wake-ups in 3 s"


@test
def a_degraded_service_shows_in_the_status(case):
    case.write("html/index.html", "page")
    text, _ = case.service("http { root html }", name="bad", workers=1)
    server = case.server(text)
    taken = case.port()
    with socket.create_server(("127.0.0.1", taken)):
        case.conf(text + case.service("echo", name="late", listen=f"127.0.0.1:{taken}")[0])
        assert "refused" in server.reload()["STATUS"]
    shutil.move(case.folder / "html", case.folder / "gone")
    mark = server.notify.count()
    os.kill(server.wait_workers(1)[0], signal.SIGKILL)

    def degraded():
        server.notify.poll()
        return [number for number, (_, fields) in enumerate(server.notify.seen[mark:], mark)
                if "generation 1; degraded: bad" in fields.get("STATUS", "")]
    number = wait_for(degraded, "a STATUS that names it")[0]
    shutil.move(case.folder / "gone", case.folder / "html")

    def recovered():
        server.notify.poll()
        return any("degraded" not in fields.get("STATUS", "degraded") for _, fields in server.notify.seen[number:])
    wait_for(recovered, "a STATUS without it", 60)


if __name__ == "__main__":
    main()
