"""The portrait of a dataset: what is drawn is what NumPy and scikit-learn compute, and the text twin says the same."""

import io
import re
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection
from PIL import Image
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from aljupyter.datasets import portrait as module
from aljupyter.datasets.portrait import portrait


@dataclass
class Stub:
    """As much of a Dataset as a portrait reads."""

    x: torch.Tensor
    y: torch.Tensor
    task_type: str
    feature_names: tuple = ()
    target_names: tuple = ()
    kind: str = ""
    name: str = "some data"


def classified(x, y, classes=("no", "yes"), names=None, **more):
    x = torch.as_tensor(np.asarray(x))
    names = tuple(f"f{i}" for i in range(x.shape[1])) if names is None else names
    return Stub(x, torch.as_tensor(np.asarray(y)).long(), "classification", names, tuple(classes), **more)


def measured(x, y, target="yield", names=None, **more):
    x = torch.as_tensor(np.asarray(x, float))
    names = tuple(f"f{i}" for i in range(x.shape[1])) if names is None else names
    return Stub(x, torch.as_tensor(np.asarray(y, float)), "regression", names, (target,), **more)


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return classified(x, y, ("setosa", "versicolor", "virginica"), kind="real", name="iris")


@pytest.fixture(scope="module")
def diabetes():
    data = load_diabetes(scaled=False)
    return measured(data.data, data.target, "progression", tuple(data.feature_names), name="diabetes")


def normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def bars(figure):
    return {bar.get_label(): bar.get_width() for bar in figure.target_axes.patches}


def drawn(figure):
    """Where the points of each group stand, from the one at the bottom to the one on top."""
    return {m.get_label(): np.asarray(m.get_offsets()) for m in figure.map_axes.collections}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def ink(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


# --- the target -----------------------------------------------------------------------------------------------------


def test_bars_are_the_class_sizes_in_the_order_of_the_codes():
    figure = portrait(classified(normal(6, 2), [2, 0, 2, 2, -1, 0], ("a", "b", "c")))
    assert list(bars(figure).items()) == [("a", 2), ("b", 0), ("c", 3), ("no label", 1)]
    assert [t.get_text() for t in figure.target_axes.get_yticklabels()] == ["a", "b", "c", "no label"]
    assert "Rows of each class: a 2, b 0, c 3, no label 1." in figure.summary()


def test_counts_stand_at_the_bars_so_a_rare_class_can_be_read():
    y = np.zeros(284_807, int)
    y[:492] = 1
    figure = portrait(classified(np.zeros((len(y), 1)), y, ("genuine", "fraud")))
    assert [t.strip() for t in texts(figure.target_axes)] == ["284,315 (99.8 %)", "492 (0.173 %)"]
    assert "genuine 284,315, fraud 492." in figure.summary()


def test_beyond_fifteen_classes_the_smallest_are_summed():
    y = np.repeat(np.arange(20), np.arange(20, 0, -1))
    shown = bars(portrait(classified(normal(len(y), 2), y, range(20))))
    assert list(shown) == [*map(str, range(15)), "5 others"]
    assert shown["5 others"] == 5 + 4 + 3 + 2 + 1 and sum(shown.values()) == len(y)


def test_codes_without_a_name_are_named_by_their_number():
    assert bars(portrait(classified(normal(3, 2), [0, 1, 2], ("only",)))) == {"only": 1, "1": 1, "2": 1}


def test_the_histogram_is_numpys(diabetes):
    patches = portrait(diabetes).target_axes.patches
    counts, edges = np.histogram(diabetes.y.numpy(), "auto")
    np.testing.assert_array_equal([bar.get_height() for bar in patches], counts)
    np.testing.assert_allclose([bar.get_x() for bar in patches], edges[:-1])


def test_the_histogram_says_its_range_and_its_highest_bin(diabetes):
    counts, edges = np.histogram(diabetes.y.numpy(), "auto")
    top = counts.argmax()
    line = portrait(diabetes).summary().splitlines()[1]
    assert line == (
        f"Target: progression, 442 labels: 25 to 346 in {len(counts)} bins, "
        f"most ({counts[top]}) from {edges[top]:.4g} to {edges[top + 1]:.4g}."
    )


def test_a_long_tail_does_not_make_more_than_sixty_bins():
    y = np.random.default_rng(0).standard_cauchy(20_000)
    assert len(np.histogram_bin_edges(y, "auto")) > 61
    assert len(portrait(measured(y[:, None], y)).target_axes.patches) == 60


def test_a_target_of_two_neighbouring_numbers_has_a_histogram():
    figure = portrait(measured(normal(30, 2), [1.0] * 20 + [np.nextafter(1.0, 2)] * 10))
    assert sum(bar.get_height() for bar in figure.target_axes.patches) == 30


def test_rows_without_a_number_are_counted_in_the_title():
    figure = portrait(measured(normal(5, 3), [1, np.nan, 2, np.nan, 4]))
    assert figure.target_axes.get_title() == "Target: yield\n3 labels, 2 without"
    assert sum(bar.get_height() for bar in figure.target_axes.patches) == 3
    assert {name: len(xy) for name, xy in drawn(figure).items()} == {"no label": 2, "labelled": 3}


# --- the ranges -----------------------------------------------------------------------------------------------------


def test_ranges_are_minimum_quartiles_and_maximum(diabetes):
    lines = portrait(diabetes).range_axes.lines
    expected = np.percentile(diabetes.x.numpy(), [0, 25, 50, 75, 100], axis=0)
    assert tuple(line.get_label() for line in lines) == diabetes.feature_names
    np.testing.assert_allclose(np.column_stack([line.get_xdata() for line in lines]), expected)


def test_each_range_is_drawn_from_nought_to_one_and_its_ends_are_written(diabetes):
    axes = portrait(diabetes).range_axes
    for line, box in zip(axes.lines, axes.patches, strict=True):
        low, first, _, third, high = line.get_xdata()
        shown = axes.transData.inverted().transform(line.get_transform().transform(line.get_xydata()))[:, 0]
        np.testing.assert_allclose(shown, [(q - low) / (high - low) for q in line.get_xdata()], atol=1e-12)
        np.testing.assert_allclose(box.get_bbox().intervalx, [first, third])
    assert texts(axes)[:6] == ["19", "79", "1", "2", "18", "42.2"]


def test_the_summary_has_the_ranges(diabetes):
    age = np.percentile(diabetes.x[:, 0].numpy(), [25, 50, 75])
    assert f"age 19 [{', '.join(f'{q:.4g}' for q in age)}] 79;" in portrait(diabetes).summary()


def test_a_constant_feature_is_marked():
    figure = portrait(measured(np.column_stack([normal(9, 1), np.full(9, 7.25)]), range(9)))
    assert "constant 7.25" in texts(figure.range_axes)
    assert (
        "Minimum, quartiles and maximum, 1 constant: " in figure.summary() and "f1 constant 7.25." in figure.summary()
    )


def test_of_many_features_twenty_are_shown_from_the_first_to_the_last():
    x = np.hstack([normal(30, 270), np.zeros((30, 2))])
    figure = portrait(classified(x, np.arange(30) % 2))
    labels = [line.get_label() for line in figure.range_axes.lines]
    assert len(set(labels)) == 20 and labels[0] == "f0" and labels[-1] == "f271"
    assert "20 of 272 features, 2 constant" in figure.summary()


def test_images_have_pixels():
    x = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    figure = portrait(Stub(x, torch.tensor([0, 1]), "classification", (), ("cat", "dog")))
    assert figure.heading == "some data: 2 rows, 48 features, 2 classes"
    first = figure.range_axes.lines[0]
    assert (first.get_label(), *first.get_xdata()[[0, -1]]) == ("pixel 0", 0, 48)


@pytest.mark.parametrize(
    ("value", "written"),
    [(172792, "172792"), (-0.0, "0"), (1234567.0, "1.235e6"), (-0.00001234567, "-1.235e-5"), (3.14159, "3.142")],
)
def test_numbers_are_short(value, written):
    axes = portrait(measured([[value], [value + 1e9]], [0, 1])).range_axes
    assert texts(axes)[0] == written


def test_missing_values_are_counted_and_their_rows_are_not_on_the_map():
    x = normal(40, 3)
    x[:4, 1] = np.nan
    figure = portrait(measured(x, x[:, 0]))
    np.testing.assert_allclose(figure.range_axes.lines[1].get_xdata()[2], np.nanmedian(x[:, 1]))
    assert figure.range_axes.get_yticklabels()[1].get_text() == "f1 (4 missing)"
    assert figure.map_axes.get_title().startswith("36 of 40 rows") and len(drawn(figure)["labelled"]) == 36


def test_nothing_but_missing_values_is_said():
    x = normal(5, 3)
    x[:, 2] = np.nan
    assert "f2 no values." in portrait(measured(x, range(5))).summary()


# --- the map --------------------------------------------------------------------------------------------------------


def test_one_feature_stands_against_the_target():
    x, y = normal(20, 1), np.arange(20.0)
    y[3] = np.nan
    figure = portrait(measured(x, y))
    known = np.isfinite(y)
    np.testing.assert_allclose(drawn(figure)["labelled"], np.column_stack([x[known, 0], y[known]]))
    np.testing.assert_allclose(drawn(figure)["no label"][:, 0], x[3])
    assert "All 20 rows: f0 across, yield upwards; no label 1, labelled 19." in figure.summary()


def test_classes_of_one_feature_are_strips():
    x = normal(30, 1)
    figure = portrait(classified(x, np.arange(30) % 2))
    for code, name in enumerate(("no", "yes")):
        np.testing.assert_allclose(drawn(figure)[name][:, 0], x[code::2, 0])
        assert np.abs(drawn(figure)[name][:, 1] - code).max() <= 0.3


def test_two_features_stand_against_each_other():
    x, y = normal(50, 2), np.arange(50) % 2
    figure = portrait(classified(x, y, names=("width", "height")))
    np.testing.assert_allclose(drawn(figure)["yes"], x[y == 1])
    assert (figure.map_axes.get_xlabel(), figure.map_axes.get_ylabel()) == ("width", "height")


@pytest.mark.parametrize("transpose", [False, True], ids=["more rows", "more features"])
def test_more_features_are_projected_on_two_principal_components(diabetes, transpose):
    x = diabetes.x.numpy().T[:, :100] if transpose else diabetes.x.numpy()
    pca = PCA(2, svd_solver="full").fit(StandardScaler().fit_transform(x))
    figure = portrait(measured(x, np.arange(len(x))))
    signs = np.sign(pca.components_[[0, 1], np.abs(pca.components_).argmax(1)])
    expected = pca.transform(StandardScaler().fit_transform(x)) * signs
    np.testing.assert_allclose(drawn(figure)["labelled"], expected, atol=1e-8)
    first, second = (f"{100 * share:.3g}" for share in pca.explained_variance_ratio_)
    assert f"1st component ({first} % of variance) across, 2nd component ({second} % of variance)" in figure.summary()


def test_components_of_many_rows_come_from_some_of_them():
    x = normal(8000, 3) @ np.array([[3.0, 2, 1], [0, 1, 0.5], [0, 0, 0.2]])
    pca = PCA(2).fit(StandardScaler().fit_transform(x))
    shares = re.findall(r"\(([\d.]+) % of variance\)", portrait(measured(x, x[:, 0])).summary())
    np.testing.assert_allclose(np.array(shares, float) / 100, pca.explained_variance_ratio_, atol=0.01)


def test_the_sign_is_fixed_where_two_loadings_tie():
    x = normal(60, 1)
    components = module._principal_plane(np.hstack([-x, x, x]))[2]
    np.testing.assert_allclose(components[:, 0], np.array([1, -1, -1]) / np.sqrt(3))
    np.testing.assert_array_equal(components[:, 1], 0)  # the rows lie on a line


def test_at_most_two_thousand_points_with_some_of_the_rare_class_on_top():
    y = np.zeros(50_000, int)
    y[np.arange(0, 50_000, 500)] = 1
    x = np.column_stack([np.arange(50_000), y])
    figure = portrait(classified(x, y, ("common", "rare")))
    points = drawn(figure)
    assert list(points) == ["common", "rare"]
    assert (len(points["common"]), len(points["rare"])) == (1900, 100)
    assert len(np.unique(points["common"][:, 0])) == 1900 and not points["common"][:, 1].any()
    assert figure.map_axes.get_title() == "2,000 of 50,000 rows\nmore of small groups than their share"


def test_classes_of_like_size_are_drawn_in_proportion():
    y = np.repeat([0, 1, 2], [1001, 1500, 2500])
    figure = portrait(classified(normal(len(y), 2), y, "abc"))
    sizes = {name: len(xy) for name, xy in drawn(figure).items()}
    assert sum(sizes.values()) == 2000 and list(sizes) == ["c", "b", "a"]
    assert figure.map_axes.get_title() == "2,000 of 5,001 rows"
    assert f"c {sizes['c']:,}, b {sizes['b']}, a {sizes['a']}." in figure.summary()


def test_just_more_groups_than_points_keeps_every_draw_within_its_class():
    y = np.repeat(np.arange(17), [1] * 8 + [221] * 9)
    figure = portrait(classified(normal(len(y), 2), y, range(17)))
    assert sum(len(xy) for xy in drawn(figure).values()) == len(y) == 1997
    y = np.r_[y, [16] * 4]
    assert sum(len(xy) for xy in drawn(portrait(classified(normal(len(y), 2), y, range(17)))).values()) == 2000


def test_numbers_are_colours_with_a_bar(diabetes):
    figure = portrait(diabetes)
    (mark,) = [m for m in figure.map_axes.collections if isinstance(m, PathCollection)]
    np.testing.assert_array_equal(mark.get_array(), diabetes.y.numpy())
    assert mark.get_clim() == tuple(np.quantile(diabetes.y.numpy(), [0.01, 0.99]))
    assert len(figure.axes) == 4 and figure.axes[-1].get_ylabel() == "progression"


def test_up_to_eight_classes_stand_in_the_legend_and_more_at_the_bars(iris):
    legend = portrait(iris).map_axes.get_legend()
    assert [t.get_text().strip() for t in legend.get_texts()] == ["setosa", "versicolor", "virginica"]
    figure = portrait(classified(normal(90, 2), np.arange(90) % 9, range(9)))
    assert figure.map_axes.get_legend() is None
    keys = figure.target_axes.collections
    assert len({(*key.get_facecolor()[0],) for key in keys}) == 9


def test_the_colours_and_shapes_of_a_class_are_those_of_the_explorer():
    from aljupyter.widgets import static, theme

    assert module.COLOURS[:7] == theme.COLOURS
    assert tuple(static._MARKERS[shape] for shape in theme.SHAPES) == module.SHAPES
    assert (module.HEAT_MAP, module.LINE, module.OUTLINE) == (theme.HEAT_MAP, theme.CURVE_COLOUR, theme.OUTLINE)


# --- the picture ----------------------------------------------------------------------------------------------------


def test_the_heading_has_name_kind_and_sizes(iris):
    figure = portrait(iris)
    assert figure.get_suptitle() == figure.heading == "iris (real data): 150 rows, 4 features, 3 classes"
    assert repr(figure) == "<Portrait of iris (real data): 150 rows, 4 features, 3 classes>"
    assert figure.summary().splitlines()[0] == figure.heading + "."


def test_the_same_data_give_the_same_bytes(iris):
    figure = portrait(iris)
    png = figure._repr_png_()
    assert png.startswith(b"\x89PNG") and png == figure._repr_png_() == portrait(iris)._repr_png_()
    assert b"matplotlib" not in png and figure.summary() == portrait(iris).summary()


def test_it_is_dark_on_opaque_white_whatever_the_style(iris):
    import matplotlib

    plain = portrait(iris)._repr_png_()
    with matplotlib.style.context("dark_background"):
        dark = portrait(iris)._repr_png_()
        assert matplotlib.rcParams["axes.facecolor"] == "black"  # and the style is the user's again
    assert dark == plain
    assert (ink(plain)[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert Image.open(io.BytesIO(plain)).convert("RGBA").getextrema()[3] == (255, 255)


def test_pyplot_is_not_touched():
    code = (
        "import sys, torch; from types import SimpleNamespace as S\n"
        "from aljupyter.datasets.portrait import portrait\n"
        "data = S(name='n', x=torch.rand(9, 3), y=torch.arange(9) % 2, task_type='classification',"
        " feature_names=('a', 'b', 'c'), target_names=(0, 1), kind='')\n"
        "assert portrait(data)._repr_png_(); print('matplotlib.pyplot' in sys.modules)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


NAMES = (
    "_under_score",
    "$cost$ of $x",
    "Blast Furnace Slag (component 2)(kg in a m^3 mixture)",
    "two\nlines",
    r"\alpha",
)


def test_names_are_not_mathematics_and_are_never_left_out():
    data = classified(normal(25, 5), np.arange(25) % 5, NAMES, NAMES, name="$a_b$")
    figure = portrait(data)
    figure._repr_png_()  # a lone dollar sign would raise if it were read as mathematics
    legend = [t.get_text().strip() for t in figure.map_axes.get_legend().get_texts()]
    assert legend[:2] == ["_under_score", "$cost$ of $x"] and legend[3:] == ["two lines", r"\alpha"]
    assert legend[2].startswith("Blast Furnace") and legend[2].endswith("…") and len(legend[2]) <= 24
    assert f"{NAMES[2]} 5" in figure.summary()  # in words it is whole


def test_names_that_would_be_cut_alike_are_cut_in_the_middle():
    names = tuple(f"the mean of the concentration of substance {c}" for c in "AB")
    labels = [
        t.get_text() for t in portrait(classified(normal(8, 2), [0, 1] * 4, names=names)).range_axes.get_yticklabels()
    ]
    assert len(set(labels)) == 2 and all(
        len(label) <= 28 and label.endswith(c) for label, c in zip(labels, "AB", strict=True)
    )


def overlapping(figure):
    """Pairs of texts that lie on each other."""
    figure._repr_png_()
    renderer, shown = figure.canvas.get_renderer(), []
    for axes in figure.axes:
        inside = [axes.xaxis.label, axes.yaxis.label, axes.title, *axes.texts]
        inside += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            inside += [axis.offsetText, *(t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high)]
        shown += [(t.get_text(), t.get_window_extent(renderer)) for t in inside if t.get_text() and t.get_visible()]
    shown.append((figure.heading, figure._suptitle.get_window_extent(renderer)))
    return [
        (a, b) for i, (a, one) in enumerate(shown) for b, two in shown[:i] if one.padded(-1).overlaps(two.padded(-1))
    ]


@pytest.mark.parametrize("n_features", [1, 2, 5, 40])
@pytest.mark.parametrize("n_classes", [0, 1, 2, 8, 30])
def test_texts_do_not_overlap(n_features, n_classes):
    x, names = (
        1e-7 * normal(200, n_features),
        tuple(f"concentration of substance {i} in the sample" for i in range(n_features)),
    )
    if n_classes:
        classes = tuple(f"a class with a long name {k}" for k in range(n_classes))
        data = classified(x, np.arange(200) % (n_classes + 1) - 1, classes, names)
    else:
        data = measured(x, np.r_[x[:150, 0], [np.nan] * 50], "a target with quite a long name, in metres", names)
    assert overlapping(portrait(data)) == []


# --- small and strange ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("constant", [True, False])
def test_little_data_can_be_drawn(n_features, n, known, constant):
    x = np.ones((n, n_features)) if constant else normal(n, n_features)
    for data in (
        classified(x, [0 if known else -1] * n, ("only",)),
        measured(x, np.arange(n) if known else [np.nan] * n),
    ):
        figure = portrait(data)
        assert figure._repr_png_() and sum(len(xy) for xy in drawn(figure).values()) == n
        assert ("no label" in figure.summary()) == (not known)


def test_a_large_dataset_takes_no_long_and_is_left_alone():
    x = torch.from_numpy(normal(284_807, 30).astype(np.float32))
    before, y = x.clone(), torch.zeros(len(x), dtype=torch.int64)
    y[::579] = 1
    figure = portrait(Stub(x, y, "classification", tuple(f"V{i}" for i in range(30)), ("genuine", "fraud")))
    assert sum(len(xy) for xy in drawn(figure).values()) == 2000 and torch.equal(x, before)
    third = figure.range_axes.lines[0]
    np.testing.assert_allclose(third.get_xdata(), np.percentile(x[:, 0].double().numpy(), [0, 25, 50, 75, 100]))
