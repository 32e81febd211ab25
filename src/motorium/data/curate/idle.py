"""idle: stretches in which nothing moves, and how much of the episode they are; at its ends they can be cut off.

A step is idle when the state moves by less than `speed` standard deviations (over the dataset) a second, root
mean square over its elements, taken across 0.2 s.

Measured on 100 real teleoperated episodes (30 Hz, 26 elements), 4 s of the last step repeated at the end:
see `docs/curation.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import ERROR, MISSING, WARNING, Check, Finding, Measures, robust_z, table
from motorium.data.curate.recording import Recording


class IdleLimits(Spec):
    """Thresholds of `idle`."""

    speed: float = Field(0.15, gt=0, description="standard deviations a second, below which a step is idle")
    max_share: float = Field(0.6, gt=0, le=1, description="idle share of an episode that cannot be learned from")
    end_s: float = Field(2.0, gt=0, description="idle time at an end that is always cut off")
    unusual_end_s: float = Field(1.0, gt=0, description="idle time at an end that is cut off where the group has less")
    z: float = Field(3.5, gt=0, description="robust z-score that counts as unusual")


def measure(recording: Recording, limits: IdleLimits) -> dict:
    """Return the idle share (of all, and between the idle ends), the idle ends and the longest stretch."""
    motion = recording.motion()
    if motion is None:
        return {MISSING: "no finite state"}
    idle = motion < limits.speed
    length = len(idle)
    moving = np.flatnonzero(~idle)
    head, tail = (int(moving[0]), length - 1 - int(moving[-1])) if len(moving) else (length, 0)
    start, stop = longest_run(idle)
    return {
        "share": float(idle.mean()),
        "inner_share": float(idle[head : length - tail].mean()) if len(moving) else 1.0,
        "head_s": head / recording.fps,
        "tail_s": tail / recording.fps,
        "longest_s": (stop - start) / recording.fps,
        "head": [0, head],
        "tail": [length - tail, length],
        "longest": [start, stop],
    }


def judge(measures: Sequence[Measures], limits: IdleLimits) -> list[list[Finding]]:
    """Return an error for a too idle episode, warnings for idle ends (to trim) and an unusual share."""
    findings: list[list[Finding]] = [[] for _ in measures]
    floors = {"inner_share": 0.05, "head_s": 0.2, "tail_s": 0.2}
    z = {name: robust_z(table(measures, name), floor) for name, floor in floors.items()}
    for i, one in enumerate(measures):
        if MISSING in one:
            continue
        share = one["share"]
        if share > limits.max_share:
            findings[i].append(_finding(ERROR, share, limits.max_share, "1", f"idle for {share:.0%} of the episode"))
            continue
        if z["inner_share"][i] > limits.z:
            message = f"idle for {one['inner_share']:.0%} of the time between its ends, far more than the group"
            findings[i].append(_finding(WARNING, float(z["inner_share"][i]), limits.z, "MAD", message))
        for end in ("head", "tail"):
            seconds = one[f"{end}_s"]
            unusual = z[f"{end}_s"][i] > limits.z and seconds > limits.unusual_end_s
            if seconds > limits.end_s or unusual:
                message = f"idle for {seconds:.1f} s at its {'start' if end == 'head' else 'end'}"
                threshold = limits.unusual_end_s if unusual else limits.end_s
                findings[i].append(_finding(WARNING, seconds, threshold, "s", message, tuple(one[end])))
    return findings


def longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return (start, stop) of the longest run of True in (T,), the first of equals; (0, 0) when there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    best = int(np.argmax(stops - starts))
    return int(starts[best]), int(stops[best])


def _finding(severity, value, threshold, unit, message, steps=None) -> Finding:
    return Finding(
        check="idle", severity=severity, value=value, threshold=threshold, unit=unit, message=message, steps=steps
    )


CHECK = Check(name="idle", limits=IdleLimits, measure=measure, judge=judge)
