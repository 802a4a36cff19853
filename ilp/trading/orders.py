"""Own orders from before they are sent until the venue has said its last word.  Decides nothing: it keeps account.

Quantities are taken from what the venue reports as *cumulative*, so that lost, repeated or reordered events change nothing.
An order whose answer was lost is UNKNOWN until the venue's records tell (`ilp.trading.audit`); all that time it counts as
resting.  Everything that waits for time is a number on an order; the owner calls `tick` when `due` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred

from clients.exchange import (
    ExchangeError,
    Fill,
    Order,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Side,
    UnknownOrder,
    Unreachable,
)
from ilp.journal.entries import FillEntry, OrderEntry, OrderState, Purpose
from ilp.trading.gate import Gate, OrderRequest, TurnedAway
from ilp.trading.own import Growth, OwnOrder, is_final, is_priced, reported_fill, sum_by_order
from ilp.trading.reader import Reader
from ilp.trading.runs import PREFIX

__all__ = ["MARGIN", "Desk", "Listener"]

SLOW = 1.0  # seconds after which an answer is late
SETTLE = 0.5  # seconds that a venue's events get before its records are asked
RETRY = 0.25  # seconds between two tries to cancel
AGAIN = 1.0  # seconds until the records are asked again
MARGIN = timedelta(minutes=5)  # how far a venue's clock may be off
KEPT = 1000  # final orders remembered for late evidence
# Of those before only the ids: as many as go to two venues in eight minutes by the default limit of orders a minute, and
# fills of `MARGIN` before an order whose answer was lost are looked through for its own.
PAST = 10_000


class Listener(Protocol):
    """Whom the desk tells."""

    def order_filled(self, order: OwnOrder, growth: Growth, trade_id: str | None) -> None:
        """An own order traded; called once for each growth of its cumulative quantity."""

    def order_changed(self, order: OwnOrder) -> None:
        """Anything else of an own order changed."""

    def order_strange(self, venue: str, record: Order) -> None:
        """The venue has an order of this account that nobody here placed."""

    def order_absurd(self, order: OwnOrder, what: str) -> None:
        """The venue says of an own order what cannot be, more filled than was ever asked for say; it is not believed."""

    def orders_read(self, venue: str) -> None:
        """The venue's open orders were read again."""

    def report(self, message: str, error: BaseException | None = None) -> None:
        """Something went wrong that no caller waits for."""


@define(eq=False)
class Desk:
    """All own orders, by our key.

    :ivar prefix: what our client ids begin with; tells ours from an operator's where the venue has client ids.
    :ivar seconds: the reactor's clock; `now`: the world's.
    :ivar settled: (venue, id) of orders of earlier runs whose fills the journal has.
    """

    gate: Gate
    venues: Mapping[str, Reader]
    listener: Listener
    seconds: Callable[[], float]
    now: Callable[[], datetime]
    prefix: str = PREFIX
    sequence: int = 0
    settled: set[tuple[str, str]] = field(factory=set)
    _orders: dict[str, OwnOrder] = field(factory=dict)
    _live: dict[str, OwnOrder] = field(factory=dict)
    _ids: dict[tuple[str, str], OwnOrder] = field(factory=dict)
    _past: dict[tuple[str, str], datetime] = field(factory=dict)  # ids that were trimmed, and when they were placed
    _early: dict[tuple[str, str], Order] = field(factory=dict)  # told before the answer that names the order
    _strangers: set[str] = field(factory=set)  # venues that told of an order which nobody here knows
    _running: set[Deferred[None]] = field(factory=set)

    # ----------------------------------------------------------------------------------------------------- requests

    def place(self, request: OrderRequest, expires_in: float | None = None) -> OwnOrder:
        """Send an order; it counts as resting from now on, whatever becomes of the answer."""
        order = OwnOrder(
            request.key,
            request.venue,
            request.ticker,
            request.side,
            request.purpose,
            request.quantity,
            request.price,
            self.now(),
            sent=self.seconds(),
            expires=None if expires_in is None else self.seconds() + expires_in,
        )
        self._orders[order.key] = self._live[order.key] = order
        self._touch(order)
        self.listener.order_changed(order)
        self.run(self._send(order, request))
        return order

    def amend(self, order: OwnOrder, request: OrderRequest) -> None:
        """Change a resting order in place: to the price of *request*, and so that its quantity is left."""
        order.amending = order.filled + request.quantity
        order.largest = max(order.largest, order.amending)
        self._touch(order)
        self.run(self._amend(order, request, order.amending))

    def cancel(self, order: OwnOrder, why: str) -> None:
        """Take an order off the book, as soon as the venue can be told which one; more than one wish is one wish."""
        if order.final or order.off_book or order.cancel_wanted:
            return
        order.cancel_wanted, order.note = True, why
        if order.order_id is not None:
            self.run(self._cancel(order))

    def cancel_all(self, why: str, venue: str | None = None) -> None:
        """Cancel everything that may rest, at one venue or everywhere."""
        for order in self.live(venue):
            self.cancel(order, why)

    # ------------------------------------------------------------------------------------------------------ reading

    def live(self, venue: str | None = None, ticker: str | None = None, side: Side | None = None) -> list[OwnOrder]:
        """Orders that are not final, oldest first."""
        return [
            order
            for order in self._live.values()
            if venue in (None, order.venue) and ticker in (None, order.ticker) and side in (None, order.side)
        ]

    def recent(self) -> tuple[OwnOrder, ...]:
        """Every order remembered, oldest first."""
        return tuple(self._orders.values())

    def known(self, venue: str, order_id: str) -> OwnOrder | None:
        """The own order with the venue's id."""
        return self._ids.get((venue, order_id))

    def over(self, venue: str, order_id: str) -> bool:
        """Whether an own order had the venue's id of which nothing but that is remembered: its fills are in the journal."""
        return (venue, order_id) in self._past or (venue, order_id) in self.settled

    def is_past(self, venue: str, record: Order) -> bool:
        """Whether a record speaks of an own order of this run that was over long ago; by the same rule as `of`."""
        at = self._past.get((venue, record["id"]))
        if at is None or record["timestamp"] <= at + MARGIN:
            return at is not None
        return not any(other.could_be(record) for other in self.live(venue))

    def of(self, venue: str, record: Order) -> OwnOrder | None:
        """The own order that a record speaks of; not one that is over, where a venue gives its id anew to one on its way."""
        order = self.known(venue, record["id"])
        if order is None or not order.final or record["timestamp"] <= order.at + MARGIN:
            return order
        return None if any(other.could_be(record) for other in self.live(venue)) else order

    def due(self) -> float | None:
        """Reactor seconds of the next thing to do; None when nothing waits for time."""
        times = (
            time
            for order in self._live.values()
            for time in (order.check_at, None if order.cancel_wanted else order.expires, _late_at(order))
            if time is not None
        )
        return min(times, default=None)

    # -------------------------------------------------------------------------------------------------------- events

    def on_order(self, venue: str, record: Order) -> None:
        """The venue reports an own order."""
        order = self.of(venue, record) or self.claim(venue, record)
        if order is not None:
            self.take(order, record)
        elif any(other.order_id is None for other in self.live(venue)):
            self._early[venue, record["id"]] = record
        elif not is_final(record) and (record.get("client_id") or self.prefix).startswith(self.prefix):
            self._strangers.add(venue)

    def on_fill(self, venue: str, fill: Fill) -> None:
        """The venue reports a fill; one without a trade id cannot be told from its repetition and is a hint to look."""
        order = self._ids.get((venue, fill["order_id"]))
        if order is None:
            return
        order.happened = fill["timestamp"]
        if fill["id"] is None:
            if not order.final and order.check_at is None:
                order.check_at = self.seconds() + SETTLE
        elif (
            order.add_trade(fill)
            and order.traded > order.filled
            and self._can_be(order, order.traded, order.trade_fees)
        ):
            growth = order.grow(order.traded, fill["price"], None, order.trade_fees)
            self._grown(order, growth, fill["id"])

    def on_lost(self, venue: str) -> None:
        """The connection is lost: what was on the way may or may not have happened."""
        for order in self.live(venue):
            order.check_at = self.seconds()

    def tick(self) -> set[str]:
        """Cancel what has expired; return the venues whose records should be asked about an order in doubt."""
        at, doubtful = self.seconds(), self._strangers
        self._strangers = set()
        for order in self.live():
            if order.expires is not None and at >= order.expires:
                order.expires = None
                self.cancel(order, "not filled in time")
            late_at = _late_at(order)
            if late_at is not None and at >= late_at:
                order.slow, order.check_at = True, at
                self._look_at_early(order.venue)
            if order.check_at is not None and at >= order.check_at:
                doubtful.add(order.venue)
                order.check_at = at + AGAIN  # unless the reading settles it before
        return doubtful

    def recover(self, entries: Iterable[OrderEntry], fills: Iterable[FillEntry] = ()) -> None:
        """Remember the orders of earlier runs; reading the venue's records then tells what became of them.

        :param fills: what they traded by then: only what comes on top of that is new.
        """
        traded = sum_by_order(fills)
        for entry in entries:
            if entry.key in self._orders:
                continue
            order = OwnOrder.recovered(entry, self.seconds(), traded.get((entry.venue, entry.key)))
            self._orders[order.key] = self._live[order.key] = order
            if order.order_id is not None:
                self._ids[order.venue, order.order_id] = order

    def close(self) -> None:
        """Let go of every call that is still on its way."""
        for running in tuple(self._running):
            running.cancel()

    def run(self, work: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Own a piece of work until it ends; what it did not expect is reported."""
        running = Deferred.fromCoroutine(work)
        self._running.add(running)
        return running.addBoth(self._ended, running)

    # ------------------------------------------------------------------------------------------------------- sending

    async def _send(self, order: OwnOrder, request: OrderRequest) -> None:
        try:
            order_id = await self.gate.place(request)
        except CancelledError:
            raise
        except (TurnedAway, Refused, Unreachable, NotImplementedError) as refusal:
            if order.order_id is None:
                self.finish(order, OrderState.REFUSED, str(refusal))
            else:
                self.listener.report(f"{request} was refused, but {order.order_id} looks like it: {refusal}")
                self.cancel(order, str(refusal))
        except OutcomeUnknown as doubt:
            self._doubt(order, str(doubt))
        except Exception as error:  # noqa: BLE001  a client's own fault: it may have sent the order before it broke
            self.listener.report(f"{request} failed in an unexpected way", error)
            self._doubt(order, repr(error))
        else:
            self._named(order, order_id)

    def _named(self, order: OwnOrder, order_id: str) -> None:
        """The venue's id of the order is known; nothing else is new."""
        if order.order_id is not None:
            if order.order_id != order_id:
                self._twin(order, order_id)
            return  # recognised by an event before the answer came
        order.order_id = order_id
        order.again = (order.venue, order_id) in self._ids or self.over(order.venue, order_id)
        self._past.pop((order.venue, order_id), None)
        self._ids[order.venue, order_id] = order
        self._touch(order)
        if order.final:  # given up as lost, and there after all
            self._revive(order)
        order.state = OrderState.OPEN
        self.listener.order_changed(order)
        early = self._early.pop((order.venue, order_id), None)
        if early is not None:
            self.take(order, early)
        if order.cancel_wanted and not order.final:
            self.run(self._cancel(order))
        self._look_at_early(order.venue)

    def reopen(self, order: OwnOrder) -> None:
        """The venue lists as resting what it had told us was over."""
        self.listener.report(f"{order.venue}: {order.order_id} was taken for final and rests: it is cancelled")
        self._revive(order)
        order.state = OrderState.OPEN
        self._touch(order)
        self.listener.order_changed(order)
        self.run(self._cancel(order))

    def _revive(self, order: OwnOrder) -> None:
        """It is ours, it may trade, and nobody wants it any more."""
        order.lost = order.off_book = False
        order.amending, order.cancel_wanted = None, True
        self._live[order.key] = order

    def _twin(self, order: OwnOrder, order_id: str) -> None:
        """The answer names another order than the one that was taken for it: both are ours, one too many."""
        self.listener.report(f"{order.venue}: {order_id} is {order.key}, and {order.order_id} was taken for it")
        twin = OwnOrder(
            f"{order.key}-twin",
            order.venue,
            order.ticker,
            order.side,
            order.purpose,
            order.quantity,
            order.price,
            order.at,
        )
        self._orders[twin.key] = self._live[twin.key] = twin
        twin.cancel_wanted = True
        self._named(twin, order_id)

    def _look_at_early(self, venue: str) -> None:
        """An answer less is outstanding: what was told before may be recognised now."""
        for (where, id), record in tuple(self._early.items()):
            if where == venue and (where, id) in self._early:
                del self._early[where, id]
                self.on_order(venue, record)

    async def _amend(self, order: OwnOrder, request: OrderRequest, total: Decimal) -> None:
        assert order.order_id is not None  # only an open order is amended
        try:
            changed = await self.gate.amend(order.order_id, total, request)
        except CancelledError:
            raise
        except (TurnedAway, Refused, NotImplementedError) as refusal:
            # It rests as it was, which nobody wants any more: off with it, and a new one.
            order.amending = None
            self.cancel(order, str(refusal))
        except Unreachable as refusal:
            order.amending = None
            self._look(order, RETRY, str(refusal))
        except Exception as doubt:  # noqa: BLE001  it may rest either way: the records tell
            if not isinstance(doubt, ExchangeError):
                self.listener.report(f"amending {order.order_id} on {order.venue} failed in an unexpected way", doubt)
            self._look(order, 0.0, str(doubt))
        else:
            if changed and not order.final:
                order.price, order.quantity, order.amending = request.price, total, None
                self._touch(order)
                self.listener.order_changed(order)
            else:
                self._look(order, SETTLE, "too late to amend")

    async def _cancel(self, order: OwnOrder) -> None:
        assert order.order_id is not None  # callers wait until it has one
        order.state, order.check_at = OrderState.CANCELLING, None
        self._touch(order)
        self.listener.order_changed(order)
        try:
            taken_off = await self.venues[order.venue].cancelOrder(order.order_id)
        except CancelledError:
            raise
        except (UnknownOrder, NotImplementedError) as error:
            self._look(order, 0.0, str(error))
        except RateLimited as error:
            self._look(order, error.retry_after, str(error))
        except ExchangeError as error:
            self._look(order, RETRY, str(error))
        except Exception as error:  # noqa: BLE001  a client's own fault
            self.listener.report(f"cancelling {order.order_id} on {order.venue} failed in an unexpected way", error)
            self._look(order, RETRY, repr(error))
        else:
            order.off_book = order.off_book or taken_off
            # Its last event is under way; if it never comes, the records tell the final quantity.
            self._look(order, SETTLE, order.note if taken_off else "too late to cancel")

    def _look(self, order: OwnOrder, delay: float, why: str) -> None:
        if not order.final:
            self._touch(order)
            order.note, order.check_at = why, self.seconds() + delay
            self.listener.order_changed(order)

    def _doubt(self, order: OwnOrder, why: str) -> None:
        if order.final or order.order_id is not None:
            return
        order.state, order.since_unknown, order.note = OrderState.UNKNOWN, self.seconds(), why
        order.check_at, order.misses = self.seconds(), 0
        self._touch(order)
        self.listener.order_changed(order)
        self._look_at_early(order.venue)

    # ---------------------------------------------------------------------------------------------------- accounting

    def claim(self, venue: str, record: Order) -> OwnOrder | None:
        """Find the order of ours, still without an id, that a record speaks of, and give it that id."""
        client_id = record.get("client_id")
        if client_id is not None:
            found = self._orders.get(client_id)
            candidates = [] if found is None or found.order_id is not None else [found]
        else:
            candidates = [] if self.is_past(venue, record) else self._lookalikes(venue, record)
        if not candidates:
            return None
        self._early.pop((venue, record["id"]), None)
        self._named(candidates[0], record["id"])
        return candidates[0]

    def _lookalikes(self, venue: str, record: Order) -> list[OwnOrder]:
        """Orders whose answer was lost and that a record without a client id may speak of; those in doubt first.

        None as long as an answer is outstanding that may be about this very order: the answer names it better.
        """
        fitting = [order for order in self._orders.values() if order.venue == venue and order.could_be(record)]
        if any(order.state is OrderState.SENDING and not order.slow for order in fitting):
            return []
        recent = [order for order in fitting if record["timestamp"] >= order.at - MARGIN]
        return [order for order in recent if order.nameless] or [order for order in recent if order.lost]

    def name_by_fill(self, order: OwnOrder, order_id: str) -> None:
        """The venue's records show a fill that can only be of this order."""
        self._named(order, order_id)

    def adopt(
        self,
        venue: str,
        fill: Fill,
        quantity: Decimal,
        average: Decimal,
        fees: Mapping[str, Decimal],
        purpose: Purpose,
    ) -> None:
        """Take in an order of an earlier run that left no entry, known by what it traded."""
        id = fill["order_id"]
        order = OwnOrder(
            f"{self.prefix}found-{venue}-{id}",
            venue,
            fill["contract"],
            Side(fill["side"]),
            purpose,
            quantity,
            average,
            fill["timestamp"],
            state=OrderState.OPEN,
            order_id=id,
            note="found in the venue's records",
        )
        self._orders[order.key] = self._live[order.key] = self._ids[venue, id] = order
        self.filled(order, quantity, average, fees)

    def take(self, order: OwnOrder, record: Order, *, read: bool = False) -> None:
        """Take what the venue says of an order of ours.

        :param read: the record was asked for.  Price and quantity, which an amendment changes back and forth, are believed
            from such a record only: an event may be older than what we know.
        """
        filled = reported_fill(record)
        if order.earlier and filled > order.filled and not is_priced(record):
            # Nobody waits for it as for a fill of now: the records of the venue tell what it cost, and no one has to guess.
            order.unpriced = max(order.unpriced, filled)
            order.check_at = self.seconds()
            self._touch(order)
            return
        self.filled(order, filled, record.get("average_price"), record.get("fees", {}))
        if order.final:
            return
        self._touch(order)
        if is_final(record):
            self.finish(order, OrderState.FINAL)
        elif read and (order.price, order.quantity) != (record["price"], record["quantity"]):
            order.price, order.quantity = record["price"], record["quantity"]
            self.listener.order_changed(order)

    def filled(self, order: OwnOrder, filled: Decimal, average: Decimal | None, fees: Mapping[str, Decimal]) -> None:
        """Take a cumulative quantity; one that is not larger than what is known says nothing."""
        if filled > order.filled and self._can_be(order, filled, fees):
            self._grown(order, order.grow(filled, None, average, fees), None)

    def _can_be(self, order: OwnOrder, filled: Decimal, fees: Mapping[str, Decimal]) -> bool:
        """Whether a cumulative quantity with its fees may be believed; what is hedged by it is real money."""
        what = "" if order.may_have_filled(filled) else f"is filled by {filled}"
        if not what and not order.may_have_cost(filled, fees):
            what = f"was charged {', '.join(f'{fee} {asset}' for asset, fee in fees.items())} for {filled}"
        if what and not order.absurd:
            order.absurd = True
            self.listener.order_absurd(order, what)
        return not what

    def told(self, order: OwnOrder, quantity: Decimal, average: Decimal, fees: Mapping[str, Decimal]) -> None:
        """Take the sums of an order's fills in the venue's records; what was expected of price and fee is corrected."""
        self.filled(order, quantity, average, fees)
        owed = quantity == order.filled and (order.guessed or order.expected)
        if owed and fees and self._can_be(order, quantity, fees):
            correction = order.cost(average, fees)
            if correction is not None:
                self.listener.order_filled(order, correction, None)

    def looked_up(self, order: OwnOrder, sums: Mapping[str, tuple[Decimal, Decimal, Mapping[str, Decimal]]]) -> None:
        """Take what the venue's records tell of an order's fills, *sums* by order id; what they leave out is assumed."""
        if order.order_id is not None and order.order_id in sums:
            self.filled(order, *sums[order.order_id])
        order.earlier = False
        self.filled(order, order.unpriced, None, {})

    def finish(self, order: OwnOrder, state: OrderState, note: str = "") -> None:
        """Nothing more can happen to the order."""
        order.state, order.check_at, order.off_book = state, None, True
        order.note = note or order.note
        self._touch(order)
        self._live.pop(order.key, None)
        self.listener.order_changed(order)
        self._trim()
        self._look_at_early(order.venue)

    def _grown(self, order: OwnOrder, growth: Growth, trade_id: str | None) -> None:
        self._touch(order)
        if order.final:
            self.listener.report(
                f"{order.venue} reports a fill of {growth.quantity} on {order.order_id}, which was final"
            )
        self.listener.order_filled(order, growth, trade_id)
        if not order.final and order.filled >= max(order.quantity, order.amending or order.quantity):
            self.finish(order, OrderState.FINAL)

    def _touch(self, order: OwnOrder) -> None:
        self.sequence += 1
        order.touched = self.sequence

    def _trim(self) -> None:
        surplus = len(self._orders) - KEPT
        if surplus <= 0:
            return
        for key in list(islice((key for key, order in self._orders.items() if order.final), surplus)):
            order = self._orders.pop(key)
            if order.order_id is not None and self._ids.get((order.venue, order.order_id)) is order:
                del self._ids[order.venue, order.order_id]
                self._past[order.venue, order.order_id] = order.at
        for old in list(islice(self._past, max(0, len(self._past) - PAST))):
            del self._past[old]

    def _ended(self, result: Any, running: Deferred[None]) -> None:
        self._running.discard(running)
        error = getattr(result, "value", None)
        if isinstance(error, BaseException) and not isinstance(error, CancelledError):
            self.listener.report("an order's errand failed in an unexpected way", error)


def _late_at(order: OwnOrder) -> float | None:
    """When the answer to an order that is on its way will be late; None for others."""
    return order.sent + SLOW if order.state is OrderState.SENDING and not order.slow else None
