"""Answers to login challenges: WAMP-CRA with a salted password, and time-based one-time codes.  Pure: time is given."""

from __future__ import annotations

import hmac
import json
from base64 import b32decode, b64encode
from binascii import Error as BadBase32
from datetime import datetime
from hashlib import pbkdf2_hmac, sha1, sha256

from attrs import define, field

from clients.wamp import Answer, Challenge

__all__ = ["CodeNotReady", "OneTimeCodes", "answer_cra", "challenge_time", "derive_key"]

# PBKDF2 runs on the reactor's thread: 1000 rounds take less than a millisecond, so many of these about a tenth of a second.
MOST_ITERATIONS = 200_000
STEP = 30  # seconds of a one-time code


def derive_key(password: str, salt: str, iterations: int, keylen: int) -> bytes:
    """The HMAC key: base64 *text* of PBKDF2-HMAC-SHA256; the text itself is the key, it is not decoded again."""
    if not 1 <= iterations <= MOST_ITERATIONS or not 1 <= keylen <= 1024:
        raise ValueError(
            f"the server asks for {iterations} iterations and {keylen} bytes; up to {MOST_ITERATIONS} and 1024"
        )
    return b64encode(pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations, keylen))


def answer_cra(challenge: Challenge, password: str, code: str | None = None) -> Answer:
    """Sign a WAMP-CRA challenge.

    :param code: one-time code for accounts with a second factor.
    :raise ValueError: the challenge is not one of WAMP-CRA, or asks for more work than is reasonable.
    """
    extra = challenge.extra
    text = extra.get("challenge")
    if challenge.method != "wampcra" or not isinstance(text, str):
        raise ValueError(f"the server sent a {challenge.method!r} challenge; only a wampcra challenge can be answered")
    key = password.encode()
    if extra.get("salt") is not None:
        key = derive_key(password, str(extra["salt"]), int(extra.get("iterations", 1000)), int(extra.get("keylen", 32)))
    # The challenge is signed as received: its keys come in any order.
    signature = b64encode(hmac.new(key, text.encode(), sha256).digest()).decode()
    return Answer(signature, {} if code is None else {"otp": code})


def challenge_time(challenge: Challenge) -> datetime | None:
    """When the server made a challenge, by its own clock; None where it does not say."""
    try:
        told = datetime.fromisoformat(str(json.loads(str(challenge.extra.get("challenge")))["timestamp"]))
    except (ValueError, KeyError, TypeError):
        return None
    return told if told.tzinfo is not None else None


class CodeNotReady(Exception):
    """Every code that the server would take now has been used; the next one comes in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the next one-time code comes in {seconds:.0f} s")
        self.seconds = seconds


@define
class OneTimeCodes:
    """RFC 6238 codes (HMAC-SHA1, 30 s, 6 digits), each given out once.

    The server takes the steps before, at and after its own time, and each step once; so a second code within one step is
    the next step's, and a third has to wait.

    :ivar secret: Base32, spaces and case do not matter.
    """

    secret: str = field(repr=False)
    _key: bytes = field(init=False, repr=False)
    _last_step: int = field(init=False, default=-1)

    def __attrs_post_init__(self) -> None:
        text = self.secret.replace(" ", "").upper()
        try:
            self._key = b32decode(text + "=" * (-len(text) % 8))
        except BadBase32 as error:
            raise ValueError("totp_secret is not valid base32; copy it again from the venue's page") from error

    def at(self, step: int) -> str:
        """The code of one 30 s step."""
        digest = hmac.new(self._key, step.to_bytes(8, "big"), sha1).digest()
        offset = digest[-1] & 0xF
        return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"

    def take(self, unix_time: float) -> str:
        """A code that the server has not seen from us, or `CodeNotReady`."""
        now = int(unix_time // STEP)
        step = max(now, self._last_step + 1)
        if step > now + 1:
            raise CodeNotReady((step - 1) * STEP - unix_time)
        self._last_step = step
        return self.at(step)
