"""Transforms between frames (`/tf`, `/tf_static`): a series for each edge of the tree.

Source: tf2_msgs/TFMessage, geometry_msgs/TransformStamped; foxglove.FrameTransform(s).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from motorium.data.formats.bags.decode import Decoder
from motorium.data.formats.bags.fields import FieldsTopic, Part
from motorium.data.formats.bags.types import Leaf, Struct, leaves

LISTS = {"tf2_msgs/TFMessage": "transforms", "tf/tfMessage": "transforms", "foxglove.FrameTransforms": "transforms"}
SINGLE = ("geometry_msgs/TransformStamped", "foxglove.FrameTransform")


class TransformsTopic(FieldsTopic):
    """A topic of transforms; streams are `tf:parent->child.translation` (m) and `.rotation` (w first)."""

    def __init__(self, name: str, kind: str, decoder: Decoder) -> None:
        super().__init__(name, kind, decoder)
        self._list = LISTS.get(self.type)
        node: Any = decoder.root.fields.get(self._list) if self._list else decoder.root
        self._edge: Struct = node.element if self._list else node
        self._ros = "header" in self._edge.fields
        get = decoder.getter
        self._parent = get("header") if self._ros else get("parent_frame_id")
        self._child = get("child_frame_id")
        self._stamp = get("stamp") if self._ros else get("timestamp")
        self._frame = get("frame_id")

    def parts(self, message: Any, stamp_ns: int | None) -> Iterator[Part]:
        """Yield each transform of a message."""
        for one in self.decoder.getter(self._list)(message) if self._list else [message]:
            head = self._parent(one)
            stamp = self._stamp(head if self._ros else one)
            parent = self._frame(head) if self._ros else head
            time_ns = 0 if stamp is None else self.decoder.time_ns(stamp)
            # Old publishers wrote frames as `/odom`.
            key = (str(parent).lstrip("/"), str(self._child(one)).lstrip("/"))
            inner = self.decoder.getter("transform")(one) if self._ros else one
            yield Part(key, inner, time_ns)

    def found_leaves(self) -> tuple[list[Leaf], list[str]]:
        """Return translation and rotation."""
        node = self._edge.fields["transform"] if self._ros else self._edge
        found, _ = leaves(node)
        return [leaf for leaf in found if leaf.path in (("translation",), ("rotation",))], []

    def prefix(self, key: Any, number: int) -> str:
        """Return `tf:parent->child`; transforms on other topics than the two usual ones keep their topic's name."""
        prefix = "tf:" if self.name in ("/tf", "/tf_static", "tf", "tf_static") else f"{self.name}:"
        return f"{prefix}{key[0]}->{key[1]}"

    def frames(self, message: Any, part: Part) -> tuple[str | None, str | None]:
        """Return the parent frame: the transform is the pose of the child in it."""
        return part.key[0] or None, None


def is_transforms(kind: str) -> bool:
    """Whether a type of messages (without `/msg`) holds transforms."""
    return kind in LISTS or kind in SINGLE
