"""What the columns of a table are: units by their headers, vectors that belong together, times, episodes, pictures."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from motorium.core.errors import DataError, nearest
from motorium.core.features import Feature
from motorium.data.formats.tables.options import TableOptions, TableStream
from motorium.data.log import Align

Cells = Literal["numbers", "stamps", "text", "pictures"]

TIME_NAMES = ("timestamp", "time", "t", "stamp", "datetime", "date_time", "unix_time", "epoch", "utc", "elapsed", "ts")
EPISODE_NAMES = (
    *("episode_index", "episode", "episode_id", "run", "run_id", "trial", "trial_id", "demo", "demo_id"),
    *("rollout", "trajectory", "trajectory_id", "traj", "trip", "session", "segment", "sequence", "scene"),
)
TASK_NAMES = ("task", "language_instruction", "instruction")
# Words and units of columns that may be the time where none has one of the names: they are, if they only go forward.
TIME_WORDS = re.compile(r"(^|[^a-z])(time|timestamp|stamp|zeit|zeitstempel|temps|tiempo|tempo)([^a-z]|$)")
TIME_UNITS = ("s", "ms", "us", "ns")
COUNTERS = ("frame_index", "frame", "index", "step", "row", "task_index", "")
COMMANDS = re.compile(r"(action|act|cmd|command|control|target|setpoint|desired)([._\[\s/-]|$)", re.IGNORECASE)

_SPELLED = {
    "mps": "m/s",
    "m_s": "m/s",
    "mps2": "m/s^2",
    "m_s2": "m/s^2",
    "kmh": "km/h",
    "kph": "km/h",
    "radps": "rad/s",
    "rad_s": "rad/s",
    "degps": "deg/s",
    "deg_s": "deg/s",
    "dps": "deg/s",
    "°": "deg",
    "°/s": "deg/s",
    "hz": "Hz",
    "nm": "N m",
    "pct": "%",
}
_AS_IS = ("m", "mm", "cm", "km", "s", "ms", "us", "ns", "rad", "deg", "rpm", "mph", "bar", "kg")
UNITS = {**{name: name for name in _AS_IS}, **_SPELLED}
_IN_BRACKETS = re.compile(r"^(.*?)\s*[\[(]\s*([^\[\]()]{1,16}?)\s*[\])]$")
_NUMBERED = re.compile(r"^(.*?)[._\[ ]?(\d{1,4})\]?$")
_AXES = (("x", "y", "z"), ("x", "y"), ("roll", "pitch", "yaw"))
_QUATERNIONS = (("w", "x", "y", "z"), ("qw", "qx", "qy", "qz"))


@dataclass(frozen=True, kw_only=True)
class Column:
    """A stream of a table.

    Attributes:
        columns: those it is made of, in order of the feature's elements; one of a list or of pictures.
        feature: of one sample; pictures get their size when one is looked at.
        role: `time`, `episode`, `task`, or "" for what may become a feature.
    """

    columns: tuple[str, ...]
    feature: Feature
    cells: Cells = "numbers"
    target: str | None = None
    align: Align = "nearest"
    role: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Columns with a meaning of their own; None: there is none."""

    time: str | None
    time_unit: str | None
    episode: str | None
    task: str | None


def split_unit(header: str) -> tuple[str, str | None]:
    """Return a header without its unit, and the unit: of `speed [m/s]`, `speed (m/s)`, `speed_mps`."""
    match = _IN_BRACKETS.match(header)
    if match and not match.group(2).isdigit():
        unit = match.group(2)
        return match.group(1), UNITS.get(unit.lower(), unit)
    parts = header.lower().split("_")
    for count in (2, 1):
        unit = "_".join(parts[-count:])
        if len(parts) > count and unit in UNITS:
            return "_".join(header.split("_")[:-count]), UNITS[unit]
    return header, None


def find_roles(types: Mapping[str, pa.DataType], options: TableOptions, where: object) -> Roles:
    """Return which columns are time, episode and task: as stated, or else by their names.

    Raises:
        DataError: when a stated column is not there.
    """
    used = {column for stream in options.streams.values() for column in stream.columns}
    known = [name for name in types if name not in used]
    for stated in (options.time, options.episode, options.task, *used):
        if stated is not None and stated not in types:
            raise DataError(
                f"there is no column '{stated}'",
                where=where,
                expected=list(types)[:100],
                nearest=nearest(stated, types),
            )
    time = options.time if options.stated("time") else _named(known, TIME_NAMES, types, _timely)
    episode = options.episode if options.stated("episode") else _named(known, EPISODE_NAMES, types, _countable)
    task = options.task if options.stated("task") else _named(known, TASK_NAMES, types, _texts)
    unit = options.time_unit or (None if time is None else split_unit(time)[1])
    return Roles(time=time, time_unit=unit if unit in TIME_UNITS else None, episode=episode, task=task)


def maybe_times(types: Mapping[str, pa.DataType]) -> list[str]:
    """Return the columns that may be the time, by a word or a unit in their headers."""
    found = []
    for name, kind in types.items():
        bare, unit = split_unit(name)
        if _timely(kind) and (unit in TIME_UNITS or _cells(kind) == "stamps" or TIME_WORDS.search(bare.lower())):
            found.append(name)
    return found


def describe(
    types: Mapping[str, pa.DataType],
    options: TableOptions,
    roles: Roles,
    where: object,
    apart: Collection[str] = (),
) -> dict[str, Column]:
    """Return the streams of a table by name, in the order of their first columns.

    Args:
        apart: columns that are no elements of a vector, whatever their names are.

    Raises:
        DataError: when a stated stream does not fit its columns.
    """
    made: dict[str, Column] = {}
    used: set[str] = set()
    for name, stream in options.streams.items():
        made[name] = _stated(name, stream, types, where)
        used |= set(stream.columns)
    free = [name for name, kind in types.items() if name not in used and _cells(kind) is not None]
    special = {roles.time: "time", roles.episode: "episode", roles.task: "task"}
    plain = [name for name in free if name not in special and name not in apart and _is_number(types[name])]
    groups = {} if options.streams else _groups(plain)
    order = {name: place for place, name in enumerate(free)}
    base_of = {column: base for base, columns in groups.items() for column in columns}
    first = {base: min(columns, key=order.__getitem__) for base, columns in groups.items()}
    for name in free:
        if name in base_of:
            base = base_of[name]
            if name == first[base]:
                made[_unused(base, made, types)] = _vector(base, groups[base], types)
            continue
        made[name] = _single(name, types[name], special.get(name, ""), bool(options.streams))
    return made


def unread(types: Mapping[str, pa.DataType]) -> list[str]:
    """Return the columns that cannot be a stream: empty ones, nested ones."""
    return [f"{name} ({kind})" for name, kind in types.items() if _cells(kind) is None]


def _single(name: str, kind: pa.DataType, role: str, bare: bool) -> Column:
    cells = _cells(kind)
    base, unit = split_unit(name)
    counter = base.lower() in COUNTERS
    mapped = cells == "numbers" and not (role or counter or bare)
    target, align = _target(name, _dtype(kind)) if mapped else (None, "nearest")
    if cells == "stamps":
        feature = Feature(dtype="int64", shape=(1,), names=(name,), units=("ns",))
    elif cells in ("text", "pictures"):
        feature = Feature(dtype="string", shape=(1,), names=(name,))
    else:
        length = kind.list_size if pa.types.is_fixed_size_list(kind) else 1
        names = (name,) if length == 1 else tuple(f"{name}.{place}" for place in range(length))
        units = None if unit is None else (unit,) * length
        feature = Feature(dtype=_dtype(kind), shape=(length,), names=names, units=units)
    note = str(kind) if role == "" else f"{kind}; the {role}"
    return Column(columns=(name,), feature=feature, cells=cells, target=target, align=align, role=role, note=note)


def _vector(base: str, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> Column:
    dtype = np.result_type(*(np.dtype(_dtype(types[name])) for name in columns)).name
    units = [split_unit(name)[1] for name in columns]
    quaternion = len(columns) == 4 and any(_suffixes(columns) == axes for axes in _QUATERNIONS)
    if quaternion:
        units, dtype = ["1"] * 4, np.result_type(dtype, np.float32).name
    target, align = _target(base, dtype)
    feature = Feature(
        dtype=dtype,
        shape=(len(columns),),
        names=tuple(columns),
        units=None if None in units else tuple(units),
    )
    note = "quaternion, w first" if quaternion else f"{len(columns)} columns"
    return Column(
        columns=tuple(columns), feature=feature, target=target, align="slerp" if quaternion else align, note=note
    )


def _stated(name: str, stream: TableStream, types: Mapping[str, pa.DataType], where: object) -> Column:
    kinds = [types[column] for column in stream.columns]
    cells = "pictures" if stream.pictures else _cells(kinds[0])
    shape = tuple(stream.shape) if stream.shape is not None else None
    if cells in ("text", "pictures"):
        feature = Feature(
            dtype="string", shape=shape or (1,), names=None if stream.names is None else tuple(stream.names)
        )
    elif all(_is_number(kind) for kind in kinds) or cells == "stamps" or stream.dtype is not None:
        dtype = stream.dtype or np.result_type(*(np.dtype(_dtype(kind)) for kind in kinds)).name
        length = kinds[0].list_size if pa.types.is_fixed_size_list(kinds[0]) else len(kinds)
        units = (stream.units,) * length if isinstance(stream.units, str) else stream.units
        feature = Feature(
            dtype=dtype,
            shape=shape or (length,),
            names=tuple(stream.names or (stream.columns if length == len(kinds) else ())) or None,
            units=None if units is None else tuple(units),
            frame=stream.frame,
        )
    else:
        raise DataError(f"stream '{name}' is made of columns that are no numbers", where=where, got=kinds)
    single = cells == "pictures" or pa.types.is_fixed_size_list(kinds[0])
    if (len(kinds) != 1 if single else len(kinds) != feature.size) or cells is None:
        raise DataError(
            f"stream '{name}' does not fit its columns",
            where=where,
            got=f"{len(kinds)} columns",
            expected=feature.shape,
        )
    return Column(
        columns=tuple(stream.columns), feature=feature, cells=cells, target=_own(name, cells), note="as stated"
    )


def _own(name: str, cells: Cells) -> str:
    if cells == "pictures" and not name.startswith("observation.images."):
        return f"observation.images.{name}"
    return name


def _target(name: str, dtype: str) -> tuple[str, Align]:
    """Return what a stream usually becomes: commands are held, the rest was observed; codes are not interpolated."""
    if name.startswith("observation.") or name in ("action", "next.reward"):
        return name, "hold" if name == "action" else "nearest"
    if COMMANDS.match(name):
        return "action", "hold"
    return "observation.state", "linear" if dtype.startswith("float") else "nearest"


def _groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Return columns that make a vector, by what they have in common: `q_0, q_1`, `pos.x, pos.y, pos.z`."""
    groups: dict[str, list[str]] = {}
    left = list(names)
    for axes in (*_QUATERNIONS, *_AXES):
        by_base: dict[tuple[str, str | None], dict[str, str]] = {}
        for name in left:
            bare, unit = split_unit(name)
            for axis in axes:
                if bare.lower() == axis or bare.lower().endswith(("." + axis, "_" + axis, " " + axis, "/" + axis)):
                    by_base.setdefault((bare[: len(bare) - len(axis)].rstrip("._ /"), unit), {})[axis] = name
        for (base, _), found in by_base.items():
            base = base or ("q" if axes[0].startswith("q") else "".join(axes))
            if len(found) == len(axes) and base not in groups:
                groups[base] = [found[axis] for axis in axes]
        grouped = {name for columns in groups.values() for name in columns}
        left = [name for name in left if name not in grouped]
    numbered: dict[str, dict[int, str]] = {}
    for name in left:
        match = _NUMBERED.match(split_unit(name)[0])
        # Names that were made up for want of a header belong to nothing.
        if match and match.group(1) not in ("", "column"):
            numbered.setdefault(match.group(1), {})[int(match.group(2))] = name
    for base, found in numbered.items():
        first = min(found)
        if len(found) > 1 and first in (0, 1) and max(found) - first + 1 == len(found) and base not in groups:
            groups[base] = [found[number] for number in sorted(found)]
    return groups


def _suffixes(columns: Sequence[str]) -> tuple[str, ...]:
    bare = [split_unit(name)[0].lower() for name in columns]
    return tuple(re.split(r"[._ /]", name)[-1] for name in bare)


def _unused(base: str, made: Mapping[str, Column], types: Mapping[str, pa.DataType]) -> str:
    name, number = base, 2
    while name in made or name in types:
        name, number = f"{base}.{number}", number + 1
    return name


def _named(known: Sequence[str], wanted: Sequence[str], types: Mapping[str, pa.DataType], fits) -> str | None:
    """Return the column whose name, without its unit, comes first among those wanted."""
    by_name: dict[str, str] = {}
    for name in known:
        if fits(types[name]):
            by_name.setdefault(split_unit(name)[0].strip().lower().replace(" ", "_"), name)
    return next((by_name[name] for name in wanted if name in by_name), None)


def _timely(kind: pa.DataType) -> bool:
    return _cells(kind) == "stamps" or (_is_number(kind) and not pa.types.is_fixed_size_list(kind))


def _countable(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or _texts(kind)


def _texts(kind: pa.DataType) -> bool:
    return _cells(kind) == "text"


def _is_number(kind: pa.DataType) -> bool:
    return _cells(kind) == "numbers"


_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)


def _cells(kind: pa.DataType) -> Cells | None:
    if pa.types.is_fixed_size_list(kind):
        inner = _cells(kind.value_type)
        return "numbers" if inner == "numbers" and not pa.types.is_nested(kind.value_type) and kind.list_size else None
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        return "numbers"
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return "stamps"
    if pa.types.is_dictionary(kind):
        return _cells(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    pictures = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind)
    return "pictures" if pictures else None


def _dtype(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return _dtype(kind.value_type)
    if pa.types.is_dictionary(kind):
        return _dtype(kind.value_type)
    return "float64" if pa.types.is_decimal(kind) else np.dtype(kind.to_pandas_dtype()).name
