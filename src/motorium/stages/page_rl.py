"""What a policy of the stage rl has to show on a report page: its learning curves, with bands over seeds."""

from __future__ import annotations

from motorium.flow.stage import Artifact
from motorium.learn.description import FILE, read_json
from motorium.report import content

CURVES = "curves.json"
LABELS = {"return": "return of an episode", "success": "successes, %", "reward_per_s": "reward a second"}


def of_rl_policy(name: str, artifact: Artifact) -> dict[str, list]:
    """Return the learning curves and the facts of a policy that was trained by reinforcement."""
    curves = read_json(artifact.path / CURVES, "learning curves")
    runs, bands = curves["runs"], curves["bands"]
    training = read_json(artifact.path / FILE, "policy").get("training", {})
    said = f"Line: median, band: least and greatest of {len(runs)} runs." if len(runs) > 1 else ""
    charts = [
        content.Chart(
            title=f"{key.replace('_', ' ')}, {name}",
            series=(_series(name, rows, 100.0 if key == "success" else 1.0, len(runs) > 1),),
            x_label="samples",
            y_label=LABELS[key],
            caption=f"Of training episodes, with exploration. {said}".strip(),
        )
        for key, rows in bands.items()
        if rows and key in LABELS
    ]
    metrics = artifact.manifest["metrics"]
    facts = {
        "artifact": artifact.ref,
        "content": artifact.content,
        "parameters": f"{metrics['parameters']:,}",
        "samples a run": f"{metrics['samples']:,}",
        "return of each run": ", ".join(f"{one:.4g}" for one in metrics["returns"]),
        "judged on seeds": metrics["selection_seeds"],
        **{key: str(training[key]) for key in ("seed", "torch") if key in training},
    }
    return {"charts": charts, "facts": [content.Facts(title=f"policy {name}", rows=facts)]}


def _series(name: str, rows: list[dict[str, float]], scale: float, band: bool) -> content.Series:
    x = [row["samples"] for row in rows]
    middle, low, high = ([scale * row[key] for row in rows] for key in ("median", "low", "high"))
    ends = {"low": low, "high": high} if band else {}
    return content.Series(name=name, x=x, y=middle, **ends)
