"""Infinity's histories as records of the uniform interface: transactions, transfers, trades, bars.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, cast

from clients.exchange import OHLCV, Period, Trade, Transfer
from clients.exchange import Transaction as Line
from clients.infinity_markets import Markets
from clients.infinity_private_records import Deposit, Transaction, Withdrawal
from clients.infinity_records import PublicTrade, RateBar, moment
from clients.infinity_terms import TransactionType

__all__ = ["LENGTHS", "TYPES", "bars_of", "deposit_record", "trade_of", "transaction_line", "withdrawal_record"]

LENGTHS = {
    "quarter-hour": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
"""Periods of bars; the venue has none below a quarter of an hour."""

TYPES: dict[TransactionType, str] = {
    TransactionType.BORROW: "Trade",
    TransactionType.LEND: "Trade",
    TransactionType.REPAY: "Trade",
    TransactionType.UNLEND: "Trade",
    TransactionType.INTEREST: "Interest",
    TransactionType.TRANSFER_IN: "Transfer",
    TransactionType.TRANSFER_OUT: "Transfer",
    TransactionType.EXTERNAL_TRANSFER_IN: "Deposit",
    TransactionType.EXTERNAL_TRANSFER_OUT: "Withdrawal",
    TransactionType.TRADE: "Trade",
    TransactionType.LP_FEE: "Fee",
    TransactionType.WITHDRAWAL_FEE: "Fee",
    TransactionType.TRANSACTION_FEE: "Fee",
    TransactionType.LIQUIDATION_UNLEND: "Trade",
}
"""The uniform interface's word for each type; all others are `Other`."""

_DONE, _FAILED = frozenset({2, 10}), frozenset({3, 11, 12, 99})
_MICROSECOND = timedelta(microseconds=1)


def transaction_line(markets: Markets, row: Transaction) -> Line:
    """A row of an account's transactions; the note tells the venue's own type and the account."""
    kind = TransactionType.known(row.type)
    return Line(
        contract=markets.token_code(row.token_id),
        timestamp=moment(row.create_date),
        quantity=abs(row.quantity.value),
        type=TYPES.get(kind, "Other") if isinstance(kind, TransactionType) else "Other",
        direction="debit" if row.quantity.value < 0 else "credit",
        balance=None if row.balance is None else row.balance.value,
        note=f"{TransactionType.text_of(row.type)}, account {row.account_id}",
    )


def withdrawal_record(markets: Markets, row: Withdrawal) -> Transfer:
    """A withdrawal.  The venue documents no statuses: one that has a transaction on the chain is done."""
    status: Literal["pending", "done", "failed"] = "pending"
    if row.tx_hash:
        status = "done"
    elif row.status in _FAILED:
        status = "failed"
    elif row.status in _DONE:
        status = "done"
    return Transfer(
        id=str(row.request_id),
        direction="withdrawal",
        ticker=markets.token_code(row.token_id),
        amount=abs(row.quantity.value),
        fee=Decimal(0) if row.fee is None else row.fee.value,
        address=row.to_address,
        reference=row.tx_hash,
        status=status,
        timestamp=moment(row.create_date or 0),
    )


def deposit_record(markets: Markets, row: Deposit) -> Transfer:
    """A deposit; the venue tells one when it is credited."""
    return Transfer(
        id=str(row.id),
        direction="deposit",
        ticker=markets.token_code(row.token_id),
        amount=row.quantity.value,
        fee=Decimal(0),
        address=None,
        reference=row.tx_hash,
        status="done",
        timestamp=moment(row.create_date or 0),
    )


def trade_of(instrument: str, row: PublicTrade) -> Trade:
    """A trade of the market; its price is a rate."""
    return Trade(contract=instrument, price=row.rate.value, quantity=row.quantity.value, timestamp=moment(row.date))


def bars_of(
    instrument: str, period: str, rows: Iterable[RateBar], start: datetime, end: datetime
) -> dict[datetime, OHLCV]:
    """Bars that overlap the interval, oldest first; those without trades are left out.

    The venue tells no mean weighted by volume: `vwap` is the middle between the highest and the lowest rate.
    """
    found: dict[datetime, OHLCV] = {}
    for row in sorted(rows, key=lambda one: one.opened):
        closes = row.opened + LENGTHS[period] - _MICROSECOND
        if row.traded and closes >= start and row.opened <= end:
            found[row.opened] = OHLCV(
                contract=instrument,
                period=cast(Period, period),
                open=row.open.value,
                high=row.high.value,
                low=row.low.value,
                close=row.close.value,
                volume=Decimal(0) if row.volume is None else row.volume.value,
                vwap=(row.high.value + row.low.value) / 2,
                open_timestamp=row.opened,
                close_timestamp=closes,
            )
    return found
