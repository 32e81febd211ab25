"""Two policies compared: improved, regressed, held or underpowered, with margin, alpha and an exit code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import ConventionError, DataError
from motorium.core.spec import Spec
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.intervals import Estimate, proportion
from motorium.evaluate.paired import fisher, mcnemar, paired_difference, unpaired_difference
from motorium.evaluate.seeds import format_seeds
from motorium.evaluate.sequential import SequentialResult, SequentialTest

Verdict = Literal["improved", "regressed", "held", "underpowered"]

# 1 and 2 are what Python and argparse exit with when something else went wrong.
EXIT_CODES: dict[str, int] = {"improved": 0, "held": 0, "regressed": 3, "underpowered": 4}


class CompareSpec(Spec):
    """How two policies are compared."""

    margin: float = Field(0.05, gt=0, lt=1, description="difference of success rates that does not matter")
    alpha: float = Field(0.05, gt=0, lt=1, description="allowed rate of false verdicts; intervals have level 1 - alpha")
    pairing: Literal["strict", "intersect", "unpaired"] = Field(
        "strict", description="seeds must be equal; or use the common ones; or treat the arms as independent"
    )
    same_start: bool = Field(True, description="paired episodes must have had the same start conditions")
    same_versions: bool = Field(True, description="both arms must have run on the same simulator and assets")


class Comparison(Spec):
    """What came of a comparison; `difference` is candidate minus baseline success rate.

    Attributes:
        baseline, candidate: names of the arms.
        verdict: `held` where the interval of the difference lies within +-margin; else `improved` or
            `regressed` where the test rejects at alpha; else `underpowered`.
        exit_code: 0 improved or held, 3 regressed, 4 underpowered.
        pairing: `paired` or `unpaired`.
        seeds: those that were compared (paired), or the baseline's and the candidate's.
        left_out: seeds of one arm only, which a paired comparison cannot use.
        both, wins, losses, neither: pairs by who succeeded; None where unpaired.
        baseline_success, candidate_success, difference: with intervals of level 1 - alpha.
        p_value, test: of "no difference", two-sided.
        sequential: the anytime-valid test over the pairs in the order of the baseline's seeds.
        margin, alpha: as in the spec.
        needed: roughly how many episodes would decide it, where underpowered and n says anything about it.
        text: one sentence.
    """

    baseline: str
    candidate: str
    verdict: Verdict
    exit_code: int
    pairing: Literal["paired", "unpaired"]
    seeds: str
    left_out: str
    both: int | None
    wins: int | None
    losses: int | None
    neither: int | None
    baseline_success: Estimate
    candidate_success: Estimate
    difference: Estimate
    p_value: float
    test: str
    sequential: SequentialResult | None
    margin: float
    alpha: float
    needed: int | None
    text: str


def compare(
    baseline: Rollout,
    candidate: Rollout,
    spec: CompareSpec | None = None,
    *,
    names: tuple[str, str] = ("baseline", "candidate"),
) -> Comparison:
    """Compare two arms on the success rate.

    Raises:
        DataError: when their seeds differ (`strict`), they have none in common, or an arm is empty.
        ConventionError: when task, outcomes, versions or the start conditions of a seed differ.
    """
    spec = spec or CompareSpec()
    _check_comparable(baseline, candidate, spec)
    if spec.pairing == "unpaired":
        return _unpaired(baseline, candidate, spec, names)
    old_rows, new_rows, left_out = _pair(baseline.seeds, candidate.seeds, spec)
    old, new = baseline.take(old_rows), candidate.take(new_rows)
    if spec.same_start:
        _check_same_start(old, new)
    return _paired(old, new, spec, names, left_out)


def compare_to_control(
    control: tuple[str, Rollout], arms: Mapping[str, Rollout], spec: CompareSpec | None = None
) -> tuple[Comparison, ...]:
    """Compare every arm with the control, each at alpha / m for m arms (Bonferroni), so that alpha holds for all.

    Raises:
        DataError, ConventionError: as `compare`.
    """
    spec = spec or CompareSpec()
    each = spec.replace(alpha=spec.alpha / max(len(arms), 1))
    return tuple(compare(control[1], arm, each, names=(control[0], name)) for name, arm in arms.items())


def verdict_of(difference: Estimate, p_value: float, spec: CompareSpec) -> Verdict:
    """Return the verdict that an interval of level 1 - alpha and a two-sided p-value support.

    A difference that is shown to be smaller than the margin is `held`, even where it is shown not to be 0.
    """
    if difference.low is not None and -spec.margin < difference.low and difference.high < spec.margin:
        return "held"
    if p_value <= spec.alpha and difference.value:
        return "improved" if difference.value > 0 else "regressed"
    return "underpowered"


def _paired(old: Rollout, new: Rollout, spec: CompareSpec, names: tuple[str, str], left_out: str) -> Comparison:
    wins, losses = int(np.sum(new.success & ~old.success)), int(np.sum(old.success & ~new.success))
    difference = paired_difference(wins, losses, old.n, 1.0 - spec.alpha)
    p_value = mcnemar(wins, losses)
    sequential = SequentialTest(spec.alpha)
    sequential.update(old.success, new.success)
    counts = {"both": int(np.sum(old.success & new.success)), "wins": wins, "losses": losses}
    return _comparison(
        (old, new),
        spec,
        names,
        difference,
        p_value,
        pairing="paired",
        test="exact McNemar",
        seeds=format_seeds(old.seeds),
        left_out=left_out,
        neither=old.n - sum(counts.values()),
        sequential=sequential.result(),
        **counts,
    )


def _unpaired(old: Rollout, new: Rollout, spec: CompareSpec, names: tuple[str, str]) -> Comparison:
    first, second = (int(old.success.sum()), old.n), (int(new.success.sum()), new.n)
    counts = dict.fromkeys(("both", "wins", "losses", "neither"))
    return _comparison(
        (old, new),
        spec,
        names,
        unpaired_difference(first, second, 1.0 - spec.alpha),
        fisher(first, second),
        pairing="unpaired",
        test="Fisher exact",
        seeds=f"{format_seeds(old.seeds)} against {format_seeds(new.seeds)}",
        left_out="",
        sequential=None,
        **counts,
    )


def _comparison(
    arms: tuple[Rollout, Rollout],
    spec: CompareSpec,
    names: tuple[str, str],
    difference: Estimate,
    p_value: float,
    **rest,
) -> Comparison:
    verdict = verdict_of(difference, p_value, spec)
    rates = [proportion(int(arm.success.sum()), arm.n, level=1.0 - spec.alpha) for arm in arms]
    needed = _needed(difference, spec) if verdict == "underpowered" else None
    return Comparison(
        baseline=names[0],
        candidate=names[1],
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        baseline_success=rates[0],
        candidate_success=rates[1],
        difference=difference,
        p_value=p_value,
        margin=spec.margin,
        alpha=spec.alpha,
        needed=needed,
        text=_sentence(names, verdict, rates, difference, p_value, rest, spec, needed),
        **rest,
    )


def _sentence(names, verdict, rates, difference, p_value, rest, spec, needed) -> str:
    value, low, high = (100 * number for number in (difference.value, difference.low, difference.high))
    p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    text = (
        f"{names[1]} against {names[0]}: {verdict}: {100 * rates[0].value:.1f} % -> {100 * rates[1].value:.1f} %, "
        f"difference {value:+.1f} points [{low:+.1f}, {high:+.1f}] "
        f"({rest['pairing']}, n = {difference.n}, {rest['test']} {p_text}, margin {100 * spec.margin:g} points)"
    )
    if verdict == "underpowered":
        text += f"; about {needed} episodes would decide it" if needed else "; run more episodes"
    return text


def _needed(difference: Estimate, spec: CompareSpec) -> int | None:
    """Episodes at which the interval, shrinking as 1/sqrt(n), would exclude 0 or fit into the margin."""
    if not difference.n:
        return None
    half = 0.5 * (difference.high - difference.low)
    room = max(abs(difference.value), spec.margin - abs(difference.value))
    return math.ceil(difference.n * (half / room) ** 2)


def _pair(old: NDArray, new: NDArray, spec: CompareSpec) -> tuple[NDArray, NDArray, str]:
    """Return the rows of both arms for their common seeds, in the order of the first, and who is left out."""
    common, old_rows, new_rows = np.intersect1d(old, new, return_indices=True)
    left_out = np.setxor1d(old, new)
    if len(left_out) and spec.pairing == "strict":
        raise DataError(
            "the arms ran different seeds, so their episodes are not pairs",
            got=f"{len(left_out)} seeds of one arm only: {format_seeds(left_out)[:120]}",
            expected="the same seeds in both arms",
            remedy="run the missing seeds, or compare the common ones with pairing: intersect",
        )
    if not len(common):
        raise DataError(
            "the arms have no seed in common",
            got=f"{len(old)} and {len(new)} seeds",
            remedy="run both on the same seeds, or compare them with pairing: unpaired",
        )
    order = np.argsort(old_rows)
    return old_rows[order], new_rows[order], format_seeds(left_out)


def _check_comparable(old: Rollout, new: Rollout, spec: CompareSpec) -> None:
    if not old.n or not new.n:
        raise DataError("an arm has no episodes", got=f"{old.n} and {new.n}", expected="at least one each")
    fields = ["task", "outcomes", "control_hz"] + (["versions"] if spec.same_versions else [])
    for name in fields:
        got, expected = getattr(new, name), getattr(old, name)
        if got != expected:
            raise ConventionError(
                f"the arms differ in {name}, so a difference says nothing about the policies",
                got=got,
                expected=expected,
                remedy="run both arms again in one environment"
                + (", or set same_versions: false knowingly" if name == "versions" else ""),
            )


def _check_same_start(old: Rollout, new: Rollout) -> None:
    for name in sorted(old.factors.keys() | new.factors.keys()):
        if name not in old.factors or name not in new.factors:
            raise ConventionError(
                f"only one arm has the start condition '{name}'", remedy="use one version of the task"
            )
        a, b = old.factors[name], new.factors[name]
        different = np.flatnonzero((a != b) & ~(np.isnan(a) & np.isnan(b)))
        if len(different):
            at = different[0]
            raise ConventionError(
                f"the same seed started differently: '{name}'",
                where=f"seed {int(old.seeds[at])}",
                got=float(new.factors[name][at]),
                expected=float(old.factors[name][at]),
                remedy="use one version of the task; for a study of start conditions set same_start: false",
            )
