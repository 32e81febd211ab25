"""Field streams: every group of numbers, and every text, in a topic's messages.

A topic may carry several series: joint states of an arm and of its gripper on one topic, transforms between many
frames. Messages are split into series; each has its own times and streams.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motorium.core.features import Feature
from motorium.data.formats.bags.columns import Column, Columns
from motorium.data.formats.bags.decode import Decoder, leaf_reader
from motorium.data.formats.bags.source import Message
from motorium.data.formats.bags.topic import Fill, Source, Times, Topic, frame_of
from motorium.data.formats.bags.types import Array, Leaf, Scalar, Struct, Undecodable, leaves
from motorium.data.formats.bags.units import is_orientation, units_of
from motorium.data.log import Stream

# Sets of joint names on one topic, or pairs of frames: more than this is no robot.
MOST_SERIES = 1024


class Part(NamedTuple):
    """What one message says about one series: `order` puts its elements into the series' own order."""

    key: Any
    value: Any
    stamp_ns: int | None
    order: list[int] | None = None


class Field:
    """One leaf in one series, while its messages pass by."""

    def __init__(self, decoder: Decoder, leaf: Leaf) -> None:
        self.leaf = leaf
        self._read = leaf_reader(decoder, leaf)
        self.shape: tuple[int, ...] | None = None
        self.fault = ""

    def read(self, value: Any) -> NDArray | str | None:
        """Return the leaf of a message; a list with one entry (a trajectory of one point) is that entry."""
        found = self._read(value)
        return found[0] if isinstance(found, np.ndarray) and found.ndim > 1 and len(found) == 1 else found

    def look(self, value: Any, sample: int) -> None:
        """Check that the leaf keeps its shape."""
        try:
            found = self.read(value)
        except Undecodable as error:
            self.fault = f"sample {sample}: {error}"
            return
        if found is None:
            return
        shape = (1,) if isinstance(found, str) else found.shape
        if self.shape is None:
            self.shape = shape
        elif shape != self.shape:
            self.fault = f"its length varies ({_lengths(self.shape)}, and {_lengths(shape)} in sample {sample})"


class Series:
    """Messages, or parts of messages, that belong together."""

    def __init__(self, decoder: Decoder, found: list[Leaf], names: tuple[str, ...]) -> None:
        self.times = Times()
        self.names = names
        self.frames: tuple[str | None, str | None] = (None, None)
        self.fields = [Field(decoder, leaf) for leaf in found]
        # Fields whose shape the type settles are looked at until they have one, the others each time.
        self._always = [field for field in self.fields if field.leaf.varying or not decoder.typed]
        self._until = [field for field in self.fields if field not in self._always]

    def look(self, value: Any, log_ns: int, stamp_ns: int | None) -> None:
        """Take note of a sample."""
        sample = len(self.times)
        for field in self._always:
            if not field.fault:
                field.look(value, sample)
        if self._until:
            for field in self._until:
                field.look(value, sample)
            self._until = [field for field in self._until if field.shape is None and not field.fault]
        self.times.add(log_ns, stamp_ns)


class FieldsTopic(Topic):
    """A topic whose messages hold numbers and texts."""

    def __init__(self, name: str, kind: str, decoder: Decoder) -> None:
        super().__init__(name, kind, decoder)
        self.series: dict[Any, Series] = {}
        self._size: int | None = None
        self._names = _names_field(decoder.root)

    def parts(self, message: Any, stamp_ns: int | None) -> Iterator[Part]:
        """Yield what a message says about each series."""
        if self._names is None:
            yield Part("", message, stamp_ns)
            return
        names = tuple(self.decoder.getter(self._names)(message) or ())
        if len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
            yield Part(names, message, stamp_ns)
            return
        key = tuple(sorted(names))
        known = self.series[key].names if key in self.series else names
        yield Part(key, message, stamp_ns, None if known == names else [names.index(name) for name in known])

    def see(self, message: Message) -> None:
        """Take note of a message; those of one fixed layout are decoded once."""
        log_ns, data = message.log_ns, message.data
        if self.decoder.fixed and "" in self.series:
            if self._size is not None and len(data) != self._size:
                raise Undecodable(f"it has {len(data)} bytes instead of {self._size}")
            self.series[""].times.add(log_ns, self.decoder.stamp(data))
        else:
            decoded = self.decoder.decode(data)
            for part in self.parts(decoded, self.decoder.stamp(data)):
                self._find(part, decoded).look(part.value, log_ns, part.stamp_ns)
            if self.decoder.fixed and not _has_text(self.decoder.root):
                self._size = len(data)
        self.count += 1
        self.stored += len(data)

    def _make_sources(self) -> Iterator[Source]:
        """Yield a stream for each field of each series that kept its shape."""
        _, left_out = self.found_leaves()
        for number, (key, series) in enumerate(self.series.items()):
            prefix = self.prefix(key, number)
            for field in series.fields:
                if field.fault or field.shape is None or 0 in field.shape:
                    left_out.append(
                        f"{field.leaf.name or 'the message'} ({field.fault or 'always empty'}){_of(prefix, self.name)}"
                    )
                    continue
                yield self._source(prefix, key, series, field)
        if left_out:
            self.problems.append(f"{self.name} ({self.type}): no stream for {'; '.join(left_out[:20])}")

    def collect(self, keys: Collection[str], columns: Columns) -> tuple[dict[str, Column], Fill]:
        """Return columns for some streams, and what fills them from each message in turn."""
        made: dict[str, Column] = {}
        wanted: dict[Any, list[tuple[Field, Column]]] = {}
        for source in self.sources():
            if source.key in keys:
                field, key, series = source.more["field"], source.more["series"], self.series[source.more["series"]]
                made[source.key] = columns.make(len(series.times), field.shape, source.stream.feature.dtype)
                wanted.setdefault(key, []).append((field, made[source.key]))

        def fill(data: memoryview) -> None:
            """Decode a message and put its samples into the columns."""
            decoded = self.decoder.decode(data)
            for part in self.parts(decoded, None):
                for field, column in wanted.get(part.key, ()):
                    value = None if self.is_invalid(field.leaf, part.value) else field.read(part.value)
                    if part.order is not None and value is not None and field.leaf.array:
                        value = value[..., part.order] if value.shape[-1] == len(part.order) else value
                    if value is not None and not isinstance(value, str) and value.shape != field.shape:
                        raise Undecodable(f"'{field.leaf.name}' has shape {value.shape} instead of {field.shape}")
                    column.add(value)

        return made, fill

    def found_leaves(self) -> tuple[list[Leaf], list[str]]:
        """Return the leaves of the series' type, and in words what of it can be none."""
        found, left_out = leaves(self.decoder.root)
        # The stamp is a clock, and the frame is said in the feature.
        told = (self.decoder.clock, ("frame_id",), ("header", "frame_id"))
        return [leaf for leaf in found if leaf.path not in told], left_out

    def prefix(self, key: Any, number: int) -> str:
        """Return what the names of a series' streams begin with."""
        return self.name if len(self.series) == 1 else f"{self.name}#{number + 1}"

    def is_invalid(self, leaf: Leaf, message: Any) -> bool:
        """Whether a message itself says that a leaf is not known.

        Source: sensor_msgs/Imu.msg (a covariance begins with -1 without an estimate); NavSatStatus.msg (-1: no fix).
        """
        if self.type == "sensor_msgs/Imu" and leaf.members:
            covariance = getattr(message, f"{leaf.path[0]}_covariance", None)
            return covariance is not None and covariance[0] == -1
        if self.type == "sensor_msgs/NavSatFix" and leaf.name in ("latitude", "longitude", "altitude"):
            return getattr(getattr(message, "status", None), "status", 0) < 0
        return False

    def _find(self, part: Part, message: Any) -> Series:
        if part.key not in self.series:
            if len(self.series) == MOST_SERIES:
                raise Undecodable(f"the topic carries more than {MOST_SERIES} series")
            found, _ = self.found_leaves()
            names = tuple(self.decoder.getter(self._names)(message) or ()) if self._names else ()
            series = self.series[part.key] = Series(self.decoder, found, names)
            series.frames = self.frames(message, part)
        return self.series[part.key]

    def frames(self, message: Any, part: Part) -> tuple[str | None, str | None]:
        """Return the frame of a series, and that of the moving body, as its first message names them."""
        child = self.decoder.root.fields.get("child_frame_id")
        moving = self.decoder.getter("child_frame_id")(message) if child == Scalar("string") else None
        return frame_of(message, self.decoder), moving or None

    def _source(self, prefix: str, key: Any, series: Series, field: Field) -> Source:
        leaf, shape = field.leaf, field.shape
        name = f"{prefix}.{leaf.name}" if leaf.name else prefix
        dtype = {"time": "int64"}.get(leaf.dtype, leaf.dtype)
        names = self._element_names(leaf, shape, series, prefix)
        frame, child = series.frames
        units = units_of(leaf, shape[-1])
        feature = Feature(
            dtype=dtype,
            shape=shape,
            names=names,
            units=units * len(names) if units and names and len(units) == 1 else units,
            frame=child if child and leaf.path[:1] == ("twist",) else frame,
        )
        # Arrays without names (ranges, covariances) hold marks such as infinity: nothing lies between their samples.
        known = bool(leaf.members or series.names) or (units is not None and not leaf.array)
        smooth = known and dtype.startswith("float")
        align = "slerp" if is_orientation(leaf) else "linear" if smooth and len(shape) == 1 else "nearest"
        stream = Stream(feature=feature, count=len(series.times), align=align, note=self.type)
        more = {"field": field, "series": key, "leaf": leaf}
        return Source(name, stream, self, series.times, role=leaf.name, more=more)

    def _element_names(self, leaf: Leaf, shape: tuple[int, ...], series: Series, prefix: str) -> tuple[str, ...] | None:
        if len(shape) != 1 or leaf.dtype == "string":
            return None
        if leaf.array and series.names and shape[0] == len(series.names):
            plain = leaf.path[-1] in ("position", "positions")
            return series.names if plain else tuple(f"{name}.{leaf.path[-1]}" for name in series.names)
        base = f"{prefix}.{leaf.name}".strip("/.").replace("/", ".")
        if leaf.members:
            return tuple(f"{base}.{member}" for member in leaf.members)
        return (base,) if shape == (1,) else None


def _names_field(root: Struct) -> str | None:
    """Return the field that names the elements of the others, as in JointState and JointTrajectory."""
    for name in ("joint_names", "name"):
        node = root.fields.get(name)
        if (
            isinstance(node, Array)
            and node.element == Scalar("string")
            and (name != "name" or "position" in root.fields)
        ):
            return name
    return None


def _has_text(node: Any) -> bool:
    match node:
        case Struct():
            return any(_has_text(inner) for inner in node.fields.values())
        case Array(element, _):
            return _has_text(element)
    return node == Scalar("string")


def _lengths(shape: tuple[int, ...]) -> str:
    return "x".join(str(length) for length in shape)


def _of(prefix: str, name: str) -> str:
    return "" if prefix == name else f" of {prefix}"
