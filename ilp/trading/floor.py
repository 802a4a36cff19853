"""What the parts of the trader share: the picture, the parameters of now, own orders, exposure, and whom to tell.

Holds things together and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from attrs import define, field

from clients.exchange import Book, Market, Side
from ilp.clock import WorldClock
from ilp.journal.entries import Purpose
from ilp.pool.variance import Matrix
from ilp.settings import Limits, Parameters, Settings
from ilp.tickers import parts
from ilp.trading.audit import Audit
from ilp.trading.clocks import Clocks
from ilp.trading.exposure import Exposure
from ilp.trading.gate import Gate
from ilp.trading.hedging import limit_price
from ilp.trading.layout import Layout, Pair
from ilp.trading.market import Market as Picture
from ilp.trading.orders import Desk
from ilp.trading.own import OwnOrder
from ilp.trading.permissions import Act, Leave
from ilp.trading.reader import VenueReader
from ilp.trading.recorder import Recorder
from ilp.trading.sides import Sides
from ilp.trading.transfers_account import Outstanding
from ilp.trading.view import Lane, Stock, View, trade_minimum

__all__ = ["Floor", "Holdings", "held_by"]

ZERO = Decimal(0)
ONE = Decimal(1)


class Holdings(Protocol):
    """What transfers do to holdings."""

    def outstanding(self, venue: str, asset: str) -> Outstanding:
        """What transfers still owe a holding."""

    def blocked(self) -> frozenset[Lane]:
        """Lanes on which no transfer may be planned now."""


@define(eq=False)
class Floor:
    """The shared state of one trader.

    :ivar permit: whether an act may be sent to a venue now, by whose wish.
    :ivar alarm: tells the operator of something that needs eyes: (what kind, in words).
    :ivar covariance: of the assets, see `View`; empty until it is known.
    :ivar clocks: how far the venues' clocks are from ours.
    :ivar uncounted: what of today the limits do not contain and why; empty when all is counted.
    :ivar unopened: why the ledger is not open yet, so that no loss is counted; empty when it is, or nobody keeps one.
    :ivar paused: why the operator lets the machine not do an act, empty where it may.
    """

    settings: Settings
    layout: Layout
    parameters: Parameters
    clock: WorldClock
    venues: Mapping[str, VenueReader]
    market: Picture
    recorder: Recorder
    exposure: Exposure
    gate: Gate
    desk: Desk
    audit: Audit
    holdings: Holdings
    ids: Callable[[], str]
    permit: Callable[[Act, str, Leave], bool]
    alarm: Callable[[str, str], None]
    covariance: Matrix = ()
    clocks: Clocks = field(init=False)

    def __attrs_post_init__(self) -> None:
        # A simulation's time is nobody's clock: a daemon and a venue in two processes begin it at two moments.
        limit = self.settings.ages.clock_skew if self.settings.simulation is None else float("inf")
        self.clocks = Clocks(limit, self.seconds, self.now)

    paused: Callable[[Act], str] = lambda act: ""
    uncounted: str = ""
    unopened: Callable[[], str] = lambda: ""

    @property
    def limits(self) -> Limits:
        """The gate's limits."""
        return self.settings.limits

    def seconds(self) -> float:
        """The reactor's clock."""
        return self.clock.reactor.seconds()

    def now(self) -> datetime:
        """The world's time."""
        return self.clock.now()

    def rules(self, pair: Pair) -> Market | None:
        """Steps and minima of a pair."""
        return self.market.rules.get((pair.venue, pair.ticker))

    def book(self, pair: Pair) -> Book:
        """The last book, our own orders in it."""
        return self.market.book(pair)

    def others(self, pair: Pair) -> Sides:
        """The last book, our own orders taken out."""
        return self.market.others(pair)

    def hedge_minimum(self) -> Decimal:
        """The least exposure that the source can close; 0 before its rules and book are known."""
        source = self.layout.source
        reference = self.market.reference(source)
        return trade_minimum(self.rules(source), reference) if reference is not None else ZERO

    def committed_turnover(self) -> Decimal:
        """What will have been traded by the end of the day if both quotes are filled once more and all is hedged."""
        return self.gate.turnover() + abs(self.exposure.net) + 4 * self.parameters.quote_size

    def inputs_trouble(self) -> str:
        """The first input that does not count, with its numbers; empty when all do."""
        if self.recorder.failing:
            return f"the journal cannot be written: {self.recorder.failing}"
        troubles = self.market.troubles()
        return troubles[0] if troubles else self.clocks.trouble() or self.uncounted

    # --------------------------------------------------------------------------------------------------------- views

    def view(self) -> View | None:
        """This instant; None while a mark is missing."""
        marks = self.market.marks()
        if marks is None or not self.covariance:
            return None
        source = self.layout.source
        books = {self.layout.place(pair): self.others(pair) for pair in self.layout.pairs}
        held = self._held()
        return View(
            self.layout,
            self.parameters,
            marks,
            tuple(self._stock(venue, asset, held) for venue, asset in self.layout.holdings),
            books,
            self.market.rate,
            self.covariance,
            self.market.rules,
            self.exposure.net,
            self._hedge_prices(books[self.layout.place(source)]),
            self.holdings.blocked(),
            self.settings.transfers.payout != "off",
        )

    def _hedge_prices(self, book: Sides) -> tuple[Decimal, Decimal] | None:
        rules, slippage = self.rules(self.layout.source), self.parameters.max_slippage
        selling = limit_price(book, Side.SELL, slippage, rules)
        buying = limit_price(book, Side.BUY, slippage, rules)
        return None if selling is None or buying is None else (selling, buying)

    def _stock(self, venue: str, asset: str, held: Mapping[tuple[str, str, Purpose], Decimal]) -> Stock:
        owed = self.holdings.outstanding(venue, asset)
        balance = self.market.held(venue, asset)
        # Open hedges are not deducted here: the pool counts them as done at their limit.
        quotes, plans = (held.get((venue, asset, purpose), ZERO) for purpose in (Purpose.QUOTE, Purpose.PLAN))
        quotable = owed.available(balance - plans) - self.limits.kept(venue, asset)
        target = self.parameters.targets.get((venue, asset), ZERO)
        total = owed.total(balance) + self.market.balances.lent(venue, asset)
        return Stock(venue, asset, balance, quotable - quotes, quotable, total, owed.inbound, target)

    def _held(self) -> dict[tuple[str, str, Purpose], Decimal]:
        """What own orders hold, by venue, asset and purpose: gone through once, a view is made with every turn."""
        found: dict[tuple[str, str, Purpose], Decimal] = {}
        for order in self.desk.live():
            for asset in parts(order.ticker):
                key = order.venue, asset, order.purpose
                found[key] = found.get(key, ZERO) + held_by(order, asset, self._fee(order))
        return found

    def _fee(self, order: OwnOrder) -> Decimal:
        source = (order.venue, order.ticker) == (self.layout.source.venue, self.layout.source.ticker)
        return (self.parameters.source_fee if source else self.parameters.target_fee).proportional


def held_by(order: OwnOrder, asset: str, fee: Decimal) -> Decimal:
    """What an order holds of *asset*: the base that it sells, or what it may spend with the fee on top."""
    base, quote = parts(order.ticker)
    if order.side is Side.SELL:
        return order.left if asset == base else ZERO
    return order.left * order.price * (ONE + fee) if asset == quote else ZERO
