"""How fast the simulated venues' core is: replacing quotes, matching, and a whole world in virtual time.

    python benchmarks/exchange_core.py

Prints operations a second; one listener is subscribed, as a wire server would be.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from twisted.internet.task import Clock

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.scenario import demo
from ilp.simulation.simulated_world import World

START = datetime(2019, 7, 31, 12, tzinfo=UTC)
BTC, HUF = Currency("BTC", 10**8), Currency("HUF", 100)
PAIR = Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, fee_bps=10)
LOT = PAIR.lot


def a_second(what: str, count: int, act: Callable[[int], None]) -> None:
    """Print how many times a second *act* can be done."""
    begun = time.perf_counter()
    for number in range(count):
        act(number)
    print(f"{what:<48} {count / (time.perf_counter() - begun):>10,.0f} /s")


def core_with_book() -> tuple[Core, list[int]]:
    """A venue with twenty levels on each side, all of one account."""
    core = Core(lambda: START, [BTC, HUF], [PAIR])
    for name in ("maker", "taker"):
        core.open_account(name)
        core.endow(name, "BTC", 10**13)
        core.endow(name, "HUF", 10**15)
    core.subscribe(lambda event: None)
    orders = []
    for level in range(20):
        orders.append(core.place("maker", "BTC/HUF", Side.BUY, 6_000_000 - 100 * level, LOT).id)
        orders.append(core.place("maker", "BTC/HUF", Side.SELL, 6_010_000 + 100 * level, LOT).id)
    return core, orders


def main() -> None:
    """Run everything."""
    core, orders = core_with_book()

    def replace(number: int) -> None:
        core.cancel("maker", orders.pop(0))
        side, price = (Side.BUY, 6_000_000) if number % 2 == 0 else (Side.SELL, 6_010_000)
        orders.append(core.place("maker", "BTC/HUF", side, price, LOT).id)

    def match(number: int) -> None:
        core.place("taker", "BTC/HUF", Side.SELL, 5_000_000, LOT)
        core.place("maker", "BTC/HUF", Side.BUY, 6_000_000, LOT)

    a_second("cancel and place, 2 x 20 levels", 20_000, replace)
    a_second("match and place again", 5_000, match)
    reactor = Clock()
    world = World(demo(), WorldClock(reactor, START, 60.0))
    world.start()
    a_second("minutes of the demo's world", 240, lambda _: reactor.pump([0.1] * 10))
    world.stop()


if __name__ == "__main__":
    main()
