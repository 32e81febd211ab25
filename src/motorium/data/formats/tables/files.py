"""Tables in files: delimited text, Parquet, Arrow (Feather); any rows of any columns, a batch at a time.

A column of a struct is called `struct.field`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.data.bounds import check_size
from motorium.data.formats.tables.csv import CsvTable, sniff
from motorium.data.formats.tables.options import TableOptions
from motorium.data.tables import UNREADABLE, open_parquet

BATCH_ROWS = 65_536
# Rows that one stored byte may stand for: a table of nothing but constants in Parquet comes near.
MOST_ROWS_PER_BYTE = 4096
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".psv", "")
PARQUET, ARROW, FEATHER_1 = b"PAR1", b"ARROW1", b"FEA1"


class Table(Protocol):
    """One table.

    Attributes:
        holes: by column, its cells that are empty or not finite; columns without are absent. None: not known yet.
        filled: of columns that are filled in some rows only, which rows these are, as packed bits.
    """

    path: Path
    names: list[str]
    types: dict[str, pa.DataType]
    rows: int
    holes: dict[str, int] | None
    filled: dict[str, NDArray[np.uint8]]

    def batches(self, columns: Sequence[str], start: int, stop: int) -> Iterator[list[pa.Array]]:
        """Yield the columns' cells of rows [start, stop).

        Raises:
            DataError: when they cannot be read.
        """


def kind_of(path: Path) -> str | None:
    """Return what a file is by its content: `parquet`, `arrow`, `csv`; None: no table. Raises nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return None
    if head.startswith(PARQUET):
        return "parquet"
    if head.startswith((ARROW, FEATHER_1)):
        return "arrow"
    if path.suffix.lower() not in TEXT_SUFFIXES or not head:
        return None
    try:
        dialect = sniff(path, TableOptions())
    except (DataError, ValueError, OSError):
        return None
    return "csv" if len(dialect.names) > 1 and dialect.numeric else None


def open_table(path: Path, options: TableOptions) -> Table:
    """Open a table.

    Raises:
        DataError: when it is none, or damaged.
    """
    kind = kind_of(path)
    if kind == "parquet":
        return ParquetTable(path)
    if kind == "arrow":
        return ArrowTable(path)
    return CsvTable(path, options)


class ParquetTable:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_parquet(path) as file:
            meta = file.metadata
            self.rows = _plausible(meta.num_rows, path)
            self.types = _flat(file.schema_arrow)
            self._firsts = np.cumsum([0, *(meta.row_group(n).num_rows for n in range(meta.num_row_groups))])
        self.names = list(self.types)
        self.holes: dict[str, int] | None = None
        self.filled: dict[str, NDArray[np.uint8]] = {}
        if self._firsts[-1] != self.rows:
            raise _other_rows(path, int(self._firsts[-1]), self.rows)

    def batches(self, columns: Sequence[str], start: int, stop: int) -> Iterator[list[pa.Array]]:
        """See `Table.batches`."""
        first = int(np.searchsorted(self._firsts, start, side="right")) - 1
        last = int(np.searchsorted(self._firsts, stop, side="left"))
        if stop <= start:
            return
        with open_parquet(self.path) as file:
            groups, place = list(range(first, last)), int(self._firsts[first])
            try:
                for batch in file.iter_batches(
                    BATCH_ROWS, row_groups=groups, columns=list(dict.fromkeys(columns)), use_threads=False
                ):
                    low, high = max(start - place, 0), min(stop - place, batch.num_rows)
                    place += batch.num_rows
                    if low < high:
                        part = batch.slice(low, high - low)
                        yield [_cells(part, name, self.path) for name in columns]
            except UNREADABLE as error:
                raise _damaged(self.path, error) from error
        if place < stop:
            raise _other_rows(self.path, place, stop)


class ArrowTable:
    """An Arrow IPC file, which Feather is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                if file.read(4) == FEATHER_1:
                    raise DataError("Feather version 1 is not read", where=path, remedy="write it anew as version 2")
            with pa.memory_map(str(path)) as source:
                reader = pa.ipc.open_file(source)
                self.types = _flat(reader.schema)
                fields = [0] if len(reader.schema) else None
            with pa.memory_map(str(path)) as source:
                reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=fields))
                counts = [reader.get_batch(number).num_rows for number in range(reader.num_record_batches)]
        except UNREADABLE as error:
            raise _damaged(path, error) from error
        self._firsts = np.cumsum([0, *counts])
        self.rows = _plausible(int(self._firsts[-1]), path)
        self.names = list(self.types)
        self.holes: dict[str, int] | None = None
        self.filled: dict[str, NDArray[np.uint8]] = {}

    def batches(self, columns: Sequence[str], start: int, stop: int) -> Iterator[list[pa.Array]]:
        """See `Table.batches`."""
        try:
            with pa.memory_map(str(self.path)) as source:
                schema = pa.ipc.open_file(source).schema
            fields = sorted({schema.get_field_index(_top(name, schema)) for name in columns})
            options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
            for number in range(len(self._firsts) - 1):
                first, last = int(self._firsts[number]), int(self._firsts[number + 1])
                if last <= start or first >= stop:
                    continue
                with pa.memory_map(str(self.path)) as source:
                    batch = pa.ipc.open_file(source, options=options).get_batch(number)
                    # Nothing in the file vouches for its offsets: checked before a value is looked at.
                    batch.validate(full=True)
                    if batch.num_rows != last - first:
                        raise _other_rows(self.path, batch.num_rows, last - first)
                    part = batch.slice(max(start - first, 0), min(stop, last) - max(start, first))
                    for low in range(0, part.num_rows, BATCH_ROWS):
                        yield [_cells(part.slice(low, BATCH_ROWS), name, self.path) for name in columns]
        except UNREADABLE as error:
            raise _damaged(self.path, error) from error


def find_holes(table: Table) -> dict[str, int]:
    """Return how many cells of a column are empty or not finite, where any is; reads the table when it is not known."""
    if table.holes is None:
        found: dict[str, int] = {}
        nested = (pa.types.is_list, pa.types.is_large_list, pa.types.is_map)
        names = [name for name, kind in table.types.items() if not any(one(kind) for one in nested)]
        for arrays in table.batches(names, 0, table.rows) if names else ():
            for name, cells in zip(names, arrays):
                count = cells.null_count
                if pa.types.is_floating(cells.type):
                    count = len(cells) - (pc.sum(pc.is_finite(cells)).as_py() or 0)
                if count:
                    found[name] = found.get(name, 0) + count
        table.holes = found
    return table.holes


def _flat(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Return columns by name; pictures (`struct<bytes, path>`) stay whole."""
    found: dict[str, pa.DataType] = {}
    for field in schema:
        kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        if pa.types.is_struct(kind) and {one.name for one in kind} != {"bytes", "path"}:
            found |= {f"{field.name}.{one.name}": one.type for one in kind}
        else:
            found[field.name] = kind
    return found


def _top(name: str, schema: pa.Schema) -> str:
    if name in schema.names:
        return name
    return next(top for top in schema.names if name.startswith(f"{top}."))


def _cells(batch: pa.RecordBatch, name: str, path: Path) -> pa.Array:
    """Return a column, or a field of a struct's column."""
    try:
        top = _top(name, batch.schema)
        cells = batch.column(top)
        cells = cells.storage if isinstance(cells, pa.ExtensionArray) else cells
        return cells if name == top else pc.struct_field(cells, name[len(top) + 1 :])
    except StopIteration:
        raise DataError(f"there is no column '{name}'", where=path, expected=batch.schema.names) from None


def _plausible(rows: int, path: Path) -> int:
    return check_size("a table, in rows,", rows, MOST_ROWS_PER_BYTE * path.stat().st_size, path)


def _other_rows(path: Path, got: int, expected: int) -> DataError:
    return DataError("a table has another number of rows than stated", where=path, got=got, expected=expected)


def _damaged(path: Path, error: object) -> DataError:
    return DataError(
        "a table is truncated or damaged",
        where=path,
        got=first_line(error),
        remedy="fetch or copy it again",
    )
