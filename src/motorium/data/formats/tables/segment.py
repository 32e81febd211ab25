"""Segments of tables: rows of a file, whose columns are read in batches, or together where they are small."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorium.core.errors import DataError, nearest
from motorium.data.bounds import MIB, inside
from motorium.data.formats.image_files import SUFFIXES, decode_as, image_feature, image_shape, read_image, shape_of
from motorium.data.formats.tables.columns import Column, Roles
from motorium.data.formats.tables.files import Table, find_holes
from motorium.data.formats.tables.sparse import filled_rows, good
from motorium.data.formats.tables.values import numbers_of, stamps_of, times_of
from motorium.data.log import Segment, Stream

CLOCK = "time"
# Columns of one segment up to this size are read together, in one pass over the file.
KEPT = 256 * MIB


class TableGroup:
    """Tables of one log; a column is faulty in all when it is in one, so that episodes have the same features.

    Attributes:
        kept: the segment that was read last, and its columns: of a long log one segment is in memory.
    """

    def __init__(self, tables: list[Table]) -> None:
        self.tables = tables
        self.kept: tuple[str, dict[str, pa.ChunkedArray]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": None}

    def faulty(self) -> set[str]:
        """Return the columns with empty cells or numbers that are not finite."""
        return set().union(*(find_holes(table) for table in self.tables))


@dataclass(frozen=True)
class TablePart:
    """Rows [first, last) of a table, and what its columns are.

    Attributes:
        group: the tables of the log.
    """

    table: Table
    streams: Mapping[str, Column]
    roles: Roles
    group: TableGroup
    first: int
    last: int


class TableSegment(Segment):
    """Rows [first, last) of a table."""

    def __init__(self, name: str, part: TablePart) -> None:
        self.name, self.part = name, part
        self._wanted: list[str] = []
        self._made: dict[str, Stream] | None = None

    @property
    def count(self) -> int:
        """Rows."""
        return self.part.last - self.part.first

    @property
    def columns(self) -> Mapping[str, Column]:
        """What each stream is made of."""
        return self.part.streams

    @property
    def streams(self) -> Mapping[str, Stream]:
        """Streams by name."""
        if self._made is None:
            made = {name: self._stream(name, column) for name, column in self.part.streams.items()}
            self._made = {name: stream for name, stream in made.items() if stream is not None}
        return self._made

    @property
    def task(self) -> str | None:
        """The text in the column of tasks, in the first row."""
        column = self.part.roles.task
        if column is None or not self.count:
            return None
        cells = next(self.part.table.batches([column], self.part.first, self.part.first + 1))[0]
        return str(cells[0].as_py()) if cells[0].is_valid else None

    @property
    def meta(self) -> Mapping[str, Any]:
        """File and rows."""
        return {"file": self.part.table.path.name, "rows": [self.part.first, self.part.last]}

    def prepare(self, keys: Collection[str]) -> None:
        """Note the columns, so that one pass reads them all."""
        self.part.group.kept = None
        columns = [column for key in keys if key in self.part.streams for column in self.part.streams[key].columns]
        self._wanted = sorted({*columns, *filter(None, [self.part.roles.time])})

    def times_ns(self, key: str, clock: str | None = None) -> NDArray[np.int64]:
        """Return the times of the rows."""
        roles = self.part.roles
        if roles.time is None or clock not in (None, CLOCK):
            raise DataError(
                "there is no such clock", where=self.name, got=clock, expected=CLOCK if roles.time else "none"
            )
        rows = self._rows(self._column(key))
        parts = [
            times_of(cells, roles.time_unit or "s", f"{self.name}, column '{roles.time}'", first)
            for first, (cells,) in self._cells([roles.time], 0, self.count)
        ]
        times = np.concatenate(parts) if parts else np.empty(0, np.int64)
        return times if rows is None else times[rows]

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Return samples of numbers or text."""
        column = self._column(key)
        if column.cells == "pictures" or self.streams[key].feature.visual:
            raise DataError(f"'{key}' is a camera", where=self.name, remedy="ask for its pictures")
        rows = self._rows(column)
        start, stop, _ = slice(start, stop).indices(self.count if rows is None else len(rows))
        if rows is not None:
            return self._values_of(key, column, rows[start:stop])
        feature = column.feature
        count = max(stop - start, 0)
        if feature.dtype == "string":
            out = np.full((count, feature.size), "", object)
        else:
            out = np.empty((count, feature.size), feature.dtype)
        for first, arrays in self._cells(column.columns, start, stop):
            where = f"{self.name}, stream '{key}'"
            rows = _values(column, arrays, where)
            out[first - start : first - start + len(rows)] = rows
        return out.reshape(count, *feature.shape)

    def _values_of(self, key: str, column: Column, rows: NDArray[np.int64]) -> NDArray:
        """Return the samples in some rows, which are in order."""
        out = np.empty((len(rows), column.feature.size), column.feature.dtype)
        where = f"{self.name}, stream '{key}'"
        for first, arrays in self._cells(column.columns, int(rows[0]), int(rows[-1]) + 1) if len(rows) else ():
            low, high = np.searchsorted(rows, [first, first + len(arrays[0])])
            taken = pa.array(rows[low:high] - first)
            out[low:high] = _values(column, [cells.take(taken) for cells in arrays], where)
        return out.reshape(len(rows), *column.feature.shape)

    def _rows(self, column: Column) -> NDArray[np.int64] | None:
        """Return the rows that hold a sample of a stream, counted from the segment's first; None: all do."""
        if self.part.roles.time is None or column.role:
            return None
        return filled_rows(self.part.table, column, self.part.first, self.part.last)

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        """Return where cells are filled and finite, (n, *shape); None where all of the log's are."""
        column = self._column(key)
        if column.cells in ("pictures", "text") or not self.part.group.faulty() & set(column.columns):
            return None
        out = np.ones((self.count, len(column.columns)), bool)
        for first, arrays in self._cells(column.columns, 0, self.count):
            for place, cells in enumerate(arrays):
                out[first : first + len(cells), place] = good(cells)
        rows = self._rows(column)
        if rows is not None:
            out = out[rows]
            if out.all():
                return None
        # Of each element, even of a single one: a cell that is empty says nothing of how long the recording was.
        return np.broadcast_to(out, (len(out), column.feature.size)).reshape(len(out), *column.feature.shape)

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield pictures that the cells name or hold."""
        self._column(key)
        stream = self.streams[key]
        if not stream.feature.visual:
            raise DataError(f"'{key}' is no camera", where=self.name, remedy="ask for its values")
        shape = stream.feature.shape
        rows = self._rows(self._column(key))
        last, picture = -1, None
        samples = np.asarray(samples, np.int64) if rows is None else rows[np.asarray(samples, np.int64)]
        for sample in samples.tolist():
            if picture is None or sample != last:
                picture, last = self._picture(key, sample, shape), sample
            yield picture

    def _picture(self, key: str, sample: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        where = f"{self.name}, '{key}', row {sample + 1}"
        found = self._cell(key, sample)
        if isinstance(found, bytes):
            return decode_as(found, shape, where)
        if found is None:
            raise DataError("a picture is missing: the cell is empty", where=where, remedy="drop the row")
        return read_image(inside(self.part.table.path.parent, found, where), shape)

    def _cell(self, key: str, sample: int) -> bytes | str | None:
        """Return a path, or an encoded picture."""
        column = self.part.streams[key].columns[0]
        for _, (cells,) in self._cells([column], sample, sample + 1):
            value = cells[0].as_py()
            if isinstance(value, dict):
                value = value.get("bytes") or value.get("path")
            return value
        return None

    def _stream(self, name: str, column: Column) -> Stream | None:
        feature, cells = column.feature, column.cells
        clocks = (CLOCK,) if self.part.roles.time is not None else ()
        rows = self._rows(column)
        count = self.count if rows is None else len(rows)
        if cells in ("text", "pictures") and column.role == "" and count:
            shape = self._picture_shape(name, column, 0 if rows is None else int(rows[0]))
            if shape is not None:
                target = column.target or f"observation.images.{name}"
                return Stream(feature=image_feature(shape), count=count, clocks=clocks, target=target)
            if cells == "pictures":
                return None
        return Stream(
            feature=feature,
            count=count,
            clocks=clocks,
            target=column.target,
            align=column.align if clocks else "nearest",
            note=column.note + (f"; filled in {count:,} of {self.count:,} rows" if rows is not None else ""),
        )

    def _picture_shape(self, name: str, column: Column, row: int) -> tuple[int, int, int] | None:
        """Return the size of the first picture, where the cells are pictures or name files in the folder."""
        found = self._cell(name, row)
        where = f"{self.name}, '{name}'"
        if isinstance(found, bytes):
            return shape_of(found, where) if found[:1] in (b"\x89", b"\xff") else None
        if not isinstance(found, str) or not found.lower().endswith(SUFFIXES):
            return None
        return image_shape(inside(self.part.table.path.parent, found, where))

    def _column(self, key: str) -> Column:
        if key not in self.part.streams:
            known = self.part.streams
            raise DataError(
                f"there is no stream '{key}'", where=self.name, expected=list(known), nearest=nearest(key, known)
            )
        return self.part.streams[key]

    def _cells(self, columns: Sequence[str], start: int, stop: int) -> Iterator[tuple[int, list[pa.Array]]]:
        """Yield (first row, cells of each column) over rows [start, stop) of the segment."""
        part = self.part
        if self._wanted and set(columns) <= set(self._wanted) and self.count * len(self._wanted) * 8 <= KEPT:
            kept = part.group.kept
            if kept is None or kept[0] != self.name or not set(columns) <= kept[1].keys():
                kept = part.group.kept = (self.name, self._together())
            arrays = [kept[1][name].slice(start, stop - start).combine_chunks() for name in columns]
            arrays = [cells.chunk(0) if isinstance(cells, pa.ChunkedArray) else cells for cells in arrays]
            if stop > start:
                yield start, arrays
            return
        place = start
        for arrays in part.table.batches(columns, part.first + start, part.first + stop):
            yield place, arrays
            place += len(arrays[0])

    def _together(self) -> dict[str, pa.ChunkedArray]:
        parts: list[list[pa.Array]] = [[] for _ in self._wanted]
        for arrays in self.part.table.batches(self._wanted, self.part.first, self.part.last):
            for chunks, cells in zip(parts, arrays):
                chunks.append(cells)
        kinds = [self.part.table.types[name] for name in self._wanted]
        return {
            name: pa.chunked_array(chunks, chunks[0].type if chunks else kind)
            for name, chunks, kind in zip(self._wanted, parts, kinds)
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_wanted": [], "_made": None}


def _values(column: Column, arrays: Sequence[pa.Array], where: str) -> NDArray:
    if column.cells == "stamps":
        return np.stack([stamps_of(cells, where) for cells in arrays], -1)
    if column.feature.dtype == "string":
        return np.stack([np.array([cell or "" for cell in cells.to_pylist()], object) for cells in arrays], -1)
    return numbers_of(arrays, column.feature, where)
