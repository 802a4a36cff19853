"""All WebSockets of one simulated venue: who is open, and what is held back while the venue is frozen.

Knows nothing of what is said on them.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory

__all__ = ["Sockets"]


class Sockets(WebSocketServerFactory):
    """Makes the connections of a venue; each enters itself into `open`, and has `send_frame` and `drop`."""

    noisy = False

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor=reactor)
        # No time-outs of its own: they would outlive the venue.  Without a status page a plain GET is an error.
        options = {"webStatus": False, "openHandshakeTimeout": 0, "closeHandshakeTimeout": 0}
        self.setProtocolOptions(failByDrop=False, **options)
        self.open: dict[Any, None] = {}
        self.frozen = False
        self._held_back: list[tuple[Any, bytes]] = []

    def hold_back(self, connection: Any, frame: bytes) -> bool:
        """Whether nothing is sent for now; the frame is kept for later then."""
        if self.frozen:
            self._held_back.append((connection, frame))
        return self.frozen

    def freeze(self, frozen: bool) -> None:
        """Send nothing until called with False, which sends what was held back."""
        self.frozen = frozen
        held, self._held_back = self._held_back, []
        for connection, frame in held:
            connection.send_frame(frame)

    def send(self, frame: bytes) -> None:
        """Send a frame to everyone."""
        for connection in tuple(self.open):
            connection.send_frame(frame)
