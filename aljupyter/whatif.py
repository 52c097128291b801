"""What a label would change, without a fit: a fantasy of the model, beside what it says now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aljupyter import informativeness
from aljupyter.data.subset import Subset
from aljupyter.errors import (
    AlJupyterError,
    AlreadyLabelled,
    IndexOutOfPool,
    InvalidLabel,
    ModelLacks,
    NotFitted,
    WrongShape,
)
from aljupyter.inspection import Then, as_given, likeliest, then
from aljupyter.learner import ActiveLearner
from aljupyter.models.base import ModelManager
from aljupyter.posterior import ClassPosterior, Posterior
from aljupyter.records import Scores, in_number
from aljupyter.strategies import asking
from aljupyter.strategies.pool import Pool

MOST_LABELS = 12  # classes that expected changes are computed over
N_NEXT = 3  # points that would be asked next, in the sentence


@dataclass(frozen=True)
class WhatIf:
    """The loop as it would be with one more label.

    Attributes
    ----------
    index : int or None
        None for a place.
    label : object
        In its original form.
    model : ModelManager
        As if the point had that label; hyperparameters stay as they are.
    change_N : array of shape (N,)
        Over the pool, the point itself left out: whether the predicted class changes, or by how much the mean does.
    uncertainty : (float, float)
        Mean over that pool before and after: entropy in nats, or standard deviation.
    sentence : str
    indices : array of shape (N,)
        Of that pool.
    scores : Scores or None
        Of that pool, by the strategy as if the point had that label; None where it cannot say. The label of a place
        is known to the model alone, not to strategies that look at labelled points.
    """

    index: int | None
    label: Any
    model: ModelManager
    change_N: np.ndarray
    uncertainty: tuple[float, float]
    sentence: str
    indices: np.ndarray
    scores: Scores | None = None


def what_if(
    learner: ActiveLearner,
    label: Any,
    index: int | None = None,
    x: Tensor | None = None,
    moment: Then | None = None,
) -> WhatIf:
    """What a hypothetical label of a point, or of a place, would change.

    Parameters
    ----------
    learner : ActiveLearner
    label : object
        A class, or a number.
    index : int, optional
        Of an unlabelled point.
    x : Tensor, optional
        A place, as one row of the model's inputs.
    moment : Then, optional
        What :func:`aljupyter.inspection.then` gave; the present where not given.

    Raises
    ------
    NotFitted
        If there is no model.
    ModelLacks
        If its kind cannot imagine labels.
    AlreadyLabelled
    IndexOutOfPool
        For a point of the test or validation view: it would no longer measure the model fairly.
    InvalidLabel
        For a label that is not one of the classes (or of a class that no labelled point has), or not a finite number.
    WrongShape
        If both or none of `index` and `x` are given.
    """
    moment = then(learner) if moment is None else moment
    model, x = _model(moment), _inputs(learner, moment, index, x)
    if not learner.data.n_classes and isinstance(label, bool | np.bool_):
        raise InvalidLabel(f"A hypothetical value is a finite number, got {label!r}.")
    code = learner.data.encode([label])
    if not torch.isfinite(code.double()).all():
        raise InvalidLabel(f"A hypothetical value is a finite number, got {label!r}.")
    imagined = model.fantasize(x, code[:1].numpy()[0])
    rest = _rest(moment, index)
    before, after = model.posterior(rest), imagined.posterior(rest)
    change_N = _change(before, after)
    uncertainty = _uncertainty(before), _uncertainty(after)
    given = as_given(learner.data.decode(code)[0])
    scores, unscored = _scores(learner, moment, rest, imagined, index, code)
    sentence = _sentence(index, given, before, change_N, uncertainty, rest.indices)
    sentence += unscored if scores is None else _ranking(moment.scores, scores)
    return WhatIf(index, given, imagined, change_N, uncertainty, sentence, rest.indices, scores)


def expected_change(
    learner: ActiveLearner, index: int | None = None, x: Tensor | None = None, moment: Then | None = None
) -> float:
    """What a label is expected to change, over the labels that the model thinks possible.

    Returns
    -------
    float
        The expected number of pool points whose predicted class changes; in regression the mean over the pool of the
        expected absolute change of the prediction, E|Z| s with s the change at one standard deviation.

    Raises
    ------
    As :func:`what_if`; ModelLacks for more than 12 classes.
    """
    moment = then(learner) if moment is None else moment
    model, x = _model(moment), _inputs(learner, moment, index, x)
    rest = _rest(moment, index)
    at, before = model.posterior(x[None]), model.posterior(rest)
    if not isinstance(at, ClassPosterior):
        deviation = math.sqrt(float(at.variance_N[0]) + (0.0 if at.noise_N is None else float(at.noise_N[0])))
        after = model.fantasize(x, float(at.mean_N[0]) + deviation).posterior(rest)
        return math.sqrt(2 / math.pi) * float(np.mean(_change(before, after))) if len(rest) else 0.0
    if at.n_classes > MOST_LABELS:
        raise ModelLacks(f"Expected changes are computed for up to {MOST_LABELS} classes; there are {at.n_classes}.")
    seen = set(moment.labelled.y.unique().tolist())  # a model knows nothing of the others, and gives them nothing
    return sum(
        float(p) * float(_change(before, model.fantasize(x, c).posterior(rest)).sum())
        for c, p in enumerate(at.mean_N_C[0])
        if c in seen
    )


def _model(moment: Then) -> Any:
    if moment.model is None:
        raise NotFitted("There is no model that could imagine a label: Step fits one, or `learner.fit()`.")
    if not callable(getattr(moment.model, "fantasize", None)):
        raise ModelLacks(
            f"{moment.model!r} cannot say what a label would change without a fit. "
            f"GPClassifier() and GPRegressor() can."
        )
    return moment.model


def _inputs(learner: ActiveLearner, moment: Then, index: int | None, x: Tensor | None) -> Tensor:
    if (index is None) == (x is None):
        raise WrongShape("One point is imagined: by its index, or as a place x; got both or neither.")
    if index is None:
        assert x is not None
        return x.reshape(-1)
    if index in moment.labelled.indices:
        raise AlreadyLabelled(f"Point {index} has a label already; a hypothetical one is for points that have none.")
    if index not in moment.unlabelled.indices:
        raise IndexOutOfPool(
            f"Point {index} is held out to measure the model; a hypothetical label is for points of the pool."
        )
    return learner.data.subset([index]).x[0].reshape(-1)


def _scores(
    learner: ActiveLearner, moment: Then, rest: Subset, imagined: ModelManager, index: int | None, code: Tensor
) -> tuple[Scores | None, str]:
    """Those of the rest of the pool after the label; none, and why, where the strategy cannot give them."""
    if not len(rest):
        return None, ""
    labelled = moment.labelled
    if index is not None:
        labelled = labelled.joined(learner.data.subset([index]), code)
    pool = Pool(rest, labelled, imagined, learner.seed, moment.round, raw=learner.data.raw)
    if moment.round < learner.round and learner.strategy.doing(pool) != moment.strategy:
        return None, f" That round was asked by {moment.strategy}, so it is not ranked anew."
    try:
        return asking.score(learner.strategy, pool), ""
    except AlJupyterError as error:
        return None, f" Not ranked anew: {error}"


def _ranking(before: Scores | None, after: Scores) -> str:
    """Who would be asked next, and where these stood before."""
    best = []
    for index in after.best(N_NEXT):
        was = None if before is None else before.values[before.indices == index]
        stood = "" if before is None else f" (before: rank {1 + int((before.values > was).sum())})"
        best.append(f"point {index}{stood}")
    return f" Asked next then: {', '.join(best)}." if best else ""


def _rest(moment: Then, index: int | None) -> Subset:
    keep = np.flatnonzero(moment.unlabelled.indices != (-1 if index is None else index))
    return moment.unlabelled.part(keep)


def _change(before: Posterior, after: Posterior) -> np.ndarray:
    if isinstance(before, ClassPosterior):
        return (likeliest(before) != likeliest(after)).cpu().numpy()
    return (likeliest(after) - likeliest(before)).abs().cpu().numpy()


def _uncertainty(posterior: Posterior) -> float:
    if not len(posterior):
        return 0.0
    if isinstance(posterior, ClassPosterior):
        return float(informativeness.entropy(posterior).mean())
    return float(posterior.std_N.mean())


def _sentence(
    index: int | None, label: Any, before: Posterior, change_N: np.ndarray, uncertainty: tuple[float, float],
    indices: np.ndarray,
) -> str:  # fmt: skip
    what = "this place" if index is None else f"point {index}"
    if not len(change_N):
        return f"If {what} were {label}: no other point is left in the pool."
    if isinstance(before, ClassPosterior):
        n = int(change_N.sum())
        changes = f"{n} of {in_number(len(change_N), 'pool point')} would change {'its' if n == 1 else 'their'} class"
        name = "mean entropy"
    else:
        most = int(change_N.argmax())
        changes = (
            f"predictions in the pool would move by {change_N.mean():.3g} on average, "
            f"by {change_N[most]:.3g} at point {indices[most]}"
        )
        name = "mean deviation"
    return f"If {what} were {label}: {changes}; {name} {uncertainty[0]:.3g} to {uncertainty[1]:.3g}."
