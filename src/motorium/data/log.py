"""Log: what a format's reader gives, whatever the file: segments (episodes to be) of named streams.

A reader describes streams and hands out samples when asked; it decides nothing. Which stream becomes which feature,
on which clock, is said by a mapping (`data/ingest/mapping.py`); a reader's `target` and `align` are only suggestions.
Nothing of a recording need fit into memory: numbers are read in slices, pictures are generated one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from motorium.core.features import Feature

Align = Literal["linear", "slerp", "hold", "nearest"]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One series of samples, as its source describes it; nothing of it is read yet.

    Attributes:
        feature: of one sample: `video` or `image` for pictures (H, W, 3), `string` for text. Quaternions are
            (4,), w first, whatever the source's order was.
        count: samples, exact.
        clocks: what times the samples have, the best first: `header` (stamped by the sensor), `log` (when it was
            recorded), or the source's own names. Empty: sample i belongs to step i of the segment.
        target: feature of a dataset that this usually becomes (`observation.state`, `action`,
            `observation.images.front`, `next.reward`, a name of its own); None: left out unless it is asked for.
            Streams with one target are joined in the order in which the segment lists them.
        align: how it is put on another clock. Commands are held, orientations turned (`slerp`), never extrapolated.
        ragged: the first axis of `feature.shape` may differ between segments (tracked objects); it is padded.
        note: the source's own type, encoding or codec, for people.
        stored_bytes: size in the source, where known.
    """

    feature: Feature
    count: int
    clocks: tuple[str, ...] = ()
    target: str | None = None
    align: Align = "nearest"
    ragged: bool = False
    note: str = ""
    stored_bytes: int | None = None


class Segment:
    """One attempt, drive, scene or bag: what becomes one episode. Base of what readers make.

    Attributes:
        name: unique in the log; says where it is in the source (`demo_3`, a file's name).
        streams: by the source's own names (`/odom.pose.position`, `obs/eef_pos`), in a stable order.
        task: the instruction in words, where the source has one.
        meta: plain data about the episode (seed, outcome, operator, ...).
    """

    name: str
    streams: Mapping[str, Stream]
    task: str | None = None
    meta: Mapping[str, Any] = {}

    def prepare(self, keys: Collection[str]) -> None:
        """Be told which streams will be asked for, so that one pass over the file can read them all."""

    def times_ns(self, key: str, clock: str | None = None) -> NDArray[np.int64]:
        """Return the times of a stream's samples, as recorded: (n,) int64 ns; `clock`: None for the first.

        They may be absolute (since 1970) or from the start, need not be sorted, and need not be distinct; all
        streams of a segment count from the same zero. Not called for streams without clocks.

        Raises:
            DataError: when they cannot be read.
        """
        raise NotImplementedError

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Return samples [start, stop) of a stream that is no camera: (n, *shape) of the feature's dtype.

        Values are handed over as recorded: NaN stays NaN. Strings are an object array.

        Raises:
            DataError: when they cannot be read.
        """
        raise NotImplementedError

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        """Return which samples the source says are valid: (n,) or (n, *shape); None: it says nothing."""
        return None

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures of a camera at `samples` (ascending, may repeat): (H, W, 3) uint8 RGB.

        Raises:
            DataError: when one cannot be decoded; which one, and where.
        """
        raise NotImplementedError

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        """Return files that belong to the episode as a whole, read when called: `{"map.json": read}`."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Log:
    """A file or folder as its reader describes it.

    Attributes:
        format: the reader's name in the catalog.
        segments: in the source's order; building one reads as little as it can.
        rate_hz: steps in a second where streams have no clocks; None when the source does not say.
        robot_type: as recorded, or None.
        conventions: units, frames and orders in words, as the format defines or the file states them.
        facts: what else people want to see: producer, version, map, location.
        problems: what was stale, damaged or ignored, in words.
    """

    format: str
    path: Path
    segments: Sequence[Segment]
    rate_hz: float | None = None
    robot_type: str | None = None
    conventions: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()


class LogFormat(Protocol):
    """One row of the catalog of log formats."""

    def recognise(self, path: Path) -> str | None:
        """Return what in the content shows that `path` (a file or folder) is of this format; None: it is not.

        Judges by content, never by the name alone; reads little, and raises nothing.
        """

    def open(self, path: Path) -> Log:
        """Read what is needed to describe the log.

        Raises:
            DataError: when it is damaged; for hostile sizes and paths, before anything is allocated or followed.
        """
