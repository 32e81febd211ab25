"""Writers of tables: a dataset as CSV or Parquet, a column an element, with a mapping that reads it back.

    episode_000000.csv, ...     a table an episode, or episodes.csv for all
    pictures/<camera>/...       PNG files, where they are asked for; the table names them
    mapping.yaml                motorium ingest FOLDER --mapping FOLDER/mapping.yaml gives the numbers back, bit for bit

CSV holds 32-bit floats with the digits of their exact values, so that nothing depends on how they are rounded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.progress import Progress
from motorium.core.spec import Spec
from motorium.core.wording import counted
from motorium.data.dataset import Dataset
from motorium.data.formats.tables.options import TableOptions
from motorium.data.ingest.mapping import MappingSpec, format_mapping
from motorium.data.video_write import encode_png
from motorium.data.writers.base import FormatWriter, Written

EPISODE, FRAME, TIME, TASK = "episode_index", "frame_index", "time", "task"
MAPPING, PICTURES = "mapping.yaml", "pictures"


class TableSpec(Spec):
    """Options of the writers of tables."""

    tables: Literal["each", "one"] = Field("each", description="a table for each episode, or one for all")
    pictures: Literal["leave_out", "png"] = Field("leave_out", description="leave cameras out, or write PNG files")


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One column: an element of a feature laid out flat."""

    name: str
    key: str
    element: int
    kind: pa.DataType


def write(dataset: Dataset, path: Path, spec: TableSpec, progress: Progress, *, suffix: str) -> Written:
    """Write a dataset as a folder of tables.

    Raises:
        DataError: when `path` exists, two columns would have one name, or the disk is full.
    """
    path = Path(path)
    if os.path.lexists(path):
        raise DataError("there is already something where the folder is to be", where=path, remedy="choose a new path")
    partial_path = path.with_name(f".{path.name}.partial")
    try:
        shutil.rmtree(partial_path, ignore_errors=True)
        partial_path.mkdir(parents=True)
        left_out = _Folder(dataset, partial_path, spec, suffix).write(progress)
        os.replace(partial_path, path)
    except (OSError, pa.ArrowException) as error:
        raise DataError("the dataset cannot be written", where=path, got=error) from error
    finally:
        shutil.rmtree(partial_path, ignore_errors=True)
    return Written(paths=sorted(one for one in path.iterdir()), left_out=left_out)


CSV = FormatWriter(name="csv", spec=TableSpec, write=partial(write, suffix=".csv"))
PARQUET = FormatWriter(name="parquet", spec=TableSpec, write=partial(write, suffix=".parquet"))


class _Folder:
    """One dataset on its way into one folder."""

    def __init__(self, dataset: Dataset, path: Path, spec: TableSpec, suffix: str) -> None:
        self._dataset, self._path, self._spec, self._suffix = dataset, path, spec, suffix
        self._features = {key: feature for key, feature in dataset.features.items() if not feature.visual}
        self._columns = [column for key, feature in self._features.items() for column in _columns(key, feature)]
        self._cameras = list(dataset.cameras) if spec.pictures == "png" else []
        names = [EPISODE, FRAME, TIME, TASK, *self._cameras, *(column.name for column in self._columns)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"two columns would be called '{twice[0]}'", where=dataset.root, remedy="rename a feature")
        self._schema = pa.schema(
            [
                (EPISODE, pa.int64()),
                (FRAME, pa.int64()),
                (TIME, pa.float64()),
                (TASK, pa.string()),
                *((name, pa.string()) for name in self._cameras),
                *((column.name, self._stored(column.kind)) for column in self._columns),
            ]
        )

    def write(self, progress: Progress) -> list[str]:
        """Write everything; return what was left out."""
        if self._spec.tables == "one":
            with closing(self._open(f"episodes{self._suffix}")) as table:
                for index in range(self._dataset.num_episodes):
                    table.write_batch(self._batch(index))
                    progress.advance(1)
        else:
            for index in range(self._dataset.num_episodes):
                with closing(self._open(f"episode_{index:06d}{self._suffix}")) as table:
                    table.write_batch(self._batch(index))
                progress.advance(1)
        (self._path / MAPPING).write_text(self._mapping(), encoding="utf-8")
        return list(self._left_out())

    def _open(self, name: str) -> Any:
        file = str(self._path / name)
        if self._suffix == ".parquet":
            return pq.ParquetWriter(file, self._schema, compression="zstd")
        return pacsv.CSVWriter(file, self._schema, write_options=pacsv.WriteOptions(quoting_style="needed"))

    def _batch(self, index: int) -> pa.RecordBatch:
        episode = self._dataset.episode(index)
        length = episode.length
        steps = np.arange(length)
        made: list[pa.Array] = [
            pa.array(np.full(length, index)),
            pa.array(steps),
            pa.array(steps / self._dataset.fps),
            pa.array([episode.task] * length, pa.string()),
            *(pa.array(self._pictures(index, camera, length), pa.string()) for camera in self._cameras),
        ]
        flat = {key: np.asarray(array).reshape(length, -1) for key, array in episode.arrays.items()}
        for column, kind in zip(self._columns, self._schema.types[-len(self._columns) :] if self._columns else ()):
            values = flat[column.key][:, column.element]
            if column.kind == pa.string():
                made.append(pa.array([str(value) for value in values], kind))
            else:
                made.append(pa.array(np.ascontiguousarray(values)).cast(kind))
        return pa.record_batch(made, schema=self._schema)

    def _pictures(self, index: int, camera: str, length: int) -> list[str]:
        """Write an episode's pictures; return their paths, relative to the folder; "" where there are none."""
        if not self._dataset.has_pictures(index, camera):
            return [""] * length
        folder = Path(PICTURES) / camera / f"episode_{index:06d}"
        (self._path / folder).mkdir(parents=True)
        paths = []
        for step, picture in enumerate(self._dataset.pictures(index, camera)):
            paths.append((folder / f"frame_{step:06d}.png").as_posix())
            (self._path / paths[-1]).write_bytes(encode_png(picture))
        return paths

    def _stored(self, kind: pa.DataType) -> pa.DataType:
        """Return the type that is written: in text the exact value of a float, which is a double's digits."""
        if self._suffix == ".csv" and pa.types.is_floating(kind):
            return pa.float64()
        return kind

    def _mapping(self) -> str:
        """Return the mapping that makes this dataset of the folder again."""
        plain = {
            "format": "table",
            "fps": self._dataset.fps,
            "rate_hz": self._dataset.fps,
            "robot_type": self._dataset.robot_type,
            "features": {key: [{"stream": key}] for key in (*self._features, *self._cameras)},
            "lacking": "mask" if self._lacking() else "stop",
            "conventions": dict(self._dataset.conventions),
        }
        source = self._source()
        head = "# Reads these tables back: motorium ingest FOLDER --mapping FOLDER/mapping.yaml\n"
        return head + format_mapping(MappingSpec.parse({**plain, "source": source}, where=MAPPING))

    def _source(self) -> dict[str, Any]:
        streams = {key: self._stream(key, feature) for key, feature in self._features.items()}
        streams |= {camera: {"columns": [camera], "pictures": True} for camera in self._cameras}
        stated: dict[str, Any] = {"time": None, "episode": EPISODE, "task": TASK, "streams": streams}
        if self._suffix == ".csv":
            types = {column.name: _NAMES[column.kind] for column in self._columns}
            stated |= {"delimiter": ",", "encoding": "utf-8", "decimal": ".", "header": True}
            stated["types"] = {TASK: "string", **dict.fromkeys(self._cameras, "string"), **types}
        return TableOptions.parse(stated, where=MAPPING).model_dump(mode="json", exclude_unset=True)

    def _stream(self, key: str, feature: Feature) -> dict[str, Any]:
        columns = [column.name for column in self._columns if column.key == key]
        found: dict[str, Any] = {"columns": columns, "dtype": feature.dtype, "shape": list(feature.shape)}
        for name in ("names", "units"):
            value = getattr(feature, name)
            found |= {} if value is None else {name: list(value)}
        return found | ({} if feature.frame is None else {"frame": feature.frame})

    def _lacking(self) -> dict[str, int]:
        episodes = range(self._dataset.num_episodes)
        lacking = {name: sum(not self._dataset.has_pictures(n, name) for n in episodes) for name in self._cameras}
        return {name: count for name, count in lacking.items() if count}

    def _left_out(self) -> Iterator[str]:
        dataset = self._dataset
        if self._spec.pictures != "png":
            for camera in dataset.cameras:
                yield f"pictures of '{camera}': write them with --with pictures=png"
        for camera, count in self._lacking().items():
            yield f"pictures of '{camera}' in {counted(count, 'episode')} without them"
        if any(dataset.meta(index) for index in range(dataset.num_episodes)):
            yield "what is known of each episode (meta): tables have no place for it"
        if any(dataset.attachments(index) for index in range(dataset.num_episodes)):
            yield "attachments of episodes, such as maps"


def _columns(key: str, feature: Feature) -> Iterator[_Column]:
    """Yield a column for each element: named as the element, else by its place."""
    kind = pa.string() if feature.dtype == "string" else pa.from_numpy_dtype(np.dtype(feature.dtype))
    if kind not in _NAMES:
        raise DataError(
            f"'{key}' has a type that tables do not hold", got=feature.dtype, expected=list(_NAMES.values())
        )
    if feature.size == 1:
        yield _Column(name=key, key=key, element=0, kind=kind)
        return
    names = feature.names
    if names is None or len(names) != feature.size or len(set(names)) != len(names):
        names = tuple(".".join(str(axis) for axis in place) for place in np.ndindex(*feature.shape))
    for element, name in enumerate(names):
        yield _Column(name=f"{key}.{name}", key=key, element=element, kind=kind)


_NAMES: dict[pa.DataType, str] = {
    pa.float16(): "float16",
    pa.float32(): "float32",
    pa.float64(): "float64",
    pa.bool_(): "bool",
    pa.string(): "string",
    **{pa.type_for_alias(name): name for name in ("int8", "int16", "int32", "int64")},
    **{pa.type_for_alias(name): name for name in ("uint8", "uint16", "uint32", "uint64")},
}
