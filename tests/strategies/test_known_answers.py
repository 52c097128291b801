"""Each strategy asks what it should in a small situation, and no other strategy would pass for it there."""

import pytest

from aljupyter import strategies as s
from aljupyter.errors import AlJupyterError
from tests.strategies import known_classes, known_places, known_values  # noqa: F401  # each fills the table
from tests.strategies.known import KNOWN

SEEDS = (0, 1, 2)

#: Who asks the same as another in the other's situation, and why that is as it should be.
EQUALS = {
    ("k_center", "gsx"): "GSx is k-center between the inputs, and says what comes first where nothing is labelled",
    ("gsx", "k_center"): "see above",
    ("relative_distance", "k_center"): "the farthest from the labels, taking the points before for labelled",
    ("relative_distance", "gsx"): "see above",
    ("typiclust", "auto"): "it begins with that",
    ("batch_bald", "acs_fw"): "both avoid the copy there; they part in batch_bald:halves, and in acs_fw's own",
    ("d_optimal", "bald"): "the information of each point given those before sums up to that of the batch",
    ("expected_error_reduction", "epig"): "by log loss, both are the expected fall of the entropy at the targets",
    ("variance", "least_confidence"): "in regression it is the variance, by the paper's Appendix A.1",
}
pytestmark = pytest.mark.filterwarnings("ignore::aljupyter.errors.RedundantBatch")


SITUATIONS = [key for key in KNOWN if key.partition(":")[0] in s.names()]


def test_every_strategy_has_a_known_answer():
    assert set(s.names()) <= set(KNOWN), f"no situation in known.py for {set(s.names()) - set(KNOWN)}"
    assert {key.partition(":")[0] for key in KNOWN} <= set(s.names())
    assert {key.partition(":")[0] for pair in EQUALS for key in pair} <= set(s.names())


@pytest.mark.parametrize("key", SITUATIONS)
def test_it_is_given(key):
    situation = KNOWN[key]()
    strategy = s.get(key.partition(":")[0], **situation.parameters)
    for seed in SEEDS if key != "random" else (0,):
        query = situation.asked(strategy, seed)
        assert situation.is_answered_by(query), f"{strategy!r} asked {query.indices.tolist()}"


@pytest.mark.parametrize("key", SITUATIONS)
def test_no_other_strategy_gives_it(key):
    """Whatever is put in its place asks something else, with one seed at least, or cannot be asked."""
    situation = KNOWN[key]()

    def passes(rival, seed):
        try:
            return situation.is_answered_by(situation.asked(s.get(rival), seed))
        except AlJupyterError:
            return False

    rivals = [rival for rival in s.names(situation.task) if rival != key.partition(":")[0]]
    same = {rival for rival in rivals if all(passes(rival, seed) for seed in SEEDS)}
    assert same == {rival for one, rival in EQUALS if one == key}
