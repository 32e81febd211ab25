"""The MCAP container, read from front to back: no index is needed, so an interrupted recording reads as far as it goes.

Source: MCAP format specification, https://mcap.dev/spec (records, opcodes and field layouts).
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from motorium.core.errors import DataError
from motorium.data.bounds import LARGEST_METADATA, LARGEST_SAMPLE, MIB, check_size
from motorium.data.formats.bags.source import (
    LATEST_NS,
    BlockFile,
    Channel,
    Damaged,
    Message,
    open_binary,
    unfold,
)

MAGIC = b"\x89MCAP0\r\n"

HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, METADATA, DATA_END = 1, 2, 3, 4, 5, 6, 12, 15
ATTACHMENT = 9

# Messages outside chunks are read in runs of about this many bytes.
RUN = 4 * MIB
LARGEST_SUMMARY = 64 * MIB

_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<BQHIQQ")
_FOOTER = struct.Struct("<BQQQI")
_CHUNK = struct.Struct("<QQQI")


class McapFile(BlockFile):
    """One MCAP file; see `source.BagFile`.

    Attributes:
        library: what wrote it.
        profile: `ros1`, `ros2` or empty.
        attachments: (name, media type, position, size) of files that were put into it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.library = self.profile = ""
        self.attachments: list[tuple[str, str, int, int]] = []
        self._schemas: dict[int, tuple[str, str, bytes]] = {}
        self._run: list[int] = []
        self._strange: set[int] = set()

    def scan(self) -> Iterator[Message]:
        """Yield every message in the file's order; what is damaged is left out and said in `problems`."""
        with open_binary(self.path) as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise DataError("this is no MCAP file", where=self.path, expected="the magic bytes 89 4D 43 41 50 30")
            self._read_summary(file)
            yield from self._records(file)
        if self._strange:
            numbers = ", ".join(map(str, sorted(self._strange)[:20]))
            self.problems.append(f"messages of channels {numbers} are left out: nothing describes these channels")

    def parse(self, block: memoryview) -> Iterator[tuple[int, int, int, memoryview]]:
        """Yield (channel, log time, offset, data) of the messages in a chunk's records."""
        offset, end = 0, len(block)
        while end - offset >= _RECORD.size:
            opcode, length = _RECORD.unpack_from(block, offset)
            after = offset + _RECORD.size + length
            if after > end:
                raise Damaged(f"a record of {length:,} bytes leaves its chunk")
            if opcode == MESSAGE:
                if length < 22:
                    raise Damaged(f"a message of {length} bytes")
                _, _, channel, _, log_ns, _ = _MESSAGE.unpack_from(block, offset)
                if channel not in self.channels:
                    self._strange.add(channel)
                    offset = after
                    continue
                if log_ns > LATEST_NS:
                    raise Damaged(f"a message logged at {log_ns} ns")
                yield channel, log_ns, offset, block[offset + _MESSAGE.size : after]
            elif opcode in (SCHEMA, CHANNEL):
                self._describe(opcode, block[offset + _RECORD.size : after])
            offset = after

    def message_at(self, block: memoryview, offset: int) -> memoryview:
        """Return the data of the message whose record is at `offset`."""
        _, length = _RECORD.unpack_from(block, offset)
        return block[offset + _MESSAGE.size : offset + _RECORD.size + length]

    def attached(self) -> tuple[dict[str, Callable[[], bytes]], list[str]]:
        """Return what reads each attached file, by its name; and in words which cannot be kept."""
        found: dict[str, Callable[[], bytes]] = {}
        left_out = []
        for name, media, position, size in self.attachments:
            if name in found or size > LARGEST_METADATA:
                why = "a second of that name" if name in found else "too large"
                left_out.append(f"the attachment {name!r} ({media}, {size:,} bytes) is left out: {why}")
                continue
            found[name] = functools.partial(self._attachment, position, size)
        return found, left_out

    def _attachment(self, position: int, size: int) -> bytes:
        with self._reopened() as file:
            file.seek(position)
            return file.read(size)

    def _read_summary(self, file: BinaryIO) -> None:
        """Take what the end of the file repeats of schemas and channels: the chunks that hold them may be damaged."""
        file.seek(max(self.size - _FOOTER.size - len(MAGIC), 0))
        tail = file.read(_FOOTER.size + len(MAGIC))
        if len(tail) == _FOOTER.size + len(MAGIC) and tail.endswith(MAGIC):
            opcode, length, start, _, _ = _FOOTER.unpack_from(tail)
            end = self.size - len(tail)
            if (opcode, length) == (FOOTER, _FOOTER.size - _RECORD.size) and 0 < start < end:
                file.seek(start)
                try:
                    for _ in self.parse(memoryview(file.read(min(end - start, LARGEST_SUMMARY)))):
                        pass
                except Damaged:
                    # What is missing here is found where it belongs.
                    pass
        file.seek(len(MAGIC))

    def _records(self, file: BinaryIO) -> Iterator[Message]:
        position = len(MAGIC)
        whole = False
        while True:
            head = file.read(_RECORD.size)
            if len(head) < _RECORD.size:
                break
            opcode, length = _RECORD.unpack(head)
            body = position + _RECORD.size
            if length > self.size - body:
                break
            after = body + length
            if opcode == MESSAGE:
                yield from self._extend_run(file, position, after)
            else:
                yield from self._end_run(file)
                file.seek(body)
                if opcode == CHUNK:
                    yield from self._chunk(file, body, length)
                elif opcode in (DATA_END, FOOTER):
                    whole = True
                    break
                else:
                    self._other(file, opcode, body, length)
            position = after
            file.seek(after)
        yield from self._end_run(file)
        if not whole:
            self.problems.append(
                f"the end of the file is missing (it was cut off or not closed): the {self.count:,} messages before"
                f" byte {position:,} of {self.size:,} are read"
            )

    def _extend_run(self, file: BinaryIO, position: int, after: int) -> Iterator[Message]:
        """Put a message that stands outside chunks to those before it."""
        if self._run and after - self._run[0] > RUN:
            yield from self._end_run(file)
        self._run = [self._run[0] if self._run else position, after]

    def _end_run(self, file: BinaryIO) -> Iterator[Message]:
        if self._run:
            start, stop = self._run
            self._run = []
            self._check_budget(stop - start, start)
            file.seek(start)
            try:
                yield from self._keep(start, stop - start, "", memoryview(file.read(stop - start)))
            except Damaged as error:
                self.problems.append(f"the messages at byte {start:,} are damaged and left out: {error}")

    def _chunk(self, file: BinaryIO, position: int, length: int) -> Iterator[Message]:
        check_size("a chunk", length, LARGEST_SAMPLE, f"{self.path}, byte {position}")
        try:
            body = file.read(length)
            if length < _CHUNK.size + 4:
                raise Damaged("it is too short")
            _, _, size, crc = _CHUNK.unpack_from(body)
            compression, offset = _text(body, _CHUNK.size)
            (stored,) = _unpack("<Q", body, offset)
            offset += 8
            if stored != len(body) - offset:
                raise Damaged(f"{len(body) - offset:,} bytes where it declares {stored:,}")
        except Damaged as error:
            self.problems.append(f"the chunk at byte {position:,} is damaged and left out: {error}")
            return
        self._check_budget(size, position)
        try:
            data = unfold(body[offset:], compression, size)
            if crc and zlib.crc32(data) != crc:
                raise Damaged("its checksum is wrong")
            yield from self._keep(position + offset, stored, compression, data)
        except Damaged as error:
            self.problems.append(f"the chunk at byte {position:,} is damaged and left out: {error}")

    def _other(self, file: BinaryIO, opcode: int, position: int, length: int) -> None:
        try:
            if opcode in (SCHEMA, CHANNEL, HEADER, METADATA):
                check_size("a record", length, LARGEST_METADATA, f"{self.path}, byte {position}")
                self._describe(opcode, memoryview(file.read(length)))
            elif opcode == ATTACHMENT:
                head = memoryview(file.read(min(length, 64 * 1024)))
                name, offset = _text(head, 16)
                media, offset = _text(head, offset)
                (size,) = _unpack("<Q", head, offset)
                if size <= length - offset - 8:
                    self.attachments.append((name, media, position + offset + 8, size))
        except Damaged as error:
            self.problems.append(f"a record at byte {position:,} is damaged and left out: {error}")

    def _describe(self, opcode: int, body: memoryview) -> None:
        if opcode == HEADER:
            self.profile, offset = _text(body, 0)
            self.library, _ = _text(body, offset)
        elif opcode == METADATA:
            name, offset = _text(body, 0)
            self.metadata.append((name, _words(body, offset)[0]))
        elif opcode == SCHEMA:
            (number,) = _unpack("<H", body, 0)
            name, offset = _text(body, 2)
            encoding, offset = _text(body, offset)
            (length,) = _unpack("<I", body, offset)
            if length > len(body) - offset - 4:
                raise Damaged("a schema leaves its record")
            self._schemas.setdefault(number, (name, encoding, bytes(body[offset + 4 : offset + 4 + length])))
        elif opcode == CHANNEL:
            number, schema = _unpack("<HH", body, 0)
            topic, offset = _text(body, 4)
            encoding, offset = _text(body, offset)
            name, definition_encoding, definition = self._schemas.get(schema, ("", "", b""))
            channel = Channel(number, topic, name, encoding, definition, definition_encoding, _words(body, offset)[0])
            self.channels.setdefault(number, channel)


def _unpack(layout: str, data: bytes | memoryview, offset: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, data, offset)
    except struct.error:
        raise Damaged("a record is too short") from None


def _text(data: bytes | memoryview, offset: int) -> tuple[str, int]:
    (length,) = _unpack("<I", data, offset)
    end = offset + 4 + length
    if end > len(data):
        raise Damaged("a text leaves its record")
    try:
        return str(data[offset + 4 : end], "utf-8"), end
    except UnicodeDecodeError:
        raise Damaged("a text is not UTF-8") from None


def _words(data: memoryview, offset: int) -> tuple[dict[str, str], int]:
    (length,) = _unpack("<I", data, offset)
    end = offset + 4 + length
    if end > len(data):
        raise Damaged("a map leaves its record")
    words, offset = {}, offset + 4
    while offset < end:
        key, offset = _text(data, offset)
        words[key], offset = _text(data, offset)
    return words, end
