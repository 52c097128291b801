import threading

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from aljupyter.models.gp.threads import FEW, one_thread


def blas_threads():
    return {library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(limits=2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has one thread")
        yield


def test_few_points_have_one_thread_and_many_keep_theirs():
    with one_thread(FEW):
        assert blas_threads() == {1}
    assert blas_threads() == {2}
    with one_thread(FEW + 1):
        assert blas_threads() == {2}


def test_the_threads_come_back_after_an_error():
    with pytest.raises(ZeroDivisionError), one_thread(3):
        _ = 1 / 0
    assert blas_threads() == {2}


def test_blocks_nest_and_the_last_of_several_threads_to_leave_gives_back():
    entered, leave = threading.Event(), threading.Event()

    def other():
        with one_thread(5):
            entered.set()
            leave.wait()

    with one_thread(5), one_thread(5):
        thread = threading.Thread(target=other)
        thread.start()
        entered.wait()
    assert blas_threads() == {1}
    leave.set()
    thread.join()
    assert blas_threads() == {2}
