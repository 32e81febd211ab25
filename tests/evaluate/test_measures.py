"""Returns, reward terms and measures of episodes: sums over an episode, means over episodes, and by start condition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from motorium.evaluate.breakdown import by_factor
from motorium.evaluate.episodes import Rollout, join
from motorium.evaluate.measures import bin_measures, metrics, reward_rates, unit_of
from motorium.evaluate.report import arm_report
from motorium.evaluate.rollout import rollout
from motorium.evaluate.table import read_table, write_table
from tests.evaluate.worlds import Dot, Steer

SEEDS = range(10_000, 10_012)


class Rewarded(Dot):
    """The dot with two reward terms, of which one is its reward, and a measure."""

    def step(self, actions):
        running = self._outcome == 0
        made = super().step(actions)
        terms = {"reward.near": made.reward, "reward.alive": running.astype(np.float32)}
        return replace(made, info={**terms, "length_m": np.full(self.num_envs, 3.0)})


def walks(rows=5) -> Rollout:
    return rollout(Rewarded(rows), Steer(0.5), SEEDS)


def episodes(**more) -> Rollout:
    plain = {
        "task": "t",
        "policy": "p",
        "outcomes": ("running", "success", "timeout", "fell"),
        "control_hz": 10.0,
        "versions": {},
        "seeds": np.arange(4),
        "outcome": np.array([1, 1, 3, 2], np.int8),
        "length": np.array([20, 20, 10, 20]),
        "returns": np.array([4.0, 4.0, 0.0, 2.0]),
        "factors": {"push_m_s": np.array([0.0, 0.1, 0.9, 0.8])},
    }
    return Rollout(**{**plain, **more})


def test_a_reward_term_is_summed_over_its_own_episode_only():
    made = walks()
    assert np.array_equal(made.rewards["near"], made.returns)
    assert np.array_equal(made.rewards["alive"], made.length.astype(float))
    assert set(made.info) == {"length_m"}


def test_reward_terms_do_not_depend_on_the_number_of_rows():
    one, many = walks(1), walks(7)
    for name in one.rewards:
        assert one.rewards[name].tobytes() == many.rewards[name].tobytes()


def test_terms_travel_through_shards_tables_and_choices_of_rows(tmp_path):
    made = walks()
    halves = [made.take(np.arange(12) < 6), made.take(np.arange(12) >= 6)]
    again = join([Rollout.from_plain(half.to_plain()) for half in halves])
    write_table(tmp_path / "t.parquet", {"a": again})
    read = read_table(tmp_path / "t.parquet")["a"]
    for name, values in made.rewards.items():
        assert np.array_equal(again.rewards[name], values) and np.array_equal(read.rewards[name], values)


def test_a_term_is_stated_per_second_of_its_episode():
    # 2 s, 2 s, 1 s, 2 s; 6, 6, 2 and 4 of reward: 3, 3, 2 and 2 a second.
    made = episodes(rewards={"track": np.array([6.0, 6.0, 2.0, 4.0])})
    rate = reward_rates(made)["track"]
    assert (rate.value, rate.n, rate.unit) == (2.5, 4, "reward/s")
    assert 2.0 <= rate.low < 2.5 < rate.high <= 3.0


def test_an_episode_without_a_finite_measure_is_left_out_of_it():
    made = episodes(info={"error_m_s": np.array([0.1, 0.3, np.inf, np.nan]), "flag": np.ones(4, bool)})
    (name,) = found = metrics(made)
    assert name == "error_m_s" and found[name].n == 2
    assert found[name].value == pytest.approx(0.2) and found[name].unit == "m/s"


@pytest.mark.parametrize(
    ("name", "unit"),
    [("velocity_error_m_s", "m/s"), ("yaw_error_rad_s", "rad/s"), ("height_m", "m"), ("s", None), ("share", None)],
)
def test_a_measure_has_the_unit_that_its_name_ends_with(name, unit):
    assert unit_of(name) == unit


def test_bins_state_falls_and_measures_with_their_n():
    made = episodes(info={"error_m_s": np.array([0.1, 0.3, 1.0, 2.0])})
    calm, pushed = by_factor(made, "push_m_s", (0.0, 1.0), bins=2).bins
    assert (calm.rates["fell"].value, calm.rates["fell"].n) == (0.0, 2)
    assert (pushed.rates["fell"].value, pushed.rates["timeout"].value) == (0.5, 0.5)
    assert (calm.measures["return"].value, pushed.measures["return"].value) == (4.0, 1.0)
    assert pushed.measures["error_m_s"].value == pytest.approx(1.5)


def test_a_task_without_rewards_and_measures_has_none_in_its_bins():
    assert bin_measures(episodes()) == {}


def test_the_arm_of_a_report_has_terms_measures_and_the_rate_of_every_failure():
    made = episodes(rewards={"track": np.ones(4)}, info={"error_m_s": np.ones(4)})
    arm = arm_report("policy", made, {"push_m_s": (0.0, 1.0)})
    assert set(arm.rewards) == {"track"} and set(arm.metrics) == {"error_m_s"}
    assert arm.total_reward.unit == "reward"
    rates = {one.reason: one.rate for one in arm.failures}
    assert rates["fell"].method == "wilson" and rates["fell"].value == 0.25
