#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that inetd, xinetd and tcpserver have run for decades, as services of the handler exec, each used by the
client that people have for it. What a test needs lies in its own folder: no program reads a configuration of the
machine. What is not installed is skipped.
"""

import concurrent.futures
import email.message
import ftplib
import getpass
import grp
import mailbox
import os
import pathlib
import pwd
import random
import re
import shutil
import smtplib
import socket
import subprocess
import threading

from harness import EX_CONFIG, Skip, connect, deadline, for_both_modes, main, nobody, read_all, test, wait_for
from tools import environment, run, tool

AT_ONCE = 5


def noise(size, seed=5):
    return random.Random(seed).randbytes(size)


def serve(case, command, directives="", **options):
    """A server that runs the command (a list of words) for each connection; it and its port."""
    words = " ".join(f'"{word}"' for word in command)
    text, port = case.service(f"exec {{\ncommand {words}\n{directives}\n}}", **options)
    return case.server(text), port


def at_once(action, n=AT_ONCE):
    """action(0) ... action(n - 1), beside each other; what they returned."""
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(action, range(n)))


def same_files(one, other):
    """Both folders have the same files with the same contents."""
    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert contents(one) == contents(other), f"{sorted(contents(one))} is not {sorted(contents(other))}"


def only_nobody(case):
    """(name, uid, gid, directive) of a user without rights: us, or nobody where we are root."""
    user = nobody() if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    directive = f"user {user.pw_name}; group {grp.getgrgid(user.pw_gid).gr_name}" if os.geteuid() == 0 else ""
    return user.pw_name, user.pw_uid, user.pw_gid, directive


def wrapped_users(case, name, uid, gid, home):
    """The lines `env` with which a program sees one user more, or Skip: for those that need one, and a home of it."""
    folders = [pathlib.Path("/usr/lib")] + sorted(pathlib.Path("/usr/lib").glob("*-linux-gnu*"))
    wrapper = next((folder / "libnss_wrapper.so" for folder in folders
                    if (folder / "libnss_wrapper.so").exists()), None)
    if not wrapper:
        raise Skip("libnss_wrapper.so is not installed (Debian: apt-get install libnss-wrapper)")
    users = case.write("passwd", f"{name}:x:{uid}:{gid}::{home}:/bin/sh\nroot:x:0:0::/root:/bin/sh\n")
    groups = case.write("group", f"{name}:x:{gid}:\nroot:x:0:\n")
    return f"env LD_PRELOAD={wrapper} NSS_WRAPPER_PASSWD={users} NSS_WRAPPER_GROUP={groups}\n"


# ---------------------------------------------------------------------------------------- git

def git(case, *arguments, **options):
    return run(case, tool("git"), "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments, **options)


def repository(case):
    """A bare repository below srv/ with one commit, and the folder that it was pushed from."""
    git(case, "init", "-q", "-b", "main", "work")
    case.write("work/big.bin", noise(2_000_000))
    for number in range(50):
        case.write(f"work/files/{number}.txt", f"{number}\n" * 20)
    git(case, "-C", "work", "add", ".")
    git(case, "-C", "work", "commit", "-q", "-m", "one")
    git(case, "init", "-q", "--bare", "-b", "main", "srv/code.git")
    case.write("srv/code.git/git-daemon-export-ok", "")
    git(case, "-C", "work", "push", "-q", case.folder / "srv/code.git", "main")
    return case.folder / "work"


def git_daemon(case, *arguments, **options):
    command = [tool("git"), "daemon", "--inetd", "--log-destination=stderr", f"--base-path={case.folder}/srv",
               *arguments]
    server, port = serve(case, command, **options)
    return server, f"git://127.0.0.1:{port}"


@for_both_modes
def git_clones_several_at_once(case):
    work = repository(case)
    _, url = git_daemon(case, workers=2)

    def clone(number):
        git(case, "clone", "-q", f"{url}/code.git", f"clone{number}")
        git(case, "-C", f"clone{number}", "fsck", "--strict")
        shutil.rmtree(case.folder / f"clone{number}/.git")
        return case.folder / f"clone{number}"

    clones = at_once(clone)
    shutil.rmtree(work / ".git")
    for folder in clones:
        same_files(work, folder)


@test
def git_fetches_what_is_new_and_pushes(case):
    work = repository(case)
    _, url = git_daemon(case, "--enable=receive-pack")
    git(case, "clone", "-q", f"{url}/code.git", "clone")
    case.write("work/new.txt", "new\n")
    git(case, "-C", "work", "add", ".")
    git(case, "-C", "work", "commit", "-q", "-m", "two")
    git(case, "-C", "work", "push", "-q", f"{url}/code.git", "main")
    git(case, "-C", "clone", "pull", "-q", "--ff-only")
    assert (case.folder / "clone/new.txt").read_text() == "new\n"
    head = git(case, "-C", "work", "rev-parse", "HEAD").stdout
    assert git(case, "ls-remote", f"{url}/code.git", "main").stdout.split()[0] == head.strip()


@test
def git_is_refused_what_is_not_there(case):
    repository(case)
    server, url = git_daemon(case, "--informative-errors")
    done = git(case, "clone", f"{url}/other.git", "clone", status=128)
    assert "no such repository" in done.stderr, done.stderr
    # What the program writes to its standard error, and how it ended, is in our log.
    server.wait_log(r"other\.git.*does not appear to be a git repository")
    server.wait_log(r"status 255|exited with 255")


# -------------------------------------------------------------------------------------- rsync

def rsync(case, *arguments, **options):
    return run(case, tool("rsync"), *arguments, **options)


def tree(case, name):
    case.write(f"{name}/big.bin", noise(3_000_000))
    case.write(f"{name}/sub/one.txt", "one\n")
    case.write(f"{name}/sub/two.txt", "two\n")
    return case.folder / name


def rsync_daemon(case, **options):
    tree(case, "out")
    (case.folder / "in").mkdir()
    conf = case.write("rsyncd.conf", f"""
use chroot = no
log file = {case.folder}/rsyncd.log
{"uid = root" if os.geteuid() == 0 else ""}
[out]
    path = {case.folder}/out
    read only = yes
[in]
    path = {case.folder}/in
    read only = no
""")
    server, port = serve(case, [tool("rsync"), "--daemon", f"--config={conf}"], **options)
    return server, f"rsync://127.0.0.1:{port}"


@for_both_modes
def rsync_takes_and_brings(case):
    _, url = rsync_daemon(case, workers=2)
    modules = rsync(case, f"{url}/").stdout.split()
    assert modules == ["out", "in"], modules
    rsync(case, "-a", f"{url}/out/", "copy/")
    same_files(case.folder / "out", case.folder / "copy")
    rsync(case, "-a", "out/", f"{url}/in/")
    same_files(case.folder / "out", case.folder / "in")


@test
def rsync_sends_only_what_has_changed(case):
    _, url = rsync_daemon(case)
    rsync(case, "-a", f"{url}/out/", "copy/")
    data = bytearray((case.folder / "out/big.bin").read_bytes())
    data[1_000_000:1_000_010] = b"0123456789"
    case.write("out/big.bin", bytes(data))
    (case.folder / "out/sub/two.txt").unlink()
    text = rsync(case, "-a", "--stats", "--delete", "--ignore-times", f"{url}/out/", "copy/").stdout
    literal = int(re.search(r"Literal data: ([\d,.]+)", text).group(1).replace(",", "").replace(".", ""))
    assert 10 <= literal < 200_000, text
    same_files(case.folder / "out", case.folder / "copy")


@test
def rsync_several_at_once_and_refused_where_it_may_not(case):
    server, url = rsync_daemon(case)

    def copy(number):
        rsync(case, "-a", f"{url}/out/", f"copy{number}/")
        return case.folder / f"copy{number}"

    for folder in at_once(copy):
        same_files(case.folder / "out", folder)
    done = rsync(case, "rsyncd.conf", f"{url}/out/", status=None)
    assert done.returncode != 0 and "read only" in done.stderr, done
    assert not (case.folder / "out/rsyncd.conf").exists()
    # Its view of who connected is the socket's, as under inetd.
    wait_for(lambda: "(127.0.0.1)" in (case.folder / "rsyncd.log").read_text(), "the client's address in its log")
    server.wait_log(r"status [1-9]|exited with [1-9]")


# ---------------------------------------------------------------------------------------- FTP

def ftp_server(case, **options):
    """vsftpd with listen=NO and anonymous users; the port. Its passive connections are its own affair."""
    program = tool("vsftpd")
    # It changes to the home of the user that anonymous ones become, before it goes to anon_root.
    user = next((user for user in pwd.getpwall() if user.pw_uid and os.path.isdir(user.pw_dir)), None)
    name = getpass.getuser() if os.geteuid() else user.pw_name if user else None
    if not name:
        raise Skip("there is no user with a home that anonymous FTP users could become")
    case.write("ftp/data.bin", noise(1_500_000))
    case.write("ftp/sub/one.txt", "one\n")
    (case.folder / "ftp/incoming").mkdir()
    (case.folder / "ftp/incoming").chmod(0o777)
    (case.folder / "ftp").chmod(0o555)
    case.defer((case.folder / "ftp").chmod, 0o755)
    (case.folder / "empty").mkdir()
    conf = case.write("vsftpd.conf", f"""listen=NO
listen_ipv6=NO
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
ftp_username={name}
nopriv_user={name}
anon_root={case.folder}/ftp
secure_chroot_dir={case.folder}/empty
pasv_address=127.0.0.1
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
run_as_launching_user={"NO" if os.geteuid() == 0 else "YES"}
ftpd_banner=a private one
""")
    return serve(case, [program, conf], **options)


@for_both_modes
def ftp_with_curl(case):
    _, port = ftp_server(case, workers=2)
    curl = [tool("curl"), "-q", "-s", "-S"]
    listing = run(case, *curl, f"ftp://127.0.0.1:{port}/").stdout
    assert "data.bin" in listing and "incoming" in listing, listing
    run(case, *curl, "-o", "got.bin", f"ftp://127.0.0.1:{port}/data.bin")
    assert (case.folder / "got.bin").read_bytes() == noise(1_500_000)
    run(case, *curl, "-T", "got.bin", f"ftp://127.0.0.1:{port}/incoming/")
    assert (case.folder / "ftp/incoming/got.bin").read_bytes() == noise(1_500_000)


@test
def ftp_several_sessions_at_once(case):
    _, port = ftp_server(case)
    begun = threading.Barrier(AT_ONCE)

    def session(number):
        with ftplib.FTP(timeout=deadline(60)) as ftp:
            ftp.connect("127.0.0.1", port)
            assert "a private one" in ftp.getwelcome(), ftp.getwelcome()
            ftp.login()
            begun.wait(deadline(60))  # all of them have a session
            data = bytearray()
            ftp.retrbinary("RETR data.bin", data.extend, rest=number * 1000)
            with open(case.folder / "ftp/sub/one.txt", "rb") as file:
                ftp.storbinary(f"STOR incoming/{number}", file)
            ftp.quit()
        return bytes(data) == noise(1_500_000)[number * 1000:]

    assert all(at_once(session))
    assert sorted(os.listdir(case.folder / "ftp/incoming")) == [str(number) for number in range(AT_ONCE)]


@test
def ftp_mirrored_with_lftp(case):
    _, port = ftp_server(case)
    run(case, tool("lftp"), "--norc", "-c",
        f"set net:max-retries 1; open 127.0.0.1:{port}; mirror --parallel=3 --exclude incoming . copy")
    assert (case.folder / "copy/data.bin").read_bytes() == noise(1_500_000)
    assert (case.folder / "copy/sub/one.txt").read_text() == "one\n"


# --------------------------------------------------------------------------------------- SMTP

def mail_server(case, **options):
    """exim4 -bs, which delivers to the file mail/inbox in a process of its own that outlives the connection."""
    program = tool("exim4", "exim4-daemon-light")
    name, uid, gid, directive = only_nobody(case)
    for folder in "spool", "mail", "eximlog":
        (case.folder / folder).mkdir()
        (case.folder / folder).chmod(0o777)
    conf = case.write("exim.conf", f"""
exim_path = {program}
exim_user = {uid}
exim_group = {gid}
keep_environment = LD_PRELOAD:NSS_WRAPPER_PASSWD:NSS_WRAPPER_GROUP
primary_hostname = mail.example.org
spool_directory = {case.folder}/spool
log_file_path = {case.folder}/eximlog/%slog
host_lookup =
tls_advertise_hosts =
acl_smtp_rcpt = to_us
never_users =
begin acl
to_us:
  accept domains = example.org
  deny message = no relaying
begin routers
all:
  driver = accept
  transport = inbox
begin transports
inbox:
  driver = appendfile
  file = {case.folder}/mail/inbox
  user = {uid}
  group = {gid}
""")
    env = ""
    try:
        pwd.getpwnam("Debian-exim")
    except KeyError:
        env = wrapped_users(case, "Debian-exim", uid, gid, case.folder)
    return serve(case, [program, "-C", conf, "-bs"], env, extra=directive, **options)


def letter(number):
    message = email.message.EmailMessage()
    message["From"] = "somebody@example.net"
    message["To"] = "us@example.org"
    message["Subject"] = f"letter {number}"
    message.set_content(f"text of {number}\n.\n")
    return message


def delivered(case, n):
    """Waits until n letters are in the inbox and nothing is in the spool; the letters, by subject."""
    inbox = case.folder / "mail/inbox"

    def look():
        letters = mailbox.mbox(inbox, create=False) if inbox.exists() else []
        return len(letters) == n and not list((case.folder / "spool/input").iterdir()) and letters
    return {message["subject"]: message for message in wait_for(look, f"{n} letters in the inbox")}


@for_both_modes
def smtp_several_at_once(case):
    _, port = mail_server(case, workers=2)

    def send(number):
        with smtplib.SMTP("127.0.0.1", port, timeout=deadline(60)) as smtp:
            smtp.send_message(letter(number))

    at_once(send)
    letters = delivered(case, AT_ONCE)
    for number in range(AT_ONCE):
        message = letters[f"letter {number}"]
        assert message.get_payload().rstrip() == f"text of {number}\n.", message.get_payload()
        assert "[127.0.0.1]" in message["received"], message["received"]


@test
def smtp_refuses_to_relay_and_takes_more_than_one_letter(case):
    _, port = mail_server(case)
    with smtplib.SMTP("127.0.0.1", port, timeout=deadline(60)) as smtp:
        try:
            smtp.sendmail("somebody@example.net", ["other@example.com"], "text")
            raise AssertionError("it relays")
        except smtplib.SMTPRecipientsRefused as refused:
            assert b"no relaying" in str(refused).encode(), refused
        for number in range(3):
            smtp.send_message(letter(number))
    assert sorted(delivered(case, 3)) == ["letter 0", "letter 1", "letter 2"]


# ---------------------------------------------------------------------------------------- ssh

class Shell:
    """dropbear -i for a user that exists only for it, and ssh to it."""

    def __init__(self, case, **options):
        self.case = case
        program, keygen, dropbearkey = (tool("dropbear", "dropbear-bin"), tool("ssh-keygen", "openssh-client"),
                                        tool("dropbearkey", "dropbear-bin"))
        _, uid, gid, directive = only_nobody(case)
        home = case.folder / "home"
        (home / ".ssh").mkdir(parents=True)
        run(case, keygen, "-q", "-t", "ed25519", "-N", "", "-f", case.folder / "id")
        run(case, dropbearkey, "-t", "ed25519", "-f", case.folder / "hostkey")
        shutil.copy(case.folder / "id.pub", home / ".ssh/authorized_keys")
        for path in home, home / ".ssh", home / ".ssh/authorized_keys", case.folder / "hostkey":
            path.chmod(0o700)
            if os.geteuid() == 0:
                os.chown(path, uid, gid)
        env = wrapped_users(case, "tester", uid, gid, home)
        self.command = [program, "-i", "-r", case.folder / "hostkey"]
        self.server, self.port = serve(case, self.command, env, extra=directive, **options)

    def words(self, *command):
        return [tool("ssh", "openssh-client"), "-F", "/dev/null", "-i", self.case.folder / "id", "-p", self.port,
                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
                "-o", f"UserKnownHostsFile={self.case.folder}/known", "tester@127.0.0.1", *command]

    def start(self, command):
        process = subprocess.Popen([str(word) for word in self.words(command)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, env=environment(self.case), text=True)
        self.case.defer(process.stdin.close)
        self.case.defer(process.stdout.close)
        self.case.defer(process.wait)
        self.case.defer(process.kill)
        return process


@for_both_modes
def ssh_runs_commands(case):
    shell = Shell(case, workers=2)
    done = run(case, *shell.words("echo out; echo err >&2; exit 3"), status=3)
    assert (done.stdout, done.stderr) == ("out\n", "err\n"), done
    data = noise(1_000_000)
    done = subprocess.run([str(word) for word in shell.words("cat")], input=data, stdout=subprocess.PIPE, check=True,
                          timeout=deadline(60), env=environment(case))
    assert done.stdout == data


@test
def ssh_session_outlives_a_reload(case):
    shell = Shell(case, workers=1)
    process = shell.start("echo begun; read line; echo got $line")
    assert process.stdout.readline() == "begun\n"
    text = shell.server.conf.read_text()
    old = shell.server.workers()
    shell.server.conf.write_text(text.replace("workers 1", "workers 1; max-requests 1000"))
    shell.server.reload()
    wait_for(lambda: set(shell.server.workers()) - set(old), "a worker of the new configuration")
    assert run(case, *shell.words("echo again")).stdout == "again\n"
    process.stdin.write("the line\n")
    process.stdin.flush()
    assert process.stdout.readline() == "got the line\n"
    assert process.wait(deadline(30)) == 0
    shell.server.wait_workers(1, without=old)


# ------------------------------------------------------------------------------------- scripts

@for_both_modes
def shell_script_with_its_environment(case):
    script = case.write("hello.sh", """#!/bin/sh
echo "from $TCPREMOTEIP port $TCPREMOTEPORT to $TCPLOCALIP port $TCPLOCALPORT by $PROTO, $GREETING"
echo "name $0, arguments $*, folder $(pwd)"
while read -r line; do
	[ "$line" = bye ] && exit 7
	echo "you said $line"
done
echo "the end" >&2
""", 0o755)
    server, port = serve(case, [script, "one", "two three"],
                         f'env "GREETING=good morning"\nfolder {case.folder}')
    with connect(port) as sock:
        here = sock.getsockname()
        sock.sendall(b"this and that\nbye\n")
        assert read_all(sock).decode() == (
            f"from 127.0.0.1 port {here[1]} to 127.0.0.1 port {port} by TCP, good morning\n"
            f"name {script}, arguments one two three, folder {case.folder}\nyou said this and that\n")
    server.wait_log(r"status 7|exited with 7")
    with connect(port) as sock:
        sock.shutdown(1)
        read_all(sock)
    server.wait_log(r"the end")


@test
def script_of_a_web_page(case):
    """The oldest trick: a page by a few lines of shell, for a real browser's worth of requests."""
    script = case.write("page.sh", r"""#!/bin/sh
read -r method path rest
while read -r header && [ "$header" != "$(printf '\r')" ]; do :; done
printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n%s %s for %s\n' "$method" "$path" "$REMOTE_ADDR"
""", 0o755)
    _, port = serve(case, [script])
    for number in range(10):
        done = run(case, tool("curl"), "-q", "-s", "-S", f"http://127.0.0.1:{port}/{number}")
        assert done.stdout == f"GET /{number} for 127.0.0.1\n", done.stdout


@test
def programs_of_tcpserver_in_a_chain(case):
    """recordio in front of a program, as in run scripts: its record goes to standard error, which is the log."""
    server, port = serve(case, [tool("recordio", "ucspi-tcp"), tool("cat", "coreutils")])
    with connect(port) as sock:
        sock.sendall(b"a line\n")
        sock.shutdown(1)
        assert read_all(sock) == b"a line\n"
    server.wait_log(r"< a line")
    server.wait_log(r"> a line")


@for_both_modes
def who_is_admitted(case):
    """allow and deny, as tcprules, only_from and no_access: the smaller network decides."""
    server, port = serve(case, ["/bin/sh", "-c", "echo welcome"], "allow 127.0.0.0/8\ndeny 127.0.0.2")
    for address, answer in ("127.0.0.1", b"welcome\n"), ("127.0.0.2", b""), ("127.0.0.3", b"welcome\n"):
        with socket.create_connection(("127.0.0.1", port), deadline(), (address, 0)) as sock:
            assert read_all(sock) == answer, address
    server.wait_log(r"127\.0\.0\.2:\d+: is not admitted")
    conf = case.conf(server.conf.read_text().replace("deny 127.0.0.2", "deny 127.0.0.2/8"), "wrong.conf")
    assert "127.0.0.0/8" in case.run("-t", "-c", conf, status=EX_CONFIG).stderr


@test
def busybox_httpd(case):
    busybox = tool("busybox")
    if "httpd" not in run(case, busybox, "--list").stdout.split():
        raise Skip("this busybox has no httpd")
    case.write("www/index.html", "<h1>hello</h1>\n")
    case.write("www/big.bin", noise(1_000_000))
    _, port = serve(case, [busybox, "httpd", "-i", "-h", case.folder / "www"])

    def get(number):
        run(case, tool("curl"), "-q", "-s", "-S", "-o", f"got{number}", f"http://127.0.0.1:{port}/big.bin")
        return (case.folder / f"got{number}").read_bytes() == noise(1_000_000)

    assert all(at_once(get))
    assert run(case, tool("curl"), "-q", "-s", "-S", f"http://127.0.0.1:{port}/").stdout == "<h1>hello</h1>\n"


main()
