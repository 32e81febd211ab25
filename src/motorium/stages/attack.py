"""Stage attack: a policy under sweeps of pushes, friction, latency and the like: where it starts to fail."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from motorium.evaluate.sweeps import SweepSpec
from motorium.flow.stage import Artifact, Context, Port, Result, Stage
from motorium.stages.blocks import blocks
from motorium.stages.foreign import load, open_policy
from motorium.stages.unseen import check_unseen
from motorium.stages.worlds import WORLD_MODULES, WORLD_PACKAGES, WorldSpec, open_world, world_files, world_of


class AttackSpec(WorldSpec):
    """Options of the stage `attack`."""

    sweeps: dict[str, SweepSpec] = Field(
        description="what is made worse: start conditions of the task, action_latency_steps or action_gain"
    )
    trials: int = Field(64, ge=2, description="episodes a point, one a seed; the same seeds at every point")
    first_seed: int = Field(10_000, ge=0, description="seed of the first; must be in no training data")
    worlds: int = Field(128, ge=1, description="episodes in one shard; does not change the result")
    margin: float = Field(0.05, gt=0, lt=1, description="loss of success rate that does not matter")
    alpha: float = Field(0.05, gt=0, lt=1, description="allowed rate of false alarms, over all points together")

    @field_validator("sweeps")
    @classmethod
    def _some(cls, sweeps: dict[str, SweepSpec]) -> dict[str, SweepSpec]:
        if not sweeps:
            raise ValueError("name at least one thing to sweep: {push_m_s: {low: 0, high: 1.5, points: 6}}")
        return sweeps


def run(spec: AttackSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Roll out the control and every point on the same seeds; compare, find where it fails, report."""
    from motorium.evaluate.axes import CONTROL
    from motorium.evaluate.episodes import Rollout, join
    from motorium.evaluate.report import Origin, Report, arm_report, write_report
    from motorium.evaluate.sweeps import arm_name, check_swept, compare_points, sweep_of

    source: Artifact = inputs["policy"]
    conventions = open_policy(source).info.conventions
    task, options = world_of(spec, conventions, "stage attack")
    check_unseen(spec.first_seed, spec.trials, conventions, "stage attack")
    env = open_world(task, options, 1, 1)
    info = env.info
    env.close()
    check_swept(info, list(spec.sweeps))
    points = {arm_name(name, value): {name: value} for name, one in spec.sweeps.items() for value in one.values()}
    points = {CONTROL: {}, **points}
    where = {"folder": str(source.path), "kind": source.kind, "task": task, "options": options}
    cut = blocks(spec.first_seed, spec.trials, spec.worlds)
    shards = [
        {**where, "values": values, "first": at, "count": count} for values in points.values() for at, count in cut
    ]
    parts = list(context.map(attack_shard, shards, unit="episode", sizes=[shard["count"] for shard in shards]))
    made = {
        name: join([Rollout.from_plain(part) for part in parts[i * len(cut) : (i + 1) * len(cut)]])
        for i, name in enumerate(points)
    }
    arms = {name: one for name, one in made.items() if name != CONTROL}
    comparisons = compare_points((CONTROL, made[CONTROL]), arms, spec.margin, spec.alpha)
    sweeps = tuple(
        sweep_of(name, one.values(), arms, comparisons, info.factors.get(name), seed=context.seed)
        for name, one in spec.sweeps.items()
    )
    origins = {name: Origin(replay=_command(source.ref, task, options, values)) for name, values in points.items()}
    report = Report(
        kind="axes",
        task=task,
        versions=dict(info.versions),
        command=context.command,
        arms=tuple(arm_report(name, one, {}, origin=origins[name], seed=context.seed) for name, one in made.items()),
        comparisons=comparisons,
        sweeps=sweeps,
        notes=(f"policy {source.ref}; every point and the control on the same seeds",),
    )
    write_report(context.output, report, made)
    control = made[CONTROL].rate()
    metrics = {"control": control.to_plain(), "sweeps": {one.name: _numbers(one) for one in sweeps}}
    found = "; ".join(f"{one.name} {_span(one)}" for one in sweeps)
    said = f"worse at: {found}" if control.value else "which leaves nothing to lose"
    return Result(summary=f"control {control.text()}; {said}", metrics=metrics)


def attack_shard(
    folder: str,
    kind: str,
    task: str,
    options: dict[str, Any],
    values: dict[str, float],
    first: int,
    count: int,
    threads: int,
) -> dict[str, Any]:
    """Return the rollout of `count` episodes from seed `first` with `values` set, as plain data."""
    import numpy as np

    from motorium.evaluate.rollout import rollout
    from motorium.evaluate.sweeps import setting

    env = open_world(task, options, count, threads)
    try:
        axis = setting(env.info, values)
        world = axis.wrap(env) if axis.wrap else env
        factors = {name: np.full(count, value) for name, value in axis.factors.items()}
        return rollout(world, load(folder, kind), range(first, first + count), factors=factors).to_plain()
    finally:
        env.close()


def _command(ref: str, task: str, options: Mapping[str, Any], values: Mapping[str, float]) -> str:
    words = ["motorium", "view", ref, "--task", task]
    words += ["--options", json.dumps(dict(options), sort_keys=True)] if options else []
    words += ["--factors", *(f"{name}={value:.9g}" for name, value in values.items())] if values else []
    return f"{shlex.join(words)} --seeds {{seeds}}"


def _numbers(sweep: Any) -> dict[str, Any]:
    points = [[one.value, one.success.value, one.failed.value] for one in sweep.points]
    return {"fails_below": sweep.fails_below, "fails_above": sweep.fails_above, "points": points}


def _span(sweep: Any) -> str:
    said = [f"{sign} {end:g}" for sign, end in (("≤", sweep.fails_below), ("≥", sweep.fails_above)) if end is not None]
    return " and ".join(said) or "no point"


STAGE = Stage(
    name="attack",
    version=1,
    kind="report",
    spec=AttackSpec,
    ports={"policy": Port(kind="policy")},
    modules=(
        "motorium.stages.attack",
        "motorium.stages.acting",
        "motorium.stages.blocks",
        "motorium.stages.foreign",
        "motorium.stages.unseen",
        "motorium.evaluate",
        "motorium.learn",
        "motorium.data.bounds",
        "motorium.data.episode",
        "motorium.data.links",
        *WORLD_MODULES,
    ),
    distributions=("torch", "safetensors", "onnx", "onnxruntime", "onnxscript", "pyarrow", *WORLD_PACKAGES),
    files=world_files,
    run=run,
)
