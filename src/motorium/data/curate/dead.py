"""dead: an element of state or action that stands still here and moves in the other episodes (a lost sensor)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import FEWEST_TO_COMPARE, MISSING, WARNING, Check, Finding, Measures, table
from motorium.data.curate.recording import ACTION, STATE, Recording


class DeadLimits(Spec):
    """Thresholds of `dead`."""

    moving_share: float = Field(
        0.9,
        gt=0.5,
        le=1,
        description="share of the group's episodes in which an element moves, for it to be missed here",
    )


def measure(recording: Recording, limits: DeadLimits) -> dict:
    """Return {key: range of each element over the episode, in its own unit}."""
    ranges = {
        key: np.ptp(series, axis=0).tolist() for key in (STATE, ACTION) if (series := recording.series(key)) is not None
    }
    return {"ranges": ranges} if ranges else {MISSING: "no finite state or action"}


def judge(measures: Sequence[Measures], limits: DeadLimits) -> list[list[Finding]]:
    """Return a warning for each array with elements that stand still although they move elsewhere."""
    findings: list[list[Finding]] = [[] for _ in measures]
    for key in (STATE, ACTION):
        have = [i for i, one in enumerate(measures) if key in one.get("ranges", {})]
        if len(have) < FEWEST_TO_COMPARE:
            continue
        moves = table([measures[i]["ranges"] for i in have], key) > 0
        expected = moves.mean(axis=0) >= limits.moving_share
        for i, row in zip(have, moves):
            dead = np.flatnonzero(expected & ~row).tolist()
            if dead:
                findings[i].append(
                    Finding(
                        check="dead",
                        severity=WARNING,
                        value=len(dead),
                        threshold=0,
                        unit="1",
                        message=f"'{key}' elements {dead} are constant, and move in other episodes",
                    )
                )
    return findings


CHECK = Check(name="dead", limits=DeadLimits, measure=measure, judge=judge)
