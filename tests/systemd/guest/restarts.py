# SPDX-License-Identifier: MIT
"""Restarts and crashes under a load of short requests, one connection each; and the same of nginx, for its figures."""

import contextlib
import os
import pathlib
import signal

from guest import (PAGE, UNIT, Journal, as_shipped, get, is_active, is_refused, load, main_pid, processes, run, show,
                   started_anew, systemctl, test, told, wait_for, website, write_conf)

RESTARTS, KILLS = 10, 5
NGINX = "nginx.service"
NGINX_CONF = """
user www-data;
worker_processes 2;
pid /run/nginx.pid;
events { worker_connections 256; }
http { access_log off; server { listen 8090; root /srv/www; } }
"""

prepare = as_shipped


def restarts(unit, port):
    with load(port) as result:
        for _ in range(RESTARTS):
            before = main_pid(unit)
            systemctl("restart", unit)
            assert main_pid(unit) != before
            get(f"http://127.0.0.1:{port}/")
    return result


def kills(unit, port):
    with load(port) as result:
        for _ in range(KILLS):
            before = main_pid(unit)
            os.kill(before, signal.SIGKILL)
            started_anew(before, unit)
            wait_for(lambda: run("curl", "-sf", "-m", 20, f"http://127.0.0.1:{port}/", check=False).returncode == 0,
                     "an answer")
    return result


@test
def the_listeners_rest_in_systemd():
    assert int(show("NFileDescriptorStore")) >= 1
    systemctl("stop", UNIT)
    assert is_refused()


@test
def a_listener_that_a_reload_drops_is_taken_out_of_the_store():
    write_conf(website("127.0.0.1:80, 127.0.0.1:81, 127.0.0.1:82"))
    systemctl("restart", UNIT)
    wait_for(lambda: show("NFileDescriptorStore") == "3", "three in the store")
    write_conf(website("127.0.0.1:80"))
    systemctl("reload", UNIT)
    wait_for(lambda: show("NFileDescriptorStore") == "1", "one in the store")
    assert is_refused(81)


@test
def what_the_new_configuration_does_not_name_is_closed_by_a_restart():
    write_conf(website("127.0.0.1:80, 127.0.0.1:81"))
    systemctl("restart", UNIT)
    write_conf(website("127.0.0.1:80"))
    systemctl("restart", UNIT)
    assert is_refused(81) and get() == PAGE.read_text()
    wait_for(lambda: show("NFileDescriptorStore") == "1", "one in the store")


@test
def ten_restarts_under_load_refuse_nobody_and_fail_no_request():
    result = restarts(UNIT, 80)
    print(f"# musterd, {RESTARTS} restarts: {told(result)}")
    assert result["refused"] == 0 and result["failures"] == 0, result


@test
def five_kills_of_the_master_under_load_refuse_nobody():
    result = kills(UNIT, 80)
    print(f"# musterd, {KILLS} SIGKILLs of the master: {told(result)}")
    assert result["refused"] == 0, result
    assert show("NRestarts") == str(KILLS)


@test
def nginx_goes_through_the_same():
    pathlib.Path("/etc/nginx/nginx.conf").write_text(NGINX_CONF)
    folder = pathlib.Path("/etc/systemd/system/nginx.service.d")
    folder.mkdir(exist_ok=True)
    (folder / "restart.conf").write_text("[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=on-failure\nRestartSec="
                                         + show("RestartUSec") + "\n")
    systemctl("daemon-reload")
    systemctl("restart", NGINX)
    print(f"# nginx, {RESTARTS} restarts: {told(restarts(NGINX, 8090))}")
    print(f"# nginx (Restart= as ours), {KILLS} SIGKILLs of the master: {told(kills(NGINX, 8090))}")
    systemctl("stop", NGINX)


@test
def workers_killed_with_their_master_leave_nothing_behind():
    before, journal = main_pid(), Journal()
    old = processes()
    for pid in old:
        with contextlib.suppress(ProcessLookupError):  # systemd ends them too, as soon as the master has gone
            os.kill(pid, signal.SIGKILL)
    started_anew(before)
    assert not set(old) & set(processes()), journal.text()
    assert get() == PAGE.read_text() and is_active()
