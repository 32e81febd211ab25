"""Zarr version 3 arrays, read by the same bounded means as version 2: regular grids, plain types, known codecs.

Source: Zarr core specification version 3, https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.bounds import MIB, check_size
from motorium.data.formats.zarrs.codecs import BROKEN, COMPRESSORS
from motorium.data.formats.zarrs.store import ZarrStore
from motorium.data.formats.zarrs.v2 import ZarrArray

_INTEGERS = tuple(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
_TYPES = ("bool", *_INTEGERS, "float16", "float32", "float64")
_CODECS = ("bytes", "transpose", "blosc", "gzip", "zstd", "crc32c")


class ZarrArrayV3(ZarrArray):
    """One array of a zarr v3 store; as `zarr_v2.ZarrArray`.

    Raises:
        DataError: when its metadata are not valid, or it needs a type, grid or codec that is not read (sharding).
    """

    _document = "zarr.json"

    def __init__(self, path: Path | ZarrStore, name: str) -> None:
        super().__init__(path, name)
        self.attributes = self._stated

    def _describe(self, meta: dict[str, Any]) -> None:
        if meta["zarr_format"] != 3 or meta["node_type"] != "array":
            raise ValueError(f"zarr_format {meta['zarr_format']!r}, node_type {meta['node_type']!r}")
        if meta["data_type"] not in _TYPES:
            raise self._unknown("type", meta["data_type"], _TYPES)
        if meta["chunk_grid"]["name"] != "regular" or meta.get("storage_transformers"):
            raise self._unknown("grid", meta["chunk_grid"], ("regular",))
        stated = meta.get("attributes")
        self._stated = stated if isinstance(stated, dict) else {}
        self._lay_out(meta["shape"], meta["chunk_grid"]["configuration"]["chunk_shape"], np.dtype(meta["data_type"]))
        encoding = meta["chunk_key_encoding"]
        plain = encoding.get("configuration", {})
        self._separator = plain.get("separator", "/" if encoding["name"] == "default" else ".")
        if encoding["name"] not in ("default", "v2") or self._separator not in (".", "/"):
            raise ValueError(f"chunk_key_encoding {encoding!r}")
        self._chunk_prefix = f"c{self._separator}" if encoding["name"] == "default" else ""
        self._codecs = [(one["name"], one.get("configuration") or {}) for one in meta["codecs"]]
        for kind, _ in self._codecs:
            if kind not in _CODECS:
                raise self._unknown("codec", kind, _CODECS)
        self._axes = self._transposition()
        fill = meta["fill_value"]
        if isinstance(fill, str):
            bits = self.dtype.itemsize * 8
            number = np.uint64(int(fill, 16)) if fill.startswith("0x") else None
            fill = float(fill.replace("Infinity", "inf")) if number is None else number.astype(f"u{bits // 8}")
            fill = fill.view(self.dtype) if number is not None else fill
        self._fill = np.asarray(fill).astype(self.dtype).reshape(())

    def _transposition(self) -> tuple[int, ...]:
        """Order of the axes as stored, by which the array's axes are permuted."""
        axes = tuple(range(len(self.shape)))
        for kind, config in self._codecs:
            if kind == "transpose":
                order = tuple(config["order"])
                if sorted(order) != list(range(len(self.shape))):
                    raise ValueError(f"transpose {order}")
                axes = tuple(axes[one] for one in order)
        return axes

    def _decode(self, data: bytes, where: str) -> NDArray:
        size = math.prod(self.chunks) * self.dtype.itemsize
        order = "<"
        try:
            for kind, config in reversed(self._codecs):
                if kind == "crc32c":
                    data = _checked(data)
                elif kind == "bytes":
                    order = ">" if config.get("endian") == "big" else "<"
                elif kind != "transpose":
                    # Room for the checksums that inner codecs may have added.
                    data = COMPRESSORS[kind](data, size + 64)
        except BROKEN as error:
            raise DataError("a chunk of a zarr array is damaged", where=where, got=error) from error
        if len(data) != size:
            raise DataError("a zarr chunk has the wrong size", where=where, got=len(data), expected=size)
        stored = np.frombuffer(data, self.dtype.newbyteorder(order))
        chunk = stored.reshape([self.chunks[axis] for axis in self._axes])
        return chunk.transpose(np.argsort(self._axes))

    def _unknown(self, what: str, got: object, expected: tuple[str, ...]) -> DataError:
        return DataError(
            f"a zarr array is stored with a {what} that is not read",
            where=self._where,
            got=repr(got)[:200],
            expected=", ".join(expected),
            remedy="store it again with one of these, with the program that wrote it",
        )


def array_names_v3(store: ZarrStore) -> list[str]:
    """Return the names of all arrays of a zarr v3 hierarchy, sorted.

    Raises:
        DataError: when the store cannot be read.
    """
    names = []
    for key in store.keys_named("zarr.json", below=True):
        data = store.read(key, 16 * MIB)
        try:
            meta = json.loads(data or b"")
        except (ValueError, RecursionError) as error:
            raise DataError("zarr.json is not JSON", where=f"{store.path}, '{key}'", got=error) from error
        if isinstance(meta, dict) and meta.get("node_type") == "array":
            names.append(key.removesuffix("zarr.json").removesuffix("/"))
    check_size("the number of zarr arrays", len(names), 100_000, store.path)
    return names


def _checked(data: bytes) -> bytes:
    if len(data) < 4 or struct.unpack("<I", data[-4:])[0] != google_crc32c.value(data[:-4]):
        raise ValueError("the checksum does not fit")
    return data[:-4]
