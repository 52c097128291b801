"""Cancel and progress."""

import pytest

from aljupyter.control import Control
from aljupyter.errors import RoundCancelled


def test_a_check_passes_until_cancelled():
    control = Control()
    control.check()
    control.cancel()
    with pytest.raises(RoundCancelled):
        control.check()


def test_a_part_reports_its_share_and_hears_the_same_cancel():
    heard = []
    whole = Control(lambda fraction, words: heard.append((fraction, words)))
    part = whole.part(1, 4)
    part.progress(0.5, "fitting")
    assert heard == [(0.375, "fitting (2 of 4)")]
    whole.cancel()
    assert part.cancelled
