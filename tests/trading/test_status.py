"""What the trader tells of itself, in words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ilp.trading.status import Recovery


class RecoveryTests(SynchronousTestCase):
    """What a start finds of before"""

    def test_one_of_a_kind_is_told_in_the_singular(self) -> None:
        self.assertEqual(str(Recovery(orders=1, transfers=2, fills=0)), "1 order, 2 transfers, 0 fills of before")
        self.assertEqual(str(Recovery(orders=0, transfers=1, fills=1)), "0 orders, 1 transfer, 1 fill of before")
