"""BitMEX's wallet history and bars as the uniform interface tells them.  Pure: rows in, records out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from clients.bitmex_contracts import Asset, Contracts, Instrument, read_time
from clients.exchange import OHLCV, Period, Transaction, Transfer

__all__ = ["BINS", "LENGTHS", "bar_of", "first_bin_end", "transaction_rows", "transfer_rows"]

Row = Mapping[str, Any]

BINS: Mapping[Period, str] = {"minute": "1m", "hour": "1h", "day": "1d"}
LENGTHS: Mapping[Period, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_NOBODY = "00000000-0000-0000-0000-000000000000"
_EPOCH = read_time("1970-01-01T00:00:00.000Z")
_MICROSECOND = timedelta(microseconds=1)

_TYPES = {"Deposit": "Deposit", "Transfer": "Transfer", "SpotTrade": "Trade", "RealisedPNL": "Trade", "Funding": "Fee"}
_STATUS: Mapping[str, Literal["pending", "done", "failed"]] = {
    "Pending": "pending",
    "Confirmed": "pending",
    "Completed": "done",
    "Canceled": "failed",
}


def _is_real(row: Row) -> bool:
    """Not one of the rows that show what is not booked yet: unrealised profit, and the running day's realised one."""
    return row.get("transactID") != _NOBODY and row.get("transactType") != "UnrealisedPNL"


def _time(row: Row) -> datetime:
    return read_time(row.get("timestamp") or row["transactTime"])


def transaction_rows(contracts: Contracts, rows: Iterable[Row], start: datetime, end: datetime) -> list[Transaction]:
    """Ledger lines between *start* and *end*, oldest first; a withdrawal with a fee makes two."""
    lines: list[Transaction] = []
    booked = [row for row in rows if _is_real(row) and contracts.assets.get(str(row.get("currency")))]
    for row in sorted(booked, key=_time):
        if start <= _time(row) <= end:
            lines += _lines(contracts.assets[str(row["currency"])], row)
    return lines


def _lines(asset: Asset, row: Row) -> list[Transaction]:
    kind, amount = str(row.get("transactType")), asset.amount(int(row.get("amount") or 0))
    balance = None if row.get("walletBalance") is None else asset.amount(int(row["walletBalance"]))
    if kind == "Withdrawal":
        return [] if row.get("transactStatus") == "Canceled" else _withdrawal(asset, row, -amount, balance)
    type_ = _TYPES.get(kind, "Adjustment")
    if type_ == "Fee" and amount > 0:  # funding that was received
        type_ = "Adjustment"
    note = {"Deposit": row.get("tx"), "Adjustment": kind}.get(type_) or row.get("address") or ""
    if kind == "SpotTrade" and row.get("orderID"):
        note = f"{note} {row['orderID']}"
    return [_line(asset, row, type_, amount, balance, str(note))]


def _withdrawal(asset: Asset, row: Row, amount: Decimal, balance: Decimal | None) -> list[Transaction]:
    fee = asset.amount(int(row.get("fee") or 0))
    note = " ".join(str(row[name]) for name in ("address", "tx", "transactStatus") if row.get(name))
    before = None if balance is None else balance + fee
    lines = [_line(asset, row, "Withdrawal", fee - amount, before, note)]
    return [*lines, _line(asset, row, "Fee", -fee, balance, note)] if fee else lines


def _line(asset: Asset, row: Row, type_: str, amount: Decimal, balance: Decimal | None, note: str) -> Transaction:
    return Transaction(
        contract=asset.code,
        timestamp=_time(row),
        quantity=abs(amount),
        type=type_,
        direction="credit" if amount > 0 else "debit",
        balance=balance,
        note=note,
    )


def transfer_rows(contracts: Contracts, rows: Iterable[Row], start: datetime, end: datetime) -> list[Transfer]:
    """Deposits and withdrawals between *start* and *end*, oldest first."""
    found = []
    for row in rows:
        asset, kind = contracts.assets.get(str(row.get("currency"))), row.get("transactType")
        if asset is None or kind not in ("Deposit", "Withdrawal") or not start <= _time(row) <= end:
            continue
        found.append(
            Transfer(
                id=str(row["transactID"]),
                direction="deposit" if kind == "Deposit" else "withdrawal",
                ticker=asset.code,
                amount=abs(asset.amount(int(row["amount"]))),
                fee=asset.amount(int(row.get("fee") or 0)),
                address=row.get("address") or None,
                reference=row.get("tx") or None,
                status=_STATUS.get(str(row.get("transactStatus")), "pending"),
                timestamp=_time(row),
            )
        )
    return sorted(found, key=lambda transfer: transfer["timestamp"])


def first_bin_end(period: Period, at: datetime) -> datetime:
    """When the bar that *at* belongs to ends: the venue's rows bear the end."""
    length = LENGTHS[period]
    return at - (at - _EPOCH) % length + length


def bar_of(instrument: Instrument, period: Period, row: Row) -> OHLCV | None:
    """A bar; None for one without trades.

    The venue's `open` is the close of the bar before and may lie outside of its `[low, high]`, which is widened by it.
    """
    if not row.get("trades") or row.get("close") is None:
        return None
    opened = read_time(row["timestamp"]) - LENGTHS[period]
    open_, high, low, close = (Decimal(str(row[name])) for name in ("open", "high", "low", "close"))
    volume = instrument.quantity(int(row.get("volume") or 0), Decimal(str(row.get("vwap") or close)))
    return OHLCV(
        contract=instrument.ticker,
        period=period,
        open=open_,
        high=max(open_, high),
        low=min(open_, low),
        close=close,
        volume=abs(Decimal(str(row["homeNotional"]))) if row.get("homeNotional") else volume,
        vwap=Decimal(str(row.get("vwap") or close)),
        open_timestamp=opened,
        close_timestamp=opened + LENGTHS[period] - _MICROSECOND,
    )
