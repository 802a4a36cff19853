"""The operator's door: what it shows is what is so, and what it is asked for is done whole or not at all."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from attrs import evolve
from twisted.internet.defer import fail
from twisted.internet.task import Clock

from clients.exchange import Side
from ilp.figures import amount
from ilp.journal.entries import TransferState
from ilp.journal.interface import JournalError
from ilp.operator import Operator
from ilp.parameters import Table
from ilp.pool.answer import answer_document
from ilp.pool.document import parse_pool
from ilp.pool.optimizer import solve
from ilp.trading.audit import Compared
from ilp.trading.machine import State
from ilp.trading.status import Recovery
from tests.journal.samples import flow, transfer
from tests.operator_case import GIVEN, TARGETS, OperatorCase
from tests.trading.world import BTC, D, World
from web.document import problems
from web.exposition import Exposition


class SnapshotTests(OperatorCase):
    """What the operator sees."""

    def test_it_has_the_shape_that_the_console_reads_while_ready(self) -> None:
        self.assertEqual(problems(self.operator.snapshot()), "")

    def test_it_has_that_shape_while_trading_with_fills_and_hedges(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.until(lambda: len(self.world.open_orders()) == 2)
        self.world.take(Side.SELL)
        self.world.advance(3)
        document = self.operator.snapshot()
        self.assertEqual(problems(document), "")
        self.assertTrue(document["trader"]["fills"])
        self.assertTrue(document["trader"]["hedges"])

    def test_it_is_json_without_floats_for_money(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.advance(3)
        document = json.loads(json.dumps(self.operator.snapshot()))
        for holding in document["state"]["holdings"]:
            self.assertIsInstance(holding["total"], str)

    def test_before_anything_is_known_it_has_the_same_shape(self) -> None:
        world = World()
        self.addCleanup(world.end)
        operator = Operator(world.trader, world.settings, Table.of(GIVEN, dict(TARGETS)), self.journal)
        self.addCleanup(operator.close)
        self.assertEqual(problems(operator.snapshot()), "")

    def test_variances_are_told_with_what_prices_have_in_common(self) -> None:
        variances = self.world.trader.variances
        variances.estimates["HUF"] = evolve(
            variances.estimates["HUF"], newest=self.world.trader.clock.now() - timedelta(minutes=1)
        )
        variances.covariance = ((250.0, -1e-4), (-1e-4, 1e-9))
        shown = self.operator.snapshot()["state"]["variances"]
        self.assertEqual((shown["BTC/USD"]["correlation"], shown["BTC/USD"]["age"]), (None, None))
        self.assertEqual((shown["HUF/USD"]["correlation"], shown["HUF/USD"]["age"]), ("-0.2", 60.0))

    def test_a_variance_that_could_not_be_renewed_says_so_beside_where_it_is_from(self) -> None:
        self.world.trader.variances.problems["HUF"] = "the feed answered 503"
        shown = self.operator.snapshot()["state"]["variances"]
        self.assertEqual(shown["HUF/USD"]["origin"], "override; could not be renewed: the feed answered 503")
        self.assertEqual(shown["BTC/USD"]["origin"], "override")

    def test_transfers_that_are_not_final_are_told_however_many_ended_since(self) -> None:
        book = self.world.trader.transfers._book
        now = self.world.trader.clock.now()
        states = TransferState.UNCERTAIN, TransferState.SENT, *[TransferState.ARRIVED] * 120
        for n, state in enumerate(states):
            began = now - timedelta(days=5) + timedelta(minutes=n)
            book.put(transfer(f"T-{n}", state, created=began, since=began, due=began))
        document = self.operator.snapshot()
        told = document["state"]["transfers"]
        self.assertEqual([row["id"] for row in told[-3:]], ["T-22", "T-1", "T-0"])
        self.assertEqual(len(told), 102)
        self.assertEqual(told[-1]["actions"], ["resolve"])
        figures = Exposition(lambda: document, None, lambda: 0, Clock()).text().decode()
        self.assertIn("ilp_transfers_overdue 2.0", figures)

    def test_flows_that_nobody_has_explained_are_told_however_many_came_since(self) -> None:
        flows = self.world.trader.transfers._book.flows
        for n in range(120):
            entry = flow(f"target/deposit/{n:03}", seconds=n)
            flows[entry.key] = entry if n in (3, 119) else evolve(entry, classified="interest", by="machine")
        told = [row["key"] for row in self.operator.snapshot()["state"]["flows"]]
        self.assertEqual(told[:2], ["target/deposit/003", "target/deposit/070"])
        self.assertEqual(len(told), 51)

    def test_what_was_found_of_before_is_told(self) -> None:
        self.world.trader.recovery = Recovery(orders=2, transfers=1, fills=3)
        self.world.trader.audit.strays.add(("target", "17"))
        found = self.operator.snapshot()["trader"]["recovery"]
        self.assertEqual(found, {"orders": 3, "transfers": 1, "fills": 3})

    def test_a_search_that_its_budget_ended_says_so(self) -> None:
        self.assertIs(self.operator.snapshot()["valuation"]["exhausted"], False)
        loop = self.world.trader.loop
        assert loop.optimum is not None
        loop.optimum = evolve(loop.optimum, solution=solve(loop.optimum.pool, budget=1))
        shown = self.operator.snapshot()["valuation"]
        self.assertEqual((shown["exhausted"], shown["branches"]), (True, 1))

    def test_a_holding_of_which_more_is_spoken_for_than_there_is_asks_for_a_person(self) -> None:
        loop = self.world.trader.loop
        assert loop.optimum is not None
        pool = loop.optimum.pool
        poor = evolve(pool, holdings=(evolve(pool.holdings[0], available=-12.5), *pool.holdings[1:]))
        loop.optimum = evolve(loop.optimum, pool=poor, solution=solve(poor))
        (need,) = self.operator.snapshot()["needs_you"]
        self.assertIn("source: USD is overdrawn by 12.5", need["text"])

    def test_resting_quotes_are_those_that_rest_at_the_venue(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.until(lambda: len(self.world.open_orders()) == 2)
        self.world.advance(1)
        shown = self.operator.snapshot()["trader"]["quotes"]["target"]["BTC/HUF"]
        resting = {(side, quote["price"], quote["size"]) for side, quote in shown.items() if quote["resting"]}
        truth = {
            (
                "bid" if order.side is Side.BUY else "ask",
                str(order.price // 100),
                amount(BTC.amount(order.quantity_left)),
            )
            for order in self.world.open_orders()
        }
        self.assertTrue(truth)
        self.assertEqual(resting, truth)

    def test_an_order_that_the_venue_does_not_list_and_one_that_is_not_ours_are_marked(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.until(lambda: len(self.world.open_orders()) == 2)
        self.world.advance(1)
        ours = self.world.trader.desk.live("target")[0]
        strange: Any = {
            "id": "9999",
            "contract": "BTC/HUF",
            "side": Side.SELL,
            "price": D(90000),
            "quantity": D(1),
            "quantity_left": D(1),
            "timestamp": self.world.clock.now(),
        }
        compared = Compared(self.world.clock.now(), frozenset({ours.key}), (strange,))
        self.world.trader.audit.compared["target"] = compared
        orders = self.operator.snapshot()["state"]["orders"]["target"]
        self.assertIn("only in our records", orders[ours.order_id]["flag"])
        self.assertIn("only at the venue", orders["9999"]["flag"])

    def test_when_orders_were_last_compared_is_told(self) -> None:
        self.assertIsNotNone(self.operator.snapshot()["state"]["compared"]["target"])

    def test_a_side_without_a_quote_has_one_reason(self) -> None:
        quotes = self.operator.snapshot()["trader"]["quotes"]["target"]["BTC/HUF"]
        (reason,) = {side["reason"] for side in quotes.values()}
        self.assertRegex(reason, r"^READY since \d\d:\d\d:\d\d UTC \(ready, .*\): quotes need TRADING$")

    def test_the_pool_at_the_operators_own_targets_is_watched(self) -> None:
        """The sample parameters sell at once although every balance is at its target: the operator has to be told."""
        (notice,) = [n["text"] for n in self.operator.snapshot()["notices"] if n["level"] == "warn"]
        self.assertIn("sell BTC for USD on source", notice)

    def test_the_pool_can_be_downloaded_and_solved(self) -> None:
        pool = parse_pool(json.loads(json.dumps(self.operator.pool())))
        shown = self.operator.snapshot()["valuation"]["optimized"]["value"]
        self.assertEqual(f"{solve(pool).optimized.value:.2f}", shown)

    def test_an_executed_plan_solved_again_comes_out_again(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.until(lambda: bool(self.operator.plans()["plans"]))
        plan = json.loads(json.dumps(self.operator.plans()["plans"][0]))
        pool = parse_pool(plan["pool"])
        again = answer_document(pool, solve(pool))
        self.assertEqual(again["optimized"]["moves"], plan["answer"]["optimized"]["moves"])

    def test_it_can_be_asked_what_would_change_the_plan(self) -> None:
        document = json.loads(json.dumps(self.done(self.operator.insight())))
        labels = {found["label"] for found in document["sensitivities"]}
        self.assertIn("target of BTC on source", labels)
        self.assertIn("fixed charge of transfers USD, source – target", labels)
        self.assertEqual({(p["venue"], p["asset"]) for p in document["shadow_prices"]}, set(TARGETS))
        planned = [move["amount"] for move in self.operator.snapshot()["valuation"]["optimized"]["moves"]]
        tried = [found["moves"] for found in document["sensitivities"]]
        for moves in tried:
            self.assertCountEqual([move["before"] for move in moves if D(move["before"])], planned)
        self.assertTrue([move for moves in tried for move in moves if move["amount"] != move["before"]])
        off = {found["label"]: found["reason"] for found in document["why_off"]}
        self.assertTrue(off["buy BTC for USD on source"])

    def test_the_cost_curve_of_a_move_holds_the_amount_that_the_plan_has(self) -> None:
        found = self.done(self.operator.insight())
        curves = [curve for curve in found["curves"] if D(curve["chosen"]) > 0]
        self.assertTrue(curves)
        for curve in curves:
            amounts = [D(amount) for amount, _ in curve["points"]]
            self.assertLessEqual(amounts[0], D(curve["chosen"]))
            self.assertLessEqual(D(curve["chosen"]), amounts[-1])
            costs = [D(cost) for _, cost in curve["points"]]
            self.assertEqual(costs, sorted(costs))

    def test_latencies_are_told_as_they_were_observed(self) -> None:
        self.world.trader.metrics.histogram("test_seconds", "A test.").observe(0.004)
        self.world.advance(6)
        found = {speed["name"]: speed for speed in self.operator.snapshot()["speeds"]}["test_seconds"]
        self.assertEqual((found["count"], found["worst"], sum(found["counts"])), (1, 0.004, 1))

    def test_a_change_is_told_to_whoever_listens(self) -> None:
        told: list[None] = []
        stop = self.operator.subscribe(lambda: told.append(None))
        self.world.show_source(self.world.bid + 1, self.world.ask + 1)
        self.world.advance(0.1)
        self.assertTrue(told)
        stop()
        told.clear()
        self.world.show_source(self.world.bid + 1, self.world.ask + 1)
        self.world.advance(0.1)
        self.assertEqual(told, [])

    def test_the_ledgers_of_the_accounts_are_shown_newest_first(self) -> None:
        self.operator.ledgers.start()
        self.world.advance(1)
        lines = self.operator.snapshot()["state"]["transactions"]["source"]
        self.assertEqual({line["type"] for line in lines}, {"Deposit"})
        self.assertEqual(lines, sorted(lines, key=lambda line: line["timestamp"], reverse=True))


class TradingTests(OperatorCase):
    """START, STOP, HALT, RESET and acts by hand."""

    def test_start_trades_and_says_by_whom(self) -> None:
        self.assertEqual(self.done(self.operator.start("anna"))["state"], "TRADING")
        trader = self.operator.snapshot()["trader"]
        self.assertEqual((trader["state"], trader["by"], trader["wanted"]), ("TRADING", "anna", True))

    def test_start_twice_is_declined_with_the_reason(self) -> None:
        self.done(self.operator.start("anna"))
        declined = self.declined(self.operator.start("anna"))
        self.assertEqual(declined.status, 409)
        self.assertIn("READY", declined.document["reasons"][0])

    def test_stop_is_confirmed_by_the_venues(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.until(lambda: len(self.world.open_orders()) == 2)
        self.done(self.operator.stop("anna"))
        self.assertTrue(self.world.until(lambda: self.world.trader.life.state is State.READY))
        self.assertEqual(self.world.open_orders(), [])
        self.assertIsNotNone(self.operator.snapshot()["trader"]["confirmation"]["at"])

    def test_halt_cancels_everything_and_needs_a_note_to_end(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.until(lambda: len(self.world.open_orders()) == 2)
        self.done(self.operator.halt("anna", "smoke"))
        self.assertTrue(self.world.until(lambda: not self.world.open_orders()))
        self.assertEqual(self.declined(self.operator.reset("anna", " ")).status, 409)
        self.assertIn("smoke", self.operator.snapshot()["needs_you"][0]["text"])
        self.done(self.operator.reset("anna", "a false alarm"))
        self.assertTrue(self.world.until(lambda: self.world.trader.life.state is State.READY))

    def test_hedging_by_hand_with_nothing_open_is_declined(self) -> None:
        self.assertIn("nothing to hedge", self.declined(self.operator.hedge("anna")).document["reasons"][0])

    def test_cancelling_a_side_takes_it_off_the_book(self) -> None:
        self.done(self.operator.start("anna"))
        self.world.until(lambda: len(self.world.open_orders()) == 2)
        self.assertEqual(self.done(self.operator.cancel("anna", "target", None, "BUY")), {"cancelled": 1})

    def test_cancelling_a_pair_that_is_not_traded_there_is_declined_with_those_that_are(self) -> None:
        declined = self.declined(self.operator.cancel("anna", "target", None, None, "BTC/USD"))
        self.assertIn("must be BTC/HUF", str(declined.document))

    def test_cancelling_at_a_venue_that_is_not_there_is_declined(self) -> None:
        declined = self.declined(self.operator.cancel("anna", "moon", None, None))
        self.assertEqual((declined.status, declined.document["errors"][0]["field"]), (400, "venue"))

    def test_an_act_on_a_transfer_that_does_not_exist_is_declined(self) -> None:
        self.assertEqual(self.declined(self.operator.transfer("anna", "T-1", "approve", None, None)).status, 409)

    def test_money_that_the_pool_did_not_move_waits_until_somebody_says_what_it_was(self) -> None:
        core = self.world.source_core
        core.deposit("BTC", BTC.units(D("0.25")), core.current_address("pool", "BTC"), "a-chain-id")
        self.world.until(lambda: self.operator.snapshot()["state"]["flows"], 120, 0.1)
        (flow,) = self.operator.snapshot()["state"]["flows"]
        self.assertEqual((flow["quantity"], flow["asset"], flow["classified"]), ("0.25", "BTC", None))
        self.assertIn("say what it was", str(self.operator.snapshot()["needs_you"]))
        told = self.done(self.operator.flow("anna", flow["key"], "our own deposit"))
        self.assertEqual((told["classified"], told["by"]), ("our own deposit", "anna"))
        self.assertNotIn("say what it was", str(self.operator.snapshot()["needs_you"]))

    def test_a_flow_that_does_not_exist_cannot_be_classified(self) -> None:
        self.assertEqual(self.declined(self.operator.flow("anna", "moon", "a gift")).status, 409)

    def test_a_pause_is_told_and_ends_as_it_began(self) -> None:
        self.assertEqual(self.done(self.operator.pause("anna", "hedges", True)), {"paused": ["hedges"]})
        self.assertEqual(self.operator.snapshot()["trader"]["paused"], ["hedges"])
        self.assertEqual(self.done(self.operator.pause("anna", "hedges", False)), {"paused": []})

    def test_what_cannot_be_paused_is_declined(self) -> None:
        self.assertEqual(self.declined(self.operator.pause("anna", "cancels", True)).status, 400)

    def test_a_proposal_by_hand_waits_among_the_transfers(self) -> None:
        entry = self.done(self.operator.propose("anna", "BTC", ("target", "source"), "2", "for the weekend"))
        self.assertEqual((entry["state"], entry["by"], entry["amount"]), ("PROPOSED", "anna", "2"))
        self.assertIn(entry["id"], [t["id"] for t in self.operator.snapshot()["state"]["transfers"]])

    def test_a_proposal_that_the_pool_cannot_make_names_the_field(self) -> None:
        for asset, way, size, field in (
            ("EUR", ("source", "target"), "1", "asset"),
            ("BTC", ("mars", "target"), "1", "from"),
            ("BTC", ("source", "target"), "nan", "amount"),
        ):
            declined = self.declined(self.operator.propose("anna", asset, way, size, None))
            self.assertEqual((declined.status, declined.document["errors"][0]["field"]), (400, field))

    def test_an_amount_that_is_no_number_is_declined(self) -> None:
        declined = self.declined(self.operator.transfer("anna", "T-1", "sent", "much", None))
        self.assertEqual(declined.document["errors"][0]["field"], "amount")


class ParameterTests(OperatorCase):
    """Edits while the pool runs."""

    def test_an_edit_changes_the_plan_and_places_nothing(self) -> None:
        before = self.moves()
        edits = {"target_balance.source.BTC": "9", "target_balance.target.BTC": "9"}
        self.assertEqual(self.done(self.operator.update("anna", 0, edits)), {"version": 1})
        self.world.advance(1)
        self.assertNotEqual(self.moves(), before)
        self.assertEqual(self.world.open_orders("source") + self.world.open_orders("target"), [])

    def test_an_edit_is_journaled_with_user_old_and_new_value(self) -> None:
        self.done(self.operator.update("anna", 0, {"quote_size": "0.2"}))
        (edit,) = self.journal.edits_kept()
        self.assertEqual(
            (edit.name, edit.old, edit.new, edit.by, edit.version), ("quote_size", "0.1", "0.2", "anna", 1)
        )

    def test_one_wrong_edit_spoils_all_of_them(self) -> None:
        declined = self.declined(self.operator.update("anna", 0, {"quote_size": "0.2", "edge_to_leave": "3"}))
        self.assertEqual((declined.status, declined.document["errors"][0]["field"]), (400, "edge_to_leave"))
        self.assertEqual(self.operator.snapshot()["trader"]["parameters"]["quote_size"]["value"], "0.1")

    def test_an_edit_of_an_old_version_is_declined_with_both_values(self) -> None:
        self.done(self.operator.update("anna", 0, {"quote_size": "0.2"}))
        declined = self.declined(self.operator.update("bela", 0, {"quote_size": "0.3"}))
        self.assertEqual(declined.status, 409)
        self.assertEqual(declined.document["conflicts"]["quote_size"], {"yours": "0.3", "theirs": "0.2", "by": "anna"})

    def test_an_edit_that_cannot_be_journaled_is_not_made(self) -> None:
        self.patch(self.journal, "record", lambda *_: fail(JournalError("disk full")))
        declined = self.declined(self.operator.update("anna", 0, {"quote_size": "0.2"}))
        self.assertEqual(declined.status, 503)
        self.assertEqual(self.operator.snapshot()["trader"]["parameters"]["quote_size"]["value"], "0.1")

    def test_a_preview_shows_another_plan_and_changes_nothing(self) -> None:
        before = self.operator.snapshot()
        edits = {"target_balance.source.BTC": "9", "target_balance.target.BTC": "9"}
        preview = self.done(self.operator.preview(edits))
        self.assertNotEqual(preview["valuation"]["rounded"]["moves"], before["valuation"]["rounded"]["moves"])
        self.assertEqual(self.operator.snapshot()["trader"]["parameters"], before["trader"]["parameters"])
        self.assertEqual(self.operator.snapshot()["version"], before["version"])

    def test_a_preview_shows_prices_that_the_venue_would_take(self) -> None:
        tick = self.world.trader.floor.rules(self.world.trader.layout.target)["tick_size"]
        quotes = self.done(self.operator.preview({}))["quotes"]["target"]["BTC/HUF"]
        for side in quotes.values():
            self.assertEqual(D(side["price"]) % tick, 0)

    def test_in_ready_it_is_shown_what_start_would_place_and_start_places_that(self) -> None:
        before = self.operator.snapshot()["trader"]["quotes"]["target"]["BTC/HUF"]
        self.assertFalse(before["bid"]["resting"])
        self.done(self.operator.start("anna"))
        self.world.until(lambda: self.world.quote(Side.BUY) is not None)
        placed = self.world.quote(Side.BUY)
        assert placed is not None
        self.assertEqual(before["bid"]["price"], str(placed.price // 100))

    def test_a_preview_of_wider_edges_shows_quotes_further_away(self) -> None:
        near = self.done(self.operator.preview({}))["quotes"]["target"]["BTC/HUF"]["bid"]["price"]
        far = self.done(self.operator.preview({"edge_to_enter": "5"}))["quotes"]["target"]["BTC/HUF"]["bid"]["price"]
        self.assertLess(float(far), float(near))

    def test_a_skew_of_more_than_a_hundredth_of_the_mark_has_to_be_confirmed(self) -> None:
        declined = self.declined(self.operator.update("anna", 0, {"max_skew": "3"}))
        self.assertIn("confirm", declined.document["errors"][0]["message"])
        self.done(self.operator.update("anna", 0, {"max_skew": "3", "confirm": ["max_skew"]}))
        self.assertEqual(self.operator.snapshot()["trader"]["parameters"]["max_skew"]["value"], "3")
