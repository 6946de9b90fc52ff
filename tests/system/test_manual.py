#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages against the program: the options of musterd(8), the directives of musterd.conf(5) and their defaults, the list
that is made of the tables."""

import os
import re
import shutil
import subprocess

from harness import MUSTERD, TOP, Skip, main, test

EX_IOERR = 74
MACRO = re.compile(r"(?<!\S)(?:Ar|Cm|Dq|Dv|Ev|Fl|Ic|Li|Nm|No|Ns|Op|Oo|Oc|Pa|Pc|Po|Pq|Sq|Sx|Xr)(?!\S)")
# Which blocks a section of musterd.conf(5) is about.
SECTIONS = {
    "GLOBAL DIRECTIVES": {"top level", "anywhere"},
    "SERVICE DIRECTIVES": {"service"},
    "WEBSITES": {"http", "host", "location"},
    "GATEWAYS": {"upstream", "proxy", "fastcgi", "uwsgi", "scgi", "cgi"},
    "A PROGRAM FOR EACH CONNECTION": {"exec"},
    "POOLS OF PROGRAMS": {"program"},
}
BLOCKS = {"control", "socket", "timeout", "limit", "cache", "check"}
# What an upgrade runs the program with: not for people.
INTERNAL = {"adopt-state", "check-state"}


def directives(case):
    """[(name, value, places, default, help)] as the program prints them."""
    rows = [tuple(re.split("  +", line)) for line in case.run("--directives", status=0).stdout.splitlines()]
    assert rows[0] == ("DIRECTIVE", "VALUE", "STANDS IN", "DEFAULT", "WHAT IT SAYS"), rows[0]
    return [(row[0], row[1], set(row[2].split(", ")), row[3], row[4]) for row in rows[1:] if len(row) == 5 or wrong(row)]


def wrong(row):
    raise AssertionError(f"not five columns: {row}")


def names_of(item):
    """[(block, name)] of a `.It Ic NAME , NAME ...` or `.It Ic BLOCK No { Cm NAME | NAME Ar value ; ... }`."""
    head, brace, inner = item.partition("{")
    names = [(None, name) for name in re.findall(r"(?:Ic|,) ([a-z0-9-]+)(?! No \.)", head)]
    if brace and names[0][1] in BLOCKS:
        names += [(names[0][1], name) for name in re.findall(r"(?:Cm|\|) ([a-z-]+)", inner)]
    return names


def entries(page):
    """{(places, name): text} of all that musterd.conf(5) has an entry for."""
    found, waiting, current = {}, [], []
    places, block, depth = None, None, 0

    def begin(keys):
        nonlocal waiting, current
        if not current or any(found[key] for key in current):
            waiting = []
        waiting = waiting + keys
        current = waiting
        for key in keys:
            found.setdefault(key, "")

    for line in page.splitlines():
        if line.startswith(".Sh "):
            places, depth, current = SECTIONS.get(line[4:]), 0, []
        elif places is None:
            continue
        elif line.startswith((".Bl", ".Bd")):
            depth += 1
        elif line.startswith((".El", ".Ed")):
            depth -= 1
            if depth == 0:
                current = []
        elif line.startswith(".It Ic ") and depth == 1:
            block = line.split()[2]
            begin([(frozenset([inner] if inner else places), name) for inner, name in names_of(line)])
        elif line.startswith(".It Cm ") and depth == 2 and block in BLOCKS:
            key = (frozenset([block]), line.split()[2])
            assert key in found, f"{key} is not in the head of `{block}`"
            current = []
            begin([key])
        elif current:
            for key in current:
                found[key] += " " + " ".join(MACRO.sub("", line.removeprefix(".")).split())
    return found


def manual(name):
    return (TOP / "man" / name).read_text()


def text_of(found, places, name):
    """The entries of a directive, one for each section that it has to stand in."""
    texts = []
    wanted = {frozenset([place]) if place in BLOCKS else
              next(frozenset(known) for known in SECTIONS.values() if place in known) for place in places}
    for key in wanted:
        assert (key, name) in found, f"musterd.conf(5) has no entry for `{name}` where it is about {', '.join(key)}"
        texts.append(found[key, name])
    return texts


def says_default(text, default):
    return all(re.search(rf"[Dd]efault\b[^.]*?(?<![\w.]){re.escape(word)}(?!\w|\.\d)", text)
               or re.search(rf"(?<![\w.]){re.escape(word)} ?,? the default", text) for word in default.split())


@test
def every_directive_has_its_entry(case):
    found = entries(manual("musterd.conf.5.in"))
    rows = directives(case)
    for name, _, places, _, _ in rows:
        assert all(text_of(found, places, name)) or name in BLOCKS, f"the entry of `{name}` is empty"
    known = {(place, name) for name, _, places, _, _ in rows for place in places}
    for places, name in found:
        assert any((place, name) in known for place in places), \
            f"musterd.conf(5) has `{name}` for {', '.join(places)}, where the program has none"


@test
def every_default_is_the_one_in_force(case):
    found = entries(manual("musterd.conf.5.in"))
    checked = 0
    for name, _, places, default, _ in directives(case):
        for text in text_of(found, places, name):
            if text.strip().startswith(("As those of", "As the global ones")):
                continue
            if default == "required":
                assert "Required ." in text or "Required." in text, f"the entry of `{name}` does not say: Required."
            elif default != "-":
                assert says_default(text, default), f"the entry of `{name}` does not say that its default is {default}:{text}"
                checked += 1
    assert checked > 40, f"only {checked} defaults were found"


@test
def the_check_of_defaults_can_fail(case):
    assert says_default("It waits. Default: 10s.", "10s")
    assert says_default("stderr the default , syslog", "stderr")
    for text in ("Default: 100s.", "Default: 5s. With 10s it is longer.", "It takes 10s.", "default 110s"):
        assert not says_default(text, "10s"), text
    case.run("--directives", status=0)


@test
def the_list_at_a_glance_is_up_to_date(case):
    awk = shutil.which(os.environ.get("AWK", "awk"))
    if not awk:
        raise Skip("no awk")
    made = subprocess.run([awk, "-f", TOP / "man/directives.awk"], input=case.run("--directives", status=0).stdout,
                          capture_output=True, text=True, check=True).stdout
    assert made == manual("directives.mdoc"), "man/directives.mdoc is out of date: make update-directives"


@test
def a_list_that_could_not_be_written_is_no_success(case):
    with open("/dev/full", "w") as full:
        done = subprocess.run([MUSTERD, "--directives"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == EX_IOERR and "standard output" in done.stderr, (done.returncode, done.stderr)


def options_of_help(text):
    """{long name: it takes an argument}, and {letter}."""
    longs = {}
    for line in text.splitlines():
        if re.match(r"  +-", line):
            for name, argument in re.findall(r"--([a-z-]+)( [A-Z]+)?", re.split("   +", line.strip())[0]):
                longs[name] = bool(argument)
    return longs, set(re.findall(r"^  -(\w),", text, re.MULTILINE))


@test
def every_option_is_in_the_program_its_help_and_its_page(case):
    text = case.run("--help", status=0).stdout
    longs, letters = options_of_help(text)
    assert len(longs) > 15 and len(letters) > 6, (longs, letters)
    table = dict(re.findall(r'^\t\{ "([a-z-]+)", (no|required)_argument', (TOP / "src/main.c").read_text(), re.MULTILINE))
    table = {name: argument == "required" for name, argument in table.items() if name not in INTERNAL}
    assert table == longs, f"src/main.c and --help differ: {set(table.items()) ^ set(longs.items())}"

    items = [line for line in manual("musterd.8.in").splitlines() if line.startswith(".It Fl ")]
    listed = {name: argument == "Ar" for line in items
              for name, argument in re.findall(r"Fl Fl ([a-z-]+)(?: (Ar)\b)?", line)}
    assert listed == longs, f"musterd(8) and --help differ: {set(listed.items()) ^ set(longs.items())}"
    short = {letter for line in items for letter in re.findall(r"(?<!Fl )Fl (\w)\b(?! Fl)", line)}
    assert short == letters, f"musterd(8) and --help differ: {short ^ letters}"


if __name__ == "__main__":
    main()
