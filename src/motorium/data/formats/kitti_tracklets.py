"""Labelled tracks of a raw drive of KITTI: `tracklet_labels.xml`, as boost::serialization writes it.

Source: readme.txt of the raw development kit: boxes of fixed height, width and length in the frame of the laser
scanner; `t` is the middle of the bottom, `rz` the rotation about the vertical. Codes: cpp/tracklets.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.frames import make_pose, quat_from_yaw
from motorium.data.formats.xml import Element, read_xml

DEEPEST = 16

NOTES = {
    "occlusion": "-1 not labelled, 0 visible, 1 partly, 2 fully occluded",
    "truncation": "99 not labelled, 0 in the picture, 1 truncated, 2 outside, 3 behind",
}


@dataclass(frozen=True, kw_only=True)
class Tracklet:
    """One object over consecutive frames.

    Attributes:
        size: length, width, height, m.
        first: its first frame.
        poses: (n, 7) of the middle of its box, in the frame of the laser scanner.
        occlusion, truncation: (n,) codes; see `NOTES`.
    """

    kind: str
    size: tuple[float, float, float]
    first: int
    poses: NDArray[np.float64]
    occlusion: NDArray[np.int64]
    truncation: NDArray[np.int64]


def read_tracklets(path: Path) -> list[Tracklet]:
    """Return the tracks of a file, in order.

    Raises:
        DataError: when it is damaged, or not of this format.
    """
    # boost writes a document type, but one that declares and names nothing.
    root = read_xml(path, deepest=DEEPEST, named=True)
    holder = root.find("tracklets")
    if holder is None:
        raise DataError("there is no list of tracklets", where=path, expected="<tracklets>")
    items = holder.findall("item")
    count = _whole(holder, "count", path)
    if count != len(items):
        raise DataError("the number of tracklets is not as stated", where=path, got=len(items), expected=count)
    return [_tracklet(item, f"{path}, tracklet {number}") for number, item in enumerate(items)]


def _tracklet(item: Element, where: str) -> Tracklet:
    height, width, length = (_number(item, name, where) for name in "hwl")
    holder = item.find("poses")
    rows = [] if holder is None else holder.findall("item")
    if holder is None or _whole(holder, "count", where) != len(rows):
        raise DataError("the number of poses is not as stated", where=where, got=len(rows))
    places = np.array([[_number(row, name, where) for name in ("tx", "ty", "tz")] for row in rows]).reshape(-1, 3)
    turns = np.array([[_number(row, name, where) for name in ("rx", "ry", "rz")] for row in rows]).reshape(-1, 3)
    if np.abs(turns[:, :2]).any():
        raise DataError("a box is turned about another axis than the vertical", where=where, expected="rx = ry = 0")
    return Tracklet(
        kind=_text(item, "objectType", where),
        size=(length, width, height),
        first=_whole(item, "first_frame", where),
        poses=make_pose(places + [0.0, 0.0, height / 2.0], quat_from_yaw(turns[:, 2])),
        occlusion=np.array([_whole(row, "occlusion", where, -1) for row in rows], np.int64),
        truncation=np.array([_whole(row, "truncation", where, 99) for row in rows], np.int64),
    )


def _text(element: Element, name: str, where: object) -> str:
    value = element.findtext(name)
    if value is None:
        raise DataError(f"a tracklet has no <{name}>", where=where)
    return value.strip()


def _number(element: Element, name: str, where: object) -> float:
    value = _text(element, name, where)
    try:
        return float(value)
    except ValueError:
        raise DataError(f"<{name}> is no number", where=where, got=value[:80]) from None


def _whole(element: Element, name: str, where: object, default: int | None = None) -> int:
    if default is not None and element.find(name) is None:
        return default
    value = _number(element, name, where)
    if not value.is_integer() or abs(value) > 1e9:
        raise DataError(f"<{name}> is no whole number", where=where, got=value)
    return int(value)
