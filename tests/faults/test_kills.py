"""Processes that are killed at random moments while they label: no acknowledged label is lost, none is there twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import aljupyter as al
from aljupyter.errors import JournalError

LABELLER = Path(__file__).with_name("labeller.py")
SECONDS = 0.03  # at most, from the first label to the kill


def killed_once(path, first, moment):
    """Numbers that were acknowledged before the process was killed."""
    process = subprocess.Popen([sys.executable, LABELLER, str(path), str(first)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    time.sleep(moment * SECONDS)
    os.kill(process.pid, signal.SIGKILL)
    said = process.stdout.read()
    process.stdout.close()
    process.wait()
    return [int(line) for line in said.split(b"\n")[:-1]]


def kill_many(path, kills, seed):
    """Kill so many processes on one journal; what was acknowledged, and what was found after each."""
    moments, acknowledged, first = random.Random(seed), set(), 0
    for _ in range(kills):
        acknowledged.update(killed_once(path, first, moments.random()))
        with al.Journal(path) as journal:  # each time it opens, and is sound
            labels = journal.labels()
        assert acknowledged <= labels.keys(), f"lost: {sorted(acknowledged - labels.keys())[:5]}"
        assert all(item == label for item, label in labels.items())
        assert len(labels) - len(acknowledged) <= kills  # written, and killed before it could say so
        first = max(labels, default=-1) + 1
    return acknowledged


@pytest.mark.parametrize("kills", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_acknowledged_label_is_lost_or_doubled(tmp_path, kills):
    path = tmp_path / "j.sqlite"
    acknowledged = kill_many(path, kills, seed=kills)
    assert len(acknowledged) > kills  # the processes did work
    with al.Journal(path) as journal:
        labelled = [item for event in journal.events() if event.kind == "label" for item in event.items]
    assert len(labelled) == len(set(labelled))


def test_a_disk_that_is_full_loses_nothing_and_says_so(tmp_path):
    """The file may not grow beyond a limit, which is what a full disk looks like to a process."""
    path = tmp_path / "j.sqlite"
    code = f"""
import resource, signal
from aljupyter.journal import Journal
from aljupyter.errors import JournalError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal({str(path)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
k = 0
try:
    while k < 100_000:
        journal.record("label", [k], ["x" * 500])
        k += 1
except JournalError as error:
    assert "Nothing was acknowledged" in str(error), error
    print(k)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    acknowledged = int(done.stdout)
    assert acknowledged > 10
    with al.Journal(path) as journal:
        assert list(journal.labels()) == list(range(acknowledged))
        journal.record("label", [acknowledged], ["y"])  # with room again it goes on


def test_a_file_that_may_not_be_written_is_refused(tmp_path):
    path = tmp_path / "j.sqlite"
    with al.Journal(path) as journal:
        journal.record("label", [1], [1])
    if os.geteuid() == 0:
        pytest.skip("root may write anything")
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(JournalError):
            al.Journal(path)
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes_never_change_a_label(tmp_path, seed):
    path = tmp_path / "j.sqlite"
    with al.Journal(path) as journal:
        for k in range(200):
            journal.record("label", [k], [k])
    raw, dice = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(3):
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    path.write_bytes(raw)
    try:
        with al.Journal(path) as journal:
            labels = journal.labels()
    except JournalError:
        return  # found
    assert all(item == label for item, label in labels.items())
    assert len(labels) == 200  # the flip was in unused bytes


def test_two_writers_for_a_while_never_hand_out_or_label_a_point_twice(tmp_path):
    path = tmp_path / "j.sqlite"
    code = """
import sys, time
from aljupyter.journal import Journal
journal, owner, end = Journal(sys.argv[1]), sys.argv[2], time.time() + 2
while time.time() < end:
    for item in journal.lease(range(2000), 3, owner):
        journal.record("label", [item], [owner], person=owner)
"""
    al.Journal(path).close()
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("Ada", "Grace")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with al.Journal(path) as journal:
        events = journal.events()
    assert len({event.items for event in events}) == len(events)
    assert {event.person for event in events} == {"Ada", "Grace"}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_clock_that_is_set_back_changes_no_order(tmp_path, monkeypatch):
    class Clock:
        @staticmethod
        def now(zone):
            Clock.at -= timedelta(hours=1)
            return Clock.at.replace(tzinfo=zone)

    from datetime import datetime, timedelta

    Clock.at = datetime(2026, 1, 1)
    monkeypatch.setattr("aljupyter.journal.journal.datetime", Clock)
    path = tmp_path / "j.sqlite"
    with al.Journal(path) as journal:
        for k in range(5):
            journal.record("label", [k], [k])
        journal.undo()
    with al.Journal(path) as journal:
        assert list(journal.labels()) == [0, 1, 2, 3]
        times = [event.time for event in journal.events()]
    assert times == sorted(times, reverse=True)
