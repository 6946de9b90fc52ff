#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients and servers that take their time behind a gateway: nobody else waits for them, and what they cost is bounded
by buffers, however much they send or ask for.
"""

import contextlib
import random
import select
import socket
import threading

from activation import activated
from fake_upstream import Upstream, gateway, pss
from harness import deadline, for_both_modes, has_sanitizers, main, test, wait_for
from messages import Client, request_of

LARGE = 10 << 20
SLOW_CLIENTS = 50
BUFFER = 65536
# What a client on its way costs a worker at most: two buffers of 16 KiB, the touched part of two stacks, heads.
KIB_A_CLIENT = 64


def trickle(rng, size):
    """Sizes of pieces that add up."""
    while size:
        n = min(size, rng.choice([1, 100, 5000, 65536, 200_000]))
        yield n
        size -= n


def slow_script(data):
    """Takes content and gives it in pieces of any size; counts how much of it the server has."""
    def script(link):
        while request := link.read_head():
            if request.target == "/quick":
                link.reply(b"quick")
            elif request.method == "PUT":
                assert link.take(request.length()) == data, "not what was sent"
                link.reply(b"stored")
            else:
                link.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
                link.send(data)
    return script


@for_both_modes
def who_takes_his_time_holds_up_nobody(case):
    """An upload and a download at a trickle, while others are served at their own pace."""
    rng = random.Random(11)
    data = rng.randbytes(LARGE)
    upstream = Upstream(case, slow_script(data))
    text, port = gateway(case, upstream.address, workers=3 if case.connections == 1 else 1)
    case.server(text)
    over, failures = threading.Event(), []
    case.defer(over.set)

    def slowly(talk):
        def run():
            try:
                with Client(port) as client:
                    talk(client)
            except (AssertionError, OSError) as error:
                failures.append(f"{talk.__name__}: {error!r}")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def upload(client):
        client.send(request_of("/slow", "PUT", f"Content-Length: {LARGE}"))
        at = 0
        for n in trickle(rng, LARGE):
            client.send(data[at:at + n])
            at += n
            over.wait(0.01)  # its own slowness
        assert client.read_reply().content == b"stored"

    def download(client):
        client.send(request_of("/slow"))
        assert client.read_reply(content=False).length() == LARGE
        at = 0
        for n in trickle(rng, LARGE):
            assert client.take(n) == data[at:at + n], f"wrong bytes behind {at}"
            at += n
            over.wait(0.01)
    threads = [slowly(upload), slowly(download)]
    quick = 0
    while any(thread.is_alive() for thread in threads):
        with Client(port) as client:
            for _ in range(10):
                client.sock.settimeout(deadline(10))
                assert client.ask("/quick").content == b"quick"
                quick += 1
    assert not failures, failures
    assert quick > 100, f"only {quick} were served meanwhile"


@test
def memory_is_bounded_by_the_buffers(case):
    """Half of the clients stop in the middle of an upload that their server does not take, half of a download."""
    take, half = threading.Event(), LARGE // 2
    data = random.Random(12).randbytes(LARGE)

    def script(link):
        request = link.read_head()
        if request.target == "/warm":
            link.reply(b"warm", "Connection: close")
        elif request.method == "PUT":
            take.wait(deadline(60))
            assert link.take(request.length()) == data, "not what was sent"
            link.reply(b"stored", "Connection: close")
        else:
            link.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % LARGE + data)
    upstream = Upstream(case, script, receive_buffer=BUFFER)
    # How much the kernel takes by itself is a setting of the machine: it may be all of it.
    listener = with_small_buffers(socket.create_server(("127.0.0.1", 0), backlog=SLOW_CLIENTS))
    case.defer(listener.close)
    port = listener.getsockname()[1]
    text, _ = gateway(case, upstream.address, workers=1, connections=2 * SLOW_CLIENTS, listen="systemd:web")
    server = activated(case, text, [listener], "web")
    worker, = server.workers()
    with Client(port) as client:
        assert client.ask("/warm").content == b"warm"
    before = pss(worker)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(slow_client(port)) for _ in range(SLOW_CLIENTS)]
        uploads, downloads = clients[::2], clients[1::2]
        for client in downloads:
            client.send(request_of("/slow"))
        senders = [threading.Thread(target=put, args=(client, data), daemon=True) for client in uploads]
        for sender in senders:
            sender.start()
        for client in downloads:
            assert client.read_reply(content=False).length() == LARGE
            assert client.take(half) == data[:half]
        wait_for(lambda: len(upstream.requests) == SLOW_CLIENTS + 1, "all requests to arrive")
        # All that can move has moved: each upload has filled what there is between it and its server.
        wait_for(lambda: all(is_stuck(client) for client in uploads), "the uploads to stand still")
        grown = pss(worker) - before
        assert has_sanitizers() or grown < SLOW_CLIENTS * KIB_A_CLIENT, f"{grown} KiB for {SLOW_CLIENTS} clients"
        take.set()
        for client in downloads:
            assert client.take(LARGE - half) == data[half:]
        for client, sender in zip(uploads, senders):
            assert client.read_reply().content == b"stored"
            sender.join()
    print(f"# {grown} KiB for {SLOW_CLIENTS} slow clients: {grown / SLOW_CLIENTS:.1f} each")
    # It is given back, or used again: a second time costs nothing.
    assert server.workers() == [worker]


def with_small_buffers(sock):
    """What the kernel keeps for all connections has a limit too, and other tests need some of it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return sock


def slow_client(port):
    sock = with_small_buffers(socket.socket())
    sock.settimeout(deadline(60))
    sock.connect(("127.0.0.1", port))
    return Client(port, sock=sock)


def put(client, data):
    client.send(request_of("/slow", "PUT", content=data))


def is_stuck(client):
    """The kernel takes nothing more of it."""
    return not select.select([], [client.sock], [], 0)[1]


@for_both_modes
def a_head_at_a_trickle_costs_no_server_anything(case):
    """The server hears of a request when its head is complete."""
    upstream = Upstream(case, slow_script(b""))
    text, port = gateway(case, upstream.address, workers=2)
    case.server(text)
    request = request_of("/quick", "GET", "X-Field: value")
    with Client(port) as slow:
        for at in range(len(request) - 1):
            slow.send(request[at:at + 1])
        with Client(port) as other:
            assert other.ask("/quick").content == b"quick"
        assert len(upstream.requests) == 1
        slow.send(request[-1:])
        assert slow.read_reply().content == b"quick"


if __name__ == "__main__":
    main()
