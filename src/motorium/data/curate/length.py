"""length: episodes too short to hold anything, and those far shorter or longer than the group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import ERROR, WARNING, Check, Finding, Measures, robust_z, table
from motorium.data.curate.recording import Recording


class LengthLimits(Spec):
    """Thresholds of `length`."""

    min_s: float = Field(0.5, ge=0, description="shortest episode")
    z: float = Field(3.5, gt=0, description="robust z-score of the logarithm of the length")


def measure(recording: Recording, limits: LengthLimits) -> dict:
    """Return the length in seconds."""
    return {"length_s": recording.length / recording.fps}


def judge(measures: Sequence[Measures], limits: LengthLimits) -> list[list[Finding]]:
    """Return an error for an episode under the hard limit, a warning for one far from the group."""
    seconds = table(measures, "length_s")
    z = robust_z(np.log(np.maximum(seconds, 1e-3)), 0.05)
    median = float(np.median(seconds)) if len(seconds) else 0.0
    findings: list[list[Finding]] = [[] for _ in measures]
    for i, (length, far) in enumerate(zip(seconds.tolist(), z.tolist())):
        if length < limits.min_s:
            value, threshold, unit, severity = length, limits.min_s, "s", ERROR
        elif abs(far) > limits.z:
            value, threshold, unit, severity = far, limits.z, "MAD", WARNING
        else:
            continue
        message = f"{length:.1f} s long, the group's median is {median:.1f} s"
        findings[i].append(
            Finding(check="length", severity=severity, value=value, threshold=threshold, unit=unit, message=message)
        )
    return findings


CHECK = Check(name="length", limits=LengthLimits, measure=measure, judge=judge)
