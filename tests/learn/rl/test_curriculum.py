"""Curricula: levels follow what episodes say of them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from motorium.learn.rl.curriculum import Curriculum, next_level  # noqa: E402
from motorium.tasks.make import make_env  # noqa: E402


def test_a_level_goes_up_down_or_stays_as_judged():
    level, judged = np.full(3, 0.5), np.array([1.0, 0.0, -1.0])
    assert next_level(level, judged, np.zeros(3)) == pytest.approx([0.6, 0.5, 0.4])


def test_nobody_falls_below_the_lowest_level():
    assert next_level(np.array([0.05]), np.array([-1.0]), np.zeros(1)) == 0.0


def test_who_masters_the_highest_level_goes_on_at_a_random_one():
    assert next_level(np.array([1.0]), np.array([1.0]), np.array([0.3])) == 0.3


def test_the_highest_level_is_reached_in_steps_that_do_not_add_up_exactly():
    level = np.zeros(1)
    for _ in range(10):
        level = next_level(level, np.ones(1), np.zeros(1))
    assert level == pytest.approx(1.0)


def test_only_worlds_whose_episode_is_over_change_their_level_and_factors_are_in_their_range():
    info = make_env("go1/velocity-rough", 1, threads=1, terrain_level=(0.2, 0.6), terrain_levels=2).info
    curriculum = Curriculum(info, 3, seed=0)
    assert curriculum.factors()["terrain_level"].tolist() == [0.2] * 3
    measures = {"terrain_promotion": torch.tensor([1.0, 1.0, -1.0])}
    curriculum.judge(measures, torch.tensor([True, False, True]), torch.zeros(3, dtype=torch.int64))
    assert curriculum.factors()["terrain_level"].tolist() == pytest.approx([0.24, 0.2, 0.2])


def test_an_env_without_a_curriculum_has_no_factors_set():
    assert Curriculum(make_env("cartpole/swing-up", 1).info, 2, seed=0).factors() == {}
