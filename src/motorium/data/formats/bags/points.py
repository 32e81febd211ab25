"""Point clouds: a fixed number of points, the largest of the recording, with a mask for the rest.

Source: sensor_msgs/PointCloud2, sensor_msgs/PointField; foxglove.PointCloud, foxglove.PackedElementField.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.features import Feature
from motorium.data.bounds import LARGEST_SAMPLE
from motorium.data.formats.bags.decode import Decoder
from motorium.data.formats.bags.source import Message
from motorium.data.formats.bags.topic import BulkyTopic, Source, frame_of
from motorium.data.formats.bags.types import Undecodable
from motorium.data.log import Stream

TYPES = ("sensor_msgs/PointCloud2", "foxglove.PointCloud")

_ROS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_FOXGLOVE = {1: "u1", 2: "i1", 3: "u2", 4: "i2", 5: "u4", 6: "i4", 7: "f4", 8: "f8"}


class CloudsTopic(BulkyTopic):
    """A topic of point clouds: `topic` is (max, 4) x, y, z, intensity; other fields are `topic.<field>` (max,).

    Attributes:
        counts: points of each cloud.
    """

    def __init__(self, name: str, kind: str, decoder: Decoder) -> None:
        super().__init__(name, kind, decoder)
        self._layout: np.dtype | None = None
        self.counts = array("q")

    def see(self, message: Message) -> None:
        """Take note of a cloud: where it is, and how many points it has."""
        cloud = self.decoder.decode(message.data)
        layout, count = self._describe(cloud)
        if self._layout is None:
            self._layout, self._frame = layout, frame_of(cloud, self.decoder)
        elif layout != self._layout:
            raise Undecodable("its fields differ from those of the first cloud")
        self.counts.append(count)
        self._keep(message)
        self.count += 1
        self.stored += len(message.data)

    def _make_sources(self) -> list[Source]:
        """Return a stream of positions, and one of each further field."""
        names = self._layout.names or () if self._layout is not None else ()
        most = max(self.counts, default=0)
        if not most or not {"x", "y", "z"} <= set(names):
            self.problems.append(f"{self.name} ({self.type}): no stream, the clouds have no points with x, y and z")
            return []
        first = [name for name in ("x", "y", "z", "intensity") if name in names]
        dtype = np.result_type(*[self._layout[name].base for name in first]).name
        units = "m" if len(first) == 3 else None
        note = f"{self.type}; up to {most:,} points of {', '.join(names)}; {', '.join(first)} here"
        whole = Feature(dtype=dtype, shape=(most, len(first)), units=units and (units,), frame=self._frame)
        made = [self._source(self.name, whole, first, note)]
        for name in names:
            if name not in first and self._layout[name].shape == ():
                one = Feature(dtype=self._layout[name].name, shape=(most,), frame=self._frame)
                made.append(self._source(f"{self.name}.{name}", one, [name], self.type))
        return made

    def _source(self, key: str, feature: Feature, fields: list[str], note: str) -> Source:
        stream = Stream(
            feature=feature, count=len(self.times), align="nearest", ragged=True, note=note, stored_bytes=self.stored
        )
        return Source(key, stream, self, self.times, role="points", bulky=True, more={"fields": fields})

    def sample(self, source: Source, data: memoryview) -> NDArray:
        """Return the points of one message, as many as it has: (n, fields) or (n,)."""
        cloud = self.decoder.decode(data)
        layout, count = self._describe(cloud)
        if layout != self._layout or count > source.stream.feature.shape[0]:
            raise Undecodable("its fields differ from those of the first cloud")
        points = self._points(cloud, count)
        fields = source.more["fields"]
        dtype = source.stream.feature.dtype
        if len(source.stream.feature.shape) == 1:
            return points[fields[0]].astype(dtype)
        return np.stack([points[name].astype(dtype) for name in fields], axis=-1)

    def _describe(self, cloud: Any) -> tuple[np.dtype, int]:
        """Return the layout of a point and how many there are, checked against the data."""
        ros = self.type == TYPES[0]
        kinds = _ROS if ros else _FOXGLOVE
        step = cloud.point_step if ros else cloud.point_stride
        spec: dict[str, list[Any]] = {"names": [], "formats": [], "offsets": []}
        order = ">" if ros and cloud.is_bigendian else "<"
        for field in cloud.fields:
            kind = field.datatype if ros else field.type
            many = field.count if ros else 1
            if kind not in kinds or field.name in spec["names"] or not field.name or many == 0:
                continue
            base = np.dtype(order + kinds[kind])
            if field.offset + base.itemsize * many > step:
                raise Undecodable(f"its field {field.name!r} leaves the point")
            spec["names"].append(field.name)
            spec["formats"].append(base if many == 1 else (base, (many,)))
            spec["offsets"].append(field.offset)
        size = len(cloud.data)
        if not 0 < step <= LARGEST_SAMPLE:
            raise Undecodable(f"its points have {step} bytes")
        layout = np.dtype({**spec, "itemsize": step})
        if not ros:
            return layout, size // step
        # Of clouds with one row, drivers leave row_step unset.
        row = cloud.row_step if cloud.height > 1 else cloud.width * step
        if cloud.height * row > size or cloud.width * step > row:
            raise Undecodable(f"{cloud.height} x {cloud.width} points do not fit {size:,} bytes")
        return layout, cloud.height * cloud.width

    def _points(self, cloud: Any, count: int) -> NDArray:
        data = np.frombuffer(cloud.data, np.uint8)
        if self.type == TYPES[0] and cloud.height > 1:
            rows = data[: cloud.height * cloud.row_step].reshape(cloud.height, cloud.row_step)
            data = np.ascontiguousarray(rows[:, : cloud.width * cloud.point_step]).reshape(-1)
        return data[: count * self._layout.itemsize].view(self._layout)
