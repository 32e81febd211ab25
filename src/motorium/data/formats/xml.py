"""XML of strangers: parsed without a chance to expand anything or to open another file; size and depth are bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from motorium.core.errors import DataError
from motorium.data.bounds import MIB, read_metadata

Element = ElementTree.Element

# The largest published scenarios have a few ten MiB.
LARGEST_XML = 128 * MIB
MOST_ELEMENTS = 4_000_000


class _Refused(Exception):
    """Something in a file that no recording needs."""


def read_xml(path: Path, *, deepest: int, named: bool = False) -> Element:
    """Return the root element of a file.

    Args:
        deepest: levels that are read.
        named: whether a document type is accepted that declares and refers to nothing.

    Raises:
        DataError: when it is absent, too large or deep, not well-formed, or has a document type or an entity.
    """
    data = read_metadata(path, LARGEST_XML)
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()
    depth = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > deepest or count > MOST_ELEMENTS:
            raise _Refused(f"more than {deepest} levels or {MOST_ELEMENTS:,} elements")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def document_type(name: str, system: str | None, public: str | None, internal: int) -> None:
        if not named or system or public or internal:
            raise _Refused("a document type with declarations" if named else "a document type")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = document_type, _refuse_entity
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
        return builder.close()
    except _Refused as error:
        raise DataError("an XML file is refused", where=path, got=error, remedy="do not trust this file") from None
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as error:
        raise DataError("an XML file is damaged", where=path, got=error, remedy="fetch or copy it again") from error


def _refuse_entity(*_: Any) -> None:
    raise _Refused("an entity")
