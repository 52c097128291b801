"""What the heatmap can show beside measures: each against a loop over the cells, and drawn in its own colours."""

import numpy as np
import pytest
import torch

import aljupyter as al
from aljupyter.widgets import moments, theme
from aljupyter.widgets.frames import CLASSES, Painter
from aljupyter.widgets.heats import all_shown
from aljupyter.widgets.planes import Inputs, choose_plane
from tests.widgets.explorers import choose, click, make_learner


def learner_of(task="classification", n_features=2, truth=True):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, n_features))
    y = np.array(["no", "yes", "so"])[np.digitize(x[:, 0], [-0.5, 0.5])] if task == "classification" else x[:, 0] ** 2
    if not truth:
        y = y.astype(object)
        y[40] = None
    data = al.DataManager(x, y, test=0.25, labelled=20, seed=0, **({} if truth else {"task": task}))
    strategy = al.strategies.Entropy() if task == "classification" else al.strategies.Variance()
    learner = al.ActiveLearner(data, strategy=strategy, seed=0)
    learner.fit()
    return learner


def heat_of(learner, name, plane=None, n=6):
    painter = Painter(learner.data, choose_plane(Inputs(learner.data), plane), n)
    moment = moments.present(learner, learner.model, np.zeros(0, np.int64))
    painter.look(learner.model)
    return painter, painter.frame(moment, all_shown(learner.measures(), learner.data)[name], name).heat


def test_the_density_is_that_of_the_nearest_pool_points():
    learner = learner_of(n_features=4)
    painter, heat = heat_of(learner, "density of the pool", plane="pca")
    pool = learner.data.unlabelled.x
    expected = [1 / (row - pool).norm(dim=1).sort().values[:5].mean() for row in painter._grid]
    np.testing.assert_allclose(heat.values_H_W.ravel(), expected, rtol=1e-5)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_error_is_that_of_the_nearest_point_on_the_picture(task):
    learner = learner_of(task)
    painter, heat = heat_of(learner, "error at the nearest point (by the truth)")
    train, plane = learner.data.train, painter.plane
    truth, posterior = learner.data.truth(train.indices), learner.model.posterior(train)
    places, cells = plane.project(train.x), plane.project(painter._grid)
    spans = np.array([np.ptp(plane.x_limits), np.ptp(plane.y_limits)])
    for value, cell in zip(heat.values_H_W.ravel(), cells, strict=True):
        k = int((((places - cell) / spans) ** 2).sum(1).argmin())
        error = 1 - posterior.mean_N_C[k, truth[k]] if task == "classification" else abs(posterior.mean_N[k] - truth[k])
        assert value == pytest.approx(float(error), rel=1e-5)


def test_the_two_parts_of_the_entropy_add_up():
    learner = learner_of()
    _, epistemic = heat_of(learner, "epistemic part (mutual information)")
    _, aleatoric = heat_of(learner, "aleatoric part (expected entropy)")
    _, entropy = heat_of(learner, "entropy")
    np.testing.assert_allclose(epistemic.values_H_W + aleatoric.values_H_W, entropy.values_H_W, atol=1e-6)
    assert (epistemic.values_H_W > -1e-6).all() and epistemic.values_H_W.max() > 0.01


def test_the_noise_is_that_of_the_model():
    learner = learner_of("regression")
    _, heat = heat_of(learner, "noise (aleatoric part)")
    np.testing.assert_allclose(heat.values_H_W, learner.model.estimator_.noise_**0.5, rtol=1e-5)


def test_the_predicted_class_is_drawn_in_the_colours_of_the_classes(explore):
    learner = learner_of()
    explorer = explore(learner, grid=20, measure="predicted class")
    view = explorer._screen.heatmap
    _, heat = heat_of(learner, "predicted class", n=20)
    assert heat.palette == CLASSES and not view._colour_axis.visible
    palette = theme.heat_palette(n_classes=3)
    levels = theme.decode_png(view.image.image.value)[::-1]
    expected = [[theme.class_colour(int(code)) for code in row] for row in heat.values_H_W]
    shown = [["#{:02X}{:02X}{:02X}".format(*palette[level]) for level in row] for row in levels]
    assert shown == expected and len(set(sum(shown, []))) == 3
    choose(explorer, "measure", "entropy")
    assert view._colour_axis.visible and view.colours.colors == theme.heat_colours()
    assert explorer.last_error is None


@pytest.mark.parametrize("n_features", [1, 2, 4])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_all_of_the_menu_is_drawn_in_every_plane_now_then_and_compared(explore, task, n_features):
    learner = learner_of(task, n_features)
    learner.run(2, progress=False)
    explorer = explore(learner)
    for name in all_shown(learner.measures(), learner.data):
        choose(explorer, "measure", name)
        explorer._timeline.slider.value = 0
        explorer._timeline.pin.value = True
        explorer._timeline.slider.value = 1
        assert f": {name}" in explorer.summary() and explorer.last_error is None, name
        assert explorer.picture().startswith(b"\x89PNG")
        explorer._timeline.pin.value = False
        explorer._timeline.slider.value = 2


def test_what_the_model_does_not_say_is_said_beside_the_points(explore):
    explorer = explore(make_learner())  # a model without draws
    choose(explorer, "measure", "epistemic part (mutual information)")
    caption = explorer._screen.heatmap.widget.children[0].value
    assert "draws" in caption and not explorer._screen.heatmap.image.visible
    click(explorer, "step")
    assert len(explorer._screen.right.curve.curve.x) == 2 and explorer.last_error is None
    choose(explorer, "measure", "entropy")
    assert explorer._screen.heatmap.image.visible


def test_without_the_truth_no_error_is_offered():
    learner = learner_of("regression", truth=False)
    assert not any("truth" in name for name in all_shown(learner.measures(), learner.data))
    assert any("truth" in name for name in all_shown(learner.measures(), learner_of().data))


def test_the_density_needs_no_model(explore):
    data = al.DataManager(torch.randn(30, 2, generator=torch.Generator().manual_seed(0)), [0, 1] * 15, labelled=0)
    explorer = explore(al.ActiveLearner(data), measure="density of the pool")
    assert explorer._screen.heatmap.image.visible and "Heatmap: density of the pool" in explorer.summary()
