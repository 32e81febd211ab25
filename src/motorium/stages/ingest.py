"""Stage ingest: any recording that Motorium reads, as a checked LeRobot v3.0 dataset with its units said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.ingest.mapping import MappingSpec
from motorium.flow.stage import Context, Port, Result, Stage


class IngestSpec(Spec):
    """Options of the stage `ingest`."""

    mapping: MappingSpec | None = Field(
        None, description="which streams become which features; as the format suggests when not given"
    )
    mapping_file: str | None = Field(None, description="the same, from a YAML or JSON file")
    format: str | None = Field(None, description="format of the recording; recognised by its content when not given")
    fps: float | None = Field(None, gt=0, description="steps in a second, where the recording leaves it open")
    task: str | None = Field(None, description="the instruction in words, for episodes that have none of their own")
    accept: bool = Field(False, description="take the suggestion for every decision that is left open, and say so")
    cameras: Literal["drop", "subset", "require"] = Field(
        "drop",
        description="LeRobot: a camera that only some episodes have: drop it as a feature, keep only these episodes,"
        " or stop",
    )
    faulty: Literal["drop", "stop"] = Field(
        "drop",
        description="LeRobot: an episode with values that are not finite, or times that do not fit the rate: leave it"
        " out and name it, or stop",
    )
    units: dict[str, str] = Field(
        {}, description="unit by pattern of element names, the first match holds; unmatched units stay unknown"
    )
    conventions: dict[str, str] = Field({}, description="further conventions to record with the data")
    video_profile: Literal["fast", "lerobot"] = Field(
        "fast", description="how pictures are encoded: h264 for fast decoding, or LeRobot's AV1"
    )
    shard_episodes: int = Field(16, ge=1, description="recorded episodes that one shard builds; not in the result")


def named_files(spec: IngestSpec) -> Sequence[Path]:
    """Return the mapping file, whose content is part of the key."""
    return [] if spec.mapping_file is None else [Path(spec.mapping_file)]


def run(spec: IngestSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Find out what the source is, and take it in."""
    from motorium.data.ingest.sources import recognise

    path = inputs["source"].path
    found = recognise(path)
    if spec.format is None and found and found[0].kind == "dataset":
        from motorium.stages.ingest_dataset import ingest_dataset

        return ingest_dataset(spec, path, context)
    from motorium.stages.ingest_log import ingest_log

    return ingest_log(spec, path, context)


STAGE = Stage(
    name="ingest",
    version=2,
    kind="dataset",
    spec=IngestSpec,
    ports={"source": Port(kind="dataset")},
    modules=(
        "motorium.stages.ingest",
        "motorium.stages.ingest_dataset",
        "motorium.stages.ingest_log",
        "motorium.stages.blocks",
        "motorium.stages.parts",
        "motorium.stages.splits",
        "motorium.data",
        "motorium.core",
    ),
    distributions=("av", "pyarrow", "numpy", "h5py", "zarr", "numcodecs", "rosbags", "mcap", "protobuf"),
    files=named_files,
    run=run,
)
