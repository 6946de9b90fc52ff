#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The http service with the clients that everybody uses: curl, wget and h2load, as they are called every day;
and slowhttptest, of which a thousand connections must not keep others from being served.
"""

import functools
import gzip
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time

from activation import activated
from harness import Http, connect, deadline, for_both_modes, main, read_all, test, wait_for
from tools import environment, run, tool

BIG = 3_000_000
ATTACKERS = 1000
SEND_BUFFER = 65536


@functools.lru_cache(maxsize=16)
def noise(size, seed=4):
    return random.Random(seed).randbytes(size)


def site(case, handler="root html; index index.html", workers=2, extra="timeout { park 60s }", listener=None, **options):
    """A server of a small site; the text before its paths. A busy machine may be slow to send a next request. listener: one
    of the test's own, which stays its."""
    case.write("html/index.html", "<h1>hello</h1>\n")
    case.write("html/page.txt", "a page\n" * 100)
    case.write("html/sub/index.html", "below\n")
    case.write("html/sub/page.txt", "another page\n")
    case.write("html/big.bin", noise(BIG))
    listen = "systemd:site" if listener else None
    text, port = case.service(f"http {{ {handler} }}", workers=workers, extra=extra, listen=listen, **options)
    if listener:
        port = listener.getsockname()[1]
        activated(case, text, [listener], "site")
    else:
        case.server(text)
    return f"http://127.0.0.1:{port}"


def port_of(url):
    return int(url.rsplit(":", 1)[1])


# --------------------------------------------------------------------------------------- curl

def curl(case, *arguments, status=0, **options):
    """Runs curl without its configuration file; what it wrote to standard output."""
    words = [tool("curl"), "-q", "-s", "-S", "--max-time", f"{deadline(60):.0f}", *arguments]
    return run(case, *words, status=status, **options).stdout


def codes(case, *arguments, **options):
    """The status of each answer, the body thrown away."""
    thrown = [word for argument in arguments if str(argument).startswith("http") for word in ("-o", "/dev/null")]
    text = curl(case, *thrown, "-w", "%{http_code}\n", *arguments, **options)
    return [int(word) for word in text.split()]


def fields_of(text):
    """The fields of the last header that curl -i or -D shows."""
    last = text.strip().split("\n\n")[-1]
    return {name.lower(): value.strip() for name, value in re.findall(r"^([\w-]+):(.*)$", last, re.MULTILINE)}


@for_both_modes
def curl_gets_files_whole(case):
    url = site(case)
    assert curl(case, f"{url}/") == "<h1>hello</h1>\n"
    assert curl(case, f"{url}/sub/page.txt") == "another page\n"
    out = case.folder / "big"
    curl(case, "-o", out, f"{url}/big.bin")
    assert out.read_bytes() == noise(BIG)
    # As slowly as a bad line.
    curl(case, "-o", out, "--limit-rate", "2M", f"{url}/big.bin")
    assert out.read_bytes() == noise(BIG)
    assert codes(case, f"{url}/none") == [404]
    curl(case, "-f", f"{url}/none", status=22)
    # A folder is redirected to where its relative links are right.
    assert curl(case, "-L", f"{url}/sub") == "below\n"
    assert codes(case, "--path-as-is", f"{url}/../../../../etc/passwd")[0] in (400, 403, 404)


@for_both_modes
def curl_keeps_its_connection(case):
    url = site(case)
    said = run(case, tool("curl"), "-q", "-v", *[f"{url}/page.txt"] * 20).stderr
    assert said.count("Connected to") == 1, said
    assert said.count("HTTP/1.1 200 OK") == 20, said


@for_both_modes
def curl_head_says_what_get_says(case):
    url = site(case)
    head = fields_of(curl(case, "-I", f"{url}/big.bin"))
    get = fields_of(curl(case, "-D", "-", "-o", "/dev/null", f"{url}/big.bin"))
    assert head["content-length"] == str(BIG)
    del head["date"], get["date"]
    assert head == get


@for_both_modes
def curl_speaks_http_1_0(case):
    url = site(case)
    said = run(case, tool("curl"), "-q", "-v", "--http1.0", f"{url}/page.txt")
    assert said.stdout == "a page\n" * 100
    assert re.search(r"< HTTP/1.[01] 200 OK", said.stderr), said.stderr
    assert codes(case, "--http1.0", "-H", "Host:", f"{url}/page.txt") == [200]
    assert codes(case, "--http1.0", "-H", "Connection: keep-alive", *[f"{url}/page.txt"] * 2) == [200, 200]
    # HTTP/1.1 without Host is refused, an upgrade to HTTP/2 is passed over.
    assert codes(case, "-H", "Host:", f"{url}/page.txt") == [400]
    assert codes(case, "--http2", f"{url}/page.txt") == [200]


@for_both_modes
def curl_asks_whether_it_has_changed(case):
    url = site(case)
    page, etag = case.folder / "html/page.txt", case.folder / "etag"
    os.utime(page, (1_000_000_000, 1_000_000_000))
    first = codes(case, "--etag-save", etag, f"{url}/page.txt")
    assert first == [200] and '"' in etag.read_text()
    assert codes(case, "--etag-compare", etag, f"{url}/page.txt") == [304]
    # -z FILE asks with its time of last change.
    copy = case.write("copy.txt", "a page\n" * 100)
    os.utime(copy, (1_000_000_000, 1_000_000_000))
    assert codes(case, "-z", copy, f"{url}/page.txt") == [304]
    assert codes(case, "-z", "2001-01-01", f"{url}/page.txt") == [200]
    page.write_text("new\n")
    wait_for(lambda: codes(case, "--etag-compare", etag, f"{url}/page.txt") == [200], "the new file")


@for_both_modes
def curl_uploads_what_nobody_wants(case):
    url = site(case)
    up = case.write("up.bin", bytes(10 << 20))
    # curl asks first (Expect: 100-continue), and sends nothing then.
    text = curl(case, "--expect100-timeout", f"{deadline(60):.0f}", "-T", up, "-o", "/dev/null",
                "-w", "%{http_code} %{size_upload}", f"{url}/up.bin")
    assert text == "405 0", text
    # It does not ask: it hears of the refusal all the same, not of a connection reset.
    for _ in range(5):
        got = codes(case, "-T", up, "-H", "Expect:", f"{url}/up.bin")
        assert got[0] == 405, got
        got = codes(case, "-T", up, "-H", "Expect:", "-H", "Transfer-Encoding: chunked", f"{url}/up.bin")
        assert got[0] == 405, got
    # A small one does not cost the connection.
    said = run(case, tool("curl"), "-q", "-v", "-d", "a=b", f"{url}/page.txt", "--next", f"{url}/page.txt")
    assert said.stderr.count("Connected to") == 1, said.stderr
    assert "405" in said.stderr and "HTTP/1.1 200" in said.stderr, said.stderr
    assert curl(case, f"{url}/page.txt") == "a page\n" * 100


@for_both_modes
def curl_takes_parts(case):
    url, big = site(case), noise(BIG)
    for word, part in (("0-99", big[:100]), ("-100", big[-100:]), ("2999990-", big[-10:]), ("5-5", big[5:6]),
                       ("1000000-2999999999", big[1_000_000:])):
        assert curl(case, "-r", word, f"{url}/big.bin", text=False, errors=None) == part, word
    text = curl(case, "-r", "0-9,1000000-1000009,-5", "-D", "head", f"{url}/big.bin", text=False, errors=None)
    head = fields_of((case.folder / "head").read_text())
    boundary = re.fullmatch(r'multipart/byteranges; ?boundary="?([^"]+)"?', head["content-type"]).group(1)
    parts = text.split(b"--" + boundary.encode())
    assert (len(parts), parts[-1].strip()) == (5, b"--"), text
    for part, (begin, end) in zip(parts[1:], ((0, 10), (1_000_000, 1_000_010), (BIG - 5, BIG))):
        fields, content = part.split(b"\r\n\r\n", 1)
        assert f"bytes {begin}-{end - 1}/{BIG}".encode() in fields and content == big[begin:end] + b"\r\n", part
    text = curl(case, "-i", "-r", f"{BIG}-", f"{url}/big.bin")
    assert " 416 " in text and f"bytes */{BIG}" in text, text
    etag = fields_of(curl(case, "-I", f"{url}/big.bin"))["etag"]
    assert codes(case, "-r", "0-9", "-H", f"If-Range: {etag}", f"{url}/big.bin") == [206]
    assert codes(case, "-r", "0-9", "-H", 'If-Range: "other"', f"{url}/big.bin") == [200]


@for_both_modes
def curl_goes_on_where_it_was_broken_off(case):
    url = site(case)
    out = case.write("out", noise(BIG)[:1_234_567])
    curl(case, "-C", "-", "-o", out, f"{url}/big.bin")
    assert out.read_bytes() == noise(BIG)


@for_both_modes
def curl_takes_what_is_compressed(case):
    url = site(case, "root html; precompressed yes")
    page = "a page\n" * 100
    case.write("html/page.txt.gz", gzip.compress(page.encode()))
    out = case.folder / "page"
    head = fields_of(curl(case, "--compressed", "-D", "-", "-o", out, f"{url}/page.txt"))
    assert (head["content-encoding"], head["vary"].lower()) == ("gzip", "accept-encoding"), head
    assert out.read_text() == page
    plain = fields_of(curl(case, "-D", "-", "-o", out, f"{url}/page.txt"))
    assert "content-encoding" not in plain and out.read_text() == page
    assert plain["vary"].lower() == "accept-encoding" and plain["etag"] != head["etag"], (plain, head)
    assert plain["content-type"] == head["content-type"]
    # Named by preference: what is there and not refused.
    for accepts, encoding in (("gzip;q=0", None), ("br, gzip;q=0.1", "gzip"), ("*", "gzip"), ("identity, gzip;q=0.5", None)):
        head = fields_of(curl(case, "-D", "-", "-o", "/dev/null", "-H", f"Accept-Encoding: {accepts}", f"{url}/page.txt"))
        assert head.get("content-encoding") == encoding, (accepts, head)


@test
def curl_in_parallel(case):
    url = site(case, connections=64)
    curl(case, "-Z", "--parallel-max", "50", "--create-dirs", "-o", "got/#1", f"{url}/big.bin?[1-60]")
    got = sorted((case.folder / "got").iterdir())
    assert len(got) == 60
    assert {path.read_bytes() for path in got} == {noise(BIG)}


@for_both_modes
def a_client_that_has_said_all_is_answered(case):
    """Half-closed: printf | nc -N. varnishtest has no words for it."""
    port = port_of(site(case))
    with connect(port) as sock:
        sock.sendall(b"GET /page.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.shutdown(1)
        got = read_all(sock)
        assert got.count(b"HTTP/1.1 200 OK") == 2
        assert got.endswith(noise(BIG))
    with connect(port) as sock:
        sock.sendall(b"GET /page.txt HTTP/1.1\r\nHost: a\r\n")
        sock.shutdown(1)
        assert read_all(sock).startswith(b"HTTP/1.1 400 ")


# --------------------------------------------------------------------------------------- wget

def wget(case, *arguments, status=0):
    """Runs wget without its configuration file; all that it said."""
    words = [tool("wget"), "--no-config", "--no-hsts", f"--timeout={deadline(60):.0f}", "--tries=1", *arguments]
    return run(case, *words, status=status).stderr


def pages(case, number):
    """Pages that link to each other: each is found from the first only by way of the others."""
    for n in range(number):
        links = "".join(f'<a href="../p{m}/">{m}</a>' for m in (2 * n + 1, 2 * n + 2) if m < number)
        case.write(f"html/p{n}/index.html", f'<link rel=stylesheet href="style.css"><img src="/img/i{n % 7}.png">{links}')
        case.write(f"html/p{n}/style.css", f"p {{ width: {n}px; }}\n")
    for n in range(7):
        case.write(f"html/img/i{n}.png", noise(1000 + n, n))


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@for_both_modes
def wget_mirrors_a_site(case):
    url = site(case)
    pages(case, 60)
    wget(case, "-r", "-l", "inf", "-nH", "-P", "mirror", f"{url}/p0/")
    got = tree(case.folder / "mirror")
    got.pop("robots.txt", None)
    want = {name: data for name, data in tree(case.folder / "html").items() if name[0] in "pi" and "/" in name}
    assert got == want, (sorted(got), sorted(want))


@for_both_modes
def wget_takes_what_is_newer(case):
    url = site(case)
    page = case.folder / "html/page.txt"
    os.utime(page, (1_000_000_000, 1_000_000_000))
    assert "200 OK" in wget(case, "-N", f"{url}/page.txt")
    assert (case.folder / "page.txt").stat().st_mtime == 1_000_000_000
    said = wget(case, "-N", f"{url}/page.txt")
    assert "304 Not Modified" in said or "not retrieving" in said, said
    page.write_text("new\n")
    os.utime(page, (1_100_000_000, 1_100_000_000))

    def is_taken():
        wget(case, "-N", f"{url}/page.txt")
        return (case.folder / "page.txt").read_text() == "new\n"
    wait_for(is_taken, "the new file")


@for_both_modes
def wget_goes_on_where_it_was_broken_off(case):
    url = site(case)
    out = case.write("big.bin", noise(BIG)[:1_234_567])
    assert "206 Partial Content" in wget(case, "-c", f"{url}/big.bin")
    assert out.read_bytes() == noise(BIG)
    assert "416" in wget(case, "-c", f"{url}/big.bin")
    assert out.read_bytes() == noise(BIG)


@for_both_modes
def wget_mirrors_what_is_listed(case):
    url = site(case, "root html; location /files/ { listing yes }")
    for name in ("plain.txt", "with space.txt", "grüße & küsse.txt", "100%.txt", "a#b.txt", "q?x=1.txt", "'quoted\".txt",
                 "a+b;c.txt", "<b>bold.txt", "sub/below.txt", "sub/deep er/end.txt"):
        case.write(f"html/files/{name}", f"this is {name}\n")
    case.write("html/files/.hidden", "nobody's\n")
    # The links that sort the list in another way lead to the same pages.
    wget(case, "-r", "-l", "inf", "-np", "-nH", "--reject-regex", r"\?sort=", "--restrict-file-names=nocontrol",
         "-P", "mirror", f"{url}/files/")
    got = {name: data for name, data in tree(case.folder / "mirror/files").items() if not name.endswith("index.html")}
    want = tree(case.folder / "html/files")
    del want[".hidden"]
    assert got == want, (sorted(got), sorted(want))


# --------------------------------------------------------------------------------- access log

COMBINED = re.compile(r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}(:\d\d){3} [+-]\d{4}\] "GET (\S+) HTTP/1\.1" (\d{3}) (\d+|-) '
                      r'"([^"]*)" "([^"]*)"')


@for_both_modes
def all_requests_are_in_the_access_log(case):
    log = case.folder / "access.log"
    url = site(case, f"root html; access-log {log}", workers=4)
    h2load(case, f"{url}/page.txt", 4000, 4)
    curl(case, "-A", "an agent", "-e", "http://from/", f"{url}/none")
    # Written each second, by four workers: whole lines, none missing.
    wait_for(lambda: len(log.read_bytes().splitlines()) >= 4001, "4001 lines")
    lines = [COMBINED.fullmatch(line) for line in log.read_text().splitlines()]
    assert all(lines) and len(lines) == 4001, log.read_text()[:2000]
    assert sum(line.group(2, 3, 4) == ("/page.txt", "200", "700") for line in lines) == 4000
    assert sum(line.group(2, 3, 5, 6) == ("/none", "404", "http://from/", "an agent") for line in lines) == 1
    # After a rotation.
    log.rename(case.folder / "access.log.1")
    case.servers[-1].send_signal(signal.SIGUSR1)
    wait_for(log.exists, "a new access log")
    wait_for(lambda: curl(case, f"{url}/page.txt") and log.stat().st_size > 0, "lines in the new access log")


@for_both_modes
def the_access_log_is_json(case):
    log = case.folder / "access.log"
    url = site(case, f"root html; access-log {log}; access-log-format json", workers=1)
    curl(case, "-A", 'a "strange"\tagent\\ \xff', f"{url}/page.txt", f"{url}/page.txt?q=%22")
    curl(case, "-r", "0-9", f"{url}/big.bin", text=False, errors=None)
    case.servers[-1].stop()
    first, second, third = map(json.loads, log.read_text().splitlines())
    assert (first["status"], first["bytes"], first["count"], second["count"]) == (200, 700, 1, 2), (first, second)
    assert first["user_agent"].startswith('a "strange"\tagent\\ '), first
    assert second["target"] == "/page.txt?q=%22" and second["service"] == "svc", second
    assert (third["status"], third["bytes"]) == (206, 10), third
    assert 0 <= third["ttfb"] <= third["total"] < deadline(60), third


# ------------------------------------------------------------------------------------- h2load

def h2load(case, url, requests, clients, *arguments):
    """Runs h2load with HTTP/1.1; nothing may fail."""
    said = run(case, tool("h2load", "nghttp2-client"), "--h1", f"-n{requests}", f"-c{clients}", *arguments, url,
               seconds=180).stdout
    assert re.search(rf"{requests} total, {requests} started, {requests} done, {requests} succeeded, 0 failed, "
                     r"0 errored, 0 timeout", said), said
    assert f"status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx" in said, said


@test
def h2load_with_many_clients(case):
    url = site(case, connections=1024, extra="limit { nofile 4096 }")
    h2load(case, f"{url}/page.txt", 40000, 400)
    h2load(case, f"{url}/page.txt", 20000, 100, "-t2", "-m10")
    h2load(case, f"{url}/big.bin", 200, 50)


@test
def h2load_with_as_many_clients_as_workers(case):
    url = site(case, connections=1, workers=8)
    h2load(case, f"{url}/page.txt", 8000, 8)


# ------------------------------------------------------------------------------- slowhttptest

class Slow:
    """slowhttptest at work: as many connections as it is told, opened at once and kept for as long as they live."""

    def __init__(self, case, url, *arguments, seconds=600):
        self.out = open(case.folder / "slowhttptest.log", "wb")
        command = [tool("slowhttptest"), "-c", ATTACKERS, "-r", ATTACKERS, "-l", seconds, "-p", "100", "-u", url,
                   *arguments]
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.out,
                                        stderr=subprocess.STDOUT, env=environment(case))
        self.port = int(re.search(r":(\d+)/", url).group(1))
        case.defer(self.kill)

    def connections(self):
        """How many the server has, accepted or not: what it has closed the kernel may still be sending."""
        local = f":{self.port:04X}"
        lines = pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]
        return sum(1 for fields in map(str.split, lines) if fields[1].endswith(local) and fields[3] == "01")

    def ended(self):
        return self.process.poll() is not None

    def kill(self):
        if not self.ended():
            self.process.kill()
            self.process.wait()
        self.out.close()


def serves(port, seconds=10):
    """A client that comes now is answered, whole and soon."""
    begin = time.monotonic()
    with Http(port, sock=connect(port, timeout=deadline(seconds))) as http:
        assert http.get("/page.txt").body == b"a page\n" * 100
        assert http.get("/big.bin").body == noise(BIG)
    assert time.monotonic() - begin < deadline(seconds)


def under_attack(case, url, *arguments):
    """A thousand slow clients; others are served before, meanwhile and after; the server rids itself of the slow."""
    port = port_of(url)
    serves(port)
    slow = Slow(case, *arguments)
    wait_for(lambda: slow.connections() > ATTACKERS * 9 // 10, "the attackers' connections", 60)
    answered = 0
    end = time.monotonic() + deadline(120)
    while not slow.ended() and (slow.connections() > 0 or answered < 10):
        serves(port)
        answered += 1
        time.sleep(0.1)  # the pace of asking
        assert time.monotonic() < end, f"{slow.connections()} of the slow are still there"
    assert answered >= 5, f"{answered} answers in the meantime"
    slow.kill()
    serves(port)


SLOW = dict(connections=2000, workers=2)
SLOW_EXTRA = f"""backlog 4096
limit {{ nofile 4096 }}
timeout {{ header {deadline(15):.0f}s; idle {deadline(20):.0f}s; request {deadline(20):.0f}s }}"""


@test
def slow_headers_of_a_thousand(case):
    url = site(case, extra=SLOW_EXTRA, **SLOW)
    under_attack(case, url, f"{url}/", "-H", "-i", "1", "-x", "24")


@test
def slow_bodies_of_a_thousand(case):
    url = site(case, extra=SLOW_EXTRA, **SLOW)
    # Nobody wants the bodies; they are read all the same, as long as the limit of a request lets them.
    under_attack(case, url, f"{url}/", "-B", "-i", "1", "-s", "8192", "-x", "10")


@test
def slow_readers_of_a_thousand(case):
    """What they do not take lies in the kernel, which has one limit for the TCP connections of the whole machine. Where it
    chooses, a thousand of them reach that, and everybody's connections stand still; so here it has little for each.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        url = site(case, listener=listener, extra=SLOW_EXTRA, **SLOW)
        under_attack(case, url, f"{url}/big.bin", "-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "1")


@test
def slow_headers_where_there_is_room_for_fewer(case):
    """All places are taken by the slow: what they are given for a header is what others wait for, in their turn."""
    url = site(case, workers=2, connections=200, extra=f"backlog 4096\ntimeout {{ header {deadline(5):.0f}s }}")
    serves(port_of(url))
    slow = Slow(case, f"{url}/", "-H", "-i", "1", "-x", "24")
    wait_for(lambda: slow.connections() > 2 * 200, "more connections than places", 60)
    serves(port_of(url), seconds=60)
    slow.kill()


if __name__ == "__main__":
    main()
