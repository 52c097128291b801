"""Arrays, tensors and lists as features."""

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from aljupyter.data import DataManager
from aljupyter.errors import DataError, NonFiniteFeatures, WrongShape

X = np.random.default_rng(1).normal(size=(12, 3)) * [1.0, 10.0, 0.1] + [5.0, 0.0, -2.0]


def train_x(x, **arguments):
    return DataManager(x, np.linspace(0, 1, len(x)), **arguments).train.x


def test_standardising_is_scikit_learns():
    np.testing.assert_allclose(train_x(X), StandardScaler().fit_transform(X))


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (X.astype(np.float32), torch.float32),
        (X.astype(np.float16), torch.float16),
        (torch.tensor(X, dtype=torch.bfloat16), torch.bfloat16),
        (torch.tensor(X, requires_grad=True), torch.float64),
        (torch.arange(24).reshape(12, 2), torch.float64),
        (X > 0, torch.float64),
        (X.astype(">f8"), torch.float64),
        (X.astype(np.longdouble), torch.float64),
        (X.tolist(), torch.float64),
        (X[::-1, ::-1], torch.float64),
    ],
)
@pytest.mark.parametrize("preprocess", ["auto", None])
def test_floats_keep_their_type_and_the_rest_becomes_float64(x, dtype, preprocess):
    result = train_x(x, preprocess=preprocess)
    assert result.dtype == dtype and result.shape[0] == 12 and not result.requires_grad
    if preprocess is None:
        expected = x.detach().double().numpy() if isinstance(x, torch.Tensor) else np.asarray(x, dtype=np.float64)
        np.testing.assert_array_equal(result.double(), expected)


def test_an_array_that_cannot_be_written_is_read():
    x = X.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(train_x(x, preprocess=None), X)


def test_a_column_that_is_constant_in_train_becomes_zero():
    x = np.c_[X, np.full(12, 0.1)]
    x[0, 3] = 9.0
    data = DataManager(x, X[:, 0], test=[0])
    assert (data.train.x[:, 3] == 0).all() and (data.test.x[:, 3] == 0).all()
    assert "1 constant" in repr(data)


@given(
    arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 3)), elements=st.floats(width=64, allow_nan=False))
)
def test_whatever_is_finite_stays_finite(x):
    if not np.isfinite(x).all():
        with pytest.raises(NonFiniteFeatures):
            train_x(x)
        return
    result = train_x(x, labelled=0)
    assert torch.isfinite(result).all()
    assert (result.abs() <= np.sqrt(len(x)) + 1e-6).all()  # no point is further from the mean of n points


def test_names():
    assert DataManager(X, X[:, 0]).feature_names == ("x0", "x1", "x2")
    assert DataManager(X, X[:, 0], feature_names=["a", "b", "c"]).feature_names == ("a", "b", "c")
    assert DataManager(X, X[:, 0]).n_features == 3


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[:, 0], WrongShape, r"\(12,\).*reshape\(-1, 1\)"),
        (X[:, :, None], WrongShape, "TensorDataset"),
        (X[:0], WrongShape, "at least one row"),
        (X[:, :0], WrongShape, "at least one row"),
        (3.0, WrongShape, "at least one row"),
        ([[1.0], [1.0, 2.0]], WrongShape, "cannot be read"),
        (scipy.sparse.csr_matrix(X), WrongShape, "toarray"),
        ([["a", 1], ["b", 2]], DataError, "DataFrame"),
        (X.astype(object), DataError, "DataFrame"),
        (X + 1j, DataError, "numbers are expected"),
        (torch.tensor(X + 1j), DataError, "complex"),
        (None, DataError, "numbers are expected"),
        ({"a": [1]}, DataError, "DataFrame"),
        (np.where(X > 5, np.nan, X), NonFiniteFeatures, "rows.*columns.*SimpleImputer"),
        (torch.tensor(np.where(X > 5, np.inf, X)), NonFiniteFeatures, "rows"),
        (np.ma.masked_greater(X, 5), NonFiniteFeatures, "rows"),
    ],
)
def test_features_that_cannot_be_are_refused(x, error, message):
    with pytest.raises(error, match=message):
        DataManager(x, [0, 1] * 6)
