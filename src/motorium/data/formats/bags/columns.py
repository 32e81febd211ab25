"""Columns: the samples of streams that were asked for, in memory while small, else in a file without a name."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.data.bounds import MIB

IN_MEMORY = 64 * MIB


class Column:
    """Samples of one stream, filled one by one; some may be missing.

    Attributes:
        values: (n, *shape); 0 where a sample is missing.
        valid: (n,) bool, or None while none is missing.
        filled: samples so far.
    """

    def __init__(self, values: NDArray) -> None:
        self.values = values
        self.valid: NDArray[np.bool_] | None = None
        self.filled = 0

    def add(self, value: Any) -> None:
        """Append a sample; None: it is missing."""
        if value is None:
            if self.valid is None:
                self.valid = np.ones(len(self.values), bool)
            self.valid[self.filled] = False
        else:
            self.values[self.filled] = value
        self.filled += 1


class Columns:
    """Makes columns; those together above a budget lie in temporary files that vanish with their arrays."""

    def __init__(self, budget: int = IN_MEMORY) -> None:
        self._left = budget

    def make(self, count: int, shape: tuple[int, ...], dtype: str) -> Column:
        """Return an empty column for `count` samples; texts are objects."""
        if dtype == "string":
            return Column(np.full((count, *shape), "", object))
        return Column(self.zeros((count, *shape), dtype))

    def zeros(self, shape: tuple[int, ...], dtype: str) -> NDArray:
        """Return an array of zeros that may lie in a file."""
        size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
        if size <= self._left or size == 0:
            self._left -= size
            return np.zeros(shape, dtype)
        with tempfile.TemporaryFile() as file:
            # The mapping outlives the open file, and the file has no name: it goes when the array does.
            file.truncate(size)
            return np.memmap(file, dtype, "r+", shape=shape)
