"""A whole simulated BitMEX that moves: three markets on one price, users with keys, an admin address.

Prices are those of recorded bars, moved to the world's time, and go on by themselves when the recording ends.  For a process
of its own, and, with a clock and a bank that others share, as one venue of a larger world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from attrs import field, frozen

from clients.exchange import Period
from ilp.clock import WorldClock
from ilp.simulation.bank import Bank
from ilp.simulation.bitmex.listings import Listing, inverse_xbtusd, linear_xbtusdt, spot_xbt_usdt
from ilp.simulation.bitmex.margin import BitmexRules
from ilp.simulation.bitmex.replay import load_stream, recorded_books
from ilp.simulation.bitmex.server import BitmexVenue, make_core
from ilp.simulation.contracts import Currency
from ilp.simulation.drivers import BookDriver, MarketDriver
from ilp.simulation.history import days_of, preload, shifted
from ilp.simulation.maker import HouseMaker, Ladder
from ilp.simulation.paths import Move, Synthetic, along_bars, synthetic, to_tick
from ilp.simulation.recordings import HOURS, MINUTES, RecordedBar, load_bars
from ilp.simulation.simulated_world import World
from ilp.simulation.standing import Standing

__all__ = ["BitmexWorld", "KeyedUser"]

MAKER = "maker"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_MINUTE = timedelta(minutes=1)
_WORTH = Decimal(10_000)  # what an inverse market trades in contracts for each bitcoin of the ladder's size
_LADDER = Ladder(levels=15, half_spread=Decimal("0.0001"), step=Decimal("0.0001"), size=Decimal("0.8"))


@frozen
class KeyedUser:
    """An account with its API key.

    :ivar id: the account's name at the venue and the key's id; `secret` is made up of the seed when it is empty.
    :ivar balances: human units by currency, BTC and USDT.
    """

    id: str
    balances: Mapping[str, Decimal]
    secret: str = field(default="", repr=False)


class BitmexWorld(Standing):
    """One venue, its markets and its administrator.

    :param clock: the world's; share it with other venues of the same world.
    :param users: who has a key.
    :param name: how the venue is called in its announcement and in the bank's books.
    :param seed: what everything random is drawn from.
    :param bank: what carries money between venues; none: withdrawals stay pending until the administrator settles them.
    :param listings: what is traded; by default the inverse, the linear and the spot market.
    :param currencies: by ticker, in place of the plain ones, for instance with a withdrawal fee.
    :param moves: whether its markets have prices of their own; else somebody calls `follow` (a larger world, whose
        other venues the price has to agree with).
    :param replay: a recorded `orderBookL2` stream of XBTUSD that the inverse market shows in place of a maker's book.
    :param limits: see `BitmexVenue`.
    """

    def __init__(
        self,
        clock: WorldClock,
        users: Iterable[KeyedUser],
        *,
        name: str = "bitmex",
        seed: int = 1,
        bank: Bank | None = None,
        listings: Iterable[Listing] | None = None,
        currencies: Mapping[str, Currency] | None = None,
        moves: bool = True,
        replay: Path | None = None,
        limits: tuple[int, int, int] = (120, 30, 10),
        dialect: str = "superset",
    ) -> None:
        self.clock = clock
        self.seed = seed
        chosen = tuple(listings) if listings is not None else (inverse_xbtusd(), linear_xbtusdt(), spot_xbt_usdt())
        self.core = make_core(clock.now, chosen, venue=name, currencies=currencies)
        self.venue = BitmexVenue(self.core, clock, clock.reactor, seed=seed, limits=limits, dialect=dialect)
        if bank is not None:
            bank.connect(self.core)
        self.accounts: dict[str, str] = {}
        self._users(users)
        rules = self.core.rules
        assert isinstance(rules, BitmexRules)
        self.core.open_account(MAKER)
        rules.unlimited.add(MAKER)
        minutes = load_bars(MINUTES)
        shift = self._shift(minutes)
        self._minutes = list(shifted(minutes, shift))
        self._hours = list(shifted(load_bars(HOURS), shift))
        self.drivers: dict[str, MarketDriver | BookDriver] = {}
        self.makers: dict[str, HouseMaker] = {}
        for listing in chosen:
            self._market(listing, replay if listing.is_inverse else None, moves)

    @classmethod
    def beside(cls, world: World, users: Iterable[KeyedUser], leader: str = "source", **options: Any) -> BitmexWorld:
        """A BitMEX in a larger world: its clock, its bank, and the price of its venue *leader*.

        :param options: further ones of the constructor; the venue is called `bitmex` unless they say otherwise.
        """
        found = cls(world.clock, users, seed=world.scenario.seed, bank=world.bank, moves=False, **options)
        pair = world.cores[leader].pairs[next(v.pair.ticker for v in world.scenario.venues if v.name == leader)]
        world.drivers[leader].follow(lambda wire: found.follow(pair.price(wire)))
        return found

    def _users(self, users: Iterable[KeyedUser]) -> None:
        draw = Random(f"{self.seed}/{self.core.venue}/secrets")
        for user in users:
            secret = "".join(draw.choices(_LETTERS, k=48))
            self.core.open_account(user.id)
            for ticker, amount in user.balances.items():
                self.core.endow(user.id, ticker, self.core.currency(ticker).units(amount))
            self.accounts[user.id] = user.secret or secret
            self.venue.add_user(user.id, user.id, self.accounts[user.id])

    def _shift(self, bars: tuple[RecordedBar, ...]) -> timedelta:
        now = self.clock.now()
        if bars[0].start <= now <= bars[-1].start:
            return timedelta(0)
        return (now - bars[0].start) // _MINUTE * _MINUTE

    # ---------------------------------------------------------------------------------------------------- markets

    def _market(self, listing: Listing, replay: Path | None, moves: bool) -> None:
        minutes, hours = self._volumes(self._minutes, listing), self._volumes(self._hours, listing)
        now = self.clock.now()
        past: dict[Period, list[RecordedBar]] = {"hour": hours, "day": days_of(hours), "minute": minutes}
        for period, bars in past.items():
            preload(self.core, listing.symbol, period, bars, now)
        scale = _WORTH if listing.is_inverse else Decimal(1)
        ladder = Ladder(_LADDER.levels, _LADDER.half_spread, _LADDER.step, _LADDER.size * scale, _LADDER.spread)
        maker = HouseMaker(self.core, MAKER, listing.symbol, ladder, self._random(listing.symbol, "maker"))
        self.makers[listing.symbol] = maker
        if replay is not None:
            books = recorded_books(load_stream(replay), listing, listing.symbol, now)
            self.drivers[listing.symbol] = BookDriver(self.clock, maker, books)
        elif moves:
            self.drivers[listing.symbol] = MarketDriver(self.clock, maker, self._path(listing, minutes))

    def follow(self, price: Decimal) -> None:
        """Move every market without a price of its own to *price*, in dollars, and print the least trade there."""
        for symbol, maker in self.makers.items():
            if symbol not in self.drivers:
                pair = self.core.pairs[symbol]
                wire = to_tick(pair, price)
                maker.follow(wire)
                self.core.print_trade(symbol, wire, pair.lot)

    def _volumes(self, bars: Iterable[RecordedBar], listing: Listing) -> list[RecordedBar]:
        """Volumes in what the market counts: dollars for inverse contracts."""
        if not listing.is_inverse:
            return list(bars)
        return [bar._replace(volume=bar.volume * bar.close) for bar in bars]

    def _path(self, listing: Listing, minutes: list[RecordedBar]) -> Iterator[Move]:
        # All markets draw from a stream of the same seed, so that they move together.
        random = self._random("path")
        coming = [bar for bar in minutes if bar.start >= self.clock.now() - _MINUTE]
        last = coming[-1] if coming else minutes[-1]
        after = synthetic(
            Synthetic(volatility=Decimal("0.03")), listing.pair, last.close, last.start + _MINUTE, self._random("after")
        )
        return chain(along_bars(coming, listing.pair, random), after)

    def _random(self, *names: str) -> Random:
        return Random("/".join((str(self.seed), self.core.venue, *names)))

    def price(self, symbol: str = "XBTUSD") -> Decimal | None:
        """The price that a market follows now; None before it has one."""
        mark = self.core.marks(symbol)
        return Decimal(mark) / self.core.positions.listings[symbol].price_scale if mark else None

    # ------------------------------------------------------------------------------------------------------- life

    def _start_markets(self) -> None:
        for driver in self.drivers.values():
            driver.start()

    def _stop_markets(self) -> None:
        for driver in self.drivers.values():
            driver.stop()

    def announcement(self) -> dict[str, Any]:
        """How to reach it: `{venue, endpoints, accounts, admin}`."""
        return {
            "venue": self.core.venue,
            "endpoints": {"ws": self.venue.socket_endpoint, "rest": self.venue.endpoint},
            "accounts": [{"id": name, "secret": secret} for name, secret in self.accounts.items()],
            "admin": self.admin,
        }
