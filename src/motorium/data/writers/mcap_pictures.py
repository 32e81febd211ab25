"""Pictures of a dataset as Foxglove's messages hold them: video packets as they are, PNG or JPEG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.dataset import Dataset
from motorium.data.formats.bags.video import is_keyframe
from motorium.data.video_read import damaged, open_mp4
from motorium.data.video_write import encode_png, find_clip

# Codecs that foxglove.CompressedVideo knows, and what turns packets of an mp4 into what it wants.
_FORMATS = {"h264": ("h264", "h264_mp4toannexb"), "hevc": ("h265", "hevc_mp4toannexb"), "av1": ("av1", None)}

JPEG_QUALITY = 2  # FFmpeg's scale: 1 is best, 31 worst


@dataclass(frozen=True)
class Encoded:
    """Pictures of one episode and camera: the message type, the format it names, and the data of each step."""

    kind: str
    format: str
    data: Iterator[bytes]


def encoded_pictures(dataset: Dataset, index: int, key: str, how: str) -> Encoded:
    """Return the pictures of an episode; `how`: `auto`, `png` or `jpeg`.

    Raises:
        DataError: when they cannot be read.
    """
    if how == "auto" and dataset.camera_feature(key).dtype == "video":
        copied = _packets(dataset, index, key)
        if copied is not None:
            return copied
    if how == "jpeg":
        return Encoded("CompressedImage", "jpeg", map(encode_jpeg, dataset.pictures(index, key)))
    return Encoded("CompressedImage", "png", map(encode_png, dataset.pictures(index, key)))


def _packets(dataset: Dataset, index: int, key: str) -> Encoded | None:
    """Return the video's packets, None where they need others, are reordered, or of another codec."""
    span = dataset.video_span(index, key)
    steps = range(int(dataset.lengths[index]))
    with open_mp4(span.path) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.codec.canonical_name
        clip = find_clip(container, span.path, span.from_s, steps, dataset.fps) if codec in _FORMATS else None
        if clip is None or list(clip.shown) != list(steps):
            return None
        name, filter_name = _FORMATS[codec]
        try:
            if filter_name is None:
                data = [bytes(packet) for packet in clip.packets]
            else:
                into = av.BitStreamFilterContext(filter_name, stream)
                data = [b"".join(bytes(part) for part in into.filter(packet)) for packet in clip.packets]
        except av.FFmpegError as error:
            raise damaged(span.path, error) from error
    # A player begins anywhere: keyframes must carry their parameters.
    if len(data) != len(steps) or not is_keyframe(data[0], codec):
        return None
    return Encoded("CompressedVideo", name, iter(data))


def encode_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (H, W, 3) uint8 RGB as JPEG.

    Raises:
        DataError: when FFmpeg cannot encode it.
    """
    try:
        encoder = av.CodecContext.create("mjpeg", "w")
        encoder.height, encoder.width = picture.shape[:2]
        encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuvj444p", Fraction(1, 1), 1
        encoder.flags |= av.codec.context.Flags.qscale
        encoder.global_quality = JPEG_QUALITY * 118
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24").reformat(format="yuvj444p")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    except (av.FFmpegError, ValueError) as error:
        raise DataError("a picture cannot be encoded", got=error) from error
