"""Assembling: staged episodes into the files of a LeRobot v3.0 dataset."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from motorium.core.durable import sync
from motorium.core.features import Feature
from motorium.data import statistics
from motorium.data.info import info_feature, own_plain, plain_fps, write_json
from motorium.data.layout import (
    ATTACHMENTS_COLUMN,
    AUTOMATIC,
    CONVENTIONS_PATH,
    DATA_PATH,
    EPISODES_PATH,
    EXTRA_VIDEO_PATH,
    INFO_PATH,
    META_COLUMN,
    MIB,
    STATS_PATH,
    TASKS_PATH,
    VIDEO_PATH,
    chunk_and_file,
    fill,
)
from motorium.data.staging import Record, Staging, link
from motorium.data.tables import from_arrow, read_columns
from motorium.data.video_read import open_mp4
from motorium.data.video_write import Joiner, find_clip, picture_info

if TYPE_CHECKING:
    from motorium.data.writer import DatasetSpec

# Bytes of a column whose quantiles are still taken exactly, in memory (several times over).
LARGEST_EXACT = 64 * MIB
FOLDERS = ("data", "videos", "extra_videos", "attachments", "meta")

Rows = list[dict[str, Any]]


def assemble(
    spec: DatasetSpec, schema: pa.Schema, staging: Staging, records: Sequence[Record], tasks: Sequence[str]
) -> None:
    """Build the whole dataset in `staging.final`."""
    root = staging.final
    rows: Rows = [{} for _ in records]
    data_files = _join_data(spec, schema, staging, records, rows)
    pictures, extra = {}, {}
    for key, feature in spec.features.items():
        if feature.dtype == "video":
            pictures[key] = _join_videos(spec, staging, records, key, rows)
    for key in spec.extra_cameras:
        extra[key] = _copy_extra(staging, records, key)
    _copy_attachments(staging, records)
    _write_episodes(root, spec, records, rows)
    _write_tasks(root, tasks)
    _write_statistics(root, spec, records, data_files)
    write_json(root / CONVENTIONS_PATH, own_plain(spec.features, spec.conventions, spec.fps, spec.extra_cameras, extra))
    write_json(root / INFO_PATH, _info(spec, records, tasks, pictures))
    if spec.durable:
        for path in sorted(root.rglob("*")):
            sync(path)


def publish(staging: Staging, root: Path) -> None:
    """Move the finished folders into place; `meta` comes last and makes the dataset exist."""
    for name in FOLDERS:
        source, target = staging.final / name, root / name
        if target.exists():
            # From an earlier finalize that was killed between two of these moves.
            shutil.rmtree(target)
        if source.exists():
            os.replace(source, target)


def _join_data(
    spec: DatasetSpec, schema: pa.Schema, staging: Staging, records: Sequence[Record], rows: Rows
) -> list[Path]:
    """Write the data files, one row group an episode; a file is full before it exceeds its limit."""
    paths: list[Path] = []
    writer, size, first = None, 0, 0
    try:
        for index, record in enumerate(records):
            if writer is None or size + record.data_bytes > spec.data_file_mib * MIB:
                if writer is not None:
                    writer.close()
                paths.append(staging.final / _numbered(spec, DATA_PATH, len(paths)))
                paths[-1].parent.mkdir(parents=True, exist_ok=True)
                writer, size = pq.ParquetWriter(paths[-1], schema, compression="snappy", use_dictionary=True), 0
            table = staging.rows(index).replace_schema_metadata(schema.metadata)
            writer.write_table(table.cast(schema), row_group_size=max(record.length, 1))
            size += record.data_bytes
            chunk, file = chunk_and_file(len(paths) - 1, spec.chunk_files)
            rows[index] |= {"data/chunk_index": chunk, "data/file_index": file}
            rows[index] |= {"dataset_from_index": first, "dataset_to_index": first + record.length}
            first += record.length
    finally:
        if writer is not None:
            writer.close()
    return paths


def _join_videos(
    spec: DatasetSpec, staging: Staging, records: Sequence[Record], key: str, rows: Rows
) -> dict[str, Any]:
    """Join one camera's episodes; a new file begins at the size limit, or where another encoding does."""
    joiner, number, size = None, -1, 0
    first_path = staging.final / _numbered(spec, VIDEO_PATH, 0, video_key=key)
    for index, record in enumerate(records):
        path = staging.video(index, key)
        with open_mp4(path) as container:
            clip = find_clip(container, path, 0.0, range(record.length), spec.fps)
            length = path.stat().st_size
            if joiner is None or joiner.signature != clip.signature or size + length > spec.video_file_mib * MIB:
                if joiner is not None:
                    joiner.close()
                number, size = number + 1, 0
                joiner = Joiner(staging.final / _numbered(spec, VIDEO_PATH, number, video_key=key), spec.fps)
            from_s = joiner.add(clip)
        size += length
        chunk, file = chunk_and_file(number, spec.chunk_files)
        rows[index] |= {
            f"videos/{key}/chunk_index": chunk,
            f"videos/{key}/file_index": file,
            f"videos/{key}/from_timestamp": from_s,
            f"videos/{key}/to_timestamp": joiner.steps / spec.fps,
        }
    joiner.close()
    return picture_info(first_path, spec.fps)


def _copy_extra(staging: Staging, records: Sequence[Record], key: str) -> dict[int, str]:
    """Put the videos of a camera that only some episodes have beside LeRobot's files; return their paths."""
    paths = {}
    for index, record in enumerate(records):
        if key in record.cameras:
            paths[index] = fill(EXTRA_VIDEO_PATH, key, video_key=key, episode_index=index)
            link(staging.video(index, key), staging.final / paths[index])
    return paths


def _copy_attachments(staging: Staging, records: Sequence[Record]) -> None:
    """Put the files that belong to episodes in place; leftovers of episodes that were never finished stay behind."""
    for path in sorted({path for record in records for path in record.attachments.values()}):
        link(staging.attachment(path), staging.final / path)


def _write_episodes(root: Path, spec: DatasetSpec, records: Sequence[Record], rows: Rows) -> None:
    """Write the table of episodes in LeRobot's order of columns; what Motorium adds is one column at the end."""
    columns: dict[str, pa.Array] = {
        "episode_index": pa.array(range(len(records)), pa.int64()),
        "tasks": pa.array([[record.task] for record in records], pa.list_(_element(pa.string()))),
        "length": pa.array([record.length for record in records], pa.int64()),
    }
    for name in rows[0]:
        kind = pa.float64() if name.endswith("_timestamp") else pa.int64()
        columns[name] = pa.array([row[name] for row in rows], kind)
    for key, feature in {**spec.features, **AUTOMATIC}.items():
        if feature.dtype == "string":
            continue
        for name in statistics.KEYS:
            values = [record.statistics[key].get(name) for record in records]
            columns[f"stats/{key}/{name}"] = pa.array(values, statistic_type(feature, name))
    columns["meta/episodes/chunk_index"] = pa.array([0] * len(records), pa.int64())
    columns["meta/episodes/file_index"] = pa.array([0] * len(records), pa.int64())
    columns[META_COLUMN] = _json_column([record.meta for record in records])
    if any(record.attachments for record in records):
        columns[ATTACHMENTS_COLUMN] = _json_column([record.attachments for record in records])
    path = root / fill(EPISODES_PATH, INFO_PATH, chunk_index=0, file_index=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, compression="snappy")


def _json_column(values: Sequence[Any]) -> pa.Array:
    return pa.array([json.dumps(dict(value), sort_keys=True) for value in values], pa.string())


def statistic_type(feature: Feature, name: str) -> pa.DataType:
    """Return the type of the column `stats/<feature>/<name>` in the table of episodes."""
    if feature.visual:
        kind = pa.int64() if name == "count" else pa.float64()
        return pa.list_(_element(kind)) if name == "count" else _nested(kind, 3)
    if name == "count":
        return _nested(pa.int64(), 1)
    kind = np.dtype(feature.dtype).kind
    if name in ("min", "max") and kind in "biu":
        wide = pa.uint64() if np.dtype(feature.dtype) == np.uint64 else pa.int64()
        return _nested(pa.bool_() if kind == "b" else wide, 1)
    return _nested(pa.float64(), 1)


def _nested(kind: pa.DataType, depth: int) -> pa.DataType:
    for _ in range(depth):
        kind = pa.list_(_element(kind))
    return kind


def _element(kind: pa.DataType) -> pa.Field:
    return pa.field("element", kind)


def _write_tasks(root: Path, tasks: Sequence[str]) -> None:
    """Write the tasks as pandas would with the words as index, which is how LeRobot reads them."""
    index = "__index_level_0__"

    def column(name: str | None, field: str, kind: str, numpy: str) -> dict[str, Any]:
        return {"name": name, "field_name": field, "pandas_type": kind, "numpy_type": numpy, "metadata": None}

    pandas = {
        "index_columns": [index],
        "column_indexes": [column(None, None, "unicode", "object") | {"metadata": {"encoding": "UTF-8"}}],
        "columns": [column("task_index", "task_index", "int64", "int64"), column(None, index, "unicode", "object")],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), index: pa.array(list(tasks), pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), root / TASKS_PATH)


def _write_statistics(root: Path, spec: DatasetSpec, records: Sequence[Record], data_files: Sequence[Path]) -> None:
    """Write meta/stats.json: numbers exactly from the data, pictures from the episodes' statistics.

    Columns that would not fit into memory beside everything else are aggregated from the episodes, as LeRobot does.
    """
    found, steps = {}, sum(record.length for record in records)
    for key, feature in {**spec.features, **AUTOMATIC}.items():
        if feature.dtype == "string":
            continue
        if feature.visual or steps * feature.size * np.dtype(feature.dtype).itemsize > LARGEST_EXACT:
            parts = [statistics.from_plain(record.statistics[key]) for record in records]
            found[key] = statistics.to_plain(statistics.aggregate(parts))
        else:
            columns = [from_arrow(read_columns(path, [key]).column(key), key, feature, path) for path in data_files]
            found[key] = statistics.to_plain(statistics.number_statistics(np.concatenate(columns), feature))
    write_json(root / STATS_PATH, found)


def _info(
    spec: DatasetSpec, records: Sequence[Record], tasks: Sequence[str], pictures: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    features = {**spec.features, **AUTOMATIC}
    return {
        "codebase_version": "v3.0",
        "robot_type": spec.robot_type,
        "total_episodes": len(records),
        "total_frames": sum(record.length for record in records),
        "total_tasks": len(tasks),
        "chunks_size": spec.chunk_files,
        "data_files_size_in_mb": spec.data_file_mib,
        "video_files_size_in_mb": spec.video_file_mib,
        "fps": plain_fps(spec.fps),
        "splits": {"train": f"0:{len(records)}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if pictures else None,
        "features": {key: info_feature(feature, pictures.get(key)) for key, feature in features.items()},
    }


def _numbered(spec: DatasetSpec, template: str, number: int, **values: str) -> str:
    chunk, file = chunk_and_file(number, spec.chunk_files)
    return fill(template, INFO_PATH, chunk_index=chunk, file_index=file, **values)
