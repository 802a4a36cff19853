"""What can be held and traded at a simulated venue: currencies and pairs, in the venue's own integer units.

Owns units: smallest units of a currency, price ticks, quantity lots, and what cash a trade moves.  Knows no account, no
order and no time.  All integers are wire units; `Decimal` appears only in the conversions at the bottom of each class.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from attrs import Attribute, field, frozen

__all__ = ["NO_FEE", "Currency", "FeeIn", "Pair", "TransferFee"]


class FeeIn(Enum):
    """Which side of a pair its trade fees are taken from."""

    QUOTE = "quote"
    BASE = "base"


def _positive(_instance: object, attribute: Attribute[int], value: int) -> None:
    if value < 1:
        raise ValueError(f"{attribute.name}: {value} is not allowed; a whole number of at least 1")


@frozen
class TransferFee:
    """A deposit or withdrawal fee: *base* smallest units plus *bps* hundredths of a per cent of the amount."""

    base: int = 0
    bps: int = 0

    def of(self, amount: int, percent: int = 100) -> int:
        """The fee on *amount* for an account that pays *percent* of it, halves rounded away from zero."""
        scaled = (self.base * 10_000 + amount * self.bps) * percent
        half_up = (2 * abs(scaled) + 1_000_000) // 2_000_000
        return half_up if scaled >= 0 else -half_up


NO_FEE = TransferFee()


@frozen
class Currency:
    """Money of one kind.

    :ivar ticker: upper-case, for instance `BTC`.
    :ivar denominator: smallest units in one human unit (BTC 10**8).
    :ivar lot: withdrawals are multiples of this many smallest units.
    """

    ticker: str
    denominator: int = field(validator=_positive)
    lot: int = field(default=1, validator=_positive)
    withdrawal_fee: TransferFee = NO_FEE
    deposit_fee: TransferFee = NO_FEE

    def units(self, amount: Decimal | str | int) -> int:
        """*amount* in smallest units; ValueError unless it is a whole number of them."""
        return _whole(Decimal(amount) * self.denominator, f"{amount} {self.ticker}", f"1/{self.denominator}")

    def amount(self, units: int) -> Decimal:
        """Smallest *units* as a human amount."""
        return Decimal(units) / self.denominator


@frozen
class Pair:
    """A pair of currencies that is traded: buying delivers `base`, paid in `quote`.

    A price counts smallest units of `quote` for `denominator` human units of `base`; a quantity counts smallest units of
    `base`.  The constructor refuses steps by which a trade could cost a fraction of a smallest unit.

    :ivar tick: prices are multiples of it.
    :ivar lot: quantities are multiples of it.
    :ivar fee_bps: trade fee in hundredths of a per cent, before an account's own percentage.
    :ivar min_quantity: least quantity of an order, 0 for none beyond the lot.
    :ivar min_value: least value of an order in smallest units of `quote`, 0 for none.
    """

    ticker: str
    base: Currency
    quote: Currency
    denominator: int = field(default=1, validator=_positive)
    tick: int = field(default=1, validator=_positive)
    lot: int = field(default=1, validator=_positive)
    fee_bps: int = 0
    fee_in: FeeIn = FeeIn.QUOTE
    min_quantity: int = 0
    min_value: int = 0
    active: bool = True

    def __attrs_post_init__(self) -> None:
        if self.lot * self.tick % self._scale:
            raise ValueError(
                f"{self.ticker}: one lot of {self.lot} at one tick of {self.tick} costs a fraction of a smallest unit; "
                f"lot times tick must be a multiple of {self._scale}"
            )

    @property
    def _scale(self) -> int:
        return self.denominator * self.base.denominator

    @property
    def highest_price(self) -> int | None:
        """No order may name a higher one; None for no bound."""
        return None

    @property
    def fee_currency(self) -> str:
        """Ticker of the currency that trade fees are charged in."""
        return self.quote.ticker if self.fee_in is FeeIn.QUOTE else self.base.ticker

    def cash(self, quantity: int, price: int) -> int:
        """Smallest units of `quote` that *quantity* costs at *price*."""
        return quantity * price // self._scale

    def fee_value(self, quantity: int, price: int) -> int:
        """What a trade fee is a share of, in smallest units of the fee currency."""
        return self.cash(quantity, price) if self.fee_in is FeeIn.QUOTE else quantity

    def wire_price(self, price: Decimal | str | int) -> int:
        """A human *price* (quote per base) in wire units; ValueError when it is not on the tick."""
        wire = Decimal(price) * self.quote.denominator * self.denominator
        return _whole(wire / self.tick, f"price {price} of {self.ticker}", str(self.price(self.tick))) * self.tick

    def price(self, wire: int) -> Decimal:
        """A wire price as quote per base."""
        return Decimal(wire) / (self.quote.denominator * self.denominator)

    def wire_quantity(self, quantity: Decimal | str | int) -> int:
        """A human *quantity* of base in wire units; ValueError when it is not a multiple of the lot."""
        wire = Decimal(quantity) * self.base.denominator
        return _whole(wire / self.lot, f"quantity {quantity} of {self.ticker}", str(self.quantity(self.lot))) * self.lot

    def quantity(self, wire: int) -> Decimal:
        """A wire quantity as an amount of base."""
        return self.base.amount(wire)


def _whole(number: Decimal, what: str, step: str) -> int:
    if number != number.to_integral_value():
        raise ValueError(f"{what} is not a multiple of {step}")
    return int(number)
