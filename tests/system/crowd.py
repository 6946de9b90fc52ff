# SPDX-License-Identifier: MIT
"""The clients of test_chaos.py: they verify every byte, each in its way, and tell of every failure which connection
it was on. They know nothing of what is done to the server.
"""

import collections
import json
import pathlib
import random
import socket
import threading
import time

from harness import Http, connect, deadline, read_all, read_exactly
import holders

Failure = collections.namedtuple("Failure", "who what name opened failed")


class Client(threading.Thread):
    """Holds one conversation after the other, each on a connection of its own."""

    def __init__(self, crowd, who, converse, place, seed):
        super().__init__(name=who, daemon=True)
        self.crowd, self.converse, self.place = crowd, converse, place
        self.random = random.Random(seed)
        self.conversations = self.failed = 0

    def run(self):
        while not self.crowd.over.is_set():
            opened, name = time.monotonic(), None
            try:
                with self.open() as sock:
                    name = holders.name_of(sock, self.place)
                    self.converse(self, sock)
                self.conversations += 1
            except (AssertionError, OSError) as error:
                self.failed += 1
                self.crowd.failures.append(Failure(self.name, repr(error), name, opened, time.monotonic()))
            self.rest(0.02)

    def open(self):
        """A service all of whose workers were just killed again may wait a while before it tries anew."""
        if isinstance(self.place, pathlib.Path):
            return connect(0, self.place, timeout=deadline(40))
        return connect(self.place, timeout=deadline(40))

    def rest(self, seconds):
        """A client's own slowness."""
        self.crowd.over.wait(self.random.uniform(0, seconds))


def echo_once(client, sock):
    data = client.random.randbytes(64)
    sock.sendall(data)
    assert read_exactly(sock, len(data)) == data, "not the bytes that were sent"
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == b"", "more bytes than were sent"


def echo_talk(client, sock):
    """Some messages with pauses between them; the length of a visit is bounded, so that drains end."""
    for _ in range(client.random.randint(2, 12)):
        data = client.random.randbytes(client.random.randint(1, 20_000))
        sock.sendall(data)
        assert read_exactly(sock, len(data)) == data, "not the bytes that were sent"
        client.rest(0.2)


def echo_slowly(client, sock):
    data = client.random.randbytes(12)
    for i in range(len(data)):
        sock.sendall(data[i:i + 1])
        assert read_exactly(sock, 1) == data[i:i + 1], "not the byte that was sent"
        client.rest(0.1)


def http_slowly(client, sock):
    """A request in pieces, a large answer read with pauses."""
    request = b"GET /large HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n\r\n"
    at = 0
    while at < len(request):
        n = client.random.randint(1, 20)
        sock.sendall(request[at:at + n])
        at += n
        client.rest(0.08)
    http = Http(0, sock=sock)
    while len(http.buffer) < len(client.crowd.large) // 2:
        piece = sock.recv(20_000)
        assert piece, "the connection ended inside a response"
        http.buffer += piece
        client.rest(0.05)
    got = http.read()
    assert got.status == 200 and got.body == client.crowd.large, f"not the file: {got}"
    assert http.at_end(), "more than the response"


class Crowd:
    """All clients: threads of ours, and the load programs. The folders rootN below the case's hold the pages."""

    def __init__(self, case, pages, www, www_path, echo, seed):
        self.over = threading.Event()
        self.failures = []
        self.large = (case.folder / "root0/large").read_bytes()
        pages = [case.folder / f"root{i}/index.html" for i in range(pages)]
        self.loads = []
        for number, host in enumerate(["127.0.0.1", www_path]):
            told = case.folder / f"load{number}.failures"
            load = case.load(www, pages, keep_alive=6, per_request=4, pause_ms=8, host=host, failures=told)
            self.loads.append((load, told, www))
        kinds = [(echo_once, echo), (echo_once, echo), (echo_talk, echo), (echo_talk, echo),
                 (echo_slowly, echo), (http_slowly, www), (http_slowly, www_path)]
        self.threads = [Client(self, f"{converse.__name__} {i}", converse, place, seed + i)
                        for i, (converse, place) in enumerate(kinds)]
        for thread in self.threads:
            thread.start()
        case.defer(self.over.set)

    def stop(self):
        """Ends all clients; what they counted."""
        self.over.set()
        for thread in self.threads:
            thread.join(deadline(90))
            assert not thread.is_alive(), f"the client {thread.name} still waits"
        counts = collections.Counter(echo=sum(thread.conversations for thread in self.threads
                                              if thread.name.startswith("echo")),
                                     slow=sum(thread.conversations for thread in self.threads
                                              if thread.name.startswith("http")))
        for load, told, port in self.loads:
            _, count, text = load.stop()
            assert sum(map(bool, count["bodies"])) > 1, f"only one configuration was seen: {text}"
            counts.update(requests=count["requests"], connects=count["connects"])
            counts["slowest_ms"] = max(counts["slowest_ms"], count["slowest_ms"])
            self.failures += map(lambda line, port=port: load_failure(port, line), told.read_text().splitlines())
        return counts


def load_failure(port, line):
    told = json.loads(line)
    name = ("tcp", told["port"], port) if told["port"] else ("unix", told["inode"])
    # Its clock shows whole milliseconds.
    return Failure(told["client"], told["failure"], name, told["opened"] - 0.002, told["failed"] + 0.002)
