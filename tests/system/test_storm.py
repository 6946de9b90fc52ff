#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A storm of reloads and upgrades under full load: each reload changes the service, and no request fails.

Of a hundred reloads and twenty upgrades in a minute each mode has a share by its length: STORM_SECONDS (10)
for each. On a slow machine the storm takes longer and has as many of them.
"""

import os
import time

from harness import for_both_modes, main

SECONDS = float(os.environ.get("STORM_SECONDS", "10"))
RELOADS_A_MINUTE, RELOADS_AN_UPGRADE = 100, 5
PAGES = 3


def conf(case, port, number):
    """Another folder each time, and now and then another number of workers."""
    direct = case.connections == 1
    # A direct worker has one client: all keep-alive clients have one, and the others some.
    workers = (10 if direct else 2) + number // PAGES % 2
    return f"""
service www {{
    listen 127.0.0.1:{port}
    handler http {{ root root{number % PAGES} }}
    workers {workers}
    connections {case.connections}
    timeout {{ drain 60s; park 60s; header 60s; idle 60s }}
}}
"""


@for_both_modes
def no_request_fails(case):
    pages = [case.write(f"root{i}/index.html", f"{i}".encode() * 1024) for i in range(PAGES)]
    port = case.port()
    server = case.server(conf(case, port, 0))
    upgrades = server.can_upgrade()
    load = case.load(port, pages, pause_ms=0, keep_alive=6 if case.connections == 1 else 24, per_request=8)
    reloads, upgraded, begin = max(int(SECONDS * RELOADS_A_MINUTE / 60), 3), 0, time.monotonic()
    for number in range(1, reloads + 1):
        case.conf(conf(case, port, number))
        status = server.reload(60)["STATUS"]
        assert "refused" not in status, f"reload {number}: {status}"
        if upgrades and number % RELOADS_AN_UPGRADE == 0:
            server.upgrade(60)
            upgraded += 1
        # No faster than asked for: the load shall see each generation at work.
        time.sleep(max(begin + number * SECONDS / reloads - time.monotonic(), 0))
    counts = load.stop_clean()
    took = time.monotonic() - begin
    print(f"# storm: {reloads} reloads, {upgraded} upgrades in {took:.1f} s: {counts['requests']} requests on "
          f"{counts['connects']} connections, the slowest {counts['slowest_ms']} ms, failures 0")
    assert all(counts["bodies"]) and counts["announced_closes"] > 0, f"not all were seen at work: {counts}"
    server.stop()


if __name__ == "__main__":
    main()
