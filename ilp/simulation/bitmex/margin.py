"""Positions and margin of the simulated BitMEX: what is open and what it cost, what orders need, what is left to spend.

Owns the arithmetic of positions; books nothing.  All amounts are smallest units of the settlement currency, quantities are
signed contracts, long is positive.  The identities are those of the venue's own documentation of margin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

from attrs import define, field

from clients.exchange import Side
from ilp.simulation.bitmex.listings import Listing
from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.ledger import CLEARING, credit, debit
from ilp.simulation.records import Order, PostingType
from ilp.simulation.rules import Account, Need, Rules

__all__ = ["BitmexRules", "Book", "MarginCore", "Place", "position_margin"]

Marks = Callable[[str], int]
"""Wire price of a symbol's mark; 0 while there is none."""


@define
class Place:
    """One account's position in one symbol.

    :ivar cost: Σ of execution costs since the last settlement, `fees` the same of commissions.
    :ivar open_cost: what the open quantity cost.
    :ivar settled: realised profit of the days before, by the last settlement.
    :ivar entry: average wire price of what is open: harmonic for inverse contracts, which average by their bitcoin.
    """

    quantity: int = 0
    cost: int = 0
    fees: int = 0
    open_cost: int = 0
    settled: int = 0
    entry: Decimal = Decimal(0)

    @property
    def realised(self) -> int:
        """Profit of the day, fees and funding included."""
        return -(self.cost - self.open_cost + self.fees)

    def fill(self, contracts: int, cost: int, fee: int, price: int, *, inverse: bool) -> None:
        """Take in a fill of signed *contracts*; closing reduces the open cost in proportion."""
        self._average(contracts, Decimal(price), inverse)
        before, self.quantity = self.quantity, self.quantity + contracts
        self.cost += cost
        self.fees += fee
        if before * contracts >= 0:
            self.open_cost += cost
        elif abs(contracts) <= abs(before):
            self.open_cost -= _share(self.open_cost, -contracts, before)
        else:
            self.open_cost = _share(cost, self.quantity, contracts)

    def _average(self, contracts: int, price: Decimal, inverse: bool) -> None:
        before, after = self.quantity, self.quantity + contracts
        if not before or before * after < 0:
            self.entry = price
        elif not after:
            self.entry = Decimal(0)
        elif before * contracts > 0:
            if inverse:
                self.entry = after / (before / self.entry + contracts / price)
            else:
                self.entry = (before * self.entry + contracts * price) / after

    def settle(self) -> int:
        """The daily settlement: the realised profit moves into the wallet; returns it."""
        done = self.realised
        self.settled, self.cost, self.fees = done, self.open_cost, 0
        return done


def _share(amount: int, part: int, whole: int) -> int:
    return int((Decimal(amount) * part / whole).to_integral_value(ROUND_DOWN))


@define
class Book:
    """All positions of all accounts."""

    listings: Mapping[str, Listing]
    places: dict[tuple[str, str], Place] = field(factory=dict)

    def place(self, account: str, symbol: str) -> Place:
        """The position, a flat one when there never was any."""
        return self.places.setdefault((account, symbol), Place())

    def of(self, account: str) -> Iterable[tuple[Listing, Place]]:
        """Every position that an account ever had."""
        return [(self.listings[symbol], place) for (name, symbol), place in self.places.items() if name == account]


@define
class BitmexRules(Rules):
    """Fees as signed rates, and initial margin instead of the whole cost for what is no spot order.

    :ivar unlimited: accounts of the house, which need no margin.
    """

    listings: Mapping[str, Listing] = field(factory=dict)
    positions: Book = field(factory=lambda: Book({}))
    unlimited: set[str] = field(factory=set)

    def fee(self, pair: Pair, account: Account, value: int, *, aggressive: bool) -> int:
        """`trunc(|value| · rate)`, negative for a rebate, times the account's percentage."""
        listing = self.listings[pair.ticker]
        rate = listing.taker if aggressive else listing.maker
        factor = account.factors.aggressive if aggressive else account.factors.passive
        return int((abs(value) * rate * factor / 100).to_integral_value(ROUND_DOWN))

    def hold(self, pair: Pair, account: Account, order: Order) -> Need:
        """Spot: what it costs.  Else the margin of what would add to the position, fees in and out included."""
        listing = self.listings[pair.ticker]
        if account.name in self.unlimited:
            return ()
        if listing.is_spot:
            return super().hold(pair, account, order)
        quantity = self.positions.place(account.name, pair.ticker).quantity
        closes = max(0, -quantity if order.side is Side.BUY else quantity)
        adds = max(0, order.quantity_left - closes)
        cost = abs(pair.cash(adds, order.price))
        margin = cost * listing.initial_margin + listing.taker * cost * (2 + listing.initial_margin)
        return ((pair.quote.ticker, int(margin.to_integral_value(ROUND_CEILING))),)


class MarginCore(Core):
    """The core with open positions counted in what an account may spend.

    :ivar marks: what positions are valued at; set by the venue.
    """

    positions: Book
    marks: Marks

    def available(self, account: str, currency: str) -> int:
        """Margin balance less the margin of positions and orders; for a currency without positions the plain rest."""
        free = super().available(account, currency)
        for listing, place in self.positions.of(account):
            if listing.settles == currency and place.quantity:
                free += self.mark_value(listing, place.quantity) - position_margin(listing, place)
        return free

    def mark_value(self, listing: Listing, quantity: int) -> int:
        """What an open quantity is worth at the mark, in the sign of its cost."""
        mark = self.marks(listing.symbol)
        return listing.pair.cash(quantity, mark) if mark else 0

    def pay_funding(self, account: str, currency: str, amount: int, note: str) -> None:
        """Book a funding payment to the house, or, negative, from it: what one side pays the other gets but for rounding."""
        self._ledger.book(
            PostingType.CLEARING, [debit(account, currency, amount, note), credit(CLEARING, currency, amount, note)]
        )


def position_margin(listing: Listing, place: Place) -> int:
    """`posInit + posComm`."""
    cost = abs(place.open_cost)
    initial = (cost * listing.initial_margin).to_integral_value(ROUND_CEILING)
    fee = (listing.taker * cost * (1 + listing.initial_margin)).to_integral_value(ROUND_CEILING)
    return int(initial + fee)
