"""Actor: the mean action of a reinforcement learner, as a policy: a plain multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from motorium.learn.description import PolicyDescription
from motorium.learn.policies.chunk import ChunkNet, weighted_mean

ACTIVATIONS = {"elu": nn.ELU, "relu": nn.ReLU, "selu": nn.SELU, "tanh": nn.Tanh}


class Actor(ChunkNet):
    """Linear layers with an activation between them; actions are clipped to the bounds of the world.

    Inputs are normalised, but not clipped, as in training. `network` has `widths` and `activation`, or, cloned from
    demonstrations, `blocks` layers of `width`.
    """

    def __init__(self, description: PolicyDescription) -> None:
        super().__init__(description)
        network = description.network
        widths = network.get("widths") or [self.shape["width"]] * self.shape["blocks"]
        activation = ACTIVATIONS[network.get("activation", "elu")]
        sizes = [self.z_size, *map(int, widths)]
        layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), activation())]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], self.chunk_size))
        for name, bound in (("low", -torch.inf), ("high", torch.inf)):
            self.register_buffer(name, torch.full((description.action.size,), bound))

    def normalize(self, observation: Tensor) -> Tensor:
        """Return normalised observations: (B, n_obs, D) both."""
        return (observation - self.observation_shift) * self.observation_inverse

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return chunks (B, H, A) in the action's units, within its bounds."""
        return torch.minimum(torch.maximum(super().forward(inputs), self.low), self.high)

    def loss(self, z: Tensor, chunk: Tensor, weight: Tensor, draws: Any) -> Tensor:
        """Return the mean squared error, in normalised units."""
        return weighted_mean((self.predict(z, None) - chunk).square(), weight)

    def predict(self, z: Tensor, noise: Tensor | None) -> Tensor:
        """Return the chunk."""
        return self.layers(z).reshape(-1, self.description.horizon, self.description.action.size)
