#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All that the other tests look at one by one, at once and at random: clients that send and servers that answer in
pieces of any size, well and badly. Each request has a number that its answer must have, so nobody can be given what is
another's. GATEWAY_SECONDS (5) is how long it takes in each mode; GATEWAY_SEED repeats the choices, though not their order.
"""

import hashlib
import os
import random
import threading
import time

from fake_upstream import Upstream, gateway, sockets_of
from harness import deadline, for_both_modes, main, wait_for
from messages import Client, chunked, lines_of, reply_of, request_of

SECONDS = float(os.environ.get("GATEWAY_SECONDS", "5"))
SEED = int(os.environ.get("GATEWAY_SEED", "0")) or random.SystemRandom().getrandbits(32)
CLIENTS = 8
SIZES = [0, 1, 10, 500, 5000, 16384, 16385, 40_000, 150_000]

# How a server answers, and what its client gets: the answer, 502, an answer that breaks off, one of these.
GOOD = ["length", "chunks", "end", "old", "old-end", "interim", "last", "more"]
BAD = {"silent": {502}, "reset": {502}, "garbage": {502}, "two-lengths": {502}, "short": {"broken"},
       "bad-chunk": {502, "broken"}, "dies-in-chunk": {"broken"}}


def content_of(number, size):
    """Which bytes a number stands for."""
    block = hashlib.sha256(number.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


def cut(rng, data, most=40):
    """Pieces of it, no more than a test has time for."""
    pieces = []
    while data and len(pieces) < most:
        n = rng.choice([1, 2, 3, 20, 1000, 16384, len(data)])
        pieces.append(data[:n])
        data = data[n:]
    return pieces + [data] if data else pieces


def send_cut(rng, stream, data):
    for piece in cut(rng, data, rng.choice([0, 0, 3, 40])):
        stream.send(piece)


def answer_to(request, kind, rng):
    """The bytes, and whether the connection ends with them."""
    size = int(request.value("x-size"))
    number = request.value("x-number")
    fields = [f"X-Number: {number}", f"X-Digest: {hashlib.sha256(request.content).hexdigest()}"]
    content = content_of(number, size)
    chunks = cut(rng, content)
    head = b"HTTP/1.1 200 OK\r\n" + lines_of(fields)
    return {
        "length": lambda: (reply_of(content, *fields), False),
        "chunks": lambda: (reply_of(None, *fields, chunks=chunks, trailers=["X-Trailer: 1"]), False),
        "end": lambda: (reply_of(None, *fields) + content, True),
        "old": lambda: (reply_of(content, *fields, version="1.0"), True),
        "old-end": lambda: (reply_of(None, *fields, version="1.0") + content, True),
        "interim": lambda: (b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + reply_of(content, *fields), False),
        "last": lambda: (reply_of(content, *fields, "Connection: close"), True),
        "more": lambda: (reply_of(content[:5000], *fields) + reply_of(b"evil", "X-Number: evil"), True),
        "silent": lambda: (b"", True),
        "reset": lambda: (None, True),
        "garbage": lambda: (rng.randbytes(100) + b"\r\n\r\n", True),
        "two-lengths": lambda: (head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", True),
        "short": lambda: (head + b"Content-Length: %d\r\n\r\n" % (size + 1) + content, True),
        "bad-chunk": lambda: (head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(chunks)[:-5] + b"x\r\n", True),
        "dies-in-chunk": lambda: (head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(chunks)[:-5], True),
    }[kind]()


def server_script(link):
    rng = random.Random(SEED ^ link.number)
    while request := link.read():
        data, is_last = answer_to(request, request.target[1:], rng)
        if data is None:
            link.reset()
            return
        if request.target == "/more":
            link.send(data)  # at once: what comes later cannot be told from an answer to the next request
        else:
            send_cut(rng, link, data)
        if is_last:
            return


class Mixer(threading.Thread):
    def __init__(self, port, who, over):
        super().__init__(daemon=True)
        self.port, self.who, self.over = port, who, over
        self.random = random.Random(SEED + who)
        self.asked, self.bad, self.failure = 0, 0, None

    def run(self):
        try:
            while not self.over.is_set():
                with Client(self.port) as client:
                    while self.exchange(client) and not self.over.is_set():
                        pass
        except (AssertionError, OSError) as error:
            self.failure = f"seed {SEED}, client {self.who}, request {self.asked} {self.last}: {error!r}"[:600]

    def exchange(self, client):
        """One; False: the connection has ended."""
        rng = self.random
        kind = rng.choice(GOOD) if rng.random() < 0.8 else rng.choice(list(BAD))
        size, content = rng.choice(SIZES), rng.randbytes(rng.choice(SIZES))
        number = f"{self.who}.{self.asked}"
        # What is not idempotent is not sent again, so that each server's fault is this request's own.
        form = rng.choice([{}, {"content": content}, {"chunks": cut(rng, content)}])
        self.asked += 1
        self.last = f"{kind} {size} {list(form)} {len(content) if form else 0}"
        send_cut(rng, client, request_of(f"/{kind}", "POST", f"X-Number: {number}", f"X-Size: {size}", **form))
        try:
            reply = client.read_reply(content=False)
        except (AssertionError, ConnectionError) as error:
            raise AssertionError(f"no answer: {error!r}") from error
        if kind in BAD:
            self.bad += 1
            return self.judge_bad(client, reply, kind, number, size)
        assert reply.status == 200 and reply.value("x-number") == number, reply
        assert reply.value("x-digest") == hashlib.sha256(content if form else b"").hexdigest(), reply
        self.read_content(client, reply)
        assert reply.content == content_of(number, size)[:5000 if kind == "more" else None], f"not its content: {reply.content[:100]!r}"
        return reply.value("connection") != "close"

    @staticmethod
    def read_content(client, reply):
        if reply.is_chunked():
            client.read_chunked(reply)
        else:
            reply.content = client.take(reply.length())

    def judge_bad(self, client, reply, kind, number, size):
        if reply.status == 502:
            assert 502 in BAD[kind], (kind, reply)
            client.take(reply.length())
            return reply.value("connection") != "close"
        assert "broken" in BAD[kind] and reply.value("x-number") == number, (kind, reply)
        try:
            self.read_content(client, reply)
        except (AssertionError, ConnectionError):
            assert client.how_it_ends() in ("end", "reset")
            return False
        raise AssertionError(f"{kind} {size} was taken for whole")


@for_both_modes
def each_gets_what_is_its_own(case):
    upstream = Upstream(case, server_script)
    text, port = gateway(case, upstream.address, "max-body 0", workers=CLIENTS if case.connections == 1 else 2)
    server = case.server(text)
    workers = server.workers()
    before = [sockets_of(pid) for pid in workers]
    over = threading.Event()
    case.defer(over.set)
    mixers = [Mixer(port, who, over) for who in range(CLIENTS)]
    for mixer in mixers:
        mixer.start()
    end = time.monotonic() + SECONDS
    wait_for(lambda: time.monotonic() > end or any(mixer.failure for mixer in mixers), "the end of the time", 10 * SECONDS)
    over.set()
    for mixer in mixers:
        mixer.join(deadline(60))
        assert not mixer.is_alive(), f"seed {SEED}: {mixer.who} still waits: {mixer.last}"
    assert not any(mixer.failure for mixer in mixers), [mixer.failure for mixer in mixers if mixer.failure]
    asked, bad = sum(mixer.asked for mixer in mixers), sum(mixer.bad for mixer in mixers)
    print(f"# seed {SEED}: {asked} requests, {bad} answered badly")
    assert asked > 50 and server.workers() == workers, server.log()
    # The servers' connections end, and with them ours.
    upstream.close()
    wait_for(lambda: [sockets_of(pid) for pid in workers] == before, f"as many sockets as before: {before}")


if __name__ == "__main__":
    main()
