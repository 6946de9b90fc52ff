# SPDX-License-Identifier: MIT
"""Servers of applications for the system tests of gateways: starts real ones in a test's private folder, and asks for
what they serve through musterd. What they run is in backends/. What a gateway answers by itself is the business of
test_gateway.py; here other people's programs are behind it.
"""

import glob
import grp
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess

from harness import Skip, connect, deadline, nobody, wait_for
from tools import environment

FOLDER = pathlib.Path(__file__).resolve().parent / "backends"
# Of a service in front: a busy machine may be slow to send a next request; see reload_changed for the other.
LIMITS = "timeout { park 60s }\nmax-requests 1000000"


def noise(size, seed=7):
    return random.Random(seed).randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def accepts(at):
    try:
        connect(at if isinstance(at, int) else None, "127.0.0.1" if isinstance(at, int) else at).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except ConnectionResetError:
        pass  # made just when the listener was closed: it is not refused yet
    return True


class Application:
    """A server that ends with the test. at: where it will accept, a port of 127.0.0.1 or a path."""

    def __init__(self, case, name, command, at, env=None, stop=signal.SIGTERM):
        self.case, self.name, self.at, self.end = case, name, at, stop
        self.log_path = case.folder / f"{name}.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=case.folder, env=environment(case) | (env or {}), start_new_session=True)
        case.defer(self.kill)
        wait_for(self._accepts_or_dead, f"{name} to accept connections", 30)

    def _accepts_or_dead(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with status {self.process.returncode}: {self.log()}")
        return accepts(self.at)

    @property
    def address(self):
        """As it is written in a configuration."""
        return f"127.0.0.1:{self.at}" if isinstance(self.at, int) else f"unix:{self.at}"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        """In order, as an administrator would."""
        self.process.send_signal(self.end)
        self.process.wait(deadline(30))

    def kill(self):
        """With all that it has started: it leads a process group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        # Those that it had started may hold its listener for a moment longer.
        wait_for(lambda: not accepts(self.at), f"{self.name} to accept nothing")


def php_fpm():
    """The program; its name has the version in it."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin"]
    for folder in folders:
        for path in sorted(glob.glob(f"{folder}/php-fpm*")):
            if os.access(path, os.X_OK):
                return path
    raise Skip("php-fpm is not installed (Debian: apt-get install php-fpm)")


def php(case, at=None, children=4, name="php"):
    """php-fpm of so many children, at a port or path, as nobody where we are root."""
    program = php_fpm()
    at = at or case.folder / f"{name}.sock"
    who = ""
    if os.geteuid() == 0:
        who = f"user = {nobody().pw_name}\ngroup = {grp.getgrgid(nobody().pw_gid).gr_name}\n"
    state = case.folder / "state"
    state.mkdir(exist_ok=True)
    state.chmod(0o777)
    conf = case.write(f"{name}.conf", f"""
[global]
daemonize = no
error_log = {case.folder}/{name}-fpm.log
[www]
{who}listen = {at if not isinstance(at, int) else f"127.0.0.1:{at}"}
listen.mode = 0666
pm = static
pm.max_children = {children}
php_admin_value[session.save_path] = {state}
php_admin_value[upload_tmp_dir] = {state}
php_admin_value[upload_max_filesize] = 64M
php_admin_value[post_max_size] = 64M
php_admin_flag[log_errors] = on
php_admin_flag[display_errors] = off
""")
    # No php.ini of the machine.
    return Application(case, name, [program, "-n", "-F", "-y", conf], at, stop=signal.SIGQUIT)


class Answer:
    def __init__(self, response):
        self.status, self.reason, self.fields = response.status, response.reason, response.getheaders()
        self.body = response.read()

    def get(self, name):
        """The values of all lines of that name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def json(self):
        assert self.status == 200, self
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.fields} {self.body[:500]!r}>"


class Client(http.client.HTTPConnection):
    """A client that keeps its connection."""

    def __init__(self, port, source=None):
        super().__init__("127.0.0.1", port, timeout=deadline(60), source_address=(source, 0) if source else None)

    def connect(self):
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path, method="GET", body=None, headers=None):
        """body: bytes; a list of bytes is sent chunked."""
        self.request(method, path, body, headers or {})
        return Answer(self.getresponse())


def ask(port, path, method="GET", body=None, headers=None, source=None):
    """One request on a connection of its own; its Answer. A list as body is sent in chunks."""
    client = Client(port, source)
    try:
        return client.ask(path, method, body, {"Connection": "close"} | (headers or {}))
    finally:
        client.close()


def pieces(data, size=50_000):
    """For chunks."""
    return [data[at:at + size] for at in range(0, len(data), size)]


def arrives_in_parts(port, path, gate):
    """Asks for what is written in two parts, of which the second waits for the file `gate`: the first must be there before."""
    client = Client(port)
    try:
        client.request("GET", path)
        response = client.getresponse()
        first = response.readline()
        assert first == b"one\n", first
        gate.touch()
        assert response.read() == b"two\n"
        return response
    finally:
        client.close()


def reload_changed(server):
    """A reload that starts every worker anew, since `max-requests` is one more; the workers before."""
    text = server.conf.read_text()
    changed = re.sub(r"max-requests (\d+)", lambda match: f"max-requests {int(match[1]) + 1}", text)
    assert changed != text
    old = server.workers()
    server.conf.write_text(changed)
    server.reload()
    return old


def reload_under(load, server, workers):
    """Five such reloads under a load whose clients have all been served, of which no request may fail."""
    for _ in range(5):
        old = reload_changed(server)
    # A kept connection is closed only after an answer that says so: once these have gone, each had one more.
    server.wait_workers(workers, without=old)
    counts = load.stop_clean()
    assert counts["announced_closes"] >= 2, counts
