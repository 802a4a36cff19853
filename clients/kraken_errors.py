"""What Kraken answers when it refuses, as the errors of the uniform interface.  Pure.

Texts are `<severity><category>:<text>[:<detail>]`, compared by their beginning; the table is read from the top and the
first line counts that fits the text and what the call was about.  A text that is in no line leaves open whether a call
that changes something was carried out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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

__all__ = ["INVALID_NONCE", "INVALID_SESSION", "TABLE", "About", "Line", "error_for", "faults", "http_error"]

INVALID_NONCE = "EAPI:Invalid nonce"
INVALID_SESSION = "ESession:Invalid session"
_LOCKOUT_S = 900.0
_PAUSE_S = 5.0


class About(Enum):
    """What a call was about: the same words mean different things."""

    READ = "read"
    PLACE = "place"
    ORDER = "order"  # cancel or amend
    OTHER = "other"  # changes something else, for instance a withdrawal


@frozen
class Line:
    """One line of the error table.

    :ivar text: how the venue's text begins, blanks after the first colon left out.
    :ivar kind: what it means; None where it depends: unknown for what changes something, unreachable for a read.
    :ivar about: the calls it concerns; empty: all.
    :ivar wait: seconds until the venue listens again, for `RateLimited`.
    """

    text: str
    kind: type[ExchangeError] | None
    about: frozenset[About] = frozenset()
    hint: str = ""
    wait: float = _PAUSE_S


_ORDER = frozenset({About.ORDER, About.READ})
_PLACE = frozenset({About.PLACE, About.ORDER})

TABLE: tuple[Line, ...] = (
    Line("EAPI:Invalid key", NotAuthorised, hint="check id and secret"),
    Line("EAPI:Invalid signature", NotAuthorised, hint="check id and secret"),
    Line(INVALID_NONCE, NotAuthorised, hint="another process uses the key; give each its own"),
    Line("EAPI:Rate limit exceeded", RateLimited),
    Line("EAPI:Feature disabled", NotAuthorised, hint="not available to this account"),
    Line("EAPI:Bad request", Refused),
    Line("EGeneral:Permission denied", NotAuthorised, hint="the key lacks a permission"),
    Line("EGeneral:Temporary lockout", RateLimited, hint="too many wrong keys or signatures", wait=_LOCKOUT_S),
    Line("EGeneral:Too many requests", RateLimited),
    Line("EGeneral:Invalid arguments", OrderRejected, _PLACE),
    Line("EGeneral:Invalid arguments", Refused),
    Line("EGeneral:Unknown method", Refused),
    Line("EGeneral:Internal error", None),
    Line("EDatabase:Internal error", None),
    Line("EQuery:Unknown asset", OrderRejected, _PLACE),
    Line("EQuery:Invalid asset pair", OrderRejected, _PLACE),
    Line("EQuery:", Refused),
    Line("EService:Throttled", RateLimited),
    Line("EService:Deadline elapsed", Unreachable, _PLACE, hint="the order was not placed"),
    Line("EService:Market in ", Unreachable),
    Line("EService:Unavailable", None),
    Line("EService:Busy", None),
    Line("EService:", None),
    Line("EOrder:Insufficient funds", InsufficientFunds),
    Line("EOrder:Insufficient margin", InsufficientFunds),
    Line("EOrder:Unknown order", UnknownOrder, _ORDER),
    Line("EOrder:Invalid order", UnknownOrder, _ORDER),
    Line("EOrder:Rate limit exceeded", RateLimited),
    Line("EOrder:Domain rate limit exceeded", RateLimited),
    Line("EOrder:", OrderRejected),
    Line("EAccount:", NotAuthorised, hint="not allowed to this account"),
    Line("EAuth:Rate limit exceeded", RateLimited),
    Line("EAuth:Too many requests", RateLimited),
    Line("EAuth:", NotAuthorised),
    Line(INVALID_SESSION, NotAuthorised, hint="the session's token is not valid any more"),
    Line("ESession:", NotAuthorised),
    Line("ETrade:User Locked", NotAuthorised),
    Line("ETrade:", OrderRejected, _PLACE),
    Line("ETrade:", Refused),
    Line("EBM:limit exceeded", NotAuthorised, hint="a regulatory limit"),
    Line("EFunding:Insufficient funds", InsufficientFunds),
    Line("EFunding:", Refused),
    # The WebSocket's own words, without a category.
    Line("Exceeded msg rate", RateLimited),
    Line("Currency pair not supported", OrderRejected, _PLACE),
    Line("Currency pair not supported", Refused),
    Line("Already subscribed", Refused),
    Line("Subscription depth not supported", Refused),
    Line("Malformed request", Refused),
    Line("Event(s) not found", Refused),
    Line("Unsupported field", Refused),
)

_TIME = re.compile(r"Throttled:\s*(\d{9,11})")


def faults(texts: Sequence[str]) -> list[str]:
    """The errors among the texts of an answer: warnings say that the request was carried out."""
    return [text for text in texts if not text.startswith("W")]


def error_for(venue: str, doing: str, texts: Sequence[str], about: About, now: float = 0.0) -> ExchangeError:
    """The error of an answer that was refused with *texts*.

    :param now: seconds since 1970, for the time that `EService: Throttled` names.
    """
    text = texts[0] if texts else "refused without a word"
    code = text.partition(":")[0]
    plain = re.sub(r":\s+", ":", text, count=1)
    for line in TABLE:
        if plain.startswith(line.text) and (not line.about or about in line.about):
            why = "; ".join(part for part in (", ".join(texts), line.hint) if part)
            if line.kind is RateLimited:
                return RateLimited(venue, doing, why, code, retry_after=_wait(plain, line.wait, now))
            return (line.kind or _doubt(about))(venue, doing, why, code)
    return _doubt(about)(venue, doing, ", ".join(texts) or text, code)


def http_error(venue: str, doing: str, status: int, about: About) -> ExchangeError:
    """The error of a page that is no answer of the exchange itself, but of the network before it."""
    if status in (403, 429):
        return RateLimited(venue, doing, "the network before the exchange refuses us", str(status), retry_after=60.0)
    return _doubt(about)(venue, doing, "the network before the exchange answers an error", str(status))


def _doubt(about: About) -> type[ExchangeError]:
    return Unreachable if about is About.READ else OutcomeUnknown


def _wait(text: str, otherwise: float, now: float) -> float:
    found = _TIME.search(text)
    return otherwise if found is None else max(1.0, min(int(found.group(1)) - now, _LOCKOUT_S))
