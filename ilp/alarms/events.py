"""What has happened to a trader since it was last asked: alarms of its parts, changes of state, edits.  Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, field

from ilp.alarms.notices import Severity
from ilp.journal.recent import RecentJournal
from ilp.trading.trader import Trader

__all__ = ["Events"]

AS_CONDITIONS = frozenset({"halt", "exposure"})  # kinds of alarms that are told for as long as they last


@define(eq=False)
class Events:
    """Called now and then; each call yields what is new since the one before as (kind, severity, text)."""

    trader: Trader
    journal: RecentJournal
    _seen: dict[str, Any] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        # what the journal remembers of earlier runs is no news
        for name, entries in self._sources():
            self._seen[name] = entries[-1] if entries else None

    def __call__(self) -> Iterator[tuple[str, Severity, str]]:
        """See the class."""
        fresh = {name: self._newer(name, entries) for name, entries in self._sources()}
        for alarm in fresh["alarms"]:
            if alarm.kind not in AS_CONDITIONS:
                yield alarm.kind, Severity.WARNING, alarm.message
        for change in fresh["states"]:
            yield "state", Severity.INFO, f"{change.previous} → {change.state}: {change.reason} ({change.by})"
        for edit in fresh["edits"]:
            yield "edit", Severity.INFO, f"{edit.by} set {edit.name}: {edit.old} → {edit.new} (edit {edit.version})"

    def _sources(self) -> list[tuple[str, Sequence[Any]]]:
        return [
            ("alarms", list(self.trader.alarms)),
            ("states", list(self.journal.states_kept())),
            ("edits", [edit for edit in self.journal.edits_kept() if edit.edited]),
        ]

    def _newer(self, name: str, entries: Sequence[Any]) -> list[Any]:
        """Those after the last one seen; all of them when it is no longer among them."""
        last, found = self._seen[name], []
        for entry in reversed(entries):
            if entry is last:
                break
            found.append(entry)
        if entries:
            self._seen[name] = entries[-1]
        return found[::-1]
