"""Progress: what long work reports to, so that it neither knows a terminal nor a run."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """One bar: how much of a known amount is done."""

    def advance(self, amount: float = 1, **note: object) -> None:
        """Add `amount`; `note` shows beside the bar (`loss=0.02`)."""

    def close(self) -> None:
        """End the bar; idempotent."""


class Silent:
    """Progress that goes nowhere."""

    def advance(self, amount: float = 1, **note: object) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
