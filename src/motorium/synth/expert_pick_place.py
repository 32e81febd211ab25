"""Scripted pick-and-place with the habits of a person: speed, approach, pauses, overshoot, unsteady hand.

The hand follows a set point that walks from goal to goal; each goal is relative to an object. Nothing here
knows the robot: the gripper's pose at the start of the episode says what "pointing down" is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.frames import (
    axis_angle_from_quat,
    make_pose,
    quat_conjugate,
    quat_from_yaw,
    quat_multiply,
    quat_rotate,
    quat_slerp,
)
from motorium.core.random import stream
from motorium.core.spec import Spec
from motorium.synth.record import World

APPROACH, ALIGN, DESCEND, CLOSE, LIFT, CARRY, LOWER, OPEN, RETREAT = range(9)
PHASES = 9
Array = NDArray[np.float64]
Range = tuple[float, float]


class PickPlaceSpec(Spec):
    """Habits of the pick-and-place expert; pairs are (low, high) of what an episode draws."""

    item: str = Field("cube", description="object to pick")
    goal: str = Field("zone", description="object to place it on")
    speed_m_s: Range = Field((0.14, 0.26), description="cruising speed of the hand, m/s")
    turn_rad_s: Range = Field((0.8, 1.6), description="turning speed of the hand, rad/s")
    acceleration_m_s2: Range = Field((0.5, 1.2), description="how fast the hand starts and brakes, m/s^2")
    hover_m: Range = Field((0.06, 0.11), description="height above the item at which the hand aligns, m")
    sideways_m: Range = Field((0.0, 0.04), description="how far beside the item the approach arrives, m")
    overshoot_m: Range = Field(
        (0.0, 0.02), description="how far the carry runs past the goal before it is corrected, m"
    )
    lift_m: Range = Field((0.08, 0.14), description="height the item is lifted to, m")
    release_m: Range = Field((0.002, 0.008), description="height above its rest at which the item is let go, m")
    grasp_sigma_m: float = Field(0.003, ge=0, description="scatter of where the item is gripped, m")
    place_sigma_m: float = Field(0.004, ge=0, description="scatter of where the item is put, m")
    grip_s: Range = Field((0.3, 0.5), description="time the gripper is given to close or open, s")
    pause_probability: float = Field(0.25, ge=0, le=1, description="chance of a pause before a phase")
    pause_s: Range = Field((0.05, 0.3), description="length of a pause, s")
    tremor_m: Range = Field((0.0005, 0.002), description="amplitude of the unsteady hand, m")
    tolerance_m: float = Field(0.008, gt=0, description="distance at which a goal counts as reached, m")
    tolerance_rad: float = Field(0.06, gt=0, description="angle at which a goal counts as reached, rad")
    lost_m: float = Field(0.05, gt=0, description="distance to the hand at which a carried item counts as lost, m")
    patience_s: float = Field(
        3.0, gt=0, description="time after which a phase goes on although its goal is not reached, s"
    )


def make_expert(env: World, options: Mapping[str, Any]) -> PickPlaceExpert:
    """Return the expert for `env`; `options` are fields of `PickPlaceSpec`."""
    spec = PickPlaceSpec.parse(options, where="expert pick-place")
    return PickPlaceExpert(spec, env.num_envs, env.info.control_hz, env.info.max_steps)


class PickPlaceExpert:
    """Pick `item` up and place it on `goal`. See `Expert`.

    A grasp that failed (the item stays behind while the hand lifts) is tried again, as a person would.
    """

    def __init__(self, spec: PickPlaceSpec, num_envs: int, control_hz: float, max_steps: int) -> None:
        self.spec, self.hz, self.max_steps = spec, control_hz, max_steps
        rows = num_envs
        self.fresh = np.ones(rows, bool)
        self.phase = np.zeros(rows, np.int64)
        self.clock = np.zeros(rows, np.int64)  # steps in this phase
        self.total = np.zeros(rows, np.int64)  # steps in this episode
        self.setpoint = np.zeros((rows, 7))
        self.pace = np.zeros(rows)  # m a step, now
        self.entry = np.zeros((rows, 7))  # set point when the phase began
        self.down = np.zeros((rows, 4))  # orientation of the hand at the start
        self.yaw = np.zeros(rows)  # turn about the vertical from `down` to the grasp
        self.rest = np.zeros(rows)  # height of the item at the start
        self.habits = {name: np.zeros((rows, *shape)) for name, shape in _HABITS.items()}
        self.tremor = np.zeros((rows, max_steps, 3))

    def reset(self, seeds: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """See `Expert`."""
        for row in np.flatnonzero(mask):
            rng = stream(int(seeds[row]), "expert", "pick-place")
            for name, value in _draw_habits(rng, self.spec, self.hz).items():
                self.habits[name][row] = value
            self.tremor[row] = _draw_tremor(rng, self.spec, self.hz, self.max_steps)
        self.fresh = self.fresh | mask
        for counter in (self.phase, self.clock, self.total):
            counter[mask] = 0
        self.pace[mask] = 0.0

    def act(self, env: World) -> tuple[Array, Array]:
        """See `Expert`."""
        poses = env.poses()
        eef, item, goal = poses["eef"], poses[self.spec.item], poses[self.spec.goal]
        if self.fresh.any():
            self._begin(eef, item)
        self._advance_phase(eef, item, self._goal(eef, item, goal))
        self._walk(self._goal(eef, item, goal))
        steady = np.isin(self.phase, (CLOSE, OPEN))
        wobble = self.tremor[np.arange(len(eef)), np.minimum(self.total, self.max_steps - 1)]
        target = self.setpoint.copy()
        target[:, :3] += np.where(steady[:, None], 0.0, wobble)
        closed = (self.phase >= CLOSE) & (self.phase < OPEN)
        self.clock += 1
        self.total += 1
        return target, np.where(closed, 1.0, -1.0)[:, None]

    def _begin(self, eef: Array, item: Array) -> None:
        """Note, in new rows, where the hand and the item start."""
        new = self.fresh
        self.setpoint[new] = eef[new]
        self.entry[new] = eef[new]
        self.down[new] = eef[new, 3:]
        self.rest[new] = item[new, 2]
        self.yaw[new] = 0.0
        self._turn_to(item, new)
        self.fresh = np.zeros_like(new)

    def _turn_to(self, item: Array, rows: NDArray[np.bool_]) -> None:
        """Choose, in `rows`, the least turn that lays the hand along the item's faces."""
        quarter = 0.5 * np.pi
        turn = _heading(item[:, 3:]) - _heading(self.down)
        turn = turn + quarter * np.round((self.yaw - turn) / quarter)
        self.yaw = np.where(rows, turn, self.yaw)

    def _goal(self, eef: Array, item: Array, goal: Array) -> Array:
        """Return the pose (B, 7) that the set point walks to in each row's phase."""
        habit, up = self.habits, np.array([0.0, 0.0, 1.0])
        grip = item[:, :3] + habit["grasp_offset"]
        hover = grip + habit["hover"] * up
        held = eef[:, :3] - item[:, :3]
        above = goal[:, :3] + held + habit["place_offset"]
        above[:, 2] = self.entry[:, 2]
        place = above.copy()
        place[:, 2] = eef[:, 2] + (self.rest + habit["release"][:, 0] - item[:, 2])
        entry = self.entry[:, :3]
        goals = np.stack(
            [
                hover + habit["sideways"],
                hover,
                grip,
                entry,
                entry + habit["lift"] * up,
                above + habit["overshoot"],
                place,
                entry,
                entry + habit["hover"] * up,
            ],
            axis=1,
        )
        position = goals[np.arange(len(eef)), self.phase]
        orientation = quat_multiply(quat_from_yaw(self.yaw), self.down)
        return make_pose(position, orientation)

    def _walk(self, goal: Array) -> None:
        """Move the set point towards `goal`, speeding up and braking smoothly."""
        gap = goal[:, :3] - self.setpoint[:, :3]
        distance = _length(gap)
        brake = np.sqrt(2.0 * self.habits["acceleration"][:, 0] * distance)
        cruise = np.minimum(self.pace + self.habits["acceleration"][:, 0], self.habits["speed"][:, 0])
        waiting = self.clock < self.habits["pause"][np.arange(len(goal)), self.phase]
        self.pace = np.where(waiting, 0.0, np.minimum(np.minimum(cruise, brake), distance))
        self.setpoint[:, :3] += gap * (self.pace / np.maximum(distance, 1e-9))[:, None]
        turn = _length(axis_angle_from_quat(quat_multiply(quat_conjugate(self.setpoint[:, 3:]), goal[:, 3:])))
        share = np.minimum(self.habits["turn"][:, 0] / np.maximum(turn, 1e-9), 1.0)
        self.setpoint[:, 3:] = quat_slerp(self.setpoint[:, 3:], goal[:, 3:], np.where(waiting, 0.0, share))

    def _advance_phase(self, eef: Array, item: Array, target: Array) -> None:
        """Go to the next phase in rows that reached `target`, or back to aligning where the item was lost."""
        distance = _length(eef[:, :3] - target[:, :3])
        turn = _length(axis_angle_from_quat(quat_multiply(quat_conjugate(eef[:, 3:]), target[:, 3:])))
        reached = (distance < self.spec.tolerance_m) & (turn < self.spec.tolerance_rad)
        # In passing, nobody stops to be exact.
        passing = np.isin(self.phase, (APPROACH, LIFT, CARRY))
        reached = reached | (passing & (distance < 2.5 * self.spec.tolerance_m))
        reached = reached | (self.clock >= self.spec.patience_s * self.hz)
        wait = self.habits["pause"][np.arange(len(eef)), self.phase]
        gripping = np.isin(self.phase, (CLOSE, OPEN))
        ready = np.where(gripping, self.clock >= self.habits["grip"][:, 0], reached & (self.clock > wait))
        carrying = np.isin(self.phase, (LIFT, CARRY, LOWER))
        lost = carrying & (_length(eef[:, :3] - item[:, :3]) > self.spec.lost_m)
        self._turn_to(item, lost)
        self._enter(ready & (self.phase < RETREAT) & ~lost, self.phase + 1)
        self._enter(lost, np.full_like(self.phase, ALIGN))

    def _enter(self, rows: NDArray[np.bool_], phase: NDArray[np.int64]) -> None:
        self.phase = np.where(rows, phase, self.phase)
        self.clock = np.where(rows, 0, self.clock)
        self.entry = np.where(rows[:, None], self.setpoint, self.entry)


_HABITS = {
    "speed": (1,),
    "turn": (1,),
    "acceleration": (1,),
    "hover": (1,),
    "lift": (1,),
    "release": (1,),
    "grip": (1,),
    "sideways": (3,),
    "overshoot": (3,),
    "grasp_offset": (3,),
    "place_offset": (3,),
    "pause": (PHASES,),
}


def _draw_habits(rng: np.random.Generator, spec: PickPlaceSpec, hz: float) -> dict[str, Any]:
    """Draw one episode's habits; lengths in m, speeds in m (rad) a step, times in steps."""

    def disc(radius_m: float) -> Array:
        angle = rng.uniform(0.0, 2.0 * np.pi)
        return np.array([radius_m * np.cos(angle), radius_m * np.sin(angle), 0.0])

    pauses = rng.uniform(*spec.pause_s, PHASES) * hz * (rng.random(PHASES) < spec.pause_probability)
    return {
        "speed": rng.uniform(*spec.speed_m_s) / hz,
        "turn": rng.uniform(*spec.turn_rad_s) / hz,
        "acceleration": rng.uniform(*spec.acceleration_m_s2) / hz**2,
        "hover": rng.uniform(*spec.hover_m),
        "lift": rng.uniform(*spec.lift_m),
        "release": rng.uniform(*spec.release_m),
        "grip": np.round(rng.uniform(*spec.grip_s) * hz),
        "sideways": disc(rng.uniform(*spec.sideways_m)),
        "overshoot": disc(rng.uniform(*spec.overshoot_m)),
        "grasp_offset": rng.normal(0.0, spec.grasp_sigma_m, 3) * np.array([1.0, 1.0, 0.5]),
        "place_offset": rng.normal(0.0, spec.place_sigma_m, 3) * np.array([1.0, 1.0, 0.0]),
        "pause": np.round(pauses),
    }


def _draw_tremor(rng: np.random.Generator, spec: PickPlaceSpec, hz: float, steps: int) -> Array:
    """Draw a smooth unsteadiness (steps, 3), m: three slow sine waves an axis."""
    amplitude = rng.uniform(*spec.tremor_m)
    rate_hz = rng.uniform(0.3, 1.5, (3, 3))
    phase = rng.uniform(0.0, 2.0 * np.pi, (3, 3))
    weight = rng.dirichlet(np.ones(3), 3)
    time_s = np.arange(steps) / hz
    waves = [
        [weight[axis, k] * np.sin(2.0 * np.pi * rate_hz[axis, k] * time_s + phase[axis, k]) for k in range(3)]
        for axis in range(3)
    ]
    return amplitude * np.stack([axis[0] + axis[1] + axis[2] for axis in waves], axis=-1)


def _heading(q: Array) -> Array:
    """Return the heading (B,) rad of each frame's x axis in the horizontal plane."""
    x = quat_rotate(q, np.broadcast_to(np.array([1.0, 0.0, 0.0]), (*q.shape[:-1], 3)))
    return np.arctan2(x[..., 1], x[..., 0])


def _length(v: Array) -> Array:
    """Return the length (B,) of vectors (B, 3), summed in a fixed order."""
    return np.sqrt(v[..., 0] * v[..., 0] + v[..., 1] * v[..., 1] + v[..., 2] * v[..., 2])
