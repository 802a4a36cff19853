"""How a private call to Kraken is signed, and the text of what is signed.  Pure.

`API-Sign` = base64(HMAC-SHA-512(secret, path + SHA-256(nonce + body))): the venue's documentation, "Authentication".
What is hashed and what is sent must be the same bytes, so the body is made here, once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

__all__ = ["api_sign", "decode_secret", "form_body", "json_body", "wire_text"]

_encoder = msgspec.json.Encoder(decimal_format="string")


def decode_secret(secret: str) -> bytes:
    """The raw key; `ValueError`, without the secret in it, when it is no base64."""
    try:
        return base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base64, as this venue's secrets are; was it copied whole?") from None


def api_sign(secret: str, path: str, nonce: str, body: bytes) -> str:
    """The signature of a call.

    :param path: with the leading slash, without host and query.
    :param body: the exact bytes that are sent; the same *nonce* is in them.
    """
    inner = hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.new(decode_secret(secret), path.encode() + inner, hashlib.sha512).digest()).decode()


def wire_text(value: Any) -> str:
    """A parameter as text; Decimals without exponent, flags in the venue's lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def form_body(nonce: str, parameters: Mapping[str, Any]) -> bytes:
    """A form, without the parameters that are None."""
    given = {name: wire_text(value) for name, value in parameters.items() if value is not None}
    return urlencode({"nonce": nonce, **given}).encode()


def json_body(nonce: str, parameters: Mapping[str, Any]) -> bytes:
    """A JSON object, without the parameters that are None; calls with lists need it."""
    return _encoder.encode({"nonce": nonce, **{name: v for name, v in parameters.items() if v is not None}})
