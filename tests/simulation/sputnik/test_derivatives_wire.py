"""Predictions and futures on the wire, by a plain WAMP session: what is refused, what is told."""

from __future__ import annotations

from clients.exchange import Side
from ilp.simulation.bodies import BadRequest
from ilp.simulation.truth import ledger_document
from tests.simulation.sputnik.cases import asynchronous
from tests.simulation.sputnik.derivatives_world import DerivativesTestCase
from tests.simulation.sputnik.world import order, user_topic

BAD_ORDER = ["exceptions/accountant/invalid_price_quantity"]


class OrderRuleTests(DerivativesTestCase):
    """The rules in which they differ from pairs."""

    async def refusal(self, contract: str, side: str, price: int, quantity: int) -> list[object]:
        wire = await self.world.login("alice")
        error: list[object] = await wire.error("rpc.trader.place_order", order(contract, side, price, quantity))
        return error

    @asynchronous
    async def test_a_prediction_costs_at_most_its_denominator(self) -> None:
        self.assertEqual(await self.refusal("NETS", "BUY", 1001, 1), BAD_ORDER)
        wire = await self.world.login("alice")
        self.assertGreater(await wire.result("rpc.trader.place_order", order("NETS", "BUY", 1000, 1)), 0)

    @asynchronous
    async def test_a_future_may_cost_more_than_its_denominator(self) -> None:
        wire = await self.world.login("alice")
        self.assertGreater(await wire.result("rpc.trader.place_order", order("USDBTC0W", "BUY", 1500, 1)), 0)

    @asynchronous
    async def test_the_tick_counts_and_the_lot_does_not(self) -> None:
        self.assertEqual(await self.refusal("IPO", "BUY", 255, 1), BAD_ORDER)
        wire = await self.world.login("alice")
        self.assertGreater(await wire.result("rpc.trader.place_order", order("IPO", "BUY", 250, 7)), 0)

    @asynchronous
    async def test_an_expired_contract_takes_no_orders(self) -> None:
        self.clock.advance(31 * 86400)
        self.assertEqual(await self.refusal("NETS", "BUY", 500, 1), ["exceptions/accountant/contract_expired"])

    @asynchronous
    async def test_a_contract_that_is_being_settled_is_refused_with_the_number_first(self) -> None:
        self.core.clearing.add("NETS")
        self.assertEqual(await self.refusal("NETS", "BUY", 500, 1), [9, "exceptions/accountant/contract_clearing"])

    @asynchronous
    async def test_margin_that_is_not_there_is_missed(self) -> None:
        wire = await self.world.login("zoe")
        error = await wire.error("rpc.trader.place_order", order("NETS", "SELL", 500, 1))
        self.assertEqual(error, ["exceptions/accountant/insufficient_margin"])


class TellingTests(DerivativesTestCase):
    """What their owner is told."""

    @asynchronous
    async def test_all_eight_and_the_currencies_are_listed(self) -> None:
        wire = await self.world.join()
        kinds = [contract["contract_type"] for contract in (await wire.result("rpc.market.get_markets")).values()]
        self.assertEqual([kinds.count(k) for k in ("cash", "cash_pair", "prediction", "futures")], [3, 2, 2, 4])

    @asynchronous
    async def test_the_reference_price_is_there_once_a_future_was_traded(self) -> None:
        wire = await self.world.login("carol")
        self.trade("USDBTC0W", 1000, 2)
        self.trade("NETS", 500, 1)
        positions = await wire.result("rpc.trader.get_positions")
        expected = {"contract": "USDBTC0W", "position": 2, "reference_price": 1000}
        self.assertEqual(positions["USDBTC0W"], expected)
        self.assertEqual(positions["NETS"], {"contract": "NETS", "position": 1, "reference_price": None})
        other = await (await self.world.login("dave")).result("rpc.trader.get_positions")
        self.assertEqual(other["USDBTC0W"]["position"], -2)

    @asynchronous
    async def test_a_match_is_told_as_cash_contracts_fee_order_fill(self) -> None:
        wire = await self.world.login("bob")
        await wire.subscribe(*(user_topic(kind, "bob") for kind in ("transactions", "orders", "fills")))
        self.core.place("dave", "NETS", Side.SELL, 500, 3)
        id = self.world.place("bob", "NETS", "BUY", 500, 3)
        told = [payload for _, payload in await wire.events(6)]
        moved = [(p["contract"], p["direction"], p["quantity"], p["note"]) for p in told[1:4]]
        note = f"Aggressive order: {id}"
        expected = [("BTC", "debit", 1_500_000, note), ("NETS", "credit", 3, note), ("BTC", "debit", 30_000, "Fee")]
        self.assertEqual(moved, expected)
        self.assertEqual((told[4]["quantity_left"], told[5]["fees"]), (0, {"BTC": 30_000}))

    @asynchronous
    async def test_settlement_is_told_as_clearing_with_its_signs(self) -> None:
        wire = await self.world.login("dave")
        self.trade("NETS", 500, 3)
        await wire.subscribe(user_topic("transactions", "dave"))
        self.core.settle("NETS", 1000)
        told = [payload for _, payload in await wire.events(2)]
        moved = [(p["type"], p["contract"], p["direction"], p["quantity"]) for p in told]
        expected = [("Clearing", "BTC", "credit", -3_000_000), ("Clearing", "NETS", "debit", -3)]
        self.assertEqual(moved, expected)
        self.assertEqual(told[0]["note"], "Clearing transaction for NETS at price: 1")

    @asynchronous
    async def test_settlement_cancels_what_is_open_and_tells_it(self) -> None:
        wire = await self.world.login("alice")
        await wire.subscribe(user_topic("orders", "alice"))
        self.world.place("alice", "NETS", "BUY", 400, 1)
        self.core.settle("NETS", 0)
        told = [payload["is_cancelled"] for _, payload in await wire.events(2)]
        self.assertEqual(told, [False, True])

    @asynchronous
    async def test_the_safe_price_follows_trades_and_is_what_margins_are_made_of(self) -> None:
        wire = await self.world.join()
        self.assertEqual((await wire.result("rpc.market.get_safe_prices"))["USDBTC0W"], 42)
        self.trade("USDBTC0W", 1000, 1)
        self.assertEqual((await wire.result("rpc.market.get_safe_prices", ["USDBTC0W"]))["USDBTC0W"], 1000)
        self.assertEqual(self.core.margin("carol"), 50_000)


class OperatorTests(DerivativesTestCase):
    """Settlement by the operator's switches."""

    @asynchronous
    async def test_a_prediction_is_settled_at_a_price_in_human_units(self) -> None:
        wire = await self.world.login("carol")
        self.trade("NETS", 500, 3)
        self.world.venue.fault({"settle": {"ticker": "NETS", "price": "0.25"}})
        positions = await wire.result("rpc.trader.get_positions")
        self.assertEqual(positions["NETS"]["position"], 0)
        self.assertEqual(positions["BTC"]["position"], 10**10 - 1_500_000 + 750_000)

    @asynchronous
    async def test_a_future_is_marked_to_its_safe_price(self) -> None:
        wire = await self.world.login("dave")
        self.trade("USDBTC0W", 1000, 2)
        self.clock.advance(3600)
        self.trade("USDBTC0W", 1200, 1, "alice", "bob")
        self.world.venue.fault({"mark_to_market": "USDBTC0W"})
        safe = (await wire.result("rpc.market.get_safe_prices", ["USDBTC0W"]))["USDBTC0W"]
        position = (await wire.result("rpc.trader.get_positions"))["USDBTC0W"]
        self.assertEqual(position, {"contract": "USDBTC0W", "position": -2, "reference_price": safe})
        self.assertGreater(safe, 1000)

    @asynchronous
    async def test_mistakes_are_named_and_change_nothing(self) -> None:
        for wanted in (
            {"settle": {"ticker": "BTC/HUF", "price": "1"}},
            {"settle": {"ticker": "NETS", "price": "0.0005"}},
            {"settle": {"ticker": "NETS"}},
            {"settle": {"ticker": "NETS", "price": "much"}},
            {"mark_to_market": "NETS"},
            {"mark_to_market": 1},
        ):
            with self.assertRaises(BadRequest) as refused:
                self.world.venue.fault(wanted)
            self.assertIn(refused.exception.field, wanted)
        self.assertEqual(self.core.clearing, set())

    @asynchronous
    async def test_the_ledger_shows_pieces_and_what_margins_hold(self) -> None:
        self.trade("NETS", 500, 3)
        shown = ledger_document(self.core)["accounts"]["dave"]
        self.assertEqual(shown["NETS"], {"total": "-3", "held": "0", "available": "-3"})
        self.assertEqual(shown["BTC"]["held"], "0.03")
