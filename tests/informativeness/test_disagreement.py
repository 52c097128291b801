"""BALD against the definition of mutual information, and against entropy, which it is not."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import entropy as scipy_entropy
from scipy.stats import norm

from aljupyter.errors import InvalidPosterior, NoDraws, TooFewClasses
from aljupyter.informativeness import bald, disagreement, entropy, variance
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from tests.posteriors import drawn, drawn_posteriors, probs, regression_posteriors


def weights_of(posterior):
    weights_S = torch.ones(len(posterior.probs_S_N_C)) if posterior.weights_S is None else posterior.weights_S
    return (weights_S.double() / weights_S.sum()).numpy()


@given(drawn_posteriors())
def test_it_is_the_mutual_information_of_label_and_draw(posterior):
    """By the definition: over the joint table of draws and classes, p(s, y) log p(s, y) / (p(s) p(y))."""
    weights = weights_of(posterior)
    for n, score in enumerate(bald(posterior).tolist()):
        table = posterior.probs_S_N_C[:, n].numpy() * weights[:, None]
        terms = [p * math.log(p / (table[s].sum() * table[:, c].sum())) for (s, c), p in np.ndenumerate(table) if p > 0]
        assert score == pytest.approx(math.fsum(terms), abs=1e-12)


@given(drawn_posteriors())
def test_it_is_the_mean_divergence_of_the_draws_from_their_mean(posterior):
    """scipy's relative entropy."""
    weights = weights_of(posterior)
    rows_S_N_C, weights = posterior.probs_S_N_C.numpy()[weights > 0], weights[weights > 0]
    divergences_S_N = scipy_entropy(rows_S_N_C, np.einsum("s,snc->nc", weights, rows_S_N_C), axis=-1)
    np.testing.assert_allclose(bald(posterior), weights @ divergences_S_N, atol=1e-12)


@given(drawn_posteriors())
def test_it_is_no_more_than_the_entropy_and_never_below_zero(posterior):
    scores = bald(posterior)
    assert (scores >= 0).all()
    assert (scores <= entropy(posterior) + 1e-12).all()


def test_it_is_not_the_entropy():
    """A point where all draws see a coin, and one where they contradict each other a little: the ranks differ."""
    posterior = drawn([[0.5, 0.5], [0.9, 0.1]], [[0.5, 0.5], [0.6, 0.4]])
    assert entropy(posterior).argmax() == 0
    assert bald(posterior).argmax() == 1
    assert bald(posterior)[0] == 0


def test_the_mean_is_that_of_the_draws():
    """A GP's mean probabilities are not quite those of a few draws."""
    draws = torch.tensor([[[0.9, 0.1]], [[0.1, 0.9]]], dtype=torch.float64)
    off = ClassPosterior(torch.tensor([[0.7, 0.3]], dtype=torch.float64), draws)
    assert bald(off) == bald(ClassPosterior(draws.mean(0), draws))


def test_weights_count_draws():
    twice = drawn([[0.9, 0.1]], [[0.9, 0.1]], [[0.2, 0.8]])
    weighted = drawn([[0.9, 0.1]], [[0.2, 0.8]], weights=[4.0, 2.0])
    torch.testing.assert_close(bald(twice), bald(weighted))


@pytest.mark.parametrize("size", [1, 7, 2**22])
def test_pieces_do_not_matter(monkeypatch, size):
    posterior_S_N_C = torch.from_numpy(np.random.default_rng(0).dirichlet([1, 1, 1], (4, 23)))
    posterior = ClassPosterior(posterior_S_N_C.mean(0), posterior_S_N_C)
    whole = bald(posterior)
    monkeypatch.setattr(disagreement, "_PIECE", size)
    torch.testing.assert_close(bald(posterior), whole, rtol=0, atol=1e-15)


def test_single_precision_does_not_drown_a_small_disagreement():
    exact = drawn([[0.50003, 0.49997]], [[0.49997, 0.50003]])
    single = ClassPosterior(exact.mean_N_C.float(), exact.probs_S_N_C.float())
    np.testing.assert_allclose(bald(single), bald(exact), rtol=1e-2)
    assert bald(exact) > 1e-9


def test_no_point_has_no_score():
    assert bald(ClassPosterior(torch.empty(0, 3), torch.empty(4, 0, 3))).shape == (0,)
    assert bald(RegressionPosterior(torch.empty(0), torch.empty(0))).shape == (0,)


def test_without_draws_it_says_who_has_some():
    with pytest.raises(NoDraws, match="ensembles, dropout"):
        bald(probs([0.5, 0.5]))
    with pytest.raises(NoDraws, match="has 1"):  # it would be zero everywhere
        bald(drawn([[0.5, 0.5]]))


def test_what_are_no_probabilities_are_refused():
    mean = torch.tensor([[0.5, 0.5]])
    for row in ([2.0, -1.0], [3.0, 1.0], [math.nan, 1.0]):
        with pytest.raises(InvalidPosterior, match="softmax to each draw"):
            bald(ClassPosterior(mean, torch.tensor([[row], [row]])))
    with pytest.raises(TooFewClasses):
        bald(ClassPosterior(torch.ones(1, 1), torch.ones(2, 1, 1)))


@pytest.mark.parametrize(("s2", "noise"), [(1.0, 1.0), (4.0, 0.25), (0.01, 2.0)])
def test_regression_is_the_entropy_that_the_latent_value_takes_away(s2, noise):
    """H[y] - E[H[y | f]], by quadrature."""

    def differential(scale):
        return quad(lambda y: -norm.pdf(y, scale=scale) * norm.logpdf(y, scale=scale), -12 * scale, 12 * scale)[0]

    posterior = RegressionPosterior(torch.zeros(1), torch.tensor([s2]).double(), torch.tensor([noise]).double())
    assert bald(posterior).item() == pytest.approx(differential(math.sqrt(s2 + noise)) - differential(math.sqrt(noise)))


@given(regression_posteriors(), st.floats(1e-6, 1e6))
def test_regression_ranks_as_the_variance_does(posterior, noise):
    order = variance(posterior).argsort()
    constant = RegressionPosterior(posterior.mean_N, posterior.variance_N, torch.full_like(posterior.mean_N, noise))
    for ranked in (posterior, constant):
        assert (bald(ranked)[order].diff() >= 0).all()


def test_without_noise_it_is_pyrelationals_and_does_not_saturate():
    variances = torch.tensor([0.0, 1e-12, 3.0])
    scores = bald(RegressionPosterior(torch.zeros(3), variances))
    np.testing.assert_allclose(scores, [0.0, 5e-13, math.log(2)], rtol=1e-6)


def test_a_noisy_label_is_worth_less():
    posterior = RegressionPosterior(torch.zeros(2), torch.tensor([1.0, 2.0]), torch.tensor([0.1, 10.0]))
    assert bald(posterior).argmax() == 0
    assert variance(posterior).argmax() == 1


def test_a_label_without_noise_would_tell_infinitely_much():
    with pytest.raises(InvalidPosterior, match="infinitely much"):
        bald(RegressionPosterior(torch.zeros(2), torch.ones(2), torch.zeros(2)))
    with pytest.raises(InvalidPosterior, match="at least 0"):
        bald(RegressionPosterior(torch.zeros(1), torch.ones(1), torch.tensor([-1.0])))
    known = RegressionPosterior(torch.zeros(2), torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    np.testing.assert_allclose(bald(known), [0.0, 0.5 * math.log(2)])
