"""The active-learning loop: constrain, score, select, label (Figure 1 of the paper, arXiv:2205.11117)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from aljupyter.control import Control
from aljupyter.data.manager import DataManager
from aljupyter.errors import (
    DataError,
    NothingToUndo,
    OracleError,
)
from aljupyter.keeping import Keeper
from aljupyter.models import as_manager, default_manager
from aljupyter.models.base import ModelManager
from aljupyter.oracles import DatasetOracle, Oracle
from aljupyter.performance import Measurer
from aljupyter.records import Event, Fitted, History, Query, RoundRecord, Scores, in_number, in_words
from aljupyter.rounds import Rounds
from aljupyter.runs import Played, play
from aljupyter.sizes import BatchSizes, check_size
from aljupyter.stopping import as_rules
from aljupyter.strategies import Measure, Strategy, as_strategy, asking, default

if TYPE_CHECKING:
    import pandas as pd


class ActiveLearner(Rounds):
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
    journal : Journal or path, optional
        Where every label is written before it is acknowledged. One that holds events of these data already is gone on
        from: its labels and rounds are there, and a query that waits for its answer is asked again as it was. Models of
        earlier rounds are not in it, and the next fit starts afresh.

    Raises
    ------
    DataError, UnsupportedModel, WrongTask, OracleError, ModelError
        For data, a model, a strategy, an oracle or metrics that cannot be used (together).
    JournalError, JournalMismatch
        For a journal that cannot be used, or of other data.

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
        journal: Any = None,
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
        if journal is not None:
            self._keeper = Keeper(journal, data)
            records, self._events = self._keeper.resume(self._kind)
            self._history = History(records, self.metric_names)

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

        With a journal the query is written down, and one that waits for its answer there is given back as it was.

        Raises
        ------
        QuerySizeError, QuotaError
            If n is not a whole number from 1 to the size of the pool, or no n points keep the strategy's quota.
        """
        with self.turn:
            query = self.peek(n, control)
            if self._keeper is not None:
                self._keeper.issue(query)
            return query

    def peek(self, n: int = 1, control: Control | None = None) -> Query:
        """What :meth:`query` would give, to look at: nothing is written down.

        Raises
        ------
        QuerySizeError, QuotaError
        """
        with self.turn:
            check_size(n, len(self.data.unlabelled))
            if (pending := self._pending(n)) is not None:
                return pending
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
            query = self._pending(n) or asking.choose(self._strategy, pool, n, scores)
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
                if self._keeper is not None:  # last: what is on disk is acknowledged
                    self._keeper.undo(last)
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
