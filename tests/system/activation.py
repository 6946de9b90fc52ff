# SPDX-License-Identifier: MIT
"""Sockets that are there before the server, passed to it as systemd does."""

import os

from harness import MUSTERD


def activated(case, conf, listeners, names=None, env=None, **options):
    """Starts the server as systemd would, with passed sockets (or descriptors) from descriptor 3 on."""
    script = 'LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"'
    env = dict(env or {}, LISTEN_FDS=str(len(listeners)))
    if names:
        env["LISTEN_FDNAMES"] = names
    path = case.conf(conf) if isinstance(conf, str) else conf
    high = [os.dup2(sock if isinstance(sock, int) else sock.fileno(), 200 + number)
            for number, sock in enumerate(listeners)]

    def place():
        for number, fd in enumerate(high):
            os.dup2(fd, 3 + number)
    try:
        # Descriptors 3 and on are the server's; what Python itself has there is not passed.
        return case.server(path, env=env, preexec_fn=place, close_fds=True,
                           pass_fds=range(3, 3 + len(listeners)),
                           command=["/bin/sh", "-c", script, MUSTERD, "-c", str(path)], **options)
    finally:
        for fd in high:
            os.close(fd)
