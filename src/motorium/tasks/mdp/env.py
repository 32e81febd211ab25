"""MdpEnv: the Env of every `Task`, on any engine. The contract is `core.protocols`.

A restored world looks as it did when it was saved: what the sensors measured is part of a snapshot. A frozen world
keeps its rows of every array, whatever the functions of the task compute for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mujoco
import numpy as np

from motorium.core.errors import SimError, nearest
from motorium.core.protocols import EnvInfo, Observation, Snapshot, Step
from motorium.core.random import counted_uniform, counter_key
from motorium.sim.delay import filled
from motorium.sim.physics import Physics
from motorium.sim.scene import without_looks
from motorium.tasks.episodes import Episodes
from motorium.tasks.mdp.history import FRAMES, in_a_row, moved_on, repeated, with_history
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import OUTCOMES, STATE, TIMEOUT, UNSTABLE, About, Task

Array = Any
MakePhysics = Callable[[mujoco.MjModel, tuple[str, ...]], Physics]


class MdpEnv:
    """A batch of worlds of one task.

    Args:
        name: of the task.
        task: its functions.
        make: makes the engine of a compiled model and the model fields that each world gets of its own.

    Raises:
        SimError: when the control period is not a whole number of physics steps.
    """

    def __init__(self, name: str, task: Task, make: MakePhysics) -> None:
        self._task, self._cameras, self._looks = task, None, task.scene()
        model = without_looks(self._looks).compile()
        self._about, self._frames = task.prepare(model), task.spec.history
        seen = self._about.observation[STATE].size if STATE in self._about.observation else 0
        if self._frames > 1:
            self._about = with_history(self._about, self._frames)
        self._physics = make(model, task.fields)
        self.num_envs, self.xp = self._physics.num_envs, self._physics.xp
        self._substeps = _substeps(task.spec.control_hz, model.opt.timestep)
        self._dt_s = 1.0 / task.spec.control_hz
        self._weights = _weights(task, name)
        self.info = _describe(name, self._about, task, self._physics)
        self._episodes = Episodes(self.num_envs, self.info.max_steps, TIMEOUT, self.xp, self.device)
        self._low, self._high = (self._like(bound) for bound in (self.info.action_low, self.info.action_high))
        names = tuple(self.info.factors)
        bounds = np.array(list(self.info.factors.values()), np.float64).reshape(-1, 2)
        self._factor_low, self._factor_high = (self._like(bounds[:, i]) for i in (0, 1))
        self._factors = self._zeros(len(names))
        self._action, self._last_action = self._zeros(len(self._low)), self._zeros(len(self._low))
        self._seeds = self.xp.zeros_like(self._episodes.steps)
        self._memory: dict[str, Array] = {}
        self._memory = {key: self.xp.zeros_like(value) for key, value in task.begin(self._state()).items()}
        if self._frames > 1:
            self._memory[FRAMES] = self._zeros(self._frames, seen)

    @property
    def device(self) -> Any:
        """Where the arrays are: `cpu`, a torch device."""
        return self._physics.qpos.device

    # Env.

    def reset(self, seeds: Array, mask: Array | None = None, factors: Mapping[str, Array] | None = None) -> Observation:
        """Restart the worlds in `mask`; a factor given may lie outside the range that is drawn from."""
        seeds, rows = self._integers(seeds), self._rows(mask)
        if tuple(seeds.shape) != (self.num_envs,):
            raise SimError("reset takes one seed a world", got=tuple(seeds.shape), expected=(self.num_envs,))
        drawn = self._draw(seeds, factors or {}, rows)
        if rows.any():
            self._put("_seeds", seeds, rows)
            self._put("_factors", drawn, rows)
            self._put("_action", self._zeros(len(self._low)), rows)
            self._put("_last_action", self._zeros(len(self._low)), rows)
            self._episodes.restart(rows)
            self._begin(rows)
        return self._observe()

    def step(self, actions: Array) -> Step:
        """Advance every world that has not ended by one control period."""
        rows = self._episodes.running()
        everything = None if rows.all() else rows
        actions = self._checked(actions, rows)
        if rows.any():
            self._put("_last_action", self._action, rows)
            self._put("_action", actions, rows)
            state = self._state()
            pushed = self._task.disturb(state)
            if pushed is not None:
                self._write(self._physics.qvel, pushed, rows)
            control = self._task.control(state)
            if not self._task.interpolate:
                self._write(self._physics.ctrl, control, rows)
                control = None
            self._physics.step(everything, self._substeps, control)
            self._episodes.tick(rows)
            self._remember(self._task.advance(self._state()), rows)
            if self._frames > 1:
                self._remember({FRAMES: moved_on(self._memory[FRAMES], self._task.observe(self._state())[STATE])}, rows)
        return self._judged(rows)

    def factors(self) -> dict[str, Array]:
        """Return the start conditions in force."""
        return {name: self._copy(self._factors[:, i]) for i, name in enumerate(self.info.factors)}

    def snapshot(self) -> Snapshot:
        """Return the whole state; random numbers are functions of seed and step, so no stream is kept."""
        own = {
            "state": self._physics.snapshot(),
            "sensordata": self._copy(self._physics.sensordata),
            **{name[1:]: self._copy(getattr(self, name)) for name in ("_seeds", "_factors", "_action", "_last_action")},
            **{f"memory.{key}": self._copy(value) for key, value in self._memory.items()},
        }
        return {**own, **self._episodes.snapshot()}

    def restore(self, snapshot: Snapshot, mask: Array | None = None) -> Observation:
        """Set the rows in `mask` to those of `snapshot`."""
        rows, known = self._rows(mask), self.snapshot().keys()
        if snapshot.keys() != known:
            raise SimError("this is no snapshot of such a task", got=sorted(snapshot), expected=sorted(known))
        self._physics.restore(snapshot["state"], rows)
        self._write(self._physics.sensordata, snapshot["sensordata"], rows)
        for name in ("_seeds", "_factors", "_action", "_last_action"):
            self._put(name, snapshot[name[1:]], rows)
        for key in self._memory:
            self._write(self._memory[key], snapshot[f"memory.{key}"], rows)
        self._episodes.restore(snapshot, rows)
        self._randomise(rows)
        return self._observe()

    def close(self) -> None:
        """Release the cameras; the engine's threads go with the object."""
        if self._cameras is not None:
            self._cameras.close()
        self._cameras = None

    # Renderable.

    def render(self, camera: str, rows: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return pictures of `rows` as they stand."""
        from motorium.sim.cameras import Cameras

        if self._cameras is None:
            self._cameras = Cameras(self._looks.compile())
        shown = [_numpy(getattr(self._physics, name)[rows]) for name in ("qpos", "mocap_pos", "mocap_quat")]
        return self._cameras.render(shown[0], camera, height, width, mocap_pos=shown[1], mocap_quat=shown[2])

    # Viewable.

    def looks(self) -> mujoco.MjModel:
        """Return the model with all that is seen."""
        return self._looks.compile()

    def pose(self, row: int) -> dict[str, np.ndarray]:
        """Return positions and mocap poses of one world as it stands."""
        return {name: _numpy(getattr(self._physics, name)[row]) for name in ("qpos", "mocap_pos", "mocap_quat")}

    # Parts.

    def _begin(self, rows: Array) -> None:
        """Put `rows` at their start: model fields, state, sensors, memory."""
        physics = self._physics
        physics.reset(rows)
        self._randomise(rows)
        start = self._task.start(self._state())
        for name in ("qpos", "qvel", "ctrl", "mocap_pos"):
            if getattr(start, name) is not None:
                self._write(getattr(physics, name), getattr(start, name), rows)
        if physics.model.nhistory:
            self._write(physics.history, filled(physics.model, physics.history, physics.ctrl), rows)
        if self._task.settle_s:
            physics.step(rows, round(self._task.settle_s / physics.model.opt.timestep))
        physics.forward(rows)
        self._remember(self._task.begin(self._state()), rows)
        if self._frames > 1:
            self._remember({FRAMES: repeated(self._task.observe(self._state())[STATE], self._frames)}, rows)

    def _randomise(self, rows: Array) -> None:
        values = self._task.randomise(self._state())
        for name, value in values.items():
            self._write(self._physics.fields[name], value, rows)
        if values:
            self._physics.constants(rows)

    def _judged(self, rows: Array) -> Step:
        xp, state = self.xp, self._state()
        unstable = self._physics.unstable() & rows
        outcome = xp.where(unstable, xp.asarray(UNSTABLE, dtype=xp.int8, device=self.device), self._task.outcome(state))
        self._episodes.advance(rows, outcome, self._task.verdict(state))
        terms, total = {}, self._zeros()
        for name, term in self._task.rewards(state).items():
            value = xp.where(rows & ~unstable, self._weights[name] * self._dt_s * term, xp.zeros_like(total))
            terms[f"reward.{name}"] = value
            total = total + value
        if self._task.floor is not None:
            total = xp.where(rows, xp.clip(total, self._task.floor, None), total)
        return Step(
            observation=self._observe(),
            reward=xp.astype(total, xp.float32),
            terminated=self._copy(self._episodes.terminated),
            truncated=self._copy(self._episodes.truncated),
            outcome=self._copy(self._episodes.outcome),
            info={**terms, **{name: self._copy(value) for name, value in self._task.metrics(state).items()}},
        )

    def _observe(self) -> Observation:
        xp, seen = self.xp, self._task.observe(self._state())
        if self._frames > 1:
            seen[STATE] = in_a_row(self._memory[FRAMES])
        return {key: xp.astype(value, xp.float32) for key, value in seen.items()}

    def _state(self) -> State:
        return State(
            physics=self._physics,
            seeds=self._seeds,
            steps=self._episodes.steps,
            factors=dict(zip(self.info.factors, self._factors.T)),
            action=self._action,
            last_action=self._last_action,
            memory=self._memory,
        )

    def _remember(self, values: Mapping[str, Array], rows: Array) -> None:
        for key, value in values.items():
            # A new array: what a function returned may be a view of something that moves on.
            self._memory[key] = _chosen(self.xp, rows, value, self._memory[key])

    def _draw(self, seeds: Array, given: Mapping[str, Array], rows: Array) -> Array:
        """Return the factors (B, n) of `seeds`, with those `given` in place of the drawn ones."""
        names = list(self.info.factors)
        unit = counted_uniform(counter_key(seeds, f"task {self.info.name}"), seeds * 0, max(len(names), 1))
        drawn = self._factor_low + (self._factor_high - self._factor_low) * unit[:, : len(names)]
        for name, values in given.items():
            if name not in names:
                raise SimError(
                    f"task '{self.info.name}' has no start condition '{name}'",
                    where="reset(factors)",
                    expected=f"one of: {', '.join(names)}",
                    nearest=nearest(name, names),
                )
            column = drawn[:, names.index(name)]
            values = self._like(values)
            column[...] = self.xp.where(self.xp.isnan(values), column, values)
        if not (self.xp.all(self.xp.isfinite(drawn), axis=1) | ~rows).all():
            raise SimError("a start condition is not finite", where="reset(factors)", expected="finite, or NaN to keep")
        return drawn

    def _checked(self, actions: Array, rows: Array) -> Array:
        """Return the actions (B, A), clipped; zero in rows that do not run."""
        xp, shape = self.xp, (self.num_envs, len(self._low))
        actions = self._like(actions)
        if tuple(actions.shape) != shape:
            raise SimError("these actions have the wrong shape", where="step", got=tuple(actions.shape), expected=shape)
        actions = xp.where(rows[:, None], actions, xp.zeros_like(actions))
        finite = xp.all(xp.isfinite(actions), axis=1)
        if not finite.all():
            first = int(xp.argmin(xp.astype(finite, xp.int8)))
            raise SimError(
                "an action is not finite",
                where=f"step, row {first}",
                got=actions[first].tolist(),
                expected="finite numbers",
                remedy="look for NaN in what made the action; nothing was stepped",
            )
        return xp.clip(actions, self._low, self._high)

    def _put(self, name: str, value: Array, rows: Array) -> None:
        setattr(self, name, _chosen(self.xp, rows, value, getattr(self, name)))

    def _write(self, target: Array, value: Array, rows: Array) -> None:
        target[...] = _chosen(self.xp, rows, value, target)

    def _rows(self, mask: Array | None) -> Array:
        running = self._episodes.terminated
        if mask is None:
            return self.xp.ones_like(running)
        return self.xp.asarray(mask, dtype=self.xp.bool, device=self.device)

    def _integers(self, values: Array) -> Array:
        return self.xp.asarray(values, dtype=self.xp.int64, device=self.device)

    def _like(self, values: Array) -> Array:
        return self.xp.asarray(values, dtype=self._physics.qpos.dtype, device=self.device)

    def _zeros(self, *shape: int) -> Array:
        return self.xp.zeros((self.num_envs, *shape), dtype=self._physics.qpos.dtype, device=self.device)

    def _copy(self, array: Array) -> Array:
        return self.xp.asarray(array, copy=True)


def _numpy(array: Array) -> np.ndarray:
    """Return a copy as a NumPy array, whatever the engine."""
    return np.array(array.cpu() if hasattr(array, "cpu") else array)


def _chosen(xp: Any, rows: Array, value: Array, otherwise: Array) -> Array:
    """Return a new array: `value` in `rows` (B,), `otherwise` in the others, in the type of `otherwise`."""
    mask = rows.reshape(rows.shape + (1,) * (otherwise.ndim - 1))
    return xp.astype(xp.where(mask, value, otherwise), otherwise.dtype)


def _substeps(control_hz: float, timestep_s: float) -> int:
    count = 1.0 / (control_hz * timestep_s)
    if abs(count - round(count)) > 1e-6 or round(count) < 1:
        raise SimError(
            "the control period is not a whole number of physics steps",
            got=f"{1000.0 / control_hz:g} ms and {1000.0 * timestep_s:g} ms",
            expected="control_hz * timestep_s = 1/n",
        )
    return round(count)


def _weights(task: Task, name: str) -> dict[str, float]:
    """Return the weights of the task with those of its spec in their place.

    Raises:
        SimError: when the spec weighs a term that the task has not.
    """
    for term in task.spec.weights:
        if term not in task.weights:
            raise SimError(
                f"task '{name}' has no reward term '{term}'",
                where="weights",
                expected=f"one of: {', '.join(task.weights)}",
                nearest=nearest(term, task.weights),
            )
    return {**task.weights, **task.spec.weights}


def _describe(name: str, about: About, task: Task, physics: Physics) -> EnvInfo:
    model = physics.model
    size = about.action.size
    low = -np.ones(size) if about.action_low is None else about.action_low
    high = np.ones(size) if about.action_high is None else about.action_high
    return EnvInfo(
        name=name,
        instruction=about.instruction,
        observation=about.observation,
        action=about.action,
        action_low=np.asarray(low, np.float32),
        action_high=np.asarray(high, np.float32),
        control_hz=task.spec.control_hz,
        max_steps=max(1, round(task.spec.episode_s * task.spec.control_hz)),
        outcomes=(*OUTCOMES, *about.failures),
        factors=about.factors,
        cameras=tuple(model.camera(i).name for i in range(model.ncam)),
        mirrors=about.mirrors,
        curriculum=about.curriculum,
        conventions=about.conventions,
        versions={"mujoco": mujoco.__version__, **getattr(physics, "versions", {}), **about.versions},
    )
