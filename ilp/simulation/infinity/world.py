"""A whole simulated Infinity that moves: five tokens at floating and dated rates, customers, users with wallets, an admin.

For a process of its own and, with a clock and a bank that others share, as one venue of a larger world.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

from attrs import field, frozen

from clients.infinity_signing import address_of, decode_key
from ilp.clock import WorldClock
from ilp.simulation.admin import Path
from ilp.simulation.bank import Bank
from ilp.simulation.infinity.drivers import CUSTOMERS, MAKER, RATES, RateDriver, invent_history
from ilp.simulation.infinity.listings import traded_tokens
from ilp.simulation.infinity.rates_core import RateCore
from ilp.simulation.infinity.server import InfinityVenue
from ilp.simulation.maker import Ladder
from ilp.simulation.standing import Standing
from ilp.simulation.takers import Appetite

__all__ = ["InfinityUser", "InfinityWorld"]

_PLENTY = Decimal(10**7)
_HISTORY = 1_000  # of the house's own orders and bookings: nobody asks for them


@frozen
class InfinityUser:
    """Somebody with a wallet; what is empty of that is made up of the seed.

    :ivar balances: of the Trading account, in tokens.
    :ivar current: of the Current account.
    :ivar key: the wallet's private key, `0x` and 64 hexadecimal digits.
    """

    name: str
    balances: Mapping[str, Decimal]
    current: Mapping[str, Decimal] = field(factory=dict)
    key: str = field(default="", repr=False)


class InfinityWorld(Standing):
    """One venue, its markets and its administrator.

    :param clock: the world's; share it with other venues of the same world.
    :param bank: what carries money between venues; none: a withdrawal has left after a minute of the world.
    :param customers: who trade at random; None for nobody.  `least` and `most` are shares of what rests at a level.
    :param ladders: the shape of the house's books where it is not the usual one, by instrument; see `RateDriver`.
    :param favourites: instruments that half of the customers want.
    :param rates: floating rates at the beginning, by token; the means of `drivers.RATES` where none is given.
    """

    def __init__(
        self,
        clock: WorldClock,
        users: Iterable[InfinityUser],
        *,
        name: str = "infinity",
        seed: int = 1,
        bank: Bank | None = None,
        customers: Appetite | None = None,
        rates: Mapping[str, Decimal] | None = None,
        ladders: Mapping[str, Ladder] | None = None,
        favourites: tuple[str, ...] = (),
    ) -> None:
        self.clock, self.seed = clock, seed
        means = {code: Decimal(str(shape.mean)) for code, shape in RATES.items()}
        self.core = RateCore(clock.now, rates=means | dict(rates or {}), venue=name)
        self.venue = InfinityVenue(self.core, clock, seed=seed, settles_after=60.0 if bank is None else None)
        if bank is not None:
            bank.connect(self.core)
        self.keys: dict[str, str] = {}
        draw = Random(f"{seed}/{name}/wallets")
        for user in users:
            self._user(user, draw)
        for house in (MAKER, CUSTOMERS):
            self.core.open_account(house, history=_HISTORY)
            self.core.rate_rules.unlimited.add(house)
            for token in traded_tokens():
                self.core.endow(house, token.code, token.currency.units(_PLENTY))
        invent_history(self.core, f"{seed}/{name}")
        self.driver = RateDriver(self.core, clock, f"{seed}/{name}", customers, ladders or {}, favourites)

    def _user(self, user: InfinityUser, draw: Random) -> None:
        made = "0x" + draw.randbytes(32).hex()
        key = self.keys[user.name] = user.key or made
        self.venue.add_user(user.name, address_of(decode_key(key)))
        for account, balances in (("trading", user.balances), ("current", user.current)):
            for code, amount in balances.items():
                self.core.endow(f"{user.name}/{account}", code, self.core.currency(code).units(amount))

    def address(self, user: str) -> str:
        """The wallet of a user."""
        return address_of(decode_key(self.keys[user]))

    # ------------------------------------------------------------------------------------------------------- life

    def _start_markets(self) -> None:
        self.driver.start()

    def _stop_markets(self) -> None:
        self.driver.stop()

    def _paths(self) -> list[Path]:
        return [*super()._paths(), Path("requests", "GET", lambda _: self.venue.seen.document())]

    def announcement(self) -> dict[str, Any]:
        """How to reach it: `{venue, endpoints, accounts, admin}`; an account's secret is its wallet's private key."""
        return {
            "venue": self.core.venue,
            "endpoints": {"ws": self.venue.endpoint, "rest": self.venue.rest},
            "accounts": [{"id": self.address(name), "secret": key} for name, key in self.keys.items()],
            "admin": self.admin,
        }
