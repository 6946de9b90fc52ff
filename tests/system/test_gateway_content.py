#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Content on its way through a gateway, both ways: of any size, however it is framed, with what is said before
the end of it, and within its limit.
"""

import hashlib
import itertools
import random
import threading

from fake_upstream import Upstream, answering, entries, gateway
from harness import for_both_modes, main, test, wait_for
from messages import Client, reply_of, request_of

# None, one byte, around a buffer, around what one piece of a file is, and many buffers.
SIZES = [0, 1, 255, 16383, 16384, 16385, 100_000, 1 << 20, 10 << 20]


def pieces_of(data, rng):
    """Cuts it anywhere, into no more pieces than a test has time for."""
    pieces, at = [], 0
    largest = max(len(data) // 50, 10)
    while at < len(data):
        n = rng.choice([1, 2, 15, 16, 17, 4096, 16384, rng.randint(1, largest), largest])
        pieces.append(data[at:at + n])
        at += n
    return pieces


def start(case, script, options="", **more):
    upstream = Upstream(case, script)
    text, port = gateway(case, upstream.address, options, **more)
    return upstream, case.server(text), port


def in_background(case, function, *args):
    """Runs it beside the test; it may find the connection ended."""
    def run():
        try:
            function(*args)
        except OSError:
            pass
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    case.defer(thread.join)
    return thread


def digest(data):
    return hashlib.sha256(data).hexdigest().encode()


# -------------------------------------------------------------------------------------- whole content

@for_both_modes
def content_goes_up_as_it_is(case):
    upstream, _, port = start(case, answering(lambda request: reply_of(digest(request.content))))
    rng = random.Random(7)
    with Client(port) as client:
        # The server shows that it keeps connections: else content that is sent once has one of its own.
        for _ in range(2):
            client.ask("/")
        for size in SIZES:
            data = rng.randbytes(size)
            assert client.ask(f"/length/{size}", "PUT", content=data).content == digest(data), size
            request = upstream.requests[-1]
            assert request.length() == size and not request.is_chunked(), request
            reply = client.ask(f"/chunks/{size}", "POST", chunks=pieces_of(data, rng))
            assert reply.content == digest(data), size
            assert upstream.requests[-1].is_chunked(), upstream.requests[-1]
    assert len(upstream.links) == 1 and len(upstream.requests) == 2 + 2 * len(SIZES)


@for_both_modes
def content_comes_down_as_it_is(case):
    rng = random.Random(8)
    data = {size: rng.randbytes(size) for size in SIZES}

    def script(link):
        while request := link.read():
            _, framing, size = request.target.split("/")
            content = data[int(size)]
            if framing == "length":
                link.reply(content)
            elif framing == "chunks":
                link.reply(chunks=pieces_of(content, rng))
            else:
                link.send(reply_of(None) + content)
                return
    _, _, port = start(case, script)
    with Client(port) as client:
        for size in SIZES:
            for framing in ("length", "chunks", "end"):
                reply = client.ask(f"/{framing}/{size}")
                assert reply.content == data[size], (framing, size, reply)
                assert reply.is_chunked() == (framing != "length"), reply
    assert [line["bytes"] for line in entries(case, 3 * len(SIZES))] == [size for size in SIZES for _ in range(3)]


@for_both_modes
def what_follows_content_is_the_next_request(case):
    """Be it in the buffer with the end of content that was streamed, or with all of it."""
    upstream, _, port = start(case, answering(lambda request: reply_of(request.target.encode() + digest(request.content))))
    forms = [{"content": b"x" * 100}, {"chunks": [b"x" * 60, b"y"]}, {"content": b"z" * 100_000}, {"chunks": [b"u" * 9_999] * 9}]
    with Client(port) as client:
        data = b"".join(request_of(f"/{number}", "POST", **form) + request_of(f"/then{number}")
                        for number, form in enumerate(forms))
        thread = in_background(case, client.send, data)
        for number, form in enumerate(forms):
            content = form["content"] if "content" in form else b"".join(form["chunks"])
            assert client.read_reply().content == b"/%d" % number + digest(content), number
            assert client.read_reply().content == b"/then%d" % number + digest(b""), number
        thread.join()
    assert len(upstream.requests) == 2 * len(forms), upstream.requests


@test
def chunks_are_framed_anew(case):
    """Extensions, leading zeros and the way that chunks were cut are between two parties."""
    upstream, _, port = start(case, answering(lambda request: reply_of(request.content)))
    chunks = b"0005 ;a=b;c=\"d\\\"\"\r\nhello\r\n00A;x\r\n0123456789\r\n000\r\n\r\n"
    with Client(port) as client:
        client.send(request_of("/", "POST", "Transfer-Encoding: chunked") + chunks)
        assert client.read_reply().content == b"hello0123456789"
        # One byte at a time.
        client.send(request_of("/", "POST", "Transfer-Encoding: chunked"))
        for byte in chunks:
            client.send(bytes([byte]))
        assert client.read_reply().content == b"hello0123456789"
    # Of chunks that are not as plain as can be the fake server would have complained.
    assert all(request.is_chunked() and request.content == b"hello0123456789" for request in upstream.requests)


@for_both_modes
def a_byte_at_a_time_both_ways(case):
    """Nothing depends on how bytes arrive."""
    def script(link):
        while link.read():
            for byte in b"HTTP/1.1 103 X\r\nA: b\r\n\r\n" + reply_of(chunks=[b"some", b"thing"]):
                link.send(bytes([byte]))
    upstream, _, port = start(case, script)
    with Client(port) as client:
        for byte in request_of("/x", "POST", "X-Field: value", content=b"some content"):
            client.send(bytes([byte]))
        reply = client.read_reply()
        assert reply.content == b"something" and len(reply.interim) == 1, reply
    assert upstream.requests[0].content == b"some content"


@for_both_modes
def both_directions_flow_at_once(case):
    """The reply begins while the request goes on; each piece comes back before the next one is sent."""
    def script(link):
        request = link.read_head()
        link.send(reply_of(None, "Transfer-Encoding: chunked"))
        left = request.length()
        while left:
            assert link.has_more(), "the request ended early"
            piece = link.take(len(link.buffer))
            left -= len(piece)
            link.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        link.send(b"0\r\n\r\n")
        assert link.read() is not None, "the connection was not kept"
        link.reply(b"kept")
    _, _, port = start(case, script)
    pieces = [bytes([65 + i]) * (i * i * 100 + 1) for i in range(20)]
    with Client(port) as client:
        client.send(request_of("/", "POST", f"Content-Length: {sum(map(len, pieces))}"))
        assert client.read_reply(content=False).is_chunked()
        for piece in pieces:
            client.send(piece)
            back = b""
            while len(back) < len(piece):
                size = int(client.take_until(b"\r\n"), 16)
                back += client.take(size)
                assert client.take(2) == b"\r\n"
            assert back == piece
        assert client.take_until(b"\r\n\r\n") == b"0\r\n\r\n"
        assert client.ask("/").content == b"kept"


# --------------------------------------------------------------------------------------------- trailers

@for_both_modes
def trailers_come_down_to_who_takes_them(case):
    trailers = ["X-Check: 1", "Content-Length: 5", "Transfer-Encoding: chunked", "Set-Cookie: a=b", "X-Sum: abc"]
    upstream, _, port = start(case, answering(reply_of(None, "Trailer: X-Check, X-Sum", chunks=[b"content"], trailers=trailers)))
    with Client(port) as client:
        reply = client.ask("/", "GET", "TE: trailers", "Connection: TE")
        assert reply.content == b"content" and reply.trailers == [("X-Check", "1"), ("X-Sum", "abc")], reply.trailers
        assert reply.value("trailer") == "X-Check, X-Sum", reply
        reply = client.ask("/")
        assert reply.content == b"content" and reply.trailers == [] and reply.value("trailer") is None, reply.trailers
    assert len(upstream.links) == 1


@for_both_modes
def trailers_that_frame_a_message_do_not_go_up(case):
    upstream, _, port = start(case, answering())
    evil = ["Content-Length: 5", "Transfer-Encoding: chunked", "X-Forwarded-For: 192.0.2.1", "Host: evil.test"]
    with Client(port) as client:
        for size in (10, 100_000):
            assert client.ask("/", "POST", chunks=[b"x" * size], trailers=evil).status == 200
    for request in upstream.requests:
        assert request.trailers == [] and set(request.content) == {ord("x")}, request


# -------------------------------------------------------------------------------- before the content's end

@for_both_modes
def who_waits_for_100_is_told_by_the_server(case):
    def script(link):
        while request := link.read_head():
            assert request.value("expect") == "100-continue", request
            link.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            link.read_content(request)
            link.reply(request.content)
    _, _, port = start(case, script)
    with Client(port) as client:
        for _ in range(2):
            client.send(request_of("/", "POST", "Content-Length: 7", "Expect: 100-continue"))
            assert client.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 "), client.got
            client.send(b"content")
            assert client.read_reply().content == b"content"


@for_both_modes
def who_waits_for_100_may_be_refused_instead(case):
    def script(link):
        link.read_head()
        link.reply(b"no", status="403 Forbidden")
        link.wait_end()
        assert b"content" not in link.got, "what the client never sent"
    upstream, _, port = start(case, script)
    with Client(port) as client:
        client.send(request_of("/", "POST", "Content-Length: 7", "Expect: 100-continue"))
        reply = client.read_reply()
        assert (reply.status, reply.content, reply.value("connection")) == (403, b"no", "close"), reply
        assert not reply.interim and client.is_at_end(), reply
    upstream.wait_ended()


@test
def who_does_not_wait_for_100_is_not_kept_waiting(case):
    """A server that knows nothing of it, and a client that is tired of waiting."""
    _, _, port = start(case, answering(lambda request: reply_of(request.content)))
    with Client(port) as client:
        client.send(request_of("/", "POST", "Expect: 100-continue", content=b"content"))
        reply = client.read_reply()
        assert reply.content == b"content" and not reply.interim, reply


@for_both_modes
def an_answer_before_the_content_has_come_arrives_whole(case):
    """The server has no use for it and closes; the client goes on sending, and gets every byte of the reply."""
    answer = b"too much, " * 1000

    def script(link):
        link.read_head()
        link.reply(answer, "Connection: close", status="413 Content Too Large")
        link.half_close()
        link.wait_end()
    upstream, _, port = start(case, script, "max-body 100M")
    data = b"x" * (30 << 20)
    with Client(port) as client:
        client.send(request_of("/", "POST", f"Content-Length: {len(data)}"))
        in_background(case, client.send, data)
        reply = client.read_reply()
        assert (reply.status, reply.content, reply.value("connection")) == (413, answer, "close"), reply
    upstream.wait_ended()
    assert entries(case, 1)[0]["status"] == 413


@for_both_modes
def a_reply_that_is_over_before_the_content_ends_the_exchange(case):
    """However good it is: the rest of the content is of no use any more, and the server sees that it is not to come."""
    def script(link):
        link.read_head()
        link.reply(b"enough")
        link.wait_end()
    upstream, _, port = start(case, script)
    with Client(port) as client:
        client.send(request_of("/", "POST", "Content-Length: 300000") + b"x" * 1000)
        assert client.read_reply().content == b"enough"
        upstream.wait_ended()
        client.how_it_ends()
        assert not client.buffer


@for_both_modes
def a_client_that_leaves_within_its_content_takes_its_request_along(case):
    """The server sees at once that there is nothing more to come, be it an end or a reset."""
    upstream, server, port = start(case, lambda link: (link.read_head(), link.wait_end()))
    workers = server.workers()
    ways = itertools.product((Client.close, Client.reset, Client.half_close),
                             ("Content-Length: 100000", "Transfer-Encoding: chunked"))
    for number, (leave, framing) in enumerate(ways):
        with Client(port) as client:
            client.send(request_of("/", "POST", framing) + b"20000\r\nhalf of it")
            link = upstream.wait_link(number)
            wait_for(lambda link=link: b"half of it" in link.got, "the content to arrive")
            leave(client)
            upstream.wait_ended(number)
            if leave is Client.half_close:
                reply = client.read_reply()
                assert reply.status == 400 and client.is_at_end(), reply
    assert server.workers() == workers


# ----------------------------------------------------------------------------------------------- limits

@for_both_modes
def content_has_a_limit(case):
    upstream, _, port = start(case, answering(lambda request: reply_of(b"%d" % len(request.content))), "max-body 1000")
    limit = b"x" * 1000
    with Client(port) as client:
        assert client.ask("/", "POST", content=limit).content == b"1000"
        assert client.ask("/", "POST", chunks=[limit[:999], b"x"]).content == b"1000"
    assert len(upstream.requests) == 2
    for options in ({"content": limit + b"x"}, {"chunks": [limit, b"x"]}):
        with Client(port) as client:
            reply = client.ask("/", "POST", **options)
            assert reply.status == 413 and reply.value("connection") == "close" and client.is_at_end(), reply
    # Who asks before it sends is told before it does.
    with Client(port) as client:
        client.send(request_of("/", "POST", "Content-Length: 1001", "Expect: 100-continue"))
        reply = client.read_reply()
        assert reply.status == 413 and not reply.interim and client.is_at_end(), reply
    assert sorted(line["status"] for line in entries(case, 5)) == [200, 200, 413, 413, 413]
    # What was refused by its length never went to a server, and no server took the other for a whole one.
    assert all(not request.content for request in upstream.requests[2:]), upstream.requests


@for_both_modes
def the_limit_of_streamed_chunks(case):
    """It shows when the request has long gone up; the server must not take what it has for all of it."""
    def script(link):
        request = link.read_head()
        try:
            link.read_content(request)
        except OSError:
            link.end = "within the content"
            return
        except AssertionError as error:
            link.end = "within the content" if "stream ended" in str(error) else str(error)
            return
        link.reply(b"whole", "Connection: close")
    upstream, _, port = start(case, script, "max-body 100000")
    with Client(port) as client:
        assert client.ask("/", "POST", chunks=[b"x" * 1000] * 100).content == b"whole"
    with Client(port) as client:
        client.send(request_of("/", "POST", "Transfer-Encoding: chunked"))
        in_background(case, client.send, b"3e8\r\n" + b"x" * 1000 + b"\r\n" + b"3e8\r\n%b\r\n" % (b"x" * 1000) * 1000)
        reply = client.read_reply()
        assert reply.status == 413 and reply.value("connection") == "close", reply
    assert upstream.wait_ended(1) == "within the content"


@test
def no_limit_but_that_of_a_day(case):
    upstream, _, port = start(case, answering(lambda request: reply_of(b"%d" % len(request.content))), "max-body 0")
    with Client(port) as client:
        assert client.ask("/", "POST", content=b"x" * (11 << 20)).content == b"%d" % (11 << 20)
        assert client.ask("/", "POST", chunks=[b"x" * (1 << 20)] * 11).content == b"%d" % (11 << 20)
    upstream.wait_requests(2)
    text, port = gateway(case, upstream.address, name="default")
    case.server(text)
    with Client(port) as client:
        assert client.ask("/", "POST", content=b"x" * (10 << 20)).status == 200
        client.send(request_of("/", "POST", f"Content-Length: {(10 << 20) + 1}"))
        assert client.read_reply().status == 413
    upstream.wait_requests(3)


@for_both_modes
def chunks_that_are_none_are_refused(case):
    """By us, before or while they go up: no server takes what was there until then for a whole request."""
    def script(link):
        request = link.read_head()
        if request is None:
            return
        try:
            link.read_content(request)
        except (AssertionError, OSError):
            return
        link.reply(b"whole", "Connection: close")
    upstream, _, port = start(case, script)
    bad = [b"5\r\nhelloX\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"-1\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"\r\n",
           b"ffffffffffffffff\r\nx", b"10000000000000000000000\r\nx", b"5;\n\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nX\r\n\r\n",
           b"5\r\nhello\r\n0\r\n X: folded\r\n\r\n", b"5\r\nhello\r\n0\r\nBad Name: x\r\n\r\n", b"5 5\r\nhello\r\n"]
    for prefix in (b"", b"8000\r\n" + b"x" * 0x8000 + b"\r\n"):
        for content in bad:
            with Client(port) as client:
                client.send(request_of("/", "POST", "Transfer-Encoding: chunked") + prefix + content)
                reply = client.read_reply()
                assert reply.status == 400 and reply.value("connection") == "close", (content, reply)
                assert client.is_at_end(), content
    assert all(not request.content for request in upstream.requests), upstream.requests


if __name__ == "__main__":
    main()
