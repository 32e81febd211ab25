"""Bags as logs: what the formats MCAP, ROS 1 bag and ROS 2 bag have in common."""

from __future__ import annotations

import datetime
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from motorium.core.errors import DataError
from motorium.data.formats.bags.index import Recording
from motorium.data.formats.bags.segment import BagSegment
from motorium.data.formats.bags.source import BagFile
from motorium.data.log import Log, Segment

CONVENTIONS = {
    "units": "SI and radians, x ahead, y left, z up where ROS defines the message (REP 103); unknown elsewhere",
    "quaternions": "w first, whatever the message's order",
    "clocks": "header: stamped by the sensor; log: when the recorder had it",
    "headers": "header.stamp is the clock 'header', header.frame_id the frame; header.seq is left out",
}

# A folder of recordings may hold thousands: this many stay indexed.
KEPT = 4

Build = Callable[[], tuple[list[Segment], list[str]]]


class Segments(Sequence[Segment]):
    """Segments of many files, indexed when they are looked at."""

    def __init__(self, parts: Sequence[tuple[str, Callable[[], tuple[Segment, list[str]]]]]) -> None:
        self._parts = list(parts)
        self._kept: OrderedDict[int, Segment] = OrderedDict()
        self._problems: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> Segment:
        index = range(len(self._parts))[index]
        if index not in self._kept:
            self._kept[index], self._problems[index] = self._parts[index][1]()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]

    def problems(self) -> Iterator[str]:
        """Yield the problems of every file; indexes those that were not looked at yet."""
        for index in range(len(self)):
            if index not in self._problems:
                _ = self[index]
            yield from self._problems[index]


class Problems(Sequence[str]):
    """Problems of a folder, found when they are looked at."""

    def __init__(self, segments: Segments, first: Sequence[str]) -> None:
        self._segments, self._first = segments, list(first)
        self._all: list[str] | None = None

    def _found(self) -> list[str]:
        if self._all is None:
            self._all = [*self._first, *self._segments.problems()]
        return self._all

    def __len__(self) -> int:
        return len(self._found())

    def __getitem__(self, index):
        return self._found()[index]


def read_recording(name: str, files: Sequence[BagFile]) -> BagSegment:
    """Index the files of one bag.

    Raises:
        DataError: when there is nothing in them that can be read.
    """
    recording = Recording(files)
    if not recording.count:
        raise DataError(
            "the recording holds no messages",
            where=files[0].path,
            got="; ".join(recording.problems) or "a file without messages",
            remedy="record again, or fetch the file again if it was cut off",
        )
    meta = {"start_ns": recording.first_ns, "duration_s": (recording.last_ns - recording.first_ns) / 1e9}
    return BagSegment(name, recording, meta)


def facts_of(recording: Recording) -> dict[str, str]:
    """Return what people want to know of a recording."""
    seconds = (recording.last_ns - recording.first_ns) / 1e9
    facts = {"messages": f"{recording.count:,}", "duration": f"{seconds:.3f} s"}
    if recording.first_ns > 10**18:
        start = datetime.datetime.fromtimestamp(recording.first_ns // 10**9, datetime.UTC)
        facts["start"] = start.strftime("%Y-%m-%d %H:%M:%S UTC")
    if recording.empty:
        facts["topics without messages"] = ", ".join(recording.empty)
    return facts


def one_log(format: str, path: Path, segment: BagSegment, facts: dict[str, str], problems: Sequence[str]) -> Log:
    """Return the log of one bag."""
    return Log(
        format=format,
        path=path,
        segments=[segment],
        conventions=CONVENTIONS,
        facts={**facts_of(segment.recording), **facts},
        problems=[*problems, *segment.recording.problems],
    )


def magic_files(folder: Path, magic: bytes) -> list[Path]:
    """Return the files of a folder, not of folders in it, that begin with `magic`, by name; raises nothing."""
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file() and has_magic(path, magic)]
    except OSError:
        return []


def nothing_else(folder: Path, magic: bytes) -> list[Path]:
    """Return the files of a folder that begin with `magic`, when it holds nothing else; raises nothing.

    A folder that does is for the search through folders, which says what is what.
    """
    found = magic_files(folder, magic)
    try:
        shown = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
    return found if len(found) == len(shown) else []


def has_magic(path: Path, magic: bytes) -> bool:
    """Whether a file begins with `magic`; raises nothing."""
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False
