"""Numbers for people: as many digits as the interval supports, per cent for proportions."""

from __future__ import annotations

import math
from collections.abc import Iterable

from motorium.report.content import Interval

UNKNOWN = "unknown"


def interval_text(interval: Interval, *, signed: bool = False) -> str:
    """Return `94.1 % [91.7, 95.9]`, or `0.0213 rad [0.0201, 0.0226]`; `signed` for differences."""
    if interval.value is None:
        return UNKNOWN
    scale, unit = (100.0, "points" if signed else "%") if interval.unit == "1" else (1.0, interval.unit or "")
    bounds = [bound * scale for bound in (interval.low, interval.high) if bound is not None]
    digits = 1 if interval.unit == "1" else decimals(interval)
    sign = "+" if signed else ""
    value = f"{interval.value * scale:{sign}.{digits}f}{' ' if unit else ''}{unit}"
    if len(bounds) < 2:
        return value
    return f"{value} [{bounds[0]:{sign}.{digits}f}, {bounds[1]:{sign}.{digits}f}]"


def decimals(interval: Interval) -> int:
    """Return how many decimals to show: two digits of the interval's half width, or three of the value."""
    if interval.low is not None and interval.high is not None and interval.high > interval.low:
        return max(0, min(8, 1 - math.floor(math.log10((interval.high - interval.low) / 2))))
    if interval.value:
        return max(0, min(8, 2 - math.floor(math.log10(abs(interval.value)))))
    return 2


def p_text(p_value: float) -> str:
    """Return `p = 0.03` or `p < 0.001`."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def count_text(count: int, singular: str, plural: str | None = None) -> str:
    """Return `1 episode`, `1 000 episodes`, with spaces that do not break."""
    noun = singular if count == 1 else plural or f"{singular}s"
    return f"{count:,} {noun}".replace(",", "\u00a0")


def level_text(intervals: Iterable[Interval]) -> str:
    """Return what the intervals are: `95 % Wilson interval`; empty where there are none or they differ."""
    kinds = {(i.level, i.method) for i in intervals if i.low is not None}
    if len(kinds) != 1:
        return ""
    level, method = kinds.pop()
    return f"{level * 100:g} % {method + ' ' if method else ''}interval"
