"""ROS messages, of either version, by definitions from the recording; by rosbags' standard ones where it has none."""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.base import TypesysError, normalize_fieldname
from rosbags.typesys.store import Typestore

from motorium.core.errors import first_line
from motorium.data.formats.bags.definitions import parse_idl, parse_msg
from motorium.data.formats.bags.types import HEADERS, Array, Getter, Node, Scalar, Struct, Undecodable

# What rosbags raises for definitions and messages that are not valid, its own errors and those of generated code.
INVALID = (
    SerdeError, TypesysError, struct.error, ValueError, TypeError, KeyError, IndexError, AttributeError,
    AssertionError, OverflowError, RecursionError, SyntaxError,
)  # fmt: skip

# rosbags unrolls fixed arrays of structures and texts into code.
LONGEST_UNROLLED = 1024
LONGEST_ARRAY = 2**28
MOST_VALUES = 2**17
MOST_SEQUENCE = 2**26

TIMES = ("builtin_interfaces/msg/Time", "builtin_interfaces/msg/Duration")

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_TYPE = re.compile(r"[A-Za-z]\w*(/[A-Za-z]\w*)+", re.ASCII)
_DTYPES = {"byte": "int8", "char": "uint8", "octet": "uint8", "wstring": "string"}


class RosDecoder:
    """Decodes one type of ROS messages; see `decode.Decoder`.

    Raises:
        Undecodable: when its definition is unknown or not valid.
    """

    typed = True

    def __init__(self, encoding: str, kind: str, definition: bytes, definition_encoding: str) -> None:
        self._ros1 = encoding == "ros1"
        self._kind = _full_name(kind)
        try:
            self._store = _store(self._ros1, self._kind, definition, definition_encoding)
            self._store.get_msgdef(self._kind)
            self.root = _struct(self._store.fielddefs, self._kind, {})
        except INVALID as error:
            raise Undecodable(f"its definition is not valid: {first_line(error)}") from error
        self.fixed = _is_fixed(self.root, {})
        self._stamp = self._find_stamp()
        self.clock = () if self._stamp is None else tuple(self.root.fields)[:1]

    def decode(self, data: memoryview) -> Any:
        """Return the message as rosbags' object."""
        try:
            if self._ros1:
                return self._store.deserialize_ros1(data, self._kind)
            return self._store.deserialize_cdr(data, self._kind)
        except INVALID as error:
            raise Undecodable(first_line(error)) from error

    def getter(self, name: str) -> Getter:
        """Return what takes one field from a message; ROS messages always have all of theirs."""
        return attrgetter(normalize_fieldname(name))

    def direct(self, paths: Sequence[tuple[str, ...]]) -> Getter:
        """Return what takes several fields at once."""
        return attrgetter(*(".".join(normalize_fieldname(name) for name in path) for path in paths))

    def time_ns(self, value: Any) -> int:
        """Return a Time or Duration in ns."""
        return value.sec * 10**9 + value.nanosec

    def stamp(self, data: memoryview) -> int | None:
        """Return `header.stamp`, or `stamp`, in ns without decoding more than that."""
        if self._stamp is None:
            return None
        try:
            if self._ros1:
                sec, nanosec = struct.unpack_from("<II", data, self._stamp)
            else:
                sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, self._stamp)
        except (struct.error, IndexError):
            raise Undecodable("it ends in its header") from None
        return sec * 10**9 + nanosec

    def _find_stamp(self) -> int | None:
        """Return the offset of the stamp in a message, where it comes first."""
        first = next(iter(self.root.fields.items()), ("", Scalar("")))
        start = 0 if self._ros1 else 4
        if isinstance(first[1], Struct) and first[1].name in HEADERS:
            # ROS 1 headers begin with a counter.
            return start + 4 if "seq" in first[1].fields else start
        return start if first[0] in ("stamp", "timestamp") and first[1] == Scalar("time") else None


def _full_name(kind: str) -> str:
    """Return a type's name as rosbags knows it: `std_msgs/msg/Header`, also for ROS 1's `std_msgs/Header`.

    Raises:
        Undecodable: when it is no name; it becomes part of generated code.
    """
    kind = kind.replace("::", "/")
    parts = kind.split("/")
    if len(parts) == 2:
        kind = f"{parts[0]}/msg/{parts[1]}"
    if not _TYPE.fullmatch(kind) or len(kind) > 256:
        raise Undecodable(f"{kind[:64]!r} is no name of a type")
    return kind


def _store(ros1: bool, kind: str, definition: bytes, encoding: str) -> Typestore:
    standard = _standard(ros1)
    if not definition.strip() and not (kind in standard.fielddefs and not standard.fielddefs[kind][1]):
        if kind not in standard.fielddefs:
            raise Undecodable(
                "the recording holds no definition of it, and it is no standard type: record with definitions"
                " (MCAP, or rosbag2 since Iron)"
            )
        return standard
    text = definition.decode("utf-8", "replace")
    types = parse_idl(text) if encoding in ("ros2idl", "omgidl") else parse_msg(text, kind)
    for name in TIMES:
        types.pop(name, None)
    _check_names(types)
    needed = _needed(types, kind, standard.fielddefs)
    _measure(needed, kind, {})
    store = Typestore(max_sequence_length=MOST_SEQUENCE)
    base = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.EMPTY)
    for name in TIMES:
        store.fielddefs[name], store.types[name] = base.fielddefs[name], base.types[name]
    store.register(needed)
    return store


@functools.cache
def _standard(ros1: bool) -> Typestore:
    """Types that every ROS installation has; for recordings without definitions, or with incomplete ones."""
    store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
    store.max_sequence_length = MOST_SEQUENCE
    return store


def _needed(types: Mapping[str, Any], kind: str, standard: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types that `kind` is made of, from the recording before the standard."""
    needed: dict[str, Any] = {}
    waiting = [kind]
    while waiting:
        name = waiting.pop()
        if name in needed or name in TIMES:
            continue
        if name not in types and name not in standard:
            raise Undecodable(f"the definition of {name} is missing")
        needed[name] = types.get(name) or standard[name]
        for _, field in needed[name][1]:
            inner = field[1][0] if field[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE) else field
            if inner[0] == Nodetype.NAME:
                waiting.append(inner[1])
    return needed


def _check_names(types: Mapping[str, Any]) -> None:
    """Check the names that rosbags makes code of."""
    for name, (constants, fields) in types.items():
        if not _TYPE.fullmatch(name):
            raise Undecodable(f"{name[:64]!r} is no name of a type")
        for field in [*constants, *fields]:
            if not _NAME.fullmatch(field[0]):
                raise Undecodable(f"{field[0][:64]!r} in {name} is no name of a field")


def _measure(types: Mapping[str, Any], kind: str, known: dict[str, tuple[int, int] | None]) -> tuple[int, int]:
    """Return how many values and how many bytes one message of a type holds at least.

    Raises:
        Undecodable: when that has no bound: types within themselves, huge fixed arrays, lists of nothing.
    """
    if kind in TIMES:
        return 2, 8
    if kind in known:
        if known[kind] is None:
            raise Undecodable(f"{kind} is a part of itself")
        return known[kind]
    known[kind] = None
    values = size = 0
    for name, field in types[kind][1]:
        many = field[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE)
        inner, length = field[1] if many else (field, 1)
        text = inner[0] == Nodetype.BASE and inner[1][0] in ("string", "wstring")
        one = _measure(types, inner[1], known) if inner[0] == Nodetype.NAME else (1, 4 if text else 1)
        if field[0] == Nodetype.SEQUENCE:
            if one[1] == 0:
                raise Undecodable(f"{kind}.{name} is a list of nothing")
            values, size = values + 1, size + 4
            continue
        unrolled = inner[0] == Nodetype.NAME or text
        if not 0 <= length <= (LONGEST_UNROLLED if unrolled else LONGEST_ARRAY):
            raise Undecodable(f"{kind}.{name} has {length:,} elements")
        values += one[0] * length if unrolled else 1
        size += one[1] * length
    if values > MOST_VALUES:
        raise Undecodable(f"{kind} has more than {MOST_VALUES:,} values")
    known[kind] = values, size
    return values, size


def _struct(types: Mapping[str, Any], kind: str, known: dict[str, Struct]) -> Struct:
    if kind not in known:
        fields = {}
        for name, field in types[kind][1]:
            if name == "structure_needs_at_least_one_member":
                continue
            if field[0] in (Nodetype.ARRAY, Nodetype.SEQUENCE):
                length = field[1][1] if field[0] == Nodetype.ARRAY else None
                fields[name] = Array(_node(types, field[1][0], known), length)
            else:
                fields[name] = _node(types, field, known)
        known[kind] = Struct(kind, fields)
    return known[kind]


def _node(types: Mapping[str, Any], field: Any, known: dict[str, Struct]) -> Node:
    if field[0] == Nodetype.BASE:
        return Scalar(_DTYPES.get(field[1][0], field[1][0]))
    return Scalar("time") if field[1] in TIMES else _struct(types, field[1], known)


def _is_fixed(node: Node, known: dict[str, bool]) -> bool:
    match node:
        case Struct(name):
            if name not in known:
                known[name] = all(_is_fixed(inner, known) for inner in node.fields.values())
            return known[name]
        case Array(element, length):
            return length is not None and _is_fixed(element, known)
    return True
