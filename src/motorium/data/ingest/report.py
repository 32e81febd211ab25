"""What became of one segment: its source, clocks, gaps, and the share of each feature that is not valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.align.clocks import LEAST_COMMON, activity, fit_clocks, motion_offset
from motorium.data.align.gaps import track_timing
from motorium.data.align.stamps import Track
from motorium.data.companions import TIME, VALID
from motorium.data.ingest.film import Film
from motorium.data.ingest.plan import Output, PlanData, Source
from motorium.data.log import Segment

# Streams whose motion is compared, and by how much it may be shifted.
MOST_COMPARED, LARGEST_OFFSET_S = 8, 1.0
# Steps of a stream that must be valid for its motion to be compared.
LEAST_VALID = 0.9


@dataclass(kw_only=True)
class Made:
    """An episode that is being made.

    Attributes:
        start_ns: time of step 0 on the source's clock; None for a recording of steps.
        invalid: share of each feature's elements that are not valid.
        unequal: samples that streams have beyond the last common step.
    """

    plan: PlanData
    segment: Segment
    steps: int
    start_ns: int | None
    tracks: Mapping[tuple[str, str | None, int], Track] = field(default_factory=dict)
    arrays: dict[str, NDArray] = field(default_factory=dict)
    frames: dict[str, Film] = field(default_factory=dict)
    invalid: dict[str, float] = field(default_factory=dict)
    unequal: dict[str, int] = field(default_factory=dict)


def report(made: Made, part: str = "") -> dict[str, Any]:
    """Return what happened, as plain data; what did not happen is left out."""
    found: dict[str, Any] = {"segment": made.segment.name + part, "format": made.plan.log.format}
    if made.start_ns is not None and made.plan.stamped:
        found["start_ns"] = made.start_ns
    found["invalid"] = {key: round(share, 6) for key, share in made.invalid.items() if share}
    found["beyond_the_end"] = made.unequal
    if made.plan.stamped:
        found |= _timing(made)
        found["held"] = _held(made)
        found["clock_offset_s"] = _clock_offsets(made)
        found["motion_offset"] = _motion(made)
    return {key: value for key, value in found.items() if value not in ({}, None)}


def _timing(made: Made) -> dict[str, Any]:
    """Return gaps, duplicates and the like by stream; of streams with the same stamps, by the first."""
    found: dict[str, dict[str, Any]] = {"gaps": {}, "duplicates": {}, "backward": {}, "unset": {}}
    clocks = {stream: clock for stream, clock, _ in made.tracks}
    for (stream, _, _), track in _distinct(made).items():
        timing = track_timing(track)
        if timing.gaps:
            found["gaps"][stream] = {"count": timing.gaps, "largest_s": round(timing.largest_gap_s or 0.0, 6)}
        for name in ("duplicates", "backward", "unset"):
            if getattr(timing, name):
                found[name][stream] = getattr(timing, name)
    same = len(set(clocks.values())) == 1
    return {"clock": next(iter(clocks.values())) if same else clocks, **found}


def _held(made: Made) -> dict[str, dict[str, float]]:
    """Return how old the oldest sample is that is held, by stream, beside its usual interval (s)."""
    found: dict[str, dict[str, float]] = {}
    steps_s = np.arange(made.steps) / made.plan.fps
    for output in made.plan.outputs:
        if not output.timed or not output.masked:
            continue
        valid = made.arrays[output.key + VALID].reshape(made.steps, -1)
        sampled = [source for source in output.sources if source.sampled]
        for place, source in enumerate(sampled):
            track = made.tracks.get((source.stream, source.clock, source.offset_ns))
            if source.align != "hold" or track is None or output.feature.visual:
                continue
            ages = (steps_s - made.arrays[output.key + TIME][:, place])[valid[:, _own(output, source)].any(axis=1)]
            rate = track_timing(track).rate_hz
            if len(ages):
                usual = {"usual_s": round(1.0 / rate, 6)} if rate else {}
                found[source.stream] = {"longest_s": round(float(ages.max()), 6), **usual}
    return found


def _own(output: Output, wanted: Source) -> slice:
    """Where the elements of one part lie in the feature laid out flat."""
    first = 0
    for source in output.sources:
        size = source.size_flat
        if source is wanted:
            return slice(first, first + size)
        first += size
    return slice(0, 0)


def _distinct(made: Made) -> dict[tuple[str, str | None, int], Track]:
    """Return one of the tracks that are equal, the first: streams of one message share their stamps."""
    kept: dict[tuple, tuple[str, str | None, int]] = {}
    for key, track in made.tracks.items():
        counts = (track.recorded, track.duplicates, track.backward, track.unset)
        kept.setdefault((key[1], counts, track.times_ns.tobytes()), key)
    return {key: made.tracks[key] for key in kept.values()}


def _clock_offsets(made: Made) -> dict[str, float]:
    """Return how far each stream's second clock is from the one used, where it has one."""
    found = {}
    for stream, clock, _ in _distinct(made):
        others = [name for name in made.segment.streams[stream].clocks if name != clock]
        if not others or clock is None:
            continue
        try:
            times = made.segment.times_ns(stream, clock), made.segment.times_ns(stream, others[0])
            fit = fit_clocks(*times)
        except DataError:
            continue
        if fit is not None:
            found[stream] = round(fit.offset_s, 6)
    return found


def _motion(made: Made) -> dict[str, Any]:
    """Compare when streams of the observation show motion, each with the first; commands lead and are left out."""
    grid = np.arange(made.steps, dtype=np.int64) * round(1e9 / made.plan.fps)
    seen: list[tuple[str, NDArray]] = []
    if made.steps < 2 * LEAST_COMMON:
        return {}
    for output in made.plan.outputs:
        if not output.key.startswith("observation.") or not output.feature.dtype.startswith("float"):
            continue
        values = made.arrays[output.key].reshape(made.steps, -1)
        valid = made.arrays[output.key + VALID].reshape(made.steps, -1)
        for source in output.sources:
            own = _own(output, source)
            fine = valid[:, own].all(axis=1)
            if source.align != "hold" and source.size_flat <= 64 and fine.mean() >= LEAST_VALID:
                # Where nothing is known the last value stands still, which is no activity.
                seen.append((source.stream, activity(grid[fine], values[fine][:, own], grid)))
    compared = {}
    for stream, other in seen[1 : MOST_COMPARED + 1]:
        offset = motion_offset(seen[0][1], other, 1.0 / made.plan.fps, LARGEST_OFFSET_S)
        known = None if offset.offset_s is None else round(offset.offset_s, 4)
        compared[stream] = {"against": seen[0][0], "offset_s": known, "correlation": round(offset.correlation, 3)}
    return compared
