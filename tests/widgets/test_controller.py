"""One worker, one job at a time; whatever thread calls."""

import threading
import time

import pytest

from aljupyter.errors import LearnerBusyError, RoundCancelled
from aljupyter.widgets.controller import Controller, Throttle


class Listener:
    def __init__(self):
        self.progress, self.changes = [], []

    def report(self, fraction, words):
        self.progress.append((fraction, words))


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture(params=[False, True], ids=["worker", "synchronous"])
def controller(request, listener):
    made = Controller(listener.report, listener.changes.append, synchronous=request.param)
    yield made
    made.close()


@pytest.fixture
def worker(listener):
    made = Controller(listener.report, listener.changes.append)
    yield made
    made.close()


def until_cancelled(control):
    for _ in range(2000):
        control.check()
        time.sleep(0.005)
    raise AssertionError("never cancelled")


def test_a_job_gives_its_result_and_says_when_it_starts_and_ends(controller, listener, on_thread):
    future = on_thread(lambda: controller.start(lambda control: 42))
    assert future.result(10) == 42
    assert controller.wait(10)
    assert listener.changes == [True, False]
    assert not controller.busy


def test_what_a_job_raises_comes_out_and_the_next_one_runs(controller, listener):
    with pytest.raises(ZeroDivisionError):
        controller.start(lambda control: 1 / 0).result(10)
    assert controller.wait(10)
    assert controller.start(lambda control: "next").result(10) == "next"
    assert controller.wait(10)
    assert listener.changes == [True, False, True, False]


def test_a_second_job_is_refused_while_one_runs(worker, on_thread):
    first = worker.start(until_cancelled)
    with pytest.raises(LearnerBusyError, match="Cancel"):
        worker.start(lambda control: None)
    assert on_thread(worker.cancel)
    with pytest.raises(RoundCancelled):
        first.result(10)


def test_of_many_threads_that_start_at_once_one_wins(worker):
    gate, outcomes = threading.Barrier(8), []
    release = threading.Event()

    def press():
        gate.wait()
        try:
            worker.start(lambda control: release.wait(10))
            outcomes.append("started")
        except LearnerBusyError:
            outcomes.append("busy")

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    release.set()
    assert sorted(outcomes) == ["busy"] * 7 + ["started"]


def test_cancel_with_nothing_under_way_does_nothing(controller):
    assert controller.cancel() is False
    assert controller.start(lambda control: control.cancelled).result(10) is False


def test_a_background_job_makes_way_and_can_be_given_again(worker):
    started, ended = threading.Event(), []

    def background(control):
        started.set()
        try:
            until_cancelled(control)
        finally:
            ended.append(control.cancelled)

    worker.start_in_background(background)
    worker.start_in_background(background)  # dropped: there is one
    assert started.wait(10)
    assert not worker.busy, "a background job keeps nobody from starting a round"
    assert worker.start(lambda control: list(ended)).result(10) == [True]
    assert worker.wait(10)
    worker.start_in_background(lambda control: ended.append("again"))
    assert worker.wait(10)
    assert ended == [True, "again"]


def test_progress_comes_at_ten_hertz_with_the_last_value_always(controller, listener):
    def job(control):
        for k in range(1, 1001):
            control.progress(k / 1000, f"{k}")

    began = time.monotonic()
    controller.start(job).result(10)
    assert controller.wait(10)
    assert listener.progress[0] == (0.001, "1")
    assert listener.progress[-1] == (1.0, "1000")
    assert len(listener.progress) <= 3 + 10 * (time.monotonic() - began)


def test_a_throttle_sends_nothing_twice():
    sent = []
    throttle = Throttle(lambda *values: sent.append(values), interval=1000)
    throttle(0.1, "a")
    throttle(0.2, "b")
    throttle(0.3, "c")
    throttle.flush()
    throttle.flush()
    assert sent == [(0.1, "a"), (0.3, "c")]


def test_close_cancels_and_ends_the_thread(listener):
    before = threading.active_count()
    controller = Controller(listener.report, listener.changes.append)
    future = controller.start(until_cancelled)
    controller.close()
    with pytest.raises(RoundCancelled):
        future.result(0)
    assert threading.active_count() == before
    with pytest.raises(LearnerBusyError):
        controller.start(lambda control: None)


def test_a_screen_that_fails_does_not_take_the_worker_with_it(listener, caplog):
    broken = [True]

    def on_change(busy):
        if broken[0] and not busy:
            raise RuntimeError("no screen")

    controller = Controller(listener.report, on_change)
    assert controller.start(lambda control: 1).result(10) == 1
    assert controller.wait(10)
    controller.start_in_background(lambda control: 1 / 0)
    assert controller.wait(10)
    broken[0] = False
    assert controller.start(lambda control: 2).result(10) == 2
    assert "A view of a learner failed" in caplog.text
    controller.close()
    with pytest.raises(LearnerBusyError, match="closed"):
        controller.start(lambda control: 3)
