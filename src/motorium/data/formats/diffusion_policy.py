"""diffusion_policy replay buffers: zarr with `data/<key>` of all episodes behind each other and `meta/episode_ends`.

A folder, or a zip file of one; zarr version 2 (read by `zarr_v2`) or 3 (read by zarr-python).
Source: diffusion_policy, common/replay_buffer.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.bounds import check_size
from motorium.data.formats.columns import (
    ArraySegment,
    Column,
    Picture,
    Source,
    array_source,
    as_target,
    is_small,
    natural,
    picture_source,
    raw_picture,
)
from motorium.data.formats.zarrs.store import ZarrStore
from motorium.data.formats.zarrs.v2 import ZarrArray, array_names
from motorium.data.formats.zarrs.v3 import ZarrArrayV3, array_names_v3
from motorium.data.log import Log, Segment

ENDS = "meta/episode_ends"
MOST_EPISODES = 10_000_000

_STATE = re.compile(r"state|agent_pos|robot_eef_pose|robot\d+_(eef_pos|eef_rot_axis_angle|gripper_width)")
_SCENE = re.compile(r"object|keypoints?")


class DiffusionPolicy:
    """Reader of replay buffers."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a folder or zip file is a replay buffer."""
        try:
            if not _may_be_zarr(path):
                return None
            store = ZarrStore(path)
            version = 2 if store.read(f"{ENDS}/.zarray", 2**24) else 3 if store.read(f"{ENDS}/zarr.json", 2**24) else 0
        except (DataError, OSError):
            return None
        return f"zarr v{version} with {ENDS} (diffusion_policy)" if version else None

    def open(self, path: Path) -> Log:
        """Describe every episode.

        Raises:
            DataError: when the ends of episodes do not fit the data, or the store is damaged.
        """
        arrays = _arrays(path)
        if ENDS not in arrays:
            raise DataError("nothing says where episodes end", where=path, expected=ENDS, got=sorted(arrays)[:20])
        ends = _ends(arrays[ENDS], path)
        steps = int(ends[-1]) if len(ends) else 0
        problems: list[str] = []
        data: dict[str, Column] = {}
        for name in sorted((one for one in arrays if one.startswith("data/")), key=natural):
            column, key = arrays[name], name.removeprefix("data/")
            if column.shape[:1] != (steps,) or column.dtype.kind not in "biuf":
                problems.append(f"{name} ({column.shape} {column.dtype}) has no row a step and was left out")
                continue
            absent = column.missing_chunks()
            if absent:
                problems.append(f"{name} lacks {absent} of its chunks: they read as its fill value")
            data[key] = column
        if not data:
            raise DataError("no array has a row a step", where=path, got=sorted(arrays)[:20], expected=f"{steps} rows")
        others = sorted(name for name in arrays if not name.startswith("data/") and name != ENDS)
        problems += [f"{name} is not read" for name in others]
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
        cameras = {key: picture for key in data if (picture := _picture(data[key], f"{path}, 'data/{key}'"))}
        segments: list[Segment] = []
        for index, (start, stop) in enumerate(zip(starts.tolist(), ends.tolist())):
            sources = dict(_sources(data, cameras, range(start, stop)))
            segments.append(ArraySegment(f"episode_{index}", f"{path}, episode {index}", sources))
        rate = _rate(data.get("timestamp"), steps if len(ends) == 0 else int(ends[0]))
        return Log(
            format="diffusion-policy",
            path=path,
            segments=segments,
            rate_hz=rate,
            conventions={"actions": "as recorded; diffusion_policy's own buffers hold absolute targets"},
            facts={"zarr": f"version {3 if isinstance(arrays[ENDS], ZarrArrayV3) else 2}", "steps": f"{steps:,}"}
            | ({} if rate is None else {"rate": "median step of data/timestamp in the first episode"}),
            problems=tuple(problems),
        )


def _may_be_zarr(path: Path) -> bool:
    if path.is_dir():
        return (path / "meta").is_dir()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _arrays(path: Path) -> dict[str, Any]:
    store = ZarrStore(path)
    names = array_names(store)
    if names:
        return {name: ZarrArray(store, name) for name in names}
    return {name: ZarrArrayV3(store, name) for name in array_names_v3(store)}


def _ends(array: Any, path: Path) -> NDArray[np.int64]:
    """Rows at which episodes end: (E,) int64, ascending."""
    where = f"{path}, '{ENDS}'"
    if len(array.shape) != 1 or array.dtype.kind not in "iu":
        raise DataError("the ends of episodes are no list of integers", where=where, got=(array.shape, array.dtype))
    check_size("the number of episodes", array.shape[0], MOST_EPISODES, where)
    ends = array.read(0, array.shape[0])
    ends = ends.astype(np.int64)
    wrong = np.flatnonzero(np.diff(ends, prepend=0) <= 0)
    if len(wrong):
        raise DataError(
            "the ends of episodes do not ascend",
            where=f"{where}, entry {int(wrong[0])}",
            got=ends[max(int(wrong[0]) - 1, 0) : int(wrong[0]) + 1].tolist(),
        )
    return ends


def _picture(column: Column, where: str) -> Picture | None:
    """How a column holds pictures: uint8, or floats of 0 to 255 or 0 to 1; None when it holds none."""
    raw = raw_picture(column)
    if raw is not None or column.dtype.kind != "f" or len(column.shape) != 4 or not column.shape[0]:
        return raw
    height, width, channels = column.shape[1:]
    last = channels == 3
    if not last and not (height == 3 and min(width, channels) > 4):
        return None
    first = column.read(0, 1)
    if not np.isfinite(first).all() or first.min() < 0 or first.max() > 255:
        return None
    scale = 255 if first.max() <= 1 else 1
    shape = (height, width, 3) if last else (width, channels, 3)
    change = partial(_from_floats, scale=scale, last=last, where=where)
    note = f"{column.dtype} of 0 to {255 // scale}{'' if last else ', CHW'}"
    return Picture(shape=shape, change=change, note=note)


def _from_floats(picture: NDArray, scale: int, last: bool, where: str) -> NDArray[np.uint8]:
    scaled = np.rint(picture * scale)
    if not np.isfinite(scaled).all() or scaled.min() < 0 or scaled.max() > 255:
        raise DataError(
            "a picture of floats leaves its range",
            where=where,
            got=(float(np.nanmin(picture)), float(np.nanmax(picture))),
            expected=f"0 to {255 // scale}, as in the first picture",
        )
    return np.ascontiguousarray((scaled if last else np.moveaxis(scaled, 0, -1)).astype(np.uint8))


def _sources(data: dict[str, Column], cameras: dict[str, Picture], rows: range) -> Iterator[tuple[str, Source]]:
    for key, column in data.items():
        if key in cameras:
            target = as_target("observation.images", re.sub(r"_(rgb|image|img)$", "", key))
            yield key, picture_source(column, cameras[key], target=target, rows=rows)
            continue
        flat = len(column.shape) <= 2
        small = is_small(column)
        if key in ("action", "actions"):
            target: str | None = "action"
        elif flat and _STATE.fullmatch(key):
            target = "observation.state"
        elif flat and _SCENE.fullmatch(key):
            target = "observation.environment_state"
        else:
            target = as_target("observation", key) if small else None
        align = "hold" if target == "action" else "linear"
        yield key, array_source(column, name=key, rows=rows, target=target, align=align)


def _rate(times: Column | None, stop: int) -> float | None:
    """Steps in a second by the recorded times of the first episode, rounded to a thousandth."""
    if times is None or len(times.shape) != 1 or stop < 3:
        return None
    step = float(np.median(np.diff(times.read(0, min(stop, 10_000)).astype(np.float64))))
    return round(1.0 / step, 3) if 1e-4 < step < 100 else None


FORMAT = DiffusionPolicy()
