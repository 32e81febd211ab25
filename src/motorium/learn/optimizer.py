"""FlatOptimizer: AdamW, gradient clipping and weight averaging over one flat vector of all parameters.

One vector instead of some twenty tensors: each of the three is then one pass over memory, which on a
small network saves about a tenth of a step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from motorium.learn.spec import TrainSpec


class FlatOptimizer:
    """Optimises `net` in place; its parameters become views of `self.values`."""

    def __init__(self, net: nn.Module, spec: TrainSpec) -> None:
        self._spec = spec
        parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
        values = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
        self.gradient = torch.zeros_like(values)
        offset = 0
        for parameter in parameters:
            part = slice(offset, offset + parameter.numel())
            parameter.data = values[part].view_as(parameter)
            parameter.grad = self.gradient[part].view_as(parameter)
            offset += parameter.numel()
        self.values = nn.Parameter(values)
        self.values.grad = self.gradient
        self.average = values.clone()
        self._adam = torch.optim.AdamW(
            [self.values], lr=1.0, betas=(0.9, 0.99), weight_decay=spec.weight_decay, fused=True
        )
        self._adam.state[self.values] = {
            "step": torch.zeros((), dtype=torch.float32),
            "exp_avg": torch.zeros_like(values),
            "exp_avg_sq": torch.zeros_like(values),
        }

    def learning_rate(self, step: int) -> float:
        """Return the rate of step `step` (from 0): linear warm-up, then a cosine to zero."""
        spec = self._spec
        if step < spec.warmup:
            return spec.learning_rate * (step + 1) / spec.warmup
        share = (step - spec.warmup) / max(spec.steps - spec.warmup, 1)
        return spec.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))

    def clear(self) -> None:
        """Set the gradient to zero."""
        self.gradient.zero_()

    def step(self, step: int) -> Tensor:
        """Apply the gradient of step `step`; return its norm before clipping, a scalar."""
        norm = torch.linalg.vector_norm(self.gradient)
        if norm > self._spec.clip:
            self.gradient.mul_(self._spec.clip / norm)
        self._adam.param_groups[0]["lr"] = self.learning_rate(step)
        self._adam.step()
        decay = min(1.0 - (1.0 + step) ** -self._spec.ema_power, 0.9999)
        self.average.lerp_(self.values.detach(), 1.0 - decay)
        return norm

    def state(self) -> dict[str, Tensor]:
        """Return everything that the next step depends on."""
        state = self._adam.state[self.values]
        return {"values": self.values.detach(), "average": self.average, **{f"adam.{key}": state[key] for key in state}}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Set what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(tensors[name])

    def swap(self) -> None:
        """Exchange the parameters and their average."""
        kept = self.values.detach().clone()
        self.values.detach().copy_(self.average)
        self.average.copy_(kept)
