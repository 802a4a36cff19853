"""The live feed: a snapshot for whoever joins, changes for everybody, from one picture of the console.

Owns when the console is read and what is sent; knows neither WebSockets nor sessions.  A frame is encoded once and
offered to all; a listener that cannot keep up misses frames and gets a fresh snapshot when it can again.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ilp.operator import Console
from web.changes import difference
from web.reading import read
from web.view import page_view

__all__ = ["BEAT", "INTERVAL", "Feed", "Listener"]

INTERVAL = 0.075  # seconds between two frames at least: more a second than that nobody can follow
BEAT = 1.0  # seconds between two frames at most, so that the page knows that the silence is the market's


class Listener(Protocol):
    """Somebody who gets the frames."""

    def offer(self, frame: bytes) -> bool:
        """Send *frame*; False when the listener is behind and drops it."""


@define(eq=False)
class Feed:
    """Reads the console when something changed, at most every `INTERVAL`, at least every `BEAT`, while anybody listens."""

    console: Console
    clock: IReactorTime
    _document: Any = field(default=None, init=False, repr=False)
    _number: int = field(default=0, init=False)
    _last: float = field(default=float("-inf"), init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)
    _listeners: dict[Listener, bool] = field(factory=dict, init=False, repr=False)  # value: is it up to date?
    _unsubscribe: Any = field(default=None, init=False, repr=False)

    def start(self) -> None:
        """Begin to follow the console."""
        self._unsubscribe = self.console.subscribe(self.changed)

    def stop(self) -> None:
        """Forget the console and every listener; nothing is left behind."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._listeners.clear()
        self._cancel()

    def join(self, listener: Listener) -> None:
        """Send *listener* a snapshot now and every frame from then on."""
        self._listeners[listener] = False
        # Everybody is brought to the present first, so that one numbering and one picture serve all.
        self._publish()

    def leave(self, listener: Listener) -> None:
        """Send *listener* nothing more; harmless when it has left already."""
        self._listeners.pop(listener, None)
        if not self._listeners:
            self._cancel()

    def changed(self) -> None:
        """Something in the console's snapshot changed."""
        if self._listeners:
            self._schedule(max(0.0, self._last + INTERVAL - self.clock.seconds()))

    def _schedule(self, delay: float) -> None:
        due = self.clock.seconds() + delay
        if self._timer is not None:
            if self._timer.getTime() <= due:
                return
            self._timer.cancel()
        self._timer = self.clock.callLater(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._publish()

    def _publish(self) -> None:
        self._cancel()
        self._last = self.clock.seconds()
        self._schedule(BEAT)  # before anything can fail: the beat must go on
        read_now = read(self.console)
        if read_now is None:
            return  # the pages keep the last picture, and their ages grow
        # Decoded again: a picture of our own, which nobody changes while it is compared with the next one.
        document = msgspec.json.decode(msgspec.json.encode(page_view(read_now)))
        changes = difference(self._document, document)
        self._document = document
        self._number += 1
        self._send(changes)

    def _send(self, changes: list[Any]) -> None:
        frame = msgspec.json.encode({"type": "changes", "number": self._number, "changes": changes})
        snapshot = b""
        for listener, current in tuple(self._listeners.items()):
            if not current and not snapshot:
                snapshot = msgspec.json.encode({"type": "snapshot", "number": self._number, "document": self._document})
            if listener in self._listeners:  # it may have left while the others were served
                self._listeners[listener] = listener.offer(frame if current else snapshot)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
