"""Minimisers over a box for a handful of log hyperparameters.

:func:`lbfgsb`, scipy's, goes the same way as scikit-learn from the same start. :func:`bfgs` keeps a dense inverse
Hessian that is carried from fit to fit, so that a fit near the last one takes two or three evaluations. It is a
generator, which asks for values and is sent them: so several searches can go in step, their evaluations in one batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

from aljupyter.control import Control

Vector = NDArray[np.float64]
#: theta -> (value, gradient), to be minimised; an infinite value is a step too far
Objective = Callable[[Vector], tuple[float, Vector]]
BatchObjective = Callable[[list[int], list[Vector]], Sequence[tuple[float, Vector]]]

_GRADIENT_TOLERANCE = 1e-5
_MAX_ITERATIONS = 200
_MAX_BACKTRACKS = 20


class Optimum(NamedTuple):
    """Where a search ended."""

    theta: Vector
    value: float
    inverse_hessian: NDArray[np.float64]


#: yields a theta, is sent (value, gradient), and so on; returns where it ended
Search = Generator[Vector, tuple[float, Vector], Optimum]


def bfgs(
    start: Vector,
    bounds: NDArray[np.float64],
    inverse_hessian: NDArray[np.float64] | None = None,
    tolerance: float = 1e-5,
) -> Search:
    """Projected BFGS with Armijo backtracking (Nocedal & Wright 2006, Algorithm 6.1), to be driven by :func:`run`.

    Parameters
    ----------
    start : ndarray of shape (P,)
        Clipped into the bounds.
    bounds : ndarray of shape (P, 2)
    inverse_hessian : ndarray of shape (P, P), optional
        Of an earlier, similar problem.
    tolerance : float
        Stop when the quadratic model promises less than this.
    """
    lower, upper = bounds.T
    fresh = inverse_hessian is None
    H = np.eye(len(start)) if inverse_hessian is None else inverse_hessian
    x = _within(start, lower, upper)
    value, gradient = yield x
    stalled = 0
    for _ in range(_MAX_ITERATIONS):
        # coordinates that lean on a bound are out of play
        free = ~(((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0)))
        if not math.isfinite(value) or np.abs(gradient[free]).max(initial=0.0) <= _GRADIENT_TOLERANCE:
            break
        direction = _descent(H, gradient, free)
        slope = float(direction @ gradient)
        if not slope < 0:
            H, fresh = np.eye(len(x)), True
            direction = np.where(free, -gradient, 0.0)
            slope = float(direction @ gradient)
        # a factor e (or e^2, once curvature is known) is as far as one step may take a hyperparameter
        shrink = min(1.0, (1.0 if fresh else 2.0) / np.abs(direction).max())
        direction, slope = shrink * direction, shrink * slope
        if -0.5 * slope < tolerance:
            break

        step = 1.0
        for _ in range(_MAX_BACKTRACKS):
            new_x = _within(x + step * direction, lower, upper)
            new_value, new_gradient = yield new_x
            if new_value <= value + 1e-4 * float(gradient @ (new_x - x)):
                break
            step *= _backtrack(new_value - value, step * slope)
        else:
            if fresh:
                break
            H, fresh = np.eye(len(x)), True  # stale curvature: once more along the gradient
            continue

        moved, change = new_x - x, new_gradient - gradient
        curvature = float(moved @ change)
        if curvature > 1e-10 * math.sqrt((moved @ moved) * (change @ change)):
            if fresh:
                H, fresh = np.eye(len(x)) * curvature / float(change @ change), False
            H = _updated(H, moved, change, curvature)
        stalled = stalled + 1 if value - new_value <= 1e-12 * (1 + abs(value)) else 0  # rounding is all that is left
        x, value, gradient = new_x, new_value, new_gradient
        if stalled == 2:
            break
    return Optimum(x, value, H)


def run(search: Search, objective: Objective, control: Control | None = None) -> Optimum:
    """Drive one search to its end.

    Parameters
    ----------
    search : Search
    objective : callable
        Value and gradient at theta.
    control : Control, optional
        Asked before every evaluation.

    Raises
    ------
    RoundCancelled
    """
    optima = run_together([search], lambda _, thetas: [objective(thetas[0])], control)
    return optima[0]


def run_together(searches: Sequence[Search], evaluate: BatchObjective, control: Control | None = None) -> list[Optimum]:
    """Drive several searches in step: each turn evaluates, at once, what all that are not at their end ask for.

    Parameters
    ----------
    searches : sequence of Search
    evaluate : callable
        (positions of the searches that ask, their thetas) -> value and gradient for each.
    control : Control, optional
        Asked before every turn.

    Raises
    ------
    RoundCancelled
    """
    asked = {i: next(search) for i, search in enumerate(searches)}
    found: dict[int, Optimum] = {}
    while asked:
        if control is not None:
            control.check()
        answers = evaluate(list(asked), list(asked.values()))
        for i, answer in zip(list(asked), answers, strict=True):
            try:
                asked[i] = searches[i].send(answer)
            except StopIteration as end:
                found[i] = end.value
                del asked[i]
    return [found[i] for i in range(len(searches))]


def _within(x: Vector, lower: Vector, upper: Vector) -> Vector:
    """In the box; a third of the time of `numpy.clip`."""
    inside: Vector = np.minimum(np.maximum(x, lower), upper)
    return inside


def _descent(H: NDArray[np.float64], gradient: Vector, free: NDArray[np.bool_]) -> Vector:
    """Quasi-Newton direction in the free coordinates, with the others held.

    The inverse of the Hessian's free block is the Schur complement of H's held block in H.
    """
    if free.all():
        return -(H @ gradient)
    direction = np.zeros_like(gradient)
    H_free, cross, H_held = H[np.ix_(free, free)], H[np.ix_(free, ~free)], H[np.ix_(~free, ~free)]
    direction[free] = -(H_free - cross @ np.linalg.solve(H_held, cross.T)) @ gradient[free]
    return direction


def _backtrack(rise: float, slope: float) -> float:
    """Factor to the minimum of the parabola through a failed step's value, kept in [0.1, 0.5]."""
    if not math.isfinite(rise):
        return 0.1
    return min(max(-slope / (2 * (rise - slope)), 0.1), 0.5)


def _updated(H: NDArray[np.float64], s: Vector, y: Vector, curvature: float) -> NDArray[np.float64]:
    """BFGS update of the inverse Hessian (Nocedal & Wright 6.17)."""
    Hy = H @ y
    half = (0.5 * (1 + float(y @ Hy) / curvature) * s - Hy)[:, None] * s / curvature
    return H + half + half.T


def lbfgsb(objective: Objective, start: Vector, bounds: NDArray[np.float64], control: Control | None = None) -> Optimum:
    """scipy's L-BFGS-B with the settings of scikit-learn's Gaussian processes: its optima, bad ones included.

    Parameters are those of :func:`bfgs` and :func:`run`.
    """

    def checked(theta: Vector) -> tuple[float, Vector]:
        if control is not None:
            control.check()
        return objective(theta)

    found = scipy.optimize.minimize(checked, start, method="L-BFGS-B", jac=True, bounds=bounds)
    return Optimum(found.x, float(found.fun), found.hess_inv.todense())
