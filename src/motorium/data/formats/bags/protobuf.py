"""Protobuf messages, by the descriptors that an MCAP file carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from motorium.core.errors import first_line
from motorium.data.formats.bags.types import DEEPEST, Array, Getter, Node, Scalar, Struct, Undecodable

TIMES = ("google.protobuf.Timestamp", "google.protobuf.Duration")

_DTYPES = {
    FieldDescriptor.TYPE_DOUBLE: "float64", FieldDescriptor.TYPE_FLOAT: "float32",
    FieldDescriptor.TYPE_INT64: "int64", FieldDescriptor.TYPE_SINT64: "int64", FieldDescriptor.TYPE_SFIXED64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64", FieldDescriptor.TYPE_FIXED64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32", FieldDescriptor.TYPE_SINT32: "int32", FieldDescriptor.TYPE_SFIXED32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32", FieldDescriptor.TYPE_FIXED32: "uint32",
    FieldDescriptor.TYPE_BOOL: "bool", FieldDescriptor.TYPE_ENUM: "int32",
    FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_BYTES: "bytes",
}  # fmt: skip


class ProtobufDecoder:
    """Decodes one type of protobuf messages; see `decode.Decoder`.

    Raises:
        Undecodable: when the descriptors are damaged or lack the type.
    """

    fixed, typed = False, True

    def __init__(self, kind: str, definition: bytes) -> None:
        try:
            files = {file.name: file for file in FileDescriptorSet.FromString(definition).file}
            pool = DescriptorPool()
            for name in _in_order(files):
                pool.Add(files[name])
            descriptor = pool.FindMessageTypeByName(kind)
            self._class = GetMessageClass(descriptor)
        except (DecodeError, TypeError, KeyError, ValueError, RecursionError) as error:
            raise Undecodable(f"its definition is not valid: {first_line(error)}") from error
        self.root = _struct(descriptor, (), {})
        self.clock = ("timestamp",) if self.root.fields.get("timestamp") == Scalar("time") else ()

    def decode(self, data: memoryview) -> Any:
        """Return the message."""
        message = self._class()
        try:
            message.ParseFromString(bytes(data))
        except (DecodeError, ValueError, RecursionError) as error:
            raise Undecodable(first_line(error)) from error
        return message

    def getter(self, name: str) -> Getter:
        """Return what takes one field; None for structures, and fields with presence, that are not set."""

        def get(message: Any) -> Any:
            field = message.DESCRIPTOR.fields_by_name[name]
            if field.has_presence and not message.HasField(name):
                return None
            return getattr(message, name)

        return get

    def direct(self, paths: Sequence[tuple[str, ...]]) -> None:
        """Return None: any field may be absent."""
        return None

    def time_ns(self, value: Any) -> int:
        """Return a Timestamp or Duration in ns."""
        return value.seconds * 10**9 + value.nanos

    def stamp(self, data: memoryview) -> int | None:
        """Return the field `timestamp`, as Foxglove's types have it, in ns."""
        if not self.clock:
            return None
        message = self.decode(data)
        return self.time_ns(message.timestamp) if message.HasField("timestamp") else 0


def _in_order(files: dict[str, Any]) -> list[str]:
    """Return the names of files, each after those it imports."""
    order: list[str] = []
    seen: set[str] = set()
    for root in files:
        waiting = [(root, False)]
        while waiting:
            name, done = waiting.pop()
            if done:
                order.append(name)
            elif name in files and name not in seen:
                seen.add(name)
                waiting.append((name, True))
                waiting += [(inner, False) for inner in files[name].dependency]
    return order


def _struct(descriptor: Descriptor, above: tuple[str, ...], known: dict[str, Struct]) -> Struct:
    """Return a type's tree; `known` shares the trees of types that occur often."""
    fields: dict[str, Node] = {}
    for field in descriptor.fields:
        fields[field.name] = _node(field, (*above, descriptor.full_name), known)
    return Struct(descriptor.full_name, fields)


def _node(field: FieldDescriptor, above: tuple[str, ...], known: dict[str, Struct]) -> Node:
    kind = field.message_type
    if kind is None:
        inner: Node = Scalar(_DTYPES[field.type])
    elif kind.full_name in TIMES:
        inner = Scalar("time")
    elif kind.GetOptions().map_entry or kind.full_name in above or len(above) >= DEEPEST:
        # Maps have no fixed fields, and a type may hold itself: neither is followed.
        return Scalar("bytes")
    else:
        if kind.full_name not in known:
            known[kind.full_name] = _struct(kind, above, known)
        inner = known[kind.full_name]
    return Array(inner, None) if field.is_repeated else inner
