"""Stage export: a policy as an ONNX bundle with its conventions, proven equal by numbers and in closed loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.flow.stage import Context, Port, Result, Stage
from motorium.stages.worlds import WORLD_MODULES, WORLD_PACKAGES, WorldSpec, open_world, world_files, world_of


class ExportSpec(WorldSpec):
    """Options of the stage `export`."""

    samples: int = Field(512, ge=1, description="random inputs of the numerical check")
    trials: int = Field(64, ge=0, description="episodes of the closed-loop check, where the policy has a task")
    first_seed: int = Field(50_000, ge=0, description="seed of the first of them")


def run(spec: ExportSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Export, check numbers, then drive the same episodes with both."""
    from motorium.learn.export import export_bundle
    from motorium.learn.policy import load_policy

    source = inputs["policy"].path
    exported = export_bundle(source, context.output, inputs=spec.samples, seed=context.seed)
    metrics: dict[str, Any] = {"max_abs": exported.max_abs, "max_relative": exported.max_relative}
    metrics |= {"samples": exported.inputs, "bytes": exported.bytes}
    summary = f"ONNX, max |Δ| {exported.max_abs:.0e} against torch (n = {exported.inputs})"
    conventions = load_policy(source).info.conventions
    if spec.trials and (spec.task or "task" in conventions):
        task, options = world_of(spec, conventions, "stage export")
        same = closed_loop(source, context, task, options, spec)
        metrics |= {"closed_loop_same": same, "closed_loop_trials": spec.trials}
        summary += f", closed-loop parity {same}/{spec.trials}"
    else:
        summary += ", no closed loop (the policy has no simulated task)"
    return Result(summary=summary, metrics=metrics)


def closed_loop(source: Any, context: Context, task: str, options: Mapping[str, Any], spec: ExportSpec) -> int:
    """Return in how many episodes bundle and policy come to the same outcome from the same seed."""
    import numpy as np

    from motorium.evaluate.rollout import rollout
    from motorium.learn.bundle import load_bundle
    from motorium.learn.policy import load_policy

    seeds = range(spec.first_seed, spec.first_seed + spec.trials)
    outcomes = []
    for name, policy in (("torch", load_policy(source)), ("ONNX", load_bundle(context.output))):
        env = open_world(task, options, spec.trials, context.threads)
        bar = context.progress(spec.trials, unit="episode", label=f"closed loop, {name}")
        outcomes.append(rollout(env, policy, seeds, progress=bar).outcome)
        env.close()
    return int(np.sum(outcomes[0] == outcomes[1]))


STAGE = Stage(
    name="export",
    version=1,
    kind="bundle",
    spec=ExportSpec,
    ports={"policy": Port(kind="policy")},
    modules=(
        "motorium.stages.export",
        "motorium.learn",
        "motorium.evaluate",
        "motorium.data.episode",
        *WORLD_MODULES,
    ),
    distributions=("torch", "safetensors", "onnx", "onnxruntime", "onnxscript", *WORLD_PACKAGES),
    files=world_files,
    run=run,
)
