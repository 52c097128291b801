"""Generators are made of a seed and a purpose, and of nothing else."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from aljupyter.randomness import numpy_generator, torch_generator
from tests.processes import outputs_under_hash_seeds

keys = st.lists(st.integers(0, 100) | st.text(max_size=5), max_size=3)


@given(st.integers(0, 2**32), keys)
def test_the_same_purpose_gives_the_same_draws(seed, purpose):
    first, second = (numpy_generator(seed, *purpose).random(4) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    first, second = (torch.rand(4, generator=torch_generator(seed, *purpose)) for _ in range(2))
    assert torch.equal(first, second)


def test_another_seed_round_or_purpose_gives_other_draws():
    purposes = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b")]
    assert len({numpy_generator(*purpose).random() for purpose in purposes}) == 4
    assert len({torch.rand(1, generator=torch_generator(*purpose)).item() for purpose in purposes}) == 4


def test_the_draw_does_not_depend_on_the_hash_seed():
    script = "from aljupyter.randomness import numpy_generator; print(numpy_generator(0, 3, 'ties').random())"
    draws = set(outputs_under_hash_seeds(script, "0", "1"))
    assert len(draws) == 1
