"""Decoding: frames of an mp4 at given times, sequentially where it can, by seeking where it must."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from pathlib import Path

import av
import numpy as np
import simplejpeg
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.data.bounds import LARGEST_SAMPLE, check_size
from motorium.data.layout import TOLERANCE_S

OPEN_FILES = 4

# How pictures are made smaller, straight from the decoder's planes: every pixel is the mean of the area it covers, and
# colour is interpolated in full. `BITEXACT` keeps the result the same on every processor.
SCALING = Interpolation.AREA | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
SCALING_NAME = "swscale area, full_chroma_int, accurate_rnd, bitexact"

STRAY_BYTES, MOST_STRAY_BYTES = re.compile(r"(\d+) extraneous bytes before marker 0xd9"), 64

LATEST = 2.0**62
_local = threading.local()


class FrameReader:
    """One open video; keeps its decoder, its place in the file and one colour converter between calls.

    Raises:
        DataError: when the file is absent, truncated or holds no video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container = open_mp4(path)
        self._stream = self._container.streams.video[0]
        # One decoding thread: the batch is what runs in parallel, and AV1 frame threads delay every seek.
        self._stream.codec_context.thread_count = 1
        self._unit = float(self._stream.time_base)
        # A shared converter keeps its scaler tables; `to_ndarray(format=)` would build them for each frame.
        self._convert = VideoReformatter()
        self._index = self._stream.index_entries
        self._frames = None
        self._previous: av.VideoFrame | None = None
        self._current: av.VideoFrame | None = None
        height, width = self.shape[:2]
        check_size("a frame of a video", height * width * 3, LARGEST_SAMPLE, path)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 3) of a frame."""
        return self._stream.codec_context.height, self._stream.codec_context.width, 3

    def read(self, times_s: NDArray[np.float64], tolerance_s: float = TOLERANCE_S) -> NDArray[np.uint8]:
        """Return the frames nearest to `times_s` (n,), in any order: (n, H, W, 3) uint8 RGB.

        Raises:
            DataError: when no frame is within `tolerance_s` of a time, or the file is damaged.
        """
        times_s = np.asarray(times_s, np.float64)
        out = np.empty((len(times_s), *self.shape), np.uint8)
        self.read_into(out, np.argsort(times_s, kind="stable"), np.sort(times_s), tolerance_s)
        return out

    def read_into(
        self,
        out: NDArray[np.uint8],
        places: NDArray[np.int64],
        times_s: NDArray[np.float64],
        tolerance_s: float = TOLERANCE_S,
    ) -> None:
        """Write the frames nearest to `times_s` (n,), ascending, to `out[places]`.

        Args:
            out: (m, h, w, 3) uint8 RGB; where h and w are not the video's, pictures are scaled (`SCALING`).
            places: (n,), which of them; equal times are decoded once.

        Raises:
            DataError: as `read`.
        """
        last_place, last_s = -1, np.nan
        for place, time_s in zip(places.tolist(), times_s.tolist()):
            if time_s == last_s:
                out[place] = out[last_place]
            else:
                self._write(self._nearest(time_s, tolerance_s), out[place])
            last_place, last_s = place, time_s

    def close(self) -> None:
        """Close the file; idempotent."""
        self._frames = self._previous = self._current = None
        self._container.close()

    def _nearest(self, time_s: float, tolerance_s: float) -> av.VideoFrame:
        try:
            # NaN is no time, and a decoder's clock has 64 bits.
            if abs(time_s) / self._unit < LATEST:
                self._go_to(time_s, tolerance_s)
            else:
                self._previous = self._current = None
        except av.FFmpegError as error:
            raise damaged(self.path, error) from error
        near = [frame for frame in (self._previous, self._current) if frame is not None]
        best = min(near, key=lambda frame: abs(self._time(frame) - time_s), default=None)
        if best is None or abs(self._time(best) - time_s) > tolerance_s:
            raise DataError(
                "a video has no frame at the asked time",
                where=self.path,
                got="no frame" if best is None else f"nearest frame at {self._time(best):.6f} s",
                expected=f"{time_s:.6f} s, to {tolerance_s:g} s",
                remedy="the video is truncated, or its rate is not the dataset's: check its frame count and fps",
            )
        return best

    def _go_to(self, time_s: float, tolerance_s: float) -> None:
        """Move until `_current` is the first frame at or after the time (less the tolerance), or the last one."""
        if not self._needs_seek(time_s, tolerance_s):
            self._advance(time_s - tolerance_s)
            return
        target = max(int((time_s + tolerance_s) / self._unit), 0)
        self._seek(target)
        self._advance(time_s - tolerance_s)
        first = self._current if self._previous is None else None
        missed = first is not None and self._time(first) > time_s + tolerance_s
        found = self._index.search_timestamp(target) if missed else -1
        if found > 0:
            # An open group (HEVC's default): frames shown before its keyframe need the group before to decode.
            self._seek(self._index[found].timestamp - 1)
            self._advance(time_s - tolerance_s)

    def _seek(self, target: int) -> None:
        self._container.seek(target, stream=self._stream)
        self._frames = self._container.decode(self._stream)
        self._previous = self._current = None

    def _advance(self, time_s: float) -> None:
        while self._current is None or self._time(self._current) < time_s:
            frame = next(self._frames, None)
            if frame is None:
                return
            if frame.pts is None:
                continue
            self._previous, self._current = self._current, frame

    def _needs_seek(self, time_s: float, tolerance_s: float) -> bool:
        if self._frames is None or self._current is None:
            return True
        start = self._previous if self._previous is not None else self._current
        if time_s < self._time(start) - tolerance_s:
            return True
        # Decoding on is cheaper than seeking, unless a keyframe lies in between (and is not simply the next frame).
        now = self._current.pts
        if time_s - tolerance_s <= (now + (self._current.duration or 0)) * self._unit:
            return False
        found = self._index.search_timestamp(int((time_s + tolerance_s) / self._unit))
        return found >= 0 and self._index[found].timestamp > now

    def _time(self, frame: av.VideoFrame) -> float:
        return frame.pts * self._unit

    def _write(self, frame: av.VideoFrame, out: NDArray[np.uint8]) -> None:
        """Convert one frame to RGB, at the size of `out` (h, w, 3)."""
        height, width = out.shape[:2]
        # One thread: the converter would start one a processor for every picture.
        if (frame.height, frame.width) == (height, width):
            frame = self._convert.reformat(frame, format="rgb24", threads=1)
        elif (frame.height, frame.width) == self.shape[:2]:
            frame = self._convert.reformat(
                frame, width=width, height=height, format="rgb24", interpolation=SCALING, threads=1
            )
        else:
            raise damaged(self.path, f"a frame of {frame.width}x{frame.height} in a video of another size")
        # Straight from the plane, whose lines may be padded: `to_ndarray` would copy once more.
        plane = frame.planes[0]
        lines = np.frombuffer(plane, np.uint8, plane.line_size * height).reshape(height, plane.line_size)
        out[:] = lines[:, : width * 3].reshape(height, width, 3)


def open_mp4(path: Path) -> av.container.InputContainer:
    """Open an mp4 for reading; anything else, such as a playlist that names other files, is refused.

    Raises:
        DataError: when it is absent, truncated or no mp4.
    """
    return open_video(path, "mp4")


def open_video(path: Path, demuxer: str) -> av.container.InputContainer:
    """Open a video by FFmpeg's `demuxer`; named, so that a playlist that points at other files is never followed.

    Raises:
        DataError: when it is absent, truncated, or has no pictures that can be decoded.
    """
    try:
        container = av.open(str(path.absolute()), format=demuxer, metadata_errors="replace")
    except FileNotFoundError:
        raise DataError("a video is missing", where=path, remedy="fetch or copy it again") from None
    except (av.FFmpegError, ValueError, OSError) as error:
        raise damaged(path, error) from error
    video = container.streams.video
    if not video or video[0].codec_context is None or not video[0].time_base:
        container.close()
        raise damaged(path, "no video stream that can be decoded")
    return container


def shared_reader(path: Path, open_files: int = OPEN_FILES) -> FrameReader:
    """Return this thread's open reader of `path`; beyond `open_files`, the least recently used are closed."""
    if getattr(_local, "pid", None) != os.getpid():
        # A forked child must not share a decoder with its parent.
        _local.pid, _local.readers = os.getpid(), OrderedDict()
    readers: OrderedDict = _local.readers
    try:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError:
        key = (str(path),)
    if key not in readers:
        readers[key] = FrameReader(path)
        while len(readers) > open_files:
            readers.popitem(last=False)[1].close()
    readers.move_to_end(key)
    return readers[key]


def scaled(picture: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) uint8 RGB at another size, (h, w, 3), as `FrameReader` scales (`SCALING`)."""
    if picture.shape == tuple(shape):
        return picture
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame = VideoReformatter().reformat(
        frame, width=shape[1], height=shape[0], format="rgb24", interpolation=SCALING, threads=1
    )
    return frame.to_ndarray()


def decode_image(data: bytes, where: object) -> NDArray[np.uint8]:
    """Return one encoded PNG or JPEG as (H, W, 3) uint8 RGB; a JPEG as libjpeg decodes it.

    Raises:
        DataError: when it is neither, damaged, or larger than a sample may be.
    """
    if data[:3] == b"\xff\xd8\xff":
        return _decode_jpeg(data, where)
    if data[:4] != b"\x89PNG":
        raise DataError("a picture is neither PNG nor JPEG", where=where, got=data[:8], expected="PNG or JPEG")
    # The header chunk: 8 bytes of signature, 8 of chunk head, then width and height, big-endian (PNG, section 11.2.1).
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    check_size("a picture", 3 * height * width, LARGEST_SAMPLE, where)
    try:
        decoder = av.CodecContext.create("png", "r")
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        return frames[0].to_ndarray(format="rgb24")
    except (av.FFmpegError, IndexError) as error:
        raise DataError("a picture is damaged", where=where, got=error) from error


def _decode_jpeg(data: bytes, where: object) -> NDArray[np.uint8]:
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        check_size("a picture", 3 * height * width, LARGEST_SAMPLE, where)
        try:
            return simplejpeg.decode_jpeg(data, "RGB")
        except ValueError as error:
            # Some cameras put a few bytes before the last marker; what misses a part of the picture is damaged.
            stray = STRAY_BYTES.search(str(error))
            if stray is None or int(stray[1]) > MOST_STRAY_BYTES:
                raise
            return simplejpeg.decode_jpeg(data, "RGB", strict=False)
    except ValueError as error:
        raise DataError("a picture is damaged", where=where, got=error) from error


def damaged(path: Path, error: object) -> DataError:
    """Return the error that says a video cannot be read."""
    return DataError(
        "a video is truncated or damaged",
        where=path,
        got=first_line(error),
        remedy="fetch or copy it again; an interrupted mp4 has no index",
    )
