"""Sweeps: a policy under one thing made worse step by step, beside the unperturbed control on the same seeds.

What is swept is a start condition of the task (friction, pushes, mass, ...), within or beyond the range it was trained
in, or one of `PERTURBATIONS`, which hold for every task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pydantic import Field, model_validator

from motorium.core.errors import SpecError, nearest
from motorium.core.protocols import Env, EnvInfo
from motorium.core.spec import Spec
from motorium.evaluate.axes import ActionGain, ActionLatency, Axis
from motorium.evaluate.compare import CompareSpec, Comparison, Verdict, compare_to_control
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.intervals import Estimate, mean, proportion
from motorium.evaluate.measures import RETURN_UNIT, unit_of

# Name -> (its value without perturbation, what makes the world of a value).
PERTURBATIONS: dict[str, tuple[float, Callable[[Env, float], Env]]] = {
    "action_latency_steps": (0.0, lambda env, value: ActionLatency(env, round(value))),
    "action_gain": (1.0, lambda env, value: ActionGain(env, value)),
}
_NO_FAILURE = ("running", "success", "timeout")


class SweepSpec(Spec):
    """Equally spaced values of one thing."""

    low: float = Field(description="first value; may lie outside the range the policy was trained in")
    high: float = Field(description="last value")
    points: int = Field(6, ge=2, le=50, description="how many values, both ends included")

    @model_validator(mode="after")
    def _ordered(self) -> SweepSpec:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low:g} and {self.high:g}")
        return self

    def values(self) -> list[float]:
        """Return the values, without the dust of binary fractions."""
        return [float(f"{value:.9g}") for value in np.linspace(self.low, self.high, self.points)]


class SweepPoint(Spec):
    """All seeds with the swept thing at one value.

    Attributes:
        value: of what is swept.
        arm: name of the arm of the report that has the episodes.
        success: rate, with its interval.
        failed: rate of episodes that ended in a failure (a fall, a drop), neither success nor time-out.
        total_reward: mean over episodes.
        verdict: of the comparison with the control, on success, all points of all sweeps sharing one alpha.
    """

    value: float
    arm: str
    success: Estimate
    failed: Estimate
    total_reward: Estimate
    verdict: Verdict


class Sweep(Spec):
    """What became of the policy along one sweep.

    Attributes:
        name: of what is swept.
        unit: of its values, where the name says it.
        trained: (low, high) that the task draws it from; None for a perturbation, which training did not have.
        points: in the order of values.
        fails_below, fails_above: the value nearest to the middle of `trained` from which success is worse than the
            control's, going down and going up; None where no point shows it.
        text: the same in a sentence.
    """

    name: str
    unit: str | None
    trained: tuple[float, float] | None
    points: tuple[SweepPoint, ...]
    fails_below: float | None
    fails_above: float | None
    text: str


def arm_name(name: str, value: float) -> str:
    """Return the name of a point's arm: `friction = 0.2`."""
    return f"{name} = {value:.9g}"


def check_swept(info: EnvInfo, names: Sequence[str]) -> None:
    """Check that all of `names` can be set.

    Raises:
        SpecError: naming the first that is neither a start condition of the task nor a perturbation.
    """
    known = [*info.factors, *PERTURBATIONS]
    for name in names:
        if name not in known:
            raise SpecError(
                f"'{name}' can be swept in no world of {info.name}",
                expected=f"one of: {', '.join(known)}",
                nearest=nearest(name, known),
            )


def setting(info: EnvInfo, values: Mapping[str, float]) -> Axis:
    """Return the axis that sets start conditions and perturbations to `values`.

    Raises:
        SpecError: as `check_swept`.
    """
    check_swept(info, list(values))
    makers = [(PERTURBATIONS[name][1], value) for name, value in values.items() if name in PERTURBATIONS]

    def wrap(env: Env) -> Env:
        for make, value in makers:
            env = make(env, value)
        return env

    factors = {name: float(value) for name, value in values.items() if name not in PERTURBATIONS}
    return Axis(
        name=", ".join(arm_name(*one) for one in values.items()), wrap=wrap if makers else None, factors=factors
    )


def compare_points(
    control: tuple[str, Rollout], arms: Mapping[str, Rollout], margin: float, alpha: float
) -> tuple[Comparison, ...]:
    """Return each arm against the control, paired by seed; `alpha` holds for all of them together."""
    # A point changes the start or the world on purpose; everything else is the same by construction.
    spec = CompareSpec(margin=margin, alpha=alpha, same_start=False, same_versions=False)
    return compare_to_control(control, arms, spec)


def sweep_of(
    name: str,
    values: Sequence[float],
    arms: Mapping[str, Rollout],
    comparisons: Sequence[Comparison],
    trained: tuple[float, float] | None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Sweep:
    """Return what became of the policy along one sweep.

    Args:
        name, values: what was swept.
        arms: {`arm_name(name, value)`: episodes}, among others.
        comparisons: of `compare_points`.
        trained: `EnvInfo.factors` of it, or None.
        level: of the intervals.
        seed: of the bootstrap.
    """
    verdicts = {one.candidate: one.verdict for one in comparisons}
    points = []
    for value in values:
        arm = arm_name(name, value)
        made = arms[arm]
        failed = sum(outcome not in _NO_FAILURE for outcome in made.outcome_names)
        points.append(
            SweepPoint(
                value=value,
                arm=arm,
                success=made.rate(level),
                failed=proportion(failed, made.n, level=level),
                total_reward=mean(made.returns, level=level, seed=seed, unit=RETURN_UNIT),
                verdict=verdicts[arm],
            )
        )
    middle = sum(trained) / 2 if trained else PERTURBATIONS[name][0]
    worse = [point.value for point in points if point.verdict == "regressed"]
    below, above = [v for v in worse if v < middle], [v for v in worse if v >= middle]
    ends = (max(below) if below else None, min(above) if above else None)
    unit = unit_of(name)
    return Sweep(
        name=name,
        unit=unit,
        trained=trained,
        points=tuple(points),
        fails_below=ends[0],
        fails_above=ends[1],
        text=_text(name, unit, points, ends, any(one.baseline_success.value for one in comparisons)),
    )


def _text(
    name: str,
    unit: str | None,
    points: Sequence[SweepPoint],
    ends: tuple[float | None, float | None],
    succeeds: bool,
) -> str:
    said = f" {unit}" if unit else ""
    span = f"{name} from {points[0].value:g} to {points[-1].value:g}{said}"
    if not succeeds:
        return f"{span}: nothing to lose, as the control never succeeds"
    if ends == (None, None):
        return (
            f"{span}: at no point is success shown to be worse than the control's (n = {points[0].success.n} a point)"
        )
    parts = []
    for end, way in zip(ends, ("down", "up")):
        if end is not None:
            at = next(point for point in points if point.value == end)
            parts.append(f"from {end:g}{said} {way} it is worse than the control, there {at.success.text()}")
    return f"{span}: {'; '.join(parts)}"
