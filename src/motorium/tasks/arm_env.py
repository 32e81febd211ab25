"""ArmEnv: what every table-top task of an arm shares; a task adds things, start conditions and an ending.

The contract is `core.protocols`: Env, Renderable, ObjectCentric. All that is observed, judged and answered is a
pure function of the integration state (positions, velocities, controls, mocap poses): no derived field of the
simulator is read, so that a restored world looks as it did when it was saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.core.errors import SimError, nearest
from motorium.core.features import Feature, vector
from motorium.core.protocols import EnvInfo, Observation, Segment, Snapshot, Step, as_mask
from motorium.core.random import stream
from motorium.robots.arm import Arm
from motorium.sim.control.ik import DifferentialIK
from motorium.sim.control.modes import CONTROL_MODES, Scale
from motorium.sim.engine import Engine
from motorium.sim.kinematics import Chain
from motorium.sim.scene import without_looks
from motorium.tasks.episodes import Episodes
from motorium.tasks.terms.observation import polynomial

Array = NDArray[np.float64]

OUTCOMES = ("running", "success", "timeout", "unstable")
TIMEOUT, UNSTABLE = 2, 3

# From home to a start pose a few centimetres away: a step leaves a hundredth of the error, six leave rounding.
START_ITERATIONS = 6

CONVENTIONS = {
    "world": "z up, metres; the arm's base at the origin, the tabletop at z = 0, x to the front",
    "quaternion": "w first, unit length",
    "rotation6d": "first two columns of the rotation matrix, column after column",
    "eef": "the point between the finger pads; z is the direction of approach, y that of closing",
    "gripper": "-1 open, 1 closed",
}


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How a task runs: control rate, physics step, step limit, reach of a control step."""

    control_hz: float
    timestep_s: float
    max_steps: int
    control: str
    scale: Scale

    @property
    def substeps(self) -> int:
        """Physics steps in a control period.

        Raises:
            SimError: when the period is not a whole number of physics steps.
        """
        count = 1.0 / (self.control_hz * self.timestep_s)
        if abs(count - round(count)) > 1e-9 or round(count) < 1:
            raise SimError(
                "the control period is not a whole number of physics steps",
                got=f"{1000.0 / self.control_hz:g} ms and {1000.0 * self.timestep_s:g} ms",
                expected="control_hz * timestep_s = 1/n",
            )
        return round(count)


@dataclass(frozen=True, kw_only=True)
class About:
    """What a task tells about itself; `EnvInfo` says what each is. `failures` follow the common outcomes."""

    name: str
    instruction: str
    observation: Mapping[str, Feature]
    factors: Mapping[str, tuple[float, float]]
    failures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a task says about a batch: outcome codes (B,) int8, and reward terms {name: (B,)}."""

    outcome: NDArray[np.int8]
    rewards: Mapping[str, Array]


class ArmEnv:
    """A batch of arms, each at a table of its own. See `core.protocols` for what each method promises."""

    segments: tuple[Segment, ...]

    def __init__(self, about: About, arm: Arm, rates: Rates, num_envs: int, threads: int) -> None:
        self.num_envs, self._substeps = num_envs, rates.substeps
        self._looks, self._cameras = arm.spec, None
        model = without_looks(arm.spec).compile()
        self._engine = Engine(model, num_envs, threads)
        self._chain = Chain(model, arm.joints, arm.eef_site)
        self._home, self._gripper = np.array(arm.home_rad), arm.gripper
        self._ik = DifferentialIK(chain=self._chain, posture_rad=self._home)
        self._mode = CONTROL_MODES.load(rates.control)(self._ik, arm.joints, rates.scale)
        self._low = np.append(self._mode.low, -1.0).astype(np.float32)
        self._high = np.append(self._mode.high, 1.0).astype(np.float32)
        self._q = np.array([int(model.joint(name).qposadr[0]) for name in arm.joints])
        self._drivers = [model.actuator(name).id for name in arm.actuators]
        self._grip = model.actuator(arm.gripper.actuator).id
        self._grip_q = int(model.joint(arm.gripper.joint).qposadr[0])
        self.info = self._describe(about, arm, rates)
        self._episodes = Episodes(num_envs, rates.max_steps, TIMEOUT)
        self._seeds = np.zeros(num_envs, np.int64)
        self._factors = np.zeros((num_envs, len(about.factors)))
        self._refresh()

    # What a task adds.

    def _place(self, factors: Mapping[str, Array], rows: NDArray[np.bool_]) -> None:
        """Write the start state of the things in `rows` (B,) bool; `factors` are {name: (number of rows,)}."""
        raise NotImplementedError

    def _start_pose(self, factors: Mapping[str, Array]) -> Array:
        """Return the end effector's start poses (n, 7) for `factors` {name: (n,)}."""
        raise NotImplementedError

    def _observe(self) -> dict[str, NDArray[np.float32]]:
        """Return the observation of the whole batch, as new arrays."""
        raise NotImplementedError

    def _judge(self) -> Judgement:
        """Return outcome and rewards of the whole batch as it stands."""
        raise NotImplementedError

    # Env.

    def reset(
        self,
        seeds: NDArray[np.int64],
        mask: NDArray[np.bool_] | None = None,
        factors: Mapping[str, NDArray] | None = None,
    ) -> Observation:
        """Restart the worlds in `mask`; a factor given may lie outside the range that is drawn from."""
        rows = as_mask(mask, self.num_envs)
        drawn = self._draw(np.asarray(seeds, np.int64), rows)
        for name, values in (factors or {}).items():
            column = self._factor_index(name)
            values = np.asarray(values, np.float64)[rows]
            drawn[:, column] = np.where(np.isnan(values), drawn[:, column], values)
        if not np.isfinite(drawn).all():
            raise SimError("a start condition is not finite", where="reset(factors)", expected="finite, or NaN to keep")
        if rows.any():
            self._seeds[rows], self._factors[rows] = np.asarray(seeds, np.int64)[rows], drawn
            self._engine.reset(rows)
            self._start(dict(zip(self.info.factors, drawn.T)), rows)
            self._episodes.restart(rows)
        self._refresh()
        return self._observe()

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Advance every world that has not ended by one control period."""
        rows = self._episodes.running()
        arm, grip = self._checked(actions, rows)
        if rows.any():
            target = self._mode.joint_target(arm, self._joints(), self._reach)
            ctrl = np.empty_like(self._engine.ctrl)
            ctrl[:, self._drivers], ctrl[:, self._grip] = target, grip
            self._engine.step(rows, self._substeps, ctrl)
            self._refresh()
        judged, lost = self._judge(), self._engine.unstable() & rows
        outcome = np.where(lost, np.int8(UNSTABLE), judged.outcome)
        self._episodes.tick(rows)
        self._episodes.advance(rows, outcome)
        rewards = {f"reward.{name}": np.where(rows, value, 0.0) for name, value in judged.rewards.items()}
        total = np.zeros(self.num_envs)
        for value in rewards.values():
            total = total + value
        return Step(
            observation=self._observe(),
            reward=total.astype(np.float32),
            terminated=self._episodes.terminated.copy(),
            truncated=self._episodes.truncated.copy(),
            outcome=self._episodes.outcome.copy(),
            info=rewards,
        )

    def factors(self) -> dict[str, NDArray[np.float64]]:
        """Return the start conditions in force."""
        return {name: self._factors[:, i].copy() for i, name in enumerate(self.info.factors)}

    def snapshot(self) -> Snapshot:
        """Return the whole state; nothing is random after a reset, so the seed stands for the stream."""
        own = {"state": self._engine.snapshot(), "seeds": self._seeds.copy(), "factors": self._factors.copy()}
        return {**own, **self._episodes.snapshot()}

    def restore(self, snapshot: Snapshot, mask: NDArray[np.bool_] | None = None) -> Observation:
        """Set the rows in `mask` to those of `snapshot`."""
        rows, known = as_mask(mask, self.num_envs), self.snapshot()
        if snapshot.keys() != known.keys():
            raise SimError("this is no snapshot of such a task", got=sorted(snapshot), expected=sorted(known))
        self._engine.restore(snapshot["state"], rows)
        self._seeds[rows], self._factors[rows] = snapshot["seeds"][rows], snapshot["factors"][rows]
        self._episodes.restore(snapshot, rows)
        self._refresh()
        return self._observe()

    def close(self) -> None:
        """Release the cameras; the engine's threads go with the object."""
        if self._cameras is not None:
            self._cameras.close()
        self._cameras = None

    # Renderable.

    def render(self, camera: str, rows: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
        """Return pictures of `rows` as they stand."""
        from motorium.sim.cameras import Cameras

        if self._cameras is None:
            self._cameras = Cameras(self._looks.compile())
        engine = self._engine
        return self._cameras.render(
            engine.qpos[rows],
            camera,
            height,
            width,
            mocap_pos=engine.mocap_pos[rows],
            mocap_quat=engine.mocap_quat[rows],
        )

    # Viewable.

    def looks(self) -> mujoco.MjModel:
        """Return the model with all that is seen."""
        return self._looks.compile()

    def pose(self, row: int) -> dict[str, Array]:
        """Return positions and mocap poses of one world as it stands."""
        return {name: getattr(self._engine, name)[row].copy() for name in ("qpos", "mocap_pos", "mocap_quat")}

    # ObjectCentric, but for `poses` and `signals`.

    def action_from_target(self, X_WT: NDArray, gripper: NDArray) -> NDArray[np.float32]:
        """Return the actions that ask for end-effector poses X_WT (B, 7) and gripper (B, 1)."""
        command = self._mode.command(np.asarray(X_WT, np.float64), self._joints(), self._reach)
        action = np.concatenate([command, np.asarray(gripper, np.float64)], axis=1)
        return np.clip(action, self._low, self._high).astype(np.float32)

    def target_from_action(self, actions: NDArray) -> tuple[NDArray, NDArray]:
        """Return (X_WT (B, 7), gripper (B, 1)) that `actions` ask for."""
        clipped = np.clip(np.asarray(actions, np.float64), self._low, self._high)
        return self._mode.target(clipped[:, :-1], self._joints(), self._reach), clipped[:, -1:].copy()

    # Parts.

    def _describe(self, about: About, arm: Arm, rates: Rates) -> EnvInfo:
        model, mode = self._engine.model, self._mode
        return EnvInfo(
            name=about.name,
            instruction=about.instruction,
            observation=about.observation,
            action=vector([*mode.names, "gripper"], (*mode.units, "normalized"), frame="world"),
            action_low=self._low.copy(),
            action_high=self._high.copy(),
            control_hz=rates.control_hz,
            max_steps=rates.max_steps,
            outcomes=(*OUTCOMES, *about.failures),
            factors=about.factors,
            cameras=tuple(model.camera(i).name for i in range(model.ncam)),
            conventions=CONVENTIONS | {"control": f"{rates.control}: {mode.meaning}", "robot": arm.name},
            versions={"mujoco": mujoco.__version__, **arm.versions},
        )

    def _joints(self) -> Array:
        return self._engine.qpos[:, self._q]

    def _opening_m(self) -> Array:
        return polynomial(self._engine.qpos[:, self._grip_q], self._gripper.opening_m)

    def _refresh(self) -> None:
        self._reach = self._chain.reach(self._joints())

    def _draw(self, seeds: NDArray[np.int64], rows: NDArray[np.bool_]) -> Array:
        """Return start conditions of `rows`, uniform within `info.factors`, one stream a world: (n, factors)."""
        if seeds.shape != (self.num_envs,):
            raise SimError("reset takes one seed a world", got=seeds.shape, expected=(self.num_envs,))
        low, high = np.array(list(self.info.factors.values())).T
        drawn = [stream(int(seed), "task", self.info.name).random(len(low)) for seed in seeds[rows]]
        return low + (high - low) * np.array(drawn).reshape(-1, len(low))

    def _start(self, factors: Mapping[str, Array], rows: NDArray[np.bool_]) -> None:
        """Write the start state of arm, gripper and things."""
        engine, X_WE = self._engine, self._start_pose(factors)
        q = self._ik.solve(np.broadcast_to(self._home, (len(X_WE), len(self._home))), X_WE, START_ITERATIONS)
        engine.qpos[np.ix_(rows, self._q)] = q
        engine.ctrl[np.ix_(rows, self._drivers)] = q
        engine.ctrl[rows, self._grip] = self._gripper.open_ctrl
        self._place(factors, rows)

    def _factor_index(self, name: str) -> int:
        names = list(self.info.factors)
        if name not in names:
            raise SimError(
                f"task '{self.info.name}' has no start condition '{name}'",
                where="reset(factors)",
                expected=f"one of: {', '.join(names)}",
                nearest=nearest(name, names),
            )
        return names.index(name)

    def _checked(self, actions: NDArray, rows: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Return the arm's part (B, n) and the gripper's control (B,), clipped; zero in rows that do not run."""
        actions = np.asarray(actions, np.float64)
        shape = (self.num_envs, len(self._low))
        if actions.shape != shape:
            raise SimError("these actions have the wrong shape", where="step", got=actions.shape, expected=shape)
        actions = np.where(rows[:, None], actions, 0.0)
        bad = ~np.isfinite(actions).all(axis=1)
        if bad.any():
            raise SimError(
                "an action is not finite",
                where=f"step, rows {np.flatnonzero(bad)[:10].tolist()}",
                got=actions[np.flatnonzero(bad)[0]].tolist(),
                expected="finite numbers",
                remedy="look for NaN in what made the action; nothing was stepped",
            )
        actions = np.clip(actions, self._low, self._high)
        closed, opened = self._gripper.closed_ctrl, self._gripper.open_ctrl
        return actions[:, :-1], opened + (closed - opened) * 0.5 * (actions[:, -1] + 1.0)


def yaw_down(x_m: Array, y_m: Array, z_m: Array, yaw_rad: Array) -> Array:
    """Return end-effector poses (n, 7) that point down at (x, y, z), turned by `yaw_rad` about the vertical."""
    down = np.array([0.0, 1.0, 0.0, 0.0])
    return frames.make_pose(
        np.stack([x_m, y_m, z_m], axis=1), frames.quat_multiply(frames.quat_from_yaw(yaw_rad), down)
    )
