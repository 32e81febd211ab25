"""Files of KITTI: numbered frames and cameras, timestamps to the nanosecond, rows of numbers, calibrations.

Source: readme.txt of the raw development kit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.frames import make_pose, pose_inverse, quat_from_matrix
from motorium.data.bounds import MIB, check_size, read_metadata
from motorium.data.formats.image_files import ImageFiles, image_feature, image_shape
from motorium.data.formats.scene_segment import CLOCK, Series
from motorium.data.log import Stream

LARGEST_TEXT = 64 * MIB
MOST_FRAMES = 10_000_000
NOT_GIVEN = np.iinfo(np.int64).min

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the calib files of a day state.

    Attributes:
        values: numbers by file and key, `calib_cam_to_cam.P_rect_02`.
        X_imu_velo: (7,) pose of the laser scanner in the frame of the GPS/IMU; None where the file is absent.
    """

    values: Mapping[str, list[float]]
    X_imu_velo: NDArray[np.float64] | None


def numbered_files(folder: Path, suffixes: str | tuple[str, ...]) -> tuple[NDArray[np.int64], list[Path]]:
    """Return the files of a folder whose names are numbers, in order: numbers (n,) and paths.

    Raises:
        DataError: when the folder cannot be read, or two files have one number.
    """
    found: dict[int, Path] = {}
    try:
        for path in sorted(folder.iterdir()):
            if not (path.stem.isascii() and path.stem.isdigit() and path.name.endswith(suffixes)):
                continue
            number = int(path.stem[-18:])
            if number in found or len(found) >= MOST_FRAMES:
                raise DataError("two files of a recording have one number", where=folder, got=path.name)
            found[number] = path
    except OSError as error:
        raise DataError("a folder of the recording cannot be read", where=folder, got=error) from error
    order = sorted(found)
    return np.array(order, np.int64), [found[number] for number in order]


def read_timestamps(path: Path) -> NDArray[np.int64]:
    """Return the times of timestamps.txt: (n,) ns since 1970 by the recorder's local clock; empty lines: `NOT_GIVEN`.

    Raises:
        DataError: when a line is no date and time.
    """
    times = []
    for number, line in enumerate(_lines(path), start=1):
        match = _STAMP.fullmatch(line.strip())
        if match is None and line.strip():
            raise _bad_line(path, number, line, "2011-09-26 13:02:25.964389445")
        try:
            times.append(np.datetime64("T".join(match.groups()), "ns").astype(np.int64) if match else NOT_GIVEN)
        except ValueError:
            raise _bad_line(path, number, line, "a date and time") from None
    return np.array(times, np.int64)


def read_numbers(path: Path, count: int) -> list[float]:
    """Return the numbers of a file with one line of `count` of them.

    Raises:
        DataError: when there are others.
    """
    lines = [line for line in _lines(path, MIB) if line.strip()]
    if len(lines) != 1:
        raise DataError("a file does not hold one line", where=path, got=f"{len(lines)} lines", expected=1)
    return numbers_of(lines[0], count, path, 1)


def read_rows(path: Path, count: int) -> NDArray[np.float64]:
    """Return the numbers of a file with `count` of them on every line: (n, count).

    Raises:
        DataError: when a line has others.
    """
    lines = [(number, line) for number, line in enumerate(_lines(path), start=1) if line.strip()]
    rows = [numbers_of(line, count, path, number) for number, line in lines]
    return np.array(rows, np.float64).reshape(-1, count)


def numbers_of(line: str, count: int, path: Path, number: int) -> list[float]:
    """Return the numbers of a line.

    Raises:
        DataError: when there are others.
    """
    words = line.split()
    try:
        if len(words) == count:
            return [float(word) for word in words]
    except ValueError:
        pass
    raise _bad_line(path, number, line, f"{count} numbers")


def read_calibration(drive: Path) -> Calibration:
    """Return the calibration of a drive: of its day's folder, or of its own.

    Raises:
        DataError: when a file is damaged.
    """
    values: dict[str, list[float]] = {}
    for name in ("calib_cam_to_cam", "calib_imu_to_velo", "calib_velo_to_cam"):
        path = next((one for one in (drive / f"{name}.txt", drive.parent / f"{name}.txt") if one.is_file()), None)
        for number, line in enumerate(_lines(path) if path else (), start=1):
            key, _, rest = line.partition(":")
            if not rest.strip() or key == "calib_time":
                continue
            try:
                values[f"{name}.{key.strip()}"] = [float(word) for word in rest.split()]
            except ValueError:
                raise _bad_line(path, number, line, "numbers") from None
    rotation, place = values.get("calib_imu_to_velo.R"), values.get("calib_imu_to_velo.T")
    if rotation is None or place is None:
        return Calibration(values=values, X_imu_velo=None)
    if len(rotation) != 9 or len(place) != 3:
        raise DataError("calib_imu_to_velo.txt has not R of 9 and T of 3 numbers", where=drive)
    # R|T takes a point from the GPS/IMU's coordinates to the scanner's: the pose of the GPS/IMU in the scanner's.
    X_velo_imu = make_pose(place, quat_from_matrix(np.reshape(rotation, (3, 3))))
    return Calibration(values=values, X_imu_velo=pose_inverse(X_velo_imu))


def camera_series(camera: str, files: list[Path], times_ns: NDArray[np.int64], grey: bool) -> Series:
    """Return the stream of a camera: rectified pictures in `files`, taken at `times_ns` (n,).

    Raises:
        DataError: when the first picture is damaged.
    """
    shape = image_shape(files[0])
    stream = Stream(
        feature=image_feature(shape),
        count=len(files),
        clocks=(CLOCK,),
        target=f"observation.images.{camera}",
        note=f"{'grey' if grey else 'colour'}, rectified",
        stored_bytes=sum(file.stat().st_size for file in files),
    )
    return Series(stream=stream, times_ns=times_ns, pictures=ImageFiles(paths=files, shape=shape))


def _lines(path: Path, at_most: int = LARGEST_TEXT) -> list[str]:
    data = read_metadata(path, at_most)
    check_size("a text file, in lines,", data.count(b"\n"), MOST_FRAMES, path)
    return data.decode("ascii", "replace").splitlines()


def _bad_line(path: Path | None, number: int, line: str, expected: str) -> DataError:
    return DataError(
        "a line cannot be read",
        where=f"{path}, line {number}",
        got=line.strip()[:80],
        expected=expected,
        remedy="the file is damaged; fetch or copy it again",
    )
