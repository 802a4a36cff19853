"""Watches whether the reactor's thread comes round in time, measures how late it is and finds out what kept it.

A beat is due every `INTERVAL`; how late it comes is the lag.  A thread of its own, which touches nothing, looks on: when a
beat is overdue it takes down what the reactor's thread is doing at that moment, and the late beat says so in the log,
together with how much of the time was spent computing: a thread that was late and did not compute was not let run, or
waited for a disk.  Garbage collections are timed as well, because no stack shows them.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, thread_time
from types import FrameType
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

from ilp.metrics import Histogram, Metrics

__all__ = ["INTERVAL", "STALL", "Probe", "set_apart"]

INTERVAL = 0.01  # reactor seconds between two beats
STALL = 0.02  # seconds of lag from which on it is a stall
QUIET = 10.0  # reactor seconds between two words in the log of one level; every stall is counted
LONG = 0.1  # seconds of computing below which a stall is named only so often:
CALM = 60.0  # reactor seconds
GRAVE = 0.25  # seconds of computing from which on a stall is a warning
DEPTH = 4  # innermost calls that are named
GARBAGE = "python_gc_seconds"
COMPUTING = "reactor_stalls_computing_total"


@define(eq=False)
class Probe:
    """The loop-lag probe of one reactor.

    :ivar lag: seconds by which beats come late; exported as `reactor_lag_seconds`.
    :ivar last: what the last stall was, in words; empty before the first.
    :ivar wall, cpu: clocks, replaced in tests.
    """

    clock: IReactorTime
    metrics: Metrics
    watch: bool = True
    wall: Callable[[], float] = perf_counter
    cpu: Callable[[], float] = thread_time
    last: str = ""
    log: Logger = field(factory=lambda: Logger(namespace="ilp.probe"))
    lag: Histogram = field(init=False)
    _garbage: Histogram = field(init=False)
    _call: IDelayedCall | None = None
    _due: float = 0.0
    _beat_cpu: float = 0.0
    _told: dict[LogLevel, float] = field(factory=dict)  # reactor seconds of the last word of each level
    _seen: str = ""
    _watcher: _Watcher | None = None
    _collecting_since: float = 0.0
    _collected: float = 0.0  # seconds of collections since the last beat

    def __attrs_post_init__(self) -> None:
        self.lag = self.metrics.histogram("reactor_lag_seconds", "How late the reactor comes round.")
        self._garbage = self.metrics.histogram(GARBAGE, "How long garbage collections take.")
        self.metrics.count("reactor_stalls_total", f"How often it was more than {STALL:g} s late.", 0)
        self.metrics.count(COMPUTING, f"How often it was late because it computed for more than {STALL:g} s itself.", 0)
        self.metrics.gauges["reactor_lag_worst_seconds"] = "The longest stall so far.", lambda: self.lag.worst

    def start(self) -> None:
        """Begin to watch; to be called on the reactor's thread."""
        self._schedule()
        gc.callbacks.append(self._collecting)
        if self.watch:
            self._watcher = _Watcher(threading.get_ident())
            self._watcher.start()

    def stop(self) -> None:
        """Leave no timer, no thread and no hook behind."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        if self._collecting in gc.callbacks:
            gc.callbacks.remove(self._collecting)
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None

    def _schedule(self) -> None:
        self._due, self._beat_cpu, self._collected = self.wall() + INTERVAL, self.cpu(), 0.0
        if self._watcher is not None:
            self._watcher.beat(self._due)
        self._call = self.clock.callLater(INTERVAL, self._beat)

    def _beat(self) -> None:
        late = max(0.0, self.wall() - self._due)
        self.lag.observe(late)
        if late > STALL:
            self._stalled(late)
        self._schedule()

    def _stalled(self, late: float) -> None:
        self.metrics.count("reactor_stalls_total", "")
        computed = self.cpu() - self._beat_cpu
        self.metrics.count(COMPUTING, "", int(computed > STALL))
        where = self._watcher.seen if self._watcher is not None else ""
        if self._collected > late / 2:
            where = f"garbage collection for {self._collected * 1e3:.0f} ms"
        elif computed < late / 2:
            where = f"not computing: the machine was busy, or it waited; {where}"
        self.last = f"the reactor came {late * 1e3:.0f} ms late, {computed * 1e3:.0f} ms of it computing: {where}"
        # What did not compute was no doing of ours: that is for who looks into it.
        level = LogLevel.warn if computed >= GRAVE else LogLevel.info if computed >= STALL else LogLevel.debug
        now, told = self.clock.seconds(), self._told.get(level)
        if told is None or now - told >= (QUIET if computed >= LONG else CALM):
            self._told[level] = now
            self.log.emit(level, "{stall}", stall=self.last)

    def _collecting(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_since = self.wall()
            return
        took = self.wall() - self._collecting_since
        self._collected += took
        self._garbage.observe(took)


def set_apart() -> None:
    """Let the garbage collector look never again at what exists now: to go through a whole program stalls it for 80 ms."""
    gc.freeze()


class _Watcher:
    """The thread that looks on.

    :ivar seen: what the watched thread was doing when its beat was last found overdue.
    """

    def __init__(self, watched: int) -> None:
        self.seen = ""
        self._watched = watched
        self._due = float("inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ilp-probe", daemon=True)

    def start(self) -> None:
        """Look on from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def beat(self, due: float) -> None:
        """The watched thread is well; its next beat is due then."""
        self._due, self.seen = due, ""

    def _run(self) -> None:
        while not self._stopped.wait(STALL / 2):
            if not self.seen and perf_counter() > self._due + STALL / 2:
                frame = sys._current_frames().get(self._watched)
                self.seen = _words(frame)


def _words(frame: FrameType | None) -> str:
    """The innermost calls, the innermost first."""
    found: list[str] = []
    while frame is not None and len(found) < DEPTH:
        code = frame.f_code
        place = "/".join(Path(code.co_filename).parts[-2:])
        found.append(f"{code.co_name} ({place}:{frame.f_lineno})")
        frame = frame.f_back
    return " < ".join(found) or "unknown"
