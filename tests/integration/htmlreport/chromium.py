"""A headless Chromium without a network, driven through its debugging pipe."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60


class Page:
    """One page of the browser.

    Attributes:
        problems: its errors, violations of its policy, and requests to a network.
    """

    def __init__(self, send: Any, answers: "Queue[dict[str, Any] | None]") -> None:
        self._send = send
        self._answers = answers
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._loaded = False
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Network.emulateNetworkConditions",
            offline=True,
            latency=0,
            downloadThroughput=0,
            uploadThroughput=0,
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the Chrome DevTools Protocol, and return its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._send(message)
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        answer = self._answers.get(timeout=PATIENCE)
        assert answer is not None, "the browser has ended"
        said = answer.get("params", {})
        match answer.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.exceptionThrown":
                self.problems.append(str(said["exceptionDetails"].get("exception")))
            case "Log.entryAdded":
                self.problems.append(said["entry"]["text"])
            case "Network.requestWillBeSent":
                url = said["request"]["url"]
                if not url.startswith(("file:", "about:", "data:", "blob:")):
                    self.problems.append(f"request to {url}")
        return answer

    def open(
        self, path: Path, *, scheme: str = "light", size: tuple[int, int] = (1360, 900)
    ) -> None:
        """Open a file, and wait until it is loaded."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self._loaded = False
        self.call("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._next()

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        self.run(
            "new Promise(done => { const look = () => "
            f"({condition}) ? done() : setTimeout(look, 10); look(); }})"
        )

    def press(self, *keys: str) -> None:
        """Press keys, by the names that the DOM gives to them."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40, "ArrowUp": 38}
        for key in keys:
            text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
            known = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0)}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
            self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save the page as a PNG: what is in the window, or all of it."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(home: Path) -> Iterator[Page]:
    """A page of a new browser, which is stopped afterwards.

    Args:
        home: an empty folder for its files.
    """
    assert PROGRAM is not None
    to_read, to_send = os.pipe()
    from_read, from_send = os.pipe()
    arguments = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={home}",
        "--remote-debugging-pipe",
    )
    browser = subprocess.Popen(
        # The browser reads commands from 3, and writes answers to 4.
        ["/bin/bash", "-c", f'exec "$@" 3<&{to_read} 4>&{from_send}', "-", PROGRAM, *arguments],
        pass_fds=(to_read, from_send),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(to_read)
    os.close(from_send)
    answers: Queue[dict[str, Any] | None] = Queue()

    def send(message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(to_send, data) :]

    def listen() -> None:
        with os.fdopen(from_read, "rb") as stream:
            rest = b""
            while chunk := stream.read1(1 << 16):
                *whole, rest = (rest + chunk).split(b"\0")
                for each in whole:
                    answers.put(json.loads(each))
        answers.put(None)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield Page(send, answers)
    finally:
        os.killpg(browser.pid, 9)
        browser.wait()
        os.close(to_send)
        listener.join()
