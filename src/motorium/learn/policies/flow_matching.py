"""Flow matching: chunks are drawn by integrating a learned velocity field from noise to action.

Source: Lipman et al., Flow Matching for Generative Modeling, 2023 (straight paths); the time distribution
and its direction (1 is noise, 0 is action) as in pi-0, Black et al., 2024, section IV and appendix B.
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

# Times below this weigh no more than it does.
FLOOR = 0.05


class FlowMatching(ChunkNet):
    """`x_t = t noise + (1 - t) chunk`, and the velocity `noise - chunk = (x_t - chunk) / t`.

    The trunk predicts the chunk, from x_t, t and z; the velocity follows. Chunks are smooth and noise is
    not: a small trunk that had to answer with the velocity would spend itself on carrying the noise through.
    Measured on pick-and-place with 100 episodes and 1,000 steps: 97-99 % success against 92 %; with 1,000
    episodes and 4,000 steps both are at 99 %.
    """

    needs_noise = True

    def __init__(self, description: PolicyDescription) -> None:
        super().__init__(description)
        self.euler_steps = int(description.network["euler_steps"])
        self.noise_scale = float(description.network["noise_scale"])
        # Half periods of 1, 1/2, ... 1/8 of the path: the field changes smoothly with t.
        self.register_buffer("frequency", math.pi * torch.arange(1, FREQUENCIES + 1, dtype=torch.float32))
        self.trunk = Trunk(self.chunk_size + self.z_size + 2 * FREQUENCIES, self.chunk_size, **self.shape)

    def end(self, x: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return the chunk that the path through x (B, H A) at t (B, 1) leads to, given z (B, Z): (B, H A)."""
        angle = t * self.frequency
        return self.trunk(torch.cat([x, z, angle.cos(), angle.sin()], dim=1))

    def draws(self, rng: np.random.Generator, rows: int) -> tuple[Tensor, Tensor]:
        """Return noise (B, H A) and times (B, 1) ~ 0.001 + 0.999 Beta(1.5, 1)."""
        noise = rng.standard_normal((rows, self.chunk_size), dtype=np.float32)
        # The distribution function of Beta(a, 1) is x^a.
        t = 0.001 + 0.999 * rng.random((rows, 1)) ** (1 / 1.5)
        return torch.from_numpy(noise), torch.from_numpy(t.astype(np.float32))

    def loss(self, z: Tensor, chunk: Tensor, weight: Tensor, draws: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean squared error of the velocity times t, which is that of the chunk over t.

        The factor keeps the end of the path, where the chunk is all but known, from outweighing the rest.
        """
        noise, t = draws
        # A padded step's own values must not leak into the prediction of real steps through x_t.
        chunk = (chunk * weight).flatten(1)
        error = self.end(torch.lerp(chunk, noise, t), t, z) - chunk
        return weighted_mean(error.square() / t.clamp(min=FLOOR), weight.flatten(1))

    def predict(self, z: Tensor, noise: Tensor | None) -> Tensor:
        """Integrate from t = 1 to 0 in `euler_steps` equal steps.

        Less noise than the field was trained with (`noise_scale` < 1) draws closer to the modes of the
        learned distribution, which makes a policy steadier than the demonstrations it was shown; much less
        and it stands still where they paused (measured at 4,000 steps: 97 % at 0.25, 99 % at 0.5 and 1).
        """
        x = self.noise_scale * noise.flatten(1)
        for left in range(self.euler_steps, 0, -1):
            # At t = left / steps, a step of 1 / steps along (x - end) / t.
            t = torch.full_like(x[:, :1], left / self.euler_steps)
            x = x + (self.end(x, t, z) - x) / left
        return x.reshape(-1, self.description.horizon, self.description.action.size)
