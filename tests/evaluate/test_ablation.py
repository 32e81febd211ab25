"""Ablations: equal budgets, a control that is always reported, alpha shared among arms."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import ConventionError, DataError, SpecError
from motorium.evaluate.ablation import Ablation, AblationSpec, Arm, ablate
from tests.evaluate.test_compare import arm

BUDGET = {"steps": 4000, "batch": 256, "parameters": 900_000, "seed": 1}


def arms(second=None):
    rng = np.random.default_rng(0)
    weak, strong = rng.uniform(size=(2, 128)) < [[0.3], [0.95]]
    return [
        Arm(name="24 demonstrations", rollout=arm(weak), training=BUDGET, data="24 episodes"),
        Arm(name="amplified", rollout=arm(strong), training={**BUDGET, **(second or {})}, data="1000 episodes"),
    ]


def test_control_comes_first_and_is_always_reported():
    result = ablate(arms(), AblationSpec(control="amplified"))
    assert [(row.name, row.control) for row in result.arms] == [("amplified", True), ("24 demonstrations", False)]
    assert result.comparisons[0].baseline == "amplified" and result.comparisons[0].verdict == "regressed"


def test_equal_budget_is_checked_and_said():
    result = ablate(arms())
    assert result.budget == {"steps": 4000, "batch": 256, "parameters": 900_000} and not result.unequal
    assert "equal training budget: steps 4000, batch 256, parameters 900000" in result.text
    assert result.comparisons[0].verdict == "improved"


def test_unequal_budget_is_refused():
    with pytest.raises(ConventionError, match="different 'steps'"):
        ablate(arms({"steps": 8000}))


def test_unequal_budget_is_shouted_where_allowed():
    result = ablate(arms({"steps": 8000}), AblationSpec(allow_unequal=True))
    assert result.unequal == {"steps": {"24 demonstrations": 4000, "amplified": 8000}}
    assert "UNEQUAL" in result.text


def test_unstated_budget_is_refused():
    broken = arms()
    broken[1] = Arm(name="amplified", rollout=broken[1].rollout, training={"steps": 4000, "batch": 256})
    with pytest.raises(ConventionError, match="parameters"):
        ablate(broken)


def test_alpha_is_shared_among_the_arms():
    three = [*arms(), Arm(name="no noise", rollout=arm([True] * 128), training=BUDGET)]
    result = ablate(three)
    assert [c.alpha for c in result.comparisons] == [0.025, 0.025] and "Bonferroni" in result.text


def test_different_seeds_are_refused():
    broken = arms()
    broken[1] = Arm(name="amplified", rollout=arm([True] * 128, seeds=range(5, 133)), training=BUDGET)
    with pytest.raises(DataError, match="different seeds"):
        ablate(broken)


def test_control_that_is_not_there_names_the_nearest():
    with pytest.raises(SpecError, match="amplified"):
        ablate(arms(), AblationSpec(control="amplifed"))


def test_one_arm_is_no_ablation():
    with pytest.raises(SpecError, match="two arms"):
        ablate(arms()[:1])


def test_ablation_survives_plain_data():
    result = ablate(arms())
    assert Ablation.parse(result.to_plain()) == result
