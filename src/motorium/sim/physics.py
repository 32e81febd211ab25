"""Physics: what a batch of simulated worlds offers, whichever engine steps it; tasks are written against this.

Arrays have a leading batch axis B and belong to the engine's array namespace `xp` (NumPy on CPU threads, torch with
MuJoCo Warp), in the engine's precision (float64, float32). `rows` is (B,) bool of the same namespace; None is all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import mujoco

Array = Any


@runtime_checkable
class Physics(Protocol):
    """A batch of worlds of one compiled model.

    Attributes:
        model: the compiled model, the same for all worlds but for the fields of `fields`.
        num_envs: B.
        xp: array namespace of every array here (array API standard, by `array_api_compat`).
        qpos, qvel, ctrl: (B, n) live state; a write is the world's state at its next step.
        mocap_pos, mocap_quat: (B, nmocap, 3 or 4) live.
        history: (B, nhistory) live delay lines of actuators and sensors (`sim.delay`).
        sensordata: (B, nsensordata) what the model's sensors measured. After a step that is, as with `mj_step`, what
            they measured at the start of its last physics substep; after `forward`, at the state as it stands. Not
            part of a snapshot: who restores a state writes back the measurements that belong to it.
        fields: {name: (B, ...)} live model fields that each world has of its own, as asked for when the engine was
            made (`geom_friction`, ...); after a write call `constants`.
    """

    model: mujoco.MjModel
    num_envs: int
    xp: Any
    qpos: Array
    qvel: Array
    ctrl: Array
    mocap_pos: Array
    mocap_quat: Array
    history: Array
    sensordata: Array
    fields: Mapping[str, Array]

    def reset(self, rows: Array | None = None) -> None:
        """Put worlds back to the model's defaults, without computing anything from them."""

    def forward(self, rows: Array | None = None) -> None:
        """Compute the sensors of worlds as they stand."""

    def step(self, rows: Array | None = None, substeps: int = 1, ctrl: Array | None = None) -> None:
        """Advance worlds by `substeps` physics steps; `ctrl` (B, nu) is reached in equal parts, None keeps it."""

    def constants(self, rows: Array | None = None) -> None:
        """Recompute what MuJoCo derives from masses, inertias and reference poses, after a write to `fields`."""

    def rays(
        self,
        points: Array,
        directions: Array,
        rows: Array | None = None,
        exclude_body: int = -1,
        groups: Sequence[int] | None = None,
    ) -> tuple[Array, Array]:
        """Return distances (B, n) in metres and ids of the geoms (B, n) that rays meet; -1 where nothing is met.

        `points`, `directions` (unit length): (B, n, 3), world frame; rays pass the geoms of the body `exclude_body`
        and those that are in none of `groups` (None: all).
        """

    def unstable(self) -> Array:
        """Return which worlds MuJoCo gave up as unstable since their reset: (B,) bool."""

    def snapshot(self) -> Array:
        """Return a copy of the whole integration state, solver warm start included: (B, nstate)."""

    def restore(self, state: Array, rows: Array | None = None) -> None:
        """Set worlds to rows of a snapshot of any batch of the same model; they go on bitwise from there."""
