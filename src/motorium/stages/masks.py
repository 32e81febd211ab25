"""What was recorded and what was not: the columns that ingest puts beside resampled features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from motorium.data.companions import VALID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def recorded(dataset: Any, keys: Iterable[str]) -> NDArray[np.bool_] | None:
    """Return at which steps of a dataset every element of `keys` was recorded: (N,) bool; None: nothing says so."""
    import numpy as np

    masks = [key + VALID for key in keys if key + VALID in dataset.features]
    if not masks:
        return None
    found = np.ones(dataset.num_frames, bool)
    for mask in masks:
        found &= dataset.column(mask).reshape(dataset.num_frames, -1).all(axis=1)
    return found
