"""A pool in virtual time that is READY, and its operator, for the tests of both."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ilp.journal.recent import RecentJournal
from ilp.operator import Declined, Operator
from ilp.parameters import Table
from tests.trading.world import World

__all__ = ["GIVEN", "TARGETS", "OperatorCase"]

GIVEN = {
    "deviation_penalty": "50",
    "risk_aversion": "0.01",
    "source_fee": "[0, 0.01]",
    "target_fee": "[0, 0.005]",
    "fiat_exchange_cost": "[150, 0.1]",
    "btc_fee": "[0.0001, 0]",
    "quote_size": "0.1",
    "edge_to_enter": "2",
    "edge_to_leave": "1",
}
TARGETS = {
    ("source", "USD"): "6000",
    ("source", "BTC"): "6",
    ("target", "HUF"): "1626000",
    ("target", "BTC"): "6",
}


class OperatorCase(SynchronousTestCase):
    """A pool in virtual time that is READY, and its operator."""

    def setUp(self) -> None:
        self.world = World()
        self.journal = RecentJournal(self.world.journal)
        self.world.journal = self.journal  # it passes everything on to the one that was there
        self.world.trader = self.world.new_trader()
        self.world.ready()
        self.operator = Operator(
            self.world.trader, self.world.settings, Table.of(GIVEN, dict(TARGETS)), self.journal, mode="paper"
        )

    def tearDown(self) -> None:
        self.operator.close()
        self.world.end()

    def done(self, act: Deferred[Any]) -> Any:
        """What an act answers, once time has passed."""
        results: list[Any] = []
        act.addBoth(results.append)
        self.assertTrue(self.world.until(lambda: bool(results)), "no answer")
        error = getattr(results[0], "value", None)
        if isinstance(error, BaseException):
            raise error
        return results[0]

    def declined(self, act: Deferred[Any]) -> Declined:
        """How an act is declined."""
        return self.assertRaises(Declined, self.done, act)

    def moves(self) -> Any:
        return self.operator.snapshot()["valuation"]["rounded"]["moves"]
