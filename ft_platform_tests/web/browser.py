"""Chromium without a window, driven over its debugging protocol: what a page really sends, and what it gets."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WAIT_SECONDS = 90
# --no-sandbox: tests may run as root in a container, where Chromium has no sandbox.
WORDS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-allow-origins=*",
)


class Page:
    """One page of the browser.

    Attributes:
        events: what the browser said about it so far: requests, answers, websockets, exceptions.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection, self.events, self.calls = connection, [], 0
        for domain in ("Network", "Runtime", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.calls += 1
        self.connection.send(json.dumps({"id": self.calls, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.connection.recv(WAIT_SECONDS))
            if message.get("id") == self.calls:
                return message.get("result", {})
            self.events.append(message)

    def open(self, address: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        return (
            self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
            .get("result", {})
            .get("value")
        )

    def wait_for(self, expression: str) -> bool:
        """Whether an expression becomes true on the page."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if self.value(expression):
                return True
            time.sleep(0.2)
        return False

    def told(self, method: str) -> list[dict[str, Any]]:
        """Parameters of the events of one kind."""
        return [event["params"] for event in self.events if event.get("method") == method]


@contextmanager
def chromium(folder: Path, *words: str) -> Iterator[Page]:
    """A page of a browser with a profile of its own."""
    assert CHROMIUM
    with (folder / "chromium.log").open("w") as log:
        process = subprocess.Popen(
            [
                CHROMIUM,
                *WORDS,
                *words,
                "--remote-debugging-port=0",
                f"--user-data-dir={folder / 'profile'}",
                "about:blank",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        where, deadline = folder / "profile" / "DevToolsActivePort", time.monotonic() + WAIT_SECONDS
        while not where.exists() or not where.read_text().strip():
            assert process.poll() is None and time.monotonic() < deadline, (folder / "chromium.log").read_text()
            time.sleep(0.1)
        port = where.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=WAIT_SECONDS) as answer:
            target = next(one for one in json.load(answer) if one["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait(30)
