"""What Infinity's private REST calls answer: money on its way, orders, positions, accounts.  Pure."""

from __future__ import annotations

from decimal import Decimal

from msgspec import field

from clients.infinity_records import Bucket, Row
from clients.infinity_terms import Quantity, Rate, TokenAmount

__all__ = [
    "Account",
    "AccountPosition",
    "AccountToken",
    "BlockChain",
    "Deposit",
    "FloatingPosition",
    "MaxBorrow",
    "MyOrder",
    "OrderAnswer",
    "OrderFill",
    "OwnRates",
    "OwnTrade",
    "PositionDv01",
    "Transaction",
    "User",
    "UserAccount",
    "Withdrawal",
]


# ---------------------------------------------------------------------------------------------------------- funding


class BlockChain(Row, frozen=True, kw_only=True):
    """How far the venue has read a chain."""

    name: str
    processed_block_num: int
    processed_block_hash: str = ""


class Deposit(Row, frozen=True, kw_only=True):
    """A deposit; the venue does not document its members."""

    id: int
    token_id: int
    quantity: TokenAmount
    block_id: int | None = None
    tx_hash: str | None = None
    create_date: int | None = None


class Withdrawal(Row, frozen=True, kw_only=True):
    """A withdrawal; the venue does not document its members."""

    request_id: int
    token_id: int
    quantity: TokenAmount
    fee: TokenAmount | None = None
    status: int | None = None
    to_address: str | None = None
    tx_hash: str | None = None
    create_date: int | None = None


# ---------------------------------------------------------------------------------------------------------- trading


class OrderFill(Row, frozen=True, kw_only=True):
    """A match, as an order's row or answer tells it."""

    rate: Rate
    quantity: Quantity
    side: bool | None = None
    date: int | None = None


class MyOrder(Row, frozen=True, kw_only=True):
    """An own order; `status` may be any number, see `OrderStatus`."""

    order_id: int
    instrument_id: str
    side: bool
    quantity: Quantity
    status: int
    fulfilled: Quantity = Quantity(0)
    market_id: int | None = None
    account_id: int | None = None
    order_type: int | None = None
    rate: Rate | None = None
    client_order_id: str | None = None
    passive: bool | None = None
    order_date: int | None = None
    update_date: int | None = None
    source: int | None = None
    days_to_maturity: int | None = None
    maturity_date: int | None = None
    average_trade_rate: Rate | None = None
    trades: tuple[OrderFill, ...] = ()


class OrderAnswer(Row, frozen=True, kw_only=True):
    """What placing an order answers."""

    order: MyOrder
    trxs: tuple[OrderFill, ...] = ()
    trx_dropped: bool | None = None


class OwnTrade(Row, frozen=True, kw_only=True):
    """An own trade; the venue's own names are a mixture."""

    trx_id: int
    instrument_id: str
    order_id: int
    date: int
    market_id: int | None = None
    client_order_id: str | None = None
    order_type: int | None = field(name="order_type", default=None)
    order_side: bool = field(name="order_side")
    order_rate: Rate | None = field(name="order_rate", default=None)
    trade_rate: Rate = field(name="trade_rate")
    order_quantity: Quantity | None = field(name="order_quantity", default=None)
    trade_quantity: Quantity = field(name="trade_quantity")


class OwnRates(Row, frozen=True, kw_only=True):
    """Own resting orders by rate: floating and fixed."""

    ir: tuple[Bucket, ...] = ()
    fr: tuple[Bucket, ...] = ()


class AccountPosition(Row, frozen=True, kw_only=True):
    """A position in an instrument: `quantity` is positive for lent, negative for borrowed."""

    account_id: int
    instrument_id: str
    quantity: Quantity
    token_id: int | None = None
    rate: Rate | None = None
    price: Decimal | None = None
    accrued_interest: TokenAmount = TokenAmount(0)
    net_positions: TokenAmount | None = None
    mtm: TokenAmount | None = None
    pv: TokenAmount | None = None
    dv01: Decimal | None = None
    roll_over_hour: int | None = None
    maturity_date: int | None = None


class FloatingPosition(Row, frozen=True, kw_only=True):
    """A floating position with the index that it was entered at."""

    account_id: int
    instrument_id: str
    market_id: int
    price_index: Decimal
    quantity: Quantity
    update_date: int | None = None


class PositionDv01(Row, frozen=True, kw_only=True):
    """A position and what a basis point does to it; obsolete since January 2024.  The account's id is a text here."""

    account_id: str
    instrument_id: str
    market_id: int
    position: Quantity
    token_id: int | None = None
    dv01: Decimal | None = None
    maturity_date: int | None = None


# --------------------------------------------------------------------------------------------------------- accounts


class UserAccount(Row, frozen=True, kw_only=True):
    """An account's id and type."""

    account_id: int
    type: int


class User(Row, frozen=True, kw_only=True):
    """Whose token it is."""

    user_id: int
    address: str
    user_type: int | None = None
    accounts: tuple[UserAccount, ...] = ()


class AccountToken(Row, frozen=True, kw_only=True):
    """A token in an account."""

    token_id: int
    code: str
    quantity: TokenAmount
    locked_quantity: TokenAmount = TokenAmount(0)
    available_quantity: TokenAmount | None = None
    account_id: int | None = None
    token_type: int | None = None
    value_type: int | None = None
    token_valuation_protocol: int = 0

    @property
    def available(self) -> TokenAmount:
        """What no order holds."""
        told = self.available_quantity
        return self.quantity - self.locked_quantity if told is None else told


class Account(Row, frozen=True, kw_only=True):
    """An account with its collateral in USD."""

    account_id: int
    type: int
    user_id: int | None = None
    name: str = ""
    status: int | None = None
    health_score: Decimal | None = None
    asset: Decimal | None = None
    asset_ltv: Decimal | None = None
    liability: Decimal | None = None
    rates_margin: Decimal | None = None
    ltv_type: int | None = None
    update_date: int | None = None
    tokens: tuple[AccountToken, ...] = ()


class MaxBorrow(Row, frozen=True, kw_only=True):
    """What an account has of a token and could borrow or withdraw; in tokens, the price in USD."""

    account_id: int
    token_id: int
    price: Decimal | None = None
    net_asset_value: TokenAmount | None = None
    cash: TokenAmount | None = None
    cash_available: TokenAmount | None = None
    interest: TokenAmount | None = None
    net_positions: TokenAmount | None = None
    mtm: TokenAmount | None = None
    pv: TokenAmount | None = None
    net_transfers: TokenAmount | None = None
    max_withdraw: TokenAmount | None = None
    max_borrow: TokenAmount | None = None
    total_transfers: TokenAmount | None = None


class Transaction(Row, frozen=True, kw_only=True):
    """A change of an account's cash: `quantity` has a sign, `balance` is what was there after it."""

    trx_id: int
    account_id: int
    token_id: int
    type: int
    quantity: TokenAmount
    create_date: int
    balance: TokenAmount | None = None
