"""Engine: a batch of MuJoCo worlds of one model, stepped together on CPU threads.

Source: `mujoco.batch.Batch` (MuJoCo 3.17). Each world is one row of integration state (`mjSTATE_INTEGRATION`:
time, positions, velocities, solver warm start, controls, mocap poses, ...). A step is bitwise the same as
`mj_step` on a world of its own, whatever the batch, the row and the number of threads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray

from motorium.core.errors import SimError

Array = NDArray[np.float64]

# Counters that say MuJoCo found a state that is not finite or huge, and put the world back to its defaults.
_BAD = slice(int(mujoco.mjtWarning.mjWARN_BADQPOS), int(mujoco.mjtWarning.mjWARN_BADQACC) + 1)


class Engine:
    """A batch of worlds of one compiled model.

    Args:
        model: the compiled model; not to be changed afterwards.
        num_envs: B, number of worlds.
        threads: threads to step with; 0 is one a CPU. Results do not depend on it.
        fields: names of model fields that each world gets of its own.

    Attributes:
        state: (B, nstate) float64, the whole integration state, live.
        Others as `sim.physics.Physics` says, float64.

    Raises:
        SimError: when the batch cannot be made.
    """

    xp = np

    def __init__(self, model: mujoco.MjModel, num_envs: int, threads: int = 0, fields: Sequence[str] = ()) -> None:
        if num_envs < 1:
            raise SimError("a batch needs at least one world", got=num_envs, expected="num_envs >= 1")
        self.model = _checked(model)
        self.num_envs = num_envs
        self._batch = Batch(model, num_envs, threads)
        self.state: NDArray[np.float64] = self._batch.state
        self.qpos, self.qvel = self._batch.bind("qpos"), self._batch.bind("qvel")
        self.ctrl = self._batch.bind("ctrl")
        self.mocap_pos, self.mocap_quat = self._batch.bind("mocap_pos"), self._batch.bind("mocap_quat")
        self.history = self._batch.bind("history") if model.nhistory else np.zeros((num_envs, 0))
        self.fields: dict[str, Array] = {name: self._batch.expand(name) for name in fields}
        # The batch's own copy is read-only, and undefined in rows that a call leaves out.
        self._measured = self._batch.bind("sensordata") if model.nsensordata else None
        self.sensordata = np.zeros((num_envs, model.nsensordata))

    def reset(self, rows: NDArray[np.bool_] | None = None) -> None:
        """Put worlds back to the model's defaults, without computing anything from them.

        Args:
            rows: (B,) bool; None is all.
        """
        self._run(self._batch.reset, rows, stage=mujoco.mjtStage.mjSTAGE_NONE.value)

    def forward(self, rows: NDArray[np.bool_] | None = None) -> None:
        """Compute the sensors of worlds as they stand; their states stay.

        Raises:
            SimError: when MuJoCo fails in some worlds.
        """
        if self._measured is None:
            return
        chosen = slice(None) if rows is None else rows
        before = self.state[chosen].copy()
        self._run(self._batch.forward, rows)
        # Forward dynamics leave their warm start in the state: a world that was looked at would go on differently.
        self.state[chosen] = before
        self._measure(rows)

    def constants(self, rows: NDArray[np.bool_] | None = None) -> None:
        """Recompute what MuJoCo derives from masses, inertias and reference poses, after a write to `fields`."""
        self._run(self._batch.set_const, rows)

    def step(self, rows: NDArray[np.bool_] | None = None, substeps: int = 1, ctrl: Array | None = None) -> None:
        """Advance worlds by `substeps` physics steps, in one call.

        Args:
            rows: (B,) bool; None is all. The others cost nothing.
            substeps: number of physics steps.
            ctrl: (B, nu) controls at the end of the call: they run there in equal parts from the present ones, as
                a robot's controller interpolates its set points. None: the present ones are kept.

        Raises:
            SimError: when MuJoCo fails in some worlds; names their rows. They keep the state they had, the
                others have been stepped.
        """
        if ctrl is None:
            self._run(self._batch.step, rows, nstep=substeps)
            self._measure(rows)
            return
        chosen = slice(None) if rows is None else rows
        now, part = self.ctrl[chosen], np.arange(1, substeps + 1) / substeps
        path = now[:, None] + (ctrl[chosen] - now)[:, None] * part[:, None]
        path[:, -1] = ctrl[chosen]
        self._run(self._batch.rollout, rows, nstep=substeps, control=path, record=())
        self._measure(rows)

    def rays(
        self,
        points: Array,
        directions: Array,
        rows: NDArray[np.bool_] | None = None,
        exclude_body: int = -1,
        groups: Sequence[int] | None = None,
    ) -> tuple[Array, NDArray[np.int32]]:
        """Return how far rays go before they meet a geom of the worlds as they stand, and which.

        Args:
            points: (B, n, 3) where rays start, metres, world frame.
            directions: (B, n, 3) unit length, world frame.
            rows: (B,) bool; None is all.
            exclude_body: id of a body whose own geoms rays pass; -1 is none.
            groups: geom groups that stop rays; None is all.

        Returns:
            Distances (B, n) in metres and ids of geoms (B, n); -1 where nothing is met, and outside `rows`.
        """
        chosen = slice(None) if rows is None else rows
        points, directions = (np.asarray(a, np.float64)[chosen] for a in (points, directions))
        shape = (self.num_envs, points.shape[1])
        distance, geom = np.full(shape, -1.0), np.full(shape, -1, np.int32)
        if len(points):
            seen = None if groups is None else np.isin(np.arange(mujoco.mjNGROUP), groups)
            found = self._batch.ray(points, directions, seen, bodyexclude=exclude_body, ids=rows)
            distance[chosen], geom[chosen] = found[0], found[1]
        return distance, geom

    def unstable(self) -> NDArray[np.bool_]:
        """Return which worlds MuJoCo gave up as unstable, and put to their defaults, since their reset: (B,) bool."""
        return (self._batch.warning[:, _BAD, 1] > 0).any(axis=1)

    def snapshot(self) -> NDArray[np.float64]:
        """Return a copy of the whole integration state, solver warm start included: (B, nstate)."""
        return self.state.copy()

    def restore(self, state: NDArray[np.float64], rows: NDArray[np.bool_] | None = None) -> None:
        """Set worlds to rows of a snapshot of any batch of the same model; they go on bitwise from there.

        Args:
            state: (B, nstate) float64.
            rows: (B,) bool; None is all.

        Raises:
            SimError: when `state` has another shape.
        """
        state = np.asarray(state, np.float64)
        if state.shape != self.state.shape:
            raise SimError(
                "this snapshot is of another model or batch size",
                where="Engine.restore",
                got=state.shape,
                expected=self.state.shape,
            )
        chosen = slice(None) if rows is None else rows
        self.state[chosen] = state[chosen]
        self._batch.warning[chosen] = 0

    def _measure(self, rows: NDArray[np.bool_] | None) -> None:
        if self._measured is not None:
            chosen = slice(None) if rows is None else rows
            self.sensordata[chosen] = self._measured[chosen]

    def _run(self, call: Callable, rows: NDArray[np.bool_] | None, **arguments) -> None:
        try:
            call(ids=rows, **arguments)
        except SimulationError as error:
            raise SimError(
                "MuJoCo failed in some worlds",
                where=f"rows {_shown(error.ids)}",
                got=str(error),
                expected="a step that can be computed",
            ) from error


def _checked(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return `model`, with a dense Jacobian where this version's sparse solver is faulty."""
    # Source: MuJoCo issue 3767: 4.0.0 can factor a wrong Hessian from a sparse Jacobian; fixed in 4.0.1.
    if mujoco.__version__ == "4.0.0" and mujoco.mj_isSparse(model):
        warnings.warn("MuJoCo 4.0.0 has a faulty sparse solver: using dense Jacobians", stacklevel=3)
        model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    return model


def _shown(ids: Sequence[int]) -> str:
    return ", ".join(str(int(i)) for i in ids[:10]) + (f", ... ({len(ids)} in all)" if len(ids) > 10 else "")
