"""Absolute errors of predicted command chunks along recordings, of the policy and of two baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core.features import Feature
from motorium.core.progress import Progress, Silent
from motorium.core.protocols import Policy
from motorium.data.episode import Episode
from motorium.evaluate.recorded import ACTION, Asked, Block, blocks, check_phases, drive

ARMS = ("policy", "hold", "mean")
SCALED = "std"

# A command that moves by less than this share of the liveliest one in its unit is taken as constant.
_CONSTANT = 1e-3


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Absolute errors of E episodes, summed over the scored steps.

    Attributes:
        sums: {arm: (E, H, A) float64}.
        counts: (E, H) int64: scored predictions of each chunk step.
    """

    sums: Mapping[str, NDArray[np.float64]]
    counts: NDArray[np.int64]

    def by_joint(self, arm: str, execute: int) -> NDArray[np.float64]:
        """Return the mean error over the first `execute` chunk steps: (E, A)."""
        return self.sums[arm][:, :execute].sum(axis=1) / self.counts[:, :execute].sum(axis=1)[:, None]

    def by_step(self, arm: str) -> NDArray[np.float64]:
        """Return the mean error of each chunk step: (E, H, A); NaN where an episode is too short for it."""
        counts = np.where(self.counts > 0, self.counts, np.nan)
        return self.sums[arm] / counts[:, :, None]


def measure(
    policy: Policy,
    episodes: Sequence[Episode],
    *,
    names: Sequence[str],
    phases: int | None = None,
    rows: int = 256,
    seed: int = 0,
    progress: Progress | None = None,
) -> Errors:
    """Return the errors of policy and baselines; bitwise the same for any `rows`.

    Args:
        policy: asked as `recorded.drive` says.
        episodes: of two steps or more.
        names: of the episodes; they name the policy's random streams.
        phases: at how many phases episodes are asked; None for all.
        rows: asked together.
        seed: of the policy's streams.
        progress: advanced by one an episode.
    """
    progress, info = progress or Silent(), policy.info
    phases = check_phases(phases, info.execute)
    shape = (len(episodes), info.horizon, info.action.size)
    sums, counts = {arm: np.zeros(shape) for arm in ARMS}, np.zeros(shape[:2], np.int64)
    centres = [np.mean(episode.arrays[ACTION].astype(np.float64), axis=0) for episode in episodes]
    for block in blocks([episode.length for episode in episodes], phases, rows):
        own, seen = _score_block(policy, episodes, block, centres, names, seed)
        # Row after row: an episode's phases are added in one order however the rows are cut into blocks.
        for row, episode in enumerate(block.episode):
            counts[episode] += seen[row]
            for arm in ARMS:
                sums[arm][episode] += own[arm][row]
        progress.advance(int(np.sum(block.phase == 0)))
    return Errors(sums=sums, counts=counts)


def _score_block(
    policy: Policy,
    episodes: Sequence[Episode],
    block: Block,
    centres: Sequence[NDArray],
    names: Sequence[str],
    seed: int,
) -> tuple[dict[str, NDArray], NDArray]:
    shape = (len(block.episode), policy.info.horizon, policy.info.action.size)
    own, seen = {arm: np.zeros(shape) for arm in ARMS}, np.zeros(shape[:2], np.int64)
    for asked in drive(policy, episodes, block, names=names, seed=seed):
        for m in np.flatnonzero(asked.step >= 1):
            _add(own, seen, asked, int(m), episodes[asked.episode[m]], centres[asked.episode[m]])
    return own, seen


def _add(own: dict, seen: NDArray, asked: Asked, m: int, episode: Episode, centre: NDArray) -> None:
    row, step = asked.row[m], int(asked.step[m])
    actions = episode.arrays[ACTION]
    target = actions[step : step + asked.chunk.shape[1]].astype(np.float64)
    steps = len(target)
    predictions = {"policy": asked.chunk[m, :steps].astype(np.float64), "hold": actions[step - 1], "mean": centre}
    for arm, predicted in predictions.items():
        own[arm][row, :steps] += np.abs(predicted - target)
    seen[row, :steps] += 1


@dataclass(frozen=True, kw_only=True)
class Joints:
    """What the elements of the action are, and how the headline weighs them.

    Attributes:
        names: (A,) of the joints; `action[0]` where the recording does not name them.
        units: (A,) of the joints; None where the recording does not say.
        constant: (A,) bool: hardly move in these recordings.
        weights: (A,): the headline is their sum over joint errors. The mean where all share a unit, else the
            mean of errors over each joint's standard deviation, constant joints left out.
        unit: of the headline: the shared one, or `std`.
    """

    names: tuple[str, ...]
    units: tuple[str | None, ...]
    constant: NDArray[np.bool_]
    weights: NDArray[np.float64]
    unit: str | None

    @classmethod
    def of(cls, action: Feature, episodes: Sequence[Episode]) -> Joints:
        """Return the joints of `action` as they move in `episodes`."""
        units = action.units or (None,) * action.size
        units = units if len(units) == action.size else units * action.size
        names = action.names if action.names and len(action.names) == action.size else None
        spread = np.std(np.concatenate([e.arrays[ACTION].astype(np.float64) for e in episodes]), axis=0)
        liveliest = {unit: max(s for s, u in zip(spread, units, strict=True) if u == unit) for unit in units}
        constant = np.array([s <= _CONSTANT * liveliest[u] for s, u in zip(spread, units, strict=True)])
        shared = len(set(units)) == 1
        weights = np.ones(len(units)) if shared else np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, spread))
        return cls(
            names=names or tuple(f"action[{j}]" for j in range(action.size)),
            units=units,
            constant=constant,
            weights=weights / max(np.count_nonzero(weights), 1),
            unit=units[0] if shared else SCALED,
        )

    @property
    def kinds(self) -> list[str | None]:
        """The different units, in the order of the joints."""
        return list(dict.fromkeys(self.units))

    def share(self, unit: str | None) -> NDArray[np.float64]:
        """Return the weights that make the mean over the joints of one unit: (A,)."""
        chosen = np.array([u == unit for u in self.units], np.float64)
        return chosen / chosen.sum()


def weighted(errors: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sum over the last axis, joint after joint: (..., A) to (...,)."""
    total = np.zeros(errors.shape[:-1])
    for j, weight in enumerate(weights):
        if weight:
            total = total + weight * errors[..., j]
    return total
