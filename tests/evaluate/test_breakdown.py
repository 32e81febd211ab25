"""Success by start condition, failures by reason."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import SpecError
from motorium.evaluate.breakdown import by_factor, by_factors, failures
from motorium.evaluate.rollout import rollout
from motorium.evaluate.seeds import parse_seeds
from tests.evaluate.test_compare import arm
from tests.evaluate.worlds import Dot, Steer


def placed(values, success):
    return arm(success, factors={"x_m": np.asarray(values, float)})


def test_every_episode_is_in_exactly_one_bin():
    made = rollout(Dot(16), Steer(0.6), range(64))
    for part in by_factors(made, Dot(1).info.factors, bins=5):
        assert len(part.bins) == 5
        assert sum(b.success.n for b in part.bins) == 64
        assert sum(round(b.success.value * b.success.n) for b in part.bins if b.success.n) == made.success.sum()
        assert sum(sum(b.failures.values()) for b in part.bins) == 64 - made.success.sum()


def test_bins_are_closed_below_and_the_last_on_both_sides():
    part = by_factor(placed([0.0, 0.5, 1.0], [True, False, True]), "x_m", (0.0, 1.0), bins=2)
    assert [(b.low, b.high, b.success.n) for b in part.bins] == [(0.0, 0.5, 1), (0.5, 1.0, 2)]
    assert part.bins[1].failures == {"timeout": 1}


def test_values_outside_the_range_have_bins_of_their_own():
    part = by_factor(placed([-0.1, 0.5, 1.1, 1.2], [True] * 4), "x_m", (0.0, 1.0), bins=1)
    assert [(b.low, b.high, b.success.n) for b in part.bins] == [(None, 0.0, 1), (0.0, 1.0, 1), (1.0, None, 2)]


def test_empty_bin_knows_nothing():
    part = by_factor(placed([0.1], [True]), "x_m", (0.0, 1.0), bins=2)
    assert part.bins[1].success.value is None
    assert (part.bins[1].success.low, part.bins[1].success.high) == (0.0, 1.0)


def test_fixed_start_condition_is_one_bin():
    assert len(by_factor(placed([2.0, 2.0], [True, False]), "x_m", (2.0, 2.0)).bins) == 1


def test_unknown_start_condition_names_the_nearest():
    with pytest.raises(SpecError, match="x_m"):
        by_factor(placed([0.0], [True]), "x", (0, 1))


def test_failures_name_their_episodes_and_the_command_that_shows_them():
    made = rollout(Dot(16), Steer(0.6), range(64))
    rows = failures(made, command="motorium evaluate p --seeds {seeds}")
    assert {row.reason for row in rows} == {"left", "timeout"}
    assert sum(row.count for row in rows) == 64 - made.success.sum()
    first = rows[0]
    assert first.count >= rows[1].count and first.command == f"motorium evaluate p --seeds {first.seeds}"
    assert all(made.outcome_names[row] == first.reason for row in made.rows_of(parse_seeds(first.seeds)))
    assert rows[1].count or rows[1].command == ""


def test_command_that_cannot_name_episodes_is_refused():
    with pytest.raises(SpecError, match="seeds"):
        failures(rollout(Dot(2), Steer(), range(4)), command="motorium evaluate p")
