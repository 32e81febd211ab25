"""How numbers are worded for people, alike everywhere."""

from __future__ import annotations


def format_bytes(size: float) -> str:
    """Return a number of bytes for people: `812 B`, `1.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def counted(count: int, word: str) -> str:
    """Return a number with its noun, regular in the plural: `1 episode`, `1,200 episodes`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
