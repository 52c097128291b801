"""Learners that are killed at random moments: what they acknowledged is there, and the next asks what they would."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.stepper import begun

STEPPER = Path(__file__).with_name("stepper.py")
ROOT = STEPPER.parents[2]
SECONDS = 0.5  # at most, from the first round to the kill


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_rounds_are_those_of_a_learner_that_was_never_killed(tmp_path, kills):
    path, moments = tmp_path / "j.sqlite", random.Random(kills)
    acknowledged = {}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, STEPPER, str(path)], stdout=subprocess.PIPE, env=environment)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(moments.random() * SECONDS)
        os.kill(process.pid, signal.SIGKILL)
        lines = process.stdout.read().split(b"\n")[:-1]
        process.stdout.close()
        process.wait()
        rounds = {numbers[0]: numbers[1:] for line in lines if (numbers := list(map(int, line.split())))}
        assert not rounds.keys() & acknowledged.keys(), "a round was played twice"
        acknowledged |= rounds
    resumed = begun(path)
    played = {record.round: record.indices.tolist() for record in resumed.history}
    assert acknowledged.items() <= played.items()
    assert len(played) - len(acknowledged) <= kills  # on disk, and killed before it could say so
    assert len(acknowledged) > kills
    alone = begun(tmp_path / "alone.sqlite")
    for k in range(min(len(played), 80)):
        assert alone.step(1 + k % 3).indices.tolist() == played[k], f"another query in round {k}"
    if len(played) <= 80:
        assert alone.query(2).indices.tolist() == resumed.query(2).indices.tolist()
