# SPDX-License-Identifier: MIT
"""Servers of FastCGI, uwsgi and SCGI behind a gateway, in a test's hands (fake_upstream.py): what they get is read strictly, what
they send is the test's own.
"""

import struct

from fake_upstream import Upstream

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
COMPLETE, CANT_MPX, OVERLOADED, UNKNOWN_ROLE = 0, 1, 2, 3


# ----------------------------------------------------------------------------------------- FastCGI

def record(kind, content=b"", padding=0, number=1, version=1):
    return struct.pack(">BBHHBB", version, kind, number, len(content), padding, 0) + content + b"." * padding


def records(kind, content, size=65535):
    return b"".join(record(kind, content[i:i + size]) for i in range(0, len(content), size))


def end_request(app_status=0, protocol_status=COMPLETE):
    return record(END, struct.pack(">IB3x", app_status, protocol_status))


def whole(content, app_status=0, size=65535):
    """What a program writes, as all the records of a reply."""
    return records(STDOUT, content, size) + record(STDOUT) + end_request(app_status)


def page(content=b"hello\n", *fields):
    """What a program writes."""
    return b"".join(field.encode() + b"\r\n" for field in fields or ["Content-Type: text/plain"]) + b"\r\n" + content


def _pairs(data):
    found, at = {}, 0

    def length():
        nonlocal at
        size = 4 if data[at] & 0x80 else 1
        value = int.from_bytes(data[at:at + size], "big") & 0x7fffffff
        at += size
        return value

    def text(size):
        nonlocal at
        at += size
        return data[at - size:at].decode("latin-1")
    while at < len(data):
        name_len, value_len = length(), length()
        name = text(name_len)
        assert name not in found, f"{name} stands twice"
        found[name] = text(value_len)
    assert at == len(data), "the last pair is cut off"
    return found


class Asked:
    """A request of FastCGI on a link: its variables, and its content, whole with content() or in pieces."""

    def __init__(self, link):
        self.link, self.pieces = link, []
        begin = self._record(BEGIN)
        role, flags = struct.unpack(">HB5x", begin)
        assert role == 1, f"role {role}"
        self.keep = bool(flags & 1)
        data = b""
        while content := self._record(PARAMS):
            data += content
        self.params = _pairs(data)

    def _record(self, wanted):
        version, kind, number, length, padding, _ = struct.unpack(">BBHHBB", self.link.take(8))
        assert (version, kind, number) == (1, wanted, 1), f"version {version}, type {kind}, request {number}"
        content = self.link.take(length)
        self.link.take(padding)
        return content

    def piece(self):
        """b"" at the end."""
        self.pieces.append(self._record(STDIN))
        return self.pieces[-1]

    def content(self):
        while not self.pieces or self.pieces[-1]:
            self.piece()
        return b"".join(self.pieces)


def serving(reply=None):
    """A script: each request is answered with these bytes, or those that reply(asked) gives, on one connection if that
    is kept. What was asked is kept in upstream.requests."""
    reply = whole(page()) if reply is None else reply

    def script(link):
        while link.has_more():
            asked = Asked(link)
            link.upstream.requests.append(asked)
            data = reply(asked) if callable(reply) else reply
            asked.content()
            link.send(data)
            if not asked.keep:
                return
    return script


def fastcgi(case, script=None, options="", site="", path="/", server="", **service):
    """A server of FastCGI, the text of a service that passes requests on to it, and its port. server: lines of
    its `upstream`, where it is to have one."""
    upstream = Upstream(case, script or serving())
    target = "app" if server else upstream.address
    block = f"upstream app {{ server {upstream.address}; {server} }}" if server else ""
    text, port = application(case, f"fastcgi {target} {{ {options} }}", f"{block}\n{site}", path, **service)
    return upstream, text, port


def application(case, gateway, site="", path="/", **service):
    """The text of a service with a gateway in the location `path`, and its port."""
    extra = service.pop("extra", "timeout { park 60s; drain 60s; request 60s; idle 60s }")
    handler = f"http {{\naccess-log access\naccess-log-format json\n{site}\nlocation {path} {{ {gateway} }}\n}}"
    return case.service(handler, extra=extra, **service)


# ------------------------------------------------------------------------------------ uwsgi and SCGI

def read_uwsgi(link):
    """The variables of a request, and its content."""
    modifier1, size, modifier2 = struct.unpack("<BHB", link.take(4))
    assert (modifier1, modifier2) == (0, 0), (modifier1, modifier2)
    data, words, at = link.take(size), [], 0
    while at < size:
        length = struct.unpack_from("<H", data, at)[0]
        words.append(data[at + 2:at + 2 + length].decode("latin-1"))
        at += 2 + length
    assert at == size and len(words) % 2 == 0, words
    return _told(link, words)


def read_scgi(link):
    size = int(link.take_until(b":")[:-1])
    words = link.take(size).decode("latin-1").split("\0")
    assert link.take(1) == b"," and words.pop() == "" and words[0] == "CONTENT_LENGTH", words
    return _told(link, words)


def _told(link, words):
    found = dict(zip(words[::2], words[1::2]))
    assert len(found) == len(words) // 2, "a variable stands twice"
    return found, link.take(int(found.get("CONTENT_LENGTH") or 0))
