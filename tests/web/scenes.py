"""Documents of the console as a running daemon would give them, one a scene; the numbers agree with each other."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["NOON", "SCENES", "scene"]

Document = dict[str, Any]
NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def at(seconds_ago: float = 0) -> str:
    """An ISO time that many seconds before noon."""
    return (NOON - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")


def parameter(
    value: Any, unit: str, low: Any, high: Any, help: str, origin: str = "file", default: Any = None
) -> Document:
    """One entry of `trader.parameters`."""
    return {
        "value": value,
        "unit": unit,
        "origin": origin,
        "min": low,
        "max": high,
        "help": help,
        "default": default or value,
    }


def parameters() -> Document:
    """Every kind of parameter that there is."""
    target = "The total that the pool should hold there."
    return {
        "quote_size": parameter("0.1", "BTC", "0.01", "0.5", "How much each quote offers."),
        "edge_to_enter": parameter(
            "80", "numeraire/base", "0", None, "Distance from the reference at which a quote is placed."
        ),
        "edge_to_leave": parameter("40", "numeraire/base", "0", None, "A resting quote nearer than this is cancelled."),
        "edge_to_drop": parameter(
            "120", "numeraire/base", "0", None, "A resting quote farther than this is replaced.", "default"
        ),
        "max_skew": parameter(
            "0", "numeraire/base", "0", "677.77", "How far stock may move a price past its hedge.", "default"
        ),
        "max_slippage": parameter(
            "0.005", "fraction", "0", "0.05", "How far a hedge may be from the best price.", "default"
        ),
        "max_unhedged": parameter("0", "BTC", "0", "0.5", "Exposure that is left open on purpose.", "default"),
        "min_gain": parameter("1", "USD", "0", None, "A plan that gains less is not acted on.", "default"),
        "min_coin_transfer": parameter("0.5", "BTC", "0", None, "Smallest transfer of coins.", "default"),
        "min_fiat_transfer": parameter("1500", "USD", "0", None, "Smallest transfer of money.", "default"),
        "min_payout": parameter("1500", "USD", "0", None, "Smallest payout.", "default"),
        "source_fee": parameter(
            ["0", "0.0026"], "source currency, fraction", "0", [None, "0.1"], "Fee of a trade on the source."
        ),
        "target_fee": parameter(
            ["0", "0.002"], "target currency, fraction", "0", [None, "0.1"], "Fee of a trade on the target."
        ),
        "btc_fee": parameter(["0.0001", "0"], "base", "0", [None, "0.1"], "Charge of a transfer of coins."),
        "fiat_exchange_cost": parameter(
            ["15", "0.005"], "source currency, fraction", "0", [None, "0.1"], "Cost of exchanging money."
        ),
        "deviation_penalty": parameter("0.02", "", "0", None, "How much a holding away from its target costs."),
        "risk_aversion": parameter("0.00001", "1/USD", "0", None, "How much variance costs."),
        "target_balance.source.USD": parameter("200000", "USD", "0", None, target),
        "target_balance.source.BTC": parameter("3", "BTC", "0", None, target),
        "target_balance.target.HUF": parameter("70000000", "HUF", "0", None, target),
        "target_balance.target.BTC": parameter("3", "BTC", "0", None, target, "console", "2"),
    }


def quote(
    price: str | None, reference: str, band: list[str], edge: str | None, reason: str | None, hedge: str
) -> Document:
    """One side; without a reason it rests."""
    return {
        "resting": reason is None,
        "price": price,
        "size": "0.1" if price else None,
        "reference": reference,
        "reservation": hedge,
        "hedge": reference,
        "band": band,
        "edge": edge,
        "reason": reason,
    }


def quotes(bid_reason: str | None = None, ask_reason: str | None = None) -> Document:
    """Both sides on the target."""
    bid = quote("24576900", "24605824", ["24562300", "24591300"], "78.2", bid_reason, "24690112")
    ask = quote("24802300", "24773400", ["24787900", "24816900"], "81.4", ask_reason, "24731002")
    return {"target": {"BTC/HUF": {"bid": bid, "ask": ask}}}


def rows(first: str, step: str, sizes: list[str]) -> list[list[str]]:
    """Rows of a book."""
    return [[str(int(first) + i * int(step)), size] for i, size in enumerate(sizes)]


def market() -> Document:
    """Books, rates, marks, variances and the ages of the inputs."""
    source = {
        "bid": "67772",
        "ask": "67781",
        "age": 0.2,
        "ok": True,
        "limit": 5.0,
        "bids": rows("67772", "-9", ["0.41", "1.2", "0.08", "2.5", "3.1"]),
        "asks": rows("67781", "9", ["0.22", "0.9", "1.75", "0.3", "4"]),
    }
    target = {
        "bid": "24576900",
        "ask": "24802300",
        "age": 1.1,
        "ok": True,
        "limit": 10.0,
        "bids": rows("24576900", "-48000", ["0.1", "0.35", "0.2", "1"]),
        "asks": rows("24802300", "52000", ["0.1", "0.15", "0.6", "0.4"]),
    }
    inputs = [
        {"name": "Source book", "age": 0.2, "limit": 5.0, "ok": True},
        {"name": "Target book", "age": 1.1, "limit": 10.0, "ok": True},
        {"name": "Rate", "age": 41.0, "limit": 3600.0, "ok": True},
        {"name": "Balances", "age": 2.1, "limit": 30.0, "ok": True},
        {"name": "Orders", "age": 0.3, "limit": 15.0, "ok": True},
    ]
    return {
        "books": {"source": {"BTC/USD": source}, "target": {"BTC/HUF": target}},
        "rates": {
            "USD/HUF": {
                "bid": "363.91",
                "ask": "364.64",
                "fixing": "2026-03-02T15:00:00+00:00",
                "age": 41.0,
                "source": "Open Exchange Rates",
                "ok": True,
                "limit": 3600.0,
                "fixing_age": 1541.0,
                "cost": {"bp": "11.35", "quote": "28041.5", "unit": "HUF/BTC"},
                "feeds": [
                    {
                        "source": "Open Exchange Rates",
                        "mid": "364.275",
                        "fixing": "2026-03-02T15:00:00+00:00",
                        "used": True,
                        "why": "",
                    },
                    {"source": "Yahoo", "mid": None, "fixing": None, "used": False, "why": "too many requests"},
                    {
                        "source": "ECB",
                        "mid": "364.02",
                        "fixing": "2026-03-02T13:15:00+00:00",
                        "used": False,
                        "why": "",
                    },
                ],
            }
        },
        "marks": {"USD": "1", "BTC": "67776.5", "HUF": "0.002745"},
        "variances": {
            "BTC/USD": {"value": "91204.11", "origin": "history", "age": 610.0, "correlation": None},
            "HUF/USD": {
                "value": "0.0000000001234",
                "origin": "history, scaled from longer periods",
                "age": 40210.0,
                "correlation": "0.182",
            },
        },
        "inputs": inputs,
    }


def holdings() -> list[Document]:
    """Four holdings; one has money on its way."""
    keys = ("venue", "asset", "available", "held", "in_transit", "total", "target")
    table = (
        ("source", "USD", "231204.55", "0", "0", "231204.55", "200000"),
        ("source", "BTC", "1.98210000", "0", "0", "1.98210000", "3"),
        ("target", "HUF", "52104200", "2457690", "9000000", "63561890", "70000000"),
        ("target", "BTC", "2.91000000", "0.10000000", "1.0000", "4.01000000", "3"),
    )
    return [dict(zip(keys, row, strict=True)) for row in table]


def transfers() -> list[Document]:
    """One of each kind that a person has to do with."""

    def row(id: str, state: str, asset: str, way: tuple[str, str], amount: str, expected: str, **more: Any) -> Document:
        return {
            "id": id,
            "state": state,
            "asset": asset,
            "from": way[0],
            "to": way[1],
            "amount": amount,
            "expected": expected,
            "fee": "0.0001",
            "address": None,
            "since": at(720),
            "overdue": False,
            "actions": [],
            "to_asset": asset,
            "arrived": None,
            "due": None,
            "reference": None,
            "manual": False,
            "note": "",
            "by": "machine",
            **more,
        }

    out, back = ("source", "target"), ("target", "source")
    return [
        row(
            "T-12",
            "SENT",
            "BTC",
            out,
            "1.0000",
            "0.9999",
            address="1SiMuLaTedAddre55",
            due=at(-900),
            reference="9f3a…c1",
        ),
        row(
            "T-11",
            "PROPOSED",
            "USD",
            out,
            "24807.00",
            "9000000",
            to_asset="HUF",
            fee="139.04",
            manual=True,
            actions=["sent", "cancel"],
            note="converts: the operator moves it",
        ),
        row(
            "T-10",
            "UNCERTAIN",
            "BTC",
            back,
            "0.5000",
            "0.4999",
            overdue=True,
            since=at(3000),
            actions=["resolve"],
            note="no answer for 30 s; the venue's history decides, or you",
        ),
        row(
            "T-9",
            "SENT",
            "USD",
            out,
            "12404.00",
            "4500000",
            to_asset="HUF",
            fee="77.02",
            manual=True,
            since=at(90000),
            due=at(3600),
            overdue=True,
            actions=["arrived"],
            by="anna",
        ),
        row("T-8", "ARRIVED", "BTC", out, "0.8000", "0.7999", arrived="0.7999", since=at(9000)),
    ]


def transactions() -> Document:
    """Some lines of both ledgers."""

    def row(
        contract: str, ago: float, quantity: str, type: str, direction: str, balance: str | None, note: str
    ) -> Document:
        return {
            "contract": contract,
            "timestamp": at(ago),
            "quantity": quantity,
            "type": type,
            "direction": direction,
            "balance": balance,
            "note": note,
        }

    target = [
        row("BTC", 60 * i, "0.1", "Trade", "credit" if i % 2 else "debit", "2.91", f"order {400 - i}")
        for i in range(1, 30)
    ]
    source = [
        row("BTC", 720, "1.0000", "Withdrawal", "debit", "1.98210000", "to 1SiMuLaTedAddre55"),
        row("USD", 840, "6761.02", "Trade", "credit", "231204.55", "order 87"),
        row("USD", 840, "17.57", "Fee", "debit", "231187.00", "order 87"),
    ]
    return {"source": source, "target": target}


def orders() -> Document:
    """The two quotes at the target and nothing at the source."""

    def row(id: str, side: str, price: str, ago: float) -> Document:
        return {
            "id": id,
            "contract": "BTC/HUF",
            "side": side,
            "price": price,
            "quantity": "0.1",
            "quantity_left": "0.1",
            "timestamp": at(ago),
            "is_cancelled": False,
            "purpose": "quote",
            "flag": None,
        }

    return {
        "source": {},
        "target": {"401": row("401", "BUY", "24576900", 372), "402": row("402", "SELL", "24802300", 12)},
    }


def column(
    value: str, costs: str, deviation: str, moves: list[Document], totals: tuple[str, str, str, str]
) -> Document:
    """One column of the optimizer's answer."""
    names = (("source", "USD"), ("source", "BTC"), ("target", "HUF"), ("target", "BTC"))
    return {
        "value": value,
        "cash": "811946.39",
        "costs": costs,
        "risk": "32.81",
        "deviation": deviation,
        "moves": moves,
        "holdings": [{"venue": v, "asset": a, "total": t} for (v, a), t in zip(names, totals, strict=True)],
    }


def valuation() -> Document:
    """A plan that trades on the source and moves coins back."""

    def moves(buy: str, back: str) -> list[Document]:
        return [
            {"move": 0, "direction": "buy", "amount": buy, "label": "buy BTC for USD on source", "asset": "BTC"},
            {"move": 1, "direction": "back", "amount": back, "label": "BTC from target to source", "asset": "BTC"},
        ]

    before = ("231204.55", "1.98210000", "63561890", "4.01000000")
    return {
        "base": column("811204.02", "0.00", "709.56", [], before),
        "optimized": column(
            "811588.60",
            "119.28",
            "205.70",
            moves("0.40721934", "0.61034551"),
            ("203584.10", "2.99966485", "63561890", "3.39965449"),
        ),
        "rounded": column(
            "811588.41",
            "119.27",
            "205.90",
            moves("0.4072", "0.6103"),
            ("203585.00", "2.99960000", "63561890", "3.39970000"),
        ),
        "bound": "811588.60",
        "exhausted": False,
        "branches": 31,
        "solve_ms": 0.42,
        "time": at(3),
    }


def fills() -> list[Document]:
    """A fill on the target and what closed it."""
    return [
        {
            "key": "source/88:0.1",
            "venue": "source",
            "ticker": "BTC/USD",
            "side": "SELL",
            "price": "67770",
            "quantity": "0.1",
            "fees": {"USD": "17.62"},
            "at": at(13),
            "purpose": "hedge",
            "order_id": "88",
        },
        {
            "key": "target/399:0.1",
            "venue": "target",
            "ticker": "BTC/HUF",
            "side": "BUY",
            "price": "24576900",
            "quantity": "0.1",
            "fees": {"HUF": "4915"},
            "at": at(14),
            "purpose": "quote",
            "order_id": "399",
        },
    ]


def profit() -> Document:
    """A day and a half of trading."""

    def parts(spread: str, hedges: str, fees: str, trading: str, base: str, whole: str) -> Document:
        return {
            "spread": spread,
            "hedge slippage": hedges,
            "plan slippage": "-4.10",
            "trade fees": fees,
            "transfer costs": "-6.78",
            "base revaluation": base,
            "fiat revaluation": "0.00",
            "interest and funding": "0.00",
            "external flows": "0.00",
            "revaluation of exposure": "1.25",
            "rounding": "0",
            "trading": trading,
            "equity change": whole,
        }

    today = parts("482.10", "-31.44", "-212.05", "228.98", "-120.40", "107.33")
    before = parts("711.00", "-60.02", "-330.12", "311.23", "402.11", "712.09")
    both = parts("1193.10", "-91.46", "-542.17", "540.21", "281.71", "819.42")
    return {
        "opened": at(129_600),
        "numeraire": "USD",
        "equity": "811946.39",
        "identity": None,
        "today": today,
        "week": both,
        "since": both,
        "days": [{"day": "2026-03-01", **before}, {"day": "2026-03-02", **today}],
        "loss": {"today": "0.00", "limit": "2000"},
        "differences": [],
    }


def insight() -> Document:
    """What would change the plan."""
    label = "buy BTC for USD on source"
    return {
        "time": valuation()["time"],
        "sensitivities": [
            {
                "parameter": "moves[0].fee[1]",
                "label": "proportional fee of trades on source",
                "before": "0.0026",
                "after": "0.0028",
                "value": "-5.5190",
                "changed": False,
                "moves": [{"label": label, "amount": "0.40619325", "before": "0.4072"}],
            },
            {
                "parameter": "holdings[1].target",
                "label": "target of BTC on source",
                "before": "3",
                "after": "2.7",
                "value": "18.2201",
                "changed": True,
                "moves": [{"label": label, "amount": "0", "before": "0.4072"}],
            },
        ],
        "shadow_prices": [
            {"venue": "source", "asset": "USD", "more": "1.0026", "less": "0.9974", "mark": "1"},
            {"venue": "target", "asset": "BTC", "more": "67701.2", "less": "67850.3", "mark": "67776.5"},
        ],
        "why_off": [
            {
                "move": 2,
                "direction": "out",
                "label": "send USD from source to target as HUF",
                "amount": "5000",
                "cost": "162.00",
                "gain": "11.20",
                "reason": "it would cost 162.00 and gain 11.20",
            }
        ],
        "curves": [
            {
                "move": 0,
                "direction": "buy",
                "label": "buy BTC for USD on source",
                "asset": "BTC",
                "chosen": "0.4072",
                "points": [[f"{n / 10}", f"{n * n + 20 * n}"] for n in range(9)],
            }
        ],
    }


def ready() -> Document:
    """Connected, the plan is shown, nothing is placed."""
    reason = "READY: nothing is placed before START"
    return {
        "version": 3,
        "time": at(),
        "mode": "demo",
        "state": {
            "holdings": holdings(),
            **market(),
            "orders": {"source": {}, "target": {}},
            "transfers": [],
            "transactions": transactions(),
        },
        "valuation": valuation(),
        "data": {
            "source_ticker": "BTC/USD",
            "target_ticker": "BTC/HUF",
            "btc_ticker": "BTC",
            "fees": {"source": ["0", "0.0026"], "target": ["0", "0.002"]},
            "costs": {"btc": ["0.0001", "0"]},
            "help": {"exposure": "Largest unhedged exposure.", "open_orders": "Most own orders a venue and side."},
            "limits": {
                "exposure": "0.5",
                "largest_order": "0.5",
                "price_band": "0.1",
                "open_orders": "4",
                "orders_per_minute": "120",
                "turnover_per_day": "50",
                "loss_per_day": "2000",
            },
        },
        "trader": {
            "state": "READY",
            "since": at(610),
            "by": "machine",
            "reason": "histories loaded, 0 orders left from before",
            "wanted": False,
            "recovery": {"orders": 0, "transfers": 0, "fills": 0},
            "parameters": parameters(),
            "quotes": quotes(reason, reason),
            "exposure": {"BTC": {"quantity": "0", "value": "0.00", "limit": "0.5", "since": None}},
            "fills": [],
            "hedges": [],
            "rounded": None,
            "checks": [
                {"name": "books", "ok": True, "message": "both books are fresh"},
                {"name": "rate", "ok": True, "message": "USD/HUF of 2026-03-02, 41 s old"},
                {"name": "transfers", "ok": True, "message": "none is uncertain"},
            ],
        },
        "notices": [
            {"level": "warn", "text": "At your own target balances the best plan is not empty: it buys 0.4072 BTC."}
        ],
        "needs_you": [],
        "pnl": profit(),
        "speeds": speeds(),
        "alarms": alarms(),
    }


def alarms() -> Document:
    """One channel that works, one that does not."""
    channel = {"name": "telegram", "level": "warning", "waiting": 0, "lost": 0, "at": at(610), "error": ""}
    return {
        "channels": [
            channel,
            channel | {"name": "mail", "level": "critical", "waiting": 2, "error": "answered 451 try again later"},
        ],
        "heartbeat": {"on": True, "taken": 10, "error": ""},
        "active": [],
    }


def speeds() -> list[Document]:
    """Latencies of a daemon at ease."""
    return [
        {
            "name": "book_to_quote_seconds",
            "help": "From a book of the source to the quotes that follow from it.",
            "count": 300,
            "p50": 0.0011,
            "p90": 0.0019,
            "p99": 0.0043,
            "worst": 1.0712,
            "bounds": [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02],
            "counts": [12, 120, 140, 25, 2, 1, 0],
        }
    ]


def flows() -> list[Document]:
    """Money that came from outside, once known and once not."""
    flow = {"venue": "target", "asset": "BTC", "quantity": "0.25", "at": at(7200), "reference": "deposit 77"}
    return [
        flow | {"key": "target/deposit/77", "classified": None, "by": None},
        flow | {"key": "target/deposit/71", "at": at(90000), "classified": "our own deposit", "by": "anna"},
    ]


def trading() -> Document:
    """Both quotes rest, a fill was hedged, transfers are under way."""
    d = ready()
    d["trader"] |= {
        "state": "TRADING",
        "since": at(3600),
        "by": "anna",
        "reason": "start",
        "wanted": True,
        "quotes": quotes(),
        "fills": fills(),
        "exposure": {"BTC": {"quantity": "-0.00004", "value": "-2.71", "limit": "0.5", "since": at(14)}},
        "hedges": [
            {
                "fill_key": "target/399:0.1",
                "closed_by": "source/88:0.1",
                "quantity": "0.1",
                "edge": "78.20",
                "slippage": "1.40",
                "at": at(13),
            }
        ],
    }
    d["state"] |= {"orders": orders(), "transfers": transfers(), "flows": flows()}
    d["state"]["compared"] = {"source": at(12), "target": at(12)}
    d["audit"] = [
        act(3599, "anna", "START", "", "READY, not to trade", "READY, to trade"),
        act(3600, "anna", "state", "", "READY", "TRADING", "start"),
        act(3650, "anna", "cancel", "order 17 on target", "BUY 0.1 at 24576900 (17)", "a cancel of 1 was asked for"),
        act(3700, "bela", "target_balance.target.BTC", "", "2", "3"),
        act(3800, "bela", "target_fee", "", "[0, 0.003]", "[0, 0.002]"),
    ]
    d["needs_you"] = [
        {"level": "bad", "text": "T-10: 0.5000 BTC from target to source is UNCERTAIN for 50 min", "tab": "transits"},
        {"level": "warn", "text": "T-11: send 24807.00 USD from source to target by bank", "tab": "transits"},
    ]
    return d


def act(ago: float, by: str, what: str, about: str, before: str, after: str, why: str = "") -> Document:
    """A line of the audit log."""
    return {"at": at(ago), "by": by, "what": what, "about": about, "before": before, "after": after, "why": why}


def stale() -> Document:
    """Trading, but the rate is too old, so both quotes are pulled."""
    d = trading()
    reason = "the rate USD/HUF is 3902 s old, limit 3600 s; the quotes return after 3 good updates"
    d["trader"]["quotes"] = quotes(reason, reason)
    d["state"]["rates"]["USD/HUF"] |= {"age": 3902.0, "ok": False}
    d["state"]["inputs"][2] |= {"age": 3902.0, "ok": False, "message": "too old: no answer from the ECB since 10:54:58"}
    d["state"]["variances"]["HUF/USD"]["origin"] += "; could not be renewed: no answer from the ECB since 10:54:58"
    d["state"]["orders"]["target"] = {}
    return d


def halted() -> Document:
    """The gate halted on exposure."""
    d = trading()
    reason = "HALTED: exposure 0.5812 BTC is over its limit of 0.5 BTC"
    d["trader"] |= {
        "state": "HALTED",
        "since": at(38),
        "by": "gate",
        "reason": "exposure 0.5812 BTC is over its limit of 0.5 BTC",
        "wanted": False,
        "quotes": quotes(reason, reason),
        "exposure": {"BTC": {"quantity": "0.5812", "value": "39391.70", "limit": "0.5", "since": at(68)}},
    }
    d["state"]["orders"]["target"] = {}
    return d


def uncertain() -> Document:
    """An order whose answer was lost, and one at the venue that we do not know."""
    d = trading()
    d["state"]["orders"]["target"]["402"]["flag"] = "unknown: the answer to the placement was lost 12 s ago"
    d["state"]["orders"]["source"]["77"] = {
        **d["state"]["orders"]["target"]["401"],
        "id": "77",
        "contract": "BTC/USD",
        "price": "67000",
        "purpose": "",
        "state": "foreign",
        "flag": "only at the venue: it was not placed here",
    }
    d["needs_you"].append({"level": "warn", "text": "source: order 77 is not in our records", "tab": "orders"})
    return d


def empty() -> Document:
    """The first seconds: nothing is known yet."""
    d = ready()
    reason = "DISCONNECTED: source is not connected yet"
    nothing = {"bid": None, "ask": None, "age": None, "ok": False}
    none = {
        "resting": False,
        "price": None,
        "size": None,
        "reference": None,
        "reservation": None,
        "hedge": None,
        "band": None,
        "edge": None,
        "reason": reason,
    }
    d["trader"] |= {
        "state": "DISCONNECTED",
        "reason": "started",
        "since": at(2),
        "exposure": {},
        "checks": [{"name": "connected", "ok": False, "message": "source is not connected yet"}],
        "quotes": {"target": {"BTC/HUF": {"bid": none, "ask": none}}},
    }
    d["state"] |= {
        "holdings": [],
        "books": {"source": {"BTC/USD": nothing}, "target": {"BTC/HUF": nothing}},
        "rates": {},
        "marks": {},
        "variances": {},
        "transactions": {},
        "inputs": [{"name": n, "age": None, "limit": 5.0, "ok": False} for n in ("Source book", "Target book", "Rate")],
    }
    d["valuation"] = dict.fromkeys(
        ("base", "optimized", "rounded", "bound", "exhausted", "branches", "solve_ms", "time")
    )
    d["notices"] = []
    return d


SCENES: dict[str, Callable[[], Document]] = {f.__name__: f for f in (ready, trading, stale, halted, uncertain, empty)}


def scene(name: str) -> Document:
    """A fresh document of that scene."""
    document: Document = json.loads(json.dumps(SCENES[name]()))  # nothing in it is shared
    return document
