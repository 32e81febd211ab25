"""Stage ablate: policies that differ in their data, judged on the same seeds at an equal training budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motorium.core.errors import SpecError
from motorium.evaluate.ablation import AblationSpec
from motorium.flow.stage import Context, Port, Result, Stage
from motorium.stages.wording import p_text, percent


def run(spec: AblationSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Compare every arm with the control.

    Raises:
        SpecError: when a report is not of one policy.
    """
    from motorium.evaluate.ablation import Arm, ablate
    from motorium.evaluate.report import Report, arm_report, read_report, read_rollouts, write_report

    arms, versions, task = [], {}, ""
    for name, artifact in inputs["reports"].items():
        rollouts = read_rollouts(artifact.path)
        if len(rollouts) != 1:
            raise SpecError(
                f"report '{name}' is not of one policy",
                where="stage ablate",
                got=", ".join(rollouts),
                expected="a report of the stage evaluate",
            )
        (rollout,) = rollouts.values()
        origin = read_report(artifact.path)
        versions, task = origin.versions, origin.task
        training = artifact.manifest["metrics"].get("training", {})
        # A report from outside the store does not say what it was made from.
        data = artifact.manifest["inputs"].get("policy", {}).get("ref", "")
        arms.append(Arm(name=name, rollout=rollout, training=training, data=data))
    ablation = ablate(arms, spec)
    report = Report(
        kind="ablation",
        task=task,
        versions=versions,
        command=context.command,
        ablation=ablation,
        comparisons=ablation.comparisons,
        notes=(ablation.text,),
        arms=tuple(arm_report(arm.name, arm.rollout, {}) for arm in arms),
    )
    write_report(context.output, report, {arm.name: arm.rollout for arm in arms})
    control = ablation.arms[0]
    parts = [
        f"{control.name} {percent(control.success.value)} → {one.candidate} {percent(one.candidate_success.value)} "
        f"({one.verdict}, paired, {p_text(one.p_value)})"
        for one in ablation.comparisons
    ]
    metrics = {
        "comparisons": [one.to_plain() for one in ablation.comparisons],
        "budget": ablation.budget,
        "exit_code": max(one.exit_code for one in ablation.comparisons),
    }
    return Result(summary="; ".join(parts), metrics=metrics)


STAGE = Stage(
    name="ablate",
    version=1,
    kind="report",
    spec=AblationSpec,
    ports={"reports": Port(kind="report", many=True)},
    modules=(
        "motorium.stages.ablate",
        "motorium.stages.wording",
        "motorium.evaluate",
        "motorium.data.episode",
        "motorium.core",
    ),
    distributions=("numpy", "pyarrow"),
    run=run,
)
