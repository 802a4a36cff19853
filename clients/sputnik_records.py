"""What a Sputnik exchange tells beside markets and orders: audit, profile, permissions, keys; and hashes that go with it.

Pure.  Secrets among it do not print.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import md5

import msgspec
from attrs import field, frozen

from clients.sputnik_wire import from_wire_time, to_wire_time
from clients.wamp_login import derive_key

__all__ = [
    "ApiCredentials",
    "Audit",
    "AuditMessage",
    "AuditSheet",
    "CredentialsMessage",
    "ExchangeInfo",
    "Permissions",
    "Profile",
    "audit_hash",
    "stored_password",
]

ITERATIONS = 1000
KEY_LENGTH = 32


def stored_password(password: str, salt: str) -> str:
    """`salt:key`, as accounts are made and passwords changed with; the password itself never travels."""
    if not salt or ":" in salt:
        raise ValueError(f"salt {salt!r} is not allowed; a text without a colon is wanted")
    return f"{salt}:{derive_key(password, salt, ITERATIONS, KEY_LENGTH).decode()}"


def audit_hash(audit_secret: str, username: str, nickname: str, email: str, timestamp: datetime) -> str:
    """How the audit of *timestamp* names a user; only who knows the secret can find himself in it (2.3)."""
    text = f"{audit_secret}:{username}:{nickname}:{email}:{to_wire_time(timestamp)}"
    return b64encode(md5(text.encode(), usedforsecurity=False).digest()).decode()


@frozen
class ExchangeInfo:
    """Who runs the exchange.

    :ivar restrict_full_ui: `"true"` or `"false"`: the venue tells texts only.
    """

    exchange_name: str
    corporate_name: str = ""
    corporate_url: str = ""
    exchange_rss_feed: str = ""
    support_email: str = ""
    google_analytics: str = ""
    restrict_full_ui: str = "false"


class _SheetMessage(msgspec.Struct, frozen=True):
    contract: str
    total_fmt: str
    positions: list[tuple[str, str]]


class AuditMessage(msgspec.Struct, frozen=True):
    """The audit on the wire; amounts are texts in human units."""

    timestamp: int
    asset: dict[str, _SheetMessage] = msgspec.field(name="Asset")
    liability: dict[str, _SheetMessage] = msgspec.field(name="Liability")


@frozen
class AuditSheet:
    """One currency on one side of the balance sheet.

    :ivar positions: (hash, amount) of each holder.
    """

    contract: str
    total: Decimal
    positions: tuple[tuple[str, Decimal], ...]


@frozen
class Audit:
    """The venue's balance sheet: what it has and what it owes, by currency."""

    timestamp: datetime
    assets: Mapping[str, AuditSheet]
    liabilities: Mapping[str, AuditSheet]

    @classmethod
    def of(cls, message: AuditMessage) -> Audit:
        """The audit of a message; ValueError for amounts that are no numbers."""
        return cls(from_wire_time(message.timestamp), _sheets(message.asset), _sheets(message.liability))

    def holdings(self, user_hash: str) -> dict[str, Decimal]:
        """What the venue owes to the user of that hash (see `audit_hash`), by currency."""
        return {
            ticker: amount
            for ticker, sheet in self.liabilities.items()
            for holder, amount in sheet.positions
            if holder == user_hash
        }


def _sheets(messages: Mapping[str, _SheetMessage]) -> dict[str, AuditSheet]:
    return {
        ticker: AuditSheet(sheet.contract, _amount(sheet.total_fmt), _rows(sheet)) for ticker, sheet in messages.items()
    }


def _rows(sheet: _SheetMessage) -> tuple[tuple[str, Decimal], ...]:
    return tuple((holder, _amount(text)) for holder, text in sheet.positions)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text.replace(",", ""))
    except ArithmeticError:
        raise ValueError(f"{text!r} is no amount") from None


@frozen
class Permissions:
    """What the account may do; `name` is that of its permission group."""

    name: str
    login: bool
    deposit: bool
    withdraw: bool
    trade: bool
    full_ui: bool = False


@frozen
class Profile:
    """What the venue knows of the user.

    :ivar notifications: methods (`email`, `voice`, `sms`, `growl`) by type of event.
    """

    email: str
    nickname: str
    locale: str | None = None
    audit_secret: str = field(default="", repr=False)
    notifications: dict[str, list[str]] = field(factory=dict)
    totp_enabled: bool = False


class CredentialsMessage(msgspec.Struct, frozen=True):
    """A new pair of keys on the wire."""

    key: str
    secret: str
    expiration: int

    def __repr__(self) -> str:
        return f"CredentialsMessage(expiration={self.expiration})"


@frozen
class ApiCredentials:
    """A pair that signs REST requests until it expires or another one is made."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    expiration: datetime

    @classmethod
    def of(cls, message: CredentialsMessage) -> ApiCredentials:
        """The pair of a message."""
        return cls(message.key, message.secret, from_wire_time(message.expiration))
