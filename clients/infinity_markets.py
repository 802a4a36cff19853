"""What Infinity lists: instruments with steps and minima, tokens, and what is wrong with an order.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from attrs import define, field, frozen

from clients.exchange import Market
from clients.infinity_records import MarketInfo, Token
from clients.infinity_terms import TOKENS, Instrument, Quantity, Rate, TokenAmount
from clients.venue import cash_market

__all__ = ["Listed", "Markets"]

_FINEST = 8  # decimals of withdrawals: finer than anybody counts


@frozen
class Listed:
    """A market as orders need it.

    :ivar maturity: milliseconds; None for a floating one.
    """

    id: str
    instrument: Instrument
    step: Quantity
    least: Quantity
    most: Quantity | None
    rate_step: Rate
    enabled: bool
    maturity: int | None

    @classmethod
    def of(cls, info: MarketInfo) -> Listed:
        """From the venue's own description; what it leaves out comes from its table of tokens."""
        instrument = Instrument.parse(info.instrument_id)
        table = TOKENS.get(instrument.token)
        step = info.quantity_step or (table.quantity_step if table else None)
        rate_step = info.rate_step or (table.rate_step if table else None)
        if not step or not rate_step or step < Quantity(0) or rate_step < Rate(0):
            raise ValueError(f"{info.instrument_id} has no steps")
        least = info.min_quantity or (table.min_quantity if table else step)
        most = info.max_quantity or None
        return cls(info.instrument_id, instrument, step, least, most, rate_step, info.enable, info.maturity_date)

    def fault(self, quantity: Quantity, rate: Rate | None) -> str:
        """What is wrong with an order, or nothing."""
        if not self.enabled:
            return "the market is closed"
        if quantity <= Quantity(0) or quantity % self.step:
            return f"the quantity is no positive multiple of {self.step}"
        if quantity < self.least:
            return f"the quantity is below the minimum of {self.least}"
        if self.most is not None and quantity > self.most:
            return f"the quantity is above the maximum of {self.most}"
        if rate is not None and (rate <= Rate(0) or rate % self.rate_step):
            return f"the rate is no positive multiple of {self.rate_step}"
        return ""

    def floor_rate(self, rate: Rate) -> Rate:
        """Down to the step."""
        return (rate / self.rate_step).to_integral_value(ROUND_FLOOR) * self.rate_step

    def ceil_rate(self, rate: Rate) -> Rate:
        """Up to the step."""
        return (rate / self.rate_step).to_integral_value(ROUND_CEILING) * self.rate_step

    def floor_quantity(self, quantity: Quantity) -> Quantity:
        """Down to the step."""
        return (quantity / self.step).to_integral_value(ROUND_FLOOR) * self.step

    def record(self) -> Market:
        """For `getMarkets`: `kind` says that its price is a rate and that no cash of a quote currency changes hands."""
        return Market(
            contract=self.id,
            kind="rate",
            base=self.instrument.token,
            quote=None,
            tick_size=self.rate_step.value,
            lot_size=self.step.value,
            min_quantity=self.least.value,
            min_notional=Decimal(0),
        )


@define(eq=False)
class Markets:
    """Everything listed; filled by each connection.

    :ivar names: what tokens are called here, where that is not the venue's own code.
    :ivar unusable: markets that cannot be read, with the reason.
    """

    names: Mapping[str, str] = field(factory=dict)
    listed: dict[str, Listed] = field(factory=dict)
    tokens: dict[str, Token] = field(factory=dict)
    unusable: dict[str, str] = field(factory=dict)

    def fill(self, markets: Iterable[MarketInfo], tokens: Iterable[Token]) -> None:
        """All of it anew; a market that is told twice is merged by its id, the later description coming first."""
        self.listed, self.unusable = {}, {}
        for info in markets:
            try:
                self.listed[info.instrument_id] = Listed.of(info)
            except ValueError as error:
                self.unusable[info.instrument_id] = str(error)
        self.tokens = {self.name(token.code): token for token in tokens}

    def name(self, code: str) -> str:
        """What the venue's *code* of a token is called here."""
        return self.names.get(code, code)

    def fault(self, instrument: str, quantity: Quantity, rate: Rate | None) -> str:
        """What is wrong with an order, or nothing; before anything was read, the venue's table of tokens decides."""
        found = self.listed.get(instrument)
        if found is None:
            if self.listed:
                return f"{instrument!r} is no market of this venue"
            try:
                found = Listed.of(MarketInfo(instrument_id=instrument, market_id=0))
            except ValueError as error:
                return str(error)
        return found.fault(quantity, rate)

    def token_code(self, id: int) -> str:
        """A token's name by its id; its number as text where nobody knows it."""
        for name, token in self.tokens.items():
            if token.token_id == id:
                return name
        return self.name(next((token.code for token in TOKENS.values() if token.id == id), str(id)))

    def withdrawal_step(self, token: Token) -> TokenAmount:
        """How finely withdrawals of a token are counted."""
        return TokenAmount(Decimal(1).scaleb(-min(token.decimals, _FINEST)))

    def records(self) -> dict[str, Market]:
        """For `getMarkets`: markets of rates, and tokens as cash."""
        found = {id: listed.record() for id, listed in self.listed.items()}
        for code, token in self.tokens.items():
            step = self.withdrawal_step(token)
            least = max(step, (token.withdraw_fee or TokenAmount(0)) + step)
            found[code] = cash_market(code, step.value, least.value)
        return found
