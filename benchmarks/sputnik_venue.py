"""How many book updates a second the simulated Sputnik exchange delivers: `python -m benchmarks.sputnik_venue`.

A book of 20 levels a side, two subscribers on loopback sockets in the same process, each update one order placed or
cancelled by the core.  What is claimed: an update costs the server less than 100 µs, so 1,000 a second are a tenth of a
core.
"""

from __future__ import annotations

import time
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred

from tests.simulation.sputnik.world import make_world

UPDATES = 4000
SUBSCRIBERS = 2
LEVELS = 20
TOPIC = "feeds.market.book.btc_huf"


async def measure(reactor: Any) -> None:
    """Run once and print the two figures."""
    world = await make_world(reactor)
    received = 0

    def count(_frame: bytes) -> None:
        nonlocal received
        received += 1

    for _ in range(SUBSCRIBERS):
        wire = await world.join()
        await wire.subscribe(TOPIC)
        wire.received = count
    for level in range(LEVELS):
        world.place("alice", "BTC/HUF", "BUY", 6_000_000 - 100 * level, 1_000_000)
        world.place("bob", "BTC/HUF", "SELL", 6_000_100 + 100 * level, 1_000_000)
    await task.deferLater(reactor, 0.1)
    received = 0
    began = time.perf_counter()
    for step in range(UPDATES // 2):
        id = world.place("alice", "BTC/HUF", "BUY", 5_990_000 - 100 * (step % 50), 1_000_000)
        world.core.cancel("alice", id)
    sent = time.perf_counter() - began
    while received < SUBSCRIBERS * UPDATES:
        await task.deferLater(reactor, 0.001)
    delivered = time.perf_counter() - began
    await world.stop()
    print(f"{UPDATES} book updates to {SUBSCRIBERS} subscribers: {sent / UPDATES * 1e6:.0f} µs each at the server,")
    print(f"all received after {delivered:.2f} s, {UPDATES / delivered:.0f} updates a second both ends included")


if __name__ == "__main__":
    task.react(lambda reactor: Deferred.fromCoroutine(measure(reactor)))
