"""MCAP: a file, or a folder of files that are a segment each; datasets that Motorium wrote come back as they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from motorium.core.errors import DataError
from motorium.data.formats.bags.log import (
    CONVENTIONS,
    Problems,
    Segments,
    facts_of,
    has_magic,
    magic_files,
    nothing_else,
    read_recording,
)
from motorium.data.formats.bags.mcap_file import MAGIC, McapFile
from motorium.data.formats.bags.mcap_own import Own, OwnSegment, own_segments, read_own
from motorium.data.formats.bags.segment import BagSegment
from motorium.data.log import Log, Segment


class Mcap:
    """The format; see `log.LogFormat`."""

    def recognise(self, path: Path) -> str | None:
        """Return the magic bytes; folders with metadata.yaml are ROS 2 bags."""
        if path.is_dir():
            if (path / "metadata.yaml").exists():
                return None
            found = nothing_else(path, MAGIC)
            return f"{len(found)} files that begin with the magic bytes of MCAP" if found else None
        return "begins with the magic bytes of MCAP" if has_magic(path, MAGIC) else None

    def open(self, path: Path) -> Log:
        """Index a file, or list those of a folder.

        Raises:
            DataError: when there is nothing in it that can be read.
        """
        return _open_folder(path) if path.is_dir() else _open_file(path)


def _open_file(path: Path) -> Log:
    read = _read(path)
    facts = {**facts_of(read.base.recording), **_written_by(read.file)}
    return _log(path, read.own, read.segments, facts, read.problems)


def _open_folder(path: Path) -> Log:
    found = magic_files(path, MAGIC)
    if not found:
        raise DataError("there are no MCAP files in this folder", where=path)
    segments = Segments([(file.name, _reader(file)) for file in found])
    # Folders that Motorium wrote have the same features in each file: one look at the first tells.
    own = segments[0].own if isinstance(segments[0], OwnSegment) else None
    return _log(path, own, segments, {"files": f"{len(found):,}"}, Problems(segments, ()))


def _log(path: Path, own: Own | None, segments: Sequence[Segment], facts: dict, problems: Sequence[str]) -> Log:
    return Log(
        format="mcap",
        path=path,
        segments=segments,
        rate_hz=None if own is None else own.fps,
        robot_type=None if own is None else own.robot_type,
        conventions=CONVENTIONS if own is None else own.conventions,
        facts=facts,
        problems=problems,
    )


class _Read(NamedTuple):
    """One file that was indexed; `own`: what Motorium's records in it say, None where it has none."""

    file: McapFile
    base: BagSegment
    own: Own | None
    segments: list[Segment]
    problems: list[str]


def _read(path: Path) -> _Read:
    file = McapFile(path)
    base = read_recording(path.stem, [file])
    own, problems = read_own(file)
    problems += base.recording.problems
    attached, left_out = file.attached()
    problems += left_out
    if own is None:
        base.attached = attached
        return _Read(file, base, None, [base], problems)
    segments, more = own_segments(base, own, path.stem, attached)
    whole = isinstance(segments[0], OwnSegment)
    return _Read(file, base, own if whole else None, segments, [*problems, *more])


def _reader(path: Path) -> Callable[[], tuple[Segment, list[str]]]:
    def read() -> tuple[Segment, list[str]]:
        """Read the file and return its only segment, with what is wrong with it.

        Raises:
            DataError: when it is damaged, or holds several episodes.
        """
        found = _read(path)
        if len(found.segments) != 1:
            raise DataError(
                "a file in a folder of recordings holds several episodes",
                where=path,
                got=len(found.segments),
                remedy="read the file by itself",
            )
        return found.segments[0], found.problems

    return read


def _written_by(file: McapFile) -> dict[str, str]:
    facts = {"profile": file.profile, "written by": file.library}
    return {name: words for name, words in facts.items() if words}


FORMAT = Mcap()
