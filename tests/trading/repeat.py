"""One run of the demonstration's pool in virtual time, its journal printed: `python -m tests.trading.repeat SEED`.

A process of its own, so that what a process draws at random (the order of sets of texts above all) differs between runs.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from attrs import evolve
from twisted.internet.task import Clock

from ilp.bookkeeping import accounted, keep_books
from ilp.clock import WorldClock
from ilp.journal.commands import main as command
from ilp.journal.store import memory_journal
from ilp.settings_file import load
from ilp.simulation.embedded import scenario_of
from ilp.simulation.inprocess import SimulatedExchange
from ilp.simulation.inprocess_rates import SimulatedRates
from ilp.simulation.recordings import load_fixings
from ilp.simulation.session import Conditions
from ilp.simulation.simulated_world import World
from ilp.trading.machine import State
from ilp.trading.trader import Trader

DEMO = Path(__file__).parents[2] / "ilp_example_config" / "demo.ini"
SECONDS = 20  # of the reactor: twenty minutes of the world


def play(seed: int, url: str) -> None:
    """Let the demonstration trade on in-process venues with *seed*; what it did is in the journal at *url*."""
    settings = load(DEMO).settings
    assert settings.simulation is not None
    reactor = Clock()
    clock = WorldClock(reactor, settings.simulation.start, settings.simulation.speed)
    world = World(scenario_of(settings, evolve(settings.simulation, seed=seed)), clock)
    venues = {
        name: SimulatedExchange(
            core, "pool", reactor, name=name, conditions=Conditions(latency=0.005), random=Random(f"{seed} {name}")
        )
        for name, core in world.cores.items()
    }
    feed = SimulatedRates(clock, load_fixings(world.scenario.fixings), tickers="USD/HUF")
    journal = accounted(memory_journal(url), settings)
    trader = Trader(settings, venues, feed, journal, clock)
    keep_books(trader, journal)
    world.start()
    trader.begin()
    for _ in range(SECONDS * 20):
        reactor.advance(0.05)
        if trader.life.state is State.READY:
            trader.start("operator")
    if trader.life.state.name != "TRADING":
        raise SystemExit(f"does not trade: {trader.status()}")
    ended: list[object] = []
    trader.shutdown().addBoth(ended.append)
    for _ in range(400):
        if ended:
            break
        reactor.advance(0.05)
    world.stop()
    journal.close()


def main(seed: int) -> int:
    """Play once and print."""
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ilp.sqlite"
        play(seed, url)
        return command(Namespace(action="export", to=None), url, sys.stdout, sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
