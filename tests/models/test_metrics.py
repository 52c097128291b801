import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from aljupyter.errors import ModelError
from aljupyter.models.metrics import evaluate_posterior
from aljupyter.posterior import ClassPosterior, RegressionPosterior


def classes(n: int, n_classes: int) -> tuple[ClassPosterior, torch.Tensor]:
    generator = np.random.default_rng(n)
    probabilities = torch.from_numpy(generator.dirichlet(np.ones(n_classes), n))
    return ClassPosterior(probabilities), torch.from_numpy(generator.integers(0, n_classes, n))


def test_metrics_of_classes():
    posterior, y = classes(200, 3)
    found = evaluate_posterior(posterior, y)
    guess = posterior.mean_N_C.argmax(1)
    assert found["accuracy"] == pytest.approx(guess.eq(y).double().mean().item())
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, guess))
    assert found["log_loss"] == pytest.approx(-posterior.mean_N_C[range(200), y].log().mean().item())


def test_a_class_that_does_not_occur_neither_counts_nor_warns():
    posterior, _ = classes(20, 3)
    y = torch.tensor([0, 1] * 10)
    recalls = [posterior.mean_N_C.argmax(1)[y == c].eq(c).double().mean().item() for c in (0, 1)]
    assert evaluate_posterior(posterior, y)["balanced_accuracy"] == pytest.approx(np.mean(recalls))


def test_metrics_of_numbers():
    mean, y = torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([0.0, 2.0, 4.0]).double()
    found = evaluate_posterior(RegressionPosterior(mean, torch.ones(3).double()), y)
    assert found == pytest.approx({"mse": 5 / 3, "rmse": (5 / 3) ** 0.5, "r2": 1 - 5 / 8})


def test_r2_of_one_point_is_not_known():
    posterior = RegressionPosterior(torch.zeros(1).double(), torch.ones(1).double())
    assert np.isnan(evaluate_posterior(posterior, torch.ones(1).double(), ["r2"])["r2"])


def test_a_metric_of_the_other_task_is_refused():
    posterior, y = classes(5, 2)
    with pytest.raises(ModelError, match="'rmse' is not one of accuracy, balanced_accuracy, log_loss"):
        evaluate_posterior(posterior, y, ["rmse"])
