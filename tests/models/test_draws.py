"""Draws of class probabilities from GP classifiers, and what their disagreement says."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import entr, expit
from scipy.stats import norm

import aljupyter as al
from aljupyter.informativeness import bald, entropy
from aljupyter.models.gp.manager import GPManager


def manager(X, y, n_classes=None, **options):
    data = al.DataManager(X, y, labelled=range(len(y)), preprocess=None, task="classification", classes=n_classes)
    fitted = GPManager(al.GPClassifier(**options))
    fitted.fit(data.labelled)
    return fitted


def three_blobs(seed=0, n=45):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return np.array([[0, 0], [3, 0], [0, 3]])[y] + rng.normal(size=(n, 2)), y


def two_overlapping_clouds():
    """Many labels where the classes overlap, few far away: noise there, ignorance here."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(120, 1))
    return np.vstack([x, [[3.0], [-3.0]]]), np.r_[rng.integers(0, 2, 120), 1, 0]


def test_disagreement_of_two_classes_is_the_integral_over_the_latent_function():
    fitted = manager(*two_overlapping_clouds())
    x = torch.linspace(-6, 6, 25, dtype=torch.float64)[:, None]
    ((mean, variance),) = fitted.estimator_.latent(x)

    def binary(p):
        return entr(p) + entr(1 - p)

    def average(what, m, s):
        return quad(lambda f: what(expit(f)) * norm.pdf(f, m, s), m - 12 * s, m + 12 * s, limit=500, epsabs=1e-12)[0]

    pairs = list(zip(mean, np.sqrt(variance), strict=True))
    expected = [binary(average(float, m, s)) - average(binary, m, s) for m, s in pairs]
    np.testing.assert_allclose(bald(fitted.posterior(x)), expected, atol=5e-5)


def test_disagreement_of_three_classes_is_that_of_many_independent_draws():
    fitted = manager(*three_blobs())
    x = torch.from_numpy(np.random.default_rng(3).uniform(-3, 6, (12, 2)))
    rng = np.random.default_rng(0)
    p = np.stack([expit(m + np.sqrt(v) * rng.normal(size=(200_000, 1))) for m, v in fitted.estimator_.latent(x)], 2)
    p /= p.sum(2, keepdims=True)
    expected = entr(p.mean(0)).sum(1) - entr(p).sum(2).mean(0)
    np.testing.assert_allclose(bald(fitted.posterior(x)), expected, atol=0.01)


def test_the_draws_of_two_classes_average_to_the_predicted_probabilities():
    """Up to the approximation of the predictive integral."""
    posterior = manager(*two_overlapping_clouds()).posterior(torch.linspace(-6, 6, 40, dtype=torch.float64)[:, None])
    average = torch.einsum("s,snc->nc", posterior.draws.weights_S, posterior.draws(slice(None)))
    np.testing.assert_allclose(average, posterior.mean_N_C, atol=2e-3)


def test_bald_asks_where_the_model_is_ignorant_and_entropy_where_labels_are_noise():
    fitted = manager(*two_overlapping_clouds())
    posterior = fitted.posterior(torch.tensor([[0.0], [6.0]], dtype=torch.float64))
    noise, unknown = range(2)
    assert entropy(posterior)[noise] > 0.9 * np.log(2)
    assert bald(posterior)[unknown] > 2 * bald(posterior)[noise]


@pytest.mark.parametrize("optimizer", ["fast", None])
def test_bald_plays_rounds_with_two_and_three_classes(optimizer):
    for X, y in (two_overlapping_clouds(), three_blobs()):
        data = al.DataManager(X, y, test=0.2, labelled=9, seed=0)
        learner = al.ActiveLearner(data, al.GPClassifier(optimizer=optimizer), al.strategies.get("bald"), seed=0)
        learner.run(rounds=3, progress=False)
        assert np.ptp(learner.score().values) > 0


def test_a_view_gives_the_draws_of_its_points_piece_by_piece():
    X, y = three_blobs()
    data = al.DataManager(X, y, labelled=9, test=0.2)
    fitted = GPManager(al.GPClassifier())
    fitted.fit(data.labelled)
    draws = fitted.posterior(data.unlabelled).draws
    whole = draws(slice(None))
    assert whole.shape == (256, len(data.unlabelled), 3)
    torch.testing.assert_close(torch.cat([draws(slice(0, 5)), draws(slice(5, None))], 1), whole)
    torch.testing.assert_close(fitted.posterior(data.unlabelled.x).draws(slice(None)), whole)


def test_a_class_without_a_label_has_no_probability_in_any_draw():
    X, y = three_blobs()
    fitted = manager(X[y < 2], y[y < 2], n_classes=[0, 1, 2])
    p = fitted.posterior(torch.from_numpy(X)).draws(slice(0, 4))
    assert p.shape == (65, 4, 3) and bool((p[:, :, 2] == 0).all())
    torch.testing.assert_close(p.sum(2), torch.ones(65, 4, dtype=torch.float64))


# --- draws that are one function at all points ------------------------------------------------------------------------


def test_functions_of_two_classes_have_the_mean_and_covariance_of_the_latent_function():
    fitted = manager(*two_overlapping_clouds())
    x = torch.tensor([[0.0], [0.2], [4.0], [-4.0]], dtype=torch.float64)
    posterior = fitted.posterior(x)
    drawn = posterior.sample(40_000, np.random.default_rng(0))
    assert drawn.shape == (40_000, 4, 2)
    torch.testing.assert_close(drawn.sum(2), torch.ones(40_000, 4, dtype=torch.float64))
    latent = torch.logit(drawn[..., 1])
    ((mean, _),) = fitted.estimator_.latent(x)
    everyone = torch.arange(4)
    cov = posterior.joint.cov(everyone, everyone)
    np.testing.assert_allclose(latent.mean(0), mean, atol=4 * float(cov.diagonal().max()) ** 0.5 / 200)
    np.testing.assert_allclose(torch.cov(latent.T), cov, atol=0.04 * float(cov.diagonal().max()))
    np.testing.assert_allclose(drawn.mean(0), posterior.mean_N_C, atol=0.02)


def test_functions_of_three_classes_are_normalised_and_agree_with_the_predictions():
    fitted = manager(*three_blobs())
    x = torch.from_numpy(np.random.default_rng(3).uniform(-3, 6, (12, 2)))
    posterior = fitted.posterior(x)
    drawn = posterior.sample(20_000, np.random.default_rng(0))
    torch.testing.assert_close(drawn.sum(2), torch.ones(20_000, 12, dtype=torch.float64))
    np.testing.assert_allclose(drawn.mean(0), posterior.draws(slice(None)).mean(0), atol=0.02)
    copies = fitted.posterior(x[:1].repeat(2, 1)).sample(50, np.random.default_rng(0))
    torch.testing.assert_close(copies[:, 0], copies[:, 1], atol=1e-3, rtol=0)  # the same point: the same function


def test_functions_are_seeded_read_only_the_rows_asked_for_and_hold_at_many_points(monkeypatch):
    fitted = manager(*two_overlapping_clouds())
    x = torch.linspace(-5, 5, 300, dtype=torch.float64)[:, None]
    posterior = fitted.posterior(x)
    rows = torch.tensor([10, 200, 299])
    few = posterior.sample(3, np.random.default_rng(1), rows)
    torch.testing.assert_close(few, posterior.sample(3, np.random.default_rng(1), rows), atol=0, rtol=0)
    torch.testing.assert_close(few, fitted.posterior(x[rows]).sample(3, np.random.default_rng(1)))
    monkeypatch.setattr("aljupyter.models.gp.draws.MOST_FACTORED", 40)  # the others are drawn given these
    drawn = posterior.sample(2000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(0), posterior.mean_N_C, atol=0.05)
    steps = (drawn[:, 1:, 1] - drawn[:, :-1, 1]).abs().mean()
    assert steps < 0.01, "neighbours differ: not one function"


def test_functions_of_some_rows_of_a_view_are_those_of_these_points():
    X, y = three_blobs()
    data = al.DataManager(X, y, labelled=12, seed=1)
    fitted = GPManager(al.GPClassifier())
    fitted.fit(data.labelled)
    rows = torch.tensor([20, 3, 11])
    few = fitted.posterior(data.unlabelled).sample(3, np.random.default_rng(1), rows)
    torch.testing.assert_close(few, fitted.posterior(data.unlabelled.x[rows]).sample(3, np.random.default_rng(1)))


def test_a_class_without_labels_has_no_share_in_a_function():
    X, y = three_blobs()
    data = al.DataManager(X, y, labelled=np.flatnonzero(y < 2), preprocess=None)
    fitted = GPManager(al.GPClassifier())
    fitted.fit(data.labelled)
    drawn = fitted.posterior(data.unlabelled).sample(4, np.random.default_rng(0))
    assert drawn.shape[2] == 3 and (drawn[..., 2] == 0).all()
