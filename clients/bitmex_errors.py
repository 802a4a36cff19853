"""What BitMEX answers when it refuses, as the errors of the uniform interface.  Pure.

The table is read from the top: the first line counts whose status and text fit.  `ORDER` lines concern calls about one
order only.  Nothing that is HTML is read as JSON: such pages come from the load balancer, not from the exchange.
"""

from __future__ import annotations

import json
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

__all__ = ["BAN_S", "DUPLICATE", "TABLE", "TOO_LATE", "About", "Line", "error_for", "message_of"]

BAN_S = 3600.0  # the shortest ban of an address
DUPLICATE = "Duplicate clOrdID"
TOO_LATE = "Invalid ordStatus"  # an amend of an order that has ended
_SHORTEST_WAIT_S = 1.0


class About(Enum):
    """What a call was about: the same words mean different things."""

    READ = "read"
    PLACE = "place"
    ORDER = "order"  # cancel or amend
    OTHER = "other"  # changes something else, for instance a withdrawal


@frozen
class Line:
    """One line of the error table.

    :ivar status: of the answer.
    :ivar text: what the message contains, in lower case; empty fits all.
    :ivar about: the calls that it concerns; empty: all.
    """

    status: int
    text: str
    kind: type[ExchangeError]
    about: frozenset[About] = frozenset()
    hint: str = ""


_PLACE = frozenset({About.PLACE})
_ORDER = frozenset({About.ORDER})
_ORDERS = _PLACE | _ORDER

TABLE: tuple[Line, ...] = (
    Line(401, "", NotAuthorised, hint="check id and secret"),
    Line(400, "`expires` is in the past", Unreachable, hint="check this machine's clock"),
    Line(400, "nonce is not increasing", NotAuthorised, hint="the key is used elsewhere"),
    Line(400, "insufficient", InsufficientFunds),
    Line(400, "account has no ", InsufficientFunds),
    Line(400, "account is suspended", NotAuthorised),
    Line(400, "withdrawals currently disabled", Unreachable),
    Line(400, "invalid orderid", UnknownOrder, _ORDER),
    Line(400, "invalid origclordid", UnknownOrder, _ORDER),
    Line(400, "", OrderRejected, _ORDERS),
    Line(400, "", Refused),
    Line(403, "", NotAuthorised, hint="a permission is missing, or the key or account is restricted"),
    Line(404, "", UnknownOrder, _ORDER),
    Line(404, "", Refused),
    Line(429, "", RateLimited),
    Line(503, "overloaded", Unreachable, hint="it was not carried out"),
)


def message_of(body: bytes) -> str:
    """The message of an error body; empty for HTML and anything else that is no error object."""
    try:
        error = json.loads(body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)[:300] if message else ""


def error_for(venue: str, doing: str, status: int, body: bytes, about: About, retry_after: str = "") -> ExchangeError:
    """The error for an answer with *status*, which is not 200.

    Statuses that are not in the table, 502 and 504 among them, leave open whether a call that changes something was
    carried out: `OutcomeUnknown`, or `Unreachable` for a read.

    :param retry_after: the header, where there was one.
    """
    message, code = message_of(body), str(status)
    if status == 403 and not message:
        why = "this address is banned; further requests make it longer"
        return RateLimited(venue, doing, why, code, retry_after=BAN_S)
    for line in TABLE:
        if line.status == status and line.text in message.lower() and (not line.about or about in line.about):
            why = "; ".join(part for part in (message or "refused", line.hint) if part)
            if line.kind is RateLimited:
                return RateLimited(venue, doing, why, code, retry_after=_seconds(retry_after))
            return line.kind(venue, doing, why, code)
    why = message or "the server answers an error"
    return (Unreachable if about is About.READ else OutcomeUnknown)(venue, doing, why, code)


def _seconds(retry_after: str) -> float:
    known = retry_after.isascii() and retry_after.isdigit()
    return max(_SHORTEST_WAIT_S, float(min(int(retry_after), 86_400))) if known else _SHORTEST_WAIT_S
