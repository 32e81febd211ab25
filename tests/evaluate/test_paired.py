"""Tests and intervals for two success rates: SciPy, published tables, exact enumeration."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
import scipy.stats as st

from motorium.core.errors import DataError, SpecError
from motorium.evaluate.paired import (
    ALTERNATIVES,
    barnard,
    fisher,
    mcnemar,
    paired_difference,
    tango_score,
    unpaired_difference,
)
from motorium.evaluate.special import z_of


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_mcnemar_is_a_binomial_test_of_the_discordant_pairs(alternative):
    for wins in range(13):
        for losses in range(13):
            if wins + losses:
                theirs = st.binomtest(wins, wins + losses, alternative=alternative).pvalue
                assert mcnemar(wins, losses, alternative) == pytest.approx(theirs, rel=1e-12)


def test_mcnemar_matches_the_published_example():
    # Fagerland, Lydersen and Laake 2017 (Cavo et al. 2012): 6 and 16 discordant of 161, exact P = 0.052479.
    assert mcnemar(6, 16) == pytest.approx(0.052479, abs=1e-6)


def test_no_discordant_pair_is_no_evidence():
    assert mcnemar(0, 0) == 1.0


def test_mcnemar_keeps_its_level_exactly():
    for n in (10, 40):
        rejected = sum(comb(n, w) for w in range(n + 1) if mcnemar(w, n - w) <= 0.05)
        assert Fraction(rejected, 2**n) <= Fraction(1, 20)


@pytest.mark.parametrize(
    ("wins", "losses", "n", "level", "low", "high", "digits"),
    [
        # Tango 1998, section 6.2 (Karacan et al.): 9 and 3 of 32.
        (9, 3, 32, 0.95, -0.027, 0.390, 3),
        # Fagerland, Lydersen and Laake 2017, chapter 8 (Cavo et al. 2012): 6 and 16 of 161.
        (6, 16, 161, 0.95, -0.1240, -0.0054, 4),
    ],
)
def test_tango_interval_matches_published_examples(wins, losses, n, level, low, high, digits):
    estimate = paired_difference(wins, losses, n, level)
    assert round(estimate.low, digits) == low and round(estimate.high, digits) == high


def test_tango_matches_the_cross_over_trial():
    # Tango 1998, section 6.1: 0 and 1 of 44; Z(-0.1) = 1.709, lower end of the 90 % interval -0.096.
    assert round(tango_score(0, 1, 44, -0.1), 3) == 1.709
    assert round(paired_difference(0, 1, 44, 0.9).low, 3) == -0.096


def test_tango_score_at_0_is_mcnemars_statistic():
    assert tango_score(9, 3, 32, 0.0) == pytest.approx((9 - 3) / np.sqrt(9 + 3))


def test_tango_bounds_are_where_the_score_test_turns():
    for wins, losses, n in ((5, 2, 20), (0, 3, 30), (40, 1, 512), (12, 12, 64)):
        estimate = paired_difference(wins, losses, n)
        assert tango_score(wins, losses, n, estimate.low) == pytest.approx(z_of(0.95), abs=1e-6)
        assert tango_score(wins, losses, n, estimate.high) == pytest.approx(-z_of(0.95), abs=1e-6)


def test_swapping_the_arms_mirrors_the_interval():
    there, back = paired_difference(9, 3, 32), paired_difference(3, 9, 32)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))


def test_identical_arms_still_leave_doubt():
    estimate = paired_difference(0, 0, 50)
    # With no discordant pair the score is n d / sqrt(n d (1 - d)), so the bound solves n d = z^2 (1 - d).
    z2 = z_of(0.95) ** 2
    assert estimate.high == pytest.approx(z2 / (50 + z2)) and estimate.low == pytest.approx(-z2 / (50 + z2))


def test_all_won_reaches_1():
    assert paired_difference(20, 0, 20).high == 1.0 and paired_difference(0, 20, 20).low == -1.0


@pytest.mark.parametrize(("win", "loss"), [(0.1, 0.1), (0.3, 0.1), (0.05, 0.2)])
def test_tango_covers_about_its_level(win, loss):
    n, covered = 50, 0.0
    for w in range(n + 1):
        for lost in range(n + 1 - w):
            chance = st.multinomial.pmf([w, lost, n - w - lost], n, [win, loss, 1 - win - loss])
            if chance > 1e-9:
                estimate = paired_difference(w, lost, n)
                covered += chance * (estimate.low <= win - loss <= estimate.high)
    assert 0.93 < covered < 0.97


def test_newcombe_matches_the_published_example():
    # Newcombe 1998, table II, contrast (a): 56/70 - 48/80, method 10: 0.0524 to 0.3339.
    estimate = unpaired_difference((48, 80), (56, 70))
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_fisher_matches_scipy(alternative):
    for k1, n1, k2, n2 in ((7, 12, 8, 15), (1, 9, 11, 14), (0, 5, 5, 5), (30, 40, 22, 50)):
        theirs = st.fisher_exact([[k2, n2 - k2], [k1, n1 - k1]], alternative=alternative).pvalue
        assert fisher((k1, n1), (k2, n2), alternative) == pytest.approx(theirs, rel=1e-9)


def test_barnard_counts_ties_that_rounding_hides():
    # 3/15 against 8/15 is exactly as extreme as 7/15 against 12/15: z^2 is the same fraction. Tables, then the
    # maximum over the common rate, by rational arithmetic for the ties and a fine grid for the rate.
    def z_squared(x: int, y: int) -> Fraction:
        pooled = Fraction(x + y, 30)
        return Fraction(y - x, 15) ** 2 / (pooled * (1 - pooled)) if 0 < pooled < 1 else Fraction(0)

    bound = z_squared(7, 12)
    assert z_squared(3, 8) == bound
    rates = np.linspace(0.001, 0.999, 1999)
    pmf = st.binom.pmf(np.arange(16)[:, None], 15, rates)
    extreme = [(x, y) for x in range(16) for y in range(16) if y > x and z_squared(x, y) >= bound]
    expected = max(sum(pmf[x] * pmf[y] for x, y in extreme))
    assert barnard((7, 15), (12, 15), "greater") == pytest.approx(expected, rel=1e-5)


def test_barnard_matches_scipy_where_there_are_no_ties():
    for k1, n1, k2, n2 in ((4, 11, 11, 17), (2, 13, 9, 19)):
        for alternative in ALTERNATIVES:
            table = [[k2, k1], [n2 - k2, n1 - k1]]
            theirs = st.barnard_exact(table, alternative=alternative, n=256).pvalue
            assert barnard((k1, n1), (k2, n2), alternative) == pytest.approx(theirs, rel=1e-3)


def test_impossible_counts_are_refused():
    with pytest.raises(DataError):
        paired_difference(5, 6, 10)
    with pytest.raises(DataError):
        mcnemar(-1, 3)


def test_unknown_alternative_is_refused():
    with pytest.raises(SpecError, match="alternative"):
        mcnemar(1, 2, "bigger")
