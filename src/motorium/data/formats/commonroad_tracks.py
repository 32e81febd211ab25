"""Obstacles of CommonRoad as tracks: what each has at each step, with masks.

Velocity in the file is a speed along the heading (with `velocityY` beside it, or turned by `slipAngle`); here it is a
vector. Uncertain values (intervals, regions) become their middles, which is counted and kept in `intervals`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.core.errors import DataError
from motorium.data.bounds import LARGEST_SAMPLE, check_size
from motorium.data.formats.commonroad_map import read_point
from motorium.data.formats.commonroad_xml import number, whole, words
from motorium.data.formats.xml import Element
from motorium.data.scene import object_meta

MOST_STEPS = 10_000_000
# Steps times obstacles; each takes about 100 bytes.
MOST_CELLS = 4_000_000

# Further scalars of a state: stream, unit.
SCALARS = {
    "acceleration": ("acceleration", "m/s^2"),
    "yawRate": ("yaw_rate", "rad/s"),
    "slipAngle": ("slip_angle", "rad"),
    "steeringAngle": ("steering_angle", "rad"),
    "hitchAngle": ("hitch_angle", "rad"),
    "rollAngle": ("roll_angle", "rad"),
    "rollRate": ("roll_rate", "rad/s"),
    "pitchAngle": ("pitch_angle", "rad"),
    "pitchRate": ("pitch_rate", "rad/s"),
    "curvature": ("curvature", "1/m"),
    "jerk": ("jerk", "m/s^3"),
}
KINDS = {
    "car": "car",
    "taxi": "car",
    "priorityVehicle": "car",
    "parkedVehicle": "car",
    "truck": "truck",
    "bus": "bus",
    "motorcycle": "motorcycle",
    "bicycle": "bicycle",
    "pedestrian": "pedestrian",
    "constructionZone": "static",
    "roadBoundary": "static",
}
_OBSTACLES = {"obstacle": None, "dynamicObstacle": "dynamic", "staticObstacle": "static"}
_WIDTHS = {"position": 3, "yaw": 1, "velocity": 3, "size": 3}


@dataclass(frozen=True)
class Outline:
    """The box of an obstacle: size (length, width), and its centre and turn in the obstacle's own frame."""

    size: tuple[float, float]
    center: tuple[float, float] = (0.0, 0.0)
    turn_rad: float = 0.0
    plain: dict[str, Any] | None = None


@dataclass
class Tracks:
    """All obstacles of a scenario, a slot each, in the order of the file.

    Attributes:
        meta: `meta["objects"]`.
        problems: {what was changed or left out: how often}.
        intervals: uncertain values as the file gives them.
    """

    where: object
    meta: list[dict[str, Any]] = field(default_factory=list)
    problems: dict[str, int] = field(default_factory=dict)
    intervals: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    _static: list[int] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)
    _made: dict[str, tuple[NDArray, NDArray[np.bool_]]] = field(default_factory=dict)
    _rows: dict[str, list[tuple[int, int, tuple[float, ...]]]] = field(default_factory=dict)

    @property
    def quantities(self) -> list[str]:
        """Scalars that some obstacle has, in the order of `SCALARS`."""
        return [name for name, _ in SCALARS.values() if name in self._rows]

    def array(self, quantity: str) -> tuple[NDArray, NDArray[np.bool_]]:
        """Return values and which of them are given: (T, K, n), or (T, K) for scalars; NaN elsewhere."""
        if quantity in self._made:
            return self._made[quantity]
        width = _WIDTHS.get(quantity, 1)
        shape = (self.steps, len(self.meta), width)
        check_size("obstacles over time", int(np.prod(shape, dtype=object)) * 8, LARGEST_SAMPLE, self.where)
        made = np.full(shape, np.nan)
        rows = self._rows.get(quantity, [])
        if rows:
            steps, slots, values = zip(*rows, strict=True)
            made[list(steps), list(slots)] = values
        for slot in self._static:
            given = np.flatnonzero(~np.isnan(made[:, slot]).all(axis=-1))
            made[:, slot] = made[given[0], slot] if len(given) else np.nan
        if width == 1:
            made = made[..., 0]
        self._made[quantity] = made, ~np.isnan(made)
        return self._made[quantity]

    def read(self, root: Element) -> None:
        """Add all obstacles of a scenario.

        Raises:
            DataError: when one is incomplete or has impossible numbers.
        """
        for element in root:
            if element.tag in _OBSTACLES:
                self._obstacle(element, _OBSTACLES[element.tag] or words(element, "role") or "dynamic")
            elif element.tag == "phantomObstacle":
                self._note("phantom obstacles are left out")
        self.steps = max(self.steps, 1)
        check_size("obstacles over time", self.steps * len(self.meta), MOST_CELLS, self.where)

    def _obstacle(self, element: Element, role: str) -> None:
        name, slot = element.get("id") or "", len(self.meta)
        where = f"{self.where}, obstacle {name}"
        if role not in ("static", "dynamic"):
            raise DataError("an obstacle has no known role", where=where, got=role, expected="static or dynamic")
        source = words(element, "type") or "unknown"
        meta: dict[str, Any] = {**object_meta(name, source, KINDS.get(source, "other")), "role": role}
        self.meta.append(meta)
        outline = self._outline(element.find("shape"), where)
        if outline is not None and outline.plain:
            meta["shape"] = outline.plain
        states = [*element.findall("initialState"), *element.findall("trajectory/state")]
        for state in states:
            self._state(state, slot, outline, where)
        if role == "static":
            self._static.append(slot)
        for occupancy in element.findall("occupancySet/occupancy"):
            self._occupancy(occupancy, slot, where)
        if element.find("initialSignalState") is not None or element.find("signalSeries") is not None:
            self._note("obstacles have signals (indicators, brake lights): left out")

    def _state(self, state: Element, slot: int, outline: Outline | None, where: str) -> None:
        step = self._step(state.find("time"), where)
        if step is None:
            return
        if (slot, step) in self._seen:
            self._note("steps that an obstacle has twice: the first state is read")
            return
        self._seen.add((slot, step))
        where = f"{where}, step {step}"
        yaw = self._scalar(state, "orientation", slot, step, where)
        point = self._position(state.find("position"), slot, step, where)
        center, turn = (outline.center, outline.turn_rad) if outline else ((0.0, 0.0), 0.0)
        if point is not None and center != (0.0, 0.0):
            point = None if yaw is None else _moved(point, yaw, center)
        if point is not None:
            self._put("position", step, slot, point)
        if yaw is not None:
            self._put("yaw", step, slot, (yaw + turn,))
        if outline is not None:
            self._put("size", step, slot, (*outline.size, math.nan))
        found = {tag: self._scalar(state, tag, slot, step, where) for tag in ("velocity", "velocityY", *SCALARS)}
        for tag, (name, _) in SCALARS.items():
            if found[tag] is not None:
                self._put(name, step, slot, (found[tag],))
        self._velocity(found, yaw, step, slot)
        known = {"time", "position", "orientation", "velocity", "velocityY", *SCALARS}
        for child in state:
            if child.tag not in known:
                self._note(f"<{child.tag}> of states is left out")

    def _velocity(self, found: dict[str, float | None], yaw: float | None, step: int, slot: int) -> None:
        speed, across = found["velocity"], found["velocityY"]
        if speed is None:
            return
        if yaw is None:
            self._note("speeds without an orientation have no direction: left out")
            return
        if across is None:
            yaw, across = yaw + (found["slipAngle"] or 0.0), 0.0
        s, c = math.sin(yaw), math.cos(yaw)
        self._put("velocity", step, slot, (speed * c - across * s, speed * s + across * c, 0.0))

    def _occupancy(self, occupancy: Element, slot: int, where: str) -> None:
        step = self._step(occupancy.find("time"), where)
        outline = self._outline(occupancy.find("shape"), where)
        if step is None or outline is None:
            return
        self._put("position", step, slot, (*outline.center, 0.0))
        self._put("size", step, slot, (*outline.size, math.nan))
        if outline.plain is None:
            self._put("yaw", step, slot, (outline.turn_rad,))

    def _step(self, time: Element | None, where: str) -> int | None:
        if time is not None and time.find("exact") is None and time.find("intervalStart") is not None:
            self._note("states that hold for an interval of time are left out")
            return None
        step = whole(None if time is None else words(time, "exact"), f"{where}, time", MOST_STEPS)
        self.steps = max(self.steps, step + 1)
        return step

    def _scalar(self, state: Element, tag: str, slot: int, step: int, where: str) -> float | None:
        element = state.find(tag)
        if element is None:
            return None
        where = f"{where}, {tag}"
        exact = element.find("exact")
        if exact is not None:
            return number(exact, where)
        ends = [number(element.find(name), where) for name in ("intervalStart", "intervalEnd")]
        self._uncertain(tag, slot, step, ends)
        return 0.5 * (ends[0] + ends[1])

    def _position(self, element: Element | None, slot: int, step: int, where: str) -> tuple[float, float, float] | None:
        point = None if element is None else element.find("point")
        if point is not None:
            return read_point(point, where)
        region = None if element is None or not len(element) else element[0]
        center = None if region is None else region.find("center")
        if region is None or (center is None and region.tag not in ("rectangle", "circle")):
            self._note("positions that are regions without a centre are masked")
            return None
        found = (0.0, 0.0, 0.0) if center is None else read_point(center, where)
        self._uncertain("position", slot, step, region.tag)
        return found

    def _outline(self, shape: Element | None, where: str) -> Outline | None:
        element = None if shape is None or not len(shape) else shape[0]
        if element is not None and len(shape) > 1:
            self._note("shapes of several parts: only the first is read")
        tag = None if element is None else element.tag
        if element is None or tag not in ("rectangle", "circle", "polygon"):
            self._note(f"sizes of obstacles with a <{tag}> as shape are masked")
            return None
        if tag == "polygon":
            self._note("polygons are described by the boxes around them")
            points = np.array([read_point(point, where)[:2] for point in element.findall("point")]).reshape(-1, 2)
            if not len(points):
                raise DataError("a polygon has no points", where=where)
            low, high = points.min(axis=0), points.max(axis=0)
            return Outline(size=tuple((high - low).tolist()), center=tuple((0.5 * (low + high)).tolist()))
        center = element.find("center")
        middle = (0.0, 0.0) if center is None else read_point(center, where)[:2]
        if tag == "circle":
            diameter = 2.0 * number(element.find("radius"), where)
            plain = {"circle": {"radius": 0.5 * diameter}}
            return Outline(size=(diameter, diameter), center=middle, plain=plain)
        size = (number(element.find("length"), where), number(element.find("width"), where))
        turn = 0.0 if element.find("orientation") is None else number(element.find("orientation"), where)
        if element.find("originXShift") is not None:
            # The origin lies this far ahead of the box's centre.
            shift = number(element.find("originXShift"), where)
            middle = _moved((*middle, 0.0), turn, (-shift, 0.0))[:2]
        return Outline(size=size, center=middle, turn_rad=turn)

    def _uncertain(self, what: str, slot: int, step: int, given: Any) -> None:
        self._note("uncertain values are replaced by their middles (meta: intervals)")
        self.intervals.append({"object": self.meta[slot]["id"], "step": step, "quantity": what, "given": given})

    def _put(self, quantity: str, step: int, slot: int, value: tuple[float, ...]) -> None:
        self._rows.setdefault(quantity, []).append((step, slot, value))

    def _note(self, problem: str) -> None:
        self.problems[problem] = self.problems.get(problem, 0) + 1


def orientations(yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quaternions of headings, NaN where those are: (..., 4)."""
    made = frames.quat_from_yaw(yaw)
    return np.where(np.isnan(yaw)[..., None], np.nan, made)


def _moved(point: tuple[float, ...], yaw: float, offset: tuple[float, float]) -> tuple[float, float, float]:
    s, c = math.sin(yaw), math.cos(yaw)
    return point[0] + c * offset[0] - s * offset[1], point[1] + s * offset[0] + c * offset[1], point[2]
