#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests of one boot of the guest: administrator.py install | service. Only in the guest of tests/systemd/run:
it installs and removes packages, and changes files below /etc, of the machine that it is run on."""

import importlib
import pathlib
import subprocess
import sys

import guest

BOOTS = {
    "install": ["install"],
    "service": ["booted", "operation", "restarts", "programs", "variants"],
}


def main():
    name = sys.argv[1]
    if guest.HERE != pathlib.Path("/opt/musterd-test") or \
            subprocess.run(["systemd-detect-virt", "--container", "--quiet"], check=False).returncode != 0:
        sys.exit("this is no guest of tests/systemd/run")
    guest.wait_for(lambda: guest.is_booted(), "the boot to be over", 90)
    for module in BOOTS[name]:
        guest.run_tests(importlib.import_module(module))
    pathlib.Path(f"/var/lib/musterd-test.{name}.done").touch()


main()
