"""Where log events go: readable lines on a terminal, or one JSON object a line for machines."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)
from zope.interface import implementer

__all__ = ["Form", "HumanLines", "JsonLines", "begin"]

# Keys that the bridge from the old logging adds to each event.
_LEGACY = ("format", "isError", "message", "system", "time")

Form = Literal["human", "json"]


@implementer(ILogObserver)
class HumanLines:
    """Writes `14:03:22 warn   trader: what happened` to a stream; a traceback follows where nobody foresaw the failure."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        at = datetime.fromtimestamp(event.get("log_time", 0.0), UTC).astimezone()
        level = event.get("log_level", LogLevel.info)
        where = str(event.get("log_namespace", "-")).rsplit(".", 1)[-1].lower()
        text = formatEvent(event).replace("\n", "\n    ")
        print(f"{at:%H:%M:%S} {level.name:8} {where}: {text}", file=self._stream, flush=True)
        failure = event.get("log_failure")
        if failure is not None:
            print("    " + failure.getTraceback().replace("\n", "\n    "), file=self._stream, flush=True)


@implementer(ILogObserver)
class JsonLines:
    """Writes one JSON object a line: `time`, `level`, `where`, `text`, and the event's own keys as they are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        """Write one event."""
        level = event.get("log_level", LogLevel.info)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds"),
            "level": level.name,
            "where": str(event.get("log_namespace", "-")),
            "text": formatEvent(event),
        }
        line |= {key: value for key, value in event.items() if not key.startswith("log_") and key not in _LEGACY}
        failure = event.get("log_failure")
        if failure is not None:
            line["traceback"] = failure.getTraceback()
        print(json.dumps(line, default=str, ensure_ascii=False), file=self._stream, flush=True)


def begin(form: Form, level: LogLevel = LogLevel.info, stream: TextIO | None = None) -> None:
    """Send events from *level* up to *stream* (standard error by default); called once a process."""
    out = stream if stream is not None else sys.stderr
    observer: Any = HumanLines(out) if form == "human" else JsonLines(out)
    predicate = LogLevelFilterPredicate(defaultLogLevel=level)
    # Factories announce each port and connection on their own; what the operator has to know, the program says itself.
    for noisy in (
        "log_legacy",
        "twisted.internet",
        "twisted.web",
        "autobahn",
        "txaio",
        "treq",
        "web.site",
        "web.socket",
    ):
        predicate.setLogLevelForNamespace(noisy, LogLevel.warn)
    globalLogBeginner.beginLoggingTo([FilteringLogObserver(observer, [predicate])], redirectStandardIO=False)
