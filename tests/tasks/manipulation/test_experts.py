"""Scripted experts solve the arm tasks: they can be solved, and success is judged where it is due."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.protocols import SUCCESS
from tests.tasks.manipulation import scripts
from tests.tasks.manipulation.expert import Expert

SEEDS = np.arange(16)


def test_an_expert_reaches_every_target_and_keeps_to_it():
    expert = Expert("panda/reach", len(SEEDS))
    last = scripts.reach(expert, SEEDS)
    assert last.truncated.all() and (last.outcome == SUCCESS).all()
    assert last.info["distance_m"].max() < 0.01


def test_an_expert_lifts_every_cube_to_its_height():
    expert = Expert("panda/lift", len(SEEDS))
    last = scripts.lift(expert, SEEDS)
    assert (last.outcome == SUCCESS).all()
    assert np.abs(last.info["height_m"] - 0.10).max() < 0.025


def test_a_cube_that_is_held_at_half_the_height_is_no_success():
    expert = Expert("panda/lift", len(SEEDS))
    last = scripts.lift(expert, SEEDS, height_m=0.05)
    assert np.abs(last.info["height_m"] - 0.05).max() < 0.01
    assert (last.outcome == expert.env.info.outcomes.index("timeout")).all()


@pytest.mark.slow
def test_an_expert_pushes_most_cubes_into_their_zones():
    # It is slow and careful: it gets the time.
    expert = Expert("panda/push", len(SEEDS), episode_s=12.0)
    last = scripts.push(expert, SEEDS)
    assert (last.outcome == SUCCESS).mean() >= 0.8
    assert ((last.info["apart_m"] < 0.03) >= (last.outcome == SUCCESS)).all()


def test_an_expert_inserts_every_peg():
    expert = Expert("panda/peg-insertion", len(SEEDS))
    last = scripts.insert(expert, SEEDS)
    assert (last.outcome == SUCCESS).all()
    assert (last.info["depth_m"] > 0.03).all()


def test_an_expert_that_stays_at_home_succeeds_at_nothing():
    for name in ("reach", "lift", "push", "peg-insertion"):
        expert = Expert(f"panda/{name}", 4)
        expert.env.reset(SEEDS[:4])
        for _ in range(expert.env.info.max_steps):
            last = expert.env.step(np.zeros((4, expert.env.info.action.size), np.float32))
        assert last.truncated.all() and (last.outcome != SUCCESS).all(), name
