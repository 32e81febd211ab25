"""Lyft Level 5 prediction dataset: a zarr v2 group of scenes, frames, agents and traffic light faces.

Frames are 10 Hz. Agents are what the vehicle perceived, most of them of unknown class; as in l5kit an observation
counts when the probabilities of the real classes sum to more than a half. The others are left out, and counted.

Source: l5kit, docs "Dataset Formats" and l5kit/data/{zarr_dataset,labels,filter}.py, format version 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.frames import quat_from_matrix, quat_from_yaw
from motorium.data.bounds import check_size, read_metadata
from motorium.data.formats.lazy import Lazy
from motorium.data.formats.scene_segment import Scene, SceneSegment, Series, make_series
from motorium.data.formats.zarrs.v2 import ZarrArray
from motorium.data.log import Log
from motorium.data.scene import ego_orientation, ego_position, object_features, object_meta

FRAME = "world"
THRESHOLD = 0.5
# A scene has 25 s; a thousand times as much is damage.
LARGEST_DESCRIPTION = 100_000
MOST_FRAMES = 250_000
MOST_AGENTS = 10_000_000
MOST_CELLS = 4_000_000

LABELS = (
    ("not_set", "other", False),
    ("unknown", "other", False),
    ("dontcare", "other", False),
    ("car", "car", True),
    ("van", "car", True),
    ("tram", "other", True),
    ("bus", "bus", True),
    ("truck", "truck", True),
    ("emergency_vehicle", "car", True),
    ("other_vehicle", "other", True),
    ("bicycle", "bicycle", True),
    ("motorcycle", "motorcycle", True),
    ("cyclist", "bicycle", True),
    ("motorcyclist", "motorcycle", True),
    ("pedestrian", "pedestrian", True),
    ("animal", "animal", True),
    ("avresearch_dontcare", "other", False),
)
REAL = np.array([real for _, _, real in LABELS])
LIGHTS = ("active", "inactive", "unknown")

FIELDS = {
    "scenes": {"frame_index_interval": (2,), "host": (), "start_time": (), "end_time": ()},
    "frames": {"timestamp": (), "agent_index_interval": (2,), "ego_translation": (3,), "ego_rotation": (3, 3)},
    "agents": {
        "centroid": (2,),
        "extent": (3,),
        "yaw": (),
        "velocity": (2,),
        "track_id": (),
        "label_probabilities": (len(LABELS),),
    },
    "traffic_light_faces": {"face_id": (), "traffic_light_id": (), "traffic_light_face_status": (len(LIGHTS),)},
}
NEEDED = ("scenes", "frames", "agents")

CONVENTIONS = {
    "frame": "world: metres, z up, of the dataset's map",
    "orientation": "quaternion w first; ego from a rotation matrix, objects from their yaw, counter-clockwise from x",
    "planar": "objects are recorded in x and y only: their positions and velocities have z = 0",
    "velocity": "metres per second in the world frame",
    "size": "length, width, height",
    "signals.state": "0 active, 1 inactive, 2 unknown; one slot a face (a bulb)",
}


class Lyft:
    """Reader of one zarr folder, or of a folder that holds some (`scenes/sample.zarr`)."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that the arrays are those of l5kit."""
        for root in _roots(path):
            if (columns := _columns(root)) is not None:
                return f"{root.name}: zarr v2 arrays {', '.join(columns)} with l5kit's fields"
        return None

    def open(self, path: Path) -> Log:
        """Read the arrays' metadata.

        Raises:
            DataError: when an array is missing, or has other fields than l5kit's.
        """
        roots = [root for root in _roots(path) if _columns(root) is not None]
        if not roots:
            raise DataError("there are no l5kit arrays here", where=path, expected=f"zarr v2 arrays {list(NEEDED)}")
        counts, facts = [], {}
        for root in roots:
            arrays = {name: _array(root, name) for name in FIELDS if _is_array(root, name)}
            counts.append(arrays["scenes"].shape[0])
            facts |= {f"{root.name}/{name}": f"{array.shape[0]:,}" for name, array in arrays.items()}
        return Log(
            format="lyft",
            path=path,
            segments=Lazy(sum(counts), partial(_segment, list(zip(roots, counts)), len(roots) > 1)),
            conventions=CONVENTIONS,
            facts=facts,
            problems=[
                f"agents whose real classes sum to at most {THRESHOLD} are left out, as in l5kit; scenes count them",
                "the semantic and aerial maps are no part of these arrays and are not read",
            ],
        )


FORMAT = Lyft()


class LyftSegment(SceneSegment):
    """One scene."""

    def __init__(self, root: Path, number: int, name: str) -> None:
        super().__init__(name)
        self._root, self._number = root, number

    def read_scene(self) -> Scene:
        """Read the scene's frames, agents and lights, each a slice of its array."""
        where = f"{self._root}, scene {self._number}"
        scene = _array(self._root, "scenes").read(self._number, self._number + 1)[0]
        frames = _slice(self._root, "frames", scene["frame_index_interval"], MOST_FRAMES, where)
        if not len(frames):
            raise DataError("a scene has no frames", where=where)
        times_ns = frames["timestamp"].astype(np.int64)
        agents, rows = _items(self._root, "agents", frames["agent_index_interval"], where)
        objects, tracks, left_out = _objects(agents, rows, times_ns, where)
        signals, lights = _signals(self._root, frames, times_ns, where)
        meta = {
            "host": str(scene["host"]),
            "start_time_ns": int(scene["start_time"]),
            "end_time_ns": int(scene["end_time"]),
            "objects": tracks,
            "signals": lights,
            "left_out": left_out,
        }
        return Scene(series={**_ego(frames, times_ns), **objects, **signals}, meta=meta)


def _segment(roots: list[tuple[Path, int]], prefixed: bool, number: int) -> LyftSegment:
    for root, count in roots:
        if number < count:
            name = f"scene_{number}"
            return LyftSegment(root, number, f"{root.name}/{name}" if prefixed else name)
        number -= count
    raise IndexError(number)


def _roots(path: Path) -> list[Path]:
    try:
        if (path / ".zgroup").is_file():
            return [path]
        if not path.is_dir():
            return []
        return sorted(one for one in path.iterdir() if (one / ".zgroup").is_file())[:1000]
    except OSError:
        return []


def _is_array(root: Path, name: str) -> bool:
    return (root / name / ".zarray").is_file()


def _columns(root: Path) -> list[str] | None:
    """Return the names of l5kit's arrays, when all that are needed are there with their fields; reads metadata only."""
    for name in NEEDED:
        try:
            declared = json.loads(read_metadata(root / name / ".zarray", LARGEST_DESCRIPTION))["dtype"]
            fields = {field[0] for field in declared}
        except (DataError, ValueError, KeyError, TypeError, IndexError, RecursionError):
            return None
        if not set(FIELDS[name]) <= fields:
            return None
    return [name for name in FIELDS if _is_array(root, name)]


def _array(root: Path, name: str) -> ZarrArray:
    array = ZarrArray(root, name)
    fields = array.dtype.fields or {}
    for field, shape in FIELDS[name].items():
        kind = "U" if field in ("host", "face_id", "traffic_light_id") else "iuf"
        if field not in fields or fields[field][0].shape != shape or fields[field][0].base.kind not in kind:
            raise DataError(
                f"array '{name}' has not the field '{field}' of l5kit",
                where=root,
                got=str(fields[field][0]) if field in fields else sorted(fields),
                expected=f"shape {shape}",
            )
    if len(array.shape) != 1:
        raise DataError(f"array '{name}' is no list", where=root, got=array.shape, expected="one dimension")
    return array


def _slice(root: Path, name: str, interval: NDArray, at_most: int, where: object) -> NDArray:
    array = _array(root, name)
    start, stop = int(interval[0]), int(interval[1])
    if not 0 <= start <= stop <= array.shape[0]:
        raise DataError(
            f"an interval lies outside the array '{name}'",
            where=where,
            got=[start, stop],
            expected=f"0 to {array.shape[0]}",
            remedy="the dataset is damaged or incomplete; fetch it again",
        )
    check_size(f"the {name} of a scene", stop - start, at_most, where)
    return array.read(start, stop)


def _items(root: Path, name: str, intervals: NDArray, where: object) -> tuple[NDArray, NDArray[np.int64]]:
    """Return the rows of all frames and the frame of each: frames' intervals follow on one another."""
    intervals = intervals.astype(np.int64)
    if (intervals[:, 0] > intervals[:, 1]).any() or (intervals[1:, 0] != intervals[:-1, 1]).any():
        raise DataError(f"the intervals of '{name}' do not follow on one another", where=where)
    rows = _slice(root, name, np.array([intervals[0, 0], intervals[-1, 1]]), MOST_AGENTS, where)
    return rows, np.repeat(np.arange(len(intervals)), intervals[:, 1] - intervals[:, 0])


def _ego(frames: NDArray, times_ns: NDArray[np.int64]) -> dict[str, Series]:
    target = {"target": "observation.state"}
    rotation = quat_from_matrix(frames["ego_rotation"])
    return {
        "ego.position": make_series(ego_position(FRAME), frames["ego_translation"], times_ns, align="linear", **target),
        "ego.orientation": make_series(ego_orientation(FRAME), rotation, times_ns, align="slerp", **target),
    }


def _objects(
    agents: NDArray, rows: NDArray[np.int64], times_ns: NDArray[np.int64], where: object
) -> tuple[dict[str, Series], list[dict], dict[str, int]]:
    """Return the object streams, what each slot is, and how much is left out for its uncertain class."""
    kept = agents["label_probabilities"][:, REAL].sum(axis=1) > THRESHOLD
    left_out = {
        "observations": int((~kept).sum()),
        "tracks": len(np.setdiff1d(agents["track_id"], agents["track_id"][kept])),
    }
    agents, rows = agents[kept], rows[kept]
    identities, slots = np.unique(agents["track_id"], return_inverse=True)
    check_size("the objects of a scene", len(identities) * len(times_ns), MOST_CELLS, where)
    shape = (len(times_ns), len(identities))
    valid = np.zeros(shape, bool)
    if len(np.unique(rows * max(len(identities), 1) + slots)) != len(rows):
        raise DataError("a track is seen twice in one frame", where=where)
    valid[rows, slots] = True
    found = {
        "objects.position": np.pad(agents["centroid"].astype(np.float64), ((0, 0), (0, 1))),
        "objects.orientation": quat_from_yaw(agents["yaw"]),
        "objects.velocity": np.pad(agents["velocity"].astype(np.float64), ((0, 0), (0, 1))),
        "objects.size": agents["extent"].astype(np.float64),
    }
    series = {}
    for name, feature in object_features(len(identities), FRAME).items():
        if name == "objects.valid":
            values, mask = valid, None
        else:
            values = np.full((*shape, found[name].shape[1]), np.nan)
            values[rows, slots] = found[name]
            mask = np.broadcast_to(valid[..., None], values.shape)
        series[name] = make_series(feature, values, times_ns, valid=mask, target=name, ragged=True)
    return series, _classes(agents, identities, slots), left_out


def _classes(agents: NDArray, identities: NDArray, slots: NDArray) -> list[dict]:
    """Return what each track is: the class with the highest probability over all its observations."""
    total = np.zeros((len(identities), len(LABELS)))
    np.add.at(total, slots, agents["label_probabilities"].astype(np.float64))
    # The real classes hold more than half of each observation that counts.
    total[:, ~REAL] = -1.0
    best = total.argmax(axis=1) if len(identities) else []
    return [object_meta(str(int(one)), *LABELS[label][:2]) for one, label in zip(identities, best)]


def _signals(
    root: Path, frames: NDArray, times_ns: NDArray[np.int64], where: object
) -> tuple[Mapping[str, Series], list[dict]]:
    name = "traffic_light_faces"
    interval = f"{name}_index_interval"
    if interval not in (frames.dtype.names or ()) or not _is_array(root, name):
        return {}, []
    if frames[interval].shape[1:] != (2,):
        raise DataError(f"'{interval}' is no interval", where=where, got=frames[interval].shape[1:], expected=(2,))
    faces, rows = _items(root, name, frames[interval], where)
    identities, first, slots = np.unique(faces["face_id"], return_index=True, return_inverse=True)
    check_size("the lights of a scene", len(identities) * len(times_ns), MOST_CELLS, where)
    states = np.zeros((len(times_ns), len(identities)), np.int64)
    valid = np.zeros(states.shape, bool)
    states[rows, slots] = faces["traffic_light_face_status"].argmax(axis=1) if len(faces) else 0
    valid[rows, slots] = True
    series = make_series(
        Feature(dtype="int64", shape=(len(identities),), units=("1",)),
        states,
        times_ns,
        valid=valid,
        target="signals.state",
        align="hold",
        ragged=True,
        note="one slot a face, see meta",
    )
    lights = [
        {"face": str(face), "traffic_light": str(faces["traffic_light_id"][place])}
        for face, place in zip(identities, first)
    ]
    return {"signals.state": series}, lights
