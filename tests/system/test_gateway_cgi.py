#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program for each request: what it is given, what comes of what it writes, how it ends, and that nothing is left of
it.
"""

import errno
import os
import pathlib
import re
import signal
import threading

from fake_application import application
from fake_upstream import Upstream, entries
from harness import children, for_both_modes, is_alive, main, read_all, test, title, wait_for
from messages import Client, request_of

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MIB = 1024 * 1024
HEAD = r"printf 'Content-Type: text/plain\n\n'" + "\n"
# A program in Python would take most of a test's time to start.
ECHO = HEAD + "exec cat\n"


class Program:
    """A script as a CGI program, in a folder of its own with some FIFOs that it waits for and the test opens."""

    def __init__(self, case, text, start="#!/bin/sh\n", options="", path="/cgi/", site="", workers=1, **service):
        self.case = case
        self.folder = case.folder / "bin"
        self.folder.mkdir()
        self.path = case.write("bin/program", start + text, 0o755)
        config, self.port = application(case, f"cgi {self.path} {{ {options} }}", site or f"root {case.folder}", path,
                                        workers=workers, **service)
        self.server = case.server(config)

    def ask(self, target="/cgi/", *args, **options):
        with Client(self.port) as client:
            return client.ask(target, *args, **options)

    def fifo(self, name="gate"):
        os.mkfifo(self.folder / name)
        return self

    def open(self, name="gate"):
        """Waits until the program is in `read x <gate`, and lets it go on."""
        def let_go():
            try:
                os.close(os.open(self.folder / name, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                assert error.errno == errno.ENXIO, error  # nobody reads
                return False
            return True
        wait_for(let_go, f"a reader of {name}")

    def wait_pid(self, name="pid"):
        """The program has written its process id there."""
        path = self.folder / name
        return int(wait_for(lambda: path.exists() and path.read_text().strip(), f"a process id in {path}"))

    def wait_gone(self, pid):
        wait_for(lambda: not is_alive(pid), f"the end of process {pid}")

    def worker(self):
        return self.server.wait_workers(1)[0]

    def wait_idle(self):
        """The worker has no child."""
        wait_for(lambda: not children(self.worker()), "the end of all programs")

    def log(self, pattern, after=0):
        return self.server.wait_log(pattern, after)


def environment(reply):
    lines = reply.content.decode().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines), "a variable stands twice"
    return found


# ------------------------------------------------------------------------------------------- what it is given

@for_both_modes
def the_environment_is_only_that_of_its_request(case):
    program = Program(case, "echo 'Content-Type: text/plain'; echo; exec env\n", site=f"root {case.folder}",
                      options="param EXTRA 'a value'; param REMOTE_PORT ''")
    with Client(program.port) as client:
        found = environment(client.ask("/cgi/a%20b/c?x=1", "GET", "Cookie: a=b", "Proxy: evil", host="www.example.test"))
    for name in ("PWD", "_", "SHLVL", "OLDPWD"):  # of the shell
        found.pop(name, None)
    assert found == {
        "PATH": PATH, "REQUEST_METHOD": "GET", "REQUEST_URI": "/cgi/a%20b/c?x=1", "QUERY_STRING": "x=1",
        "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": found["SERVER_SOFTWARE"],
        "REQUEST_SCHEME": "http", "SCRIPT_NAME": "/cgi", "SCRIPT_FILENAME": str(program.path), "PATH_INFO": "/a b/c",
        "PATH_TRANSLATED": f"{case.folder}/a b/c", "DOCUMENT_URI": "/cgi/a b/c", "DOCUMENT_ROOT": str(case.folder),
        "REDIRECT_STATUS": "200", "REMOTE_ADDR": "127.0.0.1", "SERVER_ADDR": "127.0.0.1",
        "SERVER_NAME": "www.example.test", "SERVER_PORT": str(program.port), "HTTP_HOST": "www.example.test",
        "HTTP_COOKIE": "a=b", "EXTRA": "a value"}, found
    assert re.fullmatch(r"musterd/\d.*", found["SERVER_SOFTWARE"]), found


@test
def arguments_are_those_of_the_configuration(case):
    program = Program(case, HEAD + 'pwd; echo "$0"; for a in "$@"; do echo "[$a]"; done\n',
                      options="argument --one 'two words'; argument ''")
    lines = program.ask("/cgi/?injected+-s").content.decode().splitlines()
    assert lines == [str(program.folder), str(program.path), "[--one]", "[two words]", "[]"], lines


@test
def what_is_the_script_in_other_locations(case):
    program = Program(case, HEAD + 'echo "$SCRIPT_NAME|$PATH_INFO"\n', path="*.cgi")
    assert program.ask("/a/b.cgi").content == b"/a/b.cgi|\n"


@for_both_modes
def content_goes_in_and_comes_out(case):
    program = Program(case, ECHO)
    with Client(program.port) as client:
        assert client.ask("/cgi/", "POST", content=b"hello").content == b"hello"
        assert client.ask("/cgi/", "POST", content=b"").content == b""
        assert client.ask("/cgi/").content == b""
        assert client.ask("/cgi/", "PROPFIND", chunks=[b"some", b"thing"]).content == b"something"
        assert client.ask("/cgi/", "POST", chunks=10 * [4096 * b"x"]).content == 40960 * b"x"


@for_both_modes
def ten_mebibytes_both_ways(case):
    program = Program(case, ECHO)
    data = os.urandom(10 * MIB)
    with Client(program.port) as client:
        request = request_of("/cgi/", "POST", content=data)
        sender = threading.Thread(target=client.send, args=(request,))
        sender.start()
        reply = client.read_reply()
        sender.join()
        assert reply.content == data, reply
        assert client.ask("/cgi/", "POST", content=b"and again").content == b"and again"


@for_both_modes
def who_does_not_read_can_answer(case):
    program = Program(case, HEAD + "echo enough\n")
    with Client(program.port) as client:
        client.send(request_of("/cgi/", "POST", "Content-Length: 10000000") + 100000 * b"x")
        assert client.read_reply().content == b"enough\n"
    program.wait_idle()


# --------------------------------------------------------------------------------------------- what it replies

@for_both_modes
def what_heads_come_to(case):
    program = Program(case, r"""case $PATH_INFO in
/status) printf 'Status: 404 Not here\r\nContent-Type: text/plain\r\n\r\nx' ;;
/elsewhere) printf 'Location: http://example.test/\n\n' ;;
/path) printf 'Set-Cookie: a=b\nLocation: /other?q\n\n' ;;
/moved) printf 'Status: 303\nLocation: /other\n\n' ;;
/length) printf 'Content-Type: text/plain\nContent-Length: 1\n\nx' ;;
/nothing) printf 'Status: 204\n\n' ;;
esac
""")
    with Client(program.port) as client:
        def got(path, *names):
            reply = client.ask("/cgi/" + path)
            return (reply.status, reply.phrase, *(reply.value(name) for name in names))
        assert got("status", "status") == (404, "Not here", None)
        assert got("elsewhere", "location") == (302, "Found", "http://example.test/")
        assert got("path", "location", "set-cookie") == (302, "Found", "/other?q", "a=b")
        assert got("moved", "location") == (303, "See Other", "/other")
        assert got("length", "content-length", "transfer-encoding") == (200, "OK", "1", None)
        assert got("nothing", "transfer-encoding") == (204, "No Content", None)
    assert len(entries(case, 6)) == 6


LOCAL = r"""
case $PATH_INFO in
/file) printf 'Location: /file.txt\n\n' ;;
/typed) printf 'Content-Type: text/html\nLocation: /file.txt\n\n'; echo ended >>log ;;
/echo) printf 'Location: /cgi/env?a=b%%20c\n\n' ;;
/env) printf 'Content-Type: text/plain\n\n'; env; cat ;;
/missing) printf 'Location: /none\n\n' ;;
/denied) printf 'Location: /denied/file.txt\n\n' ;;
/moved) printf 'Location: /moved\n\n' ;;
/above) printf 'Location: /../../etc/passwd\n\n' ;;
/bad) printf 'Location: /%%zz\n\n' ;;
/long) printf 'Location: /'; head -c 9000 /dev/zero | tr '\0' x; printf '\n\n' ;;
/same) echo same >>log; printf 'Location: /cgi/same\n\n' ;;
/down/*) n=${PATH_INFO##*/}; [ $n = 0 ] && n=file || n=down/$((n - 1)); printf "Location: /cgi/$n\n\n" ;;
esac
"""


@for_both_modes
def a_path_in_place_of_a_reply_is_followed_here(case):
    """RFC 3875 section 6.2.2."""
    case.write("file.txt", "a file\n")
    case.write("denied/file.txt", "another\n")
    program = Program(case, LOCAL, site=f"root {case.folder}\nlocation /denied/ {{ deny all }}\n"
                                        "location /moved { redirect http://example.test/ }")
    with Client(program.port) as client:
        def got(path, *args, **options):
            reply = client.ask("/cgi/" + path, *args, **options)
            return reply.status, reply.content

        for path in "file", "typed", "down/0", "down/8":
            assert got(path) == (200, b"a file\n"), path
        wait_for(lambda: (program.folder / "log").read_text() == "ended\n", "the end of the program")
        reply = client.ask("/cgi/file", "HEAD")
        assert (reply.status, reply.length(), reply.content) == (200, 7, b"")
        reply = client.ask("/cgi/file", "GET", "Range: bytes=2-5")
        assert (reply.status, reply.content) == (206, b"file")
        # What is asked there is asked by the same client, in another way.
        reply = client.ask("/cgi/echo", "POST", "Cookie: c=d", "Content-Type: a/b", "Content-Encoding: gzip", content=b"lost")
        found = environment(reply)
        assert (found["REQUEST_METHOD"], found["QUERY_STRING"], found["PATH_INFO"], found["HTTP_COOKIE"]) == \
            ("GET", "a=b%20c", "/env", "c=d"), found
        assert not {"CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_CONTENT_ENCODING"} & set(found), found
        assert found["REQUEST_URI"] == "/cgi/env?a=b%20c" and found["REMOTE_ADDR"] == "127.0.0.1", found
        reply = client.ask("/cgi/echo", "POST", chunks=[b"lost", b"too"])
        assert environment(reply)["REQUEST_METHOD"] == "GET"
        assert got("missing")[0] == 404
        assert got("denied")[0] == 403
        assert client.ask("/cgi/moved").value("location") == "http://example.test/"
        before = program.server.log_size()
        assert got("above")[0] == 502
        program.log("where nothing can be: Location: /../../etc/passwd", before)
        assert got("bad")[0] == 502
        assert got("long")[0] == 502
        assert got("down/9")[0] == 502
        (program.folder / "log").write_text("")
        before = program.server.log_size()
        assert got("same")[0] == 502
        program.log("on and on within the site: Location: /cgi/same", before)
        assert (program.folder / "log").read_text() == 11 * "same\n"
        # Several at once, and what stands behind them.
        client.send(request_of("/cgi/file") + request_of("/cgi/echo", "POST", content=b"x" * 100) + request_of("/file.txt"))
        assert client.read_reply().content == b"a file\n"
        assert environment(client.read_reply())["PATH_INFO"] == "/env"
        assert client.read_reply().content == b"a file\n"
    # The log tells of what came.
    logged = [(entry["method"], entry["target"]) for entry in entries(case, 19)]
    assert logged[1] == ("GET", "/cgi/typed") and logged[6] == ("POST", "/cgi/echo"), logged
    assert logged[-1] == ("GET", "/file.txt"), logged
    program.wait_idle()


@test
def a_path_in_place_of_a_reply_before_the_content_has_come(case):
    case.write("file.txt", "a file\n")
    program = Program(case, LOCAL)
    with Client(program.port) as client:
        client.send(request_of("/cgi/file", "POST", "Content-Length: 1000000") + b"x" * 1000)
        reply = client.read_reply()
        assert (reply.status, reply.content, reply.value("connection")) == (200, b"a file\n", "close")


@test
def a_path_in_place_of_a_reply_may_lead_to_another_server(case):
    def script(link):
        while request := link.read_head():
            link.reply(f"{request.method} {request.target} {request.value('x-own')}".encode())
    upstream = Upstream(case, script)
    program = Program(case, "printf 'Location: /app/it?x\\n\\n'\n",
                      site=f"root {case.folder}\nlocation /app/ {{ proxy {upstream.address} }}")
    with Client(program.port) as client:
        for method in "GET", "PUT":
            reply = client.ask("/cgi/", method, "X-Own: 1", content=b"some" if method == "PUT" else None)
            assert (reply.status, reply.content) == (200, b"GET /app/it?x 1"), reply


@for_both_modes
def pieces_are_passed_on_as_they_come(case):
    program = Program(case, HEAD + "echo one; read x <gate; echo two\n").fifo()
    with Client(program.port) as client:
        client.send(request_of("/cgi/"))
        reply = client.read_reply(content=False)
        assert client.take_until(b"one\n") == b"4\r\none\n"
        program.open()
        client.buffer[:0] = b"4\r\none\n"
        client.read_chunked(reply)
        assert reply.content == b"one\ntwo\n"


@for_both_modes
def a_head_request_lets_it_finish(case):
    program = Program(case, HEAD + "head -c 1000000 /dev/zero; echo $? >ended; echo $$ >pid\n")
    with Client(program.port) as client:
        reply = client.ask("/cgi/", "HEAD")
        assert (reply.status, reply.value("content-type")) == (200, "text/plain"), reply
        assert client.ask("/cgi/", "HEAD").status == 200
    program.wait_idle()
    assert program.wait_pid() and (program.folder / "ended").read_text() == "0\n"
    assert "killed" not in program.server.log()


@for_both_modes
def a_reply_is_there_before_the_program_ends(case):
    program = Program(case, HEAD + "echo done; exec >&-; read x <gate; echo $$ >pid\n").fifo()
    with Client(program.port) as client:
        assert client.ask("/cgi/").content == b"done\n"
        program.open()
        program.wait_pid()
        client.send(request_of("/cgi/"))
        assert client.read_reply().content == b"done\n"
        program.open()
    program.wait_idle()


@for_both_modes
def what_it_says_goes_into_the_log(case):
    program = Program(case, HEAD + r"echo 'a \033[1mmessage' >&2; echo x; exit 3" + "\n")
    assert program.ask().content == b"x\n"
    program.log(re.escape(str(program.path)) + r": a .*message$")
    program.log(re.escape(str(program.path)) + r": exit status 3$")


# ------------------------------------------------------------------------------------------ what it does wrong

BAD = {
    "silent": ("exit 0", "closed the connection without an answer"),
    "failed": ("exit 1", "closed the connection without an answer"),
    "killed": ("kill -SEGV $$", "closed the connection without an answer"),
    "half": ("printf 'Content-Type: te'", "closed the connection in the header of its answer"),
    "no-head": ("echo hello", "answered what is no CGI: line without a colon"),
    "nothing-said": ("printf 'X-Own: 1\\n\\n'", "answered what is no CGI: no Content-Type, Location or Status"),
    "status": ("printf 'Status: well\\n\\n'", "answered what is no CGI: Status does not begin"),
    "nph": ("printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'", "answered what is no CGI: "),
    "huge": ("printf 'X-Huge: '; head -c 20000 /dev/zero | tr '\\0' x", "head is larger than the buffer"),
    "many": ("i=0; while [ $i -lt 200 ]; do echo \"X-$i: $i\"; i=$((i+1)); done", "too many fields"),
}


@for_both_modes
def no_reply_is_a_502_that_names_the_program(case):
    cases = "".join(f"/{name}) {text} ;;\n" for name, (text, _) in BAD.items())
    program = Program(case, f"case $PATH_INFO in\n{cases}esac\n")
    for name, (_, why) in BAD.items():
        before = program.server.log_size()
        assert program.ask(f"/cgi/{name}").status == 502, name
        program.log(re.escape(f"{program.path} {why}" if why.startswith(("closed", "ans")) else why), before)
    program.log("killed by SIGSEGV")
    program.log("exit status 1")
    program.wait_idle()


@for_both_modes
def who_hangs_is_ended(case):
    program = Program(case, "echo $$ >pid\nsleep 1000\n", options="timeout 1s")
    with Client(program.port) as client:
        assert client.ask("/cgi/").status == 504
        pid = program.wait_pid()
        program.log(re.escape(str(program.path)) + " has not finished within timeout 1s")
        program.wait_gone(pid)
        # It was no fault of the connection.
        assert client.ask("/cgi/").status == 504
    program.wait_idle()


@for_both_modes
def who_does_not_obey_is_killed(case):
    program = Program(case, "trap '' TERM\necho $$ >pid\nwhile :; do sleep 1000; done\n", options="timeout 1s")
    assert program.ask().status == 504
    program.wait_gone(program.wait_pid())
    program.wait_idle()


@for_both_modes
def output_without_end_is_cut_off(case):
    program = Program(case, HEAD + "echo $$ >pid\nwhile :; do echo 0123456789012345678901234567890123456789; done\n",
                      options="timeout 1s")
    with Client(program.port) as client:
        client.send(request_of("/cgi/"))
        assert client.read_reply(content=False).is_chunked()
        assert not read_all(client.sock).endswith(b"0\r\n\r\n")
    program.log("has not finished within timeout 1s")
    program.wait_gone(program.wait_pid())


@for_both_modes
def output_that_somebody_else_holds_ends_with_the_time(case):
    program = Program(case, "sleep 1000 &\necho $! >pid\n" + HEAD + "echo here\n", options="timeout 1s")
    with Client(program.port) as client:
        client.send(request_of("/cgi/"))
        assert client.read_reply(content=False).is_chunked()
        assert not client.read_rest().endswith(b"0\r\n\r\n")
    program.wait_gone(program.wait_pid())


@for_both_modes
def who_was_left_behind_in_order_goes_on(case):
    program = Program(case, "(exec >&- 2>&-; read x <gate; exec sleep 1000) &\necho $! >pid\n" + HEAD + "echo here\n").fifo()
    assert program.ask().content == b"here\n"
    pid = program.wait_pid()
    program.open()
    wait_for(lambda: title(pid) == "sleep 1000", "what was left behind to go on")
    os.kill(pid, signal.SIGTERM)
    program.wait_gone(pid)


@for_both_modes
def who_stops_sending_content_has_it_killed(case):
    program = Program(case, "echo $$ >pid\ncat >/dev/null\nsleep 1000\n")
    with Client(program.port) as client:
        client.send(request_of("/cgi/", "POST", "Content-Length: 100000") + 1000 * b"x")
        pid = program.wait_pid()
        client.reset()
    program.wait_gone(pid)
    program.wait_idle()


@for_both_modes
def who_stops_reading_has_it_killed(case):
    program = Program(case, HEAD + "echo $$ >pid\nwhile :; do echo more; done\n")
    with Client(program.port) as client:
        client.send(request_of("/cgi/"))
        client.read_reply(content=False)
        pid = program.wait_pid()
        client.reset()
    program.wait_gone(pid)
    program.wait_idle()


@for_both_modes
def a_program_that_is_gone_is_said(case):
    program = Program(case, ECHO)
    program.path.unlink()
    assert program.ask().status == 502
    program.log(re.escape(str(program.path)) + " cannot be run: No such file")


# ------------------------------------------------------------------------------------------------ many of them

@test
def only_so_many_run_at_once(case):
    case.connections = 64
    program = Program(case, HEAD + "echo $$ >>pids; read x <$QUERY_STRING; echo done\n", options="limit 2")
    pids = program.folder / "pids"
    clients = [Client(program.port) for _ in range(2)]
    for name in ("0", "1", "2"):
        program.fifo(name)
    for number, client in enumerate(clients):
        client.send(request_of(f"/cgi/?{number}"))
    wait_for(lambda: pids.exists() and len(pids.read_text().splitlines()) == 2, "two programs")
    with Client(program.port) as third:
        reply = third.ask("/cgi/?2")
        assert (reply.status, reply.value("retry-after")) == (503, "1"), reply
        program.log("is not run: 2 of it run in this worker, its `limit`")
        for number, client in enumerate(clients):
            program.open(str(number))
            assert client.read_reply().content == b"done\n"
            client.close()
        program.wait_idle()
        third.send(request_of("/cgi/?2"))
        program.open("2")
        assert third.read_reply().content == b"done\n"


@for_both_modes
def nothing_is_left_of_many(case):
    program = Program(case, ECHO)
    worker = program.worker()

    def files():
        return len(os.listdir(f"/proc/{worker}/fd"))
    with Client(program.port) as client:
        client.ask("/cgi/")
        before = files()
        for i in range(50):
            assert client.ask("/cgi/", "POST", content=b"%d" % i).content == b"%d" % i
    # The last reply is there before the last program has ended.
    wait_for(lambda: not children(worker) and files() <= before, "the worker to close what it has opened")


@for_both_modes
def a_reload_lets_it_finish(case):
    program = Program(case, HEAD + "echo $$ >pid; read x <gate; echo done\n").fifo()
    with Client(program.port) as client:
        client.send(request_of("/cgi/"))
        program.wait_pid()
        old = program.worker()
        conf = pathlib.Path(program.server.conf)
        conf.write_text(conf.read_text().replace("access-log-format json", "access-log-format combined"))
        program.server.reload()
        program.open()
        assert client.read_reply().content == b"done\n"
    wait_for(lambda: old not in program.server.workers(), "the old worker to leave")


@for_both_modes
def the_drain_limit_kills_it(case):
    program = Program(case, "trap '' TERM\necho $$ >pid\nwhile :; do sleep 1000; done\n",
                      extra="timeout { drain 300ms; request 60s; idle 60s }")
    with Client(program.port) as client:
        client.send(request_of("/cgi/"))
        pid = program.wait_pid()
        program.server.stop()
        read_all(client.sock)
    assert not is_alive(pid)


@for_both_modes
def the_request_limit_ends_it(case):
    program = Program(case, "echo $$ >pid\nexec sleep 1000\n", extra="timeout { request 1s; idle 60s }")
    assert program.ask().status == 504
    program.wait_gone(program.wait_pid())
    program.wait_idle()


if __name__ == "__main__":
    main()
