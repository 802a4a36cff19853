"""A whole pool in virtual time: two simulated venues, a rate, bank and chain between them, and a trader.

Its parameters are the sample of the pool model.  Nothing here imitates the trader: books come from other accounts' orders
in the cores, and `truth` asks the cores.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from attrs import evolve
from twisted.internet.task import Clock

from clients.exchange import Side
from ilp.clock import WorldClock
from ilp.settings import (
    Ages,
    Connection,
    Cost,
    Limits,
    Parameters,
    Settings,
    Timing,
    TransferRules,
    VarianceRules,
    Web,
)
from ilp.simulation.bank import Bank, Route
from ilp.simulation.contracts import Currency, Pair
from ilp.simulation.core import Core
from ilp.simulation.inprocess import EVERYTHING, SimulatedExchange
from ilp.simulation.inprocess_rates import SimulatedRates
from ilp.simulation.records import Order
from ilp.simulation.session import Conditions
from ilp.trading.machine import State
from ilp.trading.strategy import Strategy
from ilp.trading.trader import Trader
from tests.trading.memory_journal import MemoryJournal

D = Decimal
START = datetime(2024, 3, 4, 9, tzinfo=UTC)
BTC = Currency("BTC", 10**8, lot=10_000)
USD = Currency("USD", 10_000)
HUF = Currency("HUF", 100)
MID = D("250")
RATE = D("0.0037")  # dollars for a forint

PARAMETERS = Parameters(
    quote_size=D("0.1"),
    edge_to_enter=D("2"),
    edge_to_leave=D("1"),
    edge_to_drop=D("3"),
    max_skew=D(0),
    source_fee=Cost(D(0), D("0.01")),
    target_fee=Cost(D(0), D("0.005")),
    fiat_exchange_cost=Cost(D(150), D("0.1")),
    btc_fee=Cost(D("0.0001"), D(0)),
    deviation_penalty=D(50),
    risk_aversion=D("0.01"),
    targets={
        ("source", "USD"): D(6000),
        ("source", "BTC"): D(6),
        ("target", "HUF"): D(1_626_000),
        ("target", "BTC"): D(6),
    },
    min_gain=D(1),
    min_coin_transfer=D("0.5"),
    min_fiat_transfer=D(1500),
    min_payout=D(1500),
    max_slippage=D("0.005"),
    max_unhedged=D(0),
)
LIMITS = Limits(
    price_band=D("0.2"),
    largest_order=D(5),
    open_orders=5,
    orders_per_minute=600,
    exposure=D("0.5"),
    transfers_per_day=24,
    largest_coin_transfer=D(10),
    largest_fiat_transfer=D(20_000),
    turnover_per_day=D(1000),
    loss_per_day=D(100_000),
)
AGES = Ages(10, 20, 20, 20, 600, 5 * 86400, 3, D("0.2"), D("0.3"))
TIMING = Timing(30, 5, 1, 10, 10, 60)
RULES = TransferRules(
    btc_delay=3600,
    fiat_exchange_delay=86_400,
    coin_interval=3600,
    fiat_interval=86_400,
    min_arrival=D("0.75"),
    approval_limit=D(100_000),
    automatic=frozenset({("USD", "source", "target"), ("HUF", "target", "source")}),
    payout="off",
    out_address="",
    addresses={},
)
VARIANCE = VarianceRules("hour", 24, {"BTC/USD": D(250), "HUF/USD": D("1e-9")})


def settings(**changes: object) -> Settings:
    """Sample settings; keywords replace whole records."""
    connection = Connection("simulated")
    found = Settings(
        Path("world.ini"),
        {"source": connection, "target": connection, "fiat": connection},
        {"source": "BTC/USD", "target": "BTC/HUF", "btc": "BTC"},
        PARAMETERS,
        LIMITS,
        AGES,
        TIMING,
        RULES,
        VARIANCE,
        D(0),
        D(0),
        True,
        False,
        "",
        Web("127.0.0.1", 0, False, None, None, None, {}),
        None,
    )
    return evolve(found, **changes)


class World:
    """Two venues, a feed and a trader on one `task.Clock`.

    :param features: what both venues have.
    :param speed: world seconds a reactor second.
    :cvar history: how much of everything the venues remember.
    """

    history = 50_000

    def __init__(
        self,
        features: frozenset[str] = EVERYTHING,
        conditions: Conditions | None = None,
        config: Settings | None = None,
        journal: MemoryJournal | None = None,
        speed: float = 1.0,
        seed: int = 0,
        strategy: Strategy | None = None,
    ) -> None:
        self.reactor = Clock()
        self.clock = WorldClock(self.reactor, START, speed)
        self.features = features
        self.conditions = conditions or Conditions(latency=0.005)
        self.settings = config or settings()
        self.strategy = strategy
        self.journal = journal or MemoryJournal(self.reactor)
        self.random = Random(seed)
        self.source_core = Core(
            self.clock.now,
            [BTC, USD],
            [Pair("BTC/USD", BTC, USD, tick=100, lot=1_000_000, fee_bps=100)],
            venue="source",
            history=self.history,
        )
        self.target_core = Core(
            self.clock.now,
            [BTC, HUF],
            [Pair("BTC/HUF", BTC, HUF, tick=100, lot=1_000_000, fee_bps=50)],
            venue="target",
            history=self.history,
        )
        self._endow()
        self.bank = Bank(
            self.clock,
            [
                Route("BTC", "BTC", delay_s=600, fixed=D("0.0001")),
                Route("USD", "HUF", delay_s=7200, fixed=D(150), fixed_in="USD", proportional=D("0.1")),
                Route("HUF", "USD", delay_s=7200, fixed=D(150), fixed_in="USD", proportional=D("0.1")),
            ],
            lambda a, b: RATE if (a, b) == ("HUF", "USD") else 1 / RATE,
        )
        self.bank.connect(self.source_core)
        self.bank.connect(self.target_core)
        self.bid, self.ask = D("249.9"), D("250.1")
        self._book_orders: list[int] = []
        self.show_source(self.bid, self.ask)
        self.watched: list[Decimal] = []
        self.most_resting = D(0)
        self.target_core.subscribe(lambda _: self._watch())
        self.source, self.target, self.rates = self.clients()
        self.trader = self.new_trader()

    def _endow(self) -> None:
        for core, money, amount in ((self.source_core, "USD", 6000), (self.target_core, "HUF", 1_626_000)):
            for name in ("pool", "others"):
                core.open_account(name)
            core.endow("pool", money, core.currency(money).units(amount))
            core.endow("pool", "BTC", BTC.units(6))
            core.endow("others", money, core.currency(money).units(10**9))
            core.endow("others", "BTC", BTC.units(10**5))

    def clients(self) -> tuple[SimulatedExchange, SimulatedExchange, SimulatedRates]:
        """Fresh clients of the same accounts."""
        source, target = (
            SimulatedExchange(
                core,
                "pool",
                self.reactor,
                name=core.venue,
                features=self.features,
                conditions=self.conditions,
                random=self.random,
            )
            for core in (self.source_core, self.target_core)
        )
        return source, target, SimulatedRates(self.clock, self.fixings(), rate_spread="0.0027", rate_age_factor="0")

    def fixings(self) -> dict[date, dict[str, Decimal]]:
        """The same rate every day."""
        return {date(2024, 3, 1) + timedelta(days=n): {"USD": D(1), "HUF": 1 / RATE} for n in range(60)}

    def new_trader(self) -> Trader:
        """A trader on the present clients and journal."""
        return Trader(
            self.settings,
            {"source": self.source, "target": self.target},
            self.rates,
            self.journal,
            self.clock,
            strategy=self.strategy,
        )

    # ------------------------------------------------------------------------------------------------------ the market

    def show_source(self, bid: Decimal, ask: Decimal, size: str = "50", depth: int = 3) -> None:
        """Replace the others' orders on the source by *depth* levels a side, 0.1 apart."""
        core = self.source_core
        for number in self._book_orders:
            if core.order(number).quantity_left and not core.order(number).is_cancelled:
                core.cancel("others", number)
        self.bid, self.ask = bid, ask
        units = BTC.units(D(size))
        self._book_orders = []
        for level in range(depth):
            for side, price in ((Side.BUY, bid - D("0.1") * level), (Side.SELL, ask + D("0.1") * level)):
                self._book_orders.append(core.place("others", "BTC/USD", side, USD.units(price), units).id)

    def take(self, side: Side, quantity: str = "0.1") -> Decimal:
        """Somebody takes from the target: *side* is the taker's.  Returns how much was traded with us."""
        before = self.truth("target", "BTC")
        price = HUF.units(1) if side is Side.SELL else HUF.units(10**6)
        self.target_core.place("others", "BTC/HUF", side, price, BTC.units(D(quantity)), immediate=True)
        return abs(self.truth("target", "BTC") - before)

    # ------------------------------------------------------------------------------------------------------- the truth

    def core(self, venue: str) -> Core:
        """A venue's own side."""
        return self.source_core if venue == "source" else self.target_core

    def truth(self, venue: str, asset: str) -> Decimal:
        """What the venue itself owes the pool."""
        return self.core(venue).currency(asset).amount(self.core(venue).balance("pool", asset))

    def open_orders(self, venue: str = "target") -> list[Order]:
        """What really rests there of the pool's."""
        return self.core(venue).open_orders("pool")

    def resting(self, side: Side) -> Decimal:
        """Base units that really rest on a side of the target."""
        return sum((BTC.amount(order.quantity_left) for order in self.open_orders() if order.side is side), D(0))

    def quote(self, side: Side) -> Order | None:
        """The quote that really rests on a side."""
        found = [order for order in self.open_orders() if order.side is side]
        return found[0] if found else None

    def _watch(self) -> None:
        self.most_resting = max(self.most_resting, self.resting(Side.BUY), self.resting(Side.SELL))

    # ----------------------------------------------------------------------------------------------------------- time

    def advance(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass in small steps."""
        for _ in range(max(1, round(seconds / step))):
            self.reactor.advance(step)

    def until(self, condition: Callable[[], object], limit: float = 30.0, step: float = 0.01) -> bool:
        """Let time pass until *condition* holds; False when it never does."""
        for _ in range(round(limit / step)):
            if condition():
                return True
            self.reactor.advance(step)
        return bool(condition())

    def ready(self) -> World:
        """Connect and get ready."""
        self.trader.begin().addErrback(lambda failure: failure.raiseException())
        if not self.until(lambda: self.trader.life.state is State.READY):
            raise AssertionError(f"not READY but {self.trader.life.state}: {self.trader.status()}")
        return self

    def trading(self) -> World:
        """Get ready, start, and wait for both quotes."""
        self.ready().trader.start("operator")
        if not self.until(lambda: len(self.open_orders()) == 2):
            raise AssertionError(f"no quotes: {self.trader.status()}")
        return self

    def end(self) -> tuple[str, ...]:
        """Shut the trader down and let go of everything."""
        results: list[tuple[str, ...]] = []
        self.trader.shutdown().addCallback(results.append)
        self.until(lambda: bool(results), 15)
        self.advance(0.5)
        self.bank.stop()
        return results[0]
