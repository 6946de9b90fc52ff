#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The handler `program`: pools of programs that accept by themselves, in Python, Perl and shell."""

import os
import re
import shutil
import signal
import socket
import sys
import time

from harness import (EX_CONFIG, Http, children, connect, deadline, is_alive, main, nobody, open_files, proc_stat, read_all,
                     test, title, wait_for, wait_refused)

# What any user may run.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable

# A pool's program as one would write it: blocking accept(), an answer a connection, it finishes on SIGTERM. An accept
# that waits 100 ms at a time lets no connection be lost between a look at the flag and the wait.
POOL = r'''
import os, signal, socket, struct, sys, time

def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))

def finish(*_):
    global finishing
    finishing = True

finishing = False
signal.signal(signal.SIGTERM, finish)
listener = socket.socket(fileno=3)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 100000))
body = open(sys.argv[1], "rb").read()
notify("READY=1\nSTATUS=serving " + sys.argv[1])
while not finishing:
    try:
        sock = listener.accept()[0]
    except BlockingIOError:
        continue
    sock.settimeout(20)
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(65536)
        if not piece:
            break
        head += piece
    if head.startswith(b"GET /slow"):
        notify("STATUS=slow")
        while not os.path.exists(sys.argv[1] + ".go"):
            time.sleep(0.01)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    sock.shutdown(socket.SHUT_WR)
    sock.close()
'''

# Says what it was given, in answer to each connection; tells musterd what the client sends.
TELLER = r'''
import fcntl, os, socket

def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text, os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))

notify(b"READY=1")
listener = socket.socket(fileno=3)
flags = fcntl.fcntl(3, fcntl.F_GETFL)
while True:
    sock = listener.accept()[0]
    said = sock.recv(65536)
    if said.startswith(b"!"):
        notify(said[1:])
    elif said == b"flood":
        for i in range(20000):
            notify(b"STATUS=number %d" % i)
    names = []
    for fd in sorted(os.listdir("/proc/self/fd")):
        try:
            names.append(os.readlink("/proc/self/fd/" + fd).split(":")[0])
        except FileNotFoundError:
            pass  # the folder that was listed
    sock.sendall(repr({"env": dict(os.environ), "nonblocking": bool(flags & os.O_NONBLOCK), "pid": os.getpid(),
                       "argv0": open("/proc/self/cmdline").read().split("\0")[0], "fds": names,
                       "folder": os.getcwd(), "pgrp": os.getpgrp(), "uid": os.getuid()}).encode())
    sock.close()
'''


def python(case, name, text, arguments="", extra=""):
    """The handler that runs this text."""
    path = case.write(name, text)
    return f"program {{ command {PYTHON} {path} {arguments}; {extra} }}"


def ask(port, text="?", host="127.0.0.1"):
    """What the teller says."""
    with connect(port, host) as sock:
        sock.sendall(text.encode())
        return eval(read_all(sock).decode())  # our own program's repr()


def get(port, path="/"):
    with Http(port) as http:
        return http.get(path).body


def ask_slowly(worker, http):
    """The pool's program has accepted this connection, and answers when there is a file BODY.go."""
    http.send("GET /slow HTTP/1.1\r\n\r\n")
    wait_for(lambda: title(worker).endswith("serving: slow"), "the program to have the request")


def program_of(worker):
    """The process that this worker runs."""
    return wait_for(lambda: children(worker), "the worker's program")[0]


def pool(case, body="page", extra="", workers=2, block="", listen=None, name="app"):
    """A service of the pool's program that answers with this text; its port."""
    case.write("body-" + body, body)
    return case.service(python(case, "pool.py", POOL, case.folder / ("body-" + body), block), name=name,
                        workers=workers, extra=extra, listen=listen)


# ------------------------------------------------------------------------------------ what it is given

@test
def it_is_given_what_socket_activation_gives(case):
    handler = python(case, "teller.py", TELLER, extra="env COLOR=blue; folder /usr; argv0 python3; watchdog 1h")
    text, port = case.service(handler, name="app", workers=1)
    server = case.server(text, env={"SECRET": "x"})
    worker, = server.wait_workers(1, "app")
    told = ask(port)
    env = told["env"]
    assert env["LISTEN_FDS"] == "1" and env["LISTEN_PID"] == str(told["pid"]), env
    assert env["LISTEN_FDNAMES"] == "app" and env["COLOR"] == "blue" and "SECRET" not in env, env
    assert env["NOTIFY_SOCKET"].startswith("@") and env["NOTIFY_SOCKET"] != server.notify.name, env
    assert env["WATCHDOG_USEC"] == "3600000000" and env["PATH"], env
    assert told["argv0"] == "python3" and told["folder"] == "/usr" and not told["nonblocking"], told
    assert told["pgrp"] == told["pid"] and children(worker) == [told["pid"]], told
    # Its input, output, errors, the listener, and the connection.
    assert told["fds"] == ["/dev/null", "pipe", "pipe", "socket", "socket"], told


@test
def all_listeners_are_passed_in_the_order_of_the_configuration(case):
    ports = [case.port(), case.port()]
    path = case.folder / "app.sock"
    text, _ = case.service(python(case, "teller.py", TELLER), workers=1,
                           listen=f"unix:{path} 127.0.0.1:{ports[0]} 127.0.0.1:{ports[1]}")
    case.server(text)
    told = ask(0, host=path)
    assert told["env"]["LISTEN_FDS"] == "3" and told["env"]["LISTEN_FDNAMES"] == "svc:svc:svc", told


@test
def accept_does_not_wait_where_that_is_asked_for(case):
    handler = python(case, "teller.py", TELLER.replace("sock = listener.accept()[0]", """
    import select
    select.select([listener], [], [])
    sock = listener.accept()[0]"""), extra="nonblocking yes")
    text, port = case.service(handler, workers=1)
    case.server(text)
    assert ask(port)["nonblocking"]


@test
def it_runs_as_the_user_of_the_service(case):
    case.need_root()
    uid = nobody().pw_uid
    text, port = case.service(python(case, "teller.py", TELLER), workers=1, extra="user nobody")
    case.server(text)
    assert ask(port)["uid"] == uid


# ----------------------------------------------------------------------------------------- readiness

@test
def the_start_waits_until_it_says_that_it_is_ready(case):
    slow = POOL.replace('notify("READY=1', '''notify("STATUS=loading")
while not os.path.exists(sys.argv[1] + ".go"):
    time.sleep(0.01)
notify("READY=1''')
    body = case.write("body", "page")
    text, port = case.service(python(case, "pool.py", slow, body), workers=1)
    server = case.server(text, wait=False)
    worker, = server.wait_workers(1)
    wait_for(lambda: title(worker).endswith("starting: loading"), "the title to say so")
    server.notify.poll()
    assert not any("READY" in fields for _, fields in server.notify.seen)
    case.write("body.go", "")
    server.wait_ready()
    assert get(port) == b"page"
    wait_for(lambda: title(worker).endswith(f"serving: serving {body}"), "the title to say so")


@test
def one_that_never_says_so_ends_with_the_boot_limit(case):
    text, _ = case.service("program { command /bin/sleep 1000 }", workers=1, extra="timeout { boot 4s }")
    server = case.server(text, wait=False)
    worker, = server.wait_workers(1)
    program = program_of(worker)
    server.wait_exit(None)
    assert server.process.returncode != 0
    assert re.search(r"start failed: worker svc 1 .*the boot limit passed \(4s\); its last error: "
                     r"not ready so far: it has not said READY=1", server.log()), server.log()
    assert not is_alive(program)


@test
def one_that_ends_before_it_is_ready_is_told_of(case):
    text, _ = case.service("program { command /bin/sh -c 'echo no such database >&2; exit 3' }", workers=1)
    server = case.server(text, wait=False)
    server.wait_exit(None)
    assert re.search(r"notice svc 1.*: sh: no such database", server.log()), server.log()
    assert re.search(r"start failed: worker svc 1 .*exited with status 69 \(its handler failed\).*its last error: "
                     r"/bin/sh \(pid \d+\) ended before it was ready: exit status 3", server.log()), server.log()


@test
def one_that_goes_into_the_background_is_told_of(case):
    text, _ = case.service("program { command /bin/sh -c 'sleep 1000 & exit 0' }", workers=1)
    server = case.server(text, wait=False)
    server.wait_exit(None)
    assert re.search(r"must stay in the foreground: exit status 0", server.log()), server.log()


@test
def a_shell_script_needs_no_notification(case):
    """Ready on start, and after a time; what it listens on is fd 3, here for a Perl child."""
    script = case.write("serve.sh", f"""#!/bin/sh
exec {shutil.which('perl') or 'perl'} -e 'open(my $l, "+<&=", 3); while (accept(my $c, $l)) {{ print $c "perl\\n"; close $c }}'
""", 0o755)
    for ready in ("on-start", "after 200ms"):
        text, port = case.service(f"program {{ command {script}; ready {ready} }}")
        server = case.server(text)
        with connect(port) as sock:
            assert read_all(sock) == b"perl\n"
        server.stop()


@test
def ready_may_come_from_a_child_of_it(case):
    """As with a shell script that starts something else; its MAINPID is who is told to finish."""
    body = case.write("body", "page")
    inner = case.write("pool.py", POOL)
    script = case.write("serve.sh", f"""#!/bin/sh
{PYTHON} {inner} {body} &
{PYTHON} - $! <<'END'
import os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(("MAINPID=" + sys.argv[1]).encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\\0", 1))
END
echo the main one is told
wait
exit 7
""", 0o755)
    text, port = case.service(f"program {{ command {script} }}", workers=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    assert get(port) == b"page"
    server.wait_log("the main one is told")
    shell = program_of(worker)
    inner_pid = wait_for(lambda: children(shell), "the script's child")[0]
    server.send_signal(signal.SIGTERM)
    server.wait_exit()
    assert not is_alive(inner_pid)
    assert "has finished: exit status 7" in server.log(), "the shell was told to finish, not its child"


@test
def what_others_say_counts_for_nothing(case):
    case.need_root()
    uid = nobody().pw_uid
    text, port = case.service(python(case, "teller.py", TELLER), workers=1)
    server = case.server("log stderr debug\n" + text)
    worker, = server.wait_workers(1)
    name = ask(port)["env"]["NOTIFY_SOCKET"].replace("@", "\0", 1)
    child = os.fork()
    if child == 0:
        os.setresuid(uid, uid, uid)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"STATUS=forged\nWATCHDOG=trigger", name)
        os._exit(0)
    os.waitpid(child, 0)
    server.wait_log("passed over a notification of another user")
    ask(port, "!STATUS=true")
    wait_for(lambda: title(worker).endswith("serving: true"), "the title to say so")


@test
def a_flood_of_notifications_does_no_harm(case):
    text, port = case.service(python(case, "teller.py", TELLER), workers=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    ask(port, "flood")
    ask(port, "!\0\xff=\n\n==\nSTATUS=" + "x" * 3000 + "\nMAINPID=1\nERRNO=2")
    server.wait_log(r"reports ERRNO=2 \(No such file")
    server.wait_log(r"MAINPID=1 is none of the processes of")
    ask(port, "!MAINPID=1")
    ask(port, "!STATUS=still here\nFDSTORE=1\nBARRIER=1\nREADY=1")
    wait_for(lambda: title(worker).endswith("serving: still here"), "the title to say so")
    assert server.workers() == [worker]
    assert server.log().count("MAINPID=1 is none") == 1, "said again"


# -------------------------------------------------------------------------------------------- output

@test
def what_it_prints_is_logged_line_by_line(case):
    script = r"""echo one; echo two >&2; printf "three\033[1m\n\nfour"; exit 1"""
    text, _ = case.service(f"program {{ command /bin/sh -c '{script}'; ready after 1h }}", workers=1)
    server = case.server(text, wait=False)
    server.wait_exit(None)
    for line in ("one", "two", r"three\\x1b\[1m", "four"):
        assert re.search(rf"notice svc 1\S*: sh: {line}$", server.log(), re.MULTILINE), server.log()


@test
def raw_output_is_the_log_itself(case):
    text, _ = case.service("program { command /bin/sh -c 'echo one'; output raw; ready after 1h }", workers=1)
    server = case.server(text, wait=False)
    server.wait_exit(None)
    assert "one" in server.log().splitlines(), server.log()


@test
def a_flood_of_output_does_not_keep_it_from_ending(case):
    log = case.folder / "out.log"
    text, _ = case.service("program { command /bin/sh -c 'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyy; done'; "
                           "ready on-start }", workers=1)
    server = case.server(f"log {log} info\n" + text)
    worker, = server.wait_workers(1)
    program = program_of(worker)
    wait_for(lambda: log.stat().st_size > 1 << 20, "some output")
    server.stop()
    assert not is_alive(program)


@test
def a_rotated_log_gets_the_lines_that_follow(case):
    log = case.folder / "server.log"
    chatty = "while read -r line; do echo got $line; done"
    fifo = case.folder / "fifo"
    os.mkfifo(fifo)
    text, _ = case.service(f"program {{ command /bin/sh -c '{chatty} <>{fifo}'; ready on-start }}", workers=1)
    server = case.server(f"log {log} info\n" + text)

    def tell(word):
        with open(fifo, "w", encoding="ascii") as out:
            out.write(word + "\n")
        wait_for(lambda: log.exists() and f"sh: got {word}" in log.read_text(), "its line")
    tell("one")
    worker, = server.wait_workers(1)
    old = log.rename(case.folder / "old.log")
    server.send_signal(signal.SIGUSR1)
    wait_for(lambda: log.exists() and str(old) not in open_files(worker), "the new log")
    tell("two")


# ------------------------------------------------------------------------------------------- its end

@test
def who_is_busy_finishes(case):
    text, port = pool(case, workers=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    with Http(port) as http:
        ask_slowly(worker, http)
        server.send_signal(signal.SIGTERM)
        server.wait_log("graceful stop")
        case.write("body-page.go", "")
        assert http.read().body == b"page"
    server.wait_exit()


@test
def who_ignores_the_signal_is_killed_at_the_drain_limit(case):
    script = "trap '' TERM; sleep 1000 & sleep 1000; sleep 1000"
    text, _ = case.service(f"program {{ command /bin/sh -c \"{script}\"; ready on-start }}", workers=1,
                           extra="timeout { drain 500ms }")
    server = case.server(text)
    program = program_of(server.wait_workers(1)[0])
    below = wait_for(lambda: len(children(program)) == 2 and children(program), "its children")
    server.stop()
    assert not any(is_alive(pid) for pid in [program, *below])
    assert re.search(r"did not finish within the drain limit: it is killed", server.log()), server.log()


@test
def another_signal_may_be_what_makes_it_finish(case):
    script = "trap 'echo bye; exit 4' INT; echo trapped; while :; do sleep 0.05; done"
    text, _ = case.service(f"program {{ command /bin/sh -c \"{script}\"; ready on-start; stop-signal int }}",
                           workers=1)
    server = case.server(text)
    server.wait_log("sh: trapped$")
    server.stop()
    assert "sh: bye" in server.log() and "has finished: exit status 4" in server.log(), server.log()


@test
def one_that_ends_is_replaced_and_what_it_left_is_killed(case):
    text, port = pool(case, workers=2)
    server = case.server(text)
    workers = server.wait_workers(2)
    os.kill(program_of(workers[0]), signal.SIGSEGV)
    server.wait_log(r"ended by itself: killed by SIGSEGV")
    server.wait_log(r"worker app 1 .*exited with status 69 \(its handler failed\)")
    new = server.wait_workers(2, without=workers[:1])
    wait_for(lambda: all("serving" in title(pid) for pid in new), "the new one to serve")
    assert get(port) == b"page"


@test
def a_program_that_leaves_its_children_behind_leaves_nothing(case):
    go = case.folder / "go"
    script = f"sleep 1000 & while ! test -e {go}; do sleep 0.1; done; exit 0"
    text, _ = case.service(f"program {{ command /bin/sh -c '{script}'; ready on-start }}", workers=1)
    server = case.server(text)
    program = program_of(server.wait_workers(1)[0])
    left, = wait_for(lambda: [pid for pid in children(program) if title(pid) == "sleep 1000"], "its child")
    go.touch()
    server.wait_log("ended by itself: exit status 0")
    wait_for(lambda: not is_alive(left), "the end of what it left")


# Leaves somebody of its own; ignores SIGTERM; is ready but where there is a file BAD.
FATHER = r'''
import os, signal, socket, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("child", subprocess.Popen(["sleep", "1000"]).pid, flush=True)
if not os.path.exists(sys.argv[1]):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
while True:
    signal.pause()
'''


@test
def what_a_program_that_was_not_ready_in_time_has_started_is_killed(case):
    bad, limit = case.folder / "bad", f"{deadline(2):.0f}s"  # the good one has to keep it too
    text, _ = case.service(python(case, "father.py", FATHER, bad), name="app", workers=1,
                           extra=f"timeout {{ boot {limit} }}")
    server = case.server(text)
    worker, = server.wait_workers(1)
    bad.touch()
    size = server.log_size()
    os.kill(program_of(worker), signal.SIGKILL)
    left = int(server.wait_log(r"child (\d+)", size)[1])
    server.wait_log(r"has not ended in time: it is killed", size)
    server.wait_log(rf"worker app 1 .*: the boot limit passed \({limit}\)", size)
    wait_for(lambda: not is_alive(left), "the end of what it has started")


@test
def a_stop_at_once_leaves_nothing_of_a_program(case):
    text, _ = case.service(python(case, "father.py", FATHER, "/none"), name="app", workers=1)
    server = case.server(text)
    left = int(server.wait_log(r"child (\d+)")[1])
    server.send_signal(signal.SIGTERM)
    server.wait_log("graceful stop")
    server.stop()
    wait_for(lambda: not is_alive(left), "the end of what it has started")


@test
def one_that_ends_at_once_again_and_again_is_backed_off(case):
    for status in (0, 1):
        broken = case.folder / f"broken-{status}"
        script = f"test -e {broken} && exit {status}; exec sleep 1000"
        text, _ = case.service(f"program {{ command /bin/sh -c '{script}'; ready on-start }}", workers=1)
        server = case.server(text)
        program = program_of(server.wait_workers(1)[0])
        broken.touch()
        os.kill(program, signal.SIGTERM)
        server.wait_log("is degraded")
        broken.unlink()
        server.wait_log("is no longer degraded", seconds=40)
        server.stop()


@test
def a_killed_worker_takes_its_program_along(case):
    text, port = pool(case, workers=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    program = program_of(worker)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not is_alive(program), "the program's end")
    server.wait_workers(1, without=[worker])
    assert get(port) == b"page"


@test
def a_worker_that_is_told_to_end_lets_its_program_finish(case):
    text, port = pool(case, workers=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    with Http(port) as http:
        ask_slowly(worker, http)
        os.kill(worker, signal.SIGTERM)
        server.wait_log("told to finish by SIGTERM")
        case.write("body-page.go", "")
        assert http.read().body == b"page"
    server.wait_workers(1, without=[worker])
    assert get(port) == b"page"


@test
def a_killed_master_takes_all_of_them_along_and_a_new_one_binds(case):
    stubborn = POOL.replace("signal.signal(signal.SIGTERM, finish)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    body = case.write("body", "page")
    limits = "timeout { orphan 1s; drain 1s }"
    obedient, port = case.service(python(case, "pool.py", POOL, body), name="good", extra=limits)
    other, other_port = case.service(python(case, "stubborn.py", stubborn, body), name="bad", extra=limits)
    server = case.server(obedient + other)
    workers = server.wait_workers(4)
    programs = [program_of(worker) for worker in workers]
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    again = case.server(obedient + other)
    assert get(port) == b"page" and get(other_port) == b"page"
    wait_for(lambda: not any(is_alive(pid) for pid in workers + programs), "the end of the orphans")
    again.stop()


@test
def the_watchdog_ends_who_gives_no_sign_of_life(case):
    text, port = case.service(python(case, "teller.py", TELLER, extra="watchdog 3s"), workers=1)
    server = case.server(text)
    first, = server.wait_workers(1)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        ask(port, "!WATCHDOG=1")
    assert server.workers() == [first]
    server.wait_log(r"gave no sign of life \(WATCHDOG=1\) in time: sending SIGABRT")
    server.wait_log(r"has finished: killed by SIGABRT")
    second, = server.wait_workers(1, without=[first])
    wait_for(lambda: "serving" in title(second), "the new one to serve")
    with connect(port) as sock:
        sock.sendall(b"!WATCHDOG=trigger")  # its end may come before its answer
        server.wait_log(r"asked for its end \(WATCHDOG=trigger\)")


@test
def a_sign_of_life_counts_that_came_while_the_worker_was_stopped(case):
    text, port = case.service(python(case, "teller.py", TELLER, extra="watchdog 3s"), workers=1)
    server = case.server(text)
    worker, = server.wait_workers(1)
    ask(port, "!WATCHDOG=1\nSTATUS=heard")
    wait_for(lambda: title(worker).endswith("heard"), "the title to say so")
    heard = time.monotonic()
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: proc_stat(worker)[0] == "T", "the worker to be stopped")
    ask(port, "!WATCHDOG=1\nSTATUS=waited")
    wait_for(lambda: time.monotonic() > heard + 3.5, "the time to be over")
    os.kill(worker, signal.SIGCONT)
    wait_for(lambda: title(worker).endswith("waited"), "the title to say so")
    server.wait_log("gave no sign of life")
    assert time.monotonic() > heard + 6.4, "it had not been heard"


@test
def a_watchdog_that_is_not_heard_kills(case):
    script = "trap '' ABRT; while :; do sleep 1; done"
    text, _ = case.service(f"program {{ command /bin/sh -c \"{script}\"; ready on-start; watchdog 300ms; "
                           "kill-after 300ms }", workers=1)
    server = case.server(text)
    server.wait_log(r"has not ended: sending SIGKILL")
    server.wait_log(r"has finished: killed by SIGKILL")


@test
def a_stopped_program_can_be_ended(case):
    text, _ = pool(case, workers=1)
    server = case.server(text)
    program = program_of(server.wait_workers(1)[0])
    os.kill(program, signal.SIGSTOP)
    wait_for(lambda: proc_stat(program)[0] == "T", "it to be stopped")
    server.stop()
    assert "is killed" not in server.log(), server.log()


# ------------------------------------------------------------------------------- recycling and sizing

@test
def it_is_replaced_for_its_memory(case):
    hog = POOL.replace("while not finishing:", "hog = bytearray(os.path.getsize(sys.argv[1]) << 20)\nwhile not finishing:")
    small, large = "x" * 1, "x" * 96
    case.write("body", small)
    text, port = case.service(python(case, "pool.py", hog, case.folder / "body"), workers=1, extra="max-memory 64M")
    server = case.server(text)
    worker, = server.wait_workers(1)
    case.write("body", large)
    os.kill(program_of(worker), signal.SIGKILL)  # the next one takes more
    server.wait_log(r"worker svc 1 .*max-memory reached: it is replaced")
    assert get(port) == large.encode()


@test
def it_is_replaced_for_its_age(case):
    text, port = pool(case, workers=1, extra="max-lifetime 1s")
    server = case.server(text)
    first, = server.wait_workers(1)
    server.wait_log(r"max-lifetime reached: it is replaced")
    wait_for(lambda: not is_alive(first), "the end of the first")
    assert get(port) == b"page"


@test
def the_pool_grows_and_shrinks_on_demand_of_the_administrator(case):
    text, port = pool(case, workers=2)
    server = case.server(text)
    first = server.wait_workers(2)
    server.send_signal(signal.SIGTTIN)
    three = server.wait_workers(3)
    wait_for(lambda: all("serving" in title(pid) for pid in three), "the new one to serve")
    server.send_signal(signal.SIGTTOU)
    server.wait_workers(2)
    assert get(port) == b"page" and first


@test
def it_cannot_be_paused(case):
    text, _ = pool(case)
    server = case.server(f"control {{ path {case.folder}/control }}\n" + text)
    done = case.run("-c", server.conf, "--pause", "app")
    assert done.returncode != 0 and "accepts by itself" in done.stdout + done.stderr, done
    done = case.run("-c", server.conf, "--status", status=0)
    assert re.search(r"worker app 1 .* state serving", done.stdout), done.stdout


# ------------------------------------------------------------------------------------------- reloads

@test
def twenty_reloads_under_load_lose_nothing(case):
    bodies = [case.write("body-0", "a" * 1000), case.write("body-1", "b" * 2000)]
    handler = "program {{ command {python} {pool} {body} }}"
    path = case.write("pool.py", POOL)
    port = case.port()

    def conf(n):
        run = handler.format(python=PYTHON, pool=path, body=bodies[n % 2])
        return case.conf(case.service(run, name="app", listen=f"127.0.0.1:{port}", workers=4)[0])
    server = case.server(conf(0))
    load = case.load(port, bodies, keep_alive=0, per_request=8, pause_ms=1)
    for n in range(1, 21):
        conf(n)
        server.reload(60)
        server.wait_log(rf"reloaded: generation {n + 1} ")
    counts = load.stop_clean()
    assert counts["requests"] > 100, counts
    server.stop()


@test
def an_upgrade_loses_nothing(case):
    body = case.write("body-page", "page" * 100)
    text, port = case.service(python(case, "pool.py", POOL, body), name="app", workers=2)
    server = case.server(text)
    if not server.can_upgrade():
        case.skip("this build does not upgrade in place")
    old = server.wait_workers(2)
    load = case.load(port, [body], keep_alive=0, per_request=4, pause_ms=1)
    server.upgrade(60)
    server.wait_workers(2, without=old, seconds=60)
    load.stop_clean()
    server.stop()


@test
def a_reload_that_fails_leaves_the_old_ones_alone(case):
    text, port = pool(case)
    server = case.server(text)
    old = server.wait_workers(2)
    programs = [program_of(worker) for worker in old]
    broken = re.sub(r"command \S+ \S+ \S+;", "command /bin/sh -c 'exit 5';", text)
    case.conf(broken)
    assert "refused" in server.reload()["STATUS"]
    # One whose canary is good and serves beside the old ones, while that of another service is not.
    case.conf(re.sub(r"command (.*?);", r"command \1; env VERSION=2;", text)
              + case.service("program { command /bin/sh -c 'sleep 0.5; exit 6' }", name="other")[0])
    with Http(port) as http:
        assert "refused" in server.reload()["STATUS"]
        http.send("GET / HTTP/1.1\r\n\r\n")
        assert http.read().body == b"page"
    wait_for(lambda: server.workers() == old, "only the old ones to be there")
    assert [program_of(worker) for worker in old] == programs
    assert get(port) == b"page"


@test
def a_socket_does_not_move_between_programs_and_others(case):
    text, port = pool(case)
    server = case.server(text)
    old = server.wait_workers(2)
    echo, _ = case.service("echo", name="app", listen=f"127.0.0.1:{port}", workers=1)
    case.conf(echo)
    assert "refused" in server.reload()["STATUS"]
    server.wait_log(rf"127.0.0.1:{port} is now served by the handler `program` of service app: a socket cannot")
    assert server.workers() == old and get(port) == b"page"
    server.stop()
    server = case.server(echo)
    case.conf(text)
    assert "refused" in server.reload()["STATUS"]
    server.wait_log(rf"127.0.0.1:{port} is now served by the handler `echo` of service app")
    with connect(port) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


@test
def a_script_that_was_changed_is_a_change_of_the_service(case):
    text, port = pool(case)
    server = case.server(text)
    old = server.wait_workers(2)
    case.write("pool.py", POOL + "# changed\n")
    server.reload()
    server.wait_workers(2, without=old)
    assert get(port) == b"page"
    same = server.workers()
    server.reload()
    assert server.workers() == same


@test
def a_removed_service_refuses_when_its_programs_have_finished(case):
    text, port = pool(case)
    other, _ = case.service("echo", name="other")
    server = case.server(text + other)
    case.conf(other)
    server.reload()
    wait_refused(port)


# ------------------------------------------------------------------------------------- configuration

@test
def what_cannot_be_meant_is_said(case):
    def errors(block, extra="", workers="1"):
        text, _ = case.service(f"program {{ {block} }}", workers=workers, extra=extra)
        done = case.run("-t", "-c", case.conf(text), status=EX_CONFIG)
        return done.stdout + done.stderr
    good = "command /bin/cat;"
    assert "accepts by itself" in errors(good, workers="1..4")
    for extra in ("spare 1..2", "connections 4", "max-requests 7", "slow 1s", "overflow refuse", "timeout { idle 1s }",
                  "timeout { header 10s }", "timeout { request 1s }", "timeout { park 1s }", "timeout { stall 1s }"):
        said = errors(good, extra)
        assert "means nothing here: the handler `program` accepts by itself" in said, said
    assert "`command`" in errors("ready on-start")
    assert "wants notify, on-start, or after TIME" in errors(good + "ready soon")
    assert "wants notify, on-start, or after TIME" in errors(good + "ready after")
    assert "wants a time" in errors(good + "ready after 2")
    assert "wants a time" in errors(good + "ready after 99999999999999999999s")
    assert "given twice" in errors(good + "ready notify; ready on-start")
    assert "wants the name of a signal" in errors(good + "stop-signal TREM")
    assert "ends nothing" in errors(good + "stop-signal SIGSTOP")
    assert "set by musterd" in errors(good + "env NOTIFY_SOCKET=/x")
    assert "set by musterd" in errors(good + "pass-env LISTEN_FDS")
    text, _ = case.service("program { command /bin/cat; ready after 5min; stop-signal SIGQUIT }", extra="max-lifetime 1d")
    printed = case.run("-T", "-c", case.conf(text), status=0).stdout
    case.run("-t", "-c", case.conf(printed), status=0)


if __name__ == "__main__":
    main()
