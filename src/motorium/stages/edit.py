"""Stage edit: a dataset with some of it deleted, split, merged, renamed, cut, resampled or encoded again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from motorium.core.spec import Spec
from motorium.core.wording import counted
from motorium.flow.stage import Context, Port, Result, Stage
from motorium.stages.blocks import blocks


class EditSpec(Spec):
    """Options of the stage `edit`."""

    operations: list[Any] = Field(description="in order, each `name: options`, such as `delete: 3, 5-7`")
    video_profile: Literal["fast", "lerobot"] = Field(
        "fast", description="how pictures are encoded that cannot be copied"
    )
    shard_episodes: int = Field(16, ge=1, description="episodes that one shard writes; does not change the result")


def run(spec: EditSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Plan the whole, then write it in shards."""
    from motorium.data.dataset import open_dataset
    from motorium.data.edit.plan import make_view, view_spec
    from motorium.stages.parts import join, part_folder
    from motorium.stages.splits import write_splits

    folder = str(inputs["dataset"].path)
    others = {name: str(artifact.path) for name, artifact in (inputs.get("others") or {}).items()}
    splits = splits_of(folder, others)
    view = make_view(folder, spec.operations, others, splits)
    described = view_spec(view, spec.video_profile)
    for note in view.notes:
        context.note(note)
    shards = [
        {
            "edit": {"path": folder, "operations": spec.operations, "others": others, "splits": splits},
            "plain": described.to_plain(),
            "first": first,
            "count": count,
            "part": part_folder(context, f"{first:06d}"),
        }
        for first, count in blocks(0, view.num_episodes, spec.shard_episodes)
    ]
    encoded: dict[str, int] = {}
    sizes = [shard["count"] for shard in shards]
    for cameras in context.map(write_shard, shards, unit="episode", sizes=sizes):
        for key, count in cameras.items():
            encoded[key] = encoded.get(key, 0) + count
    join(context, described, [shard["part"] for shard in shards])
    if view.splits:
        write_splits(context.output, view.splits)
    before = open_dataset(folder, nonfinite="keep", times="keep")
    frames = int(view.lengths.sum())
    summary = f"{counted(view.num_episodes, 'episode')}, {counted(frames, 'frame')}"
    if (view.num_episodes, frames) != (before.num_episodes, before.num_frames):
        summary += f" (of {before.num_episodes}, {before.num_frames:,})"
    if encoded:
        summary += "; encoded again: " + ", ".join(
            f"{key} in {counted(count, 'episode')}" for key, count in encoded.items()
        )
    metrics = {
        "episodes": view.num_episodes,
        "frames": frames,
        "fps": view.fps,
        "encoded_again": encoded,
        "splits": {name: len(indices) for name, indices in view.splits.items()},
        "notes": list(view.notes),
    }
    return Result(summary=summary, metrics=metrics)


def splits_of(folder: str, others: Mapping[str, str]) -> dict[str, dict[str, list[int]]]:
    """Return the named splits of those datasets that have some, by folder."""
    from motorium.stages.splits import read_splits

    found = {one: read_splits(Path(one)) for one in (folder, *others.values())}
    return {one: splits for one, splits in found.items() if splits}


def write_shard(
    edit: dict[str, Any], plain: dict[str, Any], first: int, count: int, part: str, threads: int
) -> dict[str, int]:
    """Write some episodes of the edited dataset into the folder of a part; return {camera: episodes encoded again}.

    Args:
        edit: what `make_view` takes.
        plain: `DatasetSpec` of the whole.
    """
    from motorium.data.edit.plan import make_view
    from motorium.stages.parts import open_part

    view = make_view(**edit)
    encoded: dict[str, int] = {}
    with open_part(part, plain) as writer:
        for index in range(first, first + count):
            writer.add_copy(view, index)
        for cameras in writer.reencoded.values():
            for key in cameras:
                encoded[key] = encoded.get(key, 0) + 1
    return encoded


STAGE = Stage(
    name="edit",
    version=1,
    kind="dataset",
    spec=EditSpec,
    ports={"dataset": Port(kind="dataset"), "others": Port(kind="dataset", optional=True, many=True)},
    modules=(
        "motorium.stages.edit",
        "motorium.stages.blocks",
        "motorium.stages.parts",
        "motorium.stages.splits",
        "motorium.data",
        "motorium.core",
    ),
    distributions=("av", "pyarrow", "numpy"),
    run=run,
)
