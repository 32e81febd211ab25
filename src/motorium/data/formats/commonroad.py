"""CommonRoad scenarios (XML 2018b and 2020a): traffic on a road network, planar, in steps of `timeStepSize`.

A scenario has no ego: its planning problems, which say where one would start and should go, are in
`meta["planning_problems"]`, and `objects.*` are the streams there are. Samples are steps, so streams have no clocks.

Source: CommonRoad: Documentation of the XML Format, 2018b and 2020a, commonroad.in.tum.de.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.data import scene
from motorium.data.formats.commonroad_map import FRAME, read_network
from motorium.data.formats.commonroad_tracks import SCALARS, Tracks, orientations
from motorium.data.formats.commonroad_xml import first_element, number, to_plain
from motorium.data.formats.xml import Element, read_xml
from motorium.data.log import Log, Segment, Stream
from motorium.data.scene import VectorMap

NAME = "commonroad"
VERSIONS = ("2018b", "2020a")
_DEEPEST = 64

CONVENTIONS = {
    "frame": "scenario: metres, x east and y north unless its location says otherwise",
    "planar": "positions have no height: z is 0",
    "objects": "centres of boxes, length along x; heights are not recorded",
    "velocity": "from the recorded speed along the heading, turned by the slip angle where there is one",
    "quaternions": "w first",
}
# What tools write where a place is not known.
NOWHERE = {"geoNameId": -999, "gpsLatitude": 999, "gpsLongitude": 999}
_ATTRIBUTES = {
    "benchmarkID": "benchmark_id",
    "commonRoadVersion": "version",
    "date": "date",
    "author": "author",
    "affiliation": "affiliation",
    "source": "source",
    "license": "license",
}


@dataclass(frozen=True)
class Scenario:
    """A file as read.

    Attributes:
        facts: what the root element, the tags and the location say.
        planning_problems: as plain data.
    """

    rate_hz: float
    tracks: Tracks
    network: VectorMap
    facts: dict[str, Any]
    planning_problems: list[Any]


def read_scenario(path: Path) -> Scenario:
    """Read a whole file.

    Raises:
        DataError: when it is no scenario, damaged or hostile.
    """
    root = read_xml(path, deepest=_DEEPEST)
    if root.tag != "commonRoad":
        raise DataError("this is no CommonRoad scenario", where=path, got=f"<{root.tag}>", expected="<commonRoad>")
    step = Element("timeStepSize")
    step.text = root.get("timeStepSize")
    step_s = number(step, path)
    if not 1e-6 <= step_s <= 1e6:
        raise DataError("a scenario has an impossible step", where=path, got=f"{step_s} s", expected="about 0.1 s")
    tracks = Tracks(where=path)
    tracks.read(root)
    return Scenario(
        # 1 / 0.1 and the like come out exact.
        rate_hz=round(1.0 / step_s, 9),
        tracks=tracks,
        network=read_network(root, path),
        facts=_facts(root),
        planning_problems=[to_plain(element) for element in root.findall("planningProblem")],
    )


@lru_cache(maxsize=2)
def _scenario(segment: ScenarioSegment) -> Scenario:
    # A folder may hold thousands of scenarios: only those that are being read stay in memory.
    return read_scenario(segment.path)


class ScenarioSegment(Segment):
    """One scenario; see the module."""

    def __init__(self, path: Path) -> None:
        self.path = path
        scenario = _scenario(self)
        self.meta = {**scenario.facts, "objects": scenario.tracks.meta}
        if scenario.planning_problems:
            self.meta["planning_problems"] = scenario.planning_problems
        if scenario.tracks.intervals:
            self.meta["intervals"] = scenario.tracks.intervals
        self.name = str(self.meta.get("benchmark_id") or path.stem)
        self.problems = [f"{text} ({count} times)" for text, count in scenario.tracks.problems.items()]
        if self.meta.get("version") not in VERSIONS:
            self.problems.append(f"version {self.meta.get('version')} is read as {VERSIONS[-1]}")
        self.streams = self._streams(scenario.tracks)

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        return self._filled(key)[0][start:stop]

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        return None if key == "objects.valid" else self._filled(key)[1]

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        return {"map.json": lambda: _scenario(self).network.to_json()}

    def _filled(self, key: str) -> tuple[NDArray, NDArray[np.bool_]]:
        tracks = _scenario(self).tracks
        quantity = key.split(".", 1)[1]
        if quantity == "valid":
            present = tracks.array("position")[1][..., 0]
            return present, np.ones_like(present)
        if quantity == "orientation":
            yaw, given = tracks.array("yaw")
            return orientations(yaw), np.broadcast_to(given[..., None], (*given.shape, 4))
        return tracks.array(quantity)

    def _streams(self, tracks: Tracks) -> dict[str, Stream]:
        count = len(tracks.meta)
        if not count:
            self.problems.append("there are no obstacles: no streams")
            return {}
        features = scene.object_features(count, FRAME)
        units = dict(SCALARS.values())
        for name in tracks.quantities:
            features[f"objects.{name}"] = Feature(dtype="float64", shape=(count,), units=(units[name],))
        return {
            key: Stream(feature=feature, count=tracks.steps, target=key, ragged=True, note="obstacles")
            for key, feature in features.items()
        }


def _facts(root: Element) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for attribute, key in _ATTRIBUTES.items():
        if root.get(attribute):
            facts[key] = root.get(attribute)
    tags = root.find("scenarioTags")
    if tags is not None:
        facts["tags"] = [tag.tag for tag in tags]
    elif root.get("tags"):
        facts["tags"] = (root.get("tags") or "").split()
    location = root.find("location")
    plain = to_plain(location) if location is not None else None
    if isinstance(plain, dict) and plain != NOWHERE:
        facts["location"] = plain
    return facts


class ScenarioFormat:
    """The row of the catalog: one XML file; see `log.LogFormat`."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a file is a scenario, its root element; None: it is none."""
        found = first_element(path) if path.is_file() else None
        if found is None or found[0] != "commonRoad":
            return None
        return f"its root element is <commonRoad>, version {found[1].get('commonRoadVersion', 'not stated')}"

    def open(self, path: Path) -> Log:
        """Describe the scenario, one segment.

        Raises:
            DataError: when the file is damaged, or states what cannot be.
        """
        segment = ScenarioSegment(path)
        scenario = _scenario(segment)
        return Log(
            format=NAME,
            path=path,
            segments=[segment],
            rate_hz=scenario.rate_hz,
            conventions=CONVENTIONS,
            facts={key: _text(value) for key, value in scenario.facts.items()},
            problems=segment.problems,
        )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if not isinstance(one, dict))
    return str(value)


FORMAT = ScenarioFormat()
