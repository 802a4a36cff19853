"""Deposit addresses, withdrawals to saved keys and records of both, against answers that the test gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clients import kraken_funding
from clients.exchange import OutcomeUnknown, Refused
from clients.kraken_errors import About
from clients.kraken_funding import Funding
from clients.kraken_options import Options
from tests.clients.test_kraken_history import MARKETS, transfer

NOON = datetime(2023, 7, 4, 12, tzinfo=UTC)
METHODS = [
    {"method": "Bitcoin Lightning", "gen-address": True},
    {"method": "Wire"},
    {"method": "Bitcoin", "gen-address": True},
    {"method": "Bitcoin (2)", "gen-address": True},
]
SAVED = [{"key": "mine", "address": "bc1q", "verified": True}, {"key": "fresh", "address": "bc1p", "verified": False}]


def row(address: str, new: bool = False) -> dict[str, Any]:
    return {"address": address, "new": new} if new else {"address": address}


class Rest:
    """Answers each method from a list, the last answer again and again; remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {"DepositMethods": [METHODS], "WithdrawAddresses": [SAVED]}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.more: dict[str, dict[str, Any]] = {}

    async def private(self, doing: str, method: str, query: dict[str, Any], **more: Any) -> Any:
        self.asked.append((method, dict(query)))
        self.more[method] = more
        answers = self.answers[method]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def queries(self, method: str) -> list[dict[str, Any]]:
        return [query for name, query in self.asked if name == method]


class FundingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rest = Rest()
        self.funding = self.with_options(withdraw_keys=True)

    def with_options(self, **options: Any) -> Funding:
        account: Any = SimpleNamespace(markets=MARKETS)
        return Funding("kraken", self.rest, account, Options(**options))

    def answer(self, call: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(call))

    def refused(self, call: Any, kind: type[Exception] = Refused) -> str:
        return str(self.failureResultOf(Deferred.fromCoroutine(call), kind).value)

    def lists(self, *pages: list[dict[str, Any]]) -> None:
        self.rest.answers["DepositAddresses"] = list(pages)


class AddressTests(FundingCase):
    def test_an_address_never_used_goes_before_one_that_was(self) -> None:
        self.lists([row("used"), row("unused", new=True)])
        self.assertEqual(self.answer(self.funding.current_address("BTC")), "unused")

    def test_where_all_were_used_the_first_one_is_current(self) -> None:
        self.lists([row("first"), row("second")])
        self.assertEqual(self.answer(self.funding.current_address("BTC")), "first")

    def test_where_there_is_none_one_is_made(self) -> None:
        self.lists([], [row("made", new=True)])
        self.assertEqual(self.answer(self.funding.current_address("BTC")), "made")
        self.assertEqual(self.rest.queries("DepositAddresses")[-1], {"asset": "XBT", "method": "Bitcoin", "new": True})
        self.assertEqual(self.rest.more["DepositAddresses"], {"about": About.OTHER})

    def test_what_was_made_here_is_current_as_long_as_the_venue_lists_it(self) -> None:
        self.lists([], [row("old"), row("made", new=True)], [row("unused", new=True), row("made")], [row("old")])
        found = [self.answer(self.funding.current_address("BTC")) for _ in range(3)]
        self.assertEqual(found, ["made", "made", "old"])

    def test_a_new_address_is_one_that_was_never_used_and_is_not_the_current_one(self) -> None:
        self.lists([row("a", new=True), row("b", new=True)])
        self.assertEqual(self.answer(self.funding.new_address("BTC")), "b")
        self.assertEqual(self.answer(self.funding.current_address("BTC")), "b")

    def test_a_new_address_is_made_where_no_other_is_unused(self) -> None:
        self.lists([row("a", new=True)], [row("a", new=True)], [row("a"), row("made", new=True)])
        self.assertEqual(self.answer(self.funding.new_address("BTC")), "made")

    def test_a_venue_that_makes_none_refuses(self) -> None:
        self.lists([])
        self.assertIn("made no address", self.refused(self.funding.current_address("BTC")))

    def test_an_address_without_a_mark_is_the_one_that_was_made(self) -> None:
        self.lists([], [row("made")])
        self.assertEqual(self.answer(self.funding.current_address("BTC")), "made")

    def test_the_first_method_with_addresses_is_asked_for_once_and_lightning_never(self) -> None:
        self.lists([row("a")])
        for _ in range(2):
            self.answer(self.funding.current_address("BTC"))
        self.assertEqual(len(self.rest.queries("DepositMethods")), 1)
        self.assertEqual(self.rest.queries("DepositAddresses")[0]["method"], "Bitcoin")

    def test_the_method_may_be_chosen_by_a_part_of_its_name(self) -> None:
        self.funding = self.with_options(method="COIN (")
        self.lists([row("a")])
        self.answer(self.funding.current_address("BTC"))
        self.assertEqual(self.rest.queries("DepositAddresses")[0]["method"], "Bitcoin (2)")

    def test_what_has_no_method_with_addresses_cannot_be_sent_here(self) -> None:
        self.rest.answers["DepositMethods"] = [METHODS[:2]]
        self.assertIn(
            "no deposit method of BTC", self.refused(self.funding.current_address("BTC"), NotImplementedError)
        )

    def test_what_is_no_currency_of_the_venue_is_refused_with_those_that_are(self) -> None:
        self.assertIn("it has BTC, USD", self.refused(self.funding.new_address("XYZ")))
        self.assertEqual(self.rest.asked, [])


class WithdrawalTests(FundingCase):
    def setUp(self) -> None:
        super().setUp()
        self.rest.answers["Withdraw"] = [{"refid": "R1"}]

    def withdraw(self, amount: str = "0.5", address: str = "bc1q", ticker: str = "BTC") -> Any:
        return self.funding.withdraw(ticker, D(amount), address)

    def test_it_goes_by_the_saved_key_and_the_venue_compares_the_address(self) -> None:
        self.assertEqual(self.answer(self.withdraw()), "R1")
        expected = {"asset": "XBT", "key": "mine", "amount": D("0.5"), "address": "bc1q"}
        self.assertEqual(self.rest.queries("Withdraw"), [expected])
        self.assertEqual(self.rest.more["Withdraw"], {"about": About.OTHER})  # of no urgency: after cancels and hedges

    def test_the_keys_name_will_do_for_its_address(self) -> None:
        self.answer(self.withdraw(address="mine"))
        self.assertEqual(self.rest.queries("Withdraw"), [{"asset": "XBT", "key": "mine", "amount": D("0.5")}])

    def never(self, words: str, *args: str, kind: type[Exception] = Refused) -> None:
        self.assertIn(words, self.refused(self.withdraw(*args), kind))
        self.assertEqual(self.rest.queries("Withdraw"), [])

    def test_what_is_not_saved_is_never_paid(self) -> None:
        self.never("not among the addresses", "0.5", "stranger")

    def test_what_is_saved_and_not_confirmed_is_never_paid(self) -> None:
        self.never("'fresh' is not confirmed yet", "0.5", "bc1p")

    def test_no_address_is_none(self) -> None:
        for address in ("", "  "):
            self.never("no address is given", "0.5", address)

    def test_an_amount_is_a_positive_multiple_of_the_smallest(self) -> None:
        for amount in ("0", "-0.5", "0.00000000001"):
            self.never("no positive multiple of 0.0000000001", amount)

    def test_another_currency_is_none(self) -> None:
        self.never("no currency of this venue", "1", "bc1q", "XYZ")

    def test_switched_off_nothing_is_asked(self) -> None:
        self.funding = self.with_options(withdraw_keys=False)
        self.never("switched off", kind=NotImplementedError)
        self.assertEqual(self.rest.asked, [])

    def test_an_answer_without_an_id_leaves_it_unknown(self) -> None:
        for answer in ({}, {"refid": ""}, [], None):
            self.rest.answers["Withdraw"] = [answer]
            self.assertIn("look at the transfers", self.refused(self.withdraw(), OutcomeUnknown))


class RecordTests(FundingCase):
    def setUp(self) -> None:
        super().setUp()
        self.rest.answers |= {"DepositStatus": [[]], "WithdrawStatus": [[]]}

    def at(self, id: str, hours: float, **more: Any) -> dict[str, Any]:
        return transfer(refid=id, time=int((NOON + timedelta(hours=hours)).timestamp()), **more)

    def read(self, start: float = -10, end: float = 10) -> list[tuple[str, str]]:
        found = self.answer(self.funding.transfers(NOON + timedelta(hours=start), NOON + timedelta(hours=end)))
        return [(one["direction"], one["id"]) for one in found]

    def test_both_directions_are_told_oldest_first(self) -> None:
        self.rest.answers["DepositStatus"] = [[self.at("d2", 2), self.at("d0", 0)]]
        self.rest.answers["WithdrawStatus"] = [[self.at("w1", 1)]]
        self.assertEqual(self.read(), [("deposit", "d0"), ("withdrawal", "w1"), ("deposit", "d2")])

    def test_both_ends_of_the_time_belong_to_it_and_nothing_beyond(self) -> None:
        hours = (-1, 0, 1, 2)
        self.rest.answers["DepositStatus"] = [[self.at(f"d{n}", n) for n in hours]]
        self.assertEqual(self.read(0, 1), [("deposit", "d0"), ("deposit", "d1")])
        start = f"{NOON.timestamp():.6f}"
        self.assertEqual(self.rest.queries("DepositStatus")[0]["start"], start)

    def test_pages_are_read_to_the_last_and_a_row_that_is_told_twice_counts_once(self) -> None:
        self.rest.answers["WithdrawStatus"] = [
            {"withdrawals": [self.at("w2", 2), self.at("w1", 1)], "next_cursor": "more"},
            {"withdrawals": [self.at("w1", 1), self.at("w0", 0)], "next_cursor": None},
        ]
        self.assertEqual([id for _, id in self.read()], ["w0", "w1", "w2"])
        self.assertEqual([query["cursor"] for query in self.rest.queries("WithdrawStatus")], ["true", "more"])

    def test_a_page_of_nothing_is_the_last(self) -> None:
        self.rest.answers["DepositStatus"] = [{"deposits": [], "next_cursor": "more"}]
        self.assertEqual(self.read(), [])
        self.assertEqual(len(self.rest.queries("DepositStatus")), 1)

    def test_a_cursor_that_never_ends_is_given_up(self) -> None:
        self.patch(kraken_funding, "_MOST_PAGES", 3)
        self.rest.answers["DepositStatus"] = [{"deposits": [self.at("d0", 0)], "next_cursor": "more"}]
        self.assertEqual(self.read(), [("deposit", "d0")])
        self.assertEqual(len(self.rest.queries("DepositStatus")), 3)
