"""Files of comma2k19: `.npy` arrays without that name, and raw HEVC video without an index."""

from __future__ import annotations

import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.bounds import MIB, check_size
from motorium.data.video_read import damaged, open_video

# Of a compressed frame, bytes; 30 kB are usual.
LARGEST_FRAME = 4 * MIB
START_CODE, PROBED = b"\0\0\1", 4096

# What NumPy raises on a damaged header, which is a Python literal.
_UNREADABLE = (
    ValueError,
    EOFError,
    OSError,
    SyntaxError,
    TypeError,
    RecursionError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
)


@dataclass(frozen=True)
class Array:
    """An array in a file; only what is asked for is read.

    Attributes:
        shape: the first axis counts samples.
        offset: where its values begin in the file.
        fortran: whether they are stored column after column.
    """

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    fortran: bool
    stored_bytes: int

    def read(self, start: int = 0, stop: int | None = None) -> NDArray:
        """Return samples [start, stop).

        Raises:
            DataError: when the file has become shorter.
        """
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        if not self.shape[0]:
            return np.empty(self.shape, self.dtype)
        try:
            mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, "F" if self.fortran else "C")
            return np.array(mapped[start:stop], order="C")
        except (OSError, ValueError) as error:
            raise DataError("an array cannot be read", where=self.path, got=error) from error


def open_array(path: Path, width: int | None = None, kinds: str = "fiu") -> Array:
    """Describe the `.npy` file `path` without reading its values; `kinds` are the NumPy kinds it may have.

    Args:
        width: elements of one sample; None: any.

    Raises:
        DataError: when it is absent, damaged, of another kind (pickled objects are refused) or another width.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in read:
                raise ValueError(f"version {version} of the array format")
            shape, fortran, dtype = read[version](file)
            offset = file.tell()
        stored = path.stat().st_size
    except FileNotFoundError:
        raise DataError("a file of the recording is missing", where=path, remedy="fetch or copy it again") from None
    except _UNREADABLE as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError("this is no NumPy array", where=path, got=first, remedy="fetch or copy it again") from error
    if dtype.kind not in kinds or dtype.hasobject or not shape:
        raise DataError("an array has the wrong type", where=path, got=f"{dtype} {shape}", expected=f"kinds '{kinds}'")
    total = dtype.itemsize
    for size in shape:
        total *= check_size("an axis", size, stored, path)
    check_size("an array", total, stored - offset, path)
    one = int(np.prod(shape[1:], dtype=int))
    if one == 0 or (width is not None and one != width):
        raise DataError("an array has the wrong shape", where=path, got=shape, expected=f"(n, {width or 'any'})")
    return Array(path=path, dtype=dtype, shape=tuple(shape), offset=offset, fortran=fortran, stored_bytes=stored)


def open_hevc(path: Path, frames: int) -> tuple[int, int, int]:
    """Return (height, width, 3) of a raw HEVC video.

    Args:
        frames: that it has at most.

    Raises:
        DataError: when it is none, or larger than any of so many frames.
    """
    # FFmpeg looks for the next frame to the end of the file, however far that is.
    check_size("a video", path.stat().st_size, (frames + 1) * LARGEST_FRAME, path)
    with path.open("rb") as file:
        if START_CODE not in file.read(PROBED):
            raise damaged(path, "it does not begin as HEVC does")
    with _opened(path) as container:
        context = container.streams.video[0].codec_context
        return context.height, context.width, 3


def read_hevc(
    path: Path, samples: NDArray[np.int64], shape: tuple[int, ...], count: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield frames by number (ascending, may repeat), decoded from the start: raw HEVC cannot be sought in.

    Raises:
        DataError: when a frame is damaged or another size, or the video ends before it.
    """
    wanted = iter(samples.tolist())
    sample = next(wanted, None)
    if sample is None:
        return
    convert = VideoReformatter()
    number = -1
    with _opened(path) as container:
        try:
            for number, frame in enumerate(container.decode(container.streams.video[0])):
                if number < sample:
                    continue
                if (frame.height, frame.width, 3) != tuple(shape):
                    raise damaged(path, f"frame {number} is {frame.width} x {frame.height}")
                picture = convert.reformat(frame, format="rgb24").to_ndarray()
                while sample == number:
                    yield picture
                    sample = next(wanted, None)
                    if sample is None:
                        return
        except av.FFmpegError as error:
            raise damaged(path, f"frame {number + 1}: {error}") from error
    raise DataError(
        "a video ends before its times do",
        where=path,
        got=f"{number + 1} frames",
        expected=f"{count}, one a frame time",
        remedy="the video is truncated: fetch or copy it again",
    )


def _opened(path: Path) -> av.container.InputContainer:
    container = open_video(path, "hevc")
    context = container.streams.video[0].codec_context
    if not context.height:
        container.close()
        raise damaged(path, "no frame that can be decoded")
    context.thread_count = 1
    return container
