"""Every random draw comes from a generator made of (seed, round, purpose).

So resuming, undoing or looking back never shifts a later draw, and no global generator is touched.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def _entropy(seed: int, *keys: int | str) -> list[int]:
    """Words for a SeedSequence. Strings go through SHA-256: `hash` changes with PYTHONHASHSEED."""
    text = "/".join(str(key) for key in (seed, *keys))
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]


def numpy_generator(seed: int, *keys: int | str) -> np.random.Generator:
    """A numpy generator for a seed and what it is for, e.g. ``numpy_generator(0, 3, "ties")``."""
    return np.random.default_rng(_entropy(seed, *keys))


def torch_generator(seed: int, *keys: int | str) -> torch.Generator:
    """A torch generator (CPU) for a seed and what it is for."""
    words = _entropy(seed, *keys)
    return torch.Generator().manual_seed(words[0] | (words[1] & 0x7FFFFFFF) << 32)
