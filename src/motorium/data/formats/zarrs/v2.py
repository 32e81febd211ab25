"""Zarr version 2 arrays, read by hand: structured dtypes (which zarr 3 cannot open), folders and zip files.

    array = ZarrArray(path, "data/action")      # path: a folder or a .zip that holds a zarr v2 hierarchy
    array.shape, array.dtype, array.attributes  # known without reading a chunk
    array.read(start, stop)                     # samples [start, stop) of the first axis: (stop - start, *shape[1:])

    array_names(path)                           # ["data/action", "meta/episode_ends"], sorted

Nothing is unpickled: object arrays and codecs that could hold them are refused. Declared sizes are checked before
anything is allocated, chunks are decompressed to their declared size and no further, and names cannot leave the store.

Source: Zarr storage specification version 2, https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.bounds import LARGEST_SAMPLE, MIB, check_size
from motorium.data.formats.zarrs.codecs import ChunkCodec
from motorium.data.formats.zarrs.store import ZarrStore

LARGEST_ITEM = 16 * MIB
# Absent chunks cost nothing to declare, and time to look for.
MOST_CHUNKS = 4_000_000
# Decoded chunks kept by one array, so that neighbouring samples do not decompress a chunk again.
KEPT_CHUNKS = 64 * MIB

_DTYPE = re.compile(r"[<>|=]?(?:[biuf]\d{1,2}|c\d{1,2}|[SUV]\d{1,7}|[mM]8\[[0-9a-zA-Z]{1,6}\])")


class ZarrArray:
    """One array of a store; nothing of it is read before `read`. Picklable; keeps a few decoded chunks.

    Args:
        path: folder or zip file of the hierarchy, or an open `ZarrStore`.
        name: of the array in it, `data/action`; "" when the store itself is one array.

    Attributes:
        shape, dtype, chunks: as declared; `dtype` may be structured.
        rows_at_once, stored_bytes: rows of a chunk; size of all chunks in the store.
        attributes: the array's `.zattrs`.

    Raises:
        DataError: when there is no such array, its metadata are not valid, or it needs a codec that is not known.
    """

    _document = ".zarray"

    def __init__(self, path: Path | ZarrStore, name: str) -> None:
        self._store = path if isinstance(path, ZarrStore) else ZarrStore(Path(path))
        self.name = name
        self._prefix = f"{name}/" if name else ""
        self._where = f"{self._store.path}, array '{name}'"
        meta = self._json(self._document)
        if meta is None:
            raise DataError("there is no such zarr array", where=self._store.path, got=name or "the store itself")
        self.attributes: dict[str, Any] = self._json(".zattrs") or {}
        try:
            self._describe(meta)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
            raise DataError("a zarr array's metadata are not valid", where=self._where, got=repr(error)) from error
        self._kept: OrderedDict[tuple[int, ...], NDArray] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def rows_at_once(self) -> int:
        """Rows of a chunk: best read together."""
        return self.chunks[0] if self.chunks else 1

    @property
    def stored_bytes(self) -> int:
        """Size of all chunks in the store, compressed."""
        return self._stored[1]

    def missing_chunks(self) -> int:
        """Return how many chunks are not in the store; they read as the fill value, as zarr defines."""
        return max(math.prod(self._grid) - self._stored[0], 0)

    @cached_property
    def _stored(self) -> tuple[int, int]:
        """Chunks that are in the store, and their size."""
        sizes = [size for key, size in self._store.sizes(self._prefix) if self._is_chunk(key)]
        return len(sizes), sum(sizes)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray:
        """Return samples [start, stop) of the first axis: (stop - start, *shape[1:]), native byte order kept.

        Raises:
            DataError: when a chunk cannot be read or has another size than declared, or the slice is too large
                to be one (over 4 GiB): read it in parts.
        """
        if not self.shape:
            raise DataError("a zarr array has no axis to slice", where=self._where, expected="one dimension or more")
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        stop = max(start, stop)
        row = self.dtype.itemsize * math.prod(self.shape[1:])
        check_size("a slice of a zarr array", (stop - start) * row, 8 * LARGEST_SAMPLE, self._where)
        out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        if out.size == 0:
            return out
        depth = self.chunks[0]
        for first in range(start // depth, -(-stop // depth)):
            for rest in itertools.product(*(range(count) for count in self._grid[1:])):
                chunk = self._chunk((first, *rest))
                low, high = max(start, first * depth), min(stop, (first + 1) * depth)
                target, source = [slice(low - start, high - start)], [slice(low - first * depth, high - first * depth)]
                for place, size, length in zip(rest, self.chunks[1:], self.shape[1:]):
                    width = min(size, length - place * size)
                    target.append(slice(place * size, place * size + width))
                    source.append(slice(0, width))
                out[tuple(target)] = chunk[tuple(source)]
        return out

    def _describe(self, meta: dict[str, Any]) -> None:
        if meta["zarr_format"] != 2:
            raise DataError("this is no zarr v2 array", where=self._where, got=meta["zarr_format"], expected=2)
        self._lay_out(meta["shape"], meta["chunks"], parse_dtype(meta["dtype"], self._where))
        self._order = meta["order"]
        if self._order not in ("C", "F"):
            raise ValueError(f"order {self._order!r}")
        self._separator = meta.get("dimension_separator", ".")
        if self._separator not in (".", "/"):
            raise ValueError(f"dimension_separator {self._separator!r}")
        self._codec = ChunkCodec(meta.get("compressor"), meta.get("filters"), self._where)
        self._fill = _fill_value(meta.get("fill_value"), self.dtype)

    def _lay_out(self, shape: Any, chunks: Any, dtype: np.dtype) -> None:
        self.shape, self.chunks, self.dtype = _dimensions(shape, 0), _dimensions(chunks, 1), dtype
        if len(self.shape) != len(self.chunks) or len(self.shape) > 32:
            raise ValueError(f"shape {self.shape} does not fit chunks {self.chunks}")
        size = math.prod(self.chunks) * self.dtype.itemsize
        check_size("a chunk of a zarr array", size, LARGEST_SAMPLE, self._where)
        self._grid = tuple(-(-length // size) for length, size in zip(self.shape, self.chunks))
        check_size("the number of chunks of a zarr array", math.prod(self._grid), MOST_CHUNKS, self._where)
        self._chunk_prefix = ""

    def _decode(self, data: bytes, where: str) -> NDArray:
        return self._codec.decode(data, self.dtype, self.chunks, self._order, where)

    def _json(self, name: str) -> dict[str, Any] | None:
        data = self._store.read(self._prefix + name, 16 * MIB)
        if data is None:
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name} is not JSON", where=self._where, got=error) from error
        if not isinstance(value, dict):
            raise DataError(f"{name} is no JSON object", where=self._where, got=type(value).__name__)
        return value

    def _is_chunk(self, key: str) -> bool:
        if not key.startswith(self._prefix + self._chunk_prefix):
            return False
        parts = key[len(self._prefix + self._chunk_prefix) :].split(self._separator)
        return len(parts) == max(len(self.chunks), 1) and all(part.isascii() and part.isdigit() for part in parts)

    def _chunk(self, place: tuple[int, ...]) -> NDArray:
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        key = self._prefix + self._chunk_prefix + self._separator.join(str(number) for number in place)
        size = math.prod(self.chunks) * self.dtype.itemsize
        # Compressors may grow what they cannot shrink, by little.
        data = self._store.read(key, size + size // 8 + MIB)
        if data is None:
            if self._fill is None:
                raise DataError(
                    "a chunk of a zarr array is missing",
                    where=f"{self._where}, chunk '{key}'",
                    remedy="the array has no fill value, so it is not known what stood there; copy it again",
                )
            return np.broadcast_to(self._fill, self.chunks)
        where = f"{self._where}, chunk '{key}'"
        chunk = self._decode(data, where)
        self._kept[place] = chunk
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_CHUNKS:
            self._kept.popitem(last=False)
        return chunk

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}


def array_names(path: Path | ZarrStore) -> list[str]:
    """Return the names of all arrays of a zarr v2 hierarchy, sorted ("" is the store itself).

    Raises:
        DataError: when the store cannot be read.
    """
    store = path if isinstance(path, ZarrStore) else ZarrStore(Path(path))
    return [key.removesuffix(".zarray").removesuffix("/") for key in store.keys_named(".zarray")]


def parse_dtype(declared: Any, where: object) -> np.dtype:
    """Return the dtype that a `.zarray` declares, structured ones included.

    Raises:
        DataError: for object dtypes, and for what is no dtype.
    """
    dtype = np.dtype(_dtype(declared, where, 0))
    if dtype.hasobject:
        raise DataError("arrays of objects are not read", where=where, got=declared, remedy="they hold pickled data")
    check_size("an item of a zarr array", dtype.itemsize, LARGEST_ITEM, where)
    if dtype.itemsize == 0:
        raise DataError("an item of a zarr array has no size", where=where, got=declared)
    return dtype


def _dtype(declared: Any, where: object, depth: int) -> Any:
    if isinstance(declared, str) and _DTYPE.fullmatch(declared):
        return declared
    if isinstance(declared, list) and declared and depth < 8:
        fields = []
        for field in declared:
            if not isinstance(field, list) or len(field) not in (2, 3) or not isinstance(field[0], str):
                raise ValueError(f"field {field!r} of a structured dtype")
            shape = _dimensions(field[2] if isinstance(field[2:], list) and len(field) == 3 else [], 0)
            check_size("a field of a structured dtype", math.prod(shape), LARGEST_ITEM, where)
            fields.append((field[0], _dtype(field[1], where, depth + 1), shape))
        return fields
    raise DataError(
        "a zarr array's dtype is not read",
        where=where,
        got=repr(declared)[:200],
        expected="numbers, bool, fixed-length text, or structures of these",
        remedy="object arrays hold pickled data and are refused" if declared == "|O" else None,
    )


def _dimensions(declared: Any, at_least: int) -> tuple[int, ...]:
    if not isinstance(declared, list):
        declared = [declared]
    if not all(type(one) is int and at_least <= one < 2**62 for one in declared):
        raise ValueError(f"dimensions {declared!r}")
    return tuple(declared)


def _fill_value(declared: Any, dtype: np.dtype) -> NDArray | None:
    """Return the fill value as a 0-d array; None when the array has none."""
    if declared is None:
        return None
    if dtype.kind in "VS" and isinstance(declared, str):
        return np.frombuffer(base64.b64decode(declared).ljust(dtype.itemsize, b"\0"), dtype, count=1)[0:1].reshape(())
    if dtype.kind == "V":
        return np.zeros((), dtype)
    if dtype.kind in "mM":
        return np.asarray(int(declared), np.int64).view(dtype)
    if dtype.kind == "c" and isinstance(declared, list):
        declared = complex(*(float(part) for part in declared))
    if dtype.kind == "f" and isinstance(declared, str):
        declared = float(declared.replace("Infinity", "inf"))
    return np.asarray(declared).astype(dtype).reshape(())
