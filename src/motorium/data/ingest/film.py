"""Film: the pictures of one camera for the steps of an episode, decoded only while they are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.log import Segment


@dataclass(frozen=True, kw_only=True)
class Film:
    """Pictures (T, H, W, 3) uint8 RGB that are never in memory together; iterate, as often as needed.

    Attributes:
        samples: (T,) int64, the recorded picture of each step.
        found: (T,) bool, whether there is one; black where not.
        size: height and width; other pictures are cut or padded with black at the bottom and the right, so that
            pixels keep their places.
        recorded: height and width that pictures must have before that; None: any.
        bgr: whether the source hands them over blue first.
    """

    segment: Segment
    stream: str
    samples: NDArray[np.int64]
    found: NDArray[np.bool_]
    size: tuple[int, int]
    recorded: tuple[int, int] | None = None
    bgr: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(T, H, W, 3)."""
        return (len(self.samples), *self.size, 3)

    @property
    def dtype(self) -> np.dtype:
        """Of a picture."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield a picture a step, in order.

        Raises:
            DataError: when a picture cannot be decoded or has another size or type than was said.
        """
        shown = self._decoded()
        black = np.zeros((*self.size, 3), np.uint8)
        for step, found in enumerate(self.found.tolist()):
            if not found:
                yield black
                continue
            picture = next(shown, None)
            if picture is None:
                raise DataError("the camera has fewer pictures than were said", where=self._where(step))
            yield self._fitted(picture, step)

    def _decoded(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures of the found steps; readers want them ascending, and stamps may be out of order."""
        wanted = self.samples[self.found]
        cuts = np.flatnonzero(np.diff(wanted) < 0) + 1
        for run in np.split(wanted, cuts):
            if len(run):
                yield from self.segment.pictures(self.stream, run)

    def _fitted(self, picture: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
        picture = np.asarray(picture)
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise DataError(
                "this is no colour picture",
                where=self._where(step),
                got=f"{picture.shape} {picture.dtype}",
                expected="(height, width, 3) uint8",
            )
        if self.recorded is not None and picture.shape[:2] != self.recorded:
            raise DataError(
                "a picture has another size than the others",
                where=self._where(step),
                got=f"height: {picture.shape[0]}, width: {picture.shape[1]}",
                expected=f"height: {self.recorded[0]}, width: {self.recorded[1]}",
                remedy="give height and width in the mapping: pictures are then cut or padded to it",
            )
        if self.bgr:
            picture = np.ascontiguousarray(picture[:, :, ::-1])
        if picture.shape[:2] == self.size:
            return picture
        made = np.zeros((*self.size, 3), np.uint8)
        height, width = min(self.size[0], picture.shape[0]), min(self.size[1], picture.shape[1])
        made[:height, :width] = picture[:height, :width]
        return made

    def _where(self, step: int) -> str:
        return f"{self.segment.name}, '{self.stream}', step {step}, sample {int(self.samples[step])}"
