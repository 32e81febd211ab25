"""Compressed video in messages, a frame a message: decoded in order, from the keyframe before what is asked for.

Source: foxglove.CompressedVideo (h264 and h265 in Annex B; keyframes carry their parameter sets; no B-frames).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from motorium.core.errors import first_line
from motorium.core.features import Feature
from motorium.data.bounds import LARGEST_SAMPLE
from motorium.data.formats.bags.decode import Decoder
from motorium.data.formats.bags.pictures import content_of
from motorium.data.formats.bags.source import Message
from motorium.data.formats.bags.topic import BulkyTopic, Source, frame_of
from motorium.data.formats.bags.types import Undecodable
from motorium.data.log import Stream

TYPES = ("foxglove.CompressedVideo", "foxglove_msgs/CompressedVideo")

CODECS = {"h264": "h264", "avc": "h264", "h265": "hevc", "hevc": "hevc", "vp9": "vp9", "av1": "av1"}


class VideoTopic(BulkyTopic):
    """A topic of video frames. Those before the first keyframe cannot be decoded and are no samples."""

    def __init__(self, name: str, kind: str, decoder: Decoder) -> None:
        super().__init__(name, kind, decoder)
        self.keys = bytearray()
        self._codec = ""
        self._early = 0
        self._first = b""

    def see(self, message: Message) -> None:
        """Take note of a frame: where it is and whether decoding can begin there."""
        frame = self.decoder.decode(message.data)
        words = str(frame["format"] if isinstance(frame, dict) else frame.format).lower()
        codec = CODECS.get(words)
        if codec is None or (self._codec and codec != self._codec):
            raise Undecodable(f"video encoded as {words!r} is not read" if codec is None else "the codec changes")
        self._codec = codec
        content = content_of(frame)
        key = is_keyframe(content, codec)
        self.count += 1
        self.stored += len(message.data)
        if not self.keys and not key:
            self._early += 1
            return
        if not self.keys:
            self._first, self._frame = content, frame_of(frame, self.decoder)
        self.keys.append(key)
        self._keep(message)

    def _make_sources(self) -> list[Source]:
        """Return the camera."""
        if not self.keys:
            self.problems.append(f"{self.name} ({self.type}): no stream, none of {self.count} frames is a keyframe")
            return []
        if self._early:
            self.problems.append(f"{self.name}: {self._early} frames before the first keyframe are left out")
        shape = next(decode_frames(self._codec, [self._first], [0])).shape
        feature = Feature(dtype="video", shape=shape, frame=self._frame)
        note = f"{self.type}, {self._codec}"
        stream = Stream(feature=feature, count=len(self.times), note=note, stored_bytes=self.stored)
        return [Source(self.name, stream, self, self.times, role="picture", bulky=True)]

    def sample(self, source: Source, data: memoryview) -> NDArray:
        """Not how video is read; see `needed` and `decode`."""
        raise Undecodable("a frame of a video needs those before it")

    def needed(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the samples that must be decoded to see some (ascending): from the keyframe before each on."""
        keys = np.flatnonzero(np.frombuffer(self.keys, np.uint8))
        starts = keys[np.searchsorted(keys, samples, side="right") - 1]
        wanted: list[NDArray[np.int64]] = []
        done = -1
        for start, sample in zip(starts.tolist(), samples.tolist()):
            first = max(start, done + 1)
            if sample >= first:
                wanted.append(np.arange(first, sample + 1))
                done = sample
        return np.concatenate(wanted) if wanted else np.empty(0, np.int64)

    def decode(self, messages: Iterator[memoryview], numbers: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures of messages that `needed` chose, in order."""
        contents = (content_of(self.decoder.decode(data)) for data in messages)
        shape = self.sources()[0].stream.feature.shape
        for number, picture in zip(numbers, decode_frames(self._codec, contents, numbers)):
            if picture.shape != shape:
                raise Undecodable(f"frame {number} is {picture.shape[1]}x{picture.shape[0]}, not {shape[1]}x{shape[0]}")
            yield picture


def decode_frames(codec: str, contents: Sequence[bytes] | Iterator[bytes], numbers: Sequence[int]) -> Iterator[NDArray]:
    """Yield (H, W, 3) uint8 RGB for each access unit, in order; decoders may run some frames behind.

    Raises:
        Undecodable: when a unit does not decode to exactly one frame.
    """
    decoder = av.CodecContext.create("libdav1d" if codec == "av1" else codec, "r")
    decoder.thread_count = 1
    convert = VideoReformatter()
    waiting: list[int] = []
    try:
        for number, content in zip(numbers, contents):
            packet = av.Packet(content)
            # The number travels through the decoder as a time, so that a lost frame is noticed.
            packet.pts = packet.dts = number
            waiting.append(number)
            for frame in decoder.decode(packet):
                yield _picture(frame, waiting, convert)
        for frame in decoder.decode(None):
            yield _picture(frame, waiting, convert)
    except av.FFmpegError as error:
        raise Undecodable(f"frame {waiting[0] if waiting else 0} is damaged: {first_line(error)}") from error
    if waiting:
        raise Undecodable(f"frame {waiting[0]} cannot be decoded")


def _picture(frame: av.VideoFrame, waiting: list[int], convert: VideoReformatter) -> NDArray[np.uint8]:
    if not waiting or frame.pts != waiting[0]:
        raise Undecodable(f"frame {waiting[0] if waiting else frame.pts} cannot be decoded")
    if frame.width * frame.height * 4 > LARGEST_SAMPLE:
        raise Undecodable(f"a picture of {frame.width}x{frame.height} pixels")
    waiting.pop(0)
    return convert.reformat(frame, format="rgb24").to_ndarray()


def is_keyframe(data: bytes, codec: str) -> bool:
    """Whether decoding can begin with an access unit.

    Source: ITU-T H.264 table 7-1 (5: IDR slice), H.265 table 7-1 (16 to 21: random access points);
    VP9 bitstream 6.2 (frame_type 0); AV1 bitstream 6.2.2 (OBU type 1: sequence header, repeated at keyframes).
    """
    if codec in ("h264", "hevc"):
        at = data.find(b"\0\0\1")
        while 0 <= at < len(data) - 3:
            kind = data[at + 3] & 31 if codec == "h264" else (data[at + 3] >> 1) & 63
            if kind == 5 if codec == "h264" else 16 <= kind <= 21:
                return True
            at = data.find(b"\0\0\1", at + 3)
        return False
    if codec == "vp9":
        # Two bits of marker, two of profile, one for a repeated frame (profile 3 has one more), then the type.
        shift = 1 if data[:1] and data[0] & 0x30 == 0x30 else 2
        return bool(data) and not (data[0] >> shift) & 1
    return _has_sequence_header(data)


def _has_sequence_header(data: bytes) -> bool:
    at = 0
    while at < len(data):
        kind, extended, sized = (data[at] >> 3) & 15, data[at] & 4, data[at] & 2
        if kind == 1:
            return True
        if not sized:
            return False
        at += 2 if extended else 1
        length = shift = 0
        while at < len(data):
            length |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 128 or shift > 56:
                break
        at += length
    return False
