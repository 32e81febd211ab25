"""Cells of tables as arrays: numbers, times to the nanosecond."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.core.features import Feature
from motorium.data.tables import UNREADABLE

NS_PER = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
# Numbers of this size count from 1970 in this unit; none of them is a plausible time since a recording began.
EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
_FURTHEST = 9.2e18


def numbers_of(arrays: Sequence[pa.Array], feature: Feature, where: object) -> NDArray:
    """Return cells as (n, feature.size) of the feature's dtype; empty ones are NaN, or 0 where there is no NaN.

    Raises:
        DataError: when a number does not fit the dtype.
    """
    if len(arrays) == 1 and pa.types.is_fixed_size_list(arrays[0].type):
        cells = arrays[0]
        inner = cells.values.slice(cells.offset * cells.type.list_size, len(cells) * cells.type.list_size)
        if cells.null_count:
            raise DataError("a list is empty", where=where, got=f"{cells.null_count} nulls", expected="none")
        return _numpy(inner, feature.dtype, where).reshape(len(cells), -1)
    out = np.empty((len(arrays[0]), len(arrays)), feature.dtype)
    for place, cells in enumerate(arrays):
        out[:, place] = _numpy(cells, feature.dtype, where)
    return out


def stamps_of(cells: pa.Array, where: object) -> NDArray[np.int64]:
    """Return dates, times and durations as ns: since 1970, since midnight, or as they are.

    Raises:
        DataError: when one is empty, or too far away.
    """
    kind = cells.type
    if cells.null_count:
        raise DataError("a time is missing", where=where, got=f"{cells.null_count} empty cells", expected="none")
    try:
        if pa.types.is_date(kind):
            cells = pc.cast(cells, pa.timestamp("ms"))
        if pa.types.is_time(kind):
            return pc.cast(pc.cast(cells, pa.time64("ns")), pa.int64()).to_numpy(zero_copy_only=False)
        target = (
            pa.duration("ns") if pa.types.is_duration(kind) else pa.timestamp("ns", getattr(cells.type, "tz", None))
        )
        return pc.cast(pc.cast(cells, target), pa.int64()).to_numpy(zero_copy_only=False)
    except UNREADABLE as error:
        raise DataError("a time cannot be read", where=where, got=first_line(error)) from error


def times_of(cells: pa.Array, unit: str, where: object, first: int = 0) -> NDArray[np.int64]:
    """Return times as int64 ns; numbers in `unit`, unless their size says that they count from 1970 in a finer one.

    Args:
        first: number of the first cell, for errors.

    Raises:
        DataError: when one is empty, not finite or too far away.
    """
    if pa.types.is_temporal(cells.type):
        return stamps_of(cells, where)
    cells = cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells
    if pa.types.is_decimal(cells.type):
        cells = pc.cast(cells, pa.float64())
    values = cells.to_numpy(zero_copy_only=False)
    bad = pc.is_null(cells).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        bad = bad | ~np.isfinite(values)
    if bad.any():
        row = first + int(np.argmax(bad)) + 1
        raise DataError("a time is missing", where=f"{where}, row {row}", remedy="drop the row, or state source.time")
    if values.dtype.kind not in "iuf":
        raise DataError("times are no numbers", where=where, got=str(cells.type))
    factor = NS_PER[unit]
    if len(values) and np.abs(values.astype(np.float64)).max() * factor > _FURTHEST:
        raise DataError(
            "a time is too far away",
            where=where,
            got=f"{np.abs(values.astype(np.float64)).max():g} {unit}",
            remedy="state source.time_unit (s, ms, us, ns) in the mapping",
        )
    if values.dtype.kind in "iu":
        return values.astype(np.int64) * factor
    # Whole and broken parts apart: a float of 1.8e18 has steps of 256.
    whole = np.floor(values)
    return whole.astype(np.int64) * factor + np.round((values - whole) * factor).astype(np.int64)


def epoch_unit(largest: float) -> str | None:
    """Return the unit in which a number of this size counts from 1970; None: it is no such number in ms, us or ns."""
    return next((unit for least, unit in EPOCHS if abs(largest) >= least), None)


def _numpy(cells: pa.Array, dtype: str, where: object) -> NDArray:
    try:
        if pa.types.is_dictionary(cells.type):
            cells = cells.dictionary_decode()
        if pa.types.is_decimal(cells.type):
            cells = pc.cast(cells, pa.float64())
        if cells.null_count and not pa.types.is_floating(cells.type):
            cells = pc.fill_null(cells, False if pa.types.is_boolean(cells.type) else 0)
        values = cells.to_numpy(zero_copy_only=False)
    except UNREADABLE as error:
        raise DataError("numbers cannot be read", where=where, got=first_line(error)) from error
    if values.dtype == dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        made = values.astype(dtype)
    if np.dtype(dtype).kind in "iub" and not np.array_equal(made, values):
        raise DataError("a number does not fit the stated type", where=where, got=str(values.dtype), expected=dtype)
    return made
