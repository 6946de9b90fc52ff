#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Applications that speak uwsgi and SCGI: what they are told, and what comes of what they say."""

import os

from fake_application import application, page, read_scgi, read_uwsgi
from fake_upstream import Upstream
from harness import for_both_modes, main, test
from messages import Client, reply_of

MIB = 1024 * 1024
READ = {"uwsgi": read_uwsgi, "scgi": read_scgi}


def start(case, kind, reply, path="/", options="", site="", **more):
    """A server that answers with reply(variables, content); it, ours, and the port."""
    def script(link):
        if not link.has_more():
            return
        link.upstream.requests.append(READ[kind](link))
        link.send(reply(*link.upstream.requests[-1]))
    upstream = Upstream(case, script)
    text, port = application(case, f"{kind} {upstream.address} {{ {options} }}{more.pop('location', '')}", site, path, **more)
    return upstream, case.server(text), port


def ask(port, *args, **options):
    with Client(port) as client:
        return client.ask(*args, **options)


@for_both_modes
def what_uwsgi_is_told(case):
    upstream, _, port = start(case, "uwsgi", lambda told, content: reply_of(content, "X-Own: 1", status="202 Took it"),
                              options="param EXTRA value")
    with Client(port) as client:
        reply = client.ask("/app/a%20b?q=1", "POST", "Content-Type: text/plain", content=b"hello")
        assert (reply.status, reply.phrase, reply.content, reply.value("x-own")) == (202, "Took it", b"hello", "1"), reply
        address, number = client.sock.getsockname()
        # Each request has a connection of its own, ours stays.
        assert client.ask("/").content == b""
    assert upstream.requests[0][0] == {
        "CONTENT_LENGTH": "5", "REQUEST_METHOD": "POST", "REQUEST_URI": "/app/a%20b?q=1", "QUERY_STRING": "q=1",
        "CONTENT_TYPE": "text/plain", "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": upstream.requests[0][0]["SERVER_SOFTWARE"], "REQUEST_SCHEME": "http", "SCRIPT_NAME": "",
        "PATH_INFO": "/app/a b", "DOCUMENT_URI": "/app/a b", "REMOTE_ADDR": address, "REMOTE_PORT": str(number),
        "SERVER_ADDR": "127.0.0.1", "SERVER_NAME": "test", "SERVER_PORT": str(port), "HTTP_HOST": "test",
        "EXTRA": "value"}, upstream.requests
    assert len(upstream.links) == 2


@for_both_modes
def what_scgi_is_told(case):
    upstream, _, port = start(case, "scgi", lambda told, content: page(content, "Status: 202", "Content-Type: a/b"))
    reply = ask(port, "/app/x?q", "POST", content=b"hello")
    assert (reply.status, reply.content, reply.value("content-type")) == (202, b"hello", "a/b"), reply
    told = upstream.requests[0][0]
    assert (told["CONTENT_LENGTH"], told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == \
        ("5", "", "/app/x", "q"), told
    assert ask(port, "/").status == 202
    assert upstream.requests[1][0]["CONTENT_LENGTH"] == "0"


@test
def where_it_is_mounted(case):
    for kind, reply in (("uwsgi", reply_of()), ("scgi", page(b""))):
        upstream, _, port = start(case, kind, lambda told, content, reply=reply: reply, path="/app/",
                                  location="; strip-prefix yes", site=f"root {case.folder}")
        for path, rest in (("/app/x/y", "/x/y"), ("/app/", "/"), ("/app", "")):
            assert ask(port, path).status == 200, path
            told = upstream.requests[-1][0]
            assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/app", rest), told


@for_both_modes
def ten_mebibytes_both_ways(case):
    data = os.urandom(10 * MIB)
    for kind, reply in (("uwsgi", lambda told, content: reply_of(content)), ("scgi", lambda told, content: page(content))):
        _, server, port = start(case, kind, reply)
        with Client(port) as client:
            assert client.ask("/", "POST", content=data).content == data
        server.stop()


@for_both_modes
def content_in_chunks_is_measured_first(case):
    for kind, reply in (("uwsgi", lambda told, content: reply_of(content)), ("scgi", lambda told, content: page(content))):
        upstream, _, port = start(case, kind, reply)
        for chunks in ([b"some", b"thing"], 10 * [4096 * b"x"]):
            assert ask(port, "/", "POST", chunks=chunks).content == b"".join(chunks)
            told = upstream.requests[-1][0]
            assert told["CONTENT_LENGTH"] == str(sum(map(len, chunks))) and "HTTP_TRANSFER_ENCODING" not in told, told


@for_both_modes
def what_is_no_reply(case):
    bad = {"uwsgi": [(b"Status: 200\r\n\r\n", "answered what is no uwsgi: no HTTP status line"),
                     (b"", "closed the connection without an answer")],
           "scgi": [(b"HTTP/1.1 200 OK\r\n\r\n", "answered what is no SCGI: "), (b"", "closed the connection")]}
    for kind, replies in bad.items():
        for reply, why in replies:
            _, server, port = start(case, kind, lambda told, content, reply=reply: reply)
            assert ask(port, "/").status == 502
            server.wait_log(why)
            server.stop()


@test
def a_header_that_is_too_long_for_it(case):
    upstream, server, port = start(case, "uwsgi", lambda told, content: reply_of(),
                                   options="".join(f"param EXTRA{i} {3000 * 'x'}; " for i in range(30)))
    assert ask(port, "/").status == 431
    server.wait_log("its header is too long for uwsgi")
    assert not upstream.requests


if __name__ == "__main__":
    main()
