# SPDX-License-Identifier: MIT
"""The frame of the system tests: it starts the real binary, and stops it, as an administrator would.

A test file defines functions marked @test (or @for_both_modes) that take a Case, and ends with
`main()`. A Case owns a private folder, ports reserved from the kernel, and the servers that it started;
when the test is over every process below it must be gone, or the test fails. Nothing here sleeps to
synchronise: what is waited for is a READY datagram, a log line, a state of a process, with a
generous deadline. When a test fails the logs of its servers are shown.

The binary is $MUSTERD, the load client $MUSTERD_LOAD (set by automake). `--only NAME` runs the tests whose
name contains NAME, `--list` names them, `--keep` leaves the folders, `-v` shows logs and times always.
"""

import argparse
import contextlib
import ctypes
import functools
import os
import pathlib
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

TOP = pathlib.Path(__file__).resolve().parents[2]
MUSTERD = os.path.abspath(os.environ.get("MUSTERD", TOP / "musterd"))
LOAD = os.path.abspath(os.environ.get("MUSTERD_LOAD", TOP / "tests/tools/load"))
EX_OK, EX_USAGE, EX_OSERR, EX_CONFIG = 0, 64, 71, 78
PR_SET_CHILD_SUBREAPER = 36
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")


@functools.lru_cache(maxsize=None)
def has_sanitizers():
    return b"__asan_init" in pathlib.Path(MUSTERD).read_bytes()


def deadline(seconds=15.0):
    """How long to wait for what should come at once on a free machine; this one may be busy."""
    return seconds * (4 if has_sanitizers() else 1)


class Skip(Exception):
    """The test cannot be run here; the text says why."""


def wait_for(condition, what, seconds=15.0):
    """Waits until condition() is true and returns what it returned."""
    end = time.monotonic() + deadline(seconds)
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline(seconds):.0f} s in vain for {what}")
        time.sleep(0.005)  # the pace of looking, not a time that anything is expected to take


# ------------------------------------------------------------------------------------ processes

def proc_stat(pid):
    """State letter and parent of a process, or None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2:].split()
    return fields[0], int(fields[1])


def processes():
    """{pid: parent} of all processes that are not zombies."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = proc_stat(int(name))
            if stat and stat[0] != "Z":
                found[int(name)] = stat[1]
    return found


def children(pid):
    return sorted(child for child, parent in processes().items() if parent == pid)


def descendants(pid):
    parents = processes()
    found, fresh = set(), {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh}
        found |= fresh
    return found


def is_alive(pid):
    stat = proc_stat(pid)
    return stat is not None and stat[0] != "Z"


def open_files(pid):
    """Where the descriptors of a process lead; of one that ends meanwhile nothing."""
    found = []
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def title(pid):
    """What ps shows: the process's title or its arguments."""
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # Behind a title shorter than argv[0] libbsd writes a dot where argv[0] ended (setproctitle.c).
    return (command.split(b"\0")[0] if command.startswith(b"musterd: ") else command.replace(b"\0", b" ")).decode().strip()


def status_field(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split(":", 1)[1].strip()
    raise AssertionError(f"/proc/{pid}/status has no {name}")


def program_image(pid):
    """What changes when the process executes a program, be it the same one: where things lie in memory."""
    return pathlib.Path(f"/proc/{pid}/auxv").read_bytes()


def become_subreaper():
    """Daemons and orphans of the tests become our children, so that none can hide."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_strangers():
    """Reaps adopted children that ended. Only called while no Popen child is running."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


# ------------------------------------------------------------------------------------- sockets

class Notify:
    """A NOTIFY_SOCKET of ours: collects what the server tells systemd."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("")  # the kernel picks an abstract name
        self.name = "@" + self.socket.getsockname()[1:].decode()
        self.seen = []  # (time, dict) of every datagram

    def poll(self):
        while select.select([self.socket], [], [], 0)[0]:
            text = self.socket.recv(8192).decode()
            fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            self.seen.append((time.monotonic(), fields))

    def wait(self, key, value=None, after=0, seconds=15.0):
        """The first datagram with key (=value), counting from number `after`; its number and fields."""
        def look():
            self.poll()
            for number, (_, fields) in enumerate(self.seen[after:], after):
                if key in fields and (value is None or fields[key] == value):
                    return number + 1, fields
            return None
        return wait_for(look, f"the notification {key}={value or '...'}", seconds)

    def count(self):
        self.poll()
        return len(self.seen)

    def close(self):
        self.socket.close()


def connect(port, host="127.0.0.1", timeout=None):
    """A connected stream socket; host may be a path (Unix) or contain a colon (IPv6)."""
    if isinstance(host, (pathlib.Path, bytes)):
        sock = socket.socket(socket.AF_UNIX)
        address = os.fsencode(host) if isinstance(host, pathlib.Path) else host
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        address = (host, port)
    sock.settimeout(timeout or deadline())
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def refuses(port, host="127.0.0.1"):
    """Nobody listens there. A connection that is made just when the listener is closed is reset: not yet."""
    try:
        connect(port, host).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


def wait_refused(port, host="127.0.0.1"):
    wait_for(lambda: refuses(port, host), f"port {port} to refuse")


def read_all(sock):
    """Everything until the end of the stream."""
    data = bytearray()
    while True:
        piece = sock.recv(65536)
        if not piece:
            return bytes(data)
        data += piece


def read_exactly(sock, n):
    data = bytearray()
    while len(data) < n:
        piece = sock.recv(n - len(data))
        assert piece, f"the stream ended after {len(data)} of {n} bytes: {bytes(data[:200])!r}"
        data += piece
    return bytes(data)


class Response:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {len(self.body)} bytes>"


class Http:
    """One HTTP connection, by hand, so that every byte that is sent and got is the test's own."""

    def __init__(self, port, host="127.0.0.1", sock=None):
        self.sock = sock or connect(port, host)
        self.buffer = bytearray()

    def send(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))

    def _more(self):
        piece = self.sock.recv(65536)
        assert piece, f"the connection ended inside a response: {bytes(self.buffer[:300])!r}"
        self.buffer += piece

    def read(self, head=False):
        """The next response."""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        end = self.buffer.index(b"\r\n\r\n")
        header = self.buffer[:end]
        del self.buffer[:end + 4]
        lines = header.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] (\d{3}) ?(.*)", lines[0])
        assert match, f"a strange status line: {lines[0]!r}"
        status = int(match.group(1))
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        length = 0 if head or status in (204, 304) else int(headers.get("content-length", "-1"))
        assert length >= 0, f"no Content-Length: {lines}"
        while len(self.buffer) < length:
            self._more()
        body = bytes(self.buffer[:length])
        del self.buffer[:length]
        return Response(status, match.group(2), headers, body)

    def get(self, path="/", method="GET", headers=()):
        lines = [f"{method} {path} HTTP/1.1", "Host: test", *headers]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        return self.read(head=method == "HEAD")

    def at_end(self):
        """True when the server has closed and left nothing unread."""
        try:
            return not self.buffer and self.sock.recv(1) == b""
        except ConnectionResetError:
            return False

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# -------------------------------------------------------------------------------------- server

class Server:
    """One start of the binary, in the foreground, with its log and its notifications."""

    def __init__(self, case, conf, args=(), env=None, wait=True, cwd=None, notify=None, **popen):
        """env: what is added to ours; None takes a variable out. notify: who hears what systemd would."""
        self.case = case
        self.conf = conf
        self.log_path = case.folder / f"server{len(case.servers)}.log"
        self.notify = notify or Notify()
        # No descriptor is kept, where the test does not say otherwise.
        environ = dict(os.environ, NOTIFY_SOCKET=self.notify.name, FDSTORE="0") | (env or {})
        environ = {name: value for name, value in environ.items() if value is not None}
        for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID",
                     "JOURNAL_STREAM"):
            if name not in (env or {}):
                environ.pop(name, None)
        command = popen.pop("command", [MUSTERD, "-c", str(conf), *args])
        with open(self.log_path, "wb") as log:
            popen.setdefault("stdin", subprocess.DEVNULL)
            popen.setdefault("stdout", log)
            popen.setdefault("stderr", log)
            popen.setdefault("start_new_session", True)
            self.process = subprocess.Popen(command, env=environ, cwd=cwd or case.folder, **popen)
        case.servers.append(self)
        if wait:
            self.wait_ready()

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_size(self):
        return self.log_path.stat().st_size

    def wait_ready(self, after=0, seconds=15.0):
        def ready_or_dead():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with status {self.process.returncode} "
                                     "instead of being READY")
            self.notify.poll()
            return any(fields.get("READY") == "1" for _, fields in self.notify.seen[after:])
        wait_for(ready_or_dead, "READY=1", seconds)

    def wait_log(self, pattern, after=0, seconds=15.0):
        """Waits for a match in the log behind byte `after`; the match."""
        def look():
            data = self.log_path.read_bytes()[after:].decode(errors="replace")
            return re.search(pattern, data, re.MULTILINE | re.IGNORECASE)
        return wait_for(look, f"a log line like {pattern!r}", seconds)

    def workers(self, service=None):
        """Pids of the workers that have their title, sorted."""
        found = []
        for pid in children(self.pid):
            match = re.match(r"musterd: worker (\S+)", title(pid))
            if match and service in (None, match.group(1)):
                found.append(pid)
        return found

    def wait_workers(self, n, service=None, without=(), seconds=15.0):
        """Waits until there are exactly n workers and none of `without`; their pids."""
        def look():
            pids = self.workers(service)
            return (pids,) if len(pids) == n and not set(pids) & set(without) else None
        return wait_for(look, f"{n} workers of {service or 'all services'}", seconds)[0]

    def send_signal(self, number):
        self.process.send_signal(number)

    def reload(self, seconds=15.0):
        """HUP, and waits until the reload is over: READY=1 after RELOADING=1."""
        before = self.notify.count()
        self.send_signal(signal.SIGHUP)
        number, _ = self.notify.wait("RELOADING", "1", before, seconds)
        return self.notify.wait("READY", "1", number - 1, seconds)[1]

    def can_upgrade(self):
        """This build upgrades itself in place: it does not ignore SIGUSR2."""
        return not int(status_field(self.pid, "SigIgn"), 16) & 1 << (signal.SIGUSR2 - 1)

    def upgrade(self, seconds=15.0):
        """USR2, and waits until another image of the program serves under the same process id."""
        before, image = self.notify.count(), program_image(self.pid)
        self.send_signal(signal.SIGUSR2)

        def over():
            self.notify.poll()
            for _, fields in self.notify.seen[before:]:
                assert not fields.get("STATUS", "").startswith("Upgrade refused"), fields["STATUS"]
            return program_image(self.pid) != image
        wait_for(over, "another image of the program", seconds)
        self.wait_ready(before, seconds)

    def wait_exit(self, status=0, seconds=40.0):
        """Waits for the end; its status must be the one given (None: any)."""
        try:
            code = self.process.wait(deadline(seconds))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end in {deadline(seconds):.0f} s") from None
        assert status is None or code == status, f"exit status {code}, not {status}"
        return code

    def stop(self, number=signal.SIGTERM, status=0):
        self.send_signal(number)
        return self.wait_exit(status)

    def clean_up(self):
        """For Case: what still runs is stopped in order, and must obey."""
        running = self.process.poll() is None
        try:
            if running:
                self.stop()
        finally:
            if self.process.poll() is None:
                for pid in descendants(self.pid) | {self.pid}:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()
            self.notify.close()


class Load:
    """tests/tools/load running against a server; stop() gives what it counted."""

    def __init__(self, case, port, bodies, keep_alive=8, per_request=8, pause_ms=2, path="/",
                 host="127.0.0.1", failures=None):
        """host: an address, or the path of a Unix socket. failures: a file for all failures, as JSON lines."""
        command = [LOAD, "-k", str(keep_alive), "-c", str(per_request), "-w", str(pause_ms), "-p", path]
        for body in bodies:
            command += ["-b", str(body)]
        command += [str(host)] if isinstance(host, pathlib.Path) else [host, str(port)]
        with contextlib.ExitStack() as stack:
            stderr = subprocess.STDOUT
            if failures:
                command.insert(1, "-v")
                stderr = stack.enter_context(open(failures, "wb"))
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        case.defer(self.kill)
        # It says so when each of its clients has had an answer.
        if select.select([self.process.stdout], [], [], deadline(30))[0]:
            first = self.process.stdout.readline()
        else:
            first = ""
        if first != "running\n":
            # It may have said that something failed, and go on.
            self.process.terminate()
            raise AssertionError(f"not all clients are served: {first}{self.process.stdout.read()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """Ends the load; (exit status, dict of its JSON line, all it said)."""
        import json
        self.process.terminate()
        text = self.process.communicate(timeout=deadline(60))[0]
        return self.process.returncode, json.loads(text.splitlines()[-1]), text

    def stop_clean(self):
        """Ends the load, of which not one request may have failed; its counts."""
        status, counts, text = self.stop()
        assert status == 0 and counts["failures"] == 0, f"failed requests: {text}"
        return counts


# ----------------------------------------------------------------------------------- test case

class Case:
    """What one run of one test owns."""

    def __init__(self, name, mode=None):
        self.name = name
        self.connections = mode  # of for_both_modes: 1 or 64
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="musterd-test-"))
        self.folder.chmod(0o755)
        self.servers = []
        self.deferred = []
        self.reserved = []

    def defer(self, action, *args):
        """Runs action at the end of the test, last first."""
        self.deferred.append((action, args))

    def skip(self, reason):
        raise Skip(reason)

    def need_root(self):
        if os.geteuid() != 0:
            self.skip("needs root")

    def port(self):
        """A free port of all families. It stays reserved: bound, not listening, with SO_REUSEADDR, so
        that the server can bind it and no other process is given it."""
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("", 0))
        self.reserved.append(sock)
        return sock.getsockname()[1]

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text)
        path.chmod(mode)
        return path

    def conf(self, text, name="musterd.conf"):
        return self.write(name, text)

    def service(self, handler, name="svc", listen=None, workers=2, extra="", connections=None):
        """The text of a service block, in the mode of for_both_modes; and its port."""
        port = None
        if listen is None:
            port = self.port()
            listen = f"127.0.0.1:{port}"
        connections = connections or self.connections
        lines = [f"service {name} {{", f"    listen {listen}", f"    handler {handler}",
                 f"    workers {workers}"]
        if connections:
            lines.append(f"    connections {connections}")
        lines += ["    " + line.strip() for line in extra.splitlines() if line.strip()]
        return "\n".join(lines) + "\n}\n", port

    def server(self, conf, *args, **options):
        """Starts musterd with the configuration text (or a path to one) and waits until it is READY."""
        if isinstance(conf, str):
            conf = self.conf(conf)
        return Server(self, conf, args, **options)

    def run(self, *args, status=None, env=None, **options):
        """Runs musterd to its end; CompletedProcess with text."""
        command = options.pop("command", [MUSTERD, *map(str, args)])
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace",
                              timeout=deadline(30), cwd=self.folder,
                              env=dict(os.environ, **(env or {})), **options)
        assert not SANITIZER_REPORT.search(done.stderr), done.stderr
        assert status is None or done.returncode == status, \
            f"exit status {done.returncode}, not {status}; said: {done.stdout}{done.stderr}"
        return done

    def load(self, port, bodies, **options):
        return Load(self, port, bodies, **options)

    def logs(self):
        text = ""
        for path in sorted(self.folder.glob("*.log")):
            text += f"--- {path.name}\n{path.read_text(errors='replace')}"
        return text

    def clean_up(self):
        """Ends what the test left; the reasons why the test fails for what was found here."""
        problems = []
        for action, args in reversed(self.deferred):
            self._attempt(problems, action, *args)
        for server in reversed(self.servers):
            self._attempt(problems, server.clean_up)
        for sock in self.reserved:
            sock.close()
        self._attempt(problems, self._no_process_left)
        if SANITIZER_REPORT.search(self.logs()):
            problems.append("a sanitizer reported an error, see the log")
        return problems

    @staticmethod
    def _attempt(problems, action, *args):
        try:
            action(*args)
        except (AssertionError, OSError) as error:
            problems.append(f"{type(error).__name__}: {error}")

    @staticmethod
    def _no_process_left():
        def none_left():
            reap_strangers()
            return not descendants(os.getpid())
        try:
            wait_for(none_left, "the end of all processes", 5)
        except AssertionError:
            left = {pid: title(pid) for pid in descendants(os.getpid())}
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_for(none_left, "the end of killed processes", 5)
            raise AssertionError(f"processes were left behind: {left}") from None


# ---------------------------------------------------------------------------------------- runs

_tests = []


def test(function):
    """Marks a test."""
    _tests.append((function.__name__, function, None))
    return function


def for_both_modes(function):
    """Marks a test that runs twice: case.connections is 1 (direct), then 64 (multiplexed)."""
    _tests.append((function.__name__ + "_direct", function, 1))
    _tests.append((function.__name__ + "_multiplexed", function, 64))
    return function


def nobody():
    """The user nobody, or Skip."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise Skip("there is no user nobody") from None


def _run_one(name, function, mode, options):
    case = Case(name, mode)
    begin = time.monotonic()
    reason, skipped = None, None
    try:
        function(case)
    except Skip as skip:
        skipped = str(skip)
    except Exception:  # whatever a test raises is its failure
        reason = traceback.format_exc()
    except BaseException:  # we are being stopped, and leave nothing behind
        case.clean_up()
        raise
    problems = case.clean_up()
    if problems:
        reason = (reason or "") + "\n".join(problems)
    if reason:
        print(f"not ok {name}\n{reason.rstrip()}")
    else:
        took = f" # {time.monotonic() - begin:.2f} s" if options.verbose else ""
        print(f"ok {name}" + (f" # SKIP {skipped}" if skipped else took))
    if reason or options.verbose:
        print(case.logs(), end="")
    if options.keep:
        print(f"# {case.folder}")
    else:
        shutil.rmtree(case.folder, ignore_errors=True)
    sys.stdout.flush()
    return "failed" if reason else "skipped" if skipped else "passed"


def main():
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--only", metavar="NAME", help="the tests whose name contains NAME")
    parser.add_argument("--list", action="store_true", help="name the tests")
    parser.add_argument("--keep", action="store_true", help="leave the folders")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the logs always")
    options = parser.parse_args()
    chosen = [entry for entry in _tests if not options.only or options.only in entry[0]]
    if options.list:
        print("\n".join(name for name, _, _ in chosen))
        return
    if not os.access(MUSTERD, os.X_OK):
        print(f"no program {MUSTERD}: set MUSTERD")
        sys.exit(1)
    become_subreaper()
    # A shell ignores these in what it starts in the background; what we start is asked by them to end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for entry in chosen:
        counts[_run_one(*entry, options)] += 1
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    if counts["failed"] or not chosen:
        sys.exit(1)
    sys.exit(0 if counts["passed"] else 77)
