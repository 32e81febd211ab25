"""Gather: the values of one stream for the steps of an episode, read in slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.align.resample import BETWEEN, Picks, agree, blend, cleared, usable
from motorium.data.ingest.plan import Source
from motorium.data.log import Segment

SLICE_BYTES = 32 * 1024**2
# What one stream of one episode may take, resampled.
LARGEST_ARRAY = 2 * 1024**3


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Values (T, n) or (T, *shape) of a stream, and which of them hold something."""

    values: NDArray
    valid: NDArray[np.bool_]


def gather(segment: Segment, source: Source, picks: Picks) -> Gathered:
    """Return what a stream's picked samples say of each step; zero where nothing is valid.

    Raises:
        DataError: when samples cannot be read, are too many, or are not what the stream was said to hold.
    """
    steps = len(picks.found)
    dtype = object if source.dtype == "string" else np.dtype(source.dtype)
    between = source.align in BETWEEN
    size = int(np.prod(source.shape)) * steps * (np.dtype(dtype).itemsize + 1) * (2 if between else 1)
    if size > LARGEST_ARRAY:
        raise DataError(
            f"'{source.stream}' is too large for an episode of {steps:,} steps",
            where=segment.name,
            got=f"{size / 1024**3:.1f} GiB",
            expected=f"at most {LARGEST_ARRAY / 1024**3:.0f} GiB",
            remedy="leave it out, take fewer elements, or split at gaps",
        )
    ends = [_End(picks.before, source, steps, dtype)]
    ends += [_End(picks.after, source, steps, dtype)] if between else []
    _read(segment, source, picks, ends)
    first, last = ends[0], ends[-1]
    values = blend(picks, first.values, last.values, source.rule)
    valid = agree(picks, first.valid, last.valid)
    values = cleared(values, valid)
    if source.scale is not None:
        kind = values.dtype if values.dtype.kind == "f" else np.float64
        values = (values * np.float64(source.scale)).astype(kind)
    if source.elements is not None:
        take = list(source.elements)
        values, valid = values.reshape(steps, -1)[:, take], valid.reshape(steps, -1)[:, take]
    return Gathered(values=values, valid=valid)


def nothing(source: Source, steps: int) -> Gathered:
    """Return what a stream without any sample gives."""
    shape = (steps, len(source.elements)) if source.elements is not None else (steps, *source.shape)
    empty = np.full(shape, "", object) if source.dtype == "string" else np.zeros(shape, source.dtype)
    return Gathered(values=empty, valid=np.zeros(shape, bool))


class _End:
    """The samples at one end of each step's interval, filled slice by slice."""

    def __init__(self, samples: NDArray[np.int64], source: Source, steps: int, dtype: object) -> None:
        self.samples = samples
        self.values = np.zeros((steps, *source.shape), dtype)
        if source.dtype == "string":
            self.values[...] = ""
        self.valid = np.zeros((steps, *source.shape), bool)

    def fill(self, block: NDArray, fine: NDArray[np.bool_], start: int, found: NDArray[np.bool_]) -> None:
        """Take what a slice has for the steps that are `found`, (steps,).

        Args:
            block: samples [start, start + n) of the stream, (n, *shape); a ragged one may have fewer slots than wanted.
            fine: which elements of them are valid, same shape.
        """
        here = np.flatnonzero(found & (self.samples >= start) & (self.samples < start + len(block)))
        slots = block.shape[1] if block.ndim > 1 else 0
        if block.ndim > 1 and slots != self.values.shape[1]:
            self.values[here, :slots] = block[self.samples[here] - start]
            self.valid[here, :slots] = fine[self.samples[here] - start]
        else:
            self.values[here] = block[self.samples[here] - start]
            self.valid[here] = fine[self.samples[here] - start]


def _read(segment: Segment, source: Source, picks: Picks, ends: list[_End]) -> None:
    """Read the slices that hold needed samples, and hand each to both ends."""
    feature = segment.streams[source.stream].feature
    shape = feature.shape or (1,)
    width = 64 if source.dtype == "string" else np.dtype(source.dtype).itemsize
    rows = max(1, SLICE_BYTES // max(int(np.prod(shape)) * width, 1))
    said = segment.valid(source.stream)
    needed, place = picks.needed, 0
    while place < len(needed):
        start = int(needed[place])
        place = int(np.searchsorted(needed, start + rows))
        stop = int(needed[place - 1]) + 1
        block = _checked(segment, source, segment.values(source.stream, start, stop), (stop - start, *shape))
        fine = usable(block, source.rule)
        if said is not None:
            part = np.asarray(said[start:stop], bool)
            fine &= part.reshape(len(part), *part.shape[1:], *[1] * (block.ndim - part.ndim))
        if source.ragged and block.shape[1] > source.shape[0]:
            block, fine = block[:, : source.shape[0]], fine[:, : source.shape[0]]
        for end in ends:
            end.fill(block, fine, start, picks.found)


def _checked(segment: Segment, source: Source, block: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Return samples as the plan's type and shape, when they are."""
    block = np.asarray(block)
    where = f"{segment.name}, '{source.stream}'"
    if block.size != int(np.prod(shape)) or len(block) != shape[0]:
        raise DataError(
            "samples are not what the stream was said to hold", where=where, got=block.shape, expected=shape
        )
    if source.dtype == "string":
        return block.astype(object).reshape(shape)
    fits = shape[1:] == source.shape or (source.ragged and shape[2:] == source.shape[1:])
    if not fits or not np.can_cast(block.dtype, source.dtype, "same_kind"):
        raise DataError(
            "this segment's stream differs from the others'",
            where=where,
            got=f"{block.dtype} {list(shape[1:])}",
            expected=f"{source.dtype} {list(source.shape)}",
            remedy="leave the stream out, or ingest this segment by itself",
        )
    return block.astype(source.dtype, copy=False).reshape(shape)
