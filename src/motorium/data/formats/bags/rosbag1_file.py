"""The ROS 1 bag container (version 2.0), read from front to back: bags that were never closed or indexed read as well.

Source: ROS bag format 2.0, https://wiki.ros.org/Bags/Format/2.0 (records, header fields, opcodes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from motorium.core.errors import DataError
from motorium.data.bounds import LARGEST_SAMPLE, check_size
from motorium.data.formats.bags.source import BlockFile, Channel, Damaged, Message, open_binary, unfold

MAGIC = b"#ROSBAG V2.0\n"

MESSAGE, BAG, INDEX, CHUNK, CHUNK_INFO, CONNECTION = 2, 3, 4, 5, 6, 7

# Headers hold a handful of short fields; a message definition may be long.
LARGEST_HEADER = 1024**2

_U32 = struct.Struct("<I")
_TIME = struct.Struct("<II")


class Rosbag1File(BlockFile):
    """One ROS 1 bag; see `source.BagFile`."""

    def scan(self) -> Iterator[Message]:
        """Yield every message in the file's order; what is damaged is left out and said in `problems`."""
        with open_binary(self.path) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise DataError("this is no ROS 1 bag", where=self.path, expected="#ROSBAG V2.0")
            yield from self._records(file)

    def parse(self, block: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
        """Yield (connection, log time, offset, data) of the messages in a chunk's records."""
        offset = 0
        while offset < len(block):
            fields, body, after = _record(block, offset)
            match _opcode(fields):
                case 2:
                    channel = _number(fields, b"conn")
                    if channel not in self.channels:
                        raise Damaged(f"a message of connection {channel}, which is not described")
                    sec, nsec = _TIME.unpack(_field(fields, b"time", 8))
                    yield channel, sec * 10**9 + nsec, offset, body
                case 7:
                    self._connect(fields, body)
            offset = after

    def message_at(self, block: memoryview, offset: int) -> memoryview:
        """Return the data of the message whose record is at `offset`."""
        return _record(block, offset)[1]

    def _records(self, file: BinaryIO) -> Iterator[Message]:
        position = len(MAGIC)
        closed = True
        while position < self.size:
            try:
                fields, body, length = self._head(file, position)
                opcode = _opcode(fields)
                if opcode == BAG:
                    # The writer comes back to fill in where the index begins; 0: it never did.
                    closed = struct.unpack("<Q", _field(fields, b"index_pos", 8))[0] != 0
                elif opcode == CONNECTION:
                    self._connect(fields, memoryview(file.read(length)))
                elif opcode == MESSAGE:
                    raise Damaged("a message outside a chunk")
            except Damaged as error:
                self.problems.append(
                    f"the file ends or is damaged at byte {position:,} of {self.size:,} ({error}): the"
                    f" {self.count:,} messages before it are read, what follows is missing"
                )
                return
            if opcode == CHUNK:
                yield from self._chunk(file, fields, body, length)
            position = body + length
        if not closed:
            self.problems.append(
                f"the bag was not closed and has no index: the {self.count:,} messages in it are read, later ones are"
                " missing"
            )

    def _head(self, file: BinaryIO, position: int) -> tuple[Mapping[bytes, bytes], int, int]:
        """Return a record's header fields, and where its data is."""
        file.seek(position)
        room = self.size - position
        length = _read_u32(file)
        if length > min(room - 8, LARGEST_HEADER):
            raise Damaged(f"a header of {length:,} bytes")
        fields = _fields(memoryview(file.read(length)))
        data = _read_u32(file)
        if data > room - 8 - length:
            raise Damaged(f"a record of {data:,} bytes")
        return fields, position + 8 + length, data

    def _chunk(self, file: BinaryIO, fields: Mapping[bytes, bytes], position: int, length: int) -> Iterator[Message]:
        check_size("a chunk", length, LARGEST_SAMPLE, f"{self.path}, byte {position}")
        try:
            compression = _field(fields, b"compression").decode("ascii", "replace")
            size = self._check_budget(_number(fields, b"size"), position)
            yield from self._keep(position, length, compression, unfold(file.read(length), compression, size))
        except Damaged as error:
            self.problems.append(f"the chunk at byte {position:,} is damaged and left out: {error}")

    def _connect(self, fields: Mapping[bytes, bytes], body: memoryview) -> None:
        number = _number(fields, b"conn")
        if number in self.channels:
            return
        more = _fields(body)
        self.channels[number] = Channel(
            number,
            _words(_field(fields, b"topic")),
            _words(_field(more, b"type")),
            "ros1",
            more.get(b"message_definition", b""),
            "ros1msg",
            {
                name.decode("ascii", "replace"): _words(more[name])
                for name in (b"callerid", b"latching")
                if name in more
            },
        )


def _read_u32(file: BinaryIO) -> int:
    data = file.read(4)
    if len(data) < 4:
        raise Damaged("it ends in a record")
    return _U32.unpack(data)[0]


def _record(block: memoryview, offset: int) -> tuple[Mapping[bytes, bytes], memoryview, int]:
    """Return the header fields and data of the record at `offset`, and where the next one is."""
    try:
        (length,) = _U32.unpack_from(block, offset)
        head = offset + 4
        (data,) = _U32.unpack_from(block, head + length)
    except struct.error:
        raise Damaged("a record leaves its chunk") from None
    body = head + length + 4
    if body + data > len(block):
        raise Damaged("a record leaves its chunk")
    return _fields(block[head : head + length]), block[body : body + data], body + data


def _fields(header: memoryview) -> Mapping[bytes, bytes]:
    fields, offset, end = {}, 0, len(header)
    while offset < end:
        if end - offset < 4:
            raise Damaged("a header field is cut off")
        (length,) = _U32.unpack_from(header, offset)
        offset += 4
        name, separator, value = bytes(header[offset : offset + length]).partition(b"=")
        if length > end - offset or not separator:
            raise Damaged("a header field is cut off")
        fields[name] = value
        offset += length
    return fields


def _field(fields: Mapping[bytes, bytes], name: bytes, size: int | None = None) -> bytes:
    value = fields.get(name)
    if value is None or (size is not None and len(value) != size):
        raise Damaged(f"the header has no valid '{name.decode()}'")
    return value


def _number(fields: Mapping[bytes, bytes], name: bytes) -> int:
    return _U32.unpack(_field(fields, name, 4))[0]


def _opcode(fields: Mapping[bytes, bytes]) -> int:
    return _field(fields, b"op", 1)[0]


def _words(value: bytes) -> str:
    return value.decode("utf-8", "replace")
