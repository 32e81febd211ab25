"""Expert: what demonstrates a task, in target poses, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from motorium.synth import EXPERTS
from motorium.synth.record import Command, World


class Expert(Protocol):
    """A scripted demonstrator. A row depends on its own seed and its own world alone, bitwise."""

    def reset(self, seeds: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """Start new episodes in the rows of `mask` (B,), with the habits that each seed (B,) draws."""

    def act(self, env: World) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the target poses X_WT (B, 7) and gripper commands (B, 1) in [-1, 1] for the next step."""


def make_expert(name: str, env: World, options: Mapping[str, Any] | None = None) -> Expert:
    """Return the expert `name` of the catalog for `env`; `options` are the fields of its spec.

    Raises:
        CatalogError: when there is no such expert.
        SpecError: when an option is not valid.
    """
    return EXPERTS.load(name)(env, dict(options or {}))


class ExpertController:
    """Drives attempts with an expert; the expert never gives up."""

    reasons: tuple[str, ...] = ()

    def __init__(self, expert: Expert) -> None:
        self.expert = expert

    def reset(self, env: World, seeds: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """See `Controller`."""
        self.expert.reset(seeds, mask)

    def act(self, env: World, active: NDArray[np.bool_]) -> Command:
        """See `Controller`."""
        X_WT, gripper = self.expert.act(env)
        return Command(actions=env.action_from_target(X_WT, gripper))

    def note(self, row: int) -> dict[str, Any]:
        """See `Controller`."""
        return {}
