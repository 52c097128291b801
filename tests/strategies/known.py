"""What a known answer is: a small situation, what one strategy asks in it, and a stub that says the posterior."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import aljupyter as al
from aljupyter.data.subset import Subset
from aljupyter.errors import NotFitted
from aljupyter.models.base import ModelManager
from aljupyter.posterior import ClassPosterior, RegressionPosterior


class Says(ModelManager):
    """Says about the rows of a dataset what it was told to say.

    Parameters
    ----------
    mean : array of shape (N,) or (N, C)
    variance, noise : arrays of shape (N,), optional
    cov : array of shape (N, N), optional
        Then the variances are its diagonal.
    draws : array of shape (S, N) or (S, N, C), optional
        Coupled.
    embedding : array of shape (N, E), optional
        The features where not given.
    """

    def __init__(self, mean, variance=None, noise=None, cov=None, draws=None, embedding=None):
        self.mean, self.noise, self.cov, self.draws = map(_array, (mean, noise, cov, draws))
        self.task = "classification" if self.mean.ndim == 2 else "regression"
        self.variance = _array(variance if cov is None else np.diag(self.cov))
        self.embedding, self.x = _array(embedding), None

    def told_of(self, data):
        """For points that come without their indices."""
        self.x = data.subset(np.arange(len(data))).x
        return self

    def _rows(self, x):
        if isinstance(x, Subset):
            return x.indices
        return torch.cdist(x.double(), self.x.double()).argmin(1).numpy()

    def posterior(self, x):
        rows = self._rows(x)
        mean, draws = torch.from_numpy(self.mean[rows]), None
        if self.draws is not None:
            draws = torch.from_numpy(self.draws[:, rows])
        joint = None if self.cov is None else Cov(self.cov[np.ix_(rows, rows)])
        if self.task == "classification":
            return ClassPosterior(mean, draws, coupled=draws is not None, joint=joint)
        noise = None if self.noise is None else torch.from_numpy(self.noise[rows])
        return RegressionPosterior(mean, torch.from_numpy(self.variance[rows]), noise, draws, joint)

    def embed(self, x):
        return super().embed(x) if self.embedding is None else torch.from_numpy(self.embedding[self._rows(x)])

    def gradient_embed(self, x, posterior=None):
        embed = self.embed(x).double()
        if self.task == "regression":
            return torch.ones(len(embed), 1, dtype=torch.float64), embed
        mean = torch.from_numpy(self.mean[self._rows(x)])
        return mean - torch.nn.functional.one_hot(mean.argmax(1), mean.shape[1]), embed

    def fit(self, labelled, control=None):
        raise NotFitted("It says what it was told.")

    def state(self):
        return None

    load = reset = clone = fit
    is_fitted = True
    estimator_ = None

    def __repr__(self):
        return "Says()"


class Cov:
    """Covariances that were written down."""

    def __init__(self, cov):
        self._cov = torch.from_numpy(cov)

    def cov(self, rows, cols):
        return self._cov[rows][:, cols]


def _array(values):
    return None if values is None else np.array(values, dtype=float)


@dataclass
class Situation:
    """What is known, how many points are asked, and which these are for one strategy.

    `answer`: indices in their order, or a function that judges a query. `parameters` are those of the one strategy.
    """

    x: Any
    y: Any
    labelled: list[int]
    answer: list[int] | Callable[[Any], bool]
    model: Any = None
    n: int = 1
    task: str = "classification"
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        x = np.array(self.x, dtype=float)
        self.data = al.DataManager(
            x.reshape(len(x), -1), self.y, labelled=self.labelled, preprocess=None, task=self.task
        )
        if isinstance(self.model, Says):
            self.model.told_of(self.data)
        elif self.model is not None:
            self.model = al.models.as_manager(self.model)
            self.model.fit(self.data.labelled)

    def asked(self, strategy, seed=0):
        return strategy.query(self.model, self.data, self.n, seed)

    def is_answered_by(self, query):
        if callable(self.answer):
            return bool(self.answer(query))
        return query.indices.tolist() == self.answer


KNOWN: dict[str, Callable[[], Situation]] = {}


def known(*names):
    """Register what makes a situation for these strategies; with more than one name it is given the name.

    "bald:values" is one more situation for "bald".
    """

    def register(make):
        for name in names:
            assert name not in KNOWN
            KNOWN[name] = make if len(names) == 1 else lambda name=name: make(name)
        return make

    return register


def off_the_middle(place=None, n_points=36, n_favourites=6):
    """Features: a crowd, a point far from it, and on a circle around it the last ones, one of them a little farther.

    So that none of these is anybody's favourite by its place, by its density, or by the length of its embedding.
    """
    angles = np.arange(n_favourites) + 0.5
    crowd = np.random.default_rng(0).normal(size=(n_points - n_favourites, 2)) / 3
    crowd[-1] = 20.0
    x = np.concatenate([crowd, 1.5 * np.stack([np.cos(angles), np.sin(angles)], 1)])
    if place is not None:
        x[place] *= 1.5
    return x
