"""Takes texts out of a parsed INI file, and remembers every fault and where each value came from.  Opens no connection."""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from ilp.settings_keys import CONNECTION_SECTIONS, FREE_SECTIONS, Key

__all__ = ["SECRET_KEYS", "ConfigurationError", "Problem", "Reader", "masked", "nearest"]

_SECRET_SECTIONS = ("users",)
_SECRETS = tuple(("alarms", key) for key in ("webhook", "telegram_token", "smtp_password", "heartbeat"))
SECRET_KEYS = ("id", "secret", "otp", "password", "totp_secret", "cookie")
"""Keys of connections, options of clients among them, whose values nobody may read on a screen."""
_IN_ADDRESS = re.compile(r"(?<=://)([^/@:\s]*):[^/\s]*@")


@frozen
class Problem:
    """One fault: where it is, what stands there (a secret is masked), and the rule it breaks."""

    file: Path
    section: str
    key: str
    value: str
    rule: str

    def __str__(self) -> str:
        place = f"[{self.section}] {self.key}".rstrip() if self.section else ""
        value = f" = {self.value}" if self.value else ""
        return f"{self.file}: {place}{value}: {self.rule}" if place else f"{self.file}: {self.rule}"


class ConfigurationError(Exception):
    """The file cannot be used; `problems` has every fault in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@define
class Reader:
    """Takes texts out of the parsed file, remembering faults and origins."""

    file: Path
    parser: configparser.RawConfigParser
    environ: Mapping[str, str]
    problems: list[Problem] = field(factory=list)
    effective: list[tuple[str, str, str, str]] = field(factory=list)
    origins: dict[str, str] = field(factory=dict)

    def fault(self, section: str, key: str, value: str, rule: str) -> None:
        """Remember a fault, without any secret."""
        self.problems.append(Problem(self.file, section, key, masked(section, key, value), rule))

    def unknown(self, section: str, key: str, known: Iterable[str], of: str = "") -> None:
        """Remember a key that nobody knows; what stands there may be a secret, misspelt or in the wrong place."""
        guess = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
        text = self.parser.get(section, key)
        hidden = section in CONNECTION_SECTIONS or any(
            name in SECRET_KEYS or (section, name) in _SECRETS for name in (key, *guess)
        )
        self.fault(section, key, "********" if hidden and text else text, f"is not a key{of}{_meant(guess)}")

    def raw(self, section: str, key: str) -> str | None:
        """The text of a key after `env:` and `file:`, or None."""
        if not self.parser.has_option(section, key):
            return None
        text: str = self.parser.get(section, key).strip()
        try:
            return self._resolved(text)
        except (OSError, KeyError, UnicodeDecodeError) as error:
            where = f"the environment variable {text[4:]}" if isinstance(error, KeyError) else f"the file {text[5:]}"
            why = "is not set" if isinstance(error, KeyError) else f"cannot be read: {error}"
            self.fault(section, key, text, f"{where} {why}")
            return None

    def _resolved(self, text: str) -> str:
        if text.startswith("env:"):
            return self.environ[text[4:]].strip()
        if text.startswith("file:"):
            return (self.file.parent / text[5:]).read_text().strip()
        return text

    def value(self, key: Key) -> Any:
        """The value of *key*, or None after remembering why there is none."""
        text = self.raw(key.section, key.name)
        origin = "default" if text is None else "file"
        if text is None:
            if self.parser.has_option(key.section, key.name):
                return None
            text = key.default
        self.origins[key.full] = origin
        if text is None:
            self.fault(key.section, key.name, "", f"is missing; it must be {key.kind.allowed}")
            return None
        self.effective.append((key.section, key.name, masked(key.section, key.name, text), origin))
        if text.startswith("<"):
            return None
        try:
            return key.kind(text)
        except ValueError as error:
            self.fault(key.section, key.name, text, str(error))
            return None

    def free(self, section: str) -> dict[str, str]:
        """All texts of a section with free names."""
        if not self.parser.has_section(section):
            return {}
        found = {}
        for name in self.parser.options(section):
            text = self.raw(section, name)
            if text is None:
                continue
            self.effective.append((section, name, masked(section, name, text), "file"))
            try:
                FREE_SECTIONS[section](text)
            except ValueError as error:
                self.fault(section, name, text, str(error))
            else:
                found[name] = text
        return found


def masked(section: str, key: str, value: str) -> str:
    """*value* as it may be shown: a secret is not, but where one is kept is."""
    secret = (
        section in _SECRET_SECTIONS
        or (section, key) in _SECRETS
        or (section in CONNECTION_SECTIONS and key in SECRET_KEYS)
    )
    if secret and value and not value.startswith(("env:", "file:")):
        return "********"
    return _IN_ADDRESS.sub(r"\1:********@", value)


def nearest(word: str, known: Iterable[str]) -> str:
    """What may have been meant by *word*, as the end of a sentence; empty where nothing is near."""
    return _meant(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5))


def _meant(found: list[str]) -> str:
    return f"; did you mean {found[0]}?" if found else ""
