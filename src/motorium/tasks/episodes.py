"""Episodes: which worlds of a batch run, how the others ended, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from motorium.core.errors import SimError
from motorium.core.protocols import RUNNING

Array = Any

_KEYS = ("started", "steps", "terminated", "truncated", "outcome")


class Episodes:
    """Bookkeeping of B worlds after the contract in `core.protocols`: a world that ended is frozen.

    Args:
        num_envs: B.
        max_steps: steps until a world is truncated.
        timeout: outcome code of a truncated world.
        xp, device: array namespace, and where its arrays are.
    """

    def __init__(self, num_envs: int, max_steps: int, timeout: int, xp: Any = np, device: Any = None) -> None:
        self._xp, self._max_steps, self._timeout = xp, max_steps, timeout
        zeros = {"shape": (num_envs,), "device": device}
        self.started = xp.zeros(dtype=xp.bool, **zeros)
        self.steps = xp.zeros(dtype=xp.int64, **zeros)
        self.terminated, self.truncated = xp.zeros(dtype=xp.bool, **zeros), xp.zeros(dtype=xp.bool, **zeros)
        self.outcome = xp.zeros(dtype=xp.int8, **zeros)

    def restart(self, rows: Array) -> None:
        """Begin new episodes in `rows` (B,) bool."""
        self.started = self.started | rows
        self.steps, self.outcome = self._where(rows, 0, self.steps), self._where(rows, RUNNING, self.outcome)
        self.terminated, self.truncated = self.terminated & ~rows, self.truncated & ~rows

    def running(self) -> Array:
        """Return which worlds are to be stepped: (B,) bool.

        Raises:
            SimError: when a world has never been reset.
        """
        if not self.started.all():
            missing = [row for row, started in enumerate(self.started.tolist()) if not started]
            raise SimError(
                "a world was stepped before it was reset",
                where=f"rows {missing[:10]}",
                remedy="call reset(seeds) first",
            )
        return ~(self.terminated | self.truncated)

    def tick(self, stepped: Array) -> None:
        """Count one step of the worlds in `stepped`."""
        self.steps = self.steps + self._xp.astype(stepped, self._xp.int64)

    def advance(self, stepped: Array, outcome: Array, verdict: Array | None = None) -> None:
        """End those of `stepped` that have an `outcome` (B,), and those whose time is up.

        The latter get the outcome in `verdict` (B,), or else the time-out's.
        """
        ended = stepped & (outcome != RUNNING)
        late = stepped & ~ended & (self.steps >= self._max_steps)
        at_last = self._timeout if verdict is None else verdict
        self.outcome = self._where(late, at_last, self._where(ended, outcome, self.outcome))
        self.terminated, self.truncated = self.terminated | ended, self.truncated | late

    def snapshot(self) -> dict[str, Array]:
        """Return copies of everything: {name: (B,)}."""
        return {key: self._xp.asarray(getattr(self, key), copy=True) for key in _KEYS}

    def restore(self, snapshot: Mapping[str, Array], rows: Array) -> None:
        """Set `rows` (B,) bool to those of `snapshot`."""
        for key in _KEYS:
            setattr(self, key, self._where(rows, snapshot[key], getattr(self, key)))

    def _where(self, rows: Array, value: Array | int, otherwise: Array) -> Array:
        xp = self._xp
        return xp.where(rows, xp.asarray(value, dtype=otherwise.dtype, device=otherwise.device), otherwise)
