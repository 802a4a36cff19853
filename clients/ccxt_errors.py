"""ccxt's errors as those of the uniform interface.  Pure; ccxt itself is not imported, its classes are known by name.

An error is looked up by the names of its class and its bases, nearest first.  What may have happened is *unknown*: a call
that changes something is refused only where the venue is known to have said no.
"""

from __future__ import annotations

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
from clients.kraken_errors import About

__all__ = ["TABLE", "About", "Line", "error_for"]

_PAUSE_S = 5.0


@frozen
class Line:
    """What a class of ccxt means.

    :ivar reading: for a call that changes nothing; `changing` for any other, None where the outcome is unknown.
    :ivar order: for placing, cancelling and amending, where that differs from `changing`.
    """

    reading: type[ExchangeError]
    changing: type[ExchangeError] | None
    order: type[ExchangeError] | None = None


TABLE: dict[str, Line] = {
    "AuthenticationError": Line(NotAuthorised, NotAuthorised),
    "ArgumentsRequired": Line(Refused, Refused, OrderRejected),
    "BadRequest": Line(Refused, Refused, OrderRejected),
    "OperationRejected": Line(Refused, Refused, OrderRejected),
    "InsufficientFunds": Line(InsufficientFunds, InsufficientFunds),
    "InvalidAddress": Line(Refused, Refused),
    "OrderNotFound": Line(UnknownOrder, UnknownOrder),
    "OrderNotCached": Line(UnknownOrder, UnknownOrder),
    "InvalidOrder": Line(Refused, Refused, OrderRejected),
    "RateLimitExceeded": Line(RateLimited, RateLimited),
    "DDoSProtection": Line(RateLimited, None),
    "OnMaintenance": Line(Unreachable, None),  # of two exchanges ccxt calls any 503 so, whoever answers it
    "InvalidNonce": Line(Unreachable, Unreachable),
    "ExchangeClosedByUser": Line(Unreachable, Unreachable),
    "OperationFailed": Line(Unreachable, None),
    "ExchangeError": Line(Refused, None),
}


Texts = tuple[tuple[str, type[ExchangeError]], ...]


def error_for(venue: str, doing: str, error: BaseException, about: About, texts: Texts = ()) -> Exception:
    """The error that *error* means; what ccxt or the exchange does not support is `NotImplementedError`.

    :param texts: words of the exchange that say more than ccxt's class, the more special ones first.
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    why = str(error)[:500] or names[0]
    if "NotSupported" in names:
        return NotImplementedError(f"{venue}: {doing}: {why}")
    line = next((TABLE[name] for name in names if name in TABLE), Line(Unreachable, None))
    if about is About.READ:
        kind: type[ExchangeError] | None = line.reading
    elif about in (About.PLACE, About.ORDER):
        kind = line.order or line.changing
    else:
        kind = line.changing
    kind = next((told for words, told in texts if words in why), kind)
    if kind is RateLimited:
        return RateLimited(venue, doing, why, names[0], retry_after=_PAUSE_S)
    return (kind or OutcomeUnknown)(venue, doing, why, names[0])
