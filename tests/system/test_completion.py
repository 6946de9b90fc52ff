#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""completion/musterd in a real bash: as a function that is called as bash calls it, and typed into a terminal, with and without the
package bash-completion."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time

from harness import MUSTERD, TOP, Skip, deadline, main, test

COMPLETION = TOP / "completion/musterd"
PACKAGE = pathlib.Path("/usr/share/bash-completion/bash_completion")
SCRIPT = """
. "$1"; shift
COMP_LINE=$1 COMP_POINT=$2 COMP_CWORD=$(($# - 4)) COMP_WORDS=("${@:4}")
COMP_WORDBREAKS=$3
_musterd musterd
printf '%s\\n' "${COMPREPLY[@]}"
"""
BREAKS = " \t\n\"'><=;|&(:"
ASKS = {"--status", "--plan", "--reload", "--upgrade", "--stop", "--reopen", "--workers", "--pause", "--resume"}


def bash():
    found = shutil.which("bash")
    if not found:
        raise Skip("no bash")
    return found


def environment(case):
    # Two seconds may be too short on a machine that is busy: timeout(1) waits for the end, where a test has no other.
    if not (case.folder / "bin/timeout").exists():
        case.write("bin/timeout", '#!/bin/sh\nshift\nexec "$@"\n', mode=0o755)
    path = os.pathsep.join([str(case.folder / "bin"), os.path.dirname(MUSTERD), os.environ["PATH"]])
    return dict(os.environ, PATH=path, HOME=str(case.folder), LC_ALL="C.UTF-8")


def complete(case, line, breaks=BREAKS):
    """What the function offers for this line with the cursor at its end: a set."""
    special = re.escape("".join(char for char in breaks if char in "=:"))
    pieces = f"[{special}]+|[^\\s{special}]+" if special else r"\S+"
    words = re.findall(pieces, line) + ([""] if line.endswith(" ") else [])
    done = subprocess.run([bash(), "--norc", "-c", SCRIPT, "bash", COMPLETION, line, str(len(line)), breaks, *words],
                          env=environment(case), cwd=case.folder, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=deadline(30))
    assert done.returncode == 0 and not done.stderr, f"status {done.returncode}, said: {done.stderr}"
    return set(done.stdout.split())


class Terminal:
    """An interactive bash. press() types, and gives what the line is then."""

    def __init__(self, case, setup):
        # C-x C-l shows the line between bytes that nothing else prints, and clears it.
        rc = case.write("bashrc", setup + """
PS1='> '
bind 'set bell-style none'
bind -x '"\\C-x\\C-l": printf "\\001%s\\002" "$READLINE_LINE"; READLINE_LINE='
""")
        self.main, side = pty.openpty()
        env = dict(environment(case), TERM="dumb", HISTFILE="", INPUTRC="/dev/null",
                   BASH_COMPLETION_USER_DIR=str(case.folder / "user"))
        self.process = subprocess.Popen([bash(), "--noprofile", "--rcfile", rc, "-i"], env=env, cwd=case.folder,
                                        stdin=side, stdout=side, stderr=side, start_new_session=True)
        os.close(side)
        case.defer(self.close)

    def press(self, keys):
        os.write(self.main, keys.encode() + b"\x18\x0c")
        seen, end = b"", time.monotonic() + deadline(30)
        while not (match := re.search(rb"\x01(.*?)\x02", seen, re.DOTALL)):
            assert select.select([self.main], [], [], max(0, end - time.monotonic()))[0], f"no answer: {seen!r}"
            seen += os.read(self.main, 4096)
        return match.group(1).decode()

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.main)


def two_services(case):
    """A configuration with a control socket and the services `www` and `mail`, and one more in an included file."""
    text = "control { path control }\n"
    for name in ("www", "mail"):
        text += case.service("echo", name=name)[0]
    case.write("more/web2.conf", case.service("echo", name="web2")[0])
    return text + "include more/*.conf\n"


@test
def it_offers_all_options_of_the_help(case):
    text = case.run("--help", status=0).stdout
    lines = [re.split("   +", line.strip())[0] for line in text.splitlines() if re.match(r"  +-", line)]
    wanted = {name for line in lines for name in re.findall(r"--[a-z-]+", line)}
    assert len(wanted) > 15, wanted
    for line in ("musterd ", "musterd -", "musterd --"):
        offered = complete(case, line)
        assert offered == wanted, f"{line!r}: {offered ^ wanted}"
    assert complete(case, "musterd --re") == {"--reload", "--reopen", "--resume"}
    assert complete(case, "musterd nonsense") == set()


@test
def it_offers_what_goes_with_the_rest(case):
    assert complete(case, "musterd --status ") == {"--config", "--socket"}
    assert complete(case, "musterd --status -c x ") == {"--socket"}
    assert complete(case, "musterd -s x --") == ASKS | {"--config"}
    assert complete(case, "musterd -c x -") >= ASKS | {"--test", "--print", "--daemon", "--socket"}
    assert "--config" not in complete(case, "musterd --config=x -")
    assert complete(case, "musterd -d ") == {"--config", "--pidfile"}
    assert complete(case, "musterd -dcx ") == {"--pidfile"}
    assert complete(case, "musterd -tc x ") == set()
    assert complete(case, "musterd -t ") == {"--config"}
    assert complete(case, "musterd --version ") == set()


@test
def it_offers_the_services_of_a_configuration_that_is_not_running(case):
    conf = case.conf(two_services(case))
    for line in (f"musterd -c {conf} --pause ", f"musterd -c{conf} --pause ", f"musterd --config={conf} --resume ",
                 f"musterd --config {conf} --resume "):
        assert complete(case, line) == {"www", "mail", "web2"}, line
    assert complete(case, f"musterd -c {conf} --pause w") == {"www", "web2"}
    # What stands before the last character that ends a word is left to readline.
    assert complete(case, f"musterd -c {conf} --resume=") == {"www", "mail", "web2"}
    assert complete(case, f"musterd -c {conf} --resume=", breaks=" ") == {"--resume=www", "--resume=mail", "--resume=web2"}
    assert complete(case, f"musterd -c {conf} --workers m") == {"mail="}
    assert complete(case, f"musterd -c {conf} --workers mail=") == {"+1", "-1"}
    assert complete(case, f"musterd -c {conf} --workers mail=+") == {"+1"}
    assert complete(case, f"musterd -c {conf} --workers=mail=-") == {"-1"}
    assert complete(case, f"musterd -c {conf} --workers mail=", breaks=" ") == {"mail=+1", "mail=-1"}


@test
def it_offers_the_services_that_run(case):
    conf = case.conf(two_services(case))
    case.server(conf)
    case.conf("this is broken {\n")  # but for the socket, which another file names
    asking = case.write("asking.conf", "control { path control }\n")
    assert complete(case, f"musterd -c {asking} --pause ") == {"www", "mail", "web2"}
    assert complete(case, f"musterd -s {case.folder}/control --workers w") == {"www=", "web2="}
    assert complete(case, "musterd --socket=~/control --resume m") == {"mail"}


@test
def it_is_quiet_where_there_is_nothing(case):
    broken = case.conf("nonsense\n")
    for line in (f"musterd -c {broken} --pause ", "musterd -c /nowhere --workers ", "musterd -s /nowhere --resume ",
                 "musterd --workers =", "musterd --pause", "musterd --unknown=", "musterd -", "musterd -c", "musterd -x "):
        complete(case, line)
    assert complete(case, f"musterd -c {broken} --pause ") == set()
    assert complete(case, "musterd -s /nowhere --resume ") == set()


@test
def it_does_not_wait_for_a_master_that_is_stopped(case):
    conf = case.conf(two_services(case))
    case.write("bin/timeout", f"""#!/bin/sh
case $* in
*--status*)
    {shutil.which("timeout")} "$@"
    echo $? >{case.folder}/ended
    ;;
*)
    shift
    exec "$@"
    ;;
esac
""", mode=0o755)
    server = case.server(conf)
    server.send_signal(signal.SIGSTOP)
    try:
        assert complete(case, f"musterd -c {conf} --pause ") == {"www", "mail", "web2"}  # as the configuration says
    finally:
        server.send_signal(signal.SIGCONT)
    assert (case.folder / "ended").read_text() == "124\n", "it was not ended by timeout(1)"


def type_all(case, terminal):
    conf = case.conf(two_services(case))
    assert terminal.press("musterd --dir\t") == "musterd --directives "
    assert terminal.press("musterd --pl\t") == "musterd --plan "
    assert terminal.press(f"musterd -c {conf} --pause ma\t") == f"musterd -c {conf} --pause mail "
    assert terminal.press(f"musterd -c {conf} --workers ma\t") == f"musterd -c {conf} --workers mail="
    assert terminal.press(f"musterd -c {conf} --workers mail=+\t") == f"musterd -c {conf} --workers mail=+1 "
    assert terminal.press(f"musterd --config={conf} --resume=ma\t") == f"musterd --config={conf} --resume=mail "
    # Files, with blanks, behind = and in folders.
    case.write("a file.conf", two_services(case))
    assert terminal.press("musterd -c mus\t") == "musterd -c musterd.conf "
    assert terminal.press("musterd -c mo\t").startswith("musterd -c more/")
    assert terminal.press("musterd --config=mus\t").startswith("musterd --config=musterd.conf")
    assert terminal.press("musterd -c a\t --pause ma\t") == "musterd -c a\\ file.conf  --pause mail "
    assert terminal.press("musterd -c ~/mus\t --pause ma\t") == "musterd -c ~/musterd.conf  --pause mail "
    # The cursor within a word.
    assert terminal.press("musterd --paxyz\x1b[D\x1b[D\x1b[D\t").startswith("musterd --pause")


@test
def it_works_in_a_terminal_by_itself(case):
    type_all(case, Terminal(case, f". {COMPLETION}"))


@test
def it_works_in_a_terminal_with_bash_completion(case):
    if not PACKAGE.exists():
        case.skip("no bash-completion (Debian: apt-get install bash-completion)")
    case.write("user/completions/musterd", COMPLETION.read_text())  # found by the name of the command, when it is typed
    terminal = Terminal(case, f". {PACKAGE}")
    type_all(case, terminal)
    assert terminal.press("sudo musterd --dir\t") == "sudo musterd --directives "
    assert terminal.press("sudo musterd -c musterd.conf --workers ma\t") == "sudo musterd -c musterd.conf --workers mail="


if __name__ == "__main__":
    main()
