#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exchanges through a gateway when the worker is to go, at each of their stages, and when a limit of the service ends
them: what can be finished is, and who is cut off is told, as far as that is possible.
"""

import os
import random
import signal
import threading

from fake_upstream import Upstream, answering, entries, gateway
from harness import for_both_modes, main, title, wait_for, wait_refused
from messages import Client, request_of

LIMITS = "timeout {{ request {}; idle {}; park 60s; drain {} }}"


def start(case, script, request="60s", idle="60s", drain="60s", options="", workers=1):
    upstream = Upstream(case, script)
    text, port = gateway(case, upstream.address, options, extra=LIMITS.format(request, idle, drain), workers=workers)
    return upstream, case.server(text), port


class Staged:
    """A server that says what it has reached, and waits to be told to go on, before and within its reply."""

    def __init__(self):
        self.thinks, self.talks = threading.Event(), threading.Event()
        self.answer, self.finish = threading.Event(), threading.Event()
        self.data = random.Random(13).randbytes(3 << 20)
        self.half = len(self.data) // 2

    def __call__(self, link):
        while request := link.read():
            self.thinks.set()
            self.answer.wait(60)
            link.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.data) + self.data[:self.half])
            self.talks.set()
            self.finish.wait(60)
            link.send(self.data[self.half:])
            assert not request.content or request.content == self.data

    def wait_talks(self, client):
        """Until it waits within its reply, and the client has what comes before: how much the kernel would keep is not known."""
        assert client.read_reply(content=False).length() == len(self.data)
        assert client.take(self.half) == self.data[:self.half]
        assert self.talks.wait(60)


def begin_stop(server, port):
    """Until the worker has been told, too: who tries the port before is a client whom even a busy one takes in the end."""
    server.send_signal(signal.SIGTERM)
    server.notify.wait("STOPPING", "1")
    wait_for(lambda: all("draining" in title(pid) for pid in server.workers()), "the worker to drain")
    wait_refused(port)


@for_both_modes
def what_waits_for_its_reply_gets_it(case):
    staged = Staged()
    _, server, port = start(case, staged)
    with Client(port) as client:
        client.send(request_of("/"))
        assert staged.thinks.wait(60)
        begin_stop(server, port)
        staged.answer.set()
        staged.finish.set()
        reply = client.read_reply()
        assert reply.content == staged.data and reply.value("connection") == "close", reply
        assert client.is_at_end()
    server.wait_exit(0)


@for_both_modes
def a_download_is_finished(case):
    staged = Staged()
    staged.answer.set()
    _, server, port = start(case, staged)
    with Client(port) as client:
        client.send(request_of("/"))
        staged.wait_talks(client)
        begin_stop(server, port)
        staged.finish.set()
        # Its head went out before: it could not be told that there is no further request.
        assert client.take(len(staged.data) - staged.half) == staged.data[staged.half:]
    server.wait_exit(0)


@for_both_modes
def an_upload_is_finished(case):
    staged = Staged()
    staged.answer.set()
    staged.finish.set()
    upstream, server, port = start(case, staged)
    half = len(staged.data) // 2
    with Client(port) as client:
        client.send(request_of("/", "PUT", f"Content-Length: {len(staged.data)}") + staged.data[:half])
        wait_for(lambda: upstream.requests, "the request to arrive")
        begin_stop(server, port)
        client.send(staged.data[half:])
        reply = client.read_reply()
        assert reply.content == staged.data and reply.value("connection") == "close", reply
        assert client.is_at_end()
    server.wait_exit(0)


@for_both_modes
def connections_at_rest_hold_up_nobody(case):
    upstream, server, port = start(case, answering(), drain="10min")
    with Client(port) as client:
        assert client.ask("/", "GET", "Connection: close").status == 200
    assert not upstream.links[0].is_closed.is_set()
    server.stop()
    assert upstream.links[0].is_closed.wait(60)


@for_both_modes
def the_drain_limit_ends_what_waits(case):
    """Before the reply has begun the client is told; afterwards a break is all there is."""
    staged = Staged()
    upstream, server, port = start(case, staged, drain="500ms")
    with Client(port) as client:
        client.send(request_of("/"))
        assert staged.thinks.wait(60)
        begin_stop(server, port)
        reply = client.read_reply()
        assert reply.status == 503 and reply.value("connection") == "close" and client.is_at_end(), reply
    server.wait_exit(0)
    assert entries(case, 1)[0]["status"] == 503
    staged.answer.set()
    upstream.close()


@for_both_modes
def the_drain_limit_ends_a_download(case):
    staged = Staged()
    staged.answer.set()
    _, server, port = start(case, staged, drain="500ms")
    with Client(port) as client:
        client.send(request_of("/"))
        staged.wait_talks(client)
        begin_stop(server, port)
        client.how_it_ends()
        assert not client.buffer
    server.wait_exit(0)
    server.wait_log("drain limit ran out")
    staged.finish.set()


@for_both_modes
def the_limit_of_a_request_is_504(case):
    """Whatever the limits of the gateway are: no request takes longer."""
    staged = Staged()
    upstream, server, port = start(case, staged, request="500ms")
    with Client(port) as client:
        client.send(request_of("/"))
        reply = client.read_reply()
        assert reply.status == 504 and reply.value("connection") == "close" and client.is_at_end(), reply
    server.wait_log("request limit")
    assert entries(case, 1)[0]["status"] == 504
    staged.answer.set()
    upstream.wait_link(0).is_closed.wait(60)


@for_both_modes
def a_client_that_stops_in_its_content_is_408(case):
    """The server's connection is closed by then: it does not wait for what will never come."""
    upstream, _, port = start(case, lambda link: (link.read_head(), link.wait_end()), idle="500ms")
    for number, framing in enumerate(("Content-Length: 1000", "Transfer-Encoding: chunked")):
        with Client(port) as client:
            client.send(request_of("/", "POST", framing) + b"3\r\nabc")
            reply = client.read_reply()
            assert reply.status == 408 and reply.value("connection") == "close" and client.is_at_end(), reply
        upstream.wait_ended(number)
    assert [line["status"] for line in entries(case, 2)] == [408, 408]


@for_both_modes
def a_worker_that_is_killed_takes_its_exchanges_along(case):
    """The server notices, and the next client is served by another worker."""
    upstream, server, port = start(case, lambda link: link.reply(b"other") if link.read().target == "/other" else link.wait_end())
    worker, = server.workers()
    with Client(port) as client:
        client.send(request_of("/"))
        upstream.wait_requests(1)
        os.kill(worker, signal.SIGKILL)
        client.how_it_ends()
        assert not client.got, client.got
    upstream.wait_ended(0)
    server.wait_workers(1, without=[worker])
    with Client(port) as client:
        assert client.ask("/other").content == b"other"


if __name__ == "__main__":
    main()
