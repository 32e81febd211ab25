"""Cheetah: a runner in a plane runs as fast as it can, up to 10 m/s.

Source: Y. Tassa et al., DeepMind Control Suite, arXiv:1801.00690, section 4, `cheetah (run)`: its reward and its 10 s.
Ours are the model (`robots/cheetah`), 20 steps a second in place of 100, and the speed, of the trunk where theirs is
that of the centre of mass.

Observation `observation.state`: height (m) and pitch (rad) of the trunk, the six joints (rad), and the velocities of
the trunk forward and up (m/s), of its pitch (rad/s) and of the joints (rad/s). Action: the six motors' torques, -1 to 1
of 30 to 120 N m.

Rewards (a second; the most in an episode is 10):
    run   1   min(v / 10 m/s, 1) of the trunk's speed v forward; 0 backward

Outcomes (truncation after 10 s): `success` where the mean speed over the episode was at least 3 m/s, else `timeout`.
Nothing ends an episode before. Metrics: speed_m_s: mean over the episode so far.
Start (`EnvInfo.factors`), uniform: height_m of the trunk, pitch_rad; joints within `start_rad` of their straight
springs.
"""

from __future__ import annotations

from typing import Any

import mujoco
from pydantic import Field

from motorium.core.features import vector
from motorium.core.protocols import SUCCESS
from motorium.robots.cheetah import model as cheetah
from motorium.sim.ground import add_ground
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import STATE, TIMEOUT, About, Start, Task, TaskSpec
from motorium.tasks.ranges import Range
from motorium.tasks.terms.reward import share

Array = Any

FASTEST_M_S, GOOD_M_S = 10.0, 3.0


class CheetahSpec(TaskSpec):
    """Options of the task `cheetah/run`."""

    control_hz: float = Field(20.0, gt=0, le=1000, description="control steps in a second")
    timestep_s: float = Field(0.01, gt=0, le=0.05, description="physics step, in seconds")
    episode_s: float = Field(10.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    height_m: Range = Field((cheetah.HEIGHT_M, cheetah.HEIGHT_M + 0.05), description="of the trunk at the start")
    pitch_rad: Range = Field((-0.1, 0.1), description="of the trunk at the start, nose down")
    start_rad: float = Field(0.1, ge=0, description="joints start within this of their straight springs")


class Run(Task):
    """Running in a plane; the module's text has the conditions."""

    Spec = CheetahSpec
    weights = {"run": 1.0}

    def scene(self) -> mujoco.MjSpec:
        """Return the runner on flat ground."""
        spec = cheetah.make()
        spec.option.timestep = self.spec.timestep_s
        add_ground(spec, cheetah.TRUNK)
        return spec

    def prepare(self, model: mujoco.MjModel) -> About:
        """Return what the task is."""
        positions = ("trunk.height", "trunk.pitch", *(f"{name}.position" for name in cheetah.JOINTS))
        speeds = ("trunk.forward", "trunk.upward", "trunk.pitch_rate", *(f"{name}.velocity" for name in cheetah.JOINTS))
        units = ("m", *("rad",) * 7, "m/s", "m/s", *("rad/s",) * 7)
        return About(
            instruction="run as fast as you can",
            observation={STATE: vector((*positions, *speeds), units, frame="world")},
            action=vector([f"{name}.torque" for name in cheetah.JOINTS], "normalized"),
            factors={"height_m": self.spec.height_m, "pitch_rad": self.spec.pitch_rad},
            conventions={
                "world": "z up, x to the front, metres; the ground at z = 0",
                "control": "torque: a command of 1 is the joint's torque of `robots/cheetah`",
            },
        )

    def start(self, state: State) -> Start:
        """Return the runner just above the ground, at rest."""
        f, xp = state.factors, state.xp
        root = xp.stack([0.0 * f["height_m"], f["height_m"], f["pitch_rad"]], axis=1)
        joints = self.spec.start_rad * state.draw("start", len(cheetah.JOINTS))
        return Start(qpos=xp.concat([root, joints], axis=1))

    def control(self, state: State) -> Array:
        """Return the motors' commands."""
        return state.action

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the share of 10 m/s."""
        return {"run": share(state.qvel[:, 0], FASTEST_M_S)}

    def outcome(self, state: State) -> Array:
        """Return that it runs on."""
        return state.xp.zeros_like(state.steps, dtype=state.xp.int8)

    def verdict(self, state: State) -> Array:
        """Return success where the mean speed was good."""
        good = self.metrics(state)["speed_m_s"] >= GOOD_M_S
        return state.xp.astype(good, state.xp.int8) * (SUCCESS - TIMEOUT) + TIMEOUT

    def metrics(self, state: State) -> dict[str, Array]:
        """Return the mean speed of the episode so far."""
        return {"speed_m_s": state.qpos[:, 0] * self.spec.control_hz / state.xp.clip(state.steps, 1, None)}

    def observe(self, state: State) -> dict[str, Array]:
        """Return positions, but for how far it has come, and velocities."""
        return {STATE: state.xp.concat([state.qpos[:, 1:], state.qvel], axis=1)}
