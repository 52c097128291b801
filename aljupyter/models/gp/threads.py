"""One processor thread for linear algebra on small matrices.

At a few hundred points several threads of a BLAS library wait for each other longer than they work: on two cores a loop
over 57 to 307 labels took three times as long with them as without, and six times the processor time.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

#: labelled points up to which one thread is faster
FEW = 1000

_lock = threading.Lock()
_inside = 0
_limit: Any = None


@contextmanager
def one_thread(n_points: int) -> Iterator[None]:
    """Hold BLAS to one thread within a ``with`` block, for few points; nests, and may be used by several threads."""
    global _inside, _limit
    if n_points > FEW:
        yield
        return
    with _lock:
        _inside += 1
        if _inside == 1:
            busy = any(library.num_threads != 1 for library in _controller().lib_controllers)
            _take_control()
            _limit = _controller().limit(limits=1) if busy else None
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _limit is not None:  # the last to leave gives back what the first found
                _take_control()
                _limit.restore_original_limits()
                _take_control()


@functools.cache
def _controller() -> ThreadpoolController:
    """It looks for the libraries that are loaded, which takes longer than a fit."""
    return ThreadpoolController().select(user_api="blas")


def _take_control() -> None:
    """Let this thread, and after it any other, set limits: some versions let only the one that did so first."""
    for library in _controller().lib_controllers:
        clear = getattr(library, "clear_controlling_thread", None)
        if clear is not None:
            clear(force=True)
