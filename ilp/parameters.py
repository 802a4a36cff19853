"""Parameters that an operator may change while the daemon runs: texts, where each came from, and the rules between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from attrs import evolve, frozen

from ilp import settings_values as kinds
from ilp.journal.entries import ParameterEntry
from ilp.settings import Cost, Limits, Parameters
from ilp.settings_keys import KEYS, Key
from ilp.settings_values import Kind

__all__ = ["InvalidParameters", "Origin", "Raw", "Table", "display", "restored", "unjournaled"]

Origin = Literal["default", "file", "console"]
_LIVE: dict[str, Key] = {key.name: key for key in KEYS if key.live}
_TARGET = "target_balance"


class InvalidParameters(Exception):
    """Edits that break a rule; nothing was changed.

    :ivar errors: (name of the parameter, sentence) for each broken rule.
    """

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{name} {message}" for name, message in self.errors))


@frozen
class Raw:
    """A parameter as text.

    :ivar text: in force; None where the default follows from other parameters.
    :ivar file_text: what the file, or the default where the file is silent, says; None likewise.
    """

    text: str | None
    origin: Origin
    file_text: str | None = None


@frozen
class Table:
    """All parameters with their origins.

    :ivar raws: by name; a target balance is called `target_balance.VENUE.ASSET`.
    """

    raws: Mapping[str, Raw]

    @classmethod
    def of(cls, given: Mapping[str, str], targets: Mapping[tuple[str, str], str | None]) -> Table:
        """The table of a configuration file.

        :param given: texts of the live keys that the file has, by name.
        :param targets: text of the target balance of every holding; None where the file has none (which means 0).
        """
        raws = {
            name: Raw(given[name], "file", given[name])
            if name in given
            else Raw(_plain_default(key), "default", _plain_default(key))
            for name, key in _LIVE.items()
        }
        for (venue, asset), text in targets.items():
            raws[f"{_TARGET}.{venue}.{asset}"] = Raw("0", "default", "0") if text is None else Raw(text, "file", text)
        return cls(raws)

    def kind(self, name: str) -> Kind:
        """What is allowed for *name*; KeyError if there is no such parameter."""
        if name not in self.raws:
            raise KeyError(name)
        return _LIVE[name].kind if name in _LIVE else kinds.number("0")

    def unit(self, name: str) -> str:
        """The unit of *name* in words."""
        return _LIVE[name].unit if name in _LIVE else name.rsplit(".", 1)[-1]

    def meaning(self, name: str) -> str:
        """One line of help."""
        if name in _LIVE:
            return _LIVE[name].meaning
        venue, asset = name.split(".")[1:]
        return f"How much {asset} to hold on the {venue}."

    def edited(self, edits: Mapping[str, Any], origin: Origin = "console") -> Table:
        """This table with *edits* applied; `InvalidParameters` names every unknown name and every value not allowed."""
        errors: list[tuple[str, str]] = []
        raws = dict(self.raws)
        for name, value in edits.items():
            try:
                text = _text(value)
                self.kind(name)(text)
            except KeyError:
                errors.append((name, "is not a parameter"))
            except ValueError as error:
                errors.append((name, f"{error}; {value!r} is not"))
            else:
                raws[name] = Raw(text, origin, raws[name].file_text)
        if errors:
            raise InvalidParameters(errors)
        return evolve(self, raws=raws)

    def parameters(self, limits: Limits | None = None) -> Parameters:
        """The values; `InvalidParameters` where rules between them, or with *limits*, are broken."""
        given = {name: self.kind(name)(raw.text) for name, raw in self.raws.items() if raw.text is not None}
        values = _derived(given) | given
        targets = {
            (name.split(".")[1], name.split(".")[2]): values.pop(name)
            for name in list(values)
            if name.startswith(f"{_TARGET}.")
        }
        parameters = Parameters(targets=targets, **values)
        errors = list(_broken(parameters, limits))
        if errors:
            raise InvalidParameters(errors)
        return parameters


def restored(table: Table, edits: Mapping[str, ParameterEntry]) -> tuple[Table, tuple[str, ...]]:
    """*table* of the file with the console's last *edits* put back, and what the operator has to be told about it.

    An edit holds as long as the file says what it said when the edit was made; a file changed since then wins.
    """
    notices = []
    for name, edit in sorted(edits.items()):
        raw = table.raws.get(name)
        if raw is None:
            notices.append(f"{name} = {edit.new}, set by {edit.by}, is dropped: there is no such parameter any more")
        elif (raw.file_text or "") != edit.file_value:
            notices.append(
                f"{name}: the file's value {raw.file_text or 'default'} was changed since {edit.by} set {edit.new}, and wins"
            )
        else:
            try:
                table = table.edited({name: edit.new})
            except InvalidParameters as error:
                notices.append(f"{name} = {edit.new}, set by {edit.by}, is dropped: {error}")
    return table, tuple(notices)


def unjournaled(
    table: Table, known: Mapping[str, ParameterEntry], edits: Mapping[str, ParameterEntry], at: datetime
) -> list[ParameterEntry]:
    """What is in force at a start and is not the last that the journal has of it, as entries for it.

    :param known: the last entry of each name; *edits*: the last that was made in the console.
    """
    version, found = max((edit.version for edit in edits.values()), default=0), []
    for name, raw in table.raws.items():
        before, text = known.get(name), raw.text or ""
        if before is None or (before.new, before.origin) != (text, raw.origin):
            old = "" if before is None else before.new
            by = edits[name].by if raw.origin == "console" else "start"  # an edit that holds again stays whose it was
            found.append(ParameterEntry(name, old, text, raw.file_text or "", version, by, at, raw.origin))
    return found


def _plain_default(key: Key) -> str | None:
    return None if key.default is None or key.default.startswith("<") else key.default


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return f"[{_text(value[0])}, {_text(value[1])}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("must be a text, so that no digit is lost")


def _derived(given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that follow from other parameters; a missing parameter is left out, `Parameters` then says which."""
    size: Decimal = given["quote_size"]
    charge: Cost = given["fiat_exchange_cost"]
    return {
        "edge_to_drop": 2 * given["edge_to_enter"] - given["edge_to_leave"],
        "min_coin_transfer": 5 * size,
        "min_fiat_transfer": 10 * charge.fixed,
        "min_payout": 10 * charge.fixed,
    }


def _broken(p: Parameters, limits: Limits | None) -> Iterable[tuple[str, str]]:
    if p.edge_to_leave >= p.edge_to_enter:
        yield "edge_to_leave", f"must be below edge_to_enter, {p.edge_to_enter}; {p.edge_to_leave} is not"
    elif p.edge_to_drop <= p.edge_to_enter:
        yield "edge_to_drop", f"must be above edge_to_enter, {p.edge_to_enter}; {p.edge_to_drop} is not"
    if limits is None:
        return
    if p.quote_size > limits.largest_order:
        yield "quote_size", f"must be at most limits.largest_order, {limits.largest_order}; {p.quote_size} is not"
    if p.quote_size + p.max_unhedged > limits.exposure:
        yield (
            "quote_size",
            f"and max_unhedged together must be at most limits.exposure, {limits.exposure}; "
            f"{p.quote_size} + {p.max_unhedged} is not",
        )


def display(table: Table, name: str, values: Parameters) -> Any:
    """The present value of *name* for a JSON document: money as text, a cost as a pair of texts."""
    if name.startswith(f"{_TARGET}."):
        venue, asset = name.split(".")[1:]
        return f"{values.targets[venue, asset]:f}"
    value = getattr(values, name)
    if isinstance(value, Cost):
        return [f"{value.fixed:f}", f"{value.proportional:f}"]
    return f"{value:f}"
