"""A learner with a journal: what it acknowledged is on disk, and another process goes on from there."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import aljupyter as al
from aljupyter.errors import JournalConflict, JournalError, JournalMismatch
from aljupyter.keeping import fingerprint
from tests.managers import NearestMean


def table(n=60):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    frame = pd.DataFrame(rng.normal(size=(n, 2)) + y[:, None], columns=["width", "height"])
    frame["name"] = [f"cmpd-{k}" for k in range(n)]
    frame["kind"] = np.array(["no", "yes"])[y]
    return frame


def data_of(names=True, **more):
    frame = table()
    if not names:
        return al.DataManager(
            frame[["width", "height"]].to_numpy(), frame["kind"].to_numpy(), labelled=6, seed=0, **more
        )
    return al.DataManager(frame, target="kind", id="name", **({"test": 0.25, "labelled": 6, "seed": 0} | more))


def begun(path, strategy=None, names=True, model=None, **more):
    strategy = strategy or al.strategies.Entropy()
    return al.ActiveLearner(data_of(names, **more), model or NearestMean(), strategy, seed=0, journal=path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "campaign.sqlite"


def same(one, other):
    assert one.data.labelled.indices.tolist() == other.data.labelled.indices.tolist()
    assert one.data.labelled.y.tolist() == other.data.labelled.y.tolist()
    assert one.round == other.round
    pd.testing.assert_frame_equal(
        one.history.to_frame().drop(columns=["fit", "score", "select", "label"], errors="ignore"),
        other.history.to_frame().drop(columns=["fit", "score", "select", "label"], errors="ignore"),
        check_exact=False,
    )


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("model", [NearestMean, lambda: al.GPClassifier("rbf", optimizer=None)])
def test_another_learner_goes_on_where_the_first_was(path, names, model):
    first = begun(path, names=names, model=model())
    first.run(3, [2, 1, 2], progress=False)
    first.label(first.data.unlabelled.indices[:1], ["yes"])
    again = begun(path, names=names, model=model())
    assert again.history[-1].labelled_by == "person"
    assert again.events == first.events
    same(first, again)
    assert again.query(2).indices.tolist() == first.query(2).indices.tolist()
    first_three, their_three = first.step(2), again
    assert first_three.round == 4
    with pytest.raises(JournalConflict):  # the other one has labelled these meanwhile
        their_three.step(2)
    assert their_three.round == 4
    same(begun(path, names=names, model=model()), first)  # what the first acknowledged is still there


def test_the_journal_names_points_as_the_data_do(path):
    learner = begun(path)
    record = learner.step(2)
    (event,) = [event for event in al.Journal(path).events() if event.kind == "label"]
    assert event.items == tuple(f"cmpd-{k}" for k in record.indices)
    assert event.labels == tuple(record.labels.tolist())
    assert (event.person, event.round) == ("dataset", 0)
    assert event.note["metrics"] == pytest.approx(dict(record.metrics))


def test_a_query_that_waits_is_given_back_as_it_was_and_not_computed(path):
    first = begun(path)
    query = first.query(3)
    assert first.query(3).indices.tolist() == query.indices.tolist()
    assert [event.kind for event in al.Journal(path).events()] == ["query"]

    class Other(al.strategies.Strategy):
        needs = ()

        def score(self, pool):
            raise AssertionError("it was to be read, not computed")

    again = begun(path, strategy=Other())
    waiting = again.query(3)
    assert waiting.indices.tolist() == query.indices.tolist()
    np.testing.assert_allclose(waiting.scores, query.scores)
    assert waiting.strategy == query.strategy
    record = again.label(waiting)
    assert (record.round, again.n_labels) == (0, 9)
    assert al.Journal(path).pending() == ()


def test_step_answers_the_query_that_waits(path):
    asked = begun(path, strategy=al.strategies.Random()).query(2).indices.tolist()
    again = begun(path, strategy=al.strategies.Entropy())
    assert again.step(2).indices.tolist() == asked


def test_to_look_at_what_would_be_asked_writes_nothing(path):
    learner = begun(path)
    assert learner.peek(2).indices.tolist() == learner.query(2).indices.tolist()
    other = begun(path.with_name("other.sqlite"))
    other.peek(2)
    explorer = al.Explorer(other, grid=4, synchronous=True)
    explorer.close()
    assert len(al.Journal(path.with_name("other.sqlite"))) == 0


def test_undo_is_an_event_and_holds_after_it_is_opened_again(path):
    first = begun(path)
    first.run(3, progress=False)
    first.undo()
    again = begun(path)
    same(first, again)
    assert [event.kind for event in al.Journal(path).events()] == ["label", "label", "label", "undo"]
    again.undo()
    assert begun(path).round == 1
    again.step()
    assert begun(path).round == 2


def test_corrections_and_labels_from_a_file_are_gone_on_from(path):
    learner = begun(path)
    record = learner.step(2)
    items = [f"cmpd-{k}" for k in record.indices]
    other = {"no": "yes", "yes": "no"}[record.labels[0]]
    more = [f"cmpd-{k}" for k in learner.data.unlabelled.indices[:2]]
    path.with_name("more.csv").write_text("item,label\n" + "".join(f"{item},yes\n" for item in more))
    with al.Journal(path) as journal:
        journal.record("relabel", items[:1], [other])
        journal.import_file(path.with_name("more.csv"), dry_run=False, person="Ada")
    again = begun(path)
    assert again.history[0].labels.tolist() == [other, record.labels[1]]
    assert [r.round for r in again.history] == [0, 1]
    assert (again.history[1].labelled_by, again.history[1].labels.tolist()) == ("Ada", ["yes", "yes"])
    again.step()
    assert begun(path).round == 3


def test_it_is_refused_with_other_data_or_another_start(path):
    begun(path).step()
    for more in ({"labelled": 7}, {"test": 0.5}, {"seed": 1}):
        with pytest.raises(JournalMismatch, match="belongs to other data"):
            begun(path, **more)
    with pytest.raises(JournalMismatch):
        begun(path, names=False)
    assert fingerprint(data_of()) == fingerprint(data_of())


def test_a_journal_that_cannot_be_written_refuses_the_label(path):
    learner = begun(path)
    learner.step()
    learner._keeper.journal.close()
    labelled, history = learner.data.labelled.indices.tolist(), learner.history
    with pytest.raises(JournalError):
        learner.step()
    assert learner.data.labelled.indices.tolist() == labelled
    assert learner.history is history
    same(begun(path), learner)


def test_an_interrupt_right_after_the_commit_is_rolled_back_on_disk_too(path, monkeypatch):
    learner = begun(path)
    learner.step()
    write = learner._keeper.label

    def interrupted(record):
        write(record)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(learner._keeper, "label", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learner.step()
    assert learner.round == 1
    same(begun(path), learner)
    learner.step()
    same(begun(path), learner)


def test_rounds_of_a_resumed_learner_have_no_model_and_say_so(path):
    begun(path).run(2, progress=False)
    again = begun(path)
    again.step()
    explorer = al.Explorer(again, grid=4, synchronous=True)
    assert len(explorer._right.curve.curve.x) == 4
    explorer._timeline.slider.value = 0
    assert "No model of this round is stored" in explorer._screen.heatmap.widget.children[0].value
    assert explorer.last_error is None
    explorer.close()


SCRIPT = """
import sys
from tests.test_keeping import begun
learner = begun(sys.argv[1])
record = learner.step(2)
print(record.round, *record.indices, flush=True)
"""


def test_a_process_each_round_gives_what_one_process_gives(path):
    said = [subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=True).stdout
            for _ in range(3)]  # fmt: skip
    one = begun(path.with_name("one.sqlite"))
    records = one.run(3, 2, progress=False)
    assert [list(map(int, line.split())) for line in said] == [[r.round, *r.indices.tolist()] for r in records]
