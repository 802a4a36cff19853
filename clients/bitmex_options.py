"""What a BitMEX client can be told besides credentials, checked.  Values may come as text from a file."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen

from clients.websocket import Address

__all__ = ["HOSTS", "Hosts", "Options", "words"]

BOOKS = ("orderBookL2", "orderBookL2_25")


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


def words(value: Any) -> tuple[str, ...]:
    """Names from a text with commas or from any sequence of texts."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None


def _positive(_: object, attribute: Attribute[float], value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{attribute.name} {value} is not allowed; a number above 0 is wanted")


def _one_or_more(_: object, attribute: Attribute[int], value: int) -> None:
    if value < 1:
        raise ValueError(f"{attribute.name} {value} is not allowed; 1 or more")


def _not_negative(_: object, attribute: Attribute[float], value: float) -> None:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{attribute.name} {value} is not allowed; 0 or a number above it is wanted")


def _book(_: object, attribute: Attribute[str], value: str) -> None:
    if value not in BOOKS:
        raise ValueError(f"{attribute.name} {value!r} is not allowed; {' or '.join(BOOKS)}")


def _whole(value: Any) -> int:
    return int(_number(value))


@frozen
class Options:
    """Options of `clients.bitmex.BitMEX`; see there for the meaning and the default of each."""

    tickers: tuple[str, ...] = field(converter=words)
    book: str = field(validator=_book)
    depth: int = field(converter=_whole, validator=_one_or_more)
    network: str
    otp: str = field(repr=False)
    dead_man: float = field(converter=_number, validator=_not_negative)
    deadline: float = field(converter=_number, validator=_positive)
    connect_deadline: float = field(converter=_number, validator=_positive)
    ping_interval: float = field(converter=_number, validator=_positive)
    ping_timeout: float = field(converter=_number, validator=_positive)
    rate: float = field(converter=_number, validator=_positive)
    burst: float = field(converter=_number, validator=_positive)
    order_rate: float = field(converter=_number, validator=_positive)
    reserve: float = field(converter=_number, validator=_not_negative)
    backoff_first: float = field(converter=_number, validator=_positive)
    backoff_longest: float = field(converter=_number, validator=_positive)
    reread: float = field(converter=_number, validator=_positive)

    def chosen(self) -> dict[str, str]:
        """The followed tickers with the symbol that was asked for, or an empty text: `BTC/USDT=XBTUSDT` names one."""
        pairs = (entry.partition("=") for entry in self.tickers)
        return {ticker.upper(): symbol.upper() for ticker, _, symbol in pairs}

    @property
    def kept(self) -> float:
        """Calls kept back for cancels and hedges, less than the burst whatever was asked."""
        return max(0.0, min(self.reserve, self.burst - 1))
