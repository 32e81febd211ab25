"""History: the last observations of a policy in a row, for policies that are to see what changes.

Source: as the stacked observations of V. Mnih et al., Human-level control through deep reinforcement learning, 2015,
here of `observation.state`: of n frames the oldest first; at the start the first one n times.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from array_api_compat import array_namespace

from motorium.core.errors import SimError
from motorium.core.features import vector
from motorium.core.protocols import Mirror
from motorium.tasks.mdp.task import STATE, About

Array = Any

# Name in the memory of an env.
FRAMES = "frames"


def with_history(about: About, frames: int) -> About:
    """Return `about` with `frames` frames in `observation.state`: x[-2], x[-1], x, ...

    Raises:
        SimError: when the task has no such observation.
    """
    if STATE not in about.observation:
        raise SimError("only a task that observes a state has a history", where="history", expected=STATE)
    one, ages = about.observation[STATE], range(frames - 1, -1, -1)
    names = [f"{name}[-{age}]" if age else name for age in ages for name in one.names]
    observation = {**about.observation, STATE: vector(names, one.units * frames, one.frame)}
    mirrors = dict(about.mirrors)
    if STATE in mirrors:
        mirror = mirrors[STATE]
        order = tuple(start + i for start in range(0, frames * one.size, one.size) for i in mirror.order)
        mirrors[STATE] = Mirror(order=order, signs=mirror.signs * frames)
    conventions = {**about.conventions, "history": f"{frames} frames, the oldest first"}
    return replace(about, observation=observation, mirrors=mirrors, conventions=conventions)


def repeated(observed: Array, frames: int) -> Array:
    """Return the frames (B, frames, n) of an episode's first observation (B, n)."""
    return array_namespace(observed).stack([observed] * frames, axis=1)


def moved_on(past: Array, observed: Array) -> Array:
    """Return frames (B, frames, n) without the oldest of `past`, and with `observed` (B, n)."""
    return array_namespace(observed).concat([past[:, 1:], observed[:, None]], axis=1)


def in_a_row(past: Array) -> Array:
    """Return frames (B, frames, n) as one vector a row: (B, frames * n)."""
    return past.reshape(past.shape[0], -1)
