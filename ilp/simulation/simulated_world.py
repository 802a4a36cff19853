"""A scenario come alive: cores, bank, drivers and takers on one clock, and the truth about all of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from attrs import evolve

from ilp.clock import WorldClock
from ilp.simulation.bank import Bank
from ilp.simulation.core import Core
from ilp.simulation.drivers import MarketDriver
from ilp.simulation.fx import FixedRates
from ilp.simulation.history import days_of, invented_hours, preload, shifted
from ilp.simulation.maker import HouseMaker
from ilp.simulation.paths import Move, along_bars, synthetic, to_tick
from ilp.simulation.recordings import RecordedBar, load_bars, load_fixings
from ilp.simulation.rules import FeeFactors, Rules
from ilp.simulation.scenario import Following, Invented, Recorded, Scenario, Venue
from ilp.simulation.sputnik.exchange import Exchange
from ilp.simulation.takers import InformedTaker, UninformedTaker
from ilp.simulation.truth import ledger_document, orders_document

__all__ = ["CUSTOMERS", "HOUSE_BASE", "INSIDERS", "MAKER", "World"]

MAKER, CUSTOMERS, INSIDERS = "house-maker", "customers", "insiders"
HOUSE_BASE = Decimal(100_000)
"""What the house's market maker and the customers have of the base currency; of the quote currency as much is worth."""

_FREE = FeeFactors(0, 0, 0, 0)
_MINUTE = timedelta(minutes=1)
_HISTORY = 10_000  # days of a busy user, and half a day of printed trades
_HOUSE_HISTORY = 1_000  # nobody asks what the house did long ago, and it does a lot


class World:
    """Everything that a scenario describes.

    :param clock: of the world and, by its reactor, of all timers.
    :ivar cores: the venues, by name.
    :ivar rates: exchange rates as the bank and the customers see them.
    """

    def __init__(self, scenario: Scenario, clock: WorldClock) -> None:
        self.scenario = scenario
        self.clock = clock
        self._recording = {v.name: v.price for v in scenario.venues if isinstance(v.price, Recorded)}
        self._minutes = {name: _bars(price.minutes) for name, price in self._recording.items()}
        self.shift = self._shift()
        self.rates = FixedRates(load_fixings(scenario.fixings), clock.now, self.shift)
        self.bank = Bank(clock, scenario.routes, self.rates.rate, str(scenario.seed))
        self.cores: dict[str, Core] = {}
        self.drivers: dict[str, MarketDriver] = {}
        self.makers: dict[str, HouseMaker] = {}
        self.uninformed: dict[str, UninformedTaker] = {}
        self.informed: dict[str, InformedTaker] = {}
        for venue in scenario.venues:
            self._build(venue)

    # ------------------------------------------------------------------------------------------------ starting, stopping

    def start(self) -> None:
        """Let the markets move and the customers come."""
        for driver in self.drivers.values():
            driver.start()
        for taker in self.uninformed.values():
            taker.start()

    def stop(self) -> None:
        """Everything stands still; no timer is left.  Orders and money stay where they are."""
        for driver in self.drivers.values():
            driver.stop()
        for taker in self.uninformed.values():
            taker.stop()
        for insider in self.informed.values():
            insider.stop()
        self.bank.stop()

    # --------------------------------------------------------------------------------------------------------- truth

    def ledger(self) -> dict[str, Any]:
        """Every account of every venue, the houses, and what bank and chain hold; amounts as text in human units."""
        assets = sorted({ticker for core in self.cores.values() for ticker in core.currencies})
        return {
            "venues": {name: ledger_document(core) for name, core in self.cores.items()},
            "bank": {
                asset: {
                    "under_way": f"{self.bank.under_way(asset):f}",
                    "charged": f"{self.bank.charged(asset):f}",
                    "paid_out": f"{self.bank.paid_out(asset):f}",
                    "converted": f"{self.bank.converted(asset):f}",
                    "total": f"{self.bank.total(asset):f}",
                }
                for asset in assets
            },
        }

    def open_orders(self) -> dict[str, Any]:
        """Every order that rests anywhere, by venue."""
        return {name: orders_document(core) for name, core in self.cores.items()}

    def price(self, venue: str) -> Decimal | None:
        """The price that a venue's market follows now, in human units; None before it has one."""
        plan = next(v for v in self.scenario.venues if v.name == venue)
        if not isinstance(plan.price, Following):
            wire = self.drivers[venue].price
            return None if wire is None else plan.pair.price(wire)
        return self._followed(plan, plan.price, self.drivers[plan.price.venue].price)

    # ------------------------------------------------------------------------------------------------------- building

    def _random(self, *names: str) -> Random:
        """Each part draws from a stream of its own, so that one more part does not change what the others draw."""
        return Random("/".join((str(self.scenario.seed), *names)))

    def _shift(self) -> timedelta:
        """By how much recordings are moved so that the world's time lies within them: nothing if it does already."""
        now = self.clock.now()
        for bars in self._minutes.values():
            if not bars[0].start <= now <= bars[-1].start:
                return (now - bars[0].start) // _MINUTE * _MINUTE
        return timedelta(0)

    def _build(self, venue: Venue) -> None:
        core = self._core(venue)
        self.cores[venue.name] = core
        self.bank.connect(core)
        self._endow(venue, core)
        if venue.ladder is not None:
            maker_random = self._random(venue.name, "maker")
            maker = HouseMaker(core, MAKER, venue.pair.ticker, venue.ladder, maker_random)
            self.makers[venue.name] = maker
        self._add_price(venue, core)
        self._add_takers(venue, core)

    def _core(self, venue: Venue) -> Core:
        fees = venue.withdrawal_fees
        currencies = (venue.pair.base, venue.pair.quote)
        charged = [evolve(c, withdrawal_fee=fees.get(c.ticker, c.withdrawal_fee)) for c in currencies]
        rules = Rules(hold_original=True, cancel_marks_filled=True)
        if venue.derivatives:
            markets = [venue.pair, *venue.derivatives]
            return Exchange(self.clock.now, charged, markets, venue=venue.name, history=_HISTORY)
        return Core(self.clock.now, charged, [venue.pair], rules=rules, venue=venue.name, history=_HISTORY)

    def _endow(self, venue: Venue, core: Core) -> None:
        for user in venue.users:
            account = core.open_account(user.name, factors=user.factors)
            account.automatic_withdrawals = user.automatic_withdrawals
            for ticker, amount in user.balances.items():
                core.endow(user.name, ticker, core.currency(ticker).units(amount))
        worth = self._first_price(venue)
        for name in (MAKER, CUSTOMERS, INSIDERS):
            core.open_account(name, factors=_FREE if name == MAKER else None, history=_HOUSE_HISTORY)
            core.endow(name, venue.pair.base.ticker, venue.pair.base.units(HOUSE_BASE))
            core.endow(name, venue.pair.quote.ticker, venue.pair.quote.units((HOUSE_BASE * worth).quantize(Decimal(1))))

    def _first_price(self, venue: Venue) -> Decimal:
        match venue.price:
            case Invented(first=first):
                return first
            case Recorded():
                return self._minutes[venue.name][0].open
            case Following(venue=other):
                leader = next(v for v in self.scenario.venues if v.name == other)
                rate = self.rates.rate(leader.pair.quote.ticker, venue.pair.quote.ticker)
                return self._first_price(leader) * (rate or Decimal(1))

    # -------------------------------------------------------------------------------------------------------- markets

    def _add_price(self, venue: Venue, core: Core) -> None:
        match venue.price:
            case Following() as following:
                self._add_history(venue, core, following.venue)
                if venue.name in self.makers:
                    leader = self.drivers[following.venue]
                    leader.follow(partial(self._make_follow, venue, following))
            case Recorded():
                self._add_history(venue, core, venue.name)
                self.drivers[venue.name] = MarketDriver(self.clock, self._maker(venue), self._recorded_path(venue))
            case Invented(first=first, shape=shape):
                self._add_history(venue, core, venue.name)
                path = synthetic(shape, venue.pair, first, self.clock.now(), self._random(venue.name, "path"))
                self.drivers[venue.name] = MarketDriver(self.clock, self._maker(venue), path)

    def _maker(self, venue: Venue) -> HouseMaker:
        if venue.name not in self.makers:
            raise ValueError(f"{venue.name}: a price of its own needs a ladder")
        return self.makers[venue.name]

    def _recorded_path(self, venue: Venue) -> Iterator[Move]:
        plan = self._recording[venue.name]
        bars = list(shifted(self._minutes[venue.name], self.shift))
        random = self._random(venue.name, "path")
        # What lies before now is left out here, with a whole bar to spare: walking through days of it takes a second.
        coming = [bar for bar in bars if bar.start >= self.clock.now() - _MINUTE]
        last = coming[-1] if coming else bars[-1]
        after = synthetic(plan.after, venue.pair, last.close, last.start + _MINUTE, random)
        return chain(along_bars(coming, venue.pair, random, steps=plan.steps), after)

    def _add_history(self, venue: Venue, core: Core, leader_name: str) -> None:
        """Let a venue tell of the time before it opened: its leader's prices, at the rates of their days."""
        leader = next(v for v in self.scenario.venues if v.name == leader_name)
        quotes = leader.pair.quote.ticker, venue.pair.quote.ticker
        hours, minutes = self._past(leader)
        now = self.clock.now()
        add = partial(preload, core, venue.pair.ticker, until=now, rate=lambda at: self.rates.rate_at(*quotes, at))
        add("hour", hours)
        add("day", days_of(hours))
        add("minute", minutes)

    def _past(self, leader: Venue) -> tuple[list[RecordedBar], list[RecordedBar]]:
        """Hours and minutes of a venue with a price of its own."""
        match leader.price:
            case Recorded(hours=hours):
                minutes = self._minutes[leader.name]
                return list(shifted(_bars(hours), self.shift)), list(shifted(minutes, self.shift))
            case Invented(first=first, shape=shape, hours=count):
                random = self._random(leader.name, "past")
                return invented_hours(shape, leader.pair, first, self.clock.now(), count, random), []
            case Following():
                return [], []  # a follower of a follower has the past of nobody

    # --------------------------------------------------------------------------------------------------------- takers

    def _add_takers(self, venue: Venue, core: Core) -> None:
        ticker = venue.pair.ticker
        if venue.uninformed is not None:
            self.uninformed[venue.name] = UninformedTaker(
                core,
                CUSTOMERS,
                ticker,
                venue.uninformed,
                self.clock,
                self._random(venue.name, "uninformed"),
                fair=partial(self.price, venue.name),
            )
        if venue.informed is not None and isinstance(venue.price, Following):
            taker = InformedTaker(
                core,
                INSIDERS,
                ticker,
                venue.informed,
                self.clock,
                self._random(venue.name, "informed"),
                fair_after=partial(self._followed, venue, venue.price),
            )
            self.informed[venue.name] = taker
            self.drivers[venue.price.venue].watch(taker.foresee, venue.informed.lead)

    def _followed(self, venue: Venue, following: Following, wire: int | None) -> Decimal | None:
        """Fair price of a venue that follows another, once the other's price is *wire*."""
        leader = next(v for v in self.scenario.venues if v.name == following.venue)
        rate = self.rates.rate(leader.pair.quote.ticker, venue.pair.quote.ticker)
        return None if wire is None or rate is None else leader.pair.price(wire) * rate

    def _make_follow(self, venue: Venue, following: Following, wire: int) -> None:
        fair = self._followed(venue, following, wire)
        if fair is not None:
            self.makers[venue.name].follow(to_tick(venue.pair, fair))


@lru_cache(maxsize=4)
def _bars(file: Path) -> tuple[RecordedBar, ...]:
    """Recordings never change while the process runs, and tests make many worlds of them."""
    return load_bars(file)
