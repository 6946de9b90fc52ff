# SPDX-License-Identifier: MIT
"""A WSGI application that tells what it was told, and writes in parts."""

import hashlib
import json
import os
import pathlib
import time
import urllib.parse
import wsgiref.headers


def told(environ):
    """What came: all variables that are text, and what the content was."""
    digest, length = hashlib.sha256(), 0
    while piece := environ["wsgi.input"].read(65536):
        digest.update(piece)
        length += len(piece)
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    return json.dumps({"environ": seen, "length": length, "sha256": digest.hexdigest(), "pid": os.getpid()}).encode()


def parts(gate):
    """The second part waits for a file."""
    yield b"one\n"
    while not gate.exists():
        time.sleep(0.005)
    yield b"two\n"


def application(environ, start_response):
    path, query = environ["PATH_INFO"], urllib.parse.parse_qs(environ["QUERY_STRING"])
    fields = wsgiref.headers.Headers([("Content-Type", "text/plain")])
    if path.endswith("/parts"):
        start_response("200 OK", fields.items())
        return parts(pathlib.Path(query["gate"][0]))
    if path.endswith("/waits"):
        body = b"".join(parts(pathlib.Path(query["gate"][0])))
    elif path.endswith("/page"):
        body = pathlib.Path(os.environ["PAGE"]).read_bytes()
    elif path.endswith("/teapot"):
        fields.add_header("X-Kind", "earl grey", leaves="loose")
        fields.add_header("Set-Cookie", "a=1")
        fields.add_header("Set-Cookie", "b=2")
        fields["Content-Length"] = "6"
        start_response("418 I'm a Teapot", fields.items())
        # gunicorn would send it after a HEAD too.
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"short\n"]
    else:
        body = told(environ)
    fields["Content-Length"] = str(len(body))
    start_response("200 OK", fields.items())
    return [body]
