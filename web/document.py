"""The shape of the console's document (`GET /api/update`) as types, and a check of a document against them.

The page reads these keys and no others.  Money is a string, a time ISO 8601 UTC, a missing value None.  Keys that are
marked as not required are shown when they are there; whatever else a document has is ignored.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

import msgspec

__all__ = [
    "Act",
    "Column",
    "Document",
    "Holding",
    "Move",
    "Notice",
    "Order",
    "Parameter",
    "Quote",
    "Transfer",
    "problems",
]

Money = str
When = str


class Parameter(TypedDict):
    """One value that the operator may change, under its flat name (`quote_size`, `target_balance.source.USD`).

    A cost is a list of two: fixed and proportional; so are then its `min` and `max`, or they hold for both.
    `origin` is default, file or console.
    """

    value: Money | list[Money]
    unit: str
    origin: str
    min: Money | list[Money | None] | None
    max: Money | list[Money | None] | None
    allowed: NotRequired[str]
    help: NotRequired[str]
    default: NotRequired[Money | list[Money] | None]


class Quote(TypedDict):
    """One side of a quote.

    Resting: `price` and `size` as the venue has them and no `reason`.  Otherwise `reason` says in words and numbers why
    nothing rests, and `price` and `size` are what would be placed, if anything.  `edge` is in numeraire per unit of
    base, after fees; `reference`, `reservation`, `hedge` and `band` are prices of the quote's pair.
    """

    resting: bool
    price: Money | None
    size: Money | None
    reference: Money | None
    reservation: Money | None
    hedge: Money | None
    band: list[Money | None] | None
    edge: Money | None
    reason: str | None


class Exposure(TypedDict):
    """What is filled and not yet closed, in base (`quantity`, signed) and numeraire (`value`)."""

    quantity: Money
    value: Money | None
    limit: Money | None
    since: When | None
    reason: NotRequired[str | None]


class Confirmation(TypedDict):
    """Whether the venues report that nothing of ours rests: since when, and which orders still do."""

    at: When | None
    remaining: list[str]


class Alarm(TypedDict):
    """Something that needs an operator's eyes."""

    kind: str
    message: str
    at: When


class Check(TypedDict):
    """One condition of START; one that holds may still be a warning."""

    name: str
    ok: bool
    message: str


class Fill(TypedDict):
    """An own fill; `key` is how links to what closed it name it.

    `quoted` is the source's best price to close it at, by the last book that had found the quote in its band; `raced` the
    seconds of the world for which a worse one had been known when the fill outran our cancel, null where it did not.
    """

    key: NotRequired[str]
    venue: str
    ticker: str
    side: str
    price: Money
    quantity: Money
    fees: dict[str, Money]
    at: When
    purpose: NotRequired[str]
    order_id: NotRequired[str | None]
    quoted: NotRequired[Money | None]
    raced: NotRequired[Money | None]


class Hedge(TypedDict):
    """What closed a fill; `edge` and `slippage` in numeraire per unit of base."""

    fill_key: str
    closed_by: str
    quantity: Money
    edge: Money | None
    slippage: Money | None
    at: When


class Recovery(TypedDict):
    """What was found of before when the trader got ready last: orders, transfers under way, fills that nobody knew of."""

    orders: int
    transfers: int
    fills: int


class Trader(TypedDict):
    """The trader and what it does."""

    state: str
    since: When
    by: str
    reason: str
    wanted: bool
    parameters: dict[str, Parameter]
    quotes: dict[str, dict[str, dict[Literal["bid", "ask"], Quote]]]
    exposure: dict[str, Exposure]
    fills: list[Fill]
    hedges: list[Hedge]
    rounded: Any
    checks: list[Check]
    confirmation: NotRequired[Confirmation]
    alarms: NotRequired[list[Alarm]]
    plan_reason: NotRequired[str | None]
    paused: NotRequired[list[str]]
    recovery: NotRequired[Recovery]


class Holding(TypedDict):
    """An asset on a venue."""

    venue: str
    asset: str
    available: Money | None
    held: Money | None
    in_transit: Money
    total: Money | None
    target: Money


class Book(TypedDict):
    """A book's best prices; `bids` and `asks` are more of it, best first, as price and quantity.

    `limit` is the age in seconds from which on the book is too old.
    """

    bid: Money | None
    ask: Money | None
    age: float | None
    ok: bool
    limit: NotRequired[float]
    bids: NotRequired[list[list[Money]]]
    asks: NotRequired[list[list[Money]]]


class CostOfAge(TypedDict):
    """What the age of a rate adds to either side of it, in basis points, and to the distance of each quote, in `unit`."""

    bp: Money
    quote: Money | None
    unit: str


class SaidByFeed(TypedDict):
    """What one of several feeds says of a pair; `why` tells why it says nothing, or what is wrong with it."""

    source: str
    mid: Money | None
    fixing: When | None
    used: bool
    why: str


class Rate(TypedDict):
    """A rate of exchange; `fixing` is when the market had it, `fixing_age` the seconds of the world since then.

    `age` is the seconds since it was last fetched.
    """

    bid: Money | None
    ask: Money | None
    fixing: When | None
    age: float | None
    source: str
    ok: NotRequired[bool]
    limit: NotRequired[float]
    fixing_age: NotRequired[float | None]
    cost: NotRequired[CostOfAge | None]
    feeds: NotRequired[list[SaidByFeed]]


class Input(TypedDict):
    """The age of one input of the trader, for the header; without them the page shows books and rates."""

    name: str
    age: float | None
    limit: float | None
    ok: bool
    message: NotRequired[str]


class Variance(TypedDict):
    """The variance of one period's change, in numeraire squared, and its correlation with that of what is traded."""

    value: Money | float | None
    origin: str
    age: float | None
    correlation: Money | float | None


class Order(TypedDict):
    """An order at a venue; `flag` names a difference between our records and the venue's.  Foreign ones are not ours."""

    id: str
    contract: str
    side: str
    price: Money
    quantity: Money
    quantity_left: Money
    timestamp: When
    purpose: NotRequired[str]
    flag: NotRequired[str | None]
    state: NotRequired[str]


# `from` is a keyword of the language, so this one is spelt as a call
Transfer = TypedDict(
    "Transfer",
    {
        "id": str,
        "state": str,
        "asset": str,
        "from": str,
        "to": str,
        "amount": Money,
        "expected": Money | None,
        "fee": Money | None,
        "address": str | None,
        "since": When,
        "overdue": bool,
        "actions": list[str],
        "to_asset": NotRequired[str],
        "arrived": NotRequired[Money | None],
        "due": NotRequired[When | None],
        "reference": NotRequired[str | None],
        "manual": NotRequired[bool],
        "note": NotRequired[str],
        "questions": NotRequired[list[str]],
        "by": NotRequired[str],
    },
)


class Transaction(TypedDict):
    """One line of an account's ledger."""

    contract: str
    timestamp: When
    quantity: Money
    type: str
    direction: str
    balance: Money | None
    note: str


class Flow(TypedDict):
    """Money that came or went and is no transfer of ours; `quantity` is positive when it came."""

    venue: str
    asset: str
    quantity: Money
    at: When
    reference: str
    classified: str | None
    key: NotRequired[str]
    by: NotRequired[str | None]


class Loss(TypedDict):
    """What trading lost today, in numeraire, and the loss that halts it."""

    today: Money
    limit: Money


class Difference(TypedDict):
    """A venue that holds something else than the ledger says."""

    venue: str
    asset: str
    ledger: Money
    told: Money


class Profit(TypedDict):
    """What was earned and lost, in numeraire; the periods map the parts' names to amounts.

    `opened` is None, and `reason` says why, while there is no ledger; then the other keys are missing.
    """

    opened: When | None
    reason: NotRequired[str]
    numeraire: NotRequired[str]
    equity: NotRequired[Money | None]
    identity: NotRequired[str | None]
    today: NotRequired[dict[str, Money | None]]
    week: NotRequired[dict[str, Money | None]]
    since: NotRequired[dict[str, Money | None]]
    days: NotRequired[list[dict[str, Money | None]]]
    loss: NotRequired[Loss]
    differences: NotRequired[list[Difference]]


class Speed(TypedDict):
    """How long something takes in the running daemon, in seconds; `counts` has one bucket more than `bounds`."""

    name: str
    help: str
    count: int
    p50: float
    p90: float
    p99: float
    worst: float
    bounds: list[float]
    counts: list[int]


class ChannelOfAlarms(TypedDict):
    """A way that alarms take: least severity, what waits, what was given up, and how the last try went."""

    name: str
    level: str
    waiting: int
    lost: int
    at: When | None
    error: str


class Active(TypedDict):
    """Something that is not as it should be now, and that was told."""

    kind: str
    severity: str
    message: str


class Heartbeat(TypedDict):
    """The sign of life: how often it was taken, and why the last was not."""

    on: bool
    taken: int
    error: str


class Alarms(TypedDict):
    """Who is told while nobody looks."""

    channels: list[ChannelOfAlarms]
    heartbeat: Heartbeat
    active: list[Active]


class State(TypedDict):
    """Holdings, market and ledgers as they were last read; `compared`: when own orders were last compared with a venue's."""

    holdings: list[Holding]
    books: dict[str, dict[str, Book]]
    rates: dict[str, Rate]
    marks: dict[str, Money | None]
    variances: dict[str, Variance]
    orders: dict[str, dict[str, Order]]
    transfers: list[Transfer]
    transactions: dict[str, list[Transaction]]
    inputs: NotRequired[list[Input]]
    flows: NotRequired[list[Flow]]
    compared: NotRequired[dict[str, When | None]]


class Move(TypedDict):
    """What a plan does with one move; `label` says it in words, `asset` is the unit of `amount`."""

    move: int
    direction: str
    amount: Money
    label: NotRequired[str]
    asset: NotRequired[str]


class Total(TypedDict):
    """A holding after a plan."""

    venue: str
    asset: str
    total: Money


class Column(TypedDict):
    """One of the three columns, in numeraire."""

    value: Money
    cash: Money
    costs: Money
    risk: Money
    deviation: Money
    moves: list[Move]
    holdings: list[Total]
    withheld: NotRequired[str | None]


class Valuation(TypedDict):
    """The optimizer's answer; `time` is that of the pool it was computed from.

    `exhausted`: the budget of `branches` ended the search, so that a better plan may exist; `bound` holds all the same.
    """

    base: Column | None
    optimized: Column | None
    rounded: Column | None
    bound: Money | None
    solve_ms: float | None
    time: When | None
    exhausted: NotRequired[bool | None]
    branches: NotRequired[int | None]


class Data(TypedDict):
    """What does not change while the daemon runs."""

    source_ticker: str
    target_ticker: str
    btc_ticker: str
    fees: dict[str, Any]
    costs: dict[str, Any]
    limits: dict[str, Any]
    help: NotRequired[dict[str, str]]


class Notice(TypedDict):
    """A standing notice; `level` is info, warn or bad."""

    level: str
    text: str


class Need(TypedDict):
    """Something that waits for a person; `tab` is where it is done."""

    level: str
    text: str
    tab: NotRequired[str]


class Act(TypedDict):
    """One line of the audit log: who did what to what, how it stood before and after, and why; of an edit its parameter."""

    at: When
    by: str
    what: str
    about: str
    before: str
    after: str
    why: str


class Document(TypedDict):
    """Everything."""

    version: int
    time: When
    mode: str
    state: State
    valuation: Valuation
    data: Data
    trader: Trader
    notices: NotRequired[list[Notice]]
    needs_you: NotRequired[list[Need]]
    audit: NotRequired[list[Act]]
    pnl: NotRequired[Profit | None]
    speeds: NotRequired[list[Speed]]
    alarms: NotRequired[Alarms | None]


def problems(document: Any) -> str:
    """Empty when *document* has the shape above, else the first place where it has not."""
    try:
        msgspec.convert(document, Document)
    except msgspec.ValidationError as error:
        return str(error)
    return ""
