"""The active-learning loop: constrain, score, select, label (Figure 1 of the paper, arXiv:2205.11117)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from aljupyter.control import Control
from aljupyter.data.manager import DataManager
from aljupyter.errors import (
    DataError,
    EmptyPool,
    ModelError,
    NothingToUndo,
    OracleError,
)
from aljupyter.models import as_manager, default_manager
from aljupyter.models.base import ModelManager
from aljupyter.oracles import DatasetOracle, Oracle, ask
from aljupyter.performance import Measurer
from aljupyter.records import Event, Fitted, History, Query, RoundRecord, Scores, frozen_array, in_number, in_words
from aljupyter.runs import Played, play
from aljupyter.sizes import BatchSizes, check_size
from aljupyter.standing import Standing
from aljupyter.stopping import as_rules
from aljupyter.strategies import Measure, Pool, Strategy, as_strategy, asking, default

if TYPE_CHECKING:
    import pandas as pd


class ActiveLearner(Standing):
    """A dataset, a model and a strategy that choose together what to label next.

    One round is ``fit()``, ``score()``, ``query(n)``, ``label(query)``; :meth:`step` is the four in a row and
    :meth:`run` repeats it. Indices are always the dataset's own.

    Parameters
    ----------
    data : DataManager
        Changed by labelling.
    model : estimator or ModelManager, optional
        ``GPClassifier()`` or ``GPRegressor()`` by the task where not given.
    strategy : Strategy or Measure, optional
        Margin (classification) or variance (regression) where not given.
    oracle : callable, optional
        Called with indices, answers with their labels; the dataset's own labels where not given.
    seed : int
        Every draw depends on it, on the round and on its purpose alone.
    metrics : sequence of str, optional
        Which of the task's metrics to compute; all where not given.
    top : float
        ``hit_ratio`` is the share of the best `top` of the training view (by value) found so far.

    Raises
    ------
    DataError, UnsupportedModel, WrongTask, OracleError, ModelError
        For data, a model, a strategy, an oracle or metrics that cannot be used (together).

    Examples
    --------
    >>> learner = ActiveLearner(data, GPClassifier(), strategies.Entropy())
    >>> records = learner.run(rounds=3, n=2)
    >>> learner.history.to_frame()["n_labels"].tolist()
    [10, 12, 14]
    """

    def __init__(
        self,
        data: DataManager,
        model: Any = None,
        strategy: Strategy | Measure | None = None,
        oracle: Oracle | None = None,
        *,
        seed: int = 0,
        metrics: Sequence[str] | None = None,
        top: float = 0.1,
    ):
        if not isinstance(data, DataManager):
            raise DataError(f"Data come in a DataManager, got {type(data).__name__}: `al.DataManager(X, y)` makes one.")
        if oracle is not None and not callable(oracle):
            raise OracleError(f"An oracle is called with indices and answers with their labels; got {oracle!r}.")
        manager = default_manager(data.task) if model is None else as_manager(model, data.task)
        super().__init__(data, manager, Measurer(data, metrics, top))
        self.oracle: Oracle = DatasetOracle(data) if oracle is None else oracle
        self.seed = seed
        self._strategy = default(data.task) if strategy is None else as_strategy(strategy, data.task)

    @property
    def model(self) -> ModelManager:
        """The model that is fitted. Another may be put in its place, an estimator or a manager; it starts afresh."""
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        with self.turn:
            self._model = as_manager(model, self.data.task)
            self._kind = self._model.clone()
            self._fitted_on = self._ceiling = None
            self._observers.tell("model")

    @property
    def strategy(self) -> Strategy:
        return self._strategy

    @strategy.setter
    def strategy(self, strategy: Strategy | Measure) -> None:
        with self.turn:
            self._strategy = as_strategy(strategy, self.data.task)
            self._observers.tell("strategy")

    @property
    def asks_model(self) -> bool:
        """Whether the strategy will ask the model for the next query, and so needs it fitted."""
        return self._strategy.asks_model(self._pool(None))

    @property
    def pool(self) -> Pool:
        """The pool as the strategy sees it now; without a model where none is fitted on these labels."""
        return self._pool(self.model if self.is_current else None)

    # --- one round, in four words -----------------------------------------------------------------------------------

    def fit(self, control: Control | None = None) -> Fitted:
        """Fit the model on the labelled set and measure it; nothing is done while the labels are unchanged.

        Raises
        ------
        NoLabels
            If no point is labelled.
        OneClassOnly
            If a classifier has seen one class only.
        LearnerBusyError, RoundCancelled
        """
        with self.turn:
            if self._fitted is not None and self.is_current:
                return self._fitted
            self._check_fittable()
            self._fitted_on = None  # until it is measured too: an interrupt between the two must not pass for a fit
            self.model.fit(self.data.labelled, control)
            metrics, measured_on = self._measure(self.model)
            self._fitted = Fitted(self.round, self.n_labels, MappingProxyType(metrics), measured_on)
            self._fitted_on = self._labels_key()
            self._observers.tell("fit")
            return self._fitted

    def score(self, control: Control | None = None) -> Scores:
        """The strategy's score of every unlabelled point.

        The model is fitted first where the labels have changed since its last fit.
        """
        with self.turn:
            return self._score(control)[1]

    def query(self, n: int = 1, control: Control | None = None) -> Query:
        """The n points to ask next. The same in every call until a label is given.

        Raises
        ------
        QuerySizeError, QuotaError
            If n is not a whole number from 1 to the size of the pool, or no n points keep the strategy's quota.
        """
        with self.turn:
            check_size(n, len(self.data.unlabelled))
            asking.check(self._strategy, self._pool(None), n)
            pool, scores = self._score(control, n)
            return asking.choose(self._strategy, pool, n, scores)

    def label(self, query: Query | Sequence[int] | np.ndarray, labels: Any = None) -> RoundRecord:
        """Label points: ask the oracle, or take the labels given. This ends the round.

        Parameters
        ----------
        query : Query or indices
        labels : sequence, optional
            One a point, in their original form. The oracle is asked where not given.

        Raises
        ------
        OracleError
            If the oracle does not answer with one label a point.
        IndexOutOfRange, IndexOutOfPool, AlreadyLabelled, RepeatedIndices, InvalidLabel, WrongShape
            If a point cannot be labelled, or not so. No label is then taken.
        """
        with self.turn:
            return self._label(query, labels, {})

    def step(self, n: int = 1, control: Control | None = None) -> RoundRecord:
        """One round: fit, score, query, label.

        Parameters
        ----------
        n : int
            How many points to ask.
        control : Control, optional
            Reports progress and may cancel.

        Raises
        ------
        QuerySizeError, NoLabels, OneClassOnly, OracleError, LearnerBusyError, RoundCancelled
            The learner is then as it was before the round.
        """
        control = control or Control()
        with self.turn:
            check_size(n, len(self.data.unlabelled))
            asking.check(self._strategy, self._pool(None), n)
            clock = time.perf_counter()
            timings = {}

            def lap(name: str, fraction: float, coming: str) -> None:
                nonlocal clock
                timings[name] = time.perf_counter() - clock
                clock = time.perf_counter()
                control.progress(fraction, coming)
                control.check()

            control.progress(0.0, f"round {self.round}: fitting on {in_number(self.n_labels, 'label')}")
            if self.asks_model or self.can_fit:
                self.fit(control)
            lap("fit", 0.7, f"round {self.round}: scoring {in_number(len(self.data.unlabelled), 'point')}")
            pool, scores = self._score(control, n)
            lap("score", 0.9, f"round {self.round}: choosing {n}")
            query = asking.choose(self._strategy, pool, n, scores)
            lap("select", 0.95, f"round {self.round}: labelling")
            record = self._label(query, None, timings)
            control.progress(1.0, f"round {record.round} done")
            return record

    def run(
        self,
        rounds: int | None = None,
        n: BatchSizes = 1,
        control: Control | None = None,
        progress: bool = True,
        until: Any = None,
    ) -> Played:
        """Several rounds. Ends early when the pool is empty or a stop rule says so; a last batch may be smaller.

        Parameters
        ----------
        rounds : int, optional
            All until the pool is empty where not given (as many as there are sizes, for a sequence).
        n : int, sequence of int or callable
            How many points a round asks; a callable is given the number of the round.
        control : Control, optional
        progress : bool
            Whether to show a bar, once a second has passed.
        until : StopRule or callable, or several, optional
            Such as ``stopping.Budget(60)`` or ``lambda learner: learner.metrics["accuracy"] > 0.9``. Asked before each
            query, of the model fitted on the labels by then; the first that holds ends the run.

        Returns
        -------
        list of RoundRecord
            Whose ``stopped`` says why a rule ended it.

        Raises
        ------
        As :meth:`step`. Rounds that were finished stay.
        """
        return play(self, rounds, n, as_rules(until), control or Control(), progress)

    def undo(self) -> RoundRecord:
        """Take the last round back: its labels return to the pool, the model to what it was before them.

        Returns
        -------
        RoundRecord
            The round taken back.

        Raises
        ------
        NothingToUndo
            Before the first round.
        """
        with self.turn:
            if not len(self._history):
                raise NothingToUndo("No round has been played, so there is nothing to undo.")
            self._fitted_on = None  # until the model is back: an interrupt on the way must not pass for a fit
            with self._transaction():
                last = self._history[-1]
                # those still labelled: one may have been taken back, or relabelled, past the learner
                labelled = np.intersect1d(last.indices, self.data.labelled.indices)
                self.data.unlabel(labelled)
                self._history = self._history[:-1]
                self._events += (Event("undo", last.round, tuple(last.indices.tolist()), (), "learner"),)
                if not self._load(last):
                    self.model.reset()
            self._observers.tell("undo")
            return last

    def curve(self) -> pd.DataFrame:
        """The learning curve: a DataFrame of ``n_labels`` and metrics, one row a model, the present one last.

        The model is fitted first where the labels have changed since its last fit.
        """
        import pandas as pd

        rows = [{"n_labels": record.n_labels, **record.metrics} for record in self._history if record.metrics]
        if self.can_fit:
            fitted = self.fit()
            rows.append({"n_labels": fitted.n_labels, **fitted.metrics})
        return pd.DataFrame(rows, columns=["n_labels", *self.metric_names])

    def __repr__(self) -> str:
        at = f"; {in_words(self.metrics)}" if self.metrics else ""
        return (
            f"ActiveLearner: {self.data.task}, {self.n_labels} labelled, {len(self.data.unlabelled)} in the pool, "
            f"{in_number(self.round, 'round')} played{at}\n  model {self.model!r}\n  strategy {self._strategy!r}"
        )

    # --- how --------------------------------------------------------------------------------------------------------

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
            raise
