"""How a round is done: all of it, or nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np

from aljupyter.control import Control
from aljupyter.errors import EmptyPool, ModelError
from aljupyter.keeping import Keeper
from aljupyter.models.base import ModelManager
from aljupyter.oracles import Oracle, ask
from aljupyter.records import Event, Fitted, History, Query, RoundRecord, Scores, frozen_array
from aljupyter.sizes import check_size
from aljupyter.standing import Standing
from aljupyter.strategies import Pool, Strategy, asking


class Rounds(Standing):
    """The part of :class:`aljupyter.learner.ActiveLearner` that is not for callers.

    Attributes
    ----------
    oracle : Oracle
    seed : int
    """

    oracle: Oracle
    seed: int
    _strategy: Strategy
    _keeper: Keeper | None = None

    @property
    def asks_model(self) -> bool:
        """Whether the strategy will ask the model for the next query, and so needs it fitted."""
        return self._strategy.asks_model(self._pool(None))

    @property
    def pool(self) -> Pool:
        """The pool as the strategy sees it now; without a model where none is fitted on these labels."""
        return self._pool(self.model if self.is_current else None)

    def fit(self, control: Control | None = None) -> Fitted:
        """See :meth:`aljupyter.learner.ActiveLearner.fit`."""
        raise NotImplementedError

    def _load(self, record: RoundRecord) -> bool:
        """Bring back the model of a round, where it is stored, is the present one, and of the labels there are now."""
        labelled = self.data.labelled
        is_same = record.model is self._kind  # not where another was put in its place since
        if record.model_state is None or not (is_same and np.array_equal(labelled.indices, record.labelled_before)):
            return False
        try:
            self.model.load(record.model_state, labelled)
        except ModelError:
            return False
        self._fitted = Fitted(record.round, record.n_labels, record.metrics, record.measured_on)
        self._fitted_on = self._labels_key()
        return True

    def _pending(self, n: int) -> Query | None:
        """The query of this round that the journal says was given out and waits for its answer."""
        return None if self._keeper is None else self._keeper.pending(self.round, n)

    def _score(self, control: Control | None, n: int = 1) -> tuple[Pool, Scores]:
        if self.pool_is_empty:
            raise EmptyPool("Every point of the pool is labelled: there is nothing left to ask.")
        if self.asks_model:
            self.fit(control)
        pool = self.pool
        return pool, asking.score(self._strategy, pool, n)

    def _pool(self, model: ModelManager | None) -> Pool:
        return Pool(self.data.unlabelled, self.data.labelled, model, self.seed, self.round, raw=self.data.raw)

    def _label(self, query: Query | Sequence[int] | np.ndarray, labels: Any, timings: dict[str, float]) -> RoundRecord:
        clock = time.perf_counter()
        asked = query if isinstance(query, Query) else None
        indices = self.data.check_unlabelled(query.indices if isinstance(query, Query) else query)
        check_size(len(indices))
        by = "person"
        if labels is None:
            by = getattr(self.oracle, "name", type(self.oracle).__name__)
            labels = ask(self.oracle, indices.copy())
        elif not hasattr(labels, "__len__") or isinstance(labels, str):
            labels = [labels]
        current = self.is_current
        with self._transaction():
            before = self.data.labelled
            predicted = self.model.posterior(self.data.subset(indices)) if current else None
            self.data.label(indices, labels)
            after = self.data.labelled
            told = after.y[len(before) :]
            given = frozen_array(self.data.decode(told))
            timings["label"] = time.perf_counter() - clock
            fitted = self._fitted if current else None
            record = RoundRecord(
                round=self.round,
                indices=frozen_array(indices),
                labels=given,
                scores=None if asked is None else asked.scores,
                pool=asked.pool if asked is not None and asked.round == self.round else None,
                labelled_before=before.indices,
                labelled_y=before.y.clone(),
                metrics=MappingProxyType({}) if fitted is None else fitted.metrics,
                measured_on="" if fitted is None else fitted.measured_on,
                predicted=predicted,
                before_label=MappingProxyType({} if predicted is None else self._measure.before_label(predicted, told)),
                strategy="given" if asked is None else asked.strategy,
                labelled_by=by,
                seed=self.seed,
                timings=MappingProxyType(dict(timings)),
                model_state=self.model.state() if current else None,
                model=self._kind,
            )
            self._history = History((*self._history, record), self.metric_names)
            self._events += (Event("label", record.round, tuple(record.indices.tolist()), tuple(given.tolist()), by),)
            if self._keeper is not None:  # last: what is on disk is acknowledged
                self._keeper.label(record)
        self._observers.tell("label")
        return record

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of what is inside, or nothing of it; KeyboardInterrupt included."""
        data = self.data.snapshot()
        before = self._history, self._events, self._fitted, self._fitted_on
        try:
            yield
        except BaseException:
            self.data.restore(data)
            self._history, self._events, self._fitted, self._fitted_on = before
            if self._keeper is not None:
                self._keeper.roll_back(len(self._history))
            raise
