"""What every container of messages (MCAP file, ROS 1 bag, ROS 2 database) gives, and compressed blocks of messages."""

from __future__ import annotations

import bisect
import bz2
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import lz4.frame
import zstandard

from motorium.core.errors import DataError, first_line
from motorium.data.bounds import LARGEST_SAMPLE, MIB, check_size

LATEST_NS = 2**63 - 1

# A file may not unfold to more than this: real recordings compress to a hundredth at best.
MOST_UNFOLDED = 4096


@dataclass(frozen=True)
class Channel:
    """One series of messages in a container.

    Attributes:
        number: in its container; places and messages refer to it.
        type: name of the messages' type (`sensor_msgs/msg/Imu`, `foxglove.CompressedImage`), or empty.
        encoding: `cdr`, `ros1`, `protobuf`, `json`, or another that is not read.
        definition: of the type; empty where the container has none.
        definition_encoding: `ros2msg`, `ros2idl`, `ros1msg`, `protobuf`, `jsonschema` or empty.
        metadata: whatever else the container says.
    """

    number: int
    topic: str
    type: str
    encoding: str
    definition: bytes = b""
    definition_encoding: str = ""
    metadata: dict[str, str] = field(default_factory=dict, hash=False, compare=False)


class Message(NamedTuple):
    """One message as it is stored; `data` is valid until the next one is asked for.

    `place` finds it again: ascending in the order of the container, below 2**40.
    """

    channel: int
    log_ns: int
    place: int
    data: memoryview


class BagFile(Protocol):
    """A container of messages; `scan` comes first and fills everything else.

    Attributes:
        path: the file.
        channels: by number.
        metadata: named records of words.
        problems: what is damaged or left out, in words.
        keep: what must live as long as the container, such as the temporary folder it lies in.
    """

    path: Path
    channels: dict[int, Channel]
    metadata: list[tuple[str, dict[str, str]]]
    problems: list[str]
    keep: object

    def scan(self) -> Iterator[Message]:
        """Yield every message in the container's order.

        Raises:
            DataError: when nothing can be read, or sizes are impossible.
        """

    def messages(self, channels: Collection[int]) -> Iterator[Message]:
        """Yield the messages of some channels again, in the same order; reads little else."""

    def read(self, places: Iterable[int]) -> Iterator[memoryview]:
        """Yield the data of messages at `places`; ascending places read each block once."""


@dataclass(slots=True)
class Block:
    """A part of a file that holds messages.

    Attributes:
        position, stored: where it is in the file, bytes.
        compression: as the container names it; empty: none.
        size: bytes when unfolded.
        start: of its first byte among all blocks' unfolded bytes.
        channels: whose messages it holds.
    """

    position: int
    stored: int
    compression: str
    size: int
    start: int
    channels: frozenset[int]


class BlockFile:
    """Base of containers made of blocks; a subclass parses the file and the blocks' records.

    Attributes:
        size: bytes of the file.
        count: messages found by `scan` so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.channels: dict[int, Channel] = {}
        self.metadata: list[tuple[str, dict[str, str]]] = []
        self.problems: list[str] = []
        self.keep: object = None
        self._blocks: list[Block] = []
        self._kinds: dict[frozenset[int], frozenset[int]] = {}
        self._unfolded = 0
        self.count = 0
        self._state = file_state(path)
        self.size = self._state[0]

    def parse(self, block: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
        """Yield (channel, log time in ns, offset of the record, data) of each message in an unfolded block."""
        raise NotImplementedError

    def message_at(self, block: memoryview, offset: int) -> memoryview:
        """Return the data of the message whose record is at `offset`."""
        raise NotImplementedError

    def messages(self, channels: Collection[int]) -> Iterator[Message]:
        """Yield the messages of some channels again, in the same order."""
        wanted = frozenset(channels)
        with self._reopened() as file:
            for block in self._blocks:
                if wanted & block.channels:
                    data = self._load(file, block)
                    for channel, log_ns, offset, message in self.parse(data):
                        if channel in wanted:
                            yield Message(channel, log_ns, block.start + offset, message)

    def read(self, places: Iterable[int]) -> Iterator[memoryview]:
        """Yield the data of messages at `places`."""
        starts = [block.start for block in self._blocks]
        loaded, data = -1, memoryview(b"")
        with self._reopened() as file:
            for place in places:
                number = bisect.bisect_right(starts, place) - 1
                if number != loaded:
                    loaded, data = number, self._load(file, self._blocks[number])
                yield self.message_at(data, place - self._blocks[number].start)

    def _keep(self, position: int, stored: int, compression: str, data: memoryview) -> Iterator[Message]:
        """Add a block that was just unfolded, and yield its messages.

        Raises:
            Damaged: before the first message, when any of its records cannot be parsed.
        """
        parsed = list(self.parse(data))
        start = self._unfolded
        self._unfolded += len(data)
        self.count += len(parsed)
        kinds = frozenset(channel for channel, _, _, _ in parsed)
        if kinds:
            # Few different sets occur, so that each is kept once.
            kinds = self._kinds.setdefault(kinds, kinds)
            self._blocks.append(Block(position, stored, compression, len(data), start, kinds))
        for channel, log_ns, offset, message in parsed:
            yield Message(channel, log_ns, start + offset, message)

    def _load(self, file: BinaryIO, block: Block) -> memoryview:
        file.seek(block.position)
        try:
            return unfold(file.read(block.stored), block.compression, block.size)
        except Damaged as error:
            where = f"{self.path}, byte {block.position}"
            raise DataError("a block of messages is damaged", where=where, got=error) from error

    def _reopened(self) -> BinaryIO:
        if file_state(self.path) != self._state:
            raise DataError(
                "a recording changed while it was read", where=self.path, remedy="try again when it is whole"
            )
        return open_binary(self.path)

    def _check_budget(self, declared: int, position: int) -> int:
        """Check the declared size of an unfolded block, before it is unfolded."""
        where = f"{self.path}, byte {position}"
        check_size("a block of messages", declared, LARGEST_SAMPLE, where)
        check_size("the unfolded recording", self._unfolded + declared, self.size * MOST_UNFOLDED + 64 * MIB, where)
        return declared


def file_state(path: Path) -> tuple[int, int]:
    """Return (size, time of the last change in ns) of a file.

    Raises:
        DataError: when it is absent.
    """
    try:
        stat = os.stat(path)
    except OSError as error:
        raise DataError("a recording cannot be read", where=path, got=error.strerror or error) from error
    return stat.st_size, stat.st_mtime_ns


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        DataError: when that is not possible.
    """
    try:
        return open(path, "rb")
    except OSError as error:
        raise DataError("a recording cannot be read", where=path, got=error.strerror or error) from error


class Damaged(Exception):
    """A block or record is not what it says it is; caught where the file is scanned."""


def unfold(stored: bytes | memoryview, compression: str, size: int) -> memoryview:
    """Return `size` bytes unfolded from `stored`, never more than that.

    Raises:
        Damaged: when they are more or fewer, or the compression is not known.
    """
    try:
        match compression:
            case "" | "none":
                data = stored
            case "zstd":
                # The stream reader unfolds as much as is asked for, whatever the frame's header claims.
                data = zstandard.ZstdDecompressor(max_window_size=2**30).stream_reader(stored).read(size + 1)
            case "lz4":
                data = lz4.frame.LZ4FrameDecompressor().decompress(stored, max_length=size + 1)
            case "bz2":
                data = bz2.BZ2Decompressor().decompress(stored, max_length=size + 1)
            case _:
                raise Damaged(f"compression {compression!r} is not known")
    except (zstandard.ZstdError, RuntimeError, OSError, EOFError, ValueError, MemoryError) as error:
        raise Damaged(first_line(error)) from error
    if len(data) != size:
        raise Damaged(f"{len(data):,} bytes instead of {size:,}" if len(data) < size else f"more than {size:,} bytes")
    return memoryview(data)
