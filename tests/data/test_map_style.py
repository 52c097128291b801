"""Map-style torch Datasets, taken as they are."""

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset

from aljupyter.data import DataManager
from aljupyter.errors import DataError, NonFiniteFeatures, WrongShape

N = 12


class Made(Dataset):
    """A Dataset of items made by a function."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return N

    def __getitem__(self, i):
        return self.make(i)


class Duck:
    """What PyTorch's DataLoader takes as a Dataset, without being one by name."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return torch.tensor([float(i), 1.0]), i % 2


def image(i):
    return torch.full((1, 2, 2), i, dtype=torch.uint8)


IMAGES = torch.stack([image(i) for i in range(N)])
LABELS = torch.arange(N) % 3


@pytest.mark.parametrize(
    "dataset",
    [
        TensorDataset(IMAGES, LABELS),
        TensorDataset(IMAGES, LABELS[:, None]),
        Made(lambda i: (image(i), i % 3)),
        Made(lambda i: (image(i).numpy(), LABELS[i])),
        Made(lambda i: [image(i), np.array([i % 3])]),
        Subset(TensorDataset(IMAGES, LABELS), range(N)),
        ConcatDataset([TensorDataset(IMAGES[:5], LABELS[:5]), TensorDataset(IMAGES[5:], LABELS[5:])]),
    ],
)
def test_a_dataset_is_taken_as_it_is(dataset):
    data = DataManager(dataset, test=3)
    assert data.classes.tolist() == [0, 1, 2] and data.raw is dataset
    assert data.train.x.dtype == torch.uint8 and data.n_features == 4 and data.feature_names == ()
    assert torch.equal(data.train.x, IMAGES[data.train.indices.copy()])
    assert torch.equal(data.truth(range(N)), LABELS)
    assert data.display(5)["x"].tolist() == image(5).tolist()


@pytest.mark.parametrize("missing", [None, float("nan"), torch.tensor(float("nan"))])
def test_labels_may_be_missing(missing):
    data = DataManager(Made(lambda i: (image(i), float(i % 2) if i < 6 else missing)))
    assert data.labelled.indices.tolist() == list(range(6)) and data.classes.tolist() == [0, 1]


def test_points_alone_need_classes_or_labels_apart():
    for dataset in (Made(image), TensorDataset(IMAGES)):
        assert len(DataManager(dataset, classes=["a", "b"]).unlabelled) == N
        assert DataManager(dataset, ["a", "b"] * 6).classes.tolist() == ["a", "b"]


def test_vectors_have_names():
    data = DataManager(Duck(), feature_names=["number", "one"])
    assert data.display(3) == {"number": 3.0, "one": 1.0}
    assert DataManager(Duck()).feature_names == ("x0", "x1")
    assert data.train.x[:, 0].tolist() == list(range(N))


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(2), 0


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        (Stream(), DataError, "map-style"),
        (TensorDataset(IMAGES[:0], LABELS[:0]), WrongShape, "empty"),
        (TensorDataset(torch.arange(N), LABELS), WrongShape, "reshape"),
        (TensorDataset(torch.full((N, 2), torch.nan), LABELS), NonFiniteFeatures, "12 of 12 rows"),
        (TensorDataset(IMAGES, torch.eye(N)), WrongShape, "argmax"),
        (TensorDataset(IMAGES, LABELS, LABELS), DataError, "a pair"),
        (Made(lambda i: {"x": image(i)}), DataError, "a dict.*a pair"),
        (Made(lambda i: ("picture", 1)), DataError, "ToTensor"),
        (Made(lambda i: (torch.zeros(i + 1), 1)), WrongShape, "Point 1"),
        (Made(lambda i: (torch.zeros(2, dtype=torch.float64 if i else torch.float32), 1)), WrongShape, "alike"),
        (Made(lambda i: (torch.tensor(1.0), 1)), WrongShape, "reshape"),
        (Made(lambda i: (torch.full((2,), torch.inf), 1)), NonFiniteFeatures, "Dataset"),
        (Made(lambda i: (torch.zeros(2), torch.zeros(3))), WrongShape, "label of point 0"),
    ],
)
def test_a_dataset_that_cannot_be_is_refused(dataset, error, message):
    with pytest.raises(error, match=message):
        DataManager(dataset)


def test_a_bad_point_is_found_also_where_points_are_not_kept():
    dataset = Made(lambda i: (torch.full((50,), torch.nan if i == 7 else 0.0), float(i)))
    with pytest.raises(NonFiniteFeatures, match="Point 7"):
        DataManager(dataset, memory_budget=100)
