"""Inspect: what is in a file or folder, as plain data and as text for people; reads stamps, no samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError
from motorium.data.dataset import Dataset, open_dataset
from motorium.data.ingest.sources import Recognised, find, naming, nothing_found, open_log
from motorium.data.ingest.suggest import Suggestion, suggest
from motorium.data.ingest.survey import Survey, Surveyed, survey
from motorium.data.log import Log, Segment

SHOWN_SEGMENTS = 5
SHOWN_TASKS, SHOWN_PROBLEMS = 8, 20
MOST_FILES = 100_000


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found; every value is JSON-compatible.

    Attributes:
        kind: `log` or `dataset`.
        bytes: size of the file, or of the files of the folder; None when there are too many to count.
        segments: name, duration_s or steps, task, meta of the first few.
        num_segments: all of them.
        streams: name, dtype, shape, units, samples, rate_hz, jitter_s, largest_gap_s, ..., maps_to.
        decisions: what ingesting it asks for.
        mapping: the suggested one as a file; None for datasets.
    """

    path: str
    kind: str
    format: str
    evidence: str
    bytes: int | None
    facts: Mapping[str, Any]
    segments: Sequence[Mapping[str, Any]]
    num_segments: int
    streams: Sequence[Mapping[str, Any]]
    tasks: Sequence[str]
    attachments: Sequence[str] = ()
    conventions: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()
    decisions: Sequence[Mapping[str, Any]] = ()
    mapping: str | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON-compatible data."""
        return asdict(self)


def inspect(path: str | Path) -> Inspection:
    """Look at a recording or dataset.

    Raises:
        DataError: when it is nothing that can be read, or damaged.
    """
    path = Path(path)
    found = find(path)
    if not found:
        raise nothing_found(path)
    if found[0].kind == "dataset" and found[0].path == path:
        return _dataset(found[0])
    log = open_log(path)
    evidence = found[0].evidence
    if found[0].path != path:
        place = found[0].path.relative_to(path).as_posix()
        evidence = f"{evidence} ({place}{f', the first of {len(found)}' if len(found) > 1 else ''})"
    with naming(path):
        return _log(log, evidence)


def _log(log: Log, evidence: str) -> Inspection:
    known = survey(log)
    suggestion = suggest(log, known)
    first = [_segment(segment) for _, segment in zip(range(SHOWN_SEGMENTS), log.segments)]
    facts = {**log.facts, "rate_hz": log.rate_hz, "robot_type": log.robot_type}
    facts = {name: value for name, value in facts.items() if value is not None}
    return Inspection(
        path=str(log.path),
        kind="log",
        format=log.format,
        evidence=evidence,
        bytes=_bytes(log.path),
        facts=facts,
        segments=first,
        num_segments=known.segments,
        streams=_streams(known, suggestion),
        tasks=known.tasks,
        attachments=sorted(log.segments[0].attachments()),
        conventions=dict(log.conventions),
        problems=[*log.problems, *known.problems],
        decisions=[decision.to_plain() for decision in suggestion.decisions],
        mapping=suggestion.text(),
    )


def _segment(segment: Segment) -> dict[str, Any]:
    starts, ends = [], []
    for name, stream in segment.streams.items():
        # A single sample, such as a transform that never changes, may be stamped long before the rest.
        if not stream.clocks or stream.count < 2:
            continue
        try:
            times = segment.times_ns(name)
        except DataError:
            continue
        starts.append(int(times.min()))
        ends.append(int(times.max()))
    steps = None if starts else max((stream.count for stream in segment.streams.values()), default=0)
    return {
        "name": segment.name,
        "duration_s": (max(ends) - min(starts)) / 1e9 if starts else None,
        "steps": steps,
        "streams": len(segment.streams),
        "task": segment.task,
    }


def _streams(known: Survey, suggestion: Suggestion) -> list[dict[str, Any]]:
    becomes: dict[str, list[str]] = {}
    for key, parts in suggestion.mapping.features.items():
        for part in parts:
            becomes.setdefault(part.stream, []).append(key)
    return [_stream(each, becomes.get(each.name, [])) for each in known.streams.values()]


def _stream(each: Surveyed, becomes: list[str]) -> dict[str, Any]:
    stream, timing = each.stream, each.timing
    clocks = [{"name": clock, **each.timings[clock].to_plain()} for clock in stream.clocks if clock in each.timings]
    second = each.second_clock
    return {
        "name": each.name,
        "dtype": stream.feature.dtype,
        "shape": list(stream.feature.shape),
        "ragged": stream.ragged,
        "shapes_differ": len(each.shapes) > 1,
        "units": list(dict.fromkeys(stream.feature.units or ())),
        "samples": each.count,
        "segments": each.segments,
        "rate_hz": timing.rate_hz if timing else None,
        "jitter_s": timing.jitter_s if timing else None,
        "gaps": timing.gaps if timing else None,
        "largest_gap_s": timing.largest_gap_s if timing else None,
        "stored_bytes": stream.stored_bytes,
        "clocks": clocks,
        "second_clock": None if second is None else {"name": second[0], **second[1].to_plain()},
        "note": stream.note,
        "maps_to": becomes,
    }


def _bytes(path: Path) -> int | None:
    if path.is_file():
        return path.stat().st_size
    total = 0
    for number, entry in enumerate(path.rglob("*")):
        if number >= MOST_FILES:
            return None
        if entry.is_file() and not entry.is_symlink():
            total += entry.stat().st_size
    return total


def _dataset(found: Recognised) -> Inspection:
    dataset = open_dataset(found.path, nonfinite="keep", times="keep")
    missing = dataset.missing_videos()
    problems = list(dataset.problems)
    problems += [
        f"'{camera}': the video of {len(episodes)} of {dataset.num_episodes} episodes is missing"
        for camera, episodes in missing.items()
        if episodes
    ]
    facts = {
        "fps": dataset.fps,
        "episodes": dataset.num_episodes,
        "frames": dataset.num_frames,
        "robot_type": dataset.robot_type,
    }
    return Inspection(
        path=str(found.path),
        kind="dataset",
        format=found.format,
        evidence=found.evidence,
        bytes=_bytes(found.path),
        facts={name: value for name, value in facts.items() if value is not None},
        segments=[_episode(dataset, index) for index in range(min(SHOWN_SEGMENTS, dataset.num_episodes))],
        num_segments=dataset.num_episodes,
        streams=[_feature(dataset, key, missing) for key in [*dataset.features, *dataset.extra_cameras]],
        tasks=list(dataset.tasks),
        conventions=dict(dataset.conventions),
        problems=problems,
    )


def _episode(dataset: Dataset, index: int) -> dict[str, Any]:
    steps = int(dataset.lengths[index])
    task = dataset.tasks[int(dataset.column("task_index")[int(dataset.starts[index])])]
    return {
        "name": f"episode {index}",
        "duration_s": steps / dataset.fps,
        "steps": steps,
        "streams": len(dataset.features),
        "task": task,
    }


def _feature(dataset: Dataset, key: str, missing: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    feature = dataset.features.get(key) or dataset.extra_cameras[key]
    return {
        "name": key,
        "dtype": feature.dtype,
        "shape": list(feature.shape),
        "units": list(dict.fromkeys(feature.units or ())),
        "samples": dataset.num_frames,
        "segments": dataset.num_episodes - len(missing.get(key, ())),
        "rate_hz": dataset.fps,
        "names": None if feature.names is None or feature.visual else list(feature.names),
        "maps_to": [key],
    }
