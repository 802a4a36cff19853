"""Client order ids as Infinity takes them: at most 8 letters and digits.  Pure.

Whoever places orders names them `<prefix>-<hexadecimal>-<number>`, which is longer.  Such an id becomes its prefix, four
characters of its hash and one that checks the others: the same every time, so that an order can be looked up by it.  Who
does not remember the id sees the prefix at least, by which orders of an earlier run are known.
"""

from __future__ import annotations

import hashlib
import re
import string

from clients.infinity_terms import CLIENT_ORDER_ID

__all__ = ["from_wire", "to_wire"]

_NAMED = re.compile(r"([a-z]{3})-[0-9a-f]{1,14}-[0-9]{1,12}")
_DIGITS = string.digits + string.ascii_letters
_HASHED = 4


def to_wire(client_id: str) -> str:
    """*client_id* as the venue takes it; `ValueError` when there is no way to tell it."""
    if CLIENT_ORDER_ID.fullmatch(client_id):
        return client_id
    named = _NAMED.fullmatch(client_id)
    if named is None:
        raise ValueError(
            f"client id {client_id!r}: 1 to 8 letters and digits, or <three letters>-<hex>-<number>, are allowed"
        )
    number = int.from_bytes(hashlib.sha256(client_id.encode()).digest()[:8], "big")
    body = named[1]
    for _ in range(_HASHED):
        number, digit = divmod(number, len(_DIGITS))
        body += _DIGITS[digit]
    return body + _check(body)


def from_wire(told: str | None) -> str | None:
    """What is known of the id of an order that nobody remembers: `<prefix>-<rest>` where `to_wire` made it."""
    if (
        told is None
        or len(told) != 8
        or not re.fullmatch(r"[a-z]{3}[0-9A-Za-z]{5}", told)
        or told[-1] != _check(told[:-1])
    ):
        return told
    return f"{told[:3]}-{told[3:]}"


def _check(body: str) -> str:
    return _DIGITS[hashlib.sha256(b"ids/" + body.encode()).digest()[0] % len(_DIGITS)]
