# SPDX-License-Identifier: MIT
"""The part of bench/run about programs: one for each connection, beside a bare loop and the super-servers."""

import contextlib
import json
import os
import subprocess

import measure
import servers

CAT, CLIENTS, AT_ONCE = "/bin/cat", 16, 40


def musterd_exec(port):
    return f"""
log stderr error
service cat {{
    listen 127.0.0.1:{port}
    handler exec {{ command {CAT} }}
    workers 1
    connections {AT_ONCE}
}}
"""


def start_tcpserver(folder, cpus):
    path = servers.program("tcpserver")
    if not path:
        return None
    port, held = measure.reserve_port()
    command = [path, "-q", "-H", "-R", "-l0", f"-c{AT_ONCE}", "-b4096", "127.0.0.1", port, CAT]
    return servers.Server("tcpserver", command, port, cpus, folder, held)


def start_s6(folder, cpus):
    path = servers.program("s6-tcpserver")
    if not path:
        return None
    port, held = measure.reserve_port()
    command = [path, "-q", "-b4096", f"-c{AT_ONCE}", f"-C{AT_ONCE}", "127.0.0.1", port, CAT]
    return servers.Server("s6-tcpserver", command, port, cpus, folder, held)


def start_xinetd(folder, cpus):
    path = servers.program("xinetd")
    if not path or os.geteuid() != 0:
        return None
    port, held = measure.reserve_port()
    conf = folder / "xinetd.conf"
    # `cps` is a limit of connections a second, after which it sleeps; it has no way to be switched off.
    conf.write_text(f"""
defaults
{{
    instances = {AT_ONCE}
    cps = 1000000 1
    per_source = UNLIMITED
}}
service bench
{{
    type = UNLISTED
    socket_type = stream
    protocol = tcp
    bind = 127.0.0.1
    port = {port}
    wait = no
    flags = REUSE
    user = root
    server = {CAT}
}}
""")
    return servers.Server("xinetd", [path, "-dontfork", "-f", conf], port, cpus, folder, held)


def exec_round(bench, server, samples):
    before = measure.cpu_ns(server.pid)
    load = measure.spawn([bench.program("echo_load"), server.port, bench.options.seconds, CLIENTS],
                         {bench.load_cpu}, stdout=subprocess.PIPE, text=True)
    got = json.loads(load.communicate()[0])
    used = measure.cpu_ns(server.pid) - before
    samples.add(server.name, got["connections"], got["seconds"], used, int(load.returncode != 0))


def idle_memory(server):
    """Pss of the pool: the master and its one worker."""
    return [measure.pss_bytes(pid) for pid in [server.pid, *server.workers()]]


def section_exec(bench):
    print(f"\nexec: connect, 64 bytes through {CAT}, close; {CLIENTS} clients, up to {AT_ONCE} programs at once")
    cpus = {bench.server_cpu}
    samples = measure.Samples()
    with contextlib.ExitStack() as stack:
        everyone = [servers.own("bare loop", [bench.program("bare_exec"), CAT], cpus, bench.folder),
                    servers.start_musterd(bench.musterd, musterd_exec, bench.folder, cpus)]
        memory = idle_memory(everyone[1])
        for name, start in (("tcpserver", start_tcpserver), ("xinetd", start_xinetd), ("s6-tcpserver", start_s6)):
            server = start(bench.folder, cpus)
            if server:
                everyone.append(server)
            else:
                print(f"  {name}: not installed, or not for this user")
        for server in everyone:
            stack.callback(server.stop)
        for _ in range(bench.options.rounds):
            for server in everyone:
                exec_round(bench, server, samples)
    samples.table("bare loop", "connection")
    print(f"  an idle pool of one worker, Pss: {', '.join(f'{size // 1024} KiB' for size in memory)} "
          "(the master, the worker)")
    rate, cpu = samples.ratio("musterd", "bare loop", 0), 1 / samples.ratio("musterd", "bare loop", 1)
    bench.target("exec: rate / bare accept and posix_spawn", ">= 0.95", f"{rate:.2f}", rate >= 0.95)
    bench.target("exec: connections per CPU second / the same", ">= 0.95", f"{cpu:.2f}", cpu >= 0.95)
    if "tcpserver" in samples.rounds:
        rate, cpu = samples.ratio("musterd", "tcpserver", 0), 1 / samples.ratio("musterd", "tcpserver", 1)
        bench.target("exec: rate / tcpserver", ">= 1.3", f"{rate:.2f}", rate >= 1.3)
        bench.target("exec: connections per CPU second / tcpserver", ">= 1.3", f"{cpu:.2f}", cpu >= 1.3)


SECTIONS = {"exec": section_exec}
