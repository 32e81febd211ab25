"""Curricula: when an episode makes the next one harder or easier; pure functions of arrays (B,)."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

Array = Any

# Source: as below.
PROMOTED_SHARE, DEMOTED_SHARE = 0.5, 0.5


def walked_away(walked_m: Array, followed_m: Array, asked_m: Array, tile_m: float) -> Array:
    """Return 1 for robots that are to go on to harder ground, -1 for those to go back, 0 for the others: (B,).

    Harder: it got farther from its start than half a tile. Easier, else: it followed its command for less than half
    of the way that the command asks for.
    Source: N. Rudin et al., arXiv:2109.11978, section 3.1, game-inspired curriculum; there the second rule compares
    the distance from the start too, which a robot that is told to walk in a circle cannot keep up.

    Args:
        walked_m: distance from the start.
        followed_m: way along the command.
        asked_m: way that the command asks for in a whole episode.
        tile_m: side of a tile of the terrain.
    """
    up = walked_m > PROMOTED_SHARE * tile_m
    down = ~up & (followed_m < DEMOTED_SHARE * asked_m)
    like = array_namespace(walked_m).zeros_like(walked_m)
    return (like + up) - down * 1.0
