"""Stage rl: a policy learns a task by reinforcement in batched worlds, once or from several seeds."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from motorium.core.errors import SpecError
from motorium.core.wording import counted
from motorium.flow.stage import Artifact, Context, Port, Result, Stage
from motorium.learn.rl.spec import RlSpec
from motorium.stages.worlds import (
    WORLD_MODULES,
    WORLD_PACKAGES,
    WorldSpec,
    open_world,
    world_conventions,
    world_files,
    world_of,
)

CURVES = "curves.json"
BANDS = ("return", "success", "reward_per_s")


class RlStageSpec(WorldSpec, RlSpec):
    """Options of the stage `rl`."""

    seeds: int = Field(1, ge=1, description="how many times to train; the policy of the median return is kept")
    selection_first_seed: int = Field(20_000, ge=0, description="seed of the first episode that tells how good each is")
    selection_episodes: int = Field(64, ge=1, description="how many of them, of the mean action, one a seed")

    def learning(self) -> RlSpec:
        """Return the options of the learner alone."""
        return RlSpec.parse({name: value for name, value in self.to_plain().items() if name in RlSpec.model_fields})


def run(spec: RlStageSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Train from each seed, judge each, keep the middle one.

    Raises:
        SpecError: when neither the options nor a policy to start from name a task.
    """
    start: Artifact | None = inputs.get("policy")
    if start is None and spec.task is None:
        raise SpecError(
            "no task is named",
            where="stage rl",
            expected="a task, or a policy to start from, which names its own",
            remedy="--task go1/velocity, or `with: {task: ...}` in the recipe",
        )
    task, options = world_of(spec, _conventions_of(start), "stage rl")
    runs = [_train(spec, task, options, start, number, context) for number in range(spec.seeds)]
    returns = [one["return"] for one in runs]
    chosen = middle(returns)
    for file in runs[chosen]["folder"].iterdir():
        shutil.copyfile(file, context.output / file.name)
    _write_curves(context.output / CURVES, spec, runs, chosen)
    first = spec.selection_first_seed
    metrics = {
        "parameters": runs[chosen]["parameters"],
        "samples": spec.iterations * spec.samples_a_round,
        "selection_seeds": _selection(spec),
        "returns": returns,
        "success": [one["success"] for one in runs],
        "chosen": chosen,
    }
    spread = f" ({min(returns):.3g} to {max(returns):.3g} of {counted(spec.seeds, 'run')})" if spec.seeds > 1 else ""
    summary = (
        f"{spec.algorithm.upper()}, {counted(metrics['samples'], 'sample')}, return {returns[chosen]:.4g}{spread}, "
        f"success {runs[chosen]['success']:.1%} on seeds {first}-{first + spec.selection_episodes - 1}"
    )
    return Result(summary=summary, metrics=metrics)


def middle(returns: list[float]) -> int:
    """Return the index of the median of `returns`; of an even number, of the lower of the two in the middle."""
    return sorted(range(len(returns)), key=lambda i: (returns[i], i))[(len(returns) - 1) // 2]


def bands(curves: list[list[Mapping[str, float]]], name: str) -> list[dict[str, float]]:
    """Return, for each round in which every curve has `name`, its median, least and greatest over the curves."""
    import numpy as np

    found = []
    for rows in zip(*curves):
        values = [row[name] for row in rows if name in row]
        if len(values) == len(rows):
            spread = {"median": float(np.median(values)), "low": min(values), "high": max(values)}
            found.append({"step": rows[0]["step"], "samples": rows[0]["samples"], **spread})
    return found


class _Numbered:
    """Series of one of several runs."""

    def __init__(self, metrics: Any, number: int) -> None:
        self._metrics, self._number = metrics, number

    def log(self, step: int, **values: float) -> None:
        """Append one row."""
        self._metrics.log(step, run=self._number, **values)


def _train(
    spec: RlStageSpec, task: str, options: Mapping[str, Any], start: Artifact | None, number: int, context: Context
) -> dict[str, Any]:
    """Train run `number`; return its folder, its curve, and how good its mean action is."""
    from motorium.core.random import derive_seed
    from motorium.learn.rl.ppo import train

    scratch = context.scratch / f"run-{number}"
    label = f"rl, run {number + 1} of {spec.seeds}" if spec.seeds > 1 else None
    bar = context.progress(spec.iterations * spec.samples_a_round, unit="sample", label=label)
    env = open_world(task, options, spec.num_envs, context.threads)
    try:
        trained = train(
            env,
            spec.learning(),
            scratch / "policy",
            scratch=scratch,
            seed=derive_seed(context.seed, "run", number),
            conventions=_conventions(spec, env.info, start, task, options),
            start=None if start is None else start.path,
            progress=bar,
            metrics=_Numbered(context.metrics, number) if spec.seeds > 1 else context.metrics,
        )
    finally:
        env.close()
        bar.close()
    judged = _judge(spec, task, options, trained.folder, context.threads)
    return {"folder": trained.folder, "curve": trained.curve, "parameters": trained.parameters, **judged}


def _judge(spec: RlStageSpec, task: str, options: Mapping[str, Any], folder: Path, threads: int) -> dict[str, float]:
    """Return mean return and success rate of the mean action on the selection seeds."""
    from motorium.evaluate.rollout import rollout
    from motorium.learn.policy import load_policy

    env = open_world(task, options, spec.selection_episodes, threads)
    first = spec.selection_first_seed
    try:
        made = rollout(env, load_policy(folder), range(first, first + spec.selection_episodes))
    finally:
        env.close()
    return {"return": float(made.returns.mean()), "success": float(made.success.mean())}


def _conventions(
    spec: RlStageSpec, info: Any, start: Artifact | None, task: str, options: Mapping[str, Any]
) -> dict[str, str]:
    conventions = {**info.conventions, **world_conventions(task, options)}
    conventions |= {f"version.{name}": version for name, version in info.versions.items()}
    # Evaluation refuses these: the policy was chosen by them, or began as one that was, or that was taught them.
    seeds = seen_seeds(_conventions_of(start), _selection(spec) if spec.seeds > 1 else "")
    if seeds:
        conventions["data_seeds"] = seeds
    return conventions


def seen_seeds(start: Mapping[str, str], own: str) -> str:
    """Return the seeds `own`, and those that the conventions of the policy to start from name, in words."""
    from motorium.evaluate.seeds import format_seeds, parse_seeds

    return format_seeds([*parse_seeds(start.get("data_seeds", "")), *parse_seeds(own)])


def _selection(spec: RlStageSpec) -> str:
    from motorium.evaluate.seeds import format_seeds

    first = spec.selection_first_seed
    return format_seeds(range(first, first + spec.selection_episodes))


def _conventions_of(start: Artifact | None) -> Mapping[str, str]:
    if start is None:
        return {}
    from motorium.learn.description import FILE, read_json

    return read_json(start.path / FILE, "policy").get("conventions", {})


def _write_curves(path: Path, spec: RlStageSpec, runs: list[dict[str, Any]], chosen: int) -> None:
    from motorium.learn.description import write_json

    curves = [one["curve"] for one in runs]
    plain = {
        "selection_seeds": _selection(spec),
        "chosen": chosen,
        "runs": [{"return": one["return"], "success": one["success"], "rows": list(one["curve"])} for one in runs],
        "bands": {name: bands(curves, name) for name in BANDS},
    }
    write_json(path, plain)


STAGE = Stage(
    name="rl",
    version=1,
    kind="policy",
    spec=RlStageSpec,
    ports={"policy": Port(kind="policy", optional=True)},
    modules=(
        "motorium.stages.rl",
        "motorium.learn",
        "motorium.evaluate",
        "motorium.data.bounds",
        "motorium.data.episode",
        "motorium.data.links",
        *WORLD_MODULES,
    ),
    distributions=("torch", "rsl-rl-lib", "tensordict", "safetensors", *WORLD_PACKAGES),
    files=world_files,
    run=run,
)
