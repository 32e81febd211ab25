"""Path: an episode as a fixed number of points in whole numbers, so that any two can be compared, exactly.

A point is the mean of the state over an equal share of the episode, in 1/512 of the dataset's standard deviation
about its mean. Distances of whole numbers are sums without rounding: they come out the same in any order, block
and thread, so a matrix product may be used for them.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError

POINTS = 64
UNIT = 512
# 16 bits: 64 standard deviations from the mean; what lies further out is as far as that.
FARTHEST = 32767


def make_path(placed: NDArray[np.float64], points: int = POINTS) -> NDArray[np.int16]:
    """Return the path of a series (T, n), T >= 1, in standard deviations: (points, n) int16, 1/512 of them."""
    length = len(placed)
    total = np.concatenate([np.zeros((1, placed.shape[1])), np.cumsum(placed, axis=0)])
    edges = np.linspace(0, length, points + 1)
    whole = np.minimum(edges.astype(np.int64), length - 1)
    # The integral of the series, a step wide each, at the edges of equal shares of the time.
    integral = total[whole] + (edges - whole)[:, None] * placed[whole]
    mean = np.diff(integral, axis=0) * (points / length)
    return np.clip(np.rint(mean * UNIT), -FARTHEST, FARTHEST).astype(np.int16)


def to_text(path: NDArray[np.int16]) -> str:
    """Return a path as base64 of its little-endian numbers, a point after the other."""
    return base64.b64encode(np.ascontiguousarray(path, "<i2").tobytes()).decode("ascii")


def from_text(text: str, points: int = POINTS) -> NDArray[np.int16]:
    """Return the path (points, n) that `to_text` made a text of.

    Raises:
        DataError: when it is none.
    """
    try:
        flat = np.frombuffer(base64.b64decode(text, validate=True), "<i2")
        return flat.reshape(points, -1)
    except (binascii.Error, ValueError) as error:
        raise DataError("this is no path", got=str(error), expected=f"base64 of {points} points") from error


def square_distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared distance of each of a (n, k) from each of b (m, k), whole numbers all: (n, m), exact.

    Exact while k times the square of the largest number is below 2^52, as for paths of up to 10^6 numbers.
    """
    return np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None, :] - 2.0 * (a @ b.T)


def warped_distances(a: NDArray, b: NDArray, *, band: int, free: int) -> NDArray[np.float64]:
    """Return how far pairs of paths (B, P, n) are apart when their times may be stretched: (B,) rms, in 1/512.

    Dynamic time warping with symmetric weights, within `band` points of the diagonal; up to `free` points at each
    end of either path need no partner, so that a cut or a later start does not count.
    Source: Sakoe and Chiba 1978, "Dynamic programming algorithm optimization for spoken word recognition".
    """
    pairs, points, elements = a.shape
    cost = np.full((pairs, points, points), np.inf)
    for shift in range(-band, band + 1):
        rows = np.arange(max(0, -shift), min(points, points - shift))
        apart = a[:, rows].astype(np.float64) - b[:, rows + shift]
        cost[:, rows, rows + shift] = np.square(apart).sum(axis=2) / elements
    best = np.full((pairs, points + 1, points + 1), np.inf)
    weight = np.zeros((pairs, points + 1, points + 1))
    best[:, 0, : free + 1] = 0.0
    best[:, : free + 1, 0] = 0.0
    for diagonal in range(2, 2 * points + 1):
        i = np.arange(max(1, diagonal - points), min(points, diagonal - 1) + 1)
        i = i[np.abs(2 * i - diagonal) <= band]
        j = diagonal - i
        here = cost[:, i - 1, j - 1]
        moves = np.stack([best[:, i - 1, j - 1] + 2 * here, best[:, i - 1, j] + here, best[:, i, j - 1] + here])
        steps = np.stack([weight[:, i - 1, j - 1] + 2, weight[:, i - 1, j] + 1, weight[:, i, j - 1] + 1])
        chosen = moves.argmin(axis=0)[None]
        best[:, i, j] = np.take_along_axis(moves, chosen, axis=0)[0]
        weight[:, i, j] = np.take_along_axis(steps, chosen, axis=0)[0]
    ends = [(points, points - k) for k in range(free + 1)] + [(points - k, points) for k in range(1, free + 1)]
    rows, columns = np.array(ends).T
    with np.errstate(invalid="ignore"):
        mean = np.where(weight[:, rows, columns] > 0, best[:, rows, columns] / weight[:, rows, columns], np.inf)
    return np.sqrt(mean.min(axis=1))


def least_warped(one: NDArray, paths: NDArray, *, band: int, free: int) -> NDArray[np.float64]:
    """Return what `warped_distances` of a path (P, n) to each of `paths` (k, P, n) is at least: (k,) rms, in 1/512.

    Every point that is not free at an end has a partner within the band, so is at least as far from it as from the
    range of all these; the weights of a warping sum to 2 P at most. Cheap, to leave out what is far.
    Source: Keogh and Ratanamahatana 2005, "Exact indexing of dynamic time warping", the bound LB_Keogh.
    """
    points, elements = one.shape
    inner = np.arange(free, points - free)
    wide = np.pad(one.astype(np.int64), ((band, band), (0, 0)), mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(wide, 2 * band + 1, axis=0)[inner]
    low, high = around.min(axis=2), around.max(axis=2)
    here = paths[:, inner].astype(np.int64)
    beyond = np.maximum(np.maximum(low - here, here - high), 0)
    return np.sqrt(np.square(beyond).sum(axis=(1, 2)) / (elements * 2.0 * points))
