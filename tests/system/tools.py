# SPDX-License-Identifier: MIT
"""For system tests that use other people's programs: finds them, or skips; runs them without the proxies and
configuration files of whoever runs the tests.
"""

import os
import shutil
import subprocess

from harness import Skip, deadline


def tool(name, package=None):
    """Where the program is, or Skip. Servers are where the path of an ordinary user does not lead to."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if not path:
        raise Skip(f"{name} is not installed (Debian: apt-get install {package or name})")
    return path


def environment(case):
    """Of a user who has configured nothing."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environ.update(HOME=str(case.folder), LC_ALL="C.UTF-8", TZ="UTC")
    return environ


def run(case, *command, status=0, seconds=60, env=None, **options):
    """Runs a program to its end; CompletedProcess with text. status: what it must end with, None: anything. env: what is
    added to its environment."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=deadline(seconds), cwd=options.pop("cwd", case.folder),
                          env=environment(case) | (env or {}), **{"text": True, "errors": "replace", **options})
    assert status is None or done.returncode == status, \
        f"{command} ends with {done.returncode}, not {status}; said: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done
