#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The application that bench/pools.py has served by everybody, and the smallest server for it: one connection
after another, by blocking calls.

    pool_app.py             on the socket that is passed (LISTEN_FDS), as one of a pool
    pool_app.py PORT N      on that port, with N processes: a pool without anybody who looks after it
"""

import os
import signal
import socket
import sys

BODY = b"0123456789abcdef" * 64


def application(environ, start_response):
    # uWSGI closes without a word about it otherwise, which its clients take for an error.
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY))),
                              ("Connection", "close")])
    return [BODY]


def answer(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(65536)
        if not piece:
            return
        head += piece
    method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    lines = []

    def start_response(status, headers):
        lines.append(f"HTTP/1.1 {status}\r\n")
        lines.extend(f"{name}: {value}\r\n" for name, value in headers)
    body = b"".join(application({"REQUEST_METHOD": method, "PATH_INFO": path}, start_response))
    sock.sendall("".join([*lines, "\r\n"]).encode("latin-1") + body)


def serve(listener):
    while True:
        sock = listener.accept()[0]
        with sock:
            answer(sock)


def notify(text):
    address = os.environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text, address)


def main():
    if "LISTEN_FDS" in os.environ:
        notify(b"READY=1")
        serve(socket.socket(fileno=3))
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    for _ in range(int(sys.argv[2])):
        if os.fork() == 0:
            serve(listener)
    signal.pause()


if __name__ == "__main__":
    main()
