"""Decoders: from a message's bytes to its fields, by the definition that the recording carries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import first_line
from motorium.data.formats.bags.json import JsonDecoder
from motorium.data.formats.bags.source import Channel
from motorium.data.formats.bags.types import EACH, Getter, Leaf, Struct, Undecodable

# A message definition is a few kilobytes; parsers are not fed more than this.
LARGEST_DEFINITION = 1024**2


class Decoder(Protocol):
    """How the messages of one type are read.

    Attributes:
        root: the type.
        fixed: every message has the same layout, but for the lengths of texts.
        typed: values are of the types that `root` says; else each may be anything.
        clock: path of the stamp that `stamp` returns, () without one; it is no stream.
    """

    root: Struct
    fixed: bool
    typed: bool
    clock: tuple[str, ...]

    def decode(self, data: memoryview) -> Any:
        """Return a message whose fields `getter` knows.

        Raises:
            Undecodable: when it is not of this type.
        """

    def getter(self, name: str) -> Getter:
        """Return what takes one field from a message or structure; it gives None where that was left out."""

    def direct(self, paths: Sequence[tuple[str, ...]]) -> Getter | None:
        """Return what takes several fields from a message at once, where that is possible and none can be absent."""

    def time_ns(self, value: Any) -> int:
        """Return a time as the type stores it in ns."""

    def stamp(self, data: memoryview) -> int | None:
        """Return the stamp of the message's header in ns, None when the type has none."""


def find_decoder(channel: Channel) -> Decoder:
    """Return the decoder of a channel's messages; one is made for each definition.

    Raises:
        Undecodable: when there is none, or the definition is damaged.
    """
    if len(channel.definition) > LARGEST_DEFINITION:
        raise Undecodable(f"its definition has {len(channel.definition):,} bytes")
    if channel.encoding == "json":
        # Not shared: without a schema it learns its type from the first message.
        return JsonDecoder(channel.definition if channel.definition_encoding == "jsonschema" else b"")
    return _decoder(channel.encoding, channel.type, channel.definition, channel.definition_encoding)


@functools.lru_cache(maxsize=256)
def _decoder(encoding: str, kind: str, definition: bytes, definition_encoding: str) -> Decoder:
    # Each library is imported when a recording needs it.
    if encoding in ("cdr", "ros1"):
        from motorium.data.formats.bags.ros import RosDecoder

        return RosDecoder(encoding, kind, definition, definition_encoding)
    if encoding == "protobuf":
        from motorium.data.formats.bags.protobuf import ProtobufDecoder

        return ProtobufDecoder(kind, definition)
    raise Undecodable(f"messages encoded as {encoding!r} are not read")


def leaf_reader(decoder: Decoder, leaf: Leaf) -> Callable[[Any], NDArray | str | None]:
    """Return what reads a leaf from a decoded message: an array, at least (1,), or a text.

    It gives None where the source left it out or has an empty list, and raises Undecodable when lists within a
    message differ in length, or a value is not of the leaf's dtype.
    """
    follow = _direct(decoder, leaf) or _follow(decoder, leaf, leaf.path)

    def read(message: Any) -> NDArray | str | None:
        try:
            value = follow(message)
        except (TypeError, ValueError, OverflowError, AttributeError, KeyError) as error:
            raise Undecodable(f"'{leaf.name}' is not {leaf.dtype}: {first_line(error)}") from error
        if isinstance(value, np.ndarray) and value.ndim == 0:
            return value.reshape(1)
        return value

    return read


def _direct(decoder: Decoder, leaf: Leaf) -> Getter | None:
    """Return the shortest way to plain numbers: most fields of most recordings are such."""
    if EACH in leaf.path or leaf.dtype in ("string", "time") or not (leaf.path or leaf.members):
        return None
    get = decoder.direct([(*leaf.path, member) for member in leaf.members] or [leaf.path])
    if get is None or not leaf.array:
        return None if get is None else lambda message: np.array(get(message), leaf.dtype)

    def whole(message: Any) -> NDArray | None:
        found = get(message)
        return np.asarray(found, leaf.dtype) if len(found) else None

    return whole


def _follow(decoder: Decoder, leaf: Leaf, path: tuple[str, ...]) -> Getter:
    if not path:
        return _end(decoder, leaf)
    rest = _follow(decoder, leaf, path[1:])
    if path[0] == EACH:

        def each(items: Any) -> NDArray | None:
            values = [rest(item) for item in items]
            return np.stack(values) if values and all(value is not None for value in values) else None

        return each
    get = decoder.getter(path[0])

    def one(value: Any) -> Any:
        inner = get(value)
        return None if inner is None else rest(inner)

    return one


def _end(decoder: Decoder, leaf: Leaf) -> Getter:
    if leaf.dtype == "string":
        return _text
    if leaf.dtype == "time":
        return lambda value: np.asarray(decoder.time_ns(value), np.int64)
    if leaf.members:
        getters = [decoder.getter(member) for member in leaf.members]

        def group(value: Any) -> NDArray | None:
            values = [get(value) for get in getters]
            return None if None in values else as_numbers(values, leaf.dtype)

        return group
    if leaf.array:
        return lambda value: as_numbers(value, leaf.dtype) if len(value) else None
    return lambda value: as_numbers(value, leaf.dtype)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def as_numbers(value: Any, dtype: str) -> NDArray:
    """Return numbers as an array of `dtype`, exactly; texts are no numbers, and null among floats is NaN.

    Raises:
        ValueError, TypeError: when they are not.
    """
    array = np.asarray(value)
    kind = np.dtype(dtype).kind
    if array.dtype.kind == "O" and kind == "f":
        array = np.array([np.nan if one is None else one for one in array.reshape(-1).tolist()]).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{str(value)[:40]!r} holds no numbers")
    if array.dtype.kind == "f" and kind in "biu":
        whole = array.astype(np.int64)
        if (whole != array).any():
            raise ValueError("it holds fractions")
        array = whole
    if kind in "iu" and array.size and array.dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise OverflowError("a value is out of range")
    return array.astype(dtype, copy=False)
