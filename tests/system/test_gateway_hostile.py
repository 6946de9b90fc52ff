#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers that lie, babble and die, and clients that try to reach them with requests of their own making: each
client gets a clear answer or a clear break, nobody gets what is another's, and the log says who it was.
"""

import re
import threading

from fake_upstream import Upstream, entries, gateway, hostile, unharmed
from harness import for_both_modes, main, wait_for
from messages import Client, chunked, reply_of, request_of

GOOD = reply_of(b"good")
HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 4\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# What is no reply, or could be read in two ways: the whole of it is sent, and the connection is left open.
NO_REPLIES = {
    "two-lengths": HEAD + LENGTH + b"Content-Length: 5\r\n\r\nabcde",
    "same-length-twice": HEAD + LENGTH + LENGTH + b"\r\nabcd",
    "list-of-lengths": HEAD + b"Content-Length: 4, 4\r\n\r\nabcd",
    "length-and-chunked": HEAD + LENGTH + CHUNKED + b"\r\n" + chunked([b"abcd"]),
    "chunked-and-length": HEAD + CHUNKED + LENGTH + b"\r\n" + chunked([b"abcd"]),
    "chunked-twice": HEAD + CHUNKED + CHUNKED + b"\r\n" + chunked([b"abcd"]),
    "chunked-chunked": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + chunked([b"abcd"]),
    "unknown-coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked([b"abcd"]),
    "identity-coding": HEAD + b"Transfer-Encoding: identity\r\n\r\nabcd",
    "chunked-in-1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n" + chunked([b"abcd"]),
    "vertical-tab-coding": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + chunked([b"abcd"]),
    "folded": HEAD + LENGTH + b"X-A: 1\r\n  2\r\n\r\nabcd",
    "folded-first": HEAD + b" X-A: 1\r\n" + LENGTH + b"\r\nabcd",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 4\n\nabcd",
    "bare-lf-in-fields": HEAD + b"X-A: 1\n" + LENGTH + b"\r\nabcd",
    "bare-cr": HEAD + b"X-A: 1\rX-B: 2\r\n" + LENGTH + b"\r\nabcd",
    "nul-in-value": HEAD + b"X-A: 1\x002\r\n" + LENGTH + b"\r\nabcd",
    "nul-in-name": HEAD + b"X\x00A: 1\r\n" + LENGTH + b"\r\nabcd",
    "blank-before-colon": HEAD + b"Content-Length : 4\r\n\r\nabcd",
    "no-colon": HEAD + b"Content-Length 4\r\n\r\nabcd",
    "no-name": HEAD + b": 4\r\n" + LENGTH + b"\r\nabcd",
    "negative-length": HEAD + b"Content-Length: -4\r\n\r\nabcd",
    "signed-length": HEAD + b"Content-Length: +4\r\n\r\nabcd",
    "hexadecimal-length": HEAD + b"Content-Length: 0x4\r\n\r\nabcd",
    "empty-length": HEAD + b"Content-Length:\r\n\r\nabcd",
    "huge-length": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabcd",
    "overflowing-length": HEAD + b"Content-Length: 18446744073709551620\r\n\r\nabcd",
    "no-status": b"HTTP/1.1 OK\r\n" + LENGTH + b"\r\nabcd",
    "status-99": b"HTTP/1.1 099 Low\r\n" + LENGTH + b"\r\nabcd",
    "status-600": b"HTTP/1.1 600 High\r\n" + LENGTH + b"\r\nabcd",
    "status-2000": b"HTTP/1.1 2000 Long\r\n" + LENGTH + b"\r\nabcd",
    "http-2": b"HTTP/2.0 200 OK\r\n" + LENGTH + b"\r\nabcd",
    "http-0.9": b"<html>abcd</html>\n",
    "lower-case": b"http/1.1 200 OK\r\n" + LENGTH + b"\r\nabcd",
    "empty-line-first": b"\r\n" + HEAD + LENGTH + b"\r\nabcd",
    "control-in-phrase": b"HTTP/1.1 200 O\x07K\r\n" + LENGTH + b"\r\nabcd",
    "tls-alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "random": bytes(range(128, 256)) * 4 + b"\r\n\r\n",
    "no-line-end": b"x" * 17000,
    "head-of-17-KiB": HEAD + b"".join(b"X-%d: %b\r\n" % (i, b"x" * 1000) for i in range(17)) + LENGTH + b"\r\nabcd",
    "129-fields": HEAD + b"X: y\r\n" * 129 + LENGTH + b"\r\nabcd",
    "101-unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nabcd",
    "204-with-content": b"HTTP/1.1 204 No Content\r\n" + LENGTH + b"\r\nabcd",
    "204-chunked": b"HTTP/1.1 204 No Content\r\n" + CHUNKED + b"\r\n" + chunked([b"abcd"]),
    "100-with-length": b"HTTP/1.1 100 Continue\r\n" + LENGTH + b"\r\nabcd" + GOOD,
    "bad-first-chunk": HEAD + CHUNKED + b"\r\nno size\r\nabcd\r\n0\r\n\r\n",
    "interim-in-1.0": b"HTTP/1.0 103 Early Hints\r\n\r\n" + GOOD,
    "interim-without-end": b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 40 + GOOD,
    "100-without-end": b"HTTP/1.1 100 Continue\r\n\r\n" * 40 + GOOD,
}

# Content that is not what was promised, in two parts: the client has the first when the second comes, so that all that is
# left to be done is to break off.
BROKEN_CONTENT = {
    "size-overflow": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"10000000000000000\r\nx"),
    "size-of-16-digits": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"ffffffffffffffff\r\nx"),
    "negative-size": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"-1\r\nx"),
    "no-size": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"\r\nx"),
    "bare-lf-in-size": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"1\nx\r\n0\r\n\r\n"),
    "no-end-of-chunk": (CHUNKED + b"\r\n4\r\nabcd", b"x0\r\n\r\n"),
    "bad-trailer": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"0\r\nno trailer\r\n\r\n"),
    "folded-trailer": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"0\r\nX: y\r\n z\r\n\r\n"),
    "trailers-without-end": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"0\r\n" + b"X-Trailer: y\r\n" * 2000 + b"\r\n"),
    "extensions-without-end": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"1;" + b"x" * 20000 + b"\r\ny\r\n0\r\n\r\n"),
    "dies-in-chunk": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"8\r\nhalf"),
    "dies-between-chunks": (CHUNKED + b"\r\n4\r\nabcd\r\n", b""),
    "dies-before-the-end-of-trailers": (CHUNKED + b"\r\n4\r\nabcd\r\n", b"0\r\n"),
    "dies-within-the-length": (b"Content-Length: 100\r\n\r\nabcd", b""),
}


# ------------------------------------------------------------------------------------------- replies

@for_both_modes
def what_is_no_reply_is_502(case):
    def script(link, request):
        link.send(NO_REPLIES[request.target[1:]])
        link.wait_end()  # we close it, at once
    upstream, server, port = hostile(case, script)
    with unharmed(server, port), Client(port) as client:
        for name, data in NO_REPLIES.items():
            after, asked = server.log_size(), len(upstream.requests)
            reply = client.ask(f"/{name}")
            assert (reply.status, b"abcd" in reply.content) == (502, False), (name, reply)
            assert [one.status for one in reply.interim] == [103] * len(reply.interim), (name, reply.interim)
            # The page is ours, with what is said of ours.
            assert reply.value("x-content-type-options") == "nosniff", (name, reply.head)
            server.wait_log(re.escape(upstream.address) + r".* answered what is no HTTP: \w", after)
            upstream.wait_ended(len(upstream.links) - 1)
            # Where there is but one server it is not asked again.
            assert len(upstream.requests) == asked + 1, (name, data)
    statuses = [line["status"] for line in entries(case, len(NO_REPLIES) + 2)]
    assert sorted(statuses) == [200] * 2 + [502] * len(NO_REPLIES), statuses


@for_both_modes
def content_that_breaks_is_broken_off(case):
    client_has_begun = threading.Event()

    def script(link, request):
        good, bad = BROKEN_CONTENT[request.target[1:]]
        link.send(HEAD + good)
        client_has_begun.wait(60)
        link.send(bad)
        if not request.target.startswith("/dies"):
            link.wait_end()
    upstream, server, port = hostile(case, script)
    with unharmed(server, port):
        for name in BROKEN_CONTENT:
            after = server.log_size()
            client_has_begun.clear()
            with Client(port) as client:
                client.send(request_of(f"/{name}"))
                reply = client.read_reply(content=False)
                assert reply.status == 200, (name, reply)
                begin = b"4\r\nabcd" if reply.is_chunked() else b"abcd"
                assert client.take(len(begin)) == begin, name
                client_has_begun.set()
                client.how_it_ends()
                # No last chunk, or not all of the length: nobody takes it for whole.
                assert b"0\r\n\r\n" not in client.buffer and reply.length() in (None, 100), (name, client.buffer)
            server.wait_log(re.escape(upstream.address) + r".* broke off its answer after \d+ bytes: \w", after)
    logged = [line["status"] for line in entries(case, len(BROKEN_CONTENT) + 2)]
    assert logged == [200] * len(logged), logged


@for_both_modes
def what_follows_a_reply_is_nobodys(case):
    """Bytes behind a complete reply never reach a client, and their connection is used no more."""
    evil = reply_of(b"evil", "Set-Cookie: evil=1")
    replies = {"/length": GOOD, "/chunks": reply_of(chunks=[b"good"]), "/204": reply_of(None, status="204 No Content"),
               "/304": reply_of(None, "Content-Length: 4", status="304 Not Modified"), "/head": GOOD[:-4]}

    def script(link, request):
        link.send(replies[request.target] + evil)
        link.wait_end()
    upstream, server, port = hostile(case, script)
    with unharmed(server, port):
        for target in replies:
            after = server.log_size()
            with Client(port) as client:
                for _ in range(3):
                    reply = client.ask(target, "HEAD" if target == "/head" else "GET")
                    assert reply.content == (b"good" if target in ("/length", "/chunks") else b""), reply
                assert client.ask("/good").content == b"good"
                assert b"evil" not in client.got, client.got
            server.wait_log(re.escape(upstream.address) + ".*more than its answer", after)


@for_both_modes
def what_comes_while_a_connection_rests_is_nobodys(case):
    """The answer to a request that was never made: 408 at a server's own idle limit, or worse."""
    has_answered, evil = threading.Event(), reply_of(b"evil", status="408 Request Timeout")

    def script(link):
        while request := link.read():
            link.send(reply_of(request.target.encode()))
            if link.number == 0:
                has_answered.wait(60)
                link.send(evil)
                link.wait_end()
                return
    upstream = Upstream(case, script)
    text, port = gateway(case, upstream.address, workers=1)
    case.server(text)
    with Client(port) as client:
        assert client.ask("/first").content == b"/first"
        has_answered.set()
        # Whether it was at rest by then or not: it is closed.
        upstream.wait_ended(0)
        for target in ("/second", "/third"):
            assert client.ask(target).content == target.encode()
        assert b"evil" not in client.got, client.got
    assert [request.link for request in upstream.requests] == [0, 1, 1], upstream.requests


@for_both_modes
def interim_replies_have_their_number(case):
    """A few are passed on, and 100 to nobody who does not wait for it; see interim-without-end for many."""
    few = b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 8 + b"HTTP/1.1 100 Continue\r\n\r\n" * 8
    upstream, server, port = hostile(case, lambda link, request: link.send(few + reply_of(b"final", "Connection: close")))
    with unharmed(server, port), Client(port) as client:
        reply = client.ask("/")
        assert reply.content == b"final" and [one.status for one in reply.interim] == [103] * 8, reply.interim


# ----------------------------------------------------------------------------------------------- dies

def dies(link, request):
    """At the stage that the target names; by its end, or with a reset."""
    how, stage = request.target[1:].split("-", 1)
    link.send({"at-once": b"", "in-status": b"HTTP/1.1 2", "in-head": HEAD + b"X-A: 1\r\nCont",
               "before-end-of-head": HEAD + LENGTH, "after-interim": b"HTTP/1.1 103 X\r\n\r\n"}[stage])
    if how == "reset":
        link.reset()
    elif how == "half":
        link.half_close()
        link.wait_end()


@for_both_modes
def a_server_that_dies_before_its_reply_is_502(case):
    upstream, server, port = hostile(case, dies)
    with unharmed(server, port), Client(port) as client:
        for stage in ("at-once", "in-status", "in-head", "before-end-of-head", "after-interim"):
            for how in ("end", "reset", "half"):
                for method, content in (("GET", None), ("POST", b"content")):
                    after, asked = server.log_size(), len(upstream.requests)
                    reply = client.ask(f"/{how}-{stage}", method, content=content)
                    assert reply.status == 502 and reply.value("connection") is None, (how, stage, reply)
                    server.wait_log(re.escape(upstream.address) + r".* closed the connection ", after)
                    assert len(upstream.requests) == asked + 1, (how, stage)


@for_both_modes
def a_server_that_closes_before_it_reads_is_502(case):
    upstream = Upstream(case, lambda link: link.reset() if link.number % 2 else None)
    text, port = gateway(case, upstream.address)
    server = case.server(text)
    with Client(port) as client:
        for _ in range(6):
            assert client.ask("/").status == 502
            assert client.ask("/", "POST", content=b"x" * 1000).status == 502
    # A reset may be faster than our side of the connection.
    lines = re.findall(re.escape(upstream.address) + ".*(closed the connection|Connection reset)", server.log())
    assert len(lines) == 12, server.log()


@for_both_modes
def a_server_that_resets_within_its_content(case):
    client_reads = threading.Event()

    def script(link, _):
        link.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
        # Not before it has arrived: a reset takes away what is on its way.
        client_reads.wait(60)
        link.reset()
    upstream, server, port = hostile(case, script)
    with unharmed(server, port), Client(port) as client:
        client.send(request_of("/"))
        reply = client.read_reply(content=False)
        assert client.take(1000) == b"x" * 1000 and reply.length() == 1000000
        client_reads.set()
        client.how_it_ends()
        assert not client.buffer, "more than the server has sent"
        server.wait_log(re.escape(upstream.address) + ".* broke off its answer after 1000 bytes")


@for_both_modes
def a_server_that_refuses_is_502(case):
    address = f"127.0.0.1:{case.port()}"
    text, port = gateway(case, "app", upstream=f"server {address}")
    server = case.server(text)
    with Client(port) as client:
        for method, content in (("GET", None), ("POST", b"content")):
            after = server.log_size()
            reply = client.ask("/", method, content=content)
            assert reply.status == 502 and reply.value("connection") is None, reply
            server.wait_log(re.escape(f"cannot connect to {address} (app): Connection refused"), after)
    with Client(port) as client:  # of which nothing is read
        client.send(request_of("/", "POST", "Content-Length: 1000000"))
        reply = client.read_reply()
        assert reply.status == 502 and reply.value("connection") == "close" and client.is_at_end(), reply


@for_both_modes
def a_server_that_is_not_there_is_502(case):
    text, port = gateway(case, f"unix:{case.folder}/none.sock")
    server = case.server(text)
    with Client(port) as client:
        assert client.ask("/").status == 502
    server.wait_log(f"cannot connect to unix:{re.escape(str(case.folder))}/none.sock.*: No such file or directory")


@for_both_modes
def a_client_that_leaves_takes_nobody_along(case):
    """While its server thinks, and in the middle of the reply."""
    client_left = threading.Event()

    def script(link, request):
        if request.target == "/thinks":
            client_left.wait(60)
            link.reply(b"late", "Connection: close")
            return
        link.send(HEAD + b"Content-Length: 1000000000\r\n\r\n")
        while True:  # until we close it
            link.send(b"x" * 65536)
    upstream, server, port = hostile(case, script)
    with unharmed(server, port):
        for leave in (Client.close, Client.reset):
            with Client(port) as client:
                client.send(request_of("/reply"))
                assert client.read_reply(content=False).status == 200
                leave(client)
            link = upstream.links[-1]
            wait_for(link.is_closed.is_set, "the server's connection to be closed")
            asked = len(upstream.requests)
            with Client(port) as client:
                client.send(request_of("/thinks"))
                upstream.wait_requests(asked + 1)
                leave(client)
                client_left.set()


# ------------------------------------------------------------------------------- requests within requests

SMUGGLED = b"GET /evil HTTP/1.1\r\nHost: test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: test\r\n"

# All of them are refused, with what follows; the server hears nothing of any.
SMUGGLERS = {
    "length and chunked": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked and length": POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "the same length twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "list of lengths": POST + b"Content-Length: 0, 5\r\n\r\n",
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked, identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "quoted": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked in 1.0": b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "folded other": POST + b"X: y\r\n Content-Length: 30\r\n\r\n",
    "bare LF": POST + b"X: y\nContent-Length: 30\r\n\r\n",
    "bare CR": POST + b"X: y\rContent-Length: 30\r\n\r\n",
    "NUL": POST + b"X: y\x00Content-Length: 30\r\n\r\n",
    "signed length": POST + b"Content-Length: +0\r\n\r\n",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "long length": POST + b"Content-Length: 18446744073709551616\r\n\r\n",
    "line without colon": POST + b"Content-Length 5\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: test\r\nHost: other\r\n\r\n",
    "a request line in the target": b"GET /\x0d\x0aX: y HTTP/1.1\r\nHost: test\r\n\r\n",
    "a blank in the target": b"GET /a HTTP/1.1 /b HTTP/1.1\r\nHost: test\r\n\r\n",
    "bare LF after chunk size": POST + CHUNKED + b"\r\n0\n\r\n",
    "chunk size with sign": POST + CHUNKED + b"\r\n+0\r\n\r\n",
    "chunk with more than its size": POST + CHUNKED + b"\r\n1\r\nxGET\r\n0\r\n\r\n",
    "bare LF in an extension": POST + CHUNKED + b"\r\n0;a\nb\r\n\r\n",
}


@for_both_modes
def no_request_is_smuggled_through(case):
    upstream, server, port = hostile(case, lambda link, request: link.reply(b"evil", "Connection: close"))
    with unharmed(server, port):
        asked = len(upstream.requests)
        for name, data in SMUGGLERS.items():
            with Client(port) as client:
                client.send(data + SMUGGLED * 2)
                reply = client.read_reply()
                assert reply.status in (400, 501) and reply.value("connection") == "close", (name, reply)
                assert client.how_it_ends() == "end" and not client.buffer, (name, client.got)
            assert len(upstream.requests) == asked, (name, upstream.requests[asked:])


@for_both_modes
def content_that_looks_like_requests_stays_content(case):
    def script(link):
        while request := link.read():
            link.reply(request.target.encode())
    upstream = Upstream(case, script)
    text, port = gateway(case, upstream.address)
    case.server(text)
    forms = [{"content": SMUGGLED * 3}, {"chunks": [SMUGGLED, SMUGGLED]}, {"content": SMUGGLED * 1000},
             {"chunks": [SMUGGLED * 1000, b"0\r\n\r\n" + SMUGGLED]}]
    with Client(port) as client:
        for number, form in enumerate(forms):
            for method in ("GET", "POST", "DELETE", "x-own"):
                assert client.ask(f"/{number}", method, **form).content == b"/%d" % number, (method, form)
    assert len(upstream.requests) == 4 * len(forms), upstream.requests
    assert not [request for request in upstream.requests if request.target == "/evil"]


if __name__ == "__main__":
    main()
