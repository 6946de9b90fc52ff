# SPDX-License-Identifier: MIT
"""What an administrator has at hand: systemctl, the journal, curl, an editor; and the frame of the tests.

A test is a function marked @test; it raises when something is not as it should be. Before each the configuration and
the drop-ins are those that the package has installed, and the service is active."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
LOAD = HERE / "load"
PACKAGES = HERE / "packages"
CONF = pathlib.Path("/etc/musterd/musterd.conf")
DROPINS = pathlib.Path("/etc/systemd/system/musterd.service.d")
UNIT = "musterd.service"
PAGE = pathlib.Path("/srv/www/index.html")


class Skip(Exception):
    """The test cannot be run here; the text says why."""


def test(function):
    function.is_test = True
    return function


def needed(function):
    """A test that prepares what others need: run whatever ONLY says."""
    function.is_needed = True
    return test(function)


def run_tests(module):
    """Prints a line for each; tests/systemd/boot counts them."""
    for name, function in list(vars(module).items()):
        if not getattr(function, "is_test", False) or function.__module__ != module.__name__:
            continue
        title = f"{module.__name__}: {name.replace('_', ' ')}"
        if not re.search(os.environ.get("ONLY", ""), title) and not hasattr(function, "is_needed"):
            continue
        began = time.monotonic()
        try:
            getattr(module, "prepare", lambda: None)()
            function()
        except Skip as skip:
            print(f"ok {title} # SKIP {skip}")
        except BaseException as error:  # pylint: disable=broad-except
            print(f"not ok {title}")
            print("\n".join("    " + line for line in describe(error).splitlines()))
        else:
            print(f"ok {title} ({time.monotonic() - began:.1f} s)")


def describe(error):
    text = "".join(traceback.format_exception(error)[-3:])
    if isinstance(error, subprocess.CalledProcessError):
        text += f"it said: {error.stdout}{error.stderr}\n"
    journal = run("journalctl", "-u", UNIT, "-n", "25", "-o", "cat", check=False).stdout
    status = run("systemctl", "status", UNIT, "-n", "0", "-l", check=False).stdout
    return f"{text}---- status\n{status}---- the last of the journal\n{journal}"


def wait_for(condition, what, seconds=30):
    """What condition() returned when it was true."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def run(*command, check=True, timeout=120, **options):
    return subprocess.run([str(word) for word in command], check=check, timeout=timeout, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def systemctl(*arguments, check=True):
    return run("systemctl", *arguments, check=check)


def show(name, unit=UNIT):
    return systemctl("show", "--value", "-p", name, unit).stdout.strip()


def is_booted():
    state = systemctl("is-system-running", check=False).stdout.strip()
    return state in ("running", "degraded")


def is_active(unit=UNIT):
    return systemctl("is-active", unit, check=False).stdout.strip() == "active"


def main_pid(unit=UNIT):
    return int(show("MainPID", unit))


def processes(unit=UNIT):
    """Of its cgroup."""
    folder = pathlib.Path("/sys/fs/cgroup" + show("ControlGroup", unit))
    pids = []
    for file in folder.rglob("cgroup.procs") if show("ControlGroup", unit) else ():
        pids += [int(pid) for pid in file.read_text().split()]
    return pids


def started_anew(before, unit=UNIT):
    """Waits for a master that is another one, and serves."""
    wait_for(lambda: main_pid(unit) not in (0, before) and is_active(unit), f"another master than {before}")


class Journal:
    """What a unit logs from here on."""

    def __init__(self, unit=UNIT):
        self.unit = unit
        run("journalctl", "--sync")
        shown = run("journalctl", "-n", "0", "--show-cursor").stdout
        self.cursor = re.search(r"cursor: (\S+)", shown)[1]

    def entries(self, *arguments):
        run("journalctl", "--sync")
        lines = run("journalctl", "-u", self.unit, "-o", "json", f"--after-cursor={self.cursor}", *arguments).stdout
        return [json.loads(line) for line in lines.splitlines()]

    def text(self, *arguments):
        return "\n".join(str(entry["MESSAGE"]) for entry in self.entries(*arguments))

    def wait(self, pattern, seconds=30):
        return wait_for(lambda: re.search(pattern, self.text()), f"{pattern!r} in the journal", seconds)


def worker_user():
    """As the shipped configuration has it."""
    return re.search(r"^user\s+(\S+)", shipped_conf(), re.M)[1]


def shipped_conf():
    return (HERE / "shipped.conf").read_text()


def header(user=None):
    return (f"user {user or worker_user()}\nlog stderr info\n"
            "control { path /run/musterd/control }\n")


def website(listen="*:80", name="www", more=""):
    return (f"service {name} {{\n\tlisten {listen}\n\thandler http {{ root /srv/www; index index.html }}\n"
            f"\tworkers 2\n\tconnections 256\n\ttimeout {{ drain 20s }}\n\t{more}\n}}\n")


def write_conf(*parts, user=None):
    CONF.write_text(header(user) + "".join(parts))


def write_dropin(name, text):
    DROPINS.mkdir(parents=True, exist_ok=True)
    (DROPINS / name).write_text(text)
    systemctl("daemon-reload")


def shipped_file(name):
    """A file of the package, wherever it is installed."""
    found = [line for line in run("dpkg", "-L", "musterd").stdout.splitlines() if line.endswith("/" + name)]
    if not found:
        raise Skip(f"the package has no {name}")
    return pathlib.Path(found[0])


def as_shipped(*conf):
    """The state in which tests begin: no drop-ins, this configuration, serving."""
    systemctl("stop", "musterd.socket", check=False)
    pathlib.Path("/etc/systemd/system/musterd.socket").unlink(missing_ok=True)
    shutil.rmtree(DROPINS, ignore_errors=True)
    systemctl("daemon-reload")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("<!doctype html><title>musterd</title>\n" * 20)
    PAGE.parent.chmod(0o755)
    PAGE.chmod(0o644)
    write_conf(*(conf or (website(),)))
    systemctl("reset-failed", check=False)
    systemctl("restart", UNIT)
    assert is_active() and get() == PAGE.read_text()


def get(url="http://127.0.0.1/", *arguments):
    return run("curl", "--silent", "--show-error", "--fail", "--max-time", 20, *arguments, url).stdout


def is_refused(port=80, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), 10).close()
    except ConnectionRefusedError:
        return True
    return False


@contextlib.contextmanager
def load(port, *options, clients=4):
    """Requests, one connection each, while the block runs; what came of them is added to the dict that it gives."""
    result = {}
    command = [str(LOAD), "-c", str(clients), "-w", "2", "-v", "-b", str(PAGE), *options, "127.0.0.1", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout.readline() == "running\n"
            yield result
        finally:
            process.send_signal(signal.SIGTERM)
            result.update(json.loads(process.communicate(timeout=60)[0]))
    result["refused"] = result["reasons"].get("refused", 0)


def told(result):
    reasons = ", ".join(f"{number} {reason}" for reason, number in result["reasons"].items())
    return f"{result['requests']} requests, {reasons or 'none failed'}, the slowest {result['slowest_ms']} ms"
