"""`rpc.info`: who runs the exchange, and its balance sheet with users made unrecognisable."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any

from attrs import define

from ilp.simulation.core import Core, micros
from ilp.simulation.ledger import CASH

from .calls import Calls, Request
from .members import Members, Profile
from .schema import Parameter, string

__all__ = ["Info", "audit_hash"]


def audit_hash(profile: Profile, username: str, stamp: int) -> str:
    """How the audit of that time names a user; he alone can compute it."""
    text = f"{profile.audit_secret}:{username}:{profile.nickname}:{profile.email}:{stamp}"
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


def _plain(amount: Decimal) -> str:
    return f"{amount:f}"


@define(eq=False)
class Info:
    """The family over one core and its members."""

    core: Core
    members: Members

    def register(self, calls: Calls) -> None:
        """Offer the procedures; the echo is a leftover of the original."""
        calls.register("rpc.info.get_exchange_info", self.get_exchange_info)
        calls.register("rpc.info.get_audit", self.get_audit)
        calls.register("rpc.private.foobar", lambda _request, x: x, Parameter("x", string))

    def get_exchange_info(self, _request: Request) -> dict[str, str]:
        """What the exchange says of itself."""
        return {
            "exchange_name": self.core.venue,
            "corporate_name": "Simulated Exchange",
            "corporate_url": "https://example.org/",
            "exchange_rss_feed": "https://example.org/feed",
            "support_email": "help@example.org",
            "google_analytics": "",
            "restrict_full_ui": "false",
        }

    def get_audit(self, _request: Request) -> dict[str, Any]:
        """Assets and liabilities, as the exchange publishes them."""
        stamp = micros(self.core.now())
        house = self.core.house()
        liabilities: dict[str, dict[str, int]] = {name: held for name, held in house.items() if name != CASH}
        for name in self.core.accounts:
            shown = audit_hash(self.members[name].profile, name, stamp) if name in self.members else name
            liabilities[shown] = {ticker: held.total for ticker, held in self.core.holdings(name).items()}
        return {
            "timestamp": stamp,
            "Asset": self._sheet({"house": house.get(CASH, {})}),
            "Liability": self._sheet(liabilities),
        }

    def _sheet(self, accounts: dict[str, dict[str, int]]) -> dict[str, Any]:
        sheet: dict[str, Any] = {}
        for ticker, currency in self.core.currencies.items():
            held = {name: units[ticker] for name, units in accounts.items() if units.get(ticker)}
            sheet[ticker] = {
                "contract": ticker,
                "total_fmt": _plain(currency.amount(sum(held.values()))),
                "positions": [[name, _plain(currency.amount(units))] for name, units in held.items()],
            }
        return sheet
