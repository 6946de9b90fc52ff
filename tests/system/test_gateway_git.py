#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""git's smart HTTP by `git http-backend`, the program that git has for CGI: cloned, pushed to and fetched from by git itself, with
pushes so large that git sends them in chunks.
"""

import concurrent.futures
import os
import shutil
import signal
import subprocess

from backends import LIMITS, ask, noise, reload_changed
from harness import Skip, deadline, descendants, for_both_modes, main, title, wait_for
from tools import environment, run, tool

AT_ONCE = 5
BIG = 3_000_000


def backend():
    """git http-backend is no command that people use: where it is, git says."""
    path = subprocess.run([tool("git"), "--exec-path"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if not os.access(f"{path}/git-http-backend", os.X_OK):
        raise Skip("git http-backend is not installed (Debian: apt-get install git)")
    return f"{path}/git-http-backend"


def words(*arguments):
    return [tool("git"), "-c", "user.name=T", "-c", "user.email=t@example.org", *[str(word) for word in arguments]]


def git(case, *arguments, **options):
    return run(case, *words(*arguments), **options)


def commit(case, name, text, message="more", work="work"):
    case.write(f"{work}/{name}", text)
    git(case, "-C", work, "add", ".")
    git(case, "-C", work, "commit", "-q", "-m", message)


def head(case, folder):
    return git(case, "-C", folder, "rev-parse", "main").stdout.strip()


def repository(case, push="true"):
    """A bare one below srv/ with a commit of 2 MB and 50 small files, made of the folder work/."""
    git(case, "init", "-q", "-b", "main", "work")
    for number in range(50):
        case.write(f"work/files/{number}.txt", f"{number}\n" * 20)
    commit(case, "big.bin", noise(2_000_000), "one")
    git(case, "clone", "-q", "--bare", "work", "srv/code.git")
    git(case, "-C", "srv/code.git", "config", "http.receivepack", push)
    return case.folder / "srv/code.git"


def serve(case, more="", workers=2, **options):
    """A server with the repositories below /git/; it, and the address of these."""
    gateway = f"""cgi {backend()} {{
        param GIT_PROJECT_ROOT {case.folder}/srv
        param GIT_HTTP_EXPORT_ALL 1
        max-body 0
        {more}
    }}"""
    text, port = case.service(f"http {{\nanswer 404\nlocation /git/ {{ {gateway} }}\n}}", workers=workers, extra=LIMITS,
                              **options)
    return case.server(text), f"http://127.0.0.1:{port}/git"


def port_of(url):
    return int(url.split(":")[2].split("/")[0])


def none_of_git(server):
    return not [pid for pid in descendants(server.pid) if "git" in title(pid)]


@for_both_modes
def clone_push_and_fetch(case):
    bare = repository(case)
    server, url = serve(case)
    done = git(case, "clone", f"{url}/code.git", "clone", env={"GIT_TRACE_PACKET": "1"})
    assert "version 2" in done.stderr, "git's own protocol field did not get there"
    git(case, "-C", "clone", "fsck", "--strict")
    assert (case.folder / "clone/big.bin").read_bytes() == noise(2_000_000)
    commit(case, "new.txt", "new\n")
    git(case, "-C", "work", "push", "-q", f"{url}/code.git", "main")
    assert head(case, bare) == head(case, "work")
    git(case, "-C", "clone", "pull", "-q", "--ff-only")
    assert (case.folder / "clone/new.txt").read_text() == "new\n"
    # And the other way round, with the request compressed by git.
    commit(case, "back.txt", "back\n", work="clone")
    git(case, "-C", "clone", "push", "-q", "origin", "main", "main:refs/heads/other")
    git(case, "-C", "work", "fetch", "-q", f"{url}/code.git", "other:other")
    assert git(case, "-C", "work", "rev-parse", "other").stdout.strip() == head(case, "clone")
    wait_for(lambda: none_of_git(server), "the end of all that git started")


@for_both_modes
def a_large_push_comes_in_chunks(case):
    bare = repository(case)
    _, url = serve(case)
    commit(case, "large.bin", noise(BIG, 8))
    done = git(case, "-C", "work", "push", f"{url}/code.git", "main",
               env={"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"})
    assert "send header: transfer-encoding: chunked" in done.stderr.lower(), "git did not send chunks: this tests nothing"
    git(case, "-C", bare, "fsck", "--strict")
    assert head(case, bare) == head(case, "work")
    # With a length, which git can be told to find out.
    commit(case, "larger.bin", noise(BIG, 9))
    done = git(case, "-C", "work", "-c", "http.postBuffer=20000000", "push", f"{url}/code.git", "main",
               env={"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"})
    assert "send header: transfer-encoding: chunked" not in done.stderr.lower(), done.stderr
    assert head(case, bare) == head(case, "work")


@for_both_modes
def several_at_once(case):
    bare = repository(case)
    server, url = serve(case, f"limit {AT_ONCE}", workers=2)

    def use(number):
        git(case, "clone", "-q", f"{url}/code.git", f"clone{number}")
        commit(case, f"of{number}.txt", f"{number}\n", work=f"clone{number}")
        git(case, "-C", f"clone{number}", "push", "-q", "origin", f"main:refs/heads/b{number}")

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(use, range(AT_ONCE)))
    branches = git(case, "-C", bare, "branch", "--list", "b*").stdout.split()
    assert branches == [f"b{number}" for number in range(AT_ONCE)], branches
    git(case, "-C", bare, "fsck", "--strict")
    wait_for(lambda: none_of_git(server), "the end of all programs")


@for_both_modes
def what_is_refused_says_why(case):
    repository(case, push="false")
    server, url = serve(case)
    done = git(case, "clone", f"{url}/other.git", "clone", status=128)
    assert "not found" in done.stderr, done.stderr
    # What the program writes to its standard error is in our log.
    server.wait_log(r"not a git repository.*other\.git")
    commit(case, "new.txt", "new\n")
    done = git(case, "-C", "work", "push", f"{url}/code.git", "main", status=128)
    assert "403" in done.stderr, done.stderr
    port = port_of(url)
    assert ask(port, "/git/code.git/info/refs?service=git-none").status == 403
    assert ask(port, "/git/../srv/code.git/config").status == 404
    answer = ask(port, "/git/code.git/HEAD")
    assert answer.status == 200 and answer.body == b"ref: refs/heads/main\n", answer
    assert ask(port, "/git/code.git/git-upload-pack").status == 405


@for_both_modes
def a_client_that_leaves_takes_its_program_along(case):
    bare = repository(case)
    for number in range(5):
        commit(case, f"large{number}.bin", noise(4_000_000, number))
    git(case, "-C", "work", "push", "-q", bare, "main")
    server, url = serve(case)
    client = subprocess.Popen([tool("curl"), "-q", "-s", "--limit-rate", "100k", "-o", "pack", "-H",
                               "Content-Type: application/x-git-upload-pack-request", "--data-binary",
                               f"0032want {head(case, 'work')}\n00000009done\n", f"{url}/code.git/git-upload-pack"],
                              cwd=case.folder, env=environment(case), start_new_session=True)
    case.defer(client.wait)
    case.defer(client.kill)
    wait_for(lambda: not none_of_git(server) and (case.folder / "pack").exists() and
             (case.folder / "pack").stat().st_size > 0, "the first of the pack")
    client.send_signal(signal.SIGKILL)
    wait_for(lambda: none_of_git(server), "the end of its program")


@for_both_modes
def reloaded_between_and_during(case):
    repository(case)
    server, url = serve(case, workers=4)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        def clone_all():
            for number in range(6):
                git(case, "clone", "-q", f"{url}/code.git", f"clone{number}")
                git(case, "-C", f"clone{number}", "fsck", "--strict")
                shutil.rmtree(case.folder / f"clone{number}")
        clones = pool.submit(clone_all)
        reloads = 0
        while not clones.done() or not reloads:
            reload_changed(server)
            reloads += 1
        clones.result(deadline(60))


main()
