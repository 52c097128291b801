"""Frames: what a picture shows, as numbers."""

import numpy as np
import pytest

import aljupyter as al
from aljupyter.strategies import ClassProbability, Entropy, Greedy, StandardDeviation
from aljupyter.widgets.curves import curve_frame
from aljupyter.widgets.frames import Moment, Painter
from aljupyter.widgets.planes import Inputs, choose_plane
from tests.managers import Mean, NearestMean


class Counting(NearestMean):
    """Counts the points that it was asked about."""

    asked = 0

    def posterior(self, x):
        self.asked += len(x)
        return super().posterior(x)


def painter_of(data, n=5):
    return Painter(data, choose_plane(Inputs(data)), n)


def blobs(n=40, n_features=2, **views):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return al.DataManager(rng.normal(size=(n, n_features)) + 3 * y[:, None], y, **({"labelled": 6} | views))


def moment_of(data, model=None, **more):
    return Moment(data.labelled, data.unlabelled.indices, model=model, **more)


def test_the_heat_is_the_measure_at_every_cell():
    data, model = blobs(), NearestMean()
    model.fit(data.labelled)
    painter = painter_of(data)
    painter.look(model)
    heat = painter.frame(moment_of(data, model), Entropy(), "entropy").heat
    expected = Entropy().values(model.posterior(painter.plane.grid(5))).reshape(5, 5)
    np.testing.assert_allclose(heat.values_H_W, expected, rtol=1e-6)
    assert heat.limits == (0.0, pytest.approx(np.log(2)))
    assert heat.title == "entropy (nats)"


def test_another_measure_does_not_ask_the_model_again():
    data, model = blobs(), Counting()
    model.fit(data.labelled)
    painter = painter_of(data)
    painter.look(model)
    assert model.asked == 25
    first = painter.frame(moment_of(data, model), Entropy(), "entropy")
    second = painter.frame(moment_of(data, model), ClassProbability(0), "probability of 0")
    assert model.asked == 25
    assert not np.array_equal(first.heat.values_H_W, second.heat.values_H_W)


def test_points_are_where_they_belong():
    data = blobs()
    asked, candidates = data.labelled.indices[-2:], data.unlabelled.indices[:3]
    frame = painter_of(data).frame(moment_of(data, asked=asked, candidates=candidates), Entropy(), "entropy")
    for points, indices in (
        (frame.labelled, data.labelled.indices),
        (frame.pool, data.unlabelled.indices),
        (frame.asked, asked),
        (frame.candidates, candidates),
    ):
        np.testing.assert_array_equal(points.indices, indices)
        np.testing.assert_allclose(points.xy, data.raw[indices], atol=1e-9)
    np.testing.assert_array_equal(frame.labels, data.labelled.y)
    assert frame.heat is None


def test_of_a_large_pool_the_same_1500_points_are_drawn_and_all_labelled_ones():
    n = 5000
    data = blobs(n, labelled=2000)
    painter = painter_of(data)
    before = painter.frame(moment_of(data), Entropy(), "entropy")
    assert before.n_pool == 3000
    assert len(before.pool) < 1500 and len(before.labelled) == 2000
    drawn = before.pool.indices[:5]
    data.label(drawn, data.decode(data.truth(drawn)))
    after = painter.frame(moment_of(data), Entropy(), "entropy")
    np.testing.assert_array_equal(after.pool.indices, before.pool.indices[5:])
    assert len(after.labelled) == 2005


def test_the_ground_is_the_same_in_every_round_and_has_the_pool_and_what_is_under_labels():
    data = blobs()
    painter = painter_of(data)
    before = painter.frame(moment_of(data), Entropy(), "entropy")
    given = data.unlabelled.indices[:3]
    data.label(given, data.decode(data.truth(given)))
    after = painter.frame(moment_of(data), Entropy(), "entropy")
    assert after.ground is before.ground
    np.testing.assert_array_equal(after.ground.indices, data.train.indices)
    assert set(after.pool.indices) < set(after.ground.indices)


def test_colours_of_an_unbounded_measure_mean_the_same_in_later_rounds():
    rng = np.random.default_rng(0)
    data, model = al.DataManager(rng.normal(size=(30, 2)), rng.normal(size=30), labelled=2), Mean()
    painter, seen = painter_of(data), []
    for _ in range(3):
        model.fit(data.labelled)
        painter.look(model)
        frame = painter.frame(moment_of(data, model), StandardDeviation(), "standard deviation")
        seen.append(frame.heat.limits)
        next_ = data.unlabelled.indices[:8]
        data.label(next_, data.decode(data.truth(next_)))
    assert seen[0] == seen[1] == seen[2], "uncertainty fell, so the first limits hold"
    assert seen[0][0] == 0


def test_a_line_of_regression_has_mean_band_and_labels_at_their_value():
    x = np.linspace(0, 9, 30)
    data, model = al.DataManager(x[:, None], x**2, labelled=5), Mean()
    model.fit(data.labelled)
    painter = painter_of(data)
    painter.look(model)
    frame = painter.frame(moment_of(data, model, asked=data.labelled.indices[-1:]), Greedy(), "mean")
    posterior = model.posterior(painter.plane.grid(5))
    np.testing.assert_allclose(frame.curves.y_K_N[0], posterior.mean_N)
    np.testing.assert_allclose(frame.curves.upper_N - frame.curves.lower_N, 2 * 1.96 * posterior.std_N)
    np.testing.assert_allclose(frame.labelled.xy[:, 1], data.labelled.y)
    np.testing.assert_allclose(frame.asked.xy[:, 1], data.labelled.y[-1:])
    # the heat lies below all that is drawn, the pool at its foot
    low, high = frame.heat.y_extent
    assert frame.y_limits[0] < low < high < frame.curves.lower_N.min()
    assert ((frame.pool.xy[:, 1] > low) & (frame.pool.xy[:, 1] < high)).all()
    assert frame.heat.values_H_W.shape == (1, 10)


def test_the_heat_of_a_line_is_a_curve_with_an_axis_of_its_own_and_candidates_on_it():
    x = np.linspace(0, 9, 40)
    data, model = al.DataManager(x[:, None], x**2, labelled=[0, 20, 39]), Mean()
    model.fit(data.labelled)
    painter = painter_of(data, 200)
    painter.look(model)
    next_ = data.unlabelled.indices[[5, 30]]
    frame = painter.frame(moment_of(data, model, candidates=next_), StandardDeviation(), "standard deviation")
    said = model.posterior(data.subset(next_)).std_N.numpy()
    low, high = frame.heat.scale_beside(frame.y_limits)  # read the values off the axis beside the picture
    bottom, top = frame.y_limits
    read = low + (frame.candidates.xy[:, 1] - bottom) / (top - bottom) * (high - low)
    np.testing.assert_allclose(read, said, atol=0.02 * said.max())
    curve_x, curve_y = frame.heat.curve
    read = low + (curve_y - bottom) / (top - bottom) * (high - low)
    np.testing.assert_allclose(read, frame.heat.values_H_W[0], atol=1e-5)
    assert (np.diff(curve_x) > 0).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_line_of_classes_has_one_curve_a_class(n_classes):
    x = np.linspace(0, 9, 30)
    data, model = al.DataManager(x[:, None], np.arange(30) % n_classes, labelled=6), NearestMean()
    model.fit(data.labelled)
    painter = painter_of(data)
    painter.look(model)
    frame = painter.frame(moment_of(data, model), Entropy(), "entropy")
    assert frame.curves.y_K_N.shape == (n_classes, 10)
    np.testing.assert_allclose(frame.curves.y_K_N.sum(0), 1)
    expected = data.labelled.y if n_classes == 2 else np.zeros(len(data.labelled))
    np.testing.assert_allclose(frame.labelled.xy[:, 1], expected)


def test_an_empty_start_has_a_frame():
    for data in (blobs(labelled=0), blobs(n_features=1, labelled=0), blobs(n_features=4, labelled=0)):
        frame = painter_of(data).frame(moment_of(data), Entropy(), "entropy", "no labels yet")
        assert len(frame.labelled) == 0 and len(frame.pool) == 40
        assert frame.message == "no labels yet"


def test_the_curve_has_a_point_a_round_and_one_for_the_present_model():
    data = blobs(test=10)
    learner = al.ActiveLearner(data, NearestMean(), al.strategies.Random())
    learner.run(3, n=2, progress=False)
    moment = Moment(data.labelled, data.unlabelled.indices, history=learner.history)
    frame = curve_frame(moment, "accuracy", 30)
    np.testing.assert_array_equal(frame.n_labels, [6, 8, 10])
    np.testing.assert_allclose(frame.values, learner.history.to_frame()["accuracy"])
    learner.fit()
    now = Moment(
        data.labelled, data.unlabelled.indices, is_current=True, history=learner.history, metrics=learner.metrics
    )
    frame = curve_frame(now, "accuracy", 30, {"accuracy": 0.9}, {"accuracy": 0.5})
    np.testing.assert_array_equal(frame.n_labels, [6, 8, 10, 12])
    assert (frame.ceiling, frame.floor) == (0.9, 0.5)
    assert np.isnan(curve_frame(now, "rmse", 30).values).all()
    assert curve_frame(moment_of(data), "accuracy", 30).values.shape == (0,)
