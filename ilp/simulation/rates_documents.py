"""The documents of the ECB and of Frankfurter v1, made of recorded fixings.  Pure: values in, bytes out; knows no server.

Written from descriptions of what is served and sharing nothing with the clients that read it, so that neither hides the
other's mistakes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from zoneinfo import ZoneInfo

__all__ = [
    "NAMES",
    "Rates",
    "Style",
    "daily_csv",
    "history_csv",
    "in_json",
    "in_xml",
    "published_at",
    "rebased",
    "zipped",
]

#: Units of each currency for one euro.
Rates = Mapping[str, Decimal]

_ZONE = ZoneInfo("Europe/Berlin")


class Style(Enum):
    """How the ECB wrote its XML over the years."""

    TABS = "single quotes, tabs and new lines, as since about 2018"
    ONE_LINE = "double quotes and one line, as in 2017"


def published_at(day: date) -> datetime:
    """When the fixing of *day* appears: 16:00 in Frankfurt, in UTC."""
    return datetime.combine(day, time(16), _ZONE).astimezone(UTC)


# ------------------------------------------------------------------------------------------------------------ the ECB


def in_xml(fixings: Iterable[tuple[date, Rates]], style: Style = Style.TABS) -> bytes:
    """The daily file (one fixing) or a history (many, newest first)."""
    lines = [
        '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"'
        ' xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">',
        "\t<gesmes:subject>Reference rates</gesmes:subject>",
        "\t<gesmes:Sender>",
        "\t\t<gesmes:name>European Central Bank</gesmes:name>",
        "\t</gesmes:Sender>",
        "\t<Cube>",
    ]
    for day, rates in fixings:
        lines.append(f"\t\t<Cube time='{day}'>")
        lines += [f"\t\t\t<Cube currency='{currency}' rate='{rate:f}'/>" for currency, rate in rates.items()]
        lines.append("\t\t</Cube>")
    lines += ["\t</Cube>", "</gesmes:Envelope>"]
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    if style is Style.ONE_LINE:  # a history has a line for each day even so
        text = head + "".join(line.strip("\t").replace("'", '"') for line in lines)
        return text.replace('</Cube><Cube time="', '</Cube>\n<Cube time="').encode()
    return "\n".join([head, *lines]).encode()


def daily_csv(day: date, rates: Rates) -> str:
    """Header and one row, separated by comma and space, with a comma at the end and the date in English."""
    rows = [["Date", *rates], [f"{day:%d} {_MONTHS[day.month - 1]} {day.year}", *(f"{r:f}" for r in rates.values())]]
    return "".join(", ".join(row) + ", \n" for row in rows)


def history_csv(fixings: Sequence[tuple[date, Rates]]) -> str:
    """All fixings, newest first: `N/A` where a currency was not fixed, a comma at the end of each line."""
    currencies = list(dict.fromkeys(currency for _, rates in fixings for currency in rates))
    lines = [",".join(["Date", *currencies])]
    for day, rates in fixings:
        lines.append(",".join([f"{day}", *(f"{rates[c].normalize():f}" if c in rates else "N/A" for c in currencies)]))
    return "".join(line + ",\n" for line in lines)


def zipped(name: str, text: str) -> bytes:
    """A zip archive of one file; the same text gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


# No locale's own names, hence not strftime's.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


# --------------------------------------------------------------------------------------------------------- Frankfurter

#: What Frankfurter's list of currencies calls them.
NAMES = {
    "AUD": "Australian Dollar",
    "BGN": "Bulgarian Lev",
    "BRL": "Brazilian Real",
    "CAD": "Canadian Dollar",
    "CHF": "Swiss Franc",
    "CNY": "Chinese Renminbi Yuan",
    "CZK": "Czech Koruna",
    "DKK": "Danish Krone",
    "EUR": "Euro",
    "GBP": "British Pound",
    "HKD": "Hong Kong Dollar",
    "HRK": "Croatian Kuna",
    "HUF": "Hungarian Forint",
    "IDR": "Indonesian Rupiah",
    "ILS": "Israeli New Shekel",
    "INR": "Indian Rupee",
    "ISK": "Icelandic Króna",
    "JPY": "Japanese Yen",
    "KRW": "South Korean Won",
    "MXN": "Mexican Peso",
    "MYR": "Malaysian Ringgit",
    "NOK": "Norwegian Krone",
    "NZD": "New Zealand Dollar",
    "PHP": "Philippine Peso",
    "PLN": "Polish Złoty",
    "RON": "Romanian Leu",
    "RUB": "Russian Ruble",
    "SEK": "Swedish Krona",
    "SGD": "Singapore Dollar",
    "THB": "Thai Baht",
    "TRY": "Turkish Lira",
    "USD": "United States Dollar",
    "ZAR": "South African Rand",
}


def rebased(rates: Rates, base: str, symbols: Collection[str], amount: Decimal) -> dict[str, Decimal]:
    """*amount* of *base* in each of *symbols* (all when empty); rounded as that service does, unless it is 1 euro.

    `KeyError` when *base* was not fixed.
    """
    with_euro = {"EUR": Decimal(1), **rates}
    unit = with_euro[base]
    plain = base == "EUR" and amount == 1
    values = {c: r if plain else _rounded(amount * r / unit) for c, r in with_euro.items() if c != base}
    return {currency: values[currency] for currency in sorted(values) if not symbols or currency in symbols}


def _rounded(value: Decimal) -> Decimal:
    steps = ((5000, 0), (80, 2), (20, 3), (1, 4), (Decimal("0.0001"), 5))
    digits = next((digits for limit, digits in steps if value > limit), 6)
    return round(value, digits)


def in_json(document: Mapping[str, object]) -> bytes:
    """JSON in which a whole rate is an integer, as that service writes it, and others have the digits they have."""
    return json.dumps(document, separators=(",", ":"), default=_number).encode()


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} has no place in JSON")
    # Six significant digits survive a float and its shortest text unchanged; the readers are to cope with JSON numbers.
    return int(value) if value == value.to_integral_value() else float(value)
