"""Measures as objects: they can be added, scaled, multiplied, named and drawn.

A measure wraps one function of :mod:`aljupyter.informativeness`. ``0.7 * Entropy() + 0.3 * Margin()`` is a measure too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from aljupyter import informativeness
from aljupyter.errors import WrongTask
from aljupyter.informativeness.checks import class_posterior
from aljupyter.posterior import RegressionPosterior
from aljupyter.strategies.pool import Pool

Limits = tuple[float | None, float | None]


class Measure:
    """One number a point: how much its label would teach.

    Subclasses implement :meth:`values`, or :meth:`__call__` where the posterior alone does not say it.
    """

    #: "classification", "regression" or None (both)
    task: str | None = None
    needs_model: bool = True
    unit: str = ""

    def values(self, posterior: Any) -> Tensor:
        """The measure at the N points of a posterior, shape (N,).

        Raises
        ------
        WrongTask
            For a posterior of another task.
        """
        raise NotImplementedError

    def __call__(self, pool: Pool) -> Tensor:
        """The measure at the N points of a pool, shape (N,)."""
        return self.values(pool.posterior)

    def limits(self, n_classes: int | None) -> Limits:
        """Smallest and largest value there can be, for colours that mean the same in every round; None: no bound."""
        return None, None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __add__(self, other: Measure | float) -> Measure:
        return _Combined("+", self, _as_measure(other))

    def __radd__(self, other: float) -> Measure:
        return _Combined("+", _as_measure(other), self)

    def __sub__(self, other: Measure | float) -> Measure:
        return _Combined("-", self, _as_measure(other))

    def __rsub__(self, other: float) -> Measure:
        return _Combined("-", _as_measure(other), self)

    def __mul__(self, other: Measure | float) -> Measure:
        return _Combined("*", self, _as_measure(other))

    def __rmul__(self, other: float) -> Measure:
        return _Combined("*", _as_measure(other), self)


class Entropy(Measure):
    """:func:`aljupyter.informativeness.entropy`."""

    task = "classification"
    unit = "nats"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.entropy(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, math.log(n_classes or 2)


class LeastConfidence(Measure):
    """One minus the largest class probability; the variance in regression (the paper's Appendix A.1)."""

    def values(self, posterior: Any) -> Tensor:
        if isinstance(posterior, RegressionPosterior):
            return informativeness.variance(posterior)
        return informativeness.least_confidence(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None if n_classes is None else 1 - 1 / n_classes


class Margin(Measure):
    """:func:`aljupyter.informativeness.margin`."""

    task = "classification"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.margin(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0


class Ratio(Measure):
    """:func:`aljupyter.informativeness.ratio`."""

    task = "classification"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.ratio(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0


class ClassProbability(Measure):
    """Predicted probability of one class, by its code: for looking rather than for querying."""

    task = "classification"

    def __init__(self, code: int):
        self.code = code

    def values(self, posterior: Any) -> Tensor:
        return class_posterior(posterior, "ClassProbability").mean_N_C[:, self.code]

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0

    def __repr__(self) -> str:
        return f"ClassProbability({self.code})"


class Variance(Measure):
    """:func:`aljupyter.informativeness.variance`."""

    task = "regression"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.variance(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None


class StandardDeviation(Measure):
    """Square root of :func:`aljupyter.informativeness.variance`, in units of the target."""

    task = "regression"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.variance(posterior).sqrt()

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None


class Greedy(Measure):
    """:func:`aljupyter.informativeness.greedy`."""

    task = "regression"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.greedy(posterior)


class Random(Measure):
    """A seeded uniform draw a point: the baseline that every strategy has to beat. Needs no model."""

    needs_model = False

    def __call__(self, pool: Pool) -> Tensor:
        return torch.from_numpy(pool.generator("random score").random(len(pool)))

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask("Random() scores points of a pool; it says nothing about a posterior.")

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0


class _Constant(Measure):
    needs_model = False

    def __init__(self, value: float):
        self.value = value

    def values(self, posterior: Any) -> Tensor:
        return torch.full((len(posterior),), self.value, dtype=torch.float64)

    def __call__(self, pool: Pool) -> Tensor:
        return torch.full((len(pool),), self.value, dtype=torch.float64)

    def __repr__(self) -> str:
        return f"{self.value:g}"


_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"+": torch.add, "-": torch.sub, "*": torch.mul}


class _Combined(Measure):
    """Two measures joined by ``+``, ``-`` or ``*``."""

    def __init__(self, operator: str, left: Measure, right: Measure):
        tasks = {measure.task for measure in (left, right)} - {None}
        if len(tasks) > 1:
            raise WrongTask(f"{left!r} is for {left.task} and {right!r} for {right.task}: they cannot be combined.")
        self.operator, self.left, self.right = operator, left, right
        self.task = next(iter(tasks), None)
        self.needs_model = left.needs_model or right.needs_model

    def values(self, posterior: Any) -> Tensor:
        return _OPERATIONS[self.operator](self.left.values(posterior), self.right.values(posterior))

    def __call__(self, pool: Pool) -> Tensor:
        return _OPERATIONS[self.operator](self.left(pool), self.right(pool))

    def __repr__(self) -> str:
        left, right = repr(self.left), repr(self.right)
        if self.operator == "*":  # parentheses only where precedence asks for them
            left, right = (f"({text})" if isinstance(part, _Combined) and part.operator != "*" else text
                           for part, text in ((self.left, left), (self.right, right)))  # fmt: skip
        elif self.operator == "-" and isinstance(self.right, _Combined) and self.right.operator != "*":
            right = f"({right})"
        return f"{left} {self.operator} {right}"


def _as_measure(value: object) -> Measure:
    if isinstance(value, Measure):
        return value
    if isinstance(value, Real) and math.isfinite(float(value)):
        return _Constant(float(value))
    raise WrongTask(f"A measure combines with measures and finite numbers, got {value!r}.")
