"""Does a side without a quote always say why? `python -m benchmarks.reasons [--hours 24]`, in virtual time.

A pool trades on simulated venues while inputs fail and come back, customers take quotes, prices jump, the journal's disk
fills up, and an operator pauses, halts, stops and starts.  Each second each side of the quote either rests at the venue, as
its document says, or carries one reason; printed is how often which reason stood there, its numbers as #, and how many
seconds had none.  Reasons that have no number name the whole of what is wanting: a pause, a side of a book, a disk.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

from attrs import define, evolve, field

from clients.exchange import Side
from ilp.simulation.faults import Fault
from ilp.simulation.inprocess import EVERYTHING
from ilp.simulation.session import Conditions
from ilp.snapshot import explained, quotes_section
from ilp.trading.machine import State
from ilp.trading.pauses import Pause
from ilp.trading.trader import Refusal
from tests.trading.test_trader import CALM
from tests.trading.world import AGES, LIMITS, D, World, settings

AGE = evolve(AGES, source_book=5.0, target_book=5.0, balances=10.0, orders=10.0, rate=30.0)
STEP = 0.25  # seconds of the clock
TROUBLE_EVERY, LASTS = (20.0, 200.0), (2.0, 90.0)  # seconds of the clock, at least and at most
BY_HAND = "anna"


@define(eq=False)
class Day:
    """A day full of trouble."""

    seed: int
    random: Random = field(init=False)
    world: World = field(init=False)
    reasons: Counter[str] = field(factory=Counter)
    seconds: int = 0
    resting: int = 0
    without: int = 0
    both: int = 0
    struck: Counter[str] = field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)
        limits = evolve(LIMITS, turnover_per_day=D(10**6), loss_per_day=D(10**9), orders_per_minute=600)
        conditions = Conditions(latency=0.005, deadline=1.0, ping=1.0, silence=6.0)
        config = settings(parameters=CALM, ages=AGE, limits=limits)
        self.world = World(EVERYTHING, conditions, config, seed=self.seed).trading()

    def run(self, hours: float) -> None:
        """Let the time pass."""
        end, second = hours * 3600, 0.0
        trouble, at = self.random.uniform(*TROUBLE_EVERY), 0.0
        back: Callable[[], None] | None = None
        while at < end:
            at += STEP
            self.world.reactor.advance(STEP)
            if at >= trouble and back is None:
                back = self._strike()
                trouble = at + self.random.uniform(*LASTS)
            elif at >= trouble and back is not None:
                back()
                back = None
                trouble = at + self.random.uniform(*TROUBLE_EVERY)
            if self.random.random() < STEP / 60:
                self._market()
            if at - second >= 1.0:
                second = at
                self._look()

    def _market(self) -> None:
        world = self.world
        if self.random.random() < 0.5:
            world.take(self.random.choice((Side.BUY, Side.SELL)))
            return
        step = D(self.random.randint(-2, 2))
        if D(200) < world.bid + step < D(300):
            world.show_source(world.bid + step, world.ask + step)

    def _strike(self) -> Callable[[], None]:
        name, strike = self.random.choice(sorted(self._troubles().items()))
        self.struck[name] += 1
        return strike()

    def _troubles(self) -> dict[str, Callable[[], Callable[[], None]]]:
        """By name: begins something, and returns what ends it."""
        return {
            "the source is cut off": lambda: self._away("source"),
            "the target is cut off": lambda: self._away("target"),
            "the source's book is empty": self._empty,
            "the source falls silent": self._silent,
            "nobody confirms the rate": self._no_rate,
            "the journal's disk is full": self._full,
            "an operator pauses quotes": lambda: self._pause(Pause.QUOTES),
            "an operator winds down": lambda: self._pause(Pause.WIND_DOWN),
            "an operator pauses hedges": lambda: self._pause(Pause.HEDGES),
            "an operator stops": self._stop,
            "an operator halts": self._halt,
        }

    def _away(self, role: str) -> Callable[[], None]:
        client = getattr(self.world, role)
        client.down = True
        client.drop()
        return lambda: setattr(client, "down", False)

    def _empty(self) -> Callable[[], None]:
        world = self.world
        world.show_source(world.bid, world.ask, depth=0)
        return lambda: world.show_source(world.bid, world.ask)

    def _silent(self) -> Callable[[], None]:
        world = self.world
        world.source.faults.add(Fault.SILENCE, "event:book")
        world.source.faults.add(Fault.SILENCE, "*")
        world.show_source(world.bid, world.ask)
        return lambda: world.show_source(world.bid, world.ask)

    def _no_rate(self) -> Callable[[], None]:
        self.world.rates.down = True
        return lambda: setattr(self.world.rates, "down", False)

    def _full(self) -> Callable[[], None]:
        self.world.journal.broken = "no space left"
        return lambda: setattr(self.world.journal, "broken", "")

    def _pause(self, what: Pause) -> Callable[[], None]:
        self.world.trader.pause(what, True, BY_HAND)
        return lambda: self.world.trader.pause(what, False, BY_HAND)

    def _stop(self) -> Callable[[], None]:
        self._asked(self.world.trader.stop)
        return self._start

    def _halt(self) -> Callable[[], None]:
        self._asked(lambda by: self.world.trader.halt("a drill", by))
        return lambda: self._asked(lambda by: self.world.trader.reset("it was a drill", by))

    def _start(self) -> None:
        self._asked(self.world.trader.start)

    def _asked(self, act: Callable[[str], None]) -> None:
        with suppress(Refusal):  # it says why, and the next try comes with the next trouble
            act(BY_HAND)

    def _look(self) -> None:
        trader = self.world.trader
        if not trader.wanted and trader.life.state is State.READY and self.random.random() < 0.02:
            self._start()  # somebody notices
        layout = trader.layout
        shown = quotes_section(layout, explained(trader.status()), None)[layout.target.venue][layout.target.ticker]
        for quote in shown.values():
            self.seconds += 1
            if quote["resting"]:
                self.resting += 1
                self.both += quote["reason"] is not None
            elif quote["reason"]:
                self.reasons[re.sub(r"\d+(?:[.,]\d+)*", "#", quote["reason"])] += 1
            else:
                self.without += 1

    def show(self, took: float) -> None:
        """The figures."""
        quoteless = self.seconds - self.resting
        print(
            f"{self.seconds} seconds of a side, {self.resting} with a quote at rest, {quoteless} without; {took:.0f} s"
        )
        print(f"without a quote and without a reason: {self.without}; with a quote and a reason: {self.both}")
        print("troubles: " + ", ".join(f"{name} {n}" for name, n in self.struck.most_common()))
        print("reasons, most frequent first:")
        for reason, n in self.reasons.most_common():
            print(f"  {n:>7}  {reason}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0, help="of the clock")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    day, began = Day(options.seed), time.monotonic()
    day.run(options.hours)
    day.show(time.monotonic() - began)


if __name__ == "__main__":
    main()
