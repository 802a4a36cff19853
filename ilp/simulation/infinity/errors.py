"""How the simulated Infinity says no: codes in the envelope, or a plain HTTP status."""

from __future__ import annotations

from clients.infinity_terms import ErrorCode, OrderErrorCode
from ilp.simulation import rejections as r

__all__ = ["ApiError", "StatusError", "invalid", "of_rejection"]

_KEYS: dict[ErrorCode | OrderErrorCode, str] = {
    ErrorCode.PERMISSION_DENIED_SHORT: "permission_denied",
    ErrorCode.PERMISSION_DENIED: "permission_denied",
    ErrorCode.VALIDATION_ERROR: "validation_error",
    ErrorCode.OPERATION_FAILED: "operation_failed",
    ErrorCode.UNEXPECTED_SHORT: "unexpected_error",
    ErrorCode.UNEXPECTED: "unexpected_error",
}


class ApiError(Exception):
    """A refusal inside of an answer with status 200.

    :ivar code: `errorCode`.
    :ivar key: `errorMsgKey`.
    """

    def __init__(self, code: ErrorCode | OrderErrorCode, why: str = "") -> None:
        super().__init__(f"{code.name}: {why or code.text}")
        self.code = int(code)
        self.key = _KEYS.get(code, code.name)


class StatusError(Exception):
    """A refusal by HTTP status: 400 unreadable, 401 no good token, 404 unknown path."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(f"{status} {key}")
        self.status = status
        self.key = key


def invalid(what: str) -> ApiError:
    """A parameter that is missing or not allowed."""
    return ApiError(ErrorCode.VALIDATION_ERROR, what)


# Read from the top: subclasses stand before their bases.
_ORDERS: tuple[tuple[type[r.Rejection], ErrorCode | OrderErrorCode], ...] = (
    (r.UnknownContract, OrderErrorCode.MARKET_EXPIRED),
    (r.NotTradable, OrderErrorCode.MARKET_EXPIRED),
    (r.ContractExpired, OrderErrorCode.MARKET_EXPIRED),
    (r.ContractNotActive, OrderErrorCode.MARKET_EXPIRED),
    (r.BelowMinimum, OrderErrorCode.MINIMUM_QUANTITY_NOT_REACH),
    (r.InvalidPriceQuantity, ErrorCode.VALIDATION_ERROR),
    (r.InsufficientFunds, ErrorCode.OPERATION_FAILED),
    (r.UnknownOrder, OrderErrorCode.NO_ORDER),
    (r.OrderCancelled, OrderErrorCode.ORDER_DONE_OR_CANCELLED),
)


def of_rejection(rejection: r.Rejection) -> ApiError:
    """The venue's code for what the core refused."""
    for kind, code in _ORDERS:
        if isinstance(rejection, kind):
            return ApiError(code, str(rejection))
    return ApiError(ErrorCode.OPERATION_FAILED, str(rejection))
