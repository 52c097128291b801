"""The journal: what was acknowledged is there, in order, once, and nothing is ever changed."""

import json
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aljupyter as al
from aljupyter.errors import JournalConflict, JournalDamaged, JournalError, JournalMismatch
from aljupyter.journal.events import JournalEvent, fold


@pytest.fixture
def path(tmp_path):
    return tmp_path / "campaign.sqlite"


@pytest.fixture
def journal(path):
    with al.Journal(path) as opened:
        yield opened


def reopened(path):
    with al.Journal(path) as opened:
        return opened.labels(), opened.pending(), [event.body() for event in opened.events()]


# --- events ---------------------------------------------------------------------------------------------------------


def test_what_was_recorded_is_there_after_opening_it_again(journal, path):
    asked = journal.record("query", ["a", "b", 7], round=3, model="v2", note={"scores": [0.5, 0.25, None]})
    given = journal.record("label", ["a", 7], [1.5, "yes"], person="Ada", round=3, seconds=2.5)
    assert (asked.seq, given.seq) == (1, 2)
    labels, pending, bodies = reopened(path)
    assert labels == {"a": 1.5, 7: "yes"}
    assert pending == ("b",)
    assert bodies == [asked.body(), given.body()]
    assert given.time.endswith("+00:00")


def test_numpy_scalars_come_back_as_plain_numbers(journal):
    journal.record("label", np.array([3, 4]), np.array([0.5, 2.0]))
    journal.record("label", [np.int64(5), np.str_("x")], [np.float32(0.25), np.bool_(True)])
    assert journal.labels() == {3: 0.5, 4: 2.0, 5: 0.25, "x": True}


def test_seven_is_not_the_word_seven(journal):
    journal.record("label", [7, "7"], ["number", "word"])
    assert journal.labels() == {7: "number", "7": "word"}


@pytest.mark.parametrize(
    ("kind", "items", "labels", "words"),
    [
        ("labels", ["a"], [1], "An event is one of label, skip"),
        ("label", ["a", "b"], [1], "1 labels were given for 2 points"),
        ("label", ["a", "a"], [1, 1], "'a' stands twice"),
        ("label", [1.5], [1], "text or whole numbers"),
        ("label", [True], [1], "text or whole numbers"),
        ("label", ["a"], [float("nan")], "finite numbers"),
        ("label", ["a"], [object()], "finite numbers"),
        ("skip", ["a"], [1], "has no labels"),
    ],
)
def test_what_a_journal_cannot_hold_is_refused_and_nothing_is_written(journal, kind, items, labels, words):
    with pytest.raises(JournalError, match=words):
        journal.record(kind, items, labels)
    assert len(journal) == 0


def test_a_note_that_is_no_json_is_refused(journal):
    with pytest.raises(JournalError, match="what JSON can"):
        journal.record("flag", ["a"], note={"why": object()})
    assert len(journal) == 0


def test_a_label_is_given_once_and_corrected_by_relabel(journal, path):
    journal.record("label", ["a"], [1])
    with pytest.raises(JournalConflict, match="'a' has a label already, 1"):
        journal.record("label", ["b", "a"], [1, 2])
    with pytest.raises(JournalConflict, match="'b' has no label"):
        journal.record("relabel", ["b"], [2])
    journal.record("relabel", ["a"], [2])
    assert journal.labels() == {"a": 2}
    assert reopened(path)[0] == {"a": 2}


def test_undo_brings_back_what_was_before_and_is_an_event(journal, path):
    journal.record("skip", ["a"])
    journal.record("label", ["a", "b"], [1, 2])
    journal.record("relabel", ["a"], [5])
    assert journal.undo(person="Ada").note == {"of": 3}
    assert journal.labels() == {"a": 1, "b": 2}
    journal.undo()
    assert journal.labels() == {}
    assert journal.state().skipped == {"a": 1}
    journal.undo()
    assert journal.state().skipped == {}
    with pytest.raises(JournalConflict, match="nothing to take back"):
        journal.undo()
    assert len(journal) == 6
    assert reopened(path)[0] == {}


def test_an_event_that_others_rest_on_cannot_be_undone(journal):
    journal.record("label", ["a"], [1])
    journal.record("label", ["b"], [1])
    journal.record("relabel", ["a"], [2])
    with pytest.raises(JournalConflict, match="Event 3 came after event 1"):
        journal.undo(1)
    journal.undo(2)
    with pytest.raises(JournalConflict, match="cannot be taken back"):
        journal.undo(2)
    assert journal.labels() == {"a": 2}


def test_flags_and_skips_are_known(journal):
    journal.record("query", ["a", "b", "c"])
    journal.record("skip", ["b"])
    journal.record("flag", ["c"], note={"why": "odd"})
    assert journal.pending() == ("a", "c")
    assert (journal.state().skipped, journal.state().flagged) == ({"b": 2}, {"c": 3})


ITEMS = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["label", "relabel", "skip", "flag", "query"]), st.sets(ITEMS, min_size=1)),
        st.just(("undo", None)),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_any_history_reads_the_same_from_the_file_and_undo_takes_one_step_back(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("journal") / "j.sqlite"
    states = []  # labels before each change that was not undone
    with al.Journal(path) as journal:
        for k, (kind, items) in enumerate(steps):
            before = dict(journal.labels())
            try:
                if kind == "undo":
                    journal.undo()
                    assert journal.labels() == states.pop()
                else:
                    chosen = sorted(items)
                    journal.record(kind, chosen, [k] * len(chosen) if "label" in kind else None)
                    if kind != "query":
                        states.append(before)
            except JournalConflict:
                assert journal.labels() == before
        labels, state = journal.labels(), fold(journal.events())
        assert (state.labels, state.skipped, state.query) == (labels, journal.state().skipped, journal.pending())
    assert reopened(path)[0] == labels


# --- the file -------------------------------------------------------------------------------------------------------


def test_it_knows_its_data_and_refuses_others(journal, path):
    journal.bind("abc")
    journal.bind("abc")
    with pytest.raises(JournalMismatch, match="belongs to other data"):
        journal.bind("xyz")
    with al.Journal(path) as other, pytest.raises(JournalMismatch):
        other.bind("xyz")
    assert journal.fingerprint == "abc"


def test_events_are_never_changed_or_erased(journal, path):
    journal.record("label", ["a"], [1])
    with sqlite3.connect(path) as raw:
        for statement in ("UPDATE events SET body = 'x'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                raw.execute(statement)


def test_an_event_that_was_tampered_with_is_found(path):
    with al.Journal(path) as journal:
        for k in range(5):
            journal.record("label", [k], [k])
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TRIGGER kept")
        raw.execute("UPDATE events SET body = replace(body, '[2]', '[3]') WHERE seq = 3")
    with pytest.raises(JournalDamaged, match="from event 3 on. The 2 events before it are sound"):
        al.Journal(path)


def test_an_event_that_is_missing_is_found(path):
    with al.Journal(path) as journal:
        for k in range(5):
            journal.record("label", [k], [k])
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TRIGGER stays")
        raw.execute("DELETE FROM events WHERE seq = 2")
    with pytest.raises(JournalDamaged, match="from event 3 on"):
        al.Journal(path)


def test_what_is_no_journal_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("a label a day" * 100)
    with pytest.raises(JournalDamaged):
        al.Journal(text)
    assert text.read_text() == "a label a day" * 100
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as raw:
        raw.execute("CREATE TABLE mine (x)")
    with pytest.raises(JournalDamaged, match="no journal of this package"):
        al.Journal(other)
    with pytest.raises(JournalError, match="Is the folder there"):
        al.Journal(tmp_path / "nowhere" / "j.sqlite")


def test_a_newer_version_is_refused(journal, path):
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE facts SET value = '99' WHERE name = 'version'")
    with pytest.raises(JournalDamaged, match="version 99; this package reads 1"):
        al.Journal(path)


def test_after_it_is_closed_it_says_so(path):
    journal = al.Journal(path)
    journal.close()
    with pytest.raises(JournalError, match="cannot be used now"):
        journal.record("label", ["a"], [1])


# --- several at once ------------------------------------------------------------------------------------------------


def test_two_who_have_it_open_see_each_others_events_and_cannot_label_twice(journal, path):
    with al.Journal(path) as other:
        journal.record("label", ["a"], [1])
        assert other.labels() == {"a": 1}
        with pytest.raises(JournalConflict):
            other.record("label", ["a"], [2])
        other.record("label", ["b"], [2])
        assert [event.seq for event in journal.events()] == [1, 2]


def test_threads_may_share_one(journal):
    def work(start):
        for k in range(start, 100, 4):
            journal.record("label", [k], [k])

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.labels() == {k: k for k in range(100)}
    assert [event.seq for event in journal.events()] == list(range(1, 101))


def test_nobody_is_handed_what_another_has_taken(journal, path):
    journal.record("label", [0], [1])
    with al.Journal(path) as other:
        mine, theirs = journal.lease(range(10), 4, "Ada"), other.lease(range(10), 4, "Grace")
        assert mine == (1, 2, 3, 4)
        assert theirs == (5, 6, 7, 8)
        assert other.lease(range(10), 4, "Grace") == theirs  # one's own stay one's own
        journal.record("label", [1], [1])
        assert journal.lease(range(10), 4, "Ada") == (2, 3, 4, 9)


def test_a_lease_ends(journal):
    assert journal.lease(range(3), 3, "Ada", seconds=-1) == (0, 1, 2)
    assert journal.lease(range(3), 3, "Grace") == (0, 1, 2)


def test_it_needs_neither_numpy_nor_torch():
    code = (
        "import sys, aljupyter; aljupyter.Journal; print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_event_is_one_line_of_json():
    event = JournalEvent(1, "label", ("ä\n",), (1.0,), note={"b": 1, "a": 2})
    assert "\n" not in event.body()
    assert json.loads(event.body())["items"] == ["ä\n"]
    assert JournalEvent.read(1, event.body()) == event
