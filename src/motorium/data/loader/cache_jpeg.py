"""Pictures as JPEG: a tenth of their size at quality 90, each readable by itself.

Written by Pillow, read by simplejpeg, which is about twice as fast. Both use libjpeg-turbo's accurate inverse
transform, so that they decode to the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from simplejpeg import decode_jpeg

from motorium.core.errors import DataError, first_line
from motorium.data.loader.parts import Layout

KIND, SUFFIX = "jpeg", ".jpegs"
QUALITY = 90
HOW = f"pillow quality {QUALITY}, 4:2:0"
PART_FRAMES = 2048


def encode(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (H, W, 3) uint8 RGB as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def decode(data: memoryview, out: NDArray[np.uint8]) -> None:
    """Write one JPEG to `out` (H, W, 3) uint8 RGB, contiguous."""
    decode_jpeg(data, "RGB", buffer=out)


def write_part(path: Path, blocks: Iterator[NDArray[np.uint8]], count: int) -> None:
    """Write `count` pictures: count + 1 offsets (int64, little endian, from the file's start), then the JPEGs."""
    offsets = np.zeros(count + 1, "<i8")
    offsets[0] = at = offsets.nbytes
    with open(path, "wb") as file:
        file.write(offsets.data)
        number = 0
        for block in blocks:
            for picture in block:
                at += file.write(encode(picture))
                number += 1
                offsets[number] = at
        file.seek(0)
        file.write(offsets.data)


class JpegSource:
    """Memory maps of finished parts, decoded when they are asked for."""

    kind = KIND

    def __init__(self, shape: tuple[int, int, int], layout: Layout, paths: Mapping[int, Path]) -> None:
        self.shape, self._layout = shape, layout
        self._parts = {part: _open(path, layout.count(part)) for part, path in paths.items()}

    def gather(self, episodes: NDArray[np.int64], steps: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `frames.FrameSource`."""
        parts, places = self._layout.places(episodes, steps)
        out = np.empty((len(parts), *self.shape), np.uint8)
        for number, (part, place) in enumerate(zip(parts.tolist(), places.tolist())):
            if part not in self._parts:
                raise DataError(
                    "pictures of an episode are not in the cache", got=f"part {part}", remedy="list it in episodes="
                )
            offsets, data = self._parts[part]
            try:
                decode(data[offsets[place] : offsets[place + 1]], out[number])
            except (ValueError, OSError, SyntaxError) as error:
                raise DataError(
                    "a picture in the cache is damaged",
                    where=f"part {part}, picture {place}",
                    got=first_line(error),
                    remedy="clear it: motorium.data.loader.cache.clear('jpeg')",
                ) from error
        return out


def _open(path: Path, count: int) -> tuple[NDArray[np.int64], memoryview]:
    data = np.memmap(path, np.uint8, mode="r")
    offsets = data[: 8 * (count + 1)].view("<i8").view(np.ndarray)
    return offsets, memoryview(data.view(np.ndarray))
