"""Covariance functions against GPyTorch's own, numpy's differences and numerical gradients."""

import math

import numpy as np
import pytest
import torch
from gpytorch.constraints import GreaterThan, Interval
from gpytorch.kernels import (
    Kernel,
    LinearKernel,
    MaternKernel,
    PeriodicKernel,
    RBFKernel,
    RQKernel,
    ScaleKernel,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aljupyter.models.gp.arrays import Array, add_to_diagonal, begins_with, equal, like, namespace
from aljupyter.models.gp.covariance import (
    ARDRBF,
    AnyKernel,
    Covariance,
    IsotropicRBF,
    MatrixGradient,
    covariance_of,
    scaled_rbf,
)
from aljupyter.models.gp.kernels import get_theta, make_kernel, set_theta

GENERIC = {
    "Matern": lambda: MaternKernel(2.5),
    "ARD Matern": lambda: ScaleKernel(MaternKernel(1.5, ard_num_dims=3)),
    "sum": lambda: ScaleKernel(RBFKernel()) + LinearKernel(),
    "product": lambda: ScaleKernel(RBFKernel(active_dims=[0, 1])) * MaternKernel(2.5, active_dims=[2]),
    "periodic": lambda: ScaleKernel(PeriodicKernel()),
    "rational": lambda: ScaleKernel(RQKernel()),
}
KINDS = ["rbf", "ard", *GENERIC]

# arrays of NumPy and tensors; both make copies
pytestmark = pytest.mark.parametrize("array", [np.array, torch.tensor], ids=["numpy", "torch"])


def points(array, n: int, d: int = 3, seed: int = 0) -> Array:
    return array(np.random.default_rng(seed).normal(size=(n, d)))


def kernel_and_covariance(kind: str, x: Array) -> tuple[Kernel, Covariance]:
    kernel = make_kernel(GENERIC[kind]() if kind in GENERIC else kind, x.shape[1])
    return kernel, covariance_of(kernel, x)


def assert_close(found: Array, wanted: Array, rtol: float = 1e-7, atol: float = 1e-7) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=rtol, atol=atol)


def dense(kernel: Kernel, *x: Array) -> np.ndarray:
    """What GPyTorch says."""
    return kernel(*(torch.as_tensor(part) for part in x)).to_dense().detach().numpy()


def some_theta(kernel: Kernel, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, len(get_theta(kernel)))


def matrix_gradient(n: int, seed: int, K: Array, scaled: bool = True) -> MatrixGradient:
    """A random derivative by the kernel matrix, of the form that evidences have."""
    generator = np.random.default_rng(seed)
    u, a, scale = (like(row, K) for row in generator.normal(size=(3, n)))
    root = like(generator.normal(size=(n, n)), K)
    open_end = MatrixGradient(u, a, scale if scaled else None, root @ root.mT, like(0.0, K))
    return open_end._replace(along_K=(open_end.dense() * K).sum())


def exact_rbf(theta: np.ndarray, a: Array, b: Array) -> np.ndarray:
    """C * RBF from the differences of the points, in long double."""
    difference = np.asarray(a).astype(np.longdouble)[:, None] - np.asarray(b).astype(np.longdouble)[None]
    D2 = ((difference * np.exp(-theta[1:].astype(np.longdouble))) ** 2).sum(-1)
    return (np.exp(np.longdouble(theta[0])) * np.exp(-0.5 * D2)).astype(float)


def slopes(covariance: Covariance, theta: np.ndarray, step: float = 1e-4) -> list[Array]:
    """dK / d theta by differences of the fourth order."""
    steps = step * np.eye(len(theta))
    near, far = ([covariance.matrix(theta + k * s) - covariance.matrix(theta - k * s) for s in steps] for k in (1, 2))
    return [(8 * one - two) / (12 * step) for one, two in zip(near, far, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_matrix_between_and_variance_are_gpytorchs(array, kind):
    x, new = points(array, 12), points(array, 7, seed=1)
    kernel, covariance = kernel_and_covariance(kind, x)
    theta = some_theta(kernel)
    twin = make_kernel(kernel, 3)
    set_theta(twin, theta)
    assert_close(covariance.matrix(theta), dense(twin, x), rtol=1e-7, atol=1e-7)
    assert_close(covariance.between(theta, new, x), dense(twin, new, x), rtol=1e-7, atol=1e-7)
    assert_close(covariance.variance(theta, new), dense(twin, new).diagonal(), rtol=1e-7, atol=1e-7)
    assert_close(covariance.between(theta, x, x), covariance.matrix(theta), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_matrix_may_be_written_into_and_comes_out_the_same_again(array, kind):
    kernel, covariance = kernel_and_covariance(kind, points(array, 6))
    theta = some_theta(kernel)
    first = covariance.matrix(theta)
    kept = 1.0 * first
    first += 1.0
    covariance.matrix(theta + 0.1)
    assert equal(covariance.matrix(theta), kept)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(KINDS), st.integers(1, 12), st.integers(0, 1000), st.booleans())
def test_the_gradient_is_the_numerical_one(array, kind, n, seed, scaled):
    kernel, covariance = kernel_and_covariance(kind, points(array, n, seed=seed))
    theta = some_theta(kernel, seed)
    K = covariance.matrix(theta)
    by_matrix = matrix_gradient(n, seed, K, scaled)
    whole, found = by_matrix.dense(), covariance.gradient(theta, K, by_matrix)
    size = float(abs(whole * K).sum())  # a sum of terms of this size
    truth = [float((whole * slope).sum()) for slope in slopes(covariance, theta)]
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-7 * size)


@pytest.mark.parametrize("kind", ["rbf", "ard", "Matern"])
def test_noise_on_the_diagonal_leaves_the_gradient_by_the_length_scales(array, kind):
    kernel, covariance = kernel_and_covariance(kind, points(array, 10))
    theta = some_theta(kernel)
    K = covariance.matrix(theta)
    by_matrix = matrix_gradient(10, 0, K)
    clean = covariance.gradient(theta, K, by_matrix)
    noisy = add_to_diagonal(covariance.matrix(theta), 3.0)
    np.testing.assert_allclose(covariance.gradient(theta, noisy, by_matrix), clean, rtol=1e-9, atol=1e-9)


def test_one_length_scale_is_many_that_are_equal(array):
    x, new = points(array, 15), points(array, 5, seed=1)
    one, many, generic = IsotropicRBF(x), ARDRBF(x), AnyKernel(make_kernel("rbf", 3), x)
    theta, long_theta = np.array([0.7, -0.3]), np.array([0.7, -0.3, -0.3, -0.3])
    K = one.matrix(theta)
    by_matrix = matrix_gradient(15, 0, K)
    gradient = one.gradient(theta, K, by_matrix)
    for other, at in ((many, long_theta), (generic, theta)):
        assert_close(other.matrix(at), K, rtol=1e-9, atol=1e-9)
        assert_close(other.between(at, new, x), one.between(theta, new, x), rtol=1e-9, atol=1e-9)
        assert_close(other.variance(at, new), one.variance(theta, new))
        found = other.gradient(at, other.matrix(at), by_matrix)
        np.testing.assert_allclose([found[0], found[1:].sum()], gradient, rtol=1e-6)


@pytest.mark.parametrize("kind", ["rbf", "ard"])
def test_a_batch_gives_what_its_problems_give_alone(array, kind):
    kernel, covariance = kernel_and_covariance(kind, points(array, 15))
    thetas = np.stack([some_theta(kernel, seed) for seed in range(3)])
    K = covariance.matrix(thetas)
    alone = [matrix_gradient(15, b, K[b]) for b in range(3)]
    together = MatrixGradient(*(namespace(K).stack(parts) for parts in zip(*alone, strict=True)))
    P = points(array, 15, 15)
    P = P + P.mT
    assert_close(together.along(namespace(K).stack([P, P, P])), [float(one.along(P)) for one in alone])
    gradient = covariance.gradient(thetas, K, together)
    for b in range(3):
        assert_close(K[b], covariance.matrix(thetas[b]), rtol=1e-13, atol=1e-13)
        assert_close(together.dense()[b], alone[b].dense())
        np.testing.assert_allclose(gradient[b], covariance.gradient(thetas[b], K[b], alone[b]), rtol=1e-9)


@pytest.mark.parametrize("scaled", [True, False])
def test_along_a_direction_is_the_sum_over_the_dense_matrix(array, scaled):
    by_matrix = matrix_gradient(8, 0, array(np.eye(8)), scaled)
    P = points(array, 8, 8)
    P = P + P.mT
    assert_close(by_matrix.along(P), (by_matrix.dense() * P).sum())


def badly_scaled(array, case: str) -> tuple[Array, float]:
    """Points, and a length scale at which some covariances are neither 0 nor C."""
    x = points(array, 20)
    if case == "two clusters":
        x[10:] += 1e8
        return x, 1.0
    if case == "one outlier":
        x[0] += 1e8
        return x, 1.0
    if case == "far from the origin":
        return (x + 1e6) - 1e-3, 1.0
    return x * float(case), float(case)


BAD = ["two clusters", "one outlier", "far from the origin", "1e8", "1e-8"]


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("kind", ["rbf", "ard"])
def test_badly_scaled_points_keep_their_distances(array, kind, case):
    x, length = badly_scaled(array, case)
    kernel, covariance = kernel_and_covariance(kind, x)
    theta = np.array([0.5] + [math.log(length)] * (len(get_theta(kernel)) - 1))
    truth = exact_rbf(theta, x, x)
    np.testing.assert_allclose(covariance.matrix(theta), truth, rtol=0, atol=1e-8)
    np.testing.assert_allclose(covariance.between(theta, x[:7], x), truth[:7], rtol=0, atol=1e-8)
    assert abs(covariance.matrix(theta).diagonal() - math.exp(0.5)).max() < 1e-14


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("kind", ["rbf", "ard"])
def test_badly_scaled_points_keep_their_gradient(array, kind, case):
    x, length = badly_scaled(array, case)
    kernel, covariance = kernel_and_covariance(kind, x)
    theta = np.array([0.5] + [math.log(length)] * (len(get_theta(kernel)) - 1))
    K = covariance.matrix(theta)
    by_matrix = matrix_gradient(20, 0, K)
    whole = np.asarray(by_matrix.dense()) * exact_rbf(theta, x, x)
    z = np.asarray(x).astype(np.longdouble) / length  # numerical slopes are rounding error here
    by_length = ((z[:, None] - z[None]) ** 2 * whole[..., None]).sum((0, 1))  # dK / d log l_j = K (z_j - z'_j)^2
    if kind == "rbf":
        by_length = by_length.sum(keepdims=True)
    found = covariance.gradient(theta, K, by_matrix)
    np.testing.assert_allclose(found, [whole.sum(), *by_length], rtol=1e-6, atol=1e-7 * abs(whole).sum())


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 20), st.integers(1, 5), st.floats(-4, 8), st.floats(-4, 8), st.integers(0, 100))
def test_a_scaled_rbf_is_exact_at_every_scale(array, n, d, log10_spread, log10_shift, seed):
    x = points(array, n, d, seed) * 10**log10_spread + 10**log10_shift
    theta = np.array([1.0] + [0.0] * d)
    found = scaled_rbf(1.0, x[: n // 2])(x)
    np.testing.assert_allclose(found, exact_rbf(theta, x, x[: n // 2]), rtol=0, atol=2e-8)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 20), st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 12), st.integers(0, 99))
def test_grown_distances_equal_fresh_ones_bit_for_bit(array, n, batches, d, seed):
    x = points(array, n + sum(batches), d, seed)
    grown = IsotropicRBF(x[:n])
    _ = grown.D2_N_N
    for k in np.cumsum(batches):
        kept, last = 1.0 * grown.D2_N_N, grown
        grown = last.on(x[: n + k])
        assert equal(grown.D2_N_N, IsotropicRBF(x[: n + k]).D2_N_N)
        assert equal(last.D2_N_N, kept)  # the last one's are not touched
    difference = np.asarray(x)[:, None] - np.asarray(x)[None]
    np.testing.assert_allclose(grown.D2_N_N, (difference**2).sum(-1), rtol=1e-12)


def test_only_distances_of_the_first_points_are_taken_over(array):
    x = points(array, 10)
    kernel = make_kernel("rbf", 3)
    known = IsotropicRBF(x[:6])
    _ = known.D2_N_N
    assert covariance_of(kernel, x, known).known_M_M is known.known_M_M
    assert covariance_of(kernel, x[:6], known).known_M_M is known.known_M_M
    for other in (x[:4], x[[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]], x[:, :2]):
        assert covariance_of(kernel, other, known).known_M_M is None
    assert covariance_of(kernel, x, ARDRBF(x)).known_M_M is None


def test_points_begin_with_the_first_of_them(array):
    x = points(array, 5)
    assert begins_with(x, x[:3])
    assert begins_with(x, x)
    assert not begins_with(x[:3], x)
    assert not begins_with(x, x[1:3])


def fixed(kernel: Kernel) -> Kernel:
    kernel.raw_outputscale.requires_grad_(False)
    return kernel


def unbounded(kernel: Kernel) -> Kernel:
    kernel.base_kernel.register_constraint("raw_lengthscale", Interval(-1.0, 1.0))
    return kernel


class OwnRBF(RBFKernel):
    pass


@pytest.mark.parametrize(
    ("kernel", "wanted"),
    [
        ("rbf", IsotropicRBF),
        ("ard", ARDRBF),
        (ScaleKernel(RBFKernel()), IsotropicRBF),
        (ScaleKernel(RBFKernel(ard_num_dims=3)), ARDRBF),
        (ScaleKernel(RBFKernel(lengthscale_constraint=GreaterThan(0.1))), IsotropicRBF),
        (ScaleKernel(RBFKernel(active_dims=[0])), AnyKernel),
        (ScaleKernel(RBFKernel(), active_dims=[0, 1]), AnyKernel),
        (fixed(ScaleKernel(RBFKernel())), AnyKernel),
        (unbounded(ScaleKernel(RBFKernel())), AnyKernel),
        (ScaleKernel(OwnRBF()), AnyKernel),
        (ScaleKernel(MaternKernel()), AnyKernel),
        (ScaleKernel(ScaleKernel(RBFKernel())), AnyKernel),
        (RBFKernel(), AnyKernel),
        (ScaleKernel(RBFKernel(batch_shape=torch.Size([2]))), AnyKernel),
        (ScaleKernel(RBFKernel()) + LinearKernel(), AnyKernel),
    ],
)
def test_the_fast_path_is_for_a_plain_scaled_rbf(array, kernel, wanted):
    assert type(covariance_of(make_kernel(kernel, 3), points(array, 4))) is wanted


@pytest.mark.parametrize("kind", ["rbf", "ard"])
def test_a_single_point_and_no_new_points(array, kind):
    kernel, covariance = kernel_and_covariance(kind, points(array, 1))
    theta = some_theta(kernel)
    assert float(covariance.matrix(theta)[0, 0]) == pytest.approx(math.exp(theta[0]), rel=1e-14)
    assert covariance.between(theta, points(array, 3)[:0], points(array, 1)).shape == (0, 1)
    assert covariance.variance(theta, points(array, 3)[:0]).shape == (0,)
