"""Writer of LeRobot v2.1: one parquet file and one mp4 an episode, tables in JSON lines; GR00T reads it as well.

As LeRobot's own code of that version writes it, with three additions that it does not look at: quantiles among the
statistics, what Motorium knows of an episode as text under `motorium/meta`, and meta/motorium.json with units and
frames. With `modality`, meta/modality.json and meta/stats.json are there too, which GR00T needs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.progress import Progress
from motorium.core.spec import Spec
from motorium.data import statistics
from motorium.data.dataset import Dataset
from motorium.data.info import info_feature, own_plain, plain_fps, write_json
from motorium.data.layout import (
    ATTACHMENTS_COLUMN,
    AUTOMATIC,
    CHUNK_FILES,
    CONVENTIONS_PATH,
    DATA_PATH_V21,
    EPISODES_PATH_V21,
    EXTRA_VIDEO_PATH,
    INFO_PATH,
    META_COLUMN,
    MODALITY_PATH,
    STATS_PATH,
    STATS_PATH_V21,
    TASKS_PATH_V21,
    VIDEO_PATH_V21,
    attachment_path,
    fill,
)
from motorium.data.modality_parts import make_modality
from motorium.data.rows import WHOLE_BYTES
from motorium.data.statistics import Statistics
from motorium.data.tables import data_schema, images_to_arrow, to_arrow
from motorium.data.video_write import PROFILES, copy_clip, encode, encode_png, picture_info
from motorium.data.writers.base import FormatWriter, Written

INDEX = Feature(dtype="int64", shape=(1,))


class LeRobotV21Spec(Spec):
    """Options of the writer."""

    modality: bool = Field(True, description="write meta/modality.json and meta/stats.json, which GR00T needs")
    chunk_files: int = Field(CHUNK_FILES, gt=0, description="episodes in a chunk folder")
    video_profile: Literal["fast", "lerobot"] = Field(
        "fast", description="how a video is encoded whose packets cannot be copied"
    )


def write(dataset: Dataset, path: Path, spec: LeRobotV21Spec, progress: Progress) -> Written:
    """Write a dataset as LeRobot v2.1 into the new folder `path`; progress counts episodes.

    Raises:
        DataError: when `path` exists, the dataset cannot be read, or the disk is full.
    """
    path = Path(path)
    if path.exists():
        raise DataError("there is already something where the dataset is to be", where=path, remedy="choose a new path")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        left_out = _Folder(dataset, partial, spec).write(progress)
        os.replace(partial, path)
    except OSError as error:
        raise DataError("the dataset cannot be written", where=path, got=error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Written(paths=[path], left_out=left_out)


class _Folder:
    """One dataset on its way into one folder."""

    def __init__(self, dataset: Dataset, root: Path, spec: LeRobotV21Spec) -> None:
        self.dataset, self.root, self.spec = dataset, root, spec
        missing = dataset.missing_videos()
        self.extra = {key: dataset.camera_feature(key) for key in dataset.cameras if key in missing}
        self.features = {key: one for key, one in dataset.features.items() if key not in self.extra}
        # GR00T keeps words in the table of tasks, and their indices in the column.
        self.annotations = [
            key
            for key, one in self.features.items()
            if key.startswith("annotation.") and one.dtype == "string" and one.shape == (1,)
        ]
        self.stored = {**self.features, **dict.fromkeys(self.annotations, INDEX), **AUTOMATIC}
        self.schema = _older(data_schema(self.stored))
        self.tasks = list(dataset.tasks)
        self.left_out: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.statistics: list[dict[str, Statistics]] = []
        self.pictures: dict[str, dict[str, Any]] = {}
        self.extra_videos: dict[str, dict[int, str]] = {}

    def write(self, progress: Progress) -> list[str]:
        """Write every episode, then what the folder says of them; return in words what was left out.

        Raises:
            DataError: when the dataset cannot be read.
        """
        for index in range(self.dataset.num_episodes):
            self._add(index)
            progress.advance()
        for key in self.extra:
            there = len(self.extra_videos.get(key, {}))
            self.left_out.append(
                f"camera '{key}' is no feature: {there} of {self.dataset.num_episodes} episodes have a video, "
                "kept in extra_videos/"
            )
        other = [key for key, one in self.features.items() if one.dtype == "string" and key not in self.annotations]
        if self.spec.modality and other:
            self.left_out.append(f"text is in the data but not in modality.json: {', '.join(other)}")
        self._write_meta()
        return self.left_out

    def _add(self, index: int) -> None:
        dataset, length = self.dataset, int(self.dataset.lengths[index])
        rows = slice(int(dataset.starts[index]), int(dataset.starts[index]) + length)
        found: dict[str, Statistics] = {}
        kept = dataset.episode_statistics(index)
        columns = []
        for key, feature in self.stored.items():
            if feature.visual:
                stored = kept.get(key, {})
                found[key] = stored if "std" in stored else self._picture_statistics(index, key)
                if feature.dtype == "image":
                    columns.append(images_to_arrow([encode_png(frame) for frame in dataset.pictures(index, key)]))
                else:
                    self._add_video(index, key)
                continue
            values = self._values(key, index, rows)
            columns.append(to_arrow(values, feature))
            if feature.dtype != "string":
                found[key] = statistics.number_statistics(values.reshape(length, *feature.shape), feature)
        target = self.root / self._fill(DATA_PATH_V21, index)
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_arrays(columns, schema=self.schema), target, compression="snappy")
        self.statistics.append(found)
        self.rows.append(self._row(index, rows))
        self._add_extra(index)

    def _values(self, key: str, index: int, rows: slice) -> np.ndarray:
        if key == "episode_index":
            return np.full((rows.stop - rows.start, 1), index, np.int64)
        if key == "index":
            return np.arange(rows.start, rows.stop, dtype=np.int64)[:, None]
        values = self.dataset.rows(key, rows.start, rows.stop)
        if key not in self.annotations:
            return values
        words = {word: number for number, word in enumerate(self.tasks)}
        for word in dict.fromkeys(values.reshape(-1)):
            if word not in words:
                words[word] = len(self.tasks)
                self.tasks.append(str(word))
        return np.array([[words[word]] for word in values.reshape(-1)], np.int64)

    def _row(self, index: int, rows: slice) -> dict[str, Any]:
        # Every task of the episode in the order in which it comes up, as LeRobot lists them.
        tasks = dict.fromkeys(self.dataset.column("task_index")[rows].tolist())
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": [self.tasks[task] for task in tasks],
            "length": rows.stop - rows.start,
        }
        meta = self.dataset.meta(index)
        attachments = {}
        for name in self.dataset.attachments(index):
            content = self.dataset.attachment(index, name) or b""
            attachments[name] = attachment_path(name, content, f"episode {index}")
            target = self.root / attachments[name]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        if meta:
            row[META_COLUMN] = json.dumps(meta, sort_keys=True)
        if attachments:
            row[ATTACHMENTS_COLUMN] = json.dumps(attachments, sort_keys=True)
        return row

    def _add_video(self, index: int, key: str) -> None:
        target = self.root / self._fill(VIDEO_PATH_V21, index, video_key=key)
        target.parent.mkdir(parents=True, exist_ok=True)
        span, steps = self.dataset.video_span(index, key), range(int(self.dataset.lengths[index]))
        if not copy_clip(span.path, target, span.from_s, steps, self.dataset.fps):
            profile = PROFILES[self.spec.video_profile]
            encode(target, self.dataset.pictures(index, key), self.dataset.fps, profile)
            self.left_out.append(f"the packets of '{key}' in episode {index}: they need others, encoded again")
        if key not in self.pictures:
            self.pictures[key] = picture_info(target, self.dataset.fps)

    def _add_extra(self, index: int) -> None:
        for key in self.extra:
            if self.dataset.has_pictures(index, key):
                span = self.dataset.video_span(index, key)
                relative = fill(EXTRA_VIDEO_PATH, key, video_key=key, episode_index=index)
                target = self.root / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                steps = range(int(self.dataset.lengths[index]))
                if not copy_clip(span.path, target, span.from_s, steps, self.dataset.fps):
                    profile = PROFILES[self.spec.video_profile]
                    encode(target, self.dataset.pictures(index, key), self.dataset.fps, profile)
                self.extra_videos.setdefault(key, {})[index] = relative

    def _picture_statistics(self, index: int, key: str) -> Statistics:
        steps = statistics.sampled_steps(int(self.dataset.lengths[index]))
        parts = (self.dataset.frames(index, key, steps[first : first + 32]) for first in range(0, len(steps), 32))
        return statistics.picture_statistics(frame for part in parts for frame in part)

    def _fill(self, template: str, index: int, **values: str) -> str:
        return fill(template, INFO_PATH, episode_chunk=index // self.spec.chunk_files, episode_index=index, **values)

    def _write_meta(self) -> None:
        dataset = self.dataset
        write_lines(self.root / TASKS_PATH_V21, ({"task_index": i, "task": task} for i, task in enumerate(self.tasks)))
        write_lines(self.root / EPISODES_PATH_V21, self.rows)
        write_lines(
            self.root / STATS_PATH_V21,
            ({"episode_index": i, "stats": _plain(found)} for i, found in enumerate(self.statistics)),
        )
        features = {key: self.stored[key] for key in self.features}
        own = own_plain(features, dataset.conventions, dataset.fps, self.extra, self.extra_videos)
        write_json(self.root / CONVENTIONS_PATH, own)
        if self.spec.modality:
            modality = make_modality(self.features, dataset.conventions)
            write_json(self.root / MODALITY_PATH, modality.to_plain())
            whole = {key: statistics.aggregate([one[key] for one in self.statistics]) for key in self.statistics[0]}
            for key, feature in self.stored.items():
                if not feature.visual and feature.dtype.startswith("float") and dataset.column_bytes <= WHOLE_BYTES:
                    # Exact, as the quantiles of an aggregate are not.
                    whole[key] = statistics.number_statistics(dataset.column(key).reshape(-1, *feature.shape), feature)
            write_json(self.root / STATS_PATH, _plain(whole))
        write_json(self.root / INFO_PATH, self._info())

    def _info(self) -> dict[str, Any]:
        dataset, count = self.dataset, self.dataset.num_episodes
        videos = [key for key, feature in self.features.items() if feature.dtype == "video"]
        return {
            "codebase_version": "v2.1",
            "robot_type": dataset.robot_type,
            "total_episodes": count,
            "total_frames": dataset.num_frames,
            "total_tasks": len(self.tasks),
            "total_videos": count * len(videos),
            "total_chunks": -(-count // self.spec.chunk_files),
            "chunks_size": self.spec.chunk_files,
            "fps": plain_fps(dataset.fps),
            "splits": {"train": f"0:{count}"},
            "data_path": DATA_PATH_V21,
            "video_path": VIDEO_PATH_V21 if videos else None,
            "features": {key: info_feature(feature, self.pictures.get(key)) for key, feature in self.stored.items()},
        }


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines as LeRobot does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(found: Mapping[str, Statistics]) -> dict[str, Any]:
    return {key: statistics.to_plain(values) for key, values in found.items()}


def _older(schema: pa.Schema) -> pa.Schema:
    """The schema as the datasets library of v2.1's time describes it: it does not know `List` yet."""
    text = schema.metadata[b"huggingface"].decode().replace('"_type": "List"', '"_type": "Sequence"')
    return schema.with_metadata({"huggingface": text})


WRITER = FormatWriter(name="lerobot-v2.1", spec=LeRobotV21Spec, write=write)
