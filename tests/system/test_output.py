# SPDX-License-Identifier: MIT
"""Files that workers append to (MU_OUTPUT), which the master opens: in the start, in a reload, after a rotation, over
an upgrade. The program is tests/tools/scribe.c: ours with a handler that writes down each line it is sent."""

import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import threading

from harness import (EX_CONFIG, EX_OK, Http, children, connect, for_both_modes, main, nobody, open_files, read_exactly,
                     test, wait_for)

TOP = pathlib.Path(__file__).resolve().parents[2]
SCRIBE = os.path.abspath(os.environ.get("MUSTERD_SCRIBE", TOP / "tests/tools/scribe"))
EX_UNAVAILABLE = 69


def start(case, text, *args, **options):
    conf = case.conf(text)
    return case.server(conf, command=[SCRIBE, "-c", str(conf), *args], **options)


def run(case, *args, **options):
    return case.run(*args, command=[SCRIBE, *map(str, args)], **options)


def say(port, *lines):
    """Sends the lines over one connection; each is answered when it was written or kept."""
    with connect(port) as sock:
        for line in lines:
            sock.sendall(line.encode() + b"\n")
            assert read_exactly(sock, 3) == b"ok\n"


def lines_of(path):
    return path.read_text().splitlines()


def holders(server, path):
    """The processes of the server that have this file open."""
    return [pid for pid in [server.pid, *children(server.pid)] if str(path) in open_files(pid)]


def change(case, server, text, service):
    """A reload that changes the service; the old workers, who may take a client still, have left."""
    old = server.workers(service)
    case.conf(text)
    server.reload()
    server.wait_workers(len(old), service, without=old)


def rotate(server, path, by):
    """Renames the file, has it opened anew, and waits until nobody holds the old one."""
    old = path.with_name(path.name + ".1")
    path.rename(old)
    by()
    wait_for(lambda: path.exists() and not holders(server, old), f"{path} to be opened anew")
    return old


@for_both_modes
def all_workers_of_two_services_append_to_one_file(case):
    path = case.folder / "lines"
    path.write_text("before\n")
    path.chmod(0o600)
    one, port_one = case.service(f"scribe {{ record {path} }}", "one")
    two, port_two = case.service(f"scribe {{ record {path}; other {case.folder}/new }}", "two")
    server = start(case, one + two)
    for i in range(20):
        say(port_one, f"a{i}")
        say(port_two, f"b{i}", "other")
    assert lines_of(path)[0] == "before"
    assert sorted(lines_of(path)[1:]) == sorted([f"a{i}" for i in range(20)] + [f"b{i}" for i in range(20)])
    assert lines_of(case.folder / "new") == ["other"] * 20
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((case.folder / "new").stat().st_mode) & ~0o640 == 0
    assert server.workers("one") and not server.log().count("error")


@for_both_modes
def a_rotation_reaches_workers_whatever_they_do(case):
    path, other = case.folder / "lines", case.folder / "other"
    text, port = case.service(f"scribe {{ record {path}; other {other} }}")
    server = start(case, f"control {{ path {case.folder}/control }}\n" + text)
    say(port, "one", "other one")
    busy = connect(port)  # half a line: a direct worker is in the middle of serving it
    busy.sendall(b"busy")
    ways = [lambda: server.send_signal(signal.SIGUSR1),
            lambda: run(case, "--reopen", "-c", server.conf, status=EX_OK)]
    for number, way in enumerate(ways):
        old = rotate(server, path, way)
        assert lines_of(old)[0] == ("one" if number == 0 else "two 0")
        # What was not renamed was opened again all the same, and is the same file.
        say(port, f"two {number}", f"other {number}")
        assert lines_of(path) == [f"two {number}"]
    busy.sendall(b"\n")
    assert read_exactly(busy, 3) == b"ok\n"
    busy.close()
    assert lines_of(path) == ["two 1", "busy"]
    assert lines_of(other) == ["other one", "other 0", "other 1"]
    # A worker that starts later writes to the new file.
    worker = server.workers()[0]
    os.kill(worker, signal.SIGKILL)
    server.wait_workers(2, without=[worker])
    for i in range(10):
        say(port, f"later {i}")
    assert lines_of(path)[2:] == [f"later {i}" for i in range(10)]


@test
def a_rotation_that_fails_goes_on_with_the_old_file(case):
    folder = case.folder / "log"
    folder.mkdir()
    text, port = case.service(f"scribe {{ record {folder}/lines; other {case.folder}/other }}")
    server = start(case, f"control {{ path {case.folder}/control }}\n" + text)
    say(port, "one")
    folder.rename(case.folder / "away")
    (case.folder / "other").rename(case.folder / "other.1")
    done = run(case, "--reopen", "-c", server.conf)
    reason = f"service svc: cannot open record {folder}/lines, the old file is used on: No such file or directory"
    assert done.returncode != EX_OK and reason in done.stdout + done.stderr, done
    assert f"service svc: {case.folder}/other opened anew" in done.stdout + done.stderr, done
    server.wait_log(reason)
    # The other one is none the worse for it.
    wait_for(lambda: not holders(server, case.folder / "other.1"), "the other file to be opened anew")
    say(port, "two", "other")
    assert lines_of(case.folder / "away" / "lines") == ["one", "two"]
    assert lines_of(case.folder / "other") == ["other"]


@test
def what_cannot_be_opened_refuses_the_start_with_its_place(case):
    (case.folder / "folder").mkdir()
    os.mkfifo(case.folder / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(case.folder / "socket"))
    for name, status, reason in (("folder", EX_CONFIG, "is a folder, not a file"),
                                 ("none/lines", EX_CONFIG, "No such file or directory"),
                                 ("socket", EX_CONFIG, "is a socket, not a file"),
                                 ("fifo", EX_UNAVAILABLE, "nobody reads from it")):
        text, _ = case.service(f"scribe {{\nrecord {case.folder}/fine\nother {case.folder}/{name}\n}}")
        conf = case.conf(text)
        place = f"{conf}:5:7: "
        done = run(case, "-c", conf, status=status)
        said = done.stderr + done.stdout
        assert place in said and reason in said, said
        assert not list(case.folder.glob("fine")) or status != EX_CONFIG, "made by a check"
    listener.close()


@test
def a_check_makes_nothing(case):
    text, _ = case.service(f"scribe {{ record {case.folder}/lines }}")
    run(case, "-t", "-c", case.conf(text), status=EX_OK)
    assert "record" in run(case, "-T", "-c", case.conf(text), status=EX_OK).stdout
    assert not (case.folder / "lines").exists()


@for_both_modes
def a_reload_adds_moves_and_removes_outputs_of_changed_services_only(case):
    a, b, c = (case.folder / name for name in "abc")
    same, same_port = case.service(f"scribe {{ record {a} }}", "same")
    port = case.port()

    def other(block):
        return case.service(f"scribe {{ {block} }}", "other", listen=f"127.0.0.1:{port}")[0]

    server = start(case, same + other(f"record {b}"))
    kept = server.workers("same")
    say(port, "one")
    change(case, server, same + other(f"record {b}; other {c}"), "other")
    say(port, "two", "other two")
    assert lines_of(b) == ["one", "two"] and lines_of(c) == ["other two"]
    change(case, server, same + other(f"record {c}; other {b}"), "other")
    say(port, "three", "other three")
    assert lines_of(b)[2:] == ["other three"] and lines_of(c)[1:] == ["three"]
    change(case, server, same + other(f"record {c}"), "other")
    wait_for(lambda: not holders(server, b), "the old generation's end")
    say(port, "four", "other four")
    assert lines_of(c)[2:] == ["four", "other four"]
    # Refused: nothing changes, and nothing of the attempt is left open.
    fifo = case.folder / "fifo"
    os.mkfifo(fifo)
    case.conf(same + other(f"record {b}; other {fifo}"))
    before = server.log_size()
    server.send_signal(signal.SIGHUP)
    server.wait_log(r"reload refused.*: service other: \S+musterd.conf:\d+:\d+: cannot open other \S+/fifo: "
                    "nobody reads from it", before)
    wait_for(lambda: not holders(server, b), "the refused generation's end")
    say(port, "five")
    assert lines_of(c)[4:] == ["five"]
    say(same_port, "same")
    assert lines_of(a) == ["same"]
    assert server.workers("same") == kept
    old = rotate(server, a, lambda: server.send_signal(signal.SIGUSR1))
    say(same_port, "still")
    assert lines_of(old) == ["same"] and lines_of(a) == ["still"]


@test
def a_fifo_that_is_read_is_an_output(case):
    fifo = case.folder / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    text, port = case.service(f"scribe {{ record {fifo} }}")
    server = start(case, text)
    say(port, "one")
    assert os.read(reader, 100) == b"one\n"
    # A reader that stops to read makes nobody wait.
    say(port, *["x" * 8000] * 20)
    server.wait_log("cannot write: Resource temporarily unavailable")
    os.close(reader)


@test
def standard_output_is_an_output(case):
    """As in a container: a pipe of whoever started us."""
    text, port = case.service("scribe { record /dev/stdout }")
    server = start(case, text, stdout=subprocess.PIPE)
    say(port, "one")
    assert server.process.stdout.readline() == b"one\n"
    server.send_signal(signal.SIGUSR1)
    server.wait_log("/dev/stdout opened anew")
    say(port, "two")
    assert server.process.stdout.readline() == b"two\n"
    server.stop()
    assert server.process.stdout.read() == b""
    server.process.stdout.close()


@for_both_modes
def a_worker_in_a_chroot_and_without_rights_follows_a_rotation(case):
    case.need_root()
    nobody()
    folder = case.folder / "log"
    folder.mkdir(mode=0o700)
    jail = case.folder / "jail"
    jail.mkdir()
    path = folder / "lines"
    text, port = case.service(f"scribe {{ record {path} }}", extra=f"user nobody\nchroot {jail}")
    server = start(case, text)
    say(port, "one")
    old = rotate(server, path, lambda: server.send_signal(signal.SIGUSR1))
    say(port, "two")
    assert lines_of(old) == ["one"] and lines_of(path) == ["two"]
    assert path.stat().st_uid == 0


@for_both_modes
def an_upgrade_keeps_the_files(case):
    a, b = case.folder / "a", case.folder / "b"
    text, port = case.service(f"scribe {{ record {a}; other {b} }}")
    server = start(case, text)
    if not server.can_upgrade():
        case.skip("no upgrade in this build")
    say(port, "one", "other one")
    held = connect(port)  # a client of the old generation
    held.sendall(b"held")
    server.upgrade()
    old = rotate(server, a, lambda: server.send_signal(signal.SIGUSR1))
    say(port, "two", "other two")
    held.sendall(b" by the old\n")
    assert read_exactly(held, 3) == b"ok\n"
    held.close()
    assert lines_of(old) == ["one"] and lines_of(a) == ["two", "held by the old"]
    assert lines_of(b) == ["other one", "other two"]


@test
def a_refused_roll_after_an_upgrade_leaves_workers_that_write(case):
    path = case.folder / "lines"
    text, port = case.service(f"scribe {{ record {path} }}", workers=1)
    server = start(case, text)
    if not server.can_upgrade():
        case.skip("no upgrade in this build")
    say(port, "one")
    before = server.log_size()
    # The upgrade passes its check, and its roll finds a FIFO without a reader in the file's place.
    path.rename(case.folder / "lines.1")
    os.mkfifo(path)
    server.send_signal(signal.SIGUSR2)
    server.wait_log(r"reload refused.*nobody reads from it", before)
    worker = server.workers()[0]
    os.kill(worker, signal.SIGKILL)
    server.wait_workers(1, without=[worker])
    say(port, "two")
    assert lines_of(case.folder / "lines.1") == ["one", "two"]


@for_both_modes
def what_is_held_is_written_in_time_and_at_the_end(case):
    path = case.folder / "lines"
    text, port = case.service(f"scribe {{ record {path}; hold 50ms }}", workers=1)
    server = start(case, text)
    with connect(port) as sock:
        sock.sendall(b"one\n")
        assert read_exactly(sock, 3) == b"ok\n"
        # While its client is silent, and the worker waits.
        wait_for(lambda: lines_of(path) == ["one"], "the line of a silent client")
    change(case, server, text.replace("50ms", "1d"), "svc")
    say(port, "two")
    assert lines_of(path) == ["one"]
    server.stop()
    assert lines_of(path) == ["one", "two"]


# ------------------------------------------------------------------------------- the website's

def site(case, extra="", **options):
    root = case.folder / "www"
    root.mkdir(exist_ok=True)
    (root / "index.html").write_text("hello\n")
    return case.service(f"http {{\nroot {root}\naccess-log {case.folder}/access\n{extra}\n}}", **options)


def paths_of(log):
    """The paths asked for, in the order of the log; each line must be whole."""
    found = []
    for line in lines_of(log):
        match = re.fullmatch(r'127\.0\.0\.1 - - \[[^]]+\] "GET (\S+) HTTP/1\.1" 200 6(?: "-" "-")?', line)
        assert match, line
        found.append(match.group(1))
    return found


def wait_paths(log, wanted):
    wait_for(lambda: log.exists() and sorted(paths_of(log)) == sorted(wanted), f"{wanted} in {log}")


def ask(port, *paths):
    with Http(port) as http:
        for path in paths:
            assert http.get(path).status == 200


@for_both_modes
def an_access_log_is_rotated_under_load_and_loses_no_line(case):
    text, port = site(case)
    server = case.server(f"control {{ path {case.folder}/control }}\n" + text)
    log, rotations, asked, stop = case.folder / "access", 6, [0] * 3, threading.Event()

    def client(number):
        while not stop.is_set():
            with Http(port) as http:
                for _ in range(20):
                    assert http.get(f"/?{number}.{asked[number]}").status == 200
                    asked[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    try:
        for number in range(rotations):
            before = sum(asked)
            wait_for(lambda: sum(asked) > before + 100, "more requests")
            log.rename(case.folder / f"access.{number}")
            case.run("--reopen", "-c", server.conf, status=EX_OK)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    server.stop()  # writes what is buffered
    found = [path for name in [*(f"access.{n}" for n in range(rotations)), "access"]
             for path in paths_of(case.folder / name)]
    assert sorted(found) == sorted(f"/?{number}.{i}" for number, count in enumerate(asked) for i in range(count))


@for_both_modes
def an_access_log_comes_in_time_in_a_chroot_and_over_an_upgrade(case):
    case.need_root()
    nobody()
    log = case.folder / "access"
    text, port = site(case, "access-log-format common")
    text = text.replace("    workers 2", f"    workers 2\n    user nobody\n    chroot {case.folder}/www")
    server = case.server(text)
    with Http(port) as http:
        http.get("/?one")
        wait_paths(log, ["/?one"])  # its client is silent
    if server.can_upgrade():
        server.upgrade()
    log.rename(case.folder / "old")
    server.send_signal(signal.SIGUSR1)
    wait_for(lambda: log.exists() and not holders(server, case.folder / "old"), "the log to be opened anew")
    ask(port, "/?two", "/?three")
    wait_paths(log, ["/?two", "/?three"])
    assert paths_of(case.folder / "old") == ["/?one"]


if __name__ == "__main__":
    main()
