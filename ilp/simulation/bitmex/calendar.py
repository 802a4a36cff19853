"""What happens at the simulated BitMEX by the clock of the world: ends of bins, funding, the daily settlement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from ilp.clock import WorldClock
from ilp.simulation.bitmex.entry import Entry
from ilp.simulation.bitmex.feeds import Feeds
from ilp.simulation.bitmex.listings import ASSETS, Listing
from ilp.simulation.bitmex.market import BINS, Market, next_funding
from ilp.simulation.bitmex.money import Money
from ilp.simulation.bitmex.orders import NOBODY, stamp

__all__ = ["Calendar"]

_MINUTE = timedelta(minutes=1)
_MINUTES = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}
_SETTLES_AT_HOUR = 12
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@define(eq=False)
class Calendar:
    """Wakes up at every full minute of the world.

    :ivar number: an account's number; None for accounts without a key.
    """

    clock: WorldClock
    market: Market
    entry: Entry
    money: Money
    feeds: Feeds
    number: Callable[[str], int | None]
    _timer: IDelayedCall | None = field(init=False, default=None)
    _done: datetime = field(init=False)

    def start(self) -> None:
        """Begin with the next full minute."""
        self._done = _minute(self.clock.now())
        self._await()

    def stop(self) -> None:
        """No timer is left."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _await(self) -> None:
        wait = (self._done + _MINUTE - self.clock.now()).total_seconds()
        self._timer = self.clock.call_later(max(0.0, wait), self._woke)

    def _woke(self) -> None:
        # A fast world may have left several minutes behind; each is dealt with, none twice.
        while self._done + _MINUTE <= self.clock.now():
            self._done += _MINUTE
            self.minute(self._done)
        self._await()

    def minute(self, at: datetime) -> None:
        """A full minute of the world."""
        minutes = int((at - _EPOCH) / _MINUTE)
        for size in BINS:
            if minutes % _MINUTES[size] == 0:
                self._bins(size, at)
        if next_funding(at - _MINUTE) == at:
            self._fund(at)
        if at.hour == _SETTLES_AT_HOUR and at.minute == 0:
            self._settle()

    def _bins(self, size: str, at: datetime) -> None:
        table = f"tradeBin{size}"
        for symbol in self.market.listings:
            if any((table, wanted) in s.topics for s in self.feeds.subscribers for wanted in ("", symbol)):
                rows = self.market.bins(symbol, size, at, at, running=True)
                if rows:
                    self.feeds.publish(table, "insert", rows[-1:])

    def _fund(self, at: datetime) -> None:
        for (account, symbol), place in self.market.core.positions.places.items():
            listing, rate = self.market.listings[symbol], self.market.funding_rate.get(symbol, 0.0)
            if not place.quantity or not rate:
                continue
            value = abs(self.market.core.mark_value(listing, place.quantity))
            paid = round(value * rate) * (1 if place.quantity > 0 else -1)
            place.fees += paid
            self.market.core.pay_funding(account, listing.settles, paid, f"Funding {symbol}")
            self._tell_funding(account, listing, place.quantity, paid, rate, at)

    def _tell_funding(
        self, account: str, listing: Listing, quantity: int, paid: int, rate: float, at: datetime
    ) -> None:
        number = self.number(account)
        if number is None:
            return
        row: dict[str, Any] = {
            "execID": self.entry.guids.next(0x6F),
            "orderID": NOBODY,
            "clOrdID": "",
            "account": number,
            "symbol": listing.symbol,
            "side": "",
            "lastQty": abs(quantity),
            "lastPx": listing.price(self.market.mark(listing.symbol)),
            "execType": "Funding",
            "ordType": "Limit",
            "ordStatus": "Filled",
            "commission": rate,
            "execComm": paid,
            "execCommCcy": ASSETS[listing.settles].currency,
            "text": "Funding",
            "transactTime": stamp(at),
            "timestamp": stamp(at),
        }
        self.entry.executions[account].append(row)
        self.feeds.tell("execution", "insert", row, account)

    def _settle(self) -> None:
        for (account, symbol), place in self.market.core.positions.places.items():
            profit = place.settle()
            if self.number(account) is not None:
                self.money.settle(account, self.market.listings[symbol], profit)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
