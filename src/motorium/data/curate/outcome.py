"""outcome: attempts that say of themselves that they failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from motorium.core.spec import Spec
from motorium.data.curate.finding import ERROR, MISSING, Check, Finding, Measures, judge_each
from motorium.data.curate.recording import Recording

SUCCESS = "success"


class OutcomeLimits(Spec):
    """`outcome` has no threshold."""


def measure(recording: Recording, limits: OutcomeLimits) -> dict:
    """Return the outcome by `meta` (`outcome`, or `success`), else by the column `next.success`."""
    meta = recording.meta
    if meta.get("outcome") is not None:
        return {"outcome": str(meta["outcome"])}
    if meta.get(SUCCESS) is not None:
        return {"outcome": SUCCESS if meta[SUCCESS] else "failure"}
    if "next.success" in recording.arrays:
        return {"outcome": SUCCESS if np.asarray(recording.arrays["next.success"]).any() else "failure"}
    return {MISSING: "no outcome is recorded"}


def judge(measures: Sequence[Measures], limits: OutcomeLimits) -> list[list[Finding]]:
    """Return an error for each attempt that did not succeed."""
    return judge_each(
        measures,
        lambda one: (
            []
            if one["outcome"] == SUCCESS
            else [
                Finding(
                    check="outcome",
                    severity=ERROR,
                    value=0,
                    threshold=1,
                    unit="1",
                    message=f"the attempt ended in '{one['outcome']}'",
                )
            ]
        ),
    )


CHECK = Check(name="outcome", limits=OutcomeLimits, measure=measure, judge=judge)
