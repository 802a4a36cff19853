"""Token buckets of the simulated BitMEX: who may ask how often, and what the headers say about it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from attrs import define, field

from ilp.simulation.bitmex.errors import ApiError

__all__ = ["Bucket", "Limits"]


@define
class Bucket:
    """*size* tokens that come back evenly over *period* seconds."""

    size: int
    period: float
    tokens: float = field(init=False)
    filled_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.tokens = self.size

    def refill(self, now: float) -> None:
        """Count what came back since the last time."""
        self.tokens = min(self.size, self.tokens + (now - self.filled_at) * self.size / self.period)
        self.filled_at = now

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self.refill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def wait(self) -> int:
        """Whole seconds until there is one."""
        return max(1, ceil((1 - self.tokens) * self.period / self.size))


@define
class Limits:
    """The venue's limits.

    :ivar signed: requests a minute of an account; `unsigned` those of an address without a key.
    :ivar entry: requests a second that place, change or cancel.
    """

    clock: Callable[[], float]
    signed: int = 120
    unsigned: int = 30
    entry: int = 10
    _buckets: dict[tuple[str, str], Bucket] = field(init=False, factory=dict)

    def take(self, who: str, *, signed: bool, entry: bool, cancel: bool) -> dict[str, str]:
        """Count a request; the headers of its answer.  429 when it is one too many; a cancel never is."""
        size = self.signed if signed else self.unsigned
        headers = self._one((who, "minute"), size, 60.0, cancel)
        if entry:
            bucket = self._one((who, "second"), self.entry, 1.0, cancel)
            headers["x-ratelimit-remaining-1s"] = bucket["x-ratelimit-remaining"]
        return headers

    def _one(self, key: tuple[str, str], size: int, period: float, cancel: bool) -> dict[str, str]:
        bucket = self._buckets.get(key)
        now = self.clock()
        if bucket is None or bucket.size != size:
            bucket = self._buckets[key] = Bucket(size, period, filled_at=now)
        taken = bucket.take(now)
        headers = {
            "x-ratelimit-limit": str(bucket.size),
            "x-ratelimit-remaining": str(max(0, int(bucket.tokens))),
            "x-ratelimit-reset": str(ceil(now + (bucket.size - bucket.tokens) * period / bucket.size)),
        }
        if not taken and not cancel:
            wait = bucket.wait()
            words = f"Rate limit exceeded, retry in {wait} seconds."
            raise ApiError(429, words, "RateLimitError", headers={**headers, "retry-after": str(wait)})
        return headers
