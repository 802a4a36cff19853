"""Pictures of every tab, light, dark and narrow: `python -m tests.tools.screenshots FOLDER [--scene trading] [--url …]`.

Without `--url` it shows the scripted console of `tests/web`; with it any running daemon (`--user`, `--password`).
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred

from ilp.settings import Web
from tests.web.browser import Browser
from tests.web.fake_console import FakeConsole
from tests.web.scenes import SCENES
from tests.web.serve import live, lived
from web.pages import TABS
from web.service import WebService

LOOKS = (("light", 1440, 1000, False), ("dark", 1440, 1000, True), ("narrow", 360, 780, False))


async def sign_in(browser: Browser, url: str, user: str, password: str) -> None:
    """Sign in through the login page and wait for the first numbers."""
    await browser.go(f"{url}/login")
    await browser.type("#u", user)
    await browser.type("#p", password)
    await browser.click("form button")
    await browser.until("document.querySelector('#state time')")


async def take(reactor: Any, browser: Browser, url: str, folder: Path, tabs: list[str], looks: list[str]) -> None:
    """Every tab in every look."""
    for name, width, height, dark in LOOKS:
        if name not in looks:
            continue
        await browser.size(width, height, dark)
        for tab in tabs:
            await browser.run(f"location.hash = {tab!r}")
            await browser.until(f"!document.querySelector('#tab-{tab}').hidden")
            await browser.until(
                f"[...document.querySelectorAll('#grid-{tab} .plot')].every((p) => p.querySelector('svg'))"
            )
            await task.deferLater(reactor, 0.4)
            full = await browser.run("document.documentElement.scrollHeight")
            await browser.size(width, max(height, min(int(full), 4000)), dark)
            await task.deferLater(reactor, 0.2)
            await browser.picture(folder / f"{tab}-{name}.png")
            await browser.size(width, height, dark)
            wide = await browser.run("document.documentElement.scrollWidth")
            if wide > width:
                print(f"{tab}-{name}: {wide} px wide, scrolls sideways")
    for complaint in browser.complaints():
        print(complaint)


async def run(reactor: Any, options: argparse.Namespace) -> None:
    """Serve, sign in, take pictures, end."""
    service, url, loop = None, (options.url or "").rstrip("/"), None
    if not url:
        console = FakeConsole(options.scene)
        service = WebService(console, {options.user: options.password}, reactor)
        lived(console, service.history, random.Random(2))
        web = Web(host="127.0.0.1", port=0, ssl=False, ssl_key=None, ssl_cert=None, ssl_cert_chain=None, users={})
        port = await service.listen(web)
        url = f"http://127.0.0.1:{port.getHost().port}"
        loop = task.LoopingCall(live, console, random.Random(1))
        loop.start(0.5)
    browser = await Browser.start(reactor)
    try:
        await sign_in(browser, url, options.user, options.password)
        await take(reactor, browser, url, options.folder, options.tab or [t.id for t in TABS], options.look)
    finally:
        await browser.stop()
        if service is not None and loop is not None:
            loop.stop()
            await service.stop()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scene", choices=sorted(SCENES), default="trading")
    parser.add_argument("--url", default="")
    parser.add_argument("--user", default="anna")
    parser.add_argument("--password", default="ilp")
    parser.add_argument("--tab", action="append", default=[])
    parser.add_argument("--look", action="append", default=[])
    options = parser.parse_args()
    options.look = options.look or [name for name, *_ in LOOKS]
    options.folder.mkdir(parents=True, exist_ok=True)
    task.react(lambda reactor: Deferred.fromCoroutine(run(reactor, options)))


if __name__ == "__main__":
    main()
