"""Stage evaluate: a policy in closed loop, one episode a seed, with intervals, reasons and videos."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.flow.stage import Artifact, Context, Port, Result, Stage
from motorium.stages.blocks import blocks
from motorium.stages.filming import FilmSpec, film, record_of, replay_words
from motorium.stages.foreign import load, open_policy
from motorium.stages.unseen import check_unseen
from motorium.stages.worlds import WORLD_MODULES, WORLD_PACKAGES, WorldSpec, open_world, world_files, world_of

VIDEOS = "videos"


class EvaluateSpec(WorldSpec):
    """Options of the stage `evaluate`."""

    trials: int = Field(512, ge=1, description="episodes, one a seed")
    first_seed: int = Field(10_000, ge=0, description="seed of the first; must be in no training data")
    worlds: int = Field(128, ge=1, description="episodes in one shard; does not change the result")
    bins: int = Field(4, ge=1, description="parts of each start condition's range in the breakdown")
    videos: int = Field(6, ge=0, description="episodes to film, failures first")
    film: FilmSpec = Field(FilmSpec(), description="how they are filmed")


def run(spec: EvaluateSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Roll out in shards, join, film, report."""
    from motorium.evaluate.episodes import Rollout, join
    from motorium.evaluate.report import Origin, Report, arm_report, write_report

    source: Artifact = inputs["policy"]
    conventions = open_policy(source).info.conventions
    task, options = world_of(spec, conventions, "stage evaluate")
    check_unseen(spec.first_seed, spec.trials, conventions, "stage evaluate")
    shards = [
        {"folder": str(source.path), "kind": source.kind, "task": task, "options": options, "first": at, "count": count}
        for at, count in blocks(spec.first_seed, spec.trials, spec.worlds)
    ]
    parts = context.map(evaluate_shard, shards, unit="episode", sizes=[shard["count"] for shard in shards])
    made = join([Rollout.from_plain(part) for part in parts])
    env = open_world(task, options, 1, 1)
    bounds, versions = dict(env.info.factors), dict(env.info.versions)
    env.close()
    notes = [f"policy {source.ref}; seeds of its data: {conventions.get('data_seeds', 'unknown')}"]
    for note in other_versions(conventions, versions):
        context.note(note)
        notes.append(note)
    filmed = film_some(spec, source, made, task, options, context) if spec.videos else []
    replay = f"{shlex.join(replay_words(source.ref, task, options))} --seeds {{seeds}}"
    origin = Origin(data=conventions.get("data", ""), command=context.command, replay=replay)
    arm = arm_report("policy", made, bounds, origin=origin, bins=spec.bins, seed=context.seed)
    report = Report(
        kind="evaluation",
        task=task,
        versions=versions,
        command=context.command,
        arms=(arm,),
        notes=tuple(notes),
    )
    write_report(context.output, report, {"policy": made})
    metrics = {
        "success": arm.success.to_plain(),
        "seeds": arm.seeds,
        "outcomes": arm.outcomes,
        "videos": filmed,
        "success_time_s": arm.success_time_s.to_plain(),
        "return": arm.total_reward.to_plain(),
        "measures": {name: one.to_plain() for name, one in arm.metrics.items()},
        "rewards": {name: one.to_plain() for name, one in arm.rewards.items()},
        "training": training_of(source),
    }
    text = arm.success.text().removesuffix(")")
    return Result(summary=f"success {text}, seeds {arm.seeds}){measured(arm)}", metrics=metrics)


def measured(arm: Any) -> str:
    """Return the measures of an arm in words, as they follow its success; nothing for a task without any."""
    from motorium.evaluate.measures import RETURN

    if not arm.metrics and arm.outcomes.get("success"):
        return ""
    rates = [f"{one.reason} {one.rate.text().partition(' (')[0]}" for one in arm.failures if one.count]
    numbers = {RETURN: arm.total_reward, **arm.metrics}
    found = [f"{name} {one.value:.3g} [{one.low:.3g}, {one.high:.3g}]" for name, one in numbers.items() if one.n > 1]
    return "".join(f"; {one}" for one in [*found, *rates])


def evaluate_shard(
    folder: str, kind: str, task: str, options: dict[str, Any], first: int, count: int, threads: int
) -> dict[str, Any]:
    """Return the rollout of `count` episodes from seed `first`, as plain data."""
    from motorium.evaluate.rollout import rollout

    env = open_world(task, options, count, threads)
    try:
        return rollout(env, load(folder, kind), range(first, first + count)).to_plain()
    finally:
        env.close()


def other_versions(conventions: Mapping[str, str], versions: Mapping[str, str]) -> list[str]:
    """Return a line for each simulator or asset of which the policy's data saw another version than is here."""
    seen = {name: conventions.get(f"version.{name}") for name in versions}
    return [
        f"the policy's data were made with {name} {seen[name]}, and this world has {version}"
        for name, version in versions.items()
        if seen[name] not in (None, version)
    ]


def film_some(
    spec: EvaluateSpec, source: Artifact, made: Any, task: str, options: Mapping[str, Any], context: Context
) -> list[dict[str, Any]]:
    """Run the episodes most worth a look again, with a camera; return what was filmed."""
    from motorium.evaluate.replay import replay

    seeds = worth_a_look(made, spec.videos)
    env = open_world(task, options, len(seeds), context.threads)
    bar = context.progress(len(seeds), unit="video", label="film")
    try:
        record = record_of(spec.film, env.info.cameras)
        again = replay(env, open_policy(source), made, seeds, record, progress=bar)
        filmed = film(env.info, again, seeds, spec.film, context.output / VIDEOS)
    finally:
        env.close()
    return [{**one, "file": f"{VIDEOS}/{one['file']}"} for one in filmed]


def worth_a_look(made: Any, count: int) -> list[int]:
    """Return `count` seeds, or all: two in three failures, as far as there are any, and successes for the rest."""
    from motorium.evaluate.replay import choose

    good = choose(made, successes=count, failures=0)
    bad = choose(made, successes=0, failures=count)
    failures = min(len(bad), max(count - max(1, count // 3), count - len(good)))
    return [int(seed) for seed in [*good[: count - failures], *bad[:failures]]]


def training_of(source: Artifact) -> dict[str, Any]:
    """Return steps, batch and size of the training of a policy, for ablations at equal budget."""
    from motorium.core.errors import StoreError
    from motorium.learn.description import FILE, read_json

    try:
        training = read_json(source.path / FILE, "policy").get("training", {})
    except StoreError:
        # A bundle of someone else's policy need not say how it was trained.
        return {}
    found = {key: training.get("spec", {}).get(key) for key in ("policy", "steps", "batch")}
    return {**found, "parameters": training.get("parameters"), "episodes": training.get("episodes")}


STAGE = Stage(
    name="evaluate",
    version=1,
    kind="report",
    spec=EvaluateSpec,
    ports={"policy": Port(kind="policy")},
    modules=(
        "motorium.stages.evaluate",
        "motorium.stages.acting",
        "motorium.stages.blocks",
        "motorium.stages.filming",
        "motorium.stages.foreign",
        "motorium.stages.unseen",
        "motorium.evaluate",
        "motorium.learn",
        "motorium.data.bounds",
        "motorium.data.episode",
        "motorium.data.layout",
        "motorium.data.links",
        "motorium.data.video_read",
        "motorium.data.video_write",
        *WORLD_MODULES,
    ),
    distributions=("torch", "safetensors", "onnx", "onnxruntime", "onnxscript", "av", "pyarrow", *WORLD_PACKAGES),
    files=world_files,
    run=run,
)
