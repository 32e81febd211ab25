"""Obstacles of CommonRoad XML, made from tracks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.formats.commonroad_xml import decimal, from_plain
from motorium.data.formats.xml import Element
from motorium.data.writers.commonroad_network import Ids

DYNAMIC = ("car", "truck", "bus", "motorcycle", "bicycle", "pedestrian", "priorityVehicle", "train", "taxi", "unknown")
STATIC = ("parkedVehicle", "constructionZone", "roadBoundary", "unknown")
# Length and width (m) that are usual, for objects whose own were not recorded.
USUAL_M = {
    "car": (4.5, 1.8),
    "truck": (8.0, 2.5),
    "bus": (12.0, 2.55),
    "motorcycle": (2.2, 0.8),
    "bicycle": (1.8, 0.6),
    "pedestrian": (0.6, 0.6),
    "animal": (1.0, 0.4),
    "static": (0.5, 0.5),
    "other": (1.0, 1.0),
}
# Sizes that differ less are the same.
SAME_M = 1e-3
# A tilt beyond this cannot be called planar.
FLAT_RAD = 0.05

Given = tuple[NDArray[np.float64], NDArray[np.bool_]]


class Options(Protocol):
    """What the writer's options must have."""

    digits: int
    ego_id: int
    ego_length_m: float | None
    ego_width_m: float | None
    assume_sizes: bool


@dataclass(frozen=True, kw_only=True)
class Track:
    """One object over T steps.

    Attributes:
        meta: its entry in `meta["objects"]`.
        present: (T,) where position and orientation are given.
        position: (T, 3) m; orientation: (T, 4) w first.
        velocity: (T, 3) m/s; size: (T, 3) m; each with where it is given (T,); None: not recorded.
        scalars: by the element that holds them, as `velocity`, (T,) each.
        ego: whether it is the ego.
    """

    meta: Mapping[str, Any]
    where: str
    present: NDArray[np.bool_]
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    velocity: Given | None
    size: Given | None
    scalars: Mapping[str, Given]
    ego: bool = False


class Obstacles:
    """Collects obstacles.

    Attributes:
        static, dynamic: elements, in the order of the tracks, each after a comment where its id is a new one.
    """

    def __init__(self, options: Options, ids: Ids, note: Callable[..., None], where: str) -> None:
        self._options, self._ids, self._note, self._where = options, ids, note, where
        self.static: list[Element] = []
        self.dynamic: list[Element] = []

    def add(self, track: Track) -> None:
        """Add a track: an obstacle for each run of steps without a gap.

        Raises:
            DataError: when its size is not recorded, and none is to be assumed.
        """
        shape = self._shape(track)
        if np.abs(track.position[track.present, 2]).max(initial=0.0) > 0:
            self._note("tracks have heights, which are not written")
        steps = np.flatnonzero(track.present)
        w, x, y, z = track.orientation[steps].T
        if np.max(np.arccos(np.clip(1.0 - 2.0 * (x * x + y * y), -1.0, 1.0)), initial=0.0) > FLAT_RAD:
            self._note("tracks are tilted: only their headings are written")
        yaw = np.full(len(track.present), math.nan)
        yaw[steps] = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
        if self._is_static(track):
            element = self._obstacle("staticObstacle", self._id(track, first=True), _static_type(track), shape)
            element.append(self._state(track, yaw, 0, self._values(track, steps[:1], yaw)))
            element[-1].tag = "initialState"
            self.static += [*_origin(track, element), element]
            return
        runs = np.split(steps, np.flatnonzero(np.diff(steps) > 1) + 1)
        if len(runs) > 1:
            self._note("gaps in tracks: what follows one is an obstacle of its own", len(runs) - 1)
        for number, run in enumerate(runs):
            self._add_run(track, run, yaw, shape, first=number == 0)

    def _add_run(self, track: Track, run: NDArray, yaw: NDArray, shape: Element, first: bool) -> None:
        element = self._obstacle("dynamicObstacle", self._id(track, first), _dynamic_type(track), shape)
        values = self._values(track, run, yaw)
        states = [self._state(track, yaw, int(step), values) for step in run]
        states[0].tag = "initialState"
        element.append(states[0])
        if run[0] > 0:
            self._note("obstacles begin after step 0, where the schema asks for 0")
        if len(run) > 1:
            trajectory = Element("trajectory")
            trajectory.extend(states[1:])
            element.append(trajectory)
        else:
            self._note("obstacles of a single step have no trajectory, which the schema asks for")
        self.dynamic += [*_origin(track, element), element]

    def _values(self, track: Track, run: NDArray, yaw: NDArray) -> dict[str, NDArray[np.float64]]:
        """Return what else the states of a run hold: the same in each, as the format's own reader demands."""
        made: dict[str, NDArray[np.float64]] = {}
        whole = {"velocity": track.velocity, **track.scalars}
        for name, part in whole.items():
            if part is None or not part[1][run].any():
                continue
            if not part[1][run].all():
                self._note(f"<{name}> of tracks that have it at some steps only")
                continue
            if name != "velocity":
                made[name] = part[0]
                continue
            s, c = np.sin(yaw), np.cos(yaw)
            made["velocity"] = part[0][:, 0] * c + part[0][:, 1] * s
            across = part[0][:, 1] * c - part[0][:, 0] * s
            # Along the heading, as most are recorded: zeros add nothing.
            if any(self._number(across[step]) != "0" for step in run):
                made["velocityY"] = across
        return made

    def _obstacle(self, tag: str, number: int, kind: str, shape: Element) -> Element:
        element = Element(tag, {"id": str(number)})
        element.append(_text("type", kind))
        element.append(shape)
        return element

    def _id(self, track: Track, first: bool) -> int:
        if track.ego and first:
            return self._options.ego_id
        name = str(track.meta.get("id", "")) if first and not track.ego else ""
        number = self._ids.number(f"object {name}" if name else None, name)
        if name and str(number) != name:
            self._note("objects whose identity is no number of their own: they are numbered, a comment says which")
        return number

    def _shape(self, track: Track) -> Element:
        element = Element("shape")
        plain = track.meta.get("shape")
        if isinstance(plain, Mapping) and "circle" in plain:
            element.append(from_plain("circle", plain["circle"]))
            return element
        length, width = self._size(track)
        element.append(from_plain("rectangle", {}))
        element[0].text = None
        element[0].append(_text("length", self._number(length)))
        element[0].append(_text("width", self._number(width)))
        return element

    def _size(self, track: Track) -> tuple[float, float]:
        if track.ego and self._options.ego_length_m and self._options.ego_width_m:
            return self._options.ego_length_m, self._options.ego_width_m
        if track.size is not None and track.size[1].any():
            sizes = track.size[0][track.size[1], :2]
            if np.abs(sizes - sizes[0]).max() > SAME_M:
                self._note("objects change their size: the first is written")
            if (sizes[0] > 0).all():
                return float(sizes[0, 0]), float(sizes[0, 1])
        if self._options.assume_sizes:
            kind = str(track.meta.get("kind", "other"))
            self._note(f"sizes of kind '{kind}' that are not recorded: usual ones are written")
            return USUAL_M.get(kind, USUAL_M["other"])
        ego = "ego_length_m and ego_width_m, or " if track.ego else ""
        raise DataError(
            "the size of an object is not recorded, and a scenario needs one",
            where=track.where,
            remedy=f"set {ego}assume_sizes to write what is usual for each kind",
        )

    def _is_static(self, track: Track) -> bool:
        if track.ego or track.meta.get("role") != "static" or not track.present.all():
            return False
        return bool(np.abs(track.position - track.position[0]).max() == 0)

    def _state(self, track: Track, yaw: NDArray, step: int, values: Mapping[str, NDArray]) -> Element:
        state, point = Element("state"), Element("point")
        for axis, value in zip("xy", track.position[step], strict=False):
            point.append(_text(axis, self._number(value)))
        position = Element("position")
        position.append(point)
        state.append(position)
        state.append(self._exact("orientation", yaw[step]))
        time = Element("time")
        time.append(_text("exact", str(step)))
        state.append(time)
        state.extend(self._exact(name, value[step]) for name, value in values.items())
        return state

    def _exact(self, tag: str, value: float) -> Element:
        element = Element(tag)
        element.append(_text("exact", self._number(value)))
        return element

    def _number(self, value: float) -> str:
        return decimal(float(value), self._options.digits)


def _origin(track: Track, element: Element) -> list[Element]:
    """Return a comment that says which object an obstacle is, where its id does not."""
    name = "the ego" if track.ego else f"object {track.meta['id']}" if "id" in track.meta else ""
    if not name or name == f"object {element.get('id')}":
        return []
    return [ElementTree.Comment(f" {name.replace('--', '- -')} ")]


def _dynamic_type(track: Track) -> str:
    own, kind = str(track.meta.get("class", "")), str(track.meta.get("kind", ""))
    return own if own in DYNAMIC else kind if kind in DYNAMIC else "unknown"


def _static_type(track: Track) -> str:
    own = str(track.meta.get("class", ""))
    return own if own in STATIC else "unknown"


def _text(tag: str, text: str) -> Element:
    element = Element(tag)
    element.text = text
    return element
