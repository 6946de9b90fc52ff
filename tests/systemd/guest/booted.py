# SPDX-License-Identifier: MIT
"""What the boot has left: the service runs with the shipped configuration, before anything was touched."""

import os
import pathlib

from guest import UNIT, Journal, get, is_active, processes, run, show, systemctl, test


@test
def it_was_started_by_the_boot():
    assert is_active() and show("NRestarts") == "0"
    assert "<" in get("http://127.0.0.1:8080/")


@test
def a_unit_ordered_after_it_found_it_serving():
    assert is_active("after-musterd.service"), systemctl("status", "after-musterd.service", check=False).stdout
    assert "<" in pathlib.Path("/run/after-musterd.answer").read_text()


@test
def no_unit_failed():
    assert systemctl("--failed", "--plain", "--no-legend").stdout == ""


@test
def nothing_of_the_machine_is_writable_here():
    own = ("tmpfs", "proc", "sysfs", "cgroup2", "overlay", "devpts", "mqueue", "ramfs", "hugetlbfs", "devtmpfs")
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        if after.split()[0] not in own:
            assert "ro" in before.split()[5].split(","), line
    assert not os.path.exists("/sys/fs/cgroup/unified")


@test
def the_journal_has_levels_and_the_unit():
    entries = run("journalctl", "--boot", "-u", UNIT, "-o", "json", "SYSLOG_IDENTIFIER=musterd").stdout.splitlines()
    assert entries
    assert Journal().entries("-p", "err") == []
    text = run("journalctl", "--boot", "-u", UNIT, "-p", "warning", "-o", "cat", "_EXE=/usr/sbin/musterd").stdout
    assert text == "", text
    for pid in processes():
        assert pid > 1
