"""Expected model change against gradients by autograd, expected error reduction against models made to see."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import aljupyter as al
from aljupyter.data.subset import Subset
from aljupyter.errors import InvalidParameter, ModelError, ModelLacks, WrongTask
from aljupyter.models.gp.manager import GPManager
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from aljupyter.strategies import AtMost, Entropy, Margin, OneGroup, Pool, Variance, as_strategy
from aljupyter.strategies.asking import choose
from aljupyter.strategies.expected import ExpectedErrorReduction, ExpectedModelChange, expected_class_residual
from tests.managers import NearestMean
from tests.posteriors import class_posteriors, probs


class Layer(NearestMean):
    """A last layer whose inputs are the points, and whose posterior is what it is told to say."""

    def __init__(self, posterior):
        super().__init__()
        self._posterior, self.means = posterior, 0
        self.task = "classification" if isinstance(posterior, ClassPosterior) else "regression"

    def posterior(self, x):
        return self._posterior

    def gradient_embed(self, x, posterior=None):
        embed_N_E = self.embed(x)
        return torch.ones(len(embed_N_E), 1), embed_N_E


class Counts(NearestMean):
    """P(class 1) is the share of class 1 among the labels within 1 of a point, and one of each class beside."""

    def __init__(self, x_M, y_M):
        super().__init__()
        self.x_M, self.y_M, self.means = x_M, y_M, 0

    def posterior(self, x):
        points = x.x if isinstance(x, Subset) else x
        near_N_M = (points - self.x_M.T).abs() <= 1
        ones_N = (near_N_M.double() @ self.y_M.double() + 1) / (near_N_M.sum(1) + 2)
        return ClassPosterior(torch.stack([1 - ones_N, ones_N], 1))

    def fantasize(self, x, y):
        return Counts(torch.cat([self.x_M, x]), torch.cat([self.y_M, torch.as_tensor(y)]))


def pool_of(x, y, labelled, model=None, seed=0, round=0, n=1):
    data = al.DataManager(np.asarray(x, dtype=float), y, labelled=labelled, preprocess=None, seed=seed)
    return Pool(data.unlabelled, data.labelled, model, seed, round, n=n)


def counted(x, labelled=4, **more):
    """A pool under `Counts`, the first points of which are labelled in turn."""
    x = np.asarray(x, dtype=float).reshape(-1, 1)
    pool = pool_of(x, np.arange(len(x)) % 2, range(labelled), **more)
    pool.model = Counts(pool.labelled.x, pool.labelled.y)
    return pool


def gp_pool(n=30, labelled=10, classes=2, seed=0):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2))
    pool = pool_of(x, np.digitize(x[:, 0], [0.0, 0.8][: classes - 1]), range(labelled), seed=seed)
    pool.model = GPManager(al.GPClassifier(optimizer=None))
    pool.model.fit(pool.labelled)
    return pool


# --- expected model change --------------------------------------------------------------------------------------------


@given(class_posteriors(max_points=6, max_classes=4), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_the_expected_length_is_that_of_the_gradients_by_autograd(posterior, seed):
    """A layer of random weights is trained on each class in turn; logits and weights do not matter beyond p."""
    probs_N_C = posterior.mean_N_C.clamp_min(1e-6)
    probs_N_C = probs_N_C / probs_N_C.sum(1, keepdim=True)
    embed_N_E = torch.from_numpy(np.random.default_rng(seed).normal(size=(len(probs_N_C), 3)))
    found_N = expected_class_residual(probs_N_C) * embed_N_E.norm(dim=1)
    for p_C, h_E, found in zip(probs_N_C, embed_N_E, found_N, strict=True):
        expected = 0.0
        for c in range(len(p_C)):
            weights = torch.zeros(len(p_C), 3, dtype=torch.float64, requires_grad=True)
            loss = -torch.log_softmax(weights @ h_E + p_C.log(), 0)[c]
            expected += float(p_C[c] * torch.autograd.grad(loss, weights)[0].norm())
        assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_it_asks_the_longer_of_two_equally_uncertain_points():
    """By hand; margin and entropy ask the second, the norm alone the last."""
    model = Layer(probs([0.6, 0.4], [0.5, 0.5], [0.99, 0.01]))
    pool = pool_of([[0.0], [0.0], [2.0], [1.0], [9.0]], [0, 1, 0, 1, 0], [0, 1], model)
    values = ExpectedModelChange()(pool)
    # p = (a, 1 - a): |p - e_c| is sqrt 2 times the other class's probability
    np.testing.assert_allclose(values, [math.sqrt(2) * 2 * a * (1 - a) * h for a, h in ((0.6, 2), (0.5, 1), (0.99, 9))])
    assert values.argmax() == 0
    assert Margin()(pool).argmax() == Entropy()(pool).argmax() == 1


def test_a_certain_point_changes_nothing():
    assert expected_class_residual(torch.eye(3).double()).tolist() == [0.0, 0.0, 0.0]


def test_in_regression_the_members_are_what_the_label_might_be():
    draws = torch.tensor([[0.0, 1.0], [2.0, 5.0], [4.0, 3.0]], dtype=torch.float64)
    posterior = RegressionPosterior(draws.mean(0), torch.ones(2).double(), draws_S_N=draws)
    pool = pool_of([[1.0, 1.0], [3.0, 4.0], [0.0, 1.0]], [0.1, 0.2, 0.3], [0], Layer(posterior))
    np.testing.assert_allclose(ExpectedModelChange()(pool), [5 * 4 / 3, 1 * 4 / 3])


def test_a_normal_variable_is_the_limit_of_many_members():
    z_S = torch.from_numpy(np.random.default_rng(0).normal(size=200_000))
    std_N = torch.tensor([0.5, 2.0, 0.0]).double()
    x = [[0.0, 1.0], [3.0, 4.0], [0.0, 1.0], [6.0, 8.0]]
    normal = RegressionPosterior(torch.zeros(3).double(), std_N**2)
    members = RegressionPosterior(torch.zeros(3).double(), std_N**2, draws_S_N=z_S[:, None] * std_N)
    pools = [pool_of(x, [0.1, 0.2, 0.3, 0.4], [0], Layer(posterior)) for posterior in (normal, members)]
    exact, many = (ExpectedModelChange()(pool) for pool in pools)
    np.testing.assert_allclose(exact, math.sqrt(2 / math.pi) * np.array([5 * 0.5, 1 * 2.0, 0.0]))
    np.testing.assert_allclose(many, exact, rtol=0.01)
    assert exact.argmax() == 0 and Variance()(pools[0]).argmax() == 1


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_gp_has_its_inputs_for_gradients(task):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 2))
    y = (x[:, 0] > 0).astype(int) if task == "classification" else x.sum(1)
    pool = pool_of(x, y, range(8), GPManager((al.GPClassifier if task == "classification" else al.GPRegressor)()))
    pool.model.fit(pool.labelled)
    posterior = pool.posterior
    if task == "classification":
        change = expected_class_residual(posterior.mean_N_C)
    else:
        change = math.sqrt(2 / math.pi) * posterior.std_N
    np.testing.assert_allclose(ExpectedModelChange()(pool), change.numpy() * np.linalg.norm(x[8:], axis=1))
    assert len(choose(as_strategy(ExpectedModelChange()), pool, 4)) == 4


def test_model_change_says_what_it_lacks():
    pool = pool_of([[0.0], [1.0], [2.0]], [0, 1, 0], [0, 1], NearestMean())
    pool.model.fit(pool.labelled)
    with pytest.raises(ModelLacks, match="gradients of its last layer"):
        ExpectedModelChange()(pool)
    pool.model = None
    with pytest.raises(ModelError, match="no model is fitted"):
        ExpectedModelChange()(pool)
    with pytest.raises(WrongTask, match="alone"):
        ExpectedModelChange().values(probs([0.5, 0.5]))


# --- expected error reduction -----------------------------------------------------------------------------------------


def entropy_of(p):
    return -sum(q * math.log(q) for q in (p, 1 - p) if q > 0)


def brute(pool, i, loss, x_T):
    """By the definition, with models that are made anew."""
    model = pool.model
    mean = {
        "log": lambda ps: np.mean([entropy_of(p) for p in ps]),
        "zero_one": lambda ps: np.mean(np.minimum(ps, 1 - ps)),
    }

    def risk(x_M, y_M):
        return mean[loss](Counts(x_M, y_M).posterior(x_T).mean_N_C[:, 1].numpy())

    x_1 = pool.unlabelled.x[i : i + 1]
    p = float(model.posterior(x_1).mean_N_C[0, 1])
    then = [risk(torch.cat([model.x_M, x_1]), torch.cat([model.y_M, torch.tensor([c])])) for c in (0, 1)]
    return risk(model.x_M, model.y_M) - (1 - p) * then[0] - p * then[1]


@pytest.mark.parametrize("loss", ["log", "zero_one"])
@given(st.lists(st.integers(0, 12), min_size=6, max_size=12), st.integers(0, 9))
@settings(deadline=None, max_examples=25)
def test_it_is_the_definition(loss, places, seed):
    pool = counted(np.array(places) / 2, seed=seed)
    found = ExpectedErrorReduction(loss)(pool)
    expected = [brute(pool, i, loss, pool.unlabelled.x) for i in range(len(pool))]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_label_among_many_is_worth_more_than_one_alone():
    """All five unlabelled points are equally uncertain, so margin and entropy cannot choose; four are neighbours."""
    pool = counted([90, 92, 94, 96, 0, 50.0, 50.2, 50.4, 50.6])
    for loss in ("log", "zero_one"):
        values = ExpectedErrorReduction(loss)(pool)
        np.testing.assert_allclose(values[1:], 4 * values[0])
        assert values[0] > 0
    assert len(set(Margin()(pool).tolist())) == 1
    asked = choose(as_strategy(ExpectedErrorReduction()), pool, 2).indices
    assert set(asked[:1]) <= {5, 6, 7, 8}


def test_a_batch_goes_on_from_believed_labels():
    """Two groups of neighbours: the second pick is of the other group. At once, both are of the larger one."""
    pool = counted([90, 92, 94, 96, 50.0, 50.2, 50.4, 50.6, 70, 70.2, 70.4], n=2)
    first, second = choose(as_strategy(ExpectedErrorReduction()), pool, 2).indices
    assert first in {4, 5, 6, 7} and second in {8, 9, 10}
    at_once = al.strategies.Strategy(ExpectedErrorReduction(), al.strategies.TopK())
    assert set(choose(at_once, pool, 2).indices) <= {4, 5, 6, 7}


@pytest.mark.parametrize("n_candidates", [1, 5, 10, 100])
def test_only_so_many_points_are_looked_at(n_candidates):
    pool = counted(np.arange(24) / 3, round=2)
    values = ExpectedErrorReduction(n_candidates=n_candidates)(pool)
    assert int(values.isfinite().sum()) == min(n_candidates, 20) and not values.isnan().any()
    full = ExpectedErrorReduction(n_candidates=None)(pool)
    torch.testing.assert_close(values[values.isfinite()], full[values.isfinite()])
    looked_at = {
        tuple(ExpectedErrorReduction(n_candidates=5)(counted(np.arange(24) / 3, seed=s)).isfinite()) for s in range(5)
    }
    assert len(looked_at) > 1


def test_a_batch_has_as_many_candidates_and_stays_among_them():
    pool = counted(np.arange(24) / 3)
    strategy = as_strategy(ExpectedErrorReduction(n_candidates=3))
    query = choose(strategy, pool, 6)
    assert len(set(query.indices)) == 6 and np.isfinite(query.why["gain"]).all()
    assert len(choose(strategy, counted(np.arange(24) / 3), 20)) == 20
    few = choose(as_strategy(ExpectedErrorReduction(n_candidates=8)), counted(np.arange(24) / 3), 4)
    assert np.isfinite(few.scores).all()


def test_all_places_of_a_batch_have_the_same_candidates_and_targets():
    pool = counted(np.arange(24) / 3, round=1)
    measure = ExpectedErrorReduction(n_candidates=6, n_targets=5)
    first = measure(pool)
    pick = int(first.argmax())
    taken, code = pool.unlabelled.part(np.array([pick])), torch.tensor([1])
    after = pool.believing(None, pool.model.fantasize(taken.x, code), taken, code)
    second = measure(after)
    assert second[pick] == -math.inf
    rest = (first.isfinite().nonzero().flatten().tolist(), second.isfinite().nonzero().flatten().tolist())
    assert sorted(rest[1] + [pick]) == rest[0]
    x_T = pool.unlabelled.x[np.sort(pool.generator("targets").permutation(20)[:5])]
    np.testing.assert_allclose(second[rest[1]], [brute(after, i, "log", x_T) for i in rest[1]], atol=1e-12)


def test_candidates_are_those_that_a_quota_allows():
    pool = counted(np.arange(24) / 3)
    groups = np.repeat([0, 1], [20, 4])
    query = choose(as_strategy(ExpectedErrorReduction(n_candidates=4)).within(quota=AtMost(1, groups)), pool, 2)
    assert len(set(groups[query.indices])) == 2
    one = as_strategy(ExpectedErrorReduction(n_candidates=8)).within(quota=OneGroup(groups))  # 5 are not of the last 4
    scores = choose(one, pool, 5).pool.values
    assert np.isfinite(scores[:16]).sum() == 8 and np.isneginf(scores[16:]).all()


@pytest.mark.parametrize("n_targets", [1, 6, None])
def test_targets_are_a_sample_of_all_unlabelled_points(n_targets):
    pool = counted(np.arange(24) / 3)
    part = pool.restricted(np.arange(4))
    values = ExpectedErrorReduction(n_targets=n_targets)(part)
    x_T = pool.unlabelled.x
    if n_targets is not None:
        x_T = x_T[np.sort(pool.generator("targets").permutation(20)[:n_targets])]
    np.testing.assert_allclose(values, [brute(part, i, "log", x_T) for i in range(4)], atol=1e-12)


def test_a_gp_is_as_if_it_had_been_fitted_with_the_label():
    pool = gp_pool(n=20, classes=3)
    values = ExpectedErrorReduction()(pool)
    template = al.GPClassifier(optimizer=None)
    i = 4
    x, y = pool.labelled.x.numpy(), pool.labelled.y.numpy()

    def risk(x_M, y_M):
        p_T_C = template.fit(x_M, y_M).predict_proba(pool.unlabelled.x.numpy())
        return np.mean(np.sum(-p_T_C * np.log(p_T_C), 1))

    now = risk(x, y)
    p_C = template.predict_proba(pool.unlabelled.x.numpy())[i]
    then = [risk(np.vstack([x, pool.unlabelled.x.numpy()[i]]), np.append(y, c)) for c in range(3)]
    assert float(values[i]) == pytest.approx(now - p_C @ then, abs=1e-6)
    assert len(choose(as_strategy(ExpectedErrorReduction("zero_one", n_candidates=4)), gp_pool(), 2)) == 2


def test_a_class_without_labels_is_left_out():
    pool = gp_pool(n=20)
    data = al.DataManager(
        np.random.default_rng(0).normal(size=(12, 2)), [0, 1] * 6, labelled=range(6), classes=[0, 1, 2], preprocess=None
    )
    pool = Pool(data.unlabelled, data.labelled, GPManager(al.GPClassifier(optimizer=None)))
    pool.model.fit(pool.labelled)
    assert ExpectedErrorReduction()(pool).isfinite().all()


def test_error_reduction_says_what_it_lacks():
    regression = pool_of([[0.0], [1.0], [2.0]], [0.1, 0.2, 0.3], [0, 1], GPManager(al.GPRegressor(optimizer=None)))
    regression.model.fit(regression.labelled)
    with pytest.raises(WrongTask, match=r"IVR\(\)"):
        ExpectedErrorReduction()(regression)
    with pytest.raises(WrongTask, match="for classification"):
        as_strategy(ExpectedErrorReduction(), "regression")
    pool = pool_of([[0.0], [1.0], [2.0]], [0, 1, 0], [0, 1], NearestMean())
    pool.model.fit(pool.labelled)
    with pytest.raises(ModelLacks, match="hypothetical labels"):
        ExpectedErrorReduction()(pool)
    pool.model = None
    with pytest.raises(ModelError, match="no model is fitted"):
        ExpectedErrorReduction()(pool)
    for wrong in ({"loss": "brier"}, {"n_candidates": 0}, {"n_targets": 1.5}, {"n_candidates": True}):
        with pytest.raises(InvalidParameter):
            ExpectedErrorReduction(**wrong)
    with pytest.raises(WrongTask, match="alone"):
        ExpectedErrorReduction().values(probs([0.5, 0.5]))
    assert repr(ExpectedErrorReduction("zero_one", n_targets=None)) == (
        "ExpectedErrorReduction(loss='zero_one', n_targets=None)"
    )
