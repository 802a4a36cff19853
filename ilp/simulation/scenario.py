"""A whole simulated world out of a frozen description: venues, users, money, bank and chain, markets that move.

Owns how the parts are put together, and nothing of what they do.  The same description and seed give the same world, on
sockets (a wire server on each of `World.cores`) as in virtual time (`ilp.simulation.inprocess` on them).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from attrs import field, frozen

from ilp.simulation.bank import Route
from ilp.simulation.contracts import Currency, Pair, TransferFee
from ilp.simulation.maker import Ladder
from ilp.simulation.paths import Synthetic
from ilp.simulation.recordings import FIXINGS, HOURS, MINUTES
from ilp.simulation.rules import FeeFactors
from ilp.simulation.sputnik.derivatives import Derivative
from ilp.simulation.takers import Appetite

__all__ = [
    "BTC",
    "HUF",
    "INSIDERS",
    "THIN",
    "USD",
    "Following",
    "Invented",
    "Recorded",
    "Scenario",
    "User",
    "Venue",
    "demo",
    "pair",
]

BTC = Currency("BTC", 10**8, lot=10_000)
USD = Currency("USD", 10**4, lot=100)
HUF = Currency("HUF", 10**2, lot=100)

_STANDARD = FeeFactors()
_AFTERWARDS = Synthetic(volatility=Decimal("0.03"))
_ORDINARY = Synthetic()
_BOOK = Ladder()
_DEEP = Ladder(levels=12, half_spread=Decimal("0.0001"), step=Decimal("0.0003"), size=Decimal("1.2"))
THIN = Ladder(levels=4, half_spread=Decimal("0.02"), step=Decimal("0.005"), size=Decimal("0.2"))
# They know the next twenty minutes: recorded moves are small beside what a quote leaves between itself and the market.
INSIDERS = Appetite(lead=1200.0, attention=Decimal("0.1"), most=Decimal("0.05"), margin=Decimal("0.0002"))
_CUSTOMERS = Appetite(every=120.0, tolerance=Decimal("0.012"))
_INSIDERS = Appetite(lead=2.0, attention=Decimal("0.2"), most=Decimal("0.05"))


@frozen
class User:
    """An account with what is in it at the start.

    :ivar secret: the password for venues on a wire.
    :ivar balances: human units by currency.
    :ivar automatic_withdrawals: whether withdrawals leave by themselves; else an administrator has to send each.
    """

    name: str
    balances: Mapping[str, Decimal]
    secret: str = field(default="", repr=False)
    factors: FeeFactors = _STANDARD
    automatic_withdrawals: bool = True


@frozen
class Recorded:
    """Prices that were really traded; when the recording ends, the price goes on by itself as *after* says.

    :ivar steps: moves a minute.
    """

    minutes: Path = MINUTES
    hours: Path = HOURS
    steps: int = 12
    after: Synthetic = _AFTERWARDS


@frozen
class Invented:
    """A synthetic price, from *first* on.

    :ivar hours: how many hours of a past of the same kind the venue can tell.
    """

    first: Decimal
    shape: Synthetic = _ORDINARY
    hours: int = 24 * 30


@frozen
class Following:
    """The price of another venue's market, times the exchange rate of the two quote currencies."""

    venue: str


@frozen
class Venue:
    """One venue with one market.

    :ivar ladder: the house's book; None for a market without one.
    :ivar uninformed: customers with reasons of their own; None for none.
    :ivar informed: customers who know the next price; only where the price follows another venue's.
    :ivar withdrawal_fees: what the venue itself takes, by currency.
    :ivar derivatives: predictions and futures that can be traded beside the pair; nobody makes a market in them.
    """

    name: str
    pair: Pair
    price: Recorded | Invented | Following
    users: tuple[User, ...] = ()
    ladder: Ladder | None = _BOOK
    uninformed: Appetite | None = None
    informed: Appetite | None = None
    withdrawal_fees: Mapping[str, TransferFee] = field(factory=dict)
    derivatives: tuple[Derivative, ...] = ()


@frozen
class Scenario:
    """A world.  Venues that follow another one come after it."""

    venues: tuple[Venue, ...]
    routes: tuple[Route, ...] = ()
    seed: int = 1
    fixings: Path = FIXINGS

    def __attrs_post_init__(self) -> None:
        known: list[str] = []
        for venue in self.venues:
            if isinstance(venue.price, Following) and venue.price.venue not in known:
                raise ValueError(f"{venue.name} follows {venue.price.venue!r}, which has to come before it")
            if venue.name in known:
                raise ValueError(f"two venues are called {venue.name!r}")
            known.append(venue.name)


def pair(ticker: str, base: Currency, quote: Currency, lot: Decimal, tick: Decimal, fee: Decimal) -> Pair:
    """A cash pair with steps in human units and a *fee* as a fraction, which has to be whole hundredths of a per cent."""
    bps = fee * 10_000
    if bps != int(bps):
        raise ValueError(f"{ticker}: a fee of {fee} is not allowed; whole multiples of 0.0001")
    wire_tick, wire_lot = int(tick * quote.denominator), int(lot * base.denominator)
    return Pair(ticker, base, quote, tick=wire_tick, lot=wire_lot, fee_bps=int(bps))


def demo(
    *,
    seed: int = 1,
    source_users: tuple[User, ...] = (),
    target_users: tuple[User, ...] = (),
    source_fee: Decimal = Decimal("0.001"),
    target_fee: Decimal = Decimal("0.001"),
    lot: Decimal = Decimal("0.001"),
    price: Recorded | Invented | None = None,
    btc_fee: Decimal = Decimal("0.0005"),
    btc_delay_s: float = 600.0,
    fiat_fixed: Decimal = Decimal(5),
    fiat_proportional: Decimal = Decimal("0.001"),
    fiat_delay_s: float = 1_800.0,
    uninformed: Appetite | None = _CUSTOMERS,
    informed: Appetite | None = _INSIDERS,
) -> Scenario:
    """BTC/USD on the source, deep and moving; BTC/HUF on the target, thin and following it.

    Fees are fractions, the charge of a coin transfer is in BTC, *fiat_fixed* in USD both ways.  The ticks are the smallest
    that the *lot* allows with USD in 4 decimals and HUF in 2, but not below 0.01 USD and 1 HUF: with a lot of 0.001 BTC
    they are 0.1 USD and 10 HUF.
    """
    finest = Decimal(1) / lot
    usd_tick = max(Decimal("0.01"), finest / USD.denominator)
    huf_tick = max(Decimal(1), finest / HUF.denominator)
    source = Venue(
        "source",
        pair("BTC/USD", BTC, USD, lot, usd_tick, source_fee),
        price or Recorded(),
        source_users,
        _DEEP,
    )
    target = Venue(
        "target",
        pair("BTC/HUF", BTC, HUF, lot, huf_tick, target_fee),
        Following("source"),
        target_users,
        THIN,
        uninformed,
        informed,
    )
    return Scenario(
        (source, target), _demo_routes(btc_fee, btc_delay_s, fiat_fixed, fiat_proportional, fiat_delay_s), seed
    )


def _demo_routes(
    btc_fee: Decimal, btc_delay_s: float, fixed: Decimal, proportional: Decimal, fiat_delay_s: float
) -> tuple[Route, ...]:
    coins = Route("BTC", "BTC", btc_delay_s / 10, btc_delay_s * 0.9, fixed=btc_fee)
    out = Route("USD", "HUF", fiat_delay_s / 10, fiat_delay_s * 0.9, fixed, "USD", proportional)
    back = Route("HUF", "USD", fiat_delay_s / 10, fiat_delay_s * 0.9, fixed, "USD", proportional)
    return coins, out, back
