"""Demonstrations in HDF5 as robomimic, robosuite, MimicGen, LIBERO and Isaac Lab write them: `/data/demo_<i>`.

Each demonstration is a segment; nothing in it has a clock, sample i belongs to step i. Source:
robomimic, docs/datasets/overview; robosuite, scripts/collect_human_demonstrations.py;
Isaac Lab, utils/datasets/hdf5_dataset_file_handler.py and Mimic's `datagen_info`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from motorium.core.errors import DataError
from motorium.data.formats.columns import (
    ArraySegment,
    Source,
    array_source,
    as_target,
    files_of,
    is_positive,
    is_small,
    picture_source,
    quaternion_source,
    raw_picture,
)
from motorium.data.formats.hdf5 import (
    SUFFIXES,
    Hdf5Column,
    attributes,
    children,
    columns,
    is_hdf5,
    opened,
    reading,
    subgroup,
)
from motorium.data.log import Log, Segment

ROBOSUITE, GYM = 1, 2

_PROPRIOCEPTION = re.compile(
    r"(.*/)?((robot\d+_|left_|right_)?(eef_pos|eef_quat|gripper_qpos|gripper_pos|ee_pos|ee_ori)|gripper_states|state)"
)
_JOINTS = re.compile(r"(.*/)?(robot\d+_)?(joint_pos|joint_states|robot_joint_pos|qpos)")
_SCENE = re.compile(r"(.*/)?(object|objects|object_obs)")
_QUATERNION = re.compile(r"(^|[_/])quat(_site)?$")
_TARGETS = {
    "actions": "action",
    "rewards": "next.reward",
    "dones": "next.done",
    "terminated": "next.terminated",
    "truncated": "next.truncated",
    "successes": "next.success",
}
_CAMERA_SUFFIX = re.compile(r"_(image|rgb|img)$")


class Robomimic:
    """Reader of `/data/demo_<i>` files; a folder of them is one log."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a file, or the first HDF5 file of a folder, holds demonstrations."""
        try:
            files = [file for file in files_of(path, SUFFIXES) if is_hdf5(file)]
            if not files:
                return None
            demos = _demos(files[0])
            kind = _kind(_data_attributes(files[0]))
        except DataError as error:
            # An HDF5 file that cannot be opened at all is claimed here, so that its owner learns why.
            return f"an HDF5 file that cannot be read: {error.details['got']}" if path.is_file() else None
        except OSError:
            return None
        return f"HDF5 with /data/{demos[0]}/actions ({kind})" if demos else None

    def open(self, path: Path) -> Log:
        """Describe every demonstration of a file or folder.

        Raises:
            DataError: when there are none, or a file is damaged.
        """
        files = files_of(path, SUFFIXES)
        problems: list[str] = []
        segments: list[Segment] = []
        described: list[dict[str, Any]] = []
        for file in files:
            demos = _demos(file) if is_hdf5(file) else []
            if not demos:
                problems.append(f"{file.name} holds no demonstrations and was left out")
                continue
            prefix = f"{file.name}:" if len(files) > 1 else ""
            with opened(file):
                data = _data_attributes(file)
                described.append(data)
                filters = _filter_keys(file, demos, problems)
                segments += [_segment(file, demo, prefix, data, filters, problems) for demo in demos]
        if not segments:
            raise DataError(
                "there are no demonstrations", where=path, expected="HDF5 with groups /data/demo_<i> that hold actions"
            )
        return _log(path, segments, described, problems)


def _log(path: Path, segments: list[Segment], described: list[dict[str, Any]], problems: list[str]) -> Log:
    environments = [_environment(data) for data in described]
    rates = {_stated_rate(data) or _rate(one) for data, one in zip(described, environments)}
    robots = {_robot(one) for one in environments}
    if len(rates) > 1:
        problems.append(f"the files state different control rates: {sorted(map(str, rates))}")
    first = environments[0]
    conventions = {
        "actions": "as the environment's controller takes them; robomimic's are within [-1, 1]",
        "orientation": "quaternions are handed over w first; "
        + ("the files hold x first (robosuite)" if _order(first) == "xyzw" else "the files are read as w first"),
    }
    if first:
        conventions["env_args"] = json.dumps(first, sort_keys=True)
    facts = {"kind": _kind(described[0]), "environment": str(first.get("env_name", "not stated"))}
    rate = rates.pop() if len(rates) == 1 else None
    if rate is None and not rates and first.get("type") == ROBOSUITE:
        rate = _simulated_rate(segments[0])
        if rate is not None:
            facts["rate"] = "from the simulation's own time, the first of its states"
    keys = [key for segment in segments for key in segment.meta.get("filter_keys", ())]
    if keys:
        facts["filter keys"] = ", ".join(f"{key} ({keys.count(key)})" for key in sorted(set(keys)))
    for key in ("repository_version", "date", "time", "total", "bddl_file_name"):
        if key in described[0]:
            facts[key] = str(described[0][key])
    return Log(
        format="robomimic",
        path=path,
        segments=segments,
        rate_hz=rate,
        robot_type=robots.pop() if len(robots) == 1 else None,
        conventions=conventions,
        facts=facts,
        problems=tuple(dict.fromkeys(problems)),
    )


def _demos(path: Path) -> list[str]:
    """Names of the groups in /data that hold actions, in natural order; [] when there are none."""
    with opened(path) as file, reading(path):
        data = subgroup(file, "data", path)
        names, _ = children(data, f"{path}, '/data'") if data is not None else ([], [])
        return [name for name in names if data.get(name, getclass=True) is h5py.Group and "actions" in data[name]]


def _data_attributes(path: Path) -> dict[str, Any]:
    with opened(path) as file:
        data = subgroup(file, "data", path)
        return {} if data is None else attributes(data, f"{path}, '/data'")


def _kind(data: Mapping[str, Any]) -> str:
    if "env_info" in data:
        return "robosuite"
    if "problem_info" in data:
        return "LIBERO"
    environment = _environment(data)
    if environment.get("type") == GYM and str(environment.get("env_name", "")).startswith("Isaac"):
        return "Isaac Lab"
    return "robomimic"


def _environment(data: Mapping[str, Any]) -> dict[str, Any]:
    """What robomimic calls env_args: env_name, type, env_kwargs; robosuite's own attributes are made into that."""
    if "env_args" in data:
        return _json(data["env_args"])
    if "env_info" not in data and "env" not in data:
        return {}
    kwargs = _json(data.get("env_info", "{}"))
    name = str(data.get("env") or kwargs.get("env_name", ""))
    found: dict[str, Any] = {"env_name": name, "type": ROBOSUITE, "env_kwargs": kwargs}
    if "repository_version" in data:
        found["env_version"] = str(data["repository_version"])
    return found


def _json(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _kwargs(environment: Mapping[str, Any]) -> dict[str, Any]:
    kwargs = environment.get("env_kwargs")
    return kwargs if isinstance(kwargs, dict) else {}


def _rate(environment: Mapping[str, Any]) -> float | None:
    """Control rate in Hz, where it is stated."""
    kwargs = _kwargs(environment)
    stated = kwargs.get("control_freq")
    if is_positive(stated):
        return float(stated)
    simulation = kwargs.get("sim") if isinstance(kwargs.get("sim"), dict) else {}
    for dt, decimation in (
        (simulation.get("dt"), kwargs.get("decimation")),
        *((one.get("dt"), one.get("decimation")) for one in (environment.get("sim_args"),) if isinstance(one, dict)),
    ):
        if is_positive(dt) and is_positive(decimation):
            return float(1.0 / (dt * decimation))
    return None


def _simulated_rate(segment: Segment) -> float | None:
    """Rate of robosuite's states, (time, qpos, qvel) as MuJoCo flattens them, when their times are evenly spaced."""
    stream = segment.streams.get("states")
    if stream is None or stream.feature.dtype != "float64" or stream.count < 3:
        return None
    steps = np.diff(segment.values("states", 0, min(stream.count, 1000))[:, 0])
    step = float(np.median(steps))
    return round(1.0 / step, 6) if 1e-4 < step < 10 and np.abs(steps - step).max() < 1e-6 else None


def _stated_rate(data: Mapping[str, Any]) -> float | None:
    """Rate of a file that Motorium wrote."""
    return float(data["fps"]) if is_positive(data.get("fps")) else None


def _robot(environment: Mapping[str, Any]) -> str | None:
    robots = _kwargs(environment).get("robots")
    if isinstance(robots, str):
        return robots
    if isinstance(robots, list) and robots and all(isinstance(one, str) for one in robots):
        return "+".join(robots)
    return None


def _order(environment: Mapping[str, Any]) -> str:
    return "xyzw" if environment.get("type") == ROBOSUITE else "wxyz"


def _filter_keys(path: Path, demos: list[str], problems: list[str]) -> dict[str, list[str]]:
    """Return robomimic's filter keys (`/mask/<key>`: names of demonstrations) by demonstration."""
    with opened(path) as file:
        if subgroup(file, "mask", path) is None:
            return {}
    found: dict[str, list[str]] = {}
    for key, column in columns(path, "/mask", problems).items():
        for name in column.read(0, column.shape[0]).reshape(-1).tolist():
            text = name.decode("utf-8", errors="replace") if isinstance(name, bytes) else str(name)
            found.setdefault(text, []).append(key)
    unknown = sorted(set(found) - set(demos))
    if unknown:
        problems.append(f"{path.name}, /mask names {len(unknown)} demonstrations that are not there: {unknown[0]}, ...")
    return found


def _segment(
    path: Path,
    demo: str,
    prefix: str,
    data: Mapping[str, Any],
    filters: Mapping[str, list[str]],
    problems: list[str],
) -> Segment:
    where = f"{path}, '/data/{demo}'"
    with opened(path) as file, reading(where):
        stated = attributes(file[f"/data/{demo}"], where)
    mine: list[str] = []
    found = columns(path, f"/data/{demo}", mine)
    problems.extend(mine)
    steps = found["actions"].shape[0] if "actions" in found else 0
    if "num_samples" in stated and stated["num_samples"] != steps:
        problems.append(f"/data/{demo} states {stated['num_samples']} samples and holds {steps}")
    # `meta` is everything Motorium knew of an episode that it wrote.
    own = ("model_file", "num_samples", "ep_meta", "meta")
    meta = {**_json(stated.get("meta")), **{key: value for key, value in stated.items() if key not in own}}
    details = _json(stated.get("ep_meta"))
    if details:
        meta["ep_meta"] = details
    if demo in filters:
        meta["filter_keys"] = sorted(filters[demo])
    files = {"model.xml": partial(_text_attribute, path, demo, "model_file")} if "model_file" in stated else {}
    sources = dict(_sources(found, steps, _environment(data)))
    return ArraySegment(prefix + demo, where, sources, task=_task(data, details), meta=meta, files=files)


def _task(data: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    """The instruction, where robocasa (`ep_meta`) or LIBERO (`problem_info`) state one."""
    stated = details.get("lang") or _json(data.get("problem_info")).get("language_instruction")
    if isinstance(stated, list):
        stated = " ".join(str(word) for word in stated)
    return stated.strip('"') if isinstance(stated, str) and stated else None


def _text_attribute(path: Path, demo: str, name: str) -> bytes:
    place = f"/data/{demo}"
    where = f"{path}, '{place}'"
    with opened(path) as file, reading(where):
        return str(attributes(file[place], where)[name]).encode()


def _sources(
    found: Mapping[str, Hdf5Column], steps: int, environment: Mapping[str, Any]
) -> Iterator[tuple[str, Source]]:
    """Streams with what each usually becomes; those that do not run in steps are listed without a target."""
    observed = [key.removeprefix("obs/") for key in found if key.startswith("obs/")]
    state = next((p for p in (_PROPRIOCEPTION, _JOINTS) if any(p.fullmatch(key) for key in observed)), None)
    for key, column in found.items():
        if column.shape[0] != steps:
            note = "one sample for the episode" if column.shape[0] == 1 else f"{column.shape[0]} samples, not {steps}"
            yield key, array_source(column, name=key, note=note)
        elif key.startswith("obs/"):
            yield key, _observed(key.removeprefix("obs/"), column, state, environment)
        elif key in _TARGETS:
            yield key, _outcome(key, column, environment)
        elif key == "states":
            time_first = environment.get("type") == ROBOSUITE
            note = "state of the simulation" + (": time, qpos, qvel" if time_first else "")
            yield key, array_source(column, name="state", target=None if observed else "observation.state", note=note)
        elif key.startswith("datagen_info/"):
            yield key, array_source(column, name=key.rsplit("/", 1)[-1], target=as_target("", key))
        elif key == "processed_actions":
            note = "actions as the simulator took them"
            yield key, array_source(column, name="processed_action", target=key, align="hold", note=note)
        elif key.startswith("next."):
            yield key, array_source(column, name=key.split(".")[-1], target=key, align="hold")
        else:
            note = "observation after the step" if key.startswith("next_obs/") else ""
            yield key, _plain(key, column, environment, note)


def _outcome(key: str, column: Hdf5Column, environment: Mapping[str, Any]) -> Source:
    target = _TARGETS[key]
    controller = _kwargs(environment).get("controller_configs")
    limits = (controller.get("input_min"), controller.get("input_max")) if isinstance(controller, dict) else None
    units = "normalized" if key == "actions" and limits == (-1, 1) else None
    return array_source(column, name=target.split(".")[-1], target=target, align="hold", units=units)


def _observed(key: str, column: Hdf5Column, state: re.Pattern | None, environment: Mapping[str, Any]) -> Source:
    picture = raw_picture(column)
    if picture is not None:
        target = as_target("observation.images", _CAMERA_SUFFIX.sub("", key))
        return picture_source(column, picture, target=target)
    small = is_small(column)
    if state is not None and state.fullmatch(key) and len(column.shape) <= 2:
        target: str | None = "observation.state"
    elif _SCENE.fullmatch(key) and len(column.shape) <= 2:
        target = "observation.environment_state"
    else:
        target = as_target("observation", key) if small else None
    return _plain(key, column, environment, "", target)


def _plain(
    key: str, column: Hdf5Column, environment: Mapping[str, Any], note: str, target: str | None = None
) -> Source:
    stem = key.rsplit("/", 1)[-1]
    if _QUATERNION.search(key) and column.shape[1:] == (4,) and column.dtype != object:
        return quaternion_source(column, name=stem, order=_order(environment), target=target, note=note)
    return array_source(column, name=stem, target=target, note=note)


FORMAT = Robomimic()
