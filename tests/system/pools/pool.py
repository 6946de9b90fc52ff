#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One program of a pool, in Python: HTTP on the socket that it is given, ready when it says so, at its end on
SIGTERM when the request under way is answered. Sends $BODY; for /who its process id, for /slow it takes a while.
"""

import os
import select
import signal
import socket
import sys
import time


def notify(text):
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), address.replace("@", "\0", 1))


def answer(client, body):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(8192)
        if not piece:
            return
        data += piece
    path = data.split()[1]
    if path == b"/who":
        body = str(os.getpid()).encode()
    elif path == b"/slow":
        notify("STATUS=slow")
        time.sleep(0.5)
    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    client.shutdown(socket.SHUT_WR)
    client.recv(1)  # the client closes first


def main():
    assert os.environ["LISTEN_FDS"] == "1" and os.environ["LISTEN_PID"] == str(os.getpid())
    listener = socket.socket(fileno=3)
    listener.setblocking(False)  # another of the pool may be faster
    stop, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    with open(os.environ["BODY"], "rb") as file:
        body = file.read()
    notify("READY=1\nSTATUS=serving")
    while True:
        if stop in select.select([listener, stop], [], [])[0]:
            notify("STOPPING=1")
            sys.exit(0)
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            continue
        with client:
            client.settimeout(60)
            answer(client, body)


main()
