"""Interest: indices, floating and dated positions, and what is conserved."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, localcontext

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.infinity.accrual import FixedPosition, FloatingPosition, RateIndex, whole_minute
from tests.simulation.infinity.world import START

RATES = st.decimals("0.0001", "0.5", places=4)
MINUTES = st.integers(0, 60 * 24 * 400)
QUANTITIES = st.integers(-(10**20), 10**20).filter(bool)
YEAR = timedelta(days=365)
FEE = Decimal("0.0001")


def index(rate: str = "0.02", fee: Decimal = FEE) -> RateIndex:
    return RateIndex(START, Decimal(rate), fee)


class IndexTests(SynchronousTestCase):
    def test_after_a_year_the_indices_have_grown_by_the_rate_and_the_fee(self) -> None:
        borrow, lend = index().at(START + YEAR)
        assert abs(borrow - Decimal("1.0201")) < Decimal("1e-35")
        assert abs(lend - Decimal("1.0199")) < Decimal("1e-35")

    def test_half_a_year_twice_is_a_year(self) -> None:
        grown, _ = index().at(START + YEAR / 2)
        assert abs(grown * grown - Decimal("1.0201")) < Decimal("1e-20")

    def test_indices_move_at_whole_minutes(self) -> None:
        one = index()
        assert one.at(START + timedelta(seconds=59)) == (1, 1)
        assert one.at(START + timedelta(seconds=60)) == one.at(START + timedelta(seconds=119))
        assert one.at(START + timedelta(seconds=60))[0] > 1
        assert whole_minute(START + timedelta(seconds=119)) == START + timedelta(minutes=1)

    def test_a_rate_holds_from_the_minute_in_which_it_was_made(self) -> None:
        one = index("0.02", Decimal(0))
        one.change(Decimal("0.05"), START + YEAR + timedelta(seconds=30))
        assert abs(one.at(START + YEAR)[0] - Decimal("1.02")) < Decimal("1e-35")
        assert abs(one.at(START + 2 * YEAR)[0] - Decimal("1.02") * Decimal("1.05")) < Decimal("1e-35")

    @settings(max_examples=60, deadline=None)
    @given(RATES, st.lists(MINUTES, max_size=5), MINUTES)
    def test_it_does_not_matter_who_asked_when(self, rate: Decimal, asked: list[int], at: int) -> None:
        quiet, disturbed = RateIndex(START, rate, FEE), RateIndex(START, rate, FEE)
        for minutes in asked:
            disturbed.at(START + timedelta(minutes=minutes))
        moment = START + timedelta(minutes=at)
        assert quiet.at(moment) == disturbed.at(moment)

    @settings(max_examples=60, deadline=None)
    @given(RATES, MINUTES, MINUTES)
    def test_indices_never_fall_and_borrowers_pay_no_less_than_lenders_get(self, rate: Decimal, a: int, b: int) -> None:
        one = RateIndex(START, rate, FEE)
        early, late = (one.at(START + timedelta(minutes=minutes)) for minutes in sorted((a, b)))
        assert early[0] <= late[0] and early[1] <= late[1]
        assert 1 <= late[1] <= late[0]


class FloatingTests(SynchronousTestCase):
    def test_a_lender_earns_by_the_lend_index_and_is_paid_at_the_close(self) -> None:
        position, one = FloatingPosition(), index()
        assert position.fill(10**18, one, START) == 0
        assert (
            position.accrued(one, START + YEAR) == 19_900_000_000_000_000 - 1
            or position.accrued(one, START + YEAR) == 19_900_000_000_000_000
        )
        paid = position.fill(-(10**18), one, START + YEAR)
        assert abs(paid - 19_900_000_000_000_000) <= 1
        assert position.quantity == 0

    def test_a_borrower_pays_by_the_borrow_index(self) -> None:
        position, one = FloatingPosition(), index()
        position.fill(-(10**18), one, START)
        assert abs(position.accrued(one, START + YEAR) + 20_100_000_000_000_000) <= 1

    def test_closing_a_part_pays_that_part(self) -> None:
        position, one = FloatingPosition(), index("0.02", Decimal(0))
        position.fill(-(10**18), one, START)
        paid = position.fill(4 * 10**17, one, START + YEAR)
        assert abs(paid + 8 * 10**15) <= 1
        assert position.quantity == -6 * 10**17
        assert abs(position.accrued(one, START + YEAR) + 12 * 10**15) <= 1

    def test_turning_round_pays_everything_and_begins_anew(self) -> None:
        position, one = FloatingPosition(), index("0.02", Decimal(0))
        position.fill(10**18, one, START)
        paid = position.fill(-3 * 10**18, one, START + YEAR)
        assert abs(paid - 2 * 10**16) <= 1
        assert (position.quantity, position.accrued(one, START + YEAR)) == (-2 * 10**18, 0)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 10**20), MINUTES), min_size=1, max_size=6), RATES, MINUTES)
    def test_a_further_fill_leaves_what_was_earned_untouched(
        self, fills: list[tuple[int, int]], rate: Decimal, last: int
    ) -> None:
        one = RateIndex(START, rate, FEE)
        together, apart = FloatingPosition(), []
        for quantity, minutes in sorted(fills, key=lambda fill: fill[1]):
            at = START + timedelta(minutes=minutes)
            together.fill(quantity, one, at)
            apart.append(FloatingPosition())
            apart[-1].fill(quantity, one, at)
        end = START + timedelta(minutes=max(last, *(minutes for _, minutes in fills)))
        assert abs(together.accrued(one, end) - sum(each.accrued(one, end) for each in apart)) <= len(fills)

    @settings(max_examples=100, deadline=None)
    @given(QUANTITIES, RATES, MINUTES)
    def test_what_a_pair_pays_and_gets_differs_by_the_fee_and_never_costs_the_house(
        self, quantity: int, rate: Decimal, minutes: int
    ) -> None:
        one, end = RateIndex(START, rate, FEE), START + timedelta(minutes=minutes)
        lender, borrower = FloatingPosition(), FloatingPosition()
        lender.fill(abs(quantity), one, START)
        borrower.fill(-abs(quantity), one, START)
        got, paid = lender.fill(-abs(quantity), one, end), -borrower.fill(abs(quantity), one, end)
        assert 0 <= got <= paid
        with localcontext() as context:
            context.prec = 60
            borrow, lend = one.at(end)
            assert abs(paid - got - abs(quantity) * (borrow - lend)) <= 2


class FixedTests(SynchronousTestCase):
    def test_a_year_of_a_fixed_rate_is_the_rate(self) -> None:
        position = FixedPosition(START)
        position.fill(10**8, 45_000, START)
        assert position.accrued(START + YEAR) == 4_500_000
        assert position.pay(START + YEAR) == 4_500_000
        assert position.accrued(START + YEAR) == 0

    def test_its_rate_is_the_mean_of_its_fills(self) -> None:
        position = FixedPosition(START)
        position.fill(10**8, 40_000, START)
        position.fill(3 * 10**8, 48_000, START)
        assert position.rate == Decimal("0.046")

    def test_a_closed_position_goes_on_paying_the_difference_of_its_rates(self) -> None:
        position = FixedPosition(START)
        position.fill(10**8, 50_000, START)
        position.fill(-(10**8), 40_000, START)
        assert position.rate is None
        assert position.pay(START + YEAR) == 10**6

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 10**12), st.integers(1, 5000), MINUTES)
        ),
        st.lists(MINUTES, max_size=4),
    )
    def test_streams_add_up_to_zero_and_all_payments_to_less_than_a_unit_each(
        self, fills: list[tuple[int, int, int, int, int]], payments: list[int]
    ) -> None:
        people = [FixedPosition(START) for _ in range(4)]
        acts = [(minutes, (a, b, quantity, ticks)) for a, b, quantity, ticks, minutes in fills]
        acts += [(minutes, None) for minutes in payments]
        paid = 0
        for minutes, act in sorted(acts, key=lambda one: one[0]):
            at = START + timedelta(minutes=minutes)
            if act is not None:
                lender, borrower, quantity, ticks = act
                people[lender].fill(quantity, ticks * 100, at)
                people[borrower].fill(-quantity, ticks * 100, at)
            else:
                paid += sum(each.pay(at) for each in people)
                assert -4 < paid <= 0  # the house holds what is rounded until the next time, and never adds to it
        end = START + timedelta(minutes=60 * 24 * 400)
        for each in people:
            each.accrue(end)
        assert sum(each.flow for each in people) == sum(each.quantity for each in people) == 0
