"""A batch that believes its labels: against refits with them, by this library and by scikit-learn."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.errors import RedundantBatch
from aljupyter.models.gp.manager import GPManager
from aljupyter.strategies.believer import Conditioned
from tests.managers import Mean, NearestMean
from tests.strategies.known import Cov, Says

NOISE = 0.05


def data_of(n_points=30, labelled=6, task="regression", seed=0, scale=1.0):
    x = scale * np.random.default_rng(seed).normal(size=(n_points, 2))
    y = np.sin(2 * x[:, 0]) + x[:, 1]
    return al.DataManager(x, y if task == "regression" else y > 0, labelled=list(range(labelled)), preprocess=None)


def regressor(data):
    """With fixed hyperparameters: the kernel is exp(-d^2 / 2), the target is taken as it is."""
    model = GPManager(al.GPRegressor(kernel="rbf", optimizer=None, noise=NOISE, normalize_y=False))
    model.fit(data.labelled)
    return model


def peer(x, y):
    """scikit-learn's GP with the same fixed kernel and noise, fitted on these points."""
    kernel = ConstantKernel(1.0, "fixed") * RBF(1.0, "fixed")
    return GaussianProcessRegressor(kernel, alpha=NOISE, optimizer=None).fit(x, y)


def believed_by_refits(measure_of, data, n):
    """The batch by refits of scikit-learn's GP with the means it gives for labels. Positions, and their gains."""
    x, y, pool = data.labelled.x.numpy(), data.labelled.y.numpy(), data.unlabelled.x.numpy()
    picks, gains = [], []
    for _ in range(n):
        gp = peer(x, y)
        mean, std = gp.predict(pool, return_std=True)
        values = measure_of(mean, std, y)
        values[picks] = -np.inf
        picks.append(int(values.argmax()))
        gains.append(values[picks[-1]])
        x, y = np.vstack([x, pool[picks[-1]]]), np.append(y, mean[picks[-1]])
    return picks, gains


# --- regression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "measure_of"),
    [
        (s.Strategy(s.Variance()), lambda mean, std, y: std**2),
        (s.UpperConfidenceBound(2.0), lambda mean, std, y: mean + 2 * std),
        (s.Strategy(0.5 * s.StandardDeviation() - s.Greedy()), lambda mean, std, y: 0.5 * std - mean),
        (s.Strategy(s.BALD()), lambda mean, std, y: 0.5 * np.log1p(std**2 / NOISE)),
    ],
    ids=["variance", "upper confidence bound", "lower confidence bound", "bald"],
)
def test_a_batch_is_that_of_refits_with_the_believed_labels(strategy, measure_of):
    data = data_of()
    model = regressor(data)
    query = strategy.query(model, data, 8)
    picks, gains = believed_by_refits(measure_of, data, 8)
    assert query.indices.tolist() == data.unlabelled.indices[picks].tolist()
    np.testing.assert_allclose(query.why["gain"], gains, rtol=1e-6)


def test_expected_improvement_believes_a_mean_to_be_the_best_label():
    data = data_of()
    model = regressor(data)

    def improvement(mean, std, y):
        from scipy.stats import norm

        z = (mean - y.max()) / std
        return (mean - y.max()) * norm.cdf(z) + std * norm.pdf(z)

    query = s.get("ei").query(model, data, 5)
    picks, gains = believed_by_refits(improvement, data, 5)
    assert query.indices.tolist() == data.unlabelled.indices[picks].tolist()
    np.testing.assert_allclose(query.why["gain"], gains, rtol=1e-5, atol=1e-9)


@given(st.integers(0, 99), st.integers(1, 8), st.sampled_from([0.0, 1e-6, 0.3]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_conditioned_covariances_are_those_of_the_formula(seed, n_seen, noise, doubled):
    """cov(a, b) - k_a (K + noise)^-1 k_b, a point seen twice and points that coincide among them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 2))
    x[6:] = x[:6] if doubled else x[6:]
    cov = np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(-1))
    seen = rng.integers(0, 12, n_seen)
    says = Says(np.zeros(12), cov=cov, noise=np.full(12, noise))
    posterior = says.posterior(_View(np.arange(12)))
    conditioned = Conditioned(Cov(cov), posterior)
    for position in seen:
        conditioned.add(int(position))
    jitter = max(noise, 1e-10)
    gain = np.linalg.solve(cov[np.ix_(seen, seen)] + jitter * np.eye(n_seen), cov[seen])
    expected = cov - cov[:, seen] @ gain
    within = 1e-7 if noise else 1e-4  # without noise what was seen is known, up to rounding
    np.testing.assert_allclose(conditioned.cov(slice(None), slice(None)), expected, atol=within)
    np.testing.assert_allclose(conditioned.variance_N, expected.diagonal().clip(0), atol=within)
    rows, cols = torch.tensor([3, 1]), torch.tensor([0, 5, 1])
    np.testing.assert_allclose(conditioned.cov(rows, cols), expected[np.ix_(rows, cols)], atol=within)


class _View(al.data.subset.Subset):
    """Indices alone."""

    def __init__(self, indices):
        self.indices = indices


def test_what_is_certain_already_changes_nothing():
    says = Says(np.zeros(3), cov=np.diag([0.0, 1.0, 2.0]))
    conditioned = Conditioned(Cov(says.cov), says.posterior(_View(np.arange(3))))
    conditioned.add(0)
    assert conditioned.variance_N.tolist() == [0.0, 1.0, 2.0]
    conditioned.add(2)
    conditioned.add(2)
    np.testing.assert_allclose(conditioned.variance_N, [0.0, 1.0, 0.0], atol=1e-9)


def test_points_that_coincide_are_not_asked_together():
    """Of two copies of the most uncertain point one is in the batch, and with it the best of the others."""
    x = np.array([[0.0], [5.0], [5.0], [5.0], [2.0], [-2.5]])
    data = al.DataManager(x, np.zeros(6), labelled=[0], preprocess=None, task="regression")
    model = GPManager(al.GPRegressor(kernel="rbf", optimizer=None, noise=1e-4))
    model.fit(data.labelled)
    believed = set(s.get("variance").query(model, data, 3).indices.tolist())
    assert len(believed & {1, 2, 3}) == 1 and {4, 5} <= believed
    with pytest.warns(RedundantBatch):
        assert set(s.Strategy(s.Variance(), s.TopK()).query(model, data, 3).indices) == {1, 2, 3}


def test_each_point_of_a_thompson_batch_is_the_best_of_a_function_of_its_own():
    """Independent values: who is best is as likely anybody, so 40 places of one function would repeat its order."""
    n_points = 42
    data = data_of(n_points, labelled=2)
    says = Says(np.zeros(n_points), cov=np.eye(n_points), noise=np.ones(n_points))
    query = s.get("thompson").query(says, data, 12)
    assert len(set(query.indices.tolist())) == 12
    order = np.argsort(-query.scores)
    assert query.scores[0] == query.pool.values.max()
    assert not np.array_equal(order, np.arange(12))  # under one function these would be its 12 highest values
    highest = np.sort(query.pool.values)[::-1][:12]
    assert not np.allclose(np.sort(query.scores)[::-1], highest)
    assert (query.why["gain"] > 0.5).all()  # the highest of 40 normal values, or one next to it


def test_a_thompson_batch_draws_from_the_posterior_and_not_from_the_believed_one():
    """Conditioned on its own picks a posterior narrows: later draws would be of smaller spread."""
    n_points = 30
    data = data_of(n_points, labelled=2)
    says = Says(np.zeros(n_points), cov=np.ones((n_points, n_points)) + 1e-9 * np.eye(n_points))
    query = s.get("thompson").query(says, data, 10)
    assert np.std(query.why["gain"]) > 0.3  # one number for all points, drawn anew ten times


# --- classification ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["margin", "entropy", "bald"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_batch_of_classes_is_that_of_fits_with_the_likeliest_classes(name, n_classes):
    x = np.random.default_rng(0).normal(size=(30, 2))
    y = np.digitize(x[:, 0], [0.0] if n_classes == 2 else [-0.5, 0.5])
    labelled = [*range(6), *(int(np.flatnonzero(y == c)[-1]) for c in range(n_classes))]
    data = al.DataManager(x, y, labelled=sorted(set(labelled)), preprocess=None, task="classification")
    model = GPManager(al.GPClassifier(optimizer=None))
    model.fit(data.labelled)
    query = s.get(name).query(model, data, 4)
    believed, likeliest = data.labelled, model.posterior(data.unlabelled).mean_N_C.argmax(1)
    picks = []
    for i in range(4):
        fitted = GPManager(al.GPClassifier(optimizer=None))
        fitted.fit(believed)
        values = s.get(name).measure.values(fitted.posterior(data.unlabelled)).numpy().copy()
        values[picks] = -np.inf
        picks.append(int(values.argmax()))
        np.testing.assert_allclose(query.why["gain"][i], values.max(), rtol=1e-5)
        believed = data.labelled.joined(data.unlabelled.part(picks), likeliest[picks])
    assert query.indices.tolist() == data.unlabelled.indices[picks].tolist()


def test_where_a_model_cannot_imagine_the_highest_are_taken():
    data = data_of(task="classification")
    model = NearestMean()
    model.fit(data.labelled)
    believed, highest = (s.Strategy(s.Margin(), how).query(model, data, 5) for how in (s.Believer(), s.TopK()))
    assert set(believed.indices) == set(highest.indices)
    np.testing.assert_array_equal(believed.why["gain"], believed.scores)


# --- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [None, NearestMean(), GPManager(al.GPClassifier(optimizer=None))], ids=repr)
def test_a_batch_of_relative_distances_spreads(model):
    """Each is far from those before it, too: the batch of k-center, whether there is a model or not."""
    data = data_of(task="classification")
    if model is not None:
        model.fit(data.labelled)
    spread = s.get("relative_distance").query(model, data, 6)
    assert spread.indices.tolist() == s.get("k_center").query(None, data, 6).indices.tolist()
    at_once = s.Strategy(s.RelativeDistance(), s.TopK()).query(model, data, 6)
    assert at_once.indices.tolist() != spread.indices.tolist()
    assert (np.diff(spread.why["gain"]) <= 0).all()


@pytest.mark.parametrize("model", [Mean(), "gp"], ids=str)
def test_a_batch_of_values_and_distances_spreads(model):
    """A crowd of copies has the highest scores: one of them is asked."""
    x = np.array([[0.0], [4.0], [4.0], [4.0], [-3.0], [2.0]])
    data = al.DataManager(x, [0.0, 1, 1, 1, 1, 1], labelled=[0], preprocess=None, task="regression")
    model = regressor(data) if model == "gp" else model
    model.fit(data.labelled)
    query = s.Strategy(s.Greedy() + s.RelativeDistance()).query(model, data, 3)
    assert len(set(query.indices.tolist()) & {1, 2, 3}) == 1


def test_what_may_not_be_asked_stays_last_whatever_it_is_worth_later():
    """Scores of minus infinity come when no other is left; other points are worth more after the first pick."""
    data = data_of()
    model = regressor(data)
    refused = data.unlabelled.indices[::2]

    class Refuses(s.Variance):
        def __call__(self, pool):
            values = super().__call__(pool).clone()
            if not pool.believed:
                values[torch.from_numpy(np.isin(pool.unlabelled.indices, refused))] = -torch.inf
            return values

    asked = s.Strategy(Refuses()).query(model, data, len(data.unlabelled) - 2).indices
    n_others = len(data.unlabelled) - len(refused)
    assert not set(asked[:n_others]) & set(refused) and set(asked[n_others:]) <= set(refused)


# --- warnings ---------------------------------------------------------------------------------------------------------


def test_a_batch_of_the_highest_variances_is_warned_of():
    data = data_of()
    model = regressor(data)
    for strategy in (s.Strategy(s.Variance(), s.TopK()), s.Strategy(s.StandardDeviation(), s.TopK("first"))):
        with pytest.warns(RedundantBatch, match="takes the 3 highest scores at once"):
            strategy.query(model, data, 3)
    with pytest.warns(RedundantBatch, match="BALD"):
        s.Strategy(s.BALD(), s.TopK()).query(model, data, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        s.Strategy(s.Variance(), s.TopK()).query(model, data, 1)
        s.Strategy(s.Variance()).query(model, data, 3)
        s.Strategy(s.Greedy(), s.TopK()).query(model, data, 3)


def test_a_believer_without_covariances_is_warned_of():
    data = data_of()
    model = Mean()
    model.fit(data.labelled)
    with pytest.warns(RedundantBatch, match=r"Variance\(\)"):
        query = s.get("variance").query(model, data, 3)
    variance = model.posterior(data.unlabelled).variance_N.numpy()
    np.testing.assert_array_equal(query.indices, data.unlabelled.indices[np.argsort(-variance)[:3]])


def test_the_warning_points_to_the_line_that_asked():
    data = data_of()
    model = Mean()
    model.fit(data.labelled)
    learner = al.ActiveLearner(data, Mean(), s.get("variance"))
    for ask in (lambda: s.get("variance").query(model, data, 3), lambda: learner.query(3)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ask()
        (warning,) = [w for w in caught if w.category is RedundantBatch]
        assert warning.filename == __file__


# --- what is believed -------------------------------------------------------------------------------------------------


def test_a_strategy_sees_which_labels_are_believed():
    seen = []

    class Looks(s.Measure):
        task = "regression"

        def __call__(self, pool):
            labelled, believed = pool.labelled, pool.believed
            seen.append(
                (len(labelled), believed, labelled.y[len(labelled) - believed :].tolist(), pool.whole, pool.before)
            )
            return pool.posterior.mean_N

    data = data_of()
    model = regressor(data)
    query = s.Strategy(Looks()).query(model, data, 3)
    means = model.posterior(data.subset(query.indices)).mean_N.tolist()
    assert [entry[:2] for entry in seen] == [(6, 0), (7, 1), (8, 2)]
    assert [entry[2] for entry in seen] == [[], pytest.approx(means[:1]), pytest.approx(means[:2])]
    assert len({id(entry[3]) for entry in seen}) == len({id(entry[4]) for entry in seen}) == 1
    assert len(data.labelled) == 6


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_labels_that_the_dataset_holds_are_not_believed(task):
    """They would tell the answer."""
    data = data_of(task=task)
    model = regressor(data) if task == "regression" else GPManager(al.GPClassifier(optimizer=None))
    model.fit(data.labelled)
    told = []

    class Looks(s.Random):
        sees_batch = True

        def __call__(self, pool):
            told.append(pool.labelled.y[6:].tolist())
            return super().__call__(pool)

    for fitted in (model, None):
        told.clear()
        query = s.Strategy(Looks()).query(fitted, data, 8)
        truth = data.truth(query.indices).tolist()
        assert len(told) == 8 and all(len(labels) == i for i, labels in enumerate(told))
        assert not np.array_equal(told[-1], truth[:-1])
