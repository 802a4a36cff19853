"""The frozen records of a simulated venue and the events it tells its listeners.  All integers are wire units.

Events carry values as they were when the thing happened, so a listener may keep them and need not ask back.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from attrs import frozen

from clients.exchange import Period, Side

__all__ = [
    "Bar",
    "BarClosed",
    "BookChanged",
    "BookSnapshot",
    "Change",
    "Deposit",
    "DepositChanged",
    "Direction",
    "Event",
    "Fill",
    "Filled",
    "Match",
    "Matched",
    "Order",
    "OrderAccepted",
    "OrderChanged",
    "Posted",
    "Posting",
    "PostingType",
    "Rows",
    "Side",
    "Trade",
    "Traded",
    "TransferStatus",
    "Withdrawal",
    "WithdrawalChanged",
]

Rows = tuple[tuple[int, int], ...]
"""Aggregated (price, quantity) rows of one side of a book, best first."""


class Direction(Enum):
    """Which way a posting moves an account: a user's holding rises by a credit and falls by a debit."""

    CREDIT = "credit"
    DEBIT = "debit"


class PostingType(Enum):
    """What a booking was made for; the values are the names venues print."""

    TRADE = "Trade"
    DEPOSIT = "Deposit"
    WITHDRAWAL = "Withdrawal"
    TRANSFER = "Transfer"
    CLEARING = "Clearing"


class TransferStatus(Enum):
    """How far a deposit or a withdrawal has come."""

    PENDING = "pending"
    DONE = "done"
    CANCELLED = "cancelled"


class Change(Enum):
    """What made an order change."""

    PLACED = "placed"
    FILLED = "filled"
    CANCELLED = "cancelled"
    AMENDED = "amended"


@frozen
class Order:
    """An order as it is after a change.

    :ivar timestamp: when the venue took it in; strictly increasing over the venue, in steps of a microsecond at least.
    :ivar cash: Σ over its fills of the quote currency moved, in smallest units; the average price follows from it.
    :ivar fees: Σ of its fees in smallest units of the pair's fee currency.
    """

    id: int
    account: str
    contract: str
    side: Side
    price: int
    quantity: int
    quantity_left: int
    timestamp: datetime
    is_cancelled: bool = False
    client_id: str | None = None
    post_only: bool = False
    immediate: bool = False
    cash: int = 0
    fees: int = 0

    @property
    def final(self) -> bool:
        """Nothing can happen to it any more."""
        return self.is_cancelled or self.quantity_left == 0

    @property
    def quantity_filled(self) -> int:
        """What has traded so far."""
        return self.quantity - self.quantity_left


@frozen
class Match:
    """Two orders met: the engine's view, before anything is booked."""

    trade_id: int
    contract: str
    price: int
    quantity: int
    timestamp: datetime
    aggressive_id: int
    passive_id: int
    side: Side
    """Side of the aggressive order."""


@frozen
class Trade:
    """What the public sees of a match; stamped with the younger order's time."""

    id: int
    contract: str
    price: int
    quantity: int
    timestamp: datetime
    side: Side
    """Side of the aggressive order."""


@frozen
class Fill:
    """One order's half of a match; both halves carry the same trade id.  `fee` may be 0 or, for a rebate, negative."""

    trade_id: int
    order_id: int
    account: str
    contract: str
    side: Side
    price: int
    quantity: int
    fee: int
    fee_currency: str
    aggressive: bool
    timestamp: datetime
    client_id: str | None = None


@frozen
class Bar:
    """A bar; `vwap` is rounded down at every trade, as Sputnik does it.  `close_timestamp` is its last microsecond."""

    contract: str
    period: Period
    open: int
    high: int
    low: int
    close: int
    volume: int
    vwap: int
    open_timestamp: datetime
    close_timestamp: datetime


@frozen
class BookSnapshot:
    """A complete aggregated book, each side best first."""

    contract: str
    bids: Rows
    asks: Rows


@frozen
class Posting:
    """One line of the ledger.

    :ivar contract: the currency that moved.
    :ivar quantity: as booked: may be 0, and negative for a rebate.
    :ivar balance: the account's holding after this line.
    :ivar booked: when the booking was made, the same for all its postings; `created` is this line's own instant.
    :ivar is_fee: it is the fee of something.
    """

    booking: int
    account: str
    contract: str
    type: PostingType
    direction: Direction
    quantity: int
    note: str
    balance: int
    booked: datetime
    created: datetime
    is_fee: bool = False

    @property
    def signed(self) -> int:
        """By how much the holding rose."""
        return self.quantity if self.direction is Direction.CREDIT else -self.quantity


@frozen
class Withdrawal:
    """A withdrawal: `amount` was debited, `fee` included; `amount − fee` leaves for `address` when it is completed."""

    id: int
    account: str
    currency: str
    amount: int
    fee: int
    address: str
    status: TransferStatus
    timestamp: datetime
    reference: str | None = None

    @property
    def net(self) -> int:
        """What leaves the venue."""
        return self.amount - self.fee


@frozen
class Deposit:
    """A deposit: `amount` came in and `fee` was taken of it.

    :ivar account: None while nobody can be told to own it (unknown or retired address); it is PENDING then.
    """

    id: int
    account: str | None
    currency: str
    amount: int
    fee: int
    address: str
    status: TransferStatus
    timestamp: datetime
    reference: str | None = None


# ----------------------------------------------------------------------------------------------------------- events


@frozen
class OrderAccepted:
    """The order passed every check and has its id; nothing of it has matched yet."""

    order: Order


@frozen
class Matched:
    """The engine matched; the book event of it follows."""

    match: Match


@frozen
class BookChanged:
    """One level changed: `quantity` is all that now rests at `price` on `side` (0: the level is gone)."""

    contract: str
    side: Side
    price: int
    quantity: int
    book: BookSnapshot


@frozen
class OrderChanged:
    """An order is now as `order` says."""

    order: Order
    change: Change


@frozen
class Posted:
    """A user's account was booked on.  House accounts are not told."""

    posting: Posting


@frozen
class Filled:
    """An order's half of a match is booked."""

    fill: Fill


@frozen
class BarClosed:
    """A trade of a later period came: the bar right before it is complete."""

    bar: Bar


@frozen
class Traded:
    """A trade is public."""

    trade: Trade


@frozen
class WithdrawalChanged:
    """A withdrawal was requested (PENDING), completed or cancelled."""

    withdrawal: Withdrawal


@frozen
class DepositChanged:
    """A deposit came in: DONE when it is credited, PENDING while nobody owns it."""

    deposit: Deposit


Event = (
    OrderAccepted
    | Matched
    | BookChanged
    | OrderChanged
    | Posted
    | Filled
    | BarClosed
    | Traded
    | WithdrawalChanged
    | DepositChanged
)
