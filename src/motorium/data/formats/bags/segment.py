"""A recording as one segment of a log: numbers gathered when asked for, pictures decoded one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line, nearest
from motorium.data.formats.bags.columns import Column, Columns
from motorium.data.formats.bags.index import MISMATCH, Recording
from motorium.data.formats.bags.points import CloudsTopic
from motorium.data.formats.bags.targets import suggest
from motorium.data.formats.bags.topic import Source
from motorium.data.formats.bags.video import VideoTopic
from motorium.data.log import Segment, Stream

# What the name of an attached file may not hold, nor two dots in a row.
_SAFE = re.compile(r"[^A-Za-z0-9_.-]+|\.\.+")


class BagSegment(Segment):
    """One bag; see `log.Segment`.

    Attributes:
        recording: its files and what is in them.
        attached: files that were put into it, by their names there.
    """

    def __init__(self, name: str, recording: Recording, meta: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.recording = recording
        self.meta = dict(meta or {})
        suggest(recording.sources)
        self.streams: dict[str, Stream] = {key: source.stream for key, source in recording.sources.items()}
        self.attached: Mapping[str, Callable[[], bytes]] = {}
        self._columns: dict[str, Column] = {}

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        """Return the files that were attached, under names that are safe."""
        return {_SAFE.sub("_", name).lstrip(".-") or "file": read for name, read in self.attached.items()}

    def prepare(self, keys: Collection[str]) -> None:
        """Gather the numbers and texts of some streams in one pass; those of others are forgotten."""
        wanted = {key for key in keys if not self._source(key).bulky}
        if wanted - self._columns.keys():
            self._columns = {}
            self._columns = self.recording.collect(wanted, Columns())

    def times_ns(self, key: str, clock: str | None = None) -> NDArray[np.int64]:
        """Return the times of a stream's samples: (n,) int64 ns."""
        source = self._source(key)
        clock = self.streams[key].clocks[0] if clock is None else clock
        if clock not in self.streams[key].clocks:
            raise DataError(f"'{key}' has no clock '{clock}'", where=self.name, expected=self.streams[key].clocks)
        return source.times.header_ns() if clock == "header" else source.times.log_ns()

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Return samples [start, stop): (n, *shape); clouds are filled up with zeros, which `valid` tells."""
        source = self._source(key)
        stream = self.streams[key]
        if stream.feature.visual:
            raise DataError(f"'{key}' is a camera", where=self.name, remedy="read its pictures")
        if not source.bulky:
            return self._column(key).values[start:stop]
        numbers = range(stream.count)[start:stop]
        found = np.zeros((len(numbers), *stream.feature.shape), stream.feature.dtype)
        places = np.array(source.topic.places, np.int64)[numbers.start : numbers.stop]
        for row, data in enumerate(self.recording.read(places)):
            sample = self._sample(source, data, numbers[row])
            found[row, : len(sample)] = sample
        return found

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        """Return which samples the messages themselves call valid, and which points of a cloud there are."""
        source = self._source(key)
        if isinstance(source.topic, CloudsTopic):
            feature = self.streams[key].feature
            mask = Columns().zeros((self.streams[key].count, feature.shape[0]), "bool")
            for row, count in enumerate(source.topic.counts):
                mask[row, :count] = True
            whole = (len(mask), *feature.shape)
            return mask if mask.shape == whole else np.broadcast_to(mask[..., None], whole)
        return None if source.bulky else self._column(key).valid

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures of a camera at `samples` (ascending, may repeat): (H, W, 3) uint8 RGB."""
        source = self._source(key)
        if not self.streams[key].feature.visual:
            raise DataError(f"'{key}' is no camera", where=self.name, remedy="read its values")
        samples = np.asarray(samples, np.int64).reshape(-1)
        if len(samples) and (samples[0] < 0 or samples[-1] >= len(source.times) or (np.diff(samples) < 0).any()):
            raise DataError("there are no such pictures", where=f"{self.name}, {key}", expected="ascending samples")
        topic = source.topic
        distinct = np.unique(samples)
        needed = topic.needed(distinct) if isinstance(topic, VideoTopic) else distinct
        data = self.recording.read(np.array(topic.places, np.int64)[needed])
        if isinstance(topic, VideoTopic):
            decoded = self._guarded(topic.decode(data, needed.tolist()), key)
        else:
            decoded = (self._sample(source, message, number) for number, message in zip(needed.tolist(), data))
        return _repeated(zip(needed.tolist(), decoded), samples.tolist())

    def _column(self, key: str) -> Column:
        if key not in self._columns:
            self._columns |= self.recording.collect({key}, Columns())
        return self._columns[key]

    def _source(self, key: str) -> Source:
        if key not in self.recording.sources:
            known = list(self.recording.sources)
            raise DataError(f"there is no stream '{key}'", where=self.name, expected=known, nearest=nearest(key, known))
        return self.recording.sources[key]

    def _sample(self, source: Source, data: memoryview, number: int) -> NDArray:
        try:
            return source.topic.sample(source, data)
        except (*MISMATCH, DataError) as error:
            raise self._damaged(source.key, error, number) from error

    def _guarded(self, pictures: Iterator[NDArray], key: str) -> Iterator[NDArray]:
        try:
            yield from pictures
        except MISMATCH as error:
            raise self._damaged(key, error, None) from error

    def _damaged(self, key: str, error: Exception, number: int | None) -> DataError:
        return DataError(
            "a message cannot be read",
            where=f"{self.recording.files[0].path}, {key}" + ("" if number is None else f", sample {number}"),
            got=first_line(error),
            remedy="leave the stream out of the mapping, or repair the recording",
        )


def _repeated(decoded: Iterator[tuple[int, NDArray]], samples: list[int]) -> Iterator[NDArray]:
    """Yield the picture of each sample; `decoded` holds each once, and perhaps others before it."""
    number, picture = -1, None
    for sample in samples:
        while number < sample:
            number, picture = next(decoded)
        yield picture
