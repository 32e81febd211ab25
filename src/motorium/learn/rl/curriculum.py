"""Curriculum: each world's difficulty follows how well its episodes go, for the factors that an Env names for it.

Source: N. Rudin et al., Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement Learning,
arXiv:2109.11978, section 3.1: every robot has a level of its own; it rises or falls by one after an episode, and who
masters the highest goes on at a random one, so that the easy ones are not forgotten. What an episode says of its level
is the task's to judge (`EnvInfo.curriculum`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from motorium.core.protocols import EnvInfo
from motorium.core.random import counted_uniform, counter_key, derive_seed

# Part of a factor's range that a level is.
STEP = 0.1


def next_level(level: Any, judged: Any, anew: Any, step: float = STEP) -> Any:
    """Return the levels after an episode: (B,) in [0, 1], NumPy or torch.

    Args:
        level: (B,) in [0, 1] of the episode.
        judged: (B,) 1 to go up, -1 to go down, 0 to stay.
        anew: (B,) in [0, 1] where who goes beyond 1 goes on.
        step: between levels.
    """
    moved = level + step * judged
    # Tenths do not add up to one exactly.
    beyond = moved > 1.0 + 0.5 * step
    return (beyond * anew + ~beyond * moved).clip(0.0, 1.0)


class Curriculum:
    """Levels of B worlds, from the easiest on.

    Args:
        info: of the Env.
        num_envs: B.
        seed: root seed.
    """

    def __init__(self, info: EnvInfo, num_envs: int, seed: int) -> None:
        self._measures = dict(info.curriculum)
        self._bounds = {name: info.factors[name] for name in self._measures}
        self.levels = {name: torch.zeros(num_envs, dtype=torch.float64) for name in self._measures}
        self._keys = torch.tensor([derive_seed(seed, "curriculum", row) for row in range(num_envs)])

    def judge(self, measures: Mapping[str, Tensor], ended: Tensor, episodes: Tensor) -> None:
        """Move the levels of worlds whose episode is over.

        Args:
            measures: `Step.info` of their last step.
            ended: (B,) bool.
            episodes: (B,) int64 number of the episode of each world.
        """
        for name, measure in self._measures.items():
            anew = counted_uniform(counter_key(self._keys, name), episodes, 1)[:, 0]
            moved = next_level(self.levels[name], measures[measure].cpu().double(), anew)
            self.levels[name] = torch.where(ended.cpu(), moved, self.levels[name])

    def factors(self) -> dict[str, Tensor]:
        """Return the factors (B,) to reset worlds with; none where the Env has no curriculum."""
        return {name: low + (high - low) * self.levels[name] for name, (low, high) in self._bounds.items()}
