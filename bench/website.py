# SPDX-License-Identifier: MIT
"""The sections of bench/run about the http service: small and large files, with the fields that wrk sends and
with those of a browser, idle connections, and what the access log costs; beside a floor and the peers.
"""

import contextlib
import os
import socket
import subprocess

import measure
import servers

KEEPALIVE_CLIENTS = 64
# What Chromium sends when a link is followed; Host goes before it.
BROWSER = (
    "Connection: keep-alive",
    'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
    "Referer: http://www.example.org/articles/index.html",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=necessary",
)
# (bytes, name, clients): as many clients as keep the server busy, few enough that all get on in a round.
SIZES = ((100 << 10, "100 KiB", 64), (1 << 20, "1 MiB", 16), (16 << 20, "16 MiB", 8))
SIZE_PEERS = ("nginx", "h2o", "lighttpd")
LOG_FORMATS = ("common", "combined", "json")
# Two processes of the same program may differ for all their life by as much as is looked for.
LOG_STARTS = 5
SIZE_STARTS = 3


def one_response(port, path, headers):
    """The bytes of the answer to one request for a file of a kilobyte."""
    lines = [f"GET {path} HTTP/1.1", "Host: bench", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall("\r\n".join(lines).encode())
        data = b""
        while b"\r\n\r\n" not in data or len(data) < data.index(b"\r\n\r\n") + 4 + 1024:
            piece = sock.recv(65536)
            if not piece:
                raise RuntimeError(f"no whole response: {data!r}")
            data += piece
    if not data.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not a 200: {data!r}")
    return data


def response(bench, name, *headers):
    """The bytes that musterd answers for the file, in a file: what the bare programs answer too."""
    path = bench.folder / name
    with servers.started(musterd(bench)) as server:
        path.write_bytes(one_response(server.port, bench.file, headers))
    return path


def musterd(bench, **more):
    return servers.start_musterd(bench.musterd, servers.musterd_http, bench.folder, {bench.server_cpu}, bench.root,
                                 **more)


def start_peers(bench, stack, names):
    """Every one of the peers that is installed; stopped with the stack."""
    everyone = []
    for name in names:
        try:
            peer = servers.start_peer(name, bench.folder, bench.root, {bench.server_cpu})
        except RuntimeError as error:
            print(f"  {error}")
            continue
        if peer:
            everyone.append(peer)
            stack.callback(peer.stop)
        else:
            print(f"  {name}: not installed")
    return everyone


def start_all(bench, stack, bare_name, bare_command):
    """The bare program, musterd, and all peers."""
    everyone = [servers.own(bare_name, bare_command, {bench.server_cpu}, bench.folder)]
    stack.callback(everyone[0].stop)
    everyone.append(musterd(bench))
    stack.callback(everyone[-1].stop)
    return everyone + start_peers(bench, stack, servers.HTTP_PEERS)


def rounds(bench, everyone, connections, path=None, size=None, after=None, samples=None, **options):
    """Alternating rounds. size: requests are counted by the bytes that came, whole and begun ones alike. samples: those to
    add to."""
    samples = samples or measure.Samples()
    for number in range(bench.options.rounds):
        for server in everyone:
            def load(seconds):
                return measure.wrk(bench.folder, server.port, path or bench.file, seconds, connections,
                                   bench.load_cpu, **options)
            if number == 0:
                load(1)
            before = measure.cpu_ns(server.pid)
            got = load(bench.options.seconds)
            used = measure.cpu_ns(server.pid) - before
            requests = got["bytes"] / size if size else got["requests"]
            samples.add(server.name, requests, got["us"] / 1e6, used, got["errors"])
            if after:
                after(server)
    return samples


def at_most(bench, what, samples, base, limit, digits=2):
    """A target: musterd's CPU by that of another in the same round."""
    if base not in samples.rounds:
        bench.target(what, f"<= {limit}", f"no {base}", False)
        return
    ratio = samples.ratio("musterd", base, 1)
    bench.target(what, f"<= {limit}", f"{ratio:.{digits}f}", ratio <= limit)


def keepalive(bench, what, name, headers):
    answer = response(bench, f"{name}.response", *headers)
    with contextlib.ExitStack() as stack:
        everyone = start_all(bench, stack, "floor", [bench.program("floor"), answer])
        samples = rounds(bench, everyone, KEEPALIVE_CLIENTS, headers=headers)
    samples.table("floor")
    at_most(bench, f"{what}: CPU per request / floor", samples, "floor", 1.10)
    at_most(bench, f"{what}: CPU per request / h2o", samples, "h2o", 0.90)


def section_keepalive(bench):
    print(f"\n1 KiB file, {KEEPALIVE_CLIENTS} keep-alive connections, one worker")
    keepalive(bench, "keep-alive", "keepalive", ())


def section_browser(bench):
    print(f"\nthe same with the {len(BROWSER) + 1} header fields of a browser, "
          f"{sum(len(line) + 2 for line in BROWSER)} bytes; the floor reads them too")
    keepalive(bench, "a browser's keep-alive", "browser", BROWSER)


def section_close(bench):
    print(f"\n1 KiB file, one connection per request, {KEEPALIVE_CLIENTS} clients, one worker")
    answer = response(bench, "close.response", "Connection: close")
    with contextlib.ExitStack() as stack:
        everyone = start_all(bench, stack, "bare close", [bench.program("bare_close"), answer])
        samples = rounds(bench, everyone, KEEPALIVE_CLIENTS, headers=("Connection: close",))
    samples.table("bare close")
    at_most(bench, "connection per request: CPU / bare accept-read-send-close", samples, "bare close", 0.75)
    at_most(bench, "connection per request: CPU / h2o", samples, "h2o", 0.85)


def section_sizes(bench):
    for size, name, clients in SIZES:
        print(f"\n{name} file, {clients} keep-alive connections, one worker; requests are bytes received / {size}; "
              f"the servers started {SIZE_STARTS} times")
        file = f"{size >> 10}k.bin"
        (bench.root / file).write_bytes(os.urandom(1 << 10) * (size >> 10))
        samples = measure.Samples()
        for _ in range(SIZE_STARTS):
            with contextlib.ExitStack() as stack:
                everyone = [musterd(bench)]
                stack.callback(everyone[0].stop)
                everyone += start_peers(bench, stack, SIZE_PEERS)
                rounds(bench, everyone, clients, path=f"/{file}", size=size, samples=samples)
        samples.table("musterd")
        peers = [server.name for server in everyone[1:]]
        if peers:
            # The best of each round is not always the same one: what counts is the one with the best median.
            best = min(peers, key=samples.us)
            ratio = samples.ratio("musterd", best, 1)
            bench.target(f"{name}: CPU per request / best peer ({best})", "< 1", f"{ratio:.2f}", ratio < 1)
        else:
            bench.target(f"{name}: CPU per request / best peer", "< 1", "no peer", False)


def weigh_idle(bench, server, connections):
    """(Pss before, Pss with the idle connections) of the server's process that grew most: who holds them."""
    before = {pid: measure.pss_bytes(pid) for pid in measure.family(server.pid)}
    load = measure.spawn([bench.program("idle_load"), server.port, connections, bench.file],
                         {bench.load_cpu}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if load.stdout.readline() != f"idle {connections}\n":
            raise RuntimeError(f"{server.name} does not hold {connections} connections")
        full = {pid: measure.pss_bytes(pid) for pid in before}
        load.stdin.write("go on\n")
        load.stdin.flush()
        if load.stdout.readline() != f"alive {connections}\n" or load.wait() != 0:
            raise RuntimeError(f"{server.name}: idle connections did not answer again")
        holder = max(before, key=lambda pid: full[pid] - before[pid])
        return before[holder], full[holder]
    finally:
        measure.stop(load)
        load.stdin.close()
        load.stdout.close()


def section_idle(bench):
    n = servers.IDLE_CONNECTIONS
    print(f"\n{n:,} idle keep-alive connections in one worker; each answered before and after the weighing")
    print(f"  {'':14} {'Pss empty':>12} {'Pss full':>12} {'bytes/connection':>17} {'grown by':>9}")
    each = {}
    for name in ("musterd", *SIZE_PEERS):
        with contextlib.ExitStack() as stack:
            if name == "musterd":
                server = stack.enter_context(servers.started(musterd(bench)))
            else:
                server = next(iter(start_peers(bench, stack, (name,))), None)
            if not server:
                continue
            try:
                before, full = weigh_idle(bench, server, n)
            except RuntimeError as error:
                print(f"  {error}")
                continue
        each[name] = full / n
        print(f"  {name:14} {before:12,} {full:12,} {full / n:17.0f} {(full - before) / n:9.0f}")
    own = each.pop("musterd", None)
    said = f"{own:.0f}" if own else "failed"
    bench.target("10,000 idle connections: worker's Pss / 10,000", "<= 512 bytes", said, own is not None and own <= 512)
    least = min(each, key=each.get, default=None)
    bench.target("10,000 idle connections: least of all", f"< {each[least]:.0f} ({least})" if least else "< a peer's",
                 said, own is not None and least is not None and own < each[least])


def section_accesslog(bench):
    print(f"\naccess log: the 1 KiB file with a browser's fields, {KEEPALIVE_CLIENTS} keep-alive connections, one worker; "
          f"the logs are emptied after each turn, the servers started {LOG_STARTS} times")
    samples = measure.Samples()
    for _ in range(LOG_STARTS):
        log_rounds(bench, samples)
    samples.table("no log")
    for name in LOG_FORMATS:
        ratio = samples.ratio(name, "no log", 1)
        bench.target(f"access log ({name}): CPU per request / without", "<= 1.05", f"{ratio:.3f}", ratio <= 1.05)


def log_rounds(bench, samples):
    """One start of a server without a log and one for each format, and their rounds."""
    with contextlib.ExitStack() as stack:
        everyone, logs = [], {}
        for name in ("no log", *LOG_FORMATS):
            folder = bench.folder / f"log {name}"
            folder.mkdir(exist_ok=True)
            log = None if name == "no log" else folder / "access.log"
            server = musterd(bench.in_folder(folder), access_log=log, log_format=name)
            server.name = name
            stack.callback(server.stop)
            everyone.append(server)
            logs[name] = log

        def empty(server):
            if logs[server.name]:
                if logs[server.name].stat().st_size == 0:
                    raise RuntimeError(f"nothing in {logs[server.name]}")
                os.truncate(logs[server.name], 0)
        rounds(bench, everyone, KEEPALIVE_CLIENTS, headers=BROWSER, after=empty, samples=samples)


SECTIONS = {
    "keepalive": section_keepalive, "browser": section_browser, "close": section_close, "sizes": section_sizes,
    "idle": section_idle, "accesslog": section_accesslog,
}
