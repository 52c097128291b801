"""What a measure is, and how measures are added, scaled, multiplied and made comparable."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aljupyter.errors import InvalidScores, WrongTask
from aljupyter.strategies.pool import Pool

if TYPE_CHECKING:
    from aljupyter.strategies.base import Strategy

Limits = tuple[float | None, float | None]


class Measure:
    """One number a point: how much its label would teach.

    Subclasses implement :meth:`values`, or :meth:`__call__` where the posterior alone does not say it.
    """

    #: "classification", "regression" or None (both)
    task: str | None = None
    #: what is asked of the model (aljupyter.strategies.needs); empty where none is needed
    needs: tuple[str, ...] = ("model",)
    #: whether a label that is believed, or a place that is taken, changes the values of other points
    sees_batch: bool = True
    #: tasks in which a batch of the highest values is known to lose to a random one
    redundant_for: tuple[str, ...] = ()
    unit: str = ""

    @property
    def needs_model(self) -> bool:
        return bool(self.needs)

    def is_redundant(self, task: str) -> bool:
        """Whether the highest values are much the same point, so that a batch of them is worth little."""
        return task in self.redundant_for

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

    def ranked(self) -> Measure:
        """Ranks of the points instead of values, from 0 to 1: for measures of different units, or with outliers.

        The lowest of N different values becomes 0, the highest 1, steps of 1 / (N - 1) between them; equal values share
        the mean of their ranks. 0 everywhere where all values are equal.

        Examples
        --------
        >>> from aljupyter.strategies import Entropy, Margin
        >>> 0.7 * Entropy().ranked() + 0.3 * Margin().ranked()
        0.7 * Entropy().ranked() + 0.3 * Margin().ranked()
        """
        return _Normalised(self, "ranked")

    def scaled(self) -> Measure:
        """Values moved and stretched to reach from 0 to 1: (I(x) - min) / (max - min), over the points at hand.

        0 everywhere where all values are equal. Infinite values are refused (InvalidScores): take :meth:`ranked`.
        """
        return _Normalised(self, "scaled")

    def within(self, **restrictions: Any) -> Strategy:
        """A strategy that asks by this measure among some of the points; see :meth:`Strategy.within`."""
        from aljupyter.strategies.base import Strategy

        return Strategy(self).within(**restrictions)

    def __repr__(self) -> str:
        """The definition: parameters that are not at their defaults, by name."""
        parts = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            if hasattr(self, name):
                text = _text(getattr(self, name))
                if parameter.default is parameter.empty:
                    parts.append(text)
                elif text != _text(parameter.default):
                    parts.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(parts)})"

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


class _Constant(Measure):
    needs = ()
    sees_batch = False

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
        self.needs = tuple(dict.fromkeys((*left.needs, *right.needs)))
        self.sees_batch = left.sees_batch or right.sees_batch

    def values(self, posterior: Any) -> Tensor:
        return _OPERATIONS[self.operator](self.left.values(posterior), self.right.values(posterior))

    def __call__(self, pool: Pool) -> Tensor:
        return _OPERATIONS[self.operator](_term(self.left, pool), _term(self.right, pool))

    def __repr__(self) -> str:
        left, right = repr(self.left), repr(self.right)
        if self.operator == "*":  # parentheses only where precedence asks for them
            left, right = (f"({text})" if isinstance(part, _Combined) and part.operator != "*" else text
                           for part, text in ((self.left, left), (self.right, right)))  # fmt: skip
        elif self.operator == "-" and isinstance(self.right, _Combined) and self.right.operator != "*":
            right = f"({right})"
        return f"{left} {self.operator} {right}"


class _Normalised(Measure):
    """A measure made comparable with others, over the points at hand."""

    def __init__(self, measure: Measure, how: str):
        self.measure, self.how = measure, how
        self.task, self.needs, self.sees_batch = measure.task, measure.needs, measure.sees_batch

    def values(self, posterior: Any) -> Tensor:
        return self._normalised(self.measure.values(posterior))

    def __call__(self, pool: Pool) -> Tensor:
        return self._normalised(self.measure(pool))

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0

    def _normalised(self, values_N: Tensor) -> Tensor:
        values_N = values_N.detach().cpu().double()
        if values_N.isnan().any():
            raise InvalidScores(
                f"{self.measure!r} gave NaN for {int(values_N.isnan().sum())} of {len(values_N)} points."
            )
        if self.how == "scaled" and values_N.isinf().any():
            raise InvalidScores(f"{self.measure!r} gave infinite values, which cannot be scaled. Take `.ranked()`.")
        if not len(values_N) or values_N.min() == values_N.max():
            return torch.zeros_like(values_N)
        return _ranks(values_N) if self.how == "ranked" else _to_unit(values_N)

    def __repr__(self) -> str:
        text = repr(self.measure)
        return f"({text}).{self.how}()" if isinstance(self.measure, _Combined) else f"{text}.{self.how}()"


def _term(part: Measure, pool: Pool) -> Tensor:
    """The values of a part of a composed measure; the pool remembers those that are no sum themselves."""
    values_N = part(pool)
    if not isinstance(part, _Combined | _Constant):
        pool.terms[repr(part)] = values_N.detach().cpu()
    return values_N


def _ranks(values_N: Tensor) -> Tensor:
    _, place_N, counts_V = values_N.unique(return_inverse=True, return_counts=True)
    mean_V = counts_V.cumsum(0) - (counts_V + 1).double() / 2  # of the ranks, from 0, that equal values share
    return (mean_V / (len(values_N) - 1))[place_N]


def _to_unit(values_N: Tensor) -> Tensor:
    values_N = values_N / values_N.abs().max()  # the largest difference overflows nowhere
    values_N = values_N - values_N.min()
    return values_N / values_N.max()


def _text(value: object) -> str:
    """The repr; of a function its name."""
    return getattr(value, "__name__", None) or repr(value)


def _as_measure(value: object) -> Measure:
    if isinstance(value, Measure):
        return value
    if isinstance(value, Real) and math.isfinite(float(value)):
        return _Constant(float(value))
    raise WrongTask(f"A measure combines with measures and finite numbers, got {value!r}.")
