"""Exact steps on the face of a small program."""

from __future__ import annotations

import numpy as np

from ilp.pool.face import newton, on_face
from tests.pool.cases import NumberTestCase

# min −x₀ + (x₂ − 1)² with 0 ≤ x₀, x₁ ≤ 1, x₂ free and one row x₀ + x₁ = 1: x₀ = 1, x₁ = 0, x₂ = 1
HESSIAN = np.diag([1e-7, 1e-7, 2.0])
GRADIENT = np.array([-1.0, 0.0, -2.0])
ROWS = np.array([[1.0, 1.0, 0.0]])
LIMITS = np.array([0.0, 0.0, -1e30, 1.0]), np.array([1.0, 1.0, 1e30, 1.0])


class NewtonTests(NumberTestCase):
    """One step."""

    def test_a_flat_direction_is_followed_to_its_end(self) -> None:
        x = newton(HESSIAN, 2, GRADIENT, ROWS, LIMITS, np.array([0.4, 0.6, 1.0]), np.zeros(4))
        self.assertLess(np.abs(x - [1.0, 0.0, 1.0]).max(), 1e-12)

    def test_curvature_is_solved_at_once(self) -> None:
        x = newton(HESSIAN, 2, GRADIENT, ROWS, LIMITS, np.array([1.0, 0.0, 7.0]), np.zeros(4))
        self.assert_near(float(x[2]), 1.0, 1e-12)

    def test_a_minimum_stays(self) -> None:
        best = np.array([1.0, 0.0, 1.0])
        self.assertLess(np.abs(newton(HESSIAN, 2, GRADIENT, ROWS, LIMITS, best, np.zeros(4)) - best).max(), 1e-12)

    def test_without_an_end_nothing_moves(self) -> None:
        open_limits = np.array([-np.inf, -1e30, -1e30, -np.inf]), np.array([np.inf, 1e30, 1e30, np.inf])
        x = np.array([0.0, 0.0, 1.0])
        moved = newton(HESSIAN, 2, GRADIENT, np.zeros((1, 3)), open_limits, x, np.zeros(4))
        self.assertTrue(np.array_equal(moved, x))


class OnFaceTests(NumberTestCase):
    """What tolerances leave."""

    def test_what_is_near_a_limit_is_put_on_it_and_rows_hold_exactly(self) -> None:
        near = np.array([1.0 - 3e-9, 4e-9, 1.0 + 1e-7])
        x, multipliers = on_face(HESSIAN, 2, GRADIENT, ROWS, LIMITS, (near, np.array([0.5, -0.5, 0.0, 0.2])))
        self.assertEqual(x.tolist()[:2], [1.0, 0.0])
        self.assert_near(float(x[2]), 1.0, 1e-12)
        self.assertEqual(len(multipliers), 4)

    def test_the_multiplier_of_a_row_is_that_of_what_is_free_on_it(self) -> None:
        limits = np.array([0.0, 0.0, -1e30, 0.5]), np.array([1.0, 1.0, 1e30, 0.5])
        x, multipliers = on_face(
            HESSIAN, 2, GRADIENT, ROWS, limits, (np.array([0.5, 0.0, 1.0]), np.array([0, -1, 0, 1.0]))
        )
        self.assertLess(np.abs(x - [0.5, 0.0, 1.0]).max(), 1e-12)
        self.assert_near(float(multipliers[3]), 1.0, 1e-12)
