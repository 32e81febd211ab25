"""What policies, reports and bundles have to show on a report page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from motorium.evaluate.breakdown import Bin
from motorium.evaluate.compare import Comparison
from motorium.evaluate.intervals import Estimate
from motorium.evaluate.openloop import OpenLoop, Score
from motorium.evaluate.report import ArmReport, Report, read_report
from motorium.flow.stage import Artifact
from motorium.learn.description import FILE, read_json
from motorium.report import content
from motorium.stages import page_attack, page_rl
from motorium.stages.wording import percent

CURVE = "training.json"
# Endings that every task has.
GENERAL = ("timeout", "unstable")
TONES = {"improved": "good", "held": "plain", "regressed": "bad", "underpowered": "warn", "beats both": "good"}


def stage_row(name: str, artifact: Artifact) -> content.StageRow:
    """Return the artifact's row in the table of the run."""
    manifest = artifact.manifest
    return content.StageRow(stage=name, ref=artifact.ref, result=manifest["summary"], command=manifest["command"])


def lineage(artifacts: Mapping[str, Artifact]) -> tuple[content.Node, ...]:
    """Return the artifacts as a graph, with the folders outside the store that they were made from."""
    nodes, outside = [], {}
    for name, artifact in artifacts.items():
        parents = []
        for port, entry in artifact.manifest["inputs"].items():
            named = {port: entry} if "content" in entry else {f"{port}.{key}": one for key, one in entry.items()}
            for label, one in named.items():
                parents.append((one.get("id") or one["content"], label))
                if "external" in one:
                    folder = one["external"].rstrip("/").rpartition("/")[2]
                    outside[one.get("id") or one["content"]] = folder
        nodes.append(
            content.Node(
                id=artifact.id,
                ref=artifact.ref,
                kind=artifact.kind,
                stage=name,
                summary=artifact.manifest["summary"],
                parents=tuple(parents),
            )
        )
    known = {node.id for node in nodes}
    roots = [content.Node(id=id, ref=folder, kind="dataset") for id, folder in outside.items() if id not in known]
    return tuple(roots + nodes)


def of_policy(name: str, artifact: Artifact) -> dict[str, list]:
    """Return the training curves and the facts of a policy."""
    if (artifact.path / page_rl.CURVES).is_file():
        return page_rl.of_rl_policy(name, artifact)
    rows = json.loads((artifact.path / CURVE).read_text(encoding="utf-8"))["rows"]
    series = []
    for key, label in (("train_loss", "training"), ("validation_loss", "validation")):
        points = [(row["step"], row[key]) for row in rows if key in row]
        if points:
            x, y = zip(*points)
            series.append(content.Series(name=label, x=x, y=y))
    training = read_json(artifact.path / FILE, "policy")["training"]
    facts = {
        "artifact": artifact.ref,
        "content": artifact.content,
        "parameters": f"{training['parameters']:,}",
        "seed": str(training["seed"]),
        "torch": training["torch"],
        "episodes": ", ".join(f"{key} {count}" for key, count in training["episodes"].items()),
        "data": artifact.manifest["inputs"]["dataset"]["ref"],
    }
    chart = content.Chart(title=f"Training of {name}", series=tuple(series), y_label="loss", log_y=True)
    return {"charts": [chart], "facts": [content.Facts(title=f"policy {name}", rows=facts)]}


def of_bundle(name: str, artifact: Artifact) -> dict[str, list]:
    """Return the facts of a bundle and how to serve it."""
    serve = f"motorium serve {artifact.ref}"
    rows = {"artifact": artifact.ref, "content": artifact.content, "serve it": serve}
    return {"facts": [content.Facts(title=f"bundle {name}", rows=rows)]}


def arm_names(artifacts: Mapping[str, Artifact]) -> dict[str, tuple[str, bool]]:
    """Return {id of an evaluation: (name of its arm, whether it is the control)}, as the ablations among them say."""
    names = {}
    for artifact in artifacts.values():
        if artifact.manifest["stage"] == "ablate":
            control = read_report(artifact.path).ablation.arms[0].name
            for arm, entry in artifact.manifest["inputs"]["reports"].items():
                names[entry["id"]] = (arm, arm == control)
    return names


def of_report(name: str, artifact: Artifact, arms: Mapping[str, tuple[str, bool]]) -> dict[str, list]:
    """Return what an evaluation, an ablation or an open-loop evaluation says."""
    if not (artifact.path / "report.json").is_file():
        return {}
    report = read_report(artifact.path)
    facts = {
        "artifact": artifact.ref,
        "task": report.task,
        **{key: report.versions[key] for key in sorted(report.versions)},
    }
    parts: dict[str, list] = {"facts": [content.Facts(title=f"report {name}", rows=facts)]}
    if report.kind == "evaluation":
        parts |= _evaluation(*arms.get(artifact.id, (name, False)), artifact, report)
    if report.kind == "axes":
        parts |= page_attack.of_attack(name, report)
    if report.kind == "ablation":
        parts["comparisons"] = [_comparison(one) for one in report.comparisons]
        parts["verdicts"] = [_verdict(one) for one in report.comparisons]
        parts["notes"] = [report.ablation.text]
    for one in report.open_loop.values():
        parts |= _open_loop(one)
    return parts


def interval(estimate: Estimate) -> content.Interval:
    """Return an estimate as the page shows it."""
    fields = ("value", "low", "high", "n", "level", "unit", "method")
    values = {field: getattr(estimate, field) for field in fields}
    return content.Interval(**{**values, "method": method_text(estimate.method)})


def method_text(method: str) -> str:
    """Return the name of an interval's method as it is written in text."""
    return "Wilson" if method == "wilson" else method


def _evaluation(name: str, control: bool, artifact: Artifact, report: Report) -> dict[str, list]:
    arm = report.arms[0]
    data = artifact.manifest["inputs"]["policy"]["ref"]
    return {
        "success": [
            content.SuccessRow(name=name, success=interval(arm.success), control=control, seeds=arm.seeds, detail=data)
        ],
        "headlines": [
            content.Headline(label=f"success, {name}", value=percent(arm.success.value), detail=_range(arm.success)),
            *_measured(name, arm),
        ],
        "measures": _measures(name, arm),
        "breakdowns": [_breakdown(name, one) for one in arm.by_factor],
        "failures": [
            content.FailureRow(
                reason=one.reason,
                count=one.count,
                rate=interval(one.rate),
                seeds=one.seeds,
                command=one.command,
                arm=name,
            )
            for one in arm.failures
            if one.count
        ],
        "media": [_video(name, artifact, arm, one) for one in artifact.manifest["metrics"]["videos"]],
    }


def _range(estimate: Estimate) -> str:
    return f"[{100 * estimate.low:.1f}, {100 * estimate.high:.1f}], n = {estimate.n}, {method_text(estimate.method)}"


def _breakdown(arm: str, made: Any) -> content.Breakdown:
    rows = tuple(
        content.BinRow(
            label=_bin_label(one),
            success=interval(one.success),
            failures=one.failures,
            measures=_bin_measures(one) if one.measures else {},
        )
        for one in made.bins
    )
    return content.Breakdown(factor=made.factor, bins=rows, arm=arm)


def _bin_measures(one: Bin) -> dict[str, content.Interval]:
    return {name: interval(estimate) for name, estimate in [*one.measures.items(), *one.rates.items()]}


def _measures(name: str, arm: ArmReport) -> list[content.MeasureTable]:
    """Return the tables of a task that has rewards or measures; none for one that only succeeds or fails."""
    if not arm.metrics and not arm.rewards:
        return []
    rows = {"return": arm.total_reward, **arm.metrics, **{one.reason: one.rate for one in arm.failures}}
    shown = {key: interval(one) for key, one in rows.items()}
    caption = "Means over episodes, of measures at their end, with bootstrap intervals; rates with Wilson intervals."
    return [content.MeasureTable(title=f"Measures, {name}", rows=shown, caption=caption), _terms(name, arm)]


def _measured(name: str, arm: ArmReport) -> list[content.Headline]:
    """Return the task's own measures and failures as headlines, for a task that has measures."""
    if not arm.metrics:
        return []
    numbers = [
        content.Headline(
            label=f"{key}, {name}",
            value=f"{one.value:.3g} {one.unit or ''}".strip(),
            detail=f"n = {one.n}" if one.low is None else f"[{one.low:.3g}, {one.high:.3g}], n = {one.n}",
        )
        for key, one in arm.metrics.items()
        if one.value is not None
    ]
    rates = [
        content.Headline(label=f"{one.reason}, {name}", value=percent(one.rate.value), detail=_range(one.rate))
        for one in arm.failures
        if one.reason not in GENERAL and one.rate.value is not None
    ]
    return [*numbers, *rates]


def _terms(name: str, arm: ArmReport) -> content.MeasureTable:
    rows = {key: interval(one) for key, one in arm.rewards.items()}
    caption = "What each term of the reward gave in a second of an episode, weights included."
    return content.MeasureTable(title=f"Reward terms, {name}", rows=rows, caption=caption)


def _bin_label(one: Bin) -> str:
    if one.low is None or one.high is None:
        return f"below {one.high:.3g}" if one.low is None else f"above {one.low:.3g}"
    return f"{one.low:.3g} to {one.high:.3g}"


def _video(name: str, artifact: Artifact, arm: ArmReport, one: Mapping[str, Any]) -> content.Media:
    return content.Media(
        data=(artifact.path / one["file"]).read_bytes(),
        type="video/mp4",
        alt=f"episode {one['seed']} of {name}: {one['outcome']} after {one['steps']} steps",
        title=f"{name}, seed {one['seed']}",
        outcome=one["outcome"],
        tone="good" if one["outcome"] == "success" else "bad",
        detail=f"{one['steps']} steps",
        command=arm.origin.replay.replace("{seeds}", str(one["seed"])),
    )


def _comparison(one: Comparison) -> content.ComparisonRow:
    return content.ComparisonRow(
        baseline=one.baseline,
        candidate=one.candidate,
        verdict=one.verdict,
        difference=interval(one.difference),
        p_value=one.p_value,
        detail=_test_text(one),
        tone=TONES.get(one.verdict, "plain"),
    )


def _test_text(one: Comparison) -> str:
    counts = f", {one.wins} won, {one.losses} lost of {one.difference.n}" if one.wins is not None else ""
    return f"{one.test}, {one.pairing}{counts}"


def _verdict(one: Comparison) -> content.Verdict:
    return content.Verdict(text=one.verdict, detail=one.text, tone=TONES.get(one.verdict, "plain"))


def _open_loop(made: OpenLoop) -> dict[str, list]:
    tables = [
        content.ErrorTable(title=title, rows=tuple(_error(one) for one in scores), caption=caption)
        for title, scores, caption in (
            ("Errors by unit", (made.headline, *made.groups), made.text),
            ("Errors by joint", made.joints, "Mean absolute error over the commands that would be executed."),
            ("Errors by step of the chunk", made.steps, "The further ahead, the harder to tell."),
        )
    ]
    verdict = content.Verdict(text=made.verdict, detail=made.text, tone=TONES.get(made.verdict, "warn"))
    return {"errors": tables, "verdicts": [verdict], "notes": list(made.notes)}


def _error(one: Score) -> content.ErrorRow:
    return content.ErrorRow(
        name=one.name,
        policy=interval(one.policy),
        baselines={"hold last command": interval(one.hold), "episode's mean": interval(one.mean)},
        verdict=one.verdict,
        tone=TONES.get(one.verdict, "warn"),
    )
