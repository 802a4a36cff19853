"""The REST endpoints of the simulated BitMEX: what each path answers.  Knows no HTTP: parameters in, documents out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, field

from ilp.simulation.bitmex.auth import Key
from ilp.simulation.bitmex.entry import Entry
from ilp.simulation.bitmex.errors import ApiError, from_core
from ilp.simulation.bitmex.feeds import Feeds
from ilp.simulation.bitmex.listings import ASSETS, AssetInfo
from ilp.simulation.bitmex.market import BINS, Market
from ilp.simulation.bitmex.money import Money
from ilp.simulation.bitmex.query import Parameters, select
from ilp.simulation.bitmex.schema import TABLES
from ilp.simulation.bitmex.socket import help_document
from ilp.simulation.rejections import Rejection

__all__ = ["Endpoints", "Route"]

Row = dict[str, Any]
_BEGINNING = datetime(2009, 1, 1, tzinfo=UTC)
_MANY = 1000
_WALLET_HISTORY = 10_000
_ORDER_ENTRY = frozenset(
    {"POST /order", "PUT /order", "DELETE /order", "DELETE /order/all", "POST /position/isolate",
     "POST /position/leverage", "POST /position/transferMargin"}
)  # fmt: skip


@define
class Route:
    """One verb and path.

    :ivar permission: what the key must have: empty for public, `read` for any key.
    """

    serve: Callable[[Key, Parameters], Any]
    permission: str = ""
    entry: bool = False
    cancel: bool = False


@define(eq=False)
class Endpoints:
    """Everything under `/api/v1`.

    :ivar cancel_all_after: the dead man's switch of an account, in milliseconds.
    """

    market: Market
    entry: Entry
    money: Money
    feeds: Feeds
    cancel_all_after: Callable[[str, int], Row]
    routes: dict[str, Route] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._public()
        self._trading()
        self._account()

    def find(self, verb: str, path: str) -> Route:
        """What answers; 404 when nothing does."""
        route = self.routes.get(f"{verb} {path}")
        if route is None:
            raise ApiError(404, "Not Found")
        return route

    def _add(self, call: str, serve: Callable[[Key, Parameters], Any], permission: str = "") -> None:
        entry, cancel = call in _ORDER_ENTRY, call.startswith("DELETE /order")
        self.routes[call] = Route(serve, permission, entry, cancel)

    # ------------------------------------------------------------------------------------------------ public

    def _public(self) -> None:
        rows = self._instruments
        self._add("GET /", lambda key, p: {"name": "BitMEX API", "version": "1.2.0", "timestamp": 0})
        self._add("GET /instrument", lambda key, p: select(rows(), p))
        for name in ("active", "activeAndIndices"):
            self._add(f"GET /instrument/{name}", lambda key, p: rows())
        self._add("GET /instrument/indices", lambda key, p: [])
        self._add("GET /instrument/activeIntervals", lambda key, p: self._intervals())
        self._add("GET /orderBook/L2", self._order_book)
        self._add("GET /trade", self._trades)
        self._add("GET /trade/bucketed", self._bins)
        self._add("GET /quote", lambda key, p: select([self.market.quote_row(s) for s in self.market.listings], p))
        for name in ("quote/bucketed", "funding", "settlement", "liquidation", "insurance", "announcement", "stats"):
            self._add(f"GET /{name}", lambda key, p: [])
        self._add("GET /schema", lambda key, p: {name: {"keys": list(t.keys)} for name, t in TABLES.items()})
        self._add("GET /schema/websocketHelp", lambda key, p: help_document())
        self._add("GET /wallet/assets", lambda key, p: [self._asset(t) for t in self._tickers()])
        self._add("GET /wallet/networks", lambda key, p: [{"network": ASSETS[t].network} for t in self._tickers()])

    def _tickers(self) -> list[str]:
        return [ticker for ticker in ASSETS if ticker in self.market.core.currencies]

    def _instruments(self) -> list[Row]:
        return [self.market.instrument_row(symbol) for symbol in self.market.listings]

    def _intervals(self) -> Row:
        perpetual = [listing for listing in self.market.listings.values() if not listing.is_spot]
        return {
            "intervals": [f"{listing.underlying}:perpetual" for listing in perpetual],
            "symbols": [listing.symbol for listing in perpetual],
        }

    def _symbols(self, p: Parameters) -> list[str]:
        if not p.text("symbol"):
            return list(self.market.listings)
        found = self.feeds.symbols("trade", p.text("symbol").upper())
        return list(self.market.listings) if found == [""] else found or []

    def _order_book(self, key: Key, p: Parameters) -> list[Row]:
        if not p.text("symbol"):
            raise ApiError(400, "'symbol' is a required arg.")
        depth = p.whole("depth", 25)
        if depth < 0:
            raise ApiError(400, "depth not valid", "ValidationError")
        return [row for symbol in self._symbols(p) for row in self.market.book_rows(symbol, depth)]

    def _times(self, p: Parameters) -> tuple[datetime, datetime]:
        return p.time("startTime") or _BEGINNING, p.time("endTime") or self.market.core.now() + timedelta(days=2)

    def _trades(self, key: Key, p: Parameters) -> list[Row]:
        start, end = self._times(p)
        return select(self.market.trades(self._symbols(p), start, end + timedelta(milliseconds=1)), p, most=_MANY)

    def _bins(self, key: Key, p: Parameters) -> list[Row]:
        size = p.text("binSize") or "1m"
        if size not in BINS:
            raise ApiError(400, "binSize not valid", "ValidationError")
        start, end = self._times(p)
        running = p.flag("partial")
        rows = [r for s in self._symbols(p) for r in self.market.bins(s, size, start, end, running=running)]
        return select(sorted(rows, key=lambda row: str(row["timestamp"])), p, most=_MANY)

    def _asset(self, ticker: str) -> Row:
        info: AssetInfo = ASSETS[ticker]
        fee = self.market.core.currencies[ticker].withdrawal_fee.base
        network = {
            "asset": info.network,
            "tokenAddress": "",
            "depositEnabled": True,
            "withdrawalEnabled": True,
            "withdrawalFee": fee,
            "minFee": fee,
            "maxFee": fee,
        }
        return {
            "asset": info.asset,
            "currency": info.currency,
            "majorCurrency": info.asset,
            "name": info.name,
            "currencyType": "Crypto",
            "scale": info.scale,
            "enabled": True,
            "isMarginCurrency": True,
            "minDepositAmount": 1,
            "minWithdrawalAmount": info.least_withdrawal,
            "maxWithdrawalAmount": 10**15,
            "memoRequired": False,
            "networks": [network],
        }

    # ------------------------------------------------------------------------------------------------ trading

    def _trading(self) -> None:
        desk, entry = self.entry.desk, self.entry
        self._add("GET /order", lambda key, p: select([o.row() for o in desk.of(key.account)], p), "read")
        self._add("POST /order", lambda key, p: entry.place(key, p).row(), "order")
        self._add("PUT /order", lambda key, p: entry.amend(key, p).row(), "order")
        self._add("DELETE /order", lambda key, p: entry.cancel(key, p), "orderCancel")
        self._add("DELETE /order/all", lambda key, p: entry.cancel_all(key.account, p), "orderCancel")
        self._add("POST /order/bulk", self._place_many, "order")
        self._add("PUT /order/bulk", self._amend_many, "order")
        self._add("POST /order/cancelAllAfter", self._dead_man, "orderCancel")
        self._add("POST /order/closePosition", self._close, "order")
        self._add("GET /execution", lambda key, p: select(entry.executions[key.account], p), "read")
        self._add("GET /execution/tradeHistory", self._fills, "read")
        self._add("GET /position", self._positions, "read")
        for name in ("leverage", "isolate", "riskLimit", "transferMargin", "crossLeverage"):
            self._add(f"POST /position/{name}", self._position, "order")

    def _many(self, p: Parameters) -> list[Parameters]:
        orders = p.json("orders")
        if not isinstance(orders, list) or not all(isinstance(one, dict) for one in orders):
            raise ApiError(400, "orders not valid", "ValidationError")
        return [Parameters(one) for one in orders]

    def _place_many(self, key: Key, p: Parameters) -> list[Row]:
        asked = self._many(p)
        for one in asked:
            self.entry.check(key, one)
        return [self.entry.place(key, one).row() for one in asked]

    def _amend_many(self, key: Key, p: Parameters) -> list[Row]:
        asked = self._many(p)
        for one in asked:
            id, name = one.text("orderID"), one.text("origClOrdID")
            if self.entry.desk.find(key.account, order_id=id, client_id="" if id else name) is None:
                raise ApiError(400, "Invalid orderID" if id else "Invalid origClOrdID")
        return [self.entry.amend(key, one).row() for one in asked]

    def _dead_man(self, key: Key, p: Parameters) -> Row:
        timeout = p.number("timeout")
        if timeout is None or timeout < 0:
            raise ApiError(400, "timeout is invalid", "ValidationError")
        return self.cancel_all_after(key.account, int(timeout))

    def _close(self, key: Key, p: Parameters) -> Row:
        return self.entry.place(key, Parameters({**p.values, "execInst": "Close"})).row()

    def _fills(self, key: Key, p: Parameters) -> list[Row]:
        kinds = ("Trade", "Funding", "Settlement", "Liquidation")
        return select([r for r in self.entry.executions[key.account] if r["execType"] in kinds], p)

    def _positions(self, key: Key, p: Parameters) -> list[Row]:
        return select(self.feeds.rows(key.account, "position"), p)

    def _position(self, key: Key, p: Parameters) -> Row:
        listing = self.market.listings.get(p.text("symbol").upper())
        if listing is None:
            raise ApiError(400, "Invalid symbol")
        return self.money.position_row(key.account, listing)

    # ------------------------------------------------------------------------------------------------ account

    def _account(self) -> None:
        self._add("GET /user", self._user, "read")
        self._add("GET /user/margin", lambda key, p: self._money(key, p, self.money.margin_row), "read")
        self._add("GET /user/wallet", lambda key, p: self._money(key, p, self.money.wallet_row), "read")
        self._add("GET /user/walletHistory", self._history, "read")
        self._add("GET /user/walletSummary", self._history, "read")
        self._add("GET /user/depositAddress", lambda key, p: self._address(key, p), "read")
        information = {"memo": ""}
        self._add(
            "GET /user/depositAddressInformation",
            lambda key, p: {"address": self._address(key, p), **information},
            "read",
        )
        self._add("POST /user/requestWithdrawal", self._withdraw, "withdraw")
        self._add("GET /user/commission", lambda key, p: self._commission(), "read")
        self._add(
            "GET /user/getWalletTransferAccounts", lambda key, p: [{"id": key.number, "name": key.account}], "read"
        )
        for name in ("user/tradingVolume", "user/executionHistory", "user/quoteFillRatio", "address"):
            self._add(f"GET /{name}", lambda key, p: [], "read")
        self._add("GET /apiKey", lambda key, p: [key.row()], "read")
        self._add("GET /apiKey/self", lambda key, p: key.row(), "read")
        self._add("GET /user/marginingMode", lambda key, p: {"mode": "SingleAsset"}, "read")

    def _user(self, key: Key, p: Parameters) -> Row:
        return {
            "id": key.number,
            "firstname": "",
            "lastname": "",
            "username": key.account,
            "accountName": key.account,
            "email": f"{key.account}@example.invalid",
            "created": "2020-01-01T00:00:00.000Z",
            "lastUpdated": "2020-01-01T00:00:00.000Z",
            "preferences": {},
            "TFAEnabled": "",
            "country": "",
            "typ": "Trader",
            "isRestricted": False,
            "roles": [],
        }

    def _ticker(self, p: Parameters) -> str:
        currency = p.text("currency") or "XBt"
        for ticker in self._tickers():
            if currency.lower() in (ASSETS[ticker].currency.lower(), ASSETS[ticker].asset.lower()):
                return ticker
        raise ApiError(400, "Invalid currency", "ValidationError")

    def _money(self, key: Key, p: Parameters, row: Callable[[str, str], Row]) -> Row | list[Row]:
        if p.text("currency") == "all":
            return [row(key.account, ticker) for ticker in self._tickers()]
        return row(key.account, self._ticker(p))

    def _history(self, key: Key, p: Parameters) -> list[Row]:
        rows = self.money.history[key.account]
        if p.text("currency") != "all":
            wanted = ASSETS[self._ticker(p)].currency
            rows = [row for row in rows if row["currency"] == wanted]
        plain = Parameters({name: p.raw(name) for name in ("count", "start", "reverse") if name in p})
        return select(rows, plain, most=_WALLET_HISTORY, reverse=True)

    def _address(self, key: Key, p: Parameters) -> str:
        for name in ("currency", "network"):
            if not p.text(name):
                raise ApiError(400, f"'{name}' is a required arg.")
        return self.market.core.current_address(key.account, self._ticker(p))

    def _withdraw(self, key: Key, p: Parameters) -> Row:
        ticker, amount, address = self._ticker(p), p.whole("amount"), p.text("address")
        if not address:
            raise ApiError(400, "'address' is a required arg.")
        if amount <= 0:
            raise ApiError(400, "Negative withdrawal amount" if amount < 0 else "Invalid withdrawal amount")
        core = self.market.core
        currency = core.currencies[ticker]
        fee = core.rules.withdrawal_fee(currency, core.accounts[key.account], amount)
        if amount + fee > core.available(key.account, ticker):
            raise ApiError(400, "Account has insufficient Withdrawable Balance")
        try:
            withdrawal = core.withdraw(key.account, ticker, amount + fee, address)
        except Rejection as refusal:
            raise from_core(refusal) from None
        return self.money.row_of(withdrawal)

    def _commission(self) -> Row:
        return {
            symbol: {
                "maxFee": float(listing.taker),
                "makerFee": float(listing.maker),
                "takerFee": float(listing.taker),
                "settlementFee": 0,
            }
            for symbol, listing in self.market.listings.items()
        }
