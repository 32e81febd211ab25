"""Stage page: the run as one self-contained web page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.core.spec import Spec
from motorium.flow.stage import Artifact, Context, Port, Result, Stage


class PageSpec(Spec):
    """Options of the stage `page`."""

    title: str = Field("A run", description="heading of the page")
    subtitle: str = Field("", description="one sentence under it")
    clips: int = Field(3, ge=0, description="episodes to show of each dataset that has pictures")


def run(spec: PageSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Collect what each artifact has to show, write `index.html`."""
    from motorium.report.page import build_page

    artifacts: Mapping[str, Artifact] = inputs["artifacts"]
    page = collect(spec, artifacts)
    text = build_page(page)
    (context.output / "index.html").write_text(text, encoding="utf-8")
    shown = {"artifacts": len(artifacts), "media": len(page.media), "bytes": len(text.encode())}
    return Result(
        summary=f"{len(artifacts)} artifacts, {len(page.media)} videos, {shown['bytes'] / 1e6:.1f} MB", metrics=shown
    )


def collect(spec: PageSpec, artifacts: Mapping[str, Artifact]):
    """Return the content of the page."""
    from motorium.flow.pages import COMMAND
    from motorium.report.content import Page
    from motorium.stages import page_data, page_results

    parts: dict[str, list] = {}
    arms = page_results.arm_names(artifacts)
    for name, artifact in artifacts.items():
        for found in (
            page_data.of_dataset(name, artifact, spec.clips) if artifact.kind == "dataset" else {},
            page_results.of_policy(name, artifact) if artifact.kind == "policy" else {},
            page_results.of_report(name, artifact, arms) if artifact.kind == "report" else {},
            page_results.of_bundle(name, artifact) if artifact.kind == "bundle" else {},
        ):
            for part, items in found.items():
                parts.setdefault(part, []).extend(items)
    return Page(
        title=spec.title,
        subtitle=spec.subtitle,
        command=COMMAND,
        stages=tuple(page_results.stage_row(name, artifact) for name, artifact in artifacts.items()),
        lineage=page_results.lineage(artifacts),
        **{
            part: tuple(dict.fromkeys(items) if part in ("missing", "notes") else items)
            for part, items in parts.items()
        },
    )


STAGE = Stage(
    name="page",
    version=1,
    kind="page",
    spec=PageSpec,
    ports={"artifacts": Port(kind="any", many=True)},
    modules=(
        "motorium.stages.page",
        "motorium.stages.page_data",
        "motorium.stages.curate_examples",
        "motorium.stages.page_results",
        "motorium.stages.page_attack",
        "motorium.stages.page_rl",
        "motorium.stages.wording",
        "motorium.flow.pages",
        "motorium.report",
        "motorium.evaluate",
        "motorium.learn.description",
        "motorium.data",
        "motorium.core",
    ),
    distributions=("numpy", "pyarrow", "av", "matplotlib"),
    run=run,
)
