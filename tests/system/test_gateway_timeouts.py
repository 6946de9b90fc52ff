#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers that keep a gateway waiting, at each of the stages that has a limit of its own: the client is told, the log says
which limit of which server it was, and who is merely slow goes on.
"""

import contextlib
import re
import select
import socket

from fake_upstream import Upstream, entries, gateway, hostile, unharmed
from harness import connect, for_both_modes, main
from messages import Client, reply_of, request_of

HEAD = b"HTTP/1.1 200 OK\r\n"


@for_both_modes
def connect_timeout(case):
    """A listener that is full: the kernel drops whoever else comes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        stack.enter_context(connect(listener.getsockname()[1]))
        text, port = gateway(case, "app", "connect-timeout 300ms; retry 0", upstream=f"server {address}")
        server = case.server(text)
        with Client(port) as client:
            reply = client.ask("/")
            assert reply.status == 504 and reply.value("connection") is None, reply
        server.wait_log(re.escape(f"cannot connect to {address} (app): ") + ".*connect-timeout 300ms")
        assert entries(case, 1)[0]["status"] == 504


@for_both_modes
def a_unix_socket_whose_queue_is_full(case):
    """Those of TCP drop who comes then; these say so at once, and the log has to say what it was."""
    path = case.folder / "full.sock"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(0)
        stack.enter_context(connect(0, path))
        text, port = gateway(case, f"unix:{path}", "connect-timeout 300ms; retry 0")
        server = case.server(text)
        with Client(port) as client:
            assert client.ask("/").status in (502, 504)
        line = server.wait_log(f"cannot connect to unix:{re.escape(str(path))}: .*").group(0)
        assert "connect-timeout" in line or "Resource temporarily unavailable" in line, line


@for_both_modes
def read_timeout_before_the_reply(case):
    stages = {"/silent": b"", "/in-head": HEAD + b"X-A: ", "/interim": b"HTTP/1.1 103 X\r\n\r\n"}

    def script(link, request):
        link.send(stages[request.target])
        link.wait_end()
    upstream, server, port = hostile(case, script, "read-timeout 300ms")
    with unharmed(server, port), Client(port) as client:
        for target in stages:
            for method, content in (("GET", None), ("POST", b"content")):
                after = server.log_size()
                reply = client.ask(target, method, content=content)
                assert reply.status == 504 and reply.value("connection") is None, reply
                server.wait_log(re.escape(upstream.address) + ".* has not answered: nothing for read-timeout 300ms", after)


@for_both_modes
def read_timeout_within_the_content(case):
    def script(link, request):
        link.send(HEAD + b"Content-Length: 10\r\n\r\nabcd")
        link.wait_end()
    upstream, server, port = hostile(case, script, "read-timeout 300ms")
    with unharmed(server, port), Client(port) as client:
        client.send(request_of("/"))
        assert client.read_reply(content=False).length() == 10
        client.how_it_ends()
        assert client.buffer == b"abcd", client.buffer
        server.wait_log(re.escape(upstream.address) + ".* stopped in its answer after 4 bytes: nothing for read-timeout 300ms")


@for_both_modes
def read_timeout_is_for_silence_not_for_slowness(case):
    """Each byte starts it anew; and a server that waits for the rest of the request may be silent."""
    def script(link, request):
        link.read_content(request)
        for byte in reply_of(b"slow", "Connection: close"):
            link.send(bytes([byte]))
            link.upstream.over.wait(0.02)
    upstream, server, port = hostile(case, script, "read-timeout 500ms")
    with unharmed(server, port), Client(port) as client:
        assert client.ask("/").content == b"slow"
        # A second, of which no part is without a byte.
        client.send(request_of("/", "POST", "Content-Length: 10"))
        for _ in range(10):
            client.send(b"x")
            upstream.over.wait(0.1)
        assert client.read_reply().content == b"slow"


def send_until_answered(client):
    """Sends content for as long as it is taken, or until there is an answer; that."""
    block = b"x" * 65536
    while True:
        readable, writable, _ = select.select([client.sock], [client.sock], [], 60)
        if readable:
            return client.read_reply()
        assert writable, "neither an answer, nor anything taken"
        client.sock.send(block, socket.MSG_DONTWAIT)


@for_both_modes
def a_client_that_pauses_is_no_fault_of_the_server(case):
    """Who waits for content may be silent, however long the client thinks: the idle limit is what it has to keep to."""
    upstream, server, port = hostile(case, lambda link, request: link.reply(b"good") if link.read_content(request) else None,
                                     "read-timeout 300ms", workers=1)
    with unharmed(server, port), Client(port) as client:
        client.send(request_of("/", "POST", "Content-Length: 10") + b"half ")
        upstream.over.wait(0.7)  # twice the limit
        client.send(b"of it")
        reply = client.read_reply()
        assert (reply.status, reply.content) == (200, b"good"), reply
    assert "read-timeout" not in server.log(), server.log()


@for_both_modes
def send_timeout(case):
    """A server that takes nothing of a request, beyond what the kernel takes for it."""
    upstream = Upstream(case, lambda link: link.hold(), receive_buffer=4096)
    text, port = gateway(case, upstream.address, "send-timeout 500ms; max-body 0")
    server = case.server(text)
    with Client(port) as client:
        client.send(request_of("/", "POST", f"Content-Length: {1 << 30}"))
        reply = send_until_answered(client)
        assert reply.status == 504 and reply.value("connection") == "close", reply
    server.wait_log(re.escape(upstream.address) + ".* has taken nothing of the request for send-timeout 500ms")
    assert entries(case, 1)[0]["status"] == 504


if __name__ == "__main__":
    main()
