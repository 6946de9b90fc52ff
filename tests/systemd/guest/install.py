# SPDX-License-Identifier: MIT
"""The package: installed, upgraded in place, removed, purged, installed again for the next boot."""

import os
import pathlib
import pwd
import shutil

from guest import (CONF, HERE, PACKAGES, UNIT, Journal, get, is_active, is_refused, load, main_pid, needed, processes, run,
                   show, shipped_conf, systemctl, test, told, wait_for, write_conf, website, worker_user, PAGE)

SHIPPED_URL = "http://127.0.0.1:8080/"


def package():
    return next(PACKAGES.glob("musterd_*.deb"))


def dpkg(*arguments):
    return run("dpkg", *arguments, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


@needed
def installed_it_is_enabled_and_serves():
    dpkg("--install", package())
    assert systemctl("is-enabled", UNIT).stdout.strip() == "enabled"
    assert is_active()
    assert "<" in get(SHIPPED_URL)
    shutil.copy(CONF, HERE / "shipped.conf")
    pwd.getpwnam(worker_user())


@test
def the_workers_are_no_root():
    master = main_pid()
    uids = {os.stat(f"/proc/{pid}").st_uid for pid in processes() if pid != master}
    assert uids == {pwd.getpwnam(worker_user()).pw_uid}, uids


@test
def the_control_socket_of_the_shipped_configuration_answers():
    assert "www" in run("musterd", "--status").stdout


@test
def all_files_of_the_package_are_as_it_says():
    assert dpkg("--verify", "musterd").stdout == ""


@test
def debians_test_of_the_installed_service_passes():
    """debian/tests/serves, for which autopkgtest wants such a guest."""
    assert "as installed: served" in run("sh", HERE / "serves").stdout


@test
def an_upgrade_of_the_package_fails_no_request_and_keeps_a_changed_configuration():
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("<!doctype html><title>musterd</title>\n" * 20)
    write_conf(website("*:8080"))
    systemctl("reload", UNIT)
    before, file = main_pid(), os.stat("/usr/sbin/musterd").st_ino
    journal = Journal()
    with load(8080) as result:
        dpkg("--install", package())
        wait_for(is_active, "the service to be active")
        wait_for(lambda: os.stat(f"/proc/{main_pid()}/exe").st_ino == os.stat("/usr/sbin/musterd").st_ino,
                 "the master to run the new file")
    print(f"# upgrade of the package: {told(result)}; "
          f"{'the same' if main_pid() == before else 'another'} master process")
    assert os.stat("/usr/sbin/musterd").st_ino != file
    assert result["failures"] == 0, (result, journal.text())
    assert CONF.read_text() != shipped_conf()


@test
def removed_it_is_stopped_and_the_configuration_stays():
    dpkg("--remove", "musterd")
    assert is_refused(8080)
    assert not pathlib.Path("/usr/sbin/musterd").exists()
    assert CONF.exists() and not is_active()
    assert show("LoadState") in ("not-found", "masked")


@test
def purged_nothing_is_left():
    dpkg("--purge", "musterd")
    for path in ("/etc/musterd", "/var/log/musterd", "/var/lib/musterd", "/run/musterd", "/usr/share/musterd"):
        assert not os.path.lexists(path), path
    left = [str(path) for path in pathlib.Path("/etc").rglob("*") if "musterd" in path.name]
    assert not left, left


@needed
def installed_again_it_is_as_at_first():
    dpkg("--install", package())
    assert is_active() and CONF.read_text() == shipped_conf()
    assert "<" in get(SHIPPED_URL)


@needed
def what_is_ordered_after_it_is_asked_at_the_next_boot():
    shutil.copy(HERE / "after-musterd.service", "/etc/systemd/system")
    systemctl("daemon-reload")
    systemctl("enable", "after-musterd.service")
