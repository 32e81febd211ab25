"""Stage ingest: any dataset that Motorium reads, as a checked LeRobot v3.0 dataset with its units said."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, NoReturn

from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.spec import Spec
from motorium.flow.stage import Context, Port, Result, Stage


class IngestSpec(Spec):
    """Options of the stage `ingest`."""

    cameras: Literal["drop", "subset", "require"] = Field(
        "drop",
        description="a camera that only some episodes have: drop it as a feature, keep only these episodes, or stop",
    )
    faulty: Literal["drop", "stop"] = Field(
        "drop",
        description="an episode with values that are not finite, or times that do not fit the rate: leave it out and"
        " name it, or stop",
    )
    units: dict[str, str] = Field(
        {}, description="unit by pattern of element names, the first match holds; unmatched units stay unknown"
    )
    conventions: dict[str, str] = Field({}, description="further conventions to record with the data")


def run(spec: IngestSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Open, convert, and say what is missing."""
    from motorium.data.convert import convert
    from motorium.data.dataset import open_dataset
    from motorium.data.faults import faulty_episodes

    path = inputs["source"].path
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
        context.note(f"'{camera}': the video of {count} of {source.num_episodes} episodes is missing")
    features = {key: with_units(feature, spec.units) for key, feature in source.features.items()}
    bar = context.progress(len(kept), unit="episode")
    wanted = {"cameras": spec.cameras, "features": features, "conventions": spec.conventions}
    convert(source, context.output, episodes=kept, progress=bar, **wanted)
    bar.close()
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
    summary = f"{made.num_episodes} episodes, {made.num_frames:,} frames, LeRobot {source.version} → v3.0"
    if faults:
        first = "; ".join(f"episode {index}: {fault}" for index, fault in list(faults.items())[:2])
        summary += f"; {len(faults)} of {source.num_episodes} left out ({first}{', ...' if len(faults) > 2 else ''})"
    if missing:
        summary += "; " + ", ".join(
            f"{camera}: {count} of {source.num_episodes} videos missing" for camera, count in missing.items()
        )
    return Result(summary=summary, metrics=metrics)


def refuse(path: Any) -> NoReturn:
    """Say what is wrong with the first faulty episode.

    Raises:
        DataError: always.
    """
    from motorium.data.dataset import open_dataset

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


STAGE = Stage(
    name="ingest",
    version=1,
    kind="dataset",
    spec=IngestSpec,
    ports={"source": Port(kind="dataset")},
    modules=("motorium.stages.ingest", "motorium.data", "motorium.core"),
    distributions=("av", "pyarrow", "numpy"),
    run=run,
)
