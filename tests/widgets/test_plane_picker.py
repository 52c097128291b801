"""Planes that a person chooses: others held at a point, embeddings computed or given."""

import sys

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as open_widgets
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, Isomap

import aljupyter as al
from aljupyter.errors import UnknownColumn, ViewError, WrongShape
from aljupyter.widgets import embeddings, theme
from aljupyter.widgets.embeddings import EmbeddingPlane, computed
from tests.widgets.explorers import choose, click, eventually, make_learner


def heat(explorer):
    return explorer._screen._frames[0].heat.values_H_W


# --- two features, the others at a point -----------------------------------------------------------------------------


def test_other_features_are_held_at_the_point_asked_about(explore):
    learner = make_learner(n_features=4)
    explorer = explore(learner, plane=("x0", "x1"), measure="probability of yes")
    before, index = heat(explorer).copy(), 17
    explorer.ask(index)
    assert explorer._picker.others.options == ("median", "point 17")
    choose(explorer, "others", "point 17")
    plane, x = explorer._screen.plane, learner.data.subset([index]).x
    place = plane.project(x)
    np.testing.assert_allclose(plane.at(place), x, atol=1e-9)  # the point lies in its own plane
    assert np.abs(heat(explorer) - before).max() > 0.01
    assert "x0 (others at point 17) and x1" in explorer.summary()
    explorer.ask(3)  # another may be chosen; the one that holds stays
    assert explorer._picker.others.options == ("median", "point 17", "point 3")
    assert explorer._picker.others.value == "point 17"
    choose(explorer, "others", "median")
    np.testing.assert_array_equal(heat(explorer), before)
    assert explorer.last_error is None


# --- embeddings -----------------------------------------------------------------------------------------------------


def test_heat_is_that_of_the_nearest_training_point(explore):
    learner = make_learner(n=40, n_features=3)
    places = np.random.default_rng(1).normal(size=(40, 2)) * [1, 50]
    explorer = explore(learner, plane=places, measure="probability of yes", grid=12)
    plane, train = explorer._screen.plane, learner.data.train.indices
    span = np.array([np.ptp(plane.x_limits), np.ptp(plane.y_limits)])
    values = heat(explorer)
    p_N = learner.model.posterior(learner.data.train).mean_N_C[:, 1].numpy()
    for row, column in ((0, 0), (3, 9), (11, 11), (6, 5)):
        at = [low + (k + 0.5) * (high - low) / 12 for k, (low, high) in
              ((column, plane.x_limits), (row, plane.y_limits))]  # fmt: skip
        nearest = np.argmin((((places[train] - at) / span) ** 2).sum(1))
        assert values[row, column] == pytest.approx(p_N[nearest], abs=1e-6)
    assert "heat of the nearest point" in explorer.summary()


def test_points_stand_where_they_were_put_and_a_click_anywhere_asks_the_nearest(explore):
    learner = make_learner(n=40, n_features=3)
    places = np.random.default_rng(1).normal(size=(40, 2))
    explorer = explore(learner, plane=places)
    labelled = explorer._screen._frames[0].labelled
    np.testing.assert_allclose(labelled.xy, places[labelled.indices])
    explorer._questions.ask_place(0.1, 0.2)
    train = learner.data.train.indices
    plane = explorer._screen.plane
    span = np.array([np.ptp(plane.x_limits), np.ptp(plane.y_limits)])
    nearest = train[np.argmin((((places[train] - [0.1, 0.2]) / span) ** 2).sum(1))]
    assert f"Point {nearest} · " in explorer.summary()


def test_every_heat_can_be_shown_on_an_embedding(explore):
    learner = make_learner(n=40, n_features=3)
    explorer = explore(learner, plane=np.random.default_rng(1).normal(size=(40, 2)))
    click(explorer, "step")
    for name in explorer._controls.measure.options:
        choose(explorer, "measure", name)
        frame = explorer._screen._frames[0]
        assert np.isfinite(heat(explorer)).all() if frame.heat is not None else frame.message, name
    name = "error at the nearest point (by the truth)"
    choose(explorer, "measure", name)
    train, truth = learner.data.train, learner.data.truth(learner.data.train.indices)
    error = 1 - learner.model.posterior(train).mean_N_C[np.arange(len(truth)), truth]
    assert set(np.unique(heat(explorer))) <= set(error.float().numpy())
    explorer._timeline.slider.value = 0
    explorer._timeline.pin.value = True
    assert explorer.last_error is None


def test_tsne_is_scikit_learns_and_the_same_every_time():
    data = make_learner(n=50, n_features=4).data
    plane, again = computed(data, "t-SNE"), computed(data, "t-SNE")
    train = data.train.indices
    expected = TSNE(perplexity=(len(train) - 1) / 3, init="pca", random_state=0).fit_transform(
        data.train.x.double().numpy()
    )
    np.testing.assert_allclose(plane.locate(data, train), expected, rtol=1e-4)
    np.testing.assert_array_equal(plane.locate(data, train), again.locate(data, train))
    assert np.isfinite(plane.locate(data, data.test.indices)).all()


def test_of_many_points_some_are_embedded_and_the_others_put_beside_them(monkeypatch):
    monkeypatch.setattr(embeddings, "MAX_POINTS", 20)
    data = make_learner(n=80, n_features=3).data
    plane = computed(data, "Isomap")
    assert plane.x_label == "Isomap 1 (heat of the nearest point)"
    assert plane.y_label == "Isomap 2 (20 computed, others beside)"
    train = data.train.indices
    chosen = train[np.unique(np.linspace(0, len(train) - 1, 20).astype(int))]
    expected = Isomap(n_neighbors=10).fit_transform(data.subset(chosen).x)
    np.testing.assert_allclose(plane.locate(data, chosen), expected, atol=1e-8)
    low, high = expected.min(0), expected.max(0)
    others = plane.locate(data, np.setdiff1d(train, chosen))
    assert (others >= low).all() and (others <= high).all()


def test_an_object_that_embeds_places_other_points_itself():
    data = make_learner(n=50, n_features=4).data
    plane = computed(data, PCA(2))
    fitted = PCA(2).fit(data.train.x)
    np.testing.assert_allclose(plane.locate(data, data.test.indices), fitted.transform(data.test.x), atol=1e-9)
    assert plane.x_label == "PCA 1 (heat of the nearest point)"


def test_an_embedding_is_chosen_in_the_menu_and_computed_once_by_the_worker(explore):
    learner = make_learner(n_features=3)
    explorer = explore(learner, synchronous=False)
    explorer.wait()
    assert {"t-SNE", "Isomap"} < set(explorer._picker.plane.options)
    choose(explorer, "plane", "Isomap")
    explorer.wait()
    eventually(lambda: "Isomap" in explorer.summary())
    plane = explorer._screen.plane
    choose(explorer, "plane", "principal components")
    assert "PC 1" in explorer.summary()
    choose(explorer, "plane", "Isomap")
    assert explorer._screen.plane is plane
    explorer.wait()
    click(explorer, "step")
    explorer.wait()
    assert explorer.last_error is None


def test_without_umap_it_says_what_to_install(monkeypatch, explore):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ViewError, match="pip install umap-learn"):
        explore(make_learner(n_features=3), plane="umap")


@pytest.mark.parametrize(
    ("plane", "error", "words"),
    [
        ("tsna", WrongShape, 'one of "pca", "t-SNE"'),
        (np.zeros((5, 2)), WrongShape, r"shape \(60, 2\); got \(5, 2\)"),
        (np.full((60, 2), np.nan), WrongShape, "no finite place"),
        ([["a", "b"]] * 60, WrongShape, "are numbers"),
        (7, WrongShape, "got 7"),
        (print, WrongShape, 'one of "pca", "t-SNE"'),
        (PCA(99), ViewError, "PCA of 45 points raised ValueError"),
        (PCA(3), WrongShape, r"gave shape \(45, 3\)"),
        (("x0", "x9"), UnknownColumn, "x9"),
        (("x0", "x1", "x2"), WrongShape, "two features"),
    ],
)
def test_what_is_no_plane_is_refused(explore, plane, error, words):
    with pytest.raises(error, match=words):
        explore(make_learner(n_features=3), plane=plane)


def test_after_an_embedding_that_fails_the_menu_says_what_is_shown(explore, monkeypatch):
    def fails(n, seed):
        raise ViewError("not today")

    monkeypatch.setitem(embeddings._MAKERS, "t-SNE", fails)
    explorer = explore(make_learner(n_features=3))
    choose(explorer, "plane", "t-SNE")
    assert isinstance(explorer.last_error, ViewError)
    assert explorer._picker.plane.value == "principal components"
    assert "PC 1" in explorer.summary()


def test_one_input_is_a_line_or_places_of_ones_own(explore):
    learner = make_learner(n_features=1)
    assert explore(learner)._screen.plane.is_line
    for plane, words in (("tsna", "one of"), ("t-sne", "drawn as a line"), (np.zeros((3, 2)), r"shape \(60, 2\)")):
        with pytest.raises(WrongShape, match=words):
            explore(learner, plane=plane)
    explorer = explore(learner, plane=np.random.default_rng(0).normal(size=(60, 2)))
    assert not explorer._screen.plane.is_line
    click(explorer, "step")
    assert explorer.last_error is None


def test_where_the_next_point_lies_on_a_line_is_its_input(explore):
    explorer = explore(make_learner(n_features=1))
    index = explorer.learner.query(1).indices[0]
    place = theme.number(float(explorer.learner.data.raw[index, 0]))
    assert f"next 1 at {place}." in explorer.summary()


def test_an_explorer_with_an_embedding_leaves_nothing_behind():
    before = set(open_widgets)
    explorer = al.Explorer(make_learner(n_features=3), plane="isomap", grid=8, synchronous=True)
    explorer.close()
    assert set(open_widgets) == before


def test_places_need_not_be_of_the_test_view():
    data = make_learner(n=40, n_features=3).data
    places = np.full((40, 2), np.nan)
    places[data.train.indices] = np.random.default_rng(0).normal(size=(len(data.train), 2))
    assert theme.short(EmbeddingPlane(data, places, "mine").name) == "mine (heat of the nearest point)"
