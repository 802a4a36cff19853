"""Misbehaviour on demand, for testing clients: what a venue may do wrong, and the switches that make it do so.

`POST /fault` of the admin address takes an object with any of these keys; `{"clear": true}` ends everything.  Seconds are
the reactor's unless said otherwise.  A *call rule* is `{"procedure": prefix of the URI, "count": how many calls}`; both
may be left out (every procedure, one call; a count of 0 means until cleared).

========================= ================== =========================================================================
key                       value              what happens
========================= ================== =========================================================================
`drop_events`             topic prefix, null events of these topics are not sent
`duplicate_events`        topic prefix, null events of these topics are sent twice
`delay_answers`           seconds            every RESULT comes that much later; the operation is done at once
`lose_answer`             call rule          no answer; `"effect": false` in the rule: the operation is not done either
`time_out`                call rule          `exceptions/zmq/call-timed-out`; `effect` as above
`refuse`                  call rule          the error `"code"` of the rule, nothing done
`repeat_answer`           call rule          the RESULT is sent twice
`garble_answer`           call rule          the RESULT carries no envelope
`garbage`                 true               a frame that is no WAMP message goes to every connection now
`disconnect`              1006 or 1011       every connection ends now: dropped, or closed with that code
`down`                    boolean            connections are dropped and refused until it is false again
`freeze`                  boolean            nothing is read or sent, no pong either; what was held back follows at the end
`events_before_answer`    boolean            order and fill events come before the answer to `place_order`
`cancel_all`              ticker, or true    all orders of the contract (of all) are cancelled uninvited
`restart`                 true               orders cancelled, connections dropped, books unknown until the next publication
`hold_withdrawals`        boolean            withdrawals stay pending
`cancel_withdrawals`      true               pending withdrawals come back to their accounts
`delay_deposits`          world seconds      money that arrives is credited that much later
`credit_old_addresses`    boolean            whether deposits to an address that was replaced are credited
`mark_to_market`          ticker             holders of the future are paid what its safe price has moved
`settle`                  ticker, price      `{"ticker": …, "price": …}`: orders are cancelled, positions paid out and gone
`strict_features`         boolean            role features that the original does not know: close 1011
`strict_totp`             boolean            `totp` must be a string
`silent_schema_errors`    boolean            what would be a schema error is not answered
`msgpack`                 boolean            MessagePack is spoken too, with integers as keys of dictionaries
========================= ================== =========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from attrs import define, field, fields

from .session import Switches

__all__ = ["BadFault", "CallRule", "Faults", "Kind"]


class BadFault(ValueError):
    """A fault was asked for that does not exist.

    :ivar key: which one; the text says what is allowed.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key
        self.message = message


class Kind(Enum):
    """What happens to the answer of a call."""

    LOSE = "lose_answer"
    TIME_OUT = "time_out"
    REFUSE = "refuse"
    REPEAT = "repeat_answer"
    GARBLE = "garble_answer"


@define
class CallRule:
    """A fault of calls.

    :ivar procedure: prefix of the URIs it concerns.
    :ivar left: how many calls it still concerns; None without end.
    :ivar effect: whether the operation is carried out all the same.
    :ivar code: the error of a refusal.
    """

    kind: Kind
    procedure: str = ""
    left: int | None = 1
    effect: bool = True
    code: str = ""

    @classmethod
    def of(cls, kind: Kind, value: object) -> CallRule:
        """The rule that a JSON object describes; raises `BadFault`."""
        types = {"procedure": str, "count": int, "effect": bool, "code": str}
        if not isinstance(value, dict):
            raise BadFault(kind.value, f"{value!r} is not an object")
        for name, given in value.items():
            if name not in types or type(given) is not types[name]:
                raise BadFault(kind.value, f"{name}: {given!r} is not allowed; keys are {', '.join(types)}")
        if (kind is Kind.REFUSE) != ("code" in value):
            raise BadFault(kind.value, "a code belongs to refuse, and refuse needs one")
        count = value.get("count", 1)
        effect = value.get("effect", kind is not Kind.REFUSE)
        return cls(kind, value.get("procedure", ""), count or None, effect, value.get("code", ""))


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadFault(key, f"{value!r} is not true or false")
    return value


def _prefix(key: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BadFault(key, f"{value!r} is neither a topic prefix nor null")
    return value


def _seconds(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadFault(key, f"{value!r} is not a number of seconds")
    return float(value)


@define
class Faults:
    """The switches that last.  Change them at will; those that do something at once are in `actions`.

    :ivar actions: what to do for the keys that act at once; the venue fills it in.
    """

    drop_events: str | None = None
    duplicate_events: str | None = None
    delay_answers: float = 0.0
    events_before_answer: bool = False
    strict_totp: bool = False
    silent_schema_errors: bool = False
    msgpack: bool = False
    calls: list[CallRule] = field(factory=list)
    switches: Switches = field(factory=Switches)
    actions: dict[str, Callable[[Any], None]] = field(factory=dict, repr=False)

    def apply(self, wanted: Mapping[str, Any]) -> None:
        """Do what the object of `POST /fault` says, all of it or nothing; raises `BadFault`."""
        steps = [self._step(key, value) for key, value in wanted.items()]
        for step in steps:
            step()

    def take(self, procedure: str) -> CallRule | None:
        """The rule that concerns this call, counted down; None when it is to be answered properly."""
        for rule in self.calls:
            if procedure.startswith(rule.procedure):
                if rule.left is not None:
                    rule.left -= 1
                    if rule.left == 0:
                        self.calls.remove(rule)
                return rule
        return None

    def copies(self, topic: str) -> int:
        """How often an event of *topic* is sent: 0, 1 or 2 times."""
        if self.drop_events is not None and topic.startswith(self.drop_events):
            return 0
        return 2 if self.duplicate_events is not None and topic.startswith(self.duplicate_events) else 1

    def clear(self) -> None:
        """End every fault that lasts."""
        for attribute in fields(Faults):
            if attribute.name in _LASTING:
                setattr(self, attribute.name, attribute.default)
        self.calls.clear()
        self.switches.strict_features = False
        for name, harmless in _HARMLESS.items():
            if name in self.actions:
                self.actions[name](harmless)

    def _step(self, key: str, value: Any) -> Callable[[], None]:
        if key == "clear":
            return self.clear
        if key == "strict_features":
            flag = _flag(key, value)
            return lambda: setattr(self.switches, key, flag)
        if key in _LASTING:
            parsed = _LASTING[key](key, value)
            return lambda: setattr(self, key, parsed)
        if key in {kind.value for kind in Kind}:
            rule = CallRule.of(Kind(key), value)
            return lambda: self.calls.append(rule)
        if key in self.actions:
            checked = _ACTIONS[key](key, value)
            return lambda: self.actions[key](checked)
        known = sorted([*_LASTING, *self.actions, *(kind.value for kind in Kind), "strict_features", "clear"])
        raise BadFault(key, f"no such fault; there are {', '.join(known)}")


def _code(key: str, value: object) -> int:
    if value not in (1006, 1011) or isinstance(value, bool):
        raise BadFault(key, f"{value!r} is neither 1006 nor 1011")
    return int(str(value))


def _ticker(key: str, value: object) -> str | None:
    if value is True:
        return None
    if not isinstance(value, str):
        raise BadFault(key, f"{value!r} is neither a ticker nor true")
    return value


def _settlement(key: str, value: object) -> tuple[str, Decimal]:
    if not isinstance(value, dict) or set(value) != {"ticker", "price"} or not isinstance(value["ticker"], str):
        raise BadFault(key, f'{value!r} is not an object like {{"ticker": "NETS", "price": "1"}}')
    try:
        return value["ticker"], Decimal(str(value["price"]))
    except InvalidOperation:
        raise BadFault(key, f"price {value['price']!r} is no number") from None


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadFault(key, f"{value!r} is no ticker")
    return value


_LASTING: Mapping[str, Callable[[str, object], Any]] = {
    "drop_events": _prefix,
    "duplicate_events": _prefix,
    "delay_answers": _seconds,
    "events_before_answer": _flag,
    "strict_totp": _flag,
    "silent_schema_errors": _flag,
    "msgpack": _flag,
}

_ACTIONS: Mapping[str, Callable[[str, object], Any]] = {
    "garbage": _flag,
    "disconnect": _code,
    "down": _flag,
    "freeze": _flag,
    "cancel_all": _ticker,
    "restart": _flag,
    "hold_withdrawals": _flag,
    "cancel_withdrawals": _flag,
    "delay_deposits": _seconds,
    "credit_old_addresses": _flag,
    "mark_to_market": _text,
    "settle": _settlement,
}

# What `clear` sets the actions that last back to.
_HARMLESS: Mapping[str, Any] = {
    "freeze": False,
    "down": False,
    "hold_withdrawals": False,
    "delay_deposits": 0.0,
    "credit_old_addresses": None,
}
