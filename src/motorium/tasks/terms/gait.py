"""Gaits: where each foot is in its cycle, and how well it keeps to it; pure functions of arrays (B, feet)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace

Array = Any


def phase(time_s: Array, gait_hz: float, offset: Array) -> Array:
    """Return the phase of a walk in [0, 1) at `time_s` (B,), `offset` (B,) at time zero: (B,)."""
    xp = array_namespace(time_s)
    cycles = time_s * gait_hz + offset
    return cycles - xp.floor(cycles)


def feet_phases(walk: Array, phases: Sequence[float]) -> Array:
    """Return each foot's own phase in [0, 1): (B, feet), for a walk's phase (B,) and the feet's offsets in it."""
    xp = array_namespace(walk)
    shifted = xp.stack([walk + offset for offset in phases], axis=1)
    return shifted - xp.floor(shifted)


def swing_height(foot_phase: Array, stance_share: float, top_m: float) -> Array:
    """Return how high each foot should be: (B, feet), half a sine while it swings, 0 while it stands.

    A foot swings first: its phase runs through the swing, then through `stance_share` of the cycle.
    """
    xp = array_namespace(foot_phase)
    swing = xp.clip(foot_phase / (1.0 - stance_share), 0.0, 1.0)
    return top_m * xp.sin(math.pi * swing)
