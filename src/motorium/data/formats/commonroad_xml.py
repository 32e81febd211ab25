"""XML of CommonRoad: how a file begins, numbers that are checked, and plain data of elements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

from motorium.core.errors import DataError
from motorium.data.bounds import check_size
from motorium.data.formats.xml import Element

LARGEST_NUMBER = 1e12
_HEAD = 64 * 1024

# The order in which the schema wants children; plain data may come from JSON, whose keys are sorted.
_ORDER = (
    "geoNameId gpsLatitude gpsLongitude geoTransformation geoReference additionalTransformation xTranslation "
    "yTranslation zRotation scaling environment time timeOfDay weather underground incoming incomingLanelet "
    "successorsRight successorsStraight successorsLeft isLeftOf crossing trafficSignID additionalValue "
    "trafficSignElement type shape initialState goalState intervalStart intervalEnd x y z length width radius "
    "orientation center originXShift position virtual"
)
_PLACES = {name: place for place, name in enumerate(_ORDER.split())}


class _Found(Exception):
    """The first element was reached."""


def first_element(path: Path) -> tuple[str, dict[str, str]] | None:
    """Return name and attributes of a file's root element; None: it is no XML. Raises nothing."""
    found: list[tuple[str, dict[str, str]]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        found.append((tag, attributes))
        raise _Found

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        with path.open("rb") as file:
            parser.Parse(file.read(_HEAD), False)
    except _Found:
        return found[0]
    except (expat.ExpatError, OSError, ValueError, LookupError):
        return None
    return None


def number(element: Element | None, where: object) -> float:
    """Return the number in an element's text: finite, and no larger than any length, speed or angle can be.

    Raises:
        DataError: when there is none.
    """
    text = None if element is None else element.text
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST_NUMBER:
        name = "an element" if element is None else f"<{element.tag}>"
        raise DataError(f"{name} holds no number", where=where, got=repr((text or "")[:80]), expected="a number")
    return value


def whole(text: str | None, where: object, at_most: int) -> int:
    """Return the whole number that `text` is.

    Raises:
        DataError: when it is none, or not from 0 to `at_most`.
    """
    try:
        value = int((text or "")[:40])
    except ValueError:
        raise DataError("this is no whole number", where=where, got=repr((text or "")[:80])) from None
    return check_size("a number", value, at_most, where)


def words(element: Element, name: str) -> str | None:
    """Return the text of a child, stripped; None: there is no such child, or it is empty."""
    found = element.find(name)
    return (found.text or "").strip() or None if found is not None else None


def to_plain(element: Element) -> Any:
    """Return an element as plain data: numbers and words, attributes as `@name`, repeated children as lists."""
    made: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        value = to_plain(child)
        if child.tag not in made:
            made[child.tag] = value
        elif isinstance(made[child.tag], list):
            made[child.tag].append(value)
        else:
            made[child.tag] = [made[child.tag], value]
    return made or _plain_text((element.text or "").strip())


def from_plain(tag: str, plain: Any) -> Element:
    """Build the element that `to_plain` described."""
    element = Element(tag)
    if not isinstance(plain, Mapping):
        element.text = decimal(plain) if isinstance(plain, (int, float)) and not isinstance(plain, bool) else str(plain)
        return element
    for name, value in sorted(plain.items(), key=_place):
        if name.startswith("@"):
            element.set(name[1:], str(value))
        else:
            element.extend(from_plain(name, one) for one in (value if isinstance(value, list) else [value]))
    return element


def decimal(value: float, digits: int = 17) -> str:
    """Return a number as XML Schema's decimal, which knows no exponent; at most `digits` behind the point."""
    if isinstance(value, int):
        return str(value)
    text = f"{value:.{digits}f}" if digits < 17 else _shortest(value)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _place(item: tuple[str, Any]) -> int:
    return _PLACES.get(item[0], len(_PLACES))


def _shortest(value: float) -> str:
    text = repr(float(value))
    return text if "e" not in text else f"{value:.20f}"


def _plain_text(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value) or len(text) > 40:
        return text
    return int(text) if text.lstrip("+-").isascii() and text.lstrip("+-").isdigit() else value
