"""Which books the pool trades on and what its holdings are called.  Plain names, nothing that changes while running."""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["Layout", "Pair"]


@frozen
class Pair:
    """A book: `base` is priced in `quote` on `venue`."""

    venue: str
    ticker: str
    base: str = field(init=False)
    quote: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        base, slash, quote = self.ticker.partition("/")
        if not (base and slash and quote):
            raise ValueError(f"ticker: {self.ticker!r} is not allowed; two currencies as BASE/QUOTE")
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "quote", quote)


@frozen
class Layout:
    """The smallest pool: liquidity is taken from `source` and offered on `target`.

    :ivar source: where fills are hedged; its quote currency is the numeraire.
    :ivar target: where quotes rest.
    """

    source: Pair
    target: Pair

    def __attrs_post_init__(self) -> None:
        if self.source.base != self.target.base:
            raise ValueError(f"tickers: {self.source.ticker} and {self.target.ticker} trade different things")

    @property
    def numeraire(self) -> str:
        """The currency that values are expressed in."""
        return self.source.quote

    @property
    def base(self) -> str:
        """What is traded on both venues."""
        return self.source.base

    @property
    def pairs(self) -> tuple[Pair, Pair]:
        """Both books, the source first."""
        return self.source, self.target

    @property
    def holdings(self) -> tuple[tuple[str, str], ...]:
        """Every (venue, asset) that the pool counts, in the order of the pool document."""
        return tuple((pair.venue, asset) for pair in self.pairs for asset in (pair.quote, pair.base))

    @property
    def assets(self) -> tuple[str, ...]:
        """Every currency once, the numeraire first."""
        return tuple(dict.fromkeys((self.numeraire, self.base, self.target.quote)))

    @property
    def rate_ticker(self) -> str:
        """The pair that the rate feed is asked for; empty where both venues use one currency."""
        return "" if self.target.quote == self.numeraire else f"{self.numeraire}/{self.target.quote}"
