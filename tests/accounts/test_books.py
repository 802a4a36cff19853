"""The pool's own ledger: hand-computed bookings, and the law of profit and loss over random events."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Side
from ilp.accounts.books import EXPOSED, Books
from ilp.accounts.postings import Term
from ilp.accounts.units import FINE, amount_of, units
from ilp.journal.entries import BookingEntry, FillEntry, FlowEntry, Purpose, TransferEntry, TransferState

D = Decimal
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
MARKS = {"USD": D(1), "BTC": D(250), "HUF": D("0.004")}
EVENTS = int(os.environ.get("ILP_ACCOUNT_EVENTS", "2000"))


def opened(base: str = "BTC") -> Books:
    """Books that begin with 1,000 USD and 2 BTC on the source, 100,000 HUF and 1 BTC on the target."""
    books = Books(base, "USD")
    balances = {
        ("source", "USD"): D(1000),
        ("source", "BTC"): D(2),
        ("target", "HUF"): D(100_000),
        ("target", "BTC"): D(1),
    }
    books.open(NOON, balances, (), MARKS, D(0))
    return books


def fill(
    key: str = "1",
    venue: str = "target",
    side: Side = Side.BUY,
    price: str = "62000",
    quantity: str = "0.1",
    fees: dict[str, Decimal] | None = None,
    purpose: Purpose = Purpose.QUOTE,
) -> FillEntry:
    ticker = "BTC/HUF" if venue == "target" else "BTC/USD"
    number = D(quantity)
    return FillEntry(venue, key, "o", "9", purpose, ticker, side, D(price), number, number, fees or {}, NOON)


def transfer(state: TransferState, **more: object) -> TransferEntry:
    values: dict[str, object] = {
        "id": "t1",
        "state": state,
        "asset": "BTC",
        "from_venue": "source",
        "to_venue": "target",
        "to_asset": "BTC",
        "amount": D(1),
        "expected": D("0.999"),
        "fee": D("0.001"),
        "address": "1Boat",
        "reference": None,
        "manual": False,
        "created": NOON,
        "since": NOON,
        "due": None,
    }
    return TransferEntry(**{**values, **more})


def held(books: Books, venue: str, asset: str) -> Decimal:
    return amount_of(books.balances.get((venue, asset), 0))


def term(books: Books, name: str) -> Decimal:
    return amount_of(books.since.term(name))


class BookingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.books = opened()

    def sound(self) -> None:
        self.assertEqual(self.books.fault(), "")

    def test_what_there_was_at_the_opening_is_no_profit(self) -> None:
        self.assertEqual(term(self.books, Term.EXTERNAL), D(1000 + 500 + 400 + 250))
        self.assertEqual(self.books.since.own, 0)
        self.sound()

    def test_a_quote_that_is_filled_earns_what_it_is_better_than_the_middle(self) -> None:
        self.books.fill(fill(fees={"HUF": D(31)}), NOON, D("0.1"))
        # 0.1 BTC for 6,200 HUF, worth 24.80 USD, when the middle was 250 USD
        self.assertEqual(term(self.books, Term.SPREAD), D("0.2"))
        self.assertEqual(term(self.books, Term.FEES), D("-0.124"))
        self.assertEqual((held(self.books, "target", "BTC"), held(self.books, "target", "HUF")), (D("1.1"), D(93_769)))
        self.sound()

    def test_a_hedge_costs_what_it_is_worse_than_the_middle(self) -> None:
        self.books.fill(fill(venue="source", side=Side.SELL, price="249", purpose=Purpose.HEDGE), NOON, D(0))
        self.assertEqual(term(self.books, Term.HEDGES), D("-0.1"))
        self.sound()

    def test_a_fee_that_is_taken_in_base_is_a_fee(self) -> None:
        self.books.fill(fill(fees={"BTC": D("0.001")}), NOON, D("0.099"))
        self.assertEqual((held(self.books, "target", "BTC"), term(self.books, Term.FEES)), (D("1.099"), D("-0.25")))
        self.sound()

    def test_a_fill_is_booked_once(self) -> None:
        self.assertIsNotNone(self.books.fill(fill(), NOON, D(0)))
        self.assertIsNone(self.books.fill(fill(), NOON, D(0)))

    def test_marks_revalue_base_and_fiat_apart(self) -> None:
        self.books.revalue(NOON, {**MARKS, "BTC": D(240), "HUF": D("0.005")}, D(0))
        self.assertEqual((term(self.books, Term.BASE), term(self.books, Term.FIAT)), (D(-30), D(100)))
        self.sound()

    def test_falling_prices_are_a_loss_of_trading_only_on_what_is_exposed(self) -> None:
        self.books.revalue(NOON, MARKS, D("0.4"))
        self.books.revalue(NOON, {**MARKS, "BTC": D(240)}, D("0.4"))
        self.assertEqual((term(self.books, Term.BASE), term(self.books, EXPOSED)), (D(-30), D(-4)))
        self.assertEqual(amount_of(self.books.since.own), D(-4))
        self.sound()

    def test_what_is_not_booked_yet_of_a_revaluation_is_seen_at_once(self) -> None:
        self.books.revalue(NOON, MARKS, D("0.4"))
        seen = self.books.result(NOON.date(), {**MARKS, "BTC": D(240)})
        self.assertEqual((amount_of(seen.term(Term.BASE)), amount_of(seen.own)), (D(-30), D(-4)))
        self.assertEqual(self.books.since.term(Term.BASE), 0)

    def test_the_same_marks_are_no_booking(self) -> None:
        self.assertIsNone(self.books.revalue(NOON, MARKS, D(0)))

    def test_each_day_has_its_own_result(self) -> None:
        self.books.fill(fill(), NOON, D(0))
        self.books.fill(fill("2"), NOON + timedelta(days=1), D(0))
        days = {day.isoformat(): amount_of(result.own) for day, result in self.books.days.items()}
        self.assertEqual(days, {"2024-03-04": D("0.2"), "2024-03-05": D("0.2")})

    def test_a_day_goes_on_when_the_clock_is_set_back_over_midnight(self) -> None:
        """Neither is what it lost forgotten, nor is it there twice when midnight comes again."""
        midnight = NOON + timedelta(hours=12)
        for key, minutes in (("1", -20), ("2", 10), ("3", -10), ("4", 5)):
            self.books.fill(fill(key), midnight + timedelta(minutes=minutes), D(0))
        days = {day.isoformat(): amount_of(result.own) for day, result in self.books.days.items()}
        self.assertEqual(days, {"2024-03-04": D("0.2"), "2024-03-05": D("0.6")})

    def test_a_booking_names_only_the_terms_that_it_changed(self) -> None:
        booking = self.books.fill(fill(), NOON, D(0))
        assert booking is not None
        self.assertEqual(booking.terms, {Term.SPREAD: 20_000_000})

    def test_a_booking_has_no_lines_of_nothing(self) -> None:
        booking = self.books.fill(fill(price="0.000000001", quantity="0.1"), NOON, D(0))
        assert booking is not None
        self.assertEqual({asset for _, asset, _ in booking.lines}, {"BTC"})

    def test_bookings_are_numbered_and_the_last_one_says_when(self) -> None:
        later = NOON + timedelta(hours=1)
        booking = self.books.fill(fill(), later, D(0))
        assert booking is not None
        self.assertEqual((booking.key, self.books.count, self.books.last), ("0000000002", 2, later))

    def test_the_books_stay_opened_when_they_were(self) -> None:
        self.books.fill(fill(), NOON + timedelta(hours=1), D(0))
        self.assertEqual(self.books.opened, NOON)

    def test_an_asset_without_a_mark_is_worth_nothing_until_it_has_one(self) -> None:
        books = Books("BTC", "USD")
        books.open(NOON, {("source", "USD"): D(10), ("source", "XYZ"): D(3)}, (), MARKS, D(0))
        self.assertEqual((term(books, Term.EXTERNAL), books.equity()), (D(10), units(D(10)) * FINE))
        books.revalue(NOON, {**MARKS, "XYZ": D(2)}, D(0))
        self.assertEqual((term(books, Term.FIAT), books.fault()), (D(6), ""))

    def test_a_fee_in_an_asset_without_a_mark_costs_nothing(self) -> None:
        self.books.fill(fill(fees={"BNB": D(1)}), NOON, D(0))
        self.assertEqual((term(self.books, Term.FEES), held(self.books, "target", "BNB")), (D(0), D(-1)))
        self.sound()

    def test_a_fee_in_an_asset_without_a_mark_is_told_by_day_and_since_the_opening(self) -> None:
        self.books.fill(fill(fees={"BNB": D(1), "HUF": D(6)}), NOON, D(0))
        self.books.fill(fill("2", fees={"BNB": D("0.5")}), NOON + timedelta(days=1), D(0))
        told = [found.unvalued for found in (self.books.result(NOON.date()), self.books.since)]
        self.assertEqual(told, [{"BNB": units(D(1))}, {"BNB": units(D("1.5"))}])

    def test_a_fee_in_an_asset_without_a_mark_is_kept_with_the_sums(self) -> None:
        self.books.fill(fill(fees={"BNB": D(1)}), NOON, D(0))
        again = Books("BTC", "USD")
        again.resume(self.books.count, self.books.last, json.loads(json.dumps(self.books.sums(()))))
        told = [found.unvalued for found in (again.result(NOON.date()), again.since)]
        self.assertEqual(told, [{"BNB": units(D(1))}] * 2)

    def test_sums_that_were_kept_before_such_fees_were_counted_are_taken_up(self) -> None:
        sums = self.books.sums(())
        self.assertEqual({len(kept) for kept in (sums["since"], *sums["days"].values())}, {2})
        again = Books("BTC", "USD")
        again.resume(self.books.count, self.books.last, sums)
        self.assertEqual((again.since, again.since.unvalued), (self.books.since, {}))

    def test_base_that_loses_its_mark_loses_its_worth_in_the_exposure_too(self) -> None:
        self.books.revalue(NOON, MARKS, D("0.4"))
        self.books.revalue(NOON, {"USD": D(1), "HUF": D("0.004")}, D("0.4"))
        self.assertEqual((term(self.books, Term.BASE), term(self.books, EXPOSED)), (D(-750), D(-100)))

    def test_equity_may_be_asked_at_other_marks(self) -> None:
        self.assertEqual(self.books.equity({"USD": FINE}), units(D(1000)) * FINE)

    def test_a_days_result_holds_what_was_booked_that_day(self) -> None:
        self.books.fill(fill(), NOON, D(0))
        day, next_day = NOON.date(), (NOON + timedelta(days=1)).date()
        spreads = [amount_of(self.books.result(when).term(Term.SPREAD)) for when in (day, next_day)]
        self.assertEqual(spreads, [D("0.2"), D(0)])

    def test_the_total_holds_every_days_bookings_and_what_is_not_booked_yet(self) -> None:
        self.books.fill(fill(), NOON, D(0))
        self.books.fill(fill("2"), NOON + timedelta(days=1), D(0))
        seen = self.books.total({**MARKS, "HUF": D("0.005")})
        self.assertEqual(amount_of(seen.term(Term.SPREAD)), D("0.4"))
        self.assertEqual(amount_of(seen.term(Term.FIAT)), D("87.6"))

    def test_before_the_opening_there_is_nothing_to_revalue(self) -> None:
        books = Books("BTC", "USD", exposure=D(1))
        self.assertEqual(books.result(NOON.date(), MARKS).terms, {})

    def test_the_change_of_equity_leaves_out_what_was_brought_and_counts_everything_else(self) -> None:
        self.books.fill(fill(fees={"HUF": D(31)}), NOON, D(0))
        self.books.revalue(NOON, {**MARKS, "HUF": D("0.005")}, D(0))
        self.books.flow(FlowEntry("k", "source", "USD", D(500), NOON, "r"), NOON)
        self.assertEqual(amount_of(self.books.since.change), D("0.2") - D("0.124") + D("93.769"))


class MoneyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.books = opened()

    def tearDown(self) -> None:
        self.assertEqual(self.books.fault(), "")

    def test_money_under_way_is_still_ours(self) -> None:
        before = self.books.equity()
        self.assertIsNone(self.books.transfer(transfer(TransferState.PLANNED), NOON))
        self.books.transfer(transfer(TransferState.SENT, debited=D(1)), NOON)
        self.assertEqual((self.books.equity(), held(self.books, "source", "BTC")), (before, D(1)))

    def test_an_arrival_costs_what_did_not_arrive(self) -> None:
        self.books.transfer(transfer(TransferState.SENT, debited=D(1)), NOON)
        arrived = transfer(TransferState.ARRIVED, debited=D(1), arrived=D("0.999"))
        self.books.transfer(arrived, NOON)
        self.assertEqual(
            (held(self.books, "target", "BTC"), term(self.books, Term.TRANSFERS)), (D("1.999"), D("-0.25"))
        )
        self.assertIsNone(self.books.transfer(arrived, NOON))

    def test_a_conversion_costs_what_it_lost_against_the_mark(self) -> None:
        more = {"asset": "USD", "to_asset": "HUF", "amount": D(400), "debited": D(400)}
        self.books.transfer(transfer(TransferState.ARRIVED, **more, arrived=D(90_000)), NOON)
        self.assertEqual(term(self.books, Term.TRANSFERS), D(-40))

    def test_an_arrival_that_was_another_ones_is_undone(self) -> None:
        self.books.transfer(transfer(TransferState.ARRIVED, debited=D(1), arrived=D("0.999")), NOON)
        self.books.transfer(transfer(TransferState.SENT, debited=D(1)), NOON)
        self.assertEqual((held(self.books, "target", "BTC"), term(self.books, Term.TRANSFERS)), (D(1), D(0)))

    def test_a_failed_withdrawal_comes_back_less_its_fee(self) -> None:
        self.books.transfer(transfer(TransferState.SENT, debited=D(1)), NOON)
        self.books.transfer(transfer(TransferState.FAILED, debited=D("0.001")), NOON)
        self.assertEqual(
            (held(self.books, "source", "BTC"), term(self.books, Term.TRANSFERS)), (D("1.999"), D("-0.25"))
        )

    def test_a_payout_is_no_loss_but_its_charge_is(self) -> None:
        paid = {"asset": "USD", "to_asset": "USD", "to_venue": "", "debited": D(500), "arrived": D(490)}
        before = self.books.since.term(Term.EXTERNAL)
        self.books.transfer(transfer(TransferState.ARRIVED, **paid), NOON)
        self.assertEqual(term(self.books, Term.TRANSFERS), D(-10))
        self.assertEqual(amount_of(self.books.since.term(Term.EXTERNAL) - before), D(-490))

    def test_a_deposit_never_looks_like_profit(self) -> None:
        self.books.flow(FlowEntry("k", "target", "BTC", D(2), NOON, "r"), NOON)
        self.assertEqual((held(self.books, "target", "BTC"), self.books.since.own), (D(3), 0))
        self.assertEqual((term(self.books, Term.EARNED), term(self.books, Term.EXTERNAL)), (D(0), D(2150 + 500)))

    def test_what_the_operator_calls_interest_is_earned(self) -> None:
        flow = FlowEntry("k", "source", "USD", D(5), NOON, "r")
        self.books.flow(flow, NOON)
        self.books.flow(evolve(flow, classified="Interest for March"), NOON)
        self.assertEqual((term(self.books, Term.EARNED), held(self.books, "source", "USD")), (D(5), D(1005)))

    def test_a_flow_that_was_a_transfer_after_all_counts_once(self) -> None:
        flow = FlowEntry("k", "target", "BTC", D("0.999"), NOON, "r")
        self.books.flow(flow, NOON)
        self.books.transfer(transfer(TransferState.ARRIVED, debited=D(1), arrived=D("0.999")), NOON)
        self.books.flow(evolve(flow, classified="transfer:t1"), NOON)
        self.assertEqual(held(self.books, "target", "BTC"), D("1.999"))

    def test_what_is_under_way_at_the_opening_is_ours_and_its_arrival_is_no_flow(self) -> None:
        under_way = transfer(TransferState.SENT, debited=D(1))
        self.books = Books("BTC", "USD")
        self.books.open(NOON, {("source", "BTC"): D(1)}, (under_way,), MARKS, D(0))
        self.assertEqual((held(self.books, ":transit", "BTC"), term(self.books, Term.EXTERNAL)), (D(1), D(500)))
        self.books.transfer(evolve(under_way, state=TransferState.ARRIVED, arrived=D("0.999")), NOON)
        self.assertEqual(
            (held(self.books, "target", "BTC"), held(self.books, ":transit", "BTC"), held(self.books, "source", "BTC")),
            (D("0.999"), D(0), D(1)),
        )
        self.assertEqual((term(self.books, Term.EXTERNAL), term(self.books, Term.TRANSFERS)), (D(500), D("-0.25")))

    def test_what_was_under_way_at_the_opening_is_not_booked_again_by_a_later_run(self) -> None:
        under_way, first, later = transfer(TransferState.SENT, debited=D(1)), Books("BTC", "USD"), Books("BTC", "USD")
        for booking in first.open(NOON, {("source", "BTC"): D(1)}, (under_way,), MARKS, D(0)):
            later.take(booking)
        self.assertIsNone(later.transfer(under_way, NOON))
        self.assertEqual((held(later, "source", "BTC"), held(later, ":transit", "BTC")), (D(1), D(1)))
        self.assertEqual(later.fault(), "")

    def test_two_transfers_under_way_at_the_opening_add_up(self) -> None:
        entries = tuple(transfer(TransferState.SENT, id=id, debited=D(1)) for id in ("t1", "t2"))
        self.books = Books("BTC", "USD")
        self.books.open(NOON, {}, entries, MARKS, D(0))
        self.assertEqual(held(self.books, ":transit", "BTC"), D(2))

    def test_what_came_back_has_not_landed_though_it_was_believed_to(self) -> None:
        self.books.transfer(transfer(TransferState.ARRIVED, debited=D(1), arrived=D("0.999")), NOON)
        self.books.transfer(transfer(TransferState.FAILED, debited=D("0.001"), arrived=D("0.999")), NOON)
        self.assertEqual((held(self.books, "target", "BTC"), held(self.books, "source", "BTC")), (D(1), D("1.999")))


class CheckpointTests(SynchronousTestCase):
    """What is kept of the books goes on as they would have."""

    def setUp(self) -> None:
        self.books = opened()
        self.books.revalue(NOON, {**MARKS, "BTC": D("251.5")}, D("0.1"))
        self.books.fill(fill("old"), NOON, D("0.1"))
        self.books.fill(fill("new", fees={"HUF": D(31)}), NOON + timedelta(days=1), D("0.2"))
        self.books.transfer(transfer(TransferState.SENT, debited=D(1)), NOON + timedelta(days=1))

    def resumed(self, *recent: str) -> Books:
        again = Books("BTC", "USD")
        again.resume(self.books.count, self.books.last, json.loads(json.dumps(self.books.sums(recent))))
        return again

    def test_everything_that_follows_from_the_bookings_is_kept(self) -> None:
        again = self.resumed()
        for what in ("opened", "last", "count", "balances", "marks", "exposure", "since", "days"):
            self.assertEqual(getattr(again, what), getattr(self.books, what), what)

    def test_the_next_booking_is_the_one_that_it_would_have_been(self) -> None:
        arrived = transfer(TransferState.ARRIVED, debited=D(1), arrived=D("0.999"))
        self.assertEqual(self.resumed().transfer(arrived, NOON), self.books.transfer(arrived, NOON))

    def test_a_fill_that_a_start_may_meet_again_is_still_booked_once_and_older_ones_are_forgotten(self) -> None:
        again = self.resumed("target/new")
        self.assertIsNone(again.fill(fill("new"), NOON, D(0)))
        self.assertEqual(set(again.booked), {"target/new", "t1"})

    def test_books_that_were_never_opened_are_not_opened_by_it(self) -> None:
        again = Books("BTC", "USD")
        again.resume(0, NOON, Books("BTC", "USD").sums(()))
        self.assertIsNone(again.opened)

    def test_what_was_kept_does_not_change_with_later_bookings(self) -> None:
        kept = self.books.sums(())
        before = json.dumps(kept)
        self.books.fill(fill("3"), NOON + timedelta(days=1), D(0))
        self.assertEqual(json.dumps(kept), before)


class LawTests(SynchronousTestCase):
    """Equity changes by the sum of the terms, after every event, exactly; and the terms are what plain arithmetic says."""

    def run_once(self, seed: int, events: int) -> Books:
        random, books, entries = Random(seed), opened(), []
        marks, at, under_way = dict(MARKS), NOON, []
        for number in range(events):
            at += timedelta(seconds=random.randint(1, 3000))
            choice = random.random()
            if choice < 0.4:
                marks["BTC"] = D(random.randint(10**6, 10**9)) / D(random.choice((10**5, 3, 7)))
                marks["HUF"] = 1 / D(random.randint(200, 400))
                entries.append(books.revalue(at, marks, D(random.randint(-50, 50)) / 100))
            elif choice < 0.8:
                entries.append(books.fill(self.random_fill(random, str(number)), at, D(0)))
            elif choice < 0.9:
                under_way.append(transfer(TransferState.SENT, id=f"t{number}", debited=D(random.randint(1, 9)) / 7))
                entries.append(books.transfer(under_way[-1], at))
            elif under_way:
                moved = under_way.pop(random.randrange(len(under_way)))
                to = random.choice(("BTC", "HUF"))
                arrived = evolve(moved, state=TransferState.ARRIVED, to_asset=to, arrived=moved.debited / 3)
                entries.append(books.transfer(arrived, at))
            else:
                entries.append(
                    books.flow(FlowEntry(str(number), "source", "USD", D(random.randint(-9, 9)), at, ""), at)
                )
            self.assertEqual(books.fault(), "", f"seed {seed} event {number}")
        for entry in entries:
            if entry is not None:
                self.assertLessEqual(abs(entry.rounding), FINE, f"seed {seed} {entry}")
        return books

    def random_fill(self, random: Random, key: str) -> FillEntry:
        venue = random.choice(("source", "target"))
        price = str(D(random.randint(1, 10**9)) / D(random.choice((100, 3))))
        fees = {
            "BTC": D(random.randint(0, 9)) / 1000,
            "HUF" if venue == "target" else "USD": D(random.randint(0, 99)) / 7,
        }
        quantity = str(D(random.randint(1, 10**8)) / 10**8)
        return fill(key, venue, random.choice(list(Side)), price, quantity, fees, random.choice(list(Purpose)))

    def test_the_identity_holds_after_every_event(self) -> None:
        for seed in range(max(1, EVENTS // 1000)):
            self.run_once(seed, min(EVENTS, 1000))

    def test_the_books_of_an_earlier_run_are_rebuilt_from_its_bookings(self) -> None:
        made: list[BookingEntry] = []
        first = Books("BTC", "USD")
        made.extend(first.open(NOON, {("source", "USD"): D(10)}, (), MARKS, D(0)))
        for entry in (
            first.fill(fill(), NOON, D("0.1")),
            first.revalue(NOON, {**MARKS, "BTC": D(251)}, D("0.1")),
            first.transfer(transfer(TransferState.SENT, debited=D(1)), NOON),
        ):
            assert entry is not None
            made.append(entry)
        again = Books("BTC", "USD")
        for entry in made:
            again.take(entry)
        self.assertEqual(
            (again.balances, again.marks, again.since, again.days),
            (first.balances, first.marks, first.since, first.days),
        )
        self.assertIsNone(again.fill(fill(), NOON, D(0)))
        again.transfer(transfer(TransferState.ARRIVED, debited=D(1), arrived=D(1)), NOON)
        self.assertEqual((again.fault(), again.balances.get((":transit", "BTC"))), ("", 0))

    def test_a_line_that_is_missing_is_noticed(self) -> None:
        books = opened()
        books.balances["source", "USD"] += 1
        self.assertEqual(books.fault(), "1 minor units of USD came from nowhere")

    def test_a_term_that_is_wrong_is_noticed(self) -> None:
        books = opened()
        books.since.terms[Term.FEES] = 1
        self.assertIn("differ by", books.fault())

    def test_halves_of_a_minor_unit_are_rounded_to_even(self) -> None:
        self.assertEqual([units(D(text)) for text in ("0.000000005", "0.000000015", "-0.000000005")], [0, 2, 0])

    def test_what_is_no_number_is_no_amount(self) -> None:
        for text in ("NaN", "Infinity"):
            with self.assertRaisesRegex(ValueError, f"{text} is not an amount"):
                units(D(text))
