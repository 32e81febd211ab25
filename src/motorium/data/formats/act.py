"""ACT and ALOHA episodes: one HDF5 file each, with `action`, `observations/qpos` and `observations/images/<camera>`.

Pictures are raw (T, H, W, 3), or JPEG bytes padded to one length (attribute `compress`, lengths in `compress_len`).
Source: ACT, record_sim_episodes.py; ALOHA and Mobile ALOHA, record_episodes.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.formats.columns import (
    ArraySegment,
    Picture,
    Source,
    array_source,
    as_target,
    files_of,
    is_small,
    picture_source,
    raw_picture,
)
from motorium.data.formats.hdf5 import SUFFIXES, Hdf5Column, attributes, columns, is_hdf5, opened, reading, subgroup
from motorium.data.formats.image_files import decode_as, shape_of
from motorium.data.log import Log, Segment

_TARGETS = {
    "observations/qpos": "observation.state",
    "observations/qvel": "observation.velocity",
    "observations/effort": "observation.effort",
    "action": "action",
    "base_action": "action",
}
_JOINTS = ("observations/qpos", "observations/qvel", "observations/effort", "action")
_JPEG = (b"\xff\xd8\xff", b"\x89PN")


class Act:
    """Reader of ACT's HDF5 files; a folder of them is one log, a file an episode."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a file, or the first HDF5 file of a folder, is an episode."""
        try:
            files = [file for file in files_of(path, SUFFIXES) if is_hdf5(file)]
            if not files or not _is_episode(files[0]):
                return None
        except (DataError, OSError):
            return None
        return "HDF5 with /action and /observations/qpos (ACT, ALOHA)"

    def open(self, path: Path) -> Log:
        """Describe every episode.

        Raises:
            DataError: when there are none, or a file is damaged.
        """
        problems: list[str] = []
        segments: list[Segment] = []
        for file in files_of(path, SUFFIXES):
            if is_hdf5(file) and _is_episode(file):
                segments.append(_segment(file, problems))
            else:
                problems.append(f"{file.name} is no episode and was left out")
        if not segments:
            raise DataError("there are no episodes", where=path, expected="HDF5 with /action and /observations/qpos")
        conventions = {"actions": "targets of the joints; grippers normalised as the recorder did"}
        if any("JPEG" in stream.note for stream in segments[0].streams.values()):
            conventions["pictures"] = (
                "decoded as JPEG defines; a recorder that gave OpenCV red first has stored red and blue exchanged"
            )
        kinds = sorted({str(segment.meta["sim"]) for segment in segments if "sim" in segment.meta})
        return Log(
            format="act",
            path=path,
            segments=segments,
            conventions=conventions,
            facts={"simulated": ", ".join(kinds) or "not stated"},
            problems=tuple(dict.fromkeys(problems)),
        )


def _is_episode(path: Path) -> bool:
    with opened(path) as root, reading(path):
        observations = subgroup(root, "observations", path)
        return observations is not None and "qpos" in observations and "action" in root


def _segment(path: Path, problems: list[str]) -> Segment:
    with opened(path) as file:
        stated: dict[str, Any] = attributes(file, path)
    mine: list[str] = []
    found = columns(path, "/", mine)
    problems.extend(f"{path.name}: {problem}" for problem in mine)
    if "action" not in found:
        raise DataError("an episode has no array of actions", where=path, got=sorted(found)[:20])
    return ArraySegment(path.stem, str(path), dict(_sources(found, found["action"].shape[0], path)), meta=stated)


def _sources(found: Mapping[str, Hdf5Column], steps: int, path: Path) -> Iterator[tuple[str, Source]]:
    for key, column in found.items():
        stem = key.rsplit("/", 1)[-1]
        if key == "compress_len":
            yield key, array_source(column, name=stem, note="lengths of the JPEGs, a row a camera")
        elif column.shape[0] != steps:
            yield key, array_source(column, name=stem, note=f"{column.shape[0]} samples, not {steps}")
        elif key.startswith("observations/images/"):
            name = key.removeprefix("observations/images/")
            source = _camera(column, as_target("observation.images", name), path)
            yield key, source or array_source(column, name=stem, note="no pictures that are read")
        else:
            small = is_small(column)
            own = as_target("observation", key.removeprefix("observations/")) if small else None
            command = key in ("action", "base_action")
            target = _TARGETS.get(key) or own
            # Measured and commanded of the same joints in one order, so element i has one name in all of them.
            joint = key in _JOINTS and column.shape[1:] == found["action"].shape[1:]
            name = "joint" if joint else stem
            yield key, array_source(column, name=name, target=target, align="hold" if command else "linear")


def _camera(column: Hdf5Column, target: str | None, path: Path) -> Source | None:
    """A camera of raw or compressed pictures; None when it is neither."""
    raw = raw_picture(column)
    if raw is not None:
        return picture_source(column, raw, target=target)
    if len(column.shape) != 2 or column.dtype.kind not in "iu" or column.dtype.itemsize != 1 or not column.shape[0]:
        return None
    first = column.read(0, 1)[0]
    if first.tobytes()[:3] not in _JPEG:
        return None
    where = f"{path}, '{column.name}'"
    shape = shape_of(_unpadded(first), where)
    change = partial(_decode, shape=shape, where=where)
    return picture_source(column, Picture(shape=shape, change=change, note="JPEG, padded"), target=target)


def _decode(row: NDArray, shape: tuple[int, int, int], where: object) -> NDArray[np.uint8]:
    return decode_as(_unpadded(row), shape, where)


def _unpadded(row: NDArray) -> bytes:
    """The bytes of a picture without the zeros that fill its row up."""
    return row.tobytes().rstrip(b"\0")


FORMAT = Act()
