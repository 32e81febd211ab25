"""Survey: what a dataset's folder holds, read leniently: a damaged part is said, and the others are still read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.data.doctor.finding import reason
from motorium.data.doctor.probe import Probe, probe
from motorium.data.formats.lerobot_lines import read_lines
from motorium.data.formats.lerobot_v30 import task_words
from motorium.data.index import COUNTABLE
from motorium.data.info import Info, parse_info, read_json
from motorium.data.layout import (
    AUTOMATIC,
    EPISODES_PATH,
    EPISODES_PATH_V21,
    INFO_PATH,
    TASKS_PATH,
    TASKS_PATH_V21,
    fill,
    numbered_files,
)
from motorium.data.tables import from_arrow, open_parquet, read_columns

COUNTS = ("total_episodes", "total_frames")
POINTERS = ("chunk_index", "file_index")


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file of rows.

    Attributes:
        numbers: those in its name.
        rows, columns: as its footer says; nothing where there is a `fault`.
        automatic: the automatic columns that it has, (rows,) each.
        fault: why it cannot be read.
    """

    path: Path
    numbers: tuple[int, ...]
    rows: int = 0
    columns: tuple[str, ...] = ()
    automatic: Mapping[str, NDArray] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """Consecutive rows of one episode in one file: rows [first, first + length) of file number `file`."""

    episode: int
    file: int
    first: int
    length: int


class Survey:
    """A dataset's folder.

    Attributes:
        root: the folder.
        v30: whether it is laid out as v3.0 (else as v2.x).
        plain: content of meta/info.json; {} where it cannot be read.
        faults: {part of the folder: why it cannot be read}.
    """

    def __init__(self, root: Path, probes: dict[tuple, Probe] | None = None) -> None:
        """Take what is known of videos from another survey, whose files may have moved."""
        self.root = root
        self.probes = {} if probes is None else probes
        self.faults: dict[str, str] = {}
        self.v30 = (root / "meta/episodes").is_dir() or not (root / EPISODES_PATH_V21).is_file()
        self.plain: dict[str, Any] = {}
        try:
            plain = read_json(root / INFO_PATH)
            if not isinstance(plain, dict):
                raise DataError("info.json holds no mapping", got=type(plain).__name__)
            self.plain = plain
        except DataError as error:
            self.faults[INFO_PATH] = reason(error)

    @cached_property
    def info(self) -> Info | None:
        """What meta/info.json says; counts that are missing or no counts are zero. None: it makes no sense."""
        if not self.plain:
            return None
        counts = {key: 0 for key in COUNTS if not _is_count(self.plain.get(key))}
        sizes = {} if _is_count(self.plain.get("chunks_size", 1)) else {"chunks_size": 1000}
        try:
            return parse_info(self.root, {**self.plain, **counts, **sizes})
        except DataError as error:
            self.faults[INFO_PATH] = f"{reason(error)} ({error.details.get('where')})"
            return None

    @cached_property
    def table(self) -> pa.Table | None:
        """The table of episodes of v3.0, in the order of its files; None: absent or not readable, see `faults`."""
        parts = []
        for _, path in numbered_files(self.root, EPISODES_PATH):
            try:
                parts.append(read_columns(path, None))
            except DataError as error:
                self.faults[self.relative(path)] = reason(error)
        if not parts:
            return None
        try:
            return pa.concat_tables(parts, promote_options="default")
        except pa.ArrowException as error:
            self.faults["meta/episodes"] = first_line(error)
            return parts[0]

    @cached_property
    def episodes(self) -> list[dict[str, Any]]:
        """Rows of the table of episodes, without statistics."""
        if self.v30:
            if self.table is None:
                return []
            names = [name for name in self.table.column_names if not name.startswith("stats/")]
            return [row for row in self.table.select(names).to_pylist() if _is_count(row.get("episode_index"))]
        try:
            rows = read_lines(self.root / EPISODES_PATH_V21, ("episode_index",))
        except DataError as error:
            self.faults[EPISODES_PATH_V21] = reason(error)
            return []
        return [row for row in rows if _is_count(row["episode_index"])]

    @cached_property
    def tasks(self) -> list[tuple[Any, str]]:
        """(task_index, words) in the order of the table's rows."""
        try:
            if self.v30:
                table = read_columns(self.root / TASKS_PATH, None)
                indices, words = task_words(table, self.root / TASKS_PATH)
                return list(zip(indices, words))
            rows = read_lines(self.root / TASKS_PATH_V21, ("task_index", "task"))
            return [(row["task_index"], str(row["task"])) for row in rows]
        except DataError as error:
            self.faults[TASKS_PATH if self.v30 else TASKS_PATH_V21] = reason(error)
            return []

    @cached_property
    def files(self) -> list[DataFile]:
        """Files of rows, in the order of their numbers."""
        if self.info is None:
            return []
        return [_data_file(path, found) for found, path in numbered_files(self.root, self.info.data_path, INFO_PATH)]

    @cached_property
    def runs(self) -> list[Run]:
        """Consecutive rows of one episode, in the order of the files."""
        runs = []
        for number, file in enumerate(self.files):
            owner = file.automatic.get("episode_index")
            if owner is None or not len(owner):
                continue
            cuts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(owner)]
            for first, stop in pairwise(cuts):
                runs.append(Run(episode=int(owner[first]), file=number, first=first, length=stop - first))
        return runs

    def column(self, key: str) -> NDArray:
        """Return an automatic column over all readable files: (N,); empty where files lack it."""
        parts = [file.automatic[key] for file in self.files if key in file.automatic]
        return np.concatenate(parts) if parts else np.zeros(0, AUTOMATIC[key].dtype)

    def video_files(self, key: str) -> list[tuple[tuple[int, ...], Path]]:
        """Return the videos of a camera, with the numbers in their names."""
        if self.info is None or self.info.video_path is None:
            return []
        return numbered_files(self.root, self.info.video_path.replace("{video_key}", key), INFO_PATH)

    def video_of(self, key: str, row: Mapping[str, Any]) -> tuple[Path, float] | None:
        """Return where the table says an episode's video is: (file, time of its first frame); None: nowhere."""
        if self.info is None or self.info.video_path is None:
            return None
        values: dict[str, Any] = {"video_key": key}
        from_s = 0.0
        if self.v30:
            found = [row.get(f"videos/{key}/{name}") for name in (*POINTERS, "from_timestamp")]
            if not all(isinstance(one, (int, float)) and one == one and one >= 0 for one in found):
                return None
            values |= {name: int(one) for name, one in zip(POINTERS, found)}
            from_s = float(found[2])
        else:
            index = row["episode_index"]
            values |= {"episode_chunk": index // self.info.chunk_files, "episode_index": index}
        return self.root / fill(self.info.video_path, INFO_PATH, **values), from_s

    def probe(self, path: Path, deep: bool = False) -> Probe:
        """Return what a video holds; each file is read once."""
        stat = path.stat()
        key = (stat.st_ino, stat.st_size, stat.st_mtime_ns, deep)
        if key not in self.probes:
            self.probes[key] = probe(path, deep)
        return self.probes[key]

    def relative(self, path: Path) -> str:
        """Return a path within the dataset."""
        return path.relative_to(self.root).as_posix()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _data_file(path: Path, found: tuple[int, ...]) -> DataFile:
    try:
        with open_parquet(path) as file:
            rows, columns = file.metadata.num_rows, tuple(file.schema_arrow.names)
        there = [key for key in AUTOMATIC if key in columns]
        table = read_columns(path, there, optional=COUNTABLE)
        automatic = {
            key: from_arrow(table.column(key), key, AUTOMATIC[key], path).reshape(-1) for key in table.column_names
        }
    except DataError as error:
        return DataFile(path=path, numbers=found, fault=reason(error))
    return DataFile(path=path, numbers=found, rows=rows, columns=columns, automatic=automatic)
