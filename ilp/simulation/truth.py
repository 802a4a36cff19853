"""What a core holds, as JSON documents in human units: for the admin address, for tests, for anyone who wants to check."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ilp.simulation.contracts import Pair
from ilp.simulation.core import Core
from ilp.simulation.records import Deposit, Order, Withdrawal

__all__ = [
    "Document",
    "addresses_document",
    "ledger_document",
    "order_document",
    "orders_document",
    "plain",
    "transfer_document",
    "transfers_document",
]

Document = dict[str, Any]


def plain(amount: Decimal) -> str:
    """An amount without an exponent."""
    return f"{amount:f}"


def ledger_document(core: Core) -> Document:
    """Every account with all its holdings, the house's own included."""

    def amounts(account: str) -> Document:
        return {
            ticker: {
                "total": plain(core.human(ticker, held.total)),
                "held": plain(core.human(ticker, held.hold)),
                "available": plain(core.human(ticker, held.total - held.hold)),
            }
            for ticker, held in core.holdings(account).items()
        }

    house = {
        name: {ticker: plain(core.human(ticker, units)) for ticker, units in held.items()}
        for name, held in core.house().items()
    }
    return {
        "venue": core.venue,
        "time": core.now().isoformat(),
        "accounts": {name: amounts(name) for name in core.accounts},
        "house": house,
    }


def order_document(pair: Pair, order: Order) -> Document:
    """One order."""
    return {
        "id": order.id,
        "account": order.account,
        "contract": order.contract,
        "side": order.side.value,
        "price": plain(pair.price(order.price)),
        "quantity": plain(pair.quantity(order.quantity)),
        "quantity_left": plain(pair.quantity(order.quantity_left)),
        "timestamp": order.timestamp.isoformat(),
    }


def orders_document(core: Core) -> Document:
    """Every open order of every account."""
    return {"orders": [order_document(core.pairs[order.contract], order) for order in core.open_orders()]}


def transfer_document(core: Core, found: Withdrawal | Deposit) -> Document:
    """One deposit or withdrawal."""
    currency = core.currencies[found.currency]
    return {
        "id": found.id,
        "account": found.account,
        "asset": found.currency,
        "amount": plain(currency.amount(found.amount)),
        "fee": plain(currency.amount(found.fee)),
        "address": found.address,
        "status": found.status.value,
        "reference": found.reference,
        "timestamp": found.timestamp.isoformat(),
    }


def transfers_document(core: Core, kind: str, found: list[Withdrawal] | list[Deposit]) -> Document:
    """Deposits or withdrawals under the name *kind*, oldest first."""
    return {kind: [transfer_document(core, transfer) for transfer in found]}


def addresses_document(core: Core) -> Document:
    """The addresses that deposits are watched for."""
    return {"addresses": {where: {"account": who, "asset": what} for where, (who, what) in core.addresses().items()}}
