"""Stage demonstrate: a scripted expert does the task from many starts; its successes become a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.wording import counted
from motorium.flow.stage import Context, Result, Stage
from motorium.stages.blocks import blocks
from motorium.stages.worlds import WORLD_MODULES, WORLD_PACKAGES, WorldSpec, open_world, world_files


class DemonstrateSpec(WorldSpec):
    """Options of the stage `demonstrate`."""

    task: str = Field("ur5e/pick-place", description="task of the catalog")
    expert: str = Field("pick-place", description="expert of the catalog")
    expert_options: dict[str, Any] = Field({}, description="fields of the expert's own spec")
    episodes: int = Field(24, ge=1, description="how many attempts")
    first_seed: int = Field(0, ge=0, description="seed of the first attempt; the others follow")
    cameras: list[str] = Field(["front"], description="cameras to record; none: state only")
    height: int = Field(128, ge=16, description="picture height, pixels")
    width: int = Field(128, ge=16, description="picture width, pixels")
    worlds: int = Field(6, ge=1, description="attempts in one shard; does not change the result")


def run(spec: DemonstrateSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Demonstrate in shards, write the successes."""
    from motorium.data.writer import DatasetWriter
    from motorium.stages.episodes import unpack
    from motorium.stages.recordings import dataset_spec
    from motorium.synth.record import record_features

    shards = [
        {"plain": spec.to_plain(), "first": first, "count": count}
        for first, count in blocks(spec.first_seed, spec.episodes, spec.worlds)
    ]
    env = open_world(spec.task, spec.options, 1, 1)
    features = record_features(env, record_options(spec))
    described = dataset_spec(env.info, features, spec.task, spec.options)
    env.close()
    outcomes: Counter[str] = Counter()
    with DatasetWriter(context.output, spec=described) as writer:
        sizes = [shard["count"] for shard in shards]
        for result in context.map(demonstrate_shard, shards, unit="episode", sizes=sizes):
            outcomes.update(result["outcomes"])
            for plain in result["episodes"]:
                writer.add(unpack(plain))
        kept = writer.num_episodes
        if not kept:
            raise DataError(
                "no demonstration succeeded",
                where=f"expert '{spec.expert}' on '{spec.task}'",
                got=dict(outcomes),
                expected="at least one success",
                remedy="look at the outcomes; try the task's default options",
            )
        writer.finalize()
    metrics = {"attempts": spec.episodes, "kept": kept, "outcomes": dict(sorted(outcomes.items()))}
    return Result(summary=f"{counted(spec.episodes, 'episode')}, {kept} succeeded", metrics=metrics)


def demonstrate_shard(plain: dict[str, Any], first: int, count: int, threads: int) -> dict[str, Any]:
    """Run `count` attempts from seed `first`; return packed successes and outcome counts."""
    import numpy as np

    from motorium.stages.episodes import pack
    from motorium.synth.demonstrate import demonstrate
    from motorium.synth.experts import make_expert

    spec = DemonstrateSpec.parse(plain)
    env = open_world(spec.task, spec.options, count, threads)
    try:
        expert = make_expert(spec.expert, env, spec.expert_options)
        attempts = demonstrate(env, expert, np.arange(first, first + count), record_options(spec))
    finally:
        env.close()
    return {
        "episodes": [pack(attempt.episode) for attempt in attempts if attempt.episode is not None],
        "outcomes": dict(Counter(attempt.outcome for attempt in attempts)),
    }


def record_options(spec: DemonstrateSpec):
    """Return what is recorded of each attempt: the successes, with pictures where cameras are named."""
    from motorium.synth.record import Pictures, RecordOptions

    pictures = Pictures(cameras=tuple(spec.cameras), height=spec.height, width=spec.width) if spec.cameras else None
    return RecordOptions(pictures=pictures, keep=("success",), source={"stage": "demonstrate"})


STAGE = Stage(
    name="demonstrate",
    version=1,
    kind="dataset",
    spec=DemonstrateSpec,
    ports={},
    modules=(
        "motorium.stages.demonstrate",
        "motorium.stages.blocks",
        "motorium.stages.episodes",
        "motorium.stages.recordings",
        "motorium.synth",
        "motorium.data",
        *WORLD_MODULES,
    ),
    distributions=("av", "pyarrow", *WORLD_PACKAGES),
    files=world_files,
    run=run,
)
