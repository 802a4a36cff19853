"""Where log events go: readable lines on a terminal, or one JSON object a line for machines."""

from __future__ import annotations

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
    jsonFileLogObserver,
)
from zope.interface import implementer

__all__ = ["Form", "HumanLines", "begin"]

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


def begin(form: Form, level: LogLevel = LogLevel.info, stream: TextIO | None = None) -> None:
    """Send events from *level* up to *stream* (standard error by default); called once a process."""
    out = stream if stream is not None else sys.stderr
    observer: Any = HumanLines(out) if form == "human" else jsonFileLogObserver(out, recordSeparator="")
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
