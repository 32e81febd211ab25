"""The recipe go1-walk, small: what it makes, and what its page says."""

import json
import re

import pytest

from motorium.evaluate.report import read_report
from motorium.flow.store import Store
from tests.stages import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A store in which the small recipe has run to its end; the tests only read it."""
    store = tmp_path_factory.mktemp("walk") / "store"
    made = tiny.run(tiny.GO1_WALK, store, tiny.WALK)
    assert made.returncode == 0, made.stderr
    return store


def report(store, name):
    entry = tiny.newest(store)["stages"][name]["artifact"]
    return read_report(Store(store).load(entry["kind"], entry["id"]).path)


def test_the_policy_is_judged_on_held_out_commands_with_terms_and_measures(walked):
    (arm,) = report(walked, "evaluate").arms
    assert arm.seeds == "10000-10003"
    assert {"track_linear", "track_angular", "upright"} <= set(arm.rewards)
    assert arm.metrics["velocity_error_m_s"].unit == "m/s" and arm.metrics["velocity_error_m_s"].n == 4
    assert "fell" in {one.reason for one in arm.failures}
    assert {"command_x_m_s", "friction", "push_m_s"} <= {one.factor for one in arm.by_factor}
    # The terms of the reward make up the return, but for its floor at zero.
    assert sum(one.value for one in arm.rewards.values()) * 0.5 <= arm.total_reward.value + 1e-5


def test_the_attack_has_the_control_and_every_point_on_the_same_seeds(walked):
    made = report(walked, "attack")
    assert [arm.name for arm in made.arms] == [
        "control",
        "push_m_s = 0",
        "push_m_s = 1",
        "action_latency_steps = 0",
        "action_latency_steps = 2",
    ]
    assert {arm.seeds for arm in made.arms} == {"10000-10001"}
    push, latency = made.sweeps
    assert push.trained is not None and push.unit == "m/s" and latency.trained is None
    # No latency is no perturbation: the same episodes, return and all.
    control, unchanged = made.arms[0], made.arms[3]
    assert unchanged.total_reward.value == control.total_reward.value
    assert "--factors action_latency_steps=2 --seeds" in next(one.command for one in made.arms[4].failures if one.count)


def test_the_page_has_curves_measures_the_attack_and_a_video(walked):
    page = (walked / "reports" / "go1-walk.html").read_text()
    for heading in ("Returns and measures", "Under attack", "Training", "Episodes"):
        assert re.search(rf"<h2[^>]*>{heading}</h2>", page), heading
    for words in ("Reward terms, evaluate", "velocity_error_m_s", "push_m_s, attack", "return of an episode"):
        assert words in page, words
    assert "data:video/mp4" in page


def test_the_policy_was_trained_on_no_seed_it_is_judged_on(walked):
    entry = tiny.newest(walked)["stages"]["walk"]["artifact"]
    policy = Store(walked).load(entry["kind"], entry["id"]).path
    said = json.loads((policy / "policy.json").read_text())["conventions"]
    assert said["task"] == "go1/velocity" and json.loads(said["task_options"]) == {"episode_s": 0.5}
