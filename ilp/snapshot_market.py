"""What the console's document says of the market: books, rates with their age and its cost, variances.  Changes nothing."""

from __future__ import annotations

from typing import Any

from clients.exchange import Book
from clients.rates_arithmetic import Said
from ilp.figures import amount, figure, when
from ilp.pool.variance import Estimate
from ilp.trading.freshness import InputStatus
from ilp.trading.market import Rate
from ilp.trading.trader import Trader

__all__ = ["book", "rates", "seconds", "variances"]

_SHOWN_LEVELS = 15


def seconds(age: float | None) -> float | None:
    """An age to a tenth; None stays None."""
    return None if age is None else round(age, 1)


def book(book: Book, status: InputStatus | None) -> dict[str, Any]:
    """A book's best rows, and its age with the limit."""

    def rows(side: Any) -> list[list[str | None]]:
        return [[amount(row["price"]), amount(row["quantity"])] for row in side[:_SHOWN_LEVELS]]

    return {
        "bid": amount(book["bids"][0]["price"]) if book["bids"] else None,
        "ask": amount(book["asks"][0]["price"]) if book["asks"] else None,
        "age": seconds(status.age) if status is not None else None,
        "ok": status is not None and status.ok,
        "limit": status.limit if status is not None else None,
        "bids": rows(book["bids"]),
        "asks": rows(book["asks"]),
    }


def rates(trader: Trader, status: InputStatus | None) -> dict[str, Any]:
    """The rate of exchange, where the pool needs one, with its ages, what they cost, and what each feed says."""
    ticker, rate = trader.layout.rate_ticker, trader.market.rate
    if not ticker:
        return {}
    known = rate is not None and rate.bid > 0
    now = trader.clock.now()
    fixed = rate.fixing if rate is not None else None
    return {
        ticker: {
            # The trader keeps the price of the target's currency; people read it the other way round.
            "bid": figure(1 / rate.ask) if known and rate is not None else None,
            "ask": figure(1 / rate.bid) if known and rate is not None else None,
            "fixing": when(fixed) if fixed is not None else None,
            "age": seconds(status.age) if status is not None else None,
            "source": rate.source if rate is not None else "",
            "ok": status is not None and status.ok,
            "limit": status.limit if status is not None else None,
            "fixing_age": seconds(max((now - fixed).total_seconds(), 0.0)) if fixed is not None else None,
            "cost": _cost_of_age(trader, rate) if known and rate is not None else None,
            "feeds": [_said(said) for said in rate.said] if rate is not None else [],
        }
    }


def _cost_of_age(trader: Trader, rate: Rate) -> dict[str, Any]:
    """What the age adds to either side of the rate, and by how much that moves each quote away from the market."""
    price = trader.market.reference(trader.layout.target)
    target = trader.layout.target
    return {
        "bp": figure(rate.aged * 10_000),
        "quote": figure(price * rate.aged) if price is not None else None,
        "unit": f"{target.quote}/{target.base}",
    }


def _said(said: Said) -> dict[str, Any]:
    return {
        "source": said.source,
        "mid": figure(said.mid) if said.mid is not None else None,
        "fixing": when(said.fixing) if said.fixing is not None else None,
        "used": said.used,
        "why": said.why,
    }


def variances(trader: Trader) -> dict[str, Any]:
    """Each variance with where it is from; why there is none, or why it could not be renewed."""
    now, layout = trader.clock.now(), trader.layout
    found: dict[str, Any] = {}
    for asset in layout.assets[1:]:
        estimate = trader.variances.estimates.get(asset)
        age = estimate.age(now) if estimate is not None else None
        together = trader.variances.correlation(asset, layout.base) if asset != layout.base else None
        found[f"{asset}/{layout.numeraire}"] = {
            "value": figure(estimate.value) if estimate is not None else None,
            "origin": _origin(estimate, trader.variances.problems.get(asset, "")),
            "age": None if age is None else round(age.total_seconds(), 1),
            "correlation": None if together is None else figure(together),
        }
    return found


def _origin(estimate: Estimate | None, problem: str) -> str:
    if estimate is None:
        return f"none: {problem or 'not known yet'}"
    origin = estimate.origin + (", scaled from longer periods" if estimate.scaled else "")
    return f"{origin}; could not be renewed: {problem}" if problem else origin
