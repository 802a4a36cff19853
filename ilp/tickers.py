"""What a ticker says: which two things a pair trades, and what of them is held.  Pure.

A market of rates (`ETH-SPOT` at a floating rate, `ETH-2023-12-29` at a fixed one until that day) has no quote currency and
no cash leg: a trade moves the token, and what it costs is interest.  Its price is interest a year for one unit of the token,
so what stands where other pairs have their quote currency is `ETH%`, interest of the token a year.  Nobody holds that.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["held", "is_rate", "parts"]

_PAIR = re.compile(r"([A-Z0-9]{2,10})/([A-Z0-9]{2,10})")
_RATE = re.compile(r"([A-Z0-9]{2,10})-(?:SPOT|[0-9]{4}-[0-9]{2}-[0-9]{2})")


@lru_cache(256)  # asked for each own order many times a turn
def parts(ticker: str) -> tuple[str, str]:
    """Base and quote; `ValueError` where *ticker* is neither a pair nor a market of rates."""
    if pair := _PAIR.fullmatch(ticker):
        if pair[1] == pair[2]:
            raise ValueError(f"{ticker!r} trades a thing for itself")
        return pair[1], pair[2]
    if rate := _RATE.fullmatch(ticker):
        return rate[1], f"{rate[1]}%"
    raise ValueError(f"{ticker!r} is neither BASE/QUOTE nor a market of rates such as ETH-SPOT or ETH-2023-12-29")


def is_rate(ticker: str) -> bool:
    """Whether it is a market of rates."""
    return _RATE.fullmatch(ticker) is not None


def held(ticker: str) -> tuple[str, ...]:
    """What is held where a pair is traded: base and quote, of a market of rates the token alone."""
    base, quote = parts(ticker)
    return (base,) if is_rate(ticker) else (base, quote)
