# SPDX-License-Identifier: MIT
"""HTTP/1 messages by hand, for both ends of a gateway: what is sent is the test's own to the byte, what is got is
read more strictly than anybody has to, and kept as it came. What a test expects is its own business.
"""

import re
import socket
import struct

from harness import connect

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"


class Message:
    """A request or a reply, its first line not looked at yet."""

    def __init__(self, head):
        self.head = bytes(head)
        lines = self.head.decode("latin-1").split("\r\n")
        assert lines[-2:] == ["", ""] and not any("\n" in line or "\r" in line for line in lines), self.head
        self.first = lines[0]
        self.fields = []
        for line in lines[1:-2]:
            match = re.fullmatch(f"({TOKEN}): ?(.*)", line)
            assert match, f"a strange field line: {line!r}"
            self.fields.append(match.groups())
        self.content, self.chunks, self.trailers = b"", None, []

    def values(self, name):
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def value(self, name):
        """None where there is no such field; a second one is a fault."""
        values = self.values(name)
        assert len(values) < 2, f"{name} twice: {self.head!r}"
        return values[0] if values else None

    def names(self):
        return {name.lower() for name, _ in self.fields}

    def length(self):
        """Content-Length, None: there is none. Two ways to say how content is framed are a fault."""
        value, coding = self.value("content-length"), self.value("transfer-encoding")
        assert coding is None or (coding == "chunked" and value is None), self.head
        assert value is None or re.fullmatch("[0-9]+", value), self.head
        return None if value is None else int(value)

    def is_chunked(self):
        return self.value("transfer-encoding") is not None

    def __repr__(self):
        return f"<{self.first!r} {self.fields} {len(self.content)} bytes>"


class Request(Message):
    def __init__(self, head):
        super().__init__(head)
        match = re.fullmatch(f"({TOKEN}) (\\S+) HTTP/(1\\.[01])", self.first)
        assert match, f"a strange request line: {self.first!r}"
        self.method, self.target, self.version = match.groups()


class Reply(Message):
    def __init__(self, head):
        super().__init__(head)
        match = re.fullmatch(r"HTTP/(1\.[01]) (\d{3}) ?(.*)", self.first)
        assert match, f"a strange status line: {self.first!r}"
        self.version, status, self.phrase = match.groups()
        self.status = int(status)
        self.interim = []  # the replies that came before it


class Stream:
    """A socket of which every byte that came is kept, in `got`."""

    def __init__(self, sock):
        self.sock = sock
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # pieces go out as they are sent
        self.buffer, self.got = bytearray(), bytearray()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        """False at the end of the stream."""
        piece = self.sock.recv(65536)
        self.buffer += piece
        self.got += piece
        return bool(piece)

    def need_more(self):
        assert self.more(), f"the stream ended inside a message: {bytes(self.buffer[:300])!r}"

    def take(self, n):
        while len(self.buffer) < n:
            self.need_more()
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        return data

    def take_until(self, mark):
        at = 0
        while (found := self.buffer.find(mark, at)) < 0:
            at = max(len(self.buffer) - len(mark) + 1, 0)
            self.need_more()
        return self.take(found + len(mark))

    def has_more(self):
        """Waits for a byte or the end; False at the end."""
        return bool(self.buffer) or self.more()

    def read_chunked(self, message):
        """Without extensions; each chunk's size is kept. Trailers too."""
        data, message.chunks = bytearray(), []
        while True:
            line = self.take_until(b"\r\n")
            assert re.fullmatch(rb"[0-9a-fA-F]{1,15}\r\n", line), f"a strange size of a chunk: {line!r}"
            size = int(line, 16)
            if not size:
                break
            message.chunks.append(size)
            data += self.take(size)
            assert self.take(2) == b"\r\n", "a chunk does not end where it should"
        message.content = bytes(data)
        lines = b""
        while (line := self.take_until(b"\r\n")) != b"\r\n":
            lines += line
        message.trailers = Message(b"\r\n" + lines + b"\r\n").fields

    def read_rest(self):
        """All until the end of the stream."""
        while self.more():
            pass
        return self.take(len(self.buffer))

    def how_it_ends(self):
        """Reads until then, and says "end" or "reset"."""
        try:
            while self.more():
                pass
        except ConnectionError:
            return "reset"
        return "end"

    def is_at_end(self):
        """It has ended in order, and left nothing unread."""
        return not self.buffer and self.how_it_ends() == "end" and not self.buffer

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Client(Stream):
    """Who asks."""

    def __init__(self, port, host="127.0.0.1", sock=None):
        super().__init__(sock or connect(port, host))

    def read_reply(self, method="GET", content=True):
        """The next reply, with those before it that are interim. content: else its head alone."""
        interim = []
        while (reply := Reply(self.take_until(b"\r\n\r\n"))).status < 200 and reply.status != 101:
            assert reply.length() is None and not reply.is_chunked(), reply.head
            interim.append(reply)
        reply.interim = interim
        length = reply.length()
        if not content or method == "HEAD" or reply.status in (101, 204, 304):
            return reply
        if reply.is_chunked():
            self.read_chunked(reply)
        elif length is not None:
            reply.content = self.take(length)
        else:
            reply.content = self.read_rest()
        return reply

    def ask(self, target="/", method="GET", *fields, **options):
        self.send(request_of(target, method, *fields, **options))
        return self.read_reply(method)


def chunked(pieces, *trailers):
    """Content in chunks, one for each piece."""
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return data + b"0\r\n" + lines_of(trailers) + b"\r\n"


def lines_of(fields):
    return b"".join(field.encode("latin-1") + b"\r\n" for field in fields)


def request_of(target="/", method="GET", *fields, content=None, chunks=None, trailers=(), host="test", version="1.1"):
    """The bytes of a request. content: with its length; chunks: pieces of it."""
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), *fields]
    if content is not None:
        lines.append(f"Content-Length: {len(content)}")
    if chunks is not None:
        lines.append("Transfer-Encoding: chunked")
        content = chunked(chunks, *trailers)
    return lines_of(lines) + b"\r\n" + (content or b"")


def reply_of(content=b"", *fields, status="200 OK", chunks=None, trailers=(), version="1.1"):
    """The bytes of a reply. content: with its length, None: without one; chunks: pieces of it."""
    lines = [f"HTTP/{version} {status}", *fields]
    if chunks is not None:
        lines.append("Transfer-Encoding: chunked")
        content = chunked(chunks, *trailers)
    elif content is not None:
        lines.append(f"Content-Length: {len(content)}")
    return lines_of(lines) + b"\r\n" + (content or b"")
