"""Flow matching: chunks are drawn by integrating a learned velocity field from noise to action.

Source: Lipman et al., Flow Matching for Generative Modeling, 2023 (straight paths); the time distribution
and its direction (1 is noise, 0 is action) as in pi-0, Black et al., 2024, equation 1 and appendix B.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from motorium.learn.description import PolicyDescription
from motorium.learn.policies.chunk import ChunkNet, weighted_mean
from motorium.learn.policies.trunk import Trunk

FREQUENCIES = 8


class FlowMatching(ChunkNet):
    """`x_t = t noise + (1 - t) chunk`; the trunk predicts `noise - chunk` from x_t, t and z."""

    needs_noise = True

    def __init__(self, description: PolicyDescription) -> None:
        super().__init__(description)
        self.euler_steps = int(description.network["euler_steps"])
        self.noise_scale = float(description.network["noise_scale"])
        # Half periods of 1, 1/2, ... 1/8 of the path: the field changes smoothly with t.
        self.register_buffer("frequency", math.pi * torch.arange(1, FREQUENCIES + 1, dtype=torch.float32))
        self.trunk = Trunk(self.chunk_size + self.z_size + 2 * FREQUENCIES, self.chunk_size, **self.shape)

    def velocity(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return the field at x (B, H A), t (B, 1), given z (B, Z): (B, H A)."""
        angle = t * self.frequency
        return self.trunk(torch.cat([x, z, angle.cos(), angle.sin()], dim=1))

    def draws(self, rng: np.random.Generator, rows: int) -> tuple[Tensor, Tensor]:
        """Return noise (B, H A) and times (B, 1) ~ 0.001 + 0.999 Beta(1.5, 1)."""
        noise = rng.standard_normal((rows, self.chunk_size), dtype=np.float32)
        # The distribution function of Beta(a, 1) is x^a.
        t = 0.001 + 0.999 * rng.random((rows, 1)) ** (1 / 1.5)
        return torch.from_numpy(noise), torch.from_numpy(t.astype(np.float32))

    def loss(self, z: Tensor, chunk: Tensor, weight: Tensor, draws: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean squared error of the velocity."""
        noise, t = draws
        # A padded step's own values must not leak into the velocity of real steps through x_t.
        chunk = (chunk * weight).flatten(1)
        error = self.velocity(torch.lerp(chunk, noise, t), t, z) - (noise - chunk)
        return weighted_mean(error.square(), weight.flatten(1))

    def predict(self, z: Tensor, noise: Tensor | None) -> Tensor:
        """Integrate from t = 1 to 0 in `euler_steps` equal steps.

        Less noise than the field was trained with (`noise_scale` < 1) draws closer to the modes of the
        learned distribution, which makes a policy steadier than the demonstrations it was shown.
        """
        x = self.noise_scale * noise.flatten(1)
        step = 1.0 / self.euler_steps
        for i in range(self.euler_steps):
            t = torch.full_like(x[:, :1], 1.0 - i * step)
            x = x - step * self.velocity(x, t, z)
        return x.reshape(-1, self.description.horizon, self.description.action.size)
