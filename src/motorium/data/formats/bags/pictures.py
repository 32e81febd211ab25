"""Pictures in messages: raw, JPEG and PNG as cameras, 16-bit and float depth as numbers.

Source: sensor_msgs/image_encodings.hpp; sensor_msgs/Image, CompressedImage; foxglove.RawImage, CompressedImage.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import first_line
from motorium.core.features import Feature
from motorium.data.bounds import LARGEST_SAMPLE
from motorium.data.formats.bags.decode import Decoder
from motorium.data.formats.bags.source import Message
from motorium.data.formats.bags.topic import BulkyTopic, Source, frame_of
from motorium.data.formats.bags.types import Undecodable
from motorium.data.log import Stream
from motorium.data.video_read import decode_image

RAW = ("sensor_msgs/Image", "foxglove.RawImage")
COMPRESSED = ("sensor_msgs/CompressedImage", "foxglove.CompressedImage")

# What image_transport's compressedDepth puts before its PNG: a format and two parameters.
DEPTH_HEADER = 12


class Raw(NamedTuple):
    """How an encoding is stored: bytes of a pixel (`size`), and what makes it (H, W, 3) uint8, or (H, W) depth."""

    size: int
    convert: Callable[[NDArray[np.uint8], bool], NDArray]
    depth: str = ""
    unit: str = ""
    note: str = ""


class Signature(NamedTuple):
    """What all pictures of a topic have in common."""

    encoding: str
    height: int
    width: int


def _pick(channels: int, *order: int) -> Callable[[NDArray[np.uint8], bool], NDArray]:
    return lambda rows, big: rows.reshape(len(rows), -1, channels)[..., list(order)]


def _upper(channels: int, *order: int) -> Callable[[NDArray[np.uint8], bool], NDArray]:
    # The upper byte of each 16-bit value: the second one, unless the sender was big-endian.
    return lambda rows, big: rows.reshape(len(rows), -1, channels, 2)[:, :, list(order), 0 if big else 1]


def _numbers(dtype: str) -> Callable[[NDArray[np.uint8], bool], NDArray]:
    return lambda rows, big: rows.view(np.dtype(dtype).newbyteorder(">" if big else "<")).astype(dtype)


def _ffmpeg(name: str) -> Callable[[NDArray[np.uint8], bool], NDArray]:
    def convert(rows: NDArray[np.uint8], big: bool) -> NDArray:
        height, size = rows.shape
        frame = av.VideoFrame(size // av.VideoFormat(name, 16, 16).padded_bits_per_pixel * 8, height, name)
        lines = np.zeros((height, frame.planes[0].line_size), np.uint8)
        lines[:, :size] = rows
        frame.planes[0].update(lines)
        return frame.reformat(format="rgb24").to_ndarray()

    return convert


_CUT = "16 bits, the upper 8 are kept"
_MOSAIC = "demosaiced by FFmpeg"

ENCODINGS: dict[str, Raw] = {
    "rgb8": Raw(3, _pick(3, 0, 1, 2)),
    "bgr8": Raw(3, _pick(3, 2, 1, 0)),
    "8UC3": Raw(3, _pick(3, 2, 1, 0), note="taken as bgr8"),
    "rgba8": Raw(4, _pick(4, 0, 1, 2), note="without alpha"),
    "bgra8": Raw(4, _pick(4, 2, 1, 0), note="without alpha"),
    "8UC4": Raw(4, _pick(4, 2, 1, 0), note="taken as bgra8, without alpha"),
    "mono8": Raw(1, _pick(1, 0, 0, 0)),
    "8UC1": Raw(1, _pick(1, 0, 0, 0)),
    "mono16": Raw(2, _upper(1, 0, 0, 0), note=_CUT),
    "rgb16": Raw(6, _upper(3, 0, 1, 2), note=_CUT),
    "bgr16": Raw(6, _upper(3, 2, 1, 0), note=_CUT),
    "16UC1": Raw(2, _numbers("uint16"), depth="uint16", unit="mm", note="depth"),
    "32FC1": Raw(4, _numbers("float32"), depth="float32", unit="m", note="depth"),
    "bayer_rggb8": Raw(1, _ffmpeg("bayer_rggb8"), note=_MOSAIC),
    "bayer_bggr8": Raw(1, _ffmpeg("bayer_bggr8"), note=_MOSAIC),
    "bayer_gbrg8": Raw(1, _ffmpeg("bayer_gbrg8"), note=_MOSAIC),
    "bayer_grbg8": Raw(1, _ffmpeg("bayer_grbg8"), note=_MOSAIC),
    "yuv422": Raw(2, _ffmpeg("uyvy422")),
    "uyvy": Raw(2, _ffmpeg("uyvy422")),
    "yuv422_yuy2": Raw(2, _ffmpeg("yuyv422")),
    "yuyv": Raw(2, _ffmpeg("yuyv422")),
}


class PicturesTopic(BulkyTopic):
    """A topic of single pictures, raw or compressed."""

    def __init__(self, name: str, kind: str, decoder: Decoder) -> None:
        super().__init__(name, kind, decoder)
        self._signature: Signature | None = None
        self._format = ""
        self._fault = ""

    def see(self, message: Message) -> None:
        """Take note of a picture: where it is, its encoding and size; nothing of it is kept."""
        picture = self.decoder.decode(message.data)
        signature = self._describe(picture)
        if self._signature is None:
            self._signature, self._frame = signature, frame_of(picture, self.decoder)
            self._format = str(_get(picture, "format")) if self.type in COMPRESSED else signature.encoding
        elif signature != self._signature and not self._fault:
            self._fault = (
                f"pictures change from {_words(self._signature)} to {_words(signature)} at message {self.count}"
            )
        self._keep(message)
        self.count += 1
        self.stored += len(message.data)

    def _make_sources(self) -> list[Source]:
        """Return the camera, or the depth pictures."""
        if self._signature is None:
            return []
        encoding, height, width = self._signature
        known = encoding in ("jpeg", "png", "png16") or encoding in ENCODINGS
        if self._fault or not known:
            reason = self._fault or f"pictures encoded as {encoding!r} are not read"
            self.problems.append(f"{self.name} ({self.type}): no stream, {reason}")
            return []
        raw = ENCODINGS.get("16UC1" if encoding == "png16" else encoding)
        note = f"{self.type}, {self._format or encoding}" + (f" ({raw.note})" if raw and raw.note else "")
        if raw and raw.depth:
            feature = Feature(dtype=raw.depth, shape=(height, width), units=(raw.unit,), frame=self._frame)
        else:
            feature = Feature(dtype="video", shape=(height, width, 3), frame=self._frame)
        stream = Stream(feature=feature, count=len(self.times), note=note, stored_bytes=self.stored)
        role = "depth" if raw and raw.depth else "picture"
        return [Source(self.name, stream, self, self.times, role=role, bulky=True)]

    def sample(self, source: Source, data: memoryview) -> NDArray:
        """Return one picture: (H, W, 3) uint8 RGB, or (H, W) depth."""
        picture = self.decoder.decode(data)
        signature = self._describe(picture)
        if signature != self._signature:
            raise Undecodable(f"the picture is {_words(signature)}, not {_words(self._signature)}")
        content = content_of(picture)
        if signature.encoding == "png16":
            return _decode_depth(content[content.find(b"\x89PNG") :])
        if signature.encoding in ("jpeg", "png"):
            found = decode_image(content, f"{self.name}")
            if found.shape[:2] != signature[1:]:
                raise Undecodable(f"it decodes to {found.shape[1]}x{found.shape[0]}")
            return found
        return self._convert(picture, content, signature)

    def _convert(self, picture: Any, content: bytes, signature: Signature) -> NDArray:
        raw = ENCODINGS[signature.encoding]
        step = _get(picture, "step")
        rows = np.frombuffer(content, np.uint8)[: signature.height * step].reshape(signature.height, step)
        rows = np.ascontiguousarray(rows[:, : signature.width * raw.size])
        try:
            return np.ascontiguousarray(raw.convert(rows, bool(getattr(picture, "is_bigendian", 0))))
        except (av.FFmpegError, ValueError) as error:
            raise Undecodable(first_line(error)) from error

    def _describe(self, picture: Any) -> Signature:
        """Return a picture's encoding and size, checked against its bytes, without decoding it."""
        if self.type in RAW:
            encoding = str(_get(picture, "encoding")).strip()
            height, width, step = (int(_get(picture, name)) for name in ("height", "width", "step"))
            raw = ENCODINGS.get(encoding)
            _check_area(height, width)
            if raw and (step < width * raw.size or height * step > _size(picture)):
                raise Undecodable(f"{width}x{height} pixels of {encoding} do not fit its bytes")
            return Signature(encoding, height, width)
        words = str(_get(picture, "format"))
        content = content_of(picture)
        if "compressedDepth" in words:
            if not words.startswith("16UC1"):
                return Signature(f"{words.split(';')[0]} compressedDepth", 0, 0)
            content = content[DEPTH_HEADER:]
        return picture_size(content) or Signature(words or "unknown", 0, 0)


def _size(picture: Any) -> int:
    data = _get(picture, "data")
    return len(content_of(picture)) if isinstance(data, str) else len(data)


def content_of(picture: Any) -> bytes:
    """Return the bytes of a message's `data`, which JSON writes in base64."""
    data = _get(picture, "data")
    if isinstance(data, str):
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Undecodable(f"its data is not base64: {first_line(error)}") from error
    return data if isinstance(data, bytes) else bytes(memoryview(data).cast("B"))


def picture_size(data: bytes) -> Signature | None:
    """Return the kind and size of a JPEG or PNG by its headers; None: it is neither.

    Raises:
        Undecodable: when it is cut off in its headers or too large.
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        if len(data) < 26:
            raise Undecodable("its PNG is cut off")
        width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
        _check_area(height, width)
        return Signature("png16" if (depth, colour) == (16, 0) else "png", height, width)
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        # A start of frame, but not the tables whose codes lie between (DHT, JPG, DAC).
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            _check_area(height, width)
            return Signature("jpeg", height, width)
        at += 1 if marker == 0xFF else 2 + length
    raise Undecodable("its JPEG is cut off")


def _decode_depth(data: bytes) -> NDArray[np.uint16]:
    try:
        decoder = av.CodecContext.create("png", "r")
        frame = [*decoder.decode(av.Packet(data)), *decoder.decode(None)][0]
        return frame.to_ndarray(format="gray16le")
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise Undecodable(f"its PNG is damaged: {first_line(error)}") from error


def _check_area(height: int, width: int) -> None:
    if height <= 0 or width <= 0 or height * width * 4 > LARGEST_SAMPLE:
        raise Undecodable(f"a picture of {width}x{height} pixels")


def _get(picture: Any, name: str) -> Any:
    try:
        return picture[name] if isinstance(picture, dict) else getattr(picture, name)
    except (AttributeError, KeyError):
        raise Undecodable(f"it has no {name!r}") from None


def _words(signature: Signature) -> str:
    return f"{signature.width}x{signature.height} {signature.encoding}"
