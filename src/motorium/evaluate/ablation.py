"""Ablation: policies that differ in one thing, trained with equal budgets, evaluated on the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from motorium.core.errors import ConventionError, SpecError, nearest
from motorium.core.spec import Spec
from motorium.evaluate.compare import CompareSpec, Comparison, compare_to_control
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.intervals import Estimate


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One policy of an ablation.

    Attributes:
        name: for people: `24 demonstrations`, `amplified`.
        rollout: its episodes.
        training: plain numbers of its training: `steps`, `batch`, `parameters`, ...
        data: what it was trained on, in words or as a digest.
    """

    name: str
    rollout: Rollout
    training: Mapping[str, Any]
    data: str = ""


class AblationSpec(Spec):
    """How arms are compared."""

    control: str = Field("", description="name of the arm the others are compared with; empty: the first")
    compare: CompareSpec = Field(default_factory=CompareSpec, description="margin, alpha and pairing")
    equal: tuple[str, ...] = Field(
        ("steps", "batch", "parameters"), description="what every arm's training must have in common"
    )
    allow_unequal: bool = Field(False, description="report unequal training budgets instead of refusing them")


class AblationArm(Spec):
    """One arm as reported: its name, its data, its training and its success."""

    name: str
    control: bool
    data: str
    training: dict[str, Any]
    policy: str
    success: Estimate


class Ablation(Spec):
    """What came of an ablation.

    Attributes:
        arms: all of them, the control first.
        comparisons: each other arm against the control, at alpha over their number (Bonferroni).
        budget: what all arms have in common of `AblationSpec.equal`.
        unequal: {name: {arm: value}} of what they do not.
        text: one sentence on the budget.
    """

    arms: tuple[AblationArm, ...]
    comparisons: tuple[Comparison, ...]
    budget: dict[str, Any]
    unequal: dict[str, dict[str, Any]]
    text: str


def ablate(arms: Sequence[Arm], spec: AblationSpec | None = None) -> Ablation:
    """Compare every arm with the control.

    Raises:
        SpecError: when there are fewer than two arms, two share a name, or the control is none of them.
        ConventionError: when a training budget is unknown, or differs and `allow_unequal` is not set.
        DataError, ConventionError: as `compare`.
    """
    spec = spec or AblationSpec()
    control, others = _control(arms, spec)
    budget, unequal = _budget(arms, spec)
    comparisons = compare_to_control(
        (control.name, control.rollout), {arm.name: arm.rollout for arm in others}, spec.compare
    )
    level = 1.0 - spec.compare.alpha
    return Ablation(
        arms=tuple(
            AblationArm(
                name=arm.name,
                control=arm is control,
                data=arm.data,
                training=dict(arm.training),
                policy=arm.rollout.policy,
                success=arm.rollout.rate(level),
            )
            for arm in (control, *others)
        ),
        comparisons=comparisons,
        budget=budget,
        unequal=unequal,
        text=_sentence(budget, unequal, len(others), spec),
    )


def _control(arms: Sequence[Arm], spec: AblationSpec) -> tuple[Arm, list[Arm]]:
    names = [arm.name for arm in arms]
    if len(arms) < 2 or len(set(names)) != len(names):
        raise SpecError("an ablation needs two arms or more, with names of their own", got=names)
    wanted = spec.control or names[0]
    if wanted not in names:
        raise SpecError(f"there is no arm '{wanted}'", where="control", expected=names, nearest=nearest(wanted, names))
    control = arms[names.index(wanted)]
    return control, [arm for arm in arms if arm is not control]


def _budget(arms: Sequence[Arm], spec: AblationSpec) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    budget, unequal = {}, {}
    for name in spec.equal:
        for arm in arms:
            if name not in arm.training:
                raise ConventionError(
                    f"the training of '{arm.name}' does not state its '{name}'",
                    got=sorted(arm.training),
                    nearest=nearest(name, arm.training),
                    remedy="record it with the policy, or leave it out of `equal`",
                )
        values = {arm.name: arm.training[name] for arm in arms}
        if any(value != values[arms[0].name] for value in values.values()):
            unequal[name] = values
        else:
            budget[name] = values[arms[0].name]
    if unequal and not spec.allow_unequal:
        name, values = next(iter(unequal.items()))
        raise ConventionError(
            f"the arms were trained with different '{name}', so a difference may come from that",
            got=values,
            expected="equal training budgets",
            remedy="train them alike, or set allow_unequal: true, which the report will say",
        )
    return budget, unequal


def _sentence(budget: dict, unequal: dict, others: int, spec: AblationSpec) -> str:
    same = ", ".join(f"{name} {value}" for name, value in budget.items()) or "nothing checked"
    text = f"equal training budget: {same}" if not unequal else f"UNEQUAL training budget: {', '.join(unequal)}"
    if others > 1:
        text += f"; {others} comparisons, each at alpha {spec.compare.alpha / others:.4g} (Bonferroni)"
    return text
