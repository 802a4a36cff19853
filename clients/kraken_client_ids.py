"""Client order ids as Kraken takes them: a UUID, or up to 18 characters of ASCII.  Pure.

Whoever places orders names them `<prefix>-<hexadecimal>-<number>`, which is longer; such an id is packed into a UUID and
comes out again as it was, so that orders of an earlier run are known by their prefix.
"""

from __future__ import annotations

import re
from uuid import UUID

__all__ = ["from_wire", "to_wire"]

_NAMED = re.compile(r"([a-z]{1,3})-([0-9a-f]{1,14})-(0|[1-9]\d{0,11})")
_LONGEST = 18
_MARK = 0b101_0101
_MARK_BITS, _PREFIX_BITS, _LENGTH_BITS, _RUN_BITS, _NUMBER_BITS = 7, 15, 4, 56, 40  # 122 in all, as a UUID has free


def to_wire(client_id: str) -> str:
    """*client_id* as the venue takes it; `ValueError` when there is no way to tell it."""
    if 0 < len(client_id) <= _LONGEST and client_id.isascii():
        return client_id
    try:
        return str(UUID(client_id)) if len(client_id) in (32, 36) else _packed(client_id)
    except ValueError:
        raise ValueError(
            f"client id {client_id!r}: a UUID, 1 to {_LONGEST} characters of ASCII, or <letters>-<hex>-<number>"
        ) from None


def from_wire(told: str | None) -> str | None:
    """What an order was called by whoever placed it."""
    if told is None or len(told) not in (32, 36):
        return told
    try:
        found = UUID(told)
    except ValueError:
        return told
    return _unpacked(found) or told


def _packed(client_id: str) -> str:
    found = _NAMED.fullmatch(client_id)
    if found is None or int(found[3]) >> _NUMBER_BITS:
        raise ValueError(client_id)
    prefix = 0
    for letter in found[1]:
        prefix = prefix << 5 | ord(letter) - 96
    value = _MARK
    for bits, part in (
        (_PREFIX_BITS, prefix),
        (_LENGTH_BITS, len(found[2])),
        (_RUN_BITS, int(found[2], 16)),
        (_NUMBER_BITS, int(found[3])),
    ):
        value = value << bits | part
    # Version 8 (custom) and the variant stand between the free bits: 48, 4 of the version, 12, 2 of the variant, 62.
    high, middle, low = value >> 74, value >> 62 & 0xFFF, value & (1 << 62) - 1
    return str(UUID(int=high << 80 | 8 << 76 | middle << 64 | 0b10 << 62 | low))


def _unpacked(found: UUID) -> str | None:
    if found.version != 8:
        return None
    number = found.int
    value = (number >> 80) << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    parts = []
    for bits in (_NUMBER_BITS, _RUN_BITS, _LENGTH_BITS, _PREFIX_BITS):
        value, part = value >> bits, value & (1 << bits) - 1
        parts.append(part)
    count, run, length, prefix = parts
    if value != _MARK:
        return None
    letters = "".join(chr(96 + (prefix >> shift & 31)) for shift in (10, 5, 0) if prefix >> shift & 31)
    return f"{letters}-{run:0{length}x}-{count}"
