"""What a client of a venue is besides its protocol: it keeps a connection, says whether it is ready, and tells of trouble.

`VenueClient` is the base of the clients with an account; a rate feed has `clients.rates_feed`.  Knows no venue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from twisted.internet.defer import Deferred

from clients.events import Emitter
from clients.exchange import Market, NotAuthorised, OrderRejected, Refused, Side, Unreachable
from clients.http import Answer, time_of
from clients.reconnect import Backoff, Lifeline

__all__ = ["CLOSING_S", "VenueClient", "cash_market", "decimals_only", "server_time", "utc_now"]

CLOSING_S = 2.0  # for an orderly goodbye
ALIVE_EVERY_S = 0.5  # between two `alive` events of the same kinds


def utc_now() -> datetime:
    """The real time, for whoever gives no other."""
    return datetime.now(UTC)


class Stoppable(Protocol):
    """What a client holds while it is connected."""

    def stop(self) -> None:
        """End every timer; nothing held counts any more."""


L = TypeVar("L", bound=Stoppable)


class VenueClient(Emitter, Generic[L]):
    """A venue, connected or on the way to it.

    A subclass says how a connection is opened (`_open`) and puts what it holds meanwhile in `_live`, and only while it is
    ready for calls.

    :param name: how errors and logs call the venue.
    :param has_account: false for public use: then a call that needs an account is `NotAuthorised`.
    :param now: the world's time, aware UTC.
    :param random: jitter of reconnections and client ids.
    """

    name: str

    def __init__(
        self,
        name: str,
        reactor: Any,
        *,
        has_account: bool,
        now: Callable[[], datetime] = utc_now,
        random: Random | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self._reactor, self._now, self._random = reactor, now, random or Random()
        self._has_account = has_account
        self._live: L | None = None
        self._told_alive: dict[tuple[str, ...], float] = {}

    def _stay_connected(self, limit: float, backoff_first: float, backoff_longest: float) -> None:
        """How long `connect` waits (*limit*), and how the waits between two tries grow; all in seconds."""
        self._connect_limit = limit
        backoff = Backoff(backoff_first, backoff_longest)
        self._lifeline = Lifeline(self.name, self._open, self._reactor, self._random, backoff, self._trouble)

    def connect(self) -> Deferred[None]:
        """See `IExchange`.  What ready means stands in the class's own description."""
        return self._lifeline.start(self._connect_limit)

    async def _open(self) -> Deferred[Exception]:
        """Open a connection and make it ready; the answer fires when it is lost."""
        raise NotImplementedError

    def _lost(
        self, live: L, reason: Exception, ended: Deferred[Exception], then: Callable[[], None] = lambda: None
    ) -> None:
        """A connection is lost: first nothing held counts any more, then whoever waits (*then*) is told, then everybody."""
        was_ready = self._live is live
        if was_ready:
            self._live = None
        live.stop()
        then()
        if was_ready:
            self.announce("disconnect", self)
        if not ended.called:
            ended.callback(reason)

    def _say_alive(self, *kinds: str) -> None:
        """Something was heard on the connection that carries the events, or only those of *kinds*."""
        now = self._reactor.seconds()
        if now - self._told_alive.get(kinds, float("-inf")) >= ALIVE_EVERY_S and self._live is not None:
            self._told_alive[kinds] = now
            self.announce("alive", self, *kinds)

    def _trouble(self, error: Exception) -> None:
        self.announce("error", error)

    def _ready(self, doing: str, private: bool = False) -> L:
        """What is held while connected.

        :raise Unreachable: not connected.
        :raise NotAuthorised: *private*, and there is no account.
        """
        if self._live is None:
            raise Unreachable(self.name, doing, "not connected; nothing was sent")
        if private and not self._has_account:
            raise NotAuthorised(self.name, doing, "this client has no account; give it id and secret")
        return self._live

    def _way(self, side: Side | str, doing: str) -> Side:
        """*side* as a side; `OrderRejected` where it is none."""
        try:
            return Side(side)
        except ValueError as error:
            raise OrderRejected(self.name, doing, str(error)) from None

    def _fresh_client_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _either(self, id: str | None, client_id: str | None, doing: str) -> None:
        """Refuse a lookup by both ids or by none."""
        if (id is None) == (client_id is None):
            raise Refused(self.name, doing, "either id or client_id is wanted")

    def _allowed_period(self, period: str, doing: str, allowed: Sequence[str]) -> None:
        if period not in allowed:
            raise Refused(self.name, doing, f"period {period!r} is not allowed; {', '.join(allowed)}")


def decimals_only(doing: str, quantity: Decimal, price: Decimal) -> None:
    """Stop a float before it becomes an order.

    :raise TypeError: one of them is no `Decimal`.
    """
    for name, value in (("quantity", quantity), ("price", price)):
        if not isinstance(value, Decimal):
            raise TypeError(f"{doing}: {name} {value!r} is no Decimal")


def server_time(venue: str, doing: str, answer: Answer) -> datetime:
    """The venue's clock by an answer of its web server; see `clients.http.time_of`.

    :raise Unreachable: the answer does not tell.
    """
    try:
        return time_of(answer)
    except ValueError as error:
        raise Unreachable(venue, doing, str(error)) from None


def cash_market(code: str, step: Decimal, minimum: Decimal) -> Market:
    """The market record of a currency: what can be withdrawn."""
    return Market(
        contract=code,
        kind="cash",
        base=None,
        quote=None,
        tick_size=step,
        lot_size=step,
        min_quantity=minimum,
        min_notional=Decimal(0),
    )
