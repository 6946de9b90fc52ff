# SPDX-License-Identifier: MIT
"""The sections of bench/run about gateways: what a request costs that is passed on, over HTTP/1.1 and over FastCGI,
to an origin that answers a kilobyte and whose own CPU time is not counted. Memory is slow.py's.
"""

import contextlib

import proxies
import servers
import website

CASE = (f"an origin of 1 KiB responses, {website.KEEPALIVE_CLIENTS} clients, keep-alive on both sides, one worker; the "
        "origin is on the load's CPU")
# What an application says before a kilobyte of content.
CGI_HEAD = b"Content-Type: application/octet-stream\r\nContent-Length: 1024\r\n\r\n"


def below_each(bench, what, samples):
    """A target for each peer: musterd's CPU is less than its in the same round."""
    for name in proxies.PEERS:
        if name in samples.rounds:
            ratio = samples.ratio("musterd", name, 1)
            bench.target(f"{what}: CPU per request / {name}", "< 1", f"{ratio:.2f}", ratio < 1)
        else:
            bench.target(f"{what}: CPU per request / {name}", "< 1", f"no {name}", False)


def check_content(bench, server):
    """What the origin sends must come out of the gateway, before anything is measured."""
    content = (bench.root / bench.file[1:]).read_bytes()
    if not website.one_response(server.port, bench.file, ()).endswith(b"\r\n\r\n" + content):
        raise RuntimeError(f"{server.name} does not pass on the content of the origin")


def start_origin(bench, stack, name, *command):
    """Beside the load, on its CPU."""
    origin = servers.own(name, command, {bench.load_cpu}, bench.folder)
    stack.callback(origin.stop)
    return origin


def compare(bench, everyone, base, headers=()):
    samples = website.rounds(bench, everyone, website.KEEPALIVE_CLIENTS, headers=headers)
    samples.table(base)
    return samples


def section_proxy(bench):
    print(f"\nproxy: {CASE}")
    answer = website.response(bench, "origin.response")
    with contextlib.ExitStack() as stack:
        origin = start_origin(bench, stack, "origin", bench.program("floor"), answer)
        bare = servers.own("bare proxy", [bench.program("bare_proxy"), origin.port], {bench.server_cpu}, bench.folder)
        stack.callback(bare.stop)
        everyone = proxies.start_all(bench, stack, "proxy", origin.port)
        for server in everyone:
            check_content(bench, server)
        below_each(bench, "proxy", compare(bench, [bare, *everyone], "bare proxy"))
        print(f"  the same with the {len(website.BROWSER) + 1} header fields of a browser")
        below_each(bench, "proxy, a browser's fields", compare(bench, [bare, *everyone], "bare proxy", website.BROWSER))
        print("  a connection of the client's for each request, those to the origin kept")
        below_each(bench, "proxy, a client's connection a request",
                   compare(bench, everyone, "musterd", ("Connection: close",)))


def section_fastcgi(bench):
    print(f"\nfastcgi: {CASE}")
    answer = bench.folder / "fastcgi.response"
    answer.write_bytes(CGI_HEAD + (bench.root / bench.file[1:]).read_bytes())
    with contextlib.ExitStack() as stack:
        origin = start_origin(bench, stack, "fastcgi origin", bench.program("fastcgi_origin"), answer)
        everyone = proxies.start_all(bench, stack, "fastcgi", origin.port)
        for server in everyone:
            check_content(bench, server)
        below_each(bench, "fastcgi", compare(bench, everyone, "musterd"))


SECTIONS = {"proxy": section_proxy, "fastcgi": section_fastcgi}
