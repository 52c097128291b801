"""Planes: from the screen to the model's inputs and back."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import aljupyter as al
from aljupyter.errors import UnknownColumn, WrongShape
from aljupyter.widgets.planes import FeaturePlane, Inputs, Line, PrincipalPlane, choose_plane


def inputs_of(n_features, n=60, names=None, preprocess="auto", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_features)) * rng.uniform(0.1, 50, n_features) + rng.uniform(-9, 9, n_features)
    data = al.DataManager(x, np.arange(n) % 2, labelled=4, feature_names=names, preprocess=preprocess)
    return Inputs(data), x, data


@given(st.integers(1, 6), st.integers(2, 7), st.integers(0, 5))
def test_a_grid_point_lies_where_its_cell_is(n_features, n, seed):
    inputs, _, _ = inputs_of(n_features, seed=seed)
    planes = [choose_plane(inputs), *([PrincipalPlane(inputs)] if n_features > 1 else [])]
    for plane in planes:
        shown = plane.project(plane.grid(n))
        (x0, x1), (y0, y1) = plane.x_limits, plane.y_limits
        width = x1 - x0
        if isinstance(plane, Line):
            np.testing.assert_allclose(shown[:, 0], x0 + width * (np.arange(2 * n) + 0.5) / (2 * n), rtol=1e-6)
            continue
        shown = shown.reshape(n, n, 2)  # rows from low to high y, within a row from low to high x
        centres = (np.arange(n) + 0.5) / n
        np.testing.assert_allclose(shown[..., 0], np.tile(x0 + width * centres, (n, 1)), atol=1e-6 * width)
        np.testing.assert_allclose(
            shown[..., 1], np.tile(y0 + (y1 - y0) * centres[:, None], (1, n)), atol=1e-6 * (y1 - y0)
        )


def test_features_are_shown_in_raw_units_though_the_model_sees_them_standardised():
    inputs, x, data = inputs_of(2, names=["mass", "charge"])
    plane = choose_plane(inputs)
    np.testing.assert_allclose(plane.project(data.train.x), x[data.train.indices], rtol=1e-9)
    assert (plane.x_label, plane.y_label) == ("mass", "charge")
    assert plane.x_limits[0] < x[:, 0].min() and plane.x_limits[1] > x[:, 0].max()


def test_columns_of_a_table_are_found_by_name_and_others_stay_as_the_model_sees_them():
    table = pd.DataFrame(
        {"colour": ["red", "blue"] * 20, "weight": np.linspace(100, 200, 40), "label": ["a", "b", "b", "a"] * 10}
    )
    data = al.DataManager(table, target="label", labelled=4)
    inputs = Inputs(data)
    weight = inputs.position("weight")
    scale, offset = inputs.units(weight)
    np.testing.assert_allclose(scale * inputs.sample_M_D[:, weight] + offset, table["weight"], rtol=1e-9)
    for j in set(range(inputs.n)) - {weight}:
        assert inputs.units(j) == (1.0, 0.0)


def test_without_preprocessing_units_are_those_of_the_model():
    inputs, _, _ = inputs_of(3, preprocess=None)
    np.testing.assert_allclose([inputs.units(j) for j in range(3)], [(1, 0)] * 3, atol=1e-9)


def test_features_that_are_not_shown_stand_at_their_median():
    inputs, _, data = inputs_of(5)
    grid = choose_plane(inputs, (3, 1)).grid(4)
    median = np.median(data.train.x.numpy(), axis=0)
    for j in (0, 2, 4):
        np.testing.assert_allclose(grid[:, j], median[j])
    assert grid[:, 3].unique().numel() > 1 and grid[:, 1].unique().numel() > 1


def test_the_axis_says_which_plane():
    inputs, _, _ = inputs_of(3, names=["a", "b", "c"])
    assert choose_plane(inputs, ("c", "a")).name == "c (others at median) and a"
    plane = choose_plane(inputs)
    assert isinstance(plane, PrincipalPlane)
    assert plane.x_label.startswith("PC 1 (") and plane.y_label.endswith("% of variance)")


def test_principal_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA

    inputs, _, data = inputs_of(6, n=100)
    x = data.train.x.numpy()
    expected = PCA(2).fit(x)
    plane = PrincipalPlane(inputs)
    np.testing.assert_allclose(np.abs(plane.project(data.train.x)), np.abs(expected.transform(x)), atol=1e-8)
    assert plane.x_label == f"PC 1 ({expected.explained_variance_ratio_[0]:.0%} of variance)"


def test_many_features_take_the_sparse_way_to_the_same_components():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(250, 210)) * np.r_[9, 5, np.ones(208)]
    inputs = Inputs(al.DataManager(x, np.arange(250) % 2, labelled=4, preprocess=None))
    centred = x - x.mean(0)
    expected = np.linalg.svd(centred, full_matrices=False)[2][:2]
    shown = PrincipalPlane(inputs).project(torch.from_numpy(x))
    np.testing.assert_allclose(np.abs(shown), np.abs(centred @ expected.T), atol=1e-6)


def test_points_that_are_not_vectors_keep_their_shape():
    images = torch.rand(30, 1, 4, 4)
    data = al.DataManager(torch.utils.data.TensorDataset(images, torch.arange(30) % 2), labelled=4)
    inputs = Inputs(data)
    assert inputs.n == 16 and inputs.names[3] == "x[3]"
    for plane in (choose_plane(inputs), choose_plane(inputs, (0, 5))):
        assert plane.grid(3).shape == (9, 1, 4, 4)
        assert plane.grid(3).dtype == images.dtype
        assert plane.project(images).shape == (30, 2)


def test_a_constant_feature_still_makes_a_plane():
    x = np.c_[np.zeros(20), np.arange(20.0)]
    plane = choose_plane(Inputs(al.DataManager(x, np.arange(20) % 2, labelled=4)))
    assert plane.x_limits[0] < plane.x_limits[1]
    assert torch.isfinite(plane.grid(3)).all()


def test_a_wrong_plane_is_refused_with_advice():
    inputs, _, _ = inputs_of(3, names=["radius", "texture", "area"])
    with pytest.raises(UnknownColumn, match="Did you mean 'texture'"):
        choose_plane(inputs, ("radius", "textur"))
    with pytest.raises(UnknownColumn, match="no input 3"):
        choose_plane(inputs, (0, 3))
    with pytest.raises(WrongShape, match="two different"):
        choose_plane(inputs, ("area", 2))
    with pytest.raises(WrongShape, match="'radius', 'texture'"):
        choose_plane(inputs, "tsne")
    with pytest.raises(WrongShape, match="got 3"):
        choose_plane(inputs, (0, 1, 2))
    one, _, _ = inputs_of(1)
    with pytest.raises(WrongShape, match="two inputs"):
        PrincipalPlane(one)


def test_one_input_is_a_line_whatever_was_asked():
    inputs, _, _ = inputs_of(1)
    assert choose_plane(inputs, "pca").is_line
    assert not FeaturePlane(inputs_of(2)[0], 0, 1).is_line
