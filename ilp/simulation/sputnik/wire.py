"""The core's records as the objects of a Sputnik exchange's JSON.  Prices and quantities are wire integers already."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from ilp.simulation.core import micros
from ilp.simulation.records import Bar, BookSnapshot, Fill, Order, Posting, Rows, Trade

__all__ = [
    "bar_document",
    "book_document",
    "fill_document",
    "history_document",
    "order_document",
    "position_document",
    "posting_document",
    "trade_document",
]


def _rows(rows: Rows, shuffler: random.Random) -> list[dict[str, int]]:
    listed = [{"price": price, "quantity": quantity} for price, quantity in rows]
    shuffler.shuffle(listed)
    return listed


def book_document(book: BookSnapshot, shuffler: random.Random) -> dict[str, Any]:
    """The whole book; rows come in arbitrary order, as from the original's dictionaries."""
    return {
        "contract": book.contract,
        "bids": _rows(book.bids, shuffler),
        "asks": _rows(book.asks, shuffler),
    }


def trade_document(trade: Trade) -> dict[str, Any]:
    """A public trade."""
    return {
        "contract": trade.contract,
        "price": trade.price,
        "quantity": trade.quantity,
        "timestamp": micros(trade.timestamp),
        "id": trade.id,
    }


def bar_document(bar: Bar) -> dict[str, Any]:
    """A bar of any period."""
    return {
        "contract": bar.contract,
        "period": bar.period,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "vwap": bar.vwap,
        "open_timestamp": micros(bar.open_timestamp),
        "close_timestamp": micros(bar.close_timestamp),
    }


def order_document(order: Order) -> dict[str, Any]:
    """An order's full state."""
    return {
        "id": order.id,
        "contract": order.contract,
        "side": order.side.value,
        "price": order.price,
        "quantity": order.quantity,
        "quantity_left": order.quantity_left,
        "is_cancelled": order.is_cancelled,
        "timestamp": micros(order.timestamp),
    }


def fill_document(fill: Fill) -> dict[str, Any]:
    """One match of an own order; its `id` is the order's."""
    return {
        "contract": fill.contract,
        "id": fill.order_id,
        "side": fill.side.value,
        "price": fill.price,
        "quantity": fill.quantity,
        "timestamp": micros(fill.timestamp),
        "fees": {fill.fee_currency: fill.fee},
    }


def posting_document(posting: Posting) -> dict[str, Any]:
    """A ledger line as the feed tells it: as booked, without the balance."""
    return {
        "contract": posting.contract,
        "type": posting.type.value,
        "direction": posting.direction.value,
        "quantity": posting.quantity,
        "note": posting.note,
        "timestamp": micros(posting.created),
    }


def history_document(posting: Posting) -> dict[str, Any]:
    """A ledger line as the history tells it: direction by the sign of what really moved, with the balance after it."""
    return {
        "contract": posting.contract,
        "type": posting.type.value,
        "direction": "credit" if posting.signed >= 0 else "debit",
        "quantity": abs(posting.quantity),
        "note": posting.note,
        "timestamp": micros(posting.booked),
        "balance": posting.balance,
    }


def position_document(ticker: str, position: int, reference: int | None) -> Mapping[str, Any]:
    """A holding; only futures that were traded have a reference price."""
    return {"contract": ticker, "position": position, "reference_price": reference}
