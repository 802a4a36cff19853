"""ccxt's structures as records of the uniform interface.  Pure.

ccxt tells numbers as floats made of the venue's text: their shortest text is that text again, up to 15 digits, and so they
become exact Decimals.  Keys that are None are unknown to ccxt or not told by the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from clients.exchange import (
    OHLCV,
    Book,
    BookRow,
    Fill,
    Market,
    Order,
    Period,
    Position,
    Side,
    Trade,
    Transaction,
    Transfer,
)

__all__ = [
    "LENGTHS",
    "TIMEFRAMES",
    "bar_of",
    "book_of",
    "decimal_of",
    "fill_of",
    "market_of",
    "millis",
    "order_of",
    "positions_of",
    "step_of",
    "time_of",
    "trade_of",
    "transaction_of",
    "transfer_of",
]

Row = Mapping[str, Any]

LENGTHS: Mapping[Period, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
TIMEFRAMES: Mapping[Period, str] = {"minute": "1m", "hour": "1h", "day": "1d"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CANCELLED = frozenset({"canceled", "cancelled", "expired", "rejected"})
_DECIMAL_PLACES = 2
_SIGNIFICANT_DIGITS = 3
_ZERO = Decimal(0)


def decimal_of(value: Any) -> Decimal:
    """A number of ccxt, exactly; 0 for None."""
    return _ZERO if value is None else Decimal(str(value))


def millis(at: datetime) -> int:
    """Milliseconds since 1970; `ValueError` for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; an aware time is wanted")
    return int((at - _EPOCH) // timedelta(milliseconds=1))


def time_of(stamp: Any) -> datetime:
    """An aware time out of milliseconds; the epoch where ccxt knows none."""
    return _EPOCH + timedelta(milliseconds=int(stamp or 0))


def step_of(precision: Any, mode: int) -> Decimal:
    """The step that a precision of ccxt means; 8 decimals where it is not told.

    :param mode: ccxt's `precisionMode`: decimal places (2), significant digits (3) or a tick (4).
    """
    if precision is None or mode == _SIGNIFICANT_DIGITS:
        return Decimal(1).scaleb(-8)
    return Decimal(1).scaleb(-int(precision)) if mode == _DECIMAL_PLACES else Decimal(str(precision))


def market_of(row: Row, mode: int, unit: Decimal = Decimal(1)) -> Market:
    """A spot market; *unit* is what its lots are told in."""
    precision, limits = row.get("precision") or {}, row.get("limits") or {}
    lot = step_of(precision.get("amount"), mode) * unit
    return Market(
        contract=str(row["symbol"]),
        kind="pair",
        base=str(row["base"]),
        quote=str(row["quote"]),
        tick_size=step_of(precision.get("price"), mode),
        lot_size=lot,
        min_quantity=max(lot, decimal_of((limits.get("amount") or {}).get("min")) * unit),
        min_notional=decimal_of((limits.get("cost") or {}).get("min")),
    )


def book_of(ticker: str, row: Row, depth: int) -> Book:
    """An order book, best first."""

    def side(rows: Any) -> list[BookRow]:
        return [
            BookRow(price=decimal_of(level[0]), quantity=decimal_of(level[1])) for level in rows[:depth] if level[1]
        ]

    return Book(contract=ticker, bids=side(row["bids"]), asks=side(row["asks"]))


def _fees(row: Row) -> dict[str, Decimal]:
    listed = row.get("fees") or ([row["fee"]] if row.get("fee") else [])
    found: dict[str, Decimal] = {}
    for fee in listed:
        amount, code = decimal_of(fee.get("cost")), fee.get("currency")
        if code and amount:
            found[str(code)] = found.get(str(code), _ZERO) + amount
    return found


def order_of(row: Row, cost: str = "") -> Order:
    """An order; ccxt leaves out what the exchange did not tell in this answer.

    :param cost: the exchange's own key of what was paid so far, where ccxt reckons it from a rounded average.
    """
    paid = (row.get("info") or {}).get(cost) or row.get("cost")
    quantity, filled = decimal_of(row.get("amount")), decimal_of(row.get("filled"))
    status = str(row.get("status") or "open")
    done = status in ("closed", *_CANCELLED)
    average = row.get("average")
    if filled and paid:
        average = decimal_of(paid) / filled  # some exchanges round the average to the tick
    order = Order(
        id=str(row["id"]),
        contract=str(row.get("symbol") or ""),
        price=decimal_of(row.get("price")),
        quantity=quantity,
        quantity_left=_ZERO if status == "closed" else max(_ZERO, quantity - filled),
        side=Side(str(row.get("side") or "buy").upper()),
        timestamp=time_of(row.get("timestamp")),
        is_cancelled=status in _CANCELLED and (not quantity or filled < quantity),
        quantity_filled=quantity if status == "closed" and row.get("filled") is None else filled,
        final=done or (quantity > 0 and filled >= quantity),
        client_id=row.get("clientOrderId") or None,
    )
    # Of a filled order these may be unknown, and then they are left out.
    if average is not None or not filled:
        order["average_price"] = decimal_of(average) if filled else None
    fees = _fees(row)
    if fees or not filled:
        order["fees"] = fees
    return order


def fill_of(row: Row, price: str = "") -> Fill:
    """An own trade; *price* names the exchange's own key of its price, where ccxt takes another."""
    told = (row.get("info") or {}).get(price)
    return Fill(
        id=None if row.get("id") is None else str(row["id"]),
        order_id=str(row.get("order") or ""),
        contract=str(row["symbol"]),
        side=Side(str(row["side"]).upper()),
        price=decimal_of(row["price"] if told is None else told),
        quantity=decimal_of(row["amount"]),
        fees=_fees(row),
        timestamp=time_of(row.get("timestamp")),
    )


def trade_of(row: Row) -> Trade:
    """A trade of the market."""
    return Trade(
        contract=str(row["symbol"]),
        price=decimal_of(row["price"]),
        quantity=decimal_of(row["amount"]),
        timestamp=time_of(row.get("timestamp")),
    )


def positions_of(balances: Row) -> dict[str, Position]:
    """What `fetchBalance` and `watchBalance` tell."""
    found: dict[str, Position] = {}
    for code, total in (balances.get("total") or {}).items():
        held = decimal_of(total)
        free = (balances.get("free") or {}).get(code)
        found[code] = Position(contract=code, position=held, available=held if free is None else decimal_of(free))
    return found


def bar_of(ticker: str, period: Period, row: Any) -> OHLCV:
    """A candle: time, open, high, low, close, volume; ccxt tells no mean price, the bar's typical price stands for it."""
    opened = time_of(row[0])
    first, high, low, close, volume = (decimal_of(value) for value in row[1:6])
    return OHLCV(
        contract=ticker,
        period=period,
        open=first,
        high=high,
        low=low,
        close=close,
        volume=volume,
        vwap=(high + low + close) / 3,
        open_timestamp=opened,
        close_timestamp=opened + LENGTHS[period] - _MICROSECOND,
    )


def transfer_of(row: Row, *, net: bool) -> Transfer:
    """A deposit or withdrawal; *net*: a withdrawal's amount is told without its fee."""
    direction: Literal["deposit", "withdrawal"] = "deposit" if row.get("type") == "deposit" else "withdrawal"
    amount = decimal_of(row.get("amount"))
    fee = decimal_of((row.get("fee") or {}).get("cost"))
    told: dict[str, Literal["pending", "done", "failed"]] = {"ok": "done", "canceled": "failed", "failed": "failed"}
    return Transfer(
        id=str(row.get("id") or row.get("txid")),
        direction=direction,
        ticker=str(row["currency"]),
        amount=amount + fee if net and direction == "withdrawal" else amount,
        fee=fee,
        address=row.get("address") or row.get("addressTo"),
        reference=row.get("txid"),
        status=told.get(str(row.get("status")), "pending"),
        timestamp=time_of(row.get("timestamp")),
    )


_TYPES = {"trade": "Trade", "fee": "Fee", "deposit": "Deposit", "withdrawal": "Withdrawal", "transfer": "Transfer"}


def transaction_of(row: Row) -> list[Transaction]:
    """A ledger entry, and its fee as a line of its own."""
    kind = str(row.get("type"))
    if kind == "transaction":  # what ccxt calls deposits and withdrawals
        kind = "deposit" if row.get("direction") == "in" else "withdrawal"
    fee = decimal_of((row.get("fee") or {}).get("cost"))
    after = None if row.get("after") is None else decimal_of(row["after"])
    note = " ".join(str(row[name]) for name in ("id", "referenceId") if row.get(name))
    rises = row.get("direction") == "in"
    lines = [_line(row, _TYPES.get(kind, "Adjustment"), decimal_of(row.get("amount")), rises, after, note)]
    return [*lines, _line(row, "Fee", fee, False, after, note)] if fee else lines


def _line(row: Row, kind: str, amount: Decimal, rises: bool, balance: Decimal | None, note: str) -> Transaction:
    return Transaction(
        contract=str(row["currency"]),
        timestamp=time_of(row.get("timestamp")),
        quantity=abs(amount),
        type=kind,
        direction="credit" if rises else "debit",
        balance=balance,
        note=note,
    )


def number(value: Decimal) -> float:
    """As ccxt takes it: up to 15 digits come through unchanged."""
    return float(value)
