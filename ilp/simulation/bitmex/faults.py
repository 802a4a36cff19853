"""Misbehaviour of the simulated BitMEX on demand, for testing clients.

`POST /fault` of the admin address takes an object with any of these keys; `{"clear": true}` ends everything.  Seconds are
the reactor's.  A *call rule* is `{"call": beginning of "VERB /path", "count": how many calls}`; both may be left out (every
call, one call; a count of 0 means until cleared); paths are those after `/api/v1`.

================= ==================== =====================================================================================
key               value                what happens
================= ==================== =====================================================================================
`overload`        call rule            503 overloaded, nothing done
`rate_limit`      call rule            429 with `retry-after: 1`, nothing done
`ban`             call rule            the load balancer's HTML page with 403, nothing done
`bad_gateway`     call rule            the load balancer's HTML page with 502; `"effect": true`: the operation is done
`refuse`          call rule            400, or the rule's `"status"`, with its `"message"`, nothing done
`lose_answer`     call rule            no answer ever; `"effect": false`: the operation is not done either
`garble_answer`   call rule            done, and answered with what is no JSON
`delay_answers`   seconds              every answer comes that much later; the operation is done at once
`drop_events`     prefixes, null       messages of tables whose names begin so (`order,execution`) are not sent
`repeat_events`   prefixes, null       messages of these tables are sent twice
`drop_partials`   prefixes, null       partials of these tables are not sent
`hold_partials`   boolean              partials wait until it is false again; updates do not
`unknown_update`  symbol               an update for a book level that does not exist is sent now
`garbage`         true                 a frame that is no JSON goes to every connection now
`disconnect`      true                 every connection is dropped now
`down`            boolean              connections are dropped and refused until it is false again
`freeze`          boolean              nothing is read or sent, no pong either; what was held back follows at the end
`cancel_all`      symbol, or true      all orders of the symbol (of all) are cancelled uninvited
================= ==================== =====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from attrs import define

from ilp.simulation import misbehaviour
from ilp.simulation.bodies import BadRequest
from ilp.simulation.misbehaviour import Misbehaviour, Reader, flag, prefixes, seconds

__all__ = ["CallRule", "Faults", "Kind"]


class Kind(Enum):
    """What happens to a call."""

    OVERLOAD = "overload"
    RATE_LIMIT = "rate_limit"
    BAN = "ban"
    BAD_GATEWAY = "bad_gateway"
    REFUSE = "refuse"
    LOSE = "lose_answer"
    GARBLE = "garble_answer"


@define
class CallRule(misbehaviour.CallRule):
    """A fault of calls, whose names begin with `VERB /path`.

    :ivar status: the HTTP status of a refusal, *message* its text.
    """

    status: int = 400
    message: str = "Invalid price"


def _symbol(key: str, value: object) -> str:
    if value is True and key == "cancel_all":
        return ""
    if not isinstance(value, str):
        raise BadRequest(key, f"{value!r} is no symbol")
    return value


@define
class Faults(Misbehaviour):
    """The switches of this venue."""

    kinds: ClassVar[type[Enum]] = Kind
    rule: ClassVar[type[misbehaviour.CallRule]] = CallRule
    done: ClassVar[frozenset[Any]] = frozenset({Kind.LOSE, Kind.GARBLE})
    lasting: ClassVar[Mapping[str, Reader]] = {
        "delay_answers": seconds,
        "drop_events": prefixes,
        "repeat_events": prefixes,
        "drop_partials": prefixes,
    }
    acting: ClassVar[Mapping[str, Reader]] = {
        "hold_partials": flag,
        "unknown_update": _symbol,
        "garbage": flag,
        "disconnect": flag,
        "down": flag,
        "freeze": flag,
        "cancel_all": _symbol,
    }
    harmless: ClassVar[Mapping[str, Any]] = {"freeze": False, "down": False, "hold_partials": False}

    drop_partials: tuple[str, ...] = ()

    def lacks_partial(self, table: str) -> bool:
        """Whether the partial of *table* is left out."""
        return self.among(table, self.drop_partials)
