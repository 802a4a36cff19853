"""Two daemons that were started by mistake on one account, each with a journal of its own, so that no lock keeps them apart.

What must hold: they notice, one of them halts at least and says why; nothing is withdrawn twice, nothing rests in the end.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from random import Random

from attrs import evolve

from clients.exchange import Side
from ilp.journal.entries import TransferEntry
from ilp.simulation.inprocess import EVERYTHING, SPUTNIK
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from ilp.trading.trader import Refusal, Trader
from tests.faults.schedule import Outcome
from tests.trading.memory_journal import MemoryJournal
from tests.trading.test_trader import CALM
from tests.trading.world import LIMITS, PARAMETERS, World, settings

__all__ = ["Twins"]

NOTICED = 90.0  # reactor seconds
WORDS = ("was placed by another daemon", "was not placed here")


class Twins:
    """One pool, two traders, the second begun at a random moment.

    :param rich: venues have client ids; else the account is exclusive.
    """

    def __init__(self, rich: bool, seed: int) -> None:
        self.random = Random(f"twins {seed}")
        self.moving = self.random.random() < 0.5
        config = settings(
            parameters=PARAMETERS if self.moving else CALM,
            limits=evolve(LIMITS, exposure=Decimal(50), loss_per_day=10**9),
        )
        features = EVERYTHING if rich else SPUTNIK
        self.world = World(features, Conditions(latency=0.005, jitter=0.01), config, seed=seed)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Let both trade until they notice, and look at what is left."""
        world = self.world
        world.ready().trader.start("operator")
        world.advance(self.random.uniform(0, 2), 0.01)
        second, journal = self.second()
        traders = (world.trader, second)
        for _ in range(int(NOTICED)):
            if second.life.state is State.READY:
                with suppress(Refusal):
                    second.start("operator")
            world.take(self.random.choice(list(Side)), "0.05")
            world.advance(1, 0.02)
            if any(trader.life.state is State.HALTED for trader in traders):
                break
        self.check(traders, journal)
        return self.outcome

    def second(self) -> tuple[Trader, MemoryJournal]:
        """The other daemon: clients of its own on the same accounts."""
        world = self.world
        source, target, rates = world.clients()
        journal = MemoryJournal(world.reactor)
        trader = Trader(world.settings, {"source": source, "target": target}, rates, journal, world.clock)
        trader.begin().addErrback(lambda _: None)
        return trader, journal

    def check(self, traders: tuple[Trader, Trader], journal: MemoryJournal) -> None:
        """They noticed, and nothing left twice."""
        bad = self.outcome.violations.append
        halted = [trader for trader in traders if trader.life.state is State.HALTED]
        if not any(words in trader.reason for trader in halted for words in WORDS):
            bad(f"two daemons trade on one account: {[(t.life.state, t.reason) for t in traders]}")
        for trader in traders:
            trader.halt("the test is over", "operator")
        self.world.advance(5, 0.02)
        for venue in ("source", "target"):
            if left := self.world.open_orders(venue):
                bad(f"{venue}: {left} rest although both are halted")
            core = self.world.core(venue)
            made = sorted(core.currency(w.currency).amount(w.amount) for w in core.withdrawals("pool"))
            entries = (e for kept in (self.world.journal, journal) for e in kept.newest(TransferEntry, "id"))
            ours = sorted(e.amount for e in entries if e.called and e.from_venue == venue and e.state != "FAILED")
            self.outcome.withdrawals += len(made)
            if made != ours:
                bad(f"{venue}: withdrawals of {made}, the two journals have {ours}")
        for trader in traders:
            trader.shutdown()
        self.world.advance(12, 0.05)
        self.world.bank.stop()
