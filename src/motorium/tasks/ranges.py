"""Range: (low, high) of a start condition, as a field of a task's spec."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("a range is (low, high)")
    return bounds


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
