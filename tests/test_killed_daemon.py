"""A sample of the kills: real processes, real sockets, SIGKILL.  More of them: `make kill N=1000`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.exchange import Side
from ilp.journal.entries import (
    BookingEntry,
    Entry,
    FillEntry,
    FlowEntry,
    OrderEntry,
    OrderState,
    Purpose,
    TransferEntry,
    TransferState,
)
from ilp.journal.store import memory_journal
from tests.tools.kill import Report, run
from tests.tools.kill_proof import Memory, faults

D = Decimal
AT = datetime(2024, 3, 4, 9, tzinfo=UTC)


class KilledTests(TestCase):
    timeout = 240

    def test_a_daemon_that_is_killed_loses_and_doubles_nothing_and_leaves_no_order(self) -> Deferred[None]:
        """How fast it is safe again is measured by the command; here the machine may be busy with other tests."""

        def check(report: Report) -> None:
            self.assertEqual(report.faults, [])
            self.assertGreaterEqual(report.kills, 4)
            self.assertGreater(report.transfers, 0)

        return deferToThread(run, 4, 7).addCallback(check)


class FakeStage:
    """Two venues that say what they are told to: one transfer of 1 BTC from source to target, and one fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "kill.sqlite"
        self.admin = {"source": "", "target": ""}
        self.orders: list[dict[str, Any]] = []
        record = {"account": "pool", "asset": "BTC", "fee": "0", "status": "done", "timestamp": AT.isoformat()}
        self.moved: dict[tuple[str, str], list[dict[str, Any]]] = {
            ("source", "withdrawals"): [{**record, "amount": "1"}],
            ("target", "deposits"): [{**record, "amount": "0.9"}],
        }
        self.holdings = {"source": {"BTC": D("5.5"), "USD": D("99")}, "target": {"BTC": D("0.9")}}
        self.bank = {"under_way": "0", "charged": "0.1", "paid_out": "0", "converted": "0"}

    def resting(self) -> list[dict[str, Any]]:
        return self.orders

    def of_pool(self, venue: str, what: str) -> list[dict[str, Any]]:
        return self.moved.get((venue, what), [])

    def venue(self, venue: str, what: str) -> Any:
        return {"bank": {"BTC": self.bank}} if what == "ledger" else {what: self.of_pool(venue, what)}

    def held(self, venue: str) -> dict[str, Decimal]:
        return self.holdings[venue]


FILL = FillEntry(
    "source", "f1", "o1", "1", Purpose.HEDGE, "BTC/USD", Side.BUY, D(2), D("0.5"), D("0.5"), {"USD": D(0)}, AT
)
TRANSFER = TransferEntry(
    "t1",
    TransferState.ARRIVED,
    "BTC",
    "source",
    "target",
    "BTC",
    D(1),
    D("0.9"),
    D("0.1"),
    "somewhere",
    "tx",
    False,
    AT,
    AT,
    None,
    debited=D(1),
    arrived=D("0.9"),
    called=True,
    withdrawal_id="w1",
    deposit_id="d1",
)


def booking(number: int, kind: str, reference: str, lines: dict[tuple[str, str], int]) -> BookingEntry:
    """A booking at marks that are all nothing: no term has anything to tell."""
    told = tuple((account, asset, units) for (account, asset), units in lines.items())
    return BookingEntry(f"{number:010d}", AT, kind, reference, told, {}, 0, {}, D(0))


UNIT = 10**8
BOOKINGS = (
    booking(
        1,
        "opening",
        "",
        {
            ("source", "BTC"): 6 * UNIT,
            (":outside", "BTC"): -6 * UNIT,
            ("source", "USD"): 100 * UNIT,
            (":outside", "USD"): -100 * UNIT,
        },
    ),
    booking(
        2,
        "trade",
        "source/f1",
        {
            ("source", "BTC"): UNIT // 2,
            (":market", "BTC"): -UNIT // 2,
            ("source", "USD"): -UNIT,
            (":market", "USD"): UNIT,
        },
    ),
    booking(
        3,
        "transfer",
        "t1",
        {("source", "BTC"): -UNIT, ("target", "BTC"): UNIT * 9 // 10, (":charges", "BTC"): UNIT // 10},
    ),
)
ORDER = OrderEntry(
    "source", "o1", "1", Purpose.HEDGE, "BTC/USD", Side.BUY, D(2), D("0.5"), D("0.5"), OrderState.FINAL, AT
)


class ProofTests(SynchronousTestCase):
    """What proves that nothing was lost is not blind: each loss that is made up here is named."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "pool.ini").write_text("")
        self.stage = FakeStage(folder)

    def found(self, *entries: Entry) -> list[str]:
        journal = memory_journal(f"sqlite:///{self.stage.journal}")
        self.successResultOf(journal.record(*entries))
        self.successResultOf(journal.close())
        before = {"source": {"BTC": D(6)}, "target": {"BTC": D(0)}}
        memory = Memory(f"sqlite:///{self.stage.journal}")
        told = faults(self.stage, memory, before)
        return [fault for fault in told if not fault.startswith("journal verify")]

    def test_where_all_agree_nothing_is_found(self) -> None:
        self.assertEqual(self.found(ORDER, FILL, TRANSFER, *BOOKINGS), [])

    def test_an_orphan_is_found(self) -> None:
        self.stage.orders = [{"id": 7}]
        self.assertIn("orphan orders: [{'id': 7}]", self.found(ORDER, FILL, TRANSFER, *BOOKINGS))

    def test_a_fill_that_the_journal_lacks_is_found(self) -> None:
        self.assertIn("source: 0.5 BTC were traded, the journal has 0", self.found(TRANSFER, *BOOKINGS))

    def test_a_withdrawal_that_left_twice_is_found(self) -> None:
        self.stage.moved["source", "withdrawals"] *= 2
        told = self.found(ORDER, FILL, TRANSFER, *BOOKINGS)
        self.assertIn("source: 1 of its withdrawals of 1 BTC are in no transfer of the journal", told)

    def test_a_withdrawal_that_never_happened_is_found(self) -> None:
        del self.stage.moved["source", "withdrawals"]
        told = self.found(ORDER, FILL, TRANSFER, *BOOKINGS)
        self.assertIn("source: the journal has 1 withdrawals of 1 BTC that the venue does not have", told)

    def test_a_deposit_that_nobody_took_is_found(self) -> None:
        waiting = evolve(TRANSFER, state=TransferState.SENT, arrived=D(0), deposit_id=None)
        told = self.found(ORDER, FILL, waiting, *BOOKINGS)
        self.assertIn("target: 1 of its deposits of 0.9 BTC are in no transfer of the journal", told)
        self.assertIn("transfer t1 is still SENT: ", told)

    def test_one_record_that_cleared_two_transfers_is_found(self) -> None:
        told = self.found(ORDER, FILL, TRANSFER, evolve(TRANSFER, id="t2"), *BOOKINGS)
        self.assertIn("withdrawals: ('source', 'w1') cleared 2 transfers", told)

    def test_money_that_no_transfer_explains_is_found(self) -> None:
        flow = FlowEntry("k", "target", "BTC", D(1), AT, "tx")
        told = self.found(ORDER, FILL, TRANSFER, flow, *BOOKINGS)
        self.assertIn("target: 1 BTC moved and no transfer explains it", told)

    def test_a_cent_that_the_bank_lost_is_found(self) -> None:
        self.stage.bank["charged"] = "0.09"
        told = self.found(ORDER, FILL, TRANSFER, *BOOKINGS)
        self.assertTrue(any(fault.startswith("BTC: 1 left venues and 0.9 arrived") for fault in told), told)

    def test_a_cent_that_the_ledger_lacks_is_found(self) -> None:
        self.stage.holdings["source"]["USD"] = D("99.01")
        told = self.found(ORDER, FILL, TRANSFER, *BOOKINGS)
        self.assertIn("source holds 99.01 USD, the pool's ledger has 99", told)
