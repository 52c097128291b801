"""BAIT, against the trace of dense matrices and against IVR of a linear model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import helmert

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelLacks, QuerySizeError
from aljupyter.strategies import Pool, bait
from aljupyter.strategies.asking import choose
from aljupyter.strategies.bait import (
    BAIT,
    Information,
    class_factors,
    pick_by_information,
    total_information,
    total_variance,
)
from aljupyter.strategies.determinant import MaxDet
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.integrated import Towards, pick_by_reduction
from tests.managers import NearestMean
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def residuals(probs):
    return probs - np.eye(probs.shape[1])[probs.argmax(1)]


def dense(probs, embed):
    """(diag(p) - p p') (x) e e' of each point, as the definition has it: C E weights."""
    middle = np.einsum("nc,cd->ncd", probs, np.eye(probs.shape[1])) - np.einsum("nc,nd->ncd", probs, probs)
    return np.stack([np.kron(m, np.outer(e, e)) for m, e in zip(middle, embed, strict=True)])


def trace(of_points, picks, fisher, known):
    return np.trace(np.linalg.solve(known + of_points[list(picks)].sum(0), fisher))


def naive(of_points, n, fisher, known, oversampling=2.0, still=None):
    """Forwards, backwards, and in the order of what is left; every trace is computed anew."""

    def value(picks):
        return trace(of_points, picks, fisher, known)

    def grow(candidates, most):
        picks, gains = [], []
        while len(picks) < most and (rest := candidates(picks)):
            after = [value([*picks, i]) for i in rest]
            gains.append(value(picks) - min(after))
            picks.append(rest[int(np.argmin(after))])
        return picks, gains

    def everyone(picks):
        return [i for i in range(len(of_points)) if i not in picks]

    picks, _ = grow(still or everyone, n if n == 1 else int(np.ceil(oversampling * n)))
    while len(picks) > n:
        without = [value(picks[:k] + picks[k + 1 :]) for k in range(len(picks))]
        del picks[int(np.argmin(without))]
    return grow(lambda done: [i for i in picks if i not in done], n)


def a_case(seed, n_points, n_classes=3, n_features=2):
    """Probabilities, embeddings, the whole matrices, and Information of the same."""
    probs = rng(seed).dirichlet(np.ones(n_classes), n_points)
    embed = rng([seed, 1]).normal(size=(n_points, n_features))
    of_points = dense(probs, embed)
    ridge = 0.02 * np.eye(n_classes * n_features)
    factor = class_factors(residuals(probs))
    total = total_information(factor, embed)
    information = Information(factor, embed, total / n_points, 0.02 * np.eye(len(total)))
    return of_points, of_points.mean(0), ridge, information


@given(seeds, st.integers(1, 12), st.integers(2, 6))
def test_factors_are_roots_of_the_information_about_differences_of_logits(seed, n_points, n_classes):
    probs = rng(seed).dirichlet(np.full(n_classes, 0.3), n_points)
    probs[0] = np.eye(n_classes)[seed % n_classes]  # certain
    if n_points > 1:
        probs[1] = np.r_[0.5, np.zeros(n_classes - 2), 0.5]
    factor = class_factors(residuals(probs))
    basis = np.linalg.svd(np.eye(n_classes) - 1 / n_classes)[0][:, : n_classes - 1]  # another one of the same space
    middle = np.einsum("nc,cd->ncd", probs, np.eye(n_classes)) - np.einsum("nc,nd->ncd", probs, probs)
    outer = factor @ factor.swapaxes(1, 2)
    np.testing.assert_allclose(np.trace(outer, axis1=1, axis2=2), 1 - (probs**2).sum(1), atol=1e-12)
    np.testing.assert_allclose(total_variance(residuals(probs)), 1 - (probs**2).sum(1), atol=1e-12)
    np.testing.assert_allclose(np.linalg.eigvalsh(outer), np.linalg.eigvalsh(basis.T @ middle @ basis), atol=1e-12)
    np.testing.assert_allclose(helmert(n_classes).T @ outer @ helmert(n_classes), middle, atol=1e-12)


def test_factors_of_hardly_possible_classes_are_finite():
    probs = np.array([[1 - 1e-300, 1e-300, 0.0, 5e-324], [0.0, 5e-324, 1e-320, 1.0], [0.25, 0.25, 0.25, 0.25]])
    assert np.isfinite(class_factors(residuals(probs))).all()


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 10), st.integers(2, 4), st.integers(1, 3), st.sampled_from([1.0, 1.5, 2.0]), st.data())
def test_batches_are_those_of_dense_matrices(seed, n_points, n_classes, n_features, oversampling, data):
    of_points, fisher, known, information = a_case(seed, n_points, n_classes, n_features)
    n = data.draw(st.integers(1, min(n_points, 5)))
    picks, gains = pick_by_information(information, n, rng(seed), oversampling=oversampling)
    expected_picks, expected_gains = naive(of_points, n, fisher, known, oversampling)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-6, atol=1e-9)
    before = trace(of_points, [], fisher, known)
    assert gains.sum() == pytest.approx(before - trace(of_points, picks, fisher, known), rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(3, 12))
def test_with_a_quota_each_is_the_best_of_those_that_may_come(seed, n_points):
    (of_points, fisher, known, information), room = a_case(seed, n_points), Room(seed, n_points)
    n = min(room.most, 4)
    picks, _ = pick_by_information(information, n, rng(seed), batch=room.batch())
    np.testing.assert_array_equal(picks, naive(of_points, n, fisher, known, still=room.still)[0])
    ample_picks, _ = pick_by_information(information, n, rng(seed), batch=ample(seed, n_points))
    np.testing.assert_array_equal(ample_picks, pick_by_information(information, n, rng(seed))[0])


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 15), st.integers(1, 4), st.data())
def test_forwards_it_is_the_variance_reduction_of_a_linear_model(seed, n_points, n_features, data):
    """Of weights of variance 1 / ridge: its covariances, and IVR with every point a target."""
    embed, n = rng(seed).normal(size=(n_points, n_features)), data.draw(st.integers(1, min(n_points, 6)))
    one = np.ones((n_points, 1, 1))
    information = Information(one, embed, total_information(one, embed) / n_points, 0.1 * np.eye(n_features))
    picks, gains = pick_by_information(information, n, rng(), oversampling=1.0)
    cov = embed @ embed.T / 0.1
    towards = Towards(lambda rows: cov[rows], n_points, n_points)
    expected = pick_by_reduction(towards, lambda i: cov[:, i], np.diag(cov).copy(), np.ones(n_points), n, rng())
    np.testing.assert_array_equal(picks, expected[0])
    np.testing.assert_allclose(gains, expected[1], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("ridge", [1e-3, 1e-7, 1e-10])
def test_rounding_does_not_show_when_gains_fall_by_many_powers_of_ten(ridge):
    probs, embed = rng(3).dirichlet(np.ones(3), 60), rng(4).normal(size=(60, 3))
    factor = class_factors(residuals(probs))
    total = total_information(factor, embed)
    information = Information(factor, embed, total / 60, ridge * np.eye(6))
    growing, known = information.copy(), ridge * np.eye(6)
    for i in range(40):
        fresh = Information(factor, embed, total / 60, known)
        np.testing.assert_allclose(growing.gains(), fresh.gains(), rtol=1e-5, atol=1e-5 * fresh.gains().max())
        growing.add(i)
        known = known + total_information(factor[i : i + 1], embed[i : i + 1])
    shrinking = growing.part(np.arange(40))
    for i in range(39):
        shrinking = shrinking.without(0)
        known = known - total_information(factor[i : i + 1], embed[i : i + 1])
        # What is taken away one by one leaves the rounding of what was there.
        assert (shrinking.costs() >= 0).all()
    expected = Information(factor[39:40], embed[39:40], total / 60, known)
    if ridge == 1e-3:
        np.testing.assert_allclose(shrinking.costs(), expected.costs(), rtol=1e-6)


def test_what_only_one_label_knows_is_not_dropped():
    """Two points of a direction of their own among many: the trace without both would be large."""
    embed = np.array([[3.0, 0.0]] * 8 + [[0.0, 1e-3]])
    one = np.ones((9, 1, 1))
    information = Information(one, embed, total_information(one, embed) / 9, 1e-14 * np.eye(2))
    for seed in range(5):
        assert 8 in pick_by_information(information, 2, rng(seed))[0]


def test_going_back_mends_what_was_greedy():
    """The compromise comes first, since it tells of both directions; with two labels it is not needed."""
    embed = np.array([[1.0, 0.15], [0.15, 1.0], [0.8, 0.8]])
    one = np.ones((3, 1, 1))
    information = Information(one, embed, total_information(one, embed) / 3, 0.5 * np.eye(2))
    assert pick_by_information(information, 1, rng())[0] == [2]
    assert 2 in pick_by_information(information, 2, rng(), oversampling=1.0)[0]
    assert set(pick_by_information(information, 2, rng())[0]) == {0, 1}


@pytest.mark.parametrize("n_classes", [2, 4])
def test_without_information_picks_are_distinct_and_random(n_classes):
    probs, embed = np.full((12, n_classes), 1 / n_classes), np.ones((12, 2))
    for nothing in (True, False):
        factor = class_factors(residuals(np.eye(n_classes)[np.zeros(12, dtype=int)] if nothing else probs))
        information = Information(factor, embed, total_information(factor, embed), np.eye(2 * (n_classes - 1)))
        batches = [tuple(pick_by_information(information, 4, rng(seed))[0]) for seed in range(8)]
        assert all(len(set(picks)) == 4 for picks in batches) and len(set(batches)) > 1
        picks, gains = pick_by_information(information, 12, rng())
        assert sorted(picks) == list(range(12)) and (gains >= 0).all()
        assert (gains == 0).all() == nothing


def test_a_pool_of_one_and_batches_that_it_cannot_give():
    _, _, _, information = a_case(0, 1)
    assert list(pick_by_information(information, 1, rng())[0]) == [0]
    for n in (0, 2):
        with pytest.raises(QuerySizeError):
            pick_by_information(information, n, rng())


def test_information_is_left_as_it_is():
    _, _, _, information = a_case(5, 9)
    first = pick_by_information(information, 4, rng())
    second = pick_by_information(information, 4, rng(), batch=Batch(9))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


# --- the strategy -----------------------------------------------------------------------------------------------------


class Sure(NearestMean):
    """Says probabilities and a last layer that are in the features."""

    n_classes = 3

    def posterior(self, x):
        return None

    def gradient_embed(self, x, posterior=None):
        points = self.embed(x)
        probs = points[:, : self.n_classes].softmax(1)
        return probs - (probs == probs.amax(1, keepdim=True)).double(), points[:, self.n_classes :]


def pool_of(x, y, labelled, model=None, task=None):
    data = al.DataManager(x, y, labelled=labelled, task=task, preprocess=None)
    if model is None:
        model = al.models.as_manager(al.GPRegressor(optimizer=None))
        model.fit(data.labelled)
    return Pool(data.unlabelled, data.labelled, model)


def softmax(logits):
    weights = np.exp(logits)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("most", [512, 1])
def test_labelled_points_and_a_ridge_are_known_and_the_whole_pool_is_the_target(most, monkeypatch):
    """With C E weights, or one matrix for all classes: then (1 - sum p^2) / (C - 1) is in the middle."""
    monkeypatch.setattr(bait, "MOST_WEIGHTS", most)
    x, y = rng().normal(size=(30, 5)), np.arange(30) % 3
    probs, embed = softmax(x[:, :3]), x[:, 3:]
    of_points = dense(probs, embed)
    if most == 1:
        spread = (1 - (probs**2).sum(1)) / 2
        of_points = np.stack([np.kron(s * np.eye(2), np.outer(e, e)) for s, e in zip(spread, embed, strict=True)])
    fisher = of_points.mean(0)
    known = of_points[:6].sum(0) + 0.05 * np.trace(fisher) * np.eye(len(fisher))
    pool = pool_of(x, y, list(range(6)), Sure())
    strategy = BAIT(regularisation=0.05)
    before = np.trace(np.linalg.solve(known, fisher))
    for some in (np.arange(24), np.arange(0, 24, 2)):
        part = pool if len(some) == 24 else pool.restricted(some)
        expected = [before - trace(of_points, [i], fisher, known) for i in 6 + some]
        np.testing.assert_allclose(strategy.score(part), expected, rtol=1e-8)
        chosen = strategy.select(part, 3, strategy.score(part))
        picks, gains = naive(of_points[6 + some], 3, fisher, known)
        np.testing.assert_array_equal(chosen.positions, picks)
        np.testing.assert_allclose(chosen.why["gain"], gains, rtol=1e-7)


def test_in_regression_points_of_any_label_count_by_their_inputs():
    x = rng(1).normal(size=(20, 3))
    fisher = x.T @ x / 20
    pool = pool_of(x, x[:, 0], [0, 1, 2, 3])
    known = x[:4].T @ x[:4] + 1e-3 * np.trace(fisher) * np.eye(3)
    of_points = np.einsum("ni,nj->nij", x, x)
    before = np.trace(np.linalg.solve(known, fisher))
    expected = [before - trace(of_points, [i], fisher, known) for i in range(4, 20)]
    np.testing.assert_allclose(BAIT().score(pool), expected, rtol=1e-8)
    query = choose(BAIT(), pool, 4)
    np.testing.assert_array_equal(query.indices - 4, naive(of_points[4:], 4, fisher, known)[0])


def test_it_asks_where_the_pool_is_and_not_at_its_rim():
    """One long direction that hardly any point depends on, and a crowd along another."""
    x = np.array([[0.0, 0.0], [4.0, 0.0], *[[0.0, 1.0 + 0.01 * k] for k in range(40)]])
    pool = pool_of(x, np.arange(42.0), [0])
    assert choose(BAIT(regularisation=0.1), pool, 1).indices[0] == 41
    assert choose(MaxDet(regularisation=0.1), pool, 1).indices[0] == 1


@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_next_to_no_regularisation_will_do(scale):
    """More features than points, and every point twice."""
    x = scale * np.repeat(rng().normal(size=(8, 30)), 2, axis=0)
    pool = pool_of(x, np.arange(16.0), [0, 1])
    for n in (3, 14):
        picks = choose(BAIT(regularisation=1e-300), pool, n).indices
        assert len(set(picks)) == n and len(set(picks // 2)) == min(n, 7)


def test_parameters_needs_and_models_without_a_last_layer():
    assert BAIT().task is None and BAIT().needs == ("model", "gradients")
    assert repr(BAIT()) == "BAIT()" and repr(BAIT(0.1, 3)) == "BAIT(regularisation=0.1, oversampling=3)"
    for bad in (0, -1.0, np.nan, np.inf, None, True):
        with pytest.raises(InvalidParameter, match="regularisation"):
            BAIT(regularisation=bad)
    for bad in (0.5, np.nan, np.inf, None, True, "two"):
        with pytest.raises(InvalidParameter, match="oversampling"):
            BAIT(oversampling=bad)
    data = al.DataManager(rng().normal(size=(20, 2)), np.arange(20) % 2, labelled=6)
    with pytest.raises(ModelLacks, match="gradients of its last layer"):
        al.ActiveLearner(data, NearestMean(), BAIT()).query(2)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_learner_goes_on_with_it_under_restrictions(task):
    x = rng().normal(size=(60, 3))
    y = (x[:, 0] > 0).astype(int) if task == "classification" else np.sin(x[:, 0])
    model = al.GPClassifier(optimizer=None) if task == "classification" else al.GPRegressor(optimizer=None)
    learner = al.ActiveLearner(
        al.DataManager(x, y, labelled=8, task=task, seed=0),
        model,
        BAIT().within(forbidden=list(range(10, 30)), max_candidates=15),
    )
    before = set(learner.data.labelled.indices)
    learner.run(rounds=2, n=3, progress=False)
    new = set(learner.data.labelled.indices) - before
    assert len(new) == 6 and not new & set(range(10, 30))
