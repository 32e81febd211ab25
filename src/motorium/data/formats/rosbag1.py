"""ROS 1 bags: a file, or a folder of files that are a segment each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from motorium.core.errors import DataError
from motorium.data.formats.bags.log import (
    CONVENTIONS,
    Problems,
    Segments,
    has_magic,
    magic_files,
    nothing_else,
    one_log,
    read_recording,
)
from motorium.data.formats.bags.rosbag1_file import MAGIC, Rosbag1File
from motorium.data.log import Log, Segment


class Rosbag1:
    """The format; see `log.LogFormat`."""

    def recognise(self, path: Path) -> str | None:
        """Return the magic line."""
        if path.is_dir():
            found = nothing_else(path, MAGIC)
            return f"{len(found)} files that begin with {MAGIC.decode().strip()}" if found else None
        return f"begins with {MAGIC.decode().strip()}" if has_magic(path, MAGIC) else None

    def open(self, path: Path) -> Log:
        """Index a bag, or list those of a folder.

        Raises:
            DataError: when there is nothing in it that can be read.
        """
        if not path.is_dir():
            return one_log("rosbag1", path, read_recording(path.stem, [Rosbag1File(path)]), {}, ())
        found = magic_files(path, MAGIC)
        if not found:
            raise DataError("there are no ROS 1 bags in this folder", where=path)
        segments = Segments([(file.name, _reader(file)) for file in found])
        return Log(
            format="rosbag1",
            path=path,
            segments=segments,
            conventions=CONVENTIONS,
            facts={"files": f"{len(found):,}"},
            problems=Problems(segments, ()),
        )


def _reader(path: Path) -> Callable[[], tuple[Segment, list[str]]]:
    def read() -> tuple[Segment, list[str]]:
        segment = read_recording(path.stem, [Rosbag1File(path)])
        return segment, segment.recording.problems

    return read


FORMAT = Rosbag1()
