#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""All that the http service does, at random and at once, while its files change and it is reloaded: every answer
must be one that some state of the files explains, no worker may die, and no descriptor may be left. Run direct
and multiplexed, $STRESS_SECONDS seconds each (5), from $STRESS_SEED, which is printed.
"""

import contextlib
import os
import random
import re
import socket
import struct
import threading
import time

from harness import Http, connect, for_both_modes, has_sanitizers, main, status_field, wait_for

SECONDS = float(os.environ.get("STRESS_SECONDS", "5"))
CLIENTS = 6
VERSIONS = 4
MISSING = b"<p>the page of a 404</p>\n"

# The files that come and go, by host: their size, and what becomes of them.
FILES = {
    "a.test": {"/small.txt": 700, "/large.bin": 400_000, "/list/one.txt": 90, "/app/index.html": 800,
               "/come.txt": 500, "/come-large.bin": 200_000, "/flip.txt": 300, "/torn.txt": 3000,
               "/torn-large.bin": 600_000, "/private/open.txt": 100},
    "b.test": {"/small.txt": 650, "/large.bin": 390_000, "/come.txt": 400},
}
SITE = """
root html/a.test; precompressed yes; access-log @name@.json; access-log-format json; error-page 404 /errors/missing.html
cache { entries 12; memory 1M }
header X-Generation "@generation@" always
location /private/ { deny all }
location =/private/open.txt { allow all }
location *.secret { deny all }
location /list/ { listing yes }
location /app/ { try "{path}" "{path}/" /app/index.html }
location /old/ { redirect 301 "/new/{rest}{query}" }
location /gone/ { answer 410 "gone for good" }
host b.test { alias *.b.test; root html/b.test; charset no }
"""


def content(host, name, version, encoding=""):
    """Each line says what it is a part of. No two versions have one length."""
    line = f"{host}{name}{encoding} version {version} line %06d\n"
    size = FILES[host][name] + 37 * version + 5 * len(encoding)
    return "".join(line % n for n in range(size // len(line % 0) + 1)).encode()[:size]


class Files:
    """The files on disk, and a thread that changes them."""

    def __init__(self, folder, seed):
        self.folder, self.random = folder, random.Random(seed)
        self.versions = {}  # (host, name, encoding): the contents that there can be
        for host, names in FILES.items():
            for name in names:
                for encoding in ("", "gz", "br"):
                    self.versions[host, name, encoding] = [content(host, name, version, encoding)
                                                           for version in range(VERSIONS)]
                self.path(host, name).parent.mkdir(parents=True, exist_ok=True)
                self.replace(host, name)
        for host in FILES:
            (folder / host / "private").mkdir(exist_ok=True)
            (folder / host / "private/closed.txt").write_text("SECRET")
            (folder / host / "some.secret").write_text("SECRET")
            (folder / host / ".hidden").write_text("SECRET")
            (folder / host / "way-out").symlink_to("../../")
        (folder / "outside.txt").write_text("SECRET")
        (folder / "a.test/errors").mkdir()
        (folder / "b.test/errors").mkdir()
        for host in FILES:
            (folder / host / "errors/missing.html").write_bytes(MISSING)

    def path(self, host, name):
        return self.folder / host / name[1:]

    def replace(self, host, name, encoding=""):
        path = self.path(host, name)
        path = path.with_name(path.name + ("." + encoding if encoding else ""))
        fresh = self.folder / "fresh"
        fresh.write_bytes(self.random.choice(self.versions[host, name, encoding]))
        fresh.rename(path)

    def change(self):
        """One change of one file, as those make them who care and those who do not."""
        host = self.random.choice(list(FILES))
        name = self.random.choice(list(FILES[host]))
        path = self.path(host, name)
        if name.startswith("/torn"):
            with open(path, "r+b") as file:
                file.truncate(self.random.choice((0, 10, FILES[host][name])))
                file.write(self.random.choice(self.versions[host, name, ""]))
        elif name == "/flip.txt" and self.random.random() < .5:
            fresh = self.folder / "fresh"
            fresh.symlink_to("../outside.txt")
            fresh.rename(path)
        elif name.startswith("/come") and self.random.random() < .4:
            path.unlink(missing_ok=True)
        elif self.random.random() < .6:
            self.replace(host, name)
        else:
            encoding = self.random.choice(("gz", "br"))
            if self.random.random() < .5:
                self.replace(host, name, encoding)
            else:
                path.with_name(f"{path.name}.{encoding}").unlink(missing_ok=True)


class Request:
    """One request that was made up, and what may come back."""

    def __init__(self, files, rand):
        self.files, self.random = files, rand
        self.host = rand.choice(list(FILES))
        self.method = rand.choices(("GET", "HEAD", "POST", "OPTIONS", "PUT"), (20, 4, 2, 1, 1))[0]
        self.minor = 0 if rand.random() < .05 else 1
        self.headers, self.body, self.closes = [], b"", self.minor == 0
        self.name, self.statuses = None, set()
        self.choose_target()
        if self.method in ("POST", "PUT") or rand.random() < .05:
            self.add_content()
        if self.name and self.method in ("GET", "HEAD"):
            self.add_conditions()
        if rand.random() < .05:
            self.headers.append("Connection: close")
            self.closes = True
        if rand.random() < .1:
            self.headers.append("X-Long: " + "x" * rand.randrange(3000))

    def choose_target(self):
        rand = self.random
        if rand.random() < .75:
            self.name = rand.choice(list(FILES[self.host]))
            self.statuses = {200} | ({404} if "/come" in self.name else set())
            self.target = self.name
            if self.name == "/app/index.html" and rand.random() < .8:
                self.target = rand.choice(("/app/", "/app/page", "/app/a/b", "/app/%61"))
            if self.name == "/flip.txt":
                self.statuses |= {403}
            if rand.random() < .2:
                at = rand.randrange(1, len(self.target))
                if self.target[at] not in "/%" and "%" not in self.target:
                    self.target = f"{self.target[:at]}%{ord(self.target[at]):02x}{self.target[at + 1:]}"
            if rand.random() < .1:
                self.target = rand.choice(("/x/..", "/.", "/")) + self.target
            if rand.random() < .1:
                self.target += "?" + "q" * rand.randrange(200)
        else:
            self.target, self.statuses = rand.choice((
                ("/private/closed.txt", {403}), ("/private//closed.txt", {403}), ("/%70rivate/closed.txt", {403}),
                ("/x/../private/closed.txt", {403}), ("/private", {403}), ("/private/", {403}),
                ("/some.secret", {403}), ("/some.secre%74", {403}), ("/some.secret/", {404}),
                ("/.hidden", {404}), ("/%2ehidden", {404}), ("/a/../.hidden", {404}), ("/a%2f..%2f.hidden", {404}),
                ("/../outside.txt", {400}), ("/%2e%2e/outside.txt", {400}), ("/way-out/outside.txt", {403}),
                ("/way-out/a.test/small.txt", {403}), ("/nothing", {404}), ("/list/?sort=size&order=desc", None),
                ("/list", None), ("/old/x%0d%0ay?a=b", {301}), ("/gone/x", {410}), ("/" + "y" * 9000, {414}),
                ("/" + "y" * 5000, {404}), ("/%zz", {400}), ("/%00", {400})))
            if self.statuses is None:
                self.statuses = {"/list": {301, 404}}.get(self.target, {200, 404})
        if self.method not in ("GET", "HEAD") and not self.statuses & {301, 400, 410, 414} and \
                "private/" not in self.target and self.statuses != {403}:
            self.statuses = (self.statuses & {404}) | {204 if self.method == "OPTIONS" else 405}
        elif self.method not in ("GET", "HEAD"):
            self.statuses |= {204 if self.method == "OPTIONS" else 405}
        if self.random.random() < .1:
            self.target = "http://" + self.host.upper() + self.target
            self.headers.append("Host: other.test")
        elif self.host == "b.test":
            self.headers.append("Host: " + self.random.choice(("b.test", "B.Test.:80", "x.y.b.test")))
        else:
            self.headers.append("Host: " + self.random.choice(("a.test", "[::1]:1", "", "b.test.a")))

    def add_content(self):
        rand = self.random
        size = rand.choice((0, 1, 100, 20_000, 300_000))
        if self.minor and rand.random() < .5:
            self.headers.append("Transfer-Encoding: chunked")
            left = size
            while left:
                n = rand.randrange(1, left + 1)
                self.body += b"%x%s\r\n%s\r\n" % (n, rand.choice((b"", b';a="b;"')), b"c" * n)
                left -= n
            self.body += b"0\r\n" + rand.choice((b"", b"X-Trailer: t\r\n")) + b"\r\n"
        else:
            self.headers.append(f"Content-Length: {size}")
            self.body = b"GET " * (size // 4) + b"x" * (size % 4)
        expects = rand.random() < .2
        if expects:
            self.headers.append("Expect: 100-continue")
            self.closes = self.closes or bool(self.body)
        if size > 256 * 1024:
            self.statuses = self.statuses | {413}
            self.closes = True

    def add_conditions(self):
        rand = self.random
        if rand.random() < .4:
            self.headers.append("Accept-Encoding: " + rand.choice(("gzip", "br, gzip", "identity", "gzip;q=0, *")))
        if rand.random() < .3:
            size = FILES[self.host][self.name]
            spec = []
            for _ in range(rand.choice((1, 1, 2, 5, 30))):
                first = rand.randrange(size + 50)
                spec.append(rand.choice((f"{first}-", f"-{first}", f"{first}-{first + rand.randrange(size)}")))
            self.headers.append("Range: bytes=" + ",".join(spec))
            if self.method == "GET" and 200 in self.statuses:
                self.statuses = self.statuses | {206, 416}
        if rand.random() < .1:
            self.headers.append(rand.choice(('If-Match: "x"', "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT")))
            self.statuses = self.statuses | {412}
        if rand.random() < .2:
            self.headers.append(rand.choice((
                "If-None-Match: *", 'If-None-Match: "x", "y"\r\nIf-None-Match: *',
                f"If-Modified-Since: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + 60))}")))
            self.statuses = self.statuses | {304}

    def bytes(self):
        lines = [f"{self.method} {self.target} HTTP/1.{self.minor}", *self.headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    def __repr__(self):
        return f"{self.method} {self.target[:80]} {[line[:200] for line in self.headers]}"

    # --------------------------------------------------------------------------- what came back

    def check(self, got):
        assert got.status in self.statuses, f"not one of {self.statuses}"
        assert b"SECRET" not in got.body and "x-injected" not in got.headers, "what is not public"
        if got.status == 404 and self.host == "a.test":
            assert self.method == "HEAD" or got.body == MISSING or "errors" in self.target, "another page"
        if self.method == "HEAD" or got.status not in (200, 206) or not self.name:
            return
        if self.name.startswith("/torn"):
            return
        encoding = {"gzip": "gz", "br": "br"}.get(got.headers.get("content-encoding"), "")
        whole = self.files.versions[self.host, self.name, encoding]
        if got.status == 200:
            assert got.body in whole, f"not the file: {got.body[:60]!r}"
            return
        boundary = re.fullmatch("multipart/byteranges; boundary=(.*)", got.headers["content-type"])
        if not boundary:
            self.check_part(whole, got.headers["content-range"], got.body)
            return
        pieces = re.split(rb"\r\n--" + boundary[1].encode() + rb"(?:--)?\r\n", b"\r\n" + got.body)
        assert len(pieces) > 2 and pieces[0] == pieces[-1] == b"", f"strange parts: {got.body[:200]!r}"
        totals = set()
        for piece in pieces[1:-1]:
            head, body = piece.split(b"\r\n\r\n", 1)
            field = re.search(rb"Content-Range: (.*)", head)[1].decode()
            totals.add(field.split("/")[1])
            self.check_part(whole, field, body)
        assert len(totals) == 1, f"parts of several versions: {totals}"

    @staticmethod
    def check_part(whole, field, body):
        first, last, size = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", field.strip()).groups())
        assert body in [text[first:last + 1] for text in whole if len(text) == size], f"not that part: {field}"


class Client(threading.Thread):
    """Connections one after the other, each with some requests, until the time is over."""

    def __init__(self, ports, files, seed, until):
        super().__init__(daemon=True)
        self.ports, self.files, self.random, self.until = ports, files, random.Random(seed), until
        self.answers, self.problem = 0, None

    def run(self):
        try:
            while time.monotonic() < self.until and not self.problem:
                self.connection()
        except Exception as problem:
            self.problem = f"{type(problem).__name__}: {problem}"

    def connection(self):
        rand = self.random
        requests = [Request(self.files, rand) for _ in range(rand.choice((1, 1, 2, 5, 40)))]
        with connect(rand.choice(self.ports)) as sock:
            kind = rand.choice(("plain", "plain", "split", "slow", "half", "abort"))
            if kind == "abort":
                sock.sendall(b"".join(request.bytes() for request in requests)[:10_000])
                sock.settimeout(.05)
                with contextlib.suppress(OSError):
                    sock.recv(rand.randrange(1, 5000))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            sender = threading.Thread(target=self.send, args=(sock, requests, kind), daemon=True)
            sender.start()
            try:
                self.receive(sock, requests, kind)
            finally:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the sender
                sender.join()

    def send(self, sock, requests, kind):
        data = b"".join(request.bytes() for request in requests)
        rand = random.Random(len(data))
        try:
            if kind == "split":
                while data:
                    n = rand.randrange(1, 6000)
                    sock.sendall(data[:n])
                    data = data[n:]
            sock.sendall(data)
            if kind == "half":
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has closed: what it said is read by the other thread

    def receive(self, sock, requests, kind):
        http = Http(None, sock=sock)
        if kind == "slow":
            plain = http._more
            http._more = lambda: (time.sleep(.002), plain())
        for request in requests:
            try:
                got = http.read(head=request.method == "HEAD")
            except (AssertionError, ConnectionResetError):
                # It ended where files are torn, a limit was said to end it, or the request before was the last.
                assert not http.buffer or request.name and request.name.startswith("/torn"), \
                    f"{kind}: the answer to {request} is cut after {bytes(http.buffer[:200])!r}"
                assert request.closes or request is not requests[0] or request.name.startswith("/torn"), \
                    f"{kind}: no answer to {request}"
                return
            try:
                request.check(got)
            except AssertionError as problem:
                raise AssertionError(f"{kind}: {request}: {problem}: {got.status} {got.headers}") from None
            self.answers += 1
            if got.headers.get("connection") == "close":
                return
            assert not request.closes, f"{kind}: {request} should have been the last: {got}"


def descriptors(pid):
    """What a worker has open: sockets and files of the site."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except FileNotFoundError:
            pass
    return found


def conf_of(case, ports, generation):
    text = ""
    for name, port in ports.items():
        site = SITE.replace("@name@", name).replace("@generation@", str(generation if name == "rolling" else 0))
        text += case.service(f"http {{ {site} }}", name=name, listen=f"127.0.0.1:{port}",
                             extra="timeout { park 1min }")[0]
    return case.conf(text)


@for_both_modes
def all_at_once(case):
    """Two services of the same files: reloads start new workers of one, the others live on."""
    seed = int(os.environ.get("STRESS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"# seed {seed}", flush=True)
    files = Files(case.folder / "html", seed)
    ports = {"steady": case.port(), "rolling": case.port()}
    server = case.server(conf_of(case, ports, 0))
    before = server.wait_workers(2, "steady")
    until = time.monotonic() + SECONDS
    crowd = [Client(list(ports.values()), files, seed + n, until)
             for n in range(2 if case.connections == 1 else CLIENTS)]
    for client in crowd:
        client.start()
    generation, sizes = 0, []
    while any(client.is_alive() for client in crowd):
        for _ in range(200):
            files.change()
            time.sleep(.002)
        if time.monotonic() < until:
            generation += 1
            conf_of(case, ports, generation)
            server.reload()
            sizes.append(max(int(status_field(pid, "VmRSS").split()[0]) for pid in before))
    problems = [client.problem for client in crowd if client.problem]
    assert not problems, f"seed {seed}: " + "\n".join(problems)
    print(f"# {sum(client.answers for client in crowd)} answers, {generation} reloads")
    assert has_sanitizers() or not sizes or sizes[-1] - sizes[0] < 4096, f"workers grow, in KiB: {sizes}"
    assert server.workers("steady") == before, "a worker was replaced"
    assert not re.search(r"was killed by|exited with status [1-9]", server.log()), "a worker died"

    def is_clean():
        return all(sum(link.startswith("socket:") for link in descriptors(pid)) <= 3
                   and sum("/html/" in link for link in descriptors(pid)) <= 3 * 12 + 6 for pid in before)
    wait_for(is_clean, "the workers to let go of all but their caches")


if __name__ == "__main__":
    main()
