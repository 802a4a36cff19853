"""What the simulated Infinity lists: tokens, floating and dated markets of rates, and which dates are listed on a day.

A market is a pair whose *base* is the token and whose *quote* is the position itself: borrowing q (BUY) brings q of the
token and takes the position down by q, lending (SELL) the other way round, so positions count lending as positive and add
up to zero over all accounts.  A rate never changes what moves.  Prices are rates in units of `RATE_SCALE`.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from attrs import frozen

from clients.infinity_terms import TOKENS, Category, Instrument, TokenInfo, ValuationProtocol
from ilp.simulation.contracts import Currency, FeeIn, Pair, TransferFee

__all__ = [
    "ALL_TOKENS",
    "RATE_SCALE",
    "ROLL_OVER",
    "TENORS",
    "RateMarket",
    "Token",
    "dated",
    "dated_market_id",
    "days_to",
    "floating",
    "listed_dates",
    "maturity_of",
    "plain",
    "traded_tokens",
    "year_fraction",
]

RATE_SCALE = 10**6
"""Wire units of a rate of 1, that is 100 % a year."""

ROLL_OVER = time(8, tzinfo=UTC)
"""Coupons are paid, markets mature and new ones are listed at this hour."""

_DAY = timedelta(days=1)
_YEAR = timedelta(days=365)
_FRIDAY = 4
_FIRST_DATED, _FIRST_DAY = 11_991, date(2023, 11, 28)
_IN_A_DAY = ("ETH", "USDT", "USDC", "WBTC", "DAI")


def plain(number: Decimal) -> str:
    """A number as the venue writes it: no exponent, no zeros at the end."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


# ----------------------------------------------------------------------------------------------------------- tokens


@frozen
class Token:
    """A token as `/public/get_tokens` tells it.

    :ivar price: in US dollars when the venue opens.
    :ivar withdraw_fee: in the token.
    :ivar underlying: token id and how much of it one is worth, for tokens of a lending protocol.
    :ivar ltv: which share of its value counts as collateral.
    """

    code: str
    id: int
    name: str
    decimals: int
    price: Decimal
    address: str
    withdraw_fee: Decimal = Decimal(0)
    value_type: int = 2
    native: bool = False
    protocol: ValuationProtocol = ValuationProtocol.NONE
    underlying: tuple[int, Decimal] | None = None
    ltv: Decimal = Decimal("0.8")

    @property
    def currency(self) -> Currency:
        """What the core holds of it."""
        fee = TransferFee(base=int(self.withdraw_fee * 10**self.decimals))
        return Currency(self.code, 10**self.decimals, withdrawal_fee=fee)


def _address(number: int) -> str:
    return f"0x{number:040x}"


ALL_TOKENS = (
    Token("WETH", 0, "Wrapped ETH", 18, Decimal("2210.5"), _address(0xC02AAA39), Decimal("0.01"), 1),
    Token("ETH", 1, "Ethereum", 18, Decimal("2210.5"), _address(0), Decimal("0.01"), 1, native=True),
    Token("USDT", 2, "USDT", 6, Decimal(1), _address(0xDAC17F95), Decimal(5)),
    Token("USDC", 3, "USD Coin", 6, Decimal(1), _address(0xA0B86991), Decimal(5)),
    Token("DAI", 4, "Dai", 18, Decimal(1), _address(0x6B175474), Decimal(5)),
    Token("WBTC", 5, "Wrapped BTC", 8, Decimal(43100), _address(0x2260FAC5), Decimal("0.0005"), 1),
    Token(
        "aUSDT", 6, "Aave interest bearing USDT", 6, Decimal("1.1201"), _address(0x3ED3B47D),
        protocol=ValuationProtocol.AAVE, underlying=(2, Decimal("1.1201")),
    ),
)  # fmt: skip


def traded_tokens(tokens: Iterable[Token] = ALL_TOKENS) -> tuple[Token, ...]:
    """Those with markets."""
    return tuple(token for token in tokens if token.code in TOKENS)


# ---------------------------------------------------------------------------------------------------------- markets


@frozen(kw_only=True)
class RateMarket(Pair):
    """A market of rates for one token.

    :ivar maturity: when principal goes back; None for the floating market.
    :ivar name: a label for people.
    :ivar max_quantity: of an order, in smallest units of the token.
    :ivar carry_fee: what each side pays a year on a floating position, as a fraction.
    """

    market_id: int
    token: Token
    name: str
    maturity: datetime | None = None
    max_quantity: int
    carry_fee: Decimal = Decimal("0.0001")

    def __attrs_post_init__(self) -> None:
        if self.lot < 1 or self.tick < 1:  # what moves is the quantity itself: no step of a rate can make a fraction
            raise ValueError(f"{self.ticker}: steps must be positive")

    @property
    def category(self) -> Category:
        """Floating or fixed."""
        return Category.FLOATING if self.maturity is None else Category.FIXED

    def cash(self, quantity: int, price: int) -> int:
        """The principal: whatever the rate, it is the quantity."""
        return quantity

    def price(self, wire: int) -> Decimal:
        """A wire rate as a fraction a year."""
        return Decimal(wire) / RATE_SCALE

    def wire_price(self, price: Decimal | str | int) -> int:
        """A rate in wire units; ValueError when it is not on the step."""
        wire = Fraction(price) * RATE_SCALE
        if wire % self.tick:
            raise ValueError(f"price {price} of {self.ticker} is not a multiple of {plain(self.price(self.tick))}")
        return int(wire)


def _market(token: Token, info: TokenInfo, id: str, market_id: int, name: str, maturity: datetime | None) -> RateMarket:
    base = token.currency
    return RateMarket(
        ticker=id,
        base=base,
        quote=Currency(id, base.denominator),
        tick=int(info.rate_step.value * RATE_SCALE),
        lot=base.units(info.quantity_step.value),
        min_quantity=base.units(info.min_quantity.value),
        max_quantity=base.units(100_000 if token.value_type == 1 else 100_000_000),
        fee_in=FeeIn.BASE,
        market_id=market_id,
        token=token,
        name=name,
        maturity=maturity,
    )


def floating(token: Token) -> RateMarket:
    """The floating market of a token."""
    info = TOKENS[token.code]
    return _market(token, info, f"{token.code}-SPOT", info.floating_market_id, f"{token.code} SPOT", None)


def dated(token: Token, maturity: datetime, label: str) -> RateMarket:
    """The market of a token for a fixed rate until *maturity*."""
    id, day = Instrument(token.code, maturity.date()).id, maturity.date()
    return _market(token, TOKENS[token.code], id, dated_market_id(token, day), f"{token.code}-{label}", maturity)


def dated_market_id(token: Token, day: date) -> int:
    """The number of the market of that date, listed or not: five a day, as the venue's examples count."""
    return _FIRST_DATED + len(_IN_A_DAY) * (day - _FIRST_DAY).days + _IN_A_DAY.index(token.code)


# ------------------------------------------------------------------------------------------------------------ dates

TENORS = ("1D", "2D", "1W", "2W", "3W", "1M", "2M", "3M", "1Q", "2Q", "3Q", "4Q")


def maturity_of(day: date) -> datetime:
    """The instant at which a market of that date matures."""
    return datetime.combine(day, ROLL_OVER)


def listed_dates(now: datetime) -> Mapping[str, date]:
    """Maturity date of each tenor as listed at *now*: dailies, Fridays, last Fridays of months and of quarters.

    One date may have several tenors.  All are later than the day of *now*; a month or quarter whose last Friday is not
    is followed by the next one.
    """
    first = now.date() + _DAY
    found = {"1D": first, "2D": first + _DAY}
    friday = first + (_FRIDAY - first.weekday()) % 7 * _DAY
    for number in range(3):
        found[f"{number + 1}W"] = friday + 7 * number * _DAY
    months = _last_fridays(first, 3, 1)
    quarters = _last_fridays(first, 4, 3)
    found |= {f"{n + 1}M": day for n, day in enumerate(months)}
    found |= {f"{n + 1}Q": day for n, day in enumerate(quarters)}
    return {tenor: found[tenor] for tenor in TENORS}


def _last_fridays(first: date, count: int, every: int) -> list[date]:
    """The last Fridays, not before *first*, of months whose number is a multiple of *every*."""
    found: list[date] = []
    year, month = first.year, first.month
    while len(found) < count:
        following = date(year + month // 12, month % 12 + 1, 1)
        last = following - _DAY
        friday = last - (last.weekday() - _FRIDAY) % 7 * _DAY
        if month % every == 0 and friday >= first:
            found.append(friday)
        year, month = following.year, following.month
    return found


def days_to(maturity: datetime, now: datetime) -> int:
    """Days that remain, begun ones counted whole."""
    return max(0, -((now - maturity) // _DAY))


def year_fraction(maturity: datetime, now: datetime) -> Decimal:
    """Years that remain, of 365 days; never below zero."""
    return max(
        Decimal(0), Decimal((maturity - now) // timedelta(microseconds=1)) / (_YEAR // timedelta(microseconds=1))
    )
