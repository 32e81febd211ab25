"""The report page: one HTML file that holds everything, the same bytes for the same content.

It asks nothing of the network: a content security policy in the page forbids it, so that not even a
mistake here could. `PLACEHOLDER` is where the runner writes wall times, which are not a function of the inputs.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import motorium
from motorium.report import measured, results
from motorium.report.content import Page
from motorium.report.lineage import TALL, WIDE, lineage_svg
from motorium.report.markup import Markup, join, tag
from motorium.report.parts import bullets, command, section

PLACEHOLDER = "<!--run-->"


def build_page(page: Page) -> str:
    """Return the page as HTML text; parts without content are left off.

    Raises:
        DataError: when the lineage is not a graph without circles.
        SpecError: when a chart cannot be drawn.
    """
    style, script = _asset("page.css"), _asset("page.js")
    sections = _sections(page)
    body = [
        tag("a", "Skip to the results", href="#main", class_="skip"),
        _header(page),
        tag("nav", tag("ul", *[tag("li", tag("a", t, href=f"#{i}")) for i, t, _ in sections]), aria_label="Sections"),
        tag("main", *[part for _, _, part in sections], _run(), id="main"),
        tag("footer", tag("p", f"Motorium {motorium.__version__}. This file is complete: it loads nothing.")),
        tag("p", id="said", class_="unseen", role="status"),
        tag("script", script),
    ]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{page.title} · Motorium"),
        tag("style", style),
    ]
    html = tag("html", tag("head", *head), "\n", tag("body", *[join([part, "\n"]) for part in body]), lang="en")
    return f"<!doctype html>\n{html}\n"


def _asset(name: str) -> Markup:
    return Markup(resources.files("motorium.report").joinpath(name).read_text("utf-8"))


def _header(page: Page) -> Markup:
    return tag(
        "header",
        tag("p", "Motorium report", class_="brand"),
        tag("h1", page.title),
        tag("p", page.subtitle, class_="subtitle") if page.subtitle else None,
        results.verdicts(page.verdicts),
        command(page.command, "Copy the command of the whole run"),
    )


def _sections(page: Page) -> list[tuple[str, str, Markup]]:
    """Return (id, short title, HTML) of every section that has content."""
    anchors = {row.ref: f"stage-{number}" for number, row in enumerate(page.stages, 1)}
    made: list[tuple[str, str, Markup]] = []

    def add(identity: str, short: str, body: Markup, title: str = "", intro: str = "") -> None:
        made.append((identity, short, section(identity, title or short, body, intro=intro or None)))

    if page.headlines:
        add("result", "Result", results.headlines(page.headlines))
    if page.missing:
        add("missing", "Missing", bullets(page.missing, "missing"), "What is missing")
    if page.stages:
        add("stages", "Stages", results.stages(page.stages, anchors))
    if page.lineage:
        add("lineage", "Lineage", _lineage(page, anchors), intro="What was made from what.")
    if page.success or page.comparisons:
        add("success", "Success", results.success(page.success, page.comparisons))
    if page.measures:
        intro = "Means over episodes, and rates of endings."
        add("measures", "Measures", measured.measures(page.measures), "Returns and measures", intro)
    if page.breakdowns:
        intro = "Where it works, and where it does not."
        add("starts", "Starts", results.breakdowns(page.breakdowns), "Success by start condition", intro)
    if page.failures:
        add("failures", "Failures", results.failures(page.failures), "Failures by reason")
    if page.attacks:
        intro = "What is made worse step by step, on the same seeds as the unperturbed control."
        add("attack", "Attack", measured.charts(page.attacks, "attack"), "Under attack", intro)
    if page.media:
        add("episodes", "Episodes", results.media(page.media), intro=results.media_intro(page.media))
    if page.errors:
        add("errors", "Open loop", measured.errors(page.errors), "Open-loop errors")
    if page.charts:
        add("training", "Training", measured.charts(page.charts))
    if page.curation:
        add("curation", "Curation", measured.curation(page.curation))
    if page.notes:
        add("notes", "Notes", bullets(page.notes))
    if page.facts:
        add("facts", "Facts", measured.facts(page.facts), "Seeds, hashes, versions")
    return made


def _lineage(page: Page, anchors: dict[str, str]) -> Markup:
    links = {node.id: anchors[node.ref] for node in page.lineage if node.ref in anchors}
    graphs = [lineage_svg(page.lineage, links, form) for form in (TALL, WIDE)]
    names = {node.id: node.stage or node.ref for node in page.lineage}
    words = []
    for node in page.lineage:
        parents = ", ".join(
            f"{names[name]} ({port})" if port else names[name] for name, port in node.parents if name in names
        )
        words.append(
            f"{node.ref}, {node.stage or 'from outside'}{f', from {parents}' if parents else ''}: {node.summary}"
        )
    return tag("figure", *graphs, tag("figcaption", tag("details", tag("summary", "In words"), bullets(words))))


def _run() -> Markup:
    return tag("section", tag("h2", "Time", id="run-title"), Markup(PLACEHOLDER), id="run", aria_labelledby="run-title")
