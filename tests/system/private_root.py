# SPDX-License-Identifier: MIT
"""A root folder of a test's own, for what works on fixed paths: /etc, /run, /var and /opt are empty folders of the
test, programs and libraries are the machine's. It is entered in a mount namespace (and as an ordinary user in a user
namespace, as its root), so nothing of it is seen outside and nothing of the machine can be changed by its paths.

Packages that are unpacked somewhere can be laid over the machine's /bin, /sbin, /lib and /usr. The kernel's process ids are
shared: processes that a test starts here are found, and ended, as any others.
"""

import atexit
import contextlib
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

from harness import deadline, is_alive, wait_for
from tools import tool

# What dynamic linking, user names and Debian's alternatives (awk) need.
COPIED = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "hosts")
LINKED = ("alternatives", "ld.so.conf.d")

ENTER = """
set -eu
mount --rbind / "$1/host"
mount -o remount,bind,ro "$1/host" 2>/dev/null || :
for name in proc dev; do
    mount --rbind "/$name" "$1/$name"
done
# Devices work nevertheless; what their owner and mode are cannot be changed.
mount -o remount,bind,ro "$1/dev" 2>/dev/null || :
cd "$1"
exec chroot . /bin/sh -c 'echo entered; read end'
"""


def _graft(ours, machine, host, over):
    """The folder `ours` with links to all that the machine's folder has, but real folders where `over` has some,
    and the files of `over`."""
    ours.mkdir(exist_ok=True)
    for entry in sorted(over.iterdir()) if over and over.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            _graft(ours / entry.name, machine / entry.name, host / entry.name, entry)
        else:
            (ours / entry.name).symlink_to(pathlib.Path("/host") / entry.resolve().relative_to("/"))
    for name in os.listdir(machine) if machine.is_dir() else ():
        if not os.path.lexists(ours / name):
            (ours / name).symlink_to(host / name)


@functools.lru_cache(maxsize=None)
def _grafted(name, over, without):
    """The machine's folder /NAME with the files of over/NAME, less those of `without`: made once for all tests."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="musterd-graft-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    _graft(folder / name, pathlib.Path("/") / name, pathlib.Path("/host") / name, over and over / name)
    for path in without:
        (folder / path).unlink()
    return folder / name


class Command:
    """A program that runs in the root."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd="/", env={
                                            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})
        self.said = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with self.process.stdout:
            self.said = self.process.stdout.read()

    def _over(self):
        """Daemons that end are our children: like init we take note of that, or start-stop-daemon waits for them."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return True
            if ended is None or ended.si_pid == self.process.pid:
                return self.process.poll() is not None
            os.waitpid(ended.si_pid, 0)

    def end(self, status=0, seconds=60.0):
        """Waits for the end, which must have this status (None: any); what it said, to either output."""
        wait_for(self._over, f"the end of {self.command}", seconds)
        self.reader.join(deadline(15))
        assert not self.reader.is_alive(), f"something started by {self.command} holds its output open"
        text = self.said.decode(errors="replace")
        assert status is None or self.process.returncode == status, \
            f"{self.command} ends with {self.process.returncode}, not {status}; said: {text}"
        self.status = self.process.returncode
        return text


class PrivateRoot:
    def __init__(self, case, over=None, without=()):
        """over: the folder of unpacked packages. without: paths of the machine's that are not to be there."""
        self.case = case
        self.path = case.folder / "root"
        self._make(over, without)
        self._enter()

    def __truediv__(self, name):
        """A file of the root as seen from outside."""
        return self.path / str(name).lstrip("/")

    def _make(self, over, without):
        self.path.mkdir(mode=0o755)
        for name in ("host", "proc", "dev", "run", "etc/init.d", "etc/musterd", "etc/default", "var/log", "var/lib", "opt",
                     "root"):
            (self.path / name).mkdir(parents=True)
        (self.path / "tmp").mkdir()
        (self.path / "tmp").chmod(0o1777)
        (self.path / "var/run").symlink_to("/run")
        for name in COPIED:
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"/etc/{name}", self.path / "etc" / name)
        for name in LINKED:
            (self.path / "etc" / name).symlink_to(f"/host/etc/{name}")
        for name in ("bin", "sbin", "lib", "lib64", "usr"):
            machine = pathlib.Path("/") / name
            hidden = tuple(path for path in without if path.startswith(name + "/"))
            if over and (over / name).is_dir() or hidden:
                machine = _grafted(name, over, hidden)
            if machine.is_dir():
                (self.path / name).symlink_to(pathlib.Path("/host") / machine.relative_to("/"))

    def _enter(self):
        self.user = [] if os.geteuid() == 0 else ["-U"]
        command = [tool("unshare", "util-linux"), *self.user, *(["-r"] if self.user else []), "-m", "/bin/sh", "-c",
                   ENTER, "sh", str(self.path)]
        self.holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
        self.case.defer(self._leave)
        if self.holder.stdout.readline() != "entered\n":
            self.case.skip(f"no namespaces here: {self.holder.stderr.read().strip()}")

    def _leave(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()

    def begin(self, *command):
        """Starts a program in the root. Programs that are to run as its root only."""
        enter = [tool("nsenter", "util-linux"), "-t", str(self.holder.pid), "-m", "-r", "-w"]
        if self.user:
            enter += ["-U", "--preserve-credentials"]
        return Command([*enter, "--", *map(str, command)])

    def run(self, *command, status=0, seconds=60.0):
        """Runs it to its end; what it said."""
        return self.begin(*command).end(status, seconds)

    def has(self, name):
        command = self.begin("test", "-e", name)
        command.end(None)
        return command.status == 0

    def stop_at_end(self, pidfile):
        """The daemon of this pid file is ended with the test, if it is there then."""
        def stop():
            try:
                pid = int((self / pidfile).read_text())
            except (FileNotFoundError, ValueError):
                return
            # Not by its title: in the midst of an upgrade it has none.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if is_alive(pid) and pathlib.Path(f"/proc/{pid}/comm").read_text() == "musterd\n":
                    os.kill(pid, signal.SIGTERM)
                    os.kill(pid, signal.SIGCONT)
                    wait_for(lambda: not is_alive(pid), f"the end of the daemon {pid}")
        self.case.defer(stop)
