"""Random pools for tests: documents, drawn from a `random.Random` so that a seed repeats them."""

from __future__ import annotations

from random import Random
from typing import Any

Document = dict[str, Any]

RATES = {"HUF": 0.0035, "MXN": 0.053, "EUR": 1.1, "BRL": 0.19}


def book(rng: Random, mid: float, depth: float, levels: int) -> tuple[list[list[float]], list[list[float]]]:
    """(bids, asks) around *mid* with *depth* base units a side in all."""
    bids, asks = [], []
    bid, ask = mid * (1 - rng.uniform(0, 1e-3)), mid * (1 + rng.uniform(0, 1e-3))
    for _ in range(levels):
        bids.append([bid, rng.expovariate(1) * depth / levels + depth * 1e-6])
        asks.append([ask, rng.expovariate(1) * depth / levels + depth * 1e-6])
        bid *= 1 - rng.random() * 1e-3
        ask *= 1 + rng.random() * 1e-3
    return bids, asks


def holding(rng: Random, venue: str, asset: str, worth: float, mark: float, stress: float) -> Document:
    """A holding near its target, or with probability *stress* far from it."""
    target = worth / mark
    factor = rng.uniform(0.9, 1.1) if rng.random() >= stress else rng.choice([0, 0.2, 1, 3, 7]) * rng.random()
    total = target * factor
    available = total * (1 if rng.random() < 0.7 else rng.choice([0, 0.4, 1.3]))
    return {"venue": venue, "asset": asset, "total": total, "available": available, "target": target}


def valuation(rng: Random, marks: dict[str, float]) -> Document:
    """Penalty, aversion and variances of realistic and of extreme sizes."""
    variance = {a: rng.choice([0, 1e-6, 1e-3]) * mark**2 for a, mark in marks.items() if a != "USD"}
    return {
        "deviation_penalty": rng.choice([0, 0.05, 0.5, 5, 50]),
        "risk_aversion": rng.choice([0, 1e-6, 1e-4, 1e-2]),
        "variance": variance,
    }


def correlated(rng: Random, document: Document) -> Document:
    """The document with a covariance in place of its variances: what moves every price together is a random part of each."""
    variance = document["valuation"]["variance"]
    shared = [rng.uniform(-1, 1) * each**0.5 for each in variance.values()]
    matrix = [[one * other for other in shared] for one in shared]
    for number, each in enumerate(variance.values()):
        matrix[number][number] = each
    together = {"assets": list(variance), "covariance": matrix}
    return {**document, "valuation": {**document["valuation"], "variance": together}}


def random_pool(rng: Random, venues: int = 2, levels: int = 5, stress: float = 0.5, lanes: float = 1.0) -> Document:
    """A pool of so many venues: the first half hold USD, the others their own currency, all of them BTC.

    :param lanes: share of the possible transfers that exist.
    """
    btc = rng.uniform(100, 1e5)
    marks = {"USD": 1.0, "BTC": btc}
    currencies, holdings, moves = [], [], []
    for number in range(venues):
        currency = "USD" if number < max(1, venues // 2) else rng.choice(list(RATES))
        marks.setdefault(currency, RATES.get(currency, 1.0) * rng.uniform(0.95, 1.05))
        currencies.append(currency)
        for asset in (currency, "BTC"):
            worth = rng.uniform(1e3, 1e6)
            holdings.append(holding(rng, f"v{number}", asset, worth, marks[asset], stress))
        if currency == "USD" or rng.random() < 0.3:
            mark = marks[currency]
            bids, asks = book(rng, btc / mark * rng.uniform(0.999, 1.001), rng.uniform(1e3, 1e6) / btc, levels)
            fee = [rng.choice([0, 0, 5]) / mark, rng.choice([0, 0.001, 0.01])]
            trade = {"kind": "trade", "venue": f"v{number}", "base": "BTC", "quote": currency, "fee": fee}
            moves.append(trade | {"bids": bids, "asks": asks, "min": rng.choice([0, 100 / btc])})
    for later in range(venues):
        for earlier in range(later):
            moves += _transfers(rng, earlier, later, currencies, marks, lanes)
    payout = {"kind": "payout", "venue": "v0", "asset": "USD", "fee": [rng.choice([0, 150]), 0.1]}
    moves.append(payout | {"min": rng.choice([0, 1500])})
    quotes = [
        {"venue": f"v{n}", "base": "BTC", "quote": c, "size": rng.choice([50, 1000]) / btc, "fee": [0, 0.002]}
        for n, c in enumerate(currencies)
        if c != "USD"
    ]
    wanted = valuation(rng, marks)
    return {
        "numeraire": "USD",
        "marks": marks,
        "holdings": holdings,
        "moves": moves,
        "valuation": wanted,
        "quotes": quotes,
    }


def _transfers(
    rng: Random, earlier: int, later: int, currencies: list[str], marks: dict[str, float], share: float
) -> list[Document]:
    """The coin lane and the fiat lane between two venues, where there are some."""
    found: list[Document] = []
    if rng.random() < share:
        fee = [rng.choice([0, 10]) / marks["BTC"], rng.choice([0, 0, 0.001])]
        lane = {"kind": "transfer", "from": [f"v{earlier}", "BTC"], "to": [f"v{later}", "BTC"], "fee": fee}
        found.append(lane | {"min": rng.choice([0, 1000]) / marks["BTC"], "both_ways": rng.random() < 0.9})
    here, there = currencies[earlier], currencies[later]
    if rng.random() >= share:
        return found
    if here == there:
        fee = [25 / marks[here], 0.001]
        found.append({"kind": "transfer", "from": [f"v{earlier}", here], "to": [f"v{later}", here], "fee": fee})
    elif "USD" in (here, there):
        fee = [rng.choice([0, 25, 150]), rng.choice([0, 0.004, 0.1])]
        rate = {"bid": marks[there] * 0.999, "ask": marks[there] * 1.001}
        lane = {"kind": "transfer", "from": [f"v{earlier}", here], "to": [f"v{later}", there], "fee": fee}
        found.append(lane | rate | {"min": rng.choice([0, 250, 1500])})
    return found


def odd_pool(rng: Random) -> Document:
    """A pool at the edges of what is allowed: tiny and huge prices and amounts, empty sides, zeros, locked books."""

    def size() -> float:
        return float(rng.choice([0, 0, 1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]) * rng.uniform(0.5, 1.5))

    price = 10 ** rng.uniform(-8, 8)
    marks = {"N": 1.0, "B": price * rng.uniform(0.999, 1.001), "F": 10 ** rng.uniform(-8, 8)}
    places = [("a", "N"), ("a", "B"), ("b", "F"), ("b", "B"), ("c", "N")]
    holdings = []
    for venue, asset in places:
        total = size() - (size() if rng.random() < 0.1 else 0)
        available = total * rng.choice([0, 0.4, 1, 1, 1.3, 3])
        holdings.append({"venue": venue, "asset": asset, "total": total, "available": available, "target": size()})
    if rng.random() < 0.3:
        holdings[0]["available"] = -size()
    bids = [[price * (1 - 1e-3 * k), size() + 1e-9] for k in range(rng.choice([0, 1, 6]))]
    asks = [[price * (1 + 1e-3 * k), size() + 1e-9] for k in range(rng.choice([0, 1, 6]))]
    fee = rng.choice([[0, 0], [size(), 0.5], [0, 0.999]])
    moves = [
        {
            "kind": "trade",
            "venue": "a",
            "base": "B",
            "quote": "N",
            "bids": bids,
            "asks": asks,
            "fee": fee,
            "min": size(),
        },
        {"kind": "transfer", "from": ["a", "B"], "to": ["b", "B"], "fee": [size(), 0], "min": size()},
        {"kind": "transfer", "from": ["a", "N"], "to": ["b", "F"], "bid": marks["F"] * 0.9, "ask": marks["F"]},
        {"kind": "transfer", "from": ["c", "N"], "to": ["a", "N"], "fee": [0, 0]},
        {"kind": "payout", "venue": "a", "asset": "N", "fee": [size(), 0.1]},
    ]
    moves = [move for move in moves if rng.random() < 0.8]
    variance = {"B": rng.choice([0, price**2 * 1e-4]), "F": rng.choice([0, marks["F"] ** 2])}
    numbers = {"deviation_penalty": rng.choice([0, 1e-6, 1, 1e4]), "risk_aversion": rng.choice([0, 1e-9, 1, 1e3])}
    quotes = [{"venue": "b", "base": "B", "quote": "F", "size": size() + 1e-9, "fee": [0, 0.001]}]
    return {
        "numeraire": "N",
        "marks": marks,
        "holdings": holdings,
        "moves": moves,
        "valuation": numbers | {"variance": variance},
        "quotes": quotes,
    }


NAMES = ("numeraire", "venue", "asset", "base", "quote", "kind", "from", "to", "both_ways")


def absurd(document: Any, rng: Random, share: float = 0.03) -> Any:
    """The document with a *share* of its numbers made absurd; it may not be a valid pool any more."""
    if isinstance(document, dict):
        return {key: value if key in NAMES else absurd(value, rng, share) for key, value in document.items()}
    if isinstance(document, list):
        return [absurd(value, rng, share) for value in document]
    if isinstance(document, int | float) and rng.random() < share:
        return rng.choice([0, 1e-30, 1e30, 1e-300, 1e15, 1e-15, -1, document * 1e10, document * 1e-10])
    return document
