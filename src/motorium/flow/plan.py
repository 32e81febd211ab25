"""Plan: a recipe checked against the stages: specs parsed, ports connected, kinds fitting, order found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motorium.core.catalog import Catalog
from motorium.core.errors import MotoriumError, SpecError, nearest
from motorium.core.spec import Spec
from motorium.flow.recipe import Entry, Recipe
from motorium.flow.refs import resolve_ref
from motorium.flow.stage import Artifact, Port, Stage
from motorium.flow.store import Store

REF = re.compile(r"[a-z]+/[0-9a-f]{4,64}")


@dataclass(frozen=True, kw_only=True)
class From:
    """An input that another entry of the recipe makes."""

    entry: str


Source = From | Artifact


@dataclass(frozen=True, kw_only=True)
class Step:
    """One entry of a recipe, ready to run as soon as its inputs are there.

    Attributes:
        name: of the entry.
        stage, spec: what to run.
        inputs: port to source, or to named sources where the port is `many`.
        root_seed: the entry's or the recipe's.
    """

    name: str
    stage: Stage
    spec: Spec
    inputs: Mapping[str, Source | Mapping[str, Source]]
    root_seed: int

    @property
    def needs(self) -> list[str]:
        """Names of the entries that have to be there first."""
        flat = [item for value in self.inputs.values() for item in (value.values() if _is_many(value) else [value])]
        return list(dict.fromkeys(item.entry for item in flat if isinstance(item, From)))


def make_plan(
    recipe: Recipe,
    stages: Catalog | Mapping[str, Stage],
    store: Store,
    *,
    only: Iterable[str] = (),
) -> list[Step]:
    """Return the steps of `recipe` in an order in which each comes after what it needs.

    Everything is checked here, before anything runs; files and folders outside the store are hashed.

    Args:
        recipe: resolved (`Recipe.resolve`).
        stages: where the names in `uses` are looked up.
        only: entries to make, with what they need; empty makes all.

    Raises:
        SpecError: on anything that does not fit, with its place and the nearest valid choice.
        StoreError: when an artifact or a path is not there.
    """
    loaded = {name: _load(recipe, name, entry, stages) for name, entry in recipe.stages.items()}
    steps = {}
    for name, entry in recipe.stages.items():
        steps[name] = Step(
            name=name,
            stage=loaded[name],
            spec=_spec(recipe, name, entry, loaded[name]),
            inputs=_Connector(recipe, loaded, store, name).connect(),
            root_seed=recipe.seed if entry.seed is None else entry.seed,
        )
    _fix_externals(steps, store)
    return _order(recipe, steps, list(only))


def _load(recipe: Recipe, name: str, entry: Entry, stages: Catalog | Mapping[str, Stage]) -> Stage:
    try:
        if isinstance(stages, Catalog):
            return stages.load(entry.uses)
        if entry.uses in stages:
            return stages[entry.uses]
        raise SpecError(
            f"there is no stage '{entry.uses}'",
            expected=f"one of: {', '.join(stages)}",
            nearest=nearest(entry.uses, stages),
        )
    except MotoriumError as error:
        error.details["where"] = error.details["where"] or recipe.where("stages", name)
        raise


def _spec(recipe: Recipe, name: str, entry: Entry, stage: Stage) -> Spec:
    place = f"stages.{name}.with"
    try:
        return stage.spec.parse(entry.options, where=place)
    except SpecError as error:
        path = str(error.details["where"] or place).split(".")
        error.details["where"] = recipe.where(*path)
        raise


@dataclass(frozen=True)
class _Connector:
    """Connects the ports of one entry."""

    recipe: Recipe
    stages: Mapping[str, Stage]
    store: Store
    name: str

    def connect(self) -> dict[str, Source | dict[str, Source]]:
        """Return what each port is connected to; optional ports that are not are left out.

        Raises:
            SpecError: for a port that the stage lacks, one that is not connected and has to be, or a source of another
                kind.
        """
        entry, ports = self.recipe.stages[self.name], self.stages[self.name].ports
        for port in entry.inputs:
            if port not in ports:
                raise SpecError(
                    f"stage '{entry.uses}' has no port '{port}'",
                    where=self._where(port),
                    expected=f"one of: {', '.join(ports)}" if ports else "no `from`: it takes no inputs",
                    nearest=nearest(port, ports),
                )
        inputs = {}
        for port, what in ports.items():
            value = entry.inputs.get(port)
            if value is None or value == {} or value == []:
                if not what.optional:
                    raise SpecError(
                        f"port '{port}' of stage '{entry.uses}' is not connected",
                        where=self._where(),
                        expected=f"a {what.kind}",
                        remedy=f"add `from: {{{port}: NAME}}` to '{self.name}'",
                    )
                continue
            inputs[port] = self._many(port, what, value) if what.many else self._one(port, what, value)
        return inputs

    def _where(self, *path: str) -> str:
        return self.recipe.where("stages", self.name, "from", *path)

    def _many(self, port: str, what: Port, value: Any) -> dict[str, Source]:
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            value = {item: item for item in value}
        if not isinstance(value, Mapping):
            raise SpecError(
                f"port '{port}' takes several named inputs",
                where=self._where(port),
                got=repr(value),
                expected=f"`{port}: {{name: source, ...}}`",
            )
        for name in value:
            if "=" in name:
                raise SpecError("the name of an input holds '='", where=self._where(port, name), got=name)
        return {name: self._one(port, what, item, name) for name, item in value.items()}

    def _one(self, port: str, what: Port, value: Any, *path: str) -> Source:
        where = self._where(port, *path)
        if isinstance(value, Artifact):
            return self._fits(port, what, value, value.kind, where)
        if isinstance(value, Path):
            return self.store.external(value, what.kind)
        if not isinstance(value, str):
            raise SpecError(
                f"port '{port}' takes one input",
                where=where,
                got=repr(value),
                expected="the name of a stage, an artifact (`dataset/3f2a`) or a path",
            )
        if value in self.stages:
            return self._fits(port, what, From(entry=value), self.stages[value].kind, where)
        if Path(value).expanduser().exists():
            return self.store.external(value, what.kind)
        if REF.fullmatch(value):
            artifact = resolve_ref(self.store, value)
            return self._fits(port, what, artifact, artifact.kind, where)
        path_like = "/" in value or value.startswith((".", "~"))
        what = "file or folder" if path_like else "stage, file or folder"
        raise SpecError(
            f"there is no {what} '{value}'",
            where=where,
            expected=f"one of: {', '.join(self.stages)}; or an artifact (`dataset/3f2a`), or a path that exists",
            nearest=_nearest_path(value) or nearest(value, self.stages),
        )

    def _fits(self, port: str, what: Port, source: Source, kind: str, where: str) -> Source:
        if what.kind not in ("any", kind):
            raise SpecError(
                f"port '{port}' of '{self.name}' takes a {what.kind}",
                where=where,
                got=f"a {kind}" + (f", from '{source.entry}'" if isinstance(source, From) else f", {source.ref}"),
                expected=f"a stage that makes a {what.kind}",
                nearest=next((name for name, stage in self.stages.items() if stage.kind == what.kind), None),
            )
        return source


def _nearest_path(value: str) -> str | None:
    path = Path(value).expanduser()
    if not path.parent.is_dir():
        return None
    near = nearest(path.name, [item.name for item in path.parent.iterdir()])
    return near and str(path.parent / near)


def _fix_externals(steps: Mapping[str, Step], store: Store) -> None:
    """Check artifacts of the store that the recipe names: a corrupt one is found before anything runs."""
    for step in steps.values():
        for value in step.inputs.values():
            for source in value.values() if _is_many(value) else [value]:
                if isinstance(source, Artifact) and "external" not in source.manifest:
                    store.check(source)


def _is_many(value: Source | Mapping[str, Source]) -> bool:
    return isinstance(value, Mapping)


def _order(recipe: Recipe, steps: Mapping[str, Step], only: list[str]) -> list[Step]:
    for name in only:
        if name not in steps:
            raise SpecError(
                f"there is no stage '{name}' in this recipe",
                where=recipe.name,
                expected=f"one of: {', '.join(steps)}",
                nearest=nearest(name, steps),
            )
    order: dict[str, Step] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        """Put a stage in order behind all that it needs; `above` are the stages that need it."""
        if name in above:
            raise SpecError(
                "stages go round in a circle",
                where=recipe.where("stages", name),
                got=" → ".join([*above[above.index(name) :], name]),
                remedy="take one of these inputs from elsewhere",
            )
        if name not in order:
            for need in steps[name].needs:
                visit(need, (*above, name))
            order[name] = steps[name]

    for name in steps:  # all of them, so that a circle is found wherever it is
        visit(name, ())
    if not only:
        return list(order.values())
    wanted = set(only)
    for step in reversed(order.values()):
        if step.name in wanted:
            wanted.update(step.needs)
    return [step for step in order.values() if step.name in wanted]


def with_inputs(step: Step, made: Mapping[str, Artifact]) -> dict[str, Any] | None:
    """Return the step's inputs as artifacts, given what the entries made; None when one is still missing."""
    if any(need not in made for need in step.needs):
        return None

    def artifact(source: Source) -> Artifact:
        return made[source.entry] if isinstance(source, From) else source

    return {
        port: {name: artifact(item) for name, item in value.items()} if _is_many(value) else artifact(value)
        for port, value in step.inputs.items()
    }


def single(stage: Stage, spec: Spec, inputs: Mapping[str, Any], seed: int) -> tuple[Recipe, dict[str, Stage]]:
    """Return a recipe of one stage, and its table of stages."""
    entry = Entry(uses=stage.name, options=spec.to_plain(), inputs=inputs)
    return Recipe(name=stage.name.replace(":", "-"), seed=seed, stages={stage.name: entry}), {stage.name: stage}
