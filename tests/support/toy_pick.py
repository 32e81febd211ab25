"""A kinematic pick-and-place world in NumPy: a gripper that lags behind its target, a cube, a zone.

It stands in for a simulator wherever only the contracts of Env and ObjectCentric matter.
"""

from __future__ import annotations

import numpy as np

from motorium.core.features import vector
from motorium.core.frames import (
    axis_angle_from_quat,
    make_pose,
    pose_inverse,
    pose_multiply,
    quat_conjugate,
    quat_from_axis_angle,
    quat_from_yaw,
    quat_multiply,
    quat_normalize,
)
from motorium.core.protocols import EnvInfo, Segment, Step, as_mask
from motorium.core.random import stream

REACH_M, REACH_RAD, FOLLOW = 0.05, 0.3, 0.6
HALF_M = 0.02
DOWN = np.array([0.0, 1.0, 0.0, 0.0])
OUTCOMES = ("running", "success", "dropped", "timeout")
FACTORS = {
    "cube_x_m": (0.3, 0.5),
    "cube_y_m": (-0.15, 0.05),
    "cube_yaw_rad": (-0.7, 0.7),
    "zone_x_m": (0.3, 0.5),
    "zone_y_m": (0.15, 0.25),
}
ACTION = ("dx", "dy", "dz", "drx", "dry", "drz", "gripper")


class ToyPick:
    """See `Env` and `ObjectCentric`."""

    segments = (Segment(object="cube", signal="grasped"), Segment(object="zone", signal=None))

    def __init__(self, num_envs: int, max_steps: int = 200, control_hz: float = 20.0) -> None:
        self.num_envs = num_envs
        self.info = EnvInfo(
            name="toy-pick",
            instruction="put the cube on the zone",
            observation={"observation.state": vector([f"s{i}" for i in range(17)], "1", "world")},
            action=vector(ACTION, "normalized", "world"),
            action_low=-np.ones(7, np.float32),
            action_high=np.ones(7, np.float32),
            control_hz=control_hz,
            max_steps=max_steps,
            outcomes=OUTCOMES,
            factors=FACTORS,
        )
        self.state = {
            "eef": np.zeros((num_envs, 7)),
            "cube": np.zeros((num_envs, 7)),
            "zone": np.zeros((num_envs, 7)),
            "X_EO": np.zeros((num_envs, 7)),
            "finger": np.zeros(num_envs),
            "held": np.zeros(num_envs, bool),
            "steps": np.zeros(num_envs, np.int64),
            "outcome": np.zeros(num_envs, np.int8),
            "truncated": np.zeros(num_envs, bool),
        }
        self.drawn = {name: np.zeros(num_envs) for name in FACTORS}

    def reset(self, seeds, mask=None, factors=None):
        state = self.state
        for row in np.flatnonzero(as_mask(mask, self.num_envs)):
            rng = stream(int(seeds[row]), "toy-pick")
            for name, (low, high) in FACTORS.items():
                value = rng.uniform(low, high)
                given = np.nan if factors is None or name not in factors else factors[name][row]
                self.drawn[name][row] = value if np.isnan(given) else given
            drawn = {name: values[row] for name, values in self.drawn.items()}
            start = np.array([0.35, 0.0, 0.25]) + rng.uniform(-0.02, 0.02, 3)
            state["eef"][row] = make_pose(start, DOWN)
            cube = np.array([drawn["cube_x_m"], drawn["cube_y_m"], HALF_M])
            state["cube"][row] = make_pose(cube, quat_from_yaw(drawn["cube_yaw_rad"]))
            state["zone"][row] = make_pose(np.array([drawn["zone_x_m"], drawn["zone_y_m"], 0.0]), quat_from_yaw(0.0))
            for name in ("finger", "held", "steps", "outcome", "truncated"):
                state[name][row] = 0
        return self._observe()

    def step(self, actions):
        state = self.state
        live = (state["outcome"] == 0) & ~state["truncated"]
        target, grip = self.target_from_action(np.clip(actions, -1, 1))
        eef = state["eef"]
        turn = axis_angle_from_quat(quat_multiply(target[:, 3:], quat_conjugate(eef[:, 3:])))
        moved = make_pose(
            eef[:, :3] + FOLLOW * (target[:, :3] - eef[:, :3]),
            quat_normalize(quat_multiply(quat_from_axis_angle(FOLLOW * turn), eef[:, 3:])),
        )
        finger = np.clip(state["finger"] + 0.25 * grip[:, 0], 0.0, 1.0)
        X_EO = pose_multiply(pose_inverse(moved), state["cube"])
        between = np.abs(X_EO[:, :3]).max(axis=1) < 0.015
        caught = ~state["held"] & (finger > 0.9) & (state["finger"] <= 0.9) & between
        held = (state["held"] | caught) & (finger > 0.5)
        X_EO = np.where(state["held"][:, None], state["X_EO"], X_EO)
        cube = np.where(held[:, None], pose_multiply(moved, X_EO), state["cube"])
        fall = state["held"] & ~held
        height = cube[:, 2] - HALF_M
        cube[:, 2] = np.where(fall, HALF_M, cube[:, 2])
        steps = state["steps"] + 1
        gap = np.abs(cube[:, :2] - state["zone"][:, :2]).max(axis=1)
        outcome = np.where(fall & (height > 0.05), 2, 0)
        done = ~held & (gap < 0.03) & (moved[:, 2] > HALF_M + 0.05) & (finger < 0.1)
        outcome = np.where(done & (outcome == 0), 1, outcome)
        late = (outcome == 0) & (steps >= self.info.max_steps)
        outcome = np.where(late, 3, outcome)
        new = {"eef": moved, "cube": cube, "X_EO": X_EO, "finger": finger, "held": held, "steps": steps}
        new |= {"outcome": outcome.astype(np.int8), "truncated": late}
        for name, values in new.items():
            keep = live.reshape(-1, *(1,) * (values.ndim - 1))
            state[name] = np.where(keep, values, state[name])
        truncated = state["truncated"].copy()
        return Step(
            observation=self._observe(),
            reward=(live & (state["outcome"] == 1)).astype(np.float32),
            terminated=(state["outcome"] > 0) & ~truncated,
            truncated=truncated,
            outcome=state["outcome"].copy(),
        )

    def factors(self):
        return {name: values.copy() for name, values in self.drawn.items()}

    def snapshot(self):
        return {name: values.copy() for name, values in {**self.state, **self.drawn}.items()}

    def restore(self, snapshot, mask=None):
        mask = as_mask(mask, self.num_envs)
        for name, values in snapshot.items():
            (self.state if name in self.state else self.drawn)[name][mask] = values[mask]
        return self._observe()

    def close(self):
        pass

    def render(self, camera, rows, height, width):
        level = (self.state["steps"][rows] % 256).astype(np.uint8)
        return np.broadcast_to(level[:, None, None, None], (len(rows), height, width, 3)).copy()

    def poses(self):
        return {name: self.state[name].copy() for name in ("eef", "cube", "zone")}

    def signals(self):
        return {"grasped": self.state["held"].copy()}

    def action_from_target(self, X_WT, gripper):
        eef = self.state["eef"]
        turn = axis_angle_from_quat(quat_multiply(X_WT[:, 3:], quat_conjugate(eef[:, 3:])))
        action = np.concatenate([(X_WT[:, :3] - eef[:, :3]) / REACH_M, turn / REACH_RAD, gripper], axis=1)
        return np.clip(action, -1, 1).astype(np.float32)

    def target_from_action(self, actions):
        eef, actions = self.state["eef"], np.asarray(actions, np.float64)
        q = quat_multiply(quat_from_axis_angle(actions[:, 3:6] * REACH_RAD), eef[:, 3:])
        return make_pose(eef[:, :3] + actions[:, :3] * REACH_M, q), actions[:, 6:]

    def _observe(self):
        state = self.state
        parts = [state["eef"], state["finger"][:, None], state["cube"], state["zone"][:, :2]]
        return {"observation.state": np.concatenate(parts, axis=1).astype(np.float32)}
