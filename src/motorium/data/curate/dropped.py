"""dropped: frames that were lost on the way, and frames that stand in for them.

From the recorder's own times, where ingestion kept them (`<feature>.time`: of the sample that each step uses): a
jump of two periods is a frame dropped, a sample used more often than its rate explains one duplicated. From the
values: a state, or a picture, that repeats itself while the robot moves before and after. A sensor slower than the
dataset's rate repeats itself by nature: its period is taken from the times, and what repeats itself is compared with
the group. Pictures are equal where their block means are, give or take the coding noise of pictures of 640x480 (that of
small ones is as large as slow motion); one that stays for half a second is `camera`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.companions import TIME, VALID
from motorium.data.curate.finding import ERROR, MISSING, WARNING, Check, Finding, Measures, robust_z, table
from motorium.data.curate.idle import longest_run
from motorium.data.curate.looks import still
from motorium.data.curate.recording import STATE, Recording

# Of a period: two samples further apart have one missing between them.
JUMP = 1.5


class DroppedLimits(Spec):
    """Thresholds of `dropped`."""

    max_share: float = Field(0.02, ge=0, description="share of a stream's samples that may be dropped or duplicated")
    max_lost: int = Field(
        3, ge=0, description="samples in a row that may be dropped, or pictures be held beyond the group's"
    )
    max_gap_s: float = Field(0.5, gt=0, description="time on one sample that cannot be learned across")
    moving: float = Field(0.3, gt=0, description="standard deviations a second from which the robot moves")
    z: float = Field(6.0, gt=0, description="robust z-score of the share of repeated states or pictures")
    fewest: int = Field(3, ge=1, description="repeated states or pictures that may be chance")
    same_level: float = Field(1.0, ge=0, description="largest difference of block means (of 255) of two equal pictures")


def measure(recording: Recording, limits: DroppedLimits) -> dict:
    """Return what times tell, by stream (see `of_times`), and what is repeated in motion: of the state, each camera."""
    streams = {}
    for key in sorted(recording.arrays):
        if not key.endswith(TIME) or recording.arrays[key].dtype.kind != "f":
            continue
        times = np.asarray(recording.arrays[key], np.float64).reshape(recording.length, -1)
        valid = recording.arrays.get(key.removesuffix(TIME) + VALID)
        valid = np.ones((len(times), 1), bool) if valid is None else np.asarray(valid, bool).reshape(len(times), -1)
        for part in range(times.shape[1]):
            name = key.removesuffix(TIME) + (f"[{part}]" if times.shape[1] > 1 else "")
            # A step without a sample has the time 0.
            absent = ~valid.any(axis=1) | ((times[:, part] == 0) & ~valid.all(axis=1))
            found = of_times(times[:, part], ~absent & np.isfinite(times[:, part]), recording.fps)
            if found:
                streams[name] = found
    repeated = _repeated(recording, limits)
    if not streams and not repeated:
        return {MISSING: "no times of samples, and no finite state that moves"}
    return {"streams": streams, "repeated": repeated}


def of_times(times_s: NDArray[np.float64], used: NDArray[np.bool_], fps: float) -> dict[str, Any]:
    """Return dropped and duplicated samples of a stream, as shares, and the longest time on one sample with its steps.

    Args:
        times_s: (T,) of the sample that each step uses.
        used: (T,) whether it uses one.
        fps: steps in a second.
    """
    steps = np.flatnonzero(used)
    if len(steps) < 4:
        return {}
    times = times_s[steps]
    new = np.concatenate([[True], np.diff(times) != 0])
    distinct = times[new]
    if len(distinct) < 2:
        return {}
    # Mean, not median, of what is no jump: the times of a slow clock on a fast grid differ by one step or two.
    apart = np.abs(np.diff(distinct))
    typical = float(np.median(apart))
    regular = apart[apart <= JUMP * typical]
    period = float(regular.mean())
    lost = np.rint(apart / period) - 1
    lost[apart <= JUMP * period] = 0
    uses = np.diff(np.flatnonzero(np.concatenate([new, [True]])))
    spare = np.maximum(uses - np.ceil(period * fps - 0.05), 0)
    longest = int(np.argmax(uses))
    first = int(steps[np.flatnonzero(new)[longest]])
    return {
        "dropped": float(lost.sum() / (len(distinct) + lost.sum())),
        # A step that stands in for a lost sample is that loss, not a second fault.
        "duplicated": float(max(spare.sum() - lost.sum(), 0) / len(steps)),
        "period_s": period,
        "longest_s": float(uses[longest] / fps),
        "steps": [first, first + int(uses[longest])],
        "gap_s": float(apart.max()),
        "lost": int(lost.max()),
    }


def judge(measures: Sequence[Measures], limits: DroppedLimits) -> list[list[Finding]]:
    """Return errors for long gaps, warnings for streams with many dropped or duplicated samples, or repeated states."""
    findings: list[list[Finding]] = [[] for _ in measures]
    for i, one in enumerate(measures):
        for name, stream in one.get("streams", {}).items():
            findings[i] += _of_stream(name, stream, limits)
    for key in sorted({key for one in measures for key in one.get("repeated", {})}):
        for found, extra in zip(findings, _of_repeats(key, measures, limits)):
            found += extra
    return findings


def _of_repeats(key: str, measures: Sequence[Measures], limits: DroppedLimits) -> list[list[Finding]]:
    """Warnings where the state, or a camera, repeats itself more often, or for longer, than in the group."""
    findings: list[list[Finding]] = [[] for _ in measures]
    rows = [one.get("repeated", {}).get(key, {MISSING: ""}) for one in measures]
    runs = table(rows, "run")
    # A group without a repetition has no spread: 0.2 % of the steps, and half a step in a row, count at least.
    z = np.fmax(robust_z(table(rows, "share"), 0.002), robust_z(runs, 0.5))
    name = "the state" if key == STATE else f"the picture of '{key}'"
    # Where motion is slow, or pictures are small, some repeat themselves in every episode, and runs have a spread.
    longest = float(np.nanmedian(runs)) + limits.max_lost
    for found, row, far in zip(findings, rows, z.tolist()):
        if MISSING in row or (key != STATE and row["run_s"] > limits.max_gap_s):
            continue
        fields = {"check": "dropped", "severity": WARNING, "steps": tuple(row["steps"])}
        message = f"{name} repeats itself in {row['count']} steps of motion, {row['run']} in a row"
        if far > limits.z and row["count"] > limits.fewest:
            found.append(Finding(value=far, threshold=limits.z, unit="MAD", message=message, **fields))
        elif key != STATE and row["run"] > longest:
            found.append(Finding(value=row["run"], threshold=longest, unit="1", message=message, **fields))
    return findings


def _of_stream(name: str, stream: Mapping[str, Any], limits: DroppedLimits) -> list[Finding]:
    found, steps = [], tuple(stream["steps"])

    def add(severity: str, value: float, threshold: float, unit: str, message: str) -> None:
        fields = {
            "value": value,
            "threshold": threshold,
            "unit": unit,
            "message": f"'{name}' ({rate:.3g} Hz) {message}",
        }
        found.append(Finding(check="dropped", severity=severity, steps=steps, **fields))

    rate, gap_s = 1 / stream["period_s"], max(stream["longest_s"], stream["gap_s"])
    if gap_s > max(limits.max_gap_s, JUMP * stream["period_s"]):
        add(ERROR, gap_s, limits.max_gap_s, "s", f"has no new sample for {gap_s:.2f} s")
    elif stream["lost"] > limits.max_lost:
        add(WARNING, stream["lost"], limits.max_lost, "1", f"lost {stream['lost']} samples in a row")
    elif stream["dropped"] > limits.max_share:
        add(WARNING, stream["dropped"], limits.max_share, "1", f"lost {stream['dropped']:.1%} of its samples")
    if stream["duplicated"] > limits.max_share:
        add(
            WARNING,
            stream["duplicated"],
            limits.max_share,
            "1",
            f"is used again in {stream['duplicated']:.1%} of steps",
        )
    return found


def _repeated(recording: Recording, limits: DroppedLimits) -> dict[str, dict[str, Any]]:
    """Of the state and each camera, what repeats the step before in motion: count, share, longest run and its steps."""
    state, motion = recording.series(STATE), recording.motion()
    if state is None or motion is None or len(state) < 4:
        return {}
    moving, found = motion > limits.moving, {}
    same = {STATE: (np.diff(state, axis=0) == 0).all(axis=1)}
    for key, seen in sorted(recording.looks.items()):
        if recording.frame_steps is None and len(seen.grey) == len(state):
            same[key] = still(seen.grey, limits.same_level)[1:]
    for key, equal in same.items():
        equal = np.concatenate([[False], equal])
        around = _around(moving, equal)
        if not around.any():
            continue
        repeats = equal & around
        start, stop = longest_run(repeats)
        count, run = int(repeats.sum()), stop - start
        steps = [max(start - 1, 0), max(stop, 1)]
        share = count / int(around.sum())
        found[key] = {"count": count, "share": share, "run": run, "run_s": run / recording.fps, "steps": steps}
    return found


def _around(moving: NDArray[np.bool_], same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Steps of motion, and runs of repeated states with motion right before and right after them."""
    found = moving.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2]):
        if start > 0 and stop < len(moving) and moving[start - 1] and moving[stop]:
            found[start:stop] = True
    return found


CHECK = Check(name="dropped", limits=DroppedLimits, measure=measure, judge=judge)
