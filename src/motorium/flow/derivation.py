"""Derivation: everything an artifact is a function of, and the key that names it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from motorium.core.hashing import digest
from motorium.core.random import derive_seed
from motorium.core.spec import Spec
from motorium.flow import digests
from motorium.flow.digests import Sources
from motorium.flow.stage import Artifact, Stage

Inputs = Mapping[str, Artifact | Mapping[str, Artifact]]

# A page tells where its inputs come from, so that for pages the inputs' identity counts, not their content alone.
SHOWS_PROVENANCE = ("page",)

# A catalog name of a user's own, as `core.catalog` takes it.
OWN_NAME = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """What a stage's output depends on, as plain data.

    Attributes:
        stage, version, kind: of the stage.
        spec: plain fields; `spec_digest` also covers the spec's class.
        inputs: {port: record} or {port: {name: record}}, in order; a record is {id, content, ref, external?}.
        sources: {module: {digest, files}}, see `digests.Sources`.
        versions: {distribution: version, or None where it is not installed}.
        named_files: {path: digest} of files outside the store that the spec names.
        root_seed: the recipe's (or the entry's own).
        seed: what the stage is given.
    """

    stage: str
    version: int
    kind: str
    spec: Mapping[str, Any]
    spec_digest: str
    inputs: Mapping[str, Any]
    sources: Mapping[str, Any]
    versions: Mapping[str, str | None]
    named_files: Mapping[str, str]
    root_seed: int
    seed: int

    @property
    def key(self) -> str:
        """64 hex digits; equal keys mean the same computation."""
        counted = "id" if self.kind in SHOWS_PROVENANCE else "content"
        return digest(
            "derivation",
            {
                "stage": self.stage,
                "version": self.version,
                "spec": self.spec_digest,
                "inputs": {port: _counted(value, counted) for port, value in self.inputs.items()},
                "sources": {module: source["digest"] for module, source in self.sources.items()},
                "versions": self.versions,
                "named_files": self.named_files,
                "seed": self.seed,
            },
        )


def derive(stage: Stage, spec: Spec, inputs: Inputs, root_seed: int, sources: Sources) -> Derivation:
    """Return the derivation of `stage` with `spec` on `inputs`.

    The seed depends on the stage's kind of work, not on its place in a recipe: two entries that differ in
    their data only are given the same one, which is what makes an ablation fair.
    """
    plain = spec.to_plain()
    return Derivation(
        stage=stage.name,
        version=stage.version,
        kind=stage.kind,
        spec=plain,
        spec_digest=spec.digest(),
        inputs={port: _record(value) for port, value in sorted(inputs.items())},
        sources=sources.of([*stage.modules, stage.run.__module__, *own_modules(plain)]),
        versions={name: digests.installed(name) for name in sorted(stage.distributions)},
        named_files=sources.named(stage.files(spec)),
        root_seed=root_seed,
        seed=derive_seed(root_seed, "stage", stage.name),
    )


def own_modules(value: Any) -> set[str]:
    """Return the modules of the `module:attribute` names in a spec's plain data, as far as they can be found."""
    if isinstance(value, Mapping):
        return set().union(*(own_modules(item) for item in value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*(own_modules(item) for item in value))
    named = OWN_NAME.fullmatch(value) if isinstance(value, str) else None
    if named is None:
        return set()
    try:
        found = importlib.util.find_spec(named[1])
    except (ImportError, ValueError):
        return set()  # the stage that imports it says so
    return {named[1]} if found is not None and found.has_location else set()


def _record(value: Artifact | Mapping[str, Artifact]) -> dict[str, Any]:
    if isinstance(value, Artifact):
        record = {"id": value.id, "content": value.content, "ref": value.ref}
        return {**record, "external": value.manifest["external"]} if "external" in value.manifest else record
    return {name: _record(artifact) for name, artifact in value.items()}


def is_record(value: Mapping[str, Any]) -> bool:
    """Return whether an entry of `inputs` is one record, not a mapping of named ones."""
    return isinstance(value.get("id"), str)


def _counted(value: Mapping[str, Any], field: str) -> Any:
    """What of a port's input is part of the key; named inputs count in their order, which the stage sees."""
    return value[field] if is_record(value) else [[name, record[field]] for name, record in value.items()]


def named_records(inputs: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (`port` or `port.name`, record) pairs of a derivation's or manifest's inputs."""
    pairs = []
    for port, value in inputs.items():
        pairs += [(port, value)] if is_record(value) else [(f"{port}.{name}", record) for name, record in value.items()]
    return pairs
