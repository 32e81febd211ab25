"""Episode: one recorded attempt, as arrays over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.features import Feature


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One attempt of T steps.

    Attributes:
        arrays: {feature key: (T, ...)}; a `(1,)`-shaped feature is (T, 1). Without the automatic columns
            (`timestamp`, `frame_index`, `episode_index`, `index`, `task_index`), and without pictures.
        task: the instruction in words.
        frames: {camera key: (T, H, W, 3) uint8 RGB} where pictures are in memory (when writing).
        meta: plain data about the episode (seed, outcome, source, ...), kept in the episodes table.
    """

    arrays: Mapping[str, NDArray]
    task: str
    frames: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """T, the number of steps."""
        return len(next(iter(self.arrays.values())))

    def check(self, features: Mapping[str, Feature], where: str = "episode") -> None:
        """Check arrays and frames against `features`.

        Raises:
            DataError: on a missing, unknown or ill-shaped array, unequal lengths, or values not finite.
        """
        length = self.length
        expected = {key: feature for key, feature in features.items() if not feature.visual}
        for key in sorted(expected.keys() | self.arrays.keys()):
            if key not in self.arrays or key not in expected:
                side = "is missing" if key in expected else "is not a feature of the dataset"
                raise DataError(f"'{key}' {side}", where=where, got=sorted(self.arrays), expected=sorted(expected))
            array, shape = self.arrays[key], (length, *expected[key].shape)
            if array.shape != shape:
                raise DataError(f"'{key}' has the wrong shape", where=where, got=array.shape, expected=shape)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                step = int(np.argwhere(~np.isfinite(array))[0][0])
                raise DataError(
                    f"'{key}' is not finite",
                    where=f"{where}, step {step}",
                    got=array[step].tolist(),
                    expected="finite numbers",
                    remedy="drop the episode or mask the samples before writing",
                )
        for key, frames in self.frames.items():
            if key not in features or frames.shape != (length, *features[key].shape) or frames.dtype != np.uint8:
                raise DataError(
                    f"pictures of '{key}' do not fit",
                    where=where,
                    got=f"{frames.shape} {frames.dtype}",
                    expected=f"{(length, *features[key].shape) if key in features else sorted(features)} uint8",
                )
