# SPDX-License-Identifier: MIT
"""Which process holds which connection, as the kernel knows it (sock_diag), for tests that may harm only
the clients of a process that they kill.

A connection is named as its client knows it: ("tcp", the client's port, the server's) or ("unix", the
inode of the client's socket). A process that is stopped accepts and closes nothing, so what it holds is exact.
"""

import contextlib
import os
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_AND_DUMP = 0x1 | 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
# All but TIME_WAIT, which no process holds, and LISTEN.
TCP_STATES = sum(1 << state for state in (1, 2, 3, 4, 5, 8, 9, 11))
UNIX_ALL_STATES = 0xffffffff
UDIAG_SHOW_PEER, UNIX_DIAG_PEER = 4, 2


def _dump(request):
    """The payloads of the kernel's answers. OSError where it does not answer such questions."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(10)
        sock.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_AND_DUMP,
                              1, 0) + request)
        while True:
            data = sock.recv(1 << 18)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    error = -struct.unpack_from("=i", data, 16)[0]
                    raise OSError(error, os.strerror(error))
                yield data[16:length]
                data = data[(length + 3) & ~3:]


def _tcp_peers():
    """{inode of a TCP socket: (port of its peer, its own port)}"""
    request = struct.pack("=BBBBI48x", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, TCP_STATES)
    # inet_diag_msg: 4 bytes, source port, destination port (big endian), ..., the inode at its end.
    return {struct.unpack_from("=I", answer, 68)[0]: struct.unpack_from("!HH", answer, 4)[::-1]
            for answer in _dump(request)}


def _unix_peers():
    """{inode of a Unix socket: inode of its peer}"""
    request = struct.pack("=BBHIII8x", socket.AF_UNIX, 0, 0, UNIX_ALL_STATES, 0, UDIAG_SHOW_PEER)
    peers = {}
    for answer in _dump(request):
        inode, at = struct.unpack_from("=I", answer, 4)[0], 16
        while at + 4 <= len(answer):
            length, kind = struct.unpack_from("=HH", answer, at)
            if kind == UNIX_DIAG_PEER:
                peers[inode] = struct.unpack_from("=I", answer, at + 4)[0]
            at += max((length + 3) & ~3, 4)
    return peers


def socket_inodes(pid):
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found


def connections_of(pid):
    """The names of all connections of which the process holds the server's end."""
    inodes = socket_inodes(pid)
    return {("tcp", *ports) for inode, ports in _tcp_peers().items() if inode in inodes} | \
        {("unix", peer) for inode, peer in _unix_peers().items() if inode in inodes}


def name_of(sock, port=None):
    """The name of the connection, to the port given or to a Unix socket, of which this is the client's end."""
    if sock.family == socket.AF_UNIX:
        return "unix", os.fstat(sock.fileno()).st_ino
    return "tcp", sock.getsockname()[1], port
