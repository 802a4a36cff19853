"""Profit and loss as documents: for the console, and as CSV for a spreadsheet.  Reads and words; books nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

from clients.exchange import Side
from ilp.accounts.books import EXPOSED, Books, Result
from ilp.accounts.postings import Account, Term
from ilp.accounts.units import FINE, amount_of, fixed
from ilp.figures import amount, figure, when, worth
from ilp.journal.entries import BookingEntry, FillEntry, HedgeEntry

__all__ = ["bookings_csv", "pairs_csv", "pnl_section"]

UNIT = amount_of(1)
WEEK = timedelta(days=7)
SHOWN_DAYS = 31
_NAMES = [str(term) for term in Term]


def pnl_section(
    books: Books,
    at: datetime,
    marks: Mapping[str, Decimal] | None,
    venues: Mapping[Account, Decimal],
    loss: Decimal,
    limit: Decimal,
) -> dict[str, Any]:
    """What was earned and lost, where; money in numeraire as text.

    :param marks: those of now; None leaves what has changed since the last booking out.
    :param venues: what the venues say they hold, to compare with.
    """
    if books.opened is None:
        return {"opened": None, "reason": "the ledger opens when the pool is READY for the first time"}
    fine = books.equity(None if marks is None else fixed(marks))
    week, day_now = Result(), books.day(at)
    for day, result in books.days.items():
        if day > day_now - WEEK and day != day_now:
            week.add(result.terms, result.rounding)
    today = books.result(day_now, marks)
    week.add(today.terms, today.rounding)
    days = sorted(books.days)[-SHOWN_DAYS:]
    return {
        "opened": when(books.opened),
        "numeraire": books.numeraire,
        "equity": worth(amount_of(fine // FINE), books.numeraire),
        "identity": books.fault() or None,
        "today": _result(today, books.numeraire),
        "week": _result(week, books.numeraire),
        "since": _result(books.total(marks), books.numeraire),
        "days": [{"day": day.isoformat(), **_result(books.days[day], books.numeraire)} for day in days],
        "loss": {"today": worth(loss, books.numeraire), "limit": amount(limit)},
        "differences": _differences(books, venues),
    }


def _result(result: Result, numeraire: str) -> dict[str, str | None]:
    """Each term, what trading earned of its own, and the change of equity."""
    terms = {name: worth(amount_of(result.term(name)), numeraire) for name in (*_NAMES, EXPOSED)}
    whole = worth(amount_of(result.total // FINE), numeraire)
    rounding = amount(Decimal(result.rounding).scaleb(-20))
    return {**terms, "rounding": rounding, "trading": worth(amount_of(result.own), numeraire), "equity change": whole}


def _differences(books: Books, venues: Mapping[Account, Decimal]) -> list[dict[str, str | None]]:
    """Where a venue holds something else than the ledger says: money that moved and that nobody has told us of yet."""
    found = []
    for (venue, asset), told in sorted(venues.items()):
        ledger = amount_of(books.balances.get((venue, asset), 0))
        off = abs(ledger - told)
        if off > UNIT and off > UNIT + UNIT / 2 * books.moved(venue, asset):  # a venue may count in smaller units
            found.append({"venue": venue, "asset": asset, "ledger": amount(ledger), "told": amount(told)})
    return found


def bookings_csv(bookings: Iterable[BookingEntry]) -> str:
    """A line a booking: when, what, each term in numeraire, rounding, and the equity after it."""
    out = StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["time", "number", "kind", "reference", *_NAMES, EXPOSED, "rounding", "equity"])
    books = Books("", "")
    for entry in bookings:
        books.take(entry)
        terms = [amount(amount_of(entry.terms.get(name, 0))) for name in (*_NAMES, EXPOSED)]
        rounding = amount(Decimal(entry.rounding).scaleb(-20))
        equity = figure(amount_of(books.equity() // FINE), places=8)
        rows.writerow([when(entry.at), int(entry.key), entry.kind, entry.reference, *terms, rounding, equity])
    return out.getvalue()


def pairs_csv(fills: Iterable[FillEntry], hedges: Iterable[HedgeEntry]) -> str:
    """A line a part of a fill and what closed it: quantity, edge and slippage realised, and how long it was open."""
    out = StringIO()
    rows = csv.writer(out, lineterminator="\n")
    head = [
        "time",
        "fill",
        "side",
        "price",
        "quantity closed",
        "closed by",
        "close price",
        "seconds",
        "edge",
        "slippage",
    ]
    rows.writerow([*head, "realised", "why no edge"])
    by_key = {f"{fill.venue}/{fill.key}": fill for fill in fills}
    for hedge in hedges:
        fill, close = by_key.get(hedge.fill_key), by_key.get(hedge.closing_fill or "")
        edge = None if hedge.edge is None else hedge.edge - (hedge.slippage or Decimal(0))
        rows.writerow(
            [
                when(hedge.at),
                hedge.fill_key,
                "" if fill is None else str(fill.side),
                "" if fill is None else amount(fill.price),
                amount(hedge.quantity),
                hedge.closed_by,
                "" if close is None else amount(close.price),
                "" if fill is None else f"{(hedge.at - fill.at).total_seconds():.3f}",
                figure(hedge.edge) or "",
                figure(hedge.slippage) or "",
                figure(None if edge is None else edge * hedge.quantity) or "",
                "" if hedge.edge is not None else _why(hedge, fill),
            ]
        )
    return out.getvalue()


def _why(hedge: HedgeEntry, fill: FillEntry | None) -> str:
    """Why a pair has no realised edge."""
    if hedge.closed_by.startswith("plan:"):
        return "the plan kept it: nothing was traded for it"
    if fill is None:
        return "the fill is not in the journal"
    if (fill.reference_bid if fill.side is Side.BUY else fill.reference_ask) is None:
        return "no source book was known when it was filled: it was found at a start"
    return "no rate was known before it was closed"
