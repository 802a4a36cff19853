"""Parameters of the calls: names, types, which may be null.  What does not fit is refused with the schema error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from .errors import Code, Refusal

__all__ = ["Parameter", "array", "bind", "check", "choice", "integer", "object_of", "optional", "string"]

Rule = Callable[[Any], str | None]
"""What is wrong with a value, None when nothing is."""


def integer(value: Any) -> str | None:
    """A JSON integer; booleans and numbers with a point are none."""
    return None if type(value) is int else f"{value!r} is not of type 'integer'"


def string(value: Any) -> str | None:
    """Text."""
    return None if isinstance(value, str) else f"{value!r} is not of type 'string'"


def choice(*allowed: str) -> Rule:
    """One of the given texts."""

    def rule(value: Any) -> str | None:
        return None if isinstance(value, str) and value in allowed else f"{value!r} is not one of {list(allowed)}"

    return rule


def optional(rule: Rule) -> Rule:
    """Null, or what *rule* says."""
    return lambda value: None if value is None else rule(value)


def array(rule: Rule) -> Rule:
    """A list whose items satisfy *rule*."""

    def whole(value: Any) -> str | None:
        if not isinstance(value, list):
            return f"{value!r} is not of type 'array'"
        return next((problem for problem in map(rule, value) if problem), None)

    return whole


def object_of(properties: Mapping[str, Rule], *, required: bool = True) -> Rule:
    """An object with these keys and no others; all of them, unless *required* is false."""

    def whole(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"{value!r} is not of type 'object'"
        for name in value:
            if name not in properties:
                return f"additional property {name!r} is not allowed"
        for name, rule in properties.items():
            if name not in value:
                if required:
                    return f"{name!r} is a required property"
            elif problem := rule(value[name]):
                return f"{name}: {problem}"
        return None

    return whole


@frozen
class Parameter:
    """One parameter of a call; one without a *required* mark may be left out and is None then."""

    name: str
    rule: Rule
    required: bool = True


def _complain(what: str, message: str) -> Refusal:
    return Refusal(Code.SCHEMA, what, [message])


def check(what: str, rule: Rule, value: Any) -> None:
    """Raise the schema error when *value* does not satisfy *rule*."""
    if problem := rule(value):
        raise _complain(what, problem)


def bind(parameters: Sequence[Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The values in the order of *parameters*, given by position or by name; raises the schema error."""
    if "username" in kwargs:
        raise Refusal(Code.DENIED)
    names = [parameter.name for parameter in parameters]
    if len(args) > len(names):
        raise _complain("arguments", f"{len(args)} given, at most {len(names)} allowed")
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in names or name in given:
            raise _complain("arguments", f"keyword {name!r} is unknown or given twice")
        given[name] = value
    for parameter in parameters:
        if parameter.name in given:
            check(parameter.name, parameter.rule, given[parameter.name])
        elif parameter.required:
            raise _complain(parameter.name, "is required")
    return [given.get(name) for name in names]
