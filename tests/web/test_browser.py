"""The page in a real browser: what an operator does, from signing in to approving a transfer."""

from __future__ import annotations

import json

from tests.web.fake_console import FakeConsole
from tests.web.page import ACCESSIBLE, USERS, PageCase
from tests.web.scenes import act
from web.pages import TABS

TRADE = "document.querySelector('#state .word').innerText.includes"


class PageTests(PageCase):
    """One browser for each test; nothing is shared between them."""

    async def test_a_wrong_password_says_so_and_the_right_one_opens_the_console(self) -> None:
        browser = await self.open()
        await browser.click(".signout button")
        await browser.until("location.pathname === '/login'")
        await self.sign_in("anna", "wrong")
        await browser.until("document.body.innerText.includes('name or password is wrong')")
        await self.sign_in("anna", USERS["anna"])

    async def test_every_tab_of_every_scene_draws_without_a_complaint(self) -> None:
        browser = await self.open()
        for scene in ("ready", "trading", "stale", "halted", "uncertain", "empty"):
            self.console.document = FakeConsole(scene).document
            self.console.document["trader"]["reason"] = f"scene {scene}"
            self.console.notify()
            await browser.until(f"document.querySelector('#state .since').title === 'scene {scene}'")
            for tab in TABS:
                await browser.run(f"location.hash = '{tab.id}'")
                await browser.until(f"document.querySelector('#grid-{tab.id}').innerText.length > 40")
        self.assertEqual(browser.complaints(), [])

    async def test_every_tab_is_legible_and_named_in_light_and_dark(self) -> None:
        browser = await self.open("trading")
        await self.edit("quote size", "0.2")
        await browser.until("document.querySelector('#tray .eff')")
        for dark in (False, True):
            await browser.size(1440, 1000, dark)
            for tab in TABS:
                await browser.run(f"location.hash = '{tab.id}'")
                await browser.until(f"document.querySelector('#grid-{tab.id}').innerText.length > 40")
                self.assertEqual(await browser.run(ACCESSIBLE), [], f"{tab.id}, {'dark' if dark else 'light'}")

    async def test_what_is_not_legible_or_not_named_would_be_found(self) -> None:
        browser = await self.open("trading")
        await browser.run(
            """document.querySelector('#main').insertAdjacentHTML('afterbegin',
                '<p id="pale">pale</p><button></button><input><table><tr><td>x</td></tr></table><i id="pale"></i>');
            document.querySelector('#pale').style.color = 'rgb(190, 190, 190)'"""
        )
        complaints = "\n".join(await browser.run(ACCESSIBLE))
        for expected in (
            "contrast 1.",
            "no name: button",
            "no name: input",
            "table without a caption",
            "id twice: pale",
        ):
            self.assertIn(expected, complaints)

    async def test_dialogs_and_the_login_are_legible_and_named(self) -> None:
        browser = await self.open("trading")
        await browser.click("#act-halt")
        await self.dialog("Halt everything?", confirm=False)
        self.assertEqual(await browser.run(ACCESSIBLE), [])
        await browser.go(f"{self.url}/nothing")
        self.assertEqual(await browser.run(ACCESSIBLE), [])
        self.service.sessions.end_all()
        await browser.go(f"{self.url}/login")
        self.assertEqual(await browser.run(ACCESSIBLE), [])

    async def test_every_card_says_as_of_when(self) -> None:
        browser = await self.open("trading")
        for scene in ("trading", "empty"):
            self.console.document = FakeConsole(scene).document
            self.console.document["trader"]["reason"] = f"scene {scene}"
            self.console.notify()
            await browser.until(f"document.querySelector('#state .since').title === 'scene {scene}'")
            for tab in TABS:
                await browser.run(f"location.hash = '{tab.id}'")
                cards = f"[...document.querySelectorAll('#grid-{tab.id} .panel')]"
                await browser.until(f"{cards}.length")
                silent = f"{cards}.filter((c) => !c.querySelector('.asof')?.innerText).map((c) => c.id)"
                self.assertEqual(await browser.run(silent), [], f"{scene}, {tab.id}")

    async def test_no_tab_scrolls_sideways_at_360_pixels(self) -> None:
        browser = await self.open("trading")
        await browser.size(360, 780)
        for tab in TABS:
            await browser.run(f"location.hash = '{tab.id}'")
            await browser.until(f"document.querySelector('#grid-{tab.id}').innerText.length > 40")
            self.assertEqual(await browser.run("document.documentElement.scrollWidth"), 360, tab.id)

    async def test_long_names_of_inputs_do_not_make_it_scroll_sideways_either(self) -> None:
        browser = await self.open("trading")
        for one in self.console.document["state"]["inputs"]:
            one["name"] = f"account {one['name']} ETH-2024-06-28 book"
        self.console.notify()
        await browser.size(360, 780)
        await browser.until("document.querySelector('#inputs').innerText.includes('ETH-2024-06-28')")
        self.assertEqual(await browser.run("document.documentElement.scrollWidth"), 360)
        edges = "[...document.querySelectorAll('#inputs li, #inputs .v')].map((e) => e.getBoundingClientRect().right)"
        self.assertLessEqual(await browser.run(f"Math.max(...{edges})"), 360)

    async def test_no_cell_is_written_over_its_neighbour_at_360_pixels(self) -> None:
        browser = await self.open("trading")
        document = self.console.document
        document["trader"]["hedges"][0] |= {"fill_key": "target/1102399:0.042", "closed_by": "source/13807177:0.042"}
        document["state"]["holdings"][0] |= {"available": "1114156150.3915", "held": "1310612.2285"}
        self.console.notify()
        await browser.size(360, 780)
        wide = """[...document.querySelectorAll('.stack td, .stack th')].filter((e) => {
            const text = document.createRange();
            text.selectNodeContents(e);
            return e.offsetWidth > 1 && text.getBoundingClientRect().right > e.getBoundingClientRect().right + 1;
        }).map((e) => e.innerText)"""
        for tab in TABS:
            await browser.run(f"location.hash = '{tab.id}'")
            await browser.until(f"document.querySelector('#grid-{tab.id}').innerText.length > 40")
            self.assertEqual(await browser.run(wide), [], tab.id)

    async def test_a_fill_that_outran_our_cancel_says_by_how_much(self) -> None:
        browser = await self.open("trading")
        trader = self.console.document["trader"]
        told = "document.querySelector('#p-hedges tbody tr').innerText"
        self.assertNotIn("0.013", await browser.run(told))
        trader["fills"][1] |= {"quoted": "67780", "raced": "0.0128"}
        self.console.notify()
        await browser.until(f"{told}.includes('0.013')")

    async def test_older_acts_are_loaded_when_they_are_asked_for(self) -> None:
        browser = await self.open("trading")
        self.console.past = [
            *self.console.document["audit"],
            *(act(4000 + n, "bela", "HALT", f"no. {n}", "", "") for n in range(4)),
        ]
        rows = "document.querySelectorAll('#p-audit tbody tr').length"
        known = len(self.console.document["audit"])
        await browser.until(f"{rows} === {known}")
        await browser.click("#p-audit .acts2:last-child button")
        await browser.until(f"{rows} === {known + 2}")  # of the three one was known
        await browser.click("#p-audit .acts2:last-child button")
        await browser.until(f"{rows} === {known + 4}")
        await browser.until("!document.querySelector('#p-audit').innerText.includes('Load older')")
        self.console.document["audit"].insert(0, act(1, "anna", "STOP", "", "", ""))
        self.console.notify()
        await browser.until(f"{rows} === {known + 5}")
        self.assertIn("no. 3", await browser.text("#p-audit"))
        self.assertEqual(browser.complaints(), [])

    async def test_an_edit_is_previewed_survives_news_and_a_reload_and_is_applied(self) -> None:
        browser = await self.open()
        await self.edit("quote size", "0.2")
        await browser.until("document.querySelector('#tray').innerText.includes('24,581,000')")
        self.assertCountEqual(self.console.calls, [("preview", {"quote_size": "0.2"}), ("preview", {})])
        self.console.change("trader", "reason", value="news")
        await browser.until("document.querySelector('#state .since').title === 'news'")
        self.assertEqual(await browser.run("""document.querySelector('[aria-label="quote size"]').value"""), "0.2")
        await browser.go(self.url + "/?again")
        await browser.until("""document.querySelector('[aria-label="quote size"]')?.value === '0.2'""")
        await browser.click("#act-update")
        await browser.until("document.querySelector('#tray').hidden")
        self.assertIn(("update", "anna", 3, {"quote_size": "0.2"}), self.console.calls)
        self.assertEqual(self.console.document["trader"]["state"], "READY")

    async def test_the_tray_never_covers_the_field_that_is_edited(self) -> None:
        browser = await self.open()
        for height in (1000, 700):
            await browser.size(1440, height)
            await self.edit("max unhedged", "0.3")
            await browser.until("document.querySelector('#tray .eff')")
            bottom, top = (
                "document.activeElement.getBoundingClientRect().bottom",
                "document.querySelector('#tray').offsetTop",
            )
            await browser.until(f"{bottom} < {top}")
            await browser.click("#tray header .btn:nth-of-type(2)")
            await browser.until("document.querySelector('#tray').hidden")
            await browser.run("scrollTo(0, 0)")

    async def test_a_rejected_edit_names_the_rule_and_cannot_be_applied(self) -> None:
        browser = await self.open()
        await self.edit("quote size", "7")
        await browser.until("document.querySelector('#tray').innerText.includes('7 is outside 0.01 to 0.5')")
        self.assertTrue(await browser.run("document.querySelector('#act-update').disabled"))

    async def test_a_cost_is_edited_in_its_two_parts(self) -> None:
        browser = await self.open()
        await browser.run("location.hash = 'market'")
        await browser.until("""document.querySelector('[aria-label="source fee, proportional"]')""")
        await self.edit("source fee, proportional", "0.003")
        await browser.click("#act-update")
        await browser.until("document.querySelector('#tray').hidden")
        self.assertIn(("update", "anna", 3, {"source_fee": ["0", "0.003"]}), self.console.calls)

    async def test_an_old_value_is_reverted_by_one_click(self) -> None:
        browser = await self.open("trading")
        await browser.click("#p-audit tbody button")
        await browser.until(
            "document.querySelector('#toasts').innerText.includes('target of BTC on target is 2 again')"
        )
        self.assertIn(("update", "anna", 3, {"target_balance.target.BTC": "2"}), self.console.calls)

    async def test_a_revert_that_comes_too_late_says_so(self) -> None:
        browser = await self.open("trading")
        await browser.until("document.querySelector('#p-audit tbody button')")
        self.console.document["version"] += 1  # somebody else's edit, of which the page has not heard
        await browser.click("#p-audit tbody button")
        await browser.until("document.querySelector('#toasts').innerText.includes('somebody else changed parameters')")

    async def test_a_discarded_edit_shows_the_true_value_again_at_once(self) -> None:
        browser = await self.open()
        await self.edit("quote size", "0.2")
        await browser.click("#tray header .btn:nth-of-type(2)")
        await browser.until("""document.querySelector('[aria-label="quote size"]').value === '0.1'""")

    async def test_a_number_is_typed_without_being_tidied_under_the_fingers(self) -> None:
        browser = await self.open()
        await self.edit("quote size", "0.10")  # the same number as now: no edit, but the text must stay
        self.console.change("trader", "reason", value="news")
        await browser.until("document.querySelector('#state .since').title === 'news'")
        self.assertEqual(await browser.run("""document.querySelector('[aria-label="quote size"]').value"""), "0.10")

    async def test_two_operators_who_edit_the_same_see_both_values(self) -> None:
        browser = await self.open()
        await self.edit("quote size", "0.2")
        await browser.until("!document.querySelector('#act-update').disabled")
        self.console.update("bela", 3, {"quote_size": "0.3"})
        await browser.until("document.querySelector('#tray .conf')")
        words = await browser.text("#tray .conf")
        for value in ("0.1", "0.3", "0.2"):
            self.assertIn(value, words)
        self.assertTrue(await browser.run("document.querySelector('#act-update').disabled"))
        await browser.click("#tray .conf button")
        await browser.click("#act-update")
        await browser.until("document.querySelector('#tray').hidden")
        self.assertIn(("update", "anna", 4, {"quote_size": "0.2"}), self.console.calls)

    async def test_start_shows_the_plan_asks_and_then_a_quote_appears(self) -> None:
        browser = await self.open()
        await browser.click("#act-start")
        words = await self.dialog("Start trading with this plan?")
        for expected in ("buy BTC for USD on source", "0.4072", "24,576,900", "At your own target balances"):
            self.assertIn(expected, words)
        await browser.until(f"{TRADE}('TRADING')")
        await browser.until("document.querySelector('#p-quotes .px')?.innerText.includes('24,576,900')")
        await browser.click("#act-stop")
        await browser.until(f"{TRADE}('READY')")
        self.assertEqual([call[0] for call in self.console.calls if call[0] != "preview"], ["start", "stop"])

    async def test_start_is_refused_with_the_list_of_reasons(self) -> None:
        browser = await self.open()
        check = {"name": "rate", "ok": False, "message": "USD/HUF has no fixing since 2026-02-20"}
        self.console.change("trader", "checks", value=[check])
        await browser.until("document.querySelector('#p-control').innerText.includes('no fixing since')")
        await browser.click("#act-start")
        words = await self.dialog("START is not possible yet", confirm=False)
        self.assertIn("USD/HUF has no fixing since 2026-02-20", words)
        self.assertNotIn("start", [call[0] for call in self.console.calls])

    async def test_halt_states_its_consequences_and_reset_needs_a_note(self) -> None:
        browser = await self.open("trading")
        await browser.click("#act-halt")
        await browser.type("dialog[open] textarea", "a drill")
        words = await self.dialog("2 orders")
        self.assertIn("−0.00004 BTC unhedged", words)
        await browser.click("#act-reset")
        await browser.type("dialog[open] textarea", "all well")
        await self.dialog("a drill")
        self.assertEqual(self.console.calls, [("halt", "anna", "a drill"), ("reset", "anna", "all well")])

    async def test_a_dialog_that_is_escaped_does_nothing(self) -> None:
        browser = await self.open("trading")
        await browser.click("#act-halt")
        await self.dialog("Halt everything?", confirm=False)
        await browser.run(
            "document.querySelector('dialog[open]').dispatchEvent(new Event('cancel', {cancelable: true}))"
        )
        await browser.run("document.querySelector('dialog[open]').close()")
        self.assertEqual(self.console.calls, [])

    async def test_a_manual_transfer_is_reported_as_sent_with_the_amount_really_sent(self) -> None:
        browser = await self.open("trading")
        await browser.run("location.hash = 'transits'")
        await browser.click('[aria-label="T-11 needs you"] button')
        await browser.type('dialog[open] [name="amount"]', "24800.50")
        await self.dialog("from source to target")
        await browser.until(
            "!document.querySelector('[aria-label=\"T-11 needs you\"] .chip')?.innerText.includes('PROPOSED')"
        )
        self.assertEqual(self.console.calls, [("transfer", "anna", "T-11", "sent", "24800.50", None)])

    async def test_one_order_is_cancelled_after_its_consequences_are_said(self) -> None:
        browser = await self.open("trading")
        await browser.run("location.hash = 'orders'")
        await browser.click("#o-list tbody button")
        words = await self.dialog("buy 0.1 BTC/HUF at 24,576,900 on target")
        self.assertIn("it quotes again", words)
        self.assertEqual(self.console.calls, [("cancel", "anna", "target", "401", None)])

    async def test_to_cancel_all_at_a_venue_names_orders_too_that_are_not_ours(self) -> None:
        browser = await self.open("uncertain")
        await browser.click("#p-control .acts2 .danger")
        await self.dialog("1 order: buy 0.1 BTC/USD at 67,000 on source")
        self.assertEqual(self.console.calls, [("cancel", "anna", "source", None, None)])

    async def test_quotes_are_paused_after_their_consequences_are_said_and_go_on_again(self) -> None:
        browser = await self.open("trading")
        await browser.click("#p-control .pauses li:first-child button")
        words = await self.dialog("Pause quotes?")
        self.assertIn("buy 0.1 BTC/HUF at 24,576,900 on target", words)
        await browser.until("document.querySelector('#line').innerText.includes('On pause: quotes')")
        await browser.click("#p-control .pauses li:first-child button")
        await self.dialog("Go on with quotes?")
        await browser.until("document.querySelector('#line').innerText.includes('Quoting bid and ask')")
        said = [("pause", "anna", "quotes", True), ("pause", "anna", "quotes", False)]
        self.assertEqual(self.console.calls, said)

    async def test_a_transfer_is_proposed_by_hand_and_waits(self) -> None:
        browser = await self.open("trading")
        await browser.run("location.hash = 'state'")
        await browser.click("#s-hold tbody tr:nth-child(2) button")
        await browser.type('dialog[open] [name="amount"]', "0.5")
        words = await self.dialog("Propose a transfer of BTC?")
        self.assertIn("nothing leaves before you approve it", words)
        self.assertEqual(self.console.calls, [("propose", "anna", "BTC", ("source", "target"), "0.5", None)])
        await browser.run("location.hash = 'transits'")
        await browser.until("document.querySelector('#x-list').innerText.includes('hand-1')")

    async def test_a_transfer_is_approved_after_its_consequences_are_said(self) -> None:
        browser = await self.open("trading")
        self.console.propose("bela", "BTC", ("source", "target"), "0.5", None)
        await browser.run("location.hash = 'transits'")
        await browser.click('[aria-label="hand-1 needs you"] .primary')
        words = await self.dialog("Approve the transfer?")
        for expected in ("hand-1: 0.5 BTC from source to target", "by the machine, at once"):
            self.assertIn(expected, words)
        await browser.until("document.querySelector('#x-list tbody tr').innerText.includes('PLANNED')")
        self.assertIn(("transfer", "anna", "hand-1", "approve", None, None), self.console.calls)

    async def test_it_is_said_what_foreign_money_was(self) -> None:
        browser = await self.open("trading")
        await browser.run("location.hash = 'transits'")
        await browser.click("#x-flows tbody tr:first-child button")
        await browser.type('dialog[open] [name="text"]', "our own deposit")
        words = await self.dialog("What was it?")
        self.assertIn("0.25 BTC", words)
        self.assertEqual(self.console.calls, [("flow", "anna", "target/deposit/77", "our own deposit")])
        await browser.until("!document.querySelector('#x-flows').innerText.includes('not known')")

    async def test_what_would_change_the_plan_is_asked_for_and_shown(self) -> None:
        browser = await self.open("trading")
        await browser.run("location.hash = 'optimized'")
        await browser.until("document.querySelector('#z-insight')?.innerText.includes('target of BTC on source')")
        told = await browser.text("#z-insight table")
        for expected in (
            "buy BTC for USD on source: 0.406193, now 0.4072",
            "buy BTC for USD on source: off, now 0.4072",
        ):
            self.assertIn(expected, told)
        self.assertIn("it would cost 162.00 and gain 11.20", await browser.text("#z-off"))
        gain = """[...document.querySelectorAll('#z-off th button')].find((b) => b.innerText.includes('Would gain'))"""
        self.assertIn("before its costs", await browser.run(f"{gain}.dataset.help"))
        await browser.until("document.querySelector('#z-curves .js-plotly-plot')")
        self.assertEqual(browser.complaints(), [])

    async def test_a_search_that_its_budget_ended_is_marked(self) -> None:
        browser = await self.open("trading")
        await browser.run("location.hash = 'optimized'")
        await browser.until("document.querySelector('#z-why')?.innerText.includes('Solved in')")
        self.assertNotIn("budget used up", await browser.text("#z-why"))
        self.console.document["valuation"] |= {"exhausted": True, "branches": 4000}
        self.console.notify()
        await browser.until("document.querySelector('#z-why .tag')?.innerText.includes('budget used up')")
        self.assertIn("ended after 4,000 branches", await browser.text("#z-why"))

    async def test_what_was_left_of_before_is_told_from_the_first_moment_and_after_a_start_by_itself(self) -> None:
        browser = await self.open("empty")
        trader, line = self.console.document["trader"], "document.querySelector('#line').innerText"
        trader |= {"recovery": {"orders": 2, "transfers": 1, "fills": 0}}
        for state, by, expected in (
            ("DISCONNECTED", "machine", "recovering: 2 orders, 1 transit, 0 fills found"),
            ("INITIALIZING", "machine", "recovering: 2 orders, 1 transit, 0 fills found"),
            ("TRADING", "machine", "Resumed by itself, found of before: 2 orders, 1 transit, 0 fills"),
        ):
            trader |= {"state": state, "by": by}
            self.console.notify()
            await browser.until(f"{line}.includes('{expected}')")
        trader |= {"by": "anna"}
        self.console.notify()
        await browser.until(f"!{line}.includes('of before')")
        trader |= {"state": "INITIALIZING", "recovery": {"orders": 0, "transfers": 0, "fills": 0}}
        self.console.notify()
        await browser.until(f"{line}.includes('recovering: 0 orders, 0 transits, 0 fills found')")

    async def test_money_that_nobody_has_explained_comes_first(self) -> None:
        browser = await self.open("trading")
        asked, known = self.console.document["state"]["flows"]
        many = [{**known, "key": f"old {n}"} for n in range(40)]
        self.console.change("state", "flows", value=[*many, {**asked, "reference": "the oldest"}])
        await browser.run("location.hash = 'transits'")
        first = "document.querySelector('#x-flows tbody tr')?.innerText"
        await browser.until(f"{first}?.includes('the oldest')")

    async def test_a_test_alarm_tells_how_each_channel_took_it(self) -> None:
        browser = await self.open("trading")
        await browser.run("document.querySelector('#p-alarms details').open = true")
        await browser.click("#p-alarms .acts2 button")
        await self.dialog("Send a test alarm?")
        await browser.until("document.querySelector('#toasts').innerText.includes('mail: taken')")

    async def test_a_quote_tells_its_edge_net_and_gross_and_a_fill_how_long_it_was_open(self) -> None:
        browser = await self.open("trading")
        quotes = await browser.text("#p-quotes .side.bid")
        self.assertRegex(quotes, r"Net edge\s+78\.\d+ USD/BTC\s+Gross edge\s+312\.91 USD/BTC")
        self.assertIn("1.000 s", await browser.text("#p-hedges tbody"))

    async def test_a_difference_to_the_ledger_is_told_once_it_lasts(self) -> None:
        browser = await self.open("trading")
        await browser.run("location.hash = 'valuation'")
        found = [{"venue": "target", "asset": "HUF", "ledger": "5", "told": "4"}]
        self.console.change("pnl", "differences", value=found)
        self.console.change("trader", "reason", value="looked at once")
        await browser.until("document.querySelector('#state .since').title === 'looked at once'")
        self.assertNotIn("nobody has explained", await browser.text("#v-pnl"))
        await browser.run("const now = performance.now.bind(performance); performance.now = () => now() + 11000; 0")
        self.console.change("trader", "reason", value="looked at again")
        await browser.until("document.querySelector('#v-pnl').innerText.includes('nobody has explained')")

    async def test_a_latency_above_a_second_is_told_in_full(self) -> None:
        browser = await self.open("trading")
        self.assertIn("1,070 ms", await browser.text("#p-speeds tbody"))

    async def test_a_viewer_sees_everything_and_can_press_nothing(self) -> None:
        browser = await self.open("trading", "vera")
        buttons = "document.querySelectorAll('#acts button, #p-exp button, #p-control button')"
        pressable = f"[...{buttons}].filter((b) => !b.disabled).length"
        self.assertEqual(await browser.run(pressable), 0)
        self.assertIn("24,576,900", await browser.text("#p-quotes"))

    async def test_a_lost_connection_is_said_and_switches_the_buttons_off(self) -> None:
        browser = await self.open("trading")
        await self.service.stop()
        await browser.until(
            "document.querySelector('#line .lost')?.innerText.includes('No news from the daemon')", 5
        )  # 2.25 s when idle
        self.assertTrue(await browser.run("[...document.querySelectorAll('#acts button')].every((b) => b.disabled)"))
        self.assertIn("?", await browser.run("document.title"))

    async def test_where_sockets_are_impossible_the_page_polls_and_stays_true(self) -> None:
        browser = await self.open("trading")
        await browser.before(
            """globalThis.WebSocket = class { readyState = 3; close() {}
                constructor() { setTimeout(() => this.onclose({code: 1006}), 10); } };"""
        )
        await browser.go(self.url + "/?again")
        await browser.until("document.querySelector('#state time')")
        self.console.change("trader", "reason", value="polled")
        await browser.until("document.querySelector('#state .since').title === 'polled'", 4)
        self.assertEqual(await browser.run("document.querySelector('#line .lost')"), None)
        self.assertEqual(len(self.service._pages.pages), 0)

    async def test_the_end_of_the_session_is_said_and_edits_are_kept(self) -> None:
        browser = await self.open()
        await self.edit("quote size", "0.2")
        await browser.until("!document.querySelector('#tray').hidden")
        self.service.sessions.end_all()
        await browser.until("document.querySelector('#line').innerText.includes('The session has ended')")
        await self.sign_in("anna", USERS["anna"])
        await browser.until("""document.querySelector('[aria-label="quote size"]')?.value === '0.2'""")

    async def test_the_pool_is_stopped_and_tabs_are_changed_by_keyboard(self) -> None:
        browser = await self.open("trading")
        await browser.run("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '5', bubbles: true}))")
        await browser.until("!document.querySelector('#tab-transits').hidden")
        await browser.run("document.querySelector('#act-stop').focus()")
        self.assertEqual(await browser.run("document.activeElement.id"), "act-stop")

    async def test_money_is_grouped_as_text_and_subtracted_exactly_and_no_cell_is_a_formula(self) -> None:
        browser = await self.open()
        base = await browser.run("document.querySelector('script[type=module]').src.replace(/main.js$/, 'format.js')")
        expected = {
            'group("-1234567.10")': "−1,234,567.10",
            'group("-0.00")': "0.00",
            'group("100")': "100",
            'group("0.00000001")': "0.00000001",
            'group("1E+3")': "1E+3",
            'group("12", true)': "+12",
            'minus("0.3", "0.1")': "0.2",
            'minus("1", "1.00000000000000000001")': "-0.00000000000000000001",
            'minus("12345678901234567890", "0.5")': "12345678901234567889.5",
            'minus("x", "1")': None,
            'plus("0.1", "0.2")': "0.3",
            'plus("0.1", "-0.2")': "-0.1",
            'plus("1", "x")': None,
            'times("24576900", "0.75")': "18432675",
            'times("-0.1", "0.00000001")': "-0.000000001",
            'times("x", "1")': None,
            'rounded("2.345", 2)': "2.35",
            'rounded("-0.005", 2)': "-0.01",
            'rounded("9.99", 1)': "10.0",
            'rounded("7", 2)': "7",
            'rounded("0.4", 0)': "0",
            'same("0.10", "0.1")': True,
            'same("1", "2")': False,
            """csvCell('=cmd|"a"!A1')""": """"'=cmd|""a""!A1\"""",
            "csvCell('@SUM(A1)')": "'@SUM(A1)",
            "csvCell('-1+2')": "'-1+2",
            "csvCell('-1.5')": "-1.5",
            "csvCell('BTC/USD = 3')": "BTC/USD = 3",
            "age(61.5)": "61 s",
            "age(3 * 86400)": "3 d 0 h",
        }
        calls = ", ".join(f"f.{call}" for call in expected)
        answers = await browser.run(f"import({json.dumps(base)}).then((f) => JSON.stringify([{calls}]))")
        self.assertEqual(dict(zip(expected, json.loads(answers), strict=True)), expected)
