"""The whole daemon in a real browser, on its demonstration's venues: what an operator does on the first evening."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from ilp.service import Daemon
from ilp.settings_file import load
from tests.web.browser import Browser, chromium

DEMO = Path(__file__).resolve().parents[2] / "ilp_example_config" / "demo.ini"
USER, PASSWORD = "anna", "a good one"
PATIENCE = 60.0  # seconds for what takes a moment on an idle machine
OURS = "document.querySelector('#p-price .plot')?.data?.find((t) => t.name === 'our bid')?.y.some((y) => y !== null)"


class DaemonTests(TestCase):
    """One long story, told once."""

    timeout = 300
    if chromium() is None:
        skip = "no Chromium is installed: the page was not tried in a browser"

    async def begun(self) -> Browser:
        """The daemon, its console and somebody who has signed in."""
        text = re.sub(r"(?m)^port = .*$", "port = 0", DEMO.read_text())
        text = re.sub(r"(?m)^operator = random$", f"{USER} = {PASSWORD}", text)
        file = Path(self.mktemp())
        file.write_text(text)
        out = StringIO()
        self.daemon = Daemon(load(file), reactor, out)
        self.addCleanup(self.daemon.stopService)
        await self.daemon.begin()
        (url,) = re.findall(r"Console: (\S+)/", out.getvalue())
        browser = await Browser.start(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(browser.stop()))
        await browser.size(1440, 1000)
        await browser.go(f"{url}/login")
        await browser.type("#u", USER)
        await browser.type("#p", PASSWORD)
        await browser.click("form button")
        return browser

    def resting(self) -> int:
        """Own orders in the target's own book."""
        assert self.daemon.embedded is not None
        return len(self.daemon.embedded.world.cores["target"].open_orders("pool"))

    async def test_edit_start_quote_and_stop_until_the_venues_confirm(self) -> None:
        browser = await self.begun()
        await browser.until("document.querySelector('#state .word')?.innerText.includes('READY')", PATIENCE)

        await browser.type('[aria-label="quote size"]', "0.05")
        await browser.until("document.querySelector('#tray .eff')?.innerText.includes('With the edits')", PATIENCE)
        await browser.click("#act-update")
        await browser.until("document.querySelector('#tray').hidden", PATIENCE)

        await browser.click("#act-start")
        await browser.until(
            "document.querySelector('dialog[open]')?.innerText.includes('The quotes it places')", PATIENCE
        )
        await browser.click("dialog[open] footer button:last-child")
        await browser.until("document.querySelector('#state .word').innerText.includes('TRADING')", PATIENCE)
        await browser.until(
            "document.querySelector('#p-quotes .side.bid .sz')?.innerText.includes('resting')", PATIENCE
        )
        await browser.until(OURS, PATIENCE)
        await browser.run("location.hash = 'orders'")
        await browser.until("document.querySelector('#o-list tbody')?.innerText.includes('quote')", PATIENCE)
        self.assertGreater(self.resting(), 0)

        await browser.click("#act-stop")
        await browser.until("document.querySelector('#line').innerText.includes('0 live orders')", PATIENCE)
        self.assertEqual(self.resting(), 0)

        await browser.run("location.hash = 'trader'")
        await browser.until("document.querySelector('#p-audit tbody')?.innerText.includes('STOP')", PATIENCE)
        audit = await browser.text("#p-audit")
        for expected in ("START", "quote size", USER):
            self.assertIn(expected, audit)
        self.assertEqual(browser.complaints(), [])
