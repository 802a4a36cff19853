"""What a fill, a transfer or a flow does to the accounts, and what it gained or cost: one rule a kind.  Pure.

Positions are sums of lines `(account, asset) → minor units`; in each asset they add up to nothing.  Own accounts are the
venues and `transit`; all others are where things come from and go to.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from clients.exchange import Side
from ilp.accounts.units import Marks, units, value_of
from ilp.journal.entries import FillEntry, FlowEntry, Purpose, TransferEntry, TransferState
from ilp.tickers import parts

__all__ = [
    "BANK",
    "CHARGES",
    "FEES",
    "MARKET",
    "OUTSIDE",
    "TRANSIT",
    "Position",
    "Term",
    "fill_position",
    "fill_terms",
    "flow_position",
    "moved_terms",
    "own",
    "transfer_position",
]

Account = tuple[str, str]
Position = Mapping[Account, int]

TRANSIT = ":transit"  # what has left a venue and has not arrived
MARKET = ":market"  # whom we trade with
FEES = ":fees"  # what venues charge for trades
CHARGES = ":charges"  # what moving money costs, and what a conversion takes and gives
BANK = ":bank"  # what was paid out
OUTSIDE = ":outside"  # where the opening balances and the flows come from
EARNED = ":earned"  # interest and funding

_EARNINGS = ("interest", "funding")


class Term(StrEnum):
    """Why equity changed; each is computed from what happened, none is what is left over."""

    SPREAD = "spread"  # fills of quotes against the middle of the source at that moment
    HEDGES = "hedge slippage"  # fills of hedges against the same
    PLANS = "plan slippage"  # fills of the plan's own trades against the same
    FEES = "trade fees"
    TRANSFERS = "transfer costs"  # charges, and what a conversion lost against the mark
    BASE = "base revaluation"  # all base held, times the change of its mark
    FIAT = "fiat revaluation"  # all other assets but the numeraire, likewise
    EARNED = "interest and funding"
    EXTERNAL = "external flows"  # opening balances, deposits, withdrawals, payouts


_TERMS = {CHARGES: Term.TRANSFERS, BANK: Term.EXTERNAL, OUTSIDE: Term.EXTERNAL, EARNED: Term.EARNED}
_TRADES = {Purpose.QUOTE: Term.SPREAD, Purpose.HEDGE: Term.HEDGES, Purpose.PLAN: Term.PLANS}


def own(account: str) -> bool:
    """Whether what lies there is ours."""
    return account == TRANSIT or not account.startswith(":")


def fill_position(fill: FillEntry) -> dict[Account, int]:
    """Base one way, the quote currency the other, fees to the venue."""
    base, quote = parts(fill.ticker)
    direction = 1 if fill.side is Side.BUY else -1
    received, paid = direction * units(fill.quantity), direction * units(fill.quantity * fill.price)
    position = {
        (fill.venue, base): received,
        (MARKET, base): -received,
        (fill.venue, quote): -paid,
        (MARKET, quote): paid,
    }
    for asset, fee in fill.fees.items():
        charged = units(fee)
        _add(position, (fill.venue, asset), -charged)
        _add(position, (FEES, asset), charged)
    return position


def fill_terms(fill: FillEntry, marks: Marks) -> dict[str, int]:
    """Gain against the marks, and fees; in fine parts."""
    base, quote = parts(fill.ticker)
    direction = 1 if fill.side is Side.BUY else -1
    gain = direction * (
        value_of(base, units(fill.quantity), marks) - value_of(quote, units(fill.quantity * fill.price), marks)
    )
    fees = sum(value_of(asset, units(fee), marks) for asset, fee in fill.fees.items())
    return {_TRADES[fill.purpose]: gain, Term.FEES: -fees}


def transfer_position(entry: TransferEntry) -> dict[Account, int]:
    """Where the money of a transfer is now, compared with before it was made."""
    sent, landed = units(entry.debited), units(entry.arrived)
    closed = entry.state in (TransferState.ARRIVED, TransferState.FAILED)
    position: dict[Account, int] = {}
    _add(position, (entry.from_venue, entry.asset), -sent)
    _add(position, (CHARGES if closed else TRANSIT, entry.asset), sent)
    if entry.state is TransferState.ARRIVED:
        _add(position, (CHARGES, entry.to_asset), -landed)
        _add(position, (entry.to_venue or BANK, entry.to_asset), landed)
    return position


def flow_position(flow: FlowEntry) -> dict[Account, int]:
    """Money from outside, never a profit unless the operator says that it was interest or funding.

    What turned out to belong to a transfer is no flow: the transfer books it then.  What brought a transfer back that the
    ledger had booked as lost on the way makes that good.
    """
    number = 0 if flow.classified.startswith("transfer:") else units(flow.quantity)
    other = EARNED if _earned(flow) else CHARGES if flow.classified.startswith("returned:") else OUTSIDE
    return {(flow.venue, flow.asset): number, (other, flow.asset): -number}


def moved_terms(lines: Position, marks: Marks) -> dict[str, int]:
    """What a movement of money gained: each account that is not ours stands for one term; in fine parts."""
    terms: dict[str, int] = {}
    for (account, asset), number in lines.items():
        if not own(account):
            term = _TERMS[account]
            terms[term] = terms.get(term, 0) - value_of(asset, number, marks)
    return terms


def _earned(flow: FlowEntry) -> bool:
    return flow.classified.strip().lower().startswith(_EARNINGS)


def _add(position: dict[Account, int], account: Account, number: int) -> None:
    if number:
        position[account] = position.get(account, 0) + number
