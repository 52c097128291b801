"""Expected improvement against quadrature and exact arithmetic; Thompson sampling against what it promises."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from aljupyter.errors import InvalidParameter, WrongTask
from aljupyter.informativeness import expected_improvement, thompson
from aljupyter.posterior import RegressionPosterior
from tests.posteriors import probs, regression_posteriors


def normal(mean, variance, **more):
    return RegressionPosterior(*(torch.tensor(v, dtype=torch.float64) for v in (mean, variance)), **more)


def exact(mean, std, incumbent):
    """s (phi(z) + z Phi(z)), to 60 digits more than cancel."""
    with mpmath.workdps(500):
        z = (mpmath.mpf(mean) - mpmath.mpf(incumbent)) / mpmath.mpf(std)
        return mpmath.mpf(std) * (mpmath.npdf(z) + z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2)


@pytest.mark.parametrize("z", [*np.linspace(-8, 8, 33), -0.001, 0.001])
@pytest.mark.parametrize("std", [1e-3, 1.0, 50.0])
def test_it_is_the_integral_of_the_improvement(z, std):
    incumbent = 0.75 * std
    mean = incumbent + z * std
    # Over t = improvement / std, against the density's value at t = 0, which is scaled out: no underflow.
    scaled, _ = quad(lambda t: t * math.exp(-0.5 * t * t + z * t), 0, max(z, 0) + 14, epsabs=0, epsrel=1e-13, limit=500)
    expected = std * scaled * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    assert expected_improvement(normal([mean], [std**2]), incumbent).item() == pytest.approx(expected, rel=1e-10, abs=0)


@pytest.mark.parametrize("z", [-37.0, -30.0, -20.0, -12.5, -8.0, -1.0, -1e-9, 0.0, 1e-9, 2.0, 9.0, 1e6])
def test_it_is_exact_as_far_as_there_are_numbers(z):
    assert expected_improvement(normal([z], [1.0]), 0.0).item() == pytest.approx(
        float(exact(z, 1, 0)), rel=1e-11, abs=0
    )


@pytest.mark.parametrize("z", [-1e9, -1e6, -1001.0, -1000.0, -999.0, -300.0, -38.0, -8.0, -1.0, 0.0, 0.5, 30.0])
def test_its_logarithm_is_exact_beyond(z):
    if z < -1e4:  # where the exact difference would take thousands of digits: the leading terms
        expected = -0.5 * z**2 - 0.5 * math.log(2 * math.pi) - 2 * math.log(-z)
    else:
        with mpmath.workdps(400):
            t = mpmath.mpf(z)
            scaled = 1 + t * mpmath.sqrt(mpmath.pi / 2) * mpmath.exp(t * t / 2) * mpmath.erfc(-t / mpmath.sqrt(2))
            expected = float(mpmath.log(scaled) - t * t / 2 - mpmath.log(2 * mpmath.pi) / 2)
    found = expected_improvement(normal([2 * z], [4.0]), 0.0, log=True).item() - math.log(2)
    assert found == pytest.approx(expected, rel=1e-13, abs=1e-11)


@given(regression_posteriors(), st.floats(-1e6, 1e6), st.floats(0, 10), st.sampled_from(["max", "min"]))
def test_it_is_never_nan_nor_below_zero_and_at_least_the_improvement_of_the_mean(posterior, incumbent, xi, goal):
    scores = expected_improvement(posterior, incumbent, xi, goal)
    sign = 1 if goal == "max" else -1
    gain = sign * (posterior.mean_N - incumbent) - xi
    assert torch.isfinite(scores).all()
    assert (scores >= gain.clamp_min(0) * (1 - 1e-12)).all()
    assert not expected_improvement(posterior, incumbent, xi, goal, log=True).isnan().any()


@given(regression_posteriors(), st.floats(-1e6, 1e6), st.floats(0, 10))
def test_the_smallest_is_the_largest_seen_in_a_mirror(posterior, incumbent, xi):
    mirrored = RegressionPosterior(-posterior.mean_N, posterior.variance_N)
    low = expected_improvement(posterior, incumbent, xi, goal="min")
    torch.testing.assert_close(low, expected_improvement(mirrored, -incumbent, xi), rtol=0, atol=0)


@given(regression_posteriors(), st.floats(-1e6, 1e6))
def test_the_logarithm_is_the_logarithm(posterior, incumbent):
    plain = expected_improvement(posterior, incumbent)
    logs = expected_improvement(posterior, incumbent, log=True)
    is_normal = plain > 1e-300
    torch.testing.assert_close(logs[is_normal], plain[is_normal].log(), rtol=1e-12, atol=1e-10)


def test_the_incumbent_counts():
    """PyRelationAL 1.0.2 ignores it: a sure gain at 0 is none at 100."""
    posterior = normal([1.0, 0.0], [0.01, 4.0])
    near, far = expected_improvement(posterior, 0.0), expected_improvement(posterior, 100.0, log=True)
    assert near.argmax() == 0
    assert far.argmax() == 1
    assert (expected_improvement(posterior, 5.0) < near).all()


def test_xi_moves_the_incumbent():
    posterior = normal([1.0, 0.0], [0.5, 4.0])
    torch.testing.assert_close(expected_improvement(posterior, 1.0, xi=0.5), expected_improvement(posterior, 1.5))
    torch.testing.assert_close(
        expected_improvement(posterior, 1.0, xi=0.5, goal="min"), expected_improvement(posterior, 0.5, goal="min")
    )


def test_without_variance_it_is_the_gain():
    posterior = normal([3.0, 2.0, 1.0], [0.0, 0.0, 0.0])
    assert expected_improvement(posterior, 2.0).tolist() == [1.0, 0.0, 0.0]
    assert expected_improvement(posterior, 2.0, xi=0.25, goal="min").tolist() == [0.0, 0.0, 0.75]
    assert expected_improvement(posterior, 2.0, log=True).tolist() == [0.0, -math.inf, -math.inf]


def test_far_below_the_incumbent_the_logarithm_still_ranks():
    posterior = normal([0.0, 1.0, 0.0], [1.0, 1.0, 2.0])
    assert expected_improvement(posterior, 300.0).tolist() == [0.0, 0.0, 0.0]
    assert expected_improvement(posterior, 300.0, log=True).argsort().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"incumbent": math.nan}, "finite number"),
        ({"incumbent": 0.0, "xi": -1.0}, "at least 0"),
        ({"incumbent": 0.0, "xi": math.inf}, "at least 0"),
        ({"incumbent": 0.0, "goal": "maximum"}, '"max" or "min"'),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, says):
    with pytest.raises(InvalidParameter, match=says):
        expected_improvement(normal([0.0], [1.0]), **arguments)


def test_class_probabilities_are_refused():
    with pytest.raises(WrongTask, match="for regression"):
        expected_improvement(probs([0.5, 0.5]), 0.0)
    with pytest.raises(WrongTask, match="for regression"):
        thompson(probs([0.5, 0.5]), np.random.default_rng(0))


def test_thompson_takes_one_draw_for_all_points():
    """PyRelationAL 1.0.2 takes another draw at each point, which is no function that anyone believes in."""
    draws = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]])
    posterior = RegressionPosterior(draws.mean(0), draws.var(0), draws_S_N=draws)
    seen = [thompson(posterior, np.random.default_rng(seed)) for seed in range(60)]
    assert all(len(set(scores.tolist())) == 1 for scores in seen)
    assert {scores[0].item() for scores in seen} == {0.0, 1.0, 2.0}


def test_thompson_asks_a_point_as_often_as_it_is_believed_best():
    """Two points, perfectly correlated up to sign, or independent: P(first best) is known."""
    posterior = normal([1.0, 0.0], [1.0, 3.0])
    firsts = [thompson(posterior, np.random.default_rng(seed)).argmax().item() == 0 for seed in range(2000)]
    believed = 0.5 * math.erfc(-1 / math.sqrt(1 + 3) / math.sqrt(2))
    assert np.mean(firsts) == pytest.approx(believed, abs=4 * math.sqrt(0.25 / 2000))


def test_thompson_repeats_itself():
    posterior = normal([1.0, 0.0], [1.0, 3.0])
    for make in (np.random.default_rng, torch.Generator().manual_seed):
        torch.testing.assert_close(thompson(posterior, make(3)), thompson(posterior, make(3)), rtol=0, atol=0)
        assert not torch.equal(thompson(posterior, make(3)), thompson(posterior, make(4)))
