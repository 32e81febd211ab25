"""Lanelets, signs, lights and intersections of CommonRoad XML, made from a VectorMap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.data.formats.commonroad_map import MAX_SPEED_SIGNS
from motorium.data.formats.commonroad_xml import decimal, from_plain
from motorium.data.formats.xml import Element
from motorium.data.scene import Lane, Shape, VectorMap

_LANE_TYPES = (
    "urban interstate country highway sidewalk crosswalk busLane bicycleLane exitRamp mainCarriageWay accessRamp "
    "shoulder driveWay busStop intersection border parking restricted restricted_area unknown"
)
LANE_TYPES = tuple(_LANE_TYPES.split())
_KINDS = {"bike": "bicycleLane", "bicycle": "bicycleLane", "bus": "busLane", "freeway": "interstate"}
_MARKS = (
    "dashed solid solid_solid dashed_dashed solid_dashed dashed_solid curb lowered_curb broad_dashed broad_solid "
    "unknown no_marking"
)
MARKS = tuple(_MARKS.split())
_LARGEST_ID = 2**31 - 1


class Ids:
    """Numbers of everything in one file, distinct: those that things already have, then counted on."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved = {number for name in reserved if (number := _number(name)) is not None}
        self._used: set[int] = set()
        self._next = max(self._reserved, default=0) + 1
        self._known: dict[str, int] = {}

    def claim(self, number: int) -> bool:
        """Reserve and use a number; False when something has it."""
        if number in self._reserved or number in self._used:
            return False
        self._used.add(number)
        return True

    def number(self, key: str | None, name: str) -> int:
        """Return the number of the thing `key` (None: a new one): `name` itself when it is a free number."""
        if key is not None and key in self._known:
            return self._known[key]
        own = _number(name)
        if own is None or own in self._used:
            while self._next in self._used:
                self._next += 1
            own = self._next
        self._used.add(own)
        if key is not None:
            self._known[key] = own
        return own


class Network:
    """Elements of one map.

    Attributes:
        lanelets: {id in the map: id in the file}, both as text.
    """

    def __init__(
        self, source: VectorMap | None, ids: Ids, digits: int, benchmark: str, note: Callable[..., None]
    ) -> None:
        self._map = source or VectorMap(frame="", planar=True)
        self._ids, self._digits, self._note = ids, digits, note
        # USA and Puerto Rico have a sign of their own.
        self._speed_sign = "R2-1" if benchmark.removeprefix("C-").startswith(("USA_", "PRI_")) else "274"
        self._lanes = [lane for lane in self._map.lanes if _complete(lane)]
        if len(self._lanes) < len(self._map.lanes):
            note("lanes without both bounds", len(self._map.lanes) - len(self._lanes))
        self.lanelets = {lane.id: str(ids.number(f"lane {lane.id}", lane.id)) for lane in self._lanes}
        shapes = self._map.shapes
        self._signs = [shape for shape in shapes if shape.kind == "sign" and _elements(shape)]
        self._lights = [shape for shape in shapes if shape.kind == "signal" and shape.extra.get("cycle")]
        self._stops = {str(shape.extra.get("lane")): shape for shape in shapes if _is_stop(shape)}
        self._numbers = {
            shape.id: str(ids.number(f"shape {shape.id}", shape.id)) for shape in [*self._signs, *self._lights]
        }
        self._limits: list[Element] = []
        self._count_others()

    def elements(self) -> list[Element]:
        """Return lanelets, signs, lights and intersections, in the order of the schema."""
        lanelets = [self._lanelet(lane) for lane in self._lanes]
        signs = [self._sign(shape) for shape in self._signs]
        lights = [self._light(shape) for shape in self._lights]
        return [*lanelets, *signs, *self._limits, *lights, *self._intersections()]

    def environment(self) -> list[Element]:
        """Return what stands beside the road."""
        return [
            from_plain("environmentObstacle", shape.extra["environment_obstacle"])
            for shape in self._map.shapes
            if isinstance(shape.extra.get("environment_obstacle"), Mapping)
        ]

    def _lanelet(self, lane: Lane) -> Element:
        element = Element("lanelet", {"id": self.lanelets[lane.id]})
        left, right = _paired(lane.left, lane.right)
        for tag, points, mark in (("leftBound", left, lane.left_mark), ("rightBound", right, lane.right_mark)):
            bound = Element(tag)
            bound.extend(self._point("point", point) for point in points)
            if mark is not None:
                bound.append(_text("lineMarking", self._mark(mark)))
            element.append(bound)
        element.extend(self._refer("predecessor", lane.predecessors))
        element.extend(self._refer("successor", lane.successors))
        for side, tag, other in (
            ("left", "adjacentLeft", lane.left_neighbor),
            ("right", "adjacentRight", lane.right_neighbor),
        ):
            for reference in self._refer(tag, (other,) if other else ()):
                reference.set("drivingDir", self._direction(lane, str(other), lane.extra.get(f"{side}_direction")))
                element.append(reference)
        if lane.id in self._stops:
            element.append(self._stop_line(self._stops[lane.id]))
        self._add_users(element, lane)
        self._add_references(element, lane)
        return element

    def _add_users(self, element: Element, lane: Lane) -> None:
        types = [str(kind) for kind in lane.extra.get("types", ())] or [_KINDS.get(lane.kind, lane.kind)]
        known = [kind for kind in types if kind in LANE_TYPES]
        element.extend(_text("laneletType", kind) for kind in known or ["unknown"])
        for key, tag in (("users_one_way", "userOneWay"), ("users_bidirectional", "userBidirectional")):
            element.extend(_text(tag, str(user)) for user in lane.extra.get(key, ()))

    def _add_references(self, element: Element, lane: Lane) -> None:
        signs = [str(sign) for sign in lane.extra.get("traffic_signs", ()) if str(sign) in self._numbers]
        for sign in signs:
            element.append(Element("trafficSignRef", {"ref": self._numbers[sign]}))
        if lane.speed_limit_mps is not None and not self._limited(signs):
            number = str(self._ids.number(None, ""))
            plain = {"trafficSignID": self._speed_sign, "additionalValue": repr(float(lane.speed_limit_mps))}
            self._limits.append(
                from_plain("trafficSign", {"@id": number, "trafficSignElement": plain, "virtual": "true"})
            )
            element.append(Element("trafficSignRef", {"ref": number}))
        for light in lane.extra.get("traffic_lights", ()):
            if str(light) in self._numbers:
                element.append(Element("trafficLightRef", {"ref": self._numbers[str(light)]}))

    def _limited(self, signs: list[str]) -> bool:
        shapes = {shape.id: shape for shape in self._signs}
        return any(part.get("id") in MAX_SPEED_SIGNS for sign in signs for part in _elements(shapes[sign]))

    def _stop_line(self, shape: Shape) -> Element:
        element = Element("stopLine")
        if shape.extra.get("points_given", True):
            element.extend(self._point("point", point) for point in shape.points[:2])
        element.append(_text("lineMarking", self._mark(shape.extra.get("mark") or "unknown")))
        for key, tag in (("traffic_signs", "trafficSignRef"), ("traffic_lights", "trafficLightRef")):
            for name in shape.extra.get(key, ()):
                if str(name) in self._numbers:
                    element.append(Element(tag, {"ref": self._numbers[str(name)]}))
        return element

    def _sign(self, shape: Shape) -> Element:
        element = Element("trafficSign", {"id": self._numbers[shape.id]})
        for part in _elements(shape):
            values = [str(value) for value in part.get("values", ())]
            plain: dict[str, Any] = {"trafficSignID": str(part.get("id", ""))}
            if values:
                plain["additionalValue"] = values
            element.append(from_plain("trafficSignElement", plain))
        element.extend(self._position(shape))
        if shape.extra.get("virtual") is not None:
            element.append(_text("virtual", str(shape.extra["virtual"])))
        return element

    def _light(self, shape: Shape) -> Element:
        element = Element("trafficLight", {"id": self._numbers[shape.id]})
        cycle = Element("cycle")
        for part in shape.extra["cycle"]:
            one = Element("cycleElement")
            one.append(_text("duration", decimal(_whole(part.get("duration", 0)))))
            one.append(_text("color", str(part.get("color"))))
            cycle.append(one)
        if shape.extra.get("time_offset") is not None:
            cycle.append(_text("timeOffset", decimal(_whole(shape.extra["time_offset"]))))
        element.append(cycle)
        element.extend(self._position(shape))
        for key in ("direction", "active"):
            if shape.extra.get(key) is not None:
                element.append(_text(key, str(shape.extra[key])))
        return element

    def _intersections(self) -> list[Element]:
        made = []
        for shape in self._map.shapes:
            plain = shape.extra.get("intersection")
            if not isinstance(plain, Mapping):
                continue
            element = from_plain("intersection", plain)
            incoming = {one.get("id") for one in element.iter("incoming")}
            wanted = {one.get("ref") for one in element.iter() if one.get("ref") is not None}
            if wanted - incoming <= set(self.lanelets.values()):
                made.append(element)
            else:
                self._note("intersections of lanelets that are not there")
        return made

    def _refer(self, tag: str, others: Iterable[str]) -> list[Element]:
        found = [self.lanelets[other] for other in others if other in self.lanelets]
        return [Element(tag, {"ref": number}) for number in found]

    def _direction(self, lane: Lane, other: str, stated: Any) -> str:
        """Return whether a neighbour runs the same way: as stated, or as its bounds do."""
        if stated in ("same", "opposite"):
            return stated
        neighbor = next(one for one in self._lanes if one.id == other)
        ours, theirs = (one.left[-1, :2] - one.left[0, :2] for one in (lane, neighbor))
        return "same" if float(ours[0] * theirs[0] + ours[1] * theirs[1]) >= 0 else "opposite"

    def _mark(self, mark: str) -> str:
        made = _mark(mark)
        if made != mark:
            self._note(f"line markings '{mark}' are written as '{made}'")
        return made

    def _position(self, shape: Shape) -> list[Element]:
        if not len(shape.points):
            return []
        position = Element("position")
        position.append(self._point("point", shape.points[0]))
        return [position]

    def _point(self, tag: str, point: NDArray[np.float64]) -> Element:
        element = Element(tag)
        # A height of 0 is how a planar map says that it has none.
        for axis, value in zip("xyz" if point[2] else "xy", point, strict=False):
            element.append(_text(axis, decimal(float(value), self._digits)))
        return element

    def _count_others(self) -> None:
        written = {id(shape) for shape in [*self._signs, *self._lights, *self._stops.values()]}
        for shape in self._map.shapes:
            own = "intersection" in shape.extra or "environment_obstacle" in shape.extra
            if id(shape) not in written and not own:
                self._note(f"map elements of kind '{shape.kind}'")


def _number(name: str) -> int | None:
    """Return the id that a name is; None: it is none that a scenario can have."""
    if not (name.isascii() and name.isdigit()) or name.startswith("0") or len(name) > 10:
        return None
    return int(name) if int(name) <= _LARGEST_ID else None


def _complete(lane: Lane) -> bool:
    return lane.left is not None and lane.right is not None and len(lane.left) > 1 and len(lane.right) > 1


def _is_stop(shape: Shape) -> bool:
    return shape.kind == "stop_line" and shape.extra.get("lane") is not None


def _elements(shape: Shape) -> list[Mapping[str, Any]]:
    found = shape.extra.get("elements")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, (list, tuple)) else []


def _mark(mark: str) -> str:
    """Return CommonRoad's name of a line marking; colours are not among them."""
    if mark in MARKS:
        return mark
    words = mark.lower().replace("broken", "dashed").replace("-", "_").split("_")
    lines = ["dashed" if word.startswith("dash") else "solid" for word in words if word.startswith(("dash", "solid"))]
    if "double" in words and len(lines) == 1:
        lines *= 2
    name = "_".join(lines[:2])
    if "curb" in words:
        return "curb"
    return name if name in MARKS else "no_marking" if words == ["none"] else "unknown"


def _paired(left: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return bounds with equally many points, which the format wants; where they differ, points are added between."""
    if len(left) == len(right):
        return left, right
    shares = [_shares(bound) for bound in (left, right)]
    both = np.unique(np.concatenate(shares))
    made = [
        np.stack([np.interp(both, share, bound[:, axis]) for axis in range(3)], axis=-1)
        for share, bound in zip(shares, (left, right), strict=True)
    ]
    return made[0], made[1]


def _shares(bound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far along the bound each point is: (n,) from 0 to 1."""
    steps = np.sqrt((np.diff(bound, axis=0) ** 2).sum(axis=1))
    along = np.concatenate([[0.0], np.cumsum(steps)])
    return along / along[-1] if along[-1] > 0 else np.linspace(0.0, 1.0, len(bound))


def _whole(value: Any) -> int | float:
    number = float(value)
    return int(number) if number == int(number) else number


def _text(tag: str, text: str) -> Element:
    element = Element(tag)
    element.text = text
    return element
