"""What an operator may see and do: the only door between the console and the daemon.

Documents are plain JSON values as "Public JSON" in `docs/architecture.md` describes them: money as strings, times as
ISO 8601 UTC, a missing value as None and never as an absent key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred

__all__ = ["Console", "Declined", "Document"]

Document = dict[str, Any]


class Declined(Exception):
    """An act was not carried out; nothing has changed.

    :ivar status: HTTP status that says so: 400 invalid input, 409 a conflict or a failed check, 503 not possible now.
    :ivar document: what the caller is told: `{"errors": [{"field", "message"}]}` or `{"reasons": [...]}`.
    """

    def __init__(self, status: int, document: Document) -> None:
        super().__init__(f"{status}: {document}")
        self.status = status
        self.document = document


class Console(Protocol):
    """What the web console may call.  Every act names the user who wants it and may fail with `Declined`."""

    def snapshot(self) -> Document:
        """Everything of `GET /api/update`."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call *changed* (at most once a reactor turn) after anything in the snapshot changed; returns how to stop that."""

    def start(self, user: str) -> Deferred[Document]:
        """Wish to trade: fires with `{"state": ...}`; `Declined(409)` with the reasons why not."""

    def stop(self, user: str) -> Deferred[Document]:
        """Stop trading, cancel, and stay stopped."""

    def halt(self, user: str, reason: str) -> Deferred[Document]:
        """Cancel everything at once and stay halted until `reset`."""

    def reset(self, user: str, note: str) -> Deferred[Document]:
        """Acknowledge a halt with a written note."""

    def preview(self, parameters: Mapping[str, Any]) -> Deferred[Document]:
        """What the plan and the quotes would be: `{"valuation", "quotes"}`.  Changes nothing."""

    def update(self, user: str, version: int, parameters: Mapping[str, Any]) -> Deferred[Document]:
        """Apply all edits or none: `{"version"}`; `Declined(409)` with both values when *version* is old."""

    def transfer(self, user: str, id: str, action: str, amount: str | None, note: str | None) -> Deferred[Document]:
        """approve, sent, arrived, cancel or resolve a transfer; fires with the transfer."""

    def hedge(self, user: str) -> Deferred[Document]:
        """Close the open exposure now."""

    def cancel(self, user: str, venue: str, id: str | None, side: str | None) -> Deferred[Document]:
        """Cancel one order, one side, or (neither given) every own order at a venue."""
