"""What lies between our code and the outside, and what can go wrong there: the rows and columns of the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain, cycle, islice, product
from random import Random

from attrs import frozen

__all__ = ["BOUNDARIES", "Boundary", "Kind", "Mishap", "alike", "kinds", "pairs", "random_schedule", "singles"]


class Kind(StrEnum):
    """A kind of fault."""

    NO_ANSWER = "no answer"  # it takes effect and nobody says so; an event is lost
    NOT_HEARD = "not heard"  # it never arrives, and nobody says so
    LATE = "late answer"
    DUPLICATE = "duplicate"
    REFUSAL = "refusal"  # an event is withheld; of two orders to be cancelled at once, one is gone all the same
    DISCONNECT = "disconnect"  # it takes effect, the line breaks before the answer
    KILL = "kill"  # the process ends before it leaves, or with it on the way
    KILL_AFTER = "kill after"  # it takes effect, the process ends before the answer


@frozen
class Boundary:
    """One of them.

    :ivar where: `source`, `target`, `rates` or `journal`; `what`: the method, the event, or the kind of exchange there.
    :ivar moving: reached only by a pool that moves money between the venues; `thin`: only where the source has
        become too thin to hedge at once.
    :ivar lead: what has to go wrong before, for this one to be reached at all; `each`: before each time that it is, in turn.
    :ivar bare: reached on venues without ids and lookups; `rich`: on those that have everything.
    """

    where: str
    what: str
    moving: bool = False
    thin: bool = False
    lead: tuple[tuple[str, str, Kind], ...] = ()
    each: tuple[tuple[str, str, Kind], ...] = ()
    bare: bool = True
    rich: bool = True

    def __str__(self) -> str:
        return f"{self.where} {self.what}"


_LOST = frozenset({Kind.NO_ANSWER, Kind.NOT_HEARD})
_ENDED = frozenset({Kind.KILL, Kind.KILL_AFTER})
_FAILED = _LOST | {Kind.REFUSAL, Kind.DISCONNECT}


def alike(boundary: Boundary) -> tuple[frozenset[Kind], ...]:
    """Kinds that are one and the same event there, in classes; `tests.faults.test_faults` shows that runs do not differ.

    A question that changes nothing is lost the same way with its answer as without; so is an event, which a venue that
    withholds it does not send either.  An attempt to connect, a fetch and a start's reading fail or do not.  With it the
    process dies whatever the answer would have been, unless the venue has done something meanwhile.
    """
    if boundary.what.startswith("event:"):
        return _LOST | {Kind.REFUSAL}, _ENDED
    if boundary.what in ("connect", "fetch", "recovered"):
        return _FAILED, _ENDED
    if boundary.what == "record":
        return frozenset({Kind.NOT_HEARD, Kind.REFUSAL}), frozenset({Kind.NO_ANSWER, Kind.DISCONNECT})
    return (_LOST, _ENDED) if boundary.what.startswith("get") else ()


def kinds(boundary: Boundary) -> Iterator[Kind]:
    """One kind of each class, and every one that is in none; what no part of the pool can notice is left out.

    That is a second answer to one request, which ends in the client's transport: it is answered by number, once.
    """
    noticed = boundary.what.startswith("event:") or boundary.what == "fetch"
    seen: set[Kind] = set()
    for kind in Kind:
        if kind in seen or (kind is Kind.DUPLICATE and not noticed):
            continue
        seen |= next((found for found in alike(boundary) if kind in found), frozenset({kind}))
        yield kind


@frozen
class Mishap:
    """A fault at a boundary, after *skip* occasions were let pass."""

    boundary: Boundary
    kind: Kind
    skip: int = 0

    def __str__(self) -> str:
        return f"{self.boundary} {self.kind}" + (f" +{self.skip}" if self.skip else "")

    @property
    def led_by(self) -> Iterator[Mishap]:
        """What has to go wrong for it to strike."""
        led = chain(self.boundary.lead, islice(cycle(self.boundary.each), self.skip + 1))
        return (Mishap(Boundary(where, what), kind) for where, what, kind in led)


def _venue(where: str) -> Iterator[Boundary]:
    lost = (*([(where, "placeOrder", Kind.NO_ANSWER)] * 2), *([(where, "event:order", Kind.NOT_HEARD)] * 6))
    yield Boundary(where, "connect")
    for what in (
        "getMarkets",
        "getOrderBook",
        "getPositions",
        "getOpenOrders",
        "getTransfers",
        "getServerTime",
        "placeOrder",
    ):
        yield Boundary(where, what)
    yield Boundary(where, "cancelAllAfter", bare=False)
    yield Boundary(where, "getOrder", bare=False, lead=lost)
    yield Boundary(where, "getFills", rich=False, lead=lost)
    # A quote outlives the line or the process, what a thin source leaves of a hedge outlives the process.
    ends = (Kind.DISCONNECT, Kind.KILL) if where == "target" else (Kind.KILL,)
    left = tuple((where, "event:fill", end) for end in ends)
    yield Boundary(where, "cancelAllOrders", rich=False, thin=where == "source", each=left)
    for event in ("book", "order", "fill", "position"):
        yield Boundary(where, f"event:{event}")


BOUNDARIES: tuple[Boundary, ...] = (
    *_venue("source"),
    *_venue("target"),
    Boundary("target", "cancelOrder"),
    Boundary(
        "source", "cancelOrder", rich=False, thin=True
    ),  # where nothing is immediate-or-cancel, what is left is cancelled
    Boundary("target", "amendOrder", bare=False),
    Boundary("source", "getCurrentAddress", moving=True),
    Boundary("target", "requestWithdrawal", moving=True),
    Boundary("rates", "fetch"),
    Boundary("journal", "record"),
    Boundary("journal", "recovered", each=(("target", "event:fill", Kind.KILL),)),
)


def singles(skips: int = 4) -> Iterator[tuple[bool, tuple[Mishap, ...]]]:
    """Every boundary with every kind, at its first *skips* occasions: whether the venues are rich, and the mishap."""
    for rich, boundary, kind, skip in product((True, False), BOUNDARIES, Kind, range(skips)):
        if boundary.rich if rich else boundary.bare:
            yield rich, (Mishap(boundary, kind, skip),)


def pairs(every: bool = False) -> Iterator[tuple[bool, tuple[Mishap, ...]]]:
    """Every ordered pair of mishaps that are not alike (see `alike`); *every* one that can be written down, if asked for."""
    for rich in (True, False):
        reached = [boundary for boundary in BOUNDARIES if (boundary.rich if rich else boundary.bare)]
        mishaps = [(boundary, kind) for boundary in reached for kind in (Kind if every else kinds(boundary))]
        for (first, kind), (second, other) in product(mishaps, repeat=2):
            yield rich, (Mishap(first, kind), Mishap(second, other, 1))


def random_schedule(random: Random) -> tuple[bool, tuple[Mishap, ...]]:
    """Three to eight mishaps, anywhere."""
    rich = random.random() < 0.5
    reached = [boundary for boundary in BOUNDARIES if (boundary.rich if rich else boundary.bare)]
    kinds = [kind for kind in Kind for _ in range(1 if kind in (Kind.KILL, Kind.KILL_AFTER) else 3)]
    count = random.randint(3, 8)
    found = (Mishap(random.choice(reached), random.choice(kinds), random.choice((0, 0, 1, 2, 5))) for _ in range(count))
    return rich, tuple(found)
