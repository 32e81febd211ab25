"""What a report page is made of: plain data that the caller fills; empty parts are left off the page.

Proportions are in [0, 1]. Strings are text, never HTML. The order of every tuple is the order on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Tone = Literal["good", "bad", "warn", "plain"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number with its interval.

    Attributes:
        value: the estimate; None where there is nothing to estimate it from.
        low, high: bounds; None where the data allow none.
        n: episodes or pairs it rests on.
        level: confidence level.
        unit: `1` for a proportion in [0, 1], which is shown in per cent; `rad`, `m`, ...; None: not known.
        method: how the interval was made (`Wilson`).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    level: float = 0.95
    unit: str | None = "1"
    method: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A judgement at the top of the page: `improved` in words, and the sentence that explains it."""

    text: str
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One of the few numbers a reader should remember."""

    label: str
    value: str
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage of the run.

    Attributes:
        stage: its name in the recipe.
        ref: of its artifact, `dataset/3f2a81c09b44`.
        result: its one line.
        command: what runs it again.
    """

    stage: str
    ref: str
    result: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Node:
    """One artifact in the lineage graph.

    Attributes:
        id: unique.
        ref: `dataset/3f2a81c09b44`.
        stage: that made it, or None where it came from outside.
        kind: `dataset`, `policy`, `report`, `bundle`, `page`; colours the node.
        summary: one line.
        parents: (id, port) of what it was made from.
    """

    id: str
    ref: str
    kind: str
    stage: str | None = None
    summary: str = ""
    parents: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SuccessRow:
    """Success rate of one arm.

    Attributes:
        name: of the arm.
        success: with its interval.
        control: the arm the others are compared with.
        seeds: `10000-10511`.
        detail: what the arm is (data, policy).
    """

    name: str
    success: Interval
    control: bool = False
    seeds: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One comparison between two arms.

    Attributes:
        baseline, candidate: names of the arms.
        verdict: `improved`, `regressed`, `held`, `underpowered`.
        difference: candidate minus baseline, of success rates.
        p_value: of no difference; None where there is no test.
        detail: test, pairing and counts in words.
        tone: of the verdict.
    """

    baseline: str
    candidate: str
    verdict: str
    difference: Interval
    p_value: float | None = None
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True)
class BinRow:
    """Success in one part of a start condition's range; `failures` counts them by reason, `measures` are by name."""

    label: str
    success: Interval
    failures: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Success by one start condition of one arm."""

    factor: str
    bins: tuple[BinRow, ...]
    arm: str = ""


@dataclass(frozen=True, kw_only=True)
class FailureRow:
    """One way to fail.

    Attributes:
        reason: name of the outcome.
        count: of episodes.
        rate: of all episodes.
        seeds: of these episodes, `10017,10210-10212`.
        command: what replays them.
        arm: name of the arm.
    """

    reason: str
    count: int
    rate: Interval
    seeds: str = ""
    command: str = ""
    arm: str = ""


@dataclass(frozen=True, kw_only=True)
class Media:
    """A picture or a video of an episode.

    Attributes:
        data: bytes of the file.
        type: `video/mp4`, `image/png` or `image/jpeg`.
        alt: what is seen, for those who cannot see it.
        title: short caption (`seed 10017`).
        outcome: `success`, `dropped`, ...; empty where it has none.
        tone: of the outcome.
        detail: further text of the caption.
        command: what replays the episode.
        width, height: pixels, so that the page does not jump while it loads; 0 where not known.
    """

    data: bytes
    type: Literal["video/mp4", "image/png", "image/jpeg"]
    alt: str
    title: str = ""
    outcome: str = ""
    tone: Tone = "plain"
    detail: str = ""
    command: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a chart: x (n,) and y (n,), numbers; values that are not finite leave a gap.

    `low` and `high` (n,), where given, are the ends of a band about it: an interval, or the spread over seeds.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves over a common axis; at most six series.

    Attributes:
        title: heading of the figure.
        series: the lines.
        x_label, y_label: with units.
        log_y: logarithmic y axis; values at or below zero leave a gap.
        caption: what the reader should see.
        shaded: (from, to) of the x axis to stand out; None: nothing does.
        y_range: (least, greatest) of the y axis; None: as the lines need it.
        points: mark each point: the lines between them are a guide to the eye.
    """

    title: str
    series: tuple[Series, ...]
    x_label: str = "step"
    y_label: str = ""
    log_y: bool = False
    caption: str = ""
    shaded: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    points: bool = False


@dataclass(frozen=True, kw_only=True)
class MeasureTable:
    """Numbers with intervals by name: of one policy, beside its success."""

    title: str
    rows: Mapping[str, Interval]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class ErrorRow:
    """Error of one joint, or of a group of them, of the policy and the baselines.

    Attributes:
        name: of the joint.
        policy: error of the policy.
        baselines: {name: error}; the same names in every row of a table.
        verdict: `beats both`, ...
        tone: of the verdict.
    """

    name: str
    policy: Interval
    baselines: Mapping[str, Interval] = field(default_factory=dict)
    verdict: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True)
class ErrorTable:
    """Errors with intervals, a row a joint, in the unit of each."""

    title: str
    rows: tuple[ErrorRow, ...]
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Still:
    """One picture: a JPEG's bytes, what it shows in words, and the few words under it."""

    data: bytes
    alt: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class CurationRow:
    """What curation said of one episode.

    Attributes:
        episode: its name or number.
        action: `keep`, `trim`, `split`, `reject`.
        findings: one line each, the worst first.
        score: in [0, 1], or None.
        curve: (T,) some signal of the episode (speed), to be drawn small; None for none.
        marks: (start, stop) steps of the curve that the findings are about.
        curve_label: what the curve is.
        stills: pictures of the episode where the findings are.
    """

    episode: str
    action: Literal["keep", "trim", "split", "reject"]
    findings: tuple[str, ...] = ()
    score: float | None = None
    curve: ArrayLike | None = None
    marks: tuple[tuple[int, int], ...] = ()
    curve_label: str = "speed"
    stills: tuple[Still, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Curation:
    """What curation did to one dataset.

    Attributes:
        counts: episodes by what became of them (`kept`, `trimmed`, `rejected`).
        rows: the episodes worth showing; those kept without a finding may be left out.
        not_checked: what could not be checked, one line each.
        dataset: its name, where there are several.
        by_check: episodes with findings, by check.
        flagged: episodes with findings, shown or not.
        alarms: what was found of the dataset as a whole and should be seen, one line each.
        overall: what else is to be said of it as a whole, one line each.
    """

    counts: Mapping[str, int]
    rows: tuple[CurationRow, ...] = ()
    by_check: Mapping[str, int] = field(default_factory=dict)
    flagged: int = 0
    alarms: tuple[str, ...] = ()
    overall: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    dataset: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A table of names and values: seeds, hashes, versions, conventions."""

    title: str
    rows: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything on a report page.

    Attributes:
        title: of the run.
        subtitle: one sentence: what was done, on what.
        command: what runs the whole recipe again.
        verdicts, headlines: what a reader should take away.
        stages: the table of the run.
        lineage: artifacts and what they were made from; parents that are not among them are left out.
        success, comparisons: arms and their differences.
        measures: returns, reward terms, metrics.
        breakdowns, failures: where and why it fails.
        attacks: success under what is made worse step by step.
        media: pictures and videos.
        charts: training curves.
        errors: open-loop errors.
        curation: findings in the data.
        missing: what is not there and should be known, one line each.
        notes: further remarks, one line each.
        facts: seeds, hashes, versions.
    """

    title: str
    subtitle: str = ""
    command: str = ""
    verdicts: tuple[Verdict, ...] = ()
    headlines: tuple[Headline, ...] = ()
    stages: tuple[StageRow, ...] = ()
    lineage: tuple[Node, ...] = ()
    success: tuple[SuccessRow, ...] = ()
    comparisons: tuple[ComparisonRow, ...] = ()
    measures: tuple[MeasureTable, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    failures: tuple[FailureRow, ...] = ()
    attacks: tuple[Chart, ...] = ()
    media: tuple[Media, ...] = ()
    charts: tuple[Chart, ...] = ()
    errors: tuple[ErrorTable, ...] = ()
    curation: tuple[Curation, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[Facts, ...] = ()


def finite(values: ArrayLike) -> np.ndarray:
    """Return values as a (n,) float64 array."""
    return np.asarray(values, np.float64).reshape(-1)
