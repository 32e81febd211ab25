"""Decoding: frames of an mp4 at given times, sequentially where it can, by seeking where it must."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.layout import TOLERANCE_S

OPEN_FILES = 4

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
        self._keyframes = np.array([entry.timestamp for entry in self._stream.index_entries if entry.is_keyframe])
        self._frames = None
        self._previous: av.VideoFrame | None = None
        self._current: av.VideoFrame | None = None

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
        last: int | None = None
        for place in np.argsort(times_s, kind="stable"):
            time_s = float(times_s[place])
            if last is not None and times_s[last] == time_s:
                out[place] = out[last]
                continue
            out[place] = self._rgb(self._nearest(time_s, tolerance_s))
            last = int(place)
        return out

    def close(self) -> None:
        """Close the file; idempotent."""
        self._frames = self._previous = self._current = None
        self._container.close()

    def _nearest(self, time_s: float, tolerance_s: float) -> av.VideoFrame:
        try:
            self._go_to(time_s, tolerance_s)
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
        if self._needs_seek(time_s, tolerance_s):
            self._container.seek(max(int((time_s + tolerance_s) / self._unit), 0), stream=self._stream)
            self._frames = self._container.decode(self._stream)
            self._previous = self._current = None
        while self._current is None or self._time(self._current) < time_s - tolerance_s:
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
        # Decoding on is cheaper than seeking, unless a keyframe lies in between.
        now, target = self._current.pts, (time_s + tolerance_s) / self._unit
        after = np.searchsorted(self._keyframes, now, side="right")
        return bool(after + 1 < len(self._keyframes) and self._keyframes[after + 1] <= target)

    def _time(self, frame: av.VideoFrame) -> float:
        return frame.pts * self._unit

    def _rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        return self._convert.reformat(frame, format="rgb24").to_ndarray()


def open_mp4(path: Path) -> av.container.InputContainer:
    """Open an mp4 for reading; anything else, such as a playlist that names other files, is refused.

    Raises:
        DataError: when it is absent, truncated or no mp4.
    """
    try:
        container = av.open(str(path.absolute()), format="mp4", metadata_errors="replace")
    except FileNotFoundError:
        raise DataError("a video is missing", where=path, remedy="fetch or copy it again") from None
    except (av.FFmpegError, ValueError) as error:
        raise damaged(path, error) from error
    video = container.streams.video
    if not video or video[0].codec_context is None or not video[0].time_base:
        container.close()
        raise damaged(path, "no video stream that can be decoded")
    return container


def shared_reader(path: Path) -> FrameReader:
    """Return this thread's open reader of `path`; the least recently used are closed."""
    if getattr(_local, "pid", None) != os.getpid():
        # A forked child must not share a decoder with its parent.
        _local.pid, _local.readers = os.getpid(), OrderedDict()
    readers: OrderedDict = _local.readers
    stat = path.stat() if path.exists() else None
    key = (str(path), stat and (stat.st_size, stat.st_mtime_ns, stat.st_ino))
    if key not in readers:
        readers[key] = FrameReader(path)
        while len(readers) > OPEN_FILES:
            readers.popitem(last=False)[1].close()
    readers.move_to_end(key)
    return readers[key]


def decode_image(data: bytes, where: object) -> NDArray[np.uint8]:
    """Return one encoded PNG or JPEG as (H, W, 3) uint8 RGB.

    Raises:
        DataError: when it is neither, or damaged.
    """
    name = {b"\x89PNG": "png", b"\xff\xd8\xff": "mjpeg"}.get(data[:4] if data[:1] == b"\x89" else data[:3])
    if name is None:
        raise DataError("a picture is neither PNG nor JPEG", where=where, got=data[:8], expected="PNG or JPEG")
    try:
        decoder = av.CodecContext.create(name, "r")
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        return frames[0].to_ndarray(format="rgb24")
    except (av.FFmpegError, IndexError) as error:
        raise DataError("a picture is damaged", where=where, got=error) from error


def damaged(path: Path, error: object) -> DataError:
    """Return the error that says a video cannot be read."""
    return DataError(
        "a video is truncated or damaged",
        where=path,
        got=str(error) or type(error).__name__,
        remedy="fetch or copy it again; an interrupted mp4 has no index",
    )
