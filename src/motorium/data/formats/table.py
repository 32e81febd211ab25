"""Tables (CSV, TSV, Parquet, Feather) as recordings: the way in for what has no format of its own.

A file is a segment, or several where a column tells episodes apart. Columns become streams; which column is the time
and which parts episodes is taken from a mapping's `source`, or else by name, and said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.bounds import check_size
from motorium.data.formats.tables.columns import (
    TIME_UNITS,
    Roles,
    describe,
    find_roles,
    maybe_times,
    split_unit,
    unread,
)
from motorium.data.formats.tables.csv import CsvTable
from motorium.data.formats.tables.files import Table, kind_of, open_table
from motorium.data.formats.tables.options import TableOptions, Unit
from motorium.data.formats.tables.segment import TableGroup, TablePart, TableSegment
from motorium.data.formats.tables.sparse import find_sparse, parted
from motorium.data.formats.tables.values import epoch_unit, times_of
from motorium.data.log import Log

MOST_FILES = 100_000
# Tables that are enough to recognise a folder, and files that are looked at for them.
SHOWN, LOOKED_AT = 10, 500
MOST_EPISODES = 1_000_000


class TableFiles:
    """Reader of one table, or of a folder of them."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that there are tables."""
        try:
            files = _files(path, SHOWN)
        except (DataError, OSError):
            return None
        if not files:
            return None
        kinds = ", ".join(sorted({kind_of(file) or "" for file in files}))
        many = f"{SHOWN} tables or more" if len(files) == SHOWN else f"{len(files)} table(s)"
        return f"{many} ({kinds}), first {files[0].name}"

    def open(self, path: Path, options: Mapping[str, Any] | None = None) -> Log:
        """Read what the tables' columns are and where episodes begin.

        Args:
            options: `source` of a mapping: fields of `TableOptions`.

        Raises:
            DataError: when a table is damaged, or what is stated about it does not hold.
            SpecError: for options that do not exist.
        """
        stated = TableOptions.parse(options or {}, where="source")
        try:
            files = [path] if path.is_file() else _files(path)
        except OSError as error:
            raise DataError("a folder cannot be read", where=path, got=error) from error
        if not files:
            raise DataError("there are no tables here", where=path, expected="CSV, TSV, Parquet or Feather files")
        segments: list[TableSegment] = []
        problems: list[str] = []
        found: Roles | None = None
        group = TableGroup([])
        opened: list[tuple[Table, Roles, list[_Rows]]] = []
        for file in files:
            table = open_table(file, stated)
            roles, said = find_time(table, find_roles(table.types, stated, file), stated)
            episodes, roles, notes = _read_rows(table, roles, stated)
            opened.append((table, roles, episodes))
            group.tables.append(table)
            problems += [f"{file.name}: {note}" for note in (*said, *notes, *_notes(table))]
            found = found or roles
        if any(roles.time is not None for _, roles, _ in opened):
            find_sparse(group.tables)
        for table, roles, episodes in opened:
            streams = describe(table.types, stated, roles, table.path)
            apart = parted(streams.values(), table)
            if apart:
                streams = describe(table.types, stated, roles, table.path, apart)
            for first, last, label in episodes:
                name = "/".join(filter(None, [table.path.name if len(files) > 1 or not label else "", label]))
                segments.append(TableSegment(name, TablePart(table, streams, roles, group, first, last)))
        problems += [*_differences(segments), *_mapping_beside(path, stated)]
        return Log(
            format="table",
            path=path,
            segments=segments,
            conventions={},
            facts=_facts(group, found, stated),
            problems=problems[:200],
        )

    def suggest(self, path: Path) -> dict[str, Any]:
        """Return the options that `open` takes by itself, to be put into a mapping's `source` and changed.

        Raises:
            DataError: as `open`.
        """
        return json.loads(self.open(path).facts["source"])


FORMAT = TableFiles()


def _files(path: Path, at_most: int = MOST_FILES) -> list[Path]:
    """Return the tables of a folder, sorted; no more than `at_most`, of the first files where these are many."""
    if path.is_file():
        return [path] if kind_of(path) else []
    found: list[Path] = []
    for number, one in enumerate(sorted(path.iterdir())):
        if len(found) == at_most or (at_most < MOST_FILES and number >= LOOKED_AT):
            break
        check_size("a folder of tables, in files,", number, MOST_FILES, path)
        if one.is_file() and not one.name.startswith(".") and one.name.upper() not in ("README", "LICENSE"):
            found += [one] if kind_of(one) else []
    return found


def _read_rows(table: Table, roles: Roles, options: TableOptions) -> tuple[list[_Rows], Roles, list[str]]:
    """Return the episodes, the roles that hold, and what is odd; one pass over times and episodes."""
    if not table.rows:
        return [], roles, ["there are no rows"]
    notes: list[str] = []
    names = [name for name in (roles.episode, roles.time) if name is not None]
    runs, backward = _Runs(table, roles, options), _Backward()
    place = 0
    for arrays in table.batches(names, 0, table.rows) if names else ():
        if roles.episode is not None and not runs.broken:
            runs.add(arrays[0], place)
        if roles.time is not None:
            if place == 0 and roles.time_unit is None:
                roles = replace(roles, time_unit=_unit(arrays[-1], roles, notes))
            where = f"{table.path}, column '{roles.time}'"
            backward.add(times_of(arrays[-1], roles.time_unit or "s", where, place), place)
        place += len(arrays[0])
    starts, labels = runs.starts, [f"{roles.episode}={value}" for value in runs.values]
    if roles.episode is not None and not options.stated("episode") and len(starts) == table.rows > 1:
        runs.broken = "it is another one in every row"
    if runs.broken:
        notes.append(f"'{roles.episode}' does not part episodes: {runs.broken}")
    if roles.episode is None or runs.broken:
        starts, labels, roles = [0], [""], replace(roles, episode=None)
    odd = [row for row in backward.rows if row not in set(starts)]
    if odd:
        hint = "" if roles.episode else "; where that is a new recording, add a column of episodes or part the file"
        notes.append(f"times in '{roles.time}' go back in {len(odd)} rows, first in row {odd[0] + 1}{hint}")
    return list(map(_Rows, starts, [*starts[1:], table.rows], labels)), roles, notes


def find_time(table: Table, roles: Roles, options: TableOptions) -> tuple[Roles, list[str]]:
    """Return the roles with a column of times that no name gives away, and what is to be said of it.

    A column is taken when a word or a unit in its header speaks of time, it goes forward with every row of the first
    batch, and it is the only one.
    """
    if roles.time is not None or options.stated("time") or not table.rows:
        return roles, []
    names = [name for name in maybe_times(table.types) if name not in (roles.episode, roles.task)]
    arrays = next(table.batches(names, 0, table.rows)) if names else []
    fit = [name for name, cells in zip(names, arrays) if _forward(cells)]
    if len(fit) != 1:
        several = f": it may be {', '.join(fit[:8])}" if fit else ""
        return roles, [f"no column is known as the time, so rows are steps{several}; state source.time if one is"]
    unit = split_unit(fit[0])[1]
    found = replace(roles, time=fit[0], time_unit=options.time_unit or (unit if unit in TIME_UNITS else None))
    return found, [f"'{fit[0]}' is taken for the time, as it goes forward with every row: state source.time if not"]


def _forward(cells: pa.Array) -> bool:
    if cells.null_count or len(cells) < 2 or pa.types.is_time(cells.type):
        return False
    try:
        times = times_of(cells, "s", "")
    except DataError:
        return False
    return bool((np.diff(times) > 0).all())


class _Rows(NamedTuple):
    """Rows [first, last) of an episode, and what its column says; "" without one."""

    first: int
    last: int
    label: str


class _Runs:
    """Where the value of the episode's column changes."""

    def __init__(self, table: Table, roles: Roles, options: TableOptions) -> None:
        self._table, self._name, self._stated = table, roles.episode, options.stated("episode")
        self._seen: set[Any] = set()
        self._last: Any = None
        self.starts: list[int] = []
        self.values: list[Any] = []
        self.broken = ""

    def add(self, cells: pa.Array, place: int) -> None:
        """Take the next cells of the column, the first of them in row `place`; `broken` says why it names no episodes.

        Raises:
            DataError: when a cell is empty, or, of a column that was stated, a value comes back.
        """
        cells = cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells
        runs = pc.run_end_encode(cells)
        ends = np.asarray(runs.run_ends)
        for value, start in zip(runs.values.to_pylist(), [0, *ends[:-1].tolist()]):
            if self.starts and value == self._last:
                continue
            where = f"{self._table.path}, '{self._name}', row {place + start + 1}"
            if value is None:
                raise DataError("an episode has no name", where=where, expected="a value in every row")
            if value in self._seen:
                if not self._stated:
                    self.broken = f"'{value}' comes back in row {place + start + 1}"
                    return
                raise DataError(
                    "rows of one episode are not together", where=where, got=value, remedy="sort the table by episode"
                )
            check_size("a table, in episodes,", len(self.starts), MOST_EPISODES, self._table.path)
            self._seen.add(value)
            self.starts.append(place + start)
            self.values.append(value)
            self._last = value


class _Backward:
    """Rows whose time is before that of the row above."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self._last: int | None = None

    def add(self, times_ns: NDArray[np.int64], place: int) -> None:
        """Take the next times, (n,) int64 ns, the first of them in row `place`."""
        before = times_ns[:1] if self._last is None else np.array([self._last])
        found = np.flatnonzero(np.diff(np.concatenate([before, times_ns])) < 0)
        self.rows += (found[: MOST_EPISODES - len(self.rows)] + place).tolist()
        self._last = int(times_ns[-1]) if len(times_ns) else self._last


def _unit(cells: pa.Array, roles: Roles, notes: list[str]) -> Unit | None:
    """Return the unit of times that nothing states: by their size where they count from 1970, else seconds."""
    if pa.types.is_temporal(cells.type) or not len(cells):
        return None
    first = cells.drop_null()
    found = epoch_unit(float(first[0].as_py())) if len(first) else None
    taken = f"as {found} since 1970, by their size" if found else "as seconds"
    notes.append(f"times in '{roles.time}' are taken {taken}: state source.time_unit if they are not")
    return found or "s"


def _notes(table: Table) -> list[str]:
    notes = []
    left_out = unread(table.types)
    if left_out:
        notes.append(f"columns that are empty or nested are left out: {', '.join(left_out[:20])}")
    if isinstance(table, CsvTable) and table.dialect.renamed:
        notes.append("columns without a name of their own were renamed")
    return notes


def _mapping_beside(path: Path, options: TableOptions) -> list[str]:
    """Return a word on the mapping that our own writer puts beside its tables, unless one is in use."""
    beside = (path if path.is_dir() else path.parent) / "mapping.yaml"
    if not beside.is_file() or options.model_fields_set:
        return []
    return [f"there is a mapping beside the tables, which is not used unless it is named: --mapping {beside}"]


def _differences(segments: Sequence[TableSegment]) -> list[str]:
    """Return which columns not every table has."""
    if not segments:
        return []
    sets = {id(segment.columns): segment for segment in segments}
    union = sorted({name for segment in sets.values() for name in segment.columns})
    some = [name for name in union if any(name not in segment.columns for segment in sets.values())]
    return [f"not every table has these columns: {', '.join(some[:20])}"] if some else []


def _facts(group: TableGroup, roles: Roles | None, stated: TableOptions) -> dict[str, str]:
    facts = {"tables": str(len(group.tables)), "rows": f"{sum(table.rows for table in group.tables):,}"}
    taken = stated.model_dump(mode="json", exclude_unset=True)
    if roles is not None:
        chosen = {"time": roles.time, "time_unit": roles.time_unit, "episode": roles.episode, "task": roles.task}
        taken |= {name: value for name, value in chosen.items() if name != "time_unit" or value is not None}
    first = group.tables[0] if group.tables else None
    if isinstance(first, CsvTable):
        facts["text"] = f"{first.dialect.encoding}, parted by {first.dialect.delimiter!r}"
        taken |= {"delimiter": first.dialect.delimiter, "encoding": first.dialect.encoding}
    return {**facts, "source": json.dumps(taken, ensure_ascii=False)}
