"""What simulated venues have in common when they misbehave on demand: switches that last, rules for calls, acts at once.

A venue derives `Misbehaviour` with its own switches and says how each is read; `POST /fault` of its admin address ends in
`Misbehaviour.apply`.  Pure: no clock, no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, TypeVar

from attrs import define, field, fields

from ilp.simulation.bodies import BadRequest

__all__ = ["CallRule", "Misbehaviour", "Reader", "flag", "prefixes", "seconds", "text"]

Reader = Callable[[str, object], Any]
"""Reads the value of a switch; `BadRequest` names the switch and what is allowed."""

R = TypeVar("R", bound="CallRule")


def flag(key: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadRequest(key, f"{value!r} is not true or false")
    return value


def text(key: str, value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise BadRequest(key, f"{value!r} is not a text")
    return value


def seconds(key: str, value: object) -> float:
    """A number of seconds, not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value < 0:
        raise BadRequest(key, f"{value!r} is not a number of seconds")
    return float(value)


def prefixes(key: str, value: object) -> tuple[str, ...]:
    """Beginnings of names with commas between them; none for null."""
    if value is None:
        return ()
    if not isinstance(value, str):
        raise BadRequest(key, f"{value!r} is neither the beginning of a name nor null")
    return tuple(value.split(","))


@define
class CallRule:
    """A fault of calls; a venue derives it with what else its rules say.

    :ivar kind: what happens, one of the venue's own kinds.
    :ivar call: beginning of the names of the calls it concerns.
    :ivar left: how many calls it still concerns; None without end.
    :ivar effect: whether the operation is carried out all the same.
    """

    kind: Any
    call: str = ""
    left: int | None = 1
    effect: bool = False

    @classmethod
    def of(cls: type[R], kind: Enum, value: object, effect: bool) -> R:
        """The rule that a JSON object describes; *effect* holds where it does not say."""
        if not isinstance(value, dict):
            raise BadRequest(str(kind.value), f"{value!r} is not an object")
        types = {one.name: type(one.default) for one in fields(cls) if one.name not in ("kind", "left")} | {
            "count": int
        }
        for name, given in value.items():
            if name not in types or type(given) is not types[name]:
                raise BadRequest(str(kind.value), f"{name}: {given!r} is not allowed; keys are {', '.join(types)}")
        said = {name: given for name, given in value.items() if name != "count"}
        return cls(**({"kind": kind, "left": value.get("count", 1) or None, "effect": effect} | said))


@define
class Misbehaviour:
    """The switches of a venue; those that do something at once are in `actions`, which the venue fills in.

    :cvar kinds: an enum of what may happen to calls.
    :cvar rule: the class of the rules.
    :cvar done: kinds whose operation is carried out unless the rule says otherwise.
    :cvar lasting: switches that are attributes here, with how each is read.
    :cvar acting: switches that are acts, with how each is read.
    :cvar harmless: what ends an act that lasts.
    :ivar delay_answers: reactor seconds that every answer comes late.
    :ivar drop_events: messages that are not sent, `repeat_events` those sent twice; see `among`.
    """

    kinds: ClassVar[type[Enum]]
    rule: ClassVar[type[CallRule]] = CallRule
    done: ClassVar[frozenset[Any]] = frozenset()
    lasting: ClassVar[Mapping[str, Reader]] = {}
    acting: ClassVar[Mapping[str, Reader]] = {}
    harmless: ClassVar[Mapping[str, Any]] = {}

    delay_answers: float = 0.0
    drop_events: tuple[str, ...] = ()
    repeat_events: tuple[str, ...] = ()
    calls: list[Any] = field(factory=list, kw_only=True)
    actions: dict[str, Callable[[Any], object]] = field(factory=dict, repr=False, kw_only=True)

    def apply(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Do what the object says, all of it or nothing; the switches as they are then.

        :raise BadRequest: a switch or a value that does not exist; nothing was done.
        """
        steps = [self._step(key, value) for key, value in wanted.items()]
        for step in steps:
            step()
        return self.shown()

    def shown(self) -> dict[str, Any]:
        """The switches that last and the rules, for whoever asked."""
        return {name: getattr(self, name) for name in self.lasting} | {
            "calls": [rule.kind.value for rule in self.calls]
        }

    @staticmethod
    def concerns(rule: CallRule, call: str) -> bool:
        """Whether *rule* is about *call*."""
        return call.startswith(rule.call)

    @staticmethod
    def among(name: str, named: tuple[str, ...]) -> bool:
        """Whether the message *name* is one of those that a switch names, by their beginnings."""
        return name.startswith(named)

    def copies(self, name: str) -> int:
        """How often a message of that name is sent: 0, 1 or 2 times."""
        if self.among(name, self.drop_events):
            return 0
        return 2 if self.among(name, self.repeat_events) else 1

    def take(self, call: str) -> Any:
        """The rule that concerns this call, counted down; None when it is to be answered properly."""
        for rule in self.calls:
            if self.concerns(rule, call):
                if rule.left is not None:
                    rule.left -= 1
                    if rule.left == 0:
                        self.calls.remove(rule)
                return rule
        return None

    def clear(self) -> None:
        """End every fault that lasts."""
        for one in fields(type(self)):
            if one.name in self.lasting:
                setattr(self, one.name, one.default)
        self.calls.clear()
        for name, harmless in self.harmless.items():
            if name in self.actions:
                self.actions[name](harmless)

    def _step(self, key: str, value: Any) -> Callable[[], object]:
        kinds = {kind.value: kind for kind in self.kinds}
        if key == "clear":
            return self.clear
        if key in self.lasting:
            parsed = self.lasting[key](key, value)
            return lambda: setattr(self, key, parsed)
        if key in kinds:
            rule = self.rule.of(kinds[key], value, kinds[key] in self.done)
            return lambda: self.calls.append(rule)
        if key in self.acting and key in self.actions:
            checked = self.acting[key](key, value)
            return lambda: self.actions[key](checked)
        known = sorted([*self.lasting, *(set(self.acting) & set(self.actions)), *kinds, "clear"])
        raise BadRequest(key, f"no such fault; there are {', '.join(known)}")
