"""The sequential comparison: the e-value's martingale property, its false alarms and its power, exactly."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from motorium.core.errors import SpecError
from motorium.core.random import stream
from motorium.evaluate.paired import ALTERNATIVES
from motorium.evaluate.sequential import SequentialTest, characteristics, log_e, run_sequential


def exact_e(wins: int, losses: int) -> Fraction:
    """The formula of the issue, in fractions."""
    n = wins + losses
    return Fraction(2**n * math.factorial(wins) * math.factorial(losses), math.factorial(n + 1))


def exact_one_sided(wins: int, losses: int) -> Fraction:
    """2 * 2^n * the integral of t^w (1-t)^l over [1/2, 1], by the binomial expansion in (1-t)."""
    n, total = wins + losses, Fraction(0)
    for i in range(wins + 1):
        # t^w = (1 - s)^w with s = 1 - t in [0, 1/2].
        total += Fraction((-1) ** i * math.comb(wins, i), losses + i + 1) * Fraction(1, 2 ** (losses + i + 1))
    return 2 * 2**n * total


def test_log_e_is_the_formula():
    for wins in range(15):
        for losses in range(15):
            assert log_e(wins, losses) == pytest.approx(math.log(exact_e(wins, losses)), abs=1e-12)


def test_one_sided_log_e_is_the_integral_over_the_better_half():
    for wins in range(12):
        for losses in range(12):
            expected = math.log(exact_one_sided(wins, losses))
            assert log_e(wins, losses, "greater") == pytest.approx(expected, abs=1e-9)
            assert log_e(losses, wins, "less") == pytest.approx(expected, abs=1e-9)


def test_e_is_a_martingale_under_a_fair_coin():
    for wins in range(20):
        for losses in range(20):
            after = (exact_e(wins + 1, losses) + exact_e(wins, losses + 1)) / 2
            assert after == exact_e(wins, losses)


@pytest.mark.parametrize("theta", [Fraction(1, 2), Fraction(2, 5), Fraction(1, 10), Fraction(0)])
def test_one_sided_e_never_grows_on_average_when_the_candidate_is_no_better(theta):
    for wins in range(12):
        for losses in range(12):
            after = theta * exact_one_sided(wins + 1, losses) + (1 - theta) * exact_one_sided(wins, losses + 1)
            assert after <= exact_one_sided(wins, losses)


def test_e_starts_at_1():
    for alternative in ALTERNATIVES:
        assert log_e(0, 0, alternative) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("rate", [0.5, 0.8])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_false_alarms_stay_below_alpha_when_peeking_after_every_pair(rate, alternative):
    known = characteristics(rate * (1 - rate), rate * (1 - rate), 150, alternative=alternative)
    assert 0.0 < known.better + known.worse <= 0.05


def test_false_alarms_in_simulation_stay_below_alpha():
    tries, alarms = 2000, 0
    for i in range(tries):
        rng = stream(11, "false alarm", i)
        old, new = rng.uniform(size=(2, 200)) < 0.5
        alarms += SequentialTest().update(old, new)
    # alpha = 0.05; the exact rate is 0.0275, five deviations of 2000 tries are 0.018.
    assert alarms / tries <= 0.05
    exact = characteristics(0.25, 0.25, 200)
    assert alarms / tries == pytest.approx(exact.better + exact.worse, abs=0.018)


def test_power_matches_the_independent_simulation():
    # The reference notes: 0.6 against 0.8, alpha 0.05, at most 200 pairs: power 93 %, mean stop at 84 pairs.
    known = characteristics(0.8 * 0.4, 0.6 * 0.2, 200)
    assert known.better == pytest.approx(0.93, abs=0.01)
    assert known.pairs_if_decided == pytest.approx(84, abs=3)
    assert known.worse < 1e-3


def test_one_sided_test_is_the_more_powerful_one():
    both = characteristics(0.32, 0.12, 120)
    assert characteristics(0.32, 0.12, 120, alternative="greater").better > both.better


def test_small_case_by_hand():
    # Only wins: E after n wins is 2^n / (n + 1); 2^8 / 9 = 28.4 is the first at or above 20.
    known = characteristics(1.0, 0.0, 10)
    assert known.better == 1.0 and known.pairs == 8.0
    test = SequentialTest()
    assert not test.update([False] * 7, [True] * 7)
    assert test.update([False] * 5, [True] * 5)
    result = test.result()
    assert (result.decision, result.pairs, result.wins, result.losses) == ("better", 8, 8, 0)
    assert result.p_value == pytest.approx(9 / 256)


def test_concordant_pairs_change_nothing_but_the_count():
    test = SequentialTest()
    test.update([True, False, True], [True, False, True])
    assert (test.result().pairs, test.result().log_e, test.result().decision) == (3, 0.0, "undecided")


def test_decision_is_kept_whatever_comes_after():
    test = SequentialTest()
    test.update([False] * 8, [True] * 8)
    test.update([True] * 50, [False] * 50)
    assert test.result().decision == "better" and test.result().pairs == 8


def test_result_does_not_depend_on_the_block():
    def arm(rate):
        return lambda seeds: np.array([stream(int(s), "arm", int(100 * rate)).uniform() < rate for s in seeds])

    results = [run_sequential(arm(0.3), arm(0.9), range(200), block=block) for block in (1, 7, 64, 500)]
    assert results[0].decision == "better"
    assert all(result == results[0] for result in results)


def test_no_more_blocks_are_run_than_needed():
    seen = []

    def candidate(seeds):
        seen.extend(seeds.tolist())
        return np.ones(len(seeds), bool)

    run_sequential(lambda seeds: np.zeros(len(seeds), bool), candidate, range(1000), block=5)
    assert seen == list(range(10))


def test_alpha_outside_0_and_1_is_refused():
    with pytest.raises(SpecError, match="alpha"):
        SequentialTest(alpha=5)
