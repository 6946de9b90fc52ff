#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PHP under php-fpm behind `fastcgi`: what scripts are told, uploads, sessions, redirects, errors, output that is large or comes
in parts, a site with pretty addresses as WordPress has them, reloads under load. php-fpm runs in the test's folder, with a
configuration of its own, and as nobody where the tests run as root.
"""

import contextlib
import hashlib
import http.cookies
import json
import shutil
import socket
import struct
import threading

from backends import FOLDER, LIMITS, Client, arrives_in_parts, ask, noise, php, pieces, reload_under, sha256
from harness import connect, deadline, for_both_modes, main, open_files, test, wait_for
from tools import run, tool

UPLOAD = 3_500_000  # the largest file is 10 MiB unless `max-body` says more
MIB = 1 << 20


def site(case, fpm, directives="", fastcgi="", location="*.php", workers=2, **options):
    """A server of a folder with our scripts; it and its port."""
    www = case.folder / "www"
    shutil.copytree(FOLDER / "php", www, dirs_exist_ok=True)
    case.write("www/page.bin", noise(200_000))
    case.write("www/index.html", "<h1>hello</h1>\n")
    handler = f"http {{\nroot {www}\n{directives}\nlocation {location} {{ fastcgi {fpm} {{ {fastcgi} }} }}\n}}"
    text, port = case.service(handler, workers=workers, extra=LIMITS, **options)
    return case.server(text), port


# ------------------------------------------------------------------------------------- scripts

@for_both_modes
def scripts_are_told_of_the_request(case):
    fpm = php(case)
    _, port = site(case, fpm.address)
    for _ in range(3):
        told = ask(port, "/told.php?a=1&b=x%20y&a%5B%5D=2", headers={
            "Cookie": "one=1; two=2", "X-Some-Thing": "said", "Proxy": "http://evil.example",
            "Host": "www.example.org:8080"}).json()
        server = told["server"]
        www = str(case.folder / "www")
        for name, value in {
                "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/told.php", "SCRIPT_FILENAME": f"{www}/told.php",
                "DOCUMENT_ROOT": www, "REQUEST_URI": "/told.php?a=1&b=x%20y&a%5B%5D=2", "QUERY_STRING": "a=1&b=x%20y&a%5B%5D=2",
                "SERVER_PROTOCOL": "HTTP/1.1", "GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_ADDR": "127.0.0.1",
                "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": str(port), "SERVER_NAME": "www.example.org",
                "HTTP_HOST": "www.example.org:8080", "HTTP_X_SOME_THING": "said", "PHP_SELF": "/told.php"}.items():
            assert server.get(name) == value, f"{name} is {server.get(name)!r}, not {value!r}"
        # What would be taken for our own proxy by programs that a script runs.
        assert "HTTP_PROXY" not in server and "HTTPS" not in server, server
        assert told["get"] == {"a": ["2"], "b": "x y"} and told["cookie"] == {"one": "1", "two": "2"}, told


def connections_to(port):
    """The kernel's names of connections to a port of this machine that are open at the side which has opened them."""
    rows = [line.split() for line in open("/proc/net/tcp").read().splitlines()[1:]]
    return {row[9] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}


@for_both_modes
def connections_are_kept_where_that_is_said(case):
    fpm = php(case, case.port(), children=12)  # one for each connection, however many there are
    _, port = site(case, "php", f"upstream php {{ server {fpm.address} }}", "keep yes", workers=1)
    client, seen = Client(port), set()
    for _ in range(10):
        assert client.ask("/told.php").status == 200
        seen |= connections_to(fpm.at)
    assert len(connections_to(fpm.at)) == 1, "no connection rests"
    assert len(seen) == 1, seen
    # A POST takes one that has rested for a moment only.
    for _ in range(10):
        assert client.ask("/told.php", "POST", noise(100)).json()["length"] == 100
        seen |= connections_to(fpm.at)
    assert len(seen) < 11, seen
    client.close()


@for_both_modes
def connections_are_not_kept_else(case):
    fpm = php(case, case.port())
    _, port = site(case, fpm.address, workers=1)
    client = Client(port)
    for _ in range(3):
        assert client.ask("/told.php").status == 200
        wait_for(lambda: not connections_to(fpm.at), "the end of the connection to php-fpm")
    client.close()


@test
def what_follows_a_script_is_path_info(case):
    fpm = php(case)
    _, port = site(case, fpm.address, fastcgi="split .php", location="/told.php")
    server = ask(port, "/told.php/one/two%20three?x=1").json()["server"]
    assert server["PATH_INFO"] == "/one/two three" and server["SCRIPT_NAME"] == "/told.php", server
    assert server["SCRIPT_FILENAME"] == f"{case.folder}/www/told.php" and server["QUERY_STRING"] == "x=1", server
    assert server["REQUEST_URI"] == "/told.php/one/two%20three?x=1", server
    server = ask(port, "/told.php").json()["server"]
    assert not server.get("PATH_INFO"), server


@test
def what_is_no_script_is_not_run(case):
    """The oldest hole of such sites: an upload that is run because .php comes behind its name."""
    fpm = php(case)
    case.write("www/upload/picture.jpg", "<?php echo 'run';")
    case.write("secret.php", "<?php echo 'run';")
    (case.folder / "www/link.php").symlink_to(case.folder / "secret.php")
    server, port = site(case, fpm.address, "error-page 404 /missing.html", "split .php")
    case.write("www/missing.html", "<h1>nothing here</h1>\n")
    for path, status in (("/none.php", 404), ("/upload/picture.jpg/x.php", 404), ("/upload/picture.jpg%00.php", 400),
                         ("/sub/../../secret.php", 400), ("/upload/.php", 404), ("/link.php", 403)):
        answer = ask(port, path)
        assert answer.status == status and b"run" not in answer.body and b"<?php" not in answer.body, (path, answer)
        assert status != 404 or answer.body == b"<h1>nothing here</h1>\n", (path, answer)
    # A file is a file, and what PHP would say of a missing script is not asked for.
    assert ask(port, "/upload/picture.jpg").body == b"<?php echo 'run';"
    assert "Primary script unknown" not in server.log()


@for_both_modes
def the_index_is_a_script(case):
    """Its source must never be what is sent."""
    fpm = php(case)
    _, port = site(case, fpm.address, "index index.php index.html")
    shutil.copy(FOLDER / "php/told.php", case.folder / "www/index.php")
    case.write("www/plain/index.html", "plain\n")
    for _ in range(2):
        for path in "/", "/index.php", "/?x=1":
            told = ask(port, path).json()["server"]
            assert told["SCRIPT_NAME"] == "/index.php" and told["REQUEST_URI"] == path, told
        assert ask(port, "/plain/").body == b"plain\n"
    told = ask(port, "/", "POST", b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}).json()
    assert told["post"] == {"a": "1"} and told["server"]["REQUEST_METHOD"] == "POST", told
    # Nor where a script that is not there any more was the index.
    (case.folder / "www/index.php").unlink()
    wait_for(lambda: ask(port, "/").body == b"<h1>hello</h1>\n", "the other index")


# ------------------------------------------------------------------------------------- content

def form_with_file(case, port, *more):
    text = run(case, tool("curl"), "-q", "-s", "-S", "--max-time", f"{deadline(60):.0f}", *more,
               "-F", "title=a title", "-F", f"file=@{case.folder}/upload.bin;filename=holiday.jpg",
               f"http://127.0.0.1:{port}/upload.php").stdout
    return json.loads(text)


@for_both_modes
def files_are_uploaded(case):
    fpm = php(case)
    data = noise(UPLOAD)
    case.write("upload.bin", data)
    _, port = site(case, fpm.address)
    # With a length, and in chunks: PHP knows nothing of chunks, and reads as much as it was told to.
    for more in (), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue"), ("--limit-rate", "8M"):
        got = form_with_file(case, port, *more)
        assert got["post"] == {"title": "a title"}, (more, got)
        assert got["files"]["file"] == {"name": "holiday.jpg", "size": UPLOAD, "error": 0, "sha256": sha256(data)}, (more, got)


@for_both_modes
def content_in_chunks_is_whole(case):
    fpm = php(case)
    _, port = site(case, fpm.address)
    for size in 0, 1, 16_000, 16_384, 20_000, 1_000_000:
        data = noise(size)
        for body in data, pieces(data):
            told = ask(port, "/told.php", "POST", body, {"Content-Type": "application/octet-stream"}).json()
            assert (told["length"], told["sha256"]) == (size, sha256(data)), (size, type(body), told)
            assert told["server"]["CONTENT_LENGTH"] == str(size), told["server"]


@test
def larger_content_than_allowed_never_gets_there(case):
    fpm = php(case)
    _, port = site(case, fpm.address, fastcgi="max-body 1M")
    for body in noise(MIB + 1), pieces(noise(MIB + 1)):
        client = Client(port)
        try:
            answer = client.ask("/told.php", "POST", body)
        except (BrokenPipeError, ConnectionResetError):
            # It may be told before it has sent all, and then it reads what is there.
            client.sock.settimeout(deadline())
            assert client.sock.recv(100).startswith(b"HTTP/1.1 413 ")
        else:
            assert answer.status == 413, answer
        client.close()
    assert ask(port, "/told.php", "POST", pieces(noise(MIB))).json()["length"] == MIB


@for_both_modes
def content_that_is_broken_off_leaves_nothing(case):
    """What was received of it is in a file that nobody else knows of."""
    fpm = php(case)
    server, port = site(case, fpm.address, workers=1)
    chunk = b"%x\r\n%b\r\n" % (100_000, noise(100_000))
    worker, = server.wait_workers(1)
    before = sorted(open_files(worker))

    def wait_closed():
        wait_for(lambda: sorted(open_files(worker)) == before, "all files to be closed")

    assert ask(port, "/told.php", "POST", pieces(noise(200_000))).json()["length"] == 200_000
    wait_closed()
    for rest, status in (b"nonsense\r\n", b"400"), (b"", b"400"), (chunk * 105 + b"0\r\n\r\n", b"413"):
        with connect(port) as sock:
            sock.sendall(b"POST /told.php HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(rest)
                sock.shutdown(socket.SHUT_WR)
            assert sock.recv(100).startswith(b"HTTP/1.1 " + status), status
        wait_closed()
    with connect(port) as sock:
        sock.sendall(b"POST /told.php HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_closed()
    assert ask(port, "/told.php").status == 200


@for_both_modes
def sessions_are_kept_by_cookie(case):
    fpm = php(case)
    _, port = site(case, fpm.address, workers=4)

    def visitor():
        cookie, seen = {}, []
        for _ in range(5):
            answer = ask(port, "/session.php", headers=cookie)
            for line in answer.get("Set-Cookie"):
                value = http.cookies.SimpleCookie(line)["PHPSESSID"].value
                cookie = {"Cookie": f"PHPSESSID={value}"}
            seen.append(int(answer.body))
        assert seen == [1, 2, 3, 4, 5], seen
        return cookie["Cookie"]

    assert visitor() != visitor()


# ------------------------------------------------------------------------------------- answers

@test
def scripts_send_clients_elsewhere(case):
    fpm = php(case)
    _, port = site(case, fpm.address)
    answer = ask(port, "/away.php", "POST", b"x=1", {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 303 and answer.get("Location") == ["/told.php?from=away"], answer
    assert answer.get("Set-Cookie") == ["flash=saved", "theme=dark"], answer
    assert not answer.get("Status") and len(answer.get("Date")) == len(answer.get("Content-Type")) == 1, answer
    got = run(case, tool("curl"), "-q", "-s", "-S", "-L", "-d", "x=1", f"http://127.0.0.1:{port}/away.php").stdout
    assert json.loads(got)["get"] == {"from": "away"}, got


@for_both_modes
def errors_are_in_the_log(case):
    fpm = php(case)
    server, port = site(case, fpm.address)
    answer = ask(port, "/fails.php")
    assert answer.status == 500, answer
    server.wait_log(r"a line for the log")
    server.wait_log(r"and another one")
    server.wait_log(r"a_function_that_is_not_there")
    # What was logged is no part of what the next one gets on the same connection.
    assert ask(port, "/told.php").json()["server"]["SCRIPT_NAME"] == "/told.php"


@test
def errors_have_a_page_of_the_site(case):
    fpm = php(case)
    case.write("www/sorry.html", "<h1>sorry</h1>\n")
    _, port = site(case, fpm.address, "error-page 500 502 /sorry.html", "intercept-errors yes")
    answer = ask(port, "/fails.php")
    assert (answer.status, answer.body) == (500, b"<h1>sorry</h1>\n"), answer
    fpm.stop()
    answer = ask(port, "/told.php")
    assert (answer.status, answer.body) == (502, b"<h1>sorry</h1>\n"), answer


@for_both_modes
def output_is_whole_however_much_it_is(case):
    fpm = php(case)
    _, port = site(case, fpm.address)
    for n in 1, 500, 200_000:
        expected = b"".join(hashlib.md5(str(number).encode()).hexdigest().encode() for number in range(n))
        answer = ask(port, f"/big.php?n={n}")
        assert answer.status == 200 and answer.body == expected, (n, len(answer.body))
    # To a slow client, who is waited for.
    run(case, tool("curl"), "-q", "-s", "-S", "--limit-rate", "4M", "-o", "got", f"http://127.0.0.1:{port}/big.php?n={n}")
    assert (case.folder / "got").read_bytes() == expected
    # A HEAD has no content, and the connection goes on.
    client = Client(port)
    assert client.ask("/big.php?n=500", "HEAD").body == b""
    assert len(client.ask("/big.php?n=500").body) == 16_000
    client.close()


@for_both_modes
def output_comes_as_it_is_written(case):
    fpm = php(case)
    _, port = site(case, fpm.address)
    gate = case.folder / "gate"
    arrives_in_parts(port, f"/parts.php?gate={gate}", gate)


# ------------------------------------------------------------------------------- trouble, loads

@test
def php_that_is_away_or_slow(case):
    fpm = php(case)
    limit = f"{deadline(2):.0f}s"  # of those that are not slow too
    server, port = site(case, fpm.address, fastcgi=f"read-timeout {limit}; retry 0")
    gate = case.folder / "gate"
    answer = ask(port, f"/waits.php?gate={gate}")
    assert answer.status == 504, answer
    server.wait_log(rf"php\.sock.*read-timeout {limit}")
    gate.touch()
    assert ask(port, f"/waits.php?gate={gate}").body == b"at last\n"
    fpm.stop()
    assert ask(port, "/told.php").status == 502
    server.wait_log(r"cannot connect to .*php\.sock")
    php(case)
    assert ask(port, "/told.php").status == 200


@for_both_modes
def few_children_serve_many_workers(case):
    """A connection that is kept for later would hold the child behind it, and with it everybody else."""
    fpm = php(case, children=1)
    _, port = site(case, fpm.address, workers=4)
    clients = [Client(port) for _ in range(8 if case.connections > 1 else 4)]
    answers = []

    def visit(client):
        for _ in range(5):
            answers.append(client.ask("/told.php").json()["server"]["REMOTE_PORT"])

    threads = [threading.Thread(target=visit, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert len(answers) == 5 * len(clients) and len(set(answers)) == len(clients), answers


@for_both_modes
def reloaded_under_load(case):
    fpm = php(case)
    server, port = site(case, fpm.address, workers=4, connections=case.connections)
    # In direct mode each client has a worker.
    load = case.load(port, [case.folder / "www/page.bin"], path="/page.php", keep_alive=2, per_request=2, pause_ms=5)
    reload_under(load, server, workers=4)


# ----------------------------------------------------------------------------------- WordPress

@for_both_modes
def pretty_addresses_as_of_wordpress(case):
    """Files as they are, folders by their index.php, and everything else by the site's own."""
    fpm = php(case)
    told = (FOLDER / "php/told.php").read_text()
    for name in "index.php", "wp-admin/index.php", "wp-admin/options.php":
        case.write(f"www/{name}", told)
    case.write("www/wp-content/style.css", "b { }\n")
    case.write("www/wp-content/uploads/picture.jpg", "picture")
    _, port = site(case, fpm.address, 'index index.php\ntry "{path}" "{path}/" /index.php')

    def script(path, method="GET", body=None):
        server = ask(port, path, method, body).json()["server"]
        assert server["REQUEST_URI"] == path and server["REQUEST_METHOD"] == method, server
        return server["SCRIPT_NAME"]

    for _ in range(2):
        for path in "/", "/2026/11/hello-world/", "/about", "/?p=1", "/wp-json/wp/v2/posts?per_page=1", "/a%20b/":
            assert script(path) == "/index.php", path
        assert script("/wp-admin/") == "/wp-admin/index.php"
        assert script("/wp-admin/options.php?page=1") == "/wp-admin/options.php"
        for path in "/", "/wp-json/wp/v2/posts", "/about":
            assert script(path, "POST", b"{}") == "/index.php", path
        for method in "PUT", "DELETE", "PATCH":
            assert script("/wp-json/wp/v2/posts/1", method, b"{}") == "/index.php", method
    answer = ask(port, "/wp-content/style.css")
    assert answer.body == b"b { }\n" and answer.get("Content-Type")[0].startswith("text/css"), answer
    assert ask(port, "/wp-content/uploads/picture.jpg").body == b"picture"
    answer = ask(port, "/wp-admin")
    assert answer.status == 301 and answer.get("Location")[0].endswith("/wp-admin/"), answer
    assert ask(port, "/none.php").status == 404


main()
