"""Message types as trees, whatever language defined them, and their leaves: what may become streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Deeper nesting than this is not followed: recursive types have no end.
DEEPEST = 24
# More leaves than this are no recording of a robot but a hostile definition.
MOST_LEAVES = 4096

# Takes one field from a message or structure, or several.
Getter = Callable[[Any], Any]

EACH = "[]"  # the step of a path that goes through all elements of a list of structures


class Undecodable(Exception):
    """A type cannot be read at all, or a message is not what its type says; the text says why."""


@dataclass(frozen=True)
class Scalar:
    """One value: `dtype` is a NumPy name, `string`, `time` (int64 ns from sec and nanosec) or `bytes`."""

    dtype: str


@dataclass(frozen=True)
class Array:
    """Several of one kind; `length` None: every message has its own."""

    element: Node
    length: int | None


@dataclass(frozen=True)
class Struct:
    """Named fields; `name` is the type's own (`geometry_msgs/msg/Vector3`), or empty."""

    name: str
    fields: Mapping[str, Node]


Node = Scalar | Array | Struct


@dataclass(frozen=True)
class Leaf:
    """A group of numbers, or a string, that is read from each message of a type.

    Attributes:
        path: fields to follow from the message; `EACH` goes through a list of structures.
        members: fields of the structure at the path that make one vector; () for the value itself.
        dtype: NumPy name, `string` or `time`.
        array: whether the value at the path is an array.
        varying: whether its length, or that of a list on the way, may differ between messages.
        owner: names of the structures on the way, outermost first; the last holds the members, or the value.
    """

    path: tuple[str, ...]
    members: tuple[str, ...]
    dtype: str
    array: bool
    varying: bool
    owner: tuple[str, ...]

    @property
    def name(self) -> str:
        """The path in words: `pose.pose.position`."""
        return ".".join(step for step in self.path if step != EACH)


# ROS's Header: its stamp is a clock, its frame goes into notes.
HEADERS = ("std_msgs/msg/Header", "std_msgs/Header")


def leaves(root: Struct) -> tuple[list[Leaf], list[str]]:
    """Return the leaves of a type in its own order, and in words what of it can be no stream."""
    walk = _Walk()
    return list(walk.visit(root, (), (root.name,), False)), walk.left_out


def group_members(node: Struct) -> tuple[str, ...]:
    """Return the fields of a structure that is one vector (all numbers of one kind), or ().

    Quaternions come w first, as everywhere in Motorium.
    """
    kinds = {one.dtype if isinstance(one, Scalar) else None for one in node.fields.values()}
    if len(node.fields) < 2 or len(kinds) != 1 or kinds & {None, "string", "time", "bytes"}:
        return ()
    names = tuple(node.fields)
    return ("w", "x", "y", "z") if set(names) == {"w", "x", "y", "z"} else names


class _Walk:
    """One walk through a type, which ends however large the type unfolds to be."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._visits = 0

    def visit(self, node: Node, path: tuple[str, ...], owner: tuple[str, ...], varying: bool) -> Iterator[Leaf]:
        """Yield the leaves at and below a node, and note what of it can be no stream.

        `path` and `owner` lead to the node; `varying`: a list above it has no fixed length.
        """
        where = ".".join(path) or "the message"
        self._visits += 1
        if self._visits > MOST_LEAVES:
            if self._visits == MOST_LEAVES + 1:
                self.left_out.append(f"{where} and all after it (too many fields)")
            return
        if len(path) > DEEPEST:
            self.left_out.append(f"{where} (nested too deeply)")
            return
        match node:
            case Scalar("bytes"):
                self.left_out.append(f"{where} (bytes)")
            case Scalar("string") if EACH in path:
                self.left_out.append(f"{where} (list of texts)")
            case Scalar(dtype):
                yield Leaf(path, (), dtype, False, varying, owner)
            case Array(Scalar("string" | "bytes" | "time") as element, _):
                self.left_out.append(f"{where} (list of {element.dtype})")
            case Array(Scalar(dtype), length):
                yield Leaf(path, (), dtype, True, varying or length is None, owner)
            case Array(Struct() as element, length):
                yield from self.visit(element, (*path, EACH), (*owner, element.name), varying or length is None)
            case Array():
                self.left_out.append(f"{where} (list of lists)")
            case Struct():
                yield from self._struct(node, path, owner, varying)

    def _struct(self, node: Struct, path: tuple[str, ...], owner: tuple[str, ...], varying: bool) -> Iterator[Leaf]:
        if node.name in HEADERS and len(path) <= 1:
            return
        members = group_members(node)
        if members:
            yield Leaf(path, members, node.fields[members[0]].dtype, False, varying, owner)
            return
        for field, inner in node.fields.items():
            if self._visits > MOST_LEAVES:
                return
            inside = (*owner, inner.name) if isinstance(inner, Struct) else owner
            yield from self.visit(inner, (*path, field), inside, varying)
