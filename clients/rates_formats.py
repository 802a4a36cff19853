"""Wire formats of free rate feeds, as functions of bytes: ECB (XML, CSV, zip) and Frankfurter v1 (JSON).

Every parser gives `{day: {currency: units for 1 EUR}}` or fails with `BadRates`: a value that is not plainly a positive
decimal number with a dot is never guessed at.  Knows no network, no clock and no pair.

Formats: https://www.ecb.europa.eu/stats/eurofxref/ and https://frankfurter.dev/ (v1), read in autumn 2026.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

__all__ = ["BadRates", "Fixings", "parse_csv", "parse_frankfurter", "parse_pairs", "parse_xml", "unzip"]

Fixings = dict[date, dict[str, Decimal]]

_NAMESPACE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}"
_CUBE = _NAMESPACE + "Cube"
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_FIRST, _LAST = date.min, date.max


class BadRates(ValueError):
    """What was served is not what it should be; the text says what and where."""


def _number(text: str, where: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        hint = "; a comma is not a decimal point, the file was re-saved by a spreadsheet" if "," in text else ""
        raise BadRates(f"{where}: {text[:40]!r} is not a decimal number{hint}")
    value = Decimal(text)
    if value <= 0:
        raise BadRates(f"{where}: {text} is not positive")
    return value


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
        # Only the one-row CSV writes its date in English.  strptime is safe here: the daemon sets no locale.
        return datetime.strptime(text, "%d %B %Y").replace(tzinfo=UTC).date()
    except ValueError:
        raise BadRates(f"{text[:40]!r} is not a date") from None


def _currency(text: str, where: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise BadRates(f"{where}: {text[:40]!r} is not a currency code")
    return text


def _complete(fixings: Fixings) -> Fixings:
    if not any(fixings.values()):
        raise BadRates("there is not one rate in it")
    return fixings


# ---------------------------------------------------------------------------------------------------------------- XML


def parse_xml(body: bytes) -> Fixings:
    """The daily, 90-day and whole-history XML of the ECB, in the order served (newest first)."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except ParseError as e:
        raise BadRates(f"not XML: {e}") from e
    except (DefusedXmlException, LookupError, ValueError) as e:  # DOCTYPE or entities; an encoding nobody knows
        raise BadRates(f"XML that is refused: {e}") from e
    fixings: Fixings = {}
    for cube in root.iter(_CUBE):
        if "time" in cube.attrib:
            day = _day(cube.attrib["time"])
            if day in fixings:
                raise BadRates(f"{day} is there twice")
            fixings[day] = _cube(cube, day)
    return _complete(fixings)


def _cube(cube: Element, day: date) -> dict[str, Decimal]:
    rates: dict[str, Decimal] = {}
    for row in cube.iter(_CUBE):
        if "currency" in row.attrib:
            currency = _currency(row.attrib["currency"], f"{day}")
            if currency in rates:
                raise BadRates(f"{day}: {currency} is there twice")
            rates[currency] = _number(row.attrib.get("rate", ""), f"{day} {currency}")
    return rates


# ---------------------------------------------------------------------------------------------------------------- CSV


def parse_csv(text: str, start: date = _FIRST, end: date = _LAST, currencies: frozenset[str] | None = None) -> Fixings:
    """The ECB's CSV, one row or whole history: with or without spaces and trailing comma, `N/A` or nothing for no rate.

    Only days from *start* to *end*, both included, and only *currencies* are read, so that a short stretch of a long
    history costs little.  The result may be empty; the header and the dates are checked throughout.
    """
    lines = iter(text.splitlines())
    header = _cells(next(lines, "").removeprefix("\ufeff"))
    columns = _columns(header, currencies)
    fixings: Fixings = {}
    for number, line in enumerate(lines, 2):
        if line.strip():
            day = _day(line.partition(",")[0].strip())
            if day in fixings:
                raise BadRates(f"line {number}: {day} is there twice")
            if start <= day <= end:
                fixings[day] = dict(_row(_cells(line), number, columns, len(header)))
    return fixings


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in line.split(",")]
    return cells[:-1] if not cells[-1] else cells  # the ECB ends its lines with a comma


def _columns(header: list[str], currencies: frozenset[str] | None) -> dict[int, str]:
    if header[:1] != ["Date"] or len(header) < 2 or len(set(header)) != len(header):
        raise BadRates(f"line 1: {','.join(header)[:60]!r} is not a header like Date,USD,HUF")
    codes = {column: _currency(name, "line 1") for column, name in enumerate(header) if column}
    return {column: code for column, code in codes.items() if currencies is None or code in currencies}


def _row(cells: list[str], number: int, columns: Mapping[int, str], width: int) -> Iterator[tuple[str, Decimal]]:
    # Decimal commas would shift every value into another currency's column, hence the count.
    if len(cells) != width:
        raise BadRates(f"line {number} has {len(cells)} columns instead of {width}: cut, or with decimal commas")
    for column, currency in columns.items():
        if cells[column] not in ("N/A", ""):
            yield currency, _number(cells[column], f"line {number} {currency}")


def unzip(body: bytes, max_bytes: int) -> str:
    """The text of the one CSV file in a zip archive, at most *max_bytes* of it."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise BadRates(f"the archive has {len(names)} CSV files instead of one")
            with archive.open(names[0]) as file:
                data = file.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as e:
        raise BadRates(f"not a zip archive that can be read: {e}") from e
    if len(data) > max_bytes:
        raise BadRates(f"unpacked it is larger than {max_bytes} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise BadRates(f"not UTF-8: {e}") from e


# --------------------------------------------------------------------------------------------------------------- JSON


def _no_constant(text: str) -> NoReturn:
    raise BadRates(f"{text} is not a number")


def parse_frankfurter(body: bytes) -> Fixings:
    """One day or a range of Frankfurter's version 1, based on the euro and on an amount of 1 (others are rounded there)."""
    try:
        answer = json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise e if isinstance(e, BadRates) else BadRates(f"not JSON: {e}") from e
    if not isinstance(answer, dict) or not isinstance(answer.get("rates"), dict):
        raise BadRates("JSON without rates")
    if answer.get("base") != "EUR" or answer.get("amount") != 1:
        raise BadRates(f"rates for {answer.get('amount')} {answer.get('base')} instead of 1 EUR")
    rates = answer["rates"]
    if "start_date" not in answer:
        rates = {answer.get("date"): rates}
    return _complete({_day(str(day)): _json_rates(row, str(day)) for day, row in rates.items()})


def _json_rates(row: Any, day: str) -> dict[str, Decimal]:
    if not isinstance(row, dict):
        raise BadRates(f"{day}: {str(row)[:40]!r} instead of rates")
    rates: dict[str, Decimal] = {}
    for currency, value in row.items():
        if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
            raise BadRates(f"{day} {currency}: {str(value)[:40]!r} is not a positive number")
        rates[_currency(currency, day)] = value
    return rates


# -------------------------------------------------------------------------------------------------------- by hand


def parse_pairs(text: str) -> list[tuple[str, Decimal]]:
    """Rates as an operator writes them: `EUR/USD 1.1172, USD/HUF 327.9`."""
    pairs = []
    for item in filter(None, (part.strip() for part in text.replace("\n", ",").split(","))):
        ticker, _, value = item.replace("=", " ").partition(" ")
        base, slash, quote = ticker.partition("/")
        if not slash or not value:
            raise BadRates(f"{item[:40]!r} is not a pair and its rate; write it like USD/HUF 327.9")
        ticker = f"{_currency(base, item)}/{_currency(quote, item)}"
        pairs.append((ticker, _number(value.strip(), ticker)))
    return pairs
