"""Writer of robomimic HDF5: `/data/demo_<i>` with actions, obs/<key>, rewards and dones, as robomimic trains on it.

A vector whose elements are named `<part>.<element>` is written as its parts, `obs/<part>`: what was read from a
robomimic file has its own keys again. Quaternions among them are x first when the environment is robosuite's.
Source: robomimic, docs/datasets/overview; Isaac Lab Mimic, `obs/datagen_info`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.progress import Progress
from motorium.core.spec import Spec
from motorium.data.bounds import read_metadata
from motorium.data.companions import companions
from motorium.data.dataset import Dataset
from motorium.data.writers.base import FormatWriter, Written

SPLITS = Path("meta") / "splits.json"
SPLIT_NAMES = frozenset(("train", "valid", "val", "validation", "test"))
ROBOSUITE, GYM = 1, 2

_PLACES = {
    "action": "actions",
    "next.reward": "rewards",
    "next.done": "dones",
    "next.terminated": "terminated",
    "next.truncated": "truncated",
    "next.success": "successes",
    "observation.environment_state": "obs/object",
}
_QUATERNION = (".w", ".x", ".y", ".z")
_FAULTS = (OSError, RuntimeError, ValueError, TypeError, KeyError)


class RobomimicSpec(Spec):
    """Options of the writer."""

    parts: bool = Field(True, description="write a vector with elements named <part>.<element> as obs/<part>")
    next_observations: bool = Field(False, description="write next_obs/ as well: the observations of the next step")
    compression: Literal["gzip", "none"] = Field("gzip", description="how pictures are stored")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where elements of a feature go.

    Attributes:
        elements: of the feature, in the order in which they are written; None: all, in its shape.
        flat: whether a value a step is written as (T,) instead of (T, 1).
    """

    key: str
    path: str
    elements: tuple[int, ...] | None = None
    flat: bool = False


def write(dataset: Dataset, path: Path, spec: RobomimicSpec, progress: Progress) -> Written:
    """Write a dataset as one robomimic file.

    Raises:
        DataError: when `path` exists, two features would have one place, or the disk is full.
    """
    path = Path(path)
    if os.path.lexists(path):
        raise DataError("there is already something where the file is to be", where=path, remedy="choose a new path")
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with h5py.File(partial, "w") as file:
            left_out = _File(dataset, file, spec).write(progress)
        with partial.open("rb") as done:
            os.fsync(done.fileno())
        os.replace(partial, path)
    except _FAULTS as error:
        raise DataError("the dataset cannot be written", where=path, got=error) from error
    finally:
        partial.unlink(missing_ok=True)
    return Written(paths=[path], left_out=left_out)


class _File:
    """One dataset on its way into one open file."""

    def __init__(self, dataset: Dataset, file: h5py.File, spec: RobomimicSpec) -> None:
        self._dataset, self._file, self._spec = dataset, file, spec
        self._left_out: list[str] = []
        self._environment = _environment(dataset, self._left_out)
        self._places = list(_places(dataset.features, spec.parts, self._environment.get("type") == ROBOSUITE))
        absent = dataset.missing_videos()
        self._cameras = {}
        for key in dataset.cameras:
            if key in dataset.extra_cameras or key in absent:
                lacking = len(absent.get(key, ()))
                self._left_out.append(f"'{key}': {lacking or 'some'} episodes have no pictures of it")
            else:
                self._cameras[key] = _camera_place(key)
        _check_places([place.path for place in self._places] + list(self._cameras.values()))

    def write(self, progress: Progress) -> list[str]:
        """Write everything; return what was left out."""
        dataset, data = self._dataset, self._file.create_group("data")
        data.attrs["total"] = dataset.num_frames
        data.attrs["env_args"] = json.dumps(self._environment, sort_keys=True)
        data.attrs["fps"] = float(dataset.fps)
        data.attrs["conventions"] = json.dumps(dict(dataset.conventions), sort_keys=True)
        masks = _splits(dataset.root)
        self._stated = frozenset(masks)
        for index in range(dataset.num_episodes):
            self._episode(data.create_group(f"demo_{index}"), index, masks)
            progress.advance(1)
        for name in sorted(masks):
            demos = [f"demo_{index}".encode() for index in sorted(set(masks[name])) if index < dataset.num_episodes]
            self._file.create_dataset(f"mask/{name}", data=np.array(demos, "S"))
        if "next.reward" not in dataset.features:
            self._left_out.append("rewards: the dataset has none, and robomimic's `dataset_keys` must not ask for them")
        if "next.done" not in dataset.features:
            self._left_out.append("dones: the dataset has none; the last step of each episode is marked as done")
        if self._spec.next_observations:
            self._left_out.append("next_obs of each last step: it was not recorded; the last observation is repeated")
        return self._left_out

    def _episode(self, group: h5py.Group, index: int, masks: dict[str, list[int]]) -> None:
        episode = self._dataset.episode(index)
        group.attrs["num_samples"] = episode.length
        meta = dict(episode.meta)
        for name in meta.get("filter_keys") or []:
            # Splits that were drawn since count: joined with the old ones, a demonstration would be in two.
            if SPLIT_NAMES.isdisjoint(self._stated) or name not in SPLIT_NAMES:
                masks.setdefault(str(name), []).append(index)
        for name in ("success", "seed"):
            if isinstance(meta.get(name), bool | int | float):
                group.attrs[name] = meta[name]
        details = meta.get("ep_meta") if isinstance(meta.get("ep_meta"), dict) else {}
        if episode.task or details:
            group.attrs["ep_meta"] = json.dumps({**details, "lang": episode.task}, sort_keys=True)
        group.attrs["meta"] = json.dumps(meta, sort_keys=True)
        for name in self._dataset.attachments(index):
            content = self._dataset.attachment(index, name)
            if name == "model.xml" and content is not None:
                group.attrs["model_file"] = content.decode("utf-8", errors="replace")
            else:
                self._note(f"attachment '{name}'")
        for place in self._places:
            rows = _rows(episode.arrays[place.key], place)
            self._numbers(group, place.path, rows)
            if self._spec.next_observations and place.path.startswith("obs/"):
                self._numbers(group, f"next_{place.path}", np.concatenate([rows[1:], rows[-1:]]))
        if "next.done" not in self._dataset.features:
            group.create_dataset("dones", data=(np.arange(episode.length) == episode.length - 1).astype(np.int64))
        for key, place in self._cameras.items():
            self._pictures(group, index, key, place, episode.length)

    def _numbers(self, group: h5py.Group, path: str, rows: NDArray) -> None:
        if rows.dtype == object:
            group.create_dataset(path, data=rows, dtype=h5py.string_dtype())
        else:
            group.create_dataset(path, data=rows)

    def _pictures(self, group: h5py.Group, index: int, key: str, path: str, length: int) -> None:
        """Pictures one by one: all of an episode's need not fit into memory."""
        shape = self._dataset.camera_feature(key).shape
        stored = {"shape": (length, *shape), "dtype": np.uint8, "chunks": (1, *shape)}
        if self._spec.compression == "gzip":
            stored["compression"] = "gzip"
        target = group.create_dataset(path, **stored)
        after = group.create_dataset(f"next_{path}", **stored) if self._spec.next_observations else None
        for step, picture in enumerate(self._dataset.pictures(index, key)):
            target[step] = picture
            if after is not None and step > 0:
                after[step - 1] = picture
            if after is not None and step == length - 1:
                after[step] = picture

    def _note(self, what: str) -> None:
        if what not in self._left_out:
            self._left_out.append(what)


def _environment(dataset: Dataset, left_out: list[str]) -> dict[str, Any]:
    """env_args of the dataset's conventions; where there are none, such as name no environment."""
    try:
        stated = json.loads(dataset.conventions.get("env_args", "null"))
    except ValueError:
        stated = None
    if isinstance(stated, dict):
        return stated
    left_out.append("env_args: the dataset names no environment, so robomimic cannot roll policies out in it")
    return {"env_name": dataset.robot_type or "unknown", "type": GYM, "env_kwargs": {}}


def _places(features: Mapping[str, Feature], parts: bool, robosuite: bool) -> Iterator[Place]:
    masks = companions(features)
    for key, feature in features.items():
        if feature.visual:
            continue
        names = feature.names
        # A mask has the names of what it masks, whose places are taken.
        split = parts and key.startswith("observation.") and key not in masks
        if split and len(feature.shape) == 1 and _named_by_parts(names):
            first = 0
            for part, group in groupby(names, _part):
                elements = tuple(range(first, first + len(list(group))))
                first += len(elements)
                yield Place(key=key, path=f"obs/{part}", elements=_order(elements, names, robosuite))
        else:
            # A step's one number is (T,) among outcomes and Mimic's signals, and (T, 1) among observations.
            yield Place(key=key, path=_place(key), flat=key.startswith("next.") or ".subtask_" in key)


def _place(key: str) -> str:
    if key in _PLACES:
        return _PLACES[key]
    name = key.removeprefix("observation.")
    # Mimic's signals are groups in the file, and are so again.
    inner = name.replace(".", "/") if name.startswith("datagen_info.") else name
    return inner if name == key else f"obs/{inner}"


def _named_by_parts(names: tuple[str, ...] | None) -> bool:
    """Whether elements are named `<part>.<axis or number>`, or `<part>` alone, each part in one piece."""
    if names is None or not any("." in name for name in names):
        return False
    parts = [part for part, _ in groupby(names, _part)]
    suffixes = [name.rsplit(".", 1)[1] for name in names if "." in name]
    return len(set(parts)) == len(parts) and all(re.fullmatch(r"[wxyz]|[0-9]+", suffix) for suffix in suffixes)


def _part(name: str) -> str:
    return name.rsplit(".", 1)[0]


def _order(elements: tuple[int, ...], names: tuple[str, ...], robosuite: bool) -> tuple[int, ...]:
    ends = tuple(names[element][-2:] for element in elements)
    return (*elements[1:], elements[0]) if robosuite and ends == _QUATERNION else elements


def _camera_place(key: str) -> str:
    name = key.removeprefix("observation.images.").removeprefix("observation.")
    return f"obs/{name}" if re.fullmatch(r"image|image_.*", name) else f"obs/{name}_image"


def _rows(values: NDArray, place: Place) -> NDArray:
    rows = values if place.elements is None else values[:, list(place.elements)]
    return rows[:, 0] if place.flat and rows.ndim == 2 and rows.shape[1] == 1 else rows


def _check_places(paths: list[str]) -> None:
    taken: set[str] = set()
    for path in paths:
        if path in taken or any(other.startswith(path + "/") or path.startswith(other + "/") for other in taken):
            raise DataError(
                "two features would have one place in the file",
                where=path,
                remedy="motorium edit --rename one of them, or convert --with parts=false",
            )
        taken.add(path)


def _splits(root: Path) -> dict[str, list[int]]:
    """Episodes by filter key, where meta/splits.json names them; robomimic says `valid` for what is held out."""
    path = root / SPLITS
    if not path.is_file():
        return {}
    try:
        plain = json.loads(read_metadata(path))
        found = {re.sub(r"^(val|validation)$", "valid", str(name)): [int(one) for one in plain[name]] for name in plain}
    except (ValueError, TypeError) as error:
        raise DataError("the list of splits is damaged", where=path, got=error) from error
    return found


WRITER = FormatWriter(name="robomimic", spec=RobomimicSpec, write=write)
