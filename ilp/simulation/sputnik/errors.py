"""The error codes of a Sputnik exchange and the exception that carries them to the envelope of an answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from ilp.simulation.rejections import (
    AccountDisabled,
    ContractExpired,
    ContractNotActive,
    InsufficientFunds,
    InvalidAmount,
    InvalidPriceQuantity,
    NotTradable,
    NotYourOrder,
    OffStep,
    OrderCancelled,
    Rejection,
    UnknownOrder,
    WithdrawalTooSmall,
)

__all__ = ["Code", "Refusal", "code_of"]


class Code(StrEnum):
    """First string of the `error` list of an envelope; the values are the wire's."""

    SCHEMA = "exceptions/webserver/schema_exception"
    DENIED = "exceptions/webserver/denied"
    NO_SUCH_TICKER = "exceptions/webserver/no-such-ticker"
    ZERO_PRICE_QUANTITY = "exceptions/webserver/invalid_price_quantity"
    INVALID_WITHDRAWAL_AMOUNT = "exceptions/webserver/invalid-withdrawal-amount"
    INVALID_OTP = "exceptions/webserver/invalid_otp"
    DATABASE_ERROR = "exceptions/webserver/database-error"
    INSUFFICIENT_MARGIN = "exceptions/accountant/insufficient_margin"
    TRADE_NOT_PERMITTED = "exceptions/accountant/trade_not_permitted"
    WITHDRAW_NOT_PERMITTED = "exceptions/accountant/withdraw_not_permitted"
    INVALID_CURRENCY_QUANTITY = "exceptions/accountant/invalid_currency_quantity"
    WITHDRAWAL_TOO_SMALL = "exceptions/accountant/withdrawal_too_small"
    DISABLED_USER = "exceptions/accountant/disabled_user"
    CONTRACT_EXPIRED = "exceptions/accountant/contract_expired"
    CONTRACT_NOT_ACTIVE = "exceptions/accountant/contract_not_active"
    CONTRACT_CLEARING = "exceptions/accountant/contract_clearing"
    INVALID_CONTRACT_TYPE = "exceptions/accountant/invalid_contract_type"
    INVALID_PRICE_QUANTITY = "exceptions/accountant/invalid_price_quantity"
    NO_ORDER_FOUND = "exceptions/accountant/no_order_found"
    USER_ORDER_MISMATCH = "exceptions/accountant/user_order_mismatch"
    ORDER_CANCELLED = "exceptions/accountant/order_cancelled"
    USERNAME_TAKEN = "exceptions/administrator/username_taken"
    USER_LIMIT_REACHED = "exceptions/administrator/user_limit_reached"
    MALICIOUS_INPUT = "exceptions/administrator/malicious_looking_input"
    NO_SUCH_USER = "exceptions/administrator/no_such_user"
    PASSWORD_MISMATCH = "exceptions/administrator/password_mismatch"
    INVALID_TOKEN = "exceptions/administrator/invalid_token"
    EXPIRED_TOKEN = "exceptions/administrator/expired_token"
    TOTP_NOT_ENABLED = "exceptions/administrator/totp_not_enabled"
    TOTP_ALREADY_ENABLED = "exceptions/administrator/totp_already_enabled"
    CALL_TIMED_OUT = "exceptions/zmq/call-timed-out"
    GENERIC = "exceptions/sputnik/generic_exception"
    REST_NOT_AUTHORIZED = "exceptions/rest/not_authorized"
    REST_INVALID_NONCE = "exceptions/rest/invalid_nonce"
    INVALID_JSON = "exceptions/rest/invalid_json"
    NO_SUCH_FUNCTION = "exceptions/rest/no_such_function"
    UNSUPPORTED_METHOD = "exceptions/rest/unsupported_method"
    REST_GENERIC = "exceptions/rest/generic_error"
    REST_INTERNAL = "exceptions/rest/internal_error"


class Refusal(Exception):
    """A call is answered with `success: false`.

    :ivar error: the `error` list of the envelope: normally a code, then details.
    """

    def __init__(self, *error: Any) -> None:
        super().__init__(*error)
        self.error: list[Any] = [str(part) if isinstance(part, Code) else part for part in error]


# What the core's refusals are called here.  A missing permission has two names, so the calls that meet it say which.
_CODES: tuple[tuple[type[Rejection], Code], ...] = (
    (NotYourOrder, Code.USER_ORDER_MISMATCH),
    (UnknownOrder, Code.NO_ORDER_FOUND),
    (OrderCancelled, Code.ORDER_CANCELLED),
    (NotTradable, Code.INVALID_CONTRACT_TYPE),
    (ContractNotActive, Code.CONTRACT_NOT_ACTIVE),
    (ContractExpired, Code.CONTRACT_EXPIRED),
    (InvalidPriceQuantity, Code.INVALID_PRICE_QUANTITY),
    (AccountDisabled, Code.DISABLED_USER),
    (InsufficientFunds, Code.INSUFFICIENT_MARGIN),
    (InvalidAmount, Code.INVALID_WITHDRAWAL_AMOUNT),
    (OffStep, Code.INVALID_CURRENCY_QUANTITY),
    (WithdrawalTooSmall, Code.WITHDRAWAL_TOO_SMALL),
)


def code_of(rejection: Rejection) -> Code:
    """The code of a refusal by the core; the generic one for what the original has no word for."""
    return next((code for kind, code in _CODES if isinstance(rejection, kind)), Code.GENERIC)
