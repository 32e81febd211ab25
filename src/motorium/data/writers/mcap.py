"""MCAP: numbers as JSON with a schema, pictures as Foxglove's types; opens in Foxglove, and comes back as it was.

A feature `observation.state` is the topic `/observation/state` with messages `{"timestamp": ..., "value": [...]}`.
What messages cannot hold (rate, names, units, conventions, tasks, episodes) is in metadata records, which
`formats/mcap_own.py` reads.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from mcap.writer import CompressionType, Writer
from pydantic import Field

import motorium
from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.progress import Progress
from motorium.core.spec import Spec
from motorium.data.dataset import Dataset
from motorium.data.episode import Episode
from motorium.data.formats.bags.mcap_own import DATASET, EPISODE, VALUE, VERSION, attachment_name, topic_of
from motorium.data.writers.base import FormatWriter, Written
from motorium.data.writers.foxglove import PictureType
from motorium.data.writers.mcap_pictures import Encoded, encoded_pictures

# Between the episodes of one file, so that a viewer shows them apart.
PAUSE_NS = 10**9


class McapSpec(Spec):
    """How a dataset is written as MCAP."""

    layout: Literal["folder", "file"] = Field("folder", description="a file an episode in a folder, or one file of all")
    pictures: Literal["auto", "png", "jpeg"] = Field(
        "auto", description="auto: video packets as they are where they can stand alone, else PNG; or PNG, or JPEG"
    )
    compression: Literal["zstd", "lz4", "none"] = Field("zstd", description="of the file's chunks")


def write(dataset: Dataset, path: Path, spec: McapSpec, progress: Progress) -> Written:
    """Write a dataset.

    Raises:
        DataError: when `path` exists, the disk is full, or the dataset holds numbers that are not finite.
    """
    if path.exists():
        raise DataError("there is something already", where=path, remedy="choose a new path")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    _remove(partial)
    left_out: list[str] = []
    try:
        if spec.layout == "file":
            with open(partial, "wb") as file:
                _write_file(dataset, file, range(dataset.num_episodes), spec, progress, left_out)
            names = [path]
        else:
            partial.mkdir()
            names = []
            for index in range(dataset.num_episodes):
                name = f"episode_{index:06d}.mcap"
                with open(partial / name, "wb") as file:
                    _write_file(dataset, file, range(index, index + 1), spec, progress, left_out)
                names.append(path / name)
        partial.rename(path)
    except OSError as error:
        raise DataError("the files cannot be written", where=path, got=error, remedy="free space") from error
    finally:
        _remove(partial)
    return Written(paths=names, left_out=list(dict.fromkeys(left_out)))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_file(
    dataset: Dataset, file: BinaryIO, episodes: range, spec: McapSpec, progress: Progress, left_out: list[str]
) -> None:
    out = _Output(dataset, file, spec)
    for index in episodes:
        left_out += out.add(index)
        progress.advance(1)
    out.close()


class _Output:
    """One file while it is written."""

    def __init__(self, dataset: Dataset, file: BinaryIO, spec: McapSpec) -> None:
        self._dataset, self._spec = dataset, spec
        kind = {"zstd": CompressionType.ZSTD, "lz4": CompressionType.LZ4, "none": CompressionType.NONE}
        self._writer = Writer(file, compression=kind[spec.compression])
        self._writer.start(profile="", library=f"motorium {motorium.__version__}")
        cameras = {key: dataset.camera_feature(key) for key in dataset.cameras}
        self._features = {**dataset.features, **cameras}
        self._writer.add_metadata(DATASET, self._head())
        self._channels: dict[tuple[str, str], int] = {}
        self._types: dict[str, tuple[PictureType, int]] = {}
        # Not 0: a stamp of 0 is one that was not set, for ROS and for our own reader.
        self._start_ns = PAUSE_NS

    def add(self, index: int) -> list[str]:
        """Write an episode; return what of it cannot be kept, in words."""
        dataset = self._dataset
        episode = dataset.episode(index)
        left_out = [
            f"'{key}': texts of shape {feature.shape}"
            for key, feature in dataset.features.items()
            if feature.dtype == "string" and feature.size != 1
        ]
        numbers = [
            key
            for key, one in dataset.features.items()
            if not one.visual and not (one.dtype == "string" and one.size != 1)
        ]
        pictures: dict[str, Encoded] = {}
        for key in dataset.cameras:
            if dataset.has_pictures(index, key):
                pictures[key] = encoded_pictures(dataset, index, key, self._spec.pictures)
            else:
                left_out.append(f"episode {index} has no pictures of '{key}'")
        self._write_steps(index, episode, numbers, pictures)
        keys = json.dumps([*numbers, *pictures])
        meta = json.dumps(dict(episode.meta), default=str)
        record = {"index": str(index), "length": str(episode.length), "task": episode.task, "keys": keys, "meta": meta}
        for name in dataset.attachments(index):
            # Nothing but the content: the same dataset gives the same bytes.
            content = dataset.attachment(index, name) or b""
            self._writer.add_attachment(0, self._start_ns, attachment_name(index, name), "", content)
        self._writer.add_metadata(EPISODE, record)
        self._start_ns += _time_ns(episode.length, dataset.fps) + PAUSE_NS
        return left_out

    def close(self) -> None:
        """Write the index."""
        self._writer.finish()

    def _write_steps(self, index: int, episode: Episode, numbers: list[str], pictures: Mapping[str, Encoded]) -> None:
        lines = {
            key: _lines(episode, key, self._features[key], f"{self._dataset.root}, episode {index}") for key in numbers
        }
        for step in range(episode.length):
            time_ns = self._start_ns + _time_ns(step, self._dataset.fps)
            stamp = {"sec": time_ns // 10**9, "nsec": time_ns % 10**9}
            for key, values in lines.items():
                data = f'{{"timestamp":{json.dumps(stamp)},"{VALUE}":{next(values)}}}'.encode()
                self._message(self._channel(key, "json"), step, time_ns, data)
            for key, encoded in pictures.items():
                kind, _ = self._type(encoded.kind)
                data = kind.encode(time_ns, self._features[key].frame or key, next(encoded.data), encoded.format)
                self._message(self._channel(key, encoded.kind), step, time_ns, data)

    def _message(self, channel: int, step: int, time_ns: int, data: bytes) -> None:
        self._writer.add_message(channel, log_time=time_ns, publish_time=time_ns, sequence=step, data=data)

    def _channel(self, key: str, kind: str) -> int:
        """Return the channel of a feature; made when its first message is written."""
        if (key, kind) not in self._channels:
            if kind == "json":
                plain = json.dumps(_json_schema(key, self._features[key]), ensure_ascii=False)
                schema = self._writer.register_schema(f"motorium.{key}", "jsonschema", plain.encode())
            else:
                schema = self._type(kind)[1]
            encoding = "json" if kind == "json" else "protobuf"
            self._channels[key, kind] = self._writer.register_channel(
                topic=topic_of(key), message_encoding=encoding, schema_id=schema, metadata={"motorium.feature": key}
            )
        return self._channels[key, kind]

    def _type(self, kind: str) -> tuple[PictureType, int]:
        if kind not in self._types:
            made = PictureType(kind)
            self._types[kind] = made, self._writer.register_schema(made.name, "protobuf", made.schema)
        return self._types[kind]

    def _head(self) -> dict[str, str]:
        return {
            "format": VERSION,
            "fps": repr(float(self._dataset.fps)),
            "robot_type": self._dataset.robot_type or "",
            "conventions": json.dumps(self._dataset.conventions),
            "features": json.dumps({key: feature.to_plain() for key, feature in self._features.items()}),
        }


def _lines(episode: Episode, key: str, feature: Feature, where: str) -> Iterator[str]:
    """Yield a feature's value at each step as JSON; numbers in full, so that they come back bitwise."""
    for step, value in enumerate(episode.arrays[key]):
        plain = str(value.reshape(-1)[0]) if feature.dtype == "string" else value.reshape(-1).tolist()
        try:
            yield json.dumps(plain, allow_nan=False)
        except ValueError:
            raise DataError(
                f"'{key}' is not finite",
                where=f"{where}, step {step}",
                got=plain,
                remedy="JSON has finite numbers only",
            ) from None


def _json_schema(key: str, feature: Feature) -> dict[str, Any]:
    """Return the schema of a feature's messages; names and units are in it for people and for other readers."""
    kind = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}
    if feature.dtype == "string":
        value: dict[str, Any] = {"type": "string"}
    else:
        item = {"type": kind[np.dtype(feature.dtype).kind]}
        if feature.dtype != "bool":
            item["format"] = feature.dtype
        value = {"type": "array", "items": item, "minItems": feature.size, "maxItems": feature.size}
    words = {"shape": list(feature.shape), "names": feature.names, "units": feature.units, "frame": feature.frame}
    value |= {f"x-{name}": one for name, one in words.items() if one is not None}
    time = {"type": "object", "title": "time", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}
    return {"title": f"motorium.{key}", "type": "object", "properties": {"timestamp": time, VALUE: value}}


def _time_ns(step: int, fps: float) -> int:
    return round(step * 1e9 / fps)


WRITER = FormatWriter(name="mcap", spec=McapSpec, write=write)
