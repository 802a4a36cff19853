"""What of a trader needs a person's eyes, read off its parts.  Decides nothing, changes nothing, sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ilp.accounts.keeper import AccountedJournal
from ilp.accounts.units import amount_of
from ilp.alarms.notices import Condition, Severity
from ilp.bookkeeping import told_balances
from ilp.figures import amount, worth
from ilp.journal.entries import OrderState, TransferState
from ilp.trading.machine import State
from ilp.trading.trader import Trader

__all__ = ["conditions"]

C, W = Severity.CRITICAL, Severity.WARNING
FLAP = 10.0  # seconds that an input may be stale or a venue away before anybody is woken
SETTLE = 120.0  # seconds in which a venue's balance may run ahead of its own records
UNLIKE = Decimal("1e-8")


def conditions(trader: Trader, books: AccountedJournal | None, loss_step: Decimal) -> Iterator[Condition]:
    """Everything that is not as it should be now.

    :param loss_step: part of the day's largest loss that is a condition of its own each time; 0 for none.
    """
    yield from _state(trader)
    yield from _orders(trader)
    yield from _transfers(trader)
    yield from _doubts(trader)
    if books is not None:
        yield from _ledger(books)
        yield from _loss(books, trader, loss_step)
        yield from _day(books, trader)
        yield from _unvalued(books)
        yield from _balances(books, trader)


def _state(trader: Trader) -> Iterator[Condition]:
    state = trader.life.state
    if state is State.HALTED:
        yield Condition("halt", "halt", C, f"{trader.reason} (by {trader.by})")
    if why := trader.loop.hedger.overdue():
        yield Condition("exposure", "exposure", C, why)
    if trader.recorder.failing:
        yield Condition("journal", "journal", C, f"cannot be written: {trader.recorder.failing}")
    if trader.wanted and state is State.DISCONNECTED:
        yield Condition("connection", "connection", W, trader.reason, after=FLAP)
    elif trader.wanted and (trouble := trader.floor.inputs_trouble()) and not _told_apart(trader, trouble):
        yield Condition("input", "stale input", W, trouble, after=FLAP)
    if trader.confirmation.remaining and state is not State.TRADING:
        what = ", ".join(trader.confirmation.remaining)
        yield Condition("remaining", "orders remain", C, f"{state}, but the venues still report {what}", after=FLAP)


def _orders(trader: Trader) -> Iterator[Condition]:
    if others := trader.audit.intruders():
        yield Condition("foreign", "foreign orders", C, f"{others}; this daemon does not trade beside another one")
    for order in trader.desk.live():
        if order.state is OrderState.UNKNOWN:
            what = f"{order.side} {amount(order.left)} {order.ticker} at {amount(order.price)} on {order.venue}"
            yield Condition(f"order {order.key}", "uncertain order", W, f"{what}: {order.note}", after=FLAP)


def _transfers(trader: Trader) -> Iterator[Condition]:
    for entry in trader.transfers.open:
        what = f"{entry.id}: {amount(entry.amount)} {entry.asset} {entry.from_venue} → {entry.to_venue or 'bank'}"
        if entry.state is TransferState.UNCERTAIN:
            yield Condition(f"uncertain {entry.id}", "uncertain transfer", C, f"{what}: {entry.note}")
        elif trader.transfers.overdue(entry):
            yield Condition(f"overdue {entry.id}", "transfer overdue", W, what)
        elif entry.state is TransferState.PROPOSED:
            yield Condition(f"proposed {entry.id}", "transfer waits", Severity.INFO, f"{what}: {entry.note}")
    for record, ids in trader.transfers.ambiguous:
        what = f"{amount(record.change)} {record.asset} at {record.venue} ({record.reference or record.id})"
        why = f"{what} may be {' or '.join(sorted(ids))}: say which, until then it counts for all of them together"
        yield Condition(f"ambiguous {record.key}", "ambiguous transfer", W, why, after=FLAP)
    for flow in trader.transfers.flows:
        if not flow.classified:
            what = f"{amount(flow.quantity)} {flow.asset} at {flow.venue} is no transfer of ours"
            yield Condition(f"flow {flow.key}", "unexplained money", W, what)


def _ledger(books: AccountedJournal) -> Iterator[Condition]:
    if fault := books.books.fault():
        what = f"{fault}: profit, loss and the limits on them cannot be trusted"
        yield Condition("ledger", "ledger", C, what)


def _loss(books: AccountedJournal, trader: Trader, step: Decimal) -> Iterator[Condition]:
    loss, limit = books.loss(), trader.settings.limits.loss_per_day
    if step <= 0 or loss <= 0:
        return
    reached = int(loss / (limit * step))
    if reached:
        what = f"{worth(loss, trader.layout.numeraire)} lost today; trading halts at {amount(limit)}"
        yield Condition(f"loss {books.day()} {reached}", "loss", W if reached * step < 1 else C, what)


def _told_apart(trader: Trader, trouble: str) -> bool:
    """Whether there is an alarm of its own for that."""
    doubts = filter(None, map(trader.market.plausible.doubt, trader.layout.venues))
    return trouble == trader.floor.uncounted or any(doubt in trouble for doubt in doubts)


def _doubts(trader: Trader) -> Iterator[Condition]:
    for venue in trader.layout.venues:
        if why := trader.market.plausible.doubt(venue):
            yield Condition(f"doubt {venue}", "doubted balance", W, f"{venue}: {why}", after=FLAP)


def _day(books: AccountedJournal, trader: Trader) -> Iterator[Condition]:
    counted, told = books.day(), trader.clock.now().date()
    if counted > told:
        what = (
            f"the clock says {told} and was at {counted} before: profit, loss and limits go on counting for {counted}"
        )
        yield Condition("accounting day", "accounting day", W, what, after=FLAP)


def _unvalued(books: AccountedJournal) -> Iterator[Condition]:
    """Quotes wait until somebody says what it is worth, or until the day of that limit is over."""
    fees = ", ".join(f"{amount(fee)} {asset}" for asset, fee in books.unvalued().items())
    if fees:
        what = f"fees of {fees} today are in no profit, no loss and no limit: nobody knows their worth, so quotes wait"
        yield Condition("unvalued fees", "unvalued fees", W, what)


def _balances(books: AccountedJournal, trader: Trader) -> Iterator[Condition]:
    if books.books.opened is None:
        return
    for (venue, asset), told in sorted(told_balances(trader).items()):
        ledger = amount_of(books.books.balances.get((venue, asset), 0))
        if abs(ledger - told) > UNLIKE:
            what = f"{venue} says it holds {amount(told)} {asset}, the ledger has {amount(ledger)}"
            yield Condition(f"balance {venue} {asset}", "unexplained balance", W, what, after=SETTLE)
