"""Delays between a control and what the actuator does, each world's own: `actuator_delay` and its delay lines.

Source: MuJoCo (3.17), XML reference, actuator `delay` and `nsample`: controls wait in a ring of samples, one a physics
step, that is part of the integration state (`history`), and act when they are as old as the delay, held in between;
a delay that is no whole number of steps acts at the next step.
"""

from __future__ import annotations

import math
from typing import Any

import mujoco

Array = Any

# A ring in `history`: two numbers of the ring itself, the times of its samples, then the samples.
_BEFORE = 2


def add_delay(scene: mujoco.MjSpec, most_s: float) -> None:
    """Give every actuator in `scene` a delay line for delays up to `most_s`; zero is none.

    The delay itself is the model field `actuator_delay` (nu,), in seconds, `most_s` to begin with. The time step of
    the scene must have been set.
    """
    if most_s <= 0:
        return
    for actuator in scene.actuators:
        actuator.delay, actuator.interp = most_s, 0
        # A whole number of steps must not become one more by rounding.
        actuator.nsample = math.ceil(most_s / scene.option.timestep - 1e-6) + 1


def filled(model: mujoco.MjModel, history: Array, ctrl: Array) -> Array:
    """Return delay lines that hold `ctrl` throughout, as though it had always been commanded.

    Args:
        history: (B, nhistory) of the worlds.
        ctrl: (B, nu).

    Returns:
        (B, nhistory), new; lines of sensors as they were.
    """
    made = history + 0.0
    for i in range(model.nu):
        samples = int(model.actuator_history[i, 0])
        first = int(model.actuator_historyadr[i]) + _BEFORE + samples
        if samples:
            made[:, first : first + samples] = ctrl[:, i : i + 1]
    return made
