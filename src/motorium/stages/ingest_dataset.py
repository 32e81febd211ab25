"""Taking in a LeRobot dataset: what it holds is copied, checked and described; no picture is encoded again."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.wording import counted
from motorium.data.convert import select
from motorium.data.dataset import open_dataset
from motorium.data.faults import faulty_episodes
from motorium.flow.stage import Context, Result
from motorium.stages.blocks import blocks
from motorium.stages.parts import join, open_part, part_folder

if TYPE_CHECKING:
    from motorium.stages.ingest import IngestSpec


def ingest_dataset(spec: IngestSpec, path: Path, context: Context) -> Result:
    """Open, convert, and say what is missing."""
    _check_spec(spec, path)
    source = open_dataset(path, nonfinite="keep", times="keep")
    faults = faulty_episodes(source)
    if faults and (spec.faulty == "stop" or len(faults) == source.num_episodes):
        refuse(path)
    for index, fault in faults.items():
        context.note(f"episode {index} is left out: {fault}")
    kept = [index for index in range(source.num_episodes) if index not in faults]
    for problem in source.problems:
        context.note(problem)
    missing = {camera: len(episodes) for camera, episodes in source.missing_videos().items() if episodes}
    for camera, count in missing.items():
        lacks = f"'{camera}': the video of {count} of {source.num_episodes} episodes is missing"
        context.note(lacks + _becomes(spec, source.num_episodes - count))
    features = {key: with_units(feature, spec.units) for key, feature in source.features.items()}
    chosen = select(source, cameras=spec.cameras, features=features, conventions=spec.conventions, episodes=kept)
    described = chosen.spec.replace(video_profile=spec.video_profile)
    shards = [
        {
            "folder": str(path),
            "plain": described.to_plain(),
            "episodes": chosen.episodes[first : first + count],
            "part": part_folder(context, f"{first:06d}"),
        }
        for first, count in blocks(0, len(chosen.episodes), spec.shard_episodes)
    ]
    sizes = [len(shard["episodes"]) for shard in shards]
    for _ in context.map(copy_shard, shards, unit="episode", sizes=sizes):
        pass
    join(context, described, [shard["part"] for shard in shards])
    made = open_dataset(context.output)
    unknown = [key for key, feature in features.items() if not feature.visual and feature.units is None]
    metrics = {
        "source_version": source.version,
        "episodes": made.num_episodes,
        "frames": made.num_frames,
        "fps": source.fps,
        "robot_type": source.robot_type,
        "episodes_without_video": missing,
        "cameras": made.cameras,
        "unknown_units": unknown,
        "problems": list(source.problems),
        "left_out": {str(index): fault for index, fault in faults.items()},
    }
    summary = (
        f"{counted(made.num_episodes, 'episode')}, {counted(made.num_frames, 'frame')}, LeRobot {source.version} → v3.0"
    )
    if faults:
        first = "; ".join(f"episode {index}: {fault}" for index, fault in list(faults.items())[:2])
        summary += f"; {len(faults)} of {source.num_episodes} left out ({first}{', ...' if len(faults) > 2 else ''})"
    if missing:
        summary += "; " + ", ".join(
            f"{camera}: {count} of {source.num_episodes} videos missing" for camera, count in missing.items()
        )
    return Result(summary=summary, metrics=metrics)


def _becomes(spec: IngestSpec, have: int) -> str:
    """Return what `cameras` makes of a camera that `have` episodes have; nothing of one that none has."""
    if not have:
        return ""
    if spec.cameras == "subset":
        return ": episodes without it are left out"
    return (
        f": it is no feature, what there is lies in extra_videos; cameras=subset keeps the {have} episodes that have it"
    )


def copy_shard(folder: str, plain: dict[str, Any], episodes: list[int], part: str, threads: int) -> int:
    """Copy some episodes into the folder of a part; return their number."""
    source = open_dataset(folder, nonfinite="keep", times="keep")
    with open_part(part, plain) as writer:
        for index in episodes:
            writer.add_copy(source, index)
    return len(episodes)


def _check_spec(spec: IngestSpec, path: Path) -> None:
    """Refuse options that mean nothing for a dataset, rather than leave them unheeded."""
    given = [name for name in ("mapping", "mapping_file", "fps", "task") if getattr(spec, name) is not None]
    if given:
        raise DataError(
            f"'{given[0]}' is for recordings that are no dataset yet",
            where=path,
            got="a LeRobot dataset",
            remedy="leave it out; `motorium edit` changes the rate, the names and the tasks of a dataset",
        )


def refuse(path: Any) -> NoReturn:
    """Say what is wrong with the first faulty episode.

    Raises:
        DataError: always.
    """
    strict = open_dataset(path)
    for key, feature in strict.features.items():
        if not feature.visual:
            strict.column(key)
    raise DataError("no episode is free of faults", where=path)


def with_units(feature: Feature, patterns: Mapping[str, str]) -> Feature:
    """Return the feature with the units that `patterns` give its element names; all of them or none."""
    if feature.visual or feature.units is not None or not feature.names:
        return feature
    units = [
        next((unit for pattern, unit in patterns.items() if fnmatchcase(name, pattern)), None) for name in feature.names
    ]
    if None in units:
        return feature
    return Feature(
        dtype=feature.dtype, shape=feature.shape, names=feature.names, units=tuple(units), frame=feature.frame
    )
