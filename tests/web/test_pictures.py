"""The pictures in a real browser: drawn by plotly under a strict policy, with exact values for pointer, keys and tables."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from ilp.operator import Document
from tests.web.browser import Browser
from tests.web.page import ACCESSIBLE, PageCase
from web.history import sample
from web.pages import TABS

PLOT = "document.querySelector('#chart-price-target-BTC-HUF')"
DRAWN = f"{PLOT}?.querySelector('.main-svg .trace')"
TICKS = f"[...{PLOT}.querySelectorAll('.xtick text')].map((t) => t.textContent).join(' ')"
LABEL = f"({PLOT}.querySelector('.hoverlayer')?.textContent ?? '')"


def samples(document: Document, number: int, every: float = 2.0) -> list[Document]:
    """Samples of one document up to its time, so many seconds apart; the price rises by 1 with each."""
    end = datetime.fromisoformat(document["time"])
    found = []
    for n in range(number):
        taken = sample(document)
        at = end - timedelta(seconds=every * (number - 1 - n))
        taken["at"] = at.isoformat().replace("+00:00", "Z")
        taken["quotes"]["target BTC/HUF bid"][0] = str(24576000 + n)
        found.append(taken)
    return found


class PictureTests(PageCase):
    """One browser for each test."""

    async def shown(self, scene: str = "trading", number: int = 40) -> Browser:
        """Signed in, with a past of *number* samples drawn."""
        browser = await self.open(scene)
        self.service.history._samples.clear()  # of a browser that was slow to start there may be some already
        for taken in samples(self.console.document, number):
            self.service.history.put(taken)
        await browser.go(self.url + "/?again")
        await browser.until(DRAWN)
        return browser

    async def box(self, browser: Browser) -> dict[str, float]:
        """Where the drawing's inside stands in the window."""
        await browser.run(f"{PLOT}.scrollIntoView({{block: 'center'}})")
        found = await browser.run(f"JSON.stringify({PLOT}.querySelector('.nsewdrag').getBoundingClientRect())")
        answer: dict[str, float] = json.loads(found)
        return answer

    async def press(self, browser: Browser, key: str) -> None:
        """A key, on the picture."""
        event = f"new KeyboardEvent('keydown', {{key: {json.dumps(key)}, bubbles: true}})"
        await browser.run(f"{PLOT}.focus(); {PLOT}.dispatchEvent({event})")

    async def test_every_picture_is_drawn_without_a_breach_of_the_policy(self) -> None:
        browser = await self.shown()
        for tab in TABS:
            await browser.run(f"location.hash = '{tab.id}'")
            plots = f"[...document.querySelectorAll('#grid-{tab.id} .plot')]"
            await browser.until(f"document.querySelector('#grid-{tab.id}').innerText.length > 40")
            await browser.until(f"{plots}.every((p) => p.querySelector('.main-svg'))")
        self.assertEqual(browser.complaints(), [])

    async def test_the_library_adds_no_style_element_and_writes_its_rules_into_our_sheet(self) -> None:
        browser = await self.shown()
        self.assertEqual(await browser.run("document.querySelectorAll('style').length"), 0)
        rules = "[...document.getElementById('plotly.js-style-global').sheet.cssRules].map((r) => r.selectorText ?? '')"
        self.assertTrue(await browser.run(f"{rules}.some((s) => s.includes('.js-plotly-plot'))"))

    async def test_the_numbers_do_not_wait_for_the_library(self) -> None:
        browser = await self.open("trading")
        await browser.before(
            """const append = Element.prototype.append;
            Element.prototype.append = function (...nodes) {
              if (nodes.some((n) => n.src?.includes('/library/'))) { globalThis.withheld = nodes; return; }
              return append.apply(this, nodes);
            };"""
        )
        await browser.go(self.url + "/?again")
        await browser.until("globalThis.withheld")
        self.assertIn("24,576,900", await browser.text("#p-quotes"))
        self.assertIn("on its way", await browser.text("#chart-speeds"))

    async def test_a_library_that_does_not_come_is_said_and_asked_for_again(self) -> None:
        browser = await self.open("trading")
        await browser.before(
            """const append = Element.prototype.append; let tries = 0;
            Element.prototype.append = function (...nodes) {
              for (const n of nodes) if (n.src?.includes('/library/') && !tries++) n.src = '/library/lost/plotly.min.js';
              return append.apply(this, nodes);
            };"""
        )
        await browser.go(self.url + "/?again")
        await browser.until("document.querySelector('#chart-speeds')?.innerText.includes('could not be loaded')", 20)
        await browser.until("document.querySelector('#chart-speeds .main-svg')", 30)

    async def test_the_pointer_is_told_exact_values(self) -> None:
        browser = await self.shown()
        box = await self.box(browser)
        await browser.mouse("mouseMoved", box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await browser.until(f"{LABEL}.includes('our bid: 24,576,0')")
        self.assertRegex(await browser.run(LABEL), r"reference bid: 24,605,824 HUF")
        self.assertEqual(browser.complaints(), [])

    async def test_the_pointer_is_told_the_moment_in_the_operators_zone_and_in_utc(self) -> None:
        browser = await self.open("trading")
        await browser.zone("Europe/Budapest")
        self.service.history._samples.clear()
        for taken in samples(self.console.document, 40):
            self.service.history.put(taken)
        await browser.go(self.url + "/?again")
        await browser.until(DRAWN)
        box = await self.box(browser)
        await browser.mouse("mouseMoved", box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await browser.until(f"{LABEL}.includes('UTC')")
        label = await browser.run(LABEL)
        local, utc = re.search(r"(\d\d):(\d\d:\d\d)", label), re.search(r"(\d\d):(\d\d:\d\d) UTC", label)
        assert local is not None and utc is not None
        self.assertEqual((int(local[1]) - int(utc[1]), local[2]), (1, utc[2]), label)
        self.assertEqual(browser.complaints(), [])

    async def test_what_is_pointed_at_stays_while_news_come_in(self) -> None:
        browser = await self.shown()
        box = await self.box(browser)
        await browser.mouse("mouseMoved", box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await browser.until(f"{LABEL}.includes('our bid')")
        mark = await browser.run(f"{PLOT}.__mark")
        # The page takes a sample of its own every two seconds, and only of a world that moves.
        later = datetime.fromisoformat(self.console.document["time"]) + timedelta(seconds=5)
        self.console.document["time"] = later.isoformat().replace("+00:00", "Z")
        self.console.notify()
        await browser.until(f"{PLOT}.__mark !== {json.dumps(mark)}")
        self.assertIn("our bid", await browser.run(LABEL))

    async def test_the_arrow_keys_are_told_exact_values_in_words(self) -> None:
        browser = await self.shown()
        await self.press(browser, "End")
        await self.press(browser, "ArrowLeft")
        await browser.until("document.querySelector('#p-price .readout').innerText.includes('our bid 24,576,038 HUF')")
        await browser.until(f"{LABEL}.includes('our bid: 24,576,038 HUF')")
        self.assertEqual(await browser.run(ACCESSIBLE), [])

    async def test_a_part_is_looked_at_closer_with_the_keys_and_all_of_it_again(self) -> None:
        browser = await self.shown()
        before = await browser.run(TICKS)
        await self.press(browser, "+")
        await browser.until(f"{TICKS} !== {json.dumps(before)}")
        await self.press(browser, "0")
        await browser.until(f"{TICKS} === {json.dumps(before)}")

    async def test_a_part_is_looked_at_closer_with_the_mouse_and_stays_while_news_come_in(self) -> None:
        browser = await self.shown()
        box, before = await self.box(browser), await browser.run(TICKS)
        middle = box["y"] + box["height"] / 2
        await browser.mouse("mouseMoved", box["x"] + box["width"] * 0.3, middle)
        await browser.mouse("mousePressed", box["x"] + box["width"] * 0.3, middle)
        for share in (0.4, 0.5, 0.6):
            await browser.mouse("mouseMoved", box["x"] + box["width"] * share, middle)
        await browser.mouse("mouseReleased", box["x"] + box["width"] * 0.6, middle)
        await browser.until(f"{TICKS} !== {json.dumps(before)}")
        closer, mark = await browser.run(TICKS), await browser.run(f"{PLOT}.__mark")
        later = datetime.fromisoformat(self.console.document["time"]) + timedelta(seconds=5)
        self.console.document["time"] = later.isoformat().replace("+00:00", "Z")
        self.console.notify()
        await browser.until(f"{PLOT}.__mark !== {json.dumps(mark)}")
        self.assertEqual(await browser.run(TICKS), closer)

    async def test_a_line_is_hidden_by_its_name_and_shown_again(self) -> None:
        browser = await self.shown()
        lines = f"{PLOT}.querySelectorAll('.scatterlayer .trace').length"
        before = await browser.run(lines)
        await browser.click("#p-price .legend button")
        await browser.until(f"{lines} === {before} - 1")
        await browser.click("#p-price .legend button")
        await browser.until(f"{lines} === {before}")

    async def test_the_figures_are_there_as_a_table(self) -> None:
        browser = await self.shown()
        await browser.run("document.querySelector('#p-price details').open = true")
        await browser.until("document.querySelector('#p-price table')?.innerText.includes('24,576,039')")
        self.assertEqual(await browser.run(ACCESSIBLE), [])

    async def test_fills_stand_on_the_price(self) -> None:
        browser = await self.shown()
        # It may be drawn once with the page's own samples before the past has come.
        await browser.until(f"{PLOT}.querySelectorAll('.points path').length === 1")

    async def test_a_dark_page_has_dark_pictures(self) -> None:
        browser = await self.shown()
        line = f"getComputedStyle({PLOT}.querySelector('.xgrid') ?? {PLOT}.querySelector('.ygrid')).stroke"
        light: Any = await browser.run(line)
        await browser.size(1440, 1000, dark=True)
        await browser.until(f"{line} !== {json.dumps(light)}")

    async def test_pictures_keep_within_360_pixels(self) -> None:
        browser = await self.shown()
        await browser.size(360, 780)
        for tab in TABS:
            await browser.run(f"location.hash = '{tab.id}'")
            plots = f"[...document.querySelectorAll('#grid-{tab.id} .plot .main-svg')]"
            await browser.until(f"document.querySelector('#grid-{tab.id}').innerText.length > 40")
            await browser.until(f"{plots}.every((p) => p.getBoundingClientRect().right <= 360)")
            self.assertEqual(await browser.run("document.documentElement.scrollWidth"), 360, tab.id)

    async def test_hours_and_days_are_asked_of_the_daemon(self) -> None:
        browser = await self.shown(number=3)
        for taken in samples(self.console.document, 90, every=240):
            self.service.history.archive.add(taken)
        await browser.run(
            "[...document.querySelectorAll('#p-price .spans button')].find((b) => b.innerText === '6 h').click()"
        )
        await browser.until("document.querySelector('#p-price .spans small').innerText === '91 moments'")
        await browser.until(f"{TICKS}.includes('07:00') || {TICKS}.includes('08:00')")
        self.assertEqual(browser.complaints(), [])

    async def test_the_three_columns_stand_side_by_side_with_their_terms_stacked(self) -> None:
        browser = await self.shown()
        await browser.run("location.hash = 'valuation'")
        bars = "document.querySelector('#chart-columns')"
        await browser.until(f"{bars}.querySelectorAll('.bars .point').length === 9")
        words = await browser.text("#v-columns")
        for expected in ("Now", "Optimized", "Rounded", "deviation", "risk", "costs", "value 811,588.41"):
            self.assertIn(expected, words)

    async def test_a_value_that_changes_alone_is_drawn_anew(self) -> None:
        browser = await self.shown()
        await browser.run("location.hash = 'valuation'")
        await browser.until("document.querySelector('#chart-columns')?.innerText.includes('value 811,588.41')")
        for column in ("base", "optimized", "rounded"):
            self.console.document["valuation"][column]["value"] = "700000.01"
        self.console.notify()
        await browser.until("document.querySelector('#chart-columns').innerText.includes('value 700,000.01')")

    async def test_profit_and_loss_is_drawn_by_day(self) -> None:
        browser = await self.shown()
        await browser.run("location.hash = 'valuation'")
        await browser.until("document.querySelector('#chart-days .bars .point')")
        self.assertIn("2026-03-01", await browser.text("#chart-days"))
