"""Regression: the chunk itself, one prediction, for where a point estimate is wanted."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from motorium.learn.description import PolicyDescription
from motorium.learn.policies.chunk import ChunkNet, weighted_mean
from motorium.learn.policies.trunk import Trunk

# Below this many deviations the loss is quadratic, so that it can settle; above it is an absolute error.
BETA = 0.05


class Regression(ChunkNet):
    """Smooth L1 regression of the chunk on z; its optimum is about the conditional median."""

    def __init__(self, description: PolicyDescription) -> None:
        super().__init__(description)
        self.trunk = Trunk(self.z_size, self.chunk_size, **self.shape)

    def loss(self, z: Tensor, chunk: Tensor, weight: Tensor, draws: Any) -> Tensor:
        """Return the mean smooth L1 error, in normalised units."""
        error = functional.smooth_l1_loss(self.predict(z, None), chunk, reduction="none", beta=BETA)
        return weighted_mean(error, weight)

    def predict(self, z: Tensor, noise: Tensor | None) -> Tensor:
        """Return the chunk."""
        return self.trunk(z).reshape(-1, self.description.horizon, self.description.action.size)
