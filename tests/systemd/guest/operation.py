# SPDX-License-Identifier: MIT
"""The service in operation: status, reload, upgrade, stop, the watchdog, log files."""

import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import threading
import time

from guest import (CONF, PAGE, UNIT, Journal, as_shipped, get, header, is_active, is_refused, main_pid, processes, run,
                   shipped_file, show, started_anew, systemctl, test, wait_for, website, worker_user, write_conf,
                   write_dropin)

prepare = as_shipped


@test
def the_status_says_what_it_does():
    assert re.match("Serving: 1 service, .*generation 1$", show("StatusText")), show("StatusText")
    assert "Serving: 1 service" in systemctl("status", UNIT).stdout


@test
def a_symbolic_link_of_the_website_is_followed():
    link = PAGE.with_name("link.html")
    link.unlink(missing_ok=True)
    link.symlink_to(PAGE.name)
    assert get("http://127.0.0.1/link.html") == PAGE.read_text()
    link.unlink()


@test
def a_reload_has_happened_when_systemctl_comes_back():
    before = main_pid()
    write_conf(website(), website("127.0.0.1:81", "second"))
    systemctl("reload", UNIT)
    assert get("http://127.0.0.1:81/") == PAGE.read_text()
    write_conf(website())
    systemctl("reload", UNIT)
    assert is_refused(81)
    assert main_pid() == before and is_active()


@test
def a_refused_reload_fails_says_why_and_changes_nothing():
    before, journal = main_pid(), Journal()
    with CONF.open("a") as file:
        file.write("nonsense 1\n")
    line = len(CONF.read_text().splitlines())
    outcome = systemctl("reload", UNIT, check=False)
    assert outcome.returncode != 0
    assert "efused" in show("StatusText"), show("StatusText")
    journal.wait(rf"musterd\.conf:{line}:1: .*nonsense")
    assert is_active() and main_pid() == before
    assert get() == PAGE.read_text()
    write_conf(website())
    systemctl("reload", UNIT)
    assert show("StatusText").startswith("Serving:")


@test
def the_reason_of_a_refusal_stands_in_the_journal_as_an_error():
    journal = Journal()
    write_conf("nonsense 1\n")
    systemctl("reload", UNIT, check=False)
    wait_for(lambda: "nonsense" in journal.text(3), "the reason as an error")
    write_conf(website())
    systemctl("reload", UNIT)
    entries = [entry for entry in journal.entries() if entry.get("SYSLOG_IDENTIFIER") == "musterd"]
    assert {"3", "6"} <= {entry["PRIORITY"] for entry in entries}, entries
    assert {entry["_SYSTEMD_UNIT"] for entry in entries} == {UNIT}, entries
    assert not any(entry["MESSAGE"].startswith("<") for entry in entries), entries


@test
def a_start_with_a_wrong_file_is_not_tried_again():
    systemctl("stop", UNIT)
    write_conf("nonsense 1\n")
    assert systemctl("start", UNIT, check=False).returncode != 0
    assert (show("ExecMainStatus"), show("NRestarts"), show("ActiveState")) == ("78", "0", "failed")


@test
def an_upgrade_keeps_the_main_process():
    before, restarts = main_pid(), show("NRestarts")
    binary = pathlib.Path("/usr/sbin/musterd")
    fresh = binary.with_suffix(".new")
    shutil.copy2(binary, fresh)
    fresh.rename(binary)
    systemctl("kill", "--kill-whom=main", "--signal=USR2", UNIT)
    wait_for(lambda: os.stat(f"/proc/{before}/exe").st_ino == os.stat(binary).st_ino, "the new program")
    wait_for(lambda: show("StatusText").startswith("Serving:"), "its status")
    assert (main_pid(), show("NRestarts")) == (before, restarts) and is_active()
    assert get() == PAGE.read_text()
    systemctl("reload", UNIT)
    systemctl("restart", UNIT)
    assert get() == PAGE.read_text()


@test
def the_watchdog_replaces_a_master_that_is_stopped():
    write_dropin("watchdog.conf", "[Service]\nWatchdogSec=2s\nLimitCORE=0\n")
    systemctl("restart", UNIT)
    before, journal = main_pid(), Journal()
    os.kill(before, signal.SIGSTOP)
    started_anew(before)
    assert get() == PAGE.read_text()
    assert "atchdog timeout" in journal.text(), journal.text()
    assert int(show("NRestarts")) == 1


@test
def a_master_that_works_is_left_alone_by_the_watchdog():
    write_dropin("watchdog.conf", "[Service]\nWatchdogSec=2s\n")
    systemctl("restart", UNIT)
    before = main_pid()
    time.sleep(8)  # the time in which nothing may happen
    assert main_pid() == before and is_active()


def slow_download(size=4 << 20):
    """A client that has asked for a large file, and has read the beginning of it."""
    (PAGE.parent / "large").write_bytes(b"x" * size)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(60)
    sock.connect(("127.0.0.1", 80))
    sock.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert sock.recv(64).startswith(b"HTTP/1.1 200")
    return sock


def read_rest(sock):
    total = 0
    while piece := sock.recv(65536):
        total += len(piece)
    return total


@test
def a_stop_waits_for_a_slow_client():
    sock = slow_download()
    stop = threading.Thread(target=systemctl, args=("stop", UNIT))
    stop.start()
    wait_for(lambda: show("ActiveState") == "deactivating", "the stop")
    wait_for(lambda: show("StatusText").startswith(("Stopping", "Draining")), "the status")
    assert read_rest(sock) > (4 << 20)
    stop.join(30)
    assert not stop.is_alive() and show("Result") == "success"
    assert processes() == [] and is_refused()


@test
def a_client_that_never_ends_is_cut_at_the_limit():
    write_conf(website(more="timeout { drain 2s }").replace("\ttimeout { drain 20s }\n", ""))
    systemctl("restart", UNIT)
    with slow_download():
        began = time.monotonic()
        systemctl("stop", UNIT)
        assert 1.5 < time.monotonic() - began < 20
    assert show("Result") == "success" and processes() == []


@test
def a_stop_longer_than_the_limit_of_the_unit_is_not_cut_while_it_goes_on():
    write_dropin("stop.conf", "[Service]\nTimeoutStopSec=3s\n")
    write_conf(website(more="timeout { drain 8s }").replace("\ttimeout { drain 20s }\n", ""))
    systemctl("restart", UNIT)
    with slow_download():
        began = time.monotonic()
        systemctl("stop", UNIT)
        assert 7 < time.monotonic() - began < 30
    assert show("Result") == "success", show("Result")


@test
def a_stop_leaves_nothing_in_the_folder_of_its_run():
    systemctl("stop", UNIT)
    assert not os.path.exists("/run/musterd/control")
    assert processes() == [] and is_refused()
    systemctl("start", UNIT)
    assert get() == PAGE.read_text()


@test
def only_root_steers_it():
    for command in ("--stop", "--reload"):
        outcome = run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "musterd", command, check=False)
        assert outcome.returncode != 0, outcome
    assert is_active()


@test
def a_log_file_is_rotated_without_a_line_lost():
    rotation = shipped_file("logrotate.d/musterd")
    log = pathlib.Path("/var/log/musterd/musterd.log")
    log.unlink(missing_ok=True)
    CONF.write_text(header().replace("log stderr info", f"log {log} info") + website())
    systemctl("restart", UNIT)
    first = log.read_text()
    assert first
    run("logrotate", "--force", rotation)
    wait_for(lambda: log.exists() and log.stat().st_ino != pathlib.Path(f"{log}.1").stat().st_ino, "the new file")
    systemctl("reload", UNIT)
    wait_for(lambda: "reload" in log.read_text().lower(), "a line in the new file")
    assert pathlib.Path(f"{log}.1").read_text().startswith(first)


@test
def a_unix_socket_is_there_again_after_a_stop_and_a_start():
    write_conf(website("unix:/run/musterd/www.sock"), website("127.0.0.1:80", "plain"))
    systemctl("restart", UNIT)
    for _ in range(2):
        assert get("http://localhost/", "--unix-socket", "/run/musterd/www.sock") == PAGE.read_text()
        systemctl("stop", UNIT)
        systemctl("start", UNIT)
    systemctl("restart", UNIT)
    assert get("http://localhost/", "--unix-socket", "/run/musterd/www.sock") == PAGE.read_text()


@test
def workers_are_who_the_configuration_says():
    uid = pwd.getpwnam(worker_user()).pw_uid
    before = main_pid()
    workers = [pid for pid in processes() if pid != before]
    assert len(workers) == 2
    for pid in workers:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status and "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
