"""A view as a PyTorch dataset."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from aljupyter.data import DataManager
from aljupyter.errors import IndexOutOfRange, TooLargeForMemory

X = np.arange(60.0).reshape(20, 3)


def view(**arguments):
    return DataManager(X, np.arange(20) % 2, preprocess=None, labelled=[4, 2, 9], **arguments).labelled


def test_it_is_a_map_style_dataset_of_its_points():
    labelled = view()
    assert len(labelled) == 3 and labelled.n_classes == 2 and labelled.task == "classification"
    assert labelled.x.tolist() == X[[4, 2, 9]].tolist()
    assert [(x.tolist(), int(y)) for x, y in labelled] == [(X[4].tolist(), 0), (X[2].tolist(), 0), (X[9].tolist(), 1)]
    assert labelled[-1][0].tolist() == X[9].tolist()
    with pytest.raises(IndexOutOfRange):
        labelled[3]


def test_its_indices_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        view().indices[0] = 1


def test_chunks_are_the_view_in_pieces():
    pieces = list(view().chunks(2))
    assert [len(x) for x, _ in pieces] == [2, 1]
    assert torch.equal(torch.cat([x for x, _ in pieces]), view().x)
    assert torch.cat([y for _, y in pieces]).tolist() == [0, 0, 1]


def test_rows_are_read_by_their_positions_and_no_others():
    assert view().rows(torch.tensor([2, 0, 2])).tolist() == X[[9, 4, 9]].tolist()
    assert view().rows(torch.tensor([], dtype=torch.int64)).shape == (0, 3)
    materialised = view()
    _ = materialised.x
    assert materialised.rows(torch.tensor([1])).tolist() == X[[2]].tolist()
    for outside in (3, -1):
        with pytest.raises(IndexOutOfRange, match=f"Position {outside} is not in a view of 3 points"):
            view().rows(torch.tensor([0, outside]))


def test_a_loader_shuffles_by_its_own_seed():
    train = DataManager(X, X[:, 0]).train
    first, second = ([y.tolist() for _, y in train.loader(batch_size=7, shuffle=True)] for _ in range(2))
    assert first == second
    assert sorted(sum(first, [])) == X[:, 0].tolist() and sum(first, []) != X[:, 0].tolist()
    other = train.loader(batch_size=7, shuffle=True, generator=torch.Generator().manual_seed(3))
    assert [y.tolist() for _, y in other] != first


def test_x_is_read_once():
    labelled = view()
    assert labelled.x is labelled.x


def test_above_the_budget_x_raises_and_pieces_stream():
    data = DataManager(X, X[:, 0], preprocess=None, labelled=2, memory_budget=100)
    with pytest.raises(TooLargeForMemory, match=r"480 bytes.*100 bytes.*chunks\(\).*memory_budget"):
        _ = data.train.x
    assert torch.cat([x for x, _ in data.train.chunks(4)]).tolist() == X.tolist()
    assert torch.cat([x for x, _ in data.train.loader(batch_size=4)]).tolist() == X.tolist()
    assert data.labelled.x.shape == (2, 3)


class Counting(Dataset):
    """A Dataset that counts how often it is read."""

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 10

    def __getitem__(self, i):
        self.reads += 1
        return torch.full((4,), float(i)), float(i)


def test_a_dataset_within_the_budget_is_not_read_again():
    dataset = Counting()
    data = DataManager(dataset, test=3)
    reads = dataset.reads
    assert data.train.x[:, 0].tolist() == data.train.indices.tolist()
    assert dataset.reads == reads


def test_a_dataset_above_the_budget_is_read_when_needed():
    data = DataManager(Counting(), test=3, labelled=2, memory_budget=50)
    with pytest.raises(TooLargeForMemory):
        _ = data.train.x
    assert data.labelled.x[:, 0].tolist() == data.labelled.indices.tolist()
    assert torch.cat([x for x, _ in data.train.chunks(3)])[:, 0].tolist() == data.train.indices.tolist()
    assert data.train[2][0][0] == data.train.indices[2]
    assert data.validation.x.shape == (0, 4)


def test_rows_of_a_dataset_above_the_budget_are_all_that_is_read():
    dataset = Counting()
    data = DataManager(dataset, test=3, memory_budget=50)
    reads = dataset.reads
    assert data.train.rows(torch.tensor([5, 1]))[:, 0].tolist() == data.train.indices[[5, 1]].tolist()
    assert dataset.reads == reads + 2


def test_the_repr_says_what_it_holds():
    assert repr(view()) == "Subset(3x3 float64, classification, 2 classes, [4, 2, 9])"
