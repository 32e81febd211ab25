"""State: what a task's functions read. Arrays (B, ...) of one array namespace; no function writes to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from motorium.core.random import counted_uniform, counter_key
from motorium.sim.physics import Physics

Array = Any


@dataclass(kw_only=True)
class State:
    """A batch of worlds as it stands.

    Attributes:
        physics: the engine: `qpos`, `qvel`, `ctrl`, `sensordata`.
        seeds: (B,) int64 of the episodes.
        steps: (B,) int64 control steps since the start.
        factors: {name: (B,)} start conditions and randomised parameters in force.
        action: (B, A) of this step, clipped to its bounds; zero before the first.
        last_action: (B, A) of the step before; zero before the second.
        memory: {name: (B, ...)} what the task keeps from step to step (`Task.begin`, `Task.advance`).
    """

    physics: Physics
    seeds: Array
    steps: Array
    factors: Mapping[str, Array]
    action: Array
    last_action: Array
    memory: dict[str, Array]

    @property
    def xp(self) -> Any:
        """Array namespace of every array here."""
        return self.physics.xp

    @property
    def qpos(self) -> Array:
        """(B, nq) positions."""
        return self.physics.qpos

    @property
    def qvel(self) -> Array:
        """(B, nv) velocities."""
        return self.physics.qvel

    def sensor(self, name: str) -> Array:
        """Return what the sensor `name` measured: (B, its dimension)."""
        sensor = self.physics.model.sensor(name)
        return self.physics.sensordata[:, int(sensor.adr[0]) : int(sensor.adr[0] + sensor.dim[0])]

    def constant(self, values: Any) -> Array:
        """Return numbers as an array of the engine's type and device."""
        return self.xp.asarray(values, dtype=self.qpos.dtype, device=self.qpos.device)

    def each(self, values: Any) -> Array:
        """Return `values` (...), once for each world: (B, ...), to be written to."""
        one = self.constant(values)
        return self.xp.tile(one[None], (len(self.qpos),) + (1,) * one.ndim)

    def draw(self, purpose: str, count: int, low: float = -1.0, high: float = 1.0) -> Array:
        """Return random numbers of this step, uniform in [low, high): (B, count), a stream for each `purpose`.

        The same (seed, step, purpose) give the same numbers, however often and in whatever batch they are drawn.
        """
        unit = counted_uniform(counter_key(self.seeds, purpose), self.steps, count)
        return self.xp.astype(low + (high - low) * unit, self.qpos.dtype)
