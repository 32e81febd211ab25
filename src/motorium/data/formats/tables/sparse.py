"""Columns of tables that are filled in some rows only, as when logs of several rates were joined into one table.

Such a column is a stream of its own rate: its samples are the rows that are filled. Where most rows are filled, an
empty cell is a hole in the stream, and is masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorium.data.bounds import MIB
from motorium.data.formats.tables.columns import Column
from motorium.data.formats.tables.files import Table, find_holes

# A column with this share of its cells filled, or more, has holes; with less it has a rate of its own.
MOSTLY = 0.9
# In a table of fewer rows, empty cells say nothing of a rate.
LEAST_ROWS = 50
# Columns of a vector whose filled rows differ by more than this share were not recorded together.
SAME_ROWS = 0.1
LARGEST = 256 * MIB


def find_sparse(tables: Sequence[Table]) -> list[str]:
    """Return the columns that are filled in some rows only, and note in each table which rows these are.

    A column that no row fills stays as it is: there is nothing to take from it.
    """
    rows, holes = sum(table.rows for table in tables), {}
    if rows < LEAST_ROWS:
        return []
    for table in tables:
        for name in table.types:
            holes[name] = holes.get(name, 0) + find_holes(table).get(name, 0)
    # Where a table lacks a column, its rows count neither as filled nor as empty.
    have = {name: sum(table.rows for table in tables if name in table.types) for name in holes}
    found = [name for name, count in holes.items() if (1 - MOSTLY) * have[name] < count < have[name]]
    found = found[: LARGEST * 8 // rows]
    for table in tables:
        _note_rows(table, [name for name in found if name in table.types])
    return found


def parted(streams: Iterable[Column], table: Table) -> set[str]:
    """Return the columns of vectors that were not recorded together: their filled rows differ."""
    found: set[str] = set()
    for column in streams:
        masks = [_mask(table, name) for name in column.columns]
        if len(masks) < 2 or all(mask is None for mask in masks):
            continue
        whole = np.ones(table.rows, bool)
        each = [whole if mask is None else mask for mask in masks]
        every = np.count_nonzero(np.logical_or.reduce(each))
        if every > (1 + SAME_ROWS) * min(np.count_nonzero(mask) for mask in each):
            found |= set(column.columns)
    return found


def filled_rows(table: Table, column: Column, first: int, last: int) -> NDArray[np.int64] | None:
    """Return which of rows [first, last) hold a sample, counted from `first`; None: all do."""
    if any(name not in table.filled for name in column.columns):
        return None
    packed = [table.filled[name][first // 8 : -(-last // 8)] for name in column.columns]
    bits = np.unpackbits(np.bitwise_or.reduce(packed))[first % 8 :][: last - first]
    return np.flatnonzero(bits)


def good(cells: pa.Array) -> NDArray[np.bool_]:
    """Return which cells are filled, and finite where they are numbers."""
    filled = pc.is_valid(cells)
    if pa.types.is_floating(cells.type):
        filled = pc.fill_null(pc.and_(filled, pc.is_finite(cells)), False)
    return filled.to_numpy(zero_copy_only=False)


def _mask(table: Table, name: str) -> NDArray[np.bool_] | None:
    packed: Mapping[str, NDArray[np.uint8]] = table.filled
    return np.unpackbits(packed[name], count=table.rows).astype(bool) if name in packed else None


def _note_rows(table: Table, names: Sequence[str]) -> None:
    masks = {name: np.zeros(table.rows, bool) for name in names}
    place = 0
    for arrays in table.batches(names, 0, table.rows) if names else ():
        for name, cells in zip(names, arrays):
            masks[name][place : place + len(cells)] = good(cells)
        place += len(arrays[0])
    table.filled = {name: np.packbits(mask) for name, mask in masks.items()}
