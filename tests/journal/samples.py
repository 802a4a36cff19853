"""One entry of each kind, with every field set to something that a sloppy store would change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

from clients.exchange import Side
from ilp.accounts.books import Books
from ilp.journal.entries import (
    ActEntry,
    BookingEntry,
    CheckpointEntry,
    Entry,
    FillEntry,
    FlowEntry,
    HedgeEntry,
    IntentEntry,
    OrderEntry,
    OrderState,
    ParameterEntry,
    PlanEntry,
    Purpose,
    StateEntry,
    TransferEntry,
    TransferState,
)

NOON = datetime(2015, 3, 14, 12, 0, 0, 123456, UTC)


def at(seconds: float) -> datetime:
    """A moment that many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def order(key: str = "o1", state: OrderState = OrderState.OPEN, seconds: float = 0, **more: object) -> OrderEntry:
    """A quote on the target, open unless told otherwise."""
    values: dict[str, object] = {
        "venue": "target",
        "key": key,
        "order_id": None,
        "purpose": Purpose.QUOTE,
        "ticker": "BTC/HUF",
        "side": Side.BUY,
        "price": D("67000.10"),
        "quantity": D("0.10000000"),
        "filled": D("1E-8"),
        "state": state,
        "at": at(seconds),
        "note": "edge 0.5, árvíztűrő",
    }
    return OrderEntry(**{**values, **more})


def fill(key: str = "f1", order_key: str = "o1", seconds: float = 0, **more: object) -> FillEntry:
    """A fill on the target with its reference book."""
    return FillEntry(
        venue="target",
        key=key,
        order_key=order_key,
        order_id="17",
        purpose=Purpose.QUOTE,
        ticker="BTC/HUF",
        side=Side.SELL,
        price=D("67000"),
        quantity=D("0.1"),
        cumulative=D("0.1"),
        fees={"HUF": D("33.50"), "BTC": D(0)},
        at=at(seconds),
        reference_bid=D("249.9"),
        reference_ask=None,
        **more,
    )


def hedge(key: str = "h1", seconds: float = 0) -> HedgeEntry:
    """A link whose edge is known and whose slippage is not."""
    return HedgeEntry(key, "target/f1", "source/f2", D("0.1"), D("-0.25"), None, at(seconds))


def transfer(
    id: str = "t1", state: TransferState = TransferState.PLANNED, seconds: float = 0, **more: object
) -> TransferEntry:
    """A coin transfer on its way from the source to the target."""
    values: dict[str, object] = {
        "id": id,
        "state": state,
        "asset": "BTC",
        "from_venue": "source",
        "to_venue": "target",
        "to_asset": "BTC",
        "amount": D("1.5"),
        "expected": D("1.4999"),
        "fee": D("0.0001"),
        "address": "1Boat",
        "reference": None,
        "manual": False,
        "created": at(seconds),
        "since": at(seconds),
        "due": at(seconds + 3600),
        "called": True,
    }
    return TransferEntry(**{**values, **more})


def flow(key: str = "target/deposit/9", seconds: float = 0) -> FlowEntry:
    """A withdrawal that the pool did not make."""
    return FlowEntry(key, "target", "HUF", D("-250000"), at(seconds), "wire 9")


def plan(id: str = "p1", seconds: float = 0) -> PlanEntry:
    """A plan with nested documents."""
    return PlanEntry(
        id,
        at(seconds),
        {"numeraire": "USD", "marks": {"BTC": "250.0", "HUF": 0.0037}},
        {"optimized": {"value": 1.5, "moves": []}},
        ({"move": 0, "direction": "buy", "amount": "1.25"},),
    )


def edit(name: str = "quote_size", new: str = "0.2", version: int = 1, seconds: float = 0) -> ParameterEntry:
    """An edit by an operator."""
    return ParameterEntry(name, "0.1", new, "0.1", version, "alice", at(seconds))


def state(to: str, previous: str, seconds: float = 0) -> StateEntry:
    """A change of the trader's state."""
    return StateEntry(to, previous, "exposure 0.3 > 0.2", "gate", at(seconds))


def intent(wanted: bool, seconds: float = 0) -> IntentEntry:
    """The operator's wish."""
    return IntentEntry(wanted, "alice", at(seconds))


def act(what: str = "cancel", seconds: float = 0) -> ActEntry:
    """Something that a person did."""
    return ActEntry(what, "target", "buy 0.1 at 24576900", "1 cancelled", "too near", "alice", at(seconds))


def booking(key: str = "0000000001", seconds: float = 0) -> BookingEntry:
    """The opening of the pool's own ledger, in numbers that no float keeps."""
    lines = ((":outside", "HUF", -(10**17) - 1), ("target", "HUF", 10**17 + 1))
    terms, marks = {"external flows": 4 * 10**14}, {"HUF": 4 * 10**9}
    return BookingEntry(key, at(seconds), "opening", "", lines, terms, 4 * 10**9, marks, D("-0.1"))


def checkpoint() -> CheckpointEntry:
    """The sums after that booking."""
    books = Books("BTC", "USD")
    books.take(booking())
    return CheckpointEntry("ledger", 1, at(0), books.sums(()))


def one_of_each() -> tuple[Entry, ...]:
    """Every kind, once."""
    return (
        order(),
        fill(),
        hedge(),
        transfer(),
        flow(),
        plan(),
        edit(),
        state("READY", "INITIALIZING"),
        intent(True),
        booking(),
        act(),
        checkpoint(),
    )
