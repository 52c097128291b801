"""Query by committee: points about which models that all agree with the labels disagree with each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.data.subset import Subset
from aljupyter.errors import InvalidParameter, NoLabels, OneClassOnly, UnsupportedModel, WrongTask
from aljupyter.informativeness import committee as informativeness
from aljupyter.posterior import ClassPosterior
from aljupyter.strategies import needs
from aljupyter.strategies.algebra import Limits, Measure
from aljupyter.strategies.points import one_of, whole
from aljupyter.strategies.pool import Pool

_OF_CLASSES = {
    "vote_entropy": informativeness.vote_entropy,
    "consensus_entropy": informativeness.consensus_entropy,
    "kl": informativeness.mean_divergence,
    "variation_ratio": informativeness.variation_ratio,
}
DISAGREEMENTS = (*_OF_CLASSES, "variance")

#: points that the members predict at once
_PIECE = 8192


class QueryByCommittee(Measure):
    """How much the members of a committee disagree (Seung, Opper & Sompolinsky 1992; Freund et al. 1997).

    Parameters
    ----------
    disagreement : {"vote_entropy", "consensus_entropy", "kl", "variation_ratio", "variance"}, optional
        See :mod:`aljupyter.informativeness.committee`; "kl" is the mean divergence from the consensus, "variance" is
        for regression and the others for classification. Where not given, vote entropy for classification and variance
        for regression.
    committee : scikit-learn estimator, or sequence of such, optional
        Where not given, the members are draws from the model's posterior, each one function at all points: the members
        that an ensemble has, where these are no more than `n_members`, and `n_members` new ones each round otherwise.
        Estimators are cloned and fitted each round, so that no model is needed: each member on a seeded bootstrap
        sample of the labelled points, of which one point of each class is drawn first, and the others from all
        (query by bagging, Abe & Mamitsuka 1998). A member without `predict_proba` gives its class probability 1.
    n_members : int
        Number of draws, or of clones of a single estimator; at least 2. A sequence has its own number.

    Raises
    ------
    InvalidParameter, UnsupportedModel

    Notes
    -----
    In a batch, draws are made anew from the posterior that knows the believed labels of the picks before. Estimators
    know the true labels alone: the highest scores are taken at once.
    """

    def __init__(self, disagreement: str | None = None, committee: Any = None, n_members: int = 20):
        self.disagreement = None if disagreement is None else one_of(disagreement, DISAGREEMENTS, "disagreement")
        self.committee = committee
        self.n_members = whole(n_members, "n_members", at_least=2)
        if disagreement is not None:
            self.task = "regression" if disagreement == "variance" else "classification"
        #: top-n by "kl" is top-n by BALD
        self.redundant_for = ("classification", "regression") if disagreement == "kl" else ("regression",)
        self.unit = "nats" if disagreement not in ("variation_ratio", "variance", None) else ""
        self.needs = ("model", "functions")
        if committee is not None:
            self._estimators = _estimators(committee, self.n_members)
            self.needs, self.sees_batch = (), False

    def __call__(self, pool: Pool) -> Tensor:
        if self.committee is None:
            return self._disagreement(pool.unlabelled.task, self._draws(pool))
        pool = pool.before  # labels that are believed only are none of the committee's
        key = (QueryByCommittee, repr(self))
        if key not in pool.memo:
            pool.memo[key] = self._by_estimators(pool)
        values_N: Tensor = pool.memo[key]
        return values_N

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask(f"{self!r} asks a committee about a pool; a posterior alone does not say who is in it.")

    def limits(self, n_classes: int | None) -> Limits:
        if n_classes is None:
            return 0.0, None
        return 0.0, 1 - 1 / n_classes if self.disagreement == "variation_ratio" else math.log(n_classes)

    def _disagreement(self, task: str, members: NDArray[np.float64] | Tensor) -> Tensor:
        """That of members who say (S, N, C) or (S, N)."""
        if self.task not in (None, task):
            raise WrongTask(f"{self!r} is a measure for {self.task}, and the data are for {task}.")
        if task == "regression":
            return informativeness.member_variance(members)
        return _OF_CLASSES[self.disagreement or "vote_entropy"](members)

    def _draws(self, pool: Pool) -> NDArray[np.float64] | Tensor:
        needs.fitted(pool, self)
        posterior, own = pool.posterior, None
        if isinstance(posterior, ClassPosterior):
            own = posterior.probs_S_N_C if posterior.coupled and posterior.weights_S is None else None
        else:
            own = posterior.draws_S_N
        if own is not None and 2 <= len(own) <= self.n_members:
            return own
        return needs.functions(pool, self.n_members, pool.generator("committee"), self)

    def _by_estimators(self, pool: Pool) -> Tensor:
        members = fit_committee(self._estimators, pool.labelled, pool.generator("committee"), self)
        task, n_classes = pool.labelled.task, pool.labelled.n_classes
        pieces = [
            self._disagreement(task, np.stack([_say(member, x_B_D, n_classes) for member in members]))
            for x_B_D in _matrices(pool.unlabelled)
        ]
        return torch.cat([torch.zeros(0, dtype=torch.float64), *pieces])


def fit_committee(
    estimators: Sequence[Any], labelled: Subset, generator: np.random.Generator, who: object
) -> list[Any]:
    """Clones of scikit-learn estimators, each fitted on a bootstrap sample of its own.

    Parameters
    ----------
    estimators : sequence of S estimators
        Whose `random_state`, where it is None, comes from the generator.
    labelled : Subset
    generator : numpy.random.Generator
    who : object
        Who asks, for the message of an error.

    Raises
    ------
    NoLabels, OneClassOnly
    WrongTask
        If an estimator is not for the task of the labels.
    """
    from sklearn.base import clone, is_classifier

    if len(labelled) == 0:
        raise NoLabels(f"{who!r} fits its committee on the labelled points, and no point is labelled yet.")
    classification = labelled.task == "classification"
    x_M_D, y_M = labelled.x.flatten(1).numpy(), labelled.y.numpy()
    if classification and len(np.unique(y_M)) < 2:
        raise OneClassOnly(f"{who!r} fits its committee on the labelled points, and these are all of one class.")
    members = []
    for estimator in estimators:
        if is_classifier(estimator) != classification:
            raise WrongTask(f"{estimator!r} of {who!r} is not for {labelled.task}, which the labels are for.")
        rows = bootstrap(y_M, generator, every_class=classification)
        member = clone(estimator)
        unset = [name for name, value in member.get_params().items() if _is_seed(name) and value is None]
        member.set_params(**{name: int(generator.integers(2**31)) for name in sorted(unset)})
        members.append(member.fit(x_M_D[rows], y_M[rows]))
    return members


def bootstrap(y_M: NDArray[Any], generator: np.random.Generator, *, every_class: bool) -> NDArray[np.int64]:
    """Positions of a bootstrap sample of M of M points, shape (M,).

    Parameters
    ----------
    y_M : array of shape (M,)
    generator : numpy.random.Generator
    every_class : bool
        Whether one point of each class is drawn first; the others are drawn from all points, with replacement.
    """
    classes = np.unique(y_M) if every_class else ()
    firsts = np.array([generator.choice(np.flatnonzero(y_M == c)) for c in classes], dtype=np.int64)
    return np.concatenate([firsts, generator.integers(len(y_M), size=len(y_M) - len(firsts))])


def _say(member: Any, x_B_D: NDArray[Any], n_classes: int | None) -> NDArray[np.float64]:
    """Class probabilities (B, C) of all classes of the data, 0 for those that the member has not seen; or (B,)."""
    if n_classes is None:
        return np.asarray(member.predict(x_B_D), dtype=np.float64).reshape(len(x_B_D))
    probs_B_C = np.zeros((len(x_B_D), n_classes))
    if hasattr(member, "predict_proba"):
        probs_B_C[:, np.asarray(member.classes_, dtype=np.int64)] = member.predict_proba(x_B_D)
    else:
        probs_B_C[np.arange(len(x_B_D)), np.asarray(member.predict(x_B_D), dtype=np.int64)] = 1.0
    return probs_B_C


def _matrices(view: Subset) -> Iterator[NDArray[Any]]:
    for x_B, _ in view.chunks(_PIECE):
        yield x_B.flatten(1).numpy()


def _is_seed(name: str) -> bool:
    return name == "random_state" or name.endswith("__random_state")


def _estimators(committee: Any, n_members: int) -> list[Any]:
    """The members to be, checked."""
    alone = hasattr(committee, "fit")  # a Pipeline has a length, too
    members = [committee] * n_members if alone else list(committee) if isinstance(committee, Sequence) else [committee]
    for member in members:
        if isinstance(member, type) or not all(hasattr(member, name) for name in ("fit", "predict", "get_params")):
            raise UnsupportedModel(
                f"Members of a committee are scikit-learn estimators, such as `LogisticRegression()`; got {member!r}."
            )
    if len(members) < 2:
        raise InvalidParameter(f"A committee has two members or more, got {committee!r}.")
    return members
