"""Order entry of the simulated BitMEX: what is asked of an order is checked, translated for the core, and told as tables.

Owns the venue's rules and words about orders; tells rows of `order` and `execution`, and nothing of who hears them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from attrs import define, field

from clients.exchange import Side
from ilp.simulation.bitmex.auth import Key
from ilp.simulation.bitmex.errors import ApiError, from_core
from ilp.simulation.bitmex.listings import ASSETS, Listing
from ilp.simulation.bitmex.margin import MarginCore
from ilp.simulation.bitmex.orders import NOBODY, Desk, Guids, WireOrder, stamp
from ilp.simulation.bitmex.query import Parameters
from ilp.simulation.records import Change, Event, Fill, Filled, Order, OrderAccepted, OrderChanged, Traded
from ilp.simulation.rejections import InsufficientFunds, Rejection, WouldCross

__all__ = ["Entry"]

Row = dict[str, Any]
Tell = Callable[[str, str, Row, str], None]
"""Takes table, action, row and account."""

DEFAULT_WORDS = "Submitted via API."
_MOST_OPEN = 200
_MOST_STOPS = 10
_LONGEST_ID = 36
_USED_FOR = timedelta(hours=24)  # so long an identifier may not be used again
_STOPS = ("Stop", "StopLimit", "MarketIfTouched", "LimitIfTouched")
_MARKETS = ("Market", "Stop", "MarketIfTouched")
_TYPES = ("Limit", *_STOPS, "Market")
_LIFETIMES = ("GoodTillCancel", "Day", "ImmediateOrCancel", "FillOrKill")
_HISTORY = 20_000
_TINY = Decimal("1e-9")


@define(eq=False)
class Entry:
    """Places, changes and cancels.

    :ivar tell: takes what the private tables show.
    :ivar old_words: the texts of cancels as they were until 2022.
    """

    core: MarginCore
    desk: Desk
    listings: Mapping[str, Listing]
    guids: Guids
    tell: Tell
    old_words: bool = True
    executions: dict[str, deque[Row]] = field(factory=lambda: defaultdict(lambda: deque(maxlen=_HISTORY)))
    _after_fill: dict[int, Order] = field(factory=dict)
    _trades: dict[int, str] = field(factory=dict)
    _shown: dict[str, Row] = field(factory=dict)
    _stops: dict[str, WireOrder] = field(factory=dict)

    # ------------------------------------------------------------------------------------------------ placing

    def place(self, key: Key, asked: Parameters) -> WireOrder:
        """`POST /order`."""
        order = self._read(key, asked)
        if order.stop is not None:
            return self._wait_for_trigger(order)
        return self._submit(order)

    def check(self, key: Key, asked: Parameters) -> None:
        """Raise what placing it would be refused with because of its parameters."""
        self._read(key, asked)

    def _read(self, key: Key, asked: Parameters) -> WireOrder:
        if not asked.text("symbol"):
            raise ApiError(400, "'symbol' is a required arg.")
        listing = self.listings.get(asked.text("symbol").upper())
        if listing is None:
            raise ApiError(400, "Invalid symbol")
        stop = self._price(listing, asked, "stopPx", "Invalid stopPx for ordType")
        price = self._price(listing, asked, "price", "Invalid price")
        type_ = asked.text("ordType") or _default_type(price, stop)
        if type_ not in _TYPES:
            raise ApiError(400, "Invalid ordType")
        if (type_ in _STOPS) != (stop is not None):
            raise ApiError(400, "Invalid stopPx for ordType")
        if price is None and type_ not in _MARKETS:
            raise ApiError(400, "Invalid price")
        side, quantity = self._quantity(key, listing, asked)
        lifetime = asked.text("timeInForce") or ("ImmediateOrCancel" if type_ == "Market" else "GoodTillCancel")
        if lifetime not in _LIFETIMES:
            raise ApiError(400, "Invalid timeInForce")
        now, words = self.core.now(), asked.text("text") or DEFAULT_WORDS
        return WireOrder(
            self.guids.order(), key.account, key.number, listing, side, quantity,
            None if type_ in _MARKETS else price, type_, lifetime, asked.text("execInst"),
            self._client_id(key.account, asked.text("clOrdID")), asked.text("clOrdLinkID"), words, stop, now, now,
            displayed=None if asked.number("displayQty") is None else asked.whole("displayQty"),
            left=quantity, text=words,
        )  # fmt: skip

    def _price(self, listing: Listing, asked: Parameters, name: str, refusal: str) -> int | None:
        number = asked.number(name)
        if number is None:
            return None
        if number <= 0:
            raise ApiError(400, refusal)
        # Some send binary floats with their noise: what is a hair off the tick is on it.
        wire = listing.wire(number) or listing.wire(number.quantize(_TINY).normalize())
        if wire is None:
            raise ApiError(400, f"{refusal.split(' for ')[0]} tickSize")
        return wire

    def _quantity(self, key: Key, listing: Listing, asked: Parameters) -> tuple[Side, int]:
        side = asked.text("side").capitalize() or "Buy"
        if side not in ("Buy", "Sell"):
            raise ApiError(400, "Invalid side")
        number = asked.number("orderQty")
        if number is None:
            if "Close" not in asked.text("execInst"):
                raise ApiError(400, "orderQty is required")
            open_ = self.core.positions.place(key.account, listing.symbol).quantity
            return (Side.SELL if open_ > 0 else Side.BUY), abs(open_)
        if number != number.to_integral_value() or not number or int(number) % listing.pair.lot:
            raise ApiError(400, "orderQty is invalid")
        if abs(number) > listing.most:
            raise ApiError(400, "orderQty is invalid")
        return (Side.SELL if number < 0 or side == "Sell" else Side.BUY), abs(int(number))

    def _client_id(self, account: str, client_id: str) -> str:
        if len(client_id) > _LONGEST_ID:
            raise ApiError(400, "clOrdID is too long", "ValidationError")
        used = self.desk.find(account, client_id=client_id) if client_id else None
        if used is not None and (used.ended is None or self.core.now() - used.ended < _USED_FOR):
            raise ApiError(400, "Duplicate clOrdID")
        return client_id

    def _wait_for_trigger(self, order: WireOrder) -> WireOrder:
        waiting = [o for o in self.desk.live(order.account) if o.stop is not None and not o.triggered]
        if sum(1 for o in waiting if o.listing is order.listing) >= _MOST_STOPS:
            raise ApiError(400, "Too many open orders")
        self._stops[order.id] = self.desk.add(order)
        self._show(order)
        self._execution(order, "New")
        return order

    def _submit(self, order: WireOrder) -> WireOrder:
        open_ = [o for o in self.desk.live(order.account) if o.listing is order.listing]
        if len(open_) >= _MOST_OPEN and order.id not in self.desk.orders:
            raise ApiError(400, "Too many open orders")
        if order.reduces and not self._reduce(order):
            return order
        limit = self._limit(order)
        if limit is None:
            return self._refuse(order, _remainder(order))
        if order.lifetime == "FillOrKill" and self._takeable(order, limit) < order.quantity:
            return self._refuse(order, _remainder(order))
        return self._to_core(order, limit)

    def _to_core(self, order: WireOrder, limit: int) -> WireOrder:
        known = order.id in self.desk.orders
        self.desk.add(order)
        try:
            self.core.place(
                order.account, order.listing.symbol, order.side, limit, order.left,
                post_only=order.post_only, client_id=order.id,
                immediate=order.lifetime in ("ImmediateOrCancel", "FillOrKill") or order.price is None,
            )  # fmt: skip
        except WouldCross:
            return self._refuse(order, "Canceled: Order had execInst of ParticipateDoNotInitiate")
        except Rejection as refusal:
            if known:  # a stop that was triggered: nobody waits for an answer
                return self._refuse(order, "Canceled: Account has insufficient Available Balance")
            self.desk.forget(order)
            raise self._refusal(order, limit, refusal) from None
        return order

    def _refusal(self, order: WireOrder, limit: int, refusal: Rejection) -> ApiError:
        needed, currency = 0, order.listing.settles
        if isinstance(refusal, InsufficientFunds):
            pair, owner = order.listing.pair, self.core.accounts[order.account]
            at = order.placed
            probe = Order(0, order.account, pair.ticker, order.side, limit, order.quantity, order.quantity, at)
            needs = [need for need in self.core.rules.hold(pair, owner, probe) if need[1] > 0]
            currency, needed = needs[0] if needs else (currency, 0)
        return from_core(refusal, needed, ASSETS[currency].currency if currency in ASSETS else currency)

    def _reduce(self, order: WireOrder) -> bool:
        open_ = self.core.positions.place(order.account, order.listing.symbol).quantity
        closes = max(0, -open_ if order.side is Side.BUY else open_)
        if not closes:
            words = f"Canceled: Order had execInst of Close or ReduceOnly but current position is {open_}"
            self._refuse(order, words)
            return False
        order.quantity = order.left = min(order.quantity, closes)
        return True

    def _limit(self, order: WireOrder) -> int | None:
        """The price on the core: the order's own, or the worst that a market order can meet; None when nothing rests."""
        if order.price is not None:
            return order.price
        book = self.core.book(order.listing.symbol)
        rows, left = (book.asks if order.side is Side.BUY else book.bids), order.left
        worst: int | None = None
        for price, quantity in rows:
            worst, left = price, left - quantity
            if left <= 0:
                break
        return worst

    def _takeable(self, order: WireOrder, limit: int) -> int:
        book = self.core.book(order.listing.symbol)
        if order.side is Side.BUY:
            return sum(quantity for price, quantity in book.asks if price <= limit)
        return sum(quantity for price, quantity in book.bids if price >= limit)

    def _refuse(self, order: WireOrder, why: str) -> WireOrder:
        """Not an error to this venue: an order that is cancelled as soon as it comes."""
        if order.id not in self.desk.orders:
            self.desk.add(order)
        self._execution(order, "New")
        order.text = f"{why}\n{order.words}"
        self._end(order)
        return order

    def _end(self, order: WireOrder) -> None:
        order.status, order.working, order.left = "Canceled", False, 0
        order.changed = order.ended = self.core.now()
        self._show(order)
        self._execution(order, "Canceled")

    # ------------------------------------------------------------------------------------------------ cancelling

    def cancel(self, key: Key, asked: Parameters) -> list[Row]:
        """`DELETE /order`: one row for each that was asked for, an `error` in those that could not be cancelled."""
        ids, names = asked.names("orderID"), asked.names("clOrdID")
        if not ids and not names:
            raise ApiError(400, "orderID or clOrdID must be sent.", "ValidationError")
        found = [self.desk.find(key.account, order_id=id) for id in ids]
        found += [self.desk.find(key.account, client_id=name) for name in names]
        orders = [order for order in found if order is not None]
        if not orders:
            raise ApiError(404, "Not Found")
        return [self._cancel(order, asked.text("text")) for order in orders]

    def cancel_all(self, account: str, asked: Parameters, words: str = "") -> list[Row]:
        """`DELETE /order/all`."""
        wanted, symbol = asked.json("filter"), asked.text("symbol").upper()
        side = wanted.get("side") if isinstance(wanted, dict) else None
        orders = [o for o in self.desk.live(account) if symbol in ("", o.listing.symbol)]
        chosen = [o for o in orders if side in (None, "Buy" if o.side is Side.BUY else "Sell")]
        return [self._cancel(order, words or asked.text("text")) for order in chosen]

    def _cancel(self, order: WireOrder, words: str) -> Row:
        if order.final:
            return {**order.row(), "error": f"Unable to cancel order due to existing state: {order.status}"}
        why = words or "Canceled via API."
        order.text = f"Canceled: {why}\n{order.words}" if self.old_words else f"Canceled\n{why}"
        if order.core_id is None:
            self._end(order)
        else:
            self.core.cancel(order.account, order.core_id)
        return order.row()

    # ------------------------------------------------------------------------------------------------ amending

    def amend(self, key: Key, asked: Parameters) -> WireOrder:
        """`PUT /order`."""
        order = self._amended(key, asked)
        if order.final:
            raise ApiError(400, "Invalid ordStatus")
        price = self._price(order.listing, asked, "price", "Invalid price")
        stop = self._price(order.listing, asked, "stopPx", "Invalid stopPx for ordType")
        total = self._new_total(order, asked)
        if asked.text("clOrdID") and asked.text("origClOrdID"):
            self.desk.rename(order, self._client_id(key.account, asked.text("clOrdID")))
        names = [n for n in ("orderQty", "leavesQty", "price", "stopPx", "text") if n in asked]
        order.words = asked.text("text") or order.words
        why = asked.text("text") or "Amended via API."
        head = f"Amended {' '.join(n for n in names if n != 'text')}"
        order.text = f"{head}: {why}\n{order.words}" if self.old_words else f"{head}\n{order.words}"
        if order.core_id is None:
            order.price, order.stop, order.quantity = price or order.price, stop or order.stop, total or order.quantity
            order.left, order.changed = order.quantity, self.core.now()
            self._show(order)
            self._execution(order, "Replaced")
            return order
        try:
            self.core.amend(order.account, order.core_id, quantity=total, price=price)
        except WouldCross:
            order.text = f"Canceled: Order had execInst of ParticipateDoNotInitiate\n{order.words}"
            self.core.cancel(order.account, order.core_id)
        except Rejection as refusal:
            raise self._refusal(order, price or order.price or 0, refusal) from None
        return order

    def _amended(self, key: Key, asked: Parameters) -> WireOrder:
        if asked.text("orderID"):
            order, refusal = self.desk.find(key.account, order_id=asked.text("orderID")), "Invalid orderID"
        else:
            order, refusal = self.desk.find(key.account, client_id=asked.text("origClOrdID")), "Invalid origClOrdID"
        if order is None:
            raise ApiError(400, refusal)
        return order

    def _new_total(self, order: WireOrder, asked: Parameters) -> int | None:
        total, left = asked.number("orderQty"), asked.number("leavesQty")
        if total is not None and left is not None:
            raise ApiError(400, "Only one of orderQty and leavesQty may be sent.", "ValidationError")
        if left is not None:
            total = left + order.filled
        if total is None:
            return None
        if total != total.to_integral_value() or int(total) % order.listing.pair.lot or total <= order.filled:
            raise ApiError(400, "orderQty is invalid" if left is None else "Invalid leavesQty")
        return int(total)

    # ------------------------------------------------------------------------------------------------ core events

    def handle(self, event: Event) -> None:
        """What the core did with orders."""
        match event:
            case OrderAccepted(order):
                wire = self.desk.of_core(order)
                if wire is not None and not wire.triggered:
                    self._show(wire)
                    self._execution(wire, "New")
            case OrderChanged(order, Change.FILLED):
                self._after_fill[order.id] = order
            case OrderChanged(order, change):
                wire = self.desk.of_core(order)
                if wire is not None:
                    self._changed(wire, order, change)
            case Filled(fill):
                self._filled(fill)
            case Traded(trade):
                self._trigger(trade.contract, trade.price)

    def _changed(self, wire: WireOrder, order: Order, change: Change) -> None:
        wire.changed = self.core.now()
        if change is Change.PLACED:
            wire.working = True
            self._show(wire)
        elif change is Change.AMENDED:
            wire.price, wire.quantity, wire.left, wire.working = order.price, order.quantity, order.quantity_left, True
            self._show(wire)
            self._execution(wire, "Replaced")
        elif not wire.final:
            if order.immediate:
                wire.text = f"{_remainder(wire)}\n{wire.words}"
            elif not wire.text.startswith("Canceled"):
                wire.text = f"Canceled: Canceled by the venue.\n{wire.words}"
            self._end(wire)

    def _filled(self, fill: Fill) -> None:
        after = self._after_fill.pop(fill.order_id, None)
        listing = self.listings[fill.contract]
        signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
        cost = listing.pair.cash(signed, fill.price)
        if not listing.is_spot:
            place = self.core.positions.place(fill.account, fill.contract)
            place.fill(signed, cost, fill.fee, fill.price, inverse=listing.is_inverse)
        wire = None if after is None else self.desk.of_core(after)
        if wire is None or after is None:
            return
        wire.changed = self.core.now()
        wire.fill(fill.quantity, fill.price, after.quantity_left)
        if wire.final:
            wire.ended = wire.changed
        self._execution(wire, "Trade", self._fill_columns(wire, fill, signed, cost))
        self._show(wire)

    def trade_id(self, number: int) -> str:
        """The match id of a trade of the core, the same for both sides and the public."""
        if number not in self._trades:
            self._trades[number] = self.guids.next(0x6D)
            if len(self._trades) > _HISTORY:
                del self._trades[next(iter(self._trades))]
        return self._trades[number]

    def _fill_columns(self, wire: WireOrder, fill: Fill, signed: int, cost: int) -> Row:
        listing = wire.listing
        home = listing.home(signed, fill.price)
        foreign = listing.foreign(signed, fill.price)
        rate = listing.taker if fill.aggressive else listing.maker
        return {
            "lastQty": fill.quantity,
            "lastPx": listing.price(fill.price),
            "lastLiquidityInd": "RemovedLiquidity" if fill.aggressive else "AddedLiquidity",
            "lastMkt": "XBME",
            "tradePublishIndicator": "PublishTrade" if fill.aggressive else "DoNotPublishTrade",
            "commission": float(rate),
            "feeType": "Taker" if fill.aggressive else "Maker",
            "trdMatchID": self.trade_id(fill.trade_id),
            "execCost": cost,
            "execComm": fill.fee,
            "execCommCcy": ASSETS[fill.fee_currency].currency,
            "homeNotional": float(home),
            "foreignNotional": float(-foreign if listing.is_inverse else foreign),
            "transactTime": stamp(fill.timestamp),
        }

    def _trigger(self, symbol: str, price: int) -> None:
        for order in [order for order in self._stops.values() if order.listing.symbol == symbol]:
            if order.final or order.stop is None:
                del self._stops[order.id]
                continue
            rises = (order.side is Side.BUY) == (order.type in ("Stop", "StopLimit"))
            if price >= order.stop if rises else price <= order.stop:
                del self._stops[order.id]
                order.triggered, order.changed = "StopOrderTriggered", self.core.now()
                self._show(order)
                self._execution(order, "TriggeredOrActivatedBySystem")
                self._submit(order)

    # ------------------------------------------------------------------------------------------------ telling

    def _show(self, order: WireOrder) -> None:
        row, before = order.row(), self._shown.get(order.id)
        if before is None:
            self.tell("order", "insert", row, order.account)
        else:
            keys = ("orderID", "clOrdID", "account", "symbol", "timestamp")
            changed = {name: value for name, value in row.items() if name in keys or value != before[name]}
            self.tell("order", "update", changed, order.account)
        if order.final:
            self._shown.pop(order.id, None)
        else:
            self._shown[order.id] = row

    def _execution(self, order: WireOrder, kind: str, more: Row | None = None) -> None:
        row = {
            "execID": self.guids.next(0x6E),
            **order.row(),
            "execType": kind,
            "lastQty": None,
            "lastPx": None,
            "underlyingLastPx": None,
            "lastMkt": "",
            "lastLiquidityInd": "",
            "commission": None,
            "feeType": "",
            "tradePublishIndicator": "",
            "trdMatchID": NOBODY,
            "execCost": None,
            "execComm": None,
            "homeNotional": None,
            "foreignNotional": None,
            **(more or {}),
        }
        if kind == "New":
            row["workingIndicator"] = True
        self.executions[order.account].append(row)
        self.tell("execution", "insert", row, order.account)


def _default_type(price: int | None, stop: int | None) -> str:
    if stop is not None:
        return "Stop" if price is None else "StopLimit"
    return "Market" if price is None else "Limit"


def _remainder(order: WireOrder) -> str:
    return f"Canceled: Order had timeInForce of {order.lifetime}"
