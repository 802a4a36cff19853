"""What a watch tells, in virtual time."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ilp.accounts.books import Books
from ilp.accounts.keeper import AccountedJournal
from ilp.alarms.channels import Undelivered
from ilp.alarms.conditions import conditions
from ilp.alarms.events import Events
from ilp.alarms.notices import Condition, Severity
from ilp.alarms.outbox import Outbox
from ilp.alarms.watch import Watch
from ilp.journal.entries import TransferState
from ilp.journal.recent import RecentJournal
from ilp.settings import AlarmRules
from ilp.trading.arrivals import Record
from ilp.trading.hedger import Hedger
from tests.alarms.fakes import NOON, FakeChannel
from tests.journal import samples
from tests.trading.memory_journal import MemoryJournal
from tests.trading.world import D, World

EXPOSED = Condition("exposure", "exposure", Severity.CRITICAL, "0.7 BTC open")
STALE = Condition("input", "stale input", Severity.WARNING, "source book: 20 s old", after=10)


class WatchTests(SynchronousTestCase):
    """A watch over a list of conditions."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.channel = FakeChannel()
        self.present: list[Condition] = []
        self.happened: list[tuple[str, Severity, str]] = []
        self.watch = self.made()

    def made(self, **rules: Any) -> Watch:
        outbox = Outbox(self.channel, Severity.INFO, self.clock)
        watch = Watch(AlarmRules(**rules), [outbox], lambda: self.present, self.events, self.clock, self.now, "paper")
        self.addCleanup(watch.stop)
        return watch

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.clock.seconds())

    def events(self) -> list[tuple[str, Severity, str]]:
        found, self.happened = self.happened, []
        return found

    def lines(self) -> list[str]:
        return [("ended " if one.ended else "") + one.kind for one in self.channel.taken]

    def pass_(self, seconds: int) -> None:
        self.clock.pump([1.0] * seconds)

    def test_a_start_is_told(self) -> None:
        self.watch.start()
        self.assertEqual(self.lines(), ["restart"])

    def test_what_begins_and_what_ends_is_told_once_each(self) -> None:
        self.watch.start()
        self.present = [EXPOSED]
        self.pass_(30)
        self.present = []
        self.pass_(30)
        self.assertEqual(self.lines(), ["restart", "exposure", "ended exposure"])

    def test_what_is_over_before_it_counts_is_not_told(self) -> None:
        self.watch.start()
        self.present = [STALE]
        self.pass_(9)
        self.present = []
        self.pass_(9)
        self.assertEqual(self.lines(), ["restart"])

    def test_what_lasts_is_told_when_it_counts(self) -> None:
        self.watch.start()
        self.present = [STALE]
        self.pass_(12)
        self.assertEqual(self.lines(), ["restart", "stale input"])

    def test_what_goes_on_is_told_again_after_a_while(self) -> None:
        self.watch = self.made(again=100.0)
        self.watch.start()
        self.present = [EXPOSED]
        self.pass_(250)
        self.assertEqual(self.lines(), ["restart", "exposure", "exposure", "exposure"])

    def test_what_has_happened_is_told(self) -> None:
        self.watch.start()
        self.happened = [("edit", Severity.INFO, "anna set quote_size: 0.1 → 0.2")]
        self.pass_(3)
        self.assertEqual(self.lines(), ["restart", "edit"])

    def test_in_quiet_hours_only_what_is_critical_is_told_and_the_rest_in_the_morning(self) -> None:
        self.watch = self.made(quiet_hours=(time(11), time(12, 1)))
        self.watch.start()
        self.present = [EXPOSED]
        self.pass_(2)
        self.assertEqual(self.lines(), ["exposure"])
        self.pass_(60)
        self.assertEqual(self.lines(), ["exposure", "restart"])

    def test_a_look_that_fails_is_an_alarm_itself(self) -> None:
        self.watch.start()
        self.watch.look = lambda: [1 / 0]
        self.pass_(2)
        self.assertEqual(self.lines(), ["restart", "watch"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_a_look_that_fails_does_not_end_what_still_stands(self) -> None:
        self.watch.start()
        self.present = [EXPOSED, STALE]
        self.pass_(5)
        whole, self.watch.look = self.watch.look, lambda: [1 / 0]
        self.pass_(3)
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(self.lines(), ["restart", "exposure", "watch"])
        self.watch.look = whole
        self.pass_(3)
        self.assertEqual(self.lines(), ["restart", "exposure", "watch", "ended watch", "stale input"])
        self.present = []
        self.pass_(1)
        self.assertEqual(self.lines()[5:], ["ended exposure", "ended stale input"])

    def test_the_test_button_tells_how_each_channel_took_it(self) -> None:
        self.channel.fails = [Undelivered("no such chat", final=True)]
        found = [self.successResultOf(self.watch.test("anna"))["channels"][0]["ok"] for _ in range(2)]
        self.assertEqual(found, [False, True])
        self.assertEqual(self.channel.taken[0].text, "anna tries whether alarms arrive")

    def test_the_console_is_told_how_it_stands(self) -> None:
        self.watch.start()
        self.present = [EXPOSED]
        self.pass_(2)
        document = self.watch.document()
        self.assertEqual(document["active"][0]["kind"], "exposure")
        self.assertEqual((document["channels"][0]["name"], document["channels"][0]["error"]), ("fake", ""))

    def test_stopping_leaves_nothing_behind(self) -> None:
        self.watch.start()
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ConditionsTests(SynchronousTestCase):
    """What is read off a trader in virtual time."""

    def setUp(self) -> None:
        self.world = World()
        self.journal = RecentJournal(self.world.journal)
        self.world.journal = self.journal  # it passes everything on
        self.world.trader = self.world.new_trader()
        self.addCleanup(lambda: self.world.end())
        self.world.ready()

    def found(self) -> dict[str, Condition]:
        return {one.kind: one for one in conditions(self.world.trader, None, D(0))}

    def test_a_pool_at_ease_has_nothing_that_must_be_looked_at(self) -> None:
        urgent = [one for one in self.found().values() if one.severity > Severity.INFO]
        self.assertEqual(urgent, [])

    def test_a_halt_is_critical_and_tells_why(self) -> None:
        self.world.trader.halt("something smells", "anna")
        self.world.advance(1)
        halt = self.found()["halt"]
        self.assertEqual((halt.severity, halt.text), (Severity.CRITICAL, "something smells (by anna)"))

    def test_a_lost_venue_counts_while_trading_is_wanted(self) -> None:
        self.world.trader.start("anna")
        self.world.advance(1)
        self.world.trader.lost("source")
        self.assertIn("connection", self.found())
        self.world.trader.wanted = False
        self.assertNotIn("connection", self.found())

    def test_a_journal_that_cannot_be_written_is_critical(self) -> None:
        self.world.trader.recorder.failing = "the disk is full"
        self.assertIs(self.found()["journal"].severity, Severity.CRITICAL)

    def test_an_open_exposure_that_is_overdue_is_critical(self) -> None:
        self.patch(Hedger, "overdue", lambda hedger: "0.7 BTC unhedged")
        self.assertEqual(self.found()["exposure"].text, "0.7 BTC unhedged")

    def test_changes_of_state_and_alarms_of_parts_are_events_once(self) -> None:
        events = Events(self.world.trader, self.journal)
        self.assertEqual(list(events()), [])
        self.world.trader.start("anna")
        self.world.trader.alarm("plan", "its certificate does not hold")
        self.world.trader.alarm("exposure", "is a condition")
        self.world.advance(1)
        found = list(events())
        self.assertEqual([kind for kind, _, _ in found], ["plan", "state"])
        self.assertIn("READY → TRADING: started (anna)", found[1][2])
        self.assertEqual(list(events()), [])

    def test_an_edit_is_an_event_and_what_a_start_found_is_none(self) -> None:
        events = Events(self.world.trader, self.journal)
        self.journal.record(evolve(samples.edit("min_gain"), origin="file"), samples.edit())
        self.assertEqual([text for _, _, text in events()], ["alice set quote_size: 0.1 → 0.2 (edit 1)"])

    def test_transfers_that_need_somebody_are_told_each_by_its_own_name(self) -> None:
        uncertain = samples.transfer(id="t1", state=TransferState.UNCERTAIN)
        late, waiting = samples.transfer(id="t2"), samples.transfer(id="t3", state=TransferState.PROPOSED)
        flow = samples.flow()
        told = SimpleNamespace(
            open=(uncertain, late, waiting), flows=(flow,), ambiguous=(), overdue=lambda entry: entry is late
        )
        with patch.object(self.world.trader, "transfers", told):
            found = {one.key: str(one.severity) for one in conditions(self.world.trader, None, D(0))}
        self.assertEqual(
            {key: found[key] for key in ("uncertain t1", "overdue t2", "proposed t3", f"flow {flow.key}")},
            {"uncertain t1": "critical", "overdue t2": "warning", "proposed t3": "info", f"flow {flow.key}": "warning"},
        )

    def test_a_record_that_fits_several_transfers_is_told_with_their_names(self) -> None:
        record = Record("target", "deposit", "9", "BTC", D("1.0024"), D(0), None, "tx9", "done", samples.NOON)
        told = SimpleNamespace(open=(), flows=(), ambiguous=((record, ("t2", "t1")),))
        with patch.object(self.world.trader, "transfers", told):
            (found,) = [c for c in conditions(self.world.trader, None, D(0)) if c.kind == "ambiguous transfer"]
        self.assertEqual((found.key, found.severity), ("ambiguous target/deposit/9", Severity.WARNING))
        self.assertIn("1.0024 BTC at target (tx9) may be t1 or t2", found.text)

    def test_a_ledger_that_contradicts_itself_is_critical_and_says_where(self) -> None:
        books = AccountedJournal(MemoryJournal(), Books("BTC", "USD"))

        def told() -> list[Condition]:
            return [one for one in conditions(self.world.trader, books, D(0)) if one.kind == "ledger"]

        self.assertEqual(told(), [])
        books.books.balances["target", "BTC"] = 5
        (found,) = told()
        self.assertIs(found.severity, Severity.CRITICAL)
        self.assertIn("5 minor units of BTC came from nowhere", found.text)

    def test_each_step_of_a_loss_is_told_and_the_last_is_critical(self) -> None:
        limit = self.world.trader.settings.limits.loss_per_day
        severities = []
        for share in (D("0.1"), D("0.3"), D("0.8"), D("1.0")):
            books: Any = SimpleNamespace(
                loss=lambda lost=share * limit: lost,
                day=lambda: self.world.clock.now().date(),
                unvalued=dict,
                books=SimpleNamespace(opened=None, fault=str),
            )
            found = {one.kind: one for one in conditions(self.world.trader, books, D("0.25"))}
            severities.append(f"{found['loss'].severity} {found['loss'].key[-1]}" if "loss" in found else "")
        self.assertEqual(severities, ["", "warning 1", "warning 3", "critical 4"])

    def test_a_balance_that_the_ledger_cannot_explain_is_told_once_the_venue_has_had_time(self) -> None:
        balances = {
            (venue, asset): int(self.world.trader.market.balances.balance(venue, asset) * 10**8)
            for venue, asset in self.world.trader.layout.holdings
        }
        balances["target", "BTC"] += 10**8
        books: Any = SimpleNamespace(
            loss=lambda: D(0),
            day=lambda: self.world.clock.now().date(),
            unvalued=dict,
            books=SimpleNamespace(opened=True, balances=balances, fault=str),
        )
        (found,) = [c for c in conditions(self.world.trader, books, D(0)) if c.kind == "unexplained balance"]
        self.assertEqual((found.key, found.after), ("balance target BTC", 120.0))
