"""openpi's msgpack format: arrays and scalars as maps with `bin` keys, read by a decoder that trusts nothing.

An array is `{b"__ndarray__": True, b"data": bin, b"dtype": "<f4", b"shape": [..]}`, a NumPy scalar
`{b"__npgeneric__": True, b"data": x, b"dtype": ".."}`. The reference decoder hands the sender's dtype to
NumPy, so that `|O` turns the sender's bytes into pointers. Here a dtype is looked up in a table of numbers,
every length is checked against the bytes at hand before anything of that length is made, and depth, values
and key lengths are bounded. Source: msgpack specification (2013 format) and openpi-client 0.1.2, by its bytes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import ServeError, nearest

ARRAY, SCALAR = "__ndarray__", "__npgeneric__"
SHOWN_CHARACTERS = 120
MAX_AXES = 8

# Only numbers: no object, void, string, datetime or complex dtype has an entry.
DTYPES = {
    order + code: np.dtype(order + code)
    for order, codes in (
        ("|", ("b1", "i1", "u1")),
        ("<", ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")),
        (">", ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")),
    )
    for code in codes
}

_NUMBERS = {
    code: struct.Struct(">" + kind)
    for code, kind in zip((0xCA, 0xCB, *range(0xCC, 0xD4)), ("f", "d", "B", "H", "I", "Q", "b", "h", "i", "q"))
}
_SIZES = {1: struct.Struct(">B"), 2: struct.Struct(">H"), 4: struct.Struct(">I")}
_LENGTHS = {
    code: (kind, size)
    for kind, codes in (
        ("bin", {0xC4: 1, 0xC5: 2, 0xC6: 4}),
        ("str", {0xD9: 1, 0xDA: 2, 0xDB: 4}),
        ("list", {0xDC: 2, 0xDD: 4}),
        ("map", {0xDE: 2, 0xDF: 4}),
    )
    for code, size in codes.items()
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a message may hold.

    Attributes:
        max_bytes: size of the whole message.
        max_depth: nesting of maps and lists.
        max_values: values in all, keys and elements of lists included, elements of arrays not.
        max_key_bytes: size of one key.
    """

    max_bytes: int = 64 << 20
    max_depth: int = 12
    max_values: int = 10_000
    max_key_bytes: int = 256


DEFAULT_LIMITS = Limits()


def encode(value: Any) -> bytes:
    """Return `value` (maps, lists, text, bytes, numbers, arrays of kinds b, i, u, f) as a message.

    Raises:
        ServeError: for an array of another kind, or an object that the format does not have.
    """
    try:
        return msgpack.packb(value, default=_plain)
    except (TypeError, ValueError, OverflowError) as error:
        raise ServeError("a message cannot be encoded", got=short(error)) from None


def decode(message: bytes, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Return what `message` holds; arrays are read-only, map keys are str.

    Memory taken beside the message is bounded by `limits.max_values` and the message's own size.

    Raises:
        ServeError: on the first byte, length, type or array that is not as it should be. Nothing else.
    """
    message = bytes(message)
    if len(message) > limits.max_bytes:
        raise ServeError("a message is too large", got=f"{len(message)} bytes", expected=f"<= {limits.max_bytes}")
    reader = _Reader(message, limits)
    value = _owned(reader.value(0))
    if reader.offset != len(message):
        raise ServeError("a message goes on after its end", got=f"{len(message) - reader.offset} bytes too many")
    return value


def short(value: object) -> str:
    """Return `value` as text cut to a length that can be sent back."""
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.str not in DTYPES:
            raise TypeError(f"an array of dtype {value.dtype}; the format has {', '.join(DTYPES)}")
        if isinstance(value, np.ndarray):
            fields = {ARRAY: True, "data": value.tobytes(), "dtype": value.dtype.str, "shape": value.shape}
        else:
            fields = {SCALAR: True, "data": value.item(), "dtype": value.dtype.str}
        return {key.encode(): field for key, field in fields.items()}
    raise TypeError(f"a value of type {type(value).__name__}")


def _owned(value: Any) -> Any:
    """A byte string that belongs to no array is copied out, so that it does not keep the message alive."""
    return bytes(value) if isinstance(value, memoryview) else value


class _Reader:
    """One pass over a message. Byte strings come as views of it until an array or a container takes them."""

    def __init__(self, message: bytes, limits: Limits) -> None:
        self.message = message
        self.view = memoryview(message)
        self.limits = limits
        self.offset = 0
        self.values = 0

    def value(self, depth: int) -> Any:
        """Read the next value, of any type, that lies `depth` containers deep.

        Raises:
            ServeError: when the message is cut short, breaks a limit, or holds what the format does not have.
        """
        self.values += 1
        if self.values > self.limits.max_values:
            raise self.error("a message holds too many values", f"> {self.limits.max_values}")
        if self.offset == len(self.message):
            raise self.error("a message is cut short", "its end", "another value")
        code = self.message[self.offset]
        self.offset += 1
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code < 0x90:
            return self.map(code & 0x0F, depth + 1)
        if code < 0xA0:
            return self.list(code & 0x0F, depth + 1)
        if code < 0xC0:
            return self.text(code & 0x1F)
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            number = _NUMBERS[code]
            return number.unpack(self.take(number.size))[0]
        if code not in _LENGTHS:
            raise self.error("a message holds a type that the format does not have", f"type byte 0x{code:02x}")
        kind, size = _LENGTHS[code]
        length = _SIZES[size].unpack(self.take(size))[0]
        if kind == "bin":
            return self.take(length)
        if kind == "str":
            return self.text(length)
        return self.list(length, depth + 1) if kind == "list" else self.map(length, depth + 1)

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, without copying them."""
        end = self.offset + count
        if end > len(self.message):
            raise self.error("a message is cut short", f"{len(self.message) - self.offset} bytes", f"{count} bytes")
        taken = self.view[self.offset : end]
        self.offset = end
        return taken

    def text(self, length: int) -> str:
        """Read a text of `length` bytes.

        Raises:
            ServeError: when it is cut short or not UTF-8.
        """
        raw = self.take(length)
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError:
            raise self.error("a text is not UTF-8", short(bytes(raw[:40]))) from None

    def list(self, count: int, depth: int) -> list:
        """Read a list of `count` values.

        Raises:
            ServeError: as `value`.
        """
        self.enter(count, depth)
        return [_owned(self.value(depth)) for _ in range(count)]

    def map(self, count: int, depth: int) -> Any:
        """Read a map of `count` keys and values: a dict, or the array or number that it describes.

        Raises:
            ServeError: as `value`, and when a key comes twice or an array is not what its fields say.
        """
        self.enter(2 * count, depth)
        fields: dict[str, Any] = {}
        for _ in range(count):
            key = self.key(depth)
            if key in fields:
                raise self.error("a map has the same key twice", repr(key))
            fields[key] = self.value(depth)
        if ARRAY in fields:
            return _array(fields, self)
        if SCALAR in fields:
            return _scalar(fields, self)
        return {key: _owned(field) for key, field in fields.items()}

    def key(self, depth: int) -> str:
        """Read a key of a map, text or the bytes of one.

        Raises:
            ServeError: when it is something else, too long, or not UTF-8.
        """
        start = self.offset
        key = self.value(depth)
        if not isinstance(key, (str, memoryview)):
            raise self.error("a map has a key that is not text", type(key).__name__, "str or bin")
        if self.offset - start > self.limits.max_key_bytes:
            raise self.error("a key is too long", f"{self.offset - start} bytes", f"<= {self.limits.max_key_bytes}")
        try:
            return key if isinstance(key, str) else str(key, "utf-8")
        except UnicodeDecodeError:
            raise self.error("a key is not UTF-8", short(bytes(key))) from None

    def enter(self, count: int, depth: int) -> None:
        """Refuse a container that is nested too deep, or promises more values than bytes are left."""
        if depth > self.limits.max_depth:
            raise self.error("a message is nested too deep", f"> {self.limits.max_depth} levels")
        if count > len(self.message) - self.offset:
            raise self.error("a message is cut short", f"{len(self.message) - self.offset} bytes", f"{count} values")
        if self.values + count > self.limits.max_values:
            raise self.error("a message holds too many values", f"> {self.limits.max_values}")

    def error(self, what: str, got: str | None = None, expected: str | None = None) -> ServeError:
        """Return the error of a message that cannot be read, at the byte that was reached."""
        return ServeError(what, where=f"byte {self.offset} of {len(self.message)}", got=got, expected=expected)


def _dtype(fields: dict[str, Any], reader: _Reader) -> np.dtype:
    name = fields.get("dtype")
    if isinstance(name, memoryview):
        name = str(name, "ascii", "replace")
    if not isinstance(name, str) or name not in DTYPES:
        error = reader.error("an array has a dtype that is not accepted", short(repr(name)), ", ".join(DTYPES))
        error.details["nearest"] = nearest(name, DTYPES) if isinstance(name, str) and len(name) < 16 else None
        raise error
    return DTYPES[name]


def _known(fields: dict[str, Any], expected: tuple[str, ...], reader: _Reader) -> None:
    if fields[expected[0]] is not True or set(fields) != set(expected):
        raise reader.error("an array has the wrong fields", short(sorted(fields)), ", ".join(expected))


def _array(fields: dict[str, Any], reader: _Reader) -> NDArray:
    _known(fields, (ARRAY, "data", "dtype", "shape"), reader)
    dtype, data, shape = _dtype(fields, reader), fields["data"], fields["shape"]
    if not isinstance(data, memoryview):
        raise reader.error("an array's data is not a byte string", type(data).__name__, "bin")
    sizes = isinstance(shape, list) and all(type(n) is int and 0 <= n <= reader.limits.max_bytes for n in shape)
    if not sizes or len(shape) > MAX_AXES:
        raise reader.error("an array has a shape that is not accepted", short(shape), f"<= {MAX_AXES} sizes, each >= 0")
    # Axes of an empty array are bounded as if they were not empty, or NumPy's own size arithmetic overflows.
    if math.prod(n for n in shape if n) * dtype.itemsize > reader.limits.max_bytes:
        raise reader.error("an array is too large", short(f"shape {shape} of {dtype.str}"))
    if len(data) != math.prod(shape) * dtype.itemsize:
        needed = f"{math.prod(shape) * dtype.itemsize} bytes for shape {shape} of {dtype.str}"
        raise reader.error("an array has the wrong number of bytes", f"{len(data)} bytes", short(needed))
    if dtype.kind == "b" and len(data) and np.frombuffer(data, np.uint8).max() > 1:
        raise reader.error("an array of booleans holds other bytes than 0 and 1")
    array = np.frombuffer(data, dtype).reshape(shape)
    if not array.flags.aligned:
        array = array.copy()
        array.flags.writeable = False
    return array


def _scalar(fields: dict[str, Any], reader: _Reader) -> np.generic:
    _known(fields, (SCALAR, "data", "dtype"), reader)
    dtype, data = _dtype(fields, reader), fields["data"]
    kinds = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float)}[dtype.kind]
    if type(data) not in kinds:
        raise reader.error("a scalar's data does not fit its dtype", type(data).__name__, dtype.str)
    try:
        with np.errstate(over="ignore"):
            return dtype.type(data)
    except OverflowError:
        raise reader.error("a scalar is out of its dtype's range", short(data), dtype.str) from None
