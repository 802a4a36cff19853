"""Holdings: a fill counts once, whichever of its two messages comes first."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import Position
from ilp.trading.balances import PATIENCE, Balances

D = Decimal


def position(asset: str, amount: str, available: str | None = None) -> Position:
    return {"contract": asset, "position": D(amount), "available": D(available or amount)}


class BalancesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.time = 0.0
        self.balances = Balances(lambda: self.time)
        self.balances.report("target", position("BTC", "6"))

    def balance(self) -> Decimal:
        return self.balances.balance("target", "BTC")

    def test_what_nobody_reported_is_zero(self) -> None:
        self.assertEqual(self.balances.balance("target", "HUF"), D(0))
        self.assertEqual(self.balances.reported("target", "HUF"), (D(0), D(0)))

    def test_a_fill_counts_at_once(self) -> None:
        self.balances.apply("target", "BTC", D("-0.1"))
        self.assertEqual(self.balance(), D("5.9"))

    def test_the_report_after_a_fill_only_confirms_it(self) -> None:
        self.balances.apply("target", "BTC", D("-0.1"))
        self.balances.report("target", position("BTC", "5.9"))
        self.assertEqual(self.balance(), D("5.9"))

    def test_a_fill_told_after_its_report_is_not_counted_twice(self) -> None:
        self.balances.report("target", position("BTC", "5.9"))
        self.balances.apply("target", "BTC", D("-0.1"))
        self.assertEqual(self.balance(), D("5.9"))

    def test_a_report_in_two_halves_explains_a_fill_in_two_halves(self) -> None:
        self.balances.report("target", position("BTC", "5.96"))
        self.balances.apply("target", "BTC", D("-0.04"))
        self.balances.apply("target", "BTC", D("-0.06"))
        self.assertEqual(self.balance(), D("5.9"))
        self.balances.report("target", position("BTC", "5.9"))
        self.assertEqual(self.balance(), D("5.9"))

    def test_a_change_the_other_way_explains_nothing(self) -> None:
        self.balances.report("target", position("BTC", "7"))
        self.balances.apply("target", "BTC", D("-0.1"))
        self.assertEqual(self.balance(), D("6.9"))

    def test_an_old_change_does_not_swallow_a_new_fill(self) -> None:
        self.balances.report("target", position("BTC", "5.9"))
        self.time = PATIENCE + 1
        self.balances.apply("target", "BTC", D("-0.1"))
        self.assertEqual(self.balance(), D("5.8"))

    def test_the_venue_has_the_last_word(self) -> None:
        self.balances.apply("target", "BTC", D("-0.1"))
        self.balances.report("target", position("BTC", "4"))
        self.assertEqual(self.balance(), D(4))

    def test_a_complete_reading_zeroes_what_it_does_not_list(self) -> None:
        self.balances.report("source", position("BTC", "1"))
        self.balances.snapshot("target", {"HUF": position("HUF", "5")})
        self.assertEqual((self.balance(), self.balances.balance("target", "HUF")), (D(0), D(5)))
        self.assertEqual(self.balances.balance("source", "BTC"), D(1))

    def test_a_lost_venue_is_forgotten_and_others_are_not(self) -> None:
        self.balances.report("source", position("BTC", "1"))
        self.balances.forget("target")
        self.assertEqual((self.balance(), self.balances.balance("source", "BTC")), (D(0), D(1)))

    def test_what_is_available_is_the_venues_own_word(self) -> None:
        self.balances.report("target", position("BTC", "6", "5.5"))
        self.assertEqual(self.balances.reported("target", "BTC"), (D(6), D("5.5")))

    def test_a_fill_that_a_report_confirmed_does_not_swallow_the_next_one(self) -> None:
        self.balances.apply("target", "BTC", D("-0.1"))
        self.balances.report("target", position("BTC", "5.9"))
        self.balances.apply("target", "BTC", D("-0.1"))
        self.assertEqual(self.balance(), D("5.8"))

    def test_a_report_waits_for_its_fill_from_when_it_came(self) -> None:
        self.time = 100.0
        self.balances.report("target", position("BTC", "5.9"))
        self.time += PATIENCE
        self.balances.apply("target", "BTC", D("-0.1"))
        self.assertEqual(self.balance(), D("5.9"))

    def test_what_is_lent_is_the_venues_own_word(self) -> None:
        self.balances.report("target", {**position("BTC", "6"), "lent": D("0.5")})
        self.assertEqual(self.balances.lent("target", "BTC"), D("0.5"))
        self.balances.report("target", position("BTC", "6"))
        self.assertEqual(self.balances.lent("target", "BTC"), D(0))

    def test_a_complete_reading_zeroes_what_was_lent_of_what_it_does_not_list(self) -> None:
        self.balances.report("target", {**position("BTC", "6"), "lent": D("0.5")})
        self.balances.snapshot("target", {})
        self.assertEqual(self.balances.lent("target", "BTC"), D(0))

    @given(
        st.sampled_from([1, -1]),
        st.lists(st.decimals("0.01", "1", places=2), min_size=1, max_size=8),
        st.lists(st.booleans(), min_size=16, max_size=16),
    )
    @hypothesis_settings(max_examples=60, deadline=None)
    def test_where_reports_are_not_behind_fills_of_one_direction_the_figure_is_exact_whoever_came_first(
        self, sign: int, amounts: list[Decimal], fill_next: list[bool]
    ) -> None:
        """Each channel keeps its own order.  A report that is behind the fills has the last word all the same."""
        balances = Balances(lambda: 0.0)
        balances.report("target", position("BTC", "6"))
        truths = [D(6)]
        for amount in amounts:
            truths.append(truths[-1] + sign * amount)
        told = reported = 0
        for fill_first in fill_next:
            if told < len(amounts) and (fill_first or reported == len(amounts)):
                balances.apply("target", "BTC", sign * amounts[told])
                told += 1
            elif reported < len(amounts):
                reported += 1
                balances.report("target", position("BTC", str(truths[reported])))
            if reported >= told:
                self.assertEqual(balances.balance("target", "BTC"), truths[reported])

    @given(st.lists(st.tuples(st.decimals("-1", "1", places=2), st.booleans()), max_size=12))
    @hypothesis_settings(max_examples=60, deadline=None)
    def test_after_every_message_is_in_the_figure_is_the_venues(self, fills: list[tuple[Decimal, bool]]) -> None:
        balances, truth = Balances(lambda: 0.0), D(6)
        balances.report("target", position("BTC", "6"))
        for change, fill_first in fills:
            truth += change
            report = position("BTC", str(truth))
            if fill_first:
                balances.apply("target", "BTC", change)
                balances.report("target", report)
            else:
                balances.report("target", report)
                balances.apply("target", "BTC", change)
            self.assertEqual(balances.balance("target", "BTC"), truth)
