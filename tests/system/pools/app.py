# SPDX-License-Identifier: MIT
"""A WSGI application: sends $BODY, and for /who the process id."""

import os

with open(os.environ["BODY"], "rb") as file:
    BODY = file.read()


def application(environ, start_response):
    body = str(os.getpid()).encode() if environ["PATH_INFO"] == "/who" else BODY
    start_response("200 OK", [("Content-Length", str(len(body))), ("Connection", "close")])
    return [body]
