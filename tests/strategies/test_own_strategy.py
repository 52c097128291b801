"""A strategy of one's own, on the example of the paper's Listing 5 (in 40 lines there)."""

import ast
import inspect

import numpy as np
import pytest

import aljupyter as al
from tests.strategies.own import EpsilonGreedy

LINES_OF_THE_PAPER = 40


@pytest.fixture
def learner():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (80, 2))
    return al.ActiveLearner(
        al.DataManager(x, np.sin(x).sum(axis=1), labelled=8, test=0.2, seed=0),
        al.GPRegressor(optimizer=None),
        EpsilonGreedy(eps=0.25),
    )


def test_it_takes_a_quarter_at_random_and_the_rest_greedily(learner):
    query = learner.query(20)
    means = learner.model.posterior(learner.data.unlabelled).mean_N.numpy()
    pool = learner.data.unlabelled.indices
    assert query.indices[:15].tolist() == pool[np.argsort(-means)[:15]].tolist()
    assert len(set(query.indices)) == 20
    assert set(query.indices[15:]) != set(pool[np.argsort(-means)[15:20]])
    again = learner.query(20)
    np.testing.assert_array_equal(query.indices, again.indices)


def test_it_plays_rounds_and_reads_like_its_definition(learner):
    records = learner.run(rounds=3, n=4, progress=False)
    assert [record.strategy for record in records] == ["EpsilonGreedy(eps=0.25)"] * 3
    assert repr(EpsilonGreedy()) == "EpsilonGreedy()"


def test_it_can_be_restricted_as_any_other(learner):
    candidates = learner.data.unlabelled.indices[::3]
    learner.strategy = EpsilonGreedy(eps=0.5).within(candidates=candidates)
    assert set(learner.query(6).indices) <= set(candidates)


def test_it_is_shorter_than_in_the_paper():
    tree = ast.parse(inspect.getsource(EpsilonGreedy))
    assert tree.body[0].end_lineno < LINES_OF_THE_PAPER / 2
