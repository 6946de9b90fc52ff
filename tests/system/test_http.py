#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The http service as a client sees it, run direct and multiplexed."""

import email.utils
import os
import signal
import socket
import time

from harness import Http, connect, for_both_modes, main, read_all, test, title, wait_for


def site(case, extra="timeout { park 1min }", **options):
    """A server of a small site below html/; its port. A busy machine may be slow to send a next request."""
    case.write("html/index.html", "<h1>hello</h1>\n")
    case.write("html/page.txt", "a page\n")
    case.write("html/sub/index.html", "below\n")
    case.write("html/empty", "")
    case.write("html/.secret", "hidden\n")
    case.write("outside.txt", "outside\n")
    # A direct worker waits only a second for a parked client: too short for us on a busy machine.
    extra = extra or "timeout { park 60s }"
    text, port = case.service("http { root html; index index.html }", extra=extra, **options)
    case.server(text)
    return port


def one(port, request):
    """The response to raw bytes on a connection of its own, which must then be closed by the server."""
    with Http(port) as http:
        http.send(request)
        response = http.read()
        assert http.at_end(), "the connection stays open after " + repr(response)
        return response


@for_both_modes
def a_file_is_served_with_its_headers(case):
    port = site(case)
    with Http(port) as http:
        got = http.get("/")
        assert (got.status, got.body) == (200, b"<h1>hello</h1>\n"), got
        assert got.headers["content-type"].startswith("text/html"), got
        assert got.headers["content-length"] == "15"
        date = email.utils.parsedate_to_datetime(got.headers["date"]).timestamp()
        assert abs(date - time.time()) < 60, got
        modified = email.utils.parsedate_to_datetime(got.headers["last-modified"]).timestamp()
        assert modified == int((case.folder / "html/index.html").stat().st_mtime)
        assert got.headers["etag"].strip('W/').startswith('"'), got
        got = http.get("/page.txt")
        assert got.body == b"a page\n" and got.headers["content-type"].startswith("text/plain"), got
        assert http.get("/empty").body == b""
        assert http.get("/sub/").body == b"below\n"
        assert http.get("/page.txt?query=1").body == b"a page\n"
        assert http.get("/%70age.txt").body == b"a page\n"


@for_both_modes
def head_has_the_headers_of_get(case):
    port = site(case)
    with Http(port) as http:
        get, head = http.get("/page.txt"), http.get("/page.txt", "HEAD")
        assert head.status == 200
        del get.headers["date"], head.headers["date"]
        assert get.headers == head.headers, (get, head)
        assert http.get("/none", "HEAD").status == 404
        assert http.get("/page.txt").body == b"a page\n"  # no body was left in between


@for_both_modes
def health_is_for_who_decides_where_clients_go(case):
    case.write("html/index.html", "page")
    text, port = case.service("http { root html; health /healthz }", workers=1,
                              extra="timeout { park 60s; drain 60s }")
    server = case.server(text)
    with Http(port) as http:
        got = http.get("/healthz")
        assert (got.status, got.body) == (200, b"ready\n"), got
        assert got.headers["cache-control"] == "no-store", got
        assert http.get("/").body == b"page"
        server.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in title(server.workers()[0]), "the worker to drain")
        got = http.get("/healthz", "HEAD")
        assert (got.status, got.headers["connection"]) == (503, "close"), got
        assert http.at_end()
    server.wait_exit(0)


@for_both_modes
def an_unchanged_file_is_304(case):
    port = site(case)
    with Http(port) as http:
        first = http.get("/page.txt")
        etag, modified = first.headers["etag"], first.headers["last-modified"]
        for header in (f"If-None-Match: {etag}", "If-None-Match: *", f'If-None-Match: "other", {etag}',
                       f"If-Modified-Since: {modified}"):
            got = http.get("/page.txt", headers=[header])
            assert got.status == 304 and got.headers["etag"] == etag, (header, got)
        for header in ('If-None-Match: "other"', "If-Modified-Since: Mon, 01 Jan 1990 00:00:00 GMT",
                       "If-Modified-Since: nonsense"):
            assert http.get("/page.txt", headers=[header]).status == 200, header
        # If-None-Match decides alone where both are there (RFC 9110 section 13.2.2).
        both = ['If-None-Match: "other"', f"If-Modified-Since: {modified}"]
        assert http.get("/page.txt", headers=both).status == 200


@for_both_modes
def a_changed_file_is_noticed(case):
    port = site(case)
    page = case.folder / "html/page.txt"
    with Http(port) as http:
        assert http.get("/page.txt").body == b"a page\n"
        page.write_text("a longer page\n")
        end = time.monotonic() + 10
        while http.get("/page.txt").body != b"a longer page\n":
            assert time.monotonic() < end, "still the old content after ten seconds"
            time.sleep(0.05)
        page.unlink()
        while http.get("/page.txt").status != 404:
            assert time.monotonic() < end, "still served, though removed"
            time.sleep(0.05)


@for_both_modes
def what_is_not_there_is_404_and_the_connection_stays(case):
    port = site(case)
    with Http(port) as http:
        assert http.get("/none").status == 404
        assert http.get("/page.txt/more").status == 404
        assert http.get("/page.txt").status == 200


@for_both_modes
def dot_files_are_refused(case):
    port = site(case)
    case.write("html/.git/config", "x")
    for path in ("/.secret", "/.git/config", "/sub/../.secret", "/%2esecret"):
        with Http(port) as http:
            assert http.get(path).status in (403, 404), path


@for_both_modes
def nothing_outside_the_root_is_served(case):
    port = site(case)
    root = case.folder / "html"
    (root / "link").symlink_to("../outside.txt")
    (root / "absolute").symlink_to(case.folder / "outside.txt")
    (root / "folder").symlink_to("..")
    (root / "chain").symlink_to("folder/outside.txt")
    (root / "passwd").symlink_to("/etc/passwd")
    for path in ("/link", "/absolute", "/folder/outside.txt", "/chain", "/passwd", "/../outside.txt",
                 "/%2e%2e/outside.txt", "/%2E%2E%2Foutside.txt", "/sub/../../outside.txt",
                 "/sub/%2e%2e/%2e%2e/outside.txt", "/..%2foutside.txt", "//outside.txt",
                 "/./../outside.txt", "/..\\outside.txt", f"/{case.folder}/outside.txt",
                 "/sub/..%00/outside.txt", "/page.txt%00.html", "/proc/self/" "root/etc/passwd"):
        with Http(port) as http:
            got = http.get(path)
            assert got.status in (400, 403, 404), (path, got)
            assert b"outside" not in got.body.replace(path.encode(), b""), (path, got.body)


@for_both_modes
def an_inner_link_is_served(case):
    port = site(case)
    (case.folder / "html/inner").symlink_to("page.txt")
    with Http(port) as http:
        assert http.get("/inner").body == b"a page\n"


@for_both_modes
def an_unreadable_or_special_file_is_refused(case):
    port = site(case)
    os.mkfifo(case.folder / "html/fifo")
    with Http(port) as http:
        assert http.get("/fifo").status in (403, 404)
    with Http(port) as http:
        assert http.get("/page.txt").status == 200


@for_both_modes
def a_folder_without_an_index_is_refused(case):
    port = site(case)
    (case.folder / "html/bare").mkdir()
    with Http(port) as http:
        assert http.get("/bare/").status in (403, 404)
        got = http.get("/sub")
        assert got.status in (301, 302, 308), got
        assert got.headers["location"].endswith("/sub/"), got


@for_both_modes
def other_methods_are_405(case):
    port = site(case)
    with Http(port) as http:
        got = http.get("/page.txt", "DELETE")
        assert got.status in (405, 501), got
        if got.status == 405:
            assert "GET" in got.headers["allow"] and "HEAD" in got.headers["allow"], got
    with Http(port) as http:
        http.send("POST /page.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert http.read().status == 405


BAD_REQUESTS = {
    "no version": "GET /\r\n\r\n",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a space before the colon": "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a folded line": "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "a line without a colon": "GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n",
    "an empty name": "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
    "a control byte in a value": "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
    "a NUL in a value": "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "a bare CR": "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "two spaces": "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a bad method": "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a control byte in the path": "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a path without a slash": "GET page.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "length and coding": "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a signed length": "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "a negative length": "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n",
    "a huge length": "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "lower-case http": "GET / http/1.1\r\nHost: a\r\n\r\n",
    "a version of three": "GET / HTTP/1.1.1\r\nHost: a\r\n\r\n",
    "binary": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@for_both_modes
def what_rfc_9112_rejects_is_400_and_closed(case):
    port = site(case)
    wrong = {}
    for name, request in BAD_REQUESTS.items():
        response = one(port, request)
        if response.status != 400:
            wrong[name] = response.status
    assert not wrong, wrong


@for_both_modes
def a_path_that_means_nothing_is_400(case):
    """The message is sound, so the connection may stay."""
    port = site(case)
    for path in ("/%zz", "/%", "/%2", "/a%00b"):
        with Http(port) as http:
            assert http.get(path).status == 400, path


@for_both_modes
def too_long_is_414_or_431(case):
    port = site(case)
    assert one(port, "GET /" + "a" * 100_000 + " HTTP/1.1\r\nHost: a\r\n\r\n").status == 414
    assert one(port, "GET / HTTP/1.1\r\nHost: a\r\nX: " + "a" * 100_000 + "\r\n\r\n").status == 431
    many = "".join(f"X-{n}: {n}\r\n" for n in range(5000))
    assert one(port, f"GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n").status == 431


@for_both_modes
def an_unknown_version_is_505(case):
    port = site(case)
    assert one(port, "GET / HTTP/2.0\r\nHost: a\r\n\r\n").status == 505
    assert one(port, "GET / HTTP/3.1\r\nHost: a\r\n\r\n").status == 505


@for_both_modes
def pipelined_requests_are_answered_in_turn(case):
    port = site(case)
    paths = ["/page.txt", "/none", "/", "/sub/", "/empty"] * 20
    with Http(port) as http:
        http.send("".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths))
        got = [(http.read().status) for _ in paths]
    assert got == [200, 404, 200, 200, 200] * 20, got


@for_both_modes
def a_request_in_pieces_is_understood(case):
    port = site(case)
    with Http(port) as http:
        for byte in b"GET /page.txt HTTP/1.1\r\nHost: a\r\n\r\n":
            http.send(bytes([byte]))
        assert http.read().body == b"a page\n"


@for_both_modes
def close_and_keep_alive_are_obeyed(case):
    port = site(case)
    with Http(port) as http:
        for _ in range(50):
            assert http.get("/page.txt").status == 200
        got = http.get("/page.txt", headers=["Connection: close"])
        assert got.headers["connection"].lower() == "close" and http.at_end(), got
    assert one(port, "GET /page.txt HTTP/1.0\r\n\r\n").body == b"a page\n"
    with Http(port) as http:
        for _ in range(3):
            http.send("GET /page.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            got = http.read()
            assert got.body == b"a page\n" and got.headers["connection"].lower() == "keep-alive", got


@for_both_modes
def a_large_file_arrives_byte_for_byte(case):
    port = site(case)
    data = os.urandom(8_000_003)
    case.write("html/large", data)
    with Http(port) as http:
        assert http.get("/large").body == data
        assert http.get("/page.txt").body == b"a page\n"
        assert http.get("/large").body == data


@for_both_modes
def a_reader_that_takes_its_time_gets_all(case):
    port = site(case)
    data = os.urandom(8_000_000)
    case.write("html/large", data)
    sock = connect(port)
    with Http(port, sock=sock) as http:
        http.send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        http.buffer += sock.recv(1000)  # others are served in between, by another worker or the same
        with Http(port) as other:
            assert other.get("/page.txt").body == b"a page\n"
        assert http.read().body == data


@for_both_modes
def a_client_that_goes_while_it_is_served_does_no_harm(case):
    port = site(case)
    case.write("html/large", b"x" * 8_000_000)
    for _ in range(20):
        with Http(port) as http:
            http.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            http.sock.recv(100)
    with Http(port) as http:
        assert http.get("/page.txt").body == b"a page\n"


@for_both_modes
def an_error_answer_survives_what_the_client_still_sends(case):
    port = site(case)
    with connect(port) as sock:
        try:
            for _ in range(20):
                sock.sendall(b"G@T / HTTP/1.1\r\n" + b"x" * 60_000)
            sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server need not read for ever
        data = read_all(sock)
    assert data.startswith(b"HTTP/1.1 400 "), data[:100]


@test
def all_servers_workers_serve_the_same(case):
    port = site(case, workers=4, connections=16)
    for _ in range(40):
        with Http(port) as http:
            assert http.get("/page.txt").body == b"a page\n"


if __name__ == "__main__":
    main()
