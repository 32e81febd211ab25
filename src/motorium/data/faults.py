"""Faults: which episodes of a dataset cannot be used as they were recorded, and why."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motorium.data.dataset import Dataset
from motorium.data.index import off_grid


def faulty_episodes(dataset: Dataset) -> dict[int, str]:
    """Return {episode: its first fault} of those with times that do not fit fps, or values that are not finite.

    Args:
        dataset: opened with `nonfinite="keep"` and `times="keep"`, so that there is something to find.

    Raises:
        DataError: when a column cannot be read.
    """
    found: dict[int, str] = {}
    steps = np.concatenate([np.arange(length) for length in dataset.lengths])
    wrong = off_grid(dataset.column("timestamp"), steps / dataset.fps)
    _note(found, dataset, wrong, f"its times do not fit {dataset.fps:g} frames/s from step {{step}} on")
    for key, feature in dataset.features.items():
        if feature.visual or not feature.dtype.startswith("float"):
            continue
        rows = dataset.column(key).reshape(dataset.num_frames, -1)
        wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        _note(found, dataset, wrong, f"'{key}' is not finite at step {{step}}")
    return dict(sorted(found.items()))


def _note(found: dict[int, str], dataset: Dataset, rows: NDArray[np.int64], words: str) -> None:
    """Note the first of the wrong rows of each episode that has no fault yet."""
    for row in rows:
        index = int(np.searchsorted(dataset.starts, row, side="right")) - 1
        found.setdefault(index, words.format(step=int(row - dataset.starts[index])))
