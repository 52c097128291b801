import copy
import math

import numpy as np
import pytest
import torch
from gpytorch.constraints import Interval
from gpytorch.kernels import LinearKernel, MaternKernel, PeriodicKernel, RBFKernel, ScaleKernel
from gpytorch.priors import NormalPrior
from scipy.spatial.distance import pdist

from aljupyter.errors import ModelError, WrongShape
from aljupyter.models.gp.kernels import (
    LogInterval,
    copy_of,
    data_start,
    get_theta,
    make_kernel,
    rms_distance,
    set_theta,
    theta_bounds,
)
from aljupyter.models.gp.priors import log_prior


def test_theta_of_a_named_kernel_is_scikit_learns():
    kernel = make_kernel("ard", 3)
    np.testing.assert_array_equal(get_theta(kernel), np.zeros(4))
    set_theta(kernel, np.log([4.0, 1.0, 2.0, 3.0]))
    assert kernel.outputscale.item() == pytest.approx(4)
    np.testing.assert_allclose(kernel.base_kernel.lengthscale.detach()[0], [1, 2, 3])
    np.testing.assert_allclose(theta_bounds(kernel), [[math.log(1e-5), math.log(1e5)]] * 4)


def test_hyperparameters_are_set_the_way_of_gpytorch():
    kernel = make_kernel("rbf", 3)
    kernel.outputscale, kernel.base_kernel.lengthscale = 4.0, 0.5
    np.testing.assert_allclose(np.exp(get_theta(kernel)), [4, 0.5])


def test_a_parameter_without_constraint_is_free_and_no_logarithm():
    kernel = RBFKernel()
    kernel.register_parameter("slope", torch.nn.Parameter(torch.tensor([-2.0])))
    kernel = make_kernel(kernel, 1)
    assert get_theta(kernel)[-1] == -2
    np.testing.assert_array_equal(theta_bounds(kernel)[-1], [-math.inf, math.inf])


@pytest.mark.parametrize("wrong", ["matern", None, 3])
def test_an_unknown_kernel_is_refused(wrong):
    with pytest.raises(ModelError, match='kernel must be "rbf", "ard"'):
        make_kernel(wrong, 2)


def test_a_theta_of_another_length_is_refused():
    with pytest.raises(WrongShape, match="theta must have 2 entries"):
        set_theta(make_kernel("rbf", 2), np.zeros(3))


@pytest.mark.parametrize(
    "kernel",
    [
        MaternKernel(2.5),
        ScaleKernel(MaternKernel(1.5, ard_num_dims=3)) + LinearKernel(),
        ScaleKernel(RBFKernel(active_dims=[0, 1])) * PeriodicKernel(active_dims=[2]),
    ],
    ids=["Matern", "sum", "product"],
)
def test_a_kernel_of_ones_own_keeps_its_values_and_is_left_alone(kernel):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 3)))
    before = copy.deepcopy(kernel.state_dict())
    own = make_kernel(kernel, 3)
    torch.testing.assert_close(own(x).to_dense(), kernel.double()(x).to_dense(), rtol=1e-6, atol=1e-6)
    kernel.float()
    set_theta(own, get_theta(own) + 1)
    for name, value in kernel.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_a_kernel_of_ones_own_keeps_its_bounds():
    kernel = make_kernel(ScaleKernel(RBFKernel(lengthscale_constraint=Interval(0.25, 4.0))), 2)
    np.testing.assert_allclose(np.exp(theta_bounds(kernel)), [[1e-5, 1e5], [0.25, 4.0]])
    assert isinstance(kernel.base_kernel.raw_lengthscale_constraint, LogInterval)


def test_a_fixed_hyperparameter_is_not_in_theta():
    kernel = ScaleKernel(RBFKernel())
    kernel.raw_outputscale.requires_grad_(False)
    assert get_theta(make_kernel(kernel, 2)).shape == (1,)


def test_length_scales_for_another_number_of_features_are_refused():
    with pytest.raises(WrongShape, match="length scales for 3 features"):
        make_kernel(ScaleKernel(RBFKernel(ard_num_dims=3)), 2)


def test_rms_distance_is_over_pairs():
    x = np.random.default_rng(0).normal(size=(20, 3))
    assert rms_distance(torch.from_numpy(x)) == pytest.approx(math.sqrt((pdist(x) ** 2).mean()))


@pytest.mark.parametrize("x", [[[3.0]], [[3.0], [3.0]]], ids=["one point", "the same point twice"])
def test_rms_distance_of_no_distance_is_one(x):
    assert rms_distance(torch.tensor(x)) == 1.0


def test_the_start_from_the_data_reaches_into_sums():
    kernel = make_kernel(ScaleKernel(RBFKernel()) + ScaleKernel(MaternKernel(2.5)), 1)
    theta = data_start(kernel, torch.tensor([[0.0], [10.0]]).double(), log_variance=math.log(3), log_length=0.0)
    np.testing.assert_allclose(np.exp(theta), [3, 7, 3, 7], rtol=1e-6)
    np.testing.assert_array_equal(get_theta(kernel), theta)
    shorter = data_start(kernel, torch.tensor([[0.0], [10.0]]).double(), log_variance=0.0, log_length=-1.0)
    np.testing.assert_allclose(np.exp(shorter), [1, 7 / math.e, 1, 7 / math.e], rtol=1e-6)


def test_the_start_from_the_data_leaves_what_it_says_nothing_about():
    kernel = ScaleKernel(PeriodicKernel())
    kernel.base_kernel.period_length = 2.5
    own = make_kernel(kernel, 1)
    data_start(own, torch.tensor([[0.0], [10.0]]).double(), log_variance=0.0, log_length=0.0)
    assert own.base_kernel.period_length.item() == pytest.approx(2.5)
    assert own.base_kernel.lengthscale.item() == pytest.approx(7)


@pytest.mark.parametrize(
    "kernel",
    ["rbf", "ard", ScaleKernel(MaternKernel(1.5)) + LinearKernel()],
    ids=["rbf", "ard", "sum"],
)
def test_a_copy_has_parameters_of_its_own_and_shares_the_rest(kernel):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 3)))
    first = make_kernel(kernel, 3)
    twin = copy_of(first)
    theta = get_theta(first)
    torch.testing.assert_close(twin(x).to_dense(), first(x).to_dense(), rtol=0, atol=0)
    set_theta(twin, theta + 1)
    np.testing.assert_array_equal(get_theta(first), theta)
    np.testing.assert_array_equal(get_theta(twin), theta + 1)
    np.testing.assert_array_equal(theta_bounds(twin), theta_bounds(first))
    assert twin.state_dict().keys() == first.state_dict().keys()
    assert not torch.allclose(twin(x).to_dense(), first(x).to_dense())
    for one, other in zip(first.parameters(), twin.parameters(), strict=True):
        assert one.data_ptr() != other.data_ptr()


def test_a_copy_hears_the_priors_of_the_first():
    prior = NormalPrior(torch.tensor(2.0), torch.tensor(0.5))
    first = make_kernel(ScaleKernel(RBFKernel(lengthscale_prior=prior)), 1)
    twin = copy_of(first)
    set_theta(twin, np.log([1.0, 2.0]))
    set_theta(first, np.log([1.0, 9.0]))
    assert log_prior(twin).item() == pytest.approx(-math.log(0.5 * math.sqrt(2 * math.pi)), rel=1e-6)
