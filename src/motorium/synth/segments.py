"""Source demonstrations, split into object-centric segments, as padded arrays.

Source: Mandlekar et al., MimicGen, arXiv 2310.17596, section 4.1: a demonstration is cut where the signal of
each subtask first holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.frames import quat_normalize
from motorium.core.protocols import Segment
from motorium.data.episode import Episode
from motorium.synth.record import EEF_POSE, GRIPPER, OBJECT, SIGNAL, TARGET_POSE

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """N demonstrations of at most L steps and S segments; rows are padded with their last step.

    Attributes:
        segments: the S segments of the task.
        eef: (N, L, 7) X_WE, measured before each action; metres, world frame, quaternion w first.
        target: (N, L, 7) X_WT, the pose each action asked for.
        gripper: (N, L, 1) in [-1, 1], -1 open, 1 closed.
        objects: {name: (N, L, 7)} X_WO.
        bounds: (N, S + 1) int64: segment s of demonstration n is the steps `bounds[n, s]:bounds[n, s + 1]`.
    """

    segments: tuple[Segment, ...]
    eef: Array
    target: Array
    gripper: Array
    objects: dict[str, Array]
    bounds: NDArray[np.int64]

    @property
    def count(self) -> int:
        """N."""
        return len(self.bounds)


def make_sources(episodes: Sequence[Episode], segments: Sequence[Segment]) -> Sources:
    """Split `episodes`, recorded with `mimic.*` arrays, at the first step each segment's signal holds.

    Raises:
        DataError: when there is no episode, an array is missing, a signal never holds, or it holds so
            early that a segment would be empty.
    """
    if not episodes:
        raise DataError(
            "there is no demonstration to amplify",
            expected="at least one",
            remedy="demonstrate or curate less strictly",
        )
    names = sorted({segment.object for segment in segments})
    keys = [EEF_POSE, TARGET_POSE, GRIPPER, *(OBJECT + name for name in names)]
    keys += [SIGNAL + segment.signal for segment in segments if segment.signal is not None]
    for number, episode in enumerate(episodes):
        missing = [key for key in keys if key not in episode.arrays]
        if missing:
            raise DataError(
                "a demonstration lacks what amplification needs",
                where=f"episode {number}",
                got=sorted(episode.arrays),
                expected=missing,
                remedy="record demonstrations with poses (RecordOptions.poses)",
            )
    length = max(episode.length for episode in episodes)

    def padded(key: str) -> Array:
        rows = []
        for episode in episodes:
            values = np.asarray(episode.arrays[key], np.float64)
            rows.append(np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)]))
        return np.stack(rows)

    def poses(key: str) -> Array:
        values = padded(key)
        values[..., 3:] = quat_normalize(values[..., 3:])  # datasets hold float32
        return values

    bounds = [_boundaries(episode, segments, f"episode {number}") for number, episode in enumerate(episodes)]
    return Sources(
        segments=tuple(segments),
        eef=poses(EEF_POSE),
        target=poses(TARGET_POSE),
        gripper=padded(GRIPPER),
        objects={name: poses(OBJECT + name) for name in names},
        bounds=np.array(bounds, np.int64),
    )


def _boundaries(episode: Episode, segments: Sequence[Segment], where: str) -> list[int]:
    bounds = [0]
    for segment in segments:
        if segment.signal is None:
            end = episode.length
        else:
            holds = np.asarray(episode.arrays[SIGNAL + segment.signal], bool).reshape(-1)
            later = np.flatnonzero(holds[bounds[-1] :])
            if len(later) == 0:
                raise DataError(
                    f"signal '{segment.signal}' never holds",
                    where=where,
                    expected=f"to hold once after step {bounds[-1]}: it ends the segment around '{segment.object}'",
                    remedy="leave the episode out of the sources",
                )
            end = bounds[-1] + int(later[0])
        if end <= bounds[-1]:
            raise DataError(
                f"the segment around '{segment.object}' has no steps",
                where=where,
                got=f"steps {bounds[-1]} to {end}",
                expected="at least one step",
                remedy="leave the episode out of the sources",
            )
        bounds.append(end)
    return bounds


def jitter_bounds(bounds: NDArray[np.int64], low: int, high: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `bounds` (N, S + 1) with each inner boundary moved later by low..high steps, both included.

    Each segment keeps at least one step; the first boundary and the last stay.

    Source: MimicGen, appendix on data generation (random offsets of subtask boundaries).
    """
    moved = bounds.copy()
    inner = bounds.shape[1] - 2
    if inner <= 0:
        return moved
    moved[:, 1:-1] += rng.integers(low, high, size=(len(bounds), inner), endpoint=True)
    for segment in range(inner, 0, -1):
        moved[:, segment] = np.minimum(moved[:, segment], moved[:, segment + 1] - 1)
    return moved
