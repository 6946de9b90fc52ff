#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Modules in files: good ones, and those that crash, exit, hang, leak, overrun, or cannot be loaded at all.

Whatever a module does, the master and what is served already must not notice.
"""

import contextlib
import os
import re
import signal
import subprocess
import time

from harness import (EX_CONFIG, MUSTERD, TOP, connect, deadline, for_both_modes, has_sanitizers, main, read_all,
                     status_field, test, wait_for)
from modules import BUILD, build, pkg_config

# A crash on purpose is none that AddressSanitizer shall report.
PLAIN_CRASH = {"ASAN_OPTIONS": "handle_segv=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0:detect_leaks=0"}


class Client:
    """Lines to a tester, answers from it."""

    def __init__(self, port):
        self.sock = connect(port)
        self.file = self.sock.makefile("rb")

    def ask(self, line):
        """The answer; "" when the connection ends instead."""
        try:
            self.sock.sendall(line.encode() + b"\n")
            return self.file.readline().decode().strip()
        except ConnectionError:
            return ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()


def ask(port, line):
    with Client(port) as client:
        return client.ask(line)


def tester(case, block="", **options):
    """The text of a service with the tester, built into the folder, and its port."""
    build(case, "tester.c")
    return case.service(f"module ./tester {{ {block} }}", **options)


PARK = "timeout { park 1min }"  # a direct worker waits only a second for a parked client


def refused(server, expect, running=lambda: True):
    """A reload that fails with a reason like this, while all goes on."""
    before = server.log_size()
    workers = server.workers()
    assert "refused" in server.reload().get("STATUS", "")
    reason = server.wait_log(r"reload refused, the running configuration goes on: (.*)", before).group(1)
    assert re.search(expect, reason), reason
    assert running()
    assert set(workers) <= set(server.workers()), "a worker that served was harmed"
    return reason


# ------------------------------------------------------------------------------------- good ones

@for_both_modes
def a_module_serves_and_parks(case):
    notes = case.folder / "notes"
    text, port = tester(case, f"greeting moin; notes {notes}; room a {{ seats 3 }}; room b {{ }}", workers=1)
    server = case.server(text)
    with Client(port) as one:
        assert one.ask("hello") == "moin first"
        assert one.ask("seats") == "7"
    assert ask(port, "hello") == "moin first"
    server.stop()
    assert notes.read_text() == "start\nstop 3\n", notes.read_text()


@test
def one_worker_holds_many_clients_of_a_module(case):
    text, port = tester(case, workers=1, connections=64)
    case.server(text)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(20)]
        for _ in range(3):
            assert {client.ask("hello") for client in clients} == {"hello first"}
        assert len({client.ask("pid") for client in clients}) == 1


@test
def a_name_is_looked_for_in_the_module_folder(case):
    folder = pkg_config(case, "--variable=moduledir")[0]
    text, _ = case.service("module chat")
    said = case.run("-t", "-c", case.conf(text), status=EX_CONFIG).stderr
    assert re.search(rf"musterd.conf:3:20: module `chat`: there is no such file: {folder}/chat.so", said), said


@test
def the_module_folder_is_used(case):
    program = os.environ.get("MUSTERD_SCRIBE")
    if not program:
        case.skip("MUSTERD_SCRIBE is not set: the program with a module folder of the tests' own")
    folder = BUILD / "tests/modules"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"tester-{os.getpid()}"
    build(case, "tester.c").rename(folder / f"{name}.so")
    case.defer((folder / f"{name}.so").unlink)
    text, port = case.service(f"module {name}")
    case.server(text, command=[program, "-c", str(case.folder / "musterd.conf")])
    assert ask(port, "hello") == "hello first"


@test
def a_path_is_relative_to_the_file_that_includes(case):
    build(case, "tester.c", "sub")
    (case.folder / "conf.d").mkdir()
    (case.folder / "sub.so").rename(case.folder / "conf.d/sub.so")
    text, port = case.service("module ./sub.so")
    case.write("conf.d/a.conf", text)
    case.server("include conf.d/*.conf\n")
    assert ask(port, "hello") == "hello first"


@test
def a_module_without_a_block_has_its_defaults(case):
    build(case, "tester.c")
    text, port = case.service("module ./tester")
    case.server(text)
    assert ask(port, "hello") == "hello first"


@test
def the_effective_configuration_is_printed_by_the_modules_table(case):
    text, _ = tester(case, "room big { seats 9 }")
    conf = case.conf(text)
    printed = case.run("-T", "-c", conf, status=0).stdout
    assert re.search(rf"^    handler module {case.folder}/tester {{ # .*musterd.conf:3$", printed, re.M), printed
    assert re.search(r"^        greeting +hello +# default$", printed, re.M), printed
    assert re.search(r"^            seats +9 +# .*musterd.conf:3$", printed, re.M), printed
    again = case.run("-T", "-c", case.conf(printed, "printed.conf"), status=0).stdout
    assert re.sub(" #.*", "", again) == re.sub(" #.*", "", printed)


@test
def a_module_says_how_many_connections_a_worker_holds(case):
    build(case, "tester.c", None, "-DCONNECTIONS=8")
    text, port = case.service("module ./tester", workers=1)
    server = case.server(text)
    assert re.search(r"^    connections +8 +# default", case.run("-T", "-c", server.conf, status=0).stdout, re.M)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(8)]
        assert [client.ask("hello") for client in clients] == ["hello first"] * 8


@test
def mistakes_in_the_block_are_errors_at_their_place(case):
    text, _ = tester(case, "greetin moin; fail check; how refuse")
    said = case.run("-t", "-c", case.conf(text), status=EX_CONFIG).stderr
    assert "musterd.conf:3:31: unknown directive `greetin`: did you mean `greeting`?" in said, said
    text, _ = tester(case, "fail check; how refuse")
    said = case.run("-t", "-c", case.conf(text), status=EX_CONFIG).stderr
    assert "musterd.conf:3:47: the tester was told to refuse" in said, said


@for_both_modes
def the_example_of_the_manual_works(case):
    manual = (TOP / "man/musterd-module.3.in").read_text()
    code = re.search(r"^#include <musterd/module.h>\n.*?(?=^\.Ed)", manual, re.M | re.S).group()
    block = re.search(r"^    (handler module ./hello .*)$", manual, re.M).group(1)
    build(case, case.write("hello.c", code))
    text, port = case.service(block.removeprefix("handler "))
    case.server(text)
    with Client(port) as client:
        assert client.ask("world") == "good day, world"
        assert client.ask("moon") == "good day, moon"


# ------------------------------------------------------------------------------- not to be loaded

NOT_LOADED = {
    "SYMBOL": r"broken.so has no musterd_module: it is no module",
    "ABI": r"broken.so was built for module interface (\d+), and this musterd has (\d+): rebuild",
    "NO_ABI": r"broken.so: its musterd_module lacks .abi = MU_ABI",
    "UNRESOLVED": r"broken.so: undefined symbol: mu_of_another_day; this musterd has no such function: rebuild",
    "LIBRARY": r"broken.so: undefined symbol: somewhere_else; the module has to be linked with",
    "POINTER": r"its musterd_module is not a struct mu_module",
    "NAME": r"it has no name",
    "SERVE": r"module broken has no serve",
    "FLAGS": r"module broken has flags that mean nothing: 0x40000000",
    "CONNECTIONS": r"module broken cannot hold -4 connections",
    "TYPE": r"its directive `number` has type 77, which is none",
    "OFFSET": r"its directive `number` would be stored at 4096 of a struct of 16 bytes",
    "ALIGNMENT": r"its directive `number` would be stored at 4 of a struct of 16 bytes",
    "DEFAULT": r"a default of its directives is wrong: .*`many`",
    "RANGE": r"its directive `number` has a min above its max",
    "WORDS": r"its directive `choice` has no words to choose from",
    "TWICE": r"it has two directives `number`",
    "DIRECTIVE_NAME": r"it has a directive whose name is none",
    "BLOCK": r"its directive `inner` is a block without a table",
    "INNER": r"its directive `depth` would be stored at 0 of a struct of 4 bytes",
}


@test
def what_is_wrong_with_a_module_is_an_error_at_its_place(case):
    for way, expect in NOT_LOADED.items():
        build(case, "broken.c", None, f"-DBROKEN_{way}")
        text, _ = case.service("module ./broken")
        said = case.run("-t", "-c", case.conf(text), status=EX_CONFIG).stderr
        assert re.search(rf"musterd.conf:3:20: module `./broken`: .*{expect}", said), (way, said)


@test
def both_abi_numbers_are_said(case):
    build(case, "broken.c", None, "-DBROKEN_ABI")
    abi = int(pkg_config(case, "--variable=abi")[0])
    text, _ = case.service("module ./broken")
    said = case.run("-t", "-c", case.conf(text), status=EX_CONFIG).stderr
    assert f"was built for module interface {abi + 39}, and this musterd has {abi}: rebuild" in said, said


@test
def files_that_are_no_modules_are_refused(case):
    case.write("text.so", "this is not ELF, but long enough to be read as one: " * 4)
    case.write("empty.so", "")
    (case.folder / "folder.so").mkdir()
    for name, expect in (("./text", "text.so: invalid ELF header: it is not a shared object"),
                         ("./empty", "empty.so: file too short: it is not a shared object"),
                         ("./folder.so", "folder.so is not a file"),
                         ("./none", rf"there is no such file: {case.folder}/none, {case.folder}/none.so$"),
                         ("none", r"there is no such file: \S+/none.so; one in this folder is written ./NAME.so"),
                         ("", "`handler module` needs the name of a module, or the path of its file"),
                         ("a b", "`handler module` takes one name")):
        text, _ = case.service(f"module {name}")
        said = case.run("-t", "-c", case.conf(text), status=EX_CONFIG).stderr
        assert re.search(expect, said, re.M), said


# --------------------------------------------------------------------- before a worker is READY

def changes_to_bad(case, bad, block, expect):
    """A good service runs; a reload to a bad one is refused, and nothing happens to the good one."""
    text, port = tester(case, "greeting good", workers=2, extra=PARK)
    server = case.server(text, env=PLAIN_CRASH)
    if bad:
        case.conf(text.replace("module ./tester { greeting good }", f"module ./{bad}"))
    else:
        case.conf(text.replace("greeting good", block))
    with Client(port) as client:
        assert client.ask("hello") == "good first"
        reason = refused(server, expect, lambda: client.ask("hello") == "good first")
    case.conf(text)
    assert "refused" not in server.reload().get("STATUS", "")
    assert ask(port, "hello") == "good first"
    return reason


@test
def a_crash_while_it_is_loaded_refuses_the_reload(case):
    build(case, "broken.c", None, "-DBROKEN_CRASHES")
    changes_to_bad(case, "broken", None, r"the checker was killed by SIGSEGV in the loading of module .*/broken "
                                         r"\(.*musterd.conf:3\)")


@test
def an_exit_while_it_is_loaded_refuses_the_reload(case):
    build(case, "broken.c", None, "-DBROKEN_EXITS")
    changes_to_bad(case, "broken", None, r"the checker exited with status 0 in the loading of module .*/broken")


@test
def a_crash_or_exit_in_the_check_refuses_the_reload(case):
    changes_to_bad(case, None, "fail check", r"the checker was killed by SIGSEGV in the check of module tester")
    changes_to_bad(case, None, "fail check; how exit",
                   r"the checker exited with status 0 in the check of module tester")


@test
def a_crash_in_prepare_or_start_refuses_the_reload(case):
    for hook in ("prepare", "start"):
        reason = changes_to_bad(case, None, f"fail {hook}", r"worker svc \d+ \(pid \d+\) was killed by SIGSEGV")
        assert "it was not ready yet" in reason, reason
        assert f"it did not come back from the {hook} of module {case.folder}/tester" in reason, reason


@test
def an_exit_in_prepare_or_start_refuses_the_reload(case):
    for hook in ("prepare", "start"):
        reason = changes_to_bad(case, None, f"fail {hook}; how exit", r"worker svc \d+ \(pid \d+\) exited with status 0")
        assert f"it did not come back from the {hook} of module {case.folder}/tester" in reason, reason


@test
def a_start_that_refuses_or_hangs_refuses_the_reload(case):
    reason = changes_to_bad(case, None, "fail start; how refuse", r"exited with status 70")
    assert "its last error: the tester was told not to start" in reason, reason
    limit = f"{deadline(1):.0f}s"  # the good one has to keep it too
    text, port = tester(case, "greeting good", extra=f"timeout {{ boot {limit} }}")
    server = case.server(text)
    case.conf(text.replace("greeting good", "fail start; how hang"))
    reason = refused(server, rf"the boot limit passed \({limit}\)", lambda: ask(port, "hello") == "good first")
    assert "it did not come back from the start of module" in reason, reason


@test
def a_test_of_the_configuration_survives_the_module(case):
    build(case, "broken.c", "crashes", "-DBROKEN_CRASHES")
    build(case, "broken.c", "exits", "-DBROKEN_EXITS")
    for name, expect in (("crashes", "the check was killed by SIGSEGV in the loading of module"),
                         ("exits", "the check exited with status 0 in the loading of module")):
        for option in ("-t", "-T"):
            text, _ = case.service(f"module ./{name}")
            done = case.run(option, "-c", case.conf(text), status=EX_CONFIG, env=PLAIN_CRASH)
            assert expect in done.stderr and "valid" not in done.stdout, done


@test
def a_start_with_such_a_module_says_why_it_failed(case):
    build(case, "broken.c", None, "-DBROKEN_CRASHES")
    text, _ = case.service("module ./broken")
    server = case.server(text, wait=False, env=PLAIN_CRASH)
    assert server.wait_exit(None) != 0
    assert "start failed: the checker was killed by SIGSEGV in the loading of module" in server.log()


# ------------------------------------------------------------------------------------ while it serves

@for_both_modes
def a_crash_is_traced_and_replaced(case):
    text, port = tester(case, workers=1)
    server = case.server(text, env=PLAIN_CRASH)
    victim, = server.wait_workers(1)
    assert ask(port, "crash") == ""
    server.wait_log(rf"worker svc 1 \(pid {victim}\) was killed by SIGSEGV")
    if not has_sanitizers():
        # Static functions of the module too.
        server.wait_log(rf"pid {victim}\) was here: #0 crash\+0x")
        server.wait_log(rf"pid {victim}\) was here: #\d obey\+0x")
    server.wait_workers(1, without=[victim])
    assert ask(port, "hello") == "hello first"


@for_both_modes
def an_overrun_stack_is_named(case):
    if has_sanitizers():
        case.skip("AddressSanitizer has the faults")
    text, port = tester(case, workers=1)
    server = case.server(text)
    victim, = server.wait_workers(1)
    assert ask(port, "overrun") == ""
    said = server.wait_log(rf"worker svc 1 \(pid {victim}\) was killed by SIGSEGV.*").group()
    assert "its last error: a handler overran the stack of " in said, said
    assert ("its connection" in said) == (case.connections > 1), said
    server.wait_log(rf"pid {victim}\) was here: #0 overrun\+0x")
    server.wait_workers(1, without=[victim])
    assert ask(port, "hello") == "hello first"


@test
def a_frame_larger_than_the_guard_does_not_skip_it(case):
    if has_sanitizers():
        case.skip("AddressSanitizer has the faults")
    if "-fstack-clash-protection" not in pkg_config(case, "--cflags"):
        case.skip("the compiler does not touch each page of a large frame")
    text, port = tester(case, workers=1, connections=64)
    server = case.server(text)
    assert ask(port, "leap") == ""
    said = server.wait_log(r"worker svc 1 \(pid \d+\) was killed by SIGSEGV.*").group()
    assert "its last error: a handler overran the stack of its connection" in said, said
    server.wait_log(r"was here: #0 leap\+0x")


@for_both_modes
def a_module_that_spins_is_traced_and_replaced(case):
    limit = "request 300ms" if case.connections == 1 else "stall 300ms"
    text, port = tester(case, workers=1, extra=f"timeout {{ {limit} }}")
    server = case.server(text)
    victim, = server.wait_workers(1)
    with Client(port) as client:
        client.sock.sendall(b"spin\n")
        server.wait_log(rf"pid {victim}\) is stuck")
        server.wait_log(rf"pid {victim}\) was here: #\d+ (spin|obey)\+0x")
        server.wait_workers(1, without=[victim])
        assert ask(port, "hello") == "hello first"


@for_both_modes
def a_module_that_leaks_is_recycled(case):
    text, port = tester(case, workers=1, extra="max-memory 100M")
    server = case.server(text)
    victim, = server.wait_workers(1)

    def is_another():
        with Client(port) as client:
            return client.ask("leak") == "hello first" and client.ask("pid") not in ("", str(victim))
    wait_for(is_another, "another worker")
    assert re.search(rf"worker svc \d+ \(pid {victim}\).*max-memory", server.log()), server.log()


@for_both_modes
def an_exit_ends_one_worker(case):
    text, port = tester(case, workers=1)
    server = case.server(text, env=PLAIN_CRASH)
    victim, = server.wait_workers(1)
    assert ask(port, "exit") == ""
    server.wait_log(rf"worker svc 1 \(pid {victim}\) exited with status 3")
    server.wait_workers(1, without=[victim])
    assert ask(port, "hello") == "hello first"


@for_both_modes
def closing_all_descriptors_harms_one_worker(case):
    text, port = tester(case, workers=2, extra="timeout { drain 1s; orphan 200ms }")
    server = case.server(text)
    with Client(port) as client:
        victim = int(client.ask("pid"))
        assert client.ask("close") == ""
        server.wait_log(rf"worker svc \d \(pid {victim}\) (was killed|exited)")
    server.wait_workers(2, without=[victim])
    for _ in range(4):
        assert ask(port, "hello") == "hello first"
    assert int(status_field(server.pid, "Threads")) == 1


# ----------------------------------------------------------------------------- the file changes

@for_both_modes
def a_replaced_file_is_a_change_of_its_service(case):
    text, port = tester(case, workers=2)
    other, other_port = case.service("echo", name="other", connections=1)
    server = case.server(text + other)
    before, untouched = server.wait_workers(2, "svc"), server.wait_workers(2, "other")
    server.reload()
    server.wait_log("plan: nothing changes")
    assert server.workers("svc") == before
    build(case, "tester.c", None, '-DANSWER="second"')
    server.reload()
    server.wait_log(rf"plan: service svc: changed: handler module {case.folder}/tester: "
                    rf"the file {case.folder}/tester.so was changed$")
    server.wait_workers(2, "svc", without=before)
    assert ask(port, "hello") == "hello second"
    assert server.workers("other") == untouched


@test
def the_block_is_compared_by_what_it_comes_to(case):
    text, port = tester(case, "greeting moin; room a { }", workers=1)
    server = case.server(text)
    before = server.wait_workers(1)
    case.conf(text.replace("greeting moin; room a { }", "room a { seats 4 }; fail nowhere; greeting 'moin'"))
    server.reload()
    server.wait_log("plan: nothing changes")
    assert server.workers() == before
    at = server.log_size()
    case.conf(text.replace("greeting moin; room a { }", "greeting hallo; room a { seats 5 }"))
    server.reload()
    server.wait_log(r"svc: changed: .*tester { greeting } moin -> hallo; .*tester { room a { seats } } 4 -> 5$", at)
    assert ask(port, "hello") == "hallo first"


@test
def a_file_that_the_block_names_is_part_of_it(case):
    named = case.write("named", "one")
    text, _ = tester(case, f"file {named}", workers=1)
    server = case.server(text)
    before = server.wait_workers(1)
    named.write_text("another")
    server.reload()
    server.wait_log(rf"tester {{ file }}: the file {named} was changed$")
    server.wait_workers(1, without=before)


@test
def a_service_changes_between_built_in_and_loaded(case):
    text, port = tester(case, workers=1)
    server = case.server(text)
    case.conf(re.sub("handler .*", "handler echo", text))
    server.reload()
    server.wait_log(rf"svc: changed: handler module {case.folder}/tester -> echo$|handler .* -> echo")
    assert ask(port, "same") == "same"
    case.conf(text)
    server.reload()
    server.wait_log(r"svc: changed: .*handler echo -> module ")
    assert ask(port, "hello") == "hello first"


@test
def a_deleted_file_lets_old_workers_go_on(case):
    text, port = tester(case, workers=2, extra=PARK)
    server = case.server(text, env=PLAIN_CRASH)
    (case.folder / "tester.so").unlink()
    with Client(port) as stays, Client(port) as goes:
        kept, victim = stays.ask("pid"), goes.ask("pid")
        assert kept != victim
        assert goes.ask("crash") == ""
        server.wait_log(rf"musterd.conf:3:20: module `./tester`: there is no such file: {case.folder}/tester.so")
        server.wait_log(r"worker svc \d \(pid \d+\) exited with status 70")
        assert stays.ask("hello") == "hello first"
        assert stays.ask("pid") == kept
        at = server.log_size()
        assert "refused" in server.reload().get("STATUS", "")
        server.wait_log(r"module `./tester`: there is no such file", at)
        build(case, "tester.c")
        server.wait_workers(2, seconds=40)
        assert stays.ask("pid") == kept


@test
def a_worker_that_finds_another_file_says_so(case):
    text, port = tester(case, workers=1)
    server = case.server(text, env=PLAIN_CRASH)
    build(case, "tester.c", None, '-DANSWER="second"')
    assert ask(port, "crash") == ""
    server.wait_log(rf"svc 1\[\d+\]: {case.folder}/tester.so was replaced since the configuration was loaded")
    assert ask(port, "hello") == "hello second"


# ---------------------------------------------------------------------------------- the whole

@for_both_modes
def an_upgrade_keeps_a_loaded_module(case):
    notes = case.folder / "notes"
    text, port = tester(case, f"notes {notes}", workers=2)
    server = case.server(text)
    if not server.can_upgrade():
        case.skip("this build does not upgrade itself in place")
    before = server.wait_workers(2)
    with Client(port) as client:
        assert client.ask("hello") == "hello first"
        server.upgrade()
        assert client.ask("hello") in ("hello first", "")
        server.wait_workers(2, without=before)
    assert ask(port, "hello") == "hello first"
    server.reload()
    server.wait_log("plan: nothing changes")


@test
def an_upgrade_with_a_module_that_crashes_is_refused_by_name(case):
    text, port = tester(case, workers=1)
    server = case.server(text, env=PLAIN_CRASH)
    if not server.can_upgrade():
        case.skip("this build does not upgrade itself in place")
    build(case, "broken.c", "tester", "-DBROKEN_CRASHES")
    server.send_signal(signal.SIGUSR2)
    server.wait_log(r"cannot use the configuration: .* killed by SIGSEGV in the loading of module .*/tester")
    assert ask(port, "hello") == "hello first"


@test
def a_module_in_a_chroot_is_loaded_before_it(case):
    case.need_root()
    jail = case.folder / "jail"
    jail.mkdir()
    text, port = tester(case, workers=1, extra=f"chroot {jail}")
    server = case.server(text, env=PLAIN_CRASH)
    assert ask(port, "hello") == "hello first"
    victim, = server.wait_workers(1)
    ask(port, "crash")
    server.wait_workers(1, without=[victim])
    assert ask(port, "hello") == "hello first"


@test
def the_program_exports_the_functions_of_the_header_and_no_others(case):
    names = set(subprocess.run([str(TOP / "src/exported.sh")], stdout=subprocess.PIPE, text=True, check=True).stdout.split())
    done = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", MUSTERD], stdout=subprocess.PIPE,
                          text=True, check=True)
    exported = {line.split()[0] for line in done.stdout.splitlines()}
    ours = {name for name in exported if name.startswith("mu_")}
    assert names == ours, (sorted(names - ours), sorted(ours - names))


main()
