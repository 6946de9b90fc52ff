#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A WSGI application behind musterd: under gunicorn with `proxy`, over TCP and a Unix socket, and under uWSGI with `uwsgi`,
`scgi` and `proxy`. What the application is told, and that content goes through whole, both ways, in its time.
"""

import http.client

from backends import FOLDER, LIMITS, Application, Client, arrives_in_parts, ask, noise, pieces, reload_under, sha256
from harness import for_both_modes, main, test, wait_for
from tools import run, tool

LARGE = 5_000_000


def environ(case):
    page = case.folder / "page.bin"
    page.write_bytes(noise(150_000))
    return {"PAGE": str(page), "PYTHONPATH": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}


def gunicorn(case, at=None, *arguments, name="gunicorn"):
    """gunicorn with threads, which keeps connections open."""
    at = at or case.folder / f"{name}.sock"
    bind = f"127.0.0.1:{at}" if isinstance(at, int) else f"unix:{at}"
    command = [tool("gunicorn"), "--bind", bind, "--workers", 2, "--threads", 4, "--worker-tmp-dir", case.folder, *arguments,
               "wsgi:application"]
    return Application(case, name, command, at, environ(case))


def uwsgi(case, protocol):
    program = tool("uwsgi", "uwsgi-core uwsgi-plugin-python3")
    if run(case, program, "--plugin", "python3", "--version", status=None).returncode:
        case.skip("uwsgi has no Python (Debian: apt-get install uwsgi-plugin-python3)")
    at = case.folder / f"{protocol}.sock"
    command = [program, "--plugin", "python3", "--master", "--processes", 2, "--need-app", "--disable-logging", "--die-on-term",
               "--chmod-socket=666", "--socket-timeout", 60, f"--{protocol}-socket", at, "--wsgi-file", FOLDER / "wsgi.py"]
    return Application(case, protocol, command, at, environ(case))


def in_front(case, gateway, location="/", workers=2, directives="", **options):
    """A server of nothing but the gateway; it and its port."""
    handler = f"http {{\n{directives}\nlocation {location} {{ {gateway} }}\n}}"
    text, port = case.service(handler, workers=workers, extra=LIMITS, **options)
    return case.server(text), port


def goes_through(port):
    """Content of all sizes, with a length and in chunks."""
    for size in 0, 1, 16_384, 70_000, LARGE:
        data = noise(size)
        for body in data, pieces(data):
            told = ask(port, "/told", "POST", body, {"Content-Type": "application/octet-stream"}).json()
            assert (told["length"], told["sha256"]) == (size, sha256(data)), (size, type(body), told)


# ------------------------------------------------------------------------------------ gunicorn

@for_both_modes
def gunicorn_is_told_who_asks(case):
    app = gunicorn(case, case.port())
    _, port = in_front(case, f"proxy http://{app.address} {{ }}")
    for _ in range(3):
        told = ask(port, "/told?x=1%202", headers={
            "Host": f"www.example.org:{port}", "X-Some-Thing": "said", "X-Forwarded-For": "192.0.2.1",
            "X-Forwarded-Proto": "https", "Forwarded": "for=192.0.2.2", "Connection": "close, X-Hop",
            "X-Hop": "1"}).json()["environ"]
        for name, value in {
                "REQUEST_METHOD": "GET", "PATH_INFO": "/told", "QUERY_STRING": "x=1%202", "HTTP_HOST": f"www.example.org:{port}",
                "HTTP_X_SOME_THING": "said", "HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "http",
                "HTTP_X_FORWARDED_HOST": f"www.example.org:{port}", "HTTP_X_FORWARDED_PORT": str(port),
                "wsgi.url_scheme": "http"}.items():
            assert told.get(name) == value, f"{name} is {told.get(name)!r}, not {value!r}"
        # A client that is not trusted tells nothing about itself, and what is about its connection ends with us.
        assert "192.0.2" not in told["HTTP_FORWARDED"] and "127.0.0.1" in told["HTTP_FORWARDED"], told
        assert "HTTP_X_HOP" not in told and "musterd" in told["HTTP_VIA"], told


@test
def gunicorn_is_told_by_trusted_proxies(case):
    app = gunicorn(case)
    _, port = in_front(case, f"proxy {app.address} {{ trusted 127.0.0.2; set-header X-Real-Ip \"\" }}")
    fields = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example.org"}
    told = ask(port, "/told", headers=fields, source="127.0.0.2").json()["environ"]
    assert told["HTTP_X_FORWARDED_FOR"] == "192.0.2.1, 127.0.0.2", told
    assert told["HTTP_X_FORWARDED_PROTO"] == "https" and told["HTTP_X_FORWARDED_HOST"] == "shop.example.org", told
    told = ask(port, "/told", headers=fields, source="127.0.0.3").json()["environ"]
    assert told["HTTP_X_FORWARDED_FOR"] == "127.0.0.3" and told["HTTP_X_FORWARDED_PROTO"] == "http", told


@for_both_modes
def gunicorn_gets_content_whole(case):
    app = gunicorn(case)
    _, port = in_front(case, f"proxy {app.address} {{ }}")
    goes_through(port)
    case.write("upload.bin", noise(LARGE))
    for more in ("-H", "Expect: 100-continue"), ("-H", "Expect:"), ("-H", "Transfer-Encoding: chunked"), ("-0",):
        got = run(case, tool("curl"), "-q", "-s", "-S", *more, "--data-binary", "@upload.bin",
                  f"http://127.0.0.1:{port}/told").stdout
        assert sha256(noise(LARGE)) in got, (more, got)


@for_both_modes
def gunicorn_streams(case):
    app = gunicorn(case)
    _, port = in_front(case, f"proxy {app.address} {{ }}")
    gate = case.folder / "gate"
    response = arrives_in_parts(port, f"/parts?gate={gate}", gate)
    assert response.getheader("Transfer-Encoding") == "chunked", response.getheaders()
    # To a client of HTTP/1.0, which knows no chunks.
    got = run(case, tool("curl"), "-q", "-s", "-S", "-i", "-0", f"http://127.0.0.1:{port}/parts?gate={gate}").stdout
    assert got.endswith("\none\ntwo\n") and "chunked" not in got.lower(), got


@for_both_modes
def gunicorn_answers_as_it_likes(case):
    app = gunicorn(case)
    _, port = in_front(case, f"proxy {app.address} {{ hide-header X-Other }}")
    client = Client(port)
    for _ in range(3):
        answer = client.ask("/teapot")
        assert (answer.status, answer.reason, answer.body) == (418, "I'm a Teapot", b"short\n"), answer
        assert answer.get("X-Kind") == ['earl grey; leaves="loose"'] and answer.get("Set-Cookie") == ["a=1", "b=2"], answer
        assert len(answer.get("Date")) == 1 and answer.get("Server") == ["musterd"], answer
    answer = client.ask("/teapot", "HEAD")
    assert answer.status == 418 and answer.body == b"" and answer.get("Content-Length") == ["6"], answer
    for method in "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT":
        assert client.ask("/told", method).json()["environ"]["REQUEST_METHOD"] == method
    client.close()


@test
def gunicorn_below_a_path(case):
    app = gunicorn(case)
    _, port = in_front(case, f"strip-prefix yes; proxy {app.address} {{ }}", "/shop/", directives="answer 404")
    told = ask(port, "/shop/told/a%2Fb%20c?x=/shop/").json()["environ"]
    assert told["PATH_INFO"] == "/told/a/b c" and told["QUERY_STRING"] == "x=/shop/", told
    assert ask(port, "/told").status == 404


@for_both_modes
def gunicorn_reloaded_in_front_under_load(case):
    app = gunicorn(case)
    server, port = in_front(case, f"proxy {app.address} {{ }}", workers=4)
    load = case.load(port, [case.folder / "page.bin"], path="/page", keep_alive=2, per_request=2, pause_ms=5)
    reload_under(load, server, workers=4)


@test
def gunicorn_restarted_is_found_again(case):
    app = gunicorn(case, case.port())
    server, port = in_front(case, f"proxy {app.address} {{ }}")
    assert ask(port, "/told").status == 200
    app.kill()
    answer = ask(port, "/told")
    assert answer.status == 502, answer
    server.wait_log(rf"cannot connect to {app.address}.*Connection refused")
    again = gunicorn(case, app.at, name="again")
    assert ask(port, "/told").status == 200
    # It dies in the middle: the client is not left to wait.
    gate = case.folder / "gate"
    client = Client(port)
    client.request("GET", f"/parts?gate={gate}")
    response = client.getresponse()
    assert response.readline() == b"one\n"
    again.kill()
    try:
        response.read()
        raise AssertionError("an answer that was broken off looks whole")
    except (ConnectionResetError, http.client.IncompleteRead):
        pass
    client.close()
    server.wait_log(r"broke off its answer|closed the connection")


# --------------------------------------------------------------------------------------- uWSGI

@for_both_modes
def uwsgi_by_its_own_protocol(case):
    app = uwsgi(case, "uwsgi")
    _, port = in_front(case, f"uwsgi {app.address} {{ }}")
    told = ask(port, "/told/a%20b?x=1", headers={"X-Some-Thing": "said", "Host": "www.example.org"}).json()["environ"]
    for name, value in {"REQUEST_METHOD": "GET", "PATH_INFO": "/told/a b", "QUERY_STRING": "x=1", "HTTP_HOST": "www.example.org",
                        "HTTP_X_SOME_THING": "said", "REMOTE_ADDR": "127.0.0.1", "SERVER_PORT": str(port),
                        "REQUEST_URI": "/told/a%20b?x=1", "SERVER_PROTOCOL": "HTTP/1.1"}.items():
        assert told.get(name) == value, f"{name} is {told.get(name)!r}, not {value!r}"
    goes_through(port)
    gate = case.folder / "gate"
    arrives_in_parts(port, f"/parts?gate={gate}", gate)


@for_both_modes
def uwsgi_by_scgi(case):
    app = uwsgi(case, "scgi")
    _, port = in_front(case, f"scgi {app.address} {{ }}")
    told = ask(port, "/told?x=1", headers={"X-Some-Thing": "said"}).json()["environ"]
    assert told["QUERY_STRING"] == "x=1" and told["HTTP_X_SOME_THING"] == "said" and told["REMOTE_ADDR"] == "127.0.0.1", told
    goes_through(port)


@for_both_modes
def uwsgi_by_http(case):
    app = uwsgi(case, "http")
    _, port = in_front(case, f"proxy {app.address} {{ }}")
    data = noise(LARGE)
    # It closes behind each answer, and does not say so. Were it late, a later POST could trust a connection that ends.
    told = ask(port, "/told?x=1", "POST", data).json()
    assert told["sha256"] == sha256(data) and told["environ"]["QUERY_STRING"] == "x=1", told
    for _ in range(3):
        assert ask(port, "/told?x=1").json()["environ"]["QUERY_STRING"] == "x=1"
    wait_for(lambda: ask(port, "/page").body == noise(150_000), "the page")


main()
