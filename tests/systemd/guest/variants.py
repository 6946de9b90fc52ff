# SPDX-License-Identifier: MIT
"""The unit in its other forms: with a socket of systemd's, without root; and what systemd thinks of its hardening."""

import os
import pathlib
import pwd
import re
import shutil

from guest import (DROPINS, PAGE, UNIT, as_shipped, get, is_active, is_refused, load, main_pid, processes, run,
                   shipped_file, show, systemctl, test, told, wait_for, website, worker_user, write_conf)

SOCKET = "musterd.socket"

prepare = as_shipped


def activate():
    """The socket unit of the package, instead of a listener of our own."""
    systemctl("stop", UNIT)
    shutil.copy(shipped_file(SOCKET), f"/etc/systemd/system/{SOCKET}")
    systemctl("daemon-reload")
    write_conf(website("systemd:www"))
    systemctl("start", SOCKET)


@test
def a_socket_of_systemd_starts_it():
    activate()
    assert not is_active() and is_active(SOCKET)
    assert get() == PAGE.read_text()
    assert is_active()


@test
def with_a_socket_of_systemd_a_restart_fails_nobody():
    activate()
    assert get() == PAGE.read_text()
    with load(80) as result:
        for _ in range(3):
            systemctl("restart", UNIT)
            get()
    print(f"# musterd with musterd.socket, 3 restarts: {told(result)}")
    assert result["failures"] == 0, result


@test
def a_stop_leaves_the_socket_and_the_next_client_starts_it():
    activate()
    get()
    systemctl("stop", UNIT)
    assert not is_active() and is_active(SOCKET)
    assert get() == PAGE.read_text() and is_active()
    systemctl("stop", SOCKET, UNIT)
    assert is_refused()


def exposure():
    return float(re.search(r"Overall exposure level for \S+: ([0-9.]+)",
                           run("systemd-analyze", "security", "--no-pager", UNIT).stdout)[1])


@test
def its_exposure_as_root_is_low():
    print(f"# systemd-analyze security: {exposure()}, nginx "
          + run("systemd-analyze", "security", "--no-pager", "nginx.service").stdout.split(": ")[-1].strip())
    assert exposure() <= 2.6


@test
def without_root_it_serves_a_low_port_and_its_exposure_is_lower():
    DROPINS.mkdir(exist_ok=True)
    shutil.copy(shipped_file("unprivileged.conf"), DROPINS / "unprivileged.conf")
    systemctl("daemon-reload")
    systemctl("restart", UNIT)
    assert get() == PAGE.read_text()
    uid = pwd.getpwnam(show("User")).pw_uid
    assert uid != 0 and {os.stat(f"/proc/{pid}").st_uid for pid in processes()} == {uid}
    print(f"# systemd-analyze security with unprivileged.conf: {exposure()}")
    assert exposure() <= 1.7
    before = main_pid()
    systemctl("reload", UNIT)
    assert main_pid() == before
    systemctl("restart", UNIT)
    assert get() == PAGE.read_text()
    assert worker_user() and pathlib.Path("/run/musterd").stat().st_uid == uid
    wait_for(is_active, "the service")
