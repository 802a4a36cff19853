"""Infinity's words and numbers: codes with their texts, instruments, and rates, quantities and amounts kept apart.

Pure, and shared by the client and the simulated venue.  A code that is not listed is no error: `known` hands the number
back, because a venue invents codes and nothing may be lost for it.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import Any, NamedTuple, Self

__all__ = [
    "ANY_SIZE",
    "CLIENT_ORDER_ID",
    "TOKENS",
    "AccountType",
    "Category",
    "Channel",
    "Code",
    "ErrorCode",
    "Instrument",
    "Measure",
    "OrderErrorCode",
    "OrderSide",
    "OrderStatus",
    "OrderType",
    "Quantity",
    "Rate",
    "TokenAmount",
    "TokenInfo",
    "TransactionType",
    "ValuationProtocol",
    "error_text",
]

CLIENT_ORDER_ID = re.compile(r"[0-9A-Za-z]{1,8}")
"""What a client order id has to match, whole."""


# ------------------------------------------------------------------------------------------------------------ codes


class Code(IntEnum):
    """A number of the venue with what it means; `text` is for people."""

    text: str

    def __new__(cls, value: int, text: str = "") -> Self:
        self = int.__new__(cls, value)
        self._value_ = value
        self.text = text
        return self

    @classmethod
    def known(cls, value: int) -> Self | int:
        """The member of that number, or the number itself where the venue has invented one."""
        return next((member for member in cls if member.value == value), value)

    @classmethod
    def text_of(cls, value: int) -> str:
        """What *value* means, or that it is unknown."""
        member = cls.known(value)
        return member.text if isinstance(member, cls) else f"unknown code {value}"


class ErrorCode(Code):
    """`errorCode` of an answer that says `"success": false`; the codes of orders are `OrderErrorCode`."""

    SUCCESS = 1, "success"
    PERMISSION_DENIED_SHORT = 2, "permission denied"
    UNEXPECTED_SHORT = 9, "unexpected error"
    PERMISSION_DENIED = 1000, "permission denied"
    VALIDATION_ERROR = 1001, "validation error"
    OPERATION_FAILED = 1002, "operation failed"
    UNEXPECTED = 9999, "unexpected error"
    DEPOSIT_INVALID_WALLET = 10000, "deposit: invalid wallet"
    DEPOSIT_INVALID_TOKEN = 10001, "deposit: invalid token"
    WITHDRAWAL_INVALID_WALLET = 10010, "withdrawal: invalid wallet"
    WITHDRAWAL_INVALID_TOKEN = 10011, "withdrawal: invalid token"
    WITHDRAWAL_NOT_ENOUGH_FUNDS = 10012, "withdrawal: not enough funds"
    LIQUIDATION_NOT_ENOUGH_TOKENS = 10020, "liquidation: not enough tokens"
    LIQUIDATION_NO_STEPS = 10021, "liquidation: no steps found"
    LIQUIDATION_SWAP_FAILED = 10022, "liquidation: swap failed"


class OrderErrorCode(Code):
    """`errorCode` of an answer about orders; `errorMsgKey` is the name of the member."""

    INVALID_ACCOUNT = 102, "the account is not one of this user's"
    TIMEOUT = 104, "the trade server did not answer in time"
    MINIMUM_QUANTITY_NOT_REACH = 107, "the quantity is below the market's minimum"
    NO_ORDER = 108, "there is no such order"
    ORDER_DONE_OR_CANCELLED = 109, "the order is done or cancelled already"
    TRADE_SERVER_PARSE = 110, "the trade server could not read the order"
    TRADE_SERVER_ORDER_BOOK_ERROR = 111, "the trade server's order book failed"
    TRADE_SERVER_DB = 112, "the trade server's database failed"
    TRADE_SERVER_DB_CONNECTION = 113, "the trade server has no database"
    MARKET_EXPIRED = 114, "the market has expired or does not exist"
    RATE_TRANSACTION_ERROR = 115, "the trade could not be booked"
    QUANTITY_STEP_NOT_MATCH = 120, "the quantity is no multiple of the market's step"
    NO_TWAP = 121, "there is no such time-weighted order"
    INVALID_DEDUPLICATE_STRING = 122, "the client order id is malformed or in use"
    ORDER_AUTO_CANCELLED = 191, "the order was cancelled by the venue"
    ORDER_MANUALLY_CANCELLED = 192, "the order was cancelled by its owner"


def error_text(code: int) -> str:
    """What an `errorCode` means, of whichever table."""
    member = OrderErrorCode.known(code)
    return member.text if isinstance(member, OrderErrorCode) else ErrorCode.text_of(code)


class OrderSide(Code):
    """The side of an order: 0 and 1 in requests, `false` and `true` in answers and events."""

    LEND = 0, "lend"
    BORROW = 1, "borrow"

    @classmethod
    def of_flag(cls, borrow: bool) -> OrderSide:
        """The side that an answer's JSON boolean means; a text such as `"False"` is refused and not believed."""
        if not isinstance(borrow, bool):
            raise ValueError(f"a side is true or false, not {borrow!r}")
        return cls.BORROW if borrow else cls.LEND

    @property
    def flag(self) -> bool:
        """As it stands in answers and events."""
        return self is OrderSide.BORROW


class OrderType(Code):
    """How an order is priced."""

    MARKET = 1, "market"
    LIMIT = 2, "limit"


class OrderStatus(Code):
    """Where an order is; `live` ones may still trade."""

    PENDING = 0, "not yet at the market"
    ONBOOK = 1, "on the book"
    DONE = 10, "done"
    MANUALLY_CANCELLED = 11, "cancelled by its owner"
    AUTO_CANCELLED = 12, "cancelled by the venue"
    PARTIALLY_FILLED = 13, "filled in part, the rest dropped"
    EXPIRED = 14, "expired with its market"
    ERROR = 99, "failed"

    @property
    def live(self) -> bool:
        """Whether it may still trade."""
        return self in (OrderStatus.PENDING, OrderStatus.ONBOOK)


class ValuationProtocol(Code):
    """By which protocol a token is valued."""

    NONE = 0, "none"
    AAVE = 1, "Aave"
    UNISWAP = 2, "Uniswap"
    COMPOUND = 3, "Compound"
    CURVE = 4, "Curve"


class TransactionType(Code):
    """`type` of a row of an account's transactions."""

    BORROW = 1, "borrow"
    LEND = 2, "lend"
    REPAY = 3, "repay"
    UNLEND = 4, "unlend"
    INTEREST = 5, "interest"
    TRANSFER_IN = 6, "transfer in between own accounts"
    TRANSFER_OUT = 7, "transfer out between own accounts"
    EXTERNAL_TRANSFER_IN = 8, "deposit"
    EXTERNAL_TRANSFER_OUT = 9, "withdrawal"
    TRADE = 10, "trade"
    SYSTEM_AIRDROP = 11, "system airdrop"
    LP_FEE = 12, "LP fee"
    SWAP_SECONDARY_TOKEN = 13, "swap of a secondary token"
    WITHDRAWAL_FEE = 14, "withdrawal fee"
    TRANSACTION_FEE = 15, "transaction fee"
    LP_SETUP_IN = 16, "LP setup in"
    LP_SETUP_OUT = 17, "LP setup out"
    LP_UNWIND_IN = 18, "LP unwind in"
    LP_UNWIND_OUT = 19, "LP unwind out"
    LIQUIDATION_UNLEND = 20, "unlend by liquidation"


class AccountType(Code):
    """Deposits arrive in and withdrawals leave from Current; Trading holds collateral, orders and positions."""

    CURRENT = 1, "Current"
    TRADING = 2, "Trading"


class Category(Code):
    """Which family of markets, `M` in events."""

    FLOATING = 1, "floating"
    FIXED = 2, "fixed"


class Channel:
    """Channels of the WebSocket; a subscription is `<instrument>@<channel>`."""

    ORDER_BOOK = "orderBook"
    RECENT_TRADES = "recentTrades"
    USER_ORDER = "userOrder"
    USER_TRADE = "userTrade"
    PUBLIC = (ORDER_BOOK, RECENT_TRADES)
    PRIVATE = (USER_ORDER, USER_TRADE)
    ALL = PUBLIC + PRIVATE


# ------------------------------------------------------------------------------------------------------ instruments


class Instrument(NamedTuple):
    """What is lent and borrowed: a token, at a floating rate (`maturity` None) or at a fixed one until a UTC date."""

    token: str
    maturity: date | None

    @classmethod
    def parse(cls, id: str) -> Instrument:
        """Read `ETH-SPOT` or `WBTC-2023-12-29`; `ValueError` for anything else."""
        token, _, rest = id.partition("-")
        if not re.fullmatch(r"[A-Z0-9]+", token):
            raise ValueError(f"{id!r} is no instrument; ETH-SPOT and WBTC-2023-12-29 are")
        if rest == "SPOT":
            return cls(token, None)
        try:
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", rest):
                raise ValueError
            return cls(token, date.fromisoformat(rest))
        except ValueError:
            raise ValueError(f"{id!r} is no instrument; ETH-SPOT and WBTC-2023-12-29 are") from None

    @property
    def floating(self) -> bool:
        """Whether its rate floats."""
        return self.maturity is None

    @property
    def id(self) -> str:
        """As the venue writes it."""
        return f"{self.token}-{'SPOT' if self.maturity is None else self.maturity.isoformat()}"


# --------------------------------------------------------------------------------------------------------- measures


class Measure:
    """A decimal number of one kind.  Kinds add and compare with their own only; `value` is the way out.

    Made from Decimals, whole numbers and texts, with exponents too; floats are refused, because they are not what was
    written.  A plain number scales it (`3 * rate`), its own kind divides it into a plain Decimal.
    """

    __slots__ = ("value",)

    value: Decimal

    def __init__(self, value: Decimal | int | str | Self) -> None:
        if isinstance(value, Measure):
            if type(value) is not type(self):
                raise TypeError(f"a {type(value).__name__} is no {type(self).__name__}")
            number = value.value
        elif isinstance(value, bool) or not isinstance(value, Decimal | int | str):
            raise TypeError(f"{value!r} is neither Decimal nor whole number nor text")
        else:
            try:
                number = Decimal(value)
            except InvalidOperation:
                raise ValueError(f"{value!r} is not a number") from None
        if not number.is_finite():
            raise ValueError(f"{value!r} is not a finite number")
        object.__setattr__(self, "value", number)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a {type(self).__name__} does not change")

    def _own(self, other: object) -> Decimal:
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} and {type(other).__name__} do not mix")
        return other.value

    def __add__(self, other: Self) -> Self:
        return type(self)(self.value + self._own(other))

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.value - self._own(other))

    def __neg__(self) -> Self:
        return type(self)(-self.value)

    def __abs__(self) -> Self:
        return type(self)(abs(self.value))

    def __mul__(self, factor: Decimal | int) -> Self:
        if isinstance(factor, bool) or not isinstance(factor, Decimal | int):
            return NotImplemented
        return type(self)(self.value * factor)

    __rmul__ = __mul__

    def __truediv__(self, other: Self) -> Decimal:
        return self.value / self._own(other)

    def __mod__(self, other: Self) -> Self:
        return type(self)(self.value % self._own(other))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.value == self.value

    def __lt__(self, other: Self) -> bool:
        return self.value < self._own(other)

    def __le__(self, other: Self) -> bool:
        return self.value <= self._own(other)

    def __gt__(self, other: Self) -> bool:
        return self.value > self._own(other)

    def __ge__(self, other: Self) -> bool:
        return self.value >= self._own(other)

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        """As it goes over the wire: never with an exponent, zeros at the end kept."""
        return f"{self.value:f}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self}')"


class Rate(Measure):
    """An annual rate of interest as a fraction: 0.0184 is 1.84 % a year."""

    __slots__ = ()


class Quantity(Measure):
    """A notional in units of an instrument's token: what is lent or borrowed, positive for lent where it has a sign."""

    __slots__ = ()


ANY_SIZE = Quantity(0)
"""A least size that leaves nothing out."""


class TokenAmount(Measure):
    """So much of a token in an account: balances, withdrawals, fees, interest."""

    __slots__ = ()


# ----------------------------------------------------------------------------------------------------------- tokens


class TokenInfo(NamedTuple):
    """What the venue's table says of a token; a market's own steps come first where they are told."""

    code: str
    id: int
    quantity_step: Quantity
    min_quantity: Quantity
    rate_step: Rate
    floating_market_id: int


def _token(code: str, id: int, step: str, least: str, market: int) -> TokenInfo:
    return TokenInfo(code, id, Quantity(step), Quantity(least), Rate("0.0001"), market)


TOKENS = {
    token.code: token
    for token in (
        _token("ETH", 1, "0.00001", "0.001", 1),
        _token("USDT", 2, "0.01", "1", 5),
        _token("USDC", 3, "0.01", "1", 2),
        _token("DAI", 4, "0.01", "1", 7),
        _token("WBTC", 5, "0.000001", "0.0001", 8),
    )
}
