"""Which books the pool trades on and what its holdings are called.  Plain names, nothing that changes while running."""

from __future__ import annotations

from attrs import field, frozen

from ilp.tickers import held, is_rate, parts

__all__ = ["Layout", "Pair"]


@frozen
class Pair:
    """A book: `base` is priced in `quote` on `venue`; of a market of rates see `ilp.tickers`."""

    venue: str
    ticker: str
    base: str = field(init=False)
    quote: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        base, quote = parts(self.ticker)
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "quote", quote)

    @property
    def is_rate(self) -> bool:
        """Whether its price is a rate of interest, and no cash of another currency changes hands."""
        return is_rate(self.ticker)


@frozen
class Layout:
    """The smallest pool: liquidity is taken from `source` and offered on `target`.

    Both may be pairs of one account: then there is one venue, with one holding of the base.

    :ivar source: where fills are hedged; its quote currency is the numeraire.
    :ivar target: where quotes rest.
    :ivar reserves: (account, asset) that the pool holds and where it neither quotes nor hedges.
    """

    source: Pair
    target: Pair
    reserves: tuple[tuple[str, str], ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.source.base != self.target.base:
            raise ValueError(f"tickers: {self.source.ticker} and {self.target.ticker} trade different things")
        if self.source.is_rate is not self.target.is_rate:
            raise ValueError(f"tickers: {self.source.ticker} and {self.target.ticker}: a price is no rate of interest")
        if self.source == self.target:
            raise ValueError(f"tickers: {self.source.ticker} twice on {self.source.venue}; two pairs are needed")

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
    def venues(self) -> tuple[str, ...]:
        """Every account once, the source's first, those of reserves last."""
        return tuple(dict.fromkeys((*self.traded, *(venue for venue, _ in self.reserves))))

    @property
    def traded(self) -> tuple[str, ...]:
        """Accounts with a pair, each once, the source's first."""
        return tuple(dict.fromkeys(pair.venue for pair in self.pairs))

    @property
    def one_account(self) -> bool:
        """Whether both pairs are traded on one account."""
        return self.source.venue == self.target.venue

    def at(self, venue: str) -> tuple[Pair, ...]:
        """The pool's pairs on an account."""
        return tuple(pair for pair in self.pairs if pair.venue == venue)

    def pair(self, venue: str, ticker: str) -> Pair:
        """The pool's pair of that name; `KeyError` where it has none."""
        for pair in self.pairs:
            if (pair.venue, pair.ticker) == (venue, ticker):
                return pair
        raise KeyError((venue, ticker))

    def place(self, pair: Pair) -> str:
        """How the book of a pair is called: by its account, and by its pair too where the account has both books."""
        return f"{pair.venue} {pair.ticker}" if self.one_account else pair.venue

    @property
    def holdings(self) -> tuple[tuple[str, str], ...]:
        """Every (venue, asset) that the pool counts, in the order of the pool document."""
        traded = ((pair.venue, asset) for pair in self.pairs for asset in reversed(held(pair.ticker)))
        return tuple(dict.fromkeys((*traded, *self.reserves)))

    def arrives_as(self, lane: tuple[str, str, str]) -> str:
        """What money becomes on a lane (asset, from venue, to venue): the base stays, a currency becomes the other's."""
        asset, _, to_venue = lane
        if asset == self.base or not to_venue:
            return asset
        if self.one_account:
            return self.target.quote if asset == self.source.quote else self.source.quote
        return next(pair.quote for pair in self.pairs if pair.venue == to_venue)

    @property
    def assets(self) -> tuple[str, ...]:
        """Every currency once, the numeraire first."""
        return tuple(dict.fromkeys((self.numeraire, self.base, self.target.quote)))

    @property
    def rate_ticker(self) -> str:
        """The pair that the rate feed is asked for; empty where both venues use one currency."""
        return "" if self.target.quote == self.numeraire else f"{self.numeraire}/{self.target.quote}"
