# SPDX-License-Identifier: MIT
"""Servers behind a gateway that do what a test's script says, connection by connection, and keep what they got; and
the configuration of a site that passes requests on to them.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import threading

from harness import deadline, wait_for
from messages import Client, Request, Stream, reply_of


class Link(Stream):
    """A connection to an upstream, in a script's hands."""

    def __init__(self, upstream, sock, number):
        super().__init__(sock)
        self.sock.settimeout(deadline(60))
        self.upstream, self.number = upstream, number
        self.end = None  # how the other side ended it, where the script waited for that
        self.is_closed = threading.Event()  # the script is over

    def read_head(self):
        """Of the next request; None where the connection ends instead."""
        if not self.has_more():
            return None
        request = Request(self.take_until(b"\r\n\r\n"))
        request.link = self.number
        self.upstream.requests.append(request)
        return request

    def read_content(self, request):
        length = request.length()
        if request.is_chunked():
            self.read_chunked(request)
        elif length:
            request.content = self.take(length)
        return request

    def read(self):
        """The next request, whole; None where the connection ends instead."""
        request = self.read_head()
        return request and self.read_content(request)

    def reply(self, *args, **options):
        self.send(reply_of(*args, **options))

    def wait_end(self):
        self.end = self.how_it_ends()

    def hold(self):
        """Does nothing, and reads nothing, until the test is over."""
        self.upstream.over.wait()


class Upstream:
    """A server: script(link) is called for each connection, on a thread of its own; then it is closed. What a script
    asserts fails the test. It is closed at the end of the test, and by close()."""

    def __init__(self, case, script, path=None, backlog=128, address="127.0.0.1", receive_buffer=None):
        self.script = script
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(str(path) if path else (address, 0))
        self.listener.listen(backlog)
        self.port = None if path else self.listener.getsockname()[1]
        self.address = f"unix:{path}" if path else f"{address}:{self.port}"
        self.links, self.requests = [], []
        self.threads, self.faults = [], []
        self.over = threading.Event()
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()
        case.defer(self.close)

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return  # closed
            if self.over.is_set():
                sock.close()
                return
            link = Link(self, sock, len(self.links))
            thread = threading.Thread(target=self._run, args=(link,), daemon=True)
            self.links.append(link)
            self.threads.append(thread)
            thread.start()

    def _run(self, link):
        try:
            with link:
                self.script(link)
        except OSError as error:
            if isinstance(error, TimeoutError) and not self.over.is_set():
                self.faults.append(f"connection {link.number} stood still")
        except AssertionError as error:
            if not self.over.is_set():
                self.faults.append(f"connection {link.number}: {error}")
        finally:
            link.is_closed.set()

    def close(self):
        """Ends all of it, as the end of the process would."""
        if not self.over.is_set():
            self.over.set()
            # A listener that is shut down wakes who waits in accept; one of Unix does not let go by close alone.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.acceptor.join(deadline())
            for link in self.links:
                try:
                    link.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it was closed already
            for thread in self.threads:
                thread.join(deadline())
        assert not self.faults, f"the fake server {self.address}: {self.faults}"

    def wait_requests(self, n):
        """Waits until so many have come, none more; the requests."""
        wait_for(lambda: len(self.requests) >= n, f"{n} requests to {self.address}")
        assert len(self.requests) == n, self.requests
        return self.requests

    def wait_link(self, number=0):
        """Waits until there is such a connection."""
        wait_for(lambda: len(self.links) > number, f"connection {number} to {self.address}")
        return self.links[number]

    def wait_ended(self, number=0):
        """Waits until the script has seen how the connection ends; "end" or "reset"."""
        link = self.wait_link(number)
        return wait_for(lambda: link.end, f"the end of connection {number} to {self.address}")


def answering(reply=None):
    """A script: each request is answered with these bytes, or those that reply(request) gives; HEAD with the head."""
    reply = reply_of(b"hello\n") if reply is None else reply

    def script(link):
        while request := link.read():
            data = reply(request) if callable(reply) else reply
            link.send(data[:data.index(b"\r\n\r\n") + 4] if request.method == "HEAD" else data)
    return script


def gateway(case, target, options="", site="", upstream="", extra="", **service):
    """The text of a service that passes all requests on, and its port. target: an address, or `app`: the upstream of
    that name, whose lines are given. site: further lines of the handler; options: of the `proxy`."""
    text = f"upstream app {{ {upstream} }}\n" if upstream else ""
    handler = f"http {{\naccess-log access\naccess-log-format json\n{text}{site}\n" \
              f"location / {{ proxy {target} {{ {options} }} }}\n}}"
    extra = extra or "timeout { park 60s; drain 60s; request 60s; idle 60s }"
    return case.service(handler, extra=extra, **service)


def entries(case, n=None, name="access"):
    """The lines of the access log; n: waits until there are as many, and no more."""
    path = pathlib.Path(case.folder / name)

    def read():
        data = path.read_bytes()
        return [json.loads(line) for line in data.decode().split("\n")[:-1]]
    if n is not None:
        wait_for(lambda: len(read()) >= n, f"{n} lines of the access log")
        found = read()
        assert len(found) == n, found
    return read()


def sockets_of(pid):
    """How many sockets a process has open."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            pass  # closed since
    return count


def pss(pid):
    """KiB of memory that are a process's own, with its share of what it has in common with others."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1])


@contextlib.contextmanager
def unharmed(server, port):
    """Afterwards the master, its workers and their number of sockets are as before, and the next client is served."""
    master, workers = server.pid, server.workers()

    def count():
        return [sockets_of(pid) for pid in workers]
    before = count()
    assert ask_good(port)
    yield
    assert ask_good(port)
    wait_for(lambda: count() == before, f"as many sockets as before, {before}")
    assert server.pid == master and server.process.poll() is None and server.workers() == workers, server.log()


def ask_good(port):
    with Client(port) as client:
        reply = client.ask("/good")
        return reply.status == 200 and reply.content == b"good"


def hostile(case, script, options="", **more):
    """A server that answers /good well, and once, and for all else does what the script says."""
    def both(link):
        request = link.read_head()
        if request and request.target == "/good":
            link.reply(b"good", "Connection: close")
        elif request:
            script(link, request)
    upstream = Upstream(case, both)
    text, port = gateway(case, upstream.address, options, **more)
    return upstream, case.server(text), port
