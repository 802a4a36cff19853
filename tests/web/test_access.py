"""Who is asking, and may they: origins, passwords, roles and forgery tokens, without a site around them."""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web.harness import USERS, FakeChecker
from web.access import MAX_NAME, Access, Caller, Credentials
from web.replies import Refused
from web.sessions import Role, Session, Sessions
from web.throttle import FREE_TRIES, Throttle


def told(*, secure: bool = False, address: str = "192.0.2.1", **headers: str) -> Credentials:
    """What a request of these headers says."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Credentials.of_headers({"host": "pool:8000", **given}, secure, address)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class ForeignTests(SynchronousTestCase):
    """Whether a page of somebody else's made the request."""

    def test_our_own_page_is_not_foreign_and_neither_is_who_names_no_page(self) -> None:
        self.assertFalse(told().is_foreign)
        self.assertFalse(told(origin="http://pool:8000").is_foreign)

    def test_another_host_another_port_and_no_host_are_foreign(self) -> None:
        for origin in (
            "http://evil",
            "http://pool:8001",
            "http://pool",
            "null",
            "ftp://pool:8000",
            "http://pool:8000.evil",
        ):
            self.assertTrue(told(origin=origin).is_foreign, origin)

    def test_a_proxy_may_have_added_the_tls(self) -> None:
        self.assertFalse(told(origin="https://pool:8000").is_foreign)

    def test_a_page_without_tls_is_foreign_to_one_with_it(self) -> None:
        self.assertTrue(told(secure=True, origin="http://pool:8000").is_foreign)
        self.assertFalse(told(secure=True, origin="https://pool:8000").is_foreign)

    def test_what_the_browser_calls_foreign_is_whatever_origin_it_names(self) -> None:
        for site, expected in (("cross-site", True), ("same-site", True), ("same-origin", False), ("none", False)):
            self.assertEqual(told(sec_fetch_site=site).is_foreign, expected, site)
            self.assertEqual(told(sec_fetch_site=site, origin="http://pool:8000").is_foreign, expected, site)

    def test_cookies_are_read_by_name(self) -> None:
        found = told(cookie='a=1; b="2"; c; =5;d=x=y').cookies
        self.assertEqual(found, {"a": "1", "b": "2", "c": "", "d": "x=y"})

    def test_only_a_browser_says_how_it_fetches(self) -> None:
        self.assertEqual([told().browser, told(sec_fetch_mode="cors").browser], [False, True])


class AccessCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.checker = Clock(), FakeChecker()
        self.access = Access(
            self.clock, self.checker, Sessions(self.clock), Throttle(self.clock), {"vera": Role.VIEWER}, "ilp-8000"
        )

    def answer(self, coroutine: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def refused(self, coroutine: Any) -> Refused:
        return self.failureResultOf(Deferred.fromCoroutine(coroutine), Refused).value

    def script(self, password: str = USERS["anna"], name: str = "anna", **more: str) -> Any:
        return self.access.caller(told(authorization=basic(name, password), **more))

    def sign_in(self, password: str = USERS["anna"], name: str = "anna", address: str = "192.0.2.1") -> Any:
        return self.access.sign_in(told(address=address), name, password)


class CallerTests(AccessCase):
    def test_whoever_has_a_session_is_its_user(self) -> None:
        session: Session = self.answer(self.sign_in())
        caller = self.answer(self.access.caller(told(cookie=f"ilp-8000={session.token}")))
        self.assertEqual((caller.user, caller.role, caller.session), ("anna", Role.OPERATOR, session))

    def test_a_cookie_of_another_port_is_none(self) -> None:
        session: Session = self.answer(self.sign_in())
        self.assertEqual(self.refused(self.access.caller(told(cookie=f"ilp-9000={session.token}"))).status, 401)

    def test_a_script_is_who_its_password_says_though_a_browser_beside_it_is_signed_in(self) -> None:
        session: Session = self.answer(self.sign_in())
        found = self.answer(self.script(USERS["vera"], "vera", cookie=f"ilp-8000={session.token}"))
        self.assertEqual(found, Caller("vera", Role.VIEWER))

    def test_a_script_with_a_wrong_password_is_nobody_though_a_browser_beside_it_is_signed_in(self) -> None:
        session: Session = self.answer(self.sign_in())
        self.assertEqual(self.refused(self.script("wrong", cookie=f"ilp-8000={session.token}")).status, 401)

    def test_a_password_that_the_browser_knows_is_of_no_use_to_a_foreign_page(self) -> None:
        self.answer(self.script())  # it is remembered from now on
        self.assertEqual(self.refused(self.script(origin="http://evil")).status, 403)
        self.assertEqual(self.refused(self.script(sec_fetch_site="cross-site")).status, 403)

    def test_what_is_not_readable_is_refused_and_no_password_is_looked_at(self) -> None:
        good = basic("anna", USERS["anna"])
        for text in (
            "Basic",
            "Basic !!!",
            "Bearer " + good[6:],
            "Basic " + base64.b64encode(b"anna").decode(),
            good + "$",
        ):
            self.assertEqual(self.refused(self.access.caller(told(authorization=text))).status, 401, text)
        self.assertEqual(self.checker.checked, [])

    def test_a_password_may_contain_colons_and_the_scheme_any_case(self) -> None:
        self.checker.users = {"anna": "a:b:c"}
        text = basic("anna", "a:b:c").replace("Basic", "bAsIc")
        self.assertEqual(self.answer(self.access.caller(told(authorization=text))).user, "anna")


class RememberingTests(AccessCase):
    def test_a_scripts_right_password_is_not_hashed_again_for_a_while(self) -> None:
        for _ in range(3):
            self.answer(self.script())
        self.assertEqual(len(self.checker.checked), 1)
        self.clock.advance(300)
        self.answer(self.script())
        self.assertEqual(len(self.checker.checked), 2)

    def test_a_wrong_one_is_not_remembered(self) -> None:
        for _ in range(2):
            self.refused(self.script("wrong"))
        self.assertEqual(len(self.checker.checked), 2)

    def test_names_and_passwords_are_not_run_together(self) -> None:
        self.checker.users = {"ann": "apw"}
        self.answer(self.script("apw", "ann"))
        self.assertEqual(self.refused(self.script("pw", "anna")).status, 401)

    def test_of_many_the_oldest_is_forgotten(self) -> None:
        self.checker.users = {f"user{n}": "pw" for n in range(65)}
        for n in range(65):
            self.answer(self.script("pw", f"user{n}"))
            self.clock.advance(1)
        self.answer(self.script("pw", "user1"))
        self.assertEqual(len(self.checker.checked), 65)
        self.answer(self.script("pw", "user0"))
        self.assertEqual(len(self.checker.checked), 66)


class GuessingTests(AccessCase):
    def test_a_wrong_password_says_how_many_tries_are_left(self) -> None:
        left = [str(self.refused(self.sign_in("wrong")).document) for _ in range(FREE_TRIES)]
        self.assertIn(f"{FREE_TRIES - 1} tries left", left[0])
        self.assertIn("the next try has to wait", left[-1])

    def test_while_slowed_down_no_password_is_looked_at_and_the_wait_is_told(self) -> None:
        for _ in range(FREE_TRIES):
            self.refused(self.sign_in("wrong"))
        refusal = self.refused(self.sign_in())
        self.assertEqual((refusal.status, len(self.checker.checked)), (429, FREE_TRIES))
        self.assertIn((b"Retry-After", b"1"), refusal.headers)
        self.clock.advance(1)
        self.answer(self.sign_in())

    def test_the_rest_of_a_second_is_a_second(self) -> None:
        for _ in range(FREE_TRIES):
            self.refused(self.sign_in("wrong"))
        self.clock.advance(0.9)
        self.assertIn((b"Retry-After", b"1"), self.refused(self.sign_in()).headers)

    def test_the_right_password_forgives(self) -> None:
        for _ in range(FREE_TRIES - 1):
            self.refused(self.sign_in("wrong"))
        self.answer(self.sign_in())
        self.assertIn(f"{FREE_TRIES - 1} tries left", str(self.refused(self.sign_in("wrong")).document))

    def test_guesses_elsewhere_do_not_lock_out_who_has_signed_in_here_before(self) -> None:
        self.answer(self.sign_in())
        for _ in range(FREE_TRIES):
            self.refused(self.sign_in("wrong", address="198.51.100.7"))
        self.answer(self.sign_in())
        self.assertEqual(self.refused(self.sign_in(address="203.0.113.9")).status, 429)

    def test_an_address_is_slowed_whichever_name_it_tries(self) -> None:
        for n in range(FREE_TRIES):
            self.refused(self.sign_in("wrong", f"name{n}"))
        self.assertEqual(self.refused(self.sign_in()).status, 429)

    def test_a_name_that_nobody_can_have_is_wrong_without_being_looked_up(self) -> None:
        self.refused(self.sign_in("x", "n" * MAX_NAME))
        self.refused(self.sign_in("x", "n" * (MAX_NAME + 1)))
        self.assertEqual(self.checker.checked, ["n" * MAX_NAME])


class ActTests(AccessCase):
    def setUp(self) -> None:
        super().setUp()
        self.session: Session = self.answer(self.sign_in())
        self.anna = Caller("anna", Role.OPERATOR, self.session)

    def may(self, caller: Caller, csrf: str, **more: str) -> bool:
        try:
            self.access.check_act(caller, told(**more), csrf)
        except Refused as refusal:
            self.assertEqual(refusal.status, 403)
            return False
        return True

    def test_an_act_of_a_browser_needs_its_sessions_own_token(self) -> None:
        other: Session = self.answer(self.sign_in(USERS["vera"], "vera"))
        self.assertEqual(
            [self.may(self.anna, csrf) for csrf in (self.session.csrf, other.csrf, "")], [True, False, False]
        )

    def test_the_token_is_of_no_use_to_a_foreign_page(self) -> None:
        self.assertFalse(self.may(self.anna, self.session.csrf, origin="http://evil"))

    def test_an_act_of_a_script_needs_no_token_and_no_foreign_page(self) -> None:
        script = Caller("anna", Role.OPERATOR)
        self.assertEqual([self.may(script, ""), self.may(script, "", origin="http://evil")], [True, False])

    def test_whoever_may_only_look_may_not_act(self) -> None:
        self.access.check_operator(self.anna)
        with self.assertRaises(Refused) as caught:
            self.access.check_operator(Caller("vera", Role.VIEWER))
        self.assertEqual(caught.exception.status, 403)

    def test_a_role_comes_with_the_name_and_whoever_is_not_listed_is_an_operator(self) -> None:
        vera: Session = self.answer(self.sign_in(USERS["vera"], "vera"))
        self.assertEqual((self.session.role, vera.role), (Role.OPERATOR, Role.VIEWER))
