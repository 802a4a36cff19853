"""The contracts of the worked examples of the Sputnik protocol's section 5.4, as `get_markets` would list them."""

from __future__ import annotations

from clients.sputnik_wire import Contract, Contracts

__all__ = ["CONTRACTS", "contract"]


def contract(ticker: str, kind: str, denominator: int, tick: int, lot: int, quote: str | None = None) -> Contract:
    """One contract; a pair's base is the first half of its ticker."""
    base = ticker.partition("/")[0] if kind == "cash_pair" else None if kind == "cash" else ticker
    return Contract(ticker, kind, denominator, tick, lot, quote, base)


def _all() -> dict[str, Contract]:
    rows = [
        contract("BTC", "cash", 10**8, 1, 10_000),
        contract("MXN", "cash", 10**4, 1, 100),
        contract("HUF", "cash", 10**2, 1, 100),
        contract("USD", "cash", 10**2, 1, 1),
        contract("EUR", "cash", 10**2, 1, 1),
        contract("BTC/MXN", "cash_pair", 1, 100, 10**6, "MXN"),
        contract("BTC/HUF", "cash_pair", 1, 100, 10**6, "HUF"),
        contract("EUR/USD", "cash_pair", 1, 1, 100, "USD"),
        contract("NETS", "prediction", 1000, 1, 10**6, "BTC"),
        contract("PRES", "prediction", 1000, 1, 10**5, "BTC"),
        contract("USDBTC0W", "futures", 1000, 1, 10**5, "BTC"),
        contract("IPO", "futures", 1000, 10, 10**5, "BTC"),
        contract("RAIN", "futures", 100, 1, 10**5, "BTC"),
        contract("USDBTC4", "futures", 10**4, 1, 10**5, "BTC"),
    ]
    fine = Contract("EUR/USD10", "cash_pair", 10, 1, 1000, "USD", "EUR")
    return {row.contract: row for row in [*rows, fine]}


CONTRACTS = Contracts(_all())
