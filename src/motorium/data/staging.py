"""Staging: each finished episode of a recording as files of its own, so that a kill costs only the unfinished one.

.recording/spec.json                          what is recorded
.recording/episode_000012.<camera>.mp4        pictures; without the next file they are leftovers
.recording/episode_000012.parquet             the rows, and in its metadata the rest; its rename is the commit
.recording/attachments/<digest>/map.json      files that belong to whole episodes, by content
.recording/final/                             what finalize has built so far; worthless after a kill
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from motorium.core.durable import sync
from motorium.core.errors import DataError
from motorium.data import statistics
from motorium.data.layout import STAGING_DIR
from motorium.data.tables import open_parquet, read_columns

RECORD_KEY = b"motorium"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of one staged episode beside its rows.

    Attributes:
        cameras: those with a staged mp4.
        statistics: {feature: {name: nested lists}} for the table of episodes.
        attachments: {name: path within the dataset}.
    """

    length: int
    task: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    cameras: tuple[str, ...] = ()
    statistics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    attachments: Mapping[str, str] = field(default_factory=dict)
    data_bytes: int = 0


class Staging:
    """The folder `.recording` of one recording."""

    def __init__(self, root: Path, durable: bool) -> None:
        self.folder = root / STAGING_DIR
        self.final = self.folder / "final"
        self._durable = durable

    @property
    def spec_path(self) -> Path:
        """Where the recording's spec is kept."""
        return self.folder / "spec.json"

    def start(self, spec: Mapping[str, Any]) -> None:
        """Create the folder and keep the spec."""
        self.folder.mkdir(parents=True)
        temporary = self.spec_path.with_suffix(".tmp")
        temporary.write_text(json.dumps(spec, indent=2), encoding="utf-8")
        self._commit(temporary, self.spec_path)

    def remove_unstarted(self) -> None:
        """Remove the folder of a recording that was killed before it had begun, or after its very end."""
        if self.folder.is_dir() and {path.name for path in self.folder.iterdir()} <= {"spec.tmp"}:
            shutil.rmtree(self.folder)

    def parquet(self, index: int) -> Path:
        """Where the rows of an episode are."""
        return self.folder / f"episode_{index:06d}.parquet"

    def video(self, index: int, camera: str) -> Path:
        """Where the pictures of an episode and camera are."""
        return self.folder / f"episode_{index:06d}.{camera}.mp4"

    def attachment(self, path: str) -> Path:
        """Where the content of an attachment is; `path` is the one within the dataset."""
        return self.folder / path

    def attach(self, path: str, content: bytes) -> None:
        """Keep the content of an attachment; of equal content, once."""
        target = self.attachment(path)
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".tmp")
        temporary.write_bytes(content)
        self._commit(temporary, target)

    def commit(self, index: int, table: pa.Table, record: Record) -> Record:
        """Make an episode count: its videos are in place, its rows are written aside and renamed."""
        for camera in record.cameras:
            self._sync(self.video(index, camera))
        plain = {
            "length": record.length,
            "task": record.task,
            "meta": dict(record.meta),
            "cameras": list(record.cameras),
            "statistics": record.statistics,
            "attachments": dict(record.attachments),
        }
        metadata = {**(table.schema.metadata or {}), RECORD_KEY: json.dumps(plain, allow_nan=False).encode()}
        temporary = self.parquet(index).with_suffix(".tmp")
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="snappy")
        self._commit(temporary, self.parquet(index))
        return self._sized(index, plain)

    def discard(self, index: int) -> None:
        """Remove what an unfinished episode left behind."""
        for path in self.folder.glob(f"episode_{index:06d}.*"):
            path.unlink()

    def rows(self, index: int) -> pa.Table:
        """Return the rows of a staged episode."""
        return read_columns(self.parquet(index), None)

    def records(self) -> list[Record]:
        """Return the finished episodes in order, and remove leftovers of unfinished ones.

        Raises:
            DataError: when a finished episode is damaged or missing between others.
        """
        shutil.rmtree(self.final, ignore_errors=True)
        indices = sorted(int(path.stem.removeprefix("episode_")) for path in self.folder.glob("episode_*.parquet"))
        if indices != list(range(len(indices))):
            raise DataError("a staged episode is missing", where=self.folder, got=indices, expected="0 to N - 1")
        for path in self.folder.glob("episode_*"):
            number = int(path.name.removeprefix("episode_")[:6])
            if number >= len(indices) or path.suffix == ".tmp":
                path.unlink()
        return [self._read_record(index) for index in indices]

    def remove(self) -> None:
        """Remove the folder; the dataset is complete without it. The spec goes last: `recover` looks for it."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self.spec_path:
                path.unlink()
        self.spec_path.unlink()
        self.folder.rmdir()

    def _read_record(self, index: int) -> Record:
        with open_parquet(self.parquet(index)) as file:
            metadata = file.schema_arrow.metadata or {}
        try:
            return self._sized(index, json.loads(metadata[RECORD_KEY]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("a staged episode is damaged", where=self.parquet(index), got=repr(error)) from error

    def _sized(self, index: int, plain: dict[str, Any]) -> Record:
        with open_parquet(self.parquet(index)) as file:
            group = file.metadata.row_group(0)
        # Of the rows alone: the record beside them stays here.
        size = sum(group.column(place).total_compressed_size for place in range(group.num_columns))
        return Record(**{**plain, "cameras": tuple(plain["cameras"])}, data_bytes=size)

    def _commit(self, temporary: Path, target: Path) -> None:
        self._sync(temporary)
        os.replace(temporary, target)
        self._sync(target.parent)

    def _sync(self, path: Path) -> None:
        """Have the disk hold it before going on: a kill alone would not need this, a power cut does."""
        if self._durable:
            sync(path)


def link(source: Path, target: Path) -> None:
    """Have `target` hold what `source` holds, without copying where the file system can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:
        # From an adoption that was killed: it may be another file's leftover.
        target.unlink()
        link(source, target)
    except OSError:
        # No hard links on this file system, or the two are on different ones.
        shutil.copyfile(source, target)


def plain_meta(meta: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return episode metadata as JSON-compatible data; NumPy scalars and arrays become numbers and lists.

    Raises:
        DataError: for anything else, and for numbers that are not finite.
    """

    def convert(value: Any) -> Any:
        if isinstance(value, (np.generic, np.ndarray)):
            return value.tolist()
        raise TypeError(f"{type(value).__name__} is not plain data")

    try:
        return json.loads(json.dumps(dict(meta), default=convert, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise DataError("an episode's meta is not plain data", where=where, got=error, expected="JSON data") from error


def plain_statistics(found: Mapping[str, statistics.Statistics]) -> dict[str, dict[str, Any]]:
    """Return statistics of features as nested lists."""
    return {key: statistics.to_plain(value) for key, value in found.items()}
