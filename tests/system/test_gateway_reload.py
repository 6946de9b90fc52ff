#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A hundred reloads under load through a gateway, and an upgrade in between now and then, and no request fails: neither
GET nor POST, neither on kept connections nor on one for each request. Each reload tells the server another thing, so that
all generations are seen at work. GATEWAY_RELOADS (100) is how many; with sanitizers it is a quarter of it.
"""

import hashlib
import os
import random
import threading
import time

from fake_upstream import Upstream, answering, gateway
from harness import deadline, for_both_modes, has_sanitizers, main, wait_for
from messages import Client, reply_of

RELOADS = int(os.environ.get("GATEWAY_RELOADS", "100"))
RELOADS_AN_UPGRADE = 10
PAGES = 3


class Poster(threading.Thread):
    """Posts content that is longer than a buffer, and wants its digest."""

    def __init__(self, port, is_kept, over):
        super().__init__(daemon=True)
        self.port, self.is_kept, self.over = port, is_kept, over
        self.random = random.Random(port + is_kept)
        self.posted, self.connects, self.failure = 0, 0, None

    def run(self):
        try:
            while not self.over.is_set():
                self.talk()
        except (AssertionError, OSError) as error:
            self.failure = f"POST {self.posted} on connection {self.connects}: {error!r}"

    def talk(self):
        """On one connection, until its end is announced."""
        self.connects += 1
        with Client(self.port) as client:
            while True:
                data = self.random.randbytes(self.random.choice([0, 100, 40_000]))
                form = {"content": data} if self.random.random() < 0.5 else {"chunks": [data[:99], data[99:]] if data else []}
                if len(data) == 100:
                    form = {"content": data}
                close = not self.is_kept or self.over.is_set()
                reply = client.ask("/", "POST", *(["Connection: close"] if close else []), **form)
                assert reply.status == 200 and reply.content == digest(data), reply
                self.posted += 1
                if reply.value("connection") == "close":
                    assert client.is_at_end(), "an announced close is the end"
                    return
                assert not close, "the close was not announced"
                self.over.wait(0.01)  # the client's own pace


def digest(data):
    return hashlib.sha256(data).hexdigest().encode()


@for_both_modes
def no_request_fails(case):
    pages = [b"%d" % i * 1024 for i in range(PAGES)]

    def reply(request):
        if request.method == "POST":
            return reply_of(digest(request.content))
        return reply_of(pages[int(request.value("x-page"))])
    upstream = Upstream(case, answering(reply))
    direct = case.connections == 1
    text, port = gateway(case, upstream.address, "set-header X-Page 0", workers=12 if direct else 2)
    server = case.server(text)
    over = threading.Event()
    case.defer(over.set)
    posters = [Poster(port, is_kept, over) for is_kept in (True, False)]
    for poster in posters:
        poster.start()
    files = [case.write(f"page{i}", page) for i, page in enumerate(pages)]
    load = case.load(port, files, pause_ms=5, keep_alive=4, per_request=4)
    begin, reloads, upgraded = time.monotonic(), RELOADS // (4 if has_sanitizers() else 1), 0
    for number in range(1, reloads + 1):
        case.conf(text.replace("X-Page 0", f"X-Page {number % PAGES}"))
        asked = len(upstream.requests)
        status = server.reload(60)["STATUS"]
        assert "refused" not in status, f"reload {number}: {status}"
        if server.can_upgrade() and number % RELOADS_AN_UPGRADE == 0:
            server.upgrade(60)
            upgraded += 1
        # Some requests for each generation.
        wait_for(lambda asked=asked: len(upstream.requests) > asked + 20, "requests after the reload")
    counts = load.stop_clean()
    over.set()
    for poster in posters:
        poster.join(deadline(60))
        assert not poster.is_alive() and not poster.failure and poster.posted > 0, poster.failure
    took = time.monotonic() - begin
    print(f"# {reloads} reloads, {upgraded} upgrades in {took:.1f} s: {counts['requests']} requests on {counts['connects']} connections, "
          f"{sum(poster.posted for poster in posters)} posts, the slowest {counts['slowest_ms']} ms, failures 0")
    assert all(counts["bodies"]) and counts["announced_closes"] > 0, f"not all were seen at work: {counts}"
    server.stop()
    assert "warning" not in server.log(), server.log()


if __name__ == "__main__":
    main()
