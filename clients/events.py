"""Events of a client: `pyee`, made safe against listeners that fail.  Knows no venue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyee import EventEmitter
from twisted.logger import Logger

__all__ = ["Emitter"]


class Emitter(EventEmitter):
    """An event emitter whose listeners cannot break it.

    A listener that raises is logged with its traceback and told of by an `error` event; the other listeners and the
    emitter go on.  An `error` event that nobody listens to is logged: pyee would raise it in the middle of the client.
    """

    _log = Logger()

    def announce(self, event: str, *args: Any) -> None:
        """Emit *event*; never raises."""
        if event == "error" and not self.listeners("error"):
            self._log.error("{error}", error=args[0])
            return
        self.emit(event, *args)

    # pyee's own subclasses hook in at this method, the one place where a listener is called.
    def _emit_run(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            f(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever a listener raises is its own fault and is reported here
            self._log.failure("a listener of {emitter} failed", emitter=type(self).__name__)
            if not (args and isinstance(args[0], Exception)):  # a failing listener of `error` is not told of itself
                self.announce("error", error)
