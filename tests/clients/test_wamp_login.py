"""Login challenges against the vectors of the protocol page and of RFC 6238."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from clients.wamp import Challenge
from clients.wamp_login import CodeNotReady, OneTimeCodes, answer_cra, challenge_time, derive_key

TEXT = (
    '{"authid": "alice", "authrole": "user", "authmethod": "wampcra", "authprovider": "database", "session": 1234567, '
    '"nonce": "AAAAAAAAAAAAAAAA", "timestamp": "2015-01-01T00:00:00.000Z"}'
)
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890" in Base32, the key of RFC 6238's appendix B


def challenge(**extra: object) -> Challenge:
    """A challenge as the venue sends it."""
    return Challenge("wampcra", {"challenge": TEXT, "salt": "a1b2c3d4", "iterations": 1000, "keylen": 32, **extra})


class CraTests(SynchronousTestCase):
    """WAMP-CRA."""

    def test_keys_are_those_of_the_vectors(self) -> None:
        self.assertEqual(derive_key("hunter2", "a1b2c3d4", 1000, 32), b"xODnZHbrXSYBvX6FmUsFF5/AGew+mIZhgPPFcSfO0nM=")
        self.assertEqual(derive_key("pässword", "salt0001", 1000, 32), b"zgYLZ5JjzBK30yG2N6IJTeGQx42Sn9BhJn5DsWHtJBs=")

    def test_the_signature_is_that_of_the_vector(self) -> None:
        answer = answer_cra(challenge(), "hunter2")
        self.assertEqual((answer.signature, answer.extra), ("1Qk2kp07tIl+I8U69KvVmnQZKc9rc9GkPf+zv6aOwq4=", {}))

    def test_the_key_is_the_text_and_not_what_it_encodes(self) -> None:
        self.assertNotEqual(
            answer_cra(challenge(), "hunter2").signature, "XCA+pzZWXiaQzlWKKDdhVqvdiE/FHDLWugoY/X2OEpw="
        )

    def test_missing_iterations_and_length_are_1000_and_32(self) -> None:
        bare = Challenge("wampcra", {"challenge": TEXT, "salt": "a1b2c3d4"})
        self.assertEqual(answer_cra(bare, "hunter2"), answer_cra(challenge(), "hunter2"))

    def test_without_salt_the_password_is_the_key(self) -> None:
        unsalted = answer_cra(Challenge("wampcra", {"challenge": TEXT}), "xODnZHbrXSYBvX6FmUsFF5/AGew+mIZhgPPFcSfO0nM=")
        self.assertEqual(unsalted, answer_cra(challenge(), "hunter2"))

    def test_the_challenge_tells_the_servers_time(self) -> None:
        self.assertEqual(challenge_time(challenge()), datetime(2015, 1, 1, tzinfo=UTC))

    def test_one_without_a_time_or_with_nonsense_tells_none(self) -> None:
        for text in ("{}", "no JSON", '{"timestamp": "yesterday"}', '{"timestamp": "2015-01-01T00:00:00"}', "[]", None):
            self.assertIsNone(challenge_time(Challenge("wampcra", {"challenge": text})), text)

    def test_a_code_travels_as_otp(self) -> None:
        self.assertEqual(answer_cra(challenge(), "hunter2", "123456").extra, {"otp": "123456"})

    def test_work_without_bounds_is_refused(self) -> None:
        self.assertRaises(ValueError, answer_cra, challenge(iterations=10**9), "hunter2")
        self.assertRaises(ValueError, answer_cra, challenge(keylen=10**9), "hunter2")
        self.assertRaises(ValueError, answer_cra, challenge(iterations=0), "hunter2")

    def test_other_challenges_are_refused(self) -> None:
        self.assertRaises(ValueError, answer_cra, Challenge("cookie", {"challenge": TEXT}), "hunter2")
        self.assertRaises(ValueError, answer_cra, Challenge("wampcra", {}), "hunter2")


class OneTimeCodeTests(SynchronousTestCase):
    """RFC 6238 with 6 digits."""

    def test_the_code_is_that_of_the_page(self) -> None:
        self.assertEqual(OneTimeCodes("JBSWY3DPEHPK3PXP").take(1400000000), "955480")

    def test_codes_are_those_of_the_rfc(self) -> None:
        # The RFC prints eight digits; six are their last six.
        for time, eight in (
            (59, "94287082"),
            (1111111109, "07081804"),
            (1234567890, "89005924"),
            (20000000000, "65353130"),
        ):
            self.assertEqual(OneTimeCodes(RFC_SECRET).take(time), eight[2:])

    def test_no_code_is_given_out_twice(self) -> None:
        codes = OneTimeCodes(RFC_SECRET)
        self.assertNotEqual(codes.take(1000), codes.take(1001))

    def test_a_third_code_within_one_step_has_to_wait(self) -> None:
        codes = OneTimeCodes(RFC_SECRET)
        codes.take(1000)
        codes.take(1000)
        error = self.assertRaises(CodeNotReady, codes.take, 1000)
        self.assertEqual(error.seconds, 20)  # step 33 lasts until 1020; then the next one's successor may be used
        codes.take(1020)

    def test_spaces_and_case_do_not_matter(self) -> None:
        self.assertEqual(OneTimeCodes("jbsw y3dp ehpk 3pxp").take(1400000000), "955480")

    def test_what_is_not_base32_is_refused_without_being_shown(self) -> None:
        error = self.assertRaises(ValueError, OneTimeCodes, "not base32!")
        self.assertNotIn("not base32!", str(error))

    def test_the_secret_does_not_print(self) -> None:
        self.assertNotIn(RFC_SECRET, repr(OneTimeCodes(RFC_SECRET)))
