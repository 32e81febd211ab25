"""Arrays to and from parquet, with LeRobot's column types."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.core.features import Feature
from motorium.data.bounds import check_size

# What pyarrow raises on damaged bytes: its own errors, and plain ones from decoding names.
UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, KeyError)

# Rows that a byte may stand for: constants take almost nothing, but no recording holds only these.
ROWS_PER_BYTE, FEWEST_ROWS = 256, 1_000_000

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def arrow_type(feature: Feature) -> pa.DataType:
    """Return the parquet column type LeRobot uses for `feature`."""
    if feature.dtype == "image":
        return IMAGE_TYPE
    value = pa.string() if feature.dtype == "string" else pa.from_numpy_dtype(np.dtype(feature.dtype))
    if feature.shape == (1,):
        return value
    if len(feature.shape) == 1:
        # Named as the datasets library names it; pyarrow's own default is `item`.
        return pa.list_(pa.field("element", value), feature.shape[0])
    for _ in feature.shape:
        value = pa.list_(pa.field("element", value))
    return value


def data_schema(features: Mapping[str, Feature]) -> pa.Schema:
    """Return the schema of data files: every feature but videos, with the metadata the datasets library reads."""
    fields, described = [], {}
    for key, feature in features.items():
        if feature.dtype == "video":
            continue
        metadata = None
        if len(feature.shape) > 1 and not feature.visual:
            name = f"datasets.features.features.Array{len(feature.shape)}DExtensionType"
            metadata = {
                "ARROW:extension:metadata": json.dumps([list(feature.shape), feature.dtype]),
                "ARROW:extension:name": name,
            }
        fields.append(pa.field(key, arrow_type(feature), metadata=metadata))
        described[key] = _described(feature)
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": described}})})


def _described(feature: Feature) -> dict[str, Any]:
    """Return the datasets library's description of one column."""
    if feature.dtype == "image":
        return {"_type": "Image"}
    value = {"dtype": feature.dtype, "_type": "Value"}
    if feature.shape == (1,):
        return value
    if len(feature.shape) == 1:
        return {"feature": value, "length": feature.shape[0], "_type": "List"}
    return {"shape": list(feature.shape), "dtype": feature.dtype, "_type": f"Array{len(feature.shape)}D"}


def to_arrow(array: NDArray, feature: Feature) -> pa.Array:
    """Return samples (T, *shape) as one column."""
    if feature.dtype == "string":
        flat: pa.Array = pa.array([str(value) for value in np.asarray(array, object).reshape(-1)], pa.string())
    else:
        flat = pa.array(np.ascontiguousarray(array, dtype=feature.dtype).reshape(-1))
    if feature.shape == (1,):
        return flat
    if len(feature.shape) == 1:
        return pa.FixedSizeListArray.from_arrays(flat, type=arrow_type(feature))
    for width in reversed(feature.shape):
        offsets = np.arange(0, len(flat) + 1, width, dtype=np.int32)
        flat = pa.ListArray.from_arrays(offsets, flat, type=pa.list_(pa.field("element", flat.type)))
    return flat


def images_to_arrow(encoded: list[bytes]) -> pa.Array:
    """Return encoded pictures as one column; the path names the frame, as LeRobot's does."""
    paths = [f"frame-{step:06d}.png" for step in range(len(encoded))]
    return pa.StructArray.from_arrays(
        [pa.array(encoded, pa.binary()), pa.array(paths, pa.string())], fields=list(IMAGE_TYPE)
    )


def from_arrow(column: pa.ChunkedArray | pa.Array, key: str, feature: Feature, where: object) -> NDArray:
    """Return a column as (N, *shape) of the feature's dtype, contiguous; strings as objects.

    Raises:
        DataError: on nulls, or when values do not fit the shape or dtype.
    """
    count = len(column)
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    while True:
        if isinstance(flat, pa.ChunkedArray):
            flat = flat.combine_chunks() if flat.num_chunks != 1 else flat.chunk(0)
        if isinstance(flat, pa.ExtensionArray):
            flat = flat.storage
        if flat.null_count:
            raise DataError(f"'{key}' has empty cells", where=where, got=f"{flat.null_count} nulls", expected="none")
        if not isinstance(flat, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)):
            break
        flat = flat.flatten()
    if len(flat) != count * feature.size:
        raise DataError(
            f"'{key}' does not have its shape",
            where=where,
            got=f"{len(flat)} values in {count} rows",
            expected=f"{count} x {list(feature.shape)}",
        )
    if feature.dtype == "string":
        return np.array(flat.to_pylist(), object).reshape(count, *feature.shape)
    values = flat.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "biuf" or (np.dtype(feature.dtype).kind in "biu" and values.dtype.kind == "f"):
        raise DataError(f"'{key}' has the wrong type", where=where, got=flat.type, expected=feature.dtype)
    return np.ascontiguousarray(values, dtype=feature.dtype).reshape(count, *feature.shape)


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file.

    Raises:
        DataError: when it is absent, truncated or something else.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise DataError("a file of the dataset is missing", where=path, remedy="fetch or copy it again") from None
    except UNREADABLE as error:
        raise DataError(
            "a parquet file is truncated or damaged",
            where=path,
            got=first_line(error),
            remedy="fetch or copy it again; a recording that was interrupted has no footer",
        ) from error


def read_columns(path: Path, columns: list[str] | None = None, optional: Collection[str] = ()) -> pa.Table:
    """Read columns (all: None) of one parquet file; those that are `optional` are left out where it lacks them.

    Raises:
        DataError: when the file cannot be read or has no such column.
    """
    with open_parquet(path) as file:
        at_most = FEWEST_ROWS + path.stat().st_size * ROWS_PER_BYTE
        check_size("a table, in rows,", file.metadata.num_rows, at_most, path)
        names = file.schema_arrow.names
        if columns is not None:
            columns = [name for name in columns if name in names or name not in optional]
        for name in columns or ():
            if name not in names:
                raise DataError(f"there is no column '{name}'", where=path, got=names)
        try:
            return file.read(columns=columns, use_threads=False)
        except UNREADABLE as error:
            raise DataError("a parquet file is damaged", where=path, got=first_line(error)) from error
