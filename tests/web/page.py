"""What the tests of the page in a real browser have in common: a console that is served, and somebody who has signed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from ilp.settings import Web
from tests.web.browser import Browser, chromium
from tests.web.fake_console import FakeConsole
from tests.web.harness import FakeChecker
from web.service import WebService
from web.sessions import Role

__all__ = ["ACCESSIBLE", "USERS", "PageCase"]

USERS = {"anna": "a good one", "bela": "another", "vera": "only looks"}
ACCESSIBLE = Path(__file__).with_name("accessible.js").read_text()


class PageCase(TestCase):
    """One browser for each test; nothing is shared between them."""

    timeout = 60
    if chromium() is None:
        skip = "no Chromium is installed: the page was not tried in a browser"

    async def open(self, scene: str = "ready", user: str = "anna") -> Browser:
        """Serve *scene* and sign in."""
        self.console = FakeConsole(scene)
        self.service = WebService(self.console, USERS, reactor, {"vera": Role.VIEWER}, FakeChecker(USERS))
        web = Web(host="127.0.0.1", port=0, ssl=False, ssl_key=None, ssl_cert=None, ssl_cert_chain=None, users={})
        port = await self.service.listen(web)
        self.url = f"http://127.0.0.1:{port.getHost().port}"
        self.addCleanup(self.service.stop)
        self.browser = await Browser.start(reactor)
        self.addCleanup(_deferred(self.browser.stop))
        await self.browser.size(1440, 1000)
        await self.sign_in(user, USERS[user])
        return self.browser

    async def sign_in(self, user: str, password: str) -> None:
        """Through the login page."""
        await self.browser.go(f"{self.url}/login")
        await self.browser.type("#u", user)
        await self.browser.type("#p", password)
        await self.browser.click("form button")
        if password == USERS[user]:
            await self.browser.until("document.querySelector('#state time')")

    async def dialog(self, said: str, confirm: bool = True) -> str:
        """Wait for the dialog that says so, confirm it, and return its words."""
        await self.browser.until(f"document.querySelector('dialog[open]')?.innerText.includes({json.dumps(said)})")
        words = await self.browser.text("dialog[open]")
        if confirm:
            await self.browser.click("dialog[open] footer button:last-child")
            await self.browser.until("!document.querySelector('dialog[open]')")
        return words

    async def edit(self, label: str, value: str) -> None:
        """Type into the field of a parameter."""
        await self.browser.type(f'[aria-label="{label}"]', value)


def _deferred(f: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], Any]:
    return lambda: Deferred.fromCoroutine(f())
