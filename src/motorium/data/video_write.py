"""Encoding from memory, and copying and joining encoded packets without touching a pixel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.layout import TOLERANCE_S
from motorium.data.video_read import damaged, open_mp4

# Without a version string in the file: the same frames give the same bytes.
MUXER = {"fflags": "+bitexact"}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How to encode: the encoder, its options, and frames between keyframes."""

    encoder: str
    codec: str
    gop: int
    options: dict[str, str] = field(default_factory=dict)


# `fast` decodes about twice as fast as `lerobot` at 320x240 and equal quality; short groups keep random access cheap.
# One thread each: the encoders' output depends on their thread count. No macroblock tree: with AVX-512, x264 reads
# beyond its rows there in narrow pictures, and the bytes of about one file in thirty then depend on what lay in memory
# (measured at 64 pixels' width; with `mbtree=0`, or with AVX2, no file of 60 differed). It gains little in groups of 5.
PROFILES = {
    "fast": Profile(
        encoder="libx264",
        codec="h264",
        gop=5,
        options={"preset": "veryfast", "tune": "fastdecode", "bf": "0", "crf": "18", "x264-params": "mbtree=0"},
    ),
    "lerobot": Profile(
        encoder="libsvtav1", codec="av1", gop=2, options={"crf": "30", "preset": "12", "svtav1-params": "lp=1"}
    ),
}


def encode(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float, profile: Profile) -> None:
    """Encode pictures (H, W, 3) uint8 RGB, H and W even, into a new mp4.

    Raises:
        DataError: when the pictures cannot be encoded, or there are none.
    """
    convert, stream = VideoReformatter(), None
    try:
        with av.open(str(path.absolute()), "w", format="mp4", options=MUXER) as container:
            for number, picture in enumerate(frames):
                if stream is None:
                    stream = _add_encoder(container, picture.shape, fps, profile)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame = convert.reformat(frame, format="yuv420p")
                frame.pts, frame.time_base = number, _tick(fps)
                container.mux(stream.encode(frame))
            if stream is None:
                raise DataError("there are no pictures to encode", where=path)
            container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise DataError("pictures cannot be encoded", where=path, got=error) from error


def _add_encoder(container: Any, shape: tuple[int, ...], fps: float, profile: Profile) -> Any:
    height, width = shape[:2]
    if height % 2 or width % 2:
        raise DataError(
            "a video needs an even height and width", got=(height, width), remedy="crop or pad the pictures"
        )
    # SVT-AV1 writes its configuration to stderr for every file unless it is told to report errors only.
    os.environ.setdefault("SVT_LOG", "1")
    stream = container.add_stream(profile.encoder, rate=1 / _tick(fps), options=dict(profile.options))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = _tick(fps)
    stream.codec_context.gop_size = profile.gop
    stream.codec_context.thread_count = 1
    return stream


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Packets that decode to steps 0 to length - 1.

    Attributes:
        stream: whose packets they are; alive as long as its container.
        packets: in decoding order.
        shown, decoded: their times in steps; `decoded` runs ahead of `shown` where frames are reordered.
        length: steps.
    """

    stream: Any
    packets: Sequence[av.Packet]
    shown: Sequence[int]
    decoded: Sequence[int]
    length: int

    @property
    def signature(self) -> tuple:
        """Clips of one signature can stand behind each other in one file."""
        codec = self.stream.codec_context
        extra = bytes(codec.extradata or b"")
        return self.stream.codec_context.codec.canonical_name, codec.width, codec.height, extra, self.decoded[0]


def find_clip(container: Any, path: Path, from_s: float, steps: range, fps: float) -> Clip | None:
    """Return the packets that show `steps` (counted from `from_s`), or None when they need others to decode.

    Raises:
        DataError: when the video lacks a step or its frames are not on the grid of `fps`.
    """
    stream = container.streams.video[0]
    unit = float(stream.time_base)
    start_s = from_s + steps.start / fps
    try:
        container.seek(max(int((start_s + TOLERANCE_S) / unit), 0), stream=stream)
        packets = []
        for packet in container.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            packets.append(packet)
            # Every packet decodes before it shows, so nothing after this one can belong to the clip.
            if (packet.dts * unit - from_s) * fps > steps.stop - 0.5:
                break
    except av.FFmpegError as error:
        raise damaged(path, error) from error
    times = np.array([(packet.pts * unit - from_s) * fps for packet in packets])
    shown = np.round(times).astype(int)
    inside = np.flatnonzero((shown >= steps.start) & (shown < steps.stop))
    _check_grid(path, times[inside], shown[inside], steps, fps)
    contiguous = inside[-1] - inside[0] + 1 == len(inside)
    first = packets[inside[0]]
    if not contiguous or not first.is_keyframe or shown[inside[0]] != steps.start:
        return None
    chosen = [packets[i] for i in inside]
    decoded = [round((packet.dts * unit - from_s) * fps) - steps.start for packet in chosen]
    return Clip(
        stream=stream,
        packets=chosen,
        shown=(shown[inside] - steps.start).tolist(),
        decoded=decoded,
        length=len(steps),
    )


def _check_grid(path: Path, times: NDArray, shown: NDArray, steps: range, fps: float) -> None:
    missing = sorted(set(steps) - set(shown.tolist()))
    if missing or len(shown) != len(steps):
        raise DataError(
            "a video does not have one frame a step",
            where=path,
            got=f"{len(shown)} frames, none for step {missing[0]}" if missing else f"{len(shown)} frames",
            expected=f"{len(steps)} steps",
            remedy="the video is truncated or its rate is not the dataset's",
        )
    off = np.abs(times - shown) / fps
    if off.max() > TOLERANCE_S:
        raise DataError(
            "frames of a video are not at the times of the steps",
            where=path,
            got=f"{off.max():.6f} s off at step {int(shown[off.argmax()])}",
            expected=f"at most {TOLERANCE_S:g} s",
        )


class Joiner:
    """One new mp4 that clips of one signature are put into, one behind the other."""

    def __init__(self, path: Path, fps: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path.absolute()), "w", format="mp4", options=MUXER)
        self._fps, self._stream = fps, None
        self.signature: tuple | None = None
        self.steps = 0

    def add(self, clip: Clip) -> float:
        """Append a clip; return the time of its first frame in the file, in seconds."""
        if self._stream is None:
            # Opaque: keep the codec's own header. Opening a decoder for the template breaks AV1.
            self._stream = self._container.add_stream_from_template(clip.stream, opaque=True)
            self._stream.time_base = _tick(self._fps)
            self.signature = clip.signature
        for packet, shown, decoded in zip(clip.packets, clip.shown, clip.decoded):
            copy = av.Packet(bytes(packet))
            copy.is_keyframe = packet.is_keyframe
            copy.time_base = _tick(self._fps)
            copy.pts, copy.dts, copy.duration = self.steps + shown, self.steps + decoded, 1
            copy.stream = self._stream
            self._container.mux_one(copy)
        start, self.steps = self.steps, self.steps + clip.length
        return start / self._fps

    def close(self) -> None:
        """Write the index; without it the file cannot be read."""
        self._container.close()


def copy_clip(source: Path, target: Path, from_s: float, steps: range, fps: float) -> bool:
    """Copy the packets of `steps` into a new mp4; False, and no file, when they cannot stand alone.

    Raises:
        DataError: as `find_clip`.
    """
    with open_mp4(source) as container:
        clip = find_clip(container, source, from_s, steps, fps)
        if clip is None:
            return False
        joiner = Joiner(target, fps)
        joiner.add(clip)
        joiner.close()
    return True


def picture_info(path: Path, fps: float) -> dict[str, Any]:
    """Return the `info` block of a video feature, from one of its files."""
    with open_mp4(path) as container:
        codec = container.streams.video[0].codec_context
        return {
            "video.height": codec.height,
            "video.width": codec.width,
            "video.codec": codec.codec.canonical_name,
            "video.pix_fmt": codec.pix_fmt,
            "video.is_depth_map": False,
            "video.fps": int(fps) if float(fps).is_integer() else fps,
            "video.channels": 3,
            "has_audio": bool(container.streams.audio),
        }


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (H, W, 3) uint8 RGB as PNG."""
    encoder = av.CodecContext.create("png", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "rgb24", Fraction(1, 1), 1
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1, 1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _tick(fps: float) -> Fraction:
    """Seconds of one step, exactly; 29.97 is meant as 30000/1001."""
    return 1 / Fraction(fps).limit_denominator(1001)
