"""What every registered strategy is asked, whatever it is: data, models, and values of its parameters.

A strategy that is registered is tested by that. It has to have a line for each of its parameters here, and one in the
table of known answers.
"""

import copy
import inspect
from functools import cache

import numpy as np
import torch
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.data.subset import Subset
from aljupyter.errors import UnsupportedModel, WrongTask
from aljupyter.models.gp.manager import GPManager
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from aljupyter.strategies import named
from tests.managers import Mean, NearestMean

TASKS = ("classification", "regression")
NAMES = tuple(s.names())
CASES = tuple((name, task) for task in TASKS for name in s.names(task))


def points(n_points, seed=0, n_features=2):
    return np.random.default_rng(seed).normal(size=(n_points, n_features))


#: Strategies that draw at random, so that another order of the rows leads to other draws, and what they draw.
#: By name, or by (name, task) where it is so in one task.
DRAWS = {
    "acs_fw": "functions, by their values at the points in their order",
    "auto": "whether a place of the batch is explored",
    "badge": "every pick but the first, in proportion to squared distances",
    "batch_bald": "functions, by their values at the points in their order",
    "cluster_margin": "which of clusters of equal size comes first",
    "epsilon_greedy": "which places of a batch are explored",
    ("epig", "classification"): "functions, by their values at the points in their order",
    **dict.fromkeys(("power_bald", "softmax_bald", "softrank_bald"), "Gumbel noise, added to the scores"),
    "prob_cover": "the starts of the k-means whose clusters stand for classes when it seeks its radius",
    "query_by_committee": "functions, by their values at the points in their order",
    "random": "everything",
    "representative": "the starts of k-means",
    "thompson": "a function, by its values at the points in their order",
    "typiclust": "the starts of k-means",
}
#: Strategies whose first pick may be another point than that of the highest score: from how many points on, and why.
FIRST_ELSEWHERE = {
    "cluster_margin": (1, "it begins with the smallest of the clusters that have points of small margin"),
    **dict.fromkeys(("epsilon_greedy", "power_bald", "softmax_bald", "softrank_bald"), (1, "it is drawn")),
    "representative": (2, "its clusters are as many as points are asked"),
    "typiclust": (2, "its clusters are as many as points are asked"),
}
#: Strategies that take equal points by their place, and why.
TIES_BY_PLACE = {
    "representative": "who is nearest to the centre of a cluster has the higher score; equals stay in order"
}
#: Parameters with which they are asked where many queries are made: those of which one takes long.
LIGHT = {"expected_error_reduction": {"n_candidates": 6, "n_targets": 6}}
#: Needs that go unasked in one task.
SPARED = {
    # the information about a normal variable has a closed form
    **{(name, "regression"): {"draws"} for name in ("bald", "power_bald", "softmax_bald", "softrank_bald")},
    ("epig", "regression"): {"functions"},
    ("epig", "classification"): {"covariance"},
}

_WHOLE = ([3, np.int64(4)], [0, -1, 1.5, True, "three", None])
_WHOLE_OR_NONE = (_WHOLE[0] + [None], _WHOLE[1][:-1])
_POSITIVE = ([0.3, 2], [0, -1.0, np.nan, np.inf, "wide", None, True])

#: Values of parameters: good ones, and such as are refused. By the parameter's name; where one name has two meanings,
#: by (strategy, parameter).
PARAMETERS = {
    "bandwidth": (_POSITIVE[0] + ["median"], _POSITIVE[1]),
    "base": ([s.Entropy(), s.LeastConfidence() + 0.1 * s.Random()], ["margin", None, 1]),
    "beta": ([0, 0.5, 2], [-1, np.nan, np.inf]),
    "clusterer": ([DBSCAN(eps=0.5), AgglomerativeClustering()], []),
    "committee": ([None, [LogisticRegression(), GaussianNB()]], ["forest", 3]),
    "delta": (_POSITIVE[0] + ["auto"], _POSITIVE[1]),
    "disagreement": (["vote_entropy", "consensus_entropy", "kl", "variation_ratio", "variance", None], ["votes", 1]),
    "embedding": (["inputs", "model"], ["umap", None, 1]),
    ("lcmd", "embedding"): (["inputs", "model", "gradients"], ["umap", None, 1]),
    ("max_det", "embedding"): (["inputs", "model", "gradients"], ["umap", None, 1]),
    "factor": ([1, 2.5], [0.5, np.nan, np.inf, None]),
    "goal": (["max", "min"], ["up", None, 1]),
    ("auto", "goal"): (["max", "min", None], ["up", 1]),
    "incumbent": ([0.5, -3, None], [np.nan, np.inf, "best"]),
    "log": ([True], []),
    "loss": (["log", "zero_one"], ["hinge", None]),
    "max_candidates": ([7, np.int64(7), None], [0, -1, 2.5, True, "all"]),
    "max_clusters": _WHOLE,
    "metric": (["cosine", "cityblock", "euclidean"], ["nearness", 2]),
    "n_candidates": _WHOLE_OR_NONE,
    "n_classes": ([4, None], [1, 2.5, "two"]),
    "n_clusters": _WHOLE_OR_NONE,
    "n_configurations": _WHOLE,
    "n_draws": _WHOLE,
    "n_members": _WHOLE,
    "n_neighbours": _WHOLE,
    "n_targets": _WHOLE_OR_NONE,
    "oversampling": ([1, 3], [0.5, np.nan, np.inf, None]),
    "purity": ([0.8], [0, 1, 1.5, "high", None]),
    "regularisation": ([1e-3, 1], _POSITIVE[1]),
    "eps": ([0, 0.5, 1], [-0.1, 1.1, np.nan, True, None]),
    "temperature": ([0.1, 2], [0, -1, np.nan, np.inf, "hot", True]),
    "targets": ([points(3, seed=1)], [[[np.nan, 0]], "all", [1.0, 2.0]]),
    ("epig", "n_targets"): _WHOLE,
    "threshold": ([0.5, None], [-1, np.nan]),
    "weight": ([0, 2.5], [-1, np.nan, np.inf, "much"]),
    "xi": ([0.1], [-1, np.nan, np.inf]),
}
#: Values that are no parameter's, and the error that says so in place of InvalidParameter.
OTHER_ERRORS = {"base": WrongTask, "committee": UnsupportedModel}
#: Parameters whose bad values are found out when they are used, and why not before.
LATE = {
    ("representative", "clusterer"): "scikit-learn loads when used",
}


def values_of(name, parameter):
    """Good and bad values of a parameter; a parameter without any is one that is not tested."""
    for key in ((name, parameter), parameter):
        if key in PARAMETERS:
            return PARAMETERS[key]
    raise AssertionError(f"The parameter {parameter!r} of {name!r} has no values in tests/strategies/conformance.py.")


def light(name, **parameters):
    return s.get(name, **LIGHT.get(name, {}), **parameters)


def parameters_of(name):
    return tuple(inspect.signature(named._NAMED[name].make).parameters)


# --- models -----------------------------------------------------------------------------------------------------------


class Members(NearestMean):
    """Nearest class means, moved about a little by each of some members: coupled draws of class probabilities."""

    size = 8

    def posterior(self, x):
        points = x.x if isinstance(x, Subset) else x
        means_C_D = self.means
        moves_S_C_D = torch.from_numpy(np.random.default_rng(7).normal(size=(self.size, *means_C_D.shape)) / 2)
        away_S_N_C = torch.cdist(points.double()[None], means_C_D.double() + moves_S_C_D)
        probs_S_N_C = (-away_S_N_C).softmax(-1)
        return ClassPosterior(probs_S_N_C.mean(0), probs_S_N_C, coupled=True)

    def clone(self):
        return Members()

    def __repr__(self):
        return "Members()"


class Lines(Mean):
    """Straight lines through the mean of the labels, one a member: draws that are functions, and no covariance."""

    size = 8

    def posterior(self, x):
        points = (x.x if isinstance(x, Subset) else x).double()
        slopes_S_D = torch.from_numpy(np.random.default_rng(7).normal(size=(self.size, points.shape[1])))
        draws_S_N = self.means[0].double() + slopes_S_D @ points.T
        return RegressionPosterior(draws_S_N.mean(0), draws_S_N.var(0), draws_S_N=draws_S_N)

    def clone(self):
        return Lines()

    def __repr__(self):
        return "Lines()"


MODELS = {
    "gp": {
        "classification": lambda: GPManager(al.GPClassifier(optimizer=None)),
        "regression": lambda: GPManager(al.GPRegressor(optimizer=None, noise=0.01)),
    },
    "members": {"classification": Members, "regression": Lines},
    "plain": {"classification": NearestMean, "regression": Mean},
}
#: What the models have beside a posterior. The plain ones have nothing but a mean (and a variance in regression).
HAS = {"members": {"model", "draws", "functions", "embedding"}, "plain": {"model", "embedding"}}


def draws(name, task):
    return name in DRAWS or (name, task) in DRAWS


def lacking(name, task, kind):
    """What the strategy needs and the kind of model does not have."""
    if kind == "gp":
        return set()
    return set(s.get(name).needs) - HAS[kind] - SPARED.get((name, task), set())


# --- data -------------------------------------------------------------------------------------------------------------


def labels(x, task, n_classes=2):
    """Numbers, or classes of about equal size, in stripes: the first C points show all of them."""
    values = 2 * x[:, 0] + np.sin(3 * x[:, 1])
    if task == "regression":
        return values
    y = np.argsort(np.argsort(values)) * n_classes // len(x)
    y[:n_classes] = np.arange(n_classes)
    return y


def data_of(x, y, task, labelled, **options):
    """A manager of data as they are."""
    return al.DataManager(x, y, labelled=labelled, task=task, **{"preprocess": None, **options})


@cache
def situation(task, kind="gp", n_points=26, n_labelled=6, n_classes=2, form="numpy", dtype="float64"):
    """Data and a model fitted on them, which are shared by tests: no strategy may change them.

    `form`: "numpy", "torch" or "equal" (all points are the same one).
    """
    x = points(n_points).astype(dtype)
    y = labels(x, task, n_classes)
    if form == "equal":
        x = np.ones_like(x)
    if form == "torch":
        x, y = torch.from_numpy(x), torch.from_numpy(np.asarray(y))
    data = data_of(x, y, task, list(range(n_labelled)))
    model = MODELS[kind][task]()
    model.fit(data.labelled)
    return data, model


def ask(strategy, task, n=1, seed=0, kind="gp", **options):
    """A query of a strategy, or of one by name, in a shared situation."""
    strategy = s.get(strategy) if isinstance(strategy, str) else strategy
    data, model = situation(task, kind, **options)
    return strategy.query(model, data, n, seed)


def indices(*args, **options):
    return ask(*args, **options).indices.tolist()


def image_of(data, model):
    """All that a strategy could change, as text that compares."""
    views = [data.labelled, data.unlabelled, data.test]
    parts = [(v.indices.tobytes(), v.x.numpy().tobytes(), v.y.numpy().tobytes()) for v in views]
    state = model.state()
    held = copy.deepcopy({key: value for key, value in vars(model).items() if isinstance(value, int | str)})
    return parts, repr(state), held, repr(model), model.posterior(data.labelled)
