"""The value of a plan and its terms, by hand."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from ilp.pool.curves import lanes
from ilp.pool.document import Fee, Holding, Pool, Transfer, Valuation
from ilp.pool.valuation import KNOTS, PIECES, SLOPES, bends, column, deviation

POOL = Pool(
    "USD",
    {"USD": 1.0, "BTC": 100.0, "EUR": 2.0},
    (
        Holding("s", "BTC", 10.0, 10.0, 6.0),
        Holding("t", "BTC", 2.0, 2.0, 6.0),
        Holding("t", "EUR", 50.0, 50.0, 50.0),
        Holding("t", "USD", 70.0, 70.0, 70.0),
    ),
    (Transfer(("s", "BTC"), ("t", "BTC"), Fee(0.01, 0.1)),),
    Valuation(3.0, 0.5, ("BTC", "EUR"), ((4.0, 1.0), (1.0, 2.0))),
)


class DeviationTests(SynchronousTestCase):
    """D(y, T)."""

    def test_it_is_nothing_within_a_quarter_of_the_target(self) -> None:
        self.assertEqual([deviation(y, 8.0) for y in (6.0, 8.0, 10.0)], [0.0, 0.0, 0.0])

    def test_it_follows_its_formula_outside(self) -> None:
        self.assertEqual(deviation(4.0, 8.0), 3 * 2)
        self.assertEqual(deviation(0.0, 8.0), 10 * 2 + 3 * 6)
        self.assertEqual(deviation(12.0, 8.0), 2)
        self.assertEqual(deviation(41.0, 8.0), 31 + 3)

    def test_a_negative_total_counts_as_missing(self) -> None:
        self.assertEqual(deviation(-1.0, 8.0), 10 * 3 + 3 * 7)

    def test_with_a_target_of_nothing_everything_is_too_much(self) -> None:
        self.assertEqual(deviation(5.0, 0.0), 5 + 3 * 5)

    def test_knots_and_slopes_are_its_own(self) -> None:
        points = [0.0, *KNOTS, 9.0]
        for left, right, slope in zip(points, points[1:], SLOPES, strict=False):
            rise = deviation(right, 1.0) - deviation(left, 1.0)
            self.assertAlmostEqual(rise / (right - left), slope)

    def test_it_bends_at_its_knots(self) -> None:
        self.assertEqual(bends(8.0), tuple(8.0 * knot for knot in KNOTS))

    def test_between_two_pieces_it_is_the_highest_of_them_and_those_between(self) -> None:
        points = [-1.0, *KNOTS, 9.0]
        for (first, last), (steepest, slopes, ordinates) in PIECES.items():
            self.assertEqual(steepest, max(map(abs, SLOPES[first : last + 1])))
            for y in (points[first], *KNOTS[first:last], points[last + 1]):
                highest = max(slope * y + at for slope, at in zip(slopes, ordinates, strict=True))
                self.assertAlmostEqual(8.0 * steepest * highest, deviation(8.0 * y, 8.0))


class ColumnTests(SynchronousTestCase):
    """The terms of the value."""

    def test_the_empty_plan_is_cash_less_risk_and_deviation(self) -> None:
        found = column(POOL, lanes(POOL), {})
        self.assertEqual(found.cash, 1000 + 200 + 100 + 70)
        self.assertEqual(found.costs, 0.0)
        self.assertAlmostEqual(found.risk, 0.5 * (4 * 12**2 + 2 * 12 * 50 + 2 * 50**2))
        self.assertAlmostEqual(found.deviation, 3 * 100 * ((10 - 7.5) + 3 * (4.5 - 2)))
        self.assertAlmostEqual(found.value, found.cash - found.risk - found.deviation)

    def test_a_plan_moves_gross_amounts_and_pays_from_cash_alone(self) -> None:
        found = column(POOL, lanes(POOL), {0: 3.0})
        self.assertEqual(found.holdings, (7.0, 5.0, 50.0, 70.0))
        self.assertAlmostEqual(found.costs, 100 * (3 * 0.1 + 0.01))
        self.assertEqual(found.cash, column(POOL, lanes(POOL), {}).cash)
        self.assertEqual(found.deviation, 0.0)
        self.assertEqual([(m.move, m.direction, m.amount) for m in found.moves], [(0, "out", 3.0)])

    def test_a_diagonal_covariance_is_the_variances(self) -> None:
        valuation = Valuation(3.0, 0.5, ("BTC", "EUR"), ((4.0, 0.0), (0.0, 2.0)))
        found = column(evolve(POOL, valuation=valuation), lanes(POOL), {})
        self.assertTrue(valuation.diagonal)
        self.assertAlmostEqual(found.risk, 0.5 * (4 * 12**2 + 2 * 50**2))

    def test_prices_that_vary_together_do_so_however_the_valuation_was_made(self) -> None:
        alone = Valuation(3.0, 0.5, ("BTC", "EUR"), ((4.0, 0.0), (0.0, 2.0)))
        together = evolve(alone, covariance=((4.0, 1.0), (1.0, 2.0)))
        found = column(evolve(POOL, valuation=together), lanes(POOL), {})
        self.assertFalse(together.diagonal)
        self.assertAlmostEqual(found.risk, 0.5 * (4 * 12**2 + 2 * 12 * 50 + 2 * 50**2))
