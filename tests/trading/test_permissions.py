"""What may be sent: every pair of state and act."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from ilp.trading.machine import State
from ilp.trading.permissions import PERMISSIONS, Act, Leave, permission

# The page on the architecture, row by row: cancels, hedges, quotes, plan trades, transfers.
ROWS = {
    (State.READY, False): "yes|operator's hedge now|no|no|approved by the operator",
    (State.TRADING, False): "yes|yes|yes|yes|yes",
    (State.TRADING, True): "yes|on healthy venues|those that do not depend on the stale input|no|no",
    (State.DISCONNECTED, False): "where reachable|on healthy venues|no|no|no",
    (State.STOPPING, False): "yes|fills that raced the cancel|no|no|no",
    (State.SHUTDOWN, False): "yes|fills that raced the cancel|no|no|no",
    (State.HALTED, False): "yes|operator's hedge now|no|no|no",
    (State.INITIALIZING, False): "yes|no|no|no|no",
}
# What the machine may do of its own accord (M), what only an operator may (O), on healthy venues and on others.
HEALTHY = {
    State.DISCONNECTED: "MM...",
    State.INITIALIZING: "M....",
    State.READY: "MO..O",
    State.TRADING: "MMMMM",
    State.STOPPING: "MM...",
    State.HALTED: "MO...",
    State.SHUTDOWN: "MM...",
}
UNHEALTHY = {state: "." if state is State.DISCONNECTED else "M" for state in State}


class PermissionTests(SynchronousTestCase):
    def test_the_data_are_the_table_of_the_architecture(self) -> None:
        for (state, stale), row in ROWS.items():
            self.assertEqual("|".join(PERMISSIONS[state, stale, act] for act in Act), row, state)

    def test_a_stale_input_changes_the_row_of_trading_only(self) -> None:
        for state in State:
            if state is not State.TRADING:
                for act in Act:
                    self.assertEqual(PERMISSIONS[state, True, act], PERMISSIONS[state, False, act])

    def test_every_pair_on_healthy_venues(self) -> None:
        for state, letters in HEALTHY.items():
            for act, letter in zip(Act, letters, strict=True):
                self.assertEqual(permission(state, act), letter == "M", (state, act))
                self.assertEqual(permission(state, act, by=Leave.OPERATOR), letter in "MO", (state, act))

    def test_a_stale_input_elsewhere_leaves_cancels_hedges_and_independent_quotes(self) -> None:
        allowed = [act for act in Act if permission(State.TRADING, act, stale=True)]
        self.assertEqual(allowed, [Act.CANCEL, Act.HEDGE, Act.QUOTE])

    def test_nothing_but_a_cancel_goes_to_what_is_not_healthy(self) -> None:
        for state, act, by, stale in product(State, Act, Leave, (False, True)):
            expected = act is Act.CANCEL and UNHEALTHY[state] == "M"
            found = permission(state, act, stale=stale, healthy=False, by=by)
            self.assertEqual(found, expected, (state, act, by, stale))
