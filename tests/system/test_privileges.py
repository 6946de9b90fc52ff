#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a worker may do: user, groups, folder, limits, as the kernel tells it in /proc. Mostly for root."""

import contextlib
import grp
import os
import pathlib
import re
import shutil
import signal

from harness import MUSTERD, connect, has_sanitizers, main, nobody, read_exactly, status_field, test, wait_for


def echoes(port):
    with connect(port) as sock:
        sock.sendall(b"hello")
        return read_exactly(sock, 5) == b"hello"


def worker_of(case, extra, handler="echo"):
    """A running worker with these directives; (pid, port, server)."""
    text, port = case.service(handler, workers=1, extra=extra)
    server = case.server(text)
    return server.wait_workers(1)[0], port, server


def limit(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith(name):
            return re.split(r"\s{2,}", line)[1:3]
    raise AssertionError(f"no limit {name}")


@test
def a_worker_becomes_its_user_for_good(case):
    case.need_root()
    user = nobody()
    worker, port, server = worker_of(case, f"user {user.pw_name}")
    assert status_field(worker, "Uid").split() == [str(user.pw_uid)] * 4
    assert status_field(worker, "Gid").split() == [str(user.pw_gid)] * 4
    groups = {int(group) for group in status_field(worker, "Groups").split()}
    assert groups <= set(os.getgrouplist(user.pw_name, user.pw_gid)), groups
    assert int(status_field(worker, "CapEff"), 16) == 0 and int(status_field(worker, "CapPrm"), 16) == 0
    assert status_field(server.pid, "Uid").split()[1] == "0", "the master changed too"
    assert echoes(port)


@test
def what_a_master_without_root_may_do_its_workers_may_not(case):
    """As under systemd with User= and AmbientCapabilities=CAP_NET_BIND_SERVICE."""
    case.need_root()
    user = nobody()
    if not shutil.which("setpriv"):
        case.skip("needs setpriv")
    text, port = case.service("echo", workers=1)
    case.folder.chmod(0o755)
    server = case.server(text, command=[
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
        "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service",
        MUSTERD, "-c", str(case.folder / "musterd.conf")])
    worker = server.wait_workers(1)[0]
    assert int(status_field(server.pid, "CapEff"), 16) == 1 << 10
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status_field(worker, name), 16) == 0, name
    assert echoes(port)


@test
def a_master_with_the_capabilities_of_the_unit_changes_a_socket_that_it_gave_away(case):
    case.need_root()
    user = nobody()
    if not shutil.which("setpriv"):
        case.skip("needs setpriv")
    path = case.folder / "sock"
    text, _ = case.service("echo", listen=f"unix:{path}", workers=1, extra=f"socket {{ mode 0600; owner {user.pw_name} }}")
    unit = pathlib.Path(__file__, "../../../init/musterd.service.in").resolve().read_text()
    wanted = re.search(r"^CapabilityBoundingSet=(.*)", unit, re.M)[1].split()
    bounding = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in wanted)])
    server = case.server(text, command=["setpriv", f"--bounding-set={bounding}",
                                        MUSTERD, "-c", str(case.folder / "musterd.conf")])
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (user.pw_uid, 0o600)
    case.conf(text.replace("mode 0600", "mode 0666"))
    os.kill(server.pid, signal.SIGHUP)
    server.wait_log("reloaded: ")
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (user.pw_uid, 0o666)


@test
def a_group_of_its_own(case):
    case.need_root()
    user = nobody()
    other = next((entry for entry in grp.getgrall() if entry.gr_gid not in (0, user.pw_gid)), None)
    if not other:
        case.skip("there is no other group to try")
    worker, port, _ = worker_of(case, f"user {user.pw_name}\ngroup {other.gr_name}")
    assert status_field(worker, "Gid").split() == [str(other.gr_gid)] * 4
    assert echoes(port)


@test
def services_have_users_of_their_own(case):
    case.need_root()
    one, _ = case.service("echo", name="one", workers=1, extra="user nobody")
    two, _ = case.service("echo", name="two", workers=1)
    server = case.server(one + two)
    assert status_field(server.wait_workers(1, "one")[0], "Uid").split()[0] == str(nobody().pw_uid)
    assert status_field(server.wait_workers(1, "two")[0], "Uid").split()[0] == "0"


@test
def the_global_user_is_every_services_default(case):
    case.need_root()
    text, _ = case.service("echo", workers=1)
    server = case.server("user nobody\n" + text)
    assert status_field(server.wait_workers(1)[0], "Uid").split()[0] == str(nobody().pw_uid)


@test
def a_chroot_is_entered(case):
    case.need_root()
    case.write("jail/index.html", "inside")
    worker, port, _ = worker_of(case, f"chroot {case.folder}/jail\nuser nobody")
    assert os.readlink(f"/proc/{worker}/root") == f"{case.folder}/jail"
    assert os.readlink(f"/proc/{worker}/cwd") == f"{case.folder}/jail"
    assert echoes(port)


@test
def umask_and_no_new_privileges_are_set(case):
    worker, port, _ = worker_of(case, "umask 0137\nno-new-privileges yes")
    assert int(status_field(worker, "Umask"), 8) == 0o137
    assert status_field(worker, "NoNewPrivs") == "1"
    assert echoes(port)


@test
def limits_are_set(case):
    memory = "" if has_sanitizers() else "; as 2G"
    worker, port, _ = worker_of(case, f"limit {{ nofile 200; core 0{memory} }}")
    assert limit(worker, "Max open files") == ["200", "200"]
    assert limit(worker, "Max core file size") == ["0", "0"]
    if memory:
        assert limit(worker, "Max address space")[0] == str(2 << 30)
    assert echoes(port)


@test
def a_worker_keeps_no_descriptor_of_the_master(case):
    worker, port, _ = worker_of(case, "connections 64")
    assert echoes(port)

    def links():
        found = []
        for fd in os.listdir(f"/proc/{worker}/fd"):
            with contextlib.suppress(FileNotFoundError):  # the connection that ends just now
                found.append(os.readlink(f"/proc/{worker}/fd/{fd}"))
        return found
    wait_for(lambda: len([link for link in links() if link.startswith("socket:")]) == 2,
             "the listener and the line to the master, and no other socket")
    assert not [link for link in links() if "signalfd" in link], links()


@test
def not_root_cannot_become_another(case):
    import shutil
    from harness import MUSTERD
    text, _ = case.service("echo", extra="user root")
    conf = case.conf(text)
    options = {}
    if os.geteuid() == 0:
        program = shutil.copy(MUSTERD, case.folder / "musterd")
        options = {"user": nobody().pw_uid, "group": nobody().pw_gid, "extra_groups": [],
                   "command": [program, "-c", str(conf), "-d"]}
    done = case.run("-c", conf, "-d", **options)
    assert done.returncode > 0, "it started as another user than it was told to"


if __name__ == "__main__":
    main()
