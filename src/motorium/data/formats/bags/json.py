"""JSON messages: their fields from the JSON Schema where the file has one, else from the first message."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from motorium.core.errors import first_line
from motorium.data.formats.bags.types import DEEPEST, Array, Getter, Node, Scalar, Struct, Undecodable

# Foxglove writes {sec, nsec}, ROS bridges write {sec, nanosec} and {secs, nsecs}.
TIME_FIELDS = ({"sec", "nsec"}, {"sec", "nanosec"}, {"secs", "nsecs"})

_STAMPS = (("timestamp",), ("stamp",), ("header", "stamp"))

_DTYPES = {"number": "float64", "integer": "int64", "boolean": "bool", "string": "string"}

# `format` may narrow a number to what it was before it was written.
_FORMATS = {
    "number": ("float16", "float32", "float64"),
    "integer": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
}


class JsonDecoder:
    """Decodes JSON objects; see `decode.Decoder`. Without a schema, `root` is known after the first message.

    Raises:
        Undecodable: when the schema is no JSON.
    """

    fixed = typed = False

    def __init__(self, schema: bytes) -> None:
        plain = _parse(schema) if schema.strip() else {}
        self.name = str(plain.get("title", "")) if isinstance(plain, Mapping) else ""
        known = _from_schema(plain, 0) if isinstance(plain, Mapping) else None
        self.root = known if isinstance(known, Struct) and known.fields else Struct(self.name, {})

    def decode(self, data: memoryview) -> Any:
        """Return the object."""
        message = _parse(bytes(data))
        if not isinstance(message, dict):
            raise Undecodable("it is no JSON object")
        if not self.root.fields:
            found = _from_value(message, 0)
            self.root = Struct(self.name, found.fields if isinstance(found, Struct) else {})
        return message

    def getter(self, name: str) -> Getter:
        """Return what takes one field; None where it is absent or null."""
        return lambda value: value.get(name)

    def direct(self, paths: Sequence[tuple[str, ...]]) -> None:
        """Return None: any field may be absent."""
        return None

    @property
    def clock(self) -> tuple[str, ...]:
        """Path of the stamp; () without one."""
        for path in _STAMPS:
            node: Any = self.root
            for name in path:
                node = node.fields.get(name) if isinstance(node, Struct) else None
            if node == Scalar("time"):
                return path
        return ()

    def time_ns(self, value: Any) -> int:
        """Return a time in ns."""
        whole = value["sec"] if "sec" in value else value["secs"]
        part = next(value[name] for name in ("nsec", "nanosec", "nsecs") if name in value)
        return int(whole) * 10**9 + int(part)

    def stamp(self, data: memoryview) -> int | None:
        """Return `timestamp`, `stamp` or `header.stamp` in ns; 0 where the message lacks it."""
        value = self.decode(data)
        clock = self.clock
        for name in clock:
            value = value.get(name) if isinstance(value, dict) else None
        try:
            return None if not clock else 0 if value is None else self.time_ns(value)
        except (TypeError, ValueError, KeyError, StopIteration, OverflowError) as error:
            raise Undecodable(f"its stamp is no time: {first_line(error)}") from error


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"it is no JSON: {first_line(error)}") from error


def _from_schema(schema: Any, depth: int) -> Node | None:
    """Return the node of a schema; None for what has no fixed kind (references, alternatives)."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return None
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [one for one in kind if one != "null"]
        kind = kinds[0] if len(kinds) == 1 else None
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return None
        if set(properties) in TIME_FIELDS:
            return Scalar("time")
        made = {str(name): _from_schema(inner, depth + 1) for name, inner in properties.items()}
        return Struct(str(schema.get("title", "")), {name: node for name, node in made.items() if node is not None})
    if kind == "array":
        inner = _from_schema(schema.get("items"), depth + 1)
        fixed = schema.get("minItems")
        length = fixed if isinstance(fixed, int) and fixed == schema.get("maxItems") else None
        return None if inner is None else Array(inner, length)
    if kind == "string" and schema.get("contentEncoding") == "base64":
        return Scalar("bytes")
    if schema.get("format") in _FORMATS.get(kind if isinstance(kind, str) else "", ()):
        return Scalar(schema["format"])
    return Scalar(_DTYPES[kind]) if isinstance(kind, str) and kind in _DTYPES else None


def _from_value(value: Any, depth: int) -> Node | None:
    if depth > DEEPEST:
        return None
    match value:
        case bool():
            return Scalar("bool")
        case int() | float():
            # 1 may be 1.5 in the next message.
            return Scalar("float64")
        case str():
            return Scalar("string")
        case dict() if set(value) in TIME_FIELDS:
            return Scalar("time")
        case dict():
            made = {name: _from_value(inner, depth + 1) for name, inner in value.items()}
            return Struct("", {name: node for name, node in made.items() if node is not None})
        case [first, *_]:
            inner = _from_value(first, depth + 1)
            return None if inner is None else Array(inner, None)
    return None
