"""jump: a step of the state that its neighbours do not share: a teleport, an unwrapped angle, a dropped stretch.

A step counts by how much it is longer than the longer of the two beside it, in standard deviations of the
element over the dataset: fast motion has fast neighbours. Frames dropped and stamped anew during slow motion
cannot be seen this way; `timing` sees them where the original stamps are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import ERROR, MISSING, WARNING, Check, Finding, Measures, robust_z, table
from motorium.data.curate.recording import STATE, Recording

LEAST = 1e-2


class JumpLimits(Spec):
    """Thresholds of `jump`."""

    max_size: float = Field(6.0, gt=0, description="standard deviations: a jump that no episode may have")
    min_size: float = Field(0.5, gt=0, description="standard deviations below which a jump is never unusual")
    z: float = Field(6.0, gt=0, description="robust z-score of an element; there are many elements, so it is high")


def measure(recording: Recording, limits: JumpLimits) -> dict:
    """Return the largest jump (standard deviations) of each element of the state, its step and its name."""
    state = recording.scaled(STATE)
    if state is None:
        return {MISSING: "no finite state"}
    if len(state) < 4:
        return {MISSING: "shorter than 4 steps"}
    size = np.abs(np.diff(state, axis=0))
    beside = np.maximum(size[:-2], size[2:])
    excess = np.maximum(size[1:-1] - beside, 0.0)
    return {
        "size": excess.max(axis=0).tolist(),
        "step": (excess.argmax(axis=0) + 2).tolist(),
        "names": recording.element_names(STATE),
    }


def judge(measures: Sequence[Measures], limits: JumpLimits) -> list[list[Finding]]:
    """Return an error for a jump over the hard limit, a warning for one that is far from the group's."""
    sizes = table(measures, "size")
    z = robust_z(np.log10(np.maximum(sizes, LEAST)), 0.1)
    findings: list[list[Finding]] = [[] for _ in measures]
    for i, one in enumerate(measures):
        if MISSING in one:
            continue
        far = (z[i] > limits.z) & (sizes[i] > limits.min_size)
        if not (far.any() or (sizes[i] > limits.max_size).any()):
            continue
        element = int(np.argmax(np.where(far | (sizes[i] > limits.max_size), sizes[i], -1)))
        size, step = float(sizes[i, element]), one["step"][element]
        hard = size > limits.max_size
        findings[i].append(
            Finding(
                check="jump",
                severity=ERROR if hard else WARNING,
                value=size if hard else float(z[i, element]),
                threshold=limits.max_size if hard else limits.z,
                unit="standard deviation" if hard else "MAD",
                message=f"{one['names'][element]} jumps by {size:.1f} standard deviations at step {step}",
                steps=(step - 1, step + 1),
            )
        )
    return findings


CHECK = Check(name="jump", limits=JumpLimits, measure=measure, judge=judge)
