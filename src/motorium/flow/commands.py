"""Specs on the command line: the options of `motorium stage`, and the command that runs a stage again."""

from __future__ import annotations

import json
import shlex
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from motorium.core.spec import Spec
from motorium.flow.derivation import Derivation, named_records
from motorium.flow.document import read_value
from motorium.flow.stage import Stage

# Names that `motorium stage` itself takes; a spec's field of that name is given as `--with.NAME`.
RESERVED = ("help", "from", "seed", "store", "on", "jobs", "force", "quiet", "json-schema")


def option(path: str) -> str:
    """Return the option of `motorium stage` for a spec's field (`a.b` for a field of a field)."""
    name = path.replace("_", "-")
    return f"--with.{name}" if name in RESERVED else f"--{name}"


def leaf_fields(spec: type[Spec], prefix: str = "") -> dict[str, FieldInfo]:
    """Return {dotted path: field} of a spec, with the fields of specs within it in their place."""
    leaves: dict[str, FieldInfo] = {}
    for name, info in spec.model_fields.items():
        if _is_spec(info):
            leaves |= leaf_fields(info.annotation, f"{prefix}{name}.")
        else:
            leaves[f"{prefix}{name}"] = info
    return leaves


def read_option(info: FieldInfo, text: str) -> Any:
    """Return the value that `text` gives a field: as it is where text is wanted, else as YAML reads it."""
    kinds = _members(info.annotation)
    if kinds == {str} or (kinds == {str, type(None)} and text not in ("null", "~")):
        return text
    return read_value(text)


def write_option(info: FieldInfo, value: Any) -> str:
    """Return the text that `read_option` reads as `value` (plain data)."""
    if isinstance(value, str) and read_option(info, value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def stage_command(name: str, stage: Stage, spec: Spec, derivation: Derivation) -> str:
    """Return `motorium stage NAME ...` with what differs from the defaults.

    Args:
        name: under which the stage is found (its catalog name, or `module:attribute`).
    """
    words = ["motorium", "stage", name]
    if derivation.root_seed:
        words += ["--seed", str(derivation.root_seed)]
    for port, record in named_records(derivation.inputs):
        words += ["--from", f"{port}={record.get('external', record['ref'])}"]
    plain = spec.to_plain()
    for field, info in stage.spec.model_fields.items():
        if info.is_required() or plain[field] != _plain(info.get_default(call_default_factory=True)):
            words += _words(field, info, plain[field])
    return shlex.join(words)


def _words(path: str, info: FieldInfo, value: Any) -> list[str]:
    if _is_spec(info):
        # All of its fields: one that is left out takes the inner spec's default, which need not be the outer one's.
        inner = info.annotation.model_fields
        return [word for name, item in value.items() for word in _words(f"{path}.{name}", inner[name], item)]
    text = write_option(info, value)
    # argparse takes a word that starts with a dash for an option, unless it is joined to its own.
    return [f"{option(path)}={text}"] if text.startswith("-") else [option(path), text]


def _is_spec(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, Spec)


def _members(annotation: Any) -> set[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return set(typing.get_args(annotation))
    return {annotation}


def _plain(value: Any) -> Any:
    """Return a default as `to_plain` would show it."""
    if isinstance(value, Spec):
        return value.to_plain()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
