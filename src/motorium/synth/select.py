"""Which source segment an attempt follows.

Source: MimicGen, arXiv 2310.17596, section 4.2 and appendix (selection strategies: random, nearest-neighbour
object, nearest-neighbour robot distance; the last two draw from the best three).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from motorium.core.frames import axis_angle_from_quat, pose_inverse, pose_multiply, quat_conjugate, quat_multiply
from motorium.synth.segments import Sources

Strategy = Literal["random", "nearest_object", "nearest_robot"]
Array = NDArray[np.float64]


def pose_distance(X0: Array, X1: Array, metres_per_rad: float) -> Array:
    """Return how far poses (..., 7) lie apart, m: (...,); a turn of one radian counts `metres_per_rad`."""
    gap = X1[..., :3] - X0[..., :3]
    turn = axis_angle_from_quat(quat_multiply(quat_conjugate(X0[..., 3:]), X1[..., 3:]))
    return vector_length(gap) + metres_per_rad * vector_length(turn)


def vector_length(v: Array) -> Array:
    """Return the length (...,) of vectors (..., 3), summed in a fixed order: bitwise the same in any batch."""
    return np.sqrt(v[..., 0] * v[..., 0] + v[..., 1] * v[..., 1] + v[..., 2] * v[..., 2])


def source_costs(
    sources: Sources,
    segment: int,
    starts: NDArray[np.int64],
    X_WE: Array,
    X_WO: Array,
    strategy: Strategy,
    metres_per_rad: float,
) -> Array:
    """Return how ill each of the N sources fits each of n worlds, (n, N); lower is better.

    Args:
        starts: (n, N) first step of the segment in each source.
        X_WE: (n, 7) end effector now.
        X_WO: (n, 7) the segment's object now.
        strategy: `nearest_object` compares object poses; `nearest_robot` compares the end effector now with
            where the transformed segment starts; `random` prefers none.
    """
    if strategy == "random":
        return np.zeros(starts.shape)
    number = np.arange(sources.count)[None, :]
    X_WO_source = sources.objects[sources.segments[segment].object][number, starts]
    if strategy == "nearest_object":
        return pose_distance(X_WO_source, X_WO[:, None], metres_per_rad)
    X_OE = pose_multiply(pose_inverse(X_WO_source), sources.eef[number, starts])
    return pose_distance(pose_multiply(X_WO[:, None], X_OE), X_WE[:, None], metres_per_rad)


def choose(costs: Array, draw: Array, strategy: Strategy, top_k: int) -> NDArray[np.int64]:
    """Return one source a world, (n,): a draw among the `top_k` of least cost (all, when random).

    Args:
        costs: (n, N).
        draw: (n,) uniform in [0, 1).
    """
    best = costs.shape[1] if strategy == "random" else min(top_k, costs.shape[1])
    order = np.argsort(costs, axis=1, kind="stable")  # ties go to the earlier demonstration
    rank = np.minimum((draw * best).astype(np.int64), best - 1)
    return order[np.arange(len(costs)), rank]
