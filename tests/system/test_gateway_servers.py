#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Servers that come and go behind a gateway: who stands in for one that is gone, when it is asked again, which keys
move, what checks see of it, what becomes of connections at rest. The servers are Python's own http.server; those that
follow a script, and shares in fair weather, are test_gateway_group.py's.
"""

import collections
import http.server
import re
import socket
import threading

from fake_upstream import Upstream, answering
from harness import deadline, for_both_modes, main, test, wait_for
from messages import Client

CHECK_MS = f"{deadline(0.5) * 1000:.0f}"
TIMES = "timeout { park 60s; drain 10min; request 60s; idle 60s }"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.app.connections.add(self.connection)

    def do_GET(self):
        app = self.server.app
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/health":
            app.hosts.append(self.headers["Host"])
            self.answer(app.health, b"")
        else:
            app.asked.append(self.path)
            self.answer(200, app.name.encode() + content)

    do_POST = do_GET

    def answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.connection.settimeout(self.server.app.keep)

    def log_message(self, *_):
        pass


class Listener(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def shutdown_request(self, request):
        super().shutdown_request(request)
        self.app.connections.discard(request)  # not before the gateway can see its end

    def handle_error(self, request, client_address):
        pass  # its connection was closed under it, by App.stop


class App:
    """A server that answers with its name, on one port as often as it is started. keep: seconds for which a connection
    may be silent after an answer."""

    def __init__(self, case, name, keep=None):
        self.name, self.keep = name, keep
        self.health = 200
        self.asked, self.hosts, self.connections = [], [], set()
        # Bound, and not listening: the port is nobody else's while the server is gone.
        self.place = socket.socket()
        self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.place.bind(("127.0.0.1", 0))
        self.port = self.place.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.listener = None
        self.start()
        case.defer(self.close)

    def start(self):
        self.listener = Listener(("127.0.0.1", self.port), Handler)
        self.listener.app = self
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self):
        """As the end of its process."""
        self.listener.shutdown()
        self.thread.join(deadline())
        self.listener.socket.close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed already
        wait_for(lambda: not self.connections, "the end of connections")
        self.listener = None

    def close(self):
        if self.listener:
            self.stop()
        self.place.close()


def apps_of(case, names, **options):
    return [App(case, name, **options) for name in names]


def text_of(case, apps, lines, port=None, workers=1, options=""):
    """A service in front of them. lines: of the upstream, with {a}, {b}... for addresses. Its text and port."""
    lines = lines.format(**{app.name: app.address for app in apps})
    handler = f"http {{\nupstream app {{ {lines} }}\nlocation / {{ proxy app {{ {options} }} }}\n}}"
    text, new = case.service(handler, workers=workers, extra=TIMES, listen=port and f"127.0.0.1:{port}")
    return text, port or new


def start(case, apps, lines, **options):
    text, port = text_of(case, apps, lines, **options)
    return case.server(text), port


def ask(port, target="/", method="GET", **options):
    """Who answered a request on a connection of its own."""
    with Client(port) as client:
        reply = client.ask(target, method, "Connection: close", **options)
    assert reply.status == 200, reply
    return reply.content.decode()


def shares(port, n=20):
    return dict(collections.Counter(ask(port) for _ in range(n)))


# ------------------------------------------------------------------------------------- out and back

@for_both_modes
def one_that_is_gone_is_asked_again(case):
    apps = apps_of(case, "ab")
    server, port = start(case, apps, "server {a}; server {b}; max-fails 2; fail-time 1s")
    assert shares(port) == {"a": 10, "b": 10}
    apps[0].stop()
    # Whoever goes there first goes elsewhere then: nobody sees that it is gone.
    assert shares(port, 8) == {"b": 8}
    address = re.escape(apps[0].address)
    server.wait_log(rf"cannot connect to {address} \(app\): Connection refused")
    server.wait_log(f"server {address} of app is out for 1s: 2 failures within 1s")
    apps[0].start()
    wait_for(lambda: "a" in shares(port, 2), "the server's return")
    server.wait_log(f"server {address} of app is back")
    assert shares(port) == {"a": 10, "b": 10}


@for_both_modes
def a_backup_stands_in(case):
    apps = apps_of(case, "abc")
    server, port = start(case, apps, "server {a}; server {b} backup; server {c} down; max-fails 1; fail-time 1s")
    assert shares(port) == {"a": 20}
    apps[0].stop()
    assert shares(port) == {"b": 20}
    server.wait_log(f"server {re.escape(apps[0].address)} of app is out")
    apps[0].start()
    wait_for(lambda: ask(port) == "a", "the server's return")
    assert shares(port) == {"a": 20}
    assert not apps[2].asked


@for_both_modes
def where_all_are_gone_the_first_that_is_back_is_found(case):
    apps = apps_of(case, "ab")
    _, port = start(case, apps, "server {a}; server {b}; max-fails 1; fail-time 1h")
    for app in apps:
        app.stop()
    for _ in range(4):
        with Client(port) as client:
            assert client.ask("/").status == 502
    apps[1].start()
    assert shares(port) == {"b": 20}


# --------------------------------------------------------------------------------------------- keys

@for_both_modes
def few_keys_move(case):
    apps = apps_of(case, "abcd")
    lines = "server {a}; server {b}; server {c}; %s balance hash; hash-key uri; max-fails 1; fail-time 1h"
    text, port = text_of(case, apps, lines % "server {d};")
    server = case.server(text)
    keys = [f"/{i}?x" for i in range(80)]

    def homes():
        return {key: ask(port, key) for key in keys}

    def reload(text):
        old = server.workers()
        case.conf(text)
        server.reload()
        wait_for(lambda: not set(old) & set(server.workers()), "other workers")
    before = homes()
    assert set(before.values()) == set("abcd"), before
    apps[3].stop()
    without = homes()
    server.wait_log(f"server {re.escape(apps[3].address)} of app is out for 3600s")
    assert all(without[key] == before[key] for key in keys if before[key] != "d")
    assert {without[key] for key in keys if before[key] == "d"} == set("abc")
    # One that is no more goes as one that is out, and comes as it was.
    reload(text_of(case, apps, lines % "", port=port)[0])
    assert homes() == without
    apps[3].start()
    reload(text)
    assert homes() == before


# ------------------------------------------------------------------------------------------- checks

@for_both_modes
def a_check_sees_what_requests_need_not(case):
    apps = apps_of(case, "ab")
    server, port = start(case, apps, "server {a}; server {b}; "
                         f"check /health {{{{ every {CHECK_MS}ms; timeout {CHECK_MS}ms; fall 2; rise 3; "
                         "host app.example }}")
    address = re.escape(apps[0].address)

    def change(pattern, action):
        after = server.log_size()
        action()
        server.wait_log(f"server {address} of app is {pattern}", after)
    assert shares(port) == {"a": 10, "b": 10}
    change("ill: 2 checks in a row failed, the last: it answered 500", lambda: setattr(apps[0], "health", 500))
    assert shares(port) == {"b": 20}
    change("well again: 3 checks in a row were good", lambda: setattr(apps[0], "health", 204))
    assert shares(port) == {"a": 10, "b": 10}
    change("ill: 2 checks in a row failed, the last: cannot connect: Connection refused", apps[0].stop)
    assert shares(port) == {"b": 20}
    change("well again", apps[0].start)
    assert shares(port) == {"a": 10, "b": 10}
    assert set(apps[0].hosts) == {"app.example"}, set(apps[0].hosts)


@test
def a_check_without_a_host_says_the_address(case):
    apps = apps_of(case, "a")
    path = case.folder / "sock"
    by_path = Upstream(case, answering(), path=path)
    start(case, apps, f"server {{a}}; server unix:{path}; check /health {{{{ every 500ms; timeout 500ms }}}}")
    wait_for(lambda: apps[0].hosts and by_path.requests, "checks")
    assert apps[0].hosts[0] == apps[0].address
    assert by_path.requests[0].value("host") == "localhost"


# -------------------------------------------------------------------------------------- connections

@for_both_modes
def a_server_may_give_up_what_rests(case):
    """Each connection before it is asked for: it is noticed, and nobody fails by it."""
    app = App(case, "a", keep=0.1)
    server, port = start(case, [app], "server {a}")
    for i in range(6):
        assert ask(port, f"/{i}", "POST" if i % 2 else "GET", content=b"+" if i % 2 else None) == ("a+" if i % 2 else "a")
        wait_for(lambda: not app.connections, "the end of the connection at the server's")
    assert "warning" not in server.log(), server.log()


@for_both_modes
def what_rests_is_used_again(case):
    app = App(case, "a")
    _, port = start(case, [app], "server {a}; keep 1")
    for i in range(6):
        ask(port, f"/{i}")
        assert len(app.connections) == 1
    server_side = list(app.connections)
    ask(port)
    assert list(app.connections) == server_side


@for_both_modes
def a_server_is_known_by_its_name(case):
    app = App(case, "a")
    _, port = start(case, [app], f"server localhost:{app.port}")
    assert shares(port) == {"a": 20}


# ------------------------------------------------------------------------------------ workers that go

@for_both_modes
def neither_rest_nor_a_check_holds_up_a_worker(case):
    app = App(case, "a")
    silent = socket.create_server(("127.0.0.1", 0), backlog=64)  # it is connected to, and that is all
    case.defer(silent.close)
    text, port = text_of(case, [app], f"server {{a}}; server 127.0.0.1:{silent.getsockname()[1]} backup; "
                         f"check /health {{{{ every {CHECK_MS}ms; timeout {CHECK_MS}ms; fall 2 }}}}")
    server = case.server(text)
    server.wait_log(f"is ill: 2 checks in a row failed, the last: no answer within {CHECK_MS} ms")
    assert ask(port) == "a"
    resting = set(app.connections)
    old = server.workers()
    case.conf(text.replace("fall 2", "fall 3"))
    server.reload()
    server.wait_workers(1, without=old)
    wait_for(lambda: not resting & app.connections, "the end of what rested")
    assert ask(port) == "a"
    server.stop()  # long before the drain limit
    wait_for(lambda: not app.connections, "the end of what rested")


class Asker(threading.Thread):
    """Asks without a pause, on a connection for each request."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.over, self.failure, self.answered = port, threading.Event(), None, 0
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                ask(self.port)
                self.answered += 1
        except (AssertionError, OSError) as error:
            self.failure = repr(error)

    def stop(self):
        self.over.set()
        self.join(deadline(60))


@for_both_modes
def groups_change_under_load(case):
    apps = apps_of(case, "abc")
    groups = ["server {a}", "server {b}; server {c} weight 3; balance least-busy",
              "server {c}; server {a} backup; check /health {{ every 1s; timeout 1s }}",
              "server {b}; server {a}; balance hash; hash-key uri; keep 0"]
    members = ["a", "bc", "c", "ab"]
    text, port = text_of(case, apps, groups[0], workers=4)
    server = case.server(text)
    askers = [Asker(port) for _ in range(3)]
    for asker in askers:
        case.defer(asker.stop)
    for number in (*range(1, len(groups)), 0, 2):
        answered = [asker.answered for asker in askers]
        old = server.workers()
        case.conf(text_of(case, apps, groups[number], port=port, workers=4)[0])
        server.reload()
        wait_for(lambda old=old: not set(old) & set(server.workers()), "other workers")
        assert set(shares(port, 8)) <= set(members[number])
        wait_for(lambda answered=answered: all(asker.failure or asker.answered > before + 5
                                               for asker, before in zip(askers, answered)), "requests")
    for asker in askers:
        asker.stop()
        assert not asker.failure and asker.answered > 0, asker.failure
    assert "warning" not in server.log(), server.log()


if __name__ == "__main__":
    main()
