"""How an exposure is closed: how much, at which limit, and what the plan keeps of it.  Pure; the trader sends and waits.

Hedge and plan never work against each other: where the plan would trade the other way on the same book, the opposite parts
cancel out before anything is sent, and what the plan thereby keeps is exposure no more.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from clients.exchange import Market, Side
from ilp.trading.sides import Sides
from ilp.trading.steps import down, protective
from ilp.trading.view import trade_minimum

__all__ = ["Closing", "Funds", "closing", "kept_by_plan", "limit_price", "open_part", "slippage_within"]

ZERO = Decimal(0)
ONE = Decimal(1)


@frozen
class Funds:
    """What the source's account can spend on a hedge, and the fee it takes (a fraction of the quote currency)."""

    base: Decimal
    quote: Decimal
    fee: Decimal


@frozen
class Closing:
    """The one order that closes an exposure, or why there is none.

    :ivar quantity: base units, on the lot; 0 when nothing is to be sent, `reason` says why then.
    :ivar price: the limit, on the tick.
    """

    side: Side
    quantity: Decimal
    price: Decimal
    reason: str = ""


def open_part(net: Decimal, max_unhedged: Decimal) -> Decimal:
    """The signed part of the exposure *net* that is beyond what the operator keeps as a float."""
    beyond = abs(net) - max_unhedged
    return beyond.copy_sign(net) if beyond > 0 else ZERO


def kept_by_plan(exposure: Decimal, plan_trade: Decimal, minimum: Decimal = ZERO) -> Decimal:
    """The signed part of *exposure* that stays because the plan would trade it back.

    :param plan_trade: base that the plan wants to buy (positive) or sell on the same book, once the exposure is closed.
    :param minimum: the least that the source takes; a rest below it stays with the part that is kept.
    """
    if exposure * plan_trade <= 0:
        # Closing a received 1 BTC is a sale: a plan that buys stands against it, so equal signs cancel out.
        return ZERO
    kept = min(abs(exposure), abs(plan_trade))
    if abs(exposure) - kept < minimum:
        kept = abs(exposure)
    return kept.copy_sign(exposure)


def limit_price(book: Sides, side: Side, max_slippage: Decimal, rules: Market | None) -> Decimal | None:
    """The worst price of a hedge: *max_slippage* (a fraction) from the best one; None where that side is empty."""
    rows = book.asks if side is Side.BUY else book.bids
    if not rows:
        return None
    factor = ONE + max_slippage if side is Side.BUY else ONE - max_slippage
    return protective(rows[0][0] * factor, side, rules["tick_size"] if rules is not None else ZERO)


def slippage_within(
    book: Sides, side: Side, max_slippage: Decimal, reference: Decimal, band: Decimal
) -> Decimal | None:
    """*max_slippage*, or as much of it as keeps the limit within *band* (a fraction) around *reference*.

    None where the best price itself is outside of the band: nothing may be sent then.
    """
    rows = book.asks if side is Side.BUY else book.bids
    if not rows or rows[0][0] <= 0:
        return max_slippage
    farthest = reference * (ONE + band if side is Side.BUY else ONE - band)
    slack = farthest / rows[0][0] - ONE if side is Side.BUY else ONE - farthest / rows[0][0]
    return None if slack < 0 else min(max_slippage, slack)


def closing(
    exposure: Decimal, book: Sides, funds: Funds, max_slippage: Decimal, largest: Decimal, rules: Market | None
) -> Closing:
    """The order that closes *exposure* (signed base received) on a source.

    :param largest: base units that one order may have; the rest follows with the next one.
    """
    side = Side.SELL if exposure > 0 else Side.BUY
    price = limit_price(book, side, max_slippage, rules)
    if price is None or price <= 0:
        return Closing(side, ZERO, ZERO, f"no {'bids' if side is Side.SELL else 'asks'} on the source")
    lot = rules["lot_size"] if rules is not None else ZERO
    minimum = trade_minimum(rules, price)
    wanted = down(min(abs(exposure), largest), lot)
    if wanted < minimum or not wanted:
        return Closing(side, ZERO, price, f"{abs(exposure)} is below the source's minimum of {minimum}: carried")
    payable = funds.base if side is Side.SELL else funds.quote / (price * (ONE + funds.fee))
    quantity = down(min(wanted, max(payable, ZERO)), lot)
    if quantity < minimum or not quantity:
        return Closing(side, ZERO, price, f"the source's balance pays for {payable:.8f} only, the hedge needs {wanted}")
    return Closing(side, quantity, price)
