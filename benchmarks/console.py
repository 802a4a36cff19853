"""How long from an event at a venue until it is on the operator's screen: `python -m benchmarks.console [--seconds 120]`.

The daemon with its demonstration's venues behind real sockets, trading, and the console's tab Orders in a headless Chromium.
An event is an own order that the venue has taken, or that has left it (filled or cancelled); it is seen when the frame is
drawn in which the order's number stands in the table, or stands there no more.  An order that came and went between two
frames of the page was never to be seen: those are counted apart.  Also measured: the processor time of the page, each tab.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import tempfile
import time
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet import task
from twisted.internet.defer import Deferred

from ilp.service import Daemon
from ilp.settings_file import load
from ilp.simulation.records import OrderAccepted, OrderChanged
from tests.web.browser import Browser
from web.pages import TABS

DEMO = Path(__file__).resolve().parents[1] / "ilp_example_config" / "demo.ini"
USER, PASSWORD = "anna", "a benchmark's own"
WATCH = """globalThis.seen = {}; globalThis.gone = {}; let there = new Set();
const look = () => { const now = new Set([...document.querySelectorAll('#o-list tbody th code')].map((c) => c.textContent));
  for (const id of now) if (!there.has(id)) globalThis.seen[id] = Date.now();
  for (const id of there) if (!now.has(id)) globalThis.gone[id] = Date.now();
  there = now; };
new MutationObserver(() => requestAnimationFrame(look)).observe(document.querySelector('#grid-orders'),
  {subtree: true, childList: true, characterData: true}); look();"""


@define
class Venue:
    """When the target says what became of the pool's orders, in ms of the epoch."""

    taken: dict[str, float] = field(factory=dict)
    left: dict[str, float] = field(factory=dict)

    def told(self, event: Any) -> None:
        """An event of the venue's core."""
        if isinstance(event, OrderAccepted | OrderChanged) and event.order.account == "pool":
            id, now = str(event.order.id), time.time() * 1000
            self.taken.setdefault(id, now)
            if event.order.final:
                self.left.setdefault(id, now)


def shown(name: str, waits: list[float], missed: int) -> None:
    """Quantiles of one kind of event."""
    if not waits:
        print(f"  {name}: nothing was seen")
        return
    ordered = sorted(waits)
    at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99)}
    figures = ", ".join(f"p{share * 100:g} {wait:.0f} ms" for share, wait in at.items())
    print(
        f"  {name}: {figures}, worst {ordered[-1]:.0f} ms of {len(ordered)}; {missed} came and went between two frames"
    )


async def cost(browser: Browser, reactor: Any, seconds: float) -> None:
    """How busy each tab keeps the page."""
    print(f"\nprocessor time of the page, {seconds:g} s each:")
    for tab in TABS:
        await browser.run(f"location.hash = '{tab.id}'")
        await task.deferLater(reactor, 3)
        before = await browser.busy()
        await task.deferLater(reactor, seconds)
        print(f"  {tab.name:<13}{100 * (await browser.busy() - before) / seconds:5.1f} % of one core")


async def measure(reactor: Any, options: argparse.Namespace) -> None:
    """Begin, trade, watch, print."""
    with tempfile.TemporaryDirectory() as folder:
        text = re.sub(r"(?m)^port = .*$", "port = 0", DEMO.read_text())
        text = re.sub(r"(?m)^operator = random$", f"{USER} = {PASSWORD}", text)
        text = re.sub(r"(?m)^speed = .*$", f"speed = {options.speed:g}", text)
        file = Path(folder) / "bench.ini"
        file.write_text(text)
        out = StringIO()
        daemon = Daemon(load(file), reactor, out)
        await daemon.begin()
        browser = await Browser.start(reactor)
        try:
            await _watched(reactor, options, daemon, browser, out.getvalue())
        finally:
            await browser.stop()
            await daemon.stopService()


async def _watched(reactor: Any, options: argparse.Namespace, daemon: Any, browser: Browser, said: str) -> None:
    (url,) = re.findall(r"Console: (\S+)/", said)
    venue = Venue()
    daemon.embedded.world.cores["target"].subscribe(venue.told)
    await browser.size(1440, 1000)
    await browser.go(f"{url}/login")
    await browser.type("#u", USER)
    await browser.type("#p", PASSWORD)
    await browser.click("form button")
    await browser.until("document.querySelector('#state .word')?.innerText.includes('READY')", 60)
    await daemon.operator.start(USER)
    await browser.run("location.hash = 'orders'")
    await browser.until("document.querySelector('#o-list tbody th code')", 60)
    await task.deferLater(reactor, options.warm)
    await browser.run(WATCH)
    begun = time.time() * 1000
    await task.deferLater(reactor, options.seconds)
    ended = time.time() * 1000 - 1000  # what happened in the last second may not have been drawn yet
    for name, said_at, seen in (("taken", venue.taken, "seen"), ("left", venue.left, "gone")):
        found = json.loads(await browser.run(f"JSON.stringify(globalThis.{seen})"))
        due = {
            id: at for id, at in said_at.items() if begun < at < ended and (name == "taken" or venue.taken[id] > begun)
        }
        waits = [found[id] - at for id, at in due.items() if id in found]
        shown(f"orders {name}", waits, len(due) - len(waits))
    await cost(browser, reactor, options.each)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="how long events are watched")
    parser.add_argument("--warm", type=float, default=10.0, help="seconds of trading before that")
    parser.add_argument("--each", type=float, default=10.0, help="seconds for the processor time of each tab")
    parser.add_argument("--speed", type=float, default=60.0, help="world seconds a second")
    options = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors, Python {platform.python_version()}")
    task.react(lambda reactor: Deferred.fromCoroutine(measure(reactor, options)))


if __name__ == "__main__":
    main()
