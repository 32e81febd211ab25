"""Build: the episodes of a log's segments by a plan; numbers in slices, pictures one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.align.gaps import pieces
from motorium.data.align.grid import NS, count_steps, overlap, uniform
from motorium.data.align.resample import Picks, pick
from motorium.data.align.stamps import Track, make_track
from motorium.data.companions import TIME, VALID
from motorium.data.episode import Episode
from motorium.data.ingest.film import Film
from motorium.data.ingest.gather import gather, nothing
from motorium.data.ingest.mapping import OVERLAP
from motorium.data.ingest.plan import Output, PlanData, Source
from motorium.data.ingest.report import Made, report
from motorium.data.log import Segment

Note = Callable[[str], None]
TrackKey = tuple[str, str | None, int]
SLACK_STEPS = 0.05


class LeftOut(DataError):
    """A segment that the mapping says to leave out."""


def episodes(plan: PlanData, index: int, note: Note | None = None) -> Iterator[Episode]:
    """Yield the episodes of one segment; usually one, several where the mapping splits at silences.

    Args:
        note: told what is left out, as the mapping wants it, and why; None: that is an error instead.

    Raises:
        DataError: when the segment cannot be read or does not fit the plan.
    """
    segment = plan.log.segments[index]
    try:
        lacking = _lacking(plan, segment)
        segment.prepare([stream for stream in plan.streams if stream not in lacking])
        if not plan.resampled:
            yield from _guarded(lambda: _stepped(plan, segment, lacking), segment, note)
            return
        tracks = {} if not plan.stamped else _tracks(plan, segment, lacking)
        spans = _spans(plan, segment, tracks, lacking)
    except LeftOut as error:
        _leave(error, segment, note)
        return
    for number, span in enumerate(spans):
        cut = _Cut(number=number, of=len(spans), start_ns=span[0], end_ns=span[1])
        yield from _guarded(lambda cut=cut: _resampled(plan, segment, tracks, cut, lacking), segment, note)


def _guarded(make: Callable[[], Episode], segment: Segment, note: Note | None) -> Iterator[Episode]:
    try:
        episode = make()
    except LeftOut as error:
        _leave(error, segment, note)
        return
    yield episode


def _leave(error: LeftOut, segment: Segment, note: Note | None) -> None:
    if note is None:
        raise error
    got = error.details["got"]
    note(f"{error.details['where'] or segment.name} is left out: {error.what}{f' ({got})' if got else ''}")


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One stretch of a segment that becomes an episode."""

    number: int
    of: int
    start_ns: int
    end_ns: int


def _lacking(plan: PlanData, segment: Segment) -> set[str]:
    """Return the streams that a segment lacks, when the mapping allows it."""
    lacking = {name for name in plan.streams if name not in segment.streams or not segment.streams[name].count}
    if lacking and plan.mapping.lacking != "mask":
        kind = LeftOut if plan.mapping.lacking == "drop" else DataError
        raise kind(
            "the segment lacks a stream",
            where=segment.name,
            got=", ".join(sorted(lacking)),
            remedy="lacking: drop or mask in the mapping, or leave the stream out",
        )
    return lacking


def _tracks(plan: PlanData, segment: Segment, lacking: set[str]) -> dict[TrackKey, Track]:
    """Read every stream's stamps, once for each clock it is used on."""
    tracks: dict[TrackKey, Track] = {}
    for name in plan.streams:
        if name in lacking:
            continue
        uses = {(s.clock, s.offset_ns) for _, s in plan.sources() if s.stream == name}
        clocks = segment.streams[name].clocks
        for clock, offset in sorted(uses, key=str) or [
            (plan.mapping.clock if plan.mapping.clock in clocks else None, 0)
        ]:
            where = f"{segment.name}, '{name}'"
            times = segment.times_ns(name, clock)
            if len(times) != segment.streams[name].count:
                raise DataError(
                    "a stream has not one stamp a sample",
                    where=where,
                    got=len(times),
                    expected=segment.streams[name].count,
                )
            tracks[name, clock, offset] = make_track(times, keep=_keep(segment, name), offset_ns=offset, where=where)
    return tracks


def _keep(segment: Segment, name: str) -> NDArray[np.bool_] | None:
    """Return which samples count at all, where the source says it of whole samples."""
    if segment.streams[name].feature.visual:
        return None
    said = segment.valid(name)
    return said if said is not None and said.ndim == 1 else None


def _spans(plan: PlanData, segment: Segment, tracks: dict[TrackKey, Track], lacking: set[str]) -> list[tuple[int, int]]:
    """Return the stretches of time that become episodes, ns."""
    if not plan.stamped:
        count = _step_count(plan, segment, lacking)
        return [(0, round((count - 1) * NS / plan.step_rate_hz))]
    named = plan.mapping.span
    if named != OVERLAP:
        track = _any_track(tracks, named)
        whole = None if track is None or not len(track) else (int(track.times_ns[0]), int(track.times_ns[-1]))
    else:
        whole = overlap(_limits(plan, tracks))
    if whole is None:
        shown = {
            key[0]: f"{t.times_ns[0] / NS:.3f} to {t.times_ns[-1] / NS:.3f} s" for key, t in tracks.items() if len(t)
        }
        raise LeftOut(
            "its streams share no time" if named == OVERLAP else f"'{named}' has no samples",
            where=segment.name,
            got="; ".join(f"{name}: {span}" for name, span in list(shown.items())[:8]),
            remedy="name one stream as `span`, or correct a clock by offset_s",
        )
    split = plan.mapping.split
    if split is None:
        return [whole]
    track = _any_track(tracks, split.stream)
    found = pieces(track, round(split.gap_s * NS)) if track is not None else [whole]
    return [
        (max(first, whole[0]), min(last, whole[1])) for first, last in found if first <= whole[1] and last >= whole[0]
    ]


def _any_track(tracks: dict[TrackKey, Track], stream: str) -> Track | None:
    return next((track for key, track in tracks.items() if key[0] == stream), None)


def _limits(plan: PlanData, tracks: dict[TrackKey, Track]) -> list[tuple[int, int | None]]:
    """Return when each part can be known; a held one until anything else ends."""
    limits: list[tuple[int, int | None]] = []
    latest = max((int(t.times_ns[-1]) for t in tracks.values() if len(t)), default=None)
    for _, source in plan.sources():
        track = tracks.get(_key(source))
        if track is not None and len(track):
            end = None if source.align == "hold" else int(track.times_ns[-1]) + _slack(plan, source)
            limits.append((int(track.times_ns[0]), end))
    if limits and all(end is None for _, end in limits):
        limits.append((limits[0][0], latest))
    return limits


def _slack(plan: PlanData, source: Source) -> int:
    """Return how far behind its last sample a nearest one still stands for a step, ns.

    A camera at the rate of the steps would lose its last picture to the rounding of stamps.
    """
    if source.align != "nearest":
        return 0
    slack = int(SLACK_STEPS * NS / plan.fps)
    return slack if source.tolerance_ns is None else min(slack, source.tolerance_ns)


def _key(source: Source) -> TrackKey:
    return source.stream, source.clock, source.offset_ns


def _step_count(plan: PlanData, segment: Segment, lacking: set[str]) -> int:
    """Return the steps that all streams have."""
    counts = {s.stream: segment.streams[s.stream].count for _, s in plan.sources() if s.stream not in lacking}
    if not counts or min(counts.values()) < 1:
        raise LeftOut("it has no steps", where=segment.name)
    return min(counts.values())


def _stepped(plan: PlanData, segment: Segment, lacking: set[str]) -> Episode:
    """Take sample i for step i."""
    count = _step_count(plan, segment, lacking)
    steps = np.arange(count, dtype=np.int64)
    weight, times = np.zeros(count), steps * 0
    whole = Picks(before=steps, after=steps, weight=weight, found=np.ones(count, bool), times_ns=times)
    none = Picks(before=times, after=times, weight=weight, found=np.zeros(count, bool), times_ns=times)
    made = Made(plan=plan, segment=segment, start_ns=None, steps=count)
    made.unequal = {
        s.stream: segment.streams[s.stream].count - count
        for _, s in plan.sources()
        if s.stream not in lacking and segment.streams[s.stream].count != count
    }
    for output in plan.outputs:
        _add(made, output, [none if s.stream in lacking else whole for s in output.sources])
    return _episode(made, "")


def _resampled(
    plan: PlanData, segment: Segment, tracks: dict[TrackKey, Track], cut: _Cut, lacking: set[str]
) -> Episode:
    """Put every stream on a grid over one stretch of time."""
    if not plan.stamped:
        tracks = {_key(s): _step_track(plan, segment, s) for _, s in plan.sources() if s.stream not in lacking}
    start = _anchored(plan, tracks, cut)
    count = count_steps(cut.end_ns - start, plan.fps, segment.name)
    if count < 2:
        raise LeftOut(
            "it is shorter than two steps",
            where=f"{segment.name}, part {cut.number}" if cut.of > 1 else segment.name,
            got=f"{(cut.end_ns - cut.start_ns) / NS:.3f} s at {plan.fps:g} steps/s",
        )
    grid = uniform(start, count, plan.fps)
    nothing = make_track(np.zeros(0, np.int64))
    made = Made(plan=plan, segment=segment, start_ns=start, steps=count, tracks=tracks)
    for output in plan.outputs:
        _add(made, output, [pick(tracks.get(_key(source), nothing), grid, source.rule) for source in output.sources])
    return _episode(made, f", part {cut.number + 1} of {cut.of}" if cut.of > 1 else "")


def _step_track(plan: PlanData, segment: Segment, source: Source) -> Track:
    """Return the track of a stream that has steps of a known rate for stamps."""
    times = uniform(0, segment.streams[source.stream].count, plan.step_rate_hz or plan.fps)
    return make_track(times, keep=_keep(segment, source.stream), offset_ns=source.offset_ns)


def _anchored(plan: PlanData, tracks: dict[TrackKey, Track], cut: _Cut) -> int:
    """Return when step 0 is: at the first picture in the stretch, so that a camera at the same rate is met exactly."""
    cameras = [source for output, source in plan.sources() if output.feature.visual and _key(source) in tracks]
    if not cameras or plan.mapping.span != OVERLAP:
        return cut.start_ns
    times = tracks[_key(cameras[0])].times_ns
    place = int(np.searchsorted(times, cut.start_ns))
    return int(times[place]) if place < len(times) and times[place] <= cut.end_ns else cut.start_ns


def _add(made: Made, output: Output, picks: list[Picks]) -> None:
    """Add a feature and its companions to the episode that is being made."""
    segment, key, steps = made.segment, output.key, made.steps
    if output.feature.visual:
        source, found = output.sources[0], picks[0]
        height, width = segment.streams[source.stream].feature.shape[:2] if found.found.any() else (0, 0)
        made.frames[key] = Film(
            segment=segment,
            stream=source.stream,
            samples=found.before,
            found=found.found,
            size=output.feature.shape[:2],
            recorded=None if source.any_size else (height, width),
            bgr=source.bgr,
        )
        valid = found.found.reshape(steps, 1)
        values = None
    else:
        gathered = [
            gather(segment, source, each) if each.found.any() else nothing(source, steps)
            for source, each in zip(output.sources, picks)
        ]
        shape = (steps, *output.feature.shape)
        dtype = object if output.feature.dtype == "string" else output.feature.dtype
        values = np.concatenate([g.values.reshape(steps, -1) for g in gathered], axis=1).astype(dtype).reshape(shape)
        valid = np.concatenate([g.valid.reshape(steps, -1) for g in gathered], axis=1).reshape(shape)
        made.arrays[key] = values
    if output.masked:
        made.arrays[key + VALID] = valid
    elif not valid.all() and not _is_mask(output):
        _refuse(made, output, valid)
    made.invalid[key] = 1.0 - float(valid.mean())
    if output.timed:
        columns = [
            np.where(each.found, (each.times_ns - made.start_ns) / NS, 0.0)
            for source, each in zip(output.sources, picks)
            if source.sampled
        ]
        made.arrays[key + TIME] = np.stack(columns, axis=1)


def _is_mask(output: Output) -> bool:
    return output.feature.dtype == "bool" and output.key.endswith(VALID)


def _refuse(made: Made, output: Output, valid: NDArray[np.bool_]) -> None:
    """Say that a feature without a mask has something that is not valid."""
    kind = LeftOut if made.plan.mapping.nonfinite == "drop" else DataError
    step = int(np.argwhere(~valid)[0][0])
    raise kind(
        f"'{output.key}' is not finite or not valid",
        where=made.segment.name,
        got=f"step {step}, {int((~valid).sum())} of {valid.size} values",
        remedy="nonfinite: mask in the mapping keeps the episode, with a mask beside the values",
    )


def _episode(made: Made, part: str) -> Episode:
    segment, plan = made.segment, made.plan
    task = segment.task or plan.mapping.task
    if task is None:
        raise DataError("the segment has no instruction", where=segment.name, remedy="set `task` in the mapping")
    meta: dict[str, Any] = {**segment.meta, "ingest": report(made, part)}
    files = {name: read() for name, read in segment.attachments().items()}
    return Episode(arrays=made.arrays, task=task, frames=made.frames, meta=meta, attachments=files, steps=made.steps)
