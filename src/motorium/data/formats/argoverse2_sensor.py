"""Argoverse 2 sensor logs: ego pose, tracked boxes, cameras, lidar and map of one drive, each on its own clock.

    <log>/city_SE3_egovehicle.feather    ego poses at 100 Hz and more, irregular
    <log>/annotations.feather            boxes in the ego frame at the lidar sweeps (10 Hz); absent in the test split
    <log>/calibration/*.feather          poses and intrinsics of the sensors
    <log>/sensors/cameras/<name>/<ns>.jpg, <log>/sensors/lidar/<ns>.feather, <log>/map/*

All stamps are nanoseconds of one clock. Boxes are handed out in the city's frame, moved by the ego pose of their own
stamp, as the release's API does; where the log has no pose of exactly that stamp, they are masked.
The log gives no velocities, so there are none here.

Source: Wilson et al., Argoverse 2, NeurIPS Datasets 2021, and the file formats of the av2 API (user guide, sensor).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.data import scene
from motorium.data.bounds import LARGEST_SAMPLE, check_size, inside, read_metadata
from motorium.data.formats.argoverse2_map import FRAME, find_map, map_attachment
from motorium.data.formats.argoverse2_tables import feather_columns, feather_rows, read_feather
from motorium.data.log import Log, Segment, Stream
from motorium.data.video_read import decode_image

NAME = "argoverse2-sensor"
CLOCK = ("sensor",)
POSES = "city_SE3_egovehicle.feather"
BOXES = "annotations.feather"

_POSE = ("tx_m", "ty_m", "tz_m", "qw", "qx", "qy", "qz")
_SIZE = ("length_m", "width_m", "height_m")
# Kinds of the release's categories; riders belong to what they ride.
_KINDS = {
    "ANIMAL": "animal",
    "ARTICULATED_BUS": "bus",
    "BICYCLE": "bicycle",
    "BICYCLIST": "bicycle",
    "BOLLARD": "static",
    "BOX_TRUCK": "truck",
    "BUS": "bus",
    "CONSTRUCTION_BARREL": "static",
    "CONSTRUCTION_CONE": "static",
    "DOG": "animal",
    "LARGE_VEHICLE": "truck",
    "MESSAGE_BOARD_TRAILER": "static",
    "MOBILE_PEDESTRIAN_CROSSING_SIGN": "static",
    "MOTORCYCLE": "motorcycle",
    "MOTORCYCLIST": "motorcycle",
    "OFFICIAL_SIGNALER": "pedestrian",
    "PEDESTRIAN": "pedestrian",
    "RAILED_VEHICLE": "other",
    "REGULAR_VEHICLE": "car",
    "SCHOOL_BUS": "bus",
    "SIGN": "static",
    "STOP_SIGN": "static",
    "STROLLER": "other",
    "TRAFFIC_LIGHT_TRAILER": "static",
    "TRUCK": "truck",
    "TRUCK_CAB": "truck",
    "VEHICULAR_TRAILER": "other",
    "WHEELCHAIR": "pedestrian",
    "WHEELED_DEVICE": "other",
    "WHEELED_RIDER": "other",
}
CONVENTIONS = {
    "frame": "city: metres, z up; its origin is the city's, as the release defines it",
    "ego": "origin at the centre of the rear axle, x ahead, y left, z up",
    "objects": "centres of boxes in the city frame, length along x; one slot a track",
    "quaternions": "w first",
    "time": "nanoseconds of one clock that all sensors share; its zero is not stated",
}


class Boxes:
    """Tracked boxes of one log, by stamp and slot.

    Attributes:
        times: (n,) int64 ns, distinct, ascending.
        tracks, categories: of each of the K slots, in order of first appearance.
        problems: what was ambiguous, in words.
    """

    def __init__(self, path: Path, pose_times: NDArray[np.int64], poses: NDArray[np.float64]) -> None:
        columns = dict.fromkeys((*_POSE, *_SIZE), "float")
        texts = {"track_uuid": "string", "category": "string"}
        table = read_feather(path, {"timestamp_ns": "int", "num_interior_pts": "int", **texts, **columns})
        self.problems: list[str] = []
        self.times, self._row = np.unique(table["timestamp_ns"].astype(np.int64), return_inverse=True)
        slots: dict[str, int] = {}
        self._slot = np.array([slots.setdefault(track, len(slots)) for track in table["track_uuid"]], np.int64)
        self.tracks = list(slots)
        check_size("boxes over time", len(self.times) * len(slots) * 8 * 13, LARGEST_SAMPLE, path)
        self.categories = self._name_slots(table["category"])
        self._check_unique(path)
        pose = np.stack([table[name].astype(np.float64) for name in _POSE], axis=-1)
        at = np.searchsorted(pose_times, self.times).clip(max=max(len(pose_times) - 1, 0))
        known = pose_times[at] == self.times if len(pose_times) else np.zeros(len(self.times), bool)
        if not known.all():
            self.problems.append(
                f"{int((~known).sum())} of {len(known)} annotated stamps have no ego pose of their own: "
                "the boxes there are masked"
            )
        self._known = known[self._row]
        X_CE = np.where(known[:, None], poses[at] if len(poses) else np.nan, np.nan)
        self._values = {
            "objects.pose": frames.pose_multiply(X_CE[self._row], pose),
            "objects.size": np.stack([table[name].astype(np.float64) for name in _SIZE], axis=-1),
            "objects.points": table["num_interior_pts"].astype(np.int64),
        }

    def values(self, key: str, start: int, stop: int) -> NDArray:
        """Return stamps [start, stop) of a stream: (n, K, ...); NaN (points: 0) where there is no box."""
        if key == "objects.valid":
            return self.valid[start:stop]
        source = self._values["objects.pose" if key in ("objects.position", "objects.orientation") else key]
        if key == "objects.position":
            source = source[:, :3]
        elif key == "objects.orientation":
            source = source[:, 3:]
        rows = np.flatnonzero((self._row >= start) & (self._row < stop) & self._known)
        empty = 0 if source.dtype.kind == "i" else np.nan
        made = np.full((max(stop - start, 0), len(self.tracks), *source.shape[1:]), empty, source.dtype)
        made[self._row[rows] - start, self._slot[rows]] = source[rows]
        return made

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Which tracks have a box at which stamp: (n, K)."""
        made = np.zeros((len(self.times), len(self.tracks)), bool)
        made[self._row[self._known], self._slot[self._known]] = True
        return made

    def meta(self) -> list[dict[str, str]]:
        """Return `meta["objects"]`."""
        return [
            scene.object_meta(track, category, _KINDS.get(category, "other"))
            for track, category in zip(self.tracks, self.categories, strict=True)
        ]

    def _name_slots(self, categories: NDArray) -> list[str]:
        named: list[str | None] = [None] * len(self.tracks)
        changed = set()
        for slot, category in zip(self._slot, categories, strict=True):
            if named[slot] is None:
                named[slot] = str(category)
            elif named[slot] != category:
                changed.add(int(slot))
        if changed:
            self.problems.append(f"{len(changed)} tracks change their category: the first is kept")
        return [str(name) for name in named]

    def _check_unique(self, path: Path) -> None:
        place = self._row * max(len(self.tracks), 1) + self._slot
        if len(np.unique(place)) < len(place):
            raise DataError(
                "a track has two boxes at one stamp", where=path, expected="one", remedy="the file is damaged"
            )


class Motion:
    """What of a log is held in memory: ego poses and boxes.

    Attributes:
        times: (n,) int64 ns of the poses, as recorded.
        poses: (n, 7) of the ego in the city frame.
        boxes: None where the log has none (the test split).
    """

    def __init__(self, root: Path) -> None:
        columns = {"timestamp_ns": "int", **dict.fromkeys(_POSE, "float")}
        table = read_feather(inside(root, POSES, root), columns)
        self.times = table["timestamp_ns"].astype(np.int64)
        self.poses = np.stack([table[name].astype(np.float64) for name in _POSE], axis=-1)
        order = np.argsort(self.times, kind="stable")
        self.boxes: Boxes | None = None
        if (root / BOXES).is_file():
            self.boxes = Boxes(inside(root, BOXES, root), self.times[order], self.poses[order])


@lru_cache(maxsize=2)
def _motion(segment: SensorSegment) -> Motion:
    # A folder may hold a thousand logs: only those that are being read stay in memory.
    return Motion(segment.root)


class SensorSegment(Segment):
    """One log; see the module."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name
        self.problems: list[str] = []
        self._times: dict[str, NDArray[np.int64]] = {}
        self._files: dict[str, list[Path]] = {}
        boxes = _motion(self).boxes
        self.problems += boxes.problems if boxes else [f"there is no {BOXES}: no tracked objects"]
        self.streams = {**self._ego_streams(), **self._object_streams(), **self._cameras(), **self._lidar()}
        self.meta = {"log_id": root.name, **self._city(), **self._calibration()}
        if boxes is not None:
            self.meta["objects"] = boxes.meta()

    def times_ns(self, key: str, clock: str | None = None) -> NDArray[np.int64]:
        if key in self._times:
            return self._times[key]
        motion = _motion(self)
        return motion.times if key.startswith("ego.") or motion.boxes is None else motion.boxes.times

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        start, stop, _ = slice(start, stop).indices(self.streams[key].count)
        if key == "lidar":
            return self._sweeps(start, stop)
        motion = _motion(self)
        if key.startswith("objects.") and motion.boxes is not None:
            return motion.boxes.values(key, start, stop)
        pose = motion.poses[start:stop]
        return pose[:, :3] if key == "ego.position" else pose[:, 3:]

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        if key == "lidar":
            points = np.arange(self.streams[key].feature.shape[0])
            whole = points < np.array(self._points)[:, None]
            return np.broadcast_to(whole[..., None], (*whole.shape, 4))
        boxes = _motion(self).boxes
        if key == "objects.valid" or not key.startswith("objects.") or boxes is None:
            return None
        shape = self.streams[key].feature.shape
        valid = boxes.valid.reshape(len(boxes.times), shape[0], *(1,) * (len(shape) - 1))
        return np.broadcast_to(valid, (len(valid), *shape))

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        last, picture = None, None
        for sample in samples.tolist():
            if sample != last:
                last, picture = sample, self._picture(self._files[key][sample])
                if picture.shape != self.streams[key].feature.shape:
                    raise DataError(
                        f"pictures of '{key}' change their size",
                        where=self._files[key][sample],
                        got=picture.shape,
                        expected=self.streams[key].feature.shape,
                    )
            yield picture

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        made: dict[str, Callable[[], bytes]] = {}
        found = find_map(self.root / "map")
        if found is not None:
            made.update(map_attachment(self.root, found, planar=False))
        for pattern, name in (
            ("*_ground_height_surface____*.npy", "ground_height.npy"),
            ("*___img_Sim2_city.json", "ground_height_Sim2.json"),
        ):
            for path in sorted((self.root / "map").glob(pattern))[:1]:
                made[name] = partial(read_metadata, inside(self.root, str(path.relative_to(self.root)), self.root))
        return made

    def _ego_streams(self) -> dict[str, Stream]:
        shared = {
            "count": len(_motion(self).poses),
            "clocks": CLOCK,
            "target": "observation.state",
            "note": "city_SE3_egovehicle",
        }
        return {
            "ego.position": Stream(feature=scene.ego_position(FRAME), align="linear", **shared),
            "ego.orientation": Stream(feature=scene.ego_orientation(FRAME), align="slerp", **shared),
        }

    def _object_streams(self) -> dict[str, Stream]:
        boxes = _motion(self).boxes
        if boxes is None:
            return {}
        count = len(boxes.tracks)
        features = scene.object_features(count, FRAME)
        del features["objects.velocity"]
        features["objects.points"] = Feature(dtype="int64", shape=(count,), units=("1",))
        notes = {"objects.points": "lidar points inside the box (num_interior_pts)"}
        return {
            key: Stream(
                feature=feature,
                count=len(boxes.times),
                clocks=CLOCK,
                target=key,
                ragged=True,
                note=notes.get(key, "annotations, moved from the ego into the city frame"),
            )
            for key, feature in features.items()
        }

    def _cameras(self) -> dict[str, Stream]:
        made: dict[str, Stream] = {}
        folder = self.root / "sensors" / "cameras"
        names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        for name in names:
            times, files = self._stamped(folder / name, ".jpg")
            if not files:
                continue
            self._times[name], self._files[name] = times, files
            made[name] = Stream(
                feature=Feature(dtype="video", shape=self._picture(files[0]).shape, names=("height", "width", "rgb")),
                count=len(files),
                clocks=CLOCK,
                target=f"observation.images.{name}",
                note="JPEG",
                stored_bytes=sum(path.stat().st_size for path in files),
            )
        return made

    def _lidar(self) -> dict[str, Stream]:
        times, files = self._stamped(self.root / "sensors" / "lidar", ".feather")
        if not files:
            return {}
        self._times["lidar"], self._files["lidar"] = times, files
        self._points = [feather_rows(path) for path in files]
        units = ("m", "m", "m", "1")
        return {
            "lidar": Stream(
                feature=Feature(dtype="float32", shape=(max(self._points), 4), units=units, frame="ego"),
                count=len(files),
                clocks=CLOCK,
                ragged=True,
                note="x, y, z, intensity (0 to 255) at the sweep's stamp; laser_number and offset_ns are left out",
                stored_bytes=sum(path.stat().st_size for path in files),
            )
        }

    def _stamped(self, folder: Path, suffix: str) -> tuple[NDArray[np.int64], list[Path]]:
        """Return the files of a folder that are named for their stamp, in order of time."""
        found: list[tuple[int, Path]] = []
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            stem = path.stem
            if path.suffix == suffix and stem.isascii() and stem.isdigit() and len(stem) <= 18:
                found.append((int(stem), inside(self.root, str(path.relative_to(self.root)), folder)))
            else:
                self.problems.append(f"{path.relative_to(self.root)} is not named for a stamp: left out")
        found.sort()
        return np.array([stamp for stamp, _ in found], np.int64), [path for _, path in found]

    def _sweeps(self, start: int, stop: int) -> NDArray[np.float32]:
        most = self.streams["lidar"].feature.shape[0]
        check_size("lidar sweeps at once", (stop - start) * most * 16, LARGEST_SAMPLE, self.root)
        made = np.full((stop - start, most, 4), np.nan, np.float32)
        for row, path in enumerate(self._files["lidar"][start:stop]):
            table = read_feather(path, {"x": "float", "y": "float", "z": "float", "intensity": "int"})
            count = len(table["x"])
            if count != self._points[start + row]:
                raise DataError("a sweep changed while it was read", where=path, got=count)
            for column, values in enumerate(table.values()):
                made[row, :count, column] = values
        return made

    def _picture(self, path: Path) -> NDArray[np.uint8]:
        return decode_image(read_metadata(path), path)

    def _city(self) -> dict[str, str]:
        """Return the city, which only the map's file name tells: `...____PIT_city_57819.json`."""
        found = find_map(self.root / "map")
        if found is None:
            self.problems.append("there is no vector map")
            return {}
        _, separator, rest = found.stem.partition("____")
        return {"city": rest.split("_")[0]} if separator else {}

    def _calibration(self) -> dict[str, dict]:
        folder = self.root / "calibration"
        kinds = {
            "egovehicle_SE3_sensor": dict.fromkeys(_POSE, "float"),
            "intrinsics": {
                **dict.fromkeys(("fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "k3"), "float"),
                **dict.fromkeys(("height_px", "width_px"), "int"),
            },
        }
        made = {}
        for name, columns in kinds.items():
            path = folder / f"{name}.feather"
            if not path.is_file():
                self.problems.append(f"there is no calibration/{name}.feather")
                continue
            table = read_feather(
                inside(self.root, f"calibration/{name}.feather", folder), {"sensor_name": "string", **columns}
            )
            made[name] = {
                str(sensor): {key: table[key][row].item() for key in columns}
                for row, sensor in enumerate(table["sensor_name"])
            }
        return made


class SensorFormat:
    """The row of the catalog: one log folder; see `log.LogFormat`."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that a folder is a log, its table of poses; None: it is none."""
        columns = set(feather_columns(path / POSES)) if (path / POSES).is_file() else set()
        if not {"timestamp_ns", *_POSE} <= columns:
            return None
        return f"{POSES} has stamps and poses of the ego vehicle in the city"

    def open(self, path: Path) -> Log:
        """Describe the log, one segment.

        Raises:
            DataError: when a table, a sweep's name or the map is damaged.
        """
        segment = SensorSegment(path)
        facts = {key: str(segment.meta[key]) for key in ("log_id", "city") if key in segment.meta}
        return Log(
            format=NAME,
            path=path,
            segments=[segment],
            conventions=CONVENTIONS,
            facts=facts,
            problems=segment.problems,
        )


FORMAT = SensorFormat()
