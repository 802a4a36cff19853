"""Spoils good configurations in every way that a tired person might: `python -m tests.tools.mutate_config`.

Every mutation below changes what the file means, or leaves it without a meaning, so none may be accepted; and each rejection
has to name the section and the key, show the value (a secret excepted), and state the rule; what cannot even be parsed is
named by its line.  Prints how many of each kind.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from ilp.settings_file import ConfigurationError, load
from ilp.settings_keys import KEYS, Key, find

__all__ = ["Mutation", "bases", "judge", "mutations"]

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "ILP_THAT_NOBODY_HAS_SET"
NUMBERS = ("a decimal number", "a whole number", "seconds")
JUNK = ("lots", "0.1 or so", "0,1", "5%", "--1", "1 000", "nan", "inf", "0x10", "１.５.１", "1e999", "$5")
COSTS = ("[0]", "[0, 0, 0]", "0.002]", "[0, -0.1]", "[a, b]", "[0; 0.1]", "0.1, 0.2", "[, ]", "[0, nan]")


HIDDEN = "key of a connection misspelled"


@frozen
class Mutation:
    """A spoilt configuration: what was done, and what a rejection has to name of it."""

    kind: str
    text: str
    section: str = ""
    key: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: [{self.section}] {self.key} = {self.value}"


def bases() -> dict[str, str]:
    """Good configurations: the examples, and the demo with every other key spelt out at its default."""
    found = {name: (ROOT / "ilp_example_config" / name).read_text("utf-8") for name in ("demo.ini", "sputnik.ini")}
    full = found["demo.ini"]
    for key in KEYS:
        if key.default and not key.default.startswith("<") and not re.search(_line(key.name), _body(full, key.section)):
            full = _add(full, key.section, f"{key.name} = {key.default}")
    return found | {"every key": full}


def _line(key: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(key)} *=.*$", re.MULTILINE)


def _body(text: str, section: str) -> str:
    found = re.search(rf"^\[{section}\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _add(text: str, section: str, line: str) -> str:
    head = f"[{section}]\n"
    return text.replace(head, f"{head}{line}\n", 1) if head in text else f"{text}\n{head}{line}\n"


def _replaced(text: str, section: str, key: str, line: str) -> str:
    body = _body(text, section)
    return text.replace(f"[{section}]\n{body}", f"[{section}]\n" + _line(key).sub(lambda _: line, body, count=1), 1)


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif re.match(r"^[A-Za-z_/]+ *=", line):
            key, _, value = line.partition("=")
            yield section, key.strip(), value.strip()


def mutations(text: str) -> Iterator[Mutation]:
    """Every way to spoil *text*, one thing at a time."""
    entries = list(_entries(text))
    for section, key, value in entries:
        known = find(section, key)
        yield from _names(text, section, key, value)
        if known is not None:
            yield from _values(text, known, value)
            if known.default is None:
                yield Mutation("required key removed", _replaced(text, section, key, ""), section, key)
            other = "valuation" if section != "valuation" else "trader"
            yield Mutation("key in another section", _add(text, other, f"{key} = {value}"), other, key, value)
    for section in dict.fromkeys(section for section, _, _ in entries):
        worse = section[:-1] + "z"
        yield Mutation("section misspelled", text.replace(f"[{section}]", f"[{worse}]", 1), worse)
        yield Mutation("section twice", f"{text}\n[{section}]\n", section)
        yield Mutation("line without a value", _add(text, section, "what is this"), section, "what is this")
    yield from _contradictions(text)


def _names(text: str, section: str, key: str, value: str) -> Iterator[Mutation]:
    if find(section, key) is not None:
        for worse in (key[:-1] + "q", key[1:] if len(key) > 3 else f"{key}x", f"{key}s_"):
            yield Mutation("key misspelled", _replaced(text, section, key, f"{worse} = {value}"), section, worse, value)
    yield Mutation("key twice", _add(text, section, f"{key} = {value}"), section, key)
    for elsewhere in (f"env:{NOWHERE}", "file:that/is/not/there"):
        worse = _replaced(text, section, key, f"{key} = {elsewhere}")
        yield Mutation("value that is not there", worse, section, key, elsewhere)


def _values(text: str, key: Key, value: str) -> Iterator[Mutation]:
    def set_to(kind: str, worse: str) -> Mutation:
        return Mutation(
            kind, _replaced(text, key.section, key.name, f"{key.name} = {worse}"), key.section, key.name, worse
        )

    allowed = key.kind.allowed
    if allowed.startswith(NUMBERS):
        for junk in JUNK:
            yield set_to("not a number", junk)
        yield set_to("negative", "-1")
        yield set_to("beyond all bounds", "1e60" if "decimal" in allowed else "9" * 60)
        yield set_to("empty", "")
        if "above 0" in allowed:
            yield set_to("zero", "0")
    elif value.startswith("["):
        for junk in COSTS:
            yield set_to("not a cost", junk)
    elif not _accepts(key, "fortnight?!"):
        yield set_to("not a choice", "fortnight?!")
    if allowed.startswith("seconds"):
        yield set_to("unknown unit", "3 fortnights")


def _accepts(key: Key, text: str) -> bool:
    try:
        key.kind(text)
    except ValueError:
        return False
    return True


def _contradictions(text: str) -> Iterator[Mutation]:
    for section, key, value, kind in (
        ("trader", "edge_to_leave", "100000", "keys that contradict each other"),
        ("trader", "quote_size", "1000000", "keys that contradict each other"),
        ("tickers", "btc", "ETH", "keys that contradict each other"),
        ("modules", "source", "sputnik.Nothing", "module that is not there"),
        ("modules", "target", "nowhere.Sputnik", "module that is not there"),
        ("modules", "fiat", "rates", "module that is not there"),
        ("target_balance_source", "BTC", "-1", "negative"),
        ("target_balance_source", "BTC", "one", "not a number"),
        ("target_balance_target", "DOGE", "1", "asset that is not traded"),
        ("source_connection", "colour", "blue", HIDDEN),
    ):
        if _line(key).search(_body(text, section)):
            worse = _replaced(text, section, key, f"{key} = {value}")
        else:
            worse = _add(text, section, f"{key} = {value}")
        if key == "quote_size":  # larger than an order may be, if that is spelt out
            worse = _replaced(_add(worse, "limits", ""), "limits", "largest_order", "")
            worse = _add(worse, "limits", "largest_order = 0.01")
        yield Mutation(kind, worse, section, key, value)


@contextmanager
def _environment(text: str) -> Iterator[None]:
    """Every variable that the examples name has some value; those that a mutation names have none."""
    before = dict(os.environ)
    names = re.findall(r"env:(\w+)", text)
    os.environ.update({name: "correct horse battery" for name in names if name != NOWHERE})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def judge(mutation: Mutation, folder: Path) -> str:
    """What is wrong with how *mutation* was received; empty when it was rejected as it should be."""
    file = folder / "spoilt.ini"
    file.write_text(mutation.text, "utf-8")
    try:
        with _environment(mutation.text):
            load(file)
    except ConfigurationError as error:
        said = [str(problem) for problem in error.problems]
    except Exception as error:  # noqa: BLE001  anything else is no rejection but a crash
        return f"crashed with {error!r}"
    else:
        return "accepted"
    if mutation.kind == "line without a value":
        return "" if re.search(r"in line \d+$", said[0]) else f"rejected without naming the line: {said[0]}"
    for word in (mutation.section, mutation.key):
        if word and not any(word in line for line in said):
            return f"rejected without naming {word!r}: {said[0]}"
    secret = mutation.key in ("id", "secret") or mutation.section == "users"
    if mutation.kind == HIDDEN:  # nobody knows what stands there: it may be a password under a wrong name
        hidden = all(mutation.value not in line for line in said) and any("********" in line for line in said)
        return "" if hidden else f"rejected showing {mutation.value!r}: {said[0]}"
    if mutation.value and not secret and not any(mutation.value in line for line in said):
        return f"rejected without showing {mutation.value!r}: {said[0]}"
    return ""


def main() -> int:
    """Status 1 when a single one was accepted, crashed, or was rejected without its name."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in bases().items():
            good = judge(Mutation("as it is", text), Path(folder))
            if good != "accepted":
                wrong.append(f"{name}: the good configuration itself was {good or 'rejected'}")
            for mutation in mutations(text):
                counts[mutation.kind] += 1
                if verdict := judge(mutation, Path(folder)):
                    wrong.append(f"{name}: {mutation}: {verdict}")
    for kind, count in counts.most_common():
        print(f"{count:6} {kind}")
    for line in wrong:
        print(f"WRONG {line}")
    print(f"{sum(counts.values())} mutations of {len(counts)} kinds, {len(wrong)} not rejected as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
