"""RLDS datasets as TensorFlow Datasets writes them: TFRecord shards, one episode a record, and `features.json`.

Also bare TFRecord files of tf.train.Example, whose features are then listed as they are.
Sources: RLDS, https://github.com/google-research/rlds; TensorFlow Datasets, core/example_serializer.py
(quantities of nested dictionaries are named by their path, steps are joined along a first axis).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError
from motorium.data.formats.columns import natural
from motorium.data.formats.json_rows import json_object
from motorium.data.formats.rlds_features import Described, bare_features, flatten_features
from motorium.data.formats.rlds_segment import make_segment
from motorium.data.formats.tfrecord import Example, Span, begins_as_tfrecord, index_records
from motorium.data.log import Log, Segment

FEATURES, INFO = "features.json", "dataset_info.json"

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_SHARD = re.compile(
    r"(?P<name>.+)-(?P<split>[^-]+)\.(?:tfrecord|array_record)(?:-(?P<shard>[0-9]+)-of-(?P<of>[0-9]+))?"
)
# tf.train.Example files of the Waymo Open Dataset hold no episodes of steps; they have a reader of their own.
_OTHERS = ("scenario/id", "roadgraph_samples/id")
# What errors call its .json files.
_DESCRIPTION = "a description of the dataset"


@dataclass(frozen=True)
class Shard:
    """One file: its split, and where its records are."""

    path: Path
    split: str
    records: Sequence[Span]


class Segments(Sequence[Segment]):
    """Episodes, each described when it is asked for: a dataset may have a hundred thousand."""

    def __init__(self, shards: Sequence[Shard], features: Mapping[str, Described] | None) -> None:
        self._features = features
        self._places: list[tuple[Shard, int]] = []
        self._names: list[str] = []
        counts: dict[str, int] = {}
        for shard in shards:
            for record in range(len(shard.records)):
                index = counts.get(shard.split, 0)
                counts[shard.split] = index + 1
                self._places.append((shard, record))
                self._names.append(f"{shard.split}_{index}")

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        shard, record = self._places[index]
        example = Example(shard.path, shard.records[record], f"record {record}")
        features = bare_features(example) if self._features is None else self._features
        return make_segment(self._names[index], example, features, {"split": shard.split})


class Rlds:
    """Reader of RLDS folders and TFRecord files."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a folder holds an RLDS dataset, or a file tf.train.Example records."""
        try:
            folder, files = _files(path)
            if not files or not begins_as_tfrecord(files[0]):
                return None
            if folder is not None and (folder / FEATURES).is_file():
                steps = "steps" in json_object(folder / FEATURES, _DESCRIPTION).get("featuresDict", {}).get(
                    "features", {}
                )
                return f"TFRecord with {FEATURES}" + (" that describes steps (RLDS)" if steps else "")
            names = _first_example(files[0]).entries
        except (DataError, OSError, AttributeError):
            return None
        if any(name in names for name in _OTHERS) or not names:
            return None
        return f"TFRecord of tf.train.Example with {len(names)} features"

    def open(self, path: Path) -> Log:
        """Find every record, and describe the dataset.

        Raises:
            DataError: when there are none, or a file is cut off or damaged.
        """
        folder, files = _files(path)
        if not files:
            raise DataError(
                "there are no TFRecord files", where=path, expected="<name>-<split>.tfrecord-00000-of-00001"
            )
        problems: list[str] = []
        info = json_object(folder / INFO, _DESCRIPTION) if folder is not None and (folder / INFO).is_file() else {}
        features = None
        if folder is not None and (folder / FEATURES).is_file():
            features = flatten_features(json_object(folder / FEATURES, _DESCRIPTION), folder / FEATURES, problems)
        else:
            problems.append(f"{FEATURES} is absent: shapes and types are guessed from the first values")
        shards = [Shard(file, _split(file), index_records(file)) for file in files]
        _check_shards(shards, info, problems, whole=path.is_dir())
        segments = Segments(shards, features)
        if not len(segments):
            raise DataError("the TFRecord files hold no records", where=path)
        if features is not None:
            there = Example(shards[0].path, shards[0].records[0], "record 0").entries if shards[0].records else {}
            absent = [name for name, one in features.items() if name not in there and one.kind != "other"]
            problems += [f"{name} is described, and the first record has none" for name in absent]
        facts = {
            key: str(info[key])
            for key in ("name", "version", "moduleName")
            if isinstance(info.get(key), str) and info[key]
        }
        return Log(
            format="rlds",
            path=path,
            segments=segments,
            conventions={"steps": "step i is observation, action, reward and discount i; is_terminal marks the last"},
            facts=facts,
            problems=tuple(dict.fromkeys(problems)),
        )


def _files(path: Path) -> tuple[Path | None, list[Path]]:
    """Return the folder that describes the dataset, and its TFRecord files in order.

    The folder of one version (`1.0.0`) may be given, or the one above.
    """
    if path.is_file():
        return path.parent, [path]
    if not path.is_dir():
        return None, []
    if not (path / FEATURES).is_file():
        versions = sorted(
            (one for one in path.iterdir() if _VERSION.fullmatch(one.name)), key=lambda p: natural(p.name)
        )
        path = versions[-1] if versions else path
    found = [entry for entry in path.iterdir() if ".tfrecord" in entry.name and entry.is_file()]
    return path, sorted(found, key=lambda entry: natural(entry.name))


def _split(path: Path) -> str:
    match = _SHARD.fullmatch(path.name)
    return match["split"] if match else path.name.split(".tfrecord")[0]


def _first_example(path: Path) -> Example:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > path.stat().st_size - 16:
        raise DataError("a TFRecord file is cut off", where=path)
    return Example(path, Span(12, 12 + length), "record 0")


def _check_shards(shards: Sequence[Shard], info: Mapping[str, Any], problems: list[str], whole: bool) -> None:
    """Note files and records that are stated and are not there."""
    groups: dict[str, list[Shard]] = {}
    for shard in shards:
        groups.setdefault(shard.split, []).append(shard)
    for split, stated in _stated_splits(info):
        there = groups.get(split, [])
        counts = [len(shard.records) for shard in there]
        if not whole and there:
            continue
        if not there:
            problems.append(f"split '{split}' states {sum(stated)} episodes, and none of its files is there")
        elif counts != stated:
            problems.append(f"split '{split}' states {stated} records a file, and {counts} are there")
    for split, there in groups.items():
        stated_files = {match["of"] for one in there if (match := _SHARD.fullmatch(one.path.name)) and match["of"]}
        if whole and len(stated_files) == 1 and int(next(iter(stated_files))[:9]) != len(there):
            problems.append(f"split '{split}': {len(there)} of {int(next(iter(stated_files))[:9])} files are there")


def _stated_splits(info: Mapping[str, Any]) -> Iterator[tuple[str, list[int]]]:
    splits = info.get("splits")
    for one in splits if isinstance(splits, list) else []:
        if isinstance(one, dict) and isinstance(one.get("shardLengths", []), list):
            lengths = [str(length) for length in one.get("shardLengths", [])]
            if all(re.fullmatch(r"[0-9]{1,18}", length) for length in lengths):
                yield str(one.get("name")), [int(length) for length in lengths]


FORMAT = Rlds()
