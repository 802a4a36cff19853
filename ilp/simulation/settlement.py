"""What a match of two orders moves: the legs of its booking, fees included.  Pure arithmetic on records.

A pair's two halves balance by themselves.  What other contracts leave over, for instance a future, whose cash flows with the
house and not with the other trader, goes to the clearing account.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from clients.exchange import Side
from ilp.simulation.contracts import Pair
from ilp.simulation.ledger import CLEARING, Leg, credit, debit
from ilp.simulation.records import Direction, Fill, Match, Order
from ilp.simulation.rules import Account, Rules

__all__ = ["Half", "cleared", "half"]


@frozen
class Half:
    """One order's part of a match: what its owner is told, and what the house takes.

    :ivar legs: on the owner's account: quote, base, fee; in the order in which venues tell them.
    :ivar shares: the fee on the house's accounts.
    """

    order: Order
    fill: Fill
    legs: tuple[Leg, Leg, Leg]
    shares: tuple[Leg, ...]


def half(
    pair: Pair, rules: Rules, owner: Account, order: Order, match: Match, *, aggressive: bool, cash: int | None = None
) -> Half:
    """The part of *match* that belongs to *order*; the half's order is the one after the fill.

    :param cash: what moves in the quote currency, where that is not the value of the match.
    """
    if cash is None:
        cash = pair.cash(match.quantity, match.price)
    value = pair.fee_value(match.quantity, match.price)
    fee = rules.fee(pair, owner, value, aggressive=aggressive)
    note = f"{'Aggressive' if aggressive else 'Passive'} order: {order.id}"
    pays, gets = (debit, credit) if order.side is Side.BUY else (credit, debit)
    legs = (
        pays(order.account, pair.quote.ticker, cash, note),
        gets(order.account, pair.base.ticker, match.quantity, note),
        debit(order.account, pair.fee_currency, fee, "Fee", is_fee=True),
    )
    shares = tuple(credit(to, pair.fee_currency, part, "Fee", is_fee=True) for to, part in rules.fee_split(fee))
    fill = Fill(
        match.trade_id,
        order.id,
        order.account,
        order.contract,
        order.side,
        match.price,
        match.quantity,
        fee,
        pair.fee_currency,
        aggressive,
        match.timestamp,
        order.client_id,
    )
    return Half(_filled(order, match.quantity, cash, fee), fill, legs, shares)


def _filled(order: Order, quantity: int, cash: int, fee: int) -> Order:
    left = order.quantity_left - quantity
    return evolve(order, quantity_left=left, cash=order.cash + cash, fees=order.fees + fee)


def cleared(legs: Iterable[Leg]) -> list[Leg]:
    """What the clearing account must take so that *legs* balance: nothing for a pair."""
    sums: dict[str, int] = {}
    for leg in legs:
        signed = leg.quantity if leg.direction is Direction.CREDIT else -leg.quantity
        sums[leg.currency] = sums.get(leg.currency, 0) + signed
    return [debit(CLEARING, currency, total) for currency, total in sums.items() if total]
