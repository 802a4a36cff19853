"""What rates, positions and accounts are worth: mid rates, the zero curve, mark to market, health.  Reads the core.

The page leaves most of the formulas open (U25).  Here: a dated position is worth its principal, and its stream against the
market's rate r over the T years that remain, `(flow − quantity · r) · T / (1 + r · T)`; `dv01 = −quantity · T · 0.0001`;
collateral is 80 % of assets; each dated position needs a margin of a shift of the curve by 1 % (`RATES_MARGIN`), and
`healthScore = assetLtv / (liability + margin)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from attrs import define, field, frozen

from clients.exchange import Side
from ilp.simulation.infinity.listings import RATE_SCALE, RateMarket, year_fraction
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.records import Event, Trade, Traded

__all__ = ["HEALTHIEST", "Figures", "Valuation"]

HEALTHIEST = Decimal(10_000)
"""The health of who owes nothing."""

RATES_MARGIN = Decimal("0.01")
BASIS_POINT = Decimal("0.0001")
_NOTHING: Mapping[str, int] = {}


@frozen
class Figures:
    """An account in dollars."""

    asset: Decimal
    asset_ltv: Decimal
    liability: Decimal
    margin: Decimal

    @property
    def health(self) -> Decimal:
        """How often collateral covers what is owed."""
        owed = self.liability + self.margin
        return min(HEALTHIEST, self.asset_ltv / owed) if owed > 0 else HEALTHIEST

    @property
    def spare(self) -> Decimal:
        """Collateral beyond what is needed."""
        return self.asset_ltv - self.liability - self.margin


@define(eq=False)
class Valuation:
    """Values of one venue.

    :ivar last: the newest trade of each market.
    """

    core: RateCore
    last: dict[str, Trade] = field(factory=dict)

    def take(self, event: Event) -> None:
        """Follow the core."""
        if isinstance(event, Traded):
            self.last[event.trade.contract] = event.trade

    # ------------------------------------------------------------------------------------------------- rates

    def last_rate(self, market: RateMarket) -> Decimal | None:
        """The newest trade's rate; of a floating market without one, the rate at which its index grows."""
        trade = self.last.get(market.ticker)
        if trade is not None:
            return market.price(trade.price)
        index = self.core.indices.get(market.ticker)
        return None if index is None else index.rate

    def mid(self, market: RateMarket) -> Decimal | None:
        """Half way between best bid and ask, else the last rate; None where there is neither."""
        book = self.core.book(market.ticker)
        if book.bids and book.asks:
            return (market.price(book.bids[0][0]) + market.price(book.asks[0][0])) / 2
        return self.last_rate(market)

    def curve(self, token: str) -> list[tuple[Decimal, Decimal]]:
        """(years, rate) of the markets that have a rate, by maturity; the floating one is at 0."""
        points = []
        for market in self.core.markets(token):
            rate = self.mid(market)
            if rate is not None:
                points.append((_years(market, self.core), rate))
        return sorted(points)

    def interpolated(self, token: str, years: Decimal) -> Decimal:
        """The curve's rate for a term: straight between its points, level beyond them; 0 without any."""
        points = self.curve(token)
        if not points:
            return Decimal(0)
        before = [point for point in points if point[0] <= years]
        after = [point for point in points if point[0] >= years]
        if not before or not after:
            return (after or points[-1:])[0][1] if not before else before[-1][1]
        (start, low), (end, high) = before[-1], after[0]
        return low if start == end else low + (high - low) * (years - start) / (end - start)

    # ------------------------------------------------------------------------------------------------- positions

    def net(self, account: str, market: RateMarket) -> Decimal:
        """A position with its interest, in tokens."""
        units = self.core.position(account, market.ticker) + self.core.accrued(account, market.ticker)
        return market.quantity(units)

    def mtm(self, account: str, market: RateMarket) -> Decimal:
        """What a dated position's stream is worth beyond the market's, in tokens; 0 of a floating one."""
        held = self.core.dated_positions.get((account, market.ticker))
        if held is None or market.maturity is None:
            return Decimal(0)
        years = _years(market, self.core)
        rate = self.interpolated(market.token.code, years)
        flow = Decimal(held.flow) / RATE_SCALE / market.base.denominator
        return (flow - market.quantity(held.quantity) * rate) * years / (1 + rate * years)

    def dv01(self, account: str, market: RateMarket) -> Decimal:
        """What a position gains, in tokens, when the market's rate rises by a basis point."""
        return -market.quantity(self.core.position(account, market.ticker)) * self.unit_dv01(market)

    def unit_dv01(self, market: RateMarket) -> Decimal:
        """The value of a basis point on one token until maturity; 0 of a floating market."""
        return _years(market, self.core) * BASIS_POINT

    # ------------------------------------------------------------------------------------------------- accounts

    def figures(self, account: str, borrowing: Mapping[str, int] = _NOTHING) -> Figures:
        """An account as if it had also borrowed so much on these markets."""
        values: dict[str, tuple[Decimal, Decimal]] = {}
        margin = Decimal(0)
        for code, token in self.core.tokens.items():
            units = self.core.balance(account, code)
            units += sum(more for name, more in borrowing.items() if self.core.pairs[name].base.ticker == code)
            cash = token.currency.amount(units)
            values[code] = (max(cash, Decimal(0)), max(-cash, Decimal(0)))
        for market in self._held(account, borrowing):
            lent = self.net(account, market) + self.mtm(account, market)
            lent -= market.quantity(borrowing.get(market.ticker, 0))
            asset, owed = values[market.token.code]
            values[market.token.code] = asset + max(lent, Decimal(0)), owed + max(-lent, Decimal(0))
            size = self.core.position(account, market.ticker) - borrowing.get(market.ticker, 0)
            need = abs(market.quantity(size)) * _years(market, self.core) * RATES_MARGIN
            margin += need * self.core.prices[market.token.code]
        prices, tokens = self.core.prices, self.core.tokens
        return Figures(
            sum((asset * prices[code] for code, (asset, _) in values.items()), Decimal(0)),
            sum((asset * prices[code] * tokens[code].ltv for code, (asset, _) in values.items()), Decimal(0)),
            sum((owed * prices[code] for code, (_, owed) in values.items()), Decimal(0)),
            margin,
        )

    def _held(self, account: str, borrowing: Mapping[str, int]) -> list[RateMarket]:
        held = self.core.held_positions(account)
        names = {market.ticker for market in held}
        others = [self.core.market(name) for name in borrowing if name not in names]
        return held + [market for market in others if market is not None]

    def can_borrow(self, account: str, market: RateMarket, quantity: int) -> bool:
        """Whether collateral covers *quantity* more, with every open order to borrow filled."""
        borrowing = {market.ticker: quantity}
        for order in self.core.open_orders(account):
            if order.side is Side.BUY:
                borrowing[order.contract] = borrowing.get(order.contract, 0) + order.quantity_left
        return self.figures(account, borrowing).spare >= 0

    def removable(self, account: str, code: str) -> Decimal:
        """How much of a token could leave an account now."""
        token = self.core.tokens[code]
        free = max(Decimal(0), token.currency.amount(self.core.available(account, code)))
        found = self.figures(account)
        price = self.core.prices[code]
        if found.liability + found.margin <= 0 or not price or not token.ltv:
            return free
        return max(Decimal(0), min(free, found.spare / (price * token.ltv)))


def _years(market: RateMarket, core: RateCore) -> Decimal:
    return Decimal(0) if market.maturity is None else year_fraction(market.maturity, core.now())
