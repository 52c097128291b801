import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from aljupyter.control import Control
from aljupyter.errors import RoundCancelled
from aljupyter.models.gp.optimise import bfgs, lbfgsb, run, run_together

WIDE = np.array([[-10.0, 10.0]] * 2)


def minimise(objective, start, bounds, control=None, tolerance=1e-9, **options):
    return run(bfgs(start, bounds, tolerance=tolerance, **options), objective, control)


def rosenbrock(x):
    return rosen(x), rosen_der(x)


def two_valleys(x):
    """Minima near -2 (value about -1) and near 2 (value about -2)."""
    left, right = np.exp(-((x + 2) ** 2)), 2 * np.exp(-((x - 2) ** 2))
    return float((-left - right).sum()), 2 * (x + 2) * left + 2 * (x - 2) * right


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_bfgs_finds_the_minimum_of_a_quadratic_in_a_box(n, seed):
    generator = np.random.default_rng(seed)
    root, centre = generator.normal(size=(n, n)), 2 * generator.normal(size=n)
    A = root @ root.T + 0.1 * np.eye(n)

    def quadratic(x):
        return 0.5 * (x - centre) @ A @ (x - centre), A @ (x - centre)

    bounds = np.array([[-1.0, 1.0]] * n)
    found = minimise(quadratic, np.zeros(n), bounds)
    truth = minimize(quadratic, np.zeros(n), jac=True, bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-10})
    assert found.value <= truth.fun + 1e-6
    assert (np.abs(found.theta) <= 1).all()


@pytest.mark.parametrize("minimiser", [minimise, lbfgsb])
def test_the_valley_of_rosenbrock_is_followed_to_its_end(minimiser):
    found = minimiser(rosenbrock, np.array([-1.2, 1.0]), WIDE)
    np.testing.assert_allclose(found.theta, 1, atol=1e-3)


def test_a_minimum_outside_the_box_ends_on_its_side():
    bounds = np.array([[-2.0, 0.5], [-2.0, 2.0]])
    found = minimise(rosenbrock, np.array([-1.2, 1.0]), bounds)
    np.testing.assert_allclose(found.theta, [0.5, 0.25], atol=1e-4)


def test_a_carried_inverse_hessian_saves_evaluations():
    calls = []

    def counted(x):
        calls.append(x)
        return rosenbrock(x)

    first = minimise(counted, np.array([0.5, 0.5]), WIDE)
    cold = len(calls)
    minimise(counted, first.theta + 1e-3, WIDE, inverse_hessian=first.inverse_hessian)
    assert len(calls) - cold < cold / 2


def test_a_wrong_inverse_hessian_is_thrown_away():
    found = minimise(rosenbrock, np.array([-1.2, 1.0]), WIDE, inverse_hessian=-np.eye(2))
    np.testing.assert_allclose(found.theta, 1, atol=1e-3)


def test_a_gradient_that_lies_ends_the_search_where_it_is():
    found = minimise(lambda x: (float(x @ x), -2 * x), np.ones(2), WIDE, inverse_hessian=np.eye(2))
    np.testing.assert_array_equal(found.theta, [1, 1])


def test_steps_into_infinity_are_taken_back():
    def walled(x):
        return (math.inf, np.zeros(1)) if x[0] > 1.5 else (float((x[0] - 1.4) ** 2), 2 * (x - 1.4))

    assert minimise(walled, np.array([-3.0]), WIDE[:1]).theta == pytest.approx([1.4], abs=1e-4)


def test_an_infinite_start_is_given_up():
    found = minimise(lambda x: (math.inf, np.zeros(1)), np.zeros(1), WIDE[:1])
    assert found.value == math.inf


@pytest.mark.parametrize("starts", [[-2.5, 2.5], [2.5, -2.5]])
def test_searches_together_end_where_each_would_alone(starts):
    turns = []

    def evaluate(which, thetas):
        turns.append(which)
        return [two_valleys(theta) for theta in thetas]

    found = run_together([bfgs(np.array([start]), WIDE[:1], tolerance=1e-9) for start in starts], evaluate)
    for start, optimum in zip(starts, found, strict=True):
        alone = minimise(two_valleys, np.array([start]), WIDE[:1])
        np.testing.assert_array_equal(optimum.theta, alone.theta)
        assert optimum.value == alone.value
        assert optimum.theta == pytest.approx([2.0 if start > 0 else -2.0], abs=1e-3)
    assert turns[0] == [0, 1]
    assert all(set(later) <= set(earlier) for earlier, later in zip(turns, turns[1:], strict=False))


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_a_coarse_search_ends_sooner_and_about_its_tolerance_from_the_minimum(tolerance):
    def count(tolerance):
        calls = []

        def counted(x):
            calls.append(x)
            return 1 - math.exp(-0.5 * x @ A @ x), math.exp(-0.5 * x @ A @ x) * (A @ x)

        return minimise(counted, np.array([0.5, 0.3, -0.3]), WIDE[[0, 0, 0]], tolerance=tolerance).value, len(calls)

    A = np.diag([1.0, 2.0, 5.0])
    value, calls = count(tolerance)
    assert value < 3 * tolerance
    assert calls < count(1e-3 * tolerance)[1]


@pytest.mark.parametrize("minimiser", [minimise, lbfgsb])
def test_cancel_is_heard_before_the_next_evaluation(minimiser):
    control, calls = Control(), []

    def cancelling(x):
        calls.append(x)
        if len(calls) == 3:
            control.cancel()
        return rosenbrock(x)

    with pytest.raises(RoundCancelled):
        minimiser(cancelling, np.array([-1.2, 1.0]), WIDE, control=control)
    assert len(calls) == 3
