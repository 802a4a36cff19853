"""The last door before the sockets: every order and every withdrawal passes here, nothing else holds the means to send one.

It asks for permission (what may be sent in this state) and for limits (what may never be sent).  A request without
permission is turned away; one beyond a limit means that something above went wrong, so it halts the trader as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from clients.exchange import IExchange, Side, Unreachable
from ilp.journal.entries import Purpose
from ilp.settings import Limits
from ilp.tickers import parts
from ilp.trading.permissions import Act, Leave

__all__ = [
    "Breach",
    "Facts",
    "Forbidden",
    "Gate",
    "OrderRequest",
    "TurnedAway",
    "WithdrawalRequest",
    "over_fall",
    "over_loss",
]

ACTS = {Purpose.QUOTE: Act.QUOTE, Purpose.HEDGE: Act.HEDGE, Purpose.PLAN: Act.PLAN_TRADE}
DAY = timedelta(days=1)
MINUTE = 60.0
TOGETHER = timedelta(minutes=1)  # of the world: fills of so long a time are counted, and forgotten, as one
ZERO = Decimal(0)


class TurnedAway(Exception):
    """The gate let something not pass; nothing was sent."""


class Forbidden(TurnedAway):
    """Not allowed in this state."""


class Breach(TurnedAway):
    """Beyond a limit; says which, with the number and what is allowed."""

    def __init__(self, limit: str, value: object, allowed: object, what: str) -> None:
        super().__init__(f"{limit}: {value}, allowed {allowed} ({what})")
        self.limit, self.value, self.allowed = limit, value, allowed


@frozen
class OrderRequest:
    """A limit order about to be sent; `by` says whose wish it is."""

    key: str
    venue: str
    ticker: str
    side: Side
    quantity: Decimal
    price: Decimal
    purpose: Purpose
    post_only: bool = False
    immediate: bool = False
    by: Leave = Leave.MACHINE

    def __str__(self) -> str:
        return f"{self.purpose} {self.side} {self.quantity} {self.ticker} at {self.price} on {self.venue}"


@frozen
class WithdrawalRequest:
    """A withdrawal about to be asked for; `lane` is (asset, from venue, to venue), `value` its worth in numeraire.

    `id` is the transfer's.
    """

    id: str
    venue: str
    asset: str
    amount: Decimal
    address: str
    lane: tuple[str, str, str]
    value: Decimal
    coin: bool
    by: Leave = Leave.MACHINE

    def __str__(self) -> str:
        return f"withdrawal of {self.amount} {self.asset} from {self.venue} to {self.lane[2] or 'the bank'}"


class Facts(Protocol):
    """What the gate has to know at the moment of sending."""

    def permitted(self, act: Act, venue: str, by: Leave) -> bool:
        """Whether the state allows it now."""

    def reference(self, venue: str, ticker: str) -> Decimal | None:
        """The last good price."""

    def resting(self, venue: str, ticker: str, side: Side, but: str) -> tuple[int, Decimal]:
        """Own orders that may rest there, the one with key *but* left out: how many, and what the quotes among them hold."""

    def exposure(self) -> Decimal:
        """Base received on targets and not closed; negative when it was given."""

    def quote_size(self) -> Decimal:
        """The configured size of a quote."""

    def left(self, venue: str, asset: str, but: str) -> Decimal:
        """What a holding would be if all that rests of ours there traded and all that leaves, or may have left, were gone.

        :param but: key of an order, or id of a transfer, that does not count.
        """

    def addresses(self, lane: tuple[str, str, str]) -> frozenset[str]:
        """Where a withdrawal on that lane may go."""


@define
class _Traded:
    """Base units traded between two times of the world."""

    first: datetime
    last: datetime
    quantity: Decimal


@define
class Gate:
    """Holds the venues' placing methods and hands out none of them.

    :ivar breached: called with each breach, before the request fails with it.
    :ivar loss: what trading lost this world day, in numeraire; `fall`: what equity fell by, for whatever cause.  Both stop
        quotes and plans; a hedge only closes what is open.
    :ivar sent: told of each order and amendment after it was handed to the client.
    """

    _venues: Mapping[str, IExchange] = field(repr=False)
    limits: Limits
    facts: Facts
    seconds: Callable[[], float]
    now: Callable[[], datetime]
    breached: Callable[[Breach], None]
    sent: Callable[[OrderRequest], None] = lambda request: None
    amended: Callable[[OrderRequest], None] = lambda request: None
    loss: Callable[[], Decimal] = lambda: ZERO
    fall: Callable[[], Decimal] = lambda: ZERO
    _minutes: dict[str, deque[float]] = field(factory=dict)
    _turnover: deque[_Traded] = field(factory=deque)  # at most one a minute, into however many parts a quote is filled
    _turned_over: Decimal = ZERO  # their sum: every order asks for it
    _left: dict[tuple[str, str, str], deque[datetime]] = field(factory=dict)

    def place(self, request: OrderRequest) -> Deferred[str]:
        """Send an order if it may be sent; fires with the venue's id, fails with `TurnedAway` or the client's error."""
        try:
            self._permit(ACTS[request.purpose], request.venue, request.by, request)
            self._check_order(request)
        except TurnedAway as refusal:
            return self._turn_away(refusal)
        self._minute(request.venue).append(self.seconds())
        client = self._venues[request.venue]
        answer = client.placeOrder(
            request.ticker,
            request.quantity,
            request.price,
            request.side,
            post_only=request.post_only,
            immediate=request.immediate,
            client_id=request.key if "client_id" in client.features else None,
            urgent=request.purpose is Purpose.HEDGE,
        )
        self.sent(request)
        return answer

    def amend(self, order_id: str, total: Decimal, request: OrderRequest) -> Deferred[bool]:
        """Change a resting order to what *request* says, if that might be sent as a new one.

        :param total: the whole quantity, what is filled included; `request.quantity` is what would be left.
        """
        try:
            self._permit(ACTS[request.purpose], request.venue, request.by, request)
            self._check_order(request)
        except TurnedAway as refusal:
            return self._turn_away(refusal)
        self._minute(request.venue).append(self.seconds())
        answer = self._venues[request.venue].amendOrder(order_id, total, request.price)
        self.amended(request)
        return answer

    def withdraw(self, request: WithdrawalRequest) -> Deferred[str]:
        """Ask for a withdrawal if it may leave; fires with the venue's id."""
        try:
            self._permit(Act.TRANSFER, request.venue, request.by, request)
            self._check_withdrawal(request)
        except TurnedAway as refusal:
            return self._turn_away(refusal)
        left, at = self._day(request.lane), self.now()
        left.append(at)

        def unsent(failure: Failure) -> Failure:
            if isinstance(failure.value, Unreachable | NotImplementedError) and at in left:
                left.remove(at)  # nothing left, and the next try is the same transfer
            return failure

        answer = self._venues[request.venue].requestWithdrawal(request.asset, request.amount, request.address)
        return answer.addErrback(unsent)

    def beyond(self, request: WithdrawalRequest) -> Breach | None:
        """The limit that a withdrawal would break now; it is a breach, and halts, only once it is really asked for."""
        try:
            self._check_amount(request)
        except Breach as breach:
            return breach
        return None

    def filled(self, quantity: Decimal, at: datetime) -> None:
        """Count a fill, base units, into the day's turnover."""
        newest = self._turnover[-1] if self._turnover else None
        if newest is not None and newest.first <= at < newest.first + TOGETHER:
            newest.last, newest.quantity = max(newest.last, at), newest.quantity + quantity
        else:
            self._turnover.append(_Traded(at, at, quantity))
        self._turned_over += quantity

    def departed(self, lane: tuple[str, str, str], at: datetime) -> None:
        """Count a transfer of an earlier run into the day's."""
        self._day(lane).append(at)

    def turnover(self) -> Decimal:
        """Base units traded in the last 24 hours of the world; what is older may count for a minute more."""
        while self._turnover and self._turnover[0].last <= self.now() - DAY:
            self._turned_over -= self._turnover.popleft().quantity
        return self._turned_over

    def room(self, venue: str) -> int:
        """How many more orders may go to the venue within this minute."""
        return self.limits.orders_per_minute - len(self._minute(venue))

    def full(self, venue: str, spare: int = 0) -> str:
        """Why the venue should get no order now, *spare* ones being kept for what is more urgent; empty where it may.

        To wait is better than a breach, which would halt the pool with whatever is open.
        """
        if self.room(venue) > spare:
            return ""
        return f"{self.limits.orders_per_minute} orders went to {venue} within a minute, the limit"

    # ---------------------------------------------------------------------------------------------------- the checks

    def _permit(self, act: Act, venue: str, by: Leave, what: object) -> None:
        if not self.facts.permitted(act, venue, by):
            raise Forbidden(f"{act} may not be sent now ({what})")

    def _check_order(self, request: OrderRequest) -> None:
        limits, what = self.limits, str(request)
        if request.quantity <= 0 or request.price <= 0:
            raise Breach("order", f"{request.quantity} at {request.price}", "positive numbers", what)
        _at_most("largest order", request.quantity, limits.largest_order, what)
        self._check_price(request)
        if request.purpose is not Purpose.HEDGE:
            _at_most("loss a day", self.loss(), limits.loss_per_day, what)
            if limits.equity_fall_per_day:
                _at_most("fall of equity a day", self.fall(), limits.equity_fall_per_day, what)
            self._check_kept(request)
        count, quoted = self.facts.resting(request.venue, request.ticker, request.side, request.key)
        _at_most("open orders", count + 1, limits.open_orders, what)
        if request.purpose is Purpose.QUOTE:
            _at_most("size per side", quoted + request.quantity, self.facts.quote_size(), what)
            received = self.facts.exposure() * (1 if request.side is Side.BUY else -1)
            _at_most("exposure", received, limits.exposure, what)
        _at_most(
            "orders a minute", limits.orders_per_minute - self.room(request.venue) + 1, limits.orders_per_minute, what
        )
        _at_most("turnover a day", self.turnover() + request.quantity, limits.turnover_per_day, what)

    def _check_price(self, request: OrderRequest) -> None:
        reference = self.facts.reference(request.venue, request.ticker)
        if reference is None:
            raise Forbidden(f"there is no reference price yet ({request})")
        distance = abs(request.price / reference - 1)
        if distance > self.limits.price_band:
            raise Breach(
                "price band", f"{distance:.2%} from {reference:.8g}", f"{self.limits.price_band:.2%}", str(request)
            )

    def _check_kept(self, request: OrderRequest) -> None:
        """Quotes and plans leave the smallest balance where it is; fees are not in it, they are small and come on top."""
        base, quote = parts(request.ticker)
        selling = request.side is Side.SELL
        asset = base if selling else quote
        self._keep(
            request.venue, asset, request.quantity * (1 if selling else request.price), request.key, str(request)
        )

    def _keep(self, venue: str, asset: str, spent: Decimal, but: str, what: str) -> None:
        kept = self.limits.kept(venue, asset)
        left = self.facts.left(venue, asset, but) - spent if kept else ZERO
        if left < kept:
            raise Breach("smallest balance", f"{left} {asset}", f"at least {kept}", what)

    def _check_withdrawal(self, request: WithdrawalRequest) -> None:
        self._check_amount(request)
        if request.address not in self.facts.addresses(request.lane):
            raise Breach(
                "address", "an address not on the list", "the receiving client's or a listed one", str(request)
            )

    def _check_amount(self, request: WithdrawalRequest) -> None:
        """How much may leave, and how often."""
        limits, what = self.limits, str(request)
        if request.amount <= 0:
            raise Breach("transfer", request.amount, "a positive amount", what)
        if request.coin:
            _at_most("largest coin transfer", request.amount, limits.largest_coin_transfer, what)
        else:
            _at_most("largest fiat transfer", request.value, limits.largest_fiat_transfer, what)
        self._keep(request.venue, request.asset, request.amount, request.id, what)
        _at_most("transfers a day", len(self._day(request.lane)) + 1, limits.transfers_per_day, what)

    def _turn_away(self, refusal: TurnedAway) -> Deferred[Any]:
        if isinstance(refusal, Breach):
            self.breached(refusal)
        return fail(refusal)

    def _minute(self, venue: str) -> deque[float]:
        sent = self._minutes.setdefault(venue, deque())
        while sent and sent[0] <= self.seconds() - MINUTE:
            sent.popleft()
        return sent

    def _day(self, lane: tuple[str, str, str]) -> deque[datetime]:
        left = self._left.setdefault(lane, deque())
        while left and left[0] <= self.now() - DAY:
            left.popleft()
        return left


def over_loss(loss: Decimal, allowed: Decimal) -> Breach | None:
    """The breach of a loss that was made without anything being sent: the exposure was revalued."""
    if loss <= allowed:
        return None
    return Breach(
        "loss a day", f"{loss:.2f}", allowed, "fills, fees, transfers, and the revaluation of what is exposed"
    )


def over_fall(fall: Decimal, allowed: Decimal) -> Breach | None:
    """The breach of the wider limit, which watches all that is held; None where none is set (0)."""
    if not allowed or fall <= allowed:
        return None
    return Breach("fall of equity a day", f"{fall:.2f}", allowed, "all that is held, deposits and withdrawals apart")


def _at_most(limit: str, value: Decimal | int, allowed: Decimal | int, what: str) -> None:
    if value > allowed:
        raise Breach(limit, value, allowed, what)
