"""Sections on what was measured beside success: training curves, open-loop errors, curation, facts."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from motorium.report import parts
from motorium.report.charts import chart_svg, legend
from motorium.report.content import Chart, Curation, CurationRow, ErrorTable, Facts, MeasureTable, Still, finite
from motorium.report.markup import Markup, join, tag
from motorium.report.numbers import count_text, interval_text, level_text
from motorium.report.parts import Column

CURVE_WIDTH, CURVE_HEIGHT, CURVE_POINTS, LEAST_MARK = 160, 32, 160, 1.5
ACTIONS = {
    "keep": ("kept", "good"),
    "trim": ("trimmed", "warn"),
    "split": ("split", "warn"),
    "reject": ("rejected", "bad"),
}
TONES = {"kept": "good", "trimmed": "warn", "split": "warn", "rejected": "bad"}


def charts(items: Sequence[Chart], key: str = "chart") -> Markup:
    """Return curves, each with its legend, caption and a sentence for screen readers; `key` is the section's own."""
    figures = []
    for number, chart in enumerate(items, 1):
        figures.append(
            tag(
                "figure",
                tag("h3", chart.title),
                parts.legend(legend(chart)) if len(chart.series) > 1 else None,
                tag("div", chart_svg(chart, f"{key}{number}"), role="img", aria_label=_said(chart), class_="chart"),
                tag("figcaption", chart.caption) if chart.caption else None,
                class_="panel",
            )
        )
    return tag("div", *figures, class_="grid")


def _said(chart: Chart) -> str:
    ends = []
    for series in chart.series:
        y = finite(series.y)
        known = y[np.isfinite(y)]
        if len(known):
            ends.append(f"{series.name} from {known[0]:.3g} to {known[-1]:.3g}, least {known.min():.3g}")
    return f"{chart.title}: {'; '.join(ends)}"


def measures(tables: Sequence[MeasureTable]) -> Markup:
    """Return tables of numbers with their intervals."""
    return tag("div", *[_measures(table) for table in tables], class_="grid broad")


def _measures(table: MeasureTable) -> Markup:
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", tag("span", interval_text(one), tag("small", f"n = {one.n}")), class_="said"),
        )
        for name, one in table.rows.items()
    ]
    inner = tag("table", tag("caption", table.title), tag("tbody", *rows), class_="compact")
    return tag("figure", inner, tag("figcaption", table.caption) if table.caption else None, class_="panel")


def errors(tables: Sequence[ErrorTable]) -> Markup:
    """Return open-loop errors: numbers, and whiskers on one scale for each unit of a table."""
    return join(_errors(table) for table in tables)


def _errors(table: ErrorTable) -> Markup:
    names = list(dict.fromkeys(name for row in table.rows for name in row.baselines))
    scales = {unit: parts.scale_to(bounds, unit) for unit, bounds in _bounds(table).items()}
    one = next(iter(scales.values())) if len(scales) == 1 else None
    columns = [
        Column("Joint", 23, "name"),
        Column("Errors", 29, "figure", parts.axis(one) if one else None),
        Column("Numbers", 33, "number"),
        Column("Verdict", 15),
    ]
    cells = []
    for row in table.rows:
        lines = [("policy", row.policy), *((name, row.baselines[name]) for name in names if name in row.baselines)]
        said = [tag("span", interval_text(interval), tag("small", name)) for name, interval in lines]
        verdict = parts.badge(row.verdict, row.tone) if row.verdict else None
        cells.append(
            [row.name, parts.whisker(lines, scales[row.policy.unit]), tag("div", *said, class_="said"), verdict]
        )
    note = level_text([row.policy for row in table.rows])
    ends = ", ".join(f"0 to {scale.marks[-1][1]}" for scale in scales.values())
    said = f"{f'Scales: {ends}. ' if not one else ''}{f'Tick: estimate; band: {note}.' if note else ''}"
    colours = [(name, f"var(--s{number})") for number, name in enumerate(["policy", *names], 1)]
    return tag(
        "figure",
        tag("h3", table.title),
        parts.legend(colours) if names else None,
        parts.table(columns, cells),
        tag("figcaption", join([table.caption, " " if table.caption else "", said])),
    )


def _bounds(table: ErrorTable) -> dict[str | None, list[float]]:
    bounds: dict[str | None, list[float]] = {}
    for row in table.rows:
        for interval in (row.policy, *row.baselines.values()):
            known = [bound for bound in (interval.value, interval.high) if bound is not None]
            bounds.setdefault(row.policy.unit, []).extend(known)
    return bounds


def curation(items: Sequence[Curation]) -> Markup:
    """Return what became of the recorded episodes, and why."""
    return join(_curation(item) for item in items)


def _curation(item: Curation) -> Markup:
    total = sum(item.counts.values())
    bar = [
        tag("i", class_=TONES.get(name, "plain"), style=f"width:{100 * count / total:.2f}%")
        for name, count in item.counts.items()
        if count
    ]
    said = ", ".join(f"{count} {name}" for name, count in item.counts.items())
    share = tag("div", *bar, class_="share", role="img", aria_label=said) if total else None
    columns = [
        Column("Episode", 12, "name"),
        Column("Became", 14),
        Column("Findings", 48, "wide"),
        Column("Signal", 26, "figure"),
    ]
    cells = []
    for row in item.rows:
        word, tone = ACTIONS[row.action]
        score = tag("small", f"score {row.score:.2f}") if row.score is not None else None
        shown = [curve(row), stills(row)]
        cells.append([row.episode, [parts.badge(word, tone), score], _findings(row.findings), shown])
    unchecked = tag(
        "details",
        tag("summary", f"Not checked ({len(item.not_checked)})"),
        parts.bullets(item.not_checked),
    )
    checks = ", ".join(f"{name} {count}" for name, count in item.by_check.items())
    return join(
        [
            tag("h3", item.dataset) if item.dataset else None,
            tag("p", f"{count_text(total, 'episode')}: {said}."),
            share,
            parts.bullets(item.alarms, "missing") if item.alarms else None,
            parts.bullets(item.overall) if item.overall else None,
            tag("p", f"Episodes with findings, by check: {checks}.") if checks else None,
            tag("p", _shown(item), class_="soft") if cells else None,
            parts.table(columns, cells) if cells else None,
            unchecked if item.not_checked else None,
        ]
    )


def _findings(lines: Sequence[str]) -> Markup:
    """A list of findings, each with the check that made it in front."""
    split = [line.partition(": ") for line in lines]
    items = [tag("li", tag("b", f"{check}: "), rest) if rest else tag("li", check) for check, _, rest in split]
    return tag("ul", *items, class_="plain")


def _shown(item: Curation) -> str:
    """Which episodes the table shows, and what their lines are."""
    more = item.flagged > len(item.rows)
    said = f"The {len(item.rows)} of {item.flagged} with findings that score lowest." if more else "All with findings."
    drawn = [row for row in item.rows if row.curve is not None]
    if drawn:
        said += f" Line: {drawn[0].curve_label}"
        said += "; shaded: where a finding is." if any(row.marks for row in drawn) else "."
    return said


def stills(row: CurationRow) -> Markup | None:
    """Return the pictures of an episode side by side, each with its caption; None without any."""
    if not row.stills:
        return None
    return tag("div", *[_still(one) for one in row.stills], class_="stills")


def _still(one: Still) -> Markup:
    source = f"data:image/jpeg;base64,{base64.b64encode(one.data).decode()}"
    return tag("figure", tag("img", src=source, alt=one.alt, loading="lazy"), tag("figcaption", one.caption))


def curve(row: CurationRow) -> Markup:
    """Return an episode's signal as a small line with the marked spans behind it; nothing without a signal."""
    if row.curve is None:
        return Markup("")
    y = finite(row.curve)
    known = np.isfinite(y)
    if known.sum() < 2:
        return Markup("")
    low, high = float(y[known].min()), float(y[known].max())
    span, last = (high - low) or 1.0, len(y) - 1
    shown = np.unique(np.linspace(0, last, min(len(y), CURVE_POINTS)).round().astype(int))
    points = [
        f"{i / last * CURVE_WIDTH:.1f},{(1 - (y[i] - low) / span) * (CURVE_HEIGHT - 4) + 2:.1f}"
        for i in shown
        if known[i]
    ]
    marks = [
        tag(
            "rect",
            x=f"{start / last * CURVE_WIDTH:.1f}",
            y=0,
            width=f"{max((stop - start) / last * CURVE_WIDTH, LEAST_MARK):.1f}",
            height=CURVE_HEIGHT,
        )
        for start, stop in row.marks
    ]
    said = f"{row.curve_label} of episode {row.episode}, {low:.3g} to {high:.3g}"
    said += f"; marked: steps {', '.join(f'{a} to {b}' for a, b in row.marks)}" if row.marks else ""
    return tag(
        "svg",
        tag("title", said),
        *marks,
        tag("polyline", points=" ".join(points)),
        viewBox=f"0 0 {CURVE_WIDTH} {CURVE_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        class_="curve",
    )


def facts(items: Sequence[Facts]) -> Markup:
    """Return tables of names and values."""
    tables = []
    for item in items:
        rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in item.rows.items()]
        tables.append(tag("div", tag("h3", item.title), tag("dl", *rows, class_="facts"), class_="panel"))
    return tag("div", *tables, class_="grid")
