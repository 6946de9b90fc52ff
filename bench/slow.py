# SPDX-License-Identifier: MIT
"""The section `slow` of bench/run: what 1,000 clients cost a gateway in memory that are in the middle of an upload
or a download of 10 MiB and get no further. Clients and origin are this process, so that it can hold up either.

How far they get before they are held up is bounded: some gateways keep in files what the other side does not take.
"""

import contextlib
import os
import pathlib
import resource
import select
import socket
import stat
import time

import measure
import proxies
import supervision

CLIENTS, SAMPLE = 1000, 20
SIZE = 10 << 20
# Bytes of content that each client has sent or received when it pauses, and that any side sends at most meanwhile.
PART, MOST = 64 << 10, 512 << 10
# Of every connection's: as over a network, not as over loopback, where the kernel would hold megabytes of each.
SEGMENT, RECEIVE = 1460, 64 << 10
PIECE = 64 << 10
QUIET_S, LIMIT_S = 0.3, 120
# What musterd is configured for: a buffer and a coroutine each way, of whose stack two pages are touched, and the heads.
CONFIGURED = 2 * (16 << 10) + 2 * (8 << 10) + (4 << 10)
PATTERN = os.urandom(SIZE + CLIENTS)


def content(number, begin, end):
    """Bytes of what client NUMBER sends or receives: everybody's are different."""
    return PATTERN[number + begin:number + end]


class End:
    """One end of a connection with the gateway: a head and content that go out, a head and content that come in."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.events = sock, 0
        self.begin()

    def begin(self, number=None, head=b"", size=0):
        self.number, self.head, self.size = number, head, size
        self.sent, self.may_send = 0, 0                   # of the content
        self.came, self.expected, self.got = b"", None, 0  # expected: known with the head; got: of the content
        self.may_read = SIZE

    def wants(self):
        out = self.head or self.sent < min(self.size, self.may_send)
        return (select.EPOLLOUT if out else 0) | (select.EPOLLIN if self.got < self.may_read else 0)

    def is_done(self):
        return not self.head and self.sent == self.size and self.got == self.expected

    def send(self):
        with contextlib.suppress(BlockingIOError):
            while self.head:
                self.head = self.head[self.sock.send(self.head):]
            while self.sent < min(self.size, self.may_send):
                self.sent += self.sock.send(
                    content(self.number, self.sent, min(self.sent + PIECE, self.size, self.may_send)))

    def receive(self):
        """False at the end of the connection. RuntimeError: not what should come."""
        try:
            data = self.sock.recv(PIECE)
        except BlockingIOError:
            return True
        if self.expected is None:
            self.came += data
            head, found, rest = self.came.partition(b"\r\n\r\n")
            if found:
                self.take_head(head.decode("latin-1"))
                self.take_content(rest)
        else:
            self.take_content(data)
        return bool(data)

    def take_content(self, data):
        if data != content(self.number, self.got, self.got + len(data)):
            raise RuntimeError(f"wrong bytes of client {self.number} behind {self.got}")
        self.got += len(data)
        if self.got > self.expected:
            raise RuntimeError(f"more than {self.expected} bytes of client {self.number}")


def length_of(head):
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


class Client(End):
    def __init__(self, port, number, path, size):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE)
        sock.connect(("127.0.0.1", port))
        super().__init__(sock)
        method, length = ("POST", f"Content-Length: {size}\r\n") if size else ("GET", "")
        self.begin(number, f"{method} /{path}/{number} HTTP/1.1\r\nHost: bench\r\n{length}\r\n".encode(), size)

    def take_head(self, head):
        if not head.startswith("HTTP/1.1 200 "):
            raise RuntimeError(f"client {self.number}: {head.splitlines()[0]}")
        self.expected = length_of(head)


class Origin(End):
    """The application's end: an upload is answered when it is whole, a download at once."""

    def take_head(self, head):
        _, path, number = head.split(" ")[1].split("/")
        self.number, self.expected = int(number), length_of(head)
        if path != "upload":
            self.answer(SIZE)

    def take_content(self, data):
        super().take_content(data)
        if self.got == self.expected and not self.size:
            self.answer(0)

    def answer(self, size):
        self.size, self.may_send = size, MOST
        self.head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()


class Traffic:
    """All clients and the origin, in one loop."""

    def __init__(self):
        self.epoll, self.ends = select.epoll(), {}
        self.origin_reads = True
        self.listener = socket.socket()
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4096)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.epoll.register(self.listener, select.EPOLLIN)

    def close(self):
        self.drop(list(self.ends.values()))
        self.listener.close()
        self.epoll.close()

    def add(self, end):
        self.ends[end.sock.fileno()] = end
        self.epoll.register(end.sock, 0)
        self.update(end)
        return end

    def drop(self, ends):
        for end in ends:
            del self.ends[end.sock.fileno()]
            end.sock.close()

    def update(self, end):
        wants = end.wants()
        if isinstance(end, Origin) and not self.origin_reads:
            wants &= ~select.EPOLLIN
        if wants != end.events:
            end.events = wants
            self.epoll.modify(end.sock, wants)

    def origins(self):
        return [end for end in self.ends.values() if isinstance(end, Origin)]

    def connect(self, port, path, size):
        return [self.add(Client(port, number, path, size)) for number in range(CLIENTS)]

    def allow(self, ends, may_send=None, may_read=None):
        for end in ends:
            end.may_send = end.may_send if may_send is None else may_send
            end.may_read = end.may_read if may_read is None else may_read
            self.update(end)

    def hold_origin(self, held):
        self.origin_reads = not held
        self.allow(self.origins())

    def take_connections(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.add(Origin(self.listener.accept()[0]))

    def handle(self, end, events):
        alive = True
        try:
            if events & ~select.EPOLLOUT:
                alive = end.receive()
            if alive:
                end.send()
        except ConnectionError:
            alive = False
        if alive and isinstance(end, Origin) and end.is_done():
            end.begin()
        if alive:
            self.update(end)
        elif isinstance(end, Client):
            raise RuntimeError(f"client {end.number}: its connection ended after {end.sent} bytes up, {end.got} down")
        else:
            self.drop([end])

    def run(self, condition):
        """Until it holds and nothing has moved since for a while: nobody gets any further."""
        end, quiet = time.monotonic() + LIMIT_S, None
        while quiet is None or time.monotonic() < quiet:
            if time.monotonic() > end:
                raise RuntimeError(f"it takes longer than {LIMIT_S} s")
            events = self.epoll.poll(QUIET_S)
            for fd, what in events:
                if fd == self.listener.fileno():
                    self.take_connections()
                elif fd in self.ends:
                    self.handle(self.ends[fd], what)
            if not condition():
                quiet = None
            elif events or quiet is None:
                quiet = time.monotonic() + QUIET_S

    def finish(self, clients):
        """A sample of them goes on to the end; the others go away where they are."""
        self.drop(clients[SAMPLE:])
        self.allow(clients[:SAMPLE], SIZE, SIZE)
        self.hold_origin(False)

        def is_done():
            self.allow(self.origins(), SIZE)
            return all(client.is_done() for client in clients[:SAMPLE])
        self.run(is_done)
        self.drop(clients[:SAMPLE])


def bytes_in_files(pid):
    """Of all files that a process has open and that have no name any more."""
    total = 0
    for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            total += found.st_size if stat.S_ISREG(found.st_mode) and not found.st_nlink else 0
    return total


class Weighing:
    """One gateway with all its clients: the rows of the table."""

    def __init__(self, server, traffic):
        self.server, self.traffic = server, traffic
        # One request that nobody holds up: all processes are there, and have what they need for any.
        first = traffic.add(Client(server.port, 0, "upload", 0))
        traffic.run(first.is_done)
        traffic.drop([first])
        self.empty = {pid: measure.pss_bytes(pid) for pid in measure.family(server.pid)}
        self.most = 0

    def row(self, what, sent, received):
        """sent, received: bytes of content by those who send and by those who receive."""
        full = {pid: measure.pss_bytes(pid) for pid in self.empty}
        holder = max(full, key=lambda pid: full[pid] - self.empty[pid])
        files = bytes_in_files(holder)
        each, grown = full[holder] / CLIENTS, (full[holder] - self.empty[holder]) / CLIENTS
        self.most = max(self.most, each)
        print(f"  {self.server.name:10} {what:34} {each:11,.0f} {grown:9,.0f} {files / CLIENTS:11,.0f} "
              f"{(sent - received) / CLIENTS:12,.0f}")

    def upload(self):
        traffic = self.traffic
        clients = traffic.connect(self.server.port, "upload", SIZE)
        traffic.allow(clients, PART)
        traffic.run(lambda: all(client.sent == PART for client in clients))
        self.row("upload, the clients pause", PART * CLIENTS, sum(end.got for end in traffic.origins()))
        traffic.hold_origin(True)
        traffic.allow(clients, MOST)
        traffic.run(lambda: all(client.sent > PART for client in clients))
        self.row("upload, the application pauses", sum(client.sent for client in clients),
                 sum(end.got for end in traffic.origins()))
        traffic.finish(clients)

    def download(self):
        traffic = self.traffic
        clients = traffic.connect(self.server.port, "download", 0)
        traffic.allow(clients, may_read=PART)
        traffic.run(lambda: all(client.got >= PART for client in clients))
        self.row("download, the clients pause", sum(end.sent for end in traffic.origins()),
                 sum(client.got for client in clients))
        traffic.finish(clients)

    def both(self):
        """The application answers while it reads: content in both directions at once."""
        traffic = self.traffic
        clients = traffic.connect(self.server.port, "both", SIZE)
        traffic.allow(clients, PART, PART)
        traffic.run(lambda: all(client.got >= PART and client.sent == PART for client in clients))
        traffic.hold_origin(True)
        traffic.allow(clients, MOST)
        traffic.run(lambda: all(client.sent > PART for client in clients))
        self.row("both at once, both sides pause", sum(end.sent for end in self.traffic.ends.values()),
                 sum(end.got for end in self.traffic.ends.values()))
        traffic.finish(clients)


# Whether it passes content on as it comes, in both directions at once.
STREAMS = {"musterd": True, "nginx": False, "haproxy": True, "h2o": False}


def weigh(bench, name):
    """The most that a client takes in any phase, in bytes; None: it is not there, or it failed."""
    with contextlib.closing(Traffic()) as traffic, contextlib.ExitStack() as stack:
        server = proxies.start(bench, name, "proxy", traffic.port)
        if not server:
            print(f"  {name}: not installed")
            return None
        stack.callback(server.stop)
        try:
            weighing = Weighing(server, traffic)
            weighing.upload()
            weighing.download()
            if STREAMS[name]:
                weighing.both()
        except RuntimeError as error:
            print(f"  {name}: {error}")
            return None
        return weighing.most


def section_slow(bench):
    print(f"\nslow: {CLIENTS:,} clients with {SIZE >> 20} MiB each through a gateway, held up in the middle; bytes for "
          "each: Pss of\n"
          "  the process that has them; what it has put in files; content sent and not yet received, in the kernel too."
          f"\n  {SAMPLE} of them finish each transfer, byte for byte, the others go away")
    print(f"  {'':10} {'':34} {'Pss/client':>11} {'grown by':>9} {'in files':>11} {'on the way':>12}")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    try:
        with supervision.on_cpu(bench.load_cpu):
            most = {name: weigh(bench, name) for name in ("musterd", *proxies.PEERS)}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, files)
    own = most["musterd"]
    bench.target(f"{CLIENTS:,} slow clients: the worker's Pss / {CLIENTS:,}", f"<= {CONFIGURED}",
                 f"{own:.0f}" if own else "failed", own is not None and own <= CONFIGURED)


SECTIONS = {"slow": section_slow}
