# SPDX-License-Identifier: MIT
"""Foreign programs below the unit: one for each connection, and a pool that accepts by itself."""

import pathlib
import socket

from guest import (DROPINS, UNIT, as_shipped, get, is_active, shipped_file, shutil, systemctl, test, wait_for,
                   website, write_conf)

POOL = """
import socket
listener = socket.socket(fileno=3)
while True:
    client, _ = listener.accept()
    client.sendall(b"pool\\n")
    client.close()
"""
EXEC = """
service who {
	listen 127.0.0.1:7001
	handler exec { command /bin/sh -c 'echo "$REMOTE_ADDR $(id -un)"' }
	workers 1
	connections 8
}
"""
PROGRAM = """
service pool {
	listen 127.0.0.1:7002
	handler program { command python3 /srv/pool.py; ready after 100ms; nonblocking no }
	workers 2
}
"""
WRITING = """
service write {
	listen 127.0.0.1:7003
	handler exec { command /bin/sh -c 'echo kept >/var/lib/musterd/kept && cat /var/lib/musterd/kept' }
	user root
	workers 1
}
"""

prepare = as_shipped


def say(port):
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        return b"".join(iter(lambda: sock.recv(4096), b"")).decode()


def begin(*services):
    pathlib.Path("/srv/pool.py").write_text(POOL)
    write_conf(website(), *services)
    systemctl("restart", UNIT)


def with_programs():
    DROPINS.mkdir(exist_ok=True)
    shutil.copy(shipped_file("programs.conf"), DROPINS / "programs.conf")
    systemctl("daemon-reload")


@test
def programs_run_under_the_unit_as_it_is():
    begin(EXEC.replace("workers 1", "user nobody\n\tworkers 1"), PROGRAM.replace("workers 2", "user nobody\n\tworkers 2"))
    assert say(7001) == "127.0.0.1 nobody\n"
    assert say(7002) == "pool\n"


@test
def programs_run_under_the_drop_in():
    with_programs()
    begin(EXEC, PROGRAM, WRITING)
    assert say(7001).startswith("127.0.0.1 ")
    assert say(7002) == "pool\n"
    assert say(7003) == "kept\n"
    assert is_active()


@test
def a_pool_of_programs_outlives_reload_and_restart():
    with_programs()
    begin(PROGRAM)
    assert say(7002) == "pool\n"
    systemctl("reload", UNIT)
    assert say(7002) == "pool\n"
    systemctl("restart", UNIT)
    assert say(7002) == "pool\n"
    systemctl("stop", UNIT)
    wait_for(lambda: systemctl("is-active", UNIT, check=False).stdout.strip() == "inactive", "the stop")
    systemctl("start", UNIT)
    assert get() and say(7002) == "pool\n"
