"""Journals as tables and files: nothing lost on the way out, nothing overwritten on the way in."""

import importlib.util
import json

import pandas as pd
import pytest

import aljupyter as al
from aljupyter.errors import JournalError


@pytest.fixture
def journal(tmp_path):
    with al.Journal(tmp_path / "j.sqlite") as opened:
        opened.record("query", ["a", "b"], round=0)
        opened.record("label", ["a", "b"], [1.5, 'ü, quoted "text"'], person="Ada", round=0, seconds=3.0)
        opened.record("relabel", ["a"], [2.5], note={"why": "typo"})
        yield opened


@pytest.fixture
def other(tmp_path):
    with al.Journal(tmp_path / "other.sqlite") as opened:
        yield opened


def test_a_table_has_a_row_a_point(journal):
    frame = journal.to_frame()
    assert frame["kind"].tolist() == ["query", "query", "label", "label", "relabel"]
    assert frame["item"].tolist() == ["a", "b", "a", "b", "a"]
    assert frame["label"].tolist()[2:] == [1.5, 'ü, quoted "text"', 2.5]
    assert json.loads(frame["note"].iloc[-1]) == {"why": "typo"}


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_what_goes_out_comes_in(journal, other, tmp_path, ending):
    path = tmp_path / f"out{ending}"
    journal.export(path)
    planned = other.import_file(path)
    assert (planned.new, planned.written, len(other)) == (journal.labels(), False, 0)
    taken = other.import_file(path, dry_run=False, person="Grace")
    assert taken.written
    assert other.labels() == journal.labels()
    (event,) = other.events()
    assert (event.person, event.note["from"]) == ("Grace", path.name)
    again = other.import_file(path, dry_run=False)
    assert (again.new, again.known, again.written, len(other)) == ({}, 2, False, 1)


def test_lines_give_back_every_event(journal, tmp_path):
    journal.undo()
    path = tmp_path / "out.jsonl"
    journal.export(path)
    facts = [json.loads(line) for line in path.read_text().splitlines()]
    assert [fact.pop("seq") for fact in facts] == [1, 2, 3, 4]
    assert facts == [json.loads(event.body()) for event in journal.events()]
    with al.Journal(tmp_path / "third.sqlite") as third:
        assert third.import_file(path).new == journal.labels()


def test_conflicts_are_listed_and_never_taken_over(journal, other, tmp_path):
    other.record("label", ["a"], [9.0])
    path = tmp_path / "out.jsonl"
    journal.export(path)
    report = other.import_file(path, dry_run=False)
    assert report.conflicts == {"a": (9.0, 2.5)}
    assert other.labels()["a"] == 9.0
    assert "'a': 9.0 here, 2.5 there" in repr(report)
    assert "1 labels taken in, 0 known already, 1 conflicts" in repr(report)


def test_lines_of_a_table_that_say_nothing_are_refused_by_number(other, tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("\ufeffitem,label\n7,1.5\n,2\n8,\n007,x\n7,3\n9,nan\n", encoding="utf-8")
    report = other.import_file(path, dry_run=False)
    assert report.new == {7: 1.5, "007": "x", 9: "nan"}
    assert report.refused == [(3, "no item"), (4, "no label"), (6, "7 has another label on an earlier line, 1.5")]


def test_items_are_text_where_the_journal_has_text(other, tmp_path):
    other.record("label", ["1"], [0])
    path = tmp_path / "results.csv"
    path.write_text("item,label\n1,0\n2,1\n")
    report = other.import_file(path)
    assert (report.new, report.known) == ({"2": 1}, 1)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "id,value\n1,2\n", "columns item and label"),
        ("a.txt", "x", r"\.csv and \.jsonl"),
        ("a.csv", "seq,kind,item,label\n1,label,a,1\n2,undo,a,\n", "use .jsonl"),
        ("a.jsonl", '{"seq": 1, "kind": "undo", "items": ["a"], "labels": [], "note": {"of": 7}}\n', "Was a line lost"),
    ],
)
def test_what_cannot_be_taken_in_is_refused(other, tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(JournalError, match=words):
        other.import_file(path, dry_run=False)
    assert len(other) == 0


def test_a_mangled_file_is_an_error_or_refused_lines(other, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"seq": 1\nnot json\n[]\n{"seq": 2, "kind": "label", "items": ["a"], "labels": []}\n')
    report = other.import_file(path)
    assert (report.new, [number for number, _ in report.refused]) == ({}, [1, 2, 3, 4])
    path.write_bytes(b"\xff\xfe\x00item")
    with pytest.raises(JournalError, match="UTF-8"):
        other.import_file(path)
    with pytest.raises(JournalError, match="cannot be read"):
        other.import_file(tmp_path / "nowhere.csv")


def test_other_endings_and_places_are_refused(journal, tmp_path):
    with pytest.raises(JournalError, match=r"\.csv, \.jsonl or \.parquet"):
        journal.export(tmp_path / "out.xlsx")
    with pytest.raises(JournalError, match="cannot be written"):
        journal.export(tmp_path / "nowhere" / "out.csv")


def test_parquet_where_it_can_be_had(journal, tmp_path):
    path = tmp_path / "out.parquet"
    if importlib.util.find_spec("pyarrow") is None:
        with pytest.raises(JournalError, match="needs a package"):
            journal.export(path)
        return
    journal.export(path)
    frame = pd.read_parquet(path)
    assert [json.loads(item) for item in frame["item"]] == journal.to_frame()["item"].tolist()
