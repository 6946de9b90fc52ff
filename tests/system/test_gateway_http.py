#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The heads that pass a gateway: what a server is told of a request, what the client is told of the reply, and
what is written about both.
"""

from fake_upstream import Upstream, answering, entries, gateway
from harness import for_both_modes, main, test
from messages import Client, reply_of, request_of


def start(case, script=None, options="", site="", **more):
    """A server, and a gateway in front of it; both, and the port."""
    upstream = Upstream(case, script or answering())
    text, port = gateway(case, upstream.address, options, site, **more)
    return upstream, case.server(text), port


def told(case, *fields, options="", **request):
    """What the server gets of a request with these fields."""
    upstream, _, port = start(case, options=options)
    with Client(port) as client:
        reply = client.ask("/", "GET", *fields, **request)
        assert (reply.status, reply.content) == (200, b"hello\n"), reply
    return upstream.requests[0]


# ------------------------------------------------------------------------------------------ requests

@for_both_modes
def a_request_to_the_byte(case):
    upstream, _, port = start(case)
    with Client(port) as client:
        client.ask("/a%20b;c?q=1&r", "GET", "X-One: 1", "x-one:\t2 ", "Accept: */*", "Cookie: a=b",
                   host="Example.test:8080")
        client.ask("/")
        client.ask("/", "POST", "Content-Type: text/plain", content=b"hello")
        client.ask("/", "PURGE", host="plain", chunks=[b"some", b"thing"])
    one, _, two, three = upstream.requests

    def about_client(host, quoted):
        return (f"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: {host}\r\n"
                f"X-Forwarded-Port: {port}\r\nForwarded: for=127.0.0.1;host={quoted};proto=http\r\n"
                "Via: 1.1 musterd\r\n\r\n").encode()
    assert one.head == (b"GET /a%20b;c?q=1&r HTTP/1.1\r\nHost: Example.test:8080\r\nX-One: 1\r\nx-one: 2\r\n"
                        b"Accept: */*\r\nCookie: a=b\r\n") + \
        about_client("Example.test:8080", '"Example.test:8080"'), one.head
    assert two.head == (b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n"
                        b"Content-Type: text/plain\r\n") + about_client("test", "test"), two.head
    assert three.head == b"PURGE / HTTP/1.1\r\nHost: plain\r\nTransfer-Encoding: chunked\r\n" + \
        about_client("plain", "plain"), three.head
    assert (two.content, three.content) == (b"hello", b"something"), (two.content, three.content)
    # One connection for all: with the second GET the server has shown that it keeps it, so the others use it too.
    assert len(upstream.links) == 1, upstream.links


@test
def each_method_reaches_the_server_but_those_that_are_for_us(case):
    upstream, _, port = start(case)
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "x-own"]
    with Client(port) as client:
        for method in methods:
            assert client.ask("/x", method).status == 200, method
        assert client.ask("/x", "TRACE").status == 405
        # For the whole server, of which we answer for ourselves.
        assert client.ask("*", "OPTIONS").status == 204
    with Client(port) as client:
        assert client.ask("example.test:443", "CONNECT", host="example.test:443").status == 501
    # It has gone as far as it may; its content is nobody's request.
    hidden = request_of("/hidden")
    with Client(port) as client:
        client.send(request_of("/x", "OPTIONS", "Max-Forwards: 0", content=hidden))
        reply = client.read_reply()
        assert (reply.status, reply.value("connection")) == (204, "close"), reply
        assert client.read_rest() == b""
    assert [request.method for request in upstream.requests] == methods, upstream.requests


@for_both_modes
def the_host_that_a_server_is_told(case):
    upstream = Upstream(case, answering())
    texts, ports = zip(*(gateway(case, f"http://{upstream.address}", f"host {host}", name=host.partition(".")[0])
                         for host in ("client", "server", "www.example.test:81")))
    case.server("".join(texts))
    for port in ports:
        with Client(port) as client:
            client.ask("/")
        with Client(port) as client:  # the only version that may do without
            client.ask("/", host=None, version="1.0")
    hosts = [request.value("host") for request in upstream.requests]
    assert hosts == ["test", upstream.address, *2 * [upstream.address], *2 * ["www.example.test:81"]], hosts


@test
def an_absolute_target_is_one_of_that_host(case):
    upstream, _, port = start(case)
    with Client(port) as client:
        client.ask("http://other.test/path?query", host="test")
    request, = upstream.requests
    assert (request.target, request.value("host")) == ("/path?query", "other.test"), request


@for_both_modes
def fields_of_one_connection_end_here(case):
    request = told(case, "Connection: keep-alive, X-Mine, X-Absent", "X-Mine: 1", "X-Mine: 2", "Keep-Alive: timeout=5",
                   "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5", "TE: gzip", "Trailer: X",
                   "Upgrade: websocket, h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Proxy: http://evil.test/",
                   "X-Kept: yes", "Authorization: Basic eDp5")
    ours = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded", "via"}
    assert request.names() == {"host", "x-kept", "authorization"} | ours, request


@test
def who_takes_trailers_says_so(case):
    request = told(case, "TE: trailers, gzip;q=0.5", "Connection: te")
    assert (request.value("te"), request.value("connection")) == ("trailers", "TE"), request


@for_both_modes
def what_clients_say_about_themselves_is_replaced(case):
    lies = ["X-Forwarded-For: 192.0.2.1", "X_Forwarded_For: 192.0.2.2", "X-Forwarded-Proto: https", "X-Real-IP: 192.0.2.3",
            "X-Forwarded-Host: evil.test", "X-Forwarded-Port: 1", "Forwarded: for=192.0.2.4", "forwarded: for=192.0.2.5"]
    request = told(case, *lies)
    assert b"192.0.2" not in request.head and b"evil" not in request.head, request.head
    assert request.value("x-forwarded-for") == "127.0.0.1", request
    assert request.value("x-forwarded-proto") == "http", request
    assert request.value("forwarded") == "for=127.0.0.1;host=test;proto=http", request


@for_both_modes
def what_trusted_proxies_say_is_added_to(case):
    request = told(case, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", "X-Forwarded-Proto: https",
                   "X-Forwarded-Host: public.test", "X-Forwarded-Port: 443", "X-Real-IP: 192.0.2.3",
                   "Forwarded: for=192.0.2.1;proto=https", options="trusted 10.0.0.0/8 127.0.0.1")
    expected = {"x-forwarded-for": "192.0.2.1, 192.0.2.2, 127.0.0.1", "x-forwarded-proto": "https",
                "x-forwarded-host": "public.test", "x-forwarded-port": "443", "x-real-ip": "192.0.2.3",
                "forwarded": "for=192.0.2.1;proto=https, for=127.0.0.1;host=test;proto=http"}
    assert {name: request.value(name) for name in expected} == expected, request


@test
def who_is_trusted_is_a_matter_of_addresses(case):
    request = told(case, "X-Forwarded-For: 192.0.2.1", options="trusted 10.0.0.0/8 192.0.2.0/24 unix")
    assert request.value("x-forwarded-for") == "127.0.0.1", request


@test
def by_which_fields_a_server_is_told_of_the_client(case):
    kinds = {"x-forwarded": {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"},
             "standard": {"forwarded"}, "no": set()}
    upstream = Upstream(case, answering())
    texts, ports = zip(*(gateway(case, upstream.address, f"forwarded {kind}; via no", name=kind) for kind in kinds))
    case.server("".join(texts))
    for port, names in zip(ports, kinds.values()):
        with Client(port) as client:
            client.ask("/", "GET", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1")
        request = upstream.requests[-1]
        assert request.names() == {"host"} | names and b"192.0.2.1" not in request.head, request


@test
def a_client_of_ipv6_and_one_without_an_address(case):
    upstream = Upstream(case, answering())
    texts, ports = [], []
    for name, listen in (("six", f"[::1]:{case.port()}"), ("local", f"unix:{case.folder}/socket")):
        text, _ = gateway(case, upstream.address, listen=listen, name=name)
        texts.append(text)
        ports.append(listen.rpartition(":")[2])
    case.server("".join(texts))
    with Client(int(ports[0]), "::1") as client:
        client.ask("/")
    with Client(0, case.folder / "socket") as client:
        client.ask("/")
    six, local = upstream.requests
    assert six.value("x-forwarded-for") == "::1", six
    assert six.value("forwarded") == 'for="[::1]";host=test;proto=http', six
    assert local.value("x-forwarded-for") == "unknown" and local.value("x-forwarded-port") == "80", local


@test
def via_names_us_behind_those_before(case):
    upstream, _, port = start(case, options="via edge")
    with Client(port) as client:
        client.ask("/", "GET", "Via: 1.0 first", version="1.0")
    assert upstream.requests[0].values("via") == ["1.0 first", "1.0 edge"], upstream.requests


@for_both_modes
def fields_that_the_configuration_sets(case):
    request = told(case, "X-Key: client's", "x_key: client's", "Cookie: a=b", "Accept: */*",
                   options='set-header X-Key "the secret"; set-header Cookie ""; set-header Accept text/html')
    assert request.value("x-key") == "the secret" and request.value("accept") == "text/html", request
    assert not request.names() & {"cookie", "x_key"}, request


@test
def a_head_as_large_as_the_buffer_arrives_whole(case):
    upstream, _, port = start(case)
    fields = [f"X-{number}: {'x' * 1000}" for number in range(15)]
    with Client(port) as client:
        reply = client.ask("/" + "p" * 500, "POST", *fields, content=b"content")
        assert reply.status == 200, reply
    request, = upstream.requests
    assert [line for line in request.fields if line[0].startswith("X-") and line[0][2:].isdigit()] == \
        [tuple(field.split(": ")) for field in fields] and request.content == b"content"


# --------------------------------------------------------------------------------------------- paths

@for_both_modes
def the_path_that_a_location_makes(case):
    """A prefix that is taken away, and `try`; what else is there keeps its own ways."""
    upstream = Upstream(case, answering())
    case.write("html/page.txt", "a page\n")
    site = f"""
        location /api/ {{ strip-prefix yes; proxy {upstream.address} {{ }} }}
        location /files/ {{ root html; strip-prefix yes; try "{{path}}" /app/entry }}
        location /app/ {{ proxy {upstream.address} {{ }} }}
        location /text/ {{ answer 200 "our own" }}
        location /secret/ {{ deny all; proxy {upstream.address} {{ }} }}"""
    text, port = gateway(case, upstream.address, site=site)
    case.server(text)
    with Client(port) as client:
        targets = {"/api/c%20d?x=%20y": "/c%20d?x=%20y", "/api/%c3%a4/": "/%c3%a4/", "/api/?x": "/?x",
                   "/files/none?x=1": "/app/entry?x=1", "/%7euser/%2b%C3%a4": "/%7euser/%2b%C3%a4",
                   # Dot segments are passed on as what they come to, by which the rules were looked up; slashes in a row as
                   # they are, but where they would look like the name of a host.
                   "/other/./x/%2e%2e/a": "/other/a", "/other/a//b?": "/other/a//b?", "//other///": "/other/",
                   # No file could have these names, but they are the server's to judge.
                   "/app/a%2Fb%2fc": "/app/a%2Fb%2fc", "/app/.env": "/app/.env", "/api%2fx": "/x"}
        for path, target in targets.items():
            for method, content in (("GET", None), ("POST", b"content"), ("POST", b"x" * 50_000)):
                assert client.ask(path, method, content=content).content == b"hello\n", path
                request = upstream.requests[-1]
                assert (request.target, request.content) == (target, content or b""), (path, request)
        asked = len(upstream.requests)
        assert client.ask("/files/page.txt").content == b"a page\n"
        assert client.ask("/text/").content == b"our own"
        for path in ("/secret/x", "/app/../secret/x", "/app/%2e%2e/secret/x", "//secret/x", "/%73ecret/x", "/secret%2fx",
                     "/secret/.x", "/secret/a%2fb"):
            assert client.ask(path).status == 403, path
            assert client.ask(path, "POST", content=b"x" * 100).status == 403, path
        for path in ("/app/..%2fsecret/x", "/app/%2e%2e%2fsecret/x", "/%2fsecret/x", "/app%2f%2e%2e/secret%2fx", "/files/.env"):
            assert client.ask(path).status in (403, 404), path
        assert len(upstream.requests) == asked, upstream.requests[asked:]


@test
def a_server_on_a_unix_socket(case):
    upstream = Upstream(case, answering(), path=case.folder / "app.sock")
    text, port = gateway(case, upstream.address, "host server")
    case.server(text)
    with Client(port) as client:
        for _ in range(3):
            assert client.ask("/").content == b"hello\n"
    assert len(upstream.links) == 1 and len(upstream.requests) == 3
    # It has no name that could be a host.
    assert all("/" not in request.value("host") for request in upstream.requests), upstream.requests


# ------------------------------------------------------------------------------------------- replies

@for_both_modes
def a_reply_as_the_client_gets_it(case):
    fields = ["Date: Mon, 01 Jan 2024 00:00:00 GMT", "Server: app/1.0", "Content-Type: text/plain", "Set-Cookie: a=b",
              "set-cookie: c=d", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=9", "X-Internal: 1", "ETag: \"1\""]
    _, _, port = start(case, answering(reply_of(b"content", *fields, status="299 Quite so")),
                       options="hide-header x-internal", site="header X-Ours yes\nheader X-Always yes always")
    with Client(port) as client:
        reply = client.ask("/")
        assert client.ask("/").status == 299
    # What is about files of ours is not said of it.
    assert "x-content-type-options" not in reply.names(), reply
    assert (reply.version, reply.status, reply.phrase, reply.content) == ("1.1", 299, "Quite so", b"content"), reply
    assert reply.values("date") == ["Mon, 01 Jan 2024 00:00:00 GMT"], reply
    assert reply.values("server") == ["musterd"], reply
    assert reply.values("set-cookie") == ["a=b", "c=d"] and reply.value("etag") == '"1"', reply
    assert reply.value("x-ours") == "yes" and reply.value("x-always") == "yes", reply
    assert not reply.names() & {"x-hop", "keep-alive", "x-internal", "connection"}, reply


@test
def the_server_that_a_client_is_told(case):
    own = answering(reply_of(b"", "Server: app/1.0"))
    _, _, port = start(case, own, options="pass-header Server")
    with Client(port) as client:
        reply = client.ask("/")
        assert reply.values("server") == ["app/1.0"] and len(reply.values("date")) == 1, reply
    _, _, port = start(case, own, site="server-header no", name="quiet")
    with Client(port) as client:
        assert client.ask("/").values("server") == []


@for_both_modes
def replies_without_content(case):
    """Their fields may say what there would be: where they end is clear all the same."""
    replies = {"/head": reply_of(None, "Content-Length: 1000000"), "/chunked": reply_of(None, "Transfer-Encoding: chunked"),
               "/204": reply_of(None, status="204 No Content"),
               "/204-of-0": reply_of(None, "Content-Length: 0", status="204 No Content"), "/205": reply_of(b"", status="205 Reset Content"),
               "/304": reply_of(None, "Content-Length: 77", "ETag: \"x\"", status="304 Not Modified"),
               "/empty": reply_of(b""), "/end": reply_of(None)}
    upstream, _, port = start(case, answering(lambda request: replies[request.target]))
    with Client(port) as client:
        reply = client.ask("/head", "HEAD")
        assert reply.status == 200 and reply.value("content-length") == "1000000", reply
        assert client.ask("/chunked", "HEAD").status == 200
        assert client.ask("/end", "HEAD").status == 200
        for target in ("/204", "/204-of-0", "/205", "/304", "/empty"):
            reply = client.ask(target)
            assert target[:4] != "/204" or reply.length() is None, reply
            assert reply.content == b"" and not reply.is_chunked(), reply
            assert reply.value("etag") == ('"x"' if target == "/304" else None), reply
    assert len(upstream.links) == 1, "all of them leave the server's connection in order"


@for_both_modes
def clients_of_http_1_0(case):
    """They get no chunks, no interim replies, and a connection that goes on only if they ask for it."""
    replies = {"/length": reply_of(b"counted"), "/chunks": reply_of(chunks=[b"piece"] * 1000, trailers=["X-Trailer: 1"]),
               "/interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + reply_of(b"final")}
    _, _, port = start(case, answering(lambda request: replies[request.target]))
    with Client(port) as client:
        for _ in range(2):
            reply = client.ask("/length", "GET", "Connection: keep-alive", version="1.0")
            assert reply.content == b"counted" and reply.value("connection").lower() == "keep-alive", reply
        reply = client.ask("/chunks", "GET", "Connection: keep-alive", version="1.0")
        assert not reply.is_chunked() and reply.content == b"piece" * 1000 and client.is_at_end(), reply
    with Client(port) as client:
        reply = client.ask("/interim", version="1.0")
        assert reply.content == b"final" and not reply.interim and client.is_at_end(), reply


@for_both_modes
def servers_of_http_1_0(case):
    """Their content may end with the connection; ours to the client then is chunked, and goes on."""
    def script(link):
        while request := link.read():
            if request.target == "/end":
                link.send(reply_of(None, version="1.0") + b"until " + b"x" * 20000)
            elif request.target == "/kept":
                link.reply(b"of old", "Connection: keep-alive", version="1.0")
                continue
            else:
                link.reply(b"of old", version="1.0")
            return
    upstream, _, port = start(case, script)
    with Client(port) as client:
        for target in ("/kept", "/kept", "/length", "/length"):
            assert client.ask(target).content == b"of old"
        assert len(upstream.links) == 2, upstream.links
        reply = client.ask("/end")
        assert reply.is_chunked() and reply.content == b"until " + b"x" * 20000, reply
        assert client.ask("/kept").content == b"of old"
    with Client(port) as client:
        assert client.ask("/end", version="1.0").content == b"until " + b"x" * 20000


@for_both_modes
def interim_replies_are_passed_on(case):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n"
    mine = b"HTTP/1.1 199 Mine\r\nContent-Length: 0\r\n\r\n"
    # Nobody waits for 100 here.
    _, _, port = start(case, answering(early + b"HTTP/1.1 100 Continue\r\n\r\n" + mine + reply_of(b"final")))
    with Client(port) as client:
        for method, options in (("GET", {}), ("POST", {"content": b"x"})):
            reply = client.ask("/", method, **options)
            assert [one.status for one in reply.interim] == [103, 199] and reply.content == b"final", reply.interim
            assert reply.interim[0].fields == [("Link", "</a.css>; rel=preload")], reply.interim
    line = entries(case, 2)[0]
    assert (line["status"], line["bytes"]) == (200, 5), line


# ------------------------------------------------------------------------------- our own words about it

@for_both_modes
def pages_of_errors(case):
    """Those of the application are its own, unless they are to be replaced; ours are ours."""
    case.write("html/errors/page.html", "our page\n")
    site = "location /errors/ { root html }\nerror-page 404 502 /errors/page.html"
    replies = {404: reply_of(b"its page", "Set-Cookie: a=b", "Retry-After: 9", status="404 Not Found"),
               500: reply_of(chunks=[b"its ", b"page"], status="500 Oops")}
    upstream = Upstream(case, answering(lambda request: replies[int(request.target[1:])]))
    texts, ports = zip(*(gateway(case, upstream.address, f"intercept-errors {switch}", site, name=switch)
                         for switch in ("no", "yes")))
    gone, port_gone = gateway(case, f"127.0.0.1:{case.port()}", site=site, name="gone")
    case.server("".join(texts) + gone)
    with Client(ports[0]) as client:
        reply = client.ask("/404")
        assert (reply.status, reply.content, reply.value("set-cookie")) == (404, b"its page", "a=b"), reply
    with Client(ports[1]) as client:
        for _ in range(2):
            reply = client.ask("/404")
            assert (reply.status, reply.phrase, reply.content) == (404, "Not Found", b"our page\n"), reply
        assert reply.value("retry-after") == "9" and reply.value("set-cookie") is None, reply
        assert client.ask("/404", "HEAD").status == 404
        # There is no page for it.
        reply = client.ask("/500")
        assert (reply.status, reply.content) == (500, b"its page"), reply
    with Client(port_gone) as client:
        for _ in range(2):
            reply = client.ask("/")
            assert (reply.status, reply.content) == (502, b"our page\n"), reply


@for_both_modes
def what_is_logged_of_an_exchange(case):
    def reply(request):
        return reply_of(chunks=[b"x" * 1000, b"y" * 500]) if request.target == "/chunks" else \
            reply_of(b"counted", status="404 Not Found")
    _, server, port = start(case, answering(reply))
    with Client(port) as client:
        client.ask("/chunks", "GET", "Referer: http://example.test/", "User-Agent: tester")
        client.ask("/x?y", "PURGE", content=b"some content")
        client.ask("/x", "HEAD")
    found = [(line["method"], line["target"], line["status"], line["bytes"], line["count"]) for line in entries(case, 3)]
    assert found == [("GET", "/chunks", 200, 1500, 1), ("PURGE", "/x?y", 404, 7, 2), ("HEAD", "/x", 404, 0, 3)], found
    one = entries(case)[0]
    assert (one["referer"], one["user_agent"], one["host"]) == ("http://example.test/", "tester", "test"), one
    assert 0 < one["ttfb"] <= one["total"], one
    assert " warning" not in server.log().lower(), server.log()


@for_both_modes
def pipelined_requests_are_answered_in_order(case):
    upstream, _, port = start(case, answering(lambda request: reply_of(request.target.encode() + request.content)),
                              site='location /own { answer 200 "our own" }')
    with Client(port) as client:
        client.send(request_of("/1") + request_of("/2", "POST", content=b"content") + request_of("/own") +
                    request_of("/3", "POST", chunks=[b"some", b"thing"]) + request_of("/4", "HEAD") + request_of("/5"))
        for method, expected in (("GET", b"/1"), ("POST", b"/2content"), ("GET", b"our own"), ("POST", b"/3something"),
                                 ("HEAD", b""), ("GET", b"/5")):
            assert client.read_reply(method).content == expected, expected
    assert [request.target for request in upstream.requests] == ["/1", "/2", "/3", "/4", "/5"], upstream.requests


if __name__ == "__main__":
    main()
