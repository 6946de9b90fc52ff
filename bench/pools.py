# SPDX-License-Identifier: MIT
"""The section `program` of bench/run: pools of Python programs, all with the application of pool_app.py: kept by
musterd, by nobody, by gunicorn and uWSGI themselves, and by musterd with gunicorn or uWSGI as its programs.
"""

import contextlib
import os
import pathlib
import shutil

import measure
import servers

HERE = pathlib.Path(__file__).resolve().parent
PROCESSES, CLIENTS = 4, 16


def musterd_program(command, port):
    return f"""log /dev/null
service app {{
    listen       127.0.0.1:{port}
    handler      program {{ command {command}; folder {HERE}; env PYTHONDONTWRITEBYTECODE=1 }}
    workers      {PROCESSES}
}}
"""


def uwsgi_arguments(plugin):
    return ["--die-on-term", *(["--plugin", plugin] if plugin else []), "--wsgi-file", str(HERE / "pool_app.py"),
            "--disable-logging", "--listen", "128"]


def commands(python):
    """{name: (what musterd runs, or None, what runs alone on {port}, or None)}; None where it is not installed."""
    gunicorn, uwsgi = servers.program("gunicorn"), servers.program("uwsgi")
    found = {
        "musterd": (f"{python} {HERE}/pool_app.py", None),
        "bare pool": (None, [python, str(HERE / "pool_app.py"), "{port}", str(PROCESSES)]),
        "gunicorn": None, "uwsgi": None, "musterd gunicorn": None, "musterd uwsgi": None,
    }
    if gunicorn:
        found["gunicorn"] = (None, [gunicorn, "--chdir", str(HERE), f"--workers={PROCESSES}", "--backlog=4096",
                                    "--bind=127.0.0.1:{port}", "pool_app:application"])
        found["musterd gunicorn"] = (f"{gunicorn} --chdir {HERE} --workers=1 pool_app:application", None)
    if uwsgi:
        words = uwsgi_arguments("python3")
        found["uwsgi"] = (None, [uwsgi, "--master", f"--processes={PROCESSES}", "--http-socket", "127.0.0.1:{port}",
                                 *words])
        # It speaks its own protocol on a socket that it was given, if nothing else is said.
        found["musterd uwsgi"] = (" ".join([uwsgi, "--protocol", "http", "--socket", "fd://3", *words]), None)
    return found


def start(bench, name, how, folder, cpus):
    program, alone = how
    port, held = measure.reserve_port()
    if alone:
        held.close()  # not all of them set SO_REUSEADDR before they bind
        return servers.Server(name.replace(" ", "-"), [word.format(port=port) for word in alone], port, cpus, folder,
                              env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
    conf = folder / "musterd.conf"
    ready = "; ready after 2s" if "uwsgi" in program else ""
    conf.write_text(musterd_program(program + ready, port))
    return servers.Server(name.replace(" ", "-"), [bench.musterd, "-c", conf], port, cpus, folder, held)


def one_round(bench, server, samples):
    before = measure.cpu_ns(server.pid)
    got = measure.wrk(bench.folder, server.port, "/", bench.options.seconds, CLIENTS, bench.load_cpu,
                      ["Connection: close"])
    used = measure.cpu_ns(server.pid) - before
    samples.add(server.name, got["requests"], got["us"] / 1e6, used, got["errors"])


def section_program(bench):
    print(f"\nprogram: {PROCESSES} Python programs, one WSGI application of 1 KiB, a connection a request, "
          f"{CLIENTS} clients")
    samples, memory = measure.Samples(), {}
    python = shutil.which("python3", path="/usr/bin:/bin") or "python3"
    with contextlib.ExitStack() as stack:
        everyone = []
        for name, how in commands(python).items():
            if not how:
                print(f"  {name}: not installed")
                continue
            folder = bench.folder / name.replace(" ", "-")
            folder.mkdir()
            everyone.append(start(bench, name, how, folder, {bench.server_cpu}))
            stack.callback(everyone[-1].stop)
        for _ in range(bench.options.rounds):
            for server in everyone:
                one_round(bench, server, samples)
        for server in everyone:
            memory[server.name] = sum(measure.pss_bytes(pid) for pid in measure.family(server.pid))
    samples.table("bare-pool")
    print("  memory of all processes, Pss: " + ", ".join(
        f"{name} {size / (1 << 20):.1f} MiB" for name, size in sorted(memory.items(), key=lambda item: item[1])))
    ratio = samples.ratio("musterd", "bare-pool", 1)
    bench.target("program: CPU per request / a pool that nobody looks after", "<= 1.03", f"{ratio:.2f}", ratio <= 1.03)
    if "gunicorn" in samples.rounds:
        ratio = samples.ratio("musterd", "gunicorn", 1)
        bench.target("program: CPU per request / gunicorn, another server in Python", "< 1.00", f"{ratio:.2f}",
                     ratio < 1)


SECTIONS = {"program": section_program}
