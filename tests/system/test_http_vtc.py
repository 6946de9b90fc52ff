#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scripts in vtc/, which varnishtest plays as a client against the http service, direct and multiplexed."""

import pathlib

from harness import Http, for_both_modes, main
from tools import run, tool

SCRIPTS = pathlib.Path(__file__).resolve().parent / "vtc"
LARGE = 300_000


def play(case, script):
    """A site, and the script, which knows its address and the validators of /page.txt."""
    varnishtest = tool("varnishtest", "varnish")
    case.write("html/index.html", "<h1>hello</h1>\n")
    case.write("html/page.txt", "a page\n")
    case.write("html/sub/index.html", "below\n")
    case.write("html/large.bin", b"x" * LARGE)
    # A busy machine may be slow to send a next request: a direct worker would not wait for it as long.
    text, port = case.service("http { root html; index index.html }", workers=1, extra="timeout { park 60s }")
    case.server(text)
    with Http(port) as http:
        page = http.get("/page.txt").headers
    known = {"site": f"127.0.0.1:{port}", "etag": page["etag"], "modified": page["last-modified"], "large": LARGE}
    words = [word for name, value in known.items() for word in ("-D", f"{name}={value}")]
    run(case, varnishtest, "-t", "120", *words, script, seconds=150)


def add(script):
    def plays(case):
        play(case, script)
    plays.__name__ = "vtc_" + script.stem
    for_both_modes(plays)


for path in sorted(SCRIPTS.glob("*.vtc")):
    add(path)

if __name__ == "__main__":
    main()
