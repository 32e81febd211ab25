"""Episodes: which worlds of a batch run, how the others ended, and for how long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SimError
from motorium.core.protocols import RUNNING

_KEYS = ("started", "steps", "terminated", "truncated", "outcome")


class Episodes:
    """Bookkeeping of B worlds after the contract in `core.protocols`: a world that ended is frozen.

    Args:
        num_envs: B.
        max_steps: steps until a world is truncated.
        timeout: outcome code of a truncated world.
    """

    def __init__(self, num_envs: int, max_steps: int, timeout: int) -> None:
        self._max_steps, self._timeout = max_steps, timeout
        self.started = np.zeros(num_envs, bool)
        self.steps = np.zeros(num_envs, np.int64)
        self.terminated, self.truncated = np.zeros(num_envs, bool), np.zeros(num_envs, bool)
        self.outcome = np.zeros(num_envs, np.int8)

    def restart(self, rows: NDArray[np.bool_]) -> None:
        """Begin new episodes in `rows` (B,) bool."""
        self.started[rows] = True
        self.steps[rows], self.outcome[rows] = 0, RUNNING
        self.terminated[rows] = self.truncated[rows] = False

    def running(self) -> NDArray[np.bool_]:
        """Return which worlds are to be stepped: (B,) bool.

        Raises:
            SimError: when a world has never been reset.
        """
        if not self.started.all():
            raise SimError(
                "a world was stepped before it was reset",
                where=f"rows {np.flatnonzero(~self.started)[:10].tolist()}",
                remedy="call reset(seeds) first",
            )
        return ~(self.terminated | self.truncated)

    def advance(self, stepped: NDArray[np.bool_], outcome: NDArray[np.int8]) -> None:
        """Count one step of the worlds in `stepped`; end those with an `outcome` (B,), and those whose time is up."""
        self.steps[stepped] += 1
        ended = stepped & (outcome != RUNNING)
        late = stepped & ~ended & (self.steps >= self._max_steps)
        self.outcome[ended] = outcome[ended]
        self.outcome[late] = self._timeout
        self.terminated |= ended
        self.truncated |= late

    def snapshot(self) -> dict[str, NDArray]:
        """Return copies of everything: {name: (B,)}."""
        return {key: getattr(self, key).copy() for key in _KEYS}

    def restore(self, snapshot: dict[str, NDArray], rows: NDArray[np.bool_]) -> None:
        """Set `rows` (B,) bool to those of `snapshot`."""
        for key in _KEYS:
            getattr(self, key)[rows] = snapshot[key][rows]
