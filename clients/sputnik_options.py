"""What a Sputnik client can be told besides address and credentials, checked.  Values may come as text from a file."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from attrs import Attribute, field, frozen

from clients.option_values import path, positive
from clients.option_values import words as plain_words

__all__ = ["FEEDS", "Options"]

FEEDS = ("safe_prices", "ohlcv")


def _words(value: Any) -> tuple[str, ...]:
    """Tickers from a text with commas or from any sequence of texts."""
    return tuple(word.upper() for word in plain_words(value))


def _feeds(value: Any) -> tuple[str, ...]:
    names = tuple(word.lower() for word in _words(value))
    for name in names:
        if name not in FEEDS:
            raise ValueError(f"feeds: {name!r} is not allowed; any of {', '.join(FEEDS)}")
    return names


def _fraction(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"fee {value!r} is not a number; a fraction like 0.01 is wanted") from None


def _below_one(_: object, attribute: Attribute[Decimal], value: Decimal) -> None:
    if not value.is_finite() or not 0 <= value < 1:  # nothing compares with NaN
        raise ValueError(f"{attribute.name} {value} is not allowed; a fraction from 0 up to below 1 is wanted")


@frozen
class Options:
    """Further options of `clients.sputnik.Sputnik`.

    :ivar tickers: markets to follow; empty means every market of the venue.
    :ivar feeds: feeds of them beside books and trades: `safe_prices`, `ohlcv`.
    :ivar fee: lowest trade fee to reckon with, as a fraction, until fills have told the real one.
    :ivar totp_secret: Base32 secret of the second factor, empty where it is off.
    :ivar cookie: of an earlier session (`getCookie`): logs in instead of the password as long as it is good.
    :ivar ca_certs_dir: file or folder of trusted PEM certificates; empty means those of the platform.
    :ivar tls_minimum: lowest TLS version; `1.0` for old installations that speak nothing newer.
    :ivar deadline: seconds for one call, waiting for the rate budget included.
    :ivar connect_deadline: seconds until `connect` reports that there is no connection yet.
    :ivar ping_interval: seconds of silence after which the venue is pinged; `ping_timeout` seconds later it is given up.
    :ivar rate: calls a second; `burst` calls may go at once.
    :ivar quote_patience: seconds after which a quote that waits for its turn is given up: its price is old by then.
    :ivar backoff_first: seconds before the first reconnection; waits double up to `backoff_longest`.
    :ivar event_grace: seconds that the event after a cancel may take before the venue is asked what became of the order.
    :ivar reread: seconds after which orders and positions are read again even if nothing happened.
    """

    tickers: tuple[str, ...] = field(default=(), converter=_words)
    feeds: tuple[str, ...] = field(default=(), converter=_feeds)
    fee: Decimal = field(default=Decimal(0), converter=_fraction, validator=_below_one)
    totp_secret: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    ca_certs_dir: Path | None = field(default=None, converter=path)
    tls_minimum: str = "1.2"
    deadline: float = positive(10.0)
    connect_deadline: float = positive(30.0)
    ping_interval: float = positive(2.0)
    ping_timeout: float = positive(5.0)
    rate: float = positive(50.0)
    burst: float = positive(100.0)
    quote_patience: float = positive(0.5)
    backoff_first: float = positive(0.5)
    backoff_longest: float = positive(30.0)
    event_grace: float = positive(1.0)
    reread: float = positive(60.0)
