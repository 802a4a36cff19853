"""One way to read the console's document for whoever shows it: a failure is logged and shows as missing news."""

from __future__ import annotations

from twisted.logger import Logger

from ilp.operator import Console, Document

__all__ = ["read"]

_log = Logger(namespace="web.reading")


def read(console: Console) -> Document | None:
    """The document, or None when the console failed, which is logged with its cause."""
    try:
        return console.snapshot()
    except Exception:  # noqa: BLE001 - whatever it is, people stay signed in, connected, and are told that news are missing
        _log.failure("the console's snapshot failed")
        return None
