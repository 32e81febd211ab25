"""duplicate: an episode that goes the same way as another one, give or take noise, a shift in time and its pace.

Two passes: the 6 nearest of each episode by their paths at 16 points, by exact distances; then these pairs by
time warping at 64 points. The bound this has: of more than 6 nearer episodes that are no duplicates, one would
have to be nearer at 16 points than the duplicate is; copies of copies are found as a chain.
What is compared is the state, over all tasks: pictures may still differ, so it is a warning. Of each set of
duplicates one episode stays without: the one with the best score, of equals the earliest; and what of the set is no
duplicate of that one is judged among itself, so that of a chain more than one stays (`policy.decide`).
Pairs of real episodes are at least 0.25 apart where copies with noise, shift and another pace are within 0.12:
see `docs/curation.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import MISSING, WARNING, Check, Finding, Measures
from motorium.data.curate.path import (
    POINTS,
    UNIT,
    from_text,
    least_warped,
    make_path,
    square_distances,
    to_text,
    warped_distances,
)
from motorium.data.curate.recording import ACTION, STATE, Recording

COARSE = 16
NEIGHBORS = 6
BAND, FREE = 16, 4
BLOCK, PAIRS = 512, 256


class DuplicateLimits(Spec):
    """Thresholds of `duplicate`."""

    distance: float = Field(
        0.15, gt=0, description="rms distance along the path, in standard deviations, within which two are one"
    )


def measure(recording: Recording, limits: DuplicateLimits) -> dict:
    """Return the path of the state, or of the action where there is no state, and how long it took (s)."""
    key = STATE if recording.series(STATE) is not None else ACTION
    placed = recording.placed(key)
    if placed is None or not placed.shape[1]:
        return {MISSING: "no finite state or action that varies"}
    return {"path": to_text(make_path(placed)), "length_s": recording.length / recording.fps}


def judge(measures: Sequence[Measures], limits: DuplicateLimits) -> list[list[Finding]]:
    """Return a warning for every episode that has duplicates, with the nearest one and all of them in `others`."""
    findings: list[list[Finding]] = [[] for _ in measures]
    found = pairs(measures, limits)
    members = clusters(len(measures), found)
    nearest: dict[int, tuple[float, int]] = {}
    for i, j, distance in found:
        for one, other in ((i, j), (j, i)):
            nearest[one] = min(nearest.get(one, (np.inf, 0)), (distance, other))
    for i, (distance, other) in sorted(nearest.items()):
        findings[i].append(_finding(distance, other, limits, [k for k in members[i] if k not in (i, other)]))
    return findings


def repeats(
    measures: Sequence[Measures], limits: DuplicateLimits, kept: int, candidates: Sequence[int]
) -> list[Finding | None]:
    """Return a warning for each candidate that is a duplicate of the episode `kept`; None for the others."""
    found: list[Finding | None] = [None] * len(candidates)
    if MISSING in measures[kept]:
        return found
    one = from_text(measures[kept]["path"])
    known = {n: from_text(measures[i]["path"]) for n, i in enumerate(candidates) if MISSING not in measures[i]}
    places = [n for n, path in known.items() if path.shape == one.shape]
    if not places:
        return found
    paths = np.stack([known[n] for n in places])
    near = np.flatnonzero(least_warped(one, paths, band=BAND, free=FREE) / UNIT <= limits.distance)
    for start in range(0, len(near), PAIRS):
        block = near[start : start + PAIRS]
        same = np.broadcast_to(one, paths[block].shape)
        apart = warped_distances(same, paths[block], band=BAND, free=FREE) / UNIT
        for place, distance in zip(block.tolist(), apart.tolist()):
            if distance <= limits.distance:
                found[places[place]] = _finding(distance, kept, limits)
    return found


def _finding(distance: float, other: int, limits: DuplicateLimits, more: Sequence[int] = ()) -> Finding:
    return Finding(
        check="duplicate",
        severity=WARNING,
        value=distance,
        threshold=limits.distance,
        unit="standard deviation",
        message=f"goes the same way as episode {other}, within {distance:.3f} standard deviations",
        others=(other, *more),
    )


def pairs(measures: Sequence[Measures], limits: DuplicateLimits) -> list[tuple[int, int, float]]:
    """Return the pairs of episodes that are duplicates: (i, j, distance in standard deviations), i < j, in order.

    Episodes whose paths have other elements are not compared.
    """
    found: list[tuple[int, int, float]] = []
    paths = {i: from_text(one["path"]) for i, one in enumerate(measures) if MISSING not in one}
    for width in sorted({path.shape[1] for path in paths.values()}):
        indices = [i for i, path in paths.items() if path.shape[1] == width]
        stacked = np.stack([paths[i] for i in indices])
        near = _nearest(stacked)
        for start in range(0, len(near), PAIRS):
            block = near[start : start + PAIRS]
            apart = warped_distances(stacked[block[:, 0]], stacked[block[:, 1]], band=BAND, free=FREE) / UNIT
            for (i, j), distance in zip(block.tolist(), apart.tolist()):
                if distance <= limits.distance:
                    found.append((indices[i], indices[j], distance))
    return sorted(found)


def clusters(count: int, found: Sequence[tuple[int, int, float]]) -> list[tuple[int, ...]]:
    """Return, for each of `count` episodes, itself and all that it is connected with by `pairs`, ascending."""
    root = list(range(count))

    def top(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, j, _ in found:
        low, high = sorted((top(i), top(j)))
        root[high] = low
    members: dict[int, list[int]] = {}
    for i in range(count):
        members.setdefault(top(i), []).append(i)
    return [tuple(members[top(i)]) for i in range(count)]


def _nearest(paths: NDArray[np.int16]) -> NDArray[np.int64]:
    """Pairs (k, 2) of each path (n, P, m) with the few that are nearest at 16 points, each pair once, in order."""
    count = len(paths)
    if count < 2:
        return np.zeros((0, 2), np.int64)
    coarse = paths.reshape(count, COARSE, POINTS // COARSE, -1).sum(axis=2, dtype=np.int64)
    flat = coarse.reshape(count, -1).astype(np.float64)
    keep, made = min(NEIGHBORS, count - 1), []
    for start in range(0, count, BLOCK):
        rows = np.arange(start, min(start + BLOCK, count))
        apart = square_distances(flat[rows], flat)
        apart[np.arange(len(rows)), rows] = np.inf
        # Equal distances go by their number: a partition alone would pick any of them.
        worst = np.partition(apart, keep - 1, axis=1)[:, keep - 1 : keep]
        for row, distances, bound in zip(rows.tolist(), apart, worst):
            near = np.flatnonzero(distances <= bound)
            near = near[np.lexsort((near, distances[near]))][:keep]
            made.append(np.stack([np.minimum(row, near), np.maximum(row, near)], axis=1))
    return np.unique(np.concatenate(made), axis=0)


CHECK = Check(name="duplicate", limits=DuplicateLimits, measure=measure, judge=judge, across=True, repeats=repeats)
