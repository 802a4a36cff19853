"""What can be examined of a venue without changing anything there: key and rights, clock, pair, steps, books, addresses.

A venue is seen through `Looking`, which has no way of placing, cancelling, withdrawing or making addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from clients.exchange import Book, ExchangeError, Market, NotAuthorised, Refused
from clients.http import BadAddress, Broken, Requester, exchange, time_of
from ilp.clock import WorldClock
from ilp.doctor import Chart, TooSlow
from ilp.settings import RESERVE, Settings
from ilp.tickers import held as held_of
from ilp.trading.market import mid
from ilp.trading.view import trade_minimum

__all__ = ["Looking", "VenueExamination"]

_READS = frozenset(
    {
        *("asking_makes_addresses", "connect", "disconnect", "features", "name", "on", "remove_listener"),
        *("getCurrentAddress", "getFills", "getMarkets", "getOHLCVHistory", "getOpenOrders", "getOrderBook"),
        *("getPermissions", "getPositions", "getServerTime", "getTransactionHistory", "getTransfers"),
    }
)
_RECENT = timedelta(hours=1)
TRIES = 3  # of a connection that fails for want of an answer
_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
# What a key has to be allowed, in the words of the uniform interface, and whether a pool can do without.
_RIGHTS: tuple[tuple[str, str, bool], ...] = (
    ("to read balances", "getPositions", True),
    ("to read own orders", "getOpenOrders", True),
    ("to read fills", "getFills", True),
    ("to read deposits and withdrawals", "getTransfers", True),
    ("to read the ledger", "getTransactionHistory", False),
)


class Looking:
    """A client of which only what reads can be reached."""

    def __init__(self, venue: Any) -> None:
        self._venue = venue

    def __getattr__(self, name: str) -> Any:
        if name not in _READS:
            raise AttributeError(f"{name} is not for looking")
        return getattr(self._venue, name)


class VenueExamination:
    """The examination of one account.

    :param account: how it is called; `roles` are those it serves.
    :param http: asks for the time where the client has no call for it.
    :ivar books: by ticker, what was read of the market; for examinations that need both venues.
    """

    def __init__(
        self, chart: Chart, account: str, roles: Sequence[str], venue: Any, settings: Settings, clock: WorldClock,
        http: Requester,
    ) -> None:  # fmt: skip
        self._chart, self._account, self._roles = chart, account, tuple(roles)
        self._venue, self._settings, self._clock, self._http = Looking(venue), settings, clock, http
        self._connection = settings.connections[self._roles[0]]
        self._told: list[Exception] = []
        self.markets: Mapping[str, Market] = {}
        self.books: dict[str, Book] = {}
        self._venue.on("error", self._told.append)

    @property
    def looking(self) -> Any:
        """The venue, for whoever reads its histories."""
        return self._venue

    @property
    def _section(self) -> str:
        return f"[{self._roles[0]}_connection]"

    async def examine(self, limit: float) -> None:
        """All of it, or as far as one gets; *limit* is what connecting may take, in reactor seconds."""
        if not await self._connected(limit):
            return
        part = self._chart.part
        await part(f"{self._account} clock", self._clock_skew())
        if self._has_account():
            await part(f"{self._account} key", self._rights())
            await part(f"{self._account} balances", self._balances())
        await part(f"{self._account} market", self._market())
        if self._has_account():
            await part(f"{self._account} addresses", self._addresses())

    async def leave(self) -> None:
        """Disconnect; what was subscribed ends with it."""
        self._venue.remove_listener("error", self._told.append)
        await self._venue.disconnect()

    # ------------------------------------------------------------------------------------------------------ the key

    async def _connected(self, limit: float) -> bool:
        subject = self._account
        try:
            await self._chart.within(self._connect(), limit)
        except NotAuthorised as error:
            self._chart.fail(
                subject, str(error), f"give the key what it lacks, or correct id and secret in {self._section}"
            )
            return False
        except Refused as error:
            self._chart.fail(subject, str(error), f"correct what it names, in [tickers] or {self._section}")
            return False
        except (ExchangeError, TooSlow) as error:
            why = str(error)
            if isinstance(error, TooSlow) and self._told:
                why += f"; last: {self._told[-1]}"
            self._chart.fail(subject, why, f"is the venue up, and is the address in {self._section} right?")
            return False
        name = self._connection.options.get("exchange", self._connection.module.removeprefix("clients."))
        where = self._connection.endpoint or "its own address"
        self._chart.ok(subject, f"connected: {name} at {where}")
        for told in self._told:
            if isinstance(told, NotAuthorised):
                self._chart.note(subject, str(told), "give the key that right if you want what needs it")
        return True

    def _connect(self) -> Deferred[None]:
        """Fires when connected; fails with what the venue refuses or after a few tries: a client would go on for ever."""
        done: Deferred[None] = Deferred()
        tries: list[Exception] = []

        def ended(result: Any) -> None:
            self._venue.remove_listener("error", refused)
            if not done.called:
                done.callback(result)  # a failure makes it fail

        def refused(error: Exception) -> None:
            # A right that is not needed is told this way too, and hinders no connection.
            if done.called or isinstance(error, NotAuthorised):
                return
            tries.append(error)
            if isinstance(error, Refused) or len(tries) == TRIES:
                done.errback(error)

        self._venue.on("error", refused)
        self._venue.connect().addBoth(ended)
        return done

    def _has_account(self) -> bool:
        if self._connection.id or self._connection.secret:
            return True
        if self._settings.mode == "live":
            self._chart.fail(f"{self._account} key", "there is none", f"give id and secret in {self._section}")
        else:
            self._chart.ok(f"{self._account} key", "there is none: only what is public can be read")
        return False

    async def _rights(self) -> None:
        subject, lacking = f"{self._account} key", 0
        for words, method, needed in _RIGHTS:
            try:
                await self._chart.asked(partial(self._ask, method))
            except NotAuthorised as error:
                lacking += 1
                tell = self._chart.fail if needed else self._chart.note
                tell(subject, f"lacks the right {words}: {error}", "give it that right at the venue")
            except NotImplementedError:
                continue
        lacking += await self._permissions(subject)
        if not lacking:
            self._chart.ok(subject, "may do all that could be tried without changing anything")
        if RESERVE in self._roles:
            return  # nothing of ours rests there
        if "cancel_all_after" not in self._venue.features and self._settings.mode == "live":
            self._chart.note(
                f"{self._account} switch",
                "the venue has no dead man's switch: what rests there outlives a daemon that dies",
                "run `ilp.py guardian` beside the daemon",
            )

    async def _permissions(self, subject: str) -> int:
        """What the venue itself says that the account may do, where it has words for it; how much is lacking."""
        try:
            may = await self._chart.asked(lambda: self._venue.getPermissions())
        except (AttributeError, NotImplementedError):
            return 0
        lacking = [word for word in ("trade", "withdraw", "deposit") if not getattr(may, word, True)]
        for word in lacking:
            tell = self._chart.fail if word == "trade" else self._chart.note
            tell(subject, f"the account may not {word}", "ask the venue's operator for that right")
        return len(lacking)

    def _ask(self, method: str) -> Deferred[Any]:
        now = self._clock.now()
        span = () if method in ("getPositions", "getOpenOrders") else (now - _RECENT, now)
        answer: Deferred[Any] = getattr(self._venue, method)(*span)
        return answer

    # ---------------------------------------------------------------------------------------------------- the clock

    async def _clock_skew(self) -> None:
        subject, limit = f"{self._account} clock", self._settings.ages.clock_skew
        if self._settings.simulation is not None:
            self._chart.ok(subject, "is the simulated world's, and so is ours")
            return
        began = self._clock.now()
        theirs = await self._their_time()
        ended = self._clock.now()
        if theirs is None:
            self._chart.note(subject, "the venue tells no time", "see that this machine's clock is set by NTP")
            return
        # Where whole seconds are told we know their beginning or their middle, and we asked between two moments.
        ahead = (theirs - ended).total_seconds()
        behind = (began - theirs).total_seconds() - 1
        skew = max(ahead, behind, 0.0)
        if skew > limit:
            way = "ahead of" if ahead > behind else "behind"
            said = f"is {skew:.0f} s {way} ours, allowed {limit:g} s"
            self._chart.fail(subject, said, "set this machine's clock by NTP, or raise [ages] clock_skew")
        else:
            self._chart.ok(subject, f"is within {max(skew, 1.0):.0f} s of ours, allowed {limit:g} s")

    async def _their_time(self) -> datetime | None:
        """What the client can ask for, else what the web server at the venue's address stamps its answers with."""
        try:
            told: datetime = await self._chart.asked(lambda: self._venue.getServerTime())
            return told
        except (AttributeError, NotImplementedError):
            pass
        parts = urlsplit(self._connection.endpoint)
        if parts.scheme not in _PORTS or not parts.hostname:
            return None
        secure = "s" if parts.scheme in ("wss", "https") else ""
        work = exchange(self._http, "GET", f"http{secure}://{parts.netloc}/", headers={}, limit=2**20)
        try:
            answer = await self._chart.within(Deferred.fromCoroutine(work))
            return time_of(answer)
        except (Broken, BadAddress, TooSlow, ValueError):
            return None

    # --------------------------------------------------------------------------------------------------- the market

    async def _market(self) -> None:
        self.markets = await self._chart.asked(self._venue.getMarkets)
        for role in self._roles:
            if role in self._settings.tickers:
                await self._pair(role, self._settings.tickers[role])

    async def _pair(self, role: str, ticker: str) -> None:
        subject, parameters = f"{self._account} pair", self._settings.parameters
        rules = self.markets.get(ticker)
        if rules is None:
            pairs = sorted(name for name, market in self.markets.items() if market["kind"] != "cash")
            known = ", ".join(pairs[:12]) + (" …" if len(pairs) > 12 else "")
            self._chart.fail(
                subject, f"does not list {ticker}; it lists {known or 'nothing'}", f"correct [tickers] {role}"
            )
            return
        book = self.books[ticker] = await self._chart.asked(lambda: self._venue.getOrderBook(ticker))
        price = mid(book)
        best = f"{book['bids'][0]['price']} / {book['asks'][0]['price']}" if price is not None else "a side is empty"
        if price is None and role == "source":
            self._chart.fail(subject, f"{ticker}: {best}; nothing can be hedged there", "choose a pair that is traded")
        elif price is None:
            self._chart.note(subject, f"{ticker}: {best}; quotes will be the first")
        else:
            self._chart.ok(subject, f"{ticker} is listed, best prices {best}")
        self._size(role, ticker, rules, price)
        if role == "source" and price is not None:
            self._depth(ticker, book, parameters.quote_size)

    def _size(self, role: str, ticker: str, rules: Market, price: Decimal | None) -> None:
        subject, size = f"{self._account} quote size", self._settings.parameters.quote_size
        minimum = trade_minimum(rules, price or Decimal(0))
        steps = f"lot {rules['lot_size'].normalize():f}, tick {rules['tick_size'].normalize():f}"
        if size < minimum:
            said = f"{size} is below what {ticker} takes: {minimum:.8g} ({steps})"
            self._chart.fail(subject, said, f"raise [trader] quote_size to {minimum:.8g} or more")
        elif rules["lot_size"] > 0 and size % rules["lot_size"]:
            cut = size - size % rules["lot_size"]
            self._chart.note(subject, f"{size} is no multiple of {ticker}'s lot, {cut} will rest ({steps})")
        else:
            self._chart.ok(subject, f"{size}, at least {minimum:.8g} on {ticker} ({steps})")

    def _depth(self, ticker: str, book: Book, size: Decimal) -> None:
        for side, rows in (("bids", book["bids"]), ("asks", book["asks"])):
            depth = sum((row["quantity"] for row in rows), Decimal(0))
            if depth < size:
                said = f"the {side} of {ticker} carry {depth:.8g}, a quote is {size}"
                self._chart.note(f"{self._account} depth", said, "quotes will be smaller, or lower [trader] quote_size")

    # ---------------------------------------------------------------------------------------------------- the money

    async def _balances(self) -> None:
        positions = await self._chart.asked(self._venue.getPositions)
        tickers = self._settings.tickers
        traded = (asset for role in self._roles if role in tickers for asset in held_of(tickers[role]))
        assets = dict.fromkeys([*traded, *(self._settings.reserves if RESERVE in self._roles else ())])
        held = {asset: positions[asset]["position"] if asset in positions else Decimal(0) for asset in assets}
        said = ", ".join(f"{amount.normalize():f} {asset}" for asset, amount in held.items())
        empty = [asset for asset, amount in held.items() if amount <= 0]
        if empty:
            need = f"it holds no {' and no '.join(empty)}; what needs it is not quoted"
            self._chart.note(f"{self._account} balances", f"{said}: {need}", "send it there")
        else:
            self._chart.ok(f"{self._account} balances", said)
        resting = await self._chart.asked(self._venue.getOpenOrders)
        if resting:
            said = f"{len(resting)} rest there now; the daemon takes them for its own and cancels them when it starts"
            self._chart.note(f"{self._account} orders", said, "give the daemon an account of its own")

    async def _addresses(self) -> None:
        """Where coins for this account may go, and whether the least transfer is one that the venue takes."""
        subject, settings = f"{self._account} addresses", self._settings
        base = settings.tickers["btc"]
        if RESERVE in self._roles:
            return  # what is there counts, and is moved by you
        if settings.one_account:
            self._chart.ok(subject, f"{base} stays where it is: both pairs are on one account")
            return
        listed = settings.transfers.addresses.get((self._roles[0], base), ())
        if listed:
            self._chart.ok(subject, f"{base} may go to {len(listed)} listed in [transfers] addresses")
        elif getattr(self._venue, "asking_makes_addresses", False):
            said = f"none listed for {base}; the venue's own is asked for when the daemon first needs it"
            self._chart.ok(subject, said)
        else:
            await self._own_address(subject, base)
        rules = self.markets.get(base)
        least = settings.parameters.min_coin_transfer
        if rules is not None and rules["kind"] == "cash" and least < rules["min_quantity"]:
            said = f"the venue sends {rules['min_quantity']:.8g} {base} or more, min_coin_transfer is {least}"
            self._chart.note(subject, said, "the larger one counts")

    async def _own_address(self, subject: str, base: str) -> None:
        list_it = f"list one as `{self._roles[0]} {base} ADDRESS` in [transfers] addresses"
        try:
            address: str = await self._chart.asked(lambda: self._venue.getCurrentAddress(base))
        except NotImplementedError:
            self._chart.note(subject, f"the venue tells none for {base}: transfers to it wait for you", list_it)
        except (ExchangeError, TooSlow) as error:
            self._chart.note(subject, f"none for {base}: {error}", list_it)
        else:
            self._chart.ok(subject, f"{base} for this account goes to {address[:6]}…{address[-4:]}, as the venue says")
