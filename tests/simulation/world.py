"""A small venue for tests: the contracts of the Sputnik page's worked examples, and a recorder of events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ilp.simulation.contracts import Currency, Pair, TransferFee
from ilp.simulation.core import Core
from ilp.simulation.records import (
    BarClosed,
    BookChanged,
    DepositChanged,
    Event,
    Filled,
    Matched,
    OrderAccepted,
    OrderChanged,
    Posted,
    Traded,
    WithdrawalChanged,
)
from ilp.simulation.rules import Rules

START = datetime(2015, 1, 1, tzinfo=UTC)
BTC = Currency("BTC", 10**8, lot=10_000, withdrawal_fee=TransferFee(100, 100), deposit_fee=TransferFee(50, 200))
HUF = Currency("HUF", 100, lot=100)
MXN = Currency("MXN", 10_000, lot=100)
BTC_HUF = Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, fee_bps=100)
BTC_MXN = Pair("BTC/MXN", BTC, MXN, tick=100, lot=1_000_000, fee_bps=100)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def venue(now: Callable[[], datetime] | None = None, rules: Rules | None = None) -> Core:
    """A venue with alice and bob, 5 BTC, 100000 HUF and 10000 MXN each."""
    core = Core(now or Time(), [BTC, HUF, MXN], [BTC_HUF, BTC_MXN], rules=rules, venue="test")
    for name in ("alice", "bob"):
        core.open_account(name)
        for ticker, amount in (("BTC", 500_000_000), ("HUF", 10_000_000), ("MXN", 100_000_000)):
            core.endow(name, ticker, amount)
    return core


def record(core: Core) -> list[Event]:
    """Every event from now on, in the order in which it is told."""
    events: list[Event] = []
    core.subscribe(events.append)
    return events


def line(event: Event) -> str:
    """An event as one short line."""
    match event:
        case OrderAccepted(order):
            return f"accepted {order.id} left {order.quantity_left}"
        case Matched(match):
            return f"match {match.quantity}@{match.price}"
        case BookChanged(_, _, _, _, book):
            return f"book {book.bids} {book.asks}"
        case OrderChanged(order, change):
            return f"order {order.id} {change.value} left {order.quantity_left}"
        case Posted(p):
            return f"{p.account} {p.contract} {p.direction.value} {p.quantity} {p.note}"
        case Filled(fill):
            return f"{fill.account} fill {fill.order_id} {fill.quantity}@{fill.price} fee {fill.fee}"
        case Traded(trade):
            return f"trade {trade.quantity}@{trade.price}"
        case BarClosed(bar):
            return f"bar {bar.period} {bar.open_timestamp:%H:%M}"
        case WithdrawalChanged(w):
            return f"withdrawal {w.id} {w.status.value}"
        case DepositChanged(d):
            return f"deposit {d.id} {d.status.value}"
