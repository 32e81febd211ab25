"""Options of amplification."""

from __future__ import annotations

from pydantic import Field, model_validator

from motorium.core.spec import Spec
from motorium.synth.select import Strategy


class AmplifySpec(Spec):
    """How many demonstrations to make out of few, and how.

    The result does not depend on `shard_attempts`: attempts are counted in order of their number.
    """

    target_successes: int = Field(1000, ge=1, description="successful episodes to make")
    max_attempts: int = Field(10_000, ge=1, description="attempts after which to stop short of the target")
    shard_attempts: int = Field(256, ge=1, description="attempts that one shard makes in one batch")
    first_seed: int = Field(100_000, ge=0, description="seed of attempt 0; attempt i has first_seed + i")
    selection: Strategy = Field("nearest_robot", description="how the source of each segment is chosen")
    top_k: int = Field(3, ge=1, description="the nearest strategies draw among so many sources")
    metres_per_rad: float = Field(0.1, ge=0, description="distance that a turn of one radian counts as, m")
    action_noise: float = Field(
        0.05,
        ge=0,
        description="sigma of the noise on the pose part of actions, as a share of half their range; 0: none",
    )
    noisy_labels: bool = Field(
        True, description="record the executed, noisy action; false: the one intended (as DART, arXiv 1703.09327)"
    )
    interpolation_steps: int = Field(5, ge=1, description="fewest steps from the hand's pose to a segment's start")
    interpolation_m: float = Field(0.015, gt=0, description="longest interpolation step, m")
    interpolation_rad: float = Field(0.1, gt=0, description="longest interpolation step, rad")
    max_interpolation_steps: int = Field(60, ge=1, description="most steps from the hand's pose to a segment's start")
    jitter_low: int = Field(10, ge=0, description="fewest steps by which a segment's end is moved later")
    jitter_high: int = Field(20, ge=0, description="most steps by which a segment's end is moved later; 0: no jitter")
    settle_steps: int = Field(15, ge=0, description="steps the last target is held for before the attempt has failed")
    stop_early: bool = Field(True, description="give up when a segment ends and its signal does not hold")
    record_poses: bool = Field(False, description="record mimic.* arrays, so that the result can itself be amplified")

    @model_validator(mode="after")
    def _ordered(self) -> AmplifySpec:
        if self.jitter_high < self.jitter_low:
            raise ValueError(f"jitter_high ({self.jitter_high}) must be at least jitter_low ({self.jitter_low})")
        if self.max_interpolation_steps < self.interpolation_steps:
            raise ValueError("max_interpolation_steps must be at least interpolation_steps")
        return self
