"""Topics: what one pass over a recording finds out about each, and the streams that come of it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.data.formats.bags.columns import Column, Columns
from motorium.data.formats.bags.decode import Decoder
from motorium.data.formats.bags.source import Message
from motorium.data.formats.bags.types import HEADERS, Scalar, Struct
from motorium.data.log import Stream

# Takes one message after the other and puts its samples into columns.
Fill = Callable[[memoryview], None]


class Times:
    """When the messages of a stream were recorded and stamped; 16 bytes a message."""

    def __init__(self) -> None:
        self._log = array("q")
        self._header = array("q")
        self.zeros = 0

    def __len__(self) -> int:
        return len(self._log)

    def add(self, log_ns: int, stamp_ns: int | None) -> None:
        """Append the times of a message; `stamp_ns` None: its type has no stamp, 0: it was not set."""
        self._log.append(log_ns)
        if stamp_ns is not None:
            self._header.append(stamp_ns)
            self.zeros += stamp_ns == 0

    @property
    def stamped(self) -> bool:
        """Whether every message has a stamp that was set."""
        return len(self._header) == len(self._log) > 0 and not self.zeros

    def log_ns(self) -> NDArray[np.int64]:
        """Return the times of recording: (n,) int64 ns."""
        return np.array(self._log, np.int64)

    def header_ns(self) -> NDArray[np.int64]:
        """Return the stamps: (n,) int64 ns."""
        return np.array(self._header, np.int64)


@dataclass(eq=False)
class Source:
    """A stream and where its samples come from.

    Attributes:
        key: name of the stream.
        stream: as the segment shows it.
        topic: whose messages hold it.
        times: of its samples.
        role: what it is within its topic (`pose.pose.position`), for suggesting what it may become.
        bulky: pictures and clouds: read message by message when asked for, never gathered.
    """

    key: str
    stream: Stream
    topic: Topic
    times: Times
    role: str = ""
    bulky: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def retarget(self, **changes: Any) -> None:
        """Change what the stream suggests."""
        self.stream = replace(self.stream, **changes)


class Topic:
    """Base of what is known of one topic.

    Attributes:
        name: of the topic; streams are named after it.
        type: of its messages, without `/msg`.
        decoder: of its messages.
        count: messages so far.
        stored: bytes of their data.
        problems: in words.
    """

    def __init__(self, name: str, kind: str, decoder: Decoder) -> None:
        self.name, self.type, self.decoder = name, plain_type(kind), decoder
        self.count = self.stored = 0
        self.problems: list[str] = []
        self._sources: list[Source] | None = None

    def see(self, message: Message) -> None:
        """Take note of a message.

        Raises:
            Undecodable: when it is not what its type says.
        """
        raise NotImplementedError

    def sources(self) -> list[Source]:
        """Return the streams, once all messages were seen."""
        if self._sources is None:
            self._sources = list(self._make_sources())
        return self._sources

    def _make_sources(self) -> Iterable[Source]:
        raise NotImplementedError

    def collect(self, keys: Collection[str], columns: Columns) -> tuple[dict[str, Column], Fill]:
        """Return columns for some streams, and what fills them from each message in turn."""
        raise NotImplementedError

    def sample(self, source: Source, data: memoryview) -> Any:
        """Return the sample of a bulky stream that a message holds.

        Raises:
            Undecodable: when it is not what it was.
        """
        raise NotImplementedError


class BulkyTopic(Topic):
    """Base of topics of pictures and clouds, whose samples are read one by one.

    Attributes:
        times: of the samples.
        places: where the message of each is.
    """

    def __init__(self, name: str, kind: str, decoder: Decoder) -> None:
        super().__init__(name, kind, decoder)
        self.times, self.places = Times(), array("q")
        self._frame: str | None = None

    def _keep(self, message: Message) -> None:
        """Take a message as the next sample."""
        self.times.add(message.log_ns, self.decoder.stamp(message.data))
        self.places.append(message.place)


def plain_type(kind: str) -> str:
    """Return a type's name as ROS 1 writes it: `sensor_msgs/Imu`."""
    return kind.replace("/msg/", "/").replace("::", "/")


def frame_of(message: Any, decoder: Decoder) -> str | None:
    """Return the frame that a message's header, or Foxglove's `frame_id`, names."""
    fields = decoder.root.fields
    header = fields.get("header")
    if isinstance(header, Struct) and (header.name in HEADERS or header.fields.get("frame_id") == Scalar("string")):
        inner = decoder.getter("header")(message)
        frame = None if inner is None else decoder.getter("frame_id")(inner)
    elif fields.get("frame_id") == Scalar("string"):
        frame = decoder.getter("frame_id")(message)
    else:
        frame = None
    return frame if isinstance(frame, str) and frame else None
