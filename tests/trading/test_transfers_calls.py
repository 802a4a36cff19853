"""What a venue answers to a withdrawal, turned into events; and which address a transfer goes to."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unreachable,
)
from ilp.journal.entries import TransferEntry, TransferState
from ilp.trading.gate import Breach, Forbidden
from ilp.trading.reader import VenueReader
from ilp.trading.transfers_calls import Calls
from ilp.trading.transfers_machine import Event
from tests.journal.samples import NOON, transfer
from tests.trading.transfers_fakes import rules

SENT = {"debited": "something"}
UNCALLED = {"called": False, "departed": None}


class Venue:
    """Gives one answer to every call; so does the gate before it."""

    def __init__(self, answer: Any = "w-1", features: frozenset[str] = frozenset()) -> None:
        self.answer, self.features, self.name = answer, features, "target"
        self.asked: list[tuple[Any, ...]] = []

    def _reply(self, *asked: Any) -> Deferred[Any]:
        self.asked.append(asked)
        return fail(self.answer) if isinstance(self.answer, BaseException) else succeed(self.answer)

    def withdraw(self, entry: TransferEntry) -> Deferred[Any]:
        return self._reply("withdraw", entry)

    def getCurrentAddress(self, ticker: str) -> Deferred[Any]:
        return self._reply("address", ticker)

    def cancelOrder(self, id: str) -> Deferred[Any]:
        return self._reply("cancel", id)


class WithdrawalTests(SynchronousTestCase):
    ENTRY = transfer(state=TransferState.PLANNED)

    def ask(self, answer: Any, features: frozenset[str] = frozenset()) -> tuple[Event, str, dict[str, Any]]:
        self.venue = Venue(answer, features)
        self.calls = Calls(
            {self.ENTRY.from_venue: self.venue}, self.venue.withdraw, Logger(observer=lambda event: None)
        )
        found: tuple[Event, str, dict[str, Any]] = self.successResultOf(
            Deferred.fromCoroutine(self.calls.withdraw(self.ENTRY, SENT))
        )
        return found

    def test_the_gate_is_asked_for_it_once_and_the_venue_never(self) -> None:
        self.ask("w-1")
        self.assertEqual(self.venue.asked, [("withdraw", self.ENTRY)])

    def test_an_answer_accepts_it(self) -> None:
        event, words, changes = self.ask("w-1")
        self.assertEqual((event, changes), (Event.ACCEPTED, SENT))
        self.assertIn("as w-1", words)

    def test_its_id_is_kept_where_the_venues_records_bear_it(self) -> None:
        self.assertEqual(self.ask("w-1", frozenset({"withdrawal_id"}))[2], {"withdrawal_id": "w-1", **SENT})

    def test_what_surely_did_not_happen_may_be_tried_again(self) -> None:
        for error in (
            Unreachable("target", "withdrawing", "down"),
            RateLimited("target", "withdrawing", "slowly"),
            Forbidden("not in this state"),
        ):
            event, words, changes = self.ask(error)
            self.assertEqual((event, changes, words[:7]), (Event.UNSENT, UNCALLED, "waits: "), error)

    def test_a_limit_of_the_gate_turns_it_away(self) -> None:
        event, _, changes = self.ask(Breach("transfers a day", 3, 2, "this one"))
        self.assertEqual((event, changes), (Event.TURNED_AWAY, UNCALLED))

    def test_what_the_venue_refuses_has_failed(self) -> None:
        for kind in (Refused, InsufficientFunds, NotAuthorised):
            self.assertEqual(self.ask(kind("target", "withdrawing", "no"))[::2], (Event.REFUSED, {}))

    def test_whatever_leaves_room_for_doubt_is_lost_and_may_have_left(self) -> None:
        for error in (
            OutcomeUnknown("target", "withdrawing", "no answer"),
            ExchangeError("target", "withdrawing", "nobody knows"),
            ZeroDivisionError("a client's own"),
            KeyError("refid"),
        ):
            event, _, changes = self.ask(error)
            self.assertEqual((event, changes), (Event.LOST, SENT), error)

    def test_what_the_client_cannot_do_is_for_the_operator_from_now_on(self) -> None:
        event, _, changes = self.ask(NotImplementedError("no such call"))
        self.assertEqual((event, changes), (Event.UNSUPPORTED, {**UNCALLED, "manual": True}))
        entry = self.ENTRY
        self.assertEqual(self.calls.by_hand, {(entry.asset, entry.from_venue, entry.to_venue)})

    def test_a_daemon_that_is_told_to_end_answers_nothing(self) -> None:
        venue = Venue(CancelledError())
        calls = Calls({self.ENTRY.from_venue: venue}, venue.withdraw, Logger())
        self.failureResultOf(Deferred.fromCoroutine(calls.withdraw(self.ENTRY, SENT)), CancelledError)


class AddressTests(SynchronousTestCase):
    LISTED = rules(addresses={("target", "BTC"): ("first", "second")})

    def ask(self, answer: Any, venue: str = "target", **more: Any) -> Any:
        self.venue = Venue(answer)
        calls = Calls({"target": self.venue}, self.venue.withdraw, Logger(observer=lambda event: None))
        given = evolve(self.LISTED, **more)
        return self.successResultOf(Deferred.fromCoroutine(calls.address(given, venue, "BTC")))

    def test_the_receiving_venue_says_where(self) -> None:
        self.assertEqual(self.ask("1Boat"), "1Boat")
        self.assertEqual(self.venue.asked, [("address", "BTC")])

    def test_where_it_cannot_the_first_listed_one_is_taken_or_the_operator_asked(self) -> None:
        self.assertEqual(self.ask(NotImplementedError()), "first")
        self.assertEqual(self.ask(NotImplementedError(), addresses={}), "")

    def test_while_it_cannot_be_asked_there_is_none_whatever_is_listed(self) -> None:
        for error in (Unreachable("target", "asking", "down"), Refused("target", "asking", "no")):
            self.assertIsNone(self.ask(error))

    def test_a_payout_goes_to_the_operators_bank_and_nobody_is_asked(self) -> None:
        self.assertEqual(self.ask("1Boat", ""), "the operator's bank")
        self.assertEqual(self.venue.asked, [])


class ReaderTests(SynchronousTestCase):
    """What the gate later takes for an address that the receiving client gave."""

    def test_an_address_that_the_venue_gave_is_remembered_by_asset(self) -> None:
        reader = VenueReader(Venue("1Boat"))
        self.assertEqual(self.successResultOf(reader.getCurrentAddress("BTC")), "1Boat")
        reader._venue.answer = "2Boat"
        reader.getCurrentAddress("BTC")
        self.assertEqual(reader.given, {"BTC": {"1Boat", "2Boat"}})

    def test_a_refusal_gives_none(self) -> None:
        reader = VenueReader(Venue(Refused("target", "asking", "no")))
        self.failureResultOf(reader.getCurrentAddress("BTC"), Refused)
        self.assertEqual(reader.given, {})

    def test_a_cancel_is_counted_after_it_was_handed_over(self) -> None:
        venue = Venue(True)
        counted: list[Any] = []
        reader = VenueReader(venue, cancelled=lambda *told: counted.append((*told, len(venue.asked))))
        self.assertIs(self.successResultOf(reader.cancelOrder("7")), True)
        self.assertEqual(counted, [("target", "7", 1)])

    def test_a_venue_that_does_not_tell_its_time_says_so(self) -> None:
        reader = VenueReader(Venue())
        self.failureResultOf(reader.getServerTime(), NotImplementedError)
        reader._venue.getServerTime = lambda: succeed(NOON)
        self.assertEqual(self.successResultOf(reader.getServerTime()), NOON)
