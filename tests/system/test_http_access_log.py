#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The access log: what its lines say, when they are written, and that none is lost, doubled or mixed."""

import contextlib
import datetime
import json
import os
import pathlib
import re
import socket
import signal
import threading
import time

from harness import Http, connect, deadline, for_both_modes, main, nobody, read_all, test, title, wait_for

COMBINED = re.compile(r'(?P<peer>\S+) - - \[(?P<time>[^]]+)\] "(?P<line>[^"]*)" (?P<status>\d{3}) '
                      r'(?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"')
FIELDS = {"time", "peer", "port", "method", "target", "protocol", "status", "bytes", "referer", "user_agent",
          "host", "encoding", "ttfb", "total", "count", "service", "worker"}


def site(case, more="access-log-format json", log="access", extra="timeout { park 60s; drain 60s }", name="svc",
         **options):
    """The text of a small site's service that logs, and its port."""
    case.write("html/page.txt", "a page\n")
    return case.service(f"http {{ root html; access-log {log}; {more} }}", extra=extra, name=name, **options)


def lines(case, name="access"):
    """The lines so far; a last one that is not complete would be a defect: a write has whole lines."""
    data = (case.folder / name).read_bytes()
    assert not data or data.endswith(b"\n"), data[-300:]
    return data.decode("utf-8").split("\n")[:-1]  # not splitlines(): that knows more ends than one


def wait_lines(case, n, name="access"):
    """Waits for exactly n lines."""
    wait_for(lambda: len(lines(case, name)) >= n, f"{n} lines in {name}")
    found = lines(case, name)
    assert len(found) == n, found
    return found


def entries(case, name="access"):
    """All lines as JSON, by a reader that takes nothing but JSON."""
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")
    return [json.loads(line, parse_constant=refuse) for line in lines(case, name)]


def wait_entries(case, n, name="access"):
    wait_lines(case, n, name)
    return entries(case, name)


@for_both_modes
def each_format_says_what_was_asked(case):
    formats = ("common", "combined", "json")
    texts, ports = zip(*(site(case, f"access-log-format {name}", log=name, name=name) for name in formats))
    case.server("".join(texts))
    begin = time.time()
    for port in ports:
        with Http(port) as http:
            http.get("/page.txt?x=1", headers=["Referer: http://example.org/", "User-Agent: Tester/1.0 (x)"])
            http.get("/none", "HEAD")
    one, two = wait_lines(case, 2, "common")
    match = COMBINED.fullmatch(one + ' "-" "-"')
    assert match and match["line"] == "GET /page.txt?x=1 HTTP/1.1", one
    assert (match["peer"], match["status"], match["bytes"]) == ("127.0.0.1", "200", "7"), one
    assert '"HEAD /none HTTP/1.1" 404 0' in two, two

    one, two = wait_lines(case, 2, "combined")
    match = COMBINED.fullmatch(one)
    assert match and (match["referer"], match["agent"]) == ("http://example.org/", "Tester/1.0 (x)"), one
    at = datetime.datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    assert begin - 2 <= at <= time.time() + 2, one
    assert two.endswith(' 404 0 "-" "-"'), two

    one, two = wait_entries(case, 2, "json")
    assert one.keys() == FIELDS == two.keys(), (one, two)
    expected = {"peer": "127.0.0.1", "method": "GET", "target": "/page.txt?x=1", "protocol": "HTTP/1.1",
                "status": 200, "bytes": 7, "referer": "http://example.org/", "user_agent": "Tester/1.0 (x)",
                "host": "test", "encoding": None, "count": 1, "service": "json"}
    assert {name: one[name] for name in expected} == expected, one
    at = datetime.datetime.fromisoformat(one["time"]).timestamp()
    assert begin - 1 <= at <= time.time() + 1, one
    assert 0 < one["ttfb"] <= one["total"] < deadline(), one
    assert one["worker"] in (1, 2) and one["port"] > 0, one
    assert (two["method"], two["status"], two["bytes"], two["count"]) == ("HEAD", 404, 0, 2), two
    assert two["referer"] is None and two["user_agent"] is None, two


@for_both_modes
def lines_appear_while_all_clients_wait(case):
    text, port = site(case, workers=1)
    case.server(text)
    with Http(port) as http:
        for n in range(1, 4):
            http.get("/page.txt")
            wait_lines(case, n)
        counts = [entry["count"] for entry in entries(case)]
        assert counts == [1, 2, 3], counts


@for_both_modes
def what_is_gathered_is_written_when_the_server_stops(case):
    text, port = site(case)
    server = case.server(text)
    with Http(port) as http:
        for _ in range(5):
            http.get("/page.txt")
    server.stop()
    assert len(lines(case)) == 5


@for_both_modes
def a_draining_worker_writes_what_it_served(case):
    text, port = site(case, workers=1)
    server = case.server(text)
    with Http(port) as http:
        http.get("/page.txt")
        answered = 1
        server.send_signal(signal.SIGTERM)
        wait_for(lambda: all("draining" in title(pid) for pid in server.workers()), "the worker to drain")
        with contextlib.suppress(AssertionError, OSError):  # it may have gone already
            http.get("/page.txt")
            answered += 1
    server.wait_exit()
    assert len(lines(case)) == answered, (answered, lines(case))


@for_both_modes
def a_reload_loses_no_line(case):
    text, port = site(case)
    server = case.server(text)
    with Http(port) as http:
        http.get("/page.txt")
    old = server.wait_workers(2)
    case.conf(text.replace("root html;", "root html; keepalive-requests 100;"))
    server.reload()
    server.wait_workers(2, without=old)
    with Http(port) as http:
        http.get("/page.txt")
    wait_lines(case, 2)


@for_both_modes
def the_format_changes_with_a_reload(case):
    text, port = site(case)
    server = case.server(text)
    old = server.wait_workers(2)
    case.conf(text.replace("json", "common").replace("access-log access", "access-log other"))
    server.reload()
    server.wait_workers(2, without=old)
    with Http(port) as http:
        http.get("/page.txt")
    wait_lines(case, 1, "other")
    assert not lines(case)


@for_both_modes
def rotation_under_load_loses_doubles_and_mixes_nothing(case):
    """Two workers and one file: each line is one, and there are as many as requests."""
    text, port = site(case, log="access")
    server = case.server(text)
    clients = 1 if case.connections == 1 else 4  # a direct worker serves one at a time
    load = case.load(port, [case.folder / "html/page.txt"], path="/page.txt", keep_alive=clients,
                     per_request=clients)
    names = ["access"]
    for turn in range(5):
        wait_for(lambda: (case.folder / "access").stat().st_size, "lines in the new file")
        name = f"access.{turn}"
        os.rename(case.folder / "access", case.folder / name)
        server.send_signal(signal.SIGUSR1)
        names.append(name)
        wait_for((case.folder / "access").exists, "the new file")
    wait_for(lambda: (case.folder / "access").stat().st_size, "lines in the last file")
    counts = load.stop_clean()
    server.stop()
    found = [entry for name in names for entry in entries(case, name)]
    assert len(found) == counts["requests"], (len(found), counts)
    assert all(entry["status"] == 200 and entry["bytes"] == 7 for entry in found)
    if case.connections > 1:
        assert {entry["worker"] for entry in found} == {1, 2}


@for_both_modes
def two_services_share_a_file(case):
    one, port_one = site(case, name="one", log="access")
    two, port_two = site(case, name="two", log="access")
    server = case.server(one + two)
    for _ in range(20):
        for port in (port_one, port_two):
            with Http(port) as http:
                http.get("/page.txt")
    server.stop()
    names = sorted(entry["service"] for entry in entries(case))
    assert names == ["one"] * 20 + ["two"] * 20, names


@for_both_modes
def a_location_may_keep_quiet(case):
    text, port = site(case, "access-log-format json; location /quiet/ { log no }")
    case.write("html/quiet/page.txt", "quiet\n")
    server = case.server(text)
    with Http(port) as http:
        assert http.get("/quiet/page.txt").body == b"quiet\n"
        assert http.get("/quiet/none").status == 404
        assert http.get("/page.txt").status == 200
    server.stop()
    assert [entry["target"] for entry in entries(case)] == ["/page.txt"], lines(case)


@for_both_modes
def refused_requests_are_shown_as_sent(case):
    text, port = site(case, workers=1, extra="timeout { park 60s; header 500ms }")
    server = case.server(text)
    sent = {
        b"\x16\x03\x01\x02\x00\x01\xfc\r\n\r\n": (400, "\x16\x03\x01\x02\x00\x01\ufffd"),
        b"GET  /two-spaces HTTP/1.1\r\n\r\n": (400, "GET  /two-spaces HTTP/1.1"),
        b"GET /new HTTP/2.0\r\nHost: x\r\n\r\n": (505, "GET /new HTTP/2.0"),
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n": (414, "GET /" + "x" * 8187 + "..."),
    }
    for data in sent:
        with connect(port) as sock:
            sock.sendall(data)
            read_all(sock)
    with connect(port) as sock:  # a good line, and then no host
        sock.sendall(b"GET /no-host HTTP/1.1\r\n\r\n")
        read_all(sock)
    with connect(port) as sock:  # the rest never comes
        sock.sendall(b"GET /late HTTP/1.1\r\nHo")
        assert b" 408 " in read_all(sock)
    connect(port).close()  # nothing was asked
    with connect(port) as sock:
        sock.sendall(b"\r\n")
    server.stop()
    found = entries(case)
    raw = [(entry["status"], entry["line"]) for entry in found if entry["method"] is None]
    assert raw == list(sent.values()), raw
    assert all(entry["target"] is None and entry["protocol"] is None for entry in found[:len(sent)])
    rest = [(entry["status"], entry["target"]) for entry in found[len(sent):]]
    assert rest == [(400, "/no-host"), (408, "/late")], rest


@for_both_modes
def who_stops_within_a_long_header_is_shown_as_sent(case):
    """The header moves to the front of the buffer just as no more of it comes."""
    text, port = site(case, workers=1)
    server = case.server(text)
    target = "/second?" + "".join(f"{number:05d}," for number in range(1250))
    with Http(port) as http:
        http.send(f"GET /first?{'x' * 1000} HTTP/1.1\r\nHost: x\r\n\r\n"
                  f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Long: {'y' * 2000}")
        assert http.read().status == 404
        http.sock.shutdown(socket.SHUT_WR)
        assert http.read().status == 400
    server.stop()
    found = entries(case)[1]
    assert (found["status"], found["method"]) == (400, "GET"), found
    assert found["target"] == target, found


@for_both_modes
def whatever_clients_send_is_one_valid_line(case):
    text, port = site(case)
    two, port_two = site(case, "", log="combined", name="two")
    server = case.server(text + two)
    values = [bytes([byte]) * 3 for byte in range(256) if byte >= 0x20 and byte != 0x7f or byte == 9]
    values += ["ä€😀 \u2028".encode(), b"\xed\xa0\x80", b'","status":200,"x":"', b"\\", b'\\"', b"%s%n"]
    for to in (port, port_two):
        with Http(to) as http:
            for value in values:
                http.get("/page.txt", headers=["User-Agent: x" + value.decode("latin-1") + "x"])
    server.stop()
    found = entries(case)
    assert len(found) == len(values)
    for entry, value in zip(found, values):
        assert entry.keys() == FIELDS
        expected = "x" + value.decode("utf-8", "replace") + "x"
        if not any(0x80 <= ord(c) < 0xa0 for c in value.decode("latin-1")):  # counted differently
            assert entry["user_agent"].replace("\ufffd", "") == expected.replace("\ufffd", ""), (entry, value)
    combined = lines(case, "combined")
    assert len(combined) == len(values)
    for line in combined:
        assert COMBINED.fullmatch(line) and line.isascii() and line.isprintable(), line


@for_both_modes
def bytes_are_those_of_content_that_were_sent(case):
    text, port = site(case, "access-log-format json; precompressed yes", workers=1)
    (case.folder / "html/large").write_bytes(b"")
    os.truncate(case.folder / "html/large", 512 << 20)
    case.write("html/zipped.txt", "plain content\n")
    case.write("html/zipped.txt.gz", "squeezed")
    server = case.server(text)
    with Http(port) as http:
        etag = http.get("/page.txt").headers["etag"]
        assert http.get("/page.txt", headers=[f"If-None-Match: {etag}"]).status == 304
        assert http.get("/page.txt", headers=["Range: bytes=2-4"]).body == b"pag"
        assert http.get("/page.txt", "HEAD").status == 200
        http.get("/zipped.txt", headers=["Accept-Encoding: gzip"])
        missing = http.get("/none")
    with connect(port) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(1000)
    server.stop()
    found = [(entry["status"], entry["bytes"], entry["encoding"]) for entry in entries(case)]
    assert found[:-1] == [(200, 7, None), (304, 0, None), (206, 3, None), (200, 0, None), (200, 8, "gzip"),
                          (404, len(missing.body), None)], found
    # The client went away in the middle: what the kernel took is what counts.
    assert found[-1][0] == 200 and 0 < found[-1][1] < 512 << 20, found


@for_both_modes
def the_peer_of_each_kind_of_listener(case):
    listen = f"unix:{case.folder}/socket"
    text, _ = site(case, listen=listen)
    two, port = site(case, listen=f"[::1]:{case.port()}", name="two")
    port = int(re.search(r"\[::1\]:(\d+)", two)[1])
    server = case.server(text + two)
    with Http(0, sock=connect(0, case.folder / "socket")) as http:
        http.get("/page.txt")
    with Http(port, "::1") as http:
        http.get("/page.txt")
        own = http.sock.getsockname()[1]
    server.stop()
    found = sorted((entry["service"], entry["peer"], entry["port"]) for entry in entries(case))
    assert found == [("svc", "unix", 0), ("two", "::1", own)], found


@test
def a_full_disk_harms_no_client(case):
    text, port = site(case, log="/dev/full", connections=64)
    server = case.server(text)
    with Http(port) as http:
        for _ in range(10):
            assert http.get("/page.txt").body == b"a page\n"
    server.wait_log(r"access log: \d+ lines lost: No space left on device")
    with Http(port) as http:
        assert http.get("/page.txt").body == b"a page\n"


@test
def a_pipe_that_nobody_empties_harms_no_client(case):
    os.mkfifo(case.folder / "pipe")
    reader = os.open(case.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    case.defer(os.close, reader)
    text, port = site(case, log="pipe", connections=64)
    server = case.server(text)
    agent = "User-Agent: " + "x" * 4000
    with Http(port) as http:
        http.get("/first")
        wait_for(lambda: b'"/first"' in pipe_content(reader), "the line in the pipe")
        for _ in range(200):  # many times what a pipe holds
            assert http.get("/page.txt", headers=[agent]).body == b"a page\n"
        server.wait_log(r"access log: \d+ lines lost: Resource temporarily unavailable")
        assert http.get("/page.txt").body == b"a page\n"


def pipe_content(reader):
    try:
        return os.read(reader, 65536)
    except BlockingIOError:
        return b""


@for_both_modes
def another_user_behind_a_chroot_logs_and_rotates(case):
    """The folder of the log is neither the worker's to enter nor inside its root; nor is the time zone's file."""
    case.need_root()
    zone = pathlib.Path("/usr/share/zoneinfo/Asia/Kathmandu")
    (case.folder / "logs").mkdir(mode=0o700)
    text, port = site(case, log="logs/access", extra=f"chroot {case.folder}/html\nuser {nobody().pw_name}\n"
                      "timeout { park 60s }")
    server = case.server(text, env={"TZ": ":Asia/Kathmandu"} if zone.exists() else {})
    with Http(port) as http:
        http.get("/page.txt")
        entry = wait_entries(case, 1, "logs/access")[0]
        if zone.exists():
            assert entry["time"].endswith("+05:45"), entry
        os.rename(case.folder / "logs/access", case.folder / "logs/access.1")
        server.send_signal(signal.SIGUSR1)
        wait_for((case.folder / "logs/access").exists, "the new file")
        stat = (case.folder / "logs/access").stat()
        assert (stat.st_uid, stat.st_mode & 0o777) == (0, 0o640), stat

        def in_new_file():
            assert http.get("/page.txt").status == 200
            return lines(case, "logs/access")
        wait_for(in_new_file, "a line in the new file")
    server.stop()
    for name in ("logs/access", "logs/access.1"):
        assert entries(case, name), name


@test
def a_file_that_cannot_be_opened_refuses_the_start(case):
    text, _ = site(case, log="none/access")
    done = case.run("-c", case.conf(text))
    assert done.returncode != 0 and "none/access" in done.stderr, done


@for_both_modes
def many_clients_at_once_are_all_counted(case):
    text, port = site(case)
    server = case.server(text)
    asked, errors = [], []

    def client(number):
        try:
            for n in range(25):
                with Http(port) as http:
                    target = f"/page.txt?{number}-{n}"
                    assert http.get(target).status == 200
                    asked.append(target)
        except (AssertionError, OSError) as error:
            errors.append(error)
    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    server.stop()
    assert sorted(entry["target"] for entry in entries(case)) == sorted(asked)


if __name__ == "__main__":
    main()
