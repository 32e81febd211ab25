"""Recording: one or several containers of messages, indexed in one pass that keeps times and places, not messages."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from motorium.core.errors import DataError, first_line
from motorium.data.formats.bags.columns import Column, Columns
from motorium.data.formats.bags.decode import Decoder, find_decoder
from motorium.data.formats.bags.fields import FieldsTopic
from motorium.data.formats.bags.pictures import COMPRESSED, RAW, PicturesTopic
from motorium.data.formats.bags.points import TYPES as CLOUDS
from motorium.data.formats.bags.points import CloudsTopic
from motorium.data.formats.bags.source import BagFile, Channel, Message
from motorium.data.formats.bags.tf import TransformsTopic, is_transforms
from motorium.data.formats.bags.topic import Fill, Source, Topic, plain_type
from motorium.data.formats.bags.types import Undecodable
from motorium.data.formats.bags.video import TYPES as VIDEOS
from motorium.data.formats.bags.video import VideoTopic

# Places of one file are below 2**40; a recording's places carry the file's number above them.
FILE_BITS = 40

# Bytes of all definitions together.
MOST_DEFINITIONS = 8 * 1024**2
SHORTEST_DEFINITION = 16 * 1024

# Header stamps this far from the times of recording come from another clock (simulated time, a wrong date).
SAME_CLOCK_NS = 10 * 10**9

# What messages whose type is not what its name promises make of our own readers.
MISMATCH = (
    Undecodable, AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError, struct.error,
    RecursionError,
)  # fmt: skip


class Recording:
    """The containers of one segment, and what is in them.

    Attributes:
        files: in order.
        sources: streams by name, in the order in which their topics appear.
        problems: what is damaged or left out, in words.
        first_ns, last_ns: of the times of recording; 0 without messages.
        empty: topics without messages.
    """

    def __init__(self, files: Sequence[BagFile]) -> None:
        self.files = list(files)
        self.sources: dict[str, Source] = {}
        self.problems: list[str] = []
        self.first_ns = self.last_ns = self.count = 0
        self.empty: list[str] = []
        self._topics: dict[tuple[str, str], Topic] = {}
        self._broken: dict[tuple[str, str], tuple[str, int]] = {}
        self._definitions: set[tuple[str, bytes]] = set()
        self._weight = 0
        self._of: dict[tuple[int, int], tuple[str, str]] = {}
        self._index()

    def collect(self, keys: Collection[str], columns: Columns) -> dict[str, Column]:
        """Return the samples of streams that are not bulky, gathered in one pass.

        Raises:
            DataError: when a message cannot be decoded, or the files changed.
        """
        made: dict[str, Column] = {}
        fills: dict[tuple[str, str], Fill] = {}
        for key, topic in self._topics.items():
            mine = [one.key for one in topic.sources() if one.key in keys and not one.bulky]
            if mine:
                found, fills[key] = topic.collect(mine, columns)
                made.update(found)
        for number, file in enumerate(self.files):
            channels = {channel for (place, channel), key in self._of.items() if place == number and key in fills}
            for message in file.messages(channels) if channels else ():
                key = self._of[number, message.channel]
                try:
                    fills[key](message.data)
                except MISMATCH as error:
                    raise self._unreadable(key[0], file, message, error) from error
        for name, column in made.items():
            if column.filled != len(column.values):
                raise DataError("a recording changed while it was read", where=f"{self.files[0].path}, {name}")
        return made

    def read(self, places: Iterable[int]) -> Iterator[memoryview]:
        """Yield the data of messages at places of this recording, ascending."""
        number, waiting = -1, []
        for place in places:
            file, local = int(place) >> FILE_BITS, int(place) & ((1 << FILE_BITS) - 1)
            if file != number:
                yield from self.files[number].read(waiting) if waiting else ()
                number, waiting = file, []
            waiting.append(local)
        yield from self.files[number].read(waiting) if waiting else ()

    def _index(self) -> None:
        for number, file in enumerate(self.files):
            for message in file.scan():
                self._see(number, file, message)
            self.problems += [f"{file.path.name}: {problem}" for problem in file.problems]
        seen = self._topics.keys() | self._broken.keys()
        names = {self._key(channel)[0] for file in self.files for channel in file.channels.values()}
        self.empty = sorted(names - {name for name, _ in seen})
        for key, topic in self._topics.items():
            try:
                found = topic.sources()
            except MISMATCH as error:
                self._broken[key] = f"{first_line(error)}", topic.count
                continue
            for source in found:
                if source.key in self.sources:
                    source.key = f"{source.key} ({topic.name})"
                self.sources[source.key] = source
            self.problems += topic.problems
        for (name, kind), (reason, count) in self._broken.items():
            self.problems.append(f"{name} ({kind or 'no type'}, {count:,} messages) is left out: {reason}")
        self._topics = {key: topic for key, topic in self._topics.items() if key not in self._broken}
        self._choose_clocks()

    def _see(self, number: int, file: BagFile, message: Message) -> None:
        key = self._of.get((number, message.channel))
        if key is None:
            key = self._of[number, message.channel] = self._key(file.channels[message.channel])
        self.first_ns = min(self.first_ns, message.log_ns) if self.count else message.log_ns
        self.last_ns = max(self.last_ns, message.log_ns) if self.count else message.log_ns
        self.count += 1
        if key in self._broken:
            self._broken[key] = self._broken[key][0], self._broken[key][1] + 1
            return
        try:
            if key not in self._topics:
                channel = file.channels[message.channel]
                self._check_definition(channel)
                self._topics[key] = make_topic(key[0], channel, self._taken(key))
            self._topics[key].see(message._replace(place=message.place + (number << FILE_BITS)))
        except MISMATCH as error:
            topic = self._topics.pop(key, None)
            seen = topic.count if topic else 0
            reason = f"message {seen} cannot be read: {first_line(error)}" if topic else first_line(error)
            self._broken[key] = reason, seen + 1

    def _check_definition(self, channel: Channel) -> None:
        """Refuse more definitions than a robot has types: parsing them takes time."""
        one = channel.definition
        if (channel.type, one) not in self._definitions:
            self._definitions.add((channel.type, one))
            # IDL takes about twenty times as long as the others; a short one takes its time too: code is made of it.
            self._weight += max(len(one) * (16 if b"module " in one else 1), SHORTEST_DEFINITION)
        if self._weight > MOST_DEFINITIONS:
            raise Undecodable("the recording holds too many definitions")

    def _key(self, channel: Channel) -> tuple[str, str]:
        return channel.topic, plain_type(channel.type)

    def _taken(self, key: tuple[str, str]) -> bool:
        return any(name == key[0] for name, _ in self._topics)

    def _choose_clocks(self) -> None:
        """Offer stamps where they were set; put them first when they and the times of recording are one clock."""
        offsets = []
        for source in {id(one.times): one for one in self.sources.values()}.values():
            if source.times.stamped and len(source.times) > 1:
                offsets.append(float(np.median(source.times.header_ns() - source.times.log_ns())))
            elif source.times.zeros and len(source.times) > 1:
                unset, whole = source.times.zeros, len(source.times)
                self.problems.append(
                    f"{source.topic.name}: {unset:,} of {whole:,} header stamps are 0, so only log times are used"
                )
        only_log = any(not source.times.stamped for source in self.sources.values())
        apart = bool(offsets) and max(offsets) - min(offsets) > SAME_CLOCK_NS
        shifted = bool(offsets) and only_log and max(map(abs, offsets)) > SAME_CLOCK_NS
        if apart or shifted:
            worst = max(offsets, key=abs) / 1e9
            self.problems.append(
                f"header stamps and log times are different clocks (up to {worst:.3f} s apart): log times come first"
            )
        for source in self.sources.values():
            clocks = ("header", "log") if source.times.stamped else ("log",)
            source.stream = replace(source.stream, clocks=clocks[::-1] if apart or shifted else clocks)

    def _unreadable(self, topic: str, file: BagFile, message: Message, error: Exception) -> DataError:
        return DataError(
            "a message cannot be read",
            where=f"{file.path}, {topic}, logged at {message.log_ns} ns",
            got=first_line(error),
            remedy="leave the topic out of the mapping, or repair the recording",
        )


def make_topic(name: str, channel: Channel, taken: bool) -> Topic:
    """Return an empty topic of the kind that its messages are; `taken`: another has its name.

    Raises:
        Undecodable: when its type cannot be read.
    """
    decoder: Decoder = find_decoder(channel)
    # ROS carries Foxglove's types under a package of their own.
    kind = plain_type(channel.type).replace("foxglove_msgs/", "foxglove.")
    name = f"{name} ({kind})" if taken else name
    if kind in RAW or kind in COMPRESSED:
        return PicturesTopic(name, kind, decoder)
    if kind in VIDEOS:
        return VideoTopic(name, kind, decoder)
    if kind in CLOUDS:
        if channel.encoding == "json":
            raise Undecodable("point clouds in JSON are not read")
        return CloudsTopic(name, kind, decoder)
    if is_transforms(kind):
        return TransformsTopic(name, kind, decoder)
    return FieldsTopic(name, kind, decoder)
