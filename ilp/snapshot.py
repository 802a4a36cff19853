"""The document of `GET /api/update`, made of the trader's parts.  Reads and words; decides nothing, changes nothing.

The shape is "Public JSON" of `docs/architecture.md`; keys beyond it are additions that the console shows where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from attrs import asdict, evolve

from clients.exchange import Order, Side, Transaction
from ilp import snapshot_market
from ilp.accounts.keeper import AccountedJournal
from ilp.accounts.report import pnl_section
from ilp.bookkeeping import known_marks, told_balances
from ilp.figures import amount, figure, when, worth
from ilp.insight import move_words
from ilp.journal.entries import (
    FINAL_TRANSFER_STATES,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    OrderState,
    PlanEntry,
    TransferEntry,
    TransferState,
)
from ilp.metrics import Metrics
from ilp.parameters import Table, display
from ilp.pool.document import Payout, Pool, Trade
from ilp.pool.valuation import Column
from ilp.settings import Cost, Parameters, Settings
from ilp.settings_keys import KEYS
from ilp.trading.audit import Compared
from ilp.trading.layout import Layout
from ilp.trading.machine import State
from ilp.trading.own import OwnOrder
from ilp.trading.quotes import QuoteStatus
from ilp.trading.status import TraderStatus
from ilp.trading.strategy import Optimum
from ilp.trading.trader import Trader
from ilp.trading.transfers_machine import actions

__all__ = [
    "data_section",
    "explained",
    "fill_document",
    "flow_document",
    "needs",
    "parameters_section",
    "plan_document",
    "pnl",
    "quotes_section",
    "speeds",
    "state_section",
    "trader_section",
    "transfer_document",
    "valuation_section",
]

_SHOWN_FILLS = 50
_SHOWN_TRANSFERS = 100
_SHOWN_FLOWS = 50
_SIDES = {Side.BUY: "bid", Side.SELL: "ask"}

T = TypeVar("T")


# ------------------------------------------------------------------------------------------------------------ trader


def trader_section(
    trader: Trader,
    table: Table,
    fills: Iterable[FillEntry],
    hedges: Iterable[HedgeEntry],
) -> dict[str, Any]:
    """State, parameters, quotes, exposure, the newest fills and what closed them, the checks of START."""
    status, layout = trader.status(), trader.layout
    exposure = status.exposure
    return {
        "state": str(status.state),
        "since": when(status.since),
        "by": status.by,
        "reason": status.reason,
        "wanted": status.wanted,
        "paused": sorted(trader.facts.pauses),
        "stale": status.stale or None,
        "recovery": asdict(status.recovery),
        "parameters": parameters_section(table, trader.floor.parameters),
        "quotes": quotes_section(layout, explained(status), _mark(trader, layout.target.quote)),
        "exposure": {
            layout.base: {
                "quantity": amount(exposure.quantity),
                "value": worth(exposure.value, layout.numeraire),
                "limit": amount(exposure.limit),
                "since": when(exposure.since),
                "reason": exposure.reason or None,
                "minimum": figure(trader.floor.hedge_minimum()),
            }
        },
        "fills": [fill_document(fill) for fill in list(fills)[-_SHOWN_FILLS:]],
        "hedges": [_hedge(hedge) for hedge in list(hedges)[-_SHOWN_FILLS:]],
        "rounded": trader.loop.planner.last.rounded if trader.loop.planner.last is not None else None,
        "plan_reason": status.plan_reason or None,
        "confirmation": {
            "at": when(status.confirmation.at),
            "remaining": list(status.confirmation.remaining),
        },
        "alarms": [
            {"kind": alarm.kind, "message": alarm.message, "at": when(alarm.at)} for alarm in status.alarms[-20:]
        ],
        "checks": [{"name": check.name, "ok": check.ok, "message": check.message} for check in trader.checks()],
    }


def parameters_section(table: Table, values: Parameters) -> dict[str, Any]:
    """Every parameter with its value, unit, origin and range."""
    return {
        name: {
            "value": display(table, name, values),
            "unit": table.unit(name),
            "origin": table.raws[name].origin,
            "min": "0",
            "max": None,
            "allowed": table.kind(name).allowed,
            "help": table.meaning(name),
        }
        for name in table.raws
    }


def quotes_section(
    layout: Layout, statuses: Iterable[QuoteStatus], mark: Decimal | None
) -> dict[str, dict[str, dict[str, Any]]]:
    """Both sides of the quote; *mark* is the value of one unit of the target's currency in numeraire."""
    sides = {_SIDES[status.side]: _quote(status, mark, layout.numeraire) for status in statuses}
    return {layout.target.venue: {layout.target.ticker: sides}}


def explained(status: TraderStatus) -> list[QuoteStatus]:
    """The sides of the quote; where it is the state that forbids them, the reason says since when, and why it is so."""
    why = f"{status.state} since {status.since:%H:%M:%S} UTC ({status.reason}): quotes need {State.TRADING}"
    forbidden = f"{status.state}: "
    return [evolve(one, reason=why) if one.reason.startswith(forbidden) else one for one in status.quotes]


def _quote(status: QuoteStatus, mark: Decimal | None, numeraire: str) -> dict[str, Any]:
    resting = status.resting > 0
    band = status.band
    return {
        "resting": resting,
        "price": amount(status.price),
        "size": amount(status.resting if resting else status.size),
        "reference": figure(status.reference),
        "reservation": figure(status.reservation),
        "hedge": figure(status.hedge),
        "band": None if band is None else [figure(band[0]), figure(band[1])],
        "edge": None if status.edge is None or mark is None else worth(status.edge * mark, numeraire),
        "reason": None if resting else status.reason,
    }


def fill_document(fill: FillEntry) -> dict[str, Any]:
    """An own fill."""
    return {
        "key": f"{fill.venue}/{fill.key}",
        "venue": fill.venue,
        "ticker": fill.ticker,
        "side": str(fill.side),
        "price": amount(fill.price),
        "quantity": amount(fill.quantity),
        "fees": {asset: amount(fee) for asset, fee in fill.fees.items()},
        "at": when(fill.at),
        "purpose": str(fill.purpose),
        "order_id": fill.order_id or None,
        "reference_bid": amount(fill.reference_bid),
        "reference_ask": amount(fill.reference_ask),
        "quoted": amount(fill.quoted),
        "raced": amount(fill.raced),
    }


def _hedge(hedge: HedgeEntry) -> dict[str, Any]:
    return {
        "key": hedge.key,
        "fill_key": hedge.fill_key,
        "closed_by": hedge.closed_by,
        "quantity": amount(hedge.quantity),
        "edge": figure(hedge.edge),
        "slippage": figure(hedge.slippage),
        "at": when(hedge.at),
    }


# ------------------------------------------------------------------------------------------------------------- state


def state_section(trader: Trader, transactions: Mapping[str, Iterable[Transaction]]) -> dict[str, Any]:
    """Holdings, books, rates, marks, variances, orders, transfers and ledgers, each as it was last told."""
    inputs = {status.name: status for status in trader.market.statuses()}
    marks = trader.market.marks() or {}
    layout = trader.layout
    return {
        "holdings": _holdings(trader),
        "books": {
            venue: {
                pair.ticker: snapshot_market.book(trader.market.book(pair), inputs.get(f"{layout.place(pair)} book"))
                for pair in layout.at(venue)
            }
            for venue in layout.venues
        },
        "rates": snapshot_market.rates(trader, inputs.get("rate")),
        "marks": {asset: figure(marks.get(asset)) for asset in layout.assets},
        "variances": snapshot_market.variances(trader),
        "orders": _orders(trader),
        "compared": {venue: when(compared.at) for venue, compared in trader.audit.compared.items()},
        "transfers": [
            transfer_document(trader, entry)
            for entry in reversed(_latest(trader.transfers.entries, _SHOWN_TRANSFERS, _is_open))
        ],
        "flows": [
            flow_document(flow)
            for flow in _latest(trader.transfers.flows, _SHOWN_FLOWS, lambda flow: not flow.classified)
        ],
        "transactions": {
            venue: [_transaction(line) for line in transactions.get(venue, ())] for venue in layout.venues
        },
        "inputs": [
            {
                "name": status.name,
                "age": snapshot_market.seconds(status.age),
                "limit": status.limit,
                "ok": status.ok,
                "message": status.trouble,
            }
            for status in inputs.values()
        ],
    }


def _latest(rows: Sequence[T], most: int, waits: Callable[[T], bool]) -> list[T]:
    """The last *most* rows, and before them every one that still *waits* for something: age takes none of those away."""
    older, newest = rows[:-most], rows[-most:]
    return [*filter(waits, older), *newest]


def _is_open(entry: TransferEntry) -> bool:
    return entry.state not in FINAL_TRANSFER_STATES


def _holdings(trader: Trader) -> list[dict[str, Any]]:
    view = trader.floor.view()
    stocks = {(stock.venue, stock.asset): stock for stock in view.stocks} if view is not None else {}
    found = []
    for venue, asset in trader.layout.holdings:
        stock = stocks.get((venue, asset)) if trader.market.connected.get(venue, False) else None
        inbound = trader.transfers.outstanding(venue, asset).inbound
        found.append(
            {
                "venue": venue,
                "asset": asset,
                "available": amount(stock.free) if stock is not None else None,
                "held": amount(stock.balance - stock.free) if stock is not None else None,
                "in_transit": amount(inbound),
                "total": amount(stock.total) if stock is not None else None,
                "target": amount(trader.floor.parameters.targets[venue, asset]),
            }
        )
    return found


def _orders(trader: Trader) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {venue: {} for venue in trader.layout.venues}
    for order in trader.desk.live():
        id = order.order_id or order.key
        compared = trader.audit.compared.get(order.venue)
        lacking = compared is not None and order.key in compared.only_local
        found[order.venue][id] = {
            "id": id,
            "contract": order.ticker,
            "side": str(order.side),
            "price": amount(order.price),
            "quantity": amount(order.quantity),
            "quantity_left": amount(order.quantity - order.filled),
            "timestamp": when(order.at),
            "purpose": str(order.purpose),
            "state": str(order.state),
            "flag": _flag(order, compared if lacking else None),
        }
    for venue, compared in trader.audit.compared.items():
        found[venue] |= {
            order["id"]: _foreign(order) for order in compared.only_venue if order["id"] not in found[venue]
        }
    return found


def _flag(order: OwnOrder, lacking: Compared | None) -> str | None:
    """What is not as it should be: an answer that was lost, or a venue that does not know the order."""
    if lacking is not None:
        return f"only in our records: the list of {order.venue} at {lacking.at:%H:%M:%S} UTC has no such order"
    return order.note if order.state is OrderState.UNKNOWN else None


def _foreign(order: Order) -> dict[str, Any]:
    """An order at a venue that nobody here placed."""
    return {
        "id": order["id"],
        "contract": order["contract"],
        "side": str(order["side"]),
        "price": amount(order["price"]),
        "quantity": amount(order["quantity"]),
        "quantity_left": amount(order["quantity_left"]),
        "timestamp": when(order["timestamp"]),
        "purpose": "",
        "state": "foreign",
        "flag": "only at the venue: it was not placed here",
    }


def transfer_document(trader: Trader, entry: TransferEntry) -> dict[str, Any]:
    """A transfer with what the operator may do about it now."""
    return {
        "id": entry.id,
        "state": str(entry.state),
        "asset": entry.asset,
        "from": entry.from_venue,
        "to": entry.to_venue or "bank",
        "to_asset": entry.to_asset,
        "amount": amount(entry.amount),
        "expected": amount(entry.expected),
        "arrived": amount(entry.arrived) if entry.arrived else None,
        "fee": amount(entry.fee),
        "address": entry.address or None,
        "reference": entry.reference,
        "manual": entry.manual,
        "since": when(entry.since),
        "created": when(entry.created),
        "due": when(entry.due),
        "overdue": trader.transfers.overdue(entry),
        "plan": entry.plan or None,
        "note": entry.note,
        "by": entry.by,
        "questions": list(trader.transfers.questions(entry)),
        "actions": [str(action) for action in actions(entry)],
    }


def flow_document(flow: FlowEntry) -> dict[str, Any]:
    """A deposit or withdrawal that the pool did not make."""
    return {
        "key": flow.key,
        "venue": flow.venue,
        "asset": flow.asset,
        "quantity": amount(flow.quantity),
        "at": when(flow.at),
        "reference": flow.reference,
        "classified": flow.classified or None,
        "by": flow.by or None,
    }


def _transaction(line: Transaction) -> dict[str, Any]:
    return {
        "contract": line["contract"],
        "timestamp": when(line["timestamp"]),
        "quantity": amount(line["quantity"]),
        "type": line["type"],
        "direction": line["direction"],
        "balance": amount(line["balance"]),
        "note": line["note"],
    }


# --------------------------------------------------------------------------------------------------------- valuation


def valuation_section(optimum: Optimum | None, at: Any, solve_ms: float | None) -> dict[str, Any]:
    """The three columns; None before the first optimum."""
    if optimum is None:
        keys = ("base", "optimized", "rounded", "bound", "exhausted", "branches", "solve_ms", "time")
        return dict.fromkeys(keys)
    pool, solution = optimum.pool, optimum.solution
    rounded = _column(pool, optimum.rounded.column)
    amounts = {(move.move, move.direction): amount(move.amount) for move in optimum.rounded.moves}
    for move in rounded["moves"]:
        move["amount"] = amounts.get((move["move"], move["direction"]), move["amount"])
    return {
        "base": _column(pool, solution.base),
        "optimized": _column(pool, solution.optimized),
        "rounded": {**rounded, "withheld": optimum.rounded.withheld or None},
        "bound": figure(solution.bound),
        "exhausted": solution.exhausted,
        "branches": solution.branches,
        "solve_ms": None if solve_ms is None else round(solve_ms, 3),
        "time": when(at),
    }


def _column(pool: Pool, column: Column) -> dict[str, Any]:
    return {
        "value": worth(column.value, pool.numeraire),
        "cash": worth(column.cash, pool.numeraire),
        "costs": worth(column.costs, pool.numeraire),
        "risk": worth(column.risk, pool.numeraire),
        "deviation": worth(column.deviation, pool.numeraire),
        "moves": [
            {
                "move": move.move,
                "direction": move.direction,
                "amount": figure(move.amount),
                **_words(pool, move.move, move.direction),
            }
            for move in column.moves
        ],
        "holdings": [
            {"venue": holding.venue, "asset": holding.asset, "total": figure(total)}
            for holding, total in zip(pool.holdings, column.holdings, strict=True)
        ],
    }


def _words(pool: Pool, number: int, direction: str) -> dict[str, str]:
    move = pool.moves[number]
    if isinstance(move, Trade):
        asset = move.base
    elif isinstance(move, Payout):
        asset = move.asset
    else:
        asset = (move.source if direction == "out" else move.target)[1]
    return {"label": move_words(pool, number, direction), "asset": asset}


# ------------------------------------------------------------------------------------------------------ data, needs


def data_section(settings: Settings, parameters: Parameters) -> dict[str, Any]:
    """Tickers, fees, costs and limits."""

    def cost(value: Cost) -> list[str | None]:
        return [amount(value.fixed), amount(value.proportional)]

    limits = settings.limits
    return {
        "source_ticker": settings.tickers["source"],
        "target_ticker": settings.tickers["target"],
        "btc_ticker": settings.tickers["btc"],
        "fees": {"source": cost(parameters.source_fee), "target": cost(parameters.target_fee)},
        "costs": {"fiat_exchange": cost(parameters.fiat_exchange_cost), "btc": cost(parameters.btc_fee)},
        "limits": {name: _limit(value) for name, value in asdict(limits).items()},
        "help": {key.name: key.meaning for key in KEYS if key.section == "limits"},
    }


def _limit(value: Any) -> Any:
    if isinstance(value, dict):
        return {asset: amount(kept) for asset, kept in value.items()}
    return amount(value) if isinstance(value, Decimal) else value


def pnl(trader: Trader, books: AccountedJournal | None) -> dict[str, Any] | None:
    """What was earned and lost; None where no ledger is kept."""
    if books is None:
        return None
    marks, limit = known_marks(trader), trader.settings.limits.loss_per_day
    return pnl_section(books.books, trader.clock.now(), marks, told_balances(trader), books.loss(), limit)


def plan_document(plan: PlanEntry) -> dict[str, Any]:
    """An executed plan with the pool that it was computed from."""
    return {
        "id": plan.id,
        "at": when(plan.at),
        "pool": dict(plan.pool),
        "answer": dict(plan.answer),
        "rounded": [
            {**move, "amount": amount(Decimal(str(move["amount"])))} if "amount" in move else dict(move)
            for move in plan.rounded
        ],
    }


def speeds(metrics: Metrics) -> list[dict[str, Any]]:
    """How fast the daemon reacts, and how late its reactor comes round: what has been observed so far, in seconds."""
    summaries = metrics.summaries()
    return [
        {
            "name": name,
            "help": histogram.help,
            **asdict(summaries[name]),
            "bounds": list(histogram.bounds),
            "counts": list(histogram.counts),
        }
        for name, histogram in metrics.histograms.items()
        if name in summaries
    ]


def needs(trader: Trader) -> list[dict[str, str]]:
    """What waits for a person, the most urgent first."""
    found: list[dict[str, str]] = []
    if trader.life.state is State.HALTED:
        text = f"HALTED: {trader.reason}. Acknowledge with RESET and a note."
        found.append({"level": "bad", "text": text, "tab": "trader"})
    doubts = ((venue, trader.market.plausible.doubt(venue)) for venue in trader.layout.venues)
    found += [
        {"level": level, "text": text, "tab": tab}
        for level, text, tab in (
            ("bad", trader.audit.intruders(), "orders"),
            *(("warn", f"{venue}: {why}" if why else "", "state") for venue, why in doubts),
            ("warn", trader.floor.uncounted, "trader"),
            *(("warn", text, "state") for text in _overdrawn(trader.loop.optimum)),
        )
        if text
    ]
    for entry in trader.transfers.open:
        what = f"{amount(entry.amount)} {entry.asset} from {entry.from_venue} to {entry.to_venue or 'the bank'}"
        if entry.state is TransferState.UNCERTAIN:
            text = f"{entry.id}: {what} is UNCERTAIN: say whether it left"
            found.append({"level": "bad", "text": text, "tab": "transits"})
        elif entry.state is TransferState.PROPOSED:
            act = "send it by hand, then press sent" if entry.manual else "approve or cancel it"
            found.append({"level": "warn", "text": f"{entry.id}: {what}: {act}", "tab": "transits"})
        elif trader.transfers.overdue(entry):
            found.append({"level": "warn", "text": f"{entry.id}: {what} is overdue", "tab": "transits"})
        found += [
            {"level": "warn", "text": question, "tab": "transits"} for question in trader.transfers.questions(entry)
        ]
    found += [
        {
            "level": "warn",
            "text": f"{amount(flow.quantity)} {flow.asset} at {flow.venue} is no transfer of ours: say what it was",
            "tab": "transits",
        }
        for flow in trader.transfers.flows
        if not flow.classified
    ]
    return found


def _overdrawn(optimum: Optimum | None) -> list[str]:
    """Holdings of which more is spoken for than is there, in words."""
    if optimum is None:
        return []
    holdings = [optimum.pool.holdings[number] for number in optimum.solution.overdrawn]
    return [
        f"{one.venue}: {one.asset} is overdrawn by {figure(-one.available)}: orders and transfers need more than is there, "
        "the plan spends nothing of it"
        for one in holdings
    ]


def _mark(trader: Trader, asset: str) -> Decimal | None:
    return (trader.market.marks() or {}).get(asset)
