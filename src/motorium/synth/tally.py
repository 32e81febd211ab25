"""What came of attempts: outcomes, where they failed, what each source gave, which start conditions are covered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from motorium.core.protocols import EnvInfo, Segment
from motorium.synth.record import Attempt


def count_outcomes(attempts: Sequence[Attempt]) -> dict[str, int]:
    """Return {outcome: count}, most frequent first, names in order where equal; the counts sum to all attempts."""
    counts = Counter(attempt.outcome for attempt in attempts)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def failures_by_segment(attempts: Sequence[Attempt], segments: Sequence[Segment]) -> dict[str, dict[str, int]]:
    """Return {segment: {reason: count}} over failed attempts; a segment is named `<number>:<object>`."""
    table: dict[str, dict[str, int]] = {}
    for number, segment in enumerate(segments):
        failed = [a for a in attempts if not a.success and a.note["segment"] == number]
        table[f"{number}:{segment.object}"] = count_outcomes(failed)
    return table


def yield_by_source(attempts: Sequence[Attempt], segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Return, for each source and segment that was followed, how many attempts followed it and how many succeeded."""
    tried: Counter[tuple[int, int]] = Counter()
    succeeded: Counter[tuple[int, int]] = Counter()
    for attempt in attempts:
        for number in range(len(segments)):
            source = attempt.note["sources"][number]
            if source >= 0:
                tried[source, number] += 1
                succeeded[source, number] += attempt.success
    return [
        {"source": source, "segment": number, "attempts": tried[source, number], "successes": succeeded[source, number]}
        for source, number in sorted(tried)
    ]


def coverage(attempts: Sequence[Attempt], factors: Mapping[str, tuple[float, float]], bins: int = 10) -> dict[str, Any]:
    """Return, for each start condition, how many attempts and successes fell into each of `bins` equal bins.

    `covered` is the share of bins with a success: what the amplified data can teach a policy about.
    """
    table = {}
    for name, (low, high) in factors.items():
        values = np.array([attempt.factors[name] for attempt in attempts], np.float64)
        success = np.array([attempt.success for attempt in attempts], bool)
        place = np.floor((values - low) / max(high - low, 1e-12) * bins) if len(values) else np.zeros(0)
        place = np.clip(place, 0, bins - 1).astype(np.int64)
        tried = np.bincount(place, minlength=bins)
        done = np.bincount(place[success], minlength=bins)
        table[name] = {
            "low": float(low),
            "high": float(high),
            "attempts": tried.tolist(),
            "successes": done.tolist(),
            "covered": float((done > 0).mean()),
        }
    return table


def summarize(attempts: Sequence[Attempt], info: EnvInfo, segments: Sequence[Segment]) -> dict[str, Any]:
    """Return all of the above as plain data, with the counts; intervals are the reader's to add."""
    steps = [attempt.steps for attempt in attempts if attempt.success]
    return {
        "attempts": len(attempts),
        "successes": len(steps),
        "steps": int(sum(attempt.steps for attempt in attempts)),
        "success_steps_mean": float(np.mean(steps)) if steps else None,
        "outcomes": count_outcomes(attempts),
        "failures_by_segment": failures_by_segment(attempts, segments),
        "yield_by_source": yield_by_source(attempts, segments),
        "coverage": coverage(attempts, info.factors),
    }
