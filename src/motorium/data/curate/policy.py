"""From findings to decisions: keep, trim or reject each episode, with a reason and a score.

spec = CurationSpec()
measures = [measure(recording, spec) for recording in recordings]   # each by itself, anywhere
curation = decide(measures, [r.length for r in recordings], spec, fps=30.0)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from motorium.core.errors import SpecError, nearest
from motorium.core.spec import Spec
from motorium.data.curate import CHECKS
from motorium.data.curate.duplicate import clusters
from motorium.data.curate.finding import ERROR, MISSING, WARNING, Check, Finding, Measures
from motorium.data.curate.limits import nested
from motorium.data.curate.recording import Recording
from motorium.data.curate.score import grade
from motorium.data.curate.spans import between

KEEP, TRIM, SPLIT, REJECT = "keep", "trim", "split", "reject"
Repeats = Callable[[int, Sequence[int]], list[list[Finding]]]
# One fault of a sensor or a joint shows in several of these: their warnings count once for all.
ALIKE = ("range", "limits", "smooth", "mismatch", "outlier")


class CurationSpec(Spec):
    """Which checks run, with which limits, and what follows from them."""

    checks: tuple[str, ...] = Field(tuple(CHECKS), description="checks to run, by name")
    limits: dict[str, dict[str, Any]] = Field(
        {},
        description="thresholds to change: {check: {limit: value}}; of joints: {limits: {NAME: [lowest, highest,"
        " largest speed]}}, NAME may be a pattern",
    )
    strict: tuple[str, ...] = Field(("lag",), description="checks whose warnings reject an episode, as errors do")
    trim: bool = Field(True, description="cut idle ends off; if not, they only count against the episode")
    split: bool = Field(
        False,
        description="cut an episode at errors that are local (values missing, time gaps, a frozen camera) and keep the"
        " pieces, instead of rejecting it; pieces end where no demonstration would",
    )
    margin_s: float = Field(0.5, ge=0, description="idle time that is left standing at a cut end")
    min_length_s: float = Field(1.0, ge=0, description="what must be left of an episode after the cut")
    penalty: float = Field(0.7, gt=0, le=1, description="factor on the score for each warning")
    min_score: float = Field(0.3, ge=0, le=1, description="score below which an episode is rejected")

    @field_validator("limits", mode="before")
    @classmethod
    def _joints(cls, limits: Any) -> Any:
        """Limits of joints may stand without the name of their field; the spec is the same."""
        if not isinstance(limits, Mapping) or "limits" not in limits:
            return limits
        return {**limits, "limits": nested(limits["limits"])}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of one episode.

    Attributes:
        action: `keep`, `trim`, `split` or `reject`.
        steps: (start, stop) that are kept, of the first piece to the last; (0, 0) when rejected.
        pieces: (start, stop) of each piece that becomes an episode; none when rejected.
        reason: why it is not kept as it is; empty when it is.
        score: in [0, 1]; 1 without a warning, 0 with an error.
        findings: all that was found, the worst first.
        quality: in [0, 1], continuous: `score` times how far from every threshold the episode is (`score.grade`).
    """

    action: str
    steps: tuple[int, int]
    reason: str
    score: float
    findings: tuple[Finding, ...]
    quality: float = 1.0
    pieces: tuple[tuple[int, int], ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-compatible data."""
        return {
            "action": self.action,
            "steps": list(self.steps),
            "pieces": [list(piece) for piece in self.pieces],
            "reason": self.reason,
            "score": self.score,
            "quality": self.quality,
            "findings": [finding.to_plain() for finding in self.findings],
        }


@dataclass(frozen=True, kw_only=True)
class Curation:
    """Decisions on every episode of a dataset.

    Attributes:
        decisions: one an episode, in order.
        not_checked: {check: {reason: episodes}} where a check had nothing to look at.
        overall: what was found of the dataset as a whole; it decides nothing.
        duplicates: sets of episodes that go the same way, each ascending, in the order of their first.
    """

    decisions: tuple[Decision, ...]
    not_checked: Mapping[str, Mapping[str, int]]
    overall: tuple[Finding, ...] = ()
    duplicates: tuple[tuple[int, ...], ...] = ()

    def counts(self) -> dict[str, int]:
        """Return the number of episodes kept, trimmed (and kept), split where any was, and rejected."""
        found = Counter(decision.action for decision in self.decisions)
        return {action: found[action] for action in (KEEP, TRIM, SPLIT, REJECT) if action != SPLIT or found[action]}

    def reasons(self) -> dict[str, int]:
        """Return how many episodes each check stopped or cut, the most frequent first."""
        found = Counter(d.findings[0].check for d in self.decisions if d.action == REJECT and d.findings)
        found.update("idle ends" for d in self.decisions if d.action == TRIM)
        found.update("split" for d in self.decisions if d.action == SPLIT)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-compatible data."""
        return {
            "counts": self.counts(),
            "reasons": self.reasons(),
            "not_checked": {check: dict(reasons) for check, reasons in self.not_checked.items()},
            "overall": [finding.to_plain() for finding in self.overall],
            "duplicates": [list(members) for members in self.duplicates],
            "decisions": [decision.to_plain() for decision in self.decisions],
        }


def load_checks(spec: CurationSpec) -> list[tuple[Check, Spec]]:
    """Return the checks of `spec`, each with its limits.

    Raises:
        CatalogError: for an unknown check.
        SpecError: for limits of a check that does not run, or that it does not know.
    """
    for field in ("limits", "strict"):
        for name in getattr(spec, field):
            if name not in spec.checks:
                raise SpecError(
                    f"'{name}' is not among the checks",
                    where=field,
                    expected=f"one of: {', '.join(spec.checks)}",
                    nearest=nearest(name, spec.checks),
                )
    checks: list[Check] = [CHECKS.load(name) for name in spec.checks]
    return [
        (check, check.limits.parse(spec.limits.get(check.name, {}), where=f"limits.{check.name}")) for check in checks
    ]


def measure(recording: Recording, spec: CurationSpec) -> dict[str, dict[str, Any]]:
    """Return {check: what it measures} of one episode, as JSON-compatible data."""
    return {check.name: check.measure(recording, limits) for check, limits in load_checks(spec)}


def decide(
    measures: Sequence[Mapping[str, Mapping[str, Any]]],
    lengths: Sequence[int],
    spec: CurationSpec,
    *,
    fps: float,
    groups: Sequence[str] | None = None,
) -> Curation:
    """Judge every episode against the hard limits and its group, and decide.

    Args:
        measures: of every episode, by `measure`.
        lengths: T of every episode.
        spec: as it was measured with.
        fps: steps in a second.
        groups: what each episode is compared with, such as its robot and task; None: all with all.
    """
    labels = list(groups) if groups is not None else [""] * len(measures)
    members: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        members.setdefault(label, []).append(i)
    everything = list(range(len(measures)))
    checks = load_checks(spec)
    found: list[list[Finding]] = [[] for _ in measures]
    not_checked: dict[str, dict[str, int]] = {}
    overall: list[Finding] = []
    for check, limits in checks:
        mine = [one[check.name] for one in measures]
        missing = Counter(one[MISSING] for one in mine if MISSING in one)
        if missing:
            not_checked[check.name] = dict(sorted(missing.items()))
        for indices in [everything] if check.across else [members[label] for label in sorted(members)]:
            for i, findings in zip(indices, check.judge([mine[i] for i in indices], limits)):
                found[i] += [_renumbered(finding, indices) for finding in findings]
        overall += check.overall(mine, limits) if check.overall is not None else []
    grades = np.ones(len(measures))
    by_name = {check.name: limits for check, limits in checks}
    for label in sorted(members):
        grades[members[label]] = grade([measures[i] for i in members[label]], by_name)
    kin = _kin(found)
    _let_some_stay(found, kin, _repeats(checks, measures), lambda i, alone: _decision(alone, lengths[i], spec, fps))
    decisions = []
    for findings, length, graded in zip(found, lengths, grades.tolist()):
        decision = _decision(findings, length, spec, fps)
        decisions.append(replace(decision, quality=0.0 if decision.action == REJECT else decision.score * graded))
    return Curation(decisions=tuple(decisions), not_checked=not_checked, overall=tuple(overall), duplicates=kin)


def _renumbered(finding: Finding, indices: Sequence[int]) -> Finding:
    """The finding with `others` numbered as the dataset, of a group of the episodes `indices`."""
    return replace(finding, others=tuple(indices[k] for k in finding.others)) if finding.others else finding


def _kin(found: Sequence[Sequence[Finding]]) -> tuple[tuple[int, ...], ...]:
    """Sets of episodes that findings name together, each ascending."""
    pairs = [(i, other, 0.0) for i, findings in enumerate(found) for finding in findings for other in finding.others]
    return tuple(sorted({members for members in clusters(len(found), pairs) if len(members) > 1}))


def _repeats(checks: Sequence[tuple[Check, Spec]], measures: Sequence[Mapping[str, Measures]]) -> Repeats:
    """What the checks say of episodes that repeat one that stays."""
    asked = [(one, limits, [each[one.name] for each in measures]) for one, limits in checks if one.repeats is not None]

    def repeats(kept: int, candidates: Sequence[int]) -> list[list[Finding]]:
        said = [check.repeats(mine, limits, kept, candidates) for check, limits, mine in asked if check.repeats]
        return [[finding for finding in each if finding is not None] for each in zip(*said)]

    return repeats


def _let_some_stay(
    found: Sequence[list[Finding]],
    kin: Sequence[Sequence[int]],
    repeats: Repeats,
    decided: Callable[[int, Sequence[Finding]], Decision],
) -> None:
    """Let an episode of each set stay, the best of the fit ones, of equals the earliest; and of those that do not
    repeat it the next: the ends of a chain of near-duplicates differ. What repeats one is said to repeat that one.
    """
    for members in kin:
        for i in members:
            found[i][:] = [finding for finding in found[i] if not finding.others]
        decisions = {i: decided(i, found[i]) for i in members}
        # By the score, not the quality: between copies that is noise.
        waiting = sorted(members, key=lambda i: (decisions[i].action == REJECT, -decisions[i].score, i))
        while waiting and decisions[waiting[0]].action != REJECT:
            kept, *rest = waiting
            waiting = []
            for i, findings in zip(rest, repeats(kept, rest)):
                found[i] += findings
                waiting += [] if findings else [i]


def _decision(findings: Sequence[Finding], length: int, spec: CurationSpec, fps: float) -> Decision:
    rank = {ERROR: 0, WARNING: 1}

    def weight(finding: Finding) -> int:
        return 0 if finding.severity == WARNING and finding.check in spec.strict else rank.get(finding.severity, 2)

    ordered = tuple(sorted(findings, key=weight))
    fatal = [finding for finding in ordered if weight(finding) == 0]
    ends = [f for f in ordered if spec.trim and f.check == "idle" and f.steps is not None and f.severity == WARNING]
    # A cut episode is no longer as long, as slow or as still as it was found to be.
    settled = {"length", "mismatch", "outlier", "truncated"} if ends else set()
    marked = [f.check for f in ordered if f.severity == WARNING and f not in ends and f.check not in settled]
    marks = sum(check not in ALIKE for check in marked) + any(check in ALIKE for check in marked)
    score = 0.0 if fatal else spec.penalty**marks
    start, stop = _cut(ends, length, round(spec.margin_s * fps))
    least = spec.min_length_s * fps
    local = spec.split and fatal and all(finding.spans for finding in fatal)
    if local:
        score = spec.penalty ** (marks + 1)
        cuts = [span for finding in fatal for span in finding.spans]
        pieces = between(start, stop, cuts, math.ceil(least))
    else:
        pieces = [(start, stop)]
    if fatal and not (local and pieces):
        reason, score = "; ".join(finding.message for finding in fatal), 0.0
    elif score < spec.min_score:
        reason = f"score {score:.2f}: " + "; ".join(finding.message for finding in ordered)
    elif pieces[-1][1] - pieces[0][0] < least:
        reason = f"{(stop - start) / fps:.1f} s would be left of {length / fps:.1f} s"
    else:
        changed = pieces != [(0, length)]
        action = SPLIT if local else TRIM if changed else KEEP
        why = [finding.message for finding in (*(fatal if local else ()), *ends)] if changed else []
        return Decision(
            action=action,
            steps=(pieces[0][0], pieces[-1][1]),
            pieces=tuple(pieces),
            reason="; ".join(why),
            score=score,
            findings=ordered,
        )
    return Decision(action=REJECT, steps=(0, 0), reason=reason, score=score, findings=ordered)


def _cut(ends: Sequence[Finding], length: int, margin: int) -> tuple[int, int]:
    """(start, stop) without the idle ends, but for `margin` steps of each."""
    start, stop = 0, length
    for finding in ends:
        first, last = finding.steps
        if first == 0:
            start = max(0, last - margin)
        else:
            stop = min(length, first + margin)
    return start, max(start, stop)
