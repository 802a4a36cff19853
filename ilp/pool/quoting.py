"""Where a quote belongs and what to do about one that rests elsewhere: the rules of references, edges, bands and sizes.

Pure functions of Decimals.  All prices are in quote currency per unit of base, sizes in base units.  Knows nothing of how
reservation and hedge prices come about (`ilp.pool.prices`), nor of orders, venues or time.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import Enum

from attrs import frozen

__all__ = [
    "Band",
    "Cancel",
    "Decision",
    "Edges",
    "Keep",
    "Market",
    "Nothing",
    "Place",
    "Replace",
    "Resting",
    "Side",
    "Want",
    "band",
    "decide_quote",
    "placement",
    "quotable_size",
    "reference_ask",
    "reference_bid",
    "to_tick",
]


class Side(Enum):
    """The side of a quote."""

    BID = "bid"
    ASK = "ask"


@frozen
class Edges:
    """Distances from the reference, in quote currency per unit of base: `leave` < `enter` < `drop`."""

    enter: Decimal
    leave: Decimal
    drop: Decimal

    def __attrs_post_init__(self) -> None:
        if not self.leave < self.enter < self.drop:
            raise ValueError(
                f"edges: leave {self.leave}, enter {self.enter}, drop {self.drop}; leave < enter < drop is allowed"
            )

    @classmethod
    def of(cls, enter: Decimal, leave: Decimal, drop: Decimal | None = None, quote_mark: Decimal = Decimal(1)) -> Edges:
        """Edges given in numeraire per unit of base, turned into quote currency.

        :param drop: by default as far beyond `enter` as `leave` is before it.
        :param quote_mark: numeraire per unit of quote currency.
        """
        drop = 2 * enter - leave if drop is None else drop
        return cls(enter / quote_mark, leave / quote_mark, drop / quote_mark)


@frozen
class Band:
    """Prices at which a resting quote stays, both ends included."""

    low: Decimal
    high: Decimal


@frozen
class Resting:
    """An own quote at the venue; `size` is what is left of it."""

    price: Decimal
    size: Decimal


@frozen
class Market:
    """What a price has to respect at the venue.

    :ivar tick: its smallest step of prices.
    :ivar opposite_best: best price of others on the other side of the venue's book; None where it is empty.
    :ivar own_opposite: price of the own quote on the other side; None where none rests.
    """

    tick: Decimal
    opposite_best: Decimal | None = None
    own_opposite: Decimal | None = None


@frozen
class Want:
    """What should rest.

    :ivar reference: the reference of the side; None where there is none, with `reason` why.
    :ivar size: base units; 0 where nothing may rest, with `reason` why.
    """

    reference: Decimal | None
    size: Decimal
    edges: Edges
    reason: str = ""


@frozen
class Keep:
    """The resting quote stays."""


@frozen
class Place:
    """Nothing rests; place this."""

    price: Decimal
    size: Decimal
    reason: str


@frozen
class Replace:
    """Cancel or amend the resting quote, then have this rest."""

    price: Decimal
    size: Decimal
    reason: str


@frozen
class Cancel:
    """Cancel the resting quote at once."""

    reason: str


@frozen
class Nothing:
    """Nothing rests, and nothing should."""

    reason: str


Decision = Keep | Place | Replace | Cancel | Nothing


def to_tick(price: Decimal, tick: Decimal, side: Side) -> Decimal:
    """*price* on the venue's *tick*: a bid down, an ask up, so that no quote gets better for the taker by rounding."""
    rounding = ROUND_FLOOR if side is Side.BID else ROUND_CEILING
    return (price / tick).to_integral_value(rounding) * tick


# References


def reference_bid(reservation: Decimal | None, hedge: Decimal | None, max_skew: Decimal = Decimal(0)) -> Decimal | None:
    """min(reservation bid, hedge bid + max_skew); None where either is missing.

    :param max_skew: quote currency per unit of base.
    """
    return None if reservation is None or hedge is None else min(reservation, hedge + max_skew)


def reference_ask(reservation: Decimal | None, hedge: Decimal | None, max_skew: Decimal = Decimal(0)) -> Decimal | None:
    """max(reservation ask, hedge ask − max_skew); None where either is missing."""
    return None if reservation is None or hedge is None else max(reservation, hedge - max_skew)


# Sizes


def quotable_size(quote_size: Decimal, hedgeable: Decimal, lot: Decimal, minimum: Decimal = Decimal(0)) -> Decimal:
    """The quote size, cut to what can be hedged, on the venue's lot; 0 where that is below the venue's minimum."""
    size = (min(quote_size, hedgeable) / lot).to_integral_value(ROUND_FLOOR) * lot
    return size if size >= minimum and size > 0 else Decimal(0)


# Prices


def band(side: Side, reference: Decimal, edges: Edges, tick: Decimal) -> Band:
    """Where a resting quote stays: bids in [reference − drop − tick, reference − leave], asks mirrored."""
    if side is Side.BID:
        return Band(reference - edges.drop - tick, reference - edges.leave)
    return Band(reference + edges.leave, reference + edges.drop + tick)


def placement(side: Side, reference: Decimal, edges: Edges, market: Market) -> Decimal:
    """Price of a new quote: the reference less (bid) or plus (ask) the edge to enter, on the tick, away from the taker;
    at least one tick off the own quote and the venue's own book on the other side."""
    sign = 1 if side is Side.BID else -1
    price = to_tick(reference - sign * edges.enter, market.tick, side)
    for wall in (market.opposite_best, market.own_opposite):
        if wall is not None:
            clear = to_tick(wall - sign * market.tick, market.tick, side)
            price = min(price, clear) if side is Side.BID else max(price, clear)
    return price


def _empty(resting: Resting | None, reason: str) -> Decision:
    return Nothing(reason) if resting is None else Cancel(reason)


def decide_quote(side: Side, resting: Resting | None, want: Want, market: Market) -> Decision:
    """What to do about one side of one quote.

    A quote nearer to the reference than `leave` is cancelled at once, one further than `drop` and a tick is replaced
    when a better price is possible, one of another size than wanted is replaced at its price.
    """
    if want.reference is None or want.size <= 0:
        return _empty(resting, want.reason or ("no reference price" if want.reference is None else "no size"))
    price = placement(side, want.reference, want.edges, market)
    if price <= 0:
        return _empty(
            resting, f"reference {want.reference:.8g} less edge {want.edges.enter:.8g} leaves no positive price"
        )
    if resting is None:
        return Place(price, want.size, f"reference {want.reference:.8g}, edge {want.edges.enter:.8g}")
    allowed = band(side, want.reference, want.edges, market.tick)
    near, far = (allowed.high, allowed.low) if side is Side.BID else (allowed.low, allowed.high)
    sign = 1 if side is Side.BID else -1
    if sign * (resting.price - near) > 0:
        return Cancel(
            f"{side.value} {resting.price} is beyond {near:.8g}: reference {want.reference:.8g}, edge to leave "
            f"{want.edges.leave:.8g}"
        )
    if sign * (resting.price - far) < 0 and sign * (price - resting.price) > 0:
        return Replace(
            price,
            want.size,
            f"{side.value} {resting.price} is behind {far:.8g}: reference "
            f"{want.reference:.8g}, edge to drop {want.edges.drop:.8g}",
        )
    if resting.size != want.size:
        return Replace(resting.price, want.size, f"size {resting.size} rests, {want.size} is wanted")
    return Keep()
