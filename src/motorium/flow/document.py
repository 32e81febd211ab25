"""YAML documents with line numbers: safe types only, no duplicate keys, `${name}` anywhere a value may stand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from motorium.core.errors import SpecError

Path = tuple[str, ...]

# `${name}` holds braces, which YAML would read as a mapping: it travels through the parser between two
# characters of the private use area, which no recipe holds.
OPEN, CLOSE = "\ue000", "\ue001"
VARIABLE = re.compile(r"\$\{([^{}\n]*)\}")
# An alias repeats what it points at; a few lines of them can ask for more memory than there is.
MOST_NODES = 100_000


@dataclass(frozen=True, kw_only=True)
class Document:
    """A parsed YAML file.

    Attributes:
        data: null, booleans, numbers, text, lists and mappings with text keys.
        lines: line number (from 1) of each path into `data`.
        name: of the file, for errors.
    """

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    name: str = "recipe"

    def where(self, *path: str) -> str:
        """Return `file, line n: a.b.c`, with the line of the deepest part of the path that is known."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(tuple(path[:length]))
            if line is not None:
                place = f"{self.name}, line {line}"
                return f"{place}: {'.'.join(path)}" if path else place
        return f"{self.name}: {'.'.join(path)}" if path else self.name


class _Loader(yaml.SafeLoader):
    """SafeLoader that also reads `1e-3` as a number, as YAML 1.2 and everybody's eye do."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_document(text: str, name: str = "recipe") -> Document:
    """Parse YAML text.

    Raises:
        SpecError: with its line, on what is not YAML, a duplicate key, a key that is not text, or a tag.
    """
    if OPEN in text or CLOSE in text:
        raise SpecError("the text holds characters of the private use area", where=name, remedy="remove them")
    try:
        loader = _Loader(VARIABLE.sub(lambda found: f"{OPEN}{found[1]}{CLOSE}", text))
    except yaml.YAMLError as error:  # a character that no YAML file may hold
        raise SpecError("this is not valid YAML", where=name, got=str(error).splitlines()[0]) from None
    loader.name = name
    lines: dict[Path, int] = {}
    try:
        root = loader.get_single_node()
        data = None if root is None else _Builder(loader, lines, name).build(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SpecError(
            "this is not valid YAML",
            where=f"{name}, line {mark.line + 1}" if mark else name,
            got=_restore(str(error.problem or error.context)),
            expected="plain YAML: mappings, lists, text, numbers",
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SpecError("this is not valid YAML", where=name, got=_restore(str(error))) from None
    finally:
        loader.dispose()
    return Document(data=data, lines=lines, name=name)


def read_value(text: str) -> Any:
    """Return one value of the command line, as YAML would read it; text that is not YAML stands for itself."""
    try:
        return read_document(text).data
    except SpecError:
        return text


def _restore(text: str) -> str:
    return text.replace(OPEN, "${").replace(CLOSE, "}")


class _Builder:
    def __init__(self, loader: _Loader, lines: dict[Path, int], name: str) -> None:
        self.loader, self.lines, self.name = loader, lines, name
        self.count = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        """Return the plain value of a node at a path, and note the line where it stands.

        Raises:
            SpecError: when the document has too many values, or one of a type that recipes do not have.
        """
        self.count += 1
        if self.count > MOST_NODES:
            raise SpecError("the document is too large", where=self.name, expected=f"at most {MOST_NODES} values")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.build(item, (*path, str(place))) for place, item in enumerate(node.value)]
        value = self.loader.construct_object(node, deep=True)
        if isinstance(value, str):
            return _restore(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        raise SpecError(
            "a value is of a type that recipes do not have",
            where=f"{self.name}, line {node.start_mark.line + 1}",
            got=f"{type(value).__name__}: {value}",
            expected="text, a number, true/false, ~, a list or a mapping",
            remedy="put it in quotes, if it is text",
        )

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            merge = key_node.tag == "tag:yaml.org,2002:merge"
            key = "<<" if merge else self.loader.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            where = f"{self.name}, line {line}"
            if not isinstance(key, str):
                raise SpecError("a key is not text", where=where, got=repr(key), remedy="put it in quotes")
            key = _restore(key)
            if key in values:
                first = self.lines[(*path, key)]
                raise SpecError(f"'{key}' is set twice", where=where, got=f"also in line {first}", remedy="keep one")
            self.lines[(*path, key)] = line
            values[key] = self.build(value_node, (*path, key))
        return values
