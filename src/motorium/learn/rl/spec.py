"""RlSpec: everything a reinforcement learning run depends on, beside its world and its seed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from motorium.core.spec import Spec

# Groups of observations whose names rsl_rl is asked for; an Env's observation keys are groups of their own.
STATE = "observation.state"


class RlSpec(Spec):
    """Proximal policy optimisation: how much is collected, the networks, and how they are optimised.

    Source of the defaults: rsl_rl (C. Schwarke et al., RSL-RL: A Learning Library for Robotics Research, 2025), with
    fewer worlds and narrower networks, for few cores. Otherwise than there, last layers start small, values are scaled
    and the critic is not clipped: M. Andrychowicz et al., arXiv:2006.05990, section 3.2. Measured on cartpole swing-up,
    256 worlds, about 100 rounds, one seed: return 8.2 with all three, 6.3 without the scale and with the clipping (at
    the longer horizon, gamma 0.995), 2.1 with none of them.
    """

    algorithm: Literal["ppo"] = Field("ppo", description="how the policy is improved")
    iterations: int = Field(300, ge=1, description="rounds of collecting and improving")
    num_envs: int = Field(512, ge=1, description="worlds that run at once")
    steps: int = Field(24, ge=1, description="steps of each world in a round")

    actor_inputs: tuple[str, ...] = Field(
        (STATE,), description="observation keys the policy sees; empty: all that are vectors"
    )
    critic_inputs: tuple[str, ...] = Field(
        (), description="observation keys the critic sees, in training only; empty: all that are vectors"
    )
    widths: tuple[int, ...] = Field((128, 128), min_length=1, description="widths of the hidden layers of both")
    activation: Literal["elu", "relu", "selu", "tanh"] = Field("elu", description="what lies between the layers")
    normalize: bool = Field(True, description="whether observations are scaled to zero mean and unit variance")
    initial_std: float = Field(
        1.0, gt=0, description="spread of the first actions, in halves of the range of the action's bounds"
    )
    output_scale: float = Field(
        0.01, gt=0, description="factor on the first weights of both last layers; 1: rsl_rl's own, which start far off"
    )

    epochs: int = Field(5, ge=1, description="passes over what a round collected")
    minibatches: int = Field(4, ge=1, description="parts of a pass, an optimiser step each")
    clip: float = Field(0.2, gt=0, description="how far the ratio of probabilities may leave 1")
    gamma: float = Field(0.99, gt=0, le=1, description="discount of a step")
    lam: float = Field(0.95, ge=0, le=1, description="decay of generalised advantages")
    learning_rate: float = Field(1e-3, gt=0, description="first learning rate; adaptive: it follows desired_kl")
    adaptive: bool = Field(True, description="whether the learning rate keeps the policy's change near desired_kl")
    desired_kl: float = Field(0.01, gt=0, description="change of the policy to aim at, in nats")
    entropy: float = Field(0.005, ge=0, description="weight of the entropy of actions")
    value: float = Field(1.0, gt=0, description="weight of the critic's error")
    clip_value: bool = Field(False, description="whether the critic, too, changes by no more than `clip` in a round")
    reward_scale: float | None = Field(
        None, gt=0, description="factor on what the learner is paid; none: a value is ten where a second pays one"
    )
    max_grad_norm: float = Field(1.0, gt=0, description="largest gradient norm, of policy and critic apart")

    symmetry: Literal["augment", "loss", "none"] = Field(
        "augment", description="in worlds with a mirror: learn from mirrored data too, or be drawn to mirrored actions"
    )
    symmetry_weight: float = Field(1.0, gt=0, description="weight of the mirror loss (symmetry: loss)")

    checkpoint_every: int = Field(50, ge=1, description="rounds between checkpoints")
    threads: int = Field(1, ge=1, description="torch threads; part of the result, as sums depend on it")
    # bfloat16 is off by some thousandths of a value, and a step is worth a hundredth of it. Measured: an update of the
    # Go1's networks takes 0 to 15 % less time, and one of two cartpole runs came to depend on its noise.
    precision: Literal["highest", "high", "medium"] = Field(
        "highest", description="matrix products in training: float32, or bfloat16 inside, where the CPU has it"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.num_envs * self.steps < self.minibatches:
            raise ValueError(f"num_envs * steps ({self.num_envs * self.steps}) must be at least minibatches")
        return self

    @property
    def samples_a_round(self) -> int:
        """Steps of all worlds in a round."""
        return self.num_envs * self.steps
