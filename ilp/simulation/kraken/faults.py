"""Misbehaviour of the simulated Kraken on demand, for testing clients.

`POST /fault` of the admin address takes an object with any of these keys; `{"clear": true}` ends everything.  Seconds are
the reactor's.  A *call rule* is `{"call": name of a REST method, "count": how many calls}`; both may be left out (every
call, one call; a count of 0 means until cleared); WebSocket requests bear the name of the REST method that does the same
(`add_order` is `AddOrder`).

=================== ==================== ===================================================================================
key                 value                what happens
=================== ==================== ===================================================================================
`refuse`            call rule            the error `"text"` of the rule, nothing done
`lose_answer`       call rule            no answer ever; `"effect": false`: the operation is not done either
`garble_answer`     call rule            done, and answered with what makes no sense
`repeat_answer`     call rule            a WebSocket answer is sent twice
`bad_gateway`       call rule            a page of the network with 502; `"effect": true`: the operation is done
`delay_answers`     seconds              every answer comes that much later; the operation is done at once
`drop_events`       channels, null       messages of these channels (`executions,balances`) are not sent, but numbered
`repeat_events`     channels, null       messages of these channels are sent twice
`events_first`      boolean              events about an order come before the answer to the request that caused them
`wrong_checksum`    symbol               the next update of this book has a wrong checksum
`post_only_cancels` boolean              a post-only order that would trade is taken and cancelled, instead of refused
`forget_tokens`     true                 no session token is known any more
`status`            text                 the `status` channel tells this state (`online`, `maintenance`, …) to everybody
`garbage`           true                 a frame that is no JSON goes to every connection now
`disconnect`        true                 every connection is dropped now
`down`              boolean              connections are dropped and refused until it is false again
`freeze`            boolean              nothing is read or sent, no pong either; what was held back follows at the end
`cancel_all`        true                 all orders are cancelled uninvited
=================== ==================== ===================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from attrs import define, field

from ilp.simulation.bodies import BadRequest

__all__ = ["CallRule", "Faults", "Kind"]


class Kind(Enum):
    """What happens to a call."""

    REFUSE = "refuse"
    LOSE = "lose_answer"
    GARBLE = "garble_answer"
    REPEAT = "repeat_answer"
    BAD_GATEWAY = "bad_gateway"


_HAS_EFFECT = {Kind.LOSE: True, Kind.GARBLE: True, Kind.REPEAT: True}


@define
class CallRule:
    """A fault of calls.

    :ivar call: the method's name, empty for any.
    :ivar left: how many calls it still concerns; None without end.
    :ivar effect: whether the operation is carried out all the same.
    """

    kind: Kind
    call: str = ""
    left: int | None = 1
    effect: bool = False
    text: str = ""

    @classmethod
    def of(cls, kind: Kind, value: object) -> CallRule:
        """The rule that a JSON object describes."""
        types = {"call": str, "count": int, "effect": bool, "text": str}
        if not isinstance(value, dict):
            raise BadRequest(kind.value, f"{value!r} is not an object")
        for name, given in value.items():
            if name not in types or type(given) is not types[name]:
                raise BadRequest(kind.value, f"{name}: {given!r} is not allowed; keys are {', '.join(types)}")
        return cls(
            kind,
            value.get("call", ""),
            value.get("count", 1) or None,
            value.get("effect", _HAS_EFFECT.get(kind, False)),
            value.get("text", "EGeneral:Internal error"),
        )


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(key, f"{value!r} is not true or false")
    return value


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRequest(key, f"{value!r} is not a text")
    return value


def _channels(key: str, value: object) -> frozenset[str]:
    return frozenset() if value is None else frozenset(_text(key, value).split(","))


def _seconds(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadRequest(key, f"{value!r} is not a number of seconds")
    return float(value)


_LASTING: Mapping[str, Callable[[str, object], Any]] = {
    "delay_answers": _seconds,
    "drop_events": _channels,
    "repeat_events": _channels,
    "events_first": _flag,
}
_ACTIONS: Mapping[str, Callable[[str, object], Any]] = {
    "wrong_checksum": _text,
    "post_only_cancels": _flag,
    "forget_tokens": _flag,
    "status": _text,
    "garbage": _flag,
    "disconnect": _flag,
    "down": _flag,
    "freeze": _flag,
    "cancel_all": _flag,
}
_HARMLESS = {"freeze": False, "down": False, "post_only_cancels": False}


@define
class Faults:
    """The switches; those that do something at once are in `actions`, which the venue fills in."""

    delay_answers: float = 0.0
    drop_events: frozenset[str] = frozenset()
    repeat_events: frozenset[str] = frozenset()
    events_first: bool = False
    calls: list[CallRule] = field(factory=list)
    actions: dict[str, Callable[[Any], object]] = field(factory=dict, repr=False)

    def apply(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the object says, all of it or nothing; the switches as they are then."""
        steps = [self._step(key, value) for key, value in wanted.items()]
        for step in steps:
            step()
        return {
            "delay_answers": self.delay_answers,
            "drop_events": sorted(self.drop_events),
            "repeat_events": sorted(self.repeat_events),
            "events_first": self.events_first,
            "calls": [rule.kind.value for rule in self.calls],
        }

    def take(self, call: str) -> CallRule | None:
        """The rule that concerns this call, counted down."""
        for rule in self.calls:
            if rule.call in ("", call):
                if rule.left is not None:
                    rule.left -= 1
                    if rule.left == 0:
                        self.calls.remove(rule)
                return rule
        return None

    def copies(self, channel: str) -> int:
        """How often a message of *channel* is sent: 0, 1 or 2 times."""
        if channel in self.drop_events:
            return 0
        return 2 if channel in self.repeat_events else 1

    def clear(self) -> None:
        """End every fault that lasts."""
        self.delay_answers, self.events_first = 0.0, False
        self.drop_events = self.repeat_events = frozenset()
        self.calls.clear()
        for name, harmless in _HARMLESS.items():
            self.actions[name](harmless)

    def _step(self, key: str, value: Any) -> Callable[[], object]:
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
