"""Numbers that only ever rise, also over restarts and when a machine's clock is set back.

A key is locked for good by one number that is too large, so numbers are microseconds of the clock and run ahead of it by
no more than what one reservation covers.  The file, where there is one, tells a mark that no number has passed yet; it is
written once for many numbers, before the first of them is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

__all__ = ["Nonces"]

_RESERVED = 60_000_000  # microseconds: one write a minute at most


def _clock() -> int:
    return time.time_ns() // 1000


@define(eq=False)
class Nonces:
    """The nonces of one key.

    :ivar file: remembers over restarts what was used; None relies on the clock, which is never set back then.
    :ivar clock: microseconds since 1970.
    """

    file: Path | None = None
    clock: Callable[[], int] = _clock
    _last: int = field(init=False, default=0)
    _mark: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            text = self.file.read_text().strip()
            if not (text.isascii() and text.isdigit()):
                raise ValueError(f"{self.file}: {text[:40]!r} is no nonce; one whole number is expected")
            self._last = self._mark = int(text)

    def take(self) -> int:
        """The next one."""
        self._last = max(self._last + 1, self.clock())
        if self.file is not None and self._last > self._mark:
            self._mark = self._last + _RESERVED
            self._write(self.file)
        return self._last

    def _write(self, file: Path) -> None:
        fresh = file.with_name(f"{file.name}.new")
        fresh.write_text(f"{self._mark}\n")
        fresh.replace(file)
