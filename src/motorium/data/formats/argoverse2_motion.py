"""Argoverse 2 motion forecasting: one scenario of 11 s at 10 Hz, planar, with its map.

A folder holds `scenario_<id>.parquet` (a row for each track and step) and `log_map_archive_<id>.json`. Samples are
steps already, so streams have no clocks. The ego is the track `AV`; it is no object. Positions are centres of boxes;
neither heights nor sizes are recorded, and z is 0.

Source: Wilson et al., Argoverse 2, NeurIPS Datasets 2021, section 3.2, and the data schema of the av2 API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.data import scene
from motorium.data.bounds import LARGEST_SAMPLE, check_size, inside
from motorium.data.formats.argoverse2_map import FRAME, find_map, map_attachment
from motorium.data.formats.argoverse2_tables import parquet_columns, read_parquet
from motorium.data.log import Log, Segment, Stream

NAME = "argoverse2-motion"
EGO = "AV"
RATE_HZ = 10.0

# How a track counts in the forecasting task.
CATEGORIES = ("fragment", "unscored", "scored", "focal")
_KINDS = {
    "vehicle": "car",
    "pedestrian": "pedestrian",
    "motorcyclist": "motorcycle",
    "cyclist": "bicycle",
    "bus": "bus",
    "static": "static",
    "background": "static",
    "construction": "static",
    "riderless_bicycle": "bicycle",
    "unknown": "other",
}
_COLUMNS = {
    **dict.fromkeys(("position_x", "position_y", "heading", "velocity_x", "velocity_y"), "float"),
    **dict.fromkeys(("timestep", "object_category", "num_timestamps"), "int"),
    **dict.fromkeys(("track_id", "object_type", "scenario_id", "focal_track_id", "city"), "string"),
    "observed": "bool",
}
_OPTIONAL = {"start_timestamp": "float", "end_timestamp": "float", "map_id": "int", "slice_id": "string"}
CONVENTIONS = {
    "frame": "city: metres; its origin is the city's, as the release defines it",
    "planar": "positions have no height: z is 0; the map's boundaries keep theirs",
    "ego": f"track '{EGO}': centre of its box, x ahead",
    "objects": "centres of boxes, one slot a track; headings counter-clockwise from x",
    "observed": "true in the first part, which a forecaster is given; false in the future that it is to forecast",
    "quaternions": "w first",
}
# Columns of the table behind each quantity.
_PARTS = {"position": ("position_x", "position_y"), "velocity": ("velocity_x", "velocity_y")}


class Tracks:
    """The table of a scenario.

    Attributes:
        steps: T, as the scenario says.
        slots: number of each track; the ego is 0, the objects follow in order of first appearance.
        present: (T, 1 + K) which tracks have a row at which step.
    """

    def __init__(self, path: Path) -> None:
        extra = {name: kind for name, kind in _OPTIONAL.items() if name in parquet_columns(path)}
        table = read_parquet(path, {**_COLUMNS, **extra})
        if not len(table["timestep"]):
            raise DataError("a scenario has no rows", where=path)
        self.table = table
        self.steps = int(table["num_timestamps"][0])
        self.slots = {EGO: 0}
        for track in table["track_id"]:
            self.slots.setdefault(track, len(self.slots))
        check_size("tracks over time", self.steps * len(self.slots) * 8 * 13, LARGEST_SAMPLE, path)
        step = table["timestep"].astype(np.int64)
        if step.min() < 0 or step.max() >= self.steps:
            raise DataError(
                "a row is outside the scenario's steps",
                where=path,
                got=[int(step.min()), int(step.max())],
                expected=f"0 to {self.steps - 1}",
            )
        self._slot = np.array([self.slots[track] for track in table["track_id"]], np.int64)
        self.present = np.zeros((self.steps, len(self.slots)), bool)
        self.present[step, self._slot] = True
        if self.present.sum() != len(step):
            raise DataError("a track has two rows at one step", where=path, remedy="the file is damaged")

    @property
    def has_ego(self) -> bool:
        """Whether the ego has a row at all."""
        return bool(self.present[:, 0].any())

    def array(self, quantity: str) -> NDArray:
        """Return a quantity of the ego and the objects: (T, 1 + K, ...); NaN where there is no row."""
        table = self.table
        if quantity == "observed":
            rows: NDArray = table["observed"]
        elif quantity == "orientation":
            rows = frames.quat_from_yaw(table["heading"])
        else:
            x, y = (table[name].astype(np.float64) for name in _PARTS[quantity])
            rows = np.stack([x, y, np.zeros_like(x)], axis=-1)
        made = np.full((*self.present.shape, *rows.shape[1:]), False if rows.dtype == bool else np.nan, rows.dtype)
        made[table["timestep"], self._slot] = rows
        return made

    def meta(self) -> dict[str, Any]:
        """Return the segment's meta."""
        table = self.table
        meta: dict[str, Any] = {name: str(table[name][0]) for name in ("scenario_id", "focal_track_id", "city")}
        for name in _OPTIONAL:
            if name in table:
                value = table[name][0]
                meta[name] = str(value) if isinstance(value, str) else value.item()
        steps = table["timestep"][table["observed"]]
        meta["observed_steps"] = int(steps.max()) + 1 if len(steps) else 0
        first = {int(slot): row for row, slot in reversed(list(enumerate(self._slot)))}
        meta["objects"] = [self._object(track, first[slot]) for track, slot in self.slots.items() if track != EGO]
        return meta

    def _object(self, track: str, row: int) -> dict[str, str]:
        name, category = str(self.table["object_type"][row]), int(self.table["object_category"][row])
        meta = scene.object_meta(track, name, _KINDS.get(name, "other"))
        return {**meta, "category": CATEGORIES[category] if 0 <= category < len(CATEGORIES) else str(category)}


@lru_cache(maxsize=2)
def _tracks(segment: MotionSegment) -> Tracks:
    # A folder may hold thousands of scenarios: only those that are being read stay in memory.
    return Tracks(segment.path)


class MotionSegment(Segment):
    """One scenario; see the module."""

    def __init__(self, path: Path) -> None:
        self.path = path
        tracks = _tracks(self)
        self.meta = tracks.meta()
        self.name = self.meta["scenario_id"]
        self._steps = tracks.steps
        self.problems = [] if tracks.has_ego else [f"there is no track '{EGO}': no ego motion"]
        self.streams = {
            **(self._ego_streams() if tracks.has_ego else {}),
            **self._object_streams(len(tracks.slots) - 1),
        }

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        who, quantity = key.split(".")
        tracks = _tracks(self)
        if key == "objects.valid":
            return tracks.present[start:stop, 1:]
        filled = tracks.array(quantity)[start:stop]
        return filled[:, 0] if who == "ego" else filled[:, 1:]

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        if key == "objects.valid":
            return None
        present = _tracks(self).present
        shape = (self._steps, *self.streams[key].feature.shape)
        if key.startswith("ego."):
            return np.broadcast_to(present[:, :1], shape)
        present = present[:, 1:]
        return np.broadcast_to(present.reshape(*present.shape, *(1,) * (len(shape) - 2)), shape)

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        found = find_map(self.path.parent)
        return {} if found is None else map_attachment(self.path.parent, found, planar=True)

    def _ego_streams(self) -> dict[str, Stream]:
        features = {
            "ego.position": scene.ego_position(FRAME),
            "ego.orientation": scene.ego_orientation(FRAME),
            "ego.velocity": scene.ego_velocity(FRAME),
        }
        return {
            key: Stream(
                feature=feature,
                count=self._steps,
                target="observation.state",
                align="slerp" if key == "ego.orientation" else "linear",
                note=f"track '{EGO}'",
            )
            for key, feature in features.items()
        }

    def _object_streams(self, count: int) -> dict[str, Stream]:
        features = scene.object_features(count, FRAME)
        del features["objects.size"]
        features["objects.observed"] = Feature(dtype="bool", shape=(count,), units=("1",))
        return {
            key: Stream(feature=feature, count=self._steps, target=key, ragged=True, note="tracks")
            for key, feature in features.items()
        }

    def check_rate(self) -> None:
        """Note when the scenario's own stamps contradict the format's 10 Hz."""
        start, end = self.meta.get("start_timestamp"), self.meta.get("end_timestamp")
        if start is None or end is None or self._steps < 2:
            return
        span_s = (end - start) / 1e9
        if not abs(span_s * RATE_HZ / (self._steps - 1) - 1) < 0.01:
            self.problems.append(f"its stamps span {span_s:g} s: {self._steps} steps are not at {RATE_HZ:g} Hz")


class MotionFormat:
    """The row of the catalog: a scenario's folder, or its parquet file; see `log.LogFormat`."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a file, or the one in a folder, holds a scenario's tracks; None: it is none."""
        found = _table_in(path)
        if found is None:
            return None
        return f"{found.name} has tracks by timestep, with what was observed and a focal track"

    def open(self, path: Path) -> Log:
        """Describe the scenario, one segment at 10 Hz.

        Raises:
            DataError: when it is none, or its table or map is damaged.
        """
        found = _table_in(path)
        if found is None:
            raise DataError(
                "this is no Argoverse 2 scenario", where=path, expected="a folder with one scenario's parquet"
            )
        root = found.parent
        segment = MotionSegment(inside(root, found.name, root))
        segment.check_rate()
        if find_map(root) is None:
            segment.problems.append("there is no vector map")
        return Log(
            format=NAME,
            path=path,
            segments=[segment],
            rate_hz=RATE_HZ,
            conventions=CONVENTIONS,
            facts={key: str(segment.meta[key]) for key in ("scenario_id", "city", "focal_track_id")},
            problems=segment.problems,
        )


def _table_in(path: Path) -> Path | None:
    """Return the scenario's table when `path` is it or holds exactly one."""
    found = sorted(path.glob("*.parquet"))[:2] if path.is_dir() else [path]
    if len(found) != 1 or not found[0].is_file():
        return None
    needed = {"track_id", "timestep", "observed", "object_category", "focal_track_id", "position_x", "heading"}
    return found[0] if needed <= set(parquet_columns(found[0])) else None


FORMAT = MotionFormat()
