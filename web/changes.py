"""What changed between two documents, small enough to send often.  Pure: plain JSON values in, plain JSON values out.

A change is a list: `["set", path, value]`, `["del", path]` or `["splice", path, at, count, [items]]`, where `path` is a
list of keys.  `static/changes.js` applies them in the page; `apply` here is the same in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

__all__ = ["Change", "apply", "difference"]

Change = list[Any]
Json = Any


def difference(old: Json, new: Json) -> list[Change]:
    """The changes that make *new* of *old*, in the order in which they are to be applied."""
    return list(_walk(old, new, []))


def _walk(old: Json, new: Json, path: list[str]) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from (["del", [*path, key]] for key in old if key not in new)
        for key, value in new.items():
            if key in old:
                yield from _walk(old[key], value, [*path, key])
            else:
                yield ["set", [*path, key], value]
    elif isinstance(old, list) and isinstance(new, list):
        yield from _splice(old, new, path)
    elif old != new or type(old) is not type(new):  # 1 == True in Python, not in JSON
        yield ["set", path, new]


def _splice(old: list[Json], new: list[Json], path: list[str]) -> Iterator[Change]:
    if _same(old, new):
        return
    # Ledgers grow at one end and are cut at the other: what stays in the middle is never sent again.
    head = _common(old, new)
    tail = min(_common(reversed(old), reversed(new)), len(old) - head, len(new) - head)
    yield ["splice", path, head, len(old) - head - tail, new[head : len(new) - tail]]


def _common(left: Iterable[Json], right: Iterable[Json]) -> int:
    return sum(1 for _ in takewhile(lambda pair: _same(*pair), zip(left, right, strict=False)))


def _same(left: Json, right: Json) -> bool:
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and bool(left == right)


def apply(document: Json, changes: Iterable[Change]) -> Json:
    """*document*, changed in place where it can be; the result counts.

    :raise KeyError: when a change does not fit the document.
    """
    for kind, path, *rest in changes:
        if not path:
            document = rest[0] if kind == "set" else _spliced(document, *rest)
            continue
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if kind == "del":
            del parent[path[-1]]
        else:
            parent[path[-1]] = rest[0] if kind == "set" else _spliced(parent[path[-1]], *rest)
    return document


def _spliced(items: list[Json], at: int, count: int, fresh: list[Json]) -> list[Json]:
    return [*items[:at], *fresh, *items[at + count :]]
