"""What the client needs of a session with a Sputnik exchange, whichever way it talks; no behaviour of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from clients.budget import Priority
from clients.websocket import LineLost

__all__ = ["Talk"]

T = TypeVar("T")


class Talk(Protocol):
    """A session: `clients.sputnik_session.Session` over WAMP, `clients.sputnik_http.HttpSession` over REST.

    :ivar authid: who is logged in; empty for an anonymous session.
    """

    venue: str
    authid: str

    async def call(
        self,
        doing: str,
        procedure: str,
        arguments: tuple[Any, ...],
        result: type[T],
        changes_state: bool,
        limit: float,
        priority: Priority = Priority.READ,
    ) -> T:
        """One RPC within *limit* seconds, its result decoded as *result*; *priority* counts where calls have to queue."""
        raise NotImplementedError

    async def subscribe(
        self,
        topic: str,
        kind: type[T],
        handler: Callable[[T], None],
        unreadable: Callable[[], None],
        *,
        latest_only: bool,
        limit: float,
    ) -> None:
        """Have *handler* called with each event of *topic*."""
        raise NotImplementedError

    def lost(self, reason: LineLost) -> None:
        """The line is gone."""
        raise NotImplementedError

    async def close(self, limit: float) -> None:
        """Leave in order."""
        raise NotImplementedError
