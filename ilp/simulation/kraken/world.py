"""A whole simulated Kraken that moves: BTC/USD and BTC/EUR on one price, customers, users with keys, an admin address.

Prices are those of recorded bars, moved to the world's time; the euro's are these times the recorded rate.  For a process
of its own and, with a clock and a bank that others share, as one venue of a larger world.  One that is given a leader lists
what it is told to, at the leader's price times the recorded rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import chain
from random import Random
from typing import Any

from attrs import field, frozen

from ilp.clock import WorldClock
from ilp.simulation.admin import Path
from ilp.simulation.bank import Bank
from ilp.simulation.bodies import BadRequest, Body
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.drivers import MarketDriver
from ilp.simulation.fx import FixedRates
from ilp.simulation.history import days_of, preload, shifted
from ilp.simulation.maker import HouseMaker, Ladder
from ilp.simulation.paths import Move, Synthetic, along_bars, synthetic, to_tick
from ilp.simulation.recordings import HOURS, MINUTES, load_bars, load_fixings
from ilp.simulation.rules import FeeFactors
from ilp.simulation.standing import Standing
from ilp.simulation.takers import Appetite, InformedTaker, UninformedTaker

from .server import KrakenVenue

__all__ = ["BTC_EUR", "BTC_USD", "KrakenUser", "KrakenWorld", "pair_in"]

BTC = Currency("BTC", 10**8)


def pair_in(quote: str, fee_bps: int = 40) -> Pair:
    """Bitcoin in that currency, with Kraken's steps."""
    currency = Currency(quote, 10**6)
    return Pair(
        f"BTC/{quote}", BTC, currency, tick=100_000, lot=1_000, fee_bps=fee_bps, min_quantity=5_000, min_value=500_000
    )


BTC_USD, BTC_EUR = pair_in("USD"), pair_in("EUR")
"""Ticks of 0.1, lots of 0.00001 BTC, at least 0.00005 BTC and 0.5 of the quote, 0.4 % taker fee."""

MAKER, CUSTOMERS, INSIDERS = "house-maker", "customers", "insiders"
_FREE, _HALF = FeeFactors(0, 0, 0, 0), FeeFactors(aggressive=100, passive=63)  # makers pay 0.25 %
_PLENTY = Decimal(100_000)
_MINUTE = timedelta(minutes=1)
_LADDER = Ladder(levels=15, half_spread=Decimal("0.0001"), step=Decimal("0.0002"), size=Decimal("0.8"))


@frozen
class KrakenUser:
    """An account with its API key; what is empty of that is made up of the seed.

    :ivar balances: human units by currency.
    :ivar factors: what it pays of the pairs' fees.
    """

    name: str
    balances: Mapping[str, Decimal]
    key: str = ""
    secret: str = field(default="", repr=False)
    factors: FeeFactors = _HALF


class KrakenWorld(Standing):
    """One venue, its markets and its administrator.

    :param clock: the world's; share it with other venues of the same world.
    :param bank: what carries money between venues; none: withdrawals stay pending until the administrator settles them.
    :param tier: whose rate limits are enforced; None for none.
    :param customers: who trade at random; None for nobody.
    :param informed: who know the price that comes next and trade where others follow: in all markets but BTC/USD.
    :param pairs: what is listed; without a *leader* BTC/USD is among them and has the price.
    :param leader: whose price this venue follows.
    :param ladders: the shape of the house's books, by pair; a deep one by default.
    """

    def __init__(
        self,
        clock: WorldClock,
        users: Iterable[KrakenUser],
        *,
        name: str = "kraken",
        seed: int = 1,
        bank: Bank | None = None,
        tier: str | None = "pro",
        customers: Appetite | None = None,
        informed: Appetite | None = None,
        pairs: tuple[Pair, ...] = (BTC_USD, BTC_EUR),
        leader: KrakenWorld | None = None,
        ladders: Mapping[str, Ladder] | None = None,
    ) -> None:
        self.clock, self.seed, self._ladders = clock, seed, ladders or {}
        self.core = Core(clock.now, [BTC, *(pair.quote for pair in pairs)], pairs, venue=name)
        self.venue = KrakenVenue(self.core, clock.reactor, seed=seed, tier=tier)
        if bank is not None:
            bank.connect(self.core)
        self.keys: dict[str, tuple[str, str]] = {}
        for user in users:
            self._user(user)
        minutes = load_bars(MINUTES)
        now = clock.now()
        shift = timedelta(0) if minutes[0].start <= now <= minutes[-1].start else _shift(now - minutes[0].start)
        self._minutes, self._hours = list(shifted(minutes, shift)), list(shifted(load_bars(HOURS), shift))
        self.rates = FixedRates(load_fixings(), clock.now, shift)
        self._house()
        self.makers = {pair.ticker: self._market(pair) for pair in pairs}
        self._leads = leader is None
        self.driver: MarketDriver = (
            MarketDriver(clock, self.makers["BTC/USD"], self._path()) if leader is None else leader.driver
        )
        self._followers = [pair for pair in pairs if leader is not None or pair.ticker != "BTC/USD"]
        self.driver.follow(self._follow)
        self.takers = [self._taker(pair, customers) for pair in pairs if customers is not None]
        self._insiders = [self._insider(pair, informed) for pair in self._followers if informed is not None]

    def _user(self, user: KrakenUser) -> None:
        self.core.open_account(user.name, factors=user.factors)
        for ticker, amount in user.balances.items():
            self.core.endow(user.name, ticker, self.core.currency(ticker).units(amount))
        key = self.venue.add_user(user.name, user.key, user.secret)
        self.keys[user.name] = (key.id, key.secret)

    def _house(self) -> None:
        price = self._minutes[0].open
        for name in (MAKER, CUSTOMERS, INSIDERS):
            self.core.open_account(name, factors=_FREE if name == MAKER else None, history=1_000)
            self.core.endow(name, "BTC", BTC.units(_PLENTY))
            for pair in self.core.pairs.values():
                worth = _PLENTY * price * 4 * (self.rates.rate("USD", pair.quote.ticker) or 1)
                self.core.endow(name, pair.quote.ticker, pair.quote.units(worth.quantize(Decimal(1))))

    # ---------------------------------------------------------------------------------------------------- markets

    def _market(self, pair: Pair) -> HouseMaker:
        rate = partial(self.rates.rate_at, "USD", pair.quote.ticker)
        now = self.clock.now()
        add = partial(preload, self.core, pair.ticker, until=now, rate=rate)
        add("hour", self._hours)
        add("day", days_of(self._hours))
        add("minute", self._minutes)
        ladder = self._ladders.get(pair.ticker, _LADDER)
        return HouseMaker(self.core, MAKER, pair.ticker, ladder, self._random(pair.ticker, "maker"))

    def _path(self) -> Iterator[Move]:
        coming = [bar for bar in self._minutes if bar.start >= self.clock.now() - _MINUTE]
        last = coming[-1] if coming else self._minutes[-1]
        calm = Synthetic(volatility=Decimal("0.03"))
        after = synthetic(calm, BTC_USD, last.close, last.start + _MINUTE, self._random("after"))
        return chain(along_bars(coming, BTC_USD, self._random("path")), after)

    def _follow(self, wire: int) -> None:
        for pair in self._followers:
            fair = self._fair(pair, wire)
            if fair is not None:
                self.makers[pair.ticker].follow(to_tick(pair, fair))

    def _fair(self, pair: Pair, wire: int | None) -> Decimal | None:
        """Price of *pair* once that of BTC/USD is *wire*; None while there is no rate."""
        rate = self.rates.rate("USD", pair.quote.ticker)
        return None if wire is None or rate is None else BTC_USD.price(wire) * rate

    def _taker(self, pair: Pair, appetite: Appetite) -> UninformedTaker:
        random = self._random(pair.ticker, "customers")
        fair = partial(self.price, pair.ticker)
        return UninformedTaker(self.core, CUSTOMERS, pair.ticker, appetite, self.clock, random, fair=fair)

    def _insider(self, pair: Pair, appetite: Appetite) -> InformedTaker:
        random, fair_after = self._random(pair.ticker, "insiders"), partial(self._fair, pair)
        taker = InformedTaker(self.core, INSIDERS, pair.ticker, appetite, self.clock, random, fair_after=fair_after)
        self.driver.watch(taker.foresee, appetite.lead)
        return taker

    def _random(self, *names: str) -> Random:
        return Random("/".join((str(self.seed), self.core.venue, *names)))

    def price(self, ticker: str = "BTC/USD") -> Decimal | None:
        """The price that a market follows now, in human units; None before it has one."""
        return self._fair(self.core.pairs[ticker], self.driver.price)

    # ------------------------------------------------------------------------------------------------------- life

    def _start_markets(self) -> None:
        if self._leads:
            self.driver.start()
        for taker in self.takers:
            taker.start()

    def _stop_markets(self) -> None:
        if self._leads:
            self.driver.stop()
        for taker in self.takers:
            taker.stop()
        for insider in self._insiders:
            insider.stop()

    def _paths(self) -> list[Path]:
        return [*super()._paths(), Path("address", "POST", self._save_address)]

    def _save_address(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What a user does on the web site: `{account, asset, key, address}`."""
        fields = Body(dict(body))
        account, asset = fields.text("account"), fields.text("asset")
        key, address = fields.text("key"), fields.text("address")
        fields.finish()
        for name, value, known in (("account", account, self.keys), ("asset", asset, self.core.currencies)):
            if value not in known:
                raise BadRequest(name, f"{value!r} is not known; there are {', '.join(known)}")
        self.venue.save_address(account, asset, key, address)
        return {"account": account, "asset": asset, "key": key, "address": address}

    def announcement(self) -> dict[str, Any]:
        """How to reach it: `{venue, endpoints, accounts, admin}`; an account's id is its API key, `name` the account."""
        return {
            "venue": self.core.venue,
            "endpoints": {"ws": self.venue.endpoint, "rest": self.venue.rest},
            "accounts": [{"name": name, "id": id, "secret": secret} for name, (id, secret) in self.keys.items()],
            "admin": self.admin,
        }


def _shift(by: timedelta) -> timedelta:
    return by // _MINUTE * _MINUTE
