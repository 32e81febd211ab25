"""Cartpole swing-up: push a cart so that its hanging pole comes to stand, in the middle of the rail.

Source: Y. Tassa et al., DeepMind Control Suite, arXiv:1801.00690, section 4, `cartpole (swingup)`: its rewards, rates
and start; the model is our own (`robots/cartpole`).

Observation `observation.state`: cart.position (m), pole.cos, pole.sin of the angle from upright (1), cart.velocity
(m/s), pole.velocity (rad/s). Action: `cart.force`, -1 to 1 of 10 N. 100 steps a second, 10 s.

Rewards (a second; the most in an episode is 10):
    upright 1/s: the product of four numbers in [0, 1]: how upright the pole is, (1 + cos) / 2; how centred the cart
        (Gaussian, 0.1 at 2 m); how small the command (parabola, 0.8 to 1); how slow the pole (Gaussian, 0.1 at
        5 rad/s, 0.5 to 1).

Outcomes (truncation after 10 s): `success` where the pole stood, within 15 degrees of upright, and the cart was within
0.5 m of the middle, at every step of the last 5 s; else `timeout`. Nothing ends an episode before.
Metrics: standing_s: for how long the pole has been standing so, without a break.
Start (`EnvInfo.factors`), uniform: cart_x_m, pole_rad (from hanging), cart_m_s, pole_rad_s.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco
import numpy as np
from pydantic import Field

from motorium.core.features import vector
from motorium.core.protocols import SUCCESS
from motorium.robots.cartpole import model as cartpole
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import STATE, TIMEOUT, About, Start, Task, TaskSpec
from motorium.tasks.ranges import Range
from motorium.tasks.terms.reward import parabola, tolerance
from motorium.tasks.terms.termination import lasted, streak

Array = Any

STANDING_RAD, STANDING_M, STANDING_S = math.radians(15.0), 0.5, 5.0


class CartpoleSpec(TaskSpec):
    """Options of the task `cartpole/swing-up`."""

    control_hz: float = Field(100.0, gt=0, le=1000, description="control steps in a second")
    timestep_s: float = Field(0.01, gt=0, le=0.05, description="physics step, in seconds")
    episode_s: float = Field(10.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    cart_x_m: Range = Field((-0.02, 0.02), description="where the cart starts")
    pole_rad: Range = Field((-0.02, 0.02), description="angle of the pole from hanging")
    cart_m_s: Range = Field((-0.02, 0.02), description="speed of the cart")
    pole_rad_s: Range = Field((-0.02, 0.02), description="speed of the pole")


class SwingUp(Task):
    """Cartpole swing-up; the module's text has the conditions."""

    Spec = CartpoleSpec
    weights = {"upright": 1.0}

    def scene(self) -> mujoco.MjSpec:
        """Return cart, pole, rail and floor."""
        spec = cartpole.make()
        spec.option.timestep = self.spec.timestep_s
        return spec

    def prepare(self, model: mujoco.MjModel) -> About:
        """Return what the task is."""
        names = ("cart.position", "pole.cos", "pole.sin", "cart.velocity", "pole.velocity")
        factors = ("cart_x_m", "pole_rad", "cart_m_s", "pole_rad_s")
        return About(
            instruction="swing the pole up and balance it",
            observation={STATE: vector(names, ("m", "1", "1", "m/s", "rad/s"), frame="world")},
            action=vector(("cart.force",), "normalized", frame="world"),
            factors={name: getattr(self.spec, name) for name in factors},
            conventions={"world": "z up, metres; the cart's rail along x", "control": "force: a command of 1 is 10 N"},
        )

    def start(self, state: State) -> Start:
        """Return the pole hanging, nearly at rest."""
        f, xp = state.factors, state.xp
        qpos = xp.stack([f["cart_x_m"], f["pole_rad"] + np.pi], axis=1)
        return Start(qpos=qpos, qvel=xp.stack([f["cart_m_s"], f["pole_rad_s"]], axis=1))

    def begin(self, state: State) -> dict[str, Array]:
        """Return that the pole has not stood yet."""
        return {"standing": state.xp.zeros_like(state.qpos[:, 0])}

    def control(self, state: State) -> Array:
        """Return the motor's command."""
        return state.action

    def advance(self, state: State) -> dict[str, Array]:
        """Return for how many steps the pole has been standing."""
        upright = state.xp.cos(state.qpos[:, 1]) >= math.cos(STANDING_RAD)
        return {"standing": streak(state.memory["standing"], upright & (abs(state.qpos[:, 0]) <= STANDING_M))}

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the product that the module's text describes."""
        upright = 0.5 * (1.0 + state.xp.cos(state.qpos[:, 1]))
        centred = 0.5 * (1.0 + tolerance(state.qpos[:, 0], 0.0, 0.0, 2.0))
        small = 0.2 * (4.0 + parabola(state.action[:, 0], 0.0, 0.0, 1.0))
        slow = 0.5 * (1.0 + tolerance(state.qvel[:, 1], 0.0, 0.0, 5.0))
        return {"upright": upright * centred * small * slow}

    def outcome(self, state: State) -> Array:
        """Return that it runs on."""
        return state.xp.zeros_like(state.steps, dtype=state.xp.int8)

    def verdict(self, state: State) -> Array:
        """Return success where the pole stood to the end."""
        return lasted(state.memory["standing"], STANDING_S * self.spec.control_hz, SUCCESS, TIMEOUT)

    def metrics(self, state: State) -> dict[str, Array]:
        """Return for how long the pole has been standing."""
        return {"standing_s": state.memory["standing"] * (1.0 / self.spec.control_hz)}

    def observe(self, state: State) -> dict[str, Array]:
        """Return positions, with the angle as a point on the circle, and velocities."""
        xp, angle = state.xp, state.qpos[:, 1]
        columns = [state.qpos[:, 0], xp.cos(angle), xp.sin(angle), state.qvel[:, 0], state.qvel[:, 1]]
        return {STATE: xp.stack(columns, axis=1)}
