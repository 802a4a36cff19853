"""What a BitMEX client can be told besides credentials, checked.  Values may come as text from a file."""

from __future__ import annotations

from urllib.parse import urlsplit

from attrs import field, frozen

from clients.option_values import choice, count, not_negative, positive, words
from clients.websocket import Address

__all__ = ["HOSTS", "Hosts", "Options"]


@frozen
class Hosts:
    """Where a venue is: `rest` without a slash at the end, `socket` its WebSocket."""

    rest: str
    socket: Address

    @classmethod
    def parse(cls, endpoint: str) -> Hosts:
        """`mainnet`, `testnet`, or one address: `http(s)://host[:port]` or `ws(s)://host[:port][/realtime]`."""
        if endpoint in HOSTS:
            rest, wire = HOSTS[endpoint]
            return cls(rest, _address(wire))
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
            known = ", ".join(HOSTS)
            raise ValueError(
                f"endpoint {endpoint!r} is no address; write {known}, http(s)://host:port or ws(s)://host:port"
            )
        secure = parts.scheme in ("https", "wss")
        path = parts.path if parts.scheme in ("ws", "wss") else ""
        socket = _address(f"{'wss' if secure else 'ws'}://{parts.netloc}{path}")
        return cls(f"{'https' if secure else 'http'}://{parts.netloc}", socket)


HOSTS = {
    "mainnet": ("https://www.bitmex.com", "wss://ws.bitmex.com/realtime"),
    "testnet": ("https://testnet.bitmex.com", "wss://ws.testnet.bitmex.com/realtime"),
}


def _address(url: str) -> Address:
    return Address.parse(url, plain_port=80, tls_port=443, path="/realtime")


@frozen
class Options:
    """Further options of `clients.bitmex.BitMEX`.

    :ivar tickers: what to follow, with commas; `BTC/USD` means XBTUSD, `X/USDT` the spot pair where there is one, a
        raw symbol itself, `BTC/USDT=XBTUSDT` that symbol under that ticker.  Empty: BTC/USD and BTC/USDT, if listed.
    :ivar book: `orderBookL2` (every level, every change) or `orderBookL2_25` (25 levels, throttled by the venue).
    :ivar depth: levels on each side that `book` events tell.
    :ivar network: chain of deposits and withdrawals; empty: the asset's first that takes deposits.
    :ivar otp: one-time code of withdrawals, where the account wants one.
    :ivar dead_man: seconds after which the venue cancels everything if nothing is heard while orders rest; 0 for off.
    :ivar deadline: seconds for one call, waiting for the rate budget included.
    :ivar connect_deadline: seconds until `connect` reports that there is no connection yet.
    :ivar ping_interval: seconds of silence after which the venue is asked; `ping_timeout` seconds later it is given up.
    :ivar rate, burst: calls a second, of which `burst` may go at once; `order_rate` those that place, change or cancel.
    :ivar reserve: calls of `burst` that are kept for cancels and hedges.
    :ivar backoff_first: seconds before the first reconnection; waits double up to `backoff_longest`.
    :ivar reread: seconds after which orders and money are read again even if nothing happened.
    """

    tickers: tuple[str, ...] = field(default=(), converter=words)
    book: str = choice("orderBookL2", ("orderBookL2", "orderBookL2_25"))
    depth: int = count(50)
    network: str = ""
    otp: str = field(default="", repr=False)
    dead_man: float = not_negative(60.0)
    deadline: float = positive(10.0)
    connect_deadline: float = positive(30.0)
    ping_interval: float = positive(5.0)
    ping_timeout: float = positive(5.0)
    rate: float = positive(2.0)
    burst: float = positive(100.0)
    order_rate: float = positive(10.0)
    reserve: float = not_negative(10.0)
    backoff_first: float = positive(0.5)
    backoff_longest: float = positive(30.0)
    reread: float = positive(60.0)

    def chosen(self) -> dict[str, str]:
        """The followed tickers with the symbol that was asked for, or an empty text: `BTC/USDT=XBTUSDT` names one."""
        pairs = (entry.partition("=") for entry in self.tickers)
        return {ticker.upper(): symbol.upper() for ticker, _, symbol in pairs}

    @property
    def kept(self) -> float:
        """Calls kept back for cancels and hedges, less than the burst whatever was asked."""
        return max(0.0, min(self.reserve, self.burst - 1))
