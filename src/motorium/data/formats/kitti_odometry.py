"""Odometry benchmark of KITTI: sequences of rectified pictures with times, and poses of the left grey camera.

    poses/00.txt                                12 numbers a line: the 3x4 pose in the frame of the first picture
    sequences/00/{times.txt, calib.txt, image_0, image_1, image_2, image_3, velodyne}

The camera's axes (x right, y down, z ahead) are renamed to x ahead, y left, z up; nothing else is changed.

Source: readme.txt of the odometry development kit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.frames import quat_from_matrix
from motorium.data.formats.kitti_files import camera_series, numbered_files, read_rows
from motorium.data.formats.scene_segment import Scene, SceneSegment, Series, make_series
from motorium.data.scene import ego_orientation, ego_position

FRAME = "first camera"
CAMERAS = ("image_0", "image_1", "image_2", "image_3")
LABEL_COLUMNS = 17

# Columns are the camera's axes in the ego's: right is -y, down is -z, ahead is x.
R_EGO_CAMERA = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


class SequenceSegment(SceneSegment):
    """One sequence."""

    conventions: Mapping[str, str] = {
        "frame": "first camera: where the left grey camera was at first, with x ahead, y left, z up, metres",
        "ego": "the left grey camera, with the same axes",
        "orientation": "quaternion w first",
    }

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(name)
        self._root = root

    def read_scene(self) -> Scene:
        """Read poses and times, and list the pictures."""
        folder = self._root / "sequences" / self.name
        times_s = read_rows(folder / "times.txt", 1)[:, 0]
        if not np.isfinite(times_s).all() or (len(times_s) and np.abs(times_s).max() > 1e9):
            raise DataError("times are not finite", where=folder / "times.txt")
        times_ns = np.round(times_s * 1e9).astype(np.int64)
        series: dict[str, Series] = {}
        poses = self._root / "poses" / f"{self.name}.txt"
        if poses.is_file():
            series |= _ego(read_rows(poses, 12).reshape(-1, 3, 4), times_ns, poses)
        for camera in CAMERAS:
            series |= _camera(folder, camera, times_ns)
        calibration = folder / "calib.txt"
        lines = _calibration(calibration) if calibration.is_file() else {}
        return Scene(series=series, meta={"calibration": lines})


def find_sequences(path: Path) -> list[SequenceSegment]:
    """Return the sequences of a folder of the benchmark; [] when it is none."""
    try:
        names = sorted(one.name for one in (path / "sequences").iterdir() if (one / "times.txt").is_file())
        for name in names:
            read_rows(path / "sequences" / name / "times.txt", 1)
            break
    except (OSError, DataError):
        return []
    return [SequenceSegment(path, name) for name in names]


def find_tracking(path: Path) -> Path | None:
    """Return the folder of labels of the tracking benchmark (17 columns a line), or None."""
    for folder in (path / "label_02", path / "training" / "label_02", path):
        try:
            files = sorted(
                one for one in folder.iterdir() if one.suffix == ".txt" and one.stem.isdigit() and one.is_file()
            )
            with files[0].open("r", encoding="ascii") as file:
                words = file.readline(1000).split()
        except (OSError, IndexError, ValueError):
            continue
        if len(words) == LABEL_COLUMNS and words[0].isdigit() and words[2].replace("_", "").isalpha():
            return folder
    return None


def _ego(matrices: NDArray[np.float64], times_ns: NDArray[np.int64], path: Path) -> dict[str, Series]:
    if len(matrices) != len(times_ns):
        raise DataError("there are not as many poses as times", where=path, got=len(matrices), expected=len(times_ns))
    rotation = np.einsum("ij,njk,lk->nil", R_EGO_CAMERA, matrices[:, :, :3], R_EGO_CAMERA)
    position = np.einsum("ij,nj->ni", R_EGO_CAMERA, matrices[:, :, 3])
    turn = quat_from_matrix(rotation)
    target = {"target": "observation.state"}
    return {
        "ego.position": make_series(ego_position(FRAME), position, times_ns, align="linear", **target),
        "ego.orientation": make_series(ego_orientation(FRAME), turn, times_ns, align="slerp", **target),
    }


def _camera(folder: Path, camera: str, times_ns: NDArray[np.int64]) -> dict[str, Series]:
    if not (folder / camera).is_dir():
        return {}
    frames, files = numbered_files(folder / camera, (".png", ".jpg"))
    if not files:
        return {}
    if frames[-1] >= len(times_ns):
        raise DataError("a picture has no line in times.txt", where=folder / camera, got=int(frames[-1]))
    return {camera: camera_series(camera, files, times_ns[frames], grey=camera < "image_2")}


def _calibration(path: Path) -> dict[str, list[float]]:
    """Return the projection matrices (12 numbers) by camera, as stated."""
    found = {}
    for line in path.read_text(encoding="ascii", errors="replace")[:100_000].splitlines():
        key, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 12:
            found[key.strip()] = [float(word) for word in words]
    return found
