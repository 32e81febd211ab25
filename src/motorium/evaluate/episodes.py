"""What became of the episodes of one arm: one row a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.protocols import SUCCESS
from motorium.evaluate.intervals import Estimate, proportion

if TYPE_CHECKING:
    from motorium.evaluate.recording import Recording

_SCALARS = ("task", "policy", "outcomes", "control_hz", "versions")
_COLUMNS = ("seeds", "outcome", "length", "returns")
_GROUPS = ("factors", "rewards", "info")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """N episodes of one policy in one task.

    Attributes:
        task: `EnvInfo.name`.
        policy: digest of the policy.
        outcomes: names of the outcome codes; `running`, `success`, then the task's failures.
        control_hz: steps in a simulated second.
        versions: of simulator and assets.
        seeds: (N,) int64, distinct.
        outcome: (N,) int8 index into `outcomes`.
        length: (N,) int64 steps taken.
        returns: (N,) float64 sum of rewards, added in the order of steps.
        factors: {name: (N,) float64} start conditions in force.
        rewards: {name: (N,) float64} each reward term (`reward.*` of `Step.info`), added in the order of steps.
        info: {name: (N, ...)} the rest of `Step.info`, at the ending step: measures of the episode.
        recordings: {seed: Recording} of the episodes that were kept whole.
    """

    task: str
    policy: str
    outcomes: tuple[str, ...]
    control_hz: float
    versions: Mapping[str, str]
    seeds: NDArray[np.int64]
    outcome: NDArray[np.int8]
    length: NDArray[np.int64]
    returns: NDArray[np.float64]
    factors: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    rewards: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    info: Mapping[str, NDArray] = field(default_factory=dict)
    recordings: Mapping[int, Recording] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of episodes."""
        return len(self.seeds)

    @property
    def success(self) -> NDArray[np.bool_]:
        """(N,) bool."""
        return self.outcome == SUCCESS

    @property
    def outcome_names(self) -> list[str]:
        """Name of each episode's outcome."""
        return [self.outcomes[code] for code in self.outcome]

    def rate(self, level: float = 0.95, method: str = "wilson") -> Estimate:
        """Return the success rate with its interval."""
        return proportion(int(self.success.sum()), self.n, level=level, method=method)

    def rows_of(self, seeds: Sequence[int] | NDArray) -> NDArray[np.int64]:
        """Return the rows of `seeds`, in their order.

        Raises:
            DataError: when a seed was not evaluated.
        """
        at = {int(seed): row for row, seed in enumerate(self.seeds)}
        missing = [int(seed) for seed in seeds if int(seed) not in at]
        if missing:
            raise DataError("a seed was not evaluated", got=missing[0], expected="one of the evaluated seeds")
        return np.array([at[int(seed)] for seed in seeds], np.int64)

    def take(self, rows: NDArray) -> Rollout:
        """Return the episodes in `rows` (indices or a mask), with their recordings."""
        kept = {int(seed) for seed in self.seeds[rows]}
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in _COLUMNS},
            **{group: {name: values[rows] for name, values in getattr(self, group).items()} for group in _GROUPS},
            recordings={seed: made for seed, made in self.recordings.items() if seed in kept},
        )

    def to_plain(self) -> dict[str, Any]:
        """Return plain data and arrays, without recordings, for a shard to hand back; see `from_plain`."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _SCALARS + _COLUMNS}
        plain |= {"outcomes": list(self.outcomes), "versions": dict(self.versions)}
        return plain | {group: dict(getattr(self, group)) for group in _GROUPS}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Rollout:
        """Build a rollout from `to_plain` data."""
        return cls(**{**plain, "outcomes": tuple(plain["outcomes"])})


def join(parts: Sequence[Rollout]) -> Rollout:
    """Return the episodes of several shards as one rollout, in the order of the shards.

    Raises:
        DataError: when there is no shard, shards differ in task, policy, versions or columns, or share a seed.
    """
    if not parts:
        raise DataError("there are no shards to join", expected="at least one rollout")
    first = parts[0]
    for part in parts[1:]:
        for name in _SCALARS:
            if getattr(part, name) != getattr(first, name):
                raise DataError(f"shards differ in {name}", got=getattr(part, name), expected=getattr(first, name))
        for name in _GROUPS:
            if getattr(part, name).keys() != getattr(first, name).keys():
                raise DataError(f"shards differ in their columns of '{name}'", got=sorted(getattr(part, name)))
    seeds = np.concatenate([part.seeds for part in parts])
    if len(np.unique(seeds)) != len(seeds):
        raise DataError("two shards evaluated the same seed", expected="every seed once")
    return replace(
        first,
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS},
        **{
            group: {name: np.concatenate([getattr(part, group)[name] for part in parts]) for name in columns}
            for group, columns in ((group, getattr(first, group)) for group in _GROUPS)
        },
        recordings={seed: made for part in parts for seed, made in part.recordings.items()},
    )
