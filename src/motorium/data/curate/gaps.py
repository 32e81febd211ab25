"""gaps: steps for which a stream had no sample: their share, and the longest run of them.

Ingestion marks them (`<feature>.valid`); nothing was filled in. Tracked objects come and go, and are not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.companions import VALID
from motorium.data.curate.finding import ERROR, MISSING, WARNING, Check, Finding, Measures, judge_each
from motorium.data.curate.idle import longest_run
from motorium.data.curate.recording import ACTION, Recording
from motorium.data.curate.spans import spans

OBJECTS = "objects."


class GapsLimits(Spec):
    """Thresholds of `gaps`; all hard: a sample is there or it is not."""

    max_share: float = Field(0.05, ge=0, le=1, description="share of steps without a sample")
    max_run_s: float = Field(0.5, gt=0, description="longest time without one")
    useless: float = Field(0.5, ge=0, le=1, description="share without a sample from which an episode is not fit")
    max_action_share: float = Field(0.2, ge=0, le=1, description="the same for the action: it is what is learned")


def measure(recording: Recording, limits: GapsLimits) -> dict:
    """Return, by feature with a mask, the share of steps with an element missing, and the longest run (s, steps)."""
    found = {}
    for name in sorted(recording.arrays):
        key = name.removesuffix(VALID)
        if key == name or key.startswith(OBJECTS) or recording.arrays[name].dtype.kind != "b":
            continue
        gone = ~np.asarray(recording.arrays[name], bool).reshape(recording.length, -1)
        start, stop = longest_run(gone.any(axis=1))
        element = int(gone.sum(axis=0).argmax())
        names = recording.element_names(key)
        found[key] = {
            "share": float(gone.any(axis=1).mean()),
            "run_s": (stop - start) / recording.fps,
            "steps": [start, stop],
            "places": [[a, b] for a, b in spans(gone.any(axis=1)) if (b - a) / recording.fps > limits.max_run_s],
            "worst": names[element] if element < len(names) else f"element {element}",
        }
    return {"features": found} if found else {MISSING: "nothing is marked as missing or there"}


def judge(measures: Sequence[Measures], limits: GapsLimits) -> list[list[Finding]]:
    """Return an error for a feature that is mostly missing, a warning for a large share or a long run."""
    return judge_each(
        measures, lambda one: [found for key, gap in one["features"].items() for found in _judge(key, gap, limits)]
    )


def _judge(key: str, gap: Measures, limits: GapsLimits) -> list[Finding]:
    places: tuple[tuple[int, int], ...] = ()
    useless = limits.max_action_share if key == ACTION else limits.useless
    most = f"'{key}' has no sample in {gap['share']:.1%} of the steps, most of all {gap['worst']}"
    if gap["share"] > useless:
        value, threshold, unit, severity, message = gap["share"], useless, "1", ERROR, most
    elif gap["run_s"] > limits.max_run_s:
        places = tuple((a, b) for a, b in gap["places"])
        message = f"'{key}' has no sample for {gap['run_s']:.2f} s"
        value, threshold, unit, severity = gap["run_s"], limits.max_run_s, "s", WARNING
    elif gap["share"] > limits.max_share:
        value, threshold, unit, severity, message = gap["share"], limits.max_share, "1", WARNING, most
    else:
        return []
    fields = {"value": value, "threshold": threshold, "unit": unit, "message": message}
    return [Finding(check="gaps", severity=severity, steps=tuple(gap["steps"]), spans=places, **fields)]


CHECK = Check(name="gaps", limits=GapsLimits, measure=measure, judge=judge)
