"""The records that must survive, as frozen values.  The trading code makes them; `ilp.journal` stores and returns them.

Every amount is `Decimal`, every time aware UTC of the world's clock.  A record with a key replaces the one stored under
the same key, but each version is also appended to the history, which is never changed (`ilp.py journal export`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from clients.exchange import Side
from ilp.tickers import parts

__all__ = [
    "FINAL_ORDER_STATES",
    "FINAL_TRANSFER_STATES",
    "ActEntry",
    "BookingEntry",
    "CheckpointEntry",
    "Entry",
    "FillEntry",
    "FlowEntry",
    "HedgeEntry",
    "IntentEntry",
    "OrderEntry",
    "OrderState",
    "ParameterEntry",
    "PlanEntry",
    "Purpose",
    "StateEntry",
    "TransferEntry",
    "TransferState",
]


class Purpose(StrEnum):
    """Why an order was sent."""

    QUOTE = "quote"
    HEDGE = "hedge"
    PLAN = "plan"


class OrderState(StrEnum):
    """Where an own order stands, as far as we know."""

    SENDING = "sending"  # on the way, no answer yet
    OPEN = "open"  # the venue has it and it may trade
    CANCELLING = "cancelling"  # a cancel is on the way; it may still trade
    UNKNOWN = "unknown"  # the answer was lost: only the venue's records can tell
    FINAL = "final"  # nothing more can happen; `filled` is the last word
    REFUSED = "refused"  # the venue never took it


FINAL_ORDER_STATES = frozenset({OrderState.FINAL, OrderState.REFUSED})


class TransferState(StrEnum):
    """States of a transfer; see `docs/architecture.md`, "Transfers"."""

    PROPOSED = "PROPOSED"  # manual, or waiting for approval: reserves nothing
    PLANNED = "PLANNED"  # durably intended; the venue is about to be called
    REQUESTED = "REQUESTED"  # the venue accepted the request, has not debited it yet
    SENT = "SENT"  # debited at the sender, not yet credited at the receiver
    ARRIVED = "ARRIVED"
    UNCERTAIN = "UNCERTAIN"  # the answer was lost: never sent again by the machine
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


FINAL_TRANSFER_STATES = frozenset({TransferState.ARRIVED, TransferState.FAILED, TransferState.CANCELLED})


@frozen
class OrderEntry:
    """An own order.

    :ivar key: ours, unique in the journal, known before the venue answers.
    :ivar order_id: the venue's, None until it answers.
    :ivar filled: cumulative, as the venue last reported it.
    :ivar at: when it was placed.
    :ivar note: why it was sent, or why it ended.
    :ivar changed: when we learned that it stands like this; None in what was written before that was kept.
    """

    venue: str
    key: str
    order_id: str | None
    purpose: Purpose
    ticker: str
    side: Side
    price: Decimal
    quantity: Decimal
    filled: Decimal
    state: OrderState
    at: datetime
    note: str = ""
    changed: datetime | None = None


@frozen
class FillEntry:
    """A fill of an own order, stored once.

    :ivar key: the venue's trade id where it has one, else `order id:cumulative quantity`; unique within the venue.
    :ivar cumulative: filled quantity of the order after this fill.
    :ivar reference_bid: best bid of the last source book received when the fill happened (None for fills on a source);
        `reference_ask` likewise; what the edge and the slippage are measured against.
    :ivar rate: numeraire for one unit of the quote currency when we heard of a quote's fill; None where it needs none, and
        where none was known.
    :ivar quoted: the source's best price to close at by the last book that had found the quote within its band; None for
        what is no quote, and where nobody knows.
    :ivar raced: seconds of the world by which the fill came after the first book that was worse than that one: our cancel
        was not there yet.  None where the last book before the fill was as good.
    """

    venue: str
    key: str
    order_key: str
    order_id: str
    purpose: Purpose
    ticker: str
    side: Side
    price: Decimal
    quantity: Decimal
    cumulative: Decimal
    fees: Mapping[str, Decimal]
    at: datetime
    reference_bid: Decimal | None = None
    reference_ask: Decimal | None = None
    rate: Decimal | None = None
    quoted: Decimal | None = None
    raced: Decimal | None = None

    @property
    def received(self) -> Decimal:
        """Base that it brought (negative: took), a fee in base deducted: what there was to close of it."""
        base, _ = parts(self.ticker)
        traded = self.quantity if self.side is Side.BUY else -self.quantity
        return traded - self.fees.get(base, Decimal(0))


@frozen
class HedgeEntry:
    """Links a part of a fill on a target to what closed it: a fill on a source, or the plan that kept it.

    :ivar fill_key: `venue/key` of the target's fill; `closed_by`: `venue/key` of the source's fill, or `plan:<id>`, or
        `netted:<venue/key>` where two opposite fills cancelled out.
    :ivar edge: realised gain per unit of base in numeraire against the source book when the fill happened, fees deducted.
    :ivar slippage: what the close was worse than that book, per unit of base in numeraire; negative when better.
    """

    key: str
    fill_key: str
    closed_by: str
    quantity: Decimal
    edge: Decimal | None
    slippage: Decimal | None
    at: datetime

    @property
    def closing_fill(self) -> str | None:
        """`venue/key` of the fill that closed it, of which as much is spent; None where a plan kept it."""
        return None if self.closed_by.startswith("plan:") else self.closed_by.removeprefix("netted:")


@frozen
class TransferEntry:
    """A movement of money between venues, or out to the operator's bank (`to_venue` empty).

    :ivar amount: what leaves the sender, before charges, in `asset`.
    :ivar expected: what should arrive, in `to_asset`, net of all charges; `arrived` what did.
    :ivar fee: the charge expected, in `asset`.
    :ivar reference: chain's or bank's id, or the venue's withdrawal id, once known.
    :ivar manual: the operator moves the money; the machine only keeps account of it.
    :ivar debited: what the sender's venue has really debited so far.
    :ivar since: when it took its present state; `created` when it was first written.
    :ivar due: when it should have arrived at the latest; None while it has not left.
    :ivar plan: id of the plan that wanted it, empty when an operator did.
    :ivar note: reason of the last change; `by` who made it (`machine` or a user).
    :ivar called: the venue has been, or is about to be, asked for it: from here on it may have left.
    :ivar withdrawal_id: id of the sender's record that it was recognised in (or that the venue answered with);
        `deposit_id` of the receiver's: a record clears one transfer only.
    :ivar departed: when the venue was (last) called for it, or the operator sent it; None before.
    """

    id: str
    state: TransferState
    asset: str
    from_venue: str
    to_venue: str
    to_asset: str
    amount: Decimal
    expected: Decimal
    fee: Decimal
    address: str
    reference: str | None
    manual: bool
    created: datetime
    since: datetime
    due: datetime | None
    debited: Decimal = Decimal(0)
    arrived: Decimal = Decimal(0)
    plan: str = ""
    note: str = ""
    by: str = "machine"
    called: bool = False
    withdrawal_id: str | None = None
    deposit_id: str | None = None
    departed: datetime | None = None


@frozen
class FlowEntry:
    """A deposit or withdrawal that the pool did not make: an external flow, for the operator to classify."""

    key: str
    venue: str
    asset: str
    quantity: Decimal  # positive when money came in
    at: datetime
    reference: str
    classified: str = ""
    by: str = ""


@frozen
class PlanEntry:
    """A plan that was executed, with the pool document it was computed from and the answer (model.md, section 8).

    :ivar pool: the pool as `solve` reads it; `answer`: as `solve` prints it, without `solve_ms`; `rounded`: the moves that
        were acted on, `[{"move": int, "direction": str, "amount": str}]`.
    :ivar rounding: what they were rounded by, `{"min_gain": str, "steps": [{"move", "direction", "lot", "minimum"}]}`; empty
        where nothing was acted on, and in what was written before that was kept.
    """

    id: str
    at: datetime
    pool: Mapping[str, Any] = field(eq=False)
    answer: Mapping[str, Any] = field(eq=False)
    rounded: tuple[Mapping[str, Any], ...] = field(eq=False, default=())
    rounding: Mapping[str, Any] = field(eq=False, factory=dict)


@frozen
class ParameterEntry:
    """One edit of one parameter; or, at a start, its value in force where that is not the last that the journal has of it.

    :ivar old: what the journal had of it, empty for nothing; likewise `new`, empty where it follows from other parameters.
    :ivar file_value: what the file said when the edit was made: a file changed since then wins over the edit.
    :ivar version: number of the edit that all parameters changed together share.
    :ivar by: who edited it; `start` where a start found it.
    :ivar origin: `console`, or `file` or `default` for what a start found: that is told, and never taken for an edit.
    """

    name: str
    old: str
    new: str
    file_value: str
    version: int
    by: str
    at: datetime
    origin: str = "console"

    @property
    def edited(self) -> bool:
        """Whether a person set it in the console; else a start found it."""
        return self.origin == "console"


@frozen
class StateEntry:
    """A change of the trader's state; `reason` says why, with its numbers, and `by` who caused it."""

    state: str
    previous: str
    reason: str
    by: str
    at: datetime


@frozen
class IntentEntry:
    """The operator's intent: `start` sets and `stop` clears `wanted`; `paused` names what the machine shall leave alone."""

    wanted: bool
    by: str
    at: datetime
    paused: str = ""


@frozen
class ActEntry:
    """What a person did that no other entry tells with its user: a cancel, a hedge, an approval, a pause, a word on a flow.

    :ivar what: the act; `about` is what it was done to, `before` and `after` how that stood, each in words, or empty.
    :ivar note: why, as far as the person said it.
    """

    what: str
    about: str
    before: str
    after: str
    note: str
    by: str
    at: datetime


@frozen
class BookingEntry:
    """One booking of the pool's own double-entry ledger; never changed.

    :ivar kind: `opening`, `revaluation`, `trade`, `transfer` or `flow`.
    :ivar reference: what it books: `venue/key` of a fill, id of a transfer, key of a flow; empty for the others.
    :ivar lines: `(account, asset, minor units)`; per asset they add up to 0.
    :ivar terms: minor units of the numeraire by kind of gain; `rounding` what rounding them took, in fine parts.
    :ivar marks: by asset, in fine parts (`ilp.accounts.units`), after the booking.
    :ivar exposure: base that is open after it.
    """

    key: str
    at: datetime
    kind: str
    reference: str
    lines: tuple[tuple[str, str, int], ...]
    terms: Mapping[str, int] = field(eq=False)
    rounding: int
    marks: Mapping[str, int] = field(eq=False)
    exposure: Decimal


@frozen
class CheckpointEntry:
    """The sums of the pool's own ledger after its booking *number*, so that a start need not read all before it.

    :ivar key: whose; there is one ledger, so always the same, and the newest replaces the one before.
    :ivar sums: as `Books.sums` gives and `Books.resume` takes it.
    """

    key: str
    number: int
    at: datetime
    sums: Mapping[str, Any]


Entry = (
    OrderEntry
    | FillEntry
    | HedgeEntry
    | TransferEntry
    | FlowEntry
    | PlanEntry
    | ParameterEntry
    | StateEntry
    | IntentEntry
    | BookingEntry
    | CheckpointEntry
    | ActEntry
)
