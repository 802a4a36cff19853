"""Contracts as a Sputnik exchange shows them, and their denominations: human amounts ↔ wire integers.

One class per contract type over the core's own records, so a further type is a further subclass of `Contract`; nothing
outside this module asks which type it has.  The core's units are the wire's, so this module only describes and converts.
Conversion to the wire rounds down to the contract's step, as the original does it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar

from attrs import frozen

from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import micros

from .derivatives import Derivative, Future

__all__ = [
    "CashContract",
    "CashPairContract",
    "Contract",
    "Description",
    "FuturesContract",
    "PredictionContract",
    "contract_of",
]


@frozen
class Description:
    """The operator's words about a contract: a line, and a page as HTML."""

    line: str = ""
    page: str = ""


def _floor(value: Decimal, step: int) -> int:
    whole = int(value.to_integral_value("ROUND_FLOOR"))
    return whole - whole % step


class Contract(ABC):
    """What every contract has."""

    type: ClassVar[str]

    @property
    @abstractmethod
    def ticker(self) -> str:
        """Its name in `get_markets` and in every record."""

    @property
    @abstractmethod
    def description(self) -> Description:
        """The operator's words about it."""

    @property
    def topic(self) -> str:
        """How topic names spell the ticker."""
        return self.ticker.replace("/", "_").lower()

    @property
    def tradable(self) -> bool:
        """Whether it has a book."""
        return True

    @abstractmethod
    def scales(self) -> Mapping[str, Any]:
        """The fields of `get_markets` in which the types differ."""

    @abstractmethod
    def price_to_wire(self, price: Decimal) -> int:
        """Human price to the wire, rounded down to the tick."""

    @abstractmethod
    def price_from_wire(self, price: int) -> Decimal:
        """Wire price to the human one, exactly."""

    @abstractmethod
    def quantity_to_wire(self, quantity: Decimal) -> int:
        """Human quantity to the wire, rounded down to the step of orders (cash: to the smallest unit)."""

    @abstractmethod
    def quantity_from_wire(self, quantity: int) -> Decimal:
        """Wire quantity to the human one, exactly."""

    def wire(self) -> dict[str, Any]:
        """The contract as `get_markets` lists it."""
        return {
            "contract": self.ticker,
            "contract_type": self.type,
            "description": self.description.line or self.ticker,
            "full_description": self.description.page,
            **self.scales(),
        }


@frozen
class CashContract(Contract):
    """A currency: it is held, deposited and withdrawn, never ordered."""

    currency: Currency
    words: Description = Description()

    type: ClassVar[str] = "cash"

    @property
    def ticker(self) -> str:
        return self.currency.ticker

    @property
    def description(self) -> Description:
        return self.words

    @property
    def tradable(self) -> bool:
        return False

    def scales(self) -> Mapping[str, Any]:
        return {
            "denominator": self.currency.denominator,
            "tick_size": 1,
            "lot_size": self.currency.lot,
            "denominated_contract_ticker": None,
            "payout_contract_ticker": None,
        }

    def price_to_wire(self, price: Decimal) -> int:
        raise ValueError(f"{self.ticker}: a currency has no price")

    def price_from_wire(self, price: int) -> Decimal:
        raise ValueError(f"{self.ticker}: a currency has no price")

    def quantity_to_wire(self, quantity: Decimal) -> int:
        return _floor(quantity * self.currency.denominator, 1)

    def quantity_from_wire(self, quantity: int) -> Decimal:
        return self.currency.amount(quantity)


@frozen
class CashPairContract(Contract):
    """`BASE/QUOTE`: one currency for another."""

    pair: Pair
    words: Description = Description()

    type: ClassVar[str] = "cash_pair"

    @property
    def ticker(self) -> str:
        return self.pair.ticker

    @property
    def description(self) -> Description:
        return self.words

    def scales(self) -> Mapping[str, Any]:
        return {
            "denominator": self.pair.denominator,
            "tick_size": self.pair.tick,
            "lot_size": self.pair.lot,
            "denominated_contract_ticker": self.pair.quote.ticker,
            "payout_contract_ticker": self.pair.base.ticker,
        }

    def price_to_wire(self, price: Decimal) -> int:
        return _floor(price * self.pair.quote.denominator * self.pair.denominator, self.pair.tick)

    def price_from_wire(self, price: int) -> Decimal:
        return self.pair.price(price)

    def quantity_to_wire(self, quantity: Decimal) -> int:
        return _floor(quantity * self.pair.base.denominator, self.pair.lot)

    def quantity_from_wire(self, quantity: int) -> Decimal:
        return self.pair.quantity(quantity)


@frozen
class DerivativeContract(Contract):
    """What predictions and futures share: whole contracts, priced in points of their denominator."""

    record: Derivative
    words: Description = Description()

    @property
    def ticker(self) -> str:
        return self.record.ticker

    @property
    def description(self) -> Description:
        return self.words

    def scales(self) -> Mapping[str, Any]:
        return {
            "denominator": self.record.denominator,
            "tick_size": self.record.tick,
            "lot_size": self.record.payoff,
            "denominated_contract_ticker": self.record.quote.ticker,
            "payout_contract_ticker": self.record.ticker,
            "expiration": micros(self.record.expiration),
        }

    def price_to_wire(self, price: Decimal) -> int:
        return _floor(price * self.record.denominator, self.record.tick)

    def price_from_wire(self, price: int) -> Decimal:
        return self.record.price(price)

    def quantity_to_wire(self, quantity: Decimal) -> int:
        return _floor(quantity, 1)

    def quantity_from_wire(self, quantity: int) -> Decimal:
        return Decimal(quantity)


@frozen
class PredictionContract(DerivativeContract):
    """Pays its lot when it comes true."""

    type: ClassVar[str] = "prediction"


@frozen
class FuturesContract(DerivativeContract):
    """Pays its lot for each point."""

    record: Future
    words: Description = Description()

    type: ClassVar[str] = "futures"

    def scales(self) -> Mapping[str, Any]:
        return {**super().scales(), "margin_low": self.record.margin_low, "margin_high": self.record.margin_high}


_NO_WORDS: Mapping[str, Description] = MappingProxyType({})


def contract_of(record: Currency | Pair, descriptions: Mapping[str, Description] = _NO_WORDS) -> Contract:
    """The contract of one of the core's records."""
    words = descriptions.get(record.ticker, Description())
    if isinstance(record, Future):
        return FuturesContract(record, words)
    if isinstance(record, Derivative):
        return PredictionContract(record, words)
    return CashPairContract(record, words) if isinstance(record, Pair) else CashContract(record, words)
