"""The trader's states: every pair of state and event."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ilp.trading.machine import Event, Lifecycle, State

S, E = State, Event

# Written out a second time, by state, as the page on the architecture has it: the code's table must agree.
EXPECTED: dict[State, dict[Event, State]] = {
    S.DISCONNECTED: {E.CONNECTED: S.INITIALIZING, E.LOST: S.DISCONNECTED, E.STOP: S.DISCONNECTED, E.HALT: S.HALTED},
    S.INITIALIZING: {E.INITIALIZED: S.READY, E.LOST: S.DISCONNECTED, E.STOP: S.INITIALIZING, E.HALT: S.HALTED},
    S.READY: {E.START: S.TRADING, E.LOST: S.DISCONNECTED, E.STOP: S.READY, E.HALT: S.HALTED},
    S.TRADING: {E.STOP: S.STOPPING, E.LOST: S.DISCONNECTED, E.HALT: S.HALTED},
    S.STOPPING: {E.STOPPED: S.READY, E.LOST: S.DISCONNECTED, E.STOP: S.STOPPING, E.HALT: S.HALTED},
    S.HALTED: {E.RESET: S.DISCONNECTED, E.LOST: S.HALTED, E.STOP: S.HALTED, E.HALT: S.HALTED},
    S.SHUTDOWN: {E.LOST: S.SHUTDOWN, E.STOP: S.SHUTDOWN, E.HALT: S.SHUTDOWN},
}
WAY = {
    S.DISCONNECTED: (),
    S.INITIALIZING: (E.CONNECTED,),
    S.READY: (E.CONNECTED, E.INITIALIZED),
    S.TRADING: (E.CONNECTED, E.INITIALIZED, E.START),
    S.STOPPING: (E.CONNECTED, E.INITIALIZED, E.START, E.STOP),
    S.HALTED: (E.HALT,),
    S.SHUTDOWN: (E.SHUTDOWN,),
}


class LifecycleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.changes: list[tuple[State, State, str, str]] = []
        self.reports: list[tuple[State, Event, str]] = []

    def at(self, state: State) -> Lifecycle:
        life = Lifecycle(lambda *change: self.changes.append(change), lambda *report: self.reports.append(report))
        for event in WAY[state]:
            self.assertTrue(life.fire(event, "on the way"))
        self.changes.clear()
        return life

    def test_every_pair_of_state_and_event_does_what_the_table_says(self) -> None:
        for state in State:
            for event in Event:
                life = self.at(state)
                expected = State.SHUTDOWN if event is E.SHUTDOWN else EXPECTED[state].get(event)
                self.reports.clear()
                fired = life.fire(event, "because", "operator")
                self.assertEqual(life.state, state if expected is None else expected, (state, event))
                self.assertEqual(fired, expected is not None, (state, event))

    def test_an_undefined_event_is_reported_and_tells_of_no_change(self) -> None:
        for state in State:
            for event in Event:
                if event is E.SHUTDOWN or event in EXPECTED[state]:
                    continue
                life = self.at(state)
                self.reports.clear()
                life.fire(event, "out of the blue")
                self.assertEqual(self.changes, [], (state, event))
                self.assertEqual(self.reports, [(state, event, "out of the blue")])

    def test_each_change_tells_where_from_where_to_why_and_who(self) -> None:
        life = self.at(S.TRADING)
        life.fire(E.HALT, "largest order: 3 BTC, allowed 2 BTC", "gate")
        self.assertEqual(self.changes, [(S.TRADING, S.HALTED, "largest order: 3 BTC, allowed 2 BTC", "gate")])

    def test_an_event_that_keeps_the_state_is_no_change(self) -> None:
        life = self.at(S.READY)
        self.assertTrue(life.fire(E.STOP, "nothing to stop", "operator"))
        self.assertEqual((self.changes, self.reports), ([], []))

    def test_a_change_may_fire_the_next_one(self) -> None:
        lives: list[Lifecycle] = []

        def go_on(previous: State, new: State, reason: str, by: str) -> None:
            self.changes.append((previous, new, reason, by))
            if new is S.DISCONNECTED:
                lives[0].fire(E.CONNECTED, "still connected")

        lives.append(Lifecycle(go_on, lambda *report: self.reports.append(report)))
        lives[0].fire(E.HALT, "stop it", "operator")
        lives[0].fire(E.RESET, "seen", "operator")
        self.assertEqual(lives[0].state, S.INITIALIZING)
        self.assertEqual([new for _, new, _, _ in self.changes], [S.HALTED, S.DISCONNECTED, S.INITIALIZING])
        self.assertEqual(self.reports, [])
