#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several servers behind one name: who gets how much, and who is asked whether it is well."""

import collections
import re
import threading

from fake_upstream import Upstream, answering, gateway
from harness import deadline, for_both_modes, is_alive, main, test, title, wait_for
from messages import Client, reply_of


def group(case, lines, scripts, options="", workers=1, **more):
    """lines: of the upstream, with {0}, {1}... for the addresses of these scripts' servers."""
    upstreams = [Upstream(case, script) for script in scripts]
    text = lines.format(*(upstream.address for upstream in upstreams))
    conf, port = gateway(case, "app", options, upstream=text, workers=workers, **more)
    return upstreams, case.server(conf), port


def counts(upstreams):
    return [len(upstream.requests) for upstream in upstreams]


@for_both_modes
def weights(case):
    upstreams, _, port = group(case, "server {0} weight 5; server {1}; server {2} weight 2; server {3} down",
                               [answering()] * 4)
    with Client(port) as client:
        for _ in range(80):
            client.ask("/")
    assert counts(upstreams) == [50, 10, 20, 0], counts(upstreams)


@test
def the_least_busy(case):
    """One has two requests in hand: the others get what comes, until it has answered."""
    go_on = threading.Event()

    def holds(link):
        while link.read():
            go_on.wait(60)
            link.reply(b"held")
    upstreams, _, port = group(case, "server {0}; server {1}; balance least-busy", [holds, answering()], connections=64)
    with Client(port) as one, Client(port) as client:
        # The first or the second request meets the one that holds it.
        one.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_for(lambda: sum(counts(upstreams)) == 1, "the first request")
        if counts(upstreams)[0] == 0:
            assert one.read_reply().content == b"hello\n"
            one.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            wait_for(lambda: counts(upstreams)[0] == 1, "the second request")
        before = counts(upstreams)
        for _ in range(20):
            assert client.ask("/").content == b"hello\n"
        assert counts(upstreams) == [before[0], before[1] + 20], counts(upstreams)
        go_on.set()
        assert one.read_reply().content == b"held"
        for _ in range(10):
            client.ask("/")
    assert counts(upstreams)[0] > before[0], counts(upstreams)


@for_both_modes
def the_same_key_the_same_server(case):
    scripts = [answering(reply_of(bytes([65 + i]))) for i in range(4)]
    lines = "server {0}; server {1}; server {2}; server {3}; balance hash; hash-key %s"
    upstreams, server, port = group(case, lines % "uri", scripts, workers=2)
    del upstreams

    def who(path, *fields):
        with Client(port) as client:  # any worker
            return client.ask(path, "GET", *fields).content
    served = {path: who(path) for path in (f"/{i}?x={i}" for i in range(100))}
    shares = collections.Counter(served.values())
    assert len(shares) == 4 and min(shares.values()) >= 5, shares
    assert all(who(path) == by for path, by in served.items())
    server.stop()

    _, _, port = group(case, lines % "header:X-Key", scripts, workers=2, name="header")
    by_key = {key: who("/any", f"X-Key: {key}") for key in range(40)}
    assert len(set(by_key.values())) == 4, by_key
    assert all(who(f"/other/{key}", f"x-key: {key}") == by for key, by in by_key.items())

    _, _, port = group(case, lines % "client", scripts, workers=2, name="client")
    assert len({who(f"/{i}") for i in range(20)}) == 1


class Checked:
    """A server whose health is the test's to say; it counts what it is asked. None: it does not answer at all."""

    def __init__(self, status="200 OK", name=b"hello"):
        self.status, self.name, self.checks = status, name, 0

    def __call__(self, link):
        while request := link.read():
            if not request.target.startswith("/health?full="):
                link.reply(self.name)
                continue
            assert request.method == "GET" and request.value("host") == link.upstream.address, request
            self.checks += 1
            if self.status is None:
                link.wait_end()
                return
            link.reply(b"health", status=self.status)


EVERY = f"{deadline(0.5) * 1000:.0f}ms"
CHECK = "check \"/health?full=1\" {{ every EVERY; timeout EVERY; rise 2; fall 3 }}".replace("EVERY", EVERY)


@for_both_modes
def who_is_ill_gets_nothing(case):
    ill, well = Checked(name=b"ill"), Checked(name=b"well")
    upstreams, server, port = group(case, "server {0}; server {1}; " + CHECK, [ill, well])
    address = re.escape(upstreams[0].address)

    def asked(n=10):
        with Client(port) as client:
            return collections.Counter(client.ask("/").content for _ in range(n))
    assert asked() == {b"ill": 5, b"well": 5}
    for status in ("503 Service Unavailable", "404 Not Found", None):
        after, ill.status = server.log_size(), status
        server.wait_log(f"server {address} of app is ill: 3 checks .*failed, the last: \\w", after)
        assert asked() == {b"well": 10}
        after, ill.status = server.log_size(), "302 Found"
        server.wait_log(f"server {address} of app is (well|back)", after)
        assert set(asked()) == {b"ill", b"well"}
    # A server that is gone is ill as well, and so are all: nobody is left to be asked.
    after = server.log_size()
    for upstream in upstreams:
        upstream.close()
    for upstream in upstreams:
        server.wait_log(f"server {re.escape(upstream.address)} of app is ill", after)
    with Client(port) as client:
        reply = client.ask("/")
        assert reply.status == 503 and reply.value("retry-after"), reply
        reply = client.ask("/", "POST", content=b"x")
        assert reply.status == 503, reply


@test
def each_worker_checks_and_stops_with_it(case):
    checked = Checked()
    lines = "server {0}; check \"/health?full=1\" {{ every EVERY; timeout EVERY; status 200 }}".replace("EVERY", EVERY)
    upstreams, server, port = group(case, lines, [checked], workers=2)
    upstream, = upstreams

    def asked_for(target):
        """The numbers of the connections of these requests."""
        return [request.link for request in list(upstream.requests) if request.target == target]
    wait_for(lambda: checked.checks >= 6, "checks")
    checked.status = "201 Created"  # not what was asked for
    server.wait_log("of app is ill")
    old = server.workers()
    # A reload with another configuration: it begins by taking the server for well.
    checked.status = "200 OK"
    conf = (case.folder / "musterd.conf").read_text()
    case.conf(conf.replace("full=1", "full=2"))
    with Client(port) as held:
        assert held.ask("/held").status in (200, 503)  # a worker of the old ones has a client, and stays for it
        server.reload()
        wait_for(lambda: all("draining" in title(pid) or not is_alive(pid) for pid in old), "the old workers to drain")
        assert any(is_alive(pid) for pid in old)
        with Client(port) as client:
            assert client.ask("/").content == b"hello"
        # Connections are taken in their order: a check of an old worker that is behind this one came too late.
        last, = asked_for("/")
        so_far = len(asked_for("/health?full=2"))
        wait_for(lambda: len(asked_for("/health?full=2")) >= so_far + 6, "checks of the new workers")
        late = [number for number in asked_for("/health?full=1") if number > last]
        assert not late, late
    server.wait_workers(2, without=old)
    server.stop()
    assert all(link.is_closed.wait(deadline(10)) for link in upstream.links)


if __name__ == "__main__":
    main()
