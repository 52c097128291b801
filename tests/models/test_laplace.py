import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from aljupyter.models.gp import laplace
from aljupyter.models.gp.arrays import Array, namespace

pytestmark = pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["numpy", "torch"])


def problem(kind, n: int, seed: int = 0, variance: float = 4.0) -> tuple[Array, Array]:
    """An RBF kernel matrix and labels of n points in the plane, one of each class at least."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    K = variance * np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(-1))
    y = (x[:, 0] + 0.5 * generator.normal(size=n) > 0).astype(float)
    y[0], y[-1] = 0, 1
    return kind(K), kind(y)


def dense_evidence(K: Array, y: Array, f: Array) -> float:
    """R&W 3.32 with explicit inverses, for well-conditioned K."""
    K, y, f = np.asarray(K), np.asarray(y), np.asarray(f)
    pi = expit(f)
    log_likelihood = np.log(np.where(y == 1, pi, 1 - pi)).sum()
    log_det_B = np.linalg.slogdet(np.eye(len(y)) + K @ np.diag(pi * (1 - pi)))[1]
    return log_likelihood - 0.5 * f @ np.linalg.solve(K, f) - 0.5 * log_det_B


def assert_close(found: Array, wanted: Array, rtol: float = 1e-7, atol: float = 1e-7) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=rtol, atol=atol)


def approximated(K: Array, y: Array, start: laplace.Nearby | None = None) -> laplace.Laplace:
    return laplace.approximate(K, y, laplace.find_mode(K, y, start))


def distance_from_the_mode(K: Array, y: Array, f: Array) -> float:
    """Newton's next step on f = K (y - pi), in units of 1 + max |f|."""
    K, y, f = np.asarray(K), np.asarray(y), np.asarray(f)
    pi = expit(f)
    step = np.linalg.solve(np.eye(len(f)) + K * (pi * (1 - pi)), f - K @ (y - pi))
    return float(np.abs(step).max() / (1 + np.abs(f).max()))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(0, 1000), st.floats(1e-5, 1e5))
def test_the_mode_is_where_newton_stands_still(kind, n, seed, variance):
    K, y = problem(kind, n, seed, variance)
    assert distance_from_the_mode(K, y, laplace.find_mode(K, y)) < 1e-8


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.floats(0.01, 1e4), st.floats(-100, 100))
def test_the_mode_does_not_depend_on_the_start(kind, seed, variance, scale):
    K, y = problem(kind, 15, seed, variance)
    start = laplace.Nearby(scale * kind(np.random.default_rng(seed).normal(size=15)))
    assert_close(laplace.find_mode(K, y, start), laplace.find_mode(K, y), rtol=1e-7, atol=1e-7)


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(0, 1000), st.floats(1e-3, 1e4), st.floats(-1, 1), st.floats(0.3, 3))
@example(n=2, seed=570, variance=9286.0, log_factor=0.30078125, power=0.3)  # small steps that shrink slowly
def test_chord_steps_from_other_hyperparameters_lead_to_the_same_mode(kind, n, seed, variance, log_factor, power):
    K, y = problem(kind, n, seed, variance)
    there = math.exp(log_factor) * variance * (K / variance) ** power
    cold, warm = approximated(K, y), approximated(K, y, approximated(there, y).nearby())
    assert distance_from_the_mode(K, y, warm.f_N) < 1e-8
    assert_close(warm.log_evidence, cold.log_evidence, rtol=1e-7, atol=1e-7)


@settings(deadline=None, max_examples=50)
@given(st.integers(5, 40), st.integers(1, 5), st.integers(0, 1000), st.floats(1e-3, 1e4), st.booleans())
def test_appended_points_lead_to_the_same_mode(kind, n, n_new, seed, variance, surprising):
    K, y = problem(kind, n + n_new, seed, variance)
    first = approximated(K[:n, :n], y[:n])
    if surprising:  # labels that the model thinks the least likely
        y[n:] = kind(np.asarray(first.a_N @ K[:n, n:] < 0, dtype=float))
    start = laplace.append(first, K[:n, n:], K[n:, n:])
    assert_close(start.f_N[:n], first.f_N, rtol=0, atol=0)
    assert_close(start.f_N[n:], K[n:, :n] @ first.weights_N)
    cold, warm = approximated(K, y), approximated(K, y, start)
    assert distance_from_the_mode(K, y, warm.f_N) < 1e-8
    assert_close(warm.log_evidence, cold.log_evidence, rtol=1e-7, atol=1e-7)


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 1000), st.floats(1e-3, 100))
def test_the_appended_factor_is_the_factor(kind, n, n_new, seed, variance):
    K, y = problem(kind, n + n_new, seed, variance)
    start = laplace.append(approximated(K[:n, :n], y[:n]), K[:n, n:], K[n:, n:])
    sqrt_w, factor = (np.asarray(part) for part in start.B)
    pi = expit(np.asarray(start.f_N))
    np.testing.assert_allclose(np.asarray(sqrt_w) ** 2, pi * (1 - pi), rtol=1e-9)
    B = np.eye(n + n_new) + np.outer(sqrt_w, sqrt_w) * np.asarray(K)
    np.testing.assert_allclose(factor, np.linalg.cholesky(B), rtol=1e-9, atol=1e-9 * np.sqrt(variance))


@pytest.mark.parametrize("variance", [1e3, 1e5, 1e8])
def test_a_mode_of_saturated_points_is_found_from_everywhere(kind, variance):
    n = 12
    K = variance * kind(np.eye(n)) + variance  # every point an island with a mean in common
    y = kind(np.array([0.0] + [1.0] * (n - 1)))
    cold = approximated(K, y)
    assert math.isfinite(cold.log_evidence)
    far = laplace.approximate(K, y, 1e4 * (2 * y - 1))  # W underflows to zero
    assert (far.sqrt_w_N == 0).all()
    for start in (far.nearby(), laplace.Nearby(far.f_N), cold.nearby()):
        warm = approximated(K, y, start)
        assert_close(warm.log_evidence, cold.log_evidence, rtol=1e-7, atol=1e-7)
        assert_close(warm.f_N, cold.f_N, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("variance", [1.0, 1e3, 1e5])
def test_a_point_of_both_classes_has_even_odds(kind, variance):
    K, y = kind(np.full((6, 6), variance)), kind(np.array([0.0, 1, 0, 1, 0, 1]))
    found = approximated(K, y)
    assert_close(found.f_N, np.zeros(6), rtol=0, atol=1e-7)
    truth = 6 * math.log(0.5) - 0.5 * math.log(1 + 6 * variance / 4)  # 3.32 with |B| = 1 + n C / 4 for equal points
    assert float(found.log_evidence) == pytest.approx(truth, rel=1e-7)
    start = laplace.append(approximated(K[:5, :5], y[:5]), K[:5, 5:], K[5:, 5:])
    assert_close(approximated(K, y, start).log_evidence, found.log_evidence, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("warm", [False, True])
def test_a_batch_gives_what_its_problems_give_alone(kind, warm):
    pairs = [problem(kind, 20, seed, variance) for seed, variance in enumerate([0.1, 4.0, 300.0])]
    K, y = (namespace(parts[0]).stack(parts) for parts in zip(*pairs, strict=True))
    starts = [approximated(2 * K[b], y[b]).nearby() if warm else None for b in range(3)]
    batch = approximated(K, y, laplace.stacked(starts))
    together = laplace.gradient(batch, y, K)
    for b in range(3):
        one, part = approximated(K[b], y[b], starts[b]), batch.part(b)
        alone = laplace.gradient(one, y[b], K[b])
        for name in ("f_N", "a_N", "sqrt_w_N", "chol_N_N", "log_evidence", "inverse_N_N"):
            assert_close(getattr(part, name), getattr(one, name), rtol=1e-7, atol=1e-7)
        assert_close(together.dense()[b], alone.dense(), rtol=1e-6, atol=1e-6)
        assert_close(together.along(K * K)[b], alone.along(K[b] * K[b]), rtol=1e-6, atol=1e-6)
        assert_close(together.along_K[b], alone.along_K, rtol=1e-6, atol=1e-6)


def test_a_batch_starts_from_what_all_of_it_know(kind):
    K, y = problem(kind, 10)
    whole = approximated(K, y).nearby()
    assert laplace.stacked([whole, None]) is None
    assert laplace.stacked([whole, laplace.Nearby(whole.f_N)]).B is None
    assert laplace.stacked([whole, whole]).B[1].shape == (2, 10, 10)


def test_a_kernel_matrix_that_is_not_finite_gives_a_mode_that_is_not_finite(kind):
    K, y = problem(kind, 5)
    K[0, 0] = math.nan
    assert not np.isfinite(np.asarray(laplace.find_mode(K, y))).all()


@pytest.mark.parametrize("n", [2, 10, 30])
def test_the_evidence_is_that_of_the_textbook(kind, n):
    K, y = problem(kind, n)
    K += 1e-3 * kind(np.eye(n))
    found = approximated(K, y)
    assert float(found.log_evidence) == pytest.approx(dense_evidence(K, y, found.f_N), abs=1e-7)


def test_the_evidence_is_near_the_true_one_for_two_points(kind):
    K, y = kind(np.array([[2.0, 1.2], [1.2, 2.0]])), kind(np.array([0.0, 1.0]))
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    f = np.linalg.cholesky(np.asarray(K)) @ np.stack([g.ravel() for g in np.meshgrid(nodes, nodes, indexing="ij")])
    likelihood = (1 - expit(f[0])) * expit(f[1])
    truth = math.log((likelihood * np.outer(weights, weights).ravel()).sum() / weights.sum() ** 2)
    found = laplace.approximate(K, y, laplace.find_mode(K, y)).log_evidence
    assert found == pytest.approx(truth, abs=0.05)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 10), st.integers(0, 1000), st.floats(0.1, 30))
def test_the_gradient_by_the_kernel_matrix_is_the_numerical_one(kind, n, seed, variance):
    K, y = problem(kind, n, seed, variance)
    K = K + 0.1 * kind(np.eye(n))
    by_matrix = laplace.gradient(approximated(K, y), y, K)
    P = kind(np.random.default_rng(seed).normal(size=(n, n)))
    P = P + P.mT

    def slope(P: Array, h: float = 1e-4) -> float:
        """Along P, by a central difference of fourth order."""
        at = [float(approximated(K + k * h * P, y).log_evidence) for k in (-2, -1, 1, 2)]
        return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)

    assert float(by_matrix.along(P)) == pytest.approx(slope(P), rel=1e-5, abs=1e-5)
    assert float((by_matrix.dense() * P).sum()) == pytest.approx(slope(P), rel=1e-5, abs=1e-5)
    assert float(by_matrix.along_K) == pytest.approx(slope(K), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("n_points", [10, 10**6])  # for many, the factor is inverted
def test_latent_predictions_are_those_of_the_textbook(kind, n_points):
    K, y = problem(kind, 30)
    K += 1e-6 * kind(np.eye(30))
    K_train, K_new, k_new = K[:20, :20], K[:20, 20:], K.diagonal()[20:]
    found = laplace.approximate(K_train, y[:20], laplace.find_mode(K_train, y[:20]))
    mean, variance = K_new.T @ found.weights_N, k_new - laplace.reduction(found, n_points)(K_new.T)
    K_train, K_new, k_new, f = (np.asarray(part) for part in (K_train, K_new, k_new, found.f_N))
    W = np.diag(np.asarray(found.sqrt_w_N) ** 2)
    assert_close(mean, K_new.T @ np.linalg.solve(K_train, f), rtol=0, atol=1e-6)  # 3.21
    reduction = K_new.T @ np.linalg.solve(K_train + np.linalg.inv(W), K_new)  # 3.24
    assert_close(variance, k_new - reduction.diagonal(), rtol=0, atol=1e-8)


@pytest.mark.parametrize("variance", [0.0, 1e-3, 0.1, 1.0, 10.0, 100.0])
def test_the_expected_logistic_is_near_its_integral(kind, variance):
    mean = np.linspace(-20, 20, 81)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    truth = expit(mean[:, None] + math.sqrt(variance) * nodes) @ weights / weights.sum()
    found = laplace.expected_logistic(kind(mean), kind(np.full(81, variance)))
    np.testing.assert_allclose(found, truth, atol=5e-4)  # the mixture of error functions is that near to the logistic


@pytest.mark.parametrize(("n", "largest", "average"), [(20, 0.1, 0.015), (60, 0.06, 0.01)])
def test_leave_one_out_is_near_to_leaving_one_out(kind, n, largest, average):
    K, y = problem(kind, n, variance=10.0)
    found = laplace.approximate(K, y, laplace.find_mode(K, y))
    closed_form = laplace.expected_logistic(*laplace.leave_one_out(found, K))
    truth = []
    for i in range(n):
        rest = [j for j in range(n) if j != i]
        without = K[rest][:, rest]
        one_less = laplace.approximate(without, y[rest], laplace.find_mode(without, y[rest]))
        k = K[i : i + 1, rest]
        variance = K[i : i + 1, i] - laplace.reduction(one_less, 1)(k)
        truth.append(laplace.expected_logistic(k @ one_less.weights_N, variance))
    error = abs(np.asarray(closed_form) - np.concatenate(truth))
    assert error.max() < largest
    assert error.mean() < average
