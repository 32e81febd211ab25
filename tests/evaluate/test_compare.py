"""Verdicts, their exit codes, and what makes two arms incomparable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from motorium.core.errors import ConventionError, DataError
from motorium.evaluate.compare import CompareSpec, Comparison, compare, compare_to_control
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.rollout import rollout
from motorium.evaluate.seeds import parse_seeds
from tests.evaluate.worlds import OUTCOMES, Dot, Steer


def arm(success, seeds=None, **changes) -> Rollout:
    success = np.asarray(success, bool)
    seeds = np.arange(len(success)) if seeds is None else np.asarray(seeds)
    made = Rollout(
        task="dot",
        policy="p",
        outcomes=OUTCOMES,
        control_hz=10.0,
        versions={"dot": "1"},
        seeds=seeds,
        outcome=np.where(success, 1, 3).astype(np.int8),
        length=np.full(len(success), 5),
        returns=np.zeros(len(success)),
        factors={"start_x_m": seeds * 0.1},
    )
    return replace(made, **changes)


def pairs(both: int, wins: int, losses: int, neither: int) -> tuple[Rollout, Rollout]:
    old = [True] * both + [False] * wins + [True] * losses + [False] * neither
    new = [True] * both + [True] * wins + [False] * losses + [False] * neither
    return arm(old), arm(new)


@pytest.mark.parametrize(
    ("counts", "verdict", "code"),
    [
        ((20, 30, 5, 9), "improved", 0),
        ((20, 5, 30, 9), "regressed", 3),
        ((500, 3, 4, 5), "held", 0),
        ((10, 2, 1, 3), "underpowered", 4),
        # The test at 5 % is far from rejecting, and yet nothing has been shown to be equal.
        ((3, 0, 0, 2), "underpowered", 4),
    ],
)
def test_verdict_and_exit_code(counts, verdict, code):
    result = compare(*pairs(*counts))
    assert (result.verdict, result.exit_code) == (verdict, code)
    assert (result.both, result.wins, result.losses, result.neither) == counts


def test_held_needs_the_whole_interval_inside_the_margin():
    old, new = pairs(500, 3, 4, 5)
    result = compare(old, new)
    assert result.difference.low > -0.05 and result.difference.high < 0.05
    assert compare(old, new, CompareSpec(margin=0.005)).verdict == "underpowered"


def test_difference_smaller_than_the_margin_is_held_even_if_it_is_real():
    result = compare(*pairs(4960, 40, 0, 0))
    assert result.p_value < 1e-6 and result.verdict == "held"
    assert compare(*pairs(4960, 40, 0, 0), CompareSpec(margin=0.001)).verdict == "improved"


def test_underpowered_says_how_many_episodes_would_do():
    result = compare(*pairs(10, 2, 1, 3))
    assert result.needed > 16 and str(result.needed) in result.text
    scale = -(-result.needed // 16)
    assert compare(*pairs(10 * scale, 2 * scale, 1 * scale, 3 * scale)).verdict != "underpowered"


def test_numbers_are_exact_mcnemar_and_paired_counts():
    result = compare(*pairs(20, 16, 6, 9))
    assert result.p_value == pytest.approx(0.052479, abs=1e-6)
    assert result.baseline_success.value == 26 / 51 and result.candidate_success.value == 36 / 51
    assert result.difference.value == pytest.approx(10 / 51)
    assert parse_seeds(result.seeds).tolist() == list(range(51))


def test_pairs_are_matched_by_seed_and_not_by_row():
    old, new = pairs(20, 30, 5, 9)
    order = np.random.default_rng(0).permutation(new.n)
    assert compare(old, new.take(order)) == compare(old, new)


def test_different_seeds_are_refused_unless_intersected():
    old, new = arm([True] * 10), arm([True] * 10, seeds=range(3, 13))
    with pytest.raises(DataError, match="0-2,10-12"):
        compare(old, new)
    result = compare(old, new, CompareSpec(pairing="intersect"))
    assert (result.seeds, result.left_out, result.difference.n) == ("3-9", "0-2,10-12", 7)


def test_no_common_seed_is_refused():
    with pytest.raises(DataError, match="no seed in common"):
        compare(arm([True] * 3), arm([True] * 3, seeds=[7, 8, 9]), CompareSpec(pairing="intersect"))


def test_unpaired_arms_are_compared_by_fisher_and_newcombe():
    # Newcombe 1998: 48/80 and 56/70 differ by 0.0524 to 0.3339.
    old = arm([True] * 48 + [False] * 32)
    new = arm([True] * 56 + [False] * 14, seeds=range(1000, 1070))
    result = compare(old, new, CompareSpec(pairing="unpaired"))
    assert (result.test, result.wins, result.sequential) == ("Fisher exact", None, None)
    assert round(result.difference.low, 4) == 0.0524 and result.verdict == "improved"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "other"}, "task"),
        ({"versions": {"dot": "2"}}, "versions"),
        ({"outcomes": ("running", "success", "lost", "timeout")}, "outcomes"),
        ({"factors": {"start_x_m": np.arange(10) * 0.2}}, "started differently"),
        ({"factors": {}}, "start condition"),
    ],
)
def test_arms_of_different_worlds_are_refused(change, message):
    with pytest.raises(ConventionError, match=message):
        compare(arm([True] * 10), arm([True] * 10, **change))


def test_empty_arm_is_refused():
    with pytest.raises(DataError, match="no episodes"):
        compare(arm([True]), arm([]))


def test_several_arms_share_alpha():
    old, new = pairs(20, 30, 5, 9)
    results = compare_to_control(("control", old), {"a": new, "b": old})
    assert [result.alpha for result in results] == [0.025, 0.025]
    assert results[0].difference.level == pytest.approx(0.975)
    assert results[1].candidate == "b" and results[1].verdict == "underpowered"


def test_sequential_result_stands_beside_the_fixed_one():
    old, new = pairs(0, 8, 0, 4)
    assert compare(old, new).sequential.decision == "better"
    assert compare(old, new).sequential.pairs == 8


def test_comparison_survives_plain_data():
    result = compare(*pairs(10, 2, 1, 3))
    assert Comparison.parse(result.to_plain()) == result


def test_real_rollouts_of_a_better_policy_are_improved():
    seeds = range(96)
    result = compare(rollout(Dot(32), Steer(0.4), seeds), rollout(Dot(17), Steer(1.0), seeds))
    assert result.verdict == "improved" and result.losses == 0


def test_arms_without_a_difference_need_as_many_episodes_as_fit_the_interval_into_the_margin():
    result = compare(*pairs(both=60, wins=10, losses=10, neither=20))
    half = 0.5 * (result.difference.high - result.difference.low)
    assert result.verdict == "underpowered"
    assert result.needed == np.ceil(100 * (half / 0.05) ** 2)
