"""From training data to the batches a network sees: what it is told of, how it is scaled, what it is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from motorium.core.errors import DataError, nearest
from motorium.learn.data import TrainingData, Windows
from motorium.learn.description import ACTION, PolicyDescription, check_hold
from motorium.learn.normalize import Scaling, measure
from motorium.learn.policies import POLICIES
from motorium.learn.policies.chunk import ChunkNet
from motorium.learn.spec import TrainSpec

NETWORK = ("width", "hidden", "blocks", "euler_steps", "noise_scale")

# Chunks are measured this many windows at a time, to bound memory on large data.
PART = 16384


@dataclass
class Batch:
    """One batch as the network sees it: z (B, Z), chunk and weight (B, H, A)."""

    z: Tensor
    chunk: Tensor
    weight: Tensor


class Sampler:
    """Gathers batches of normalised windows from contiguous tensors."""

    def __init__(self, data: TrainingData, net: ChunkNet, windows: Windows) -> None:
        self._net, self._windows = net, windows
        keys = net.description.inputs
        self._observations = torch.from_numpy(np.concatenate([data.observations[key] for key in keys], axis=1))
        # A copy: the columns of a dataset are read-only, which torch does not know.
        self._actions = torch.tensor(data.actions)

    def raw(self, rows: NDArray) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor, NDArray]:
        """Return observation (B, n, D), last command (B, A), known (B, 1), actions (B, H, A), real (B, H)."""
        described = self._net.description
        at, real = self._windows.chunk(rows)
        observation = self._observations[torch.from_numpy(self._windows.history(rows))]
        last = known = None
        if described.last_action:
            before, is_known = self._windows.previous(rows)
            known = torch.from_numpy(is_known[:, None].astype(np.float32))
            start = torch.zeros(())
            if described.hold_key is not None:
                start = observation[:, -1, described.hold_slice]
            last = torch.where(known > 0, self._actions[torch.from_numpy(before)], start)
        return observation, last, known, self._actions[torch.from_numpy(at)], real

    def batch(self, rows: NDArray) -> Batch:
        """Return the windows that start at `rows`, normalised."""
        net = self._net
        observation, last, known, actions, real = self.raw(rows)
        chunk = net.normalize_chunk(actions, net.base(observation, last))
        varies = (net.action_scale > 0).to(torch.float32)
        weight = torch.from_numpy(real.astype(np.float32))[:, :, None] * varies
        return Batch(net.encode(observation, last, known), chunk, weight)


def describe(data: TrainingData, spec: TrainSpec) -> PolicyDescription:
    """Return the description of the policy that `spec` asks for on `data`.

    Raises:
        DataError: when an input is not in the data, or there is none.
        ConventionError: when `hold_key` is not in the action's space.
    """
    keys = spec.inputs or tuple(sorted(data.observations))
    for key in keys:
        if key not in data.observations:
            raise DataError(
                f"the data has no '{key}'",
                where="inputs",
                expected=f"among: {', '.join(sorted(data.observations))}",
                nearest=nearest(key, data.observations),
            )
    if not keys:
        raise DataError("the data has no observations to learn from", where="inputs", expected="one vector at least")
    inputs = {key: data.features[key] for key in keys}
    check_hold(data.features[ACTION], inputs, spec.hold_key)
    return PolicyDescription(
        kind=spec.policy,
        inputs=inputs,
        action=data.features[ACTION],
        horizon=spec.horizon,
        execute=spec.execute,
        n_obs=spec.n_obs,
        last_action=spec.last_action,
        hold_key=spec.hold_key,
        residual=spec.residual,
        network={name: getattr(spec, name) for name in NETWORK},
        noise=POLICIES.load(spec.policy).needs_noise,
        control_hz=float(data.control_hz),
        conventions=dict(data.conventions),
    )


def set_scalings(net: ChunkNet, sampler: Sampler, rows: NDArray, mode: str) -> None:
    """Measure the normalisation on the windows at `rows` (the training split) and set it in `net`.

    Actions are measured where they are real, each step of the chunk on its own where chunks are relative:
    they spread with the distance from the base.
    """
    observed, commands, chunks, reals = [], [], [], []
    absolute = net.description.residual == "none"
    for start in range(0, len(rows), PART):
        observation, last, known, actions, real = sampler.raw(rows[start : start + PART])
        base = net.base(observation, last)
        observed.append(observation[:, -1].numpy())
        chunks.append(actions[:, :1].numpy() if absolute else (actions - base).numpy())
        reals.append(real)
        if last is not None:
            told = slice(None) if net.description.hold_key is not None else known[:, 0].numpy() > 0
            commands.append(last.numpy()[told])
    net.set_scaling("observation", measure(np.concatenate(observed), mode))
    if sum(map(len, commands)):
        net.set_scaling("last", measure(np.concatenate(commands), mode))
    chunk, real = np.concatenate(chunks), np.concatenate(reals)
    if absolute:
        net.set_scaling("action", measure(chunk[:, 0], mode))
        return
    steps = [measure(chunk[:, h][real[:, h]], mode) for h in range(chunk.shape[1]) if real[:, h].any()]
    # An episode shorter than the horizon leaves late steps that never occur: they take the last that does.
    steps += [steps[-1]] * (chunk.shape[1] - len(steps))
    net.set_scaling(
        "action", Scaling(*(np.stack([getattr(s, part) for s in steps]) for part in ("shift", "scale", "inverse")))
    )
