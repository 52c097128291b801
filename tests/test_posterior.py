"""Posteriors refuse what cannot be."""

import numpy as np
import pytest
import torch

from aljupyter import posterior as posterior_module
from aljupyter.errors import InvalidParameter, InvalidPosterior, NoDraws
from aljupyter.posterior import ClassPosterior, RegressionPosterior


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[0.5, 0.6]], "sum to 1"),
        ([[2.0, -1.0]], "negative"),
        ([[float("nan"), 1.0]], "NaN"),
        ([0.5, 0.5], "shape"),
    ],
)
def test_probabilities_that_cannot_be_are_refused(rows, says):
    with pytest.raises(InvalidPosterior, match=says):
        ClassPosterior(torch.tensor(rows))


def test_draws_must_be_over_the_same_points():
    with pytest.raises(InvalidPosterior, match="Draws"):
        ClassPosterior(torch.full((2, 2), 0.5), probs_S_N_C=torch.full((4, 3, 2), 0.5))


@pytest.mark.parametrize(
    ("mean", "variance", "says"),
    [
        ([0.0], [-1.0], "negative"),
        ([0.0, 1.0], [1.0], "one variance a point"),
        ([float("nan")], [1.0], "NaN"),
        ([[0.0]], [[1.0]], "shape"),
    ],
)
def test_moments_that_cannot_be_are_refused(mean, variance, says):
    with pytest.raises(InvalidPosterior, match=says):
        RegressionPosterior(torch.tensor(mean), torch.tensor(variance))


def test_an_empty_posterior_is_one_over_no_point():
    assert len(ClassPosterior(torch.empty(0, 3))) == 0
    assert len(RegressionPosterior(torch.empty(0), torch.empty(0))) == 0


def test_half_precision_of_a_network_is_checked_too():
    assert len(ClassPosterior(torch.tensor([[0.25, 0.75]], dtype=torch.bfloat16))) == 1
    with pytest.raises(InvalidPosterior, match="sum to 1"):
        ClassPosterior(torch.tensor([[0.25, 0.25]], dtype=torch.bfloat16))
    assert len(RegressionPosterior(torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16))) == 2


@pytest.mark.parametrize(
    ("weights", "says"), [([1.0], "one weight a draw"), ([1.0, -1.0], "at least 0"), ([0.0, 0.0], "not all of them 0")]
)
def test_weights_of_draws_that_cannot_be_are_refused(weights, says):
    with pytest.raises(InvalidPosterior, match=says):
        ClassPosterior(torch.full((3, 2), 0.5), torch.full((2, 3, 2), 0.5), torch.tensor(weights))


def test_noise_and_draws_must_be_over_the_same_points():
    with pytest.raises(InvalidPosterior, match="one noise variance a point"):
        RegressionPosterior(torch.zeros(3), torch.ones(3), noise_N=torch.tensor(0.1))
    with pytest.raises(InvalidPosterior, match=r"\(S, 3\)"):
        RegressionPosterior(torch.zeros(3), torch.ones(3), draws_S_N=torch.zeros(4, 2))


class Covariance:
    """A joint covariance from a matrix."""

    def __init__(self, cov_N_N):
        self.cov_N_N = torch.as_tensor(cov_N_N)

    def cov(self, rows, cols):
        return self.cov_N_N[rows][:, cols]


class Unit:
    """Stands for a generator: its "normal draws" are the unit vectors, so that A' A is the covariance of draws z A."""

    def standard_normal(self, shape):
        return np.eye(*shape)

    def permutation(self, n):
        return np.random.default_rng(1).permutation(n)


def smooth(n=30, length=0.3, seed=0):
    x_N = np.random.default_rng(seed).random(n)
    cov_N_N = np.exp(-0.5 * ((x_N[:, None] - x_N) / length) ** 2) * (1 + x_N[:, None]) * (1 + x_N)
    mean, variance = torch.linspace(-1, 1, n, dtype=torch.float64), torch.from_numpy(cov_N_N.diagonal().copy())
    return RegressionPosterior(mean, variance, joint=Covariance(cov_N_N))


def covariance_of_draws(posterior):
    rows_N_N = posterior.sample(len(posterior), Unit()) - posterior.mean_N
    return rows_N_N.mT @ rows_N_N


@pytest.mark.parametrize("length", [0.01, 0.3, 100.0])  # neighbours from independent to all but equal
def test_draws_have_the_joint_covariance(length):
    posterior = smooth(length=length)
    torch.testing.assert_close(covariance_of_draws(posterior), posterior.joint.cov_N_N, rtol=0, atol=1e-10)


def test_of_many_points_some_are_drawn_jointly_and_the_others_given_these(monkeypatch):
    monkeypatch.setattr(posterior_module, "MOST_FACTORED", 7)
    posterior = smooth(length=0.05)
    first = Unit().permutation(30)[:7]
    drawn, true = covariance_of_draws(posterior), posterior.joint.cov_N_N
    torch.testing.assert_close(drawn[first], true[first], rtol=0, atol=1e-10)
    torch.testing.assert_close(drawn.diagonal(), true.diagonal(), rtol=0, atol=1e-10)
    assert abs(drawn - true).max() < true.max()


def test_without_a_joint_covariance_each_point_is_drawn_by_itself():
    posterior = RegressionPosterior(torch.zeros(3), torch.tensor([0.0, 1.0, 4.0]))
    torch.testing.assert_close(covariance_of_draws(posterior), torch.tensor([0.0, 1.0, 4.0]).double().diag())


def test_the_models_own_draws_are_given_as_they_are():
    draws = torch.arange(12.0).reshape(4, 3)
    posterior = RegressionPosterior(draws.mean(0), draws.var(0), draws_S_N=draws)
    all_four = posterior.sample(4, np.random.default_rng(0))
    assert sorted(all_four[:, 0].tolist()) == [0.0, 3.0, 6.0, 9.0]
    more = posterior.sample(9, np.random.default_rng(0))
    assert more.shape == (9, 3) and {tuple(row) for row in more.tolist()} <= {tuple(row) for row in draws.tolist()}


def test_where_nothing_is_unsure_all_draws_are_the_mean():
    posterior = RegressionPosterior(torch.tensor([1.0, 2.0]), torch.zeros(2), joint=Covariance(np.zeros((2, 2))))
    assert posterior.sample(2, np.random.default_rng(0)).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    none = RegressionPosterior(torch.empty(0), torch.empty(0), joint=Covariance(np.empty((0, 0))))
    assert none.sample(2, np.random.default_rng(0)).shape == (2, 0)


@pytest.mark.parametrize("make", [np.random.default_rng, lambda seed: torch.Generator().manual_seed(seed)])
def test_a_generator_repeats_its_draws(make):
    posterior = smooth()
    torch.testing.assert_close(posterior.sample(3, make(0)), posterior.sample(3, make(0)), rtol=0, atol=0)
    assert not torch.equal(posterior.sample(3, make(0)), posterior.sample(3, make(1)))


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_a_number_of_draws_that_makes_no_sense_is_refused(k):
    with pytest.raises(InvalidParameter, match="whole number"):
        smooth().sample(k, np.random.default_rng(0))


def test_a_covariance_that_is_none_is_refused():
    broken = RegressionPosterior(torch.zeros(2), torch.ones(2), joint=Covariance([[1.0, 5.0], [5.0, 1.0]]))
    with pytest.raises(InvalidPosterior, match="semidefinite"):
        broken.sample(1, np.random.default_rng(0))


# --- draws of class probabilities that are one function ---------------------------------------------------------------


def coupled(seed=0, weights=None):
    probs_S_N_C = torch.from_numpy(np.random.default_rng(seed).dirichlet([1, 1, 1], (5, 4)))
    return ClassPosterior(probs_S_N_C.mean(0), probs_S_N_C, weights, coupled=True)


def test_coupled_draws_are_given_out_none_twice_while_they_last():
    posterior = coupled()
    drawn = posterior.sample(5, np.random.default_rng(0))
    order = [int((posterior.probs_S_N_C == draw).all((1, 2)).nonzero()) for draw in drawn]
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert posterior.sample(12, np.random.default_rng(0)).shape == (12, 4, 3)
    rows = torch.tensor([3, 1])
    torch.testing.assert_close(posterior.sample(5, np.random.default_rng(0), rows), drawn[:, rows])


def test_coupled_draws_come_by_their_weights():
    posterior = coupled(weights=torch.tensor([0.0, 3.0, 1.0, 0.0, 0.0]))
    drawn = posterior.sample(4000, np.random.default_rng(0))
    heavy = (drawn == posterior.probs_S_N_C[1]).all(2).all(1).double().mean()
    assert abs(float(heavy) - 0.75) < 0.03


def test_draws_of_each_point_by_itself_are_no_functions():
    one_by_one = ClassPosterior(torch.full((2, 2), 0.5), torch.full((3, 2, 2), 0.5))
    with pytest.raises(NoDraws, match="one function at all points"):
        one_by_one.sample(2, np.random.default_rng(0))
    with pytest.raises(NoDraws):
        ClassPosterior(torch.full((2, 2), 0.5)).sample(2, np.random.default_rng(0))
    with pytest.raises(InvalidParameter, match="number of draws"):
        coupled().sample(0, np.random.default_rng(0))
