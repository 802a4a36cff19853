"""Keeps secrets out of texts.  Knows no venue; a client adds what must never be read anywhere."""

from __future__ import annotations

__all__ = ["Redactor", "Secret"]

MASK = "***"


class Secret:
    """A text that prints as `***`: only `reveal()` tells it, so that no log, traceback or repr does by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})" if self._text else "Secret('')"

    __str__ = __repr__


class Redactor:
    """Replaces known secrets in texts that leave the client (errors, logs).

    Passwords, keys and cookies are added when they come into being; a text shorter than four characters is not looked
    for, because it would tear holes into every message without hiding anything.
    """

    def __init__(self, *secrets: Secret | str) -> None:
        self._texts: set[str] = set()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret | str) -> None:
        """From now on *secret* is masked."""
        text = secret.reveal() if isinstance(secret, Secret) else secret
        if len(text) >= 4:
            self._texts.add(text)

    def clean(self, text: str) -> str:
        """*text* with every known secret replaced by `***`, the longest first."""
        for secret in sorted(self._texts, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text
