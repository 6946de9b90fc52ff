#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Hosts, locations, and what can be said in them, as clients see it."""

import html
import os
import re
import socket

from harness import (TOP, Http, Skip, connect, deadline, for_both_modes, main, read_all, test,
                     wait_for)

# A direct worker waits only a second for a parked client: too short for us on a busy machine.
PARK = "timeout { park 1min }"


def serve(case, block, **options):
    """A server whose website says this, in the test's folder; its port."""
    text, port = case.service("http {\n" + block + "\n}", extra=PARK, **options)
    case.server(text)
    return port


def source(address, port, host="127.0.0.1"):
    """A connection from this address."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.settimeout(deadline())
    try:
        sock.bind((address, 0))
        sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def ask(port, path="/", host="test", method="GET", headers=(), sock=None):
    """One request on a connection of its own. In the response `lines` are the header lines as sent."""
    sock = sock or connect(port)
    with sock:
        request = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        sock.sendall("\r\n".join([*request, "", ""]).encode("latin-1"))
        data = read_all(sock)
    assert b"\r\n\r\n" in data, data
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    return Answer(int(lines[0].split()[1]), lines[1:], body)


class Answer:
    def __init__(self, status, lines, body):
        self.status, self.lines, self.body = status, lines, body

    def all(self, name):
        """The values of all header lines of that name."""
        return [line.split(":", 1)[1].strip() for line in self.lines
                if line.lower().startswith(name.lower() + ":")]

    def get(self, name):
        values = self.all(name)
        assert len(values) < 2, f"{name} is sent {len(values)} times: {self.lines}"
        return values[0] if values else None

    def __repr__(self):
        return f"<{self.status} {self.lines} {self.body[:200]!r}>"


def expect(port, path, status, body=None, **options):
    got = ask(port, path, **options)
    assert got.status == status, f"{path} {options}: {got}, not {status}"
    if body is not None:
        assert got.body == body, f"{path} {options}: {got}, not {body!r}"
    return got


# ----------------------------------------------------------------------------------------- hosts

HOSTS = """
    root html/default
    host one.example { alias www.one.example; root html/one }
    host *.wild.example { root html/wild }
    host exact.wild.example { root html/exact }
    host [2001:db8::1] { root html/six }
"""


def host_site(case):
    for name in ("default", "one", "wild", "exact", "six"):
        case.write(f"html/{name}/index.html", name)
    return serve(case, HOSTS)


@for_both_modes
def a_host_is_known_by_its_names(case):
    port = host_site(case)
    for host, name in (("one.example", "one"), ("ONE.Example", "one"), ("one.example.", "one"),
                       (f"one.example:{port}", "one"), ("one.example.:80", "one"),
                       ("www.one.example", "one"), ("a.wild.example", "wild"),
                       ("a.b.wild.example:80", "wild"), ("exact.wild.example", "exact"),
                       ("a.exact.wild.example", "wild"), ("wild.example", "default"),
                       ("xwild.example", "default"), ("[2001:db8::1]:80", "six"),
                       ("unknown.example", "default"), ("", "default")):
        expect(port, "/", 200, name.encode(), host=host)


@for_both_modes
def the_host_of_an_absolute_target_goes_before_the_field(case):
    port = host_site(case)
    expect(port, "http://one.example/", 200, b"one", host="exact.wild.example")
    expect(port, "http://ONE.example:80/index.html", 200, b"one", host="exact.wild.example")
    expect(port, "http://unknown.example/", 200, b"default", host="one.example")


@for_both_modes
def without_a_host_the_handler_answers(case):
    port = host_site(case)
    with Http(port) as http:
        http.send("GET / HTTP/1.0\r\n\r\n")
        assert http.read().body == b"default"


@for_both_modes
def files_of_the_same_path_are_each_hosts_own(case):
    port = host_site(case)
    with Http(port) as http:
        for _ in range(3):  # the later ones from the cache
            for host, name in (("one.example", b"one"), ("x", b"default"),
                               ("a.wild.example", b"wild"), ("exact.wild.example", b"exact")):
                http.send(f"GET /index.html HTTP/1.1\r\nHost: {host}\r\n\r\n")
                assert http.read().body == name, host


# ------------------------------------------------------------------------------------- locations

@for_both_modes
def locations_hold_for_the_paths_that_they_match(case):
    for path in ("index.html", "static/a.txt", "static/deep/a.php", "statics", "a.php", "b/a.php",
                 "robots.txt", "with blank/ü.txt"):
        case.write("html/" + path, path)
    port = serve(case, """
        root html
        header X-Base base
        location /static/ { header X-Static handler; header X-Both handler }
        location /static/deep { header X-Deep yes }
        location *.php { header X-Ending php }
        location =/a.php { header X-Exact yes; header X-Ending exact }
        location "/with blank" { header X-Blank yes }
        host h {
            location /static { header X-Both host }
            location =/robots.txt { header X-Robots yes }
        }
    """)

    def own(path, host="test"):
        got = expect(port, path, 200, host=host)
        return {line.split(": ")[0][2:].lower(): line.split(": ")[1] for line in got.lines
                if line.startswith("X-") and not line.startswith("X-Content")}

    assert own("/") == {"base": "base"}
    static = {"base": "base", "static": "handler", "both": "handler"}
    assert own("/static/a.txt") == static
    assert own("/static/a.txt?query=/static/deep") == static
    assert own("/statics") == {"base": "base"}
    assert own("/static/deep/a.php") == {**static, "deep": "yes", "ending": "php"}
    assert own("/a.php") == {"base": "base", "ending": "exact", "exact": "yes"}
    assert own("/b/a.php") == {"base": "base", "ending": "php"}
    # The host's block of the same text comes behind the handler's.
    assert own("/static/a.txt", "h") == {**static, "both": "host"}
    assert own("/robots.txt", "h") == {"base": "base", "robots": "yes"}
    assert own("/robots.txt") == {"base": "base"}
    # The path is compared as it means, not as it is spelt.
    assert own("/%73tatic/a.txt") == static
    assert own("//static/./a.txt") == static
    assert own("/x/../static/a.txt") == static
    assert own("/a%2Ephp") == own("/a.php")
    assert own("/with%20blank/%C3%BC.txt") == {"base": "base", "blank": "yes"}


@for_both_modes
def a_location_can_have_a_root_of_its_own(case):
    case.write("html/index.html", "main")
    case.write("html/docs/a.html", "main docs")
    case.write("other/docs/a.html", "other docs")
    case.write("app/a.html", "stripped")
    case.write("app/sub/index.html", "stripped sub")
    case.write("app/index.html", "stripped index")
    port = serve(case, """
        root html
        location /docs/ { root other }
        location /app/ { root app; strip-prefix yes }
        location /app/plain/ { strip-prefix no }
    """)
    expect(port, "/", 200, b"main")
    expect(port, "/docs/a.html", 200, b"other docs")
    expect(port, "/app/a.html", 200, b"stripped")
    expect(port, "/app/", 200, b"stripped index")
    expect(port, "/app/sub/", 200, b"stripped sub")
    expect(port, "/app/app/a.html", 404)
    expect(port, "/app/plain/a.html", 404)
    for path in ("/app", "/app/sub", "/docs"):
        got = expect(port, path + "?q=1", 301)
        assert got.get("Location") == path + "/?q=1", got
    expect(port, "/app/..%2fhtml/index.html", 404)
    # A path that climbs out of the prefix is no longer below it.
    expect(port, "/app/../index.html", 200, b"main")


@for_both_modes
def a_denied_path_is_denied_however_it_is_spelt(case):
    case.write("html/index.html", "main")
    case.write("html/private/a.txt", "private")
    case.write("html/a.bak", "bak")
    port = serve(case, """
        root html
        location /private { deny all }
        location *.bak { deny all }
    """)
    for path in ("/private", "/private/", "/private/a.txt", "/private/none", "/%70rivate/a.txt",
                 "//private//a.txt", "/x/../private/a.txt", "/./private/a.txt", "/private/?x",
                 "/private%2e/../private/a.txt", "/a.bak", "/a.ba%6b", "/a.bak?x=.html", "/x/../a.bak"):
        got = ask(port, path)
        assert got.status == 403 and b"private" not in got.body, f"{path}: {got}"
    for path in ("/private%2fa.txt", "/PRIVATE/a.txt", "/privat", "/private.txt", "/private/../none"):
        expect(port, path, 404)
    expect(port, "http://x/private/a.txt", 403)


# ------------------------------------------------------------------------------------------- try

@for_both_modes
def paths_are_tried_in_turn(case):
    case.write("html/index.html", "app")
    case.write("html/a.txt", "a")
    case.write("html/page.html", "page")
    case.write("html/sub/index.html", "sub")
    case.write("html/assets/x.js", "x")
    case.write("html/sites/one.example/a.txt", "one's a")
    port = serve(case, """
        root html
        try "{path}" "{path}.html" "{path}/" /index.html
        location /assets/ { try "{path}" =410 }
        location /old/ { try "/{rest}" "/{rest}.html" }
        location /host/ { try "/sites/{host}/{rest}" }
        location /plain/ { try "{path}" }
    """)
    expect(port, "/", 200, b"app")
    expect(port, "/a.txt", 200, b"a")
    expect(port, "/page", 200, b"page")
    expect(port, "/page.html", 200, b"page")
    expect(port, "/sub/", 200, b"sub")
    got = expect(port, "/sub?q", 301)
    assert got.get("Location") == "/sub/?q", got
    for path in ("/some/view", "/some/view/", "/none.html", "/page.html/"):
        got = expect(port, path, 200, b"app")
        assert got.get("Content-Type").startswith("text/html"), got
    expect(port, "/assets/x.js", 200, b"x")
    expect(port, "/assets/none.js", 410)
    expect(port, "/old/a.txt", 200, b"a")
    expect(port, "/old/page", 200, b"page")
    expect(port, "/old/none", 404)
    expect(port, "/host/a.txt", 200, b"one's a", host="ONE.example:80")
    expect(port, "/host/a.txt", 404, host="two.example")
    expect(port, "/host/a.txt", 404, host="..")
    expect(port, "/host/index.html", 400, host="../..")
    expect(port, "/plain/none", 404)


@for_both_modes
def what_is_said_of_a_tried_path_holds_for_it(case):
    case.write("html/index.html", "app")
    case.write("html/closed.html", "closed")
    port = serve(case, """
        root html
        try "{path}" "{path}.html" /index.html
        location /index.html { expires 0 }
        location *.html { header X-Html yes }
        location =/closed.html { deny all }
    """)
    got = expect(port, "/view", 200, b"app")
    assert got.get("X-Html") == "yes" and got.get("Cache-Control") == "no-cache", got
    expect(port, "/closed", 403)
    expect(port, "/closed.html", 403)


@for_both_modes
def what_is_said_of_an_index_file_holds_for_its_folder(case):
    case.write("html/index.html", "start")
    case.write("html/a/index.php", "source of a")
    case.write("html/a/index.html", "a")
    case.write("html/b/index.html", "b")
    case.write("html/c/index.html", "c")
    port = serve(case, """
        root html
        index index.php index.html
        location *.html { header X-Html yes; expires 0 }
        location *.php { deny all }
        location =/b/ { allow 127.0.0.1 }
        location =/c/index.html { allow 127.0.0.1; header X-Exact yes }
    """)
    # The first from disk, the others perhaps from the cache.
    for _ in range(3):
        got = expect(port, "/", 200, b"start")
        assert got.get("X-Html") == "yes" and got.get("Cache-Control") == "no-cache", got
        got = expect(port, "/a/", 403)
        assert b"source" not in got.body, got
        expect(port, "/a/index.html", 200, b"a")
        expect(port, "/b/", 200, b"b")
        expect(port, "/b/", 403, sock=source("127.0.0.2", port))
        expect(port, "/b/index.html", 200, b"b", sock=source("127.0.0.2", port))
        assert expect(port, "/c/", 200, b"c").get("X-Exact") == "yes"
        expect(port, "/c/", 403, sock=source("127.0.0.2", port))
        expect(port, "/c/index.html", 403, sock=source("127.0.0.2", port))


@for_both_modes
def what_was_served_in_place_of_another_path_changes_nothing_for_its_own(case):
    case.write("html/index.html", "app")
    case.write("html/404.html", "the page")
    case.write("html/a", "plain a")
    port = serve(case, """
        root html
        try "{path}.html" "{path}" /index.html
        error-page 404 /404.html
        location =/index.html { redirect 301 / }
        location =/404.html { answer 410 }
        location =/none { answer 404 }
    """)
    for _ in range(3):
        expect(port, "/view", 200, b"app")
        assert expect(port, "/index.html", 301).get("Location") == "/"
        expect(port, "/none", 404, b"the page")
        expect(port, "/404.html", 410)
        expect(port, "/a", 200, b"plain a")
    case.write("html/a.html", "the page a")
    expect(port, "/a", 200, b"the page a")


# --------------------------------------------------------------------------- redirects and answers

@for_both_modes
def redirects_with_each_placeholder(case):
    port = serve(case, """
        redirect 301 "https://{host}{uri}"
        location =/default { redirect /elsewhere }
        location =/path { redirect 302 "/new{path}" }
        location =/query { redirect 303 "/new{query}" }
        location =/more { redirect 307 "/new?a=b{query}" }
        location /old/ { redirect 308 "/new/{rest}{query}" }
        location /bare { redirect 308 "/{rest}" }
        location /there/ { redirect "https://there.example{rest}" }
        location /lit { redirect "https://there.example:8443/a%20b#c" }
    """)
    for path, host, status, target in (
            ("/", "one.example", 301, "https://one.example/"),
            ("/a/b?c=d&e", "one.example:8080", 301, "https://one.example/a/b?c=d&e"),
            ("/a%20b%C3%BC?c%20d", "one.example.", 301, "https://one.example/a%20b%C3%BC?c%20d"),
            ("/a//b/./c/../d", "[::1]:80", 301, "https://[::1]/a/b/d"),
            ("http://abs.example:81/x", "one.example", 301, "https://abs.example/x"),
            ("/default?q", "h", 302, "/elsewhere"),
            ("/path?q", "h", 302, "/new/path"),
            ("/query?q=1", "h", 303, "/new?q=1"),
            ("/query", "h", 303, "/new"),
            ("/more?q=1", "h", 307, "/new?a=b&q=1"),
            ("/old/x/y?z", "h", 308, "/new/x/y?z"),
            ("/old", "h", 308, "/new/"),
            ("/bare/evil.example/", "h", 308, "/evil.example/"),
            ("/bare//evil.example/", "h", 308, "/evil.example/"),
            ("/bare/%5Cevil.example", "h", 308, "/%5Cevil.example"),
            ("/there/x", "h", 302, "https://there.example/x"),
            ("/there/@evil.example", "h", 302, "https://there.example/%40evil.example"),
            ("/there", "h", 302, "https://there.example/"),
            ("/lit/x", "h", 302, "https://there.example:8443/a%20b#c")):
        got = expect(port, path, status, host=host)
        assert got.get("Location") == target, f"{path} of {host}: {got}, not {target}"


@for_both_modes
def nothing_of_a_client_ends_a_header_line(case):
    port = serve(case, 'redirect "/n{uri}"; location /p { redirect "https://{host}{path}" }')
    for path, target in (("/%0d%0aX-Evil:%20yes", "/n/%0D%0AX-Evil%3A%20yes"),
                         ("/a%0D%0A%0D%0A%3Chtml%3E", "/n/a%0D%0A%0D%0A%3Chtml%3E"),
                         ("/x?%0d%0aX-Evil:yes", "/n/x?%0d%0aX-Evil:yes"),
                         ("/p/%0aX-Evil:a", "https://test/p/%0AX-Evil%3Aa"),
                         ("/%E2%80%A8x", "/n/%E2%80%A8x"), ("/a%09b", "/n/a%09b")):
        got = expect(port, path, 302)
        assert got.get("Location") == target and got.get("X-Evil") is None, got


@for_both_modes
def a_redirect_to_the_host_needs_one(case):
    port = serve(case, 'redirect "https://{host}{uri}"')
    with Http(port) as http:
        http.send("GET /a HTTP/1.0\r\n\r\n")
        got = http.read()
        assert got.status == 400 and "location" not in got.headers, got


@for_both_modes
def a_redirect_is_for_all_methods(case):
    port = serve(case, 'redirect 308 "/new{path}"; location /gone { answer 410 }')
    got = ask(port, "/a", method="POST", headers=["Content-Length: 0"])
    assert (got.status, got.get("Location")) == (308, "/new/a"), got
    got = ask(port, "/gone", method="DELETE")
    assert got.status == 410, got
    got = ask(port, "/a", method="HEAD")
    assert (got.status, got.get("Location"), got.body) == (308, "/new/a", b""), got


@for_both_modes
def answers_without_files(case):
    case.write("html/a.txt", "a")
    case.write("html/gone.html", "the gone page")
    port = serve(case, r"""
        answer 404
        error-page 410 /gone.html
        location =/robots.txt { answer 200 "User-agent: *\nDisallow:\n" }
        location =/none { answer 204 }
        location =/busy { answer 503 "come back later\n"; header Retry-After 60 always }
        location /files/ { root html; strip-prefix yes }
        location =/gone { answer 410 }
        location =/gone.html { root html }
    """)
    expect(port, "/", 404)
    got = expect(port, "/robots.txt", 200, b"User-agent: *\nDisallow:\n")
    assert got.get("Content-Type").startswith("text/plain"), got
    expect(port, "/robots.txt", 200, b"", method="HEAD")
    expect(port, "/none", 204, b"")
    got = expect(port, "/busy", 503, b"come back later\n")
    assert got.get("Retry-After") == "60", got
    expect(port, "/files/a.txt", 200, b"a")
    expect(port, "/gone", 410, b"the gone page")


@for_both_modes
def a_file_below_a_redirect_is_served(case):
    case.write("acme/.well-known/acme-challenge/token", "proof")
    case.write("html/index.html", "www")
    port = serve(case, """
        redirect 301 "https://{host}{uri}"
        location /.well-known/acme-challenge/ { root acme }
        host www.example { root html }
        host old.example { redirect 301 "https://www.example{uri}" }
    """)
    for host in ("any.example", "www.example", "old.example"):
        expect(port, "/.well-known/acme-challenge/token", 200, b"proof", host=host)
    expect(port, "/.well-known/acme-challenge/none", 404, host="any.example")
    assert expect(port, "/x", 301, host="any.example").get("Location") == "https://any.example/x"
    assert expect(port, "/x", 301, host="old.example").get("Location") == "https://www.example/x"
    expect(port, "/", 200, b"www", host="www.example")


# ---------------------------------------------------------------------------------------- access

ACCESS = """
    root html
    location /local/ { allow 127.0.0.1 ::1 unix }
    location /nets/ { allow 127.0.0.0/8; deny 127.0.0.2; allow 127.0.0.2/31 }
    location /shut/ { deny all; allow unix }
    location /shut/open.txt { allow all }
"""


@for_both_modes
def who_is_let_in(case):
    for path in ("local/a.txt", "nets/a.txt", "shut/a.txt", "shut/open.txt"):
        case.write("html/" + path, path)
    port = serve(case, ACCESS)

    def status(address, path):
        return ask(port, path, sock=source(address, port)).status

    # The allowed one first, so that the file is in the cache when the others come; and the other way round.
    for _ in range(2):
        for address, path, wanted in (
                ("127.0.0.1", "/local/a.txt", 200), ("127.0.0.2", "/local/a.txt", 403),
                ("127.0.0.2", "/nets/a.txt", 403), ("127.0.0.1", "/nets/a.txt", 200),
                ("127.0.0.3", "/nets/a.txt", 200), ("127.0.0.1", "/shut/a.txt", 403),
                ("127.0.0.1", "/shut/open.txt", 200), ("127.0.0.2", "/local/none", 403),
                ("127.0.0.1", "/local/none", 404)):
            got = status(address, path)
            assert got == wanted, f"{path} from {address}: {got}, not {wanted}"


@for_both_modes
def who_is_let_in_over_ipv6_and_unix(case):
    for path in ("local/a.txt", "nets/a.txt", "shut/a.txt"):
        case.write("html/" + path, path)
    port = case.port()
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        raise Skip("there is no IPv6 here") from None
    path = case.folder / "x.sock"
    text, _ = case.service("http {" + ACCESS + "}", extra=PARK, listen=f"*:{port} unix:{path}")
    case.server(text)

    def status(target, **where):
        return ask(port, target, sock=connect(port, **where)).status

    assert status("/local/a.txt", host="::1") == 200
    assert status("/nets/a.txt", host="::1") == 403
    assert status("/shut/a.txt", host="::1") == 403
    # An IPv4 client of a listener of both families is what it is.
    assert status("/nets/a.txt") == 200
    assert ask(port, "/local/a.txt", sock=source("127.0.0.2", port)).status == 403
    assert status("/local/a.txt", host=path) == 200
    assert status("/shut/a.txt", host=path) == 200
    assert status("/nets/a.txt", host=path) == 403


# ------------------------------------------------------------------------------------ error pages

@for_both_modes
def error_pages_keep_the_status(case):
    case.write("html/404.html", "<h1>not here</h1>")
    case.write("html/shop/404.html", "<h1>sold out</h1>")
    case.write("html/private/a", "private")
    case.write("html/private/403.html", "<h1>keep out</h1>")
    port = serve(case, """
        root html
        error-page 404 /404.html
        error-page 403 /private/403.html
        error-page 405 /no-such-page.html
        location /shop/ { error-page 404 /shop/404.html; header X-Shop yes }
        location /private/ { deny all }
        location =/404.html { header X-Page yes }
    """)
    got = expect(port, "/none", 404, b"<h1>not here</h1>")
    assert got.get("Content-Type").startswith("text/html"), got
    assert got.get("Last-Modified") is None and got.get("ETag") is None, got
    expect(port, "/shop/none", 404, b"<h1>sold out</h1>")
    expect(port, "/none", 404, b"", method="HEAD")
    # Who is refused sees the page, though its own path is refused too.
    expect(port, "/private/a", 403, b"<h1>keep out</h1>")
    expect(port, "/private/403.html", 403, b"<h1>keep out</h1>")
    # The page itself, asked for, is a file like others.
    expect(port, "/404.html", 200, b"<h1>not here</h1>")
    # Neither conditions nor ranges are about it.
    got = expect(port, "/none", 404, b"<h1>not here</h1>",
                 headers=["Range: bytes=0-3", "If-None-Match: *"])
    # A page that is missing leaves the small one, and no loop.
    got = expect(port, "/404.html", 405, method="POST", headers=["Content-Length: 0"])
    assert b"405" in got.body and got.get("Allow"), got
    case.servers[0].wait_log("warning .*cannot use the error page /no-such-page.html: status 404")
    # The connection goes on.
    with Http(port) as http:
        assert http.get("/none").status == 404
        assert http.get("/404.html").status == 200


# ---------------------------------------------------------------------------------------- headers

@for_both_modes
def headers_are_added_replaced_and_taken_away(case):
    case.write("html/a.txt", "a")
    case.write("html/x/a.txt", "xa")
    case.write("html/x/y/a.txt", "xya")
    port = serve(case, """
        root html
        header X-One "one and only"
        header X-Two two always
        header X-Three three
        location /x/ { header x-one other; header X-Three ""; header Link </a>; header Link </b> }
        location /x/y/ { header X-Three back always; header X-Two late }
        location /go { redirect /there }
    """)
    got = expect(port, "/a.txt", 200)
    assert (got.get("X-One"), got.get("X-Two"), got.get("X-Three")) == ("one and only", "two", "three"), got
    got = expect(port, "/x/a.txt", 200)
    assert (got.get("X-One"), got.get("X-Two"), got.get("X-Three")) == ("other", "two", None), got
    assert got.all("Link") == ["</a>", "</b>"], got
    got = expect(port, "/x/y/a.txt", 200)
    assert (got.get("X-Two"), got.get("X-Three")) == ("late", "back"), got
    # On errors those only that say so.
    got = expect(port, "/none", 404)
    assert (got.get("X-One"), got.get("X-Two"), got.get("X-Three")) == (None, "two", None), got
    got = expect(port, "/x/y/none", 404)
    assert (got.get("X-Two"), got.get("X-Three")) == (None, "back"), got
    got = expect(port, "/go", 302)
    assert got.get("X-One") == "one and only", got
    # On parts, and where nothing was modified.
    got = expect(port, "/a.txt", 206, headers=["Range: bytes=0-0"])
    assert got.get("X-One") == "one and only", got
    etag = expect(port, "/a.txt", 200).get("ETag")
    got = expect(port, "/a.txt", 304, headers=[f"If-None-Match: {etag}"])
    assert got.get("X-One") == "one and only", got


@for_both_modes
def freshness_encoding_and_guessing(case):
    for path in ("a.txt", "never/a.txt", "ask/a.txt", "long/a.txt"):
        case.write("html/" + path, path)
    port = serve(case, """
        root html
        expires 10min
        location /never/ { expires no; charset iso-8859-15; nosniff no }
        location /ask/ { expires 0; charset no }
        location /long/ { expires 365d; header Cache-Control immutable }
    """)
    got = expect(port, "/a.txt", 200)
    assert got.get("Cache-Control") == "max-age=600" and got.get("Expires"), got
    assert got.get("Content-Type") == "text/plain; charset=utf-8", got
    assert got.get("X-Content-Type-Options") == "nosniff", got
    got = expect(port, "/never/a.txt", 200)
    assert got.get("Cache-Control") is None and got.get("Expires") is None, got
    assert got.get("Content-Type") == "text/plain; charset=iso-8859-15", got
    assert got.get("X-Content-Type-Options") is None, got
    got = expect(port, "/ask/a.txt", 200)
    assert got.get("Cache-Control") == "no-cache" and got.get("Content-Type") == "text/plain", got
    got = expect(port, "/long/a.txt", 200)
    assert sorted(got.all("Cache-Control")) == ["immutable", "max-age=31536000"], got
    # Errors are not kept for as long as files are.
    assert expect(port, "/long/none", 404).get("Expires") is None


@for_both_modes
def what_is_no_file_says_what_files_say(case):
    case.write("html/list/a.txt", "a")
    case.write("html/404.html", "none")
    port = serve(case, """
        root html
        listing yes
        error-page 404 /404.html
        location /moved/ { redirect 301 /list/; expires 1h }
        location =/text { answer 200 "text"; expires 0 }
        location /plain/ { redirect /list/; nosniff no }
        location /list/kept/ { expires 10min }
        location /list/private/ { header Cache-Control private }
    """)
    for name in ("kept", "private"):
        (case.folder / "html/list" / name).mkdir()
    got = expect(port, "/moved/", 301)
    assert got.all("Cache-Control") == ["max-age=3600"] and len(got.all("Expires")) == 1, got
    assert got.all("X-Content-Type-Options") == ["nosniff"], got
    got = expect(port, "/text", 200, b"text")
    assert got.all("Cache-Control") == ["no-cache"] and got.get("Expires") is None, got
    assert got.get("X-Content-Type-Options") == "nosniff", got
    got = expect(port, "/plain/", 302)
    assert got.get("Cache-Control") is None and got.get("X-Content-Type-Options") is None, got
    assert expect(port, "/none", 404, b"none").all("X-Content-Type-Options") == ["nosniff"]
    # A folder's page is not kept, unless that is what is said.
    assert expect(port, "/list/", 200).all("Cache-Control") == ["no-cache"]
    assert expect(port, "/list/kept/", 200).all("Cache-Control") == ["max-age=600"]
    assert expect(port, "/list/private/", 200).all("Cache-Control") == ["private"]


# ---------------------------------------------------------------------------- folders and links

@for_both_modes
def the_log_says_why_a_file_is_refused(case):
    case.write("html/a.txt", "a")
    case.write("secret.txt", "secret")
    (case.folder / "html/out.txt").symlink_to(case.folder / "secret.txt")
    port = serve(case, "root html")
    expect(port, "/none", 404)
    expect(port, "/out.txt", 403)
    case.servers[0].wait_log("warning .*cannot open /.*/html/out.txt: .*symbolic link")


@for_both_modes
def folders_are_listed_where_it_is_said(case):
    case.write("html/open/a & b.txt", "a")
    case.write("html/open/.dotfile", "dot")
    case.write("html/open/shut/x.txt", "x")
    case.write("html/open/index/index.html", "index")
    case.write("html/closed/a.txt", "a")
    port = serve(case, """
        root html
        location /open/ { listing yes }
        location /open/shut/ { listing no }
    """)
    got = expect(port, "/open/", 200)
    assert "a & b.txt" in html.unescape(got.body.decode()) and b"a & b" not in got.body, got.body
    assert b"dotfile" not in got.body, got.body
    assert got.get("Content-Type").startswith("text/html"), got
    expect(port, "/open/", 200, b"", method="HEAD")
    assert expect(port, "/open", 301).get("Location") == "/open/"
    expect(port, "/open/index/", 200, b"index")
    expect(port, "/open/shut/", 403)
    expect(port, "/closed/", 403)
    expect(port, "/open/none/", 404)


@for_both_modes
def links_lead_out_of_the_root_only_where_it_is_said(case):
    outside = case.write("outside/secret.txt", "secret")
    case.write("html/in.txt", "inside")
    case.write("html/lax/x", "x")
    for where in ("html", "html/lax", "html/lax/strict"):
        (case.folder / where).mkdir(exist_ok=True)
        (case.folder / where / "out.txt").symlink_to(outside)
        (case.folder / where / "folder").symlink_to(outside.parent)
        (case.folder / where / "within.txt").symlink_to(os.path.relpath(case.folder / "html/in.txt",
                                                                       case.folder / where))
        (case.folder / where / "gone.txt").symlink_to("no-such-file")
    port = serve(case, """
        root html
        location /lax/ { follow-symlinks yes }
        location /lax/strict/ { follow-symlinks no }
    """)
    for _ in range(2):
        for where in ("", "/lax/strict"):
            expect(port, where + "/within.txt", 200, b"inside")
            for path in ("/out.txt", "/folder/secret.txt", "/folder/", "/folder"):
                got = ask(port, where + path)
                assert got.status in (403, 404) and b"secret" not in got.body, f"{path}: {got}"
            expect(port, where + "/gone.txt", 404)
        expect(port, "/lax/within.txt", 200, b"inside")
        expect(port, "/lax/out.txt", 200, b"secret")
        expect(port, "/lax/folder/secret.txt", 200, b"secret")
        assert expect(port, "/lax/folder", 301).get("Location") == "/lax/folder/"
        expect(port, "/lax/gone.txt", 404)


@for_both_modes
def variants_are_sent_where_it_is_said(case):
    for where in ("yes", "no"):
        case.write(f"html/{where}/a.txt", "plain")
        case.write(f"html/{where}/a.txt.gz", "not really gzip")
    port = serve(case, "root html; location /yes/ { precompressed yes }")
    accept = ["Accept-Encoding: gzip"]
    got = expect(port, "/yes/a.txt", 200, b"not really gzip", headers=accept)
    assert got.get("Content-Encoding") == "gzip" and got.get("Vary") == "Accept-Encoding", got
    got = expect(port, "/yes/a.txt", 200, b"plain")
    assert got.get("Content-Encoding") is None and got.get("Vary") == "Accept-Encoding", got
    got = expect(port, "/no/a.txt", 200, b"plain", headers=accept)
    assert got.get("Content-Encoding") is None and got.get("Vary") is None, got


# ---------------------------------------------------------------------------------- log and reload

@for_both_modes
def what_is_not_to_be_logged_is_not(case):
    case.write("html/a.txt", "a")
    case.write("html/quiet/a.txt", "a")
    port = serve(case, """
        root html
        access-log access.log
        access-log-format common
        location /quiet/ { log no }
        location =/quiet/loud { log yes }
    """)
    for path in ("/a.txt", "/quiet/a.txt", "/quiet/none", "/quiet/loud", "/none"):
        ask(port, path)
    log = case.folder / "access.log"
    wait_for(lambda: log.read_text().count("\n") >= 3, "three lines of the access log")
    lines = log.read_text()
    # Several workers may have written them in any order.
    assert sorted(re.findall(r'"GET (\S+) HTTP/1.1"', lines)) == ["/a.txt", "/none", "/quiet/loud"], lines


@for_both_modes
def a_reload_changes_what_is_said_of_a_location(case):
    case.write("html/a/x.txt", "file")

    def conf(inside):
        return f"service svc {{\nlisten 127.0.0.1:{port}\nworkers 2\nconnections {case.connections}\n" \
               f"{PARK}\nhandler http {{\nroot html\nlocation /a/ {{ {inside} }}\n}}\n}}\n"

    def answers(status, name, value):
        """An old worker that has not been told yet may take one more connection."""
        wait_for(lambda: (got := ask(port, "/a/x.txt")).status == status and got.get(name) == value,
                 f"{status} with {name}: {value}")

    port = case.port()
    server = case.server(conf("header X-Turn one"))
    assert expect(port, "/a/x.txt", 200).get("X-Turn") == "one"
    case.conf(conf("header X-Turn two"))
    server.reload()
    answers(200, "X-Turn", "two")
    case.conf(conf("deny all"))
    server.reload()
    answers(403, "X-Turn", None)
    # A mistake is refused, and what holds goes on.
    case.conf(conf("redirect 301"))
    after = server.log_size()
    server.reload()
    server.wait_log(r"musterd.conf:\d+:\d+: `redirect 301` lacks where to", after)
    expect(port, "/a/x.txt", 403)
    case.conf(conf("redirect 301 /b/"))
    server.reload()
    answers(301, "Location", "/b/")


# ------------------------------------------------------------------------------------- the manual

@test
def the_examples_of_the_manual_are_right(case):
    manual = (TOP / "man/musterd.conf.5.in").read_text()
    part = manual[manual.index(".Sh WEBSITES"):manual.index(".Sh ACCESS LOG")]
    examples = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", part, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 6, examples
    for number, example in enumerate(examples):
        text = example.replace("\\e", "\\").replace("/srv/", f"{case.folder}/srv/")
        for folder in re.findall(r"(/\S+/srv/\S+)", text):
            os.makedirs(folder, exist_ok=True)
        if not text.startswith("service"):
            text = "service a {\nlisten *:8080\n" + text + "}\n"
        case.run("-t", "-c", case.conf(text, f"{number}.conf"), status=0)


if __name__ == "__main__":
    main()
