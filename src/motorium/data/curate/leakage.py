"""Leakage: near-duplicates on both sides of a split, by trajectory (`duplicate`) and by picture (`lookalike`).

What each of the two measured is compared, where it was measured; a dataset without pictures is compared by trajectory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from motorium.data.curate import duplicate, lookalike
from motorium.data.curate.finding import ERROR, MISSING, Finding, Measures

NAMED = 5


def leaks(
    measures: Sequence[Mapping[str, Measures]],
    splits: Mapping[str, Sequence[int]],
    limits: duplicate.DuplicateLimits | None = None,
    looks: lookalike.LookalikeLimits | None = None,
) -> list[Finding]:
    """Return an error for each two splits that share an episode or a near-duplicate, naming the nearest pairs.

    Args:
        measures: {check: what it measured} of each episode.
        splits: episode numbers by name of the split.
        limits, looks: of `duplicate` and of `lookalike`.
    """
    limits, looks = limits or duplicate.DuplicateLimits(), looks or lookalike.LookalikeLimits()
    paths = [one.get("duplicate", {MISSING: "not measured"}) for one in measures]
    found = between([(distance, i, j) for i, j, distance in duplicate.pairs(paths, limits)], splits, "{:.3f} apart")
    seen = [one.get("lookalike", {MISSING: "not measured"}) for one in measures]
    alike = lookalike.across(seen, looks, _sides(splits))
    return found + between(alike, splits, "pictures differ by {:.1f} of 64 bits", shared=False)


def _sides(splits: Mapping[str, Sequence[int]]) -> dict[int, list[str]]:
    """The splits that each episode is in, in order."""
    sides: dict[int, list[str]] = {}
    for name in sorted(splits):
        for index in sorted({int(index) for index in splits[name]}):
            sides.setdefault(index, []).append(name)
    return sides


def between(
    pairs: Sequence[tuple[float, int, int]], splits: Mapping[str, Sequence[int]], apart: str, shared: bool = True
) -> list[Finding]:
    """Return an error for each two splits that `pairs` (distance, episode, episode) or a common episode connect.

    Args:
        apart: how a distance is worded.
        shared: whether an episode that is in both counts.
    """
    sides = _sides(splits)
    crossed: dict[tuple[str, str], list[tuple[float, int, int]]] = {}
    same = [(0.0, index, index) for index, names in sides.items() if shared and len(names) > 1]
    for distance, i, j in sorted([*pairs, *same]):
        for one in sides.get(i, ()):
            for other in sides.get(j, ()):
                if one != other and (i != j or one < other):
                    low, high = sorted((one, other))
                    crossed.setdefault((low, high), []).append((distance, i, j))
    findings = []
    for (one, other), found in sorted(crossed.items()):
        named = ", ".join(
            f"{i} is in both" if i == j else f"{i} and {j} ({apart.format(distance)})"
            for distance, i, j in found[:NAMED]
        )
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        message = f"'{one}' and '{other}' hold near-duplicates of each other: episodes {named}{more}"
        involved = sorted({index for _, i, j in found for index in (i, j)})
        fields = {"value": len(found), "threshold": 0, "unit": "1", "message": message, "others": tuple(involved)}
        findings.append(Finding(check="leakage", severity=ERROR, **fields))
    return findings
