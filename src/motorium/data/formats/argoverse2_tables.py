"""Tables of Argoverse 2: Arrow IPC (feather) and parquet, read with every declared size checked first.

Arrow compresses each buffer by itself and writes its size before it; pyarrow allocates what that says. So the sizes
are added up from the messages' own metadata before anything is decompressed.

Source: Apache Arrow columnar format, Message.fbs (Message, RecordBatch, Buffer) and the FlatBuffers binary layout.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.data.bounds import MIB, check_size
from motorium.data.tables import UNREADABLE

MAGIC = b"ARROW1"
# Ten times the largest of the format: a lidar sweep of 100,000 points has 1.5 MiB, a log's annotations 3 MiB.
LARGEST_TABLE = 256 * MIB

_KINDS = {"int": "iu", "float": "f", "bool": "b"}
_DAMAGED = (*UNREADABLE, struct.error, IndexError, MemoryError)


@dataclass(frozen=True)
class _Table:
    """A table in a FlatBuffer: where each of its fields is."""

    data: memoryview
    at: int

    def field(self, number: int) -> int | None:
        """Return where a field's value starts; None: absent."""
        vtable = self.at - self._read("<i", self.at)
        if vtable < 0 or 4 + 2 * number >= self._read("<H", vtable):
            return None
        offset = self._read("<H", vtable + 4 + 2 * number)
        return self.at + offset if offset else None

    def scalar(self, number: int, code: str) -> int:
        """Return a number, read as `struct` reads `code`; 0 where it is absent, as FlatBuffers have it."""
        at = self.field(number)
        return 0 if at is None else self._read(code, at)

    def table(self, number: int) -> _Table | None:
        """Return a table within this one; None: absent."""
        at = self.field(number)
        return None if at is None else _Table(self.data, at + self._read("<I", at))

    def pairs(self, number: int) -> NDArray[np.int64]:
        """Return a vector of structs of two int64: (n, 2)."""
        at = self.field(number)
        if at is None:
            return np.empty((0, 2), np.int64)
        start = at + self._read("<I", at)
        count = self._read("<I", start)
        return np.frombuffer(self.data[start + 4 : start + 4 + 16 * count], "<i8").reshape(count, 2)

    def _read(self, code: str, at: int) -> int:
        if at < 0:
            raise struct.error("a negative offset")
        return struct.unpack_from(code, self.data, at)[0]


def feather_rows(path: Path) -> int:
    """Return how many rows a feather file has, from its messages' metadata.

    Raises:
        DataError: when it is absent or damaged, or would take more memory than any table of the format.
    """
    return _measure(_mapped(path), path)


def read_feather(path: Path, columns: Mapping[str, str]) -> dict[str, NDArray]:
    """Return columns of a feather file: {name: (n,)}; `columns` says what each is: int, float, bool or string.

    Raises:
        DataError: when the file is absent or damaged, or a column is missing, of another kind or has empty cells.
    """
    data = _mapped(path)
    rows = _measure(data, path)
    try:
        # The stream is read, not the blocks that the footer lists: its messages are what was measured.
        with pa.ipc.open_stream(data.slice(8)) as reader:
            table = reader.read_all()
        listed = pa.ipc.open_file(data).num_record_batches
        batches = table.column(0).num_chunks if table.num_columns else 0
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    if table.num_rows != rows or listed != batches:
        raise _damaged(path, f"{table.num_rows} rows in {batches} batches; the footer lists {listed}")
    return _arrays(table, columns, path)


def feather_columns(path: Path) -> list[str]:
    """Return the names of a feather file's columns; [] when it is none. Raises nothing."""
    try:
        if not path.is_file():
            return []
        with pa.memory_map(str(path)) as file:
            if file.size() < 16 or file.read(6) != MAGIC:
                return []
            file.seek(8)
            return list(pa.ipc.open_stream(file).schema.names)
    except _DAMAGED:
        return []


def read_parquet(path: Path, columns: Mapping[str, str]) -> dict[str, NDArray]:
    """Return columns of a parquet file: {name: (n,)}, as `read_feather`.

    Raises:
        DataError: as `read_feather`.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
            check_size("a table", metadata.num_rows * max(len(columns), 1) * 8, LARGEST_TABLE, path)
            # Of whole row groups: asking a damaged one for a column's size ends the process (pyarrow 26).
            sizes = [metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)]
            for size in [*sizes, sum(sizes)]:
                check_size("a table", size, LARGEST_TABLE, path)
            known = [name for name in columns if name in file.schema_arrow.names]
            table = file.read(columns=known, use_threads=False)
    except FileNotFoundError:
        raise DataError("a file of the recording is missing", where=path, remedy="fetch or copy it again") from None
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    return _arrays(table, columns, path)


def parquet_columns(path: Path) -> list[str]:
    """Return the names of a parquet file's columns; [] when it is none. Raises nothing."""
    try:
        if not path.is_file():
            return []
        return list(pq.read_schema(path).names)
    except _DAMAGED:
        return []


def _mapped(path: Path) -> pa.Buffer:
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        with pa.memory_map(str(path)) as file:
            data = file.read_buffer()
    except FileNotFoundError:
        raise DataError("a file of the recording is missing", where=path, remedy="fetch or copy it again") from None
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    view = memoryview(data)
    if len(view) < 16 or bytes(view[:6]) != MAGIC or bytes(view[-6:]) != MAGIC:
        raise _damaged(path, "it does not begin and end as an Arrow file")
    return data


def _measure(data: pa.Buffer, path: Path) -> int:
    """Return the rows of all batches, when what they declare can be allocated."""
    rows = size = 0
    try:
        for message in pa.ipc.MessageReader.open_stream(data.slice(8)):
            batch = _batch(memoryview(message.metadata))
            if batch is None:
                continue
            rows += check_size("a table", batch.scalar(0, "<q"), LARGEST_TABLE, path)
            body = memoryview(message.body)
            compressed = batch.field(3) is not None
            for start, length in batch.pairs(2).tolist():
                declared = check_size("a buffer", length, len(body), path)
                if compressed and length:
                    declared = max(_Table(body, 0)._read("<q", start), length)
                size += check_size("a table", declared, LARGEST_TABLE, path)
            check_size("a table", max(rows, size), LARGEST_TABLE, path)
    except StopIteration:
        pass
    except DataError:
        raise
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    return rows


def _batch(metadata: memoryview) -> _Table | None:
    """Return the record batch of a message, a dictionary's included; None: it has none."""
    message = _Table(metadata, struct.unpack_from("<I", metadata)[0])
    kind, header = message.scalar(1, "<B"), message.table(2)
    if header is None or kind not in (2, 3):
        return None
    return header.table(1) if kind == 2 else header


def _arrays(table: pa.Table, columns: Mapping[str, str], path: Path) -> dict[str, NDArray]:
    made: dict[str, NDArray] = {}
    try:
        names = table.column_names
    except ValueError as error:
        # Names are decoded when they are asked for.
        raise _damaged(path, error) from error
    for name, kind in columns.items():
        if name not in names:
            raise DataError(f"there is no column '{name}'", where=path, got=names)
        column = table.column(name)
        try:
            # Lengths and offsets are checked against the buffers: pyarrow itself would read past their end.
            column.validate(full=True)
            if column.null_count:
                raise DataError(f"'{name}' has empty cells", where=path, got=f"{column.null_count}", expected="none")
            made[name] = _array(column, name, kind, path)
        except _DAMAGED as error:
            raise _damaged(path, error) from error
    return made


def _array(column: pa.ChunkedArray, name: str, kind: str, path: Path) -> NDArray:
    wrong = DataError(f"'{name}' has the wrong type", where=path, got=column.type, expected=kind)
    if kind == "string":
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise wrong
        return np.array([*column.to_pylist()], object).reshape(-1)
    values = column.to_numpy()
    if values.dtype.kind not in _KINDS[kind]:
        raise wrong
    return values


def _damaged(path: Path, error: Any) -> DataError:
    return DataError(
        "a table is truncated or damaged", where=path, got=first_line(error), remedy="fetch or copy it again"
    )
