"""How stages word numbers in their one line, alike everywhere."""

from __future__ import annotations


def percent(value: float) -> str:
    """Return a proportion as `94.1 %`."""
    return f"{100 * value:.1f} %"


def p_text(p: float) -> str:
    """Return a p-value as papers print it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
