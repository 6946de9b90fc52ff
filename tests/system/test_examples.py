#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The modules of examples/: built outside of the tree, against an installed copy, with nothing but pkg-config; then
each is used as its clients would, well and badly. The README of the template is followed word for word."""

import atexit
import contextlib
import functools
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from backends import FOLDER, Application, ask, php
from harness import (MUSTERD, TOP, connect, deadline, for_both_modes, has_sanitizers, is_alive, main, read_all,
                     read_exactly, test, wait_for)

EXAMPLES = TOP / "examples"
MODULES = ("chat", "filedrop", "finger", "kv", "relay")
BUILD = pathlib.Path(MUSTERD).parent
MANY = 40


# ------------------------------------------------------------------------------------- building

def clean_environment(**more):
    """Without what a make around us has said."""
    environ = {key: value for key, value in os.environ.items()
               if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CFLAGS", "LDFLAGS", "CPPFLAGS")}
    return dict(environ, **more)


def run(command, folder, environ):
    done = subprocess.run(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=deadline(300), shell=isinstance(command, str))
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def missing():
    """Why nothing can be built here, or None."""
    if not (BUILD / "Makefile").exists():
        return f"{BUILD} is no build folder that could be installed from"
    for tool in ("make", "cc", "pkg-config"):
        if not shutil.which(tool):
            return f"no {tool} (Debian: apt-get install make gcc pkg-config)"
    return None


@functools.lru_cache(maxsize=None)
def scratch():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="musterd-examples-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.lru_cache(maxsize=None)
def installed():
    """An installed copy: the environment in which pkg-config and the shell find it."""
    root = scratch() / "root"
    run(["make", "-s", "install", f"DESTDIR={root}"], BUILD, clean_environment())
    pc, = root.rglob("musterd.pc")
    program, = (path for path in root.rglob("musterd") if path.is_file() and path.parent.name == "sbin")
    return clean_environment(PKG_CONFIG_PATH=str(pc.parent), PKG_CONFIG_SYSROOT_DIR=str(root),
                             PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1", PATH=f"{program.parent}:{os.environ['PATH']}")


def copy_sources(source, target):
    """A folder of sources, which may be read-only, to work in."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)


@functools.lru_cache(maxsize=None)
def built():
    """The examples, copied and built with their Makefile: the folder."""
    folder = scratch() / "examples"
    copy_sources(EXAMPLES, folder)
    compiler = re.search(r"^CC = (.*)$", (BUILD / "Makefile").read_text(), re.MULTILINE).group(1)
    flags = "-O2 -g -Wall -Wextra -Werror"
    if has_sanitizers():
        flags += " -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    run(["make", f"CC={compiler}", f"CFLAGS={flags}"], folder, installed())
    return folder


def module(case, name, block=""):
    """The handler line for an example."""
    reason = missing()
    if reason:
        case.skip(reason)
    return f"module {built()}/{name}.so {{ {block} }}"


def serve(case, name, block="", **options):
    """A server with one example; its port and the Server."""
    options.setdefault("workers", 1)
    text, port = case.service(module(case, name, block), **options)
    return port, case.server(text)


def talk(port, data, end=True):
    """All that is answered to these bytes."""
    with connect(port) as sock:
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


class Lines:
    """A client of a protocol in lines."""

    def __init__(self, port, **options):
        self.sock = connect(port, **options)
        self.file = self.sock.makefile("rb")

    def send(self, text):
        self.sock.sendall(text.encode() + b"\n")

    def line(self):
        line = self.file.readline()
        assert line.endswith(b"\n"), f"the stream ended with {line!r}"
        return line.decode().rstrip("\r\n")

    def ask(self, text):
        self.send(text)
        return self.line()

    def until(self, part):
        """Lines up to one that has this part; that one."""
        while True:
            line = self.line()
            if part in line:
                return line

    def close(self):
        self.file.close()
        self.sock.close()


@test
def each_is_built_by_the_command_at_its_top(case):
    if missing():
        case.skip(missing())
    folder = case.folder / "sources"
    folder.mkdir()
    readme = (EXAMPLES / "README").read_text()
    for name in MODULES:
        source = (EXAMPLES / f"{name}.c").read_text()
        command = re.search(r"^ \* Build: (cc .*)$", source, re.MULTILINE).group(1)
        assert f"\t{command}\n" in readme, f"README does not have: {command}"
        assert len(source.splitlines()) < 200, f"{name}.c has {len(source.splitlines())} lines"
        assert not re.search(r'#include "', source), f"{name}.c includes more than installed headers"
        shutil.copy(EXAMPLES / f"{name}.c", folder)
        run(command, folder, installed())
        assert (folder / f"{name}.so").stat().st_size > 0


@test
def they_are_installed_into_the_module_folder(case):
    if missing():
        case.skip(missing())
    moduledir = run(["pkg-config", "--variable=moduledir", "musterd"], "/", installed()).strip()
    run(["make", "install", f"DESTDIR={case.folder}/to"], built(), installed())
    assert {path.name for path in (case.folder / f"to/{moduledir}").iterdir()} == \
        {f"{name}.so" for name in MODULES + ("hello",)}


@test
def the_configuration_of_the_readme_is_valid(case):
    module(case, "kv")
    text = (EXAMPLES / "README").read_text()
    text = "".join(line[1:] + "\n" for line in text.splitlines() if line.startswith("\t"))
    text = text[text.index("service chat"):text.rindex("}\n") + 2]
    text = re.sub(r"module (\w+)", rf"module {built()}/\1.so", text)
    text = re.sub(r"/srv/\w+", str(case.folder), text).replace("*:finger", "*:7979").replace("www.example.org", "127.0.0.1")
    text = re.sub(r"user\s+nobody", "", text)
    case.run("-t", "-c", case.conf(text), status=0)


# ------------------------------------------------------------------------------------------- kv

@for_both_modes
def kv_keeps_what_it_is_given(case):
    port, _ = serve(case, "kv")
    client = Lines(port)
    for question, answer in [
            ("GET a", "NONE"), ("SET a hello, world", "OK"), ("GET a", "VALUE hello, world"),
            ("get a", "VALUE hello, world"), ("SET a ", "OK"), ("GET a", "VALUE "), ("SET a", "OK"),
            ("DEL a", "OK"), ("DEL a", "NONE"), ("GET a", "NONE"), ("INCR n", "VALUE 1"), ("INCR n 41", "VALUE 42"),
            ("INCR n -50", "VALUE -8"), ("GET n", "VALUE -8"), ("SET a b", "OK"),
            ("INCR a", "ERROR not a number, or too large"), ("INCR n x", "ERROR not a number, or too large"),
            ("SET m 9223372036854775807", "OK"), ("INCR m", "ERROR not a number, or too large"),
            ("GET m", "VALUE 9223372036854775807"), ("SET m 9223372036854775808", "OK"),
            ("INCR m -1", "ERROR not a number, or too large"), ("GET a\r", "VALUE b")]:
        got = client.ask(question)
        assert got == answer, f"{question}: {got}, not {answer}"
    client.close()


@for_both_modes
def kv_answers_errors_and_goes_on(case):
    port, _ = serve(case, "kv")
    client = Lines(port)
    for bad in ("", " ", "GET", "GET ", "FROB a", "SET", "SET " + "k" * 251 + " v", "SET a " + "v" * 8193, "\0", "GET \0"):
        got = client.ask(bad)
        assert got.startswith("ERROR "), f"{bad[:20]!r}: {got}"
    assert client.ask("SET " + "k" * 250 + " " + "v" * 8192) == "OK"
    assert client.ask("GET " + "k" * 250) == "VALUE " + "v" * 8192
    client.close()
    assert talk(port, b"SET a " + b"x" * 20000).startswith(b"ERROR too long a line\n")
    # What has no line end is no command.
    assert talk(port, b"SET a 1\nSET a 2") == b"OK\n"
    assert talk(port, b"GET a\n") == b"VALUE 1\n"


@for_both_modes
def kv_answers_in_order_what_is_sent_without_waiting(case):
    port, _ = serve(case, "kv")
    n = 20000
    with connect(port) as sock:
        sender = threading.Thread(target=sock.sendall, args=(b"".join(
            b"SET k%d %s\nGET k%d\nINCR n\n" % (i, b"v" * (i % 300), i) for i in range(n)),))
        sender.start()
        expected = b"".join(b"OK\nVALUE %s\nVALUE %d\n" % (b"v" * (i % 300), i + 1) for i in range(n))
        assert read_exactly(sock, len(expected)) == expected
        sender.join()
        # A line in pieces: what is answered comes before the rest of it is waited for.
        sock.sendall(b"GET n\nGET ")
        assert read_exactly(sock, 12) == b"VALUE %d\n" % n
        sock.sendall(b"n\n")
        assert read_exactly(sock, 12) == b"VALUE %d\n" % n


@test
def kv_takes_no_more_memory_than_it_may(case):
    port, server = serve(case, "kv", "memory 256k", connections=64)
    client = Lines(port)
    answers = [client.ask(f"SET key{i} " + "v" * 4096) for i in range(100)]
    full = answers.index("ERROR full")
    assert 50 <= full < 64 and answers == ["OK"] * full + ["ERROR full"] * (100 - full), answers
    assert client.ask("GET key0") == "VALUE " + "v" * 4096
    assert client.ask("INCR n") == "VALUE 1" or client.ask("DEL key1") == "OK"
    assert client.ask("DEL key0") == "OK"
    assert client.ask("SET again " + "v" * 4096) == "OK"
    # All that was taken comes back: for ever the same room.
    for i in range(2000):
        assert client.ask("SET again " + "v" * (i % 4096)) == "OK"
    client.close()
    worker, = server.workers()
    rss = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{worker}/status").read_text()).group(1))
    assert rss < 200_000 or has_sanitizers(), f"{rss} KiB"


@test
def kv_serves_many_clients_over_one_memory(case):
    port, _ = serve(case, "kv", connections=MANY + 1)
    clients = [Lines(port) for _ in range(MANY)]
    for turn in range(1, 51):
        for client in clients:
            client.send("INCR shared")
        got = sorted(int(client.line().split()[1]) for client in clients)
        assert got == list(range((turn - 1) * MANY + 1, turn * MANY + 1)), got
    for client in clients:
        client.close()


@test
def kv_a_client_that_never_pauses_does_not_keep_others_waiting(case):
    port, _ = serve(case, "kv", connections=8)
    over = threading.Event()

    def flood():
        with connect(port) as sock:
            sock.setblocking(False)
            data = b"INCR n\n" * 9000
            at = 0
            while not over.is_set():
                readable, writable, _ = select.select([sock], [sock], [], 0.1)
                if readable:
                    assert sock.recv(1 << 20)
                if writable:
                    at = (at + sock.send(data[at:])) % len(data)
    flooders = [threading.Thread(target=flood) for _ in range(3)]
    for flooder in flooders:
        flooder.start()
    try:
        client = Lines(port)
        for i in range(200):
            assert client.ask(f"SET mine {i}") == "OK"
            assert client.ask("GET mine") == f"VALUE {i}"
        client.close()
    finally:
        over.set()
        for flooder in flooders:
            flooder.join()


@test
def kv_a_client_that_does_not_read_costs_nobody_else_anything(case):
    port, _ = serve(case, "kv", connections=8, extra="timeout { idle 2s }")
    client = Lines(port)
    assert client.ask("SET big " + "v" * 8000) == "OK"
    lazy = connect(port)
    lazy.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            lazy.send(b"GET big\n" * 1000)
    for i in range(100):
        assert client.ask(f"SET big {i}") == "OK"
    # The idle limit ends it.
    lazy.settimeout(deadline())
    with contextlib.suppress(ConnectionResetError):
        while lazy.recv(1 << 16):
            assert client.ask("GET big") == "VALUE 99"
    lazy.close()
    client.close()


# --------------------------------------------------------------------------------------- finger

@for_both_modes
def finger_tells_about_users(case):
    case.write("plans/joe", "Writing a server.\nSecond line\twith a tab.\x1b[2J\x07\n")
    case.write("plans/eve-2", "no end of line")
    case.write("plans/.hidden", "secret")
    case.write("plans/empty", "")
    port, _ = serve(case, "finger", f"plans {case.folder}/plans")
    plan = b"Login: joe\r\nPlan:\r\nWriting a server.\r\nSecond line\twith a tab.[2J\r\n"
    for query in (b"joe\r\n", b"joe\n", b" joe \r\n", b"/W joe\r\n", b"/w joe\r\n", b"joe"):
        assert talk(port, query) == plan, query
    assert talk(port, b"joe\r\n", end=False) == plan
    assert talk(port, b"eve-2\r\n") == b"Login: eve-2\r\nPlan:\r\nno end of line"
    assert talk(port, b"empty\r\n") == b"Login: empty\r\nPlan:\r\n"
    assert talk(port, b"nobody\r\n") == b"nobody: no such user.\r\n"
    for query in (b"\r\n", b"/W\r\n", b"\n"):
        assert talk(port, query) == b"Finger online user list denied.\r\n", query
    for query in (b"joe@example.org\r\n", b"@\r\n", b"/W a@b@c\r\n"):
        assert talk(port, query) == b"Finger forwarding service denied.\r\n", query
    assert talk(port, b"") == b""


@for_both_modes
def finger_never_leaves_its_folder(case):
    case.write("plans/joe", "a plan")
    case.write("secret", "not to be told")
    case.write("plans/.rc", "not to be told")
    (case.folder / "plans/link").symlink_to("../secret")
    (case.folder / "plans/folder").mkdir()
    case.write("plans/folder/inner", "not to be told")
    os.mkfifo(case.folder / "plans/pipe")
    port, _ = serve(case, "finger", f"plans {case.folder}/plans; list yes")
    for name in ("../secret", "/etc/passwd", str(case.folder / "secret"), "./joe", "folder/inner", "folder", "link", "pipe",
                 ".rc", ".", "..", "joe/", "joe\0", "\x1b[2J", "%s%n", "joe joe/../../secret", "~", "*", "a" * 65):
        got = talk(port, name.encode() + b"\r\n")
        assert b"no such user" in got or got == b"Login: joe\r\nPlan:\r\na plan", f"{name!r}: {got!r}"
        assert b"not to be told" not in got and b"root:" not in got and b"\x1b" not in got, f"{name!r}: {got!r}"
    listed = talk(port, b"\r\n").decode().split()
    assert "joe" in listed and not {".rc", "folder", "..", "."} & set(listed), listed


@for_both_modes
def finger_bounds_what_it_is_sent(case):
    case.write("plans/joe", "x" * 1_000_000)
    port, _ = serve(case, "finger", f"plans {case.folder}/plans", extra="timeout { header 1s }")
    assert talk(port, b"j" * 600 + b"\r\n") == b"That is too long for a query.\r\n"
    assert talk(port, b"j" * 50000) == b"That is too long for a query.\r\n"
    assert 60_000 < len(talk(port, b"joe\r\n")) < 70_000
    with connect(port) as sock:  # never finishes its line
        sock.sendall(b"jo")
        assert read_all(sock) == b""


@test
def finger_serves_many_at_once(case):
    for i in range(MANY):
        case.write(f"plans/user{i}", f"plan of {i}\n" * 100)
    port, _ = serve(case, "finger", f"plans {case.folder}/plans; list yes", connections=MANY + 8)
    socks = [connect(port) for _ in range(MANY)]
    for i, sock in enumerate(socks):
        sock.sendall(b"user%d\r\n" % i)
    for i, sock in enumerate(socks):
        assert read_all(sock).decode() == f"Login: user{i}\r\nPlan:\r\n" + f"plan of {i}\r\n" * 100
        sock.close()
    assert set(talk(port, b"\r\n").decode().split()) == {f"user{i}" for i in range(MANY)}


@test
def finger_says_in_the_check_what_is_wrong_with_its_folder(case):
    for folder in ("/no/such/folder", MUSTERD):
        text, _ = case.service(module(case, "finger", f"plans {folder}"))
        done = case.run("-t", "-c", case.conf(text), status=78)
        assert folder in done.stderr and re.search(r"musterd.conf:\d+:\d+", done.stderr), done.stderr
    text, _ = case.service(module(case, "finger"))
    assert "plans" in case.run("-t", "-c", case.conf(text), status=78).stderr


# ------------------------------------------------------------------------------------- filedrop

def drop(case, block="size 10M", **options):
    folder = case.folder / "drop"
    folder.mkdir()
    port, server = serve(case, "filedrop", f"folder {folder}; {block}", **options)
    return folder, port, server


def put(port, name, data, upto=None):
    """Sends a file, up to byte `upto`; (where it had to begin, what was answered)."""
    client = Lines(port)
    head = client.ask(f"PUT {name} {len(data)}")
    if not head.startswith("FROM "):
        client.close()
        return None, head
    at = int(head.split()[1])
    client.sock.sendall(data[at:upto])
    if upto is not None:
        client.close()
        return at, None
    answer = client.line()
    client.close()
    return at, answer


def get(port, name, at=0):
    got = talk(port, b"GET %s %d\n" % (name.encode(), at))
    head, _, data = got.partition(b"\n")
    return head.decode(), data


@for_both_modes
def filedrop_takes_a_file_and_gives_it_back(case):
    folder, port, _ = drop(case)
    for name, data in (("a.txt", b"hello"), ("empty", b""), ("big", os.urandom(3_000_000))):
        assert put(port, name, data) == (0, "OK")
        assert (folder / name).read_bytes() == data
        assert get(port, name) == (f"SIZE {len(data)}", data)
    assert get(port, "a.txt", 2) == ("SIZE 5", b"llo")
    assert get(port, "a.txt", 5) == ("SIZE 5", b"")
    assert get(port, "a.txt", 6)[0].startswith("ERROR ")
    assert get(port, "a.txt", -1)[0].startswith("ERROR ")
    assert sorted(os.listdir(folder)) == ["a.txt", "big", "empty"]
    # Two on one connection, and one behind the other without waiting.
    assert talk(port, b"PUT x 3\nabcPUT y 2\ndeGET x\n") == b"FROM 0\nOK\nFROM 0\nOK\nSIZE 3\nabc"


@for_both_modes
def filedrop_goes_on_where_an_upload_was_cut_off(case):
    folder, port, _ = drop(case, workers=2)
    data = os.urandom(2_000_000)
    begun = 0
    for upto in (700_000, 1_400_000):
        at, _ = put(port, "film", data, upto)
        assert at == begun
        begun = upto
        part = folder / ".film.2000000"
        wait_for(lambda: part.exists() and part.stat().st_size == begun, f"{begun} bytes on disk")
        assert get(port, "film")[0].startswith("ERROR "), "a file that is not finished is not given"
        # Until the server has seen the end of the last connection the upload is still in its hands.
        wait_for(lambda: not is_locked(part), "the end of the upload")
    # Another size is another file: nothing of the old one is in it.
    assert put(port, "film", b"short") == (0, "OK")
    assert (folder / "film").read_bytes() == b"short"
    (folder / "film").unlink()
    assert put(port, "film", data) == (1_400_000, "OK")
    assert (folder / "film").read_bytes() == data
    assert os.listdir(folder) == ["film"]


def is_locked(path):
    import fcntl
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@for_both_modes
def filedrop_survives_a_killed_worker(case):
    folder, port, server = drop(case)
    data = os.urandom(500_000)
    client = Lines(port)
    assert client.ask(f"PUT f {len(data)}") == "FROM 0"
    client.sock.sendall(data[:200_000])
    part = folder / ".f.500000"
    wait_for(lambda: part.exists() and part.stat().st_size == 200_000, "200000 bytes on disk")
    worker, = server.workers()
    os.kill(worker, signal.SIGKILL)
    client.close()
    server.wait_workers(1, without=(worker,))
    assert put(port, "f", data) == (200_000, "OK")
    assert (folder / "f").read_bytes() == data


@for_both_modes
def filedrop_replaces_nothing_and_takes_one_upload_of_a_name(case):
    folder, port, _ = drop(case, workers=3)
    assert put(port, "f", b"first") == (0, "OK")
    assert put(port, "f", b"other")[1].startswith("ERROR ")
    first = Lines(port)
    assert first.ask("PUT g 5") == "FROM 0"
    assert put(port, "g", b"12345")[1].startswith("ERROR "), "two upload the same"
    # While one is under way the name is taken by another: that one stays.
    (folder / "g").write_text("here already")
    first.sock.sendall(b"12345")
    assert first.line().startswith("ERROR ")
    first.close()
    assert (folder / "f").read_bytes() == b"first" and (folder / "g").read_text() == "here already"


@for_both_modes
def filedrop_refuses_what_it_cannot_take(case):
    folder, port, _ = drop(case, "size 1M")
    (folder / "link").symlink_to("/etc/passwd")
    case.write("outside", "outside")
    for line in ("PUT ../x 1", "PUT /tmp/x 1", "PUT .x 1", "PUT a/b 1", "PUT .. 1", "PUT x\0y 1", "PUT " + "n" * 201 + " 1",
                 "PUT x -1", "PUT x 1048577", "PUT x 99999999999999999999999", "PUT x", "PUT x y", "PUT", "", "FROB x 1",
                 "GET ../outside", "GET /etc/passwd", "GET link", "GET .", "GET", "GET nothing", "put x 1",
                 "PUT link 5", "PUT %s%n 1 ", "x" * 5000, "PUT " + "n" * 20000 + " 1"):
        got = talk(port, line.encode() + b"\n")
        assert got.startswith(b"ERROR ") and got.count(b"\n") == 1, f"{line[:40]!r}: {got[:80]!r}"
        assert b"root:" not in got and b"outside" not in got.replace(b"/outside", b"")
    assert sorted(os.listdir(folder)) == ["link"]


@test
def filedrop_takes_many_files_at_once(case):
    folder, port, _ = drop(case, workers=2, connections=MANY)
    data = {f"file{i}": os.urandom(200_000 + i) for i in range(MANY)}
    done = {}
    threads = [threading.Thread(target=lambda name=name: done.update({name: put(port, name, data[name])}))
               for name in data]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(done.values()) == {(0, "OK")}, done
    for name, content in data.items():
        assert (folder / name).read_bytes() == content
    assert len(os.listdir(folder)) == MANY


@for_both_modes
def filedrop_ends_an_upload_that_takes_too_long(case):
    folder, port, _ = drop(case, extra="timeout { request 1s }")
    client = Lines(port)
    assert client.ask("PUT slow 1000") == "FROM 0"
    client.sock.sendall(b"x" * 10)
    end = time.monotonic() + deadline()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while not select.select([client.sock], [], [], 0.1)[0]:
            assert time.monotonic() < end, "nobody ends it"
            client.sock.sendall(b"x")
    client.close()
    assert (folder / ".slow.1000").stat().st_size >= 10


# ----------------------------------------------------------------------------------------- chat

def chat(case, **options):
    options.setdefault("connections", 64)
    return serve(case, "chat", **options)


def enter(port, name=None, **options):
    """A client who was welcomed, has heard of itself, and has a name."""
    client = Lines(port, **options)
    welcome = client.line()
    client.name = re.fullmatch(r"\*\*\* Welcome, (Guest\d+). Try /help", welcome).group(1)
    assert client.line() == f"*** {client.name} comes to lobby"
    if name:
        client.send(f"/nick {name}")
        client.until(f"{client.name} is now {name}")
        client.name = name
    return client


@for_both_modes
def chat_serves_one(case):
    port, _ = serve(case, "chat")
    client = enter(port)
    assert client.ask("hello") == f"{client.name}: hello"
    assert client.ask("/help").startswith("*** /nick NAME")
    assert client.ask("/nick joe") == f"*** {client.name} is now joe"
    assert client.ask("hello again\r") == "joe: hello again"
    assert client.ask("/join den") == "*** joe goes to den"
    assert client.line() == "*** joe comes to den"
    assert client.ask("/who") == "*** joe is in den"
    assert client.line() == "*** 1 in all"
    assert client.ask("bell\x07 \x1b[2J escape") == "joe: bell [2J escape"
    assert client.ask("/quit") == "*** Goodbye."
    assert client.file.readline() == b""
    client.close()
    # One who only sends: what was to be told comes before the end.
    got = talk(port, b"one\ntwo\n").decode().split("\r\n")
    assert [line.split(": ")[1] for line in got if ": " in line] == ["one", "two"], got
    assert got[-2:] == ["*** Goodbye.", ""], got


@for_both_modes
def chat_takes_what_is_no_line_of_a_chat(case):
    port, _ = serve(case, "chat")
    client = enter(port, "joe")
    for bad in ("/nick", "/nick ", "/nick " + "a" * 21, "/nick Joe", "/nick a b", "/nick ../x", "/join", "/join A", "/", "/x",
                "/nickname joe", "/nick joe"):
        got = client.ask(bad)
        assert got.startswith("*** /nick NAME") or got == "*** Taken.", f"{bad}: {got}"
    assert client.ask("") == "joe: "
    assert client.ask("%s%n%d") == "joe: %s%n%d"
    long = "x" * 1000
    assert client.ask(long) == "joe: " + "x" * 400
    client.sock.sendall(b"\0\0\0\xff\xfe\n")
    assert client.file.readline() == b"joe: \xff\xfe\r\n"
    client.sock.sendall(b"y" * 20000)  # a line that fits into no buffer
    assert client.line() == "*** Goodbye."
    assert client.file.readline() == b""
    client.close()


@test
def chat_has_rooms(case):
    port, _ = chat(case)
    ann, bob, eve = (enter(port, name) for name in ("ann", "bob", "eve"))
    ann.until("is now eve")
    bob.until("is now eve")
    ann.send("hello all")
    for client in (ann, bob, eve):
        assert client.until("hello") == "ann: hello all"
    eve.send("/join den")
    assert ann.line() == bob.line() == "*** eve goes to den"
    assert eve.until("comes to den") == "*** eve comes to den"
    ann.send("only here")
    assert bob.line() == ann.line() == "ann: only here"
    assert eve.ask("psst") == "eve: psst"
    bob.send("/join den")
    assert ann.line() == "*** bob goes to den"
    assert eve.line() == "*** bob comes to den"
    assert bob.until("comes to") == "*** bob comes to den"
    eve.send("/who")
    assert {eve.line() for _ in range(4)} == {"*** ann is in lobby", "*** bob is in den", "*** eve is in den", "*** 3 in all"}
    assert eve.ask("/nick bob") == "*** Taken."
    eve.close()
    assert bob.until("left") == "*** eve has left"
    fred = enter(port, "eve")  # the name is free again
    fred.send("/quit")
    assert fred.until("Goodbye")
    ann.until("eve has left")
    for client in (ann, bob, fred):
        client.close()


@test
def chat_tells_many_in_the_same_order(case):
    port, _ = chat(case)
    clients = [enter(port, f"user{i}") for i in range(MANY)]
    for client in clients[:-1]:
        client.until(f"is now user{MANY - 1}")
    for turn in range(10):
        for client in clients:
            client.send(f"line {turn}")
    heard = []
    for client in clients:
        lines = [client.until(": line ") for _ in range(10 * MANY)]
        heard.append(lines)
    assert all(lines == heard[0] for lines in heard)
    assert sorted(set(heard[0])) == sorted(f"user{i}: line {turn}" for i in range(MANY) for turn in range(10))
    for client in clients:
        client.close()


@test
def chat_a_pasted_text_drowns_nobody(case):
    port, _ = chat(case)
    ann, bob = enter(port, "ann"), enter(port, "bob")
    ann.sock.sendall(b"".join(b"%d " % i + b"x" * 300 + b"\n" for i in range(100)))
    for i in range(100):
        assert bob.until("ann: ") == f"ann: {i} " + "x" * 300
    bob.close()
    ann.close()


@contextlib.contextmanager
def talking(port, n=20):
    """So many who talk all the time, and read."""
    over = threading.Event()

    def talk_on(client):
        client.sock.settimeout(0.5)
        while not over.is_set():
            with contextlib.suppress(TimeoutError, socket.timeout):
                client.sock.sendall(b"x" * 400 + b"\n")
                client.sock.recv(1 << 20)
    clients = [enter(port) for _ in range(n)]
    threads = [threading.Thread(target=talk_on, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()


def small_client(port):
    """A connection that takes little without being read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(deadline())
    sock.connect(("127.0.0.1", port))
    return sock


def unsent(sock):
    """The bytes that the server's kernel holds for this client."""
    server, client = (f":{name[1]:04X}" for name in (sock.getpeername(), sock.getsockname()))
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(server) and fields[2].endswith(client):
            return int(fields[4].split(":")[0], 16)
    return 0


@test
def chat_sends_away_who_does_not_read(case):
    port, _ = chat(case)
    slow = small_client(port)
    with talking(port):
        listener = enter(port, "listener", timeout=deadline(60))
        left = listener.until("has left")
        assert left == "*** Guest1 has left", left
        listener.close()
    with contextlib.suppress(ConnectionResetError):
        read_all(slow)
    slow.close()


@test
def chat_tells_a_slow_reader_why(case):
    port, _ = chat(case)
    slow = small_client(port)
    end = time.monotonic() + deadline(60)
    tail = b""
    with talking(port):
        while b"do not read" not in tail:
            assert time.monotonic() < end, "nobody tells it"
            held = [unsent(slow)]
            while held[-3:] != [held[-1]] * 3:  # until no more goes in
                time.sleep(0.1)  # the pace of looking
                held.append(unsent(slow))
            slow.settimeout(1)
            with contextlib.suppress(TimeoutError, socket.timeout):
                while b"do not read" not in tail:
                    piece = slow.recv(65536)
                    assert piece, tail
                    tail = (tail + piece)[-1000:]
                    assert time.monotonic() < end, "nobody tells it"
    slow.settimeout(deadline())
    assert (tail + read_all(slow)).endswith(b"*** You do not read what you are told.\r\n")
    slow.close()


@test
def chat_tells_all_when_the_server_stops_or_reloads(case):
    port, server = chat(case, extra="timeout { idle 1h }")
    clients = [enter(port) for _ in range(5)]
    old, = server.workers()
    conf = case.folder / "musterd.conf"
    conf.write_text(conf.read_text().replace("idle 1h", "idle 2h"))
    server.reload()
    for client in clients:
        assert client.until("restarted") == "*** The server is being restarted."
        assert client.file.read() == b""
        client.close()
    wait_for(lambda: not is_alive(old), "the end of the old worker")
    client = enter(port)
    begun = time.monotonic()
    server.send_signal(signal.SIGTERM)
    client.until("restarted")
    client.close()
    server.wait_exit()
    assert time.monotonic() - begun < deadline(10), "it waits for the drain limit"


# ---------------------------------------------------------------------------------------- relay

class Upstream:
    """A server of the test's own: each connection is given to a function, on a thread."""

    def __init__(self, case, function, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen(100)
        self.function = function
        self.threads = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        case.defer(self.stop)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(deadline())
            thread = threading.Thread(target=self.serve, args=(sock,))
            thread.start()
            self.threads.append(thread)

    def serve(self, sock):
        with sock, contextlib.suppress(OSError):
            self.function(sock)

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in [self.thread] + self.threads:
            thread.join()


def count_and_answer(sock):
    """Reads to the end, then answers: only who keeps a half-closed connection gets that."""
    data = read_all(sock)
    sock.sendall(b"%d bytes\n" % len(data) + data[::-1])


def greet_and_echo(sock):
    sock.sendall(b"220 hello\n")
    while True:
        data = sock.recv(65536)
        if not data:
            return
        sock.sendall(data)


@for_both_modes
def relay_passes_both_ways_and_the_ends(case):
    upstream = Upstream(case, count_and_answer)
    port, _ = serve(case, "relay", f"to 127.0.0.1:{upstream.port}", workers=2)
    for size in (0, 1, 100_000, 3_000_000):
        data = os.urandom(size)
        with connect(port) as sock:
            sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
            sender.start()
            got = read_all(sock)
            sender.join()
        assert got == b"%d bytes\n" % size + data[::-1]


@for_both_modes
def relay_lets_the_server_speak_first_and_both_at_once(case):
    upstream = Upstream(case, greet_and_echo)
    port, _ = serve(case, "relay", f"to localhost:{upstream.port}", workers=2)
    with connect(port) as sock:
        assert read_exactly(sock, 10) == b"220 hello\n"
        for i in range(100):
            sock.sendall(b"line %03d\n" % i)
            assert read_exactly(sock, 9) == b"line %03d\n" % i
        data = os.urandom(3_000_000)  # more than both ends hold: it works only if both ways go on at once
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        assert read_all(sock) == data
        sender.join()


@for_both_modes
def relay_ends_when_either_side_fails(case):
    def hang_up(sock):
        sock.recv(1)
    upstream = Upstream(case, hang_up)
    port, server = serve(case, "relay", f"to 127.0.0.1:{upstream.port}", workers=1)
    for _ in range(5):
        with connect(port) as sock:
            sock.sendall(b"x")
            with contextlib.suppress(ConnectionResetError):
                assert read_all(sock) == b""
    with connect(port) as sock:  # goes away in the middle, with a reset
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with connect(port) as sock:  # the worker is free again
        sock.sendall(b"x")
        with contextlib.suppress(ConnectionResetError):
            assert read_all(sock) == b""


@for_both_modes
def relay_logs_why_there_is_no_server(case):
    port, server = serve(case, "relay", f"to 127.0.0.1:{case.port()}")
    with connect(port) as sock:
        with contextlib.suppress(ConnectionResetError):
            assert read_all(sock) == b""
    server.wait_log(r"cannot connect to 127\.0\.0\.1:\d+: Connection refused")
    path = case.folder / "upstream.sock"
    port, server = serve(case, "relay", f"to unix:{path}")
    with connect(port) as sock:
        with contextlib.suppress(ConnectionResetError):
            assert read_all(sock) == b""
    server.wait_log(r"cannot connect to unix:\S+: No such file")


@test
def relay_serves_many_at_once_over_a_unix_socket(case):
    path = case.folder / "upstream.sock"
    Upstream(case, greet_and_echo, socket.AF_UNIX, str(path))
    port, _ = serve(case, "relay", f"to unix:{path}", connections=MANY)
    socks = [connect(port) for _ in range(MANY)]
    for sock in socks:
        assert read_exactly(sock, 10) == b"220 hello\n"
    for i, sock in enumerate(socks):
        sock.sendall(b"%04d" % i)
    for i, sock in enumerate(socks):
        assert read_exactly(sock, 4) == b"%04d" % i
        sock.close()


@for_both_modes
def relay_a_client_that_only_listens_is_not_idle(case):
    def trickle(sock):
        for i in range(30):
            sock.sendall(b"%02d" % i)
            time.sleep(0.1)  # the pace of a slow server: what is tested is that this is no idleness
    upstream = Upstream(case, trickle)
    port, _ = serve(case, "relay", f"to 127.0.0.1:{upstream.port}", extra="timeout { idle 1s }")
    with connect(port) as sock:
        assert read_all(sock) == b"".join(b"%02d" % i for i in range(30))


# ------------------------------------------------------------------------------------- template

class Terminal:
    """A shell that is given one command after the other, in the environment of an installed musterd."""

    def __init__(self, case, folder, environ):
        self.shell = subprocess.Popen(["bash", "--norc", "--noprofile"], cwd=folder, env=environ, text=True, bufsize=1,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines, self.reader = [], threading.Thread(target=self.read)
        self.reader.start()
        case.defer(self.close)

    def read(self):
        for line in self.shell.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait(self, pattern, after):
        """The lines from number `after` on, once one of them matches."""
        wait_for(lambda: any(re.search(pattern, line) for line in self.lines[after:]),
                 f"{pattern!r} in {self.lines[after:]}", 120)
        return self.lines[after:]

    def command(self, text):
        """Types it, and waits for its end; what was shown meanwhile."""
        seen = len(self.lines)
        self.shell.stdin.write(f"{text}\necho \"end of command: $?\"\n")
        shown = self.wait("^end of command: ", seen)
        assert "end of command: 0" in shown, f"{text}: {shown}"
        return shown

    def close(self):
        self.shell.stdin.write("kill %1 2>/dev/null\nwait\n")
        self.shell.stdin.close()
        self.shell.wait(deadline())
        self.reader.join()
        self.shell.stdout.close()


@test
def the_readme_of_the_template_leads_to_a_service_in_five_minutes(case):
    if missing():
        case.skip(missing())
    for tool in ("nc", "bash"):
        if not shutil.which(tool):
            case.skip(f"no {tool} (Debian: apt-get install netcat-openbsd bash)")
    if "-N" not in subprocess.run(["nc", "-h"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout:
        case.skip("this nc has no -N (Debian: apt-get install netcat-openbsd)")
    environ = dict(installed(), PORT=str(case.port()))
    begun = time.monotonic()
    copy_sources(EXAMPLES / "template", case.folder / "hello")
    text = (EXAMPLES / "template/README").read_text()
    text = text[:text.index("For a server that runs already")]
    blocks = [line[1:] for line in text.splitlines() if line.startswith("\t")]
    answers = [line for line in blocks if line.startswith("Good morning")]
    commands = [line for line in blocks if line not in answers]
    assert len(commands) == 9 and len(answers) == 2, (commands, answers)
    terminal = Terminal(case, case.folder / "hello", environ)
    for command in commands:
        seen = len(terminal.lines)
        shown = terminal.command(command)
        if command.endswith("&"):
            terminal.wait("ready: generation 1", seen)
        elif command.startswith("kill -HUP"):
            terminal.wait("generation 2", seen)
            terminal.wait("generation 1 has left", seen)
        elif command.startswith("printf") and "moon" in command:
            assert [line for line in shown if line in answers] == answers, shown
        elif command.startswith("printf"):
            assert "Good morning, dear world!" in shown, shown
    terminal.wait("stopped", 0)
    took = time.monotonic() - begun
    print(f"# from the copy to the service and its first change: {took:.1f} s")
    assert took < 300


@for_both_modes
def the_template_serves_many(case):
    port, _ = serve(case, "template/hello", 'greeting "Good day"', workers=2)
    for _ in range(10):
        assert talk(port, b"a\nb\r\nc") == b"Good day, a!\nGood day, b!\nGood day, c!\n"
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        assert talk(port, b"x" * 20000, end=False) == b"", "a line that fits into no buffer is answered"
    assert talk(port, b"c\n") == b"Good day, c!\n"


# --------------------------------------------------------------------------- etc/conf.d, in force

def shipped(case, name, replace):
    """A file of etc/conf.d with all that it shows in comments, and with what this machine has in place of /srv."""
    text = re.sub(r"^([ \t]*)#([^ \n])", r"\1\2", (TOP / "etc/conf.d" / name).read_text(), flags=re.MULTILINE)
    text = re.sub(r"^\s*(user|group) .*$", "", text, flags=re.MULTILINE)
    for old, new in replace.items():
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, str(new))
    return case.server(text)


def need(case, *programs):
    for program in programs:
        if not shutil.which(program, path="/usr/local/bin:/usr/bin:/bin"):
            case.skip(f"no {program}")


@test
def exec_conf_serves_git_rsync_and_a_script(case):
    need(case, "git", "rsync")
    environ = clean_environment(HOME=str(case.folder), GIT_CONFIG_NOSYSTEM="1")
    case.write("work/file", "content\n")
    for command in ("git init -q -b main .", "git add file",
                    "git -c user.name=a -c user.email=a@example.org commit -q -m first",
                    "git clone -q --bare . ../srv/project.git", "touch ../srv/project.git/git-daemon-export-ok"):
        run(command, case.folder / "work", environ)
    case.write("rsyncd.conf", f"use chroot = no\n[all]\npath = {case.folder}/work\n")
    ports = [case.port() for _ in range(3)]
    shipped(case, "exec.conf", {
        "*:9418": f"127.0.0.1:{ports[0]}", "*:873": f"127.0.0.1:{ports[1]}", "127.0.0.1:7001, [::1]:7001": f"127.0.0.1:{ports[2]}",
        "/srv/git": case.folder / "srv", "/etc/rsyncd.conf": case.folder / "rsyncd.conf",
        "192.0.2.0/24": "127.0.0.0/8", "pass-env  LANG": ""})
    # The folder of another user, where the tests run as root.
    environ.update(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
    run(f"git clone -q git://127.0.0.1:{ports[0]}/project.git clone", case.folder, environ)
    assert (case.folder / "clone/file").read_text() == "content\n"
    run(f"rsync -a rsync://127.0.0.1:{ports[1]}/all/file copy", case.folder, environ)
    assert (case.folder / "copy").read_text() == "content\n"
    with connect(ports[2]) as sock:
        name, port = sock.getsockname()
        assert read_all(sock).decode().startswith(f"You are {name} port {port}, and it is ")


@test
def program_conf_serves_under_gunicorn_and_by_itself(case):
    need(case, "gunicorn", "python3")
    case.write("application/application.py",
               "def app(environ, start_response):\n"
               "    start_response('200 OK', [('Content-Length', '3')])\n    return [b'app']\n")
    case.write("counter/counter.py",
               "import socket\nlistener = socket.socket(fileno=3)\n"
               "while True:\n    sock, _ = listener.accept()\n    sock.sendall(b'counted')\n    sock.close()\n")
    ports = [case.port() for _ in range(2)]
    server = shipped(case, "program.conf", {
        "127.0.0.1:8000": f"127.0.0.1:{ports[0]}", "127.0.0.1:8001": f"127.0.0.1:{ports[1]}",
        "/srv/application": case.folder / "application", "/srv/counter": case.folder / "counter", "pass-env  LANG": ""})
    assert talk(ports[0], b"GET / HTTP/1.0\r\n\r\n", end=False).endswith(b"app")
    assert read_all(connect(ports[1])) == b"counted"
    assert len(server.workers("counter")) == 4


def php_site(case, name, root, replace):
    """A file of etc/conf.d whose scripts php-fpm runs; the port."""
    fpm, port = php(case), case.port()
    shipped(case, name, {"*:http": f"127.0.0.1:{port}", root: case.folder / "www", "unix:/run/php/php-fpm.sock": fpm.address,
                         **replace})
    return port


SAYS = "<?php echo $_SERVER['SCRIPT_NAME'], ' ', ($_SERVER['PATH_INFO'] ?? '') ?: '-', ' ', $_SERVER['REQUEST_URI'];"


@test
def php_conf_runs_scripts_and_sends_files(case):
    for name in "index.php", "wiki.php", "include/secret.php":
        case.write(f"www/{name}", SAYS)
    case.write("www/style.css", "b { }\n")
    port = php_site(case, "php.conf", "/srv/www", {})
    assert ask(port, "/?a=1").body == b"/index.php - /?a=1"
    assert ask(port, "/wiki.php/Page").body == b"/wiki.php /Page /wiki.php/Page"
    assert ask(port, "/style.css").body == b"b { }\n"
    assert ask(port, "/include/secret.php").status == 403
    assert ask(port, "/none.php").status == 404


@test
def wordpress_conf_leads_to_one_script(case):
    for name in "index.php", "wp-admin/index.php", "wp-login.php", "xmlrpc.php":
        case.write(f"www/{name}", SAYS)
    case.write("www/wp-includes/style.css", "b { }\n")
    port = php_site(case, "wordpress.conf", "/srv/wordpress", {})
    assert ask(port, "/2026/11/hello/?a=1").body == b"/index.php - /2026/11/hello/?a=1"
    assert ask(port, "/wp-admin/").body == b"/wp-admin/index.php - /wp-admin/"
    assert ask(port, "/wp-json/x", "POST", b"{}").body == b"/index.php - /wp-json/x"
    assert ask(port, "/wp-includes/style.css").get("Cache-Control") == ["max-age=2592000"]
    assert ask(port, "/wp-login.php").status == 403 and ask(port, "/xmlrpc.php").status == 403


@test
def python_conf_serves_an_application_and_its_files(case):
    need(case, "gunicorn")
    case.write("application/application.py",
               "def app(environ, start_response):\n"
               "    start_response('200 OK', [('Content-Length', '3')])\n    return [b'app']\n")
    case.write("static/style.css", "b { }\n")
    port = case.port()
    shipped(case, "python.conf", {
        "*:http": f"127.0.0.1:{port}", "/srv/static": case.folder / "static", "/srv/application": case.folder / "application",
        "/run/musterd/application.sock": case.folder / "app.sock", "; group www-data": ""})
    assert ask(port, "/any/path").body == b"app"
    assert ask(port, "/static/style.css").body == b"b { }\n"


@test
def node_conf_shares_out_and_upgrades(case):
    need(case, "node")
    apps = [Application(case, f"node{at}", ["node", FOLDER / "server.js", f"node{at}", at], at)
            for at in (case.port(), case.port())]
    port, spare = case.port(), case.port()
    case.write("www/trouble.html", "<h1>trouble</h1>\n")
    shipped(case, "node.conf", {
        "*:http": f"127.0.0.1:{port}", "127.0.0.1:3000": apps[0].address, "127.0.0.1:3001": apps[1].address,
        "192.0.2.7:3000 weight 2": f"127.0.0.1:{spare} down", "/run/app/spare.sock": case.folder / "spare.sock",
        "/srv/www": case.folder / "www", "/health": "/tell"})
    assert {ask(port, "/tell").json()["name"] for _ in range(20)} == {app.name for app in apps}
    with connect(port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 101 ")
    for app in apps:
        app.kill()
    assert ask(port, "/tell").body == b"<h1>trouble</h1>\n"


@test
def git_http_conf_serves_git(case):
    need(case, "git")
    if not os.access("/usr/lib/git-core/git-http-backend", os.X_OK):
        case.skip("no git-http-backend where Debian has it")
    environ = clean_environment(HOME=str(case.folder), GIT_CONFIG_NOSYSTEM="1")
    case.write("work/file", "content\n")
    for command in ("git init -q -b main .", "git add file",
                    "git -c user.name=a -c user.email=a@example.org commit -q -m first",
                    "git clone -q --bare . ../srv/project.git", "git -C ../srv/project.git config http.receivepack true"):
        run(command, case.folder / "work", environ)
    port = case.port()
    shipped(case, "git-http.conf", {"*:http": f"127.0.0.1:{port}", "/srv/git": case.folder / "srv"})
    run(f"git clone -q http://127.0.0.1:{port}/git/project.git clone", case.folder, environ)
    assert (case.folder / "clone/file").read_text() == "content\n"
    run("git push -q origin main:other", case.folder / "clone", environ)
    assert ask(port, "/git/project.git/info/refs").body.endswith(b"refs/heads/other\n")


if __name__ == "__main__":
    main()
