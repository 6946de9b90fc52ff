#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One program of a pool, with asyncio, which accepts until there is nobody left: a line in upper case for each line."""

import asyncio
import os
import signal
import socket


def notify(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, sock=socket.socket(fileno=3))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.close)
    notify("READY=1")
    await server.wait_closed()


asyncio.run(main())
