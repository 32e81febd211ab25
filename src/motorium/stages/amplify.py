"""Stage amplify: many demonstrations out of few (MimicGen's method); keeps the successes, reports the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.core.errors import DataError
from motorium.flow.stage import Context, Port, Result, Stage
from motorium.stages.wording import percent
from motorium.stages.worlds import WORLD_MODULES, WORLD_PACKAGES, WorldSpec, open_world, world_files, world_of
from motorium.synth.amplify_spec import AmplifySpec


class AmplifyStageSpec(AmplifySpec, WorldSpec):
    """Options of the stage `amplify`."""

    worlds: int = Field(256, ge=1, description="attempts that run side by side; does not change the result")


def run(spec: AmplifyStageSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Hand out attempts in rounds until enough succeed; write the successes in order of attempt."""
    from motorium.data.dataset import open_dataset
    from motorium.data.writer import DatasetWriter
    from motorium.evaluate.intervals import proportion
    from motorium.evaluate.seeds import format_seeds
    from motorium.stages.episodes import unpack
    from motorium.stages.recordings import dataset_spec
    from motorium.stages.seeds import episode_seeds
    from motorium.synth.record import Attempt, RecordOptions, record_features
    from motorium.synth.rounds import Rounds
    from motorium.synth.tally import summarize

    folder = inputs["dataset"].path
    source = open_dataset(folder)
    task, options = world_of(spec, source.conventions, "stage amplify")
    env = open_world(task, options, 1, 1)
    features = record_features(env, RecordOptions(poses=spec.record_poses))
    described = dataset_spec(env.info, features, task, options)
    if taught := episode_seeds(source, range(source.num_episodes)):
        described = described.replace(conventions={**described.conventions, "data_seeds": format_seeds(taught)})
    rounds, attempts = Rounds(spec), []
    with DatasetWriter(context.output, spec=described) as writer:
        while seeds := rounds.next_shards():
            shards = [
                {"plain": spec.to_plain(), "folder": str(folder), "task": task, "options": options, "seeds": block}
                for block in seeds
            ]
            sizes = [len(block) for block in seeds]
            for made in context.map(amplify_shard, shards, unit="attempt", sizes=sizes):
                rounds.add([attempt["outcome"] == "success" for attempt in made])
                for plain in made:
                    if len(attempts) >= rounds.counted:
                        break
                    episode = plain.pop("episode")
                    attempts.append(Attempt(**plain))
                    if episode is not None:
                        writer.add(unpack(episode))
        if not rounds.met:
            context.note(
                f"amplify: {rounds.successes} of {spec.target_successes} successes after {rounds.counted} attempts "
                "(max_attempts); the yield and its reasons are in the report"
            )
        if not rounds.successes:
            raise DataError(
                "no attempt succeeded",
                where=f"amplify on '{task}'",
                got=f"{rounds.counted} attempts",
                expected="at least one success",
                remedy="check that the demonstrations were made in this task",
            )
        writer.finalize()
    metrics = summarize(attempts, env.info, env.segments)
    env.close()
    estimate = proportion(metrics["successes"], metrics["attempts"])
    metrics["yield"] = estimate.to_plain()
    summary = f"{metrics['successes']:,} of {metrics['attempts']:,} attempts succeeded ({percent(estimate.value)})"
    return Result(summary=summary, metrics=metrics)


def amplify_shard(
    plain: dict[str, Any], folder: str, task: str, options: dict[str, Any], seeds: Any, threads: int
) -> list[dict[str, Any]]:
    """Make one attempt a seed; return them as plain data, episodes packed."""
    from motorium.data.dataset import open_dataset
    from motorium.stages.episodes import pack
    from motorium.synth.amplify import amplify_shard as make
    from motorium.synth.segments import make_sources

    spec = AmplifyStageSpec.parse(plain)
    dataset = open_dataset(folder)
    env = open_world(task, options, min(spec.worlds, len(seeds)), threads)
    try:
        sources = make_sources([dataset.episode(i) for i in range(dataset.num_episodes)], env.segments)
        attempts = make(env, sources, seeds, spec)
    finally:
        env.close()
    return [
        {
            "seed": attempt.seed,
            "outcome": attempt.outcome,
            "steps": attempt.steps,
            "factors": dict(attempt.factors),
            "note": dict(attempt.note),
            "episode": None if attempt.episode is None else pack(attempt.episode),
        }
        for attempt in attempts
    ]


STAGE = Stage(
    name="amplify",
    version=1,
    kind="dataset",
    spec=AmplifyStageSpec,
    ports={"dataset": Port(kind="dataset")},
    modules=(
        "motorium.stages.amplify",
        "motorium.stages.episodes",
        "motorium.stages.recordings",
        "motorium.stages.seeds",
        "motorium.stages.wording",
        "motorium.synth",
        "motorium.evaluate.intervals",
        "motorium.evaluate.seeds",
        "motorium.evaluate.special",
        "motorium.data",
        *WORLD_MODULES,
    ),
    distributions=("av", "pyarrow", *WORLD_PACKAGES),
    files=world_files,
    run=run,
)
