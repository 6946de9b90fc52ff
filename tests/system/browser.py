# SPDX-License-Identifier: MIT
"""A headless Chromium for system tests, spoken to by its DevTools protocol over two pipes: JSON, ended by a zero
byte each. What a page says about itself is asked of the page; what was asked of the server is told by the browser.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time

from harness import Skip, deadline
from tools import environment

# The browser reads commands from descriptor 3 and writes to 4.
WITH_PIPES = 'in=$1 out=$2; shift 2; exec "$@" 3<&"$in" 4>&"$out"'


class Chromium:
    """One start of the browser with one page, stopped at the end of the test."""

    def __init__(self, case):
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not path:
            raise Skip("chromium is not installed (Debian: apt-get install chromium)")
        commands, self.to = os.pipe()
        self.answers, events = os.pipe()
        # As root its own sandbox does not work; /dev/shm is small in containers.
        command = [path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
                   "--no-first-run", "--disable-background-networking", "--disable-breakpad", "--mute-audio",
                   "--disable-component-update", "--disable-sync", "--window-size=1000,900",
                   f"--user-data-dir={case.folder}/chromium", "--remote-debugging-pipe", "about:blank"]
        with open(case.folder / "chromium.out", "wb") as said:
            self.process = subprocess.Popen(["bash", "-c", WITH_PIPES, "bash", str(commands), str(events), *command],
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                            pass_fds=(commands, events), env=environment(case),
                                            start_new_session=True)
        os.close(commands)
        os.close(events)
        self.number, self.buffer, self.seen, self.session = 0, b"", [], None
        case.defer(self.stop)
        page = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)
        self.loader = None  # of the document that is shown

    def _message(self, end):
        """The next message."""
        while b"\0" not in self.buffer:
            if not select.select([self.answers], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("the browser says nothing")
            piece = os.read(self.answers, 1 << 20)
            assert piece, "the browser has ended"
            self.buffer += piece
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **params):
        """The result of a command; what happens meanwhile is kept in `seen`."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.to, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + deadline(90)
        while True:
            message = self._message(end)
            if message.get("id") == self.number:
                assert "error" not in message, f"{method}: {message}"
                return message["result"]
            self.seen.append(message)

    def open(self, url):
        """Loads a page, and waits for the end of that: with its pictures and scripts."""
        self.seen.clear()
        got = self.ask("Page.navigate", url=url)
        assert "errorText" not in got, got
        self._wait_loaded(lambda loader: loader == got["loaderId"])

    def reload(self):
        """The same for the page that is shown."""
        self.seen.clear()
        self.ask("Page.reload")
        self._wait_loaded(lambda loader: loader != self.loader)

    def _wait_loaded(self, is_it):
        end = time.monotonic() + deadline(90)
        while True:
            loaded = [message["params"]["loaderId"] for message in self.seen
                      if message.get("method") == "Page.lifecycleEvent" and message["params"]["name"] == "load"]
            if any(is_it(loader) for loader in loaded):
                self.loader = loaded[-1]
                return
            self.seen.append(self._message(end))

    def value(self, expression):
        """Of a JavaScript expression; of a promise, what becomes of it."""
        got = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True,
                       userGesture=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def responses(self, path):
        """What the server answered for a path since the page was opened: [(status, fields)]."""
        found = []
        for message in self.seen:
            if message.get("method") == "Network.responseReceived":
                answer = message["params"]["response"]
                if answer["url"].split("?")[0].endswith(path):
                    found.append((answer["status"],
                                  {name.lower(): value for name, value in answer["headers"].items()}))
        return found

    def complaints(self):
        """What the browser finds wrong with the page. What it does not want to the end (of a video) is not."""
        return [message["params"] for message in self.seen
                if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")
                and not message["params"].get("canceled")]

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def stop(self):
        """It closes itself when nobody speaks to it any more; its helpers are ended with it."""
        os.close(self.to)
        try:
            self.process.wait(deadline(10))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.answers)
