"""How users' passwords are hashed and checked."""

from __future__ import annotations

from threading import get_ident

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ilp import passwords
from ilp.passwords import Busy, PasswordChecker, cleartext_users, hash_password, is_hash, is_refused, matches


class HashTests(SynchronousTestCase):
    """Pure parts."""

    def test_a_hash_matches_its_own_password_only(self) -> None:
        stored = hash_password("correct horse")
        self.assertTrue(matches(stored, "correct horse"))
        self.assertFalse(matches(stored, "correct horse "))
        self.assertFalse(matches(stored, stored))

    def test_a_hash_is_argon2id_and_salted(self) -> None:
        first, second = hash_password("x"), hash_password("x")
        self.assertTrue(first.startswith("$argon2id$"))
        self.assertNotEqual(first, second)
        self.assertTrue(is_hash(first))
        self.assertNotIn("correct", hash_password("correct"))

    def test_cleartext_still_works(self) -> None:
        self.assertTrue(matches("secret", "secret"))
        self.assertFalse(matches("secret", "Secret"))
        self.assertTrue(matches("jelszó", "jelszó"))

    def test_a_damaged_hash_matches_nothing(self) -> None:
        for stored in ("$argon2id$", "$argon2id$v=19$m=65536,t=3,p=4$broken", "$argon2"):
            self.assertFalse(matches(stored, ""))
            self.assertFalse(matches(stored, stored))

    def test_an_empty_or_overlong_password_is_not_hashed(self) -> None:
        for password in ("", "x" * 1025):
            self.assertRaisesRegex(ValueError, "1 to 1024 characters", hash_password, password)

    def test_only_the_wellknown_pair_is_refused(self) -> None:
        self.assertTrue(is_refused("admin", "admin"))
        self.assertFalse(is_refused("admin", "x"))
        self.assertFalse(is_refused("anna", "admin"))

    def test_users_in_clear_are_named_for_the_warning(self) -> None:
        self.assertEqual(cleartext_users({"anna": "ilp", "bela": hash_password("y")}), ("anna",))


class CheckerTests(TestCase):
    """Checking in the reactor's threads."""

    def setUp(self) -> None:
        users = {"anna": hash_password("correct horse"), "bela": "in clear", "admin": "admin"}
        self.checker = PasswordChecker(reactor, users)

    async def test_right_and_wrong_passwords(self) -> None:
        self.assertTrue(await self.checker.check("anna", "correct horse"))
        self.assertFalse(await self.checker.check("anna", "wrong"))
        self.assertTrue(await self.checker.check("bela", "in clear"))
        self.assertFalse(await self.checker.check("bela", "wrong"))
        self.assertFalse(await self.checker.check("nobody", "in clear"))

    async def test_admin_admin_never_opens_anything(self) -> None:
        self.assertFalse(await self.checker.check("admin", "admin"))
        hashed = PasswordChecker(reactor, {"admin": hash_password("admin")})
        self.assertFalse(await hashed.check("admin", "admin"))

    async def test_an_overlong_password_is_wrong_without_being_hashed(self) -> None:
        self.assertFalse(await self.checker.check("anna", "x" * 100_000))

    async def test_a_stranger_and_a_user_in_clear_cost_one_hash_too(self) -> None:
        seen: list[str] = []

        def spy(stored: str, password: str) -> bool:
            seen.append("hash" if is_hash(stored) else "clear")
            return matches(stored, password)

        self.patch(passwords, "matches", spy)
        await self.checker.check("nobody", "x")
        await self.checker.check("bela", "x")
        self.assertEqual(seen, ["hash", "hash", "clear"])

    async def test_the_work_is_done_off_the_reactors_thread(self) -> None:
        threads: list[int] = []

        def spy(stored: str, password: str) -> bool:
            threads.append(get_ident())
            return True

        self.patch(passwords, "matches", spy)
        await self.checker.check("anna", "x")
        self.assertNotIn(get_ident(), threads)

    async def test_too_many_at_once_are_sent_away(self) -> None:
        self.patch(passwords, "matches", lambda stored, password: True)
        checks = [self.checker.check("anna", "x") for _ in range(9)]
        self.failureResultOf(checks.pop(), Busy)
        self.assertEqual(await gatherResults(checks), [True] * 8)
