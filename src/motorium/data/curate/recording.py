"""Recording: what checks look at, as plain arrays; one attempt with the scales of the dataset it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.companions import VALID
from motorium.data.curate.looks import Looks, look
from motorium.data.episode import Episode

STATE, ACTION = "observation.state", "action"


class Spread:
    """Mean and standard deviation of each element of one feature, taken a piece of its steps at a time.

    Values that are not finite, or not valid, are left out. The same pieces in the same order give the same bits.
    Source: Chan, Golub and LeVeque 1983, the pairwise update of mean and squares.
    """

    def __init__(self) -> None:
        self._count, self._mean, self._squares = np.zeros(()), np.zeros(()), np.zeros(())

    def add(self, array: NDArray, valid: NDArray[np.bool_] | None = None) -> None:
        """Take steps (T, ...) into account; `valid`: (T, ...) which values are samples, None: all."""
        values = np.asarray(array, np.float64)
        if not len(values):
            return
        known = np.isfinite(values) if valid is None else np.isfinite(values) & valid.reshape(values.shape)
        values, number = np.where(known, values, 0.0), known.sum(axis=0).astype(np.float64)
        own = values.sum(axis=0) / np.maximum(number, 1)
        squares = (np.where(known, values - own, 0.0) ** 2).sum(axis=0)
        total = np.maximum(self._count + number, 1)
        self._squares = self._squares + squares + (own - self._mean) ** 2 * (self._count * number / total)
        self._mean = self._mean + (own - self._mean) * (number / total)
        self._count = self._count + number

    @property
    def mean(self) -> NDArray[np.float64]:
        """(...) in the feature's unit; 0 where there was no value."""
        return self._mean

    @property
    def deviation(self) -> NDArray[np.float64]:
        """(...) standard deviation, in the feature's unit; 0 where there was no value."""
        return np.sqrt(self._squares / np.maximum(self._count, 1))


def group_scale(arrays: Iterable[NDArray]) -> NDArray[np.float64]:
    """Return the standard deviation of each element over all steps of one feature's arrays (T, ...): (...).

    Values that are not finite are left out. Taken in the order given, an episode at a time: see `Spread`.
    """
    spread = Spread()
    for array in arrays:
        spread.add(array)
    return spread.deviation


# What varies by less does not vary.
LEAST_SCALE = 1e-9

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
        center: {feature key: (...)} mean of each element over the whole dataset; 0 where it is not given.
        stamps_s: (T,) float64, seconds, as the recorder wrote them, or None where only the rate is known.
        frames: {camera key: n pictures (H, W, 3) uint8 RGB}, all or some; an array, or what yields them in order.
        frame_steps: (n,) int64, the step of each of them; None: the first n steps.
        names: {feature key: name of each element}, where they are known.
        units: {feature key: unit of each element}, where they are known.
        task: the instruction in words.
        meta: plain data about the episode.

    A feature with a companion `<feature>.valid` (T, ...) has samples only where that is true: elsewhere `series`
    holds the last sample, and before the first one that, so that a gap is not taken for motion.
    """

    arrays: Mapping[str, NDArray]
    fps: float
    scale: Mapping[str, NDArray] = field(default_factory=dict)
    center: Mapping[str, NDArray] = field(default_factory=dict)
    stamps_s: NDArray[np.float64] | None = None
    frames: Mapping[str, Collection[NDArray[np.uint8]]] = field(default_factory=dict)
    frame_steps: NDArray[np.int64] | None = None
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    units: Mapping[str, Sequence[str]] = field(default_factory=dict)
    task: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_episode(cls, episode: Episode, fps: float, **more: Any) -> Recording:
        """Return the recording of an episode; `more` are the fields an episode does not have."""
        return cls(
            arrays=episode.arrays, fps=fps, frames=episode.frames, meta=episode.meta, **{"task": episode.task, **more}
        )

    @property
    def length(self) -> int:
        """T, the number of steps."""
        return len(next(iter(self.arrays.values())))

    @cached_property
    def looks(self) -> Mapping[str, Looks]:
        """What the pictures of each camera look like; they are decoded once, however many checks ask."""
        return {key: look(frames, len(frames), self.fps) for key, frames in self.frames.items()}

    def series(self, key: str) -> NDArray[np.float64] | None:
        """Return a numeric array as (T, n) float64; None where it is absent, empty or not finite."""
        array = self.arrays.get(key)
        if array is None or array.dtype.kind not in "biuf" or array.size == 0:
            return None
        flat = np.asarray(array, np.float64).reshape(len(array), -1)
        valid = self.valid(key)
        if valid is not None:
            flat = _held(flat, valid)
        return flat if np.isfinite(flat).all() else None

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        """Return which values of a feature are samples: (T, n); None where nothing says that some are not.

        Raises:
            DataError: when the companion has another shape than the feature.
        """
        mask, array = self.arrays.get(key + VALID), self.arrays.get(key)
        if mask is None or array is None or array.size == 0:
            return None
        count = array.size // len(array)
        flat = np.asarray(mask, bool).reshape(len(array), -1)
        if flat.shape[1] not in (1, count):
            raise DataError(f"'{key}.valid' has the wrong shape", got=flat.shape, expected=(len(array), count))
        return np.broadcast_to(flat, (len(array), count))

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
        used = scale > LEAST_SCALE
        return np.where(used, (series - series[:1]) / np.where(used, scale, 1.0), 0.0)

    def placed(self, key: str) -> NDArray[np.float64] | None:
        """Return `series` about the dataset's mean, in its standard deviations: (T, k), k elements that vary in it.

        Unlike `scaled` it says where the robot is: episodes can be compared by it.

        Raises:
            DataError: as `scaled`.
        """
        scaled, series = self.scaled(key), self.series(key)
        if scaled is None or series is None:
            return None
        scale = np.asarray(self.scale.get(key, series.std(axis=0)), np.float64).reshape(-1)
        center = np.asarray(self.center.get(key, np.zeros(len(scale))), np.float64).reshape(-1)
        used = scale > LEAST_SCALE
        return scaled[:, used] + ((series[0] - center)[used] / scale[used])

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


def _held(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values (T, n) with the last valid one in place of each that is not; 0 where none is valid at all."""
    steps = np.where(valid, np.arange(len(values))[:, None], 0)
    steps = np.maximum(np.maximum.accumulate(steps, axis=0), valid.argmax(axis=0))
    return np.where(valid.any(axis=0), np.take_along_axis(values, steps, axis=0), 0.0)
