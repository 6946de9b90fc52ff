#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers in Node.js behind an `upstream`: requests shared out between two, connections kept, content streamed both ways,
interim answers and trailers, and WebSocket, by a client that is written here, byte by byte.
"""

import base64
import hashlib
import os
import select
import socket
import struct
import threading

from backends import (FOLDER, LIMITS, Application, Client, arrives_in_parts, ask, noise, pieces, reload_changed,
                      reload_under, sha256)
from harness import Http, connect, deadline, for_both_modes, main, read_all, read_exactly, test, wait_for
from tools import tool

LARGE = 4_000_000
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def node(case, name, at=None):
    page = case.folder / "page.bin"
    page.write_bytes(noise(150_000))
    at = at or case.folder / f"{name}.sock"
    return Application(case, name, [tool("node", "nodejs"), FOLDER / "server.js", name, at], at, {"PAGE": str(page)})


def in_front(case, *apps, upstream="", proxy="", workers=2, **options):
    servers = "".join(f"server {app.address}\n" for app in apps)
    handler = f"http {{\nupstream app {{\n{servers}{upstream}\n}}\nlocation / {{ proxy app {{ {proxy} }} }}\n}}"
    text, port = case.service(handler, workers=workers, extra=LIMITS, **options)
    return case.server(text), port


# ------------------------------------------------------------------------------------ requests

@for_both_modes
def two_servers_share_the_requests(case):
    one, two = node(case, "one", case.port()), node(case, "two")
    _, port = in_front(case, one, two, workers=1)
    client = Client(port)
    names = [client.ask("/tell").json()["name"] for _ in range(20)]
    assert names.count("one") == names.count("two") == 10, names
    client.close()


@for_both_modes
def connections_to_servers_are_kept(case):
    app = node(case, "one")
    _, port = in_front(case, app, workers=1)
    # Not POST, which gets one of its own where the last one has rested for long: see test_gateway_retry.py.
    for _ in range(30):
        told = ask(port, "/tell").json()
    # One for looking whether it accepts, and one for all requests.
    assert told["connections"] <= 2, told


@for_both_modes
def a_server_that_is_gone_is_not_missed(case):
    one, two = node(case, "one", case.port()), node(case, "two")
    server, port = in_front(case, one, two, upstream="max-fails 1; fail-time 60s")
    for _ in range(6):
        ask(port, "/tell").json()
    one.kill()
    # No client hears of it, whatever it asks for: a server that refuses has done nothing yet.
    for number in range(20):
        told = ask(port, "/tell", "POST" if number % 2 else "GET", pieces(noise(1000)) if number % 2 else None).json()
        assert told["name"] == "two", told
    server.wait_log(rf"cannot connect to {one.address} \(app\)")
    server.wait_log(rf"server {one.address} of app is out")


@test
def a_server_that_comes_back_is_asked_again(case):
    one, two = node(case, "one", case.port()), node(case, "two")
    # Of the one that stays a single late answer would count as well.
    limit = f"{deadline(3):.0f}s"
    check = f"check /tell {{ every {limit}; timeout {limit}; rise 1; fall 1 }}"
    server, port = in_front(case, one, two, upstream=check, workers=1, connections=64)
    one.stop()
    server.wait_log(rf"server {one.address} of app is ill")
    assert {ask(port, "/tell").json()["name"] for _ in range(10)} == {"two"}
    node(case, "one", one.at)
    wait_for(lambda: {ask(port, "/tell").json()["name"] for _ in range(4)} == {"one", "two"}, "both to be asked again")


@for_both_modes
def servers_are_told_what_the_client_said(case):
    app = node(case, "one")
    _, port = in_front(case, app, proxy="host server; set-header X-Secret sesame")
    told = ask(port, "/tell/%7Euser/a%2fb?q=%20+", "PUT", b"x" * 10, {"X-Secret": "guessed", "TE": "trailers"}).json()
    assert (told["method"], told["url"], told["length"]) == ("PUT", "/tell/%7Euser/a%2fb?q=%20+", 10), told
    assert told["headers"]["x-secret"] == "sesame" and told["headers"]["x-forwarded-host"] == f"127.0.0.1:{port}", told


# ----------------------------------------------------------------------------------- streaming

@for_both_modes
def content_streams_both_ways(case):
    """What is sent comes back while the rest is not sent yet."""
    app = node(case, "one")
    _, port = in_front(case, app)
    data = noise(LARGE)
    for framing in f"Content-Length: {LARGE}", "Transfer-Encoding: chunked":
        with connect(port) as sock:
            sock.settimeout(deadline(60))

            def framed(piece):
                return b"%x\r\n%b\r\n" % (len(piece), piece) if "chunked" in framing else piece

            sock.sendall(f"POST /mirror HTTP/1.1\r\nHost: test\r\n{framing}\r\nConnection: close\r\n\r\n".encode())
            sock.sendall(framed(data[:1000]))
            came = b""
            while data[:1000] not in came.replace(b"\r\n3e8\r\n", b""):
                piece = sock.recv(65536)
                assert piece, came
                came += piece

            def send():
                for piece in pieces(data[1000:], 16_000):
                    sock.sendall(framed(piece))
                if "chunked" in framing:
                    sock.sendall(b"0\r\n\r\n")

            sender = threading.Thread(target=send)
            sender.start()
            came += read_all(sock)
            sender.join()
            head, _, body = came.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ") and b"chunked" in head.lower(), head
            assert unchunked(body) == data


def unchunked(body):
    data = bytearray()
    while True:
        length, _, body = body.partition(b"\r\n")
        n = int(length, 16)
        if n == 0:
            return bytes(data)
        data += body[:n]
        assert body[n:n + 2] == b"\r\n", body[n:n + 20]
        body = body[n + 2:]


@for_both_modes
def events_come_as_they_are_written(case):
    app = node(case, "one")
    _, port = in_front(case, app)
    gate = case.folder / "gate"
    arrives_in_parts(port, f"/parts?gate={gate}", gate)


@for_both_modes
def trailers_and_interim_answers_are_passed_on(case):
    app = node(case, "one")
    _, port = in_front(case, app)
    with connect(port) as sock:
        sock.sendall(b"GET /trailers HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
        came = read_all(sock)
    assert came.endswith(b"0\r\nX-Sum: 42\r\n\r\n") and b"some content\n" in came, came
    with connect(port) as sock:
        sock.sendall(b"GET /trailers HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        came = read_all(sock)
    assert came.endswith(b"0\r\n\r\n") and b"X-Sum: 42" not in came, came
    with connect(port) as sock:
        sock.sendall(b"GET /hints HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        came = read_all(sock)
    first, _, rest = came.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 103 ") and b"preload" in first, came
    assert rest.startswith(b"HTTP/1.1 200 ") and b"hinted\n" in rest, came
    with connect(port) as sock:
        sock.sendall(b"POST /tell HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert read_exactly(sock, 25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"data")
        came = read_all(sock)
    assert came.startswith(b"HTTP/1.1 200 ") and sha256(b"data").encode() in came, came


@for_both_modes
def an_answer_that_breaks_off_is_not_made_whole(case):
    app = node(case, "one")
    server, port = in_front(case, app)
    for _ in range(3):
        with Http(port) as client:
            client.send("GET /breaks HTTP/1.1\r\nHost: test\r\n\r\n")
            try:
                client.read()
                raise AssertionError("1,000 of 1,000,000 bytes looked whole")
            except ConnectionResetError:
                pass
            except AssertionError as error:
                assert "ended inside a response" in str(error), error
    server.wait_log(r"broke off its answer after 1000 bytes")
    assert ask(port, "/tell").status == 200


@for_both_modes
def reloaded_under_load(case):
    one, two = node(case, "one", case.port()), node(case, "two")
    server, port = in_front(case, one, two, workers=4)
    load = case.load(port, [case.folder / "page.bin"], path="/page", keep_alive=2, per_request=2, pause_ms=5)
    reload_under(load, server, workers=4)


# ----------------------------------------------------------------------------------- WebSocket

class WebSocket:
    """A client of RFC 6455."""

    def __init__(self, port, path="/chat"):
        self.sock = connect(port, timeout=deadline(60))
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.status, *lines = head.decode().split("\r\n")
        self.fields = dict(line.lower().split(": ", 1) for line in lines)
        accept = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        self.accepted = (self.status.startswith("HTTP/1.1 101 ") and
                         self.fields.get("sec-websocket-accept") == base64.b64encode(accept).decode().lower())

    def _more(self):
        piece = self.sock.recv(65536)
        assert piece, f"the connection ended after {self.buffer[:200]}"
        self.buffer += piece

    def send(self, opcode, payload):
        n = len(payload)
        size = bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
        mask = os.urandom(4)
        keys = (mask * (n // 4 + 1))[:n]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(n, "big")
        self.sock.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def _take(self, n):
        while len(self.buffer) < n:
            self._more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def receive(self):
        """(opcode, payload) of the next frame; servers do not mask."""
        opcode, n = self._take(2)
        if n == 126:
            n = struct.unpack(">H", self._take(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self._take(8))[0]
        return opcode & 15, self._take(n)

    def close(self):
        self.send(CLOSE, b"\x03\xe8")
        assert self.receive() == (CLOSE, b"\x03\xe8")
        assert self.sock.recv(1) == b"", "the end of the server's side"
        self.sock.close()


@for_both_modes
def websocket_echoes(case):
    app = node(case, "one")
    _, port = in_front(case, app, workers=4)
    for _ in range(3):
        client = WebSocket(port)
        assert client.accepted and client.fields["connection"] == "upgrade", (client.status, client.fields)
        # It comes in one piece with the head of the answer.
        assert client.receive() == (TEXT, b"one greets")
        for payload in b"", b"hello", noise(200), noise(70_000), noise(1_000_000):
            client.send(BINARY, payload)
            assert client.receive() == (BINARY, payload)
        client.send(PING, b"are you there")
        assert client.receive() == (PONG, b"are you there")
        client.close()
    assert ask(port, "/tell").status == 200


@for_both_modes
def websockets_outlive_a_reload_and_a_silence(case):
    app = node(case, "one")
    limit = deadline(1)  # of the handshake too
    server, port = in_front(case, app, proxy=f"read-timeout {limit:.0f}s; send-timeout {limit:.0f}s", workers=2)
    client = WebSocket(port)
    assert client.accepted, client.status
    client.receive()
    old = reload_changed(server)
    wait_for(lambda: len(set(server.workers()) & set(old)) == 1, "the old workers to go, but for one")
    other = WebSocket(port)
    assert other.accepted, other.status
    other.receive()
    # Those are limits of answers, and this is none.
    assert not select.select([client.sock, other.sock], [], [], 2 * limit)[0]
    for each in client, other:
        each.send(TEXT, b"still there?")
        assert each.receive() == (TEXT, b"still there?")
        each.close()
    server.wait_workers(2, without=old)


@for_both_modes
def websocket_ends_with_either_side(case):
    app = node(case, "one")
    server, port = in_front(case, app, workers=2)
    # Gone without a word: the server must hear of it.
    client = WebSocket(port)
    client.receive()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
    wait_for(lambda: ask(port, "/tell").json()["sockets"] == 0, "the server's connection to end")
    client = WebSocket(port)
    client.receive()
    app.kill()
    try:
        assert client.sock.recv(100) == b""
    except ConnectionResetError:
        pass
    client.sock.close()
    server.stop()


@test
def websockets_are_refused_where_not_allowed(case):
    app = node(case, "one")
    _, port = in_front(case, app, proxy="upgrade no")
    client = WebSocket(port)
    assert not client.accepted and client.status.startswith("HTTP/1.1 200 "), client.status
    client.sock.close()


main()
