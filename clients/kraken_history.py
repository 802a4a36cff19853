"""Kraken's ledgers, transfers, trades and bars as the uniform interface tells them.  Pure: rows in, records out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from attrs import frozen

from clients.exchange import OHLCV, Fill, Period, Side, Trade, Transaction, Transfer
from clients.kraken_account import read_time
from clients.kraken_markets import Markets, Pair

__all__ = [
    "INTERVALS",
    "LENGTHS",
    "Fees",
    "bar_of",
    "fees_of",
    "fill_of_trade",
    "list_of",
    "trade_of",
    "transactions",
    "transfer_of",
    "unix",
    "unix_ns",
]

Row = Mapping[str, Any]

LENGTHS: Mapping[Period, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
INTERVALS: Mapping[Period, int] = {"minute": 1, "hour": 60, "day": 1440}
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# `spend` and `receive` are the two sides of a purchase in the venue's app.
_TYPES = {
    "trade": "Trade", "spend": "Trade", "receive": "Trade", "deposit": "Deposit", "withdrawal": "Withdrawal",
    "transfer": "Transfer",
}  # fmt: skip
_RETURNED = ("canceled", "return")


def unix(at: datetime) -> str:
    """Unix seconds with six decimals, exactly; `ValueError` for a time without a zone."""
    return f"{_micros(at) / Decimal(10**6):.6f}"


def unix_ns(at: datetime) -> str:
    """Unix nanoseconds."""
    return str(_micros(at) * 1000)


def _micros(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; an aware time is wanted")
    return (at - _EPOCH) // _MICROSECOND


def transactions(markets: Markets, entries: Mapping[str, Row]) -> list[Transaction]:
    """Ledger lines, oldest first; a fee is a line of its own after that of its amount.

    :param entries: newest first, as the venue tells them, which matters for those of the same instant.
    """
    lines: list[Transaction] = []
    oldest_first = list(entries.items())[::-1]
    for id, row in sorted(oldest_first, key=lambda item: Decimal(str(item[1]["time"]))):
        amount, fee = Decimal(str(row["amount"])), Decimal(str(row.get("fee") or 0))
        after = None if row.get("balance") in (None, "") else Decimal(str(row["balance"]))
        note = f"{id} {row.get('refid', '')} {row['type']}".strip()
        kind = _TYPES.get(str(row["type"]), "Adjustment")
        if amount or not fee:
            lines.append(_line(markets, row, kind, amount, None if after is None else after + fee, note))
        if fee:
            lines.append(_line(markets, row, "Fee", -fee, after, note))
    return lines


def _line(markets: Markets, row: Row, kind: str, amount: Decimal, balance: Decimal | None, note: str) -> Transaction:
    return Transaction(
        contract=markets.code(str(row["asset"])),
        timestamp=read_time(row["time"]),
        quantity=abs(amount),
        type=kind,
        direction="credit" if amount >= 0 else "debit",
        balance=balance,
        note=note,
    )


def list_of(result: Any) -> tuple[list[Row], str]:
    """The rows of a page of transfers and the cursor of the next one, empty when there is none.

    With a cursor asked for, the list lies in an object, whose key the documentation tells for deposits only.
    """
    if isinstance(result, list):
        return result, ""
    rows = next((value for value in result.values() if isinstance(value, list)), [])
    return rows, str(result.get("next_cursor") or "")


def transfer_of(markets: Markets, direction: Literal["deposit", "withdrawal"], row: Row) -> Transfer:
    """A row of `DepositStatus` or `WithdrawStatus`.

    A withdrawal's amount is what is sent; the account is debited with the fee besides.
    """
    amount, fee = Decimal(str(row["amount"])), Decimal(str(row.get("fee") or 0))
    return Transfer(
        id=str(row["refid"]),
        direction=direction,
        ticker=markets.code(str(row["asset"])),
        amount=amount + fee if direction == "withdrawal" else amount,
        fee=fee,
        address=str(row["info"]) if row.get("info") else None,
        reference=str(row["txid"]) if row.get("txid") else None,
        status=_status(row),
        timestamp=read_time(row["time"]),
    )


def _status(row: Row) -> Literal["pending", "done", "failed"]:
    status, told = str(row.get("status")).lower(), str(row.get("status-prop") or "").lower()
    if status == "failure" or told in _RETURNED:
        return "failed"
    return "done" if status == "success" and told != "onhold" else "pending"


def fill_of_trade(markets: Markets, id: str, row: Row) -> Fill:
    """A row of `TradesHistory`; its fee is in the quote currency, which every order here asks for."""
    pair = markets.pair_of(str(row["pair"]))
    fee = Decimal(str(row.get("fee") or 0))
    return Fill(
        id=id,
        order_id=str(row["ordertxid"]),
        contract=str(row["pair"]) if pair is None else pair.ticker,
        side=Side(str(row["type"]).upper()),
        price=Decimal(str(row["price"])),
        quantity=Decimal(str(row["vol"])),
        fees={} if pair is None or not fee else {pair.quote: fee},
        timestamp=read_time(row["time"]),
    )


@frozen
class Fees:
    """What the account pays on a pair now, as fractions of a trade's value; a rebate is negative."""

    maker: Decimal
    taker: Decimal


def fees_of(markets: Markets, result: Mapping[str, Any]) -> dict[str, Fees]:
    """The result of `TradeVolume`, in per cent there; a pair without a maker fee pays the taker's."""
    taker, maker = result.get("fees") or {}, result.get("fees_maker") or {}
    found: dict[str, Fees] = {}
    for name, row in taker.items():
        pair = markets.pair_of(name)
        if pair is not None:
            share = Decimal(str(row["fee"])) / 100
            made = maker.get(name)
            found[pair.ticker] = Fees(share if made is None else Decimal(str(made["fee"])) / 100, share)
    return found


def trade_of(pair: Pair, row: Iterable[Any]) -> Trade:
    """A row of `Trades`: price, volume, time and more."""
    price, volume, at, *_ = row
    return Trade(
        contract=pair.ticker, price=Decimal(str(price)), quantity=Decimal(str(volume)), timestamp=read_time(at)
    )


def bar_of(pair: Pair, period: Period, row: Iterable[Any]) -> OHLCV:
    """A row of `OHLC`: time, open, high, low, close, vwap, volume, count."""
    at, first, high, low, last, mean, volume, *_ = row
    opened = read_time(at)
    close = Decimal(str(last))
    return OHLCV(
        contract=pair.ticker,
        period=period,
        open=Decimal(str(first)),
        high=Decimal(str(high)),
        low=Decimal(str(low)),
        close=close,
        volume=Decimal(str(volume)),
        vwap=Decimal(str(mean)) or close,  # 0 in a bar without trades
        open_timestamp=opened,
        close_timestamp=opened + LENGTHS[period] - _MICROSECOND,
    )
