"""Every route of the console, from without: who is let in, what is refused, and what an act reaches."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from ilp.operator import Declined
from ilp.passwords import Busy
from tests.web import scenes
from tests.web.fake_console import FakeConsole
from tests.web.harness import HOST, USERS, Harness, basic
from web.api import ACTS, READ_ONLY_ACTS
from web.history import sample
from web.site import MAX_BODY

BODIES: dict[str, Any] = {
    "start": {},
    "stop": {},
    "halt": {"reason": "a test"},
    "reset": {"note": "a test"},
    "preview": {"parameters": {"quote_size": "0.2"}},
    "update": {"version": 3, "parameters": {"quote_size": "0.2"}},
    "transfer": {"id": "T-11", "action": "sent", "amount": "24807.00"},
    "propose": {"asset": "BTC", "from": "target", "to": "source", "amount": "0.5"},
    "pause": {"what": "quotes", "on": True},
    "flow": {"key": "F-1", "text": "our own deposit"},
    "hedge": {},
    "test_alarms": {},
    "cancel": {"venue": "target", "all": True},
}
PUBLIC = {
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/favicon.ico"),
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
}


class SiteTestCase(SynchronousTestCase):
    """A console that trades, and somebody who signed in."""

    def setUp(self) -> None:
        self.harness = Harness(FakeConsole("trading"))
        self.console = self.harness.console
        self.anna = self.harness.signed_in()

    def assert_refused(self, answer: Any, status: int) -> None:
        """Refused, with a reason in JSON, and nothing was asked of the console."""
        self.assertEqual(answer.status, status, answer.text())
        self.assertTrue(answer.json().get("reasons") or answer.json().get("errors"))
        self.assertEqual(self.console.calls, [])


class EveryRouteTests(SiteTestCase):
    """The scan: all routes, without leave, with wrong tokens, with bad bodies."""

    def routes(self) -> list[tuple[str, str]]:
        """Every method and path that is served."""
        table = self.harness.service.root.routes
        return [(method.decode(), path) for path, methods in table.items() for method in methods]

    def test_every_act_is_routed(self) -> None:
        self.assertLessEqual({("POST", f"/api/{act}") for act in ACTS}, set(self.routes()))

    def test_without_a_session_every_route_but_the_login_is_refused(self) -> None:
        for method, path in self.routes():
            if (method, path) not in PUBLIC:
                answer = self.harness.visitor().ask(method, path, {"Content-Type": "application/json"}, b"{}")
                self.assert_refused(answer, 401)

    def test_without_a_session_the_page_leads_to_the_login(self) -> None:
        answer = self.harness.visitor().get("/")
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/login"))

    def test_an_act_without_the_forgery_token_is_refused(self) -> None:
        for act in ACTS:
            self.assert_refused(self.anna.post(f"/api/{act}", BODIES[act], {"X-CSRF": ""}), 403)

    def test_an_act_with_another_sessions_token_is_refused(self) -> None:
        other = self.harness.signed_in()
        for act in ACTS:
            self.assert_refused(self.anna.post(f"/api/{act}", BODIES[act], {"X-CSRF": other.csrf}), 403)

    def test_an_act_from_a_foreign_page_is_refused_even_with_the_token(self) -> None:
        for act in ACTS:
            self.assert_refused(self.anna.post(f"/api/{act}", BODIES[act], {"Origin": "http://evil.example"}), 403)
            self.assert_refused(self.anna.post(f"/api/{act}", BODIES[act], {"Sec-Fetch-Site": "cross-site"}), 403)

    def test_an_act_through_a_proxy_that_adds_tls_is_our_own_page(self) -> None:
        self.assertEqual(self.anna.post("/api/stop", {}, {"Origin": f"https://{HOST}"}).status, 200)

    def test_an_act_of_another_content_type_is_refused(self) -> None:
        for act in ACTS:
            self.assert_refused(self.anna.post(f"/api/{act}", BODIES[act], {"Content-Type": "text/plain"}), 400)

    def test_an_act_with_a_malformed_body_is_refused(self) -> None:
        headers = {"Content-Type": "application/json", "X-CSRF": self.anna.csrf}
        for act in ACTS:
            for body in (b"{", b"[]", b"null", b'{"unknown": 1}', b"\xff", b"[" * 20000, b'{"version": NaN}'):
                self.assert_refused(self.anna.ask("POST", f"/api/{act}", headers, body), 400)

    def test_an_oversized_body_is_refused_without_being_kept(self) -> None:
        for method, path in self.routes():
            if method == "POST":
                answer = self.anna.ask("POST", path, {"Content-Type": "application/json"}, b" " * (MAX_BODY + 1))
                self.assert_refused(answer, 413)

    def test_an_oversized_chunked_body_is_refused(self) -> None:
        chunk = b"%x\r\n" % 40000 + b" " * 40000 + b"\r\n"
        head = b"POST /api/start HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assertIn(b" 413 ", self.anna.send(head + chunk * 2 + b"0\r\n\r\n").splitlines()[0])

    def test_a_hopelessly_large_body_is_cut_off(self) -> None:
        head = b"POST /api/start HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
        self.assertIn(b" 413 ", self.anna.send(head).splitlines()[0])

    def test_a_viewer_may_look_and_try_but_not_act(self) -> None:
        vera = self.harness.signed_in("vera")
        self.assertEqual(vera.get("/api/update").status, 200)
        for act in set(ACTS) - READ_ONLY_ACTS:
            self.assert_refused(vera.post(f"/api/{act}", BODIES[act]), 403)
        self.assertEqual(vera.post("/api/preview", BODIES["preview"]).status, 200)

    def test_nothing_acts_on_get(self) -> None:
        for act in set(ACTS) - {"update"}:
            self.assert_refused(self.anna.get(f"/api/{act}"), 405)
        self.assertEqual(self.anna.get("/logout").status, 405)
        self.assertEqual(self.console.calls, [])

    def test_other_methods_are_refused_and_the_possible_ones_named(self) -> None:
        for method, path in self.routes():
            answer = self.anna.ask("DELETE", path)
            self.assertEqual(answer.status, 405)
            self.assertIn(method, answer.headers["allow"])

    def test_unknown_paths_are_not_found(self) -> None:
        for path in ("/nothing", "/api/", "/api/secret", "/static/", "/static/x/console.css", "/static/../service.py"):
            self.assertEqual(self.anna.get(path).status, 404, path)

    def test_every_answer_carries_the_protecting_headers(self) -> None:
        for path in ("/", "/login", "/api/update", "/nothing", "/static/x/y"):
            headers = self.anna.get(path).headers
            self.assertIn("default-src 'none'; script-src 'self'; style-src 'self'", headers["content-security-policy"])
            self.assertNotIn("unsafe", headers["content-security-policy"])
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertEqual(headers["x-frame-options"], "DENY")
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertNotIn("Twisted", headers["server"])

    def test_head_is_get_without_a_body(self) -> None:
        answer = self.anna.ask("HEAD", "/api/update")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_the_socket_without_an_upgrade_says_what_it_is(self) -> None:
        self.assertEqual(self.anna.get("/ws").status, 426)


class ActTests(SiteTestCase):
    """What the console is asked, and what its answers become."""

    def test_every_act_reaches_the_console_with_the_users_name(self) -> None:
        self.harness.console.document["trader"]["state"] = "HALTED"
        for act in set(ACTS) - READ_ONLY_ACTS:
            self.anna.post(f"/api/{act}", BODIES[act])
            self.assertEqual(self.console.calls[-1][:2], (act, "anna"))

    def test_update_answers_with_the_whole_document(self) -> None:
        self.assertEqual(self.anna.get("/api/update").json(), self.console.document)

    def test_the_pool_is_a_download(self) -> None:
        answer = self.anna.get("/api/pool")
        self.assertEqual((answer.status, answer.json()), (200, self.console.pool()))
        self.assertIn('filename="pool.json"', answer.headers["content-disposition"])

    def test_the_ledger_and_the_pairs_are_downloads(self) -> None:
        for name in ("pnl", "pairs"):
            answer = self.anna.get(f"/api/{name}.csv")
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/csv; charset=utf-8"))
            self.assertIn(f'filename="{name}.csv"', answer.headers["content-disposition"])
            self.assertEqual(answer.text().splitlines(), ["time,number", f"2024-03-04T09:00:00Z,{name}"])

    def test_a_journal_that_cannot_be_read_is_a_reason(self) -> None:
        declined = Declined(503, {"reasons": ["journal: is closed"]})
        self.patch(self.console, "export", lambda name: fail(declined))
        answer = self.anna.get("/api/pnl.csv")
        self.assertEqual((answer.status, answer.json()["reasons"]), (503, ["journal: is closed"]))

    def test_older_lines_of_the_audit_log_can_be_read_up_to_a_time(self) -> None:
        self.console.past = [scenes.act(ago, "anna", "START", "", "", "") for ago in range(10, 60, 10)]
        answer = self.anna.get(f"/api/audit?until={scenes.at(20)}").json()
        self.assertEqual(answer, {"lines": self.console.past[1:4], "more": True})
        answer = self.anna.get(f"/api/audit?until={scenes.at(40)}").json()
        self.assertEqual(answer, {"lines": self.console.past[3:], "more": False})

    def test_a_time_of_the_audit_log_that_is_none_is_refused_with_what_is_allowed(self) -> None:
        for until in ("", "soon", "2024-03-04", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
            answer = self.anna.get(f"/api/audit?until={until}")
            self.assertEqual(answer.status, 400, until)
            self.assertIn("must be a time with its zone", answer.json()["errors"][0]["message"])
        self.assertEqual(self.anna.get("/api/audit").status, 400)

    def test_without_a_pool_there_is_a_reason(self) -> None:
        self.console.document["valuation"]["base"] = None
        self.assertEqual(self.anna.get("/api/pool").status, 503)

    def test_the_samples_of_the_pictures_can_be_read(self) -> None:
        answer = self.anna.get("/api/history").json()
        self.assertEqual((answer["every"], answer["samples"]), (2.0, []))

    def test_fills_come_with_the_samples(self) -> None:
        sides = [fill["side"] for fill in self.anna.get("/api/history").json()["fills"]]
        self.assertEqual(sides, [fill["side"] for fill in reversed(self.console.document["trader"]["fills"])])

    def test_pictures_of_a_longer_time_can_be_asked_for(self) -> None:
        self.harness.service.history.archive.add(sample(self.console.document))
        self.harness.service.history.put(sample(self.console.document))
        self.assertEqual(len(self.anna.get("/api/history?span=86400").json()["samples"]), 2)

    def test_a_time_that_is_none_is_refused_with_what_is_allowed(self) -> None:
        for span in ("0", "-1", "nan", "1e99", "a%20day", ""):
            answer = self.anna.get(f"/api/history?span={span}")
            self.assertEqual(answer.status, 400, span)
            self.assertIn("must be a number of seconds from 60 to", answer.json()["errors"][0]["message"])

    def test_long_answers_are_compressed_for_who_can_read_that(self) -> None:
        for _ in range(40):
            self.harness.service.history.put(sample(self.console.document))
        answer = self.anna.get("/api/history", Accept_Encoding="gzip")
        self.assertEqual(answer.headers["content-encoding"], "gzip")
        self.assertEqual(json.loads(gzip.decompress(answer.body)), self.anna.get("/api/history").json())

    def test_executed_plans_can_be_read(self) -> None:
        self.assertEqual(self.anna.get("/api/plans").json(), {"plans": []})

    def test_halt_passes_the_reason(self) -> None:
        self.assertEqual(self.anna.post("/api/halt", {"reason": "smoke"}).json(), {"state": "HALTED"})
        self.assertEqual(self.console.calls, [("halt", "anna", "smoke")])

    def test_a_transfer_passes_its_amount_as_it_was_written(self) -> None:
        self.anna.post("/api/transfer", {"id": "T-11", "action": "sent", "amount": "24807.00", "note": "ref 7"})
        self.assertEqual(self.console.calls, [("transfer", "anna", "T-11", "sent", "24807.00", "ref 7")])

    def test_numbers_arrive_exactly_as_they_are_written(self) -> None:
        headers = {"Content-Type": "application/json", "X-CSRF": self.anna.csrf}
        body = b'{"parameters": {"quote_size": 0.10000000000000000001, "source_fee": [0, 1e-3]}}'
        self.anna.ask("POST", "/api/preview", headers, body)
        self.assertEqual(
            self.console.calls, [("preview", {"quote_size": "0.10000000000000000001", "source_fee": ["0", "1e-3"]})]
        )

    def test_a_proposal_passes_its_way_and_its_amount_as_it_was_written(self) -> None:
        self.anna.post("/api/propose", {"asset": "USD", "from": "source", "to": "", "amount": 1500.50, "note": "rent"})
        self.assertEqual(self.console.calls[-1], ("propose", "anna", "USD", ("source", ""), "1500.5", "rent"))

    def test_only_what_may_be_paused_is_passed_on(self) -> None:
        self.assert_refused(self.anna.post("/api/pause", {"what": "cancels", "on": True}), 400)
        self.anna.post("/api/pause", {"what": "wind down", "on": True})
        self.assertEqual(self.console.calls[-1], ("pause", "anna", "wind down", True))

    def test_cancel_passes_one_order_a_side_or_everything(self) -> None:
        for body, rest in (
            ({"id": "401"}, ("401", None)),
            ({"side": "BUY"}, (None, "BUY")),
            ({"all": True}, (None, None)),
        ):
            self.anna.post("/api/cancel", {"venue": "target", **body})
            self.assertEqual(self.console.calls[-1], ("cancel", "anna", "target", *rest))

    def test_cancel_wants_exactly_one_of_id_side_and_all(self) -> None:
        for body in ({}, {"id": "1", "all": True}, {"side": "BUY", "id": "1"}, {"all": False}):
            self.assert_refused(self.anna.post("/api/cancel", {"venue": "target", **body}), 400)

    def test_a_rejected_edit_names_field_and_rule(self) -> None:
        answer = self.anna.post("/api/update", {"version": 3, "parameters": {"quote_size": "7"}})
        self.assertEqual(answer.status, 400)
        self.assertEqual(answer.json(), {"errors": [{"field": "quote_size", "message": "7 is outside 0.01 to 0.5"}]})

    def test_an_old_version_is_a_conflict_that_shows_both_values(self) -> None:
        answer = self.anna.post("/api/update", {"version": 2, "parameters": {"quote_size": "0.3"}})
        self.assertEqual(answer.status, 409)
        self.assertEqual(answer.json()["conflicts"]["quote_size"], {"yours": "0.3", "theirs": "0.1", "by": "bela"})

    def test_a_start_that_fails_its_checks_lists_the_reasons(self) -> None:
        answer = self.anna.post("/api/start", {})
        self.assertEqual(
            (answer.status, answer.json()), (409, {"reasons": ["START is possible in READY, the state is TRADING"]})
        )

    def test_a_console_that_cannot_now_is_503(self) -> None:
        self.console.answer = Deferred()
        self.console.answer.errback(Declined(503, {"reasons": ["the journal cannot be written"]}))
        answer = self.anna.post("/api/stop", {})
        self.assertEqual((answer.status, answer.json()), (503, {"reasons": ["the journal cannot be written"]}))

    def test_a_refusal_without_words_gets_some(self) -> None:
        self.console.answer = Deferred()
        self.console.answer.errback(Declined(409, {"version": 4}))
        self.assertEqual(self.anna.post("/api/stop", {}).json()["version"], 4)

    def test_a_failure_of_the_console_is_logged_and_tells_nothing(self) -> None:
        self.console.answer = Deferred()
        self.console.answer.errback(RuntimeError("the key is 0xSECRET"))
        answer = self.anna.post("/api/hedge", {})
        self.assertEqual(answer.status, 500)
        self.assertNotIn("SECRET", answer.text())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_an_answer_for_somebody_who_has_gone_is_dropped(self) -> None:
        self.console.answer = waiting = Deferred()
        cookies = "; ".join(f"{name}={value}" for name, value in self.anna.cookies.items())
        head = f"POST /api/stop HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nX-CSRF: {self.anna.csrf}\r\nCookie: {cookies}\r\n"
        rest = b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        self.assertEqual(self.anna.send(head.encode() + rest), b"")
        waiting.callback({"state": "READY"})
        self.assertEqual(self.console.calls[-1], ("stop", "anna"))


class LoginTests(SiteTestCase):
    """Signing in and out, and what slows a guesser down."""

    def test_the_right_password_opens_a_session_with_a_careful_cookie(self) -> None:
        answer = self.harness.visitor().sign_in("anna", USERS["anna"])
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/"))
        cookie = answer.headers["set-cookie"]
        self.assertRegex(cookie, r"^ilp-session-8000=[\w-]{40,}; Path=/; HttpOnly; SameSite=Strict; Max-Age=\d+$")

    def test_a_wrong_password_says_how_many_tries_are_left_and_opens_nothing(self) -> None:
        visitor = self.harness.visitor()
        answer = visitor.sign_in("anna", "wrong")
        self.assertEqual(answer.status, 401)
        self.assertIn("name or password is wrong; 4 tries left", answer.text())
        self.assertEqual(visitor.get("/").status, 303)

    def test_an_unknown_name_reads_like_a_wrong_password(self) -> None:
        wrong = self.harness.visitor("10.0.0.1").sign_in("anna", "wrong").text()
        unknown = self.harness.visitor("10.0.0.2").sign_in("nobody", "wrong").text()
        wrong, unknown = (re.sub(r'value="[^"]*"', "", text) for text in (wrong, unknown))  # of the fields
        self.assertEqual(wrong, unknown)

    def test_a_guesser_is_slowed_down_and_told_for_how_long(self) -> None:
        visitor = self.harness.visitor()
        for _ in range(5):
            visitor.sign_in("anna", "wrong")
        answer = visitor.sign_in("anna", USERS["anna"])
        self.assertEqual(answer.status, 429)
        self.assertEqual(answer.headers["retry-after"], "1")
        self.harness.clock.advance(1.1)
        self.assertEqual(visitor.sign_in("anna", USERS["anna"]).status, 303)

    def test_guessing_elsewhere_slows_the_account_for_strangers_but_not_where_its_owner_signed_in_before(self) -> None:
        guesser = self.harness.visitor("10.6.6.6")
        for _ in range(20):
            guesser.sign_in("anna", "wrong")
            self.harness.clock.advance(61)
        self.assertEqual(self.harness.visitor("10.0.0.9").sign_in("anna", "wrong").status, 401)
        self.assertEqual(self.harness.visitor("10.0.0.9").sign_in("anna", USERS["anna"]).status, 429)
        self.assertEqual(self.harness.visitor("127.0.0.1").sign_in("anna", USERS["anna"]).status, 303)

    def test_while_slowed_down_no_password_is_looked_at(self) -> None:
        visitor = self.harness.visitor()
        for _ in range(6):
            visitor.sign_in("anna", "wrong")
        checked = len(self.harness.checker.checked)
        visitor.sign_in("anna", "wrong")
        self.assertEqual(len(self.harness.checker.checked), checked)

    def test_a_login_form_of_another_page_is_refused(self) -> None:
        visitor = self.harness.visitor()
        answer = visitor.submit("/login", {"form": "made up", "name": "anna", "password": USERS["anna"]})
        self.assertEqual(answer.status, 403)
        visitor.get("/login")
        foreign = visitor.submit(
            "/login", {"name": "anna", "password": USERS["anna"]}, {"Origin": "http://evil.example"}
        )
        self.assertEqual(foreign.status, 403)
        self.assertEqual(self.harness.checker.checked, ["anna"])  # only setUp's

    def test_the_password_is_never_sent_back(self) -> None:
        self.assertNotIn("hunter2", self.harness.visitor().sign_in("anna", "hunter2").text())

    def test_a_name_with_markup_is_shown_as_text(self) -> None:
        page = self.harness.visitor().sign_in('"><script>alert(1)</script>', "x").text()
        self.assertNotIn("<script>alert", page)

    def test_signing_out_ends_the_session(self) -> None:
        old = dict(self.anna.cookies)
        answer = self.anna.submit("/logout", {"csrf": self.anna.csrf})
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/login"))
        self.anna.cookies = old
        self.assertEqual(self.anna.get("/api/update").status, 401)

    def test_signing_out_needs_the_token(self) -> None:
        self.assertEqual(self.anna.submit("/logout", {"csrf": "wrong"}).status, 403)
        self.assertEqual(self.anna.get("/api/update").status, 200)

    def test_an_unused_session_ends_after_half_an_hour(self) -> None:
        self.harness.clock.advance(1799)
        self.assertEqual(self.anna.get("/api/update").status, 200)
        self.harness.clock.advance(1801)
        self.assertEqual(self.anna.get("/api/update").status, 401)

    def test_a_session_in_use_ends_after_twelve_hours(self) -> None:
        for _ in range(12 * 3 - 1):
            self.harness.clock.advance(1200)
            self.assertEqual(self.anna.get("/api/update").status, 200)
        self.harness.clock.advance(1200)
        self.assertEqual(self.anna.get("/api/update").status, 401)

    def test_too_many_checks_at_once_are_put_off(self) -> None:
        self.harness.checker.waiting = Deferred()
        self.harness.checker.waiting.errback(Busy("8 passwords are being checked"))
        answer = self.harness.visitor().get("/api/update", **basic("anna", "x"))
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))


class BasicTests(SiteTestCase):
    """HTTP Basic, for scripts."""

    def test_a_script_needs_no_session_and_no_token(self) -> None:
        script = self.harness.visitor()
        headers = {**basic("anna", USERS["anna"]), "Content-Type": "application/json"}
        self.assertEqual(script.ask("GET", "/api/update", headers).status, 200)
        self.assertEqual(script.ask("POST", "/api/stop", headers, b"{}").status, 200)
        self.assertEqual(self.console.calls, [("stop", "anna")])

    def test_a_script_without_a_body_may_leave_it_empty(self) -> None:
        headers = {**basic("anna", USERS["anna"]), "Content-Type": "application/json"}
        self.assertEqual(self.harness.visitor().ask("POST", "/api/stop", headers).status, 200)

    def test_a_wrong_password_is_asked_for_again(self) -> None:
        answer = self.harness.visitor().ask("GET", "/api/update", basic("anna", "wrong"))
        self.assertEqual(answer.status, 401)
        self.assertIn("Basic", answer.headers["www-authenticate"])

    def test_a_browser_is_not_made_to_open_its_own_password_box(self) -> None:
        answer = self.harness.visitor().get("/api/update", Sec_Fetch_Mode="cors")
        self.assertNotIn("www-authenticate", answer.headers)

    def test_a_script_must_send_json(self) -> None:
        headers = {**basic("anna", USERS["anna"]), "Content-Type": "text/plain"}
        self.assert_refused(self.harness.visitor().ask("POST", "/api/stop", headers, b"{}"), 400)

    def test_a_foreign_page_cannot_use_a_passwords_that_the_browser_knows(self) -> None:
        headers = {**basic("anna", USERS["anna"]), "Content-Type": "application/json", "Origin": "http://evil.example"}
        self.assert_refused(self.harness.visitor().ask("POST", "/api/stop", headers, b"{}"), 403)

    def test_a_polling_script_is_hashed_once(self) -> None:
        before = len(self.harness.checker.checked)
        for _ in range(5):
            self.harness.visitor().ask("GET", "/api/update", basic("anna", USERS["anna"]))
        self.assertEqual(len(self.harness.checker.checked), before + 1)
        self.harness.clock.advance(301)
        self.harness.visitor().ask("GET", "/api/update", basic("anna", USERS["anna"]))
        self.assertEqual(len(self.harness.checker.checked), before + 2)

    def test_what_is_not_readable_is_refused(self) -> None:
        for value in ("Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer abc", "Basic /w=="):
            answer = self.harness.visitor().ask("GET", "/api/update", {"Authorization": value})
            self.assertEqual(answer.status, 401, value)

    def test_admin_with_its_own_name_as_password_is_refused_whatever_the_file_says(self) -> None:
        self.harness.checker.users = {"admin": "admin"}
        self.assertEqual(self.harness.visitor().ask("GET", "/api/update", basic("admin", "admin")).status, 401)


class PageTests(SiteTestCase):
    """What a page holds, and what it must not."""

    def test_no_page_holds_a_password_or_a_session(self) -> None:
        token = self.anna.cookies["ilp-session-8000"]
        for path in ("/", "/login", "/api/update", "/nothing"):
            text = self.anna.get(path, Accept="text/html").raw.decode().partition("\r\n\r\n")[2]
            for secret in (*USERS.values(), token):
                self.assertNotIn(secret, text)

    def test_pages_hold_no_inline_script_style_or_foreign_address(self) -> None:
        for path, visitor in (("/", self.anna), ("/login", self.harness.visitor())):
            page = visitor.get(path).text()
            self.assertNotRegex(page, r"<script(?![^>]*\bsrc=)")
            self.assertNotRegex(page, r"<style|\sstyle=|\son\w+=")
            self.assertNotRegex(page, r'(?:src|href|action)="(?!/|#)')

    def test_the_console_shows_all_eight_tabs(self) -> None:
        page = self.anna.get("/").text()
        for tab in ("Trader", "Valuation", "Market", "State", "Transits", "Orders", "Optimized", "Transactions"):
            self.assertIn(f">{tab}</a>", page)

    def test_a_page_that_does_not_exist_says_so_in_words(self) -> None:
        self.assertIn("there is no such page", self.anna.get("/nothing", Accept="text/html").text())

    def test_the_login_page_comes_even_when_the_console_fails(self) -> None:
        harness = Harness()
        self.patch(harness.console, "snapshot", lambda: 1 / 0)
        self.assertEqual(harness.visitor().get("/login").status, 200)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_the_login_page_leads_on_who_is_signed_in_already(self) -> None:
        self.assertEqual(self.anna.get("/login").headers["location"], "/")

    def test_static_files_are_compressed_and_kept_by_the_browser(self) -> None:
        (path,) = set(re.findall(r"/static/\w+/console\.css", self.anna.get("/").text()))
        plain, packed = self.anna.get(path), self.anna.get(path, Accept_Encoding="gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertIn("immutable", packed.headers["cache-control"])
        self.assertEqual(plain.headers["content-type"], "text/css; charset=utf-8")

    def test_every_module_that_a_script_imports_is_served(self) -> None:
        (path,) = set(re.findall(r"/static/\w+/main\.js", self.anna.get("/").text()))
        folder, todo, seen = path.rpartition("/")[0], {"main.js"}, set[str]()
        while todo:
            name = todo.pop()
            answer = self.anna.get(f"{folder}/{name}")
            self.assertEqual(answer.status, 200, name)
            seen.add(name)
            todo |= set(re.findall(r'from "\./([\w-]+\.js)"', answer.text())) - seen
        self.assertIn("edits.js", seen)
