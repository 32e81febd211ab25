"""Sweeps: where a policy starts to fail, found by comparison with the control and not by eye."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import SpecError
from motorium.evaluate.axes import CONTROL
from motorium.evaluate.rollout import rollout
from motorium.evaluate.sweeps import SweepSpec, arm_name, check_swept, compare_points, setting, sweep_of
from tests.evaluate.test_measures import episodes
from tests.evaluate.worlds import Dot, Steer

N = 64


def arm(successes: int):
    outcome = np.where(np.arange(N) < successes, 1, 3).astype(np.int8)
    return episodes(
        seeds=np.arange(N),
        outcome=outcome,
        length=np.full(N, 10),
        returns=np.zeros(N),
        factors={},
    )


def swept(values, successes, trained=(0.4, 1.2)):
    arms = {arm_name("friction", value): arm(count) for value, count in zip(values, successes)}
    comparisons = compare_points((CONTROL, arm(62)), arms, margin=0.05, alpha=0.05)
    return sweep_of("friction", values, arms, comparisons, trained)


def test_values_are_equally_spaced_and_include_both_ends():
    assert SweepSpec(low=0.0, high=1.5, points=6).values() == [0.0, 0.3, 0.6, 0.9, 1.2, 1.5]


def test_values_that_run_backwards_are_refused():
    with pytest.raises(SpecError, match="low must be below high"):
        SweepSpec.parse({"low": 1.0, "high": 0.5})


def test_the_value_nearest_to_training_that_is_worse_than_the_control_is_where_it_fails():
    made = swept([0.1, 0.2, 0.5, 0.8, 1.5, 2.0], [5, 30, 61, 62, 20, 0])
    assert (made.fails_below, made.fails_above) == (0.2, 1.5)
    assert "from 0.2 down" in made.text and "from 1.5 up" in made.text
    assert [point.success.n for point in made.points] == [N] * 6


def test_no_failure_is_claimed_where_none_is_shown():
    made = swept([0.1, 0.8, 2.0], [61, 62, 60])
    assert (made.fails_below, made.fails_above) == (None, None)
    assert "at no point" in made.text


def test_a_policy_that_never_succeeds_unperturbed_is_said_to_have_nothing_to_lose():
    arms = {arm_name("friction", value): arm(0) for value in (0.1, 0.8)}
    comparisons = compare_points((CONTROL, arm(0)), arms, margin=0.05, alpha=0.05)
    made = sweep_of("friction", [0.1, 0.8], arms, comparisons, (0.4, 1.2))
    assert "control never succeeds" in made.text


def test_failures_are_counted_apart_from_time_outs():
    late = episodes(outcome=np.array([2, 2, 3, 1], np.int8))
    comparisons = compare_points((CONTROL, late), {arm_name("friction", 1.0): late}, margin=0.05, alpha=0.05)
    (point,) = sweep_of("friction", [1.0], {arm_name("friction", 1.0): late}, comparisons, (0.4, 1.2)).points
    assert (point.failed.value, point.success.value) == (0.25, 0.25)


def test_start_conditions_beyond_their_range_and_perturbations_are_set_together():
    env = Dot(4)
    axis = setting(env.info, {"start_x_m": 2.2, "action_gain": 0.0, "action_latency_steps": 2})
    world = axis.wrap(env)
    made = rollout(world, Steer(), range(8), factors={"start_x_m": np.full(8, axis.factors["start_x_m"])})
    assert (made.factors["start_x_m"] == 2.2).all()
    assert "success" not in made.outcome_names
    assert "action gain" in made.versions["perturbation"] and "latency" in made.versions["perturbation"]


def test_what_can_be_set_in_no_world_is_refused_with_the_nearest():
    with pytest.raises(SpecError, match="start_x_m"):
        check_swept(Dot(1).info, ["start_x"])
