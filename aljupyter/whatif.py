"""What a label would change, without a fit: a fantasy of the model, beside what it says now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aljupyter import informativeness
from aljupyter.errors import AlreadyLabelled, InvalidLabel, ModelLacks, NotFitted, WrongShape
from aljupyter.inspection import Then, as_given, likeliest, then
from aljupyter.learner import ActiveLearner
from aljupyter.models.base import ModelManager
from aljupyter.posterior import ClassPosterior, Posterior
from aljupyter.records import in_number

MOST_LABELS = 12  # classes that expected changes are computed over


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
    """

    index: int | None
    label: Any
    model: ModelManager
    change_N: np.ndarray
    uncertainty: tuple[float, float]
    sentence: str
    indices: np.ndarray


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
    InvalidLabel
        For a label that is not one of the classes (or of a class that no labelled point has), or not a finite number.
    WrongShape
        If both or none of `index` and `x` are given.
    """
    moment = then(learner) if moment is None else moment
    model, x = _model(moment), _inputs(learner, moment, index, x)
    code = learner.data.encode([label])
    if not torch.isfinite(code.double()).all():
        raise InvalidLabel(f"A hypothetical value is a finite number, got {label!r}.")
    imagined = model.fantasize(x, code[:1].numpy()[0])
    rest = _rest(moment, index)
    before, after = model.posterior(rest), imagined.posterior(rest)
    change_N = _change(before, after)
    uncertainty = _uncertainty(before), _uncertainty(after)
    given = as_given(learner.data.decode(code)[0])
    sentence = _sentence(index, given, before, change_N, uncertainty, rest.indices)
    return WhatIf(index, given, imagined, change_N, uncertainty, sentence, rest.indices)


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
    return learner.data.subset([index]).x[0].reshape(-1)


def _rest(moment: Then, index: int | None) -> Any:
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
