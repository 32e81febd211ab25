"""Stage curate: every episode is checked; the fit ones become a new dataset, the others are named with reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.core.errors import DataError
from motorium.data.curate.policy import CurationSpec
from motorium.flow.stage import Context, Port, Result, Stage
from motorium.stages.blocks import blocks
from motorium.stages.splits import write_splits

DECISIONS = "curation.json"


class CurateSpec(CurationSpec):
    """Options of the stage `curate`."""

    held_out: float = Field(0.0, ge=0, lt=1, description="share of the kept episodes held out as the split `test`")
    pictures: bool = Field(True, description="look at the pictures, where there are any")
    shard_episodes: int = Field(25, ge=1, description="episodes that one shard measures; does not change the result")


def run(spec: CurateSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Measure in shards, decide over the whole, copy what is kept."""
    from motorium.core.random import stream
    from motorium.data.convert import copy_spec
    from motorium.data.curate.policy import REJECT, decide
    from motorium.data.dataset import open_dataset
    from motorium.data.writer import DatasetWriter

    folder = inputs["dataset"].path
    source = open_dataset(folder, nonfinite="keep", times="keep")
    shards = [
        {"folder": str(folder), "plain": spec.to_plain(), "first": first, "count": count}
        for first, count in blocks(0, source.num_episodes, spec.shard_episodes)
    ]
    sizes = [shard["count"] for shard in shards]
    parts = context.map(measure_shard, shards, unit="episode", sizes=sizes)
    measures = [measured for part in parts for measured in part]
    groups = [source.episode(index).task for index in range(source.num_episodes)]
    curation = decide(measures, source.lengths.tolist(), spec, fps=source.fps, groups=groups)
    kept = [index for index, decision in enumerate(curation.decisions) if decision.action != REJECT]
    if not kept:
        raise DataError(
            "no episode is fit to be kept",
            where=str(folder),
            got=curation.reasons(),
            expected="at least one",
            remedy="look at the reasons; change `limits` or `strict` if they are too narrow",
        )
    if spec.held_out > 0 and len(kept) < 2:
        raise DataError(
            "no episode can be held out: only one is left to train on",
            where=str(folder),
            got=f"{len(kept)} of {source.num_episodes} episodes kept {curation.reasons() or ''}".strip(),
            expected="two at least",
            remedy="record more, or set held_out to 0 and do without a test",
        )
    described = copy_spec(source, episodes=kept).replace(durable=False)
    bar = context.progress(len(kept), unit="episode", label="copy")
    with DatasetWriter(context.output, spec=described) as writer:
        for index in kept:
            start, stop = curation.decisions[index].steps
            writer.add_copy(source, index, start=start, stop=stop)
            bar.advance()
        writer.finalize()
    bar.close()
    record = {**curation.to_plain(), "kept": kept, "source_episodes": source.num_episodes}
    (context.output / "meta" / DECISIONS).write_text(json.dumps(record, sort_keys=True) + "\n", encoding="utf-8")
    held = round(spec.held_out * len(kept))
    if spec.held_out > 0:
        # With few episodes, one is held out at least, and one is left to train on.
        held = min(max(held, 1), len(kept) - 1)
        order = stream(context.seed, "held out").permutation(len(kept))
        write_splits(context.output, {"train": order[held:].tolist(), "test": order[:held].tolist()})
    return result_of(curation, held, source.num_episodes)


def result_of(curation: Any, held: int, total: int) -> Result:
    """Say in one line what was kept and why the rest was not."""
    counts = curation.counts()
    kept = counts["keep"] + counts["trim"]
    reasons = curation.reasons()
    summary = f"{kept} of {total} kept"
    if counts["trim"]:
        summary += f", {counts['trim']} of them trimmed"
    if counts["reject"]:
        why = ", ".join(f"{name} {count}" for name, count in reasons.items() if name != "idle ends")
        summary += f", {counts['reject']} rejected ({why or 'score'})"
    if held:
        summary += f", {held} held out"
    worst = [
        {"episode": index, "action": decision.action, "reason": decision.reason, "score": decision.score}
        for index, decision in enumerate(curation.decisions)
        if decision.reason
    ]
    metrics = {
        "kept": kept,
        "counts": counts,
        "reasons": reasons,
        "held_out": held,
        "not_checked": {check: dict(why) for check, why in curation.not_checked.items()},
        "decisions": worst,
    }
    return Result(summary=summary, metrics=metrics)


def measure_shard(folder: str, plain: dict[str, Any], first: int, count: int, threads: int) -> list[dict[str, Any]]:
    """Return what every check measures of episodes `first` to `first + count`."""
    import numpy as np

    from motorium.data.curate.policy import measure
    from motorium.data.curate.recording import Recording, group_scale, with_floor
    from motorium.data.dataset import open_dataset

    spec = CurateSpec.parse(plain)
    dataset = open_dataset(folder, nonfinite="keep", times="keep")
    missing = dataset.missing_videos()
    scale = {
        key: with_floor(group_scale([dataset.column(key)]), feature.units)
        for key, feature in dataset.features.items()
        if not feature.visual and feature.dtype.startswith(("f", "i", "u"))
    }
    stamps = dataset.column("timestamp")
    made = []
    for index in range(first, first + count):
        rows = slice(int(dataset.starts[index]), int(dataset.starts[index] + dataset.lengths[index]))
        frames = {}
        if spec.pictures:
            seen = [camera for camera in dataset.cameras if index not in missing.get(camera, [])]
            frames = {camera: dataset.pictures(index, camera) for camera in seen}
        episode = dataset.episode(index)
        recording = Recording(
            arrays=episode.arrays,
            fps=dataset.fps,
            scale=scale,
            stamps_s=stamps[rows].astype(np.float64),
            frames=frames,
            names={key: feature.names for key, feature in dataset.features.items() if feature.names},
            meta=episode.meta,
        )
        made.append(measure(recording, spec))
    return made


STAGE = Stage(
    name="curate",
    version=1,
    kind="dataset",
    spec=CurateSpec,
    ports={"dataset": Port(kind="dataset")},
    modules=(
        "motorium.stages.curate",
        "motorium.stages.blocks",
        "motorium.stages.splits",
        "motorium.data",
        "motorium.core",
    ),
    distributions=("av", "pyarrow", "numpy"),
    run=run,
)
