"""What the trader believes of a venue whose client is under test: the real picture and connections, the rest of it quiet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from attrs import define, evolve, field
from twisted.internet import reactor

from clients.exchange import Book, Order
from ilp.trading.layout import Layout, Pair
from ilp.trading.links import Links
from ilp.trading.market import Market
from ilp.trading.reader import VenueReader
from tests.trading.world import AGES

__all__ = ["HERE", "picture"]

HERE = "here"


@define
class _Rest:
    """What else of the trader the connections tell: nothing here depends on it."""

    reports: list[str] = field(factory=list)

    def connected(self, venue: str) -> None:
        """A venue is ready."""

    def lost(self, venue: str) -> None:
        """A venue is gone."""

    def wake(self) -> None:
        """Something changed."""

    def book_told(self, pair: Pair, before: Book) -> None:
        """A book came."""

    def report(self, message: str, error: BaseException | None = None) -> None:
        """Something went wrong."""
        self.reports.append(message)

    def moving(self, venue: str) -> frozenset[str]:
        """No transfer is under way."""
        return frozenset()

    def on_lost(self, venue: str) -> None:
        """The desk hears that a venue is gone."""

    def on_order(self, venue: str, order: Order) -> None:
        """The desk hears of an order."""

    def known(self, venue: str, id: str) -> None:
        """No order is ours."""


class _Silent:
    """A venue that never says anything."""

    def on(self, event: str, f: Any) -> None:
        """Nothing will be heard."""


def picture(
    client: Any,
    ticker: str,
    other: str,
    limit: float,
    seconds: Callable[[], float] = reactor.seconds,  # type: ignore[attr-defined]
) -> Market:
    """What the trader knows by the events of *client*, the target called `HERE`; nobody is connected as the source.

    :param limit: seconds after which book, balances and orders are too old; nothing is read again before.
    """
    layout = Layout(Pair("elsewhere", other), Pair(HERE, ticker))
    ages = evolve(AGES, target_book=limit, balances=limit, orders=limit, fresh_updates=1)
    market = Market(layout, ages, seconds, lambda: datetime.now(UTC))
    rest: Any = _Rest()
    venues = {HERE: VenueReader(client), "elsewhere": cast(VenueReader, _Silent())}
    links = Links(layout, venues, None, market, rest, rest, rest, rest, market.now)
    for venue in layout.venues:
        links._listen_to(venue)
    return market
