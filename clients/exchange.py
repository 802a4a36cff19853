"""The uniform exchange interface: its methods, records, events and errors.  Knows no venue and nothing of the daemon.

Every venue module in this package offers one class that implements `IExchange`; a rate feed implements `IRateFeed`.
Amounts and prices are `decimal.Decimal` in human units (bitcoin, forint, forint per bitcoin), times are aware UTC
datetimes, tickers are upper-case: `BTC` for a currency, `BTC/HUF` for a pair of base and quote.

Events (see `IEventSource`), each with its arguments:

========== ==================== =======================================================================================
`connect`    (exchange)           logged in, subscribed, every snapshot read: ready for calls
`disconnect` (exchange)           the connection is lost, also one that only went silent; nothing held from before is valid
`alive`      (exchange, *kinds)   the venue has just answered a ping, or sent anything, on the ordered connection that
                                  carries the events: whatever was last reported is confirmed to be still true.  Where
                                  that connection carries some of them only, their kinds are named (`book`, `orders`,
                                  `balances`) and nothing else is confirmed.  What is read instead is never confirmed so
`book`       (ticker, book)       the order book, complete, best price first; where books are read, after each reading
`trade`      (trade)              a trade of the market
`order`      (order)              an own order, complete, whenever anything of it changes
`fill`       (fill)               an own fill; may be lost or repeated, so count by `order["quantity_filled"]`
`position`   (ticker, position)   an own holding
`error`      (exception)          something failed that no caller waits for
========== ==================== =======================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, NotRequired, TypedDict

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

__all__ = [
    "OHLCV",
    "Book",
    "BookRow",
    "ExchangeError",
    "Fill",
    "IEventSource",
    "IExchange",
    "IRateFeed",
    "InsufficientFunds",
    "Market",
    "NotAuthorised",
    "Order",
    "OrderRejected",
    "OutcomeUnknown",
    "Period",
    "Position",
    "RateLimited",
    "Refused",
    "Side",
    "Trade",
    "Transaction",
    "Transfer",
    "UnknownOrder",
    "Unreachable",
]


class Side(StrEnum):
    """Which way an order trades; equal to its own text, so that `"BUY"` is accepted wherever a side is."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The side that closes what this one opens."""
        return Side.SELL if self is Side.BUY else Side.BUY


Period = Literal["minute", "hour", "day"]


# ---------------------------------------------------------------------------------------------------------- records


class BookRow(TypedDict):
    """All that rests at one price."""

    price: Decimal
    quantity: Decimal


class Book(TypedDict):
    """An order book: bids and asks, best first, never crossed as long as the venue's own is not."""

    contract: str
    bids: list[BookRow]
    asks: list[BookRow]


class Position(TypedDict):
    """A holding: `position` is all of it, `available` what may be spent now (less what own orders hold).

    `reference_price` is there for futures only: the price that gains and losses are reckoned from, None if never traded.
    `lent` is there where a token is lent and borrowed: what is lent of it besides, interest included, negative where it is
    borrowed.  A holding's value moves by both together; only `position` can be spent.
    """

    contract: str
    position: Decimal
    available: Decimal
    reference_price: NotRequired[Decimal | None]
    lent: NotRequired[Decimal]


class Order(TypedDict):
    """An own order as the venue has it.

    The first eight keys are always there.  `quantity_filled` is cumulative and never falls; `final` is true once nothing
    more can happen to the order.  `fees` maps a currency to what was charged so far.  A venue that does not tell a thing
    leaves its key out.
    """

    id: str
    contract: str
    price: Decimal
    quantity: Decimal
    quantity_left: Decimal
    side: Side
    timestamp: datetime
    is_cancelled: bool
    quantity_filled: NotRequired[Decimal]
    average_price: NotRequired[Decimal | None]
    fees: NotRequired[dict[str, Decimal]]
    final: NotRequired[bool]
    client_id: NotRequired[str | None]


class Fill(TypedDict):
    """One match of an own order; `id` is the venue's trade id or None where it has none (see `features`)."""

    id: str | None
    order_id: str
    contract: str
    side: Side
    price: Decimal
    quantity: Decimal
    fees: dict[str, Decimal]
    timestamp: datetime


class Trade(TypedDict):
    """A trade of the market."""

    contract: str
    price: Decimal
    quantity: Decimal
    timestamp: datetime


class OHLCV(TypedDict):
    """One bar; `close_timestamp` is the last instant that belongs to it."""

    contract: str
    period: Period
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    vwap: Decimal
    open_timestamp: datetime
    close_timestamp: datetime


class Transaction(TypedDict):
    """One line of the account's ledger.

    `type` is one of Trade, Fee, Deposit, Withdrawal, Transfer, Clearing, Adjustment, Interest, Other; `direction` is
    `credit` when the balance rose and `debit` when it fell; `quantity` is not negative; `balance` is the holding after it,
    where told.
    """

    contract: str
    timestamp: datetime
    quantity: Decimal
    type: str
    direction: Literal["credit", "debit"]
    balance: Decimal | None
    note: str


class Transfer(TypedDict):
    """A deposit or withdrawal in the venue's records.

    `amount` is what the account was debited with (withdrawal, `fee` included) or what was credited before `fee` was taken
    (deposit).  `status`: `pending` (not final), `done`, `failed` (nothing left, or all but `fee` came back).  `id` is unique
    within the venue and direction; `reference` is the chain's or bank's transaction id, or None.
    """

    id: str
    direction: Literal["deposit", "withdrawal"]
    ticker: str
    amount: Decimal
    fee: Decimal
    address: str | None
    reference: str | None
    status: Literal["pending", "done", "failed"]
    timestamp: datetime


class Market(TypedDict):
    """What can be ordered: steps and minima of a pair (`kind` pair) or of withdrawals (`kind` cash).

    A market of `kind` rate trades interest: its price is an annual rate, a fraction; `base` is the token that is lent and
    borrowed, and there is no `quote`, because a trade has no cash leg in another currency.
    """

    contract: str
    kind: Literal["cash", "pair", "prediction", "futures", "rate"]
    base: str | None
    quote: str | None
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    min_notional: Decimal


# ----------------------------------------------------------------------------------------------------------- errors
#
#   ExchangeError
#   ├── Unreachable            nothing happened; trying again later is safe
#   │   └── RateLimited        … and the venue, or our own budget, says when
#   ├── Refused                the venue said no; the same request gets the same answer
#   │   ├── NotAuthorised      the operator has to act
#   │   ├── InsufficientFunds
#   │   ├── OrderRejected
#   │   └── UnknownOrder
#   └── OutcomeUnknown         it may have happened; read the venue's records before anything else


class ExchangeError(Exception):
    """Base of all that a venue, or the way to it, can answer.

    :ivar venue: which client says so, in the words of the operator.
    :ivar doing: what was being done.
    :ivar code: the venue's own code, empty where it has none.
    """

    def __init__(self, venue: str, doing: str, why: str, code: str = "") -> None:
        super().__init__(f"{venue}: {doing}: {why}" + (f" ({code})" if code else ""))
        self.venue = venue
        self.doing = doing
        self.why = why
        self.code = code


class Unreachable(ExchangeError):
    """Nothing happened at the venue; trying again later is safe."""


class RateLimited(Unreachable):
    """Too many requests; nothing happened.

    :ivar retry_after: seconds until the venue will listen again.
    """

    def __init__(self, venue: str, doing: str, why: str, code: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(venue, doing, why, code)
        self.retry_after = retry_after


class Refused(ExchangeError):
    """The venue said no; the same request will get the same answer."""


class NotAuthorised(Refused):
    """Wrong credentials or a missing permission: the operator has to act."""


class InsufficientFunds(Refused):
    """The account cannot pay for it."""


class OrderRejected(Refused):
    """The order itself is not acceptable: price, quantity, market closed, would cross while post-only."""


class UnknownOrder(Refused):
    """The venue knows no such order of ours."""


class OutcomeUnknown(ExchangeError):
    """It may have happened: no answer, a lost connection or an answer nobody can read, on a call that changes state."""


# ------------------------------------------------------------------------------------------------------- interfaces


class IEventSource(Interface):
    """Something one can listen to (the methods of `pyee.EventEmitter`)."""

    def on(event: str, f: Callable[..., Any]) -> Callable[..., Any]:
        """Call *f* with the event's arguments whenever it happens."""

    def remove_listener(event: str, f: Callable[..., Any]) -> None:
        """Stop calling *f*."""


class IRateFeed(IEventSource):
    """A source of exchange rates between currencies, for instance `USD/HUF`."""

    name = Attribute("How errors and logs call this feed.")

    def connect() -> Deferred[None]:
        """Fire when the first rates are there.  Reconnects by itself afterwards.  Fails with `NotAuthorised` for good."""

    def disconnect() -> Deferred[None]:
        """Close in order and stay closed; fires when nothing is left behind."""

    def getOrderBook(ticker: str) -> Deferred[Book]:
        """Bid and ask, the one level there is; a feed of mid rates makes them with the configured spread."""

    def getOHLCVHistory(ticker: str, period: Period, start: datetime, end: datetime) -> Deferred[dict[datetime, OHLCV]]:
        """Bars that overlap the interval, by the time they open; a feed of fixings has days only."""


class IExchange(IEventSource):
    """A venue with an account of ours.

    A call that the venue does not have fails with `NotImplementedError` through its Deferred.  Every call has a deadline.
    Only what is safe to repeat is retried by a client: placing an order or a withdrawal is not.

    Constructors take `id`, `secret`, `endpoint` and `reactor` as keywords; `id` and `secret` may be empty for public use.
    """

    name = Attribute("How errors and logs call this venue.")
    features = Attribute(
        "frozenset of what the venue really has: post_only, client_id, amend, cancel_all_after, trade_id, order_lookup, "
        "withdrawal_id, immediate_or_cancel, interest (positions earn and pay, as lines `Interest` of the transaction "
        "history), public_only, …"
    )

    def connect() -> Deferred[None]:
        """Fire when ready for calls; reconnects by itself afterwards, with backoff.

        Fails with `NotAuthorised` when the venue refuses the credentials (no further try is made) and with `Unreachable`
        when the first connection cannot be made within the client's deadline (further tries go on).
        """

    def disconnect() -> Deferred[None]:
        """Close in order, without reconnecting; fires when nothing is left behind.  Emits `disconnect` if connected."""

    def getPositions() -> Deferred[dict[str, Position]]:
        """All holdings, freshly read, by currency."""

    def getCurrentAddress(ticker: str) -> Deferred[str]:
        """The address that deposits of *ticker* go to now."""

    def getNewAddress(ticker: str) -> Deferred[str]:
        """A fresh deposit address; the old one may stop working."""

    def requestWithdrawal(ticker: str, amount: Decimal, address: str) -> Deferred[str]:
        """Withdraw; *amount* is what the account is debited with, fee included.  Fires with an id (see `features`).

        Never repeated by the client.  `OutcomeUnknown` means that only the venue's records can tell.
        """

    def placeOrder(
        ticker: str,
        quantity: Decimal,
        price: Decimal,
        side: Side | str,
        *,
        post_only: bool = False,
        immediate: bool = False,
        client_id: str | None = None,
        urgent: bool = False,
    ) -> Deferred[str]:
        """Place a limit order and fire with its id.  Price and quantity must lie on tick and lot: nothing is rounded.

        *post_only*, *immediate* (immediate-or-cancel) and *client_id* need the feature of that name and are refused with
        `NotImplementedError` where the venue lacks it.  *urgent* says that the order closes an exposure: when the rate
        budget runs short it goes before new quotes (and after cancels).
        """

    def cancelOrder(id: str) -> Deferred[bool]:
        """True when it was taken off the book, False when it was too late (expect a fill); else `UnknownOrder`."""

    def cancelAllOrders(ticker: str | None = None) -> Deferred[Sequence[str]]:
        """Cancel every own order (of *ticker*); fires with the ids that were cancelled."""

    def amendOrder(id: str, quantity: Decimal | None = None, price: Decimal | None = None) -> Deferred[bool]:
        """Change a resting order in place; False when it was too late.  *quantity* is the whole, filled part included."""

    def getOpenOrders() -> Deferred[dict[str, Order]]:
        """Own orders that may still trade, freshly read, by id."""

    def getOrder(id: str | None = None, client_id: str | None = None) -> Deferred[Order]:
        """One own order with its cumulative fill, final or not; `UnknownOrder` when the venue never had it."""

    def getFills(start: datetime, end: datetime) -> Deferred[list[Fill]]:
        """Own fills, oldest first."""

    def getTransfers(start: datetime, end: datetime) -> Deferred[list[Transfer]]:
        """Deposits and withdrawals, oldest first."""

    def getOrderBook(ticker: str) -> Deferred[Book]:
        """The current book, best first."""

    def getTransactionHistory(start: datetime, end: datetime) -> Deferred[list[Transaction]]:
        """The account's ledger, oldest first."""

    def getTradeHistory(ticker: str, start: datetime, end: datetime) -> Deferred[list[Trade]]:
        """Trades of the market, oldest first."""

    def getOHLCVHistory(ticker: str, period: Period, start: datetime, end: datetime) -> Deferred[dict[datetime, OHLCV]]:
        """Bars that overlap the interval, by the time they open, oldest first; a bar without trades may be missing."""

    def getMarkets() -> Deferred[Mapping[str, Market]]:
        """What can be traded and withdrawn, with steps and minima."""

    def round_bid(ticker: str, price: Decimal) -> Decimal:
        """*price* rounded down to the tick.  Needs a connection made before: markets are read then."""

    def round_ask(ticker: str, price: Decimal) -> Decimal:
        """*price* rounded up to the tick."""

    def round_quantity(ticker: str, quantity: Decimal) -> Decimal:
        """*quantity* rounded down to the lot (a pair) or to the withdrawal step (a currency)."""

    def cancelAllAfter(seconds: float) -> Deferred[None]:
        """Dead man's switch: the venue cancels everything unless this is called again in time; 0 switches it off."""
