"""KITTI: raw drives (GPS/IMU, cameras, labelled tracks), and the sequences of the odometry benchmark.

    2011_09_26/calib_*.txt
    2011_09_26/2011_09_26_drive_0001_sync/oxts/{timestamps.txt, data/0000000000.txt}      30 numbers a file
                                         /image_02/{timestamps.txt, data/0000000000.png}
                                         /velodyne_points/{timestamps.txt, data/0000000000.bin}
                                         /tracklet_labels.xml

Source: readme.txt of the raw development kit (columns, axes, tracklets); `kitti_odometry.py` for that benchmark.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.frames import pose_multiply
from motorium.data.bounds import check_size
from motorium.data.formats.kitti_files import (
    NOT_GIVEN,
    Calibration,
    camera_series,
    numbered_files,
    read_calibration,
    read_numbers,
    read_timestamps,
)
from motorium.data.formats.kitti_odometry import SequenceSegment, find_sequences, find_tracking
from motorium.data.formats.kitti_oxts import COLUMNS, ego_series, oxts_poses
from motorium.data.formats.kitti_tracklets import NOTES, read_tracklets
from motorium.data.formats.lazy import Lazy
from motorium.data.formats.scene_segment import Scene, SceneSegment, Series, make_series
from motorium.data.log import Log, Segment
from motorium.data.scene import object_features, object_meta

WORLD, VELODYNE = "world", "velodyne"
CAMERAS = ("image_00", "image_01", "image_02", "image_03")
MOST_CELLS = 4_000_000

KINDS = {
    "Car": "car",
    "Van": "car",
    "Truck": "truck",
    "Pedestrian": "pedestrian",
    "Person (sitting)": "pedestrian",
    "Cyclist": "bicycle",
}

CONVENTIONS = {
    "frame": "world: x east, y north, z up, metres; origin at the first GPS/IMU position; Mercator projection of the"
    " raw development kit",
    "ego": "the GPS/IMU unit: x ahead, y left, z up (the kit's readme names other axes; its code and data have these)",
    "orientation": "quaternion w first",
    "velocity": "east, north and up, m/s",
    "size": "length, width, height",
    "objects": "centres of the labelled boxes; labelled where the left colour camera sees them",
}


class Kitti:
    """Reader of one drive, of a folder of drives, or of the odometry benchmark."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that there are GPS/IMU records, poses or labels of KITTI."""
        drives = _drives(path)
        if drives:
            return f"{len(drives)} drive(s) with GPS/IMU records of {len(COLUMNS)} numbers, first {drives[0].name}"
        sequences = find_sequences(path)
        if sequences:
            return f"odometry benchmark: {len(sequences)} sequence(s), first {sequences[0].name}"
        labels = find_tracking(path)
        return f"tracking benchmark: labels of 17 columns in {labels}" if labels else None

    def open(self, path: Path) -> Log:
        """Find the drives or sequences.

        Raises:
            DataError: when there are none, or it is a benchmark whose layout is not read.
        """
        drives = _drives(path)
        if drives:
            return Log(
                format="kitti",
                path=path,
                segments=Lazy(len(drives), partial(_drive, drives)),
                conventions=CONVENTIONS,
                facts={"drives": str(len(drives))},
                problems=["velodyne scans are not decoded: their stream is names of files", *_lacking(drives)],
            )
        sequences = find_sequences(path)
        if sequences:
            return Log(
                format="kitti",
                path=path,
                segments=sequences,
                conventions=SequenceSegment.conventions,
                facts={"sequences": str(len(sequences))},
                problems=["velodyne scans are not read"],
            )
        labels = find_tracking(path)
        if labels:
            raise DataError(
                "the tracking and object benchmarks of KITTI are not read",
                where=labels,
                expected="raw drives (oxts/, image_02/, tracklet_labels.xml), which hold the same objects with times",
                remedy="download the raw data of these sequences, or write the labels as a table and ingest that",
            )
        raise DataError("there is nothing of KITTI here", where=path, expected="oxts/data/*.txt or poses/*.txt")


FORMAT = Kitti()


class DriveSegment(SceneSegment):
    """One raw drive."""

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(name)
        self._root = root

    def read_scene(self) -> Scene:
        """Read GPS/IMU records and labels; pictures and scans are listed."""
        root = self._root
        calibration = read_calibration(root)
        frames, files = numbered_files(root / "oxts" / "data", ".txt")
        rows = np.array([read_numbers(file, len(COLUMNS)) for file in files]).reshape(-1, len(COLUMNS))
        times_ns = _times(root / "oxts", frames)
        poses = oxts_poses(rows)
        series = ego_series(rows, poses, times_ns)
        for camera in CAMERAS:
            series |= _camera(root, camera)
        series |= _scans(root)
        objects: list[dict[str, str]] = []
        labels = root / "tracklet_labels.xml"
        if labels.is_file():
            boxes, objects = _objects(labels, frames, poses, times_ns, calibration)
            series |= boxes
        return Scene(series=series, meta={"calibration": dict(calibration.values), "objects": objects})


def _drive(drives: list[Path], number: int) -> Segment:
    root = drives[number]
    alone = sum(other.name == root.name for other in drives) == 1
    return DriveSegment(root, root.name if alone else f"{root.parent.name}/{root.name}")


def _drives(path: Path) -> list[Path]:
    """Return the drives: `path` itself, or folders one or two levels below."""

    def is_drive(folder: Path) -> bool:
        """Whether a folder has readable packets of OXTS with their times."""
        if not (folder / "oxts" / "timestamps.txt").is_file():
            return False
        try:
            _, files = numbered_files(folder / "oxts" / "data", ".txt")
            read_numbers(files[0], len(COLUMNS))
        except (DataError, IndexError):
            return False
        return True

    try:
        if not path.is_dir():
            return []
        if is_drive(path):
            return [path]
        near = sorted(one for one in path.iterdir() if one.is_dir())[:1000]
        found = [one for one in near if is_drive(one)]
        if found:
            return found
        return [two for one in near[:100] for two in sorted(one.iterdir())[:1000] if two.is_dir() and is_drive(two)]
    except OSError:
        return []


def _lacking(drives: list[Path]) -> list[str]:
    bare = [root.name for root in drives if _labelled(root) and read_calibration(root).X_imu_velo is None]
    if not bare:
        return []
    return [f"objects stay in the frame of the laser scanner, for want of calib_*.txt: {', '.join(bare[:10])}"]


def _labelled(root: Path) -> bool:
    return (root / "tracklet_labels.xml").is_file()


def _times(folder: Path, frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the times of numbered frames; the number is the line of timestamps.txt."""
    times_ns = read_timestamps(folder / "timestamps.txt")
    if len(frames) and (frames[-1] >= len(times_ns) or (times_ns[frames] == NOT_GIVEN).any()):
        raise DataError(
            "a frame has no time in timestamps.txt",
            where=folder,
            got=f"frames {frames[0]} to {frames[-1]}",
            expected=f"a time on each of {len(times_ns)} lines",
        )
    return times_ns[frames]


def _camera(root: Path, camera: str) -> dict[str, Series]:
    folder = root / camera
    if not (folder / "timestamps.txt").is_file():
        return {}
    frames, files = numbered_files(folder / "data", (".png", ".jpg"))
    if not files:
        return {}
    return {camera: camera_series(camera, files, _times(folder, frames), grey=camera < "image_02")}


def _scans(root: Path) -> dict[str, Series]:
    folder = root / "velodyne_points"
    if not (folder / "timestamps.txt").is_file() or not (folder / "data").is_dir():
        return {}
    frames, files = numbered_files(folder / "data", (".bin", ".txt"))
    names = np.array([[str(file.relative_to(root))] for file in files], object).reshape(-1, 1)
    feature = Feature(dtype="string", shape=(1,))
    note = "files of laser scans, not decoded"
    return {"velodyne_points.file": make_series(feature, names, _times(folder, frames), note=note)}


def _objects(
    labels: Path,
    frames: NDArray[np.int64],
    poses: NDArray[np.float64],
    times_ns: NDArray[np.int64],
    calibration: Calibration,
) -> tuple[dict[str, Series], list[dict[str, str]]]:
    """Return the labelled tracks at the frames of the GPS/IMU, a slot a track, and what each slot is."""
    tracks = read_tracklets(labels)
    steps = {int(frame): step for step, frame in enumerate(frames)}
    shape = (len(frames), len(tracks))
    check_size("the objects of a drive", shape[0] * shape[1], MOST_CELLS, labels)
    valid = np.zeros(shape, bool)
    boxes = np.full((*shape, 7), np.nan)
    sizes = np.full((*shape, 3), np.nan)
    codes = {name: np.zeros(shape, np.int64) for name in ("occlusion", "truncation")}
    for slot, track in enumerate(tracks):
        wanted = [steps.get(track.first + number, -1) for number in range(len(track.poses))]
        there = [number for number, step in enumerate(wanted) if step >= 0]
        at = [wanted[number] for number in there]
        valid[at, slot] = True
        placed = track.poses[there]
        if calibration.X_imu_velo is not None:
            placed = pose_multiply(pose_multiply(poses[at], calibration.X_imu_velo), placed)
        boxes[at, slot] = placed
        sizes[at, slot] = track.size
        codes["occlusion"][at, slot] = track.occlusion[there]
        codes["truncation"][at, slot] = track.truncation[there]
    frame = VELODYNE if calibration.X_imu_velo is None else WORLD
    found = {
        "objects.position": boxes[..., :3],
        "objects.orientation": boxes[..., 3:],
        "objects.size": sizes,
        "objects.valid": valid,
    }
    series = {}
    for name, feature in object_features(len(tracks), frame).items():
        if name not in found:
            continue
        mask = None if name == "objects.valid" else np.broadcast_to(valid[..., None], found[name].shape)
        series[name] = make_series(feature, found[name], times_ns, valid=mask, target=name, ragged=True)
    count = Feature(dtype="int64", shape=(len(tracks),), units=("1",))
    for name, array in codes.items():
        series[f"objects.{name}"] = make_series(count, array, times_ns, valid=valid, ragged=True, note=NOTES[name])
    kinds = [object_meta(str(slot), track.kind, KINDS.get(track.kind, "other")) for slot, track in enumerate(tracks)]
    return series, kinds
