"""A task of one's own in NumPy alone: a point mass flies to a goal and stops there.

It shows all that a task must have to be demonstrated, amplified, trained on, evaluated and exported:

    PYTHONPATH=. motorium run examples/reach.yaml

Start (`EnvInfo.factors`): the goal in a box on the right, the hand in a small box on the left; uniform.
Success: the hand is within 0.02 m of the goal and slower than 0.05 m/s. Failure: `timeout` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import SimError, nearest
from motorium.core.features import vector
from motorium.core.frames import make_pose
from motorium.core.protocols import RUNNING, SUCCESS, EnvInfo, Segment, Step, as_mask
from motorium.core.random import stream
from motorium.core.spec import Spec
from motorium.tasks.episodes import Episodes

Array = NDArray[np.float64]

TIMEOUT = 2
NEAR_M, SLOW_M_S = 0.02, 0.05
FACTORS = {
    "goal_x_m": (0.3, 0.6),
    "goal_y_m": (-0.3, 0.3),
    "goal_z_m": (0.1, 0.4),
    "hand_x_m": (-0.1, 0.1),
    "hand_y_m": (-0.1, 0.1),
    "hand_z_m": (0.1, 0.3),
}
# Of what the picture shows: x from left to right, y from bottom to top.
VIEW_LOW_M, VIEW_HIGH_M = np.array([-0.2, -0.45]), np.array([0.7, 0.45])
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


class ReachSpec(Spec):
    """Options of the task; they are `task_options` of datasets and policies, and `--options` of commands."""

    control_hz: float = Field(20.0, gt=0, description="control steps in a second")
    max_steps: int = Field(120, gt=0, description="control steps until an episode is truncated")
    speed_m_s: float = Field(0.5, gt=0, description="speed that a full action asks for")
    lag: float = Field(0.4, gt=0, le=1, description="share of the way to the commanded velocity made in a step")


class Reach:
    """A batch of worlds: Env, Renderable and ObjectCentric of `motorium.core.protocols`.

    Every row is computed element by element, so that its numbers do not depend on its neighbours.
    """

    Spec = ReachSpec
    segments = (Segment(object="goal", signal=None),)

    def __init__(self, spec: ReachSpec, *, num_envs: int, threads: int = 0, name: str = "reach") -> None:
        self.spec, self.num_envs = spec, num_envs
        axes = [f"{thing}.{axis}" for thing in ("hand", "velocity", "goal_from_hand") for axis in "xyz"]
        units = ("m",) * 3 + ("m/s",) * 3 + ("m",) * 3
        self.info = EnvInfo(
            name=name,
            instruction="fly to the goal and stop there",
            observation={"observation.state": vector(axes, units, frame="world")},
            action=vector(["x", "y", "z", "gripper"], "normalized", frame="world"),
            action_low=-np.ones(4, np.float32),
            action_high=np.ones(4, np.float32),
            control_hz=spec.control_hz,
            max_steps=spec.max_steps,
            outcomes=("running", "success", "timeout"),
            factors=FACTORS,
            cameras=("top",),
            conventions={"world": "z up, metres", "control": "x, y, z: velocity as a share of speed_m_s"},
        )
        self._episodes = Episodes(num_envs, spec.max_steps, TIMEOUT)
        self._drawn = np.zeros((num_envs, len(FACTORS)))
        self._p, self._v = np.zeros((num_envs, 3)), np.zeros((num_envs, 3))

    # Env.

    def reset(
        self, seeds: NDArray[np.int64], mask: NDArray | None = None, factors: Mapping[str, NDArray] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Restart the worlds in `mask`, each from a stream of its own."""
        rows = as_mask(mask, self.num_envs)
        low, high = np.array(list(FACTORS.values())).T
        for row in np.flatnonzero(rows):
            share = stream(int(seeds[row]), "task", "reach").random(len(FACTORS))
            self._drawn[row] = low + (high - low) * share
        for name, values in (factors or {}).items():
            if name not in FACTORS:
                raise SimError(
                    f"there is no start condition '{name}'",
                    where="reset(factors)",
                    expected=f"one of: {', '.join(FACTORS)}",
                    nearest=nearest(name, FACTORS),
                )
            column, given = list(FACTORS).index(name), rows & ~np.isnan(values)
            self._drawn[given, column] = np.asarray(values)[given]
        self._p[rows], self._v[rows] = self._drawn[rows, 3:], 0.0
        self._episodes.restart(rows)
        return self._observe()

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Advance every world that has not ended by one control period."""
        rows = self._episodes.running()
        actions = np.where(rows[:, None], np.asarray(actions, np.float64), 0.0)
        if not np.isfinite(actions).all():
            raise SimError("an action is not finite", where="step", expected="finite numbers")
        wanted = np.clip(actions[:, :3], -1.0, 1.0) * self.spec.speed_m_s
        velocity = self._v + self.spec.lag * (wanted - self._v)
        self._v[rows] = velocity[rows]
        self._p[rows] += velocity[rows] / self.spec.control_hz
        distance, speed = _length(self._goal() - self._p), _length(self._v)
        done = (distance < NEAR_M) & (speed < SLOW_M_S)
        self._episodes.tick(rows)
        self._episodes.advance(rows, np.where(done, SUCCESS, RUNNING).astype(np.int8))
        return Step(
            observation=self._observe(),
            reward=np.where(rows, done - 0.1 * distance, 0.0).astype(np.float32),
            terminated=self._episodes.terminated.copy(),
            truncated=self._episodes.truncated.copy(),
            outcome=self._episodes.outcome.copy(),
        )

    def factors(self) -> dict[str, Array]:
        """Return the start conditions in force."""
        return {name: self._drawn[:, column].copy() for column, name in enumerate(FACTORS)}

    def snapshot(self) -> dict[str, NDArray]:
        """Return the whole state."""
        own = {"drawn": self._drawn.copy(), "p": self._p.copy(), "v": self._v.copy()}
        return {**own, **self._episodes.snapshot()}

    def restore(self, snapshot: dict[str, NDArray], mask: NDArray | None = None) -> dict[str, NDArray[np.float32]]:
        """Set the rows in `mask` to those of `snapshot`."""
        rows = as_mask(mask, self.num_envs)
        for key, array in (("drawn", self._drawn), ("p", self._p), ("v", self._v)):
            array[rows] = snapshot[key][rows]
        self._episodes.restore(snapshot, rows)
        return self._observe()

    def close(self) -> None:
        """Nothing to release."""

    # Renderable: only what wants pictures needs it (`cameras:` of demonstrate, `videos:` of evaluate).

    def render(self, camera: str, rows: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
        """Return the worlds from above: a red hand, a green goal."""
        pictures = np.full((len(rows), height, width, 3), 235, np.uint8)
        y, x = np.mgrid[0:height, 0:width]
        for p_WX, radius, colour in ((self._goal(), 0.05, (60, 170, 90)), (self._p, 0.025, (200, 60, 60))):
            share = (p_WX[rows, :2] - VIEW_LOW_M) / (VIEW_HIGH_M - VIEW_LOW_M)
            for picture, (across, up) in zip(pictures, share):
                near = np.hypot(x - across * width, y - (1 - up) * height) < radius * width
                picture[near] = colour
        return pictures

    # ObjectCentric: what demonstrate and amplify need. A point has no orientation: it is upright.

    def poses(self) -> dict[str, Array]:
        """Return the poses of the hand and of the goal: {name: (B, 7)}."""
        return {"eef": make_pose(self._p, UPRIGHT), "goal": make_pose(self._goal(), UPRIGHT)}

    def signals(self) -> dict[str, NDArray[np.bool_]]:
        """Return the signals that end segments: the only segment ends with the episode."""
        return {}

    def action_from_target(self, X_WT: NDArray, gripper: NDArray) -> NDArray[np.float32]:
        """Return the actions (B, 4) that ask for the positions of X_WT (B, 7) one step ahead."""
        velocity = (np.asarray(X_WT)[:, :3] - self._p) * self.spec.control_hz
        action = np.concatenate([velocity / self.spec.speed_m_s, gripper], axis=1)
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def target_from_action(self, actions: NDArray) -> tuple[Array, Array]:
        """Return (X_WT (B, 7), gripper (B, 1)) that `actions` ask for."""
        actions = np.clip(np.asarray(actions, np.float64), -1.0, 1.0)
        p_WT = self._p + actions[:, :3] * self.spec.speed_m_s / self.spec.control_hz
        return make_pose(p_WT, UPRIGHT), actions[:, 3:]

    def _goal(self) -> Array:
        return self._drawn[:, :3]

    def _observe(self) -> dict[str, NDArray[np.float32]]:
        state = np.concatenate([self._p, self._v, self._goal() - self._p], axis=1)
        return {"observation.state": state.astype(np.float32)}


class ExpertSpec(Spec):
    """Habits of the expert."""

    gain: tuple[float, float] = Field((2.0, 4.0), description="(low, high) of speed over distance, 1/s")
    bow_m: float = Field(0.05, ge=0, description="standard deviation of a detour halfway, m")


def make_expert(env: Reach, options: Mapping[str, Any]) -> Expert:
    """Return the expert for `env`: `expert: examples.reach:make_expert` in a recipe."""
    return Expert(ExpertSpec.parse(options, where="expert reach"), env)


class Expert:
    """Slows down as it comes near, on a bow; gain and bow are drawn for each episode."""

    def __init__(self, spec: ExpertSpec, env: Reach) -> None:
        self.spec = spec
        self.gain, self.bow = np.ones(env.num_envs), np.zeros((env.num_envs, 3))

    def reset(self, seeds: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """Draw the habits of the episodes in `mask`."""
        for row in np.flatnonzero(mask):
            rng = stream(int(seeds[row]), "expert", "reach")
            self.gain[row] = rng.uniform(*self.spec.gain)
            self.bow[row] = rng.normal(0.0, self.spec.bow_m, 3)

    def act(self, env: Reach) -> tuple[Array, Array]:
        """Return the target poses (B, 7) and grippers (B, 1) of the next step."""
        poses = env.poses()
        hand, goal = poses["eef"][:, :3], poses["goal"][:, :3]
        way = goal - hand
        aim = way + self.bow * np.minimum(_length(way) / 0.3, 1.0)[:, None]
        target = hand + aim * (self.gain / env.info.control_hz)[:, None]
        return make_pose(target, UPRIGHT), np.zeros((len(hand), 1))


def _length(v: Array) -> Array:
    """Return the length (B,) of vectors (B, 3), summed in a fixed order."""
    return np.sqrt(v[:, 0] * v[:, 0] + v[:, 1] * v[:, 1] + v[:, 2] * v[:, 2])
