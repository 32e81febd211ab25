"""lookalike: episodes whose pictures are nearly the same all the way through: one recording kept twice.

Perceptual hashes at 16 evenly spaced places are compared, episode with episode. A copy that was encoded again, made
brighter or scaled differs in a bit or two of 64; different attempts at the same task from the same camera in ten or
more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import MISSING, WARNING, Check, Finding, Measures
from motorium.data.curate.looks import HASHES, hamming
from motorium.data.curate.recording import Recording

BLOCK = 256


class LookalikeLimits(Spec):
    """Thresholds of `lookalike`."""

    max_bits: float = Field(
        3.0, ge=0, le=64, description="mean difference of hashes (of 64 bits) that two copies may have"
    )
    min_change: float = Field(
        2.0, ge=0, description="mean difference within an episode below which it shows nothing new"
    )


def measure(recording: Recording, limits: LookalikeLimits) -> dict:
    """Return, for each camera, 16 hashes as hexadecimal text, and how much they differ among themselves."""
    if not recording.frames:
        return {MISSING: "no pictures"}
    cameras = {}
    for key, seen in sorted(recording.looks.items()):
        if len(seen.hashes) == HASHES:
            change = float(hamming(seen.hashes[1:], seen.hashes[:-1]).mean())
            cameras[key] = {"hashes": [f"{int(one):016x}" for one in seen.hashes], "change": change}
    return {"cameras": cameras} if cameras else {MISSING: f"less than {HASHES} pictures"}


def judge(measures: Sequence[Measures], limits: LookalikeLimits) -> list[list[Finding]]:
    """Return a warning for both of two episodes of which every camera shows the same; the policy spares one."""
    findings: list[list[Finding]] = [[] for _ in measures]
    for index, (earlier, bits) in lookalikes(measures, limits).items():
        for one, other in ((index, earlier), (earlier, index)):
            findings[one].append(_finding(bits, other, limits))
    return findings


def repeats(
    measures: Sequence[Measures], limits: LookalikeLimits, kept: int, candidates: Sequence[int]
) -> list[Finding | None]:
    """Return a warning for each candidate whose pictures are those of the episode `kept`; None for the others."""
    cameras, members = _comparable(measures, limits)
    places = [n for n, i in enumerate(candidates) if i in members]
    found: list[Finding | None] = [None] * len(candidates)
    if kept not in members or not places:
        return found
    rows = _hashes(measures, [kept], cameras)
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        bits = _worst_camera(rows, _hashes(measures, [candidates[n] for n in block], cameras))[0]
        for place, differ in zip(block, bits.tolist()):
            if differ <= limits.max_bits:
                found[place] = _finding(differ, kept, limits)
    return found


def _finding(bits: float, other: int, limits: LookalikeLimits) -> Finding:
    return Finding(
        check="lookalike",
        severity=WARNING,
        value=bits,
        threshold=limits.max_bits,
        unit="1",
        message=f"its pictures are those of episode {other} ({bits:.1f} of 64 bits differ)",
        others=(other,),
    )


def lookalikes(measures: Sequence[Measures], limits: LookalikeLimits) -> dict[int, tuple[int, float]]:
    """Return {episode: (the first earlier one that it repeats, mean difference in bits)}."""
    return {i: (int(earlier[0]), float(bits[0])) for i, earlier, bits in _repeated(measures, limits)}


def across(
    measures: Sequence[Measures], limits: LookalikeLimits, sides: Mapping[int, Sequence[str]]
) -> list[tuple[float, int, int]]:
    """Return (bits, earlier, episode) of each episode with the first earlier one of each other side that it repeats.

    Args:
        sides: names of the sides an episode is on; those not named are on none.
    """
    found = []
    for i, earlier, bits in _repeated(measures, limits):
        seen: set[str] = set(sides.get(i, ()))
        for other, differ in zip(earlier.tolist(), bits.tolist()):
            if seen and not seen.issuperset(sides.get(other, ())):
                seen.update(sides[other])
                found.append((differ, other, i))
    return found


def _repeated(
    measures: Sequence[Measures], limits: LookalikeLimits
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float64]]]:
    """Yield each episode that repeats earlier ones: itself, these, and how many bits differ."""
    cameras, kept = _comparable(measures, limits)
    members = np.array(list(kept), np.int64)
    if len(members) < 2:
        return
    hashes = _hashes(measures, members.tolist(), cameras)
    for start in range(0, len(members), BLOCK):
        bits = _worst_camera(hashes[start : start + BLOCK], hashes[: start + BLOCK])
        for row in range(len(bits)):
            earlier = np.flatnonzero(bits[row, : start + row] <= limits.max_bits)
            if len(earlier):
                yield int(members[start + row]), members[earlier], bits[row, earlier]


def _comparable(measures: Sequence[Measures], limits: LookalikeLimits) -> tuple[list[str], dict[int, None]]:
    """All cameras, and the episodes, ascending, that have all of them and show something new."""
    known = [{} if MISSING in one else one["cameras"] for one in measures]
    cameras = sorted({key for one in known for key in one})
    moving = [i for i, one in enumerate(known) if any(one[key]["change"] >= limits.min_change for key in one)]
    return cameras, dict.fromkeys(i for i in moving if sorted(known[i]) == cameras)


def _hashes(measures: Sequence[Measures], members: Sequence[int], cameras: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of the episodes `members`: (n, C, 16)."""
    texts = [[measures[i]["cameras"][key]["hashes"] for key in cameras] for i in members]
    return np.array([[[int(text, 16) for text in one] for one in each] for each in texts], np.uint64)


def _worst_camera(rows: NDArray[np.uint64], columns: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Mean difference in bits of each pair, (r, C, 16) with (c, C, 16), of the camera that differs most: (r, c)."""
    worst = np.zeros((len(rows), len(columns)))
    for camera in range(rows.shape[1]):
        total = np.zeros((len(rows), len(columns)), np.uint32)
        for place in range(rows.shape[2]):
            total += hamming(rows[:, None, camera, place], columns[None, :, camera, place])
        worst = np.maximum(worst, total / rows.shape[2])
    return worst


CHECK = Check(name="lookalike", limits=LookalikeLimits, measure=measure, judge=judge, across=True, repeats=repeats)
