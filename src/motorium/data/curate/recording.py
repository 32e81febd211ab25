"""Recording: what checks look at, as plain arrays; one attempt with the scales of the dataset it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.episode import Episode

STATE, ACTION = "observation.state", "action"


def group_scale(arrays: Iterable[NDArray]) -> NDArray[np.float64]:
    """Return the standard deviation of each element over all steps of one feature's arrays (T, ...): (...).

    Steps with a value that is not finite are left out. Taken in the order given, an episode at a time.
    Source: Chan, Golub and LeVeque 1983, the pairwise update of mean and squares.
    """
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for array in arrays:
        if not len(array):
            continue
        values = np.asarray(array, np.float64)
        values = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
        if not len(values):
            continue
        total, own = count + len(values), values.mean(axis=0)
        squares = squares + ((values - own) ** 2).sum(axis=0) + (own - mean) ** 2 * (count * len(values) / total)
        mean = mean + (own - mean) * (len(values) / total)
        count = total
    return np.sqrt(squares / max(count, 1))


# An element that moves less than this share of its peers' median is one that is meant to stand still: its own
# deviation is noise, and measured in it every touch of the world would be a leap.
STILL_SHARE = 0.05


def with_floor(scale: NDArray[np.float64], units: Sequence[str] | None) -> NDArray[np.float64]:
    """Return a feature's scale (n,), no element below 5 % of the median of those that share its unit.

    Elements that do not vary at all stay 0, and are not compared. Where units are not known, `scale` as it is.
    """
    if units is None or len(units) != scale.size:
        return scale
    floored = scale.copy()
    for unit in set(units):
        peers = np.array([other == unit for other in units]) & (scale > 0)
        if peers.any():
            floored[peers] = np.maximum(scale[peers], STILL_SHARE * np.median(scale[peers]))
    return floored


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One attempt of T steps.

    Attributes:
        arrays: {feature key: (T, ...)}; may hold values that are not finite.
        fps: steps in a second.
        scale: {feature key: (...)} standard deviation of each element over the whole dataset, in the
            array's own unit: what "a small motion" is measured against. Without it, the episode's own.
        stamps_s: (T,) float64, seconds, as the recorder wrote them, or None where only the rate is known.
        frames: {camera key: n pictures (H, W, 3) uint8 RGB}, all or some; an array, or what yields them in order.
        frame_steps: (n,) int64, the step of each of them; None: the first n steps.
        names: {feature key: name of each element}, where they are known.
        meta: plain data about the episode.
    """

    arrays: Mapping[str, NDArray]
    fps: float
    scale: Mapping[str, NDArray] = field(default_factory=dict)
    stamps_s: NDArray[np.float64] | None = None
    frames: Mapping[str, Collection[NDArray[np.uint8]]] = field(default_factory=dict)
    frame_steps: NDArray[np.int64] | None = None
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_episode(cls, episode: Episode, fps: float, **more: Any) -> Recording:
        """Return the recording of an episode; `more` are the fields an episode does not have."""
        return cls(arrays=episode.arrays, fps=fps, frames=episode.frames, meta=episode.meta, **more)

    @property
    def length(self) -> int:
        """T, the number of steps."""
        return len(next(iter(self.arrays.values())))

    def series(self, key: str) -> NDArray[np.float64] | None:
        """Return a numeric array as (T, n) float64; None where it is absent, empty or not finite."""
        array = self.arrays.get(key)
        if array is None or array.dtype.kind not in "biuf" or array.size == 0:
            return None
        flat = np.asarray(array, np.float64).reshape(len(array), -1)
        return flat if np.isfinite(flat).all() else None

    def scaled(self, key: str) -> NDArray[np.float64] | None:
        """Return `series` in units of the dataset's standard deviation: (T, n).

        Elements that do not vary over the dataset are zero: any noise in them would count as motion.

        Raises:
            DataError: when `scale` has another shape than the array.
        """
        series = self.series(key)
        if series is None:
            return None
        scale = np.asarray(self.scale.get(key, series.std(axis=0)), np.float64).reshape(-1)
        if scale.shape != series.shape[1:]:
            raise DataError(f"the scale of '{key}' has the wrong shape", got=scale.shape, expected=series.shape[1:])
        used = scale > 1e-9
        return np.where(used, (series - series[:1]) / np.where(used, scale, 1.0), 0.0)

    def element_names(self, key: str) -> list[str]:
        """Return a name for each element of a numeric array: its own, or `element 3`."""
        series = self.series(key)
        count = 0 if series is None else series.shape[1]
        names = list(self.names.get(key) or ())
        return names if len(names) == count else [f"element {number}" for number in range(count)]

    def motion(self, window_s: float = 0.2) -> NDArray[np.float64] | None:
        """Return how fast the state moves at each step: (T,) standard deviations a second, rms over its elements.

        The speed is taken across `window_s`, centred, so that a sensor's last digit does not count as motion.
        """
        scaled = self.scaled(STATE)
        if scaled is None:
            return None
        half = max(1, round(window_s * self.fps / 2))
        steps = np.arange(len(scaled))
        before, after = np.maximum(steps - half, 0), np.minimum(steps + half, len(scaled) - 1)
        span_s = np.maximum(after - before, 1) / self.fps
        return np.sqrt(((scaled[after] - scaled[before]) ** 2).mean(axis=1)) / span_s
