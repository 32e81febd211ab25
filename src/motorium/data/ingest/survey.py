"""Survey: what the streams of a log are over all its segments, and how they are timed; for inspect and suggest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.data.align.clocks import ClockFit, fit_clocks
from motorium.data.align.gaps import Timing, timing
from motorium.data.log import Log, Segment, Stream

# Segments whose stamps are read: rates are a property of the recorder, not of an episode.
LOOKED_AT = 3


@dataclass(kw_only=True)
class Surveyed:
    """One stream over all segments.

    Attributes:
        stream: as the first segment that has it describes it; its feature's first axis is the largest of all
            segments where the stream is ragged.
        segments: how many have samples of it.
        count: samples of all segments.
        shapes: distinct shapes, the first segment's first; more than one is a fault unless the stream is ragged.
        timings: by clock, from the first of the segments looked at that has samples.
        second_clock: name of a further clock, and how it differs from the first; None without one.
    """

    name: str
    stream: Stream
    segments: int = 0
    count: int = 0
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    timings: dict[str, Timing] = field(default_factory=dict)
    second_clock: tuple[str, ClockFit] | None = None

    @property
    def timing(self) -> Timing | None:
        """On the first clock."""
        return self.timings.get(self.stream.clocks[0]) if self.stream.clocks else None

    def timing_on(self, clock: str | None) -> Timing | None:
        """On a clock, where the stream has it, else on its first."""
        return self.timings.get(clock) or self.timing if clock else self.timing

    @property
    def rate_hz(self) -> float | None:
        """Samples in a second, as the stamps say."""
        return self.timing.rate_hz if self.timing else None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All streams of a log, in the order in which segments list them.

    Attributes:
        counts: of each segment, samples by stream.
        without_task: segments without an instruction.
        tasks: distinct instructions, the first few.
        problems: stamps that could not be read, in words.
    """

    log: Log
    streams: Mapping[str, Surveyed]
    counts: list[dict[str, int]]
    without_task: int
    tasks: list[str]
    problems: list[str]

    @property
    def segments(self) -> int:
        """How many segments the log has."""
        return len(self.counts)

    @cached_property
    def stepped(self) -> bool:
        """Whether no stream has stamps: sample i belongs to step i."""
        return not any(each.stream.clocks for each in self.streams.values())


def survey(log: Log) -> Survey:
    """Look at every segment's streams, and at the stamps of the first few.

    Raises:
        DataError: when the log has no segments or a segment cannot be described.
    """
    streams: dict[str, Surveyed] = {}
    tasks: dict[str, None] = {}
    problems: list[str] = []
    counts: list[dict[str, int]] = []
    without = 0
    for segment in log.segments:
        described = segment.streams
        counts.append({name: stream.count for name, stream in described.items()})
        for name, stream in described.items():
            _count(streams.setdefault(name, Surveyed(name=name, stream=stream)), stream)
        if segment.task:
            if len(tasks) < 100:
                tasks.setdefault(segment.task)
        else:
            without += 1
        if len(counts) <= LOOKED_AT:
            _look(segment, streams, problems)
    if not counts:
        raise DataError("the recording holds no episode", where=log.path, got=f"{log.format} without segments")
    for each in streams.values():
        _widen(each)
    return Survey(log=log, streams=streams, counts=counts, without_task=without, tasks=list(tasks), problems=problems)


def _count(seen: Surveyed, stream: Stream) -> None:
    seen.segments += stream.count > 0
    seen.count += stream.count
    if stream.feature.shape not in seen.shapes and len(seen.shapes) < 1000:
        seen.shapes.append(stream.feature.shape)


def _widen(seen: Surveyed) -> None:
    """Give a ragged stream's feature the most slots of any segment."""
    stream, shapes = seen.stream, seen.shapes
    if stream.ragged and len(shapes) > 1 and all(shape[1:] == shapes[0][1:] for shape in shapes):
        most = max(shape[0] for shape in shapes)
        feature = stream.feature
        wide = Feature(dtype=feature.dtype, shape=(most, *shapes[0][1:]), units=feature.units, frame=feature.frame)
        seen.stream = Stream(**{**vars(stream), "feature": wide})


def _look(segment: Segment, streams: Mapping[str, Surveyed], problems: list[str]) -> None:
    """Read the stamps of streams whose timing is not known yet."""
    for name, stream in segment.streams.items():
        seen = streams[name]
        if not stream.clocks or not stream.count or (seen.timing is not None and seen.timing.rate_hz):
            continue
        try:
            stamps = {clock: segment.times_ns(name, clock) for clock in stream.clocks}
            seen.timings = {clock: timing(times, f"'{name}' of {segment.name}") for clock, times in stamps.items()}
        except DataError as error:
            problems.append(f"stamps of '{name}' in {segment.name}: {error.what}")
            continue
        if len(stream.clocks) > 1:
            first, second = stream.clocks[:2]
            fit = fit_clocks(stamps[first], stamps[second])
            seen.second_clock = (second, fit) if fit is not None else None
