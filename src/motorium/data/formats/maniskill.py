"""ManiSkill trajectories: an .h5 with groups `traj_<i>` and a .json of the same name.

Observations are one more than actions: step i is observation i and action i, and the observation after the last
action is in the segment's meta (`final_observation`), pictures excepted. Source: ManiSkill, utils/wrappers/record.py.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from motorium.core.errors import DataError
from motorium.data.bounds import inside
from motorium.data.formats.columns import (
    ArraySegment,
    Source,
    array_source,
    as_target,
    files_of,
    is_positive,
    is_small,
    picture_source,
    raw_picture,
)
from motorium.data.formats.hdf5 import SUFFIXES, Hdf5Column, children, columns, is_hdf5, opened, reading
from motorium.data.formats.json_rows import json_object
from motorium.data.log import Log, Segment

_TRAJECTORY = re.compile(r"traj_[0-9]+")
_STATE = re.compile(r"obs/agent/(qpos|qvel|.*_?qpos|.*_?qvel)|obs")
_OUTCOMES = {
    "rewards": "next.reward",
    "terminated": "next.terminated",
    "truncated": "next.truncated",
    "success": "next.success",
    "fail": "next.fail",
}
_EPISODE = ("episode_id", "episode_seed", "control_mode", "elapsed_steps", "reset_kwargs", "success", "fail")
# Elements of the last observation that are kept in the meta.
_LARGEST_FINAL = 512


class ManiSkill:
    """Reader of ManiSkill's .h5 with its .json; a folder of them is one log."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a file (.h5 or its .json), or the first HDF5 file of a folder, holds trajectories."""
        try:
            files = _files(path)
            names = _trajectories(files[0]) if files and is_hdf5(files[0]) else []
        except (DataError, OSError):
            return None
        return f"HDF5 with /{names[0]}/actions (ManiSkill)" if names else None

    def open(self, path: Path) -> Log:
        """Describe every trajectory.

        Raises:
            DataError: when there are none, or a file is damaged.
        """
        problems: list[str] = []
        segments: list[Segment] = []
        headers: list[dict[str, Any]] = []
        files = _files(path)
        for file in files:
            names = _trajectories(file) if is_hdf5(file) else []
            if not names:
                problems.append(f"{file.name} holds no trajectories and was left out")
                continue
            header = _header(file, problems)
            headers.append(header)
            episodes = _episodes(header, file)
            prefix = f"{file.name}:" if len(files) > 1 else ""
            with opened(file):
                segments += [_segment(file, name, prefix, episodes.get(name), problems) for name in names]
        if not segments:
            raise DataError("there are no trajectories", where=path, expected="HDF5 with groups traj_<i>")
        return _log(path, segments, headers, problems)


def _files(path: Path) -> list[Path]:
    if path.suffix == ".json" and path.with_suffix(".h5").is_file():
        path = path.with_suffix(".h5")
    return files_of(path, SUFFIXES)


def _trajectories(path: Path) -> list[str]:
    with opened(path) as root, reading(path):
        names = [name for name in children(root, path)[0] if _TRAJECTORY.fullmatch(name)]
        return [name for name in names if root.get(name, getclass=True) is h5py.Group and "actions" in root[name]]


def _header(path: Path, problems: list[str]) -> dict[str, Any]:
    """The .json beside; {} and a problem when it is absent."""
    beside = inside(path.parent, path.with_suffix(".json").name, path)
    if not beside.is_file():
        problems.append(f"{beside.name} is absent: seeds, control mode and environment are not known")
        return {}
    return json_object(beside, "a trajectory's description")


def _episodes(header: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Entries of the .json by trajectory."""
    entries = header.get("episodes", [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise DataError("the list of episodes is not valid", where=path.with_suffix(".json"), expected="objects")
    return {f"traj_{one.get('episode_id')}": one for one in entries}


def _log(path: Path, segments: list[Segment], headers: list[dict[str, Any]], problems: list[str]) -> Log:
    environments = [one["env_info"] if isinstance(one.get("env_info"), dict) else {} for one in headers]
    first = environments[0]
    kwargs = first.get("env_kwargs") if isinstance(first.get("env_kwargs"), dict) else {}
    entries = [entry for header in headers for entry in header.get("episodes", [])]
    modes = sorted({str(entry["control_mode"]) for entry in entries if entry.get("control_mode")})
    conventions = {
        "actions": f"control mode {', '.join(modes) or 'not stated'}",
        "orientation": "poses are position, then quaternion w first (SAPIEN)",
        "observation": "step i is the observation before action i",
    }
    if first:
        conventions["env_args"] = json.dumps(
            {"env_name": first.get("env_id"), "type": 2, "env_kwargs": kwargs}, sort_keys=True
        )
    if len({json.dumps(one, sort_keys=True, default=str) for one in environments}) > 1:
        problems.append("the files were recorded in different environments; the first is described")
    facts = {"environment": str(first.get("env_id", "not stated"))}
    for key in ("source_type", "source_desc"):
        if isinstance(headers[0].get(key), str):
            facts[key] = headers[0][key]
    robot = kwargs.get("robot_uids")
    return Log(
        format="maniskill",
        path=path,
        segments=segments,
        rate_hz=_rate(kwargs),
        robot_type=robot if isinstance(robot, str) else None,
        conventions=conventions,
        facts=facts,
        problems=tuple(dict.fromkeys(problems)),
    )


def _rate(kwargs: Mapping[str, Any]) -> float | None:
    """Control rate in Hz, where the environment's arguments state one."""
    simulation = kwargs.get("sim_config")
    for source in (kwargs, simulation if isinstance(simulation, dict) else {}):
        rate = source.get("control_freq")
        if is_positive(rate):
            return float(rate)
    return None


def _segment(path: Path, name: str, prefix: str, entry: Mapping[str, Any] | None, problems: list[str]) -> Segment:
    where = f"{path}, '/{name}'"
    found = columns(path, f"/{name}", problems)
    steps = _steps(found, where)
    if entry is None:
        entry = {}
        problems.append(f"/{name} is not in the .json")
    elif entry.get("elapsed_steps") not in (None, steps):
        problems.append(f"/{name}: the .json states {entry['elapsed_steps']} steps, and {steps} actions are there")
    meta = {key: entry[key] for key in _EPISODE if key in entry}
    extra = {
        key: column
        for key, column in found.items()
        if key.split("/")[0] in ("obs", "env_states") and column.shape[0] == steps + 1
    }
    if any(not _small(column) for column in extra.values()):
        problems.append("the pictures and large arrays after the last action belong to no step and are left out")
    final = {key: column for key, column in extra.items() if _small(column)}
    sources = dict(_sources(found, steps))
    return ArraySegment(prefix + name, where, sources, meta=partial(_meta, meta, final))


def _steps(found: Mapping[str, Hdf5Column], where: str) -> int:
    """T, the number of actions; they may be a group of several controllers'."""
    counts = {column.shape[0] for key, column in found.items() if key.split("/")[0] == "actions"}
    if len(counts) != 1:
        raise DataError("a trajectory's actions have no single length", where=where, got=sorted(counts))
    return counts.pop()


def _small(column: Hdf5Column) -> bool:
    size = math.prod(column.shape[1:])
    return size <= _LARGEST_FINAL and column.dtype != object and raw_picture(column) is None


def _meta(stated: Mapping[str, Any], final: Mapping[str, Hdf5Column]) -> dict[str, Any]:
    if not final:
        return dict(stated)
    last = {key: column.read(column.shape[0] - 1, column.shape[0])[0].tolist() for key, column in final.items()}
    return {**stated, "final_observation": last}


def _sources(found: Mapping[str, Hdf5Column], steps: int) -> Iterator[tuple[str, Source]]:
    for key, column in found.items():
        base, _, rest = key.partition("/")
        if column.shape[0] not in (steps, steps + 1):
            yield key, array_source(column, name=key, note=f"{column.shape[0]} samples, not {steps}")
            continue
        if base == "actions":
            name = "action" if not rest else f"action.{rest.replace('/', '.')}"
            yield key, array_source(column, name=name, target="action", align="hold")
        elif key in _OUTCOMES:
            target = _OUTCOMES[key]
            yield key, array_source(column, name=target.split(".")[-1], rows=range(steps), target=target, align="hold")
        elif base == "obs":
            yield key, _observed(key, rest, column, steps)
        else:
            note = "state of the simulation" if base == "env_states" else ""
            yield key, array_source(column, name=key.rsplit("/", 1)[-1], rows=range(steps), note=note)


def _observed(key: str, rest: str, column: Hdf5Column, steps: int) -> Source:
    picture = raw_picture(column)
    parts = rest.split("/")
    if picture is not None and (len(parts) == 1 or parts[-1].lower() in ("rgb", "color")):
        # obs/sensor_data/base_camera/rgb: the camera's name is the folder.
        name = parts[-2] if len(parts) > 1 else parts[-1]
        target = as_target("observation.images", name)
        return picture_source(column, picture, target=target, rows=range(steps))
    state = _STATE.fullmatch(key) is not None and len(column.shape) == 2
    small = is_small(column)
    # obs/sensor_param/...: matrices of the cameras, obs/extra/...: what the task adds.
    target = "observation.state" if state else (as_target("observation", rest) if small and rest else None)
    return array_source(column, name=parts[-1] or "state", rows=range(steps), target=target)


FORMAT = ManiSkill()
