#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The load client of the reload tests sees every kind of failure: it is shown servers that misbehave."""

import socket
import struct
import subprocess
import threading

from harness import LOAD, deadline, main, test

BODY = b"the body\n" * 20


def response(body=BODY, status="200 OK", extra="", length=None):
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{extra}\r\n".encode() + body


class Peer:
    """A server on a thread that treats its connections as `behave(socket, number of request)` says."""

    def __init__(self, behave):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.behave = behave
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        number = 0
        try:
            with sock:
                while sock.recv(4096):
                    number += 1
                    if self.behave(sock, number) == "close":
                        return
        except OSError:
            pass  # the load has gone


def run_load(case, behave, requests=20, keep_alive=1, per_request=0):
    import json
    peer = Peer(behave)
    body = case.write("body", BODY)
    done = subprocess.run([LOAD, "-n", str(requests), "-k", str(keep_alive), "-c", str(per_request), "-b",
                           str(body), "127.0.0.1", str(peer.port)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=deadline(60))
    peer.listener.close()
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def fails_with(case, reason, behave, **options):
    status, counts = run_load(case, behave, **options)
    assert status == 1 and counts["reasons"].get(reason, 0) > 0, (status, counts)


@test
def a_good_server_has_no_failures(case):
    def good(sock, number):
        sock.sendall(response())
    status, counts = run_load(case, good, requests=50, keep_alive=3, per_request=3)
    assert status == 0 and counts["failures"] == 0 and counts["requests"] >= 50, counts


@test
def an_announced_close_is_no_failure(case):
    def announces(sock, number):
        if number == 3:
            sock.sendall(response(extra="Connection: close\r\n"))
            return "close"
        sock.sendall(response())
        return None
    status, counts = run_load(case, announces)
    assert status == 0 and counts["announced_closes"] > 0 and counts["connects"] > 1, counts


@test
def a_close_after_a_promise_is_a_failure(case):
    def breaks(sock, number):
        sock.sendall(response())
        return "close"
    status, counts = run_load(case, breaks)
    assert status == 1 and counts["failures"] > 0, counts
    seen = set(counts["reasons"])  # which one depends on whether the next request was under way
    assert seen <= {"closed without announcement", "closed without an answer", "reset"}, counts


@test
def a_close_without_an_answer_is_a_failure(case):
    fails_with(case, "closed without an answer", lambda sock, number: "close")


@test
def a_reset_is_a_failure(case):
    def resets(sock, number):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "close"
    fails_with(case, "reset", resets, keep_alive=0, per_request=1)


@test
def half_an_answer_is_a_failure(case):
    def halves(sock, number):
        sock.sendall(response()[:-5])
        return "close"
    fails_with(case, "closed inside an answer", halves)


@test
def one_wrong_byte_is_a_failure(case):
    fails_with(case, "wrong bytes", lambda sock, number: sock.sendall(response(BODY[:-1] + b"X")))


@test
def a_byte_too_many_is_a_failure(case):
    fails_with(case, "wrong bytes", lambda sock, number: sock.sendall(response(length=len(BODY)) + b"X"))


@test
def an_error_status_is_a_failure(case):
    fails_with(case, "bad status", lambda sock, number: sock.sendall(response(status="503 Busy")))


@test
def a_missing_length_is_a_failure(case):
    fails_with(case, "bad header",
               lambda sock, number: sock.sendall(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"))


@test
def a_refused_connection_is_a_failure(case):
    body = case.write("body", BODY)
    port = case.port()
    done = subprocess.run([LOAD, "-n", "3", "-k", "1", "-b", str(body), "127.0.0.1", str(port)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=deadline(60))
    assert done.returncode == 1 and '"refused": 3' in done.stdout, done.stdout + done.stderr


if __name__ == "__main__":
    main()
