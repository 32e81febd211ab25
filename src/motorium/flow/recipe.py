"""Recipe: named stages, their options and their inputs, from YAML or from Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from motorium.core.errors import SpecError, nearest
from motorium.flow.document import VARIABLE, Document, read_document, read_value
from motorium.flow.stage import Artifact

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*", re.IGNORECASE)
RECIPE_KEYS = ("recipe", "about", "seed", "vars", "stages")
ENTRY_KEYS = ("uses", "with", "from", "seed")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One stage of a recipe.

    Attributes:
        uses: catalog name of the stage.
        options: the spec's fields (`with`).
        inputs: port to source (`from`); a source is the name of an entry, an artifact ref (`dataset/3f2a`),
            or a path; a `many` port takes a mapping of named sources.
        seed: root seed of this entry alone; None takes the recipe's.
    """

    uses: str
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None

    def to_plain(self) -> dict[str, Any]:
        """Return the entry as a recipe's mapping."""
        sources = {port: _plain_source(source) for port, source in self.inputs.items()}
        plain = {"uses": self.uses, "with": dict(self.options), "from": sources, "seed": self.seed}
        return {key: value for key, value in plain.items() if value not in (None, {})}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe whose variables may still be open.

    Attributes:
        name: of the recipe; its page is named after it.
        stages: entries by name, in the order they were written.
        seed: root seed.
        vars: variables and their defaults; None has to be set.
        document: where it was read, for errors.
    """

    name: str
    stages: Mapping[str, Entry]
    seed: int = 0
    vars: Mapping[str, Any] = field(default_factory=dict)
    document: Document = field(default_factory=lambda: Document(data=None), compare=False, repr=False)

    @classmethod
    def read(cls, path: Path | str) -> Recipe:
        """Read a YAML file.

        Raises:
            SpecError: when it is missing or not a recipe, with the line.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            folder = Path(path).parent
            near = nearest(Path(path).name, [item.name for item in folder.iterdir()] if folder.is_dir() else [])
            raise SpecError("there is no such recipe", where=path, nearest=near and str(folder / near)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError("the recipe cannot be read", where=path, got=str(error)) from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str = "recipe") -> Recipe:
        """Read YAML text; `name` stands for the file in errors.

        Raises:
            SpecError: when it is not a recipe, with the line.
        """
        return cls.from_plain(read_document(text, name))

    @classmethod
    def from_plain(cls, document: Document | Mapping[str, Any]) -> Recipe:
        """Build a recipe from the mapping a YAML file holds.

        Raises:
            SpecError: on an unknown key or a value of the wrong kind.
        """
        if not isinstance(document, Document):
            document = Document(data=document)
        data = _mapping(document, document.data)
        _known(document, data, RECIPE_KEYS)
        name = data.get("recipe")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise SpecError(
                "a recipe needs a name",
                where=document.where("recipe"),
                got=repr(name),
                expected="`recipe: letters-digits-dashes`",
            )
        stages = _mapping(document, data.get("stages"), "stages")
        if not stages:
            raise SpecError("a recipe needs stages", where=document.where(), expected="`stages:` with at least one")
        variables = _mapping(document, data.get("vars") or {}, "vars")
        return cls(
            name=name,
            seed=_seed(document, data.get("seed", 0), "seed"),
            vars=variables,
            stages={stage: _entry(document, stage, value) for stage, value in stages.items()},
            document=document,
        )

    def to_plain(self) -> dict[str, Any]:
        """Return the mapping a YAML file would hold."""
        return {
            "recipe": self.name,
            "seed": self.seed,
            "vars": dict(self.vars),
            "stages": {name: entry.to_plain() for name, entry in self.stages.items()},
        }

    def where(self, *path: str) -> str:
        """Return the place of `path` in the file, for errors."""
        return self.document.where(*path)

    def resolve(self, settings: Mapping[str, Any] | None = None) -> Recipe:
        """Return the recipe with settings applied and every variable replaced; it has no `vars` left.

        Args:
            settings: {`variable` or `stage.field`: value}, as `--set` takes them.

        Raises:
            SpecError: on a setting or variable that does not exist, or one that is not set.
        """
        values, options = dict(self.vars), {}
        for name, value in (settings or {}).items():
            stage, _, path = name.partition(".")
            if path and stage in self.stages:
                options.setdefault(stage, []).append((path.split("."), value))
            elif name in self.vars:
                values[name] = value
            else:
                choices = [*self.vars, *(f"{known}.{path or 'FIELD'}" for known in self.stages)]
                raise SpecError(
                    f"there is nothing named '{name}' to set",
                    where="--set",
                    expected=f"one of: {', '.join(choices)}",
                    nearest=nearest(name, choices),
                )
        unset = [name for name, value in values.items() if value is None]
        if unset:
            raise SpecError(
                f"'{unset[0]}' has to be set",
                where=self.where("vars", unset[0]),
                remedy=f"add --set {unset[0]}=VALUE",
            )
        stages = {}
        for name, entry in self.stages.items():
            where = ("stages", name)
            filled = _fill_deep(self, values, dict(entry.options), (*where, "with"))
            for path, value in options.get(name, []):
                _put(filled, path, value, f"--set {name}.{'.'.join(path)}")
            inputs = _fill_deep(self, values, dict(entry.inputs), (*where, "from"))
            stages[name] = replace(entry, options=filled, inputs=inputs)
        return replace(self, vars={}, stages=stages)


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Return the mapping of `name=value` options; values are read as YAML reads them.

    Raises:
        SpecError: on one without `=`.
    """
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SpecError("a setting needs a name and a value", where="--set", got=pair, expected="name=value")
        settings[name.strip()] = read_value(value)
    return settings


def _entry(document: Document, name: str, value: Any) -> Entry:
    where = ("stages", name)
    if not NAME.fullmatch(name):
        raise SpecError(f"'{name}' cannot name a stage", where=document.where(*where), expected="letters-digits-dashes")
    value = _mapping(document, value or {}, *where)
    _known(document, value, ENTRY_KEYS, *where)
    uses = value.get("uses", name)
    if not isinstance(uses, str):
        raise SpecError("`uses` takes a stage's name", where=document.where(*where, "uses"), got=repr(uses))
    return Entry(
        uses=uses,
        options=_mapping(document, value.get("with") or {}, *where, "with"),
        inputs=_mapping(document, value.get("from") or {}, *where, "from"),
        seed=None if value.get("seed") is None else _seed(document, value["seed"], *where, "seed"),
    )


def _plain_source(source: Any) -> Any:
    if isinstance(source, Mapping):
        return {name: _plain_source(item) for name, item in source.items()}
    return source.ref if isinstance(source, Artifact) else str(source)


def _mapping(document: Document, value: Any, *path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SpecError(
            f"'{path[-1] if path else 'recipe'}' takes a mapping",
            where=document.where(*path),
            got=repr(value),
            expected="`name: value` lines",
        )
    return value


def _known(document: Document, value: Mapping[str, Any], keys: tuple[str, ...], *path: str) -> None:
    for key in value:
        if key not in keys:
            raise SpecError(
                f"unknown key '{key}'",
                where=document.where(*path, key),
                expected=f"one of: {', '.join(keys)}",
                nearest=nearest(key, keys),
            )


def _seed(document: Document, value: Any, *path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError("a seed is a whole number", where=document.where(*path), got=repr(value))
    return value


def _fill_deep(recipe: Recipe, values: Mapping[str, Any], value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill_deep(recipe, values, item, (*path, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_fill_deep(recipe, values, item, (*path, str(place))) for place, item in enumerate(value)]
    return _fill(recipe, values, value, path) if isinstance(value, str) else value


def _fill(recipe: Recipe, values: Mapping[str, Any], text: str, path: tuple[str, ...]) -> Any:
    def lookup(name: str) -> Any:
        """Return the value of a variable."""
        if name not in values:
            raise SpecError(
                f"there is no variable '{name}'",
                where=recipe.where(*path),
                expected=f"one of: {', '.join(values) or '(vars is empty)'}",
                nearest=nearest(name, values),
            )
        return values[name]

    whole = VARIABLE.fullmatch(text)
    if whole:
        return lookup(whole[1].strip())
    return VARIABLE.sub(lambda found: str(lookup(found[1].strip())), text)


def _put(options: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    for part in path[:-1]:
        inner = options.setdefault(part, {})
        if not isinstance(inner, dict):
            raise SpecError(f"'{part}' has no fields", where=where, got=repr(inner))
        options = inner
    options[path[-1]] = value
