"""What a POST may contain: typed, whitelisted, and with an error that names the field.  Knows nothing of HTTP or acts."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal, NoReturn, TypeVar

import msgspec

from web.replies import Refused

__all__ = [
    "Cancel",
    "Empty",
    "Flow",
    "Halt",
    "Pause",
    "Preview",
    "Propose",
    "Reset",
    "TransferAct",
    "Update",
    "invalid",
    "parse",
]

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}(\.[0-9]{1,20})?$")]
Value = str | list[str]
T = TypeVar("T", bound=msgspec.Struct)


class Empty(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """start, stop, hedge: nothing to say."""


class Halt(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Why everything is stopped."""

    reason: Words


class Reset(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What was found and done before going on."""

    note: Words


class Preview(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Values to try, by parameter."""

    parameters: dict[Name, Value]


class Update(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Values to apply; *version* is that of the document the operator was looking at."""

    version: int
    parameters: dict[Name, Value]


class Flow(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a deposit or withdrawal was that the pool did not make."""

    key: Words
    text: Words


class TransferAct(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the operator says of a transfer."""

    id: Name
    action: Literal["approve", "sent", "arrived", "cancel", "resolve"]
    amount: Amount | None = None
    note: Words | None = None


class Propose(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A transfer by hand; an empty `to` is the operator's bank."""

    asset: Name
    sender: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = msgspec.field(name="from")
    receiver: Annotated[str, msgspec.Meta(max_length=100)] = msgspec.field(name="to")
    amount: Amount
    note: Words | None = None


class Pause(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the machine shall leave alone, or go on with."""

    what: Literal["quotes", "hedges", "transfers", "wind down"]
    on: bool


class Cancel(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One order (`id`), one `side`, or `all` own orders of a venue, of one pair where a `ticker` is given."""

    venue: Name
    id: Name | None = None
    side: Literal["BUY", "SELL"] | None = None
    all: bool = False
    ticker: Name | None = None

    def __post_init__(self) -> None:
        if (self.id is not None) + (self.side is not None) + self.all != 1:
            raise ValueError("give one of `id`, `side` and `all`")


def parse(body: bytes, form: type[T]) -> T:
    """*body* as a *form*.  Numbers are taken as they are written, so that 0.1 stays 0.1.

    :raise Refused: 400 with the field and what is wrong with it.
    """
    try:
        # Python's own decoder, because it can be told to leave numbers as they are written.
        loose = json.loads(body or b"{}", parse_float=str, parse_int=str, parse_constant=_no_constant)
        return msgspec.convert(loose, form, strict=False)
    except msgspec.ValidationError as error:
        raise _named(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise invalid("body", f"is not JSON: {error}") from None


def invalid(field: str, message: str) -> Refused:
    """A refusal with 400 of one field."""
    return Refused(400, {"errors": [{"field": field, "message": message}]})


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _named(message: str) -> Refused:
    what, _, where = message.partition(" - at ")
    field = re.sub(r"^`?\$\.?|`$|\[\.\.\.\]", "", where) or (_quoted(what) if "field" in what else "body")
    return invalid(field.strip("."), what)


def _quoted(text: str) -> str:
    found = re.search(r"`([^`]*)`", text)
    return found.group(1) if found else "body"
