#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Connections that change to another protocol behind a gateway: WebSocket (RFC 6455) by hand, whose server echoes what
it gets, and what becomes of such a connection when one side closes, falls silent, or the worker has to go.
"""

import base64
import hashlib
import os
import signal
import struct
import threading

from fake_upstream import Upstream, answering, entries, gateway
from harness import deadline, for_both_modes, main, test, wait_for
from messages import Client, reply_of, request_of

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def frame(opcode, payload, masked):
    size = len(payload)
    first = struct.pack("!BB", 0x80 | opcode, (0x80 if masked else 0) | min(size, 126)) + struct.pack("!H", size) \
        if 126 <= size < 65536 else \
        struct.pack("!BB", 0x80 | opcode, (0x80 if masked else 0) | min(size, 127)) + (struct.pack("!Q", size) if size > 126 else b"")
    if not masked:
        return first + payload
    mask = os.urandom(4)
    return first + mask + mask_with(mask, payload)


def mask_with(mask, payload):
    whole = mask * (len(payload) // 4 + 1)
    return bytes(a ^ b for a, b in zip(payload, whole))


def read_frame(stream):
    """The next frame's opcode and content; (None, b"") at the end."""
    if not stream.has_more():
        return None, b""
    first, second = stream.take(2)
    size = second & 0x7f
    if size == 126:
        size, = struct.unpack("!H", stream.take(2))
    elif size == 127:
        size, = struct.unpack("!Q", stream.take(8))
    mask = stream.take(4) if second & 0x80 else None
    payload = stream.take(size)
    return first & 0x0f, mask_with(mask, payload) if mask else payload


def switch(link, *fields):
    """Reads a handshake and agrees to it; the request."""
    request = link.read()
    link.send(reply_of(None, "Upgrade: websocket", "Connection: Upgrade", *fields,
                       f"Sec-WebSocket-Accept: {accept_of(request.value('sec-websocket-key'))}",
                       status="101 Switching Protocols"))
    return request


def echo(link):
    """Until a close frame, which is answered with another, or the end."""
    switch(link, "Content-Length: 0")  # some say so, though 101 has no content
    while True:
        opcode, payload = read_frame(link)
        if opcode is None:
            link.end = "end"
            return
        if opcode == PING:
            opcode = PONG
        link.send(frame(opcode, payload, masked=False))
        if opcode == CLOSE:
            link.wait_end()
            return


def start(case, script=echo, options="", **more):
    upstream = Upstream(case, script)
    text, port = gateway(case, upstream.address, options, **more)
    return upstream, case.server(text), port


def handshake(*more, key=None):
    key = key or base64.b64encode(os.urandom(16)).decode()
    return request_of("/chat", "GET", "Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13",
                      f"Sec-WebSocket-Key: {key}", *more)


def upgraded(port, behind=b""):
    """A client that has changed to WebSocket; behind: sent together with the handshake."""
    client = Client(port)
    key = base64.b64encode(os.urandom(16)).decode()
    client.send(handshake(key=key) + behind)
    reply = client.read_reply()
    assert (reply.status, reply.phrase) == (101, "Switching Protocols"), reply
    assert reply.value("connection").lower() == "upgrade" and reply.value("upgrade") == "websocket", reply
    assert reply.value("sec-websocket-accept") == accept_of(key), reply
    assert reply.length() is None and not reply.is_chunked(), reply
    return client


def talk(client, payload=b"hello", opcode=TEXT):
    client.send(frame(opcode, payload, masked=True))
    got = read_frame(client)
    assert got == (PONG if opcode == PING else opcode, payload), got


@for_both_modes
def frames_go_both_ways(case):
    upstream, _, port = start(case)
    with upgraded(port) as client:
        for size in (0, 1, 125, 126, 65535, 65536, 300_000):
            talk(client, os.urandom(size), BINARY)
        for _ in range(100):
            talk(client, b"ping", PING)
        client.send(frame(CLOSE, b"\x03\xe8", masked=True))
        assert read_frame(client) == (CLOSE, b"\x03\xe8")
        # The client closes first here; see below for the server.
    upstream.wait_ended()
    request, = upstream.requests
    assert request.value("upgrade") == "websocket" and request.value("connection").lower() == "upgrade", request
    line, = entries(case, 1)
    assert line["status"] == 101 and line["bytes"] > 300_000, line


@for_both_modes
def frames_that_come_with_the_handshakes(case):
    """The first ones of each side may be in one packet with its head."""
    def script(link):
        request = link.read()
        link.send(reply_of(None, "Upgrade: websocket", "Connection: upgrade",
                           f"Sec-WebSocket-Accept: {accept_of(request.value('sec-websocket-key'))}",
                           status="101 Switching Protocols") + frame(TEXT, b"welcome", masked=False))
        while (got := read_frame(link))[0] is not None:
            link.send(frame(*got, masked=False))
    _, _, port = start(case, script)
    with upgraded(port, frame(TEXT, b"early", masked=True) + frame(TEXT, b"bird", masked=True)) as client:
        assert [read_frame(client) for _ in range(3)] == [(TEXT, b"welcome"), (TEXT, b"early"), (TEXT, b"bird")]
        talk(client)


@for_both_modes
def each_side_may_finish_first(case):
    """A half that is closed is closed on the other side too; the other half goes on for as long as it is wanted."""
    def script(link):
        if switch(link).value("x-who") == "server":
            link.send(b"last words of the server")
            link.half_close()
            link.rest = link.read_rest()
        else:
            link.rest = link.read_rest()
            link.send(b"last words of the server")
    upstream, _, port = start(case, script)
    with Client(port) as client:
        client.send(handshake("X-Who: client"))
        assert client.read_reply().status == 101
        client.send(b"last words of the client")
        client.half_close()
        assert client.read_rest() == b"last words of the server"
    with Client(port) as client:
        client.send(handshake("X-Who: server"))
        assert client.read_reply().status == 101
        assert client.read_rest() == b"last words of the server"
        for word in (b"last words ", b"of the ", b"client"):
            client.send(word)
        client.half_close()
        assert upstream.links[1].is_closed.wait(60)
    assert [link.rest for link in upstream.links] == [b"last words of the client"] * 2


@for_both_modes
def each_side_may_be_cut_off(case):
    def script(link):
        who = switch(link).value("x-who")
        assert link.take(5) == b"hello"
        if who == "server":
            link.reset()
        else:
            link.wait_end()
    upstream, server, port = start(case, script)
    workers = server.workers()
    for number, (who, leave) in enumerate((("server", None), ("client", Client.close), ("client", Client.reset))):
        with Client(port) as client:
            client.send(handshake(f"X-Who: {who}"))
            assert client.read_reply().status == 101
            client.send(b"hello")
            if leave:
                wait_for(lambda number=number: b"hello" in upstream.links[number].got, "the first words")
                leave(client)
                upstream.wait_ended(number)
            else:
                client.how_it_ends()
    entries(case, 3)
    assert server.workers() == workers


@for_both_modes
def a_lot_both_ways_at_once(case):
    """Neither side waits for the other: what both kernels hold is exceeded several times."""
    size = 30 << 20

    def script(link):
        switch(link)
        link.send(b"s" * size)
        assert link.take(size) == b"c" * size
        link.send(b"all")
    _, _, port = start(case, script)
    with Client(port) as client:
        client.send(handshake())
        assert client.read_reply().status == 101
        sender = threading.Thread(target=client.send, args=(b"c" * size,), daemon=True)
        sender.start()
        assert client.take(size) == b"s" * size
        sender.join()
        assert client.take(3) == b"all"


@for_both_modes
def without_leave_nothing_is_upgraded(case):
    """The server is not asked, and what it changes to all the same is no reply."""
    def script(link):
        request = link.read()
        assert not request.names() & {"upgrade", "connection"}, request
        if request.value("x-insists"):
            link.reply(None, "Upgrade: websocket", "Connection: upgrade", status="101 Switching Protocols")
            link.wait_end()
        else:
            link.reply(b"plain", "Connection: close", status="426 Upgrade Required")
    _, _, port = start(case, script, "upgrade no")
    with Client(port) as client:
        client.send(handshake())
        reply = client.read_reply()
        assert (reply.status, reply.content) == (426, b"plain"), reply
        client.send(handshake("X-Insists: yes"))
        assert client.read_reply().status == 502


@for_both_modes
def what_is_not_upgraded_is_an_ordinary_exchange(case):
    """A server that says no, and requests that cannot be upgraded."""
    upstream, _, port = start(case, answering(lambda request: reply_of(request.content)))
    with Client(port) as client:
        client.send(handshake())
        assert client.read_reply().status == 200
        # What follows content would be content to us, and the new protocol to the server.
        upgrade = ("Upgrade: websocket", "Connection: Upgrade")
        assert client.ask("/", "POST", *upgrade, content=b"content").content == b"content"
        assert client.ask("/", "POST", *upgrade, chunks=[b"x" * 50_000]).content == b"x" * 50_000
        # Protocols that would take the connection out of our sight, and a name that Connection does not say.
        assert client.ask("/", "GET", "Upgrade: h2c, TLS/1.3", "Connection: Upgrade, HTTP2-Settings").status == 200
        assert client.ask("/", "GET", "Upgrade: websocket").status == 200
    assert [request.value("upgrade") for request in upstream.requests] == ["websocket", *4 * [None]], upstream.requests
    line = entries(case, 5)[0]
    assert line["status"] == 200, line


@test
def a_tunnel_is_under_no_limit_of_requests(case):
    """It is idle only when neither side says a word; one that is, ends."""
    request, idle = deadline(2), deadline(3)
    limits = f"request {request:.0f}s; idle {idle:.0f}s; park {idle:.0f}s; drain 10s"
    upstream, server, port = start(case, extra=f"timeout {{ {limits} }}")
    with upgraded(port) as client:
        for _ in range(16):
            talk(client)
            upstream.over.wait(idle / 15)  # a conversation longer than both, in which nobody is ever idle for long
        client.how_it_ends()
        assert not client.buffer
    upstream.wait_ended()
    server.wait_log("idle")


@for_both_modes
def a_reload_leaves_tunnels_alone(case):
    """Until the drain limit, which ends those that are left."""
    upstream, server, port = start(case, extra="timeout { idle 60s; park 60s; drain 60s }", workers=1)
    with upgraded(port) as client:
        talk(client)
        old, conf = server.workers(), (case.folder / "musterd.conf").read_text()
        case.conf(conf.replace("drain 60s", "drain 300ms"))
        server.reload()
        wait_for(lambda: set(server.workers()) - set(old), "a new worker")
        talk(client)
        with upgraded(port) as other:
            talk(other)
            talk(client, os.urandom(100_000), BINARY)
            client.send(frame(CLOSE, b"\x03\xe8", masked=True))
            assert read_frame(client) == (CLOSE, b"\x03\xe8")
            client.close()
            upstream.wait_ended(0)
            # The other one is of the new generation, whose drain limit is short.
            case.conf(conf)
            server.wait_workers(1, without=old)
            server.reload()
            talk_until_the_end(other)
    server.stop(signal.SIGTERM)


def talk_until_the_end(client):
    """Whoever talks all the time is cut off as well."""
    try:
        while True:
            client.send(frame(TEXT, b"still here", masked=True))
            if read_frame(client)[0] is None:
                return
    except (AssertionError, OSError):
        return


if __name__ == "__main__":
    main()
