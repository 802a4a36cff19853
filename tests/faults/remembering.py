"""The optimizer's answers, remembered: thousands of schedules ask it the same.  It is pure, so that nothing else changes."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from typing import Any

from ilp.trading import strategy

__all__ = ["remember_prices"]

MOST = 20_000  # answers; then all are forgotten


def remember_prices() -> None:
    """Let the pool's strategy look up what this process has computed before; for good, so only for a process of its own.

    Ctrl-C is for whoever started it, who then tells what was done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("solve", "reservation_prices"):
        setattr(strategy, name, _remembering(getattr(strategy, name)))


def _remembering(compute: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[bytes, Any] = {}

    def look_up(*asked: Any, **named: Any) -> Any:
        key = pickle.dumps((asked, sorted(named.items())))
        if key not in known:
            if len(known) >= MOST:
                known.clear()
            known[key] = compute(*asked, **named)
        return known[key]

    return look_up
