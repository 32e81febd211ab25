"""TrainSpec: everything a training run depends on, beside its data and its seed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from motorium.core.spec import Spec


class TrainSpec(Spec):
    """Behaviour cloning of action chunks: what the policy sees, its network, and how it is optimised."""

    policy: str = Field("flow-matching", description="catalog name of the policy, or your own 'module:attribute'")
    inputs: tuple[str, ...] = Field((), description="observation keys the policy sees; empty: all that are vectors")

    horizon: int = Field(16, ge=1, description="actions in a chunk")
    execute: int = Field(8, ge=1, description="actions of a chunk that are executed before the policy is asked again")
    n_obs: int = Field(1, ge=1, description="observations the policy sees: now, and at its previous calls")
    last_action: bool = Field(False, description="whether the command before the chunk is an input")
    hold_key: str | None = Field(
        None, description="observation key measured in the action's space; stands for the command before the first"
    )
    residual: Literal["none", "state", "last_action"] = Field(
        "none", description="what chunks are predicted relative to: nothing, the hold_key, the last command"
    )

    width: int = Field(384, ge=8, description="width of the residual stream")
    hidden: int = Field(512, ge=8, description="width inside a residual block")
    blocks: int = Field(2, ge=1, description="residual blocks")
    euler_steps: int = Field(10, ge=1, le=100, description="integration steps of a sample (flow matching)")
    noise_scale: float = Field(
        0.5, ge=0, le=1, description="spread of the noise a sample starts from; 1 draws from the learned distribution"
    )

    normalization: Literal["mean_std", "quantile"] = Field(
        "mean_std", description="zero mean and unit variance, or the 1 % and 99 % quantiles to -1 and 1"
    )
    input_noise: float = Field(0.0, ge=0, description="standard deviation of noise on normalised observations")
    last_action_noise: float = Field(0.0, ge=0, description="the same, on the last command as an input")

    steps: int = Field(4000, ge=1, description="optimiser steps")
    batch: int = Field(256, ge=1, description="chunks in a step")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")
    warmup: int = Field(200, ge=0, description="steps of linear warm-up; a cosine to zero follows")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled weight decay of AdamW")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    ema_power: float = Field(0.75, ge=0, le=1, description="weight average decays by 1 - (1 + step) ** -power")

    keep: Literal["last", "best"] = Field(
        "last", description="which averaged weights become the policy: the last, or the best on validation episodes"
    )
    validation_fraction: float = Field(0.1, ge=0, lt=1, description="share of the episodes held out for validation")
    validate_every: int = Field(500, ge=1, description="steps between validations")
    log_every: int = Field(50, ge=1, description="steps between rows of the training curve")
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")

    precision: Literal["highest", "high", "medium"] = Field(
        "medium", description="matrix products in training: float32, or bfloat16 inside where the CPU is faster at it"
    )
    threads: int = Field(1, ge=1, description="torch threads; more than one spin and lose beside physics threads")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.execute > self.horizon:
            raise ValueError(f"execute ({self.execute}) must be at most horizon ({self.horizon})")
        if self.residual != "none" and self.hold_key is None:
            raise ValueError(f"residual '{self.residual}' needs hold_key: it is where an episode starts from")
        if self.residual == "last_action" and not self.last_action:
            raise ValueError("residual 'last_action' needs last_action: true")
        if self.keep == "best" and self.validation_fraction == 0:
            raise ValueError("keep 'best' needs validation_fraction above zero")
        if self.validate_every % self.log_every or self.checkpoint_every % self.log_every:
            raise ValueError("validate_every and checkpoint_every must be multiples of log_every")
        return self
