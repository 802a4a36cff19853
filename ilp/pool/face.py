"""Exact steps on a face of a quadratic program: what an iterative solver's tolerances leave, taken out.

A face is where some columns and rows are at their limits; on it the program is a linear system.  Knows nothing of pools.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["newton", "on_face"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_INSIDE = 1e-12  # of the scale: further from its limits a column is free
_NEAR = 1e-8  # of the scale: what a solution within tolerances may be off a limit
_FLAT = 1e-14  # of the largest slope


def newton(
    hessian: Array, linear: int, gradient: Array, rows: Array, limits: tuple[Array, Array], x: Array, multipliers: Array
) -> Array:
    """One exact step on the face that *x* lies on, as far as the limits allow.

    Proximal steps alone are slow where a slight risk bends what is otherwise linear.

    :param linear: that many first columns have no curvature; what *hessian* says of them is regularisation.
    """
    n = len(x)
    lower, upper = limits
    free = np.flatnonzero((x > lower[:n] + _INSIDE) & (x < upper[:n] - _INSIDE))
    active = np.flatnonzero((multipliers[n:] != 0.0) | (lower[n:] == upper[n:]))
    curvature = hessian.diagonal().copy()
    curvature[:linear] = 0.0
    a, k = rows[np.ix_(active, free)], len(free)
    system = np.zeros((k + len(active), k + len(active)))
    system[range(k), range(k)] = curvature[free]
    system[:k, k:], system[k:, :k] = a.T, a
    slope = np.concatenate([-(gradient + curvature * x)[free], np.zeros(len(active))])
    step, most = np.zeros(n), 1.0
    found = np.linalg.lstsq(system, slope, rcond=1e-13)[0]
    downhill = (slope - system @ found)[:k]
    if np.abs(downhill).max(initial=0.0) > _FLAT:  # no curvature that way: as far as the limits are
        found, most = downhill / np.abs(downhill).max(), np.inf
    step[free] = found[:k]
    change, now = np.concatenate([step, rows @ step]), np.concatenate([x, rows @ x])
    room = np.where(change > 0, upper - now, now - lower)
    moving = np.abs(change) > 1e-9 * np.abs(change).max(initial=0.0)
    moving[n + active] = False
    reach = float(np.min(np.maximum(room[moving], 0.0) / np.abs(change[moving]), initial=most))
    return np.asarray(x + reach * step) if np.isfinite(reach) else x


def on_face(
    hessian: Array,
    linear: int,
    gradient: Array,
    rows: Array,
    limits: tuple[Array, Array],
    solution: tuple[Array, Array],
) -> tuple[Array, Array]:
    """The solution with what is near a limit exactly on it, and the rest, with the rows' multipliers, solved for that."""
    x, multipliers = solution[0].copy(), solution[1].copy()
    lower, upper = limits
    n = len(x)
    low, high = x <= lower[:n] + _NEAR, x >= upper[:n] - _NEAR
    x[low], x[high] = lower[:n][low], upper[:n][high]
    free = np.flatnonzero(~(low | high))
    active = np.flatnonzero((multipliers[n:] != 0.0) | (lower[n:] == upper[n:]))
    curvature = hessian.diagonal().copy()
    curvature[:linear] = 0.0
    a, k = rows[np.ix_(active, free)], len(free)
    system = np.zeros((k + len(active), k + len(active)))
    system[range(k), range(k)] = curvature[free]
    system[:k, k:], system[k:, :k] = a.T, a
    found = np.concatenate([x[free], multipliers[n + active]])
    x[free] = 0.0
    wanted = np.concatenate([-gradient[free], upper[n + active] - (rows @ x)[active]])
    # Where the face is flat the solution next to this one is taken: others may lie beyond other limits.
    found += np.linalg.lstsq(system, wanted - system @ found, rcond=1e-13)[0]
    x[free] = found[:k]
    multipliers[n:] = 0.0
    multipliers[n + active] = found[k:]
    return x, multipliers
