"""What has to hold before START: each check with its numbers.  Reads the floor, changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from clients.rates_arithmetic import standard_error
from ilp.journal.entries import OrderState, TransferEntry
from ilp.trading.floor import Floor
from ilp.trading.machine import State
from ilp.trading.market import Rate
from ilp.trading.status import Check
from ilp.trading.variances import Variances
from ilp.trading.view import trade_minimum

__all__ = ["checks"]


def checks(floor: Floor, state: State, variances: Variances, uncertain: Iterable[TransferEntry]) -> tuple[Check, ...]:
    """All conditions of START, fulfilled or not.

    :param uncertain: transfers of which nobody knows whether they left.
    """
    return (
        Check("state", state is State.READY, f"{state}, START needs READY"),
        _inputs(floor),
        _journal(floor),
        *_variances(variances),
        _quote_size(floor),
        _limits(floor),
        _ledger(floor),
        Check("fees", not floor.uncounted, floor.uncounted or "all have a value"),
        _orders(floor),
        _account(floor),
        _transfers(tuple(uncertain)),
        _edges(floor),
    )


def _inputs(floor: Floor) -> Check:
    troubles = [text for text in (*floor.market.troubles(), floor.clocks.trouble()) if text]
    return Check("inputs", not troubles, "; ".join(troubles) or "all fresh and sane")


def _journal(floor: Floor) -> Check:
    return Check("journal", not floor.recorder.failing, floor.recorder.failing or "can be written")


def _ledger(floor: Floor) -> Check:
    why = floor.unopened()
    return Check("ledger", not why, why or "open")


def _variances(variances: Variances) -> Iterable[Check]:
    for asset in variances.layout.assets[1:]:
        known = asset in variances.estimates
        yield Check(f"variance of {asset}", known, "" if known else variances.problems.get(asset, "not known yet"))


def _quote_size(floor: Floor) -> Check:
    target, size = floor.layout.target, floor.parameters.quote_size
    rules, price = floor.rules(target), floor.market.reference(target)
    if rules is None or price is None:
        return Check("quote size", False, f"the rules or the price of {target.ticker} are not known yet")
    minimum = trade_minimum(rules, price)
    return Check("quote size", size >= minimum, f"{size}, the minimum of {target.venue} is {minimum:.8g}")


def _limits(floor: Floor) -> Check:
    size, limits = floor.parameters.quote_size, floor.limits
    short = [
        f"{name} {limit} is below the quote size of {size}"
        for name, limit in (("largest order", limits.largest_order), ("exposure", limits.exposure))
        if limit < size
    ]
    if limits.turnover_per_day < 4 * size:
        short.append(f"turnover_per_day {limits.turnover_per_day} is below four times the quote size of {size}")
    return Check("limits", not short, "; ".join(short) or "allow the quote size")


def _orders(floor: Floor) -> Check:
    unknown = [order.key for order in floor.desk.live() if order.state is OrderState.UNKNOWN]
    return Check("orders", not unknown, f"unknown: {', '.join(unknown)}" if unknown else "none in doubt")


def _account(floor: Floor) -> Check:
    others = floor.audit.intruders()
    return Check(
        "account", not others, f"{others}; end the daemon that placed it, or cancel it" if others else "ours alone"
    )


def _transfers(uncertain: tuple[TransferEntry, ...]) -> Check:
    names = ", ".join(entry.id for entry in uncertain)
    return Check("transfers", not uncertain, f"UNCERTAIN: {names}; resolve them first" if names else "none in doubt")


def _edges(floor: Floor) -> Check:
    """Never refuses: tells when the edge is thinner than what the market has typically moved since the fixing.

    It asks for the measured error itself: a small `rate_age_factor` narrows the quotes, not what the rate is off by.
    """
    rate, mark = floor.market.rate, floor.market.good_mid
    if rate is None or mark is None or not rate.mid:
        return Check("edges", True)
    off = mark * _typical_error(floor, rate)
    edge = floor.parameters.edge_to_leave
    thin = f"edge_to_leave {edge} is less than {off:.8g}, what the rate may be off by at its age"
    return Check("edges", True, thin if edge < off else "")


def _typical_error(floor: Floor, rate: Rate) -> Decimal:
    """As a fraction: what the feed tells, else by the fixing's age, else half the feed's own spread."""
    if rate.error is not None:
        return rate.error
    if rate.fixing is None:
        return (rate.ask - rate.bid) / 2 / rate.mid
    age = max(floor.clock.now() - rate.fixing, timedelta(0))
    return standard_error(f"{floor.layout.target.quote}/{floor.layout.numeraire}", age)
