# SPDX-License-Identifier: MIT
"""Modules for the system tests, built as their authors do: by a compiler and pkg-config, outside of the tree."""

import os
import pathlib
import shlex
import shutil
import subprocess

from harness import MUSTERD, TOP

BUILD = pathlib.Path(os.environ.get("MUSTERD_BUILD", pathlib.Path(MUSTERD).parent))
COMPILER = shlex.split(os.environ.get("CC") or "cc")
STRICT = ["-std=gnu11", "-O1", "-fno-inline", "-Wall", "-Wextra", "-Wno-missing-field-initializers",
          "-Werror", "-fPIC", "-shared"]


def pkg_config(case, *args):
    if not shutil.which("pkg-config"):
        case.skip("no pkg-config")
    done = subprocess.run(["pkg-config", *args, "musterd"], stdout=subprocess.PIPE, text=True, check=True,
                          env=dict(os.environ, PKG_CONFIG_PATH=str(BUILD)))
    return done.stdout.split()


def build(case, source, name=None, *flags):
    """Compiles a file of tests/modules, or another, into the case's folder; the path. Replaces what was there."""
    if not shutil.which(COMPILER[0]):
        case.skip(f"no compiler {COMPILER[0]}")
    source = TOP / "tests/modules" / source
    target = case.folder / f"{name or source.stem}.so"
    fresh = target.with_suffix(".new")
    done = subprocess.run([*COMPILER, *STRICT, *flags, *pkg_config(case, "--cflags"), "-o", str(fresh),
                           str(source)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    fresh.rename(target)
    return target
