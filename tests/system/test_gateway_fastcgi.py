#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Applications that speak FastCGI: what they are told, what comes of what they say, and of what they do wrong. The real
PHP is elsewhere.
"""

import os

from fake_application import (CANT_MPX, OVERLOADED, STDERR, STDIN, STDOUT, UNKNOWN_ROLE, Asked, end_request, fastcgi, page,
                              record, records, serving, whole)
from fake_upstream import Upstream, entries
from harness import deadline, for_both_modes, main, test, wait_for
from messages import Client, request_of

MIB = 1024 * 1024
SERVER = r"127\.0\.0\.1:\d+( \(\S+\))?"  # as the log names it


def start(case, reply=None, script=None, options="file no", site="", **more):
    upstream, text, port = fastcgi(case, script or serving(reply), options, site, **more)
    return upstream, case.server(text), port


def ask(port, *args, **options):
    with Client(port) as client:
        return client.ask(*args, **options)


def site(case):
    """A folder with scripts, and lines for a handler that has it as its root."""
    for name in ("index.php", "a.php", "sub/index.php"):
        case.write(f"www/{name}", "")
    case.write("www/picture.jpg", "a picture")
    case.write("secret.php", "")
    os.symlink(case.folder / "secret.php", case.folder / "www/out.php")
    return f"root {case.folder}/www"


# --------------------------------------------------------------------------------------- what it is told

@for_both_modes
def a_script_is_told_of_its_request(case):
    upstream, _, port = start(case, options="split .php; param EXTRA value; param SERVER_SOFTWARE other",
                              site=site(case), path="/")
    with Client(port) as client:
        reply = client.ask("/a.php/in%20fo?q=1&r", "POST", "Cookie: a=b", "X-Own: one", "Proxy: evil", "x-own: two",
                           "Content-Type: text/plain", content=b"hello", host="www.example.test:81")
        assert (reply.status, reply.content) == (200, b"hello\n"), reply
        address, number = client.sock.getsockname()
    asked = upstream.requests[0]
    root = f"{case.folder}/www"
    assert asked.content() == b"hello"
    assert asked.params == {
        "CONTENT_LENGTH": "5", "REQUEST_METHOD": "POST", "REQUEST_URI": "/a.php/in%20fo?q=1&r", "QUERY_STRING": "q=1&r",
        "CONTENT_TYPE": "text/plain", "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "other", "REQUEST_SCHEME": "http", "SCRIPT_NAME": "/a.php", "SCRIPT_FILENAME": f"{root}/a.php",
        "PATH_INFO": "/in fo", "PATH_TRANSLATED": f"{root}/in fo", "DOCUMENT_URI": "/a.php/in fo", "DOCUMENT_ROOT": root,
        "REDIRECT_STATUS": "200", "REMOTE_ADDR": address, "REMOTE_PORT": str(number), "SERVER_ADDR": "127.0.0.1",
        "SERVER_NAME": "www.example.test", "SERVER_PORT": str(port), "HTTP_HOST": "www.example.test:81",
        "HTTP_COOKIE": "a=b", "HTTP_X_OWN": "one, two", "EXTRA": "value"}, asked.params


@for_both_modes
def which_paths_are_scripts(case):
    upstream, text, port = fastcgi(case, None, "split .php", site(case) + "\nindex index.php", path="*.php")
    case.server(text)
    with Client(port) as client:
        def found(path):
            before = len(upstream.requests)
            reply = client.ask(path)
            asked = upstream.requests[before:]
            return asked[0].params["SCRIPT_FILENAME"].removeprefix(f"{case.folder}/www") if asked else reply.status
        assert found("/a.php") == "/a.php"
        assert found("/") == "/index.php"
        assert found("/sub/") == "/sub/index.php"
        assert found("/sub/../%61.php") == "/a.php"
        assert found("/none.php") == 404
        assert found("/out.php") == 403
        # What is no script is a file as any, and what is below a file is nothing.
        assert found("/picture.jpg") == 200
        assert found("/picture.jpg/x.php") == 404


@test
def a_prefix_has_all_that_is_below_it(case):
    upstream, text, port = fastcgi(case, None, "split .php", site(case) + "\nindex index.php", path="/sub/")
    case.server(text)
    with Client(port) as client:
        assert [client.ask(path).status for path in ("/sub/", "/sub/index.php/x", "/sub/none", "/sub/none/")] == \
            [200, 200, 404, 404]
    assert [asked.params["SCRIPT_NAME"] for asked in upstream.requests] == 2 * ["/sub/index.php"]


@test
def one_script_for_all_that_is_no_file(case):
    upstream, text, port = fastcgi(case, None, "", site(case) + "\ntry \"{path}\" /index.php", path="*.php")
    case.server(text)
    with Client(port) as client:
        assert client.ask("/picture.jpg").content == b"a picture"
        assert client.ask("/some/article?page=2").content == b"hello\n"
        assert client.ask("/some/article", "POST", content=b"x").content == b"hello\n"
    params = upstream.requests[0].params
    assert (params["SCRIPT_NAME"], params["REQUEST_URI"], params["QUERY_STRING"]) == \
        ("/index.php", "/some/article?page=2", "page=2"), params


@test
def without_a_root_it_is_said_what_is_missing(case):
    _, server, port = start(case, options="")
    assert ask(port, "/a.php").status == 500
    server.wait_log(r"lie below no `root`")


# ---------------------------------------------------------------------------------------- what it replies

@for_both_modes
def what_heads_come_to(case):
    replies = {
        "/plain": page(b"x"),
        "/status": page(b"x", "Status: 404 Not here", "X-Own: 1"),
        "/elsewhere": page(b"", "Location: http://example.test/"),
        "/path": page(b"", "Location: /plain?q"),
        "/plain?q": page(b"instead", "Content-Type: text/html"),
        "/moved": page(b"", "Status: 301 Moved", "Location: /other"),
        "/newline": b"Content-Type: text/plain\nX-Own: 1\n\nx",
        "/length": page(b"x", "Content-Type: text/plain", "Content-Length: 1"),
        "/nothing": page(b"", "Status: 204"),
        "/hop": page(b"x", "Content-Type: text/plain", "Connection: close", "Keep-Alive: 1", "Server: php"),
    }
    _, _, port = start(case, lambda asked: whole(replies[asked.params["REQUEST_URI"]]))
    with Client(port) as client:
        def got(path, *names):
            reply = client.ask(path)
            return (reply.status, reply.phrase, *(reply.value(name) for name in names))
        assert got("/plain", "content-type") == (200, "OK", "text/plain")
        assert got("/status", "x-own", "status") == (404, "Not here", "1", None)
        assert got("/elsewhere", "location") == (302, "Found", "http://example.test/")
        assert got("/path", "location", "content-type") == (200, "OK", None, "text/html")
        assert got("/moved", "location") == (301, "Moved", "/other")
        assert got("/newline", "x-own") == (200, "OK", "1")
        assert got("/length", "content-length", "transfer-encoding") == (200, "OK", "1", None)
        assert got("/nothing", "transfer-encoding") == (204, "No Content", None)
        assert got("/hop", "connection", "keep-alive", "server") == (200, "OK", None, None, "musterd")


@for_both_modes
def records_come_in_any_pieces(case):
    text = page(b"0123456789" * 10, "Content-Type: text/plain", "X-Long: " + 300 * "x")
    shapes = [records(STDOUT, text, 1), records(STDOUT, text, 7),
              b"".join(record(STDOUT, text[i:i + 5], padding=i % 256) for i in range(0, len(text), 5)),
              record(STDOUT, text, padding=255)]
    sizes = [1, 2, 9, 4096]

    def script(link):
        turn = link.number
        Asked(link).content()
        data = shapes[turn % 4] + record(STDOUT) + end_request()
        size = sizes[turn // 4]
        for i in range(0, len(data), size):
            link.send(data[i:i + size])
    _, _, port = start(case, script=script)
    with Client(port) as client:
        for _ in range(len(shapes) * len(sizes)):
            reply = client.ask("/")
            assert reply.content == b"0123456789" * 10 and reply.value("x-long") == 300 * "x", reply


@for_both_modes
def a_head_has_no_content(case):
    _, _, port = start(case, lambda asked: whole(page(b"not for HEAD")), options="file no; keep yes")
    with Client(port) as client:
        for _ in range(3):
            reply = client.ask("/", "HEAD")
            assert (reply.status, reply.value("content-type")) == (200, "text/plain"), reply
        assert client.ask("/").content == b"not for HEAD"


@for_both_modes
def ten_mebibytes_both_ways(case):
    data = os.urandom(10 * MIB)
    upstream, _, port = start(case, lambda asked: whole(page(asked.content())), options="file no; max-body 10M")
    reply = ask(port, "/", "POST", content=data)
    assert reply.status == 200 and reply.content == data, reply
    assert upstream.requests[0].params["CONTENT_LENGTH"] == str(len(data))
    assert ask(port, "/", "POST", content=data + b"x").status == 413


@for_both_modes
def content_is_answered_as_it_comes(case):
    def script(link):
        asked = Asked(link)
        link.send(records(STDOUT, page(b"")))
        while piece := asked.piece():
            link.send(record(STDOUT, piece))
        link.send(record(STDOUT) + end_request())
    _, _, port = start(case, script=script)
    with Client(port) as client:
        client.send(request_of("/", "POST", "Content-Length: 60000"))
        reply = client.read_reply(content=False)
        assert reply.is_chunked(), reply
        for i in range(60):
            client.send(b"%1000d" % i)
            while len(client.got) < len(reply.head) + 1000 * (i + 1):
                assert client.more()
        client.read_chunked(reply)
        assert reply.content == b"".join(b"%1000d" % i for i in range(60))


@for_both_modes
def content_in_chunks_has_a_length(case):
    upstream, _, port = start(case, lambda asked: whole(page(asked.content())))
    reply = ask(port, "/", "POST", chunks=[b"some", b"thing"])
    assert reply.content == b"something", reply
    params = upstream.requests[0].params
    assert params["CONTENT_LENGTH"] == "9" and "HTTP_TRANSFER_ENCODING" not in params, params


@for_both_modes
def who_waits_for_100_is_told_to_go_on(case):
    _, _, port = start(case, lambda asked: whole(page(asked.content())))
    with Client(port) as client:
        client.send(request_of("/", "POST", "Content-Length: 5", "Expect: 100-continue"))
        assert client.take_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert client.read_reply().content == b"hello"


# ----------------------------------------------------------------------------------------- connections

@for_both_modes
def connections_are_kept_where_that_is_said(case):
    upstream, _, port = start(case, lambda asked: whole(page(asked.content())), options="file no; keep yes")
    with Client(port) as client:
        for i in range(5):
            assert client.ask("/", "POST", content=b"%d" % i).content == b"%d" % i
    assert len(upstream.links) == 1 and all(asked.keep for asked in upstream.requests), upstream.links


@for_both_modes
def otherwise_each_has_its_own(case):
    upstream, _, port = start(case)
    with Client(port) as client:
        for _ in range(3):
            assert client.ask("/").content == b"hello\n"
    assert len(upstream.links) == 3 and not any(asked.keep for asked in upstream.requests), upstream.links


@for_both_modes
def a_kept_connection_that_is_closed_harms_nobody(case):
    def script(link):
        Asked(link).content()
        link.send(whole(page()))
        # The next request finds it closed, at rest or just as it comes.
        if link.number % 2:
            Asked(link)
    upstream, _, port = start(case, script=script, options="file no; keep yes")
    with Client(port) as client:
        for i in range(6):
            assert client.ask("/").content == b"hello\n", i
            if i % 2 == 0:
                upstream.links[-1].is_closed.wait(deadline())
    assert len(upstream.links) >= 4, upstream.links


@for_both_modes
def more_than_the_reply_is_not_kept(case):
    upstream, _, port = start(case, whole(page()) + record(STDOUT, b"Content-Type: evil\r\n\r\nx"),
                              options="file no; keep yes")
    with Client(port) as client:
        for _ in range(3):
            assert client.ask("/").content == b"hello\n"
    assert len(upstream.links) == 3, upstream.links


@for_both_modes
def who_is_gone_is_let_go(case):
    def script(link):
        asked = Asked(link)
        assert asked.piece()
        link.wait_end()
    upstream, _, port = start(case, script=script)
    with Client(port) as client:
        client.send(request_of("/", "POST", "Content-Length: 100000") + 1000 * b"x")
        wait_for(lambda: upstream.links, "the request")
        client.reset()
    upstream.wait_ended()
    wait_for(lambda: entries(case), "a line of the access log")


# -------------------------------------------------------------------------------------- what it says beside

@for_both_modes
def errors_go_into_the_log(case):
    said = [record(STDERR, b"PHP Warning: one\nPHP Wa"), record(STDERR, b"rning: \x1b[1mtwo\n"), record(STDERR)]
    text = page()
    _, server, port = start(case, b"".join([said[0], record(STDOUT, text[:9]), said[1], record(STDOUT, text[9:]),
                                            record(STDERR, b"the last"), record(STDOUT), said[2], end_request(3)]))
    assert ask(port, "/").content == b"hello\n"
    for line in (r": PHP Warning: one$", r": PHP Warning: \\x1b\[1mtwo$", r": the last$", r": exit status 3$"):
        server.wait_log(r"127\.0\.0\.1:\d+: " + SERVER + line)


@for_both_modes
def a_flood_of_errors_is_only_that(case):
    flood = records(STDERR, (1000 * b"x" + b"\n") * 1000 + MIB * b"y")
    _, server, port = start(case, flood + whole(page()))
    assert ask(port, "/").content == b"hello\n"
    server.wait_log(r": y+$")
    lines = server.log().splitlines()
    assert sum(line.endswith(": " + 1000 * "x") for line in lines) == 1000
    assert max(map(len, lines)) < 1200


@for_both_modes
def errors_without_end_hold_nobody_up(case):
    """Before the reply and behind it; others are served, and the limits count."""
    flood = records(STDERR, MIB * b"x")

    def script(link):
        asked = Asked(link)
        asked.content()
        if asked.params["REQUEST_URI"] == "/quick":
            link.send(whole(page()))
            return
        if asked.params["REQUEST_URI"] == "/behind":
            link.send(record(STDOUT, page(b"hello\n", "Content-Type: text/plain", "Content-Length: 6")))
        while True:
            link.send(flood)
    _, server, port = start(case, script=script, options="file no; read-timeout 30s", workers=2 if case.connections == 1 else 1,
                            extra="timeout { request 2s }")
    with Client(port) as client, Client(port) as other:
        client.send(request_of("/before"))
        for _ in range(20):
            assert other.ask("/quick").content == b"hello\n"
        assert client.read_reply().status == 504
    with Client(port) as client:
        reply = client.ask("/behind")
        assert reply.content == b"hello\n", (reply, reply.content)
        assert client.ask("/quick").content == b"hello\n"


# ------------------------------------------------------------------------------------- what it does wrong

@for_both_modes
def refusals(case):
    status = {"/overloaded": OVERLOADED, "/mpx": CANT_MPX, "/role": UNKNOWN_ROLE, "/unknown": 4}
    _, server, port = start(case, lambda asked: end_request(0, status[asked.params["REQUEST_URI"]]))
    reply = ask(port, "/overloaded")
    assert (reply.status, reply.value("retry-after")) == (503, "1"), reply
    server.wait_log(SERVER + r" refused the request: it is overloaded")
    for path, why in (("/mpx", "it takes no request on this connection"), ("/role", "it is no responder"),
                      ("/unknown", "unknown FastCGI status")):
        assert ask(port, path).status == 502
        server.wait_log("answered what is no FastCGI: " + why)


@for_both_modes
def who_is_overloaded_has_not_begun(case):
    busy = Upstream(case, serving(end_request(0, OVERLOADED)))
    upstream, _, port = start(case, lambda asked: whole(page(asked.content())),
                              server=f"server {busy.address}; max-fails 0")
    with Client(port) as client:
        for i in range(4):
            assert client.ask("/", "POST", content=b"%d" % i).content == b"%d" % i
    assert busy.requests and len(upstream.requests) == 4


BAD = {
    "garbage": (b"HTTP/1.1 200 OK\r\n\r\n", "FastCGI version is not 1"),
    "number": (record(STDOUT, page(), number=2), "another request"),
    "type": (record(11, b"12345678"), "unknown FastCGI record"),
    "ours": (record(STDIN, b"x"), "unknown FastCGI record"),
    "goes-on": (record(STDOUT) + record(STDOUT, page()), "goes on after its end"),
    "no-head": (whole(b"hello\n"), "line without a colon"),
    "empty-head": (whole(b"\r\nhello\n"), "no Content-Type, Location or Status"),
    "status": (whole(page(b"", "Status: 1000")), "Status does not begin"),
    "interim": (whole(page(b"", "Status: 103")), "Status is out of range"),
    "chunked": (whole(page(b"", "Content-Type: a/b", "Transfer-Encoding: chunked")), "Transfer-Encoding of a program"),
    "long": (whole(page(b"", "X-Long: " + 20000 * "x")), "head is larger than the buffer"),
}


@for_both_modes
def what_is_no_fastcgi(case):
    _, server, port = start(case, lambda asked: BAD[asked.params["QUERY_STRING"]][0])
    for name, (_, why) in BAD.items():
        before = server.log_size()
        with Client(port) as client:
            reply = client.ask("/?" + name)
            assert reply.status == 502, (name, reply)
            server.wait_log(SERVER + r" answered what is no FastCGI: .*" + why, before)


@for_both_modes
def an_end_where_none_should_be(case):
    replies = {"/nothing": b"", "/record": record(STDOUT, page())[:5], "/head": record(STDOUT, b"Content-Type: te"),
               "/ended": record(STDOUT) + end_request(), "/content": record(STDOUT, page()),
               "/middle": record(STDOUT, page(100 * b"x"))[:60]}
    _, server, port = start(case, lambda asked: replies[asked.params["REQUEST_URI"]])
    for path in ("/nothing", "/record", "/head", "/ended"):
        before = server.log_size()
        assert ask(port, path).status == 502, path
        server.wait_log(SERVER + r" closed the connection", before)
    for path in ("/content", "/middle"):
        before = server.log_size()
        with Client(port) as client:
            client.send(request_of(path))
            reply = client.read_reply(content=False)
            assert reply.status == 200 and reply.is_chunked(), reply
            assert not client.read_rest().endswith(b"0\r\n\r\n")
        server.wait_log(SERVER + r" broke off its answer", before)


@for_both_modes
def a_length_that_does_not_hold(case):
    def reply(asked):
        return whole(page(b"hello", "Content-Type: a/b", "Content-Length: " + asked.params["QUERY_STRING"]))
    upstream, server, port = start(case, reply, options="file no; keep yes")
    with Client(port) as client:
        client.send(request_of("/?9"))
        assert client.read_reply(content=False).value("content-length") == "9"
        assert client.read_rest() == b"hello"
    server.wait_log("broke off its answer")
    # What is more than it said is not the client's, and the connection is of no use any more.
    with Client(port) as client:
        for _ in range(3):
            assert client.ask("/?3").content == b"hel"
    assert [asked.params["QUERY_STRING"] for asked in upstream.requests] == ["9", "3", "3", "3"]


@for_both_modes
def who_does_not_answer(case):
    def script(link):
        asked = Asked(link)
        if asked.params["REQUEST_URI"] == "/begins":
            link.send(record(STDOUT, page(b"some")))
        link.hold()
    _, server, port = start(case, script=script, options="file no; read-timeout 200ms; retry 0")
    assert ask(port, "/").status == 504
    server.wait_log(SERVER + r" has not answered: nothing for read-timeout 200ms")
    with Client(port) as client:
        client.send(request_of("/begins"))
        assert client.read_reply(content=False).status == 200
        assert client.read_rest() == b"4\r\nsome\r\n"
    server.wait_log(r"stopped in its answer after 4 bytes: nothing for read-timeout 200ms")


@for_both_modes
def nobody_is_there(case):
    upstream, server, port = start(case)
    upstream.close()
    assert ask(port, "/").status == 502
    server.wait_log("cannot connect to " + SERVER + r": Connection refused")


@test
def a_unix_socket(case):
    upstream = Upstream(case, serving(), path=case.folder / "sock")
    text, port = case.service(f"http {{ location / {{ fastcgi {upstream.address} {{ file no }} }} }}")
    case.server(text)
    assert ask(port, "/").content == b"hello\n"


@for_both_modes
def errors_of_the_site_take_the_place_of_its_own(case):
    case.write("www/oops.html", "our own page")
    _, _, port = start(case, whole(page(b"its own", "Status: 503 Busy", "Retry-After: 7")),
                       options="file no; intercept-errors yes; keep yes",
                       site=f"root {case.folder}/www\nerror-page 503 /oops.html\nlocation =/oops.html {{ root {case.folder}/www }}")
    with Client(port) as client:
        for _ in range(2):
            reply = client.ask("/")
            assert (reply.status, reply.content, reply.value("retry-after")) == (503, b"our own page", "7"), reply


if __name__ == "__main__":
    main()
