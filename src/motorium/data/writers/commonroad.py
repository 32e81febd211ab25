"""Writer of CommonRoad XML 2020a: one scenario an episode, from any dataset that has `objects.*`.

A scenario is planar and has one box and one type an object. A track with gaps becomes one obstacle a run of steps.
The ego, where the dataset has `ego.*`, is an obstacle too, with the id that the options state. What an episode knows
of a scenario it was read from (planning problems, tags, location, lanelets, signs) is written back.

Obstacles that begin after step 0 have that step in their initial state, as every tool writes them, though the schema
asks for 0 there. Objects without a recorded size are refused, unless `assume_sizes` says otherwise.

Source: CommonRoad: Documentation of the XML Format, 2020a, and its XML Schema.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.progress import Progress
from motorium.core.spec import Spec
from motorium.data.companions import TIME, VALID
from motorium.data.dataset import Dataset
from motorium.data.episode import Episode
from motorium.data.formats.commonroad import NOWHERE
from motorium.data.formats.commonroad_tracks import SCALARS
from motorium.data.formats.commonroad_xml import decimal, from_plain
from motorium.data.formats.xml import Element
from motorium.data.scene import VectorMap
from motorium.data.writers.base import FormatWriter, Written
from motorium.data.writers.commonroad_network import Ids, Network
from motorium.data.writers.commonroad_obstacles import Obstacles, Track

NAME = "commonroad"
UNKNOWN_DATE = "1970-01-01"
EGO = ("position", "orientation", "velocity")
_TAGS = (
    "interstate highway urban comfort critical evasive cut_in illegal_cutin intersection lane_change lane_following "
    "merging_lanes multi_lane no_oncoming_traffic oncoming_traffic parallel_lanes race_track roundabout rural "
    "simulated single_lane slip_road speed_limit traffic_jam turn_left turn_right two_lane emergency_braking"
)
TAGS = tuple(_TAGS.split())
_BENCHMARK = re.compile(r"(C-)?[A-Z]{3}_[a-zA-Z0-9]+-[1-9][0-9]*(_[1-9][0-9]*(_[STPI](-[1-9][0-9]*)+)?)?")
_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class CommonRoadSpec(Spec):
    """Options of the writer."""

    digits: int = Field(6, ge=1, le=15, description="decimals of positions, angles and speeds")
    author: str | None = Field(None, description="author; by default the recorded one")
    affiliation: str | None = Field(None, description="affiliation; by default the recorded one")
    source: str | None = Field(None, description="source; by default the recorded one")
    date: str | None = Field(None, pattern=r"^\d{4}-\d{2}-\d{2}$", description="date; by default the recorded one")
    map_name: str = Field("Motorium", pattern="^[a-zA-Z0-9]+$", description="map in ids of scenarios that have none")
    ego_id: int = Field(900_000_001, gt=0, description="id of the obstacle that is the ego")
    ego_length_m: float | None = Field(None, gt=0, description="length of the ego, which no log records")
    ego_width_m: float | None = Field(None, gt=0, description="width of the ego")
    assume_sizes: bool = Field(
        False, description="give objects without a recorded size one that is usual for their kind"
    )


def write(dataset: Dataset, path: Path, spec: CommonRoadSpec, progress: Progress) -> Written:
    """Write `dataset` into the new folder `path`, `episode_<n>.xml` each; progress counts episodes.

    Raises:
        DataError: when `path` exists, the dataset has no `objects.position` and `objects.orientation` and no ego,
            or a size or id is missing that only the user knows.
    """
    path = Path(path)
    if path.exists():
        raise DataError("there is already something here", where=path, remedy="choose a new path")
    part = path.with_name(f".{path.name}.partial")
    shutil.rmtree(part, ignore_errors=True)
    notes: dict[str, int] = {}
    paths = []
    try:
        part.mkdir(parents=True)
        for index in range(dataset.num_episodes):
            name = f"episode_{index:06d}.xml"
            (part / name).write_bytes(_Scenario(dataset, index, spec, notes).to_xml())
            paths.append(path / name)
            progress.advance()
        os.replace(part, path)
    except OSError as error:
        raise DataError("the scenarios cannot be written", where=path, got=error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Written(paths=paths, left_out=[*_unused(dataset), *(f"{text} ({n})" for text, n in notes.items())])


class _Scenario:
    """One episode on its way into one file."""

    def __init__(self, dataset: Dataset, index: int, spec: CommonRoadSpec, notes: dict[str, int]) -> None:
        self.dataset, self.index, self.spec, self.notes = dataset, index, spec, notes
        self.where = f"{dataset.root}, episode {index}"
        self.episode = dataset.episode(index)
        self.meta = self.episode.meta
        self.objects = _listed(self.meta.get("objects"))
        self.map = self._map()
        self.tracks = self._tracks()

    def to_xml(self) -> bytes:
        """Return the file."""
        benchmark = self._benchmark()
        root = Element("commonRoad", self._attributes(benchmark))
        root.append(self._location())
        tags = Element("scenarioTags")
        tags.extend(Element(tag) for tag in self._tags())
        root.append(tags)
        ids = self._ids()
        network = Network(self.map, ids, self.spec.digits, benchmark, self.note)
        root.extend(network.elements())
        obstacles = Obstacles(self.spec, ids, self.note, self.where)
        for track in self.tracks:
            obstacles.add(track)
        # The schema wants static obstacles first.
        root.extend(obstacles.static)
        root.extend(obstacles.dynamic)
        root.extend(network.environment())
        self._planning_problems(root, network)
        if not network.lanelets:
            self.note("episodes without lanelets, which the schema asks for")
        for element in root.iter():
            element.text = None if element.text is None else _NOT_XML.sub("?", element.text)
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"

    def note(self, problem: str, count: int = 1) -> None:
        """Count something that the format cannot hold."""
        self.notes[problem] = self.notes.get(problem, 0) + count

    def _map(self) -> VectorMap | None:
        data = self.dataset.attachment(self.index, "map.json")
        return None if data is None else VectorMap.from_json(data, f"{self.where}, map.json")

    def _attributes(self, benchmark: str) -> dict[str, str]:
        made = {
            "timeStepSize": decimal(1.0 / self.dataset.fps),
            "commonRoadVersion": "2020a",
            "author": self._stated("author"),
            "affiliation": self._stated("affiliation"),
            "source": self._stated("source"),
            "benchmarkID": benchmark,
            "date": self._stated("date", UNKNOWN_DATE),
        }
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", made["date"]):
            made["date"] = UNKNOWN_DATE
        if made["date"] == UNKNOWN_DATE:
            self.note(f"dates that are not known: {UNKNOWN_DATE} stands for them")
        return {key: _NOT_XML.sub("?", value) for key, value in made.items()}

    def _stated(self, key: str, otherwise: str = "unknown") -> str:
        return str(getattr(self.spec, key) or self.meta.get(key) or otherwise)

    def _benchmark(self) -> str:
        recorded = str(self.meta.get("benchmark_id") or "")
        if _BENCHMARK.fullmatch(recorded):
            return recorded
        return f"ZAM_{self.spec.map_name}-{self.index + 1}_1_T-1"

    def _location(self) -> Element:
        location = self.meta.get("location")
        known = isinstance(location, Mapping) and set(NOWHERE) <= set(location)
        return from_plain("location", location if known else NOWHERE)

    def _tags(self) -> list[str]:
        tags = self.meta.get("tags") or ()
        return [tag for tag in dict.fromkeys(tags) if tag in TAGS]

    def _ids(self) -> Ids:
        """Reserve the numbers that things already have; the rest is counted on from there."""
        taken = [str(one.get("id", "")) for one in self.objects]
        if self.map is not None:
            taken += [lane.id for lane in self.map.lanes]
            taken += [shape.id for shape in self.map.shapes]
            taken += [name for shape in self.map.shapes for name in _names(shape.extra.get("intersection"))]
        taken += [name for plain in _listed(self.meta.get("planning_problems")) for name in _names(plain)]
        ids = Ids(taken)
        if any(track.ego for track in self.tracks) and not ids.claim(self.spec.ego_id):
            raise DataError(
                "the ego's id is taken", where=self.where, got=self.spec.ego_id, remedy="choose another ego_id"
            )
        return ids

    def _planning_problems(self, root: Element, network: Network) -> None:
        problems = _listed(self.meta.get("planning_problems"))
        if not problems:
            self.note("episodes without a planning problem, which the schema asks for")
        for plain in problems:
            element = from_plain("planningProblem", plain)
            wanted = {one.get("ref") for one in element.iter("lanelet")}
            if wanted <= set(network.lanelets.values()):
                root.append(element)
            else:
                self.note("planning problems whose goal is a lanelet that is not there")

    def _tracks(self) -> list[Track]:
        arrays = self.episode.arrays
        made: list[Track] = []
        if {"objects.position", "objects.orientation"} <= set(arrays):
            present = _mask(arrays, "objects.position") & _mask(arrays, "objects.orientation")
            if "objects.valid" in arrays:
                present &= arrays["objects.valid"].astype(bool) & _mask(arrays, "objects.valid")
            most = min(len(self.objects), present.shape[1]) if self.objects else present.shape[1]
            made = [self._track(arrays, slot, present[:, slot]) for slot in range(most) if present[:, slot].any()]
        ego = self._ego()
        if not made and ego is None and "objects.position" not in arrays:
            raise DataError(
                "this dataset has nothing that a scenario could hold",
                where=self.dataset.root,
                got=sorted(self.dataset.features),
                expected="objects.position and objects.orientation, or ego.position in a feature's names",
            )
        return made if ego is None else [*made, ego]

    def _track(self, arrays: Mapping[str, NDArray], slot: int, present: NDArray[np.bool_]) -> Track:
        def part(name: str) -> tuple[NDArray, NDArray[np.bool_]] | None:
            if f"objects.{name}" not in arrays:
                return None
            values, given = arrays[f"objects.{name}"][:, slot], _mask(arrays, f"objects.{name}", 2)[:, slot]
            return np.asarray(values, np.float64), given & present

        meta = self.objects[slot] if slot < len(self.objects) else {}
        return Track(
            meta=meta,
            where=f"{self.where}, object {meta.get('id', slot)}",
            present=present,
            position=np.asarray(arrays["objects.position"][:, slot], np.float64),
            orientation=np.asarray(arrays["objects.orientation"][:, slot], np.float64),
            velocity=part("velocity"),
            size=part("size"),
            scalars={tag: found for tag, (name, _) in SCALARS.items() if (found := part(name)) is not None},
        )

    def _ego(self) -> Track | None:
        found = {name: _named(self.dataset, self.episode, f"ego.{name}.") for name in EGO}
        position, orientation = found["position"], found["orientation"]
        if position is None or orientation is None:
            return None
        present = position[1] & orientation[1]
        if not present.any():
            return None
        return Track(
            meta={"class": "car", "kind": "car"},
            where=f"{self.where}, ego",
            present=present,
            position=position[0],
            orientation=orientation[0],
            velocity=found["velocity"],
            size=None,
            scalars={},
            ego=True,
        )


def _named(dataset: Dataset, episode: Episode, prefix: str) -> tuple[NDArray, NDArray[np.bool_]] | None:
    """Return the elements of a feature whose names begin so, and at which steps all are valid."""
    for key, feature in dataset.features.items():
        columns = [number for number, name in enumerate(feature.names or ()) if name.startswith(prefix)]
        if columns and not feature.visual and len(feature.shape) == 1:
            values = np.asarray(episode.arrays[key][:, columns], np.float64)
            given = episode.arrays.get(key + VALID)
            whole = np.ones(len(values), bool) if given is None else given[:, columns].astype(bool).all(axis=1)
            return values, whole
    return None


def _mask(arrays: Mapping[str, NDArray], key: str, keep: int = 2) -> NDArray[np.bool_]:
    """Return where the first two elements, or the value, of an object's quantity are given: (T, K)."""
    values = arrays[key]
    given = arrays.get(key + VALID, np.ones(values.shape, bool)).astype(bool)
    # Heights are not written: only length and width, x and y, must be there.
    return given if given.ndim == 2 else given[..., :keep].all(axis=-1)


def _names(plain: Any) -> list[str]:
    """Return the ids within an element's plain data."""
    if isinstance(plain, list):
        return [name for one in plain for name in _names(one)]
    if not isinstance(plain, Mapping):
        return []
    own = [str(plain["@id"])] if "@id" in plain else []
    return [*own, *(name for value in plain.values() for name in _names(value))]


def _listed(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _unused(dataset: Dataset) -> list[str]:
    """Return which features are not written."""
    written = {f"objects.{name}" for name in ("position", "orientation", "velocity", "size", "valid")}
    written |= {f"objects.{name}" for name, _ in SCALARS.values()}
    left = []
    for key, feature in dataset.features.items():
        base = key.removesuffix(VALID).removesuffix(TIME)
        names = [name for name in feature.names or () if not name.startswith(tuple(f"ego.{one}." for one in EGO))]
        ego = feature.names is not None and len(names) < len(feature.names)
        if key in written or base in written or (base != key and base in dataset.features):
            continue
        if not ego:
            left.append(f"'{key}'")
        elif names:
            left.append(f"of '{key}': {', '.join(names)}")
    left += [f"camera '{key}'" for key in dataset.extra_cameras]
    return left


WRITER = FormatWriter(name=NAME, spec=CommonRoadSpec, write=write)
