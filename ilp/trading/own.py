"""One own order as far as we know it, and what the venue's records say about it.  Pure: no venue is called here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from attrs import define, evolve, field, frozen

from clients.exchange import Fill, Order, Side
from ilp.journal.entries import FINAL_ORDER_STATES, FillEntry, OrderEntry, OrderState, Purpose
from ilp.tickers import parts
from ilp.trading.steps import plain

__all__ = [
    "Best",
    "Growth",
    "OwnOrder",
    "Traded",
    "is_final",
    "is_priced",
    "reported_fill",
    "sum_by_order",
    "sum_fills",
]

ZERO, ONE = Decimal(0), Decimal(1)
DEAREST = Decimal("0.1")  # no venue takes more of what was traded as its fee, as a fraction
SLIGHT = Decimal("1e-6")  # what a client's arithmetic may make of a quantity, as a fraction
KEPT = 50  # books remembered for a fill that is told late

Best = tuple[datetime, Decimal | None, Decimal | None]
"""When a book was received (world time), its best bid and its best ask."""


@define(eq=False)
class OwnOrder:
    """An order of ours, from before it is sent until the venue has said its last word.

    :ivar filled: cumulative; never falls.  `value`: what the filled quantity cost or earned, in the quote currency.
    :ivar off_book: the venue confirmed that it rests no more, its final quantity may still be on the way.
    :ivar cancel_wanted: to be cancelled as soon as the venue can be told which order.
    :ivar amending: the whole quantity that it is being changed to; until the venue has answered the larger one counts.
    :ivar touched: number of the last thing we learned or did; a reading of the records begun earlier proves nothing.
    :ivar check_at: reactor seconds at which the venue's records are to be asked, None while there is no doubt.
    :ivar expires: reactor seconds at which what is left is to be cancelled.
    :ivar misses: complete readings of the venue's records that did not contain it.
    :ivar earlier: of an earlier run, and its fills meanwhile were not looked up yet; `unpriced`: how far it was filled then,
        as a record without price or fee told.
    :ivar again: the venue has given its id before, to another order: it began to count anew.
    :ivar lost: given up because it left no trace there; should it turn up after all, it is still ours.
    :ivar sent: reactor seconds when it was sent; `slow`: its answer is late, what the venue tells may speak of it already.
    :ivar happened: the venue's own time of the newest fill that it told one by one.
    :ivar kept: the source's best by which the quote was found where it belongs, the last ones; see `keep`.
    :ivar expected: fees by asset that were booked of what is filled because the venue had told none; `guessed`: the price
        was, too; `asked`: how often its records were asked since what it really cost.
    :ivar largest: the largest whole quantity that it was to be amended to; `absurd`: the venue said that more was filled.
    :ivar traded, trade_fees: sums over the trades told one by one, each counted once: at least so much has traded.
    """

    key: str
    venue: str
    ticker: str
    side: Side
    purpose: Purpose
    quantity: Decimal
    price: Decimal
    at: datetime
    touched: int = 0
    state: OrderState = OrderState.SENDING
    order_id: str | None = None
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fees: dict[str, Decimal] = field(factory=dict)
    trades: set[str] = field(factory=set)
    traded: Decimal = ZERO
    trade_fees: dict[str, Decimal] = field(factory=dict)
    happened: datetime | None = None
    kept: tuple[Best, ...] = ()
    expected: dict[str, Decimal] = field(factory=dict)
    guessed: bool = False
    asked: int = 0
    off_book: bool = False
    cancel_wanted: bool = False
    amending: Decimal | None = None
    check_at: float | None = None
    expires: float | None = None
    misses: int = 0
    earlier: bool = False
    unpriced: Decimal = ZERO
    again: bool = False
    lost: bool = False
    sent: float = 0.0
    slow: bool = False
    since_unknown: float = 0.0
    note: str = ""
    largest: Decimal = ZERO
    absurd: bool = False

    def may_have_filled(self, quantity: Decimal) -> bool:
        """Whether so much can have been filled: more than was ever asked for cannot; of an earlier run nobody knows that."""
        return self.earlier or quantity <= max(self.quantity, self.largest, self.filled) * (ONE + SLIGHT)

    def may_have_cost(self, quantity: Decimal, fees: Mapping[str, Decimal]) -> bool:
        """Whether so much of its base can have been charged for filling *quantity*: what is left of that is hedged."""
        return abs(fees.get(parts(self.ticker)[0], ZERO)) <= quantity * DEAREST

    @property
    def final(self) -> bool:
        """Nothing more can happen to it."""
        return self.state in FINAL_ORDER_STATES

    @property
    def nameless(self) -> bool:
        """Its answer is lost or late: it has to be recognised by what it looks like."""
        return self.order_id is None and (self.state is OrderState.UNKNOWN or (self.slow and not self.final))

    @property
    def left(self) -> Decimal:
        """What may still trade."""
        if self.final or self.off_book:
            return ZERO
        return max(self.quantity, self.amending or ZERO) - self.filled

    @property
    def entry(self) -> OrderEntry:
        """The same for the journal."""
        return OrderEntry(
            self.venue,
            self.key,
            self.order_id,
            self.purpose,
            self.ticker,
            self.side,
            self.price,
            self.quantity,
            self.filled,
            self.state,
            self.at,
            self.note,
        )

    def entry_of(self, now: datetime) -> OrderEntry:
        """The same, as it has become *now*."""
        return evolve(self.entry, changed=now)

    @classmethod
    def recovered(cls, entry: OrderEntry, seconds: float, before: Traded | None = None) -> OwnOrder:
        """An order of an earlier run, whose fate only the venue's records can tell.

        :param before: the sum of the fills that the journal has of it; without it they are taken at the order's own price.
        """
        known = before if before is not None and before.quantity >= entry.filled else None
        return cls(
            entry.key,
            entry.venue,
            entry.ticker,
            entry.side,
            entry.purpose,
            entry.quantity,
            entry.price,
            entry.at,
            state=OrderState.UNKNOWN,
            order_id=entry.order_id,
            filled=entry.filled if known is None else known.quantity,
            value=entry.filled * entry.price if known is None else known.value,
            fees={} if known is None else dict(known.fees),
            check_at=seconds,
            since_unknown=seconds,
            earlier=True,
            note="found in the journal",
        )

    def keep(self, best: Best | None) -> None:
        """By the source's *best* of now the quote is where it belongs."""
        if best is not None and (not self.kept or self.kept[-1] != best):
            self.kept = (*self.kept[-KEPT + 1 :], best)

    def kept_by(self, at: datetime) -> Best | None:
        """The last of these that was received by then; of a fill we may hear late, and have judged its quote again since."""
        return next((best for best in reversed(self.kept) if best[0] <= at), None)

    def could_be(self, record: Order) -> bool:
        """Whether a resting order of the venue's may be this one, whose id we never learned."""
        told = record["contract"], Side(record["side"]), record["price"], record["quantity"]
        return self.order_id is None and told == (self.ticker, self.side, self.price, self.quantity)

    def could_have_made(self, fill: Fill) -> bool:
        """Whether a fill of an order that we do not know may be of this one, whose id we never learned."""
        better = fill["price"] <= self.price if self.side is Side.BUY else fill["price"] >= self.price
        same = (self.ticker, self.side) == (fill["contract"], Side(fill["side"]))
        return self.order_id is None and same and better and fill["quantity"] <= self.quantity

    def grow(
        self, filled: Decimal, price: Decimal | None, average: Decimal | None, fees: Mapping[str, Decimal]
    ) -> Growth:
        """Take a new cumulative quantity; what it adds is worth the average price's growth, else *price*, else the limit."""
        quantity = filled - self.filled
        value = average * filled - self.value if average is not None else ZERO
        if value <= 0:  # no average told, or one that contradicts what was assumed before it was
            value = quantity * (price or average or self.price)
            self.guessed = self.guessed or price is None
        charged = {asset: fee - self.fees.get(asset, ZERO) for asset, fee in fees.items()}
        self.filled, self.value = filled, self.value + value
        self.fees.update(fees)
        return Growth(quantity, plain(value / quantity), {asset: fee for asset, fee in charged.items() if fee})

    def cost(self, average: Decimal, fees: Mapping[str, Decimal]) -> Growth | None:
        """Take what all that is filled has really cost; the correction as a growth of nothing that has fees only.

        What the price was off by is among them, in the quote currency: the fills themselves are written down already.
        """
        value = _rounded(average * self.filled - self.value) if self.guessed else ZERO
        _, quote = parts(self.ticker)
        told = {a: fees.get(a, ZERO) - self.fees.get(a, ZERO) for a in {*fees, *self.fees, *self.expected}}
        told = {asset: fee - self.expected.get(asset, ZERO) for asset, fee in told.items()}
        told[quote] = told.get(quote, ZERO) + (value if self.side is Side.BUY else -value)
        self.value, self.fees, self.expected, self.guessed = self.value + value, dict(fees), {}, False
        more = {asset: fee for asset, fee in sorted(told.items()) if _rounded(fee)}
        return Growth(ZERO, plain(self.value / self.filled), more) if more else None

    def add_trade(self, fill: Fill) -> bool:
        """Count a trade that has an id; False when it was told before."""
        if fill["id"] is None or fill["id"] in self.trades:
            return False
        self.trades.add(fill["id"])
        self.traded += fill["quantity"]
        for asset, fee in fill["fees"].items():
            self.trade_fees[asset] = self.trade_fees.get(asset, ZERO) + fee
        return True


@frozen
class Growth:
    """What a cumulative quantity grew by: base units, at which price, charged what.

    Of a quantity of 0 only `fees` count: by so much what was booked of the order before was too little.
    """

    quantity: Decimal
    price: Decimal
    fees: Mapping[str, Decimal]


@frozen
class Traded:
    """What fills add up to: base units, what they cost or earned in the quote currency, and fees by asset."""

    quantity: Decimal
    value: Decimal
    fees: Mapping[str, Decimal]


def _rounded(amount: Decimal) -> Decimal:
    """Without what an average price that does not come out even leaves."""
    return amount.quantize(Decimal("1e-12"))


def sum_by_order(fills: Iterable[FillEntry]) -> dict[tuple[str, str], Traded]:
    """The sums of the journal's fills by (venue, key of the order)."""
    sums: dict[tuple[str, str], Traded] = {}
    for fill in fills:
        before = sums.get((fill.venue, fill.order_key), Traded(ZERO, ZERO, {}))
        fees = {
            asset: before.fees.get(asset, ZERO) + fill.fees.get(asset, ZERO) for asset in {*before.fees, *fill.fees}
        }
        sums[fill.venue, fill.order_key] = Traded(
            before.quantity + fill.quantity, before.value + fill.quantity * fill.price, fees
        )
    return sums


def reported_fill(record: Order) -> Decimal:
    """Cumulative quantity filled, as an order's record tells it."""
    return record.get("quantity_filled", record["quantity"] - record["quantity_left"])


def is_final(record: Order) -> bool:
    """Whether the venue says that nothing more can happen to the order."""
    return record.get("final", record["is_cancelled"] or record["quantity_left"] <= 0)


def is_priced(record: Order) -> bool:
    """Whether the venue says what the filled quantity cost."""
    return record.get("average_price") is not None or bool(record.get("fees"))


def sum_fills(fills: Iterable[Fill]) -> dict[str, tuple[Decimal, Decimal, dict[str, Decimal]]]:
    """Quantity, average price and fees by order id; a fill that is listed twice under one trade id counts once."""
    seen: set[tuple[str, str]] = set()
    sums: dict[str, tuple[Decimal, Decimal, dict[str, Decimal]]] = {}
    for fill in fills:
        if fill["id"] is not None:
            if (fill["order_id"], fill["id"]) in seen:
                continue
            seen.add((fill["order_id"], fill["id"]))
        quantity, value, fees = sums.get(fill["order_id"], (ZERO, ZERO, {}))
        for asset, fee in fill["fees"].items():
            fees[asset] = fees.get(asset, ZERO) + fee
        sums[fill["order_id"]] = quantity + fill["quantity"], value + fill["quantity"] * fill["price"], fees
    return {id: (quantity, value / quantity, fees) for id, (quantity, value, fees) in sums.items() if quantity}
