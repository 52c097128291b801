"""What a search for theta leaves for the next one, beyond theta itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RunnerUp:
    """The best other maximum that is known.

    Parameters
    ----------
    theta : ndarray of shape (P,)
    inverse_hessian : ndarray of shape (P, P)
    behind : float
        By how much its log evidence was lower.
    at : int
        Number of points when it was looked at last.
    """

    theta: NDArray[np.float64]
    inverse_hessian: NDArray[np.float64]
    behind: float
    at: int


@dataclass(frozen=True)
class Track:
    """Where the searches of a loop stand.

    Parameters
    ----------
    inverse_hessian : ndarray of shape (P, P)
        At the optimum.
    second_at : int
        Number of points when the last second start was made.
    turn : int
        How many there were: the kinds of second start take turns.
    runner_up : RunnerUp, optional
    """

    inverse_hessian: NDArray[np.float64] = field(default_factory=lambda: np.eye(0))
    second_at: int = 0
    turn: int = 0
    runner_up: RunnerUp | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values, which give the same bits back."""
        values: dict[str, Any] = _without_arrays(asdict(self))
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Track:
        """What :meth:`to_json` gave."""
        other = values["runner_up"]
        if other is not None:
            arrays = {name: np.array(other[name], dtype=np.float64) for name in ("theta", "inverse_hessian")}
            other = RunnerUp(**{**other, **arrays})
        inverse_hessian = np.array(values["inverse_hessian"], dtype=np.float64)
        return cls(inverse_hessian, values["second_at"], values["turn"], other)


def _without_arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_arrays(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
