#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Content in chunks for applications, who have to be told how long it is: it is received first, in a file of the server's
where it is not little. What they get, what clients do wrong meanwhile, and that no file is left open.
"""

import contextlib
import os
import random
import re
import resource
import signal
import threading

from fake_application import Asked, application, fastcgi, page, read_scgi, read_uwsgi, serving, whole
from fake_upstream import Upstream, entries
from harness import for_both_modes, main, nobody, test, title, wait_for
from messages import Client, chunked, reply_of, request_of

KIB, MIB = 1024, 1024 * 1024
PIECE = 16 * KIB  # up to so much there is no file
SIZES = (0, 1, PIECE, PIECE + 1, 17 * KIB, 100_000, 10 * MIB)
ECHO = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\nX-Length: %s\\r\\n\\r\\n' \"$CONTENT_LENGTH\"\nexec cat\n"
OPEN = ("Transfer-Encoding: chunked",)
WAITS = ("Transfer-Encoding: chunked", "Expect: 100-continue")
LIMITS = "timeout {{ request {}; idle {}; park 60s; drain {} }}"


def pieces_of(data, rng):
    at = 0
    while at < len(data):
        n = rng.choice([1, 10, 1000, 5000, PIECE, PIECE + 1, 100_000])
        yield data[at:at + n]
        at += n


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def send_when_told(client, content, *trailers, target="/", method="POST", after=b""):
    """With nothing of it in the first packet, so that it cannot be whole when it is looked at."""
    client.send(request_of(target, method, *WAITS))
    assert client.take_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(chunked(content, *trailers) + after)


def files_of(server):
    """{path: bytes} of the files without a name that the workers have open."""
    found = {}
    for pid in server.workers():
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                path = os.readlink(f"/proc/{pid}/fd/{name}")
                if path.endswith(" (deleted)") and not path.startswith("/dev"):
                    found[path] = os.stat(f"/proc/{pid}/fd/{name}").st_size
    return found


def wait_file(server, size=0):
    """Until there is one, and so many bytes are in it."""
    return wait_for(lambda: [path for path, n in files_of(server).items() if n >= size], "a file of the server's")


def wait_no_file(server):
    wait_for(lambda: not files_of(server), "no file of the server's to be open")


def start(case, script=None, options="file no; max-body 11M", env=None, limits=("60s", "60s", "60s"), server_options=None,
          **more):
    """musterd before an application, with the test's folder for its files."""
    folder = case.folder / "spool"
    folder.mkdir()
    folder.chmod(0o1777)
    upstream, text, port = fastcgi(case, script or serving(lambda asked: whole(page(asked.content()))), options,
                                   extra=LIMITS.format(*limits), **more)
    server = case.server(text, env={"TMPDIR": str(folder)} | (env or {}), **(server_options or {}))
    return upstream, server, port


# --------------------------------------------------------------------------------------- what arrives

@for_both_modes
def all_of_it_arrives_with_its_length(case):
    rng = random.Random(1)
    upstream, server, port = start(case)
    with Client(port) as client:
        for size in SIZES:
            data = rng.randbytes(size)
            send_when_told(client, pieces_of(data, rng), "X-Trailer: a", after=request_of("/next"))
            reply = client.read_reply()
            assert (reply.status, reply.content == data) == (200, True), (size, reply.status, len(reply.content))
            # What stands behind it is the next request.
            assert client.read_reply().content == b""
            params = upstream.requests[-2].params
            assert params["CONTENT_LENGTH"] == str(size), params
            assert not {"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_TRAILER", "HTTP_X_TRAILER"} & set(params), params
            assert upstream.requests[-1].params["REQUEST_URI"] == "/next"
    wait_no_file(server)


@for_both_modes
def for_programs_too(case):
    program = case.write("program", ECHO, 0o755)
    text, port = application(case, f"cgi {program} {{ max-body 11M }}", f"root {case.folder}", "/cgi/")
    server = case.server(text, env={"TMPDIR": str(case.folder)})
    rng = random.Random(2)
    with Client(port) as client:
        for size in SIZES:
            data = rng.randbytes(size)
            send_when_told(client, pieces_of(data, rng), target="/cgi/")
            reply = client.read_reply()
            assert (reply.status, reply.value("x-length"), reply.content == data) == (200, str(size), True), (size, reply)
    wait_no_file(server)


@for_both_modes
def for_uwsgi_and_scgi_too(case):
    rng = random.Random(3)
    for kind, read in (("uwsgi", read_uwsgi), ("scgi", read_scgi)):
        def script(link, kind=kind, read=read):
            params, content = read(link)
            length = "X-Length: " + params["CONTENT_LENGTH"]
            link.send(reply_of(content, length) if kind == "uwsgi" else page(content, length, "Content-Type: a/b"))
        upstream = Upstream(case, script)
        text, port = application(case, f"{kind} {upstream.address} {{ max-body 11M }}")
        server = case.server(text, env={"TMPDIR": str(case.folder)})
        with Client(port) as client:
            for size in SIZES:
                data = rng.randbytes(size)
                send_when_told(client, pieces_of(data, rng))
                reply = client.read_reply()
                assert (reply.value("x-length"), reply.content == data) == (str(size), True), (kind, size, reply)
        wait_no_file(server)
        server.stop()


@for_both_modes
def only_what_is_not_little_has_a_file(case):
    held, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def reply(asked):
        held.release()
        assert go_on.acquire(timeout=60)
        return whole(page(asked.content()))
    _, server, port = start(case, serving(reply))
    for size, has_file in ((PIECE, False), (PIECE + 1, True)):
        with Client(port) as client:
            send_when_told(client, [size * b"x"])
            assert held.acquire(timeout=60)
            files = files_of(server)
            assert [n for path, n in files.items() if path.startswith(f"{case.folder}/spool/")] == has_file * [size], files
            assert os.listdir(case.folder / "spool") == []
            go_on.release()
            assert client.read_reply().content == size * b"x"
    wait_no_file(server)


# ------------------------------------------------------------------------------------- what clients do

@for_both_modes
def too_much_is_refused_as_it_comes(case):
    upstream, server, port = start(case, options="file no; max-body 100k")
    with Client(port) as client:
        send_when_told(client, [100 * KIB * b"x"])
        assert client.read_reply().status == 200
    with Client(port) as client:
        client.send(request_of("/", "POST", *WAITS))
        client.take_until(b"\r\n\r\n")
        client.send(chunk(100 * KIB * b"x") + b"1\r\n")
        reply = client.read_reply()
        assert (reply.status, reply.value("connection")) == (413, "close"), reply
    assert len(upstream.links) == 1
    wait_no_file(server)
    server.wait_log("the content cannot be passed on: content, extensions or trailers are too long")


@for_both_modes
def bad_chunks_are_refused(case):
    upstream, server, port = start(case)
    for bad in (b"x\r\n", b"5\r\nhello!\r\n", b"-1\r\n", b"0\r\nbad trailer\r\n\r\n"):
        with Client(port) as client:
            client.send(request_of("/", "POST", *OPEN) + chunk(50_000 * b"x") + bad)
            assert client.read_reply().status == 400, bad
    with Client(port) as client:
        client.send(request_of("/", "POST", *OPEN) + chunk(50_000 * b"x") + b"5\r\nhe")
        client.half_close()
        assert client.read_reply().status == 400
    assert not upstream.links
    wait_no_file(server)
    server.wait_log("the client stopped in the middle of it")


@for_both_modes
def a_client_that_goes_leaves_nothing(case):
    upstream, server, port = start(case)
    for leave in (Client.close, Client.reset):
        client = Client(port)
        client.send(request_of("/", "POST", *OPEN) + chunk(100_000 * b"x") + b"5\r\nhe")
        wait_file(server, 96 * KIB)
        leave(client)
        wait_no_file(server)
    # Who goes while it is passed on, too.
    assert not upstream.links
    with Client(port) as client:
        assert client.ask("/").status == 200


@for_both_modes
def a_client_that_stops_is_told(case):
    upstream, server, port = start(case, limits=("60s", "300ms", "60s"))
    with Client(port) as client:
        client.send(request_of("/", "POST", *OPEN) + chunk(100_000 * b"x") + b"5\r\nhe")
        assert client.read_reply().status == 408
    assert not upstream.links
    wait_no_file(server)
    assert entries(case, 1)[0]["status"] == 408


@for_both_modes
def who_is_not_wanted_is_not_waited_for(case):
    """What is refused without a look at the content is refused before it is received."""
    upstream, server, port = start(case, options="max-body 11M", path="*.php", site=f"root {case.folder}")
    with Client(port) as client:
        client.send(request_of("/none.php", "POST", *WAITS))
        reply = client.read_reply()
        assert (reply.status, reply.interim, reply.value("connection")) == (404, [], "close"), reply
    assert not upstream.links and not files_of(server)


# ------------------------------------------------------------------------------------- what servers do

@for_both_modes
def another_server_gets_all_of_it_again(case):
    data = random.Random(4).randbytes(MIB)
    got = []

    def script(link):
        got.append(Asked(link).content() == data)
    broken = Upstream(case, script)
    closed = Upstream(case, script)
    closed.close()
    upstream, server, port = start(case, options="file no; retry 2", server=f"server {broken.address} weight 100; server {closed.address} weight 50")
    for _ in range(3):
        with Client(port) as client:
            send_when_told(client, [data], method="PUT")
            assert client.read_reply().content == data
    assert got and all(got) and len(upstream.requests) == 3
    server.wait_log("closed the connection without an answer")
    wait_no_file(server)


@for_both_modes
def who_answers_early_is_heard(case):
    """The content is not taken to the end; the client has sent all of it, and may go on."""
    def script(link):
        asked = Asked(link)
        if asked.params["REQUEST_METHOD"] == "POST":
            link.send(whole(page(b"no", "Status: 403 No")))
        else:
            link.send(whole(page(asked.content())))
    _, server, port = start(case, script)
    with Client(port) as client:
        for _ in range(3):
            send_when_told(client, [10 * MIB * b"x"])
            reply = client.read_reply()
            assert (reply.status, reply.content, reply.value("connection")) == (403, b"no", None), reply
            assert client.ask("/").status == 200
    wait_no_file(server)


@for_both_modes
def who_takes_nothing_is_given_up(case):
    def script(link):
        link.take(1)
        link.hold()
    _, server, port = start(case, script, options="file no; max-body 11M; send-timeout 300ms; retry 0")
    with Client(port) as client:
        send_when_told(client, [10 * MIB * b"x"])
        assert client.read_reply().status == 504
    server.wait_log("has taken nothing of the request for send-timeout 300ms")
    wait_no_file(server)


@test
def the_limit_of_programs_holds_when_they_are_run(case):
    """However many there were when the content began."""
    program = case.write("bin/program", "#!/bin/sh\necho >begun\nread x <gate\nprintf 'Content-Type: a/b\\n\\nhello'\n", 0o755)
    os.mkfifo(case.folder / "bin/gate")
    text, port = application(case, f"cgi {program} {{ limit 1 }}", f"root {case.folder}", "/cgi/", workers=1, connections=64)
    server = case.server(text)
    with Client(port) as first, Client(port) as second:
        for client in (first, second):
            client.send(request_of("/cgi/", "POST", *WAITS))
            client.take_until(b"\r\n\r\n")
        first.send(chunked([b"content"]))
        wait_for((case.folder / "bin/begun").exists, "the first program")
        second.send(chunked([b"content"]))
        assert second.read_reply().status == 503
        (case.folder / "bin/gate").write_text("")
        assert first.read_reply().content == b"hello"
    server.wait_log("is not run: 1 of it run in this worker")


# ------------------------------------------------------------------------------------------ the worker's end

def begin_stop(server):
    server.send_signal(signal.SIGTERM)
    wait_for(lambda: all("draining" in title(pid) for pid in server.workers()), "the workers to drain")


@for_both_modes
def what_has_begun_is_finished_in_a_drain(case):
    _, server, port = start(case, workers=1)
    data = 100_000 * b"x"
    with Client(port) as client:
        client.send(request_of("/", "POST", *OPEN) + chunk(data))
        wait_file(server, 80 * KIB)
        begin_stop(server)
        client.send(chunked([b"end"]))
        reply = client.read_reply()
        assert reply.content == data + b"end" and reply.value("connection") == "close", reply
        assert client.is_at_end()
    server.wait_exit(0)


@for_both_modes
def who_does_not_finish_is_cut_off(case):
    upstream, server, port = start(case, workers=1, limits=("60s", "60s", "500ms"))
    with Client(port) as client:
        client.send(request_of("/", "POST", *OPEN) + chunk(100_000 * b"x"))
        wait_file(server, 80 * KIB)
        server.send_signal(signal.SIGTERM)
        assert client.read_reply().status == 503
        server.wait_exit(0)
    assert not upstream.links


# ----------------------------------------------------------------------------------------- where it is kept

def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))


@for_both_modes
def a_file_that_cannot_grow_is_a_503(case):
    """A limit of the size of files stands for a disk that is full."""
    upstream, server, port = start(case, server_options={"preexec_fn": limit_files})
    with Client(port) as client:
        client.send(request_of("/", "POST", *WAITS))
        client.take_until(b"\r\n\r\n")
        client.send(chunk((MIB + 3 * PIECE) * b"x"))
        reply = client.read_reply()
        assert (reply.status, reply.value("retry-after"), reply.value("connection")) == (503, "1", "close"), reply
    server.wait_log(f"content cannot be kept in {case.folder}/spool: File too large")
    assert not upstream.links
    wait_no_file(server)
    with Client(port) as client:
        send_when_told(client, [MIB * b"x"])
        assert client.read_reply().status == 200


@for_both_modes
def without_a_folder_it_is_kept_in_memory(case):
    held, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def reply(asked):
        held.release()
        assert go_on.acquire(timeout=60)
        return whole(page(asked.content()))
    none = case.folder / "none"
    _, server, port = start(case, serving(reply), env={"TMPDIR": str(none)}, workers=1)
    data = random.Random(5).randbytes(10 * MIB)
    with Client(port) as client:
        for _ in range(2):
            send_when_told(client, [data])
            assert held.acquire(timeout=60)
            assert files_of(server) == {"/memfd:content (deleted)": len(data)}, files_of(server)
            go_on.release()
            assert client.read_reply().content == data
    wait_no_file(server)
    assert len(re.findall(f"no file can be made in {none}: No such file", server.log())) == 1, server.log()


@test
def the_folder_may_lie_outside_a_chroot(case):
    case.need_root()
    user = nobody()
    (case.folder / "root").mkdir()
    upstream, text, port = fastcgi(case, serving(lambda asked: whole(page(asked.content()))), "file no",
                                   extra=f"user {user.pw_name}\nchroot {case.folder}/root")
    (case.folder / "spool").mkdir()
    (case.folder / "spool").chmod(0o1777)
    server = case.server(text.replace("access-log access\naccess-log-format json", ""), env={"TMPDIR": str(case.folder / "spool")})
    with Client(port) as client:
        client.send(request_of("/", "POST", *OPEN) + chunk(100_000 * b"x"))
        wait_file(server, 80 * KIB)
        assert not any("memfd" in path for path in files_of(server)), files_of(server)
        client.send(chunked([b"end"]))
        assert client.read_reply().content == 100_000 * b"x" + b"end"
    wait_no_file(server)
    assert upstream.requests[0].params["CONTENT_LENGTH"] == "100003"


if __name__ == "__main__":
    main()
