"""Delimited text read in blocks: delimiter, encoding and header found out, each block parsed by itself, memory flat.

The file is passed once to settle the type of every column; afterwards any rows are read by parsing their blocks again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.data.bounds import MIB, check_size
from motorium.data.formats.tables.options import TableOptions
from motorium.data.tables import UNREADABLE

BLOCK = 4 * MIB
LONGEST_LINE = 64 * MIB
SAMPLE = 256 * 1024
MOST_COLUMNS = 100_000
DELIMITERS = (",", "\t", ";", "|")
NULLS = ("", "NA", "N/A", "#N/A", "n/a", "nan", "NaN", "NAN", "-nan", "null", "NULL", "None", "none")

_DATED = re.compile(r"\s*\d{4}-\d\d-\d\d")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file is written.

    Attributes:
        names: of the columns, each once.
        start: bytes before the first row of data.
        header_rows: lines before it.
        renamed: whether some names are not the file's.
        numeric: whether numbers or dates are among the first rows.
    """

    delimiter: str
    encoding: str
    decimal: str
    names: tuple[str, ...]
    start: int
    header_rows: int
    renamed: bool
    numeric: bool


@dataclass(frozen=True, kw_only=True)
class _Block:
    offset: int
    size: int
    first: int
    rows: int


class CsvTable:
    """One file of delimited text.

    Attributes:
        names, types: of the columns.
        rows: of data.
        holes, filled: as `table_files.Table` has them.

    Raises:
        DataError: when it is no table: rows of differing length, cells of differing type, text of another encoding.
    """

    def __init__(self, path: Path, options: TableOptions) -> None:
        self.path = path
        self.dialect = sniff(path, options)
        self._nulls = [*NULLS, *options.null_values]
        self._declared = {name: _TYPES[kind] for name, kind in options.types.items() if name in self.dialect.names}
        self.names = list(self.dialect.names)
        self.holes: dict[str, int] = {}
        self.filled: dict[str, NDArray[np.uint8]] = {}
        self._blocks: list[_Block] = []
        self.types = self._scan()
        self.rows = sum(block.rows for block in self._blocks)

    def batches(self, columns: Sequence[str], start: int, stop: int) -> Iterator[list[pa.Array]]:
        """Yield the columns' cells of rows [start, stop), a block at a time.

        Raises:
            DataError: when they cannot be read.
        """
        firsts = [block.first for block in self._blocks]
        for number in range(max(int(np.searchsorted(firsts, start, side="right")) - 1, 0), len(self._blocks)):
            block = self._blocks[number]
            if block.first >= stop:
                return
            table = self._parse(self._bytes(block), block.first, self.types, list(dict.fromkeys(columns)))
            if table.num_rows != block.rows:
                raise DataError("a table has changed while it was read", where=self.path)
            low, high = max(start - block.first, 0), min(stop - block.first, block.rows)
            arrays = {name: table.column(name).combine_chunks() for name in dict.fromkeys(columns)}
            yield [_one(arrays[name]).slice(low, high - low) for name in columns]

    def _scan(self) -> dict[str, pa.DataType]:
        types: dict[str, pa.DataType] = {name: pa.null() for name in self.names}
        first = 0
        for offset, data in _blocks(self.path, self.dialect.start):
            table = self._parse(data, first, self._declared, None)
            for name in self.names:
                column = table.column(name)
                if name not in self._declared:
                    types[name] = self._merge(name, types[name], column.type, data, first)
                count = _holes(column)
                if count:
                    self.holes[name] = self.holes.get(name, 0) + count
            self._blocks.append(_Block(offset=offset, size=len(data), first=first, rows=table.num_rows))
            first += table.num_rows
        return {**types, **self._declared}

    def _parse(self, data: bytes, first: int, types: dict[str, pa.DataType], columns: list[str] | None) -> pa.Table:
        bad: list[tuple[int, int]] = []

        def note(row: pacsv.InvalidRow) -> str:
            bad.append((row.number or 0, row.actual_columns))
            return "error"

        given = {name: kind for name, kind in types.items() if not pa.types.is_null(kind)}
        try:
            return pacsv.read_csv(
                pa.BufferReader(data),
                read_options=pacsv.ReadOptions(
                    use_threads=False,
                    block_size=len(data) + 1,
                    column_names=self.names,
                    encoding=self.dialect.encoding,
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.dialect.delimiter, newlines_in_values=True, invalid_row_handler=note
                ),
                convert_options=pacsv.ConvertOptions(
                    null_values=self._nulls,
                    column_types=given,
                    include_columns=columns,
                    decimal_point=self.dialect.decimal,
                ),
            )
        except (*UNREADABLE, UnicodeDecodeError) as error:
            if bad:
                row = first + bad[0][0]
                raise DataError(
                    "a row of a table has another number of cells",
                    where=f"{self.path}, row {row}{self._line(row)}",
                    got=bad[0][1],
                    expected=f"{len(self.names)}: {', '.join(self.names[:12])}",
                    remedy="repair the row; a file cut off in the middle ends like this",
                ) from error
            self._find_fault(data, first, types)
            raise DataError(
                "a table cannot be read",
                where=f"{self.path}, from row {first + 1}",
                got=first_line(error),
                remedy="state source.delimiter, source.encoding or source.types in the mapping",
            ) from error

    def _merge(self, name: str, known: pa.DataType, new: pa.DataType, data: bytes, first: int) -> pa.DataType:
        if pa.types.is_binary(new):
            raise DataError(
                f"column '{name}' is not {self.dialect.encoding} text",
                where=f"{self.path}, from row {first + 1}",
                remedy="state source.encoding in the mapping (latin-1, cp1252)",
            )
        if pa.types.is_string(new) and not pa.types.is_string(known):
            self._check_text(name, data, first, strict=not pa.types.is_null(known))
            if not pa.types.is_null(known):
                raise self._conflict(name, first, known, new)
        if known == new or pa.types.is_null(new):
            return known
        if pa.types.is_null(known):
            return new
        numbers = {pa.int64(), pa.float64()}
        if {known, new} == numbers:
            return pa.float64()
        if pa.types.is_timestamp(known) and pa.types.is_timestamp(new) and known.tz == new.tz:
            return pa.timestamp("ns", known.tz)
        if pa.types.is_string(known):
            # Text that happens to be numbers in this block.
            return known
        raise self._conflict(name, first, known, new)

    def _check_text(self, name: str, data: bytes, first: int, strict: bool) -> None:
        """Refuse a column of numbers with a word among them, and say where the word is."""
        cells = _one(self._parse(data, first, {name: pa.string()}, [name]).column(name).combine_chunks()).to_pylist()
        words = [row for row, cell in enumerate(cells) if not _is_number(cell, self.dialect.decimal, self._nulls)]
        filled = sum(cell not in self._nulls for cell in cells)
        if words and (strict or 2 * len(words) < filled):
            raise DataError(
                f"column '{name}' holds numbers, and something else",
                where=f"{self.path}, row {first + words[0] + 1}{self._line(first + words[0] + 1)}",
                got=repr(cells[words[0]])[:80],
                expected="a number, or an empty cell",
                remedy=f"repair it, or state source.null_values, or source.types: {{{name}: string}} in the mapping",
            )

    def _conflict(self, name: str, first: int, known: pa.DataType, new: pa.DataType) -> DataError:
        return DataError(
            f"column '{name}' changes its type",
            where=f"{self.path}, from row {first + 1}",
            got=str(new),
            expected=str(known),
            remedy=f"repair it, or state source.types: {{{name}: string}} in the mapping",
        )

    def _find_fault(self, data: bytes, first: int, types: dict[str, pa.DataType]) -> None:
        """Say which cell does not fit a declared type."""
        for name, kind in types.items():
            if pa.types.is_floating(kind) or pa.types.is_integer(kind):
                try:
                    self._check_text(name, data, first, strict=True)
                except RecursionError:
                    return

    def _line(self, row: int) -> str:
        return f" (line {row + self.dialect.header_rows}, where no cell spans lines)"

    def _bytes(self, block: _Block) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(block.offset)
                return file.read(block.size)
        except OSError as error:
            raise DataError("a table cannot be read", where=self.path, got=error) from error


_TYPES = {
    # Text is not parsed as halves; they are cut afterwards, without loss if they were halves.
    "float16": pa.float32(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    **{f"int{bits}": pa.type_for_alias(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": pa.type_for_alias(f"uint{bits}") for bits in (8, 16, 32, 64)},
    "bool": pa.bool_(),
    "string": pa.string(),
}


def sniff(path: Path, options: TableOptions) -> Dialect:
    """Find out how a file is written.

    Raises:
        DataError: when it is no table.
    """
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLE)
            whole = len(file.read(1)) == 0
    except OSError as error:
        raise DataError("a table cannot be read", where=path, got=error) from error
    encoding, mark = _encoding(head, options, path)
    if b"\0" in head:
        raise _no_table(path, "binary data")
    raw = head[mark:].splitlines(keepends=True)
    raw = raw if whole else raw[:-1]
    lines = [line.decode(encoding, "replace") for line in raw]
    comments = next((n for n, line in enumerate(lines) if not line.startswith("#") and line.strip()), len(lines))
    body = [line for line in lines[comments : comments + 200] if line.strip()]
    delimiter = options.delimiter or _delimiter(body)
    if delimiter is None or not body:
        raise _no_table(path, "no delimiter gives rows of equal length")
    reader = csv.reader(lines[comments : comments + 200], delimiter=delimiter)
    try:
        first = next(reader)
        header_lines, rows = reader.line_num, [first, *(row for row in reader if row)]
    except (csv.Error, StopIteration) as error:
        raise _no_table(path, error) from error
    check_size("a table, in columns,", len(first), MOST_COLUMNS, path)
    decimal = options.decimal or _decimal(rows, delimiter)
    header = options.header if options.header is not None else _has_header(rows, decimal)
    names, skipped = (first, comments + header_lines) if header else ([], comments)
    if not header and comments and len(written := _split(lines[comments - 1][1:], delimiter)) == len(first):
        names = written
    start = mark + sum(len(line) for line in raw[:skipped])
    cells = [cell for row in rows[int(header) : 20] for cell in row if cell.strip()]
    made = _distinct([name.strip() for name in names] or [f"column_{number}" for number in range(len(first))])
    return Dialect(
        delimiter=delimiter,
        encoding=encoding,
        decimal=decimal,
        names=made,
        start=start,
        header_rows=skipped,
        renamed=bool(names) and list(made) != [name.strip() for name in names],
        numeric=any(_DATED.match(cell) or _is_number(cell, decimal, ()) for cell in cells),
    )


def _encoding(head: bytes, options: TableOptions, path: Path) -> tuple[str, int]:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError("UTF-16 text is not read", where=path, remedy="save it as UTF-8 (iconv -f utf-16 -t utf-8)")
    mark = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    if options.encoding:
        try:
            plain = "a,\n".encode(options.encoding) == b"a,\n"
        except LookupError:
            plain = False
        if not plain:
            raise DataError("this encoding is not read", where=path, got=options.encoding, expected="utf-8, latin-1")
        return options.encoding, mark
    try:
        # The sample may end within a character.
        head[: -4 if len(head) == SAMPLE else None].decode("utf-8")
    except UnicodeDecodeError as error:
        return ("utf-8" if error.start > len(head) - 5 else "latin-1"), mark
    return "utf-8", mark


def _delimiter(lines: Sequence[str]) -> str | None:
    """Return what gives most rows as many cells as the first one; of equals what gives the most."""
    best, highest = None, (0.5, 1)
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO("".join(lines[:50])), delimiter=delimiter)]
        except csv.Error:
            continue
        # A row that is broken is reported when it is read.
        score = (widths.count(widths[0]) / len(widths), widths[0]) if widths else (0.0, 0)
        if widths and widths[0] > 1 and score > highest:
            best, highest = delimiter, score
    return best


def _decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    cells = [cell.strip() for row in rows[1:50] for cell in row]
    commas = sum(bool(_DECIMAL_COMMA.fullmatch(cell)) for cell in cells)
    points = sum("." in cell and _is_number(cell, ".", ()) for cell in cells)
    return "," if commas and not points else "."


def _has_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    first = [cell.strip() for cell in rows[0]]
    if any(_is_number(cell, decimal, ()) for cell in first if cell):
        return False
    below = [cell.strip() for row in rows[1:20] for cell in row]
    return len(rows) == 1 or any(_is_number(cell, decimal, ()) for cell in below) or len(set(first)) == len(first)


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.strip()], delimiter=delimiter), [])


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that are there once: a second `x` is `x.2`, an empty one its place."""
    made: dict[str, None] = {}
    taken, counted = set(names), {}
    for place, name in enumerate(names):
        base = name = name or f"column_{place}"
        number = counted.get(base, 2)
        while name in made or (name != base and name in taken):
            name, number = f"{base}.{number}", number + 1
        # So that a name that is there ten thousand times is not counted from 2 each time.
        counted[base] = number
        made[name] = None
    return tuple(made)


def _blocks(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield (place, bytes) of whole rows, some MiB together; line ends within quotes do not end a row."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            rest, place = b"", start
            while True:
                more = file.read(BLOCK)
                data = rest + more
                if not data.strip():
                    if not more:
                        return
                    cut = 0
                else:
                    cut = len(data) if not more else _last_row_end(data)
                if cut == 0 and more:
                    check_size("a row of a table", len(data), LONGEST_LINE, f"{path}, byte {place}")
                if cut:
                    yield place, data[:cut]
                rest, place = data[cut:], place + cut
                if not more:
                    return
    except OSError as error:
        raise DataError("a table cannot be read", where=path, got=error) from error


def _last_row_end(data: bytes) -> int:
    """Return how many bytes are whole rows."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    raw = np.frombuffer(data, np.uint8)
    outside = np.cumsum(raw == ord('"')) % 2 == 0
    ends = np.flatnonzero((raw == ord("\n")) & outside)
    return int(ends[-1]) + 1 if len(ends) else 0


def _is_number(cell: str | None, decimal: str, nulls: Sequence[str]) -> bool:
    if cell is None or cell in nulls:
        return True
    try:
        float(cell.strip().replace(decimal, ".") if decimal != "." else cell)
    except ValueError:
        return False
    return "_" not in cell


def _holes(column: pa.ChunkedArray) -> int:
    if pa.types.is_floating(column.type):
        return len(column) - (pc.sum(pc.is_finite(column)).as_py() or 0)
    return column.null_count


def _one(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        return array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    return array


def _no_table(path: Path, got: object) -> DataError:
    return DataError(
        "this is no table of delimited text",
        where=path,
        got=got,
        expected=f"rows parted by one of {' '.join(repr(one) for one in DELIMITERS)}",
        remedy="state source.delimiter in the mapping",
    )
