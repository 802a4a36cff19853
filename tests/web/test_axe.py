"""The page under axe-core, in a browser: nothing serious on any tab, in any look, in a dialog or at the login."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from ilp.settings import Web
from tests.tools.axe import PLACE
from tests.web.browser import Browser, chromium
from tests.web.fake_console import FakeConsole
from tests.web.harness import FakeChecker
from web.pages import TABS
from web.service import WebService

LOOK = """axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations
    .filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => [v.id, v.nodes[0].html.slice(0, 200)])))"""
USERS = {"anna": "a good one"}


class AxeTests(TestCase):
    """One walk through everything."""

    timeout = 90
    if chromium() is None:
        skip = "no Chromium is installed: the page was not tried in a browser"
    elif not PLACE.is_file():
        skip = "axe-core is not there: `python -m tests.tools.axe` fetches it"

    async def opened(self) -> Browser:
        service = WebService(FakeConsole("trading"), USERS, reactor, checker=FakeChecker(USERS))
        port: Any = await service.listen(Web("127.0.0.1", 0, False, None, None, None, {}))
        self.addCleanup(service.stop)
        self.url = f"http://127.0.0.1:{port.getHost().port}"
        browser = await Browser.start(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(browser.stop()))
        return browser

    async def look(self, browser: Browser, what: str) -> None:
        await browser.run(PLACE.read_text() + ";0")
        self.assertEqual(json.loads(await browser.run(LOOK)), [], what)

    async def test_nothing_serious_is_found_anywhere(self) -> None:
        browser = await self.opened()
        await browser.size(1440, 1000)
        await browser.go(f"{self.url}/login")
        await self.look(browser, "login")
        await browser.type("#u", "anna")
        await browser.type("#p", USERS["anna"])
        await browser.click("form button")
        await browser.until("document.querySelector('#state time')")
        for width, dark in ((1440, False), (1440, True), (360, False)):
            await browser.size(width, 1000, dark)
            for tab in TABS:
                await browser.run(f"location.hash = '{tab.id}'")
                await browser.until(f"document.querySelector('#grid-{tab.id}').innerText.length > 40")
                plots = f"[...document.querySelectorAll('#grid-{tab.id} .plot')]"
                await browser.until(f"{plots}.every((p) => p.querySelector('.main-svg'))")
                await self.look(browser, f"{tab.id}, {width} px, {'dark' if dark else 'light'}")
        await browser.click("#act-halt")
        await browser.until("document.querySelector('dialog[open]')")
        await self.look(browser, "the dialog of HALT")
