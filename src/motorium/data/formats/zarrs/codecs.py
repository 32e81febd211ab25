"""ChunkCodec: a zarr v2 chunk's bytes turned into an array, decompressed to its declared size and no further."""

from __future__ import annotations

import bz2
import lzma
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import zstandard
from numcodecs import blosc, lz4
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.bounds import check_size
from motorium.data.formats.image_files import shape_of
from motorium.data.video_read import decode_image

_WINDOW = 128 * 1024**2
_DAMAGED = (ValueError, RuntimeError, TypeError, OverflowError, EOFError, OSError, MemoryError)
BROKEN = (*_DAMAGED, zlib.error, lzma.LZMAError, zstandard.ZstdError, struct.error)


class ChunkCodec:
    """How chunks of one array are stored.

    Args:
        compressor, filters: as `.zarray` declares them; None: none.
        where: for errors.

    Raises:
        DataError: when a codec is not known.
    """

    def __init__(self, compressor: Any, filters: Any, where: object) -> None:
        self._compressor = _checked(compressor, {**COMPRESSORS, **dict.fromkeys(_PICTURES)}, where)
        self._filters = [_checked(one, _FILTERS, where) for one in filters or []]

    def decode(self, data: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str, where: object) -> NDArray:
        """Return a chunk: `shape` of `dtype`, read-only where it can be.

        Raises:
            DataError: when it is damaged, or holds more or fewer bytes than declared.
        """
        size = math.prod(shape) * dtype.itemsize
        kind = None if self._compressor is None else self._compressor["id"]
        if kind in _PICTURES:
            return _picture(kind, data, dtype, shape, where)
        try:
            plain = data if kind is None else COMPRESSORS[kind](data, size)
            check_size("a zarr chunk", len(plain), size, where)
            for one in reversed(self._filters):
                plain = _FILTERS[one["id"]](plain, one)
        except BROKEN as error:
            raise DataError("a chunk of a zarr array is damaged", where=where, got=error) from error
        if len(plain) != size:
            raise DataError("a zarr chunk has the wrong size", where=where, got=len(plain), expected=size)
        return np.frombuffer(plain, dtype).reshape(shape, order=order)


def _checked(declared: Any, known: dict[str, Any], where: object) -> dict[str, Any] | None:
    if declared is None:
        return None
    kind = declared.get("id") if isinstance(declared, dict) else None
    if not isinstance(kind, str) or kind not in known:
        raise DataError(
            "a zarr array is stored with a codec that is not read",
            where=where,
            got=repr(declared)[:200],
            expected=", ".join(known),
            remedy="store it again with one of these, with the program that wrote it",
        )
    return declared


def _zlib(data: bytes, size: int) -> bytes:
    return _whole(zlib.decompressobj(), data, size)


def _gzip(data: bytes, size: int) -> bytes:
    return _whole(zlib.decompressobj(wbits=31), data, size)


def _whole(decompressor: Any, data: bytes, size: int) -> bytes:
    """Decompress to one byte more than `size`, so that too much is seen without being held."""
    plain = decompressor.decompress(data, size + 1)
    if not decompressor.eof and len(plain) <= size:
        raise ValueError("the compressed data end too early")
    return plain


def _zstd(data: bytes, size: int) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(data, read_across_frames=True) as reader:
        return reader.read(size + 1)


def _lz4(data: bytes, size: int) -> bytes:
    # numcodecs' frame: the decompressed size as a little-endian int32, then one block.
    if len(data) < 4 or not 0 <= struct.unpack_from("<i", data)[0] <= size:
        raise ValueError("the lz4 header declares another size")
    return bytes(lz4.decompress(data))


def _blosc(data: bytes, size: int) -> bytes:
    # Header: version, lz version, flags, item size, then uncompressed, block and compressed size. C-Blosc 1 is not
    # told how much there is to read and would read on behind a short buffer.
    if len(data) < 16:
        raise ValueError("the blosc header is cut off")
    plain, block, stored = struct.unpack_from("<III", data, 4)
    if plain > size or stored > len(data) or stored < 16 or block > max(plain, 1):
        raise ValueError(f"the blosc header declares {plain} bytes in {stored}, expected {size} in {len(data)}")
    return bytes(blosc.decompress(data))


def _delta(data: bytes, config: dict[str, Any]) -> bytes:
    values = np.frombuffer(data, _number(config.get("astype") or config["dtype"]))
    return np.cumsum(values, dtype=_number(config["dtype"])).tobytes()


def _shuffle(data: bytes, config: dict[str, Any]) -> bytes:
    width = int(config.get("elementsize", 4))
    if width < 1 or len(data) % width:
        raise ValueError(f"shuffled by {width} bytes")
    return np.frombuffer(data, np.uint8).reshape(width, -1).T.tobytes()


def _number(declared: Any) -> np.dtype:
    dtype = np.dtype(str(declared))
    if dtype.kind not in "iuf":
        raise ValueError(f"a filter's dtype is {declared!r}")
    return dtype


def _picture(kind: str, data: bytes, dtype: np.dtype, shape: tuple[int, ...], where: object) -> NDArray:
    """One picture; its header is looked at before it is decoded."""
    found = _size_j2k(data) if kind == _J2K else shape_of(data, where)
    if dtype != np.uint8 or math.prod(found) != math.prod(shape):
        raise DataError("a picture in a zarr chunk has another size", where=where, got=found, expected=shape)
    return (_decode_j2k(data, where) if kind == _J2K else decode_image(data, where)).reshape(shape)


def _size_j2k(data: bytes) -> tuple[int, int, int]:
    """(height, width, 3) of a JPEG 2000 picture; zeros when it is none. Source: ITU-T T.800, annex A.5.1 (SIZ)."""
    place = data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if place < 0 or len(data) < place + 24:
        return 0, 0, 0
    right, bottom, left, top = struct.unpack_from(">IIII", data, place + 8)
    return max(bottom - top, 0), max(right - left, 0), 3


def _decode_j2k(data: bytes, where: object) -> NDArray[np.uint8]:
    try:
        decoder = av.CodecContext.create("jpeg2000", "r")
        return [*decoder.decode(av.Packet(data)), *decoder.decode(None)][0].to_ndarray(format="rgb24")
    except (av.FFmpegError, IndexError) as error:
        raise DataError("a picture is damaged", where=where, got=error) from error


COMPRESSORS: dict[str, Callable[[bytes, int], bytes]] = {
    "blosc": _blosc,
    "zlib": _zlib,
    "gzip": _gzip,
    "zstd": _zstd,
    "lz4": _lz4,
    "bz2": lambda data, size: _whole(bz2.BZ2Decompressor(), data, size),
    "lzma": lambda data, size: _whole(lzma.LZMADecompressor(memlimit=_WINDOW), data, size),
}
_FILTERS: dict[str, Callable[[bytes, dict[str, Any]], bytes]] = {"delta": _delta, "shuffle": _shuffle}
# Chunks of one picture each, as diffusion_policy's own codecs store them.
_J2K = "imagecodecs_jpeg2k"
_PICTURES = ("imagecodecs_jpeg", "imagecodecs_png", _J2K)
