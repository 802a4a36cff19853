"""A venue as most of the trading code may see it: it reads and cancels.  The gate alone holds what places and withdraws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred, fail

from clients.exchange import Fill, IExchange, Market, Order, Position, Transaction, Transfer

__all__ = ["MoneyReader", "Reader", "VenueReader"]


class Reader(Protocol):
    """Reads and cancels; the methods are those of `IExchange`."""

    @property
    def features(self) -> frozenset[str]: ...
    def cancelOrder(self, id: str) -> Deferred[bool]: ...
    def cancelAllOrders(self, ticker: str | None = None) -> Deferred[Sequence[str]]: ...
    def getOpenOrders(self) -> Deferred[dict[str, Order]]: ...
    def getOrder(self, id: str | None = None, client_id: str | None = None) -> Deferred[Order]: ...
    def getFills(self, start: datetime, end: datetime) -> Deferred[list[Fill]]: ...


class MoneyReader(Protocol):
    """Reads what transfers change and where they may go; the methods are those of `IExchange`."""

    @property
    def features(self) -> frozenset[str]: ...
    def getPositions(self) -> Deferred[dict[str, Position]]: ...
    def getTransfers(self, start: datetime, end: datetime) -> Deferred[list[Transfer]]: ...
    def getTransactionHistory(self, start: datetime, end: datetime) -> Deferred[list[Transaction]]: ...
    def getCurrentAddress(self, ticker: str) -> Deferred[str]: ...


@define
class VenueReader:
    """Passes calls on to a venue; what is not listed here cannot be reached through it."""

    _venue: IExchange = field(repr=False)
    given: dict[str, set[str]] = field(factory=dict)  # deposit addresses that the venue gave us, by asset
    # Told of each cancel after it was handed over.
    cancelled: Callable[[str, str], None] = field(default=lambda venue, id: None, repr=False)

    @property
    def name(self) -> str:
        """How errors and logs call the venue."""
        return str(self._venue.name)

    @property
    def features(self) -> frozenset[str]:
        """What the venue really has."""
        return frozenset(self._venue.features)

    def on(self, event: str, f: Callable[..., Any]) -> None:
        """Listen to an event."""
        self._venue.on(event, f)

    def remove_listener(self, event: str, f: Callable[..., Any]) -> None:
        """Stop listening."""
        self._venue.remove_listener(event, f)

    def connect(self) -> Deferred[None]:
        """Connect, and stay connected."""
        return self._venue.connect()

    def disconnect(self) -> Deferred[None]:
        """Close in order."""
        return self._venue.disconnect()

    def cancelOrder(self, id: str) -> Deferred[bool]:
        """Take one order off the book."""
        answer = self._venue.cancelOrder(id)
        self.cancelled(self.name, id)
        return answer

    def cancelAllOrders(self, ticker: str | None = None) -> Deferred[Sequence[str]]:
        """Take every order off the book."""
        return self._venue.cancelAllOrders(ticker)

    def getOpenOrders(self) -> Deferred[dict[str, Order]]:
        """Own orders that may still trade."""
        return self._venue.getOpenOrders()

    def getOrder(self, id: str | None = None, client_id: str | None = None) -> Deferred[Order]:
        """One own order."""
        return self._venue.getOrder(id, client_id)

    def getFills(self, start: datetime, end: datetime) -> Deferred[list[Fill]]:
        """Own fills."""
        return self._venue.getFills(start, end)

    def getPositions(self) -> Deferred[dict[str, Position]]:
        """All holdings."""
        return self._venue.getPositions()

    def getMarkets(self) -> Deferred[Any]:
        """Steps and minima."""
        return self._venue.getMarkets()

    def markets(self) -> Deferred[dict[str, Market]]:
        """The same as a plain dictionary."""
        return self._venue.getMarkets().addCallback(dict)

    def getOrderBook(self, ticker: str) -> Deferred[Any]:
        """The current book."""
        return self._venue.getOrderBook(ticker)

    def getTransfers(self, start: datetime, end: datetime) -> Deferred[list[Transfer]]:
        """Deposits and withdrawals."""
        return self._venue.getTransfers(start, end)

    def getTransactionHistory(self, start: datetime, end: datetime) -> Deferred[list[Transaction]]:
        """The account's ledger."""
        return self._venue.getTransactionHistory(start, end)

    def getServerTime(self) -> Deferred[datetime]:
        """The venue's clock, where it has a call that tells it; no part of `IExchange`."""
        ask = getattr(self._venue, "getServerTime", None)
        if ask is None:
            return fail(NotImplementedError(f"{self.name}: no call tells this venue's time"))
        told: Deferred[datetime] = ask()
        return told

    def getCurrentAddress(self, ticker: str) -> Deferred[str]:
        """Where deposits go to."""
        return self._venue.getCurrentAddress(ticker).addCallback(self._remember, ticker)

    def _remember(self, address: str, ticker: str) -> str:
        self.given.setdefault(ticker, set()).add(address)
        return address

    def getOHLCVHistory(self, ticker: str, period: Any, start: datetime, end: datetime) -> Deferred[Any]:
        """Bars."""
        return self._venue.getOHLCVHistory(ticker, period, start, end)

    def cancelAllAfter(self, seconds: float) -> Deferred[None]:
        """Dead man's switch."""
        return self._venue.cancelAllAfter(seconds)
