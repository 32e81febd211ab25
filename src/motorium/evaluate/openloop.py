"""Open-loop evaluation: what a policy would have commanded along held-out recordings, against what was.

It says how well commands are predicted, not whether the task would have succeeded. Two baselines
give the errors a scale: *hold* repeats the last recorded command; *mean* is the mean of the episode's own
commands, which uses the episode's future and is therefore stronger than anything that could be deployed.

The same predictions are scored for all three: chunk steps within the episode, asked at t >= 1 (before,
there is no command to hold). An episode counts once, whatever its length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.core.progress import Progress, Silent
from motorium.core.protocols import Policy
from motorium.core.spec import Spec
from motorium.data.episode import Episode
from motorium.evaluate.intervals import Estimate, means, proportion
from motorium.evaluate.openloop_errors import ARMS, SCALED, Errors, Joints, measure, weighted
from motorium.evaluate.recorded import ACTION, check_phases, check_recorded

OpenLoopVerdict = Literal["beats both", "beats hold", "beats mean", "beats neither", "underpowered"]
EXIT_CODES = {"beats both": 0, "beats hold": 3, "beats mean": 3, "beats neither": 3, "underpowered": 4}


class OpenLoopSpec(Spec):
    """How recordings are scored."""

    phases: int | None = Field(None, ge=1, description="phases at which episodes are asked; none: every step, once")
    alpha: float = Field(0.05, gt=0, lt=1, description="intervals have level 1 - alpha")
    resamples: int = Field(10_000, ge=100, description="bootstrap resamples of the episodes")
    seed: int = Field(0, description="names the streams of the policy and of the bootstrap")
    rows: int = Field(256, ge=1, description="rows asked together; changes nothing but memory and speed")


class Score(Spec):
    """Mean absolute error of one thing: a joint, all joints of a unit, one step of the chunk.

    Attributes:
        name: of the thing.
        unit: of the errors; None where the recording does not say; `std` for errors over each joint's
            standard deviation.
        policy, hold, mean: error of each arm, mean over episodes.
        gain_hold, gain_mean: baseline minus policy, paired by episode; positive where the policy is better.
        won_hold, won_mean: share of episodes in which the policy's error is the smaller one.
        verdict: by the intervals of the gains: a baseline is beaten where its whole interval is above 0.
    """

    name: str
    unit: str | None
    policy: Estimate
    hold: Estimate
    mean: Estimate
    gain_hold: Estimate
    gain_mean: Estimate
    won_hold: Estimate
    won_mean: Estimate
    verdict: OpenLoopVerdict


class EpisodeScore(Spec):
    """Errors of one episode, in the unit of the headline."""

    episode: str
    steps: int
    policy: float
    hold: float
    mean: float


class OpenLoop(Spec):
    """What came of an open-loop evaluation.

    Attributes:
        policy: digest.
        headline: over all joints: in their unit where they share one, else each over its standard deviation.
        groups: over the joints of each unit.
        joints: each joint in its own unit, over the chunk steps that would be executed.
        steps: the headline for each step of the chunk, `+1` the first.
        episodes: the headline for each episode.
        left_out: episodes too short to be scored.
        constant: joints that hardly move in these recordings; not in a scaled headline.
        predictions: chunks scored, of all episodes.
        horizon, execute, phases, control_hz: how the policy was asked.
        verdict, exit_code: of the headline; 0 beats both, 3 does not, 4 underpowered.
        notes: what a reader must know (unknown units, what was left out).
        text: one sentence.
    """

    policy: str
    headline: Score
    groups: tuple[Score, ...]
    joints: tuple[Score, ...]
    steps: tuple[Score, ...]
    episodes: tuple[EpisodeScore, ...]
    left_out: tuple[str, ...]
    constant: tuple[str, ...]
    predictions: int
    horizon: int
    execute: int
    phases: int
    control_hz: float
    verdict: OpenLoopVerdict
    exit_code: int
    notes: tuple[str, ...]
    text: str


def open_loop(
    policy: Policy,
    episodes: Sequence[Episode],
    features: Mapping[str, Feature],
    *,
    control_hz: float,
    names: Sequence[str | int] | None = None,
    spec: OpenLoopSpec | None = None,
    progress: Progress | None = None,
) -> OpenLoop:
    """Score a policy along held-out recordings.

    Args:
        policy: asked as `recorded.drive` says.
        episodes: with `action` and what the policy reads.
        features: of the recording; the units of `action` are those of the result.
        control_hz: steps in a second.
        names: of the episodes (their numbers in the data set); 0, 1, ... unless given.
        spec: see `OpenLoopSpec`.
        progress: advanced by one an episode.

    Raises:
        ConventionError: when policy and recording do not fit.
        DataError: when no episode can be scored, or an array is missing or not finite.
        SimError: when the policy's answer is ill-shaped or not finite.
    """
    spec, progress = spec or OpenLoopSpec(), progress or Silent()
    check_recorded(policy, features, control_hz)
    names = [str(name) for name in (range(len(episodes)) if names is None else names)]
    phases = check_phases(spec.phases, policy.info.execute)
    # The first step that is asked and has a command before it.
    first = 1 if phases > 1 else policy.info.execute
    kept = [i for i, episode in enumerate(episodes) if episode.length > first]
    if not kept:
        got = f"{len(episodes)} episodes of at most {max((e.length for e in episodes), default=0)} steps"
        raise DataError("no episode can be scored", got=got, expected=f"at least {first + 1} steps in one")
    for i in kept:
        _check_finite(episodes[i], names[i], (*policy.info.observation, ACTION))
    left_out = tuple(names[i] for i in range(len(episodes)) if i not in set(kept))
    episodes, names = [episodes[i] for i in kept], [names[i] for i in kept]
    options = {"phases": spec.phases, "rows": spec.rows, "seed": spec.seed}
    errors = measure(policy, episodes, names=names, progress=progress, **options)
    progress.close()
    joints, info = Joints.of(features[ACTION], episodes), policy.info
    scores = _result(policy, episodes, names, joints, errors, _Scorer(spec, len(episodes)))
    top = scores["headline"]
    return OpenLoop(
        policy=info.digest,
        left_out=left_out,
        predictions=int(errors.counts[:, 0].sum()),
        horizon=info.horizon,
        execute=info.execute,
        phases=phases,
        control_hz=float(control_hz),
        verdict=top.verdict,
        exit_code=EXIT_CODES[top.verdict],
        notes=_notes(joints, left_out, len(episodes), spec),
        text=_sentence(top, len(episodes)),
        **scores,
    )


class _Scorer:
    """Turns errors of episodes into scores with intervals; all of them share their resamples."""

    def __init__(self, spec: OpenLoopSpec, n: int) -> None:
        self._spec = spec
        self._enough = n >= fewest_episodes(spec.alpha)

    def __call__(self, names: Sequence[str], units: Sequence[str | None], errors: Mapping[str, NDArray]) -> list[Score]:
        """Return a score for each column of errors {arm: (E, m)}."""
        level = 1.0 - self._spec.alpha
        columns = [errors[arm] for arm in ARMS]
        columns += [errors["hold"] - errors["policy"], errors["mean"] - errors["policy"]]
        options = {"level": level, "resamples": self._spec.resamples, "seed": self._spec.seed}
        made = means(np.concatenate(columns, axis=1), list(units) * len(columns), **options)
        scores, m = [], len(names)
        for j, name in enumerate(names):
            policy, hold, mean, gain_hold, gain_mean = (made[part * m + j] for part in range(5))
            scores.append(
                Score(
                    name=name,
                    unit=units[j],
                    policy=policy,
                    hold=hold,
                    mean=mean,
                    gain_hold=gain_hold,
                    gain_mean=gain_mean,
                    won_hold=_won(errors["hold"][:, j] - errors["policy"][:, j], level),
                    won_mean=_won(errors["mean"][:, j] - errors["policy"][:, j], level),
                    verdict=self._verdict(gain_hold, gain_mean),
                )
            )
        return scores

    def _verdict(self, gain_hold: Estimate, gain_mean: Estimate) -> OpenLoopVerdict:
        if not self._enough or gain_hold.low is None or gain_mean.low is None:
            return "underpowered"
        beaten = (gain_hold.low > 0.0, gain_mean.low > 0.0)
        return {
            (True, True): "beats both",
            (True, False): "beats hold",
            (False, True): "beats mean",
            (False, False): "beats neither",
        }[beaten]


def fewest_episodes(alpha: float) -> int:
    """Return the fewest pairs of which winning every one is significant (two-sided sign test): 6 at 5 %."""
    return math.ceil(1.0 - math.log2(alpha))


def _won(gain: NDArray, level: float) -> Estimate:
    known = gain[~np.isnan(gain)]
    return proportion(int(np.sum(known > 0)), len(known), level=level)


def _result(
    policy: Policy,
    episodes: Sequence[Episode],
    names: Sequence[str],
    joints: Joints,
    errors: Errors,
    score: _Scorer,
) -> dict[str, object]:
    """The scores of an OpenLoop, by field."""
    execute, horizon = policy.info.execute, policy.info.horizon
    by_joint = {arm: errors.by_joint(arm, execute) for arm in ARMS}
    headline = {arm: weighted(by_joint[arm], joints.weights) for arm in ARMS}
    kinds = joints.kinds
    groups = {arm: np.stack([weighted(by_joint[arm], joints.share(kind)) for kind in kinds], axis=1) for arm in ARMS}
    steps = {arm: weighted(errors.by_step(arm), joints.weights) for arm in ARMS}
    rows = [{arm: float(headline[arm][e]) for arm in ARMS} for e in range(len(episodes))]
    return {
        "headline": score(["all joints"], [joints.unit], {arm: headline[arm][:, None] for arm in ARMS})[0],
        "groups": tuple(score([f"joints in {kind or 'unknown unit'}" for kind in kinds], kinds, groups)),
        "joints": tuple(score(joints.names, joints.units, by_joint)),
        "steps": tuple(score([f"+{h + 1}" for h in range(horizon)], [joints.unit] * horizon, steps)),
        "episodes": tuple(
            EpisodeScore(episode=name, steps=episode.length, **row)
            for name, episode, row in zip(names, episodes, rows, strict=True)
        ),
        "constant": tuple(name for name, still in zip(joints.names, joints.constant, strict=True) if still),
    }


def _notes(joints: Joints, left_out: Sequence[str], n: int, spec: OpenLoopSpec) -> tuple[str, ...]:
    notes = []
    unknown = sum(unit is None for unit in joints.units)
    if unknown:
        notes.append(f"the recording does not state the unit of {unknown} of {len(joints.units)} joints")
    if joints.unit == SCALED:
        notes.append("joints have different units: overall errors are in standard deviations of each joint's commands")
        still = [name for name, constant in zip(joints.names, joints.constant, strict=True) if constant]
        if still:
            notes.append(f"not in the overall error, because they hardly move: {', '.join(still)}")
    if left_out:
        notes.append(f"{len(left_out)} episodes are too short to be scored: {', '.join(left_out)}")
    if n < fewest_episodes(spec.alpha):
        notes.append(f"{n} episodes cannot support a verdict: even all won is chance at alpha {spec.alpha:g}")
    return tuple(notes)


def _sentence(top: Score, n: int) -> str:
    def number(estimate: Estimate) -> str:
        if estimate.low is None or estimate.high is None:
            return f"{estimate.value:.4g}"
        return f"{estimate.value:.4g} [{estimate.low:.4g}, {estimate.high:.4g}]"

    return (
        f"{top.verdict}: mean absolute error {number(top.policy)} {top.unit or '(unit unknown)'} against "
        f"{number(top.hold)} holding the last command and {number(top.mean)} with the episode's mean "
        f"(n = {n} episodes, policy better in {top.won_hold.value:.0%} and {top.won_mean.value:.0%})"
    )


def _check_finite(episode: Episode, name: str, keys: Sequence[str]) -> None:
    for key in keys:
        if key not in episode.arrays:
            raise DataError(f"'{key}' is missing", where=f"episode {name}", got=sorted(episode.arrays), expected=key)
        array = episode.arrays[key]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            step = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DataError(
                f"'{key}' is not finite",
                where=f"episode {name}, step {step}",
                expected="finite numbers",
                remedy="drop the episode in curation",
            )
