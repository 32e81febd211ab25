"""Sections on the run and on what the policies do: stages, success, start conditions, failures, episodes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from motorium.report import parts
from motorium.report.content import (
    Breakdown,
    ComparisonRow,
    FailureRow,
    Headline,
    Media,
    StageRow,
    SuccessRow,
    Verdict,
)
from motorium.report.markup import Markup, join, tag
from motorium.report.numbers import count_text, interval_text, level_text, p_text
from motorium.report.parts import PROPORTION, Column


def verdicts(rows: Sequence[Verdict]) -> Markup:
    """Return the judgements, each with its sentence."""
    items = [tag("li", parts.badge(row.text, row.tone), tag("span", row.detail)) for row in rows]
    return tag("ul", *items, class_="verdicts") if items else Markup("")


def headlines(rows: Sequence[Headline]) -> Markup:
    """Return the few numbers a reader should remember."""
    tiles = [
        tag(
            "div",
            tag("dt", row.label),
            tag("dd", tag("strong", row.value, class_=row.tone), tag("span", row.detail) if row.detail else None),
        )
        for row in rows
    ]
    return tag("dl", *tiles, class_="tiles")


def stages(rows: Sequence[StageRow], anchors: Mapping[str, str]) -> Markup:
    """Return the table of the run; `anchors` is {ref: element id}."""
    columns = [
        Column("Stage", 15, "name"),
        Column("Artifact", 21),
        Column("Result, and how to get it again", 64, "wide"),
    ]
    cells = [
        [
            row.stage,
            tag("code", row.ref),
            [tag("p", row.result), parts.command(row.command, f"Copy the command of {row.stage}")],
        ]
        for row in rows
    ]
    return parts.table(columns, cells, ids=[anchors[row.ref] for row in rows])


def success(rows: Sequence[SuccessRow], comparisons: Sequence[ComparisonRow]) -> Markup:
    """Return success rates as dots with whiskers, and the comparisons between arms."""
    columns = [
        Column("Policy", 34, "name"),
        Column("Success", 26, "number"),
        Column("0 to 100 %", 40, "figure", parts.axis(PROPORTION)),
    ]
    cells = [
        [
            [
                row.name,
                " ",
                parts.badge("control") if row.control else None,
                tag("small", row.detail) if row.detail else None,
            ],
            [
                tag("strong", interval_text(row.success)),
                tag("small", f"n = {row.success.n}", ", " if row.seeds else "", parts.seeds(row.seeds)),
            ],
            parts.whisker([("", row.success)], PROPORTION),
        ]
        for row in rows
    ]
    note = level_text([row.success for row in rows])
    figure = tag(
        "figure", parts.table(columns, cells), tag("figcaption", f"Tick: estimate; band: {note}.") if note else None
    )
    return join([figure if rows else None, _comparisons(comparisons) if comparisons else None])


def _comparisons(rows: Sequence[ComparisonRow]) -> Markup:
    columns = [
        Column("Comparison", 30, "name"),
        Column("Verdict", 14),
        Column("Difference", 24, "number"),
        Column("Test", 32, "wide"),
    ]
    cells = [
        [
            f"{row.baseline} → {row.candidate}",
            parts.badge(row.verdict, row.tone),
            interval_text(row.difference, signed=True),
            [
                p_text(row.p_value) if row.p_value is not None else None,
                tag("small", row.detail) if row.detail else None,
            ],
        ]
        for row in rows
    ]
    # Their level is not that of the rates above: several comparisons share one alpha.
    note = level_text([row.difference for row in rows])
    return parts.table(columns, cells, caption=f"Comparisons; in brackets: {note}" if note else "Comparisons")


def breakdowns(items: Sequence[Breakdown]) -> Markup:
    """Return success by start condition: a panel a condition, arms beside each other where their ranges agree."""
    panels: dict[tuple, list[Breakdown]] = {}
    for item in items:
        panels.setdefault((item.factor, tuple(part.label for part in item.bins)), []).append(item)
    arms = list(dict.fromkeys(item.arm for item in items))
    legend = parts.legend([(arm, f"var(--s{number})") for number, arm in enumerate(arms, 1)]) if len(arms) > 1 else None
    return join([legend, tag("div", *[_breakdown(group, arms) for group in panels.values()], class_="grid broad")])


def _breakdown(group: Sequence[Breakdown], arms: Sequence[str]) -> Markup:
    rows, failed, measured = [], [], []
    for number, label in enumerate(part.label for part in group[0].bins):
        parted = [(item.arm, item.bins[number]) for item in group]
        lines = [(arm, part.success) for arm, part in parted]
        said = [
            tag(
                "span",
                interval_text(part.success) if part.success.n else "no episodes",
                tag("small", f"n = {part.success.n}"),
            )
            for _, part in parted
        ]
        colours = [arms.index(arm) + 1 for arm, _ in parted]
        rows.append(
            tag(
                "tr",
                tag("th", label, scope="row"),
                tag("td", parts.whisker(lines, PROPORTION, colours), class_="figure"),
                tag("td", *said, class_="said"),
            )
        )
        for arm, part in parted:
            if part.failures:
                reasons = ", ".join(f"{count} {reason}" for reason, count in part.failures.items())
                failed.append(f"{label}{f', {arm}' if arm else ''}: {reasons}")
            if part.measures and part.success.n:
                numbers = "; ".join(f"{name} {interval_text(one)}" for name, one in part.measures.items())
                measured.append(f"{label}{f', {arm}' if arm else ''}: {numbers} (n = {part.success.n})")
    head = tag(
        "tr",
        tag("th", "Range", scope="col"),
        tag("th", tag("span", "0 to 100 %", class_="unseen"), parts.axis(PROPORTION), scope="col", class_="figure"),
        tag("th", "Success", scope="col", class_="said"),
    )
    inner = tag(
        "table", tag("caption", group[0].factor), tag("thead", head), tag("tbody", *rows), class_="compact breakdown"
    )
    folded = (("Failures by range", failed), ("Measures by range", measured))
    notes = [tag("details", tag("summary", title), parts.bullets(lines)) for title, lines in folded if lines]
    return tag("figure", inner, tag("figcaption", *notes) if notes else None, class_="panel")


def failures(rows: Sequence[FailureRow]) -> Markup:
    """Return failures by reason, by arm, on one scale."""
    bounds = [b for row in rows for b in (row.rate.high, row.rate.value) if b is not None]
    scale = parts.scale_to(bounds, "1")
    end = scale.marks[-1][1]
    columns = [
        Column("Reason", 16, "name"),
        Column("Rate", 20, "number"),
        Column(f"0 to {end}", 24, "figure", parts.axis(scale)),
        Column("Episodes, and how to see them again", 40, "wide"),
    ]
    out = []
    for arm, group in parts.grouped(rows, "arm"):
        cells = [
            [
                row.reason,
                [tag("strong", interval_text(row.rate)), tag("small", count_text(row.count, "episode"))],
                parts.whisker([("", row.rate)], scale) if row.rate.value is not None else None,
                [
                    tag("p", parts.seeds(row.seeds)) if row.seeds else None,
                    parts.command(row.command, f"Copy the command that replays {row.reason}"),
                ],
            ]
            for row in group
        ]
        out.append(join([tag("h3", arm) if arm else None, parts.table(columns, cells)]))
    return join(out)


def media(items: Sequence[Media]) -> Markup:
    """Return pictures and videos with their captions."""
    return tag("div", *[_medium(item) for item in items], class_="media")


def _medium(item: Media) -> Markup:
    source = f"data:{item.type};base64,{base64.b64encode(item.data).decode()}"
    size = {"width": item.width or None, "height": item.height or None}
    if item.type == "video/mp4":
        shown = tag(
            "video",
            tag("p", item.alt),
            src=source,
            controls=True,
            loop=True,
            muted=True,
            playsinline=True,
            preload="metadata",
            aria_label=item.alt,
            **size,
        )
    else:
        shown = tag("img", src=source, alt=item.alt, loading="lazy", **size)
    replay = tag("details", tag("summary", "Replay"), parts.command(item.command)) if item.command else None
    line = tag(
        "p",
        parts.badge(item.outcome, item.tone) if item.outcome else None,
        tag("strong", item.title) if item.title else None,
    )
    detail = tag("p", item.detail, class_="soft") if item.detail else None
    return tag("figure", shown, tag("figcaption", line, detail, replay), class_="medium")


def media_intro(items: Sequence[Media]) -> str:
    """Return how many of what are shown."""
    videos = sum(item.type == "video/mp4" for item in items)
    pictures = len(items) - videos
    said = [count_text(videos, "video")] * bool(videos) + [count_text(pictures, "picture")] * bool(pictures)
    return f"{' and '.join(said)}, inside this file."
