"""What Infinity answers when it refuses, as the errors of the uniform interface.  Pure.

Two tables: HTTP statuses, and the codes of answers that say `"success": false`.  A code that is in none leaves open whether
a call that changes something was carried out.
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    Refused,
    UnknownOrder,
    Unreachable,
)
from clients.infinity_terms import ErrorCode, OrderErrorCode, error_text

__all__ = ["CODES", "GONE", "NOT_LOGGED_IN", "About", "WrongDestination", "error_for_code", "error_for_status"]

_BUSY_S = 1.0  # after 429, where the venue does not say how long


class About(Enum):
    """What a call was about: the same code means different things."""

    READ = "read"
    PLACE = "place"
    ORDER = "order"  # cancel
    MONEY = "money"  # withdraw, transfer
    OTHER = "other"

    @property
    def changes(self) -> bool:
        """Whether the call may change something at the venue."""
        return self is not About.READ


class WrongDestination(Refused, ValueError):
    """A withdrawal to an address other than the login wallet's: the venue has no such call."""


GONE = frozenset(
    str(int(code))
    for code in (
        OrderErrorCode.NO_ORDER,
        OrderErrorCode.ORDER_DONE_OR_CANCELLED,
        OrderErrorCode.ORDER_AUTO_CANCELLED,
        OrderErrorCode.ORDER_MANUALLY_CANCELLED,
    )
)
"""Codes, as errors carry them, that say that an order is not there any more."""

NOT_LOGGED_IN = frozenset({int(ErrorCode.PERMISSION_DENIED_SHORT), int(ErrorCode.PERMISSION_DENIED)})
"""Codes that a private call gets for want of a valid token: it was not carried out."""


@frozen
class Line:
    """What a code means by what the call was about; `otherwise` for all that is not named."""

    otherwise: type[ExchangeError] | None  # None: it is open whether anything happened
    place: type[ExchangeError] | None = None
    money: type[ExchangeError] | None = None

    def kind(self, about: About) -> type[ExchangeError]:
        """The class of the error."""
        found = {About.PLACE: self.place, About.MONEY: self.money}.get(about) or self.otherwise
        return found or (OutcomeUnknown if about.changes else Unreachable)


_ORDER = Line(Refused, place=OrderRejected)
_OPEN = Line(None)

CODES: dict[int, Line] = {
    ErrorCode.PERMISSION_DENIED_SHORT: Line(NotAuthorised),
    ErrorCode.UNEXPECTED_SHORT: _OPEN,
    ErrorCode.PERMISSION_DENIED: Line(NotAuthorised),
    ErrorCode.VALIDATION_ERROR: _ORDER,
    # The venue has no code for want of margin; this is what is left for it.
    ErrorCode.OPERATION_FAILED: Line(Refused, place=InsufficientFunds, money=InsufficientFunds),
    ErrorCode.UNEXPECTED: _OPEN,
    ErrorCode.DEPOSIT_INVALID_WALLET: Line(Refused),
    ErrorCode.DEPOSIT_INVALID_TOKEN: Line(Refused),
    ErrorCode.WITHDRAWAL_INVALID_WALLET: Line(Refused),
    ErrorCode.WITHDRAWAL_INVALID_TOKEN: Line(Refused),
    ErrorCode.WITHDRAWAL_NOT_ENOUGH_FUNDS: Line(InsufficientFunds),
    ErrorCode.LIQUIDATION_NOT_ENOUGH_TOKENS: Line(Refused),
    ErrorCode.LIQUIDATION_NO_STEPS: Line(Refused),
    ErrorCode.LIQUIDATION_SWAP_FAILED: Line(Refused),
    OrderErrorCode.INVALID_ACCOUNT: Line(NotAuthorised),
    OrderErrorCode.TIMEOUT: _OPEN,
    OrderErrorCode.MINIMUM_QUANTITY_NOT_REACH: _ORDER,
    OrderErrorCode.NO_ORDER: Line(UnknownOrder),
    OrderErrorCode.ORDER_DONE_OR_CANCELLED: Line(UnknownOrder),
    OrderErrorCode.TRADE_SERVER_PARSE: _ORDER,
    OrderErrorCode.TRADE_SERVER_ORDER_BOOK_ERROR: _OPEN,
    OrderErrorCode.TRADE_SERVER_DB: _OPEN,
    OrderErrorCode.TRADE_SERVER_DB_CONNECTION: _OPEN,
    OrderErrorCode.MARKET_EXPIRED: _ORDER,
    OrderErrorCode.RATE_TRANSACTION_ERROR: _OPEN,
    OrderErrorCode.QUANTITY_STEP_NOT_MATCH: _ORDER,
    OrderErrorCode.NO_TWAP: _ORDER,
    OrderErrorCode.INVALID_DEDUPLICATE_STRING: _ORDER,
    OrderErrorCode.ORDER_AUTO_CANCELLED: Line(UnknownOrder, place=OrderRejected),
    OrderErrorCode.ORDER_MANUALLY_CANCELLED: Line(UnknownOrder, place=OrderRejected),
}


def error_for_code(venue: str, doing: str, code: int | None, key: str | None, about: About) -> ExchangeError:
    """The error for an answer that says `"success": false`; a missing code is one that nobody knows."""
    words = f"{error_text(code) if code is not None else 'refused without a code'}{f' [{key[:100]}]' if key else ''}"
    kind = CODES.get(code if code is not None else -1, _OPEN).kind(about)
    return kind(venue, doing, words, "" if code is None else str(code))


def error_for_status(venue: str, doing: str, status: int, about: About, retry_after: str = "") -> ExchangeError:
    """The error for an answer with *status*, which is none of 2xx.

    Only a refusal says that nothing was done.  The venue's documents do not say it of 503, which may as well come from what
    stands before the venue after the call was passed on: like any other status it leaves open what a call has changed.

    :param retry_after: the header, where there was one.
    """
    code = str(status)
    doubt: type[ExchangeError] = OutcomeUnknown if about.changes else Unreachable
    if status == 429:
        known = retry_after.isascii() and retry_after.isdigit()
        wait = float(min(int(retry_after), 86_400)) if known else _BUSY_S
        return RateLimited(venue, doing, "too many requests", code, retry_after=max(wait, _BUSY_S))
    named: dict[int, tuple[type[ExchangeError], str]] = {
        400: (OrderRejected if about is About.PLACE else Refused, "the venue could not read the request"),
        401: (NotAuthorised, "not logged in"),
        403: (NotAuthorised, "forbidden"),
        404: (Refused, "the venue has no such call"),
        503: (doubt, "the service is unavailable"),
    }
    kind, why = named.get(status, (doubt, "the server answers an error"))
    return kind(venue, doing, why, code)
