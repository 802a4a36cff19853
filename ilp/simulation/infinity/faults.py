"""Misbehaviour of the simulated Infinity on demand, for testing clients.

`POST /fault` of the admin address takes an object with any of these keys; `{"clear": true}` ends everything.  Seconds are
the reactor's.  A *call rule* is `{"call": beginning of the last part of a path, "count": how many calls}`; both may be left
out (every call, one call; a count of 0 means until cleared).  Messages of a WebSocket are called as its methods: `LOGIN`,
`SUBSCRIBE`.

================== ================ ======================================================================================
key                value            what happens
================== ================ ======================================================================================
`refuse`           call rule        an answer with the `"code"` of the rule (9999), nothing done
`status`           call rule        the HTTP `"status"` of the rule (503), nothing done unless `"effect": true`
`lose_answer`      call rule        no answer ever; `"effect": false`: the operation is not done either
`garble_answer`    call rule        done, and answered with what is no JSON
`odd_answer`       call rule        done, and `"odd"`: `list` or `null` for `data`, `empty` with 204, `text` for `success`
`delay_answers`    seconds          every answer comes that much later; the operation is done at once
`drop_events`      channels, null   messages of these channels (`userOrder,userTrade`) are not sent
`repeat_events`    channels, null   messages of these channels are sent twice
`login_first`      boolean          SUBSCRIBE to a user channel before LOGIN is refused and forgotten
`true_statuses`    boolean          orders that end with their market have status 14, at which old clients stumble
`revoke_tokens`    true             no token is good any more
`garbage`          true             a frame that is no JSON goes to every WebSocket now
`close`            code             every WebSocket is closed with this code now, for instance 4000 or 1011
`disconnect`       true             every connection is dropped now
`down`             boolean          connections are dropped and refused until it is false again
`freeze`           boolean          nothing is read or sent, no pong either; what was held back follows at the end
`cancel_all`       true             all orders are cancelled uninvited
================== ================ ======================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from attrs import define

from ilp.simulation.bodies import BadRequest
from ilp.simulation.misbehaviour import CallRule, Misbehaviour, Reader, flag, prefixes, seconds

__all__ = ["Faults", "Kind", "Rule"]

ODD = ("list", "null", "empty", "text")


class Kind(Enum):
    """What happens to a call."""

    REFUSE = "refuse"
    STATUS = "status"
    LOSE = "lose_answer"
    GARBLE = "garble_answer"
    ODD = "odd_answer"


@define
class Rule(CallRule):
    """A fault of calls, with what it answers."""

    code: int = 9999
    status: int = 503
    odd: str = "null"


def _close_code(key: str, value: object) -> int:
    if type(value) is not int or not (1000 <= value <= 4999):
        raise BadRequest(key, f"{value!r} is no code of a WebSocket; 1000 to 4999")
    return value


@define
class Faults(Misbehaviour):
    """The switches of the simulated Infinity."""

    login_first: bool = False

    kinds: ClassVar[type[Enum]] = Kind
    rule: ClassVar[type[CallRule]] = Rule
    done: ClassVar[frozenset[Any]] = frozenset({Kind.LOSE, Kind.GARBLE, Kind.ODD})
    lasting: ClassVar[Mapping[str, Reader]] = {
        "delay_answers": seconds,
        "drop_events": prefixes,
        "repeat_events": prefixes,
        "login_first": flag,
    }
    acting: ClassVar[Mapping[str, Reader]] = {
        "true_statuses": flag,
        "revoke_tokens": flag,
        "garbage": flag,
        "close": _close_code,
        "disconnect": flag,
        "down": flag,
        "freeze": flag,
        "cancel_all": flag,
    }
    harmless: ClassVar[Mapping[str, Any]] = {"true_statuses": False, "freeze": False, "down": False}

    @staticmethod
    def among(name: str, named: tuple[str, ...]) -> bool:
        """Channels are named in full here."""
        return name in named
