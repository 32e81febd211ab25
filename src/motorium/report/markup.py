"""HTML from Python calls: whatever is not already markup is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

VOID = frozenset({"br", "col", "hr", "img", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]


def text(child: Child) -> str:
    """Return a child as HTML: markup as it stands, None as nothing, iterables joined, the rest escaped."""
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, (str, int, float)):
        return html.escape(str(child), quote=True)
    return "".join(text(part) for part in child)


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Return an element.

    Attribute names: a trailing underscore is dropped (`class_`), the others become dashes (`aria_label`).
    True stands for a bare attribute; False and None leave it out.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(key if value is True else f'{key}="{html.escape(str(value), quote=True)}"')
    start = f"<{' '.join(parts)}>"
    return Markup(start if name in VOID else f"{start}{text(children)}</{name}>")


def join(parts: Iterable[Child]) -> Markup:
    """Return children one after the other."""
    return Markup("".join(text(part) for part in parts))
