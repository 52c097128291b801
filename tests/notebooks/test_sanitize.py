"""What nbval may overlook: things that differ in every run, and no metric."""

import re
from pathlib import Path

import pytest
from nbval.plugin import get_sanitize_patterns

PATTERNS = get_sanitize_patterns((Path(__file__).parent / "sanitize.cfg").read_text())


def sanitized(text: str) -> str:
    for pattern, replacement in PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<object at 0x7fdc5443c840>", "<object at 0x7f5a1ac3f0d0>"),
        ("model_id='41867f9164bd45cbb735a3ca03fd7bce'", "model_id='9d3e0b7f1c2a4e5f8a6b7c8d9e0f1a2b'"),
        ("20 rounds took 1.3 s", "20 rounds took 980 ms"),
        ("Wall time: 1.2 s", "Wall time: 340 µs"),
        ("100%|#####| 20/20 [00:03<00:00,  6.41it/s]", "100%|#####| 20/20 [00:12<00:00,  1.63it/s]"),
        ("/tmp/ipykernel_81/123.py:2: UserWarning", "/var/tmp/ipykernel_4/77.py:2: UserWarning"),
    ],
)
def test_what_differs_in_every_run_is_overlooked(one, other):
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize("text", ["rmse 0.5 s", "length scale 3.2 m", "accuracy 0.91 at 42 labels", "in 12 ms", "0.5s"])
def test_a_number_before_a_unit_is_compared(text):
    assert sanitized(text) == text
