"""When the read began whose messages are being worked on: what reaction times are measured from.

A reactor has one thread and finishes one read before it begins the next, so one number for the process is enough.  Only
measurements use it; nothing is decided by it.
"""

from __future__ import annotations

from time import perf_counter

__all__ = ["began", "begin", "end"]

_began = 0.0


def begin() -> None:
    """Octets have just been read from a socket."""
    global _began
    _began = perf_counter()


def end() -> None:
    """Everything that they said has been told."""
    global _began
    _began = 0.0


def began() -> float:
    """`perf_counter` at the beginning of the present read; now, where nothing is being read."""
    return _began or perf_counter()
