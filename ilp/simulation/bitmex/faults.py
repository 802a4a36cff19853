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

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from attrs import define, field

from ilp.simulation.bodies import BadRequest

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


_EFFECT = {Kind.LOSE: True, Kind.GARBLE: True}


@define
class CallRule:
    """A fault of calls.

    :ivar call: beginning of `VERB /path`.
    :ivar left: how many calls it still concerns; None without end.
    :ivar effect: whether the operation is carried out all the same.
    """

    kind: Kind
    call: str = ""
    left: int | None = 1
    effect: bool = False
    status: int = 400
    message: str = ""

    @classmethod
    def of(cls, kind: Kind, value: object) -> CallRule:
        """The rule that a JSON object describes."""
        types = {"call": str, "count": int, "effect": bool, "status": int, "message": str}
        if not isinstance(value, dict):
            raise BadRequest(kind.value, f"{value!r} is not an object")
        for name, given in value.items():
            if name not in types or type(given) is not types[name]:
                raise BadRequest(kind.value, f"{name}: {given!r} is not allowed; keys are {', '.join(types)}")
        return cls(
            kind,
            value.get("call", ""),
            value.get("count", 1) or None,
            value.get("effect", _EFFECT.get(kind, False)),
            value.get("status", 400),
            value.get("message", "Invalid price"),
        )


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(key, f"{value!r} is not true or false")
    return value


def _prefix(key: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BadRequest(key, f"{value!r} is neither the beginning of a table's name nor null")
    return value


def _concerns(prefixes: str | None, table: str) -> bool:
    return prefixes is not None and table.startswith(tuple(prefixes.split(",")))


def _seconds(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value < 0:
        raise BadRequest(key, f"{value!r} is not a number of seconds")
    return float(value)


def _symbol(key: str, value: object) -> str:
    if value is True and key == "cancel_all":
        return ""
    if not isinstance(value, str):
        raise BadRequest(key, f"{value!r} is no symbol")
    return value


_LASTING: Mapping[str, Callable[[str, object], Any]] = {
    "delay_answers": _seconds,
    "drop_events": _prefix,
    "repeat_events": _prefix,
    "drop_partials": _prefix,
}
_ACTIONS: Mapping[str, Callable[[str, object], Any]] = {
    "hold_partials": _flag,
    "unknown_update": _symbol,
    "garbage": _flag,
    "disconnect": _flag,
    "down": _flag,
    "freeze": _flag,
    "cancel_all": _symbol,
}
_HARMLESS = ("freeze", "down", "hold_partials")


@define
class Faults:
    """The switches; those that do something at once are in `actions`, which the venue fills in."""

    delay_answers: float = 0.0
    drop_events: str | None = None
    repeat_events: str | None = None
    drop_partials: str | None = None
    calls: list[CallRule] = field(factory=list)
    actions: dict[str, Callable[[Any], None]] = field(factory=dict, repr=False)

    def apply(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the object says, all of it or nothing; the switches as they are then."""
        steps = [self._step(key, value) for key, value in wanted.items()]
        for step in steps:
            step()
        shown = {name: getattr(self, name) for name in _LASTING}
        return shown | {"calls": [rule.kind.value for rule in self.calls]}

    def take(self, call: str) -> CallRule | None:
        """The rule that concerns this call, counted down."""
        for rule in self.calls:
            if call.startswith(rule.call):
                if rule.left is not None:
                    rule.left -= 1
                    if rule.left == 0:
                        self.calls.remove(rule)
                return rule
        return None

    def copies(self, table: str) -> int:
        """How often a message of *table* is sent: 0, 1 or 2 times."""
        if _concerns(self.drop_events, table):
            return 0
        return 2 if _concerns(self.repeat_events, table) else 1

    def lacks_partial(self, table: str) -> bool:
        """Whether the partial of *table* is left out."""
        return _concerns(self.drop_partials, table)

    def clear(self) -> None:
        """End every fault that lasts."""
        self.delay_answers, self.drop_events, self.repeat_events, self.drop_partials = 0.0, None, None, None
        self.calls.clear()
        for name in _HARMLESS:
            self.actions[name](False)

    def _step(self, key: str, value: Any) -> Callable[[], None]:
        if key == "clear":
            return self.clear
        if key in _LASTING:
            parsed = _LASTING[key](key, value)
            return lambda: setattr(self, key, parsed)
        if key in {kind.value for kind in Kind}:
            rule = CallRule.of(Kind(key), value)
            return lambda: self.calls.append(rule)
        if key in _ACTIONS:
            checked = _ACTIONS[key](key, value)
            return lambda: self.actions[key](checked)
        known = sorted([*_LASTING, *_ACTIONS, *(kind.value for kind in Kind), "clear"])
        raise BadRequest(key, f"no such fault; there are {', '.join(known)}")
