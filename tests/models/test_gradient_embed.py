"""Gradients of a last layer in two factors, against automatic differentiation."""

import numpy as np
import pytest
import torch

import aljupyter as al
from aljupyter.errors import ModelLacks, NotFitted
from aljupyter.models import as_manager
from tests.managers import NearestMean


def fitted(task, n_classes=3, labelled=12):
    x = np.random.default_rng(0).normal(size=(30, 4))
    y = x[:, 0] if task == "regression" else np.arange(30) % n_classes
    data = al.DataManager(x, y, labelled=labelled, task=task, preprocess=None, seed=0)
    model = al.GPRegressor(optimizer=None) if task == "regression" else al.GPClassifier(optimizer=None)
    manager = as_manager(model)
    manager.fit(data.labelled)
    return manager, data


@pytest.mark.parametrize("n_classes", [2, 3])
def test_of_a_classifier_it_is_the_gradient_of_the_cross_entropy_of_the_likeliest_class(n_classes):
    manager, data = fitted("classification", n_classes)
    residual, embed = manager.gradient_embed(data.unlabelled)
    assert residual.shape == (18, n_classes) and embed.shape == (18, 4)
    probs = manager.posterior(data.unlabelled).mean_N_C
    for i in range(18):
        # A last layer whose softmax is what the model says: any weights, and the biases that make it so.
        weights = torch.zeros(n_classes, 4, dtype=torch.float64, requires_grad=True)
        logits = weights @ data.unlabelled.x[i].double() + probs[i].log()
        torch.nn.functional.cross_entropy(logits[None], probs[i].argmax()[None]).backward()
        torch.testing.assert_close(torch.outer(residual[i], embed[i]), weights.grad, atol=1e-12, rtol=1e-9)


def test_of_a_regressor_it_is_the_gradient_of_the_prediction():
    manager, data = fitted("regression")
    residual, embed = manager.gradient_embed(data.unlabelled)
    assert residual.shape == (18, 1) and (residual == 1).all()
    torch.testing.assert_close(embed, data.unlabelled.x.double())


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_posterior_that_is_known_and_plain_points_are_as_good(task):
    manager, data = fitted(task)
    expected = manager.gradient_embed(data.unlabelled)
    known = manager.gradient_embed(data.unlabelled, manager.posterior(data.unlabelled))
    plain = manager.gradient_embed(data.unlabelled.x)
    for one, other in zip(expected * 2, (*known, *plain), strict=True):
        assert one.dtype == torch.float64
        torch.testing.assert_close(one, other)


def test_it_needs_a_fit_and_a_last_layer():
    with pytest.raises(NotFitted):
        as_manager(al.GPClassifier()).gradient_embed(torch.zeros(2, 3))
    with pytest.raises(ModelLacks, match=r"NearestMean\(\) has no last layer"):
        NearestMean().gradient_embed(torch.zeros(2, 3))
