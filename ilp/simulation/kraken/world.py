"""A whole simulated Kraken that moves: BTC/USD and BTC/EUR on one price, customers, users with keys, an admin address.

Prices are those of recorded bars, moved to the world's time; the euro's are these times the recorded rate.  For a process
of its own and, with a clock and a bank that others share, as one venue of a larger world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import chain
from random import Random
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred

from ilp.clock import WorldClock
from ilp.simulation.admin import Admin, Path, venue_paths
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
from ilp.simulation.takers import Appetite, UninformedTaker

from .server import KrakenVenue

__all__ = ["BTC_EUR", "BTC_USD", "KrakenUser", "KrakenWorld"]

BTC, USD, EUR = Currency("BTC", 10**8), Currency("USD", 10**6), Currency("EUR", 10**6)


def _pair(quote: Currency) -> Pair:
    ticker = f"BTC/{quote.ticker}"
    return Pair(ticker, BTC, quote, tick=100_000, lot=1_000, fee_bps=40, min_quantity=5_000, min_value=500_000)


BTC_USD, BTC_EUR = _pair(USD), _pair(EUR)
"""Ticks of 0.1, lots of 0.00001 BTC, at least 0.00005 BTC and 0.5 of the quote, 0.4 % taker fee."""

MAKER, CUSTOMERS = "house-maker", "customers"
_FREE, _HALF = FeeFactors(0, 0, 0, 0), FeeFactors(aggressive=100, passive=63)  # makers pay 0.25 %
_PLENTY = Decimal(100_000)
_MINUTE = timedelta(minutes=1)
_LADDER = Ladder(levels=15, half_spread=Decimal("0.0001"), step=Decimal("0.0002"), size=Decimal("0.8"))


@frozen
class KrakenUser:
    """An account with its API key; what is empty of that is made up of the seed.

    :ivar balances: human units by currency.
    """

    name: str
    balances: Mapping[str, Decimal]
    key: str = ""
    secret: str = field(default="", repr=False)


class KrakenWorld:
    """One venue, its markets and its administrator.

    :param clock: the world's; share it with other venues of the same world.
    :param bank: what carries money between venues; none: withdrawals stay pending until the administrator settles them.
    :param tier: whose rate limits are enforced; None for none.
    :param customers: who trade at random; None for nobody.
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
    ) -> None:
        self.clock, self.seed = clock, seed
        self.core = Core(clock.now, [BTC, USD, EUR], [BTC_USD, BTC_EUR], venue=name)
        self.venue = KrakenVenue(self.core, clock.reactor, seed=seed, tier=tier)
        if bank is not None:
            bank.connect(self.core)
        self.keys: dict[str, tuple[str, str]] = {}
        self._admin: Admin | None = None
        for user in users:
            self._user(user)
        minutes = load_bars(MINUTES)
        now = clock.now()
        shift = timedelta(0) if minutes[0].start <= now <= minutes[-1].start else _shift(now - minutes[0].start)
        self._minutes, self._hours = list(shifted(minutes, shift)), list(shifted(load_bars(HOURS), shift))
        self.rates = FixedRates(load_fixings(), clock.now, shift)
        self._house()
        self.makers = {pair.ticker: self._market(pair) for pair in (BTC_USD, BTC_EUR)}
        self.driver = MarketDriver(clock, self.makers["BTC/USD"], self._path())
        self.driver.follow(self._follow)
        self.takers = [self._taker(pair, customers) for pair in (BTC_USD, BTC_EUR) if customers is not None]

    def _user(self, user: KrakenUser) -> None:
        self.core.open_account(user.name, factors=_HALF)
        for ticker, amount in user.balances.items():
            self.core.endow(user.name, ticker, self.core.currency(ticker).units(amount))
        key = self.venue.add_user(user.name, user.key, user.secret)
        self.keys[user.name] = (key.id, key.secret)

    def _house(self) -> None:
        price = self._minutes[0].open
        for name in (MAKER, CUSTOMERS):
            self.core.open_account(name, factors=_FREE if name == MAKER else None, history=1_000)
            self.core.endow(name, "BTC", BTC.units(_PLENTY))
            for currency in (USD, EUR):
                self.core.endow(name, currency.ticker, currency.units((_PLENTY * price * 4).quantize(Decimal(1))))

    # ---------------------------------------------------------------------------------------------------- markets

    def _market(self, pair: Pair) -> HouseMaker:
        rate = partial(self.rates.rate_at, "USD", pair.quote.ticker)
        now = self.clock.now()
        add = partial(preload, self.core, pair.ticker, until=now, rate=rate)
        add("hour", self._hours)
        add("day", days_of(self._hours))
        add("minute", self._minutes)
        return HouseMaker(self.core, MAKER, pair.ticker, _LADDER, self._random(pair.ticker, "maker"))

    def _path(self) -> Iterator[Move]:
        coming = [bar for bar in self._minutes if bar.start >= self.clock.now() - _MINUTE]
        last = coming[-1] if coming else self._minutes[-1]
        calm = Synthetic(volatility=Decimal("0.03"))
        after = synthetic(calm, BTC_USD, last.close, last.start + _MINUTE, self._random("after"))
        return chain(along_bars(coming, BTC_USD, self._random("path")), after)

    def _follow(self, wire: int) -> None:
        rate = self.rates.rate("USD", "EUR")
        if rate is not None:
            self.makers["BTC/EUR"].follow(to_tick(BTC_EUR, BTC_USD.price(wire) * rate))

    def _taker(self, pair: Pair, appetite: Appetite) -> UninformedTaker:
        random = self._random(pair.ticker, "customers")
        fair = partial(self.price, pair.ticker)
        return UninformedTaker(self.core, CUSTOMERS, pair.ticker, appetite, self.clock, random, fair=fair)

    def _random(self, *names: str) -> Random:
        return Random("/".join((str(self.seed), self.core.venue, *names)))

    def price(self, ticker: str = "BTC/USD") -> Decimal | None:
        """The price that a market follows now, in human units; None before it has one."""
        wire = self.driver.price
        rate = self.rates.rate("USD", ticker.partition("/")[2])
        return None if wire is None or rate is None else BTC_USD.price(wire) * rate

    # ------------------------------------------------------------------------------------------------------- life

    def begin(self, port: int = 0, ended: Callable[[], object] | None = None) -> Deferred[None]:
        """Let the markets move and listen on loopback.

        :param port: any free one when it is 0.
        :param ended: called when `POST /shutdown` asks for the end; by default everything stops.
        :return: fires when connections are accepted; fails with `CannotListenError`, and then nothing listens.
        """
        return Deferred.fromCoroutine(self._begin(port, ended))

    async def _begin(self, port: int, ended: Callable[[], object] | None) -> None:
        paths = [*venue_paths(self.venue), Path("address", "POST", self._save_address)]
        self._admin = Admin(paths, self.clock.reactor, ended if ended is not None else self.stop)
        try:
            self.driver.start()
            for taker in self.takers:
                taker.start()
            await self.venue.listen(port)
            await self._admin.listen()
        except BaseException:  # a cancellation too: nothing may be left half-started
            await self.stop()
            raise

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

    def stop(self) -> Deferred[None]:
        """Stand still and close every port; fires when nothing is left."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.driver.stop()
        for taker in self.takers:
            taker.stop()
        await self.venue.stop()
        if self._admin is not None:
            await self._admin.stop()

    def announcement(self) -> dict[str, Any]:
        """How to reach it: `{venue, endpoints, accounts, admin}`; an account's id is its API key, `name` the account."""
        return {
            "venue": self.core.venue,
            "endpoints": {"ws": self.venue.endpoint, "rest": self.venue.rest},
            "accounts": [{"name": name, "id": id, "secret": secret} for name, (id, secret) in self.keys.items()],
            "admin": None if self._admin is None else self._admin.url,
        }


def _shift(by: timedelta) -> timedelta:
    return by // _MINUTE * _MINUTE
