"""Episodes between processes: as plain data and arrays, the only things that cross."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motorium.data.episode import Episode


def pack(episode: Episode) -> dict[str, Any]:
    """Return an episode as plain data and NumPy arrays."""
    return {
        "arrays": dict(episode.arrays),
        "frames": dict(episode.frames),
        "task": episode.task,
        "meta": dict(episode.meta),
    }


def unpack(plain: Mapping[str, Any]) -> Episode:
    """Return the episode of `pack`ed data."""
    return Episode(arrays=plain["arrays"], frames=plain["frames"], task=plain["task"], meta=plain["meta"])
