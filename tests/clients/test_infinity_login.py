"""The token of Infinity in virtual time: refreshed each hour, made anew each week, whatever fails in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clients.exchange import NotAuthorised, Refused, Unreachable
from clients.infinity_login import RETRY_FIRST_S, RETRY_LONGEST_S, Login
from clients.infinity_signing import address_of, decode_key, login_document, recover
from clients.redaction import Redactor, Secret

KEY = decode_key("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # public; it holds nothing
WALLET = address_of(KEY)
HOUR, WEEK = 3600.0, 604800.0


class Venue:
    """What answers the three calls of a login; gives itself as the `Http` of a `Login`.

    :ivar calls: paths with their fields.
    :ivar faults: errors or answers that the next calls of a path get instead, `held` paths are answered by `release`.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str], Secret | None]] = []
        self.faults: dict[str, list[Any]] = {}
        self.held: dict[str, list[Deferred[bytes]]] = {}
        self.tokens = 0
        self.wrap: Callable[[str], Any] = lambda text: text

    async def form(self, doing: str, path: str, fields: dict[str, str], token: Secret | None = None) -> bytes:
        self.calls.append((path, dict(fields), token))
        answer = self._answer(path, fields)
        if path in self.held:
            waiting: Deferred[bytes] = Deferred()
            self.held[path].append(waiting)
            await waiting
        return await answer

    def _answer(self, path: str, fields: dict[str, str]) -> Deferred[bytes]:
        if self.faults.get(path):
            fault = self.faults[path].pop(0)
            return fail(fault) if isinstance(fault, Exception) else succeed(json.dumps(fault).encode())
        if path == "/login":
            document = login_document(fields["addr"], "0xabc", int(fields["chainId"]), 1)
            told = {"nonceHash": "0xabc", "eip712Message": self.wrap(json.dumps(document))}
            return succeed(json.dumps(told).encode())
        if path == "/verify_login":
            document = login_document(fields["addr"], "0xabc", 11155111, 1)
            if recover(document, fields["signature"]) != fields["addr"]:
                return fail(NotAuthorised("infinity", "logging in", "permission denied", "1000"))
        self.tokens += 1
        return succeed(json.dumps({"accessToken": {"token": f"token-{self.tokens}"}}).encode())

    def count(self, path: str) -> int:
        return sum(1 for one, _, _ in self.calls if one == path)


class LoginCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.venue = Venue()
        self.troubles: list[Exception] = []
        self.renewals: list[str] = []
        self.login = Login(
            "infinity", self.venue, WALLET, KEY, 11155111, self.clock, Redactor(), self.troubles.append, HOUR, WEEK,
        )  # fmt: skip
        self.login.renewed = lambda: self.renewals.append(self.token)

    @property
    def token(self) -> str:
        return self.login.token.reveal()

    def begun(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.login.begin()))

    def renew(self, token: str) -> Deferred[Secret]:
        return Deferred.fromCoroutine(self.login.renew("reading", Secret(token)))

    def timers(self) -> int:
        return len(self.clock.getDelayedCalls())


class Beginning(LoginCase):
    def test_a_login_asks_signs_and_takes_the_token(self) -> None:
        self.begun()
        self.assertEqual([path for path, _, _ in self.venue.calls], ["/login", "/verify_login"])
        self.assertEqual(self.venue.calls[0][1], {"addr": WALLET, "chainId": "11155111"})
        self.assertEqual(self.token, "token-1")

    def test_the_document_may_be_an_object_instead_of_a_text(self) -> None:
        self.venue.wrap = json.loads
        self.begun()
        self.assertEqual(self.token, "token-1")

    def test_a_refused_signature_is_a_failure_of_the_caller(self) -> None:
        self.venue.faults["/verify_login"] = [NotAuthorised("infinity", "logging in", "permission denied", "1000")]
        self.failureResultOf(Deferred.fromCoroutine(self.login.begin()), NotAuthorised)
        self.assertEqual(self.timers(), 0)

    def test_a_wrong_chain_is_for_the_operator(self) -> None:
        self.venue.faults["/login"] = [Refused("infinity", "logging in", "validation error", "1001")]
        self.failureResultOf(Deferred.fromCoroutine(self.login.begin()), NotAuthorised)

    def test_what_cannot_be_signed_is_unreachable_and_named(self) -> None:
        for told in ({}, {"nonceHash": "1", "eip712Message": "{}"}, {"nonceHash": "1", "eip712Message": 5}, [1]):
            self.venue.faults["/login"] = [told]
            failure = self.failureResultOf(Deferred.fromCoroutine(self.login.begin()), Unreachable)
            self.assertIn("cannot be signed", str(failure.value))

    def test_an_answer_without_token_is_unreachable(self) -> None:
        for told in ({}, {"accessToken": None}, {"accessToken": {"token": ""}}, {"accessToken": {"token": "a\r\nb"}}):
            self.venue.faults["/verify_login"] = [told]
            self.failureResultOf(Deferred.fromCoroutine(self.login.begin()), Unreachable)
            self.assertEqual(self.token, "")


class Refreshing(LoginCase):
    def test_the_token_is_refreshed_each_hour(self) -> None:
        self.begun()
        for hour in range(1, 4):
            self.clock.advance(HOUR)
            self.assertEqual(self.venue.count("/refresh_login"), hour)
            self.assertEqual(self.token, f"token-{1 + hour}")
        self.assertEqual(self.venue.count("/login"), 1)

    def test_a_refresh_hands_in_the_token_and_bears_it(self) -> None:
        self.begun()
        self.clock.advance(HOUR)
        path, fields, token = self.venue.calls[-1]
        self.assertEqual((path, fields), ("/refresh_login", {"refreshToken": "token-1"}))
        assert token is not None
        self.assertEqual(token.reveal(), "token-1")

    def test_a_failed_refresh_keeps_the_token_and_is_tried_again_soon(self) -> None:
        self.begun()
        self.venue.faults["/refresh_login"] = [Unreachable("infinity", "refreshing", "no answer")]
        self.clock.advance(HOUR)
        self.assertEqual(self.token, "token-1")
        self.assertEqual(len(self.troubles), 1)
        self.clock.advance(RETRY_FIRST_S)
        self.assertEqual(self.token, "token-2")

    def test_a_refresh_without_token_keeps_the_good_one(self) -> None:
        self.begun()
        self.venue.faults["/refresh_login"] = [{"accessToken": {}}]
        self.clock.advance(HOUR)
        self.assertEqual(self.token, "token-1")

    def test_tries_become_rarer_and_go_on_for_ever(self) -> None:
        self.begun()
        dead = [Unreachable("infinity", "refreshing", "no answer") for _ in range(100)]
        self.venue.faults["/refresh_login"] = list(dead)
        self.clock.advance(HOUR)
        waits = []
        for _ in range(12):
            (call,) = self.clock.getDelayedCalls()
            waits.append(call.getTime() - self.clock.seconds())
            self.clock.advance(waits[-1])
        self.assertEqual(waits[0], RETRY_FIRST_S)
        self.assertEqual(waits, sorted(waits))
        self.assertEqual(waits[-1], RETRY_LONGEST_S)
        self.venue.faults.clear()
        self.clock.advance(RETRY_LONGEST_S)
        self.assertEqual(self.token, "token-2")
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime() - self.clock.seconds(), HOUR)

    def test_a_refused_refresh_is_followed_by_a_login(self) -> None:
        self.begun()
        self.venue.faults["/refresh_login"] = [NotAuthorised("infinity", "refreshing", "not logged in", "401")]
        self.clock.advance(HOUR)
        self.assertEqual(self.venue.count("/login"), 2)
        self.assertEqual(self.token, "token-2")
        self.assertEqual(self.renewals, ["token-2"])


class Weekly(LoginCase):
    def test_after_a_week_everything_is_done_anew(self) -> None:
        self.begun()
        self.clock.pump([HOUR] * int(WEEK // HOUR))
        self.assertEqual(self.venue.count("/login"), 2)
        self.assertEqual(self.renewals, [self.token])
        self.clock.pump([HOUR] * int(WEEK // HOUR))
        self.assertEqual(self.venue.count("/login"), 3)

    def test_refreshes_go_on_after_it(self) -> None:
        self.begun()
        self.clock.pump([HOUR] * int(WEEK // HOUR))
        before = self.venue.count("/refresh_login")
        self.clock.advance(HOUR)
        self.assertEqual(self.venue.count("/refresh_login"), before + 1)

    def test_a_failed_one_keeps_the_token_and_is_tried_again(self) -> None:
        self.begun()
        self.clock.pump([HOUR] * (int(WEEK // HOUR) - 1))
        token = self.token
        self.venue.faults["/login"] = [Unreachable("infinity", "logging in", "no answer")]
        self.clock.advance(HOUR)
        self.assertEqual((self.token, len(self.troubles)), (token, 1))
        self.clock.advance(RETRY_FIRST_S)
        self.assertNotEqual(self.token, token)
        self.assertEqual(self.renewals, [self.token])

    def test_a_refused_one_is_told_and_ends_nothing(self) -> None:
        self.begun()
        self.clock.pump([HOUR] * (int(WEEK // HOUR) - 1))
        self.venue.faults["/verify_login"] = [NotAuthorised("infinity", "logging in", "permission denied", "1000")]
        self.clock.advance(HOUR)
        self.assertIsInstance(self.troubles[-1], NotAuthorised)
        self.assertEqual(self.timers(), 1)

    def test_timers_do_not_multiply(self) -> None:
        self.begun()
        for step in range(400):
            self.assertEqual(self.timers(), 1, step)
            if step % 7 == 0:
                self.venue.faults["/refresh_login"] = [Unreachable("infinity", "refreshing", "no answer")]
            self.clock.advance(HOUR)


class Asking(LoginCase):
    def test_everybody_who_asks_waits_for_one_login(self) -> None:
        self.venue.held["/login"] = []
        asked = [Deferred.fromCoroutine(self.login.bearer("reading")) for _ in range(5)]
        self.assertEqual(self.venue.count("/login"), 1)
        self.venue.held["/login"][0].callback(b"")
        self.assertEqual([self.successResultOf(one).reveal() for one in asked], ["token-1"] * 5)

    def test_a_login_that_fails_fails_for_everybody_who_waits(self) -> None:
        self.venue.held["/login"] = []
        self.venue.faults["/login"] = [Unreachable("infinity", "logging in", "no answer")]
        asked = [Deferred.fromCoroutine(self.login.bearer("reading")) for _ in range(3)]
        self.venue.held["/login"][0].callback(b"")
        for one in asked:
            self.failureResultOf(one, Unreachable)

    def test_a_refused_token_that_is_old_gets_the_new_one_without_a_login(self) -> None:
        self.begun()
        self.clock.advance(HOUR)
        self.assertEqual(self.successResultOf(self.renew("token-1")).reveal(), "token-2")
        self.assertEqual(self.venue.count("/login"), 1)

    def test_a_refused_token_that_is_the_newest_means_one_login_for_all(self) -> None:
        self.begun()
        self.venue.held["/login"] = []
        asked = [self.renew("token-1") for _ in range(4)]
        self.venue.held["/login"][0].callback(b"")
        self.assertEqual({self.successResultOf(one).reveal() for one in asked}, {"token-2"})
        self.assertEqual(self.venue.count("/login"), 2)

    def test_during_a_refresh_the_old_token_serves(self) -> None:
        self.begun()
        self.venue.held["/refresh_login"] = []
        self.clock.advance(HOUR)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(self.login.bearer("reading"))).reveal(), "token-1")
        self.venue.held["/refresh_login"][0].callback(b"")
        self.assertEqual(self.token, "token-2")

    def test_a_refresh_that_a_login_has_overtaken_takes_nothing_back(self) -> None:
        self.begun()
        self.venue.held["/refresh_login"] = []
        self.clock.advance(HOUR)
        self.successResultOf(self.renew("token-1"))
        newest = self.token
        self.venue.held["/refresh_login"][0].callback(b"")
        self.assertEqual(self.token, newest)

    def test_who_stops_waiting_disturbs_nobody(self) -> None:
        self.venue.held["/login"] = []
        first, second = (Deferred.fromCoroutine(self.login.bearer("reading")) for _ in range(2))
        first.cancel()
        self.failureResultOf(first)
        self.venue.held["/login"][0].callback(b"")
        self.assertEqual(self.successResultOf(second).reveal(), "token-1")


class Stopping(LoginCase):
    def test_no_timer_is_left(self) -> None:
        self.begun()
        self.login.stop()
        self.assertEqual(self.timers(), 0)

    def test_a_login_under_way_ends_for_whoever_waits(self) -> None:
        self.venue.held["/login"] = []
        asked = Deferred.fromCoroutine(self.login.bearer("reading"))
        self.login.stop()
        self.failureResultOf(asked, Unreachable)  # a cancellation would be taken for the caller's own
        self.assertEqual(self.timers(), 0)

    def test_a_refresh_under_way_is_given_up_and_none_follows(self) -> None:
        self.begun()
        self.venue.held["/refresh_login"] = []
        self.clock.advance(HOUR)
        self.login.stop()
        self.assertEqual((self.timers(), self.troubles), (0, []))

    def test_it_may_begin_again(self) -> None:
        self.begun()
        self.login.stop()
        self.begun()
        self.assertEqual(self.timers(), 1)


class Secrecy(LoginCase):
    def test_the_key_shows_in_no_repr(self) -> None:
        self.begun()
        for text in (repr(self.login), str(self.login)):
            self.assertNotIn(KEY.hex(), text)
            self.assertNotIn(repr(KEY), text)
            self.assertNotIn("token-1", text)
