"""Measures of a committee's disagreement against their definitions, counted and summed by hand."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy.stats import entropy as scipy_entropy

from aljupyter.errors import InvalidPosterior, NoDraws, TooFewClasses, WrongShape
from aljupyter.informativeness import bald, committee
from aljupyter.informativeness.committee import (
    consensus_entropy,
    mean_divergence,
    member_variance,
    variation_ratio,
    vote_entropy,
)
from tests.posteriors import drawn_posteriors

OF_CLASSES = [vote_entropy, variation_ratio, consensus_entropy, mean_divergence]


def votes_of(probs_S_N_C, n):
    """Votes about one point, a member at a time; a tie is split."""
    votes = Counter()
    for row in probs_S_N_C[:, n].tolist():
        likeliest = [c for c, p in enumerate(row) if p == max(row)]
        for c in likeliest:
            votes[c] += 1 / len(likeliest)
    return votes


@given(drawn_posteriors())
@settings(deadline=None)
def test_votes_are_counted(posterior):
    members = posterior.probs_S_N_C
    for n, (entropy, ratio) in enumerate(zip(vote_entropy(members), variation_ratio(members), strict=True)):
        shares = [count / len(members) for count in votes_of(members, n).values()]
        assert float(entropy) == pytest.approx(-sum(v * math.log(v) for v in shares), abs=1e-12)
        assert float(ratio) == pytest.approx(1 - max(shares), abs=1e-12)


@given(drawn_posteriors())
@settings(deadline=None)
def test_the_divergence_is_scipys_and_the_consensus_the_mean(posterior):
    members = posterior.probs_S_N_C.numpy()
    mean_N_C = members.mean(0)
    np.testing.assert_allclose(consensus_entropy(members), scipy_entropy(mean_N_C, axis=-1), atol=1e-12)
    divergences_S_N = scipy_entropy(members, mean_N_C, axis=-1)
    np.testing.assert_allclose(mean_divergence(members), divergences_S_N.mean(0), atol=1e-12)


@given(drawn_posteriors())
@settings(deadline=None)
def test_the_divergence_of_draws_of_equal_weight_is_bald(posterior):
    if posterior.weights_S is None:
        torch.testing.assert_close(mean_divergence(posterior.probs_S_N_C), bald(posterior), rtol=0, atol=1e-12)


@given(drawn_posteriors())
@settings(deadline=None)
def test_neither_the_order_of_classes_nor_that_of_members_matters(posterior):
    members = posterior.probs_S_N_C
    for measure in OF_CLASSES:
        value = measure(members)
        assert (value >= 0).all() and (value <= math.log(members.shape[2]) + 1e-12).all()
        for other in (members.flip(2), members.flip(0)):
            torch.testing.assert_close(measure(other), value, rtol=0, atol=1e-12)


def test_each_measure_prefers_another_point():
    """By hand: four members and four points, each the highest of one measure alone."""
    split = [[0.55, 0.45, 0.0]] * 2 + [[0.45, 0.55, 0.0]] * 2  # votes 2:2, hardly a difference
    unsure = [[0.34, 0.33, 0.33]] * 4  # all unsure alike, one vote for all
    sure = [[1.0, 0.0, 0.0]] * 3 + [[0.0, 1.0, 0.0]]  # one contradicts the others, all of them sure
    three = [[0.5, 0.3, 0.2]] * 2 + [[0.3, 0.5, 0.2], [0.3, 0.2, 0.5]]  # votes 2:1:1
    members = np.stack([split, unsure, sure, three], 1)
    assert [int(measure(members).argmax()) for measure in (vote_entropy, consensus_entropy, mean_divergence)] == [
        3,
        1,
        2,
    ]
    np.testing.assert_allclose(variation_ratio(members), [0.5, 0.0, 0.25, 0.5])
    expected = [math.log(2), 0.0, -0.75 * math.log(0.75) - 0.25 * math.log(0.25), 1.5 * math.log(2)]
    np.testing.assert_allclose(vote_entropy(members), expected)


def test_a_member_that_cannot_decide_splits_its_vote():
    members = [[[0.5, 0.5, 0.0]], [[0.8, 0.1, 0.1]]]
    assert vote_entropy(members).item() == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert variation_ratio(members).item() == 0.25
    third = 1 / 3
    assert vote_entropy([[[third, third, 1 - 2 * third]]] * 2).item() == pytest.approx(math.log(3))


def test_ambiguity_is_the_error_of_the_members_less_that_of_the_committee():
    """Krogh & Vedelsby's decomposition: (f - y)^2 = mean (f_s - y)^2 - ambiguity, whatever y is."""
    rng = np.random.default_rng(0)
    values_S_N, y_N = rng.normal(size=(5, 20)), rng.normal(size=20)
    of_members_N = ((values_S_N - y_N) ** 2).mean(0)
    of_committee_N = (values_S_N.mean(0) - y_N) ** 2
    np.testing.assert_allclose(member_variance(values_S_N), of_members_N - of_committee_N, atol=1e-12)


@pytest.mark.parametrize("measure", OF_CLASSES)
@pytest.mark.parametrize("size", [1, 50, 2**22])
def test_pieces_do_not_matter(monkeypatch, measure, size):
    members = np.random.default_rng(0).dirichlet([1, 1, 1], (4, 23))
    whole = measure(members)
    monkeypatch.setattr(committee, "_PIECE", size)
    torch.testing.assert_close(measure(members), whole, rtol=0, atol=1e-15)


@pytest.mark.parametrize("measure", OF_CLASSES)
def test_what_is_no_committee_is_refused(measure):
    assert measure(torch.empty(4, 0, 3)).shape == (0,)
    assert measure(torch.full((2, 1, 2), 0.5, dtype=torch.float32)).dtype == torch.float64
    with pytest.raises(WrongShape, match=r"\(S, N, C\)"):
        measure([[0.5, 0.5]])
    with pytest.raises(NoDraws, match="one alone"):
        measure([[[0.5, 0.5]]])
    with pytest.raises(TooFewClasses):
        measure([[[1.0]], [[1.0]]])
    for row in ([2.0, -1.0], [3.0, 1.0], [math.nan, 1.0]):
        with pytest.raises(InvalidPosterior, match="softmax"):
            measure([[row], [row]])


def test_numbers_of_a_committee_are_checked():
    assert member_variance(torch.empty(3, 0)).shape == (0,)
    with pytest.raises(WrongShape, match=r"\(S, N\)"):
        member_variance([1.0, 2.0])
    with pytest.raises(NoDraws):
        member_variance([[1.0, 2.0]])
    with pytest.raises(InvalidPosterior, match="finite"):
        member_variance([[1.0], [math.inf]])
