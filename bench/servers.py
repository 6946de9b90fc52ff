# SPDX-License-Identifier: MIT
"""How bench/run starts each server: one generated configuration for each, as alike as they can be: one
worker process (Apache prefork: one for each connection), the same files, no access log, keep-alive
without a limit on requests, what its makers recommend for speed (nginx: sendfile with tcp_nopush, descriptors
cached; lighttpd: sendfile, the state of files cached), everything else as they ship it.
"""

import contextlib
import os
import pwd
import shutil
import subprocess

import measure

IDLE_CONNECTIONS = 10_000
SLOTS = IDLE_CONNECTIONS + 1_000
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"


def program(name):
    return shutil.which(name, path=PATH)


def plain_user():
    """Whom Apache becomes when we are root (it refuses to stay root)."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


class Server:
    """A running server: its name, port and process."""

    def __init__(self, name, command, port, cpus, folder, held=None, **options):
        self.name, self.port, self.held = name, port, held
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self.process = measure.spawn(command, cpus, cwd=folder, stdout=options.pop("stdout", log),
                                         stderr=log, **options)
        try:
            if port is None:
                self.port = int(self.process.stdout.readline())
            measure.wait_listening(self.port, self.process)
        except (RuntimeError, ValueError) as error:
            self.stop()
            said = self.log.read_text(errors="replace")
            raise RuntimeError(f"{name} does not start: {error}\n{said}") from None

    @property
    def pid(self):
        return self.process.pid

    def workers(self):
        return sorted(measure.family(self.pid) - {self.pid})

    def stop(self):
        measure.stop(self.process)
        if self.process.stdout:
            self.process.stdout.close()
        if self.held:
            self.held.close()


@contextlib.contextmanager
def started(server):
    try:
        yield server
    finally:
        if server:
            server.stop()


def own(name, command, cpus, folder):
    """One of the programs in bench/, which print their port."""
    return Server(name, command, None, cpus, folder, stdout=subprocess.PIPE)


def musterd_http(port, root, workers=1, access_log=None, log_format=None):
    log = f'; access-log "{access_log}"; access-log-format {log_format}' if access_log else ""
    return f"""
service www {{
    listen 127.0.0.1:{port}
    handler http {{ root {root}{log} }}
    workers {workers}
    connections {SLOTS}
    timeout {{ header 60s; idle 10min }}
}}
"""


def musterd_echo(port, workers=16):
    return f"""
service echo {{
    listen 127.0.0.1:{port}
    handler echo
    workers {workers}
    connections 1
}}
"""


def nginx(port, root, folder, workers=1):
    return f"""
daemon off;
{'user root;' if os.geteuid() == 0 else ''}
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
worker_rlimit_nofile {SLOTS + 500};
events {{ worker_connections {SLOTS}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=100 inactive=600s;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/nginx-1; proxy_temp_path {folder}/nginx-2;
    fastcgi_temp_path {folder}/nginx-3; uwsgi_temp_path {folder}/nginx-4; scgi_temp_path {folder}/nginx-5;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
"""


def h2o(port, handler, connections, folder):
    """handler: what it does about every path, indented lines."""
    return f"""
{'user: root' if os.geteuid() == 0 else ''}
num-threads: 1
max-connections: {connections}
http1-request-timeout: 600
pid-file: {folder}/h2o.pid
error-log: {folder}/h2o-error.log
listen:
  host: 127.0.0.1
  port: {port}
hosts:
  default:
    paths:
      /:
{handler}
"""


def h2o_files(port, root, folder):
    return h2o(port, f"        file.dir: {root}", SLOTS, folder)


def lighttpd(port, root, folder):
    return f"""
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/lighttpd-error.log"
server.max-fds = {2 * IDLE_CONNECTIONS}
server.max-connections = {IDLE_CONNECTIONS}
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 600
server.listen-backlog = 4096
server.network-backend = "sendfile"
server.stat-cache-engine = "simple"
"""


def apache(port, root, folder, workers=64, spare=1):
    most = max(2 * workers, 128)
    return f"""
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache-error.log
DefaultRuntimeDir {folder}
Mutex posixsem
User {plain_user()}
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
StartServers {workers}
MinSpareServers {spare}
MaxSpareServers {most}
MaxRequestWorkers {most}
ListenBacklog 4096
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 600
DocumentRoot {root}
<Directory {root}>
    AllowOverride None
    Require all granted
</Directory>
"""


def haproxy(port, root):
    return f"""
global
    nbthread 1
    maxconn 1000
defaults
    mode http
    timeout client 600s
    timeout http-keep-alive 600s
    timeout http-request 600s
frontend www
    bind 127.0.0.1:{port} backlog 4096
    http-request return status 200 content-type application/octet-stream file {root}/1k.bin
"""


# name: (program, what generates the configuration, arguments that take its path)
HTTP_PEERS = {
    "nginx": ("nginx", nginx, ["-p", "{folder}", "-e", "{folder}/nginx-error.log", "-c", "{conf}"]),
    "h2o": ("h2o", h2o_files, ["-c", "{conf}"]),
    "lighttpd": ("lighttpd", lighttpd, ["-D", "-f", "{conf}"]),
    "apache prefork": ("apache2", apache, ["-D", "FOREGROUND", "-f", "{conf}"]),
    "haproxy": ("haproxy", lambda port, root, folder: haproxy(port, root), ["-db", "-f", "{conf}"]),
}


def peer_conf(name, folder):
    return folder / f"{HTTP_PEERS[name][0]}.conf"


def start_peer(name, folder, root, cpus, generate=None, **more):
    """The peer, or None where it is not installed. generate: its configuration, if it is not for files; more: for
    what generates it."""
    binary, for_files, arguments = HTTP_PEERS[name]
    generate = generate or for_files
    path = program(binary)
    if not path:
        return None
    port, held = measure.reserve_port()
    peer_conf(name, folder).write_text(generate(port, root, folder, **more))
    conf = peer_conf(name, folder)
    words = [word.format(conf=conf, folder=folder) for word in arguments]
    return Server(name.replace(" ", "-"), [path, *words], port, cpus, folder, held)


def start_musterd(binary, generate, folder, cpus, *arguments, **more):
    port, held = measure.reserve_port()
    conf = folder / "musterd.conf"
    conf.write_text(generate(port, *arguments, **more))
    return Server("musterd", [binary, "-c", conf], port, cpus, folder, held)


def start_tcpserver(folder, cpus):
    path = program("tcpserver")
    if not path:
        return None
    port, held = measure.reserve_port()
    command = [path, "-q", "-H", "-R", "-l0", "-c64", "-b4096", "127.0.0.1", port, "cat"]
    return Server("tcpserver cat", command, port, cpus, folder, held)
