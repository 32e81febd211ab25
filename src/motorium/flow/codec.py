"""Codec: plain data and NumPy arrays to bytes and back, without pickle.

The bytes are an `.npz`: one member an array, and one of JSON that says where each belongs. What comes back
equals what went in: tuples stay tuples, arrays keep their type and bits (in C order), bytes stay bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from motorium.core.errors import SpecError

# The key of a JSON object that stands for something JSON does not have.
MARK = "\ue000"


class Damaged(Exception):
    """The bytes are not what `encode` wrote (a file torn by a power cut)."""


def encode(value: Any) -> bytes:
    """Return `value` as bytes.

    Raises:
        SpecError: naming the first thing in it that is neither plain data nor an array.
    """
    arrays: list[np.ndarray] = []
    tree = json.dumps(_pack(value, arrays, "value"), ensure_ascii=False).encode()
    buffer = io.BytesIO()
    np.savez(buffer, tree=np.frombuffer(tree, np.uint8), **{f"a{place}": array for place, array in enumerate(arrays)})
    return buffer.getvalue()


def decode(data: bytes) -> Any:
    """Return what `encode` was given.

    Raises:
        Damaged: when the bytes are cut short or altered.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as members:
            return _unpack(json.loads(members["tree"].tobytes()), members)
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        raise Damaged(str(error)) from error


def normal(value: Any) -> Any:
    """Return `decode(encode(value))`, without the bytes: arrays that are in C order already are shared.

    Raises:
        SpecError: see `encode`.
    """
    arrays: list[np.ndarray] = []
    tree = _pack(value, arrays, "value")
    return _unpack(tree, {f"a{place}": array for place, array in enumerate(arrays)})


def _pack(value: Any, arrays: list[np.ndarray], where: str) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value, order="C")
        if array.dtype.hasobject:
            raise _unfit(value, where)
        arrays.append(array)
        return {MARK: "scalar" if isinstance(value, np.generic) else "array", "at": f"a{len(arrays) - 1}"}
    if isinstance(value, bytes):
        arrays.append(np.frombuffer(value, np.uint8))
        return {MARK: "bytes", "at": f"a{len(arrays) - 1}"}
    if isinstance(value, Path):
        return {MARK: "path", "is": str(value)}
    if isinstance(value, tuple):
        return {MARK: "tuple", "is": [_pack(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]}
    if isinstance(value, list):
        return [_pack(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value) and MARK not in value:
        return {key: _pack(item, arrays, f"{where}.{key}") for key, item in value.items()}
    raise _unfit(value, where)


def _unpack(value: Any, members: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, members) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get(MARK):
        case None:
            return {key: _unpack(item, members) for key, item in value.items()}
        case "array":
            return members[value["at"]]
        case "scalar":
            return members[value["at"]][()]
        case "bytes":
            return members[value["at"]].tobytes()
        case "path":
            return Path(value["is"])
        case "tuple":
            return tuple(_unpack(item, members) for item in value["is"])
        case other:
            raise ValueError(f"unknown mark {other!r}")


def _unfit(value: Any, where: str) -> SpecError:
    return SpecError(
        "a shard takes and gives plain data and NumPy arrays",
        where=where,
        got=type(value).__name__,
        expected="None, bool, int, float, str, bytes, paths, arrays, and lists, tuples, mappings of these",
        remedy="convert it (a spec: `to_plain()`)",
    )
