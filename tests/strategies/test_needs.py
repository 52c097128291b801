"""What strategies ask of a model, and what they are told where it does not have it."""

import numpy as np
import pytest
import torch

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.errors import ModelError, ModelLacks, NonFiniteFeatures, WrongShape
from aljupyter.models.gp.manager import GPManager
from aljupyter.strategies import needs
from tests.managers import Mean, NearestMean
from tests.strategies.conformance import Lines, Members
from tests.strategies.known import Says


def pool_of(model, task=None, n_points=16):
    task = task or ("classification" if model is None else model.task)
    x = np.random.default_rng(0).normal(size=(n_points, 2))
    y = x[:, 0] > 0 if task == "classification" else x[:, 0]
    y[:2] = [0, 1]
    data = al.DataManager(x, y, labelled=[0, 1, 2, 3], preprocess=None, task=task)
    if isinstance(model, Says):
        model.told_of(data)
    elif model is not None:
        model.fit(data.labelled)
    return s.Pool(data.unlabelled, data.labelled, model)


def gp(task):
    return GPManager(al.GPClassifier(optimizer=None) if task == "classification" else al.GPRegressor(optimizer=None))


ASK = {
    "functions": lambda pool: needs.functions(pool, 3, np.random.default_rng(0), "Someone()"),
    "covariance": lambda pool: needs.covariance(pool, "Someone()"),
    "embedding": lambda pool: needs.embedding(pool, pool.unlabelled, "Someone()"),
    "gradients": lambda pool: needs.gradients(pool, pool.unlabelled, "Someone()"),
    "fantasies": lambda pool: needs.fantasies(pool, "Someone()"),
}


@pytest.mark.parametrize("need", ASK)
def test_before_a_fit_there_is_nothing_to_ask(need):
    with pytest.raises(ModelError, match="'Someone\\(\\)' asks the model, and no model is fitted yet"):
        ASK[need](pool_of(None))


@pytest.mark.parametrize("model", [NearestMean(), Mean()], ids=["classes", "values"])
@pytest.mark.parametrize("need", [need for need in ASK if need != "embedding"])
def test_what_a_model_lacks_is_named_and_so_is_who_has_it(need, model):
    with pytest.raises(ModelLacks) as error:
        ASK[need](pool_of(model))
    what, have = needs.NEEDS[need]
    assert what in str(error.value) and have in str(error.value) and "NearestMean()" in str(error.value)
    assert isinstance(error.value, ModelError) and "Someone()" in str(error.value)


def test_who_is_said_to_have_something_has_it():
    for need, (_, have) in needs.NEEDS.items():
        if need in ASK:
            for name, task in (("GPClassifier", "classification"), ("GPRegressor", "regression")):
                if name in have or have.startswith("Every"):
                    assert ASK[need](pool_of(gp(task))) is not None, (need, name)


@pytest.mark.parametrize("model", [Members(), gp("classification")], ids=["members", "gp"])
def test_draws_of_classes_are_one_function_at_all_points(model):
    pool = pool_of(model)
    draws = needs.functions(pool, 6, np.random.default_rng(0), "me")
    assert draws.shape == (6, 12, 2) and isinstance(draws, np.ndarray)
    np.testing.assert_allclose(draws.sum(-1), 1)
    np.testing.assert_array_equal(draws, needs.functions(pool, 6, np.random.default_rng(0), "me"))
    assert needs.functions(pool, 6, np.random.default_rng(0), "me", np.array([3, 1])).shape == (6, 2, 2)


@pytest.mark.parametrize("model", [Lines(), gp("regression")], ids=["members", "gp"])
def test_draws_of_values_are_one_function_at_all_points(model):
    pool = pool_of(model)
    draws = needs.functions(pool, 4, np.random.default_rng(0), "me")
    assert draws.shape == (4, 12) and isinstance(draws, np.ndarray)
    some = needs.functions(pool, 4, np.random.default_rng(0), "me", np.array([3, 1]))
    if isinstance(model, Lines):
        np.testing.assert_array_equal(some, draws[:, [3, 1]])
    assert some.shape == (4, 2)


def test_draws_that_are_no_functions_are_refused():
    """Drawn point by point, they say nothing of two points together."""
    draws = np.full((5, 16, 2), 0.5)
    model = Says(draws[0], draws=draws)
    coupled = model.posterior
    assert needs.functions(pool_of(model), 3, np.random.default_rng(0), "me").shape == (3, 12, 2)

    def apart(x):
        posterior = coupled(x)
        return type(posterior)(posterior.mean_N_C, posterior.probs_S_N_C, coupled=False)

    model.posterior = apart
    with pytest.raises(ModelLacks, match="one function at all points"):
        needs.functions(pool_of(model), 3, np.random.default_rng(0), "me")


def test_covariances_are_those_of_the_unlabelled_points():
    pool = pool_of(gp("regression"))
    cov = needs.covariance(pool, "me").cov(slice(None), slice(None))
    np.testing.assert_allclose(cov.diagonal(), pool.posterior.variance_N, rtol=1e-6)


def test_an_embedding_is_a_row_for_each_point():
    assert needs.embedding(pool_of(NearestMean()), pool_of(NearestMean()).labelled, "me").shape == (4, 2)

    class Deep(NearestMean):
        def embed(self, x):
            return torch.ones(len(x), 2, 3, dtype=torch.float16)

    found = needs.embedding(pool_of(Deep()), pool_of(Deep()).unlabelled, "me")
    assert found.shape == (12, 6)


def test_an_embedding_that_is_not_finite_is_refused():
    class Broken(NearestMean):
        def embed(self, x):
            return torch.full((len(x), 2), torch.nan)

    with pytest.raises(NonFiniteFeatures, match="not finite, so 'me' cannot"):
        needs.embedding(pool_of(Broken()), pool_of(Broken()).unlabelled, "me")


def test_gradients_come_in_two_factors():
    for task, width in (("classification", 2), ("regression", 1)):
        pool = pool_of(gp(task))
        residual, embed = needs.gradients(pool, pool.unlabelled, "me")
        assert residual.shape == (12, width) and embed.shape == (12, 2)


def test_a_fantasy_is_a_model_as_if():
    pool = pool_of(gp("regression"))
    imagined = needs.fantasies(pool, "me")(pool.unlabelled.x[:1], np.array([9.0]))
    assert imagined.posterior(pool.unlabelled.x[:1]).mean_N.item() > pool.posterior.mean_N[0].item()


def test_an_error_of_another_kind_stays_what_it_is():
    class Broken(NearestMean):
        def gradient_embed(self, x, posterior=None):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        needs.gradients(pool_of(Broken()), pool_of(Broken()).unlabelled, "me")


@pytest.mark.parametrize("strategy", [s.KCenter(embedding="model"), s.RelativeDistance(embedding="model"), s.BADGE()])
@pytest.mark.parametrize("shape", [(3, 2), (16,)])
def test_an_embedding_of_the_wrong_length_is_refused(strategy, shape):
    class Off(NearestMean):
        def embed(self, x):
            return torch.zeros(shape, dtype=torch.float64)

        def gradient_embed(self, x, posterior=None):
            return torch.zeros(shape, dtype=torch.float64), self.embed(x)

    pool = pool_of(Off())
    with pytest.raises(WrongShape):
        s.as_strategy(strategy).score(pool)
