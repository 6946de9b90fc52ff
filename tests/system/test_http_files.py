#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the http service sends of files that change, move, or come in several encodings; run direct and
multiplexed.
"""

import contextlib
import email.utils
import itertools
import os
import pathlib
import re
import resource
import shutil
import socket
import tempfile
import threading
import time

from harness import (Http, Skip, children, deadline, for_both_modes, has_sanitizers, main, status_field,
                     test, wait_for)

LARGE = 300_000      # sent from its descriptor
HUGE = 32 << 20      # more than the sockets on both sides hold
PARK = "timeout { park 1min }"


def site(case, directives="", folder="html", more="", **options):
    """A server of a folder; its port and itself."""
    case.write("html/index.html", "<h1>hello</h1>\n")
    text, port = case.service(f"http {{ root {folder}; {directives} }}", extra=f"{PARK}\n{more}", **options)
    return port, case.server(text)


def replace(path, data):
    """As those do who never want half a file to be seen."""
    fresh = path.with_name(path.name + ".fresh")
    fresh.write_bytes(data)
    fresh.rename(path)


def workers(server):
    """The workers: all else that the master has started is gone again."""
    return [pid for pid in children(server.pid)]


def pattern(version, size):
    """A content in which each piece shows its version and its place."""
    line = f"version {version:06d} of the content, line %08d\n"
    count = size // len(line % 0) + 1
    return "".join(line % n for n in range(count)).encode()[:size]


# --------------------------------------------------------------------------------- variants

@for_both_modes
def compressed_variants_go_to_those_who_take_them(case):
    case.write("html/a.css", "the plain text\n")
    case.write("html/a.css.gz", "gzip it is")
    case.write("html/a.css.br", "br it is not")
    case.write("html/a.css.zst", "zstandard")
    case.write("html/b.css", "alone")
    port, _ = site(case, "precompressed yes; expires 1h")
    with Http(port) as http:
        seen = {}
        for accepted, encoding, body in (
                (None, None, b"the plain text\n"), ("gzip", "gzip", b"gzip it is"), ("br", "br", b"br it is not"),
                ("gzip, deflate, br, zstd", "zstd", b"zstandard"), ("gzip, br;q=0.5", "gzip", b"gzip it is"),
                ("identity", None, b"the plain text\n"), ("gzip;q=0, x", None, b"the plain text\n"),
                ("deflate\r\naccept-encoding: br", "br", b"br it is not"),
                ("br\r\nX: zstd\r\nAccept-Encoding: br;q=0\r\nAccept-Encoding:gzip ", "gzip", b"gzip it is")):
            headers = [f"Accept-Encoding: {accepted}"] if accepted else []
            got = http.get("/a.css", headers=headers)
            assert (got.status, got.body) == (200, body), got
            assert got.headers.get("content-encoding") == encoding, got
            assert got.headers["content-type"] == "text/css; charset=utf-8", got
            assert got.headers["vary"].lower() == "accept-encoding", got
            assert got.headers["cache-control"] == "max-age=3600", got
            head = http.get("/a.css", "HEAD", headers=headers)
            assert head.headers["etag"] == got.headers["etag"], (got, head)
            assert head.headers.get("content-encoding") == encoding, head
            again = http.get("/a.css", headers=[*headers, f"If-None-Match: {got.headers['etag']}"])
            assert (again.status, again.headers["etag"]) == (304, got.headers["etag"]), again
            assert again.headers["vary"].lower() == "accept-encoding", again
            seen.setdefault(encoding, got.headers["etag"])
        assert len(set(seen.values())) == 4, f"entity tags are shared: {seen}"
        # The tag of one representation says nothing of another.
        got = http.get("/a.css", headers=["Accept-Encoding: gzip", f"If-None-Match: {seen['br']}"])
        assert got.status == 200, got
        got = http.get("/b.css", headers=["Accept-Encoding: gzip"])
        assert got.body == b"alone" and "vary" not in got.headers, got
        got = http.get("/a.css.gz", headers=["Accept-Encoding: gzip"])
        assert got.body == b"gzip it is" and "content-encoding" not in got.headers, got
        assert got.headers["content-type"] == "application/gzip", got


@for_both_modes
def variants_that_come_change_and_go_are_noticed(case):
    case.write("html/a.js", "plain")
    port, _ = site(case, "precompressed yes")
    path = case.folder / "html/a.js.gz"
    with Http(port) as http:
        def body():
            return http.get("/a.js", headers=["Accept-Encoding: gzip"]).body
        assert body() == b"plain"
        replace(path, b"the first")
        wait_for(lambda: body() == b"the first", "the variant to be found")
        replace(path, b"the second")
        wait_for(lambda: body() == b"the second", "the other variant to be found")
        path.write_bytes(b"third!")
        wait_for(lambda: body() == b"third!", "the rewritten variant to be found")
        path.unlink()
        path.mkdir()
        wait_for(lambda: body() == b"plain", "the folder not to be taken for a variant")
        path.rmdir()
        case.write("outside.gz", "outside")
        path.symlink_to("../outside.gz")
        (case.folder / "html/index.html").write_text("<h1>later</h1>")
        wait_for(lambda: http.get("/").body == b"<h1>later</h1>", "the next second")
        assert body() == b"plain"
        path.unlink()
        replace(path, pattern(1, LARGE))
        wait_for(lambda: body() == pattern(1, LARGE), "the large variant")
        replace(case.folder / "html/a.js", b"another plain text")
        assert wait_for(lambda: http.get("/a.js").body == b"another plain text", "the new text")
        assert body() == pattern(1, LARGE)


@test
def cached_files_leave_descriptors_to_clients_beside_many_roots(case):
    hosts = ""
    for number in range(90):
        case.write(f"hosts/{number}/index.html", "hello")
        hosts += f"host h{number}.test {{ root hosts/{number} }}\n"
    for number in range(96):
        case.write(f"html/{number}", b"x" * LARGE)
    port, _ = site(case, hosts, workers=1, connections=40, more="limit { nofile 216 }")
    with Http(port) as http:
        for number in range(96):
            assert http.get(f"/{number}").status == 200, number
    with contextlib.ExitStack() as stack:
        for number in range(40):
            assert stack.enter_context(Http(port)).get("/0").status == 200, number


# --------------------------------------------------------------------- what is said of files

@for_both_modes
def what_is_configured_is_said_of_files(case):
    case.write("html/a.txt", "text")
    case.write("html/a.png", "image")
    case.write("html/static/a.txt", "static")
    case.write("html/plain/a.txt", "plain")
    port, _ = site(case, """
        header X-Site here
        expires no
        location /static/ { expires 30d; header X-Static "yes, it is"; }
        location /plain/ { charset no; nosniff no; expires 0; header X-Site ""; }
        """)
    with Http(port) as http:
        got = http.get("/a.txt")
        assert got.headers["content-type"] == "text/plain; charset=utf-8", got
        assert got.headers["x-content-type-options"] == "nosniff", got
        assert got.headers["x-site"] == "here" and "cache-control" not in got.headers, got
        assert got.headers["accept-ranges"] == "bytes", got
        assert http.get("/a.png").headers["content-type"] == "image/png"
        got = http.get("/static/a.txt")
        assert got.headers["x-static"] == "yes, it is" and got.headers["x-site"] == "here", got
        assert got.headers["cache-control"] == f"max-age={30 * 86400}", got
        got = http.get("/plain/a.txt")
        assert got.headers["content-type"] == "text/plain" and "x-site" not in got.headers, got
        assert got.headers["cache-control"] == "no-cache" and "expires" not in got.headers, got
        assert "x-content-type-options" not in got.headers, got


@for_both_modes
def expires_goes_on_with_the_date(case):
    case.write("html/a.txt", "text")
    port, _ = site(case, "expires 1min")
    with Http(port) as http:
        dates = set()

        def three_seconds():
            got = http.get("/a.txt")
            date, expires = (email.utils.parsedate_to_datetime(got.headers[name]).timestamp()
                             for name in ("date", "expires"))
            assert expires == date + 60, got
            assert abs(date - time.time()) < 60, got
            dates.add(date)
            return len(dates) >= 3
        wait_for(three_seconds, "three dates")


# -------------------------------------------------------------------------------- the root

@for_both_modes
def symbolic_links_lead_out_where_they_may(case):
    case.write("outside/secret.txt", "outside\n")
    case.write("html/inside.txt", "inside\n")
    (case.folder / "html/file").symlink_to("../outside/secret.txt")
    (case.folder / "html/folder").symlink_to(case.folder / "outside")
    (case.folder / "html/near").symlink_to("inside.txt")
    for word, file_status in (("no", 403), ("yes", 200)):
        port, server = site(case, f"follow-symlinks {word}")
        with Http(port) as http:
            for _ in range(2):
                assert http.get("/file").status == file_status
                assert http.get("/folder/secret.txt").status == file_status
                assert http.get("/near").body == b"inside\n"
        with Http(port) as http:
            assert http.get("/folder/../../outside/secret.txt").status == 400
        server.stop()


@for_both_modes
def roots_that_are_switched_by_a_link_are_each_followed(case):
    for name in ("one", "two"):
        for part in ("site", "static"):
            case.write(f"{part}-{name}/a.txt", f"{part} {name}")
            case.write(f"{part}-{name}/large", pattern(len(name + part), LARGE + len(part)))
    links = {part: case.folder / part for part in ("site", "static")}
    for part, link in links.items():
        link.symlink_to(f"{part}-one")
    case.write("site-two/static/only-here", "no")
    port, _ = site(case, "location /static/ { root static; strip-prefix yes }", folder="site")
    with Http(port) as http:
        assert http.get("/a.txt").body == b"site one"
        assert http.get("/static/a.txt").body == b"static one"
        assert len(http.get("/large").body) == LARGE + 4

        def switch(part, path, expected):
            fresh = case.folder / "fresh"
            fresh.symlink_to(f"{part}-two")
            fresh.rename(links[part])
            wait_for(lambda: http.get(path).body == expected, f"the new {part}")
        switch("static", "/static/a.txt", b"static two")
        assert http.get("/a.txt").body == b"site one"
        switch("site", "/a.txt", b"site two")
        assert http.get("/static/a.txt").body == b"static two"
        shutil.rmtree(case.folder / "site-one")
        shutil.rmtree(case.folder / "static-one")
        assert len(http.get("/large").body) == LARGE + 4
        assert http.get("/static/only-here").status == 404


# ------------------------------------------------------------------- files that are changed

def fetch_until(port, path, check, stop, failures):
    """A client that asks for the path over and over, on connections that the server may close."""
    try:
        while not stop.is_set():
            with Http(port) as http:
                while not stop.is_set():
                    if not check(http, path):
                        break
    except (AssertionError, OSError) as error:
        failures.append(f"{type(error).__name__}: {error}")


def under_load(port, paths, check, disturb):
    """Calls disturb() while clients fetch the paths; each response is given to check()."""
    stop, failures = threading.Event(), []
    clients = [threading.Thread(target=fetch_until, args=(port, path, check, stop, failures))
               for path in paths]
    for client in clients:
        client.start()
    try:
        disturb()
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert not failures, failures[0]


@for_both_modes
def a_file_replaced_by_rename_is_sent_whole_old_or_new(case):
    sizes = {"small": 3_000, "large": LARGE, "huge": HUGE // 4}
    for name, size in sizes.items():
        case.write("html/" + name, pattern(0, size))
    port, _ = site(case, workers=4)
    seen = {name: set() for name in sizes}

    def check(http, path):
        got = http.get(path)
        version = int(got.body[8:14])
        # Each version has a length of its own.
        assert got.body == pattern(version, sizes[path[1:]] + version), f"{path} is mixed"
        assert got.headers["content-length"] == str(len(got.body))
        seen[path[1:]].add(version)
        return True

    def disturb():
        version = itertools.count(1)

        def all_have_been_seen():
            number = next(version)
            for name, size in sizes.items():
                replace(case.folder / "html" / name, pattern(number, size + number))
            return all(len(versions) >= 4 for versions in seen.values())
        wait_for(all_have_been_seen, "four versions of each file", 60)
    under_load(port, ["/small", "/large", "/large", "/huge"], check, disturb)


def begin_download(port, path):
    """A client that has asked, got a first piece, and reads no more; its socket and that piece."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
    sock.settimeout(deadline())
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    return sock, sock.recv(1000)


def read_rest(sock):
    """Everything until the end or a reset, which a server may send after half an answer."""
    data = bytearray()
    try:
        while piece := sock.recv(1 << 20):
            data += piece
    except ConnectionResetError:
        pass
    return bytes(data)


@for_both_modes
def a_file_changed_in_place_while_it_is_sent_ends_the_connection(case):
    port, server = site(case, workers=4)

    def rewrite(path):
        with open(path, "r+b") as file:
            file.write(b"x" * HUGE)

    def cut(path):
        os.truncate(path, 5_000)

    def cut_to_nothing(path):
        os.truncate(path, 0)

    def append(path):
        with open(path, "ab") as file:
            file.write(b"more")

    before = workers(server)
    for change in (rewrite, cut, cut_to_nothing, append):
        # A name of its own: a worker may still have, for a second, what another file was replaced by.
        name = f"/{change.__name__}"
        path = case.write(f"html{name}", pattern(1, HUGE))
        sock, first = begin_download(port, name)
        assert first.startswith(b"HTTP/1.1 200 OK\r\n") and f"Content-Length: {HUGE}".encode() in first
        change(path)
        got = first + read_rest(sock)
        sock.close()
        content = got[got.index(b"\r\n\r\n") + 4:]
        assert len(content) < HUGE, f"{change.__name__}: {len(content)} bytes, as if it were whole"
        server.wait_log(f"{name} was changed while it was sent")
        # Whoever comes next gets what there is now, at once.
        with Http(port) as http:
            assert http.get(name).body == path.read_bytes(), change.__name__
    assert workers(server) == before, "a worker died"


@for_both_modes
def in_place_under_load_no_length_is_wrong(case):
    path = case.write("html/film", pattern(0, LARGE))
    small = case.write("html/small", pattern(0, 2_000))
    port, server = site(case, workers=4)
    before = workers(server)
    done = itertools.count()

    def check(http, path):
        try:
            got = http.get(path)
        except (AssertionError, ConnectionResetError) as error:
            # The end came early: what a client is told who must not believe what it has.
            assert "ended inside" in str(error) or isinstance(error, ConnectionResetError), error
            return False
        assert got.status == 200, got
        assert len(got.body) == int(got.headers["content-length"])
        next(done)
        return True

    def disturb():
        end = time.monotonic() + 3
        for turn in itertools.cycle((LARGE, 8 << 20, 200_000, 100, 3 << 20)):
            path.write_bytes(pattern(turn % 7, turn))
            small.write_bytes(pattern(turn % 7, turn % 5_000 + 1))
            if time.monotonic() > end:
                break
    under_load(port, ["/film", "/film", "/film", "/small"], check, disturb)
    assert next(done) > 20
    assert workers(server) == before, "a worker died"
    path.write_bytes(pattern(9, HUGE // 2))
    with Http(port) as http:
        wait_for(lambda: http.get("/film").body == pattern(9, HUGE // 2), "the last content")


@for_both_modes
def a_file_that_is_removed_is_sent_to_its_end_and_not_again(case):
    path = case.write("html/film", pattern(1, HUGE))
    port, _ = site(case, workers=4)
    sock, first = begin_download(port, "/film")
    path.unlink()
    head, _, content = (first + sock.recv(0)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    left = HUGE - len(content)
    content = bytearray(content)
    while len(content) < HUGE:
        piece = sock.recv(1 << 20)
        assert piece, f"{HUGE - len(content)} of {left} bytes were left"
        content += piece
    sock.close()
    assert content == pattern(1, HUGE)
    with Http(port) as http:
        wait_for(lambda: http.get("/film", "HEAD").status == 404, "the file to be gone")


# ------------------------------------------------------------------------ where files lie

@for_both_modes
def files_in_memory_and_cold_ones_are_sent_like_others(case):
    memory = pathlib.Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        raise Skip("no /dev/shm here")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="musterd-test", dir=memory))
    case.deferred.append((shutil.rmtree, (folder,)))
    folder.chmod(0o755)
    (folder / "large").write_bytes(pattern(1, LARGE))
    (folder / "film").write_bytes(pattern(2, 5 << 20))
    cold = case.write("html/cold", pattern(3, 20 << 20))
    fd = os.open(cold, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    port, _ = site(case, f"location /memory/ {{ root {folder}; strip-prefix yes }}")
    with Http(port) as http:
        assert http.get("/memory/large").body == pattern(1, LARGE)
        assert http.get("/memory/film").body == pattern(2, 5 << 20)
        assert http.get("/cold").body == pattern(3, 20 << 20)


# ------------------------------------------------------------------------------- limits

def fetch_many(http, paths, expected):
    """Asks for all of them, many at a time, and compares what comes."""
    for start in range(0, len(paths), 100):
        batch = paths[start:start + 100]
        http.send("".join(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n" for path in batch))
        for path in batch:
            got = http.read()
            assert (got.status, got.body) == (200, expected(path)), (path, got)


@for_both_modes
def the_cache_keeps_its_limits_whatever_is_asked_for(case):
    count = int(os.environ.get("FILES_COUNT", "10000"))
    for n in range(count):
        if n % 1000 == 0:
            (case.folder / f"html/{n // 1000}").mkdir(parents=True)
        (case.folder / f"html/{n // 1000}/{n}").write_bytes(b"%d" % n * 50)
    paths = [f"/{n // 1000}/{n}" for n in range(count)]
    port, server = site(case, "cache { entries 100000; memory 1M }", workers=1)
    worker, = workers(server)

    def resident():
        return int(status_field(worker, "RssAnon").split()[0]) * 1024
    with Http(port) as http:
        fetch_many(http, paths[:100], lambda path: path.rpartition("/")[2].encode() * 50)
        before = resident()
        for _ in range(2):
            fetch_many(http, paths, lambda path: path.rpartition("/")[2].encode() * 50)
        grown = resident() - before
    # Malloc's rounding and holes are its own, a sanitizer keeps back what was freed.
    if not has_sanitizers():
        assert grown < 4 << 20, f"{grown} bytes for a cache of 1M"


@for_both_modes
def without_descriptors_left_cached_ones_are_given_back(case):
    count = 50
    for n in range(2 * count):
        case.write(f"html/{n}", pattern(n, LARGE))
    port, server = site(case, workers=1)
    worker, = workers(server)

    def fetch(http, numbers):
        fetch_many(http, [f"/{n}" for n in numbers], lambda path: pattern(int(path[1:]), LARGE))

    def descriptors():
        return len(os.listdir(f"/proc/{worker}/fd"))
    with Http(port) as http:
        fetch(http, range(count))
        held = descriptors()
        assert held >= count, f"{held} descriptors: the cache keeps none"
        # From here on each file costs another one its descriptor.
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (held, held))
        fetch(http, range(2 * count))
        fetch(http, reversed(range(2 * count)))
        assert descriptors() <= held


if __name__ == "__main__":
    main()
