"""Catalog: a literal table of names, each pointing at `module:attribute`, loaded when first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from typing import Any

from motorium.core.errors import CatalogError, nearest


class Catalog:
    """Names of one kind of thing (`task`, `policy`, ...) and where each is defined.

    A name that holds a colon (`my_package.tasks:Stack`) is a user's own and is imported as it stands.

    Raises:
        CatalogError: when two rows have the same name.
    """

    def __init__(self, kind: str, rows: Iterable[tuple[str, str]]) -> None:
        self.kind = kind
        self._rows: dict[str, str] = {}
        for name, target in rows:
            if name in self._rows:
                raise CatalogError(f"two {kind} rows are named '{name}'", got=target, expected="unique names")
            self._rows[name] = target

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def target(self, name: str) -> str:
        """Return the `module:attribute` of `name`.

        Raises:
            CatalogError: when it is unknown; names the nearest.
        """
        if name in self._rows:
            return self._rows[name]
        if ":" in name:
            return name
        raise CatalogError(
            f"there is no {self.kind} '{name}'",
            expected=f"one of: {', '.join(self._rows)}, or your own as 'module:attribute'",
            nearest=nearest(name, self._rows),
        )

    def load(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises:
            CatalogError: when the name is unknown or its target cannot be imported.
        """
        target = self.target(name)
        module_name, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            own = module_name == missing or module_name.startswith(missing + ".")
            raise CatalogError(
                f"{self.kind} '{name}' cannot be imported",
                where=target,
                got=str(error),
                remedy="put the module on PYTHONPATH" if own else f"install the package that provides '{missing}'",
            ) from error
        except AttributeError as error:
            raise CatalogError(f"{self.kind} '{name}' cannot be imported", where=target, got=str(error)) from error
