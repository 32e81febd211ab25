"""Why: explains whether a stage of a recipe is computed again, and which field, input or module makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from motorium.core.catalog import Catalog
from motorium.core.errors import SpecError, StoreError, nearest
from motorium.flow.compare import Difference, derivation_changes
from motorium.flow.derivation import derive
from motorium.flow.digests import Sources
from motorium.flow.plan import Step, make_plan, with_inputs
from motorium.flow.recipe import Recipe
from motorium.flow.stage import Artifact, Stage
from motorium.flow.store import Store
from motorium.flow.tables import format_table


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why one entry is cached or not.

    Attributes:
        name: of the entry.
        artifact: what is cached under its key; None on a miss.
        nearest: the earlier artifact of the same stage that differs least; None when there is none.
        changes: in what it differs from `nearest`.
        waits_for: explanations of inputs that would be computed first; then there is no key yet.
    """

    name: str
    artifact: Artifact | None = None
    nearest: Artifact | None = None
    changes: list[Difference] = field(default_factory=list)
    waits_for: list[Explanation] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """Return the explanation as JSON data."""
        return {
            "name": self.name,
            "cached": self.artifact.ref if self.artifact else None,
            "nearest": self.nearest.ref if self.nearest else None,
            "changes": [change.to_plain() for change in self.changes],
            "waits_for": [other.to_plain() for other in self.waits_for],
        }


def explain(recipe: Recipe, stages: Catalog | Mapping[str, Stage], store: Store, name: str) -> Explanation:
    """Return why the entry `name` of a resolved recipe is, or is not, computed again.

    Raises:
        SpecError: when there is no such entry, or the recipe does not fit.
    """
    if name not in recipe.stages:
        raise SpecError(
            f"there is no stage '{name}' in this recipe",
            where=recipe.name,
            expected=f"one of: {', '.join(recipe.stages)}",
            nearest=nearest(name, recipe.stages),
        )
    steps = {step.name: step for step in make_plan(recipe, stages, store, only=[name])}
    explained: dict[str, Explanation] = {}
    made: dict[str, Artifact] = {}
    sources = Sources()
    for step in steps.values():
        missing = [explained[need] for need in step.needs if need not in made]
        found = explained[step.name] = _explain(step, made, missing, store, sources)
        if found.artifact is not None:
            made[step.name] = found.artifact
    return explained[name]


def _explain(
    step: Step, made: Mapping[str, Artifact], missing: list[Explanation], store: Store, sources: Sources
) -> Explanation:
    inputs = with_inputs(step, made)
    if inputs is not None:
        derivation = derive(step.stage, step.spec, inputs, step.root_seed, sources)
        artifact = store.find(derivation.key)
        if artifact is not None:
            return Explanation(name=step.name, artifact=artifact)
    else:
        # Without all inputs there is no key: compare what is known of the rest.
        derivation = derive(step.stage, step.spec, {}, step.root_seed, sources)
    plain = asdict(derivation)
    closest, changes = None, []
    for row in store.rows(step.stage.kind):
        if row["stage"] != step.stage.name:
            continue
        try:
            earlier = store.load(row["kind"], row["id"])
        except StoreError:
            continue  # a damaged manifest explains nothing; `motorium verify` names it
        different = derivation_changes(earlier.manifest, plain)
        if inputs is None:
            different = [change for change in different if change.part != "input"]
        if closest is None or len(different) < len(changes):
            closest, changes = earlier, different
    return Explanation(name=step.name, nearest=closest, changes=changes, waits_for=missing)


def format_explanation(explanation: Explanation, indent: str = "") -> str:
    """Return an explanation as text."""
    name = explanation.name
    if explanation.artifact is not None:
        text = f"'{name}' is cached: {explanation.artifact.ref}  {explanation.artifact.manifest['summary']}"
        return indent + text
    lines = [f"'{name}' would be computed"]
    if explanation.waits_for:
        others = ", ".join(f"'{other.name}'" for other in explanation.waits_for)
        lines[0] += f": {others} would be computed first, and its result is not known yet"
    if explanation.nearest is None:
        lines.append("no earlier artifact of this stage is in the store")
    elif explanation.changes:
        lines.append(f"nearest earlier artifact: {explanation.nearest.ref}  {explanation.nearest.manifest['summary']}")
        rows = [(change.part, change.field, change.before, change.after, change.note) for change in explanation.changes]
        lines += ["  " + line for line in format_table(("what", "field", "before", "now", ""), rows).splitlines()]
    elif explanation.waits_for:
        lines.append(f"nothing else differs from {explanation.nearest.ref}")
    else:
        lines.append(f"nothing that counts differs from {explanation.nearest.ref}, whose inputs had the same content")
    text = "\n".join(indent + line for line in lines)
    return "\n".join([text, *(format_explanation(other, indent + "  ") for other in explanation.waits_for)])
