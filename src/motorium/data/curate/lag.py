"""lag: how long after the action the state follows, and whether that differs from the group (streams misaligned).

The lag is where the cross-correlation of the differences of action and state, each element's normalised by
itself and then summed, peaks. Both are smoothed over 0.15 s first: single steps are mostly quantisation, and
without it the estimate of one episode scatters by 3 to 4 frames where this one scatters by 1.4.
Measured on 100 real teleoperated episodes with the action 6 frames (0.2 s) late: see `docs/curation.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import FEWEST_TO_COMPARE, MISSING, WARNING, Check, Finding, Measures
from motorium.data.curate.recording import ACTION, STATE, Recording


class LagLimits(Spec):
    """Thresholds of `lag`."""

    smooth_s: float = Field(0.15, ge=0, description="moving average over action and state")
    search_s: float = Field(1.0, gt=0, description="longest lag looked for, in both directions")
    min_correlation: float = Field(0.4, gt=0, lt=1, description="peak below which action and state are not related")
    max_difference_s: float = Field(0.1, gt=0, description="difference from the group's median lag")


def measure(recording: Recording, limits: LagLimits) -> dict:
    """Return the lag in seconds (positive: the state follows the action) and the correlation at it."""
    state, action = recording.scaled(STATE), recording.scaled(ACTION)
    if state is None or action is None:
        return {MISSING: "no finite state and action"}
    if state.shape != action.shape:
        return {MISSING: "state and action do not correspond element by element"}
    reach = round(limits.search_s * recording.fps)
    if len(state) < 4 * reach:
        return {MISSING: "the episode is too short"}
    window = max(1, round(limits.smooth_s * recording.fps))
    action, state = (np.diff(_smooth(series, window), axis=0) for series in (action, state))
    correlation = _correlation(action, state, reach)
    peak = int(np.argmax(correlation))
    if correlation[peak] < limits.min_correlation:
        return {MISSING: "action and state do not move together"}
    return {
        "lag_s": (peak - reach + _vertex(correlation, peak)) / recording.fps,
        "correlation": float(correlation[peak]),
    }


def judge(measures: Sequence[Measures], limits: LagLimits) -> list[list[Finding]]:
    """Return a warning for each episode whose lag is far from the group's median."""
    findings: list[list[Finding]] = [[] for _ in measures]
    lags = np.array([np.nan if MISSING in one else one["lag_s"] for one in measures])
    known = lags[np.isfinite(lags)]
    if len(known) < FEWEST_TO_COMPARE:
        return findings
    median = float(np.median(known))
    # Where lags scatter this much, no lag is the group's: state and action may not mean the same thing.
    if 1.4826 * float(np.median(np.abs(known - median))) > limits.max_difference_s / 2:
        return findings
    for i, lag in enumerate(lags):
        if abs(lag - median) > limits.max_difference_s:
            findings[i].append(
                Finding(
                    check="lag",
                    severity=WARNING,
                    value=float(lag - median),
                    threshold=limits.max_difference_s,
                    unit="s",
                    message=f"the state follows the action after {lag:.2f} s, in the group after {median:.2f} s",
                )
            )
    return findings


def _smooth(series: NDArray, window: int) -> NDArray[np.float64]:
    """Moving average over `window` steps, shorter by `window - 1`."""
    return sum(series[i : len(series) - window + 1 + i] for i in range(window)) / window


def _correlation(action: NDArray, state: NDArray, reach: int) -> NDArray[np.float64]:
    """Mean over elements of the normalised correlation of action[t] with state[t + k], k in -reach..reach.

    Each is normalised over the steps that overlap, or a slow signal would seem to lag less than it does.
    Elements that stand still in either have no say.
    """
    steps = len(action)
    moves = (action**2).sum(axis=0) * (state**2).sum(axis=0) > 0
    correlation = np.zeros(2 * reach + 1)
    for i, k in enumerate(range(-reach, reach + 1)):
        first = action[max(0, -k) : steps - max(0, k), moves]
        second = state[max(0, k) : steps - max(0, -k), moves]
        size = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
        correlation[i] = ((first * second).sum(axis=0) / np.where(size > 0, size, np.inf)).sum() / max(1, moves.sum())
    return correlation


def _vertex(values: NDArray, peak: int) -> float:
    """Offset in (-0.5, 0.5) of the maximum of the parabola through a peak and its neighbours."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    left, middle, right = values[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0


CHECK = Check(name="lag", limits=LagLimits, measure=measure, judge=judge)
