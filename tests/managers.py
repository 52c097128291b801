"""A small, quick model for tests of the loop: nearest class mean, with everything that a manager has."""

import torch

from aljupyter.data.subset import Subset
from aljupyter.errors import NotFitted, OneClassOnly
from aljupyter.models.base import ModelManager
from aljupyter.posterior import ClassPosterior, RegressionPosterior


class NearestMean(ModelManager):
    """Softmax of minus the squared distance to each class's mean. Counts its fits."""

    task = "classification"

    def __init__(self):
        self.means, self.fits = None, 0

    def fit(self, labelled, control=None):
        if len(labelled.y.unique()) < 2:
            raise OneClassOnly("one class only")
        if control is not None:
            control.check()
        self.fits += 1
        self.means = torch.stack([labelled.x[labelled.y == c].mean(0) for c in range(labelled.n_classes)])

    def posterior(self, x):
        if self.means is None:
            raise NotFitted("not fitted")
        points = x.x if isinstance(x, Subset) else x
        return ClassPosterior(torch.nan_to_num(-(torch.cdist(points, self.means) ** 2), nan=-1e9).softmax(-1))

    def state(self):
        return {"means": self.means}

    def load(self, state, labelled):
        self.means = state["means"]

    def reset(self):
        self.means = None

    def clone(self):
        return NearestMean()

    @property
    def is_fitted(self):
        return self.means is not None

    @property
    def estimator_(self):
        return self.means

    def __repr__(self):
        return "NearestMean()"


class Mean(NearestMean):
    """Predicts the mean of the labels; unsure in proportion to the distance from the labelled points."""

    task = "regression"

    def fit(self, labelled, control=None):
        if control is not None:
            control.check()
        self.fits += 1
        self.means = (labelled.y.mean(), labelled.x)

    def posterior(self, x):
        points = x.x if isinstance(x, Subset) else x
        distance = torch.cdist(points, self.means[1]).amin(1)
        return RegressionPosterior(self.means[0].expand(len(points)), distance)

    def clone(self):
        return Mean()
