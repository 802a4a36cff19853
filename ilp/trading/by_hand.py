"""What a transfer that an operator wants would cost and bring: the charges of the plan's own moves, at the present rate."""

from __future__ import annotations

from decimal import Decimal

from ilp.settings import Cost, Parameters
from ilp.trading.layout import Layout
from ilp.trading.market import Rate
from ilp.trading.transfers_plan import WantedTransfer

__all__ = ["Unlikely", "wanted"]

FINEST = Decimal("1e-8")  # finer than any venue counts


class Unlikely(Exception):
    """Such a transfer makes no sense; says what is wrong with `field`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def wanted(
    layout: Layout, parameters: Parameters, rate: Rate | None, asset: str, way: tuple[str, str], amount: Decimal
) -> WantedTransfer:
    """The transfer of *amount* of *asset* on *way*, from a venue to the other one or, with an empty name, to the bank.

    Where both pairs are on one account its money goes from there to there, and becomes the other currency.

    :raise Unlikely: for an asset or venue that the pool does not have, and where the charges eat all of it.
    """
    from_venue, to_venue = way
    venues = layout.traded  # what lies in a reserve is moved there, not from here
    if from_venue not in venues:
        raise Unlikely("from", f"must be {' or '.join(venues)}; {from_venue!r} is not")
    held = [name for venue, name in layout.holdings if venue == from_venue]
    if asset not in held:
        raise Unlikely("asset", f"{from_venue} holds {' and '.join(held)}; {asset!r} is none of them")
    if to_venue not in venues and (to_venue or (from_venue, asset) != (layout.source.venue, layout.source.quote)):
        raise Unlikely(
            "to", f"must be the other venue; only {layout.source.quote} of {layout.source.venue} goes to a bank"
        )
    if to_venue == from_venue and not (layout.one_account and asset != layout.base):
        raise Unlikely("to", f"is {to_venue}, where it comes from")
    charge, expected = _terms(layout, parameters, rate, asset, way, amount)
    if expected <= 0:
        raise Unlikely("amount", f"the charge of {charge:f} {asset} leaves nothing of {amount:f}")
    to_asset = layout.arrives_as((asset, from_venue, to_venue))
    return WantedTransfer(asset, from_venue, to_venue, to_asset, amount, _fine(charge), _fine(expected))


def _terms(
    layout: Layout, parameters: Parameters, rate: Rate | None, asset: str, way: tuple[str, str], amount: Decimal
) -> tuple[Decimal, Decimal]:
    """The charge, in what leaves, and what should arrive, in what it becomes."""
    source, target = layout.pairs
    if asset == source.base:
        charge = _charge(parameters.btc_fee, amount)
        return charge, amount - charge
    cost = parameters.fiat_exchange_cost
    if not way[1]:
        charge = amount - (amount - cost.fixed) / (1 + cost.proportional)
        return charge, amount - charge
    if source.quote == target.quote:
        charge = _charge(cost, amount)
        return charge, amount - charge
    if rate is None:
        raise Unlikely("asset", f"there is no rate yet at which {asset} could be converted")
    if asset == source.quote:
        charge = _charge(cost, amount)
        return charge, (amount - charge) / rate.ask
    charge = _charge(Cost(cost.fixed / rate.bid, cost.proportional), amount)
    return charge, (amount - charge) * rate.bid


def _charge(cost: Cost, amount: Decimal) -> Decimal:
    return amount * cost.proportional + cost.fixed


def _fine(amount: Decimal) -> Decimal:
    return amount.quantize(FINEST)
