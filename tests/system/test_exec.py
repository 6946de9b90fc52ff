#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program for each connection: what it is given, how it ends, and that nothing is left of it."""

import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

from harness import (EX_CONFIG, children, connect, for_both_modes, is_alive, main, nobody,
                     proc_stat, read_all, test, wait_for)

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def shell(case, script, block="", extra="", workers=1, connections=None, log="debug", start="#!/bin/sh\n",
          args="", name="program", **options):
    """A server whose only service runs a shell script; (server, port, path of the script)."""
    path = case.write(name, start + script, 0o755)
    text, port = case.service(f"exec {{ command {path} {args}; {block} }}", workers=workers, extra=extra,
                              connections=connections)
    return case.server(f"log stderr {log}\n{text}", **options), port, path


def say(sock, data=b""):
    """Sends data, if there is any, and its end, and reads all that comes back."""
    if data:  # of nothing, too, a Unix socket says that the other end is closed
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    return read_all(sock)


def talk(port, data=b"", host="127.0.0.1"):
    with connect(port, host) as sock:
        return say(sock, data).decode()


def wait_says(port, text):
    """After a reload: the old worker may take one connection more."""
    wait_for(lambda: talk(port) == text, f"the answer {text!r}")


def environment(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def worker_is_clean(worker):
    """It has no child, neither running nor as a zombie."""
    return not any(stat and stat[1] == worker
                   for stat in (proc_stat(int(name)) for name in os.listdir("/proc") if name.isdigit()))


def count_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


# ---------------------------------------------------------------------------- what it is given

@for_both_modes
def environment_over_ipv4(case):
    text, port = case.service("exec { command /usr/bin/env }", workers=1)
    case.server(text, env={"SECRET": "of the master"})
    with connect(port) as sock:
        own = str(sock.getsockname()[1])
        got = environment(say(sock).decode())
    assert got == {"PATH": PATH, "PROTO": "TCP", "TCPLOCALIP": "127.0.0.1", "TCPLOCALPORT": str(port),
                   "TCPREMOTEIP": "127.0.0.1", "TCPREMOTEPORT": own, "REMOTE_ADDR": "127.0.0.1",
                   "REMOTE_PORT": own}, got


@test
def environment_over_ipv6(case):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        case.skip("no IPv6 here")
    port = case.port()
    text, _ = case.service("exec { command env }", listen=f"*:{port}", workers=1)
    case.server(text)
    with connect(port, "::1") as sock:
        own = str(sock.getsockname()[1])
        got = environment(say(sock).decode())
    assert got == {"PATH": PATH, "PROTO": "TCP6", "TCPLOCALIP": "::1", "TCP6LOCALIP": "::1",
                   "TCPLOCALPORT": str(port), "TCP6LOCALPORT": str(port), "TCPREMOTEIP": "::1",
                   "TCP6REMOTEIP": "::1", "TCPREMOTEPORT": own, "TCP6REMOTEPORT": own,
                   "REMOTE_ADDR": "::1", "REMOTE_PORT": own}, got
    # Who comes by IPv4 to the same socket is told so.
    got = environment(talk(port))
    assert got["PROTO"] == "TCP" and got["TCPREMOTEIP"] == got["TCPLOCALIP"] == "127.0.0.1", got
    assert "TCP6REMOTEIP" not in got, got


@for_both_modes
def environment_over_a_unix_socket(case):
    path = case.folder / "sock"
    text, _ = case.service("exec { command env }", listen=f"unix:{path}", workers=1)
    case.server(text)
    got = environment(talk(None, host=path))
    assert got == {"PATH": PATH, "PROTO": "UNIX", "UNIXLOCALPATH": str(path),
                   "UNIXREMOTEPID": str(os.getpid()), "UNIXREMOTEEUID": str(os.geteuid()),
                   "UNIXREMOTEEGID": str(os.getegid())}, got


@test
def environment_is_what_the_configuration_adds(case):
    block = ('env "GREETING=good day" EMPTY= REMOTE_ADDR=elsewhere PATH=/bin:/usr/bin; env LATE=yes; '
             "pass-env WANTED ABSENT")
    text, port = case.service(f"exec {{ command env; {block} }}", workers=1)
    case.server(text, env={"WANTED": "is passed", "UNWANTED": "is not"})
    with connect(port) as sock:
        lines = say(sock).decode().splitlines()
    got = environment("\n".join(lines))
    assert len(got) == len(lines), "a variable stands twice"
    assert got["GREETING"] == "good day" and got["EMPTY"] == "" and got["LATE"] == "yes", got
    assert got["REMOTE_ADDR"] == "elsewhere" and got["PATH"] == "/bin:/usr/bin", got
    assert got["WANTED"] == "is passed" and "UNWANTED" not in got and "ABSENT" not in got, got
    assert got["TCPREMOTEIP"] == "127.0.0.1", got


@test
def name_arguments_and_folder(case):
    block = "argv0 -login; folder /usr"
    script = quoted('echo "$0"; pwd; echo "$# $1|$2"')
    text, port = case.service(f"exec {{ command sh -c {script} -zero one 'two words'; {block} }}", workers=1)
    case.server(text)
    assert talk(port) == "-zero\n/usr\n2 one|two words\n"
    text = text.replace(f"-c {script} -zero one 'two words'", f"-c {quoted('cat /proc/$$/cmdline')}")
    case.conf(text)
    case.servers[0].reload()
    wait_for(lambda: talk(port).startswith("-login\0-c\0"), "the other name")


@for_both_modes
def nothing_else_is_open_and_no_signal_is_touched(case):
    # By the shell itself: it blocks signals while it starts others.
    script = "while read line; do echo $line; done </proc/self/status; ls -l /proc/$$/fd; ulimit -Sn; ulimit -Hn\n"
    server, port, _ = shell(case, script, connections=case.connections if case.connections == 1 else 5000)
    got = talk(port)
    for name in ("SigIgn", "SigBlk"):
        assert int(re.search(rf"^{name}:\s*(\w+)", got, re.M).group(1), 16) == 0, (name, got)
    found = dict(re.findall(r" (\d+) -> (.*)$", got, re.M))
    # The shell has its script.
    assert found["0"] == found["1"] and found["0"].startswith("socket:"), found
    assert found["2"].startswith("pipe:"), found
    assert all(name.endswith("/program") for number, name in found.items() if int(number) > 2), found
    pid, group = (re.search(rf"^{name}:\s*(\d+)", got, re.M).group(1) for name in ("Pid", "NSpgid"))
    assert pid == group, got
    # The worker has raised its own limit; select(2) in the program must not meet large numbers.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = [str(limit) if limit != resource.RLIM_INFINITY else "unlimited" for limit in (soft, hard)]
    assert got.splitlines()[-2:] == limits, (got.splitlines()[-2:], limits)


@test
def descriptors_block_and_bytes_are_whole(case):
    text, port = case.service("exec { command cat }", workers=1)
    case.server(text)
    data = os.urandom(3_000_000)
    with connect(port) as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
        sender.start()
        got = read_all(sock)
        sender.join()
    assert got == data, f"{len(got)} of {len(data)} bytes, or others"


@test
def privileges_are_those_of_the_service(case):
    case.need_root()
    user = nobody()
    script = "id -u; id -g; umask; grep NoNewPrivs: /proc/$$/status; ulimit -Sn; ulimit -Hn; ulimit -c; pwd\n"
    extra = (f"user {user.pw_name}\numask 0027\nlimit {{ nofile 333; core 0 }}\nno-new-privileges yes")
    _, port, _ = shell(case, script, extra=extra)
    assert talk(port).split() == [str(user.pw_uid), str(user.pw_gid), "0027", "NoNewPrivs:", "1", "333", "333",
                                  "0", "/"]


def copy_with_libraries(root, program):
    """A program and what it is linked with, as in a chroot that somebody made by hand."""
    said = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    for path in [program, *re.findall(r"(/\S+) \(0x", said)]:
        place = pathlib.Path(str(root) + path)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


@test
def chroot_has_its_own_programs(case):
    case.need_root()
    if not shutil.which("ldd"):
        case.skip("no ldd")
    root = case.folder / "root"
    root.mkdir(mode=0o755)
    # An absolute link leads to another place within the chroot than outside.
    (root / "bin").mkdir()
    (root / "bin/link").symlink_to("/bin/cat")
    for name in ("/bin/link", "cat"):
        text, port = case.service(f"exec {{ command {name}; stderr null }}", workers=1, extra=f"chroot {root}")
        done = case.run("-t", "-c", case.conf(text), status=EX_CONFIG)
        assert ("No such file" in done.stderr or "no program `cat`" in done.stderr) and \
            "below the chroot" in done.stderr, done.stderr
    shutil.copy("/bin/cat", root / "bin/cat")
    done = case.run("-t", "-c", case.conf(text), status=EX_CONFIG)
    assert "its loader `/lib" in done.stderr, done.stderr
    copy_with_libraries(root, "/bin/cat")
    text, port = case.service("exec { command /bin/link; stderr null }", workers=1, extra=f"chroot {root}")
    case.server(text)
    assert talk(port, b"from within") == "from within"


# ------------------------------------------------------------------------------ standard error

@for_both_modes
def standard_error_goes_where_it_is_said(case):
    script = "echo to the client; echo to the side >&2; printf 'nul\\000 and \\033[1m' >&2\n"
    server, port, path = shell(case, script)
    assert talk(port) == "to the client\n"
    server.wait_log(r"notice svc 1\[\d+\]: 127\.0\.0\.1:\d+: program: to the side$")
    server.wait_log(r"program: nul\\x00 and \\x1b\[1m$")
    conf = (case.folder / "musterd.conf").read_text()
    old = server.workers()
    case.conf(conf.replace("exec {", "exec { stderr client;"))
    server.reload()
    server.wait_workers(len(old), without=old)
    wait_says(port, "to the client\nto the side\nnul\0 and \033[1m")
    size, old = server.log_size(), server.workers()
    case.conf(conf.replace("exec {", "exec { stderr null;"))
    server.reload()
    server.wait_workers(len(old), without=old)
    wait_says(port, "to the client\n")
    server.wait_log("program: exit status 0", after=size)
    assert "to the side" not in server.log()[size:]


@test
def lines_of_several_programs_do_not_mix(case):
    # Each writes its lines in pieces, while the others do the same.
    script = ('read name; i=0; while [ $i -lt 30 ]; do for part in a b c d e f g h; do printf "<$name$part" >&2; '
              "done; echo '>' >&2; i=$((i+1)); done\n")
    server, port, _ = shell(case, script, connections=40)
    socks = [connect(port) for _ in range(12)]
    for number, sock in enumerate(socks):
        sock.sendall(b"%d\n" % number)
    for sock in socks:
        assert read_all(sock) == b""
        sock.close()
    wait_for(lambda: server.log().count("exit status 0") == 12, "the end of all")
    lines = re.findall(r"program: (<.*)$", server.log(), re.M)
    assert len(lines) == 12 * 30, len(lines)
    for line in lines:
        name = re.match(r"<(\d+)a", line).group(1)
        assert line == "".join(f"<{name}{part}" for part in "abcdefgh") + ">", line


@test
def a_very_long_line_is_logged_in_pieces(case):
    server, port, _ = shell(case, "head -c 100000 /dev/zero | tr '\\000' x >&2; echo the end >&2\n")
    assert talk(port) == ""
    server.wait_log("the end$")
    assert sum(map(len, re.findall(r"program: (x+)", server.log()))) == 100000


# ------------------------------------------------------------------------------------- its end

@for_both_modes
def how_it_ended_is_logged(case):
    server, port, _ = shell(case, 'read how; case $how in *[0-9]) exit $how;; *) kill -$how $$;; esac\n')
    for how, line in (("0", r"debug .*: program: exit status 0$"), ("3", r"notice .*: program: exit status 3$"),
                      ("SEGV", r"notice .*: program: killed by SIGSEGV"),
                      ("KILL", r"notice .*: program: killed by SIGKILL$")):
        assert talk(port, how.encode() + b"\n") == ""
        server.wait_log(line)


@test
def forty_at_once_are_told_apart(case):
    # No `connections`: forty is what the handler says.
    server, port, _ = shell(case, "read status; echo $$; read end; exit $status\n")
    worker = server.wait_workers(1)[0]
    before = count_files(worker)
    socks = [connect(port) for _ in range(40)]
    pids = []
    for number, sock in enumerate(socks, 1):
        sock.sendall(b"%d\n" % number)
        pids.append(int(sock.recv(64)))
    assert sorted(pids) == children(worker)
    # The next one waits in the queue.
    late = connect(port)
    late.sendall(b"77\n")
    status = {sock.getsockname()[1]: number for number, sock in enumerate(socks, 1)}
    for sock in socks:
        sock.sendall(b"end\n")
        assert read_all(sock) == b""
        sock.close()
    assert int(late.recv(64)) > 0
    late.close()
    for port_, number in status.items():
        server.wait_log(rf"127\.0\.0\.1:{port_}: program: exit status {number}$")
    wait_for(lambda: worker_is_clean(worker), "no zombie")
    wait_for(lambda: count_files(worker) == before, "as many open files as before")
    server.stop()


@test
def many_short_ones_are_all_served(case):
    # As one begins others end: what they close must be closed, or the worker hears of strangers' events.
    text, port = case.service("exec { command cat }", workers=1)
    server = case.server(text)
    failures = []

    def client(number):
        for turn in range(60):
            sent = b"%063d\n" % (number * 1000 + turn)
            try:
                with connect(port) as sock:
                    sock.sendall(sent)
                    got = sock.recv(64, socket.MSG_WAITALL)
            except OSError as error:
                got = error
            if got != sent:
                failures.append((number, turn, got))
    clients = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert not failures, (len(failures), failures[:3])
    worker = server.wait_workers(1)[0]
    wait_for(lambda: worker_is_clean(worker), "no zombie")


@test
def who_finds_no_place_waits_or_is_refused(case):
    server, port, _ = shell(case, "echo here; read line\n", connections=2)
    first, second, third = (connect(port) for _ in range(3))
    assert first.recv(8) == second.recv(8) == b"here\n"
    third.settimeout(0.3)
    try:
        third.recv(8)
        raise AssertionError("the third was served beside two others")
    except TimeoutError:
        third.settimeout(15)
    first.close()
    assert third.recv(8) == b"here\n"
    second.close()
    third.close()
    server.stop()
    server, port, _ = shell(case, "echo here; read line\n", connections=1, extra="overflow refuse")
    with connect(port) as first:
        assert first.recv(8) == b"here\n"

        def refused():
            with connect(port) as late:
                late.settimeout(1)
                try:
                    return late.recv(8) == b""
                except ConnectionResetError:
                    return True
                except TimeoutError:
                    return False
        wait_for(refused, "a refusal")


def pids_of(sock, n):
    """What the program says first: a line of n process ids."""
    data = b""
    while not data.endswith(b"\n"):
        piece = sock.recv(1)
        assert piece, f"the stream ended after {data!r}"
        data += piece
    pids = [int(word) for word in data.split()]
    assert len(pids) == n, data
    return pids


STUBBORN = "trap '' TERM; sleep 1000 & echo $$ $!; wait; sleep 1000\n"


@for_both_modes
def time_limit_ends_a_program_that_ignores_it(case):
    server, port, _ = shell(case, STUBBORN, block="kill-after 200ms", extra="timeout { request 1s }")
    worker = server.wait_workers(1)[0]
    with connect(port) as sock:
        pids = pids_of(sock, 2)
        assert read_all(sock) == b""
    server.wait_log(r"127\.0\.0\.1:\d+: .*request.* limit")
    server.wait_log(r"program: killed by SIGKILL$")
    wait_for(lambda: not any(is_alive(pid) for pid in pids), "the end of the whole group")
    wait_for(lambda: worker_is_clean(worker), "no zombie")
    assert server.workers() == [worker]


# The shell dies of TERM at once, what it has started ignores it.
WRAPPER = "(trap '' TERM; exec sleep 1000) & echo $$ $!; wait\n"


@for_both_modes
def time_limit_ends_what_a_wrapper_leaves_behind(case):
    server, port, _ = shell(case, WRAPPER, block="kill-after 1min", extra="timeout { request 1s }")
    with connect(port) as sock:
        pids = pids_of(sock, 2)
        assert read_all(sock) == b""
    server.wait_log(r"program: killed by SIGTERM$")
    wait_for(lambda: not any(is_alive(pid) for pid in pids), "the end of the whole group")


@for_both_modes
def drain_limit_ends_what_a_wrapper_leaves_behind(case):
    server, port, _ = shell(case, WRAPPER, block="kill-after 1s", extra="timeout { drain 2s }")
    with connect(port) as sock:
        pids = pids_of(sock, 2)
        server.send_signal(signal.SIGTERM)
        assert read_all(sock) == b""
    server.wait_exit()
    wait_for(lambda: not any(is_alive(pid) for pid in pids), "the end of the whole group")


@test
def time_limit_asks_first_and_wakes_who_is_stopped(case):
    server, port, _ = shell(case, "trap 'echo goodbye; exit 5' TERM; echo $$; kill -STOP $$\n",
                            block="kill-after 1min", extra="timeout { request 1s }")
    with connect(port) as sock:
        pids_of(sock, 1)
        assert read_all(sock) == b"goodbye\n"
    server.wait_log(r"program: exit status 5$")


@for_both_modes
def who_says_nothing_for_long_is_not_idle(case):
    server, port, _ = shell(case, "read line; echo $line\n", extra="timeout { idle 100ms }")
    with connect(port) as sock:
        time.sleep(0.5)  # five times the limit that must not count
        sock.sendall(b"still here\n")
        assert read_all(sock) == b"still here\n"


@for_both_modes
def drain_gives_time_to_finish(case):
    server, port, _ = shell(case, "echo $$; read line; echo $line\n", extra="timeout { drain 30s }")
    with connect(port) as sock:
        pids_of(sock, 1)
        server.send_signal(signal.SIGTERM)
        server.wait_log("graceful stop$")
        sock.sendall(b"finished in order\n")
        assert read_all(sock) == b"finished in order\n"
    server.wait_exit()


@for_both_modes
def drain_limit_asks_then_kills(case):
    server, port, _ = shell(case, "trap 'echo asked; asked=1' TERM; sleep 1000 & echo $$ $!; "
                                  "while :; do wait; sleep 0.1; done\n",
                            block="kill-after 1s", extra="timeout { drain 2s }")
    with connect(port) as sock:
        pids = pids_of(sock, 2)
        begin = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert sock.recv(64) == b"asked\n"
        asked = time.monotonic() - begin
        assert 0.5 < asked, f"it was asked after {asked:.1f} s already"
        assert read_all(sock) == b""
    server.wait_exit(status=None)
    wait_for(lambda: not any(is_alive(pid) for pid in pids), "the end of the whole group")


@test
def a_reload_lets_it_finish(case):
    server, port, path = shell(case, "echo $$; read line; echo old $line\n")
    with connect(port) as sock:
        pids_of(sock, 1)
        # The script is a part of the configuration.
        case.write("new", "#!/bin/sh\necho new\n", 0o755).rename(path)
        server.reload()
        server.wait_log(r"svc: changed: handler exec \{ command \}: ")
        wait_says(port, "new\n")
        sock.sendall(b"ends\n")
        assert read_all(sock) == b"old ends\n"


# ------------------------------------------------------------------------ what others do to it

@for_both_modes
def what_it_leaves_behind_holds_up_nobody(case):
    # The grandchild has the socket and standard error, and goes on with both.
    server, port, _ = shell(case, "exec 3<&0; (read line <&3; echo late $line) & echo $! ; exit 6\n", connections=case.connections)
    worker = server.wait_workers(1)[0]
    sock = connect(port)
    pid = pids_of(sock, 1)[0]
    server.wait_log(r"program: exit status 6$")
    wait_for(lambda: worker_is_clean(worker), "no zombie")
    with connect(port) as other:
        other_pid = pids_of(other, 1)[0]
    sock.sendall(b"line\n")
    assert read_all(sock) == b"late line\n"
    sock.close()
    wait_for(lambda: not is_alive(pid) and not is_alive(other_pid), "the end of the grandchildren")


LEAVES_BEHIND = "exec 3<&0; (while read line <&3; do echo late $line >&2; done; printf gone >&2) & echo $!; exit 6\n"


@for_both_modes
def what_it_leaves_behind_is_logged_until_its_own_end(case):
    server, port, _ = shell(case, LEAVES_BEHIND, connections=case.connections)
    worker = server.wait_workers(1)[0]
    before = count_files(worker)
    first = connect(port)
    pids_of(first, 1)
    server.wait_log(r"program: exit status 6$")
    peer = rf"127\.0\.0\.1:{first.getsockname()[1]}: program: "
    first.sendall(b"one\n")
    server.wait_log(rf"notice .*: {peer}late one$")
    # Others are served meanwhile, and both are told apart.
    with connect(port) as second:
        pids_of(second, 1)
        first.sendall(b"two\n")
        server.wait_log(peer + "late two$")
        second.sendall(b"three\n")
        server.wait_log(rf":{second.getsockname()[1]}: program: late three$")
    first.close()
    server.wait_log(peer + "gone$")
    wait_for(lambda: server.log().count("program: gone") == 2, "the end of both")
    wait_for(lambda: count_files(worker) == before, "as many open files as before")
    assert server.workers() == [worker]
    # Whoever is there at the end of the worker holds nothing up, and is heard until then.
    with connect(port) as last:
        pid = pids_of(last, 1)[0]
        last.sendall(b"four\n")
        server.wait_log("late four$")
        server.stop()
    wait_for(lambda: not is_alive(pid), "the end of the grandchild")


@for_both_modes
def what_is_left_behind_takes_no_descriptors_from_clients(case):
    server, port, _ = shell(case, LEAVES_BEHIND, connections=min(case.connections, 8), extra="limit { nofile 80 }")
    worker = server.wait_workers(1)[0]
    socks, before = [], count_files(worker)
    for number in range(70):
        socks.append(connect(port))
        pids_of(socks[-1], 1)
        wait_for(lambda: server.log().count("exit status 6") > number, "its end")
    assert len(re.findall("what it has left behind is not logged, as 20 others are", server.log())) == 1, server.log()
    assert count_files(worker) - before == 20
    socks[0].sendall(b"heard\n")
    server.wait_log("late heard$")
    for sock in socks:
        sock.close()
    wait_for(lambda: count_files(worker) == before, "as many open files as before")


@for_both_modes
def a_client_that_goes_away_is_the_programs_affair(case):
    server, port, _ = shell(case, "echo $$; read line || exit 7\n")
    with connect(port) as sock:
        pids_of(sock, 1)
    server.wait_log(r"program: exit status 7$")
    assert int(talk(port)) > 0
    _, port, _ = shell(case, "echo $$; exec yes\n", name="yes")
    with connect(port) as sock:
        pid = pids_of(sock, 1)[0]
    wait_for(lambda: not is_alive(pid), "the end of who writes to nobody")


@for_both_modes
def a_program_may_close_its_socket_early(case):
    server, port, _ = shell(case, 'echo goodbye; exec <&- >&-; while [ ! -e "$1" ]; do sleep 0.05; done; exit 8\n',
                            args=str(case.folder / "go"))
    worker = server.wait_workers(1)[0]
    with connect(port) as sock:
        assert read_all(sock) == b"goodbye\n"
    assert len(children(worker)) == 1, "it does not run any more"
    case.write("go", "")
    server.wait_log(r"program: exit status 8$")


@for_both_modes
def it_dies_with_its_worker(case):
    server, port, _ = shell(case, "echo $$; exec sleep 1000\n")
    with connect(port) as sock:
        pid = pids_of(sock, 1)[0]
        os.kill(server.wait_workers(1)[0], signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), "the end of the program")
    assert int(connect(port).recv(64)) > 0


@test
def a_master_that_dies_takes_them_along(case):
    server, port, _ = shell(case, "echo $$; exec sleep 1000\n", extra="timeout { orphan 100ms }")
    with connect(port) as sock:
        pid = pids_of(sock, 1)[0]
        workers = server.workers()
        server.send_signal(signal.SIGKILL)
        server.wait_exit(status=-signal.SIGKILL)
        wait_for(lambda: not any(is_alive(one) for one in [pid, *workers]), "the end of all")


# -------------------------------------------------------------------------- what cannot be run

@test
def what_cannot_be_run_is_an_error_of_the_configuration(case):
    plain = case.write("plain", "#!/bin/sh\n")
    missing = case.write("missing", "#!/nonexistent/ksh -e\n", 0o755)
    dos = case.write("dos", "#!/bin/sh\r\necho\r\n", 0o755)
    text = case.write("text", "echo hello\n", 0o755)
    empty = case.write("empty", "", 0o755)
    chain = case.write("chain", f"#!{missing}\n", 0o755)
    cases = {
        "/nonexistent/program": "`/nonexistent/program` cannot be run: No such file or directory",
        "nonexistent-program": "there is no program `nonexistent-program` in /usr/local/sbin:",
        "./program": "by its absolute path or by its name alone",
        "bin/program": "by its absolute path or by its name alone",
        "\"\"": "the program has no name",
        "/usr": "it is a folder",
        "/dev/null": "it is not a regular file",
        plain: "it is not executable (chmod +x)",
        missing: "its interpreter `/nonexistent/ksh`: No such file or directory",
        chain: f"its interpreter `{missing}`: its interpreter `/nonexistent/ksh`: No such file or directory",
        dos: "carriage return",
        text: "without a first line that names its interpreter: #!/bin/sh",
        empty: "it is empty",
        "cat; folder /nonexistent": "`folder /nonexistent`: No such file or directory",
        "cat; folder /bin/cat": "`folder /bin/cat`: it is not a folder",
        "cat; folder relative": "`folder` wants an absolute path",
        "cat; env NOTHING": "`env` wants NAME=VALUE, not `NOTHING`",
        "cat; env =x": "not `=`",
        "cat; env A=1 B=2; env A=3": "`env` sets A twice",
        "cat; pass-env A=1": "`pass-env` wants the name of a variable",
        "cat; pass-env A; env A=1": "`pass-env A`, but `env` sets it already",
        "cat; kill-after 0": "`kill-after` must be",
        "cat; stderr stdout": "`stderr` wants log|client|null",
        "cat; command tac": "`command` is given twice",
    }
    for command, wrong in cases.items():
        conf, _ = case.service(f"exec {{ command {command} }}")
        done = case.run("-t", "-c", case.conf(conf), status=EX_CONFIG)
        if command == "cat; env =x":
            assert "env" in done.stderr and "=x" in done.stderr, done.stderr
            continue
        assert wrong in done.stderr, (command, done.stderr)
        assert done.stderr.count(": ") and "musterd.conf:3:" in done.stderr, done.stderr
    conf, _ = case.service("exec")
    assert "has no `command`" in case.run("-t", "-c", case.conf(conf), status=EX_CONFIG).stderr
    conf, _ = case.service("exec { command }")
    assert "needs a program" in case.run("-t", "-c", case.conf(conf), status=EX_CONFIG).stderr


@test
def what_the_user_may_not_run_is_seen_at_the_start(case):
    case.need_root()
    user = nobody()
    path = case.write("program", "#!/bin/sh\necho served\n", 0o700)
    text, port = case.service(f"exec {{ command {path} }}", workers=1, extra=f"user {user.pw_name}")
    done = case.run("-c", case.conf(text))
    assert done.returncode != 0 and f"{path} cannot be run: Permission denied" in done.stderr, done.stderr
    path.chmod(0o755)
    server = case.server(text)
    assert talk(port) == "served\n"
    path.chmod(0o700)
    case.conf(text.replace("command", "env A=1; command"))
    server.notify.poll()
    server.send_signal(signal.SIGHUP)
    server.wait_log("cannot be run: Permission denied")
    path.chmod(0o755)
    wait_for(lambda: talk(port) == "served\n", "the old generation to serve on")


@for_both_modes
def what_breaks_later_is_said_each_time_and_heals(case):
    server, port, path = shell(case, "echo served\n")
    worker = server.wait_workers(1)[0]
    before = count_files(worker)
    assert talk(port) == "served\n"
    path.rename(case.folder / "away")
    assert talk(port) == ""
    server.wait_log(rf"error .*: {path} cannot be run: No such file or directory$")
    case.write("program", "#!/nonexistent/sh\n", 0o755)
    assert talk(port) == ""
    server.wait_log(r"cannot be run: its interpreter `/nonexistent/sh`: No such file or directory$")
    path.chmod(0o644)
    assert talk(port) == ""
    server.wait_log(r"cannot be run: it is not executable")
    (case.folder / "away").rename(path)
    assert talk(port) == "served\n"
    assert server.workers() == [worker]
    wait_for(lambda: worker_is_clean(worker) and count_files(worker) == before, "nothing to be left over")


@test
def too_much_for_the_kernel_is_said(case):
    text, port = case.service("exec { command cat; pass-env HUGE }", workers=1)
    server = case.server(text, env={"HUGE": "x" * 130000})
    # One variable is just short enough for us to be started, and too long with its neighbours for nobody.
    assert talk(port, b"fits") == "fits"
    server.stop()


@test
def a_lack_of_descriptors_is_no_fault_of_the_program(case):
    server, port, path = shell(case, "read line; echo $line\n", connections=100, extra="limit { nofile 40 }")
    worker = server.wait_workers(1)[0]
    before = count_files(worker)
    # As many as fit are served, the others closed with the reason.
    socks = [connect(port) for _ in range(30)]
    server.wait_log(rf"error .*: {path} cannot be run: the worker has as many open files as its limit allows$")
    for sock in socks:
        sock.close()
    wait_for(lambda: worker_is_clean(worker) and count_files(worker) == before, "nothing to be left over")
    wait_for(lambda: talk(port, b"heals\n") == "heals\n", "a program to run again")


@test
def the_workers_requests_are_counted(case):
    server, port, _ = shell(case, "echo $PPID\n", extra="max-requests 5")
    pids = set()
    # The old one serves on until the new one does.
    wait_for(lambda: pids.add(talk(port)) or len(pids) > 1, "the worker to be replaced")


if __name__ == "__main__":
    main()
