#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When a request goes to another server, and when it must not: each server counts what it got."""

import contextlib
import re
import threading
import time

from fake_upstream import Upstream, answering, entries, gateway
from harness import for_both_modes, main, test, wait_for
from messages import Client, request_of

IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]
OTHERS = ["POST", "PATCH", "x-own"]


def silent(link):
    """Reads a request, and closes without an answer."""
    link.read()


def group(case, scripts, options="", lines="", **more):
    """Servers with these scripts, in this order, as one group; they, and the port. None: one that refuses."""
    upstreams = [script and Upstream(case, script) for script in scripts]
    addresses = [upstream.address if upstream else f"127.0.0.1:{case.port()}" for upstream in upstreams]
    text = "; ".join(f"server {address}" for address in addresses)
    # Nothing that fails here puts a server out, unless that is what is looked at.
    lines = lines or "max-fails 0"
    conf, port = gateway(case, "app", options, upstream=f"{text}; {lines}", workers=1, **more)
    return upstreams, addresses, case.server(conf), port


def counts(upstreams):
    return [len(upstream.requests) if upstream else 0 for upstream in upstreams]


@for_both_modes
def a_server_that_refuses_is_passed_over_whatever_is_asked(case):
    """Nothing was sent to it, so nothing can happen twice; content on its way waits for the one that takes it."""
    upstreams, addresses, server, port = group(case, [None, answering()])
    with Client(port) as client:
        for method in IDEMPOTENT + OTHERS:
            for content in (None, b"content", b"x" * 300_000):
                # Whose turn it is goes round, so of two requests one began with the other server.
                for _ in range(2):
                    assert client.ask("/", method, content=content).status == 200, method
                assert upstreams[1].requests[-1].content == (content or b"")
    assert counts(upstreams) == [0, 6 * len(IDEMPOTENT + OTHERS)]
    server.wait_log(re.escape(f"cannot connect to {addresses[0]} (app): Connection refused") + ".*trying another server")


@for_both_modes
def what_may_be_repeated_is_asked_of_another(case):
    """A server that took the request and closed: whether it did what was asked, nobody knows."""
    upstreams, addresses, server, port = group(case, [silent, answering()])
    with Client(port) as client:
        for method in IDEMPOTENT:
            before = counts(upstreams)
            for _ in range(2):  # of which one begins with the silent one
                assert client.ask("/", method).status == 200, method
            assert counts(upstreams) == [before[0] + 1, before[1] + 2], method
        before = counts(upstreams)
        for _ in range(2):  # content that is there still
            assert client.ask("/", "PUT", content=b"content").status == 200
        assert [request.content for request in upstreams[1].requests[-2:]] == [b"content"] * 2
        assert counts(upstreams) == [before[0] + 1, before[1] + 2]
    server.wait_log(re.escape(addresses[0]) + r" \(app\) closed the connection without an answer.*trying another server")


@for_both_modes
def what_must_not_be_repeated_is_not(case):
    upstreams, _, server, port = group(case, [silent, silent])
    with Client(port) as client:
        for method in OTHERS:
            for content in (None, b"content", b"x" * 10_000):
                before = sum(counts(upstreams))
                reply = client.ask("/", method, content=content)
                assert reply.status == 502, (method, reply)
                assert sum(counts(upstreams)) == before + 1, (method, content)
    assert "another server" not in server.log(), server.log()


@for_both_modes
def content_that_has_gone_up_is_not_there_for_another(case):
    """Though PUT could be repeated: what was sent was not kept."""
    upstreams, _, _, port = group(case, [silent, silent])
    with Client(port) as client:
        assert client.ask("/", "PUT", content=b"x" * 300_000).status == 502
        assert client.ask("/", "PUT", chunks=[b"x" * 1000] * 300).status == 502
    assert sum(counts(upstreams)) == 2, counts(upstreams)


@for_both_modes
def a_server_that_says_nothing_is_passed_over(case):
    upstreams, addresses, server, port = group(case, [lambda link: (link.read(), link.wait_end())] * 2,
                                               "read-timeout 300ms")
    with Client(port) as client:
        assert client.ask("/").status == 504
        assert counts(upstreams) == [1, 1]
        assert client.ask("/", "POST", content=b"x").status == 504
        assert sum(counts(upstreams)) == 3
    for address in addresses:
        server.wait_log(re.escape(address) + r" \(app\) has not answered: nothing for read-timeout 300ms")


@for_both_modes
def what_is_no_reply_is_asked_of_another(case):
    def garbage(link):
        link.read()
        link.send(b"SSH-2.0-OpenSSH\r\n")
        link.wait_end()
    upstreams, _, _, port = group(case, [garbage, answering()])
    with Client(port) as client:
        for _ in range(4):
            assert client.ask("/").status == 200
        assert counts(upstreams) == [2, 4]
        statuses = sorted(client.ask("/", "POST", content=b"x").status for _ in range(4))
        assert statuses == [200, 200, 502, 502], statuses


@for_both_modes
def nothing_is_repeated_once_the_client_was_told_something(case):
    def interim(link):
        link.read()
        link.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    def begins(link):
        link.read()
        link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    upstreams, _, _, port = group(case, [interim, interim])
    with Client(port) as client:
        reply = client.ask("/")
        assert reply.status == 502 and len(reply.interim) == 1, reply
    assert sum(counts(upstreams)) == 1
    upstreams, _, _, port = group(case, [begins, begins], name="begins")
    with Client(port) as client:
        client.send(request_of("/"))
        assert client.read_reply(content=False).length() == 10
        client.how_it_ends()
        assert client.buffer == b"abc", client.buffer
    assert sum(counts(upstreams)) == 1


@for_both_modes
def so_many_servers_are_tried_and_no_more(case):
    for retries, tried in ((0, 1), (1, 2), (3, 4), (64, 5)):
        upstreams, _, _, port = group(case, [silent] * 5, f"retry {retries}", name=f"svc{retries}")
        with Client(port) as client:
            assert client.ask("/").status == 502
        assert sorted(counts(upstreams)) == [0] * (5 - tried) + [1] * tried, (retries, counts(upstreams))
    # One line for each request, however many had it.
    assert [line["status"] for line in entries(case, 4)] == [502] * 4


# ----------------------------------------------------------------------------------- connections kept

class Leaving:
    """A server that closes each connection as the second request comes on it, without a word; the first one may have more."""

    def __init__(self, at_first=1):
        self.second = []  # what it had got of those
        self.answers = at_first

    def __call__(self, link):
        answers, self.answers = self.answers, 1
        for _ in range(answers):
            link.read()
            link.reply(b"")
        if second := link.read():
            self.second.append(second)


@for_both_modes
def a_kept_connection_that_ends_as_it_is_used(case):
    """The server went just then: that is no failure of it, and the same one is asked on a new connection."""
    leaving = Leaving()
    upstreams, _, server, port = group(case, [leaving], "retry 0", "max-fails 1")
    with Client(port) as client:
        for _ in range(5):
            for method in IDEMPOTENT:
                assert client.ask("/", method).status == 200, method
    assert len(leaving.second) == 5 * len(IDEMPOTENT) - 1, len(leaving.second)
    assert len(upstreams[0].links) == 5 * len(IDEMPOTENT)
    assert " is out " not in server.log(), server.log()


@for_both_modes
def what_must_not_be_repeated_fails_on_a_kept_connection_that_ends(case):
    """It may have been done. A new connection is what it gets where the old one has rested for a while."""
    leaving = Leaving(at_first=2)
    upstreams, _, _, port = group(case, [leaving], "retry 5")
    requests = upstreams[0].requests
    with Client(port) as client:
        # It does keep connections, as it seems.
        assert client.ask("/", "GET").status == client.ask("/", "GET").status == 200
        assert requests[0].link == requests[1].link
        for rested in (False, True) * 3:
            assert client.ask("/", "PUT", content=b"first").status == 200
            begin = time.monotonic()
            if rested:
                time.sleep(1.1)  # the time after which it is not trusted: nothing else is waited for
            status = client.ask("/", "POST", content=b"second").status
            took = time.monotonic() - begin
            if rested:
                assert status == 200 and requests[-1].link != requests[-2].link, requests
                # The old one is what the next request finds, or that of this one: both have been used once.
                assert client.ask("/", "GET").status == 200
            elif took < 1:
                assert status == 502 and requests[-1].link == requests[-2].link, requests
            assert leaving.second.count(requests[-1]) <= 1
    posts = [request for request in requests if request.method == "POST"]
    assert len(posts) == 6, "each went out once"


@for_both_modes
def what_must_not_be_repeated_needs_a_server_that_keeps_connections(case):
    """Some close behind each answer without having said so: until one has been seen to keep them, each request that
    must not be repeated has a connection of its own."""
    leaving = Leaving()
    upstreams, _, _, port = group(case, [leaving], "retry 0")
    with Client(port) as client:
        for _ in range(20):
            begin = time.monotonic()
            statuses = [client.ask("/", "GET").status, client.ask("/", "POST", content=b"once").status]
            if time.monotonic() - begin >= 0.1:
                break  # a busy machine: one has rested so long that the server is believed to keep it
            assert statuses == [200, 200], statuses


@for_both_modes
def content_that_is_not_kept_goes_up_on_a_connection_that_can_be_trusted(case):
    """It cannot be sent again, whatever the method: so it needs the same care as what must not be repeated."""
    leaving = Leaving()
    upstreams, _, _, port = group(case, [leaving], "retry 0")
    with Client(port) as client:
        for form in ({"content": b"x" * 300_000}, {"chunks": [b"x" * 1000] * 300}):
            assert client.ask("/", "GET").status == 200
            time.sleep(1.1)  # as above
            assert client.ask("/", "PUT", **form).status == 200
            # Both connections have been used once: none of them is good for another.
            assert client.ask("/", "GET").status == client.ask("/", "GET").status == 200
    assert len([request for request in upstreams[0].requests if request.method == "PUT"]) == 2


@for_both_modes
def a_server_closes_its_idle_connections(case):
    """They go out of use by that: whatever is asked next has a new one."""
    def script(link):
        link.read()
        link.reply(b"kept?")
    upstreams, _, _, port = group(case, [script], "retry 0")
    with Client(port) as client:
        for number in range(5):
            assert client.ask("/", "POST", content=b"x").status == 200
            link = upstreams[0].wait_link(number)
            wait_for(link.is_closed.is_set, "the server to close")
    assert counts(upstreams) == [5]


@for_both_modes
def connections_are_kept_and_used_again(case):
    upstreams, _, _, port = group(case, [answering()], lines="keep-time 2s; max-fails 0")
    with Client(port) as client:
        for _ in range(20):
            assert client.ask("/").status == 200
        for _ in range(20):
            assert client.ask("/", "POST", content=b"x" * 20_000).status == 200
    with Client(port) as client:
        assert client.ask("/").status == 200
    assert len(upstreams[0].links) == 1
    link = upstreams[0].links[0]
    wait_for(link.is_closed.is_set, "the end of its time")
    with Client(port) as client:
        assert client.ask("/").status == 200
    assert len(upstreams[0].links) == 2


@for_both_modes
def none_is_kept_where_none_is_to_be(case):
    upstreams, _, _, port = group(case, [answering()], lines="keep 0")
    with Client(port) as client:
        for number in range(5):
            assert client.ask("/").status == 200
            link = upstreams[0].wait_link(number)
            wait_for(link.is_closed.is_set, "the connection to be closed")


# ------------------------------------------------------------------------------------------- in and out

@for_both_modes
def a_server_that_fails_is_out_for_a_while(case):
    fails = threading.Event()
    fails.set()

    def script(link):
        while request := link.read():
            if fails.is_set():
                return
            link.reply(request.target.encode())
    upstreams, addresses, server, port = group(case, [script, answering()], lines="max-fails 2; fail-time 2s")
    with Client(port) as client:
        for _ in range(6):
            assert client.ask("/").status == 200
        assert counts(upstreams)[0] == 2, counts(upstreams)
        server.wait_log(f"server {re.escape(addresses[0])} of app is out for 2s: 2 failures within 2s")
        # When its time is over one request tries it, then it is out again.
        wait_for(lambda: client.ask("/").status == 200 and counts(upstreams)[0] > 2, "another try")
        fails.clear()
        wait_for(lambda: client.ask("/back").content == b"/back", "the server to be back")
        server.wait_log(f"server {re.escape(addresses[0])} of app is back")
        before = counts(upstreams)
        for _ in range(10):
            client.ask("/")
        assert all(4 <= now - then <= 6 for now, then in zip(counts(upstreams), before)), (before, counts(upstreams))
    assert {line["status"] for line in entries(case)} == {200}


@for_both_modes
def a_group_all_of_which_has_failed_is_tried_all_the_same(case):
    """So an application that was restarted is found at once; of a single server this is always so."""
    fails = threading.Event()
    fails.set()

    def script(link):
        while link.read() and not fails.is_set():
            link.reply(b"back")
    upstreams, _, _, port = group(case, [script, script], lines="max-fails 1; fail-time 1h")
    with Client(port) as client:
        for _ in range(5):
            assert client.ask("/").status == 502
        assert min(counts(upstreams)) >= 2, counts(upstreams)
        fails.clear()
        assert client.ask("/").content == b"back"


@test
def who_has_no_descriptor_left_blames_no_server(case):
    """The answer is 503, no other server is tried, none is out for it; and who has to raise the limit is told so."""
    served = threading.Event()

    def script(link):
        link.read()
        served.wait(60)
        link.reply(b"good", "Connection: close")
    first, second = Upstream(case, script), Upstream(case, script)
    text = f"server {first.address}; server {second.address}; max-fails 1; fail-time 1h"
    conf, port = gateway(case, "app", upstream=text, workers=1, connections=40,
                         extra="timeout { request 60s; idle 60s }; limit { nofile 60 }")
    server = case.server(conf)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(40)]
        for client in clients:
            client.send(request_of("/", "GET", "Connection: close"))
        server.wait_log(r"warning .*cannot connect to 127\.0\.0\.1:\d+ \(app\): Too many open files\n")
        wait_for(lambda: first.requests and second.requests, "requests to both servers")
        served.set()
        statuses = [client.read_reply().status for client in clients]
    assert set(statuses) == {200, 503}, statuses
    assert sum(counts([first, second])) == statuses.count(200), statuses
    with Client(port) as client:
        before = counts([first, second])
        assert [client.ask("/").status for _ in range(4)] == [200] * 4
        assert [now - then for now, then in zip(counts([first, second]), before)] == [2, 2]
    assert "is out for" not in server.log()


@test
def a_backup_is_for_when_all_others_are_out(case):
    first, second, backup = (Upstream(case, script) for script in (silent, silent, answering()))
    text = f"server {first.address}; server {second.address}; server {backup.address} backup; max-fails 1; fail-time 1h"
    conf, port = gateway(case, "app", "retry 2", upstream=text, workers=1)
    case.server(conf)
    with Client(port) as client:
        for _ in range(10):
            assert client.ask("/").status == 200
    assert counts([first, second, backup]) == [1, 1, 10]


if __name__ == "__main__":
    main()
