"""What predictions and futures hold of the margin currency, as a Sputnik exchange reckons it (5.6 of its protocol).

Pure, in wire integers; knows no account: positions, orders and prices are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from clients.exchange import Side
from clients.sputnik_wire import Contract, Contracts

__all__ = ["MARGIN_CURRENCY", "UNKNOWN", "Resting", "futures_margin", "margin", "prediction_margin"]

MARGIN_CURRENCY = "BTC"  # the venue knows no other
UNKNOWN = 2**48  # what the venue asks for where it has no safe price


@frozen
class Resting:
    """An order that may still trade, in wire units; `quantity` is what is left of it."""

    contract: str
    side: Side
    price: int
    quantity: int


def margin(
    contracts: Contracts,
    positions: Mapping[str, int],
    orders: Iterable[Resting],
    safe_prices: Mapping[str, int],
    references: Mapping[str, int],
    *,
    low: bool = False,
) -> int:
    """Smallest units of the margin currency that all predictions and futures hold, fees aside."""
    by_contract: dict[str, list[Resting]] = {}
    for order in orders:
        by_contract.setdefault(order.contract, []).append(order)
    total = 0
    for ticker, contract in contracts.items():
        position, own = positions.get(ticker, 0), by_contract.get(ticker, [])
        if not position and not own:
            continue
        if contract.contract_type == "prediction":
            total += prediction_margin(contracts, contract, position, own)
        elif contract.contract_type == "futures":
            percent = (contract.margin_low if low else contract.margin_high) or 0
            total += futures_margin(contract, position, own, safe_prices.get(ticker), references.get(ticker), percent)
    return total


def prediction_margin(contracts: Contracts, contract: Contract, position: int, orders: Iterable[Resting]) -> int:
    """Step 3: the worse of all buys and of all sells, each with what the position may have to pay out at its end."""
    longest, shortest, cost, proceeds = position, position, 0, 0
    for order in orders:
        value = contracts.cash(contract.contract, order.price, order.quantity)
        if order.side is Side.BUY:
            longest, cost = longest + order.quantity, cost + value
        else:
            shortest, proceeds = shortest - order.quantity, proceeds + value
    payoff = contract.lot_size
    return max(cost + payoff * max(0, -longest), -proceeds + payoff * max(0, -shortest))


def futures_margin(
    contract: Contract, position: int, orders: Iterable[Resting], safe: int | None, reference: int | None, percent: int
) -> int:
    """Step 4: a share of the value at the safe price, and what the position has lost since its reference price."""
    if safe is None:
        return UNKNOWN
    listed = tuple(orders)
    longest = position + sum(order.quantity for order in listed if order.side is Side.BUY)
    shortest = position - sum(order.quantity for order in listed if order.side is Side.SELL)
    lost = (safe if reference is None else reference) - safe

    def of(held: int) -> int:
        value = abs(held) * percent * safe * contract.lot_size // contract.denominator // 100
        return value + held * lost * contract.lot_size // contract.denominator

    return max(of(longest), of(shortest))
