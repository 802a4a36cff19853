"""What Infinity's WebSocket tells: frames, and what the events of its four channels carry.  Pure.

The venue's names have one letter; here they have words.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import field

from clients.infinity_private_records import MyOrder
from clients.infinity_records import Book, BookLevel
from clients.infinity_terms import OrderSide, Quantity, Rate

__all__ = ["BookEvent", "Frame", "TradeEvent", "UserOrderEvent", "UserTradeEvent", "read_frame"]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the WebSocket: an event has `e`, anything else is a reply."""

    e: str = ""
    sent_at: int | None = field(name="E", default=None)
    instrument: str = field(name="s", default="")
    instrument_first: str = field(name="I", default="")
    market: int | None = field(name="m", default=None)
    payload: msgspec.Raw = field(name="P", default=msgspec.Raw(b"null"))
    id: int | None = None
    success: bool | None = None
    error_code: int | None = field(name="errorCode", default=None)
    error_msg_key: str | None = field(name="errorMsgKey", default=None)
    data: Any = None

    @property
    def instrument_id(self) -> str:
        """Which instrument an event is about."""
        return self.instrument_first or self.instrument


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what events carry."""


class LevelEvent(Event, frozen=True, kw_only=True):
    """What rests at one rate."""

    rate: Rate = field(name="p")
    quantity: Quantity = field(name="q")


class BookEvent(Event, frozen=True, kw_only=True):
    """The whole visible book."""

    asks: tuple[LevelEvent, ...] = field(name="a", default=())
    bids: tuple[LevelEvent, ...] = field(name="b", default=())

    def book(self) -> Book:
        """As a book, best first."""
        sides = [
            tuple(BookLevel(rate=one.rate, quantity=one.quantity) for one in side) for side in (self.bids, self.asks)
        ]
        return Book(bids=sides[0], asks=sides[1]).best_first()


class TradeEvent(Event, frozen=True, kw_only=True):
    """A trade of the market."""

    rate: Rate = field(name="p")
    quantity: Quantity = field(name="q")
    date: int = field(name="d")
    side: bool = field(name="s")


class UserOrderEvent(Event, frozen=True, kw_only=True):
    """An own order, complete."""

    instrument_id: str = field(name="I", default="")
    market_id: int | None = field(name="m", default=None)
    rate: Rate | None = field(name="p", default=None)
    quantity: Quantity = field(name="q")
    filled: Quantity = field(name="a", default=Quantity(0))
    created: int | None = field(name="d", default=None)
    updated: int | None = field(name="u", default=None)
    account_id: int | None = field(name="w", default=None)
    side: bool = field(name="s")
    client_order_id: str | None = field(name="i", default=None)
    order_id: int = field(name="o")
    order_type: int | None = field(name="O", default=None)
    category: int | None = field(name="M", default=None)
    status: int = field(name="S")

    def row(self, instrument: str) -> MyOrder:
        """As the row of a list."""
        return MyOrder(
            order_id=self.order_id,
            instrument_id=self.instrument_id or instrument,
            side=self.side,
            quantity=self.quantity,
            status=self.status,
            fulfilled=self.filled,
            market_id=self.market_id,
            account_id=self.account_id,
            order_type=self.order_type,
            rate=self.rate,
            client_order_id=self.client_order_id,
            order_date=self.created,
            update_date=self.updated,
        )


class UserTradeEvent(Event, frozen=True, kw_only=True):
    """An own fill."""

    instrument_id: str = field(name="I", default="")
    rate: Rate = field(name="p")
    quantity: Quantity = field(name="q")
    date: int = field(name="d")
    trade_id: int = field(name="t")
    account_id: int | None = field(name="w", default=None)
    side: bool = field(name="s")
    order_id: int = field(name="o")

    @property
    def way(self) -> OrderSide:
        """Own side."""
        return OrderSide.of_flag(self.side)


_frame = msgspec.json.Decoder(Frame, float_hook=Decimal)


def read_frame(payload: bytes) -> Frame:
    """A message of the WebSocket; `ValueError` when it is none."""
    try:
        return _frame.decode(payload)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
