"""Predictions and futures through the client, over both ways of talking, against the simulated exchange."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from twisted.internet import reactor, task
from twisted.trial.unittest import SynchronousTestCase, TestCase

from clients.exchange import InsufficientFunds, OrderRejected, Side
from clients.sputnik import Sputnik
from clients.sputnik_account import Account
from clients.sputnik_history import read_fills
from clients.sputnik_margin import UNKNOWN, Resting, margin
from clients.sputnik_references import References
from clients.sputnik_rest import SputnikRest
from clients.sputnik_wire import Contract, Contracts, TransactionMessage, parse_transaction
from tests.clients.bench import DAY, ContractCase, asynchronous, eventually
from tests.clients.sputnik_contracts import CONTRACTS
from tests.clients.test_sputnik_contract import QUICK, SputnikBench
from tests.simulation.sputnik.derivatives_world import make_exchange
from tests.simulation.sputnik.world import START, World, make_world

D = Decimal

# A future as the examples of 5.6 have it.
WEEK = Contract("USDBTC0W", "futures", 1000, 1, 10**5, "BTC", "USDBTC0W", margin_low=25, margin_high=50)
LISTED = Contracts({**{ticker: CONTRACTS[ticker] for ticker in ("BTC", "NETS")}, "USDBTC0W": WEEK})


def resting(contract: str, side: Side, price: int, quantity: int = 1) -> Resting:
    return Resting(contract, side, price, quantity)


def needed(
    positions: dict[str, int], *orders: Resting, safe: int = 1000, low: bool = False, reference: Any = None
) -> int:
    references = {} if reference is None else {"USDBTC0W": reference}
    return margin(LISTED, positions, orders, {"USDBTC0W": safe}, references, low=low)


class MarginExampleTests(SynchronousTestCase):
    """Rows M4 to M11 of the table of 5.6, without the fees that are held beside it."""

    def test_m1_to_m3_orders_in_a_pair(self) -> None:
        for side, price, held in (
            (Side.BUY, 5000, {"MXN": 2525}),
            (Side.BUY, 30000, {"MXN": 15150}),
            (Side.SELL, 500, {"BTC": 50_000_000, "MXN": 0}),
        ):
            account = Account(CONTRACTS, least_fee=10_000)
            account.begin("BTC/MXN", side, price, 50_000_000)
            self.assertEqual(account.held(), held)

    def test_m4_to_m8_with_the_fees_that_are_held_beside_them(self) -> None:
        for ticker, side, price, quantity, needed_in_all in (
            ("NETS", Side.BUY, 500, 1, 510_000),
            ("NETS", Side.SELL, 500, 1, 510_000),
            ("NETS", Side.SELL, 100, 3, 2_706_000),
            ("USDBTC0W", Side.BUY, 1000, 1, 52_000),
            ("USDBTC0W", Side.BUY, 1500, 1, 53_000),
        ):
            account = Account(LISTED, least_fee=20_000, safe_prices={"USDBTC0W": 1000})
            account.begin(ticker, side, price, quantity)
            self.assertEqual(account.held(), {"BTC": needed_in_all}, (ticker, side, price))

    def test_m4_to_m6_orders_in_a_prediction(self) -> None:
        self.assertEqual(needed({}, resting("NETS", Side.BUY, 500)), 500_000)
        self.assertEqual(needed({}, resting("NETS", Side.SELL, 500)), 500_000)
        self.assertEqual(needed({}, resting("NETS", Side.SELL, 100, 3)), 2_700_000)

    def test_m7_positions_in_a_prediction(self) -> None:
        self.assertEqual((needed({"NETS": -4}), needed({"NETS": 4})), (4_000_000, 0))

    def test_m8_and_m9_orders_in_a_future(self) -> None:
        for price in (1000, 1500):
            order = resting("USDBTC0W", Side.BUY, price)
            self.assertEqual((needed({}, order, low=True), needed({}, order)), (25_000, 50_000))

    def test_m10_and_m11_positions_in_a_future(self) -> None:
        for position, low, high in ((1, -12_500, 25_000), (-1, 87_500, 125_000)):
            held = {"USDBTC0W": position}
            self.assertEqual(needed(held, safe=1500, reference=1000, low=True), low)
            self.assertEqual(needed(held, safe=1500, reference=1000), high)

    def test_a_seller_of_a_future_holds_as_much_as_a_buyer(self) -> None:
        for side in Side:
            self.assertEqual(needed({}, resting("USDBTC0W", side, 1000, 2)), 100_000)

    def test_orders_of_a_future_count_in_their_own_direction_only(self) -> None:
        """A sale that closes a position holds nothing more: the position held as it is is the worse of the two."""
        orders = [resting("USDBTC0W", Side.SELL, 1000, 2)]
        self.assertEqual(needed({"USDBTC0W": 2}, *orders), 100_000)
        self.assertEqual(needed({"USDBTC0W": -2}, *orders), 200_000)
        self.assertEqual(needed({}, *orders, resting("USDBTC0W", Side.BUY, 1000, 3)), 150_000)

    def test_an_order_that_would_close_a_short_prediction_holds_nothing_more(self) -> None:
        """It may never trade: the whole position has to be paid out then."""
        self.assertEqual(needed({"NETS": -4}, resting("NETS", Side.BUY, 900, 3)), 4_000_000)

    def test_a_future_without_a_share_holds_its_loss_only(self) -> None:
        free = msgspec.structs.replace(WEEK, margin_low=None, margin_high=None)
        listed = Contracts({**LISTED, "USDBTC0W": free})
        held = margin(listed, {"USDBTC0W": -1}, (), {"USDBTC0W": 1500}, {"USDBTC0W": 1000})
        self.assertEqual(held, 50_000)

    def test_without_a_safe_price_nothing_suffices(self) -> None:
        self.assertEqual(margin(LISTED, {"USDBTC0W": 1}, (), {}, {}), UNKNOWN)


def row(type_: str, contract: str, direction: str, quantity: int, at: int, note: str) -> TransactionMessage:
    return TransactionMessage(contract, type_, direction, quantity, at, note)


class SettlementExampleTests(SynchronousTestCase):
    """Rows S1 to S5 of 5.7, as the ledger tells them."""

    def test_s1_a_trade_below_the_reference_is_a_gain_and_its_price_is_found(self) -> None:
        rows = [
            row("Trade", "BTC", "credit", 10_000, 5, "Aggressive order: 7"),  # the history has turned the sign
            row("Trade", "USDBTC0W", "credit", 1, 5, "Aggressive order: 7"),
            row("Trade", "BTC", "debit", 1_800, 5, "Fee"),
        ]
        (fill,) = read_fills(LISTED, rows, References(LISTED, {"USDBTC0W": 1000}))
        self.assertEqual((fill.side, fill.quantity, fill.fee), (Side.BUY, 1, 1_800))
        self.assertEqual(LISTED.wire_average("USDBTC0W", fill.cash, fill.quantity), 900)

    def test_a_fill_from_before_a_settlement_goes_by_the_reference_in_its_note(self) -> None:
        rows = [
            row("Trade", "BTC", "debit", 0, 5, "Passive order: 7"),
            row("Trade", "USDBTC0W", "credit", 3, 5, "Passive order: 7"),
            row("Trade", "BTC", "debit", 0, 5, "Fee"),
            row("Clearing", "BTC", "debit", 13_500, 9, NOTE),
            row("Clearing", "USDBTC0W", "credit", 0, 9, NOTE),
        ]
        (fill,) = read_fills(LISTED, rows, References(LISTED, {"USDBTC0W": 955}).learn(rows))
        self.assertEqual(LISTED.wire_average("USDBTC0W", fill.cash, fill.quantity), 1000)

    def test_a_trade_of_the_instant_of_a_settlement_goes_by_the_reference_before_it(self) -> None:
        clearing = [row("Clearing", "USDBTC0W", "credit", 0, at, NOTE) for at in (9, 20)]
        known = References(LISTED, {"USDBTC0W": 955}).learn(clearing)
        values = [known.value("USDBTC0W", at, 1, 0) for at in (5, 9, 10, 20, 21)]
        before, now = LISTED.cash("USDBTC0W", 1000, 1), LISTED.cash("USDBTC0W", 955, 1)
        self.assertEqual(values, [before, before, before, before, now])

    def test_of_two_settlements_the_next_one_tells(self) -> None:
        other = "Clearing transaction for USDBTC0W at price: 0.955 / reference_price: 0.9"
        rows = [row("Clearing", "USDBTC0W", "credit", 0, at, note) for at, note in ((20, other), (9, NOTE))]
        known = References(LISTED, {}).learn(rows)
        self.assertEqual(known.value("USDBTC0W", 5, 1, 0), LISTED.cash("USDBTC0W", 1000, 1))
        self.assertEqual(known.value("USDBTC0W", 10, 1, 0), LISTED.cash("USDBTC0W", 900, 1))

    def test_only_settlements_of_listed_futures_tell_a_reference(self) -> None:
        rows = [
            row("Trade", "USDBTC0W", "credit", 1, 9, NOTE),
            row("Clearing", "USDBTC0W", "credit", 1, 9, ""),
            row("Clearing", "GONE", "credit", 1, 9, NOTE.replace("USDBTC0W", "GONE")),
            row("Clearing", "NETS", "credit", 1, 9, NOTE.replace("USDBTC0W", "NETS")),
        ]
        known = References(LISTED, {}).learn(rows)
        self.assertEqual([known.value(ticker, 5, 1, 0) for ticker in ("USDBTC0W", "GONE", "NETS")], [None] * 3)

    def test_a_fill_whose_reference_nobody_knows_is_left_out(self) -> None:
        rows = [row("Trade", t, "debit", 1, 5, "Passive order: 7") for t in ("BTC", "USDBTC0W")]
        self.assertEqual(read_fills(LISTED, rows, References(LISTED, {})), [])

    def test_s2_to_s5_the_sign_of_a_clearing_goes_into_its_direction(self) -> None:
        for quantity, direction, expected in ((-13_500, "debit", "0.000135"), (43_500, "credit", "0.000435")):
            told = parse_transaction(LISTED, row("Clearing", "BTC", "credit", quantity, 1, NOTE))
            self.assertEqual((told["direction"], told["quantity"], told["type"]), (direction, D(expected), "Clearing"))
        told = parse_transaction(LISTED, row("Clearing", "NETS", "debit", -3, 1, NOTE))
        self.assertEqual((told["direction"], told["quantity"]), ("credit", 3))


NOTE = "Clearing transaction for USDBTC0W at price: 0.955 / reference_price: 1"


class DerivativesBench(SputnikBench):
    """The exchange with predictions and futures; the world stands still unless `clock` moves it."""

    def __init__(self, world: World, clock: task.Clock) -> None:
        super().__init__(world)
        self.clock = clock
        self.core: Any = world.core

    def exchange(self, ticker: str, price: int, quantity: int, buyer: str, seller: str) -> None:
        self.core.place(seller, ticker, Side.SELL, price, quantity)
        self.core.place(buyer, ticker, Side.BUY, price, quantity)


class DerivativesContract(ContractCase):
    """What must hold however the client talks."""

    bench: Any

    async def start_bench(self) -> Any:
        clock = task.Clock()
        return DerivativesBench(await make_world(reactor, clock=clock, exchange=make_exchange), clock)

    @asynchronous
    async def test_markets_tell_steps_of_every_kind(self) -> None:
        client, _ = await self.connected()
        markets = await client.getMarkets()
        nets, ipo = markets["NETS"], markets["IPO"]
        assert (nets["kind"], nets["tick_size"], nets["lot_size"]) == ("prediction", D("0.001"), 1)
        assert (ipo["kind"], ipo["tick_size"], ipo["quote"]) == ("futures", D("0.01"), "BTC")
        assert client.round_bid("IPO", D("0.257")) == D("0.25")
        assert client.round_ask("IPO", D("0.257")) == D("0.26")

    @asynchronous
    async def test_an_order_in_a_prediction_rests_fills_and_is_held(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder("NETS", D(3), D("0.5"), "SELL")
        self.bench.core.place("dave", "NETS", Side.BUY, 500, 2)
        fill = await recorder.until("fill")
        assert (fill["order_id"], fill["contract"], fill["price"], fill["quantity"]) == (id, "NETS", D("0.5"), 2)
        assert fill["fees"] == {"BTC": D("0.0002")}
        order = await recorder.until("order", lambda order: order["quantity_left"] == 1)
        assert order["average_price"] == D("0.5")
        await recorder.until("position", lambda position: position["contract"] == "NETS")
        assert (await client.getPositions())["NETS"]["position"] == -2

    @asynchronous
    async def test_prices_above_one_and_parts_of_contracts_are_rejected(self) -> None:
        client, _ = await self.connected()
        for quantity, price in ((D(1), D("1.001")), (D("1.5"), D("0.5")), (D(1), D("0.0005"))):
            await self.failure(client.placeOrder("NETS", quantity, price, "BUY"), OrderRejected)
        assert self.bench.orders_at_venue() == 0

    @asynchronous
    async def test_available_is_what_the_venue_itself_would_let_go(self) -> None:
        client, _ = await self.connected(fee="0.02")
        self.bench.exchange("NETS", 500, 2, "carol", "alice")
        self.bench.clock.advance(1)  # the ledger tells the fees of one instant by their size only
        self.bench.exchange("USDBTC0W", 1000, 3, "alice", "dave")
        await client.placeOrder("NETS", D(3), D("0.1"), "SELL")
        await client.placeOrder("USDBTC0W", D(2), D("1.2"), "BUY")
        venue = self.bench.core.available("alice", "BTC")

        async def agrees() -> bool:
            return (await client.getPositions())["BTC"]["available"] * 10**8 == venue

        for _ in range(100):
            if await agrees():
                return
            await task.deferLater(reactor, 0.01)
        raise AssertionError(f"{(await client.getPositions())['BTC']} is not {venue}")

    @asynchronous
    async def test_margin_that_is_not_there_lacks_funds(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.placeOrder("NETS", D(20_000), D("0.5"), "SELL"), InsufficientFunds)

    @asynchronous
    async def test_a_future_tells_its_reference_price_and_none_before_it_is_traded(self) -> None:
        client, recorder = await self.connected()
        self.bench.exchange("USDBTC0W", 1000, 3, "alice", "dave")
        position = await recorder.until("position", lambda p: p["contract"] == "USDBTC0W" and p["position"] == 3)
        assert position["reference_price"] in (None, 1)  # the feed of bookings does not tell it; the next read does
        assert (await client.getPositions())["USDBTC0W"]["reference_price"] == 1

    @asynchronous
    async def test_fills_of_futures_have_their_price_also_after_a_settlement(self) -> None:
        client, recorder = await self.connected()
        self.bench.exchange("USDBTC0W", 1000, 3, "alice", "dave")
        self.bench.clock.advance(1)
        self.bench.exchange("USDBTC0W", 900, 1, "alice", "dave")
        await eventually(lambda: len(recorder.of("fill")) == 2, "two fills")
        assert [fill["price"] for fill in recorder.of("fill")] == [1, D("0.9")]
        self.bench.clock.advance(1)
        self.bench.core.mark_to_market("USDBTC0W", 955)
        self.bench.clock.advance(1)
        self.bench.exchange("USDBTC0W", 960, 1, "alice", "dave")
        fills = await client.getFills(self.bench.now() - DAY, self.bench.now() + DAY)
        assert [fill["price"] for fill in fills] == [1, D("0.9"), D("0.96")]

    @asynchronous
    async def test_a_settlement_is_told_and_ends_the_position(self) -> None:
        client, recorder = await self.connected()
        id = await client.placeOrder("NETS", D(1), D("0.3"), "BUY")
        self.bench.exchange("NETS", 500, 3, "alice", "dave")
        await eventually(lambda: recorder.of("fill"), "a fill")
        self.bench.core.settle("NETS", 1000)
        await recorder.until("order", lambda order: order["id"] == id and order["is_cancelled"])
        await recorder.until("position", lambda p: p["contract"] == "NETS" and p["position"] == 0)
        rows = await client.getTransactionHistory(self.bench.now() - DAY, self.bench.now() + DAY)
        cleared = [(r["contract"], r["direction"], r["quantity"]) for r in rows if r["type"] == "Clearing"]
        assert sorted(cleared) == [("BTC", "credit", D("0.03")), ("NETS", "debit", 3)]

    @asynchronous
    async def test_the_safe_price_of_a_future_is_an_event(self) -> None:
        client, _ = await self.connected()
        told: list[Any] = []
        client.on("safe_price", lambda ticker, price: told.append((ticker, price)))
        self.bench.exchange("USDBTC0W", 1000, 1, "carol", "dave")
        await eventually(lambda: ("USDBTC0W", 1) in told, f"the safe price; {told}")

    @asynchronous
    async def test_bars_that_close_and_bookings_are_events(self) -> None:
        client, _ = await self.connected(feeds="ohlcv, safe_prices", tickers="NETS")
        bars: list[Any] = []
        bookings: list[Any] = []
        prices: list[Any] = []
        client.on("ohlcv", bars.append)
        client.on("transaction", bookings.append)
        client.on("safe_price", lambda ticker, price: prices.append(ticker))
        self.bench.exchange("NETS", 500, 1, "alice", "dave")
        await eventually(lambda: len(bookings) == 3, "three bookings")
        assert {row["type"] for row in bookings} == {"Trade", "Fee"}
        self.bench.clock.advance(61)
        self.bench.exchange("NETS", 510, 1, "carol", "dave")
        await eventually(lambda: bars, "a bar")
        assert (bars[0]["contract"], bars[0]["period"], bars[0]["close"]) == ("NETS", "minute", D("0.5"))
        await eventually(lambda: "NETS" in prices, "a safe price")


class WampTests(DerivativesContract, TestCase):
    """Over WAMP."""

    async def start_bench(self) -> Any:
        bench = await super().start_bench()

        def client(**options: Any) -> Sputnik:
            given = {**QUICK, "tickers": "NETS, USDBTC0W", **options}
            return Sputnik(
                id="alice",
                secret="secret-alice",
                endpoint=bench.venue.endpoint,
                reactor=reactor,
                now=bench.now,
                **given,
            )

        bench.client = client
        return bench


class RestTests(DerivativesContract, TestCase):
    """Over REST."""

    async def start_bench(self) -> Any:
        bench = await super().start_bench()
        keys = bench.venue.members.issue_key("alice", START + timedelta(days=7))

        def client(**options: Any) -> SputnikRest:
            given = {**QUICK, "tickers": "NETS, USDBTC0W", "poll": 0.02, **options}
            return SputnikRest(
                id=keys.key, secret=keys.secret, endpoint=bench.venue.rest_endpoint, reactor=reactor, now=bench.now,
                **given,
            )  # fmt: skip

        bench.client = client
        return bench
