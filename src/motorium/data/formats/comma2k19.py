"""comma2k19: one minute of driving, each sensor's samples as NumPy arrays beside their times.

    <route>/<segment>/global_pose/frame_{times,positions,orientations,velocities,gps_times}
    <route>/<segment>/processed_log/{CAN,IMU,GNSS}/<name>/{t,value}    raw_can: {t,address,data,src}
    <route>/<segment>/video.hevc, preview.png, raw_log.bz2

Every time is in seconds since the device booted, so all streams share one clock. Files are `.npy` without the name.

Poses are recorded in ECEF (metres from the Earth's centre). Learning from them is hopeless: x, y and z mix height and
heading, differ by millions of metres, and mean something else a town further. So `ego.position`, `ego.orientation` and
`ego.velocity`, which become `observation.state`, are handed out in a local frame (x east, y north, z up, origin at
the segment's first pose, stated in `meta["enu_origin"]`), and the recorded values beside them as `*_ecef`.

Source: Schafer et al., A Commute in Data: The comma2k19 Dataset, arXiv 1812.05752, and the dataset's README; ellipsoid
and ECEF: NIMA TR8350.2 (WGS 84); latitude: Bowring, Survey Review 23, 1976.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.data import scene
from motorium.data.bounds import inside, read_metadata
from motorium.data.formats.comma2k19_files import Array, open_array, open_hevc, read_hevc
from motorium.data.log import Align, Log, Segment, Stream

NAME = "comma2k19"
CLOCK = ("boot",)
ENU = "enu"
ECEF = "ecef"
DEVICE = "device (x forward, y right, z down)"

WGS84_A_M = 6378137.0
WGS84_F = 1 / 298.257223563

CONVENTIONS = {
    "frame": "enu: x east, y north, z up, metres, origin at the first pose of the segment (meta enu_origin)",
    "ego": "the camera (it is where poses are recorded): x ahead, y left, z up",
    "device": "IMU: x forward, y right, z down",
    "steering_angle": "of the steering wheel, degrees, as on the CAN bus",
    "quaternions": "w first; recorded ones turn the device frame into ECEF (their documentation says it the other way)",
    "time": "seconds since the device booted, one clock for all streams",
}
PROBLEM = "raw_log.bz2 (the device's own log, Cap'n Proto) is left out: processed_log and global_pose come from it"

# What the arrays of processed_log hold: names of the elements, unit of each, frame.
_LIVE = ("latitude", "longitude", "speed", "utc_timestamp", "altitude", "bearing")
_LIVE_UNITS = ("deg", "deg", "m/s", "ms", "m", "deg")
_RAW = ("prn", "gps_week", "time_of_week", "glonass_channel", "pseudorange", "pseudorange_std", "pseudorange_rate")
_RAW_NAMES = (*_RAW, "pseudorange_rate_std", "undocumented_8", "undocumented_9")
_RAW_UNITS = ("1", "1", "s", "1", "m", "m", "m/s", "m/s", "1", "1")
_RADAR = ("forward", "left", "relative_speed", "unused_3", "unused_4", "address", "new_track")
_WHEELS = ("front_left", "front_right", "rear_left", "rear_right")
_XYZ = ("x", "y", "z")
_KNOWN: dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]] = {
    "CAN/speed": (("ego.speed",), ("m/s",), None),
    "CAN/steering_angle": (("ego.steering_angle",), ("deg",), None),
    "CAN/wheel_speed": (tuple(f"ego.wheel_speed.{name}" for name in _WHEELS), ("m/s",) * 4, None),
    "CAN/radar": (_RADAR, ("m", "m", "m/s", "1", "1", "1", "1"), "radar"),
    "IMU/accelerometer": (_XYZ, ("m/s^2",) * 3, DEVICE),
    "IMU/gyro": (_XYZ, ("rad/s",) * 3, DEVICE),
    "IMU/gyro_bias": (_XYZ, ("rad/s",) * 3, DEVICE),
    "IMU/gyro_uncalibrated": (_XYZ, ("rad/s",) * 3, DEVICE),
    # Documented as tesla; a recorded field of 40 is the Earth's in microtesla.
    "IMU/magnetometer": (_XYZ, ("uT",) * 3, DEVICE),
    "IMU/magnetometer_uncalibrated": (_XYZ, ("uT",) * 3, DEVICE),
    "GNSS/live_gnss_qcom": (_LIVE, _LIVE_UNITS, None),
    "GNSS/live_gnss_ublox": (_LIVE, _LIVE_UNITS, None),
    "GNSS/raw_gnss_qcom": (_RAW_NAMES, _RAW_UNITS, None),
    "GNSS/raw_gnss_ublox": (_RAW_NAMES, _RAW_UNITS, None),
}
# Streams of the car itself have the names of every driving log.
_EGO = {
    "CAN/speed": "ego.speed",
    "CAN/steering_angle": "ego.steering_angle",
    "CAN/wheel_speed": "ego.wheel_speed",
}
_NOTES = {
    "CAN/radar": "one tracked reflection a sample, its track is the address; elements 3 and 4 are NaN",
    "GNSS/raw_gnss_qcom": "one satellite a sample",
    "GNSS/raw_gnss_ublox": "one satellite a sample",
}


class CommaSegment(Segment):
    """One minute; see the module."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = f"{root.parent.name}/{root.name}"
        self.problems: list[str] = [PROBLEM] if (root / "raw_log.bz2").exists() else []
        self.meta = {"route": root.parent.name, "segment": root.name}
        self._times: dict[str, Array] = {}
        self._arrays: dict[str, Array] = {}
        self.streams: dict[str, Stream] = {}
        self._add_poses()
        self._add_logs()
        self._add_camera()

    def times_ns(self, key: str, clock: str | None = None) -> NDArray[np.int64]:
        times = self._times[key]
        seconds = times.read()
        # 2^53 ns is 104 days: in float64 seconds, stamps to then are exact to well under a microsecond.
        if not (np.isfinite(seconds).all() and (np.abs(seconds) < 9e9).all()):
            raise DataError("a time is impossible", where=times.path, expected="seconds since boot")
        return np.rint(seconds * 1e9).astype(np.int64)

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        source = self._arrays[key].read(start, stop)
        if key == "raw_can.data":
            return source.view(np.uint8).reshape(len(source), -1)
        source = source.reshape(len(source), -1).astype(self.streams[key].feature.dtype, copy=False)
        if key == "ego.position":
            return frames.quat_rotate(self._to_enu, source - self._origin)
        if key == "ego.velocity":
            return frames.quat_rotate(self._to_enu, source)
        if key == "ego.orientation":
            return frames.quat_multiply(frames.quat_multiply(self._to_enu, source), _DEVICE_FROM_EGO)
        return source

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        stream = self.streams[key]
        return read_hevc(inside(self.root, "video.hevc", self.root), samples, stream.feature.shape, stream.count)

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        if not (self.root / "preview.png").is_file():
            return {}
        return {"preview.png": partial(read_metadata, inside(self.root, "preview.png", self.root))}

    def _add_poses(self) -> None:
        folder = self.root / "global_pose"
        if not (folder / "frame_times").is_file():
            self.problems.append("there is no global_pose/frame_times: no poses")
            return
        times = self._open("global_pose/frame_times", 1)
        parts: dict[str, tuple[str, Callable[[str], Feature], Align]] = {
            "position": ("frame_positions", scene.ego_position, "linear"),
            "orientation": ("frame_orientations", scene.ego_orientation, "slerp"),
            "velocity": ("frame_velocities", scene.ego_velocity, "linear"),
        }
        found = {}
        for quantity, (name, feature, align) in parts.items():
            if not (folder / name).is_file():
                self.problems.append(f"there is no global_pose/{name}")
                continue
            found[quantity] = self._open(f"global_pose/{name}", feature(ENU).size)
            self._add(f"ego.{quantity}_ecef", found[quantity], times, feature(ECEF), note="as recorded", align=align)
        if "position" in found and self._set_origin(found["position"]):
            for quantity, array in found.items():
                _, feature, align = parts[quantity]
                self._add(f"ego.{quantity}", array, times, feature(ENU), "from ECEF", align, "observation.state")
            # The state comes first, as in every driving log.
            self.streams = dict(sorted(self.streams.items(), key=lambda item: item[0].endswith("_ecef")))
        if (folder / "frame_gps_times").is_file():
            feature = Feature(dtype="float64", shape=(2,), names=("gps_week", "time_of_week"), units=("1", "s"))
            self._add("gps_time", self._open("global_pose/frame_gps_times", 2), times, feature, "GPS time of frames")

    def _set_origin(self, positions: Array) -> bool:
        """Put the origin of the local frame at the first pose that is known."""
        points = positions.read().reshape(-1, 3).astype(np.float64)
        known = np.flatnonzero(np.isfinite(points).all(axis=1) & (np.abs(points).max(axis=1, initial=0) > 1e6))
        if not len(known):
            self.problems.append("no position is on the Earth's surface: no local frame")
            return False
        self._origin = points[known[0]]
        latitude, longitude, height = geodetic(self._origin)
        self._to_enu = frames.quat_conjugate(ecef_from_enu(latitude, longitude))
        degrees = np.degrees([latitude, longitude]).tolist()
        self.meta = {
            **self.meta,
            "enu_origin": {"latitude_deg": degrees[0], "longitude_deg": degrees[1], "height_m": height},
            "enu_origin_ecef_m": self._origin.tolist(),
        }
        return True

    def _add_logs(self) -> None:
        folder = self.root / "processed_log"
        for group in _folders(folder):
            for source in _folders(group):
                name = f"{group.name}/{source.name}"
                if name == "CAN/raw_can":
                    self._add_raw_can()
                elif (source / "t").is_file() and (source / "value").is_file():
                    self._add_log(name)
                else:
                    self.problems.append(f"processed_log/{name} has no t and value: left out")

    def _add_log(self, name: str) -> None:
        array = self._open(f"processed_log/{name}/value")
        width = int(np.prod(array.shape[1:], dtype=int))
        names, units, frame = _KNOWN.get(name, (None, None, None))
        if names is not None and len(names) != width:
            self.problems.append(f"processed_log/{name} has {width} elements, {len(names)} are documented: not named")
            names = units = None
        feature = Feature(dtype="float64", shape=(width,), names=names, units=units, frame=frame)
        times = self._open(f"processed_log/{name}/t", 1)
        key = _EGO.get(name, name)
        target = "observation.state" if key.startswith("ego.") else _IMU_TARGETS.get(name)
        align: Align = "linear" if target else "nearest"
        self._add(key, array, times, feature, _NOTES.get(name, f"processed_log/{name}"), align, target)

    def _add_raw_can(self) -> None:
        times = self._open("processed_log/CAN/raw_can/t", 1)
        kinds = {"address": "int64", "data": "uint8", "src": "int64"}
        for part, dtype in kinds.items():
            if not (self.root / f"processed_log/CAN/raw_can/{part}").is_file():
                continue
            array = self._open(f"processed_log/CAN/raw_can/{part}", 1, kinds="S" if part == "data" else "iu")
            width = array.dtype.itemsize if part == "data" else 1
            feature = Feature(dtype=dtype, shape=(width,), units=("1",) * width)
            note = "bytes of one CAN message, padded with zeros: lengths are not recorded" if part == "data" else ""
            self._add(f"raw_can.{part}", array, times, feature, note)

    def _add_camera(self) -> None:
        if not (self.root / "video.hevc").is_file():
            return
        if "ego.position_ecef" not in self._times:
            self.problems.append("video.hevc has no frame times: left out")
            return
        path = inside(self.root, "video.hevc", self.root)
        times = self._times["ego.position_ecef"]
        self._times["camera"] = times
        self.streams["camera"] = Stream(
            feature=Feature(dtype="video", shape=open_hevc(path, times.shape[0]), names=("height", "width", "rgb")),
            count=times.shape[0],
            clocks=CLOCK,
            target="observation.images.front",
            note="HEVC, a frame at each of global_pose/frame_times",
            stored_bytes=path.stat().st_size,
        )

    def _add(
        self,
        key: str,
        array: Array,
        times: Array,
        feature: Feature,
        note: str = "",
        align: Align = "nearest",
        target: str | None = None,
    ) -> None:
        if array.shape[0] != times.shape[0]:
            raise DataError(
                "an array and its times differ in length",
                where=array.path,
                got=array.shape[0],
                expected=times.shape[0],
                remedy="fetch or copy the segment again",
            )
        self._arrays[key], self._times[key] = array, times
        self.streams[key] = Stream(
            feature=feature,
            count=array.shape[0],
            clocks=CLOCK,
            target=target,
            align=align,
            note=note,
            stored_bytes=array.stored_bytes,
        )

    def _open(self, name: str, width: int | None = None, kinds: str = "fiu") -> Array:
        return open_array(inside(self.root, name, self.root), width, kinds)


_IMU_TARGETS = {"IMU/accelerometer": "observation.imu", "IMU/gyro": "observation.imu"}
# Half a turn about x: from x ahead, y left, z up to x forward, y right, z down.
_DEVICE_FROM_EGO = np.array([0.0, 1.0, 0.0, 0.0])


def geodetic(position_m: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return WGS 84 latitude, longitude (rad) and height over the ellipsoid (m) of an ECEF position (3,)."""
    x, y, z = (float(value) for value in position_m)
    b = WGS84_A_M * (1 - WGS84_F)
    e2 = WGS84_F * (2 - WGS84_F)
    radius = np.hypot(x, y)
    # Bowring's formula; repeated, it is exact to rounding at any height.
    reduced = np.arctan2(z * WGS84_A_M, radius * b)
    latitude = 0.0
    for _ in range(4):
        latitude = np.arctan2(
            z + e2 / (1 - e2) * b * np.sin(reduced) ** 3, radius - e2 * WGS84_A_M * np.cos(reduced) ** 3
        )
        reduced = np.arctan2(b * np.sin(latitude), WGS84_A_M * np.cos(latitude))
    normal = WGS84_A_M / np.sqrt(1 - e2 * np.sin(latitude) ** 2)
    height = radius * np.cos(latitude) + z * np.sin(latitude) - normal * (1 - e2 * np.sin(latitude) ** 2)
    return float(latitude), float(np.arctan2(y, x)), float(height)


def ecef_from_enu(latitude_rad: float, longitude_rad: float) -> NDArray[np.float64]:
    """Return the quaternion that turns east, north, up at a place into ECEF: (4,)."""
    s, c = np.sin(latitude_rad), np.cos(latitude_rad)
    sl, cl = np.sin(longitude_rad), np.cos(longitude_rad)
    columns = np.array([[-sl, cl, 0.0], [-s * cl, -s * sl, c], [c * cl, c * sl, s]])
    return frames.quat_from_matrix(columns.T)


def _folders(path: Path) -> list[Path]:
    return sorted(item for item in path.iterdir() if item.is_dir()) if path.is_dir() else []


class CommaFormat:
    """The row of the catalog: one segment's folder; see `log.LogFormat`."""

    def recognise(self, path: Path) -> str | None:
        """Return which array of times shows that a folder is a segment; None: it has none."""
        for name in ("global_pose/frame_times", "processed_log/CAN/speed/t", "processed_log/IMU/gyro/t"):
            try:
                array = open_array(path / name, 1)
            except DataError:
                continue
            return f"{name} is an array of {array.shape[0]} times"
        return None

    def open(self, path: Path) -> Log:
        """Describe the segment of a drive, one minute.

        Raises:
            DataError: when an array or the video is damaged.
        """
        segment = CommaSegment(path)
        return Log(
            format=NAME,
            path=path,
            segments=[segment],
            conventions=CONVENTIONS,
            facts={"route": segment.meta["route"], "segment": segment.meta["segment"]},
            problems=segment.problems,
        )


FORMAT = CommaFormat()
