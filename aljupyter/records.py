"""What happened: immutable records of scores, queries and rounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from torch import Tensor

from aljupyter.models.base import ModelManager, State
from aljupyter.posterior import Posterior
from aljupyter.strategies.query import Query, Scores, frozen_array, in_number

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["Event", "Fitted", "History", "Query", "RoundRecord", "Scores", "frozen_array", "in_number", "in_words"]


def in_words(metrics: Mapping[str, float]) -> str:
    """Metrics as text: ``accuracy 0.912, log loss 0.241, mse 2665``."""

    def number(value: float) -> str:
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    return ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in metrics.items())


@dataclass(frozen=True)
class Fitted:
    """What a fit gave: the model of the round to come, in numbers."""

    round: int
    n_labels: int
    metrics: Mapping[str, float]
    measured_on: str

    def __repr__(self) -> str:
        numbers = in_words(self.metrics) or "no labels to measure it on"
        return (
            f"Model of round {self.round}, fitted on {in_number(self.n_labels, 'label')}; {self.measured_on}: {numbers}"
        )


@dataclass(frozen=True, eq=False)
class RoundRecord:
    """One round. It describes the model fitted on the labels before the query, and then the query.

    Attributes
    ----------
    round : int
    indices, labels : arrays of shape (n,)
        The query and its labels, in their original form.
    scores : array of shape (n,) or None
        Of the queried points; None where labels were given without a query.
    pool : Scores or None
        Of the whole pool.
    labelled_before : array of shape (L,)
        Indices of the labelled set that the model was fitted on, in labelling order.
    labelled_y : Tensor of shape (L,)
        Their labels as the model saw them.
    metrics : mapping
        Of that model; empty where there was none (too few labels).
    measured_on : str
        "test view" or "leave-one-out".
    predicted : Posterior or None
        What that model said of the queried points, before their labels were known.
    before_label : mapping
        That against their labels: ``accuracy`` or ``rmse``.
    strategy, labelled_by : str
    seed : int
    timings : mapping
        Seconds spent on fit, score, select and label.
    model_state : dict or None
        What :meth:`ModelManager.state` gave.
    model : ModelManager or None
        Of the model's kind and parameters, not fitted: what the state belongs to.
    """

    round: int
    indices: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None
    pool: Scores | None = field(repr=False)
    labelled_before: np.ndarray = field(repr=False)
    labelled_y: Tensor = field(repr=False)
    metrics: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    measured_on: str = ""
    predicted: Posterior | None = field(default=None, repr=False)
    before_label: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    strategy: str = ""
    labelled_by: str = ""
    seed: int = 0
    timings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    model_state: State | None = field(default=None, repr=False)
    model: ModelManager | None = field(default=None, repr=False)

    @property
    def n_labels(self) -> int:
        """Number of labels before the query."""
        return len(self.labelled_before)

    def __repr__(self) -> str:
        asked = ", ".join(f"{i} -> {y}" for i, y in zip(self.indices[:8], self.labels[:8].tolist(), strict=True))
        more = f" and {len(self.indices) - 8} more" if len(self.indices) > 8 else ""
        numbers = f"; {in_words(self.metrics)}" if self.metrics else ""
        did = "was told" if self.strategy == "given" else "asked"
        return f"Round {self.round}: {in_number(self.n_labels, 'label')}{numbers}; {did} {asked}{more}"


class History(Sequence[RoundRecord]):
    """The rounds played, oldest first. A round taken back by undo is not among them."""

    def __init__(self, records: Sequence[RoundRecord] = (), metric_names: Sequence[str] = ()):
        self._records = tuple(records)
        self._metric_names = tuple(metric_names)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, k: int) -> RoundRecord: ...
    @overload
    def __getitem__(self, k: slice) -> History: ...
    def __getitem__(self, k: int | slice) -> RoundRecord | History:
        return History(self._records[k], self._metric_names) if isinstance(k, slice) else self._records[k]

    def __iter__(self) -> Iterator[RoundRecord]:
        return iter(self._records)

    def to_frame(self) -> pd.DataFrame:
        """A tidy table, one row a round.

        Row k describes the model fitted on the labels before query k: ``round n_labels`` and the metrics that the
        task has (NaN where there was no model), then ``query labels strategy labelled_by measured_on``.
        ``before_label_*`` compares what the model said of the queried points with their labels; such points are
        harder than average.
        """
        import pandas as pd

        rows = [
            {
                "round": record.round,
                "n_labels": record.n_labels,
                **{name: record.metrics.get(name, math.nan) for name in self._metric_names},
                **{f"before_label_{name}": value for name, value in record.before_label.items()},
                "query": record.indices.tolist(),
                "labels": record.labels.tolist(),
                "strategy": record.strategy,
                "labelled_by": record.labelled_by,
                "measured_on": record.measured_on,
            }
            for record in self
        ]
        last = ["query", "labels", "strategy", "labelled_by", "measured_on"]
        return pd.DataFrame(rows, columns=None if rows else ["round", "n_labels", *self._metric_names, *last])

    def __repr__(self) -> str:
        if not len(self):
            return "History of no round"
        last = self[-1]
        return f"History of {in_number(len(self), 'round')}; the last: {last!r}"


@dataclass(frozen=True)
class Event:
    """What changed the labels: appended, never erased. Undoing is an event too."""

    kind: str  # "label" or "undo"
    round: int
    indices: tuple[int, ...]
    labels: tuple[Any, ...]
    by: str
