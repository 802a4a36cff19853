"""A headless Chromium to look at the console with, driven over its DevTools protocol.  Knows nothing of the console."""

from __future__ import annotations

import atexit
import base64
import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.task import deferLater

__all__ = ["Browser", "BrowserError", "chromium"]

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
    "--force-color-profile=srgb", "--ignore-certificate-errors", "about:blank",
)  # fmt: skip


class BrowserError(Exception):
    """What the page or the protocol complained of."""


def chromium() -> str | None:
    """Where a Chromium is, or None."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@cache
def _running() -> str:
    """The address of one Chromium for this process, ended with it.

    Starting one takes longer than a whole test; each test gets a context of its own, which shares nothing.  It is no
    child of the reactor, which must be clean after each test.
    """
    path = chromium()
    if path is None:
        raise BrowserError("no Chromium is installed")
    folder = tempfile.mkdtemp(prefix="ilp-chromium-")
    argv = [path, f"--user-data-dir={folder}", *_FLAGS]
    environment = {"HOME": folder, "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True)
    atexit.register(_end, process, folder)
    said = ""
    for line in process.stderr or ():
        said += line
        if line.startswith("DevTools listening on "):
            return line.split()[-1]
    raise BrowserError(said)


def _end(process: subprocess.Popen[str], folder: str) -> None:
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


class _Protocol(WebSocketClientProtocol):
    """Commands by number, events to a list."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[None] = Deferred()
        self.answers: dict[int, Deferred[dict[str, Any]]] = {}
        self.events: list[dict[str, Any]] = []

    def onOpen(self) -> None:
        self.opened.callback(None)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        message = json.loads(payload)
        waiting = self.answers.pop(message.get("id", -1), None)
        if waiting is None:
            self.events.append(message)
        elif "error" in message:
            waiting.errback(BrowserError(message["error"]["message"]))
        else:
            waiting.callback(message["result"])

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        if not self.closed.called:
            self.closed.callback(None)


class Browser:
    """One page in a fresh context.  Start it with `await Browser.start(reactor)`, end it with `await stop()`."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self._protocol: Any = None
        self._session = ""
        self._context = ""
        self._number = 0
        self._held = 0  # mouse buttons

    @classmethod
    async def start(cls, reactor: Any) -> Browser:
        """A page without cookies and without a past."""
        self = cls(reactor)
        factory = WebSocketClientFactory(_running(), reactor=reactor)
        factory.protocol = _Protocol
        factory.setProtocolOptions(maxFramePayloadSize=0, maxMessagePayloadSize=0, autoPingInterval=0)
        self._protocol = await HostnameEndpoint(reactor, factory.host, factory.port).connect(factory)
        await self._protocol.opened
        self._context = (await self._call("Target.createBrowserContext"))["browserContextId"]
        target = await self._call("Target.createTarget", url="about:blank", browserContextId=self._context)
        attached = await self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self._call(f"{domain}.enable")
        # by the thread's own clock: what other processes take away is not the page's
        await self._call("Performance.enable", timeDomain="threadTicks")
        return self

    async def stop(self) -> None:
        """Close the page and forget its context."""
        self._session = ""
        await self._call("Target.disposeBrowserContext", browserContextId=self._context)
        self._protocol.sendClose()
        await self._protocol.closed

    async def size(self, width: int, height: int, dark: bool = False) -> None:
        """Set the window, and whether the system is dark."""
        await self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self._call("Emulation.setEmulatedMedia", features=features)

    async def zone(self, name: str) -> None:
        """Set the time zone of the system, such as `Europe/Budapest`."""
        await self._call("Emulation.setTimezoneOverride", timezoneId=name)

    async def go(self, url: str) -> None:
        """Load *url*."""
        await self._call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:
        """The value of *script* in the page."""
        answer = await self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"].get("exception", {}).get("description")))
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = 10.0) -> None:
        """Wait until *script* is true in the page."""
        end = self.reactor.seconds() + seconds
        while True:
            try:
                if await self.run(f"Boolean({script})"):
                    return
            except BrowserError:
                pass  # the page is just being replaced
            if self.reactor.seconds() > end:
                text = await self.run("document.body.innerText.slice(0, 2000)")
                raise BrowserError(f"not within {seconds} s: {script}\n{text}\n{self.complaints()}")
            await deferLater(self.reactor, 0.05)

    async def click(self, selector: str) -> None:
        """Click what *selector* finds."""
        await self.until(
            f"document.querySelector({json.dumps(selector)}) && !document.querySelector({json.dumps(selector)}).disabled"
        )
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")

    async def type(self, selector: str, text: str) -> None:
        """Replace the text of a field as a person would."""
        await self.run(f"document.querySelector({json.dumps(selector)}).focus(); document.activeElement.select()")
        await self._call("Input.insertText", text=text)

    async def mouse(self, kind: str, x: float, y: float) -> None:
        """Move, press or release the mouse (`mouseMoved`, `mousePressed`, `mouseReleased`) at a point of the window."""
        held = 0 if kind == "mouseReleased" else self._held
        self._held = 1 if kind == "mousePressed" else held
        button = "none" if kind == "mouseMoved" and not self._held else "left"
        await self._call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=self._held, clickCount=1
        )

    async def before(self, script: str) -> None:
        """Run *script* in every page loaded from now on, before its own."""
        await self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    async def picture(self, path: Path, full: bool = False) -> None:
        """Save what is seen as PNG."""
        answer = await self._call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(answer["data"]))

    async def text(self, selector: str = "body") -> str:
        """What a person reads there."""
        return str(await self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def busy(self) -> float:
        """Seconds of processor time that the page's own thread has been at work so far."""
        found = (await self._call("Performance.getMetrics"))["metrics"]
        return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))

    def complaints(self) -> list[str]:
        """Errors of scripts and of the console log, such as a breach of the Content-Security-Policy."""
        found = []
        for event in self._protocol.events:
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"].get("exception", {}).get("description")))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"] + " " + event["params"]["entry"].get("url", ""))
        return found

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        waiting: Deferred[dict[str, Any]] = Deferred()
        self._protocol.answers[self._number] = waiting
        self._protocol.sendMessage(json.dumps(message).encode())
        return await waiting
