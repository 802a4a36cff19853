"""Sessions and the brake on guessing, in virtual time."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from web import sessions as sessions_module
from web import throttle as throttle_module
from web.sessions import Role, Session, Sessions
from web.throttle import LONGEST_PAUSE, Throttle


class SessionTests(SynchronousTestCase):
    """When a session begins and ends."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.sessions = Sessions(self.clock, lifetime=100, idle=10)

    def open(self) -> Session:
        """Sign anna in."""
        return self.sessions.open("anna", Role.OPERATOR)

    def test_a_session_is_found_by_its_token_only(self) -> None:
        session = self.open()
        self.assertIs(self.sessions.find(session.token), session)
        self.assertIsNone(self.sessions.find(""))
        self.assertIsNone(self.sessions.find(session.csrf))

    def test_tokens_are_long_and_all_different(self) -> None:
        texts = [text for _ in range(20) for s in [self.open()] for text in (s.token, s.csrf)]
        self.assertEqual(len(set(texts)), 40)
        self.assertGreaterEqual(min(map(len, texts)), 43)

    def test_tokens_are_in_no_repr(self) -> None:
        session = self.open()
        self.assertNotIn(session.token, repr(session) + repr(self.sessions))
        self.assertNotIn(session.csrf, repr(session) + repr(self.sessions))

    def test_only_its_own_forgery_token_is_accepted(self) -> None:
        first, second = self.open(), self.open()
        self.assertTrue(first.accepts(first.csrf))
        self.assertFalse(first.accepts(second.csrf))
        self.assertFalse(first.accepts(""))
        self.assertFalse(first.accepts("é"))

    def test_use_prolongs_a_session_but_not_beyond_its_lifetime(self) -> None:
        session = self.open()
        for _ in range(11):
            self.clock.advance(9)
            self.assertIsNotNone(self.sessions.find(session.token))
        self.clock.advance(9)
        self.assertIsNone(self.sessions.find(session.token))

    def test_an_unused_session_ends(self) -> None:
        session = self.open()
        self.clock.advance(10)
        self.assertFalse(self.sessions.is_live(session))

    def test_the_end_is_told_once(self) -> None:
        ended: list[str] = []
        session = self.open()
        session.on_end.add(lambda: ended.append("end"))
        self.sessions.end(session)
        self.sessions.end(session)
        self.assertEqual(ended, ["end"])

    def test_the_end_is_told_at_once_whatever_its_cause(self) -> None:
        ended: list[str] = []
        session, idle = self.open(), self.open()
        session.on_end.add(lambda: ended.append("signed out"))
        idle.on_end.add(lambda: ended.append("idle"))
        self.sessions.end(session)
        self.assertEqual(ended, ["signed out"])
        self.clock.advance(10)
        self.sessions.is_live(idle)
        self.assertEqual(ended, ["signed out", "idle"])

    def test_a_session_that_nobody_asks_for_ends_when_the_next_one_begins(self) -> None:
        ended: list[str] = []
        self.open().on_end.add(lambda: ended.append("idle"))
        self.clock.advance(10)
        self.open()
        self.assertEqual(ended, ["idle"])

    def test_a_session_counts_from_when_it_began(self) -> None:
        self.clock.advance(10**6)
        sessions = Sessions(self.clock, lifetime=100, idle=1000)
        session = sessions.open("anna", Role.OPERATOR)
        self.clock.advance(99)
        self.assertTrue(sessions.is_live(session))
        self.clock.advance(1)
        self.assertFalse(sessions.is_live(session))

    def test_ending_all_ends_each(self) -> None:
        opened = [self.open() for _ in range(3)]
        self.sessions.end_all()
        self.assertFalse(any(self.sessions.is_live(s) for s in opened))

    def test_too_many_sessions_push_out_the_one_unused_for_longest(self) -> None:
        self.patch(sessions_module, "MAX_SESSIONS", 2)
        first, second = self.open(), self.open()
        self.clock.advance(1)
        self.sessions.find(first.token)
        self.open()
        self.assertTrue(self.sessions.is_live(first))
        self.assertFalse(self.sessions.is_live(second))


class ThrottleTests(SynchronousTestCase):
    """How guessing gets slower."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.throttle = Throttle(self.clock)
        self.keys = (("address", "10.0.0.1"), ("account", "anna"))

    def fail_times(self, times: int) -> None:
        """So many wrong passwords."""
        for _ in range(times):
            self.throttle.failed(*self.keys)

    def test_the_first_tries_are_free(self) -> None:
        self.fail_times(4)
        self.assertEqual(self.throttle.wait(*self.keys), 0)
        self.assertEqual(self.throttle.tries_left(*self.keys), 1)

    def test_then_the_pause_doubles_up_to_its_longest(self) -> None:
        self.fail_times(4)
        pauses = []
        for _ in range(9):
            self.fail_times(1)
            pauses.append(self.throttle.wait(*self.keys))
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60])
        self.assertEqual(pauses[-1], LONGEST_PAUSE)

    def test_the_pause_passes(self) -> None:
        self.fail_times(5)
        self.clock.advance(1)
        self.assertEqual(self.throttle.wait(*self.keys), 0)

    def test_an_account_is_slowed_from_every_address(self) -> None:
        self.fail_times(5)
        self.assertGreater(self.throttle.wait(("address", "10.9.9.9"), ("account", "anna")), 0)

    def test_an_address_is_slowed_for_every_account(self) -> None:
        self.fail_times(5)
        self.assertGreater(self.throttle.wait(("address", "10.0.0.1"), ("account", "bela")), 0)

    def test_others_are_not_slowed(self) -> None:
        self.fail_times(50)
        self.assertEqual(self.throttle.wait(("address", "10.9.9.9"), ("account", "bela")), 0)

    def test_of_several_keys_the_one_that_was_guessed_most_decides(self) -> None:
        self.fail_times(3)
        for _ in range(4):
            self.throttle.failed(("account", "anna"))
        self.assertEqual((self.throttle.wait(*self.keys), self.throttle.wait(*self.keys[:1])), (4, 0))
        self.assertEqual((self.throttle.tries_left(*self.keys), self.throttle.tries_left(*self.keys[:1])), (0, 2))

    def test_a_pause_begins_with_the_last_wrong_try_however_long_the_daemon_has_run(self) -> None:
        self.clock.advance(10**6)
        self.fail_times(6)
        self.clock.advance(1.5)
        self.assertEqual(self.throttle.wait(*self.keys), 0.5)

    def test_success_forgives(self) -> None:
        self.fail_times(5)
        self.throttle.succeeded(*self.keys)
        self.assertEqual(self.throttle.wait(*self.keys), 0)

    def test_time_forgives(self) -> None:
        self.fail_times(50)
        self.clock.advance(throttle_module.FORGET_AFTER + 1)
        self.assertEqual(self.throttle.tries_left(*self.keys), 5)

    def test_a_flood_of_names_does_not_eat_the_memory(self) -> None:
        self.patch(throttle_module, "MAX_KEYS", 10)
        for n in range(100):
            self.clock.advance(0.001)
            self.throttle.failed(("account", f"name {n}"))
        self.assertLessEqual(len(self.throttle._records), 10)

    def test_in_a_flood_of_names_the_oldest_are_forgotten(self) -> None:
        self.patch(throttle_module, "MAX_KEYS", 2)
        for name in ("zoe", "adam", "mia"):
            self.clock.advance(1)
            self.throttle.failed(("account", name))
        left = [self.throttle.tries_left(("account", name)) for name in ("zoe", "adam", "mia")]
        self.assertEqual(left, [5, 4, 4])
