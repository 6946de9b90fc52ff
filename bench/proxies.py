# SPDX-License-Identifier: MIT
"""How bench/run starts each server as a gateway: one worker, one thread, no access log, connections to the origin
kept as long as it goes, the client's Host and address passed on, and else what its makers recommend for
speed. What all have in common is in servers.py.
"""

import os

import servers

CONNECTIONS = 4000
KEPT = 1024


def musterd(kind, port, origin, root):
    return f"""
service www {{
    listen 127.0.0.1:{port}
    handler http {{
        root {root}
        upstream origin {{ server 127.0.0.1:{origin}; keep {KEPT}; keep-time 10min }}
        location / {{ {kind} origin {{{' keep yes ' if kind == 'fastcgi' else ' '}}} }}
    }}
    workers 1
    connections {CONNECTIONS}
    timeout {{ header 60s; idle 10min; request 10min }}
}}
"""


NGINX_PASS = {
    "proxy": """
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;""",
    # What nginx ships as fastcgi_params.
    "fastcgi": """
            fastcgi_pass origin;
            fastcgi_keep_conn on;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            fastcgi_param SCRIPT_NAME $fastcgi_script_name;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param DOCUMENT_URI $document_uri;
            fastcgi_param DOCUMENT_ROOT $document_root;
            fastcgi_param SERVER_PROTOCOL $server_protocol;
            fastcgi_param REQUEST_SCHEME $scheme;
            fastcgi_param HTTPS $https if_not_empty;
            fastcgi_param GATEWAY_INTERFACE CGI/1.1;
            fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
            fastcgi_param REMOTE_ADDR $remote_addr;
            fastcgi_param REMOTE_PORT $remote_port;
            fastcgi_param SERVER_ADDR $server_addr;
            fastcgi_param SERVER_PORT $server_port;
            fastcgi_param SERVER_NAME $server_name;
            fastcgi_param REDIRECT_STATUS 200;""",
}


def nginx(kind, port, origin, root, folder):
    return f"""
daemon off;
{'user root;' if os.geteuid() == 0 else ''}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
worker_rlimit_nofile {3 * CONNECTIONS};
events {{ worker_connections {2 * CONNECTIONS}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_max_body_size 0;
    client_body_temp_path {folder}/nginx-1; proxy_temp_path {folder}/nginx-2;
    fastcgi_temp_path {folder}/nginx-3; uwsgi_temp_path {folder}/nginx-4; scgi_temp_path {folder}/nginx-5;
    upstream origin {{
        server 127.0.0.1:{origin};
        keepalive {KEPT};
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {root};
        location / {{{NGINX_PASS[kind]}
        }}
    }}
}}
"""


def h2o(kind, port, origin, root, folder):
    handler = f"""\
        proxy.reverse.url: http://127.0.0.1:{origin}/
        proxy.preserve-host: ON
        proxy.timeout.keepalive: 600000"""
    if kind == "fastcgi":
        handler = f"""\
        fastcgi.connect:
          host: 127.0.0.1
          port: {origin}
          type: tcp
        fastcgi.timeout.keepalive: 600000
        fastcgi.document_root: {root}"""
    return servers.h2o(port, handler, CONNECTIONS, folder)


def haproxy(kind, port, origin, root, folder):
    del folder
    fastcgi = kind == "fastcgi"
    return f"""
global
    nbthread 1
    maxconn {CONNECTIONS}
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
    timeout http-request 600s
{f"fcgi-app app{chr(10)}    docroot {root}{chr(10)}    option keep-conn" if fastcgi else ""}
frontend www
    bind 127.0.0.1:{port} backlog 4096
    default_backend origin
backend origin
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    {"use-fcgi-app app" if fastcgi else ""}
    server one 127.0.0.1:{origin} {"proto fcgi" if fastcgi else ""}
"""


PEERS = {"nginx": nginx, "haproxy": haproxy, "h2o": h2o}


def start(bench, name, kind, origin):
    """The gateway of that name before the origin, a port; None where it is not installed."""
    if name == "musterd":
        return servers.start_musterd(bench.musterd, lambda port: musterd(kind, port, origin, bench.root), bench.folder,
                                     {bench.server_cpu})
    return servers.start_peer(name, bench.folder, bench.root, {bench.server_cpu},
                              lambda port, root, folder: PEERS[name](kind, port, origin, root, folder))


def start_all(bench, stack, kind, origin):
    """musterd and the peers that are installed; stopped with the stack."""
    everyone = []
    for name in ("musterd", *PEERS):
        server = start(bench, name, kind, origin)
        if server:
            everyone.append(server)
            stack.callback(server.stop)
        else:
            print(f"  {name}: not installed")
    return everyone
