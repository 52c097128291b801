"""CPU time, Cholesky factorisations and memory."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri

from aljupyter.models.gp import arrays

T = TypeVar("T")


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and the CPU seconds that this process took for it."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


class CholeskyCount:
    """Counts Cholesky factorisations of ours on the processor within a ``with`` block, by the order of the matrix.

    Attributes
    ----------
    orders : Counter of int
    """

    def __init__(self) -> None:
        self.orders: Counter[int] = Counter()

    def __enter__(self) -> Self:
        self._patch = patch.object(arrays, "dpotrf", self._counted(arrays.dpotrf))
        self._patch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patch.stop()

    def _counted(self, factorise: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(matrix: NDArray[np.float64], *args: Any, **kwargs: Any) -> Any:
            self.orders[len(matrix)] += 1
            return factorise(matrix, *args, **kwargs)

        return wrapper

    def of_order(self, least: int) -> int:
        """Factorisations of matrices of at least this order."""
        return sum(count for order, count in self.orders.items() if order >= least)

    def floor(self) -> float:
        """CPU seconds of what was counted, were each no more than one factorisation and one inverse by LAPACK."""
        return sum(count * _factor_and_invert(order) for order, count in self.orders.items())


def _factor_and_invert(order: int, repeats: int = 5) -> float:
    """Least CPU seconds of factorising and inverting a matrix of this order."""
    matrix = np.asfortranarray(np.eye(order) + 1 / (1 + order))

    def once() -> None:
        dpotri(dpotrf(matrix)[0])

    return min(timed(once)[1] for _ in range(repeats))


def peak_megabytes() -> float:
    """Most memory that this process has held at once.

    Linux hands the peak that `getrusage` knows on from a parent to the process that it starts; VmHWM is our own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(fields["VmHWM"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
