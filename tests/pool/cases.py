"""A test case that compares floats within a tolerance of its own."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

__all__ = ["NumberTestCase"]


class NumberTestCase(SynchronousTestCase):
    """Trial's `assertAlmostEqual` counts decimal places whatever `delta` says."""

    def assert_near(self, first: float, second: float, within: float = 1e-9, msg: str = "") -> None:
        """Fail where the two are further apart than *within*."""
        if not abs(first - second) <= within:
            self.fail(f"{first!r} and {second!r} are more than {within:g} apart {msg}")
