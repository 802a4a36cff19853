"""The Infinity client against the simulated venue, over real loopback sockets, by the contract of all clients.

BUY borrows and SELL lends, so a sale takes the token away and a purchase brings it, whatever the rate.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from clients.exchange import (
    ExchangeError,
    InsufficientFunds,
    NotAuthorised,
    OrderRejected,
    OutcomeUnknown,
    Side,
)
from clients.infinity import Infinity
from tests.clients.bench import DAY, Bench, asynchronous
from tests.clients.contract import ExchangeContract
from tests.clients.contract_line import ConnectionContract, WireContract
from tests.simulation.infinity.world import ALICE, KEY, World, make_world

QUICK: dict[str, Any] = {
    "ping_interval": 0.1,
    "ping_timeout": 1.0,
    "backoff_first": 0.02,
    "backoff_longest": 0.1,
    "rate": 1000,
    "burst": 1000,
    "tickers": "ETH-SPOT",
}
CALLS = {
    "place": "create_floating_order",
    "cancel": "cancel-order",
    "withdraw": "withdraw",
    "read": "get_floating_orders",
}
ORDER = {"call": "create_floating_order"}
REFUSALS: dict[type[ExchangeError], dict[str, Any]] = {
    NotAuthorised: {"status": {**ORDER, "status": 403}},
    InsufficientFunds: {"refuse": {**ORDER, "code": 1002}},
    OrderRejected: {"refuse": {**ORDER, "code": 107}},
    OutcomeUnknown: {"status": {**ORDER, "status": 503}},
}
STRANGER = "0x" + "5" * 64
CHANNELS = "orderBook,recentTrades,userOrder,userTrade"


class InfinityBench(Bench):
    """The venue of `tests.simulation.infinity.world`; alice is under test and bob trades with her."""

    pair = "ETH-SPOT"
    base = "ETH"
    quote = "ETH-SPOT"
    low = Decimal("0.01")
    high = Decimal("0.03")
    tick = Decimal("0.0001")
    lot = Decimal("0.00001")
    destination = ALICE
    period = "hour"
    refusals = tuple(REFUSALS)  # none says that nothing was done and that it may be tried again

    def __init__(self, world: World, **options: Any) -> None:
        self.world = world
        self.venue = world.venue
        self.options = options
        market = world.core.market(self.pair)
        assert market is not None
        # The contract wants a market whose least quantity is one step, as the venue's own examples have it.
        world.core.pairs[self.pair] = evolve(market, min_quantity=market.lot)

    def client(self, **options: Any) -> Infinity:
        return self._client(KEY, self.venue.rest, **options)

    def stranger(self) -> Infinity:
        return self._client(STRANGER, self.venue.rest)

    def lost(self) -> Infinity:
        return self._client(KEY, "http://127.0.0.1:1", connect_deadline=0.2)

    def _client(self, secret: str, endpoint: str, **options: Any) -> Infinity:
        return Infinity(
            secret=secret,
            endpoint=endpoint,
            reactor=reactor,
            now=self.now,
            **{**QUICK, **self.options, **options},
        )

    def now(self) -> datetime:
        return self.world.clock.now()

    def trade(self, side: Side, quantity: Decimal, price: Decimal) -> str:
        return str(self.world.place("bob", self.pair, side, str(price), str(quantity)).id)

    def withdraw_liquidity(self, id: str) -> None:
        self.world.core.cancel("bob/trading", int(id))

    def deposit(self, ticker: str, amount: Decimal, address: str) -> None:
        self.world.core.deposit(ticker, int(amount * 10**18), address)

    def orders_at_venue(self) -> int:
        return len(self.world.core.open_orders("alice/trading"))

    def refuse(self, error: type[ExchangeError]) -> None:
        self._fault(**REFUSALS[error])

    async def stop(self) -> None:
        await self.world.stop()

    def drop_line(self) -> None:
        self._fault(disconnect=True)

    def freeze(self, on: bool) -> None:
        self._fault(freeze=on)

    def down(self, on: bool) -> None:
        self._fault(down=on)

    def lose_answer(self, call: str, effect: bool) -> None:
        self._fault(lose_answer={"call": CALLS[call], "effect": effect})

    def garble_answer(self, call: str) -> None:
        self._fault(garble_answer={"call": CALLS[call]})

    def repeat_answers(self) -> None:
        """HTTP gives one answer to a request: there is nothing to repeat."""

    def delay_answers(self, seconds: float) -> None:
        self._fault(delay_answers=seconds)

    def garbage(self) -> None:
        self._fault(garbage=True)

    def drop_events(self, on: bool) -> None:
        self._fault(drop_events="userOrder,userTrade" if on else None)

    def repeat_events(self) -> None:
        self._fault(repeat_events=CHANNELS)

    def events_first(self) -> None:
        self._fault(delay_answers=0.05)

    def _fault(self, **wanted: Any) -> None:
        self.venue.fault(wanted)


class InfinityContract(ExchangeContract, TestCase):
    """Methods, events, errors."""

    pauses = False  # the venue tells so few at a time

    async def start_bench(self) -> Bench:
        return InfinityBench(await make_world(reactor, quotes=False))

    @asynchronous
    async def test_markets_tell_steps_and_currencies(self) -> None:
        # A market of rates has no quote currency: its kind says so.
        client, _ = await self.connected()
        markets = await client.getMarkets()
        market = markets["ETH-SPOT"]
        assert (market["kind"], market["base"], market["quote"]) == ("rate", "ETH", None)
        assert (market["tick_size"], market["lot_size"]) == (self.bench.tick, self.bench.lot)
        assert market["min_quantity"] > 0
        assert markets["ETH"]["kind"] == "cash"
        assert markets["WBTC-2023-12-29"]["kind"] == "rate"

    @asynchronous
    async def test_positions_after_a_fill_add_up(self) -> None:
        # What is lent leaves the cash and stands as lent; the rate moves no money at once.
        client, recorder = await self.connected()
        bench = self.bench
        before = await client.getPositions()
        await self.rest(client, Side.SELL, lots=1)
        bench.trade(Side.BUY, bench.lot, bench.high)
        await recorder.until("fill")
        after = await client.getPositions()
        assert after["ETH"]["position"] == before["ETH"]["position"] - bench.lot
        assert after["ETH"]["lent"] == bench.lot
        assert (after["ETH-SPOT"]["position"], after["ETH-SPOT"]["net_lent"]) == (-bench.lot, bench.lot)

    @asynchronous
    async def test_the_deposit_address_stays_until_a_new_one_is_asked_for(self) -> None:
        client, _ = await self.connected()
        await self.failure(client.getCurrentAddress("ETH"), NotImplementedError)
        await self.failure(client.getNewAddress("ETH"), NotImplementedError)

    @asynchronous
    async def test_a_deposit_changes_the_position_and_is_in_the_records(self) -> None:
        # Nothing tells of a deposit: it is seen with the next reading of balances.  It comes from the login wallet.
        client, recorder = await self.connected(reread=0.1)
        bench = self.bench
        before = await client.getPositions()
        recorder.clear()
        bench.deposit(bench.base, Decimal("0.5"), ALICE)
        await recorder.until(
            "position",
            lambda told: told["contract"] == "ETH" and told["position"] > before["ETH"]["position"],
        )
        (deposit,) = await client.getTransfers(bench.now() - DAY, bench.now() + DAY)
        assert (deposit["direction"], deposit["ticker"], deposit["status"]) == ("deposit", "ETH", "done")
        assert (deposit["amount"], deposit["address"]) == (Decimal("0.5"), None)

    @asynchronous
    async def test_the_ledger_tells_each_change_with_its_sign(self) -> None:
        # The fee of a withdrawal is a line of its own.
        client, _ = await self.connected()
        bench = self.bench
        await client.requestWithdrawal(bench.base, Decimal("0.25"), bench.destination)
        rows = await client.getTransactionHistory(bench.now() - DAY, bench.now() + DAY)
        debits = {row["type"]: row["quantity"] for row in rows if row["direction"] == "debit"}
        assert debits == {"Withdrawal": Decimal("0.24"), "Fee": Decimal("0.01")}
        assert rows == sorted(rows, key=lambda row: row["timestamp"])
        assert all(row["quantity"] >= 0 for row in rows)


class InfinityConnectionContract(ConnectionContract, WireContract, TestCase):
    """The line."""

    async def start_bench(self) -> Bench:
        return InfinityBench(await make_world(reactor, quotes=False))


class InfinityTwoSocketsContract(InfinityContract):
    """Methods, events and errors where public channels have a connection of their own."""

    async def start_bench(self) -> Bench:
        return InfinityBench(await make_world(reactor, quotes=False), sockets=2)


class InfinityTwoSocketsConnectionContract(InfinityConnectionContract):
    """The lines, where there are two."""

    async def start_bench(self) -> Bench:
        return InfinityBench(await make_world(reactor, quotes=False), sockets=2)
