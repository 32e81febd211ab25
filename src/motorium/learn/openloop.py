"""Open-loop prediction: what a policy answers along recorded episodes, against what the operator did.

No world is stepped: it says how well a policy predicts, not whether it would succeed. Two baselines that
know nothing of the observation: holding the last command, and the mean command of the very episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core.protocols import Policy
from motorium.learn.description import LAST_ACTION


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One episode, asked for a chunk every `execute` steps from its start.

    Attributes:
        steps: (K,) int64 time steps at which the policy was asked.
        chunks: (K, H, A) float32 its answers.
        recorded: (K, H, A) float32 the commands given; past the episode's end the last of them.
        real: (K, H) bool: inside the episode.
        hold: (K, H, A) float32 baseline: the command before the chunk, repeated. At step 0 it is the first
            command itself, in the baseline's favour.
        mean: (K, H, A) float32 baseline: the episode's mean command.
    """

    steps: NDArray[np.int64]
    chunks: NDArray[np.float32]
    recorded: NDArray[np.float32]
    real: NDArray[np.bool_]
    hold: NDArray[np.float32]
    mean: NDArray[np.float32]

    def error(self, guess: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean absolute error of `guess` (K, H, A) for each element of the action: (A,), its unit."""
        off = np.abs(guess.astype(np.float64) - self.recorded) * self.real[:, :, None]
        return off.sum(axis=(0, 1)) / self.real.sum()


def predict_along(
    policy: Policy,
    observations: Sequence[Mapping[str, NDArray]],
    actions: Sequence[NDArray],
    seeds: NDArray[np.int64],
) -> list[Prediction]:
    """Ask `policy` along recorded episodes, all of them in one batch.

    Args:
        observations: of each episode, {key: (T, D)}.
        actions: of each episode, (T, A); the last command before each chunk is told to the policy.
        seeds: (E,) of the policy's random streams.
    """
    every, horizon = policy.info.execute, policy.info.horizon
    lengths = np.array([len(action) for action in actions])
    chunks = [[] for _ in actions]
    policy.reset(seeds)
    for step in range(0, int(lengths.max()), every):
        mask = step < lengths
        at = np.minimum(step, lengths - 1)
        seen = {
            key: np.stack([episode[key][t] for episode, t in zip(observations, at, strict=True)])
            for key in policy.info.observation
        }
        if step:
            seen[LAST_ACTION] = np.stack([action[t - 1] for action, t in zip(actions, at, strict=True)])
        answer = policy.act(seen, mask)
        for row in np.flatnonzero(mask):
            chunks[row].append(answer[row])
    return [
        _prediction(np.stack(answers), action, every, horizon) for answers, action in zip(chunks, actions, strict=True)
    ]


def _prediction(chunks: NDArray, action: NDArray, every: int, horizon: int) -> Prediction:
    steps = np.arange(len(chunks)) * every
    ahead = steps[:, None] + np.arange(horizon)
    hold = action[np.maximum(steps - 1, 0)][:, None]
    return Prediction(
        steps=steps,
        chunks=chunks,
        recorded=action[np.minimum(ahead, len(action) - 1)],
        real=ahead < len(action),
        hold=np.broadcast_to(hold, chunks.shape),
        mean=np.broadcast_to(action.mean(axis=0), chunks.shape),
    )
