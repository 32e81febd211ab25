"""Road networks of CommonRoad: lanelets, signs, lights and intersections as a VectorMap.

Points are in the scenario's frame, metres; heights are 0 where the file gives none. Everything that `Lane` has no
place for is in `extra`, so that the writer can write the network back.

Source: CommonRoad: Documentation of the XML Format, 2020a, sections 3 to 5 (and 2018b), and its XML Schema.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.formats.commonroad_xml import number, to_plain, words
from motorium.data.formats.xml import Element
from motorium.data.scene import Lane, Shape, VectorMap

FRAME = "scenario"

# Signs that set a maximum speed, in m/s, in the countries that CommonRoad knows.
MAX_SPEED_SIGNS = ("274", "274.1", "R2-1", "r301", "3.24", "R15", "C43", "B14", "B31", "Ρ-32", "P-32")


def read_network(root: Element, where: object) -> VectorMap:
    """Return the map of a scenario.

    Raises:
        DataError: when an element is incomplete or holds no number where one belongs.
    """
    signs = [_sign(element, where) for element in root.findall("trafficSign")]
    limits = {sign.id: limit for sign in signs if (limit := _limit(sign, where)) is not None}
    lanes, stops = [], []
    for element in root.findall("lanelet"):
        lane = _lane(element, limits, where)
        lanes.append(lane)
        if element.find("stopLine") is not None:
            stops.append(_stop_line(element.find("stopLine"), lane, where))
    others = [*signs, *(_light(element, where) for element in root.findall("trafficLight")), *stops]
    for element in root.findall("intersection"):
        empty = np.empty((0, 3))
        others.append(
            Shape(id=_id(element, where), kind="other", points=empty, extra={"intersection": to_plain(element)})
        )
    for element in root.findall("environmentObstacle"):
        others.append(_environment(element, where))
    return VectorMap(frame=FRAME, planar=True, lanes=tuple(lanes), shapes=tuple(others))


def read_point(element: Element, where: object) -> tuple[float, float, float]:
    """Return the coordinates of a `<point>` or `<center>`; z is 0 where it is not given."""
    z = element.find("z")
    return (
        number(element.find("x"), where),
        number(element.find("y"), where),
        0.0 if z is None else number(z, where),
    )


def _lane(element: Element, limits: dict[str, float], where: object) -> Lane:
    name = _id(element, where)
    where = f"{where}, lanelet {name}"
    left, right = element.find("leftBound"), element.find("rightBound")
    if left is None or right is None:
        raise DataError("a lanelet lacks a bound", where=where, expected="leftBound and rightBound")
    types = [(one.text or "").strip() for one in element.findall("laneletType")]
    signs = _references(element, "trafficSignRef")
    extra: dict[str, Any] = {
        "types": types,
        "users_one_way": [(one.text or "").strip() for one in element.findall("userOneWay")],
        "users_bidirectional": [(one.text or "").strip() for one in element.findall("userBidirectional")],
        "traffic_signs": signs,
        "traffic_lights": _references(element, "trafficLightRef"),
    }
    neighbors: dict[str, str | None] = {}
    for side, tag in (("left", "adjacentLeft"), ("right", "adjacentRight")):
        adjacent = element.find(tag)
        neighbors[side] = None if adjacent is None else adjacent.get("ref")
        if adjacent is not None:
            extra[f"{side}_direction"] = adjacent.get("drivingDir")
    own = element.find("speedLimit")
    found = [limits[sign] for sign in signs if sign in limits]
    return Lane(
        id=name,
        kind=types[0] if types else "road",
        left=_points(left, where),
        right=_points(right, where),
        left_mark=words(left, "lineMarking"),
        right_mark=words(right, "lineMarking"),
        successors=tuple(_references(element, "successor")),
        predecessors=tuple(_references(element, "predecessor")),
        left_neighbor=neighbors["left"],
        right_neighbor=neighbors["right"],
        speed_limit_mps=number(own, where) if own is not None else min(found, default=None),
        extra={key: value for key, value in extra.items() if value},
    )


def _stop_line(element: Element, lane: Lane, where: object) -> Shape:
    given = _points(element, f"{where}, lanelet {lane.id}, stop line")
    # Without points, it is where the lanelet ends.
    ends = [bound[-1] for bound in (lane.left, lane.right) if bound is not None and len(bound)]
    return Shape(
        id=f"{lane.id}.stop_line",
        kind="stop_line",
        points=given if len(given) else np.array(ends).reshape(-1, 3),
        extra={
            "lane": lane.id,
            "mark": words(element, "lineMarking"),
            "points_given": bool(len(given)),
            "traffic_signs": _references(element, "trafficSignRef"),
            "traffic_lights": _references(element, "trafficLightRef"),
        },
    )


def _sign(element: Element, where: object) -> Shape:
    name = _id(element, where)
    elements = [
        {
            "id": words(part, "trafficSignID") or "",
            "values": [(value.text or "").strip() for value in part.findall("additionalValue")],
        }
        for part in element.findall("trafficSignElement")
    ]
    extra: dict[str, Any] = {"elements": elements}
    if words(element, "virtual") is not None:
        extra["virtual"] = words(element, "virtual")
    return Shape(id=name, kind="sign", points=_position(element, f"{where}, sign {name}"), extra=extra)


def _limit(sign: Shape, where: object) -> float | None:
    """Return the speed that a sign sets (m/s); None: it sets none."""
    found = []
    for part in sign.extra["elements"]:
        if part["id"] in MAX_SPEED_SIGNS and part["values"]:
            element = Element("additionalValue")
            element.text = part["values"][0]
            found.append(number(element, f"{where}, sign {sign.id}"))
    return min(found, default=None)


def _light(element: Element, where: object) -> Shape:
    name = _id(element, where)
    where = f"{where}, light {name}"
    cycle = element.find("cycle")
    extra: dict[str, Any] = {"cycle": [], "duration_unit": "steps"}
    if cycle is not None:
        extra["cycle"] = [
            {"duration": number(part.find("duration"), where), "color": words(part, "color")}
            for part in cycle.findall("cycleElement")
        ]
        if cycle.find("timeOffset") is not None:
            extra["time_offset"] = number(cycle.find("timeOffset"), where)
    for key in ("direction", "active"):
        if words(element, key) is not None:
            extra[key] = words(element, key)
    return Shape(id=name, kind="signal", points=_position(element, where), extra=extra)


def _environment(element: Element, where: object) -> Shape:
    name = _id(element, where)
    polygon = element.find("shape/polygon")
    points = np.empty((0, 3)) if polygon is None else _points(polygon, f"{where}, obstacle {name}")
    return Shape(id=name, kind="other", points=points, extra={"environment_obstacle": to_plain(element)})


def _position(element: Element, where: object) -> NDArray[np.float64]:
    point = element.find("position/point")
    return np.empty((0, 3)) if point is None else np.array([read_point(point, where)])


def _points(element: Element, where: object) -> NDArray[np.float64]:
    return np.array([read_point(point, where) for point in element.findall("point")], np.float64).reshape(-1, 3)


def _references(element: Element, tag: str) -> list[str]:
    return [one.get("ref", "") for one in element.findall(tag)]


def _id(element: Element, where: object) -> str:
    name = element.get("id")
    if not name:
        raise DataError(f"a <{element.tag}> has no id", where=where)
    return name
