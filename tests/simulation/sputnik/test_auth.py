"""Signatures, one-time codes and cookies against the published vectors."""

import random
from datetime import UTC, datetime, timedelta

from twisted.trial.unittest import SynchronousTestCase

from ilp.simulation.sputnik.auth import (
    Accepted,
    Asked,
    Authenticator,
    Denied,
    Login,
    derive_key,
    one_time_code,
    sign,
)

CHALLENGE = (
    '{"authid": "alice", "authrole": "user", "authmethod": "wampcra", "authprovider": "database", '
    '"session": 1234567, "nonce": "AAAAAAAAAAAAAAAA", "timestamp": "2015-01-01T00:00:00.000Z"}'
)
SECRET = "JBSWY3DPEHPK3PXP"


class VectorTests(SynchronousTestCase):
    """Published inputs and outputs."""

    def test_passwords_derive_the_published_keys(self) -> None:
        self.assertEqual(derive_key("hunter2", "a1b2c3d4"), "xODnZHbrXSYBvX6FmUsFF5/AGew+mIZhgPPFcSfO0nM=")
        self.assertEqual(derive_key("pässword", "salt0001"), "zgYLZ5JjzBK30yG2N6IJTeGQx42Sn9BhJn5DsWHtJBs=")

    def test_the_text_of_the_key_signs_the_challenge(self) -> None:
        key = derive_key("hunter2", "a1b2c3d4")
        self.assertEqual(sign(key, CHALLENGE), "1Qk2kp07tIl+I8U69KvVmnQZKc9rc9GkPf+zv6aOwq4=")

    def test_one_time_codes_are_those_of_the_standard(self) -> None:
        self.assertEqual(one_time_code(SECRET, 1400000000 // 30), "955480")


class AuthenticatorTests(SynchronousTestCase):
    """Which logins are accepted."""

    def setUp(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.alice = Login.with_password("alice", "hunter2", "a1b2c3d4")
        self.authenticator = Authenticator({"alice": self.alice}.get, lambda: self.now, random.Random(1))

    def ask(self, method: str = "wampcra", authid: str = "alice") -> Asked:
        asked = self.authenticator.begin([method], authid, 77)
        assert isinstance(asked, Asked)
        return asked

    def answer(self, otp: object = None, key: str | None = None) -> Accepted | Denied:
        asked = self.ask()
        return self.authenticator.finish(asked, sign(key or self.alice.key, asked.challenge), otp)

    def code(self, steps: int = 0) -> str:
        return one_time_code(SECRET, int(self.now.timestamp()) // 30 + steps)

    def test_anonymous_wins_over_everything_else_that_is_offered(self) -> None:
        outcome = self.authenticator.begin(["wampcra", "cookie", "anonymous"], "alice", 1)
        self.assertEqual(outcome, Accepted("anonymous", "anonymous", "anonymous", "anonymous"))

    def test_a_cookie_is_asked_for_before_a_signature(self) -> None:
        outcome = self.authenticator.begin(["wampcra", "cookie"], "alice", 1)
        assert isinstance(outcome, Asked)
        self.assertEqual(outcome.method, "cookie")

    def test_no_usable_method_is_denied(self) -> None:
        for methods in ([], ["ticket"]):
            outcome = self.authenticator.begin(methods, "alice", 1)
            self.assertEqual(outcome, Denied("No authentication methods found."))

    def test_the_challenge_tells_salt_iterations_and_key_length(self) -> None:
        extra = self.ask().extra
        self.assertEqual((extra["salt"], extra["iterations"], extra["keylen"]), ("a1b2c3d4", 1000, 32))

    def test_an_unknown_user_gets_the_same_salt_every_time(self) -> None:
        salts = {self.ask(authid="nosuch").extra["salt"] for _ in range(3)}
        self.assertEqual(len(salts), 1)
        self.assertRegex(str(salts.pop()), "^[0-9a-f]{8}$")

    def test_the_right_signature_is_accepted(self) -> None:
        self.assertEqual(self.answer(), Accepted("alice", "user", "wampcra", "database"))

    def test_a_wrong_signature_an_unknown_user_and_text_beyond_ascii_are_denied_alike(self) -> None:
        denied = Denied("Invalid signature.")
        self.assertEqual(self.answer(key=derive_key("wrong", "a1b2c3d4")), denied)
        self.assertEqual(self.authenticator.finish(self.ask(authid="nosuch"), "x", None), denied)
        self.assertEqual(self.authenticator.finish(self.ask(), "jelszó", None), denied)

    def test_a_signature_made_with_the_decoded_key_is_denied(self) -> None:
        asked = Asked("wampcra", {}, "alice", CHALLENGE)
        wrong = "XCA+pzZWXiaQzlWKKDdhVqvdiE/FHDLWugoY/X2OEpw="
        self.assertEqual(self.authenticator.finish(asked, wrong, None), Denied("Invalid signature."))

    def test_an_enabled_second_factor_must_be_sent(self) -> None:
        self.alice.totp, self.alice.totp_active = SECRET, True
        self.assertEqual(self.answer(), Denied("Missing TOTP."))

    def test_codes_of_the_step_before_and_after_are_good_and_others_are_not(self) -> None:
        for steps, good in [(-2, False), (-1, True), (0, True), (1, True), (2, False)]:
            self.alice.totp, self.alice.totp_active, self.alice.totp_used = SECRET, True, -1
            self.assertIs(isinstance(self.answer(self.code(steps)), Accepted), good, steps)

    def test_a_code_is_good_once_and_older_ones_are_not_afterwards(self) -> None:
        self.alice.totp, self.alice.totp_active = SECRET, True
        self.assertIsInstance(self.answer(self.code()), Accepted)
        self.assertEqual(self.answer(self.code()), Denied("Invalid TOTP."))
        self.assertEqual(self.answer(self.code(-1)), Denied("Invalid TOTP."))
        self.now += timedelta(seconds=30)
        self.assertIsInstance(self.answer(self.code()), Accepted)

    def test_a_secret_that_was_not_verified_is_not_asked_for(self) -> None:
        self.alice.totp = SECRET
        self.assertIsInstance(self.answer(), Accepted)

    def test_the_cookie_itself_answers_a_cookie_challenge(self) -> None:
        self.alice.cookie = "C" * 16
        accepted = self.authenticator.finish(self.ask("cookie"), "C" * 16, None)
        self.assertEqual(accepted, Accepted("alice", "user", "cookie", "cookie"))

    def test_a_wrong_or_unknown_cookie_is_denied(self) -> None:
        denied = Denied("No suitable authentication methods found.")
        self.assertEqual(self.authenticator.finish(self.ask("cookie"), "D" * 16, None), denied)
        self.alice.cookie = "C" * 16
        self.assertEqual(self.authenticator.finish(self.ask("cookie"), "D" * 16, None), denied)

    def test_neither_password_key_nor_cookie_shows_in_a_printed_login(self) -> None:
        self.alice.cookie = "C" * 16
        self.assertNotIn(self.alice.key, repr(self.alice))
        self.assertNotIn("C" * 16, repr(self.alice))
