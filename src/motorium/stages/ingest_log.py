"""Taking in a log: its segments are put on one clock and built into episodes, in shards, as a mapping says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motorium.core.errors import DataError
from motorium.core.progress import Counted
from motorium.core.wording import counted
from motorium.data.companions import VALID
from motorium.data.dataset import open_dataset
from motorium.data.episode import Episode
from motorium.data.ingest.mapping import MappingSpec, read_mapping
from motorium.data.ingest.planning import Plan, plan
from motorium.data.writer import DatasetSpec
from motorium.flow.stage import Context, Result
from motorium.stages.blocks import blocks
from motorium.stages.ingest_dataset import with_units
from motorium.stages.parts import join, open_part, part_folder
from motorium.stages.splits import splits_of_keys, state_ranges, write_splits

if TYPE_CHECKING:
    from motorium.stages.ingest import IngestSpec

SHOWN_NOTES = 20
# A held sample this many usual intervals old, and older than a second, is worth a word.
HELD_INTERVALS, HELD_S = 10, 1.0


def ingest_log(spec: IngestSpec, path: Path, context: Context) -> Result:
    """Plan, build in shards, join, and say what was left out."""
    planned = plan(path, mapping_of(spec), fps=spec.fps, task=spec.task, accept=spec.accept)
    described = _describe(planned, spec)
    shards = [
        {
            "planned": planned.to_plain(),
            "plain": described.to_plain(),
            "first": first,
            "count": count,
            "part": part_folder(context, f"{first:06d}"),
            "counted": part_folder(context, f"{first:06d}/count"),
        }
        for first, count in blocks(0, planned.num_segments, spec.shard_episodes)
    ]
    hints = [max(1, hint) for hint in planned.lengths_hint]
    sizes = [sum(hints[shard["first"] : shard["first"] + shard["count"]]) for shard in shards]
    counts = [shard["counted"] for shard in shards]
    try:
        built = list(context.map(build_shard, shards, unit="step", sizes=sizes, counts=counts))
    finally:
        _KEPT.clear()
    said = [note for one in built for note in one["notes"]]
    said += [*_masked(planned, built), *_long_held(planned, built)]
    notes = list(dict.fromkeys([*planned.log.problems, *planned.notes, *said]))
    _say(notes, context)
    if not sum(one["episodes"] for one in built):
        raise DataError(
            "no episode came of this recording",
            where=path,
            got="; ".join(notes[:5]) or "no segment with samples",
            remedy="`motorium inspect` shows what is in it; change the mapping",
        )
    join(context, described, [shard["part"] for shard in shards])
    keys = [each for one in built for each in one["filter_keys"]]
    splits, told = splits_of_keys(keys)
    if splits:
        write_splits(context.output, splits)
        state_ranges(context.output, splits, len(keys))
    _say(told, context)
    return _result(context.output, planned, [*notes, *told])


def mapping_of(spec: IngestSpec) -> MappingSpec | None:
    """Return the mapping that is given, if any.

    Raises:
        DataError: when two are given.
        SpecError: when its file is no mapping.
    """
    mapping = spec.mapping
    if spec.mapping_file is not None:
        if mapping is not None:
            raise DataError("two mappings are given", where="ingest", got="mapping and mapping_file", expected="one")
        mapping = read_mapping(spec.mapping_file)
    if spec.format is not None:
        mapping = (mapping or MappingSpec.parse({"features": {}})).replace(format=spec.format)
    return mapping


def _describe(planned: Plan, spec: IngestSpec) -> DatasetSpec:
    described = planned.dataset_spec()
    return described.replace(
        features={key: with_units(one, spec.units).to_plain() for key, one in described.features.items()},
        conventions={**described.conventions, **spec.conventions},
        video_profile=spec.video_profile,
    )


def build_shard(
    planned: dict[str, Any], plain: dict[str, Any], first: int, count: int, part: str, counted: str, threads: int
) -> dict[str, Any]:
    """Build the episodes of some segments into the folder of a part.

    Returns:
        How many episodes and steps, what was left out, by feature the steps' worth of values that are not valid, the
        filter keys of each episode, and by stream how long a sample was held (s) beside its usual interval.
    """
    made, notes, bar = _opened(planned, Path(part).parent), [], Counted(counted)
    steps, invalid, filter_keys, held = 0, {}, [], {}
    with open_part(part, plain) as writer:
        for index in range(first, first + count):
            for episode in made.episodes(index, notes.append):
                writer.add(_watched(episode, bar))
                steps += episode.length
                filter_keys.append([str(key) for key in episode.meta.get("filter_keys", ())])
                for key, share in episode.meta["ingest"].get("invalid", {}).items():
                    invalid[key] = invalid.get(key, 0.0) + share * episode.length
                for stream, age in episode.meta["ingest"].get("held", {}).items():
                    held[stream] = max(held.get(stream, [0.0, 0.0]), [age["longest_s"], age.get("usual_s", 0.0)])
                if not episode.frames:
                    bar.advance(episode.length)
        episodes = writer.num_episodes
    bar.close()
    told = {"notes": notes, "invalid": invalid, "filter_keys": filter_keys, "held": held}
    return {"episodes": episodes, "steps": steps, **told}


def _masked(planned: Plan, built: list[dict[str, Any]]) -> list[str]:
    """Return what share of each feature is not valid; of objects, whose slots are empty by nature, nothing."""
    steps = sum(one["steps"] for one in built)
    notes = []
    for output in planned.outputs:
        share = sum(one["invalid"].get(output.key, 0.0) for one in built) / max(steps, 1)
        if share and not any(source.ragged for source in output.sources):
            shown = f"{share:.2%}" if share >= 0.0001 else "less than 0.01%"
            notes.append(f"{shown} of '{output.key}' is not known: '{output.key}{VALID}' says where")
    return notes


def _long_held(planned: Plan, built: list[dict[str, Any]]) -> list[str]:
    """Return which held streams, of those without a limit, stood far longer than they usually do.

    There is no limit by itself: a command that is sent once holds until the next, and a recording does not say
    whether a silence means that or a lost sender.
    """
    notes = []
    for stream in dict.fromkeys(source.stream for _, source in planned.sources() if source.max_gap_ns is None):
        longest, usual = max((one["held"][stream] for one in built if stream in one["held"]), default=(0.0, 0.0))
        if longest > max(HELD_INTERVALS * usual, HELD_S):
            every = f", and comes every {usual:.3g} s else" if usual else ""
            notes.append(
                f"'{stream}' is held for up to {longest:,.1f} s{every}:"
                " `max_gap_s` in the mapping limits how old it may be"
            )
    return notes


# The plan of the last shard that this process built, by its scratch folder: opening a folder of many recordings,
# or a long table, takes longer than building a shard of it.
_KEPT: dict[tuple[str, str], Plan] = {}


def _opened(planned: dict[str, Any], scratch: Path) -> Plan:
    key = str(scratch), json.dumps(planned, sort_keys=True)
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = Plan.from_plain(planned)
    return _KEPT[key]


class _Passing:
    """Pictures that count themselves as they pass."""

    def __init__(self, frames: Any, bar: Counted, share: float) -> None:
        self.shape, self.dtype = frames.shape, frames.dtype
        self._frames, self._bar, self._share = frames, bar, share

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self):
        for frame in self._frames:
            yield frame
            self._bar.advance(self._share)


def _watched(episode: Episode, bar: Counted) -> Episode:
    """Return the episode with pictures that move the bar: they are what takes time."""
    share = 1 / max(len(episode.frames), 1)
    frames = {key: _Passing(one, bar, share) for key, one in episode.frames.items()}
    return replace(episode, frames=frames)


def _say(notes: list[str], context: Context) -> None:
    for note in notes[:SHOWN_NOTES]:
        context.note(note)
    if len(notes) > SHOWN_NOTES:
        context.note(f"... and {len(notes) - SHOWN_NOTES} more notes: `motorium show` has them all")


def _result(output: Path, planned: Plan, notes: list[str]) -> Result:
    made = open_dataset(output)
    seconds = made.num_frames / made.fps
    unknown = [
        key
        for key, one in made.features.items()
        if not one.visual and one.dtype.startswith(("float", "int")) and one.units is None
    ]
    metrics = {
        "source_format": planned.log.format,
        "segments": planned.num_segments,
        "episodes": made.num_episodes,
        "frames": made.num_frames,
        "fps": made.fps,
        "robot_type": made.robot_type,
        "cameras": made.cameras,
        "features": {key: list(feature.shape) for key, feature in made.features.items()},
        "unknown_units": unknown,
        "problems": notes,
    }
    summary = f"{counted(made.num_episodes, 'episode')}, {counted(made.num_frames, 'frame')}"
    summary += f" ({seconds:,.1f} s at {made.fps:g} Hz)"
    summary += f", {planned.log.format} → LeRobot v3.0"
    if planned.num_segments != made.num_episodes:
        summary += f"; {counted(planned.num_segments, 'segment')} in the recording"
    return Result(summary=summary, metrics=metrics)
