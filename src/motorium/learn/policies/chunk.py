"""ChunkNet: what all chunk policies share: reading, normalising, and the chunk's base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from motorium.learn.description import LAST_ACTION, LAST_KNOWN, NOISE, PolicyDescription
from motorium.learn.normalize import Scaling

# Normalised inputs beyond this many deviations say no more than "far out": a sensor that was nearly
# constant in training cannot drown the others.
CLIP = 8.0


class ChunkNet(nn.Module):
    """Base of chunk policies; a subclass gives `loss`, `predict` and, where it is random, `draws`.

    Shapes: observations (B, n_obs, D), last command (B, A) with `known` (B, 1) in {0, 1}, chunks (B, H, A).
    What the subclass sees is normalised: `z` (B, Z), all inputs in one vector, and chunks of about unit size.
    """

    needs_noise = False

    def __init__(self, description: PolicyDescription) -> None:
        super().__init__()
        self.description = description
        network = description.network
        self.shape = {name: int(network[name]) for name in ("width", "hidden", "blocks") if name in network}
        sizes = {
            "observation": (description.observation_size,),
            "action": (description.horizon, description.action.size),
        }
        if description.last_action:
            sizes["last"] = (description.action.size,)
        for name, shape in sizes.items():
            for part in ("shift", "scale", "inverse"):
                self.register_buffer(f"{name}_{part}", torch.zeros(shape))

    @property
    def z_size(self) -> int:
        """Z."""
        last = self.description.action.size + 1 if self.description.last_action else 0
        return self.description.n_obs * self.description.observation_size + last

    @property
    def chunk_size(self) -> int:
        """Numbers in a chunk, H times A."""
        return self.description.horizon * self.description.action.size

    def set_scaling(self, name: str, scaling: Scaling) -> None:
        """Set the normalisation of `observation` (D,), `last` (A,) or `action` (H, A)."""
        for part in ("shift", "scale", "inverse"):
            buffer: Tensor = getattr(self, f"{name}_{part}")
            buffer.copy_(torch.from_numpy(np.broadcast_to(getattr(scaling, part), buffer.shape).copy()))

    def encode(self, observation: Tensor, last: Tensor | None, known: Tensor | None) -> Tensor:
        """Return z (B, Z)."""
        z = self.normalize(observation).flatten(1)
        if last is None:
            return z
        command = ((last - self.last_shift) * self.last_inverse).clamp(-CLIP, CLIP)
        if self.description.hold_key is None:
            command = command * known
        return torch.cat([z, command, known], dim=1)

    def normalize(self, observation: Tensor) -> Tensor:
        """Return normalised observations: (B, n_obs, D) both."""
        return ((observation - self.observation_shift) * self.observation_inverse).clamp(-CLIP, CLIP)

    def base(self, observation: Tensor, last: Tensor | None) -> Tensor | None:
        """Return what chunks are relative to, (B, 1, A), or None."""
        if self.description.residual == "state":
            return observation[:, -1:, self.description.hold_slice]
        return last[:, None, :] if self.description.residual == "last_action" else None

    def normalize_chunk(self, actions: Tensor, base: Tensor | None) -> Tensor:
        """Return chunks in normalised units, relative to `base`: (B, H, A)."""
        relative = actions if base is None else actions - base
        return (relative - self.action_shift) * self.action_inverse

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return chunks (B, H, A) in the action's units, from arrays by name (`input_shapes`)."""
        described = self.description
        parts = [inputs[key].reshape(-1, described.n_obs, feature.size) for key, feature in described.inputs.items()]
        observation = torch.cat(parts, dim=2)
        last, known = inputs.get(LAST_ACTION), inputs.get(LAST_KNOWN)
        chunk = self.predict(self.encode(observation, last, known), inputs.get(NOISE))
        actions = self.action_shift + chunk * self.action_scale
        base = self.base(observation, last)
        return actions if base is None else base + actions

    def draws(self, rng: np.random.Generator, rows: int) -> Any:
        """Return the random numbers that one `loss` over `rows` needs."""
        return None

    def loss(self, z: Tensor, chunk: Tensor, weight: Tensor, draws: Any) -> Tensor:
        """Return the loss: z (B, Z), chunk (B, H, A) normalised, weight (B, H, A) in {0, 1}; a scalar."""
        raise NotImplementedError

    def predict(self, z: Tensor, noise: Tensor | None) -> Tensor:
        """Return normalised chunks (B, H, A) from z (B, Z) and noise (B, H, A)."""
        raise NotImplementedError


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of `values` where `weight` is one; padded steps count for nothing."""
    return (values * weight).sum() / weight.sum().clamp(min=1.0)
