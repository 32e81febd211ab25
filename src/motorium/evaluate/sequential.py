"""A comparison that may be looked at after every pair: an e-value over the discordant pairs.

Under "the two are equally good" a discordant pair is a fair coin. With w wins and l losses among them,

    E = integral over theta in [0, 1] of theta^w (1-theta)^l / (1/2)^(w+l) = 2^(w+l) w! l! / (w+l+1)!

is a martingale with mean 1, so it ever reaches 1/alpha with probability at most alpha, however often one
looks (Ville's inequality). One-sided: the same with theta spread over (1/2, 1], a supermartingale
under "the candidate is no better". Concordant pairs leave E as it is.

Source: R. Turner and P. Grünwald, Statistics & Probability Letters 198 (2023) 109835, for two streams;
the uniform mixture is J. Ville's, 1939. Written from the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError, SpecError
from motorium.core.spec import Spec
from motorium.evaluate.paired import ALTERNATIVES, Alternative
from motorium.evaluate.special import half_binomial_tail

Decision = Literal["better", "worse", "undecided"]


def log_e(wins: int, losses: int, alternative: Alternative = "two-sided") -> float:
    """Return ln E after `wins` and `losses`; 0 before the first discordant pair.

    `greater` grows only with evidence that the candidate is better, `less` that it is worse.

    Raises:
        DataError: when a count is negative.
        SpecError: when the alternative is unknown.
    """
    if wins < 0 or losses < 0:
        raise DataError("wins and losses are counts", got=f"{wins} and {losses}")
    if alternative not in ALTERNATIVES:
        raise SpecError("unknown alternative", got=alternative, expected=", ".join(ALTERNATIVES))
    n = wins + losses
    mixed = n * math.log(2.0) + math.lgamma(wins + 1) + math.lgamma(losses + 1) - math.lgamma(n + 2)
    if alternative == "two-sided":
        return mixed
    ahead = wins if alternative == "greater" else losses
    # P(Beta(w+1, l+1) > 1/2) = P(Binomial(n+1, 1/2) <= w), and the uniform density on half of [0, 1] is 2.
    return mixed + math.log(2.0) + math.log(half_binomial_tail(ahead, n + 1))


class SequentialResult(Spec):
    """Where a sequential comparison stands.

    Attributes:
        decision: `better` or `worse` (the candidate) once E has reached 1/alpha, else `undecided`.
        pairs: pairs looked at, up to and with the one that decided.
        wins, losses: discordant pairs among them.
        log_e: ln E at that pair.
        p_value: anytime-valid: 1 / (largest E so far), at most 1.
        alpha: bound on the probability of any false decision.
        alternative: `two-sided`, `greater` or `less`.
        method: how it was decided.
    """

    decision: Decision
    pairs: int
    wins: int
    losses: int
    log_e: float
    p_value: float
    alpha: float
    alternative: Alternative
    method: str = "e-value, uniform mixture over discordant pairs, checked after every pair"


class SequentialTest:
    """Takes pairs one after the other and stops at the first at which E reaches 1/alpha."""

    def __init__(self, alpha: float = 0.05, alternative: Alternative = "two-sided") -> None:
        if not 0.0 < alpha < 1.0:
            raise SpecError("alpha lies between 0 and 1", got=alpha, expected="for example 0.05")
        self.alpha, self.alternative = alpha, alternative
        self._pairs = self._wins = self._losses = 0
        self._log_e = self._largest = log_e(0, 0, alternative)

    @property
    def decided(self) -> bool:
        """Whether E has reached 1/alpha; later pairs are not counted."""
        return self._log_e >= -math.log(self.alpha)

    def update(self, baseline: Iterable[bool], candidate: Iterable[bool]) -> bool:
        """Add pairs of successes in order, up to the deciding one; return `decided`."""
        for old, new in zip(baseline, candidate, strict=True):
            if self.decided:
                break
            self._pairs += 1
            if bool(old) != bool(new):
                self._wins += bool(new)
                self._losses += bool(old)
                self._log_e = log_e(self._wins, self._losses, self.alternative)
                self._largest = max(self._largest, self._log_e)
        return self.decided

    def result(self) -> SequentialResult:
        """Return where the comparison stands."""
        better = self._wins > self._losses
        return SequentialResult(
            decision=("better" if better else "worse") if self.decided else "undecided",
            pairs=self._pairs,
            wins=self._wins,
            losses=self._losses,
            log_e=self._log_e,
            p_value=min(1.0, math.exp(-self._largest)),
            alpha=self.alpha,
            alternative=self.alternative,
        )


def run_sequential(
    baseline: Callable[[NDArray[np.int64]], Sequence[bool]],
    candidate: Callable[[NDArray[np.int64]], Sequence[bool]],
    seeds: Iterable[int],
    *,
    block: int = 64,
    test: SequentialTest | None = None,
) -> SequentialResult:
    """Evaluate both arms on blocks of the same seeds until E decides or the seeds run out.

    The result does not depend on `block`, only how many episodes are run beyond the deciding pair does.

    Args:
        baseline, candidate: functions of seeds (b,) that give successes (b,).
        seeds: in the order in which pairs count.
        block: seeds evaluated at a time.
        test: its alpha and alternative; two-sided at 5 % unless given.
    """
    test = test or SequentialTest()
    seeds = np.asarray(list(seeds), np.int64)
    for start in range(0, len(seeds), block):
        part = seeds[start : start + block]
        if test.update(baseline(part), candidate(part)):
            break
    return test.result()


@dataclass(frozen=True, kw_only=True)
class Characteristics:
    """What a sequential comparison of at most `pairs` pairs does, exactly.

    Attributes:
        better, worse: probability of each decision.
        pairs: expected number of pairs run (all of them where undecided).
        pairs_if_decided: expected number of pairs where it decides; None when it never does.
    """

    better: float
    worse: float
    pairs: float
    pairs_if_decided: float | None


def characteristics(
    win: float, loss: float, pairs: int, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> Characteristics:
    """Return the decision probabilities when a pair is a win with probability `win`, a loss with `loss`.

    With win = loss, `better + worse` is the false-alarm rate; otherwise it is the power. Computed by
    carrying the whole distribution over (wins, losses) from pair to pair: costs pairs^3.

    Raises:
        SpecError: when the probabilities are not.
    """
    if win < 0 or loss < 0 or win + loss > 1 + 1e-12:
        raise SpecError("win and loss are probabilities of one pair", got=(win, loss), expected="at least 0, sum <= 1")
    size = pairs + 2
    bound = -math.log(alpha)
    stops = np.array([[log_e(w, lost, alternative) >= bound for lost in range(size)] for w in range(size)])
    won, lost = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    alive = np.zeros((size, size))
    alive[0, 0] = 1.0
    better = worse = stopped_at = 0.0
    for pair in range(1, pairs + 1):
        after = alive * max(1.0 - win - loss, 0.0)
        after[1:] += win * alive[:-1]
        after[:, 1:] += loss * alive[:, :-1]
        stopped = np.where(stops, after, 0.0)
        better += float(stopped[won > lost].sum())
        worse += float(stopped[won < lost].sum())
        stopped_at += pair * float(stopped.sum())
        alive = np.where(stops, 0.0, after)
    decided = better + worse
    return Characteristics(
        better=better,
        worse=worse,
        pairs=stopped_at + pairs * float(alive.sum()),
        pairs_if_decided=stopped_at / decided if decided > 0 else None,
    )
