#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Configurations that must be refused: each with the place and the message that the binary shows (-t)."""

import os
import re

from harness import EX_CONFIG, main, test

GOOD = """service svc {
    listen 127.0.0.1:7007
    handler echo
}
"""
HTTP = """service www {
    listen 127.0.0.1:8080
    handler http { root html }
}
"""


def svc(extra):
    """A service with one more directive, which stands on line 4."""
    return GOOD.replace("}", f"    {extra}\n}}")


def www(block):
    """An http service whose block stands on line 3."""
    return HTTP.replace("root html", block)


# name: (text of the file, "line" or "line:column" or None, what the message must say)
BAD = {
    # The shape of the file.
    "an_unknown_directive": ("nonsense 1\n" + GOOD, "1:1", "unknown.*nonsense"),
    "a_misspelt_directive": (GOOD.replace("handler", "hadler"), "3:5", "hadler.*handler"),
    "a_misspelt_block": (GOOD.replace("service", "servcie"), "1:1", "servcie.*service"),
    "a_directive_of_a_service_outside": ("workers 4\n" + GOOD, "1:1", "workers.*service"),
    "a_missing_closing_brace": (GOOD[:-2], None, "not closed|}.*missing"),
    "a_closing_brace_too_many": (GOOD + "}\n", "5:1", "}"),
    "a_brace_on_the_next_line": (GOOD.replace(" {", "\n{", 1), "2:1", r"\{"),
    "a_missing_block": ("service svc\n", "1:1", "block"),
    "a_block_where_none_is_taken": (svc("workers 4 { }"), "4", "workers.*block"),
    "an_open_quote": ('log "stderr\n' + GOOD, "1", "quot"),
    "a_quote_inside_a_word": ('log std"err"\n' + GOOD, "1", "quote"),
    "an_unknown_escape": ('log "std\\qerr"\n' + GOOD, "1", "escape"),
    "a_continued_line": ("log stderr \\\ninfo\n" + GOOD, "1", "backslash"),
    "a_NUL_byte": ("log std\0err\n" + GOOD, "1", "NUL"),
    "an_equals_sign": (svc("workers = 4"), "4", "workers.*4|="),
    "an_equals_sign_without_blanks": (svc("workers=4"), "4", "workers"),
    "no_service_at_all": ("log stderr\n", None, "service"),
    "an_empty_file": ("", None, "service"),
    # Variables.
    "an_unset_variable": (svc("workers ${MUSTERD_NOT_SET}"), "4", "MUSTERD_NOT_SET.*not set"),
    "an_open_variable": (svc("workers ${MUSTERD_NOT_SET"), "4", r"not closed|\$\{"),
    "an_empty_variable_name": (svc("workers ${}"), "4", r"\$\{"),
    # Values.
    "a_word_for_a_number": (svc("workers many"), "4:13", "workers.*many"),
    "a_negative_number": (svc("connections -1"), "4", "connections.*-1"),
    "a_number_that_is_too_large": (svc("workers 99999999999999999999"), "4", "workers"),
    "no_connections_at_all": (svc("connections 0"), "4", "connections"),
    "a_range_upside_down": (svc("workers 9..3"), "4", "smaller"),
    "an_open_range": (svc("workers 3.."), "4", "range"),
    "a_time_without_a_unit": (svc("timeout { idle 10 }"), "4", "idle.*(unit|10s)"),
    "a_time_with_a_strange_unit": (svc("timeout { idle 10parsecs }"), "4", "idle.*parsecs"),
    "an_unknown_limit": (svc("timeout { idel 10s }"), "4", "idel.*idle"),
    "a_size_with_a_strange_unit": (svc("limit { as 2Q }"), "4", "as.*2Q"),
    "neither_yes_nor_no": (svc("no-new-privileges maybe"), "4", "maybe"),
    "a_mode_that_is_not_octal": (svc("umask 0899"), "4", "umask.*octal"),
    "a_directive_without_a_value": (svc("workers"), "4", "workers"),
    "a_directive_with_two_values": (svc("workers 1 2"), "4", "workers"),
    "a_directive_twice": (svc("workers 1\n    workers 2"), "5", "workers.*twice"),
    "a_log_to_stdout": ("log stdout\n" + GOOD, "1:5", "stdout.*stderr|stderr.*stdout"),
    "a_variable_in_a_default": (svc("workers ${MUSTERD_NOT_SET:-${HOME:-3}}"), "4:32", "default.*variable"),
    "a_no_break_space": (svc("workers\u00a04"), "4:12", r"no-break space"),
    "a_log_level_that_is_none": ("log stderr loud\n" + GOOD, "1", "loud"),
    "a_log_facility_that_is_none": ("log syslog:nowhere\n" + GOOD, "1", "nowhere"),
    "a_log_in_a_folder_that_is_not_there": ("log /no/such/folder/log\n" + GOOD, "1", "/no/such/folder"),
    # Services.
    "a_service_without_a_name": (GOOD.replace("svc ", ""), "1", "name"),
    "two_services_of_one_name": (GOOD + GOOD.replace("7007", "7008"), "5", "svc"),
    "a_service_without_a_listener": (GOOD.replace("listen 127.0.0.1:7007", ""), "1", "listen"),
    "a_service_without_a_handler": (GOOD.replace("handler echo", ""), "1", "handler"),
    "an_unknown_handler": (GOOD.replace("echo", "ehco"), "3", "ehco.*echo"),
    "a_block_for_a_handler_that_takes_none": (GOOD.replace("echo", "echo { loud yes }"), "3", "echo|loud"),
    "more_spares_than_workers": (svc("workers 1..2\n    spare 3..4"), "5", "spare"),
    # Listeners.
    "an_address_without_a_port": (GOOD.replace("127.0.0.1:7007", "127.0.0.1"), "2", "port|127"),
    "port_zero": (GOOD.replace(":7007", ":0"), "2", "port|:0"),
    "a_port_above_65535": (GOOD.replace(":7007", ":70000"), "2", "70000|port"),
    "an_unknown_port_name": (GOOD.replace(":7007", ":no-such-port"), "2", "no-such-port|port|service"),
    "an_open_bracket": (GOOD.replace("127.0.0.1", "[::1"), "2", r"\[|\]"),
    "an_unknown_host": (GOOD.replace("127.0.0.1", "no-such-host.invalid"), "2", "no-such-host.invalid"),
    "a_relative_unix_path": (GOOD.replace("127.0.0.1:7007", "unix:some.sock"), "2", "absolute|/"),
    "a_unix_path_that_is_too_long": (GOOD.replace("127.0.0.1:7007", "unix:/" + "x" * 150), "2", "107 bytes|too long"),
    "one_address_twice": (GOOD + GOOD.replace("svc", "other"), "6", "7007"),
    # Users.
    "an_unknown_user": (svc("user no-such-user"), "4", "user.*no-such-user"),
    "an_unknown_group": (svc("group no-such-group"), "4", "group.*no-such-group"),
    "a_chroot_that_is_not_there": (svc("chroot /no/such/folder"), "4", "/no/such/folder"),
    # Modules check their own blocks.
    "http_without_a_root": (www("index index.html"), "3", "root"),
    "http_with_a_root_that_is_not_there": (www("root nowhere"), "3", "nowhere"),
    "http_with_a_root_that_is_a_file": (www("root file"), "3", "file"),
    "http_with_a_misspelt_directive": (www("root html; indx a.html"), "3", "indx.*index"),
    # Includes.
    "an_include_of_nothing": ("include none.conf\n" + GOOD, "1", "none.conf"),
    "an_include_of_itself": ("include musterd.conf\n" + GOOD, "1", "includes itself|include"),
    "an_include_of_a_folder": ("include html\n" + GOOD, "1", "html.*folder"),
    "an_include_without_a_name": ("include\n" + GOOD, "1", "include"),
    # What others call it.
    "max_children": (svc("max_children 4"), "4", "max_children.*workers"),
    "worker_processes": ("worker_processes 4\n" + GOOD, "1", "worker_processes.*workers"),
    "MaxRequestWorkers": (svc("MaxRequestWorkers 4"), "4", "MaxRequestWorkers.*workers"),
    "worker_connections": (svc("worker_connections 4"), "4", "worker_connections.*connections"),
    "keepalive_timeout": (svc("keepalive_timeout 4"), "4", "keepalive_timeout.*idle|timeout"),
    "DocumentRoot": (HTTP.replace("handler", "DocumentRoot html\n    handler"), "3", "DocumentRoot.*root"),
}


def check(case, text, place, said):
    case.write("html/index.html", "page")
    case.write("file", "not a folder")
    path = case.conf(text)
    done = case.run("-t", "-c", path)
    output = done.stdout + done.stderr
    assert done.returncode == EX_CONFIG, f"exit status {done.returncode}, not {EX_CONFIG}: {output}"
    where = {None: "", "": ""}.get(place, f":{place}" if place and ":" in place else f":{place}:")
    messages = [line for line in output.splitlines() if f"musterd.conf{where}" in line]
    assert messages, f"nothing is said about musterd.conf{where}: {output}"
    assert any(re.search(said, line, re.IGNORECASE) for line in messages), \
        f"no {said!r} in: {output}"


def make(name, entry):
    def run(case):
        check(case, *entry)
    run.__name__ = name
    return test(run)


for _name, _entry in BAD.items():
    make(_name, _entry)


@test
def the_good_ones_are_good(case):
    """The table's files fail for what was changed in them, not for what they have in common."""
    case.write("html/index.html", "page")
    for text in (GOOD, HTTP, svc("workers 4"), www("root html; index index.html"),
                 svc("workers 2..9\n    spare 1..4"), svc("timeout { idle 10s }"), svc("umask 0077"),
                 svc("workers ${MUSTERD_NOT_SET:-3}"), "log stderr debug\n" + GOOD + HTTP):
        case.run("-t", "-c", case.conf(text), status=0)


@test
def the_offending_line_and_a_caret_are_shown(case):
    done = case.run("-t", "-c", case.conf(svc("workers many")), status=EX_CONFIG)
    lines = (done.stdout + done.stderr).splitlines()
    shown = next(number for number, line in enumerate(lines) if line.strip() == "workers many")
    caret = lines[shown + 1]
    assert caret.strip().startswith("^"), lines
    # Tabs in front would be kept, so that the caret stands below the word.
    assert caret.index("^") == lines[shown].index("many"), lines


@test
def many_errors_are_reported_at_once_but_not_too_many(case):
    text = "".join(f"nonsense{n} 1\n" for n in range(30)) + GOOD
    output = case.run("-t", "-c", case.conf(text), status=EX_CONFIG)
    output = output.stdout + output.stderr
    assert output.count("unknown directive") == 20, output
    assert re.search(r"\b10 more\b", output), output


@test
def an_error_in_an_included_file_names_that_file(case):
    case.write("conf.d/b.conf", "\n" + svc("wrokers 2"))
    done = case.run("-t", "-c", case.conf("include conf.d/*.conf\n"), status=EX_CONFIG)
    assert re.search(r"conf\.d/b\.conf:5:5: .*wrokers.*workers", done.stdout + done.stderr), done.stderr


@test
def an_unreadable_file_is_named(case):
    if os.geteuid() == 0:
        case.skip("root can read everything")
    path = case.conf(GOOD)
    path.chmod(0)
    done = case.run("-t", "-c", path, status=EX_CONFIG)
    assert "ermission denied" in done.stderr, done.stderr


@test
def a_start_with_a_bad_file_ends_with_the_same_status(case):
    path = case.conf(svc("workers many"))
    for options in ((), ("-d",), ("-T",)):
        done = case.run("-c", path, *options)
        assert done.returncode == EX_CONFIG, (options, done.returncode)
        assert re.search(r"musterd\.conf:4:13.*many", done.stderr), (options, done.stderr)


if __name__ == "__main__":
    main()
